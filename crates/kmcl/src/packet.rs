//! Packets to the host: owned by one side at a time.
//!
//! ```text
//!   Sender::packet       -> Packet --send_static, send_copied--> KMCL's (its default routine frees it)
//!   Sender::transaction  -> OwnedPacket --send--> in flight --> Handler::completed -> OwnedPacket --send--> ...
//!                             ^  drop: freed         |
//!                             +--- the send failed --+
//! ```
//!
//! A request and its reply, with a context that travels along:
//!
//! ```
//! # use kmcl::{channel::{Handler, Running}, incoming::{Disposition, Incoming}, irql::Irql, packet::*, status::Error};
//! use zerocopy::{FromBytes, Immutable, IntoBytes};
//!
//! #[derive(FromBytes, IntoBytes, Immutable)]
//! #[repr(C)]
//! struct Question { number: u32, argument: u32 }
//!
//! struct Client;
//! struct Asked { question: Question, when: u64 }
//!
//! impl Transaction for Asked {
//!     fn payload(&self) -> &[u8] {
//!         self.question.as_bytes()
//!     }
//! }
//!
//! fn ask(sender: &Sender<Client>, when: u64) -> Result<(), Error> {
//!     let question = Question { number: 7, argument: 1 };
//!     let packet = sender.transaction(Asked { question, when })?;
//!     // If the channel has closed, the packet comes back here and is dropped; nothing is lost.
//!     Ok(packet.send(Mode::Transact)?)
//! }
//!
//! impl Handler for Client {
//!     type Transaction = Asked;
//!
//!     fn completed(&self, _cx: &mut Running<'_, Self>, done: Completed<'_, Self>) {
//!         if done.status().is_success() && let Some(answer) = done.reply().read::<u64>(0) {
//!             let _latency = answer.wrapping_sub(done.context().when);
//!         }
//!         // Dropped, the packet is freed; `done.into_packet()` would keep it, to send it again, and `done.into_context()`
//!         // keeps the context alone.
//!     }
//! #   fn process_packet<'c>(&self, _: &mut Running<'c, Self>, packet: Incoming<'c, Self>) -> Disposition<'c> {
//! #       packet.complete(&[])
//! #   }
//! }
//! ```
//!
//! What goes with [`Transaction::external`] is described in [`mdl`](crate::mdl).
//!
//! A packet of the second kind has a *node*, an entry of the channel's own lookaside list, in which
//! its [`Transaction`] (context and buffers) stays, untouched, until KMCL is done with it. In the
//! steady state a send allocates nothing from pool.

use core::cell::UnsafeCell;
use core::fmt;
use core::mem::{ManuallyDrop, MaybeUninit};
use core::num::NonZeroU64;
use core::ptr::NonNull;
use core::sync::atomic::Ordering;

use kmcl_sys::{
    KMCL_CLIENT_INTERFACE_V1, VMBPACKET, VMBUS_CHANNEL_FORMAT_FLAG_PAGED_BUFFER,
    VMBUS_CHANNEL_FORMAT_FLAG_WAIT_FOR_COMPLETION,
};
use wdk_sys::{
    LARGE_INTEGER, NTSTATUS, PMDL, PVOID, STATUS_BUFFER_OVERFLOW, STATUS_INVALID_PARAMETER,
};

use crate::channel::{Handler, Running, Shared, SharedRef, call};
use crate::claim::{Claim, Send as SendNumber};
use crate::host::HostBytes;
use crate::interface::routes;
use crate::irql::{AtPassive, Dispatch, MayAwaitReply};
use crate::lookaside::Counters;
use crate::mdl::{External, Mdl, PageFrame, Place};
use crate::pool::{self, PoolArc, Tag};
use crate::readiness::Progress;
use crate::status::{Error, Status};
use crate::sync::GateGuard;

const TAG: Tag = Tag::new(*b"KmPk");

/// What travels with a packet and stays put until it is back.
///
/// It is dropped with its packet: in [`Handler::completed`], where a send failed, or wherever the
/// packet was kept, at `DISPATCH_LEVEL` or below.
pub trait Transaction: Send + 'static {
    /// The message. It must not be empty; it is read while the packet is sent, perhaps until it is
    /// completed.
    fn payload(&self) -> &[u8];

    /// External data that goes with it; none unless it is overridden. Such a packet is sent with
    /// [`Mode::Transact`]: the host uses the memory until it completes the packet.
    ///
    /// # Errors
    ///
    /// Why there is data that cannot be described. The packet is not sent then: its send fails with
    /// this error, and gives it back.
    fn external(&self) -> Result<Option<External<'_>>, Error> {
        Ok(None)
    }

    /// Page frames for [`OwnedPacket::send_with_pfns`].
    fn pfns(&self) -> &[PageFrame] {
        &[]
    }
}

