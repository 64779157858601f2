//! The kernel's core and the executive: IRQL, spin locks, events, rundown protection, time,
//! strings, references. One rule, one test; each driver here breaks one.

use std::cell::Cell;
use std::ptr::{NonNull, null, null_mut};
use std::rc::Rc;
use std::time::Duration;

use ntsim::kernel::kernel;
use ntsim::{BugCheck, Config, Machine, Outcome, StopCode, System};
use wdk_sys_lite::ntddk::{
    DbgPrint, DbgPrintEx, ExAcquireRundownProtection, ExAllocatePool2, ExFreePool,
    ExInitializeRundownProtection, ExReInitializeRundownProtection, ExReleaseRundownProtection,
    ExRundownCompleted, ExWaitForRundownProtectionRelease, KeAcquireSpinLockAtDpcLevel,
    KeAcquireSpinLockRaiseToDpc, KeBugCheckEx, KeClearEvent, KeDelayExecutionThread,
    KeGetCurrentIrql, KeGetCurrentProcessorNumberEx, KeInitializeEvent, KeInitializeSpinLock,
    KeLowerIrql, KeQueryActiveProcessorCountEx, KeQueryInterruptTime, KeQueryPerformanceCounter,
    KeReleaseSpinLock, KeReleaseSpinLockFromDpcLevel, KeResetEvent, KeSetEvent,
    KeWaitForSingleObject, KfRaiseIrql, MmGetSystemRoutineAddress, ObfDereferenceObject,
    ObfReferenceObject, RtlCompareMemory, RtlCopyUnicodeString, RtlGetVersion,
    RtlInitUnicodeString, ZwClose,
};
use wdk_sys_lite::{
    _EVENT_TYPE, _KEVENT, _KWAIT_REASON, EVENT_TYPE, EX_RUNDOWN_REF, LARGE_INTEGER, NTSTATUS,
    POOL_FLAG_NON_PAGED, POOL_FLAG_PAGED, STATUS_INVALID_HANDLE, STATUS_SUCCESS, STATUS_TIMEOUT,
    UNICODE_STRING,
};

const TAG: u32 = u32::from_ne_bytes(*b"Test");
const PASSIVE_LEVEL: u8 = 0;
const DISPATCH_LEVEL: u8 = 2;
const SYNCHRONIZATION: EVENT_TYPE = _EVENT_TYPE::SynchronizationEvent;
const NOTIFICATION: EVENT_TYPE = _EVENT_TYPE::NotificationEvent;

fn unverified() -> Config {
    Config {
        verifier: false,
        ..Config::default()
    }
}

/// Runs a driver with the verifier.
fn run<R: Send + 'static>(driver: impl FnOnce() -> R + Send + 'static) -> R {
    Machine::run(Config::default(), |system: &System| {
        system.as_driver("driver", driver)
    })
    .expect_finished()
}

/// The bug check of a driver that breaks a rule, with the verifier.
fn broken(driver: impl FnOnce() + Send + 'static) -> BugCheck {
    Machine::run(Config::default(), |system: &System| {
        system.as_driver("driver", driver);
    })
    .expect_bug_check()
}

/// The bug check of a driver that breaks a rule, without the verifier.
fn broken_unverified(driver: impl FnOnce() + Send + 'static) -> BugCheck {
    Machine::run(unverified(), |system: &System| {
        system.as_driver("driver", driver);
    })
    .expect_bug_check()
}

fn assert_verifier(check: &BugCheck, code: u64) {
    assert_eq!(
        (check.code, check.parameters[0]),
        (StopCode::DRIVER_VERIFIER_DETECTED_VIOLATION, code),
        "{check}"
    );
}

/// A structure in nonpaged pool, zeroed.
struct Pool<T>(NonNull<T>);

impl<T> Clone for Pool<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Pool<T> {}

impl<T> Pool<T> {
    fn new() -> Self {
        Self::with(POOL_FLAG_NON_PAGED)
    }

    fn with(flags: u64) -> Self {
        // SAFETY: no precondition at these IRQLs.
        let block = unsafe { ExAllocatePool2(flags, size_of::<T>() as u64, TAG) };
        Self(NonNull::new(block.cast()).expect("memory"))
    }

    fn get(self) -> *mut T {
        self.0.as_ptr()
    }

    fn free(self) {
        // SAFETY: a block of its own.
        unsafe { ExFreePool(self.0.as_ptr().cast()) };
    }
}

fn irql() -> u8 {
    // SAFETY: no precondition.
    unsafe { KeGetCurrentIrql() }
}

fn raise(to: u8) -> u8 {
    // SAFETY: what is wrong with it is what a test is about.
    unsafe { KfRaiseIrql(to) }
}

fn lower(to: u8) {
    // SAFETY: as in `raise`.
    unsafe { KeLowerIrql(to) };
}

// ---- IRQL ----

#[test]
fn the_irql_is_raised_and_lowered() {
    run(|| {
        assert_eq!(irql(), PASSIVE_LEVEL);
        assert_eq!(raise(DISPATCH_LEVEL), PASSIVE_LEVEL);
        assert_eq!(raise(DISPATCH_LEVEL), DISPATCH_LEVEL);
        assert_eq!(irql(), DISPATCH_LEVEL);
        lower(PASSIVE_LEVEL);
        assert_eq!(irql(), PASSIVE_LEVEL);
    });
}

