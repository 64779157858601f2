//! The order of a device's callbacks, and what failures make of it.

use std::cell::Cell;
use std::num::NonZeroUsize;

use ntsim::wdf::device::{Device, PnpState};
use ntsim::{Config, Machine, StopCode};
use wdk_sys_lite::{
    _WDF_DEVICE_FAILED_ACTION, GUID, STATUS_DEVICE_BUSY, STATUS_DEVICE_NOT_READY,
    STATUS_INVALID_DEVICE_STATE, STATUS_NO_SUCH_DEVICE, STATUS_NOT_SUPPORTED, STATUS_UNSUCCESSFUL,
    WDFDEVICE, call_unsafe_wdf_function_binding,
};

use crate::harness::{
    self, INTERFACE, breaks, image, in_callback, plug_in, returns, stacks_removed, take_log,
};

const START: [&str; 6] = [
    "DeviceInit",
    "DeviceAdd",
    "PrepareHardware",
    "D0Entry",
    "D0EntryPostInterruptsEnabled",
    "SelfManagedIoInit",
];

/// Runs with a started device, the log emptied.
fn with_device(test: impl FnOnce(&ntsim::System, u32) + Send + 'static) {
    Machine::run(Config::default(), move |system| {
        let driver = system.load_driver(image()).expect("the driver loads");
        let pdo = plug_in();
        assert_eq!(system.wait_started(pdo.id), Ok(()));
        take_log();
        let id = pdo.id;
        drop(pdo);
        test(system, id);
        system.settle_devices();
        system
            .unload_driver(driver)
            .expect("the driver can be unloaded");
    })
    .expect_finished();
}

#[test]
fn a_device_starts_in_the_documented_order() {
    Machine::run(Config::default(), |system| {
        let driver = system.load_driver(image()).expect("the driver loads");
        assert_eq!(take_log(), ["DriverEntry"]);
        let pdo = plug_in();
        assert_eq!(system.wait_started(pdo.id), Ok(()));
        assert_eq!(take_log(), START);
        system
            .unload_driver(driver)
            .expect("the driver can be unloaded");
    })
    .expect_finished();
}

#[test]
fn a_driver_gets_the_devices_that_were_there_before_it() {
    Machine::run(Config::default(), |system| {
        let pdo = plug_in();
        system.settle_devices();
        assert_eq!(system.wait_started(pdo.id), Err(STATUS_NO_SUCH_DEVICE));
        let driver = system.load_driver(image()).expect("the driver loads");
        assert_eq!(system.wait_started(pdo.id), Ok(()));
        system
            .unload_driver(driver)
            .expect("the driver can be unloaded");
    })
    .expect_finished();
}

const STOP: [&str; 4] = [
    "SelfManagedIoSuspend",
    "D0ExitPreInterruptsDisabled",
    "D0Exit",
    "ReleaseHardware",
];
const GONE: [&str; 4] = [
    "SelfManagedIoFlush",
    "SelfManagedIoCleanup",
    "DeviceCleanup",
    "DeviceDestroy",
];

#[test]
fn an_orderly_removal_asks_then_stops_then_cleans_up() {
    with_device(|system, pdo| {
        assert_eq!(system.remove_device(pdo), Ok(()));
        let expected: Vec<&str> = ["QueryRemove"]
            .into_iter()
            .chain(STOP)
            .chain(GONE)
            .collect();
        assert_eq!(take_log(), expected);
        assert_eq!(stacks_removed(), 1);
        assert_eq!(system.devices().len(), 1, "the bus still has the device");
    });
}

#[test]
fn a_removed_device_can_be_enabled_again() {
    with_device(|system, pdo| {
        assert_eq!(system.remove_device(pdo), Ok(()));
        take_log();
        assert_eq!(system.enable_device(pdo), Ok(()));
        assert_eq!(take_log(), START);
    });
}

#[test]
fn a_driver_can_refuse_removal() {
    with_device(|system, pdo| {
        returns("QueryRemove", STATUS_DEVICE_NOT_READY);
        assert_eq!(system.remove_device(pdo), Err(STATUS_DEVICE_NOT_READY));
        assert_eq!(take_log(), ["QueryRemove"]);
        assert_eq!(system.wait_started(pdo), Ok(()));
        returns("QueryRemove", 0);
    });
}

