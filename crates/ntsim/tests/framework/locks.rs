//! Spin locks, wait locks, timers, deferred procedure calls and work items.

use std::cell::Cell;

use ntsim::kernel::kernel;
use ntsim::wdf::violation;
use ntsim::{BugCheck, StopCode};
use wdk_sys_lite::ntddk::{KeAcquireSpinLockRaiseToDpc, KeReleaseSpinLock};
use wdk_sys_lite::{
    _WDF_EXECUTION_LEVEL, _WDF_SYNCHRONIZATION_SCOPE, KSPIN_LOCK, NTSTATUS,
    STATUS_INFO_LENGTH_MISMATCH, STATUS_INVALID_PARAMETER, STATUS_NOT_SUPPORTED, STATUS_TIMEOUT,
    WDF_DPC_CONFIG, WDF_TIMER_CONFIG, WDF_WORKITEM_CONFIG, WDFDEVICE, WDFOBJECT,
    call_unsafe_wdf_function_binding,
};

use crate::harness::{
    attributes, breaks, driver_breaks, event, in_callback, in_driver, lives, size_in_u32,
    synchronise, take_log,
};

fn spin_lock(parent: WDFOBJECT) -> WDFOBJECT {
    let mut own = attributes();
    own.ParentObject = parent;
    let mut lock = std::ptr::null_mut();
    // SAFETY: local structures.
    let status = unsafe {
        call_unsafe_wdf_function_binding!(WdfSpinLockCreate, &raw mut own, &raw mut lock)
    };
    assert_eq!(status, 0);
    lock
}

fn wait_lock(parent: WDFOBJECT) -> WDFOBJECT {
    let mut own = attributes();
    own.ParentObject = parent;
    let mut lock = std::ptr::null_mut();
    // SAFETY: local structures.
    let status = unsafe {
        call_unsafe_wdf_function_binding!(WdfWaitLockCreate, &raw mut own, &raw mut lock)
    };
    assert_eq!(status, 0);
    lock
}

fn acquire(lock: WDFOBJECT) {
    // SAFETY: a spin lock of the test's.
    unsafe { call_unsafe_wdf_function_binding!(WdfSpinLockAcquire, lock) };
}

fn release(lock: WDFOBJECT) {
    // SAFETY: a spin lock of the test's.
    unsafe { call_unsafe_wdf_function_binding!(WdfSpinLockRelease, lock) };
}

fn wait_for(lock: WDFOBJECT, timeout: Option<i64>) -> NTSTATUS {
    let mut timeout = timeout;
    let pointer = timeout
        .as_mut()
        .map_or(std::ptr::null_mut(), std::ptr::from_mut);
    // SAFETY: a wait lock of the test's, and a local number or null.
    unsafe { call_unsafe_wdf_function_binding!(WdfWaitLockAcquire, lock, pointer) }
}

fn release_wait(lock: WDFOBJECT) {
    // SAFETY: a wait lock of the test's.
    unsafe { call_unsafe_wdf_function_binding!(WdfWaitLockRelease, lock) };
}

fn irql() -> u8 {
    kernel().sched.current().irql()
}

#[test]
fn a_spin_lock_raises_to_dispatch_level_and_back() {
    in_driver(|device| {
        let lock = spin_lock(device);
        acquire(lock);
        assert_eq!(irql(), 2);
        release(lock);
        assert_eq!(irql(), 0);
    });
}

#[test]
fn a_spin_lock_acquired_again_by_its_owner_is_a_violation() {
    let check = driver_breaks(|device| {
        let lock = spin_lock(device);
        acquire(lock);
        acquire(lock);
    });
    assert_eq!(check.code, StopCode::WDF_VIOLATION);
    assert_eq!(check.parameters[0], violation::RECURSIVE_LOCK);
}

#[test]
fn a_spin_lock_must_be_released_by_its_owner() {
    let check = driver_breaks(|device| {
        let (held, other) = (spin_lock(device), spin_lock(device));
        acquire(held);
        release(other);
    });
    assert_eq!(check.code, StopCode::WDF_VIOLATION);
    assert_eq!(check.parameters[0], violation::INVALID_LOCK_OPERATION);
}

