//! An incoming packet that is not detached ends with its callback.
use kmcl::channel::Handler;
use kmcl::incoming::{Disposition, Incoming};
use kmcl::sync::SpinLock;

struct Kept<H: Handler>(SpinLock<Option<Incoming<'static, H>>>);

fn process<'c, H: Handler>(kept: &Kept<H>, packet: Incoming<'c, H>, mut irql: kmcl::irql::Dispatch<'_>) -> Option<Disposition<'c>> {
    kept.0.with(&mut irql, |kept, _| *kept = Some(packet));
    None
}

fn main() {}
