//! Runs of whole nonpaged pages: ring buffers, the buffers of simulated user processes.

use std::ptr::NonNull;

use crate::kernel::{kernel, try_kernel};

use super::Owner;
use super::arena::{Freed, Use};
use super::phys::{self, PAGE_SIZE};

/// Pages in one run of addresses, given back when it is dropped.
#[derive(Debug)]
pub struct KernelPages {
    start: NonNull<u8>,
    count: usize,
}

/// Zeroed pages; none when memory runs out.
#[must_use]
pub fn allocate(count: usize, owner: Owner) -> Option<KernelPages> {
    let mm = &kernel().mm;
    let count = count.max(1);
    let runs = mm.phys.allocate(count)?;
    let kept = runs.clone();
    let Some(start) = mm.arena.borrow_mut().map(runs, true, |_| Use::Pages(owner)) else {
        mm.phys.free(&kept);
        return None;
    };
    let start = NonNull::new(std::ptr::with_exposed_provenance_mut::<u8>(start))?;
    // SAFETY: the pages have just been mapped writable, and nobody else knows them.
    unsafe { start.write_bytes(0, count * PAGE_SIZE) };
    Some(KernelPages { start, count })
}

impl KernelPages {
    /// Where they start.
    #[must_use]
    pub fn address(&self) -> NonNull<u8> {
        self.start
    }

    /// Their length in bytes, a multiple of the page size.
    #[must_use]
    #[allow(clippy::len_without_is_empty, reason = "there is always a page")]
    pub fn len(&self) -> usize {
        self.count * PAGE_SIZE
    }

    /// Their page frames.
    #[must_use]
    pub fn frames(&self) -> Vec<u64> {
        phys::frames_of(self.start.addr().get(), self.len()).unwrap_or_default()
    }
}

impl Drop for KernelPages {
    fn drop(&mut self) {
        let Some(kernel) = try_kernel() else { return };
        let mm = &kernel.mm;
        super::going_away(self.start.addr().get(), self.len());
        let mut arena = mm.arena.borrow_mut();
        let start = self.start.addr().get();
        if let Some(region) = arena.unmap(start) {
            let freed = Freed {
                pages: region.pages,
                block: None,
                stack: None,
            };
            arena.remember(start, freed);
            mm.phys.free(&region.runs);
        }
    }
}
