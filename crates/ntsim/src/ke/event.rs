//! Events, waits and delays.
//!
//! An event is the real dispatcher header: type, size, state, and a wait list that points to itself
//! (the scheduler keeps who waits). One that says otherwise was never initialised, was moved or was
//! overwritten.

use std::cell::RefCell;
use std::collections::BTreeMap;

use wdk_sys_lite::{
    _EVENT_TYPE, _KEVENT, _LIST_ENTRY, BOOLEAN, EVENT_TYPE, KPRIORITY, KPROCESSOR_MODE,
    KWAIT_REASON, LONG, NTSTATUS, PLARGE_INTEGER, PRKEVENT, PVOID, STATUS_SUCCESS, STATUS_TIMEOUT,
    UCHAR,
};

use crate::bugcheck::{StopCode, bug_check, verifier_violation};
use crate::export::{APC_LEVEL, DISPATCH_LEVEL};
use crate::kernel::kernel;
use crate::mm::{finding, pool};
use crate::nt_export;
use crate::sched::{ContextKind, Key, Nanoseconds};

use super::{invalid, time};

/// The size of an event, in 32-bit words, as its header has it.
const SIZE: UCHAR = 6;

const _: () = assert!(size_of::<_KEVENT>() == 4 * SIZE as usize);

/// How many contexts wait for an event, by its address.
#[derive(Default)]
pub(super) struct Waiters(RefCell<BTreeMap<usize, u32>>);

/// An event whose header has been looked at.
#[derive(Clone, Copy)]
struct Checked(PRKEVENT);

impl Checked {
    /// Looks at what a driver says is an event.
    fn of(event: PRKEVENT) -> Self {
        let address = event.addr();
        if event.is_null() || !event.is_aligned() {
            invalid("event", address, "is null or not aligned");
        }
        // SAFETY: aligned; memory that does not exist is the driver's fault. The members are plain
        // numbers and pointers.
        let (kind, size, list) = unsafe {
            let header = &raw const (*event).Header;
            let bytes = (*header).__bindgen_anon_1.__bindgen_anon_1;
            (
                bytes.Type,
                bytes.__bindgen_anon_2.Size,
                (*header).WaitListHead,
            )
        };
        // SAFETY: only the address is computed.
        let own = unsafe { &raw mut (*event).Header.WaitListHead };
        let known = [
            _EVENT_TYPE::NotificationEvent,
            _EVENT_TYPE::SynchronizationEvent,
        ];
        if !known.contains(&i32::from(kind)) || size != SIZE {
            invalid(
                "event",
                address,
                "was never initialised, or is another kind of object",
            );
        }
        if list.Flink != own || list.Blink != own {
            invalid(
                "event",
                address,
                "was moved or overwritten after its initialisation",
            );
        }
        Self(event)
    }

    fn key(self) -> Key {
        Key(self.0.addr() as u64)
    }

    fn state(self) -> LONG {
        // SAFETY: looked at in `of`, without a scheduling point since then.
        unsafe { (*self.0).Header.SignalState }
    }

    /// Sets the state and returns the old one.
    fn set(self, state: LONG) -> LONG {
        let old = self.state();
        // SAFETY: as in `state`.
        unsafe { (*self.0).Header.SignalState = state };
        old
    }

    fn resets_itself(self) -> bool {
        // SAFETY: as in `state`.
        let kind = unsafe { (*self.0).Header.__bindgen_anon_1.__bindgen_anon_1.Type };
        i32::from(kind) == _EVENT_TYPE::SynchronizationEvent
    }

    /// Takes the signal, if there is one.
    fn take(self) -> bool {
        let signalled = self.state() != 0;
        if signalled && self.resets_itself() {
            self.set(0);
        }
        signalled
    }
}

/// Counts a context that waits for an event.
struct Waiting(usize);

impl Waiting {
    fn new(address: usize) -> Self {
        *kernel()
            .ke
            .events
            .0
            .borrow_mut()
            .entry(address)
            .or_default() += 1;
        Self(address)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let mut waiting = kernel().ke.events.0.borrow_mut();
        if let Some(count) = waiting.get_mut(&self.0) {
            *count -= 1;
            if *count == 0 {
                waiting.remove(&self.0);
            }
        }
    }
}

/// Memory is about to be taken away: nobody may wait for an event in it.
pub(super) fn going_away(address: usize, length: usize) {
    let waited = kernel()
        .ke
        .events
        .0
        .borrow()
        .range(address..address + length.max(1))
        .next()
        .map(|(event, _)| *event);
    if let Some(event) = waited {
        verifier_violation(
            [finding::FREED_OBJECT_IN_USE, event as u64, 0, 0],
            format!(
                "memory at {address:#x} is freed with the event {event:#x} in it, for which somebody waits"
            ),
        );
    }
}

/// When a timeout ends: negative is relative, in units of 100 ns; otherwise it is a system time.
pub(crate) fn deadline(timeout: i64) -> Nanoseconds {
    let now = kernel().sched.now();
    if timeout < 0 {
        return now.saturating_add(timeout.unsigned_abs().saturating_mul(100));
    }
    let since_start = timeout.saturating_sub(time::BOOT_TIME);
    u64::try_from(since_start)
        .unwrap_or_default()
        .saturating_mul(100)
}

