//! Locks, events and rundown protection over the kernel's own objects.
//!
//! | for | use |
//! |---|---|
//! | data that any code may reach | [`SpinLock`] |
//! | data of the device's plug-and-play callbacks, the channel above all | [`PassiveCell`] |
//! | waiting until something has happened | [`Event`] |
//! | waiting until nobody uses something | [`Rundown`] |
//! | a processor to oneself for a moment | [`raise`](crate::irql::raise) |
//!
//! ```
//! # use kmcl::{irql::{Irql, Passive}, status::Error, sync::{Event, SpinLock}};
//! struct Mailbox { letters: SpinLock<u32>, arrived: Event }
//!
//! impl Mailbox {
//!     /// From any callback.
//!     fn deliver(&self, irql: &mut impl Irql) {
//!         self.letters.with(irql, |letters, _| *letters = letters.saturating_add(1));
//!         self.arrived.set();
//!     }
//!
//!     /// Where waiting is allowed; half a second at most.
//!     fn collect(&self, irql: &mut Passive<'_>) -> Option<u32> {
//!         if !self.arrived.wait(irql, Some(5_000_000)) {
//!             return None;
//!         }
//!         Some(self.letters.with(irql, |letters, _| core::mem::take(letters)))
//!     }
//! }
//! ```

use core::cell::UnsafeCell;
use core::marker::PhantomData;
use core::mem::ManuallyDrop;

use wdk_sys::ntddk::{
    ExAcquireRundownProtection, ExInitializeRundownProtection, ExReleaseRundownProtection,
    ExRundownCompleted, ExWaitForRundownProtectionRelease, KeEnterCriticalRegion,
    KeInitializeEvent, KeLeaveCriticalRegion, KeResetEvent, KeSetEvent, KeWaitForSingleObject,
    PsGetCurrentThreadId,
};
use wdk_sys::{
    _EVENT_TYPE, _KWAIT_REASON, _MODE, EX_RUNDOWN_REF, KEVENT, KPROCESSOR_MODE, KSPIN_LOCK,
    LARGE_INTEGER, STATUS_TIMEOUT,
};

use crate::atomic::{AtomicUsize, Ordering};
use crate::claim::Uses;
use crate::debugger::say;
use crate::irql::{AtPassive, Dispatch, Held, Irql, Passive, at_passive_level};
use crate::pool::{InPool, PoolArc, PoolBox, Tag};
use crate::status::Error;

#[allow(
    clippy::cast_possible_truncation,
    reason = "a KPROCESSOR_MODE holds the two modes"
)]
pub(crate) const KERNEL_MODE: KPROCESSOR_MODE = _MODE::KernelMode as KPROCESSOR_MODE;

/// Data behind a spin lock.
///
/// [`SpinLock::with`] lends the data, and a witness of `DISPATCH_LEVEL` in the place of the
/// caller's, to a closure: nothing that waits can be called under the lock, and the lock cannot be
/// left held.
///
/// # Invariants
///
/// The data is reachable through the one closure that runs under the lock, or through an exclusive
/// reference to the lock.
pub struct SpinLock<T: ?Sized> {
    lock: UnsafeCell<KSPIN_LOCK>,
    data: UnsafeCell<T>,
}

// SAFETY: the lock hands the data to one processor at a time.
unsafe impl<T: ?Sized + Send> Sync for SpinLock<T> {}
// SAFETY: the lock owns its data; an unlocked KSPIN_LOCK is a plain number.
unsafe impl<T: ?Sized + Send> Send for SpinLock<T> {}

impl<T> SpinLock<T> {
    /// A free lock. (`KeInitializeSpinLock` is an inline that stores zero.)
    pub const fn new(data: T) -> Self {
        Self {
            lock: UnsafeCell::new(0),
            data: UnsafeCell::new(data),
        }
    }

    /// Takes the data out.
    pub fn into_inner(self) -> T {
        self.data.into_inner()
    }
}

