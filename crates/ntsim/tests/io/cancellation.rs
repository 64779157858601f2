//! Cancellation: who gets a request when its sender gives up, whatever happens at the same moment.

use std::cell::Cell;
use std::rc::Rc;

use ntsim::io::Pending;
use ntsim::{Config, StopCode};
use wdk_sys_lite::{
    _WDF_IO_QUEUE_DISPATCH_TYPE as Dispatch, STATUS_CANCELLED, STATUS_SUCCESS, STATUS_UNSUCCESSFUL,
    WDFREQUEST,
};

use crate::harness::{
    INTERFACE, as_driver, breaks, complete, default_queue, keep, kept, on, queue_config,
    request_cancel, run_with, take, take_log, wdf, works,
};

const PARALLEL: i32 = Dispatch::WdfIoQueueDispatchParallel;
const SEQUENTIAL: i32 = Dispatch::WdfIoQueueDispatchSequential;

fn mark(request: WDFREQUEST) {
    wdf!(WdfRequestMarkCancelable, request, Some(request_cancel));
}

fn unmark(request: WDFREQUEST) -> i32 {
    wdf!(WdfRequestUnmarkCancelable, request)
}

fn reads_are_cancelable() {
    default_queue(queue_config(PARALLEL));
    on("read", |_, request, _| mark(request));
    on("cancel", |request, _, _| {
        complete(request, STATUS_CANCELLED);
    });
}

#[test]
fn a_waiting_request_is_cancelled_by_the_framework() {
    works(
        || default_queue(queue_config(SEQUENTIAL)),
        |bench| {
            bench.process(|process| {
                let requests = kept();
                keep("read", &requests);
                let file = process.open(&INTERFACE).expect("opens");
                let first = file.start_read(1).expect("starts");
                let second = file.start_read(1).expect("starts");
                assert!(second.cancel());
                assert_eq!(second.wait().status, STATUS_CANCELLED);
                as_driver(|| complete(take(&requests), STATUS_SUCCESS));
                assert_eq!(first.wait().status, STATUS_SUCCESS);
                assert_eq!(take_log(), ["read"]);
            });
        },
    );
}

#[test]
fn a_cancelable_request_is_cancelled_by_its_driver() {
    works(reads_are_cancelable, |bench| {
        bench.process(|process| {
            let file = process.open(&INTERFACE).expect("opens");
            let pending = file.start_read(1).expect("starts");
            assert!(pending.cancel());
            assert_eq!(pending.wait().status, STATUS_CANCELLED);
            assert_eq!(take_log(), ["read", "cancel"]);
        });
    });
}

#[test]
fn cancelling_a_handle_cancels_all_its_requests_and_no_others() {
    works(reads_are_cancelable, |bench| {
        bench.process(|process| {
            let file = process.open(&INTERFACE).expect("opens");
            let other = process.open(&INTERFACE).expect("opens");
            let pending: Vec<_> = (0..3)
                .map(|_| file.start_read(1).expect("starts"))
                .collect();
            let untouched = other.start_read(1).expect("starts");
            assert_eq!(file.cancel_all(), 3);
            for pending in pending {
                assert_eq!(pending.wait().status, STATUS_CANCELLED);
            }
            assert!(!untouched.done());
        });
    });
}

#[test]
fn a_request_that_the_driver_owns_and_has_not_marked_only_learns_of_it() {
    works(
        || default_queue(queue_config(PARALLEL)),
        |bench| {
            bench.process(|process| {
                let requests = kept();
                keep("read", &requests);
                let file = process.open(&INTERFACE).expect("opens");
                let pending = file.start_read(1).expect("starts");
                let request = take(&requests);
                as_driver(|| assert_eq!(wdf!(WdfRequestIsCanceled, request), 0));
                assert!(pending.cancel());
                assert!(!pending.done());
                as_driver(|| {
                    assert_eq!(wdf!(WdfRequestIsCanceled, request), 1);
                    complete(request, STATUS_SUCCESS);
                });
                assert_eq!(pending.wait().status, STATUS_SUCCESS);
            });
        },
    );
}

