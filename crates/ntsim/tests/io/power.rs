//! Power and plug and play: what queues do while their device sleeps, fails or goes.

use std::time::Duration;

use ntsim::{Config, Outcome};
use wdk_sys_lite::{
    _WDF_IO_QUEUE_DISPATCH_TYPE as Dispatch, _WDF_IO_QUEUE_STATE as State,
    _WDF_REQUEST_STOP_ACTION_FLAGS as Action, _WDF_TRI_STATE, STATUS_CANCELLED,
    STATUS_INVALID_DEVICE_STATE, STATUS_OBJECT_NAME_NOT_FOUND, STATUS_SUCCESS, WDF_IO_QUEUE_CONFIG,
    WDFREQUEST,
};

use crate::harness::{
    INTERFACE, Kept, as_driver, complete, create_queue, default_queue, device, io_resume, io_stop,
    keep, kept, on, queue_config, request_cancel, run_with, take, take_log, take_writes, wait_for,
    wdf, works,
};

const PARALLEL: i32 = Dispatch::WdfIoQueueDispatchParallel;
const MANUAL: i32 = Dispatch::WdfIoQueueDispatchManual;

fn with_stop(dispatch: i32) -> WDF_IO_QUEUE_CONFIG {
    let mut config = queue_config(dispatch);
    config.EvtIoStop = Some(io_stop);
    config.EvtIoResume = Some(io_resume);
    config
}

fn acknowledge(request: WDFREQUEST, requeue: bool) {
    wdf!(WdfRequestStopAcknowledge, request, u8::from(requeue));
}

/// A process with one read, which the driver has; the process waits for `status`.
fn reader(
    bench: &crate::harness::Bench,
    requests: &Kept,
    status: i32,
) -> (ntsim::machine::Thread, WDFREQUEST) {
    let thread = bench.system.spawn_process("reader", move |process| {
        let file = process.open(&INTERFACE).expect("opens");
        assert_eq!(file.start_read(1).expect("starts").wait().status, status);
    });
    let request = wait_for(bench.system, requests);
    (thread, request)
}

#[test]
fn requests_wait_while_the_device_sleeps() {
    works(
        || {
            default_queue(with_stop(PARALLEL));
            take_writes();
        },
        |bench| {
            bench.system.power_down(bench.pdo).expect("goes to sleep");
            let writer = bench.system.spawn_process("process", |process| {
                let file = process.open(&INTERFACE).expect("opens");
                assert_eq!(file.write(&[1]), Ok(1));
            });
            bench.system.sleep(Duration::from_millis(1));
            assert!(writer.alive());
            assert_eq!(take_log().len(), 0);
            let queue = as_driver(|| wdf!(WdfDeviceGetDefaultQueue, device()));
            let state = as_driver(|| {
                wdf!(
                    WdfIoQueueGetState,
                    queue,
                    std::ptr::null_mut(),
                    std::ptr::null_mut()
                )
            });
            assert_ne!(state & State::WdfIoQueuePnpHeld, 0);
            bench.system.power_up(bench.pdo).expect("wakes up");
            writer.join();
            assert_eq!(take_log(), ["write"]);
        },
    );
}

#[test]
fn a_queue_that_is_not_power_managed_works_while_the_device_sleeps() {
    works(
        || {
            let mut config = with_stop(PARALLEL);
            config.PowerManaged = _WDF_TRI_STATE::WdfFalse;
            default_queue(config);
            take_writes();
        },
        |bench| {
            bench.system.power_down(bench.pdo).expect("goes to sleep");
            bench.process(|process| {
                let file = process.open(&INTERFACE).expect("opens");
                assert_eq!(file.write(&[1]), Ok(1));
            });
            bench.system.power_up(bench.pdo).expect("wakes up");
        },
    );
}

#[test]
fn nothing_is_retrieved_while_the_device_sleeps() {
    works(
        || default_queue(with_stop(MANUAL)),
        |bench| {
            bench.system.power_down(bench.pdo).expect("goes to sleep");
            as_driver(|| {
                let queue = wdf!(WdfDeviceGetDefaultQueue, device());
                let mut request = std::ptr::null_mut();
                let status = wdf!(WdfIoQueueRetrieveNextRequest, queue, &raw mut request);
                assert_eq!(status, 0xC020_0203_u32.cast_signed());
            });
        },
    );
}

#[test]
fn a_kept_request_is_stopped_and_resumed() {
    works(
        || default_queue(with_stop(PARALLEL)),
        |bench| {
            let requests = kept();
            keep("read", &requests);
            on("stop", |_, request, numbers| {
                assert_eq!(numbers[0], Action::WdfRequestStopActionSuspend as usize);
                acknowledge(request, false);
            });
            let (thread, request) = reader(bench, &requests, STATUS_SUCCESS);
            bench.system.power_down(bench.pdo).expect("goes to sleep");
            bench.system.power_up(bench.pdo).expect("wakes up");
            assert_eq!(take_log(), ["read", "stop", "resume"]);
            as_driver(|| complete(request, STATUS_SUCCESS));
            thread.join();
        },
    );
}

