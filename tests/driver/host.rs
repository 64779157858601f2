//! What the host may do wrong, and what it may do that is unusual.

use std::time::Duration;

use ntsim::vmbus::backends::{self, MISBEHAVIOURS};
use ntsim::vmbus::{HostChannel, PageRange};
use vmbchan::ioctl::IOCTL_VMBCHAN_TRANSACT;

use crate::guest::{config, info, message, open, run, same, seeds};

#[test]
fn a_host_that_breaks_the_protocol_does_no_harm() {
    for how in MISBEHAVIOURS {
        for seed in 1..=10 {
            run(config(seed), &[], backends::misbehaving(*how, 3), |guest| {
                guest.process(|process| {
                    let file = open(process);
                    for number in 0..8 {
                        let requests = [
                            file.start_write(&message(number, 40)),
                            file.start_ioctl(IOCTL_VMBCHAN_TRANSACT, &message(number, 40), 64),
                            file.start_read(64),
                        ];
                        for request in requests.into_iter().flatten() {
                            if let Err(request) = request.wait_for(Duration::from_micros(300)) {
                                let _ = request.cancel();
                                let _ = request.wait();
                            }
                        }
                    }
                });
            })
            .expect_finished();
        }
    }
}

#[test]
fn what_nobody_reads_is_bounded_and_stops_the_host() {
    let host = |channel: HostChannel| {
        while channel.wait_open() {
            for number in 0.. {
                if channel.send(&message(number, 1000), false).is_err() {
                    break;
                }
            }
        }
    };
    let parameters = &[
        ("ReceiveQuota", 8),
        ("RingPages", 4),
        ("MaximumMessageSize", 1000),
    ];
    for seed in 1..=10 {
        run(config(seed), parameters, host, |guest| {
            guest.program(|process, file| {
                for _ in 0..20 {
                    process.sleep(Duration::from_micros(200));
                    let info = info(file);
                    assert!(info.messages_waiting <= 8);
                    assert_eq!(info.messages_dropped, 0);
                }
                assert_eq!(info(file).messages_waiting, 8);
                // Reading lets the host go on, and nothing was lost.
                for number in 0..200 {
                    assert!(same(
                        &file.read(1000).expect("a message"),
                        &message(number, 1000)
                    ));
                }
            });
        })
        .expect_finished();
    }
}

#[test]
fn the_host_learns_of_a_message_when_a_reader_has_it() {
    let host = |channel: HostChannel| {
        while channel.wait_open() {
            if channel.send(&message(1, 64), true).is_err() {
                continue;
            }
            // Only then comes the completion, and the next message.
            if channel.recv().is_ok() {
                let _ = channel.send(&message(2, 64), false);
            }
            channel.wait_closed();
        }
    };
    seeds(20, host, |guest| {
        guest.program(|process, file| {
            while info(file).messages_waiting == 0 {
                process.sleep(Duration::from_micros(10));
            }
            process.sleep(Duration::from_millis(1));
            assert_eq!(info(file).messages_waiting, 1);
            assert_eq!(file.read(64), Ok(message(1, 64)));
            assert_eq!(file.read(64), Ok(message(2, 64)));
        });
    });
}

#[test]
fn a_message_longer_than_the_limit_is_counted_and_not_delivered() {
    let host = |channel: HostChannel| {
        while channel.wait_open() {
            for length in [104, 105, 1000, 100] {
                let _ = channel.send(&message(length, length), false);
            }
            channel.wait_closed();
        }
    };
    for seed in 1..=10 {
        run(
            config(seed),
            &[("MaximumMessageSize", 100)],
            host,
            |guest| {
                guest.program(|_, file| {
                    // Rounded up to 8, 100 bytes are 104: what is not longer than that cannot be
                    // told from it.
                    assert_eq!(file.read(104), Ok(message(104, 104)));
                    assert!(same(
                        &file.read(104).expect("a message"),
                        &message(100, 100)
                    ));
                    assert_eq!(info(file).messages_malformed, 2);
                });
            },
        )
        .expect_finished();
    }
}

#[test]
fn a_message_with_external_data_is_counted_and_not_delivered() {
    let host = |channel: HostChannel| {
        while channel.wait_open() {
            let page = PageRange {
                length: 4096,
                offset: 0,
                frames: vec![1],
            };
            let _ = channel.send_external(&message(1, 64), &[page]);
            let _ = channel.send(&message(2, 64), false);
            channel.wait_closed();
        }
    };
    seeds(10, host, |guest| {
        guest.program(|_, file| {
            assert_eq!(file.read(64), Ok(message(2, 64)));
            assert_eq!(info(file).messages_malformed, 1);
        });
    });
}

#[test]
fn messages_of_a_session_that_has_ended_are_not_delivered() {
    let host = |channel: HostChannel| {
        let mut session = 0;
        while channel.wait_open() {
            session += 1;
            for _ in 0..3 {
                let _ = channel.send(&[session; 8], false);
            }
            channel.wait_closed();
        }
    };
    seeds(20, host, |guest| {
        for session in 1..4 {
            guest.program(move |process, file| {
                while info(file).messages_waiting < 3 {
                    process.sleep(Duration::from_micros(10));
                }
                assert_eq!(file.read(8), Ok(vec![session; 8]));
            });
            guest.system.power_down(guest.pdo).expect("asleep");
            guest.system.power_up(guest.pdo).expect("awake");
        }
    });
}
