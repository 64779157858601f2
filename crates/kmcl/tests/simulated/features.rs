//! What only some drivers need: external data both ways, numbers, targets, pipes, other versions of
//! the interface; and what a steady state takes from pool.

use std::num::NonZeroU64;
use std::sync::atomic::Ordering;
use std::time::Duration;

use kmcl::interface::InterfaceVersion;
use kmcl::mdl::{HostBuffer, Mdl};
use kmcl::packet::Mode;
use kmcl::pool::Tag;
use kmcl::status::Error;
use ntsim::kernel::DriverId;
use ntsim::mm::{self, Owner, pages};
use ntsim::vmbus::{HostChannel, HostPacketKind, KmclBehaviour, Offer, PageRange, backends};
use ntsim::{Config, Machine, Report, StopCode};
use wdk_sys_lite::GUID;

use crate::driver::{Client, Device, How, Numbers, Options, Query, Target, order};
use crate::guest::{NOBODY, TYPE, as_driver, run, run_leaking, run_offer, seeds};

/// Takes the pages of a guest's request, sends messages that describe them, and answers with what
/// came of it.
#[allow(
    clippy::needless_pass_by_value,
    reason = "a host program owns its channel"
)]
fn sends_external(channel: HostChannel) {
    while channel.wait_open() {
        while let Ok(packet) = channel.recv() {
            if packet.kind != HostPacketKind::GpaDirect {
                let _ = channel.complete(packet.transaction, &packet.payload);
                continue;
            }
            let [range] = packet.external.as_slice() else {
                panic!("one range: {:?}", packet.external)
            };
            // 8 bytes into a page, of which the driver has filled 100: in one piece, and in three.
            let part = |offset, length| PageRange {
                length,
                offset: range.offset + offset,
                frames: range.frames[..1].to_vec(),
            };
            let sum = |parts: &[PageRange]| {
                let id = channel
                    .send_external(&[order::SUM; 8], parts)
                    .expect("room");
                let reply = channel.recv().expect("a completion");
                assert_eq!(reply.transaction, id);
                u64::from_le_bytes(reply.payload[..8].try_into().expect("eight bytes"))
            };
            assert_eq!(sum(&[part(0, 200)]), 300);
            assert_eq!(sum(&[part(99, 1)]), 3);
            assert_eq!(sum(&[part(90, 20), part(0, 7), part(1, 3)]), 60);
            // None at all.
            let id = channel.send(&[order::SUM; 8], true).expect("room");
            let reply = channel.recv().expect("a completion");
            assert_eq!(
                (reply.transaction, reply.payload.as_slice()),
                (id, b"no data.".as_slice())
            );
            let _ = channel.complete(packet.transaction, &packet.payload);
        }
    }
}

#[test]
fn the_external_data_of_a_received_packet_is_read_part_by_part() {
    for pends in [false, true] {
        for seed in 1..=10 {
            let config = Config {
                kmcl: KmclBehaviour {
                    external_data_pends: Some(pends),
                    ..KmclBehaviour::default()
                },
                ..Config::with_seed(seed)
            };
            run(config, Options::default(), sends_external, |guest| {
                guest.wait_open();
                guest
                    .state(|state, irql| state.send(&[0; 40], Mode::Transact, How::External, irql))
                    .expect("the channel is open");
                // The one of `started`, and this.
                guest.wait_for("replies", |counts| &counts.replies, 2);
                assert_eq!(guest.count(|counts| &counts.received), 3);
                assert_eq!(guest.count(|counts| &counts.unmapped), 0);
                assert_eq!(guest.count(|counts| &counts.bad), 0);
            })
            .expect_finished();
        }
    }
}

/// Reads the two pages of a request, and writes to the first.
#[allow(
    clippy::needless_pass_by_value,
    reason = "a host program owns its channel"
)]
fn pages_host(channel: HostChannel) {
    while channel.wait_open() {
        while let Ok(packet) = channel.recv() {
            if packet.kind == HostPacketKind::GpaDirect {
                assert!(packet.completion_requested);
                let memory = channel.map_external(&packet).expect("memory");
                assert_eq!(memory.len(), 8192);
                assert_eq!(memory.read(8190, 2).expect("in range"), [9, 9]);
                memory.write(0, b"from the host").expect("in range");
            }
            let _ = channel.complete(packet.transaction, &packet.payload);
        }
    }
}

