//! Memory descriptor lists over real page frames.
//!
//! ```text
//!   IoAllocateMdl --> described --MmProbeAndLockPages-->  locked --MmMapLockedPages...--> locked and mapped
//!                         |                                  ^------- MmUnlockPages, MmUnmapLockedPages --------
//!                         |-- MmBuildMdlForNonPagedPool --> describes nonpaged memory, which is mapped already
//!                         `-- IoBuildPartialMdl          --> shares the page frames of another MDL
//! ```
//!
//! An MDL is the kernel's own structure with the frame numbers behind it, in pool. A mapping is a
//! second set of addresses for the same frames.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ptr::NonNull;

use wdk_sys_lite::{
    _MDL, _MODE, BOOLEAN, CSHORT, KPROCESSOR_MODE, LOCK_OPERATION, MDL_MAPPED_TO_SYSTEM_VA,
    MDL_PAGES_LOCKED, MDL_PARTIAL, MDL_PARTIAL_HAS_BEEN_MAPPED, MDL_SOURCE_IS_NONPAGED_POOL,
    MDL_WRITE_OPERATION, MEMORY_CACHING_TYPE, PIRP, PMDL, PMDLX, PVOID, SIZE_T, ULONG,
};

use crate::bugcheck::{StopCode, bug_check, verifier_violation};
use crate::export::APC_LEVEL;
use crate::kernel::{DriverId, Leak, kernel};
use crate::nt_export;

use super::arena::Use;
use super::phys::{self, PAGE_SIZE};
use super::watch::Watched;
use super::{Owner, current_owner, finding, pool};

/// The tag of MDLs in pool.
const TAG: u32 = u32::from_le_bytes(*b"Mdl ");

/// `MdlMappingNoWrite`: a mapping that may only be read.
const MDL_MAPPING_NO_WRITE: ULONG = 0x8000_0000;
/// `MdlMappingNoExecute`.
const MDL_MAPPING_NO_EXECUTE: ULONG = 0x4000_0000;

/// What a frame number is before anything has written it.
const GARBAGE: u8 = 0xCD;

struct Record {
    /// Whose leak it is.
    owner: Owner,
    /// Whether it came from `IoAllocateMdl`, or is in memory of the driver's own.
    allocated: bool,
    /// The frames that are pinned, while it is locked.
    locked: Option<Vec<u64>>,
    /// Where it is mapped.
    mapping: Option<usize>,
    /// Keeps the mapping under watch.
    watched: Option<Watched>,
    /// Its pages are a program's.
    user: bool,
}

/// The MDLs that the kernel has seen, by address.
#[derive(Default)]
pub(crate) struct State(RefCell<BTreeMap<usize, Record>>);

const fn bits(flags: u32) -> CSHORT {
    // The flags are the low 16 bits.
    #[allow(clippy::cast_possible_truncation, reason = "flags of 16 bits")]
    {
        (flags as u16).cast_signed()
    }
}

/// How many pages a range touches.
fn pages_of(address: usize, length: usize) -> usize {
    (address % PAGE_SIZE + length).div_ceil(PAGE_SIZE)
}

fn size_of_mdl(address: usize, length: usize) -> usize {
    size_of::<_MDL>() + pages_of(address, length) * size_of::<u64>()
}

/// The frame numbers behind an MDL.
fn frames_at(mdl: PMDL) -> *mut u64 {
    mdl.wrapping_add(1).cast()
}

/// An MDL's members.
///
/// # Safety
///
/// `mdl` is one.
unsafe fn read(mdl: PMDL) -> _MDL {
    // SAFETY: says the caller.
    unsafe { mdl.read() }
}

fn has(mdl: &_MDL, flags: u32) -> bool {
    mdl.MdlFlags & bits(flags) != 0
}

fn flags_of(mdl: &_MDL) -> u64 {
    u64::from(mdl.MdlFlags.cast_unsigned())
}

/// Start and length of what an MDL describes.
fn range_of(mdl: &_MDL) -> (usize, usize) {
    (
        mdl.StartVa.addr() + mdl.ByteOffset as usize,
        mdl.ByteCount as usize,
    )
}

