//! Completion and ownership of requests.

use ntsim::{Config, StopCode};
use wdk_sys_lite::{
    _WDF_IO_QUEUE_DISPATCH_TYPE as Dispatch, _WDF_REQUEST_TYPE as RequestType, NTSTATUS,
    STATUS_SUCCESS, STATUS_UNSUCCESSFUL, WDF_REQUEST_PARAMETERS, WDFREQUEST,
};

use crate::harness::{
    INTERFACE, attributes, breaks, complete, default_queue, in_caller_context, note, on,
    queue_config, run_with, take_log, wdf, works,
};

const PARALLEL: i32 = Dispatch::WdfIoQueueDispatchParallel;

fn parameters(request: WDFREQUEST) -> WDF_REQUEST_PARAMETERS {
    // SAFETY: integers and pointers only.
    let mut parameters: WDF_REQUEST_PARAMETERS = unsafe { std::mem::zeroed() };
    parameters.Size = u16::try_from(size_of::<WDF_REQUEST_PARAMETERS>()).unwrap_or(0);
    wdf!(WdfRequestGetParameters, request, &raw mut parameters);
    parameters
}

fn read_breaks(act: impl Fn(WDFREQUEST) + Send + 'static) -> ntsim::BugCheck {
    breaks(
        || {
            default_queue(queue_config(PARALLEL));
            on("read", move |_, request, _| act(request));
        },
        |process| {
            let file = process.open(&INTERFACE).expect("opens");
            let _ = file.read(1);
        },
    )
}

#[test]
fn a_request_tells_what_it_asks_for() {
    works(
        || {
            default_queue(queue_config(PARALLEL));
            on("read", |_, request, _| {
                let parameters = parameters(request);
                assert_eq!(parameters.Type, RequestType::WdfRequestTypeRead);
                // SAFETY: a read's parameters.
                assert_eq!(unsafe { parameters.Parameters.Read.Length }, 5);
                assert_eq!(wdf!(WdfRequestGetRequestorMode, request), 1);
                assert_eq!(wdf!(WdfRequestIsFrom32BitProcess, request), 0);
                assert!(!wdf!(WdfRequestWdmGetIrp, request).is_null());
                wdf!(WdfRequestSetInformation, request, 2);
                assert_eq!(wdf!(WdfRequestGetInformation, request), 2);
                complete(request, STATUS_SUCCESS);
            });
            on("control", |_, request, [output, input, code]| {
                let parameters = parameters(request);
                assert_eq!(parameters.Type, RequestType::WdfRequestTypeDeviceControl);
                // SAFETY: a device control's parameters.
                let control = unsafe { parameters.Parameters.DeviceIoControl };
                assert_eq!(
                    (
                        control.OutputBufferLength,
                        control.InputBufferLength,
                        control.IoControlCode as usize
                    ),
                    (output, input, code)
                );
                wdf!(
                    WdfRequestCompleteWithPriorityBoost,
                    request,
                    STATUS_SUCCESS,
                    0
                );
            });
        },
        |bench| {
            bench.process(|process| {
                let file = process.open(&INTERFACE).expect("opens");
                assert_eq!(file.read(5).map(|data| data.len()), Ok(2));
                assert_eq!(file.ioctl(0x22_2000, &[1, 2], 3), Ok(vec![]));
            });
        },
    );
}

#[test]
fn completing_twice_is_a_violation() {
    let check = read_breaks(|request| {
        complete(request, STATUS_SUCCESS);
        complete(request, STATUS_SUCCESS);
    });
    assert_eq!(
        (check.code, check.parameters[0]),
        (StopCode::WDF_VIOLATION, 5)
    );
    assert!(check.message.contains("an object that is gone"), "{check}");
}

#[test]
fn completing_twice_with_a_reference_is_a_violation_too() {
    let check = read_breaks(|request| {
        wdf!(
            WdfObjectReferenceActual,
            request,
            std::ptr::null_mut(),
            0,
            std::ptr::null()
        );
        complete(request, STATUS_SUCCESS);
        complete(request, STATUS_SUCCESS);
    });
    assert_eq!(
        (check.code, check.parameters[0]),
        (StopCode::WDF_VIOLATION, 6)
    );
    assert!(check.message.contains("completed twice"), "{check}");
    let [(event, stack)] = check.history.as_slice() else {
        panic!("who completed it first is not known: {check:?}")
    };
    assert_eq!(*event, "completed first");
    assert!(stack.to_string().contains("tests/io/"), "{stack}");
}

