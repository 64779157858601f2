//! The host: what it offers to the guest, its half of the control messages, and the programs behind
//! its channels.
//!
//! A program ([`System::offer`](crate::System::offer) starts one per offer) runs beside the guest's
//! processors and reaches the guest only as a real back end does: by the two rings, by GPADLs, by
//! the page frames of external data, and by signals. Through [`RawRing`] it can also do what no
//! sound back end does.

mod ring;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

pub use ring::{GuestFault, HostPacket, HostPacketKind, RingIndex};
use ring::{Half, Inbound, Outbound, Put, assemble};

use super::behaviour::choose;
use super::message::{
    CONNECTION_VERSION, ChannelOnly, GpadlCreated, GpadlTornDown, MESSAGE_CONNECTION, Message,
    OfferChannel, OpenChannel, OpenResult, PageRange, SINT, VERSIONS, VersionResponse,
};
use super::shared::{PAGE, Shared};
use super::{guid_bytes, memory, signal_guest};
use crate::kernel::kernel;
use crate::sched::Key;

/// What the host offers to the guest.
#[derive(Clone, Debug)]
pub struct Offer {
    /// The protocol; the guest's hardware id is made of it.
    pub interface_type: wdk_sys_lite::GUID,
    /// Which of several.
    pub instance: wdk_sys_lite::GUID,
    /// Memory-mapped I/O space that the guest is to set aside, in MiB.
    pub mmio_megabytes: u16,
    /// Whether it is in pipe mode.
    pub pipe: bool,
    /// At most 120 bytes (116 in pipe mode) for the guest's bus driver.
    pub user_data: Vec<u8>,
    /// The host answers every attempt to open the channel with a failure.
    pub refuses_to_open: bool,
    /// The host never answers an attempt to open the channel.
    pub leaves_open_unanswered: bool,
    /// How long the host takes, beyond the message's way, to answer an attempt to open the channel,
    /// in virtual time.
    pub answers_open_after: Duration,
    /// The host answers an attempt to open an offer that it has taken back with a failure, rather
    /// than not at all. `None`: each occasion draws one.
    pub answers_open_when_rescinded: Option<bool>,
}

impl Offer {
    /// An offer of a protocol, without extras.
    #[must_use]
    pub fn new(interface_type: wdk_sys_lite::GUID, instance: wdk_sys_lite::GUID) -> Self {
        Self {
            interface_type,
            instance,
            mmio_megabytes: 0,
            pipe: false,
            user_data: Vec::new(),
            refuses_to_open: false,
            leaves_open_unanswered: false,
            answers_open_after: Duration::ZERO,
            answers_open_when_rescinded: None,
        }
    }
}

/// Named-pipe mode, among an offer's flags.
const OFFER_FLAG_PIPE: u16 = 0x10;
/// The offer's flag of a device that the guest's programs find by its interface.
const OFFER_FLAG_INTERFACE: u16 = 0x1;
/// The mode of a pipe that carries messages.
const PIPE_MODE_MESSAGE: u32 = 4;
/// The monitor's number where none is allocated.
const NO_MONITOR: u8 = 0xFF;
/// An `HRESULT`-like failure that the host answers with.
const FAILED: i32 = -1;

/// Why something on a channel did not happen.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HostError {
    /// The guest has closed the channel, or not opened it yet.
    #[error("the channel is not open")]
    Closed,
    /// The guest broke a protocol.
    #[error(transparent)]
    Guest(#[from] GuestFault),
    /// The packet does not fit the ring, or is longer than a packet can be.
    #[error("the packet is larger than the ring, or than 524,280 bytes")]
    TooLarge,
    /// A packet with external data was to be sent without any, which no reader accepts.
    #[error("a packet with external data needs at least one range")]
    NoExternalData,
    /// There is no room in the ring now.
    #[error("the ring is full")]
    Full,
    /// The guest has no such GPADL, or has taken it back.
    #[error("the guest has no GPADL {0}")]
    NoGpadl(u32),
    /// A page frame that is not memory.
    #[error("the guest named page frames that are not its memory")]
    NotMemory,
    /// The range goes beyond what the guest described.
    #[error("{length} bytes at {offset} are not in a buffer of {buffer}")]
    OutOfRange {
        /// From where, in bytes.
        offset: usize,
        /// How many bytes.
        length: usize,
        /// The buffer's length in bytes.
        buffer: usize,
    },
}

