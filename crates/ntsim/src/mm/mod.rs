//! Memory: the guest's physical pages, the kernel's address space over them, pool, page runs and
//! MDLs.
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
//! Because every byte of guest memory has a page frame, the host and MDLs see the same memory
//! through mappings of their own. Because every block has pages of its own, touching a freed block
//! or going beyond its end is a real fault, which the machine turns into a bug check with the
//! block's history.

pub(crate) mod arena;
pub mod lookaside;
pub mod mdl;
pub mod pages;
pub mod phys;
pub mod pool;
mod pool_api;
mod slist;
pub(crate) mod unwritten;
pub(crate) mod watch;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use crate::kernel::{DriverId, Leak, kernel};
use crate::machine::StartError;

pub use phys::PAGE_SIZE;
pub(crate) use phys::reserve;

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

/// On whose account memory is that the running code asks for: the driver that called last, or the
/// kernel.
pub(crate) fn current_owner() -> Owner {
    kernel()
        .sched
        .try_current()
        .and_then(|context| context.driver())
        .map_or(Owner::Kernel, Owner::Driver)
}

/// The first parameters of findings for which Driver Verifier has no code of its own.
pub mod finding {
    /// An entry was written while it was on a list of free ones.
    pub const FREE_ENTRY_WRITTEN: u64 = 0x4E54_0101;
    /// Memory was freed that is on a list of free entries.
    pub const FREED_ON_LIST: u64 = 0x4E54_0102;
    /// Memory was freed that holds an object in use.
    pub const FREED_OBJECT_IN_USE: u64 = 0x4E54_0103;
    /// A reserved parameter was used.
    pub const RESERVED_PARAMETER: u64 = 0x4E54_0104;
    /// An MDL was freed whose pages are locked.
    pub const FREED_LOCKED_MDL: u64 = 0x4E54_0105;
    /// An IRQL was lowered below what a held spin lock needs.
    pub const LOWERED_WITH_SPIN_LOCK: u64 = 0x4E54_0106;
    /// A request was completed with more information than its user's buffer has bytes.
    pub const INFORMATION_TOO_LARGE: u64 = 0x4E54_0107;
    /// Bytes that nobody has written went to user mode or to the host.
    pub const UNWRITTEN_LEAVES: u64 = 0x4E54_0108;
    /// One callback read a byte twice that the host or a program can write.
    pub const READ_TWICE: u64 = 0x4E54_0109;
}

/// The memory manager's state in one machine.
pub struct State {
    pub(crate) phys: phys::Physical,
    pub(crate) arena: RefCell<arena::Arena>,
    pub(crate) counters: RefCell<BTreeMap<Owner, pool::Counters>>,
    /// Start and pages of each paged block.
    pub(crate) paged: RefCell<BTreeMap<usize, usize>>,
    pub(crate) paged_accessible: Cell<bool>,
    pub(crate) slists: slist::State,
    pub(crate) lookaside: lookaside::State,
    pub(crate) mdls: mdl::State,
    pub(crate) unwritten: unwritten::State,
    pub(crate) watch: watch::State,
}

impl State {
    /// # Errors
    ///
    /// If the real system has not what the guest's memory needs.
    pub(crate) fn new() -> Result<Self, StartError> {
        Ok(Self {
            phys: phys::Physical::new().map_err(StartError::Memory)?,
            arena: RefCell::new(arena::Arena::new().ok_or_else(StartError::addresses)?),
            counters: RefCell::default(),
            paged: RefCell::default(),
            paged_accessible: Cell::new(true),
            slists: slist::State::default(),
            lookaside: lookaside::State::default(),
            mdls: mdl::State::default(),
            unwritten: unwritten::State::default(),
            watch: watch::State::default(),
        })
    }

    pub(crate) fn leaks(&self, driver: DriverId, leaks: &mut Vec<Leak>) {
        lookaside::leaks(driver, leaks);
        mdl::leaks(driver, leaks);
        pool::leaks(&self.arena.borrow(), driver, leaks);
    }
}

/// Memory is about to be taken away: what the kernel keeps there must not be in use any more.
pub(crate) fn going_away(address: usize, length: usize) {
    lookaside::going_away(address, length);
    slist::going_away(address, length);
    mdl::going_away(address, length);
    crate::ke::going_away(address, length);
}

/// Whether the real system has so many bytes of address space to give now.
pub(crate) fn addresses_available(bytes: usize) -> bool {
    phys::reserve(bytes).is_some_and(|base| {
        // SAFETY: the addresses were reserved just now, and nobody uses them.
        unsafe { libc::munmap(base.as_ptr().cast(), bytes) };
        true
    })
}
