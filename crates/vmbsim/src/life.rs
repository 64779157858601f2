//! A life of the driver with events in the middle of its traffic. The seed decides all of it.
//!
//! ```text
//!   load - offer - start - programs: writers, readers, transactions ---------------- end - check - unload
//!                             |         |            |
//!                          event     event        event      each when so many requests were started
//! ```
//!
//! An event is drawn by the traffic's progress and not by time, so that it meets requests on their
//! way. How many those were is a part of the result.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::num::NonZeroUsize;
use std::rc::Rc;
use std::time::Duration;

use ntsim::io::{Completion, File, Pending, Process};
use ntsim::kernel::kernel;
use ntsim::sched::Key;
use ntsim::{Config, FailCall, System};
use wdk_sys_lite::{
    NTSTATUS, STATUS_CANCELLED, STATUS_INSUFFICIENT_RESOURCES, STATUS_NO_SUCH_DEVICE,
};
use zerocopy::FromBytes;

use vmbchan::ioctl::{
    GUID_DEVINTERFACE_VMBCHAN, IOCTL_VMBCHAN_QUERY_INFO, IOCTL_VMBCHAN_TRANSACT, Info, State,
};

use crate::cli::Host;
use crate::guest::{is_gone, load_driver, named, offer, take_back, wait_started};
use crate::protocol;

/// What happens to the device, or to a program of it, in the middle of a life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Event {
    /// The device is removed in an orderly way: asked for while requests are on their way, done as
    /// soon as no handle is in the way.
    Remove,
    /// The device is pulled out.
    SurpriseRemove,
    /// The host takes its offer back.
    Rescind,
    /// The device sleeps and wakes up.
    PowerCycle,
    /// The device is stopped for a rebalance, and started again.
    Rebalance,
    /// The device is disabled, and enabled again.
    Disable,
    /// Programs cancel all their requests.
    Cancel,
    /// Programs close their handles with requests on their way.
    CloseHandle,
    /// Programs end with requests on their way.
    EndProcess,
}

impl Event {
    /// Every one.
    pub const ALL: [Self; 9] = [
        Self::Remove,
        Self::SurpriseRemove,
        Self::Rescind,
        Self::PowerCycle,
        Self::Rebalance,
        Self::Disable,
        Self::Cancel,
        Self::CloseHandle,
        Self::EndProcess,
    ];

    /// Its name, for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Remove => "remove",
            Self::SurpriseRemove => "surprise removal",
            Self::Rescind => "rescind",
            Self::PowerCycle => "power cycle",
            Self::Rebalance => "rebalance",
            Self::Disable => "disable, enable",
            Self::Cancel => "cancel",
            Self::CloseHandle => "close handle",
            Self::EndProcess => "end of process",
        }
    }

    /// Whether the device is gone for good afterwards.
    fn is_last(self) -> bool {
        matches!(self, Self::Remove | Self::SurpriseRemove | Self::Rescind)
    }
}

/// What an event met: how many requests were on their way.
pub type Met = (Event, usize);

