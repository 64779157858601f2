//! A channel: its settings, its states, and the worker thread that moves it between them.
//!
//! ```text
//!   Disabled --Enable--> Enabled --offer taken--> Opening --EvtChannelOpened--> Open
//!      ^                    |                                    paused <-Suspend-- | --Started, PostStarted--> running
//!      |                    |                                                       v Disable, rescind, corruption
//!      +--------------------+-------------------- Closing: Suspend (if running), the host is told, EvtChannelClosed, teardown
//! ```
//!
//! Only the worker moves a channel; everybody else says what is wanted and kicks it. It exists
//! while there is something to do, and calls the driver's state callbacks at `PASSIVE_LEVEL`.
//! Whether it exists says nothing to a driver: it may find nothing to do. What a function waits
//! for, and what another one demands afterwards, is one condition: [`Channel::is_disabled`] or
//! [`Channel::is_quiet`].

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;

use kmcl_sys::{
    EVT_VMB_CHANNEL_CLOSED, EVT_VMB_CHANNEL_PNP_FAILURE, VMB_CHANNEL_STATE_CHANGE_CALLBACKS,
    VMBUS_CHANNEL_INIT_FLAG_IS_PIPE,
};
use kmcl_sys::{EVT_VMB_CHANNEL_PROCESS_PACKET, EVT_VMB_CHANNEL_PROCESSING_COMPLETE};
use wdk_sys_lite::{
    GUID, HANDLE, NT_SUCCESS, NTSTATUS, STATUS_INSUFFICIENT_RESOURCES, STATUS_SUCCESS,
};

use super::outgoing::{self, Outgoing, Transaction};
use super::{incoming, provider, violation};
use crate::call_driver;
use crate::kernel::{DriverId, kernel};
use crate::sched::{ContextId, ContextKind, Key};
use crate::vmbus::behaviour::choose;
use crate::vmbus::bus::{GuestBus, GuestOffer};
use crate::vmbus::memory::GuestPages;
use crate::vmbus::message::PageRange;
use crate::vmbus::ring::{Corruption, IncomingRing, OutgoingRing};
use crate::vmbus::shared::{PAGE, Shared};
use crate::vmbus::{WhenOutgoingFail, guid_bytes};

/// What a pointer is before anybody has set it.
pub(super) const NEVER_SET: usize = 0xBAAD_F00D_BAAD_F00D;
/// The largest inline packet unless the driver says otherwise, in bytes.
const DEFAULT_PACKET_SIZE: u32 = 4096;
/// A ring's data unless the driver says otherwise, in pages.
const DEFAULT_RING_PAGES: u32 = 8;
/// The most pages that a GPADL for both rings describes.
const MAXIMUM_RING_PAGES: usize = 8190;

/// What a driver sets before it enables the channel.
#[derive(Clone)]
pub(super) struct Settings {
    pub(super) callbacks: VMB_CHANNEL_STATE_CHANGE_CALLBACKS,
    pub(super) process_packet: EVT_VMB_CHANNEL_PROCESS_PACKET,
    pub(super) processing_complete: EVT_VMB_CHANNEL_PROCESSING_COMPLETE,
    pub(super) packet_size: u32,
    /// Bytes and MDLs.
    pub(super) external: Option<(u32, u32)>,
    /// Incoming and outgoing, in pages.
    pub(super) ring_pages: (u32, u32),
    pub(super) flags: u32,
    pub(super) name: String,
    pub(super) context_size: u32,
    pub(super) target: Option<Target>,
}

/// A device that KMCL is to find by itself.
#[derive(Clone)]
pub(super) struct Target {
    pub(super) interface_type: GUID,
    pub(super) instance: Option<GUID>,
    pub(super) failure: EVT_VMB_CHANNEL_PNP_FAILURE,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Stage {
    Disabled,
    Enabled,
    Opening,
    Open,
    Closing,
}

impl Stage {
    /// For people.
    fn words(self) -> &'static str {
        match self {
            Self::Disabled => "disabled",
            Self::Enabled => "enabled, and not opened by the host",
            Self::Opening => "being opened",
            Self::Open => "open",
            Self::Closing => "being closed",
        }
    }
}

