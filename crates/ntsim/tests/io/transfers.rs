//! Buffers: how data reaches a driver and comes back, and what the driver may say of it.

use ntsim::{Config, Outcome, StopCode};
use wdk_sys_lite::{
    _WDF_DEVICE_IO_TYPE as IoType, _WDF_IO_QUEUE_DISPATCH_TYPE as Dispatch, METHOD_BUFFERED,
    METHOD_IN_DIRECT, METHOD_NEITHER, METHOD_OUT_DIRECT, STATUS_BUFFER_OVERFLOW,
    STATUS_BUFFER_TOO_SMALL, STATUS_INVALID_DEVICE_REQUEST, STATUS_PENDING, STATUS_SUCCESS,
    STATUS_UNSUCCESSFUL, WDF_IO_TYPE_CONFIG,
};

use crate::harness::{
    breaks, complete, complete_with, default_queue, in_caller_context, input, on, output,
    queue_config, run_with, size_in_u32, take_writes, wdf, works,
};

const PARALLEL: i32 = Dispatch::WdfIoQueueDispatchParallel;

fn io_type(read_write: i32) {
    on("init", move |init, _, _| {
        let mut config = WDF_IO_TYPE_CONFIG {
            Size: size_in_u32::<WDF_IO_TYPE_CONFIG>(),
            ReadWriteIoType: read_write,
            DeviceControlIoType: IoType::WdfDeviceIoBuffered,
            DirectTransferThreshold: 0,
        };
        wdf!(WdfDeviceInitSetIoTypeEx, init.cast(), &raw mut config);
    });
}

fn code(method: u32) -> u32 {
    0x22 << 16 | 0x800 << 2 | method
}

/// Reads give 1, 2, 3 …; writes must be 0, 1, 2 ….
fn count_both_ways() {
    default_queue(queue_config(PARALLEL));
    on("read", |_, request, numbers| {
        let buffer = output(request, 1).expect("an output buffer");
        assert_eq!(buffer.len(), numbers[0]);
        for (place, value) in buffer.iter_mut().zip(1..) {
            *place = value;
        }
        complete_with(request, STATUS_SUCCESS, numbers[0] as u64);
    });
    on("write", |_, request, numbers| {
        let buffer = input(request, 1).expect("an input buffer");
        assert!(
            buffer
                .iter()
                .copied()
                .eq((0..=255).cycle().take(numbers[0]))
        );
        complete_with(request, STATUS_SUCCESS, buffer.len() as u64);
    });
}

#[test]
fn reads_and_writes_carry_their_data_in_every_io_type() {
    for read_write in [IoType::WdfDeviceIoBuffered, IoType::WdfDeviceIoDirect] {
        works(
            move || {
                io_type(read_write);
                count_both_ways();
            },
            |bench| {
                bench.process(|process| {
                    let file = process.open(&crate::harness::INTERFACE).expect("opens");
                    assert_eq!(file.read(4), Ok(vec![1, 2, 3, 4]));
                    let data: Vec<u8> = (0..=255).cycle().take(10_000).collect();
                    assert_eq!(file.write(&data), Ok(10_000));
                });
            },
        );
    }
}

#[test]
fn a_device_control_carries_its_data_by_each_method() {
    for method in [METHOD_BUFFERED, METHOD_IN_DIRECT, METHOD_OUT_DIRECT] {
        works(
            || {
                default_queue(queue_config(PARALLEL));
                on("control", |_, request, [output_length, input_length, _]| {
                    let sum: u8 = input(request, 1).expect("an input buffer").iter().sum();
                    assert_eq!(input(request, 1).map(<[u8]>::len), Ok(input_length));
                    let buffer = output(request, 1).expect("an output buffer");
                    assert_eq!(buffer.len(), output_length);
                    buffer[0] = sum;
                    complete_with(request, STATUS_SUCCESS, 1);
                });
            },
            move |bench| {
                bench.process(move |process| {
                    let file = process.open(&crate::harness::INTERFACE).expect("opens");
                    assert_eq!(file.ioctl(code(method), &[1, 2, 3], 8), Ok(vec![6]));
                });
            },
        );
    }
}