#[test]
fn an_open_handle_prevents_an_orderly_removal() {
    with_device(|system, pdo| {
        let object = system.devices()[0].device().expect("a device");
        let device = object.body::<Device>();
        device.file_opened();
        assert_eq!(system.remove_device(pdo), Err(STATUS_DEVICE_BUSY));
        assert_eq!(device.pnp_state(), PnpState::Started);
        device.file_closed();
        assert_eq!(system.remove_device(pdo), Ok(()));
    });
}

#[test]
fn surprise_removal_tells_the_driver_first() {
    with_device(|system, pdo| {
        assert_eq!(system.surprise_remove(pdo), Ok(()));
        let expected: Vec<&str> = ["SurpriseRemoval"]
            .into_iter()
            .chain(STOP)
            .chain(GONE)
            .collect();
        assert_eq!(take_log(), expected);
        assert_eq!(system.devices().len(), 0);
        assert_eq!(stacks_removed(), 1);
    });
}

#[test]
fn after_a_surprise_removal_the_stack_stays_until_the_last_handle_is_closed() {
    with_device(|system, pdo| {
        let object = system.devices()[0].device().expect("a device");
        let device = object.body::<Device>();
        device.file_opened();
        assert_eq!(system.surprise_remove(pdo), Ok(()));
        assert!(!device.accepts_opens());
        let expected: Vec<&str> = ["SurpriseRemoval"]
            .into_iter()
            .chain(STOP)
            .chain(["SelfManagedIoFlush"])
            .collect();
        assert_eq!(take_log(), expected);
        device.file_closed();
        system.settle_devices();
        assert_eq!(
            take_log(),
            ["SelfManagedIoCleanup", "DeviceCleanup", "DeviceDestroy"]
        );
    });
}

#[test]
fn sleep_and_wake_keep_the_hardware() {
    with_device(|system, pdo| {
        assert_eq!(system.power_up(pdo), Err(STATUS_INVALID_DEVICE_STATE));
        assert_eq!(system.power_down(pdo), Ok(()));
        assert_eq!(take_log(), STOP[..3]);
        assert_eq!(system.power_down(pdo), Err(STATUS_INVALID_DEVICE_STATE));
        assert_eq!(system.power_up(pdo), Ok(()));
        assert_eq!(
            take_log(),
            [
                "D0Entry",
                "D0EntryPostInterruptsEnabled",
                "SelfManagedIoRestart"
            ]
        );
    });
}

#[test]
fn a_device_asleep_is_removed_without_another_exit_from_d0() {
    with_device(|system, pdo| {
        assert_eq!(system.power_down(pdo), Ok(()));
        take_log();
        assert_eq!(system.remove_device(pdo), Ok(()));
        let expected: Vec<&str> = ["QueryRemove", "ReleaseHardware"]
            .into_iter()
            .chain(GONE)
            .collect();
        assert_eq!(take_log(), expected);
    });
}

#[test]
fn a_rebalance_stops_and_starts() {
    with_device(|system, pdo| {
        assert_eq!(system.rebalance(pdo), Ok(()));
        let expected: Vec<&str> = ["QueryStop"]
            .into_iter()
            .chain(STOP)
            .chain([
                "PrepareHardware",
                "D0Entry",
                "D0EntryPostInterruptsEnabled",
                "SelfManagedIoRestart",
            ])
            .collect();
        assert_eq!(take_log(), expected);
        returns("QueryStop", STATUS_UNSUCCESSFUL);
        assert_eq!(system.rebalance(pdo), Err(STATUS_UNSUCCESSFUL));
        assert_eq!(take_log(), ["QueryStop"]);
    });
}

/// Starts a device whose callback fails; what follows the failing callback.
fn start_failing(callback: &'static str) -> Vec<String> {
    Machine::run(Config::default(), move |system| {
        let driver = system.load_driver(image()).expect("the driver loads");
        returns(callback, STATUS_UNSUCCESSFUL);
        let pdo = plug_in();
        assert_eq!(system.wait_started(pdo.id), Err(STATUS_UNSUCCESSFUL));
        assert!(pdo.device().is_none(), "the stack is removed");
        let log = take_log();
        system
            .unload_driver(driver)
            .expect("the driver can be unloaded");
        let failing = log
            .iter()
            .position(|name| name == callback)
            .expect("it was called");
        log[failing + 1..].to_vec()
    })
    .expect_finished()
}