/// Which callback of a channel's runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Callback {
    /// A state callback in which nothing may wait for the peer.
    State(&'static str),
    /// `EvtChannelPostStarted`.
    PostStarted,
    /// Process-packet, processing-complete or a completion routine.
    Packet(&'static str),
}

impl Callback {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::State(name) | Self::Packet(name) => name,
            Self::PostStarted => "EvtChannelPostStarted",
        }
    }
}

/// What a channel has while the host has it open.
pub(super) struct Connection {
    pub(super) offer: Rc<GuestOffer>,
    ring_gpadl: u32,
    pub(super) output: OutgoingRing,
    pub(super) input: IncomingRing,
    /// Where payloads are copied for the driver's callbacks.
    pub(super) delivery: incoming::Delivery,
}

/// An endpoint.
pub(crate) struct Channel {
    pub(super) handle: usize,
    pub(super) driver: DriverId,
    /// The device that the driver gave as parent.
    pdo: Option<u32>,
    pub(super) settings: RefCell<Settings>,
    pub(super) pointer: Cell<usize>,
    pub(super) stage: Cell<Stage>,
    pub(super) enabled_once: Cell<bool>,
    want_enabled: Cell<bool>,
    want_paused: Cell<bool>,
    /// Opening failed; it is not tried again until the channel is enabled anew.
    gave_up: Cell<bool>,
    /// From the end of `EvtChannelStarted` to the next suspension: packets flow.
    pub(super) running: Cell<bool>,
    /// From the beginning of `EvtChannelStarted` until every packet is back after the next
    /// suspension.
    flowing: Cell<bool>,
    /// From the end of `EvtChannelSuspend` to the next `EvtChannelStarted`: the driver must not
    /// send.
    pub(super) suspended: Cell<bool>,
    /// The host broke the protocol.
    pub(super) broken: Cell<bool>,
    connection: RefCell<Option<Rc<Connection>>>,
    /// There is a worker. For [`kick`] alone.
    working: Cell<bool>,
    /// Woken whenever something that somebody may wait for has changed.
    pub(super) key: Key,
    callbacks: RefCell<Vec<(ContextId, Callback)>>,
    pub(super) gpadls: RefCell<BTreeMap<u32, Rc<super::gpadl::Gpadl>>>,
    pub(super) latency: Cell<u16>,
    // outgoing
    pub(super) outgoing: RefCell<VecDeque<Outgoing>>,
    pub(super) replies: RefCell<VecDeque<(u64, Vec<u8>)>>,
    pub(super) transactions: RefCell<BTreeMap<u64, Transaction>>,
    pub(super) next_transaction: Cell<u64>,
    pub(super) free_packets: RefCell<Vec<outgoing::Block>>,
    /// Completion routines that run or are queued to run.
    pub(super) completing: Cell<u32>,
    // incoming
    pub(super) at_passive: Cell<bool>,
    pub(super) quota: Cell<u32>,
    pub(super) outstanding: Cell<u32>,
    pub(super) blocked_by_quota: Cell<bool>,
    pub(super) halted: Cell<bool>,
    pub(super) pumping: Cell<bool>,
    pub(super) pump_again: Cell<bool>,
    pub(super) service_queued: Cell<bool>,
    pub(super) passive_queued: Cell<bool>,
    pub(super) deferred: RefCell<VecDeque<Rc<incoming::Incoming>>>,
    /// The payload or the reply that a callback sees now.
    pub(super) shown: Cell<Option<incoming::Shown>>,
}

