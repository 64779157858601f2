//! A session in the simulated guest: what the operator and the user process do.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use ntsim::driver::DriverImage;
use ntsim::io::{File, Pending, Process};
use ntsim::kernel::DriverId;
use ntsim::mm::{self, Owner};
use ntsim::vmbus::{Offer, OfferHandle, backends, guid_text};
use ntsim::{Config, System};
use wdk_sys_lite::{
    GUID, NTSTATUS, STATUS_CANCELLED, STATUS_DEVICE_DOES_NOT_EXIST, STATUS_DEVICE_NOT_CONNECTED,
    STATUS_DEVICE_REMOVED, STATUS_INVALID_DEVICE_STATE, STATUS_NO_SUCH_DEVICE, STATUS_OBJECT_NAME_NOT_FOUND,
};
use zerocopy::FromBytes;

use vmbchan::ioctl::{GUID_DEVINTERFACE_VMBCHAN, IOCTL_VMBCHAN_QUERY_INFO, IOCTL_VMBCHAN_TRANSACT, Info};

use crate::cli::Host;
use crate::protocol;
use crate::transfer::{MAXIMUM_MESSAGE_SIZE, Plan};

/// How many messages may be on their way at a time. The system keeps at least four entries in a lookaside list: with two messages
/// on their way, and the packets of two just sent, that is enough.
const WINDOW: u64 = 2;
/// How many transactions are in flight at a time while the lists warm up: more than ever afterwards.
const BURST: usize = 32;
/// Messages after which nothing should allocate any more.
const WARM_UP: u64 = 100;
/// The interface type with which the host offers the channel: the driver's INF has it in the hardware id.
const INTERFACE_TYPE: GUID = GUID {
    Data1: 0x9c29_cf0a,
    Data2: 0x6c2b,
    Data3: 0x4c2e,
    Data4: [0x9f, 0x0e, 0x6f, 0x2f, 0x4a, 0x1a, 0x7b, 0x10],
};
/// The instance that this host offers.
const INSTANCE: GUID = GUID {
    Data1: 0x3f1d_6a55,
    Data2: 0x2c7e,
    Data3: 0x4d0b,
    Data4: [0xa4, 0x1c, 0x59, 0x0e, 0x83, 0xb2, 0x67, 0xd1],
};

/// Counters of a transfer.
#[derive(Clone, Copy, Debug, Default)]
pub struct Figures {
    /// Messages sent and received over the channel.
    pub packets: u64,
    /// Entries that the driver's lookaside lists had at hand.
    pub lookaside_hits: u64,
    /// Entries that they had to allocate.
    pub lookaside_misses: u64,
    /// Pool allocations of driver and KMCL after the first [`WARM_UP`] messages.
    pub steady_state_pool_allocations: u64,
}

/// How far the sending came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Sent {
    /// Everything came back.
    #[default]
    All,
    /// The device went away.
    DeviceGone,
    /// A call failed, or what came back was not the message that was due.
    Failed(String),
}

/// What a session left.
#[derive(Debug, Default)]
pub struct Session {
    /// What came back.
    pub output: Vec<u8>,
    /// Counters.
    pub figures: Figures,
    /// What the driver had not given back when it was unloaded.
    pub leaks: u64,
    /// How far the sending came.
    pub sent: Sent,
}

/// A status for people.
fn named(what: &str, status: NTSTATUS) -> String {
    format!("{what} failed with {}", vmbchan::Status(status))
}

/// Loads the driver with its parameters, as its INF and service key would.
fn load_driver(system: &System) -> Result<DriverId, NTSTATUS> {
    system.load_driver(DriverImage {
        name: "vmbchan".to_owned(),
        entry: vmbchan::driver_entry,
        hardware_ids: vec![format!("VMBUS\\{}", guid_text(&INTERFACE_TYPE))],
        parameters: vec![(
            "MaximumMessageSize".to_owned(),
            u32::try_from(MAXIMUM_MESSAGE_SIZE).unwrap_or(u32::MAX),
        )],
    })
}

