//! Spin locks, wait locks, and the locks behind automatic serialization.

use std::cell::Cell;
use std::rc::Rc;

use wdk_sys_lite::{
    _WDF_EXECUTION_LEVEL, _WDF_SYNCHRONIZATION_SCOPE, NTSTATUS, PLONGLONG, PWDF_DRIVER_GLOBALS,
    PWDF_OBJECT_ATTRIBUTES, STATUS_INSUFFICIENT_RESOURCES, STATUS_SUCCESS, STATUS_TIMEOUT,
    WDFSPINLOCK, WDFWAITLOCK,
};

use crate::bugcheck::{StopCode, bug_check};
use crate::export::{DISPATCH_LEVEL, Irql, PASSIVE_LEVEL};
use crate::kernel::{kernel, try_kernel};
use crate::nt_export;
use crate::sched::{ContextId, Key, Wake};

use super::object::{self, Attributes, Body, Kind, Object};
use super::table::wdf_functions;
use super::{caller, require, violation};

/// A lock that raises to `DISPATCH_LEVEL` and spins.
struct SpinLock {
    owner: Cell<Option<ContextId>>,
    irql: Cell<Irql>,
    key: Key,
}

impl SpinLock {
    fn new() -> Self {
        Self {
            owner: Cell::new(None),
            irql: Cell::new(PASSIVE_LEVEL),
            key: kernel().sched.new_key_for("a WDFSPINLOCK"),
        }
    }

    fn held_by_current(&self) -> bool {
        self.owner.get() == Some(kernel().sched.current().id)
    }

    /// At `DISPATCH_LEVEL` or below; the caller does not hold it.
    fn acquire(&self) {
        let sched = &kernel().sched;
        let context = sched.current();
        let irql = if context.irql() < DISPATCH_LEVEL {
            sched.set_irql(DISPATCH_LEVEL)
        } else {
            context.irql()
        };
        while self.owner.get().is_some() {
            sched.spin(self.key);
        }
        self.owner.set(Some(context.id));
        sched.holds(self.key);
        self.irql.set(irql);
        context.spin_lock_acquired();
    }

    /// By its owner.
    fn release(&self) {
        let sched = &kernel().sched;
        self.owner.set(None);
        kernel().sched.lets_go(self.key);
        sched.current().spin_lock_released();
        sched.wake(self.key);
        sched.set_irql(self.irql.get());
    }
}

impl Body for SpinLock {
    fn destroyed(&self, object: &Object) {
        kernel().sched.forget_key(self.key);
        crate::ke::spinlock::forget(object.handle().addr());
        if self.owner.get().is_some() {
            invalid_operation(object, "was destroyed while it is held");
        }
    }
}

/// A lock that waits at `PASSIVE_LEVEL`.
struct WaitLock {
    owner: Cell<Option<ContextId>>,
    key: Key,
}

impl WaitLock {
    fn new() -> Self {
        Self {
            owner: Cell::new(None),
            key: kernel().sched.new_key_for("a WDFWAITLOCK"),
        }
    }

    /// False if the deadline passed first.
    fn acquire(&self, deadline: Option<u64>) -> bool {
        let sched = &kernel().sched;
        while self.owner.get().is_some() {
            if deadline.is_some_and(|deadline| deadline <= sched.now()) {
                return false;
            }
            if sched.wait(self.key, deadline) == Wake::TimedOut && self.owner.get().is_some() {
                return false;
            }
        }
        let context = sched.current();
        self.owner.set(Some(context.id));
        sched.holds(self.key);
        context.critical_region_entered();
        true
    }

    fn release(&self) {
        self.owner.set(None);
        kernel().sched.lets_go(self.key);
        kernel().sched.current().critical_region_left();
        kernel().sched.wake(self.key);
    }
}

impl Body for WaitLock {
    fn destroyed(&self, object: &Object) {
        kernel().sched.forget_key(self.key);
        if self.owner.get().is_some() {
            invalid_operation(object, "was destroyed while it is held");
        }
    }
}

/// The lock with which the framework serialises a device's or a queue's callbacks.
pub struct CallbackLock(Either);

enum Either {
    Spin(SpinLock),
    Wait(WaitLock),
}

impl CallbackLock {
    /// For callbacks of an execution level: a wait lock for `WdfExecutionLevelPassive`, a spin lock
    /// otherwise.
    #[must_use]
    pub fn new(level: _WDF_EXECUTION_LEVEL::Type) -> Self {
        Self(if level == _WDF_EXECUTION_LEVEL::WdfExecutionLevelPassive {
            Either::Wait(WaitLock::new())
        } else {
            Either::Spin(SpinLock::new())
        })
    }