impl Channel {
    pub(super) fn allocate(driver: DriverId, pdo: Option<u32>) -> Rc<Self> {
        let channel = Rc::new(Self {
            handle: provider().new_handle(super::HandleKind::Channel),
            driver,
            pdo,
            settings: RefCell::new(Settings {
                callbacks: VMB_CHANNEL_STATE_CHANGE_CALLBACKS::default(),
                process_packet: None,
                processing_complete: None,
                packet_size: DEFAULT_PACKET_SIZE,
                external: None,
                ring_pages: (DEFAULT_RING_PAGES, DEFAULT_RING_PAGES),
                flags: 0,
                name: String::new(),
                context_size: 0,
                target: None,
            }),
            pointer: Cell::new(NEVER_SET),
            stage: Cell::new(Stage::Disabled),
            enabled_once: Cell::new(false),
            want_enabled: Cell::new(false),
            want_paused: Cell::new(false),
            gave_up: Cell::new(false),
            running: Cell::new(false),
            flowing: Cell::new(false),
            suspended: Cell::new(false),
            broken: Cell::new(false),
            connection: RefCell::default(),
            working: Cell::new(false),
            key: kernel().sched.new_key(),
            callbacks: RefCell::default(),
            gpadls: RefCell::default(),
            latency: Cell::new(1000),
            outgoing: RefCell::default(),
            replies: RefCell::default(),
            transactions: RefCell::default(),
            next_transaction: Cell::new(1),
            free_packets: RefCell::default(),
            completing: Cell::new(0),
            at_passive: Cell::new(false),
            quota: Cell::new(u32::MAX),
            outstanding: Cell::new(0),
            blocked_by_quota: Cell::new(false),
            halted: Cell::new(false),
            pumping: Cell::new(false),
            pump_again: Cell::new(false),
            service_queued: Cell::new(false),
            passive_queued: Cell::new(false),
            deferred: RefCell::default(),
            shown: Cell::new(None),
        });
        provider()
            .channels
            .borrow_mut()
            .insert(channel.handle, Rc::clone(&channel));
        let named = Rc::downgrade(&channel);
        kernel().sched.name_key(channel.key, move || {
            named
                .upgrade()
                .map_or_else(|| "a KMCL channel".to_owned(), |channel| channel.describe())
        });
        channel
    }

    /// What whoever waits for it may wait for.
    fn describe(&self) -> String {
        format!(
            "the KMCL channel {:#x}, which is {}: {} incoming packets that the driver has not completed, {} packets that the \
             host has not answered, {} completion routines that have not returned",
            self.handle,
            self.stage.get().words(),
            self.outstanding.get(),
            self.transactions.borrow().len(),
            self.completing.get()
        )
    }

    pub(super) fn as_handle(&self) -> HANDLE {
        std::ptr::without_provenance_mut(self.handle)
    }

    pub(super) fn connection(&self) -> Option<Rc<Connection>> {
        self.connection.borrow().clone()
    }

    /// Whether an address is in the memory that payloads are shown in. Runs after a fault.
    pub(super) fn shows_payloads_at(&self, address: usize) -> bool {
        self.connection.try_borrow().is_ok_and(|connection| {
            connection
                .as_ref()
                .is_some_and(|connection| connection.delivery.contains(address))
        })
    }

    pub(super) fn wake(&self) {
        kernel().sched.wake(self.key);
    }

    pub(super) fn is_pipe(&self) -> bool {
        self.settings.borrow().flags & VMBUS_CHANNEL_INIT_FLAG_IS_PIPE != 0
    }

    /// Whether a device that KMCL was told to find, or the parent's, is the one offered.
    fn wants(&self, offer: &GuestOffer) -> bool {
        if offer.rescinded.get() || offer.taken.get() {
            return false;
        }
        let settings = self.settings.borrow();
        match &settings.target {
            Some(target) => {
                guid_bytes(&target.interface_type) == guid_bytes(&offer.interface_type)
                    && target
                        .instance
                        .is_none_or(|instance| guid_bytes(&instance) == guid_bytes(&offer.instance))
            }
            None => self.pdo.is_some() && offer.pdo().map(|pdo| pdo.id) == self.pdo,
        }
    }

    // ---- callbacks ----

