//! A channel's life, and the memory it shares with the host.

use std::sync::atomic::Ordering;
use std::time::Duration;

use kmcl::packet::Mode;
use kmcl::status::Error;
use ntsim::Config;
use ntsim::vmbus::{HostChannel, HostPacketKind, KmclBehaviour, backends};

use crate::driver::{Device, How, Options};
use crate::guest::{as_driver, run, seeds};

#[test]
fn a_channel_is_enabled_again_after_it_was_disabled() {
    let options = Options {
        gpadl_in_opened: true,
        ..Options::default()
    };
    seeds(20, options, backends::echo, |guest| {
        for round in 1..=3 {
            guest.wait_for("post-started", |counts| &counts.post_started, round);
            guest.wait_for("replies", |counts| &counts.replies, round);
            let sender = guest.state(|state, irql| state.sender(irql));
            guest
                .system
                .power_down(guest.pdo)
                .expect("the device sleeps");
            for count in [
                guest.count(|counts| &counts.opened),
                guest.count(|counts| &counts.started),
                guest.count(|counts| &counts.suspended),
                guest.count(|counts| &counts.closed),
                guest.count(|counts| &counts.gpadls),
            ] {
                assert_eq!(count, round);
            }
            // A sender that was kept says so.
            guest.state(|_, irql| {
                let sender = sender.expect("the channel was open");
                let packet = sender.packet().expect("a packet");
                let failed = packet
                    .send_static(b"nobody")
                    .expect_err("the channel is closed");
                assert_eq!(failed.error, Error::NotOpen);
                let mut reply = [0; 8];
                assert_eq!(
                    sender.sync_request(b"nobody", &mut reply, None, irql),
                    Err(Error::NotOpen)
                );
                drop((failed, sender));
            });
            guest.system.power_up(guest.pdo).expect("the device wakes");
        }
        assert_eq!(guest.count(|counts| &counts.bad), 0);
    });
}

#[test]
fn a_channel_started_paused_waits_for_start_and_pauses_again() {
    let options = Options {
        start_paused: true,
        ..Options::default()
    };
    seeds(10, options, backends::echo, |guest| {
        guest.wait_for("opened", |counts| &counts.opened, 1);
        guest.system.sleep(Duration::from_millis(1));
        assert_eq!(guest.count(|counts| &counts.started), 0);
        let pause = |pause: bool| {
            guest
                .ask(|device, irql| {
                    device.with_channel(irql, |channel, irql| {
                        if pause {
                            channel.pause(irql);
                        } else {
                            channel.start(irql);
                        }
                    })
                })
                .expect("the channel is enabled");
        };
        for round in 1..=3 {
            pause(false);
            guest.wait_for("post-started", |counts| &counts.post_started, round);
            pause(true);
            assert_eq!(guest.count(|counts| &counts.suspended), round);
            assert_eq!(
                guest.state(|state, irql| state.send(b"no", Mode::Notify, How::Allocated, irql)),
                Err(Error::NotOpen)
            );
        }
        assert_eq!(guest.count(|counts| &counts.closed), 0);
    });
}

#[test]
fn a_failing_opened_callback_leaves_a_channel_that_can_be_removed() {
    let options = Options {
        fail_opened: true,
        gpadl_in_opened: true,
        ..Options::default()
    };
    seeds(20, options, backends::echo, |guest| {
        guest.wait_for("opened", |counts| &counts.opened, 1);
        guest.system.sleep(Duration::from_micros(100));
        assert_eq!(guest.count(|counts| &counts.started), 0);
    });
}

#[test]
fn the_instance_and_the_channels_numbers_can_be_asked_for() {
    seeds(3, Options::default(), backends::echo, |guest| {
        guest.wait_open();
        let instance = guest
            .ask(|device, irql| device.with_channel(irql, |channel, _| channel.instance()))
            .expect("the channel is enabled");
        assert_eq!(
            (instance.Data1, instance.Data4),
            (0x6B6D_636C, *b"kmclkmcl")
        );
    });
}

/// What a reply begins with if the host does not know the GPADL.
const UNKNOWN: u8 = 0xEE;

/// Reads the GPADL that a message's second word names, and writes an answer to its start.
#[allow(
    clippy::needless_pass_by_value,
    reason = "a host program owns its channel"
)]
fn gpadl_host(channel: HostChannel) {
    while channel.wait_open() {
        while let Ok(packet) = channel.recv() {
            if packet.kind == HostPacketKind::Completion {
                continue;
            }
            let id = packet
                .payload
                .get(8..12)
                .map(|id| u32::from_le_bytes(id.try_into().unwrap()));
            let mut reply = packet.payload.clone();
            if let Some(id) = id.filter(|id| *id != 0) {
                if let Ok(memory) = channel.map_gpadl(id) {
                    assert_eq!(memory.len(), 8192);
                    assert_eq!(memory.read(4090, 16).unwrap(), b"across the pages");
                    memory.write(0, &7_u64.to_le_bytes()).unwrap();
                } else {
                    reply[0] = UNKNOWN;
                }
            }
            if packet.completion_requested {
                let _ = channel.complete(packet.transaction, &reply);
            }
        }
    }
}

