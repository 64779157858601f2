//! A session in the simulated guest: what the operator and the user process do.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ntsim::System;
use ntsim::driver::DriverImage;
use ntsim::io::{File, Pending, Process};
use ntsim::kernel::{DriverId, Leak, kernel};
use ntsim::mm::{self, Owner};
use ntsim::sched::Nanoseconds;
use ntsim::tally::Tally;
use ntsim::vmbus::{HostChannel, Offer, OfferHandle, backends, guid_text};
use wdk_sys_lite::{
    GUID, NTSTATUS, STATUS_CANCELLED, STATUS_DEVICE_DOES_NOT_EXIST, STATUS_DEVICE_NOT_CONNECTED,
    STATUS_DEVICE_REMOVED, STATUS_INVALID_DEVICE_STATE, STATUS_NO_SUCH_DEVICE,
    STATUS_OBJECT_NAME_NOT_FOUND,
};

use serde::Serialize;
use vmbchan::ioctl::{GUID_DEVINTERFACE_VMBCHAN, IOCTL_VMBCHAN_TRANSACT};

use crate::cli::Host;
use crate::transfer::{DEFAULT_MAXIMUM_MESSAGE_SIZE, Flow, Plan, lock};
use crate::{protocol, stop};

/// How many messages may be on their way at a time. The system keeps at least four entries in a
/// lookaside list: with two messages on their way, and the packets of two just sent, that is
/// enough.
const WINDOW: usize = 2;
/// How many messages and how many transactions are in flight at a time while the lists warm up:
/// more than ever afterwards.
const BURST: usize = 32;
/// Messages after which nothing should allocate any more.
pub const WARM_UP: u64 = 100;
/// The interface type with which the host offers the channel: the driver's INF has it in the
/// hardware id.
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

/// One message of this many is a transaction.
const TRANSACTION_EVERY: u64 = 4;
/// The smallest of the mixed messages, in bytes.
pub const SMALLEST_MIXED: usize = protocol::HEADER_BYTES + 1;
/// The host takes its device back after so many bytes, where it is not known how many there will
/// be.
const RESCIND_AFTER: u64 = 1 << 20;

/// How long the device may take to go, in nanoseconds of virtual time; unloading the driver then
/// says what is in the way.
const REMOVAL: Nanoseconds = 1_000_000_000;

/// Counters of a machine at one moment.
struct Reading {
    tally: Tally,
    packets: u64,
    lookaside_hits: u64,
    lookaside_misses: u64,
}

impl Reading {
    fn now(system: &System, driver: DriverId) -> Self {
        let kmcl = system.kmcl_counters();
        let lists = mm::lookaside::counters(Owner::Driver(driver));
        Self {
            tally: system.tally(),
            packets: kmcl.packets_sent + kmcl.packets_received,
            lookaside_hits: kmcl.lookaside_hits + lists.allocations - lists.allocation_misses,
            lookaside_misses: kmcl.lookaside_misses + lists.allocation_misses,
        }
    }
}

/// A step of the driver's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// `DriverEntry`.
    Loaded,
    /// The device was added and started.
    Started,
    /// A program opened the device.
    Opened,
    /// Bursts of messages and transactions before the messages that count.
    WarmedUp,
    /// The messages.
    Messages,
    /// The program closed the device.
    Closed,
    /// The host took its offer back.
    Removed,
    /// The driver was unloaded.
    Unloaded,
}

impl Stage {
    /// Its name, for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Loaded => "loaded",
            Self::Started => "device started",
            Self::Opened => "opened",
            Self::WarmedUp => "warmed up",
            Self::Messages => "messages",
            Self::Closed => "closed",
            Self::Removed => "device removed",
            Self::Unloaded => "unloaded",
        }
    }

    /// What the driver does in it, for people.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Loaded => "registers with the framework",
            Self::Started => {
                "makes the device, its queues and the channel, and enables the channel"
            }
            Self::Opened => "takes the handle of a program",
            Self::WarmedUp => {
                "serves bursts of messages; what it keeps for later is allocated here"
            }
            Self::Messages => "carries the messages to the host and back",
            Self::Closed => "lets the handle go",
            Self::Removed => "disables the channel, ends what is under way, and frees what it has",
            Self::Unloaded => "leaves the kernel",
        }
    }
}

/// A step of the driver's life, and the calls in it.
#[derive(Clone, Debug)]
pub struct Step {
    /// Which one.
    pub stage: Stage,
    /// The calls between the kernel and the driver.
    pub tally: Tally,
}

