//! A device's life: KMDF's PnP and power state machines, reduced to the paths that a device without
//! children takes.
//!
//! ```text
//!   start:     PrepareHardware -> D0Entry -> D0EntryPostInterruptsEnabled -> queues go -> SelfManagedIoInit -> interfaces
//!   Dx and back:  SelfManagedIoSuspend -> queues stop -> D0ExitPreInterruptsDisabled -> D0Exit
//!                 D0Entry -> D0EntryPostInterruptsEnabled -> queues go -> SelfManagedIoRestart
//!   remove:    QueryRemove, then as to Dx (WdfPowerDeviceD3Final) -> ReleaseHardware -> interfaces off -> power-managed
//!              queues purged -> SelfManagedIoFlush -> other queues purged -> SelfManagedIoCleanup -> the object's cleanup
//!   surprise:  SurpriseRemoval, then as remove; the last three steps when the last handle is closed
//! ```
//!
//! Everything runs in the PnP manager's thread at `PASSIVE_LEVEL`, one event at a time.

use std::rc::Rc;

use wdk_sys_lite::{
    _WDF_POWER_DEVICE_STATE, NT_SUCCESS, NTSTATUS, STATUS_INVALID_DEVICE_STATE,
    STATUS_NOT_SUPPORTED, STATUS_SUCCESS, WDF_POWER_DEVICE_STATE, WDFDEVICE,
};

use crate::call_driver;

use super::device::{Device, PnpState};
use super::object::{self, Object};
use super::queue;
use super::verifier_break;

/// Where self-managed I/O stands; each of its callbacks is due only in the right state.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum SelfManagedIo {
    /// `EvtDeviceSelfManagedIoInit` has not run.
    #[default]
    Created,
    /// It failed.
    InitFailed,
    /// Running.
    Started,
    /// Suspended.
    Stopped,
    /// Suspending or restarting failed.
    Failed,
    /// Flushed.
    Flushed,
    /// Over.
    Final,
}

const D0: WDF_POWER_DEVICE_STATE = _WDF_POWER_DEVICE_STATE::WdfPowerDeviceD0;
const D3: WDF_POWER_DEVICE_STATE = _WDF_POWER_DEVICE_STATE::WdfPowerDeviceD3;
const D3_FINAL: WDF_POWER_DEVICE_STATE = _WDF_POWER_DEVICE_STATE::WdfPowerDeviceD3Final;

/// Calls one of a device's optional callbacks; `STATUS_SUCCESS` if the driver has not set it.
macro_rules! callback {
    ($object:expr, $device:expr, $name:ident($($argument:expr),*)) => {
        match $device.settings.pnp_power.$name {
            Some(callback) => {
                let handle: WDFDEVICE = $object.handle();
                // SAFETY: the driver set the callback for this event, and the handle is its
                // device's. The PnP manager's thread calls it, at PASSIVE_LEVEL, in the order that
                // the framework documents.
                unsafe { call_driver!($device.driver, stringify!($name), callback(handle $(, $argument)*)) }
            }
            None => Default::default(),
        }
    };
}

fn checked(status: NTSTATUS) -> Result<(), NTSTATUS> {
    if NT_SUCCESS(status) {
        Ok(())
    } else {
        Err(status)
    }
}

/// `IRP_MN_START_DEVICE`. After a failure the stack waits for [`removed`].
pub(crate) fn start(object: &Rc<Object>) -> Result<(), NTSTATUS> {
    let device = object.body::<Device>();
    device.set_pnp_state(PnpState::Starting);
    let result = prepare_hardware(object, &device).and_then(|()| enter_d0(object, &device));
    if let Err(status) = result {
        release_hardware(object, &device);
        fail(object, &device);
        return Err(status);
    }
    device.set_pnp_state(PnpState::Started);
    device.enable_interfaces();
    Ok(())
}

fn prepare_hardware(object: &Rc<Object>, device: &Device) -> Result<(), NTSTATUS> {
    let (raw, translated) = device.resources();
    let status: NTSTATUS = callback!(object, device, EvtDevicePrepareHardware(raw, translated));
    if status == STATUS_NOT_SUPPORTED {
        verifier_break("EvtDevicePrepareHardware returned STATUS_NOT_SUPPORTED, which it must not");
    }
    checked(status)
}

fn release_hardware(object: &Rc<Object>, device: &Device) {
    let (_, translated) = device.resources();
    let status: NTSTATUS = callback!(object, device, EvtDeviceReleaseHardware(translated));
    if status == STATUS_NOT_SUPPORTED {
        verifier_break("EvtDeviceReleaseHardware returned STATUS_NOT_SUPPORTED, which it must not");
    }
}