/// The host's record of a GPADL.
struct Gpadl {
    channel: u32,
    bytes: Vec<u8>,
    expected: usize,
    count: usize,
    ranges: Vec<PageRange>,
    established: bool,
    holds: u32,
    teardown: bool,
}

/// The host keeps a GPADL mapped for as long as one of these lives; its teardown waits.
struct Hold(u32);

impl Hold {
    fn new(gpadl: u32) -> Rc<Self> {
        if let Some(record) = kernel().vmbus.host.gpadls.borrow_mut().get_mut(&gpadl) {
            record.holds += 1;
        }
        Rc::new(Self(gpadl))
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        // A machine that is being thrown away drops what its host programs held.
        let Some(kernel) = crate::kernel::try_kernel() else {
            return;
        };
        let host = &kernel.vmbus.host;
        let gone = {
            let mut gpadls = host.gpadls.borrow_mut();
            let Some(record) = gpadls.get_mut(&self.0) else {
                return;
            };
            record.holds -= 1;
            record.holds == 0 && record.teardown
        };
        if gone {
            host.torn_down(self.0);
        }
    }
}

/// A channel while it is open.
struct Connection {
    view: Rc<Shared>,
    gpadl: u32,
    hold: Rc<Hold>,
    inbound: Inbound,
    outbound: Outbound,
    closed: Cell<bool>,
}

/// One offer.
struct Device {
    relid: u32,
    offer: Offer,
    key: Key,
    connection: RefCell<Option<Rc<Connection>>>,
    opens: Cell<u64>,
    /// How often the guest has closed the channel, or given up opening it.
    closes: Cell<u64>,
    next_transaction: Cell<u64>,
    rescinded: Cell<bool>,
    /// The guest has given the number back after a rescind.
    released: Cell<bool>,
}

impl Device {
    fn message(&self) -> Message {
        let mut user_data = [0; 120];
        // A pipe's own data begin with its mode.
        let own = if self.offer.pipe {
            user_data[..4].copy_from_slice(&PIPE_MODE_MESSAGE.to_le_bytes());
            &mut user_data[4..]
        } else {
            &mut user_data[..]
        };
        for (to, from) in own.iter_mut().zip(&self.offer.user_data) {
            *to = *from;
        }
        Message::OfferChannel(Box::new(OfferChannel {
            interface_type: guid_bytes(&self.offer.interface_type),
            interface_instance: guid_bytes(&self.offer.instance),
            reserved: [0.into(); 2],
            flags: if self.offer.pipe {
                OFFER_FLAG_INTERFACE | OFFER_FLAG_PIPE
            } else {
                OFFER_FLAG_INTERFACE
            }
            .into(),
            mmio_megabytes: self.offer.mmio_megabytes.into(),
            user_data,
            subchannel_index: 0.into(),
            mmio_megabytes_optional: 0.into(),
            channel: self.relid.into(),
            monitor: NO_MONITOR,
            monitor_allocated: 0,
            dedicated_interrupt: 1.into(),
            connection: (u32::try_from(SINT).unwrap_or(0) << 12 | self.relid).into(),
        }))
    }

    fn wake(&self) {
        kernel().sched.wake(self.key);
    }
}

/// The host's end of all of the guest's `VMBus`.
#[derive(Default)]
pub(crate) struct Partition {
    devices: RefCell<BTreeMap<u32, Rc<Device>>>,
    gpadls: RefCell<BTreeMap<u32, Gpadl>>,
    next_relid: Cell<u32>,
    contacted: Cell<bool>,
    offers_requested: Cell<bool>,
}

impl Partition {
    fn post(message: &Message) {
        kernel().vmbus.to_guest(message);
    }

    fn device(&self, relid: u32) -> Option<Rc<Device>> {
        self.devices.borrow().get(&relid).cloned()
    }

