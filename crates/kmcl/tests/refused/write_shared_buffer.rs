//! A buffer is written by one who has it alone.
use kmcl::mdl::HostBuffer;

fn write(buffer: &HostBuffer) {
    buffer.write(0, b"text");
}

fn main() {}
