//! The wait for a channel needs PASSIVE_LEVEL.
use kmcl::channel::{Channel, Handler};
use kmcl::irql::{Passive, raise};

fn wait<H: Handler>(channel: &Channel<H>, irql: &mut Passive<'_>) {
    raise(irql, |irql| {
        let _ = channel.wait_started(Some(10_000_000), irql);
    });
}

fn main() {}
