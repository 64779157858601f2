//! A machine from power on to power off: its configuration, the operator's program, and the report.

use std::num::NonZeroUsize;

use crate::bugcheck::BugCheck;
use crate::kernel::{Installed, Kernel, Leak, kernel};
use crate::sched::{ContextId, ContextKind, Nanoseconds, RunEnd};
use crate::trap;

/// How a machine is built.
#[derive(Clone, Debug)]
pub struct Config {
    /// Every choice is drawn from it.
    pub seed: u64,
    /// The guest's processors.
    pub processors: NonZeroUsize,
    /// Driver Verifier: IRQL checks, special pool, leaks at unload.
    pub verifier: bool,
    /// How often a scheduling point switches, in 256ths.
    pub switch_chance: u8,
    /// Ends a run that takes more scheduling steps than this, as [`Outcome::TooLong`].
    pub max_steps: Option<u64>,
    /// Ends a run, as [`Outcome::TooLong`], that takes so many scheduling steps in which nothing
    /// comes forward: no request is completed, no packet of a channel's is made or arrives, no
    /// thread begins. Its contexts keep each other busy. Time that passes is no progress, and neither is a
    /// timer that fires: a program that lets hours of a polling driver pass needs a higher number
    /// (`u64::MAX`: no bound).
    pub max_idle_steps: u64,
    /// How much stack a driver's frames may use in one context, in bytes; it is rounded up to
    /// pages. Windows has 24 KiB for x64, and its own frames are among them. A build that is not
    /// optimised needs more than the image that Windows loads.
    pub kernel_stack: usize,
    /// How long, in processor time of the real system, a driver may run without a call into the
    /// kernel.
    pub spin_limit: std::time::Duration,
    /// Watches the memory that the host or a program can write (packets' payloads and replies,
    /// external data, users' buffers that are not copied) and reports a byte that one callback
    /// reads twice: the other side may have changed it in between. Each access costs two signals of
    /// the real system. For x86-64 alone.
    pub double_fetches: bool,
    /// Fails one fallible call (allocations first of all) that a driver makes.
    pub fail_call: Option<FailCall>,
    /// Writes the run down as Chrome trace events, which Perfetto opens.
    pub trace: Option<crate::trace_events::TraceSink>,
    /// What KMCL does where its documentation is silent.
    pub kmcl: crate::vmbus::KmclBehaviour,
}

/// Which fallible call of a driver's fails. A number alone makes one: `fail_call: Some(3.into())`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailCall {
    /// The n-th of all fallible calls, counted from 1.
    Number(u64),
    /// The n-th call of this function that can fail, counted from 1:
    /// `FailCall::Function("ExAllocatePool2", 2)`. The name is the kernel's, the framework's or
    /// KMCL's own. [`Report::failed_call`] says whether there was such a call.
    Function(&'static str, u64),
}

impl From<u64> for FailCall {
    fn from(number: u64) -> Self {
        Self::Number(number)
    }
}

/// A few seconds of a build that is not optimised.
const MAXIMUM_IDLE_STEPS: u64 = 200_000;

/// A kernel stack on x64.
const KERNEL_STACK: usize = 24 * 1024;

impl Default for Config {
    /// Two processors, the verifier on, seed 1.
    fn default() -> Self {
        Self {
            seed: 1,
            processors: NonZeroUsize::MIN.saturating_add(1),
            verifier: true,
            switch_chance: 64,
            max_steps: None,
            max_idle_steps: MAXIMUM_IDLE_STEPS,
            kernel_stack: KERNEL_STACK,
            spin_limit: std::time::Duration::from_secs(10),
            double_fetches: false,
            fail_call: None,
            trace: None,
            kmcl: crate::vmbus::KmclBehaviour::default(),
        }
    }
}

impl Config {
    /// The default with another seed.
    #[must_use]
    pub fn with_seed(seed: u64) -> Self {
        Self {
            seed,
            ..Self::default()
        }
    }
}

/// How a run ended.
#[derive(Debug)]
pub enum Outcome<R> {
    /// The operator's program returned.
    Finished(R),
    /// The machine stopped with a bug check.
    BugCheck(Box<BugCheck>),
    /// Nothing could run any more; what each context waits for, and the requests that are not
    /// completed.
    Hung(Vec<String>),
    /// More steps than [`Config::max_steps`], or than [`Config::max_idle_steps`] without anything
    /// that comes forward; what each context was doing.
    TooLong(Vec<String>),
}

