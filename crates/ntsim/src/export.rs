//! The two macros through which a driver and the simulated kernel call one another.
//!
//! [`nt_export!`](crate::nt_export) declares a function that drivers call: it checks the documented
//! IRQL and is a scheduling point before and after its body. [`call_driver!`](crate::call_driver)
//! calls into a driver and checks that the driver came back as it was called. A second calling
//! convention would be added here and nowhere else.

use crate::bugcheck::{StopCode, bug_check};
use crate::kernel::{DriverId, kernel, try_kernel};
use crate::sched::{ContextKind, Frame};

/// An interrupt request level; `KIRQL`.
pub type Irql = u8;
/// `PASSIVE_LEVEL`.
pub const PASSIVE_LEVEL: Irql = 0;
/// `APC_LEVEL`.
pub const APC_LEVEL: Irql = 1;
/// `DISPATCH_LEVEL`.
pub const DISPATCH_LEVEL: Irql = 2;
/// `HIGH_LEVEL` (x64).
pub const HIGH_LEVEL: Irql = 15;

/// At which IRQL a function may be called, as its documentation says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IrqlRule {
    /// At any level.
    Any,
    /// At most at this level.
    AtMost(Irql),
    /// At least at this level.
    AtLeast(Irql),
}

/// Marks a call from a driver into the kernel as active; its end is a scheduling point.
pub struct ExportCall {
    depth: usize,
}

/// Enters an exported function: checks the caller and its IRQL, and lets another processor run.
///
/// # Panics
///
/// If no simulated machine runs on this thread, or the caller is a program of the host's.
#[must_use]
pub fn enter(name: &'static str, rule: IrqlRule) -> ExportCall {
    let kernel = kernel();
    let context = kernel.sched.current();
    assert!(
        !matches!(context.kind, ContextKind::Host),
        "a host program called {name}, a function of the guest's kernel"
    );
    if context.driver_running().is_some() {
        kernel.tally.kernel_call();
    }
    let depth = context.push_frame(Frame::Export(name));
    if let Some(events) = &kernel.events {
        events.begin(&context, name, false, kernel.sched.now());
    }
    let irql = context.irql();
    let broken = match rule {
        IrqlRule::Any => false,
        IrqlRule::AtMost(limit) => irql > limit,
        IrqlRule::AtLeast(limit) => irql < limit,
    };
    if broken && kernel.config.verifier {
        let code = if matches!(rule, IrqlRule::AtLeast(_)) {
            StopCode::IRQL_NOT_GREATER_OR_EQUAL
        } else {
            StopCode::IRQL_NOT_LESS_OR_EQUAL
        };
        bug_check(
            code,
            [0, u64::from(irql), 0, 0],
            format!("{name} was called at IRQL {irql}; it needs {rule:?}"),
        );
    }
    kernel.sched.point();
    ExportCall { depth }
}

impl Drop for ExportCall {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        let kernel = kernel();
        kernel.sched.point();
        let context = kernel.sched.current();
        context.pop_frame(self.depth);
        if let Some(events) = &kernel.events {
            events.end(context.id, kernel.sched.now());
        }
    }
}

/// A call into a driver is active.
pub struct DriverCall {
    name: &'static str,
    depth: usize,
    irql: Irql,
    spin_locks: u32,
    critical_regions: u32,
}

/// Enters a driver's function; [`DriverCall::leave`] checks how it came back.
#[must_use]
pub fn enter_driver(driver: DriverId, name: &'static str) -> DriverCall {
    let kernel = kernel();
    kernel.sched.point();
    crate::driver::check_loaded(driver, name);
    let context = kernel.sched.current();
    let number = kernel.tally.callback(name);
    let depth = context.push_frame(Frame::Driver(driver, name, number));
    if let Some(events) = &kernel.events {
        events.begin(&context, name, true, kernel.sched.now());
    }
    DriverCall {
        name,
        depth,
        irql: context.irql(),
        spin_locks: context.spin_locks_held(),
        critical_regions: context.critical_regions(),
    }
}

