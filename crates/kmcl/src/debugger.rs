//! What the debugger is told.

use core::ffi::CStr;

use wdk_sys::ntddk::DbgPrint;

/// Tells the debugger, in debug builds, what a driver has done wrong and nothing could refuse: a
/// value was dropped where it can only leak.
#[cold]
pub(crate) fn say(what: &'static CStr) {
    if cfg!(debug_assertions) {
        // SAFETY: DbgPrint may be called at any IRQL at which drivers' functions run; both strings
        // are static and end in a zero, and the format takes one string.
        let _ = unsafe { DbgPrint(c"%s".as_ptr().cast(), what.as_ptr()) };
    }
}
