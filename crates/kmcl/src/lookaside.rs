//! Lookaside lists of nonpaged entries.
//!
//! For values of one size that come and go often. The system watches each list and keeps as many
//! free entries as are used.
//!
//! ```
//! # use kmcl::{irql::Irql, lookaside::LookasideList, pool::Tag, status::Error};
//! struct Job { number: u64, bytes: [u8; 240] }
//!
//! fn work(jobs: &LookasideList<Job>, irql: &mut impl Irql) -> Result<u64, Error> {
//!     let mut job = jobs.allocate(Job { number: 1, bytes: [0; 240] }, irql)?;
//!     job.number = 2;
//!     Ok(job.number) // the entry goes back to the list
//! }
//! ```
//!
//! A list cannot be dropped while an entry borrows it.
//!
//! The kit has `ExAllocateFromLookasideListEx` and `ExFreeToLookasideListEx` as inlines, or since
//! Windows 11 22H2 as exports that older systems do not have. So they are written here, over the
//! real `LOOKASIDE_LIST_EX` and with the counters that the system reads when it tunes the depth.

use crate::atomic::{AtomicU32, Ordering};
use core::cell::UnsafeCell;
use core::marker::PhantomData;
use core::mem::{align_of, size_of};
use core::ops::{Deref, DerefMut};
use core::ptr::NonNull;

use wdk_sys::ntddk::{
    ExDeleteLookasideListEx, ExInitializeLookasideListEx, ExQueryDepthSList,
    ExpInterlockedPopEntrySList, ExpInterlockedPushEntrySList,
};
use wdk_sys::{_POOL_TYPE, LOOKASIDE_LIST_EX, PLOOKASIDE_LIST_EX};

use crate::debugger::say;
use crate::irql::Irql;
use crate::pool::{InPool, OutOfMemory, POOL_ALIGNMENT, PoolBox, Tag};
use crate::status::{Error, Status};

/// The least size of an entry: a free one holds the list's link.
const MINIMUM_ENTRY: usize = 16;

/// What a list has done so far.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counters {
    /// Entries handed out.
    pub allocates: u32,
    /// Entries handed out that had to be allocated from pool.
    pub allocate_misses: u32,
    /// Entries given back.
    pub frees: u32,
    /// Entries given back that were freed to pool.
    pub free_misses: u32,
}

/// A list in its place.
#[repr(C, align(16))]
struct Place {
    list: UnsafeCell<LOOKASIDE_LIST_EX>,
    /// How many of the list's `TotalAllocates` got no entry.
    failures: AtomicU32,
}

/// A lookaside list of `T`s in nonpaged pool.
///
/// # Invariants
///
/// The list is initialised and in the system's list of lookaside lists, at a 16-byte aligned place
/// in nonpaged pool from which it never moves; entries have room and alignment for a `T`.
pub struct LookasideList<T> {
    place: PoolBox<Place>,
    entries: PhantomData<T>,
}

// SAFETY: the kernel's list is made for use from any processor; entries move with the list's users
// as `T`s do.
unsafe impl<T: Send> Send for LookasideList<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for LookasideList<T> {}

impl<T> LookasideList<T> {
    const ENTRY: usize = {
        assert!(
            align_of::<T>() <= POOL_ALIGNMENT,
            "an entry of a lookaside list is aligned to 16 bytes"
        );
        assert!(
            size_of::<T>() <= u32::MAX as usize,
            "an entry's size is a ULONG"
        );
        if size_of::<T>() < MINIMUM_ENTRY {
            MINIMUM_ENTRY
        } else {
            size_of::<T>()
        }
    };

