//! Queues: creation, dispatching, routing, retrieval, start and stop, drain and purge.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use ntsim::{Config, Outcome, StopCode};
use wdk_sys_lite::{
    _WDF_EXECUTION_LEVEL, _WDF_IO_QUEUE_DISPATCH_TYPE as Dispatch, _WDF_IO_QUEUE_STATE as State,
    _WDF_REQUEST_TYPE as RequestType, _WDF_SYNCHRONIZATION_SCOPE, NTSTATUS, STATUS_CANCELLED,
    STATUS_INFO_LENGTH_MISMATCH, STATUS_INVALID_DEVICE_REQUEST, STATUS_INVALID_DEVICE_STATE,
    STATUS_INVALID_PARAMETER, STATUS_NO_MORE_ENTRIES, STATUS_PENDING, STATUS_SUCCESS,
    STATUS_UNSUCCESSFUL, WDFDEVICE, WDFQUEUE, WDFREQUEST,
};

use crate::harness::{
    INTERFACE, as_driver, attributes, bare, breaks, canceled_on_queue, complete, create_queue,
    default_queue, device, io_default, io_read, keep, kept, note, on, queue_config, queue_state,
    run_with, take, take_log, take_writes, try_create_queue, wait_for, wdf, works,
};

const SEQUENTIAL: i32 = Dispatch::WdfIoQueueDispatchSequential;
const PARALLEL: i32 = Dispatch::WdfIoQueueDispatchParallel;
const MANUAL: i32 = Dispatch::WdfIoQueueDispatchManual;

const STATUS_WDF_PAUSED: NTSTATUS = 0xC020_0203_u32.cast_signed();
const STATUS_WDF_BUSY: NTSTATUS = 0xC020_0204_u32.cast_signed();
const STATUS_WDF_NO_CALLBACK: NTSTATUS = 0xC020_020B_u32.cast_signed();

/// Runs something in `EvtDriverDeviceAdd`.
fn in_add(act: impl Fn(WDFDEVICE) + Clone + Send + 'static) {
    works(move || on("add", move |device, _, _| act(device)), |_| ());
}

thread_local! {
    static CALLS: Cell<u64> = const { Cell::new(0) };
    static MADE: Cell<NTSTATUS> = const { Cell::new(STATUS_PENDING) };
    static QUEUE: Cell<WDFQUEUE> = const { Cell::new(std::ptr::null_mut()) };
}

/// A manual default queue that the test finds in [`QUEUE`].
fn manual_queue() {
    on("add", |device, _, _| {
        QUEUE.set(create_queue(device, queue_config(MANUAL)));
    });
}

fn next(queue: WDFQUEUE) -> Result<WDFREQUEST, NTSTATUS> {
    let mut request = std::ptr::null_mut();
    match wdf!(WdfIoQueueRetrieveNextRequest, queue, &raw mut request) {
        STATUS_SUCCESS => Ok(request),
        status => Err(status),
    }
}

fn state(queue: WDFQUEUE) -> (i32, u32, u32) {
    let (mut waiting, mut owned) = (0, 0);
    let state = wdf!(WdfIoQueueGetState, queue, &raw mut waiting, &raw mut owned);
    (state, waiting, owned)
}

#[test]
fn a_queue_configuration_must_make_sense() {
    in_add(|device| {
        let mut config = queue_config(PARALLEL);
        config.Size += 8;
        assert_eq!(
            try_create_queue(device, config),
            Err(STATUS_INFO_LENGTH_MISMATCH)
        );
        assert_eq!(
            try_create_queue(device, bare(PARALLEL)),
            Err(STATUS_WDF_NO_CALLBACK)
        );
        assert_eq!(
            try_create_queue(device, bare(7)),
            Err(STATUS_INVALID_PARAMETER)
        );
        let mut config = bare(MANUAL);
        config.EvtIoDefault = Some(io_default);
        assert_eq!(
            try_create_queue(device, config),
            Err(STATUS_INVALID_PARAMETER)
        );
        let mut config = queue_config(SEQUENTIAL);
        config.Settings.Parallel.NumberOfPresentedRequests = 2;
        assert_eq!(
            try_create_queue(device, config),
            Err(STATUS_INVALID_PARAMETER)
        );
        let mut config = bare(MANUAL);
        let status = wdf!(
            WdfIoQueueCreate,
            device,
            &raw mut config,
            std::ptr::null_mut(),
            std::ptr::null_mut()
        );
        assert_eq!(status, wdk_sys_lite::STATUS_INVALID_PARAMETER_4);
    });
}

#[test]
fn a_device_has_one_default_queue() {
    in_add(|device| {
        let queue = create_queue(device, queue_config(PARALLEL));
        assert_eq!(wdf!(WdfDeviceGetDefaultQueue, device), queue);
        assert_eq!(wdf!(WdfIoQueueGetDevice, queue), device);
        assert_eq!(
            try_create_queue(device, queue_config(PARALLEL)),
            Err(STATUS_UNSUCCESSFUL)
        );
    });
}

#[test]
fn a_default_queue_is_made_before_the_device_starts() {
    works(
        || (),
        |_| {
            let made = as_driver(|| try_create_queue(device(), queue_config(PARALLEL)));
            assert_eq!(made, Err(STATUS_INVALID_DEVICE_STATE));
            as_driver(|| create_queue(device(), bare(MANUAL)));
        },
    );
}

#[test]
fn the_default_queue_must_not_be_deleted() {
    let check = breaks(
        || {
            on("add", |device, _, _| {
                let queue = create_queue(device, queue_config(PARALLEL));
                wdf!(WdfObjectDelete, queue);
            });
        },
        |_| (),
    );
    assert_eq!(
        (check.code, check.parameters[0]),
        (StopCode::WDF_VIOLATION, 7)
    );
}

