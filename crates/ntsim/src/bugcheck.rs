//! Bug checks as values.
//!
//! A broken rule, a memory fault in a driver, a panic in a driver or `KeBugCheckEx` stops the
//! simulated machine; the run then returns a [`BugCheck`] with the real stop code and parameters
//! where Windows defines them.

use std::fmt;

use crate::kernel::kernel;
use crate::trace::Trace;

/// A stop code, with the name that the debugger's documentation gives it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StopCode(pub u32);

macro_rules! stop_codes {
    ($($(#[$doc:meta])* $name:ident = $value:expr;)*) => {
        impl StopCode {
            $($(#[$doc])* pub const $name: Self = Self($value);)*

            /// The symbolic name, if this is a code that the simulator or Windows defines here.
            #[must_use]
            pub const fn name(self) -> Option<&'static str> {
                match self.0 { $($value => Some(stringify!($name)),)* _ => None }
            }
        }
    };
}

stop_codes! {
    /// A thread left more critical regions than it had entered.
    APC_INDEX_MISMATCH = 0x1;
    /// A routine that needs a high IRQL was called below it.
    IRQL_NOT_GREATER_OR_EQUAL = 0x9;
    /// Memory was touched, or a routine called, at too high an IRQL.
    IRQL_NOT_LESS_OR_EQUAL = 0xA;
    /// A spin lock was acquired again by its owner.
    SPIN_LOCK_ALREADY_OWNED = 0xF;
    /// A spin lock was released by someone who does not own it.
    SPIN_LOCK_NOT_OWNED = 0x10;
    /// A reference count went below zero.
    REFERENCE_BY_POINTER = 0x18;
    /// An exception was raised that the driver does not handle.
    KMODE_EXCEPTION_NOT_HANDLED = 0x1E;
    /// No system addresses are left for a mapping.
    NO_MORE_SYSTEM_PTES = 0x3F;
    /// A request was completed twice.
    MULTIPLE_IRP_COMPLETE_REQUESTS = 0x44;
    /// A driver returned to user mode above `PASSIVE_LEVEL`.
    IRQL_GT_ZERO_AT_SYSTEM_SERVICE = 0x4A;
    /// Memory that does not exist was touched.
    PAGE_FAULT_IN_NONPAGED_AREA = 0x50;
    /// A driver's code raised an exception in a system call of a program's.
    SYSTEM_SERVICE_EXCEPTION = 0x3B;
    /// Locked pages were left when a process ended.
    PROCESS_HAS_LOCKED_PAGES = 0x76;
    /// A handle was closed that is none.
    INVALID_KERNEL_HANDLE = 0x93;
    /// The processor could not go on: a stack overflow (double fault) first of all.
    UNEXPECTED_KERNEL_MODE_TRAP = 0x7F;
    /// A wait was tried from a deferred procedure call.
    ATTEMPTED_SWITCH_FROM_DPC = 0xB8;
    /// Memory around a pool block was written.
    SPECIAL_POOL_DETECTED_MEMORY_CORRUPTION = 0xC1;
    /// A pool routine was misused.
    BAD_POOL_CALLER = 0xC2;
    /// A rule of Driver Verifier was broken.
    DRIVER_VERIFIER_DETECTED_VIOLATION = 0xC4;
    /// A callback came back at another IRQL than it was called at.
    IRQL_UNEXPECTED_VALUE = 0xC8;
    /// The I/O manager's part of Driver Verifier.
    DRIVER_VERIFIER_IOMANAGER_VIOLATION = 0xC9;
    /// A driver left locked pages.
    DRIVER_LEFT_LOCKED_PAGES_IN_PROCESS = 0xCB;
    /// A driver was unloaded with operations still pending.
    DRIVER_UNLOADED_WITHOUT_CANCELLING_PENDING_OPERATIONS = 0xCE;
    /// A driver touched pageable or invalid memory at too high an IRQL.
    DRIVER_IRQL_NOT_LESS_OR_EQUAL = 0xD1;
    /// A driver touched freed special pool.
    DRIVER_PAGE_FAULT_IN_FREED_SPECIAL_POOL = 0xD5;
    /// A driver touched memory beyond the end of a pool block.
    DRIVER_PAGE_FAULT_BEYOND_END_OF_ALLOCATION = 0xD6;
    /// A driver unmapped memory that it had not mapped.
    DRIVER_UNMAPPING_INVALID_VIEW = 0xD7;
    /// Addresses were unmapped that are not mapped so.
    SYSTEM_PTE_MISUSE = 0xDA;
    /// A driver kept a processor at `DISPATCH_LEVEL` or above for too long.
    DPC_WATCHDOG_VIOLATION = 0x133;
    /// Code ended itself because it found its data corrupted (fast fail).
    KERNEL_SECURITY_CHECK_FAILURE = 0x139;
    /// The framework was misused.
    WDF_VIOLATION = 0x10D;
    /// A Rust driver panicked (`wdk-panic`'s own code, the letters `RPNC`).
    RUST_PANIC = 0x5250_4E43;
    /// Simulator: a driver called a function that the simulator does not have.
    NTSIM_MISSING_FUNCTION = 0x4E54_0001;
    /// Simulator: a rule of KMCL was broken (no public text says what Windows does then).
    NTSIM_KMCL_VIOLATION = 0x4E54_0002;
    /// Simulator: a kernel object was used before its initialisation, after its end, or as another
    /// type.
    NTSIM_INVALID_OBJECT = 0x4E54_0003;
    /// Simulator: a run-down was waited for twice without `ExRundownCompleted` between (on Windows
    /// the second wait may never end).
    NTSIM_RUNDOWN_WAITED_TWICE = 0x4E54_0004;
}

impl fmt::Display for StopCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => write!(f, "{name} ({:#x})", self.0),
            None => write!(f, "{:#x}", self.0),
        }
    }
}

