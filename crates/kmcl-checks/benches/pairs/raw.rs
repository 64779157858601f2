//! The pairs' raw sides: the same driver by hand over the table, as a careful C driver has it.
//!
//! It keeps what `kmcl` keeps for its user: a packet's context in an entry of a lookaside list,
//! rundown protection for what is out and for sends, the check of a message's length, counters of
//! the list, and the claim that decides who owns a packet whose send has failed. The last of these
//! only a driver needs that does not trust KMCL in what its documentation leaves open, so there is
//! a second version of the sends, `bare`, without it: a packet whose send has failed is the
//! sender's, and no completion routine runs for it.

use std::cell::UnsafeCell;
use std::hint::black_box;
use std::mem::zeroed;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, Ordering};

use kmcl_sys::{
    KMCL_CLIENT_INTERFACE_V1, VMB_CHANNEL_STATE_CHANGE_CALLBACKS, VMBCHANNEL, VMBPACKET,
    VMBPACKETCOMPLETION, VMBUS_CHANNEL_FORMAT_FLAG_WAIT_FOR_COMPLETION,
};
use wdk_sys_lite::ntddk::{
    ExAcquireRundownProtection, ExAllocatePool2, ExDeleteLookasideListEx,
    ExInitializeLookasideListEx, ExInitializeRundownProtection, ExQueryDepthSList,
    ExReleaseRundownProtection, ExWaitForRundownProtectionRelease, ExpInterlockedPopEntrySList,
    ExpInterlockedPushEntrySList, IoAllocateMdl, MmBuildMdlForNonPagedPool,
};
use wdk_sys_lite::{
    _POOL_TYPE, EX_RUNDOWN_REF, LOOKASIDE_LIST_EX, NTSTATUS, PLOOKASIDE_LIST_EX, PMDL,
    POOL_FLAG_NON_PAGED, PVOID,
};

use super::{EXTERNAL_BYTES, MESSAGE_BYTES, mock};

const TAG: u32 = u32::from_le_bytes(*b"BnRa");
const MAXIMUM_PACKET: usize = 4096;

/// What travels with a packet.
struct Node {
    /// Number of the send, and in its lowest bit whether the packet is in flight.
    claim: AtomicU64,
    /// The owner, and senders that are inside a send.
    references: AtomicU32,
    packet: VMBPACKET,
    driver: *const Driver,
    bytes: [u8; MESSAGE_BYTES],
    resend: bool,
    mdl: PMDL,
}

#[repr(C, align(16))]
struct List(UnsafeCell<LOOKASIDE_LIST_EX>);

impl List {
    /// `ExAllocateFromLookasideListEx`, as the kit has it inline.
    #[inline]
    unsafe fn allocate(&self) -> PVOID {
        let list: PLOOKASIDE_LIST_EX = self.0.get();
        // SAFETY: the list is initialised and in place.
        unsafe {
            AtomicU32::from_ptr(&raw mut (*list).L.TotalAllocates).fetch_add(1, Ordering::Relaxed);
            let entry = ExpInterlockedPopEntrySList(list.cast());
            if !entry.is_null() {
                return entry.cast();
            }
            AtomicU32::from_ptr(&raw mut (*list).L.__bindgen_anon_2.AllocateMisses)
                .fetch_add(1, Ordering::Relaxed);
            let allocate = (*list).L.__bindgen_anon_4.AllocateEx.unwrap_unchecked();
            allocate((*list).L.Type, (*list).L.Size.into(), (*list).L.Tag, list)
        }
    }

    /// `ExFreeToLookasideListEx`, as the kit has it inline.
    #[inline]
    unsafe fn free(&self, entry: PVOID) {
        let list: PLOOKASIDE_LIST_EX = self.0.get();
        // SAFETY: the list is initialised and in place, the entry is its own.
        unsafe {
            AtomicU32::from_ptr(&raw mut (*list).L.TotalFrees).fetch_add(1, Ordering::Relaxed);
            if ExQueryDepthSList(list.cast()) < (&raw const (*list).L.Depth).read_volatile() {
                ExpInterlockedPushEntrySList(list.cast(), entry.cast());
            } else {
                AtomicU32::from_ptr(&raw mut (*list).L.__bindgen_anon_3.FreeMisses)
                    .fetch_add(1, Ordering::Relaxed);
                (*list).L.__bindgen_anon_5.FreeEx.unwrap_unchecked()(entry, list);
            }
        }
    }
}

