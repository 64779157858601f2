//! A small driver written with nothing but the library and the framework's bindings.
//!
//! The first byte of a message from the host says what the driver does with it (see [`order`]).
//! What a program would ask for by an I/O request, a test asks for by calling a function here, in
//! the driver's name.

use std::cell::Cell;
use std::mem::ManuallyDrop;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use kmcl::channel::{Channel, ChannelSlot, Context, Handler, PostStarted, Running, Unconnected};
use kmcl::gpadl::{Access, Gpadl};
use kmcl::incoming::{Disposition, External as IncomingExternal, Incoming, PendingIncoming};
use kmcl::interface::{Interface, InterfaceVersion};
use kmcl::irql::{Irql, Passive, raise};
use kmcl::mdl::{External, HostBuffer, Mdl, PageFrame};
use kmcl::packet::{Completed, Mode, OwnedPacket, Sender, Transaction};
use kmcl::pool::{InPool, PoolArc, Tag};
use kmcl::readiness::Readiness;
use kmcl::status::{Error, Status};
use kmcl::sync::{PassiveCell, SpinLock};
use wdk_sys::{
    _WDF_EXECUTION_LEVEL, _WDF_IO_TARGET_OPEN_TYPE, _WDF_SYNCHRONIZATION_SCOPE, DRIVER_OBJECT,
    GUID, INTERFACE, NTSTATUS, PCUNICODE_STRING, PWDFDEVICE_INIT, STATUS_INSUFFICIENT_RESOURCES,
    STATUS_INVALID_DEVICE_STATE, STATUS_REVISION_MISMATCH, STATUS_SUCCESS, UNICODE_STRING,
    WDF_DRIVER_CONFIG, WDF_IO_TARGET_OPEN_PARAMS, WDF_NO_HANDLE, WDF_NO_OBJECT_ATTRIBUTES,
    WDF_OBJECT_ATTRIBUTES, WDF_OBJECT_CONTEXT_TYPE_INFO, WDF_PNPPOWER_EVENT_CALLBACKS,
    WDF_POWER_DEVICE_STATE, WDFCMRESLIST, WDFDEVICE, WDFDRIVER, WDFOBJECT,
    call_unsafe_wdf_function_binding,
};
use wdk_sys_lite as wdk_sys;

const TAG: Tag = Tag::new(*b"KmTs");
/// The largest message, in bytes.
pub const MAXIMUM: usize = 256;
const HELD: usize = 16;

/// First bytes of messages from the host.
pub mod order {
    /// Complete with the message's own bytes.
    pub const ECHO: u8 = 0;
    /// Keep the packet and complete it later.
    pub const DETACH: u8 = 1;
    /// Ask for it again at `PASSIVE_LEVEL`, then complete it. The second byte is a number below 64.
    pub const DEFER: u8 = 2;
    /// Give up on the packet.
    pub const FAIL: u8 = 3;
    /// Complete with the sum of the external data's bytes.
    pub const SUM: u8 = 4;
    /// Keep the packet and drop it at once.
    pub const DROP: u8 = 5;
}

/// How the driver is set up.
#[derive(Clone, Copy, Default)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "each is one thing that a driver does or not"
)]
pub struct Options {
    pub at_passive: bool,
    pub start_paused: bool,
    pub quota: u32,
    pub gpadl_in_opened: bool,
    pub sync_in_post_started: bool,
    pub fail_opened: bool,
    pub resends: u32,
    /// How many locks are taken after a packet was given up in its completion.
    pub lingers: u32,
    /// Asks for the channel's numbers in `opened`.
    pub numbers: bool,
    /// A pipe: no completions, no external data.
    pub pipe: bool,
    pub query: Query,
    pub target: Option<Target>,
    /// What the host's answer to the first message is taken for.
    pub handshake: Handshake,
    /// How long the device waits for the handshake before it has come up, in units of 100 ns; 0 if
    /// it does not.
    pub ready_within: u64,
}

/// What the driver takes the host's answer to its first message for.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub enum Handshake {
    /// Nothing: there is no handshake.
    #[default]
    None,
    /// The end of the handshake.
    Ends,
    /// A version that the driver does not know.
    Fails,
}

/// How the interface is asked for.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub enum Query {
    #[default]
    First,
    Version(InterfaceVersion),
    /// And no further.
    Only(InterfaceVersion),
    IoTarget,
    /// And given back where that must not be done.
    Raised,
}

