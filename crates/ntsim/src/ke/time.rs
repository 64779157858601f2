//! Time and processors.

use wdk_sys_lite::{
    _PROCESSOR_NUMBER, LARGE_INTEGER, PLARGE_INTEGER, PPROCESSOR_NUMBER, ULONG, ULONGLONG, USHORT,
};

use crate::kernel::kernel;
use crate::nt_export;

/// The system time at which the machine starts, in units of 100 ns since 1601: the first moment of
/// 2025.
pub(super) const BOOT_TIME: i64 = 133_801_632_000_000_000;

/// `ALL_PROCESSOR_GROUPS`.
const ALL_GROUPS: USHORT = 0xFFFF;

nt_export! {
    /// A counter of units of 100 ns, and how many of them a second has.
    irql(any) fn KeQueryPerformanceCounter(PerformanceFrequency: PLARGE_INTEGER) -> LARGE_INTEGER {
        // SAFETY: null, or the driver vouches that it may be written.
        if let Some(frequency) = unsafe { PerformanceFrequency.as_mut() } {
            frequency.QuadPart = 10_000_000;
        }
        LARGE_INTEGER {
            QuadPart: i64::try_from(kernel().sched.now() / 100).unwrap_or(i64::MAX),
        }
    }

    /// Units of 100 ns since the start.
    irql(any) fn KeQueryInterruptTime() -> ULONGLONG {
        kernel().sched.now() / 100
    }

    /// The running processor's number.
    irql(any) fn KeGetCurrentProcessorNumberEx(ProcNumber: PPROCESSOR_NUMBER) -> ULONG {
        let number = kernel().sched.current().processor().unwrap_or_default();
        // SAFETY: null, or the driver vouches that it may be written.
        if let Some(place) = unsafe { ProcNumber.as_mut() } {
            *place = _PROCESSOR_NUMBER {
                Group: 0,
                Number: u8::try_from(number).unwrap_or(u8::MAX),
                Reserved: 0,
            };
        }
        ULONG::try_from(number).unwrap_or(ULONG::MAX)
    }

    /// How many processors a group has; there is one group.
    irql(any) fn KeQueryActiveProcessorCountEx(GroupNumber: USHORT) -> ULONG {
        if GroupNumber != 0 && GroupNumber != ALL_GROUPS {
            return 0;
        }
        ULONG::try_from(kernel().sched.processors()).unwrap_or(ULONG::MAX)
    }
}
