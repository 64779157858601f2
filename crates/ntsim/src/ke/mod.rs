//! The executive and the kernel's core as drivers call them: IRQL, locks, events, rundown
//! protection, time, strings.
//!
//! Locks, events and rundown references are the real structures in memory of the driver's own. The
//! kernel keeps an account of each beside it, and so notices one that was never initialised, was
//! moved, or is freed while it is in use.

mod event;
mod irql;
pub mod object;
mod rtl;
mod rundown;
pub(crate) mod spinlock;
mod thread;
mod time;

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;

use crate::bugcheck::{StopCode, bug_check};
use crate::export::enter_driver;
use crate::kernel::{DriverId, Leak, kernel};
use crate::machine::System;

pub(crate) use event::deadline;
pub use rtl::version;

/// The state of the kernel's own objects in one machine.
#[derive(Default)]
pub struct State {
    locks: spinlock::State,
    events: event::Waiters,
    rundowns: rundown::State,
    /// Objects that drivers can reference.
    pub objects: object::State,
    debug_output: RefCell<VecDeque<String>>,
    code_drivers: Cell<u32>,
}

impl State {
    /// See [`System::debug_output`].
    pub(crate) fn debug_output(&self) -> Vec<String> {
        self.debug_output.borrow().iter().cloned().collect()
    }

    pub(crate) fn leaks(&self, driver: DriverId, leaks: &mut Vec<Leak>) {
        self.objects.leaks(driver, leaks);
    }
}

/// Memory is about to be taken away: no object in it may be in use.
pub(crate) fn going_away(address: usize, length: usize) {
    spinlock::going_away(address, length);
    event::going_away(address, length);
    rundown::going_away(address, length);
}

/// Stops the machine because of an object that is not what the driver says it is.
fn invalid(kind: &str, address: usize, message: &str) -> ! {
    bug_check(
        StopCode::NTSIM_INVALID_OBJECT,
        [address as u64, 0, 0, 0],
        format!("the {kind} at {address:#x} {message}"),
    )
}

/// A driver without an image: functions of the program's own that run as a driver's, under the same
/// rules.
#[derive(Clone, Copy, Debug)]
pub struct CodeDriver(DriverId);

impl CodeDriver {
    /// Its number.
    #[must_use]
    pub fn id(self) -> DriverId {
        self.0
    }

    /// Runs a function as this driver's.
    pub fn call<R>(self, name: &'static str, function: impl FnOnce() -> R) -> R {
        let call = enter_driver(self.0, name);
        let result = crate::stacks::on_driver_stack(function);
        call.leave();
        result
    }

    /// Looks for what it has left, as at the unloading of a driver: a bug check with the verifier.
    #[allow(
        clippy::must_use_candidate,
        reason = "most callers want the check only"
    )]
    pub fn unload(self) -> Vec<Leak> {
        let leaks = kernel().leaks(self.0);
        if kernel().config.verifier
            && let Some(first) = leaks.first()
        {
            crate::driver::report(&format!("{:?}", self.0), first, &leaks);
        }
        leaks
    }
}

impl System {
    /// A driver without an image, for code that uses the kernel and no framework.
    #[must_use]
    pub fn code_driver(&self) -> CodeDriver {
        let count = &kernel().ke.code_drivers;
        count.set(count.get() + 1);
        CodeDriver(DriverId(0x8000_0000 + count.get()))
    }

    /// Runs a function as a driver's, and looks afterwards for what it has left.
    pub fn as_driver<R>(&self, name: &'static str, function: impl FnOnce() -> R) -> R {
        let driver = self.code_driver();
        let result = driver.call(name, function);
        driver.unload();
        result
    }

    /// What drivers have written with `DbgPrint` and its like, the last thousand calls of it. Of a
    /// format only `%s` alone is followed; the line feed at the end of a text is left out.
    #[must_use]
    pub fn debug_output(&self) -> Vec<String> {
        kernel().ke.debug_output()
    }
}
