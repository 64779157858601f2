//! A view of memory that guest and host share.
//!
//! Each side has its own view, over its own mapping of the same page frames. All of a machine's
//! code runs on one thread of the real system, so accesses never race; what the other side does
//! happens between them, at scheduling points.

use std::any::Any;
use std::ptr::NonNull;
use std::rc::Rc;
use std::sync::atomic::{AtomicU32, Ordering};

/// Bytes in a page frame.
pub(crate) const PAGE: usize = 4096;

/// A mapping of shared memory, readable and writable for as long as this lives.
pub(crate) struct Shared {
    base: NonNull<u8>,
    length: usize,
    _keeper: Rc<dyn Any>,
}

impl Shared {
    /// # Safety
    ///
    /// `base` points to `length` bytes, aligned to a page, that stay readable and writable while
    /// `keeper` lives.
    pub(crate) unsafe fn new(base: NonNull<u8>, length: usize, keeper: Rc<dyn Any>) -> Self {
        Self {
            base,
            length,
            _keeper: keeper,
        }
    }

    pub(crate) fn length(&self) -> usize {
        self.length
    }

    /// The address of a range, which must be in the view.
    pub(crate) fn pointer(&self, offset: usize, length: usize) -> NonNull<u8> {
        let end = offset.checked_add(length);
        assert!(
            end.is_some_and(|end| end <= self.length),
            "{length} bytes at {offset} are not in a view of {} bytes",
            self.length
        );
        // SAFETY: the offset is in the view, or one past its end for an empty range.
        unsafe { self.base.add(offset) }
    }

    fn word(&self, offset: usize) -> &AtomicU32 {
        assert!(offset.is_multiple_of(4), "a control word at {offset}");
        let pointer = self.pointer(offset, 4).cast::<AtomicU32>();
        // SAFETY: four bytes in the view, aligned, alive as long as the view; both sides use atomic
        // accesses for them.
        unsafe { pointer.as_ref() }
    }

    /// Reads a control word.
    pub(crate) fn load(&self, offset: usize) -> u32 {
        self.word(offset).load(Ordering::SeqCst)
    }

    /// Writes a control word.
    pub(crate) fn store(&self, offset: usize, value: u32) {
        self.word(offset).store(value, Ordering::SeqCst);
    }

    /// Copies out of the view.
    pub(crate) fn read(&self, offset: usize, into: &mut [u8]) {
        let from = self.pointer(offset, into.len());
        // SAFETY: the range is in the view; `into` is a buffer of this side's own, so the two do
        // not overlap.
        unsafe { from.copy_to_nonoverlapping(NonNull::from(&mut *into).cast(), into.len()) };
    }

    /// Copies into the view.
    pub(crate) fn write(&self, offset: usize, bytes: &[u8]) {
        let to = self.pointer(offset, bytes.len());
        // SAFETY: the range is in the view; `bytes` is not, for views are only reached through this
        // type.
        unsafe { to.copy_from(NonNull::from(bytes).cast(), bytes.len()) };
    }

    /// Overwrites a range with one byte.
    pub(crate) fn fill(&self, offset: usize, length: usize, byte: u8) {
        let to = self.pointer(offset, length);
        // SAFETY: the range is in the view.
        unsafe { to.write_bytes(byte, length) };
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::{PAGE, Shared};
    use std::ptr::NonNull;
    use std::rc::Rc;

    #[repr(align(4096))]
    #[derive(Clone)]
    struct Page(#[allow(dead_code, reason = "read through views only")] [u8; PAGE]);

    /// Two views of the same pages: one for each side.
    pub(crate) fn two_views(pages: usize) -> (Rc<Shared>, Rc<Shared>) {
        let memory: Rc<std::cell::UnsafeCell<Vec<Page>>> =
            Rc::new(std::cell::UnsafeCell::new(vec![Page([0; PAGE]); pages]));
        // SAFETY: nobody else refers to the vector, which is never resized.
        let base = NonNull::new(unsafe { (*memory.get()).as_mut_ptr() })
            .expect("a vector's memory")
            .cast();
        let view = || {
            // SAFETY: the pages are aligned and live as long as the vector, which the view keeps.
            Rc::new(unsafe {
                Shared::new(
                    base,
                    pages * PAGE,
                    Rc::clone(&memory) as Rc<dyn std::any::Any>,
                )
            })
        };
        (view(), view())
    }

    #[test]
    fn both_views_show_the_same_memory() {
        let (one, other) = two_views(1);
        one.write(8, b"shared");
        let mut bytes = [0; 6];
        other.read(8, &mut bytes);
        assert_eq!(&bytes, b"shared");
        other.store(64, 7);
        assert_eq!(one.load(64), 7);
    }

    #[test]
    #[should_panic(expected = "are not in a view")]
    fn a_range_beyond_the_view_is_refused() {
        let (one, _) = two_views(1);
        one.fill(PAGE - 4, 8, 0);
    }
}