/// Counters of a transfer, each of them counted by the simulated kernel.
#[derive(Clone, Debug, Default)]
pub struct Figures {
    /// Packets that went over the channel in either direction, completions among them, in the whole
    /// of the driver's life.
    pub packets: u64,
    /// Entries that lookaside lists of the driver and of KMCL had at hand.
    pub lookaside_hits: u64,
    /// Entries that they had to allocate.
    pub lookaside_misses: u64,
    /// Pool allocations of driver and KMCL after the first [`WARM_UP`] messages, and how many
    /// messages those were; none if there were no more than those.
    pub steady_state: Option<Steady>,
    /// Packets of the transfer itself.
    pub transfer_packets: u64,
    /// The calls and copies of the transfer itself.
    pub transfer: Tally,
}

/// What was counted once everything was warm.
#[derive(Clone, Copy, Debug)]
pub struct Steady {
    /// Messages.
    pub messages: u64,
    /// Pool allocations of driver and KMCL.
    pub allocations: u64,
}

/// How far the sending came.
#[derive(Debug, Default)]
pub enum Sent {
    /// Everything came back.
    #[default]
    All,
    /// Somebody asked for an end.
    Stopped,
    /// The device went away.
    DeviceGone,
    /// The input cannot be read.
    Input(std::io::Error),
    /// The output cannot be written.
    Output(std::io::Error),
    /// A call failed, or what came back was not the message that was due.
    Failed(String),
}

/// What a session left.
#[derive(Debug, Default)]
pub struct Session {
    /// Counters.
    pub figures: Figures,
    /// The driver's life.
    pub steps: Vec<Step>,
    /// Requests that were under way when the host took the device back, and failed for it.
    pub cut_off: u64,
    /// What the driver had not given back when it was unloaded.
    pub leaks: Vec<Leak>,
    /// How far the sending came.
    pub sent: Sent,
}

/// A status for people.
pub fn named(what: &str, status: NTSTATUS) -> String {
    format!("{what} failed with {}", vmbchan::Status(status))
}

/// Loads the driver, with its parameters as its service key would have them.
pub fn load_driver(system: &System, parameters: &[(&str, u32)]) -> Result<DriverId, NTSTATUS> {
    system.load_driver(DriverImage {
        name: "vmbchan".to_owned(),
        entry: vmbchan::driver_entry,
        hardware_ids: vec![format!("VMBUS\\{}", guid_text(&INTERFACE_TYPE))],
        parameters: parameters
            .iter()
            .map(|(name, value)| ((*name).to_owned(), *value))
            .collect(),
    })
}

/// Notes what happened in each step of the driver's life.
struct Diary {
    driver: DriverId,
    before: RefCell<Tally>,
    steps: RefCell<Vec<Step>>,
}

impl Diary {
    fn new(driver: DriverId) -> Rc<Self> {
        Rc::new(Self {
            driver,
            before: RefCell::default(),
            steps: RefCell::default(),
        })
    }

    /// A step has ended.
    fn ended(&self, system: &System, stage: Stage) {
        let now = system.tally();
        let tally = now.since(&self.before.replace(now.clone()));
        self.steps.borrow_mut().push(Step { stage, tally });
    }
}

/// The whole of one transfer, from loading the driver to unloading it.
pub fn session(system: &System, plan: &Plan, flow: &Arc<Mutex<Flow>>) -> Session {
    let failed = |why: String| Session {
        sent: Sent::Failed(why),
        ..Session::default()
    };
    let parameters: Vec<_> = plan
        .raised_maximum()
        .map(|size| {
            (
                "MaximumMessageSize",
                u32::try_from(size).unwrap_or(u32::MAX),
            )
        })
        .into_iter()
        .collect();
    let driver = match load_driver(system, &parameters) {
        Ok(driver) => driver,
        Err(status) => return failed(named("loading the driver", status)),
    };
    let diary = Diary::new(driver);
    diary.ended(system, Stage::Loaded);
    let meeting = Rc::new(Meeting {
        left: Cell::new(plan.total.map_or(RESCIND_AFTER, |total| total / 2)),
        ..Meeting::default()
    });
    let offer = match plan.host {
        Host::Rescind => system.offer(Offer::new(INTERFACE_TYPE, INSTANCE), rescinding(&meeting)),
        host => offer(system, host),
    };
    if let Err(status) = wait_started(system, offer) {
        return failed(named("starting the device", status));
    }
    diary.ended(system, Stage::Started);
    let traffic = Rc::new(RefCell::new(Traffic::default()));
    let user = User {
        plan: plan.clone(),
        flow: Arc::clone(flow),
        meeting,
        diary: Rc::clone(&diary),
        traffic: Rc::clone(&traffic),
    };
    system
        .spawn_process("vmbsim", move |process| user.run(process))
        .join();
    let traffic = traffic.take();
    take_back(system, offer);
    diary.ended(system, Stage::Removed);
    let unloaded = system.unload_driver(driver);
    diary.ended(system, Stage::Unloaded);
    let all = Reading::now(system, driver);
    let figures = Figures {
        packets: all.packets,
        lookaside_hits: all.lookaside_hits,
        lookaside_misses: all.lookaside_misses,
        ..traffic.figures
    };
    let (leaks, sent) = match unloaded {
        Ok(leaks) => (leaks, traffic.sent),
        Err(status) => (
            Vec::new(),
            Sent::Failed(named("unloading the driver", status)),
        ),
    };
    Session {
        figures,
        steps: diary.steps.take(),
        cut_off: traffic.cut_off,
        leaks,
        sent,
    }
}

