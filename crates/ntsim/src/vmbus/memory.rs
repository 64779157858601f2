//! What `VMBus` needs of the memory manager.

use std::ptr::NonNull;
use std::rc::Rc;

use wdk_sys_lite::{MDL, MDL_PAGES_LOCKED, PMDL};

use super::message::PageRange;
use super::shared::{PAGE, Shared};
use crate::kernel::{kernel, try_kernel};
use crate::mm::pages::{self, KernelPages};
use crate::mm::phys::{self, HostMapping};
use crate::mm::{Owner, pool};

/// The tag of KMCL's pool.
const TAG: u32 = u32::from_le_bytes(*b"Kmcl");

/// Nonpaged pages of the guest's, in one run of addresses.
pub(crate) struct GuestPages(KernelPages);

impl GuestPages {
    pub(crate) fn allocate(count: usize) -> Option<Self> {
        pages::allocate(count, Owner::Kmcl).map(Self)
    }

    pub(crate) fn address(&self) -> NonNull<u8> {
        self.0.address()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn frames(&self) -> Vec<u64> {
        self.0.frames()
    }

    /// The guest's view of them.
    pub(crate) fn view(self: &Rc<Self>) -> Shared {
        // SAFETY: the pages are whole, and live as long as the reference that the view keeps.
        unsafe {
            Shared::new(
                self.address(),
                self.bytes(),
                Rc::clone(self) as Rc<dyn std::any::Any>,
            )
        }
    }
}

/// The host's view of page frames; none if one is not the guest's.
pub(crate) fn map_frames(frames: &[u64]) -> Option<Shared> {
    let mapping = Rc::new(HostMapping::new(frames)?);
    // SAFETY: the mapping is of whole pages, and lives as long as the reference that the view
    // keeps.
    Some(unsafe {
        Shared::new(
            mapping.address(),
            mapping.len(),
            Rc::clone(&mapping) as Rc<dyn std::any::Any>,
        )
    })
}

/// The page frames behind a range of addresses; none if part of it is no memory of the guest's.
pub(crate) fn frames_of(address: usize, length: usize) -> Option<Vec<u64>> {
    phys::frames_of(address, length)
}

/// Page frames that are kept for the host as long as this lives, whatever the guest does with their
/// memory.
pub(crate) struct Pinned(Vec<u64>);

impl Pinned {
    pub(crate) fn new(frames: Vec<u64>) -> Self {
        kernel().mm.phys.pin(frames.iter().copied());
        Self(frames)
    }

    pub(crate) fn frames(&self) -> &[u64] {
        &self.0
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        // A machine that is thrown away takes its frames along.
        if let Some(kernel) = try_kernel() {
            kernel.mm.phys.unpin(self.0.iter().copied());
        }
    }
}

/// Nonpaged pool of KMCL's.
pub(crate) fn pool_allocate(bytes: usize) -> Option<NonNull<u8>> {
    pool::allocate(bytes, TAG, false, Owner::Kmcl)
}

/// Gives a block of [`pool_allocate`]'s back.
pub(crate) fn pool_free(block: NonNull<u8>) {
    pool::free(block, Owner::Kmcl);
}

/// Makes pages accessible or not.
pub(crate) fn protect(start: NonNull<u8>, bytes: usize, accessible: bool) {
    let protection = if accessible {
        libc::PROT_READ | libc::PROT_WRITE
    } else {
        libc::PROT_NONE
    };
    // SAFETY: the pages are KMCL's own, whole, and used by nobody while they are inaccessible.
    let result = unsafe { libc::mprotect(start.as_ptr().cast(), bytes, protection) };
    assert_eq!(result, 0, "the protection of pages could not be changed");
}

/// An MDL for page frames that are locked and have no address, with others behind it. None when
/// memory runs out.
pub(crate) fn mdl_of_frames(range: &PageRange, next: PMDL) -> Option<PMDL> {
    let bytes = size_of::<MDL>() + range.frames.len() * size_of::<u64>();
    let mdl: PMDL = pool_allocate(bytes)?.as_ptr().cast();
    let header = MDL {
        Next: next,
        Size: i16::try_from(bytes).unwrap_or(i16::MAX),
        MdlFlags: i16::try_from(MDL_PAGES_LOCKED).unwrap_or(i16::MAX),
        Process: std::ptr::null_mut(),
        MappedSystemVa: std::ptr::null_mut(),
        StartVa: std::ptr::null_mut(),
        ByteCount: range.length,
        ByteOffset: range.offset,
    };
    // SAFETY: the block has just been allocated with room for the structure and the frame numbers
    // behind it, and is aligned.
    unsafe {
        mdl.write(header);
        mdl.add(1)
            .cast::<u64>()
            .copy_from_nonoverlapping(range.frames.as_ptr(), range.frames.len());
    }
    Some(mdl)
}

/// Frees a chain of [`mdl_of_frames`]'s.
pub(crate) fn free_mdls(first: PMDL) {
    let mut next = first;
    while let Some(mdl) = NonNull::new(next) {
        // SAFETY: the chain was made by `mdl_of_frames` and nobody else frees it.
        next = unsafe { mdl.read() }.Next;
        pool_free(mdl.cast());
    }
}

const _: () = assert!(PAGE == phys::PAGE_SIZE);