/// A driver's context.
struct Driver {
    table: KMCL_CLIENT_INTERFACE_V1,
    channel: VMBCHANNEL,
    packets: UnsafeCell<EX_RUNDOWN_REF>,
    gate: UnsafeCell<EX_RUNDOWN_REF>,
    nodes: List,
    entries: List,
    mdl: PMDL,
}

macro_rules! call {
    ($driver:expr, $member:ident($($argument:expr),* $(,)?)) => {
        ($driver.table.$member.unwrap_unchecked())($($argument),*)
    };
}

/// An open channel, and all that the pairs use.
pub struct Raw(Box<Driver>);

unsafe fn initialise(list: &List, bytes: usize) {
    // SAFETY: the list is in its last place.
    let status = unsafe {
        ExInitializeLookasideListEx(
            list.0.get(),
            None,
            None,
            _POOL_TYPE::NonPagedPoolNx,
            0,
            bytes as u64,
            TAG,
            0,
        )
    };
    assert_eq!(status, 0);
}

/// Sends a packet, with its external data if it has any.
#[inline]
unsafe fn send<const CLAIM: bool>(driver: &Driver, node: *mut Node) {
    // SAFETY: the node and its packet are the caller's until the send.
    unsafe {
        let length = (*node).bytes.len();
        if length == 0
            || black_box(MAXIMUM_PACKET) < length
            || ExAcquireRundownProtection(driver.gate.get()) == 0
        {
            discard::<CLAIM>(driver, node);
            return;
        }
        let mut claim = 0;
        if CLAIM {
            (*node).references.fetch_add(1, Ordering::Relaxed);
            claim = (*node).claim.load(Ordering::Relaxed).wrapping_add(2) | 1;
            (*node).claim.store(claim, Ordering::Release);
        }
        let packet = (*node).packet;
        let buffer: PVOID = (&raw mut (*node).bytes).cast();
        let status = if (*node).mdl.is_null() {
            call!(
                driver,
                VmbPacketSend(
                    packet,
                    buffer,
                    length as u32,
                    null_mut(),
                    VMBUS_CHANNEL_FORMAT_FLAG_WAIT_FOR_COMPLETION
                )
            )
        } else {
            call!(
                driver,
                VmbPacketSendWithExternalMdl(
                    packet,
                    buffer,
                    length as u32,
                    (*node).mdl,
                    0,
                    EXTERNAL_BYTES,
                    VMBUS_CHANNEL_FORMAT_FLAG_WAIT_FOR_COMPLETION
                )
            )
        };
        ExReleaseRundownProtection(driver.gate.get());
        if status < 0
            && (!CLAIM
                || (*node)
                    .claim
                    .compare_exchange(claim, claim & !1, Ordering::AcqRel, Ordering::Acquire)
                    .is_ok())
        {
            discard::<CLAIM>(driver, node);
        }
        if CLAIM {
            release(driver, node);
        }
    }
}

/// Frees a packet and its node.
#[inline]
unsafe fn discard<const CLAIM: bool>(driver: &Driver, node: *mut Node) {
    // SAFETY: both are the caller's, who gives them up.
    unsafe {
        call!(driver, VmbPacketFree((*node).packet));
        if CLAIM {
            release(driver, node);
        } else {
            give_back(driver, node);
        }
    }
}

/// Gives one reference to a node back, and the node with the last.
#[inline]
unsafe fn release(driver: &Driver, node: *mut Node) {
    // SAFETY: the reference is the caller's.
    unsafe {
        if (*node).references.fetch_sub(1, Ordering::AcqRel) == 1 {
            give_back(driver, node);
        }
    }
}

