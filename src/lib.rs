//! A KMDF driver that gives user mode a Hyper-V `VMBus` channel as a file.
//!
//! A program opens the device, writes messages to the host and reads the host's, or sends one and
//! waits for the answer; so a device back end on the host can be served by an ordinary program in
//! the guest. What programs and driver agree on is in [`ioctl`].
//!
//! ```text
//!   programs                                                                              the host
//!      |  ReadFile, WriteFile, DeviceIoControl                                               |
//!      v                                                                                     v
//!   [ queues ] --> [ link: reads, sends, in_flight | inbox ] <--> [ channel ] <--> kmcl <--> KMCL
//!                          ^                                          ^
//!   entry --> device ------+------- plug and play, power -------------+
//! ```
//!
//! At each change of its state, and for each input that it refuses, the driver prints a line to the
//! debugger. None is printed on the path of a message.
//!
//! `unsafe` code stands in the private module `wdf` and at the entry only.
#![cfg_attr(windows, no_std)]
#![deny(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::todo,
    clippy::unimplemented,
    clippy::unreachable,
    clippy::unwrap_used
)]

#[cfg(all(windows, not(panic = "abort")))]
compile_error!(
    "a kernel image has nothing to unwind into: build it with `-C panic=abort`. This repository's \
     `.cargo/config.toml` gives the flag to the Windows target; a `RUSTFLAGS` variable replaces it"
);

#[cfg(not(windows))]
extern crate wdk_lite as wdk;
#[cfg(windows)]
extern crate wdk_panic;
#[cfg(windows)]
extern crate wdk_sys;
#[cfg(not(windows))]
extern crate wdk_sys_lite as wdk_sys;

/// For crates below that may want one: the driver itself allocates through the kernel's pool, where
/// failure is a value.
#[cfg(windows)]
#[global_allocator]
static ALLOCATOR: wdk_alloc::WdkAllocator = wdk_alloc::WdkAllocator;

/// Named by the crate, so that the models of the tests can put their own in their place.
use kmcl::atomic;

mod channel;
mod config;
mod device;
mod entry;
pub mod ioctl;
mod link;
mod message;
mod pump;
mod queues;
mod session;
mod stats;
#[cfg(test)]
mod tests;
mod wdf;

pub use entry::driver_entry;
pub use kmcl::status::Status;

/// The readme's example is compiled with the tests of documentation.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