#[test]
fn whole_pages_are_sent_by_their_frames() {
    seeds(10, Options::default(), pages_host, |guest| {
        guest.wait_open();
        let memory = pages::allocate(2, Owner::Driver(guest.driver)).expect("memory");
        // SAFETY: the test's own two pages.
        unsafe { memory.address().add(4096).write_bytes(9, 4096) };
        let frames = memory.frames();
        guest.state(|state, irql| {
            assert_eq!(
                state.send_frames([0; 2], irql),
                Err(Error::InvalidLength),
                "no frames"
            );
            assert_eq!(state.send_frames([frames[0], frames[1]], irql), Ok(()));
        });
        guest.wait_for("replies", |counts| &counts.replies, 2);
        // SAFETY: the test's own pages, which nobody writes any more.
        let start = unsafe { std::slice::from_raw_parts(memory.address().as_ptr(), 13) };
        assert_eq!(start, b"from the host");
        assert_eq!(guest.count(|counts| &counts.bad), 0);
    });
}

/// Fills the memory of a request that asks for it. When, its payload says: before the answer, or
/// long after the guest has given up.
#[allow(
    clippy::needless_pass_by_value,
    reason = "a host program owns its channel"
)]
fn fills(channel: HostChannel) {
    while channel.wait_open() {
        while let Ok(packet) = channel.recv() {
            if packet.kind == HostPacketKind::GpaDirect {
                let memory = channel.map_external(&packet).expect("memory");
                assert_eq!(memory.len(), 8192);
                assert_eq!(memory.read(8190, 2).expect("in range"), [9, 9]);
                if packet.payload.starts_with(b"late") {
                    channel.sleep(Duration::from_millis(2));
                }
                memory.write(0, b"from the host").expect("in range");
            }
            let _ = channel.complete(packet.transaction, &packet.payload);
        }
    }
}

/// Two pages, for the host to fill.
fn two_pages() -> Mdl {
    let mut buffer = HostBuffer::try_new(8192, Tag::new(*b"KmTs")).expect("memory");
    buffer.write(8190, &[9, 9]);
    Mdl::try_new(buffer).expect("memory")
}

#[test]
fn a_synchronous_request_takes_memory_along_and_gives_it_back() {
    seeds(10, Options::default(), fills, |guest| {
        guest.wait_open();
        guest.state(|state, irql| {
            let sender = state.sender(irql).expect("the channel is open");
            let mut reply = [0; 16];
            for timeout in [None, NonZeroU64::new(10_000_000)] {
                let (length, mdl) = sender
                    .sync_request_with(b"in time", two_pages(), &mut reply, timeout, irql)
                    .expect("an answer");
                assert_eq!((length, &reply[..7]), (8, b"in time".as_slice()));
                let mut start = [0; 13];
                assert_eq!(mdl.buffer().view().copy_to(&mut start), 13);
                assert_eq!(&start, b"from the host");
            }
            // Refused before the host has seen it: the memory is here.
            for (payload, reply) in [(b"".as_slice(), &mut reply[..]), (b"x", &mut [0; 4])] {
                let refused = sender.sync_request_with(payload, two_pages(), reply, None, irql);
                assert!(
                    matches!(refused, Err((Error::InvalidLength, Some(_)))),
                    "refused by length"
                );
            }
        });
    });
}

#[test]
fn memory_of_a_request_that_timed_out_stays_until_the_channel_is_disabled() {
    seeds(10, Options::default(), fills, |guest| {
        guest.wait_open();
        let bytes = || mm::pool::counters(Owner::Driver(guest.driver)).bytes;
        let before = bytes();
        guest.state(|state, irql| {
            let sender = state.sender(irql).expect("the channel is open");
            let mut reply = [0; 16];
            for _ in 0..2 {
                // 10 microseconds; the host takes two milliseconds.
                let timeout = NonZeroU64::new(100);
                let given_up =
                    sender.sync_request_with(b"late", two_pages(), &mut reply, timeout, irql);
                let cancelled = Error::Status(kmcl::status::Status(wdk_sys_lite::STATUS_CANCELLED));
                match given_up {
                    Err((error, None)) => assert_eq!(error, cancelled),
                    Err((error, Some(_))) => panic!("{error}, and the host has the memory"),
                    Ok((length, _)) => panic!("{length} bytes within the time"),
                }
            }
        });
        assert!(
            bytes() >= before + 2 * 8192,
            "{before} bytes, then {}",
            bytes()
        );
        guest.system.sleep(Duration::from_millis(10));
        guest.ask(Device::disable);
        assert!(bytes() <= before, "{before} bytes, then {}", bytes());
        guest
            .ask(Device::enable)
            .expect("the channel is enabled again");
    });
}