    /// Whether callbacks under it run at `PASSIVE_LEVEL`.
    #[must_use]
    pub fn is_passive(&self) -> bool {
        matches!(self.0, Either::Wait(_))
    }

    /// Whether the running context holds it: a callback is active and another must be deferred.
    #[must_use]
    pub fn held_by_current(&self) -> bool {
        match &self.0 {
            Either::Spin(lock) => lock.held_by_current(),
            Either::Wait(lock) => lock.owner.get() == Some(kernel().sched.current().id),
        }
    }

    /// Runs a callback under the lock. The running context must not hold it.
    pub fn with<R>(&self, callback: impl FnOnce() -> R) -> R {
        if self.held_by_current() {
            bug_check(
                StopCode::WDF_VIOLATION,
                [violation::RECURSIVE_LOCK, 0, 0, 0],
                "a serialised callback was entered from another one under the same lock",
            );
        }
        match &self.0 {
            Either::Spin(lock) => {
                // The kernel's lock is inside, and lock order tracking sees it.
                let address = std::ptr::from_ref(lock).addr();
                crate::ke::spinlock::note_order(address);
                lock.acquire();
                crate::ke::spinlock::note_held(address);
                let result = callback();
                crate::ke::spinlock::note_released(address);
                lock.release();
                result
            }
            Either::Wait(lock) => {
                lock.acquire(None);
                let result = callback();
                lock.release();
                result
            }
        }
    }
}

impl Drop for CallbackLock {
    fn drop(&mut self) {
        // A machine that is thrown away takes its locks along.
        if let Either::Spin(lock) = &self.0
            && try_kernel().is_some()
        {
            crate::ke::spinlock::forget(std::ptr::from_ref(lock).addr());
        }
    }
}

/// The lock under which an object's callbacks run: its device's, its queue's, or none, as its
/// synchronization scope says.
#[must_use]
pub fn callback_lock(object: &Rc<Object>) -> Option<Rc<CallbackLock>> {
    let holder = match object.synchronization_scope() {
        _WDF_SYNCHRONIZATION_SCOPE::WdfSynchronizationScopeDevice => object.ancestor(Kind::Device),
        _WDF_SYNCHRONIZATION_SCOPE::WdfSynchronizationScopeQueue => object.ancestor(Kind::Queue),
        _ => None,
    };
    holder.map(|holder| holder.own_callback_lock())
}

fn invalid_operation(object: &Object, what: &str) {
    if kernel().config.verifier {
        bug_check(
            StopCode::WDF_VIOLATION,
            [
                violation::INVALID_LOCK_OPERATION,
                object.handle().addr() as u64,
                0,
                0,
            ],
            format!("{} {:p} {what}", object.kind.name(), object.handle()),
        );
    }
}

fn recursive(object: &Object) -> ! {
    bug_check(
        StopCode::WDF_VIOLATION,
        [
            violation::RECURSIVE_LOCK,
            object.handle().addr() as u64,
            0,
            0,
        ],
        format!(
            "{} {:p} was acquired again by its owner",
            object.kind.name(),
            object.handle()
        ),
    )
}

/// Creates an object of a kind whose creation needs nothing but its attributes.
fn create(
    kind: Kind,
    function: &str,
    attributes: PWDF_OBJECT_ATTRIBUTES,
    handle: *mut wdk_sys_lite::WDFOBJECT,
    body: impl FnOnce() -> Rc<dyn Body>,
) -> NTSTATUS {
    require(function, "the handle's place", handle.is_null());
    let (driver, parent) = caller();
    // SAFETY: null or attributes that the driver vouches for by calling.
    let created = unsafe { Attributes::read(kind, attributes) }.and_then(|attributes| {
        if kernel().should_fail() {
            return Err(STATUS_INSUFFICIENT_RESOURCES);
        }
        object::create(kind, driver, &attributes, parent.as_ref(), body())
    });
    match created {
        Ok(object) => {
            // SAFETY: not null, and the driver vouches that it may be written.
            unsafe { handle.write(object.handle()) };
            STATUS_SUCCESS
        }
        Err(status) => status,
    }
}

