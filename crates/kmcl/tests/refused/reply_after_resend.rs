//! A reply may be a part of the packet that it came with: it is gone when that is sent again.
use kmcl::channel::{Handler, Running};
use kmcl::packet::{Completed, Mode};

fn completed<H: Handler>(_cx: &mut Running<'_, H>, done: Completed<'_, H>) -> Option<u32> {
    let reply = done.reply();
    let _ = done.into_packet().send(Mode::Transact);
    reply.read::<u32>(0)
}

fn main() {}
