//! An enabled channel has no setters of the configuration.
use core::num::NonZeroU32;

use kmcl::channel::{Channel, Handler};

fn configure<H: Handler>(channel: &mut Channel<H>) {
    let _ = channel.maximum_packet_size(NonZeroU32::MIN);
}

fn main() {}