/// Makes an MDL for a range; null when memory runs out.
fn allocate(address: PVOID, length: usize, owner: Owner) -> PMDL {
    let Ok(bytes) = ULONG::try_from(length) else {
        return std::ptr::null_mut();
    };
    let start = address.expose_provenance();
    let size = size_of_mdl(start, length);
    let Some(block) = pool::allocate(size, TAG, false, Owner::Io) else {
        return std::ptr::null_mut();
    };
    let mdl: PMDL = block.as_ptr().cast();
    let header = _MDL {
        Next: std::ptr::null_mut(),
        Size: CSHORT::try_from(size).unwrap_or(CSHORT::MAX),
        MdlFlags: 0,
        Process: std::ptr::null_mut(),
        MappedSystemVa: std::ptr::null_mut(),
        StartVa: address.wrapping_byte_sub(start % PAGE_SIZE),
        ByteCount: bytes,
        ByteOffset: u32::try_from(start % PAGE_SIZE).unwrap_or_default(),
    };
    // SAFETY: the block has just been allocated with room for the structure and its frame numbers,
    // and is aligned.
    unsafe {
        mdl.write(header);
        frames_at(mdl).write_bytes(GARBAGE, pages_of(start, length));
    }
    let record = Record {
        owner,
        allocated: true,
        locked: None,
        mapping: None,
        watched: None,
        user: false,
    };
    kernel()
        .mm
        .mdls
        .0
        .borrow_mut()
        .insert(mdl.expose_provenance(), record);
    mdl
}

/// A kernel's MDL for nonpaged memory of the guest's, ready for use; none when memory runs out or
/// the range is not the guest's memory.
#[must_use]
pub fn new(address: NonNull<u8>, length: usize) -> Option<NonNull<_MDL>> {
    let frames = phys::frames_of(address.addr().get(), length)?;
    let mdl = NonNull::new(allocate(address.as_ptr().cast(), length, Owner::Io))?;
    // SAFETY: just made for this range, so that it has room for as many frames.
    unsafe { describe_nonpaged(mdl.as_ptr(), &frames) };
    Some(mdl)
}

/// Frees an MDL of [`new`]'s.
pub fn free(mdl: NonNull<_MDL>) {
    let address = mdl.addr().get();
    kernel().mm.mdls.0.borrow_mut().remove(&address);
    pool::free(mdl.cast(), Owner::Io);
}

/// # Safety
///
/// `mdl` has room for the frames.
unsafe fn describe_nonpaged(mdl: PMDL, frames: &[u64]) {
    // SAFETY: says the caller.
    unsafe {
        frames_at(mdl).copy_from_nonoverlapping(frames.as_ptr(), frames.len());
        (*mdl).MdlFlags |= bits(MDL_SOURCE_IS_NONPAGED_POOL);
        (*mdl).MappedSystemVa = (*mdl).StartVa.wrapping_byte_add((*mdl).ByteOffset as usize);
    }
}

/// The page frames that an MDL describes; none if it does not describe any yet.
///
/// # Safety
///
/// `mdl` is an MDL.
#[must_use]
pub unsafe fn frames(mdl: PMDL) -> Option<Vec<u64>> {
    // SAFETY: says the caller.
    let header = unsafe { read(mdl) };
    if !has(
        &header,
        MDL_PAGES_LOCKED | MDL_SOURCE_IS_NONPAGED_POOL | MDL_PARTIAL,
    ) {
        return None;
    }
    let (address, length) = range_of(&header);
    // SAFETY: an MDL has a frame number for each page of its range behind it, and these flags say
    // that they are written.
    let numbers = unsafe { std::slice::from_raw_parts(frames_at(mdl), pages_of(address, length)) };
    Some(numbers.to_vec())
}

/// Offset in the first page, and length, of what an MDL describes.
///
/// # Safety
///
/// `mdl` is an MDL.
#[must_use]
pub unsafe fn byte_range(mdl: PMDL) -> (usize, usize) {
    // SAFETY: says the caller.
    let header = unsafe { read(mdl) };
    (header.ByteOffset as usize, header.ByteCount as usize)
}

fn violation(code: u64, mdl: PMDL, header: &_MDL, message: &str) {
    verifier_violation(
        [code, mdl.addr() as u64, flags_of(header), 0],
        format!("{message} (MDL {mdl:p}, flags {:#x})", header.MdlFlags),
    );
}

fn invalid(mdl: PMDL, message: &str) -> ! {
    bug_check(
        StopCode::NTSIM_INVALID_OBJECT,
        [mdl.addr() as u64, 0, 0, 0],
        format!("the MDL at {mdl:p} {message}"),
    )
}

