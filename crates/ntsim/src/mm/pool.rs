//! Pool.
//!
//! Every block ends at the end of its last page (blocks of a page or more start at a page, as
//! documented), with an inaccessible page behind it, and is unmapped when it is freed. What a block
//! does not use of its pages is filled with a pattern that is checked when the block is freed.
//! Paged blocks are inaccessible while the running context is at `DISPATCH_LEVEL` or above. The
//! checks that only special pool and Driver Verifier make need the verifier.

use std::cell::Cell;
use std::ptr::NonNull;

use crate::bugcheck::{Fault, StopCode, bug_check, bug_check_with_history, verifier_violation};
use crate::export::{APC_LEVEL, DISPATCH_LEVEL, Irql, PASSIVE_LEVEL};
use crate::kernel::{DriverId, Kernel, Leak, kernel};
use crate::trace::Trace;

use super::Owner;
use super::arena::{self, Arena, Block, Freed, Region, Use};
use super::phys::PAGE_SIZE;
use super::unwritten;

/// Fills what a block's pages have beside the block.
const SLACK: u8 = 0xA5;

/// Pool blocks are aligned to this on 64-bit systems.
pub(crate) const ALIGNMENT: usize = 16;

/// What `POOL_FLAG_CACHE_ALIGNED` aligns to.
pub(crate) const CACHE_LINE: usize = 64;

/// An owner's use of pool.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Counters {
    /// Allocations since the machine started.
    pub allocations: u64,
    /// Blocks freed since the machine started.
    pub frees: u64,
    /// Bytes in blocks that are not freed.
    pub bytes: u64,
}

/// An owner's use of pool.
#[must_use]
pub fn counters(owner: Owner) -> Counters {
    kernel()
        .mm
        .counters
        .borrow()
        .get(&owner)
        .copied()
        .unwrap_or_default()
}

/// Pages and start offset of a block. A block of less than a page ends with its page.
fn place(bytes: usize, alignment: usize) -> Option<(usize, usize)> {
    let pages = bytes.max(1).checked_next_multiple_of(PAGE_SIZE)? / PAGE_SIZE;
    let offset = if bytes >= PAGE_SIZE {
        0
    } else {
        PAGE_SIZE - bytes.max(1).next_multiple_of(alignment)
    };
    Some((pages, offset))
}

fn current_irql(kernel: &Kernel) -> Irql {
    kernel
        .sched
        .try_current()
        .map_or(PASSIVE_LEVEL, |context| context.irql())
}

/// Where a driver's call came from, for the history of a block.
fn stack_for(kernel: &Kernel, owner: Owner) -> Option<Trace> {
    (kernel.config.verifier && matches!(owner, Owner::Driver(_))).then(Trace::capture)
}

/// A zeroed block; none when memory runs out. With the verifier paged pool at too high an IRQL is a
/// bug check.
#[must_use]
pub fn allocate(bytes: usize, tag: u32, paged: bool, owner: Owner) -> Option<NonNull<u8>> {
    allocate_aligned(bytes, tag, paged, owner, ALIGNMENT)
}

/// As [`allocate`], aligned to a power of two of at most a page.
pub(crate) fn allocate_aligned(
    bytes: usize,
    tag: u32,
    paged: bool,
    owner: Owner,
    alignment: usize,
) -> Option<NonNull<u8>> {
    let kernel = kernel();
    let irql = current_irql(kernel);
    if paged && irql > APC_LEVEL {
        verifier_violation(
            [0x01, u64::from(irql), 1, bytes as u64],
            format!("{bytes} bytes of paged pool are allocated at IRQL {irql}"),
        );
    } else if irql > DISPATCH_LEVEL {
        verifier_violation(
            [0x02, u64::from(irql), 0, bytes as u64],
            format!("{bytes} bytes of nonpaged pool are allocated at IRQL {irql}"),
        );
    }
    let (count, offset) = place(bytes, alignment)?;
    let runs = kernel.mm.phys.allocate(count)?;
    let kept = runs.clone();
    let stack = stack_for(kernel, owner);
    let mapped = kernel.mm.arena.borrow_mut().map(runs, true, |start| {
        Use::Pool(Block {
            address: start + offset,
            bytes,
            tag,
            paged,
            owner,
            stack,
            hidden: Cell::new(false),
        })
    });
    let Some(start) = mapped else {
        kernel.mm.phys.free(&kept);
        return None;
    };
    let first = NonNull::new(std::ptr::with_exposed_provenance_mut::<u8>(start))?;
    // SAFETY: the pages have just been mapped writable and nobody else knows them; slack before,
    // block and slack after lie in them one after the other.
    let block = unsafe {
        first.write_bytes(SLACK, offset);
        let block = first.add(offset);
        block.write_bytes(0, bytes);
        block
            .add(bytes)
            .write_bytes(SLACK, count * PAGE_SIZE - offset - bytes);
        block
    };
    let mut accounts = kernel.mm.counters.borrow_mut();
    let account = accounts.entry(owner).or_default();
    account.allocations += 1;
    account.bytes += bytes as u64;
    if paged {
        kernel.mm.paged.borrow_mut().insert(start, count);
    }
    Some(block)
}

