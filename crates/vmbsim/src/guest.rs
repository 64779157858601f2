//! A session in the simulated guest: what the operator and the user process do.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use indicatif::ProgressBar;
use ntsim::driver::DriverImage;
use ntsim::io::{File, Pending, Process};
use ntsim::kernel::{DriverId, Leak};
use ntsim::mm::{self, Owner};
use ntsim::tally::Tally;
use ntsim::vmbus::{Offer, OfferHandle, backends, guid_text};
use ntsim::{Config, System};
use sha2::{Digest, Sha256};
use wdk_sys_lite::{
    GUID, NTSTATUS, STATUS_CANCELLED, STATUS_DEVICE_DOES_NOT_EXIST, STATUS_DEVICE_NOT_CONNECTED,
    STATUS_DEVICE_REMOVED, STATUS_INVALID_DEVICE_STATE, STATUS_NO_SUCH_DEVICE, STATUS_OBJECT_NAME_NOT_FOUND,
};
use zerocopy::FromBytes;

use vmbchan::ioctl::{GUID_DEVINTERFACE_VMBCHAN, IOCTL_VMBCHAN_QUERY_INFO, IOCTL_VMBCHAN_TRANSACT, Info};

use crate::cli::Host;
use crate::input::{InputError, Kind};
use crate::output::{Output, OutputError};
use crate::protocol;
use crate::transfer::{DEFAULT_MESSAGE_SIZE, MAXIMUM_MESSAGE_SIZE, Plan};

/// How many messages may be on their way at a time. The system keeps at least four entries in a lookaside list: with two messages
/// on their way, and the packets of two just sent, that is enough.
const WINDOW: u64 = 2;
/// How many transactions are in flight at a time while the lists warm up: more than ever afterwards.
const BURST: u64 = 32;
/// How often, one burst after the other.
const WARM_UP_BURSTS: u64 = 8;
/// Packets to the host in all bursts.
const WARM_UP_PACKETS: u64 = BURST * WARM_UP_BURSTS;
/// Messages after which nothing should allocate any more.
pub const WARM_UP: u64 = 100;
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

/// Counters of a transfer, up to its end or its interruption.
#[derive(Clone, Debug, Default)]
pub struct Figures {
    /// Messages whose data came back as a message.
    pub messages: u64,
    /// Messages whose data came back as a transaction's answer.
    pub transactions: u64,
    /// Bytes of data sent.
    pub bytes: u64,
    /// Bytes of data that came back.
    pub bytes_back: u64,
    /// Requests that were under way when the device went away, and failed.
    pub requests_interrupted: u64,
    /// Packets that KMCL put into the guest's ring or took from the host's.
    pub packets: u64,
    /// Entries that the driver's lookaside lists had at hand, when the driver was asked last.
    pub lookaside_hits: Option<u64>,
    /// Entries that they had to allocate.
    pub lookaside_misses: Option<u64>,
    /// Pool allocations of driver and KMCL after the first [`WARM_UP`] messages; none if there were not that many.
    pub steady_state_pool_allocations: Option<u64>,
    /// Calls and copies from the first message to the last, without the warm-up.
    pub traffic: Tally,
}

/// What is known of a transfer while it runs: whatever stops the machine, it is there afterwards.
#[derive(Debug)]
pub struct Live {
    state: Mutex<LiveState>,
    /// For a user who waits.
    progress: ProgressBar,
}

/// What [`Live`] holds.
#[derive(Debug)]
pub struct LiveState {
    /// Counters.
    pub figures: Figures,
    /// Where what comes back goes.
    pub output: Output,
    /// SHA-256 of the data sent so far.
    pub sha256_in: Sha256,
    /// SHA-256 of the data that has come back so far.
    pub sha256_out: Sha256,
}

impl Live {
    /// Nothing has happened yet.
    #[must_use]
    pub fn new(output: Output, progress: ProgressBar) -> Self {
        Self {
            state: Mutex::new(LiveState {
                figures: Figures::default(),
                output,
                sha256_in: Sha256::new(),
                sha256_out: Sha256::new(),
            }),
            progress,
        }
    }

    /// What is known now. No scheduling point of the machine is in reach of the lock.
    pub fn state(&self) -> MutexGuard<'_, LiveState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn sent(&self, data: &[u8]) {
        let mut state = self.state();
        state.figures.bytes += data.len() as u64;
        state.sha256_in.update(data);
    }

    fn came_back(&self, kind: Kind, data: &[u8]) -> Result<(), OutputError> {
        let mut state = self.state();
        match kind {
            Kind::Message => state.figures.messages += 1,
            Kind::Transaction => state.figures.transactions += 1,
        }
        state.figures.bytes_back += data.len() as u64;
        state.sha256_out.update(data);
        self.progress.inc(1);
        state.output.write(data)
    }
}

/// How far the sending came.
#[derive(Debug, Default)]
pub enum Sent {
    /// Everything came back.
    #[default]
    All,
    /// The device went away.
    DeviceGone,
    /// A call failed, or what came back was not the message that was due.
    Failed(String),
    /// The input cannot be read.
    Input(InputError),
    /// What came back cannot be written.
    Output(OutputError),
}

