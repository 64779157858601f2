//! Channels: configuration, life, and the callbacks that a handler gets.
//!
//! ```text
//!   Interface::channel -> ChannelConfig --enable--> Channel --disable--> ClosedChannel --enable--> ...
//!                           | setters                 |  ^                    |
//!                           | drop: cleanup           |  | pause, start       | drop: cleanup
//!                                                     v
//!       opened -> started -> post_started -> process_packet, completed ... -> suspended -> closed
//!         |          sends allowed from here ...                  ... to here
//!         +- gives out `Sender`s
//! ```
//!
//! Who may do what follows from what there is: a [`ChannelConfig`] has the setters, a [`Channel`]
//! is enabled, and a [`Sender`] comes only from the callbacks of a channel that is open.
//!
//! ```
//! # use kmcl::{channel::{Channel, Handler}, interface::Interface, irql::Passive, status::Error};
//! # #[cfg(not(windows))]
//! # use wdk_sys_lite as wdk_sys;
//! /// # Safety
//! ///
//! /// `parent` is the physical device object of a device on the bus; it outlives the channel.
//! unsafe fn open<H: Handler>(
//!     interface: &Interface,
//!     parent: wdk_sys::PDEVICE_OBJECT,
//!     handler: H,
//!     irql: &mut Passive<'_>,
//! ) -> Result<Channel<H>, Error> {
//!     // SAFETY: as the caller says.
//!     let mut config = unsafe { interface.channel(parent, handler, irql) }?;
//!     config.ring_pages(16, 16, irql)?.friendly_name(&[0x6B, 0x6D], irql)?;
//!     // What cannot be enabled comes back, and is cleaned up here.
//!     Ok(config.enable(irql)?)
//! }
//! ```
//!
//! A guest's channel is always disabled after it was closed, by whichever side: then only
//! [`Channel::disable`] and a new `enable` bring it back.

use crate::atomic::{AtomicU32, Ordering};
use core::cell::UnsafeCell;
use core::marker::PhantomData;
use core::mem::{ManuallyDrop, MaybeUninit};
use core::ops::Deref;
use core::ptr::NonNull;

use kmcl_sys::{
    KMCL_CLIENT_INTERFACE_V1, VMB_CHANNEL_STATE_CHANGE_CALLBACKS,
    VMB_CHANNEL_STATE_CHANGE_CALLBACKS_INIT, VMBCHANNEL, VMBPACKETCOMPLETION,
    VMBUS_CHANNEL_INIT_FLAG_IS_PIPE,
};
use wdk_sys::{GUID, NTSTATUS, PDEVICE_OBJECT, PVOID, STATUS_SUCCESS, UNICODE_STRING};

use crate::debugger::say;
use crate::incoming::{Disposition, Incoming};
use crate::interface::{Interface, routes};
use crate::irql::{CallbackPassive, Dispatch, Passive, ReplyPassive, at_passive_level};
use crate::lookaside::{Counters, LookasideList};
use crate::packet::{Completed, Node, Sender, Spares, Transaction};
use crate::pool::{InPool, OutOfMemory, PoolArc, Tag};
use crate::readiness::Progress;
use crate::request::Lent;
use crate::status::{Error, Status, not_zero};
use crate::sync::{Confined, Gate, NotForHandlers};

const TAG: Tag = Tag::new(*b"KmCh");

/// Calls a function of the interface's table: every member was checked to be a function when the
/// interface was queried.
macro_rules! call {
    ($table:expr, $member:ident($($argument:expr),* $(,)?)) => {
        ((*$table).$member.unwrap_unchecked())($($argument),*)
    };
}
pub(crate) use call;

/// What a driver does with a channel.
///
/// Every method may run on any processor, and several at a time; none is called before `enable` or
/// after `disable` has returned. (A [`completed`](Handler::completed) that has given its packet up
/// may still be running then; the handler lives until it has returned.) State callbacks run at
/// `PASSIVE_LEVEL`; they must not wait for the channel itself, and the witness they get does not
/// allow it.
pub trait Handler: Send + Sync + Sized + 'static {
    /// What travels with a packet that is sent with [`Sender::transaction`].
    type Transaction: Transaction;

    /// The channel has been opened; nothing is sent yet. An error rolls back to a channel without
    /// traffic. Whether [`Handler::closed`] is called then, no text says: drop here what was kept.
    /// The GPADLs are deleted either way.
    ///
    /// # Errors
    ///
    /// Whatever the driver needs that it could not get.
    fn opened(&self, cx: &mut Context<'_, Self>) -> Result<(), Status> {
        let _ = cx;
        Ok(())
    }

    /// The channel is configured and sends may be queued; nothing is received yet, so replies come
    /// after this has returned. Must not wait for packets.
    fn started(&self, cx: &mut Context<'_, Self>) {
        let _ = cx;
    }

    /// Packets are received from now on (and perhaps since a moment ago).
    ///
    /// Here alone among the callbacks replies may be waited for.
    fn post_started(&self, cx: &mut PostStarted<'_, Self>) {
        let _ = cx;
    }

    /// Nothing is received until the next start, and the library has closed the way out. What was
    /// received and detached must be completed soon: whoever disabled the channel waits for it.
    fn suspended(&self, cx: &mut Context<'_, Self>) {
        let _ = cx;
    }

    /// The channel is closed. Packets of its own that the handler keeps must be dropped, for
    /// whoever drops the channel waits for them; a sender that is kept does no harm, and fails from
    /// now on.
    fn closed(&self, cx: &mut Context<'_, Self>) {
        let _ = cx;
    }

    /// A packet has come. It must become a [`Disposition`]: completed, detached, deferred or
    /// failed.
    ///
    /// IRQL: `DISPATCH_LEVEL` or below; `PASSIVE_LEVEL` with [`ChannelConfig::incoming_at_passive`]
    /// or after a deferral, though the witness is the same.
    fn process_packet<'c>(
        &self,
        cx: &mut Running<'c, Self>,
        packet: Incoming<'c, Self>,
    ) -> Disposition<'c>;

    /// A batch of packets is over. Only a hint: when exactly it comes is documented in two ways.
    fn processing_complete(&self, cx: &mut Running<'_, Self>, packets: u32) {
        let _ = (cx, packets);
    }

    /// A packet sent with [`OwnedPacket::send`](crate::packet::OwnedPacket::send) is back.
    ///
    /// It may run inside that call, on the same stack: a lock that is taken here must not be held
    /// while sending. A packet that is sent from here with
    /// [`Mode::Notify`](crate::packet::Mode::Notify) may come back one frame deeper, and so may one
    /// that is sent from there: whoever has many to send does it in a loop elsewhere. (With
    /// [`Mode::Transact`](crate::packet::Mode::Transact) the host's answer comes first, from
    /// another stack; but a packet that came back with an error is not to be sent again from here.)
    /// IRQL: `DISPATCH_LEVEL` or below.
    fn completed(&self, cx: &mut Running<'_, Self>, done: Completed<'_, Self>);

    /// The device was found and could not be connected to. KMCL says so only for a channel with
    /// [`target_pnp`](ChannelConfig::target_pnp): without one, a host that refuses looks like one
    /// that does not answer.
    fn pnp_failure(&self, cx: &mut Unconnected<'_, Self>, status: Status) {
        let _ = (cx, status);
    }
}