#[test]
fn latency_and_memory_space_are_those_of_the_open_channel() {
    for megabytes in [0, 3] {
        let offer = Offer {
            mmio_megabytes: megabytes,
            ..Offer::new(TYPE, TYPE)
        };
        let options = Options {
            numbers: true,
            ..Options::default()
        };
        run_offer(
            Config::default(),
            options,
            offer,
            backends::echo,
            move |guest| {
                guest.wait_open();
                let numbers =
                    guest.state(|state, irql| state.numbers.with(irql, |numbers, _| *numbers));
                assert_eq!(numbers.latency, 300);
                assert_eq!(numbers.mmio.1, u64::from(megabytes) << 20);
                assert_eq!(numbers.mmio.0 == 0, megabytes == 0);
            },
        )
        .expect_finished();
    }
}

#[test]
fn a_channel_can_be_for_another_device_than_the_one_below() {
    const OTHER: GUID = GUID {
        Data1: 77,
        Data2: 1,
        Data3: 2,
        Data4: *b"another!",
    };
    for instance in [None, Some(TYPE)] {
        let options = Options {
            target: Some(Target(OTHER, instance)),
            ..Options::default()
        };
        seeds(5, options, backends::silent, move |guest| {
            guest.system.sleep(Duration::from_millis(1));
            assert_eq!(
                guest.count(|counts| &counts.opened),
                0,
                "its own offer is another"
            );
            let wrong = GUID { Data1: 1, ..OTHER };
            if instance.is_some() {
                let _ = guest
                    .system
                    .offer(Offer::new(OTHER, wrong), backends::silent);
                guest.system.sleep(Duration::from_millis(1));
                assert_eq!(guest.count(|counts| &counts.opened), 0, "another instance");
            }
            let _ = guest.system.offer(Offer::new(OTHER, TYPE), backends::echo);
            guest.wait_open();
            guest.wait_for("replies", |counts| &counts.replies, 1);
        });
    }
}

#[test]
fn a_host_that_refuses_is_reported_to_a_channel_with_a_target() {
    let options = Options {
        target: Some(Target(TYPE, None)),
        ..Options::default()
    };
    for seed in 1..=5 {
        let offer = Offer {
            refuses_to_open: true,
            ..Offer::new(TYPE, TYPE)
        };
        run_offer(
            Config::with_seed(seed),
            options,
            offer,
            backends::echo,
            |guest| {
                guest.wait_for("failures", |counts| &counts.pnp_failures, 1);
                assert_eq!(guest.count(|counts| &counts.opened), 0);
            },
        )
        .expect_finished();
    }
}

#[test]
fn a_pipes_messages_keep_their_length() {
    let host = |channel: HostChannel| {
        while channel.wait_open() {
            while let Ok(packet) = channel.recv() {
                assert_eq!(packet.payload[..8], [1, 0, 0, 0, 5, 0, 0, 0]);
                assert_eq!(&packet.payload[8..13], b"\0four");
                let _ = channel.send(&packet.payload, false);
            }
        }
    };
    let options = Options {
        pipe: true,
        ..Options::default()
    };
    seeds(5, options, host, |guest| {
        guest.wait_open();
        guest
            .state(|state, irql| state.send(b"\0four", Mode::Notify, How::Allocated, irql))
            .expect("the channel is open");
        guest.wait_for("received", |counts| &counts.received, 1);
    });
}

#[test]
fn the_bus_drivers_own_device_has_the_interface_too() {
    let options = Options {
        query: Query::IoTarget,
        target: Some(Target(TYPE, None)),
        ..Options::default()
    };
    seeds(3, options, backends::echo, |guest| {
        guest.wait_for("replies", |counts| &counts.replies, 1);
    });
}

#[test]
fn a_version_that_the_bus_driver_does_not_have_falls_back_to_the_first() {
    let options = Options {
        query: Query::Version(InterfaceVersion {
            version: 2,
            size: 400,
        }),
        ..Options::default()
    };
    seeds(3, options, backends::echo, |guest| {
        guest.wait_for("replies", |counts| &counts.replies, 1);
        let numbers = guest.state(|state, irql| state.numbers.with(irql, |numbers, _| *numbers));
        let expected = Numbers {
            version: 1,
            header: (360, 1),
            ..Numbers::default()
        };
        assert_eq!(numbers, expected);
    });
}

#[test]
fn an_enabled_channel_that_is_dropped_is_closed_and_cleaned_up() {
    seeds(10, Options::default(), backends::echo, |guest| {
        guest.wait_open();
        guest.ask(Device::release);
        assert_eq!(guest.count(|counts| &counts.suspended), 1);
        assert_eq!(guest.count(|counts| &counts.closed), 1);
        assert_eq!(
            guest.ask(Device::enable),
            Err(Error::NotOpen),
            "there is none"
        );
    });
}

#[test]
fn enabling_twice_changes_nothing() {
    seeds(3, Options::default(), backends::echo, |guest| {
        guest.wait_open();
        assert_eq!(guest.ask(Device::enable), Ok(()));
        guest.ask(Device::disable);
        guest.ask(Device::disable);
        assert_eq!(guest.count(|counts| &counts.closed), 1);
        assert_eq!(guest.ask(Device::enable), Ok(()));
        guest.wait_for("post-started", |counts| &counts.post_started, 2);
    });
}

