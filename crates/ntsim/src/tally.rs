//! What a machine has done so far, counted: calls both ways between drivers and the kernel, and
//! copies of data.

use std::cell::{Cell, RefCell};

use crate::kernel::kernel;
use crate::machine::System;

/// What is counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Calls of drivers into the kernel, the framework and KMCL.
    pub kernel_calls: u64,
    /// How often the I/O manager or KMCL copied a message's bytes: between a program's buffer and a
    /// system buffer, into the memory of a packet, and between memory and a ring. What drivers copy
    /// is not seen.
    pub copies: u64,
    /// The bytes of those copies.
    pub bytes_copied: u64,
    /// Calls into drivers by the name of the callback, in the order of each one's first call.
    pub callbacks: Vec<(&'static str, u64)>,
}

impl Tally {
    /// What was added since an earlier moment of the same machine.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let before = |name: &str| {
            earlier
                .callbacks
                .iter()
                .find(|(known, _)| *known == name)
                .map_or(0, |(_, count)| *count)
        };
        Self {
            kernel_calls: self.kernel_calls - earlier.kernel_calls,
            copies: self.copies - earlier.copies,
            bytes_copied: self.bytes_copied - earlier.bytes_copied,
            callbacks: self
                .callbacks
                .iter()
                .map(|(name, count)| (*name, count - before(name)))
                .filter(|(_, count)| *count != 0)
                .collect(),
        }
    }
}

/// The counters of a machine.
#[derive(Default)]
pub(crate) struct State {
    kernel_calls: Cell<u64>,
    copies: Cell<u64>,
    bytes_copied: Cell<u64>,
    /// All calls of drivers' functions.
    calls: Cell<u64>,
    callbacks: RefCell<Vec<(&'static str, u64)>>,
}

impl State {
    pub(crate) fn kernel_call(&self) {
        self.kernel_calls.set(self.kernel_calls.get() + 1);
    }

    pub(crate) fn copied(&self, bytes: usize) {
        self.copies.set(self.copies.get() + 1);
        self.bytes_copied
            .set(self.bytes_copied.get() + bytes as u64);
    }

    /// Counts a call of a driver's function. Returns how many there have been.
    pub(crate) fn callback(&self, name: &'static str) -> u64 {
        let mut callbacks = self.callbacks.borrow_mut();
        match callbacks.iter_mut().find(|(known, _)| *known == name) {
            Some((_, count)) => *count += 1,
            None => callbacks.push((name, 1)),
        }
        let calls = self.calls.get() + 1;
        self.calls.set(calls);
        calls
    }
}

impl System {
    /// What the machine has done so far.
    #[must_use]
    pub fn tally(&self) -> Tally {
        let state = &kernel().tally;
        Tally {
            kernel_calls: state.kernel_calls.get(),
            copies: state.copies.get(),
            bytes_copied: state.bytes_copied.get(),
            callbacks: state.callbacks.borrow().clone(),
        }
    }
}
