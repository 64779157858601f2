//! Messages both ways.

use std::sync::atomic::Ordering;
use std::time::Duration;

use kmcl::packet::Mode;
use ntsim::Config;
use ntsim::vmbus::backends::{self, MISBEHAVIOURS};
use ntsim::vmbus::{HostChannel, KmclBehaviour};

use crate::driver::{How, Options, order};
use crate::guest::{Guest, run, seeds};

fn expect_nothing_bad(guest: &Guest<'_>) {
    assert_eq!(guest.count(|counts| &counts.bad), 0);
}

#[test]
fn a_request_comes_back_with_the_hosts_reply_and_a_message_without() {
    seeds(30, Options::default(), backends::echo, |guest| {
        guest.wait_open();
        for (number, how) in [How::Allocated, How::InPlace, How::External]
            .into_iter()
            .enumerate()
        {
            guest
                .state(|state, irql| state.send(&[0, 1, 2, 3, 4], Mode::Transact, how, irql))
                .expect("the channel is open");
            let least = u32::try_from(number).unwrap() + 2;
            guest.wait_for("replies", |counts| &counts.replies, least);
        }
        for how in [How::Allocated, How::InPlace] {
            guest
                .state(|state, irql| state.send(&[0; 64], Mode::Notify, how, irql))
                .expect("the channel is open");
        }
        guest
            .state(|state, irql| state.send_copied(&[0; 13], irql))
            .expect("the channel is open");
        // The echo of each message is a message.
        guest.wait_for("received", |counts| &counts.received, 3);
        guest.wait_for("completed", |counts| &counts.completed, 6);
        guest.wait_for("batched", |counts| &counts.batched, 3);
        assert_eq!(guest.count(|counts| &counts.replies), 4);
        assert_eq!(guest.count(|counts| &counts.succeeded), 6);
        expect_nothing_bad(guest);
    });
}

#[test]
fn a_packet_sent_again_in_its_completion_takes_no_entry_from_the_list() {
    let options = Options {
        resends: 20,
        ..Options::default()
    };
    for completes_inside_send in [Some(false), Some(true), None] {
        for seed in 1..=10 {
            let config = Config {
                kmcl: KmclBehaviour {
                    completes_inside_send,
                    ..KmclBehaviour::default()
                },
                // A completion that runs inside of the send sends again there, twenty deep: more
                // than a kernel stack has for an unoptimised build.
                kernel_stack: 128 << 10,
                ..Config::with_seed(seed)
            };
            run(config, options, backends::echo, |guest| {
                guest.wait_open();
                guest.wait_for("replies", |counts| &counts.replies, 21);
                let counters = guest
                    .ask(|device, irql| {
                        device.with_channel(irql, |channel, _| channel.lookaside_counters())
                    })
                    .expect("the channel is enabled");
                // The message of `started`, sent 21 times.
                assert_eq!(counters.allocates, 1);
                assert_eq!(counters.allocate_misses, 1);
                for mode in [Mode::Notify, Mode::Transact] {
                    let before = guest.count(|counts| &counts.completed);
                    guest
                        .state(|state, irql| state.send(&[0, 9], mode, How::Allocated, irql))
                        .expect("the channel is open");
                    guest.wait_for("completed", |counts| &counts.completed, before + 21);
                }
                let after = guest
                    .state(|state, irql| {
                        state
                            .sender(irql)
                            .and_then(|sender| sender.lookaside_counters())
                    })
                    .expect("the channel is there");
                assert_eq!(after.allocates, 3);
                // The entry of the last completion may still be under way.
                assert!(after.frees >= 2, "{after:?}");
                assert!(after.allocate_misses <= 2, "{after:?}");
                expect_nothing_bad(guest);
            })
            .expect_finished();
        }
    }
}

