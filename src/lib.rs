//! A KMDF driver that gives user mode a Hyper-V `VMBus` channel as a file.
#![cfg_attr(windows, no_std)]
#[cfg(windows)]
extern crate wdk_sys;
#[cfg(not(windows))]
extern crate wdk_sys_lite as wdk_sys;