    /// Adds an offer; the guest hears of it as soon as it has asked for offers.
    pub(crate) fn offer(&self, offer: Offer) -> (u32, HostChannel) {
        let relid = self.next_relid.get() + 1;
        self.next_relid.set(relid);
        let device = Rc::new(Device {
            relid,
            offer,
            key: kernel()
                .sched
                .new_key_for("packets from the guest, or the channel to be opened or closed"),
            connection: RefCell::default(),
            opens: Cell::new(0),
            closes: Cell::new(0),
            next_transaction: Cell::new(1),
            rescinded: Cell::new(false),
            released: Cell::new(false),
        });
        self.devices.borrow_mut().insert(relid, Rc::clone(&device));
        if self.offers_requested.get() {
            Self::post(&device.message());
        }
        (
            relid,
            HostChannel {
                device,
                seen: Cell::new(0),
            },
        )
    }

    /// Takes an offer back.
    pub(crate) fn rescind(&self, relid: u32) {
        let Some(device) = self.device(relid) else {
            return;
        };
        if !device.rescinded.replace(true) {
            Self::post(&Message::RescindOffer(ChannelOnly {
                channel: relid.into(),
            }));
            device.wake();
        }
    }

    /// Whether an offer was taken back.
    pub(crate) fn is_rescinded(&self, relid: u32) -> bool {
        self.device(relid)
            .is_none_or(|device| device.rescinded.get())
    }

    /// Whether the guest has given an offer's number back.
    pub(crate) fn is_released(&self, relid: u32) -> bool {
        self.device(relid).is_none()
    }

    /// A program's handle of an offer.
    pub(crate) fn channel(&self, relid: u32) -> Option<HostChannel> {
        Some(HostChannel {
            device: self.device(relid)?,
            seen: Cell::new(0),
        })
    }

    /// The guest signals a channel.
    pub(crate) fn signalled(&self, relid: u32) {
        if let Some(device) = self.device(relid) {
            device.wake();
        }
    }

    /// A control message has arrived from the guest. Runs outside any context.
    pub(crate) fn handle(&self, bytes: &[u8]) {
        // A host ignores what it cannot read.
        let Ok(message) = Message::parse(bytes) else {
            return;
        };
        match message {
            Message::InitiateContact(contact) => {
                let version = contact.version.get();
                // From 5.0 on the interrupt source is a part of the contact.
                let known = VERSIONS.contains(&version)
                    && (version < CONNECTION_VERSION
                        || contact.interrupt_page.get() & 0xFF == SINT);
                self.contacted.set(known);
                Self::post(&Message::VersionResponse(VersionResponse {
                    supported: u8::from(known),
                    connection_state: 0,
                    reserved: 0.into(),
                    message_connection: if version >= CONNECTION_VERSION {
                        MESSAGE_CONNECTION
                    } else {
                        version
                    }
                    .into(),
                }));
            }
            Message::RequestOffers if self.contacted.get() => {
                self.offers_requested.set(true);
                for device in self.devices.borrow().values() {
                    if !device.rescinded.get() {
                        Self::post(&device.message());
                    }
                }
                Self::post(&Message::AllOffersDelivered);
            }
            Message::OpenChannel(open) => self.asked_to_open(open),
            Message::CloseChannel(close) => {
                if let Some(device) = self.device(close.channel.get()) {
                    device.closes.set(device.closes.get() + 1);
                    let connection = device.connection.borrow_mut().take();
                    if let Some(connection) = connection {
                        connection.closed.set(true);
                    }
                    device.wake();
                }
            }
            Message::GpadlHeader(header, bytes) => {
                let record = Gpadl {
                    channel: header.channel.get(),
                    bytes,
                    expected: usize::from(header.length.get()),
                    count: usize::from(header.count.get()),
                    ranges: Vec::new(),
                    established: false,
                    holds: 0,
                    teardown: false,
                };
                self.gpadls.borrow_mut().insert(header.gpadl.get(), record);
                self.describe(header.gpadl.get());
            }
            Message::GpadlBody(body, words) => {
                if let Some(record) = self.gpadls.borrow_mut().get_mut(&body.gpadl.get())
                    && !record.established
                {
                    record.bytes.extend(words);
                }
                self.describe(body.gpadl.get());
            }
            Message::GpadlTeardown(teardown) => {
                let gpadl = teardown.gpadl.get();
                let free = match self.gpadls.borrow_mut().get_mut(&gpadl) {
                    Some(record) => {
                        record.teardown = true;
                        record.holds == 0
                    }
                    None => true,
                };
                if free {
                    self.torn_down(gpadl);
                }
            }
            Message::RelidReleased(released) => {
                if let Some(device) = self.devices.borrow_mut().remove(&released.channel.get()) {
                    device.released.set(true);
                    device.wake();
                }
            }
            _ => {}
        }
    }

