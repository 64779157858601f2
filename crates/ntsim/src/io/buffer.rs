//! The memory that a request's data lives in while a driver has it.
//!
//! ```text
//!   buffered    user's bytes --copy--> system buffer in nonpaged pool --copy (on success or warning)--> user's bytes
//!   direct      user's pages, locked, described by an MDL; the driver works on the pages themselves
//!   neither     the user's address, as it is
//! ```
//!
//! All of it is gone the moment the request is completed, so a driver that touches a buffer later
//! faults.

use std::cell::Cell;
use std::ptr::NonNull;

use wdk_sys_lite::{
    _MDL, _WDF_DEVICE_IO_TYPE, METHOD_BUFFERED, METHOD_IN_DIRECT, METHOD_NEITHER,
    METHOD_OUT_DIRECT, NTSTATUS, PMDL, STATUS_INSUFFICIENT_RESOURCES, WDF_DEVICE_IO_TYPE,
};

use crate::bugcheck::verifier_violation;
use crate::kernel::{kernel, try_kernel};
use crate::mm::unwritten::{self, Origin};
use crate::mm::watch::Watched;
use crate::mm::{self, Owner, finding};

/// `IoSB` as a pool tag.
const SYSTEM_BUFFER_TAG: u32 = u32::from_le_bytes(*b"IoSB");

const PAGE: usize = mm::PAGE_SIZE;

/// How a request's data reaches the driver.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Method {
    /// Through a system buffer, in both directions.
    Buffered,
    /// Input through a system buffer; the second buffer is an MDL that the driver reads.
    InDirect,
    /// Input through a system buffer; the second buffer is an MDL that the driver writes.
    OutDirect,
    /// The user's addresses.
    Neither,
}

impl Method {
    /// The method that a device control code carries in its two lowest bits.
    #[must_use]
    pub fn of_control_code(code: u32) -> Self {
        match code & 3 {
            METHOD_BUFFERED => Self::Buffered,
            METHOD_IN_DIRECT => Self::InDirect,
            METHOD_OUT_DIRECT => Self::OutDirect,
            METHOD_NEITHER.. => Self::Neither,
        }
    }

    /// The method of reads (`OutDirect`) or writes (`InDirect`) on a device of an I/O type.
    #[must_use]
    pub fn of_io_type(io_type: WDF_DEVICE_IO_TYPE, read: bool) -> Self {
        match io_type {
            _WDF_DEVICE_IO_TYPE::WdfDeviceIoNeither => Self::Neither,
            _WDF_DEVICE_IO_TYPE::WdfDeviceIoDirect if read => Self::OutDirect,
            _WDF_DEVICE_IO_TYPE::WdfDeviceIoDirect => Self::InDirect,
            _ => Self::Buffered,
        }
    }

    /// Whether a second buffer is described by an MDL.
    #[must_use]
    pub fn is_direct(self) -> bool {
        matches!(self, Self::InDirect | Self::OutDirect)
    }
}

/// A block of nonpaged pool that holds a copy of the user's data.
pub(crate) struct SystemBuffer {
    pointer: NonNull<u8>,
    length: usize,
}

impl SystemBuffer {
    /// `length` (not 0) bytes that begin with a copy of `data`; the rest is whatever the pool had.
    pub(crate) fn new(length: usize, data: &[u8]) -> Result<Self, NTSTATUS> {
        let pointer = mm::pool::allocate(length, SYSTEM_BUFFER_TAG, false, Owner::Io)
            .ok_or(STATUS_INSUFFICIENT_RESOURCES)?;
        let copied = data.len().min(length);
        if copied != 0 {
            kernel().tally.copied(copied);
        }
        // SAFETY: the block is new and has `length` bytes, at least `copied`; `data` is elsewhere.
        unsafe {
            let origin = Origin::of("a request's system buffer", (length, data.len()));
            unwritten::mark(pointer.as_ptr(), length, origin);
            std::ptr::copy_nonoverlapping(data.as_ptr(), pointer.as_ptr(), copied);
        }
        Ok(Self { pointer, length })
    }

    pub(crate) fn address(&self) -> *mut u8 {
        self.pointer.as_ptr()
    }

