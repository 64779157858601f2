//! KMCL, the VMBus Kernel Mode Client Library, as its documentation describes it to a client.
//!
//! Where that says nothing, [`KmclBehaviour`](super::KmclBehaviour) chooses; where a driver breaks
//! a rule, the machine stops with `NTSIM_KMCL_VIOLATION` and a sentence, for no public text says
//! what Windows does then.
//!
//! Handles are numbers that no memory lies behind and that are never used again, so a stale one is
//! always noticed. Only packets in the driver's own memory are known by their addresses.

mod api;
mod channel;
mod gpadl;
mod incoming;
pub(crate) mod interface;
mod outgoing;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use channel::Channel;
use incoming::Incoming;
use interface::Reference;
use outgoing::Packet;
use wdk_sys_lite::HANDLE;

use crate::bugcheck::{StopCode, bug_check};
use crate::kernel::{DriverId, Leak, kernel};

/// What KMCL has done in a machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Packets put into outgoing rings, completions included.
    pub packets_sent: u64,
    /// Packets taken from incoming rings, completions included.
    pub packets_received: u64,
    /// Packets that came from a channel's lookaside list.
    pub lookaside_hits: u64,
    /// Packets for which pool was allocated.
    pub lookaside_misses: u64,
    /// Packets that found their ring full and waited.
    pub queued: u64,
    /// Channels that were closed because the host broke the ring protocol.
    pub corruptions: u64,
}

/// What a handle stands for; a part of its number.
#[derive(Clone, Copy, PartialEq, Eq)]
enum HandleKind {
    Channel = 1,
    Packet = 2,
    Incoming = 3,
    Interface = 4,
}

/// Handles are in a range of addresses that no program has.
const HANDLE_BASE: usize = 0xFFFF_F000_0000_0000;
const KIND_SHIFT: u32 = 40;

/// KMCL's state in one machine.
#[derive(Default)]
pub(crate) struct Provider {
    issued: Cell<usize>,
    channels: RefCell<BTreeMap<usize, Rc<Channel>>>,
    packets: RefCell<BTreeMap<usize, Rc<Packet>>>,
    incoming: RefCell<BTreeMap<usize, Rc<Incoming>>>,
    references: RefCell<BTreeMap<usize, Reference>>,
    counters: Cell<Counters>,
    /// How the host broke the ring protocol, each time that it did.
    breaches: RefCell<Vec<String>>,
}

/// Stops the machine: a driver broke a rule of KMCL's.
fn violation(text: impl Into<String>) -> ! {
    bug_check(StopCode::NTSIM_KMCL_VIOLATION, [0; 4], text)
}

fn provider() -> &'static Provider {
    &kernel().vmbus.kmcl
}

impl Provider {
    fn new_handle(&self, kind: HandleKind) -> usize {
        let number = self.issued.get() + 1;
        self.issued.set(number);
        HANDLE_BASE | (kind as usize) << KIND_SHIFT | number << 4
    }

    /// Whether a number was a handle of this kind.
    fn was_issued(&self, handle: usize, kind: HandleKind) -> bool {
        let tag = HANDLE_BASE | (kind as usize) << KIND_SHIFT;
        let rest = handle & ((1 << KIND_SHIFT) - 1);
        handle - rest == tag
            && rest.trailing_zeros() >= 4
            && rest >> 4 <= self.issued.get()
            && rest != 0
    }

    fn count(&self, change: impl FnOnce(&mut Counters)) {
        crate::kernel::kernel().sched.comes_forward();
        let mut counters = self.counters.get();
        change(&mut counters);
        self.counters.set(counters);
    }

    /// What an address is that faulted, if it was KMCL's. Runs after a fault.
    pub(crate) fn explain(&self, address: usize) -> Option<String> {
        let channels = self.channels.try_borrow().ok()?;
        channels
            .values()
            .any(|channel| channel.shows_payloads_at(address))
            .then(|| {
                format!("the payload of a packet was touched at {address:#x} after the callback that it was valid for")
            })
    }

