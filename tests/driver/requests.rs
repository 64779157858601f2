//! What programs may do wrong, and what may happen to a request that waits.

use std::time::Duration;

use ntsim::vmbus::backends;
use vmbchan::ioctl::{IOCTL_VMBCHAN_QUERY_INFO, IOCTL_VMBCHAN_TRANSACT, Info};
use wdk_sys::{
    NTSTATUS, STATUS_BUFFER_TOO_SMALL, STATUS_CANCELLED, STATUS_INVALID_BUFFER_SIZE,
    STATUS_INVALID_DEVICE_REQUEST, STATUS_INVALID_PARAMETER, STATUS_SUCCESS,
};
use wdk_sys_lite as wdk_sys;

use crate::guest::{config, info, message, open, run, same, seeds};
use ntsim::Config;

const LONGEST: usize = 16384;

#[test]
fn reads_and_writes_of_length_zero_are_refused() {
    seeds(5, backends::echo, |guest| {
        guest.program(|_, file| {
            assert_eq!(file.read(0), Err(STATUS_INVALID_PARAMETER));
            assert_eq!(file.write(&[]), Err(STATUS_INVALID_PARAMETER));
        });
    });
}

#[test]
fn a_message_above_the_limit_is_refused_and_nothing_sent() {
    seeds(5, backends::echo, |guest| {
        guest.program(|_, file| {
            assert_eq!(
                file.write(&vec![1; LONGEST + 1]),
                Err(STATUS_INVALID_BUFFER_SIZE)
            );
            assert_eq!(
                file.ioctl(IOCTL_VMBCHAN_TRANSACT, &vec![1; LONGEST + 1], 8),
                Err(STATUS_INVALID_BUFFER_SIZE)
            );
            assert_eq!(info(file).messages_sent, 0);
        });
    });
}

#[test]
fn the_limit_is_the_registrys() {
    let parameters = &[
        ("MaximumMessageSize", 100),
        ("ReceiveQuota", 3),
        ("SendQuota", 2),
    ];
    run(Config::default(), parameters, backends::echo, |guest| {
        guest.program(|_, file| {
            assert_eq!(file.write(&[1; 101]), Err(STATUS_INVALID_BUFFER_SIZE));
            assert_eq!(file.write(&[1; 100]), Ok(100));
            let info = info(file);
            assert_eq!(
                (
                    info.maximum_message_size,
                    info.receive_quota,
                    info.send_quota
                ),
                (100, 3, 2)
            );
        });
    })
    .expect_finished();
}

#[test]
fn a_buffer_too_short_for_the_message_fails_and_keeps_it() {
    seeds(10, backends::echo, |guest| {
        guest.program(|_, file| {
            let sent = message(1, 64);
            file.write(&sent).expect("written");
            for room in 1..64 {
                assert_eq!(file.read(room), Err(STATUS_BUFFER_TOO_SMALL));
            }
            assert!(same(&file.read(64).expect("the message"), &sent));
        });
    });
}

#[test]
fn every_length_of_a_control_requests_buffers_has_a_clear_answer() {
    run(Config::default(), &[], backends::echo, |guest| {
        guest.program(|_, file| {
            let status = |code, input: usize, output: usize| -> NTSTATUS {
                file.start_ioctl(code, &message(input, input), output)
                    .expect("a request")
                    .wait()
                    .status
            };
            for length in 0..=64 {
                let expected = if length == 0 {
                    STATUS_INVALID_PARAMETER
                } else {
                    STATUS_SUCCESS
                };
                assert_eq!(status(IOCTL_VMBCHAN_TRANSACT, length, 64), expected);
                let expected = if length == 0 {
                    STATUS_BUFFER_TOO_SMALL
                } else {
                    STATUS_INVALID_PARAMETER
                };
                assert_eq!(status(IOCTL_VMBCHAN_QUERY_INFO, length, 64), expected);
                assert_eq!(
                    status(IOCTL_VMBCHAN_QUERY_INFO, 0, length),
                    STATUS_BUFFER_TOO_SMALL
                );
            }
            assert_eq!(
                status(IOCTL_VMBCHAN_QUERY_INFO, 0, size_of::<Info>() - 1),
                STATUS_BUFFER_TOO_SMALL
            );
            assert_eq!(
                status(IOCTL_VMBCHAN_QUERY_INFO, 0, size_of::<Info>() + 1),
                STATUS_SUCCESS
            );
            let info = info(file);
            assert_eq!((info.version, info.size), (3, 136));
        });
    })
    .expect_finished();
}

#[test]
fn other_control_codes_are_refused() {
    run(Config::default(), &[], backends::echo, |guest| {
        guest.program(|_, file| {
            // Another function, and the right function with other methods of passing buffers.
            for code in [
                0,
                0x0022_2000,
                0x0022_E008,
                IOCTL_VMBCHAN_TRANSACT | 1,
                IOCTL_VMBCHAN_TRANSACT | 3,
            ] {
                assert_eq!(
                    file.ioctl(code, &[1; 8], 8),
                    Err(STATUS_INVALID_DEVICE_REQUEST),
                    "{code:#x}"
                );
            }
        });
    })
    .expect_finished();
}

#[test]
fn a_read_that_waits_can_be_cancelled_and_takes_no_message() {
    seeds(20, backends::echo, |guest| {
        guest.program(|process, file| {
            let read = file.start_read(LONGEST).expect("a request");
            process.sleep(Duration::from_micros(process.random(20)));
            assert!(read.cancel());
            assert_eq!(read.wait().status, STATUS_CANCELLED);
            file.write(&message(1, 8)).expect("written");
            assert!(same(&file.read(8).expect("the message"), &message(1, 8)));
        });
    });
}

