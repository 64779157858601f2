//! Driver and device objects, their set-up, interfaces and I/O targets.

use std::rc::Rc;

use ntsim::pnp::NamedDevice;
use ntsim::wdf::violation;
use ntsim::{Config, DriverImage, Machine, StopCode};
use wdk_sys_lite::{
    _WDF_IO_TARGET_OPEN_TYPE, GUID, INTERFACE as Header, NTSTATUS, PCUNICODE_STRING, PDRIVER_OBJECT,
    PINTERFACE, PVOID, PWDFDEVICE_INIT, STATUS_DRIVER_INTERNAL_ERROR, STATUS_INFO_LENGTH_MISMATCH,
    STATUS_INVALID_DEVICE_STATE, STATUS_INVALID_PARAMETER, STATUS_NOT_SUPPORTED,
    STATUS_OBJECT_NAME_NOT_FOUND, STATUS_UNSUCCESSFUL, UNICODE_STRING, WDF_IO_TARGET_OPEN_PARAMS, WDFOBJECT,
    call_unsafe_wdf_function_binding,
};

use crate::harness::{
    INTERFACE, breaks, create_driver, driver_breaks, driver_config, image, in_callback, in_driver, plug_in,
    returns, size_in_u32, take_log,
};

fn load(entry: ntsim::driver::DriverEntry) -> Result<(), NTSTATUS> {
    Machine::run(Config::default(), move |system| {
        let image = DriverImage { entry, ..image() };
        system.load_driver(image).map(|_| ())
    })
    .expect_finished()
}

#[test]
fn a_driver_configuration_of_the_wrong_size_is_refused() {
    unsafe extern "system" fn entry(driver: PDRIVER_OBJECT, path: PCUNICODE_STRING) -> NTSTATUS {
        let mut config = driver_config();
        config.Size += 8;
        // SAFETY: the arguments are DriverEntry's own.
        unsafe { create_driver(driver, path, config) }
    }
    assert_eq!(load(entry), Err(STATUS_INFO_LENGTH_MISMATCH));
}

#[test]
fn a_driver_object_is_made_once() {
    unsafe extern "system" fn entry(driver: PDRIVER_OBJECT, path: PCUNICODE_STRING) -> NTSTATUS {
        // SAFETY: the arguments are DriverEntry's own.
        unsafe {
            create_driver(driver, path, driver_config());
            create_driver(driver, path, driver_config())
        }
    }
    assert_eq!(load(entry), Err(STATUS_DRIVER_INTERNAL_ERROR));
}

#[test]
fn a_driver_without_plug_and_play_has_no_device_add() {
    unsafe extern "system" fn entry(driver: PDRIVER_OBJECT, path: PCUNICODE_STRING) -> NTSTATUS {
        let mut config = driver_config();
        config.DriverInitFlags = 1;
        // SAFETY: the arguments are DriverEntry's own.
        unsafe { create_driver(driver, path, config) }
    }
    assert_eq!(load(entry), Err(STATUS_INVALID_PARAMETER));
}

#[test]
fn a_null_registry_path_is_a_violation() {
    unsafe extern "system" fn entry(driver: PDRIVER_OBJECT, _path: PCUNICODE_STRING) -> NTSTATUS {
        // SAFETY: the null pointer is what is tried.
        unsafe { create_driver(driver, std::ptr::null(), driver_config()) }
    }
    let check = Machine::run(Config::default(), |system| {
        let image = DriverImage { entry, ..image() };
        let _ = system.load_driver(image);
    })
    .expect_bug_check();
    assert_eq!(check.parameters[0], violation::REQUIRED_PARAMETER_IS_NULL);
}

#[test]
fn a_driver_whose_entry_fails_is_not_loaded() {
    Machine::run(Config::default(), |system| {
        returns("DriverEntry", STATUS_UNSUCCESSFUL);
        assert_eq!(system.load_driver(image()), Err(STATUS_UNSUCCESSFUL));
        let pdo = plug_in();
        assert!(system.wait_started(pdo.id).is_err());
        assert_eq!(take_log(), ["DriverEntry"]);
    })
    .expect_finished();
}

