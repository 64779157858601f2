//! I/O targets: a device's own lower driver, and other devices that a driver opens.
//!
//! Targets here answer interface queries only; sending requests through one is not part of the
//! simulator.

use std::cell::RefCell;
use std::rc::Rc;

use wdk_sys_lite::{
    _WDF_IO_TARGET_OPEN_TYPE, GUID, LPCGUID, NTSTATUS, PDEVICE_OBJECT, PINTERFACE, PVOID,
    PWDF_DRIVER_GLOBALS, PWDF_IO_TARGET_OPEN_PARAMS, PWDF_OBJECT_ATTRIBUTES,
    STATUS_INFO_LENGTH_MISMATCH, STATUS_INSUFFICIENT_RESOURCES, STATUS_INVALID_DEVICE_STATE,
    STATUS_INVALID_PARAMETER, STATUS_OBJECT_NAME_NOT_FOUND, STATUS_SUCCESS, USHORT,
    WDF_IO_TARGET_OPEN_PARAMS, WDFDEVICE, WDFIOTARGET,
};

use crate::kernel::kernel;
use crate::nt_export;
use crate::pnp::{NamedDevice, Pdo};

use super::device::Device;
use super::object::{self, Attributes, Body, Kind, Object};
use super::table::wdf_functions;
use super::{require, text_of, verifier_break};

/// Where a target leads.
#[derive(Clone)]
enum Lead {
    Closed,
    Pdo(Rc<Pdo>),
    Named(Rc<dyn NamedDevice>),
}

struct Target(RefCell<Lead>);

impl Body for Target {
    fn dispose(&self, _object: &Rc<Object>) {
        *self.0.borrow_mut() = Lead::Closed;
    }
}

/// The target that every device has: its next lower driver.
pub(crate) fn create_default(device: &Rc<Object>) -> Result<Rc<Object>, NTSTATUS> {
    let pdo = Rc::clone(&device.body::<Device>().pdo);
    let target = Rc::new(Target(RefCell::new(Lead::Pdo(pdo))));
    let object = object::create(
        Kind::IoTarget,
        device.driver,
        &Attributes::default(),
        Some(device),
        target,
    )?;
    object.forbid_delete();
    Ok(object)
}

impl Target {
    fn query(
        &self,
        interface_type: &GUID,
        size: u16,
        version: u16,
        interface: PINTERFACE,
        data: PVOID,
    ) -> NTSTATUS {
        let lead = self.0.borrow().clone();
        match lead {
            Lead::Closed => STATUS_INVALID_DEVICE_STATE,
            Lead::Pdo(pdo) => {
                pdo.bus
                    .query_interface(&pdo, interface_type, size, version, interface, data)
            }
            Lead::Named(device) => {
                device.query_interface(interface_type, size, version, interface, data)
            }
        }
    }
}

/// Finds what the parameters of an open name.
///
/// # Safety
///
/// The parameters' strings are readable.
unsafe fn find(params: &WDF_IO_TARGET_OPEN_PARAMS) -> Result<Lead, NTSTATUS> {
    match params.Type {
        _WDF_IO_TARGET_OPEN_TYPE::WdfIoTargetOpenByName => {
            // SAFETY: readable, says the caller.
            let name = unsafe { text_of(&raw const params.TargetDeviceName) }?
                .filter(|name| !name.is_empty())
                .ok_or(STATUS_INVALID_PARAMETER)?;
            kernel()
                .pnp
                .named_device(&name)
                .map(Lead::Named)
                .ok_or(STATUS_OBJECT_NAME_NOT_FOUND)
        }
        _WDF_IO_TARGET_OPEN_TYPE::WdfIoTargetOpenUseExistingDevice => kernel()
            .pnp
            .pdo_of(params.TargetDeviceObject)
            .map(Lead::Pdo)
            .ok_or(STATUS_INVALID_PARAMETER),
        _ => Err(STATUS_INVALID_PARAMETER),
    }
}

