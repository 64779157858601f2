//! Raw declarations of the `VMBus` Kernel Mode Client Library (KMCL): what
//! `vmbuskernelmodeclientlibapi.h` declares for a client (guest) endpoint, and nothing else.
//!
//! A driver reaches the library through a table of functions, [`KMCL_CLIENT_INTERFACE_V1`], which
//! it gets by asking for [`KMCL_CLIENT_INTERFACE_TYPE`] through `WdfFdoQueryForInterface` or
//! `WdfIoTargetQueryForInterface`. The functions are documented at
//! <https://learn.microsoft.com/windows-hardware/drivers/ddi/vmbuskernelmodeclientlibapi/>.
//!
//! # Where the declarations come from
//!
//! | Host and target | Declarations | The interface's GUID |
//! |---|---|---|
//! | Windows, for Windows | generated from the kit's header by the build script | the kit's |
//! | all others | [`committed`] | a symbol that whoever links the program defines |
//!
//! The committed declarations are compiled in both cases: on Windows a compile-time assertion holds
//! the kit's structs against them, size and every offset, so the two cannot drift apart unseen.
//!
//! # How to read them
//!
//! - Handles are plain pointers here, as in C without `STRICT`. A kit may declare them as pointers
//!   to types of their own; convert with `.cast()` and rely on nothing else.
//! - `FN_VMB_X` and `PFN_VMB_X` are the same `Option` of a function pointer: that is what bindgen
//!   makes of a function type and of the pointer to it.
//! - The anonymous `INTERFACE` at the head of [`KMCL_CLIENT_INTERFACE_V1`] is
//!   `__bindgen_padding_0`; reach its fields through a pointer cast to `*mut INTERFACE`.
#![no_std]

#[cfg(windows)]
extern crate wdk_sys;
#[cfg(not(windows))]
extern crate wdk_sys_lite as wdk_sys;

pub mod committed;
mod inline;
#[cfg(kmcl_sys_from_kit)]
mod kit;

#[cfg(not(kmcl_sys_from_kit))]
pub use committed::*;
pub use inline::*;
#[cfg(kmcl_sys_from_kit)]
pub use kit::*;

/// How many functions the table of version 1 has.
pub const MEMBER_COUNT: usize = committed::MEMBERS.len();

/// The readme's example is compiled with the tests of documentation.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