#[test]
fn a_requeued_request_is_presented_again() {
    works(
        || default_queue(with_stop(PARALLEL)),
        |bench| {
            let requests = kept();
            keep("read", &requests);
            on("stop", |_, request, _| acknowledge(request, true));
            let (thread, request) = reader(bench, &requests, STATUS_SUCCESS);
            bench.system.power_down(bench.pdo).expect("goes to sleep");
            assert_eq!(requests.borrow().len(), 0);
            bench.system.power_up(bench.pdo).expect("wakes up");
            assert_eq!(wait_for(bench.system, &requests), request);
            assert_eq!(take_log(), ["read", "stop", "read"]);
            as_driver(|| complete(request, STATUS_SUCCESS));
            thread.join();
        },
    );
}

#[test]
fn power_down_waits_for_a_request_that_is_not_acknowledged() {
    works(
        || default_queue(with_stop(PARALLEL)),
        |bench| {
            let requests = kept();
            keep("read", &requests);
            let (thread, request) = reader(bench, &requests, STATUS_SUCCESS);
            let pdo = bench.pdo;
            let sleeper = bench.system.spawn("power", move |system| {
                system.power_down(pdo).expect("goes to sleep");
            });
            bench.system.sleep(Duration::from_millis(1));
            assert!(sleeper.alive(), "the driver has not let go");
            as_driver(|| complete(request, STATUS_SUCCESS));
            sleeper.join();
            thread.join();
            assert_eq!(take_log(), ["read", "stop"]);
        },
    );
}

#[test]
fn a_request_completed_in_stop_need_not_be_acknowledged() {
    works(
        || default_queue(with_stop(PARALLEL)),
        |bench| {
            let requests = kept();
            keep("read", &requests);
            on("stop", |_, request, _| complete(request, STATUS_SUCCESS));
            let (thread, _) = reader(bench, &requests, STATUS_SUCCESS);
            bench.system.power_down(bench.pdo).expect("goes to sleep");
            thread.join();
        },
    );
}

#[test]
fn a_driver_that_never_lets_go_hangs_the_power_down_and_is_named() {
    let report = run_with(
        Config::default(),
        || default_queue(with_stop(PARALLEL)),
        |bench| {
            let requests = kept();
            keep("read", &requests);
            let _ = reader(bench, &requests, STATUS_SUCCESS);
            let _ = bench.system.power_down(bench.pdo);
        },
    );
    let Outcome::Hung(waiting) = report.outcome else {
        panic!("{:?}", report.outcome)
    };
    assert!(
        waiting
            .iter()
            .any(|line| line.contains("IRP_MJ_READ of 1 bytes")),
        "{waiting:?}"
    );
}

#[test]
fn a_stop_says_whether_the_request_is_cancelable() {
    works(
        || default_queue(with_stop(PARALLEL)),
        |bench| {
            let requests = kept();
            let slot = std::rc::Rc::clone(&requests);
            on("read", move |_, request, _| {
                wdf!(WdfRequestMarkCancelable, request, Some(request_cancel));
                slot.borrow_mut().push(request);
            });
            on("stop", |_, request, numbers| {
                let flags =
                    Action::WdfRequestStopActionSuspend | Action::WdfRequestStopRequestCancelable;
                assert_eq!(i32::try_from(numbers[0]), Ok(flags));
                assert_eq!(wdf!(WdfRequestUnmarkCancelable, request), STATUS_SUCCESS);
                acknowledge(request, true);
            });
            let (thread, request) = reader(bench, &requests, STATUS_SUCCESS);
            bench.system.power_down(bench.pdo).expect("goes to sleep");
            bench.system.power_up(bench.pdo).expect("wakes up");
            let again = wait_for(bench.system, &requests);
            assert_eq!(again, request);
            as_driver(|| {
                assert_eq!(wdf!(WdfRequestUnmarkCancelable, request), STATUS_SUCCESS);
                complete(request, STATUS_SUCCESS);
            });
            thread.join();
        },
    );
}

