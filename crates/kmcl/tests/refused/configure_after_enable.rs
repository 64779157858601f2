//! A channel is configured before it is enabled.
use kmcl::channel::{ChannelConfig, Handler};
use kmcl::irql::Passive;

fn configure<H: Handler>(mut config: ChannelConfig<H>, irql: &mut Passive<'_>) {
    let _channel = config.enable(irql);
    let _ = config.maximum_packet_size(4096, irql);
}

fn main() {}
