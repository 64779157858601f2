//! Buffers that the host may see, and the memory descriptor lists that describe them.
//!
//! Memory that goes with one request belongs to its [`Transaction`](crate::packet::Transaction),
//! which stays until the host has answered:
//!
//! ```
//! # use kmcl::{mdl::{External, HostBuffer, Mdl}, packet::Transaction, pool::Tag, status::Error};
//! struct Fill { data: Mdl, request: [u8; 8] }
//!
//! impl Fill {
//!     fn try_new(bytes: u32) -> Result<Self, Error> {
//!         let buffer = HostBuffer::try_new(bytes, Tag::new(*b"Fill"))?;
//!         let data = Mdl::try_new(buffer)?;
//!         Ok(Self { data, request: [1; 8] })
//!     }
//! }
//!
//! impl Transaction for Fill {
//!     fn payload(&self) -> &[u8] {
//!         &self.request
//!     }
//!
//!     fn external(&self) -> Result<Option<External<'_>>, Error> {
//!         // Whole pages: whatever of them is not described, the host could see as well.
//!         External::new(self.data.as_ref(), 0, self.data.buffer().length()).map(Some)
//!     }
//! }
//! ```

use core::fmt;
use core::marker::PhantomData;
use core::num::NonZeroU32;
use core::ptr::NonNull;

use wdk_sys::ntddk::{IoAllocateMdl, IoFreeMdl, MmBuildMdlForNonPagedPool};
use wdk_sys::{PFN_NUMBER, PMDL};

use crate::host::{HostBytes, copy_in};
use crate::pool::{PAGE_SIZE, Tag, allocate, free};
use crate::status::{Error, not_zero};

/// Zeroed nonpaged memory of whole pages, on a page boundary, which the host may read and write at
/// any time.
///
/// So it is never seen as a slice: [`HostBuffer::view`] copies out, [`HostBuffer::write`] copies
/// in. Writing takes the buffer exclusively: the host is the only one who may write while a view
/// is read.
///
/// # Invariants
///
/// `start` is a nonpaged pool block of `length` bytes with this tag, owned by this value; `length`
/// is a multiple of the page size.
pub struct HostBuffer {
    start: NonNull<u8>,
    length: u32,
    tag: Tag,
}

// SAFETY: the memory belongs to the value, wherever it is.
unsafe impl Send for HostBuffer {}
// SAFETY: what is shared can only be read, by volatile reads, and writing borrows the value
// exclusively: no two threads of the guest race. The host is outside of the program, as a device
// is: it changes what a volatile read finds, and nothing else.
unsafe impl Sync for HostBuffer {}

impl HostBuffer {
    /// At least `bytes` bytes, in whole pages.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidLength`] for none, [`Error::TooLarge`] above 2 GiB, [`Error::NoMemory`].
    pub fn try_new(bytes: u32, tag: Tag) -> Result<Self, Error> {
        let pages = (not_zero(bytes)?.get() as usize).div_ceil(PAGE_SIZE);
        let bytes = pages.checked_mul(PAGE_SIZE).ok_or(Error::TooLarge)?;
        let length = i32::try_from(bytes)
            .map_err(|_| Error::TooLarge)?
            .cast_unsigned();
        let start = allocate(bytes, tag, true).ok_or(Error::NoMemory)?;
        Ok(Self { start, length, tag })
    }

    /// Its length in bytes, a multiple of the page size.
    #[must_use]
    pub const fn length(&self) -> u32 {
        self.length
    }

    /// The memory, to copy from.
    #[must_use]
    pub const fn view(&self) -> HostBytes<'_> {
        // SAFETY: by the invariant the memory is readable for as long as this value, and in the
        // guest nobody writes it while the view borrows it.
        unsafe { HostBytes::new(self.start.as_ptr(), self.length as usize) }
    }

    /// Copies bytes in at an offset, as many as fit, and says how many.
    #[allow(
        clippy::must_use_candidate,
        reason = "whoever knows that it fits need not ask"
    )]
    pub fn write(&mut self, offset: usize, bytes: &[u8]) -> usize {
        let room = (self.length as usize).saturating_sub(offset);
        let count = room.min(bytes.len());
        // SAFETY: `offset + count` is at most `length` if `count` is not 0; the memory is writable
        // by the invariant, and nobody in the guest reads it meanwhile: it is borrowed exclusively.
        unsafe {
            copy_in(
                bytes.as_ptr(),
                self.start.as_ptr().wrapping_add(offset),
                count,
            );
        };
        count
    }

    pub(crate) const fn as_ptr(&self) -> *mut u8 {
        self.start.as_ptr()
    }
}

