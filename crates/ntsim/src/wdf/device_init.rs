//! `WDFDEVICE_INIT`: what a driver sets up for the device that it is about to create.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use wdk_sys_lite::{
    _WDF_DEVICE_IO_TYPE, _WDF_FILEOBJECT_CLASS, _WDF_RELEASE_HARDWARE_ORDER_ON_FAILURE, BOOLEAN,
    GUID, NTSTATUS, PCUNICODE_STRING, PFN_WDF_IO_IN_CALLER_CONTEXT, PWDF_DRIVER_GLOBALS,
    PWDF_FILEOBJECT_CONFIG, PWDF_IO_TYPE_CONFIG, PWDF_OBJECT_ATTRIBUTES,
    PWDF_PNPPOWER_EVENT_CALLBACKS, PWDF_POWER_POLICY_EVENT_CALLBACKS, PWDFDEVICE_INIT,
    STATUS_INSUFFICIENT_RESOURCES, STATUS_SUCCESS, ULONG, WDF_DEVICE_IO_TYPE,
    WDF_FILEOBJECT_CONFIG, WDF_IO_TYPE_CONFIG, WDF_PNPPOWER_EVENT_CALLBACKS,
    WDF_POWER_POLICY_EVENT_CALLBACKS, WDF_RELEASE_HARDWARE_ORDER_ON_FAILURE,
};

use crate::bugcheck::{StopCode, bug_check};
use crate::kernel::{DriverId, kernel};
use crate::nt_export;
use crate::pnp::Pdo;

use super::device::{FileConfig, Settings};
use super::object::{Attributes, Kind};
use super::table::wdf_functions;
use super::{require, text_of, verifier_break};

/// One init, between the framework's call of `EvtDriverDeviceAdd` and its return.
pub(crate) struct DeviceInit {
    pub(crate) driver: DriverId,
    pub(crate) pdo: Rc<Pdo>,
    pub(crate) settings: RefCell<Settings>,
    number: u64,
}

/// All inits of a machine.
#[derive(Default)]
pub(crate) struct Inits {
    live: RefCell<BTreeMap<u64, Rc<DeviceInit>>>,
    next: Cell<u64>,
}

/// The framework's own hold on an init; its end makes the pointer invalid.
pub(crate) struct Owned(Rc<DeviceInit>);

const BASE: u64 = 0xFFFF_A900_0000_0000;
const STEP: u64 = 16;

impl DeviceInit {
    pub(crate) fn pointer(&self) -> PWDFDEVICE_INIT {
        std::ptr::without_provenance_mut(
            usize::try_from(BASE + self.number * STEP).unwrap_or(usize::MAX),
        )
    }
}

impl Owned {
    pub(crate) fn pointer(&self) -> PWDFDEVICE_INIT {
        self.0.pointer()
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        close(&self.0);
    }
}

/// Makes an init for a device of a bus's.
pub(crate) fn create(driver: DriverId, pdo: &Rc<Pdo>) -> Owned {
    let inits = &kernel().wdf.inits;
    let number = inits.next.get() + 1;
    inits.next.set(number);
    let init = Rc::new(DeviceInit {
        driver,
        pdo: Rc::clone(pdo),
        settings: RefCell::default(),
        number,
    });
    inits.live.borrow_mut().insert(number, Rc::clone(&init));
    Owned(init)
}

/// `WdfDeviceCreate` has taken the init over, or `EvtDriverDeviceAdd` has returned.
pub(crate) fn close(init: &DeviceInit) {
    kernel().wdf.inits.live.borrow_mut().remove(&init.number);
}

/// The init behind a pointer; one that is no (longer an) init is a bug check.
pub(crate) fn of(function: &str, pointer: PWDFDEVICE_INIT) -> Rc<DeviceInit> {
    require(function, "DeviceInit", pointer.is_null());
    let number = (pointer.addr() as u64).wrapping_sub(BASE) / STEP;
    let init = kernel().wdf.inits.live.borrow().get(&number).cloned();
    init.unwrap_or_else(|| {
        bug_check(
            StopCode::NTSIM_INVALID_OBJECT,
            [pointer.addr() as u64, 0, 0, 0],
            format!("{function}: {pointer:p} is no WDFDEVICE_INIT, or none any more"),
        )
    })
}