#[test]
fn messages_are_refused_by_length_before_anything_is_sent() {
    use kmcl::status::Error;
    seeds(3, Options::default(), backends::echo, |guest| {
        guest.wait_open();
        guest.state(|state, irql| {
            let sender = state.sender(irql).expect("the channel is open");
            assert_eq!(sender.maximum_packet_size(), 256);
            assert_eq!(state.send_copied(&[0; 257], irql), Err(Error::TooLarge));
            assert_eq!(state.send_copied(&[], irql), Err(Error::InvalidLength));
            assert_eq!(state.send_copied(&[0; 256], irql), Ok(()));
            assert_eq!(
                state.send(&[], Mode::Notify, How::Allocated, irql),
                Err(Error::InvalidLength)
            );
            let invalid =
                Error::Status(kmcl::status::Status(wdk_sys_lite::STATUS_INVALID_PARAMETER));
            assert_eq!(
                state.send(&[1], Mode::Notify, How::External, irql),
                Err(invalid)
            );
            // External data that cannot be described: the message is not sent without it.
            assert_eq!(
                state.send(&[1], Mode::Transact, How::TooMuchExternal, irql),
                Err(Error::InvalidLength)
            );
            for length in [0, 4, 12] {
                let mut reply = vec![0; length];
                assert_eq!(
                    sender.sync_request(b"question", &mut reply, None, irql),
                    Err(Error::InvalidLength)
                );
            }
        });
        guest.wait_for("received", |counts| &counts.received, 1);
        expect_nothing_bad(guest);
    });
}

#[test]
fn a_synchronous_request_gives_the_reply_or_says_why_not() {
    use std::num::NonZeroU64;
    let options = Options {
        sync_in_post_started: true,
        ..Options::default()
    };
    seeds(20, options, backends::echo, |guest| {
        guest.wait_open();
        assert_eq!(guest.count(|counts| &counts.sync_replies), 1);
        guest.state(|state, irql| {
            let sender = state.sender(irql).expect("the channel is open");
            let mut reply = [0; 16];
            for timeout in [None, NonZeroU64::new(10_000_000)] {
                assert_eq!(
                    sender.sync_request(b"0123456789", &mut reply, timeout, irql),
                    Ok(16)
                );
                assert_eq!(&reply[..10], b"0123456789");
            }
        });
        expect_nothing_bad(guest);
    });
    seeds(10, Options::default(), backends::silent, |guest| {
        guest.wait_open();
        guest.state(|state, irql| {
            let sender = state.sender(irql).expect("the channel is open");
            let mut reply = [0; 16];
            let result = sender.sync_request(b"0123456789", &mut reply, NonZeroU64::new(100), irql);
            assert!(result.is_err(), "{result:?}");
        });
    });
}

/// Sends one message of each kind and waits until each is completed, with the transactions'
/// numbers.
fn all_orders(channel: &HostChannel) {
    while channel.wait_open() {
        let mut asked = Vec::new();
        for number in 0..8 {
            for first in [order::ECHO, order::DETACH, order::DEFER, order::DROP] {
                match channel.send(&[first, number, 0, 0, 0, 0, 0, 0], true) {
                    Ok(transaction) => asked.push((first, transaction)),
                    Err(_) => break,
                }
            }
        }
        while !asked.is_empty() {
            let Ok(packet) = channel.recv() else { break };
            if packet.completion_requested {
                let _ = channel.complete(packet.transaction, &packet.payload);
                continue;
            }
            let place = asked
                .iter()
                .position(|(_, transaction)| *transaction == packet.transaction)
                .expect("a completion of something that was asked for, once");
            let (first, _) = asked.swap_remove(place);
            match first {
                order::DETACH => assert_eq!(packet.payload, b"held...."),
                order::DROP => assert!(packet.payload.is_empty()),
                order::DEFER => assert_eq!(packet.payload, b"deferred"),
                _ => assert_eq!(packet.payload[0], order::ECHO),
            }
        }
        // Done: tells the driver.
        let _ = channel.send(&[order::ECHO; 8], false);
        channel.wait_closed();
    }
}

#[test]
fn each_incoming_packet_is_completed_once_however_it_is_handled() {
    for at_passive in [false, true] {
        let options = Options {
            at_passive,
            ..Options::default()
        };
        seeds(
            15,
            options,
            |channel| all_orders(&channel),
            |guest| {
                guest.wait_open();
                for _ in 0..100_000 {
                    guest.state(|state, irql| state.complete_held(irql));
                    if guest.count(|counts| &counts.received) == 33 {
                        break;
                    }
                    guest.system.sleep(Duration::from_micros(3));
                }
                assert_eq!(guest.count(|counts| &counts.received), 33);
                assert_eq!(guest.count(|counts| &counts.presented_again), 8);
            },
        );
    }
}

