//! The kernel's part: what `kmcl` calls beside KMCL itself.
#![allow(non_snake_case, reason = "the names are the DDI's")]

use std::alloc::{Layout, alloc, alloc_zeroed, dealloc};
use std::cell::Cell;
use std::collections::HashMap;
use std::ptr::{null_mut, without_provenance_mut};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex};
use std::time::Duration;

use wdk_sys_lite::{
    _EVENT_TYPE, _MDL, BOOLEAN, EVENT_TYPE, GUID, HANDLE, KIRQL, KPRIORITY, KPROCESSOR_MODE,
    KWAIT_REASON, LONG, MEMORY_CACHING_TYPE, NTSTATUS, PALLOCATE_FUNCTION_EX, PCSTR,
    PEX_RUNDOWN_REF, PFREE_FUNCTION_EX, PIRP, PKSPIN_LOCK, PLARGE_INTEGER, PLOOKASIDE_LIST_EX,
    PMDL, POOL_FLAG_UNINITIALIZED, POOL_FLAGS, POOL_TYPE, PRKEVENT, PSLIST_ENTRY, PSLIST_HEADER,
    PVOID, PWDF_DRIVER_GLOBALS, SIZE_T, STATUS_SUCCESS, STATUS_TIMEOUT, ULONG, USHORT, WDFFUNC,
};

use crate::channel;

// ---- pool ----

/// Bytes before each block, which hold its size; and the alignment of pool, which for blocks of a
/// page and more is a page.
const HEADER: usize = 16;
const PAGE: usize = 4096;

fn layout(bytes: usize) -> (Layout, usize) {
    let alignment = if bytes >= PAGE { PAGE } else { HEADER };
    let layout = Layout::from_size_align(bytes + alignment, alignment).expect("a layout");
    (layout, alignment)
}

#[unsafe(no_mangle)]
extern "C" fn ExAllocatePool2(flags: POOL_FLAGS, bytes: SIZE_T, _tag: ULONG) -> PVOID {
    let bytes = usize::try_from(bytes).expect("a size");
    let (layout, before) = layout(bytes);
    // SAFETY: the size is not zero; the header has room before the block.
    unsafe {
        let start = if flags & POOL_FLAG_UNINITIALIZED == 0 {
            alloc_zeroed(layout)
        } else {
            alloc(layout)
        };
        let block = start.add(before);
        block.sub(HEADER).cast::<usize>().write_unaligned(bytes);
        block.cast()
    }
}

#[unsafe(no_mangle)]
extern "C" fn ExFreePoolWithTag(block: PVOID, _tag: ULONG) {
    // SAFETY: the block came from `ExAllocatePool2`, with its size before it.
    unsafe {
        let block = block.cast::<u8>();
        let (layout, before) = layout(block.sub(HEADER).cast::<usize>().read_unaligned());
        dealloc(block.sub(before), layout);
    }
}

// ---- lookaside lists ----

unsafe extern "C" fn allocate_entry(
    _: POOL_TYPE,
    bytes: SIZE_T,
    tag: ULONG,
    _: PLOOKASIDE_LIST_EX,
) -> PVOID {
    ExAllocatePool2(POOL_FLAG_UNINITIALIZED, bytes, tag)
}

unsafe extern "C" fn free_entry(block: PVOID, _: PLOOKASIDE_LIST_EX) {
    ExFreePoolWithTag(block, 0);
}

#[unsafe(no_mangle)]
extern "C" fn ExInitializeLookasideListEx(
    list: PLOOKASIDE_LIST_EX,
    _allocate: PALLOCATE_FUNCTION_EX,
    _free: PFREE_FUNCTION_EX,
    pool: POOL_TYPE,
    _flags: ULONG,
    size: SIZE_T,
    tag: ULONG,
    _depth: USHORT,
) -> NTSTATUS {
    // SAFETY: the list is the caller's; every field is plain data.
    unsafe {
        list.write_bytes(0, 1);
        (*list).L.Depth = 4;
        (*list).L.Type = pool;
        (*list).L.Size = u32::try_from(size).expect("a ULONG");
        (*list).L.Tag = tag;
        (*list).L.__bindgen_anon_4.AllocateEx = Some(allocate_entry);
        (*list).L.__bindgen_anon_5.FreeEx = Some(free_entry);
    }
    STATUS_SUCCESS
}

