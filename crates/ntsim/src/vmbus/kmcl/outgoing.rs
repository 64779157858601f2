//! Outgoing packets: where they come from, how they get into the ring, and how they come back.
//!
//! ```text
//!   allocated / initialised -> Idle --send--> in the ring ------------- needs no answer --> completion routine
//!      ^                         |            | full, or not running       | needs one
//!      |                         |            v                            v
//!      |                         |          queued                    transaction --answer, close--> completion routine
//!      +------- the driver's again, inside and after its completion routine ---------------------------+
//! ```

use std::cell::{Cell, RefCell};
use std::ptr::NonNull;
use std::rc::Rc;

use kmcl_sys::{
    EVT_VMB_PACKET_COMPLETION_ROUTINE, VMBUS_CHANNEL_FORMAT_FLAG_PAGED_BUFFER,
    VMBUS_CHANNEL_FORMAT_FLAG_WAIT_FOR_COMPLETION, VMBUS_CHANNEL_FORMAT_FLAGS,
};
use wdk_sys_lite::{
    NT_SUCCESS, NTSTATUS, PVOID, STATUS_BUFFER_OVERFLOW, STATUS_CANCELLED,
    STATUS_CONNECTION_DISCONNECTED, STATUS_DEVICE_NOT_CONNECTED, STATUS_DEVICE_REMOVED,
    STATUS_INSUFFICIENT_RESOURCES, STATUS_INVALID_BUFFER_SIZE, STATUS_INVALID_PARAMETER,
    STATUS_INVALID_PARAMETER_3, STATUS_SUCCESS,
};

use super::channel::{Callback, Channel, NEVER_SET, Stage};
use super::{HandleKind, incoming, provider, violation};
use crate::call_driver;
use crate::export::DISPATCH_LEVEL;
use crate::kernel::kernel;
use crate::mm::unwritten;
use crate::sched::{Nanoseconds, Wake};
use crate::vmbus::behaviour::choose;
use crate::vmbus::memory;
use crate::vmbus::message::PageRange;
use crate::vmbus::ring::{self, PacketKind, WriteError};
use crate::vmbus::signal_host;

/// What each packet's memory begins with: KMCL's own fields.
const HEADER: usize = 64;
/// Marks the memory of a packet.
const SIGNATURE: u64 = u64::from_le_bytes(*b"VmbPackt");
/// Blocks that a channel's lookaside list keeps.
const LOOKASIDE_DEPTH: usize = 256;
/// A pipe message's type: data.
const PIPE_DATA: u32 = 1;
/// What fills messages up to a multiple of 8 bytes. Not zero, for nobody may rely on it.
const PADDING: u8 = 0xCC;

/// Pool behind an allocated packet.
pub(super) struct Block {
    memory: NonNull<u8>,
    bytes: usize,
}

impl Block {
    pub(super) fn free(self) {
        memory::pool_free(self.memory);
    }
}

#[derive(Clone, Copy)]
enum Routine {
    /// Frees the packet.
    Default,
    /// None was set; there is garbage where it belongs.
    Invalid,
    Drivers(unsafe extern "C" fn(wdk_sys_lite::HANDLE, NTSTATUS, PVOID, u32)),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum PacketState {
    /// The driver's.
    Idle,
    /// In a send, queued, in the ring or waiting for its answer.
    InFlight,
    /// Its completion routine runs: the driver's again.
    Completing,
}

enum Payload {
    /// So many bytes in the packet's memory.
    Copied(usize),
    /// Still in the driver's buffer.
    Drivers(NonNull<u8>, usize),
}

struct Request {
    payload: Payload,
    wait: bool,
    external: Vec<PageRange>,
}

/// An outgoing packet.
pub(super) struct Packet {
    pub(super) handle: usize,
    pub(super) channel: Rc<Channel>,
    memory: NonNull<u8>,
    bytes: usize,
    /// From `VmbPacketAllocate`, not the driver's own memory.
    allocated: bool,
    routine: Cell<Routine>,
    pub(super) pointer: Cell<usize>,
    state: Cell<PacketState>,
    request: RefCell<Option<Request>>,
}

impl Packet {
    pub(super) fn is_allocated(&self) -> bool {
        self.allocated
    }