/// What a state callback is given: a witness of `PASSIVE_LEVEL`, and senders.
///
/// # Invariants
///
/// It exists only inside a state callback of its channel, on that callback's stack.
pub struct Context<'c, H: Handler> {
    shared: SharedRef<'c, H>,
    irql: CallbackPassive<'c>,
}

impl<'c, H: Handler> Context<'c, H> {
    pub(crate) fn progress(&self) -> &Progress {
        &self.shared.progress
    }

    /// The witness.
    pub const fn irql(&mut self) -> &mut CallbackPassive<'c> {
        &mut self.irql
    }

    /// Sets the latency of signals to the host, in units of 100 ns, and gives the old one. From
    /// `opened` to `closed`, both included.
    ///
    /// # Errors
    ///
    /// KMCL's.
    pub fn set_interrupt_latency(&mut self, latency: u16) -> Result<u16, Error> {
        let mut original = 0;
        // SAFETY: this is a state callback, between `opened` and `closed`; the old value is
        // writable.
        Status::check(unsafe {
            call!(
                self.shared.table(),
                VmbChannelSetInterruptLatency(self.shared.channel, latency, &raw mut original)
            )
        })?;
        Ok(original)
    }

    /// Address and size of the device's MMIO space, as KMCL reports it: whether the address is
    /// virtual or physical is documented both ways, so it is a number. From `opened` on.
    #[must_use]
    pub fn mmio_space(&self) -> (u64, u64) {
        let (mut address, mut size) = (0, 0);
        // SAFETY: this is a state callback of an opened channel; both values are writable.
        unsafe {
            call!(
                self.shared.table(),
                VmbChannelGetMmioSpace(self.shared.channel, &raw mut address, &raw mut size)
            );
        }
        (address, size)
    }

    /// A way to send, which may be kept. It works from [`Handler::started`] until the channel is
    /// suspended; then it fails until the next start.
    #[must_use]
    pub fn sender(&self) -> Sender<H> {
        Sender::new(self.shared.owner())
    }
}

/// What [`Handler::pnp_failure`] is given: a witness of `PASSIVE_LEVEL`. The channel has not been
/// opened, so there is nothing to ask it and nowhere to send.
///
/// # Invariants
///
/// It exists only inside that callback, on its stack.
pub struct Unconnected<'c, H: Handler> {
    irql: CallbackPassive<'c>,
    channel: PhantomData<&'c Shared<H>>,
}

impl<'c, H: Handler> Unconnected<'c, H> {
    /// The witness.
    pub const fn irql(&mut self) -> &mut CallbackPassive<'c> {
        &mut self.irql
    }
}

/// What [`Handler::post_started`] is given: as [`Context`], with a witness that allows waiting for
/// a reply.
///
/// # Invariants
///
/// It exists only inside that callback: the channel is receiving, on another thread.
pub struct PostStarted<'c, H: Handler> {
    shared: SharedRef<'c, H>,
    irql: ReplyPassive<'c>,
}

impl<'c, H: Handler> PostStarted<'c, H> {
    pub(crate) fn progress(&self) -> &Progress {
        &self.shared.progress
    }

    /// The witness.
    pub const fn irql(&mut self) -> &mut ReplyPassive<'c> {
        &mut self.irql
    }

    /// A way to send, which may be kept.
    #[must_use]
    pub fn sender(&self) -> Sender<H> {
        Sender::new(self.shared.owner())
    }
}

/// What a packet callback is given: a witness of at most `DISPATCH_LEVEL`, and senders.
///
/// # Invariants
///
/// It exists only inside a packet callback of its channel, on that callback's stack.
pub struct Running<'c, H: Handler> {
    shared: SharedRef<'c, H>,
    irql: Dispatch<'c>,
}

impl<'c, H: Handler> Running<'c, H> {
    pub(crate) fn progress(&self) -> &Progress {
        &self.shared.progress
    }

    /// The witness.
    pub const fn irql(&mut self) -> &mut Dispatch<'c> {
        &mut self.irql
    }

    /// A way to send.
    #[must_use]
    pub fn sender(&self) -> Sender<H> {
        Sender::new(self.shared.owner())
    }
}

