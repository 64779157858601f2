//! A handler is called on every processor.
use core::cell::Cell;

use kmcl::channel::{Handler, Running};
use kmcl::incoming::{Disposition, Incoming};
use kmcl::packet::{Completed, Transaction};

struct Message;

impl Transaction for Message {
    fn payload(&self) -> &[u8] {
        b"message"
    }
}

struct Counting(Cell<u32>);

impl Handler for Counting {
    type Transaction = Message;

    fn process_packet<'c>(&self, _: &mut Running<'c, Self>, packet: Incoming<'c, Self>) -> Disposition<'c> {
        self.0.set(self.0.get() + 1);
        packet.complete(&[])
    }

    fn completed(&self, _: &mut Running<'_, Self>, _: Completed<'_, Self>) {}
}

fn main() {}