/// When a packet that was sent comes back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mode {
    /// As soon as it is in the ring; there is no reply.
    Notify,
    /// When the host has completed it, with the host's reply.
    Transact,
}

/// A send that failed, with what was to be sent.
pub struct SendError<P> {
    /// Why.
    pub error: Error,
    /// The packet; none if KMCL has run its completion routine all the same, which then has
    /// delivered it to [`Handler::completed`].
    pub packet: Option<P>,
}

impl<H: Handler> SendError<OwnedPacket<H>> {
    /// Frees the packet and keeps the context; none if the packet has gone to
    /// [`Handler::completed`].
    #[must_use]
    pub fn into_context(self) -> Option<H::Transaction> {
        self.packet.map(OwnedPacket::into_context)
    }
}

impl<P> fmt::Debug for SendError<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SendError")
            .field("error", &self.error)
            .field("packet", &self.packet.is_some())
            .finish()
    }
}

/// A way to send on a channel, to be kept and cloned. Sends fail with [`Error::NotOpen`] while the
/// channel is not started.
///
/// It may outlive the channel, and keeps a block of memory then, nothing else.
///
/// # Invariants
///
/// What it shares with the channel is in its place for as long as it lives; the channel itself is
/// used only while an acquisition of its rundown protection says that it is there.
pub struct Sender<H: Handler>(PoolArc<Shared<H>>);

impl<H: Handler> Clone for Sender<H> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<H: Handler> Sender<H> {
    pub(crate) const fn new(shared: PoolArc<Shared<H>>) -> Self {
        Self(shared)
    }

    pub(crate) const fn shared(&self) -> &PoolArc<Shared<H>> {
        &self.0
    }

    pub(crate) fn progress(&self) -> &Progress {
        &self.0.progress
    }

    /// The largest message, in bytes, as the channel was configured; 0 if it was not, and KMCL
    /// alone knows.
    #[must_use]
    pub fn maximum_packet_size(&self) -> u32 {
        self.0.maximum_packet_size.load(Ordering::Acquire)
    }

    /// What the lookaside list of the channel's packets has done; none once the channel is gone.
    #[must_use]
    pub fn lookaside_counters(&self) -> Option<Counters> {
        if !self.0.packets.acquire_raw() {
            return None;
        }
        let counters = self.0.nodes.counters();
        // SAFETY: acquired above.
        unsafe { self.0.packets.release_raw() };
        Some(counters)
    }

    /// A packet without a context.
    ///
    /// # Errors
    ///
    /// [`Error::NotOpen`], [`Error::NoMemory`].
    #[inline]
    pub fn packet(&self) -> Result<Packet<H>, Error> {
        let packet = allocate(&self.0)?;
        Ok(Packet {
            shared: self.0.as_ptr(),
            packet,
        })
    }

    /// A packet with a context, which comes back to the handler.
    ///
    /// # Errors
    ///
    /// [`Error::NotOpen`], [`Error::NoMemory`], with the context.
    #[inline]
    pub fn transaction(
        &self,
        transaction: H::Transaction,
    ) -> Result<OwnedPacket<H>, (Error, H::Transaction)> {
        match self.vacant() {
            Ok(vacant) => Ok(vacant.fill(transaction)),
            Err(error) => Err((error, transaction)),
        }
    }

    /// As [`Sender::transaction`], with a context that is made where it stays, once there is room
    /// for it: a large one is never moved, nor on the stack twice.
    ///
    /// # Errors
    ///
    /// [`Error::NotOpen`], [`Error::NoMemory`]; the context has not been made then.
    #[inline]
    pub fn transaction_with(
        &self,
        transaction: impl FnOnce() -> H::Transaction,
    ) -> Result<OwnedPacket<H>, Error> {
        Ok(self.vacant()?.fill(transaction()))
    }

    /// As [`Sender::transaction`], with the packet in memory of the library's instead of KMCL's:
    /// allocated now, and there for as long as the packet is sent again.
    ///
    /// # Errors
    ///
    /// [`Error::NotOpen`], [`Error::NoMemory`] or KMCL's, with the context.
    pub fn transaction_in_place(
        &self,
        transaction: H::Transaction,
    ) -> Result<OwnedPacket<H>, (Error, H::Transaction)> {
        match self.vacant_in_place() {
            Ok(vacant) => Ok(vacant.fill(transaction)),
            Err(error) => Err((error, transaction)),
        }
    }

    #[inline]
    fn vacant(&self) -> Result<Vacant<H>, Error> {
        let packet = allocate(&self.0)?;
        // SAFETY: the packet was just allocated, with its acquisition of `packets`.
        unsafe { Vacant::new(self.0.as_ptr(), packet, None) }
    }

