//! File objects, as a driver sees them, and the framework's handling of create, cleanup and close.
//!
//! ```text
//!   create:   WDFFILEOBJECT made -> queue for creates, or EvtDeviceFileCreate, or success at once
//!   cleanup:  EvtFileCleanup -> what waits in the device's queues and belongs to the file is cancelled
//!   close:    EvtFileClose -> WDFFILEOBJECT deleted
//! ```

use std::rc::Rc;

use wdk_sys_lite::{
    _WDF_FILEOBJECT_CLASS, _WDF_REQUEST_TYPE, NTSTATUS, PFILE_OBJECT, PWDF_DRIVER_GLOBALS,
    STATUS_ACCESS_DENIED, STATUS_SUCCESS, WDFDEVICE, WDFFILEOBJECT,
};

use crate::call_driver;
use crate::io::file::FileObject;
use crate::io::irp::Irp;
use crate::nt_export;

use super::device::{Device, FileConfig};
use super::lock::{self, CallbackLock};
use super::object::{self, Body, Kind, Object};
use super::queue;
use super::request;
use super::table::wdf_functions;

/// A WDFFILEOBJECT's body.
struct FrameworkFile {
    file: Rc<FileObject>,
}

impl Body for FrameworkFile {}

/// The file object behind a WDFFILEOBJECT handle.
pub(super) fn of(handle: WDFFILEOBJECT) -> Rc<FileObject> {
    Rc::clone(
        &object::of(handle, Kind::FileObject)
            .body::<FrameworkFile>()
            .file,
    )
}

fn config_of(device: &Device) -> Option<&FileConfig> {
    device.settings.file.as_ref()
}

/// The lock for the file callbacks: only a device at `PASSIVE_LEVEL` with device scope has one.
fn lock_of(device: &Rc<Object>) -> Option<Rc<CallbackLock>> {
    lock::callback_lock(device).filter(|lock| lock.is_passive())
}

fn in_context<R>(device: &Rc<Object>, callback: impl FnOnce() -> R) -> R {
    match lock_of(device) {
        Some(lock) => lock.with(callback),
        None => callback(),
    }
}

fn handle_of(file: &FileObject) -> WDFFILEOBJECT {
    let framework = file.framework.borrow();
    framework
        .as_ref()
        .map_or(std::ptr::null_mut(), |object| object.handle())
}

/// Makes the WDFFILEOBJECT, if the driver's configuration wants one.
fn create_object(file: &Rc<FileObject>, config: Option<&FileConfig>) -> Result<(), NTSTATUS> {
    let Some(config) = config else { return Ok(()) };
    let class = config.class & !_WDF_FILEOBJECT_CLASS::WdfFileObjectCanBeOptional;
    if class == _WDF_FILEOBJECT_CLASS::WdfFileObjectNotRequired {
        return Ok(());
    }
    let body = Rc::new(FrameworkFile {
        file: Rc::clone(file),
    });
    let object = object::create(
        Kind::FileObject,
        file.device.driver,
        &config.attributes,
        Some(&file.device),
        body,
    )?;
    *file.framework.borrow_mut() = Some(object);
    Ok(())
}

/// `IRP_MJ_CREATE` has come down to the device.
pub(crate) fn create(irp: &Rc<Irp>) {
    let device_object = &irp.file.device;
    let device = device_object.body::<Device>();
    let config = config_of(&device);
    if device.settings.exclusive && device.open_files() > 1 {
        irp.complete(STATUS_ACCESS_DENIED, 0);
        return;
    }
    if let Err(status) = create_object(&irp.file, config) {
        irp.complete(status, 0);
        return;
    }
    let callback = config.and_then(|config| config.create);
    let routed = device
        .routing
        .borrow()
        .get(&_WDF_REQUEST_TYPE::WdfRequestTypeCreate)
        .cloned();
    if routed.is_none() && callback.is_none() {
        irp.complete(STATUS_SUCCESS, 0);
        return;
    }
    let made = request::create(irp).and_then(|object| {
        let queue = match &routed {
            Some(queue) => Rc::clone(queue),
            None => queue::for_creates(device_object)
                .inspect_err(|status| request::complete_for_framework(&object, *status, 0))?,
        };
        Ok((object, queue))
    });
    let (object, queue) = match made {
        Ok(made) => made,
        Err(status) => {
            if !irp.is_completed() {
                create_failed(&irp.file);
                irp.complete(status, 0);
            }
            return;
        }
    };
    queue::arrive(&queue, &object);
    if routed.is_some() {
        return;
    }
    // In between the sender may have cancelled it: then it is completed.
    if let (Ok(object), Some(callback)) = (queue::retrieve(&queue, Some(&irp.file), None), callback)
    {
        irp.set_place("with the driver since EvtDeviceFileCreate");
        in_context(device_object, || {
            // SAFETY: the driver's file object configuration gave the callback; the handles are its
            // device's, its request's, and its file object's or null.
            unsafe {
                call_driver!(
                    device_object.driver,
                    "EvtDeviceFileCreate",
                    callback(
                        device_object.handle(),
                        object.handle(),
                        handle_of(&irp.file)
                    )
                );
            };
        });
    }
}

/// A create has failed: there will be neither cleanup nor close.
pub(super) fn create_failed(file: &FileObject) {
    delete_object(file);
}

fn delete_object(file: &FileObject) {
    let framework = file.framework.borrow_mut().take();
    if let Some(framework) = framework {
        object::delete(&framework);
    }
}

/// `IRP_MJ_CLEANUP`: the last handle is closed. At `PASSIVE_LEVEL`.
pub(crate) fn cleanup(file: &Rc<FileObject>) {
    let device = file.device.body::<Device>();
    if let Some(callback) = config_of(&device).and_then(|config| config.cleanup) {
        in_context(&file.device, || {
            // SAFETY: the driver's file object configuration gave the callback; the handle is its
            // file object's, or null.
            unsafe {
                call_driver!(
                    file.device.driver,
                    "EvtFileCleanup",
                    callback(handle_of(file))
                );
            };
        });
    }
    queue::flush_by_file(&file.device, file);
}

/// `IRP_MJ_CLOSE`: nothing refers to the file object any more. At `PASSIVE_LEVEL`.
pub(crate) fn close(file: &FileObject) {
    let device = file.device.body::<Device>();
    if let Some(callback) = config_of(&device).and_then(|config| config.close) {
        in_context(&file.device, || {
            // SAFETY: the driver's file object configuration gave the callback; the handle is its
            // file object's, or null.
            unsafe {
                call_driver!(
                    file.device.driver,
                    "EvtFileClose",
                    callback(handle_of(file))
                );
            };
        });
    }
    delete_object(file);
}

nt_export! { table
    /// The device that a file was opened on.
    irql(<= DISPATCH_LEVEL) fn WdfFileObjectGetDevice(_globals: PWDF_DRIVER_GLOBALS, file: WDFFILEOBJECT) -> WDFDEVICE {
        of(file).device.handle()
    }

    /// The `FILE_OBJECT` below the framework's.
    irql(<= DISPATCH_LEVEL) fn WdfFileObjectWdmGetFileObject(
        _globals: PWDF_DRIVER_GLOBALS,
        file: WDFFILEOBJECT,
    ) -> PFILE_OBJECT {
        of(file).packet()
    }
}

wdf_functions! {
    WdfFileObjectGetDeviceTableIndex: PFN_WDFFILEOBJECTGETDEVICE = WdfFileObjectGetDevice;
    WdfFileObjectWdmGetFileObjectTableIndex: PFN_WDFFILEOBJECTWDMGETFILEOBJECT = WdfFileObjectWdmGetFileObject;
}
