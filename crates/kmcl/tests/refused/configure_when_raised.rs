//! A channel's settings are for `PASSIVE_LEVEL`.
use kmcl::channel::{ChannelConfig, Handler};
use kmcl::irql::{Passive, raise};

fn configure<H: Handler>(config: &mut ChannelConfig<H>, irql: &mut Passive<'_>) -> bool {
    raise(irql, |irql| config.maximum_packet_size(4096, irql).is_ok())
}

fn main() {}