    fn vacant_in_place(&self) -> Result<Vacant<H>, Error> {
        let shared = &*self.0;
        if !shared.packets.acquire_raw() {
            return Err(Error::NotOpen);
        }
        match initialize(shared) {
            // SAFETY: the packet was just initialised in this memory; it has the acquisition above.
            Ok(memory) => unsafe {
                Vacant::new(self.0.as_ptr(), memory.as_ptr().cast(), Some(memory))
            },
            Err(error) => {
                // SAFETY: acquired above.
                unsafe { shared.packets.release_raw() };
                Err(error)
            }
        }
    }

    /// Sends a message and waits for the host's reply, which is copied to `reply`; gives the number
    /// of bytes. `timeout` is in units of 100 ns; with none the wait has no end.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidLength`] unless `reply` has a length that is a multiple of 8 and not 0;
    /// [`Error::NotOpen`]; `STATUS_CANCELLED` if the time ran out, `STATUS_DEVICE_REMOVED` if the
    /// channel closed, and KMCL's others.
    pub fn sync_request(
        &self,
        payload: &[u8],
        reply: &mut [u8],
        timeout: Option<NonZeroU64>,
        _irql: &mut impl MayAwaitReply,
    ) -> Result<usize, Error> {
        let mut request = Request::new(&self.0, payload, reply)?;
        let (status, length) = request.send(core::ptr::null_mut(), timeout);
        Status::check(status)?;
        Ok(length)
    }

    /// As [`Sender::sync_request`], with memory that the host may use meanwhile: the whole of it,
    /// for which the channel must be configured
    /// ([`maximum_external_data`](crate::channel::ChannelConfig::maximum_external_data)). It comes
    /// back with the number of bytes of the reply.
    ///
    /// # Errors
    ///
    /// As [`Sender::sync_request`], and [`Error::NoMemory`]; with the memory if the host has not
    /// seen it, or has answered and lets go of it. If the time ran out or the channel closed, the
    /// host may still use the memory, and no text says until when: the channel then keeps it until
    /// it has been disabled.
    ///
    /// # Examples
    ///
    /// ```
    /// # use core::num::NonZeroU64;
    /// # use kmcl::{channel::{Handler, PostStarted}, mdl::{HostBuffer, Mdl}, pool::Tag, status::Error};
    /// /// In `post_started`: asks the host for a page of data, and waits a second for it.
    /// fn first_word<H: Handler>(cx: &mut PostStarted<'_, H>) -> Result<Option<u64>, Error> {
    ///     let page = Mdl::try_new(HostBuffer::try_new(4096, Tag::new(*b"Page"))?)?;
    ///     let mut reply = [0; 8];
    ///     let second = NonZeroU64::new(10_000_000);
    ///     let (_bytes, page) = cx.sender().sync_request_with(b"fill", page, &mut reply, second, cx.irql())?;
    ///     Ok(page.buffer().view().read::<u64>(0))
    /// }
    /// ```
    pub fn sync_request_with(
        &self,
        payload: &[u8],
        data: Mdl,
        reply: &mut [u8],
        timeout: Option<NonZeroU64>,
        irql: &mut impl MayAwaitReply,
    ) -> Result<(usize, Mdl), (Error, Option<Mdl>)> {
        // Its acquisition of `packets` lasts until the memory is in its place: an owner that waits
        // for it frees all that is kept.
        let mut request = match Request::new(&self.0, payload, reply) {
            Ok(request) => request,
            Err(error) => return Err((error, Some(data))),
        };
        // A place for what the host may keep, before it has anything.
        let place = match Place::try_new() {
            Ok(place) => place,
            Err(error) => return Err((error, Some(data))),
        };
        let (status, length) = request.send(data.as_ref().as_ptr(), timeout);
        match Status::check(status) {
            Ok(()) => Ok((length, data)),
            // It had no room in the ring, or its reply none in the buffer.
            Err(error) if status == STATUS_BUFFER_OVERFLOW => Err((error, Some(data))),
            Err(error) => {
                self.0.lent.keep(place, data, irql);
                Err((error, None))
            }
        }
    }
}

/// A synchronous request that is about to be sent.
///
/// # Invariants
///
/// The channel is allocated while `packets` is held. The reply's length is `capacity`, a multiple
/// of 8 and not 0, and the payload's is `length`.
struct Request<'a, H: Handler> {
    shared: &'a Shared<H>,
    payload: &'a [u8],
    length: u32,
    reply: &'a mut [u8],
    capacity: u32,
    _packets: GateGuard<'a>,
}

