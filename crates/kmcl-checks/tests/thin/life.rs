//! What drivers do with a channel, each way that KMCL may take.

use std::ptr::null_mut;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use kmcl::channel::{Channel, ChannelConfig, Context, Handler, PostStarted, Running, Unconnected};
use kmcl::gpadl::{Access, Gpadl};
use kmcl::incoming::{Disposition, External, Incoming, PendingIncoming};
use kmcl::interface::{Interface, InterfaceVersion};
use kmcl::irql::{Dispatch, Passive};
use kmcl::mdl::{self, HostBuffer, Mdl};
use kmcl::packet::{Completed, Mode, OwnedPacket, Sender, Transaction};
use kmcl::pool::{InPool, PoolArc, PoolBox, Tag};
use kmcl::status::{Error, Status};
use kmcl::sync::{Confined, Event, EventKind, PassiveCell, Rundown, SpinLock};
use wdk_sys_lite::GUID;

use crate::channel::{Host, How};
use crate::kernel::provide_framework;

const TAG: Tag = Tag::new(*b"Thin");

/// The witness of a test's thread.
fn passive<'a>() -> Passive<'a> {
    // SAFETY: the thread is the test's own, and the mock's callbacks make their own.
    unsafe { Passive::assume() }
}

/// What the handler does with a packet that is back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Back {
    /// Drops it.
    Drops,
    /// Sends it once more.
    Resends,
    /// Keeps it for somebody else.
    Keeps,
    /// Keeps what was in it.
    TakesContext,
}

struct Message {
    text: [u8; 24],
    data: Option<Mdl>,
    resends: u32,
    _counted: Counted,
}

impl Transaction for Message {
    fn payload(&self) -> &[u8] {
        &self.text
    }

    fn external(&self) -> Result<Option<mdl::External<'_>>, Error> {
        self.data
            .as_ref()
            .map(|data| mdl::External::new(data.as_ref(), 8, 100))
            .transpose()
    }
}

/// Counts the messages that there are.
struct Counted(Arc<AtomicU32>);

impl Counted {
    fn new(count: &Arc<AtomicU32>) -> Self {
        count.fetch_add(1, Ordering::AcqRel);
        Self(Arc::clone(count))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// What the tests and the handler share.
struct Shared {
    back: Mutex<Back>,
    sender: SpinLock<Option<Sender<Driver>>>,
    kept: SpinLock<Vec<OwnedPacket<Driver>>>,
    pending: SpinLock<Vec<PendingIncoming<Driver>>>,
    gpadl: SpinLock<Option<Gpadl<Driver>>>,
    messages: Arc<AtomicU32>,
    sum: AtomicU32,
    pnp_failures: AtomicU32,
}

struct Driver(Arc<Shared>);

impl Handler for Driver {
    type Transaction = Message;

    fn opened(&self, cx: &mut Context<'_, Self>) -> Result<(), Status> {
        let sender = cx.sender();
        let mut buffer = HostBuffer::try_new(100, TAG)?;
        buffer.write(3, b"hello");
        let gpadl = sender.create_gpadl(buffer, Access::ReadWrite, cx.irql())?;
        self.0.gpadl.with(cx.irql(), |kept, _| *kept = Some(gpadl));
        // This one is the channel's until it closes.
        let mdl = Mdl::try_new(HostBuffer::try_new(1, TAG)?)?;
        drop(sender.create_gpadl_from_mdl(mdl, Access::ReadOnly, cx.irql())?);
        self.0
            .sender
            .with(cx.irql(), |kept, _| *kept = Some(sender));
        Ok(())
    }

    fn post_started(&self, cx: &mut PostStarted<'_, Self>) {
        let sender = cx.sender();
        let mut reply = [0; 16];
        let length = sender.sync_request(b"hello", &mut reply, None, cx.irql());
        assert_eq!((length, reply[0]), (Ok(8), 42));
        let packet = sender.packet().expect("a packet");
        drop(packet);
        cx.set_ready();
    }

    fn suspended(&self, cx: &mut Context<'_, Self>) {
        for packet in self
            .0
            .pending
            .with(cx.irql(), |pending, _| std::mem::take(pending))
        {
            packet.complete(b"late");
        }
    }

    fn closed(&self, cx: &mut Context<'_, Self>) {
        let gpadl = self.0.gpadl.with(cx.irql(), |kept, _| kept.take());
        if let Some(mut gpadl) = gpadl {
            gpadl.buffer_mut().write(0, b"bye");
            assert_eq!(gpadl.buffer().view().read::<[u8; 3]>(0), Some(*b"bye"));
            gpadl.delete(cx.irql());
        }
        drop(self.0.kept.with(cx.irql(), |kept, _| std::mem::take(kept)));
    }

    fn process_packet<'c>(
        &self,
        cx: &mut Running<'c, Self>,
        packet: Incoming<'c, Self>,
    ) -> Disposition<'c> {
        match packet.payload().read::<u64>(0) {
            Some(0) => packet.complete(&[1, 2, 3]),
            Some(1) => {
                let (pending, disposition) = packet.detach();
                self.0
                    .pending
                    .with(cx.irql(), |kept, _| kept.extend(pending));
                disposition
            }
            _ => match packet.external_data(true) {
                External::Ready(mut data) => {
                    let shown = data.for_each_part(|part| {
                        let byte = part.read::<u8>(31).expect("32 bytes");
                        self.0.sum.fetch_add(u32::from(byte) + 1, Ordering::AcqRel);
                    });
                    assert_eq!(shown, Ok(()));
                    // It is to be had once.
                    match data.into_packet().external_data(true) {
                        External::Failed(packet, Error::InvalidLength) => packet.complete(b"data"),
                        _ => panic!("fetched twice"),
                    }
                }
                External::Pending(disposition) => disposition,
                External::Failed(packet, _) => packet.complete(&[]),
            },
        }
    }

