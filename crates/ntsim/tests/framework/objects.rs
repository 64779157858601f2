//! Handles, contexts, references and deletion.

use ntsim::StopCode;
use ntsim::kernel::kernel;
use ntsim::wdf::violation;
use wdk_sys_lite::{
    NT_SUCCESS, STATUS_INFO_LENGTH_MISMATCH, STATUS_OBJECT_NAME_EXISTS, WDF_OBJECT_ATTRIBUTES,
    WDFOBJECT, call_unsafe_wdf_function_binding,
};

use crate::harness::{
    ContextType, DEVICE_CONTEXT, attributes, create_object, driver_breaks, event, image,
    in_callback, in_driver, plug_in, take_log,
};

static SMALL: ContextType = ContextType::new(8);
static OTHER: ContextType = ContextType::new(100);

fn delete(object: WDFOBJECT) {
    // SAFETY: a handle, or what the test gives in its place.
    unsafe { call_unsafe_wdf_function_binding!(WdfObjectDelete, object) };
}

fn reference(object: WDFOBJECT) {
    // SAFETY: as in `delete`.
    unsafe {
        call_unsafe_wdf_function_binding!(
            WdfObjectReferenceActual,
            object,
            std::ptr::null_mut(),
            0,
            c"".as_ptr()
        );
    }
}

fn dereference(object: WDFOBJECT) {
    // SAFETY: as in `delete`.
    unsafe {
        call_unsafe_wdf_function_binding!(
            WdfObjectDereferenceActual,
            object,
            std::ptr::null_mut(),
            0,
            c"".as_ptr()
        );
    }
}

fn context(object: WDFOBJECT, of: &'static ContextType) -> *mut u8 {
    // SAFETY: as in `delete`; the type is a constant.
    unsafe { call_unsafe_wdf_function_binding!(WdfObjectGetTypedContextWorker, object, of.info()) }
        .cast()
}

fn with_context(of: &'static ContextType) -> WDF_OBJECT_ATTRIBUTES {
    WDF_OBJECT_ATTRIBUTES {
        ContextTypeInfo: of.info(),
        ..attributes()
    }
}

#[track_caller]
fn assert_invalid_handle(check: &ntsim::BugCheck, says: &str) {
    assert_eq!(check.code, StopCode::WDF_VIOLATION, "{check}");
    assert_eq!(check.parameters[0], violation::INVALID_HANDLE, "{check}");
    assert!(check.message.contains(says), "{check}");
}

/// `object/fxobjectapi.cpp`, `WdfObjectGetTypedContextWorker`: a null handle is a null parameter.
#[test]
fn a_null_handle_has_no_context() {
    let check = driver_breaks(|_| {
        context(std::ptr::null_mut(), &SMALL);
    });
    assert_eq!(check.code, StopCode::WDF_VIOLATION, "{check}");
    assert_eq!(check.parameters[..2], [4, 0], "{check}");
    let place = "WdfObjectGetTypedContextWorker for Context";
    assert!(check.message.contains(place), "{check}");
}

#[test]
fn a_null_handle_is_a_violation() {
    assert_invalid_handle(
        &driver_breaks(|_| delete(std::ptr::null_mut())),
        "a null handle",
    );
}

#[test]
fn an_arbitrary_pointer_is_no_handle() {
    assert_invalid_handle(
        &driver_breaks(|_| delete(std::ptr::without_provenance_mut(0x1234_5670))),
        "no handle",
    );
}

#[test]
fn a_handle_of_another_type_is_a_violation() {
    let check = driver_breaks(|device| {
        // SAFETY: the wrong type is what is tried.
        unsafe { call_unsafe_wdf_function_binding!(WdfSpinLockAcquire, device) };
    });
    assert_invalid_handle(&check, "where a WDFSPINLOCK is expected");
}

#[test]
fn the_handle_of_a_deleted_object_is_a_violation() {
    let check = driver_breaks(|_| {
        let object = create_object(&mut attributes()).expect("an object");
        delete(object);
        context(object, &SMALL);
    });
    assert_invalid_handle(&check, "an object that is gone");
}