nt_export! { table
    /// Makes a spin lock.
    irql(<= DISPATCH_LEVEL) fn WdfSpinLockCreate(
        _globals: PWDF_DRIVER_GLOBALS,
        attributes: PWDF_OBJECT_ATTRIBUTES,
        lock: *mut WDFSPINLOCK,
    ) -> NTSTATUS {
        create(Kind::SpinLock, "WdfSpinLockCreate", attributes, lock, || Rc::new(SpinLock::new()))
    }

    /// Acquires a spin lock; returns at `DISPATCH_LEVEL`.
    irql(<= DISPATCH_LEVEL) fn WdfSpinLockAcquire(_globals: PWDF_DRIVER_GLOBALS, lock: WDFSPINLOCK) {
        let object = object::of(lock, Kind::SpinLock);
        let lock = object.body::<SpinLock>();
        if lock.held_by_current() {
            recursive(&object);
        }
        // The kernel's lock is inside, and lock order tracking sees it.
        crate::ke::spinlock::note_order(object.handle().addr());
        lock.acquire();
        crate::ke::spinlock::note_held(object.handle().addr());
    }

    /// Releases a spin lock; back to the IRQL of its acquisition.
    irql(>= DISPATCH_LEVEL) fn WdfSpinLockRelease(_globals: PWDF_DRIVER_GLOBALS, lock: WDFSPINLOCK) {
        let object = object::of(lock, Kind::SpinLock);
        let lock = object.body::<SpinLock>();
        if lock.held_by_current() {
            crate::ke::spinlock::note_released(object.handle().addr());
            lock.release();
        } else {
            bug_check(
                StopCode::WDF_VIOLATION,
                [violation::INVALID_LOCK_OPERATION, object.handle().addr() as u64, 0, 0],
                format!("WDFSPINLOCK {:p} was released by someone who does not hold it", object.handle()),
            );
        }
    }

    /// Makes a wait lock.
    irql(<= DISPATCH_LEVEL) fn WdfWaitLockCreate(
        _globals: PWDF_DRIVER_GLOBALS,
        attributes: PWDF_OBJECT_ATTRIBUTES,
        lock: *mut WDFWAITLOCK,
    ) -> NTSTATUS {
        create(Kind::WaitLock, "WdfWaitLockCreate", attributes, lock, || Rc::new(WaitLock::new()))
    }

    /// Acquires a wait lock. Above `PASSIVE_LEVEL` only with a timeout of zero.
    irql(<= DISPATCH_LEVEL) fn WdfWaitLockAcquire(
        _globals: PWDF_DRIVER_GLOBALS,
        lock: WDFWAITLOCK,
        timeout: PLONGLONG,
    ) -> NTSTATUS {
        let object = object::of(lock, Kind::WaitLock);
        let lock = object.body::<WaitLock>();
        // SAFETY: null or a number that the driver vouches for by calling.
        let timeout = unsafe { timeout.as_ref() }.copied();
        let irql = kernel().sched.current().irql();
        if timeout != Some(0) && irql > PASSIVE_LEVEL && kernel().config.verifier {
            bug_check(
                StopCode::IRQL_NOT_LESS_OR_EQUAL,
                [object.handle().addr() as u64, u64::from(irql), 0, 0],
                format!("WdfWaitLockAcquire waits, and was called at IRQL {irql}"),
            );
        }
        if lock.owner.get() == Some(kernel().sched.current().id) && kernel().config.verifier {
            recursive(&object);
        }
        if lock.acquire(timeout.map(crate::ke::deadline)) { STATUS_SUCCESS } else { STATUS_TIMEOUT }
    }

    /// Releases a wait lock.
    irql(<= DISPATCH_LEVEL) fn WdfWaitLockRelease(_globals: PWDF_DRIVER_GLOBALS, lock: WDFWAITLOCK) {
        let object = object::of(lock, Kind::WaitLock);
        let lock = object.body::<WaitLock>();
        if lock.owner.get() != Some(kernel().sched.current().id) {
            invalid_operation(&object, "was released by someone who does not hold it");
        }
        lock.release();
    }
}

wdf_functions! {
    WdfSpinLockCreateTableIndex: PFN_WDFSPINLOCKCREATE = WdfSpinLockCreate;
    WdfSpinLockAcquireTableIndex: PFN_WDFSPINLOCKACQUIRE = WdfSpinLockAcquire;
    WdfSpinLockReleaseTableIndex: PFN_WDFSPINLOCKRELEASE = WdfSpinLockRelease;
    WdfWaitLockCreateTableIndex: PFN_WDFWAITLOCKCREATE = WdfWaitLockCreate;
    WdfWaitLockAcquireTableIndex: PFN_WDFWAITLOCKACQUIRE = WdfWaitLockAcquire;
    WdfWaitLockReleaseTableIndex: PFN_WDFWAITLOCKRELEASE = WdfWaitLockRelease;
}