/// The frames of a range that a driver names, or a bug check: the kernel raises an exception here,
/// which a driver in Rust cannot handle.
fn frames_or_fault(function: &str, address: usize, length: usize) -> Vec<u64> {
    if let Some(frames) = phys::frames_of(address, length) {
        return frames;
    }
    if kernel().mm.arena.borrow().contains(address) {
        bug_check(
            StopCode::KMODE_EXCEPTION_NOT_HANDLED,
            [0xC000_0005, 0, 0, address as u64],
            format!(
                "{function} raised STATUS_ACCESS_VIOLATION: {length} bytes at {address:#x} do not exist"
            ),
        );
    }
    bug_check(
        StopCode::NTSIM_MISSING_FUNCTION,
        [address as u64, length as u64, 0, 0],
        format!(
            "{function} is called for {length} bytes at {address:#x}, which are neither pool nor a buffer of the simulated \
             system's: stacks and statics have no page frames here"
        ),
    )
}

fn with_record<R>(mdl: PMDL, action: impl FnOnce(&mut Record) -> R) -> R {
    let mut records = kernel().mm.mdls.0.borrow_mut();
    // A driver may lay out an MDL in memory of its own.
    let record = records.entry(mdl.addr()).or_insert_with(|| Record {
        owner: current_owner(),
        allocated: false,
        locked: None,
        mapping: None,
        watched: None,
        user: false,
    });
    action(record)
}

/// Takes an MDL's mapping away.
///
/// # Safety
///
/// `mdl` is an MDL.
unsafe fn unmap(mdl: PMDL) {
    let mapping = with_record(mdl, |record| {
        record.watched = None;
        record.mapping.take()
    });
    if let Some(start) = mapping {
        let mut arena = kernel().mm.arena.borrow_mut();
        if let Some(region) = arena.unmap(start) {
            let freed = super::arena::Freed {
                pages: region.pages,
                block: None,
                stack: None,
            };
            arena.remember(start, freed);
        }
    }
    // SAFETY: says the caller.
    unsafe {
        (*mdl).MdlFlags &= !bits(MDL_MAPPED_TO_SYSTEM_VA | MDL_PARTIAL_HAS_BEEN_MAPPED);
        (*mdl).MappedSystemVa = std::ptr::null_mut();
    }
}

/// Memory is about to be taken away: MDLs in it are forgotten, and none may be in use.
pub(crate) fn going_away(address: usize, length: usize) {
    let kernel = kernel();
    let mut records = kernel.mm.mdls.0.borrow_mut();
    let gone: Vec<usize> = records
        .range(address..address + length.max(1))
        .map(|(mdl, _)| *mdl)
        .collect();
    let mut in_use = None;
    for mdl in gone {
        if let Some(record) = records.remove(&mdl) {
            if record.locked.is_some() || record.mapping.is_some() {
                in_use = Some(mdl);
            }
            if let Some(frames) = record.locked {
                kernel.mm.phys.unpin(frames.into_iter());
            }
        }
    }
    drop(records);
    if let Some(mdl) = in_use {
        verifier_violation(
            [finding::FREED_OBJECT_IN_USE, mdl as u64, 0, 0],
            format!(
                "memory at {address:#x} is freed with the MDL {mdl:#x} in it, which is locked or mapped"
            ),
        );
    }
}

/// MDLs, locked pages and mappings that a driver has left.
pub(crate) fn leaks(driver: DriverId, leaks: &mut Vec<Leak>) {
    for (address, record) in &*kernel().mm.mdls.0.borrow() {
        if record.owner != Owner::Driver(driver) {
            continue;
        }
        let found = if record.mapping.is_some() {
            "mapped MDL"
        } else if record.locked.is_some() {
            "locked pages"
        } else if record.allocated {
            "MDL"
        } else {
            continue;
        };
        // SAFETY: an MDL that has a record is not freed.
        let header = unsafe { read(std::ptr::with_exposed_provenance_mut(*address)) };
        let (_, length) = range_of(&header);
        leaks.push(Leak {
            kind: found,
            what: format!("of {length} bytes"),
        });
    }
}