#[test]
fn a_handle_is_not_memory() {
    let check = driver_breaks(|device| {
        // SAFETY: none: following a handle is the mistake that is tried.
        unsafe { device.cast::<u64>().write_volatile(1) };
    });
    assert_eq!(check.code, StopCode::PAGE_FAULT_IN_NONPAGED_AREA);
    assert!(
        check.message.contains("the handle of a WDFDEVICE"),
        "{check}"
    );
}

#[test]
fn a_context_starts_zeroed_and_belongs_to_its_object() {
    in_driver(|device| {
        let memory = context(device, &DEVICE_CONTEXT);
        assert!(!memory.is_null());
        // SAFETY: the context has 24 bytes.
        let bytes = unsafe { std::slice::from_raw_parts(memory, 24) };
        assert!(bytes.iter().all(|byte| *byte == 0));
        // SAFETY: a context's address.
        let owner =
            unsafe { call_unsafe_wdf_function_binding!(WdfObjectContextGetObject, memory.cast()) };
        assert_eq!(owner, device);
        assert!(
            context(device, &SMALL).is_null(),
            "no context of another type"
        );
    });
}

#[test]
fn what_is_no_context_has_no_object() {
    let check = driver_breaks(|device| {
        let memory = context(device, &DEVICE_CONTEXT).wrapping_add(8);
        // SAFETY: the wrong address is what is tried.
        let _ =
            unsafe { call_unsafe_wdf_function_binding!(WdfObjectContextGetObject, memory.cast()) };
    });
    assert_invalid_handle(&check, "not the address of a context");
}

#[test]
fn a_second_context_of_a_type_is_the_first() {
    in_driver(|device| {
        let mut add = with_context(&OTHER);
        let (mut first, mut second) = (std::ptr::null_mut(), std::ptr::null_mut());
        // SAFETY: local structures, and constants.
        unsafe {
            let status = call_unsafe_wdf_function_binding!(
                WdfObjectAllocateContext,
                device,
                &raw mut add,
                &raw mut first
            );
            assert_eq!(status, 0);
            let status = call_unsafe_wdf_function_binding!(
                WdfObjectAllocateContext,
                device,
                &raw mut add,
                &raw mut second
            );
            assert_eq!(status, STATUS_OBJECT_NAME_EXISTS);
            assert!(NT_SUCCESS(status));
        }
        assert_eq!(first, second);
        assert_eq!(first.cast(), context(device, &OTHER));
    });
}

#[test]
fn a_context_can_be_larger_than_its_type() {
    in_driver(|_| {
        let mut large = with_context(&SMALL);
        large.ContextSizeOverride = 4000;
        let object = create_object(&mut large).expect("an object");
        // SAFETY: the override makes the context 4000 bytes large.
        unsafe { context(object, &SMALL).add(3999).write_volatile(1) };
        delete(object);
        large.ContextSizeOverride = 4;
        assert!(create_object(&mut large).is_err(), "smaller is an error");
    });
}

#[test]
fn attributes_of_the_wrong_size_are_refused() {
    in_driver(|_| {
        let mut wrong = attributes();
        wrong.Size -= 1;
        assert_eq!(create_object(&mut wrong), Err(STATUS_INFO_LENGTH_MISMATCH));
        let mut zero = WDF_OBJECT_ATTRIBUTES::default();
        assert_eq!(create_object(&mut zero), Err(STATUS_INFO_LENGTH_MISMATCH));
        let mut uninitialised = attributes();
        uninitialised.ExecutionLevel = 0;
        assert_eq!(
            create_object(&mut uninitialised),
            Err(ntsim::wdf::status::WDF_OBJECT_ATTRIBUTES_INVALID)
        );
    });
}

unsafe extern "C" fn cleanup(object: WDFOBJECT) {
    event(&format!("cleanup {}", number(object)), object);
}

unsafe extern "C" fn destroy(object: WDFOBJECT) {
    event(&format!("destroy {}", number(object)), object);
}

fn number(object: WDFOBJECT) -> u64 {
    // SAFETY: the tests give every object with these callbacks a context of 8 bytes, alive until
    // the callback returns.
    u64::from_le_bytes(unsafe { context(object, &SMALL).cast::<[u8; 8]>().read() })
}