    fn torn_down(&self, gpadl: u32) {
        self.gpadls.borrow_mut().remove(&gpadl);
        Self::post(&Message::GpadlTornDown(GpadlTornDown {
            gpadl: gpadl.into(),
        }));
    }

    /// Establishes a GPADL once all of its description is there.
    fn describe(&self, gpadl: u32) {
        let (channel, status) = {
            let mut gpadls = self.gpadls.borrow_mut();
            let Some(record) = gpadls.get_mut(&gpadl) else {
                return;
            };
            if record.established || record.bytes.len() < record.expected {
                return;
            }
            let bytes = std::mem::take(&mut record.bytes);
            let mut rest = bytes.as_slice();
            let mut sound = record.count > 0;
            for _ in 0..record.count {
                match PageRange::parse(rest) {
                    Some((range, tail)) => {
                        record.ranges.push(range);
                        rest = tail;
                    }
                    None => sound = false,
                }
            }
            let rescinded = self
                .device(record.channel)
                .is_none_or(|device| device.rescinded.get());
            // Of an offer that is taken back one host refuses it, another does not look.
            record.established = sound && (!rescinded || kernel().sched.random(2) == 1);
            let channel = record.channel;
            if record.established {
                (channel, 0)
            } else {
                gpadls.remove(&gpadl);
                (channel, FAILED)
            }
        };
        Self::post(&Message::GpadlCreated(GpadlCreated {
            channel: channel.into(),
            gpadl: gpadl.into(),
            status: status.into(),
        }));
    }

    /// Answers an attempt to open a channel, as soon and in the way that its offer says.
    fn asked_to_open(&self, open: Box<OpenChannel>) {
        let device = self.device(open.channel.get());
        let (closes, delay) = match &device {
            Some(device) if device.offer.leaves_open_unanswered => return,
            Some(device) => (device.closes.get(), device.offer.answers_open_after),
            None => (0, Duration::ZERO),
        };
        if delay.is_zero() {
            return self.answer_open(&open);
        }
        let sched = &kernel().sched;
        let delay = u64::try_from(delay.as_nanos()).unwrap_or(u64::MAX / 2);
        sched.at(sched.now() + delay, move || {
            let host = &kernel().vmbus.host;
            // The guest may have given up meanwhile.
            if host
                .device(open.channel.get())
                .is_some_and(|device| device.closes.get() == closes)
            {
                host.answer_open(&open);
            }
        });
    }

    fn answer_open(&self, open: &OpenChannel) {
        // One host refuses to open an offer that it has taken back; another is silent, for the
        // rescind is its answer.
        if let Some(device) = self.device(open.channel.get())
            && device.rescinded.get()
            && !choose(device.offer.answers_open_when_rescinded)
        {
            return;
        }
        let status = match self.open(
            open.channel.get(),
            open.ring_gpadl.get(),
            open.downstream_page_offset.get(),
        ) {
            Some(()) => 0,
            None => FAILED,
        };
        Self::post(&Message::OpenResult(OpenResult {
            channel: open.channel,
            open_id: open.open_id,
            status: status.into(),
        }));
    }

