//! The pairs' safe sides: what a driver writes with `kmcl`.

use std::hint::black_box;
use std::ptr::null_mut;

use kmcl::channel::{Channel, Context, Handler, Running};
use kmcl::incoming::{Disposition, Incoming};
use kmcl::interface::Interface;
use kmcl::irql::{Dispatch, Passive};
use kmcl::lookaside::LookasideList;
use kmcl::mdl::{External, HostBuffer, Mdl};
use kmcl::packet::{Completed, Mode, Sender, Transaction};
use kmcl::pool::Tag;
use kmcl::status::Error;
use kmcl::sync::SpinLock;

use super::{EXTERNAL_BYTES, MESSAGE_BYTES, Reply, mock};

const TAG: Tag = Tag::new(*b"Bnch");

pub struct Message {
    bytes: [u8; MESSAGE_BYTES],
    resend: bool,
    external: Option<&'static Mdl>,
}

impl Transaction for Message {
    fn payload(&self) -> &[u8] {
        &self.bytes
    }

    fn external(&self) -> Result<Option<External<'_>>, Error> {
        let Some(mdl) = self.external else {
            return Ok(None);
        };
        External::new(mdl.as_ref(), 0, EXTERNAL_BYTES).map(Some)
    }
}

struct Driver(SpinLock<Option<Sender<Driver>>>);

impl Handler for Driver {
    type Transaction = Message;

    fn started(&self, cx: &mut Context<'_, Self>) {
        let sender = cx.sender();
        self.0.with(cx.irql(), |kept, _| *kept = Some(sender));
    }

    fn process_packet<'c>(
        &self,
        _: &mut Running<'c, Self>,
        packet: Incoming<'c, Self>,
    ) -> Disposition<'c> {
        let header = packet.payload().read::<Reply>(0);
        if let Some(header) = black_box(header) {
            packet.complete(&header.0[0].to_ne_bytes())
        } else {
            packet.complete(&[])
        }
    }

    fn completed(&self, _: &mut Running<'_, Self>, mut done: Completed<'_, Self>) {
        black_box(done.reply().read::<Reply>(0));
        if std::mem::take(&mut done.context_mut().resend) {
            let _ = done.into_packet().send(Mode::Transact);
        }
    }
}

/// A channel that is open, and all that the pairs use.
pub struct Safe {
    sender: Sender<Driver>,
    mdl: &'static Mdl,
    list: LookasideList<[u64; 8]>,
    channel: Channel<Driver>,
}

impl Safe {
    pub fn new() -> Self {
        // SAFETY: the program has one thread and no IRQL; the thin framework and KMCL take any
        // handle.
        let mut irql = unsafe { Passive::assume() };
        // SAFETY: as above.
        let interface = unsafe { Interface::query(null_mut(), &mut irql) }.expect("an interface");
        // SAFETY: as above.
        let config =
            unsafe { interface.channel(null_mut(), Driver(SpinLock::new(None)), &mut irql) };
        let mut config = config.expect("a channel");
        config.maximum_packet_size(4096, &mut irql).expect("a size");
        let Ok(channel) = config.enable(&mut irql) else {
            panic!("the channel cannot be enabled");
        };
        let sender = channel
            .handler()
            .0
            .with(&mut irql, |sender, _| sender.take())
            .expect("a sender");
        let buffer = HostBuffer::try_new(EXTERNAL_BYTES, TAG).expect("memory");
        let Ok(mdl) = Mdl::try_new(buffer) else {
            panic!("no MDL");
        };
        Self {
            sender,
            mdl: Box::leak(Box::new(mdl)),
            list: LookasideList::try_new(TAG, &mut irql).expect("a list"),
            channel,
        }
    }

    pub fn packet(&self) {
        if let Ok(packet) = self.sender.packet() {
            black_box(&packet);
        }
    }

    fn transaction(&self, resend: bool, external: Option<&'static Mdl>) {
        let message = || Message {
            bytes: [7; MESSAGE_BYTES],
            resend,
            external,
        };
        if let Ok(packet) = self.sender.transaction_with(message) {
            let _ = packet.send(Mode::Transact);
        }
        mock::complete();
    }

    pub fn send_and_resend(&self) {
        self.transaction(true, None);
        mock::complete();
    }

    pub fn external(&self) {
        self.transaction(false, Some(self.mdl));
    }

    pub fn receive(&self) {
        mock::deliver();
    }

    pub fn lookaside(&self) {
        // SAFETY: as in `new`.
        let mut irql = unsafe { Dispatch::assume() };
        if let Ok(entry) = self.list.allocate([3; 8], &mut irql) {
            black_box(&*entry);
        }
    }

    /// Closes the channel.
    pub fn end(self) {
        // SAFETY: as in `new`.
        let mut irql = unsafe { Passive::assume() };
        drop(self.sender);
        drop(self.channel.disable(&mut irql));
    }
}