/// Which device the channel is for, instead of the one below.
#[derive(Clone, Copy)]
pub struct Target(pub GUID, pub Option<GUID>);

thread_local! {
    static OPTIONS: Cell<Options> = Cell::default();
    static SEEN: Cell<Numbers> = Cell::default();
    /// A machine that was stopped has taken its pool along.
    static CURRENT: ManuallyDrop<SpinLock<Option<PoolArc<Device>>>> =
        const { ManuallyDrop::new(SpinLock::new(None)) };
}

/// Sets the driver up, before it is loaded.
pub fn set_options(options: Options) {
    OPTIONS.set(options);
}

/// What the interface said that was asked for last.
pub fn seen() -> Numbers {
    SEEN.get()
}

/// The device that was added last; none once it has gone.
pub fn device(irql: &mut impl Irql) -> Option<PoolArc<Device>> {
    CURRENT.with(|current| current.with(irql, |device, _| device.clone()))
}

macro_rules! counts {
    ($($name:ident),* $(,)?) => {
        /// How often something happened.
        #[derive(Default)]
        pub struct Counts { $(pub $name: AtomicU32),* }
    };
}

counts!(
    opened,
    started,
    post_started,
    suspended,
    closed,
    received,
    presented_again,
    batches,
    batched,
    completed,
    succeeded,
    ended,
    pnp_failures,
    unmapped,
    replies,
    not_open,
    sent,
    refused,
    gone,
    sync_replies,
    gpadls,
    bad,
);

/// Adds to a count.
fn count(counter: &AtomicU32, by: u32) {
    counter.fetch_add(by, Ordering::Relaxed);
}

/// What a channel's callbacks and the driver's other code share.
pub struct State {
    pub counts: Counts,
    pub options: Options,
    sender: SpinLock<Option<Sender<Client>>>,
    gpadl: SpinLock<Option<Gpadl<Client>>>,
    held: SpinLock<[Option<PendingIncoming<Client>>; HELD]>,
    deferred: AtomicU64,
    pub numbers: SpinLock<Numbers>,
}

/// What the channel and its interface said.
#[derive(Clone, Copy, Default, Debug, PartialEq, Eq)]
pub struct Numbers {
    /// What the second change of the latency replaced.
    pub latency: u16,
    pub mmio: (u64, u64),
    pub version: u16,
    /// Size and version, at the start of the whole table.
    pub header: (u16, u16),
}

/// A device of the driver's.
pub struct Device {
    pub state: PoolArc<State>,
    channel: PassiveCell<ChannelSlot<Client>>,
}

/// The channel's handler.
pub struct Client(PoolArc<State>);

/// A message under way.
pub struct Message {
    bytes: [u8; 64],
    length: usize,
    resends: u32,
    mode: Mode,
    data: Option<Mdl>,
    /// How many bytes of `data` go with the message.
    described: u32,
    frames: [PageFrame; 2],
}

impl Message {
    fn new(bytes: &[u8], resends: u32, mode: Mode, data: Option<Mdl>) -> Self {
        let mut message = Self {
            bytes: [0; 64],
            length: bytes.len(),
            resends,
            mode,
            data,
            described: 4000,
            frames: [0; 2],
        };
        message.bytes[..bytes.len()].copy_from_slice(bytes);
        message
    }
}

impl Transaction for Message {
    fn payload(&self) -> &[u8] {
        &self.bytes[..self.length]
    }

    fn external(&self) -> Result<Option<External<'_>>, Error> {
        let Some(data) = &self.data else {
            return Ok(None);
        };
        // What the test asks for may be more than there is.
        External::new(data.as_ref(), 8, self.described).map(Some)
    }

    fn pfns(&self) -> &[PageFrame] {
        if self.frames == [0; 2] {
            &[]
        } else {
            &self.frames
        }
    }
}

impl State {
    fn try_new() -> Result<PoolArc<Self>, Error> {
        let state = Self {
            counts: Counts::default(),
            options: OPTIONS.get(),
            sender: SpinLock::new(None),
            gpadl: SpinLock::new(None),
            held: SpinLock::new([const { None }; HELD]),
            deferred: AtomicU64::new(0),
            numbers: SpinLock::new(Numbers::default()),
        };
        PoolArc::try_new(state, TAG).map_err(|_| Error::NoMemory)
    }

