//! A handler that owned its channel could drop it in a callback, which the channel would wait for.
use kmcl::channel::{Channel, Handler, Running};
use kmcl::incoming::{Disposition, Incoming};
use kmcl::packet::{Completed, Transaction};
use kmcl::sync::SpinLock;

struct Message;

impl Transaction for Message {
    fn payload(&self) -> &[u8] {
        b"message"
    }
}

struct Owner(SpinLock<Option<Channel<Owner>>>);

impl Handler for Owner {
    type Transaction = Message;

    fn process_packet<'c>(&self, _: &mut Running<'c, Self>, packet: Incoming<'c, Self>) -> Disposition<'c> {
        packet.complete(&[])
    }

    fn completed(&self, _: &mut Running<'_, Self>, _: Completed<'_, Self>) {}
}

fn main() {}