#[test]
fn an_unloaded_driver_is_not_called() {
    let check = Machine::run(Config::default(), |system| {
        let driver = system.load_driver(image()).expect("the driver loads");
        system.unload_driver(driver).expect("the driver can be unloaded");
        ntsim::export::enter_driver(driver, "a forgotten callback").leave();
    })
    .expect_bug_check();
    assert_eq!(
        check.code,
        StopCode::DRIVER_UNLOADED_WITHOUT_CANCELLING_PENDING_OPERATIONS
    );
    assert!(
        check.message.contains("a forgotten callback of tester"),
        "{check}"
    );
}

#[test]
fn a_missing_function_is_named() {
    let check = driver_breaks(|device| {
        // SAFETY: the simulator lacks it, which is what is tried.
        unsafe { call_unsafe_wdf_function_binding!(WdfControlFinishInitializing, device) };
    });
    assert_eq!(check.code, StopCode::NTSIM_MISSING_FUNCTION);
    assert!(check.message.contains("WdfControlFinishInitializing"), "{check}");
}

#[test]
fn every_entry_of_the_table_has_a_function() {
    // SAFETY: the framework's table, with as many entries as it has names.
    unsafe {
        for index in 0..ntsim::wdf::table::COUNT {
            assert!((*wdk_sys_lite::WdfFunctions.add(index)).is_some());
        }
    }
}

#[test]
fn a_device_init_is_gone_once_the_device_is_made() {
    thread_local!(static INIT: std::cell::Cell<WDFOBJECT> = const { std::cell::Cell::new(std::ptr::null_mut()) });
    let check = breaks(|| {
        crate::harness::hook(|name, handle| match name {
            "DeviceInit" => INIT.set(handle),
            "DeviceAdd" => {
                let init: PWDFDEVICE_INIT = INIT.get().cast();
                // SAFETY: the stale init is what is tried.
                unsafe { call_unsafe_wdf_function_binding!(WdfDeviceInitSetExclusive, init, 1) };
            }
            _ => {}
        });
    });
    assert_eq!(check.code, StopCode::NTSIM_INVALID_OBJECT);
    assert!(check.message.contains("WdfDeviceInitSetExclusive"), "{check}");
}

#[test]
fn callbacks_of_the_wrong_size_are_a_violation() {
    let check = breaks(|| {
        in_callback("DeviceInit", |init| {
            let mut callbacks = crate::harness::pnp_power();
            callbacks.Size = 4;
            // SAFETY: the wrong size is what is tried.
            unsafe {
                call_unsafe_wdf_function_binding!(
                    WdfDeviceInitSetPnpPowerEventCallbacks,
                    init.cast(),
                    &raw mut callbacks
                );
            }
        });
    });
    assert_eq!(check.code, StopCode::WDF_VIOLATION);
    assert!(check.message.contains("Size is 4"), "{check}");
}

#[test]
fn a_device_has_three_device_objects_to_show() {
    in_driver(|device| {
        // SAFETY: the new device.
        let (own, attached, physical) = unsafe {
            (
                call_unsafe_wdf_function_binding!(WdfDeviceWdmGetDeviceObject, device),
                call_unsafe_wdf_function_binding!(WdfDeviceWdmGetAttachedDevice, device),
                call_unsafe_wdf_function_binding!(WdfDeviceWdmGetPhysicalDevice, device),
            )
        };
        assert_ne!(own, physical);
        assert_eq!(attached, physical);
        let pnp = &ntsim::kernel::kernel().pnp;
        let of_own = pnp.pdo_of(own).expect("the device's stack");
        assert_eq!(of_own.id, pnp.pdo_of(physical).expect("the bus's device").id);
        assert!(pnp.pdo_of(std::ptr::null_mut()).is_none());
    });
}

fn query_interface(device: WDFOBJECT, class: &GUID) -> Result<Header, NTSTATUS> {
    let mut interface = Header::default();
    let size = u16::try_from(size_of::<Header>()).unwrap_or(0);
    // SAFETY: the new device, a constant and a local structure.
    let status = unsafe {
        call_unsafe_wdf_function_binding!(
            WdfFdoQueryForInterface,
            device,
            std::ptr::from_ref(class),
            &raw mut interface,
            size,
            1,
            std::ptr::null_mut()
        )
    };
    if status == 0 { Ok(interface) } else { Err(status) }
}

#[test]
fn an_interface_query_reaches_the_bus() {
    in_driver(|device| {
        let interface = query_interface(device, &INTERFACE).expect("the bus's interface");
        assert_eq!(interface.Version, 7);
        let other = GUID {
            Data1: 1,
            ..INTERFACE
        };
        assert_eq!(query_interface(device, &other).err(), Some(STATUS_NOT_SUPPORTED));
    });
}