    pub(crate) fn breaches(&self) -> Vec<String> {
        self.breaches.borrow().clone()
    }

    pub(crate) fn counters(&self) -> Counters {
        self.counters.get()
    }

    pub(crate) fn leaks(&self, driver: DriverId, leaks: &mut Vec<Leak>) {
        let mut leak = |kind, what| leaks.push(Leak { kind, what });
        for channel in self
            .channels
            .borrow()
            .values()
            .filter(|channel| channel.driver == driver)
        {
            leak(
                "channel",
                format!(
                    "{:#x} {:?} was not cleaned up",
                    channel.handle,
                    channel.settings.borrow().name
                ),
            );
            for gpadl in channel.gpadls.borrow().keys() {
                leak(
                    "GPADL",
                    format!("{gpadl:#x} of channel {:#x}", channel.handle),
                );
            }
        }
        for packet in self.packets.borrow().values() {
            if packet.channel.driver == driver && packet.is_allocated() {
                leak(
                    "packet",
                    format!(
                        "{:#x} of channel {:#x}",
                        packet.handle, packet.channel.handle
                    ),
                );
            }
        }
        for incoming in self.incoming.borrow().values() {
            if incoming.channel.driver == driver && !incoming.is_failed() {
                leak(
                    "incoming packet",
                    format!("{:#x} was not completed", incoming.handle),
                );
            }
        }
        for (context, reference) in self.references.borrow().iter() {
            if reference.driver == driver {
                leak(
                    "interface reference",
                    format!("{} on KMCL's interface {context:#x}", reference.count),
                );
            }
        }
    }
}

/// The driver that calls; it must hold a reference on the interface whose functions it uses.
fn caller(function: &str) -> DriverId {
    let driver = kernel()
        .sched
        .current()
        .driver()
        .unwrap_or_else(|| violation(format!("{function} was called from outside any driver")));
    let referenced = provider()
        .references
        .borrow()
        .values()
        .any(|reference| reference.driver == driver);
    if !referenced {
        violation(format!(
            "{function} was called by a driver that holds no reference on KMCL's interface (it was dereferenced, or never queried)"
        ));
    }
    driver
}

fn channel_of(function: &str, handle: HANDLE) -> Rc<Channel> {
    caller(function);
    let number = handle.addr();
    let channel = provider().channels.borrow().get(&number).cloned();
    channel.unwrap_or_else(|| {
        violation(if provider().was_issued(number, HandleKind::Channel) {
            format!("{function}: channel {number:#x} was cleaned up")
        } else {
            format!("{function}: {number:#x} is no channel")
        })
    })
}

fn packet_of(function: &str, handle: HANDLE) -> Rc<Packet> {
    caller(function);
    let number = handle.addr();
    let packet = provider().packets.borrow().get(&number).cloned();
    packet.unwrap_or_else(|| {
        violation(if provider().was_issued(number, HandleKind::Packet) {
            format!("{function}: packet {number:#x} was freed")
        } else {
            format!("{function}: {number:#x} is no packet")
        })
    })
}

fn incoming_of(function: &str, handle: HANDLE) -> Rc<Incoming> {
    caller(function);
    let number = handle.addr();
    let incoming = provider().incoming.borrow().get(&number).cloned();
    incoming.unwrap_or_else(|| {
        violation(if provider().was_issued(number, HandleKind::Incoming) {
            format!("{function}: incoming packet {number:#x} was completed")
        } else {
            format!("{function}: {number:#x} is no incoming packet")
        })
    })
}

/// The host has signalled a channel.
pub(crate) fn interrupt(relid: u32) {
    let channel = provider()
        .channels
        .borrow()
        .values()
        .find(|channel| {
            channel
                .connection()
                .is_some_and(|connection| connection.offer.relid == relid)
        })
        .cloned();
    if let Some(channel) = channel {
        incoming::interrupt(&channel);
    }
}

/// An offer has come or gone.
pub(crate) fn offers_changed() {
    let channels: Vec<_> = provider().channels.borrow().values().cloned().collect();
    for channel in channels {
        channel::kick(&channel);
    }
}