/// The whole of one transfer, from loading the driver to unloading it.
pub fn session(system: &System, plan: &Plan) -> Session {
    let failed = |why: String| Session {
        sent: Sent::Failed(why),
        ..Session::default()
    };
    let driver = match load_driver(system) {
        Ok(driver) => driver,
        Err(status) => return failed(named("loading the driver", status)),
    };
    let messages = (plan.input.len() as u64).div_ceil(plan.message_size as u64) * plan.repeat.get();
    let offer = offer(system, plan.host, messages / 2);
    if let Err(status) = wait_started(system, offer) {
        return failed(named("starting the device", status));
    }
    let result = Rc::new(RefCell::new((Vec::new(), Figures::default(), Sent::All)));
    let (slot, plan) = (Rc::clone(&result), plan.clone());
    system
        .spawn_process("vmbsim", move |process| {
            *slot.borrow_mut() = transfer(process, driver, &plan);
        })
        .join();
    let (output, figures, sent) = result.take();
    offer.rescind();
    system.settle_devices();
    match system.unload_driver(driver) {
        Ok(leaks) => Session {
            output,
            figures,
            leaks: leaks.len() as u64,
            sent,
        },
        Err(status) => Session {
            output,
            figures,
            leaks: 0,
            sent: Sent::Failed(named("unloading the driver", status)),
        },
    }
}

/// Offers the device with a back end.
fn offer(system: &System, host: Host, rescind_after: u64) -> OfferHandle {
    let offer = Offer::new(INTERFACE_TYPE, INSTANCE);
    match host {
        Host::Echo => system.offer(offer, backends::echo),
        Host::Slow => system.offer(offer, backends::slow(Duration::from_micros(50))),
        Host::Full => system.offer(offer, backends::full(Duration::from_micros(500))),
        Host::Rescind => system.offer(offer, backends::rescind(rescind_after)),
    }
}

fn wait_started(system: &System, offer: OfferHandle) -> Result<(), NTSTATUS> {
    offer
        .pdo()
        .ok_or(STATUS_NO_SUCH_DEVICE)
        .and_then(|pdo| system.wait_started(pdo.id))
}

fn pool_allocations(driver: DriverId) -> u64 {
    mm::pool::counters(Owner::Driver(driver)).allocations + mm::pool::counters(Owner::Kmcl).allocations
}

/// Whether a status says that the device or its channel is gone (the framework's for a queue that takes nothing more among them), or that a request was cancelled.
fn is_gone(status: NTSTATUS) -> bool {
    matches!(
        status,
        STATUS_DEVICE_REMOVED
            | STATUS_NO_SUCH_DEVICE
            | STATUS_DEVICE_DOES_NOT_EXIST
            | STATUS_DEVICE_NOT_CONNECTED
            | STATUS_OBJECT_NAME_NOT_FOUND
            | STATUS_INVALID_DEVICE_STATE
            | STATUS_CANCELLED
    )
}

fn ended(what: &str, status: NTSTATUS) -> Sent {
    if is_gone(status) {
        Sent::DeviceGone
    } else {
        Sent::Failed(named(what, status))
    }
}

/// The user process: writes the messages, reads them back, a window of them at a time.
fn transfer(process: &Process, driver: DriverId, plan: &Plan) -> (Vec<u8>, Figures, Sent) {
    let mut output = Vec::new();
    let mut figures = Figures::default();
    let file = match process.open(&GUID_DEVINTERFACE_VMBCHAN) {
        Ok(file) => file,
        Err(status) => return (output, figures, ended("opening the device", status)),
    };
    let sent = exchange(&file, driver, plan, &mut output, &mut figures);
    if let Some(info) = query(&file) {
        figures.packets = info.messages_sent + info.messages_received;
        figures.lookaside_hits = info.lookaside_hits + info.buffer_hits;
        figures.lookaside_misses = info.lookaside_misses + info.buffer_misses;
    }
    (output, figures, sent)
}

/// Has many packets in flight at a time, again and again: transactions, which stay in flight until the host has answered.
fn warm_up(file: &File, message: &[u8]) -> Result<(), Sent> {
    for _ in 0..8 {
        let mut transactions = Vec::new();
        for _ in 0..BURST {
            match file.start_ioctl(IOCTL_VMBCHAN_TRANSACT, message, message.len().next_multiple_of(8)) {
                Ok(transaction) => transactions.push(transaction),
                Err(status) => return Err(ended("a transaction", status)),
            }
        }
        for transaction in transactions {
            let completion = transaction.wait();
            if completion.status < 0 {
                return Err(ended("a transaction", completion.status));
            }
            if !completion.data.starts_with(message) {
                return Err(Sent::Failed(
                    "a transaction's reply is not the message".to_owned(),
                ));
            }
        }
    }
    Ok(())
}

