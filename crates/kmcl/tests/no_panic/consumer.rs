//! Uses the library's generic paths, so that they are compiled here. It is not run.
#![no_std]

use kmcl::channel::{Channel, ChannelConfig, ClosedChannel, Context, Handler, PostStarted, Running};
use kmcl::host::HostBytes;
use kmcl::incoming::{Disposition, External as Data, Incoming, PendingIncoming};
use kmcl::interface::Interface;
use kmcl::irql::{Dispatch, Passive};
use kmcl::lookaside::LookasideList;
use kmcl::mdl::{External, HostBuffer, Mdl};
use kmcl::packet::{Completed, Mode, OwnedPacket, Packet, Sender, Transaction};
use kmcl::pool::Tag;
use kmcl::status::{Error, Status};
use kmcl::sync::SpinLock;

const TAG: Tag = Tag::new(*b"None");

pub struct Message {
    bytes: [u8; 64],
    mdl: Option<Mdl>,
}

impl Transaction for Message {
    fn payload(&self) -> &[u8] {
        &self.bytes
    }

    fn external(&self) -> Result<Option<External<'_>>, Error> {
        let Some(mdl) = self.mdl.as_ref().map(Mdl::as_ref) else {
            return Ok(None);
        };
        External::new(mdl, 0, mdl.length()).map(Some)
    }
}

pub struct Driver {
    sender: SpinLock<Option<Sender<Driver>>>,
    kept: SpinLock<Option<PendingIncoming<Driver>>>,
    sum: SpinLock<u64>,
}

impl Handler for Driver {
    type Transaction = Message;

    fn started(&self, cx: &mut Context<'_, Self>) {
        let sender = cx.sender();
        self.sender.with(cx.irql(), |kept, _| *kept = Some(sender));
    }

    fn post_started(&self, cx: &mut PostStarted<'_, Self>) {
        let sender = cx.sender();
        let mut reply = [0; 16];
        if let Ok(mdl) = HostBuffer::try_new(1, TAG).and_then(|buffer| Ok(Mdl::try_new(buffer)?)) {
            let answer = sender.sync_request_with(b"hello", mdl, &mut reply, None, cx.irql());
            drop(answer.map(|(_, mdl)| mdl));
        }
        if sender.sync_request(b"hello", &mut reply, None, cx.irql()).is_ok() {
            let _ = sender
                .packet()
                .map(|packet| packet.send_copied(&reply, cx.irql()));
        }
    }

    fn suspended(&self, cx: &mut Context<'_, Self>) {
        self.sender.with(cx.irql(), |kept, _| *kept = None);
        self.kept.with(cx.irql(), |kept, _| *kept = None);
    }

    fn process_packet<'c>(&self, cx: &mut Running<'c, Self>, packet: Incoming<'c, Self>) -> Disposition<'c> {
        let mut reader = packet.payload().reader();
        match reader.read::<u32>() {
            Some(0) => packet.fail(),
            Some(1) => packet.defer_to_passive(),
            Some(2) => {
                let (kept, disposition) = packet.detach();
                self.kept.with(cx.irql(), |place, _| *place = kept);
                disposition
            }
            Some(3) => match packet.external_data(true) {
                Data::Ready(mut data) => {
                    self.sum.with(cx.irql(), |sum, _| {
                        let _ = data.for_each_part(|part: HostBytes<'_>| {
                            *sum = sum.wrapping_add(part.read::<u64>(8).unwrap_or_default());
                        });
                    });
                    data.into_packet().complete(&[])
                }
                Data::Pending(disposition) => disposition,
                Data::Failed(packet, _) => packet.complete(&[]),
            },
            Some(number) => packet.complete(&number.to_ne_bytes()),
            None => packet.complete(&[]),
        }
    }

    fn completed(&self, cx: &mut Running<'_, Self>, mut done: Completed<'_, Self>) {
        let (reply, context) = done.reply_and_context();
        reply.copy_to(&mut context.bytes);
        if done.status() == Status::SUCCESS {
            cx.set_ready();
            let _ = done.into_packet().send(Mode::Transact);
        } else {
            cx.set_failed(done.status());
            drop(done.into_context());
        }
    }
}

/// # Safety
///
/// As [`Interface::channel`].
pub unsafe fn open(interface: &Interface, irql: &mut Passive<'_>) -> Result<ChannelConfig<Driver>, Error> {
    let driver = Driver {
        sender: SpinLock::new(None),
        kept: SpinLock::new(None),
        sum: SpinLock::new(0),
    };
    // SAFETY: as the caller says.
    let mut config = unsafe { interface.channel(core::ptr::null_mut(), driver, irql) }?;
    config
        .maximum_packet_size(1, irql)?
        .ring_pages(1, 1, irql)?
        .maximum_external_data(1, 1, irql)?
        .friendly_name(&[b'a' as u16], irql)?
        .pipe(irql)?;
    Ok(config)
}

pub fn enable(config: ChannelConfig<Driver>, irql: &mut Passive<'_>) -> Option<Channel<Driver>> {
    config.enable(irql).ok()
}

pub fn wait(channel: &Channel<Driver>, irql: &mut Passive<'_>) -> Result<(), Error> {
    channel.wait_started(None, irql).check()?;
    channel.wait_ready(Some(10_000_000), irql).check()
}

pub fn disable(channel: Channel<Driver>, irql: &mut Passive<'_>) -> ClosedChannel<Driver> {
    channel.pause(irql);
    channel.start(irql);
    channel.disable(irql)
}

pub fn drop_channel(channel: Channel<Driver>) {
    drop(channel);
}

pub fn packet(sender: &Sender<Driver>) -> Result<Packet<Driver>, Error> {
    sender.packet()
}

pub fn send(sender: &Sender<Driver>, bytes: [u8; 64]) -> Option<OwnedPacket<Driver>> {
    let mdl = HostBuffer::try_new(1, TAG)
        .ok()
        .and_then(|buffer| Mdl::try_new(buffer).ok());
    let packet = sender.transaction(Message { bytes, mdl }).ok()?;
    packet.send(Mode::Transact).err()?.packet
}

pub fn send_in_place(sender: &Sender<Driver>, bytes: [u8; 64]) -> Option<Message> {
    let packet = sender.transaction_in_place(Message { bytes, mdl: None }).ok()?;
    packet.send(Mode::Notify).err()?.into_context()
}

pub fn lookaside(list: &LookasideList<[u64; 8]>, irql: &mut Dispatch<'_>) -> u64 {
    list.allocate([1; 8], irql).map_or(0, |entry| {
        entry.into_inner().iter().fold(0, |sum, word| sum ^ word)
    })
}

pub fn list(irql: &mut Dispatch<'_>) -> Result<LookasideList<[u64; 8]>, Error> {
    LookasideList::try_new(TAG, irql)
}
