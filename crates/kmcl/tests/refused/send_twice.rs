//! A packet is sent once until it is back.
use kmcl::channel::Handler;
use kmcl::packet::Packet;

fn send<H: Handler>(packet: Packet<H>) {
    let _ = packet.send_static(b"once");
    let _ = packet.send_static(b"twice");
}

fn main() {}
