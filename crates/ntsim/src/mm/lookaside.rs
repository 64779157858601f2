//! Lookaside lists: caches of equal pool blocks, each in a driver's `LOOKASIDE_LIST_EX`.
//!
//! Allocating from a list and freeing to it are inline functions of the kit's, so the library
//! carries its own and they never get here. What gets here are the SLIST operations they use, the
//! list's allocate and free routines, and the counters that they keep in the structure. From those
//! the kernel adjusts each list's depth, as Windows does: a list that misses often may hold more
//! entries, an idle one gives its memory back.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::ptr::NonNull;

use wdk_sys_lite::{
    _LIST_ENTRY, _POOL_TYPE, EX_LOOKASIDE_LIST_EX_FLAGS_FAIL_NO_RAISE,
    EX_LOOKASIDE_LIST_EX_FLAGS_RAISE_ON_FAIL, EX_MAXIMUM_LOOKASIDE_DEPTH_BASE, NTSTATUS,
    PALLOCATE_FUNCTION_EX, PFREE_FUNCTION_EX, PLOOKASIDE_LIST_EX, POOL_TYPE, PSLIST_HEADER, PVOID,
    SIZE_T, STATUS_INSUFFICIENT_RESOURCES, STATUS_INVALID_PARAMETER_4, STATUS_INVALID_PARAMETER_5,
    STATUS_SUCCESS, ULONG, USHORT,
};

use crate::bugcheck::{StopCode, bug_check, verifier_violation};
use crate::call_driver;
use crate::export::{self, IrqlRule};
use crate::kernel::{DriverId, Leak, kernel};
use crate::nt_export;
use crate::sched::Nanoseconds;

use super::unwritten::{self, Origin};
use super::{Owner, current_owner, finding, pool, slist};

/// The depth that a list starts with and never goes below.
const MINIMUM_DEPTH: u16 = 4;

/// An entry holds at least the link with which it hangs on its list.
const MINIMUM_SIZE: u64 = 8;

/// How often the depths are adjusted. Windows does it every second; a simulated second holds far
/// fewer calls than a real one, for each takes a scheduling step of virtual time only, so the
/// period is shortened in proportion.
const PERIOD: Nanoseconds = 1_000_000;

/// A list used less often than this in a period shrinks.
const BUSY: u32 = 25;

/// How many entries a list may grow by in a period.
const GROWTH: u32 = 30;

/// How many entries an idle list shrinks by in a period.
const SHRINKAGE: u16 = 10;

/// Added to a pool type for a list that raises when it cannot allocate.
const POOL_RAISE_IF_ALLOCATION_FAILURE: POOL_TYPE = 16;

/// Added to a pool type for a list that charges quota and returns null instead of raising.
const POOL_QUOTA_FAIL_INSTEAD_OF_RAISE: POOL_TYPE = 8;

/// What lists of an owner did, those deleted included.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Counters {
    /// Lists in use.
    pub lists: u64,
    /// Entries that were asked for.
    pub allocations: u64,
    /// Those that the list did not have, so that its allocate routine was called.
    pub allocation_misses: u64,
    /// Entries given back.
    pub frees: u64,
    /// Those that the list had no room for, so that its free routine was called.
    pub free_misses: u64,
}

impl Counters {
    /// # Safety
    ///
    /// `list` is an initialised list that may be read.
    unsafe fn add(&mut self, list: PLOOKASIDE_LIST_EX) {
        // SAFETY: says the caller; the counters are plain numbers under either of their names.
        let (allocations, misses, frees, free_misses) = unsafe {
            let list = &(*list).L;
            (
                list.TotalAllocates,
                list.__bindgen_anon_2.AllocateMisses,
                list.TotalFrees,
                list.__bindgen_anon_3.FreeMisses,
            )
        };
        self.allocations += u64::from(allocations);
        self.allocation_misses += u64::from(misses);
        self.frees += u64::from(frees);
        self.free_misses += u64::from(free_misses);
    }
}

/// A list in the system-wide list.
#[derive(Clone, Copy)]
struct Listed {
    owner: Owner,
    /// Whether its free routine is its maker's own.
    own_free: bool,
}

