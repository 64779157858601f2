//! KMCL's part: one channel a test, whose host is the test itself.

use std::cell::Cell;
use std::mem::{offset_of, take};
use std::ptr::null_mut;
use std::sync::Mutex;
use std::sync::atomic::{AtomicPtr, AtomicU32, Ordering};
use std::thread::{self, JoinHandle};

use kmcl_sys::{
    KMCL_CLIENT_INTERFACE_V1, PFN_VMB_CHANNEL_PNP_FAILURE, PFN_VMB_CHANNEL_PROCESS_PACKET,
    PFN_VMB_CHANNEL_PROCESSING_COMPLETE, PFN_VMB_PACKET_COMPLETION_ROUTINE,
    PVMB_CHANNEL_STATE_CHANGE_CALLBACKS, VMB_CHANNEL_STATE_CHANGE_CALLBACKS, VMBCHANNEL, VMBPACKET,
    VMBPACKETCOMPLETION,
};
use wdk_sys_lite::{
    _MDL, BOOLEAN, GUID, INTERFACE, LPCGUID, NTSTATUS, PDEVICE_OBJECT, PINTERFACE, PLARGE_INTEGER,
    PMDL, PVOID, PWDF_DRIVER_GLOBALS, STATUS_CANCELLED, STATUS_SUCCESS, STATUS_UNSUCCESSFUL,
    USHORT, WDFDEVICE,
};

use crate::kernel::at_dispatch;

/// What becomes of a packet that the driver sends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum How {
    /// It is completed inside the send.
    Inline,
    /// It waits for [`Host::complete`].
    Late,
    /// Another thread completes it, perhaps before the send has returned.
    Elsewhere,
    /// The send fails.
    Fails,
    /// The send fails, and has completed the packet all the same.
    FailsInline,
    /// The send fails while another thread completes the packet all the same, and waits for it.
    FailsElsewhere,
}

impl How {
    pub const ALL: [Self; 6] = [
        Self::Inline,
        Self::Late,
        Self::Elsewhere,
        Self::Fails,
        Self::FailsInline,
        Self::FailsElsewhere,
    ];
}

struct State {
    how: How,
    /// Whether a synchronous request is answered; else its time runs out.
    answers: bool,
    in_flight: Vec<Sent>,
    threads: Vec<JoinHandle<()>>,
    states: VMB_CHANNEL_STATE_CHANGE_CALLBACKS,
    gpadls: Vec<u32>,
}

struct Channel {
    pointer: AtomicPtr<()>,
    process: AtomicPtr<()>,
    done: AtomicPtr<()>,
    pnp: AtomicPtr<()>,
    /// Packets of the host's that the driver has not completed.
    outstanding: AtomicU32,
    packets: AtomicU32,
    state: Mutex<State>,
}

struct Packet {
    channel: VMBCHANNEL,
    pointer: PVOID,
    routine: PFN_VMB_PACKET_COMPLETION_ROUTINE,
    /// It lies in memory of the driver's.
    in_place: bool,
    /// Read once its completion routine has returned, if it lies in memory of the driver's: no text
    /// says that KMCL does not.
    completions: AtomicU32,
}

#[derive(Clone, Copy)]
struct Sent(*mut Packet);
// SAFETY: a packet that is sent is KMCL's, which has any thread complete it.
unsafe impl Send for Sent {}

/// A packet of the host's, with its external data.
struct Received {
    channel: VMBCHANNEL,
    /// Its MDLs with their memory, the last first.
    chain: Vec<(*mut [u8; 32], PMDL)>,
    fetched: Cell<bool>,
}

thread_local! {
    /// The channel that the thread allocated last.
    static LAST: Cell<VMBCHANNEL> = const { Cell::new(null_mut()) };
}

/// The other side of a channel.
#[derive(Clone, Copy)]
pub struct Host(VMBCHANNEL);
// SAFETY: everything that a host uses of its channel is synchronised.
unsafe impl Send for Host {}

impl Host {
    /// Of the channel that this thread has allocated last.
    pub fn of_last_channel() -> Self {
        Self(LAST.get())
    }

    fn channel(&self) -> &Channel {
        // SAFETY: the test uses a host while its channel is there.
        unsafe { &*self.0.cast::<Channel>() }
    }

    /// What becomes of packets that are sent from now on.
    pub fn sends(self, how: How) {
        self.channel().state.lock().expect("no panic").how = how;
    }