    fn open(&self, relid: u32, gpadl: u32, downstream_page: u32) -> Option<()> {
        let device = self.device(relid)?;
        if device.rescinded.get()
            || device.offer.refuses_to_open
            || device.connection.borrow().is_some()
        {
            return None;
        }
        let frames = {
            let gpadls = self.gpadls.borrow();
            let record = gpadls
                .get(&gpadl)
                .filter(|record| record.channel == relid && record.established)?;
            let [range] = record.ranges.as_slice() else {
                return None;
            };
            if range.offset != 0 || !(range.length as usize).is_multiple_of(PAGE) {
                return None;
            }
            range.frames.clone()
        };
        let middle = downstream_page as usize;
        if middle < 2 || middle + 2 > frames.len() {
            return None;
        }
        let view = Rc::new(memory::map_frames(&frames)?);
        let connection = Connection {
            inbound: Inbound::new(Half::new(&view, 0, middle * PAGE)),
            outbound: Outbound::new(Half::new(&view, middle * PAGE, frames.len() * PAGE)),
            view,
            gpadl,
            hold: Hold::new(gpadl),
            closed: Cell::new(false),
        };
        // Some hosts mask the guest's signals until they first look.
        connection.inbound.mask(kernel().sched.random(2) == 1);
        *device.connection.borrow_mut() = Some(Rc::new(connection));
        device.opens.set(device.opens.get() + 1);
        device.wake();
        Some(())
    }
}

/// The host's end of a channel, for a host program.
pub struct HostChannel {
    device: Rc<Device>,
    seen: Cell<u64>,
}

impl Clone for HostChannel {
    /// A second handle of the same channel, for a second program.
    fn clone(&self) -> Self {
        Self {
            device: Rc::clone(&self.device),
            seen: self.seen.clone(),
        }
    }
}

impl HostChannel {
    fn connection(&self) -> Result<Rc<Connection>, HostError> {
        let connection = self
            .device
            .connection
            .borrow()
            .clone()
            .ok_or(HostError::Closed)?;
        // A program that has not noticed yet that the channel was closed and opened anew is told
        // first.
        if self.seen.get() == self.device.opens.get() {
            Ok(connection)
        } else {
            Err(HostError::Closed)
        }
    }

    fn signal(&self) {
        signal_guest(self.device.relid);
    }

    /// Waits until the guest opens the channel (again). False if that cannot happen any more: the
    /// offer was taken back.
    #[must_use]
    pub fn wait_open(&self) -> bool {
        loop {
            if self.device.connection.borrow().is_some() {
                self.seen.set(self.device.opens.get());
                return true;
            }
            if self.device.rescinded.get() || self.device.released.get() {
                return false;
            }
            kernel().sched.wait(self.device.key, None);
        }
    }