impl<T: ?Sized> SpinLock<T> {
    /// Acquires the lock, runs the closure with the data and a witness of `DISPATCH_LEVEL`, and
    /// releases the lock. IRQL: `DISPATCH_LEVEL` or below.
    ///
    /// Acquiring it again in the closure is a deadlock, as with every spin lock.
    #[inline]
    pub fn with<R>(
        &self,
        irql: &mut impl Irql,
        run: impl FnOnce(&mut T, &mut Dispatch<'_>) -> R,
    ) -> R {
        // SAFETY: the lock is initialised (zero) and lives in memory that is nonpaged whenever it
        // is shared: statics, pool, kernel stacks and lookaside entries of a driver are.
        let _held = unsafe { Held::acquire(self.lock.get(), irql) };
        // SAFETY: the lock is held until `_held` is dropped, after the closure has returned.
        run(unsafe { &mut *self.data.get() }, &mut irql.dispatch())
    }

    /// The data of a lock that nobody else can reach.
    pub fn get_mut(&mut self) -> &mut T {
        self.data.get_mut()
    }
}

/// Whether an event lets one waiter go or all.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum EventKind {
    /// Stays signaled until it is reset.
    Notification,
    /// Lets one waiter go and is not signaled then.
    Synchronization,
}

/// A kernel event, at a place of its own.
///
/// # Invariants
///
/// It is initialised, in nonpaged pool, and never moves: waiters are linked to it.
pub struct Event(PoolBox<UnsafeCell<KEVENT>>);

// SAFETY: a kernel event is made to be used from any thread and processor.
unsafe impl Send for Event {}
// SAFETY: as above.
unsafe impl Sync for Event {}

impl Event {
    /// An event that is not signaled.
    ///
    /// # Errors
    ///
    /// [`Error::NoMemory`].
    pub fn try_new(kind: EventKind, tag: Tag) -> Result<Self, Error> {
        let event = PoolBox::try_new(UnsafeCell::new(KEVENT::default()), tag)?;
        let kind = match kind {
            EventKind::Notification => _EVENT_TYPE::NotificationEvent,
            EventKind::Synchronization => _EVENT_TYPE::SynchronizationEvent,
        };
        // SAFETY: the event is in nonpaged pool, where it stays until it is dropped.
        unsafe { KeInitializeEvent(event.get(), kind, 0) };
        Ok(Self(event))
    }

    /// Signals the event. IRQL: `DISPATCH_LEVEL` or below.
    pub fn set(&self) {
        // SAFETY: the event is initialised; with `Wait` FALSE any IRQL up to DISPATCH_LEVEL is
        // allowed.
        unsafe { KeSetEvent(self.0.get(), 0, 0) };
    }

    /// Makes the event not signaled. IRQL: `DISPATCH_LEVEL` or below.
    pub fn reset(&self) {
        // SAFETY: the event is initialised.
        unsafe { KeResetEvent(self.0.get()) };
    }

    /// Waits until the event is signaled; false if the timeout (in units of 100 ns) passed first.
    pub fn wait(&self, _irql: &mut impl AtPassive, timeout: Option<u64>) -> bool {
        // SAFETY: the event is initialised; the witness says that this is PASSIVE_LEVEL, where
        // waiting is allowed.
        unsafe { wait_for(self.0.get(), timeout) }
    }
}

/// Waits until an event is signaled; false if the timeout (in units of 100 ns) passed first.
///
/// The wait is in kernel mode and not alertable, and the object is no mutex: then the documentation
/// knows no other status than these two, and without a timeout none but that of the signaled event.
///
/// # Safety
///
/// The event is initialised and stays; the IRQL is `PASSIVE_LEVEL`.
unsafe fn wait_for(event: *mut KEVENT, timeout: Option<u64>) -> bool {
    let mut relative = LARGE_INTEGER::default();
    let timeout = match timeout {
        None => core::ptr::null_mut(),
        Some(units) => {
            relative.QuadPart = i64::try_from(units).map_or(i64::MIN, i64::wrapping_neg);
            &raw mut relative
        }
    };
    // SAFETY: as the caller says; the timeout is NULL or points to a local.
    let status = unsafe {
        KeWaitForSingleObject(
            event.cast(),
            _KWAIT_REASON::Executive,
            KERNEL_MODE,
            0,
            timeout,
        )
    };
    status != STATUS_TIMEOUT
}

