//! A kernel and a KMCL as thin as they can be, on one thread: what both sides of a pair stand on.
//!
//! Every body does the least that the real function cannot do without, so that the share of the
//! library in a count is the largest possible. Nothing here is inlined into its callers: in a
//! driver these are calls into other images.
#![allow(non_snake_case, reason = "the names are the DDI's")]

use std::alloc::{Layout, alloc, dealloc};
use std::cell::Cell;
use std::ptr::{copy_nonoverlapping, null_mut};
use std::sync::atomic::{AtomicU64, Ordering};

use kmcl_sys::{
    KMCL_CLIENT_INTERFACE_V1, PFN_VMB_CHANNEL_PROCESS_PACKET, PFN_VMB_CHANNEL_PROCESSING_COMPLETE,
    PFN_VMB_PACKET_COMPLETION_ROUTINE, PVMB_CHANNEL_STATE_CHANGE_CALLBACKS,
    VMB_CHANNEL_STATE_CHANGE_CALLBACKS, VMBCHANNEL, VMBPACKET, VMBPACKETCOMPLETION,
};
use wdk_sys_lite::{
    _MDL, _WDFFUNCENUM, BOOLEAN, EVENT_TYPE, GUID, INTERFACE, KIRQL, KPRIORITY, KPROCESSOR_MODE,
    KSPIN_LOCK, KWAIT_REASON, LONG, LPCGUID, MEMORY_CACHING_TYPE, NTSTATUS, PALLOCATE_FUNCTION_EX,
    PDEVICE_OBJECT, PEX_RUNDOWN_REF, PFREE_FUNCTION_EX, PINTERFACE, PIRP, PKSPIN_LOCK,
    PLARGE_INTEGER, PLOOKASIDE_LIST_EX, PMDL, POOL_FLAGS, POOL_TYPE, PRKEVENT, PSLIST_ENTRY,
    PSLIST_HEADER, PVOID, PWDF_DRIVER_GLOBALS, SIZE_T, STATUS_SUCCESS, ULONG, USHORT, WDFDEVICE,
    WDFFUNC,
};

/// A value of the one thread that there is.
struct Single<T>(Cell<T>);
// SAFETY: the benchmarks have one thread; criterion runs its routines on the thread that calls it.
unsafe impl<T> Sync for Single<T> {}

static POOL_ALLOCATIONS: Single<u64> = Single(Cell::new(0));

/// How often pool was allocated so far.
pub fn pool_allocations() -> u64 {
    POOL_ALLOCATIONS.0.get()
}

// ---- pool ----

/// Bytes before each block, which hold its size.
const POOL_HEADER: usize = 16;

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn ExAllocatePool2(_flags: POOL_FLAGS, bytes: SIZE_T, _tag: ULONG) -> PVOID {
    POOL_ALLOCATIONS.0.set(POOL_ALLOCATIONS.0.get() + 1);
    let size = usize::try_from(bytes).expect("a size") + POOL_HEADER;
    // SAFETY: the size is not zero; the header has room before the block. Nobody here relies on
    // zeroed pool.
    unsafe {
        let start = alloc(Layout::from_size_align_unchecked(size, POOL_HEADER));
        start.cast::<usize>().write(size);
        start.add(POOL_HEADER).cast()
    }
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn ExFreePoolWithTag(block: PVOID, _tag: ULONG) {
    // SAFETY: the block came from `ExAllocatePool2`, with its size before it.
    unsafe {
        let start = block.cast::<u8>().sub(POOL_HEADER);
        let size = start.cast::<usize>().read();
        dealloc(start, Layout::from_size_align_unchecked(size, POOL_HEADER));
    }
}

// ---- lookaside lists ----

/// The depth that lists begin with. The real one begins low and is tuned by the system.
static LIST_DEPTH: Single<USHORT> = Single(Cell::new(4));

/// Sets the depth of lists that are initialised from now on.
pub fn set_list_depth(depth: USHORT) {
    LIST_DEPTH.0.set(depth);
}

unsafe extern "C" fn allocate_entry(
    _: POOL_TYPE,
    bytes: SIZE_T,
    tag: ULONG,
    _: PLOOKASIDE_LIST_EX,
) -> PVOID {
    ExAllocatePool2(0, bytes, tag)
}

unsafe extern "C" fn free_entry(block: PVOID, list: PLOOKASIDE_LIST_EX) {
    // SAFETY: the list is the one that the entry came from.
    ExFreePoolWithTag(block, unsafe { (*list).L.Tag });
}

#[unsafe(no_mangle)]
#[inline(never)]
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
        (*list).L.Depth = LIST_DEPTH.0.get();
        (*list).L.Type = pool;
        (*list).L.Size = u32::try_from(size).expect("a ULONG");
        (*list).L.Tag = tag;
        (*list).L.__bindgen_anon_4.AllocateEx = Some(allocate_entry);
        (*list).L.__bindgen_anon_5.FreeEx = Some(free_entry);
    }
    STATUS_SUCCESS
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn ExDeleteLookasideListEx(list: PLOOKASIDE_LIST_EX) {
    loop {
        let entry = ExpInterlockedPopEntrySList(list.cast());
        if entry.is_null() {
            return;
        }
        // SAFETY: the entry was free in the list and has left it.
        unsafe { free_entry(entry.cast(), list) };
    }
}

