//! Files: create, cleanup and close, and what they mean for requests.

use std::rc::Rc;

use wdk_sys_lite::{
    _WDF_FILEOBJECT_CLASS as Class, _WDF_IO_QUEUE_DISPATCH_TYPE as Dispatch,
    _WDF_REQUEST_TYPE as RequestType, STATUS_ACCESS_DENIED, STATUS_CANCELLED, STATUS_DEVICE_BUSY,
    STATUS_OBJECT_NAME_NOT_FOUND, STATUS_SUCCESS, STATUS_UNSUCCESSFUL, WDF_FILEOBJECT_CONFIG,
    WDFFILEOBJECT,
};

use crate::harness::{
    INTERFACE, as_driver, attributes, bare, breaks, complete, create_queue, default_queue, device,
    file_cleanup, file_close, file_create, io_default, keep, kept, note, on, queue_config,
    size_in_u32, take, take_log, take_writes, wdf, works,
};

const PARALLEL: i32 = Dispatch::WdfIoQueueDispatchParallel;
const MANUAL: i32 = Dispatch::WdfIoQueueDispatchManual;

pub fn with_files(class: i32) {
    on("init", move |init, _, _| {
        let mut config = WDF_FILEOBJECT_CONFIG {
            Size: size_in_u32::<WDF_FILEOBJECT_CONFIG>(),
            EvtDeviceFileCreate: Some(file_create),
            EvtFileClose: Some(file_close),
            EvtFileCleanup: Some(file_cleanup),
            AutoForwardCleanupClose: 2,
            FileObjectClass: class,
        };
        let mut own = attributes();
        wdf!(
            WdfDeviceInitSetFileObjectConfig,
            init.cast(),
            &raw mut config,
            &raw mut own
        );
    });
    on("create", |_, request, _| complete(request, STATUS_SUCCESS));
}

fn irql() -> u8 {
    ntsim::kernel::kernel().sched.current().irql()
}

#[test]
fn a_file_is_created_cleaned_up_and_closed() {
    works(
        || {
            with_files(Class::WdfFileObjectWdfCannotUseFsContexts);
            default_queue(queue_config(PARALLEL));
            on("create", |file, request, [made_on, ..]| {
                assert_eq!(irql(), 0);
                assert_eq!(made_on, device().addr());
                assert_eq!(wdf!(WdfFileObjectGetDevice, file), device());
                assert_eq!(wdf!(WdfRequestGetFileObject, request), file);
                assert!(wdf!(WdfRequestGetIoQueue, request).is_null());
                assert!(!wdf!(WdfFileObjectWdmGetFileObject, file).is_null());
                complete(request, STATUS_SUCCESS);
            });
            on("cleanup", |_, _, _| assert_eq!(irql(), 0));
            on("close", |_, _, _| assert_eq!(irql(), 0));
            on("write", |_, request, _| {
                assert!(!wdf!(WdfRequestGetFileObject, request).is_null());
                complete(request, STATUS_SUCCESS);
            });
        },
        |bench| {
            bench.process(|process| {
                let file = process.open(&INTERFACE).expect("opens");
                assert_eq!(file.write(&[1]), Ok(0));
                file.close();
                assert_eq!(take_log(), ["create", "write", "cleanup", "close"]);
            });
        },
    );
}

#[test]
fn each_handle_has_a_file_object_of_its_own() {
    works(
        || {
            with_files(Class::WdfFileObjectWdfCanUseFsContext);
            default_queue(queue_config(PARALLEL));
            take_writes();
        },
        |bench| {
            bench.process(|process| {
                let first = process.open(&INTERFACE).expect("opens");
                let second = process.open(&INTERFACE).expect("opens");
                drop(first);
                assert_eq!(take_log(), ["create", "create", "cleanup", "close"]);
                assert_eq!(second.write(&[1]), Ok(1));
            });
        },
    );
}

#[test]
fn a_create_that_fails_has_neither_cleanup_nor_close() {
    works(
        || {
            with_files(Class::WdfFileObjectWdfCannotUseFsContexts);
            on("create", |_, request, _| {
                complete(request, STATUS_UNSUCCESSFUL);
            });
        },
        |bench| {
            bench.process(|process| {
                assert_eq!(process.open(&INTERFACE).err(), Some(STATUS_UNSUCCESSFUL));
                assert_eq!(take_log(), ["create"]);
            });
        },
    );
}