/// What was forgotten, or is dropped where nothing can be given back, leaks: it crashes nothing at
/// that moment, and the debugger is told.
#[test]
fn what_cannot_be_given_back_leaks_and_the_debugger_is_told() {
    use kmcl::{channel::ChannelSlot, irql::raise, lookaside::LookasideList, sync::PassiveCell};
    const TAG: Tag = Tag::new(*b"KmTs");

    let report = Machine::run(Config::default(), |system| {
        as_driver(NOBODY, |irql| {
            let list = LookasideList::<u64>::try_new(TAG, irql).expect("memory");
            std::mem::forget(list.allocate(1, irql));
            drop(list);
            let cell = PassiveCell::try_new(ChannelSlot::<Client>::Empty, TAG).expect("memory");
            raise(irql, |_| drop(cell));
        });
        system.leaks(NOBODY).len()
    });
    assert_told(&report, "an entry that was forgotten leaks");
    assert_told(&report, "a cell is dropped above PASSIVE_LEVEL and leaks");
    assert_eq!(report.expect_finished(), 1, "the entry");

    let report = run_leaking(
        Options {
            query: Query::Raised,
            ..Options::default()
        },
        |_| (),
    );
    assert_told(
        &report,
        "an interface is dropped above PASSIVE_LEVEL and leaks",
    );
    // Here the simulator finds it; on Windows the bus driver stays loaded.
    let check = report.expect_bug_check();
    assert_eq!(check.code, StopCode::NTSIM_KMCL_VIOLATION, "{check:?}");

    for disabled in [false, true] {
        let report = run_leaking(Options::default(), move |guest| {
            guest.wait_open();
            guest.ask(move |device, irql| {
                if disabled {
                    device.disable(irql);
                }
                let channel = device.take_channel(irql);
                raise(irql, |_| drop(channel));
            });
        });
        assert_told(
            &report,
            "a channel is dropped above PASSIVE_LEVEL and leaks",
        );
    }
}

#[track_caller]
fn assert_told<R: std::fmt::Debug>(report: &Report<R>, what: &str) {
    assert!(
        report.debug_output.iter().any(|line| line.contains(what)),
        "{report:?}"
    );
}

/// What the driver has taken from pool so far, and KMCL for it.
fn pool_allocations(driver: DriverId) -> u64 {
    [Owner::Driver(driver), Owner::Kmcl]
        .into_iter()
        .map(|owner| mm::pool::counters(owner).allocations)
        .sum()
}

/// In the steady state nothing of the driver's comes from pool: neither for requests nor for
/// messages, external data, or what is received.
#[test]
fn the_steady_state_takes_nothing_from_pool() {
    for seed in 1..=10 {
        run(
            Config::with_seed(seed),
            Options::default(),
            backends::echo,
            |guest| {
                guest.wait_open();
                let round = |number: u32| {
                    guest
                        .state(|state, irql| {
                            state.send(&[0; 64], Mode::Transact, How::Allocated, irql)
                        })
                        .expect("the channel is open");
                    guest
                        .state(|state, irql| {
                            state.send(&[0; 64], Mode::Notify, How::Allocated, irql)
                        })
                        .expect("the channel is open");
                    guest
                        .state(|state, irql| state.send_copied(&[0; 13], irql))
                        .expect("the channel is open");
                    guest.wait_for("received", |counts| &counts.received, 2 * number);
                    guest.wait_for("ended", |counts| &counts.ended, 2 * number + 1);
                };
                // A list keeps four entries at least: as many at once, and then fewer.
                guest.state(|state, irql| state.allocate_and_free(4, irql));
                (1..=10).for_each(round);
                let before = pool_allocations(guest.driver);
                (11..=40).for_each(round);
                assert_eq!(pool_allocations(guest.driver), before);
            },
        )
        .expect_finished();
    }
}

#[test]
fn a_sender_that_outlives_its_channel_says_so() {
    seeds(5, Options::default(), backends::echo, |guest| {
        guest.wait_open();
        let sender = guest
            .state(|state, irql| state.sender(irql))
            .expect("the channel is open");
        guest.ask(Device::release);
        as_driver(guest.driver, |_| {
            assert!(sender.packet().is_err_and(|error| error == Error::NotOpen));
            assert_eq!(sender.lookaside_counters(), None);
            drop(sender);
        });
        let state = guest.ask(|device, _| device.state.clone());
        assert_eq!(state.counts.bad.load(Ordering::Relaxed), 0);
        as_driver(guest.driver, |_| drop(state));
    });
}