#[test]
fn a_buffer_asked_for_after_completion_is_a_violation() {
    let check = read_breaks(|request| {
        wdf!(
            WdfObjectReferenceActual,
            request,
            std::ptr::null_mut(),
            0,
            std::ptr::null()
        );
        complete(request, STATUS_SUCCESS);
        let _ = crate::harness::output(request, 0);
    });
    assert_eq!(
        (check.code, check.parameters[0]),
        (StopCode::WDF_VIOLATION, 3)
    );
}

#[test]
fn a_transfers_offset_and_a_creates_options_are_the_programs() {
    works(
        || {
            crate::files::with_files(
                wdk_sys_lite::_WDF_FILEOBJECT_CLASS::WdfFileObjectWdfCannotUseFsContexts,
            );
            default_queue(queue_config(PARALLEL));
            on("create", |_, request, _| {
                // SAFETY: a create's parameters.
                let create = unsafe { parameters(request).Parameters.Create };
                assert_eq!(
                    (create.Options, create.FileAttributes, create.ShareAccess),
                    (0x0100_0040, 0x80, 3)
                );
                complete(request, STATUS_SUCCESS);
            });
            on("read", |_, request, _| {
                // SAFETY: a read's parameters.
                let read = unsafe { parameters(request).Parameters.Read };
                assert_eq!((read.Length, read.DeviceOffset), (5, 0x1_0000_0002));
                complete(request, STATUS_SUCCESS);
            });
            on("write", |_, request, _| {
                // SAFETY: a write's parameters.
                let write = unsafe { parameters(request).Parameters.Write };
                assert_eq!((write.Length, write.DeviceOffset), (3, 7));
                complete(request, STATUS_SUCCESS);
            });
        },
        |bench| {
            bench.process(|process| {
                let file = process.open(&INTERFACE).expect("opens");
                let read = file.start_read_at(0x1_0000_0002, vec![0; 5]);
                assert_eq!(read.expect("starts").wait().status, STATUS_SUCCESS);
                let write = file.start_write_at(7, b"abc");
                assert_eq!(write.expect("starts").wait().status, STATUS_SUCCESS);
            });
        },
    );
}

#[test]
fn parameters_of_the_wrong_size_are_a_violation() {
    let check = read_breaks(|request| {
        // SAFETY: integers and pointers only.
        let mut parameters: WDF_REQUEST_PARAMETERS = unsafe { std::mem::zeroed() };
        wdf!(WdfRequestGetParameters, request, &raw mut parameters);
    });
    assert!(check.message.contains("Size"), "{check}");
}

#[test]
fn a_driver_must_not_delete_a_request() {
    let check = read_breaks(|request| wdf!(WdfObjectDelete, request));
    assert_eq!(
        (check.code, check.parameters[0]),
        (StopCode::WDF_VIOLATION, 7)
    );
}

#[test]
fn acknowledging_a_stop_that_nobody_asked_for_is_a_violation() {
    let check = read_breaks(|request| wdf!(WdfRequestStopAcknowledge, request, 1));
    assert!(check.message.contains("outside EvtIoStop"), "{check}");
}

#[test]
fn a_reference_that_outlives_the_driver_is_found_at_its_unload() {
    let report = run_with(
        Config::default(),
        || {
            default_queue(queue_config(PARALLEL));
            on("read", |_, request, _| {
                wdf!(
                    WdfObjectReferenceActual,
                    request,
                    std::ptr::null_mut(),
                    0,
                    std::ptr::null()
                );
                complete(request, STATUS_SUCCESS);
            });
        },
        |bench| {
            bench.process(|process| {
                let file = process.open(&INTERFACE).expect("opens");
                let _ = file.read(1);
            });
        },
    );
    let check = report.expect_bug_check();
    assert_eq!(
        (check.code, check.parameters[0]),
        (StopCode::WDF_VIOLATION, 7)
    );
    assert!(check.message.contains("WDFREQUEST"), "{check}");
}

static CONTEXT: ContextType = ContextType(wdk_sys_lite::WDF_OBJECT_CONTEXT_TYPE_INFO {
    Size: crate::harness::size_in_u32::<wdk_sys_lite::WDF_OBJECT_CONTEXT_TYPE_INFO>(),
    ContextName: c"RequestContext".as_ptr(),
    ContextSize: 16,
    UniqueType: std::ptr::null(),
    EvtDriverGetUniqueContextType: None,
});

struct ContextType(wdk_sys_lite::WDF_OBJECT_CONTEXT_TYPE_INFO);

// SAFETY: its pointers lead to constants.
unsafe impl Sync for ContextType {}

