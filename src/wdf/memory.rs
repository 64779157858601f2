//! Nonpaged memory of a length that is known only at run time.

use core::ptr::NonNull;

use kmcl::irql::Irql;
use kmcl::status::Status;
use wdk_sys::{
    _POOL_TYPE, PVOID, STATUS_INSUFFICIENT_RESOURCES, WDF_NO_OBJECT_ATTRIBUTES, WDFMEMORY,
    call_unsafe_wdf_function_binding,
};

use super::{Result, check};

/// A block of nonpaged pool, as a framework object: the framework reports one that is left at
/// unload.
///
/// # Invariants
///
/// `object` is a memory object of this value's own; `bytes` is its buffer, `length` initialised
/// bytes.
#[derive(Debug)]
pub struct Memory {
    object: WDFMEMORY,
    bytes: NonNull<u8>,
    length: usize,
}

// SAFETY: memory objects may be used from any thread, and this value is the buffer's only owner.
unsafe impl Send for Memory {}
// SAFETY: a shared value gives only shared access to the buffer.
unsafe impl Sync for Memory {}

impl Memory {
    /// Allocates `length` bytes, all zero.
    ///
    /// # Errors
    ///
    /// `STATUS_INSUFFICIENT_RESOURCES`; `STATUS_INVALID_PARAMETER` for no bytes.
    pub fn try_new(length: usize, tag: [u8; 4], _irql: &mut impl Irql) -> Result<Self> {
        let mut object: WDFMEMORY = core::ptr::null_mut();
        let mut buffer: PVOID = core::ptr::null_mut();
        // SAFETY: nonpaged memory may be created at DISPATCH_LEVEL and below, which the witness
        // says this is; both results are locals.
        check(unsafe {
            call_unsafe_wdf_function_binding!(
                WdfMemoryCreate,
                WDF_NO_OBJECT_ATTRIBUTES,
                _POOL_TYPE::NonPagedPoolNx,
                u32::from_le_bytes(tag),
                length,
                &raw mut object,
                &raw mut buffer,
            )
        })?;
        let Some(bytes) = NonNull::new(buffer.cast::<u8>()) else {
            return Err(Status(STATUS_INSUFFICIENT_RESOURCES));
        };
        // SAFETY: the buffer has `length` bytes and is ours alone.
        unsafe { bytes.write_bytes(0, length) };
        Ok(Self {
            object,
            bytes,
            length,
        })
    }

    /// The bytes.
    pub const fn bytes(&self) -> &[u8] {
        // SAFETY: by the invariant.
        unsafe { core::slice::from_raw_parts(self.bytes.as_ptr(), self.length) }
    }

    /// The bytes.
    pub const fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: by the invariant, and this value is borrowed exclusively.
        unsafe { core::slice::from_raw_parts_mut(self.bytes.as_ptr(), self.length) }
    }
}

/// Copies as many bytes as both have, and says how many: `copy_from_slice` without its panic, which
/// has no place in a kernel.
pub fn copy(from: &[u8], to: &mut [u8]) -> usize {
    let count = from.len().min(to.len());
    // SAFETY: both are valid for `count` bytes, and an exclusive borrow overlaps nothing.
    unsafe { core::ptr::copy_nonoverlapping(from.as_ptr(), to.as_mut_ptr(), count) };
    count
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: by the invariant the object is ours; it is deleted once, at DISPATCH_LEVEL or
        // below like all of this driver.
        unsafe { call_unsafe_wdf_function_binding!(WdfObjectDelete, self.object.cast()) };
    }
}