/// An object with a number, whose end is noted.
fn numbered(number: u64, parent: WDFOBJECT) -> WDFOBJECT {
    let mut own = with_context(&SMALL);
    own.EvtCleanupCallback = Some(cleanup);
    own.EvtDestroyCallback = Some(destroy);
    own.ParentObject = parent;
    let object = create_object(&mut own).expect("an object");
    // SAFETY: its context has 8 bytes.
    unsafe {
        context(object, &SMALL)
            .cast::<[u8; 8]>()
            .write(number.to_le_bytes());
    };
    object
}

#[test]
fn children_are_cleaned_up_before_their_parent_and_destroyed_before_it() {
    in_driver(|device| {
        let parent = numbered(1, device);
        let child = numbered(2, parent);
        numbered(3, parent);
        numbered(4, child);
        take_log();
        delete(parent);
        assert_eq!(
            take_log(),
            [
                "cleanup 4",
                "cleanup 2",
                "cleanup 3",
                "cleanup 1",
                "destroy 4",
                "destroy 2",
                "destroy 3",
                "destroy 1"
            ]
        );
    });
}

#[test]
fn a_reference_delays_destruction_but_not_cleanup() {
    in_driver(|device| {
        let object = numbered(1, device);
        take_log();
        reference(object);
        delete(object);
        assert_eq!(take_log(), ["cleanup 1"]);
        assert_eq!(number(object), 1, "the context is still there");
        dereference(object);
        assert_eq!(take_log(), ["destroy 1"]);
    });
}

#[test]
fn a_parent_can_delete_its_child_in_its_own_cleanup() {
    in_driver(|device| {
        thread_local!(static CHILD: std::cell::Cell<WDFOBJECT> = const { std::cell::Cell::new(std::ptr::null_mut()) });
        unsafe extern "C" fn delete_child(_parent: WDFOBJECT) {
            delete(CHILD.get());
        }
        let mut own = attributes();
        own.EvtCleanupCallback = Some(delete_child);
        own.ParentObject = device;
        let parent = create_object(&mut own).expect("an object");
        CHILD.set(numbered(1, parent));
        take_log();
        delete(parent);
        assert_eq!(take_log(), ["cleanup 1", "destroy 1"]);
    });
}

#[test]
fn the_devices_objects_go_with_the_device() {
    in_driver(|device| {
        numbered(1, device);
    });
}

#[test]
fn a_leaked_reference_is_found_at_unload() {
    let check = driver_breaks(|device| {
        let object = numbered(1, device);
        reference(object);
    });
    assert_eq!(check.code, StopCode::WDF_VIOLATION);
    assert_eq!(check.parameters[0], violation::OBJECT_ERROR);
    assert!(check.message.contains("object reference"), "{check}");
}

#[test]
fn without_the_verifier_a_leak_is_only_reported() {
    let config = ntsim::Config {
        verifier: false,
        ..ntsim::Config::default()
    };
    ntsim::Machine::run(config, |system| {
        in_callback("DeviceAdd", |device| reference(numbered(1, device)));
        let driver = system.load_driver(image()).expect("the driver loads");
        let pdo = plug_in();
        assert_eq!(system.wait_started(pdo.id), Ok(()));
        let leaks = system
            .unload_driver(driver)
            .expect("the driver can be unloaded");
        assert_eq!(leaks.len(), 1, "{leaks:?}");
        assert_eq!(leaks[0].kind, "object reference");
    })
    .expect_finished();
}

#[test]
fn a_reference_too_many_given_back_is_a_violation() {
    let check = driver_breaks(|device| {
        let object = numbered(1, device);
        dereference(object);
    });
    assert_eq!(check.code, StopCode::WDF_VIOLATION);
    assert_eq!(check.parameters[0], violation::OBJECT_ERROR);
}

