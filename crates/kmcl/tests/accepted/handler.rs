//! What the refused programs are close to, and does compile.
use kmcl::channel::{ChannelConfig, Context, Handler, Running};
use kmcl::incoming::{Disposition, Incoming};
use kmcl::irql::Passive;
use kmcl::packet::{Completed, Mode, Transaction};
use kmcl::status::Status;
use kmcl::sync::SpinLock;
use ntsim as _;

struct Message([u8; 64]);

impl Transaction for Message {
    fn payload(&self) -> &[u8] {
        &self.0
    }
}

struct Counting(SpinLock<u32>);

impl Handler for Counting {
    type Transaction = Message;

    fn started(&self, cx: &mut Context<'_, Self>) {
        if let Ok(packet) = cx.sender().transaction(Message([0; 64])) {
            let _ = packet.send(Mode::Transact);
        }
    }

    fn process_packet<'c>(&self, cx: &mut Running<'c, Self>, packet: Incoming<'c, Self>) -> Disposition<'c> {
        let mut first = [0];
        packet.payload().copy_to(&mut first);
        self.0.with(cx.irql(), |sum, _| *sum += u32::from(first[0]));
        packet.complete(&[])
    }

    fn completed(&self, _: &mut Running<'_, Self>, mut done: Completed<'_, Self>) {
        if done.status() == Status::SUCCESS {
            done.context_mut().0[0] = 1;
            let _ = done.into_packet().send(Mode::Notify);
        }
    }
}

fn life(mut config: ChannelConfig<Counting>, irql: &mut Passive<'_>) {
    let _ = config.maximum_packet_size(4096, irql);
    if let Ok(channel) = config.enable(irql) {
        drop(channel.disable(irql));
    }
}

fn main() {
    let _ = life;
}