#[test]
fn release_hardware_follows_a_failed_prepare_hardware() {
    assert_eq!(
        start_failing("PrepareHardware"),
        ["ReleaseHardware", "DeviceCleanup", "DeviceDestroy"]
    );
}

#[test]
fn d0_exit_does_not_follow_a_failed_d0_entry() {
    assert_eq!(
        start_failing("D0Entry"),
        ["ReleaseHardware", "DeviceCleanup", "DeviceDestroy"]
    );
}

#[test]
fn d0_exit_follows_a_failure_after_d0_entry() {
    assert_eq!(
        start_failing("D0EntryPostInterruptsEnabled"),
        [
            "D0Exit",
            "ReleaseHardware",
            "DeviceCleanup",
            "DeviceDestroy"
        ]
    );
}

#[test]
fn self_managed_io_is_flushed_and_cleaned_up_even_if_its_start_failed() {
    let expected: Vec<&str> = ["D0ExitPreInterruptsDisabled", "D0Exit", "ReleaseHardware"]
        .into_iter()
        .chain(GONE)
        .collect();
    assert_eq!(start_failing("SelfManagedIoInit"), expected);
}

#[test]
fn a_failed_device_add_takes_the_device_with_it() {
    assert_eq!(
        start_failing("DeviceAdd"),
        ["DeviceCleanup", "DeviceDestroy"]
    );
    assert_eq!(start_failing("DeviceInit"), Vec::<String>::new());
}

#[test]
fn a_device_that_cannot_wake_up_is_removed() {
    with_device(|system, pdo| {
        assert_eq!(system.power_down(pdo), Ok(()));
        take_log();
        returns("D0Entry", STATUS_UNSUCCESSFUL);
        assert_eq!(system.power_up(pdo), Err(STATUS_UNSUCCESSFUL));
        let expected = [
            "D0Entry",
            "ReleaseHardware",
            "SelfManagedIoFlush",
            "SurpriseRemoval",
            "SelfManagedIoCleanup",
            "DeviceCleanup",
            "DeviceDestroy",
        ];
        assert_eq!(take_log(), expected);
    });
}

#[test]
fn a_device_that_fails_to_sleep_is_removed() {
    with_device(|system, pdo| {
        returns("D0Exit", STATUS_UNSUCCESSFUL);
        assert_eq!(system.power_down(pdo), Err(STATUS_UNSUCCESSFUL));
        assert_eq!(system.wait_started(pdo), Err(STATUS_UNSUCCESSFUL));
        let log = take_log();
        assert!(log.contains(&"SurpriseRemoval".to_owned()), "{log:?}");
        assert_eq!(log.last().map(String::as_str), Some("DeviceDestroy"));
    });
}

fn set_failed(action: i32) {
    with_device(move |system, pdo| {
        let handle = system.devices()[0].device().expect("a device").handle();
        let thread = system.spawn("fails the device", move |_| {
            let driver = ntsim::kernel::DriverId(1);
            let call = ntsim::export::enter_driver(driver, "a thread of the driver's");
            // SAFETY: the handle is the started device's.
            unsafe { call_unsafe_wdf_function_binding!(WdfDeviceSetFailed, handle, action) };
            call.leave();
        });
        thread.join();
        system.settle_devices();
        let mut expected: Vec<&str> = ["SurpriseRemoval"]
            .into_iter()
            .chain(STOP)
            .chain(GONE)
            .collect();
        if action == _WDF_DEVICE_FAILED_ACTION::WdfDeviceFailedAttemptRestart {
            expected.extend(START);
            assert_eq!(system.wait_started(pdo), Ok(()));
        }
        assert_eq!(take_log(), expected);
    });
}

#[test]
fn a_device_declared_failed_is_surprise_removed() {
    set_failed(_WDF_DEVICE_FAILED_ACTION::WdfDeviceFailedNoRestart);
}

#[test]
fn a_device_declared_failed_is_started_again_if_the_driver_asks() {
    set_failed(_WDF_DEVICE_FAILED_ACTION::WdfDeviceFailedAttemptRestart);
}