/// What a channel's owner, its callbacks, senders and packets share; senders may outlive the
/// channel with it.
///
/// # Invariants
///
/// While `packets` can be acquired or is held, and until the last callback of the states and of
/// received packets has returned, `channel` is an allocated channel of `interface`'s, and
/// `interface`, `nodes` and `handler` are there: the channel's owner waits for `packets` before it
/// gives them up. It is in nonpaged pool and stays there; the channel's pointer is its address.
pub(crate) struct Shared<H: Handler> {
    /// A copy of the interface's table, one step nearer than the interface's own.
    functions: MaybeUninit<KMCL_CLIENT_INTERFACE_V1>,
    pub(crate) channel: VMBCHANNEL,
    pub(crate) maximum_packet_size: AtomicU32,
    /// Held as long as a packet, its node, an incoming packet's completion or the completion
    /// routine's call is out.
    pub(crate) packets: Gate,
    /// Held for the time of a send; closed while the channel is not started.
    pub(crate) gate: Gate,
    /// Held while a GPADL is created or deleted; closed while the channel is not open.
    pub(crate) open: Gate,
    /// How far the channel has come, for whoever waits.
    pub(crate) progress: Progress,
    pub(crate) nodes: ManuallyDrop<LookasideList<Node<H>>>,
    pub(crate) handler: ManuallyDrop<H>,
    pub(crate) gpadls: crate::gpadl::List,
    /// Memory of synchronous requests that failed, which the host may have until the channel is
    /// disabled.
    pub(crate) lent: Lent,
    /// Packets in memory of the library's that wait to be used again.
    pub(crate) spares: Spares,
    interface: ManuallyDrop<Interface>,
    /// What KMCL is given pointers to: no text says whether it copies them, so they stay until
    /// after the cleanup.
    callbacks: UnsafeCell<VMB_CHANNEL_STATE_CHANGE_CALLBACKS>,
    name: UnsafeCell<UNICODE_STRING>,
    target: UnsafeCell<[GUID; 2]>,
}

// SAFETY: the channel handle may be used from any thread, a handler is `Send` and `Sync`, the cells
// are written only while the channel is being configured, by its one owner; the rest is made to be
// shared.
unsafe impl<H: Handler> Send for Shared<H> {}
// SAFETY: as above.
unsafe impl<H: Handler> Sync for Shared<H> {}

impl<H: Handler> Shared<H> {
    #[inline]
    pub(crate) fn table(&self) -> *const KMCL_CLIENT_INTERFACE_V1 {
        self.functions.as_ptr()
    }

    /// Deletes the list, gives the interface back and drops the handler.
    ///
    /// # Safety
    ///
    /// Called once; the channel is cleaned up and `packets` has run down, so that nobody uses any
    /// of them again.
    unsafe fn drop_parts(&self) {
        // SAFETY: all are initialised; what is read here is the only copy that is ever dropped.
        unsafe {
            drop(ManuallyDrop::into_inner(core::ptr::read(
                &raw const self.nodes,
            )));
            drop(ManuallyDrop::into_inner(core::ptr::read(
                &raw const self.interface,
            )));
            drop(ManuallyDrop::into_inner(core::ptr::read(
                &raw const self.handler,
            )));
        }
    }

    /// From now on no GPADL may be created; those that are left are deleted.
    fn close_gpadls(&self, irql: &mut CallbackPassive<'_>) {
        self.open.close(irql);
        crate::gpadl::delete_all(self, irql);
    }
}

/// What is shared, as a callback or a packet has it: without a count, and with a pointer from which
/// an owner can be made.
///
/// # Invariants
///
/// The pointer is that of the channel's owner, and what it points to has an owner for the lifetime.
pub(crate) struct SharedRef<'c, H: Handler> {
    shared: NonNull<Shared<H>>,
    lifetime: PhantomData<&'c Shared<H>>,
}

impl<H: Handler> Clone for SharedRef<'_, H> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<H: Handler> Copy for SharedRef<'_, H> {}

impl<H: Handler> Deref for SharedRef<'_, H> {
    type Target = Shared<H>;
    #[inline]
    fn deref(&self) -> &Shared<H> {
        // SAFETY: by the invariant.
        unsafe { self.shared.as_ref() }
    }
}

impl<H: Handler> SharedRef<'_, H> {
    /// # Safety
    ///
    /// As the invariants say.
    #[inline]
    pub(crate) const unsafe fn new(shared: NonNull<Shared<H>>) -> Self {
        Self {
            shared,
            lifetime: PhantomData,
        }
    }

    pub(crate) const fn as_ptr(self) -> NonNull<Shared<H>> {
        self.shared
    }

    /// One more owner.
    pub(crate) fn owner(self) -> PoolArc<Shared<H>> {
        // SAFETY: by the invariant; every owner has this tag.
        unsafe { PoolArc::another(self.shared, TAG) }
    }
}

/// A channel of the library's in whichever state, owned: what the three public states wrap.
struct Owned<H: Handler> {
    shared: PoolArc<Shared<H>>,
    /// Not to be sent to other threads: a handler, which is `Send`, can then not own the channel
    /// that waits for it.
    _confined: NotForHandlers,
}

impl<H: Handler> Owned<H> {
    fn channel(&self) -> VMBCHANNEL {
        self.shared.channel
    }

    fn table(&self) -> *const KMCL_CLIENT_INTERFACE_V1 {
        self.shared.table()
    }
}