    /// Whether synchronous requests are answered from now on.
    pub fn answers(self, answers: bool) {
        self.channel().state.lock().expect("no panic").answers = answers;
    }

    /// Completes what is in flight.
    pub fn complete(self) {
        let packets = take(&mut self.channel().state.lock().expect("no panic").in_flight);
        for packet in packets {
            // SAFETY: it is in flight, and no more.
            unsafe { complete(packet, STATUS_SUCCESS) };
        }
    }

    /// Waits for the threads that complete packets.
    pub fn join(self) {
        loop {
            let threads = take(&mut self.channel().state.lock().expect("no panic").threads);
            if threads.is_empty() {
                break;
            }
            for thread in threads {
                thread.join().expect("no panic");
            }
        }
    }

    /// Sends a message, with so many parts of external data.
    pub fn deliver(&self, payload: &[u64], parts: usize) {
        // The last first, for each leads to the next.
        let mut next = null_mut();
        let mut chain = Vec::new();
        for number in (0..parts).rev() {
            let bytes = Box::into_raw(Box::new([u8::try_from(number).expect("few"); 32]));
            let mut mdl = Box::<_MDL>::default();
            mdl.Next = next;
            mdl.MappedSystemVa = bytes.cast();
            mdl.ByteCount = 32;
            next = Box::into_raw(mdl);
            chain.push((bytes, next));
        }
        let received = Box::new(Received {
            channel: self.0,
            chain,
            fetched: Cell::new(false),
        });
        self.channel().outstanding.fetch_add(1, Ordering::AcqRel);
        let flags = u32::from(parts > 0);
        let packet = Box::into_raw(received);
        let mut payload = payload.to_vec();
        // SAFETY: the callback was registered before the channel was enabled; the payload is
        // readable for the time of the call.
        unsafe {
            let process = std::mem::transmute::<*mut (), PFN_VMB_CHANNEL_PROCESS_PACKET>(
                self.channel().process.load(Ordering::Acquire),
            );
            let length = u32::try_from(payload.len() * 8).expect("a length");
            at_dispatch(|| {
                process.expect("a callback")(
                    self.0,
                    packet.cast(),
                    payload.as_mut_ptr().cast(),
                    length,
                    flags,
                );
            });
        }
    }

    /// Says that a batch of messages is over.
    pub fn batch(&self, packets: u32) {
        // SAFETY: as in `deliver`.
        unsafe {
            let done = std::mem::transmute::<*mut (), PFN_VMB_CHANNEL_PROCESSING_COMPLETE>(
                self.channel().done.load(Ordering::Acquire),
            );
            at_dispatch(|| done.expect("a callback")(self.0, packets));
        }
    }

    /// Says that the connection has failed.
    pub fn pnp_failure(&self) {
        // SAFETY: the driver has registered the callback.
        unsafe {
            let failed = std::mem::transmute::<*mut (), PFN_VMB_CHANNEL_PNP_FAILURE>(
                self.channel().pnp.load(Ordering::Acquire),
            );
            failed.expect("a callback")(self.0, STATUS_UNSUCCESSFUL);
        }
    }

    /// How many packets the driver has allocated and not freed.
    pub fn packets(self) -> u32 {
        self.channel().packets.load(Ordering::Acquire)
    }

    /// How many GPADLs there are.
    pub fn gpadls(self) -> usize {
        self.channel().state.lock().expect("no panic").gpadls.len()
    }
}

/// # Safety
///
/// The packet was sent, and is completed once.
unsafe fn complete(Sent(packet): Sent, status: NTSTATUS) {
    // SAFETY: as the caller says: the packet is there until its routine is called, and one in
    // memory of the driver's for as long as its channel.
    unsafe {
        let (routine, in_place) = ((*packet).routine, (*packet).in_place);
        let mut reply = [7_u64, 8];
        at_dispatch(|| {
            routine.expect("a routine")(packet.cast(), status, reply.as_mut_ptr().cast(), 16);
        });
        if in_place {
            (*packet).completions.fetch_add(1, Ordering::AcqRel);
        }
    }
}

// ---- the table ----

unsafe extern "C" fn reference(context: PVOID) {
    // SAFETY: the context is the counter that `query_for_interface` made.
    unsafe { &*context.cast::<AtomicU32>() }.fetch_add(1, Ordering::AcqRel);
}

unsafe extern "C" fn dereference(context: PVOID) {
    // SAFETY: as above; the last reference is given back once.
    unsafe {
        if (*context.cast::<AtomicU32>()).fetch_sub(1, Ordering::AcqRel) == 1 {
            drop(Box::from_raw(context.cast::<AtomicU32>()));
        }
    }
}