#[test]
fn raising_to_a_lower_irql_is_a_bug_check() {
    let wrong = || {
        raise(DISPATCH_LEVEL);
        raise(PASSIVE_LEVEL);
    };
    assert_verifier(&broken(wrong), 0x30);
    assert_eq!(
        broken_unverified(wrong).code,
        StopCode::IRQL_NOT_GREATER_OR_EQUAL
    );
    assert_verifier(
        &broken(|| {
            raise(16);
        }),
        0x30,
    );
}

#[test]
fn lowering_to_a_higher_irql_is_a_bug_check() {
    assert_verifier(&broken(|| lower(DISPATCH_LEVEL)), 0x31);
    assert_eq!(
        broken_unverified(|| lower(DISPATCH_LEVEL)).code,
        StopCode::IRQL_NOT_LESS_OR_EQUAL
    );
}

#[test]
fn a_dpc_that_lowers_its_irql_is_a_finding() {
    let report = Machine::run(Config::default(), |system: &System| {
        let driver = system.code_driver();
        kernel().sched.queue_dpc(None, "dpc", move || {
            driver.call("dpc", || lower(PASSIVE_LEVEL));
        });
        system.sleep(Duration::from_millis(1));
    });
    let check = report.expect_bug_check();
    assert_verifier(&check, 0x31);
    assert_eq!(check.parameters[3], 1);
}

#[test]
fn a_function_of_passive_level_at_dispatch_level_is_a_bug_check() {
    let check = broken(|| {
        raise(DISPATCH_LEVEL);
        // SAFETY: what the test is about.
        unsafe {
            let _ = ZwClose(null_mut());
        }
    });
    assert_eq!(check.code, StopCode::IRQL_NOT_LESS_OR_EQUAL);
    assert!(check.message.contains("ZwClose"), "{check}");
}

// ---- spin locks ----

#[derive(Clone, Copy)]
struct Lock(Pool<u64>);

impl Lock {
    fn new() -> Self {
        let lock = Pool::new();
        // SAFETY: a word in pool.
        unsafe { KeInitializeSpinLock(lock.get()) };
        Self(lock)
    }

    fn acquire(self) -> u8 {
        // SAFETY: a lock; what is wrong with a call is what its test is about.
        unsafe { KeAcquireSpinLockRaiseToDpc(self.0.get()) }
    }

    fn release(self, irql: u8) {
        // SAFETY: as in `acquire`.
        unsafe { KeReleaseSpinLock(self.0.get(), irql) };
    }

    fn acquire_at_dpc(self) {
        // SAFETY: as in `acquire`.
        unsafe { KeAcquireSpinLockAtDpcLevel(self.0.get()) };
    }

    fn release_at_dpc(self) {
        // SAFETY: as in `acquire`.
        unsafe { KeReleaseSpinLockFromDpcLevel(self.0.get()) };
    }
}

#[test]
fn a_spin_lock_raises_the_irql_and_restores_it() {
    run(|| {
        let lock = Lock::new();
        let old = lock.acquire();
        assert_eq!((old, irql()), (PASSIVE_LEVEL, DISPATCH_LEVEL));
        lock.release(old);
        assert_eq!(irql(), PASSIVE_LEVEL);
        raise(DISPATCH_LEVEL);
        lock.acquire_at_dpc();
        lock.release_at_dpc();
        lower(PASSIVE_LEVEL);
        lock.0.free();
    });
}

#[test]
fn a_spin_lock_keeps_others_out() {
    for seed in 0..30 {
        let report = Machine::run(Config::with_seed(seed), |system: &System| {
            let driver = system.code_driver();
            let lock = driver.call("create", Lock::new);
            let inside = Rc::new(Cell::new(0_u32));
            let total = Rc::new(Cell::new(0_u32));
            let threads: Vec<_> = (0..3)
                .map(|_| {
                    let (inside, total) = (Rc::clone(&inside), Rc::clone(&total));
                    system.spawn("thread", move |_| {
                        driver.call("thread", || {
                            for _ in 0..10 {
                                let old = lock.acquire();
                                inside.set(inside.get() + 1);
                                assert_eq!(inside.get(), 1);
                                kernel().sched.point();
                                inside.set(inside.get() - 1);
                                total.set(total.get() + 1);
                                lock.release(old);
                            }
                        });
                    })
                })
                .collect();
            threads.into_iter().for_each(ntsim::machine::Thread::join);
            driver.call("free", || lock.0.free());
            driver.unload();
            total.get()
        });
        assert_eq!(report.expect_finished(), 30);
    }
}

#[test]
fn acquiring_a_held_spin_lock_again_is_a_bug_check() {
    let check = broken_unverified(|| {
        let lock = Lock::new();
        lock.acquire();
        lock.acquire();
    });
    assert_eq!(check.code, StopCode::SPIN_LOCK_ALREADY_OWNED);
}

#[test]
fn releasing_a_spin_lock_that_is_not_held_is_a_bug_check() {
    let check = broken_unverified(|| {
        let lock = Lock::new();
        raise(DISPATCH_LEVEL);
        lock.release(PASSIVE_LEVEL);
    });
    assert_eq!(check.code, StopCode::SPIN_LOCK_NOT_OWNED);
}