#[test]
fn a_read_cancelled_while_its_message_comes_has_it_or_leaves_it() {
    seeds(60, backends::echo, |guest| {
        guest.program(|process, file| {
            for number in 0..10 {
                let read = file.start_read(8).expect("a request");
                file.write(&message(number, 8)).expect("written");
                process.sleep(Duration::from_nanos(process.random(3000)));
                let _ = read.cancel();
                let done = read.wait();
                match done.status {
                    STATUS_SUCCESS => assert!(same(&done.data, &message(number, 8))),
                    STATUS_CANCELLED => {
                        assert!(same(
                            &file.read(8).expect("the message"),
                            &message(number, 8)
                        ));
                    }
                    other => panic!("{}", crate::guest::name(other)),
                }
            }
        });
    });
}

#[test]
fn a_transaction_can_be_cancelled_while_the_host_has_it() {
    seeds(20, backends::silent, |guest| {
        guest.program(|process, file| {
            for number in 0..10 {
                let transaction = file
                    .start_ioctl(IOCTL_VMBCHAN_TRANSACT, &message(number, 100), 100)
                    .expect("a request");
                process.sleep(Duration::from_nanos(process.random(20_000)));
                assert!(transaction.cancel());
                assert_eq!(transaction.wait().status, STATUS_CANCELLED);
            }
        });
    });
}

#[test]
fn a_late_answer_to_a_cancelled_transaction_frees_its_message() {
    seeds(
        40,
        |channel| backends::slow(Duration::from_micros(20))(channel),
        |guest| {
            guest.program(|process, file| {
                for number in 0..20 {
                    let transaction = file
                        .start_ioctl(IOCTL_VMBCHAN_TRANSACT, &message(number, 100), 104)
                        .expect("a request");
                    process.sleep(Duration::from_nanos(process.random(40_000)));
                    let _ = transaction.cancel();
                    let done = transaction.wait();
                    match done.status {
                        STATUS_SUCCESS => assert!(same(&done.data, &message(number, 100))),
                        STATUS_CANCELLED => {}
                        other => panic!("{}", crate::guest::name(other)),
                    }
                }
                while info(file).messages_in_flight != 0 {
                    process.sleep(Duration::from_micros(10));
                }
            });
        },
    );
}

/// A host that opens the channel and takes nothing out of its ring.
#[allow(clippy::needless_pass_by_value, reason = "what a host program is")]
fn deaf(channel: ntsim::vmbus::HostChannel) {
    while channel.wait_open() {
        channel.wait_closed();
    }
}

#[test]
fn writes_that_the_host_does_not_take_can_be_cancelled() {
    let parameters = &[
        ("RingPages", 2),
        ("MaximumMessageSize", 1024),
        ("SendQuota", 4),
    ];
    for seed in 1..=10 {
        run(config(seed), parameters, deaf, |guest| {
            guest.program(|process, file| {
                let mut writes: Vec<_> = (0..20)
                    .map(|number| file.start_write(&message(number, 1024)).expect("a request"))
                    .collect();
                process.sleep(Duration::from_millis(1));
                // The ring has room for a few; four more are with KMCL; the rest waits in the
                // driver's queue.
                let waiting = writes.iter().filter(|write| !write.done()).count();
                assert!((13..=17).contains(&waiting), "{waiting} of 20 wait");
                while let Some(write) = writes.pop() {
                    let _ = write.cancel();
                    let status = write.wait().status;
                    assert!(status == STATUS_CANCELLED || status == STATUS_SUCCESS);
                }
                // The messages stay with KMCL, and there are never more of them than the quota.
                assert!(info(file).messages_in_flight <= 4);
                let more = file.start_write(&message(0, 1024)).expect("a request");
                process.sleep(Duration::from_millis(1));
                assert!(more.cancel());
                assert_eq!(more.wait().status, STATUS_CANCELLED);
            });
        })
        .expect_finished();
    }
}

#[test]
fn a_program_may_end_with_requests_under_way() {
    let program = |guest: &crate::guest::Guest<'_>| {
        for _ in 0..3 {
            guest.process(|process| {
                let file = open(process);
                for number in 0..10 {
                    let read = file.start_read(64).expect("a request");
                    let write = file.start_write(&message(number, 64)).expect("a request");
                    let transaction = file
                        .start_ioctl(IOCTL_VMBCHAN_TRANSACT, &message(number, 64), 64)
                        .expect("a request");
                    std::mem::forget((read, write, transaction));
                }
                process.sleep(Duration::from_nanos(process.random(30_000)));
                std::mem::forget(file);
            });
        }
    };
    seeds(15, backends::echo, program);
    seeds(15, backends::silent, program);
    seeds(15, deaf, program);
}

#[test]
fn closing_a_handle_ends_its_requests_and_no_others() {
    seeds(20, backends::silent, |guest| {
        guest.process(|process| {
            let (one, other) = (open(process), open(process));
            let mine = [
                one.start_read(8).expect("a request"),
                one.start_ioctl(IOCTL_VMBCHAN_TRANSACT, &[1; 8], 8)
                    .expect("a request"),
            ];
            let others = [
                other.start_read(8).expect("a request"),
                other
                    .start_ioctl(IOCTL_VMBCHAN_TRANSACT, &[1; 8], 8)
                    .expect("a request"),
            ];
            process.sleep(Duration::from_micros(30));
            drop(one);
            for request in mine {
                assert_eq!(request.wait().status, STATUS_CANCELLED);
            }
            process.sleep(Duration::from_micros(30));
            for request in others {
                assert!(!request.done());
                let _ = request.cancel();
                assert_eq!(request.wait().status, STATUS_CANCELLED);
            }
        });
    });
}
