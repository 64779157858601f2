//! Contexts, processors and virtual time: the deterministic scheduler.
//!
//! A *context* is a coroutine: a thread of the guest, a deferred procedure call, or a program on
//! the host. A guest context runs on one of the simulated processors, host programs beside them.
//! Exactly one context runs at a time; at every *scheduling point* (entry and exit of each exported
//! function, waits, spins) the scheduler may let another one run, chosen from the seed. So an
//! interleaving is a sequence of draws, and the same seed repeats it.
//!
//! ```text
//!   processor 0:  thread A (PASSIVE_LEVEL)  <- interrupted by -  DPC 7 (DISPATCH_LEVEL)
//!   processor 1:  thread B, spinning on a lock
//!   host:         back end, waiting for a signal
//! ```
//!
//! Below `DISPATCH_LEVEL` a thread can be interrupted by its processor's DPCs and, at
//! `PASSIVE_LEVEL`, replaced by another thread. At or above it the processor stays, while the other
//! processors go on.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use corosensei::stack::{DefaultStack, Stack as _};
use corosensei::{Coroutine, CoroutineResult, Yielder};

use crate::bugcheck::{BugCheck, StopCode, bug_check};
use crate::export::{DISPATCH_LEVEL, Irql, PASSIVE_LEVEL};
use crate::kernel::{DriverId, kernel};
use crate::machine::Config;
use crate::trap;

/// Virtual time in nanoseconds since the machine started.
pub type Nanoseconds = u64;

/// How much virtual time one scheduling step takes.
const STEP: Nanoseconds = 100;

/// The real stack of a context, in bytes. Larger than a kernel stack (24 KiB on x64): simulated
/// functions and unoptimised builds need more.
const STACK_BYTES: usize = 512 * 1024;
/// Inaccessible bytes below it.
const STACK_GUARD: usize = 4096;

/// What a context waits for: any number that waker and waiter agree on. Make one with
/// [`Scheduler::new_key`] or use an address.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Key(pub u64);

/// Identifies a context.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct ContextId(u32);

impl ContextId {
    /// The number, from 1.
    pub(crate) fn number(self) -> u32 {
        self.0
    }
}

/// Identifies a timer that has not fired.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct TimerId(Nanoseconds, u64);

/// What a context is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ContextKind {
    /// A thread of the guest's system process.
    SystemThread,
    /// A thread of a simulated user-mode process.
    UserThread,
    /// A deferred procedure call.
    Dpc,
    /// A program on the host: on no guest processor, and it calls nothing of the guest's kernel.
    Host,
}