/// `WdfFdoQueryForInterface`. A later version than 1 is the first with more behind it.
pub unsafe extern "C" fn query_for_interface(
    _globals: PWDF_DRIVER_GLOBALS,
    _device: WDFDEVICE,
    _kind: LPCGUID,
    interface: PINTERFACE,
    size: USHORT,
    version: USHORT,
    _data: PVOID,
) -> NTSTATUS {
    let references = Box::into_raw(Box::new(AtomicU32::new(1)));
    // SAFETY: the caller gives room for version 1 at least.
    unsafe {
        interface.cast::<KMCL_CLIENT_INTERFACE_V1>().write(table());
        interface.write(INTERFACE {
            Size: size,
            Version: version,
            Context: references.cast(),
            InterfaceReference: Some(reference),
            InterfaceDereference: Some(dereference),
        });
    }
    STATUS_SUCCESS
}

/// A member that no test calls.
unsafe extern "C" fn absent() {
    panic!("a test calls a member that the thin table does not have");
}

fn table() -> KMCL_CLIENT_INTERFACE_V1 {
    let mut table = KMCL_CLIENT_INTERFACE_V1::default();
    let members = (&raw mut table)
        .wrapping_byte_add(offset_of!(KMCL_CLIENT_INTERFACE_V1, VmbChannelAllocate))
        .cast::<unsafe extern "C" fn()>();
    for index in 0..kmcl_sys::MEMBER_COUNT {
        // SAFETY: from here on the table is this many pointers to functions.
        unsafe { members.add(index).write(absent) };
    }
    table.VmbChannelAllocate = Some(channel_allocate);
    table.VmbChannelCleanup = Some(channel_cleanup);
    table.VmbChannelSetPointer = Some(channel_set_pointer);
    table.VmbChannelGetPointer = Some(channel_get_pointer);
    table.VmbChannelInitSetStateChangeCallbacks = Some(channel_set_state_callbacks);
    table.VmbChannelInitSetProcessPacketCallbacks = Some(channel_set_packet_callbacks);
    table.VmbChannelInitSetMaximumPacketSize = Some(channel_set_maximum_packet_size);
    table.VmbClientChannelInitSetTargetPnp = Some(channel_set_target);
    table.VmbChannelEnable = Some(channel_enable);
    table.VmbChannelDisable = Some(channel_disable);
    table.VmbChannelSizeofPacket = Some(channel_sizeof_packet);
    table.VmbChannelPacketComplete = Some(channel_packet_complete);
    table.VmbChannelPacketGetExternalData = Some(channel_get_external_data);
    table.VmbChannelCreateGpadlFromBuffer = Some(create_gpadl_from_buffer);
    table.VmbChannelCreateGpadlFromMdl = Some(create_gpadl_from_mdl);
    table.VmbChannelDeleteGpadl = Some(delete_gpadl);
    table.VmbChannelSendSynchronousRequest = Some(send_synchronous_request);
    table.VmbPacketAllocate = Some(packet_allocate);
    table.VmbPacketInitialize = Some(packet_initialize);
    table.VmbPacketFree = Some(packet_free);
    table.VmbPacketGetChannel = Some(packet_get_channel);
    table.VmbPacketGetPointer = Some(packet_get_pointer);
    table.VmbPacketSetPointer = Some(packet_set_pointer);
    table.VmbPacketSetCompletionRoutine = Some(packet_set_completion_routine);
    table.VmbPacketSend = Some(packet_send);
    table.VmbPacketSendWithExternalMdl = Some(packet_send_with_external_mdl);
    table
}

unsafe fn channel<'a>(channel: VMBCHANNEL) -> &'a Channel {
    // SAFETY: the channel is allocated until its cleanup.
    unsafe { &*channel.cast::<Channel>() }
}

unsafe extern "C" fn channel_allocate(
    _: PDEVICE_OBJECT,
    _: BOOLEAN,
    result: *mut VMBCHANNEL,
) -> NTSTATUS {
    let new = Box::into_raw(Box::new(Channel {
        pointer: AtomicPtr::default(),
        process: AtomicPtr::default(),
        done: AtomicPtr::default(),
        pnp: AtomicPtr::default(),
        outstanding: AtomicU32::new(0),
        packets: AtomicU32::new(0),
        state: Mutex::new(State {
            how: How::Inline,
            answers: true,
            in_flight: Vec::new(),
            threads: Vec::new(),
            states: VMB_CHANNEL_STATE_CHANGE_CALLBACKS::default(),
            gpadls: Vec::new(),
        }),
    }));
    LAST.set(new.cast());
    // SAFETY: the result is writable.
    unsafe { result.write(new.cast()) };
    STATUS_SUCCESS
}