    fn processing_complete(&self, cx: &mut Running<'_, Self>, packets: u32) {
        let _ = (cx.sender(), packets);
    }

    fn completed(&self, cx: &mut Running<'_, Self>, mut done: Completed<'_, Self>) {
        let (reply, context) = done.reply_and_context();
        assert_eq!(reply.read::<u64>(8), Some(8));
        context.text[0] = 1;
        let back = *self.0.back.lock().expect("no panic");
        match back {
            Back::Drops => drop(done),
            Back::TakesContext => drop(done.into_context()),
            Back::Keeps => {
                let packet = done.into_packet();
                self.0.kept.with(cx.irql(), |kept, _| kept.push(packet));
            }
            Back::Resends => {
                let again = done.context_mut().resends.checked_sub(1);
                if let Some(left) = again {
                    done.context_mut().resends = left;
                    let _ = done.into_packet().send(Mode::Notify);
                }
            }
        }
        // The handler is there all the same.
        self.0.sum.load(Ordering::Acquire);
    }

    fn pnp_failure(&self, cx: &mut Unconnected<'_, Self>, status: Status) {
        self.0.sender.with(cx.irql(), |_, _| ());
        self.0
            .pnp_failures
            .fetch_add(u32::from(!status.is_success()), Ordering::AcqRel);
    }
}

fn configure(version: InterfaceVersion) -> (ChannelConfig<Driver>, Host, Arc<Shared>) {
    provide_framework();
    let irql = &mut passive();
    // SAFETY: the thin framework takes any device.
    let interface = unsafe { Interface::query_version(null_mut(), version, irql) };
    let interface = interface.expect("an interface");
    assert_eq!(interface.version(), version.version);
    let shared = Arc::new(Shared {
        back: Mutex::new(Back::Drops),
        sender: SpinLock::new(None),
        kept: SpinLock::new(Vec::new()),
        pending: SpinLock::new(Vec::new()),
        gpadl: SpinLock::new(None),
        messages: Arc::default(),
        sum: AtomicU32::new(0),
        pnp_failures: AtomicU32::new(0),
    });
    // SAFETY: the thin KMCL takes any device.
    let config = unsafe { interface.channel(null_mut(), Driver(Arc::clone(&shared)), irql) };
    let mut config = config.expect("a channel");
    let guid = GUID::default();
    config.maximum_packet_size(4096, irql).expect("a size");
    config.target_pnp(guid, Some(guid), irql).expect("a target");
    (config, Host::of_last_channel(), shared)
}

fn open() -> (Channel<Driver>, Host, Arc<Shared>) {
    let (config, host, shared) = configure(InterfaceVersion::V1);
    let Ok(channel) = config.enable(&mut passive()) else {
        panic!("the channel cannot be enabled");
    };
    (channel, host, shared)
}