impl<'a, H: Handler> Request<'a, H> {
    fn new(shared: &'a Shared<H>, payload: &'a [u8], reply: &'a mut [u8]) -> Result<Self, Error> {
        let length = checked(shared, payload)?;
        let capacity = u32::try_from(reply.len()).map_err(|_| Error::TooLarge)?;
        if capacity == 0 || capacity % 8 != 0 {
            return Err(Error::InvalidLength);
        }
        let Some(packets) = shared.packets.try_acquire() else {
            return Err(Error::NotOpen);
        };
        // The gate is not held: closing waits for it, and KMCL ends this request only when it
        // closes.
        if !shared.gate.is_open() {
            return Err(Error::NotOpen);
        }
        Ok(Self {
            shared,
            payload,
            length,
            reply,
            capacity,
            _packets: packets,
        })
    }

    /// Sends it and waits: the status, and the number of bytes of the reply. Whoever calls has a
    /// witness that this is a place where replies may be awaited; `data` is NULL, or an MDL of
    /// which the host may have all until the caller knows that it has let go.
    fn send(&mut self, data: PMDL, timeout: Option<NonZeroU64>) -> (NTSTATUS, usize) {
        let mut relative = LARGE_INTEGER::default();
        let timeout = match timeout {
            None => core::ptr::null_mut(),
            Some(units) => {
                relative.QuadPart = i64::try_from(units.get()).map_or(i64::MIN, i64::wrapping_neg);
                &raw mut relative
            }
        };
        // SAFETY: PASSIVE_LEVEL, where this may wait, by the caller's witness; the channel is
        // allocated while `packets` is held; the buffers live through the call and have the lengths
        // given; the caller keeps the MDL and its memory for as long as it has to.
        let status = unsafe {
            call!(
                self.shared.table(),
                VmbChannelSendSynchronousRequest(
                    self.shared.channel,
                    self.payload.as_ptr().cast_mut().cast(),
                    self.length,
                    data,
                    VMBUS_CHANNEL_FORMAT_FLAG_WAIT_FOR_COMPLETION,
                    self.reply.as_mut_ptr().cast(),
                    &raw mut self.capacity,
                    timeout
                )
            )
        };
        (status, self.reply.len().min(self.capacity as usize))
    }
}

/// A packet and its node, which has no context yet.
///
/// # Invariants
///
/// `node` is free memory for a node, ours; `packet` is ours and was never sent, with an acquisition
/// of `shared.packets`; `memory` is its own if it was initialised in place.
struct Vacant<H: Handler> {
    node: NonNull<Node<H>>,
    shared: NonNull<Shared<H>>,
    packet: VMBPACKET,
    memory: Option<NonNull<u8>>,
}

impl<H: Handler> Vacant<H> {
    /// # Safety
    ///
    /// As the invariants say of the packet, which is given back if there is no node; `shared` is
    /// the pointer of an owner that is there.
    #[inline]
    unsafe fn new(
        shared: NonNull<Shared<H>>,
        packet: VMBPACKET,
        memory: Option<NonNull<u8>>,
    ) -> Result<Self, Error> {
        // SAFETY: the acquisition of `packets` keeps what is shared.
        let there = unsafe { shared.as_ref() };
        let Some(node) = there.nodes.allocate_raw() else {
            // SAFETY: the packet is the caller's, never sent, with its acquisition of `packets`.
            unsafe {
                discard(there, packet, memory);
                there.packets.release_raw();
            }
            return Err(Error::NoMemory);
        };
        Ok(Self {
            node,
            shared,
            packet,
            memory,
        })
    }

    /// Nothing else can fail.
    #[inline]
    fn fill(self, transaction: H::Transaction) -> OwnedPacket<H> {
        let Self {
            node,
            shared,
            packet,
            memory,
        } = self;
        // SAFETY: by the invariant the entry is free memory for a node, and the packet is not sent,
        // so its pointer and routine may be set. The context is written by itself, so that it is
        // not put together with the rest elsewhere first.
        unsafe {
            let place = node.as_ptr();
            (&raw mut (*place).transaction)
                .cast::<H::Transaction>()
                .write(transaction);
            (&raw mut (*place).claim).write(Claim::new());
            (&raw mut (*place).packet).write(packet);
            (&raw mut (*place).memory).write(memory);
            (&raw mut (*place).shared).write(shared);
            let table = shared.as_ref().table();
            call!(table, VmbPacketSetPointer(packet, place.cast()));
            call!(
                table,
                VmbPacketSetCompletionRoutine(packet, Some(on_completed::<H>))
            );
        }
        OwnedPacket { node }
    }
}