/// A step of the driver's life and the callbacks that the system called in it.
#[derive(Clone, Debug)]
pub struct Step {
    /// What happened.
    pub what: &'static str,
    /// The driver's callbacks with their numbers.
    pub callbacks: Vec<(&'static str, u64)>,
}

/// What a session left.
#[derive(Debug, Default)]
pub struct Session {
    /// The driver's life, step by step.
    pub steps: Vec<Step>,
    /// What the driver had not given back when it was unloaded.
    pub leaks: Vec<Leak>,
    /// How far the sending came.
    pub sent: Sent,
}

/// A status for people.
fn named(what: &str, status: NTSTATUS) -> String {
    format!("{what} failed with {}", vmbchan::Status(status))
}

/// Loads the driver as its INF does, with the largest message raised where this run needs it.
fn load_driver(system: &System, message_size: usize) -> Result<DriverId, NTSTATUS> {
    let mut parameters = Vec::new();
    if message_size > DEFAULT_MESSAGE_SIZE {
        parameters.push((
            "MaximumMessageSize".to_owned(),
            u32::try_from(MAXIMUM_MESSAGE_SIZE).unwrap_or(u32::MAX),
        ));
    }
    system.load_driver(DriverImage {
        name: "vmbchan".to_owned(),
        entry: vmbchan::driver_entry,
        hardware_ids: vec![format!("VMBUS\\{}", guid_text(&INTERFACE_TYPE))],
        parameters,
    })
}

/// Writes down what each step of the driver's life had the system call.
struct Steps<'a> {
    system: &'a System,
    before: Tally,
    done: Vec<Step>,
}

impl Steps<'_> {
    fn done(&mut self, what: &'static str) {
        let now = self.system.tally();
        let callbacks = now.since(&self.before).callbacks;
        self.before = now;
        self.done.push(Step { what, callbacks });
    }
}