impl DriverCall {
    /// The driver's function has returned: it must do so at the IRQL, and with the spin locks, of
    /// its call.
    pub fn leave(self) {
        let kernel = kernel();
        let context = kernel.sched.current();
        let (irql, held) = (context.irql(), context.spin_locks_held());
        if held != self.spin_locks {
            crate::bugcheck::verifier_violation(
                [0x32, u64::from(held), 0, 0],
                format!(
                    "{} returned holding {held} spin locks; it was called with {}",
                    self.name, self.spin_locks
                ),
            );
        }
        if irql != self.irql {
            bug_check(
                StopCode::IRQL_UNEXPECTED_VALUE,
                [u64::from(irql) << 16 | u64::from(self.irql) << 8, 0, 0, 0],
                format!(
                    "{} was called at IRQL {} and returned at {irql}",
                    self.name, self.irql
                ),
            );
        }
        // Locks that wait are held in a critical region, which may span no callback.
        if context.critical_regions() != self.critical_regions && kernel.config.verifier {
            bug_check(
                StopCode::WDF_VIOLATION,
                [crate::wdf::violation::CRITICAL_REGION_MISMATCH, 0, 0, 0],
                format!(
                    "{} returned holding another number of wait locks than at its call",
                    self.name
                ),
            );
        }
        context.pop_frame(self.depth);
        if let Some(events) = &kernel.events {
            events.end(context.id, kernel.sched.now());
        }
        kernel.sched.point();
    }
}

/// An atomic operation of a driver's is about to be done: another processor may go on first. It
/// counts as no call into the kernel.
pub(crate) fn atomic_operation() {
    if let Some(kernel) = try_kernel()
        && kernel.sched.switches_at_atomic()
    {
        crate::stacks::on_system_stack(|| kernel.sched.switch());
    }
}

/// Declares functions that drivers call, with the kernel's own names and calling convention.
///
/// The IRQL comes first: `irql(any)`, `irql(<= DISPATCH_LEVEL)`, `irql(== PASSIVE_LEVEL)` or
/// `irql(>= DISPATCH_LEVEL)`. With `table` in front the function gets no linker symbol: it is
/// reached through a function table (KMDF, KMCL).
#[macro_export]
macro_rules! nt_export {
    ($(
        $(#[$meta:meta])*
        irql($($rule:tt)*) fn $name:ident($($arg:ident: $type:ty),* $(,)?) $(-> $ret:ty)? $body:block
    )*) => {$(
        $(#[$meta])*
        ///
        /// # Safety
        ///
        /// As the function of this name in the driver documentation; the simulator checks what it
        /// can.
        #[unsafe(no_mangle)]
        #[allow(non_snake_case, reason = "the kernel's own names")]
        #[allow(clippy::must_use_candidate, reason = "declared as the kernel declares it")]
        pub unsafe extern "C" fn $name($($arg: $type),*) $(-> $ret)? {
            $crate::stacks::on_system_stack(move || {
                let _call = $crate::export::enter(stringify!($name), $crate::irql_rule!($($rule)*));
                $body
            })
        }
    )*};
    (table $(
        $(#[$meta:meta])*
        irql($($rule:tt)*) fn $name:ident($($arg:ident: $type:ty),* $(,)?) $(-> $ret:ty)? $body:block
    )*) => {$(
        $(#[$meta])*
        ///
        /// # Safety
        ///
        /// As the function of this name in the driver documentation; the simulator checks what it
        /// can.
        #[allow(non_snake_case, reason = "the kernel's own names")]
        pub(crate) unsafe extern "C" fn $name($($arg: $type),*) $(-> $ret)? {
            $crate::stacks::on_system_stack(move || {
                let _call = $crate::export::enter(stringify!($name), $crate::irql_rule!($($rule)*));
                $body
            })
        }
    )*};
}

/// The [`IrqlRule`] that a clause of [`nt_export!`](crate::nt_export) names.
#[doc(hidden)]
#[macro_export]
macro_rules! irql_rule {
    (any) => {
        $crate::export::IrqlRule::Any
    };
    (<= $level:ident) => {
        $crate::export::IrqlRule::AtMost($crate::export::$level)
    };
    (== PASSIVE_LEVEL) => {
        $crate::export::IrqlRule::AtMost($crate::export::PASSIVE_LEVEL)
    };
    (>= $level:ident) => {
        $crate::export::IrqlRule::AtLeast($crate::export::$level)
    };
}

/// Calls a driver's function: `call_driver!(driver_id, "EvtIoRead", function(args…))`, an unsafe
/// operation.
///
/// The function is an `unsafe extern "C" fn` pointer (or `extern "system"` for `DriverEntry`).
#[macro_export]
macro_rules! call_driver {
    ($driver:expr, $name:expr, $function:ident($($arg:expr),* $(,)?)) => {{
        let call = $crate::export::enter_driver($driver, $name);
        let result = $crate::stacks::on_driver_stack(|| $function($($arg),*));
        call.leave();
        result
    }};
}