/// A packet in pool memory.
fn initialize<H: Handler>(shared: &Shared<H>) -> Result<NonNull<u8>, Error> {
    // SAFETY: the channel is allocated while `packets` is held, as the caller does; the memory has
    // the size that KMCL asks for.
    unsafe {
        let bytes = call!(shared.table(), VmbChannelSizeofPacket(shared.channel));
        let memory = pool::allocate(bytes as usize, TAG, false).ok_or(Error::NoMemory)?;
        let status = call!(
            shared.table(),
            VmbPacketInitialize(shared.channel, memory.as_ptr().cast(), bytes)
        );
        if let Err(error) = Status::check(status) {
            pool::free(memory, TAG);
            return Err(error);
        }
        Ok(memory)
    }
}

/// # Safety
///
/// The packet is not in flight and is given up; `memory` is its own if it was initialised in place.
#[inline]
unsafe fn discard<H: Handler>(shared: &Shared<H>, packet: VMBPACKET, memory: Option<NonNull<u8>>) {
    // SAFETY: as the caller says.
    unsafe {
        match memory {
            None => call!(shared.table(), VmbPacketFree(packet)),
            Some(memory) => discard_memory(memory),
        }
    }
}

/// # Safety
///
/// The packet in this memory is given up.
#[cold]
unsafe fn discard_memory(memory: NonNull<u8>) {
    // SAFETY: `initialize` allocated it.
    unsafe { pool::free(memory, TAG) };
}

/// Acquires the right to a packet, and a packet.
#[inline]
fn allocate<H: Handler>(shared: &Shared<H>) -> Result<VMBPACKET, Error> {
    if !shared.packets.acquire_raw() {
        return Err(Error::NotOpen);
    }
    // SAFETY: the channel is allocated while `packets` is held.
    let packet = unsafe { call!(shared.table(), VmbPacketAllocate(shared.channel)) };
    if packet.is_null() {
        // SAFETY: acquired above.
        unsafe { shared.packets.release_raw() };
        return Err(Error::NoMemory);
    }
    Ok(packet)
}

/// # Safety
///
/// The packet came from [`allocate`] and is not in flight; the caller gives both up.
#[inline]
unsafe fn release<H: Handler>(shared: &Shared<H>, packet: VMBPACKET) {
    // SAFETY: as the caller says.
    unsafe {
        call!(shared.table(), VmbPacketFree(packet));
        shared.packets.release_raw();
    }
}

#[inline]
fn checked<H: Handler>(shared: &Shared<H>, payload: &[u8]) -> Result<u32, Error> {
    let length = u32::try_from(payload.len()).map_err(|_| Error::TooLarge)?;
    let limit = shared.maximum_packet_size.load(Ordering::Acquire);
    if length == 0 {
        Err(Error::InvalidLength)
    } else if length.wrapping_sub(1) > limit.wrapping_sub(1) {
        // A limit of 0, none, has become the largest number.
        Err(Error::TooLarge)
    } else {
        Ok(length)
    }
}

/// A packet with KMCL's default completion routine: freed when dropped, KMCL's own when sent.
///
/// # Invariants
///
/// `packet` is allocated and not sent; one acquisition of `shared.packets` belongs to it, and keeps
/// `shared` there.
pub struct Packet<H: Handler> {
    shared: NonNull<Shared<H>>,
    packet: VMBPACKET,
}

// SAFETY: a packet may be used from any thread.
unsafe impl<H: Handler> Send for Packet<H> {}

impl<H: Handler> Packet<H> {
    #[inline]
    fn shared(&self) -> &Shared<H> {
        // SAFETY: by the invariant.
        unsafe { self.shared.as_ref() }
    }

    /// Sends bytes that stay for ever.
    ///
    /// # Errors
    ///
    /// [`SendError`] with the packet.
    #[inline]
    pub fn send_static(self, payload: &'static [u8]) -> Result<(), SendError<Self>> {
        self.send(payload, 0)
    }

    /// Sends bytes that KMCL copies before it raises the IRQL (it is told that they are pageable).
    ///
    /// # Errors
    ///
    /// [`SendError`] with the packet.
    #[inline]
    pub fn send_copied(
        self,
        payload: &[u8],
        _irql: &mut impl AtPassive,
    ) -> Result<(), SendError<Self>> {
        self.send(payload, VMBUS_CHANNEL_FORMAT_FLAG_PAGED_BUFFER)
    }