#[test]
fn a_tag_must_be_one_that_was_referenced_with() {
    let check = driver_breaks(|device| {
        let object = numbered(1, device);
        reference(object);
        // SAFETY: the wrong tag is what is tried.
        unsafe {
            call_unsafe_wdf_function_binding!(
                WdfObjectDereferenceActual,
                object,
                std::ptr::without_provenance_mut(7),
                0,
                c"".as_ptr()
            );
        }
    });
    assert!(check.message.contains("tag"), "{check}");
}

#[test]
fn deleting_twice_is_a_violation() {
    let check = driver_breaks(|device| {
        let object = numbered(1, device);
        reference(object);
        delete(object);
        delete(object);
    });
    assert_eq!(check.code, StopCode::WDF_VIOLATION);
    assert!(check.message.contains("deleted twice"), "{check}");
}

#[test]
fn a_device_is_not_the_drivers_to_delete() {
    let check = driver_breaks(delete);
    assert_eq!(check.code, StopCode::WDF_VIOLATION);
    assert!(check.message.contains("must not be deleted"), "{check}");
}

#[test]
fn a_child_of_a_deleted_parent_cannot_be_made() {
    in_driver(|device| {
        let parent = numbered(1, device);
        reference(parent);
        delete(parent);
        let mut own = attributes();
        own.ParentObject = parent;
        assert_eq!(
            create_object(&mut own),
            Err(wdk_sys_lite::STATUS_DELETE_PENDING)
        );
        dereference(parent);
    });
}

#[test]
fn only_the_context_may_be_asked_for_in_destroy() {
    let check = driver_breaks(|device| {
        unsafe extern "C" fn references(object: WDFOBJECT) {
            reference(object);
        }
        let mut own = attributes();
        own.EvtDestroyCallback = Some(references);
        own.ParentObject = device;
        delete(create_object(&mut own).expect("an object"));
    });
    assert_eq!(check.code, StopCode::WDF_VIOLATION);
}

#[test]
fn what_must_be_cleaned_up_at_passive_level_is_when_deleted_above_it() {
    in_driver(|device| {
        unsafe extern "C" fn at_passive(_object: WDFOBJECT) {
            assert_eq!(kernel().sched.current().irql(), 0);
        }
        let mut own = attributes();
        own.ExecutionLevel = wdk_sys_lite::_WDF_EXECUTION_LEVEL::WdfExecutionLevelPassive;
        own.EvtCleanupCallback = Some(at_passive);
        own.ParentObject = device;
        let object = create_object(&mut own).expect("an object");
        let old = kernel().sched.set_irql(2);
        delete(object);
        kernel().sched.set_irql(old);
    });
}

#[test]
fn a_cleanup_above_passive_level_is_at_the_deleters_level_otherwise() {
    in_driver(|device| {
        unsafe extern "C" fn at_dispatch(_object: WDFOBJECT) {
            assert_eq!(kernel().sched.current().irql(), 2);
        }
        let mut own = attributes();
        own.EvtCleanupCallback = Some(at_dispatch);
        own.ParentObject = device;
        let object = create_object(&mut own).expect("an object");
        let old = kernel().sched.set_irql(2);
        delete(object);
        kernel().sched.set_irql(old);
    });
}

#[test]
fn attributes_must_fit_the_kind_of_object() {
    use ntsim::wdf::status;
    use wdk_sys_lite::{_WDF_EXECUTION_LEVEL as Level, _WDF_SYNCHRONIZATION_SCOPE as Scope};
    in_driver(|device| {
        let lock = |own: &mut WDF_OBJECT_ATTRIBUTES| {
            let mut lock = std::ptr::null_mut();
            // SAFETY: local structures.
            unsafe {
                call_unsafe_wdf_function_binding!(
                    WdfSpinLockCreate,
                    std::ptr::from_mut(own),
                    &raw mut lock
                )
            }
        };
        let mut own = attributes();
        own.ParentObject = device;
        assert_eq!(lock(&mut own), 0);
        own.ExecutionLevel = Level::WdfExecutionLevelPassive;
        assert_eq!(lock(&mut own), status::WDF_EXECUTION_LEVEL_INVALID);
        let mut own = attributes();
        own.SynchronizationScope = Scope::WdfSynchronizationScopeDevice;
        assert_eq!(lock(&mut own), status::WDF_SYNCHRONIZATION_SCOPE_INVALID);
        own.SynchronizationScope = Scope::WdfSynchronizationScopeNone;
        assert_eq!(lock(&mut own), 0, "none is what such an object has anyway");
        let mut own = attributes();
        own.ContextSizeOverride = 8;
        assert_eq!(
            lock(&mut own),
            status::WDF_OBJECT_ATTRIBUTES_INVALID,
            "a size without a type"
        );
        let mut own = with_context(&SMALL);
        own.ParentObject = device;
        // SAFETY: local structures.
        let status = unsafe {
            call_unsafe_wdf_function_binding!(
                WdfObjectAllocateContext,
                device,
                &raw mut own,
                std::ptr::null_mut()
            )
        };
        assert_eq!(status, status::WDF_PARENT_ASSIGNMENT_NOT_ALLOWED);
    });
}