    pub(super) fn is_in_flight(&self) -> bool {
        self.state.get() == PacketState::InFlight
    }

    fn is_registered(self: &Rc<Self>) -> bool {
        provider()
            .packets
            .borrow()
            .get(&self.handle)
            .is_some_and(|known| Rc::ptr_eq(known, self))
    }

    /// Writes KMCL's own fields: memory that the driver has freed meanwhile faults here.
    fn stamp(&self) {
        // SAFETY: the packet's memory is KMCL's own block, or memory that the driver has vouched
        // for until completion; it is at least a header long. What the driver broke faults, which
        // the machine reports.
        unsafe { self.memory.cast::<u64>().write_unaligned(SIGNATURE) };
    }

    fn payload_area(&self) -> NonNull<u8> {
        // SAFETY: the packet's memory is longer than its header.
        unsafe { self.memory.add(HEADER) }
    }

    /// Copies the driver's buffer into the packet's memory, at the current IRQL.
    fn copy_in(&self, from: NonNull<u8>, length: usize) {
        // SAFETY: the driver vouches for the buffer; the packet's memory holds the channel's
        // largest message, and a longer one was refused. The two could only overlap if the driver
        // passed the packet itself: `copy` allows that.
        unsafe { self.payload_area().copy_from(from, length) };
        kernel().tally.copied(length);
    }
}

/// A request of `VmbChannelSendSynchronousRequest`.
pub(super) struct Synchronous {
    payload: Vec<u8>,
    wait: bool,
    external: Vec<PageRange>,
    outcome: Cell<Option<NTSTATUS>>,
    reply: RefCell<Vec<u8>>,
    transaction: Cell<u64>,
}

/// Something that waits for the ring.
#[derive(Clone)]
pub(super) enum Outgoing {
    Packet(Rc<Packet>),
    Synchronous(Rc<Synchronous>),
}

/// Something that waits for the host's answer.
pub(super) enum Transaction {
    Packet(Rc<Packet>),
    Synchronous(Rc<Synchronous>),
    /// The request timed out; the answer may still come.
    Abandoned,
}

/// `VmbChannelSizeofPacket`.
pub(super) fn packet_size(channel: &Channel) -> usize {
    HEADER
        + (channel.settings.borrow().packet_size as usize).next_multiple_of(8)
        + size_of::<usize>()
}

/// `VmbPacketAllocate`.
pub(super) fn allocate(channel: &Rc<Channel>) -> Option<Rc<Packet>> {
    if kernel().should_fail() {
        return None;
    }
    let bytes = packet_size(channel);
    let free = channel.free_packets.borrow_mut().pop();
    let block = match free {
        Some(block) if block.bytes >= bytes => {
            provider().count(|counters| counters.lookaside_hits += 1);
            block
        }
        other => {
            if let Some(small) = other {
                small.free();
            }
            provider().count(|counters| counters.lookaside_misses += 1);
            Block {
                memory: memory::pool_allocate(bytes)?,
                bytes,
            }
        }
    };
    let packet = Rc::new(Packet {
        handle: provider().new_handle(HandleKind::Packet),
        channel: Rc::clone(channel),
        memory: block.memory,
        bytes: block.bytes,
        allocated: true,
        routine: Cell::new(Routine::Default),
        pointer: Cell::new(NEVER_SET),
        state: Cell::new(PacketState::Idle),
        request: RefCell::new(None),
    });
    packet.stamp();
    provider()
        .packets
        .borrow_mut()
        .insert(packet.handle, Rc::clone(&packet));
    Some(packet)
}

/// `VmbPacketInitialize`.
pub(super) fn initialize(channel: &Rc<Channel>, memory: PVOID, bytes: u32) -> NTSTATUS {
    let Some(memory) = NonNull::new(memory.cast::<u8>()) else {
        violation("VmbPacketInitialize: the packet's memory is a null pointer")
    };
    if (bytes as usize) < packet_size(channel) {
        return STATUS_INVALID_PARAMETER_3;
    }
    let handle = memory.addr().get();
    if provider()
        .packets
        .borrow()
        .get(&handle)
        .is_some_and(|packet| packet.is_in_flight())
    {
        violation("VmbPacketInitialize: the memory is a packet that is still sent");
    }
    let packet = Rc::new(Packet {
        handle,
        channel: Rc::clone(channel),
        memory,
        bytes: bytes as usize,
        allocated: false,
        routine: Cell::new(Routine::Invalid),
        pointer: Cell::new(NEVER_SET),
        state: Cell::new(PacketState::Idle),
        request: RefCell::new(None),
    });
    packet.stamp();
    provider().packets.borrow_mut().insert(handle, packet);
    STATUS_SUCCESS
}

/// `VmbPacketFree`.
pub(super) fn free(packet: &Rc<Packet>) {
    if !packet.allocated {
        violation("VmbPacketFree: the packet is in memory of the driver's own");
    }
    if packet.is_in_flight() {
        violation(format!(
            "VmbPacketFree: packet {:#x} is still sent",
            packet.handle
        ));
    }
    incoming::ended(&packet.channel, packet.handle);
    release(packet);
}

/// Takes an allocated packet back.
fn release(packet: &Packet) {
    provider().packets.borrow_mut().remove(&packet.handle);
    let block = Block {
        memory: packet.memory,
        bytes: packet.bytes,
    };
    let mut free = packet.channel.free_packets.borrow_mut();
    if free.len() < LOOKASIDE_DEPTH {
        free.push(block);
    } else {
        block.free();
    }
}

/// `VmbPacketSetCompletionRoutine`.
pub(super) fn set_routine(packet: &Packet, routine: EVT_VMB_PACKET_COMPLETION_ROUTINE) {
    if packet.is_in_flight() {
        violation("VmbPacketSetCompletionRoutine: the packet is sent");
    }
    match routine {
        Some(function) => packet.routine.set(Routine::Drivers(function)),
        None => violation("VmbPacketSetCompletionRoutine: the routine is a null pointer"),
    }
}

/// What a driver wants sent, as it gave it.
pub(super) struct Message {
    pub(super) buffer: PVOID,
    pub(super) length: u32,
    pub(super) external: Vec<PageRange>,
    /// How many MDLs the external data came in.
    pub(super) chain: u32,
    pub(super) flags: u32,
}

impl Message {
    fn waits(&self) -> bool {
        self.flags & VMBUS_CHANNEL_FORMAT_FLAG_WAIT_FOR_COMPLETION != 0
    }