/// The way to D0. A failure undoes what was done.
fn enter_d0(object: &Rc<Object>, device: &Device) -> Result<(), NTSTATUS> {
    let before = device.power_state.get();
    checked(callback!(object, device, EvtDeviceD0Entry(before)))?;
    let entered: NTSTATUS = callback!(
        object,
        device,
        EvtDeviceD0EntryPostInterruptsEnabled(before)
    );
    if let Err(status) = checked(entered) {
        let _: NTSTATUS = callback!(object, device, EvtDeviceD0Exit(D3_FINAL));
        device.power_state.set(D3_FINAL);
        return Err(status);
    }
    device.power_state.set(D0);
    queue::power_up(object);
    if let Err(status) = start_self_managed_io(object, device) {
        queue::power_down(object);
        // What the exit callbacks return cannot change anything: the device is on its way out.
        let _: NTSTATUS = callback!(
            object,
            device,
            EvtDeviceD0ExitPreInterruptsDisabled(D3_FINAL)
        );
        let _: NTSTATUS = callback!(object, device, EvtDeviceD0Exit(D3_FINAL));
        device.power_state.set(D3_FINAL);
        return Err(status);
    }
    Ok(())
}

/// The way out of D0. Every step is taken even if one fails; the last failure counts.
fn leave_d0(
    object: &Rc<Object>,
    device: &Device,
    target: WDF_POWER_DEVICE_STATE,
) -> Result<(), NTSTATUS> {
    let mut result = suspend_self_managed_io(object, device);
    queue::power_down(object);
    result = checked(callback!(
        object,
        device,
        EvtDeviceD0ExitPreInterruptsDisabled(target)
    ))
    .and(result);
    result = checked(callback!(object, device, EvtDeviceD0Exit(target))).and(result);
    device.power_state.set(target);
    result
}

/// To sleep.
pub(crate) fn power_down(object: &Rc<Object>) -> Result<(), NTSTATUS> {
    let device = object.body::<Device>();
    if !device.in_d0() {
        return Err(STATUS_INVALID_DEVICE_STATE);
    }
    leave_d0(object, &device, D3).inspect_err(|_| {
        release_hardware(object, &device);
        fail(object, &device);
    })
}

/// And back.
pub(crate) fn power_up(object: &Rc<Object>) -> Result<(), NTSTATUS> {
    let device = object.body::<Device>();
    if device.in_d0() {
        return Err(STATUS_INVALID_DEVICE_STATE);
    }
    enter_d0(object, &device).inspect_err(|_| {
        device.power_state.set(D3_FINAL);
        release_hardware(object, &device);
        fail(object, &device);
    })
}

/// `IRP_MN_QUERY_STOP_DEVICE`, `IRP_MN_STOP_DEVICE` and `IRP_MN_START_DEVICE` with the same
/// resources.
pub(crate) fn rebalance(object: &Rc<Object>) -> Result<(), NTSTATUS> {
    let device = object.body::<Device>();
    let status: NTSTATUS = callback!(object, device, EvtDeviceQueryStop());
    if status == STATUS_NOT_SUPPORTED {
        verifier_break("EvtDeviceQueryStop returned STATUS_NOT_SUPPORTED, which it must not");
    }
    checked(status)?;
    device.set_pnp_state(PnpState::QueryStopPending);
    let stopped = if device.in_d0() {
        leave_d0(object, &device, D3_FINAL)
    } else {
        Ok(())
    };
    release_hardware(object, &device);
    if let Err(status) = stopped {
        // A device that has failed to stop does not start again.
        fail(object, &device);
        return Err(status);
    }
    device.set_pnp_state(PnpState::Stopped);
    let result = prepare_hardware(object, &device).and_then(|()| enter_d0(object, &device));
    if result.is_ok() {
        device.set_pnp_state(PnpState::Started);
    } else {
        release_hardware(object, &device);
        fail(object, &device);
    }
    result
}

/// `IRP_MN_QUERY_REMOVE_DEVICE`.
pub(crate) fn query_remove(object: &Rc<Object>) -> Result<(), NTSTATUS> {
    let device = object.body::<Device>();
    if device.pnp_state() != PnpState::Started {
        return Ok(());
    }
    let status: NTSTATUS = callback!(object, device, EvtDeviceQueryRemove());
    if status == STATUS_NOT_SUPPORTED {
        verifier_break("EvtDeviceQueryRemove returned STATUS_NOT_SUPPORTED, which it must not");
    }
    checked(status)?;
    device.set_pnp_state(PnpState::QueryRemovePending);
    Ok(())
}