    /// Runs a call into the driver, known as a callback of this channel's.
    pub(super) fn in_callback<R>(&self, callback: Callback, call: impl FnOnce() -> R) -> R {
        let context = kernel().sched.current().id;
        self.callbacks.borrow_mut().push((context, callback));
        let result = call();
        let mut callbacks = self.callbacks.borrow_mut();
        if let Some(place) = callbacks.iter().rposition(|(id, _)| *id == context) {
            callbacks.remove(place);
        }
        result
    }

    /// The callback of this channel's that the caller is in.
    pub(super) fn current_callback(&self) -> Option<Callback> {
        let context = kernel().sched.current().id;
        let callbacks = self.callbacks.borrow();
        callbacks
            .iter()
            .rev()
            .find(|(id, _)| *id == context)
            .map(|(_, callback)| *callback)
    }

    /// A function that waits for callbacks to end was called from one.
    fn refuse_in_callback(&self, function: &str) {
        if let Some(callback) = self.current_callback() {
            violation(format!(
                "{function} was called from {} of the same channel, whose end it would wait for: a deadlock",
                callback.name()
            ));
        }
    }

    fn state_callback(&self, name: &'static str, callback: EVT_VMB_CHANNEL_CLOSED) {
        let Some(function) = callback else { return };
        let kind = if name == "EvtChannelPostStarted" {
            Callback::PostStarted
        } else {
            Callback::State(name)
        };
        self.in_callback(kind, || {
            // SAFETY: the driver registered the function as this callback and vouches for it; the
            // handle is valid.
            unsafe { call_driver!(self.driver, name, function(self.as_handle())) }
        });
    }

    // ---- what drivers ask for ----

    /// Nobody has enabled the channel, or it is closed and all of its callbacks have returned. What
    /// disabling and enabling wait for, and what cleaning up and configuring demand.
    pub(super) fn is_disabled(&self) -> bool {
        self.stage.get() == Stage::Disabled && !self.want_enabled.get()
    }

    /// No packets flow, and the driver has none. What pausing waits for.
    fn is_quiet(&self) -> bool {
        !self.flowing.get()
    }

    /// `VmbChannelEnable`.
    pub(super) fn enable(self: &Rc<Self>) -> NTSTATUS {
        self.refuse_in_callback("VmbChannelEnable");
        // After a rescind the teardown may still be under way, and nothing tells the driver when it
        // ends.
        if !self.want_enabled.get() {
            self.wait_disabled();
        }
        if !self.is_disabled() {
            violation("VmbChannelEnable: the channel is enabled already");
        }
        if kernel().should_fail() {
            return STATUS_INSUFFICIENT_RESOURCES;
        }
        if self.settings.borrow().process_packet.is_none() {
            violation("VmbChannelEnable: the channel has no EvtVmbChannelProcessPacket");
        }
        self.enabled_once.set(true);
        self.gave_up.set(false);
        self.broken.set(false);
        self.want_enabled.set(true);
        kick(self);
        if choose(kernel().config.kmcl.callbacks_before_enable_returns) {
            let sched = &kernel().sched;
            sched.sleep(sched.random(40_000));
        }
        STATUS_SUCCESS
    }

    fn wait_disabled(&self) {
        kernel().sched.wait_until(self.key, || self.is_disabled());
    }

    /// `VmbChannelDisable`. On a channel that is disabled (perhaps by a rescind a moment ago) it
    /// does nothing.
    pub(super) fn disable(self: &Rc<Self>) {
        self.refuse_in_callback("VmbChannelDisable");
        self.want_enabled.set(false);
        kick(self);
        // The worker may be waiting for the host to open the channel.
        kernel().sched.wake(kernel().vmbus.bus.answers());
        self.wait_disabled();
    }

    /// `VmbChannelPause`.
    pub(super) fn pause(self: &Rc<Self>) {
        self.refuse_in_callback("VmbChannelPause");
        self.want_paused.set(true);
        kick(self);
        kernel()
            .sched
            .wait_until(self.key, || !self.want_paused.get() || self.is_quiet());
    }