impl<H: Handler> Drop for Owned<H> {
    /// Cleans a disabled channel up.
    fn drop(&mut self) {
        if !at_passive_level() {
            say(c"kmcl: a channel is dropped above PASSIVE_LEVEL and leaks\n");
            // With what it shares.
            core::mem::forget(self.shared.clone());
            return;
        }
        // SAFETY: PASSIVE_LEVEL as just read; an owner never runs in a channel callback, as it
        // cannot leave its thread (see `_confined`).
        let mut irql = unsafe { Passive::assume() };
        let shared = &self.shared;
        // KMCL's callbacks have closed the first two, if they came; no text says that they must.
        shared.gate.close(&mut irql);
        shared.open.close(&mut irql);
        shared.packets.close(&mut irql);
        // SAFETY: the channel is allocated and disabled, and every packet is back, as is every call
        // of a completion routine: `packets` has run down. No other callback runs on a disabled
        // channel, so nobody but this owner uses what is dropped here, once (senders find the gates
        // closed).
        unsafe {
            call!(shared.table(), VmbChannelCleanup(shared.channel));
            shared.drop_parts();
        }
        // What a request has left that ended after the channel was disabled. Senders may keep what
        // is shared, but not this.
        shared.lent.free(&mut irql);
        // SAFETY: the channel is gone, and with it all that knew of its packets.
        unsafe { shared.spares.free(&mut irql) };
    }
}

/// A channel that is being configured: it has never been enabled. Dropped, it is cleaned up, at
/// `PASSIVE_LEVEL`; dropped above, it leaks, and debug builds say so.
///
/// # Invariants
///
/// The channel is allocated and disabled, and its callbacks are registered; this is its one owner,
/// in the thread that allocated it or, in a [`PassiveCell`](crate::sync::PassiveCell), in one that
/// passes it on. What a setter was given pointers to stays until after the cleanup.
pub struct ChannelConfig<H: Handler>(Owned<H>);

impl Interface {
    /// Allocates a client channel for the device `parent`, with its handler.
    ///
    /// # Errors
    ///
    /// The status of `VmbChannelAllocate` or of a setter that the library itself needs, or
    /// [`Error::NoMemory`].
    ///
    /// # Safety
    ///
    /// `parent` is the device object of a device on a VMBus channel, and stays valid for as long as
    /// the channel lives.
    pub unsafe fn channel<H: Handler>(
        &self,
        parent: PDEVICE_OBJECT,
        handler: H,
        irql: &mut Passive<'_>,
    ) -> Result<ChannelConfig<H>, Error> {
        let nodes = LookasideList::try_new(TAG, irql)?;
        // SAFETY: the interface's table is initialised.
        unsafe { routes::set(self.table()) };
        let mut channel: VMBCHANNEL = core::ptr::null_mut();
        // SAFETY: PASSIVE_LEVEL by the witness; a client endpoint; the parent is the caller's word.
        Status::check(unsafe {
            call!(
                self.table(),
                VmbChannelAllocate(parent, 0, &raw mut channel)
            )
        })?;
        let shared = Shared {
            functions: self.functions(),
            channel,
            maximum_packet_size: AtomicU32::new(0),
            packets: Gate::to_be_placed(),
            gate: Gate::to_be_placed(),
            open: Gate::to_be_placed(),
            progress: Progress::to_be_placed(),
            nodes: ManuallyDrop::new(nodes),
            handler: ManuallyDrop::new(handler),
            gpadls: crate::gpadl::List::new(),
            lent: Lent::new(),
            spares: Spares::new(),
            interface: ManuallyDrop::new(self.clone()),
            callbacks: UnsafeCell::new(VMB_CHANNEL_STATE_CHANGE_CALLBACKS::default()),
            name: UnsafeCell::new(UNICODE_STRING::default()),
            target: UnsafeCell::new([GUID::default(); 2]),
        };
        let shared = match PoolArc::try_new(shared, TAG) {
            Ok(shared) => shared,
            Err(OutOfMemory(shared)) => {
                // SAFETY: the channel was allocated above, is disabled, and nobody else knows it;
                // the parts are dropped once, here.
                unsafe {
                    call!(self.table(), VmbChannelCleanup(channel));
                    shared.drop_parts();
                }
                return Err(Error::NoMemory);
            }
        };
        // SAFETY: they are in their place, initialised once, and nobody else knows them yet.
        unsafe {
            shared.gate.initialize();
            shared.open.initialize();
            shared.packets.initialize();
            shared.progress.initialize();
        }
        shared.packets.open();
        // From here on dropping the owner cleans up.
        let config = ChannelConfig(Owned {
            shared,
            _confined: NotForHandlers::new(),
        });
        config.register()?;
        Ok(config)
    }
}

impl<H: Handler> ChannelConfig<H> {
    fn register(&self) -> Result<(), Error> {
        let channel = self.0.channel();
        let table = self.0.table();
        let mut callbacks = VMB_CHANNEL_STATE_CHANGE_CALLBACKS::default();
        VMB_CHANNEL_STATE_CHANGE_CALLBACKS_INIT(&mut callbacks);
        callbacks.EvtChannelOpened = Some(on_opened::<H>);
        callbacks.EvtChannelClosed = Some(on_closed::<H>);
        callbacks.EvtChannelSuspend = Some(on_suspend::<H>);
        callbacks.EvtChannelStarted = Some(on_started::<H>);
        callbacks.EvtChannelPostStarted = Some(on_post_started::<H>);
        // SAFETY: the channel is allocated and has not been enabled; the pointer is to what is
        // shared, in its place, which outlives the channel; the callbacks have KMCL's signatures
        // and find it through that pointer.
        unsafe {
            self.0.shared.callbacks.get().write(callbacks);
            call!(
                table,
                VmbChannelSetPointer(channel, self.0.shared.as_ptr().as_ptr().cast())
            );
            Status::check(call!(
                table,
                VmbChannelInitSetStateChangeCallbacks(channel, self.0.shared.callbacks.get())
            ))?;
            Status::check(call!(
                table,
                VmbChannelInitSetProcessPacketCallbacks(
                    channel,
                    Some(on_process_packet::<H>),
                    Some(on_processing_complete::<H>)
                )
            ))
        }
    }

