//! Rundown protection.
//!
//! ```text
//!   initialised --acquire--> protected (n)  --ExWaitForRundownProtectionRelease--> running down --last release--> run down
//!        ^                        |                                                                                  |
//!        |                     release                                                                               |
//!        `---------------------------- ExReInitializeRundownProtection ----------------------------------------------'
//! ```
//!
//! The reference's word holds twice the count, with bit 0 set from the moment that the run-down
//! begins. From then on nobody may wait for it again before `ExRundownCompleted`: until that call
//! the word may still name the first wait, and a second one can wait for ever.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use wdk_sys_lite::{BOOLEAN, PEX_RUNDOWN_REF};

use crate::bugcheck::{StopCode, bug_check, verifier_violation};
use crate::kernel::kernel;
use crate::mm::finding;
use crate::nt_export;
use crate::sched::Key;

use super::invalid;

const ACTIVE: u64 = 1;
const ONE: u64 = 2;

#[derive(Default)]
pub(super) struct State {
    /// What each reference's word must be, by address.
    words: RefCell<BTreeMap<usize, u64>>,
    /// The references that were waited for and not yet said to have run down.
    waited: RefCell<BTreeSet<usize>>,
}

fn load(reference: PEX_RUNDOWN_REF) -> u64 {
    // SAFETY: the driver vouches for its reference; memory that does not exist is its fault.
    // Aligned, as `word` checks.
    unsafe { (*reference).__bindgen_anon_1.Count }
}

/// The word of an initialised reference.
fn word(reference: PEX_RUNDOWN_REF) -> u64 {
    let address = reference.addr();
    if reference.is_null() || !reference.is_aligned() {
        invalid("rundown reference", address, "is null or not aligned");
    }
    let value = load(reference);
    match kernel().ke.rundowns.words.borrow().get(&address) {
        Some(known) if *known == value => value,
        Some(_) => invalid("rundown reference", address, "was overwritten"),
        None => invalid(
            "rundown reference",
            address,
            "was never initialised, or was moved",
        ),
    }
}

fn store(reference: PEX_RUNDOWN_REF, value: u64) {
    // SAFETY: as in `load`.
    unsafe { (*reference).__bindgen_anon_1.Count = value };
    kernel()
        .ke
        .rundowns
        .words
        .borrow_mut()
        .insert(reference.addr(), value);
}

/// The last wait for a reference is over for good.
fn no_wait(reference: usize) {
    kernel().ke.rundowns.waited.borrow_mut().remove(&reference);
}

/// Memory is about to be taken away: no object in it may be protected.
pub(super) fn going_away(address: usize, length: usize) {
    let mut references = kernel().ke.rundowns.words.borrow_mut();
    let gone: Vec<(usize, u64)> = references
        .range(address..address + length.max(1))
        .map(|(reference, word)| (*reference, *word))
        .collect();
    for (reference, _) in &gone {
        references.remove(reference);
        no_wait(*reference);
    }
    drop(references);
    if let Some((reference, word)) = gone.iter().find(|(_, word)| *word >= ONE) {
        verifier_violation(
            [finding::FREED_OBJECT_IN_USE, *reference as u64, 0, 0],
            format!(
                "memory at {address:#x} is freed with the rundown reference {reference:#x} in it, which {} hold",
                word / ONE
            ),
        );
    }
}

nt_export! {
    /// Begins protection.
    irql(<= APC_LEVEL) fn ExInitializeRundownProtection(RunRef: PEX_RUNDOWN_REF) {
        if RunRef.is_null() || !RunRef.is_aligned() {
            invalid("rundown reference", RunRef.addr(), "is null or not aligned");
        }
        no_wait(RunRef.addr());
        store(RunRef, 0);
    }

    /// Protects the object, unless its run-down has begun.
    irql(<= DISPATCH_LEVEL) fn ExAcquireRundownProtection(RunRef: PEX_RUNDOWN_REF) -> BOOLEAN {
        let value = word(RunRef);
        if value & ACTIVE != 0 {
            return 0;
        }
        store(RunRef, value + ONE);
        1
    }

    /// Ends one protection.
    irql(<= DISPATCH_LEVEL) fn ExReleaseRundownProtection(RunRef: PEX_RUNDOWN_REF) {
        let value = word(RunRef);
        if value < ONE {
            bug_check(
                StopCode::REFERENCE_BY_POINTER,
                [0, RunRef.addr() as u64, 0, 0],
                format!("the rundown reference {RunRef:p} is released more often than it was acquired"),
            );
        }
        store(RunRef, value - ONE);
        kernel().sched.wake(Key(RunRef.addr() as u64));
    }

    /// Begins the run-down and waits for all who hold protection. Calling it again has no effect
    /// after `ExRundownCompleted`, and is an error before.
    irql(<= APC_LEVEL) fn ExWaitForRundownProtectionRelease(RunRef: PEX_RUNDOWN_REF) {
        let value = word(RunRef);
        let first = value & ACTIVE == 0;
        if !first && kernel().ke.rundowns.waited.borrow().contains(&RunRef.addr()) {
            bug_check(
                StopCode::NTSIM_RUNDOWN_WAITED_TWICE,
                [RunRef.addr() as u64, value / ONE, 0, 0],
                format!(
                    "the rundown reference {RunRef:p} is waited for a second time, with neither ExRundownCompleted nor ExReInitializeRundownProtection between: the second wait may never end"
                ),
            );
        }
        if first {
            kernel().ke.rundowns.waited.borrow_mut().insert(RunRef.addr());
        }
        store(RunRef, value | ACTIVE);
        while word(RunRef) >= ONE {
            kernel().sched.wait(Key(RunRef.addr() as u64), None);
        }
    }

    /// Notes that the run-down is over.
    irql(<= APC_LEVEL) fn ExRundownCompleted(RunRef: PEX_RUNDOWN_REF) {
        if word(RunRef) != ACTIVE {
            invalid("rundown reference", RunRef.addr(), "is said to have run down, and has not");
        }
        no_wait(RunRef.addr());
    }

    /// Begins protection again after a run-down.
    irql(<= APC_LEVEL) fn ExReInitializeRundownProtection(RunRef: PEX_RUNDOWN_REF) {
        if word(RunRef) != ACTIVE {
            invalid("rundown reference", RunRef.addr(), "is initialised again before it has run down");
        }
        no_wait(RunRef.addr());
        store(RunRef, 0);
    }
}