    pub fn sender(&self, irql: &mut impl Irql) -> Option<Sender<Client>> {
        self.sender.with(irql, |sender, _| sender.clone())
    }

    /// Keeps a packet; false if there is no room.
    fn hold(
        &self,
        packet: PendingIncoming<Client>,
        irql: &mut impl Irql,
    ) -> Option<PendingIncoming<Client>> {
        self.held.with(irql, |held, _| {
            match held.iter_mut().find(|place| place.is_none()) {
                Some(place) => place.replace(packet),
                None => Some(packet),
            }
        })
    }

    /// Completes one packet that was kept.
    pub fn complete_held(&self, irql: &mut impl Irql) -> bool {
        let packet = self
            .held
            .with(irql, |held, _| held.iter_mut().find_map(Option::take));
        let some = packet.is_some();
        if let Some(packet) = packet {
            packet.complete(b"held....");
        }
        some
    }

    /// Sends a packet, and counts what became of it.
    fn launch(&self, packet: OwnedPacket<Client>) -> Result<(), Error> {
        let mode = packet.context().mode;
        match packet.send(mode) {
            Ok(()) => {
                count(&self.counts.sent, 1);
                Ok(())
            }
            Err(failed) => {
                count(&self.counts.refused, 1);
                if failed.packet.is_none() {
                    count(&self.counts.gone, 1);
                }
                if failed.error == Error::NotOpen {
                    count(&self.counts.not_open, 1);
                }
                Err(failed.error)
            }
        }
    }

    /// Sends a message.
    pub fn send(
        &self,
        bytes: &[u8],
        mode: Mode,
        how: How,
        irql: &mut impl Irql,
    ) -> Result<(), Error> {
        let sender = self.sender(irql).ok_or(Error::NotOpen)?;
        let data = if matches!(how, How::External | How::TooMuchExternal) {
            let mut buffer = HostBuffer::try_new(4096, TAG)?;
            buffer.write(8, &[3; 100]);
            Some(Mdl::try_new(buffer)?)
        } else {
            None
        };
        let mut message = Message::new(bytes, self.options.resends, mode, data);
        if how == How::TooMuchExternal {
            message.described = 4096;
        }
        let packet = match how {
            How::InPlace => sender.transaction_in_place(message),
            How::Allocated | How::External | How::TooMuchExternal => sender.transaction(message),
        };
        self.launch(packet?)
    }

    /// Takes so many packets at once, and gives them back.
    pub fn allocate_and_free(&self, count: usize, irql: &mut impl Irql) {
        let sender = self.sender(irql).expect("the channel is open");
        let packet = |_| {
            sender
                .transaction(Message::new(&[0], 0, Mode::Notify, None))
                .ok()
        };
        let packets: Vec<_> = (0..count).map(packet).collect();
        assert!(packets.iter().all(Option::is_some));
    }

    /// Sends a message with whole pages of the caller's, who keeps them until it is completed.
    pub fn send_frames(&self, frames: [PageFrame; 2], irql: &mut impl Irql) -> Result<(), Error> {
        let sender = self.sender(irql).ok_or(Error::NotOpen)?;
        let packet = sender.transaction_with(|| Message {
            frames,
            ..Message::new(b"pages", 0, Mode::Transact, None)
        })?;
        // SAFETY: the pages are the test's.
        unsafe { packet.send_with_pfns() }.map_err(|failed| {
            assert!(format!("{failed:?}").starts_with("SendError"));
            failed.error
        })
    }

    /// Sends a message with KMCL's own completion.
    pub fn send_copied(&self, bytes: &[u8], irql: &mut Passive<'_>) -> Result<(), Error> {
        let sender = self.sender(irql).ok_or(Error::NotOpen)?;
        Ok(sender.packet()?.send_copied(bytes, irql)?)
    }

    /// Makes a GPADL and keeps it in place of the one before.
    fn make_gpadl(
        &self,
        sender: &Sender<Client>,
        by_mdl: bool,
        irql: &mut impl kmcl::irql::AtPassive,
    ) -> Result<u32, Error> {
        let mut buffer = HostBuffer::try_new(5000, TAG)?;
        buffer.write(4090, b"across the pages");
        let gpadl = if by_mdl {
            let mdl = Mdl::try_new(buffer)?;
            sender.create_gpadl_from_mdl(mdl, Access::ReadOnly, irql)
        } else {
            sender.create_gpadl(buffer, Access::ReadWrite, irql)
        }?;
        count(&self.counts.gpadls, 1);
        let id = gpadl.id();
        let old = self.gpadl.with(irql, |kept, _| kept.replace(gpadl));
        if let Some(old) = old {
            old.delete(irql);
        }
        id
    }