fn wrong_size(function: &str, given: ULONG, wanted: usize) -> bool {
    let wrong = given as usize != wanted;
    if wrong {
        verifier_break(format!(
            "{function}: the structure's Size is {given}; it should be {wanted}"
        ));
    }
    wrong
}

nt_export! { table
    /// Sets the PnP and power callbacks.
    irql(<= DISPATCH_LEVEL) fn WdfDeviceInitSetPnpPowerEventCallbacks(
        _globals: PWDF_DRIVER_GLOBALS,
        init: PWDFDEVICE_INIT,
        callbacks: PWDF_PNPPOWER_EVENT_CALLBACKS,
    ) {
        let init = of("WdfDeviceInitSetPnpPowerEventCallbacks", init);
        require("WdfDeviceInitSetPnpPowerEventCallbacks", "PnpPowerEventCallbacks", callbacks.is_null());
        // SAFETY: not null, and the driver vouches for it by calling.
        let callbacks = unsafe { callbacks.read() };
        if !wrong_size(
            "WdfDeviceInitSetPnpPowerEventCallbacks",
            callbacks.Size,
            size_of::<WDF_PNPPOWER_EVENT_CALLBACKS>(),
        ) {
            init.settings.borrow_mut().pnp_power = callbacks;
        }
    }

    /// Sets the power policy callbacks.
    irql(<= DISPATCH_LEVEL) fn WdfDeviceInitSetPowerPolicyEventCallbacks(
        _globals: PWDF_DRIVER_GLOBALS,
        init: PWDFDEVICE_INIT,
        callbacks: PWDF_POWER_POLICY_EVENT_CALLBACKS,
    ) {
        let init = of("WdfDeviceInitSetPowerPolicyEventCallbacks", init);
        require("WdfDeviceInitSetPowerPolicyEventCallbacks", "PowerPolicyEventCallbacks", callbacks.is_null());
        // SAFETY: not null, and the driver vouches for it by calling.
        let callbacks = unsafe { callbacks.read() };
        if !wrong_size(
            "WdfDeviceInitSetPowerPolicyEventCallbacks",
            callbacks.Size,
            size_of::<WDF_POWER_POLICY_EVENT_CALLBACKS>(),
        ) {
            init.settings.borrow_mut().power_policy = callbacks;
        }
    }

    /// Sets the file object callbacks, and what file objects are created with.
    irql(<= DISPATCH_LEVEL) fn WdfDeviceInitSetFileObjectConfig(
        _globals: PWDF_DRIVER_GLOBALS,
        init: PWDFDEVICE_INIT,
        config: PWDF_FILEOBJECT_CONFIG,
        attributes: PWDF_OBJECT_ATTRIBUTES,
    ) {
        let init = of("WdfDeviceInitSetFileObjectConfig", init);
        require("WdfDeviceInitSetFileObjectConfig", "FileObjectConfig", config.is_null());
        // SAFETY: not null, and the driver vouches for it by calling.
        let config = unsafe { config.read() };
        if wrong_size("WdfDeviceInitSetFileObjectConfig", config.Size, size_of::<WDF_FILEOBJECT_CONFIG>()) {
            return;
        }
        let class = config.FileObjectClass & !_WDF_FILEOBJECT_CLASS::WdfFileObjectCanBeOptional;
        if !(_WDF_FILEOBJECT_CLASS::WdfFileObjectNotRequired
            ..=_WDF_FILEOBJECT_CLASS::WdfFileObjectWdfCannotUseFsContexts)
            .contains(&class)
        {
            verifier_break(format!("WdfDeviceInitSetFileObjectConfig: FileObjectClass {class} does not exist"));
            return;
        }
        // SAFETY: null or attributes that the driver vouches for by calling.
        match unsafe { Attributes::read(Kind::FileObject, attributes) } {
            Ok(attributes) => {
                init.settings.borrow_mut().file = Some(FileConfig {
                    create: config.EvtDeviceFileCreate,
                    close: config.EvtFileClose,
                    cleanup: config.EvtFileCleanup,
                    auto_forward_cleanup_close: config.AutoForwardCleanupClose,
                    class: config.FileObjectClass,
                    attributes,
                });
            }
            Err(status) => {
                verifier_break(format!("WdfDeviceInitSetFileObjectConfig: the attributes are wrong, {status:#x}"));
            }
        }
    }

    /// Sets what request objects are created with.
    irql(<= DISPATCH_LEVEL) fn WdfDeviceInitSetRequestAttributes(
        _globals: PWDF_DRIVER_GLOBALS,
        init: PWDFDEVICE_INIT,
        attributes: PWDF_OBJECT_ATTRIBUTES,
    ) {
        let init = of("WdfDeviceInitSetRequestAttributes", init);
        require("WdfDeviceInitSetRequestAttributes", "RequestAttributes", attributes.is_null());
        // SAFETY: not null, and the driver vouches for it by calling.
        match unsafe { Attributes::read(Kind::Request, attributes) } {
            Ok(attributes) => init.settings.borrow_mut().request_attributes = attributes,
            Err(status) => {
                verifier_break(format!("WdfDeviceInitSetRequestAttributes: the attributes are wrong, {status:#x}"));
            }
        }
    }

    /// Sets how the buffers of reads and writes reach the driver.
    irql(<= DISPATCH_LEVEL) fn WdfDeviceInitSetIoType(
        _globals: PWDF_DRIVER_GLOBALS,
        init: PWDFDEVICE_INIT,
        io_type: WDF_DEVICE_IO_TYPE,
    ) {
        let init = of("WdfDeviceInitSetIoType", init);
        set_io_type(&init, io_type, _WDF_DEVICE_IO_TYPE::WdfDeviceIoBuffered);
    }

    /// Sets how the buffers of reads and writes, and of device controls, reach the driver.
    irql(<= DISPATCH_LEVEL) fn WdfDeviceInitSetIoTypeEx(
        _globals: PWDF_DRIVER_GLOBALS,
        init: PWDFDEVICE_INIT,
        config: PWDF_IO_TYPE_CONFIG,
    ) {
        let init = of("WdfDeviceInitSetIoTypeEx", init);
        require("WdfDeviceInitSetIoTypeEx", "IoTypeConfig", config.is_null());
        // SAFETY: not null, and the driver vouches for it by calling.
        let config = unsafe { config.read() };
        if !wrong_size("WdfDeviceInitSetIoTypeEx", config.Size, size_of::<WDF_IO_TYPE_CONFIG>()) {
            set_io_type(&init, config.ReadWriteIoType, config.DeviceControlIoType);
        }
    }

    /// Sets the callback that sees requests in the caller's context.
    irql(<= DISPATCH_LEVEL) fn WdfDeviceInitSetIoInCallerContextCallback(
        _globals: PWDF_DRIVER_GLOBALS,
        init: PWDFDEVICE_INIT,
        callback: PFN_WDF_IO_IN_CALLER_CONTEXT,
    ) {
        of("WdfDeviceInitSetIoInCallerContextCallback", init).settings.borrow_mut().in_caller_context = callback;
    }

    /// One handle at a time, or many.
    irql(<= DISPATCH_LEVEL) fn WdfDeviceInitSetExclusive(
        _globals: PWDF_DRIVER_GLOBALS,
        init: PWDFDEVICE_INIT,
        exclusive: BOOLEAN,
    ) {
        of("WdfDeviceInitSetExclusive", init).settings.borrow_mut().exclusive = exclusive != 0;
    }

    /// Sets the device type.
    irql(<= DISPATCH_LEVEL) fn WdfDeviceInitSetDeviceType(
        _globals: PWDF_DRIVER_GLOBALS,
        init: PWDFDEVICE_INIT,
        device_type: ULONG,
    ) {
        of("WdfDeviceInitSetDeviceType", init).settings.borrow_mut().device_type = device_type;
    }

    /// Sets or adds device characteristics.
    irql(<= DISPATCH_LEVEL) fn WdfDeviceInitSetCharacteristics(
        _globals: PWDF_DRIVER_GLOBALS,
        init: PWDFDEVICE_INIT,
        characteristics: ULONG,
        or_in: BOOLEAN,
    ) {
        let init = of("WdfDeviceInitSetCharacteristics", init);
        let mut settings = init.settings.borrow_mut();
        settings.characteristics = if or_in == 0 { characteristics } else { settings.characteristics | characteristics };
    }

    /// The power callbacks touch no pageable memory.
    irql(<= DISPATCH_LEVEL) fn WdfDeviceInitSetPowerNotPageable(_globals: PWDF_DRIVER_GLOBALS, init: PWDFDEVICE_INIT) {
        of("WdfDeviceInitSetPowerNotPageable", init).settings.borrow_mut().power_pageable = false;
    }

    /// The power callbacks may touch pageable memory.
    irql(<= DISPATCH_LEVEL) fn WdfDeviceInitSetPowerPageable(_globals: PWDF_DRIVER_GLOBALS, init: PWDFDEVICE_INIT) {
        of("WdfDeviceInitSetPowerPageable", init).settings.borrow_mut().power_pageable = true;
    }

    /// When `EvtDeviceReleaseHardware` is called for a device that fails while it has children.
    irql(<= DISPATCH_LEVEL) fn WdfDeviceInitSetReleaseHardwareOrderOnFailure(
        _globals: PWDF_DRIVER_GLOBALS,
        init: PWDFDEVICE_INIT,
        order: WDF_RELEASE_HARDWARE_ORDER_ON_FAILURE,
    ) {
        of("WdfDeviceInitSetReleaseHardwareOrderOnFailure", init).settings.borrow_mut().release_after_descendants =
            order == _WDF_RELEASE_HARDWARE_ORDER_ON_FAILURE::WdfReleaseHardwareOrderOnFailureAfterDescendants;
    }

    /// Names the device.
    irql(== PASSIVE_LEVEL) fn WdfDeviceInitAssignName(
        _globals: PWDF_DRIVER_GLOBALS,
        init: PWDFDEVICE_INIT,
        name: PCUNICODE_STRING,
    ) -> NTSTATUS {
        let init = of("WdfDeviceInitAssignName", init);
        if kernel().should_fail() {
            return STATUS_INSUFFICIENT_RESOURCES;
        }
        // SAFETY: null or a counted string that the driver vouches for by calling.
        match unsafe { text_of(name) } {
            Ok(name) => {
                init.settings.borrow_mut().name = name;
                STATUS_SUCCESS
            }
            Err(status) => status,
        }
    }

    /// Says who may open the device.
    irql(== PASSIVE_LEVEL) fn WdfDeviceInitAssignSDDLString(
        _globals: PWDF_DRIVER_GLOBALS,
        init: PWDFDEVICE_INIT,
        sddl: PCUNICODE_STRING,
    ) -> NTSTATUS {
        let init = of("WdfDeviceInitAssignSDDLString", init);
        if kernel().should_fail() {
            return STATUS_INSUFFICIENT_RESOURCES;
        }
        // SAFETY: null or a counted string that the driver vouches for by calling.
        match unsafe { text_of(sddl) } {
            Ok(sddl) => {
                init.settings.borrow_mut().sddl = sddl;
                STATUS_SUCCESS
            }
            Err(status) => status,
        }
    }

    /// Names the class whose security settings apply.
    irql(<= DISPATCH_LEVEL) fn WdfDeviceInitSetDeviceClass(
        _globals: PWDF_DRIVER_GLOBALS,
        init: PWDFDEVICE_INIT,
        class: *const GUID,
    ) {
        let init = of("WdfDeviceInitSetDeviceClass", init);
        require("WdfDeviceInitSetDeviceClass", "DeviceClassGuid", class.is_null());
        init.settings.borrow_mut().has_class = true;
    }

    /// Gives up an init from `WdfControlDeviceInitAllocate`. The simulator has none of these, and
    /// the framework's own must not be freed by the driver.
    irql(<= DISPATCH_LEVEL) fn WdfDeviceInitFree(_globals: PWDF_DRIVER_GLOBALS, init: PWDFDEVICE_INIT) {
        let _ = of("WdfDeviceInitFree", init);
        verifier_break("WdfDeviceInitFree: the init is the framework's");
    }
}