#[test]
fn a_surprise_removal_cancels_everything_and_the_rest_follows_the_last_close() {
    works(
        || {
            on("add", |device, _, _| {
                let mut manual = queue_config(MANUAL);
                manual.EvtIoStop = Some(io_stop);
                create_queue(device, manual);
            });
        },
        |bench| {
            let reader = bench.system.spawn_process("reader", |process| {
                let file = process.open(&INTERFACE).expect("opens");
                let pending: Vec<_> = (0..3)
                    .map(|_| file.start_read(1).expect("starts"))
                    .collect();
                for pending in pending {
                    assert_eq!(pending.wait().status, STATUS_CANCELLED);
                }
                assert_eq!(file.read(1), Err(STATUS_INVALID_DEVICE_STATE));
                assert_eq!(
                    process.open(&INTERFACE).err(),
                    Some(STATUS_OBJECT_NAME_NOT_FOUND)
                );
            });
            while ntsim::kernel::kernel().io.pending_requests().len() < 3 {
                bench.system.sleep(Duration::from_micros(1));
            }
            bench.system.surprise_remove(bench.pdo).expect("goes");
            reader.join();
        },
    );
}

#[test]
fn a_removal_stops_what_the_driver_owns_with_purge() {
    works(
        || default_queue(with_stop(PARALLEL)),
        |bench| {
            let requests = kept();
            keep("read", &requests);
            let stops = std::rc::Rc::new(std::cell::RefCell::new(Vec::new()));
            let seen = std::rc::Rc::clone(&stops);
            let purge = Action::WdfRequestStopActionPurge as usize;
            on("stop", move |_, request, numbers| {
                seen.borrow_mut().push(numbers[0]);
                if numbers[0] == purge {
                    complete(request, STATUS_CANCELLED);
                } else {
                    acknowledge(request, false);
                }
            });
            let (thread, _) = reader(bench, &requests, STATUS_CANCELLED);
            bench.system.surprise_remove(bench.pdo).expect("goes");
            thread.join();
            assert_eq!(
                *stops.borrow(),
                [Action::WdfRequestStopActionSuspend as usize, purge]
            );
        },
    );
}

#[test]
fn a_purged_queue_is_not_started_again_by_its_driver() {
    works(
        || default_queue(with_stop(MANUAL)),
        |bench| {
            let reader = bench.system.spawn_process("reader", |process| {
                let file = process.open(&INTERFACE).expect("opens");
                assert_eq!(file.read(1), Err(STATUS_CANCELLED));
                as_driver(|| wdf!(WdfIoQueueStart, wdf!(WdfDeviceGetDefaultQueue, device())));
                assert_eq!(file.read(1), Err(STATUS_INVALID_DEVICE_STATE));
            });
            while ntsim::kernel::kernel().io.pending_requests().is_empty() {
                bench.system.sleep(Duration::from_micros(1));
            }
            bench.system.surprise_remove(bench.pdo).expect("goes");
            reader.join();
        },
    );
}

#[test]
fn sleeping_and_waking_under_load_loses_nothing() {
    works(
        || {
            default_queue(with_stop(PARALLEL));
            on("stop", |_, request, _| acknowledge(request, true));
        },
        |bench| {
            let requests = kept();
            keep("read", &requests);
            let done = std::rc::Rc::new(std::cell::Cell::new(0));
            let readers: Vec<_> = (0..2)
                .map(|_| {
                    let done = std::rc::Rc::clone(&done);
                    bench.system.spawn_process("reader", move |process| {
                        let file = process.open(&INTERFACE).expect("opens");
                        for _ in 0..10 {
                            assert_eq!(file.read(1), Ok(vec![]));
                            done.set(done.get() + 1);
                        }
                    })
                })
                .collect();
            while done.get() < 20 {
                let requeued = std::rc::Rc::clone(&requests);
                on("stop", move |_, request, _| {
                    requeued.borrow_mut().retain(|other| *other != request);
                    acknowledge(request, true);
                });
                bench.system.power_down(bench.pdo).expect("goes to sleep");
                bench.system.power_up(bench.pdo).expect("wakes up");
                bench.system.sleep(Duration::from_micros(5));
                while !requests.borrow().is_empty() {
                    as_driver(|| complete(take(&requests), STATUS_SUCCESS));
                }
                bench.system.sleep(Duration::from_micros(5));
            }
            for reader in readers {
                reader.join();
            }
        },
    );
}

#[test]
fn a_removal_stops_a_request_that_its_purge_has_cancelled_no_second_time() {
    works(
        || default_queue(with_stop(PARALLEL)),
        |bench| {
            let requests = kept();
            let slot = std::rc::Rc::clone(&requests);
            on("read", move |_, request, _| {
                wdf!(WdfRequestMarkCancelable, request, Some(request_cancel));
                slot.borrow_mut().push(request);
            });
            // The first stop keeps the request, and its cancellation only notes that there is
            // something to do.
            on("stop", |_, request, _| acknowledge(request, false));
            let (thread, request) = reader(bench, &requests, STATUS_CANCELLED);
            let pdo = bench.pdo;
            let remover = bench.system.spawn("remover", move |system| {
                system.surprise_remove(pdo).expect("goes");
            });
            let mut log = take_log();
            while log.last().is_none_or(|last| last != "cancel") {
                bench.system.sleep(Duration::from_micros(1));
                log.extend(take_log());
            }
            bench.system.sleep(Duration::from_micros(50));
            as_driver(|| complete(request, STATUS_CANCELLED));
            remover.join();
            thread.join();
            log.extend(take_log());
            assert_eq!(log, ["read", "stop", "cancel"]);
        },
    );
}