#[test]
fn the_driver_reads_the_second_buffer_of_an_in_direct_control() {
    works(
        || {
            default_queue(queue_config(PARALLEL));
            on("control", |_, request, _| {
                let sum: usize = output(request, 1)
                    .expect("the second buffer")
                    .iter()
                    .map(|byte| usize::from(*byte))
                    .sum();
                complete_with(request, STATUS_SUCCESS, sum as u64);
            });
        },
        |bench| {
            bench.process(|process| {
                let file = process.open(&crate::harness::INTERFACE).expect("opens");
                let pending = file.start_ioctl_with(code(METHOD_IN_DIRECT), &[], vec![1; 5]);
                assert_eq!(pending.map(|pending| pending.wait().information), Ok(5));
            });
        },
    );
}

/// A program can write its buffer while the driver reads it, if the buffer is not copied.
#[test]
fn a_users_pages_that_are_read_twice_are_a_double_fetch() {
    for (method, times, found) in [
        (METHOD_IN_DIRECT, 1, false),
        (METHOD_IN_DIRECT, 2, true),
        (METHOD_BUFFERED, 2, false),
    ] {
        let config = Config {
            double_fetches: true,
            ..Config::default()
        };
        let report = crate::harness::run_with(
            config,
            move || {
                default_queue(queue_config(PARALLEL));
                on("control", move |_, request, _| {
                    let bytes = output(request, 1).expect("the second buffer");
                    for _ in 0..times {
                        std::hint::black_box(bytes.to_vec());
                    }
                    bytes.fill(2);
                    complete_with(request, STATUS_SUCCESS, 5);
                });
            },
            move |bench| {
                bench.process(move |process| {
                    let file = process.open(&crate::harness::INTERFACE).expect("opens");
                    let pending = file.start_ioctl_with(code(method), &[1; 5], vec![1; 5]);
                    assert_eq!(pending.map(|pending| pending.wait().information), Ok(5));
                });
            },
        );
        if found {
            let check = report.expect_bug_check();
            assert_eq!(
                check.parameters[0],
                ntsim::mm::finding::READ_TWICE,
                "{check}"
            );
            assert!(check.message.contains("a user's buffer"), "{check}");
        } else {
            report.expect_finished();
        }
    }
}

#[test]
fn data_comes_back_after_a_warning_and_not_after_an_error() {
    works(
        || {
            default_queue(queue_config(PARALLEL));
            on("read", |_, request, numbers| {
                output(request, 4).expect("an output buffer").fill(7);
                let status = if numbers[0] == 4 {
                    STATUS_BUFFER_OVERFLOW
                } else {
                    STATUS_UNSUCCESSFUL
                };
                complete_with(request, status, 4);
            });
        },
        |bench| {
            bench.process(|process| {
                let file = process.open(&crate::harness::INTERFACE).expect("opens");
                let warned = file.start_read(4).expect("starts").wait();
                assert_eq!(
                    (warned.status, warned.data),
                    (STATUS_BUFFER_OVERFLOW, vec![7; 4])
                );
                let failed = file.start_read(5).expect("starts").wait();
                assert_eq!((failed.status, failed.data), (STATUS_UNSUCCESSFUL, vec![]));
            });
        },
    );
}

#[test]
fn only_as_much_comes_back_as_the_information_says() {
    works(
        || {
            default_queue(queue_config(PARALLEL));
            on("read", |_, request, _| {
                output(request, 1).expect("an output buffer").fill(7);
                complete_with(request, STATUS_SUCCESS, 3);
            });
        },
        |bench| {
            bench.process(|process| {
                let file = process.open(&crate::harness::INTERFACE).expect("opens");
                assert_eq!(file.read(8), Ok(vec![7; 3]));
                let mut buffer = [9; 8];
                assert_eq!(file.read_into(&mut buffer), Ok(3));
                assert_eq!(buffer, [7, 7, 7, 9, 9, 9, 9, 9]);
            });
        },
    );
}

