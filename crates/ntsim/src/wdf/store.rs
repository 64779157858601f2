//! Memory that the framework gives drivers: contexts, buffers of memory objects, device objects.
//!
//! All of it is pool on the framework's account, so that a driver that goes beyond its end or uses
//! it too late is found.

use std::ptr::NonNull;

use crate::mm::{Owner, pool};

/// `FxDr`, as in KMDF's own allocations for drivers.
pub(super) const TAG: u32 = u32::from_le_bytes(*b"FxDr");

/// Zeroed memory; none when there is no more.
pub(crate) fn allocate(bytes: usize, paged: bool) -> Option<NonNull<u8>> {
    pool::allocate(bytes, TAG, paged, Owner::Wdf)
}

/// Gives memory from [`allocate`] back.
pub(crate) fn free(memory: NonNull<u8>) {
    pool::free(memory, Owner::Wdf);
}