    /// Copies what the driver left to the user: so many bytes, whatever the buffers' lengths, as the
    /// I/O manager does. More than there are is a finding.
    fn copy_out(&self, to: &mut [u8], count: usize) {
        // Writes, and control requests without output, have nothing copied back.
        if count > to.len() && !to.is_empty() && kernel().config.verifier {
            verifier_violation(
                [
                    finding::INFORMATION_TOO_LARGE,
                    count as u64,
                    to.len() as u64,
                    0,
                ],
                format!(
                    "a request was completed with information {count}; the I/O manager copies so many \
                     bytes to the user's buffer, which has {}",
                    to.len()
                ),
            );
        }
        let count = count.min(self.length).min(to.len());
        if count != 0 {
            kernel().tally.copied(count);
        }
        // SAFETY: the block is alive until `self` is dropped, and `count` is within both.
        unsafe {
            unwritten::leaves(self.pointer.as_ptr(), count, "user mode");
            std::ptr::copy_nonoverlapping(self.pointer.as_ptr(), to.as_mut_ptr(), count);
        }
    }
}

impl Drop for SystemBuffer {
    /// After the machine's end, with a request that was still pending, its memory is gone as a
    /// whole.
    fn drop(&mut self) {
        if try_kernel().is_some() {
            mm::pool::free(self.pointer, Owner::Io);
        }
    }
}

/// A user's buffer in pages of guest memory, at a random place within its first page as users'
/// buffers are.
pub(crate) struct UserMemory {
    /// Goes before the pages do.
    watched: Option<Watched>,
    pages: mm::pages::KernelPages,
    offset: usize,
    length: usize,
}

impl UserMemory {
    /// A buffer of `data`'s length (not 0) and content.
    pub(crate) fn new(data: &[u8]) -> Result<Self, NTSTATUS> {
        // Any address for single bytes up to the usual alignment of an allocation.
        let offset = usize::try_from(kernel().sched.random(PAGE as u64 / 16)).unwrap_or(0) * 16;
        let count = (offset + data.len()).div_ceil(PAGE);
        let pages = mm::pages::allocate(count, Owner::Io).ok_or(STATUS_INSUFFICIENT_RESOURCES)?;
        let mut memory = Self {
            watched: None,
            pages,
            offset,
            length: data.len(),
        };
        // SAFETY: `address` has `data.len()` bytes of these pages, which nobody else knows yet.
        unsafe { std::ptr::copy_nonoverlapping(data.as_ptr(), memory.address(), data.len()) };
        if let Some(start) = NonNull::new(memory.address()) {
            // SAFETY: the pages stay until the watch is over, and hold this buffer alone.
            memory.watched = unsafe { Watched::new("a user's buffer", start, data.len(), true) };
        }
        Ok(memory)
    }

    pub(crate) fn address(&self) -> *mut u8 {
        // SAFETY: the pages hold `offset + length` bytes.
        unsafe { self.pages.address().as_ptr().add(self.offset) }
    }

    /// Whether a range of addresses lies within.
    pub(crate) fn contains(&self, address: usize, length: usize) -> bool {
        let start = self.address().addr();
        address >= start && length <= self.length && address - start <= self.length - length
    }

    fn copy_out(&self, to: &mut [u8]) {
        let count = self.length.min(to.len());
        // SAFETY: the pages are alive until `self` is dropped, and `count` is within both.
        unsafe { std::ptr::copy_nonoverlapping(self.address(), to.as_mut_ptr(), count) };
    }
}

/// An MDL over memory that is mapped and stays while the request does.
pub(crate) struct Mdl(NonNull<_MDL>);

impl Mdl {
    /// Describes `length` (not 0) bytes of guest memory.
    fn new(address: *mut u8, length: usize) -> Result<Self, NTSTATUS> {
        NonNull::new(address)
            .and_then(|address| mm::mdl::new(address, length))
            .map(Self)
            .ok_or(STATUS_INSUFFICIENT_RESOURCES)
    }

    pub(crate) fn pointer(&self) -> PMDL {
        self.0.as_ptr()
    }
}