    /// The rules for flags and buffer that each way of sending has.
    fn check(&self, function: &str, channel: &Channel) -> Result<NonNull<u8>, NTSTATUS> {
        if self.flags & !VMBUS_CHANNEL_FORMAT_FLAGS != 0 {
            violation(format!("{function}: unknown flags {:#x}", self.flags));
        }
        if !self.external.is_empty() && !self.waits() {
            violation(format!(
                "{function}: external data without WAIT_FOR_COMPLETION; the host could still use the memory after the completion"
            ));
        }
        if self.flags & VMBUS_CHANNEL_FORMAT_FLAG_PAGED_BUFFER != 0
            && kernel().sched.current().irql() >= DISPATCH_LEVEL
        {
            violation(format!(
                "{function}: PAGED_BUFFER at DISPATCH_LEVEL, where paged memory cannot be read"
            ));
        }
        if channel.is_pipe() && (self.waits() || !self.external.is_empty()) {
            violation(format!(
                "{function}: a channel in pipe mode has no completions and no external data"
            ));
        }
        let buffer = NonNull::new(self.buffer.cast::<u8>());
        if buffer.is_none() && self.length != 0 {
            violation(format!(
                "{function}: {} bytes at a null pointer",
                self.length
            ));
        }
        if self.length > channel.settings.borrow().packet_size {
            return Err(STATUS_INVALID_BUFFER_SIZE);
        }
        if !self.external.is_empty() {
            let bytes: u64 = self
                .external
                .iter()
                .map(|range| u64::from(range.length))
                .sum();
            let allowed = channel.settings.borrow().external;
            if allowed.is_none_or(|(most, chain)| bytes > u64::from(most) || self.chain > chain) {
                return Err(STATUS_INVALID_PARAMETER);
            }
        }
        Ok(buffer.unwrap_or(NonNull::dangling()))
    }
}

/// `VmbPacketSend` and its two relatives.
pub(super) fn send(function: &str, packet: &Rc<Packet>, message: Message) -> NTSTATUS {
    let channel = Rc::clone(&packet.channel);
    if packet.is_in_flight() {
        violation(format!(
            "{function}: packet {:#x} is sent already",
            packet.handle
        ));
    }
    if matches!(packet.routine.get(), Routine::Invalid) {
        violation(format!(
            "{function}: the packet is in the driver's own memory and its completion routine was never set"
        ));
    }
    if channel.suspended.get() {
        violation(format!(
            "{function}: sent after EvtChannelSuspend returned and before the next EvtChannelStarted"
        ));
    }
    let checked = message.check(function, &channel).and_then(|buffer| {
        if kernel().should_fail() {
            Err(STATUS_INSUFFICIENT_RESOURCES)
        } else {
            Ok(buffer)
        }
    });
    let buffer = match checked {
        Ok(buffer) => buffer,
        Err(status) => return refuse(packet, status),
    };
    let length = message.length as usize;
    // SAFETY: the driver vouches for its buffer.
    at_dispatch(|| unsafe { unwritten::leaves(buffer.as_ptr(), length, "the host") });
    packet.state.set(PacketState::InFlight);
    let wait = message.waits();
    let mut payload = Payload::Drivers(buffer, length);
    if message.flags & VMBUS_CHANNEL_FORMAT_FLAG_PAGED_BUFFER != 0 {
        packet.copy_in(buffer, length);
        payload = Payload::Copied(length);
    }
    *packet.request.borrow_mut() = Some(Request {
        payload,
        wait,
        external: message.external,
    });
    let entry = Outgoing::Packet(Rc::clone(packet));
    if can_go_at_once(&channel) && put(&channel, &entry) == Put::Done {
        incoming::ended(&channel, packet.handle);
        if wait {
            return STATUS_SUCCESS;
        }
        if choose(kernel().config.kmcl.completes_inside_send) {
            at_some_irql(|| complete(packet, STATUS_SUCCESS, None));
        } else {
            complete_in_dpc(packet);
        }
        return STATUS_SUCCESS;
    }
    if !choose(kernel().config.kmcl.reads_buffer_late) {
        let mut request = packet.request.borrow_mut();
        if let Some(request) = request.as_mut()
            && let Payload::Drivers(buffer, length) = request.payload
        {
            at_dispatch(|| packet.copy_in(buffer, length));
            request.payload = Payload::Copied(length);
        }
    }
    incoming::ended(&channel, packet.handle);
    provider().count(|counters| counters.queued += 1);
    channel.outgoing.borrow_mut().push_back(entry);
    flush(&channel);
    STATUS_SUCCESS
}

/// A send that fails. Nothing says whether the driver's own completion routine then runs.
fn refuse(packet: &Rc<Packet>, status: NTSTATUS) -> NTSTATUS {
    if matches!(packet.routine.get(), Routine::Drivers(_))
        && choose(kernel().config.kmcl.routine_on_failed_send)
    {
        complete(packet, status, None);
    }
    status
}

fn can_go_at_once(channel: &Channel) -> bool {
    channel.running.get()
        && channel.outgoing.borrow().is_empty()
        && channel.replies.borrow().is_empty()
}

/// Runs something at `DISPATCH_LEVEL` or above, where pageable memory cannot be touched. It must
/// not reach a scheduling point.
pub(super) fn at_dispatch<R>(work: impl FnOnce() -> R) -> R {
    let sched = &kernel().sched;
    let irql = sched.current().irql();
    if irql >= DISPATCH_LEVEL {
        return work();
    }
    sched.set_irql(DISPATCH_LEVEL);
    let result = work();
    sched.set_irql(irql);
    result
}

/// Runs a call into a driver at the current IRQL or at `DISPATCH_LEVEL`: both are documented.
pub(super) fn at_some_irql(call: impl FnOnce()) {
    if kernel().sched.random(2) == 0 {
        call();
        return;
    }
    let sched = &kernel().sched;
    let before = sched.set_irql(DISPATCH_LEVEL.max(sched.current().irql()));
    call();
    sched.set_irql(before);
}

fn complete_in_dpc(packet: &Rc<Packet>) {
    let packet = Rc::clone(packet);
    let channel = Rc::clone(&packet.channel);
    channel.completing.set(channel.completing.get() + 1);
    kernel().sched.queue_dpc(None, "KMCL completion", move || {
        complete(&packet, STATUS_SUCCESS, None);
        finished_completing(&channel);
    });
}

fn finished_completing(channel: &Channel) {
    channel.completing.set(channel.completing.get() - 1);
    channel.wake();
}

/// Gives a packet back to the driver: its completion routine runs.
pub(super) fn complete(packet: &Rc<Packet>, status: NTSTATUS, reply: Option<(NonNull<u8>, u32)>) {
    packet.request.borrow_mut().take();
    packet.state.set(PacketState::Completing);
    packet.stamp();
    let function = match packet.routine.get() {
        Routine::Drivers(function) => function,
        Routine::Default | Routine::Invalid => {
            release(packet);
            return;
        }
    };
    let channel = Rc::clone(&packet.channel);
    channel.completing.set(channel.completing.get() + 1);
    let handle = std::ptr::without_provenance_mut(packet.handle);
    let handle: wdk_sys_lite::HANDLE = if packet.allocated {
        handle
    } else {
        packet.memory.as_ptr().cast()
    };
    let (buffer, length) = reply.map_or((std::ptr::null_mut(), 0), |(buffer, length)| {
        (buffer.as_ptr().cast(), length)
    });
    channel.in_callback(Callback::Packet("EvtVmbPacketCompletionRoutine"), || {
        // SAFETY: the driver registered the function as this packet's completion routine and
        // vouches for it; the handle is valid, and the reply is readable during the call.
        unsafe {
            call_driver!(
                channel.driver,
                "EvtVmbPacketCompletionRoutine",
                function(handle, status, buffer, length)
            );
        }
    });
    if packet.is_registered() && packet.state.get() == PacketState::Completing {
        packet.state.set(PacketState::Idle);
    }
    finished_completing(&channel);
}

/// How putting something into the ring went.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Put {
    Done,
    Full,
    Broken,
}

