//! A spin lock's guard borrows the witness of PASSIVE_LEVEL.
use kmcl::irql::Passive;
use kmcl::sync::{Event, SpinLock};

fn wait(lock: &SpinLock<u32>, event: &Event, irql: &mut Passive<'_>) {
    let guard = lock.lock(irql);
    event.wait(irql, None);
    drop(guard);
}

fn main() {}