fn query(file: &File) -> Option<Info> {
    let info = file
        .ioctl(IOCTL_VMBCHAN_QUERY_INFO, &[], size_of::<Info>())
        .ok()?;
    Info::read_from_bytes(&info).ok()
}

fn exchange(file: &File, driver: DriverId, plan: &Plan, output: &mut Vec<u8>, figures: &mut Figures) -> Sent {
    let data_size = plan.message_size - protocol::HEADER_BYTES;
    let chunks = plan.input.len().div_ceil(data_size) as u64;
    let count = chunks * plan.repeat.get();
    let mut data = std::iter::repeat_n(
        &plan.input,
        usize::try_from(plan.repeat.get()).unwrap_or(usize::MAX),
    )
    .flat_map(|input| input.chunks(data_size));
    if count > WARM_UP
        && let Err(sent) = warm_up(
            file,
            &protocol::encode(0, count, plan.input.chunks(data_size).next().unwrap_or_default()),
        )
    {
        return sent;
    }
    let mut warm = None;
    let mut writes: VecDeque<Pending> = VecDeque::new();
    let mut next = 0;
    for due in 0..count {
        while next < count && next - due < WINDOW {
            match file.start_write(&protocol::encode(next, count, data.next().unwrap_or_default())) {
                Ok(write) => writes.push_back(write),
                Err(status) => return ended("writing", status),
            }
            next += 1;
        }
        let message = match file.read(plan.message_size.next_multiple_of(8)) {
            Ok(message) => message,
            Err(status) => return ended("reading", status),
        };
        match protocol::decode(due, &message) {
            Ok(data) => output.extend_from_slice(data),
            Err(error) => return Sent::Failed(error.to_string()),
        }
        while let Some(write) = writes.pop_front() {
            let status = write.wait().status;
            if status < 0 {
                return ended("writing", status);
            }
        }
        if due == WARM_UP {
            warm = Some(pool_allocations(driver));
        }
    }
    for write in writes {
        let status = write.wait().status;
        if status < 0 {
            return ended("writing", status);
        }
    }
    figures.steady_state_pool_allocations = warm.map_or(0, |warm| pool_allocations(driver) - warm);
    Sent::All
}

/// What happens to the device in the middle of a life.
#[derive(Clone, Copy, Debug)]
enum Event {
    Remove,
    SurpriseRemove,
    Rescind,
    Cancel,
    PowerCycle,
    CloseHandle,
    Nothing,
}

const EVENTS: [Event; 7] = [
    Event::Remove,
    Event::SurpriseRemove,
    Event::Rescind,
    Event::Cancel,
    Event::PowerCycle,
    Event::CloseHandle,
    Event::Nothing,
];

/// The configuration of a life with an event: the seed decides all of it.
pub fn eventful_config(seed: u64, processors: std::num::NonZeroUsize, max_steps: u64) -> Config {
    Config {
        seed,
        processors,
        max_steps: Some(max_steps),
        ..Config::default()
    }
}

/// Load, transfer, an event at a random moment, unload. An error says what should not have happened.
pub fn eventful_life(system: &System) -> Result<(), String> {
    let driver = load_driver(system).map_err(|status| named("loading the driver", status))?;
    let host = [Host::Echo, Host::Slow, Host::Full][pick(system, 3)];
    let offer = offer(system, host, 0);
    wait_started(system, offer).map_err(|status| named("starting the device", status))?;
    let pdo = offer.pdo().map_or(0, |pdo| pdo.id);
    let event = EVENTS[pick(system, EVENTS.len())];
    let messages = 5 + system.random(60);
    let users = Rc::new(Users::default());
    let process = {
        let users = Rc::clone(&users);
        system.spawn_process("user", move |process| users.run(process, messages))
    };
    system.sleep(Duration::from_nanos(system.random(2_000_000)));
    match event {
        // A device with open handles refuses an orderly removal; one without is gone. Either is fine.
        Event::Remove => drop(system.remove_device(pdo)),
        Event::SurpriseRemove => drop(system.surprise_remove(pdo)),
        Event::Rescind => offer.rescind(),
        Event::Cancel => users.cancel.set(true),
        Event::PowerCycle => {
            system
                .power_down(pdo)
                .map_err(|status| named("powering down", status))?;
            system.sleep(Duration::from_nanos(system.random(100_000)));
            system
                .power_up(pdo)
                .map_err(|status| named("powering up", status))?;
        }
        Event::CloseHandle => users.stop.set(true),
        Event::Nothing => {}
    }
    process.join();
    offer.rescind();
    system.settle_devices();
    let leaks = system
        .unload_driver(driver)
        .map_err(|status| named("unloading the driver", status))?;
    if !leaks.is_empty() {
        return Err(format!("the driver leaves {leaks:?}"));
    }
    match users.problem.take() {
        Some(text) => Err(format!("{text} (event: {event:?}, host: {host:?})")),
        None => Ok(()),
    }
}