/// The real system lacks what a machine needs.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// Not enough address space.
    #[error(
        "a simulated machine needs {} MiB of address space beside the program's own, and gets less; \
         see `ulimit -v`, and give more with `ulimit -v unlimited`",
        needed >> 20
    )]
    AddressSpace {
        /// How much, in bytes.
        needed: usize,
    },
    /// No file for the guest's memory.
    #[error("no memory file for the simulated machine: {0}")]
    Memory(std::io::Error),
    /// [`Config::double_fetches`] on a processor that it cannot watch on.
    #[error("double fetches are watched for on x86-64 alone, and this processor is none")]
    Processor,
    /// No thread.
    #[error("no thread for the simulated machine: {0}")]
    Thread(std::io::Error),
}

/// The addresses that a machine needs: 64 MiB each for the kernel's addresses and the host's view
/// of memory, and the stacks of the usual number of contexts. A run that needs more asks for more
/// as it goes.
const ADDRESSES: usize = 256 << 20;

impl StartError {
    pub(crate) fn addresses() -> Self {
        Self::AddressSpace { needed: ADDRESSES }
    }
}

/// What a run of a machine left.
#[derive(Debug)]
pub struct Report<R> {
    /// How it ended.
    pub outcome: Outcome<R>,
    /// A hash of every scheduling choice.
    pub schedule_hash: u64,
    /// Scheduling steps.
    pub steps: u64,
    /// Virtual time at the end.
    pub time: Nanoseconds,
    /// The seed it ran with.
    pub seed: u64,
    /// Whether the call that [`Config::fail_call`] picks was made, and failed. If not, the driver
    /// made fewer calls, or the name is none of a fallible function's.
    pub failed_call: bool,
    /// What drivers have written to the debugger, as [`System::debug_output`] gives it.
    pub debug_output: Vec<String>,
}

/// How many lines of debugger output stand under a failure.
const LAST_LINES: usize = 20;

/// The end of what drivers have written to the debugger, one line each, for the end of a message.
fn last_lines(debug_output: &[String]) -> String {
    if debug_output.is_empty() {
        return String::new();
    }
    let last = debug_output
        .get(debug_output.len().saturating_sub(LAST_LINES)..)
        .unwrap_or_default();
    format!("\nthe debugger's last lines:{}", lines(last))
}

impl<R> Report<R> {
    /// What the operator's program returned.
    ///
    /// # Panics
    ///
    /// If the machine did not get so far. The message says why, with the seed and the command that
    /// repeats the test; it points at the caller's line.
    #[track_caller]
    pub fn expect_finished(self) -> R {
        let output = last_lines(&self.debug_output);
        let seed = self.seed;
        match self.outcome {
            Outcome::Finished(result) => result,
            Outcome::BugCheck(check) => panic!("seed {seed}: bug check {check:?}{output}{Repeat}"),
            Outcome::Hung(waiting) => {
                panic!(
                    "seed {seed}: the machine hangs:{}{output}{Repeat}",
                    lines(&waiting)
                )
            }
            Outcome::TooLong(waiting) => {
                panic!(
                    "seed {seed}: the machine does not end:{}{output}{Repeat}",
                    lines(&waiting)
                )
            }
        }
    }

    /// The bug check that stopped the machine.
    ///
    /// # Panics
    ///
    /// If there was none; as for [`Report::expect_finished`].
    #[track_caller]
    pub fn expect_bug_check(self) -> BugCheck
    where
        R: std::fmt::Debug,
    {
        let seed = self.seed;
        match self.outcome {
            Outcome::BugCheck(check) => *check,
            other => panic!("seed {seed}: a bug check was expected: {other:#?}\n{Repeat}"),
        }
    }
}

/// One line for each, indented.
fn lines(texts: &[String]) -> String {
    texts
        .iter()
        .fold(String::new(), |all, text| all + "\n  " + text)
}

/// The command that repeats the test that runs, where Cargo runs one.
struct Repeat;

impl std::fmt::Display for Repeat {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let package = std::env::var("CARGO_PKG_NAME").ok();
        let program = std::env::current_exe().ok();
        // Cargo adds a hash to the target's name.
        let target = program
            .as_ref()
            .and_then(|path| path.file_stem()?.to_str())
            .and_then(|name| name.rsplit_once('-'))
            .map(|(name, _)| name);
        let thread = std::thread::current();
        let test = thread.name().filter(|name| *name != "main");
        let (Some(package), Some(target), Some(test)) = (package, target, test) else {
            return f.write_str("\nthe same configuration repeats the run");
        };
        let which = if target == package.replace('-', "_") {
            "--lib".to_owned()
        } else {
            format!("--test {target}")
        };
        write!(
            f,
            "\nrepeat with: cargo test -p {package} {which} -- --exact {test}"
        )
    }
}

/// The simulated machine.
pub struct Machine;

