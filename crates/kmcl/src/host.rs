//! Memory that the host may still write.
//!
//! Bytes from the other side of a channel can change while they are read; a `&[u8]` over them would
//! be undefined behaviour, and a length checked once could be another when used. So they are seen
//! through [`HostBytes`], which only copies out: each value is read once, and what was read is the
//! driver's own.
//!
//! ```
//! # use kmcl::host::HostBytes;
//! use zerocopy::{FromBytes, Immutable, IntoBytes};
//!
//! #[derive(FromBytes, IntoBytes, Immutable)]
//! #[repr(C)]
//! struct Header { kind: u16, count: u16, length: u32 }
//!
//! /// The sum of a list of 32-bit values behind a header; none if it is cut off.
//! fn total(message: HostBytes<'_>) -> Option<u32> {
//!     let mut reader = message.reader();
//!     let header = reader.read::<Header>()?;
//!     let mut sum = 0_u32;
//!     for _ in 0..header.count {
//!         sum = sum.wrapping_add(reader.read::<u32>()?);
//!     }
//!     Some(sum)
//! }
//! ```

use core::marker::PhantomData;
use core::mem::MaybeUninit;

use zerocopy::{FromBytes, Immutable, IntoBytes};

/// A view of memory that the host may write at any time.
///
/// # Invariants
///
/// `start` is valid for reads of `length` bytes for the lifetime, and nobody in the guest writes
/// them meanwhile. The host may: what is read may change between two reads.
#[derive(Clone, Copy)]
pub struct HostBytes<'a> {
    start: *const u8,
    length: usize,
    lifetime: PhantomData<&'a ()>,
}

impl<'a> HostBytes<'a> {
    /// # Safety
    ///
    /// `start` is valid for reads of `length` bytes for `'a`, or `length` is 0. Nobody in the guest
    /// writes them meanwhile.
    #[inline]
    pub(crate) const unsafe fn new(start: *const u8, length: usize) -> Self {
        Self {
            start,
            length,
            lifetime: PhantomData,
        }
    }

    /// Bytes in the view. On a raw channel this is the sent length rounded up to 8: protocols carry
    /// their own.
    #[must_use]
    #[inline]
    pub const fn len(&self) -> usize {
        self.length
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// The part from `offset` on, at most `length` bytes; none if `offset` is beyond the end.
    #[must_use]
    #[inline]
    pub fn part(&self, offset: usize, length: usize) -> Option<HostBytes<'a>> {
        let left = self.length.checked_sub(offset)?;
        // The offset is within the view, so the pointer stays within what it was made for.
        Some(Self {
            start: self.start.wrapping_add(offset),
            length: left.min(length),
            lifetime: PhantomData,
        })
    }

    /// Copies as many bytes as both sides have, and says how many.
    #[inline]
    pub fn copy_to(&self, target: &mut [u8]) -> usize {
        let count = self.length.min(target.len());
        // SAFETY: the view is valid for `count` bytes by its invariant, and the target has as many.
        unsafe { copy_out(self.start, target.as_mut_ptr(), count) };
        count
    }

    /// Reads a value of the wire format at an offset; none if it does not fit.
    #[must_use]
    #[inline]
    pub fn read<T: FromBytes + IntoBytes + Immutable>(&self, offset: usize) -> Option<T> {
        let part = self.part(offset, size_of::<T>())?;
        if part.length < size_of::<T>() {
            return None;
        }
        let mut value = MaybeUninit::<T>::uninit();
        // SAFETY: the part has the value's size, as just checked; the copy initialises all of the
        // value, of which any bytes are one.
        unsafe {
            copy_out(part.start, value.as_mut_ptr().cast(), size_of::<T>());
            Some(value.assume_init())
        }
    }

    /// A cursor from the first byte on.
    #[must_use]
    pub const fn reader(&self) -> Reader<'a> {
        Reader { rest: *self }
    }
}

/// Reads one value after another, each byte at most once.
///
/// # Invariants
///
/// `rest` is what lies behind everything that was read.
#[derive(Clone, Copy)]
pub struct Reader<'a> {
    rest: HostBytes<'a>,
}

impl<'a> Reader<'a> {
    /// The next value; none if fewer bytes are left.
    #[inline]
    pub fn read<T: FromBytes + IntoBytes + Immutable>(&mut self) -> Option<T> {
        let value = self.rest.read(0)?;
        self.rest = self.rest.part(size_of::<T>(), usize::MAX)?;
        Some(value)
    }

    /// What has not been read.
    #[must_use]
    pub const fn rest(&self) -> HostBytes<'a> {
        self.rest
    }
}

/// Eight bytes wherever they lie. The processors of Windows read them with one instruction.
#[derive(Clone, Copy)]
#[repr(C, packed)]
struct Word(u64);

/// Calls one of both for each word, and for each byte behind the last whole word, of so many bytes:
/// with its offset.
#[inline]
fn each_word(count: usize, word: impl Fn(usize), byte: impl Fn(usize)) {
    const WORD: usize = size_of::<Word>();
    let tail = count & !(WORD.wrapping_sub(1));
    (0..tail).step_by(WORD).for_each(word);
    (tail..count).for_each(byte);
}

/// Copies bytes that the host may write meanwhile, each read once.
///
/// # Safety
///
/// `from` is valid for reads and `to` for writes of `count` bytes, and they do not overlap.
#[inline]
unsafe fn copy_out(from: *const u8, to: *mut u8, count: usize) {
    each_word(
        count,
        // SAFETY: the word lies within `count` bytes, for which the caller vouches, and needs no
        // alignment.
        |at| unsafe {
            let word = from.add(at).cast::<Word>().read_volatile();
            to.add(at).cast::<Word>().write(word);
        },
        // SAFETY: the offset is below `count`, for which the caller vouches.
        |at| unsafe { to.add(at).write(from.add(at).read_volatile()) },
    );
}

/// Copies bytes to memory that the host may read and write meanwhile, each written once.
///
/// # Safety
///
/// As [`copy_out`].
pub(crate) unsafe fn copy_in(from: *const u8, to: *mut u8, count: usize) {
    each_word(
        count,
        // SAFETY: as in `copy_out`.
        |at| unsafe {
            let word = from.add(at).cast::<Word>().read();
            to.add(at).cast::<Word>().write_volatile(word);
        },
        // SAFETY: as in `copy_out`.
        |at| unsafe { to.add(at).write_volatile(from.add(at).read()) },
    );
}