    /// As above, for the channel that is open.
    pub fn create_gpadl(&self, by_mdl: bool, irql: &mut Passive<'_>) -> Result<u32, Error> {
        let sender = self.sender(irql).ok_or(Error::NotOpen)?;
        self.make_gpadl(&sender, by_mdl, irql)
    }

    /// Takes the GPADL back; what the host has written at its start.
    pub fn delete_gpadl(&self, irql: &mut Passive<'_>) -> Option<u64> {
        let gpadl = self.gpadl.with(irql, |kept, _| kept.take())?;
        let value = gpadl.buffer().view().read::<u64>(0);
        gpadl.delete(irql);
        value
    }
}

/// How a message is sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum How {
    Allocated,
    InPlace,
    External,
    /// With more external data than there is memory, which cannot be described.
    TooMuchExternal,
}

impl Handler for Client {
    type Transaction = Message;

    fn opened(&self, cx: &mut Context<'_, Self>) -> Result<(), Status> {
        let state = &self.0;
        count(&state.counts.opened, 1);
        let sender = cx.sender();
        if sender.packet().is_ok_and(|packet| {
            packet
                .send_static(b"too early")
                .is_err_and(|failed| failed.error != Error::NotOpen)
        }) {
            count(&state.counts.bad, 1);
        }
        if state.options.numbers {
            let old = cx
                .set_interrupt_latency(300)
                .and_then(|_| cx.set_interrupt_latency(500))?;
            let mmio = cx.mmio_space();
            state.numbers.with(cx.irql(), |numbers, _| {
                (numbers.latency, numbers.mmio) = (old, mmio);
            });
        }
        if state.options.gpadl_in_opened {
            state
                .make_gpadl(&sender, false, cx.irql())
                .map_err(Error::status)?;
        }
        if state.options.fail_opened {
            drop(state.gpadl.with(cx.irql(), |kept, _| kept.take()));
            return Err(Status(STATUS_INSUFFICIENT_RESOURCES));
        }
        state.sender.with(cx.irql(), |kept, _| *kept = Some(sender));
        Ok(())
    }

    fn started(&self, cx: &mut Context<'_, Self>) {
        let state = &self.0;
        count(&state.counts.started, 1);
        if !state.options.pipe {
            let _ = state.send(b"\0started", Mode::Transact, How::Allocated, cx.irql());
        }
    }

    fn post_started(&self, cx: &mut PostStarted<'_, Self>) {
        let state = &self.0;
        if state.options.sync_in_post_started {
            let mut reply = [0; 32];
            let sender = cx.sender();
            if let Ok(length) = sender.sync_request(b"\0a question", &mut reply, None, cx.irql()) {
                if !reply
                    .get(..length)
                    .is_some_and(|reply| reply.starts_with(b"\0a question"))
                {
                    count(&state.counts.bad, 1);
                }
                count(&state.counts.sync_replies, 1);
            }
        }
        count(&state.counts.post_started, 1);
    }

    fn suspended(&self, cx: &mut Context<'_, Self>) {
        let state = &self.0;
        count(&state.counts.suspended, 1);
        while state.complete_held(cx.irql()) {}
        // The way out is closed.
        if state.send(b"\0too late", Mode::Notify, How::Allocated, cx.irql()) == Ok(()) {
            count(&state.counts.bad, 1);
        }
    }

    fn closed(&self, cx: &mut Context<'_, Self>) {
        let state = &self.0;
        count(&state.counts.closed, 1);
        let gpadl = state.gpadl.with(cx.irql(), |kept, _| kept.take());
        // Dropped without being deleted: the library does that.
        drop(gpadl);
        state.sender.with(cx.irql(), |kept, _| *kept = None);
    }

