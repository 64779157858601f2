//! Work that many may ask for and one at a time does.
//!
//! Matching messages with readers, and sending what waits, must keep an order, yet must not hold a
//! lock: both call out to the framework and to KMCL, which may call back. So whoever has changed
//! something asks for a *run*. If nobody runs, it does the work itself; otherwise whoever runs goes
//! round once more. Nobody waits, so it works at `DISPATCH_LEVEL`, and when a callback asks in the
//! middle of the work of its own processor.

use crate::atomic::{AtomicU8, Ordering};

const IDLE: u8 = 0;
const RUNNING: u8 = 1;
/// Somebody runs, and has been asked again since it last looked.
const ASKED: u8 = 2;

/// See the module.
#[derive(Debug, Default)]
pub struct Pump(AtomicU8);

impl Pump {
    /// A pump at rest.
    pub fn new() -> Self {
        Self(AtomicU8::new(IDLE))
    }

    /// Sees to it that the work is done, by this caller or another, from its beginning at least
    /// once after this call began.
    ///
    /// All callers must bring the same work.
    pub fn run(&self, mut work: impl FnMut()) {
        if self.0.swap(ASKED, Ordering::AcqRel) != IDLE {
            return;
        }
        loop {
            // Taking the request before the work begins: one that comes during it asks for another
            // round. Acquire, so that the work sees what was changed before the asking.
            self.0.swap(RUNNING, Ordering::AcqRel);
            work();
            if self
                .0
                .compare_exchange(RUNNING, IDLE, Ordering::AcqRel, Ordering::Acquire)
                .is_ok()
            {
                return;
            }
        }
    }
}
