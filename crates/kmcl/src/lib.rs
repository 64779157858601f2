//! A safe library over the VMBus Kernel Mode Client Library (KMCL), for drivers of Hyper-V guests.
#![no_std]
#![deny(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::todo,
    clippy::unimplemented,
    clippy::unreachable,
    clippy::unwrap_used
)]

#[cfg(windows)]
extern crate wdk_sys;
#[cfg(not(windows))]
extern crate wdk_sys_lite as wdk_sys;

pub mod channel;
mod claim;
pub mod gpadl;
pub mod host;
pub mod incoming;
pub mod interface;
pub mod irql;
pub mod lookaside;
pub mod mdl;
pub mod packet;
pub mod pool;
pub mod status;
pub mod sync;

/// The atomics of the library's own protocols.
mod atomics {
    pub use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};
}