#[test]
fn a_quota_holds_packets_back_until_others_are_completed() {
    let options = Options {
        quota: 2,
        ..Options::default()
    };
    let host = |channel: HostChannel| {
        while channel.wait_open() {
            for _ in 0..6 {
                let _ = channel.send(&[order::DETACH; 8], false);
            }
            channel.wait_closed();
        }
    };
    seeds(10, options, host, |guest| {
        guest.wait_open();
        guest.wait_for("received", |counts| &counts.received, 2);
        guest.system.sleep(Duration::from_millis(1));
        assert_eq!(guest.count(|counts| &counts.received), 2);
        guest.ask(|device, irql| {
            device.with_channel(irql, |channel, _| {
                assert_eq!(
                    channel.transaction_quota(0),
                    Err(kmcl::status::Error::InvalidLength)
                );
                assert_eq!(channel.transaction_quota(u32::MAX), Ok(()));
            });
        });
        guest.state(|state, irql| assert!(state.complete_held(irql)));
        guest.wait_for("received", |counts| &counts.received, 6);
    });
}

#[test]
fn a_packet_given_up_on_stops_the_queue_and_nothing_else() {
    let host = |channel: HostChannel| {
        while channel.wait_open() {
            let _ = channel.send(&[order::ECHO; 8], false);
            let _ = channel.send(&[order::FAIL; 8], false);
            let _ = channel.send(&[order::ECHO; 8], false);
            channel.wait_closed();
        }
    };
    seeds(20, Options::default(), host, |guest| {
        guest.wait_for("received", |counts| &counts.received, 1);
        guest.system.sleep(Duration::from_millis(1));
        assert!(guest.count(|counts| &counts.received) <= 2);
    });
}

#[test]
fn no_host_that_breaks_the_protocol_stops_the_guest() {
    for how in MISBEHAVIOURS {
        for seed in 1..=6 {
            run(
                Config::with_seed(seed),
                Options::default(),
                backends::misbehaving(*how, 3),
                |guest| {
                    for _ in 0..10 {
                        guest.try_ask(|device, irql| {
                            let state = &device.state;
                            let _ = state.send(&[0; 40], Mode::Transact, How::Allocated, irql);
                            let _ =
                                state.send(&[order::DETACH; 40], Mode::Notify, How::InPlace, irql);
                            let _ = state.send_copied(&[0; 200], irql);
                        });
                        guest.system.sleep(Duration::from_micros(100));
                    }
                },
            )
            .expect_finished();
        }
    }
}

#[test]
fn slow_and_full_and_vanishing_hosts_lose_nothing() {
    for seed in 1..=20 {
        let program = |guest: &Guest<'_>| {
            guest
                .system
                .sleep(Duration::from_micros(guest.system.random(100)));
            for _ in 0..30 {
                guest.try_ask(|device, irql| {
                    let state = &device.state;
                    for how in [How::Allocated, How::InPlace, How::External] {
                        let _ = state.send(&[0; 64], Mode::Transact, how, irql);
                    }
                    let _ = state.send(&[0; 64], Mode::Notify, How::Allocated, irql);
                });
                guest
                    .system
                    .sleep(Duration::from_micros(guest.system.random(30)));
            }
            let numbers = guest.try_ask(|device, irql| {
                device.disable(irql);
                let counts = &device.state.counts;
                [&counts.completed, &counts.sent, &counts.gone, &counts.bad]
                    .map(|count| count.load(Ordering::Relaxed))
            });
            // Every packet that was sent is back by now.
            if let Some([completed, sent, gone, bad]) = numbers {
                assert_eq!((completed, bad), (sent + gone, 0));
            }
        };
        let config = Config::with_seed(seed);
        run(
            config.clone(),
            Options::default(),
            backends::slow(Duration::from_micros(50)),
            program,
        )
        .expect_finished();
        run(
            config.clone(),
            Options::default(),
            backends::full(Duration::from_micros(200)),
            program,
        )
        .expect_finished();
        run(config, Options::default(), backends::rescind(seed), program).expect_finished();
    }
}