#[test]
fn a_buffer_shorter_than_the_driver_needs_is_too_small() {
    works(
        || {
            default_queue(queue_config(PARALLEL));
            on("read", |_, request, numbers| {
                assert_eq!(
                    output(request, numbers[0] + 1).err(),
                    Some(STATUS_BUFFER_TOO_SMALL)
                );
                assert_eq!(input(request, 0).err(), Some(STATUS_INVALID_DEVICE_REQUEST));
                complete(request, STATUS_SUCCESS);
            });
            on("write", |_, request, numbers| {
                assert_eq!(
                    input(request, numbers[0] + 1).err(),
                    Some(STATUS_BUFFER_TOO_SMALL)
                );
                assert_eq!(
                    output(request, 0).err(),
                    Some(STATUS_INVALID_DEVICE_REQUEST)
                );
                complete(request, STATUS_SUCCESS);
            });
            on("control", |_, request, [output_length, input_length, _]| {
                assert_eq!(
                    input(request, input_length + 1).err(),
                    Some(STATUS_BUFFER_TOO_SMALL)
                );
                assert_eq!(
                    output(request, output_length + 1).err(),
                    Some(STATUS_BUFFER_TOO_SMALL)
                );
                complete(request, STATUS_SUCCESS);
            });
        },
        |bench| {
            bench.process(|process| {
                let file = process.open(&crate::harness::INTERFACE).expect("opens");
                assert_eq!(file.read(4), Ok(vec![]));
                assert_eq!(file.write(&[1]), Ok(0));
                for (input, output) in [(0, 0), (3, 0), (0, 3), (3, 3)] {
                    assert_eq!(
                        file.ioctl(code(METHOD_BUFFERED), &vec![1; input], output),
                        Ok(vec![])
                    );
                }
            });
        },
    );
}

#[test]
fn a_request_without_length_is_completed_by_the_framework() {
    works(
        || {
            default_queue(queue_config(PARALLEL));
            on("read", |_, _, _| {
                panic!("a read without length was presented")
            });
            on("write", |_, _, _| {
                panic!("a write without length was presented")
            });
        },
        |bench| {
            bench.process(|process| {
                let file = process.open(&crate::harness::INTERFACE).expect("opens");
                assert_eq!(file.read(0), Ok(vec![]));
                assert_eq!(file.write(&[]), Ok(0));
            });
        },
    );
}

#[test]
fn a_request_without_length_reaches_a_driver_that_allows_it() {
    works(
        || {
            let mut config = queue_config(PARALLEL);
            config.AllowZeroLengthRequests = 1;
            default_queue(config);
            on("write", |_, request, numbers| {
                assert_eq!(numbers[0], 0);
                assert_eq!(input(request, 0).err(), Some(STATUS_BUFFER_TOO_SMALL));
                complete(request, STATUS_UNSUCCESSFUL);
            });
        },
        |bench| {
            bench.process(|process| {
                let file = process.open(&crate::harness::INTERFACE).expect("opens");
                assert_eq!(file.write(&[]), Err(STATUS_UNSUCCESSFUL));
            });
        },
    );
}

#[test]
fn more_information_than_the_buffer_holds_is_a_violation() {
    let check = breaks(
        || {
            default_queue(queue_config(PARALLEL));
            on("read", |_, request, numbers| {
                complete_with(request, STATUS_SUCCESS, numbers[0] as u64 + 1);
            });
        },
        |process| {
            let file = process.open(&crate::harness::INTERFACE).expect("opens");
            let _ = file.read(4);
        },
    );
    assert_eq!(
        (check.code, &check.parameters[..2]),
        (StopCode::WDF_VIOLATION, &[6, 4][..])
    );
}