unsafe extern "C" fn channel_cleanup(channel: VMBCHANNEL) {
    // Threads may still be inside a completion routine whose packet has been given up.
    Host(channel).join();
    // SAFETY: the channel came from `channel_allocate` and is given up.
    let channel = unsafe { Box::from_raw(channel.cast::<Channel>()) };
    assert_eq!(channel.packets.load(Ordering::Acquire), 0, "a packet leaks");
    assert_eq!(
        channel.outstanding.load(Ordering::Acquire),
        0,
        "a packet of the host's is kept"
    );
    assert!(
        channel.state.lock().expect("no panic").gpadls.is_empty(),
        "a GPADL leaks"
    );
}

unsafe extern "C" fn channel_set_pointer(handle: VMBCHANNEL, pointer: PVOID) {
    // SAFETY: the channel is allocated.
    unsafe { channel(handle) }
        .pointer
        .store(pointer.cast(), Ordering::Release);
}

unsafe extern "C" fn channel_get_pointer(handle: VMBCHANNEL) -> PVOID {
    // SAFETY: the channel is allocated.
    unsafe { channel(handle) }
        .pointer
        .load(Ordering::Acquire)
        .cast()
}

unsafe extern "C" fn channel_set_state_callbacks(
    handle: VMBCHANNEL,
    callbacks: PVMB_CHANNEL_STATE_CHANGE_CALLBACKS,
) -> NTSTATUS {
    // SAFETY: the channel is allocated, the callbacks are readable.
    unsafe { channel(handle).state.lock().expect("no panic").states = *callbacks };
    STATUS_SUCCESS
}

unsafe extern "C" fn channel_set_packet_callbacks(
    handle: VMBCHANNEL,
    process: PFN_VMB_CHANNEL_PROCESS_PACKET,
    done: PFN_VMB_CHANNEL_PROCESSING_COMPLETE,
) -> NTSTATUS {
    // SAFETY: the channel is allocated.
    let channel = unsafe { channel(handle) };
    let process = process.map_or(null_mut(), |process| process as *mut ());
    let done = done.map_or(null_mut(), |done| done as *mut ());
    channel.process.store(process, Ordering::Release);
    channel.done.store(done, Ordering::Release);
    STATUS_SUCCESS
}

unsafe extern "C" fn channel_set_target(
    handle: VMBCHANNEL,
    _: *const GUID,
    _: *const GUID,
    failed: PFN_VMB_CHANNEL_PNP_FAILURE,
) -> NTSTATUS {
    let failed = failed.map_or(null_mut(), |failed| failed as *mut ());
    // SAFETY: the channel is allocated.
    unsafe { channel(handle) }
        .pnp
        .store(failed, Ordering::Release);
    STATUS_SUCCESS
}

unsafe extern "C" fn channel_set_maximum_packet_size(_: VMBCHANNEL, _: u32) -> NTSTATUS {
    STATUS_SUCCESS
}

unsafe extern "C" fn channel_enable(handle: VMBCHANNEL) -> NTSTATUS {
    // SAFETY: the channel is allocated, and its callbacks are registered.
    unsafe {
        let states = channel(handle).state.lock().expect("no panic").states;
        if states.EvtChannelOpened.expect("a callback")(handle) < 0 {
            return STATUS_SUCCESS;
        }
        states.EvtChannelStarted.expect("a callback")(handle);
        states.EvtChannelPostStarted.expect("a callback")(handle);
    }
    STATUS_SUCCESS
}

unsafe extern "C" fn channel_disable(handle: VMBCHANNEL) {
    // SAFETY: the channel is allocated, and its callbacks are registered.
    unsafe {
        let channel = channel(handle);
        let states = channel.state.lock().expect("no panic").states;
        states.EvtChannelSuspend.expect("a callback")(handle);
        while channel.outstanding.load(Ordering::Acquire) != 0 {
            thread::yield_now();
        }
        Host(handle).complete();
        Host(handle).join();
        states.EvtChannelClosed.expect("a callback")(handle);
    }
}

unsafe extern "C" fn channel_sizeof_packet(_: VMBCHANNEL) -> u32 {
    u32::try_from(size_of::<Packet>()).expect("a size")
}