/// An entry that is free.
struct Free(PSLIST_ENTRY);
// SAFETY: free memory is anybody's.
unsafe impl Send for Free {}

/// The free entries of each list, by the list's address: beside the lists, for thin they are.
static LISTS: Mutex<Option<HashMap<usize, Vec<Free>>>> = Mutex::new(None);

fn with_list<R>(address: usize, run: impl FnOnce(&mut Vec<Free>) -> R) -> R {
    let mut lists = LISTS.lock().expect("no panic");
    run(lists.get_or_insert_default().entry(address).or_default())
}

#[unsafe(no_mangle)]
extern "C" fn ExDeleteLookasideListEx(list: PLOOKASIDE_LIST_EX) {
    for entry in with_list(list.addr(), std::mem::take) {
        // SAFETY: the entry was free in the list and has left it.
        unsafe { free_entry(entry.0.cast(), list) };
    }
}

#[unsafe(no_mangle)]
extern "C" fn ExpInterlockedPopEntrySList(head: PSLIST_HEADER) -> PSLIST_ENTRY {
    with_list(head.addr(), Vec::pop).map_or(null_mut(), |entry| entry.0)
}

#[unsafe(no_mangle)]
extern "C" fn ExpInterlockedPushEntrySList(
    head: PSLIST_HEADER,
    entry: PSLIST_ENTRY,
) -> PSLIST_ENTRY {
    // SAFETY: the entry is free memory of the caller's, at least as large as a link.
    unsafe { entry.cast::<usize>().write(usize::MAX) };
    with_list(head.addr(), |entries| entries.push(Free(entry)));
    null_mut()
}

#[unsafe(no_mangle)]
extern "C" fn ExQueryDepthSList(head: PSLIST_HEADER) -> USHORT {
    with_list(head.addr(), |entries| {
        USHORT::try_from(entries.len()).expect("a short list")
    })
}

// ---- waiting ----

/// What is signaled, by address: whether it is a synchronization event, and its state.
struct Signals {
    events: Mutex<Option<HashMap<usize, (bool, bool)>>>,
    changed: Condvar,
}

static SIGNALS: Signals = Signals {
    events: Mutex::new(None),
    changed: Condvar::new(),
};

/// Waits, with a bound far above what any step of a test takes, so that a test that hangs fails.
fn wait(mut over: impl FnMut(&mut HashMap<usize, (bool, bool)>) -> bool, short: bool) -> bool {
    let mut events = SIGNALS.events.lock().expect("no panic");
    // A wait that has a limit is one that the test wants to run out.
    let rounds = if short { 2 } else { 20_000 };
    for _ in 0..rounds {
        if over(events.get_or_insert_default()) {
            return true;
        }
        (events, _) = SIGNALS
            .changed
            .wait_timeout(events, Duration::from_millis(1))
            .expect("no panic");
    }
    assert!(short, "a wait does not end");
    false
}

fn change(address: usize, change: impl FnOnce(&mut (bool, bool))) {
    let mut events = SIGNALS.events.lock().expect("no panic");
    change(events.get_or_insert_default().entry(address).or_default());
    SIGNALS.changed.notify_all();
}

#[unsafe(no_mangle)]
extern "C" fn KeInitializeEvent(event: PRKEVENT, kind: EVENT_TYPE, state: BOOLEAN) {
    let synchronization = kind == _EVENT_TYPE::SynchronizationEvent;
    change(event.addr(), |event| *event = (synchronization, state != 0));
}

#[unsafe(no_mangle)]
extern "C" fn KeSetEvent(event: PRKEVENT, _increment: KPRIORITY, _wait: BOOLEAN) -> LONG {
    change(event.addr(), |event| event.1 = true);
    0
}

#[unsafe(no_mangle)]
extern "C" fn KeResetEvent(event: PRKEVENT) -> LONG {
    change(event.addr(), |event| event.1 = false);
    0
}

