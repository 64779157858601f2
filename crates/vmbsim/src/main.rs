//! The command line of the simulated guest.
fn main() {}
