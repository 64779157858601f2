//! The functions that drivers call on any object: contexts, references, deletion.

use wdk_sys_lite::{
    GUID, LONG, NTSTATUS, PCCH, PCWDF_OBJECT_CONTEXT_TYPE_INFO, PVOID, PWDF_DRIVER_GLOBALS,
    PWDF_OBJECT_ATTRIBUTES, STATUS_INSUFFICIENT_RESOURCES, STATUS_NOT_IMPLEMENTED,
    STATUS_OBJECT_NAME_INVALID, STATUS_SUCCESS, ULONG, WDFOBJECT,
};

use crate::kernel::kernel;
use crate::nt_export;

use super::object::{self, Attributes, Kind, Nothing};
use super::table::wdf_functions;
use super::{caller, require, status};

nt_export! { table
    /// The context of a type on an object; null if it has none.
    irql(any) fn WdfObjectGetTypedContextWorker(
        _globals: PWDF_DRIVER_GLOBALS,
        handle: WDFOBJECT,
        info: PCWDF_OBJECT_CONTEXT_TYPE_INFO,
    ) -> PVOID {
        require("WdfObjectGetTypedContextWorker", "TypeInfo", info.is_null());
        if handle.is_null() {
            // SAFETY: not null, and the driver vouches for it by calling.
            let name = unsafe { object::name_of_context(info) };
            require(&format!("WdfObjectGetTypedContextWorker for {name}"), "Handle", true);
        }
        object::context_of(handle, info).cast()
    }

    /// Adds a context of a further type.
    irql(<= DISPATCH_LEVEL) fn WdfObjectAllocateContext(
        _globals: PWDF_DRIVER_GLOBALS,
        handle: WDFOBJECT,
        attributes: PWDF_OBJECT_ATTRIBUTES,
        context: *mut PVOID,
    ) -> NTSTATUS {
        let object = object::any(handle);
        if attributes.is_null() {
            return status::WDF_PARENT_NOT_SPECIFIED;
        }
        // SAFETY: not null, and the driver vouches for it by calling.
        let attributes = match unsafe { Attributes::read(Kind::General, attributes) } {
            Ok(attributes) => attributes,
            Err(status) => return status,
        };
        if attributes.parent().is_some() {
            return status::WDF_PARENT_ASSIGNMENT_NOT_ALLOWED;
        }
        if !attributes.has_context() {
            return STATUS_OBJECT_NAME_INVALID;
        }
        if kernel().should_fail() {
            return STATUS_INSUFFICIENT_RESOURCES;
        }
        match object::add_context(&object, &attributes) {
            Ok((status, memory)) => {
                if !context.is_null() {
                    // SAFETY: not null, and the driver vouches that it may be written.
                    unsafe { context.write(memory.cast()) };
                }
                status
            }
            Err(status) => status,
        }
    }

    /// The object that a context belongs to.
    irql(any) fn WdfObjectContextGetObject(_globals: PWDF_DRIVER_GLOBALS, context: PVOID) -> WDFOBJECT {
        object::owner_of_context(context).handle()
    }

    /// Takes a reference, so that the object outlives its deletion.
    irql(<= DISPATCH_LEVEL) fn WdfObjectReferenceActual(
        _globals: PWDF_DRIVER_GLOBALS,
        handle: WDFOBJECT,
        tag: PVOID,
        _line: LONG,
        _file: PCCH,
    ) {
        object::reference_for_driver(&object::any(handle), tag.addr());
    }

    /// Gives a reference back.
    irql(<= DISPATCH_LEVEL) fn WdfObjectDereferenceActual(
        _globals: PWDF_DRIVER_GLOBALS,
        handle: WDFOBJECT,
        tag: PVOID,
        _line: LONG,
        _file: PCCH,
    ) {
        object::dereference_for_driver(&object::any(handle), tag.addr());
    }

    /// Creates an object that is only a context.
    irql(<= DISPATCH_LEVEL) fn WdfObjectCreate(
        _globals: PWDF_DRIVER_GLOBALS,
        attributes: PWDF_OBJECT_ATTRIBUTES,
        handle: *mut WDFOBJECT,
    ) -> NTSTATUS {
        require("WdfObjectCreate", "Object", handle.is_null());
        let (driver, default_parent) = caller();
        // SAFETY: null or attributes that the driver vouches for by calling.
        let created = unsafe { Attributes::read(Kind::General, attributes) }.and_then(|attributes| {
            if kernel().should_fail() {
                return Err(STATUS_INSUFFICIENT_RESOURCES);
            }
            object::create(Kind::General, driver, &attributes, default_parent.as_ref(), std::rc::Rc::new(Nothing))
        });
        match created {
            Ok(object) => {
                // SAFETY: not null, and the driver vouches that it may be written.
                unsafe { handle.write(object.handle()) };
                STATUS_SUCCESS
            }
            Err(status) => status,
        }
    }

    /// Deletes an object.
    irql(<= DISPATCH_LEVEL) fn WdfObjectDelete(_globals: PWDF_DRIVER_GLOBALS, handle: WDFOBJECT) {
        object::delete_for_driver(&object::any(handle));
    }

    /// Asks for an extension by GUID; there is none.
    irql(<= DISPATCH_LEVEL) fn WdfObjectQuery(
        _globals: PWDF_DRIVER_GLOBALS,
        handle: WDFOBJECT,
        _guid: *const GUID,
        _length: ULONG,
        _buffer: PVOID,
    ) -> NTSTATUS {
        let _ = object::any(handle);
        STATUS_NOT_IMPLEMENTED
    }
}

wdf_functions! {
    WdfObjectGetTypedContextWorkerTableIndex: PFN_WDFOBJECTGETTYPEDCONTEXTWORKER = WdfObjectGetTypedContextWorker;
    WdfObjectAllocateContextTableIndex: PFN_WDFOBJECTALLOCATECONTEXT = WdfObjectAllocateContext;
    WdfObjectContextGetObjectTableIndex: PFN_WDFOBJECTCONTEXTGETOBJECT = WdfObjectContextGetObject;
    WdfObjectReferenceActualTableIndex: PFN_WDFOBJECTREFERENCEACTUAL = WdfObjectReferenceActual;
    WdfObjectDereferenceActualTableIndex: PFN_WDFOBJECTDEREFERENCEACTUAL = WdfObjectDereferenceActual;
    WdfObjectCreateTableIndex: PFN_WDFOBJECTCREATE = WdfObjectCreate;
    WdfObjectDeleteTableIndex: PFN_WDFOBJECTDELETE = WdfObjectDelete;
    WdfObjectQueryTableIndex: PFN_WDFOBJECTQUERY = WdfObjectQuery;
}
