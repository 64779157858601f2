//! A callback of the channel that waits for the channel would wait for itself.
use kmcl::channel::{ChannelSlot, Context, Handler};

fn started<H: Handler>(channel: &ChannelSlot<H>, cx: &mut Context<'_, H>) {
    let _ = channel.wait_ready(None, cx.irql());
}

fn main() {}
