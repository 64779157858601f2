//! Memory that the framework gives drivers: contexts, buffers of memory objects, device objects.

use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::ptr::NonNull;

use crate::kernel::kernel;

/// Zeroed memory.
pub(crate) fn allocate(bytes: usize, _paged: bool) -> Option<NonNull<u8>> {
    let layout = Layout::from_size_align(bytes.max(1), 16).ok()?;
    // SAFETY: the layout is not empty.
    let memory = NonNull::new(unsafe { alloc_zeroed(layout) })?;
    kernel()
        .wdf
        .blocks
        .borrow_mut()
        .insert(memory.addr().get(), layout);
    Some(memory)
}

/// Gives memory from [`allocate`] back.
pub(crate) fn free(memory: NonNull<u8>) {
    if let Some(layout) = kernel().wdf.blocks.borrow_mut().remove(&memory.addr().get()) {
        // SAFETY: the record says that it was allocated with this layout and not freed since.
        unsafe { dealloc(memory.as_ptr(), layout) };
    }
}
