//! The witness that a spin lock lends is of DISPATCH_LEVEL.
use kmcl::irql::Passive;
use kmcl::sync::{Event, SpinLock};

fn wait(lock: &SpinLock<u32>, event: &Event, irql: &mut Passive<'_>) {
    lock.with(irql, |_, irql| event.wait(irql, None));
}

fn main() {}