/// `IRP_MN_CANCEL_REMOVE_DEVICE`.
pub(crate) fn cancel_remove(object: &Rc<Object>) {
    let device = object.body::<Device>();
    if device.pnp_state() == PnpState::QueryRemovePending {
        device.set_pnp_state(PnpState::Started);
    }
}

/// The first half of an orderly removal: the hardware is let go.
pub(crate) fn remove(object: &Rc<Object>) {
    let device = object.body::<Device>();
    if device.pnp_state() != PnpState::QueryRemovePending {
        return;
    }
    device.set_pnp_state(PnpState::Removing);
    if device.in_d0() {
        // Nothing can stop a removal any more.
        let _ = leave_d0(object, &device, D3_FINAL);
    }
    release_hardware(object, &device);
    clean_up(object, &device);
}

/// `IRP_MN_SURPRISE_REMOVAL`.
pub(crate) fn surprise_remove(object: &Rc<Object>) {
    let device = object.body::<Device>();
    match device.pnp_state() {
        PnpState::Failed => callback!(object, device, EvtDeviceSurpriseRemoval()),
        PnpState::Started
        | PnpState::Stopped
        | PnpState::QueryStopPending
        | PnpState::QueryRemovePending => {
            device.set_pnp_state(PnpState::Removing);
            callback!(object, device, EvtDeviceSurpriseRemoval());
            if device.in_d0() {
                // Nothing can stop a removal any more.
                let _ = leave_d0(object, &device, D3_FINAL);
            }
            release_hardware(object, &device);
            fail(object, &device);
        }
        PnpState::Added | PnpState::Starting | PnpState::Removing | PnpState::Removed => {}
    }
}

/// The device does not work any more and waits for its removal.
fn fail(object: &Rc<Object>, device: &Device) {
    device.set_pnp_state(PnpState::Failed);
    clean_up(object, device);
}

/// What an orderly removal and a failure have in common.
fn clean_up(object: &Rc<Object>, device: &Device) {
    device.disable_interfaces();
    device.symbolic_links.borrow_mut().clear();
    queue::purge_power_managed(object);
    if matches!(
        device.self_managed_io.get(),
        SelfManagedIo::InitFailed
            | SelfManagedIo::Stopped
            | SelfManagedIo::Failed
            | SelfManagedIo::Started
    ) {
        callback!(object, device, EvtDeviceSelfManagedIoFlush());
        device.self_managed_io.set(SelfManagedIo::Flushed);
    }
}

/// `IRP_MN_REMOVE_DEVICE`, the second half: the device object goes, with everything below it.
pub(crate) fn removed(object: &Rc<Object>) {
    let device = object.body::<Device>();
    queue::purge_not_power_managed(object);
    if device.self_managed_io.replace(SelfManagedIo::Final) == SelfManagedIo::Flushed {
        callback!(object, device, EvtDeviceSelfManagedIoCleanup());
    }
    device.set_pnp_state(PnpState::Removed);
    object::dispose(object);
    object::delete_children(object);
    object::wait_for_disposals(device.driver);
    device.default_queue.borrow_mut().take();
    device.routing.borrow_mut().clear();
    device.io_target.borrow_mut().take();
    object::delete(object);
}

fn start_self_managed_io(object: &Rc<Object>, device: &Device) -> Result<(), NTSTATUS> {
    let (status, failed): (NTSTATUS, _) = match device.self_managed_io.get() {
        SelfManagedIo::Created => (
            callback!(object, device, EvtDeviceSelfManagedIoInit()),
            SelfManagedIo::InitFailed,
        ),
        SelfManagedIo::Stopped | SelfManagedIo::Flushed => (
            callback!(object, device, EvtDeviceSelfManagedIoRestart()),
            SelfManagedIo::Failed,
        ),
        _ => (STATUS_SUCCESS, SelfManagedIo::Failed),
    };
    let result = checked(status);
    device.self_managed_io.set(if result.is_ok() {
        SelfManagedIo::Started
    } else {
        failed
    });
    result
}

fn suspend_self_managed_io(object: &Rc<Object>, device: &Device) -> Result<(), NTSTATUS> {
    if device.self_managed_io.get() != SelfManagedIo::Started {
        return Ok(());
    }
    let result = checked(callback!(object, device, EvtDeviceSelfManagedIoSuspend()));
    device.self_managed_io.set(if result.is_ok() {
        SelfManagedIo::Stopped
    } else {
        SelfManagedIo::Failed
    });
    result
}
