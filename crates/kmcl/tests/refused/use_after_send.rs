//! A packet that was sent belongs to KMCL.
use kmcl::channel::Handler;
use kmcl::packet::{Mode, OwnedPacket};

fn send<H: Handler>(packet: OwnedPacket<H>) -> usize {
    let _ = packet.send(Mode::Notify);
    size_of_val(packet.context())
}

fn main() {}