    #[inline]
    fn send(self, payload: &[u8], flags: u32) -> Result<(), SendError<Self>> {
        let length = match checked(self.shared(), payload) {
            Ok(length) => length,
            Err(error) => {
                return Err(SendError {
                    error,
                    packet: Some(self),
                });
            }
        };
        if !self.shared().gate.acquire_raw() {
            return Err(SendError {
                error: Error::NotOpen,
                packet: Some(self),
            });
        }
        // SAFETY: by the invariant the packet is ours and not sent; the buffer outlives every use
        // of it (static, or copied by KMCL during the call); the channel is started while the gate
        // is held.
        let status = unsafe {
            call!(
                self.shared().table(),
                VmbPacketSend(
                    self.packet,
                    payload.as_ptr().cast_mut().cast(),
                    length,
                    core::ptr::null_mut(),
                    flags
                )
            )
        };
        // SAFETY: acquired above.
        unsafe { self.shared().gate.release_raw() };
        if status < 0 {
            return Err(SendError {
                error: Error::Status(Status(status)),
                packet: Some(self),
            });
        }
        // KMCL frees the packet from here on. A channel is cleaned up only when it is disabled, and
        // then no packet is in flight.
        let this = ManuallyDrop::new(self);
        // SAFETY: the acquisition is given back once: `this` is forgotten.
        unsafe { this.shared().packets.release_raw() };
        Ok(())
    }
}

impl<H: Handler> Drop for Packet<H> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: by the invariant the packet is not in flight; it ends here.
        unsafe { release(self.shared(), self.packet) };
    }
}

/// What stays with a packet: an entry of the channel's lookaside list.
pub(crate) struct Node<H: Handler> {
    claim: Claim,
    packet: VMBPACKET,
    /// The packet's own memory, if it was initialised in place.
    memory: Option<NonNull<u8>>,
    /// There for as long as the node: its acquisition of `packets` is what a channel's owner waits
    /// for.
    shared: NonNull<Shared<H>>,
    transaction: UnsafeCell<MaybeUninit<H::Transaction>>,
}

impl<H: Handler> Node<H> {
    #[inline]
    fn shared(&self) -> &Shared<H> {
        // SAFETY: see the field.
        unsafe { self.shared.as_ref() }
    }
}

/// Gives one reference to a node back; with the last one the node returns to its list.
///
/// # Safety
///
/// The caller owns the reference.
#[inline]
unsafe fn release_node<H: Handler>(node: NonNull<Node<H>>) {
    // SAFETY: the node lives while the caller's reference does; with the last one nobody else knows
    // it.
    unsafe {
        if node.as_ref().claim.release() {
            give_back_late(node);
        }
    }
}

/// Where the last reference is seldom given back: a completion that ran meanwhile, or a packet that
/// was never sent.
///
/// # Safety
///
/// As [`give_back`].
#[cold]
#[inline(never)]
unsafe fn give_back_late<H: Handler>(node: NonNull<Node<H>>) {
    // SAFETY: as the caller says.
    unsafe { give_back(node) };
}

/// Returns a node to its list.
///
/// # Safety
///
/// The node's last reference was the caller's.
#[inline]
unsafe fn give_back<H: Handler>(node: NonNull<Node<H>>) {
    // SAFETY: nobody else knows the node: it is taken apart and its memory goes back to the list,
    // which is there until `packets` is released.
    unsafe {
        let shared = node.as_ref().shared.as_ref();
        shared.nodes.free_raw(node);
        shared.packets.release_raw();
    }
}

/// A packet with its context, owned.
///
/// # Invariants
///
/// The node holds an initialised transaction and an allocated packet that is not in flight; this is
/// their only owner, with one reference to the node.
pub struct OwnedPacket<H: Handler> {
    node: NonNull<Node<H>>,
}

// SAFETY: the packet may be used from any thread, and its context is `Send`.
unsafe impl<H: Handler> Send for OwnedPacket<H> {}

impl<H: Handler> OwnedPacket<H> {
    #[inline]
    fn node(&self) -> &Node<H> {
        // SAFETY: by the invariant the node lives as long as this.
        unsafe { self.node.as_ref() }
    }

    /// The context.
    #[must_use]
    #[inline]
    pub fn context(&self) -> &H::Transaction {
        // SAFETY: by the invariant it is initialised and ours.
        unsafe { (*self.node().transaction.get()).assume_init_ref() }
    }

    /// The context.
    #[inline]
    pub fn context_mut(&mut self) -> &mut H::Transaction {
        // SAFETY: by the invariant it is initialised and ours, and this is borrowed exclusively.
        unsafe { (*self.node().transaction.get()).assume_init_mut() }
    }

    /// Frees the packet and keeps the context.
    #[must_use]
    #[inline]
    pub fn into_context(self) -> H::Transaction {
        let this = ManuallyDrop::new(self);
        // SAFETY: by the invariant the context is initialised; it is moved out once, the packet is
        // freed once, and the reference given back once: `this` is forgotten.
        unsafe {
            let transaction = (*this.node().transaction.get()).assume_init_read();
            discard(this.node().shared(), this.node().packet, this.node().memory);
            release_node(this.node);
            transaction
        }
    }