#[unsafe(no_mangle)]
extern "C" fn KeWaitForSingleObject(
    object: PVOID,
    _reason: KWAIT_REASON,
    _mode: KPROCESSOR_MODE,
    _alertable: BOOLEAN,
    timeout: PLARGE_INTEGER,
) -> NTSTATUS {
    assert_eq!(IRQL.get(), 0, "a wait at DISPATCH_LEVEL");
    let over = wait(
        |events| {
            let event = events.entry(object.addr()).or_default();
            let signaled = event.1;
            if signaled && event.0 {
                event.1 = false;
            }
            signaled
        },
        !timeout.is_null(),
    );
    if over { STATUS_SUCCESS } else { STATUS_TIMEOUT }
}

const RUN_DOWN: u64 = 1;
const USER: u64 = 2;

fn rundown<'a>(reference: PEX_RUNDOWN_REF) -> &'a AtomicU64 {
    // SAFETY: the structure is one aligned word, changed only here.
    unsafe { AtomicU64::from_ptr(reference.cast()) }
}

#[unsafe(no_mangle)]
extern "C" fn ExInitializeRundownProtection(reference: PEX_RUNDOWN_REF) {
    rundown(reference).store(0, Ordering::Release);
}

#[unsafe(no_mangle)]
extern "C" fn ExAcquireRundownProtection(reference: PEX_RUNDOWN_REF) -> BOOLEAN {
    let word = rundown(reference);
    let acquired = word.fetch_update(Ordering::AcqRel, Ordering::Acquire, |word| {
        (word & RUN_DOWN == 0).then_some(word + USER)
    });
    acquired.is_ok().into()
}

#[unsafe(no_mangle)]
extern "C" fn ExReleaseRundownProtection(reference: PEX_RUNDOWN_REF) {
    rundown(reference).fetch_sub(USER, Ordering::AcqRel);
}

#[unsafe(no_mangle)]
extern "C" fn ExWaitForRundownProtectionRelease(reference: PEX_RUNDOWN_REF) {
    let old = rundown(reference).fetch_or(RUN_DOWN, Ordering::AcqRel);
    assert_eq!(old & RUN_DOWN, 0, "a second wait for the same run-down");
    while rundown(reference).load(Ordering::Acquire) != RUN_DOWN {
        std::thread::yield_now();
    }
}

#[unsafe(no_mangle)]
extern "C" fn ExRundownCompleted(reference: PEX_RUNDOWN_REF) {
    rundown(reference).store(RUN_DOWN, Ordering::Release);
}

// ---- levels, locks, threads ----

thread_local! {
    static IRQL: Cell<KIRQL> = const { Cell::new(0) };
    static REGIONS: Cell<u32> = const { Cell::new(0) };
    static THREAD: usize = NEXT_THREAD.fetch_add(4, Ordering::Relaxed);
}
static NEXT_THREAD: AtomicUsize = AtomicUsize::new(4);

#[unsafe(no_mangle)]
extern "C" fn KeGetCurrentIrql() -> KIRQL {
    IRQL.get()
}

/// Runs something as KMCL runs its packet callbacks.
pub fn at_dispatch<R>(run: impl FnOnce() -> R) -> R {
    let old = IRQL.replace(2);
    let result = run();
    IRQL.set(old);
    result
}

#[unsafe(no_mangle)]
extern "C" fn KeAcquireSpinLockRaiseToDpc(lock: PKSPIN_LOCK) -> KIRQL {
    // SAFETY: the lock is the caller's, a word that only these two functions change.
    let word = unsafe { AtomicU64::from_ptr(lock.cast()) };
    let mut rounds = 0;
    while word
        .compare_exchange(0, 1, Ordering::Acquire, Ordering::Relaxed)
        .is_err()
    {
        rounds += 1;
        assert!(rounds < 1_000_000, "a spin lock is not released");
        std::thread::yield_now();
    }
    IRQL.replace(2)
}

#[unsafe(no_mangle)]
extern "C" fn KeReleaseSpinLock(lock: PKSPIN_LOCK, irql: KIRQL) {
    // SAFETY: as above.
    unsafe { AtomicU64::from_ptr(lock.cast()) }.store(0, Ordering::Release);
    IRQL.set(irql);
}

#[unsafe(no_mangle)]
extern "C" fn KeEnterCriticalRegion() {
    REGIONS.set(REGIONS.get() + 1);
}