    /// Whether the guest has the channel open.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.connection().is_ok()
    }

    /// Waits until the guest has closed the channel.
    pub fn wait_closed(&self) {
        while self.is_open() {
            kernel().sched.wait(self.device.key, None);
        }
    }

    /// Lets virtual time pass.
    pub fn sleep(&self, duration: Duration) {
        kernel()
            .sched
            .sleep(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX / 2));
    }

    /// A number below `bound` (at least 1), drawn from the seed.
    #[must_use]
    pub fn random(&self, bound: u64) -> u64 {
        kernel().sched.random(bound.max(1))
    }

    /// Waits for the guest's next packet.
    ///
    /// # Errors
    ///
    /// [`HostError::Closed`] once the guest has closed the channel; [`HostError::Guest`] if it
    /// broke the ring.
    pub fn recv(&self) -> Result<HostPacket, HostError> {
        loop {
            let connection = self.connection()?;
            connection.inbound.mask(true);
            if let Some(packet) = self.take(&connection)? {
                return Ok(packet);
            }
            connection.inbound.mask(false);
            // A packet that came between the look and the unmasking brings no signal.
            if let Some(packet) = self.take(&connection)? {
                return Ok(packet);
            }
            drop(connection);
            kernel().sched.wait(self.device.key, None);
        }
    }

    /// Takes the guest's next packet if there is one.
    ///
    /// # Errors
    ///
    /// As [`HostChannel::recv`].
    pub fn try_recv(&self) -> Result<Option<HostPacket>, HostError> {
        let connection = self.connection()?;
        self.take(&connection)
    }

    fn take(&self, connection: &Connection) -> Result<Option<HostPacket>, HostError> {
        let Some((packet, awaited)) = connection.inbound.take()? else {
            return Ok(None);
        };
        if awaited {
            self.signal();
        }
        kernel().sched.point();
        Ok(Some(packet))
    }

    /// Sends a message; waits while the ring is full. Returns its transaction id, which the guest's
    /// completion repeats if one was asked for.
    ///
    /// # Errors
    ///
    /// [`HostError`].
    pub fn send(&self, payload: &[u8], completion_requested: bool) -> Result<u64, HostError> {
        let transaction = self.next_transaction();
        let bytes = assemble(
            HostPacketKind::InBand,
            transaction,
            completion_requested,
            &[],
            payload,
        );
        self.put(&bytes)?;
        Ok(transaction)
    }

    /// Sends a message with external data, as guests do. (On Windows hosts do not; it exercises
    /// what a guest's driver does with external data.)
    ///
    /// # Errors
    ///
    /// [`HostError`].
    pub fn send_external(&self, payload: &[u8], external: &[PageRange]) -> Result<u64, HostError> {
        if external.is_empty() {
            return Err(HostError::NoExternalData);
        }
        let transaction = self.next_transaction();
        let bytes = assemble(
            HostPacketKind::GpaDirect,
            transaction,
            true,
            external,
            payload,
        );
        self.put(&bytes)?;
        Ok(transaction)
    }

    /// Answers a packet that asked for a completion; waits while the ring is full.
    ///
    /// # Errors
    ///
    /// [`HostError`].
    pub fn complete(&self, transaction: u64, reply: &[u8]) -> Result<(), HostError> {
        let bytes = assemble(HostPacketKind::Completion, transaction, false, &[], reply);
        self.put(&bytes)
    }

    fn next_transaction(&self) -> u64 {
        let transaction = self.device.next_transaction.get();
        self.device.next_transaction.set(transaction + 1);
        transaction
    }

    fn put(&self, packet: &[u8]) -> Result<(), HostError> {
        loop {
            let connection = self.connection()?;
            let mut result = connection.outbound.put(packet)?;
            if let Put::Full(needed) = result {
                // Some hosts wait for a quarter of the ring at the least.
                let awaited = match kernel().sched.random(2) {
                    0 => needed,
                    _ => needed.max(connection.outbound.quarter()),
                };
                connection.outbound.await_room(awaited);
                // Room that came meanwhile brings no signal.
                result = connection.outbound.put(packet)?;
            }
            match result {
                Put::Never => return Err(HostError::TooLarge),
                Put::Done { signal } => {
                    connection.outbound.await_room(0);
                    drop(connection);
                    if signal {
                        self.signal();
                    }
                    kernel().sched.point();
                    return Ok(());
                }
                Put::Full(_) => {
                    drop(connection);
                    kernel().sched.wait(self.device.key, None);
                }
            }
        }
    }

    /// Maps a GPADL of the guest's; its teardown waits until the mapping is dropped.
    ///
    /// # Errors
    ///
    /// [`HostError::NoGpadl`], [`HostError::NotMemory`].
    pub fn map_gpadl(&self, gpadl: u32) -> Result<HostBuffer, HostError> {
        let ranges = {
            let gpadls = kernel().vmbus.host.gpadls.borrow();
            let record = gpadls
                .get(&gpadl)
                .filter(|record| {
                    record.channel == self.device.relid && record.established && !record.teardown
                })
                .ok_or(HostError::NoGpadl(gpadl))?;
            record.ranges.clone()
        };
        HostBuffer::map(&ranges, Hold::new(gpadl))
    }

    /// Maps the external data of a packet. Valid until the packet is completed; a close waits until
    /// it is dropped.
    ///
    /// # Errors
    ///
    /// [`HostError::Closed`], [`HostError::NotMemory`].
    pub fn map_external(&self, packet: &HostPacket) -> Result<HostBuffer, HostError> {
        let connection = self.connection()?;
        HostBuffer::map(&packet.external, Rc::clone(&connection.hold))
    }

    /// Takes the offer back.
    pub fn rescind(&self) {
        kernel().vmbus.host.rescind(self.device.relid);
    }

    /// Access to the rings as they are, for a host that misbehaves. It keeps the rings mapped, so a
    /// close waits until it is dropped.
    ///
    /// # Errors
    ///
    /// [`HostError::Closed`].
    pub fn raw(&self) -> Result<RawRing, HostError> {
        Ok(RawRing {
            relid: self.device.relid,
            connection: self.connection()?,
        })
    }
}

/// Guest memory that the host has mapped.
pub struct HostBuffer {
    parts: Vec<(Shared, usize, usize)>,
    length: usize,
    _hold: Rc<Hold>,
}