/// What the seed has drawn.
struct Plan {
    parameters: Vec<(&'static str, u32)>,
    maximum_message: usize,
    host: Host,
    messages: u64,
    processes: u64,
    /// Requests that a thread of a program keeps on their way.
    window: usize,
    /// Each after so many requests, ascending.
    events: Vec<(u64, Event)>,
}

/// What all lives have in common.
#[derive(Clone, Copy, Debug)]
pub struct Lives {
    /// The guest's.
    pub processors: NonZeroUsize,
    /// Whether double fetches are looked for.
    pub double_fetches: bool,
}

/// The configuration of a life: the seed decides all of it.
pub fn config(seed: u64, lives: Lives, max_steps: u64) -> Config {
    let mut rng = fastrand::Rng::with_seed(seed);
    // In one life of four a call that can fail does: most of them while messages flow.
    let fail_call = (rng.u8(..4) == 0).then(|| FailCall::Number(rng.u64(20..1500)));
    Config {
        seed,
        processors: lives.processors,
        double_fetches: lives.double_fetches,
        max_steps: Some(max_steps),
        fail_call,
        ..Config::default()
    }
}

impl Plan {
    fn draw(system: &System) -> Self {
        let one_of = |choices: &[u32]| choices[pick(system, choices.len())];
        let maximum_message = one_of(&[64, 250, 1000, 3000, 16_384]);
        let parameters = vec![
            ("MaximumMessageSize", maximum_message),
            ("ReceiveQuota", one_of(&[1, 2, 7, 64])),
            ("SendQuota", one_of(&[1, 2, 7, 64])),
            ("RingPages", one_of(&[8, 16, 64])),
        ];
        let messages = 5 + system.random(60);
        let processes = 1 + system.random(2);
        // A write and a read for each message, and a transaction for each third, less what comes
        // to an early end.
        let requests = messages * processes * 2;
        let mut events = Vec::new();
        for _ in 0..=system.random(4) {
            let event = Event::ALL[pick(system, Event::ALL.len())];
            events.push((1 + system.random(requests * 9 / 10), event));
        }
        events.sort_by_key(|(after, _)| *after);
        let last = events.iter().position(|(_, event)| event.is_last());
        if let Some(last) = last {
            events.truncate(last + 1);
        }
        Self {
            parameters,
            maximum_message: maximum_message as usize,
            host: [Host::Echo, Host::Slow, Host::Full][pick(system, 3)],
            messages,
            processes,
            window: 1 + pick(system, 6),
            events,
        }
    }
}

fn pick(system: &System, count: usize) -> usize {
    usize::try_from(system.random(count as u64)).unwrap_or(0)
}

/// Load, traffic with events, check, unload. What the events met; an error says what should not
/// have happened.
pub fn live(system: &System) -> Result<Vec<Met>, String> {
    let plan = Plan::draw(system);
    let driver = match load_driver(system, &plan.parameters) {
        Ok(driver) => driver,
        Err(STATUS_INSUFFICIENT_RESOURCES) if kernel().has_failed_call() => return Ok(Vec::new()),
        Err(status) => return Err(named("loading the driver", status)),
    };
    let handle = offer(system, plan.host);
    let met = match wait_started(system, handle) {
        Ok(()) => {
            let life = Rc::new(Life::new(plan));
            let pdo = handle.pdo().map_or(0, |pdo| pdo.id);
            life.run(system, pdo, || handle.rescind())?;
            life.met.take()
        }
        // A call that fails on purpose fails here too.
        Err(STATUS_INSUFFICIENT_RESOURCES) if kernel().has_failed_call() => Vec::new(),
        Err(status) => return Err(named("starting the device", status)),
    };
    take_back(system, handle);
    match system.unload_driver(driver) {
        Ok(leaks) if leaks.is_empty() => Ok(met),
        Ok(leaks) => Err(format!("the driver leaves {leaks:?} (events: {met:?})")),
        Err(status) => Err(format!(
            "{} (events: {met:?})",
            named("unloading the driver", status)
        )),
    }
}

/// The traffic of a life.
struct Life {
    plan: Plan,
    /// How many requests were started.
    started: Cell<u64>,
    /// Woken with each.
    progress: Key,
    /// Programs take up what comes next: counts up when their handles are to be closed.
    closings: Cell<u64>,
    /// As above, when they are to end.
    endings: Cell<u64>,
    /// No device comes back.
    over: Cell<bool>,
    /// Programs that have ended for good.
    done: Cell<u64>,
    files: RefCell<BTreeMap<u64, Rc<File>>>,
    met: RefCell<Vec<Met>>,
    /// An event has begun.
    disturbed: Cell<bool>,
    /// How often each message was written and read.
    counts: RefCell<BTreeMap<u64, (u64, u64)>>,
    problem: RefCell<Option<String>>,
}

impl Life {
    fn new(plan: Plan) -> Self {
        Self {
            plan,
            started: Cell::new(0),
            progress: kernel().sched.new_key_for("a request to be started"),
            closings: Cell::new(0),
            endings: Cell::new(0),
            over: Cell::new(false),
            done: Cell::new(0),
            files: RefCell::default(),
            met: RefCell::default(),
            disturbed: Cell::new(false),
            counts: RefCell::default(),
            problem: RefCell::default(),
        }
    }

    /// Runs the programs and the events; `rescind` takes the offer back.
    fn run(self: &Rc<Self>, system: &System, pdo: u32, rescind: impl Fn()) -> Result<(), String> {
        for number in 0..self.plan.processes {
            self.spawn(system, number, 0);
        }
        for (after, event) in self.plan.events.clone() {
            kernel().sched.wait_until(self.progress, || {
                self.started.get() >= after || self.done.get() == self.plan.processes
            });
            if let Some(in_flight) = self.perform(system, pdo, event, &rescind) {
                self.met.borrow_mut().push((event, in_flight));
            }
        }
        kernel()
            .sched
            .wait_until(self.progress, || self.done.get() == self.plan.processes);
        if let Some(problem) = self.problem.take() {
            return Err(format!("{problem} (events: {:?})", self.met.borrow()));
        }
        if !self.over.get() {
            self.check_at_rest(system)?;
        }
        Ok(())
    }

