//! A simulated guest with the small driver in it.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use kmcl::irql::Passive;
use ntsim::export::enter_driver;
use ntsim::kernel::{DriverId, kernel};
use ntsim::vmbus::{HostChannel, Offer, OfferHandle, backends};
use ntsim::{Config, DriverImage, Machine, Report, System};
use wdk_sys_lite::GUID;

use crate::driver::{self, Device, Options, State};

/// The driver's number in tests without an image.
pub const NOBODY: DriverId = DriverId(1000);

pub const TYPE: GUID = GUID {
    Data1: 0x6B6D_636C,
    Data2: 1,
    Data3: 2,
    Data4: *b"kmclkmcl",
};
/// The device's hardware id.
pub const HARDWARE_ID: &str = r"VMBUS\{6b6d636c-0001-0002-6b6d-636c6b6d636c}";

/// Runs something in a driver's name, at `PASSIVE_LEVEL`.
///
/// A failed assertion in it is the test's, not the driver's: it is printed and goes on.
pub fn as_driver<R>(driver: DriverId, run: impl FnOnce(&mut Passive<'_>) -> R) -> R {
    let call = enter_driver(driver, "the test's driver");
    // SAFETY: tests' programs run at PASSIVE_LEVEL in threads of their own.
    let irql = &mut unsafe { Passive::assume() };
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| run(irql)));
    match result {
        Ok(result) => {
            call.leave();
            result
        }
        Err(panic) => {
            let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
            let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
            eprintln!("in the driver's name: {}", text.unwrap_or_default());
            std::panic::resume_unwind(panic)
        }
    }
}

/// A machine for code without a device; nothing may be left.
pub fn kernel_only<R: Send + 'static>(
    config: Config,
    run: impl FnOnce(&System, &mut Passive<'_>) -> R + Send + 'static,
) -> Report<R> {
    Machine::run(config, move |system| {
        let result = as_driver(NOBODY, |irql| run(system, irql));
        let leaks = system.leaks(NOBODY);
        assert!(leaks.is_empty(), "{leaks:?}");
        result
    })
}

/// The driver's image.
pub fn image() -> DriverImage {
    DriverImage {
        name: "small".to_owned(),
        entry: driver::driver_entry,
        hardware_ids: vec![HARDWARE_ID.to_owned()],
        parameters: Vec::new(),
    }
}

/// A guest whose device has been offered.
pub struct Guest<'a> {
    pub system: &'a System,
    pub driver: DriverId,
    pub offer: OfferHandle,
    pub pdo: u32,
}

impl Guest<'_> {
    /// Asks something of the driver; none if its device has gone.
    pub fn try_ask<R>(&self, run: impl FnOnce(&Device, &mut Passive<'_>) -> R) -> Option<R> {
        as_driver(self.driver, |irql| {
            let device = driver::device(irql)?;
            Some(run(&device, irql))
        })
    }

    /// Asks something of the driver, whose device is there.
    pub fn ask<R>(&self, run: impl FnOnce(&Device, &mut Passive<'_>) -> R) -> R {
        self.try_ask(run).expect("the device is there")
    }

    /// Asks something of the driver's state.
    pub fn state<R>(&self, run: impl FnOnce(&State, &mut Passive<'_>) -> R) -> R {
        self.ask(|device, irql| run(&device.state, irql))
    }

    /// A count of the driver's.
    pub fn count(&self, which: impl FnOnce(&driver::Counts) -> &AtomicU32) -> u32 {
        self.state(|state, _| which(&state.counts).load(Ordering::Relaxed))
    }

    /// Waits until a count has come so far.
    pub fn wait_for(&self, what: &str, which: impl Fn(&driver::Counts) -> &AtomicU32, least: u32) {
        for _ in 0..200_000 {
            if self.count(&which) >= least {
                return;
            }
            self.system.sleep(Duration::from_micros(2));
        }
        panic!("{what}: {} of {least}", self.count(&which));
    }

    /// Waits until packets flow.
    pub fn wait_open(&self) {
        self.wait_for("post-started", |counts| &counts.post_started, 1);
    }
}

/// Runs a machine: the driver is loaded, a device with `host` behind it offered and started,
/// `program` run, the driver unloaded, and nothing may be left.
pub fn run<R: Send + 'static>(
    config: Config,
    options: Options,
    host: impl FnOnce(HostChannel) + Send + 'static,
    program: impl FnOnce(&Guest<'_>) -> R + Send + 'static,
) -> Report<R> {
    run_offer(config, options, Offer::new(TYPE, TYPE), host, program)
}

/// As [`run`], for a device that leaves something behind.
pub fn run_leaking(
    options: Options,
    program: impl FnOnce(&Guest<'_>) + Send + 'static,
) -> Report<()> {
    Machine::run(Config::default(), move |system| {
        driver::set_options(options);
        let driver = system.load_driver(image()).expect("the driver loads");
        let offer = system.offer(Offer::new(TYPE, TYPE), backends::echo);
        let pdo = offer.pdo().expect("the bus driver makes a device").id;
        let _ = system.wait_started(pdo);
        program(&Guest {
            system,
            driver,
            offer,
            pdo,
        });
        system
            .unload_driver(driver)
            .map(drop)
            .expect("the driver unloads");
    })
}

/// As [`run`], with an offer of the test's own.
pub fn run_offer<R: Send + 'static>(
    config: Config,
    options: Options,
    offer: Offer,
    host: impl FnOnce(HostChannel) + Send + 'static,
    program: impl FnOnce(&Guest<'_>) -> R + Send + 'static,
) -> Report<R> {
    Machine::run(config, move |system| {
        driver::set_options(options);
        let driver = system.load_driver(image()).expect("the driver loads");
        let offer = system.offer(offer, host);
        let pdo = offer.pdo().expect("the bus driver makes a device").id;
        system.wait_started(pdo).expect("the device starts");
        let guest = Guest {
            system,
            driver,
            offer,
            pdo,
        };
        let result = program(&guest);
        let leaks = system.unload_driver(driver).expect("the driver unloads");
        assert!(leaks.is_empty(), "{leaks:?}");
        result
    })
}

/// A run in which any call may fail, the start of the device among them. Says how many calls could.
pub fn run_failing(
    config: Config,
    options: Options,
    host: impl FnOnce(HostChannel) + Send + 'static,
    program: impl FnOnce(&Guest<'_>) + Send + 'static,
) -> Report<u64> {
    Machine::run(config, move |system| {
        driver::set_options(options);
        let Ok(driver) = system.load_driver(image()) else {
            return kernel().fallible_calls();
        };
        let offer = system.offer(Offer::new(TYPE, TYPE), host);
        let pdo = offer.pdo().expect("the bus driver makes a device").id;
        if system.wait_started(pdo).is_ok() {
            program(&Guest {
                system,
                driver,
                offer,
                pdo,
            });
        }
        let leaks = system.unload_driver(driver).expect("the driver unloads");
        assert!(leaks.is_empty(), "{leaks:?}");
        kernel().fallible_calls()
    })
}

/// As [`run`], for seeds from 1 on.
pub fn seeds(
    count: u64,
    options: Options,
    host: impl FnOnce(HostChannel) + Send + Clone + 'static,
    program: impl FnOnce(&Guest<'_>) + Send + Clone + 'static,
) {
    for seed in 1..=count {
        run(
            Config::with_seed(seed),
            options,
            host.clone(),
            program.clone(),
        )
        .expect_finished();
    }
}