impl fmt::Debug for StopCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Why a simulated machine stopped.
pub struct BugCheck {
    /// The stop code.
    pub code: StopCode,
    /// The four parameters, as the stop code's documentation orders them.
    pub parameters: [u64; 4],
    /// What happened, in a sentence.
    pub message: String,
    /// The simulated context that was running.
    pub context: String,
    /// The functions between the kernel and the driver that were active, outermost first.
    pub calls: Vec<String>,
    /// The stack of real machine code.
    pub stack: Option<Trace>,
    /// What came before: where a block was allocated and freed, a request completed, locks acquired
    /// in another order.
    pub history: Vec<(&'static str, Trace)>,
}

impl fmt::Display for BugCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)?;
        let [first, second, third, fourth] = self.parameters;
        write!(
            f,
            " [{first:#x}, {second:#x}, {third:#x}, {fourth:#x}] in {}",
            self.context
        )?;
        if !self.calls.is_empty() {
            write!(f, " ({})", self.calls.join(" > "))?;
        }
        Ok(())
    }
}

/// The whole report: what happened, the stack of the driver's own frames, and the history of the
/// memory.
impl fmt::Debug for BugCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{self}")?;
        if let Some(stack) = &self.stack {
            writeln!(f, "  stack:")?;
            write!(f, "{stack}")?;
        }
        for (event, stack) in &self.history {
            writeln!(f, "  {event}:")?;
            write!(f, "{stack}")?;
        }
        Ok(())
    }
}

/// What the memory manager knows of an address that faulted.
pub struct Fault {
    /// The stop code that Windows raises for it.
    pub code: StopCode,
    /// What the address is, in a sentence.
    pub message: String,
    /// Where the memory block was allocated and freed, if it was one.
    pub history: Vec<(&'static str, Trace)>,
}

/// Stops the simulated machine; the caller's coroutine never runs again.
pub fn bug_check(code: StopCode, parameters: [u64; 4], message: impl Into<String>) -> ! {
    bug_check_with_history(code, parameters, message, Vec::new())
}

/// As [`bug_check`], with the stacks that tell a memory block's life.
pub fn bug_check_with_history(
    code: StopCode,
    parameters: [u64; 4],
    message: impl Into<String>,
    history: Vec<(&'static str, Trace)>,
) -> ! {
    let kernel = kernel();
    let check = BugCheck {
        code,
        parameters,
        message: message.into(),
        context: kernel.sched.current_name(),
        calls: kernel.sched.current_calls(),
        stack: Some(Trace::capture()),
        history,
    };
    kernel.sched.stop(check)
}

/// A finding of Driver Verifier's: a bug check when the machine runs with the verifier, nothing
/// otherwise.
pub fn verifier_violation(parameters: [u64; 4], message: impl Into<String>) {
    if kernel().config.verifier {
        bug_check(
            StopCode::DRIVER_VERIFIER_DETECTED_VIOLATION,
            parameters,
            message,
        );
    }
}

/// As [`verifier_violation`], with the stacks that tell what came before.
pub fn verifier_violation_with_history(
    parameters: [u64; 4],
    message: impl Into<String>,
    history: Vec<(&'static str, Trace)>,
) {
    if kernel().config.verifier {
        bug_check_with_history(
            StopCode::DRIVER_VERIFIER_DETECTED_VIOLATION,
            parameters,
            message,
            history,
        );
    }
}
