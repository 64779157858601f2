//! A simulated Windows kernel in user mode, with KMDF, KMCL and a Hyper-V host, in which a driver
//! runs unchanged.
//!
//! One simulated machine runs on one thread of the real system. Its threads, deferred procedure
//! calls and host programs are coroutines; a scheduler draws every choice between them from a seed,
//! so that a run can be repeated exactly. What a driver calls is exported under the kernel's own
//! names and checked on every call; a broken rule is a bug check, which is a value that
//! [`Machine::run`] returns and never the end of the real process.
//!
//! ```text
//!   Machine::run(config, |system| ...)      the operator's program: loads drivers, offers devices, starts processes
//!        |
//!   sched     contexts on simulated processors: IRQL, DPCs, virtual time, one seed
//!   ke        events, spin locks, rundown protection, interrupt request levels
//!   mm        guest memory, pool with guard pages, MDLs, lookaside lists
//!   io  wdf   the I/O manager, PnP and KMDF, called through its function table
//!   vmbus     offers, rings in shared memory, the KMCL provider, and the host's end
//! ```

// On Windows there is the real one: the package is empty there, so that the whole workspace builds.
#![cfg(target_os = "linux")]

pub mod bugcheck;
pub mod driver;
pub mod export;
pub mod io;
pub mod ke;
pub mod kernel;
pub mod machine;
pub mod mm;
pub mod pnp;
pub mod sched;
#[doc(hidden)]
pub mod stacks;
pub mod tally;
pub mod trace;
pub mod trace_events;
mod trap;
pub mod vmbus;
pub mod wdf;

pub use bugcheck::{BugCheck, StopCode};
pub use driver::DriverImage;
pub use machine::{Config, FailCall, Machine, Outcome, Report, StartError, System};
pub use trace::Trace;

/// The example of the page about the simulator is compiled with the tests of documentation.
#[cfg(doctest)]
#[doc = include_str!("../docs/simulator.md")]
struct Page;

/// The readme's example is compiled with the tests of documentation.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
