//! Incoming packets: taken from the ring one after the other, handed to the driver, completed by
//! it.
//!
//! The packets of one channel are handed over one at a time and in order, at `DISPATCH_LEVEL` in a
//! DPC or at `PASSIVE_LEVEL` in a thread. (No text promises the order; but no protocol could be
//! built on a channel without it.) A payload is readable only during the call: afterwards its
//! memory is inaccessible, or overwritten.

use std::cell::{Cell, RefCell};
use std::ptr::NonNull;
use std::rc::Rc;

use kmcl_sys::{
    VMBUS_CHANNEL_PACKET_EXTERNAL_DATA_FLAGS, VMBUS_CHANNEL_PROCESS_PACKET_FLAG_EXTERNAL_DATA,
};
use wdk_sys_lite::{
    MDL_MAPPED_TO_SYSTEM_VA, NTSTATUS, PMDL, PVOID, STATUS_INSUFFICIENT_RESOURCES,
    STATUS_INVALID_PARAMETER, STATUS_PENDING, STATUS_SUCCESS,
};

use super::channel::{Callback, Channel};
use super::outgoing::{self, Transaction};
use super::{HandleKind, provider, violation};
use crate::call_driver;
use crate::export::PASSIVE_LEVEL;
use crate::kernel::kernel;
use crate::mm::unwritten;
use crate::mm::watch::Watched;
use crate::sched::{ContextId, ContextKind};
use crate::vmbus::behaviour::choose;
use crate::vmbus::memory::{self, GuestPages};
use crate::vmbus::message::PageRange;
use crate::vmbus::ring::{self, Corruption, PacketKind};
use crate::vmbus::signal_host;

/// What payloads that are no longer valid are overwritten with.
const SPOILED: u8 = 0xDD;
/// A pipe message's header: type and length.
const PIPE_HEADER: usize = 8;

/// The most packets that are handed over without a pause, so that a host that never stops does not
/// keep a processor at `DISPATCH_LEVEL` for ever.
const LONGEST_BATCH: u32 = 64;

/// Memory in which payloads are shown to the driver: accessible only while a callback runs, and
/// followed by a page that never is.
pub(super) struct Delivery {
    pages: GuestPages,
}

impl Delivery {
    pub(super) fn new(pages: usize) -> Option<Self> {
        let pages = GuestPages::allocate(pages)?;
        memory::protect(pages.address(), pages.bytes(), false);
        Some(Self { pages })
    }

    pub(super) fn contains(&self, address: usize) -> bool {
        let start = self.pages.address().addr().get();
        (start..start + self.pages.bytes()).contains(&address)
    }

    /// Shows a payload for the time of a call. It ends where the accessible memory ends.
    fn show<R>(
        &self,
        length: usize,
        fill: impl FnOnce(&mut [u8]),
        call: impl FnOnce(NonNull<u8>) -> R,
    ) -> R {
        let usable = self.pages.bytes();
        let start = usable - length.next_multiple_of(8);
        memory::protect(self.pages.address(), usable, true);
        // SAFETY: the start is in the pages, for no packet is longer than its ring, as which the
        // pages are as long.
        let first = unsafe { self.pages.address().add(start) };
        // SAFETY: the range was made accessible above, and nobody else refers to it.
        fill(unsafe { std::slice::from_raw_parts_mut(first.as_ptr(), length) });
        // SAFETY: the pages are accessible until the end of this function, and hold nothing else.
        let watched = unsafe { Watched::new("a packet's payload or reply", first, length, true) };
        let result = call(first);
        drop(watched);
        // SAFETY: as above; the driver's call, and with it the driver's use, has ended.
        unsafe { first.write_bytes(SPOILED, length) };
        memory::protect(self.pages.address(), usable, false);
        result
    }
}

impl Drop for Delivery {
    /// The pages go back as they came.
    fn drop(&mut self) {
        memory::protect(self.pages.address(), self.pages.bytes(), true);
    }
}

/// A payload or a reply that a callback sees.
#[derive(Clone, Copy)]
pub(super) struct Shown {
    /// The packet's handle.
    packet: usize,
    at: NonNull<u8>,
    length: usize,
}

/// Runs a callback that sees a packet's payload or reply.
fn showing<R>(
    channel: &Channel,
    packet: usize,
    at: NonNull<u8>,
    length: usize,
    call: impl FnOnce() -> R,
) -> R {
    channel.shown.set(Some(Shown { packet, at, length }));
    let result = call();
    channel.shown.set(None);
    result
}

