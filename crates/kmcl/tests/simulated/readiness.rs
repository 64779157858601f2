//! The wait for a channel that opens, and for a protocol's handshake.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use kmcl::readiness::Readiness;
use kmcl::status::{Error, Status};
use ntsim::vmbus::{HostChannel, Offer, backends};
use ntsim::{Config, Machine};
use wdk_sys_lite::ntddk::KeQueryInterruptTime;
use wdk_sys_lite::{
    NTSTATUS, STATUS_INSUFFICIENT_RESOURCES, STATUS_IO_TIMEOUT, STATUS_REVISION_MISMATCH,
    STATUS_TIMEOUT,
};

use crate::driver::{self, Device, Handshake, Options, Target};
use crate::guest::{Guest, TYPE, image, run_failing, run_offer, seeds};

/// A tenth of a second, in units of 100 ns.
const TENTH: u64 = 1_000_000;

/// A driver that takes the host's first answer so.
fn with(handshake: Handshake) -> Options {
    Options {
        handshake,
        ..Options::default()
    }
}

fn wait(guest: &Guest<'_>, ready: bool, timeout: Option<u64>) -> Readiness {
    guest.ask(|device, irql| device.wait(ready, timeout, irql))
}

fn failed(status: NTSTATUS) -> Readiness {
    Readiness::Failed(Status(status))
}

#[test]
fn a_channel_is_ready_when_the_handler_says_so_each_time_that_it_is_enabled() {
    seeds(20, with(Handshake::Ends), backends::echo, |guest| {
        for round in 1..=3 {
            // Both ways in which a device may wait: with the channel opening meanwhile, or open
            // already.
            assert_eq!(wait(guest, false, None), Readiness::Ready);
            assert!(guest.count(|counts| &counts.started) >= round);
            assert_eq!(wait(guest, true, Some(TENTH)), Readiness::Ready);
            assert!(guest.count(|counts| &counts.succeeded) >= round);
            assert_eq!(wait(guest, false, Some(0)), Readiness::Ready);
            guest.ask(Device::disable);
            assert_eq!(wait(guest, false, None), Readiness::Closed, "there is none");
            guest
                .ask(Device::enable)
                .expect("the channel is enabled again");
        }
    });
}

#[test]
fn the_wait_ends_with_its_time() {
    seeds(10, with(Handshake::Ends), backends::silent, |guest| {
        assert_eq!(wait(guest, false, Some(TENTH)), Readiness::Ready);
        // SAFETY: it may be called at any IRQL.
        let now = || guest.ask(|_, _| unsafe { KeQueryInterruptTime() });
        let before = now();
        assert_eq!(wait(guest, true, Some(TENTH)), Readiness::TimedOut);
        assert!(now() - before >= TENTH);
    });
    // A slow host's answer still counts when it comes.
    let slow = |channel: HostChannel| {
        while channel.wait_open() {
            while let Ok(packet) = channel.recv() {
                channel.sleep(Duration::from_millis(200));
                let _ = backends::answer(&channel, &packet);
            }
        }
    };
    seeds(10, with(Handshake::Ends), slow, |guest| {
        assert_eq!(wait(guest, true, Some(TENTH)), Readiness::TimedOut);
        assert_eq!(wait(guest, true, Some(10 * TENTH)), Readiness::Ready);
    });
}

#[test]
fn a_channel_that_closes_meanwhile_ends_the_wait() {
    // The host takes the device back when the handshake begins, or a little later.
    let takes_back = |channel: HostChannel| {
        while channel.wait_open() {
            if channel.recv().is_ok() {
                channel.sleep(Duration::from_nanos(channel.random(20_000)));
                channel.rescind();
            }
            channel.wait_closed();
        }
    };
    let waits = Arc::new(AtomicU32::new(0));
    for seed in 1..=20 {
        let waits = waits.clone();
        // The device may have gone before it has started, or before its driver can be asked.
        let program = move |guest: &Guest<'_>| {
            if let Some(readiness) = guest.try_ask(|device, irql| device.wait(true, None, irql)) {
                assert_eq!(readiness, Readiness::Closed);
                assert_eq!(readiness.check(), Err(Error::NotOpen));
                waits.fetch_add(1, Ordering::Relaxed);
            }
        };
        run_failing(
            Config::with_seed(seed),
            with(Handshake::Ends),
            takes_back,
            program,
        )
        .expect_finished();
    }
    assert!(
        waits.load(Ordering::Relaxed) >= 5,
        "{waits:?} of 20 could wait"
    );
}

