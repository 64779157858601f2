//! The I/O manager: requests (IRPs), file objects, handles, and the simulated user-mode processes
//! that hold them.
//!
//! ```text
//!   process --open--> FileObject --read, write, control--> Irp --> the framework's queues --> driver
//!      |                  |                                 |
//!      +--exit: cancels, waits, closes                      +--completion: copies out, wakes the process
//! ```

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use crate::kernel::{DriverId, Leak};
use crate::sched::Key;

pub mod buffer;
pub mod file;
pub mod irp;
pub mod process;

pub use irp::Completion;
pub use process::{File, Pending, Process};

/// The I/O manager's state in one machine.
#[derive(Default)]
pub struct State {
    next: Cell<u64>,
    pub(crate) queues: crate::wdf::queue::Queues,
    irps: RefCell<BTreeMap<u64, Rc<irp::Irp>>>,
}

impl State {
    fn next_id(&self) -> u64 {
        self.next.set(self.next.get() + 1);
        self.next.get()
    }

    fn irps_where(&self, wanted: impl Fn(&irp::Irp) -> bool) -> Vec<Rc<irp::Irp>> {
        self.irps
            .borrow()
            .values()
            .filter(|irp| wanted(irp))
            .cloned()
            .collect()
    }

    /// Every request that is not completed, in a sentence each.
    #[must_use]
    pub fn pending_requests(&self) -> Vec<String> {
        self.irps
            .borrow()
            .values()
            .map(|irp| irp.describe())
            .collect()
    }

    /// How many reads, writes and control requests are not completed.
    pub(crate) fn in_flight(&self) -> usize {
        self.irps_where(|irp| irp.operation != irp::Operation::Create)
            .len()
    }

    /// The request whose completion somebody waits for by a key.
    pub(crate) fn waited_for(&self, key: Key) -> Option<String> {
        let irps = self.irps.borrow();
        let irp = irps.values().find(|irp| irp.is_waited_for_by(key))?;
        Some(format!("the completion of {}", irp.describe()))
    }

    pub(crate) fn leaks(&self, driver: DriverId, leaks: &mut Vec<Leak>) {
        for irp in self.irps_where(|irp| irp.file.device.driver == driver) {
            leaks.push(Leak {
                kind: "request",
                what: irp.describe(),
            });
        }
    }
}
