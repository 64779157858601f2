//! How the driver comes, goes, and is interrupted.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use ntsim::io::Process;
use ntsim::kernel::kernel;
use ntsim::pnp::{Bus, Pdo};
use ntsim::vmbus::{HostChannel, Offer, backends};
use ntsim::{Config, Machine};
use vmbchan::ioctl::{GUID_DEVINTERFACE_VMBCHAN, IOCTL_VMBCHAN_TRANSACT, State};
use wdk_sys::{
    GUID, NTSTATUS, PINTERFACE, PVOID, STATUS_CANCELLED, STATUS_DELETE_PENDING,
    STATUS_DEVICE_CONFIGURATION_ERROR, STATUS_DEVICE_NOT_CONNECTED, STATUS_DEVICE_REMOVED,
    STATUS_INVALID_DEVICE_STATE, STATUS_NO_SUCH_DEVICE, STATUS_NOT_SUPPORTED,
    STATUS_OBJECT_NAME_NOT_FOUND, STATUS_SUCCESS,
};
use wdk_sys_lite as wdk_sys;

use crate::guest::{
    Guest, HARDWARE_ID, INSTANCE, INTERFACE_TYPE, config, image, info, message, name, open, same,
    seeds, wait_for,
};

/// What a request may end with when its channel or device goes while it is under way.
const ENDS: &[NTSTATUS] = &[
    STATUS_SUCCESS,
    STATUS_CANCELLED,
    STATUS_DEVICE_NOT_CONNECTED,
    STATUS_DEVICE_REMOVED,
    // The framework's own, once the device is on its way out.
    STATUS_INVALID_DEVICE_STATE,
    STATUS_NO_SUCH_DEVICE,
    STATUS_DELETE_PENDING,
];

#[test]
fn a_driver_without_a_device_loads_and_unloads() {
    for seed in 1..=5 {
        Machine::run(config(seed), |system| {
            for _ in 0..3 {
                let driver = system.load_driver(image(&[])).expect("the driver loads");
                assert!(
                    system
                        .unload_driver(driver)
                        .expect("the driver unloads")
                        .is_empty()
                );
            }
        })
        .expect_finished();
    }
}

#[test]
fn a_device_that_is_never_used_leaves_nothing() {
    seeds(20, backends::echo, |_| {});
}

#[test]
fn a_device_comes_and_goes() {
    seeds(10, backends::echo, |guest| {
        for number in 0..3 {
            guest.program(move |_, file| {
                file.write(&message(number, 100)).expect("written");
                assert!(same(&file.read(104).expect("read"), &message(number, 100)));
            });
            guest
                .system
                .remove_device(guest.pdo)
                .expect("the device is removed");
            guest.process(|process| {
                assert_eq!(
                    process.open(&GUID_DEVINTERFACE_VMBCHAN).err(),
                    Some(STATUS_OBJECT_NAME_NOT_FOUND)
                );
            });
            guest
                .system
                .enable_device(guest.pdo)
                .expect("the device is back");
        }
    });
}

#[test]
fn resources_can_be_rebalanced() {
    seeds(10, backends::echo, |guest| {
        guest
            .system
            .rebalance(guest.pdo)
            .expect("stopped and started");
        guest.program(|_, file| {
            file.write(&message(1, 100)).expect("written");
            assert!(same(&file.read(104).expect("read"), &message(1, 100)));
        });
    });
}

