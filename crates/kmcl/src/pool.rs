//! Tagged nonpaged pool, with failure as a value.
//!
//! No global allocator is needed: [`PoolBox`] and [`PoolArc`], by the trait [`InPool`], allocate
//! with `ExAllocatePool2` and give a value back that could not be placed.
//!
//! ```
//! # use kmcl::{pool::{InPool, OutOfMemory, PoolArc, PoolBox, Tag}, status::Error};
//! const TAG: Tag = Tag::new(*b"Samp");
//!
//! fn share(table: [u32; 256]) -> Result<(PoolArc<[u32; 256]>, PoolArc<[u32; 256]>), Error> {
//!     let first = PoolArc::try_new(table, TAG)?;
//!     Ok((first.clone(), first))
//! }
//!
//! fn keep(text: [u8; 64]) -> Result<PoolBox<[u8; 64]>, [u8; 64]> {
//!     // What found no room comes back.
//!     PoolBox::try_new(text, TAG).map_err(|OutOfMemory(text)| text)
//! }
//!
//! fn large() -> Result<PoolBox<[u8; 65536]>, Error> {
//!     // An optimised build makes it in its place: the stack of a kernel thread has 24 KiB.
//!     PoolBox::try_new_with(TAG, || [0; 65536])
//! }
//! ```
//!
//! All of it may be done at `DISPATCH_LEVEL`, dropping included.

use core::fmt;
use core::marker::PhantomData;
use core::mem::{align_of, offset_of, size_of};
use core::ops::Deref;
use core::ptr::NonNull;

use crate::claim::References;
use crate::status::{Error, without_what_comes_back};
use wdk_sys::ntddk::{ExAllocatePool2, ExFreePoolWithTag};
use wdk_sys::{POOL_FLAG_NON_PAGED, POOL_FLAG_UNINITIALIZED};

/// Bytes in a page of x64 and Arm64.
pub const PAGE_SIZE: usize = 4096;

/// The alignment of a pool block below the size of a page, on 64-bit systems.
pub const POOL_ALIGNMENT: usize = 16;

/// A four-letter pool tag, as the debugger shows it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Tag(pub(crate) u32);

impl Tag {
    /// The tag that reads as `letters` in the debugger.
    #[must_use]
    pub const fn new(letters: [u8; 4]) -> Self {
        Self(u32::from_le_bytes(letters))
    }
}

/// No memory; the value that should have been placed comes back.
pub struct OutOfMemory<T>(pub T);

without_what_comes_back! {
    OutOfMemory<T>, _failure = Error::NoMemory;
}

impl<T> fmt::Debug for OutOfMemory<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OutOfMemory")
    }
}

pub(crate) fn allocate(bytes: usize, tag: Tag, zeroed: bool) -> Option<NonNull<u8>> {
    let flags = if zeroed {
        POOL_FLAG_NON_PAGED
    } else {
        POOL_FLAG_NON_PAGED | POOL_FLAG_UNINITIALIZED
    };
    // SAFETY: nonpaged pool may be allocated at DISPATCH_LEVEL and below, which is where all of the
    // library runs (kernel callers are never above it: every public entry is reached with a witness
    // or from a callback documented so). The size is not zero (callers' types are sized at least 1)
    // and the tag is not zero. Without POOL_FLAG_RAISE_ON_FAILURE failure is NULL.
    let block = unsafe { ExAllocatePool2(flags, bytes.max(1) as _, tag.0) };
    NonNull::new(block.cast())
}

/// # Safety
///
/// `block` came from [`allocate`] with this tag and is given up.
pub(crate) unsafe fn free(block: NonNull<u8>, tag: Tag) {
    // SAFETY: as the caller says; freeing nonpaged pool is allowed at DISPATCH_LEVEL and below.
    unsafe { ExFreePoolWithTag(block.as_ptr().cast(), tag.0) };
}

const fn fits_pool<T>() {
    assert!(
        align_of::<T>() <= POOL_ALIGNMENT
            || (size_of::<T>() >= PAGE_SIZE && align_of::<T>() <= PAGE_SIZE),
        "pool memory is aligned to 16 bytes, or to a page for blocks of a page and more"
    );
}

/// An owner of a value in tagged nonpaged pool: how anything gets there.
///
/// IRQL: `DISPATCH_LEVEL` or below. A type whose alignment pool memory does not have is refused
/// when the program is built.
pub trait InPool<T>: Deref<Target = T> + Sized {
    /// Allocates, and then makes the value of an argument, where it stays.
    ///
    /// # Errors
    ///
    /// [`OutOfMemory`] with the argument, of which nothing was made.
    fn try_new_from<A>(
        argument: A,
        tag: Tag,
        make: impl FnOnce(A) -> T,
    ) -> Result<Self, OutOfMemory<A>>;

    /// Moves a value to nonpaged pool.
    ///
    /// # Errors
    ///
    /// [`OutOfMemory`] with the value.
    fn try_new(value: T, tag: Tag) -> Result<Self, OutOfMemory<T>> {
        // Here too, so that the compiler's message names the caller.
        const { fits_pool::<T>() };
        Self::try_new_from(value, tag, |value| value)
    }

    /// Allocates, and then makes the value where it stays: for one that is too large for a kernel
    /// stack.
    ///
    /// # Errors
    ///
    /// [`Error::NoMemory`]; nothing was made.
    fn try_new_with(tag: Tag, make: impl FnOnce() -> T) -> Result<Self, Error> {
        const { fits_pool::<T>() };
        Self::try_new_from((), tag, |()| make()).map_err(|OutOfMemory(())| Error::NoMemory)
    }
}

