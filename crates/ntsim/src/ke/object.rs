//! References to objects, and handles.
//!
//! Whoever makes an object that drivers can reference registers its address. A reference that a
//! driver takes and does not give back is a leak of the driver's; one too many given back stops the
//! machine.

use std::cell::RefCell;
use std::collections::BTreeMap;

use wdk_sys_lite::{HANDLE, LONG_PTR, NTSTATUS, PVOID, STATUS_INVALID_HANDLE};

use crate::bugcheck::{StopCode, bug_check};
use crate::kernel::{DriverId, Leak, kernel};
use crate::nt_export;

use super::invalid;

struct Referenced {
    kind: &'static str,
    /// References, the maker's own among them.
    count: i64,
    /// Whether the maker still has its reference.
    made: bool,
    /// What drivers hold of them.
    drivers: BTreeMap<DriverId, i64>,
    /// Takes the object away after the last reference.
    free: Box<dyn FnOnce()>,
}

/// The objects that drivers can reference, by address.
#[derive(Default)]
pub struct State(RefCell<BTreeMap<usize, Referenced>>);

impl State {
    /// Makes an object known, with one reference: its maker's. What `free` does happens after the
    /// last.
    pub fn register(&self, address: usize, kind: &'static str, free: impl FnOnce() + 'static) {
        let object = Referenced {
            kind,
            count: 1,
            made: true,
            drivers: BTreeMap::new(),
            free: Box::new(free),
        };
        self.0.borrow_mut().insert(address, object);
    }

    /// How many references an object has, its maker's among them; 0 if it does not exist.
    #[must_use]
    pub fn references(&self, address: usize) -> i64 {
        self.0
            .borrow()
            .get(&address)
            .map_or(0, |object| object.count)
    }

    /// Gives the maker's reference up. The object goes on to exist while drivers hold others.
    pub fn release(&self, address: usize) {
        let mut objects = self.0.borrow_mut();
        let Some(object) = objects.get_mut(&address).filter(|object| object.made) else {
            return;
        };
        object.made = false;
        object.count -= 1;
        let gone = object.count == 0;
        let object = if gone { objects.remove(&address) } else { None };
        drop(objects);
        if let Some(object) = object {
            (object.free)();
        }
    }

    pub(super) fn leaks(&self, driver: DriverId, leaks: &mut Vec<Leak>) {
        for object in self.0.borrow().values() {
            let held = object.drivers.get(&driver).copied().unwrap_or_default();
            if held > 0 {
                leaks.push(Leak {
                    kind: "object reference",
                    what: format!("{held} to a {}", object.kind),
                });
            }
        }
    }

    /// Counts a reference up or down on the caller's account and returns the new count.
    fn change(&self, address: usize, by: i64) -> i64 {
        let driver = kernel().sched.current().driver();
        let mut objects = self.0.borrow_mut();
        let Some(object) = objects.get_mut(&address) else {
            drop(objects);
            invalid(
                "object",
                address,
                "is none that drivers can reference, or does not exist any more",
            );
        };
        let count = object.count + by;
        if count < i64::from(object.made) {
            let kind = object.kind;
            drop(objects);
            bug_check(
                StopCode::REFERENCE_BY_POINTER,
                [0, address as u64, 0, 0],
                format!(
                    "the {kind} at {address:#x} is dereferenced more often than it was referenced"
                ),
            );
        }
        object.count = count;
        if let Some(driver) = driver {
            *object.drivers.entry(driver).or_default() += by;
        }
        let object = if count == 0 {
            objects.remove(&address)
        } else {
            None
        };
        drop(objects);
        if let Some(object) = object {
            (object.free)();
        }
        count
    }
}

nt_export! {
    /// Counts a reference; returns how many there are.
    irql(<= DISPATCH_LEVEL) fn ObfReferenceObject(Object: PVOID) -> LONG_PTR {
        kernel().ke.objects.change(Object.addr(), 1)
    }

    /// Gives a reference back; returns how many are left.
    irql(<= DISPATCH_LEVEL) fn ObfDereferenceObject(Object: PVOID) -> LONG_PTR {
        kernel().ke.objects.change(Object.addr(), -1)
    }

    /// Closes a handle. Nothing that the simulated system offers to drivers makes one (registry
    /// keys and files are the framework's), so there is none to close.
    irql(== PASSIVE_LEVEL) fn ZwClose(Handle: HANDLE) -> NTSTATUS {
        if kernel().config.verifier {
            bug_check(
                StopCode::INVALID_KERNEL_HANDLE,
                [Handle.addr() as u64, 1, 0, 0],
                format!("ZwClose is called with {Handle:p}, which is no handle"),
            );
        }
        STATUS_INVALID_HANDLE
    }
}
