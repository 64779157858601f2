//! A place for a value that is made once, and read from any processor.

use core::cell::UnsafeCell;
use core::mem::MaybeUninit;

use crate::atomic::{AtomicBool, Ordering};

/// The memory of a context: all zeros, as the framework makes it, is an empty slot.
///
/// # Invariants
///
/// `value` is initialised once `ready` is set.
#[repr(C)]
pub struct Slot<T> {
    ready: AtomicBool,
    value: UnsafeCell<MaybeUninit<T>>,
}

// SAFETY: the value is shared as it is; putting and taking are unsafe, and one at a time.
unsafe impl<T: Send + Sync> Sync for Slot<T> {}

impl<T> Slot<T> {
    /// An empty one, where it is not the framework that makes it.
    #[allow(
        dead_code,
        reason = "the models make theirs; the driver's are made of zeros"
    )]
    pub fn new() -> Self {
        Self {
            ready: AtomicBool::new(false),
            value: UnsafeCell::new(MaybeUninit::uninit()),
        }
    }

    /// Puts the value in. False, and the value dropped, if there is one already.
    ///
    /// # Safety
    ///
    /// Nobody else puts or takes at the same time.
    pub unsafe fn put(&self, value: T) -> bool {
        if self.ready.load(Ordering::Acquire) {
            return false;
        }
        // SAFETY: the slot is empty, so nobody reads the value, and the caller is alone in writing
        // it.
        unsafe { (*self.value.get()).write(value) };
        self.ready.store(true, Ordering::Release);
        true
    }

    /// The value, if there is one.
    ///
    /// # Safety
    ///
    /// It is not taken while the reference lives.
    pub unsafe fn get(&self) -> Option<&T> {
        if !self.ready.load(Ordering::Acquire) {
            return None;
        }
        // SAFETY: by the invariant the value is initialised, and it stays.
        Some(unsafe { (*self.value.get()).assume_init_ref() })
    }

    /// Takes the value out.
    ///
    /// # Safety
    ///
    /// Nobody uses the value any more, and nobody else puts or takes at the same time. If it is not
    /// `Send`, the caller is where it may be used and dropped.
    pub unsafe fn take(&self) -> Option<T> {
        if !self.ready.swap(false, Ordering::AcqRel) {
            return None;
        }
        // SAFETY: by the invariant the value was initialised; the slot is empty now, so it is moved
        // out once.
        Some(unsafe { (*self.value.get()).assume_init_read() })
    }
}
