//! What a spin lock lends does not leave its closure.
use kmcl::irql::Irql;
use kmcl::sync::SpinLock;

fn keep<'a>(lock: &'a SpinLock<u32>, irql: &mut impl Irql) -> &'a mut u32 {
    lock.with(irql, |value, _| value)
}

fn main() {}