/// # Safety
///
/// `interval` is null or may be read.
unsafe fn read_interval(interval: PLARGE_INTEGER) -> Option<i64> {
    // SAFETY: says the caller; each of the union's members is the same eight bytes.
    unsafe { interval.as_ref().map(|interval| interval.QuadPart) }
}

fn wait(object: PVOID, timeout: Option<i64>) -> NTSTATUS {
    let sched = &kernel().sched;
    let context = sched.current();
    let irql = context.irql();
    if irql >= DISPATCH_LEVEL && timeout != Some(0) {
        let code = if timeout.is_none() { 0x121 } else { 0x122 };
        let message = format!("KeWaitForSingleObject waits at IRQL {irql}");
        verifier_violation(
            [code, u64::from(irql), object.addr() as u64, 0],
            message.as_str(),
        );
        let code = if context.kind == ContextKind::Dpc {
            StopCode::ATTEMPTED_SWITCH_FROM_DPC
        } else {
            StopCode::IRQL_NOT_LESS_OR_EQUAL
        };
        bug_check(code, [object.addr() as u64, u64::from(irql), 0, 0], message);
    }
    let end = timeout.map(deadline);
    loop {
        // Looked at again after each wait: the memory may have been freed meanwhile.
        let event = Checked::of(object.cast());
        if event.take() {
            return STATUS_SUCCESS;
        }
        if timeout == Some(0) || end.is_some_and(|end| end <= sched.now()) {
            return STATUS_TIMEOUT;
        }
        let _waiting = Waiting::new(object.addr());
        sched.wait(event.key(), end);
    }
}

nt_export! {
    /// Makes an event.
    irql(any) fn KeInitializeEvent(Event: PRKEVENT, Type: EVENT_TYPE, State: BOOLEAN) {
        let known = [_EVENT_TYPE::NotificationEvent, _EVENT_TYPE::SynchronizationEvent];
        if Event.is_null() || !Event.is_aligned() || !known.contains(&Type) {
            invalid("event", Event.addr(), "is null, not aligned, or gets a type that events do not have");
        }
        if kernel().ke.events.0.borrow().contains_key(&Event.addr()) {
            invalid("event", Event.addr(), "is initialised while somebody waits for it");
        }
        if pool::is_paged(Event.addr()) {
            verifier_violation(
                [0xE1, Event.addr() as u64, 0, 0],
                format!("the event at {Event:p} is in paged pool"),
            );
        }
        // SAFETY: aligned, and the driver vouches that it may be written; all-zero bytes are a
        // valid event to start from.
        unsafe {
            Event.write_bytes(0, 1);
            let header = &raw mut (*Event).Header;
            (*header).__bindgen_anon_1.__bindgen_anon_1.Type = UCHAR::try_from(Type).unwrap_or_default();
            (*header).__bindgen_anon_1.__bindgen_anon_1.__bindgen_anon_2.Size = SIZE;
            (*header).SignalState = LONG::from(State != 0);
            let list: *mut _LIST_ENTRY = &raw mut (*header).WaitListHead;
            (*list).Flink = list;
            (*list).Blink = list;
        }
    }

    /// Signals an event; returns its old state. Where a wait is to follow at once the caller must
    /// be able to wait.
    irql(<= DISPATCH_LEVEL) fn KeSetEvent(Event: PRKEVENT, _Increment: KPRIORITY, Wait: BOOLEAN) -> LONG {
        let irql = kernel().sched.current().irql();
        if Wait != 0 && irql > APC_LEVEL {
            verifier_violation(
                [0x80, u64::from(irql), Event.addr() as u64, 0],
                format!("KeSetEvent is called with Wait at IRQL {irql}"),
            );
        }
        let event = Checked::of(Event);
        let old = event.set(1);
        kernel().sched.wake(event.key());
        old
    }

    /// Takes an event's signal away; returns its old state.
    irql(<= DISPATCH_LEVEL) fn KeResetEvent(Event: PRKEVENT) -> LONG {
        Checked::of(Event).set(0)
    }

    /// Takes an event's signal away.
    irql(<= DISPATCH_LEVEL) fn KeClearEvent(Event: PRKEVENT) {
        Checked::of(Event).set(0);
    }

    /// Waits for an event.
    irql(<= DISPATCH_LEVEL) fn KeWaitForSingleObject(
        Object: PVOID,
        _WaitReason: KWAIT_REASON,
        _WaitMode: KPROCESSOR_MODE,
        _Alertable: BOOLEAN,
        Timeout: PLARGE_INTEGER,
    ) -> NTSTATUS {
        // SAFETY: null or a timeout that the driver vouches for.
        let timeout = unsafe { read_interval(Timeout) };
        wait(Object, timeout)
    }

    /// Lets time pass.
    irql(<= APC_LEVEL) fn KeDelayExecutionThread(
        _WaitMode: KPROCESSOR_MODE,
        _Alertable: BOOLEAN,
        Interval: PLARGE_INTEGER,
    ) -> NTSTATUS {
        // SAFETY: the driver vouches for the interval.
        let Some(interval) = (unsafe { read_interval(Interval) }) else {
            invalid("interval", 0, "of KeDelayExecutionThread is null");
        };
        let sched = &kernel().sched;
        let end = deadline(interval);
        sched.sleep(end.saturating_sub(sched.now()));
        STATUS_SUCCESS
    }
}
