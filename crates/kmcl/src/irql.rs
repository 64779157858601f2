//! Interrupt request levels as types.
//!
//! A *witness* is a zero-sized value that proves at which IRQL its holder runs. Callbacks receive
//! one; what raises the IRQL borrows it and lends one of the higher level to a closure; what waits
//! or touches paged memory asks for one. A witness is neither `Copy` nor `Send`: it belongs to the
//! code that runs right now. None of this is in the machine code.
//!
//! | witness | level | where it comes from |
//! |---|---|---|
//! | [`Passive`] | `PASSIVE_LEVEL`, in a thread that may wait for a channel | the driver's trampolines (`EvtDevicePrepareHardware` …) |
//! | [`CallbackPassive`] | `PASSIVE_LEVEL`, inside a callback of a channel: must not wait for that channel | channel callbacks |
//! | [`ReplyPassive`] | as [`CallbackPassive`], where replies may be waited for | `post_started` |
//! | [`Dispatch`] | at most `DISPATCH_LEVEL` | packet callbacks, under a spin lock, [`raise`], the driver's trampolines |
//!
//! A driver's own entry points, which the system calls with a known IRQL, make the first witness,
//! and hand a reference on:
//!
//! ```
//! # use kmcl::irql::Passive;
//! # #[cfg(not(windows))]
//! # use wdk_sys_lite as wdk_sys;
//! # use wdk_sys::{NTSTATUS, STATUS_SUCCESS, WDFDEVICE, WDF_POWER_DEVICE_STATE};
//! unsafe extern "C" fn evt_device_d0_exit(device: WDFDEVICE, _to: WDF_POWER_DEVICE_STATE) -> NTSTATUS {
//!     // SAFETY: the framework calls this at PASSIVE_LEVEL, in a thread for which no channel waits.
//!     let mut irql = unsafe { Passive::assume() };
//!     power_down(device, &mut irql);
//!     STATUS_SUCCESS
//! }
//!
//! fn power_down(device: WDFDEVICE, irql: &mut Passive<'_>) {
//! #   let _ = (device, irql);
//!     // ...
//! }
//! ```
//!
//! ```compile_fail
//! # use kmcl::{irql::{Dispatch, Passive}, sync::Event};
//! fn at_dispatch(event: &Event, irql: &mut Dispatch<'_>) {
//!     event.wait(irql, None); // waiting asks for PASSIVE_LEVEL
//! }
//! ```

use core::marker::PhantomData;

use wdk_sys::ntddk::{KeAcquireSpinLockRaiseToDpc, KeGetCurrentIrql, KeReleaseSpinLock};
use wdk_sys::{KIRQL, KSPIN_LOCK, PASSIVE_LEVEL};

type NotSend<'a> = PhantomData<*mut &'a ()>;

const _: () = assert!(
    size_of::<Passive<'_>>() == 0
        && size_of::<CallbackPassive<'_>>() == 0
        && size_of::<ReplyPassive<'_>>() == 0
        && size_of::<Dispatch<'_>>() == 0,
    "a witness takes no room"
);

mod sealed {
    pub trait Sealed {}
}

/// Proof of running at `DISPATCH_LEVEL` or below.
pub trait Irql: sealed::Sealed {
    /// Lends a witness of `DISPATCH_LEVEL` at most.
    #[inline]
    fn dispatch(&mut self) -> Dispatch<'_> {
        Dispatch(PhantomData)
    }
}

#[diagnostic::on_unimplemented(
    message = "this waits or touches paged memory, which needs PASSIVE_LEVEL; `{Self}` does not prove it",
    label = "not a witness of PASSIVE_LEVEL"
)]
/// Proof of running at `PASSIVE_LEVEL`: paged memory may be touched, and short waits are allowed.
pub trait AtPassive: Irql {}

/// `PASSIVE_LEVEL`, in a thread whose progress no channel of the library's waits for.
#[derive(Debug)]
pub struct Passive<'a>(NotSend<'a>);

/// `PASSIVE_LEVEL`, inside a callback of a channel.
#[derive(Debug)]
pub struct CallbackPassive<'a>(NotSend<'a>);

/// `PASSIVE_LEVEL`, inside the callback of a channel that may wait for replies on it.
#[derive(Debug)]
pub struct ReplyPassive<'a>(NotSend<'a>);

