//! Driver and device objects, their set-up, interfaces and I/O targets.

use std::rc::Rc;

use ntsim::pnp::NamedDevice;
use ntsim::wdf::device::Device;
use ntsim::wdf::violation;
use ntsim::{Config, DriverImage, Machine, StopCode};
use wdk_sys_lite::{
    _WDF_DEVICE_IO_TYPE as Io, _WDF_FILEOBJECT_CLASS as FileClass, _WDF_IO_TARGET_OPEN_TYPE, GUID,
    INTERFACE as Header, NTSTATUS, PCUNICODE_STRING, PDRIVER_OBJECT, PINTERFACE, PVOID,
    PWDFDEVICE_INIT, STATUS_DRIVER_INTERNAL_ERROR, STATUS_INFO_LENGTH_MISMATCH,
    STATUS_INVALID_DEVICE_STATE, STATUS_INVALID_PARAMETER, STATUS_NOT_SUPPORTED,
    STATUS_OBJECT_NAME_NOT_FOUND, STATUS_UNSUCCESSFUL, UNICODE_STRING, WDF_FILEOBJECT_CONFIG,
    WDF_IO_TARGET_OPEN_PARAMS, WDF_IO_TYPE_CONFIG, WDFOBJECT, call_unsafe_wdf_function_binding,
};