#[test]
fn a_callback_must_not_return_with_a_spin_lock_held() {
    let check = driver_breaks(|device| acquire(spin_lock(device)));
    assert_eq!(check.code, StopCode::DRIVER_VERIFIER_DETECTED_VIOLATION);
}

#[test]
fn a_callback_must_not_return_with_a_wait_lock_held() {
    let check = driver_breaks(|device| {
        wait_for(wait_lock(device), None);
    });
    assert_eq!(check.code, StopCode::WDF_VIOLATION);
    assert_eq!(check.parameters[0], violation::CRITICAL_REGION_MISMATCH);
}

#[test]
fn waiting_at_dispatch_level_is_a_bug_check() {
    let check = driver_breaks(|device| {
        let (spin, wait) = (spin_lock(device), wait_lock(device));
        acquire(spin);
        wait_for(wait, None);
    });
    assert_eq!(check.code, StopCode::IRQL_NOT_LESS_OR_EQUAL);
    assert!(check.message.contains("WdfWaitLockAcquire"), "{check}");
}

#[test]
fn a_wait_lock_can_be_tried_at_dispatch_level() {
    in_driver(|device| {
        let (spin, wait) = (spin_lock(device), wait_lock(device));
        acquire(spin);
        assert_eq!(wait_for(wait, Some(0)), 0);
        release_wait(wait);
        release(spin);
    });
}

#[test]
fn a_wait_lock_acquired_again_by_its_owner_is_a_violation() {
    let check = driver_breaks(|device| {
        let lock = wait_lock(device);
        wait_for(lock, None);
        wait_for(lock, None);
    });
    assert_eq!(check.parameters[0], violation::RECURSIVE_LOCK);
}

#[test]
fn a_wait_lock_must_be_released_by_its_owner() {
    let check = driver_breaks(|device| release_wait(wait_lock(device)));
    assert_eq!(check.parameters[0], violation::INVALID_LOCK_OPERATION);
}

#[test]
fn a_lock_must_not_be_deleted_while_it_is_held() {
    let check = driver_breaks(|device| {
        let lock = wait_lock(device);
        wait_for(lock, None);
        // SAFETY: the deletion of a held lock is what is tried.
        unsafe { call_unsafe_wdf_function_binding!(WdfObjectDelete, lock) };
    });
    assert_eq!(check.parameters[0], violation::INVALID_LOCK_OPERATION);
}

#[test]
fn a_wait_lock_held_by_another_thread_times_out() {
    in_driver(|device| {
        thread_local!(static LOCK: Cell<WDFOBJECT> = const { Cell::new(std::ptr::null_mut()) });
        unsafe extern "C" fn holds(_item: WDFOBJECT) {
            assert_eq!(wait_for(LOCK.get(), None), 0);
            event("held", std::ptr::null_mut());
            kernel().sched.sleep(50_000_000);
            release_wait(LOCK.get());
        }
        take_log();
        LOCK.set(wait_lock(device));
        let item = work_item(device, Some(holds)).expect("a work item");
        enqueue(item);
        while !take_log().contains(&"held".to_owned()) {
            kernel().sched.sleep(1000);
        }
        assert_eq!(wait_for(LOCK.get(), Some(0)), STATUS_TIMEOUT);
        assert_eq!(
            wait_for(LOCK.get(), Some(-10_000)),
            STATUS_TIMEOUT,
            "one millisecond"
        );
        assert_eq!(wait_for(LOCK.get(), None), 0);
        release_wait(LOCK.get());
    });
}