#[test]
fn marking_a_cancelled_request_calls_the_driver_or_fails() {
    for ex in [false, true] {
        works(
            || default_queue(queue_config(PARALLEL)),
            move |bench| {
                bench.process(move |process| {
                    let requests = kept();
                    keep("read", &requests);
                    on("cancel", |request, _, _| {
                        complete(request, STATUS_CANCELLED);
                    });
                    let file = process.open(&INTERFACE).expect("opens");
                    let pending = file.start_read(1).expect("starts");
                    let request = take(&requests);
                    assert!(pending.cancel());
                    as_driver(|| {
                        if ex {
                            let status =
                                wdf!(WdfRequestMarkCancelableEx, request, Some(request_cancel));
                            assert_eq!(status, STATUS_CANCELLED);
                            complete(request, STATUS_UNSUCCESSFUL);
                        } else {
                            mark(request);
                        }
                    });
                    let status = pending.wait().status;
                    let expected = if ex {
                        STATUS_UNSUCCESSFUL
                    } else {
                        STATUS_CANCELLED
                    };
                    assert_eq!(status, expected);
                    assert_eq!(take_log().contains(&"cancel".to_owned()), !ex);
                });
            },
        );
    }
}

/// A canceller against a completer, which follows the rules: under the driver's lock it completes
/// only what it could unmark.
fn race(seed: u64) -> bool {
    let config = Config {
        switch_chance: 160,
        ..Config::with_seed(seed)
    };
    let set_up = || {
        on("add", |device, _, _| {
            crate::harness::create_queue(device, queue_config(PARALLEL));
            let mut lock = std::ptr::null_mut();
            let mut own = crate::harness::attributes();
            own.ParentObject = device;
            assert_eq!(
                wdf!(WdfSpinLockCreate, &raw mut own, &raw mut lock),
                STATUS_SUCCESS
            );
            let unmarked = Rc::new(Cell::new(false));
            let cancelled = Rc::new(Cell::new(false));
            let (won, lost) = (Rc::clone(&unmarked), Rc::clone(&cancelled));
            on("read", move |_, request, _| {
                mark(request);
                let (unmarked, cancelled) = (Rc::clone(&won), Rc::clone(&lost));
                let complete_it = move || {
                    as_driver(|| {
                        wdf!(WdfSpinLockAcquire, lock);
                        if !cancelled.get() {
                            unmarked.set(unmark(request) == STATUS_SUCCESS);
                        }
                        wdf!(WdfSpinLockRelease, lock);
                        if unmarked.get() {
                            complete(request, STATUS_SUCCESS);
                        }
                    });
                    crate::harness::note("completer done");
                };
                let sched = &ntsim::kernel::kernel().sched;
                sched.spawn(
                    ntsim::sched::ContextKind::SystemThread,
                    "completer",
                    complete_it,
                );
            });
            on("cancel", move |request, _, _| {
                wdf!(WdfSpinLockAcquire, lock);
                assert!(!cancelled.replace(true), "called twice");
                assert!(!unmarked.get(), "called though it was unmarked");
                wdf!(WdfSpinLockRelease, lock);
                complete(request, STATUS_CANCELLED);
            });
        });
    };
    run_with(config, set_up, |bench| {
        let status = Rc::new(Cell::new(0));
        let result = Rc::clone(&status);
        bench.process(move |process| {
            let file = process.open(&INTERFACE).expect("opens");
            let pending = file.start_read(1).expect("starts");
            process.sleep(std::time::Duration::from_nanos(100 * process.random(40)));
            let _ = pending.cancel();
            result.set(pending.wait().status);
        });
        // The driver's thread must be gone before its device.
        while !crate::harness::take_log().contains(&"completer done".to_owned()) {
            bench.system.sleep(std::time::Duration::from_micros(1));
        }
        let status = status.get();
        assert!(status == STATUS_SUCCESS || status == STATUS_CANCELLED);
        status == STATUS_CANCELLED
    })
    .expect_finished()
}

#[test]
fn cancellation_and_completion_race_and_exactly_one_wins() {
    let cancelled = (1..=300).filter(|seed| race(*seed)).count();
    assert!(
        (10..290).contains(&cancelled),
        "both orders occur: {cancelled} of 300 cancelled"
    );
}