/// Where a block was allocated, if a driver has it.
pub(crate) fn stack_of(block: NonNull<u8>) -> Option<Trace> {
    let address = block.addr().get();
    let kernel = kernel();
    let arena = kernel.mm.arena.borrow();
    match &arena.region_at(address)?.what {
        Use::Pool(block) if block.address == address => block.stack.clone(),
        _ => None,
    }
}

/// Frees a block. A bad address, a second free and a write around the block are bug checks.
pub fn free(block: NonNull<u8>, owner: Owner) {
    free_checked(block.addr().get(), None, owner);
}

fn bad_free(address: usize, tag: Option<u32>) -> ! {
    let kernel = kernel();
    let verifier = kernel.config.verifier;
    let freed = {
        let mut arena = kernel.mm.arena.borrow_mut();
        arena
            .freed_at(address)
            .and_then(|start| arena.freed.remove(&start))
    };
    if let Some(freed) = freed {
        let what = freed.block.as_ref().map_or_else(
            || "whole pages".to_owned(),
            |block| format!("{} bytes with tag {}", block.bytes, tag_text(block.tag)),
        );
        let message = format!(
            "the pool block at {address:#x} ({what}) is freed although it was freed already"
        );
        let (code, parameters) = if verifier {
            (
                StopCode::DRIVER_VERIFIER_DETECTED_VIOLATION,
                [0x13, 0, address as u64, 0],
            )
        } else {
            (
                StopCode::BAD_POOL_CALLER,
                [0x07, 0, u64::from(tag.unwrap_or_default()), address as u64],
            )
        };
        bug_check_with_history(code, parameters, message, history(freed));
    }
    let message = format!("{address:#x} is freed, which is not the address of a pool block");
    if verifier {
        bug_check(
            StopCode::DRIVER_VERIFIER_DETECTED_VIOLATION,
            [0x10, address as u64, 0, 0],
            message,
        );
    }
    bug_check(
        StopCode::BAD_POOL_CALLER,
        [0x99, address as u64, 0, 0],
        message,
    )
}

fn history(freed: Freed) -> Vec<(&'static str, Trace)> {
    let allocated = freed.block.and_then(|block| block.stack);
    let mut history = Vec::new();
    history.extend(allocated.map(|stack| ("allocated", stack)));
    history.extend(freed.stack.map(|stack| ("freed", stack)));
    history
}

/// A pool tag as debuggers show it.
pub(crate) fn tag_text(tag: u32) -> String {
    let text: String = tag
        .to_le_bytes()
        .into_iter()
        .filter(|byte| *byte != 0)
        .map(|byte| {
            if byte.is_ascii_graphic() || byte == b' ' {
                char::from(byte)
            } else {
                '?'
            }
        })
        .collect();
    format!("'{text}'")
}

/// As [`free`], with the tag that the caller says the block has.
pub(crate) fn free_checked(address: usize, tag: Option<u32>, owner: Owner) {
    let kernel = kernel();
    let (bytes, paged) = {
        let arena = kernel.mm.arena.borrow();
        let found = arena
            .region_at(address)
            .and_then(|region| match &region.what {
                Use::Pool(block) if block.address == address => Some(block),
                _ => None,
            });
        let Some(block) = found else {
            drop(arena);
            bad_free(address, tag);
        };
        if let Some(tag) = tag
            && tag != 0
            && tag != block.tag
        {
            bug_check(
                StopCode::BAD_POOL_CALLER,
                [0x0A, address as u64, u64::from(block.tag), u64::from(tag)],
                format!(
                    "a block with tag {} is freed with tag {}",
                    tag_text(block.tag),
                    tag_text(tag)
                ),
            );
        }
        if matches!(owner, Owner::Driver(_)) && !matches!(block.owner, Owner::Driver(_)) {
            verifier_violation(
                [0x10, address as u64, 0, 0],
                format!(
                    "a driver frees {address:#x}, memory of {:?} that it has not allocated",
                    block.owner
                ),
            );
        }
        if block.hidden.get() {
            verifier_violation(
                [0x13, 0, address as u64, 0],
                format!("{address:#x} is freed to pool while it is on a lookaside list"),
            );
        }
        (block.bytes, block.paged)
    };
    unwritten::forget(address);
    let irql = current_irql(kernel);
    if paged && irql > APC_LEVEL {
        verifier_violation(
            [0x11, u64::from(irql), 1, address as u64],
            format!("{bytes} bytes of paged pool are freed at IRQL {irql}"),
        );
    } else if irql > DISPATCH_LEVEL {
        verifier_violation(
            [0x12, u64::from(irql), 0, address as u64],
            format!("{bytes} bytes of nonpaged pool are freed at IRQL {irql}"),
        );
    }
    if kernel.config.verifier {
        let arena = kernel.mm.arena.borrow();
        if let Some(region) = arena.region_at(address)
            && let Use::Pool(block) = &region.what
        {
            check_slack(region, block);
        }
    }
    super::going_away(address, bytes);
    release(kernel, address, owner);
}