impl Shared {
    fn sender(&self) -> Sender<Driver> {
        let sender = self.sender.with(&mut passive(), |sender, _| sender.clone());
        sender.expect("the channel has been opened")
    }

    fn message(&self, data: bool) -> Message {
        let data = data.then(|| {
            let buffer = HostBuffer::try_new(1, TAG).expect("memory");
            Mdl::try_new(buffer).expect("memory")
        });
        Message {
            text: [5; 24],
            data,
            resends: 2,
            _counted: Counted::new(&self.messages),
        }
    }

    /// Nothing is left but what a sender that outlives its channel may keep.
    fn assert_empty(&self) {
        assert_eq!(self.messages.load(Ordering::Acquire), 0, "a message leaks");
        self.sender.with(&mut passive(), |sender, _| sender.take());
    }
}

#[test]
fn a_channel_lives_twice_and_its_sender_outlives_it() {
    for version in [
        InterfaceVersion::V1,
        InterfaceVersion {
            version: 2,
            size: 400,
        },
    ] {
        let irql = &mut passive();
        let (config, host, shared) = configure(version);
        host.pnp_failure();
        assert_eq!(shared.pnp_failures.load(Ordering::Acquire), 1);
        let channel = config
            .enable(irql)
            .map_err(|(error, _)| error)
            .expect("enabled");
        assert_eq!(host.gpadls(), 2);
        let closed = channel.disable(irql);
        assert_eq!(host.gpadls(), 0);
        assert_eq!(
            shared.sender().packet().map(drop).err(),
            None,
            "a packet may be had while the channel is closed"
        );
        let channel = closed
            .enable(irql)
            .map_err(|(error, _)| error)
            .expect("enabled");
        let sender = shared.sender();
        drop(channel);
        assert_eq!(sender.packet().map(drop), Err(Error::NotOpen));
        shared.assert_empty();
        drop(sender);
    }
}

#[test]
fn packets_come_back_in_each_way_and_whatever_the_handler_does_with_them() {
    for how in How::ALL {
        for back in [Back::Drops, Back::TakesContext, Back::Keeps, Back::Resends] {
            for (in_place, data) in [(false, false), (true, false), (false, true)] {
                let (channel, host, shared) = open();
                *shared.back.lock().expect("no panic") = back;
                host.sends(how);
                let sender = shared.sender();
                for _ in 0..2 {
                    let message = shared.message(data);
                    let packet = if in_place {
                        sender.transaction_in_place(message)
                    } else {
                        sender.transaction(message)
                    };
                    let packet = packet.map_err(|(error, _)| error).expect("a packet");
                    match packet.send(Mode::Transact) {
                        Ok(()) => assert!(matches!(how, How::Inline | How::Late | How::Elsewhere)),
                        Err(failed) => {
                            // One of both has it, never both.
                            assert_eq!(failed.packet.is_some(), how == How::Fails, "{how:?}");
                            drop(failed.into_context());
                        }
                    }
                    host.complete();
                }
                host.join();
                drop(sender);
                drop(channel);
                shared.assert_empty();
            }
        }
    }
}

#[test]
fn a_channel_ends_while_its_packets_are_on_their_way() {
    for how in [How::Late, How::Elsewhere] {
        let (channel, host, shared) = open();
        host.sends(how);
        let sender = shared.sender();
        let senders: Vec<_> = (0..2)
            .map(|_| {
                let (sender, shared) = (sender.clone(), Arc::clone(&shared));
                thread::spawn(move || {
                    for _ in 0..3 {
                        let message = shared.message(false);
                        let Ok(packet) = sender.transaction(message) else {
                            return;
                        };
                        let _ = packet.send(Mode::Transact);
                    }
                })
            })
            .collect();
        drop(channel);
        for sender in senders {
            sender.join().expect("no panic");
        }
        shared.assert_empty();
    }
}

#[test]
fn received_packets_are_completed_in_the_callback_and_elsewhere_while_the_channel_ends() {
    let (channel, host, shared) = open();
    for kind in [0, 1, 2, 1] {
        host.deliver(&[kind, 9], if kind == 2 { 3 } else { 0 });
    }
    host.batch(4);
    assert_eq!(shared.sum.load(Ordering::Acquire), 1 + 2 + 3);
    let taken = shared
        .pending
        .with(&mut passive(), |pending, _| pending.pop());
    let other = thread::spawn(move || {
        for _ in 0..5 {
            thread::yield_now();
        }
        taken.expect("a packet").complete(b"from elsewhere");
    });
    drop(channel);
    other.join().expect("no panic");
    shared.assert_empty();
}