    /// `VmbChannelStart`.
    pub(super) fn start(self: &Rc<Self>) {
        if let Some(Callback::State(name)) = self.current_callback() {
            violation(format!("VmbChannelStart was called from {name}"));
        }
        self.want_paused.set(false);
        kick(self);
    }

    /// `VmbChannelCleanup`.
    pub(super) fn cleanup(&self) {
        self.refuse_in_callback("VmbChannelCleanup");
        if !self.is_disabled() {
            violation(if self.want_enabled.get() {
                "VmbChannelCleanup: the channel is enabled; it is disabled before"
            } else {
                "VmbChannelCleanup: the channel is still being closed; VmbChannelDisable waits for that"
            });
        }
        let provider = provider();
        let leaked = provider
            .packets
            .borrow()
            .values()
            .find(|packet| {
                packet.channel.handle == self.handle
                    && (packet.is_allocated() || packet.is_in_flight())
            })
            .map(|packet| (packet.handle, packet.is_in_flight()));
        if let Some((packet, in_flight)) = leaked {
            violation(format!(
                "VmbChannelCleanup: packet {packet:#x} of the channel {}",
                if in_flight {
                    "is still sent"
                } else {
                    "was not freed"
                }
            ));
        }
        provider
            .packets
            .borrow_mut()
            .retain(|_, packet| packet.channel.handle != self.handle);
        provider
            .incoming
            .borrow_mut()
            .retain(|_, packet| packet.channel.handle != self.handle);
        for block in self.free_packets.take() {
            block.free();
        }
        provider.channels.borrow_mut().remove(&self.handle);
    }

    /// The host broke the ring protocol: the channel is closed as if the host had done it.
    pub(super) fn corrupt(self: &Rc<Self>, corruption: Corruption) {
        if !self.broken.replace(true) {
            provider().count(|counters| counters.corruptions += 1);
            provider()
                .breaches
                .borrow_mut()
                .push(corruption.to_string());
            kick(self);
        }
    }

    // ---- the worker ----

    /// One move. False: there is nothing to do.
    fn step(self: &Rc<Self>) -> bool {
        match self.stage.get() {
            Stage::Disabled => {
                if !self.want_enabled.get() {
                    return false;
                }
                self.stage.set(Stage::Enabled);
                true
            }
            Stage::Enabled => {
                if !self.want_enabled.get() {
                    outgoing::fail_all(self, true);
                    self.become_disabled();
                    return true;
                }
                if self.gave_up.get() {
                    return false;
                }
                let Some(offer) = kernel().vmbus.bus.find(|offer| self.wants(offer)) else {
                    return false;
                };
                self.open(&offer);
                true
            }
            Stage::Open => {
                let gone = self
                    .connection()
                    .is_none_or(|connection| connection.offer.rescinded.get());
                if gone || self.broken.get() || !self.want_enabled.get() {
                    self.close();
                    true
                } else if self.want_paused.get() && self.running.get() {
                    self.suspend();
                    true
                } else if !self.want_paused.get() && !self.running.get() {
                    self.go();
                    true
                } else {
                    false
                }
            }
            Stage::Opening | Stage::Closing => false,
        }
    }

    fn become_disabled(&self) {
        self.want_enabled.set(false);
        self.want_paused.set(false);
        self.stage.set(Stage::Disabled);
        self.wake();
    }

