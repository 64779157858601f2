//! Spin locks, and the order in which they are acquired.
//!
//! A free lock is a zero word, a held one is not. Two locks that are acquired in both orders can
//! deadlock even if this run did not: with the verifier the order of each acquisition is
//! remembered, and a cycle is a finding.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use wdk_sys_lite::{KIRQL, PKSPIN_LOCK};

use crate::bugcheck::{StopCode, bug_check, verifier_violation, verifier_violation_with_history};
use crate::export::{DISPATCH_LEVEL, Irql};
use crate::kernel::kernel;
use crate::nt_export;
use crate::sched::{ContextId, Key};
use crate::trace::Trace;

use super::{invalid, irql};

const FREE: u64 = 0;
const HELD: u64 = 1;

#[derive(Default)]
pub(super) struct State {
    /// Who holds a lock.
    holders: RefCell<BTreeMap<usize, ContextId>>,
    /// The locks that a context holds, in the order of their acquisition.
    held: RefCell<BTreeMap<ContextId, Vec<usize>>>,
    /// Which locks were acquired while a lock was held.
    /// For each, where that happened first.
    after: RefCell<BTreeMap<usize, BTreeMap<usize, Trace>>>,
}

impl State {
    /// How `to` came to be acquired under `from`, directly or with others between: the place of
    /// each step.
    fn path(&self, from: usize, to: usize) -> Option<Vec<(&'static str, Trace)>> {
        let after = self.after.borrow();
        let mut before: BTreeMap<usize, usize> = BTreeMap::new();
        let mut open = vec![from];
        while let Some(lock) = open.pop() {
            for next in after.get(&lock).into_iter().flat_map(BTreeMap::keys) {
                if *next != from && !before.contains_key(next) {
                    before.insert(*next, lock);
                    open.push(*next);
                }
            }
        }
        let mut places = Vec::new();
        let mut lock = to;
        while lock != from {
            let outer = *before.get(&lock)?;
            let place = after.get(&outer)?.get(&lock)?;
            places.push(("the other way round", place.clone()));
            lock = outer;
        }
        Some(places)
    }

    fn note_order(&self, context: ContextId, lock: usize) {
        let held = self
            .held
            .borrow()
            .get(&context)
            .cloned()
            .unwrap_or_default();
        for before in held {
            let known = self
                .after
                .borrow()
                .get(&before)
                .is_some_and(|after| after.contains_key(&lock));
            if known {
                continue;
            }
            if let Some(places) = self.path(lock, before) {
                verifier_violation_with_history(
                    [0x1001, lock as u64, 0, 0],
                    format!(
                        "the spin lock {lock:#x} is acquired while {before:#x} is held, and the other way round elsewhere: \
                         this can deadlock"
                    ),
                    places,
                );
            }
            let place = Trace::capture();
            self.after
                .borrow_mut()
                .entry(before)
                .or_default()
                .insert(lock, place);
        }
    }

    fn forget_order(&self, lock: usize) {
        let mut after = self.after.borrow_mut();
        after.remove(&lock);
        for next in after.values_mut() {
            next.remove(&lock);
        }
    }
}

fn state() -> &'static State {
    &kernel().ke.locks
}

/// Reads a lock's word. Memory that does not exist (any more) is the driver's fault.
fn load(lock: PKSPIN_LOCK) -> u64 {
    // SAFETY: the driver vouches that this is its lock; aligned, as `acquire` and `release` check.
    unsafe { lock.read_volatile() }
}

fn check_aligned(lock: PKSPIN_LOCK) {
    if !lock.is_aligned() || lock.is_null() {
        invalid("spin lock", lock.addr(), "is null or not aligned");
    }
}

/// The running context is about to acquire a lock that the framework keeps, known by an address.
pub(crate) fn note_order(lock: usize) {
    if kernel().config.verifier {
        state().note_order(kernel().sched.current().id, lock);
    }
}

/// It has acquired it.
pub(crate) fn note_held(lock: usize) {
    let context = kernel().sched.current().id;
    let mut held = state().held.borrow_mut();
    held.entry(context).or_default().push(lock);
}

/// It is about to release it.
pub(crate) fn note_released(lock: usize) {
    let context = kernel().sched.current().id;
    let mut held = state().held.borrow_mut();
    if let Some(locks) = held.get_mut(&context) {
        locks.retain(|held| *held != lock);
        if locks.is_empty() {
            held.remove(&context);
        }
    }
}

/// The lock is gone.
pub(crate) fn forget(lock: usize) {
    state().forget_order(lock);
}

/// Acquires at `DISPATCH_LEVEL` or above.
fn acquire(lock: PKSPIN_LOCK) {
    check_aligned(lock);
    let sched = &kernel().sched;
    let context = sched.current();
    let state = state();
    let address = lock.addr();
    let key = Key(address as u64);
    let value = load(lock);
    let holder = state.holders.borrow().get(&address).copied();
    if holder == Some(context.id) {
        bug_check(
            StopCode::SPIN_LOCK_ALREADY_OWNED,
            [address as u64, 0, 0, 0],
            format!("the spin lock {address:#x} is acquired by its holder"),
        );
    }
    if holder.is_none() && value != FREE {
        invalid(
            "spin lock",
            address,
            "was never initialised, or was overwritten",
        );
    }
    if kernel().config.verifier {
        state.note_order(context.id, address);
    }
    while state.holders.borrow().contains_key(&address) {
        sched.spin(key);
    }
    if load(lock) != FREE {
        invalid("spin lock", address, "was overwritten");
    }
    // SAFETY: as in `load`.
    unsafe { lock.write_volatile(HELD) };
    state.holders.borrow_mut().insert(address, context.id);
    sched.holds(key);
    note_held(address);
    context.spin_lock_acquired();
}

