//! A lookaside list stays where it is while an entry of it is out.
use kmcl::irql::Dispatch;
use kmcl::lookaside::LookasideList;

fn run(list: LookasideList<u64>, mut irql: Dispatch<'_>) -> Option<u64> {
    let entry = list.allocate(1, &mut irql).ok()?;
    let moved = list;
    let value = *entry;
    drop(moved);
    Some(value)
}

fn main() {}