    /// Has an event happen. Returns how many requests were on their way when it began, or none if
    /// it did not happen: the device was in no state for it.
    fn perform(
        &self,
        system: &System,
        pdo: u32,
        event: Event,
        rescind: impl Fn(),
    ) -> Option<usize> {
        self.disturbed.set(true);
        let in_flight = system.requests_in_flight();
        let came_back = |result: Result<(), NTSTATUS>| {
            // Only a call that fails on purpose may be why a device does not come up. It is gone then.
            if let Err(status) = result {
                self.over.set(true);
                if !kernel().has_failed_call() {
                    self.report(named("the device's return", status));
                }
            }
        };
        let happened = match event {
            Event::Remove => {
                let removed = self.remove(system, pdo);
                self.over.set(true);
                removed
            }
            Event::SurpriseRemove => {
                self.over.set(true);
                system.surprise_remove(pdo).is_ok()
            }
            Event::Rescind => {
                self.over.set(true);
                rescind();
                true
            }
            Event::PowerCycle => {
                let slept = match system.power_down(pdo) {
                    Ok(()) => true,
                    // A call that failed on purpose, or a device that it has kept from starting.
                    Err(_) if kernel().has_failed_call() => false,
                    Err(status) => {
                        self.report(named("going to sleep", status));
                        false
                    }
                };
                if slept {
                    system.sleep(Duration::from_nanos(system.random(100_000)));
                    came_back(system.power_up(pdo));
                }
                slept
            }
            Event::Rebalance => {
                let there = !self.over.get();
                if there {
                    came_back(system.rebalance(pdo));
                }
                there
            }
            Event::Disable => {
                let removed = self.remove(system, pdo);
                if removed {
                    system.sleep(Duration::from_nanos(system.random(20_000)));
                    came_back(system.enable_device(pdo));
                }
                removed
            }
            Event::Cancel => {
                let files: Vec<_> = self.files.borrow().values().cloned().collect();
                let any = !files.is_empty();
                for file in files {
                    let _ = file.cancel_all();
                }
                any
            }
            Event::CloseHandle => {
                let any = !self.files.borrow().is_empty();
                self.close_files();
                any
            }
            Event::EndProcess => {
                self.endings.set(self.endings.get() + 1);
                true
            }
        };
        happened.then_some(in_flight)
    }

    /// Removes the device in an orderly way. The driver is asked while programs have requests on
    /// their way, and their open handles prevent it; then they close them, each at its own time.
    /// Returns whether the device is gone.
    fn remove(&self, system: &System, pdo: u32) -> bool {
        while let Err(status) = system.remove_device(pdo) {
            if status == STATUS_NO_SUCH_DEVICE {
                return false;
            }
            self.close_files();
            system.sleep(Duration::from_micros(1));
        }
        true
    }

    /// Closes what programs have open, whatever they wait for.
    fn close_files(&self) {
        self.closings.set(self.closings.get() + 1);
        let files = self.files.take();
        drop(files);
    }

    /// With nothing on its way the driver has nothing in use.
    fn check_at_rest(self: &Rc<Self>, system: &System) -> Result<(), String> {
        let life = Rc::clone(self);
        system
            .spawn_process("inspector", move |process| {
                let Ok(file) = process.open(&GUID_DEVINTERFACE_VMBCHAN) else {
                    return;
                };
                // The host may still have messages to take, and to send before it takes more.
                for _ in 0..1000 {
                    match life.info(&file) {
                        Some(info) if info.state != State::Open as u32 => return,
                        Some(info) if is_at_rest(&info) => return,
                        Some(info) if info.messages_waiting > 0 => life.read_one(&file),
                        Some(_) => process.sleep(Duration::from_micros(100)),
                        None => return,
                    }
                }
                let info = life.info(&file);
                life.report(format!(
                    "with no request on its way the driver has buffers in use: {info:?}"
                ));
            })
            .join();
        self.problem.take().map_or(Ok(()), Err)
    }

    fn info(&self, file: &File) -> Option<Info> {
        match file.ioctl(IOCTL_VMBCHAN_QUERY_INFO, &[], size_of::<Info>()) {
            Ok(bytes) => Info::read_from_bytes(&bytes).ok(),
            Err(status) => {
                self.went_on("a query", status);
                None
            }
        }
    }

    /// Reads a message that waits.
    fn read_one(&self, file: &File) {
        let room = self.plan.maximum_message.next_multiple_of(8);
        if let Err(status) = file.read(room) {
            self.went_on("a read", status);
        }
    }

    fn report(&self, text: String) {
        self.problem.borrow_mut().get_or_insert(text);
    }

