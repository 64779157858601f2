//! Hosts that break the protocol: the channel closes, the driver gets everything back, and nothing
//! stops the guest.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use kmcl_sys::VMBUS_CHANNEL_FORMAT_FLAG_WAIT_FOR_COMPLETION as WAIT;
use ntsim::Config;
use ntsim::vmbus::backends::{MISBEHAVIOURS, Misbehaviour, misbehaving};
use ntsim::vmbus::{HostChannel, HostError, KmclBehaviour, Offer, backends};
use wdk_sys_lite::STATUS_SUCCESS;

use crate::harness::{INSTANCE, TYPE, driver, log, machine, note, seeds, set_hooks, wait_for};
use crate::kmcl;

#[test]
fn no_misbehaviour_of_the_host_stops_the_guest_or_loses_a_packet() {
    for how in MISBEHAVIOURS {
        for seed in 1..=8 {
            let report = machine(
                Config::with_seed(seed),
                Offer::new(TYPE, INSTANCE),
                misbehaving(*how, 3),
                |fixture| {
                    let completed = Rc::new(Cell::new(0));
                    let count = Rc::clone(&completed);
                    set_hooks(|hooks| {
                        hooks.completion = Some(Rc::new(move |packet, _, _| {
                            count.set(count.get() + 1);
                            kmcl!(VmbPacketFree(packet));
                        }));
                        hooks.packet = Some(Rc::new(|packet, payload, _| {
                            std::hint::black_box(payload.to_vec());
                            kmcl!(VmbChannelPacketComplete(packet, std::ptr::null_mut(), 0));
                        }));
                    });
                    fixture.open();
                    let mut sent = 0;
                    for number in 0..10 {
                        let flags = if number % 2 == 0 { WAIT } else { 0 };
                        match fixture.send_unless_suspended(&[number; 64], flags) {
                            Some(status) => assert_eq!(status, STATUS_SUCCESS),
                            None => break,
                        }
                        sent += 1;
                        fixture.system.sleep(Duration::from_micros(200));
                    }
                    fixture.finish();
                    assert_eq!(completed.get(), sent);
                },
            );
            println!("{how:?}, seed {seed}");
            report.expect_finished();
        }
    }
}

fn closes(how: Misbehaviour, breach: &'static str) {
    seeds(
        &KmclBehaviour::default(),
        || misbehaving(how, 0),
        move |fixture| {
            fixture.open();
            let packet = fixture.packet();
            assert_eq!(fixture.send(packet, b"provoke", WAIT), STATUS_SUCCESS);
            wait_for(fixture.system, "closed done");
            wait_for(fixture.system, "completed 0xc");
            assert_eq!(fixture.system.kmcl_counters().corruptions, 1);
            assert_eq!(fixture.system.host_breaches(), [breach]);
            fixture.finish();
        },
    );
}

#[test]
fn a_bad_index_closes_the_channel() {
    closes(
        Misbehaviour::BadIn(0xFFFF_FFF8),
        "the host's index 0xfffffff8 is not in the ring",
    );
}

#[test]
fn a_bad_descriptor_closes_the_channel() {
    closes(
        Misbehaviour::BadDescriptor([6, 1, 2, 0]),
        "a packet whose data begin at 8 and which is 16 bytes long, of 24",
    );
}

#[test]
fn a_completion_for_an_unknown_packet_closes_the_channel() {
    closes(
        Misbehaviour::UnknownCompletion,
        "a completion for a packet that is not out (1099511627777)",
    );
}

#[test]
fn a_duplicate_completion_closes_the_channel_and_completes_once() {
    seeds(
        &KmclBehaviour::default(),
        || misbehaving(Misbehaviour::DuplicateCompletion, 0),
        |fixture| {
            fixture.open();
            let packet = fixture.packet();
            assert_eq!(fixture.send(packet, b"once", WAIT), STATUS_SUCCESS);
            wait_for(fixture.system, "closed done");
            assert_eq!(
                log()
                    .iter()
                    .filter(|line| line.starts_with("completed"))
                    .count(),
                1
            );
            fixture.finish();
        },
    );
}