/// The headers of a GPA-direct packet.
fn range_headers(external: &[PageRange]) -> Vec<u8> {
    if external.is_empty() {
        return Vec::new();
    }
    // The reserved word may hold anything.
    let mut headers = 0xCDCD_CDCD_u32.to_le_bytes().to_vec();
    headers.extend(
        u32::try_from(external.len())
            .unwrap_or(u32::MAX)
            .to_le_bytes(),
    );
    for range in external {
        range.append_to(&mut headers);
    }
    headers
}

/// Writes an entry into the ring, and files it under the transactions if it waits for an answer.
fn put(channel: &Rc<Channel>, entry: &Outgoing) -> Put {
    let transaction = channel.next_transaction.get();
    channel.next_transaction.set(transaction + 1);
    let done = match entry {
        Outgoing::Packet(packet) => {
            let request = packet.request.borrow();
            let Some(request) = request.as_ref() else {
                return Put::Done;
            };
            let (from, length) = match request.payload {
                Payload::Copied(length) => (packet.payload_area(), length),
                Payload::Drivers(buffer, length) => (buffer, length),
            };
            let done = at_dispatch(|| {
                // SAFETY: the driver vouches for its buffer until the packet's completion, and the
                // packet's memory is as long as the channel's longest message. Nothing writes there
                // before the borrow ends: no scheduling point is in between.
                let payload = unsafe { std::slice::from_raw_parts(from.as_ptr(), length) };
                write(
                    channel,
                    transaction,
                    request.wait,
                    &request.external,
                    payload,
                )
            });
            if done == Put::Done && request.wait {
                channel
                    .transactions
                    .borrow_mut()
                    .insert(transaction, Transaction::Packet(Rc::clone(packet)));
            }
            done
        }
        Outgoing::Synchronous(request) => {
            let done = write(
                channel,
                transaction,
                request.wait,
                &request.external,
                &request.payload,
            );
            if done == Put::Done {
                request.transaction.set(transaction);
                if request.wait {
                    channel
                        .transactions
                        .borrow_mut()
                        .insert(transaction, Transaction::Synchronous(Rc::clone(request)));
                }
            }
            done
        }
    };
    if done == Put::Broken {
        // The worker closes the channel, which completes the packet.
        return Put::Broken;
    }
    done
}