#[test]
fn a_create_may_be_completed_later() {
    works(
        || {
            with_files(Class::WdfFileObjectWdfCannotUseFsContexts);
            default_queue(queue_config(PARALLEL));
        },
        |bench| {
            let requests = kept();
            keep("create", &requests);
            let opener = bench.system.spawn_process("process", |process| {
                assert!(process.open(&INTERFACE).is_ok());
            });
            let request = crate::harness::wait_for(bench.system, &requests);
            as_driver(|| complete(request, STATUS_SUCCESS));
            opener.join();
        },
    );
}

#[test]
fn creates_go_to_the_queue_that_is_configured_for_them() {
    works(
        || {
            on("add", |device, _, _| {
                let mut config = bare(PARALLEL);
                config.EvtIoDefault = Some(io_default);
                let queue = create_queue(device, config);
                let status = wdf!(
                    WdfDeviceConfigureRequestDispatching,
                    device,
                    queue,
                    RequestType::WdfRequestTypeCreate
                );
                assert_eq!(status, STATUS_SUCCESS);
                on("default", move |from, request, _| {
                    assert_eq!(from, queue);
                    complete(request, STATUS_SUCCESS);
                });
            });
        },
        |bench| {
            bench.process(|process| {
                drop(process.open(&INTERFACE).expect("opens"));
                assert_eq!(take_log(), ["default"]);
            });
        },
    );
}

#[test]
fn a_default_queue_gets_no_creates() {
    works(
        || {
            let mut config = bare(PARALLEL);
            config.DefaultQueue = 1;
            config.EvtIoDefault = Some(io_default);
            default_queue(config);
        },
        |bench| {
            bench.process(|process| {
                drop(process.open(&INTERFACE).expect("opens"));
                assert_eq!(take_log().len(), 0);
            });
        },
    );
}

#[test]
fn without_file_objects_the_callbacks_get_a_null_handle() {
    works(
        || {
            with_files(Class::WdfFileObjectNotRequired);
            default_queue(queue_config(PARALLEL));
            on("create", |file, request, _| {
                assert!(file.is_null());
                assert!(wdf!(WdfRequestGetFileObject, request).is_null());
                complete(request, STATUS_SUCCESS);
            });
            on("close", |file, _, _| assert!(file.is_null()));
        },
        |bench| {
            bench.process(|process| {
                process.open(&INTERFACE).expect("opens").close();
                assert_eq!(take_log(), ["create", "cleanup", "close"]);
            });
        },
    );
}

#[test]
fn an_exclusive_device_is_opened_once_at_a_time() {
    works(
        || {
            on("init", |init, _, _| {
                wdf!(WdfDeviceInitSetExclusive, init.cast(), 1);
            });
            default_queue(queue_config(PARALLEL));
        },
        |bench| {
            bench.process(|process| {
                let first = process.open(&INTERFACE).expect("opens");
                assert_eq!(process.open(&INTERFACE).err(), Some(STATUS_ACCESS_DENIED));
                first.close();
                assert!(process.open(&INTERFACE).is_ok());
            });
        },
    );
}

#[test]
fn an_interface_that_nobody_has_enabled_cannot_be_opened() {
    works(
        || (),
        |bench| {
            bench.process(|process| {
                let mut other = INTERFACE;
                other.Data1 += 1;
                assert_eq!(
                    process.open(&other).err(),
                    Some(STATUS_OBJECT_NAME_NOT_FOUND)
                );
            });
        },
    );
}

#[test]
fn closing_a_handle_cancels_what_waits_on_it_and_nothing_else() {
    works(
        || {
            on("add", |device, _, _| {
                create_queue(device, queue_config(MANUAL));
            });
        },
        |bench| {
            bench.process(|process| {
                let first = process.open(&INTERFACE).expect("opens");
                let second = process.open(&INTERFACE).expect("opens");
                let gone = first.start_read(1).expect("starts");
                let stays = second.start_read(1).expect("starts");
                drop(first);
                assert_eq!(gone.wait().status, STATUS_CANCELLED);
                assert!(!stays.done());
            });
        },
    );
}

#[test]
fn the_close_waits_for_the_last_request() {
    works(
        || {
            with_files(Class::WdfFileObjectWdfCannotUseFsContexts);
            default_queue(queue_config(PARALLEL));
        },
        |bench| {
            bench.process(|process| {
                let requests = kept();
                keep("read", &requests);
                let file = process.open(&INTERFACE).expect("opens");
                let pending = file.start_read(1).expect("starts");
                drop(file);
                process.sleep(std::time::Duration::from_millis(1));
                assert_eq!(take_log(), ["create", "read", "cleanup"]);
                as_driver(|| complete(take(&requests), STATUS_SUCCESS));
                assert_eq!(pending.wait().status, STATUS_SUCCESS);
                process.sleep(std::time::Duration::from_millis(1));
                assert_eq!(take_log(), ["close"]);
            });
        },
    );
}

