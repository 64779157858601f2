//! A channel is configured before it is enabled.
use core::num::NonZeroU32;

use kmcl::channel::{ChannelConfig, Handler};
use kmcl::irql::Passive;

fn configure<H: Handler>(mut config: ChannelConfig<H>, irql: &mut Passive<'_>) {
    let _channel = config.enable(irql);
    let _ = config.maximum_packet_size(NonZeroU32::MIN, irql);
}

fn main() {}
