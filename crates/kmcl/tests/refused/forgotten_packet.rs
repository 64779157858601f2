//! A handler cannot return without saying what became of the packet.
use kmcl::channel::Handler;
use kmcl::incoming::{Disposition, Incoming};

fn process<'c, H: Handler>(packet: Incoming<'c, H>) -> Disposition<'c> {
    let _length = packet.payload().len();
}

fn main() {}