/// Rundown protection, with the one who runs it down: counts users, refuses new ones once it runs
/// down, and waits for the last.
///
/// Users have a [`Protection`] each, a counted reference that may be sent anywhere. Waiting takes
/// the one owner, so that nobody waits a second time while the first wait is on: whether the
/// kernel wakes two, no text says.
///
/// ```
/// # use kmcl::{irql::AtPassive, pool::Tag, status::Error, sync::{Protection, Rundown}};
/// fn serve(protection: &Protection) -> bool {
///     // What is protected stays while the guard lives.
///     let Some(_guard) = protection.try_acquire() else { return false };
///     true
/// }
///
/// fn life(irql: &mut impl AtPassive) -> Result<(), Error> {
///     let mut rundown = Rundown::try_new(Tag::new(*b"Life"))?;
///     let user = rundown.protection();
///     assert!(serve(&user));
///     rundown.wait(irql);
///     assert!(!serve(&user));
///     Ok(())
/// }
/// ```
///
/// # Invariants
///
/// The structure is initialised, in nonpaged pool, and never moves. Only this value waits for it,
/// once.
pub struct Rundown {
    users: Protection,
    down: bool,
}

/// A reference to rundown protection, by which it is acquired.
///
/// # Invariants
///
/// As [`Rundown`]; each guard is one use that the kernel counts.
#[derive(Clone)]
pub struct Protection(PoolArc<Reference>);

struct Reference(UnsafeCell<EX_RUNDOWN_REF>);

// SAFETY: rundown protection is made to be used from any thread and processor.
unsafe impl Send for Reference {}
// SAFETY: as above.
unsafe impl Sync for Reference {}

impl Rundown {
    /// Protection that can be acquired, at a place of its own: the kernel's structure is not moved
    /// once it is initialised.
    ///
    /// # Errors
    ///
    /// [`Error::NoMemory`].
    pub fn try_new(tag: Tag) -> Result<Self, Error> {
        let place = PoolArc::try_new(Reference(UnsafeCell::new(EX_RUNDOWN_REF::default())), tag)?;
        // SAFETY: it is in its place, where nobody else knows it.
        unsafe { ExInitializeRundownProtection(place.0.get()) };
        Ok(Self {
            users: Protection(place),
            down: false,
        })
    }

    /// A reference for one who uses what is protected.
    #[must_use]
    pub fn protection(&self) -> Protection {
        self.users.clone()
    }

    /// Refuses new users and waits until the last is gone. From then on acquiring fails, and
    /// another wait has nothing to do.
    pub fn wait(&mut self, _irql: &mut impl AtPassive) {
        if core::mem::replace(&mut self.down, true) {
            return;
        }
        // SAFETY: the structure is initialised; the witness says PASSIVE_LEVEL, where waiting is
        // allowed; this is the one wait for it, and it is over when it is marked as completed.
        unsafe {
            ExWaitForRundownProtectionRelease(self.users.0.0.get());
            ExRundownCompleted(self.users.0.0.get());
        }
    }
}

impl Protection {
    /// Acquires protection, unless it runs down or has run down. IRQL: any that the kernel allows
    /// (`DISPATCH_LEVEL` or below here).
    #[must_use]
    #[inline]
    pub fn try_acquire(&self) -> Option<RundownGuard<'_>> {
        // SAFETY: the structure is initialised.
        let acquired = unsafe { ExAcquireRundownProtection(self.0.0.get()) != 0 };
        // Lazily: a guard that is not ours must not even be made, for it would be dropped.
        acquired.then(|| RundownGuard(self))
    }
}

/// Keeps what the rundown protects.
pub struct RundownGuard<'a>(&'a Protection);

impl Drop for RundownGuard<'_> {
    fn drop(&mut self) {
        // SAFETY: this guard stands for one successful acquisition.
        unsafe { ExReleaseRundownProtection(self.0.0.0.get()) };
    }
}

/// A notification event that is a part of something larger.
///
/// # Invariants
///
/// Once it is in its place, and before anybody else uses it, the event is initialised; it never
/// moves then.
pub(crate) struct PlacedEvent(UnsafeCell<KEVENT>);

// SAFETY: a kernel event is made to be used from any thread and processor.
unsafe impl Send for PlacedEvent {}
// SAFETY: as above.
unsafe impl Sync for PlacedEvent {}

impl PlacedEvent {
    /// Not yet initialised: to be placed where it stays, and then [initialised](Self::initialize).
    pub(crate) fn to_be_placed() -> Self {
        Self(UnsafeCell::new(KEVENT::default()))
    }