fn write(
    channel: &Rc<Channel>,
    transaction: u64,
    wait: bool,
    external: &[PageRange],
    payload: &[u8],
) -> Put {
    let headers = range_headers(external);
    let kind = if external.is_empty() {
        PacketKind::InBand
    } else {
        PacketKind::GpaDirect
    };
    let framed;
    let payload = if channel.is_pipe() {
        framed = pipe_frame(payload);
        &framed
    } else {
        payload
    };
    write_packet(
        channel,
        &ring::Outgoing {
            kind,
            completion_requested: wait,
            transaction,
            headers: &headers,
            payload,
            padding: PADDING,
        },
    )
}

fn pipe_frame(payload: &[u8]) -> Vec<u8> {
    let mut framed = PIPE_DATA.to_le_bytes().to_vec();
    framed.extend(
        u32::try_from(payload.len())
            .unwrap_or(u32::MAX)
            .to_le_bytes(),
    );
    framed.extend(payload);
    framed
}

fn write_packet(channel: &Rc<Channel>, packet: &ring::Outgoing<'_>) -> Put {
    let Some(connection) = channel.connection() else {
        return Put::Full;
    };
    let mut result = connection.output.write(packet);
    if let Err(WriteError::Full(needed)) = result {
        connection.output.set_pending_send_size(needed);
        // Room that came meanwhile brings no signal.
        result = connection.output.write(packet);
    }
    match result {
        Ok(signal) => {
            provider().count(|counters| counters.packets_sent += 1);
            kernel().tally.copied(packet.payload.len());
            if signal {
                signal_host(connection.offer.relid);
            }
            Put::Done
        }
        Err(WriteError::Full(_)) => Put::Full,
        Err(WriteError::TooLarge) => violation("a reply to the host is larger than the ring"),
        Err(WriteError::Corrupt(corruption)) => {
            channel.corrupt(corruption);
            Put::Broken
        }
    }
}