unsafe extern "C" fn cleanup(_object: wdk_sys_lite::WDFOBJECT) {
    note("request cleanup");
}

unsafe extern "C" fn destroy(_object: wdk_sys_lite::WDFOBJECT) {
    note("request destroy");
}

fn context_of(request: WDFREQUEST) -> *mut u64 {
    wdf!(
        WdfObjectGetTypedContextWorker,
        request,
        &raw const CONTEXT.0
    )
    .cast()
}

#[test]
fn each_request_has_a_zeroed_context_that_lives_until_its_completion() {
    works(
        || {
            on("init", |init, _, _| {
                let mut own = attributes();
                own.ContextTypeInfo = &raw const CONTEXT.0;
                own.EvtCleanupCallback = Some(cleanup);
                own.EvtDestroyCallback = Some(destroy);
                wdf!(WdfDeviceInitSetRequestAttributes, init.cast(), &raw mut own);
            });
            default_queue(queue_config(PARALLEL));
            on("read", |_, request, _| {
                let context = context_of(request);
                // SAFETY: the context has 16 bytes, and the request is not completed.
                unsafe {
                    assert_eq!(context.read(), 0);
                    context.write(0xFFFF);
                }
                note("completing");
                complete(request, STATUS_SUCCESS);
                note("completed");
            });
        },
        |bench| {
            bench.process(|process| {
                let file = process.open(&INTERFACE).expect("opens");
                for _ in 0..3 {
                    assert_eq!(file.read(1), Ok(vec![]));
                    assert_eq!(
                        take_log(),
                        [
                            "read",
                            "completing",
                            "request cleanup",
                            "request destroy",
                            "completed"
                        ]
                    );
                }
            });
        },
    );
}

/// The framework clears both callbacks of a request that the driver has never seen
/// (`core/fxrequest.cpp` 724).
#[test]
fn a_request_that_was_never_presented_ends_unheard() {
    works(
        || {
            on("init", |init, _, _| {
                let mut own = attributes();
                own.EvtCleanupCallback = Some(cleanup);
                own.EvtDestroyCallback = Some(destroy);
                wdf!(WdfDeviceInitSetRequestAttributes, init.cast(), &raw mut own);
            });
            let mut config = queue_config(PARALLEL);
            config.AllowZeroLengthRequests = 0;
            default_queue(config);
        },
        |bench| {
            bench.process(|process| {
                let file = process.open(&INTERFACE).expect("opens");
                assert_eq!(file.write(&[]), Ok(0));
                assert_eq!(take_log(), Vec::<String>::new());
            });
            bench.system.power_down(bench.pdo).expect("goes to sleep");
            bench.process(|process| {
                let file = process.open(&INTERFACE).expect("opens");
                // It waits in the queue, and is cancelled there.
                let pending = file.start_read(1).expect("starts");
                assert!(pending.cancel());
                assert!(pending.wait().status < 0);
                assert_eq!(take_log(), Vec::<String>::new());
            });
            bench.system.power_up(bench.pdo).expect("wakes up");
        },
    );
}

fn caller_context() {
    on("init", |init, _, _| {
        wdf!(
            WdfDeviceInitSetIoInCallerContextCallback,
            init.cast(),
            Some(in_caller_context)
        );
    });
    default_queue(queue_config(PARALLEL));
}

#[test]
fn the_callers_context_may_complete_a_request_or_pass_it_on() {
    works(
        || {
            caller_context();
            on("caller context", |device, request, _| {
                assert!(wdf!(WdfRequestGetIoQueue, request).is_null());
                if parameters(request).Type == RequestType::WdfRequestTypeRead {
                    complete(request, STATUS_UNSUCCESSFUL);
                } else {
                    assert_eq!(
                        wdf!(WdfDeviceEnqueueRequest, device, request),
                        STATUS_SUCCESS
                    );
                }
            });
            on("write", |_, request, _| complete(request, STATUS_SUCCESS));
        },
        |bench| {
            bench.process(|process| {
                let file = process.open(&INTERFACE).expect("opens");
                assert_eq!(file.read(1), Err(STATUS_UNSUCCESSFUL));
                assert_eq!(file.write(&[1]), Ok(0));
                assert_eq!(take_log(), ["caller context", "caller context", "write"]);
            });
        },
    );
}

#[test]
fn enqueueing_a_request_twice_is_a_violation() {
    let check = breaks(
        || {
            caller_context();
            on("caller context", |device, request, _| {
                for _ in 0..2 {
                    let _: NTSTATUS = wdf!(WdfDeviceEnqueueRequest, device, request);
                }
            });
        },
        |process| {
            let file = process.open(&INTERFACE).expect("opens");
            let _ = file.read(1);
        },
    );
    assert!(
        check.message.contains("outside EvtIoInCallerContext"),
        "{check}"
    );
}

