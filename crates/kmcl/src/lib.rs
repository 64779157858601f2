//! A safe library over the VMBus Kernel Mode Client Library.
#![no_std]
#[cfg(windows)]
extern crate wdk_sys;
#[cfg(not(windows))]
extern crate wdk_sys_lite as wdk_sys;
