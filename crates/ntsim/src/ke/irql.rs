//! Interrupt request levels.

use wdk_sys_lite::KIRQL;

use crate::bugcheck::{StopCode, bug_check, verifier_violation};
use crate::export::{DISPATCH_LEVEL, HIGH_LEVEL, Irql};
use crate::kernel::kernel;
use crate::mm::finding;
use crate::nt_export;
use crate::sched::ContextKind;

/// Lowers the running context's IRQL to what it was before a raise, or stops the machine.
pub(super) fn lower(new: Irql) {
    let sched = &kernel().sched;
    let context = sched.current();
    let current = context.irql();
    if new > current {
        verifier_violation(
            [0x31, u64::from(current), u64::from(new), 0],
            format!("the IRQL is lowered from {current} to {new}, which is higher"),
        );
        bug_check(
            StopCode::IRQL_NOT_LESS_OR_EQUAL,
            [0, u64::from(current), 0, 0],
            format!("the IRQL is lowered from {current} to {new}, which is higher"),
        );
    }
    if new < DISPATCH_LEVEL {
        if context.kind == ContextKind::Dpc {
            verifier_violation(
                [0x31, u64::from(current), u64::from(new), 1],
                format!("a DPC lowers the IRQL to {new}"),
            );
        }
        if context.spin_locks_held() > 0 {
            verifier_violation(
                [
                    finding::LOWERED_WITH_SPIN_LOCK,
                    u64::from(current),
                    u64::from(new),
                    0,
                ],
                format!("the IRQL is lowered to {new} while a spin lock is held"),
            );
        }
    }
    sched.set_irql(new);
}

nt_export! {
    /// The running context's IRQL.
    irql(any) fn KeGetCurrentIrql() -> KIRQL {
        kernel().sched.current().irql()
    }

    /// Raises the IRQL and returns the old one.
    irql(any) fn KfRaiseIrql(NewIrql: KIRQL) -> KIRQL {
        let sched = &kernel().sched;
        let current = sched.current().irql();
        if NewIrql < current || NewIrql > HIGH_LEVEL {
            let message = format!("the IRQL is raised from {current} to {NewIrql}");
            verifier_violation([0x30, u64::from(current), u64::from(NewIrql), 0], message.as_str());
            bug_check(
                StopCode::IRQL_NOT_GREATER_OR_EQUAL,
                [0, u64::from(current), u64::from(NewIrql), 0],
                message,
            );
        }
        sched.set_irql(NewIrql)
    }

    /// Lowers the IRQL to what it was before it was raised.
    irql(any) fn KeLowerIrql(NewIrql: KIRQL) {
        lower(NewIrql);
    }
}