#[test]
fn the_cancel_callback_of_a_request_is_called_once() {
    works(reads_are_cancelable, |bench| {
        bench.process(|process| {
            let file = process.open(&INTERFACE).expect("opens");
            let pending = file.start_read(1).expect("starts");
            let _ = pending.cancel();
            let _ = pending.cancel();
            assert_eq!(file.cancel_all(), 0);
            assert_eq!(pending.wait().status, STATUS_CANCELLED);
            assert_eq!(take_log(), ["read", "cancel"]);
        });
    });
}

#[test]
fn completing_while_cancelable_is_a_violation() {
    let check = breaks(
        || {
            default_queue(queue_config(PARALLEL));
            on("read", |_, request, _| {
                mark(request);
                complete(request, STATUS_SUCCESS);
            });
        },
        |process| {
            let file = process.open(&INTERFACE).expect("opens");
            let _ = file.read(1);
        },
    );
    assert_eq!(
        (check.code, check.parameters[0]),
        (StopCode::WDF_VIOLATION, 3)
    );
    assert!(check.message.contains("while cancelable"), "{check}");
}

#[test]
fn marking_twice_is_a_violation() {
    let check = breaks(
        || {
            default_queue(queue_config(PARALLEL));
            on("read", |_, request, _| {
                mark(request);
                mark(request);
            });
        },
        |process| {
            let file = process.open(&INTERFACE).expect("opens");
            let _ = file.read(1);
        },
    );
    assert!(check.message.contains("is cancelable"), "{check}");
}

#[test]
fn unmarking_what_is_not_marked_is_a_violation() {
    let check = breaks(
        || {
            default_queue(queue_config(PARALLEL));
            on("read", |_, request, _| {
                unmark(request);
            });
        },
        |process| {
            let file = process.open(&INTERFACE).expect("opens");
            let _ = file.read(1);
        },
    );
    assert!(check.message.contains("is not cancelable"), "{check}");
}

#[test]
fn forwarding_a_cancelable_request_is_a_violation() {
    let check = breaks(
        || {
            on("add", |device, _, _| {
                let other = crate::harness::create_queue(
                    device,
                    crate::harness::bare(Dispatch::WdfIoQueueDispatchManual),
                );
                crate::harness::create_queue(device, queue_config(PARALLEL));
                on("read", move |_, request, _| {
                    mark(request);
                    let _ = wdf!(WdfRequestForwardToIoQueue, request, other);
                });
            });
        },
        |process| {
            let file = process.open(&INTERFACE).expect("opens");
            let _ = file.read(1);
        },
    );
    assert!(check.message.contains("is cancelable"), "{check}");
}

#[test]
fn a_process_that_ends_takes_its_requests_with_it() {
    works(reads_are_cancelable, |bench| {
        bench.process(|process| {
            let file = process.open(&INTERFACE).expect("opens");
            let _pending: Vec<Pending> = (0..3)
                .map(|_| file.start_read(1).expect("starts"))
                .collect();
            std::mem::forget(file);
        });
        assert_eq!(
            take_log(),
            ["read", "read", "read", "cancel", "cancel", "cancel"]
        );
    });
}

#[test]
fn what_a_purge_cancels_counts_as_cancelled_though_its_sender_waits() {
    works(
        || {
            on("add", |device, _, _| {
                let mut config = queue_config(Dispatch::WdfIoQueueDispatchManual);
                config.EvtIoCanceledOnQueue = Some(crate::harness::canceled_on_queue);
                crate::harness::create_queue(device, config);
            });
            on("canceled on queue", |_, request, _| {
                assert_eq!(wdf!(WdfRequestIsCanceled, request), 1);
                complete(request, STATUS_CANCELLED);
            });
        },
        |bench| {
            bench.process(|process| {
                let file = process.open(&INTERFACE).expect("opens");
                let pending = file.start_read(1).expect("starts");
                as_driver(|| {
                    let queue = wdf!(WdfDeviceGetDefaultQueue, crate::harness::device());
                    let mut request = std::ptr::null_mut();
                    let status = wdf!(WdfIoQueueRetrieveNextRequest, queue, &raw mut request);
                    assert_eq!(status, STATUS_SUCCESS);
                    assert_eq!(wdf!(WdfRequestRequeue, request), STATUS_SUCCESS);
                    wdf!(WdfIoQueuePurge, queue, None, std::ptr::null_mut());
                });
                assert_eq!(pending.wait().status, STATUS_CANCELLED);
                assert_eq!(take_log(), ["canceled on queue"]);
            });
        },
    );
}