#[test]
fn a_pause_is_an_end_and_a_start_a_new_beginning() {
    seeds(10, with(Handshake::Ends), backends::echo, |guest| {
        assert_eq!(wait(guest, true, None), Readiness::Ready);
        let with_channel = |pause: bool| {
            guest.ask(|device, irql| {
                device.with_channel(irql, |channel, irql| {
                    if pause {
                        channel.pause(irql);
                    } else {
                        channel.start(irql);
                    }
                })
            })
        };
        with_channel(true).expect("the channel is enabled");
        guest.wait_for("suspended", |counts| &counts.suspended, 1);
        assert_eq!(wait(guest, false, None), Readiness::Closed);
        assert_eq!(wait(guest, true, None), Readiness::Closed);
        with_channel(false).expect("the channel is enabled");
        guest.wait_for("started", |counts| &counts.started, 2);
        assert_eq!(wait(guest, true, Some(TENTH)), Readiness::Ready);
    });
    let paused = Options {
        start_paused: true,
        ..with(Handshake::Ends)
    };
    seeds(5, paused, backends::echo, |guest| {
        guest.wait_for("opened", |counts| &counts.opened, 1);
        assert_eq!(wait(guest, false, Some(TENTH)), Readiness::TimedOut);
    });
}

#[test]
fn whoever_waits_learns_why_a_channel_cannot_be_used() {
    let fails = |handshake, fail_opened| Options {
        fail_opened,
        handshake,
        ..Options::default()
    };
    seeds(10, fails(Handshake::None, true), backends::echo, |guest| {
        let expected = failed(STATUS_INSUFFICIENT_RESOURCES);
        assert_eq!(wait(guest, false, None), expected);
        assert_eq!(wait(guest, true, None), expected);
    });
    seeds(
        10,
        fails(Handshake::Fails, false),
        backends::echo,
        |guest| {
            let expected = failed(STATUS_REVISION_MISMATCH);
            assert_eq!(wait(guest, true, None), expected);
            // That the channel is then closed is no better answer.
            guest.system.sleep(Duration::from_millis(1));
            assert_eq!(wait(guest, true, None), expected);
        },
    );
    let with_target = Options {
        target: Some(Target(TYPE, None)),
        ..Options::default()
    };
    let refuses = || Offer {
        refuses_to_open: true,
        ..Offer::new(TYPE, TYPE)
    };
    for seed in 1..=10 {
        run_offer(
            Config::with_seed(seed),
            with_target,
            refuses(),
            backends::echo,
            |guest| {
                let readiness = wait(guest, true, None);
                assert!(
                    matches!(readiness, Readiness::Failed(status) if !status.is_success()),
                    "{readiness:?}"
                );
            },
        )
        .expect_finished();
    }
}

#[test]
fn a_device_whose_channel_does_not_open_in_time_does_not_start() {
    for (refuses_to_open, handshake, expected) in [
        (true, Handshake::Ends, STATUS_IO_TIMEOUT),
        (false, Handshake::None, STATUS_IO_TIMEOUT),
        (false, Handshake::Fails, STATUS_REVISION_MISMATCH),
    ] {
        for seed in 1..=5 {
            Machine::run(Config::with_seed(seed), move |system| {
                driver::set_options(Options {
                    ready_within: TENTH,
                    ..with(handshake)
                });
                let driver = system.load_driver(image()).expect("the driver loads");
                let offer = Offer {
                    refuses_to_open,
                    ..Offer::new(TYPE, TYPE)
                };
                let offer = system.offer(offer, backends::echo);
                let pdo = offer.pdo().expect("the bus driver makes a device").id;
                let status = system
                    .wait_started(pdo)
                    .expect_err("there is no channel to use");
                assert_eq!(status, expected);
                let leaks = system.unload_driver(driver).expect("the driver unloads");
                assert!(leaks.is_empty(), "{leaks:?}");
            })
            .expect_finished();
        }
    }
    assert!(Readiness::TimedOut.check() != Err(Error::Status(Status(STATUS_TIMEOUT))));
}