#[test]
fn the_host_reads_and_writes_a_gpadl_until_it_is_deleted() {
    for by_mdl in [false, true] {
        seeds(10, Options::default(), gpadl_host, move |guest| {
            guest.wait_open();
            guest.state(|state, irql| {
                let id = state
                    .create_gpadl(by_mdl, irql)
                    .expect("the channel is open");
                let mut message = [0; 16];
                message[8..12].copy_from_slice(&id.to_le_bytes());
                let mut reply = [0; 16];
                let sender = state.sender(irql).expect("the channel is open");
                assert_eq!(
                    sender.sync_request(&message, &mut reply, None, irql),
                    Ok(16)
                );
                assert_eq!(reply[0], 0);
                assert_eq!(state.delete_gpadl(irql), Some(7));
                assert_eq!(
                    sender.sync_request(&message, &mut reply, None, irql),
                    Ok(16)
                );
                assert_eq!(reply[0], UNKNOWN);
                // Three at a time: the first and the one in the middle go before the channel
                // closes.
                for _ in 0..3 {
                    state
                        .create_gpadl(!by_mdl, irql)
                        .expect("the channel is open");
                }
            });
        });
    }
}

/// Maps the GPADL that the first message names, and uses it until it is told that the channel
/// closes, and a while longer.
#[allow(
    clippy::needless_pass_by_value,
    reason = "a host program owns its channel"
)]
fn gpadl_user(channel: HostChannel) {
    while channel.wait_open() {
        let Ok(packet) = channel.recv() else { continue };
        let id = packet
            .payload
            .get(8..12)
            .map(|id| u32::from_le_bytes(id.try_into().unwrap()));
        let Some(memory) = id.and_then(|id| channel.map_gpadl(id).ok()) else {
            continue;
        };
        channel
            .complete(packet.transaction, &packet.payload)
            .expect("room");
        while channel.recv().is_ok() {}
        channel.sleep(Duration::from_micros(channel.random(200)));
        memory.write(4000, b"still here").unwrap();
    }
}

#[test]
fn closing_waits_for_a_host_that_still_uses_a_gpadl() {
    for by_mdl in [false, true] {
        seeds(20, Options::default(), gpadl_user, move |guest| {
            for round in 1..=2 {
                guest.wait_for("post-started", |counts| &counts.post_started, round);
                guest.state(|state, irql| {
                    let id = state
                        .create_gpadl(by_mdl, irql)
                        .expect("the channel is open");
                    let mut message = [0; 16];
                    message[8..12].copy_from_slice(&id.to_le_bytes());
                    let mut reply = [0; 16];
                    let sender = state.sender(irql).expect("the channel is open");
                    assert_eq!(
                        sender.sync_request(&message, &mut reply, None, irql),
                        Ok(16)
                    );
                });
                guest.ask(Device::disable);
                assert_eq!(guest.ask(Device::enable), Ok(()));
            }
        });
    }
}

#[test]
fn a_gpadl_outlives_its_channel_as_memory_only() {
    seeds(10, Options::default(), backends::echo, |guest| {
        use kmcl::gpadl::Access;
        use kmcl::mdl::HostBuffer;
        use kmcl::pool::Tag;
        guest.wait_open();
        let three = guest.state(|state, irql| {
            let sender = state.sender(irql).expect("the channel is open");
            let mut make = || {
                let buffer = HostBuffer::try_new(4096.try_into().unwrap(), Tag::new(*b"KmTs"))
                    .expect("memory");
                sender
                    .create_gpadl(buffer, Access::ReadWrite, irql)
                    .expect("the channel is open")
            };
            (make(), make(), make())
        });
        let ids = [three.0.id(), three.1.id(), three.2.id()];
        assert!(ids.iter().all(Result::is_ok));
        assert!(ids[0] != ids[1] && ids[1] != ids[2]);
        guest.state(|_, irql| three.1.delete(irql));
        assert!(three.0.id().is_ok() && three.2.id().is_ok());
        guest.ask(Device::disable);
        assert_eq!(three.0.id(), Err(Error::NotOpen));
        assert_eq!(three.2.id(), Err(Error::NotOpen));
        guest.state(|_, irql| {
            assert_eq!(three.0.buffer().length(), 4096);
            three.0.delete(irql);
            drop(three.2);
        });
    });
}

#[test]
fn the_host_may_take_the_device_away_at_any_time() {
    for seed in 1..=60 {
        let options = Options {
            gpadl_in_opened: seed % 2 == 0,
            sync_in_post_started: seed % 3 == 0,
            resends: 5,
            ..Options::default()
        };
        run(Config::with_seed(seed), options, backends::echo, |guest| {
            guest
                .system
                .sleep(Duration::from_nanos(guest.system.random(60_000)));
            guest.offer.rescind();
            for _ in 0..10 {
                guest.try_ask(|device, irql| {
                    let _ = device
                        .state
                        .send(b"\0anyone", Mode::Transact, How::InPlace, irql);
                    let _ = device.state.create_gpadl(true, irql);
                });
                if guest.system.devices().is_empty() {
                    break;
                }
                guest.system.sleep(Duration::from_micros(1));
            }
        })
        .expect_finished();
    }
}

#[test]
fn the_handler_outlives_a_completion_that_has_given_the_last_packet_up() {
    let options = Options {
        lingers: 1000,
        ..Options::default()
    };
    for seed in 1..=30 {
        let config = Config {
            kmcl: KmclBehaviour {
                disable_waits_for_completions: Some(false),
                ..KmclBehaviour::default()
            },
            ..Config::with_seed(seed)
        };
        run(config, options, backends::silent, |guest| {
            guest.wait_open();
            let state = guest.ask(|device, _| device.state.clone());
            for _ in 0..2 {
                guest
                    .state(|state, irql| state.send(&[0; 8], Mode::Notify, How::Allocated, irql))
                    .expect("the channel is open");
            }
            guest
                .system
                .remove_device(guest.pdo)
                .expect("the device goes");
            assert_eq!(state.counts.completed.load(Ordering::Relaxed), 3);
            assert_eq!(state.counts.ended.load(Ordering::Relaxed), 2);
            as_driver(guest.driver, |_| drop(state));
        })
        .expect_finished();
    }
}