#[test]
fn a_request_that_is_being_cancelled_is_not_stopped() {
    works(
        || {
            let mut config = queue_config(PARALLEL);
            config.EvtIoStop = Some(crate::harness::io_stop);
            default_queue(config);
            on("stop", |_, _, _| panic!("a cancelled request was stopped"));
        },
        |bench| {
            let requests = kept();
            keep("read", &requests);
            let reader = bench.system.spawn_process("reader", |process| {
                let file = process.open(&INTERFACE).expect("opens");
                let pending = file.start_read(1).expect("starts");
                assert!(pending.cancel());
                assert_eq!(pending.wait().status, STATUS_CANCELLED);
            });
            let request = crate::harness::wait_for(bench.system, &requests);
            while !as_driver(|| wdf!(WdfRequestIsCanceled, request) != 0) {
                bench.system.sleep(std::time::Duration::from_micros(1));
            }
            // The callback notes the cancellation and lets the driver complete it later.
            as_driver(|| mark(request));
            assert_eq!(take_log(), ["read", "cancel"]);
            let pdo = bench.pdo;
            let sleeper = bench.system.spawn("power", move |system| {
                system.power_down(pdo).expect("goes to sleep");
            });
            bench.system.sleep(std::time::Duration::from_micros(50));
            as_driver(|| complete(request, STATUS_CANCELLED));
            sleeper.join();
            reader.join();
        },
    );
}

#[test]
fn a_forwarded_request_that_the_driver_has_seen_comes_back_to_it_when_cancelled() {
    works(
        || {
            on("add", |device, _, _| {
                let mut manual = crate::harness::bare(Dispatch::WdfIoQueueDispatchManual);
                manual.EvtIoCanceledOnQueue = Some(crate::harness::canceled_on_queue);
                let waiting = crate::harness::create_queue(device, manual);
                crate::harness::create_queue(device, queue_config(PARALLEL));
                on("read", move |_, request, _| {
                    assert_eq!(
                        wdf!(WdfRequestForwardToIoQueue, request, waiting),
                        STATUS_SUCCESS
                    );
                });
            });
            on("canceled on queue", |_, request, _| {
                complete(request, STATUS_CANCELLED);
            });
        },
        |bench| {
            bench.process(|process| {
                let file = process.open(&INTERFACE).expect("opens");
                let pending = file.start_read(1).expect("starts");
                assert!(pending.cancel());
                assert_eq!(pending.wait().status, STATUS_CANCELLED);
                assert_eq!(take_log(), ["read", "canceled on queue"]);
            });
        },
    );
}

/// Closing a handle ends what waits in the framework's queues. What the driver owns is the driver's
/// to end; some system cancels it, and some does not (`fxpkggeneral.cpp` 1661, and the page of
/// `IRP_MJ_CLEANUP`).
#[test]
fn what_a_driver_owns_when_a_handle_is_closed_is_cancelled_on_some_systems_only() {
    let mut cancelled = 0;
    for seed in 1..=40 {
        let owned = crate::harness::run_with(
            ntsim::Config::with_seed(seed),
            reads_are_cancelable,
            |bench| {
                let cancelled = std::rc::Rc::new(std::cell::Cell::new(false));
                let seen = std::rc::Rc::clone(&cancelled);
                bench.process(move |process| {
                    let file = process.open(&INTERFACE).expect("opens");
                    let pending = file.start_read(1).expect("starts");
                    drop(file);
                    seen.set(pending.done());
                });
                cancelled.get()
            },
        );
        cancelled += u32::from(owned.expect_finished());
    }
    assert!((10..=35).contains(&cancelled), "{cancelled} of 40");
}