/// Offers the device with a back end that keeps it.
pub fn offer(system: &System, host: Host) -> OfferHandle {
    let offer = Offer::new(INTERFACE_TYPE, INSTANCE);
    match host {
        Host::Echo | Host::Rescind => system.offer(offer, backends::echo),
        Host::Slow => system.offer(offer, backends::slow(Duration::from_micros(50))),
        Host::Full => system.offer(offer, backends::full(Duration::from_micros(500))),
    }
}

/// When the host takes its device back, and that it has.
#[derive(Default)]
struct Meeting {
    /// The transfer itself has begun.
    begun: Cell<bool>,
    /// Bytes that the host still takes.
    left: Cell<u64>,
    /// The host has taken the device back.
    rescinded: Cell<bool>,
}

/// Sends everything back, as an echo does, for a part of the transfer; then takes the device back
/// with requests under way: at least the one whose packet has just come is never answered.
fn rescinding(meeting: &Rc<Meeting>) -> impl FnOnce(HostChannel) + use<> {
    let meeting = Rc::clone(meeting);
    move |channel| {
        while channel.wait_open() {
            while let Ok(packet) = channel.recv() {
                if meeting.begun.get() {
                    let left = meeting
                        .left
                        .get()
                        .saturating_sub(packet.payload.len() as u64);
                    meeting.left.set(left);
                    if left == 0 {
                        meeting.rescinded.set(true);
                        channel.rescind();
                        channel.wait_closed();
                        break;
                    }
                }
                if backends::answer(&channel, &packet).is_err() {
                    break;
                }
            }
        }
    }
}

/// Takes an offer back, and waits until its device has gone.
pub fn take_back(system: &System, offer: OfferHandle) {
    offer.rescind();
    let deadline = kernel().sched.now() + REMOVAL;
    while !offer.is_released() && kernel().sched.now() < deadline {
        system.sleep(Duration::from_micros(10));
    }
    system.settle_devices();
}

pub fn wait_started(system: &System, offer: OfferHandle) -> Result<(), NTSTATUS> {
    offer
        .pdo()
        .ok_or(STATUS_NO_SUCH_DEVICE)
        .and_then(|pdo| system.wait_started(pdo.id))
}

fn pool_allocations(driver: DriverId) -> u64 {
    mm::pool::counters(Owner::Driver(driver)).allocations
        + mm::pool::counters(Owner::Kmcl).allocations
}