    /// Whether to go on after a request. It may end early after an event, or when a call has failed
    /// on purpose.
    fn went_on(&self, what: &str, status: NTSTATUS) -> bool {
        // Programs cancel what they have left over.
        if status >= 0 || status == STATUS_CANCELLED {
            return true;
        }
        let short = status == STATUS_INSUFFICIENT_RESOURCES;
        let excused = if short {
            kernel().has_failed_call()
        } else {
            is_gone(status) && (self.disturbed.get() || kernel().has_failed_call())
        };
        if !excused {
            self.report(named(what, status));
        }
        excused && short
    }

    /// A message has been read. No more of its number come back than were written.
    fn received(&self, number: u64) {
        let mut counts = self.counts.borrow_mut();
        let (written, read) = counts.entry(number).or_default();
        *read += 1;
        if read > written {
            self.report(format!(
                "message {number} was read {read} times, and written {written} times"
            ));
        }
    }

    fn spawn(self: &Rc<Self>, system: &System, number: u64, next: u64) {
        let life = Rc::clone(self);
        system.spawn_process(&format!("user {number}"), move |process| {
            Program {
                life,
                number,
                next: Cell::new(next),
            }
            .run(process);
        });
    }
}

/// Every buffer is free, or has a message that waits for a reader.
fn is_at_rest(info: &Info) -> bool {
    info.messages_in_flight == 0 && info.receive_buffers == info.messages_waiting
}

/// One program: a writer, a reader and one who transacts, with handles that it opens again as long
/// as there is a device.
///
/// It takes every failure that a device which goes away may give, and nothing else.
struct Program {
    life: Rc<Life>,
    number: u64,
    /// The message that is written next.
    next: Cell<u64>,
}

/// A handle while its program's threads use it.
struct Session {
    life: Rc<Life>,
    number: u64,
    closings: u64,
    endings: u64,
    /// Its threads are to end.
    ending: Cell<bool>,
}

impl Session {
    fn file(&self) -> Option<Rc<File>> {
        let closed =
            self.ending.get() || self.life.closings.get() != self.closings || self.is_killed();
        if closed {
            return None;
        }
        self.life.files.borrow().get(&self.number).cloned()
    }

    /// The program is to end with its requests on their way.
    fn is_killed(&self) -> bool {
        self.life.endings.get() != self.endings
    }

    fn start(
        &self,
        what: &str,
        start: impl FnOnce(&File) -> Result<Pending, NTSTATUS>,
    ) -> Option<Pending> {
        let file = self.file()?;
        let pending = match start(&file) {
            Ok(pending) => pending,
            Err(status) => {
                // There may be memory for the next.
                if !self.life.went_on(what, status) {
                    self.ending.set(true);
                }
                return None;
            }
        };
        self.life.started.set(self.life.started.get() + 1);
        kernel().sched.wake(self.life.progress);
        Some(pending)
    }

    /// Waits for a request; none if the program ends without it.
    ///
    /// A request that was on its way between two queues when its handle was closed is for the host
    /// to end, and a host whose messages nobody reads ends nothing: its thread cancels it.
    fn wait(&self, mut pending: Pending) -> Option<Completion> {
        let mut patience = 50;
        loop {
            match pending.wait_for(Duration::from_micros(20)) {
                Ok(completion) => return Some(completion),
                Err(still) => {
                    pending = still;
                    if self.is_killed() {
                        return None;
                    }
                    if self.life.closings.get() != self.closings {
                        patience -= 1;
                    }
                    if self.ending.get() || patience == 0 {
                        let _ = pending.cancel();
                        patience = 50;
                    }
                }
            }
        }
    }

    /// What came of a request: its data, or none if it failed.
    fn finish(&self, what: &str, pending: Pending) -> Option<Vec<u8>> {
        let completion = self.wait(pending)?;
        if completion.status >= 0 {
            return Some(completion.data);
        }
        if !self.life.went_on(what, completion.status) {
            self.ending.set(true);
        }
        None
    }

