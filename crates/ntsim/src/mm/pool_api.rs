//! Pool as drivers call it.

use wdk_sys_lite::{
    POOL_FLAG_CACHE_ALIGNED, POOL_FLAG_NON_PAGED, POOL_FLAG_NON_PAGED_EXECUTE, POOL_FLAG_PAGED,
    POOL_FLAG_RAISE_ON_FAILURE, POOL_FLAG_SESSION, POOL_FLAG_UNINITIALIZED, POOL_FLAG_USE_QUOTA,
    POOL_FLAGS, PVOID, SIZE_T, ULONG,
};

use crate::bugcheck::{StopCode, bug_check, verifier_violation};
use crate::kernel::kernel;
use crate::nt_export;

use super::unwritten::{self, Origin};
use super::{current_owner, pool};

/// Flags that the kernel refuses if it does not know them; the upper half are hints.
const REQUIRED: POOL_FLAGS = 0xFFFF_FFFF;

const KNOWN: POOL_FLAGS = POOL_FLAG_USE_QUOTA
    | POOL_FLAG_UNINITIALIZED
    | POOL_FLAG_SESSION
    | POOL_FLAG_CACHE_ALIGNED
    | POOL_FLAG_RAISE_ON_FAILURE
    | POOL_FLAG_NON_PAGED
    | POOL_FLAG_NON_PAGED_EXECUTE
    | POOL_FLAG_PAGED;

/// Whether a tag is one to four characters of printable ASCII.
fn is_printable(tag: u32) -> bool {
    let bytes = tag.to_le_bytes();
    let length = bytes
        .iter()
        .rposition(|byte| *byte != 0)
        .map_or(0, |last| last + 1);
    bytes
        .iter()
        .take(length)
        .all(|byte| (0x20..=0x7E).contains(byte))
}

fn allocate(flags: POOL_FLAGS, bytes: SIZE_T, tag: ULONG) -> PVOID {
    let kernel = kernel();
    let kinds = flags & (POOL_FLAG_NON_PAGED | POOL_FLAG_NON_PAGED_EXECUTE | POOL_FLAG_PAGED);
    if tag == 0 {
        if kernel.config.verifier {
            bug_check(
                StopCode::BAD_POOL_CALLER,
                [0x9B, flags, bytes, 0],
                "pool is allocated with a tag of 0",
            );
        }
        return std::ptr::null_mut();
    }
    if kernel.config.verifier && !is_printable(tag) {
        bug_check(
            StopCode::BAD_POOL_CALLER,
            [0x9D, u64::from(tag), flags, 0],
            format!("pool is allocated with tag {tag:#x}, which is not printable"),
        );
    }
    if bytes == 0 {
        let irql = u64::from(kernel.sched.current().irql());
        verifier_violation([0x00, irql, flags, 0], "pool of 0 bytes is allocated");
        return std::ptr::null_mut();
    }
    if kinds.count_ones() != 1 || flags & REQUIRED & !KNOWN != 0 {
        return std::ptr::null_mut();
    }
    if flags & POOL_FLAG_SESSION != 0 {
        bug_check(
            StopCode::NTSIM_MISSING_FUNCTION,
            [flags, bytes, u64::from(tag), 0],
            "ExAllocatePool2 with POOL_FLAG_SESSION: the simulated system has no session pool",
        );
    }
    if kinds == POOL_FLAG_NON_PAGED_EXECUTE {
        verifier_violation(
            [0x2000, 0, flags, u64::from(tag)],
            "executable pool is allocated",
        );
    }
    let Ok(length) = usize::try_from(bytes) else {
        return std::ptr::null_mut();
    };
    let alignment = if flags & POOL_FLAG_CACHE_ALIGNED == 0 {
        pool::ALIGNMENT
    } else {
        pool::CACHE_LINE
    };
    let paged = kinds == POOL_FLAG_PAGED;
    let block = if kernel.should_fail() {
        None
    } else {
        pool::allocate_aligned(length, tag, paged, current_owner(), alignment)
    };
    let Some(block) = block else {
        if flags & POOL_FLAG_RAISE_ON_FAILURE != 0 {
            bug_check(
                StopCode::KMODE_EXCEPTION_NOT_HANDLED,
                [0xC000_009A, 0, 0, 0],
                "ExAllocatePool2 raised STATUS_INSUFFICIENT_RESOURCES, as POOL_FLAG_RAISE_ON_FAILURE asks",
            );
        }
        return std::ptr::null_mut();
    };
    if flags & POOL_FLAG_UNINITIALIZED != 0 {
        let stack = pool::stack_of(block);
        // SAFETY: the block has just been allocated with this length, and nobody else knows it.
        unsafe {
            unwritten::mark(
                block.as_ptr(),
                length,
                Origin::at("uninitialised pool", stack),
            );
        }
    }
    block.as_ptr().cast()
}

nt_export! {
    /// Allocates pool; zeroed unless the flags say otherwise.
    irql(<= DISPATCH_LEVEL) fn ExAllocatePool2(Flags: POOL_FLAGS, NumberOfBytes: SIZE_T, Tag: ULONG) -> PVOID {
        allocate(Flags, NumberOfBytes, Tag)
    }

    /// Frees pool.
    irql(<= DISPATCH_LEVEL) fn ExFreePool(P: PVOID) {
        pool::free_checked(P.addr(), None, current_owner());
    }

    /// Frees pool whose tag the caller knows; a tag of 0 is not compared.
    irql(<= DISPATCH_LEVEL) fn ExFreePoolWithTag(P: PVOID, Tag: ULONG) {
        pool::free_checked(P.addr(), Some(Tag), current_owner());
    }
}
