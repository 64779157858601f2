//! KMDF: its objects and the functions that drivers call through its function table.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use wdk_sys_lite::{NTSTATUS, PCUNICODE_STRING, STATUS_INVALID_PARAMETER};

use crate::bugcheck::{StopCode, bug_check};
use crate::export::PASSIVE_LEVEL;
use crate::kernel::{DriverId, kernel};

mod collection;
mod deferred;
pub mod device;
mod device_api;
pub(crate) mod device_init;
pub mod file;
pub mod lock;
pub mod memory;
pub mod object;
mod object_api;
pub(crate) mod power;
pub mod queue;
pub mod registry;
pub mod request;
pub(crate) mod store;
pub mod table;
mod target;
mod verifier_api;

/// `WDF_VIOLATION`'s first parameter (`WDF_BUGCHECK_CODES` in `wdfbugcodes.h`).
pub mod violation {
    /// A lock was acquired again by its owner.
    pub const RECURSIVE_LOCK: u64 = 0x2;
    /// A rule that the framework's verifier checks was broken.
    pub const VERIFIER_FATAL_ERROR: u64 = 0x3;
    /// A parameter that must not be null is.
    pub const REQUIRED_PARAMETER_IS_NULL: u64 = 0x4;
    /// A handle is none, or of another type.
    pub const INVALID_HANDLE: u64 = 0x5;
    /// A request was misused.
    pub const REQUEST_FATAL_ERROR: u64 = 0x6;
    /// An object was misused.
    pub const OBJECT_ERROR: u64 = 0x7;
    /// A queue was misused.
    pub const QUEUE_FATAL_ERROR: u64 = 0xA;
    /// A lock was released by someone who does not hold it.
    pub const INVALID_LOCK_OPERATION: u64 = 0xB;
    /// Plug and play went wrong.
    pub const PNP_FATAL_ERROR: u64 = 0xC;
    /// A callback returned in another number of critical regions than it was called in.
    pub const CRITICAL_REGION_MISMATCH: u64 = 0xF;
}

/// The framework's own statuses (`wdfstatus.h`).
pub mod status {
    use wdk_sys_lite::NTSTATUS;

    macro_rules! statuses {
        ($($(#[$doc:meta])* $name:ident = $value:expr;)*) => {
            $($(#[$doc])* pub const $name: NTSTATUS = u32::cast_signed($value);)*
        };
    }

    statuses! {
        /// The security descriptor does not fit the device.
        INVALID_SECURITY_DESCR = 0xC000_0079;
        /// The name is there already; a success code (`ntstatus.h`).
        OBJECT_NAME_EXISTS = 0x4000_0000;
        /// An operation on something that is paused.
        WDF_PAUSED = 0xC020_0203;
        /// Something is busy.
        WDF_BUSY = 0xC020_0204;
        /// The request is not in the state that the operation needs.
        WDF_REQUEST_INVALID_STATE = 0xC020_0208;
        /// The attributes are wrong.
        WDF_OBJECT_ATTRIBUTES_INVALID = 0xC020_0209;
        /// A callback is missing.
        WDF_NO_CALLBACK = 0xC020_020B;
        /// The object's execution level does not fit its parent's.
        WDF_INCOMPATIBLE_EXECUTION_LEVEL = 0xC020_020C;
        /// The driver may not choose this object's parent.
        WDF_PARENT_ASSIGNMENT_NOT_ALLOWED = 0xC020_020F;
        /// This object has no synchronization scope.
        WDF_SYNCHRONIZATION_SCOPE_INVALID = 0xC020_0210;
        /// This object has no execution level.
        WDF_EXECUTION_LEVEL_INVALID = 0xC020_0211;
        /// The driver must choose this object's parent.
        WDF_PARENT_NOT_SPECIFIED = 0xC020_0212;
    }
}

/// The framework's state in one machine.
#[derive(Default)]
pub struct State {
    pub(crate) objects: object::Objects,
    pub(crate) inits: device_init::Inits,
    pub(crate) registry: registry::Registry,
    /// The WDFDRIVER of each loaded driver.
    pub(crate) drivers: RefCell<BTreeMap<DriverId, Rc<object::Object>>>,
}

impl State {
    /// The machine's registry.
    #[must_use]
    pub fn registry(&self) -> &registry::Registry {
        &self.registry
    }
}

/// The driver that has called into the framework, and its driver object, the default parent of what
/// it creates.
pub(crate) fn caller() -> (DriverId, Option<Rc<object::Object>>) {
    let driver = kernel().sched.current().driver().unwrap_or_else(|| {
        bug_check(
            StopCode::WDF_VIOLATION,
            [violation::INVALID_HANDLE, 0, 0, 0],
            "a function of the framework was called from outside any driver",
        )
    });
    (driver, kernel().wdf.drivers.borrow().get(&driver).cloned())
}

/// `FxPointerNotNull`: a null pointer where the framework needs one is the bug check
/// `WDF_VIOLATION`.
pub(crate) fn require(function: &str, parameter: &str, is_null: bool) {
    if is_null {
        bug_check(
            StopCode::WDF_VIOLATION,
            [violation::REQUIRED_PARAMETER_IS_NULL, 0, 0, 0],
            format!("{function}: {parameter} must not be null"),
        );
    }
}

/// A mistake at which KMDF stops in a debugger when its verifier is on; without the verifier
/// nothing happens.
pub(crate) fn verifier_break(what: impl Into<String>) {
    if kernel().config.verifier {
        bug_check(
            StopCode::WDF_VIOLATION,
            [violation::VERIFIER_FATAL_ERROR, 0, 0, 0],
            what,
        );
    }
}

/// Whether a function that waits is called above `PASSIVE_LEVEL`, where the framework's verifier
/// stops the driver.
pub(crate) fn is_too_high(function: &str) -> bool {
    let found = kernel().config.verifier && kernel().sched.current().irql() > PASSIVE_LEVEL;
    if found {
        verifier_break(format!("{function} was called above PASSIVE_LEVEL"));
    }
    found
}

/// A counted string of the driver's; `None` for a null pointer.
///
/// # Errors
///
/// `STATUS_INVALID_PARAMETER` if its lengths are odd or do not fit, as KMDF checks them.
///
/// # Safety
///
/// The pointer is null or points to a readable `UNICODE_STRING` whose buffer has `Length` readable
/// bytes.
pub(crate) unsafe fn text_of(string: PCUNICODE_STRING) -> Result<Option<String>, NTSTATUS> {
    // SAFETY: null or readable, says the caller.
    let Some(string) = (unsafe { string.as_ref() }) else {
        return Ok(None);
    };
    if string.Length % 2 != 0
        || string.MaximumLength % 2 != 0
        || string.Length > string.MaximumLength
    {
        return Err(STATUS_INVALID_PARAMETER);
    }
    if string.Length == 0 {
        return Ok(Some(String::new()));
    }
    if string.Buffer.is_null() {
        return Err(STATUS_INVALID_PARAMETER);
    }
    // SAFETY: `Length` readable bytes, says the caller.
    let units =
        unsafe { std::slice::from_raw_parts(string.Buffer, usize::from(string.Length / 2)) };
    Ok(Some(String::from_utf16_lossy(units)))
}
