//! The part of `wdk-sys` that this workspace uses, declared for machines without a Windows Driver Kit.
//!
//! Paths, names, signatures, field names, sizes and offsets are those of the real crate (0.5.2, KMDF 1.33, x64), so that one
//! source compiles against either. There are declarations only: who implements the functions is decided at link time, as in the real
//! kernel.

#![no_std]

mod constants;
mod macros;
pub mod ntddk;
mod types;
pub mod wdf;

pub use crate::constants::*;
pub use crate::types::*;
pub use crate::wdf::{_WDFFUNCENUM, WDFFUNC, WdfDriverGlobals, WdfFunctions};

/// Whether the status is a success or an informational one.
#[must_use]
#[allow(non_snake_case, reason = "the kit's name")]
pub const fn NT_SUCCESS(nt_status: NTSTATUS) -> bool {
    nt_status >= 0
}

/// Whether the status is an informational one (0x4000_0000 to 0x7FFF_FFFF).
#[must_use]
#[allow(non_snake_case, reason = "the kit's name")]
pub const fn NT_INFORMATION(nt_status: NTSTATUS) -> bool {
    nt_status.cast_unsigned() >> 30 == 1
}

/// Whether the status is a warning (0x8000_0000 to 0xBFFF_FFFF).
#[must_use]
#[allow(non_snake_case, reason = "the kit's name")]
pub const fn NT_WARNING(nt_status: NTSTATUS) -> bool {
    nt_status.cast_unsigned() >> 30 == 2
}

/// Whether the status is an error (0xC000_0000 and above).
#[must_use]
#[allow(non_snake_case, reason = "the kit's name")]
pub const fn NT_ERROR(nt_status: NTSTATUS) -> bool {
    nt_status.cast_unsigned() >> 30 == 3
}