fn set_io_type(
    init: &DeviceInit,
    read_write: WDF_DEVICE_IO_TYPE,
    device_control: WDF_DEVICE_IO_TYPE,
) {
    let valid = _WDF_DEVICE_IO_TYPE::WdfDeviceIoNeither.._WDF_DEVICE_IO_TYPE::WdfDeviceIoMaximum;
    if !valid.contains(&read_write) || !valid.contains(&device_control) {
        verifier_break(format!(
            "the I/O type {read_write} or {device_control} does not exist"
        ));
        return;
    }
    let mut settings = init.settings.borrow_mut();
    settings.read_write_io = read_write;
    settings.device_control_io = device_control;
}

wdf_functions! {
    WdfDeviceInitSetPnpPowerEventCallbacksTableIndex: PFN_WDFDEVICEINITSETPNPPOWEREVENTCALLBACKS =
        WdfDeviceInitSetPnpPowerEventCallbacks;
    WdfDeviceInitSetPowerPolicyEventCallbacksTableIndex: PFN_WDFDEVICEINITSETPOWERPOLICYEVENTCALLBACKS =
        WdfDeviceInitSetPowerPolicyEventCallbacks;
    WdfDeviceInitSetFileObjectConfigTableIndex: PFN_WDFDEVICEINITSETFILEOBJECTCONFIG = WdfDeviceInitSetFileObjectConfig;
    WdfDeviceInitSetRequestAttributesTableIndex: PFN_WDFDEVICEINITSETREQUESTATTRIBUTES =
        WdfDeviceInitSetRequestAttributes;
    WdfDeviceInitSetIoTypeTableIndex: PFN_WDFDEVICEINITSETIOTYPE = WdfDeviceInitSetIoType;
    WdfDeviceInitSetIoTypeExTableIndex: PFN_WDFDEVICEINITSETIOTYPEEX = WdfDeviceInitSetIoTypeEx;
    WdfDeviceInitSetIoInCallerContextCallbackTableIndex: PFN_WDFDEVICEINITSETIOINCALLERCONTEXTCALLBACK =
        WdfDeviceInitSetIoInCallerContextCallback;
    WdfDeviceInitSetExclusiveTableIndex: PFN_WDFDEVICEINITSETEXCLUSIVE = WdfDeviceInitSetExclusive;
    WdfDeviceInitSetDeviceTypeTableIndex: PFN_WDFDEVICEINITSETDEVICETYPE = WdfDeviceInitSetDeviceType;
    WdfDeviceInitSetCharacteristicsTableIndex: PFN_WDFDEVICEINITSETCHARACTERISTICS = WdfDeviceInitSetCharacteristics;
    WdfDeviceInitSetPowerNotPageableTableIndex: PFN_WDFDEVICEINITSETPOWERNOTPAGEABLE = WdfDeviceInitSetPowerNotPageable;
    WdfDeviceInitSetPowerPageableTableIndex: PFN_WDFDEVICEINITSETPOWERPAGEABLE = WdfDeviceInitSetPowerPageable;
    WdfDeviceInitSetReleaseHardwareOrderOnFailureTableIndex: PFN_WDFDEVICEINITSETRELEASEHARDWAREORDERONFAILURE =
        WdfDeviceInitSetReleaseHardwareOrderOnFailure;
    WdfDeviceInitAssignNameTableIndex: PFN_WDFDEVICEINITASSIGNNAME = WdfDeviceInitAssignName;
    WdfDeviceInitAssignSDDLStringTableIndex: PFN_WDFDEVICEINITASSIGNSDDLSTRING = WdfDeviceInitAssignSDDLString;
    WdfDeviceInitSetDeviceClassTableIndex: PFN_WDFDEVICEINITSETDEVICECLASS = WdfDeviceInitSetDeviceClass;
    WdfDeviceInitFreeTableIndex: PFN_WDFDEVICEINITFREE = WdfDeviceInitFree;
}