#[test]
fn a_request_without_a_queue_is_invalid() {
    works(
        || (),
        |bench| {
            bench.process(|process| {
                let file = process.open(&INTERFACE).expect("opens");
                assert_eq!(file.read(1), Err(STATUS_INVALID_DEVICE_REQUEST));
            });
        },
    );
}

#[test]
fn a_request_without_a_callback_is_invalid() {
    works(
        || {
            let mut config = bare(PARALLEL);
            config.DefaultQueue = 1;
            config.EvtIoRead = Some(io_read);
            default_queue(config);
        },
        |bench| {
            bench.process(|process| {
                let file = process.open(&INTERFACE).expect("opens");
                assert_eq!(file.write(&[1]), Err(STATUS_INVALID_DEVICE_REQUEST));
            });
        },
    );
}

#[test]
fn requests_go_where_they_are_configured_to_go_and_else_to_the_default_queue() {
    works(
        || {
            on("add", |device, _, _| {
                let mut config = bare(PARALLEL);
                config.EvtIoDefault = Some(io_default);
                let writes = create_queue(device, config);
                config.DefaultQueue = 1;
                let others = create_queue(device, config);
                let configure =
                    |queue, kind| wdf!(WdfDeviceConfigureRequestDispatching, device, queue, kind);
                assert_eq!(
                    configure(writes, RequestType::WdfRequestTypeWrite),
                    STATUS_SUCCESS
                );
                on("default", move |queue, request, _| {
                    let status = if queue == writes {
                        STATUS_SUCCESS
                    } else {
                        STATUS_UNSUCCESSFUL
                    };
                    assert!(queue == writes || queue == others);
                    assert_eq!(wdf!(WdfRequestGetIoQueue, request), queue);
                    complete(request, status);
                });
            });
        },
        |bench| {
            bench.process(|process| {
                let file = process.open(&INTERFACE).expect("opens");
                assert_eq!(file.write(&[1]), Ok(0));
                assert_eq!(file.read(1), Err(STATUS_UNSUCCESSFUL));
            });
        },
    );
}

#[test]
fn a_wrong_dispatching_configuration_is_a_violation() {
    let configure = |queue_of: fn(WDFDEVICE) -> WDFQUEUE, kind: i32| {
        let check = breaks(
            move || {
                on("add", move |device, _, _| {
                    let queue = queue_of(device);
                    for _ in 0..2 {
                        let _ = wdf!(WdfDeviceConfigureRequestDispatching, device, queue, kind);
                    }
                });
            },
            |_| (),
        );
        assert_eq!(
            (check.code, check.parameters[0]),
            (StopCode::WDF_VIOLATION, 3)
        );
        check.message
    };
    let manual = |device| create_queue(device, bare(MANUAL));
    assert!(configure(manual, RequestType::WdfRequestTypeCleanup).contains("request type"));
    assert!(configure(manual, RequestType::WdfRequestTypeRead).contains("have a queue already"));
    let reads = |device| {
        let mut config = bare(PARALLEL);
        config.EvtIoRead = Some(io_read);
        create_queue(device, config)
    };
    assert!(configure(reads, RequestType::WdfRequestTypeWrite).contains("no callback"));
    let default = |device| create_queue(device, queue_config(PARALLEL));
    assert!(configure(default, RequestType::WdfRequestTypeRead).contains("default queue"));
}

#[test]
fn a_sequential_queue_presents_one_request_at_a_time() {
    works(
        || {
            default_queue(queue_config(SEQUENTIAL));
            keep("read", &kept());
        },
        |bench| {
            bench.process(|process| {
                let requests = kept();
                keep("read", &requests);
                let file = process.open(&INTERFACE).expect("opens");
                let first = file.start_read(1).expect("starts");
                let second = file.start_read(1).expect("starts");
                assert_eq!(requests.borrow().len(), 1);
                as_driver(|| complete(take(&requests), STATUS_SUCCESS));
                assert_eq!(first.wait().status, STATUS_SUCCESS);
                assert_eq!(requests.borrow().len(), 1, "the second one after the first");
                as_driver(|| complete(take(&requests), STATUS_SUCCESS));
                assert_eq!(second.wait().status, STATUS_SUCCESS);
            });
        },
    );
}

#[test]
fn a_parallel_queue_presents_as_many_as_its_driver_allows() {
    for limit in [1, 2, u32::MAX] {
        works(
            move || {
                let mut config = queue_config(PARALLEL);
                config.Settings.Parallel.NumberOfPresentedRequests = limit;
                default_queue(config);
            },
            move |bench| {
                bench.process(move |process| {
                    let requests = kept();
                    keep("read", &requests);
                    let file = process.open(&INTERFACE).expect("opens");
                    let pending: Vec<_> = (0..4)
                        .map(|_| file.start_read(1).expect("starts"))
                        .collect();
                    while !requests.borrow().is_empty() {
                        assert!(requests.borrow().len() <= limit as usize);
                        as_driver(|| complete(take(&requests), STATUS_SUCCESS));
                    }
                    assert!(pending.iter().all(ntsim::io::Pending::done));
                });
            },
        );
    }
}

