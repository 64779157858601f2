//! Pool memory is aligned to 16 bytes: a larger alignment cannot go in.
use kmcl::irql::Dispatch;
use kmcl::lookaside::LookasideList;
use kmcl::pool::Tag;

#[repr(align(32))]
struct Wide(#[allow(dead_code)] [u8; 32]);

fn main() {
    // SAFETY: this program is compiled and never run.
    let mut irql = unsafe { Dispatch::assume() };
    let _ = LookasideList::<Wide>::try_new(Tag::new(*b"Test"), &mut irql);
}