/// Sends an answer to an incoming packet: at once or when there is room.
pub(super) fn reply(channel: &Rc<Channel>, transaction: u64, bytes: Vec<u8>) {
    channel.replies.borrow_mut().push_back((transaction, bytes));
    flush(channel);
}

/// Puts into the ring whatever waits and fits.
pub(super) fn flush(channel: &Rc<Channel>) {
    if channel.connection().is_none() || channel.broken.get() {
        return;
    }
    loop {
        let next = channel.replies.borrow().front().cloned();
        let Some((transaction, bytes)) = next else {
            break;
        };
        let packet = ring::Outgoing {
            kind: PacketKind::Completion,
            completion_requested: false,
            transaction,
            headers: &[],
            payload: &bytes,
            padding: PADDING,
        };
        if write_packet(channel, &packet) != Put::Done {
            return;
        }
        channel.replies.borrow_mut().pop_front();
    }
    while channel.running.get() {
        let next = channel.outgoing.borrow().front().cloned();
        let Some(entry) = next else {
            if let Some(connection) = channel.connection() {
                connection.output.set_pending_send_size(0);
            }
            return;
        };
        if put(channel, &entry) != Put::Done {
            return;
        }
        channel.outgoing.borrow_mut().pop_front();
        match entry {
            Outgoing::Packet(packet) => {
                let waits = packet
                    .request
                    .borrow()
                    .as_ref()
                    .is_some_and(|request| request.wait);
                if !waits {
                    at_some_irql(|| complete(&packet, STATUS_SUCCESS, None));
                }
            }
            Outgoing::Synchronous(request) => {
                if !request.wait {
                    request.finish(channel, STATUS_SUCCESS);
                }
            }
        }
    }
}