/// The system-wide list of lookaside lists, by address.
#[derive(Default)]
pub(crate) struct State {
    lists: RefCell<BTreeMap<usize, Listed>>,
    retired: RefCell<BTreeMap<Owner, Counters>>,
    next_adjustment: Cell<Nanoseconds>,
}

/// What an owner's lists did.
#[must_use]
pub fn counters(owner: Owner) -> Counters {
    let state = &kernel().mm.lookaside;
    let mut sum = state
        .retired
        .borrow()
        .get(&owner)
        .copied()
        .unwrap_or_default();
    for (address, listed) in &*state.lists.borrow() {
        if listed.owner == owner {
            sum.lists += 1;
            // SAFETY: a list in the system-wide list is not freed (that would be a finding), so it
            // may be read.
            unsafe { sum.add(std::ptr::with_exposed_provenance_mut(*address)) };
        }
    }
    sum
}

/// Whether an address is that of a lookaside list; its first member is its SLIST.
pub(crate) fn is_list(address: usize) -> bool {
    kernel().mm.lookaside.lists.borrow().contains_key(&address)
}

/// The arguments of `ExInitializeLookasideListEx`.
#[derive(Clone, Copy)]
pub(crate) struct Parameters {
    pub(crate) allocate: PALLOCATE_FUNCTION_EX,
    pub(crate) free: PFREE_FUNCTION_EX,
    pub(crate) pool_type: POOL_TYPE,
    pub(crate) flags: ULONG,
    pub(crate) size: SIZE_T,
    pub(crate) tag: ULONG,
    pub(crate) depth: USHORT,
}