    /// Sends the packet; it comes back to [`Handler::completed`], perhaps before this returns.
    ///
    /// # Errors
    ///
    /// [`SendError`], with the packet unless KMCL has run its completion routine in spite of the
    /// failure. An error of [`Transaction::external`] is this send's. External data with
    /// [`Mode::Notify`] is `STATUS_INVALID_PARAMETER`.
    #[allow(
        clippy::inline_always,
        reason = "what is inline is shorter than the result that a call hands over in memory"
    )]
    #[inline(always)]
    pub fn send(self, mode: Mode) -> Result<(), SendError<Self>> {
        let flags = match mode {
            Mode::Notify => 0,
            Mode::Transact => VMBUS_CHANNEL_FORMAT_FLAG_WAIT_FOR_COMPLETION,
        };
        match self.context().external() {
            Err(error) => Err(SendError {
                error,
                packet: Some(self),
            }),
            Ok(Some(_)) if mode == Mode::Notify => {
                let error = Error::Status(Status(STATUS_INVALID_PARAMETER));
                Err(SendError {
                    error,
                    packet: Some(self),
                })
            }
            Ok(Some(External {
                mdl,
                offset,
                length,
            })) => {
                let (mdl, external_length) = (mdl.as_ptr(), length.get());
                self.send_with(|table, packet, start, length| {
                    // SAFETY: as `send_with` demands; the part is within the MDL, whose pages the
                    // context keeps; completion is waited for.
                    unsafe {
                        call!(
                            table,
                            VmbPacketSendWithExternalMdl(
                                packet,
                                start,
                                length,
                                mdl,
                                offset,
                                external_length,
                                flags
                            )
                        )
                    }
                })
            }
            Ok(None) => self.send_with(|table, packet, start, length| {
                // SAFETY: as `send_with` demands; no external data.
                unsafe {
                    call!(
                        table,
                        VmbPacketSend(packet, start, length, core::ptr::null_mut(), flags)
                    )
                }
            }),
        }
    }

    /// Sends the packet with the page frames of [`Transaction::pfns`], whole pages each.
    ///
    /// # Errors
    ///
    /// As [`OwnedPacket::send`]; [`Error::InvalidLength`] without frames.
    ///
    /// # Safety
    ///
    /// The host can read and write every page named, until the packet is completed: each belongs to
    /// the driver, is resident, and holds nothing that the host must not have.
    pub unsafe fn send_with_pfns(self) -> Result<(), SendError<Self>> {
        let frames = self.context().pfns();
        let start = frames.as_ptr().cast_mut();
        let Ok(count @ 1..) = u32::try_from(frames.len()) else {
            return Err(SendError {
                error: Error::InvalidLength,
                packet: Some(self),
            });
        };
        self.send_with(|table, packet, buffer, length| {
            // SAFETY: as `send_with` demands; the frames are the caller's word, and their array is
            // the context's.
            unsafe {
                call!(
                    table,
                    VmbPacketSendWithExternalPfns(
                        packet,
                        buffer,
                        length,
                        start,
                        count,
                        VMBUS_CHANNEL_FORMAT_FLAG_WAIT_FOR_COMPLETION
                    )
                )
            }
        })
    }

    /// `call` hands the packet and its buffer to one of KMCL's send functions.
    #[allow(clippy::inline_always, reason = "as `send`")]
    #[inline(always)]
    fn send_with(
        self,
        call: impl FnOnce(&KMCL_CLIENT_INTERFACE_V1, VMBPACKET, PVOID, u32) -> NTSTATUS,
    ) -> Result<(), SendError<Self>> {
        let shared = self.node().shared();
        let payload = self.context().payload();
        let length = match checked(shared, payload) {
            Ok(length) => length,
            Err(error) => {
                return Err(SendError {
                    error,
                    packet: Some(self),
                });
            }
        };
        if !shared.gate.acquire_raw() {
            return Err(SendError {
                error: Error::NotOpen,
                packet: Some(self),
            });
        }
        let start = payload.as_ptr().cast_mut().cast();
        let this = ManuallyDrop::new(self);
        let node = this.node;
        // SAFETY: the reference that beginning gives the sender keeps the node through the call
        // whatever a completion does meanwhile. The packet is ours and not in flight; its buffer is
        // the context's in the node, where nobody touches it until the packet is back; the channel
        // is started while the gate is held. After the call the claim decides: a failure that
        // nobody has claimed gives the packet back to us.
        unsafe {
            let node_ref = node.as_ref();
            let send = node_ref.claim.begin();
            let shared = node_ref.shared();
            let status = call(shared.table(), node_ref.packet, start, length);
            shared.gate.release_raw();
            if status < 0 {
                return Err(Self::send_failed(node, send, Status(status)));
            }
            release_node(node);
        }
        Ok(())
    }

    /// # Safety
    ///
    /// This send of the node's packet has failed, and the caller gives its reference to the node
    /// up.
    #[cold]
    #[inline(never)]
    unsafe fn send_failed(
        node: NonNull<Node<H>>,
        send: SendNumber,
        status: Status,
    ) -> SendError<Self> {
        // SAFETY: as the caller says; if the claim is ours, so are the packet and the owner's
        // reference.
        unsafe {
            // Lazily: a packet that is not ours must not even be made, for it would be dropped.
            let packet = node.as_ref().claim.reclaim(send).then(|| Self { node });
            release_node(node);
            SendError {
                error: Error::Status(status),
                packet,
            }
        }
    }
}

