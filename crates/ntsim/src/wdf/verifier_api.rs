//! What a driver calls to stop the machine itself.

use wdk_sys_lite::{PWDF_DRIVER_GLOBALS, ULONG, ULONG_PTR};

use crate::bugcheck::{StopCode, bug_check};
use crate::nt_export;

use super::table::wdf_functions;
use super::verifier_break;

nt_export! { table
    /// A breakpoint, if the verifier is on.
    irql(any) fn WdfVerifierDbgBreakPoint(_globals: PWDF_DRIVER_GLOBALS) {
        verifier_break("the driver called WdfVerifierDbgBreakPoint");
    }

    /// The driver's own bug check.
    irql(any) fn WdfVerifierKeBugCheck(
        _globals: PWDF_DRIVER_GLOBALS,
        code: ULONG,
        first: ULONG_PTR,
        second: ULONG_PTR,
        third: ULONG_PTR,
        fourth: ULONG_PTR,
    ) {
        bug_check(
            StopCode(code),
            [first, second, third, fourth],
            "the driver called WdfVerifierKeBugCheck",
        );
    }
}

wdf_functions! {
    WdfVerifierDbgBreakPointTableIndex: PFN_WDFVERIFIERDBGBREAKPOINT = WdfVerifierDbgBreakPoint;
    WdfVerifierKeBugCheckTableIndex: PFN_WDFVERIFIERKEBUGCHECK = WdfVerifierKeBugCheck;
}
