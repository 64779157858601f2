//! An incoming packet's payload is there until the packet is completed.
use kmcl::channel::Handler;
use kmcl::incoming::{Disposition, Incoming};

fn process<'c, H: Handler>(packet: Incoming<'c, H>) -> (Disposition<'c>, usize) {
    let payload = packet.payload();
    let disposition = packet.complete(&[]);
    (disposition, payload.len())
}

fn main() {}
