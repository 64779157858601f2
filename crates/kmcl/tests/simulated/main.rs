//! The library in the simulated kernel: a small driver on it over many seeds, and each of its types
//! by itself.

mod driver;
mod faults;
mod features;
mod guest;
mod interface;
mod kernel;
mod life;
mod readiness;
mod traffic;