impl Machine {
    /// Runs a machine until the operator's program returns, on a thread of its own.
    ///
    /// # Panics
    ///
    /// If the program, or a simulated process or host program, panics: a failed assertion of a test
    /// passes through. If the real system lacks what a machine needs ([`StartError`]).
    #[track_caller]
    pub fn run<R: Send + 'static>(
        config: Config,
        program: impl FnOnce(&System) -> R + Send + 'static,
    ) -> Report<R> {
        match Self::try_run(config, program) {
            Ok(report) => report,
            Err(error) => panic!("{error}"),
        }
    }

    /// As [`Machine::run`].
    ///
    /// # Errors
    ///
    /// If the real system lacks what a machine needs.
    ///
    /// # Panics
    ///
    /// If the program, or a simulated process or host program, panics.
    pub fn try_run<R: Send + 'static>(
        config: Config,
        program: impl FnOnce(&System) -> R + Send + 'static,
    ) -> Result<Report<R>, StartError> {
        if !crate::mm::addresses_available(ADDRESSES) {
            return Err(StartError::addresses());
        }
        if config.double_fetches && !cfg!(target_arch = "x86_64") {
            return Err(StartError::Processor);
        }
        trap::install();
        wdk_sys_lite::atomic::before_each_operation(crate::export::atomic_operation);
        let seed = config.seed;
        let name = format!("machine, seed {seed}");
        let thread = std::thread::Builder::new()
            .name(name)
            .spawn(move || Self::run_here(config, program));
        match thread.map_err(StartError::Thread)?.join() {
            Ok(report) => report,
            Err(payload) => {
                eprintln!("the machine had seed {seed}{Repeat}");
                std::panic::resume_unwind(payload)
            }
        }
    }

    fn run_here<R: 'static>(
        config: Config,
        program: impl FnOnce(&System) -> R + 'static,
    ) -> Result<Report<R>, StartError> {
        let seed = config.seed;
        let machine = Kernel::new(config)?;
        let installed = Installed::new(&machine);
        let _watch = trap::Watch::start(machine.config.spin_limit);
        machine.start();
        let result = std::rc::Rc::new(std::cell::RefCell::new(None));
        let slot = std::rc::Rc::clone(&result);
        let operator = machine
            .sched
            .spawn(ContextKind::SystemThread, "operator", move || {
                let value = program(&System(()));
                *slot.borrow_mut() = Some(value);
            });
        let end = machine.sched.run(operator);
        if let Some(events) = &machine.events {
            events.close(machine.sched.now());
        }
        let outcome = match (end, result.borrow_mut().take()) {
            (RunEnd::Finished, Some(value)) => Outcome::Finished(value),
            (RunEnd::Stopped, _) => Outcome::BugCheck(Box::new(
                machine
                    .sched
                    .take_bug_check()
                    .expect("a stopped machine has a bug check"),
            )),
            (RunEnd::TooLong, _) => Outcome::TooLong(machine.waiting()),
            (RunEnd::Hung | RunEnd::Finished, _) => Outcome::Hung(machine.waiting()),
        };
        let report = Report {
            outcome,
            schedule_hash: machine.sched.schedule_hash(),
            steps: machine.sched.steps(),
            time: machine.sched.now(),
            seed,
            failed_call: machine.has_failed_call(),
            debug_output: machine.ke.debug_output(),
        };
        machine.sched.abandon();
        drop(installed);
        Ok(report)
    }
}

/// The running machine, as its operator sees it.
///
/// Its methods run in the calling context, mostly the operator's own system thread; each subsystem
/// adds its own.
pub struct System(pub(crate) ());

impl System {
    /// Starts a system thread of the guest's.
    pub fn spawn(&self, name: &str, body: impl FnOnce(&System) + 'static) -> Thread {
        Thread(
            kernel()
                .sched
                .spawn(ContextKind::SystemThread, name, move || body(&System(()))),
        )
    }

    /// Starts a program on the host.
    pub fn spawn_host(&self, name: &str, body: impl FnOnce() + 'static) -> Thread {
        Thread(kernel().sched.spawn(ContextKind::Host, name, body))
    }

    /// Lets virtual time pass.
    pub fn sleep(&self, duration: std::time::Duration) {
        kernel()
            .sched
            .sleep(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX / 2));
    }

    /// A number below `bound` (at least 1), drawn from the seed.
    #[must_use]
    pub fn random(&self, bound: u64) -> u64 {
        kernel().sched.random(bound.max(1))
    }

    /// What the driver has not given back so far.
    #[must_use]
    pub fn leaks(&self, driver: crate::kernel::DriverId) -> Vec<Leak> {
        kernel().leaks(driver)
    }
}

/// A context that the operator started.
#[derive(Clone, Copy, Debug)]
pub struct Thread(pub(crate) ContextId);

impl Thread {
    /// Waits for its end.
    pub fn join(self) {
        kernel().sched.join(self.0);
    }

    /// Whether it still runs.
    #[must_use]
    pub fn alive(self) -> bool {
        kernel().sched.alive(self.0)
    }
}