    fn open(self: &Rc<Self>, offer: &Rc<GuestOffer>) {
        self.stage.set(Stage::Opening);
        offer.taken.set(true);
        let connection = match self.connect(offer) {
            Ok(connection) => connection,
            Err(status) => {
                offer.taken.set(false);
                kernel().vmbus.bus.release(offer);
                self.gave_up.set(true);
                self.stage.set(Stage::Enabled);
                // A channel that is disabled meanwhile has not failed.
                if self.want_enabled.get() {
                    self.report_pnp_failure(status);
                }
                return;
            }
        };
        *self.connection.borrow_mut() = Some(Rc::new(connection));
        self.halted.set(false);
        let opened = self.settings.borrow().callbacks.EvtChannelOpened;
        let status = match opened {
            Some(function) => self.in_callback(Callback::State("EvtChannelOpened"), || {
                // SAFETY: the driver registered the function as this callback and vouches for it;
                // the handle is valid.
                unsafe { call_driver!(self.driver, "EvtChannelOpened", function(self.as_handle())) }
            }),
            None => STATUS_SUCCESS,
        };
        self.stage.set(Stage::Open);
        if NT_SUCCESS(status) {
            return;
        }
        self.stage.set(Stage::Closing);
        self.tell_host();
        let behaviour = &kernel().config.kmcl;
        if choose(behaviour.closed_after_failed_open) {
            self.call_closed();
        }
        self.check_gpadls("EvtChannelOpened failed");
        self.disconnect();
        if choose(behaviour.disabled_after_failed_open) {
            outgoing::fail_all(self, true);
            self.become_disabled();
        } else {
            self.gave_up.set(true);
            self.stage.set(Stage::Enabled);
        }
    }

    fn report_pnp_failure(&self, status: NTSTATUS) {
        let failure = self
            .settings
            .borrow()
            .target
            .as_ref()
            .and_then(|target| target.failure);
        let Some(function) = failure else { return };
        self.in_callback(Callback::State("EvtVmbChannelPnpFailure"), || {
            // SAFETY: the driver registered the function as this callback and vouches for it; the
            // handle is valid.
            unsafe {
                call_driver!(
                    self.driver,
                    "EvtVmbChannelPnpFailure",
                    function(self.as_handle(), status)
                );
            }
        });
    }

    /// Describes new rings to the host and has it open the channel over them.
    fn connect(&self, offer: &Rc<GuestOffer>) -> Result<Connection, NTSTATUS> {
        let (incoming_pages, outgoing_pages) = self.ring_pages();
        let total = incoming_pages + outgoing_pages + 2;
        if total > MAXIMUM_RING_PAGES {
            return Err(STATUS_INSUFFICIENT_RESOURCES);
        }
        let pages = Rc::new(GuestPages::allocate(total).ok_or(STATUS_INSUFFICIENT_RESOURCES)?);
        let delivery =
            incoming::Delivery::new(incoming_pages).ok_or(STATUS_INSUFFICIENT_RESOURCES)?;
        let range = PageRange {
            length: u32::try_from(total * PAGE).unwrap_or(u32::MAX),
            offset: 0,
            frames: pages.frames(),
        };
        let bus = &kernel().vmbus.bus;
        let view: Rc<Shared> = Rc::new(pages.view());
        let ring_gpadl = bus.create_gpadl(offer, &[range])?;
        let downstream = outgoing_pages + 1;
        let connection = Connection {
            offer: Rc::clone(offer),
            ring_gpadl,
            output: OutgoingRing::new(&view, 0, outgoing_pages),
            input: IncomingRing::new(&view, downstream * PAGE, incoming_pages),
            delivery,
        };
        // No signals before packets can be taken.
        connection.input.mask(true);
        let downstream = u32::try_from(downstream).unwrap_or(u32::MAX);
        if let Err(status) = bus.open(offer, ring_gpadl, downstream, || self.want_enabled.get()) {
            bus.teardown_gpadl(offer, ring_gpadl);
            return Err(status);
        }
        Ok(connection)
    }

    /// Data pages, incoming and outgoing: what the driver asked for, and at least room for two of
    /// the largest packets.
    fn ring_pages(&self) -> (usize, usize) {
        let settings = self.settings.borrow();
        let inline = settings.packet_size as usize + 64;
        let headers = settings.external.map_or(0, |(bytes, chain)| {
            let frames = (bytes as usize).div_ceil(PAGE) + 2 * chain as usize;
            frames * 8 + chain as usize * 8 + 16
        });
        let least = (2 * (inline + headers)).div_ceil(PAGE);
        let (incoming, outgoing) = settings.ring_pages;
        (
            (incoming as usize).max(least),
            (outgoing as usize).max(least),
        )
    }