use crate::harness::{
    INTERFACE, breaks, create_driver, driver_breaks, driver_config, image, in_callback, in_driver,
    plug_in, returns, size_in_u32, take_log,
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
        system
            .unload_driver(driver)
            .expect("the driver can be unloaded");
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
fn a_device_add_that_makes_no_device_leaves_none() {
    unsafe extern "C" fn add_nothing(_driver: WDFOBJECT, _init: PWDFDEVICE_INIT) -> NTSTATUS {
        0
    }
    unsafe extern "system" fn entry(driver: PDRIVER_OBJECT, path: PCUNICODE_STRING) -> NTSTATUS {
        let mut config = driver_config();
        config.EvtDriverDeviceAdd = Some(add_nothing);
        // SAFETY: the arguments are DriverEntry's own.
        unsafe { create_driver(driver, path, config) }
    }
    Machine::run(Config::default(), |system| {
        let driver = system
            .load_driver(DriverImage { entry, ..image() })
            .expect("the driver loads");
        let pdo = plug_in();
        assert_eq!(
            system.wait_started(pdo.id),
            Err(wdk_sys_lite::STATUS_PLUGPLAY_NO_DEVICE)
        );
        assert!(pdo.device().is_none());
        system
            .unload_driver(driver)
            .expect("the driver can be unloaded");
    })
    .expect_finished();
}

#[test]
fn a_missing_function_is_named() {
    let check = driver_breaks(|device| {
        // SAFETY: the simulator lacks it, which is what is tried.
        unsafe { call_unsafe_wdf_function_binding!(WdfControlFinishInitializing, device) };
    });
    assert_eq!(check.code, StopCode::NTSIM_MISSING_FUNCTION);
    assert!(
        check.message.contains("WdfControlFinishInitializing"),
        "{check}"
    );
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
    assert!(
        check.message.contains("WdfDeviceInitSetExclusive"),
        "{check}"
    );
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
        assert_eq!(
            of_own.id,
            pnp.pdo_of(physical).expect("the bus's device").id
        );
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
    if status == 0 {
        Ok(interface)
    } else {
        Err(status)
    }
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
        assert_eq!(
            query_interface(device, &other).err(),
            Some(STATUS_NOT_SUPPORTED)
        );
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
        ntsim::kernel::kernel()
            .pnp
            .name_device(name, Rc::new(Named));
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
        assert_eq!(
            open(target, r"\Device\Other", size),
            STATUS_OBJECT_NAME_NOT_FOUND
        );
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

/// What `WdfDeviceCreate` returns for an init that the test has changed.
fn creating(change: fn(PWDFDEVICE_INIT)) -> Option<NTSTATUS> {
    Machine::run(Config::default(), move |system| {
        let driver = system.load_driver(image()).expect("the driver loads");
        in_callback("DeviceInit", move |init| change(init.cast()));
        let pdo = plug_in();
        let status = system.wait_started(pdo.id).err();
        system
            .unload_driver(driver)
            .expect("the driver can be unloaded");
        status
    })
    .expect_finished()
}

fn assign(init: PWDFDEVICE_INIT, text: &str, name: bool) {
    let mut units: Vec<u16> = text.encode_utf16().collect();
    let bytes = u16::try_from(units.len() * 2).unwrap_or(0);
    let string = UNICODE_STRING {
        Length: bytes,
        MaximumLength: bytes,
        Buffer: units.as_mut_ptr(),
    };
    // SAFETY: the framework's init, and a local string.
    let status = unsafe {
        if name {
            call_unsafe_wdf_function_binding!(WdfDeviceInitAssignName, init, &raw const string)
        } else {
            call_unsafe_wdf_function_binding!(
                WdfDeviceInitAssignSDDLString,
                init,
                &raw const string
            )
        }
    };
    assert_eq!(status, 0);
}

#[test]
fn a_device_with_a_security_descriptor_needs_a_name() {
    let without = creating(|init| assign(init, "D:P(A;;GA;;;SY)", false));
    assert_eq!(without, Some(ntsim::wdf::status::INVALID_SECURITY_DESCR));
    let with = creating(|init| {
        assign(init, "D:P(A;;GA;;;SY)", false);
        assign(init, r"\Device\Tester", true);
    });
    assert_eq!(with, None);
}

#[test]
fn the_settings_of_an_init_are_the_devices() {
    Machine::run(Config::default(), |system| {
        let driver = system.load_driver(image()).expect("the driver loads");
        in_callback("DeviceInit", |init| {
            let init: PWDFDEVICE_INIT = init.cast();
            let mut types = WDF_IO_TYPE_CONFIG {
                Size: size_in_u32::<WDF_IO_TYPE_CONFIG>(),
                ReadWriteIoType: Io::WdfDeviceIoDirect,
                DeviceControlIoType: Io::WdfDeviceIoBuffered,
                DirectTransferThreshold: 0,
            };
            let mut files = WDF_FILEOBJECT_CONFIG {
                Size: size_in_u32::<WDF_FILEOBJECT_CONFIG>(),
                FileObjectClass: FileClass::WdfFileObjectWdfCannotUseFsContexts,
                ..WDF_FILEOBJECT_CONFIG::default()
            };
            // SAFETY: the framework's init, and local structures.
            unsafe {
                call_unsafe_wdf_function_binding!(WdfDeviceInitSetIoTypeEx, init, &raw mut types);
                call_unsafe_wdf_function_binding!(
                    WdfDeviceInitSetFileObjectConfig,
                    init,
                    &raw mut files,
                    std::ptr::null_mut()
                );
                call_unsafe_wdf_function_binding!(WdfDeviceInitSetExclusive, init, 1);
                call_unsafe_wdf_function_binding!(WdfDeviceInitSetCharacteristics, init, 1, 1);
                call_unsafe_wdf_function_binding!(WdfDeviceInitSetPowerNotPageable, init);
            }
        });
        let pdo = plug_in();
        assert_eq!(system.wait_started(pdo.id), Ok(()));
        let device = pdo.device().expect("a device").body::<Device>();
        let settings = &device.settings;
        assert_eq!(settings.read_write_io, Io::WdfDeviceIoDirect);
        assert_eq!(settings.device_control_io, Io::WdfDeviceIoBuffered);
        assert!(settings.file.is_some() && settings.exclusive && !settings.power_pageable);
        assert_eq!(
            settings.characteristics,
            wdk_sys_lite::FILE_DEVICE_SECURE_OPEN | 1
        );
        drop(device);
        system
            .unload_driver(driver)
            .expect("the driver can be unloaded");
    })
    .expect_finished();
}

/// The message of the violation that a change of the init is.
fn init_breaks(change: fn(PWDFDEVICE_INIT)) -> String {
    let check = breaks(move || in_callback("DeviceInit", move |init| change(init.cast())));
    assert_eq!(check.code, StopCode::WDF_VIOLATION);
    check.message
}

#[test]
fn what_is_wrong_in_an_init_is_a_violation() {
    let size = init_breaks(|init| {
        let mut files = WDF_FILEOBJECT_CONFIG::default();
        // SAFETY: the wrong size is what is tried.
        unsafe {
            call_unsafe_wdf_function_binding!(
                WdfDeviceInitSetFileObjectConfig,
                init,
                &raw mut files,
                std::ptr::null_mut()
            );
        }
    });
    assert!(size.contains("Size is 0"), "{size}");
    let class = init_breaks(|init| {
        let mut files = WDF_FILEOBJECT_CONFIG {
            Size: size_in_u32::<WDF_FILEOBJECT_CONFIG>(),
            ..WDF_FILEOBJECT_CONFIG::default()
        };
        // SAFETY: the wrong class is what is tried.
        unsafe {
            call_unsafe_wdf_function_binding!(
                WdfDeviceInitSetFileObjectConfig,
                init,
                &raw mut files,
                std::ptr::null_mut()
            );
        }
    });
    assert!(class.contains("FileObjectClass"), "{class}");
    let io_type = init_breaks(|init| {
        // SAFETY: the wrong type is what is tried.
        unsafe { call_unsafe_wdf_function_binding!(WdfDeviceInitSetIoType, init, 17) };
    });
    assert!(io_type.contains("17"), "{io_type}");
    let parent = init_breaks(|init| {
        let mut own = crate::harness::attributes();
        own.Size = 1;
        // SAFETY: the wrong attributes are what is tried.
        unsafe {
            call_unsafe_wdf_function_binding!(
                WdfDeviceInitSetRequestAttributes,
                init,
                &raw mut own
            );
        };
    });
    assert!(
        parent.contains("WdfDeviceInitSetRequestAttributes"),
        "{parent}"
    );
    let free = init_breaks(|init| {
        // SAFETY: freeing what the framework owns is what is tried.
        unsafe { call_unsafe_wdf_function_binding!(WdfDeviceInitFree, init) };
    });
    assert!(free.contains("WdfDeviceInitFree"), "{free}");
}

#[test]
fn a_device_tells_its_state_and_its_properties() {
    in_driver(|device| {
        let mut bytes = [0_u8; 64];
        let mut length = 0;
        // SAFETY: the new device, and local variables.
        unsafe {
            assert_eq!(
                call_unsafe_wdf_function_binding!(WdfDeviceGetDevicePnpState, device),
                wdk_sys_lite::_WDF_DEVICE_PNP_STATE::WdfDevStatePnpInit
            );
            let id = wdk_sys_lite::DEVICE_REGISTRY_PROPERTY::DevicePropertyHardwareID;
            let status = call_unsafe_wdf_function_binding!(
                WdfDeviceQueryProperty,
                device,
                id,
                4,
                bytes.as_mut_ptr().cast(),
                &raw mut length
            );
            assert_eq!(status, wdk_sys_lite::STATUS_BUFFER_TOO_SMALL);
            assert_eq!(
                length as usize,
                (crate::harness::HARDWARE_ID.len() + 2) * 2,
                "two zeros end a list"
            );
            let status = call_unsafe_wdf_function_binding!(
                WdfDeviceQueryProperty,
                device,
                id,
                64,
                bytes.as_mut_ptr().cast(),
                &raw mut length
            );
            assert_eq!((status, bytes[0]), (0, b'T'));
            let status = call_unsafe_wdf_function_binding!(
                WdfDeviceQueryProperty,
                device,
                999,
                64,
                bytes.as_mut_ptr().cast(),
                &raw mut length
            );
            assert_eq!(status, STATUS_OBJECT_NAME_NOT_FOUND);
        }
    });
}

#[test]
fn devices_on_this_bus_have_no_resources() {
    crate::harness::lives(|| {
        in_callback("PrepareHardware", |device| {
            let body = ntsim::wdf::object::of(device, ntsim::wdf::object::Kind::Device);
            let lists: Vec<_> = body
                .children()
                .into_iter()
                .filter(|child| child.kind == ntsim::wdf::object::Kind::ResourceList)
                .collect();
            assert_eq!(lists.len(), 2, "raw and translated");
            for list in lists {
                // SAFETY: a list of the framework's.
                let count = unsafe {
                    call_unsafe_wdf_function_binding!(WdfCmResourceListGetCount, list.handle())
                };
                assert_eq!(count, 0);
            }
        });
    });
}

#[test]
fn a_symbolic_link_is_one_devices() {
    in_driver(|device| {
        let mut units: Vec<u16> = r"\DosDevices\Tester".encode_utf16().collect();
        let bytes = u16::try_from(units.len() * 2).unwrap_or(0);
        let name = UNICODE_STRING {
            Length: bytes,
            MaximumLength: bytes,
            Buffer: units.as_mut_ptr(),
        };
        // SAFETY: the new device, and a local string.
        unsafe {
            let link = || {
                call_unsafe_wdf_function_binding!(
                    WdfDeviceCreateSymbolicLink,
                    device,
                    &raw const name
                )
            };
            assert_eq!(link(), 0);
            assert_eq!(link(), wdk_sys_lite::STATUS_OBJECT_NAME_COLLISION);
        }
    });
}

/// `support/fxdeviceinterfaceapi.cpp`: the search finds nothing, and that is all.
#[test]
fn the_state_of_an_interface_that_is_not_there_is_nobodys_concern() {
    in_driver(|device| {
        let other = GUID {
            Data1: 1,
            ..INTERFACE
        };
        // SAFETY: the new device, and a local GUID.
        unsafe {
            call_unsafe_wdf_function_binding!(
                WdfDeviceSetDeviceInterfaceState,
                device,
                &raw const other,
                std::ptr::null(),
                0
            );
        }
    });
}

/// `IoRegisterDeviceInterface` refuses path separators in the reference string (its page).
#[test]
fn a_reference_string_has_no_path_separators() {
    in_driver(|device| {
        for text in [r"a\b", "a/b"] {
            let mut units: Vec<u16> = text.encode_utf16().collect();
            let reference = wdk_sys_lite::UNICODE_STRING {
                Length: 6,
                MaximumLength: 6,
                Buffer: units.as_mut_ptr(),
            };
            // SAFETY: the new device, and local structures.
            let status = unsafe {
                call_unsafe_wdf_function_binding!(
                    WdfDeviceCreateDeviceInterface,
                    device,
                    &raw const INTERFACE,
                    &raw const reference
                )
            };
            assert_eq!(status, wdk_sys_lite::STATUS_INVALID_DEVICE_REQUEST);
        }
    });
}

#[test]
fn a_driver_can_stop_the_machine_itself() {
    let check = driver_breaks(|_| {
        // SAFETY: stopping is what is tried.
        unsafe { call_unsafe_wdf_function_binding!(WdfVerifierKeBugCheck, 0xDEAD, 1, 2, 3, 4) };
    });
    assert_eq!(check.code, StopCode(0xDEAD));
    assert_eq!(check.parameters, [1, 2, 3, 4]);
}