impl<H: Handler> Drop for OwnedPacket<H> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: by the invariant the context is initialised and the packet not in flight; each
        // ends once, here.
        unsafe {
            (*self.node().transaction.get()).assume_init_drop();
            discard(self.node().shared(), self.node().packet, self.node().memory);
            release_node(self.node);
        }
    }
}

/// A packet that is back. Dropped, it is freed.
///
/// # Invariants
///
/// As [`OwnedPacket`]; the reply is readable for `'c`, the time of the callback, until the packet
/// is freed or sent: whether it is a part of the packet is documented nowhere.
pub struct Completed<'c, H: Handler> {
    status: Status,
    reply: HostBytes<'c>,
    packet: OwnedPacket<H>,
}

impl<H: Handler> Completed<'_, H> {
    /// How it went. After the channel was closed it is an error.
    #[must_use]
    pub const fn status(&self) -> Status {
        self.status
    }

    /// The host's reply, as long as the packet is here; its length is rounded up to 8.
    #[must_use]
    pub const fn reply(&self) -> HostBytes<'_> {
        self.reply
    }

    /// The reply, and the context that it is copied to.
    #[inline]
    pub fn reply_and_context(&mut self) -> (HostBytes<'_>, &mut H::Transaction) {
        (self.reply, self.packet.context_mut())
    }

    /// The context.
    #[must_use]
    #[inline]
    pub fn context(&self) -> &H::Transaction {
        self.packet.context()
    }

    /// The context.
    #[inline]
    pub fn context_mut(&mut self) -> &mut H::Transaction {
        self.packet.context_mut()
    }

    /// The packet, to be sent again or dropped.
    #[must_use]
    #[inline]
    pub fn into_packet(self) -> OwnedPacket<H> {
        self.packet
    }

    /// Frees the packet and keeps the context. What is needed of the reply is to be copied out
    /// before.
    #[must_use]
    #[inline]
    pub fn into_context(self) -> H::Transaction {
        self.packet.into_context()
    }
}

unsafe extern "C" fn on_completed<H: Handler>(
    packet: VMBPACKET,
    status: NTSTATUS,
    buffer: PVOID,
    length: u32,
) {
    // SAFETY: KMCL calls this for a packet on which `Vacant::fill` set the pointer and the routine:
    // the pointer is its node, which lives while the packet is in flight.
    let node = unsafe { NonNull::new_unchecked(routes::packet_pointer(packet).cast::<Node<H>>()) };
    // SAFETY: as above.
    let node_ref = unsafe { node.as_ref() };
    if !node_ref.claim.complete() {
        return;
    }
    // SAFETY: the claim is ours, and with it the packet, its context, the owner's reference and one
    // that is given back below: no public text says that closing a channel waits for this call, so
    // the node, with its acquisition of `packets`, keeps what is shared and the handler until it
    // ends.
    let (shared, packet_owner) =
        unsafe { (SharedRef::new(node_ref.shared), OwnedPacket::<H> { node }) };
    debug_assert_eq!(
        // SAFETY: the packet is valid in its completion routine.
        unsafe { routes::packet_channel(packet) },
        shared.channel,
        "a packet and its node belong to one channel"
    );
    let length = if buffer.is_null() { 0 } else { length as usize };
    // SAFETY: the reply is readable for its length for the time of this call.
    let reply = unsafe { HostBytes::new(buffer.cast(), length) };
    // SAFETY: KMCL calls completion routines at DISPATCH_LEVEL or below.
    let irql = unsafe { Dispatch::assume() };
    let done = Completed {
        status: Status(status),
        reply,
        packet: packet_owner,
    };
    shared
        .handler
        .completed(&mut Running::new(shared, irql), done);
    // SAFETY: the reference is this call's, and the last more often than not.
    unsafe {
        if node_ref.claim.release() {
            give_back(node);
        }
    }
}
