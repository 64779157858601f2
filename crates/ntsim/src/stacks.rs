//! The stacks that drivers run on, as small as the kernel's, and those of the simulator beside
//! them.
//!
//! ```text
//!   context's coroutine     simulator
//!      | call_driver!
//!   kernel stack            driver       at most `Config::kernel_stack` bytes, with a guard below
//!      | nt_export!
//!   system stack            simulator    as much as it needs
//!      | call_driver!
//!   kernel stack            driver       what the driver's outer frames have left of those bytes
//! ```
//!
//! So what the simulator uses is never taken for the driver's, and a driver's frame that goes too
//! deep faults where it does so, with all its callers on the stack.

use std::cell::RefCell;
use std::num::NonZeroUsize;
use std::ptr::NonNull;

use corosensei::stack::{STACK_ALIGNMENT, Stack, StackPointer};

use crate::kernel::kernel;
use crate::mm::PAGE_SIZE;

/// Inaccessible bytes below each stack. Rust and C compilers touch each page of a large frame in
/// turn.
const GUARD: usize = 16 * PAGE_SIZE;

/// Bytes of a stack for the simulator's work in a call of a driver's.
const SYSTEM_BYTES: usize = 512 * 1024;

/// What a driver gets of its stack at least, though its outer frames have used all: enough to fault
/// in order.
const LEAST: usize = 1024;

/// A stack with its guard.
pub(crate) struct Mapped {
    start: NonNull<u8>,
    bytes: usize,
}

impl Mapped {
    pub(crate) fn new(usable: usize) -> Option<Self> {
        let bytes = GUARD + usable.next_multiple_of(PAGE_SIZE);
        let start = crate::mm::reserve(bytes)?;
        let mapped = Self { start, bytes };
        // SAFETY: the range is the upper part of a reservation that nobody else knows.
        let result = unsafe {
            libc::mprotect(
                start.as_ptr().add(GUARD).cast(),
                bytes - GUARD,
                libc::PROT_READ | libc::PROT_WRITE,
            )
        };
        (result == 0).then_some(mapped)
    }

    /// Where the bytes above the guard begin.
    pub(crate) fn usable(&self) -> NonNull<u8> {
        // SAFETY: the guard is the lower part of the reservation.
        unsafe { self.start.add(GUARD) }
    }

    fn limit(&self) -> usize {
        self.start.addr().get()
    }

    fn base(&self) -> usize {
        self.limit() + self.bytes
    }
}

impl Drop for Mapped {
    fn drop(&mut self) {
        // SAFETY: the reservation is this value's own; a machine drops its stacks when no context
        // of it runs any more.
        unsafe { libc::munmap(self.start.as_ptr().cast(), self.bytes) };
    }
}

/// Stacks of one kind, used again and again.
#[derive(Default)]
struct Pool {
    all: Vec<Mapped>,
    free: Vec<usize>,
}

impl Pool {
    /// A stack's number, lowest address (of its guard) and base.
    fn take(&mut self, usable: usize) -> (usize, usize, usize) {
        let number = self.free.pop().unwrap_or_else(|| {
            self.all
                .push(Mapped::new(usable).expect("memory for a stack of the simulated kernel"));
            self.all.len() - 1
        });
        let stack = &self.all[number];
        (number, stack.limit(), stack.base())
    }

    fn find(&self, address: usize) -> Option<&Mapped> {
        self.all
            .iter()
            .find(|stack| (stack.limit()..stack.base()).contains(&address))
    }
}

/// Part of a stack, from some depth on.
struct Part {
    base: usize,
    limit: usize,
}

// SAFETY: this module makes parts of mapped stacks only, with their guard at the limit and at least
// `LEAST` bytes above it; the real end of the stack is the guard, which catches what goes deeper,
// so that fewer than `MIN_STACK_SIZE` bytes are sound.
unsafe impl Stack for Part {
    fn base(&self) -> StackPointer {
        NonZeroUsize::new(self.base).unwrap_or(NonZeroUsize::MAX)
    }

    fn limit(&self) -> StackPointer {
        NonZeroUsize::new(self.limit).unwrap_or(NonZeroUsize::MIN)
    }
}

/// The stacks of one machine.
pub(crate) struct Stacks {
    /// Bytes for a driver's frames in one context.
    bound: usize,
    drivers: RefCell<Pool>,
    system: RefCell<Pool>,
}

impl Stacks {
    pub(crate) fn new(bound: usize) -> Self {
        Self {
            bound: bound.next_multiple_of(PAGE_SIZE),
            drivers: RefCell::default(),
            system: RefCell::default(),
        }
    }

    /// How much of it a driver's frames in one context may use, in bytes.
    pub(crate) fn bound(&self) -> usize {
        self.bound
    }

    /// Whether an address is on one of these stacks or in a guard. Runs in a signal handler.
    pub(crate) fn contains(&self, address: usize) -> bool {
        [&self.drivers, &self.system].iter().any(|pool| {
            pool.try_borrow()
                .is_ok_and(|pool| pool.find(address).is_some())
        })
    }

    /// Whether an address is in the guard below a driver's stack.
    pub(crate) fn is_below_driver(&self, address: usize) -> bool {
        self.drivers.try_borrow().is_ok_and(|pool| {
            pool.find(address)
                .is_some_and(|stack| address < stack.limit() + GUARD)
        })
    }
}

/// Where the caller's frame is, roughly.
#[inline]
fn here() -> usize {
    let mark = 0_u8;
    (&raw const mark).addr()
}

/// Runs a driver's function on a stack as small as the kernel's, less what the driver's outer
/// frames use.
pub fn on_driver_stack<R>(call: impl FnOnce() -> R) -> R {
    let kernel = kernel();
    let context = kernel.sched.current();
    let (outer, used) = (context.driver_stack.get(), context.stack_used.get());
    let (number, limit, base) = kernel.stacks.drivers.borrow_mut().take(kernel.stacks.bound);
    context.driver_stack.set(Some(base));
    let top = (base - used).max(limit + GUARD + LEAST) / STACK_ALIGNMENT * STACK_ALIGNMENT;
    let result = corosensei::on_stack(Part { base: top, limit }, call);
    context.driver_stack.set(outer);
    context.stack_used.set(used);
    kernel.stacks.drivers.borrow_mut().free.push(number);
    result
}

/// Runs the simulator's part of a call: beside the driver's stack, if that is where the caller is.
pub fn on_system_stack<R>(call: impl FnOnce() -> R) -> R {
    let kernel = kernel();
    let context = kernel.sched.current();
    let Some(base) = context.driver_stack.get() else {
        return call();
    };
    context.stack_used.set(base.saturating_sub(here()));
    context.driver_stack.set(None);
    let (number, limit, top) = kernel.stacks.system.borrow_mut().take(SYSTEM_BYTES);
    let result = corosensei::on_stack(Part { base: top, limit }, call);
    context.driver_stack.set(Some(base));
    kernel.stacks.system.borrow_mut().free.push(number);
    result
}
