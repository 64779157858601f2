//! A simulated guest with the driver in it, and a host behind its device.

use std::cell::RefCell;
use std::num::NonZeroUsize;
use std::rc::Rc;

use ntsim::io::{File, Process};
use ntsim::kernel::DriverId;
use ntsim::vmbus::{HostChannel, Offer, OfferHandle};
use ntsim::{Config, DriverImage, Machine, Report, System};
use vmbchan::ioctl::{GUID_DEVINTERFACE_VMBCHAN, IOCTL_VMBCHAN_QUERY_INFO, Info, State};
use wdk_sys::{GUID, NTSTATUS};
use wdk_sys_lite as wdk_sys;
use zerocopy::FromBytes;

/// The interface type of the channel, as the INF has it.
pub const INTERFACE_TYPE: GUID = GUID {
    Data1: 0x9c29_cf0a,
    Data2: 0x6c2b,
    Data3: 0x4c2e,
    Data4: [0x9f, 0x0e, 0x6f, 0x2f, 0x4a, 0x1a, 0x7b, 0x10],
};
/// The instance that the host offers.
pub const INSTANCE: GUID = GUID {
    Data1: 0x1111_2222,
    ..INTERFACE_TYPE
};
/// The hardware id of a device with that interface type.
pub const HARDWARE_ID: &str = r"VMBUS\{9c29cf0a-6c2b-4c2e-9f0e-6f2f4a1a7b10}";

/// The driver, as its package describes it.
pub fn image(parameters: &[(&str, u32)]) -> DriverImage {
    DriverImage {
        name: "vmbchan".to_owned(),
        entry: vmbchan::driver_entry,
        hardware_ids: vec![HARDWARE_ID.to_owned()],
        parameters: parameters
            .iter()
            .map(|(name, value)| ((*name).to_owned(), *value))
            .collect(),
    }
}

/// A guest whose device has started.
pub struct Guest<'a> {
    pub system: &'a System,
    pub driver: DriverId,
    pub offer: OfferHandle,
    pub pdo: u32,
}

impl Guest<'_> {
    /// Runs a program to its end, in a process with one open handle.
    pub fn program<R: 'static>(&self, program: impl FnOnce(&Process, &File) -> R + 'static) -> R {
        self.process(|process| {
            let file = open(process);
            program(process, &file)
        })
    }

    /// Runs a process to its end.
    pub fn process<R: 'static>(&self, program: impl FnOnce(&Process) -> R + 'static) -> R {
        let result = Rc::new(RefCell::new(None));
        let place = Rc::clone(&result);
        self.system
            .spawn_process("program", move |process| {
                let value = program(process);
                *place.borrow_mut() = Some(value);
            })
            .join();
        result.take().expect("the program has ended")
    }
}

/// Opens the device.
pub fn open(process: &Process) -> File {
    process
        .open(&GUID_DEVINTERFACE_VMBCHAN)
        .expect("the device can be opened")
}

/// What the driver says of itself.
pub fn info(file: &File) -> Info {
    let bytes = file
        .ioctl(IOCTL_VMBCHAN_QUERY_INFO, &[], size_of::<Info>())
        .expect("the driver tells");
    Info::read_from_bytes(&bytes).expect("the structure's length")
}

/// Waits until the channel is in a state.
pub fn wait_for(process: &Process, file: &File, state: State) {
    while info(file).state != state as u32 {
        process.sleep(std::time::Duration::from_micros(50));
    }
}

/// The machine of a seed. One seed after the other brings one, two and four processors.
pub fn config(seed: u64) -> Config {
    let processors = match seed % 3 {
        1 => 1,
        2 => 2,
        _ => 4,
    };
    Config {
        processors: NonZeroUsize::new(processors).expect("not zero"),
        ..Config::with_seed(seed)
    }
}

/// Runs a machine: the driver is loaded, a device with `host` behind it offered and started,
/// `program` run, the driver unloaded, and nothing may be left.
pub fn run<R: Send + 'static>(
    config: Config,
    parameters: &'static [(&'static str, u32)],
    host: impl FnOnce(HostChannel) + Send + 'static,
    program: impl FnOnce(&Guest<'_>) -> R + Send + 'static,
) -> Report<R> {
    let offer = Offer::new(INTERFACE_TYPE, INSTANCE);
    run_with(config, parameters, offer, host, program)
}

/// As [`run`], with an offer of the test's.
pub fn run_with<R: Send + 'static>(
    config: Config,
    parameters: &'static [(&'static str, u32)],
    offer: Offer,
    host: impl FnOnce(HostChannel) + Send + 'static,
    program: impl FnOnce(&Guest<'_>) -> R + Send + 'static,
) -> Report<R> {
    let config = Config {
        // A program that looks again and again for what never comes is to end as a failure too.
        max_steps: Some(5_000_000),
        ..config
    };
    Machine::run(config, move |system| {
        let driver = system
            .load_driver(image(parameters))
            .expect("the driver loads");
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

/// As [`run`], for seeds from 1 on, with default parameters, on the processors that [`config`]
/// gives each. At least three seeds bring them all.
pub fn seeds(
    count: u64,
    host: impl FnOnce(HostChannel) + Send + Clone + 'static,
    program: impl FnOnce(&Guest<'_>) + Send + Clone + 'static,
) {
    for seed in 1..=count {
        run(config(seed), &[], host.clone(), program.clone()).expect_finished();
    }
}

/// A message of so many bytes, different for each number.
#[allow(clippy::cast_possible_truncation, reason = "any byte will do")]
pub fn message(number: usize, length: usize) -> Vec<u8> {
    (0..length)
        .map(|place| (place * 31 + number * 7) as u8)
        .collect()
}

/// Whether what was received is a message, apart from the padding that KMCL counts to it.
pub fn same(received: &[u8], sent: &[u8]) -> bool {
    received.len() == sent.len().next_multiple_of(8) && received.starts_with(sent)
}

/// The name of a status, for a failed comparison to be readable.
pub fn name(status: NTSTATUS) -> String {
    kmcl::status::Status(status).to_string()
}
