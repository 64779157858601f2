//! The running thread, and its critical regions.

use wdk_sys_lite::{BOOLEAN, HANDLE};

use crate::bugcheck::{StopCode, bug_check};
use crate::export::APC_LEVEL;
use crate::kernel::kernel;
use crate::nt_export;

nt_export! {
    /// Keeps normal kernel APCs, and with them the thread's suspension, away until the region is
    /// left.
    irql(<= APC_LEVEL) fn KeEnterCriticalRegion() {
        kernel().sched.current().critical_region_entered();
    }

    /// Leaves the region that was entered last.
    irql(<= APC_LEVEL) fn KeLeaveCriticalRegion() {
        let context = kernel().sched.current();
        if context.critical_regions() == 0 {
            bug_check(
                StopCode::APC_INDEX_MISMATCH,
                [0, 0, 0, 0],
                "a critical region is left that the thread has not entered".to_owned(),
            );
        }
        context.critical_region_left();
    }

    /// Whether the running thread takes no normal kernel APC.
    irql(any) fn KeAreApcsDisabled() -> BOOLEAN {
        let context = kernel().sched.current();
        BOOLEAN::from(context.critical_regions() > 0 || context.irql() >= APC_LEVEL)
    }

    /// The running thread's id; no thread has 0.
    irql(any) fn PsGetCurrentThreadId() -> HANDLE {
        // Windows numbers threads in steps of four.
        let id = u64::from(kernel().sched.current().id.number()) * 4;
        std::ptr::without_provenance_mut(usize::try_from(id).unwrap_or(usize::MAX))
    }
}