#[test]
fn releasing_somebody_elses_spin_lock_is_a_bug_check() {
    let report = Machine::run(Config::default(), |system: &System| {
        let driver = system.code_driver();
        let lock = driver.call("create", Lock::new);
        let holder = system.spawn("holder", move |system| {
            driver.call("holder", || {
                let old = lock.acquire();
                for _ in 0..100 {
                    kernel().sched.point();
                }
                lock.release(old);
            });
            system.sleep(Duration::from_secs(1));
        });
        driver.call("thief", || {
            raise(DISPATCH_LEVEL);
            // SAFETY: the lock's memory.
            while unsafe { lock.0.get().read_volatile() } == 0 {
                kernel().sched.point();
            }
            lock.release_at_dpc();
        });
        holder.join();
    });
    let check = report.expect_bug_check();
    assert_eq!(check.code, StopCode::SPIN_LOCK_NOT_OWNED);
    assert!(check.message.contains("another context"), "{check}");
}

#[test]
fn a_spin_lock_that_was_never_initialised_is_a_bug_check() {
    let check = broken_unverified(|| {
        let lock = Lock(Pool::new());
        // SAFETY: a word in pool.
        unsafe { lock.0.get().write(0xCDCD_CDCD) };
        lock.acquire();
    });
    assert_eq!(check.code, StopCode::NTSIM_INVALID_OBJECT);
}

#[test]
fn a_freed_spin_lock_is_a_bug_check() {
    let check = broken(|| {
        let lock = Lock::new();
        lock.0.free();
        lock.acquire();
    });
    assert_eq!(
        check.code,
        StopCode::DRIVER_PAGE_FAULT_IN_FREED_SPECIAL_POOL
    );
}

#[test]
fn a_spin_lock_in_paged_pool_is_a_bug_check() {
    let check = broken(|| {
        Lock(Pool::with(POOL_FLAG_PAGED)).acquire();
    });
    assert_eq!(check.code, StopCode::DRIVER_IRQL_NOT_LESS_OR_EQUAL);
}

#[test]
fn freeing_a_held_spin_lock_is_a_finding() {
    let check = broken(|| {
        let lock = Lock::new();
        lock.acquire();
        lock.0.free();
    });
    assert_verifier(&check, 0x100B);
}

#[test]
fn initialising_a_held_spin_lock_is_a_finding() {
    let check = broken(|| {
        let lock = Lock::new();
        lock.acquire();
        // SAFETY: what the test is about.
        unsafe { KeInitializeSpinLock(lock.0.get()) };
    });
    assert_verifier(&check, 0x1005);
}

#[test]
fn spin_lock_functions_at_the_wrong_irql_are_findings() {
    let cases: [(u64, fn()); 4] = [
        (0x42, || {
            let lock = Lock::new();
            raise(5);
            lock.acquire();
        }),
        (0x32, || {
            let lock = Lock::new();
            lock.acquire();
            raise(5);
            lock.release(PASSIVE_LEVEL);
        }),
        (0x40, || Lock::new().acquire_at_dpc()),
        (0x41, || {
            let lock = Lock::new();
            lock.release_at_dpc();
        }),
    ];
    for (code, wrong) in cases {
        assert_verifier(&broken(wrong), code);
    }
}

#[test]
fn lowering_the_irql_with_a_spin_lock_held_is_a_finding() {
    let check = broken(|| {
        let old = Lock::new().acquire();
        lower(old);
    });
    assert_verifier(&check, ntsim::mm::finding::LOWERED_WITH_SPIN_LOCK);
}

#[test]
fn returning_with_a_spin_lock_held_is_a_finding() {
    let check = broken(|| {
        Lock::new().acquire();
    });
    assert_verifier(&check, 0x32);
}

#[test]
fn two_orders_of_two_spin_locks_are_a_finding_even_without_a_deadlock() {
    let check = broken(|| {
        let (one, other) = (Lock::new(), Lock::new());
        let in_order = |first: Lock, second: Lock| {
            let old = first.acquire();
            second.acquire_at_dpc();
            second.release_at_dpc();
            first.release(old);
        };
        in_order(one, other);
        in_order(one, other);
        in_order(other, one);
    });
    assert_verifier(&check, 0x1001);
}

#[test]
fn an_order_over_three_spin_locks_is_followed() {
    let check = broken(|| {
        let locks = [Lock::new(), Lock::new(), Lock::new()];
        for (first, second) in [(0, 1), (1, 2), (2, 0)] {
            let old = locks[first].acquire();
            locks[second].acquire_at_dpc();
            locks[second].release_at_dpc();
            locks[first].release(old);
        }
    });
    assert_verifier(&check, 0x1001);
}

#[test]
fn the_order_of_spin_locks_ends_with_their_memory() {
    run(|| {
        for _ in 0..3 {
            let (one, other) = (Lock::new(), Lock::new());
            let old = one.acquire();
            other.acquire_at_dpc();
            other.release_at_dpc();
            one.release(old);
            // The same two words, initialised as new locks, may be taken the other way round.
            // SAFETY: two words in pool.
            unsafe {
                KeInitializeSpinLock(one.0.get());
                KeInitializeSpinLock(other.0.get());
            }
            let old = other.acquire();
            one.acquire_at_dpc();
            one.release_at_dpc();
            other.release(old);
            one.0.free();
            other.0.free();
        }
    });
}