    /// The channel is open and active: packets begin to flow.
    fn go(self: &Rc<Self>) {
        let callbacks = self.settings.borrow().callbacks;
        self.suspended.set(false);
        self.flowing.set(true);
        self.state_callback("EvtChannelStarted", callbacks.EvtChannelStarted);
        self.running.set(true);
        incoming::interrupt(self);
        kernel().sched.point();
        self.state_callback("EvtChannelPostStarted", callbacks.EvtChannelPostStarted);
    }

    /// Packets stop to flow; every one that the driver has must come back.
    fn suspend(&self) {
        self.running.set(false);
        let sched = &kernel().sched;
        sched.wait_until(self.key, || !self.pumping.get());
        let suspend = self.settings.borrow().callbacks.EvtChannelSuspend;
        self.state_callback("EvtChannelSuspend", suspend);
        self.suspended.set(true);
        sched.wait_until(self.key, || self.outstanding.get() == 0);
        self.flowing.set(false);
        self.wake();
    }

    fn call_closed(&self) {
        let closed = self.settings.borrow().callbacks.EvtChannelClosed;
        self.state_callback("EvtChannelClosed", closed);
    }

    fn check_gpadls(&self, when: &str) {
        // A deletion that another thread has begun counts as done when it is.
        kernel().sched.wait_until(self.key, || {
            !self
                .gpadls
                .borrow()
                .values()
                .any(|gpadl| gpadl.is_being_deleted())
        });
        let left: BTreeSet<u32> = self.gpadls.borrow().keys().copied().collect();
        if let Some(gpadl) = left.first() {
            violation(format!("GPADL {gpadl:#x} was not deleted when {when}"));
        }
    }

    fn close(self: &Rc<Self>) {
        self.stage.set(Stage::Closing);
        self.want_enabled.set(false);
        let when = kernel().config.kmcl.when_outgoing_fail();
        if when == WhenOutgoingFail::BeforeSuspend {
            outgoing::fail_all(self, false);
        }
        if self.running.get() {
            self.suspend();
        }
        self.tell_host();
        if when == WhenOutgoingFail::BeforeClosed {
            outgoing::fail_all(self, false);
        }
        self.call_closed();
        self.check_gpadls("EvtChannelClosed returned");
        self.disconnect();
        self.deferred.borrow_mut().clear();
        provider()
            .incoming
            .borrow_mut()
            .retain(|_, packet| packet.channel.handle != self.handle || !packet.is_taken_back());
        outgoing::fail_all(self, true);
        self.become_disabled();
    }

    /// Tells the host that the channel closes. Before `EvtChannelClosed`: a driver deletes its
    /// GPADLs there, which waits until the host has unmapped them, and a host unmaps them when it
    /// is told.
    fn tell_host(&self) {
        if let Some(connection) = self.connection() {
            GuestBus::close(&connection.offer);
        }
    }

    /// Gives the rings back once the host, which has been told, has let go of them.
    fn disconnect(&self) {
        let Some(connection) = self.connection() else {
            return;
        };
        let bus = &kernel().vmbus.bus;
        bus.teardown_gpadl(&connection.offer, connection.ring_gpadl);
        self.connection.borrow_mut().take();
        connection.offer.taken.set(false);
        bus.release(&connection.offer);
    }
}

/// Has the channel's worker look whether there is something to do. A channel that stays disabled
/// has nothing.
pub(super) fn kick(channel: &Rc<Channel>) {
    if channel.is_disabled() || channel.working.replace(true) {
        return;
    }
    let channel = Rc::clone(channel);
    kernel().sched.spawn(
        ContextKind::SystemThread,
        "KMCL channel worker",
        move || {
            while channel.step() {
                channel.wake();
                kernel().sched.point();
            }
            channel.working.set(false);
            channel.wake();
        },
    );
}
