//! Miri links no statics: a program that it runs sets these before it calls the framework.
#![allow(non_upper_case_globals, reason = "the framework's names")]

use crate::{PWDF_DRIVER_GLOBALS, WDFFUNC};

/// The framework's function table.
pub static mut WdfFunctions: *const WDFFUNC = core::ptr::null();
/// What the framework keeps for this driver.
pub static mut WdfDriverGlobals: PWDF_DRIVER_GLOBALS = core::ptr::null_mut();
