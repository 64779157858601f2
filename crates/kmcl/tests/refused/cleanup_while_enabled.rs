//! A channel is cleaned up when it is disabled: an enabled one cannot be taken for a closed one.
use kmcl::channel::{Channel, ClosedChannel, Handler};

fn cleanup<H: Handler>(channel: Channel<H>) {
    drop::<ClosedChannel<H>>(channel);
}

fn main() {}