#[test]
fn a_create_has_no_buffers() {
    let check = breaks(
        || {
            on("add", |device, _, _| {
                let mut config = crate::harness::bare(PARALLEL);
                config.EvtIoDefault = Some(crate::harness::io_default);
                let queue = crate::harness::create_queue(device, config);
                let create = RequestType::WdfRequestTypeCreate;
                assert_eq!(
                    wdf!(WdfDeviceConfigureRequestDispatching, device, queue, create),
                    STATUS_SUCCESS
                );
            });
            on("default", |_, request, _| {
                assert_eq!(parameters(request).Type, RequestType::WdfRequestTypeCreate);
                let _ = crate::harness::input(request, 0);
            });
        },
        |process| {
            let _ = process.open(&INTERFACE);
        },
    );
    assert!(
        check.message.contains("input buffer of a create"),
        "{check}"
    );
}

#[test]
fn the_framework_gives_no_buffer_of_a_neither_read() {
    let check = breaks(
        || {
            on("init", |init, _, _| {
                let neither = wdk_sys_lite::_WDF_DEVICE_IO_TYPE::WdfDeviceIoNeither;
                wdf!(WdfDeviceInitSetIoType, init.cast(), neither);
            });
            default_queue(queue_config(PARALLEL));
            on("read", |_, request, _| {
                let _ = crate::harness::output(request, 0);
            });
        },
        |process| {
            let file = process.open(&INTERFACE).expect("opens");
            let _ = file.read(1);
        },
    );
    assert!(check.message.contains("WdfDeviceIoNeither"), "{check}");
}

#[test]
fn a_request_of_the_callers_context_is_not_cancelable() {
    for ex in [false, true] {
        let check = breaks(
            move || {
                caller_context();
                on("caller context", move |_, request, _| {
                    if ex {
                        let _ = wdf!(
                            WdfRequestMarkCancelableEx,
                            request,
                            Some(crate::harness::request_cancel)
                        );
                    } else {
                        wdf!(
                            WdfRequestMarkCancelable,
                            request,
                            Some(crate::harness::request_cancel)
                        );
                    }
                });
            },
            |process| {
                let file = process.open(&INTERFACE).expect("opens");
                let _ = file.read(1);
            },
        );
        assert!(check.message.contains("is in no queue"), "{check}");
    }
}

#[test]
fn enqueueing_a_request_that_no_queue_is_for_is_a_violation() {
    let check = breaks(
        || {
            on("init", |init, _, _| {
                wdf!(
                    WdfDeviceInitSetIoInCallerContextCallback,
                    init.cast(),
                    Some(in_caller_context)
                );
            });
            on("caller context", |device, request, _| {
                let _ = wdf!(WdfDeviceEnqueueRequest, device, request);
            });
        },
        |process| {
            let file = process.open(&INTERFACE).expect("opens");
            let _ = file.read(1);
        },
    );
    assert!(check.message.contains("there is no queue"), "{check}");
}

#[test]
fn a_completed_request_has_no_information_mode_packet_or_parameters() {
    let asks: [fn(WDFREQUEST); 6] = [
        |request| wdf!(WdfRequestSetInformation, request, 1),
        |request| {
            let _ = wdf!(WdfRequestGetInformation, request);
        },
        |request| {
            let _ = wdf!(WdfRequestGetRequestorMode, request);
        },
        |request| {
            let _ = wdf!(WdfRequestWdmGetIrp, request);
        },
        |request| {
            let _ = parameters(request);
        },
        |request| {
            let _ = wdf!(WdfRequestGetFileObject, request);
        },
    ];
    for ask in asks {
        let check = read_breaks(move |request| {
            wdf!(
                WdfObjectReferenceActual,
                request,
                std::ptr::null_mut(),
                0,
                std::ptr::null()
            );
            complete(request, STATUS_SUCCESS);
            ask(request);
        });
        assert_eq!(
            (check.code, check.parameters[0]),
            (StopCode::WDF_VIOLATION, 3)
        );
    }
}

