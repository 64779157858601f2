//! The stand-in for `wdk-sys` does not declare every function of the framework's.
use wdk_sys_lite::{PWDFDEVICE_INIT, call_unsafe_wdf_function_binding};

fn main() {}

unsafe fn as_bus(init: PWDFDEVICE_INIT) {
    unsafe { call_unsafe_wdf_function_binding!(WdfPdoInitAllocate, init) };
}
