//! Channels that the host does not open.

use std::time::Duration;

use ntsim::kernel::kernel;
use ntsim::vmbus::{Offer, backends};
use vmbchan::ioctl::{IOCTL_VMBCHAN_TRANSACT, State};
use wdk_sys::{NTSTATUS, STATUS_DEVICE_NOT_CONNECTED, STATUS_DEVICE_REMOVED, STATUS_IO_TIMEOUT};
use wdk_sys_lite as wdk_sys;

use crate::guest::{
    Guest, INSTANCE, INTERFACE_TYPE, config, info, message, name, open, run_with, same, wait_for,
};

/// A host that refuses to open the channel, and one that never answers.
fn not_opened() -> [Offer; 2] {
    let offer = Offer::new(INTERFACE_TYPE, INSTANCE);
    [
        Offer {
            refuses_to_open: true,
            ..offer.clone()
        },
        Offer {
            leaves_open_unanswered: true,
            ..offer
        },
    ]
}

/// Runs a guest whose host does not open the channel.
fn guests(
    parameters: &'static [(&'static str, u32)],
    program: impl FnOnce(&Guest<'_>) + Send + Copy + 'static,
) {
    for offer in not_opened() {
        for seed in 1..=9 {
            run_with(
                config(seed),
                parameters,
                offer.clone(),
                backends::echo,
                program,
            )
            .expect_finished();
        }
    }
}

/// Runs a guest whose host opens the channel after a while; the driver waits for 50 ms.
fn opened_after(delay: Duration, program: impl FnOnce(&Guest<'_>) + Send + Copy + 'static) {
    for seed in 1..=9 {
        let offer = Offer {
            answers_open_after: delay,
            ..Offer::new(INTERFACE_TYPE, INSTANCE)
        };
        run_with(
            config(seed),
            &[("OpenTimeout", 50)],
            offer,
            backends::echo,
            program,
        )
        .expect_finished();
    }
}

/// Has a program wait for everything that can be waited for; it ends with `expected`.
fn wait_for_all(guest: &Guest<'_>, expected: NTSTATUS) -> ntsim::machine::Thread {
    guest.system.spawn_process("waiter", move |process| {
        let file = open(process);
        let requests = [
            file.start_read(8),
            file.start_write(&[1; 8]),
            file.start_ioctl(IOCTL_VMBCHAN_TRANSACT, &[1; 8], 8),
        ];
        for request in requests {
            let done = request.expect("a request").wait();
            assert_eq!(name(done.status), name(expected));
        }
    })
}

#[test]
fn what_waits_for_a_host_that_does_not_open_the_channel_ends_after_the_timeout() {
    const TIMEOUT: Duration = Duration::from_millis(50);
    guests(&[("OpenTimeout", 50)], |guest| {
        for _ in 0..2 {
            let begin = kernel().sched.now();
            let waiter = wait_for_all(guest, STATUS_IO_TIMEOUT);
            guest.program(|_, file| {
                let info = info(file);
                assert_eq!(
                    (info.state, info.open_timeout),
                    (State::Connecting as u32, 50)
                );
            });
            waiter.join();
            let took = Duration::from_nanos(kernel().sched.now() - begin);
            assert!(
                took.abs_diff(TIMEOUT) < Duration::from_millis(5),
                "{took:?}"
            );
            guest.program(|_, file| {
                let begin = kernel().sched.now();
                assert_eq!(info(file).state, State::Unanswered as u32);
                assert_eq!(file.read(8), Err(STATUS_IO_TIMEOUT));
                assert_eq!(file.write(&[1; 8]), Err(STATUS_IO_TIMEOUT));
                assert_eq!(
                    file.ioctl(IOCTL_VMBCHAN_TRANSACT, &[1; 8], 8),
                    Err(STATUS_IO_TIMEOUT)
                );
                let took = Duration::from_nanos(kernel().sched.now() - begin);
                assert!(took < Duration::from_millis(5), "{took:?}");
            });
            guest.system.power_down(guest.pdo).expect("asleep");
            guest.system.power_up(guest.pdo).expect("awake");
        }
    });
}

#[test]
fn a_host_that_opens_the_channel_too_late_still_serves_the_same_handles() {
    opened_after(Duration::from_millis(80), |guest| {
        guest.program(|process, file| {
            assert_eq!(file.read(8), Err(STATUS_IO_TIMEOUT));
            assert_eq!(info(file).state, State::Unanswered as u32);
            wait_for(process, file, State::Open);
            assert_eq!(file.write(&message(1, 8)), Ok(8));
            assert!(same(&file.read(8).expect("the echo"), &message(1, 8)));
        });
    });
}

#[test]
fn requests_wait_for_a_host_that_opens_the_channel_late() {
    opened_after(Duration::from_millis(20), |guest| {
        guest.program(|_, file| {
            assert_eq!(info(file).state, State::Connecting as u32);
            let read = file.start_read(8).expect("a request");
            assert_eq!(file.write(&message(1, 8)), Ok(8));
            assert!(same(&read.wait().data, &message(1, 8)));
        });
    });
}

#[test]
fn the_device_can_go_while_the_host_makes_up_its_mind() {
    for seed in 1..=60 {
        let offer = Offer {
            answers_open_after: Duration::from_micros(100),
            ..Offer::new(INTERFACE_TYPE, INSTANCE)
        };
        run_with(config(seed), &[], offer, backends::echo, |guest| {
            for _ in 0..3 {
                let pause = guest.system.random(200_000);
                guest.system.sleep(Duration::from_nanos(pause));
                guest.system.power_down(guest.pdo).expect("asleep");
                guest.system.power_up(guest.pdo).expect("awake");
            }
        })
        .expect_finished();
    }
}

#[test]
fn a_device_whose_channel_is_not_opened_can_sleep() {
    guests(&[], |guest| {
        let waiter = wait_for_all(guest, STATUS_DEVICE_NOT_CONNECTED);
        guest.system.sleep(Duration::from_millis(1));
        guest.system.power_down(guest.pdo).expect("asleep");
        waiter.join();
        guest.system.power_up(guest.pdo).expect("awake");
    });
}

#[test]
fn a_device_whose_channel_is_not_opened_can_be_pulled_out() {
    guests(&[], |guest| {
        let waiter = wait_for_all(guest, STATUS_DEVICE_REMOVED);
        guest.system.sleep(Duration::from_millis(1));
        guest
            .system
            .surprise_remove(guest.pdo)
            .expect("the driver is told");
        waiter.join();
    });
}

#[test]
fn a_host_can_take_back_what_it_does_not_open() {
    guests(&[], |guest| {
        let waiter = wait_for_all(guest, STATUS_DEVICE_REMOVED);
        guest.system.sleep(Duration::from_millis(1));
        guest.offer.rescind();
        waiter.join();
        guest.system.settle_devices();
    });
}