    /// Keeps a window of requests on their way until there is none to start.
    fn keep(
        &self,
        mut start: impl FnMut(&Self) -> Option<Pending>,
        mut finish: impl FnMut(&Self, Pending),
    ) {
        let mut under_way = VecDeque::new();
        loop {
            while under_way.len() < self.life.plan.window
                && let Some(pending) = start(self)
            {
                under_way.push_back(pending);
            }
            let Some(oldest) = under_way.pop_front() else {
                return;
            };
            finish(self, oldest);
            if self.is_killed() {
                return;
            }
        }
    }
}

impl Program {
    fn run(self, process: &Process) {
        let endings = self.life.endings.get();
        let killed = || self.life.endings.get() != endings;
        while !killed() && !self.life.over.get() && self.next.get() < self.life.plan.messages {
            match process.open(&GUID_DEVINTERFACE_VMBCHAN) {
                Ok(file) => self.session(process, file, endings),
                Err(status) => {
                    if !self.life.went_on("opening", status) && !is_gone(status) {
                        break;
                    }
                    process.sleep(Duration::from_micros(5));
                }
            }
        }
        if killed() && !self.life.over.get() {
            // Somebody starts it again.
            self.life
                .spawn(&process.system(), self.number, self.next.get());
        } else {
            self.life.done.set(self.life.done.get() + 1);
            kernel().sched.wake(self.life.progress);
        }
    }

    /// What is done with one handle.
    fn session(&self, process: &Process, file: File, endings: u64) {
        let earlier = self
            .life
            .files
            .borrow_mut()
            .insert(self.number, Rc::new(file));
        // Closing it lets others run, who want to see the map.
        drop(earlier);
        let session = Rc::new(Session {
            life: Rc::clone(&self.life),
            number: self.number,
            closings: self.life.closings.get(),
            endings,
            ending: Cell::new(false),
        });
        let shared = Rc::clone(&session);
        let reader = process.spawn("reader", move |_| read(&shared));
        let shared = Rc::clone(&session);
        let transactor = process.spawn("transactor", move |_| transact(&shared));
        self.write(&session);
        if session.is_killed() {
            // The handle and its requests stay for the end of the process to close.
            return;
        }
        transactor.join();
        session.ending.set(true);
        reader.join();
        let file = self.life.files.borrow_mut().remove(&self.number);
        drop(file);
    }

    fn write(&self, session: &Session) {
        let plan = &self.life.plan;
        session.keep(
            |session| {
                let number = self.next.get();
                if number >= plan.messages {
                    return None;
                }
                let message = message(plan, number);
                session
                    .life
                    .counts
                    .borrow_mut()
                    .entry(number)
                    .or_default()
                    .0 += 1;
                let pending = session.start("a write", |file| file.start_write(&message))?;
                self.next.set(number + 1);
                Some(pending)
            },
            |session, pending| drop(session.finish("a write", pending)),
        );
    }
}

/// A message of a length that its number decides.
fn message(plan: &Plan, number: u64) -> Vec<u8> {
    let room = plan.maximum_message - protocol::HEADER_BYTES;
    let length = 1 + usize::try_from(number * 37).unwrap_or(0) % room;
    protocol::encode(number, plan.messages, &vec![0x5A; length])
}

/// What comes back are the writers' messages in their order; an event may have lost some. When a
/// device comes up again, several processors may present the requests that have waited, so those of
/// a window may change places, both writes and reads. With two programs they are the messages of
/// both, in whichever order.
fn read(session: &Session) {
    let plan = &session.life.plan;
    let room = plan.maximum_message.next_multiple_of(8);
    let slack = 2 * plan.window as u64;
    let mut least = 0_u64;
    session.keep(
        |session| session.start("a read", |file| file.start_read(room)),
        |session, pending| {
            let Some(message) = session.finish("a read", pending) else {
                return;
            };
            let due = if plan.processes == 1 {
                least.saturating_sub(slack)
            } else {
                0
            };
            let found = (due..plan.messages)
                .find(|number| protocol::decode(*number, plan.messages, &message).is_ok());
            match found {
                Some(number) => {
                    least = least.max(number + 1);
                    session.life.received(number);
                }
                None => session.life.report(format!(
                    "a message of {} bytes is none of those from {due} on",
                    message.len()
                )),
            }
        },
    );
}

fn transact(session: &Session) {
    let plan = &session.life.plan;
    let numbers = Cell::new(0);
    let sent = RefCell::new(VecDeque::new());
    session.keep(
        |session| {
            let number = numbers.get();
            if number >= plan.messages / 3 {
                return None;
            }
            let message = message(plan, number);
            let pending = session.start("a transaction", |file| {
                file.start_ioctl(IOCTL_VMBCHAN_TRANSACT, &message, message.len() + 8)
            })?;
            numbers.set(number + 1);
            sent.borrow_mut().push_back(message);
            Some(pending)
        },
        |session, pending| {
            let message = sent.borrow_mut().pop_front().unwrap_or_default();
            if let Some(reply) = session.finish("a transaction", pending)
                && !reply.starts_with(&message)
            {
                session
                    .life
                    .report("a transaction's reply is not the message".to_owned());
            }
        },
    );
}