impl Synchronous {
    fn finish(&self, channel: &Channel, status: NTSTATUS) {
        self.outcome.set(Some(status));
        channel.wake();
    }

    /// The host has answered.
    pub(super) fn answered(&self, channel: &Channel, reply: Vec<u8>) {
        *self.reply.borrow_mut() = reply;
        self.finish(channel, STATUS_SUCCESS);
    }
}

/// Completes everything that is out because the channel closes. Packets whose external data the
/// host may still use come last, when it has let go of the channel.
pub(super) fn fail_all(channel: &Rc<Channel>, disconnected: bool) {
    loop {
        let queued = channel.outgoing.borrow_mut().pop_front();
        let next = match queued {
            Some(Outgoing::Packet(packet)) => Some(Transaction::Packet(packet)),
            Some(Outgoing::Synchronous(request)) => Some(Transaction::Synchronous(request)),
            None => take_transaction(channel, disconnected),
        };
        match next {
            None => break,
            Some(Transaction::Packet(packet)) => {
                let status = closing_status();
                at_some_irql(|| complete(&packet, status, None));
            }
            Some(Transaction::Synchronous(request)) => {
                request.finish(channel, STATUS_DEVICE_REMOVED);
            }
            Some(Transaction::Abandoned) => {}
        }
    }
    if disconnected {
        channel.replies.borrow_mut().clear();
        if choose(kernel().config.kmcl.disable_waits_for_completions) {
            kernel()
                .sched
                .wait_until(channel.key, || channel.completing.get() == 0);
        }
    }
}

fn take_transaction(channel: &Channel, disconnected: bool) -> Option<Transaction> {
    let mut transactions = channel.transactions.borrow_mut();
    let id = transactions
        .iter()
        .find(|(_, transaction)| match transaction {
            Transaction::Packet(packet) => {
                let external = packet
                    .request
                    .borrow()
                    .as_ref()
                    .is_some_and(|request| !request.external.is_empty());
                disconnected || !external
            }
            Transaction::Synchronous(request) => disconnected || request.external.is_empty(),
            Transaction::Abandoned => disconnected,
        })
        .map(|(id, _)| *id)?;
    let taken = transactions.remove(&id);
    if !disconnected {
        // The answer of a host that does not know yet that the channel closes is no breach.
        transactions.insert(id, Transaction::Abandoned);
        return taken.filter(|transaction| !matches!(transaction, Transaction::Abandoned));
    }
    taken
}