    /// An empty list.
    ///
    /// # Errors
    ///
    /// [`Error::NoMemory`], or the status of `ExInitializeLookasideListEx`.
    pub fn try_new(tag: Tag, _irql: &mut impl Irql) -> Result<Self, Error> {
        let place = Place {
            list: UnsafeCell::new(LOOKASIDE_LIST_EX::default()),
            failures: AtomicU32::new(0),
        };
        let place = PoolBox::try_new(place, tag)?;
        // SAFETY: the list is in nonpaged pool, aligned to 16, and stays there until it is deleted
        // on drop; default routines, nonpaged entries of the size computed above, flags and depth 0
        // as demanded; the witness says DISPATCH_LEVEL at most.
        let status = unsafe {
            ExInitializeLookasideListEx(
                place.list.get(),
                None,
                None,
                _POOL_TYPE::NonPagedPoolNx,
                0,
                Self::ENTRY as _,
                tag.0,
                0,
            )
        };
        if status < 0 {
            return Err(Error::Status(Status(status)));
        }
        Ok(Self {
            place,
            entries: PhantomData,
        })
    }

    /// Places a value in an entry.
    ///
    /// # Errors
    ///
    /// [`OutOfMemory`] with the value.
    #[inline]
    pub fn allocate(
        &self,
        value: T,
        _irql: &mut impl Irql,
    ) -> Result<Entry<'_, T>, OutOfMemory<T>> {
        match self.allocate_raw() {
            Some(entry) => {
                // SAFETY: the entry has room and alignment for a `T` and is ours alone.
                unsafe { entry.write(value) };
                Ok(Entry {
                    place: &self.place,
                    entry,
                })
            }
            None => Err(OutOfMemory(value)),
        }
    }

    /// Counters, each read for itself while others may count.
    #[must_use]
    pub fn counters(&self) -> Counters {
        let list = self.list();
        // SAFETY: the fields are aligned words that are only changed by atomic additions here (and
        // by the system, which resets none).
        unsafe {
            Counters {
                allocates: counter(&raw mut (*list).L.TotalAllocates).load(Ordering::Relaxed),
                allocate_misses: counter(&raw mut (*list).L.__bindgen_anon_2.AllocateMisses)
                    .load(Ordering::Relaxed),
                frees: counter(&raw mut (*list).L.TotalFrees).load(Ordering::Relaxed),
                free_misses: counter(&raw mut (*list).L.__bindgen_anon_3.FreeMisses)
                    .load(Ordering::Relaxed),
            }
        }
    }

    /// How many entries are out, by the list's own counters.
    fn outstanding(&self) -> u32 {
        let Counters {
            allocates, frees, ..
        } = self.counters();
        allocates
            .wrapping_sub(frees)
            .wrapping_sub(self.place.failures.load(Ordering::Relaxed))
    }

    #[inline]
    fn list(&self) -> PLOOKASIDE_LIST_EX {
        self.place.list.get()
    }

    /// An entry with nothing in it.
    #[inline]
    pub(crate) fn allocate_raw(&self) -> Option<NonNull<T>> {
        // SAFETY: by the invariant the list is initialised, and an entry has room and alignment for
        // a `T`.
        unsafe { self.place.allocate() }.map(NonNull::cast)
    }

    /// # Safety
    ///
    /// `entry` came from [`LookasideList::allocate_raw`] of this list, is given up, and its value
    /// has been dropped.
    #[inline]
    pub(crate) unsafe fn free_raw(&self, entry: NonNull<T>) {
        // SAFETY: as the caller says.
        unsafe { self.place.free(entry.cast()) };
    }
}

impl Place {
    /// `ExAllocateFromLookasideListEx`, as documented.
    ///
    /// # Safety
    ///
    /// The list is initialised.
    #[inline]
    unsafe fn allocate(&self) -> Option<NonNull<u8>> {
        // The list's head is its first member.
        let list = self.list.get();
        // SAFETY: the list is initialised and in place; its head may be popped on any processor;
        // its counters are aligned words changed only atomically; its allocate routine was set by
        // its initialisation, which puts the system's own in the place of NULL, and takes the
        // list's own type, size and tag.
        let entry = unsafe {
            counter(&raw mut (*list).L.TotalAllocates).fetch_add(1, Ordering::Relaxed);
            let entry = ExpInterlockedPopEntrySList(list.cast());
            if entry.is_null() {
                counter(&raw mut (*list).L.__bindgen_anon_2.AllocateMisses)
                    .fetch_add(1, Ordering::Relaxed);
                let allocate = (*list).L.__bindgen_anon_4.AllocateEx.unwrap_unchecked();
                allocate((*list).L.Type, (*list).L.Size.into(), (*list).L.Tag, list)
            } else {
                entry.cast()
            }
        };
        let entry = NonNull::new(entry.cast());
        if entry.is_none() {
            self.failures.fetch_add(1, Ordering::Relaxed);
        }
        entry
    }