/// Gives a node back.
#[inline]
unsafe fn give_back(driver: &Driver, node: *mut Node) {
    // SAFETY: the node is the caller's, who gives it up.
    unsafe {
        driver.nodes.free(node.cast());
        ExReleaseRundownProtection(driver.packets.get());
    }
}

unsafe extern "C" fn on_completed<const CLAIM: bool>(
    packet: VMBPACKET,
    _status: NTSTATUS,
    buffer: PVOID,
    length: u32,
) {
    // SAFETY: the packet's pointer is its node, whose driver is there until every packet is back;
    // the host may write the reply, so each word is read once.
    unsafe {
        let node = packet_pointer(packet).cast::<Node>();
        if CLAIM && (*node).claim.fetch_and(!1, Ordering::AcqRel) & 1 == 0 {
            return;
        }
        let driver = &*(*node).driver;
        black_box(read_reply(buffer, length));
        if std::mem::take(&mut (*node).resend) {
            send::<CLAIM>(driver, node);
        } else {
            discard::<CLAIM>(driver, node);
        }
    }
}

/// Where the callbacks find the one function of the table that leads from a packet to its node.
static PACKET_POINTER: AtomicPtr<()> = AtomicPtr::new(null_mut());
static CHANNEL_POINTER: AtomicPtr<()> = AtomicPtr::new(null_mut());

#[inline]
unsafe fn packet_pointer(packet: VMBPACKET) -> PVOID {
    // SAFETY: the function was stored when the table was there.
    unsafe {
        std::mem::transmute::<*mut (), unsafe extern "C" fn(VMBPACKET) -> PVOID>(
            PACKET_POINTER.load(Ordering::Acquire),
        )(packet)
    }
}

#[inline]
unsafe fn channel_pointer(channel: VMBCHANNEL) -> PVOID {
    // SAFETY: as above.
    unsafe {
        std::mem::transmute::<*mut (), unsafe extern "C" fn(VMBCHANNEL) -> PVOID>(
            CHANNEL_POINTER.load(Ordering::Acquire),
        )(channel)
    }
}

/// The first words of a message, if they are there, each read once.
#[inline]
unsafe fn read_reply(buffer: PVOID, length: u32) -> Option<[u64; 2]> {
    if buffer.is_null() || length < 16 {
        return None;
    }
    let words = buffer.cast::<u64>();
    // SAFETY: the buffer has the length just checked.
    unsafe { Some([words.read_volatile(), words.add(1).read_volatile()]) }
}

unsafe extern "C" fn on_packet(
    channel: VMBCHANNEL,
    packet: VMBPACKETCOMPLETION,
    buffer: PVOID,
    length: u32,
    _flags: u32,
) {
    // SAFETY: the channel's pointer is the driver.
    unsafe {
        let driver = &*channel_pointer(channel).cast::<Driver>();
        match black_box(read_reply(buffer, length)) {
            Some(mut header) => call!(
                driver,
                VmbChannelPacketComplete(packet, header.as_mut_ptr().cast(), 8)
            ),
            None => call!(driver, VmbChannelPacketComplete(packet, null_mut(), 0)),
        }
    }
}

impl Raw {
    pub fn new() -> Self {
        let table = mock::table();
        PACKET_POINTER.store(
            table.VmbPacketGetPointer.expect("a function") as *mut (),
            Ordering::Release,
        );
        CHANNEL_POINTER.store(
            table.VmbChannelGetPointer.expect("a function") as *mut (),
            Ordering::Release,
        );
        // SAFETY: the thin KMCL takes any parent; every structure is plain data in its last place
        // before it is initialised.
        unsafe {
            let mut driver = Box::new(Driver {
                table: black_box(table),
                channel: null_mut(),
                packets: zeroed(),
                gate: zeroed(),
                nodes: zeroed(),
                entries: zeroed(),
                mdl: null_mut(),
            });
            let mut channel = null_mut();
            assert_eq!(
                call!(driver, VmbChannelAllocate(null_mut(), 0, &raw mut channel)),
                0
            );
            driver.channel = channel;
            ExInitializeRundownProtection(driver.packets.get());
            ExInitializeRundownProtection(driver.gate.get());
            initialise(&driver.nodes, size_of::<Node>());
            initialise(&driver.entries, 64);
            let buffer = ExAllocatePool2(POOL_FLAG_NON_PAGED, EXTERNAL_BYTES.into(), TAG);
            driver.mdl = IoAllocateMdl(buffer, EXTERNAL_BYTES, 0, 0, null_mut());
            MmBuildMdlForNonPagedPool(driver.mdl);
            call!(
                driver,
                VmbChannelSetPointer(channel, (&raw mut *driver).cast())
            );
            let mut states = VMB_CHANNEL_STATE_CHANGE_CALLBACKS::default();
            call!(
                driver,
                VmbChannelInitSetStateChangeCallbacks(channel, &raw mut states)
            );
            call!(
                driver,
                VmbChannelInitSetProcessPacketCallbacks(channel, Some(on_packet), None)
            );
            assert_eq!(call!(driver, VmbChannelEnable(channel)), 0);
            Self(driver)
        }
    }