/// At most `DISPATCH_LEVEL`.
#[derive(Debug)]
pub struct Dispatch<'a>(NotSend<'a>);

macro_rules! witness {
    ($name:ident: $($how:literal)*) => {
        impl $name<'_> {
            /// Asserts the level.
            ///
            /// # Safety
            ///
            $(#[doc = $how])*
            #[inline]
            #[must_use]
            pub const unsafe fn assume() -> Self {
                Self(PhantomData)
            }
        }
        impl sealed::Sealed for $name<'_> {}
        impl Irql for $name<'_> {}
    };
}

witness!(Passive: "The caller runs at `PASSIVE_LEVEL`, outside every callback of a channel, and no other witness of it is in use;" "the witness does not outlive that.");
witness!(CallbackPassive: "The caller runs at `PASSIVE_LEVEL` and no other witness of it is in use; the witness does not outlive that.");
witness!(ReplyPassive: "As [`CallbackPassive::assume`], in a callback that may wait for replies.");
witness!(Dispatch: "The caller runs at `DISPATCH_LEVEL` or below for as long as the witness lives.");

impl AtPassive for Passive<'_> {}
impl AtPassive for CallbackPassive<'_> {}
impl AtPassive for ReplyPassive<'_> {}

#[diagnostic::on_unimplemented(
    message = "waiting for the host's reply here would wait for ever; `{Self}` does not prove that it may be awaited",
    label = "not a witness of a place where replies may be awaited",
    note = "`Passive` (a thread of the driver's) and `ReplyPassive` (the `post_started` callback) are"
)]
/// Proof that waiting for the host's reply cannot wait for oneself.
pub trait MayAwaitReply: AtPassive {}

impl MayAwaitReply for Passive<'_> {}
impl MayAwaitReply for ReplyPassive<'_> {}

/// Runs a closure at `DISPATCH_LEVEL`: the thread keeps its processor, and no waiting or pageable
/// memory is to be had meanwhile.
///
/// `KeRaiseIrql` and `KeLowerIrql` are macros or missing in the generated bindings of some kits; a
/// spin lock of its own that nobody else knows raises and lowers in the same way. IRQL:
/// `DISPATCH_LEVEL` or below.
///
/// ```
/// # use kmcl::irql::{Dispatch, Passive, raise};
/// fn both_at_once(irql: &mut Passive<'_>) {
///     raise(irql, |irql: &mut Dispatch<'_>| {
///         // what must not be interrupted by this processor's other threads
/// #       let _ = irql;
///     });
/// }
/// ```
pub fn raise<R>(irql: &mut impl Irql, run: impl FnOnce(&mut Dispatch<'_>) -> R) -> R {
    let mut lock: KSPIN_LOCK = 0;
    // SAFETY: the lock is initialised (zero), and the stack is resident while its thread runs.
    let _held = unsafe { Held::acquire(&raw mut lock, irql) };
    run(&mut irql.dispatch())
}

/// A spin lock is held, and the processor at `DISPATCH_LEVEL`, until this is dropped.
///
/// It does not leave the function that makes it: forgotten, it would leave a witness of a lower
/// level to be used.
pub(crate) struct Held {
    lock: *mut KSPIN_LOCK,
    old: KIRQL,
}

impl Held {
    /// # Safety
    ///
    /// `lock` points to an initialised spin lock in memory that is not pageable, which stays until
    /// this is dropped. Until then the caller uses no witness but that which it lends.
    #[inline]
    pub(crate) unsafe fn acquire(lock: *mut KSPIN_LOCK, _irql: &mut impl Irql) -> Self {
        // SAFETY: as the caller says; the witness says that this runs at DISPATCH_LEVEL or below.
        let old = unsafe { KeAcquireSpinLockRaiseToDpc(lock) };
        Self { lock, old }
    }
}

impl Drop for Held {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: the lock was acquired by `acquire`, at the level `old`, on this processor: a
        // thread at DISPATCH_LEVEL keeps its processor, and this value cannot be sent.
        unsafe { KeReleaseSpinLock(self.lock, self.old) };
    }
}

/// For what is dropped, where no witness can be asked for.
pub(crate) fn at_passive_level() -> bool {
    // SAFETY: reading the IRQL has no precondition.
    u32::from(unsafe { KeGetCurrentIrql() }) == PASSIVE_LEVEL
}