/// The I/O manager copies for every status that is not an error: a warning with more information
/// than the buffer has gives away what lies behind it.
#[test]
fn more_information_with_a_warning_is_a_violation_too() {
    let check = breaks(
        || {
            default_queue(queue_config(PARALLEL));
            on("read", |_, request, numbers| {
                complete_with(request, STATUS_BUFFER_OVERFLOW, numbers[0] as u64 + 8);
            });
        },
        |process| {
            let file = process.open(&crate::harness::INTERFACE).expect("opens");
            let _ = file.read(4);
        },
    );
    assert_eq!(
        (check.code, &check.parameters[..2]),
        (StopCode::WDF_VIOLATION, &[6, 4][..])
    );
}

#[test]
fn without_the_verifier_no_more_comes_back_than_the_buffer_holds() {
    let config = Config {
        verifier: false,
        ..Config::default()
    };
    let set_up = || {
        default_queue(queue_config(PARALLEL));
        on("read", |_, request, _| {
            output(request, 4).expect("an output buffer").fill(7);
            complete_with(request, STATUS_SUCCESS, 4000);
        });
    };
    run_with(config, set_up, |bench| {
        bench.process(|process| {
            let file = process.open(&crate::harness::INTERFACE).expect("opens");
            assert_eq!(file.read(4), Ok(vec![7; 4]));
        });
    })
    .expect_finished();
}

#[test]
fn a_completion_with_pending_is_a_violation() {
    let check = breaks(
        || {
            default_queue(queue_config(PARALLEL));
            on("read", |_, request, _| complete(request, STATUS_PENDING));
        },
        |process| {
            let file = process.open(&crate::harness::INTERFACE).expect("opens");
            let _ = file.read(4);
        },
    );
    assert_eq!(
        (check.code, check.parameters[0]),
        (StopCode::DRIVER_VERIFIER_IOMANAGER_VIOLATION, 0x6)
    );
}

#[test]
fn a_buffer_touched_after_completion_faults() {
    for read_write in [IoType::WdfDeviceIoBuffered, IoType::WdfDeviceIoDirect] {
        let check = breaks(
            move || {
                io_type(read_write);
                default_queue(queue_config(PARALLEL));
                on("read", |_, request, _| {
                    let buffer = output(request, 4).expect("an output buffer");
                    complete_with(request, STATUS_SUCCESS, 4);
                    buffer[0] = 1;
                });
            },
            |process| {
                let file = process.open(&crate::harness::INTERFACE).expect("opens");
                let _ = file.read(4);
            },
        );
        assert!(
            matches!(
                check.code,
                StopCode::DRIVER_PAGE_FAULT_IN_FREED_SPECIAL_POOL
                    | StopCode::PAGE_FAULT_IN_NONPAGED_AREA
                    | StopCode::DRIVER_IRQL_NOT_LESS_OR_EQUAL
            ),
            "{check}"
        );
    }
}

#[test]
fn the_mdl_of_a_request_describes_its_buffer() {
    for read_write in [IoType::WdfDeviceIoBuffered, IoType::WdfDeviceIoDirect] {
        works(
            move || {
                io_type(read_write);
                default_queue(queue_config(PARALLEL));
                on("read", |_, request, numbers| {
                    let mut mdl = std::ptr::null_mut();
                    assert_eq!(
                        wdf!(WdfRequestRetrieveOutputWdmMdl, request, &raw mut mdl),
                        STATUS_SUCCESS
                    );
                    let buffer = output(request, 1).expect("an output buffer");
                    // SAFETY: the framework gave the MDL, which lives until the request is
                    // completed.
                    let mdl = unsafe { &*mdl };
                    assert_eq!(mdl.ByteCount as usize, numbers[0]);
                    assert_eq!(mdl.MappedSystemVa.addr(), buffer.as_ptr().addr());
                    assert_eq!(
                        mdl.StartVa.addr() + mdl.ByteOffset as usize,
                        buffer.as_ptr().addr()
                    );
                    let mut other = std::ptr::null_mut();
                    assert_eq!(
                        wdf!(WdfRequestRetrieveInputWdmMdl, request, &raw mut other),
                        STATUS_INVALID_DEVICE_REQUEST
                    );
                    complete(request, STATUS_SUCCESS);
                });
            },
            |bench| {
                bench.process(|process| {
                    let file = process.open(&crate::harness::INTERFACE).expect("opens");
                    assert_eq!(file.read(9000), Ok(vec![]));
                });
            },
        );
    }
}