    fn process_packet<'c>(
        &self,
        cx: &mut Running<'c, Self>,
        packet: Incoming<'c, Self>,
    ) -> Disposition<'c> {
        let state = &self.0;
        let mut bytes = [0; MAXIMUM];
        let length = packet.payload().copy_to(&mut bytes);
        let bytes = bytes.get(..length).unwrap_or_default();
        match bytes {
            [order::DETACH, ..] => {
                count(&state.counts.received, 1);
                let (pending, disposition) = packet.detach();
                if let Some(pending) = pending {
                    // Without room it is dropped, which completes it.
                    drop(state.hold(pending, cx.irql()));
                }
                disposition
            }
            [order::DROP, ..] => {
                count(&state.counts.received, 1);
                let (pending, disposition) = packet.detach();
                drop(pending);
                disposition
            }
            [order::DEFER, number, ..] => {
                let bit = 1_u64.wrapping_shl(u32::from(*number));
                if state.deferred.fetch_xor(bit, Ordering::AcqRel) & bit == 0 {
                    packet.defer_to_passive()
                } else {
                    count(&state.counts.received, 1);
                    count(&state.counts.presented_again, 1);
                    packet.complete(b"deferred")
                }
            }
            [order::FAIL, ..] => packet.fail(),
            [order::SUM, ..] if !packet.has_external_data() => match packet.external_data(true) {
                IncomingExternal::Failed(packet, _) => packet.complete(b"no data."),
                IncomingExternal::Pending(disposition) => disposition,
                IncomingExternal::Ready(data) => data.into_packet().complete(b"data!..."),
            },
            [order::SUM, ..] => match packet.external_data(true) {
                IncomingExternal::Ready(mut data) => {
                    count(&state.counts.received, 1);
                    let mut sum = 0_u64;
                    let mapped = data.for_each_part(|part| {
                        let mut reader = part.reader();
                        while let Some(byte) = reader.read::<u8>() {
                            sum = sum.wrapping_add(u64::from(byte));
                        }
                    });
                    if mapped.is_err() {
                        count(&state.counts.unmapped, 1);
                        sum = u64::MAX;
                    }
                    data.into_packet().complete(&sum.to_le_bytes())
                }
                IncomingExternal::Pending(disposition) => disposition,
                IncomingExternal::Failed(packet, _) => packet.complete(b"refused."),
            },
            bytes => {
                count(&state.counts.received, 1);
                packet.complete(bytes)
            }
        }
    }

    fn processing_complete(&self, _cx: &mut Running<'_, Self>, packets: u32) {
        count(&self.0.counts.batches, 1);
        count(&self.0.counts.batched, packets);
    }

    fn pnp_failure(&self, _cx: &mut Unconnected<'_, Self>, status: Status) {
        count(&self.0.counts.pnp_failures, u32::from(!status.is_success()));
    }

    fn completed(&self, cx: &mut Running<'_, Self>, mut done: Completed<'_, Self>) {
        let state = &self.0;
        count(&state.counts.completed, 1);
        if !done.status().is_success() {
            return;
        }
        count(&state.counts.succeeded, 1);
        match state.options.handshake {
            Handshake::None => {}
            Handshake::Ends => cx.set_ready(),
            Handshake::Fails => cx.set_failed(Status(STATUS_REVISION_MISMATCH)),
        }
        if done.context().mode == Mode::Transact {
            // An echo, rounded up to 8 bytes.
            let (echo, sent) = done.reply_and_context();
            let mut reply = [0; 64];
            let length = echo.copy_to(&mut reply);
            if length == sent.length.next_multiple_of(8) && reply.starts_with(sent.payload()) {
                count(&state.counts.replies, 1);
            } else {
                count(&state.counts.bad, 1);
            }
        }
        if done.context().resends > 0 {
            done.context_mut().resends -= 1;
            let _ = state.launch(done.into_packet());
        } else if done.context().length.is_multiple_of(2) {
            drop(done);
        } else {
            // The packet is freed; what went with it is the driver's again.
            drop(done.into_context());
        }
        // Other processors go on while this one takes locks; the handler is there all the same.
        for _ in 0..state.options.lingers {
            self.0.sender.with(cx.irql(), |_, _| ());
        }
        count(&self.0.counts.ended, 1);
    }
}

impl Device {
    fn try_new() -> Result<PoolArc<Self>, Error> {
        let device = Self {
            state: State::try_new()?,
            channel: PassiveCell::try_new(ChannelSlot::Empty, TAG)?,
        };
        PoolArc::try_new(device, TAG).map_err(|_| Error::NoMemory)
    }

