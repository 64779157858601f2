//! The state of one simulated machine, and how exported functions find it.

use std::cell::Cell;
use std::marker::PhantomData;

use crate::bugcheck::{Fault, StopCode};
use crate::export::{DISPATCH_LEVEL, Irql};
use crate::machine::{Config, FailCall, StartError};
use crate::sched::Scheduler;
use crate::trace_events::Recorder;

/// A loaded driver.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct DriverId(pub u32);

/// Something that a driver did not give back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leak {
    /// The kind: `pool`, `lookaside list`, `packet`, `reference` and so on.
    pub kind: &'static str,
    /// Which one, for people.
    pub what: String,
}

/// Everything that one simulated machine consists of.
///
/// A subsystem keeps its state behind its own `RefCell`s. The one rule: no borrow is held across a
/// call into a driver or across a scheduling point (every exported function and every wait has
/// one), for another context runs there.
pub struct Kernel {
    /// What the machine was started with.
    pub config: Config,
    /// Contexts, processors, virtual time and the seed.
    pub sched: Scheduler,
    /// Plug and play: device stacks and their buses.
    pub pnp: crate::pnp::State,
    /// The I/O manager.
    pub io: crate::io::State,
    /// The loaded drivers.
    pub drivers: crate::driver::State,
    /// KMDF's objects, drivers and devices.
    pub wdf: crate::wdf::State,
    /// `VMBus`: the host's side, the guest's bus driver and KMCL.
    pub vmbus: crate::vmbus::State,
    /// Events, locks, rundown protection.
    pub ke: crate::ke::State,
    /// Memory. The last field, for what the others keep lies in it.
    pub mm: crate::mm::State,
    /// The stacks that drivers run on.
    pub(crate) stacks: crate::stacks::Stacks,
    /// Writes the run down, if that was asked for.
    pub(crate) events: Option<Recorder>,
    pub(crate) tally: crate::tally::State,
    fallible_calls: Cell<u64>,
    /// Fallible calls of the function that the configuration names.
    calls_of_function: Cell<u64>,
    failed: Cell<bool>,
}

impl Kernel {
    pub(crate) fn new(config: Config) -> Result<Self, StartError> {
        Ok(Self {
            sched: Scheduler::new(&config),
            pnp: crate::pnp::State::default(),
            io: crate::io::State::default(),
            drivers: crate::driver::State::default(),
            wdf: crate::wdf::State::default(),
            vmbus: crate::vmbus::State::default(),
            ke: crate::ke::State::default(),
            mm: crate::mm::State::new()?,
            stacks: crate::stacks::Stacks::new(config.kernel_stack),
            events: config
                .trace
                .clone()
                .map(|sink| Recorder::new(sink, config.seed)),
            tally: crate::tally::State::default(),
            fallible_calls: Cell::new(0),
            calls_of_function: Cell::new(0),
            failed: Cell::new(false),
            config,
        })
    }

    /// Brings up what needs the machine to be installed on its thread.
    pub(crate) fn start(&self) {
        self.sched.on_irql_change(crate::mm::pool::irql_changed);
        crate::vmbus::State::start();
    }

    /// Counts a call that a driver must expect to fail (an allocation first of all) and says
    /// whether this is the one that [`Config::fail_call`] picks. Every fallible exported function
    /// asks before it does anything.
    pub fn should_fail(&self) -> bool {
        if self
            .sched
            .try_current()
            .is_none_or(|context| context.driver().is_none())
        {
            return false;
        }
        let count = self.fallible_calls.get() + 1;
        self.fallible_calls.set(count);
        let fails = match self.config.fail_call {
            None => false,
            Some(FailCall::Number(number)) => number == count,
            Some(FailCall::Function(name, number)) => {
                let calls = self
                    .sched
                    .try_current()
                    .is_some_and(|context| context.last_export() == Some(name));
                if calls {
                    self.calls_of_function.set(self.calls_of_function.get() + 1);
                }
                calls && self.calls_of_function.get() == number
            }
        };
        if fails {
            self.failed.set(true);
        }
        fails
    }

    /// Whether the call that [`Config::fail_call`] picks was made, and failed.
    #[must_use]
    pub fn has_failed_call(&self) -> bool {
        self.failed.get()
    }

    /// How many calls [`Kernel::should_fail`] has counted.
    #[must_use]
    pub fn fallible_calls(&self) -> u64 {
        self.fallible_calls.get()
    }

    /// What each context waits for, and which requests are not completed: the report of a machine
    /// that hangs.
    pub(crate) fn waiting(&self) -> Vec<String> {
        let mut waiting = self.sched.waiting();
        waiting.extend(self.io.pending_requests());
        waiting
    }

    /// What is known of an address that faulted at an IRQL. Must not allocate pool or panic: it
    /// runs after a fault.
    pub(crate) fn explain_fault(&self, address: usize, irql: Irql) -> Fault {
        let of_kmcl = self.vmbus.kmcl.explain(address);
        if of_kmcl.is_none()
            && let Some(fault) = crate::mm::pool::explain(self, address, irql)
        {
            return fault;
        }
        let code = if irql >= DISPATCH_LEVEL {
            StopCode::DRIVER_IRQL_NOT_LESS_OR_EQUAL
        } else {
            StopCode::PAGE_FAULT_IN_NONPAGED_AREA
        };
        let message = if let Some(message) = of_kmcl {
            message
        } else if address < 0x1_0000 {
            format!("memory was touched through a null pointer, at {address:#x}")
        } else if let Some(message) = crate::wdf::object::explain(&self.wdf.objects, address) {
            message
        } else {
            format!("memory that does not exist was touched at {address:#x}")
        };
        Fault {
            code,
            message,
            history: Vec::new(),
        }
    }

    /// Everything that a driver, about to be unloaded, has not given back. Each subsystem adds its
    /// own.
    pub(crate) fn leaks(&self, driver: DriverId) -> Vec<Leak> {
        let mut leaks = Vec::new();
        self.pnp.leaks(driver, &mut leaks);
        self.io.leaks(driver, &mut leaks);
        crate::wdf::object::leaks(driver, &mut leaks);
        self.vmbus.leaks(driver, &mut leaks);
        self.ke.leaks(driver, &mut leaks);
        self.mm.leaks(driver, &mut leaks);
        leaks
    }
}

thread_local! {
    static KERNEL: Cell<*const Kernel> = const { Cell::new(std::ptr::null()) };
}

/// The machine that runs on this thread.
///
/// # Panics
///
/// If none does: a driver's function was called outside [`Machine::run`](crate::Machine::run).
#[must_use]
pub fn kernel() -> &'static Kernel {
    try_kernel().expect("a function of the simulated kernel was called outside a simulated machine")
}

pub(crate) fn try_kernel() -> Option<&'static Kernel> {
    // SAFETY: the pointer is null or set by `Installed::new`, whose owner keeps the kernel alive
    // and in place until it clears the pointer again; code of the machine runs only in between, on
    // this thread.
    unsafe { KERNEL.get().as_ref() }
}

/// Makes a kernel this thread's machine for as long as it lives.
pub(crate) struct Installed<'a>(PhantomData<&'a Kernel>);

impl<'a> Installed<'a> {
    pub(crate) fn new(kernel: &'a Kernel) -> Self {
        KERNEL.with(|slot| {
            assert!(
                slot.get().is_null(),
                "a simulated machine already runs on this thread"
            );
            slot.set(kernel);
        });
        Self(PhantomData)
    }
}

impl Drop for Installed<'_> {
    fn drop(&mut self) {
        KERNEL.set(std::ptr::null());
    }
}