#[test]
fn a_handle_from_before_the_sleep_must_be_opened_again() {
    seeds(20, backends::echo, |guest| {
        let pdo = guest.pdo;
        let system = guest.system;
        let asleep = Rc::new(Cell::new(0));
        let stage = Rc::clone(&asleep);
        let program = system.spawn_process("sleeper", move |process| {
            let file = open(process);
            file.write(&message(1, 8)).expect("written");
            assert!(same(&file.read(8).expect("read"), &message(1, 8)));
            let read = file.start_read(8).expect("a request");
            process.sleep(Duration::from_micros(20));
            stage.set(1);
            assert_eq!(name(read.wait().status), name(STATUS_DEVICE_NOT_CONNECTED));
            // This one waits until the device is up again, and is of the old session then.
            assert_eq!(file.write(&[1; 8]), Err(STATUS_DEVICE_NOT_CONNECTED));
            assert_eq!(file.read(8), Err(STATUS_DEVICE_NOT_CONNECTED));
            assert_eq!(
                file.ioctl(IOCTL_VMBCHAN_TRANSACT, &[1; 8], 8),
                Err(STATUS_DEVICE_NOT_CONNECTED)
            );
            assert_eq!(info(&file).session, 2);
            let file = open(process);
            file.write(&message(2, 8)).expect("written");
            assert!(same(&file.read(8).expect("read"), &message(2, 8)));
        });
        while asleep.get() == 0 {
            system.sleep(Duration::from_micros(10));
        }
        system.power_down(pdo).expect("asleep");
        system.sleep(Duration::from_micros(100));
        system.power_up(pdo).expect("awake");
        program.join();
    });
}

#[test]
fn messages_that_were_received_can_be_read_after_the_host_closed() {
    let host = |channel: HostChannel| {
        if channel.wait_open() {
            for number in 0..5 {
                channel.send(&message(number, 64), false).expect("room");
            }
            channel.sleep(Duration::from_millis(1));
            // No more of this channel: the ring makes no sense.
            if let Ok(raw) = channel.raw() {
                raw.publish(ntsim::vmbus::RingIndex::In, 0xFFFF_FFF8);
                raw.signal();
            }
        }
    };
    seeds(20, host, |guest| {
        guest.program(|process, file| {
            wait_for(process, file, State::Closed);
            for number in 0..5 {
                assert_eq!(file.read(64), Ok(message(number, 64)));
            }
            assert_eq!(file.read(64), Err(STATUS_DEVICE_NOT_CONNECTED));
            assert_eq!(file.write(&[1]), Err(STATUS_DEVICE_NOT_CONNECTED));
        });
    });
}

/// Keeps the device busy with everything at once, until it fails; handles are opened again while
/// that works.
fn busy(process: &Process, rounds: usize) {
    for round in 0..rounds {
        let Ok(file) = process.open(&GUID_DEVINTERFACE_VMBCHAN) else {
            return;
        };
        let mut pending = Vec::new();
        for number in 0..=process.random(12) {
            let number = usize::try_from(number).expect("a small number") + round;
            pending.extend(match process.random(4) {
                0 => file.start_read(200),
                1 | 2 => file.start_write(&message(number, 1 + number * 13 % 200)),
                _ => file.start_ioctl(IOCTL_VMBCHAN_TRANSACT, &message(number, 64), 64),
            });
        }
        process.sleep(Duration::from_nanos(process.random(20_000)));
        for request in pending {
            if process.random(3) == 0 {
                let _ = request.cancel();
            }
            // A read may wait for ever: nobody wrote for it.
            let done = match request.wait_for(Duration::from_micros(200)) {
                Ok(done) => done,
                Err(request) => {
                    let _ = request.cancel();
                    request.wait()
                }
            };
            assert!(ENDS.contains(&done.status), "{}", name(done.status));
        }
    }
}

/// Runs [`busy`] programs, and meanwhile an event.
fn interrupted(
    count: u64,
    host: impl FnOnce(HostChannel) + Send + Clone + 'static,
    event: impl Fn(&Guest<'_>) + Send + Clone + 'static,
) {
    seeds(count, host, move |guest| {
        let programs: Vec<_> = (0..2)
            .map(|_| {
                guest
                    .system
                    .spawn_process("busy", |process| busy(process, 6))
            })
            .collect();
        guest
            .system
            .sleep(Duration::from_nanos(guest.system.random(100_000)));
        event(guest);
        for program in programs {
            program.join();
        }
    });
}

#[test]
fn a_busy_device_can_be_pulled_out() {
    let pull = |guest: &Guest<'_>| {
        guest
            .system
            .surprise_remove(guest.pdo)
            .expect("the driver is told");
    };
    interrupted(40, backends::echo, pull);
    interrupted(20, backends::silent, pull);
    interrupted(
        20,
        |channel| backends::slow(Duration::from_micros(30))(channel),
        pull,
    );
}

