//! What returns `NTSTATUS` says whether it has worked, and `wdk-sys` marks it so.
#![deny(unused_must_use)]
use wdk_sys_lite::ntddk::ZwClose;
use wdk_sys_lite::{HANDLE, WDFREQUEST, call_unsafe_wdf_function_binding};

fn main() {}

unsafe fn close(key: HANDLE, request: WDFREQUEST) {
    unsafe {
        ZwClose(key);
        call_unsafe_wdf_function_binding!(WdfRequestUnmarkCancelable, request);
    }
}
