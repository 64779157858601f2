//! Sending needs a sender, which only the callbacks of an opened channel give out.
use kmcl::channel::{Channel, ChannelConfig, Handler};

fn send<H: Handler>(config: &ChannelConfig<H>, channel: &Channel<H>) {
    let _ = config.sender();
    let _ = channel.sender();
}

fn main() {}