/// A value in nonpaged pool, with one owner.
///
/// # Invariants
///
/// `value` points to an initialised `T` in a pool block of this library's with this tag, which this
/// box alone owns. The value never moves while it is in the box.
pub struct PoolBox<T: ?Sized> {
    value: NonNull<T>,
    tag: Tag,
    owns: PhantomData<T>,
}

impl<T> InPool<T> for PoolBox<T> {
    fn try_new_from<A>(
        argument: A,
        tag: Tag,
        make: impl FnOnce(A) -> T,
    ) -> Result<Self, OutOfMemory<A>> {
        const { fits_pool::<T>() };
        let Some(block) = allocate(size_of::<T>(), tag, false) else {
            return Err(OutOfMemory(argument));
        };
        let block = block.cast::<T>();
        // SAFETY: the block has at least `size_of::<T>()` bytes and the alignment that `fits_pool`
        // checked, and is ours alone.
        unsafe { block.write(make(argument)) };
        Ok(Self {
            value: block,
            tag,
            owns: PhantomData,
        })
    }
}

impl<T> PoolBox<T> {
    pub(crate) fn into_raw(self) -> NonNull<T> {
        let this = core::mem::ManuallyDrop::new(self);
        this.value
    }

    /// # Safety
    ///
    /// `value` came from [`PoolBox::into_raw`] of a box with this tag, and this is the only box
    /// made of it since.
    pub(crate) const unsafe fn from_raw(value: NonNull<T>, tag: Tag) -> Self {
        Self {
            value,
            tag,
            owns: PhantomData,
        }
    }
}

impl<T: ?Sized> Deref for PoolBox<T> {
    type Target = T;
    fn deref(&self) -> &T {
        // SAFETY: by the invariant `value` is initialised and owned by this box.
        unsafe { self.value.as_ref() }
    }
}

impl<T: ?Sized> core::ops::DerefMut for PoolBox<T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: by the invariant `value` is initialised and owned by this box, which is borrowed
        // exclusively.
        unsafe { self.value.as_mut() }
    }
}

impl<T: ?Sized> Drop for PoolBox<T> {
    fn drop(&mut self) {
        // SAFETY: by the invariant the value is initialised, the block is ours and has this tag;
        // neither is used again.
        unsafe {
            self.value.as_ptr().drop_in_place();
            free(self.value.cast(), self.tag);
        }
    }
}

// SAFETY: the box owns its value as `T` itself would.
unsafe impl<T: ?Sized + Send> Send for PoolBox<T> {}
// SAFETY: a shared box gives only shared access to its value.
unsafe impl<T: ?Sized + Sync> Sync for PoolBox<T> {}

struct Counted<T> {
    references: References,
    value: T,
}

/// A value in nonpaged pool with several owners.
///
/// # Invariants
///
/// `counted` points to an initialised `Counted` in a pool block of this library's with this tag,
/// and `references` is the number of `PoolArc`s.
pub struct PoolArc<T> {
    counted: NonNull<Counted<T>>,
    tag: Tag,
    owns: PhantomData<Counted<T>>,
}

impl<T> InPool<T> for PoolArc<T> {
    fn try_new_from<A>(
        argument: A,
        tag: Tag,
        make: impl FnOnce(A) -> T,
    ) -> Result<Self, OutOfMemory<A>> {
        let counted = PoolBox::try_new_from(argument, tag, |argument| Counted {
            references: References::new(),
            value: make(argument),
        })?;
        Ok(Self {
            counted: counted.into_raw(),
            tag,
            owns: PhantomData,
        })
    }
}

impl<T> PoolArc<T> {
    /// The value's place, from which [`PoolArc::another`] makes owners.
    pub(crate) const fn as_ptr(&self) -> NonNull<T> {
        // SAFETY: by the invariant the block lives as long as this reference. The pointer is made
        // without a reference to the value, so that it may be used for the whole block.
        unsafe { NonNull::new_unchecked(&raw mut (*self.counted.as_ptr()).value) }
    }

    /// One more owner.
    ///
    /// # Safety
    ///
    /// `value` came from [`PoolArc::as_ptr`] of an owner with this tag, and the block has an owner
    /// now.
    #[inline]
    pub(crate) unsafe fn another(value: NonNull<T>, tag: Tag) -> Self {
        // SAFETY: the value lies so far behind the block's start, and its pointer may be used for
        // the whole block.
        let counted = unsafe { value.byte_sub(offset_of!(Counted<T>, value)) }.cast::<Counted<T>>();
        // SAFETY: the block has an owner.
        unsafe { counted.as_ref() }.references.acquire(1);
        Self {
            counted,
            tag,
            owns: PhantomData,
        }
    }
}

impl<T> Clone for PoolArc<T> {
    fn clone(&self) -> Self {
        // SAFETY: this is an owner, with this tag.
        unsafe { Self::another(self.as_ptr(), self.tag) }
    }
}

impl<T> Deref for PoolArc<T> {
    type Target = T;
    fn deref(&self) -> &T {
        // SAFETY: by the invariant the block lives as long as this reference.
        &unsafe { self.counted.as_ref() }.value
    }
}

impl<T> Drop for PoolArc<T> {
    fn drop(&mut self) {
        // SAFETY: by the invariant the block lives until the count is zero.
        if unsafe { self.counted.as_ref() }.references.release() {
            // SAFETY: the last reference is gone; the block came from a `PoolBox` with this tag.
            drop(unsafe { PoolBox::from_raw(self.counted, self.tag) });
        }
    }
}

// SAFETY: owners on several threads share the value and any of them may drop it.
unsafe impl<T: Send + Sync> Send for PoolArc<T> {}
// SAFETY: as above; a shared `PoolArc` can be cloned.
unsafe impl<T: Send + Sync> Sync for PoolArc<T> {}