#[test]
fn a_channel_that_was_broken_can_be_opened_again() {
    seeds(
        &KmclBehaviour::default(),
        || misbehaving(Misbehaviour::BadIn(12), 0),
        |fixture| {
            fixture.open();
            let packet = fixture.packet();
            assert_eq!(fixture.send(packet, b"provoke", 0), STATUS_SUCCESS);
            wait_for(fixture.system, "closed done");
            fixture.open();
            fixture.finish();
        },
    );
}

#[test]
fn a_payload_in_the_ring_can_change_while_it_is_read() {
    let host = |channel: HostChannel| {
        assert!(channel.wait_open());
        let raw = channel.raw().expect("open");
        let position = raw.position();
        channel.send(&[1; 64], false).expect("room");
        channel.sleep(Duration::from_micros(500));
        raw.overwrite(position + 16, &[2; 64]);
    };
    let config = Config {
        kmcl: KmclBehaviour {
            payload_in_ring: Some(true),
            processes_at_passive: Some(true),
            ..KmclBehaviour::default()
        },
        ..Config::default()
    };
    let (before, after) = machine(config, Offer::new(TYPE, INSTANCE), host, |fixture| {
        let seen = Rc::new(Cell::new((0, 0)));
        let sink = Rc::clone(&seen);
        set_hooks(|hooks| {
            hooks.packet = Some(Rc::new(move |packet, payload, _| {
                // SAFETY: the first byte of the payload, which the host may write: read as such.
                let before = unsafe { payload.as_ptr().read_volatile() };
                kernel_sleep(Duration::from_millis(1));
                // SAFETY: as above.
                let after = unsafe { payload.as_ptr().read_volatile() };
                sink.set((before, after));
                kmcl!(VmbChannelPacketComplete(packet, std::ptr::null_mut(), 0));
                note("packet");
            }));
        });
        driver(|| kmcl!(VmbChannelSetIncomingProcessingAtPassive(fixture.channel, 1)));
        fixture.open();
        wait_for(fixture.system, "packet");
        fixture.finish();
        seen.get()
    })
    .expect_finished();
    assert_eq!((before, after), (1, 2));
}

fn kernel_sleep(duration: Duration) {
    let nanoseconds = u64::try_from(duration.as_nanos()).expect("short");
    ntsim::kernel::kernel().sched.sleep(nanoseconds);
}

#[test]
fn a_rescind_at_any_moment_gives_everything_back() {
    for seed in 1..=40 {
        machine(
            Config::with_seed(seed),
            Offer::new(TYPE, INSTANCE),
            backends::rescind(seed % 7),
            |fixture| {
                fixture.enable();
                let mut sent = 0;
                for number in 0..20 {
                    match fixture.send_unless_suspended(&[number; 500], WAIT) {
                        Some(status) => assert_eq!(status, STATUS_SUCCESS),
                        None => break,
                    }
                    sent += 1;
                    if number % 3 == 0 {
                        fixture.system.sleep(Duration::from_micros(20));
                    }
                }
                fixture.finish();
                let completed = log()
                    .iter()
                    .filter(|line| line.starts_with("completed"))
                    .count();
                assert_eq!(completed, sent);
            },
        )
        .expect_finished();
    }
}

#[test]
fn a_guest_that_closes_meanwhile_is_an_error_for_the_host_program() {
    let host = |channel: HostChannel| {
        assert!(channel.wait_open());
        assert_eq!(channel.recv(), Err(HostError::Closed));
        assert!(channel.send(b"nobody", false).is_err());
        assert!(channel.raw().is_err());
        assert!(channel.wait_open(), "opened again");
        assert_eq!(channel.map_gpadl(3).err(), Some(HostError::NoGpadl(3)));
        channel.send(b"heard", false).expect("room");
    };
    seeds(
        &KmclBehaviour::default(),
        || host,
        |fixture| {
            set_hooks(|hooks| {
                hooks.packet = Some(Rc::new(|packet, _, _| {
                    note("packet");
                    kmcl!(VmbChannelPacketComplete(packet, std::ptr::null_mut(), 0));
                }));
            });
            fixture.open();
            fixture.disable();
            fixture.open();
            wait_for(fixture.system, "packet");
            fixture.finish();
        },
    );
}