#[test]
fn a_device_that_keeps_failing_is_given_up() {
    Machine::run(Config::default(), |system| {
        let driver = system.load_driver(image()).expect("the driver loads");
        in_callback("SelfManagedIoInit", |device| {
            // SAFETY: the handle is the device's that starts.
            unsafe {
                call_unsafe_wdf_function_binding!(
                    WdfDeviceSetFailed,
                    device,
                    _WDF_DEVICE_FAILED_ACTION::WdfDeviceFailedAttemptRestart
                );
            }
        });
        let pdo = plug_in();
        system.settle_devices();
        let starts = take_log()
            .iter()
            .filter(|name| *name == "DeviceAdd")
            .count();
        assert_eq!(starts, 6, "once, and five restarts");
        assert!(pdo.device().is_none());
        system
            .unload_driver(driver)
            .expect("the driver can be unloaded");
    })
    .expect_finished();
}

#[test]
fn device_interfaces_are_enabled_from_start_to_removal() {
    with_device(|system, pdo| {
        assert_eq!(ntsim::wdf::device::by_interface(&INTERFACE).len(), 1);
        assert_eq!(system.remove_device(pdo), Ok(()));
        assert_eq!(ntsim::wdf::device::by_interface(&INTERFACE).len(), 0);
    });
}

/// Before the start only `WdfDeviceSetDeviceInterfaceStateEx` keeps the framework from enabling an
/// interface (`support/fxdeviceinterfaceapi.cpp` 268, `pnpstatemachine.cpp` 3480).
#[test]
fn an_interface_is_enabled_at_the_start_unless_its_driver_said_so_in_time() {
    for (by_driver, enabled) in [(false, 1), (true, 0)] {
        Machine::run(Config::default(), move |system| {
            let driver = system.load_driver(image()).expect("the driver loads");
            in_callback("DeviceAdd", move |device| {
                set_state(device, by_driver, false);
            });
            let pdo = plug_in();
            assert_eq!(system.wait_started(pdo.id), Ok(()));
            let found = ntsim::wdf::device::by_interface(&INTERFACE).len();
            assert_eq!(found, enabled, "{by_driver}");
            system
                .unload_driver(driver)
                .expect("the driver can be unloaded");
        })
        .expect_finished();
    }
}

fn set_state(device: WDFDEVICE, by_driver: bool, enable: bool) {
    let (class, none) = (&raw const INTERFACE, std::ptr::null());
    let enable = u8::from(enable);
    // SAFETY: the handle is the device's; the GUID is a constant.
    unsafe {
        if by_driver {
            call_unsafe_wdf_function_binding!(
                WdfDeviceSetDeviceInterfaceStateEx,
                device,
                class,
                none,
                enable
            );
        } else {
            call_unsafe_wdf_function_binding!(
                WdfDeviceSetDeviceInterfaceState,
                device,
                class,
                none,
                enable
            );
        }
    }
}

/// One that is made when the device has started stays disabled until the driver enables it
/// (`WdfDeviceCreateDeviceInterface`'s page). One that it leaves enabled ends with the device, however
/// that goes.
#[test]
fn an_interface_that_is_made_late_is_the_drivers_to_enable() {
    with_device(|system, pdo| {
        leave_an_interface_enabled(pdo, 1);
        assert_eq!(system.remove_device(pdo), Ok(()));
        assert_eq!(ntsim::wdf::device::by_interface(&late(1)).len(), 0);
    });
    with_device(|system, pdo| {
        leave_an_interface_enabled(pdo, 2);
        assert_eq!(system.surprise_remove(pdo), Ok(()));
        assert_eq!(ntsim::wdf::device::by_interface(&late(2)).len(), 0);
    });
}

const fn late(number: u32) -> GUID {
    GUID {
        Data1: number,
        ..INTERFACE
    }
}

/// Makes an interface for a device that has started, and enables it.
fn leave_an_interface_enabled(pdo: u32, number: u32) {
    let other = late(number);
    let found = || ntsim::wdf::device::by_interface(&other).len();
    let pdo = ntsim::kernel::kernel().pnp.pdo(pdo).expect("the device");
    let object = pdo.device().expect("started");
    let device = object.handle();
    harness_call(object.driver, || {
        // SAFETY: the started device, and a local GUID.
        let status = unsafe {
            call_unsafe_wdf_function_binding!(
                WdfDeviceCreateDeviceInterface,
                device,
                &raw const other,
                std::ptr::null()
            )
        };
        assert_eq!(status, 0);
        assert_eq!(found(), 0);
        // SAFETY: as above.
        unsafe {
            call_unsafe_wdf_function_binding!(
                WdfDeviceSetDeviceInterfaceState,
                device,
                &raw const other,
                std::ptr::null(),
                1
            );
        }
        assert_eq!(found(), 1);
    });
}