/// The whole of one transfer, from loading the driver to unloading it.
///
/// The driver's end is told apart from the traffic's: whatever became of the transfer, the driver is unloaded and what
/// it did not give back is counted.
pub fn session(system: &System, plan: Plan, live: &Arc<Live>) -> Session {
    let failed = |why: String| Session {
        sent: Sent::Failed(why),
        ..Session::default()
    };
    let mut steps = Steps {
        system,
        before: system.tally(),
        done: Vec::new(),
    };
    let driver = match load_driver(system, plan.message_size) {
        Ok(driver) => driver,
        Err(status) => return failed(named("loading the driver", status)),
    };
    steps.done("loaded");
    let rescind_after = plan.input.messages.map_or(WARM_UP_PACKETS + WARM_UP, |messages| {
        if messages > WARM_UP {
            WARM_UP_PACKETS + messages / 2
        } else {
            messages / 2
        }
    });
    let offer = offer(system, plan.host, rescind_after);
    if let Err(status) = wait_started(system, offer) {
        return failed(named("starting the device", status));
    }
    steps.done("started");
    let result = Rc::new(RefCell::new(Sent::All));
    let (slot, shared) = (Rc::clone(&result), Arc::clone(live));
    system
        .spawn_process("vmbsim", move |process| {
            *slot.borrow_mut() = transfer(process, driver, plan, &shared);
        })
        .join();
    let sent = result.take();
    steps.done("served");
    offer.rescind();
    system.settle_devices();
    steps.done("removed");
    match system.unload_driver(driver) {
        Ok(leaks) => {
            steps.done("unloaded");
            Session {
                steps: steps.done,
                leaks,
                sent,
            }
        }
        Err(status) => Session {
            steps: steps.done,
            leaks: Vec::new(),
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

/// The user process: sends the messages and takes what comes back, a window of them at a time.
fn transfer(process: &Process, driver: DriverId, mut plan: Plan, live: &Live) -> Sent {
    let before = kmcl_packets(process);
    let file = match process.open(&GUID_DEVINTERFACE_VMBCHAN) {
        Ok(file) => file,
        Err(status) => return ended("opening the device", status),
    };
    let sent = exchange(process, &file, driver, &mut plan, live);
    note_lookaside(&file, live);
    live.state().figures.packets = kmcl_packets(process) - before;
    sent
}

fn kmcl_packets(process: &Process) -> u64 {
    let counters = process.system().kmcl_counters();
    counters.packets_sent + counters.packets_received
}

/// Has many packets in flight at a time, again and again: transactions, which stay in flight until the host has answered.
fn warm_up(file: &File, message: &[u8]) -> Result<(), Sent> {
    for _ in 0..WARM_UP_BURSTS {
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

/// Asks the driver for its counters, as long as the device is there.
fn note_lookaside(file: &File, live: &Live) {
    let info = file.ioctl(IOCTL_VMBCHAN_QUERY_INFO, &[], size_of::<Info>()).ok();
    if let Some(info) = info.and_then(|bytes| Info::read_from_bytes(&bytes).ok()) {
        let mut state = live.state();
        state.figures.lookaside_hits = Some(info.lookaside_hits + info.buffer_hits);
        state.figures.lookaside_misses = Some(info.lookaside_misses + info.buffer_misses);
    }
}

/// A message that was sent and has not come back yet.
struct UnderWay {
    number: u64,
    kind: Kind,
    message: Vec<u8>,
    request: Pending,
}

impl UnderWay {
    fn start(file: &File, number: u64, offset: u64, kind: Kind, data: &[u8]) -> Result<Self, Sent> {
        let message = protocol::encode(number, offset, data);
        let request = match kind {
            Kind::Message => file.start_write(&message),
            Kind::Transaction => {
                let length = message.len().next_multiple_of(8);
                file.start_ioctl(IOCTL_VMBCHAN_TRANSACT, &message, length)
            }
        };
        match request {
            Ok(request) => Ok(Self {
                number,
                kind,
                message,
                request,
            }),
            Err(status) => Err(ended("sending", status)),
        }
    }

    /// Waits for its data to come back, and checks that it is the data that was sent.
    fn finish(self, file: &File, live: &Live) -> Result<(), Sent> {
        let answer = match self.kind {
            // The buffer has room for any padding.
            Kind::Message => file
                .read(self.message.len().next_multiple_of(8))
                .map_err(|status| ended("reading", status)),
            Kind::Transaction => Ok(Vec::new()),
        };
        let completion = self.request.wait();
        if answer.is_err() {
            live.state().figures.requests_interrupted += 1;
        }
        if completion.status < 0 {
            live.state().figures.requests_interrupted += 1;
            return Err(ended("sending", completion.status));
        }
        let answer = match self.kind {
            Kind::Message => answer?,
            Kind::Transaction => completion.data,
        };
        let data = protocol::decode(self.number, &answer).map_err(|error| Sent::Failed(error.to_string()))?;
        if data != &self.message[protocol::HEADER_BYTES..] {
            return Err(Sent::Failed(format!(
                "message {} came back with other data",
                self.number
            )));
        }
        live.came_back(self.kind, data).map_err(Sent::Output)
    }
}

fn exchange(process: &Process, file: &File, driver: DriverId, plan: &mut Plan, live: &Live) -> Sent {
    let mut under_way: VecDeque<UnderWay> = VecDeque::new();
    let sent = exchange_until(process, file, driver, plan, live, &mut under_way);
    if matches!(sent, Err(Sent::DeviceGone)) {
        for message in under_way {
            if message.request.wait().status < 0 {
                live.state().figures.requests_interrupted += 1;
            }
        }
    }
    sent.map_or_else(|sent| sent, |()| Sent::All)
}

fn exchange_until(
    process: &Process,
    file: &File,
    driver: DriverId,
    plan: &mut Plan,
    live: &Live,
    under_way: &mut VecDeque<UnderWay>,
) -> Result<(), Sent> {
    let system = process.system();
    let mut first = plan.input.next().map_err(Sent::Input)?;
    if plan.input.messages.is_none_or(|messages| messages > WARM_UP)
        && let Some((_, data)) = &first
    {
        warm_up(file, &protocol::encode(0, 0, data))?;
    }
    let before = system.tally();
    let mut warm = None;
    let (mut next, mut offset) = (0, 0);
    for due in 0_u64.. {
        while next - due < WINDOW {
            let message = match first.take() {
                Some(message) => Some(message),
                None => plan.input.next().map_err(Sent::Input)?,
            };
            let Some((kind, data)) = message else { break };
            under_way.push_back(UnderWay::start(file, next, offset, kind, &data)?);
            live.sent(&data);
            next += 1;
            offset += data.len() as u64;
        }
        let Some(oldest) = under_way.pop_front() else {
            break;
        };
        oldest.finish(file, live)?;
        if due == WARM_UP {
            warm = Some(pool_allocations(driver));
        }
        if let Some(warm) = warm {
            live.state().figures.steady_state_pool_allocations = Some(pool_allocations(driver) - warm);
        }
        if plan.host == Host::Rescind {
            note_lookaside(file, live);
        }
        live.state().figures.traffic = system.tally().since(&before);
    }
    Ok(())
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
    let driver = load_driver(system, 0).map_err(|status| named("loading the driver", status))?;
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

    fn message(number: u64) -> Vec<u8> {
        let length = 1 + usize::try_from(number * 37 % 3000).unwrap_or(0);
        protocol::encode(number, 0, &vec![0x5A; length])
    }

    fn write(&self, file: &File, messages: u64) {
        for number in 0..messages {
            if self.stop.get() {
                return;
            }
            if self.cancel.take() {
                let _ = file.cancel_all();
            }
            if let Err(status) = file.write(&Self::message(number))
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
            let message = Self::message(number);
            match file.ioctl(IOCTL_VMBCHAN_TRANSACT, &message, message.len() + 8) {
                Ok(reply) if reply.starts_with(&message) => {}
                Ok(_) => return self.report("a transaction's reply is not the message".to_owned()),
                Err(status) if self.went_on("a transaction", status) => {}
                Err(_) => return,
            }
        }
    }
}