    /// # Safety
    ///
    /// `device` is a valid function device object.
    unsafe fn prepare(&self, device: WDFDEVICE, irql: &mut Passive<'_>) -> Result<(), Error> {
        static NAME: [u16; 2] = [0x6B, 0x6D];
        let options = self.state.options;
        // SAFETY: the device is valid, and its physical device object stays until after `release`.
        let (interface, parent) = unsafe {
            (
                match options.query {
                    Query::First | Query::Raised => Interface::query(device, irql),
                    Query::Version(version) | Query::Only(version) => {
                        Interface::query_version(device, version, irql)
                    }
                    Query::IoTarget => query_io_target(device, irql),
                }?,
                call_unsafe_wdf_function_binding!(WdfDeviceWdmGetPhysicalDevice, device),
            )
        };
        // SAFETY: every version begins with an `INTERFACE`.
        let header = unsafe { interface.as_ptr().cast::<INTERFACE>().read() };
        let numbers = Numbers {
            version: interface.version(),
            header: (header.Size, header.Version),
            ..Numbers::default()
        };
        self.state.numbers.with(irql, |kept, _| *kept = numbers);
        SEEN.set(numbers);
        if options.query == Query::Raised {
            raise(irql, |_| drop(interface));
            return Err(Error::NotOpen);
        }
        if matches!(options.query, Query::Only(_)) {
            return Err(Error::NotOpen);
        }
        // SAFETY: as above.
        let mut config = unsafe { interface.channel(parent, Client(self.state.clone()), irql) }?;
        // KMCL is never told of a 0.
        let zeros = [
            config.maximum_packet_size(0, irql).err(),
            config.maximum_external_data(0, 1, irql).err(),
            config.maximum_external_data(1, 0, irql).err(),
            config.ring_pages(0, 1, irql).err(),
            config.ring_pages(1, 0, irql).err(),
            config.transaction_quota(0).err(),
        ];
        if zeros
            .iter()
            .any(|refused| *refused != Some(Error::InvalidLength))
        {
            count(&self.state.counts.bad, 1);
        }
        config
            .maximum_packet_size(256, irql)?
            .maximum_external_data(65536, 4, irql)?
            .ring_pages(4, 4, irql)?
            .client_context_size(16, irql)?
            .friendly_name(&NAME, irql)?
            .incoming_at_passive(options.at_passive, irql);
        if options.quota > 0 {
            config.transaction_quota(options.quota)?;
        }
        if options.pipe {
            config.pipe(irql)?;
        }
        if let Some(Target(interface_type, instance)) = options.target {
            config.target_pnp(interface_type, instance, irql)?;
        }
        if options.start_paused {
            config.start_paused(irql);
        }
        self.channel
            .with(irql, |slot, _| *slot = ChannelSlot::Configured(config))
    }

    /// Drops the channel, in whichever state it is.
    pub fn release(&self, irql: &mut Passive<'_>) {
        self.channel
            .with(irql, |slot, _| *slot = ChannelSlot::Empty)
            .expect("nothing is nested");
    }

    /// Enables the channel, for the first time or again.
    pub fn enable(&self, irql: &mut Passive<'_>) -> Result<(), Error> {
        self.channel.with(irql, ChannelSlot::enable)?
    }

    /// What the device does when it comes up.
    fn power_up(&self, irql: &mut Passive<'_>) -> Result<(), Error> {
        self.channel.with(irql, |slot, irql| {
            slot.enable(irql)?;
            let within = self.state.options.ready_within;
            if within == 0 {
                return Ok(());
            }
            let readiness = slot.wait_ready(Some(within), irql);
            if readiness != Readiness::Ready {
                slot.disable(irql);
            }
            readiness.check()
        })?
    }

    /// Waits for the channel: until it has started, or until the handshake is over.
    pub fn wait(&self, ready: bool, timeout: Option<u64>, irql: &mut Passive<'_>) -> Readiness {
        self.channel
            .with(irql, |slot, irql| {
                if ready {
                    slot.wait_ready(timeout, irql)
                } else {
                    slot.wait_started(timeout, irql)
                }
            })
            .expect("nothing is nested")
    }

    /// Disables the channel, if it is enabled.
    pub fn disable(&self, irql: &mut Passive<'_>) {
        self.channel
            .with(irql, ChannelSlot::disable)
            .expect("nothing is nested");
    }

