//! Memory that the host can write is never a slice.
use kmcl::host::HostBytes;

fn parse(bytes: HostBytes<'_>) -> Option<u8> {
    let slice: &[u8] = bytes.as_ref();
    slice.first().copied()
}

fn main() {}
