//! An enabled channel has no setters of the configuration.
use kmcl::channel::{Channel, Handler};
use kmcl::irql::Passive;

fn configure<H: Handler>(channel: &mut Channel<H>, irql: &mut Passive<'_>) {
    let _ = channel.maximum_packet_size(4096, irql);
}

fn main() {}