    /// Makes it an event that is not signaled.
    ///
    /// # Safety
    ///
    /// It has not been initialised before, nobody uses it, and from now on it does not move.
    pub(crate) unsafe fn initialize(&self) {
        // SAFETY: as the caller says; the event is in nonpaged pool, as everything of the library's
        // that is placed.
        unsafe { KeInitializeEvent(self.0.get(), _EVENT_TYPE::NotificationEvent, 0) };
    }

    pub(crate) fn set(&self) {
        // SAFETY: the event is initialised; with `Wait` FALSE any IRQL up to DISPATCH_LEVEL is
        // allowed.
        unsafe { KeSetEvent(self.0.get(), 0, 0) };
    }

    pub(crate) fn reset(&self) {
        // SAFETY: the event is initialised.
        unsafe { KeResetEvent(self.0.get()) };
    }

    /// As [`Event::wait`].
    pub(crate) fn wait(&self, timeout: Option<u64>, _irql: &mut impl AtPassive) -> bool {
        // SAFETY: the event is initialised; the witness says PASSIVE_LEVEL, where waiting is
        // allowed.
        unsafe { wait_for(self.0.get(), timeout) }
    }
}

/// A count of uses, and an event for whoever closes it: the channel's own rundown protection, a
/// part of something larger.
///
/// # Invariants
///
/// Once it is in its place, the event is initialised, and signaled exactly when `uses` has told
/// somebody that it was the last.
pub(crate) struct Gate {
    uses: Uses,
    last: PlacedEvent,
}

impl Gate {
    /// Closed, and not yet initialised: to be placed where it stays, and then
    /// [initialised](Self::initialize).
    pub(crate) fn to_be_placed() -> Self {
        Self {
            uses: Uses::closed(),
            last: PlacedEvent::to_be_placed(),
        }
    }

    /// # Safety
    ///
    /// It has not been initialised before, nobody uses it, and from now on it does not move.
    pub(crate) unsafe fn initialize(&self) {
        // SAFETY: as the caller says.
        unsafe { self.last.initialize() };
    }

    /// One more use; false if it is closed.
    #[inline]
    pub(crate) fn acquire_raw(&self) -> bool {
        self.uses.acquire()
    }

    /// # Safety
    ///
    /// The caller gives back one successful [`Gate::acquire_raw`].
    #[inline]
    pub(crate) unsafe fn release_raw(&self) {
        if self.uses.release() {
            self.wake();
        }
    }

    #[cold]
    #[inline(never)]
    fn wake(&self) {
        // It is there until whoever closed the gate has been woken by it.
        self.last.set();
    }

    /// One more use, given back when the guard is dropped.
    pub(crate) fn try_acquire(&self) -> Option<GateGuard<'_>> {
        self.acquire_raw().then(|| GateGuard(self))
    }

    /// Whether uses are let through.
    pub(crate) fn is_open(&self) -> bool {
        self.uses.is_open()
    }

    /// Lets nothing through any more and waits until the last use has ended.
    pub(crate) fn close(&self, irql: &mut impl AtPassive) {
        if self.uses.close() {
            // The last use signals it.
            let _signaled = self.last.wait(None, irql);
        }
    }

    /// Lets uses through, if it is closed.
    pub(crate) fn open(&self) {
        if !self.uses.is_open() {
            // The last use has ended: who closes waits for it before anybody opens again.
            self.last.reset();
            self.uses.open();
        }
    }
}

/// One use of a gate.
pub(crate) struct GateGuard<'a>(&'a Gate);

impl Drop for GateGuard<'_> {
    fn drop(&mut self) {
        // SAFETY: this guard stands for one successful acquisition.
        unsafe { self.0.release_raw() };
    }
}

/// What keeps an owner of a channel out of handlers, which are sent from thread to thread. Its name
/// is what the compiler says then.
pub(crate) struct NotForHandlers(PhantomData<*mut ()>);

impl NotForHandlers {
    pub(crate) const fn new() -> Self {
        Self(PhantomData)
    }
}

/// What a [`PassiveCell`] may hold and hand from thread to thread.
///
/// # Safety
///
/// A value may be used by one thread after another as long as each is at `PASSIVE_LEVEL` outside
/// channel callbacks.
pub unsafe trait Confined {}

