//! `VMBus`: the host's offers, the guest's bus driver, the rings in shared memory, and KMCL.
//!
//! ```text
//!   guest                                                          host
//!   driver
//!     | KMCL's table of functions (kmcl)
//!   KMCL: channels, packets, state callbacks
//!     | open, GPADLs        | rings (ring)                         programs (backends, tests)
//!   bus driver (bus)        |                                        | HostChannel
//!     +-- control messages (message) --------------------------->  partition (host)
//!                           +-- two rings in shared memory ------>  rings (host::ring)
//!                           +-- signals ------------------------->
//! ```
//!
//! Guest and host share nothing but those three. Each has its own code for the rings, over its own
//! mapping of the pages.

pub mod backends;
mod behaviour;
mod bus;
pub mod host;
pub mod kmcl;
mod memory;
mod message;
mod ring;
mod shared;

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;

use wdk_sys_lite::GUID;

pub use behaviour::{KmclBehaviour, WhenOutgoingFail};
pub use host::{
    GuestFault, HostBuffer, HostChannel, HostError, HostPacket, HostPacketKind, Offer, RawRing,
    RingIndex,
};
pub use message::PageRange;

use crate::kernel::{DriverId, Leak, kernel};
use crate::machine::System;
use crate::pnp::Pdo;
use crate::sched::{ContextKind, Nanoseconds};

/// The longest time that a control message takes.
const MESSAGE_LATENCY: Nanoseconds = 5_000;

/// `VMBus` in one machine.
#[derive(Default)]
pub struct State {
    pub(crate) host: host::Partition,
    pub(crate) bus: bus::GuestBus,
    pub(crate) kmcl: kmcl::Provider,
    to_host: RefCell<VecDeque<Vec<u8>>>,
    to_guest: RefCell<VecDeque<Vec<u8>>>,
    last_to_host: Cell<Nanoseconds>,
    last_to_guest: Cell<Nanoseconds>,
}

/// When a message posted now arrives: some time after the one before it.
fn arrival(last: &Cell<Nanoseconds>) -> Nanoseconds {
    let sched = &kernel().sched;
    let at = last.get().max(sched.now()) + 1 + sched.random(MESSAGE_LATENCY);
    last.set(at);
    at
}

impl State {
    /// Brings the bus driver up, as far as that needs no host.
    pub(crate) fn start() {
        kernel().pnp.name_device(
            kmcl::interface::DEVICE_NAME,
            Rc::new(kmcl::interface::KmclInterfaceDevice),
        );
    }

    fn to_host(&self, message: &message::Message) {
        self.to_host.borrow_mut().push_back(message.to_bytes());
        kernel().sched.at(arrival(&self.last_to_host), || {
            let vmbus = &kernel().vmbus;
            let bytes = vmbus.to_host.borrow_mut().pop_front();
            if let Some(bytes) = bytes {
                vmbus.host.handle(&bytes);
            }
        });
    }

    fn to_guest(&self, message: &message::Message) {
        self.to_guest.borrow_mut().push_back(message.to_bytes());
        kernel().sched.at(arrival(&self.last_to_guest), || {
            let vmbus = &kernel().vmbus;
            let bytes = vmbus.to_guest.borrow_mut().pop_front();
            if let Some(bytes) = bytes {
                vmbus.bus.arrived(bytes);
            }
        });
    }

    /// What a driver holds of KMCL's.
    pub(crate) fn leaks(&self, driver: DriverId, leaks: &mut Vec<Leak>) {
        self.kmcl.leaks(driver, leaks);
    }
}

/// The guest signals a channel's host end.
fn signal_host(relid: u32) {
    kernel().vmbus.host.signalled(relid);
}

/// The host signals a channel's guest end.
fn signal_guest(relid: u32) {
    kmcl::interrupt(relid);
}

/// A GUID as it is in memory.
fn guid_bytes(guid: &GUID) -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes[0..4].copy_from_slice(&guid.Data1.to_le_bytes());
    bytes[4..6].copy_from_slice(&guid.Data2.to_le_bytes());
    bytes[6..8].copy_from_slice(&guid.Data3.to_le_bytes());
    bytes[8..16].copy_from_slice(&guid.Data4);
    bytes
}