    pub fn packet(&self) {
        let driver = &*self.0;
        // SAFETY: the channel is open; the packet is freed here.
        unsafe {
            if ExAcquireRundownProtection(driver.packets.get()) == 0 {
                return;
            }
            let packet = call!(driver, VmbPacketAllocate(driver.channel));
            if !packet.is_null() {
                black_box(&packet);
                call!(driver, VmbPacketFree(packet));
            }
            ExReleaseRundownProtection(driver.packets.get());
        }
    }

    fn transaction<const CLAIM: bool>(&self, resend: bool, mdl: PMDL) {
        let driver = &*self.0;
        // SAFETY: the channel is open; the node is filled before the packet points to it.
        unsafe {
            if ExAcquireRundownProtection(driver.packets.get()) != 0 {
                let packet = call!(driver, VmbPacketAllocate(driver.channel));
                if packet.is_null() {
                    ExReleaseRundownProtection(driver.packets.get());
                } else {
                    let node = driver.nodes.allocate().cast::<Node>();
                    if node.is_null() {
                        call!(driver, VmbPacketFree(packet));
                        ExReleaseRundownProtection(driver.packets.get());
                    } else {
                        node.write(Node {
                            claim: AtomicU64::new(0),
                            references: AtomicU32::new(1),
                            packet,
                            driver,
                            bytes: [7; MESSAGE_BYTES],
                            resend,
                            mdl,
                        });
                        call!(driver, VmbPacketSetPointer(packet, node.cast()));
                        call!(
                            driver,
                            VmbPacketSetCompletionRoutine(packet, Some(on_completed::<CLAIM>))
                        );
                        send::<CLAIM>(driver, node);
                    }
                }
            }
        }
        mock::complete();
    }

    pub fn send_and_resend(&self) {
        self.transaction::<true>(true, null_mut());
        mock::complete();
    }

    pub fn bare_send_and_resend(&self) {
        self.transaction::<false>(true, null_mut());
        mock::complete();
    }

    pub fn external(&self) {
        self.transaction::<true>(false, self.0.mdl);
    }

    pub fn bare_external(&self) {
        self.transaction::<false>(false, self.0.mdl);
    }

    pub fn receive(&self) {
        mock::deliver();
    }

    pub fn lookaside(&self) {
        // SAFETY: the entry has room for the value, and is given back here.
        unsafe {
            let entry = self.0.entries.allocate();
            if !entry.is_null() {
                entry.cast::<[u64; 8]>().write([3; 8]);
                black_box(entry);
                self.0.entries.free(entry);
            }
        }
    }

    /// Closes the channel.
    pub fn end(self) {
        // SAFETY: the channel is open, and every packet is back: the waits return at once.
        unsafe {
            ExWaitForRundownProtectionRelease(self.0.gate.get());
            call!(self.0, VmbChannelDisable(self.0.channel));
            ExWaitForRundownProtectionRelease(self.0.packets.get());
            ExDeleteLookasideListEx(self.0.nodes.0.get());
            ExDeleteLookasideListEx(self.0.entries.0.get());
            call!(self.0, VmbChannelCleanup(self.0.channel));
        }
    }
}
