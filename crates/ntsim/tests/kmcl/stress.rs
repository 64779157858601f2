//! Everything at once, at random: nothing is lost, nothing hangs, whatever the schedule.

use std::cell::Cell;
use std::num::NonZeroUsize;
use std::rc::Rc;
use std::time::Duration;

use kmcl_sys::VMBUS_CHANNEL_FORMAT_FLAG_WAIT_FOR_COMPLETION as WAIT;
use ntsim::Config;
use ntsim::vmbus::backends::{MISBEHAVIOURS, misbehaving};
use ntsim::vmbus::{HostChannel, Offer, backends};
use wdk_sys_lite::{GUID, STATUS_SUCCESS};

use crate::harness::{Fixture, INSTANCE, TYPE, driver, machine, set_hooks};
use crate::kmcl;

/// Sends from three threads while the channel pauses, starts, closes and opens.
fn everything(fixture: Fixture<'_>) {
    let (sent, completed) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
    let count = Rc::clone(&completed);
    set_hooks(|hooks| {
        hooks.completion = Some(Rc::new(move |packet, _, _| {
            count.set(count.get() + 1);
            kmcl!(VmbPacketFree(packet));
        }));
        hooks.packet = Some(Rc::new(|packet, payload, _| {
            if payload.first() == Some(&3) {
                kmcl!(VmbChannelPacketDeferToPassive(packet));
            } else {
                kmcl!(VmbChannelPacketComplete(
                    packet,
                    payload.as_ptr().cast_mut().cast(),
                    8
                ));
            }
        }));
    });
    // A deferred packet is indicated at PASSIVE_LEVEL, where it is completed.
    set_hooks(|hooks| {
        let dispatch = hooks.packet.take().expect("set above");
        hooks.packet = Some(Rc::new(move |packet, payload, flags| {
            if crate::harness::irql() == 0 {
                kmcl!(VmbChannelPacketComplete(packet, std::ptr::null_mut(), 0));
            } else {
                dispatch(packet, payload, flags);
            }
        }));
    });
    fixture.enable();
    let shared = fixture.share();
    let threads: Vec<_> = (0..3_u8)
        .map(|number| {
            let (shared, sent) = (shared, Rc::clone(&sent));
            fixture.system.spawn("sender", move |system| {
                for round in 0..20_u8 {
                    let length = usize::try_from(system.random(1500)).expect("small") + 1;
                    let flags = if round % 2 == 0 { WAIT } else { 0 };
                    // KMCL may read the buffer until the completion.
                    let buffer = Box::leak(vec![number + 2; length].into_boxed_slice());
                    match shared.send_unless_suspended(buffer, flags) {
                        Some(status) => {
                            assert_eq!(status, STATUS_SUCCESS);
                            sent.set(sent.get() + 1);
                        }
                        None => system.sleep(Duration::from_micros(50)),
                    }
                    system.sleep(Duration::from_nanos(system.random(20_000)));
                }
            })
        })
        .collect();
    for _ in 0..6 {
        fixture
            .system
            .sleep(Duration::from_nanos(fixture.system.random(100_000)));
        match fixture.system.random(3) {
            0 => {
                driver(|| kmcl!(VmbChannelPause(fixture.channel)));
                driver(|| kmcl!(VmbChannelStart(fixture.channel)));
            }
            1 => {
                fixture.disable();
                fixture.enable();
            }
            _ => {}
        }
    }
    for thread in threads {
        thread.join();
    }
    fixture.finish();
    assert_eq!(sent.get(), completed.get());
}

/// Answers, and sends requests of its own.
#[allow(clippy::needless_pass_by_value, reason = "a program owns its channel")]
fn talkative(channel: HostChannel) {
    while channel.wait_open() {
        while let Ok(packet) = channel.recv() {
            if backends::answer(&channel, &packet).is_err() || channel.send(&[9; 40], true).is_err()
            {
                break;
            }
        }
    }
}

#[test]
fn nothing_is_lost_or_hangs_under_random_pauses_closes_and_sends() {
    for seed in 1..=60 {
        machine(
            Config::with_seed(seed),
            Offer::new(TYPE, INSTANCE),
            talkative,
            everything,
        )
        .expect_finished();
    }
}

#[test]
fn nothing_is_lost_or_hangs_when_the_offer_goes_away_meanwhile() {
    for seed in 1..=60 {
        let host = backends::rescind(seed % 11);
        let report = machine(
            Config::with_seed(seed),
            Offer::new(TYPE, INSTANCE),
            host,
            |fixture| {
                everything_once(fixture);
            },
        );
        report.expect_finished();
    }
}

/// As [`everything`], without opening the channel again: the offer may be gone.
fn everything_once(fixture: Fixture<'_>) {
    let (sent, completed) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
    let count = Rc::clone(&completed);
    set_hooks(|hooks| {
        hooks.completion = Some(Rc::new(move |packet, _, _| {
            count.set(count.get() + 1);
            kmcl!(VmbPacketFree(packet));
        }));
    });
    fixture.enable();
    for round in 0..40_u8 {
        let buffer = Box::leak(vec![round; 700].into_boxed_slice());
        let flags = if round % 2 == 0 { WAIT } else { 0 };
        let Some(status) = fixture.share().send_unless_suspended(buffer, flags) else {
            break;
        };
        assert_eq!(status, STATUS_SUCCESS);
        sent.set(sent.get() + 1);
        fixture
            .system
            .sleep(Duration::from_nanos(fixture.system.random(10_000)));
    }
    fixture.finish();
    assert_eq!(sent.get(), completed.get());
}

#[test]
fn nothing_is_lost_or_hangs_with_a_host_that_breaks_the_protocol_at_any_moment() {
    for seed in 1..=60_u64 {
        let choice = usize::try_from(seed).expect("small") % MISBEHAVIOURS.len();
        let host = misbehaving(MISBEHAVIOURS[choice], seed % 5);
        machine(
            Config::with_seed(seed),
            Offer::new(TYPE, INSTANCE),
            host,
            |fixture| {
                everything_once(fixture);
            },
        )
        .expect_finished();
    }
}

/// What changes elsewhere on the bus, or is asked of a disabled channel, does not make it less
/// disabled.
#[test]
fn a_disabled_channel_can_be_cleaned_up_whatever_woke_its_worker() {
    for seed in 1..=200 {
        let config = Config {
            processors: NonZeroUsize::new(1 + usize::try_from(seed % 3).expect("small"))
                .expect("not 0"),
            ..Config::with_seed(seed)
        };
        machine(
            config,
            Offer::new(TYPE, INSTANCE),
            backends::echo,
            move |fixture| {
                fixture.open();
                let offers = fixture.system.spawn("offers", move |system| {
                    for number in 0..8 {
                        system.sleep(Duration::from_nanos(system.random(20_000)));
                        let other = GUID {
                            Data1: number,
                            ..INSTANCE
                        };
                        system
                            .offer(Offer::new(TYPE, other), backends::echo)
                            .rescind();
                    }
                });
                fixture
                    .system
                    .sleep(Duration::from_nanos(fixture.system.random(100_000)));
                fixture.disable();
                if seed % 2 == 0 {
                    driver(|| {
                        kmcl!(VmbChannelPause(fixture.channel));
                        kmcl!(VmbChannelStart(fixture.channel));
                    });
                }
                driver(|| {
                    kmcl!(VmbChannelCleanup(fixture.channel));
                    fixture.dereference();
                });
                offers.join();
            },
        )
        .expect_finished();
    }
}