/// The name alone: what is in it is the host's.
impl fmt::Debug for HostBuffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HostBuffer")
    }
}

impl Drop for HostBuffer {
    fn drop(&mut self) {
        // SAFETY: by the invariant the block is ours, with this tag.
        unsafe { free(self.start, self.tag) };
    }
}

/// An MDL over a buffer of its own.
///
/// # Invariants
///
/// `mdl` describes the whole of `buffer`.
pub struct Mdl {
    mdl: NonNull<wdk_sys::MDL>,
    buffer: HostBuffer,
}

// SAFETY: the MDL is not changed after it was built.
unsafe impl Send for Mdl {}
// SAFETY: as above.
unsafe impl Sync for Mdl {}

impl Mdl {
    /// Describes a buffer. IRQL: `DISPATCH_LEVEL` or below.
    ///
    /// # Errors
    ///
    /// [`Error::NoMemory`], with the buffer.
    pub fn try_new(buffer: HostBuffer) -> Result<Self, (Error, HostBuffer)> {
        // SAFETY: the range is a buffer below 2 GiB; no IRP, no quota.
        let mdl = unsafe {
            IoAllocateMdl(
                buffer.as_ptr().cast(),
                buffer.length(),
                0,
                0,
                core::ptr::null_mut(),
            )
        };
        let Some(mdl) = NonNull::new(mdl) else {
            return Err((Error::NoMemory, buffer));
        };
        // SAFETY: the MDL describes nonpaged pool, which stays while this value lives.
        unsafe { MmBuildMdlForNonPagedPool(mdl.as_ptr()) };
        Ok(Self { mdl, buffer })
    }

    /// The buffer.
    #[must_use]
    pub const fn buffer(&self) -> &HostBuffer {
        &self.buffer
    }

    /// The buffer, to write to.
    pub const fn buffer_mut(&mut self) -> &mut HostBuffer {
        &mut self.buffer
    }

    /// A reference, to send.
    #[must_use]
    pub const fn as_ref(&self) -> MdlRef<'_> {
        MdlRef {
            mdl: self.mdl,
            length: self.buffer.length(),
            lifetime: PhantomData,
        }
    }
}

impl fmt::Debug for Mdl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Mdl")
    }
}

impl Drop for Mdl {
    fn drop(&mut self) {
        // SAFETY: the MDL came from `IoAllocateMdl` and nobody uses it any more: references borrow
        // this value.
        unsafe { IoFreeMdl(self.mdl.as_ptr()) };
    }
}

/// A reference to an MDL, or a chain of them, of locked or nonpaged pages.
///
/// # Invariants
///
/// The chain describes at least `length` bytes of pages that stay resident for the lifetime.
#[derive(Clone, Copy)]
pub struct MdlRef<'a> {
    mdl: NonNull<wdk_sys::MDL>,
    length: u32,
    lifetime: PhantomData<&'a Mdl>,
}

impl MdlRef<'_> {
    /// Takes an MDL of the driver's, such as that of a request with direct I/O.
    ///
    /// # Safety
    ///
    /// The invariants hold, for a lifetime that the caller answers for.
    #[must_use]
    pub const unsafe fn from_raw(mdl: NonNull<wdk_sys::MDL>, length: u32) -> Self {
        Self {
            mdl,
            length,
            lifetime: PhantomData,
        }
    }

    /// Bytes described.
    #[must_use]
    pub const fn length(&self) -> u32 {
        self.length
    }

    pub(crate) const fn as_ptr(&self) -> PMDL {
        self.mdl.as_ptr()
    }
}

/// The part of an MDL that goes with a packet.
///
/// # Invariants
///
/// It lies within the MDL, and is never empty: to KMCL a length of zero would mean all of it.
#[derive(Clone, Copy)]
pub struct External<'a> {
    pub(crate) mdl: MdlRef<'a>,
    pub(crate) offset: u32,
    pub(crate) length: NonZeroU32,
}

impl<'a> External<'a> {
    /// A part of an MDL: `length` bytes from the offset on.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidLength`] for a length of 0, and for a part that is not within the MDL.
    pub fn new(mdl: MdlRef<'a>, offset: u32, length: u32) -> Result<Self, Error> {
        let length = not_zero(length)?;
        let end = offset
            .checked_add(length.get())
            .ok_or(Error::InvalidLength)?;
        if end > mdl.length {
            return Err(Error::InvalidLength);
        }
        Ok(Self {
            mdl,
            offset,
            length,
        })
    }
}

/// A page frame number.
pub type PageFrame = PFN_NUMBER;
