//! A channel that could not be connected to has no address space to ask for.
use kmcl::channel::{Handler, Unconnected};

fn failed<H: Handler>(cx: &mut Unconnected<'_, H>) -> (u64, u64) {
    cx.mmio_space()
}

fn main() {}