#[test]
fn a_busy_device_can_sleep_and_wake_up() {
    let cycle = |guest: &Guest<'_>| {
        for _ in 0..3 {
            guest.system.power_down(guest.pdo).expect("asleep");
            guest
                .system
                .sleep(Duration::from_nanos(guest.system.random(50_000)));
            guest.system.power_up(guest.pdo).expect("awake");
        }
    };
    interrupted(40, backends::echo, cycle);
    interrupted(20, backends::silent, cycle);
    interrupted(
        20,
        |channel| backends::full(Duration::from_micros(200))(channel),
        cycle,
    );
}

#[test]
fn the_host_can_take_a_busy_device_away() {
    interrupted(40, backends::echo, |guest| guest.offer.rescind());
    interrupted(20, backends::silent, |guest| guest.offer.rescind());
    interrupted(20, |channel| backends::rescind(5)(channel), |_| {});
}

#[test]
fn the_host_can_offer_the_same_device_again_at_once() {
    seeds(40, backends::echo, |guest| {
        let mut offer = guest.offer;
        for number in 0..4 {
            offer.rescind();
            // The new offer arrives while the old device's channel is disabled and cleaned up.
            let pause = guest.system.random(20_000);
            guest.system.sleep(Duration::from_nanos(pause));
            offer = guest
                .system
                .offer(Offer::new(INTERFACE_TYPE, INSTANCE), backends::echo);
            let pdo = offer.pdo().expect("the bus driver makes a device").id;
            guest.system.wait_started(pdo).expect("the device starts");
            guest.program(move |_, file| {
                file.write(&message(number, 100)).expect("written");
                assert!(same(&file.read(104).expect("read"), &message(number, 100)));
            });
        }
    });
}

#[test]
fn a_device_that_is_pulled_out_ends_what_waits() {
    seeds(20, backends::silent, |guest| {
        let (system, pdo) = (guest.system, guest.pdo);
        let program = system.spawn_process("waiter", |process| {
            let file = open(process);
            let read = file.start_read(8).expect("a request");
            let transaction = file
                .start_ioctl(IOCTL_VMBCHAN_TRANSACT, &[1; 8], 8)
                .expect("a request");
            for request in [read, transaction] {
                assert_eq!(name(request.wait().status), name(STATUS_DEVICE_REMOVED));
            }
            assert!(file.read(8).is_err());
        });
        system.sleep(Duration::from_millis(1));
        system.surprise_remove(pdo).expect("the driver is told");
        program.join();
    });
}

/// A bus that is not `VMBus`.
struct OtherBus;

impl Bus for OtherBus {
    fn query_interface(
        &self,
        _pdo: &Rc<Pdo>,
        _interface_type: &GUID,
        _size: u16,
        _version: u16,
        _interface: PINTERFACE,
        _data: PVOID,
    ) -> NTSTATUS {
        STATUS_NOT_SUPPORTED
    }

    fn removed(&self, _pdo: &Rc<Pdo>) {}
}

#[test]
fn a_device_on_another_bus_does_not_start() {
    Machine::run(Config::default(), |system| {
        let driver = system.load_driver(image(&[])).expect("the driver loads");
        let pdo = kernel().pnp.report(
            HARDWARE_ID.to_owned(),
            "elsewhere".to_owned(),
            Rc::new(OtherBus),
        );
        assert_eq!(
            system.wait_started(pdo.id),
            Err(STATUS_DEVICE_CONFIGURATION_ERROR)
        );
        assert!(
            system
                .unload_driver(driver)
                .expect("the driver unloads")
                .is_empty()
        );
    })
    .expect_finished();
}