#[test]
fn callbacks_of_a_synchronised_device_do_not_overlap() {
    thread_local!(static ACTIVE: Cell<u32> = const { Cell::new(0) });
    thread_local!(static RUNS: Cell<u32> = const { Cell::new(0) });
    unsafe extern "C" fn alone(_item: WDFOBJECT) {
        assert_eq!(ACTIVE.replace(1), 0, "another callback is active");
        kernel().sched.sleep(10_000);
        ACTIVE.set(0);
        RUNS.set(RUNS.get() + 1);
    }
    lives(|| {
        synchronise(
            _WDF_EXECUTION_LEVEL::WdfExecutionLevelPassive,
            _WDF_SYNCHRONIZATION_SCOPE::WdfSynchronizationScopeDevice,
        );
        in_callback("DeviceAdd", |device| {
            let items: Vec<_> = (0..4)
                .map(|_| work_item_with(device, Some(alone), true).expect("a work item"))
                .collect();
            items.iter().copied().for_each(enqueue);
            items.into_iter().for_each(flush);
            assert_eq!(RUNS.get(), 4);
        });
    });
}

/// The framework's verifier stops the driver (`object/fxobject.cpp`, `_GetEffectiveLock`).
#[test]
fn a_work_item_cannot_be_serialised_with_callbacks_at_dispatch_level() {
    let check = breaks(|| {
        synchronise(
            _WDF_EXECUTION_LEVEL::WdfExecutionLevelDispatch,
            _WDF_SYNCHRONIZATION_SCOPE::WdfSynchronizationScopeDevice,
        );
        in_callback("DeviceAdd", |device| {
            let _ = work_item_with(device, Some(works), true);
        });
    });
    assert_breaks(&check, "WdfWorkItemCreate");
}

type Callback = Option<unsafe extern "C" fn(WDFOBJECT)>;

fn work_item(parent: WDFDEVICE, callback: Callback) -> Result<WDFOBJECT, NTSTATUS> {
    work_item_with(parent, callback, false)
}

fn work_item_with(
    parent: WDFDEVICE,
    callback: Callback,
    serialised: bool,
) -> Result<WDFOBJECT, NTSTATUS> {
    let mut config = WDF_WORKITEM_CONFIG {
        Size: size_in_u32::<WDF_WORKITEM_CONFIG>(),
        EvtWorkItemFunc: callback,
        AutomaticSerialization: u8::from(serialised),
    };
    let mut own = attributes();
    own.ParentObject = parent;
    let mut item = std::ptr::null_mut();
    // SAFETY: local structures.
    let status = unsafe {
        call_unsafe_wdf_function_binding!(
            WdfWorkItemCreate,
            &raw mut config,
            &raw mut own,
            &raw mut item
        )
    };
    if status == 0 { Ok(item) } else { Err(status) }
}

fn enqueue(item: WDFOBJECT) {
    // SAFETY: a work item of the test's.
    unsafe { call_unsafe_wdf_function_binding!(WdfWorkItemEnqueue, item) };
}

fn flush(item: WDFOBJECT) {
    // SAFETY: a work item of the test's.
    unsafe { call_unsafe_wdf_function_binding!(WdfWorkItemFlush, item) };
}

unsafe extern "C" fn works(_item: WDFOBJECT) {
    assert_eq!(irql(), 0);
    event("worked", std::ptr::null_mut());
}

#[test]
fn a_work_item_runs_at_passive_level_and_can_be_waited_for() {
    in_driver(|device| {
        let item = work_item(device, Some(works)).expect("a work item");
        take_log();
        enqueue(item);
        flush(item);
        assert_eq!(take_log(), ["worked"]);
    });
}

#[test]
fn a_work_item_that_is_queued_runs_before_its_device_goes() {
    in_driver(|device| {
        let item = work_item(device, Some(works)).expect("a work item");
        enqueue(item);
    });
}

#[test]
fn a_work_item_needs_a_parent_and_a_callback() {
    in_driver(|device| {
        assert_eq!(
            work_item(std::ptr::null_mut(), Some(works)),
            Err(ntsim::wdf::status::WDF_PARENT_NOT_SPECIFIED)
        );
        assert_eq!(work_item(device, None), Err(STATUS_INVALID_PARAMETER));
    });
}

#[test]
fn flushing_a_work_item_from_its_own_callback_is_a_violation() {
    let check = driver_breaks(|device| {
        unsafe extern "C" fn flushes_itself(item: WDFOBJECT) {
            flush(item);
        }
        let item = work_item(device, Some(flushes_itself)).expect("a work item");
        enqueue(item);
        flush(item);
    });
    assert_eq!(check.code, StopCode::WDF_VIOLATION);
    assert!(check.message.contains("WdfWorkItemFlush"), "{check}");
}