    /// The largest message that is ever sent inline, in bytes. A larger one is [`Error::TooLarge`]
    /// before KMCL sees it.
    ///
    /// KMCL sizes its buffers by it and has a default that is documented nowhere, so each driver
    /// should set it. Without it nothing is checked here.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidLength`] for 0, or KMCL's.
    pub fn maximum_packet_size(
        &mut self,
        bytes: u32,
        _irql: &mut Passive<'_>,
    ) -> Result<&mut Self, Error> {
        let bytes = not_zero(bytes)?;
        // SAFETY: PASSIVE_LEVEL by the witness; the channel is allocated and has never been
        // enabled.
        Status::check(unsafe {
            call!(
                self.0.table(),
                VmbChannelInitSetMaximumPacketSize(self.0.channel(), bytes.get())
            )
        })?;
        self.0
            .shared
            .maximum_packet_size
            .store(bytes.get(), Ordering::Release);
        Ok(self)
    }

    /// How many bytes of external data a packet may describe, and in a chain of how many MDLs: for
    /// a channel with any.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidLength`] for 0 of either, or KMCL's.
    pub fn maximum_external_data(
        &mut self,
        bytes: u32,
        chain: u32,
        _irql: &mut Passive<'_>,
    ) -> Result<&mut Self, Error> {
        let (bytes, chain) = (not_zero(bytes)?, not_zero(chain)?);
        // SAFETY: PASSIVE_LEVEL by the witness; the channel is allocated and has never been
        // enabled.
        Status::check(unsafe {
            call!(
                self.0.table(),
                VmbChannelInitSetMaximumExternalData(self.0.channel(), bytes.get(), chain.get())
            )
        })?;
        Ok(self)
    }

    /// The size of the two rings, in pages of 4 KiB of data each. The defaults are documented
    /// nowhere: what is to be under way at a time must fit, the largest message above all.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidLength`] for 0 of either, or KMCL's.
    pub fn ring_pages(
        &mut self,
        incoming: u32,
        outgoing: u32,
        _irql: &mut Passive<'_>,
    ) -> Result<&mut Self, Error> {
        let (incoming, outgoing) = (not_zero(incoming)?, not_zero(outgoing)?);
        // SAFETY: PASSIVE_LEVEL by the witness; the channel is allocated, a client's, and has never
        // been enabled.
        Status::check(unsafe {
            call!(
                self.0.table(),
                VmbClientChannelInitSetRingBufferPageCount(
                    self.0.channel(),
                    incoming.get(),
                    outgoing.get()
                )
            )
        })?;
        Ok(self)
    }

    /// The size of KMCL's context for each incoming packet, in bytes. Version 1 has no way to reach
    /// it.
    ///
    /// # Errors
    ///
    /// KMCL's.
    pub fn client_context_size(
        &mut self,
        bytes: u32,
        _irql: &mut Passive<'_>,
    ) -> Result<&mut Self, Error> {
        // SAFETY: PASSIVE_LEVEL by the witness; the channel is allocated and has never been
        // enabled.
        Status::check(unsafe {
            call!(
                self.0.table(),
                VmbChannelInitSetClientContextSize(self.0.channel(), bytes)
            )
        })?;
        Ok(self)
    }

    /// A short name for the debugger and performance counters, in UTF-16.
    ///
    /// # Errors
    ///
    /// [`Error::TooLarge`] above 32,767 units, or KMCL's.
    pub fn friendly_name(
        &mut self,
        name: &'static [u16],
        _irql: &mut Passive<'_>,
    ) -> Result<&mut Self, Error> {
        let bytes = u16::try_from(size_of_val(name)).map_err(|_| Error::TooLarge)?;
        let string = UNICODE_STRING {
            Length: bytes,
            MaximumLength: bytes,
            Buffer: name.as_ptr().cast_mut(),
        };
        // SAFETY: PASSIVE_LEVEL by the witness; the channel is allocated and has never been
        // enabled; the string is kept with the channel, its text is static.
        Status::check(unsafe {
            self.0.shared.name.get().write(string);
            call!(
                self.0.table(),
                VmbChannelInitSetFriendlyName(self.0.channel(), self.0.shared.name.get())
            )
        })?;
        Ok(self)
    }

    /// Makes the channel a pipe: datagrams only, with KMCL's own header.
    ///
    /// # Errors
    ///
    /// KMCL's.
    pub fn pipe(&mut self, _irql: &mut Passive<'_>) -> Result<&mut Self, Error> {
        // SAFETY: PASSIVE_LEVEL by the witness; the channel is allocated and has never been
        // enabled.
        Status::check(unsafe {
            call!(
                self.0.table(),
                VmbChannelInitSetFlags(self.0.channel(), VMBUS_CHANNEL_INIT_FLAG_IS_PIPE)
            )
        })?;
        Ok(self)
    }

