//! An incoming packet is completed once.
use kmcl::channel::Handler;
use kmcl::incoming::{Disposition, Incoming};

fn process<'c, H: Handler>(packet: Incoming<'c, H>) -> Disposition<'c> {
    let _ = packet.complete(b"first");
    packet.complete(b"second")
}

fn main() {}