    /// Takes the channel out of the device.
    pub fn take_channel(&self, irql: &mut Passive<'_>) -> ChannelSlot<Client> {
        self.channel
            .with(irql, |slot, _| std::mem::take(slot))
            .expect("nothing is nested")
    }

    /// Does something with the enabled channel.
    pub fn with_channel<R>(
        &self,
        irql: &mut Passive<'_>,
        run: impl FnOnce(&Channel<Client>, &mut Passive<'_>) -> R,
    ) -> Option<R> {
        self.channel
            .with(irql, |slot, irql| {
                slot.enabled().map(|channel| run(channel, irql))
            })
            .expect("nothing is nested")
    }
}

// ---- the framework's side ----

/// Asks the bus driver's own device for the interface.
///
/// # Safety
///
/// `device` is a device of this driver's.
unsafe fn query_io_target(device: WDFDEVICE, irql: &mut Passive<'_>) -> Result<Interface, Error> {
    let mut name: Vec<u16> = r"\Device\VMBus\kmcl_interface".encode_utf16().collect();
    let bytes = u16::try_from(size_of_val(name.as_slice())).unwrap_or_default();
    let mut params = WDF_IO_TARGET_OPEN_PARAMS {
        Size: size_of_config::<WDF_IO_TARGET_OPEN_PARAMS>(),
        Type: _WDF_IO_TARGET_OPEN_TYPE::WdfIoTargetOpenByName,
        TargetDeviceName: UNICODE_STRING {
            Length: bytes,
            MaximumLength: bytes,
            Buffer: name.as_mut_ptr(),
        },
        ..WDF_IO_TARGET_OPEN_PARAMS::default()
    };
    let mut target = std::ptr::null_mut();
    // SAFETY: the device is valid; the structures are local; the target is open when it is asked.
    unsafe {
        let status = call_unsafe_wdf_function_binding!(
            WdfIoTargetCreate,
            device,
            WDF_NO_OBJECT_ATTRIBUTES,
            &raw mut target
        );
        if status < 0 {
            return Err(Status(status).into());
        }
        let status = call_unsafe_wdf_function_binding!(WdfIoTargetOpen, target, &raw mut params);
        if status < 0 {
            return Err(Status(status).into());
        }
        let interface = Interface::query_io_target(target, irql);
        call_unsafe_wdf_function_binding!(WdfIoTargetClose, target);
        interface
    }
}

#[allow(
    clippy::cast_possible_truncation,
    reason = "the framework's structures are small"
)]
const fn size_of_config<T>() -> u32 {
    size_of::<T>() as u32
}

struct ContextType(WDF_OBJECT_CONTEXT_TYPE_INFO);
// SAFETY: its pointers lead to constants.
unsafe impl Sync for ContextType {}

static CONTEXT_TYPE: ContextType = ContextType(WDF_OBJECT_CONTEXT_TYPE_INFO {
    Size: size_of_config::<WDF_OBJECT_CONTEXT_TYPE_INFO>(),
    ContextName: c"Device".as_ptr(),
    ContextSize: size_of::<PoolArc<Device>>(),
    UniqueType: (&raw const CONTEXT_TYPE).cast(),
    EvtDriverGetUniqueContextType: None,
});

/// # Safety
///
/// `object` is a device of this driver's.
unsafe fn context(object: WDFOBJECT) -> *mut PoolArc<Device> {
    // SAFETY: the object is valid, and has a context of this type.
    unsafe {
        call_unsafe_wdf_function_binding!(
            WdfObjectGetTypedContextWorker,
            object,
            &raw const CONTEXT_TYPE.0
        )
    }
    .cast()
}

const fn status_of(result: Result<(), Error>) -> NTSTATUS {
    match result {
        Ok(()) => STATUS_SUCCESS,
        Err(error) => error.status().0,
    }
}

unsafe extern "C" fn prepare_hardware(
    device: WDFDEVICE,
    _raw: WDFCMRESLIST,
    _translated: WDFCMRESLIST,
) -> NTSTATUS {
    // SAFETY: the framework calls this with a device of this driver's, at PASSIVE_LEVEL.
    status_of(unsafe { (*context(device.cast())).prepare(device, &mut Passive::assume()) })
}

unsafe extern "C" fn release_hardware(device: WDFDEVICE, _translated: WDFCMRESLIST) -> NTSTATUS {
    // SAFETY: as above.
    unsafe { (*context(device.cast())).release(&mut Passive::assume()) };
    STATUS_SUCCESS
}