#[unsafe(no_mangle)]
extern "C" fn KeLeaveCriticalRegion() {
    REGIONS.set(REGIONS.get().checked_sub(1).expect("a region"));
}

#[unsafe(no_mangle)]
extern "C" fn PsGetCurrentThreadId() -> HANDLE {
    without_provenance_mut(THREAD.with(|thread| *thread))
}

/// Nothing of these tests is told the debugger. (The true function is variadic.)
#[unsafe(no_mangle)]
extern "C" fn DbgPrint(_format: PCSTR, _text: PCSTR) -> ULONG {
    panic!("the library complains");
}

// ---- memory descriptor lists ----

#[unsafe(no_mangle)]
extern "C" fn IoAllocateMdl(start: PVOID, length: ULONG, _: BOOLEAN, _: BOOLEAN, _: PIRP) -> PMDL {
    let mdl = ExAllocatePool2(0, size_of::<_MDL>() as SIZE_T, 0).cast::<_MDL>();
    // SAFETY: the block has room for an MDL, which is plain data.
    unsafe {
        (*mdl).MappedSystemVa = start;
        (*mdl).ByteCount = length;
    }
    mdl
}

#[unsafe(no_mangle)]
extern "C" fn IoFreeMdl(mdl: PMDL) {
    ExFreePoolWithTag(mdl.cast(), 0);
}

#[unsafe(no_mangle)]
extern "C" fn MmBuildMdlForNonPagedPool(_mdl: PMDL) {}

/// `MdlFlags`: the pages are mapped.
const MAPPED: i16 = 1;

#[unsafe(no_mangle)]
extern "C" fn MmMapLockedPagesSpecifyCache(
    mdl: PMDL,
    _mode: KPROCESSOR_MODE,
    _cache: MEMORY_CACHING_TYPE,
    _base: PVOID,
    _bug_check: ULONG,
    _priority: ULONG,
) -> PVOID {
    // SAFETY: the MDL is the caller's.
    unsafe {
        assert_eq!((*mdl).MdlFlags & MAPPED, 0, "mapped a second time");
        (*mdl).MdlFlags |= MAPPED;
        (*mdl).MappedSystemVa
    }
}

#[unsafe(no_mangle)]
extern "C" fn MmUnmapLockedPages(_start: PVOID, mdl: PMDL) {
    // SAFETY: as above.
    unsafe {
        assert_ne!((*mdl).MdlFlags & MAPPED, 0, "unmapped a second time");
        (*mdl).MdlFlags &= !MAPPED;
    }
}

// ---- the framework ----

/// A value in a static that is never written.
#[repr(transparent)]
struct Constant<T>(T);
// SAFETY: the value never changes.
unsafe impl<T> Sync for Constant<T> {}

static FUNCTIONS: [WDFFUNC; 459] = {
    let mut table: [WDFFUNC; 459] = [None; 459];
    let query = channel::query_for_interface as *const ();
    // SAFETY: who calls through the table turns the entry into its own type again.
    table[wdk_sys_lite::_WDFFUNCENUM::WdfFdoQueryForInterfaceTableIndex as usize] =
        unsafe { std::mem::transmute::<*const (), WDFFUNC>(query) };
    table
};

/// Miri links no statics; the declarations have some to be set instead.
#[cfg(miri)]
pub fn provide_framework() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    // SAFETY: once, before anybody calls the framework.
    ONCE.call_once(|| unsafe { wdk_sys_lite::WdfFunctions = FUNCTIONS.as_ptr() });
}

/// The linker does it.
#[cfg(not(miri))]
pub fn provide_framework() {}

#[unsafe(no_mangle)]
#[allow(non_upper_case_globals, reason = "the framework's name")]
static WdfFunctions_01033: Constant<*const WDFFUNC> = Constant(FUNCTIONS.as_ptr());

#[unsafe(no_mangle)]
#[allow(non_upper_case_globals, reason = "the framework's name")]
static WdfDriverGlobals: Constant<PWDF_DRIVER_GLOBALS> = Constant(null_mut());

#[unsafe(no_mangle)]
static KMCL_CLIENT_INTERFACE_TYPE: GUID = GUID {
    Data1: 1,
    Data2: 0,
    Data3: 0,
    Data4: [0; 8],
};