unsafe extern "C" fn called(_dpc: WDFOBJECT) {
    assert_eq!(irql(), 2);
    event("called", std::ptr::null_mut());
}

#[test]
fn a_deferred_procedure_call_runs_at_dispatch_level_once() {
    in_driver(|device| {
        let mut config = WDF_DPC_CONFIG {
            Size: size_in_u32::<WDF_DPC_CONFIG>(),
            EvtDpcFunc: Some(called),
            AutomaticSerialization: 0,
        };
        let mut own = attributes();
        own.ParentObject = device;
        let mut dpc = std::ptr::null_mut();
        // SAFETY: local structures.
        unsafe {
            let status = call_unsafe_wdf_function_binding!(
                WdfDpcCreate,
                &raw mut config,
                &raw mut own,
                &raw mut dpc
            );
            assert_eq!(status, 0);
        }
        take_log();
        let old = kernel().sched.set_irql(2);
        // SAFETY: the DPC just made. At DISPATCH_LEVEL this processor runs no DPC, so the second
        // finds the first.
        unsafe {
            assert_eq!(call_unsafe_wdf_function_binding!(WdfDpcEnqueue, dpc), 1);
            assert_eq!(call_unsafe_wdf_function_binding!(WdfDpcEnqueue, dpc), 0);
        }
        kernel().sched.set_irql(old);
        kernel().sched.sleep(1_000_000);
        assert_eq!(take_log(), ["called"]);
    });
}

fn timer(
    parent: WDFOBJECT,
    callback: Callback,
    period: u32,
    passive: bool,
) -> Result<WDFOBJECT, NTSTATUS> {
    let mut config = WDF_TIMER_CONFIG {
        Size: size_in_u32::<WDF_TIMER_CONFIG>(),
        EvtTimerFunc: callback,
        Period: period,
        ..WDF_TIMER_CONFIG::default()
    };
    timer_of(parent, &mut config, passive)
}

fn timer_of(
    parent: WDFOBJECT,
    config: &mut WDF_TIMER_CONFIG,
    passive: bool,
) -> Result<WDFOBJECT, NTSTATUS> {
    let mut own = attributes();
    own.ParentObject = parent;
    if passive {
        own.ExecutionLevel = _WDF_EXECUTION_LEVEL::WdfExecutionLevelPassive;
    }
    let mut timer = std::ptr::null_mut();
    // SAFETY: local structures.
    let status = unsafe {
        call_unsafe_wdf_function_binding!(
            WdfTimerCreate,
            std::ptr::from_mut(config),
            &raw mut own,
            &raw mut timer
        )
    };
    if status == 0 { Ok(timer) } else { Err(status) }
}

fn start(timer: WDFOBJECT, milliseconds: i64) -> bool {
    // SAFETY: a timer of the test's.
    unsafe { call_unsafe_wdf_function_binding!(WdfTimerStart, timer, -milliseconds * 10_000) != 0 }
}

fn stop(timer: WDFOBJECT) -> bool {
    // SAFETY: a timer of the test's.
    unsafe { call_unsafe_wdf_function_binding!(WdfTimerStop, timer, 1) != 0 }
}

#[test]
fn a_timer_fires_once_after_its_time() {
    in_driver(|device| {
        let timer = timer(device, Some(called), 0, false).expect("a timer");
        take_log();
        let begin = kernel().sched.now();
        assert!(!start(timer, 10));
        assert!(start(timer, 20), "it was running");
        while take_log().is_empty() {
            kernel().sched.sleep(100_000);
        }
        assert!(kernel().sched.now() - begin >= 20_000_000);
        kernel().sched.sleep(100_000_000);
        assert!(take_log().is_empty());
        assert!(!stop(timer));
    });
}

