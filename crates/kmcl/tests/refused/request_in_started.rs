//! A synchronous request in `started` would wait for ever.
use kmcl::channel::{Context, Handler};

fn started<H: Handler>(cx: &mut Context<'_, H>) {
    let mut reply = [0; 8];
    let sender = cx.sender();
    let _ = sender.sync_request(b"hello", &mut reply, None, cx.irql());
}

fn main() {}
