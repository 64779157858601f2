//! The parts of external data are shown one after the other: none is mapped a second time meanwhile.
use kmcl::channel::Handler;
use kmcl::incoming::ExternalData;

fn show<H: Handler>(data: &mut ExternalData<'_, H>) {
    let _ = data.for_each_part(|_| {
        let _ = data.for_each_part(|_| {});
    });
}

fn main() {}