/// A packet has ended, or has gone on, though the callback that sees its payload or reply may still
/// run.
pub(super) fn ended(channel: &Channel, packet: usize) {
    if let Some(shown) = channel.shown.get().filter(|shown| shown.packet == packet)
        && choose(kernel().config.kmcl.payload_ends_with_packet)
    {
        channel.shown.set(None);
        // SAFETY: what is shown stays accessible, and KMCL's own, until its callback has returned.
        unsafe { shown.at.write_bytes(SPOILED, shown.length) };
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    /// The process-packet callback runs for it.
    Indicated,
    /// The callback has returned without completing it.
    Outstanding,
    /// Put back by `VmbChannelPacketDeferToPassive`.
    Deferred,
    /// Put back by `STATUS_PENDING`.
    Pending,
    /// `VmbChannelPacketFail`: nothing more is due.
    Failed,
    Completed,
}

/// A packet of the host's that the driver has to complete.
pub(super) struct Incoming {
    pub(super) handle: usize,
    pub(super) channel: Rc<Channel>,
    transaction: u64,
    completion_requested: bool,
    external: Vec<PageRange>,
    state: Cell<State>,
    context: Cell<Option<ContextId>>,
    /// The payload of a packet that is to be indicated again.
    payload: RefCell<Vec<u8>>,
    mdl: Cell<PMDL>,
    pended: Cell<bool>,
}

impl Incoming {
    pub(super) fn is_failed(&self) -> bool {
        self.state.get() == State::Failed
    }

    /// KMCL has it again and will not indicate it any more: it dies with the connection.
    pub(super) fn is_taken_back(&self) -> bool {
        matches!(
            self.state.get(),
            State::Deferred | State::Pending | State::Failed
        )
    }

    fn handle(&self) -> PVOID {
        std::ptr::without_provenance_mut(self.handle)
    }
}

/// The host has signalled the channel, or there may be something to do for another reason.
pub(super) fn interrupt(channel: &Rc<Channel>) {
    if choose(kernel().config.kmcl.processes_at_passive) || channel.at_passive.get() {
        service_at_passive(channel);
        return;
    }
    if channel.service_queued.replace(true) {
        return;
    }
    let channel = Rc::clone(channel);
    let sched = &kernel().sched;
    let processor = usize::try_from(sched.random(sched.processors() as u64)).unwrap_or(0);
    sched.queue_dpc(Some(processor), "KMCL channel DPC", move || {
        channel.service_queued.set(false);
        service(&channel);
    });
}

fn service_at_passive(channel: &Rc<Channel>) {
    if channel.passive_queued.replace(true) {
        return;
    }
    let channel = Rc::clone(channel);
    kernel().sched.spawn(
        ContextKind::SystemThread,
        "KMCL passive worker",
        move || {
            channel.passive_queued.set(false);
            service(&channel);
        },
    );
}

/// What a signal is for: queued packets may fit now, new ones may have come.
fn service(channel: &Rc<Channel>) {
    outgoing::flush(channel);
    pump(channel);
}

fn pump(channel: &Rc<Channel>) {
    if channel.pumping.replace(true) {
        channel.pump_again.set(true);
        return;
    }
    loop {
        channel.pump_again.set(false);
        let batch = pump_batch(channel);
        if batch > 0 {
            processing_complete(channel, batch);
        }
        if !channel.pump_again.get() {
            break;
        }
    }
    channel.pumping.set(false);
    channel.wake();
}

fn processing_complete(channel: &Rc<Channel>, packets: u32) {
    let callback = channel.settings.borrow().processing_complete;
    let Some(function) = callback else { return };
    channel.in_callback(Callback::Packet("EvtVmbChannelProcessingComplete"), || {
        // SAFETY: the driver registered the function as this callback and vouches for it; the
        // handle is valid.
        unsafe {
            call_driver!(
                channel.driver,
                "EvtVmbChannelProcessingComplete",
                function(channel.as_handle(), packets)
            );
        }
    });
}

/// Hands packets over until there is a reason to stop. Returns how many.
fn pump_batch(channel: &Rc<Channel>) -> u32 {
    let (mut batch, mut taken) = (0, 0);
    while channel.running.get() && !channel.halted.get() && !channel.broken.get() {
        let Some(connection) = channel.connection() else {
            break;
        };
        if taken == LONGEST_BATCH {
            interrupt(channel);
            break;
        }
        taken += 1;
        let irql = kernel().sched.current().irql();
        let again_at_passive = channel
            .deferred
            .borrow()
            .front()
            .is_some_and(|packet| packet.state.get() == State::Deferred);
        if irql > PASSIVE_LEVEL && (channel.at_passive.get() || again_at_passive) {
            service_at_passive(channel);
            break;
        }
        if channel.outstanding.get() >= channel.quota.get() {
            channel.blocked_by_quota.set(true);
            break;
        }
        let deferred = channel.deferred.borrow_mut().pop_front();
        if let Some(packet) = deferred {
            let payload = packet.payload.take();
            connection.delivery.show(
                payload.len(),
                |memory| memory.copy_from_slice(&payload),
                |at| indicate(&packet, at, payload.len()),
            );
            put_back(&packet, || payload);
            batch += 1;
            continue;
        }
        connection.input.mask(true);
        match connection.input.peek() {
            Err(corruption) => channel.corrupt(corruption),
            Ok(Some(packet)) => {
                provider().count(|counters| counters.packets_received += 1);
                if packet.kind == PacketKind::Completion {
                    completion(channel, &connection, &packet);
                } else {
                    arrival(channel, &connection, &packet);
                    batch += 1;
                }
            }
            Ok(None) => {
                connection.input.mask(false);
                // A packet that came between the look and the unmasking brings no signal.
                if !matches!(connection.input.peek(), Ok(Some(_))) {
                    break;
                }
            }
        }
    }
    batch
}

/// Takes a packet out of the ring, and lets the host know if it waits for that.
fn advance(
    channel: &Rc<Channel>,
    connection: &super::channel::Connection,
    packet: &ring::Incoming,
) {
    match connection.input.advance(packet) {
        Ok(true) => signal_host(connection.offer.relid),
        Ok(false) => {}
        Err(corruption) => channel.corrupt(corruption),
    }
}

/// Shows a packet's payload, in the ring or in a copy, and takes the packet out of the ring.
fn show<R>(
    channel: &Rc<Channel>,
    connection: &super::channel::Connection,
    packet: &ring::Incoming,
    call: impl FnOnce(NonNull<u8>) -> R,
) -> R {
    if let Some(place) = connection.input.in_place(packet)
        && !kernel().config.double_fetches
        && choose(kernel().config.kmcl.payload_in_ring)
    {
        let result = call(place);
        connection.input.spoil(packet, SPOILED);
        advance(channel, connection, packet);
        return result;
    }
    connection.delivery.show(
        packet.length as usize,
        |memory| {
            connection.input.copy(packet, memory);
            kernel().tally.copied(memory.len());
            advance(channel, connection, packet);
        },
        call,
    )
}

fn arrival(
    channel: &Rc<Channel>,
    connection: &super::channel::Connection,
    packet: &ring::Incoming,
) {
    let mut length = packet.length as usize;
    let mut skip = 0;
    if channel.is_pipe() {
        let mut bytes = vec![0; length];
        connection.input.copy(packet, &mut bytes);
        let data = match bytes.first_chunk::<PIPE_HEADER>() {
            Some(&[1, 0, 0, 0, a, b, c, d]) => u32::from_le_bytes([a, b, c, d]) as usize,
            _ => usize::MAX,
        };
        if data > length - length.min(PIPE_HEADER) {
            channel.corrupt(Corruption::Extent {
                offset: 0,
                length: u32::try_from(data).unwrap_or(u32::MAX),
                available: packet.length,
            });
            return;
        }
        length = data;
        skip = PIPE_HEADER;
    }
    let incoming = Rc::new(Incoming {
        handle: provider().new_handle(HandleKind::Incoming),
        channel: Rc::clone(channel),
        transaction: packet.transaction,
        completion_requested: packet.completion_requested,
        external: packet.ranges.clone(),
        state: Cell::new(State::Outstanding),
        context: Cell::new(None),
        payload: RefCell::default(),
        mdl: Cell::new(std::ptr::null_mut()),
        pended: Cell::new(false),
    });
    provider()
        .incoming
        .borrow_mut()
        .insert(incoming.handle, Rc::clone(&incoming));
    show(channel, connection, packet, |at| {
        // SAFETY: the payload is `packet.length` bytes long, and the pipe header was found in it.
        let at = unsafe { at.add(skip) };
        indicate(&incoming, at, length);
        put_back(&incoming, || {
            // SAFETY: the payload is still shown.
            unsafe { std::slice::from_raw_parts(at.as_ptr(), length) }.to_vec()
        });
    });
}

/// Calls the driver for a packet.
fn indicate(incoming: &Rc<Incoming>, at: NonNull<u8>, length: usize) {
    let channel = &incoming.channel;
    let callback = channel.settings.borrow().process_packet;
    let Some(function) = callback else { return };
    channel.outstanding.set(channel.outstanding.get() + 1);
    incoming.state.set(State::Indicated);
    incoming.context.set(Some(kernel().sched.current().id));
    let flags = if incoming.external.is_empty() {
        0
    } else {
        VMBUS_CHANNEL_PROCESS_PACKET_FLAG_EXTERNAL_DATA
    };
    let bytes = u32::try_from(length).unwrap_or(u32::MAX);
    let call = || {
        // SAFETY: the driver registered the function as this callback and vouches for it; the
        // handles are valid and the payload is readable during the call.
        unsafe {
            call_driver!(
                channel.driver,
                "EvtVmbChannelProcessPacket",
                function(
                    channel.as_handle(),
                    incoming.handle(),
                    at.as_ptr().cast(),
                    bytes,
                    flags
                )
            );
        }
    };
    showing(channel, incoming.handle, at, length, || {
        channel.in_callback(Callback::Packet("EvtVmbChannelProcessPacket"), call);
    });
    incoming.context.set(None);
    if incoming.state.get() == State::Indicated {
        incoming.state.set(State::Outstanding);
    }
}

/// After the call: a packet that was deferred, or waits for its external data, goes back to the
/// front.
fn put_back(incoming: &Rc<Incoming>, payload: impl FnOnce() -> Vec<u8>) {
    if matches!(incoming.state.get(), State::Deferred | State::Pending) {
        let channel = &incoming.channel;
        *incoming.payload.borrow_mut() = payload();
        channel
            .deferred
            .borrow_mut()
            .push_front(Rc::clone(incoming));
        no_longer_outstanding(channel);
    }
}

fn no_longer_outstanding(channel: &Rc<Channel>) {
    channel.outstanding.set(channel.outstanding.get() - 1);
    channel.wake();
}

/// The host has answered a packet.
fn completion(
    channel: &Rc<Channel>,
    connection: &super::channel::Connection,
    packet: &ring::Incoming,
) {
    let transaction = channel
        .transactions
        .borrow_mut()
        .remove(&packet.transaction);
    match transaction {
        None => channel.corrupt(Corruption::Transaction(packet.transaction)),
        Some(Transaction::Abandoned) => advance(channel, connection, packet),
        Some(Transaction::Synchronous(request)) => {
            let mut reply = vec![0; packet.length as usize];
            connection.input.copy(packet, &mut reply);
            kernel().tally.copied(reply.len());
            advance(channel, connection, packet);
            request.answered(channel, reply);
        }
        Some(Transaction::Packet(outgoing)) => {
            let length = packet.length;
            show(channel, connection, packet, |at| {
                let null = length == 0 && choose(kernel().config.kmcl.null_for_empty_reply);
                let reply = (!null).then_some((at, length));
                showing(channel, outgoing.handle, at, length as usize, || {
                    if channel.at_passive.get() {
                        outgoing::complete(&outgoing, STATUS_SUCCESS, reply);
                    } else {
                        outgoing::at_some_irql(|| {
                            outgoing::complete(&outgoing, STATUS_SUCCESS, reply);
                        });
                    }
                });
            });
        }
    }
}

/// The packet, if the driver has it and may end or put it back.
fn held(function: &str, incoming: &Incoming) {
    match incoming.state.get() {
        State::Indicated | State::Outstanding | State::Failed => {}
        State::Deferred => violation(format!(
            "{function}: incoming packet {:#x} was deferred and is not the driver's until it is indicated again",
            incoming.handle
        )),
        State::Pending => violation(format!(
            "{function}: incoming packet {:#x} waits for its external data and is indicated again",
            incoming.handle
        )),
        State::Completed => violation(format!(
            "{function}: incoming packet {:#x} was completed",
            incoming.handle
        )),
    }
}

/// Whether the caller is in the process-packet callback for this very packet.
fn in_its_callback(incoming: &Incoming) -> bool {
    incoming.context.get() == Some(kernel().sched.current().id)
}

/// `VmbChannelPacketComplete`.
pub(super) fn complete(incoming: &Rc<Incoming>, buffer: PVOID, bytes: u32) {
    let function = "VmbChannelPacketComplete";
    held(function, incoming);
    let channel = Rc::clone(&incoming.channel);
    if buffer.is_null() && bytes != 0 {
        violation(format!("{function}: {bytes} bytes at a null pointer"));
    }
    let reply = if bytes == 0 {
        Vec::new()
    } else {
        outgoing::at_dispatch(|| {
            let (start, length) = (buffer.cast_const().cast::<u8>(), bytes as usize);
            // SAFETY: the driver vouches for the buffer for the time of the call.
            unsafe {
                unwritten::leaves(start, length, "the host");
                std::slice::from_raw_parts(start, length)
            }
            .to_vec()
        })
    };
    free_mdl(function, incoming);
    ended(&channel, incoming.handle);
    let failed = incoming.is_failed();
    incoming.state.set(State::Completed);
    provider().incoming.borrow_mut().remove(&incoming.handle);
    if failed {
        return;
    }
    no_longer_outstanding(&channel);
    if incoming.completion_requested {
        outgoing::reply(&channel, incoming.transaction, reply);
    }
    let blocked = channel.blocked_by_quota.replace(false);
    if delivers_here(&channel) {
        service(&channel);
    } else if blocked {
        interrupt(&channel);
    }
}

/// Whether the next packets are delivered inside this completion, to a driver that may hold a lock.
fn delivers_here(channel: &Channel) -> bool {
    let passive = kernel().sched.current().irql() == PASSIVE_LEVEL;
    // One that is completed in its own callback is followed by the rest of the batch.
    !channel.pumping.get()
        && (passive || !channel.at_passive.get())
        && choose(kernel().config.kmcl.delivers_inside_completion)
}

/// `VmbChannelPacketDeferToPassive`.
pub(super) fn defer(incoming: &Incoming) {
    let function = "VmbChannelPacketDeferToPassive";
    held(function, incoming);
    if !in_its_callback(incoming) {
        violation(format!(
            "{function} was called outside the packet's process-packet callback"
        ));
    }
    incoming.state.set(State::Deferred);
}

/// `VmbChannelPacketFail`.
pub(super) fn fail(incoming: &Incoming) {
    let function = "VmbChannelPacketFail";
    held(function, incoming);
    if !in_its_callback(incoming) {
        violation(format!(
            "{function} was called outside the packet's process-packet callback"
        ));
    }
    if incoming.is_failed() {
        violation(format!("{function}: the packet was failed before"));
    }
    incoming.state.set(State::Failed);
    incoming.channel.halted.set(true);
    no_longer_outstanding(&incoming.channel);
}

/// `VmbChannelPacketGetExternalData`.
pub(super) fn external_data(incoming: &Rc<Incoming>, flags: u32) -> Result<PMDL, NTSTATUS> {
    let function = "VmbChannelPacketGetExternalData";
    held(function, incoming);
    if flags & !VMBUS_CHANNEL_PACKET_EXTERNAL_DATA_FLAGS != 0 {
        violation(format!("{function}: unknown flags {flags:#x}"));
    }
    if incoming.external.is_empty() {
        return Err(STATUS_INVALID_PARAMETER);
    }
    if !incoming.mdl.get().is_null() {
        return if choose(kernel().config.kmcl.external_data_again) {
            Ok(incoming.mdl.get())
        } else {
            Err(STATUS_INVALID_PARAMETER)
        };
    }
    if in_its_callback(incoming)
        && !incoming.pended.replace(true)
        && choose(kernel().config.kmcl.external_data_pends)
    {
        incoming.state.set(State::Pending);
        return Err(STATUS_PENDING);
    }
    if kernel().should_fail() {
        return Err(STATUS_INSUFFICIENT_RESOURCES);
    }
    let mut first: PMDL = std::ptr::null_mut();
    for range in incoming.external.iter().rev() {
        let Some(mdl) = memory::mdl_of_frames(range, first) else {
            memory::free_mdls(first);
            return Err(STATUS_INSUFFICIENT_RESOURCES);
        };
        first = mdl;
    }
    incoming.mdl.set(first);
    Ok(first)
}

fn free_mdl(function: &str, incoming: &Incoming) {
    let first = incoming.mdl.replace(std::ptr::null_mut());
    let mut next = first;
    while !next.is_null() {
        // SAFETY: the chain was made by `external_data` and is freed below and nowhere else.
        let mdl = unsafe { next.read() };
        if i32::from(mdl.MdlFlags) & MDL_MAPPED_TO_SYSTEM_VA.cast_signed() != 0 {
            violation(format!(
                "{function}: the external data of packet {:#x} is still mapped by the driver",
                incoming.handle
            ));
        }
        next = mdl.Next;
    }
    memory::free_mdls(first);
}