#[test]
fn a_periodic_timer_fires_until_it_is_stopped() {
    in_driver(|device| {
        let timer = timer(device, Some(called), 10, false).expect("a timer");
        take_log();
        start(timer, 10);
        kernel().sched.sleep(105_000_000);
        stop(timer);
        let fired = take_log().len();
        assert!((9..=10).contains(&fired), "{fired}");
        kernel().sched.sleep(100_000_000);
        assert!(take_log().is_empty());
    });
}

#[test]
fn a_running_timer_ends_with_its_device() {
    in_driver(|device| {
        let timer = timer(device, Some(called), 1, false).expect("a timer");
        start(timer, 1);
    });
}

#[test]
fn a_configuration_of_the_wrong_size_is_refused() {
    in_driver(|device| {
        let mut config = WDF_TIMER_CONFIG {
            EvtTimerFunc: Some(called),
            ..WDF_TIMER_CONFIG::default()
        };
        let made = timer_of(device, &mut config, false);
        assert_eq!(made, Err(STATUS_INFO_LENGTH_MISMATCH));
    });
}

#[test]
fn stopping_a_timer_from_its_own_callback_and_waiting_is_a_violation() {
    let check = driver_breaks(|device| {
        unsafe extern "C" fn stops_itself(timer: WDFOBJECT) {
            stop(timer);
        }
        let timer = timer(device, Some(stops_itself), 0, true).expect("a timer");
        start(timer, 1);
        kernel().sched.sleep(100_000_000);
    });
    assert!(check.message.contains("WdfTimerStop"), "{check}");
}

/// A stop takes the timer back, and not what it has queued (`core/fxtimer.cpp`, `FxTimer::Stop`).
#[test]
fn a_passive_timer_that_has_fired_runs_although_it_is_stopped() {
    unsafe extern "C" fn passive(_timer: WDFOBJECT) {
        event("passive timer", std::ptr::null_mut());
    }
    let ran = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let count = std::sync::Arc::clone(&ran);
    in_driver(move |device| {
        let mut config = WDF_TIMER_CONFIG {
            Size: size_in_u32::<WDF_TIMER_CONFIG>(),
            EvtTimerFunc: Some(passive),
            UseHighResolutionTimer: 1,
            ..WDF_TIMER_CONFIG::default()
        };
        let timer = timer_of(device, &mut config, true).expect("a timer");
        take_log();
        for early in 0..100 {
            start(timer, 1);
            kernel().sched.sleep(1_000_000 - early);
            // SAFETY: a timer of the test's.
            let was_set = unsafe { call_unsafe_wdf_function_binding!(WdfTimerStop, timer, 0) } != 0;
            let before = take_log().len();
            kernel().sched.sleep(5_000_000);
            let after = take_log().len();
            assert_eq!(before + after, usize::from(!was_set));
            count.fetch_add(after, std::sync::atomic::Ordering::Relaxed);
        }
    });
    let ran = ran.load(std::sync::atomic::Ordering::Relaxed);
    assert!(ran > 0, "it fires in some seed");
}

/// Its deletion would wait for the callback (`core/fxtimer.cpp`, `FxTimer::FlushAndRundown`).
#[test]
fn deleting_a_passive_timer_in_its_own_callback_is_a_violation() {
    let check = driver_breaks(|device| {
        unsafe extern "C" fn deletes_itself(timer: WDFOBJECT) {
            // SAFETY: the timer whose callback this is.
            unsafe { call_unsafe_wdf_function_binding!(WdfObjectDelete, timer) };
        }
        let timer = timer(device, Some(deletes_itself), 0, true).expect("a timer");
        start(timer, 1);
        kernel().sched.sleep(100_000_000);
    });
    assert_breaks(&check, "deleted from its own callback");
}

