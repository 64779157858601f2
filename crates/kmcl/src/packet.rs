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

use crate::atomic::Ordering;
use core::cell::UnsafeCell;
use core::fmt;
use core::mem::{ManuallyDrop, MaybeUninit};
use core::ptr::NonNull;

use kmcl_sys::{
    KMCL_CLIENT_INTERFACE_V1, VMBPACKET, VMBUS_CHANNEL_FORMAT_FLAG_PAGED_BUFFER,
    VMBUS_CHANNEL_FORMAT_FLAG_WAIT_FOR_COMPLETION,
};
use wdk_sys::{NTSTATUS, PVOID, STATUS_INVALID_PARAMETER};

use crate::channel::{Handler, Running, Shared, SharedRef, call};
use crate::claim::{Claim, Send as SendNumber};
use crate::debugger::say;
use crate::host::HostBytes;
use crate::interface::routes;
use crate::irql::{AtPassive, Dispatch, Irql};
use crate::lookaside::Counters;
use crate::mdl::{External, PageFrame};
use crate::pool::{self, PoolArc, Tag};
use crate::readiness::Progress;
use crate::status::{Error, Status, without_what_comes_back};
use crate::sync::SpinLock;

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

without_what_comes_back! {
    SendError<T>, failure = failure.error;
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

    /// As [`Sender::transaction`], with the packet in memory of the library's instead of KMCL's. It
    /// is allocated now, unless an earlier packet of this kind has left some: that is kept and used
    /// again until the channel is dropped, since no text says when KMCL no longer uses the memory
    /// of a packet whose completion routine runs.
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
        // SAFETY: as of everything that takes no witness, this is DISPATCH_LEVEL or below.
        let irql = &mut unsafe { Dispatch::assume() };
        let spare = shared
            .spares
            .take(irql)
            .map_or_else(|| initialize(shared), Ok);
        match spare {
            // SAFETY: the packet was initialised in this memory, for this channel, and nobody uses
            // it; it has the acquisition above.
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

/// A packet in pool memory, behind the room for a link.
fn initialize<H: Handler>(shared: &Shared<H>) -> Result<NonNull<u8>, Error> {
    // SAFETY: the channel is allocated while `packets` is held, as the caller does; the memory has
    // the size that KMCL asks for.
    unsafe {
        let bytes = call!(shared.table(), VmbChannelSizeofPacket(shared.channel));
        let size = (bytes as usize)
            .checked_add(SPARE_LINK)
            .ok_or(Error::NoMemory)?;
        let block = pool::allocate(size, TAG, false).ok_or(Error::NoMemory)?;
        let memory = block.add(SPARE_LINK);
        let status = call!(
            shared.table(),
            VmbPacketInitialize(shared.channel, memory.as_ptr().cast(), bytes)
        );
        if let Err(error) = Status::check(status) {
            pool::free(block, TAG);
            return Err(error);
        }
        Ok(memory)
    }
}

/// Bytes before a packet in memory of the library's: room for the link of [`Spares`], and no less
/// than the alignment of pool.
const SPARE_LINK: usize = pool::POOL_ALIGNMENT;

/// Packets that were initialised in memory of the library's and that nobody uses.
///
/// What comes back here may come from the packet's own completion routine, in which it may be sent
/// again. Its memory may not be freed there: KMCL's call has not returned.
///
/// # Invariants
///
/// Each has a link before it, to the one that came before; they are the channel's.
pub(crate) struct Spares(SpinLock<Option<NonNull<u8>>>);

// SAFETY: the lock hands the list to one processor at a time; packets may be used from any.
unsafe impl Send for Spares {}
// SAFETY: as above.
unsafe impl Sync for Spares {}

impl Spares {
    /// None.
    pub(crate) const fn new() -> Self {
        Self(SpinLock::new(None))
    }

    /// # Safety
    ///
    /// `memory` came from [`initialize`] for this channel.
    unsafe fn link(memory: NonNull<u8>) -> NonNull<Option<NonNull<u8>>> {
        // SAFETY: so many bytes lie before it, in the same block.
        unsafe { memory.sub(SPARE_LINK) }.cast()
    }

    fn take(&self, irql: &mut impl Irql) -> Option<NonNull<u8>> {
        self.0.with(irql, |first, _| {
            let memory = (*first)?;
            // SAFETY: by the invariant it has a link.
            *first = unsafe { Self::link(memory).read() };
            Some(memory)
        })
    }

    /// # Safety
    ///
    /// `memory` came from [`initialize`] for this channel, and the packet in it is not in flight
    /// and is given up.
    unsafe fn put(&self, memory: NonNull<u8>, irql: &mut impl Irql) {
        self.0.with(irql, |first, _| {
            // SAFETY: as the caller says.
            unsafe { Self::link(memory).write(*first) };
            *first = Some(memory);
        });
    }

    /// # Safety
    ///
    /// The channel has been cleaned up.
    pub(crate) unsafe fn free(&self, irql: &mut impl Irql) {
        while let Some(memory) = self.take(irql) {
            // SAFETY: `initialize` allocated the block, which begins with the link; nobody knows it
            // any more.
            unsafe { pool::free(Self::link(memory).cast(), TAG) };
        }
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
            Some(memory) => spare(&shared.spares, memory),
        }
    }
}

/// # Safety
///
/// The packet in this memory, which [`initialize`] made for the channel of these spares, is not in
/// flight and is given up.
#[cold]
unsafe fn spare(spares: &Spares, memory: NonNull<u8>) {
    // SAFETY: as of everything that takes no witness, this is DISPATCH_LEVEL or below; the rest is
    // the caller's word.
    unsafe { spares.put(memory, &mut Dispatch::assume()) };
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
///
/// What is shared is handed over as a pointer: its owner may free it as soon as `packets` is
/// released, while a reference would promise that it stays until this has returned.
#[inline]
unsafe fn release<H: Handler>(shared: NonNull<Shared<H>>, packet: VMBPACKET) {
    // SAFETY: as the caller says; what is shared is there until `packets` is released.
    unsafe {
        call!(shared.as_ref().table(), VmbPacketFree(packet));
        shared.as_ref().packets.release_raw();
    }
}

#[inline]
pub(crate) fn checked<H: Handler>(shared: &Shared<H>, payload: &[u8]) -> Result<u32, Error> {
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
        unsafe { release(self.shared, self.packet) };
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
        call: impl FnOnce(*const KMCL_CLIENT_INTERFACE_V1, VMBPACKET, PVOID, u32) -> NTSTATUS,
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
    // SAFETY: KMCL calls this for a packet on which `Vacant::fill` set the pointer and the routine.
    // The pointer is its node, which lives while the packet is in flight, and while a send that
    // fails has not returned: the sender has a reference. It is not called later for such a send:
    // a packet that was not sent is the driver's to free, as the documentation says, so KMCL does
    // not touch it once the send has failed.
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
    // SAFETY: the packet is valid in its completion routine.
    if cfg!(debug_assertions) && unsafe { routes::packet_channel(packet) } != shared.channel {
        say(c"kmcl: a packet is completed on another channel than its own\n");
    }
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