#[test]
fn a_deadlock_of_two_processors_is_reported_as_a_hang() {
    let hangs = (0..50).any(|seed| {
        let config = Config {
            seed,
            ..unverified()
        };
        let report = Machine::run(config, |system: &System| {
            let driver = system.code_driver();
            let locks = driver.call("create", || [Lock::new(), Lock::new()]);
            let threads: Vec<_> = [(0, 1), (1, 0)]
                .into_iter()
                .map(|(first, second)| {
                    system.spawn("thread", move |_| {
                        driver.call("thread", || {
                            let old = locks[first].acquire();
                            for _ in 0..5 {
                                kernel().sched.point();
                            }
                            locks[second].acquire_at_dpc();
                            locks[second].release_at_dpc();
                            locks[first].release(old);
                        });
                    })
                })
                .collect();
            threads.into_iter().for_each(ntsim::machine::Thread::join);
        });
        match report.outcome {
            Outcome::Hung(waiting) => {
                assert!(
                    waiting
                        .iter()
                        .any(|context| context.contains("KeAcquireSpinLockAtDpcLevel")),
                    "{waiting:?}"
                );
                true
            }
            _ => false,
        }
    });
    assert!(hangs, "no seed of fifty deadlocks");
}

// ---- events ----

#[derive(Clone, Copy)]
struct Event(Pool<_KEVENT>);

impl Event {
    fn new(kind: EVENT_TYPE, signalled: bool) -> Self {
        let event = Pool::new();
        // SAFETY: pool of the structure's size.
        unsafe { KeInitializeEvent(event.get(), kind, u8::from(signalled)) };
        Self(event)
    }

    fn set(self) -> i32 {
        // SAFETY: an event; what is wrong with a call is what its test is about.
        unsafe { KeSetEvent(self.0.get(), 0, 0) }
    }

    fn wait(self) -> NTSTATUS {
        // SAFETY: as in `set`.
        unsafe {
            KeWaitForSingleObject(
                self.0.get().cast(),
                _KWAIT_REASON::Executive,
                0,
                0,
                null_mut(),
            )
        }
    }

    /// Waits at most so many units of 100 ns.
    fn wait_for(self, units: i64) -> NTSTATUS {
        let mut timeout = LARGE_INTEGER { QuadPart: -units };
        // SAFETY: as in `set`.
        unsafe {
            KeWaitForSingleObject(
                self.0.get().cast(),
                _KWAIT_REASON::Executive,
                0,
                0,
                &raw mut timeout,
            )
        }
    }

    fn reset(self) -> i32 {
        // SAFETY: as in `set`.
        unsafe { KeResetEvent(self.0.get()) }
    }
}

#[test]
fn a_notification_event_stays_signalled_and_a_synchronization_event_does_not() {
    run(|| {
        let stays = Event::new(NOTIFICATION, true);
        assert_eq!(
            (stays.wait(), stays.wait()),
            (STATUS_SUCCESS, STATUS_SUCCESS)
        );
        assert_eq!((stays.reset(), stays.wait_for(0)), (1, STATUS_TIMEOUT));
        let resets = Event::new(SYNCHRONIZATION, false);
        assert_eq!((resets.set(), resets.set()), (0, 1));
        assert_eq!(
            (resets.wait(), resets.wait_for(0)),
            (STATUS_SUCCESS, STATUS_TIMEOUT)
        );
        resets.set();
        // SAFETY: an event of the test's own.
        unsafe { KeClearEvent(resets.0.get()) };
        assert_eq!(resets.wait_for(0), STATUS_TIMEOUT);
        stays.0.free();
        resets.0.free();
    });
}

#[test]
fn a_synchronization_event_lets_one_waiter_go_for_each_signal() {
    for seed in 0..20 {
        let report = Machine::run(Config::with_seed(seed), |system: &System| {
            let driver = system.code_driver();
            let event = driver.call("create", || Event::new(SYNCHRONIZATION, false));
            let gone = Rc::new(Cell::new(0));
            let waiters: Vec<_> = (0..4)
                .map(|_| {
                    let gone = Rc::clone(&gone);
                    system.spawn("waiter", move |_| {
                        driver.call("waiter", || assert_eq!(event.wait(), STATUS_SUCCESS));
                        gone.set(gone.get() + 1);
                    })
                })
                .collect();
            for signals in 1..=4 {
                system.sleep(Duration::from_millis(1));
                driver.call("set", || event.set());
                system.sleep(Duration::from_millis(1));
                assert_eq!(gone.get(), signals);
            }
            waiters.into_iter().for_each(ntsim::machine::Thread::join);
            driver.call("free", || event.0.free());
            driver.unload();
        });
        report.expect_finished();
    }
}