/// Takes a block that `free_checked` has looked at out of use.
fn release(kernel: &Kernel, address: usize, owner: Owner) {
    let stack = stack_for(kernel, owner);
    let mut arena = kernel.mm.arena.borrow_mut();
    let Some(start) = arena.region_at(address).map(|region| region.start) else {
        return;
    };
    let Some(region) = arena.unmap(start) else {
        return;
    };
    kernel.mm.phys.free(&region.runs);
    kernel.mm.paged.borrow_mut().remove(&start);
    if let Use::Pool(block) = region.what {
        let mut accounts = kernel.mm.counters.borrow_mut();
        let account = accounts.entry(block.owner).or_default();
        account.frees += 1;
        account.bytes -= block.bytes as u64;
        let freed = Freed {
            pages: region.pages,
            block: Some(block),
            stack,
        };
        arena.remember(start, freed);
    }
}

/// What lies around a block on its pages must be as it was.
fn check_slack(region: &Region, block: &Block) {
    let end = block.address + block.bytes;
    for (from, to) in [(region.start, block.address), (end, region.end())] {
        // SAFETY: the range lies in a live region, which is mapped; a paged one is accessible, or
        // this read is the fault that a driver deserves that frees it at `DISPATCH_LEVEL`.
        let slack = unsafe {
            std::slice::from_raw_parts(std::ptr::with_exposed_provenance::<u8>(from), to - from)
        };
        if let Some(position) = slack.iter().position(|byte| *byte != SLACK) {
            let at = from + position;
            let history = block
                .stack
                .as_ref()
                .map(|stack| format!("; allocated at\n{stack}"))
                .unwrap_or_default();
            bug_check(
                StopCode::SPECIAL_POOL_DETECTED_MEMORY_CORRUPTION,
                [
                    block.address as u64,
                    at as u64,
                    (region.pages * PAGE_SIZE - block.bytes) as u64,
                    if at < block.address { 0x23 } else { 0x24 },
                ],
                format!(
                    "{at:#x} was written, {} a block of {} bytes at {:#x} with tag {}{history}",
                    if at < block.address {
                        "before"
                    } else {
                        "behind"
                    },
                    block.bytes,
                    block.address,
                    tag_text(block.tag)
                ),
            );
        }
    }
}

/// The running IRQL has changed: paged pool is accessible below `DISPATCH_LEVEL` only.
pub(crate) fn irql_changed(irql: Irql) {
    let Some(kernel) = crate::kernel::try_kernel() else {
        return;
    };
    let accessible = irql < DISPATCH_LEVEL;
    if !kernel.config.verifier || kernel.mm.paged_accessible.get() == accessible {
        return;
    }
    let paged = kernel.mm.paged.borrow();
    kernel.mm.paged_accessible.set(accessible);
    let arena = kernel.mm.arena.borrow();
    for (&start, &pages) in &*paged {
        let hidden = arena
            .region_at(start)
            .is_some_and(|region| matches!(&region.what, Use::Pool(block) if block.hidden.get()));
        if !hidden {
            // SAFETY: the table holds live regions of pool only, with their lengths; a driver that
            // touches paged pool at this IRQL is to be told of it.
            unsafe { arena::protect(start, pages, accessible) };
        }
    }
}

/// Whether an address is in paged pool.
pub(crate) fn is_paged(address: usize) -> bool {
    kernel()
        .mm
        .arena
        .borrow()
        .region_at(address)
        .is_some_and(|region| matches!(&region.what, Use::Pool(block) if block.paged))
}

/// Makes a block inaccessible, because it is on a list of free ones, or accessible again. False if
/// the address is not that of a whole nonpaged block.
pub(crate) fn hide(address: usize, hidden: bool) -> bool {
    let arena = kernel().mm.arena.borrow();
    let Some(region) = arena.region_at(address) else {
        return false;
    };
    match &region.what {
        Use::Pool(block) if block.address == address && !block.paged => {
            block.hidden.set(hidden);
            // SAFETY: a live region, whole; whoever touches a block that is on a free list is to be
            // told of it.
            unsafe { arena::protect(region.start, region.pages, !hidden) };
            true
        }
        _ => false,
    }
}

