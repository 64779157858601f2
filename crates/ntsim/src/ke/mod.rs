//! The executive and the kernel's core as drivers call them: IRQL, locks, events, rundown protection, time, strings.

use crate::kernel::{DriverId, Leak};

/// The state of the kernel's own objects in one machine.
#[derive(Default)]
pub struct State {}

impl State {
    pub(crate) fn leaks(&self, _driver: DriverId, _leaks: &mut Vec<Leak>) {
        let _ = self;
    }
}

/// Memory is about to be taken away: no object in it may be in use.
pub(crate) fn going_away(_address: usize, _length: usize) {}
