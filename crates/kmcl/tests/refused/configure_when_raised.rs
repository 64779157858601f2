//! A channel's settings are for `PASSIVE_LEVEL`.
use std::num::NonZeroU32;

use kmcl::channel::{ChannelConfig, Handler};
use kmcl::irql::{Passive, raise};

fn configure<H: Handler>(config: &mut ChannelConfig<H>, irql: &mut Passive<'_>) -> bool {
    raise(irql, |irql| config.maximum_packet_size(NonZeroU32::MIN, irql).is_ok())
}

fn main() {}