/// Data that is reachable only at `PASSIVE_LEVEL` outside channel callbacks, by one thread at a
/// time.
///
/// It is the place for a [`Channel`](crate::channel::Channel) in a device's context: callbacks have
/// no [`Passive`] witness, so they cannot reach the channel that waits for them. Nor can they drop
/// it: like the channel, the cell cannot be sent, so that a handler may refer to one and not own
/// one. Dropped above `PASSIVE_LEVEL`, the cell leaks its data, and debug builds say so.
///
/// # Invariants
///
/// The data is reached by the one thread that is inside [`PassiveCell::with`], whose id is in
/// `holder` meanwhile, or through an exclusive reference to the cell.
pub struct PassiveCell<T: Confined> {
    free: Event,
    /// The id of the thread that is inside; 0 for none. A thread finds its own there only if it
    /// has put it there itself.
    holder: AtomicUsize,
    data: ManuallyDrop<UnsafeCell<T>>,
    _confined: NotForHandlers,
}

// SAFETY: the event lets one thread in at a time, the witness says that it is at PASSIVE_LEVEL
// outside callbacks, and `T: Confined` allows just that.
unsafe impl<T: Confined> Sync for PassiveCell<T> {}

impl<T: Confined> PassiveCell<T> {
    /// Places the data.
    ///
    /// # Errors
    ///
    /// [`Error::NoMemory`]; the data is dropped.
    pub fn try_new(data: T, tag: Tag) -> Result<Self, Error> {
        let free = Event::try_new(EventKind::Synchronization, tag)?;
        free.set();
        Ok(Self {
            free,
            holder: AtomicUsize::new(0),
            data: ManuallyDrop::new(UnsafeCell::new(data)),
            _confined: NotForHandlers::new(),
        })
    }

    /// Runs a closure with the data and the witness, one thread at a time.
    ///
    /// The thread is in a critical region meanwhile: a program that suspends a thread of its own
    /// suspends it before or after, not while the device's plug-and-play callbacks wait for it.
    ///
    /// # Errors
    ///
    /// [`Error::Nested`] if this thread is inside already: waiting for itself it would wait for
    /// ever. The closure is not run.
    pub fn with<R>(
        &self,
        irql: &mut Passive<'_>,
        run: impl FnOnce(&mut T, &mut Passive<'_>) -> R,
    ) -> Result<R, Error> {
        // SAFETY: the id of the running thread has no precondition.
        let thread = unsafe { PsGetCurrentThreadId() }.addr();
        if self.holder.load(Ordering::Relaxed) == thread {
            return Err(Error::Nested);
        }
        let _inside = Inside::enter(self, thread, irql);
        // SAFETY: the event lets one thread in at a time, until `_inside` is dropped, and this one
        // was not in.
        Ok(run(unsafe { &mut *self.data.get() }, irql))
    }
}

/// A thread is inside a cell, and in a critical region.
struct Inside<'a, T: Confined>(&'a PassiveCell<T>);

impl<'a, T: Confined> Inside<'a, T> {
    fn enter(cell: &'a PassiveCell<T>, thread: usize, irql: &mut Passive<'_>) -> Self {
        // SAFETY: the witness says PASSIVE_LEVEL; the region is left when this is dropped, in the
        // same thread, for it cannot be sent.
        unsafe { KeEnterCriticalRegion() };
        cell.free.wait(irql, None);
        cell.holder.store(thread, Ordering::Relaxed);
        Self(cell)
    }
}

impl<T: Confined> Drop for Inside<'_, T> {
    fn drop(&mut self) {
        self.0.holder.store(0, Ordering::Relaxed);
        self.0.free.set();
        // SAFETY: entered in `enter`, by this thread, which is at PASSIVE_LEVEL again.
        unsafe { KeLeaveCriticalRegion() };
    }
}

impl<T: Confined> Drop for PassiveCell<T> {
    fn drop(&mut self) {
        if !at_passive_level() {
            say(c"kmcl: a cell is dropped above PASSIVE_LEVEL and leaks\n");
            return;
        }
        // SAFETY: the data is dropped once, here, by the one owner of the cell.
        unsafe { ManuallyDrop::drop(&mut self.data) };
    }
}