// ---- packets of the host's ----

unsafe extern "C" fn channel_packet_complete(
    packet: VMBPACKETCOMPLETION,
    reply: PVOID,
    length: u32,
) {
    // SAFETY: the packet is the driver's, who gives it up; the reply is readable.
    unsafe {
        let packet = Box::from_raw(packet.cast::<Received>());
        if !reply.is_null() {
            let _read = std::slice::from_raw_parts(reply.cast::<u8>(), length as usize).to_vec();
        }
        for (bytes, mdl) in packet.chain {
            drop(Box::from_raw(bytes));
            drop(Box::from_raw(mdl));
        }
        channel(packet.channel)
            .outstanding
            .fetch_sub(1, Ordering::AcqRel);
    }
}

unsafe extern "C" fn channel_get_external_data(
    packet: VMBPACKETCOMPLETION,
    _flags: u32,
    mdl: *mut PMDL,
) -> NTSTATUS {
    // SAFETY: the packet is the driver's, and the result writable.
    unsafe {
        let packet = &*packet.cast::<Received>();
        assert!(!packet.fetched.replace(true), "fetched twice");
        let Some((_, first)) = packet.chain.last() else {
            return STATUS_UNSUCCESSFUL;
        };
        mdl.write(*first);
    }
    STATUS_SUCCESS
}

// ---- GPADLs ----

static NEXT_GPADL: AtomicU32 = AtomicU32::new(1);

unsafe fn create_gpadl(handle: VMBCHANNEL, result: *mut u32) -> NTSTATUS {
    let id = NEXT_GPADL.fetch_add(1, Ordering::AcqRel);
    // SAFETY: the channel is allocated, the result writable.
    unsafe {
        channel(handle)
            .state
            .lock()
            .expect("no panic")
            .gpadls
            .push(id);
        result.write(id);
    }
    STATUS_SUCCESS
}

unsafe extern "C" fn create_gpadl_from_buffer(
    handle: VMBCHANNEL,
    _flags: u32,
    _buffer: PVOID,
    _length: u32,
    result: *mut u32,
) -> NTSTATUS {
    // SAFETY: as the caller says.
    unsafe { create_gpadl(handle, result) }
}

unsafe extern "C" fn create_gpadl_from_mdl(
    handle: VMBCHANNEL,
    _flags: u32,
    _mdl: PMDL,
    _offset: u32,
    _length: u32,
    result: *mut u32,
) -> NTSTATUS {
    // SAFETY: as the caller says.
    unsafe { create_gpadl(handle, result) }
}

unsafe extern "C" fn delete_gpadl(handle: VMBCHANNEL, id: u32) {
    // SAFETY: the channel is allocated.
    let mut state = unsafe { channel(handle) }.state.lock().expect("no panic");
    let before = state.gpadls.len();
    state.gpadls.retain(|known| *known != id);
    assert_eq!(state.gpadls.len() + 1, before, "deleted a second time");
}

// ---- packets of the driver's ----

unsafe extern "C" fn packet_allocate(handle: VMBCHANNEL) -> VMBPACKET {
    // SAFETY: the channel is allocated.
    unsafe { channel(handle) }
        .packets
        .fetch_add(1, Ordering::AcqRel);
    Box::into_raw(Box::new(Packet {
        channel: handle,
        pointer: null_mut(),
        routine: None,
        in_place: false,
        completions: AtomicU32::new(0),
    }))
    .cast()
}

unsafe extern "C" fn packet_initialize(
    handle: VMBCHANNEL,
    packet: VMBPACKET,
    bytes: u32,
) -> NTSTATUS {
    assert!(bytes as usize >= size_of::<Packet>());
    // SAFETY: the memory is the driver's, with room for a packet.
    unsafe {
        packet.cast::<Packet>().write(Packet {
            channel: handle,
            pointer: null_mut(),
            routine: None,
            in_place: true,
            completions: AtomicU32::new(0),
        });
    }
    STATUS_SUCCESS
}

unsafe extern "C" fn packet_free(packet: VMBPACKET) {
    // SAFETY: the packet is the driver's, who gives it up.
    unsafe {
        let packet = Box::from_raw(packet.cast::<Packet>());
        assert!(!packet.in_place);
        channel(packet.channel)
            .packets
            .fetch_sub(1, Ordering::AcqRel);
    }
}

unsafe extern "C" fn packet_get_channel(packet: VMBPACKET) -> VMBCHANNEL {
    // SAFETY: the packet is valid.
    unsafe { (*packet.cast::<Packet>()).channel }
}

