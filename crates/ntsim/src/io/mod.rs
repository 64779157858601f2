//! The I/O manager: requests (IRPs), file objects, handles, and the simulated user-mode processes that hold them.

use crate::kernel::{DriverId, Leak};

/// The I/O manager's state in one machine.
#[derive(Default)]
pub struct State {}

impl State {
    pub(crate) fn leaks(&self, _driver: DriverId, _leaks: &mut Vec<Leak>) {
        let _ = self;
    }
}