fn guid_from_bytes(bytes: &[u8; 16]) -> GUID {
    let number = u128::from_le_bytes(*bytes);
    let [_, _, _, _, _, _, _, _, tail @ ..] = *bytes;
    GUID {
        Data1: (number & 0xFFFF_FFFF) as u32,
        Data2: (number >> 32 & 0xFFFF) as u16,
        Data3: (number >> 48 & 0xFFFF) as u16,
        Data4: tail,
    }
}

/// A GUID as device identifiers spell it, in braces and small letters.
#[must_use]
pub fn guid_text(guid: &GUID) -> String {
    let tail = u64::from_be_bytes(guid.Data4);
    format!(
        "{{{:08x}-{:04x}-{:04x}-{:04x}-{:012x}}}",
        guid.Data1,
        guid.Data2,
        guid.Data3,
        tail >> 48,
        tail & 0xFFFF_FFFF_FFFF
    )
}

/// An offer that the operator has made.
#[derive(Clone, Copy, Debug)]
pub struct OfferHandle {
    relid: u32,
}

impl OfferHandle {
    /// The host takes the offer back.
    pub fn rescind(&self) {
        kernel().vmbus.host.rescind(self.relid);
    }

    /// Waits until the guest's bus driver has made a device of the offer. None if the offer was
    /// taken back before.
    #[must_use]
    pub fn pdo(&self) -> Option<Rc<Pdo>> {
        let vmbus = &kernel().vmbus;
        loop {
            let offer = vmbus.bus.offer(self.relid);
            if let Some(pdo) = offer.as_ref().and_then(|offer| offer.pdo()) {
                return Some(Rc::clone(pdo));
            }
            if vmbus.host.is_rescinded(self.relid) {
                return None;
            }
            kernel().sched.wait(vmbus.bus.answers(), None);
        }
    }

    /// Whether the guest has given the offer's number back, as it must after a rescind.
    #[must_use]
    pub fn is_released(&self) -> bool {
        kernel().vmbus.host.is_released(self.relid)
    }

    /// A second handle of the channel's host end, for the operator's own use.
    #[must_use]
    pub fn host_channel(&self) -> Option<HostChannel> {
        kernel().vmbus.host.channel(self.relid)
    }
}

impl System {
    /// The host offers a channel; `program` runs behind it, on the host. The guest's bus driver
    /// makes a device of it, which the driver that matches its hardware id gets.
    pub fn offer(&self, offer: Offer, program: impl FnOnce(HostChannel) + 'static) -> OfferHandle {
        let name = format!("host program of {}", guid_text(&offer.interface_type));
        let vmbus = &kernel().vmbus;
        vmbus.bus.connect();
        let (relid, channel) = vmbus.host.offer(offer);
        kernel()
            .sched
            .spawn(ContextKind::Host, name, move || program(channel));
        OfferHandle { relid }
    }

    /// How the host has broken the ring protocol so far, as KMCL noticed it.
    #[must_use]
    pub fn host_breaches(&self) -> Vec<String> {
        kernel().vmbus.kmcl.breaches()
    }

    /// What KMCL has done so far.
    #[must_use]
    pub fn kmcl_counters(&self) -> kmcl::Counters {
        kernel().vmbus.kmcl.counters()
    }
}

#[cfg(test)]
mod tests {
    use super::{guid_bytes, guid_from_bytes, guid_text};

    #[test]
    fn a_guid_is_spelled_as_in_hardware_ids() {
        let bytes = [
            0x39, 0x4f, 0x16, 0x57, 0x15, 0x91, 0x78, 0x4e, 0xab, 0x55, 0x38, 0x2f, 0x3b, 0xd5,
            0x42, 0x2d,
        ];
        let guid = guid_from_bytes(&bytes);
        assert_eq!(guid_text(&guid), "{57164f39-9115-4e78-ab55-382f3bd5422d}");
        assert_eq!(guid_bytes(&guid), bytes);
    }
}