/// Calls in a driver's name.
fn harness_call(driver: ntsim::kernel::DriverId, act: impl FnOnce()) {
    let call = ntsim::export::enter_driver(driver, "the test");
    act();
    call.leave();
}

#[test]
fn prepare_hardware_must_not_return_not_supported() {
    let check = breaks(|| returns("PrepareHardware", STATUS_NOT_SUPPORTED));
    assert_eq!(check.code, StopCode::WDF_VIOLATION);
    assert!(
        check.message.contains("EvtDevicePrepareHardware"),
        "{check}"
    );
}

#[test]
fn every_callback_runs_at_passive_level_in_a_system_thread() {
    harness::lives(|| {
        harness::hook(|name, _| {
            let context = ntsim::kernel::kernel().sched.current();
            assert_eq!(context.irql(), 0, "{name}");
            assert_eq!(context.name, "PnP manager", "{name}");
        });
    });
}

#[test]
fn unloading_removes_the_devices_first() {
    Machine::run(Config::default(), |system| {
        let driver = system.load_driver(image()).expect("the driver loads");
        let pdo = plug_in();
        assert_eq!(system.wait_started(pdo.id), Ok(()));
        take_log();
        system
            .unload_driver(driver)
            .expect("the driver can be unloaded");
        let log = take_log();
        assert_eq!(log.first().map(String::as_str), Some("QueryRemove"));
        assert_eq!(log.last().map(String::as_str), Some("DriverUnload"));
        assert!(pdo.device().is_none());
    })
    .expect_finished();
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let run = |seed| Machine::run(Config::with_seed(seed), harness::life).schedule_hash;
    assert_eq!(run(7), run(7));
    assert_ne!(run(7), run(8));
}

#[test]
fn each_failing_call_fails_the_load_or_the_start_and_leaves_nothing() {
    for call in 1.. {
        let config = Config {
            fail_call: Some(call.into()),
            ..Config::default()
        };
        let reached = Machine::run(config, move |system| {
            let loaded = system.load_driver(image());
            if let Ok(driver) = loaded {
                let pdo = plug_in();
                let _ = system.wait_started(pdo.id);
                system
                    .unload_driver(driver)
                    .expect("the driver can be unloaded");
            }
            ntsim::kernel::kernel().fallible_calls() >= call
        })
        .expect_finished();
        if !reached {
            assert!(
                call > 3,
                "the driver makes at least three calls that can fail"
            );
            return;
        }
    }
}

/// What the callbacks of one device may be, whatever happens to it.
#[derive(Default)]
struct Rules {
    prepared: Cell<bool>,
    in_d0: Cell<bool>,
    io_started: Cell<bool>,
    io_running: Cell<bool>,
    gone: Cell<bool>,
}

impl Rules {
    fn see(&self, name: &str) {
        match name {
            "DeviceAdd" => {
                for flag in [
                    &self.prepared,
                    &self.in_d0,
                    &self.io_started,
                    &self.io_running,
                    &self.gone,
                ] {
                    flag.set(false);
                }
            }
            "PrepareHardware" => assert!(!self.prepared.replace(true) && !self.in_d0.get()),
            "ReleaseHardware" => assert!(self.prepared.replace(false) && !self.in_d0.get()),
            "D0Entry" => assert!(self.prepared.get() && !self.in_d0.replace(true)),
            "D0Exit" => {
                assert!(self.prepared.get() && self.in_d0.replace(false) && !self.io_running.get());
            }
            "SelfManagedIoInit" => {
                assert!(
                    self.in_d0.get()
                        && !self.io_started.replace(true)
                        && !self.io_running.replace(true)
                );
            }
            "SelfManagedIoRestart" => {
                assert!(
                    self.in_d0.get() && self.io_started.get() && !self.io_running.replace(true)
                );
            }
            "SelfManagedIoSuspend" => assert!(self.in_d0.get() && self.io_running.replace(false)),
            "SelfManagedIoFlush" | "SelfManagedIoCleanup" => {
                assert!(self.io_started.get() && !self.io_running.get() && !self.in_d0.get());
            }
            "DeviceCleanup" => assert!(!self.prepared.get() && !self.gone.replace(true)),
            "DeviceDestroy" => assert!(self.gone.get()),
            _ => {}
        }
    }
}