#[test]
fn acknowledging_a_stop_that_is_over_is_a_violation() {
    let check = run_with(
        Config::default(),
        || default_queue(with_stop(PARALLEL)),
        |bench| {
            let requests = kept();
            keep("read", &requests);
            on("stop", |_, request, _| acknowledge(request, false));
            let (_, request) = reader(bench, &requests, STATUS_SUCCESS);
            bench.system.power_down(bench.pdo).expect("goes to sleep");
            bench.system.power_up(bench.pdo).expect("wakes up");
            as_driver(|| acknowledge(request, false));
        },
    )
    .expect_bug_check();
    assert!(check.message.contains("outside EvtIoStop"), "{check}");
}

#[test]
fn ready_notify_tells_of_what_has_waited_through_the_sleep() {
    for power_managed in [true, false] {
        works(
            move || {
                let mut config = queue_config(MANUAL);
                config.PowerManaged = i32::from(power_managed);
                on("add", move |device, _, _| {
                    let queue = create_queue(device, config);
                    let status = wdf!(
                        WdfIoQueueReadyNotify,
                        queue,
                        Some(crate::harness::queue_state),
                        std::ptr::null_mut()
                    );
                    assert_eq!(status, STATUS_SUCCESS);
                });
            },
            move |bench| {
                let reader = bench.system.spawn_process("reader", |process| {
                    let file = process.open(&INTERFACE).expect("opens");
                    let _pending = file.start_read(1).expect("starts");
                    process.sleep(Duration::from_millis(10));
                });
                let mut log = Vec::new();
                while log.is_empty() {
                    bench.system.sleep(Duration::from_micros(1));
                    log.extend(take_log());
                }
                bench.system.power_down(bench.pdo).expect("goes to sleep");
                bench.system.power_up(bench.pdo).expect("wakes up");
                log.extend(take_log());
                assert_eq!(log.len(), 1 + usize::from(power_managed), "{log:?}");
                reader.join();
            },
        );
    }
}

#[test]
fn what_waits_in_a_queue_that_is_not_power_managed_outlives_a_surprise_removal() {
    works(
        || {
            let mut config = queue_config(MANUAL);
            config.PowerManaged = _WDF_TRI_STATE::WdfFalse;
            default_queue(config);
        },
        |bench| {
            let reader = bench.system.spawn_process("reader", |process| {
                let file = process.open(&INTERFACE).expect("opens");
                let pending = file.start_read(1).expect("starts");
                process.sleep(Duration::from_millis(10));
                assert!(!pending.done(), "the framework leaves it to the driver");
            });
            while ntsim::kernel::kernel().io.pending_requests().is_empty() {
                bench.system.sleep(Duration::from_micros(1));
            }
            bench.system.surprise_remove(bench.pdo).expect("goes");
            reader.join();
        },
    );
}

/// All queues are resumed before any of them dispatches what waits (`fxioqueue.cpp` 5632,
/// `fxpkgio.cpp` 1257).
#[test]
fn every_queue_is_resumed_before_what_waits_is_dispatched() {
    works(
        || {
            // Reads go to a queue that is made after the one that writes wait in.
            on("add", |device, _, _| {
                let mut writes = with_stop(PARALLEL);
                writes.DefaultQueue = 1;
                create_queue(device, writes);
                let mut reads = with_stop(PARALLEL);
                reads.DefaultQueue = 0;
                let reads = create_queue(device, reads);
                let status = wdf!(
                    WdfDeviceConfigureRequestDispatching,
                    device,
                    reads,
                    wdk_sys_lite::_WDF_REQUEST_TYPE::WdfRequestTypeRead
                );
                assert_eq!(status, STATUS_SUCCESS);
            });
            take_writes();
        },
        |bench| {
            let requests = kept();
            keep("read", &requests);
            on("stop", |_, request, _| acknowledge(request, false));
            let (thread, request) = reader(bench, &requests, STATUS_SUCCESS);
            bench.system.power_down(bench.pdo).expect("goes to sleep");
            let writer = bench.system.spawn_process("writer", |process| {
                let file = process.open(&INTERFACE).expect("opens");
                assert_eq!(file.write(&[1]), Ok(1));
            });
            bench.system.sleep(Duration::from_millis(1));
            take_log();
            bench.system.power_up(bench.pdo).expect("wakes up");
            writer.join();
            assert_eq!(take_log(), ["resume", "write"]);
            as_driver(|| complete(request, STATUS_SUCCESS));
            thread.join();
        },
    );
}