/// Whether a status says that the device or its channel is gone (the framework's for a queue that
/// takes nothing more among them), or that a request was cancelled.
pub fn is_gone(status: NTSTATUS) -> bool {
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

/// What the user process has done.
#[derive(Default)]
struct Traffic {
    figures: Figures,
    cut_off: u64,
    sent: Sent,
}

/// A request on its way.
struct Request {
    what: &'static str,
    pending: Pending,
    /// It was sent before the host took the device back.
    before: bool,
}

/// How a message goes there and back.
enum Way {
    Message { write: Request, read: Request },
    Transaction(Request),
}

/// A message on its way.
struct Underway {
    number: u64,
    place: u64,
    way: Way,
}

/// The user process: sends the input as messages, each fourth as a transaction, and takes them
/// back, a window of them at a time.
struct User {
    plan: Plan,
    flow: Arc<Mutex<Flow>>,
    meeting: Rc<Meeting>,
    diary: Rc<Diary>,
    traffic: Rc<RefCell<Traffic>>,
}

impl User {
    fn run(&self, process: &Process) {
        let system = &process.system();
        let sent = match process.open(&GUID_DEVINTERFACE_VMBCHAN) {
            Ok(file) => {
                self.diary.ended(system, Stage::Opened);
                let sent = self.exchange(system, &file);
                file.close();
                self.diary.ended(system, Stage::Closed);
                sent
            }
            Err(status) => ended("opening the device", status),
        };
        self.traffic.borrow_mut().sent = sent;
    }

    fn exchange(&self, system: &System, file: &File) -> Sent {
        // A few messages warm nothing up; how many there will be may not be known.
        let least = (WARM_UP
            * self
                .plan
                .message_size
                .unwrap_or(DEFAULT_MAXIMUM_MESSAGE_SIZE) as u64)
            / 2;
        if self.plan.total.is_none_or(|total| total >= least) {
            if let Err(sent) = warm_up(
                file,
                self.plan
                    .message_size
                    .unwrap_or(DEFAULT_MAXIMUM_MESSAGE_SIZE),
            ) {
                return sent;
            }
            self.diary.ended(system, Stage::WarmedUp);
        }
        let before = Reading::now(system, self.diary.driver);
        self.meeting.begun.set(true);
        let sent = self.messages(file);
        let after = Reading::now(system, self.diary.driver);
        self.diary.ended(system, Stage::Messages);
        let figures = &mut self.traffic.borrow_mut().figures;
        figures.transfer_packets = after.packets - before.packets;
        figures.transfer = after.tally.since(&before.tally);
        sent
    }

    /// The messages themselves. Whatever ends them, every request that was sent has been waited
    /// for.
    fn messages(&self, file: &File) -> Sent {
        let mut underway = VecDeque::new();
        let mut buffer = vec![
            0;
            self.plan
                .message_size
                .unwrap_or(DEFAULT_MAXIMUM_MESSAGE_SIZE)
        ];
        let mut sizes = Sizes::new(self.plan.message_size, self.plan.seed);
        let mut warm = None;
        let (mut next, mut place, mut back) = (0, 0, 0);
        let mut sent = Sent::All;
        let mut exhausted = false;
        loop {
            while !exhausted && matches!(sent, Sent::All) && underway.len() < WINDOW {
                if stop::asked() {
                    sent = Sent::Stopped;
                    break;
                }
                let data = &mut buffer[..sizes.next() - protocol::HEADER_BYTES];
                let count = match lock(&self.flow).next(data) {
                    Ok(0) => {
                        exhausted = true;
                        break;
                    }
                    Ok(count) => count,
                    Err(error) => {
                        let _ = file.cancel_all();
                        sent = Sent::Input(error);
                        break;
                    }
                };
                match self.start(file, next, place, &data[..count]) {
                    Ok(started) => underway.push_back(started),
                    Err(status) => {
                        let _ = file.cancel_all();
                        sent = ended("sending a message", status);
                    }
                }
                next += 1;
                place += count as u64;
            }
            let Some(oldest) = underway.pop_front() else {
                break;
            };
            if matches!(sent, Sent::All | Sent::Stopped) {
                match self.finish(oldest) {
                    Ok(()) => back += 1,
                    Err(why) => {
                        // Whoever reads what was never written would wait for ever.
                        if !matches!(why, Sent::DeviceGone) {
                            let _ = file.cancel_all();
                        }
                        sent = why;
                    }
                }
            } else {
                // What comes after a gap is not a part of what comes back.
                self.forget(oldest);
            }
            if back == WARM_UP && warm.is_none() {
                warm = Some(pool_allocations(self.diary.driver));
            }
        }
        if let Some(warm) = warm
            && back > WARM_UP
        {
            self.traffic.borrow_mut().figures.steady_state = Some(Steady {
                messages: back - WARM_UP,
                allocations: pool_allocations(self.diary.driver) - warm,
            });
        }
        sent
    }

    /// Sends a request. What it meets on its way in counts as met under way.
    fn request(
        &self,
        what: &'static str,
        start: impl FnOnce() -> Result<Pending, NTSTATUS>,
    ) -> Result<Request, NTSTATUS> {
        let before = !self.meeting.rescinded.get();
        let pending = start()?;
        Ok(Request {
            what,
            pending,
            before,
        })
    }

    fn start(
        &self,
        file: &File,
        number: u64,
        place: u64,
        data: &[u8],
    ) -> Result<Underway, NTSTATUS> {
        let message = protocol::encode(number, place, data);
        let room = message.len().next_multiple_of(8);
        let way = if number % TRANSACTION_EVERY == TRANSACTION_EVERY - 1 {
            Way::Transaction(self.request("a transaction", || {
                file.start_ioctl(IOCTL_VMBCHAN_TRANSACT, &message, room)
            })?)
        } else {
            let read = self.request("a read", || file.start_read(room))?;
            let write = self.request("a write", || file.start_write(&message))?;
            Way::Message { write, read }
        };
        Ok(Underway { number, place, way })
    }

    fn finish(&self, underway: Underway) -> Result<(), Sent> {
        let (message, transaction) = match underway.way {
            Way::Message { write, read } => {
                let (written, message) = (self.reap(write), self.reap(read));
                (written.and(message)?, false)
            }
            Way::Transaction(request) => (self.reap(request)?, true),
        };
        match protocol::decode(underway.number, underway.place, &message) {
            Ok(data) => lock(&self.flow)
                .came_back(data, transaction)
                .map_err(Sent::Output),
            Err(error) => Err(Sent::Failed(error.to_string())),
        }
    }

    fn forget(&self, underway: Underway) {
        let requests = match underway.way {
            Way::Message { write, read } => vec![write, read],
            Way::Transaction(request) => vec![request],
        };
        for request in requests {
            // The first failure has been noted, and this one counts where it was cut off.
            drop(self.reap(request));
        }
    }

    fn reap(&self, request: Request) -> Result<Vec<u8>, Sent> {
        let completion = request.pending.wait();
        if completion.status >= 0 {
            return Ok(completion.data);
        }
        if request.before && self.meeting.rescinded.get() && is_gone(completion.status) {
            self.traffic.borrow_mut().cut_off += 1;
        }
        Err(ended(request.what, completion.status))
    }
}

/// How long each message is: all alike, or mixed, as many short ones as long ones on a logarithmic
/// scale.
struct Sizes {
    fixed: Option<usize>,
    state: u64,
}

impl Sizes {
    fn new(fixed: Option<usize>, seed: u64) -> Self {
        Self {
            fixed,
            // Not 0, whatever the seed: 0 is where the sequence stays.
            state: seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1,
        }
    }

    fn draw(&mut self, bound: usize) -> usize {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        usize::try_from((self.state >> 33) % bound as u64).unwrap_or(0)
    }

    fn next(&mut self) -> usize {
        if let Some(size) = self.fixed {
            return size;
        }
        // Around 32 to 16,384, each power of two as likely as another.
        let scale = 16 << (1 + self.draw(10));
        (scale / 2 + 1 + self.draw(scale)).clamp(SMALLEST_MIXED, DEFAULT_MAXIMUM_MESSAGE_SIZE)
    }
}

/// Has many packets in flight at a time, again and again, in both directions: messages that wait
/// for a reader, and transactions, which stay in flight until the host has answered.
fn warm_up(file: &File, message_size: usize) -> Result<(), Sent> {
    let message = protocol::encode(0, 0, &vec![0x5A; message_size - protocol::HEADER_BYTES]);
    let room = message.len().next_multiple_of(8);
    let same = |pending: Pending, what: &str| {
        let completion = pending.wait();
        if completion.status < 0 {
            return Err(ended(what, completion.status));
        }
        if !completion.data.starts_with(&message) {
            return Err(Sent::Failed(format!(
                "{what} did not bring the message back"
            )));
        }
        Ok(())
    };
    for _ in 0..8 {
        let (mut writes, mut transactions) = (Vec::new(), Vec::new());
        for _ in 0..BURST {
            let write = file.start_write(&message);
            writes.push(write.map_err(|status| ended("a write", status))?);
        }
        for _ in 0..BURST {
            let transaction = file.start_ioctl(IOCTL_VMBCHAN_TRANSACT, &message, room);
            transactions.push(transaction.map_err(|status| ended("a transaction", status))?);
        }
        for write in writes {
            let status = write.wait().status;
            if status < 0 {
                return Err(ended("a write", status));
            }
        }
        // The answers come behind the messages in the host's ring, so all messages now wait for a
        // reader.
        for transaction in transactions {
            same(transaction, "a transaction")?;
        }
        for _ in 0..BURST {
            let read = file.start_read(room);
            same(read.map_err(|status| ended("a read", status))?, "a read")?;
        }
    }
    Ok(())
}