#[test]
fn a_request_whose_time_has_run_out_leaves_its_buffers_until_the_channel_is_disabled() {
    let irql = &mut passive();
    let (channel, host, shared) = open();
    let sender = shared.sender();
    host.answers(false);
    {
        let payload = [1; 40];
        let mut reply = [0; 8];
        let limit = std::num::NonZeroU64::new(1);
        let request = sender.sync_request(&payload, &mut reply, limit, irql);
        assert!(request.is_err());
        let buffer = HostBuffer::try_new(1, TAG).expect("memory");
        let data = Mdl::try_new(buffer).expect("memory");
        let request = sender.sync_request_with(&payload, data, &mut reply, limit, irql);
        assert!(matches!(request, Err((_, None))));
    }
    host.answers(true);
    let buffer = HostBuffer::try_new(1, TAG).expect("memory");
    let data = Mdl::try_new(buffer).expect("memory");
    let mut reply = [0; 8];
    let request = sender.sync_request_with(b"x", data, &mut reply, None, irql);
    assert!(matches!(request, Ok((8, _))));
    drop(request);
    let closed = channel.disable(irql);
    drop(closed);
    shared.assert_empty();
}

#[test]
fn packets_in_place_use_the_same_memory_again() {
    let (channel, host, shared) = open();
    host.sends(How::Inline);
    let sender = shared.sender();
    for _ in 0..3 {
        let packet = sender.transaction_in_place(shared.message(false));
        let packet = packet.map_err(|(error, _)| error).expect("a packet");
        let unsent = sender.transaction_in_place(shared.message(false));
        packet.send(Mode::Transact).expect("sent");
        drop(unsent);
    }
    assert_eq!(host.packets(), 0);
    drop(channel);
    shared.assert_empty();
}

struct Number(u64);
// SAFETY: a number may be used anywhere.
unsafe impl Confined for Number {}

#[test]
fn locks_events_rundowns_and_pool_are_shared_by_threads() {
    let irql = &mut passive();
    let lock = PoolArc::try_new(SpinLock::new(0_u64), TAG).expect("memory");
    let event = PoolArc::try_new(
        Event::try_new(EventKind::Synchronization, TAG).expect("memory"),
        TAG,
    )
    .expect("memory");
    let mut rundown = Rundown::try_new(TAG).expect("memory");
    let threads: Vec<_> = (0..2)
        .map(|_| {
            let (lock, event, users) = (lock.clone(), event.clone(), rundown.protection());
            thread::spawn(move || {
                // SAFETY: the thread is the test's own.
                let irql = &mut unsafe { Dispatch::assume() };
                for _ in 0..4 {
                    let Some(_guard) = users.try_acquire() else {
                        return;
                    };
                    lock.with(irql, |value, _| *value += 1);
                    event.set();
                }
            })
        })
        .collect();
    assert!(event.wait(irql, None));
    rundown.wait(irql);
    rundown.wait(irql);
    let value = lock.with(irql, |value, _| *value);
    assert!((1..=8).contains(&value));
    for thread in threads {
        thread.join().expect("no panic");
    }
    assert!(rundown.protection().try_acquire().is_none());

    let cell = PassiveCell::try_new(Number(0), TAG).expect("memory");
    let inner = cell.with(irql, |number, irql| {
        number.0 += 1;
        cell.with(irql, |number, _| number.0 += 1)
    });
    assert_eq!(inner, Ok(Err(Error::Nested)));
    assert_eq!(cell.with(irql, |number, _| number.0), Ok(1));

    let mut list = PoolBox::try_new([1_u64; 3], TAG).expect("memory");
    list[1] = 2;
    assert_eq!(*list, [1, 2, 1]);
}

#[test]
fn a_buffer_is_read_by_several_threads() {
    let mut buffer = HostBuffer::try_new(64, TAG).expect("memory");
    buffer.write(1, b"shared with the host alone");
    let buffer = Arc::new(buffer);
    let readers: Vec<_> = (0..2)
        .map(|_| {
            let buffer = Arc::clone(&buffer);
            thread::spawn(move || buffer.view().read::<[u8; 6]>(1))
        })
        .collect();
    for reader in readers {
        assert_eq!(reader.join().expect("no panic"), Some(*b"shared"));
    }
}