#[test]
fn a_manual_queue_keeps_requests_until_they_are_retrieved() {
    works(manual_queue, |bench| {
        bench.process(|process| {
            let queue = QUEUE.get();
            let file = process.open(&INTERFACE).expect("opens");
            assert_eq!(as_driver(|| next(queue)), Err(STATUS_NO_MORE_ENTRIES));
            let first = file.start_write(&[1]).expect("starts");
            let second = file.start_write(&[1, 2]).expect("starts");
            as_driver(|| {
                assert_eq!(state(queue), (3 | State::WdfIoQueueDriverNoRequests, 2, 0));
                let request = next(queue).expect("the first one");
                assert_eq!(state(queue), (3, 1, 1));
                assert_eq!(crate::harness::input(request, 1).map(<[u8]>::len), Ok(1));
                complete(request, STATUS_SUCCESS);
            });
            assert_eq!(first.wait().status, STATUS_SUCCESS);
            as_driver(|| complete(next(queue).expect("the second one"), STATUS_SUCCESS));
            assert_eq!(second.wait().status, STATUS_SUCCESS);
        });
    });
}

#[test]
fn ready_notify_tells_when_a_manual_queue_is_not_empty_any_more() {
    works(manual_queue, |bench| {
        bench.process(|process| {
            let queue = QUEUE.get();
            on("state", |queue, context, _| {
                assert_eq!(context.addr(), 0x77);
                while let Ok(request) = next(queue) {
                    complete(request, STATUS_SUCCESS);
                }
            });
            let context = std::ptr::without_provenance_mut(0x77);
            let status =
                as_driver(|| wdf!(WdfIoQueueReadyNotify, queue, Some(queue_state), context));
            assert_eq!(status, STATUS_SUCCESS);
            let file = process.open(&INTERFACE).expect("opens");
            for _ in 0..3 {
                assert_eq!(file.write(&[1]), Ok(0));
            }
            assert_eq!(take_log(), ["state", "state", "state"]);
        });
    });
}

#[test]
fn a_second_ready_notify_is_a_violation() {
    let check = breaks(manual_queue, |_| {
        as_driver(|| {
            for _ in 0..2 {
                let _ = wdf!(
                    WdfIoQueueReadyNotify,
                    QUEUE.get(),
                    Some(queue_state),
                    std::ptr::null_mut()
                );
            }
        });
    });
    assert_eq!(
        (check.code, check.parameters[0]),
        (StopCode::WDF_VIOLATION, 3)
    );
}

#[test]
fn a_found_request_stays_until_it_is_retrieved() {
    works(manual_queue, |bench| {
        bench.process(|process| {
            let queue = QUEUE.get();
            let file = process.open(&INTERFACE).expect("opens");
            let pending: Vec<_> = (1..=3)
                .map(|length| file.start_write(&[0; 3][..length]).expect("starts"))
                .collect();
            as_driver(|| {
                let find = |tag| {
                    let mut parameters = wdk_sys_lite::WDF_REQUEST_PARAMETERS {
                        Size: u16::try_from(size_of::<wdk_sys_lite::WDF_REQUEST_PARAMETERS>())
                            .unwrap_or(0),
                        // SAFETY: integers and pointers only.
                        ..unsafe { std::mem::zeroed() }
                    };
                    let mut found = std::ptr::null_mut();
                    let status = wdf!(
                        WdfIoQueueFindRequest,
                        queue,
                        tag,
                        std::ptr::null_mut(),
                        &raw mut parameters,
                        &raw mut found
                    );
                    // SAFETY: a write's parameters, or zero.
                    (status, found, unsafe { parameters.Parameters.Write.Length })
                };
                let (status, first, length) = find(std::ptr::null_mut());
                assert_eq!((status, length), (STATUS_SUCCESS, 1));
                let (status, second, length) = find(first);
                assert_eq!((status, length), (STATUS_SUCCESS, 2));
                let mut retrieved = std::ptr::null_mut();
                let status = wdf!(
                    WdfIoQueueRetrieveFoundRequest,
                    queue,
                    second,
                    &raw mut retrieved
                );
                assert_eq!((status, retrieved), (STATUS_SUCCESS, second));
                assert_eq!(find(second).0, wdk_sys_lite::STATUS_NOT_FOUND);
                complete(second, STATUS_SUCCESS);
                for found in [first, second] {
                    wdf!(
                        WdfObjectDereferenceActual,
                        found,
                        std::ptr::null_mut(),
                        0,
                        std::ptr::null()
                    );
                }
                while let Ok(request) = next(queue) {
                    complete(request, STATUS_SUCCESS);
                }
            });
            assert!(pending.iter().all(ntsim::io::Pending::done));
        });
    });
}

#[test]
fn completing_a_request_that_was_only_found_is_a_violation() {
    let check = breaks(manual_queue, |process| {
        let file = process.open(&INTERFACE).expect("opens");
        let _pending = file.start_write(&[1]);
        as_driver(|| {
            let mut found = std::ptr::null_mut();
            let _ = wdf!(
                WdfIoQueueFindRequest,
                QUEUE.get(),
                std::ptr::null_mut(),
                std::ptr::null_mut(),
                std::ptr::null_mut(),
                &raw mut found
            );
            complete(found, STATUS_SUCCESS);
        });
    });
    assert!(check.message.contains("not owned by the driver"), "{check}");
}