    /// Lets KMCL find the device by interface type, and instance if one is given, instead of by the
    /// parent device.
    ///
    /// # Errors
    ///
    /// KMCL's.
    pub fn target_pnp(
        &mut self,
        interface_type: GUID,
        instance: Option<GUID>,
        _irql: &mut Passive<'_>,
    ) -> Result<&mut Self, Error> {
        let target = self.0.shared.target.get();
        // SAFETY: PASSIVE_LEVEL by the witness; the channel is allocated, a client's, and has never
        // been enabled; the GUIDs are kept with the channel.
        Status::check(unsafe {
            target.write([interface_type, instance.unwrap_or_default()]);
            let target = target.cast::<GUID>();
            let instance = if instance.is_some() {
                target.add(1)
            } else {
                core::ptr::null_mut()
            };
            call!(
                self.0.table(),
                VmbClientChannelInitSetTargetPnp(
                    self.0.channel(),
                    target,
                    instance,
                    Some(on_pnp_failure::<H>)
                )
            )
        })?;
        Ok(self)
    }

    /// Whether packets are received at `PASSIVE_LEVEL` only.
    pub fn incoming_at_passive(&mut self, passive: bool, _irql: &mut Passive<'_>) -> &mut Self {
        // SAFETY: PASSIVE_LEVEL by the witness; the channel is allocated.
        unsafe {
            call!(
                self.0.table(),
                VmbChannelSetIncomingProcessingAtPassive(self.0.channel(), u8::from(passive))
            );
        }
        self
    }

    /// How many received packets may be outstanding.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidLength`] for 0.
    pub fn transaction_quota(&mut self, quota: u32) -> Result<&mut Self, Error> {
        let quota = not_zero(quota)?;
        // SAFETY: the channel is allocated; the quota is not zero.
        unsafe {
            call!(
                self.0.table(),
                VmbChannelSetTransactionQuota(self.0.channel(), quota.get())
            );
        };
        Ok(self)
    }

    /// Starts paused: after `enable` the channel opens and waits for [`Channel::start`].
    pub fn start_paused(&mut self, _irql: &mut Passive<'_>) -> &mut Self {
        // SAFETY: the channel is disabled, where a pause arms the next enable and does not wait.
        unsafe { call!(self.0.table(), VmbChannelPause(self.0.channel())) };
        self
    }

    /// The handler.
    #[must_use]
    pub fn handler(&self) -> &H {
        &self.0.shared.handler
    }

    /// Connects to the host's offer, or waits for one without blocking. Callbacks may run before
    /// this returns.
    ///
    /// # Errors
    ///
    /// KMCL's, with the configuration.
    pub fn enable(self, irql: &mut Passive<'_>) -> Result<Channel<H>, (Error, Self)> {
        enable(self.0, irql).map_err(|(error, owned)| (error, Self(owned)))
    }
}

fn enable<H: Handler>(
    owned: Owned<H>,
    _irql: &mut Passive<'_>,
) -> Result<Channel<H>, (Error, Owned<H>)> {
    owned.shared.progress.enabling();
    // SAFETY: the channel is allocated and disabled, its callbacks are registered, and what is
    // shared is in place.
    match Status::check(unsafe { call!(owned.table(), VmbChannelEnable(owned.channel())) }) {
        Ok(()) => Ok(Channel {
            owned: core::mem::ManuallyDrop::new(owned),
        }),
        Err(error) => Err((error, owned)),
    }
}

/// An enabled channel, owned.
///
/// It cannot be sent to another thread, so that a [`Handler`] cannot own the channel that waits for
/// its callbacks; a [`PassiveCell`](crate::sync::PassiveCell) keeps one in a device's context.
/// Dropping it disables the channel, which waits until every received packet is completed and every
/// packet handed out is back. Dropped above `PASSIVE_LEVEL` it cannot wait: it leaks, and debug
/// builds say so.
///
/// # Invariants
///
/// The channel is enabled; this is its one owner, outside of all callbacks.
///
/// There is no way to send from here, only from a callback:
///
/// ```compile_fail
/// # use kmcl::channel::{Channel, Handler};
/// fn send<H: Handler>(channel: &Channel<H>) {
///     channel.sender();
/// }
/// ```
pub struct Channel<H: Handler> {
    owned: core::mem::ManuallyDrop<Owned<H>>,
}

/// A channel that was enabled and is disabled. Dropped, it is cleaned up, at `PASSIVE_LEVEL`;
/// dropped above, it leaks, and debug builds say so.
///
/// # Invariants
///
/// As [`ChannelConfig`]; no callback runs, but perhaps the rest of a [`Handler::completed`] that
/// has given its packet up.
pub struct ClosedChannel<H: Handler>(Owned<H>);

// SAFETY: a channel's owner may be any thread at PASSIVE_LEVEL outside callbacks.
unsafe impl<H: Handler> Confined for Channel<H> {}
// SAFETY: as above.
unsafe impl<H: Handler> Confined for ChannelConfig<H> {}
// SAFETY: as above.
unsafe impl<H: Handler> Confined for ClosedChannel<H> {}

impl<H: Handler> ClosedChannel<H> {
    /// Enables the channel again.
    ///
    /// # Errors
    ///
    /// KMCL's, with the channel.
    pub fn enable(self, irql: &mut Passive<'_>) -> Result<Channel<H>, (Error, Self)> {
        enable(self.0, irql).map_err(|(error, owned)| (error, Self(owned)))
    }

    /// The handler.
    #[must_use]
    pub fn handler(&self) -> &H {
        &self.0.shared.handler
    }
}

impl<H: Handler> Channel<H> {
    pub(crate) fn shared(&self) -> &Shared<H> {
        &self.owned.shared
    }

    /// Closes the channel. Waits until every received packet is completed and the `closed` callback
    /// has run.
    pub fn disable(self, irql: &mut Passive<'_>) -> ClosedChannel<H> {
        let mut this = core::mem::ManuallyDrop::new(self);
        this.disable_now(irql);
        // SAFETY: `this` is forgotten, so the owned part is taken once.
        ClosedChannel(unsafe { core::mem::ManuallyDrop::take(&mut this.owned) })
    }

