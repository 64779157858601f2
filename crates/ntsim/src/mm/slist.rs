//! Singly linked lists with a sequenced head, in the memory that drivers gave for them.
//!
//! The head is the real 16 bytes: depth (16 bits) and sequence (48 bits), then the first entry's
//! address. The kernel keeps its own account of each list beside it; where the two differ, somebody
//! has written to the list, has moved its head, or has put an entry on it twice. With the verifier
//! an entry of a lookaside list is out of bounds for everybody while it is on the list, if it is a
//! whole block of nonpaged pool.

use std::cell::RefCell;
use std::collections::BTreeMap;

use wdk_sys_lite::{PSLIST_ENTRY, PSLIST_HEADER, USHORT};

use crate::bugcheck::{StopCode, bug_check, verifier_violation};
use crate::kernel::kernel;
use crate::nt_export;

use super::unwritten::{self, Origin};
use super::{finding, lookaside, pool};

/// What the kernel knows of a list: its entries, the last pushed at the end, and which of them are
/// hidden.
#[derive(Default)]
struct Account {
    entries: Vec<(usize, bool)>,
}

/// All lists, by their heads' addresses.
#[derive(Default)]
pub(crate) struct State(RefCell<BTreeMap<usize, Account>>);

/// A head's two words.
#[derive(Clone, Copy)]
struct Words {
    depth: u16,
    sequence: u64,
    next: u64,
}

const SEQUENCE_BITS: u64 = (1 << 48) - 1;

/// # Safety
///
/// `head` is an aligned list head that may be read.
unsafe fn read(head: PSLIST_HEADER) -> Words {
    // SAFETY: says the caller; the two words are the union's first member.
    let (alignment, region) = unsafe {
        (
            (*head).__bindgen_anon_1.Alignment,
            (*head).__bindgen_anon_1.Region,
        )
    };
    Words {
        depth: u16::try_from(alignment & 0xFFFF).unwrap_or_default(),
        sequence: alignment >> 16,
        next: region & !0xF,
    }
}

/// # Safety
///
/// `head` is an aligned list head that may be written.
unsafe fn write(head: PSLIST_HEADER, words: Words) {
    let alignment = (words.sequence & SEQUENCE_BITS) << 16 | u64::from(words.depth);
    // SAFETY: says the caller.
    unsafe {
        (*head).__bindgen_anon_1.Alignment = alignment;
        (*head).__bindgen_anon_1.Region = words.next;
    }
}

fn invalid(head: PSLIST_HEADER, message: &str) -> ! {
    bug_check(
        StopCode::NTSIM_INVALID_OBJECT,
        [head.addr() as u64, 0, 0, 0],
        format!("the SLIST at {head:p} {message}"),
    )
}

/// The kernel's account of a list, which must agree with what its head says. Returns the entries
/// from the last pushed.
///
/// # Safety
///
/// `head` points to memory of a driver's that it calls a list head.
unsafe fn checked(head: PSLIST_HEADER) -> (Words, Vec<usize>) {
    if !head.addr().is_multiple_of(16) {
        invalid(head, "is not aligned to 16 bytes");
    }
    // SAFETY: aligned; a driver that passes memory that does not exist faults here, as on Windows.
    let words = unsafe { read(head) };
    let lists = kernel().mm.slists.0.borrow();
    let entries = lists.get(&head.addr()).map(|account| {
        account
            .entries
            .iter()
            .rev()
            .map(|(entry, _)| *entry)
            .collect::<Vec<_>>()
    });
    drop(lists);
    let Some(entries) = entries else {
        invalid(
            head,
            "was never initialised, has been moved, or its lookaside list was deleted",
        );
    };
    let first = entries.first().map_or(0, |entry| *entry as u64);
    if usize::from(words.depth) != entries.len() || words.next != first {
        invalid(head, "is corrupted: its head was overwritten");
    }
    (words, entries)
}

/// Makes an empty list.
///
/// # Safety
///
/// `head` may be written.
pub(crate) unsafe fn initialize(head: PSLIST_HEADER) {
    if !head.addr().is_multiple_of(16) {
        invalid(head, "is not aligned to 16 bytes");
    }
    let empty = Words {
        depth: 0,
        sequence: 0,
        next: 0,
    };
    // SAFETY: says the caller; aligned.
    unsafe { write(head, empty) };
    kernel()
        .mm
        .slists
        .0
        .borrow_mut()
        .insert(head.addr(), Account::default());
}

/// Forgets a list.
pub(crate) fn retire(head: PSLIST_HEADER) {
    kernel().mm.slists.0.borrow_mut().remove(&head.addr());
}

/// Puts an entry at the front and returns what was there.
///
/// # Safety
///
/// `head` and `entry` point to memory of the caller's.
pub(crate) unsafe fn push(head: PSLIST_HEADER, entry: PSLIST_ENTRY) -> PSLIST_ENTRY {
    // SAFETY: says the caller.
    let (words, entries) = unsafe { checked(head) };
    let kernel = kernel();
    let address = entry.addr();
    if !address.is_multiple_of(16) {
        invalid(
            head,
            &format!("gets the entry {address:#x}, which is not aligned to 16 bytes"),
        );
    }
    if entries.contains(&address) {
        let message = format!(
            "the entry {address:#x} is put on the SLIST at {head:p} although it is there already"
        );
        verifier_violation([0x13, 0, address as u64, 0], message);
        invalid(head, "is corrupted: an entry was put on it twice");
    }
    let Ok(depth) = u16::try_from(entries.len() + 1) else {
        invalid(head, "has more than 65535 entries");
    };
    let next = std::ptr::with_exposed_provenance_mut(entries.first().copied().unwrap_or_default());
    // SAFETY: the caller's entry, aligned; if the memory does not exist any more the fault is the
    // driver's.
    unsafe { (*entry).Next = next };
    let hidden =
        kernel.config.verifier && lookaside::is_list(head.addr()) && pool::hide(address, true);
    let words = Words {
        depth,
        sequence: words.sequence + 1,
        next: entry.expose_provenance() as u64,
    };
    // SAFETY: checked above.
    unsafe { write(head, words) };
    if let Some(account) = kernel.mm.slists.0.borrow_mut().get_mut(&head.addr()) {
        account.entries.push((address, hidden));
    }
    next
}

