//! Every call that can fail fails once.

use std::time::Duration;

use ntsim::kernel::kernel;
use ntsim::vmbus::{Offer, backends};
use ntsim::{Config, Machine, Outcome};
use vmbchan::ioctl::{GUID_DEVINTERFACE_VMBCHAN, IOCTL_VMBCHAN_TRANSACT};

use crate::guest::{INTERFACE_TYPE, config, image, message};

/// Loads, starts, transfers, sleeps, wakes, unloads, with the n-th call that can fail failing. True
/// if there were so many calls.
fn one_fails(seed: u64, call: u64) -> bool {
    let failing = Config {
        fail_call: Some(call.into()),
        ..config(seed)
    };
    let report = Machine::run(failing, move |system| {
        let Ok(driver) = system.load_driver(image(&[])) else {
            return kernel().fallible_calls();
        };
        let offer = system.offer(Offer::new(INTERFACE_TYPE, INTERFACE_TYPE), backends::echo);
        let pdo = offer.pdo().expect("the bus driver makes a device").id;
        if system.wait_started(pdo).is_ok() {
            system
                .spawn_process("program", |process| {
                    let Ok(file) = process.open(&GUID_DEVINTERFACE_VMBCHAN) else {
                        return;
                    };
                    for number in 0..4 {
                        let requests = [
                            file.start_write(&message(number, 100)),
                            file.start_ioctl(IOCTL_VMBCHAN_TRANSACT, &message(number, 100), 104),
                            file.start_read(104),
                        ];
                        for request in requests.into_iter().flatten() {
                            if let Err(request) = request.wait_for(Duration::from_millis(1)) {
                                let _ = request.cancel();
                                let _ = request.wait();
                            }
                        }
                    }
                })
                .join();
            if system.power_down(pdo).is_ok() {
                let _ = system.power_up(pdo);
            }
        }
        let leaks = system.unload_driver(driver).expect("the driver unloads");
        assert!(leaks.is_empty(), "{leaks:?}");
        kernel().fallible_calls()
    });
    if !matches!(report.outcome, Outcome::Finished(_)) {
        eprintln!("with call {call} failing:");
    }
    report.expect_finished() >= call
}

#[test]
fn whichever_call_fails_nothing_is_lost() {
    for seed in 1..=3 {
        let mut call = 1;
        while one_fails(seed, call) {
            call += 1;
        }
        assert!(call > 20, "only {call} calls can fail");
    }
}