#[test]
fn a_context_needs_a_type() {
    in_driver(|device| {
        let mut own = attributes();
        // SAFETY: local structures.
        let status = unsafe {
            call_unsafe_wdf_function_binding!(
                WdfObjectAllocateContext,
                device,
                &raw mut own,
                std::ptr::null_mut()
            )
        };
        assert_eq!(status, wdk_sys_lite::STATUS_OBJECT_NAME_INVALID);
    });
}

#[test]
fn an_object_without_a_parent_lives_as_long_as_its_driver() {
    ntsim::Machine::run(ntsim::Config::default(), |system| {
        in_callback("DeviceAdd", |_| {
            numbered(1, std::ptr::null_mut());
        });
        let driver = system.load_driver(image()).expect("the driver loads");
        let pdo = plug_in();
        assert_eq!(system.remove_device(pdo.id), Ok(()));
        take_log();
        system
            .unload_driver(driver)
            .expect("the driver can be unloaded");
        assert_eq!(take_log(), ["DriverUnload", "cleanup 1", "destroy 1"]);
    })
    .expect_finished();
}

#[test]
fn a_write_beyond_a_context_is_found() {
    let check = driver_breaks(|device| {
        let memory = context(device, &DEVICE_CONTEXT);
        // SAFETY: none: writing behind the 24 bytes is the mistake that is tried.
        unsafe { memory.add(32).write_volatile(1) };
    });
    assert_eq!(
        check.code,
        StopCode::DRIVER_PAGE_FAULT_BEYOND_END_OF_ALLOCATION,
        "{check}"
    );
    let check = driver_breaks(|device| {
        let memory = context(device, &DEVICE_CONTEXT);
        // SAFETY: none: this byte is in the gap that alignment leaves; it is found when the context
        // is freed.
        unsafe { memory.add(24).write_volatile(1) };
    });
    assert_eq!(
        check.code,
        StopCode::SPECIAL_POOL_DETECTED_MEMORY_CORRUPTION,
        "{check}"
    );
}

#[test]
fn a_context_is_gone_with_its_object() {
    let check = driver_breaks(|device| {
        let object = numbered(1, device);
        let memory = context(object, &SMALL);
        delete(object);
        // SAFETY: none: touching the context of a deleted object is the mistake that is tried.
        unsafe { memory.write_volatile(1) };
    });
    assert_eq!(
        check.code,
        StopCode::DRIVER_PAGE_FAULT_IN_FREED_SPECIAL_POOL,
        "{check}"
    );
}

#[test]
fn what_must_be_destroyed_at_passive_level_is_when_dereferenced_above_it() {
    in_driver(|device| {
        unsafe extern "C" fn at_passive(_object: WDFOBJECT) {
            assert_eq!(kernel().sched.current().irql(), 0);
        }
        let mut own = attributes();
        own.ExecutionLevel = wdk_sys_lite::_WDF_EXECUTION_LEVEL::WdfExecutionLevelPassive;
        own.EvtDestroyCallback = Some(at_passive);
        own.ParentObject = device;
        let object = create_object(&mut own).expect("an object");
        reference(object);
        delete(object);
        let old = kernel().sched.set_irql(2);
        dereference(object);
        kernel().sched.set_irql(old);
    });
}