/// Makes a list and puts it into the system-wide list.
///
/// # Safety
///
/// `list` may be written.
unsafe fn initialize(list: PLOOKASIDE_LIST_EX, given: Parameters, owner: Owner) -> NTSTATUS {
    let kernel = kernel();
    let address = list.expose_provenance();
    if !address.is_multiple_of(16) {
        bug_check(
            StopCode::NTSIM_INVALID_OBJECT,
            [address as u64, 0, 0, 0],
            format!("the lookaside list at {address:#x} is not aligned to 16 bytes"),
        );
    }
    if is_list(address) {
        verifier_violation(
            [0xCA, address as u64, 0, 0],
            format!("the lookaside list at {address:#x} is initialised again"),
        );
    }
    if pool::is_paged(address) {
        verifier_violation(
            [0xE1, address as u64, 0, 0],
            format!("the lookaside list at {address:#x} is in paged pool"),
        );
    }
    if given.depth != 0 {
        verifier_violation(
            [
                finding::RESERVED_PARAMETER,
                address as u64,
                u64::from(given.depth),
                0,
            ],
            "ExInitializeLookasideListEx is called with a depth, which is reserved and must be 0",
        );
    }
    if given.size < MINIMUM_SIZE {
        verifier_violation(
            [0xCD, address as u64, given.size, MINIMUM_SIZE],
            format!(
                "a lookaside list of entries of {} bytes is made",
                given.size
            ),
        );
    }
    let base = given.pool_type & !4;
    if ![
        _POOL_TYPE::NonPagedPool,
        _POOL_TYPE::PagedPool,
        _POOL_TYPE::NonPagedPoolNx,
    ]
    .contains(&base)
    {
        return STATUS_INVALID_PARAMETER_4;
    }
    let raise = EX_LOOKASIDE_LIST_EX_FLAGS_RAISE_ON_FAIL;
    let no_raise = EX_LOOKASIDE_LIST_EX_FLAGS_FAIL_NO_RAISE;
    let kind = match given.flags {
        0 => given.pool_type,
        flags if flags == raise => given.pool_type | POOL_RAISE_IF_ALLOCATION_FAILURE,
        flags if flags == no_raise => {
            if given.allocate.is_none() {
                verifier_violation(
                    [
                        finding::RESERVED_PARAMETER,
                        address as u64,
                        u64::from(flags),
                        0,
                    ],
                    "EX_LOOKASIDE_LIST_EX_FLAGS_FAIL_NO_RAISE is undefined for the default allocation routine",
                );
            }
            given.pool_type | POOL_QUOTA_FAIL_INSTEAD_OF_RAISE
        }
        _ => return STATUS_INVALID_PARAMETER_5,
    };
    let Ok(size) = ULONG::try_from(given.size.max(MINIMUM_SIZE)) else {
        return STATUS_INSUFFICIENT_RESOURCES;
    };
    if kernel.should_fail() {
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    // SAFETY: the caller vouches for the memory, which is aligned; every member is a number or a
    // nullable pointer, so all-zero bytes are a valid value, into which the rest is written.
    unsafe {
        list.write_bytes(0, 1);
        let link: *mut _LIST_ENTRY = &raw mut (*list).L.ListEntry;
        (*list).L.Depth = MINIMUM_DEPTH;
        (*list).L.MaximumDepth = USHORT::try_from(EX_MAXIMUM_LOOKASIDE_DEPTH_BASE).unwrap_or(256);
        (*list).L.Type = kind;
        (*list).L.Tag = given.tag;
        (*list).L.Size = size;
        (*list).L.__bindgen_anon_4.AllocateEx = given.allocate.or(Some(default_allocate));
        (*list).L.__bindgen_anon_5.FreeEx = given.free.or(Some(default_free));
        (*list).L.ListEntry = _LIST_ENTRY {
            Flink: link,
            Blink: link,
        };
        slist::initialize(head_of(list));
    }
    let own_free = given.free.is_some();
    kernel
        .mm
        .lookaside
        .lists
        .borrow_mut()
        .insert(address, Listed { owner, own_free });
    STATUS_SUCCESS
}

/// How many bytes the entries of the lookaside list have whose SLIST is at this address.
pub(super) fn entry_size(head: usize) -> Option<usize> {
    kernel().mm.lookaside.lists.borrow().get(&head)?;
    let list: PLOOKASIDE_LIST_EX = std::ptr::with_exposed_provenance_mut(head);
    // SAFETY: a list in the system-wide list is not freed, so it may be read.
    usize::try_from(unsafe { (*list).L.Size }).ok()
}

/// The SLIST, the structure's first member.
fn head_of(list: PLOOKASIDE_LIST_EX) -> PSLIST_HEADER {
    list.cast()
}

fn listed(function: &str, list: PLOOKASIDE_LIST_EX) -> Listed {
    let found = kernel()
        .mm
        .lookaside
        .lists
        .borrow()
        .get(&list.addr())
        .copied();
    let Some(listed) = found else {
        let message =
            format!("{function} is called for {list:p}, which is no initialised lookaside list");
        verifier_violation([0xCB, list.addr() as u64, 0, 0], message.as_str());
        bug_check(
            StopCode::NTSIM_INVALID_OBJECT,
            [list.addr() as u64, 0, 0, 0],
            message,
        );
    };
    // SAFETY: a list in the system-wide list is not freed, so it may be read.
    let intact = unsafe {
        let link = &raw const (*list).L.ListEntry;
        (*link).Flink.cast_const() == link && (*link).Blink.cast_const() == link
    };
    if !intact {
        bug_check(
            StopCode::NTSIM_INVALID_OBJECT,
            [list.addr() as u64, 0, 0, 0],
            format!("the lookaside list at {list:p} was overwritten or moved"),
        );
    }
    listed
}

/// Frees every entry that the list holds.
///
/// # Safety
///
/// `list` is in the system-wide list.
unsafe fn drain(list: PLOOKASIDE_LIST_EX, listed: Listed) {
    loop {
        // SAFETY: says the caller.
        let entry: PVOID = unsafe { slist::pop(head_of(list)) }.cast();
        if entry.is_null() {
            return;
        }
        // SAFETY: says the caller.
        let free = unsafe { (*list).L.__bindgen_anon_5.FreeEx };
        match (free, listed.owner) {
            // SAFETY: the routine that the driver gave for this list gets an entry that nobody else
            // has.
            (Some(free), Owner::Driver(driver)) if listed.own_free => unsafe {
                call_driver!(driver, "LookasideListFreeEx", free(entry, list));
            },
            _ => pool::free_checked(entry.addr(), None, listed.owner),
        }
    }
}

/// Frees what the list holds and takes it out of the system-wide list.
///
/// # Safety
///
/// `list` is a list, and nobody uses it any more.
unsafe fn delete(list: PLOOKASIDE_LIST_EX) {
    let listed = listed("ExDeleteLookasideListEx", list);
    let state = &kernel().mm.lookaside;
    // SAFETY: just looked up.
    unsafe {
        drain(list, listed);
        state
            .retired
            .borrow_mut()
            .entry(listed.owner)
            .or_default()
            .add(list);
    }
    state.lists.borrow_mut().remove(&list.addr());
    slist::retire(head_of(list));
}

/// Adjusts the depths of all lists when a period has passed since the last time.
pub(crate) fn adjust_if_due() {
    let kernel = kernel();
    let state = &kernel.mm.lookaside;
    let now = kernel.sched.now();
    if now < state.next_adjustment.get() {
        return;
    }
    state.next_adjustment.set(now + PERIOD);
    let lists: Vec<usize> = state.lists.borrow().keys().copied().collect();
    for address in lists {
        let list: PLOOKASIDE_LIST_EX = std::ptr::with_exposed_provenance_mut(address);
        listed("the adjustment of depths", list);
        // SAFETY: in the system-wide list, intact.
        unsafe { adjust(list) };
    }
}

/// # Safety
///
/// `list` is in the system-wide list.
unsafe fn adjust(list: PLOOKASIDE_LIST_EX) {
    // SAFETY: says the caller; nobody else has a reference to the structure, for drivers run on
    // this thread.
    let list = unsafe { &mut (*list).L };
    // SAFETY: a number under either of its names.
    let (all_misses, last_misses) = unsafe {
        (
            list.__bindgen_anon_2.AllocateMisses,
            list.__bindgen_anon_6.LastAllocateMisses,
        )
    };
    let allocations = list.TotalAllocates.wrapping_sub(list.LastTotalAllocates);
    let misses = all_misses.wrapping_sub(last_misses);
    list.LastTotalAllocates = list.TotalAllocates;
    list.__bindgen_anon_6.LastAllocateMisses = all_misses;
    list.Depth = next_depth(list.Depth, list.MaximumDepth, allocations, misses);
}

/// A list's depth for the next period: less when it was idle or hardly missed, more in proportion
/// to its misses.
fn next_depth(depth: u16, maximum: u16, allocations: u32, misses: u32) -> u16 {
    if allocations < BUSY {
        return depth.saturating_sub(SHRINKAGE).max(MINIMUM_DEPTH);
    }
    let per_thousand =
        u32::try_from(u64::from(misses) * 1000 / u64::from(allocations)).unwrap_or(u32::MAX);
    if per_thousand < 5 {
        return depth.saturating_sub(1).max(MINIMUM_DEPTH);
    }
    let room = u32::from(maximum.saturating_sub(depth));
    let growth = (per_thousand.min(1000) * room / 2000 + 5)
        .min(GROWTH)
        .min(room);
    depth.saturating_add(u16::try_from(growth).unwrap_or_default())
}

/// Memory is about to be taken away: no active list may be in it.
pub(crate) fn going_away(address: usize, length: usize) {
    let found = kernel()
        .mm
        .lookaside
        .lists
        .borrow()
        .range(address..address + length.max(1))
        .next()
        .map(|(list, _)| *list);
    if let Some(list) = found {
        verifier_violation(
            [0xCC, list as u64, address as u64, length as u64],
            format!(
                "memory at {address:#x} is freed with the active lookaside list {list:#x} in it"
            ),
        );
        kernel().mm.lookaside.lists.borrow_mut().remove(&list);
    }
}

/// Lists that a driver has not deleted.
pub(crate) fn leaks(driver: DriverId, leaks: &mut Vec<Leak>) {
    for (address, listed) in &*kernel().mm.lookaside.lists.borrow() {
        if listed.owner == Owner::Driver(driver) {
            // SAFETY: a list in the system-wide list is not freed, so it may be read.
            let list = unsafe {
                &(*std::ptr::with_exposed_provenance::<wdk_sys_lite::LOOKASIDE_LIST_EX>(*address)).L
            };
            leaks.push(Leak {
                kind: "lookaside list",
                what: format!("of {} bytes, tag {}", list.Size, pool::tag_text(list.Tag)),
            });
        }
    }
}

/// A new entry from pool, on the account of the list's owner.
fn new_entry(pool_type: POOL_TYPE, bytes: SIZE_T, tag: ULONG, list: PLOOKASIDE_LIST_EX) -> PVOID {
    let kernel = kernel();
    let owner = owner_of(list);
    let failed = kernel.should_fail();
    let length = usize::try_from(bytes).unwrap_or(usize::MAX);
    let block = Some(length)
        .filter(|_| !failed)
        .and_then(|length| pool::allocate(length, tag, pool_type & 1 != 0, owner));
    let Some(block) = block else {
        if pool_type & POOL_RAISE_IF_ALLOCATION_FAILURE != 0 {
            bug_check(
                StopCode::KMODE_EXCEPTION_NOT_HANDLED,
                [0xC000_009A, 0, 0, 0],
                "a lookaside list raised STATUS_INSUFFICIENT_RESOURCES, as its flags ask",
            );
        }
        return std::ptr::null_mut();
    };
    // SAFETY: the block has just been allocated with this length, and nobody else knows it. What a
    // list hands out is not zeroed.
    unsafe {
        let origin = Origin::of("an entry of a lookaside list", list.addr());
        unwritten::mark(block.as_ptr(), length, origin);
    }
    block.as_ptr().cast()
}

fn owner_of(list: PLOOKASIDE_LIST_EX) -> Owner {
    let lists = kernel().mm.lookaside.lists.borrow();
    lists
        .get(&list.addr())
        .map_or_else(current_owner, |listed| listed.owner)
}

/// The allocate routine of a list that has none of its own.
unsafe extern "C" fn default_allocate(
    pool_type: POOL_TYPE,
    bytes: SIZE_T,
    tag: ULONG,
    list: PLOOKASIDE_LIST_EX,
) -> PVOID {
    let _call = export::enter(
        "LookasideListAllocateEx",
        IrqlRule::AtMost(export::DISPATCH_LEVEL),
    );
    new_entry(pool_type, bytes, tag, list)
}

/// The free routine of a list that has none of its own.
unsafe extern "C" fn default_free(buffer: PVOID, list: PLOOKASIDE_LIST_EX) {
    let _call = export::enter(
        "LookasideListFreeEx",
        IrqlRule::AtMost(export::DISPATCH_LEVEL),
    );
    pool::free_checked(buffer.addr(), None, owner_of(list));
}

/// A lookaside list of the kernel's own (KMCL's packets, for one), with its counters on the owner's
/// account.
pub struct KernelLookaside {
    list: NonNull<wdk_sys_lite::LOOKASIDE_LIST_EX>,
    owner: Owner,
}

impl KernelLookaside {
    /// A list of nonpaged entries; none when memory runs out. In a call from a driver this is a
    /// fallible call.
    #[must_use]
    pub fn new(size: usize, tag: u32, owner: Owner) -> Option<Self> {
        let list = pool::allocate(
            size_of::<wdk_sys_lite::LOOKASIDE_LIST_EX>(),
            tag,
            false,
            owner,
        )?
        .cast();
        let parameters = Parameters {
            allocate: None,
            free: None,
            pool_type: _POOL_TYPE::NonPagedPoolNx,
            flags: 0,
            size: size as SIZE_T,
            tag,
            depth: 0,
        };
        // SAFETY: pool of the structure's size, zeroed, aligned to 16.
        let status = unsafe { initialize(list.as_ptr(), parameters, owner) };
        if status != STATUS_SUCCESS {
            pool::free(list.cast(), owner);
            return None;
        }
        Some(Self { list, owner })
    }

    /// An entry, its contents garbage; none when memory runs out. In a call from a driver this is a
    /// fallible call when the list is empty.
    #[must_use]
    pub fn allocate(&self) -> Option<NonNull<u8>> {
        adjust_if_due();
        let list = self.list.as_ptr();
        // SAFETY: the list is this value's own and lives in pool until it is dropped.
        let entry: PVOID = unsafe {
            (*list).L.TotalAllocates = (*list).L.TotalAllocates.wrapping_add(1);
            let entry: PVOID = slist::pop(head_of(list)).cast();
            if entry.is_null() {
                (*list).L.__bindgen_anon_2.AllocateMisses =
                    (*list).L.__bindgen_anon_2.AllocateMisses.wrapping_add(1);
                new_entry(
                    (*list).L.Type,
                    SIZE_T::from((*list).L.Size),
                    (*list).L.Tag,
                    list,
                )
            } else {
                entry
            }
        };
        NonNull::new(entry.cast())
    }

    /// Gives an entry of this list's back.
    pub fn free(&self, entry: NonNull<u8>) {
        let list = self.list.as_ptr();
        // SAFETY: as above; the entry came from `allocate`, and what it is not is caught by the
        // pool.
        unsafe {
            (*list).L.TotalFrees = (*list).L.TotalFrees.wrapping_add(1);
            if slist::depth(head_of(list)) >= (*list).L.Depth {
                (*list).L.__bindgen_anon_3.FreeMisses =
                    (*list).L.__bindgen_anon_3.FreeMisses.wrapping_add(1);
                pool::free(entry, self.owner);
            } else {
                slist::push(head_of(list), entry.as_ptr().cast());
            }
        }
    }
}

impl Drop for KernelLookaside {
    fn drop(&mut self) {
        if crate::kernel::try_kernel().is_none() {
            return;
        }
        // SAFETY: the list is this value's own, and the value is gone.
        unsafe { delete(self.list.as_ptr()) };
        pool::free(self.list.cast(), self.owner);
    }
}

nt_export! {
    /// Makes a lookaside list.
    irql(<= DISPATCH_LEVEL) fn ExInitializeLookasideListEx(
        Lookaside: PLOOKASIDE_LIST_EX,
        Allocate: PALLOCATE_FUNCTION_EX,
        Free: PFREE_FUNCTION_EX,
        PoolType: POOL_TYPE,
        Flags: ULONG,
        Size: SIZE_T,
        Tag: ULONG,
        Depth: USHORT,
    ) -> NTSTATUS {
        let parameters = Parameters {
            allocate: Allocate,
            free: Free,
            pool_type: PoolType,
            flags: Flags,
            size: Size,
            tag: Tag,
            depth: Depth,
        };
        // SAFETY: the driver vouches for the structure.
        unsafe { initialize(Lookaside, parameters, current_owner()) }
    }

    /// Frees what a lookaside list holds, and forgets the list.
    irql(<= DISPATCH_LEVEL) fn ExDeleteLookasideListEx(Lookaside: PLOOKASIDE_LIST_EX) {
        // SAFETY: the driver vouches that nobody uses the list any more.
        unsafe { delete(Lookaside) };
    }

    /// Frees what a lookaside list holds.
    irql(<= DISPATCH_LEVEL) fn ExFlushLookasideListEx(Lookaside: PLOOKASIDE_LIST_EX) {
        let listed = listed("ExFlushLookasideListEx", Lookaside);
        // SAFETY: just looked up.
        unsafe { drain(Lookaside, listed) };
    }
}

#[cfg(test)]
mod tests {
    use super::next_depth;

    #[test]
    fn a_list_that_misses_gets_deeper_up_to_its_maximum() {
        let mut depth = 4;
        for _ in 0..20 {
            let next = next_depth(depth, 256, 100, 100);
            assert!(next > depth || depth == 256, "{depth} to {next}");
            assert!(next - depth <= 30);
            depth = next;
        }
        assert_eq!(depth, 256);
    }

    #[test]
    fn a_list_that_hardly_misses_gets_slowly_shallower() {
        assert_eq!(next_depth(100, 256, 1000, 4), 99);
        assert_eq!(next_depth(4, 256, 1000, 0), 4);
    }

    #[test]
    fn an_idle_list_gives_its_memory_back() {
        assert_eq!(next_depth(100, 256, 24, 24), 90);
        assert_eq!(next_depth(8, 256, 0, 0), 4);
    }
}