/// Earlier headers have the structure shorter, and a timer needs no callback
/// (`core/fxtimerapi.cpp`, `WdfTimerCreate`).
#[test]
fn a_timers_configuration_may_be_of_an_earlier_version_and_without_a_callback() {
    in_driver(|device| {
        for (size, refused) in [
            (24, None),
            (32, None),
            (40, None),
            (16, Some(STATUS_INFO_LENGTH_MISMATCH)),
            (28, Some(STATUS_INFO_LENGTH_MISMATCH)),
        ] {
            let mut config = WDF_TIMER_CONFIG {
                Size: size,
                // Of a member that a shorter structure does not have.
                UseHighResolutionTimer: 1,
                TolerableDelay: u32::from(size == 24),
                ..WDF_TIMER_CONFIG::default()
            };
            let made = timer_of(device, &mut config, false);
            assert_eq!(made.err(), refused, "{size}");
            if let Ok(timer) = made {
                start(timer, 1);
                kernel().sched.sleep(10_000_000);
                assert!(!stop(timer), "it has fired, and nothing came of it");
            }
        }
    });
}

#[test]
fn waiting_for_a_timer_at_dispatch_level_is_a_bug_check() {
    let check = driver_breaks(|device| {
        unsafe extern "C" fn slow(_timer: WDFOBJECT) {
            kernel().sched.sleep(50_000_000);
        }
        let timer = timer(device, Some(slow), 0, true).expect("a timer");
        start(timer, 1);
        kernel().sched.sleep(10_000_000);
        kernel().sched.set_irql(2);
        stop(timer);
    });
    assert_breaks(&check, "WdfTimerStop");
}

/// The framework's verifier stops a driver that waits for a timer or DPC above `PASSIVE_LEVEL`,
/// whether there is something to wait for or not (`core/fxtimer.cpp` 692, `fxdpcapi.cpp` 244).
#[test]
fn waiting_for_an_idle_timer_or_dpc_at_dispatch_level_is_a_violation() {
    let check = driver_breaks(|device| {
        let timer = timer(device, Some(called), 0, false).expect("a timer");
        kernel().sched.set_irql(2);
        stop(timer);
    });
    assert_breaks(&check, "WdfTimerStop");
    let check = driver_breaks(|device| {
        let dpc = dpc(device);
        kernel().sched.set_irql(2);
        // SAFETY: the DPC just made.
        let _ = unsafe { call_unsafe_wdf_function_binding!(WdfDpcCancel, dpc, 1) };
    });
    assert_breaks(&check, "WdfDpcCancel");
}

#[track_caller]
fn assert_breaks(check: &BugCheck, what: &str) {
    assert_eq!(check.code, StopCode::WDF_VIOLATION, "{check}");
    assert!(check.message.contains(what), "{check}");
}

fn dpc(device: WDFDEVICE) -> WDFOBJECT {
    let mut config = WDF_DPC_CONFIG {
        Size: size_in_u32::<WDF_DPC_CONFIG>(),
        EvtDpcFunc: Some(called),
        AutomaticSerialization: 0,
    };
    let mut own = attributes();
    own.ParentObject = device;
    let mut dpc = std::ptr::null_mut();
    // SAFETY: local structures.
    let status = unsafe {
        call_unsafe_wdf_function_binding!(WdfDpcCreate, &raw mut config, &raw mut own, &raw mut dpc)
    };
    assert_eq!(status, 0);
    dpc
}

/// A start is ignored while a stop waits, so a callback that starts its own timer does not bring it
/// back (`core/fxtimer.cpp` 595-607, 700-775).
#[test]
fn a_timer_that_its_callback_starts_again_is_stopped_all_the_same() {
    unsafe extern "C" fn again(timer: WDFOBJECT) {
        event("fired", timer);
        kernel().sched.sleep(3_000_000);
        start(timer, 1);
    }
    in_driver(|device| {
        let timer = timer(device, Some(again), 0, true).expect("a timer");
        take_log();
        start(timer, 1);
        while take_log().is_empty() {
            kernel().sched.sleep(100_000);
        }
        // The callback runs, and starts its timer while the stop waits.
        assert!(stop(timer), "the start that was ignored counts");
        take_log();
        kernel().sched.sleep(100_000_000);
        assert!(take_log().is_empty(), "it fires after the stop");
        assert!(!start(timer, 1), "it can be started again");
        assert!(stop(timer));
    });
}