nt_export! { table
    /// Makes a remote target, closed.
    irql(== PASSIVE_LEVEL) fn WdfIoTargetCreate(
        _globals: PWDF_DRIVER_GLOBALS,
        device: WDFDEVICE,
        attributes: PWDF_OBJECT_ATTRIBUTES,
        target: *mut WDFIOTARGET,
    ) -> NTSTATUS {
        let device = object::of(device, Kind::Device);
        require("WdfIoTargetCreate", "IoTarget", target.is_null());
        // SAFETY: null or attributes that the driver vouches for by calling.
        let created = unsafe { Attributes::read(Kind::IoTarget, attributes) }.and_then(|attributes| {
            if kernel().should_fail() {
                return Err(STATUS_INSUFFICIENT_RESOURCES);
            }
            let body = Rc::new(Target(RefCell::new(Lead::Closed)));
            object::create(Kind::IoTarget, device.driver, &attributes, Some(&device), body)
        });
        match created {
            Ok(object) => {
                // SAFETY: not null, and the driver vouches that it may be written.
                unsafe { target.write(object.handle()) };
                STATUS_SUCCESS
            }
            Err(status) => status,
        }
    }

    /// Opens a remote target.
    irql(== PASSIVE_LEVEL) fn WdfIoTargetOpen(
        _globals: PWDF_DRIVER_GLOBALS,
        target: WDFIOTARGET,
        params: PWDF_IO_TARGET_OPEN_PARAMS,
    ) -> NTSTATUS {
        let target = object::of(target, Kind::IoTarget).body::<Target>();
        require("WdfIoTargetOpen", "OpenParams", params.is_null());
        // SAFETY: not null, and the driver vouches for it by calling.
        let params = unsafe { params.read() };
        if params.Size as usize != size_of::<WDF_IO_TARGET_OPEN_PARAMS>() {
            return STATUS_INFO_LENGTH_MISMATCH;
        }
        if !matches!(*target.0.borrow(), Lead::Closed) {
            return STATUS_INVALID_DEVICE_STATE;
        }
        if kernel().should_fail() {
            return STATUS_INSUFFICIENT_RESOURCES;
        }
        // SAFETY: the driver vouches for the strings by calling.
        match unsafe { find(&params) } {
            Ok(lead) => {
                *target.0.borrow_mut() = lead;
                STATUS_SUCCESS
            }
            Err(status) => status,
        }
    }

    /// Asks the target for an interface of its.
    irql(== PASSIVE_LEVEL) fn WdfIoTargetQueryForInterface(
        _globals: PWDF_DRIVER_GLOBALS,
        target: WDFIOTARGET,
        interface_type: LPCGUID,
        interface: PINTERFACE,
        size: USHORT,
        version: USHORT,
        data: PVOID,
    ) -> NTSTATUS {
        let target = object::of(target, Kind::IoTarget).body::<Target>();
        require("WdfIoTargetQueryForInterface", "InterfaceType", interface_type.is_null());
        require("WdfIoTargetQueryForInterface", "Interface", interface.is_null());
        if kernel().should_fail() {
            return STATUS_INSUFFICIENT_RESOURCES;
        }
        // SAFETY: not null, and the driver vouches for it by calling.
        let interface_type = unsafe { interface_type.read() };
        target.query(&interface_type, size, version, interface, data)
    }

    /// Closes a remote target.
    irql(== PASSIVE_LEVEL) fn WdfIoTargetClose(_globals: PWDF_DRIVER_GLOBALS, target: WDFIOTARGET) {
        let target = object::of(target, Kind::IoTarget).body::<Target>();
        if matches!(target.0.replace(Lead::Closed), Lead::Closed) {
            verifier_break("WdfIoTargetClose: the target is not open");
        }
    }

    /// The device object behind a target; null for one that is closed or has none.
    irql(<= DISPATCH_LEVEL) fn WdfIoTargetWdmGetTargetDeviceObject(
        _globals: PWDF_DRIVER_GLOBALS,
        target: WDFIOTARGET,
    ) -> PDEVICE_OBJECT {
        let target = object::of(target, Kind::IoTarget).body::<Target>();
        let lead = target.0.borrow().clone();
        match lead {
            Lead::Pdo(pdo) => pdo.device_object(),
            Lead::Named(_) | Lead::Closed => std::ptr::null_mut(),
        }
    }
}

wdf_functions! {
    WdfIoTargetCreateTableIndex: PFN_WDFIOTARGETCREATE = WdfIoTargetCreate;
    WdfIoTargetOpenTableIndex: PFN_WDFIOTARGETOPEN = WdfIoTargetOpen;
    WdfIoTargetQueryForInterfaceTableIndex: PFN_WDFIOTARGETQUERYFORINTERFACE = WdfIoTargetQueryForInterface;
    WdfIoTargetCloseTableIndex: PFN_WDFIOTARGETCLOSE = WdfIoTargetClose;
    WdfIoTargetWdmGetTargetDeviceObjectTableIndex: PFN_WDFIOTARGETWDMGETTARGETDEVICEOBJECT =
        WdfIoTargetWdmGetTargetDeviceObject;
}