/// Takes the entry from the front; null if there is none.
///
/// # Safety
///
/// `head` points to memory of the caller's.
pub(crate) unsafe fn pop(head: PSLIST_HEADER) -> PSLIST_ENTRY {
    // SAFETY: says the caller.
    let (words, entries) = unsafe { checked(head) };
    let taken = kernel()
        .mm
        .slists
        .0
        .borrow_mut()
        .get_mut(&head.addr())
        .and_then(|account| account.entries.pop());
    let Some((address, hidden)) = taken else {
        return std::ptr::null_mut();
    };
    if hidden {
        pool::hide(address, false);
    }
    let entry: PSLIST_ENTRY = std::ptr::with_exposed_provenance_mut(address);
    let second = entries.get(1).copied().unwrap_or_default();
    // SAFETY: the entry was put on the list by a driver and is still there; a fault is the
    // driver's, who has freed it.
    let next = unsafe { (*entry).Next };
    if next.addr() != second {
        verifier_violation(
            [finding::FREE_ENTRY_WRITTEN, address as u64, 0, 0],
            format!("the entry {address:#x} was written while it was on the SLIST at {head:p}"),
        );
        invalid(head, "is corrupted: an entry on it was overwritten");
    }
    let words = Words {
        depth: words.depth.saturating_sub(1),
        sequence: words.sequence + 1,
        next: second as u64,
    };
    // SAFETY: checked above.
    unsafe { write(head, words) };
    entry
}

/// How many entries a list has.
///
/// # Safety
///
/// `head` points to memory of the caller's.
pub(crate) unsafe fn depth(head: PSLIST_HEADER) -> u16 {
    // SAFETY: says the caller.
    unsafe { checked(head) }.0.depth
}

/// Memory is about to be taken away: lists whose heads are in it are forgotten, and no entry may be
/// in it.
pub(crate) fn going_away(address: usize, length: usize) {
    let kernel = kernel();
    let mut lists = kernel.mm.slists.0.borrow_mut();
    let range = address..address + length.max(1);
    let heads: Vec<usize> = lists.range(range.clone()).map(|(head, _)| *head).collect();
    for head in heads {
        if let Some(account) = lists.remove(&head) {
            for (entry, hidden) in account.entries {
                if hidden {
                    pool::hide(entry, false);
                }
            }
        }
    }
    let on_list = lists.iter().find_map(|(head, account)| {
        let entry = account
            .entries
            .iter()
            .find(|(entry, _)| range.contains(entry))?;
        Some((*head, entry.0))
    });
    drop(lists);
    if let Some((head, entry)) = on_list {
        verifier_violation(
            [finding::FREED_ON_LIST, entry as u64, head as u64, 0],
            format!(
                "memory at {address:#x} is freed with the entry {entry:#x} in it, which is on the SLIST at {head:#x}"
            ),
        );
    }
}

nt_export! {
    /// Makes an empty list.
    irql(any) fn InitializeSListHead(SListHead: PSLIST_HEADER) {
        // SAFETY: the driver vouches for the head.
        unsafe { initialize(SListHead) };
    }

    /// Puts an entry at the front; returns the entry that was there.
    irql(<= DISPATCH_LEVEL) fn ExpInterlockedPushEntrySList(
        ListHead: PSLIST_HEADER,
        ListEntry: PSLIST_ENTRY,
    ) -> PSLIST_ENTRY {
        // SAFETY: the driver vouches for both.
        unsafe { push(ListHead, ListEntry) }
    }

    /// Takes the entry from the front; null if the list is empty.
    irql(<= DISPATCH_LEVEL) fn ExpInterlockedPopEntrySList(ListHead: PSLIST_HEADER) -> PSLIST_ENTRY {
        lookaside::adjust_if_due();
        // SAFETY: the driver vouches for the head.
        let entry = unsafe { pop(ListHead) };
        if !entry.is_null()
            && let Some(size) = lookaside::entry_size(ListHead.addr())
        {
            let origin = Origin::of("an entry of a lookaside list", ListHead.addr());
            // SAFETY: an entry of a lookaside list has so many bytes, and was free until now.
            unsafe { unwritten::mark_again(entry.cast(), size, origin) };
        }
        entry
    }

    /// Takes all entries; returns the first, from which the rest hang.
    irql(<= DISPATCH_LEVEL) fn ExpInterlockedFlushSList(ListHead: PSLIST_HEADER) -> PSLIST_ENTRY {
        let mut first = std::ptr::null_mut();
        let mut last: PSLIST_ENTRY = std::ptr::null_mut();
        loop {
            // SAFETY: the driver vouches for the head.
            let entry = unsafe { pop(ListHead) };
            if last.is_null() {
                first = entry;
            } else {
                // SAFETY: `last` was on the list until now, and nobody else has it yet.
                unsafe { (*last).Next = entry };
            }
            if entry.is_null() {
                return first;
            }
            last = entry;
        }
    }

    /// How many entries are on the list.
    irql(<= DISPATCH_LEVEL) fn ExQueryDepthSList(ListHead: PSLIST_HEADER) -> USHORT {
        // SAFETY: the driver vouches for the head.
        unsafe { depth(ListHead) }
    }
}