impl HostBuffer {
    fn map(ranges: &[PageRange], hold: Rc<Hold>) -> Result<Self, HostError> {
        let mut parts = Vec::new();
        let mut length = 0;
        for range in ranges {
            let view = memory::map_frames(&range.frames).ok_or(HostError::NotMemory)?;
            parts.push((view, range.offset as usize, range.length as usize));
            length += range.length as usize;
        }
        Ok(Self {
            parts,
            length,
            _hold: hold,
        })
    }

    /// Its length in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether it is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    fn each_part(
        &self,
        mut offset: usize,
        length: usize,
        mut access: impl FnMut(&Shared, usize, std::ops::Range<usize>),
    ) -> Result<(), HostError> {
        if offset
            .checked_add(length)
            .is_none_or(|end| end > self.length)
        {
            return Err(HostError::OutOfRange {
                offset,
                length,
                buffer: self.length,
            });
        }
        let mut done = 0;
        for (view, start, part) in &self.parts {
            if offset >= *part {
                offset -= *part;
                continue;
            }
            let now = (*part - offset).min(length - done);
            access(view, start + offset, done..done + now);
            done += now;
            offset = 0;
        }
        Ok(())
    }

    /// Reads from it.
    ///
    /// # Errors
    ///
    /// [`HostError::OutOfRange`].
    pub fn read(&self, offset: usize, length: usize) -> Result<Vec<u8>, HostError> {
        let mut bytes = vec![0; length];
        self.each_part(offset, length, |view, at, range| {
            view.read(at, &mut bytes[range]);
        })?;
        Ok(bytes)
    }

    /// Writes into it.
    ///
    /// # Errors
    ///
    /// [`HostError::OutOfRange`].
    pub fn write(&self, offset: usize, bytes: &[u8]) -> Result<(), HostError> {
        self.each_part(offset, bytes.len(), |view, at, range| {
            view.write(at, &bytes[range]);
        })
    }
}

/// The rings of an open channel without any protocol, for a host that misbehaves.
pub struct RawRing {
    relid: u32,
    connection: Rc<Connection>,
}

impl RawRing {
    /// Puts bytes into the host's ring as if they were a packet (the footer is added).
    ///
    /// # Errors
    ///
    /// [`HostError::Full`], [`HostError::TooLarge`], [`HostError::Guest`].
    pub fn put(&self, packet: &[u8]) -> Result<(), HostError> {
        match self.connection.outbound.put(packet)? {
            Put::Done { .. } => Ok(()),
            Put::Full(_) => Err(HostError::Full),
            Put::Never => Err(HostError::TooLarge),
        }
    }

    /// Puts a completion into the host's ring, whatever the id.
    ///
    /// # Errors
    ///
    /// As [`RawRing::put`].
    pub fn complete(&self, transaction: u64, reply: &[u8]) -> Result<(), HostError> {
        self.put(&assemble(
            HostPacketKind::Completion,
            transaction,
            false,
            &[],
            reply,
        ))
    }

    /// Publishes an index of the host's: `In` of the ring that it writes, or `Out` of the one that
    /// it reads.
    pub fn publish(&self, index: RingIndex, value: u32) {
        match index {
            RingIndex::In => self.connection.outbound.half().publish(index, value),
            RingIndex::Out => self.connection.inbound.half().publish(index, value),
        }
    }

    /// Where the host's next packet goes in its ring, in bytes.
    #[must_use]
    pub fn position(&self) -> usize {
        self.connection.outbound.position()
    }

    /// Writes into the data of the host's ring, at a position of its own choice.
    pub fn overwrite(&self, position: usize, bytes: &[u8]) {
        self.connection.outbound.half().put_bytes(position, bytes);
    }

    /// Signals the guest.
    pub fn signal(&self) {
        signal_guest(self.relid);
    }

    /// Whether the guest has closed the channel meanwhile.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.connection.closed.get()
    }

    /// The GPADL that describes the rings.
    #[must_use]
    pub fn ring_gpadl(&self) -> u32 {
        self.connection.gpadl
    }

    /// How long both rings are together, control pages included, in bytes.
    #[must_use]
    pub fn length(&self) -> usize {
        self.connection.view.length()
    }
}