impl Drop for Mdl {
    fn drop(&mut self) {
        if try_kernel().is_some() {
            mm::mdl::free(self.0);
        }
    }
}

/// Locked user pages with the MDL that describes them.
pub(crate) struct Direct {
    mdl: Mdl,
    memory: UserMemory,
    mapped: Cell<bool>,
}

impl Direct {
    fn new(memory: UserMemory) -> Result<Self, NTSTATUS> {
        let mdl = Mdl::new(memory.address(), memory.length)?;
        Ok(Self {
            mdl,
            memory,
            mapped: Cell::new(false),
        })
    }

    pub(crate) fn mdl(&self) -> PMDL {
        self.mdl.pointer()
    }

    /// The system address of the locked pages. Mapping them, the first time, can fail.
    pub(crate) fn map(&self) -> Option<NonNull<u8>> {
        if !self.mapped.get() {
            if kernel().should_fail() {
                return None;
            }
            self.mapped.set(true);
        }
        NonNull::new(self.memory.address())
    }
}

/// All buffers of one request.
#[derive(Default)]
pub(crate) struct Buffers {
    pub(crate) system: Option<SystemBuffer>,
    pub(crate) direct: Option<Direct>,
    /// The user's input buffer of a `Neither` request.
    pub(crate) user_input: Option<UserMemory>,
    /// The user's output buffer of a `Neither` request.
    pub(crate) user_output: Option<UserMemory>,
    /// An MDL over the system buffer, once a driver has asked for one.
    pub(crate) system_mdl: Option<Mdl>,
}

impl Buffers {
    /// Buffers of a request with input data and an output buffer (with what the user had in it).
    pub(crate) fn new(method: Method, input: &[u8], output: &[u8]) -> Result<Self, NTSTATUS> {
        let mut buffers = Self::default();
        let system = match method {
            Method::Buffered => input.len().max(output.len()),
            Method::InDirect | Method::OutDirect => input.len(),
            Method::Neither => 0,
        };
        if system > 0 {
            buffers.system = Some(SystemBuffer::new(system, input)?);
        }
        if method.is_direct() && !output.is_empty() {
            buffers.direct = Some(Direct::new(UserMemory::new(output)?)?);
        }
        if method == Method::Neither {
            if !input.is_empty() {
                buffers.user_input = Some(UserMemory::new(input)?);
            }
            if !output.is_empty() {
                buffers.user_output = Some(UserMemory::new(output)?);
            }
        }
        Ok(buffers)
    }

    /// Buffers of a write: the data is the one buffer.
    pub(crate) fn for_write(method: Method, data: &[u8]) -> Result<Self, NTSTATUS> {
        if method.is_direct() {
            Self::new(method, &[], data)
        } else {
            Self::new(method, data, &[])
        }
    }

    /// The system buffer's address; null without one.
    pub(crate) fn system_address(&self) -> *mut u8 {
        self.system
            .as_ref()
            .map_or(std::ptr::null_mut(), SystemBuffer::address)
    }

    /// An MDL over the first `length` bytes of the system buffer.
    pub(crate) fn system_mdl(&mut self, length: usize) -> Result<PMDL, NTSTATUS> {
        if self.system_mdl.is_none() {
            if kernel().should_fail() {
                return Err(STATUS_INSUFFICIENT_RESOURCES);
            }
            self.system_mdl = Some(Mdl::new(self.system_address(), length)?);
        }
        let mdl = self.system_mdl.as_ref().map(Mdl::pointer);
        mdl.ok_or(STATUS_INSUFFICIENT_RESOURCES)
    }

    /// Gives the user what the driver produced: `count` bytes of the system buffer if `copy_back`,
    /// and all of what the driver could write directly.
    pub(crate) fn copy_out(&self, output: &mut [u8], count: usize, copy_back: bool) {
        match (&self.system, &self.direct, &self.user_output) {
            (_, Some(direct), _) => direct.memory.copy_out(output),
            (_, None, Some(memory)) => memory.copy_out(output),
            (Some(system), None, None) if copy_back => system.copy_out(output, count),
            _ => {}
        }
    }
}
