//! The part of `wdk-sys` that this workspace uses, declared for machines without a Windows Driver
//! Kit.
//!
//! Paths, names, signatures and layouts are those that `wdk-sys` 0.5.2 has with KMDF 1.33 on
//! x86-64, so that code written as `use wdk_sys::…` compiles against either. Everything here is a
//! declaration: kernel functions are linked by name, framework functions are reached through the
//! table `WdfFunctions`, and whoever links the program (the simulated kernel, for one) defines
//! both.
//!
//! The tests compare each declaration with what the real crate generates, and the kernel's part
//! with `windows-sys` too.
// The readme's example is compiled with the tests of documentation.
#![cfg_attr(doctest, doc = include_str!("../README.md"))]
#![no_std]

pub use self::constants::*;
pub use self::types::*;

pub mod atomic;
mod constants;
pub mod ntddk;
mod types;
#[cfg(miri)]
mod under_miri;
pub mod wdf;

#[doc(hidden)]
pub use self::wdf::__private;

#[cfg(not(miri))]
unsafe extern "C" {
    /// The framework's function table, as it is called for KMDF 1.33.
    #[link_name = "WdfFunctions_01033"]
    #[allow(non_upper_case_globals, reason = "the framework's name")]
    pub static mut WdfFunctions: *const WDFFUNC;

    /// What the framework keeps for this driver: the first argument of each framework function.
    #[allow(non_upper_case_globals, reason = "the framework's name")]
    pub static mut WdfDriverGlobals: PWDF_DRIVER_GLOBALS;
}

#[cfg(miri)]
pub use self::under_miri::{WdfDriverGlobals, WdfFunctions};

/// Whether a status is a success (`0` to `0x3FFF_FFFF`) or informational (`0x4000_0000` to
/// `0x7FFF_FFFF`).
#[must_use]
#[allow(non_snake_case, reason = "the kit's name")]
pub const fn NT_SUCCESS(nt_status: NTSTATUS) -> bool {
    nt_status >= 0
}

/// Whether a status is informational (`0x4000_0000` to `0x7FFF_FFFF`).
#[must_use]
#[allow(non_snake_case, reason = "the kit's name")]
pub const fn NT_INFORMATION(nt_status: NTSTATUS) -> bool {
    severity(nt_status) == STATUS_SEVERITY_INFORMATIONAL
}

/// Whether a status is a warning (`0x8000_0000` to `0xBFFF_FFFF`).
#[must_use]
#[allow(non_snake_case, reason = "the kit's name")]
pub const fn NT_WARNING(nt_status: NTSTATUS) -> bool {
    severity(nt_status) == STATUS_SEVERITY_WARNING
}

/// Whether a status is an error (`0xC000_0000` to `0xFFFF_FFFF`).
#[must_use]
#[allow(non_snake_case, reason = "the kit's name")]
pub const fn NT_ERROR(nt_status: NTSTATUS) -> bool {
    severity(nt_status) == STATUS_SEVERITY_ERROR
}

/// The two topmost bits of a status.
const fn severity(nt_status: NTSTATUS) -> u32 {
    nt_status.cast_unsigned() >> 30
}

/// In a debug build, panics where code that may be paged out runs above `APC_LEVEL`.
#[macro_export]
macro_rules! PAGED_CODE {
    () => {
        // SAFETY: `KeGetCurrentIrql` has no precondition and may be called at any IRQL.
        debug_assert!(u32::from(unsafe { $crate::ntddk::KeGetCurrentIrql() }) <= $crate::APC_LEVEL)
    };
}