fn pick(system: &System, count: usize) -> usize {
    usize::try_from(system.random(count as u64)).unwrap_or(0)
}

/// The users of the device in an eventful life: a writer, a reader and one who transacts, in one process.
///
/// They take every failure that a device which goes away may give, and nothing else.
#[derive(Default)]
struct Users {
    /// Everybody is to end.
    stop: Cell<bool>,
    /// All requests are to be cancelled once.
    cancel: Cell<bool>,
    problem: RefCell<Option<String>>,
}

impl Users {
    fn report(&self, text: String) {
        self.problem.borrow_mut().get_or_insert(text);
    }

    /// Whether to go on after a request.
    fn went_on(&self, what: &str, status: NTSTATUS) -> bool {
        if status >= 0 || status == STATUS_CANCELLED {
            return true;
        }
        if !is_gone(status) {
            self.report(named(what, status));
        }
        false
    }

    fn run(self: &Rc<Self>, process: &Process, messages: u64) {
        let file = match process.open(&GUID_DEVINTERFACE_VMBCHAN) {
            Ok(file) => Rc::new(file),
            Err(status) => {
                self.went_on("opening", status);
                return;
            }
        };
        let (users, shared) = (Rc::clone(self), Rc::clone(&file));
        let reader = process.spawn("reader", move |_| users.read(&shared));
        let (users, shared) = (Rc::clone(self), Rc::clone(&file));
        let transactor = process.spawn("transactor", move |_| users.transact(&shared, messages));
        self.write(&file, messages);
        transactor.join();
        self.stop.set(true);
        while reader.alive() {
            let _ = file.cancel_all();
            process.sleep(Duration::from_micros(5));
        }
    }

    fn message(number: u64, messages: u64) -> Vec<u8> {
        let length = 1 + usize::try_from(number * 37 % 3000).unwrap_or(0);
        protocol::encode(number, messages, &vec![0x5A; length])
    }

    fn write(&self, file: &File, messages: u64) {
        for number in 0..messages {
            if self.stop.get() {
                return;
            }
            if self.cancel.take() {
                let _ = file.cancel_all();
            }
            if let Err(status) = file.write(&Self::message(number, messages))
                && !self.went_on("a write", status)
            {
                return;
            }
        }
    }

    /// What comes back are the writer's messages in their order; an event may have lost some.
    fn read(&self, file: &File) {
        let mut least = 0;
        while !self.stop.get() {
            match file.read(4096) {
                Ok(message) => {
                    match (least..least + 1000).find(|due| protocol::decode(*due, &message).is_ok()) {
                        Some(number) => least = number + 1,
                        None => {
                            return self.report(format!(
                                "a message of {} bytes is none of the next",
                                message.len()
                            ));
                        }
                    }
                }
                Err(status) if self.went_on("a read", status) => {}
                Err(_) => return,
            }
        }
    }

    fn transact(&self, file: &File, messages: u64) {
        for number in 0..messages / 3 {
            if self.stop.get() {
                return;
            }
            let message = Self::message(number, messages);
            match file.ioctl(IOCTL_VMBCHAN_TRANSACT, &message, message.len() + 8) {
                Ok(reply) if reply.starts_with(&message) => {}
                Ok(_) => return self.report("a transaction's reply is not the message".to_owned()),
                Err(status) if self.went_on("a transaction", status) => {}
                Err(_) => return,
            }
        }
    }
}
