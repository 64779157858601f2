//! A handler that owned the cell of its channel could drop both in a callback, which the channel would wait for.
use kmcl::channel::{ChannelSlot, Handler, Running};
use kmcl::incoming::{Disposition, Incoming};
use kmcl::packet::{Completed, Transaction};
use kmcl::pool::PoolArc;
use kmcl::sync::{PassiveCell, SpinLock};

struct Message;

impl Transaction for Message {
    fn payload(&self) -> &[u8] {
        b"message"
    }
}

struct Link {
    channel: PassiveCell<ChannelSlot<Owner>>,
}

struct Owner(SpinLock<Option<PoolArc<Link>>>);

impl Handler for Owner {
    type Transaction = Message;

    fn process_packet<'c>(&self, _: &mut Running<'c, Self>, packet: Incoming<'c, Self>) -> Disposition<'c> {
        packet.complete(&[])
    }

    fn completed(&self, _: &mut Running<'_, Self>, _: Completed<'_, Self>) {}
}

fn main() {}