#[test]
fn a_neither_control_gives_its_buffers_in_the_callers_context_only() {
    works(
        || {
            on("init", |init, _, _| {
                wdf!(
                    WdfDeviceInitSetIoInCallerContextCallback,
                    init.cast(),
                    Some(in_caller_context)
                );
            });
            default_queue(queue_config(PARALLEL));
            on("caller context", |device, request, _| {
                let (mut buffer, mut length) = (std::ptr::null_mut(), 0);
                let status = wdf!(
                    WdfRequestRetrieveUnsafeUserInputBuffer,
                    request,
                    3,
                    &raw mut buffer,
                    &raw mut length
                );
                assert_eq!((status, length), (STATUS_SUCCESS, 3));
                let mut memory = std::ptr::null_mut();
                let status = wdf!(
                    WdfRequestProbeAndLockUserBufferForRead,
                    request,
                    buffer,
                    3,
                    &raw mut memory
                );
                assert_eq!(status, STATUS_SUCCESS);
                let status = wdf!(
                    WdfRequestProbeAndLockUserBufferForRead,
                    request,
                    buffer,
                    4,
                    &raw mut memory
                );
                assert_ne!(status, STATUS_SUCCESS, "a byte more than the user gave");
                let locked = wdf!(WdfMemoryGetBuffer, memory, std::ptr::null_mut()).cast::<u8>();
                // SAFETY: three bytes are locked.
                assert_eq!(unsafe { std::slice::from_raw_parts(locked, 3) }, [1, 2, 3]);
                assert_eq!(
                    wdf!(WdfDeviceEnqueueRequest, device, request),
                    STATUS_SUCCESS
                );
            });
            on("control", |_, request, _| {
                assert_eq!(input(request, 0).err(), Some(STATUS_INVALID_DEVICE_REQUEST));
                complete(request, STATUS_SUCCESS);
            });
        },
        |bench| {
            bench.process(|process| {
                let file = process.open(&crate::harness::INTERFACE).expect("opens");
                assert_eq!(file.ioctl(code(METHOD_NEITHER), &[1, 2, 3], 8), Ok(vec![]));
            });
        },
    );
}

#[test]
fn a_user_buffer_outside_the_callers_context_is_a_violation() {
    let check = breaks(
        || {
            default_queue(queue_config(PARALLEL));
            on("control", |_, request, _| {
                let (mut buffer, mut length) = (std::ptr::null_mut(), 0);
                let _ = wdf!(
                    WdfRequestRetrieveUnsafeUserInputBuffer,
                    request,
                    0,
                    &raw mut buffer,
                    &raw mut length
                );
            });
        },
        |process| {
            let file = process.open(&crate::harness::INTERFACE).expect("opens");
            let _ = file.ioctl(code(METHOD_NEITHER), &[1], 0);
        },
    );
    // At DISPATCH_LEVEL, where the seed may present it, the call itself is the mistake.
    assert!(
        matches!(
            check.code,
            StopCode::WDF_VIOLATION | StopCode::IRQL_NOT_LESS_OR_EQUAL
        ),
        "{check}"
    );
}

#[test]
fn a_memory_object_stands_for_the_buffer_until_completion() {
    works(
        || {
            default_queue(queue_config(PARALLEL));
            on("write", |_, request, numbers| {
                let (mut memory, mut length) = (std::ptr::null_mut(), 0);
                assert_eq!(
                    wdf!(WdfRequestRetrieveInputMemory, request, &raw mut memory),
                    STATUS_SUCCESS
                );
                let buffer = wdf!(WdfMemoryGetBuffer, memory, &raw mut length);
                assert_eq!(length, numbers[0]);
                assert_eq!(
                    buffer.addr(),
                    input(request, 1).map_or(0, |input| input.as_ptr().addr())
                );
                complete_with(request, STATUS_SUCCESS, 2);
            });
        },
        |bench| {
            bench.process(|process| {
                let file = process.open(&crate::harness::INTERFACE).expect("opens");
                assert_eq!(file.write(&[1, 2]), Ok(2));
            });
        },
    );
}