    /// `ExFreeToLookasideListEx`, as documented.
    ///
    /// # Safety
    ///
    /// The list is initialised; `entry` is one of its own, and free memory now.
    #[inline]
    unsafe fn free(&self, entry: NonNull<u8>) {
        let list = self.list.get();
        // SAFETY: as in `allocate`; the entry is free memory of the list's by the caller's word, at
        // least as large as a link and aligned for one.
        unsafe {
            counter(&raw mut (*list).L.TotalFrees).fetch_add(1, Ordering::Relaxed);
            if ExQueryDepthSList(list.cast()) >= (&raw const (*list).L.Depth).read_volatile() {
                counter(&raw mut (*list).L.__bindgen_anon_3.FreeMisses)
                    .fetch_add(1, Ordering::Relaxed);
                let free = (*list).L.__bindgen_anon_5.FreeEx.unwrap_unchecked();
                free(entry.as_ptr().cast(), list);
            } else {
                ExpInterlockedPushEntrySList(list.cast(), entry.as_ptr().cast());
            }
        }
    }
}

/// # Safety
///
/// `field` is an aligned word of an initialised list that is changed only atomically, for the
/// lifetime.
#[inline]
unsafe fn counter<'a>(field: *mut u32) -> &'a AtomicU32 {
    // SAFETY: as the caller says.
    unsafe { AtomicU32::from_ptr(field) }
}

impl<T> Drop for LookasideList<T> {
    fn drop(&mut self) {
        if cfg!(debug_assertions) && self.outstanding() != 0 {
            say(c"kmcl: a lookaside list is deleted, and an entry that was forgotten leaks\n");
        }
        // SAFETY: the list is initialised and in place, and every entry is back or never given
        // back: entries borrow the list, and the channel's own are counted by its rundown
        // protection, which has run down. An entry that was forgotten is a pool block of its own,
        // which the list does not know any more and which stays allocated.
        unsafe { ExDeleteLookasideListEx(self.list()) };
    }
}

/// An entry of a lookaside list; goes back to its list when dropped.
///
/// # Invariants
///
/// `entry` came from a list of `T`s in `place`, holds an initialised `T`, and is this value's
/// alone.
pub struct Entry<'a, T> {
    place: &'a Place,
    entry: NonNull<T>,
}

// SAFETY: an entry owns its value as `T` itself would, and the list may be used from anywhere.
unsafe impl<T: Send> Send for Entry<'_, T> {}
// SAFETY: a shared entry gives only shared access to its value.
unsafe impl<T: Sync> Sync for Entry<'_, T> {}

impl<T> Entry<'_, T> {
    /// Takes the value out and gives the entry back.
    #[must_use]
    #[inline]
    pub fn into_inner(self) -> T {
        let this = core::mem::ManuallyDrop::new(self);
        // SAFETY: the value is moved out, and the entry given back as free memory; this value is
        // not used again.
        unsafe {
            let value = this.entry.read();
            this.place.free(this.entry.cast());
            value
        }
    }
}

impl<T> Deref for Entry<'_, T> {
    type Target = T;
    fn deref(&self) -> &T {
        // SAFETY: by the invariant.
        unsafe { self.entry.as_ref() }
    }
}

impl<T> DerefMut for Entry<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: by the invariant, and this entry is borrowed exclusively.
        unsafe { self.entry.as_mut() }
    }
}

impl<T> Drop for Entry<'_, T> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: by the invariant the value is initialised and ours; the entry is given back once.
        unsafe {
            self.entry.as_ptr().drop_in_place();
            self.place.free(self.entry.cast());
        }
    }
}