unsafe extern "C" fn d0_entry(device: WDFDEVICE, _previous: WDF_POWER_DEVICE_STATE) -> NTSTATUS {
    // SAFETY: as above.
    status_of(unsafe { (*context(device.cast())).power_up(&mut Passive::assume()) })
}

unsafe extern "C" fn d0_exit(device: WDFDEVICE, _target: WDF_POWER_DEVICE_STATE) -> NTSTATUS {
    // SAFETY: as above.
    unsafe { (*context(device.cast())).disable(&mut Passive::assume()) };
    STATUS_SUCCESS
}

unsafe extern "C" fn cleanup(object: WDFOBJECT) {
    // SAFETY: PASSIVE_LEVEL, at which a device is cleaned up; its value was put there when it was
    // made, and this is called once, last.
    unsafe {
        let mut irql = Passive::assume();
        let device = CURRENT.with(|current| current.with(&mut irql, |device, _| device.take()));
        drop(device);
        context(object).drop_in_place();
    }
}

unsafe extern "C" fn device_add(_driver: WDFDRIVER, mut init: PWDFDEVICE_INIT) -> NTSTATUS {
    let device = match Device::try_new() {
        Ok(device) => device,
        Err(error) => return error.status().0,
    };
    let mut callbacks = WDF_PNPPOWER_EVENT_CALLBACKS {
        Size: size_of_config::<WDF_PNPPOWER_EVENT_CALLBACKS>(),
        EvtDevicePrepareHardware: Some(prepare_hardware),
        EvtDeviceReleaseHardware: Some(release_hardware),
        EvtDeviceD0Entry: Some(d0_entry),
        EvtDeviceD0Exit: Some(d0_exit),
        ..WDF_PNPPOWER_EVENT_CALLBACKS::default()
    };
    let mut attributes = WDF_OBJECT_ATTRIBUTES {
        Size: size_of_config::<WDF_OBJECT_ATTRIBUTES>(),
        ExecutionLevel: _WDF_EXECUTION_LEVEL::WdfExecutionLevelInheritFromParent,
        SynchronizationScope: _WDF_SYNCHRONIZATION_SCOPE::WdfSynchronizationScopeInheritFromParent,
        ContextTypeInfo: &raw const CONTEXT_TYPE.0,
        EvtCleanupCallback: Some(cleanup),
        ..WDF_OBJECT_ATTRIBUTES::default()
    };
    let mut handle: WDFDEVICE = std::ptr::null_mut();
    // SAFETY: PASSIVE_LEVEL in EvtDriverDeviceAdd, with the framework's own `init`; the context is
    // written once, before any other callback.
    unsafe {
        call_unsafe_wdf_function_binding!(
            WdfDeviceInitSetPnpPowerEventCallbacks,
            init,
            &raw mut callbacks
        );
        let status = call_unsafe_wdf_function_binding!(
            WdfDeviceCreate,
            &raw mut init,
            &raw mut attributes,
            &raw mut handle
        );
        if status < 0 {
            return status;
        }
        let place = context(handle.cast());
        if place.is_null() {
            return STATUS_INVALID_DEVICE_STATE;
        }
        let mut irql = Passive::assume();
        let current = device.clone();
        CURRENT.with(|place| place.with(&mut irql, |place, _| *place = Some(current)));
        place.write(device);
    }
    STATUS_SUCCESS
}

/// `DriverEntry`.
pub unsafe extern "system" fn driver_entry(
    driver: *mut DRIVER_OBJECT,
    registry_path: PCUNICODE_STRING,
) -> NTSTATUS {
    let mut config = WDF_DRIVER_CONFIG {
        Size: size_of_config::<WDF_DRIVER_CONFIG>(),
        EvtDriverDeviceAdd: Some(device_add),
        DriverPoolTag: u32::from_le_bytes(*b"KmTs"),
        ..WDF_DRIVER_CONFIG::default()
    };
    // SAFETY: the arguments are DriverEntry's, at PASSIVE_LEVEL.
    unsafe {
        call_unsafe_wdf_function_binding!(
            WdfDriverCreate,
            driver,
            registry_path,
            WDF_NO_OBJECT_ATTRIBUTES,
            &raw mut config,
            WDF_NO_HANDLE.cast(),
        )
    }
}