#[test]
fn a_referenced_memory_object_at_completion_is_a_violation() {
    let check = breaks(
        || {
            default_queue(queue_config(PARALLEL));
            on("write", |_, request, _| {
                let mut memory = std::ptr::null_mut();
                let _ = wdf!(WdfRequestRetrieveInputMemory, request, &raw mut memory);
                wdf!(
                    WdfObjectReferenceActual,
                    memory,
                    std::ptr::null_mut(),
                    0,
                    std::ptr::null()
                );
                complete(request, STATUS_SUCCESS);
            });
        },
        |process| {
            let file = process.open(&crate::harness::INTERFACE).expect("opens");
            let _ = file.write(&[1]);
        },
    );
    assert_eq!(
        (check.code, check.parameters[0]),
        (StopCode::WDF_VIOLATION, 3)
    );
}

#[test]
fn a_request_that_is_never_completed_is_named_when_the_machine_hangs() {
    let report = run_with(
        Config::default(),
        || default_queue(queue_config(PARALLEL)),
        |bench| {
            bench.process(|process| {
                let file = process.open(&crate::harness::INTERFACE).expect("opens");
                let _ = file.start_read(17);
            });
        },
    );
    let Outcome::Hung(waiting) = report.outcome else {
        panic!("{:?}", report.outcome)
    };
    assert!(
        waiting
            .iter()
            .any(|line| line.contains("IRP_MJ_READ of 17 bytes") && line.contains("EvtIoRead")),
        "{waiting:?}"
    );
}

#[test]
fn many_transfers_leave_the_frameworks_and_the_drivers_pool_as_it_was() {
    run_with(
        Config::default(),
        || {
            default_queue(queue_config(PARALLEL));
            take_writes();
        },
        |bench| {
            bench.process(|process| {
                let file = process.open(&crate::harness::INTERFACE).expect("opens");
                assert_eq!(file.write(&[0; 100]), Ok(100));
                let before = ntsim::mm::pool::counters(ntsim::mm::Owner::Io);
                for _ in 0..100 {
                    assert_eq!(file.write(&[0; 100]), Ok(100));
                }
                let after = ntsim::mm::pool::counters(ntsim::mm::Owner::Io);
                assert_eq!(
                    after.allocations - after.frees,
                    before.allocations - before.frees
                );
            });
        },
    )
    .expect_finished();
}

#[test]
fn the_pages_of_a_direct_transfer_may_not_be_mapped_and_an_mdl_not_be_made() {
    for read_write in [IoType::WdfDeviceIoBuffered, IoType::WdfDeviceIoDirect] {
        let attempt = move |fail_call: Option<u64>| {
            let config = Config {
                fail_call: fail_call.map(Into::into),
                ..Config::default()
            };
            let set_up = move || {
                io_type(read_write);
                default_queue(queue_config(PARALLEL));
                on("read", |_, request, _| {
                    BEFORE.set(ntsim::kernel::kernel().fallible_calls());
                    let mut mdl = std::ptr::null_mut();
                    let status = wdf!(WdfRequestRetrieveOutputWdmMdl, request, &raw mut mdl);
                    complete(request, status);
                });
            };
            run_with(config, set_up, |bench| {
                bench.process(|process| {
                    let file = process.open(&crate::harness::INTERFACE).expect("opens");
                    LAST.set(file.read(4).err());
                });
                (BEFORE.get(), LAST.get())
            })
            .expect_finished()
        };
        let (before, status) = attempt(None);
        assert_eq!(status, None);
        let (_, status) = attempt(Some(before + 1));
        assert_eq!(status, Some(wdk_sys_lite::STATUS_INSUFFICIENT_RESOURCES));
    }
}

thread_local! {
    static BEFORE: std::cell::Cell<u64> = const { std::cell::Cell::new(0) };
    static LAST: std::cell::Cell<Option<i32>> = const { std::cell::Cell::new(None) };
}