    fn disable_now(&self, irql: &mut Passive<'_>) {
        // SAFETY: the channel is enabled; PASSIVE_LEVEL outside callbacks by the witness.
        unsafe { call!(self.owned.table(), VmbChannelDisable(self.owned.channel())) };
        let shared = &self.owned.shared;
        // KMCL's callbacks have closed both, if they came; no text says that they must.
        shared.gate.close(irql);
        shared.open.close(irql);
        // The host has let go of the channel.
        shared.lent.free(irql);
    }

    /// Pauses: nothing is received until [`Channel::start`]. Waits until every received packet is
    /// completed.
    pub fn pause(&self, _irql: &mut Passive<'_>) {
        // SAFETY: the channel is enabled; PASSIVE_LEVEL outside callbacks by the witness.
        unsafe { call!(self.owned.table(), VmbChannelPause(self.owned.channel())) };
    }

    /// Goes on after [`Channel::pause`].
    pub fn start(&self, _irql: &mut Passive<'_>) {
        // SAFETY: the channel is enabled; PASSIVE_LEVEL outside callbacks by the witness.
        unsafe { call!(self.owned.table(), VmbChannelStart(self.owned.channel())) };
    }

    /// How many received packets may be outstanding. A higher quota starts a stalled queue only
    /// when the next packet is completed.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidLength`] for 0.
    pub fn transaction_quota(&self, quota: u32) -> Result<(), Error> {
        let quota = not_zero(quota)?;
        // SAFETY: the channel is allocated; the quota is not zero.
        unsafe {
            call!(
                self.owned.table(),
                VmbChannelSetTransactionQuota(self.owned.channel(), quota.get())
            );
        };
        Ok(())
    }

    /// The instance GUID of the device on the bus.
    #[must_use]
    pub fn instance(&self) -> GUID {
        let mut instance = GUID::default();
        // SAFETY: the channel is allocated, and the GUID is writable.
        unsafe {
            call!(
                self.owned.table(),
                VmbChannelGetInterfaceInstance(self.owned.channel(), &raw mut instance)
            );
        }
        instance
    }

    /// The handler.
    #[must_use]
    pub fn handler(&self) -> &H {
        &self.owned.shared.handler
    }

    /// What the lookaside list of the channel's packets has done.
    #[must_use]
    pub fn lookaside_counters(&self) -> Counters {
        self.owned.shared.nodes.counters()
    }
}

/// A channel in whichever state, or none: what a device's context keeps, in a
/// [`PassiveCell`](crate::sync::PassiveCell), while the device goes through its power states.
///
/// | callback of the device | with the slot |
/// |---|---|
/// | `EvtDevicePrepareHardware` | `*slot = ChannelSlot::Configured(config)` |
/// | `EvtDeviceD0Entry` | [`enable`](Self::enable), and [`wait_ready`](Self::wait_ready) if the device works only with a handshake |
/// | `EvtDeviceD0Exit` | [`disable`](Self::disable) |
/// | `EvtDeviceReleaseHardware` | `*slot = ChannelSlot::Empty` |
#[derive(Default)]
pub enum ChannelSlot<H: Handler> {
    /// There is no channel.
    #[default]
    Empty,
    /// Never enabled.
    Configured(ChannelConfig<H>),
    /// Enabled.
    Enabled(Channel<H>),
    /// Enabled once, and disabled.
    Disabled(ClosedChannel<H>),
}

// SAFETY: as each of the channel's states.
unsafe impl<H: Handler> Confined for ChannelSlot<H> {}

impl<H: Handler> ChannelSlot<H> {
    /// Enables the channel, for the first time or again. One that is enabled stays so.
    ///
    /// # Errors
    ///
    /// KMCL's, and the channel is as it was; [`Error::NotOpen`] if there is none.
    pub fn enable(&mut self, irql: &mut Passive<'_>) -> Result<(), Error> {
        let result = match core::mem::take(self) {
            Self::Empty => return Err(Error::NotOpen),
            Self::Enabled(channel) => Ok(channel),
            Self::Configured(config) => config
                .enable(irql)
                .map_err(|(error, config)| (error, Self::Configured(config))),
            Self::Disabled(closed) => closed
                .enable(irql)
                .map_err(|(error, closed)| (error, Self::Disabled(closed))),
        };
        match result {
            Ok(channel) => {
                *self = Self::Enabled(channel);
                Ok(())
            }
            Err((error, before)) => {
                *self = before;
                Err(error)
            }
        }
    }

    /// Disables the channel if it is enabled, and waits as [`Channel::disable`] does.
    pub fn disable(&mut self, irql: &mut Passive<'_>) {
        *self = match core::mem::take(self) {
            Self::Enabled(channel) => Self::Disabled(channel.disable(irql)),
            other => other,
        };
    }

    /// The channel, if it is enabled.
    #[must_use]
    pub const fn enabled(&self) -> Option<&Channel<H>> {
        match self {
            Self::Enabled(channel) => Some(channel),
            _ => None,
        }
    }
}

impl<H: Handler> Drop for Channel<H> {
    fn drop(&mut self) {
        if !at_passive_level() {
            say(c"kmcl: a channel is dropped above PASSIVE_LEVEL and leaks\n");
            return;
        }
        // SAFETY: PASSIVE_LEVEL as just read; an owner never runs in a channel callback, as it
        // cannot leave its thread.
        let mut irql = unsafe { Passive::assume() };
        self.disable_now(&mut irql);
        // SAFETY: the owned part is dropped once, here.
        unsafe { core::mem::ManuallyDrop::drop(&mut self.owned) };
    }
}

// ---- KMCL's callbacks ----