/// A positive due time is a system time. One without its sign is long past: the timer fires at
/// once (`WdfTimerStart`'s page; one clock with `KeWaitForSingleObject`).
#[test]
fn a_positive_time_is_a_moment_long_past() {
    in_driver(|device| {
        let timer = timer(device, Some(called), 0, false).expect("a timer");
        take_log();
        let begin = kernel().sched.now();
        // An hour, with its sign forgotten.
        start(timer, -3_600_000);
        while take_log().is_empty() {
            kernel().sched.sleep(100_000);
        }
        assert!(kernel().sched.now() - begin < 5_000_000, "at once");
        let lock = wait_lock(device);
        assert_eq!(wait_for(lock, None), 0);
        release_wait(lock);
    });
}

/// `core/fxtimerapi.cpp` 118, 144, 162.
#[test]
fn a_timer_that_the_framework_does_not_make_is_refused() {
    in_driver(|device| {
        let refused = |period, passive| timer(device, Some(called), period, passive).err();
        assert_eq!(refused(10, true), Some(STATUS_NOT_SUPPORTED));
        assert_eq!(refused(0x8000_0000, false), Some(STATUS_INVALID_PARAMETER));
        assert_eq!(refused(0x7FFF_FFFF, false), None);
        let mut config = WDF_TIMER_CONFIG {
            Size: size_in_u32::<WDF_TIMER_CONFIG>(),
            EvtTimerFunc: Some(called),
            TolerableDelay: 1,
            UseHighResolutionTimer: 1,
            ..WDF_TIMER_CONFIG::default()
        };
        let made = timer_of(device, &mut config, false);
        assert_eq!(made, Err(STATUS_INVALID_PARAMETER));
    });
}

/// `core/fxtimer.cpp` 593, `core/fxworkitem.cpp` 260: both break.
#[test]
fn what_is_being_deleted_is_not_started_any_more() {
    let check = driver_breaks(|device| {
        let timer = timer(device, Some(called), 0, false).expect("a timer");
        // SAFETY: a timer of the test's, which the reference keeps.
        unsafe {
            call_unsafe_wdf_function_binding!(
                WdfObjectReferenceActual,
                timer,
                std::ptr::null_mut(),
                0,
                std::ptr::null()
            );
            call_unsafe_wdf_function_binding!(WdfObjectDelete, timer);
        }
        start(timer, 1);
    });
    assert_breaks(&check, "WdfTimerStart");
    let check = driver_breaks(|device| {
        let item = work_item(device, Some(works)).expect("a work item");
        // SAFETY: as above.
        unsafe {
            call_unsafe_wdf_function_binding!(
                WdfObjectReferenceActual,
                item,
                std::ptr::null_mut(),
                0,
                std::ptr::null()
            );
            call_unsafe_wdf_function_binding!(WdfObjectDelete, item);
        }
        enqueue(item);
    });
    assert_breaks(&check, "WdfWorkItemEnqueue");
}

/// The framework knows the run that began last alone: a callback that queues its work item again,
/// and deletes it when that run has ended, waits for itself (`core/fxworkitem.cpp`,
/// `FlushAndRundown`).
#[test]
fn a_work_item_deleted_by_a_run_that_is_not_the_last_hangs() {
    unsafe extern "C" fn twice(item: WDFOBJECT) {
        if !AGAIN.replace(true) {
            enqueue(item);
            kernel().sched.sleep(1_000_000);
            // SAFETY: a work item of the test's.
            unsafe { call_unsafe_wdf_function_binding!(WdfObjectDelete, item) };
        }
    }
    thread_local! {
        static AGAIN: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
    }
    let report = ntsim::Machine::run(ntsim::Config::default(), |system| {
        in_callback("DeviceAdd", |device| {
            let item = work_item(device, Some(twice)).expect("a work item");
            enqueue(item);
            // Both runs are over, or wait, before the device goes.
            kernel().sched.sleep(10_000_000);
        });
        crate::harness::life(system);
    });
    let ntsim::Outcome::Hung(waiting) = report.outcome else {
        panic!("{:?}", report.outcome);
    };
    assert!(
        waiting.iter().any(|line| line.contains("EvtWorkItem")),
        "{waiting:?}"
    );
}