#[test]
fn a_forwarded_request_belongs_to_the_other_queue() {
    works(
        || {
            on("add", |device, _, _| {
                let other = create_queue(device, bare(MANUAL));
                QUEUE.set(other);
                create_queue(device, queue_config(PARALLEL));
                on("read", move |_, request, _| {
                    assert_eq!(
                        wdf!(WdfRequestForwardToIoQueue, request, other),
                        STATUS_SUCCESS
                    );
                });
            });
        },
        |bench| {
            bench.process(|process| {
                let file = process.open(&INTERFACE).expect("opens");
                let pending = file.start_read(1).expect("starts");
                as_driver(|| {
                    let request = next(QUEUE.get()).expect("it was forwarded");
                    assert_eq!(wdf!(WdfRequestGetIoQueue, request), QUEUE.get());
                    assert_eq!(wdf!(WdfRequestRequeue, request), STATUS_SUCCESS);
                    assert_eq!(next(QUEUE.get()), Ok(request), "its handle stays the same");
                    complete(request, STATUS_SUCCESS);
                });
                assert_eq!(pending.wait().status, STATUS_SUCCESS);
            });
        },
    );
}

#[test]
fn forwarding_to_the_queue_it_came_from_is_a_violation() {
    let check = breaks(
        || {
            default_queue(queue_config(PARALLEL));
            on("read", |queue, request, _| {
                let _ = wdf!(WdfRequestForwardToIoQueue, request, queue);
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
    assert!(
        check.message.contains("the queue that it came from"),
        "{check}"
    );
}

#[test]
fn requeueing_into_a_queue_that_is_not_manual_is_a_violation() {
    let check = breaks(
        || {
            default_queue(queue_config(PARALLEL));
            on("read", |_, request, _| {
                let _ = wdf!(WdfRequestRequeue, request);
            });
        },
        |process| {
            let file = process.open(&INTERFACE).expect("opens");
            let _ = file.read(1);
        },
    );
    assert!(check.message.contains("not manual"), "{check}");
}

#[test]
fn using_a_request_after_forwarding_it_is_a_violation() {
    let check = breaks(
        || {
            on("add", |device, _, _| {
                let other = create_queue(device, bare(MANUAL));
                create_queue(device, queue_config(PARALLEL));
                on("read", move |_, request, _| {
                    let _ = wdf!(WdfRequestForwardToIoQueue, request, other);
                    complete(request, STATUS_SUCCESS);
                });
            });
        },
        |process| {
            let file = process.open(&INTERFACE).expect("opens");
            let _ = file.read(1);
        },
    );
    assert!(check.message.contains("not owned by the driver"), "{check}");
}

#[test]
fn forwarding_to_a_queue_that_accepts_nothing_leaves_the_request_with_the_driver() {
    works(
        || {
            on("add", |device, _, _| {
                let other = create_queue(device, bare(MANUAL));
                wdf!(WdfIoQueueDrain, other, None, std::ptr::null_mut());
                create_queue(device, queue_config(PARALLEL));
                on("read", move |_, request, _| {
                    assert_eq!(
                        wdf!(WdfRequestForwardToIoQueue, request, other),
                        STATUS_WDF_BUSY
                    );
                    complete(request, STATUS_WDF_BUSY);
                });
            });
        },
        |bench| {
            bench.process(|process| {
                let file = process.open(&INTERFACE).expect("opens");
                // The framework's own statuses do not leave it.
                assert_eq!(file.read(1), Err(wdk_sys_lite::STATUS_DEVICE_BUSY));
            });
        },
    );
}

#[test]
fn a_stopped_queue_keeps_requests_until_it_is_started() {
    works(
        || {
            default_queue(queue_config(PARALLEL));
            take_writes();
        },
        |bench| {
            bench.process(|process| {
                let queue = as_driver(|| wdf!(WdfDeviceGetDefaultQueue, device()));
                let file = process.open(&INTERFACE).expect("opens");
                as_driver(|| wdf!(WdfIoQueueStopSynchronously, queue));
                let pending = file.start_write(&[1]).expect("starts");
                process.sleep(Duration::from_millis(1));
                assert!(!pending.done());
                as_driver(|| wdf!(WdfIoQueueStart, queue));
                assert_eq!(pending.wait().information, 1);
            });
        },
    );
}

#[test]
fn nothing_is_retrieved_from_a_stopped_queue() {
    works(manual_queue, |bench| {
        bench.process(|process| {
            let queue = QUEUE.get();
            let file = process.open(&INTERFACE).expect("opens");
            let pending = file.start_write(&[1]).expect("starts");
            as_driver(|| {
                wdf!(WdfIoQueueStop, queue, None, std::ptr::null_mut());
                assert_eq!(next(queue), Err(STATUS_WDF_PAUSED));
                wdf!(WdfIoQueueStart, queue);
                complete(next(queue).expect("it is started"), STATUS_SUCCESS);
            });
            assert_eq!(pending.wait().status, STATUS_SUCCESS);
        });
    });
}

#[test]
fn stopping_synchronously_waits_for_what_the_driver_owns() {
    works(
        || default_queue(queue_config(PARALLEL)),
        |bench| {
            let requests = kept();
            keep("read", &requests);
            let stopped = Rc::new(Cell::new(false));
            let slot = Rc::clone(&stopped);
            let reader = bench.system.spawn_process("process", |process| {
                let file = process.open(&INTERFACE).expect("opens");
                let _ = file.read(1);
            });
            let request = wait_for(bench.system, &requests);
            let waiter = bench.system.spawn("stopper", move |_| {
                as_driver(|| {
                    let queue = wdf!(WdfDeviceGetDefaultQueue, device());
                    wdf!(WdfIoQueueStopSynchronously, queue);
                });
                slot.set(true);
            });
            bench.system.sleep(Duration::from_millis(1));
            assert!(!stopped.get());
            as_driver(|| complete(request, STATUS_SUCCESS));
            waiter.join();
            reader.join();
        },
    );
}

#[test]
fn stopping_synchronously_from_the_queues_own_callback_hangs() {
    let report = run_with(
        Config::default(),
        || {
            on("add", |device, _, _| {
                let mut own = attributes();
                own.ExecutionLevel = _WDF_EXECUTION_LEVEL::WdfExecutionLevelPassive;
                let mut config = queue_config(PARALLEL);
                let mut queue = std::ptr::null_mut();
                let status = wdf!(
                    WdfIoQueueCreate,
                    device,
                    &raw mut config,
                    &raw mut own,
                    &raw mut queue
                );
                assert_eq!(status, STATUS_SUCCESS);
            });
            on("read", |queue, request, _| {
                complete(request, STATUS_SUCCESS);
                wdf!(WdfIoQueueStopSynchronously, queue);
            });
        },
        |bench| {
            bench.process(|process| {
                let file = process.open(&INTERFACE).expect("opens");
                let _ = file.read(1);
            });
        },
    );
    let Outcome::Hung(waiting) = report.outcome else {
        panic!("{:?}", report.outcome)
    };
    assert!(
        waiting
            .iter()
            .any(|line| line.contains("WdfIoQueueStopSynchronously")),
        "{waiting:?}"
    );
}

#[test]
fn a_drained_queue_finishes_what_it_has_and_accepts_nothing() {
    works(manual_queue, |bench| {
        bench.process(|process| {
            let queue = QUEUE.get();
            let file = process.open(&INTERFACE).expect("opens");
            let pending = file.start_write(&[1]).expect("starts");
            as_driver(|| {
                wdf!(
                    WdfIoQueueDrain,
                    queue,
                    Some(queue_state),
                    std::ptr::null_mut()
                );
            });
            assert_eq!(file.write(&[2]), Err(STATUS_INVALID_DEVICE_STATE));
            assert_eq!(take_log().len(), 0, "one request is left");
            as_driver(|| complete(next(queue).expect("it waits"), STATUS_SUCCESS));
            assert_eq!(pending.wait().status, STATUS_SUCCESS);
            assert_eq!(take_log(), ["state"]);
        });
    });
}

#[test]
fn a_purged_queue_cancels_what_waits_and_what_is_cancelable() {
    works(
        || {
            default_queue(queue_config(SEQUENTIAL));
            on("read", |_, request, _| {
                wdf!(
                    WdfRequestMarkCancelable,
                    request,
                    Some(crate::harness::request_cancel)
                );
            });
            on("cancel", |request, _, _| {
                complete(request, STATUS_CANCELLED);
            });
        },
        |bench| {
            bench.process(|process| {
                let file = process.open(&INTERFACE).expect("opens");
                let pending: Vec<_> = (0..3)
                    .map(|_| file.start_read(1).expect("starts"))
                    .collect();
                as_driver(|| {
                    let queue = wdf!(WdfDeviceGetDefaultQueue, device());
                    wdf!(WdfIoQueuePurgeSynchronously, queue);
                });
                for pending in pending {
                    assert_eq!(pending.wait().status, STATUS_CANCELLED);
                }
                assert_eq!(take_log(), ["read", "cancel"]);
                assert_eq!(file.read(1), Err(STATUS_INVALID_DEVICE_STATE));
            });
        },
    );
}

#[test]
fn a_request_is_not_marked_cancelable_any_more_while_its_queue_is_purged() {
    works(
        || default_queue(queue_config(PARALLEL)),
        |bench| {
            let requests = kept();
            keep("read", &requests);
            let reader = bench.system.spawn_process("process", |process| {
                let file = process.open(&INTERFACE).expect("opens");
                assert_eq!(file.read(1), Err(STATUS_UNSUCCESSFUL));
            });
            let request = wait_for(bench.system, &requests);
            as_driver(|| {
                let queue = wdf!(WdfDeviceGetDefaultQueue, device());
                wdf!(WdfIoQueuePurge, queue, None, std::ptr::null_mut());
                let status = wdf!(
                    WdfRequestMarkCancelableEx,
                    request,
                    Some(crate::harness::request_cancel)
                );
                assert_eq!(status, STATUS_CANCELLED);
                complete(request, STATUS_UNSUCCESSFUL);
            });
            reader.join();
        },
    );
}

#[test]
fn a_second_purge_with_a_callback_is_a_violation() {
    let check = breaks(
        || {
            default_queue(queue_config(PARALLEL));
            on("read", |queue, request, _| {
                for _ in 0..2 {
                    wdf!(
                        WdfIoQueuePurge,
                        queue,
                        Some(queue_state),
                        std::ptr::null_mut()
                    );
                }
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
        (StopCode::WDF_VIOLATION, 10)
    );
}

#[test]
fn a_wrong_handle_is_a_violation() {
    let check = breaks(
        || {
            default_queue(queue_config(PARALLEL));
            on("read", |queue, _, _| complete(queue, STATUS_SUCCESS));
        },
        |process| {
            let file = process.open(&INTERFACE).expect("opens");
            let _ = file.read(1);
        },
    );
    assert_eq!(
        (check.code, check.parameters[0]),
        (StopCode::WDF_VIOLATION, 5)
    );
    assert!(
        check.message.contains("WDFQUEUE") && check.message.contains("WDFREQUEST"),
        "{check}"
    );
}

fn passive_or_scoped(level: i32, scope: i32) {
    on("add", move |device, _, _| {
        let mut own = attributes();
        own.ExecutionLevel = level;
        own.SynchronizationScope = scope;
        let mut config = queue_config(PARALLEL);
        let mut queue = std::ptr::null_mut();
        let status = wdf!(
            WdfIoQueueCreate,
            device,
            &raw mut config,
            &raw mut own,
            &raw mut queue
        );
        assert_eq!(status, STATUS_SUCCESS);
    });
}

fn irql() -> u8 {
    ntsim::kernel::kernel().sched.current().irql()
}

#[test]
fn a_driver_is_called_at_passive_level_if_it_asks_for_it() {
    works(
        || {
            passive_or_scoped(
                _WDF_EXECUTION_LEVEL::WdfExecutionLevelPassive,
                _WDF_SYNCHRONIZATION_SCOPE::WdfSynchronizationScopeNone,
            );
            on("read", |_, request, _| {
                assert_eq!(irql(), 0);
                complete(request, STATUS_SUCCESS);
            });
        },
        |bench| {
            bench.process(|process| {
                let file = process.open(&INTERFACE).expect("opens");
                for _ in 0..5 {
                    assert_eq!(file.read(1), Ok(vec![]));
                }
            });
        },
    );
}

#[test]
fn a_completion_at_dispatch_level_leaves_passive_callbacks_to_a_work_item() {
    works(
        || {
            on("add", |device, _, _| {
                let mut own = attributes();
                own.ExecutionLevel = _WDF_EXECUTION_LEVEL::WdfExecutionLevelPassive;
                let mut config = queue_config(SEQUENTIAL);
                let mut queue = std::ptr::null_mut();
                let status = wdf!(
                    WdfIoQueueCreate,
                    device,
                    &raw mut config,
                    &raw mut own,
                    &raw mut queue
                );
                assert_eq!(status, STATUS_SUCCESS);
            });
        },
        |bench| {
            let requests = kept();
            let slot = Rc::clone(&requests);
            on("read", move |_, request, _| {
                assert_eq!(irql(), 0);
                slot.borrow_mut().push(request);
            });
            let reader = bench.system.spawn_process("process", |process| {
                let file = process.open(&INTERFACE).expect("opens");
                let pending: Vec<_> = (0..3)
                    .map(|_| file.start_read(1).expect("starts"))
                    .collect();
                for pending in pending {
                    assert_eq!(pending.wait().status, STATUS_SUCCESS);
                }
            });
            for _ in 0..3 {
                let request = wait_for(bench.system, &requests);
                ntsim::kernel::kernel()
                    .sched
                    .queue_dpc(None, "completion", move || {
                        as_driver(|| complete(request, STATUS_SUCCESS));
                    });
            }
            reader.join();
        },
    );
}

#[test]
fn without_a_level_of_its_own_a_driver_is_called_at_dispatch_level_too() {
    let report = run_with(
        Config::default(),
        || default_queue(queue_config(PARALLEL)),
        |bench| {
            let levels = Rc::new(RefCell::new(std::collections::BTreeSet::new()));
            let seen = Rc::clone(&levels);
            on("read", move |_, request, _| {
                seen.borrow_mut().insert(irql());
                complete(request, STATUS_SUCCESS);
            });
            bench.process(|process| {
                let file = process.open(&INTERFACE).expect("opens");
                for _ in 0..100 {
                    let _ = file.read(1);
                }
            });
            levels.take()
        },
    );
    assert_eq!(
        report.expect_finished().into_iter().collect::<Vec<_>>(),
        [0, 2]
    );
}

#[test]
fn callbacks_of_one_queue_exclude_each_other_with_queue_scope() {
    works(
        || {
            passive_or_scoped(
                _WDF_EXECUTION_LEVEL::WdfExecutionLevelInheritFromParent,
                _WDF_SYNCHRONIZATION_SCOPE::WdfSynchronizationScopeQueue,
            );
            let inside = Rc::new(Cell::new(false));
            on("read", move |_, request, _| {
                assert!(!inside.replace(true), "two callbacks at once");
                for _ in 0..5 {
                    ntsim::kernel::kernel().sched.point();
                }
                inside.set(false);
                complete(request, STATUS_SUCCESS);
            });
        },
        |bench| {
            let readers: Vec<_> = (0..3)
                .map(|_| {
                    bench.system.spawn_process("reader", |process| {
                        let file = process.open(&INTERFACE).expect("opens");
                        for _ in 0..5 {
                            assert_eq!(file.read(1), Ok(vec![]));
                        }
                    })
                })
                .collect();
            for reader in readers {
                reader.join();
            }
        },
    );
}

#[test]
fn device_scope_needs_the_devices_execution_level() {
    in_add(|device| {
        let mut own = attributes();
        own.ExecutionLevel = _WDF_EXECUTION_LEVEL::WdfExecutionLevelPassive;
        own.SynchronizationScope = _WDF_SYNCHRONIZATION_SCOPE::WdfSynchronizationScopeDevice;
        let mut config = queue_config(PARALLEL);
        let mut queue = std::ptr::null_mut();
        let status = wdf!(
            WdfIoQueueCreate,
            device,
            &raw mut config,
            &raw mut own,
            &raw mut queue
        );
        assert_eq!(status, STATUS_INVALID_PARAMETER);
    });
}

#[test]
fn a_cancelled_request_that_the_driver_has_seen_comes_back_to_it() {
    works(
        || {
            on("add", |device, _, _| {
                let mut config = queue_config(MANUAL);
                config.EvtIoCanceledOnQueue = Some(canceled_on_queue);
                QUEUE.set(create_queue(device, config));
            });
            on("canceled on queue", |_, request, _| {
                note("cleaned up");
                complete(request, STATUS_CANCELLED);
            });
        },
        |bench| {
            bench.process(|process| {
                let file = process.open(&INTERFACE).expect("opens");
                let unseen = file.start_read(1).expect("starts");
                assert!(unseen.cancel());
                assert_eq!(unseen.wait().status, STATUS_CANCELLED);
                assert_eq!(
                    take_log().len(),
                    0,
                    "the framework completes what the driver has not seen"
                );
                let seen = file.start_read(1).expect("starts");
                as_driver(|| {
                    let request = next(QUEUE.get()).expect("it waits");
                    assert_eq!(wdf!(WdfRequestRequeue, request), STATUS_SUCCESS);
                });
                assert!(seen.cancel());
                assert_eq!(seen.wait().status, STATUS_CANCELLED);
                assert_eq!(take_log(), ["canceled on queue", "cleaned up"]);
            });
        },
    );
}

#[test]
fn a_deleted_queue_has_let_go_of_its_requests() {
    works(
        || {
            on("add", |device, _, _| {
                let config = bare(MANUAL);
                QUEUE.set(create_queue(device, config));
                create_queue(device, queue_config(PARALLEL));
                on("read", |_, request, _| {
                    assert_eq!(
                        wdf!(WdfRequestForwardToIoQueue, request, QUEUE.get()),
                        STATUS_SUCCESS
                    );
                });
            });
        },
        |bench| {
            bench.process(|process| {
                let file = process.open(&INTERFACE).expect("opens");
                let pending = file.start_read(1).expect("starts");
                as_driver(|| wdf!(WdfObjectDelete, QUEUE.get()));
                assert_eq!(pending.wait().status, STATUS_CANCELLED);
            });
        },
    );
}

#[test]
fn only_manual_queues_are_searched_and_waited_for() {
    let calls: [fn(WDFQUEUE, WDFREQUEST); 3] = [
        |queue, _| {
            let mut found = std::ptr::null_mut();
            let null = std::ptr::null_mut::<std::ffi::c_void>;
            let _ = wdf!(
                WdfIoQueueFindRequest,
                queue,
                null(),
                null(),
                std::ptr::null_mut(),
                &raw mut found
            );
        },
        |queue, request| {
            let mut found = std::ptr::null_mut();
            let _ = wdf!(
                WdfIoQueueRetrieveFoundRequest,
                queue,
                request,
                &raw mut found
            );
        },
        |queue, _| {
            let _ = wdf!(
                WdfIoQueueReadyNotify,
                queue,
                Some(queue_state),
                std::ptr::null_mut()
            );
        },
    ];
    for call in calls {
        let check = breaks(
            move || {
                default_queue(queue_config(PARALLEL));
                on("read", move |queue, request, _| call(queue, request));
            },
            |process| {
                let file = process.open(&INTERFACE).expect("opens");
                let _ = file.read(1);
            },
        );
        assert!(check.message.contains("not manual"), "{check}");
    }
}

#[test]
fn a_sequential_queue_gives_more_to_a_driver_that_has_one_and_a_parallel_queue_nothing() {
    works(
        || default_queue(queue_config(SEQUENTIAL)),
        |bench| {
            bench.process(|process| {
                let requests = kept();
                keep("read", &requests);
                let file = process.open(&INTERFACE).expect("opens");
                let first = file.start_read(1).expect("starts");
                let second = file.start_read(1).expect("starts");
                as_driver(|| {
                    let queue = wdf!(WdfDeviceGetDefaultQueue, device());
                    complete(next(queue).expect("the second one"), STATUS_SUCCESS);
                    complete(take(&requests), STATUS_SUCCESS);
                });
                assert_eq!(second.wait().status, STATUS_SUCCESS);
                assert_eq!(first.wait().status, STATUS_SUCCESS);
            });
        },
    );
    in_add(|device| {
        let queue = create_queue(device, queue_config(PARALLEL));
        assert_eq!(next(queue), Err(STATUS_INVALID_DEVICE_STATE));
    });
}

#[test]
fn retrieving_from_a_sequential_queue_without_owning_a_request_is_a_violation() {
    let check = breaks(
        || {
            on("add", |device, _, _| {
                let _ = next(create_queue(device, queue_config(SEQUENTIAL)));
            });
        },
        |_| (),
    );
    assert!(check.message.contains("sequential"), "{check}");
}

#[test]
fn a_queue_belongs_to_the_device_that_its_parent_leads_to() {
    in_add(|device| {
        let mut own = attributes();
        let mut parent = std::ptr::null_mut();
        assert_eq!(
            wdf!(WdfObjectCreate, &raw mut own, &raw mut parent),
            STATUS_SUCCESS
        );
        own.ParentObject = parent;
        let mut config = bare(MANUAL);
        let mut queue = std::ptr::null_mut();
        let status = wdf!(
            WdfIoQueueCreate,
            device,
            &raw mut config,
            &raw mut own,
            &raw mut queue
        );
        assert_eq!(status, STATUS_INVALID_DEVICE_REQUEST);
        let mut child = attributes();
        child.ParentObject = device;
        assert_eq!(
            wdf!(WdfObjectCreate, &raw mut child, &raw mut parent),
            STATUS_SUCCESS
        );
        own.ParentObject = parent;
        let status = wdf!(
            WdfIoQueueCreate,
            device,
            &raw mut config,
            &raw mut own,
            &raw mut queue
        );
        assert_eq!(status, STATUS_SUCCESS);
    });
}

#[test]
fn a_ready_notify_is_taken_back_while_the_queue_is_stopped() {
    works(manual_queue, |bench| {
        bench.process(|process| {
            let queue = QUEUE.get();
            let notify =
                |callback| wdf!(WdfIoQueueReadyNotify, queue, callback, std::ptr::null_mut());
            as_driver(|| {
                assert_eq!(notify(Some(queue_state)), STATUS_SUCCESS);
                wdf!(WdfIoQueueStop, queue, None, std::ptr::null_mut());
                assert_eq!(notify(None), STATUS_SUCCESS);
                wdf!(WdfIoQueueStart, queue);
            });
            let file = process.open(&INTERFACE).expect("opens");
            let pending = file.start_write(&[1]).expect("starts");
            assert_eq!(take_log().len(), 0);
            as_driver(|| complete(next(queue).expect("it waits"), STATUS_SUCCESS));
            assert_eq!(pending.wait().status, STATUS_SUCCESS);
        });
    });
}

#[test]
fn a_stop_with_a_callback_tells_when_the_driver_owns_nothing() {
    works(manual_queue, |bench| {
        bench.process(|process| {
            let queue = QUEUE.get();
            let file = process.open(&INTERFACE).expect("opens");
            let first = file.start_write(&[1]).expect("starts");
            let _second = file.start_write(&[1]).expect("starts");
            let request = as_driver(|| next(queue).expect("it waits"));
            as_driver(|| {
                wdf!(
                    WdfIoQueueStop,
                    queue,
                    Some(queue_state),
                    std::ptr::null_mut()
                );
            });
            assert_eq!(take_log().len(), 0);
            as_driver(|| complete(request, STATUS_SUCCESS));
            assert_eq!(first.wait().status, STATUS_SUCCESS);
            assert_eq!(take_log(), ["state"]);
        });
    });
}

#[test]
fn the_allocation_of_a_queue_can_fail() {
    let attempt = |fail_call: Option<u64>| {
        let config = Config {
            fail_call: fail_call.map(Into::into),
            ..Config::default()
        };
        let set_up = || {
            on("add", |device, _, _| {
                CALLS.set(ntsim::kernel::kernel().fallible_calls());
                MADE.set(
                    try_create_queue(device, bare(MANUAL))
                        .err()
                        .unwrap_or(STATUS_SUCCESS),
                );
            });
        };
        run_with(config, set_up, |_| (CALLS.get(), MADE.get())).expect_finished()
    };
    let (before, made) = attempt(None);
    assert_eq!(made, STATUS_SUCCESS);
    let (_, made) = attempt(Some(before + 1));
    assert_eq!(made, wdk_sys_lite::STATUS_INSUFFICIENT_RESOURCES);
}

#[test]
fn a_purged_queue_that_is_started_again_works_as_before() {
    works(
        || {
            default_queue(queue_config(PARALLEL));
            on("read", |_, request, _| {
                let status = wdf!(
                    WdfRequestMarkCancelableEx,
                    request,
                    Some(crate::harness::request_cancel)
                );
                assert_eq!(status, STATUS_SUCCESS);
            });
            on("cancel", |request, _, _| {
                complete(request, STATUS_CANCELLED);
            });
        },
        |bench| {
            bench.process(|process| {
                let file = process.open(&INTERFACE).expect("opens");
                as_driver(|| {
                    let queue = wdf!(WdfDeviceGetDefaultQueue, device());
                    wdf!(WdfIoQueuePurgeSynchronously, queue);
                    wdf!(WdfIoQueueStart, queue);
                });
                let pending = file.start_read(1).expect("starts");
                assert!(!pending.done());
                assert!(pending.cancel());
                assert_eq!(pending.wait().status, STATUS_CANCELLED);
            });
        },
    );
}

#[test]
fn using_a_request_after_giving_it_back_is_a_violation() {
    let check = breaks(manual_queue, |process| {
        let file = process.open(&INTERFACE).expect("opens");
        let _pending = file.start_read(1);
        as_driver(|| {
            let request = next(QUEUE.get()).expect("it waits");
            let _ = wdf!(WdfRequestRequeue, request);
            complete(request, STATUS_SUCCESS);
        });
    });
    assert!(check.message.contains("not owned by the driver"), "{check}");
}

/// The driver looks while the one request that waits is being cancelled, and finds nothing it can
/// have. The next request must be told of, though the queue was never quite empty.
#[test]
fn ready_notify_loses_nothing_to_a_cancellation_under_way() {
    fn drain() {
        while let Ok(request) = next(QUEUE.get()) {
            complete(request, STATUS_SUCCESS);
        }
    }
    for seed in 1..=300 {
        let config = Config {
            switch_chance: 160,
            ..Config::with_seed(seed)
        };
        run_with(config, manual_queue, |bench| {
            bench.process(|process| {
                let file = Rc::new(process.open(&INTERFACE).expect("opens"));
                let first = file.start_read(1).expect("starts");
                on("state", |_, _, _| {
                    if CALLS.get() > 0 {
                        drain();
                    }
                });
                let callback = Some(queue_state as unsafe extern "C" fn(_, _));
                let notify = || {
                    wdf!(
                        WdfIoQueueReadyNotify,
                        QUEUE.get(),
                        callback,
                        std::ptr::null_mut()
                    )
                };
                assert_eq!(as_driver(notify), STATUS_SUCCESS);
                let shared = Rc::clone(&file);
                let canceller = process.spawn("canceller", move |_| {
                    let _ = shared.cancel_all();
                    std::mem::forget(shared);
                });
                process.sleep(Duration::from_nanos(100 * process.random(10)));
                CALLS.set(1);
                as_driver(drain);
                let second = file.start_read(1).expect("starts").wait().status;
                assert!([STATUS_SUCCESS, STATUS_CANCELLED].contains(&second));
                let _ = first.wait();
                canceller.join();
            });
        })
        .expect_finished();
    }
}
