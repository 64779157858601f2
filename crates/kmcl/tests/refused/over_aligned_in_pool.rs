//! A pool block smaller than a page is aligned to 16 bytes: a larger alignment cannot go in.
use kmcl::pool::{InPool, PoolBox, Tag};

#[repr(align(32))]
struct Wide(#[allow(dead_code)] [u8; 32]);

fn main() {
    let _ = PoolBox::try_new(Wide([0; 32]), Tag::new(*b"Test"));
}