unsafe extern "C" fn packet_get_pointer(packet: VMBPACKET) -> PVOID {
    // SAFETY: the packet is valid.
    unsafe { (*packet.cast::<Packet>()).pointer }
}

unsafe extern "C" fn packet_set_pointer(packet: VMBPACKET, pointer: PVOID) {
    // SAFETY: the packet is valid, and the driver's.
    unsafe { (*packet.cast::<Packet>()).pointer = pointer };
}

unsafe extern "C" fn packet_set_completion_routine(
    packet: VMBPACKET,
    routine: PFN_VMB_PACKET_COMPLETION_ROUTINE,
) {
    // SAFETY: the packet is valid, and the driver's.
    unsafe { (*packet.cast::<Packet>()).routine = routine };
}

unsafe extern "C" fn packet_send(
    packet: VMBPACKET,
    buffer: PVOID,
    length: u32,
    _: PMDL,
    _flags: u32,
) -> NTSTATUS {
    let sent = Sent(packet.cast());
    // SAFETY: the packet is valid and not in flight, the buffer readable.
    unsafe {
        let _read = std::slice::from_raw_parts(buffer.cast::<u8>(), length as usize).to_vec();
        let handle = (*sent.0).channel;
        let how = channel(handle).state.lock().expect("no panic").how;
        let elsewhere = |status| {
            thread::spawn(move || {
                let sent = sent;
                // SAFETY: it was sent, and this completes it.
                complete(sent, status);
            })
        };
        match how {
            How::Inline => complete(sent, STATUS_SUCCESS),
            How::Late => channel(handle)
                .state
                .lock()
                .expect("no panic")
                .in_flight
                .push(sent),
            How::Elsewhere => {
                let thread = elsewhere(STATUS_SUCCESS);
                channel(handle)
                    .state
                    .lock()
                    .expect("no panic")
                    .threads
                    .push(thread);
            }
            How::Fails => return STATUS_UNSUCCESSFUL,
            How::FailsInline => {
                complete(sent, STATUS_UNSUCCESSFUL);
                return STATUS_UNSUCCESSFUL;
            }
            How::FailsElsewhere => {
                elsewhere(STATUS_UNSUCCESSFUL).join().expect("no panic");
                return STATUS_UNSUCCESSFUL;
            }
        }
    }
    STATUS_SUCCESS
}

unsafe extern "C" fn packet_send_with_external_mdl(
    packet: VMBPACKET,
    buffer: PVOID,
    length: u32,
    mdl: PMDL,
    offset: u32,
    mdl_length: u32,
    flags: u32,
) -> NTSTATUS {
    // SAFETY: as for `packet_send`; the MDL is valid.
    unsafe {
        assert!(offset + mdl_length <= (*mdl).ByteCount);
        packet_send(packet, buffer, length, null_mut(), flags)
    }
}

// ---- synchronous requests ----

/// What KMCL has of a request whose time has run out, and still uses.
struct Kept {
    payload: *const u8,
    length: u32,
    reply: *mut u64,
    capacity: *mut u32,
}
// SAFETY: KMCL may use it on any thread.
unsafe impl Send for Kept {}

impl Kept {
    /// # Safety
    ///
    /// All of it is there.
    unsafe fn answer(&self) {
        // SAFETY: as the caller says.
        unsafe {
            let _read = std::slice::from_raw_parts(self.payload, self.length as usize).to_vec();
            self.reply.write(42);
            self.capacity.write(8);
        }
    }
}

unsafe extern "C" fn send_synchronous_request(
    handle: VMBCHANNEL,
    payload: PVOID,
    length: u32,
    _data: PMDL,
    _flags: u32,
    reply: PVOID,
    capacity: *mut u32,
    _timeout: PLARGE_INTEGER,
) -> NTSTATUS {
    let kept = Kept {
        payload: payload.cast_const().cast(),
        length,
        reply: reply.cast(),
        capacity,
    };
    // SAFETY: the channel is allocated; the buffers are there for the time of the call, and if the
    // time runs out until the channel has been disabled, as no text denies.
    unsafe {
        let mut state = channel(handle).state.lock().expect("no panic");
        if state.answers {
            kept.answer();
            return STATUS_SUCCESS;
        }
        state.threads.push(thread::spawn(move || {
            let kept = kept;
            for _ in 0..20 {
                thread::yield_now();
            }
            kept.answer();
        }));
    }
    STATUS_CANCELLED
}