#[test]
fn a_wait_ends_with_its_timeout() {
    run(|| {
        let event = Event::new(NOTIFICATION, false);
        // SAFETY: no precondition.
        let start = unsafe { KeQueryInterruptTime() };
        assert_eq!(event.wait_for(50_000), STATUS_TIMEOUT);
        // SAFETY: no precondition.
        let passed = unsafe { KeQueryInterruptTime() } - start;
        assert!(
            (50_000..51_000).contains(&passed),
            "{passed} units of 100 ns"
        );
        // The system time 0 passed long ago.
        let mut timeout = LARGE_INTEGER { QuadPart: 1 };
        // SAFETY: an event of the test's own.
        let status = unsafe {
            KeWaitForSingleObject(
                event.0.get().cast(),
                _KWAIT_REASON::Executive,
                0,
                0,
                &raw mut timeout,
            )
        };
        assert_eq!(status, STATUS_TIMEOUT);
        event.0.free();
    });
}

#[test]
fn a_wait_that_nobody_ends_is_a_hang_that_names_the_function() {
    let report = Machine::run(Config::default(), |system: &System| {
        system.as_driver("driver", || {
            let _ = Event::new(NOTIFICATION, false).wait();
        });
    });
    match report.outcome {
        Outcome::Hung(waiting) => {
            assert!(waiting[0].contains("KeWaitForSingleObject"), "{waiting:?}");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn waiting_at_dispatch_level_is_a_bug_check_even_for_a_signalled_event() {
    let wait = || {
        let event = Event::new(NOTIFICATION, true);
        raise(DISPATCH_LEVEL);
        let _ = event.wait();
    };
    assert_verifier(&broken(wait), 0x121);
    assert_eq!(
        broken_unverified(wait).code,
        StopCode::IRQL_NOT_LESS_OR_EQUAL
    );
    let check = broken(|| {
        let event = Event::new(NOTIFICATION, true);
        raise(DISPATCH_LEVEL);
        let _ = event.wait_for(100);
    });
    assert_verifier(&check, 0x122);
}

#[test]
fn looking_at_an_event_at_dispatch_level_is_allowed() {
    run(|| {
        let event = Event::new(NOTIFICATION, true);
        raise(DISPATCH_LEVEL);
        assert_eq!(event.wait_for(0), STATUS_SUCCESS);
        event.reset();
        assert_eq!(event.wait_for(0), STATUS_TIMEOUT);
        lower(PASSIVE_LEVEL);
        event.0.free();
    });
}

#[test]
fn setting_an_event_before_a_wait_at_dispatch_level_is_a_finding() {
    let check = broken(|| {
        let event = Event::new(NOTIFICATION, false);
        raise(DISPATCH_LEVEL);
        // SAFETY: what the test is about.
        unsafe { KeSetEvent(event.0.get(), 0, 1) };
    });
    assert_verifier(&check, 0x80);
}

#[test]
fn an_event_that_was_never_initialised_is_a_bug_check() {
    let check = broken_unverified(|| {
        Event(Pool::new()).set();
    });
    assert_eq!(check.code, StopCode::NTSIM_INVALID_OBJECT);
    let check = broken_unverified(|| {
        let event = Pool::<_KEVENT>::new();
        // SAFETY: what the test is about.
        unsafe { KeInitializeEvent(event.get(), 7, 0) };
    });
    assert_eq!(check.code, StopCode::NTSIM_INVALID_OBJECT);
}

#[test]
fn an_event_that_was_moved_is_a_bug_check() {
    let check = broken_unverified(|| {
        let event = Event::new(NOTIFICATION, false);
        let other = Event(Pool::new());
        // SAFETY: two blocks of the structure's size.
        unsafe { other.0.get().copy_from_nonoverlapping(event.0.get(), 1) };
        other.set();
    });
    assert_eq!(check.code, StopCode::NTSIM_INVALID_OBJECT);
    assert!(check.message.contains("moved"), "{check}");
}

#[test]
fn an_event_whose_wait_list_is_overwritten_is_a_bug_check() {
    for both in [false, true] {
        let check = broken_unverified(move || {
            let event = Event::new(NOTIFICATION, false);
            // SAFETY: an event of the test's own.
            unsafe {
                let list = &raw mut (*event.0.get()).Header.WaitListHead;
                (*list).Flink = null_mut();
                if both {
                    (*list).Blink = null_mut();
                }
            }
            event.set();
        });
        assert_eq!(check.code, StopCode::NTSIM_INVALID_OBJECT);
    }
}

#[test]
fn an_event_in_paged_pool_is_a_finding() {
    let check = broken(|| {
        let event = Pool::<_KEVENT>::with(POOL_FLAG_PAGED);
        // SAFETY: what the test is about.
        unsafe { KeInitializeEvent(event.get(), NOTIFICATION, 0) };
    });
    assert_verifier(&check, 0xE1);
}

/// Does something to an event for which somebody waits.
fn with_waiter(config: Config, action: fn(Event)) -> BugCheck {
    let report = Machine::run(config, move |system: &System| {
        let driver = system.code_driver();
        let event = driver.call("create", || Event::new(NOTIFICATION, false));
        system.spawn("waiter", move |_| {
            driver.call("waiter", || {
                let _ = event.wait();
            });
        });
        system.sleep(Duration::from_millis(1));
        driver.call("action", || action(event));
    });
    report.expect_bug_check()
}

#[test]
fn freeing_an_event_for_which_somebody_waits_is_a_finding() {
    let check = with_waiter(Config::default(), |event| event.0.free());
    assert_verifier(&check, ntsim::mm::finding::FREED_OBJECT_IN_USE);
}

#[test]
fn initialising_an_event_for_which_somebody_waits_is_a_bug_check() {
    let check = with_waiter(unverified(), |event| {
        // SAFETY: what the test is about.
        unsafe { KeInitializeEvent(event.0.get(), NOTIFICATION, 0) };
    });
    assert_eq!(check.code, StopCode::NTSIM_INVALID_OBJECT);
}

#[test]
fn a_thread_can_be_delayed() {
    run(|| {
        let mut interval = LARGE_INTEGER { QuadPart: -10_000 };
        // SAFETY: no precondition.
        let start = unsafe { KeQueryInterruptTime() };
        assert_eq!(
            // SAFETY: an interval of the test's own.
            unsafe { KeDelayExecutionThread(0, 0, &raw mut interval) },
            STATUS_SUCCESS
        );
        // SAFETY: no precondition.
        assert!(unsafe { KeQueryInterruptTime() } - start >= 10_000);
    });
}

#[test]
fn delaying_at_dispatch_level_is_a_bug_check() {
    let delay = || {
        raise(DISPATCH_LEVEL);
        let mut interval = LARGE_INTEGER { QuadPart: -10_000 };
        // SAFETY: what the test is about.
        let _ = unsafe { KeDelayExecutionThread(0, 0, &raw mut interval) };
    };
    assert_eq!(broken(delay).code, StopCode::IRQL_NOT_LESS_OR_EQUAL);
    assert_eq!(
        broken_unverified(delay).code,
        StopCode::IRQL_NOT_LESS_OR_EQUAL
    );
}

// ---- rundown protection ----

#[derive(Clone, Copy)]
struct Rundown(Pool<EX_RUNDOWN_REF>);

impl Rundown {
    fn new() -> Self {
        let reference = Pool::new();
        // SAFETY: pool of the structure's size.
        unsafe { ExInitializeRundownProtection(reference.get()) };
        Self(reference)
    }

    fn acquire(self) -> bool {
        // SAFETY: a reference; what is wrong with a call is what its test is about.
        unsafe { ExAcquireRundownProtection(self.0.get()) != 0 }
    }

    fn release(self) {
        // SAFETY: as in `acquire`.
        unsafe { ExReleaseRundownProtection(self.0.get()) };
    }

    fn wait(self) {
        // SAFETY: as in `acquire`.
        unsafe { ExWaitForRundownProtectionRelease(self.0.get()) };
    }
}

#[test]
fn after_a_rundown_nobody_gets_protection_until_it_is_initialised_again() {
    run(|| {
        let reference = Rundown::new();
        assert!(reference.acquire());
        reference.release();
        reference.wait();
        assert!(!reference.acquire());
        // SAFETY: a reference that has run down.
        unsafe {
            ExRundownCompleted(reference.0.get());
            reference.wait();
            reference.wait();
            assert!(!reference.acquire());
            ExReInitializeRundownProtection(reference.0.get());
        }
        assert!(reference.acquire());
        reference.release();
        reference.0.free();
    });
}

/// `wdm.h`'s page of `ExRundownCompleted`: after that call further waits return at once. Before it
/// nothing promises that where the first wait had to wait.
#[test]
fn a_rundown_is_waited_for_once_until_it_is_said_to_have_completed() {
    let stopped = broken_unverified(|| {
        let reference = Rundown::new();
        reference.wait();
        reference.wait();
    });
    assert_eq!(stopped.code, StopCode::NTSIM_RUNDOWN_WAITED_TWICE);
    assert!(stopped.message.contains("ExRundownCompleted"));
    run(|| {
        let reference = Rundown::new();
        reference.wait();
        // SAFETY: a reference that has run down.
        unsafe { ExReInitializeRundownProtection(reference.0.get()) };
        reference.wait();
        reference.0.free();
    });
}

#[test]
fn a_rundown_waits_for_everybody_who_holds_protection() {
    for seed in 0..20 {
        let report = Machine::run(Config::with_seed(seed), |system: &System| {
            let driver = system.code_driver();
            let reference = driver.call("create", Rundown::new);
            let inside = Rc::new(Cell::new(0));
            let threads: Vec<_> = (0..3)
                .map(|_| {
                    let inside = Rc::clone(&inside);
                    system.spawn("user", move |_| {
                        driver.call("user", || {
                            while reference.acquire() {
                                inside.set(inside.get() + 1);
                                kernel().sched.point();
                                inside.set(inside.get() - 1);
                                reference.release();
                            }
                        });
                    })
                })
                .collect();
            system.sleep(Duration::from_micros(20));
            driver.call("owner", || reference.wait());
            assert_eq!(inside.get(), 0);
            threads.into_iter().for_each(ntsim::machine::Thread::join);
            driver.call("free", || reference.0.free());
            driver.unload();
        });
        report.expect_finished();
    }
}

#[test]
fn releasing_protection_once_too_often_is_a_bug_check() {
    let check = broken_unverified(|| Rundown::new().release());
    assert_eq!(check.code, StopCode::REFERENCE_BY_POINTER);
}

#[test]
fn rundown_protection_that_was_never_initialised_or_was_moved_is_a_bug_check() {
    let check = broken_unverified(|| {
        Rundown(Pool::new()).acquire();
    });
    assert_eq!(check.code, StopCode::NTSIM_INVALID_OBJECT);
    let check = broken_unverified(|| {
        let reference = Rundown::new();
        reference.acquire();
        // SAFETY: a word in pool.
        unsafe { reference.0.get().write_bytes(0, 1) };
        reference.acquire();
    });
    assert!(check.message.contains("overwritten"), "{check}");
}

#[test]
fn initialising_protection_again_without_a_rundown_is_a_bug_check() {
    // SAFETY: what the test is about.
    let check =
        broken_unverified(|| unsafe { ExReInitializeRundownProtection(Rundown::new().0.get()) });
    assert_eq!(check.code, StopCode::NTSIM_INVALID_OBJECT);
    // SAFETY: what the test is about.
    let check = broken_unverified(|| unsafe { ExRundownCompleted(Rundown::new().0.get()) });
    assert_eq!(check.code, StopCode::NTSIM_INVALID_OBJECT);
}

#[test]
fn freeing_a_protected_object_is_a_finding() {
    let check = broken(|| {
        let reference = Rundown::new();
        reference.acquire();
        reference.0.free();
    });
    assert_verifier(&check, ntsim::mm::finding::FREED_OBJECT_IN_USE);
}

#[test]
fn waiting_for_a_rundown_at_dispatch_level_is_a_bug_check() {
    let check = broken(|| {
        let reference = Rundown::new();
        raise(DISPATCH_LEVEL);
        reference.wait();
    });
    assert_eq!(check.code, StopCode::IRQL_NOT_LESS_OR_EQUAL);
}

// ---- time, processors ----

#[test]
fn the_performance_counter_and_the_interrupt_time_agree() {
    run(|| {
        let mut frequency = LARGE_INTEGER { QuadPart: 0 };
        // SAFETY: no precondition; a place of the test's own.
        unsafe {
            let counter = KeQueryPerformanceCounter(&raw mut frequency).QuadPart;
            assert_eq!(frequency.QuadPart, 10_000_000);
            assert!(KeQueryInterruptTime() >= counter.cast_unsigned());
            let _ = KeQueryPerformanceCounter(null_mut());
        }
    });
}

#[test]
fn processors_are_counted_and_numbered() {
    run(|| {
        // SAFETY: no precondition; a place of the test's own.
        unsafe {
            assert_eq!(KeQueryActiveProcessorCountEx(0), 2);
            assert_eq!(KeQueryActiveProcessorCountEx(0xFFFF), 2);
            assert_eq!(KeQueryActiveProcessorCountEx(1), 0);
            raise(DISPATCH_LEVEL);
            let mut place = std::mem::zeroed();
            let number = KeGetCurrentProcessorNumberEx(&raw mut place);
            assert!(number < 2);
            assert_eq!((place.Group, u32::from(place.Number)), (0, number));
            lower(PASSIVE_LEVEL);
        }
    });
}

// ---- strings, output, versions, names ----

fn wide(text: &str) -> Vec<u16> {
    text.encode_utf16().chain([0]).collect()
}

const EMPTY: UNICODE_STRING = UNICODE_STRING {
    Length: 0,
    MaximumLength: 0,
    Buffer: null_mut(),
};

#[test]
fn counted_strings_are_made_and_copied() {
    run(|| {
        let text = wide("vmbus");
        let mut source = EMPTY;
        // SAFETY: strings of the test's own, with buffers as long as they say.
        unsafe {
            RtlInitUnicodeString(&raw mut source, text.as_ptr());
            assert_eq!((source.Length, source.MaximumLength), (10, 12));
            let mut buffer = [0xFFFF_u16; 4];
            let mut short = UNICODE_STRING {
                Length: 0,
                MaximumLength: 6,
                Buffer: buffer.as_mut_ptr(),
            };
            RtlCopyUnicodeString(&raw mut short, &raw const source);
            assert_eq!(
                (short.Length, buffer),
                (6, [b'v'.into(), b'm'.into(), b'b'.into(), 0xFFFF])
            );
            let mut buffer = [0xFFFF_u16; 6];
            let mut long = UNICODE_STRING {
                Length: 0,
                MaximumLength: 12,
                Buffer: buffer.as_mut_ptr(),
            };
            RtlCopyUnicodeString(&raw mut long, &raw const source);
            assert_eq!((long.Length, buffer[5]), (10, 0));
            RtlCopyUnicodeString(&raw mut long, null());
            assert_eq!(long.Length, 0);
            RtlInitUnicodeString(&raw mut source, null());
            assert_eq!((source.Length, source.MaximumLength), (0, 0));
        }
    });
}

#[test]
fn memory_is_compared_up_to_the_first_difference() {
    run(|| {
        let (one, other) = ([1_u8, 2, 3, 4], [1_u8, 2, 9, 4]);
        // SAFETY: four bytes each.
        unsafe {
            assert_eq!(
                RtlCompareMemory(one.as_ptr().cast(), other.as_ptr().cast(), 4),
                2
            );
            assert_eq!(
                RtlCompareMemory(one.as_ptr().cast(), one.as_ptr().cast(), 4),
                4
            );
        }
    });
}

#[test]
fn debug_output_is_kept() {
    let report = Machine::run(Config::default(), |system: &System| {
        system.as_driver("driver", || {
            // SAFETY: strings that end in a zero, with arguments as the formats need them.
            unsafe {
                let _ = DbgPrint(c"loaded\n".as_ptr());
                let _ = DbgPrintEx(77, 0, c"at %d".as_ptr(), 5);
                let _ = DbgPrint(c"%s".as_ptr(), c"100 %s\n".as_ptr());
                let _ = DbgPrintEx(77, 0, c"%s".as_ptr(), c"open".as_ptr());
            }
        });
        system.debug_output()
    });
    assert_eq!(report.debug_output, ["loaded", "at %d", "100 %s", "open"]);
    assert_eq!(report.debug_output.clone(), report.expect_finished());
}

#[test]
fn the_version_is_a_server_2022s() {
    run(|| {
        // SAFETY: an all-zero structure is a valid one, and a place of the test's own.
        let version = unsafe {
            let mut version: wdk_sys_lite::_OSVERSIONINFOW = std::mem::zeroed();
            assert_eq!(RtlGetVersion(&raw mut version), STATUS_SUCCESS);
            (
                version.dwMajorVersion,
                version.dwMinorVersion,
                version.dwBuildNumber,
            )
        };
        assert_eq!(version, ntsim::ke::version());
    });
}

#[test]
fn functions_are_found_by_name() {
    run(|| {
        let find = |name: &str| {
            let mut text = wide(name);
            let mut string = EMPTY;
            // SAFETY: a string of the test's own.
            unsafe {
                RtlInitUnicodeString(&raw mut string, text.as_mut_ptr());
                MmGetSystemRoutineAddress(&raw mut string)
            }
        };
        assert_eq!(
            find("KeGetCurrentIrql"),
            (KeGetCurrentIrql as *const ()).cast_mut().cast()
        );
        assert!(find("ExAllocatePool3").is_null());
    });
}

#[test]
fn a_driver_can_stop_the_machine() {
    // SAFETY: no precondition.
    let check = broken(|| unsafe { KeBugCheckEx(0xDEAD, 1, 2, 3, 4) });
    assert_eq!(
        (check.code, check.parameters),
        (StopCode(0xDEAD), [1, 2, 3, 4])
    );
}

// ---- references and handles ----

const OBJECT: usize = 0xFFFF_1000;

/// Counts a registered object's references up and down.
fn reference() -> i64 {
    // SAFETY: the object is known by its address only; what is wrong with a call is what its test
    // is about.
    unsafe { ObfReferenceObject(null_mut::<u8>().wrapping_add(OBJECT).cast()) }
}

fn dereference() -> i64 {
    // SAFETY: as in `reference`.
    unsafe { ObfDereferenceObject(null_mut::<u8>().wrapping_add(OBJECT).cast()) }
}

#[test]
fn a_reference_that_is_not_given_back_is_a_leak() {
    let report = Machine::run(unverified(), |system: &System| {
        kernel().ke.objects.register(OBJECT, "device object", || ());
        let driver = system.code_driver();
        driver.call("driver", || {
            assert_eq!((reference(), reference(), dereference()), (2, 3, 2));
        });
        driver.unload()
    });
    let leaks = report.expect_finished();
    assert_eq!(
        (leaks[0].kind, leaks[0].what.as_str()),
        ("object reference", "1 to a device object")
    );
}

#[test]
fn an_object_exists_until_its_last_reference_is_given_back() {
    run(|| {
        let gone = Rc::new(Cell::new(false));
        let freed = Rc::clone(&gone);
        let objects = &kernel().ke.objects;
        objects.register(OBJECT, "device object", move || freed.set(true));
        reference();
        objects.release(OBJECT);
        assert_eq!((objects.references(OBJECT), gone.get()), (1, false));
        assert_eq!((dereference(), gone.get()), (0, true));
    });
}

#[test]
fn dereferencing_once_too_often_is_a_bug_check() {
    let check = broken_unverified(|| {
        kernel().ke.objects.register(OBJECT, "device object", || ());
        dereference();
    });
    assert_eq!(check.code, StopCode::REFERENCE_BY_POINTER);
}

#[test]
fn referencing_what_is_no_object_is_a_bug_check() {
    let check = broken_unverified(|| {
        let block = Pool::<u64>::new();
        // SAFETY: what the test is about.
        unsafe { ObfReferenceObject(block.get().cast()) };
    });
    assert_eq!(check.code, StopCode::NTSIM_INVALID_OBJECT);
}

#[test]
fn closing_what_is_no_handle_is_an_error() {
    // SAFETY: what the test is about.
    let close = || unsafe { ZwClose(null_mut::<u8>().wrapping_add(0x44).cast()) };
    let status = Machine::run(unverified(), move |system: &System| {
        system.as_driver("driver", close)
    })
    .expect_finished();
    assert_eq!(status, STATUS_INVALID_HANDLE);
    let check = broken(move || {
        let _ = close();
    });
    assert_eq!(check.code, StopCode::INVALID_KERNEL_HANDLE);
}