/// # Safety
///
/// This is a callback of KMCL's, which lasts for `'c`, for a channel whose pointer
/// `ChannelConfig::register` set, for the same handler type.
#[inline]
unsafe fn shared<'c, H: Handler>(channel: VMBCHANNEL) -> SharedRef<'c, H> {
    // SAFETY: the channel is valid in its callback, so it has not been cleaned up; its pointer was
    // set before it was first enabled, to what is shared, whose owner keeps it until the cleanup
    // has returned.
    unsafe {
        SharedRef::new(NonNull::new_unchecked(
            routes::channel_pointer(channel).cast(),
        ))
    }
}

macro_rules! state_callback {
    ($name:ident, |$shared:ident, $cx:ident| $body:block) => {
        unsafe extern "C" fn $name<H: Handler>(channel: VMBCHANNEL) {
            // SAFETY: KMCL calls this with a channel on which it was registered.
            let $shared = unsafe { shared::<H>(channel) };
            // SAFETY: KMCL calls state callbacks at PASSIVE_LEVEL.
            let irql = unsafe { CallbackPassive::assume() };
            let mut $cx = Context {
                shared: $shared,
                irql,
            };
            $body
        }
    };
}

state_callback!(on_started, |shared, cx| {
    shared.gate.open();
    shared.progress.starting();
    shared.handler.started(&mut cx);
    shared.progress.started();
});
state_callback!(on_suspend, |shared, cx| {
    shared.gate.close(&mut cx.irql);
    shared.handler.suspended(&mut cx);
    shared.progress.ended();
});
state_callback!(on_closed, |shared, cx| {
    // Whether Closed may come without Suspend is documented nowhere.
    shared.gate.close(&mut cx.irql);
    shared.handler.closed(&mut cx);
    shared.close_gpadls(&mut cx.irql);
    shared.progress.ended();
});

unsafe extern "C" fn on_post_started<H: Handler>(channel: VMBCHANNEL) {
    // SAFETY: KMCL calls this with a channel on which it was registered.
    let shared = unsafe { shared::<H>(channel) };
    // SAFETY: KMCL calls state callbacks at PASSIVE_LEVEL, and in this one a synchronous request is
    // allowed.
    let irql = unsafe { ReplyPassive::assume() };
    shared
        .handler
        .post_started(&mut PostStarted { shared, irql });
}

unsafe extern "C" fn on_opened<H: Handler>(channel: VMBCHANNEL) -> NTSTATUS {
    // SAFETY: KMCL calls this with a channel on which it was registered.
    let shared = unsafe { shared::<H>(channel) };
    shared.open.open();
    let mut cx = Context {
        shared,
        // SAFETY: KMCL calls state callbacks at PASSIVE_LEVEL.
        irql: unsafe { CallbackPassive::assume() },
    };
    let Err(Status(status)) = shared.handler.opened(&mut cx) else {
        return STATUS_SUCCESS;
    };
    // Whether Closed comes after a failed Opened is documented nowhere; here the GPADLs can be
    // deleted for certain.
    shared.close_gpadls(&mut cx.irql);
    shared.progress.fail(Status(status));
    // A success or informational status would be taken for success.
    if status < 0 {
        status
    } else {
        wdk_sys::STATUS_UNSUCCESSFUL
    }
}

unsafe extern "C" fn on_pnp_failure<H: Handler>(channel: VMBCHANNEL, status: NTSTATUS) {
    // SAFETY: KMCL calls this with a channel on which it was registered.
    let shared = unsafe { shared::<H>(channel) };
    // As in `on_processing_complete`.
    let Some(_use) = shared.packets.try_acquire() else {
        return;
    };
    // SAFETY: KMCL calls this at PASSIVE_LEVEL.
    let irql = unsafe { CallbackPassive::assume() };
    let mut cx = Unconnected {
        irql,
        channel: PhantomData,
    };
    shared.handler.pnp_failure(&mut cx, Status(status));
    shared.progress.fail(Status(status));
}

unsafe extern "C" fn on_process_packet<H: Handler>(
    channel: VMBCHANNEL,
    packet: VMBPACKETCOMPLETION,
    buffer: PVOID,
    length: u32,
    flags: u32,
) {
    // SAFETY: KMCL calls this with a channel on which it was registered, and does not close it
    // before this has returned: Suspend comes when none of these calls runs any more.
    let shared = unsafe { shared::<H>(channel) };
    // SAFETY: KMCL calls this at DISPATCH_LEVEL or below.
    let irql = unsafe { Dispatch::assume() };
    // SAFETY: the packet and its buffer are KMCL's for the time of this call, and this is its only
    // owner.
    let packet = unsafe { Incoming::new(shared, packet, buffer.cast(), length, flags) };
    let _: Disposition<'_> = shared
        .handler
        .process_packet(&mut Running { shared, irql }, packet);
}

unsafe extern "C" fn on_processing_complete<H: Handler>(channel: VMBCHANNEL, packets: u32) {
    // SAFETY: KMCL calls this with a channel on which it was registered.
    let shared = unsafe { shared::<H>(channel) };
    // No text says that Suspend, or a close, waits for this call: so that the handler is there
    // until it has returned.
    let Some(_use) = shared.packets.try_acquire() else {
        return;
    };
    // SAFETY: KMCL calls this at DISPATCH_LEVEL or below.
    let irql = unsafe { Dispatch::assume() };
    shared
        .handler
        .processing_complete(&mut Running { shared, irql }, packets);
}

impl<'c, H: Handler> Running<'c, H> {
    #[inline]
    pub(crate) const fn new(shared: SharedRef<'c, H>, irql: Dispatch<'c>) -> Self {
        Self { shared, irql }
    }
}