struct Named;

impl NamedDevice for Named {
    fn query_interface(
        &self,
        _interface_type: &GUID,
        _size: u16,
        _version: u16,
        interface: PINTERFACE,
        _data: PVOID,
    ) -> NTSTATUS {
        // SAFETY: the framework vouches for an INTERFACE.
        unsafe { (*interface).Version = 9 };
        0
    }
}

fn open(target: WDFOBJECT, name: &str, size: u32) -> NTSTATUS {
    let mut text: Vec<u16> = name.encode_utf16().collect();
    let bytes = u16::try_from(text.len() * 2).unwrap_or(0);
    let mut params = WDF_IO_TARGET_OPEN_PARAMS {
        Size: size,
        Type: _WDF_IO_TARGET_OPEN_TYPE::WdfIoTargetOpenByName,
        TargetDeviceName: UNICODE_STRING {
            Length: bytes,
            MaximumLength: bytes,
            Buffer: text.as_mut_ptr(),
        },
        ..WDF_IO_TARGET_OPEN_PARAMS::default()
    };
    // SAFETY: a target of the test's, and local structures.
    unsafe { call_unsafe_wdf_function_binding!(WdfIoTargetOpen, target, &raw mut params) }
}

fn query_target(target: WDFOBJECT) -> Result<u16, NTSTATUS> {
    let mut interface = Header::default();
    // SAFETY: a target of the test's, a constant and a local structure.
    let status = unsafe {
        call_unsafe_wdf_function_binding!(
            WdfIoTargetQueryForInterface,
            target,
            &raw const INTERFACE,
            &raw mut interface,
            32,
            1,
            std::ptr::null_mut()
        )
    };
    if status == 0 {
        Ok(interface.Version)
    } else {
        Err(status)
    }
}

#[test]
fn a_remote_target_is_opened_by_name_asked_and_closed() {
    in_driver(|device| {
        let size = size_in_u32::<WDF_IO_TARGET_OPEN_PARAMS>();
        let name = r"\Device\Test\interface";
        ntsim::kernel::kernel().pnp.name_device(name, Rc::new(Named));
        let mut target = std::ptr::null_mut();
        // SAFETY: the new device, and a local variable.
        unsafe {
            let status = call_unsafe_wdf_function_binding!(
                WdfIoTargetCreate,
                device,
                std::ptr::null_mut(),
                &raw mut target
            );
            assert_eq!(status, 0);
        }
        assert_eq!(query_target(target), Err(STATUS_INVALID_DEVICE_STATE));
        assert_eq!(open(target, name, size - 8), STATUS_INFO_LENGTH_MISMATCH);
        assert_eq!(open(target, r"\Device\Other", size), STATUS_OBJECT_NAME_NOT_FOUND);
        assert_eq!(open(target, name, size), 0);
        assert_eq!(open(target, name, size), STATUS_INVALID_DEVICE_STATE);
        assert_eq!(query_target(target), Ok(9));
        // SAFETY: a target of the test's.
        unsafe { call_unsafe_wdf_function_binding!(WdfIoTargetClose, target) };
        assert_eq!(query_target(target), Err(STATUS_INVALID_DEVICE_STATE));
    });
}

#[test]
fn the_default_target_is_the_bus() {
    in_driver(|device| {
        // SAFETY: the new device.
        let target = unsafe { call_unsafe_wdf_function_binding!(WdfDeviceGetIoTarget, device) };
        assert_eq!(query_target(target), Ok(7));
    });
}

#[test]
fn the_default_target_is_not_the_drivers_to_delete() {
    let check = driver_breaks(|device| {
        // SAFETY: deleting what the framework owns is what is tried.
        unsafe {
            let target = call_unsafe_wdf_function_binding!(WdfDeviceGetIoTarget, device);
            call_unsafe_wdf_function_binding!(WdfObjectDelete, target);
        }
    });
    assert_eq!(check.code, StopCode::WDF_VIOLATION);
}

#[test]
fn passive_functions_are_refused_at_dispatch_level() {
    let check = driver_breaks(|device| {
        ntsim::kernel::kernel().sched.set_irql(2);
        let _ = query_interface(device, &INTERFACE);
    });
    assert_eq!(check.code, StopCode::IRQL_NOT_LESS_OR_EQUAL);
    assert!(check.message.contains("WdfFdoQueryForInterface"), "{check}");
}