/// An active call between kernel and driver.
#[derive(Clone, Copy, Debug)]
pub enum Frame {
    /// A driver called this function of the kernel's.
    Export(&'static str),
    /// The kernel called this function of a driver's. The number tells calls apart.
    Driver(DriverId, &'static str, u64),
}

/// How a wait ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wake {
    /// Somebody called [`Scheduler::wake`] with the key; check the condition again.
    Woken,
    /// The deadline passed.
    TimedOut,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum RunState {
    /// May be put on a processor (threads) or resumed (host programs).
    Ready,
    /// On a processor.
    Running,
    /// On a processor, until the key is woken.
    Spinning(Key),
    /// On no processor until the key is woken or the deadline passes.
    Waiting(Key, Option<Nanoseconds>),
}

enum Suspend {
    /// A scheduling point.
    Point,
    Wait(Key, Option<Nanoseconds>),
    Spin(Key),
    /// The machine has stopped; never to be resumed.
    Stopped,
}

/// A context's end: it returned, or a memory fault in it was turned into a bug check.
#[derive(Clone, Copy)]
pub(crate) enum Ended {
    Returned,
    Faulted,
}

type Routine = Coroutine<(), Suspend, Ended, DefaultStack>;

/// One thread, DPC or host program.
pub struct Context {
    /// Its number, unique in the machine.
    pub id: ContextId,
    /// What it is.
    pub kind: ContextKind,
    /// For people.
    pub name: String,
    irql: Cell<Irql>,
    processor: Cell<Option<usize>>,
    state: Cell<RunState>,
    wake: Cell<Wake>,
    spin_locks: Cell<u32>,
    critical_regions: Cell<u32>,
    frames: RefCell<Vec<Frame>>,
    routine: RefCell<Option<Routine>>,
    /// Since when it waits or spins.
    since: Cell<Nanoseconds>,
    yielder: Cell<*const Yielder<(), Suspend>>,
    /// The lowest address of its stack, that of the guard.
    stack_limit: usize,
    /// The base of the driver's stack that it runs on, while it runs on one.
    pub(crate) driver_stack: Cell<Option<usize>>,
    /// Bytes that the frames of drivers use that wait for the simulator.
    pub(crate) stack_used: Cell<usize>,
}

impl Context {
    /// The current IRQL of this context.
    #[must_use]
    pub fn irql(&self) -> Irql {
        self.irql.get()
    }

    /// The processor it is on.
    #[must_use]
    pub fn processor(&self) -> Option<usize> {
        self.processor.get()
    }

    /// How many spin locks it holds.
    #[must_use]
    pub fn spin_locks_held(&self) -> u32 {
        self.spin_locks.get()
    }

    /// Notes that it holds one spin lock more.
    pub fn spin_lock_acquired(&self) {
        self.spin_locks.set(self.spin_locks.get() + 1);
    }

    /// Notes that it holds one spin lock less.
    pub fn spin_lock_released(&self) {
        self.spin_locks.set(self.spin_locks.get().saturating_sub(1));
    }

    /// How many critical regions it is in: no kernel APC is delivered to it meanwhile.
    #[must_use]
    pub fn critical_regions(&self) -> u32 {
        self.critical_regions.get()
    }

    /// `KeEnterCriticalRegion`.
    pub fn critical_region_entered(&self) {
        self.critical_regions.set(self.critical_regions.get() + 1);
    }

    /// `KeLeaveCriticalRegion`.
    pub fn critical_region_left(&self) {
        self.critical_regions
            .set(self.critical_regions.get().saturating_sub(1));
    }

    pub(crate) fn push_frame(&self, frame: Frame) -> usize {
        let mut frames = self.frames.borrow_mut();
        frames.push(frame);
        frames.len() - 1
    }

    pub(crate) fn pop_frame(&self, depth: usize) {
        self.frames.borrow_mut().truncate(depth);
    }

    /// The active calls, outermost first.
    #[must_use]
    pub fn frames(&self) -> Vec<Frame> {
        self.frames.borrow().clone()
    }

    /// The driver whose code runs or called into the kernel last.
    #[must_use]
    pub fn driver(&self) -> Option<DriverId> {
        self.frames
            .borrow()
            .iter()
            .rev()
            .find_map(|frame| match frame {
                Frame::Driver(id, ..) => Some(*id),
                Frame::Export(_) => None,
            })
    }

    /// The function that a driver called last and that has not returned.
    pub(crate) fn last_export(&self) -> Option<&'static str> {
        self.frames
            .borrow()
            .iter()
            .rev()
            .find_map(|frame| match frame {
                Frame::Export(name) => Some(*name),
                Frame::Driver(..) => None,
            })
    }

    /// The driver whose own code runs right now: none while the kernel works for it.
    #[must_use]
    pub fn driver_running(&self) -> Option<DriverId> {
        match self.frames.borrow().last() {
            Some(Frame::Driver(id, ..)) => Some(*id),
            _ => None,
        }
    }
}

type Action = Box<dyn FnOnce()>;

#[derive(Default)]
struct Processor {
    thread: Option<Rc<Context>>,
    dpc: Option<Rc<Context>>,
    dpcs: VecDeque<(String, Action)>,
}

impl Processor {
    fn top(&self) -> Option<&Rc<Context>> {
        self.dpc.as_ref().or(self.thread.as_ref())
    }
}

struct Inner {
    processors: Vec<Processor>,
    /// Every live context.
    contexts: BTreeMap<ContextId, Rc<Context>>,
    /// Threads that no processor runs.
    ready: VecDeque<Rc<Context>>,
    /// Host programs that may run.
    host: Vec<Rc<Context>>,
    timers: BTreeMap<(Nanoseconds, u64), Action>,
    next: u64,
    rng: fastrand::Rng,
    stacks: Vec<DefaultStack>,
    picks: Vec<Pick>,
}

impl Inner {
    fn create(&mut self, kind: ContextKind, name: String, body: Action) -> Rc<Context> {
        let id = ContextId(u32::try_from(self.next).expect("fewer than 2^32 contexts"));
        self.next += 1;
        let stack = self.stacks.pop().unwrap_or_else(|| {
            DefaultStack::new(STACK_BYTES).expect("memory for a context's stack")
        });
        let stack_limit = stack.limit().get();
        let routine = Coroutine::with_stack(stack, move |yielder: &Yielder<(), Suspend>, ()| {
            kernel().sched.current().yielder.set(yielder);
            body();
            Ended::Returned
        });
        let irql = if kind == ContextKind::Dpc {
            DISPATCH_LEVEL
        } else {
            PASSIVE_LEVEL
        };
        let context = Rc::new(Context {
            id,
            kind,
            name,
            irql: Cell::new(irql),
            processor: Cell::new(None),
            state: Cell::new(RunState::Ready),
            wake: Cell::new(Wake::Woken),
            spin_locks: Cell::new(0),
            critical_regions: Cell::new(0),
            frames: RefCell::new(Vec::new()),
            routine: RefCell::new(Some(routine)),
            since: Cell::new(0),
            yielder: Cell::new(std::ptr::null()),
            stack_limit,
            driver_stack: Cell::new(None),
            stack_used: Cell::new(0),
        });
        self.contexts.insert(id, Rc::clone(&context));
        context
    }

