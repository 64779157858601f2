//! The part of the framework (KMDF) that this driver uses, as safe Rust.
//!
//! Only this module has `unsafe` code. It rests on what the framework documents of its objects: a
//! handle that a callback is given is valid during the callback; a handle on which a reference is
//! held stays valid until the reference is given back; a request that was handed to the driver is
//! the driver's until it completes or forwards it.
//!
//! ```text
//!   driver    DriverEntry's call, and EvtDriverDeviceAdd
//!   device    a device: its callbacks as a trait, its device objects, KMCL's interface
//!   queue     queues: requests come in by the same trait, wait, are found again
//!   request   one request, owned: its kind, buffers, completion
//!   object    references to objects, and contexts in them
//!   memory    nonpaged memory of a length known at run time
//!   timer     a timer of a device's
//!   registry  the driver's parameters
//! ```

use kmcl::status::Status;
use wdk_sys::{NTSTATUS, STATUS_SUCCESS, ULONG};

pub mod device;
pub mod driver;
pub mod memory;
pub mod object;
pub mod queue;
pub mod registry;
pub mod request;
mod slot;
pub mod timer;

/// The result of a call that reports a status.
pub type Result<T> = core::result::Result<T, Status>;

/// Takes an error status for an error.
const fn check(status: NTSTATUS) -> Result<()> {
    if status < 0 {
        Err(Status(status))
    } else {
        Ok(())
    }
}

/// The status that a callback returns for a result.
const fn status_of(result: Result<()>) -> NTSTATUS {
    match result {
        Ok(()) => STATUS_SUCCESS,
        Err(Status(status)) => status,
    }
}

/// The size of one of the framework's structures, for its `Size` member.
#[allow(
    clippy::cast_possible_truncation,
    reason = "the framework's structures are below 64 KiB; asserted"
)]
const fn size_of_config<T>() -> ULONG {
    const { assert!(size_of::<T>() <= u16::MAX as usize) };
    size_of::<T>() as ULONG
}