/// Releases; the IRQL stays.
fn release(lock: PKSPIN_LOCK) {
    check_aligned(lock);
    let sched = &kernel().sched;
    let context = sched.current();
    let state = state();
    let address = lock.addr();
    let holder = state.holders.borrow().get(&address).copied();
    if holder != Some(context.id) {
        bug_check(
            StopCode::SPIN_LOCK_NOT_OWNED,
            [address as u64, 0, 0, 0],
            format!(
                "the spin lock {address:#x} is released by somebody who does not hold it{}",
                if holder.is_some() {
                    ", but another context does"
                } else {
                    ""
                }
            ),
        );
    }
    if load(lock) != HELD {
        invalid("spin lock", address, "was overwritten while it was held");
    }
    // SAFETY: as in `load`.
    unsafe { lock.write_volatile(FREE) };
    state.holders.borrow_mut().remove(&address);
    sched.lets_go(Key(address as u64));
    note_released(address);
    context.spin_lock_released();
    sched.wake(Key(address as u64));
}

/// Memory is about to be taken away: no lock in it may be held.
pub(super) fn going_away(address: usize, length: usize) {
    let state = state();
    let range = address..address + length.max(1);
    let held = state
        .holders
        .borrow()
        .range(range.clone())
        .next()
        .map(|(lock, _)| *lock);
    if let Some(lock) = held {
        verifier_violation(
            [0x100B, lock as u64, 0, 0],
            format!(
                "memory at {address:#x} is freed with the spin lock {lock:#x} in it, which is held"
            ),
        );
        state.holders.borrow_mut().remove(&lock);
    }
    let mut known: BTreeSet<usize> = state
        .after
        .borrow()
        .range(range.clone())
        .map(|(lock, _)| *lock)
        .collect();
    known.extend(
        state
            .after
            .borrow()
            .values()
            .flat_map(|next| next.range(range.clone()).map(|(lock, _)| lock))
            .copied(),
    );
    for lock in known {
        state.forget_order(lock);
    }
}

fn irql() -> Irql {
    kernel().sched.current().irql()
}

/// A rule about the IRQL of a function on a lock, with Driver Verifier's code for it.
fn require(holds: bool, code: u64, lock: PKSPIN_LOCK, message: &str) {
    if !holds {
        let irql = irql();
        verifier_violation(
            [code, u64::from(irql), lock.addr() as u64, 0],
            format!("{message}, at IRQL {irql}"),
        );
    }
}

nt_export! {
    /// Makes a free lock.
    irql(any) fn KeInitializeSpinLock(SpinLock: PKSPIN_LOCK) {
        check_aligned(SpinLock);
        let state = state();
        if state.holders.borrow().contains_key(&SpinLock.addr()) {
            verifier_violation(
                [0x1005, SpinLock.addr() as u64, 0, 0],
                format!("the spin lock {SpinLock:p} is initialised while it is held"),
            );
        }
        state.forget_order(SpinLock.addr());
        // SAFETY: the driver vouches that it may be written.
        unsafe { SpinLock.write_volatile(FREE) };
    }

    /// Raises to `DISPATCH_LEVEL` and acquires; returns the old IRQL.
    irql(any) fn KeAcquireSpinLockRaiseToDpc(SpinLock: PKSPIN_LOCK) -> KIRQL {
        require(irql() <= DISPATCH_LEVEL, 0x42, SpinLock, "a spin lock is acquired above DISPATCH_LEVEL");
        let old = kernel().sched.set_irql(irql().max(DISPATCH_LEVEL));
        acquire(SpinLock);
        old
    }

    /// Releases and lowers the IRQL.
    irql(any) fn KeReleaseSpinLock(SpinLock: PKSPIN_LOCK, NewIrql: KIRQL) {
        require(irql() == DISPATCH_LEVEL, 0x32, SpinLock, "KeReleaseSpinLock is called at another IRQL than DISPATCH_LEVEL");
        release(SpinLock);
        irql::lower(NewIrql);
    }

    /// Acquires without raising the IRQL.
    irql(any) fn KeAcquireSpinLockAtDpcLevel(SpinLock: PKSPIN_LOCK) {
        require(irql() >= DISPATCH_LEVEL, 0x40, SpinLock, "KeAcquireSpinLockAtDpcLevel is called below DISPATCH_LEVEL");
        acquire(SpinLock);
    }

    /// Releases without lowering the IRQL.
    irql(any) fn KeReleaseSpinLockFromDpcLevel(SpinLock: PKSPIN_LOCK) {
        require(irql() >= DISPATCH_LEVEL, 0x41, SpinLock, "KeReleaseSpinLockFromDpcLevel is called below DISPATCH_LEVEL");
        release(SpinLock);
    }
}
