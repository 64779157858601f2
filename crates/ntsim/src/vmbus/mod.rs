//! `VMBus`: the host's offers, the guest's bus driver, the rings in shared memory, and KMCL.

mod behaviour;

pub use behaviour::{KmclBehaviour, WhenOutgoingFail};

use crate::kernel::{DriverId, Leak};

/// `VMBus` in one machine.
#[derive(Default)]
pub struct State {}

impl State {
    /// What a driver holds of KMCL's.
    pub(crate) fn leaks(&self, _driver: DriverId, _leaks: &mut Vec<Leak>) {
        let _ = self;
    }
}