// ---- memory that nobody has written ----

/// What a driver does with each read's buffer of 64 bytes.
fn reads(
    answer: impl Fn(&mut [u8], usize) + Send + 'static,
    times: usize,
) -> Result<(), Box<ntsim::BugCheck>> {
    let report = crate::harness::run_with(
        Config::default(),
        move || {
            default_queue(queue_config(PARALLEL));
            let turn = std::cell::Cell::new(0);
            on("read", move |_, request, numbers| {
                turn.set(turn.get() + 1);
                answer(output(request, 1).expect("an output buffer"), turn.get());
                complete_with(request, STATUS_SUCCESS, numbers[0] as u64);
            });
        },
        move |bench| {
            bench.process(move |process| {
                let file = process.open(&crate::harness::INTERFACE).expect("opens");
                for _ in 0..times {
                    assert_eq!(file.read(64).map(|data| data.len()), Ok(64));
                }
            });
        },
    );
    match report.outcome {
        ntsim::Outcome::Finished(()) => Ok(()),
        ntsim::Outcome::BugCheck(check) => Err(check),
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn assert_unwritten(result: Result<(), Box<ntsim::BugCheck>>, offset: u64) {
    let check = result.expect_err("a finding");
    assert_eq!(check.code, StopCode::DRIVER_VERIFIER_DETECTED_VIOLATION);
    assert_eq!(
        (check.parameters[0], check.parameters[2]),
        (ntsim::mm::finding::UNWRITTEN_LEAVES, offset),
        "{check}"
    );
}

/// A system buffer is pool that nobody has cleared: what the driver does not write of what it says
/// it has written is somebody else's.
#[test]
fn a_tail_that_was_never_written_does_not_go_to_user_mode() {
    assert_unwritten(reads(|buffer, _| buffer[..40].fill(1), 1), 40);
    assert_unwritten(reads(|_, _| (), 1), 0);
    assert_unwritten(reads(|buffer, _| buffer[5..].fill(1), 1), 0);
    reads(|buffer, _| buffer.fill(1), 50).expect("nothing is found");
}

/// A gap that chance could have filled is found when it shows again and again.
#[test]
fn a_byte_of_padding_is_found_after_a_few_messages() {
    let gap = |buffer: &mut [u8], number: usize| {
        for (index, byte) in buffer.iter_mut().enumerate() {
            if index != 13 {
                *byte = u8::try_from((number * 31 + index * 7) % 256).expect("a byte");
            }
        }
    };
    reads(gap, 4).expect("nothing is found");
    assert_unwritten(reads(gap, 5), 13);
    let whole = move |buffer: &mut [u8], number: usize| {
        gap(buffer, number);
        buffer[13] = 1;
    };
    reads(whole, 50).expect("nothing is found");
}

/// Bytes that are copied out of an unwritten block are known again wherever they leave from.
#[test]
fn what_is_copied_from_an_unwritten_block_is_known_again() {
    let copies = |buffer: &mut [u8], _| {
        // SAFETY: a pool block of this test's, of which 32 bytes are read: whatever they are, they
        // were filled by the simulated kernel.
        unsafe {
            let block = wdk_sys_lite::ntddk::ExAllocatePool2(
                wdk_sys_lite::POOL_FLAG_NON_PAGED | wdk_sys_lite::POOL_FLAG_UNINITIALIZED,
                48,
                u32::from_le_bytes(*b"Copy"),
            );
            buffer.fill(3);
            std::ptr::copy_nonoverlapping(
                block.cast::<u8>().add(3),
                buffer.as_mut_ptr().add(9),
                32,
            );
            wdk_sys_lite::ntddk::ExFreePool(block);
        }
    };
    let check = reads(copies, 1).expect_err("a finding");
    assert_eq!(
        check.parameters[0],
        ntsim::mm::finding::UNWRITTEN_LEAVES,
        "{check}"
    );
    assert!(check.message.contains("uninitialised pool"), "{check}");
    assert!(format!("{check:?}").contains("allocated"), "{check:?}");
}