/// The head of a list: the first entry and the number of entries.
struct Head {
    first: *mut Link,
    depth: u64,
}

/// A free entry.
struct Link {
    next: *mut Link,
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn ExpInterlockedPopEntrySList(head: PSLIST_HEADER) -> PSLIST_ENTRY {
    // SAFETY: the head was zeroed and is used by the functions here alone; entries are free memory.
    unsafe {
        let head = &mut *head.cast::<Head>();
        let first = head.first;
        if !first.is_null() {
            head.first = (*first).next;
            head.depth -= 1;
        }
        first.cast()
    }
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn ExpInterlockedPushEntrySList(
    head: PSLIST_HEADER,
    entry: PSLIST_ENTRY,
) -> PSLIST_ENTRY {
    // SAFETY: as above.
    unsafe {
        let head = &mut *head.cast::<Head>();
        let old = head.first;
        (*entry.cast::<Link>()).next = old;
        head.first = entry.cast();
        head.depth += 1;
        old.cast()
    }
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn ExQueryDepthSList(head: PSLIST_HEADER) -> USHORT {
    // SAFETY: as above.
    unsafe { (*head.cast::<Head>()).depth as USHORT }
}

// ---- rundown protection, events, spin locks ----

const RUN_DOWN: u64 = 1;
const USER: u64 = 2;

fn rundown<'a>(reference: PEX_RUNDOWN_REF) -> &'a AtomicU64 {
    // SAFETY: the structure is one aligned word, changed only here.
    unsafe { AtomicU64::from_ptr(reference.cast()) }
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn ExInitializeRundownProtection(reference: PEX_RUNDOWN_REF) {
    rundown(reference).store(0, Ordering::Relaxed);
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn ExReInitializeRundownProtection(reference: PEX_RUNDOWN_REF) {
    rundown(reference).store(0, Ordering::Release);
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn ExAcquireRundownProtection(reference: PEX_RUNDOWN_REF) -> BOOLEAN {
    let word = rundown(reference);
    let mut old = word.load(Ordering::Relaxed);
    loop {
        if old & RUN_DOWN != 0 {
            return 0;
        }
        match word.compare_exchange_weak(old, old + USER, Ordering::Acquire, Ordering::Relaxed) {
            Ok(_) => return 1,
            Err(now) => old = now,
        }
    }
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn ExReleaseRundownProtection(reference: PEX_RUNDOWN_REF) {
    rundown(reference).fetch_sub(USER, Ordering::Release);
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn ExWaitForRundownProtectionRelease(reference: PEX_RUNDOWN_REF) {
    let old = rundown(reference).swap(RUN_DOWN, Ordering::AcqRel);
    assert!(
        old <= RUN_DOWN,
        "with one thread nobody could end this wait"
    );
}

static SIGNALS: Single<u64> = Single(Cell::new(0));

#[unsafe(no_mangle)]
extern "C" fn KeInitializeEvent(_event: PRKEVENT, _kind: EVENT_TYPE, _state: BOOLEAN) {}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn KeSetEvent(_event: PRKEVENT, _increment: KPRIORITY, _wait: BOOLEAN) -> LONG {
    SIGNALS.0.set(SIGNALS.0.get() + 1);
    0
}

#[unsafe(no_mangle)]
extern "C" fn KeResetEvent(_event: PRKEVENT) -> LONG {
    0
}

#[unsafe(no_mangle)]
extern "C" fn KeWaitForSingleObject(
    _object: PVOID,
    _reason: KWAIT_REASON,
    _mode: KPROCESSOR_MODE,
    _alertable: BOOLEAN,
    _timeout: PLARGE_INTEGER,
) -> NTSTATUS {
    STATUS_SUCCESS
}

#[unsafe(no_mangle)]
extern "C" fn KeGetCurrentIrql() -> KIRQL {
    0
}

#[unsafe(no_mangle)]
extern "C" fn KeAcquireSpinLockRaiseToDpc(lock: PKSPIN_LOCK) -> KIRQL {
    // SAFETY: the lock is the caller's.
    let held: KSPIN_LOCK = unsafe { lock.replace(1) };
    assert_eq!(held, 0, "with one thread a lock that is held stays so");
    0
}

#[unsafe(no_mangle)]
extern "C" fn KeReleaseSpinLock(lock: PKSPIN_LOCK, _irql: KIRQL) {
    // SAFETY: the lock is the caller's.
    unsafe { lock.write(0) };
}

// ---- memory descriptor lists ----

#[unsafe(no_mangle)]
extern "C" fn IoAllocateMdl(start: PVOID, length: ULONG, _: BOOLEAN, _: BOOLEAN, _: PIRP) -> PMDL {
    let mdl = ExAllocatePool2(0, size_of::<_MDL>() as SIZE_T, 0).cast::<_MDL>();
    // SAFETY: the block has room for an MDL, which is plain data.
    unsafe {
        mdl.write_bytes(0, 1);
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

#[unsafe(no_mangle)]
extern "C" fn MmMapLockedPagesSpecifyCache(
    mdl: PMDL,
    _mode: KPROCESSOR_MODE,
    _cache: MEMORY_CACHING_TYPE,
    _base: PVOID,
    _bug_check: ULONG,
    _priority: ULONG,
) -> PVOID {
    // SAFETY: the MDL came from `IoAllocateMdl`.
    unsafe { (*mdl).MappedSystemVa }
}

#[unsafe(no_mangle)]
extern "C" fn MmUnmapLockedPages(_start: PVOID, _mdl: PMDL) {}

// ---- the framework ----

/// A value in a static that is never written.
#[repr(transparent)]
struct Constant<T>(T);
// SAFETY: the value never changes.
unsafe impl<T> Sync for Constant<T> {}

static FUNCTIONS: [WDFFUNC; 459] = {
    let mut table: [WDFFUNC; 459] = [None; 459];
    // SAFETY: who calls through the table turns the entry into this type again.
    let query =
        unsafe { std::mem::transmute::<*const (), WDFFUNC>(query_for_interface as *const ()) };
    table[_WDFFUNCENUM::WdfFdoQueryForInterfaceTableIndex as usize] = query;
    table
};

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

unsafe extern "C" fn query_for_interface(
    _globals: PWDF_DRIVER_GLOBALS,
    _device: WDFDEVICE,
    _kind: LPCGUID,
    interface: PINTERFACE,
    size: USHORT,
    version: USHORT,
    _data: PVOID,
) -> NTSTATUS {
    unsafe extern "C" fn dereference(_: PVOID) {}
    // SAFETY: the caller gives room for version 1 and asks for that.
    unsafe {
        interface.cast::<KMCL_CLIENT_INTERFACE_V1>().write(table());
        interface.write(INTERFACE {
            Size: size,
            Version: version,
            Context: null_mut(),
            InterfaceReference: Some(dereference),
            InterfaceDereference: Some(dereference),
        });
    }
    STATUS_SUCCESS
}

// ---- KMCL ----

/// A member that no benchmark calls: reached, it is a fault of the benchmark.
unsafe extern "C" fn absent() {
    panic!("a benchmark calls a member that the thin table does not have");
}

/// The table, each member that no benchmark needs filled with [`absent`].
pub fn table() -> KMCL_CLIENT_INTERFACE_V1 {
    let mut table = KMCL_CLIENT_INTERFACE_V1::default();
    let members = (&raw mut table).cast::<unsafe extern "C" fn()>();
    let header = size_of::<INTERFACE>() / size_of::<usize>();
    for index in 0..kmcl_sys::MEMBER_COUNT {
        // SAFETY: behind the header the table is this many pointers to functions.
        unsafe { members.add(header + index).write(absent) };
    }
    table.VmbChannelAllocate = Some(channel_allocate);
    table.VmbChannelCleanup = Some(channel_cleanup);
    table.VmbChannelSetPointer = Some(channel_set_pointer);
    table.VmbChannelGetPointer = Some(channel_get_pointer);
    table.VmbChannelInitSetStateChangeCallbacks = Some(channel_set_state_callbacks);
    table.VmbChannelInitSetProcessPacketCallbacks = Some(channel_set_packet_callbacks);
    table.VmbChannelInitSetMaximumPacketSize = Some(channel_set_maximum_packet_size);
    table.VmbChannelEnable = Some(channel_enable);
    table.VmbChannelDisable = Some(channel_disable);
    table.VmbChannelPacketComplete = Some(channel_packet_complete);
    table.VmbPacketAllocate = Some(packet_allocate);
    table.VmbPacketFree = Some(packet_free);
    table.VmbPacketGetChannel = Some(packet_get_channel);
    table.VmbPacketGetPointer = Some(packet_get_pointer);
    table.VmbPacketSetPointer = Some(packet_set_pointer);
    table.VmbPacketSetCompletionRoutine = Some(packet_set_completion_routine);
    table.VmbPacketSend = Some(packet_send);
    table.VmbPacketSendWithExternalMdl = Some(packet_send_with_external_mdl);
    table
}

/// Bytes of the ring that messages are copied to.
const RING: usize = 4096;

struct Channel {
    pointer: PVOID,
    free: *mut Packet,
    /// The packet that the host has to complete next. The pairs have one in flight at most.
    in_flight: *mut Packet,
    states: VMB_CHANNEL_STATE_CHANGE_CALLBACKS,
    process: PFN_VMB_CHANNEL_PROCESS_PACKET,
    written: usize,
    ring: [u8; RING],
}

struct Packet {
    next: *mut Packet,
    channel: *mut Channel,
    pointer: PVOID,
    routine: PFN_VMB_PACKET_COMPLETION_ROUTINE,
}

static CHANNEL: Single<*mut Channel> = Single(Cell::new(null_mut()));

/// The message that "arrives" with [`deliver`], and the reply with [`complete`].
static MESSAGE: [u64; 8] = [1, 2, 3, 4, 5, 6, 7, 8];

/// The host completes the packet in flight.
#[inline(never)]
pub fn complete() {
    // SAFETY: the channel was allocated, and its packets live until they are freed.
    unsafe {
        let channel = CHANNEL.0.get();
        let packet = std::mem::replace(&mut (*channel).in_flight, null_mut());
        let routine = (*packet).routine.expect("a completion routine");
        routine(
            packet.cast(),
            STATUS_SUCCESS,
            MESSAGE.as_ptr().cast_mut().cast(),
            16,
        );
    }
}

/// The host sends a message.
#[inline(never)]
pub fn deliver() {
    // SAFETY: the channel was allocated and has its callback.
    unsafe {
        let channel = CHANNEL.0.get();
        let process = (*channel).process.expect("a callback");
        process(
            channel.cast(),
            channel.cast(),
            MESSAGE.as_ptr().cast_mut().cast(),
            64,
            0,
        );
    }
}

unsafe extern "C" fn channel_allocate(
    _: PDEVICE_OBJECT,
    _: BOOLEAN,
    channel: *mut VMBCHANNEL,
) -> NTSTATUS {
    let new = Box::into_raw(Box::new(Channel {
        pointer: null_mut(),
        free: null_mut(),
        in_flight: null_mut(),
        states: VMB_CHANNEL_STATE_CHANGE_CALLBACKS::default(),
        process: None,
        written: 0,
        ring: [0; RING],
    }));
    CHANNEL.0.set(new);
    // SAFETY: the result is writable.
    unsafe { channel.write(new.cast()) };
    STATUS_SUCCESS
}

unsafe extern "C" fn channel_cleanup(channel: VMBCHANNEL) {
    // SAFETY: the channel came from `channel_allocate`, and is given up with its packets, all of
    // them free.
    unsafe {
        let channel = Box::from_raw(channel.cast::<Channel>());
        let mut next = channel.free;
        while !next.is_null() {
            next = Box::from_raw(next).next;
        }
    }
}

unsafe extern "C" fn channel_set_pointer(channel: VMBCHANNEL, pointer: PVOID) {
    // SAFETY: the channel is allocated.
    unsafe { (*channel.cast::<Channel>()).pointer = pointer };
}

#[inline(never)]
unsafe extern "C" fn channel_get_pointer(channel: VMBCHANNEL) -> PVOID {
    // SAFETY: the channel is allocated.
    unsafe { (*channel.cast::<Channel>()).pointer }
}

unsafe extern "C" fn channel_set_state_callbacks(
    channel: VMBCHANNEL,
    callbacks: PVMB_CHANNEL_STATE_CHANGE_CALLBACKS,
) -> NTSTATUS {
    // SAFETY: the channel is allocated, the callbacks are readable.
    unsafe { (*channel.cast::<Channel>()).states = *callbacks };
    STATUS_SUCCESS
}

unsafe extern "C" fn channel_set_packet_callbacks(
    channel: VMBCHANNEL,
    process: PFN_VMB_CHANNEL_PROCESS_PACKET,
    _complete: PFN_VMB_CHANNEL_PROCESSING_COMPLETE,
) -> NTSTATUS {
    // SAFETY: the channel is allocated.
    unsafe { (*channel.cast::<Channel>()).process = process };
    STATUS_SUCCESS
}

unsafe extern "C" fn channel_set_maximum_packet_size(_: VMBCHANNEL, _: u32) -> NTSTATUS {
    STATUS_SUCCESS
}

unsafe extern "C" fn channel_enable(channel: VMBCHANNEL) -> NTSTATUS {
    // SAFETY: the channel is allocated; an absent callback is not called.
    unsafe {
        let states = (*channel.cast::<Channel>()).states;
        if let Some(opened) = states.EvtChannelOpened {
            opened(channel);
        }
        for callback in [states.EvtChannelStarted, states.EvtChannelPostStarted]
            .into_iter()
            .flatten()
        {
            callback(channel);
        }
    }
    STATUS_SUCCESS
}

unsafe extern "C" fn channel_disable(channel: VMBCHANNEL) {
    // SAFETY: as above.
    unsafe {
        let states = (*channel.cast::<Channel>()).states;
        for callback in [states.EvtChannelSuspend, states.EvtChannelClosed]
            .into_iter()
            .flatten()
        {
            callback(channel);
        }
    }
}

#[inline(never)]
unsafe extern "C" fn channel_packet_complete(
    context: VMBPACKETCOMPLETION,
    reply: PVOID,
    length: u32,
) {
    // SAFETY: the context of a packet is its channel here.
    unsafe {
        let channel = &mut *context.cast::<Channel>();
        write(channel, reply, length);
    }
}

/// Copies a message to the ring.
unsafe fn write(channel: &mut Channel, message: PVOID, length: u32) {
    let length = length as usize;
    let start = channel.written % (RING / 2);
    channel.written = channel.written.wrapping_add(length);
    // SAFETY: the pairs' messages are shorter than half of the ring.
    unsafe {
        copy_nonoverlapping(
            message.cast::<u8>(),
            channel.ring.as_mut_ptr().add(start),
            length,
        );
    };
}

#[inline(never)]
unsafe extern "C" fn packet_allocate(channel: VMBCHANNEL) -> VMBPACKET {
    let channel = channel.cast::<Channel>();
    // SAFETY: the channel is allocated; what is in its free list is nobody's.
    unsafe {
        let packet = (*channel).free;
        if packet.is_null() {
            return Box::into_raw(Box::new(Packet {
                next: null_mut(),
                channel,
                pointer: null_mut(),
                routine: None,
            }))
            .cast();
        }
        (*channel).free = (*packet).next;
        packet.write(Packet {
            next: null_mut(),
            channel,
            pointer: null_mut(),
            routine: None,
        });
        packet.cast()
    }
}

#[inline(never)]
unsafe extern "C" fn packet_free(packet: VMBPACKET) {
    let packet = packet.cast::<Packet>();
    // SAFETY: the packet is the caller's, who gives it up.
    unsafe {
        let channel = (*packet).channel;
        (*packet).next = (*channel).free;
        (*channel).free = packet;
    }
}

#[inline(never)]
unsafe extern "C" fn packet_get_channel(packet: VMBPACKET) -> VMBCHANNEL {
    // SAFETY: the packet is valid.
    unsafe { (*packet.cast::<Packet>()).channel.cast() }
}

#[inline(never)]
unsafe extern "C" fn packet_get_pointer(packet: VMBPACKET) -> PVOID {
    // SAFETY: the packet is valid.
    unsafe { (*packet.cast::<Packet>()).pointer }
}

#[inline(never)]
unsafe extern "C" fn packet_set_pointer(packet: VMBPACKET, pointer: PVOID) {
    // SAFETY: the packet is valid.
    unsafe { (*packet.cast::<Packet>()).pointer = pointer };
}

#[inline(never)]
unsafe extern "C" fn packet_set_completion_routine(
    packet: VMBPACKET,
    routine: PFN_VMB_PACKET_COMPLETION_ROUTINE,
) {
    // SAFETY: the packet is valid.
    unsafe { (*packet.cast::<Packet>()).routine = routine };
}

#[inline(never)]
unsafe extern "C" fn packet_send(
    packet: VMBPACKET,
    buffer: PVOID,
    length: u32,
    _: PMDL,
    _flags: u32,
) -> NTSTATUS {
    let packet = packet.cast::<Packet>();
    // SAFETY: the packet is valid, and the buffer readable.
    unsafe {
        let channel = &mut *(*packet).channel;
        write(channel, buffer, length);
        channel.in_flight = packet;
    }
    STATUS_SUCCESS
}

#[inline(never)]
unsafe extern "C" fn packet_send_with_external_mdl(
    packet: VMBPACKET,
    buffer: PVOID,
    length: u32,
    mdl: PMDL,
    offset: u32,
    mdl_length: u32,
    _flags: u32,
) -> NTSTATUS {
    let packet = packet.cast::<Packet>();
    // SAFETY: the packet and the MDL are valid, and the buffer readable.
    unsafe {
        let channel = &mut *(*packet).channel;
        let mut range = [
            mdl as u64,
            u64::from(offset) << 32 | u64::from(mdl_length.min((*mdl).ByteCount)),
        ];
        write(channel, range.as_mut_ptr().cast(), 16);
        write(channel, buffer, length);
        channel.in_flight = packet;
    }
    STATUS_SUCCESS
}