nt_export! {
    /// The bytes that an MDL for a range takes.
    irql(any) fn MmSizeOfMdl(Base: PVOID, Length: SIZE_T) -> SIZE_T {
        size_of_mdl(Base.addr(), usize::try_from(Length).unwrap_or_default()) as SIZE_T
    }

    /// Allocates an MDL for a range; it describes no page frames yet.
    irql(<= DISPATCH_LEVEL) fn IoAllocateMdl(
        VirtualAddress: PVOID,
        Length: ULONG,
        _SecondaryBuffer: BOOLEAN,
        _ChargeQuota: BOOLEAN,
        Irp: PIRP,
    ) -> PMDL {
        if !Irp.is_null() {
            bug_check(
                StopCode::NTSIM_MISSING_FUNCTION,
                [Irp.addr() as u64, 0, 0, 0],
                "IoAllocateMdl with an IRP: the simulated system associates no MDL with an IRP of a driver's choice",
            );
        }
        if kernel().should_fail() {
            return std::ptr::null_mut();
        }
        allocate(VirtualAddress, Length as usize, current_owner())
    }

    /// Frees an MDL, which must be unlocked and unmapped; a partial MDL's mapping goes with it.
    irql(<= DISPATCH_LEVEL) fn IoFreeMdl(Mdl: PMDL) {
        let known = kernel().mm.mdls.0.borrow().get(&Mdl.addr()).is_some_and(|record| record.allocated);
        if !known {
            invalid(Mdl, "is freed, and does not come from IoAllocateMdl or was freed already");
        }
        // SAFETY: an MDL that has a record is not freed.
        let header = unsafe { read(Mdl) };
        if has(&header, MDL_PAGES_LOCKED) {
            violation(finding::FREED_LOCKED_MDL, Mdl, &header, "an MDL is freed whose pages are locked");
        }
        if has(&header, MDL_MAPPED_TO_SYSTEM_VA) {
            if !has(&header, MDL_PARTIAL) {
                violation(0xB8, Mdl, &header, "an MDL is freed that is still mapped");
            }
            // SAFETY: as above.
            unsafe { unmap(Mdl) };
        }
        let record = kernel().mm.mdls.0.borrow_mut().remove(&Mdl.addr());
        if let Some(frames) = record.and_then(|record| record.locked) {
            kernel().mm.phys.unpin(frames.into_iter());
        }
        pool::free_checked(Mdl.addr(), None, Owner::Io);
    }

    /// Describes nonpaged memory.
    irql(<= DISPATCH_LEVEL) fn MmBuildMdlForNonPagedPool(MemoryDescriptorList: PMDLX) {
        // SAFETY: the driver vouches for the MDL.
        let header = unsafe { read(MemoryDescriptorList) };
        let (address, length) = range_of(&header);
        if pool::is_paged(address) {
            violation(0x7F, MemoryDescriptorList, &header, "an MDL for nonpaged pool is built over paged pool");
        }
        if has(&header, MDL_PAGES_LOCKED | MDL_SOURCE_IS_NONPAGED_POOL | MDL_MAPPED_TO_SYSTEM_VA | MDL_PARTIAL) {
            invalid(MemoryDescriptorList, "is built for nonpaged pool although it describes pages already");
        }
        let frames = frames_or_fault("MmBuildMdlForNonPagedPool", address, length);
        // SAFETY: the driver vouches that the MDL was made for this range.
        unsafe { describe_nonpaged(MemoryDescriptorList, &frames) };
    }

    /// Locks the pages of a range and describes them.
    irql(<= DISPATCH_LEVEL) fn MmProbeAndLockPages(
        MemoryDescriptorList: PMDL,
        AccessMode: KPROCESSOR_MODE,
        Operation: LOCK_OPERATION,
    ) {
        let mdl = MemoryDescriptorList;
        // SAFETY: the driver vouches for the MDL.
        let header = unsafe { read(mdl) };
        let wrong = MDL_PAGES_LOCKED | MDL_SOURCE_IS_NONPAGED_POOL | MDL_MAPPED_TO_SYSTEM_VA | MDL_PARTIAL;
        if has(&header, wrong) {
            violation(0xB0, mdl, &header, "MmProbeAndLockPages is called for an MDL that describes pages already");
            invalid(mdl, "is locked although it describes pages already");
        }
        let (address, length) = range_of(&header);
        let irql = kernel().sched.current().irql();
        if irql > APC_LEVEL && pool::is_paged(address) {
            violation(0x70, mdl, &header, "MmProbeAndLockPages is called for pageable memory above APC_LEVEL");
        }
        let frames = frames_or_fault("MmProbeAndLockPages", address, length);
        kernel().mm.phys.pin(frames.iter().copied());
        // SAFETY: the driver vouches that the MDL was made for this range.
        unsafe {
            frames_at(mdl).copy_from_nonoverlapping(frames.as_ptr(), frames.len());
            (*mdl).MdlFlags |= bits(MDL_PAGES_LOCKED);
            if Operation != wdk_sys_lite::_LOCK_OPERATION::IoReadAccess {
                (*mdl).MdlFlags |= bits(MDL_WRITE_OPERATION);
            }
        }
        with_record(mdl, |record| {
            record.locked = Some(frames);
            record.user = i32::from(AccessMode) == _MODE::UserMode;
        });
    }

    /// Unlocks pages; a mapping goes with it.
    irql(<= DISPATCH_LEVEL) fn MmUnlockPages(MemoryDescriptorList: PMDL) {
        let mdl = MemoryDescriptorList;
        // SAFETY: the driver vouches for the MDL.
        let header = unsafe { read(mdl) };
        if has(&header, MDL_PARTIAL) {
            violation(0xB4, mdl, &header, "MmUnlockPages is called for a partial MDL");
            invalid(mdl, "is unlocked, and is a partial one");
        }
        if has(&header, MDL_SOURCE_IS_NONPAGED_POOL) {
            violation(0x7D, mdl, &header, "MmUnlockPages is called for an MDL over nonpaged pool");
            invalid(mdl, "is unlocked, and describes nonpaged pool");
        }
        let locked = with_record(mdl, |record| record.locked.take());
        let (true, Some(frames)) = (has(&header, MDL_PAGES_LOCKED), locked) else {
            violation(0x7C, mdl, &header, "MmUnlockPages is called for an MDL whose pages are not locked");
            invalid(mdl, "is unlocked, and is not locked");
        };
        if has(&header, MDL_MAPPED_TO_SYSTEM_VA) {
            // SAFETY: as above.
            unsafe { unmap(mdl) };
        }
        kernel().mm.phys.unpin(frames.into_iter());
        // SAFETY: as above.
        unsafe { (*mdl).MdlFlags &= !bits(MDL_PAGES_LOCKED | MDL_WRITE_OPERATION) };
    }

    /// Maps locked pages at system addresses; null when there are none left.
    irql(<= DISPATCH_LEVEL) fn MmMapLockedPagesSpecifyCache(
        MemoryDescriptorList: PMDLX,
        AccessMode: KPROCESSOR_MODE,
        _CacheType: MEMORY_CACHING_TYPE,
        _BaseAddress: PVOID,
        BugCheckOnFailure: ULONG,
        Priority: ULONG,
    ) -> PVOID {
        let mdl = MemoryDescriptorList;
        // SAFETY: the driver vouches for the MDL.
        let header = unsafe { read(mdl) };
        if i32::from(AccessMode) != _MODE::KernelMode {
            bug_check(
                StopCode::NTSIM_MISSING_FUNCTION,
                [mdl.addr() as u64, 0, 0, 0],
                "MmMapLockedPagesSpecifyCache with UserMode: simulated processes have no address space of their own",
            );
        }
        if Priority & MDL_MAPPING_NO_EXECUTE == 0 {
            // The driver's address would be the second parameter; there are none here.
            verifier_violation(
                [0x2002, 0, u64::from(Priority), 0],
                format!("the MDL at {mdl:p} is mapped executable (priority {Priority:#x} without MdlMappingNoExecute)"),
            );
        }
        if BugCheckOnFailure != 0 {
            violation(0x82, mdl, &header, "MmMapLockedPagesSpecifyCache is called with BugCheckOnFailure");
        }
        if has(&header, MDL_MAPPED_TO_SYSTEM_VA | MDL_SOURCE_IS_NONPAGED_POOL) {
            violation(0xB2, mdl, &header, "an MDL is mapped that has a system address already");
            invalid(mdl, "is mapped, and has a system address already");
        }
        // SAFETY: as above.
        let Some(frames) = (unsafe { frames(mdl) }) else {
            violation(0xB3, mdl, &header, "an MDL is mapped whose pages are not locked");
            invalid(mdl, "is mapped, and its pages are not locked");
        };
        let writable = Priority & MDL_MAPPING_NO_WRITE == 0;
        let mapped = if kernel().should_fail() {
            None
        } else {
            kernel().mm.arena.borrow_mut().map(phys::runs_of(&frames), writable, |_| Use::Mapping)
        };
        let Some(start) = mapped else {
            if BugCheckOnFailure != 0 {
                bug_check(
                    StopCode::NO_MORE_SYSTEM_PTES,
                    [0, 0, 0, 0],
                    "no system addresses are left, and MmMapLockedPagesSpecifyCache was to stop the system then",
                );
            }
            return std::ptr::null_mut();
        };
        let address: PVOID = std::ptr::with_exposed_provenance_mut(start + header.ByteOffset as usize);
        with_record(mdl, |record| {
            record.mapping = Some(start);
            // A driver's own MDL describes its own memory, unless it has locked a program's.
            if (record.user || !record.allocated)
                && let Some(first) = NonNull::new(address.cast())
            {
                // SAFETY: the mapping stays until `unmap` takes both away.
                record.watched = unsafe {
                    Watched::new("memory that an MDL maps", first, header.ByteCount as usize, writable)
                };
            }
        });
        // SAFETY: as above.
        unsafe {
            (*mdl).MdlFlags |= bits(MDL_MAPPED_TO_SYSTEM_VA);
            if has(&header, MDL_PARTIAL) {
                (*mdl).MdlFlags |= bits(MDL_PARTIAL_HAS_BEEN_MAPPED);
            }
            (*mdl).MappedSystemVa = address;
        }
        address
    }

    /// Takes a mapping away.
    irql(<= DISPATCH_LEVEL) fn MmUnmapLockedPages(BaseAddress: PVOID, MemoryDescriptorList: PMDL) {
        let mdl = MemoryDescriptorList;
        // SAFETY: the driver vouches for the MDL.
        let header = unsafe { read(mdl) };
        let mapped = with_record(mdl, |record| record.mapping).is_some();
        if !mapped || !has(&header, MDL_MAPPED_TO_SYSTEM_VA) || header.MappedSystemVa != BaseAddress {
            bug_check(
                StopCode::SYSTEM_PTE_MISUSE,
                [0, BaseAddress.addr() as u64, mdl.addr() as u64, 0],
                format!("{BaseAddress:p} is unmapped, which is not where the MDL {mdl:p} is mapped"),
            );
        }
        // SAFETY: as above.
        unsafe { unmap(mdl) };
    }

    /// Describes a part of what another MDL describes. A length of 0 means up to the end.
    irql(<= DISPATCH_LEVEL) fn IoBuildPartialMdl(
        SourceMdl: PMDL,
        TargetMdl: PMDL,
        VirtualAddress: PVOID,
        Length: ULONG,
    ) {
        // SAFETY: the driver vouches for the MDLs.
        let (source, target) = unsafe { (read(SourceMdl), read(TargetMdl)) };
        // SAFETY: as above.
        let Some(frames) = (unsafe { frames(SourceMdl) }) else {
            invalid(SourceMdl, "is the source of a partial MDL, and its pages are not locked");
        };
        let (start, length) = range_of(&source);
        let offset = VirtualAddress.addr().wrapping_sub(start);
        let wanted = if Length == 0 { length.saturating_sub(offset) } else { Length as usize };
        if offset.checked_add(wanted).is_none_or(|end| end > length) {
            invalid(SourceMdl, "does not describe all of the partial MDL's range");
        }
        let address = VirtualAddress.addr();
        if size_of_mdl(address, wanted) > usize::try_from(target.Size).unwrap_or_default() {
            invalid(TargetMdl, "is too small for the range that it is to describe");
        }
        let busy = with_record(TargetMdl, |record| record.locked.is_some() || record.mapping.is_some());
        if busy || has(&target, MDL_PAGES_LOCKED) {
            invalid(TargetMdl, "is to become a partial MDL, and is locked or mapped");
        }
        let first = (address / PAGE_SIZE).wrapping_sub(start / PAGE_SIZE);
        let part: Vec<u64> = frames.iter().copied().skip(first).take(pages_of(address, wanted)).collect();
        // Where the source has a system address, so has the part of it.
        let addressed = source.MdlFlags & bits(MDL_MAPPED_TO_SYSTEM_VA | MDL_SOURCE_IS_NONPAGED_POOL);
        let mapped = if addressed == 0 {
            std::ptr::null_mut()
        } else {
            source.MappedSystemVa.wrapping_byte_add(offset)
        };
        // SAFETY: the target has room for the frames, as its size says.
        unsafe {
            frames_at(TargetMdl).copy_from_nonoverlapping(part.as_ptr(), part.len());
            (*TargetMdl).MdlFlags = bits(MDL_PARTIAL) | addressed;
            (*TargetMdl).StartVa = VirtualAddress.wrapping_byte_sub(address % PAGE_SIZE);
            (*TargetMdl).ByteOffset = u32::try_from(address % PAGE_SIZE).unwrap_or_default();
            (*TargetMdl).ByteCount = u32::try_from(wanted).unwrap_or_default();
            (*TargetMdl).MappedSystemVa = mapped;
        }
    }
}
