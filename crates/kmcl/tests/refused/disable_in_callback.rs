//! A callback cannot disable the channel that waits for it.
use kmcl::channel::{Channel, Context, Handler};

fn suspended<H: Handler>(channel: Channel<H>, cx: &mut Context<'_, H>) {
    channel.disable(cx.irql());
}

fn main() {}