/// Lock order tracking sees the kernel's lock that is inside a framework's.
#[test]
fn framework_locks_in_both_orders_are_found() {
    let check = driver_breaks(|device| {
        let (first, second) = (spin_lock(device), spin_lock(device));
        for (outer, inner) in [(first, second), (second, first)] {
            acquire(outer);
            acquire(inner);
            release(inner);
            release(outer);
        }
    });
    assert_eq!(check.code, StopCode::DRIVER_VERIFIER_DETECTED_VIOLATION);
    assert_eq!(check.parameters[0], 0x1001, "{check}");
}

#[test]
fn a_kernel_lock_and_a_framework_lock_in_both_orders_are_found() {
    let check = driver_breaks(|device| {
        let framework = spin_lock(device);
        let mut own: KSPIN_LOCK = 0;
        let own = &raw mut own;
        // SAFETY: a local lock.
        unsafe {
            let old = KeAcquireSpinLockRaiseToDpc(own);
            acquire(framework);
            release(framework);
            KeReleaseSpinLock(own, old);
            acquire(framework);
            let old = KeAcquireSpinLockRaiseToDpc(own);
            KeReleaseSpinLock(own, old);
        }
        release(framework);
    });
    assert_eq!(check.parameters[0], 0x1001, "{check}");
}

/// A wait under a spin lock of any kind.
#[test]
fn a_wait_under_a_spin_lock_is_found() {
    let under_own = driver_breaks(|_| {
        let mut own: KSPIN_LOCK = 0;
        let mut time = wdk_sys_lite::LARGE_INTEGER { QuadPart: -10 };
        // SAFETY: a local lock and a local time.
        unsafe {
            KeAcquireSpinLockRaiseToDpc(&raw mut own);
            let _ = wdk_sys_lite::ntddk::KeDelayExecutionThread(0, 0, &raw mut time);
        }
    });
    assert_eq!(
        under_own.code,
        StopCode::IRQL_NOT_LESS_OR_EQUAL,
        "{under_own}"
    );
    let under_framework = driver_breaks(|device| {
        let (spin, wait) = (spin_lock(device), wait_lock(device));
        acquire(spin);
        wait_for(wait, None);
    });
    assert_eq!(under_framework.code, StopCode::IRQL_NOT_LESS_OR_EQUAL);
    let flushing = driver_breaks(|device| {
        let (spin, item) = (spin_lock(device), work_item(device, Some(works)));
        acquire(spin);
        flush(item.expect("a work item"));
    });
    assert_eq!(flushing.code, StopCode::IRQL_NOT_LESS_OR_EQUAL);
}

#[test]
fn a_deferred_procedure_call_taken_back_does_not_run() {
    in_driver(|device| {
        let mut config = WDF_DPC_CONFIG {
            Size: size_in_u32::<WDF_DPC_CONFIG>(),
            EvtDpcFunc: Some(called),
            AutomaticSerialization: 0,
        };
        let mut own = attributes();
        own.ParentObject = device;
        let mut dpc = std::ptr::null_mut();
        take_log();
        // SAFETY: local structures, then the DPC just made. At DISPATCH_LEVEL this processor runs
        // no DPC.
        unsafe {
            let status = call_unsafe_wdf_function_binding!(
                WdfDpcCreate,
                &raw mut config,
                &raw mut own,
                &raw mut dpc
            );
            assert_eq!(status, 0);
            assert_eq!(
                call_unsafe_wdf_function_binding!(WdfDpcGetParentObject, dpc),
                device
            );
            let old = kernel().sched.set_irql(2);
            assert_eq!(call_unsafe_wdf_function_binding!(WdfDpcEnqueue, dpc), 1);
            assert_eq!(call_unsafe_wdf_function_binding!(WdfDpcCancel, dpc, 0), 1);
            assert_eq!(call_unsafe_wdf_function_binding!(WdfDpcCancel, dpc, 0), 0);
            kernel().sched.set_irql(old);
        }
        kernel().sched.sleep(1_000_000);
        assert!(take_log().is_empty());
    });
}