    fn start_dpc(&mut self, number: usize, name: String, routine: Action) -> Rc<Context> {
        let context = self.create(ContextKind::Dpc, name, routine);
        context.processor.set(Some(number));
        context.state.set(RunState::Running);
        if let Some(processor) = self.processors.get_mut(number) {
            processor.dpc = Some(Rc::clone(&context));
        }
        context
    }
}

#[derive(Clone, Copy)]
enum Pick {
    Processor(usize),
    Host(usize),
}

/// How running the machine ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum RunEnd {
    /// The context that was waited for has ended.
    Finished,
    /// A bug check.
    Stopped,
    /// Nothing can run and no timer is left.
    Hung,
    /// More steps than the configuration allows.
    TooLong,
}

/// The scheduler of one machine.
pub struct Scheduler {
    inner: RefCell<Inner>,
    current: RefCell<Option<Rc<Context>>>,
    stopped: RefCell<Option<BugCheck>>,
    /// A driver's loop below `DISPATCH_LEVEL` that does not end.
    spins: RefCell<Option<String>>,
    /// Scheduling points passed, switches or not.
    points: Cell<u64>,
    now: Cell<Nanoseconds>,
    steps: Cell<u64>,
    hash: Cell<u64>,
    point_threshold: u8,
    max_steps: Option<u64>,
    max_idle_steps: u64,
    /// The steps that had been made when something last came forward.
    forward: Cell<u64>,
    on_irql: Cell<Option<fn(Irql)>>,
    /// What a key stands for, for the report of a machine that hangs.
    names: RefCell<BTreeMap<Key, Name>>,
    /// Which context holds what others wait for, and since when.
    holders: RefCell<BTreeMap<Key, (ContextId, Nanoseconds)>>,
}

/// Says what a key stands for.
type Name = Box<dyn Fn() -> String>;

/// A moment of virtual time, for people.
fn clock(at: Nanoseconds) -> String {
    format!("{}.{:03} us", at / 1000, at % 1000)
}