#[test]
fn whatever_happens_to_a_device_its_callbacks_come_in_order() {
    for seed in 1..=200 {
        let config = Config {
            processors: NonZeroUsize::MIN.saturating_add(usize::try_from(seed % 4).unwrap_or(0)),
            ..Config::with_seed(seed)
        };
        Machine::run(config, |system| {
            let rules = Rules::default();
            harness::hook(move |name, _| rules.see(name));
            let driver = system.load_driver(image()).expect("the driver loads");
            let pdo = plug_in().id;
            let threads: Vec<_> = (0..3)
                .map(|number| {
                    system.spawn(&format!("operator {number}"), move |system| {
                        for _ in 0..6 {
                            // Each of these may fail: the device may be anywhere by now.
                            let _ = match system.random(12) {
                                0 | 1 => system.remove_device(pdo),
                                2..=4 => system.enable_device(pdo),
                                5 | 6 => system.power_down(pdo),
                                7 | 8 => system.power_up(pdo),
                                9 | 10 => system.rebalance(pdo),
                                _ => system.surprise_remove(pdo),
                            };
                        }
                    })
                })
                .collect();
            threads.into_iter().for_each(ntsim::machine::Thread::join);
            system
                .unload_driver(driver)
                .expect("the driver can be unloaded");
        })
        .expect_finished();
    }
}

/// A device that has failed to stop does not start again (`pnpstatemachine.cpp` 159, 2554).
#[test]
fn a_device_that_fails_to_leave_d0_for_a_rebalance_has_failed() {
    with_device(|system, pdo| {
        returns("D0Exit", STATUS_UNSUCCESSFUL);
        assert_eq!(system.rebalance(pdo), Err(STATUS_UNSUCCESSFUL));
        let log = take_log();
        assert!(!log.iter().any(|name| name == "PrepareHardware"), "{log:?}");
        assert!(log.iter().any(|name| name == "ReleaseHardware"), "{log:?}");
    });
}

/// `pnpstatemachine.cpp` 1820.
#[test]
fn query_stop_must_not_return_not_supported() {
    let report = Machine::run(Config::default(), |system| {
        let _ = system.load_driver(image()).expect("the driver loads");
        let pdo = plug_in();
        assert_eq!(system.wait_started(pdo.id), Ok(()));
        returns("QueryStop", STATUS_NOT_SUPPORTED);
        let _ = system.rebalance(pdo.id);
    });
    let check = report.expect_bug_check();
    assert_eq!(check.code, StopCode::WDF_VIOLATION);
    assert!(check.message.contains("EvtDeviceQueryStop"), "{check}");
}

/// From the moment that a device's queues are told to stop, a queue that is made is held
/// (`fxpkgio.cpp` 1200).
#[test]
fn a_queue_that_is_made_on_the_way_out_of_d0_is_held() {
    thread_local! {
        static HELD: Cell<Option<bool>> = const { Cell::new(None) };
    }
    with_device(|system, pdo| {
        in_callback("D0Exit", |device| {
            let mut config = wdk_sys_lite::WDF_IO_QUEUE_CONFIG {
                Size: harness::size_in_u32::<wdk_sys_lite::WDF_IO_QUEUE_CONFIG>(),
                DispatchType: wdk_sys_lite::_WDF_IO_QUEUE_DISPATCH_TYPE::WdfIoQueueDispatchManual,
                PowerManaged: wdk_sys_lite::_WDF_TRI_STATE::WdfUseDefault,
                ..wdk_sys_lite::WDF_IO_QUEUE_CONFIG::default()
            };
            let mut queue = std::ptr::null_mut();
            // SAFETY: the device, and local structures.
            let state = unsafe {
                let status = call_unsafe_wdf_function_binding!(
                    WdfIoQueueCreate,
                    device,
                    &raw mut config,
                    std::ptr::null_mut(),
                    &raw mut queue
                );
                assert_eq!(status, 0);
                call_unsafe_wdf_function_binding!(
                    WdfIoQueueGetState,
                    queue,
                    std::ptr::null_mut(),
                    std::ptr::null_mut()
                )
            };
            let held = wdk_sys_lite::_WDF_IO_QUEUE_STATE::WdfIoQueuePnpHeld;
            HELD.set(Some(state & held != 0));
        });
        assert_eq!(system.power_down(pdo), Ok(()));
        assert_eq!(HELD.get(), Some(true));
        assert_eq!(system.power_up(pdo), Ok(()));
    });
}