#[test]
fn the_last_thread_of_a_process_takes_its_handles_with_it() {
    works(
        || {
            with_files(Class::WdfFileObjectWdfCannotUseFsContexts);
            default_queue(queue_config(PARALLEL));
            take_writes();
        },
        |bench| {
            bench.process(|process| {
                let file = Rc::new(process.open(&INTERFACE).expect("opens"));
                let shared = Rc::clone(&file);
                let other = process.spawn("second thread", move |_| {
                    assert_eq!(shared.write(&[1]), Ok(1));
                    std::mem::forget(shared);
                });
                other.join();
                note("threads done");
                std::mem::forget(file);
            });
            assert_eq!(
                take_log(),
                ["create", "write", "threads done", "cleanup", "close"]
            );
        },
    );
}

#[test]
fn requests_of_a_file_can_be_retrieved_by_it() {
    works(
        || {
            with_files(Class::WdfFileObjectWdfCannotUseFsContexts);
            on("add", |device, _, _| {
                create_queue(device, queue_config(MANUAL));
            });
        },
        |bench| {
            bench.process(|process| {
                let files = kept();
                let slot = Rc::clone(&files);
                on("create", move |file, request, _| {
                    slot.borrow_mut().push(file);
                    complete(request, STATUS_SUCCESS);
                });
                let first = process.open(&INTERFACE).expect("opens");
                let second = process.open(&INTERFACE).expect("opens");
                let of_first = first.start_read(1).expect("starts");
                let of_second = second.start_read(1).expect("starts");
                let handle: WDFFILEOBJECT = files.borrow()[1];
                as_driver(|| {
                    let queue = wdf!(WdfDeviceGetDefaultQueue, device());
                    let mut request = std::ptr::null_mut();
                    let status = wdf!(
                        WdfIoQueueRetrieveRequestByFileObject,
                        queue,
                        handle,
                        &raw mut request
                    );
                    assert_eq!(status, STATUS_SUCCESS);
                    complete(request, STATUS_SUCCESS);
                    let status = wdf!(
                        WdfIoQueueRetrieveRequestByFileObject,
                        queue,
                        handle,
                        &raw mut request
                    );
                    assert_ne!(status, STATUS_SUCCESS);
                });
                assert_eq!(of_second.wait().status, STATUS_SUCCESS);
                assert!(!of_first.done());
            });
        },
    );
}

#[test]
fn an_open_device_is_not_removed_in_an_orderly_way() {
    works(
        || default_queue(queue_config(PARALLEL)),
        |bench| {
            let (system, pdo) = (bench.system, bench.pdo);
            let stop = Rc::new(std::cell::Cell::new(false));
            let seen = Rc::clone(&stop);
            let opener = system.spawn_process("process", move |process| {
                let _file = process.open(&INTERFACE).expect("opens");
                note("open");
                while !seen.get() {
                    process.sleep(std::time::Duration::from_micros(10));
                }
            });
            while !take_log().contains(&"open".to_owned()) {
                system.sleep(std::time::Duration::from_micros(1));
            }
            assert_eq!(system.remove_device(pdo), Err(STATUS_DEVICE_BUSY));
            stop.set(true);
            opener.join();
            assert_eq!(system.remove_device(pdo), Ok(()));
        },
    );
}

#[test]
fn a_file_object_used_after_its_close_is_a_violation() {
    let check = breaks(
        || {
            with_files(Class::WdfFileObjectWdfCannotUseFsContexts);
            default_queue(queue_config(PARALLEL));
            let files = kept();
            let slot = Rc::clone(&files);
            on("create", move |file, request, _| {
                slot.borrow_mut().push(file);
                complete(request, STATUS_SUCCESS);
            });
            on("read", move |_, _, _| {
                let _ = wdf!(WdfFileObjectGetDevice, files.borrow()[0]);
            });
        },
        |process| {
            process.open(&INTERFACE).expect("opens").close();
            let file = process.open(&INTERFACE).expect("opens");
            let _ = file.read(1);
        },
    );
    assert_eq!(check.parameters[0], 5, "{check}");
}