/// What is known of an address that faulted in the arena: a stop code, a sentence, the block's
/// history.
pub(crate) fn explain(kernel: &Kernel, address: usize, irql: Irql) -> Option<Fault> {
    let fault = |code, message, history| {
        Some(Fault {
            code,
            message,
            history,
        })
    };
    let mut arena = kernel.mm.arena.try_borrow_mut().ok()?;
    if !arena.contains(address) {
        return None;
    }
    let special = kernel.config.verifier;
    let unmapped = if irql >= DISPATCH_LEVEL {
        StopCode::DRIVER_IRQL_NOT_LESS_OR_EQUAL
    } else {
        StopCode::PAGE_FAULT_IN_NONPAGED_AREA
    };
    if let Some(region) = arena.region_at(address) {
        let Use::Pool(block) = &region.what else {
            return fault(
                unmapped,
                format!("a page at {address:#x} that may only be read was written"),
                Vec::new(),
            );
        };
        let text = describe(block, address);
        let start = region.start;
        let code = if block.hidden.get() {
            StopCode::DRIVER_PAGE_FAULT_IN_FREED_SPECIAL_POOL
        } else {
            StopCode::DRIVER_IRQL_NOT_LESS_OR_EQUAL
        };
        let message = if block.hidden.get() {
            format!("memory that was freed to a lookaside list was touched: {text}")
        } else {
            format!("paged pool was touched at IRQL {irql}: {text}")
        };
        let stack = match arena.live.get_mut(&start).map(|region| &mut region.what) {
            Some(Use::Pool(block)) => block.stack.take(),
            _ => None,
        };
        return fault(
            code,
            message,
            stack
                .map(|stack| ("allocated", stack))
                .into_iter()
                .collect(),
        );
    }
    let behind = arena
        .region_at(address.wrapping_sub(PAGE_SIZE))
        .map(|region| region.start);
    if let Some(what) = behind
        .and_then(|start| arena.live.get_mut(&start))
        .map(|region| &mut region.what)
    {
        let code = if special {
            StopCode::DRIVER_PAGE_FAULT_BEYOND_END_OF_ALLOCATION
        } else {
            unmapped
        };
        let (text, stack) = match what {
            Use::Pool(block) => (describe(block, address), block.stack.take()),
            Use::Pages(owner) => (format!("{address:#x}, pages of {owner:?}"), None),
            Use::Mapping => (format!("{address:#x}, an MDL's mapping"), None),
        };
        return fault(
            code,
            format!("memory beyond the end was touched: {text}"),
            stack
                .map(|stack| ("allocated", stack))
                .into_iter()
                .collect(),
        );
    }
    if let Some(start) = arena.freed_at(address) {
        let freed = arena.freed.remove(&start)?;
        let text = freed
            .block
            .as_ref()
            .map_or_else(|| format!("{address:#x}"), |block| describe(block, address));
        let code = if special {
            StopCode::DRIVER_PAGE_FAULT_IN_FREED_SPECIAL_POOL
        } else {
            unmapped
        };
        return fault(
            code,
            format!("freed memory was touched: {text}"),
            history(freed),
        );
    }
    None
}

fn describe(block: &Block, address: usize) -> String {
    let place = match address.checked_sub(block.address) {
        Some(offset) => format!("offset {offset}"),
        None => format!("{} bytes before the start", block.address - address),
    };
    format!(
        "{place} of a block of {} bytes at {:#x}, tag {}, of {:?}",
        block.bytes,
        block.address,
        tag_text(block.tag),
        block.owner
    )
}

/// Blocks that a driver has not freed.
pub(crate) fn leaks(arena: &Arena, driver: DriverId, leaks: &mut Vec<Leak>) {
    for region in arena.live.values() {
        if let Use::Pool(block) = &region.what
            && block.owner == Owner::Driver(driver)
        {
            let origin = block.stack.as_ref().map(origin_of).unwrap_or_default();
            leaks.push(Leak {
                kind: "pool",
                what: format!(
                    "{} bytes, tag {}{}{origin}",
                    block.bytes,
                    tag_text(block.tag),
                    if block.paged { ", paged" } else { "" }
                ),
            });
        }
    }
}

/// Where a driver allocated something, for people.
pub(crate) fn origin_of(stack: &Trace) -> String {
    stack
        .origin()
        .map(|origin| format!(", allocated by {origin}"))
        .unwrap_or_default()
}
