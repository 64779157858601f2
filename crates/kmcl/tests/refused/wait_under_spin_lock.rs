//! A spin lock borrows the witness of PASSIVE_LEVEL while its closure runs.
use kmcl::irql::Passive;
use kmcl::sync::{Event, SpinLock};

fn wait(lock: &SpinLock<u32>, event: &Event, irql: &mut Passive<'_>) {
    lock.with(irql, |_, _| event.wait(irql, None));
}

fn main() {}
