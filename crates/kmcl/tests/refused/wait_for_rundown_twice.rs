//! Rundown protection is waited for by its one owner.
use kmcl::irql::Passive;
use kmcl::sync::Rundown;

fn wait(rundown: &Rundown, irql: &mut Passive<'_>) {
    rundown.wait(irql);
}

fn main() {}