impl Scheduler {
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            inner: RefCell::new(Inner {
                processors: (0..config.processors.get())
                    .map(|_| Processor::default())
                    .collect(),
                contexts: BTreeMap::new(),
                ready: VecDeque::new(),
                host: Vec::new(),
                timers: BTreeMap::new(),
                next: 1,
                rng: fastrand::Rng::with_seed(config.seed),
                stacks: Vec::new(),
                picks: Vec::new(),
            }),
            current: RefCell::new(None),
            stopped: RefCell::new(None),
            spins: RefCell::new(None),
            points: Cell::new(0),
            now: Cell::new(0),
            steps: Cell::new(0),
            hash: Cell::new(0xCBF2_9CE4_8422_2325),
            point_threshold: config.switch_chance,
            max_steps: config.max_steps,
            max_idle_steps: config.max_idle_steps,
            forward: Cell::new(0),
            on_irql: Cell::new(None),
            names: RefCell::default(),
            holders: RefCell::default(),
        }
    }

    // ---- contexts ----

    /// Creates a context that is ready to run.
    ///
    /// # Panics
    ///
    /// If the real system has no memory for a stack.
    pub fn spawn(
        &self,
        kind: ContextKind,
        name: impl Into<String>,
        body: impl FnOnce() + 'static,
    ) -> ContextId {
        let mut inner = self.inner.borrow_mut();
        let context = inner.create(kind, name.into(), Box::new(body));
        let id = context.id;
        match kind {
            ContextKind::Host => inner.host.push(context),
            ContextKind::SystemThread | ContextKind::UserThread => inner.ready.push_back(context),
            ContextKind::Dpc => panic!("DPCs are queued, not spawned"),
        }
        self.comes_forward();
        id
    }

    /// Something has come forward: see [`Config::max_idle_steps`].
    pub(crate) fn comes_forward(&self) {
        self.forward.set(self.steps.get());
    }

    /// Whether the context has not ended.
    #[must_use]
    pub fn alive(&self, id: ContextId) -> bool {
        self.inner.borrow().contexts.contains_key(&id)
    }

    /// Waits until the context has ended.
    pub fn join(&self, id: ContextId) {
        while self.alive(id) {
            self.wait(Self::ended_key(id), None);
        }
    }

    fn ended_key(id: ContextId) -> Key {
        Key(1 << 63 | u64::from(id.0))
    }

    /// The running context.
    ///
    /// # Panics
    ///
    /// If none runs (in a timer's action).
    #[must_use]
    pub fn current(&self) -> Rc<Context> {
        Rc::clone(
            self.current
                .borrow()
                .as_ref()
                .expect("a context is running"),
        )
    }

    /// The running context, or none in a timer's action.
    #[must_use]
    pub fn try_current(&self) -> Option<Rc<Context>> {
        self.current.borrow().clone()
    }

    pub(crate) fn current_name(&self) -> String {
        self.try_current().map_or_else(
            || "the scheduler".to_owned(),
            |context| match context.processor() {
                Some(number) => format!(
                    "{} on processor {number} at IRQL {}",
                    context.name,
                    context.irql()
                ),
                None => context.name.clone(),
            },
        )
    }

    pub(crate) fn current_calls(&self) -> Vec<String> {
        let Some(context) = self.try_current() else {
            return Vec::new();
        };
        let frames = context.frames.borrow();
        frames
            .iter()
            .map(|frame| match frame {
                Frame::Export(name) | Frame::Driver(_, name, _) => (*name).to_owned(),
            })
            .collect()
    }

    // ---- scheduling points and waits ----

    /// A place where another context may run.
    pub fn point(&self) {
        if self.is_stopped() || self.draws_switch() {
            self.switch();
        }
    }

    fn draws_switch(&self) -> bool {
        self.points.set(self.points.get() + 1);
        self.inner.borrow_mut().rng.u8(..) < self.point_threshold
    }

    /// Whether another context is to run before an atomic operation of a driver's. It is small
    /// enough for a driver's stack.
    pub(crate) fn switches_at_atomic(&self) -> bool {
        // What is dropped outside of every context, or unwinds, goes on.
        let runs = self.current.borrow().is_some() && !std::thread::panicking();
        runs && (self.is_stopped() || self.draws_switch())
    }

    /// Lets another context run; none runs on in a machine that has stopped.
    pub(crate) fn switch(&self) {
        self.suspend(if self.is_stopped() {
            // A driver that panicked unwinds: its destructors do not get into the kernel any more.
            Suspend::Stopped
        } else {
            Suspend::Point
        });
    }

    /// Waits until somebody wakes the key or the deadline (virtual time) passes. Wakes can be
    /// spurious: check in a loop.
    ///
    /// A guest context must be below `DISPATCH_LEVEL`; waiting above is the bug check it is on
    /// Windows.
    pub fn wait(&self, key: Key, deadline: Option<Nanoseconds>) -> Wake {
        let context = self.current();
        if context.irql() >= DISPATCH_LEVEL {
            let code = if context.kind == ContextKind::Dpc {
                StopCode::ATTEMPTED_SWITCH_FROM_DPC
            } else {
                StopCode::IRQL_NOT_LESS_OR_EQUAL
            };
            bug_check(
                code,
                [key.0, u64::from(context.irql()), 0, 0],
                format!("{} waits at IRQL {}", context.name, context.irql()),
            );
        }
        self.suspend(Suspend::Wait(key, deadline));
        context.wake.get()
    }

    /// Waits until the condition holds; whoever changes it wakes the key.
    pub fn wait_until(&self, key: Key, mut condition: impl FnMut() -> bool) {
        while !condition() {
            self.wait(key, None);
        }
    }

    /// Spins on the current processor, at `DISPATCH_LEVEL` or above, until somebody wakes the key.
    pub fn spin(&self, key: Key) {
        self.suspend(Suspend::Spin(key));
    }

    /// Lets everybody go on who waits or spins for the key.
    pub fn wake(&self, key: Key) {
        let mut inner = self.inner.borrow_mut();
        let inner = &mut *inner;
        for context in inner.contexts.values() {
            match context.state.get() {
                RunState::Waiting(waited, _) if waited == key => {
                    context.wake.set(Wake::Woken);
                    context.state.set(RunState::Ready);
                    if context.kind == ContextKind::Host {
                        inner.host.push(Rc::clone(context));
                    } else {
                        inner.ready.push_back(Rc::clone(context));
                    }
                }
                RunState::Spinning(waited) if waited == key => context.state.set(RunState::Running),
                _ => {}
            }
        }
    }

    /// Waits for a time.
    pub fn sleep(&self, duration: Nanoseconds) {
        let key = self.new_key();
        let deadline = self.now() + duration;
        while self.wait(key, Some(deadline)) != Wake::TimedOut {}
    }

    /// A number that nobody else waits for.
    pub fn new_key(&self) -> Key {
        let mut inner = self.inner.borrow_mut();
        inner.next += 1;
        Key(1 << 62 | inner.next)
    }

    /// As [`Scheduler::new_key`], with what it stands for: a report says that somebody waits for
    /// it.
    pub fn new_key_for(&self, name: &'static str) -> Key {
        let key = self.new_key();
        self.name_key(key, move || name.to_owned());
        key
    }

    /// Says what a key stands for; the name is made when a report needs it.
    pub fn name_key(&self, key: Key, name: impl Fn() -> String + 'static) {
        self.names.borrow_mut().insert(key, Box::new(name));
    }

    /// Nobody waits for the key any more.
    pub fn forget_key(&self, key: Key) {
        self.names.borrow_mut().remove(&key);
    }

    /// The running context holds from now on what others wait for by this key.
    pub fn holds(&self, key: Key) {
        if let Some(context) = self.try_current() {
            self.holders
                .borrow_mut()
                .insert(key, (context.id, self.now()));
        }
    }

    /// Nobody holds it any more.
    pub fn lets_go(&self, key: Key) {
        self.holders.borrow_mut().remove(&key);
    }

    fn suspend(&self, why: Suspend) {
        let yielder = self.current().yielder.get();
        // SAFETY: `yielder` was set by this context's coroutine when it started and lives on its
        // stack for as long as the coroutine does; this code runs on that stack, so the coroutine
        // is alive and running.
        unsafe { (*yielder).suspend(why) }
    }

    // ---- IRQL, DPCs, timers, time, chance ----

    /// Sets the current context's IRQL and returns the old one. No rule is checked here.
    pub fn set_irql(&self, irql: Irql) -> Irql {
        let old = self.current().irql.replace(irql);
        if let Some(hook) = self.on_irql.get()
            && old != irql
        {
            hook(irql);
        }
        old
    }

    /// Registers a function that hears of every change of the running IRQL (context switches
    /// included).
    pub fn on_irql_change(&self, hook: fn(Irql)) {
        self.on_irql.set(Some(hook));
    }

    /// Queues a deferred procedure call to a processor (`None`: the current one, or processor 0).
    pub fn queue_dpc(
        &self,
        processor: Option<usize>,
        name: impl Into<String>,
        routine: impl FnOnce() + 'static,
    ) {
        let number = processor
            .or_else(|| self.try_current().and_then(|context| context.processor()))
            .unwrap_or(0);
        self.inner.borrow_mut().processors[number]
            .dpcs
            .push_back((name.into(), Box::new(routine)));
    }

    /// Runs an action when virtual time reaches `at`. The action runs outside any context: it may
    /// wake, queue DPCs and spawn, and must neither wait nor call a driver.
    pub fn at(&self, at: Nanoseconds, action: impl FnOnce() + 'static) -> TimerId {
        let mut inner = self.inner.borrow_mut();
        inner.next += 1;
        let key = (at.max(self.now.get()), inner.next);
        inner.timers.insert(key, Box::new(action));
        TimerId(key.0, key.1)
    }

    /// Takes a timer back; false if it has fired already.
    pub fn cancel_timer(&self, timer: TimerId) -> bool {
        self.inner
            .borrow_mut()
            .timers
            .remove(&(timer.0, timer.1))
            .is_some()
    }

    /// Virtual time.
    #[must_use]
    pub fn now(&self) -> Nanoseconds {
        self.now.get()
    }

    /// How many processors the guest has.
    #[must_use]
    pub fn processors(&self) -> usize {
        self.inner.borrow().processors.len()
    }

    /// A number below `bound` (not 0), drawn from the seed.
    pub fn random(&self, bound: u64) -> u64 {
        let value = self.inner.borrow_mut().rng.u64(..bound);
        self.mix(value);
        value
    }

    /// A hash of every choice made so far.
    #[must_use]
    pub fn schedule_hash(&self) -> u64 {
        self.hash.get()
    }

    fn mix(&self, value: u64) {
        // FNV-1a over the value's eight bytes.
        let mut hash = self.hash.get();
        for byte in value.to_le_bytes() {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3);
        }
        self.hash.set(hash);
    }

    // ---- the loop ----

    pub(crate) fn stop(&self, check: BugCheck) -> ! {
        {
            let mut stopped = self.stopped.borrow_mut();
            if stopped.is_none() {
                *stopped = Some(check);
            }
        }
        assert!(
            self.try_current().is_some(),
            "a bug check outside any context: {:?}",
            self.stopped.borrow()
        );
        loop {
            self.suspend(Suspend::Stopped);
        }
    }

    /// Whether a bug check has happened.
    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped.borrow().is_some()
    }

    pub(crate) fn record_fault(&self, check: BugCheck) {
        let mut stopped = self.stopped.borrow_mut();
        if stopped.is_none() {
            *stopped = Some(check);
        }
    }

    /// A driver's loop does not end; the machine hangs.
    pub(crate) fn record_spin(&self, text: String) {
        *self.spins.borrow_mut() = Some(text);
    }

    /// A number that changes whenever something happens but driver code that runs by itself.
    pub(crate) fn points(&self) -> u64 {
        self.points.get().wrapping_add(self.steps.get())
    }

    /// Whether a driver's own code runs right now. Answers in a signal handler too, which may
    /// interrupt anything.
    pub(crate) fn driver_runs(&self) -> bool {
        self.current_callback().is_some()
    }

    /// The call of a driver's function whose own code runs right now. Answers in a signal handler
    /// too, which may interrupt anything.
    pub(crate) fn current_callback(&self) -> Option<(ContextId, u64)> {
        let current = self.current.try_borrow().ok()?;
        let context = current.as_ref()?;
        match context.frames.try_borrow().ok()?.last()? {
            Frame::Driver(_, _, number) => Some((context.id, *number)),
            Frame::Export(_) => None,
        }
    }

    /// Whether an address lies just below the running context's own stack.
    pub(crate) fn is_below_stack(&self, address: usize) -> bool {
        self.try_current().is_some_and(|context| {
            (context.stack_limit..context.stack_limit + STACK_GUARD).contains(&address)
        })
    }

    pub(crate) fn take_bug_check(&self) -> Option<BugCheck> {
        self.stopped.borrow_mut().take()
    }

    /// Runs the machine until the context has ended or nothing more can happen.
    pub(crate) fn run(&self, until: ContextId) -> RunEnd {
        loop {
            if self.stopped.borrow().is_some() {
                return RunEnd::Stopped;
            }
            if self.spins.borrow().is_some() {
                return RunEnd::Hung;
            }
            if !self.alive(until) {
                return RunEnd::Finished;
            }
            self.fire_timers();
            let Some(pick) = self.pick() else {
                if !self.advance() {
                    return RunEnd::Hung;
                }
                continue;
            };
            self.now.set(self.now.get() + STEP);
            self.steps.set(self.steps.get() + 1);
            let steps = self.steps.get();
            if self.max_steps.is_some_and(|limit| steps > limit)
                || steps - self.forward.get() > self.max_idle_steps
            {
                return RunEnd::TooLong;
            }
            let context = match pick {
                Pick::Host(index) => self.inner.borrow().host.get(index).map(Rc::clone),
                Pick::Processor(number) => self.choose_on(number),
            };
            if let Some(context) = context {
                self.resume(&context);
            }
        }
    }

    /// How many scheduling steps were made.
    #[must_use]
    pub fn steps(&self) -> u64 {
        self.steps.get()
    }

    /// Says in words what every context waits for, since when, and who holds it: the report of a
    /// machine that hangs.
    pub(crate) fn waiting(&self) -> Vec<String> {
        let inner = self.inner.borrow();
        let spins = self.spins.borrow().clone();
        let contexts = inner.contexts.values().map(|context| {
            let what = match context.state.get() {
                RunState::Ready => "is ready to run".to_owned(),
                RunState::Running => "runs".to_owned(),
                RunState::Spinning(key) => {
                    format!("spins for {}", self.words(&inner, context, key))
                }
                RunState::Waiting(key, deadline) => {
                    let until = deadline.map_or_else(String::new, |at| {
                        format!(", until {} at the latest", clock(at))
                    });
                    format!("waits for {}{until}", self.words(&inner, context, key))
                }
            };
            let since = match context.state.get() {
                RunState::Ready | RunState::Running => String::new(),
                _ => format!(" since {}", clock(context.since.get())),
            };
            let place = match context.processor() {
                Some(number) => format!(" on processor {number} at IRQL {}", context.irql()),
                None => String::new(),
            };
            let frames = context.frames.borrow();
            let calls: Vec<_> = frames
                .iter()
                .map(|frame| match frame {
                    Frame::Export(name) | Frame::Driver(_, name, _) => *name,
                })
                .collect();
            let calls = if calls.is_empty() {
                String::new()
            } else {
                format!(" (calls: {})", calls.join(" > "))
            };
            format!("{}{place} {what}{since}{calls}", context.name)
        });
        spins.into_iter().chain(contexts).collect()
    }

    /// What a key stands for, and who holds it.
    fn words(&self, inner: &Inner, context: &Context, key: Key) -> String {
        let ended = inner
            .contexts
            .values()
            .find(|other| Self::ended_key(other.id) == key);
        let name = self.names.borrow().get(&key).map(|name| name());
        let called = context.last_export();
        let what = match (ended, name, called) {
            (Some(other), _, _) => format!("the end of {}", other.name),
            (None, Some(name), _) => name,
            (None, None, Some("KeWaitForSingleObject")) => {
                format!("the event at {:#x}, which nobody has set", key.0)
            }
            (None, None, Some("KeDelayExecutionThread")) => "time to pass".to_owned(),
            (None, None, Some("ExWaitForRundownProtectionRelease")) => {
                format!("all who hold the rundown protection at {:#x}", key.0)
            }
            (None, None, Some(name)) if name.contains("SpinLock") => {
                format!("the spin lock at {:#x}", key.0)
            }
            (None, None, _) => kernel()
                .io
                .waited_for(key)
                .unwrap_or_else(|| "time to pass".to_owned()),
        };
        let holders = self.holders.borrow();
        let Some((holder, since)) = holders.get(&key) else {
            return what;
        };
        let who = inner
            .contexts
            .get(holder)
            .map_or("a context that has ended", |holder| holder.name.as_str());
        format!("{what}, held by {who} since {}", clock(*since))
    }

    fn fire_timers(&self) {
        loop {
            let action = {
                let mut inner = self.inner.borrow_mut();
                match inner.timers.first_key_value() {
                    Some((&(at, _), _)) if at <= self.now.get() => inner.timers.pop_first(),
                    _ => None,
                }
            };
            let Some((_, action)) = action else { break };
            action();
        }
        let mut inner = self.inner.borrow_mut();
        let inner = &mut *inner;
        for context in inner.contexts.values() {
            if let RunState::Waiting(_, Some(deadline)) = context.state.get()
                && deadline <= self.now.get()
            {
                context.wake.set(Wake::TimedOut);
                context.state.set(RunState::Ready);
                if context.kind == ContextKind::Host {
                    inner.host.push(Rc::clone(context));
                } else {
                    inner.ready.push_back(Rc::clone(context));
                }
            }
        }
    }

    /// Moves virtual time on to the next timer or deadline; false if there is none.
    fn advance(&self) -> bool {
        let inner = self.inner.borrow();
        let timer = inner.timers.keys().next().map(|key| key.0);
        let deadline = inner
            .contexts
            .values()
            .filter_map(|context| match context.state.get() {
                RunState::Waiting(_, deadline) => deadline,
                _ => None,
            })
            .min();
        match timer.into_iter().chain(deadline).min() {
            Some(at) => {
                self.now.set(self.now.get().max(at));
                true
            }
            None => false,
        }
    }

    fn pick(&self) -> Option<Pick> {
        let mut inner = self.inner.borrow_mut();
        let inner = &mut *inner;
        inner.picks.clear();
        for (number, processor) in inner.processors.iter().enumerate() {
            let can_run = match processor.top() {
                Some(context) => !matches!(context.state.get(), RunState::Spinning(_)),
                None => !processor.dpcs.is_empty() || !inner.ready.is_empty(),
            };
            if can_run {
                inner.picks.push(Pick::Processor(number));
            }
        }
        for index in 0..inner.host.len() {
            inner.picks.push(Pick::Host(index));
        }
        match inner.picks.len() {
            0 => None,
            1 => inner.picks.first().copied(),
            count => {
                let choice = inner.rng.usize(..count);
                inner.picks.get(choice).copied()
            }
        }
    }

    /// Decides what a processor does next: go on, start a DPC, or switch threads.
    fn choose_on(&self, number: usize) -> Option<Rc<Context>> {
        let mut inner = self.inner.borrow_mut();
        let inner = &mut *inner;
        let processor = inner.processors.get_mut(number)?;
        if processor.dpc.is_none() {
            let irql = processor
                .thread
                .as_ref()
                .map_or(PASSIVE_LEVEL, |thread| thread.irql());
            if irql < DISPATCH_LEVEL
                && !processor.dpcs.is_empty()
                && (processor.thread.is_none() || inner.rng.u8(..4) != 0)
            {
                let (name, routine) = processor.dpcs.pop_front()?;
                return Some(inner.start_dpc(number, name, routine));
            }
            let preempt =
                irql == PASSIVE_LEVEL && !inner.ready.is_empty() && inner.rng.u8(..8) == 0;
            if let Some(thread) = processor.thread.take_if(|_| preempt) {
                thread.state.set(RunState::Ready);
                thread.processor.set(None);
                inner.ready.push_back(thread);
            }
            if processor.thread.is_none() {
                let index = inner.rng.usize(..inner.ready.len());
                let thread = inner.ready.remove(index)?;
                thread.state.set(RunState::Running);
                thread.processor.set(Some(number));
                processor.thread = Some(thread);
            }
        }
        processor.top().map(Rc::clone)
    }

    fn resume(&self, context: &Rc<Context>) {
        self.mix(
            u64::from(context.id.0) << 8 | context.processor().map_or(0xFF, |number| number as u64),
        );
        if let Some(hook) = self.on_irql.get() {
            hook(context.irql());
        }
        let Some(mut routine) = context.routine.borrow_mut().take() else {
            return;
        };
        *self.current.borrow_mut() = Some(Rc::clone(context));
        let result = trap::guarded(&mut routine);
        *self.current.borrow_mut() = None;
        match result {
            CoroutineResult::Yield(why) => {
                *context.routine.borrow_mut() = Some(routine);
                self.suspended(context, &why);
            }
            CoroutineResult::Return(Ended::Returned) => self.ended(context, routine),
            CoroutineResult::Return(Ended::Faulted) => {
                self.inner.borrow_mut().contexts.remove(&context.id);
            }
        }
    }

    fn suspended(&self, context: &Rc<Context>, why: &Suspend) {
        match *why {
            Suspend::Point | Suspend::Stopped => {}
            Suspend::Spin(key) => {
                context.since.set(self.now());
                context.state.set(RunState::Spinning(key));
            }
            Suspend::Wait(key, deadline) => {
                context.since.set(self.now());
                context.state.set(RunState::Waiting(key, deadline));
                self.leave_processor(context);
            }
        }
    }

    fn ended(&self, context: &Rc<Context>, routine: Routine) {
        self.leave_processor(context);
        let mut inner = self.inner.borrow_mut();
        inner.contexts.remove(&context.id);
        inner.stacks.push(routine.into_stack());
        drop(inner);
        if context.kind != ContextKind::Dpc {
            self.wake(Self::ended_key(context.id));
        }
    }

    fn leave_processor(&self, context: &Rc<Context>) {
        let mut inner = self.inner.borrow_mut();
        if let Some(processor) = context
            .processor
            .take()
            .and_then(|number| inner.processors.get_mut(number))
        {
            if context.kind == ContextKind::Dpc {
                processor.dpc = None;
            } else {
                processor.thread = None;
            }
        } else {
            inner.host.retain(|host| host.id != context.id);
        }
    }
}

impl Scheduler {
    /// Gives up every context that has not ended, while the machine is still installed.
    pub(crate) fn abandon(&self) {
        let contexts = std::mem::take(&mut self.inner.borrow_mut().contexts);
        for context in contexts.values() {
            if let Some(mut routine) = context.routine.borrow_mut().take()
                && routine.started()
                && !routine.done()
            {
                // SAFETY: the coroutine's stack is given up without unwinding: nothing outside it
                // borrows from it (every registration in the machine is by value or by reference
                // count and ends with the machine), and no destructor on it is needed for
                // soundness. Unwinding instead would abort at the driver's `extern "C"` frames.
                // What the stack owned on the heap stays allocated.
                unsafe { routine.force_reset() };
            }
        }
    }
}

impl Drop for Scheduler {
    /// After a panic in the operator's program nobody has called `abandon`.
    fn drop(&mut self) {
        self.abandon();
    }
}
