//! Memory: the guest's physical pages, the kernel's address space over them, pool, page runs and MDLs.
//!
//! ```text
//!   page frames   one memfd, page frame n at byte n * 4096            (phys)
//!        |  mapped by
//!   arena         one reservation of addresses per machine: each pool block and each run of pages has pages of its own,
//!        |        with an inaccessible page behind them               (arena)
//!   pool, pages, MDL mappings                                         (pool, pages, mdl)
//!   lookaside lists and SLISTs, over pool                             (lookaside, slist)
//! ```
//!
//! Because every byte of guest memory has a page frame, the host and MDLs see the same memory through mappings of their
//! own. Because every block has pages of its own, touching a freed block or going beyond its end is a real fault, which
//! the machine turns into a bug check with the block's history.

pub(crate) mod arena;
pub mod pages;
pub mod phys;
pub mod pool;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use crate::kernel::{DriverId, Leak};

pub use phys::PAGE_SIZE;

/// On whose account memory is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Owner {
    /// A driver.
    Driver(DriverId),
    /// The VMBus kernel mode client library.
    Kmcl,
    /// The framework.
    Wdf,
    /// The I/O manager.
    Io,
    /// The rest of the kernel.
    Kernel,
}

/// The memory manager's state in one machine.
pub struct State {
    pub(crate) phys: phys::Physical,
    pub(crate) arena: RefCell<arena::Arena>,
    pub(crate) counters: RefCell<BTreeMap<Owner, pool::Counters>>,
    /// Start and pages of each paged block.
    pub(crate) paged: RefCell<BTreeMap<usize, usize>>,
    pub(crate) paged_accessible: Cell<bool>,
}

impl State {
    pub(crate) fn new() -> Self {
        Self {
            phys: phys::Physical::new(),
            arena: RefCell::new(arena::Arena::new()),
            counters: RefCell::default(),
            paged: RefCell::default(),
            paged_accessible: Cell::new(true),
        }
    }

    pub(crate) fn leaks(&self, driver: DriverId, leaks: &mut Vec<Leak>) {
        pool::leaks(&self.arena.borrow(), driver, leaks);
    }
}

/// Memory is about to be taken away: what the kernel keeps there must not be in use any more.
pub(crate) fn going_away(address: usize, length: usize) {
    crate::ke::going_away(address, length);
}
