//! Waiting needs PASSIVE_LEVEL.
use kmcl::irql::Dispatch;
use kmcl::sync::Event;

fn completed(done: &Event, irql: &mut Dispatch<'_>) {
    done.wait(irql, None);
}

fn main() {}
