//! What runs raised has a witness of DISPATCH_LEVEL only.
use kmcl::irql::{Passive, raise};
use kmcl::sync::Event;

fn wait(event: &Event, irql: &mut Passive<'_>) {
    raise(irql, |irql| event.wait(irql, None));
}

fn main() {}