#[test]
fn a_null_pointer_where_the_framework_needs_one_is_a_violation() {
    let calls: [fn(WDFREQUEST); 7] = [
        |request| wdf!(WdfRequestGetParameters, request, std::ptr::null_mut()),
        |request| wdf!(WdfRequestMarkCancelable, request, None),
        |request| {
            let _ = wdf!(
                WdfRequestRetrieveInputBuffer,
                request,
                0,
                std::ptr::null_mut(),
                std::ptr::null_mut()
            );
        },
        |request| {
            let _ = wdf!(
                WdfRequestRetrieveOutputBuffer,
                request,
                0,
                std::ptr::null_mut(),
                std::ptr::null_mut()
            );
        },
        |request| {
            let _ = wdf!(
                WdfRequestRetrieveOutputMemory,
                request,
                std::ptr::null_mut()
            );
        },
        |request| {
            let _ = wdf!(
                WdfRequestRetrieveOutputWdmMdl,
                request,
                std::ptr::null_mut()
            );
        },
        |request| {
            let queue = wdf!(WdfRequestGetIoQueue, request);
            let _ = wdf!(WdfIoQueueRetrieveNextRequest, queue, std::ptr::null_mut());
        },
    ];
    for call in calls {
        let check = read_breaks(call);
        assert_eq!(
            (check.code, check.parameters[0]),
            (StopCode::WDF_VIOLATION, 4)
        );
    }
}

#[test]
fn a_request_counts_as_left_behind_until_it_is_completed() {
    works(
        || default_queue(queue_config(PARALLEL)),
        |bench| {
            let requests = crate::harness::kept();
            crate::harness::keep("read", &requests);
            let driver = ntsim::wdf::object::any(crate::harness::device()).driver;
            let reader = bench.system.spawn_process("reader", |process| {
                let file = process.open(&INTERFACE).expect("opens");
                let _ = file.read(1);
            });
            let request = crate::harness::wait_for(bench.system, &requests);
            let left =
                |leaks: Vec<ntsim::kernel::Leak>| leaks.iter().any(|leak| leak.kind == "request");
            assert!(left(bench.system.leaks(driver)));
            crate::harness::as_driver(|| complete(request, STATUS_SUCCESS));
            reader.join();
            assert!(!left(bench.system.leaks(driver)));
        },
    );
}

#[test]
fn a_system_service_must_return_at_passive_level() {
    let check = breaks(
        || default_queue(queue_config(PARALLEL)),
        |process| {
            let file = process.open(&INTERFACE).expect("opens");
            ntsim::kernel::kernel().sched.set_irql(2);
            let _ = file.cancel_all();
        },
    );
    assert_eq!(check.code, StopCode::IRQL_GT_ZERO_AT_SYSTEM_SERVICE);
}

#[test]
fn a_request_that_its_queue_does_not_accept_stays_with_the_callers_context() {
    works(
        || {
            caller_context();
            on("caller context", |device, request, _| {
                let queue = wdf!(WdfDeviceGetDefaultQueue, device);
                wdf!(WdfIoQueueDrain, queue, None, std::ptr::null_mut());
                let busy = 0xC020_0204_u32.cast_signed();
                assert_eq!(wdf!(WdfDeviceEnqueueRequest, device, request), busy);
                assert_eq!(wdf!(WdfDeviceEnqueueRequest, device, request), busy);
                complete(request, STATUS_UNSUCCESSFUL);
            });
        },
        |bench| {
            bench.process(|process| {
                let file = process.open(&INTERFACE).expect("opens");
                assert_eq!(file.read(1), Err(STATUS_UNSUCCESSFUL));
            });
        },
    );
}

#[test]
fn using_a_request_after_enqueueing_it_is_a_violation() {
    let check = breaks(
        || {
            on("init", |init, _, _| {
                wdf!(
                    WdfDeviceInitSetIoInCallerContextCallback,
                    init.cast(),
                    Some(in_caller_context)
                );
            });
            default_queue(queue_config(Dispatch::WdfIoQueueDispatchManual));
            on("caller context", |device, request, _| {
                let _: NTSTATUS = wdf!(WdfDeviceEnqueueRequest, device, request);
                complete(request, STATUS_SUCCESS);
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
fn a_wait_with_a_timeout_gives_the_request_back() {
    works(
        || default_queue(queue_config(Dispatch::WdfIoQueueDispatchManual)),
        |bench| {
            bench.process(|process| {
                let file = process.open(&INTERFACE).expect("opens");
                let pending = file.start_read(1).expect("starts");
                let Err(pending) = pending.wait_for(std::time::Duration::from_micros(10)) else {
                    panic!("nobody has completed it")
                };
                assert!(pending.cancel());
                let ended = pending.wait_for(std::time::Duration::from_secs(1));
                assert!(ended.is_ok_and(|ended| ended.status == wdk_sys_lite::STATUS_CANCELLED));
            });
        },
    );
}