/// No text says with which status a packet comes back when its channel closes.
fn closing_status() -> NTSTATUS {
    const STATUSES: [NTSTATUS; 4] = [
        STATUS_CANCELLED,
        STATUS_DEVICE_REMOVED,
        STATUS_DEVICE_NOT_CONNECTED,
        STATUS_CONNECTION_DISCONNECTED,
    ];
    let choice = usize::try_from(kernel().sched.random(4)).unwrap_or(0);
    STATUSES.get(choice).copied().unwrap_or(STATUS_CANCELLED)
}

/// How long a synchronous request waits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Patience {
    /// Not at all: what does not fit is not queued.
    None,
    /// Until this time.
    Until(Nanoseconds),
    ForEver,
}

/// `VmbChannelSendSynchronousRequest`, up to the copying of the reply: the reply comes back.
pub(super) fn synchronous(
    channel: &Rc<Channel>,
    message: Message,
    patience: Patience,
) -> Result<Vec<u8>, NTSTATUS> {
    let function = "VmbChannelSendSynchronousRequest";
    match channel.current_callback() {
        Some(callback @ (Callback::State(_) | Callback::Packet(_))) => violation(format!(
            "{function} was called from {} of the same channel, where it never returns",
            callback.name()
        )),
        Some(Callback::PostStarted) | None => {}
    }
    if channel.is_disabled() || channel.stage.get() == Stage::Closing {
        return Err(STATUS_DEVICE_REMOVED);
    }
    if channel.suspended.get() {
        violation(format!("{function}: sent on a channel that is paused"));
    }
    let buffer = message.check(function, channel)?;
    if kernel().should_fail() {
        return Err(STATUS_INSUFFICIENT_RESOURCES);
    }
    let length = message.length as usize;
    // SAFETY: the driver vouches for the buffer, which is read here and no more.
    let payload = unsafe {
        unwritten::leaves(buffer.as_ptr(), length, "the host");
        std::slice::from_raw_parts(buffer.as_ptr(), length)
    }
    .to_vec();
    let wait = message.waits();
    let request = Rc::new(Synchronous {
        payload,
        wait,
        external: message.external,
        outcome: Cell::new(None),
        reply: RefCell::default(),
        transaction: Cell::new(0),
    });
    let entry = Outgoing::Synchronous(Rc::clone(&request));
    let in_ring = can_go_at_once(channel) && put(channel, &entry) == Put::Done;
    if in_ring && !wait {
        return Ok(Vec::new());
    }
    if !in_ring {
        if patience == Patience::None {
            return Err(STATUS_BUFFER_OVERFLOW);
        }
        channel.outgoing.borrow_mut().push_back(entry);
        flush(channel);
    }
    let deadline = match patience {
        Patience::None => Some(kernel().sched.now()),
        Patience::Until(deadline) => Some(deadline),
        Patience::ForEver => None,
    };
    loop {
        if let Some(status) = request.outcome.get() {
            return if NT_SUCCESS(status) {
                Ok(request.reply.take())
            } else {
                Err(status)
            };
        }
        let late = deadline.is_some_and(|deadline| kernel().sched.now() >= deadline);
        if late
            || (kernel().sched.wait(channel.key, deadline) == Wake::TimedOut
                && request.outcome.get().is_none())
        {
            cancel(channel, &request);
            return Err(STATUS_CANCELLED);
        }
    }
}

fn cancel(channel: &Channel, request: &Rc<Synchronous>) {
    channel.outgoing.borrow_mut().retain(
        |entry| !matches!(entry, Outgoing::Synchronous(other) if Rc::ptr_eq(other, request)),
    );
    let mut transactions = channel.transactions.borrow_mut();
    if let Some(entry @ Transaction::Synchronous(_)) =
        transactions.get_mut(&request.transaction.get())
    {
        *entry = Transaction::Abandoned;
    }
}
