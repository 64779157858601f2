//! Timers, deferred procedure calls and work items.
//!
//! Each is a callback that runs later, in a context of its own. Its object's disposal cancels what
//! has not begun and waits for what has, so a callback never sees its object gone. With
//! `AutomaticSerialization` it runs under the lock of its parent.

use std::cell::{Cell, RefCell};
use std::mem::offset_of;
use std::rc::{Rc, Weak};

use wdk_sys_lite::{
    _WDF_EXECUTION_LEVEL, BOOLEAN, LONGLONG, NTSTATUS, PFN_WDF_DPC, PFN_WDF_TIMER,
    PFN_WDF_WORKITEM, PWDF_DPC_CONFIG, PWDF_DRIVER_GLOBALS, PWDF_OBJECT_ATTRIBUTES,
    PWDF_TIMER_CONFIG, PWDF_WORKITEM_CONFIG, STATUS_INFO_LENGTH_MISMATCH,
    STATUS_INSUFFICIENT_RESOURCES, STATUS_INVALID_DEVICE_REQUEST, STATUS_INVALID_PARAMETER,
    STATUS_NOT_SUPPORTED, STATUS_SUCCESS, ULONG, WDF_DPC_CONFIG, WDF_TIMER_CONFIG,
    WDF_WORKITEM_CONFIG, WDFDPC, WDFOBJECT, WDFTIMER, WDFWORKITEM,
};

use crate::call_driver;
use crate::kernel::kernel;
use crate::nt_export;
use crate::sched::{ContextId, ContextKind, Key, TimerId};

use super::lock::{self, CallbackLock};
use super::object::{self, Attributes, Body, Kind, Object};
use super::table::wdf_functions;
use super::{is_too_high, require, status, verifier_break};

/// The three callbacks have the same shape.
type Callback = PFN_WDF_TIMER;

/// The most that a timer without high resolution may be late, in nanoseconds: a tick of the
/// system's clock.
const CLOCK_TICK: u64 = 1_000_000;

/// What the three have in common.
struct Deferred {
    name: &'static str,
    callback: Callback,
    /// Whether it runs in a system thread at `PASSIVE_LEVEL`; as a DPC otherwise.
    passive: bool,
    serialized: bool,
    object: RefCell<Weak<Object>>,
    /// How many runs are queued and have not begun; those before a cancellation know by their
    /// generation.
    queued: Cell<u32>,
    generation: Cell<u32>,
    running: RefCell<Vec<ContextId>>,
    key: Key,
    timer: Cell<Option<TimerId>>,
    /// In nanoseconds; 0 for a timer that fires once.
    period: u64,
    high_resolution: bool,
    /// How many stops of a timer wait; it does not start meanwhile.
    stopping: Cell<u32>,
    /// A start was ignored for a stop that waits.
    start_ignored: Cell<bool>,
    /// The thread of the run of a work item that began last, until any run ends.
    thread: Cell<Option<ContextId>>,
}

impl Deferred {
    fn new(name: &'static str, callback: Callback, passive: bool, serialized: bool) -> Self {
        Self {
            name,
            callback,
            passive,
            serialized,
            object: RefCell::default(),
            queued: Cell::new(0),
            generation: Cell::new(0),
            running: RefCell::default(),
            key: kernel()
                .sched
                .new_key_for("a timer's, work item's or DPC object's callback to end"),
            timer: Cell::new(None),
            period: 0,
            high_resolution: false,
            stopping: Cell::new(0),
            start_ignored: Cell::new(false),
            thread: Cell::new(None),
        }
    }

    /// Queues one run, which has a reference to the object until it ends or is taken back.
    fn queue(self: &Rc<Self>) {
        let Some(object) = self.object.borrow().upgrade() else {
            return;
        };
        object::reference(&object);
        self.queued.set(self.queued.get() + 1);
        let generation = self.generation.get();
        let this = Rc::clone(self);
        let run = move || this.run(generation);
        if self.passive {
            object::begin_work(object.driver);
            kernel()
                .sched
                .spawn(ContextKind::SystemThread, self.name, run);
        } else {
            kernel().sched.queue_dpc(None, self.name, run);
        }
    }

    fn run(self: Rc<Self>, generation: u32) {
        let Some(object) = self.object.borrow().upgrade() else {
            return;
        };
        if self.generation.get() != generation {
            self.end(&object);
            return;
        }
        self.queued.set(self.queued.get() - 1);
        let current = kernel().sched.current().id;
        self.running.borrow_mut().push(current);
        self.thread.set(Some(current));
        if let Some(callback) = self.callback {
            let lock = if self.serialized {
                serialization_lock(&object)
            } else {
                None
            };
            // SAFETY: the driver gave the callback for this object when it created it; the
            // reference keeps the object.
            let call =
                || unsafe { call_driver!(object.driver, self.name, callback(object.handle())) };
            match lock {
                Some(lock) => lock.with(call),
                None => call(),
            }
        }
        self.running.borrow_mut().retain(|id| *id != current);
        self.thread.set(None);
        kernel().sched.wake(self.key);
        self.end(&object);
    }

    /// Gives back what [`Deferred::queue`] took for a run.
    fn end(&self, object: &Rc<Object>) {
        let driver = object.driver;
        object::dereference(object);
        if self.passive {
            object::end_work(driver);
        }
    }

    /// Takes back what is queued and has not begun; true if there was something.
    fn cancel(&self) -> bool {
        let queued = self.queued.replace(0) > 0;
        self.generation.set(self.generation.get().wrapping_add(1));
        kernel().sched.wake(self.key);
        queued
    }

    /// Takes a timer's next run back; true if there was one. What it has queued already runs.
    fn cancel_timer(&self) -> bool {
        self.timer
            .take()
            .is_some_and(|timer| kernel().sched.cancel_timer(timer))
    }

    fn runs_here(&self) -> bool {
        self.running.borrow().contains(&kernel().sched.current().id)
    }

    /// Waits until nothing is queued or running. From within the callback itself that would be for
    /// ever.
    fn wait(&self, what: &str) {
        self.is_for_itself(what);
        self.wait_idle();
    }

    /// Whether a function that waits for the callback is called from it.
    fn is_for_itself(&self, what: &str) -> bool {
        let found = self.runs_here();
        if found {
            verifier_break(format!(
                "{what} was called from the callback that it waits for"
            ));
        }
        found
    }

    fn wait_idle(&self) {
        kernel().sched.wait_until(self.key, || {
            self.queued.get() == 0 && self.running.borrow().is_empty()
        });
    }

    /// Stops a timer and waits for its callback, which cannot start it again meanwhile. True if
    /// it was running, or would run but for this.
    fn stop_and_wait(&self) -> bool {
        if is_too_high("WdfTimerStop with Wait") {
            return false;
        }
        if self.is_for_itself("WdfTimerStop") {
            return false;
        }
        if self.stopping.replace(self.stopping.get() + 1) > 0 {
            verifier_break("WdfTimerStop with Wait was called while another call waits");
        }
        self.start_ignored.set(false);
        let running = self.cancel_timer();
        self.wait_idle();
        self.stopping.set(self.stopping.get() - 1);
        running | self.start_ignored.replace(false)
    }

    fn arm(self: &Rc<Self>, at: u64) {
        let late = if self.high_resolution {
            0
        } else {
            kernel().sched.random(CLOCK_TICK)
        };
        let this = Rc::clone(self);
        let timer = kernel().sched.at(at.saturating_add(late), move || {
            this.timer.set(None);
            if this.period > 0 {
                this.arm(at.saturating_add(this.period));
            }
            if this.queued.get() == 0 {
                this.queue();
            }
        });
        self.timer.set(Some(timer));
    }
}

impl Body for Deferred {
    fn dispose(&self, _object: &Rc<Object>) {
        let current = kernel().sched.current().id;
        if self.name == WORK_ITEM {
            // A work item runs to its end. Deletion from its callback waits for nothing; but the
            // framework knows the run that began last alone, and forgets it when any run ends: a
            // callback that has queued its work item again may wait for itself.
            if self.thread.get() != Some(current) {
                self.wait_idle();
            }
            return;
        }
        if self.name == TIMER {
            self.cancel_timer();
            if self.passive {
                if self.runs_here() {
                    verifier_break("a timer was deleted from its own callback: a deadlock");
                }
                self.wait_idle();
                return;
            }
        }
        // The others need not begin. Deletion from a callback at DISPATCH_LEVEL is allowed: a work
        // item of the framework's waits for its end.
        self.cancel();
        kernel().sched.wait_until(self.key, || {
            self.queued.get() == 0 && self.running.borrow().iter().all(|id| *id == current)
        });
    }
}

const TIMER: &str = "EvtTimerFunc";
const DPC: &str = "EvtDpcFunc";
const WORK_ITEM: &str = "EvtWorkItem";

/// A timer's configuration, which earlier versions of the framework's headers have shorter: without
/// the resolution, and before that without the tolerable delay. None if its length is of no version.
///
/// # Safety
///
/// It may be read as far as its `Size` says.
unsafe fn timer_config(config: PWDF_TIMER_CONFIG) -> Option<WDF_TIMER_CONFIG> {
    let mut known = WDF_TIMER_CONFIG::default();
    // SAFETY: every version begins with its size, says the caller.
    let size = unsafe { (&raw const (*config).Size).read() } as usize;
    let versions = [
        offset_of!(WDF_TIMER_CONFIG, TolerableDelay),
        offset_of!(WDF_TIMER_CONFIG, UseHighResolutionTimer),
        size_of::<WDF_TIMER_CONFIG>(),
    ];
    if !versions.contains(&size) {
        return None;
    }
    // SAFETY: so many bytes may be read, says the caller, and `known` has as many or more. Zero is a
    // value of each member that is missing.
    unsafe {
        (&raw mut known)
            .cast::<u8>()
            .copy_from_nonoverlapping(config.cast(), size);
    }
    known.Size = ULONG::try_from(size_of::<WDF_TIMER_CONFIG>()).unwrap_or(ULONG::MAX);
    Some(known)
}

/// The lock of the parent of a timer, DPC or work item.
fn serialization_lock(object: &Rc<Object>) -> Option<Rc<CallbackLock>> {
    object
        .parent()
        .and_then(|parent| lock::callback_lock(&parent))
}

/// What the three creating functions have in common. `size` is the configuration's and what it
/// should be.
fn create(
    function: &str,
    kind: Kind,
    size: (ULONG, usize),
    attributes: PWDF_OBJECT_ATTRIBUTES,
    handle: *mut WDFOBJECT,
    deferred: Deferred,
) -> NTSTATUS {
    require(function, "the handle's place", handle.is_null());
    if size.0 as usize != size.1 {
        return STATUS_INFO_LENGTH_MISMATCH;
    }
    // A timer or a DPC object without one does nothing.
    if deferred.callback.is_none() && kind == Kind::WorkItem {
        return STATUS_INVALID_PARAMETER;
    }
    // SAFETY: null or attributes that the driver vouches for by calling.
    let attributes = match unsafe { Attributes::read(kind, attributes) } {
        Ok(attributes) => attributes,
        Err(status) => return status,
    };
    let Some(parent) = attributes.parent().cloned() else {
        return status::WDF_PARENT_NOT_SPECIFIED;
    };
    if parent.ancestor(Kind::Device).is_none() {
        return STATUS_INVALID_DEVICE_REQUEST;
    }
    let mut deferred = deferred;
    if kind == Kind::Timer {
        deferred.passive = attributes.own_execution_level()
            == Some(_WDF_EXECUTION_LEVEL::WdfExecutionLevelPassive);
        if deferred.passive && deferred.period > 0 {
            return STATUS_NOT_SUPPORTED;
        }
    }
    if deferred.serialized
        && let Some(lock) = lock::callback_lock(&parent)
        && lock.is_passive() != deferred.passive
    {
        verifier_break(format!(
            "{function}: callbacks at different levels cannot be serialised; turn AutomaticSerialization off"
        ));
        return status::WDF_INCOMPATIBLE_EXECUTION_LEVEL;
    }
    if kernel().should_fail() {
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    let deferred = Rc::new(deferred);
    let body: Rc<dyn Body> = Rc::<Deferred>::clone(&deferred);
    match object::create(kind, parent.driver, &attributes, None, body) {
        Ok(object) => {
            *deferred.object.borrow_mut() = Rc::downgrade(&object);
            // SAFETY: not null, and the driver vouches that it may be written.
            unsafe { handle.write(object.handle()) };
            STATUS_SUCCESS
        }
        Err(status) => status,
    }
}

fn body(handle: WDFOBJECT, kind: Kind) -> Rc<Deferred> {
    object::of(handle, kind).body()
}

fn parent_of(handle: WDFOBJECT, kind: Kind) -> WDFOBJECT {
    object::of(handle, kind)
        .parent()
        .map_or(std::ptr::null_mut(), |parent| parent.handle())
}

nt_export! { table
    /// Makes a timer.
    irql(<= DISPATCH_LEVEL) fn WdfTimerCreate(
        _globals: PWDF_DRIVER_GLOBALS,
        config: PWDF_TIMER_CONFIG,
        attributes: PWDF_OBJECT_ATTRIBUTES,
        timer: *mut WDFTIMER,
    ) -> NTSTATUS {
        require("WdfTimerCreate", "Config", config.is_null());
        // SAFETY: not null, and the driver vouches for it by calling.
        let Some(config) = (unsafe { timer_config(config) }) else {
            return STATUS_INFO_LENGTH_MISMATCH;
        };
        let mut deferred = Deferred::new(TIMER, config.EvtTimerFunc, false, config.AutomaticSerialization != 0);
        if config.Period > i32::MAX.cast_unsigned()
            || config.TolerableDelay > 0 && config.UseHighResolutionTimer != 0
        {
            return STATUS_INVALID_PARAMETER;
        }
        deferred.period = u64::from(config.Period) * 1_000_000;
        deferred.high_resolution = config.UseHighResolutionTimer != 0;
        create("WdfTimerCreate", Kind::Timer, (config.Size, size_of::<WDF_TIMER_CONFIG>()), attributes, timer, deferred)
    }

    /// Starts a timer, in units of 100 ns, negative if relative; true if it was already running.
    irql(<= DISPATCH_LEVEL) fn WdfTimerStart(
        _globals: PWDF_DRIVER_GLOBALS,
        timer: WDFTIMER,
        due: LONGLONG,
    ) -> BOOLEAN {
        let object = object::of(timer, Kind::Timer);
        let timer = object.body::<Deferred>();
        if !object.is_alive() {
            verifier_break("WdfTimerStart was called on a timer that is being deleted");
            return 0;
        }
        if timer.stopping.get() > 0 {
            timer.start_ignored.set(true);
            return 0;
        }
        let running = timer.timer.take().is_some_and(|timer| kernel().sched.cancel_timer(timer));
        timer.arm(crate::ke::deadline(due));
        BOOLEAN::from(running)
    }

    /// Stops a timer; true if it was running. Waiting for its callback needs `PASSIVE_LEVEL`.
    irql(<= DISPATCH_LEVEL) fn WdfTimerStop(_globals: PWDF_DRIVER_GLOBALS, timer: WDFTIMER, wait: BOOLEAN) -> BOOLEAN {
        let timer = body(timer, Kind::Timer);
        BOOLEAN::from(if wait == 0 { timer.cancel_timer() } else { timer.stop_and_wait() })
    }

    /// The object that a timer was made for.
    irql(<= DISPATCH_LEVEL) fn WdfTimerGetParentObject(_globals: PWDF_DRIVER_GLOBALS, timer: WDFTIMER) -> WDFOBJECT {
        parent_of(timer, Kind::Timer)
    }

    /// Makes a deferred procedure call.
    irql(<= DISPATCH_LEVEL) fn WdfDpcCreate(
        _globals: PWDF_DRIVER_GLOBALS,
        config: PWDF_DPC_CONFIG,
        attributes: PWDF_OBJECT_ATTRIBUTES,
        dpc: *mut WDFDPC,
    ) -> NTSTATUS {
        require("WdfDpcCreate", "Config", config.is_null());
        // SAFETY: not null, and the driver vouches for it by calling.
        let config = unsafe { config.read() };
        let callback: PFN_WDF_DPC = config.EvtDpcFunc;
        let deferred = Deferred::new(DPC, callback, false, config.AutomaticSerialization != 0);
        create("WdfDpcCreate", Kind::Dpc, (config.Size, size_of::<WDF_DPC_CONFIG>()), attributes, dpc, deferred)
    }

    /// Queues a deferred procedure call; false if it is queued already.
    irql(any) fn WdfDpcEnqueue(_globals: PWDF_DRIVER_GLOBALS, dpc: WDFDPC) -> BOOLEAN {
        let dpc = body(dpc, Kind::Dpc);
        if dpc.queued.get() > 0 {
            return 0;
        }
        dpc.queue();
        1
    }

    /// Takes a deferred procedure call back; true if it was queued. Waiting for its callback needs
    /// `PASSIVE_LEVEL`.
    irql(any) fn WdfDpcCancel(_globals: PWDF_DRIVER_GLOBALS, dpc: WDFDPC, wait: BOOLEAN) -> BOOLEAN {
        let dpc = body(dpc, Kind::Dpc);
        if wait != 0 && is_too_high("WdfDpcCancel with Wait") {
            return 0;
        }
        let queued = dpc.cancel();
        if wait != 0 && !queued {
            dpc.wait("WdfDpcCancel");
        }
        BOOLEAN::from(queued)
    }

    /// The object that a deferred procedure call was made for.
    irql(any) fn WdfDpcGetParentObject(_globals: PWDF_DRIVER_GLOBALS, dpc: WDFDPC) -> WDFOBJECT {
        parent_of(dpc, Kind::Dpc)
    }

    /// Makes a work item.
    irql(<= DISPATCH_LEVEL) fn WdfWorkItemCreate(
        _globals: PWDF_DRIVER_GLOBALS,
        config: PWDF_WORKITEM_CONFIG,
        attributes: PWDF_OBJECT_ATTRIBUTES,
        work_item: *mut WDFWORKITEM,
    ) -> NTSTATUS {
        require("WdfWorkItemCreate", "Config", config.is_null());
        // SAFETY: not null, and the driver vouches for it by calling.
        let config = unsafe { config.read() };
        let callback: PFN_WDF_WORKITEM = config.EvtWorkItemFunc;
        let deferred = Deferred::new(WORK_ITEM, callback, true, config.AutomaticSerialization != 0);
        let size = (config.Size, size_of::<WDF_WORKITEM_CONFIG>());
        create("WdfWorkItemCreate", Kind::WorkItem, size, attributes, work_item, deferred)
    }

    /// Queues a work item, unless it is queued already.
    irql(<= DISPATCH_LEVEL) fn WdfWorkItemEnqueue(_globals: PWDF_DRIVER_GLOBALS, work_item: WDFWORKITEM) {
        let object = object::of(work_item, Kind::WorkItem);
        let work_item = object.body::<Deferred>();
        if work_item.queued.get() > 0 {
            return;
        }
        if !object.is_alive() {
            verifier_break("WdfWorkItemEnqueue was called on a work item that is being deleted");
            return;
        }
        work_item.queue();
    }

    /// Waits until a work item is neither queued nor running.
    irql(== PASSIVE_LEVEL) fn WdfWorkItemFlush(_globals: PWDF_DRIVER_GLOBALS, work_item: WDFWORKITEM) {
        body(work_item, Kind::WorkItem).wait("WdfWorkItemFlush");
    }

    /// The object that a work item was made for.
    irql(<= DISPATCH_LEVEL) fn WdfWorkItemGetParentObject(
        _globals: PWDF_DRIVER_GLOBALS,
        work_item: WDFWORKITEM,
    ) -> WDFOBJECT {
        parent_of(work_item, Kind::WorkItem)
    }
}

wdf_functions! {
    WdfTimerCreateTableIndex: PFN_WDFTIMERCREATE = WdfTimerCreate;
    WdfTimerStartTableIndex: PFN_WDFTIMERSTART = WdfTimerStart;
    WdfTimerStopTableIndex: PFN_WDFTIMERSTOP = WdfTimerStop;
    WdfTimerGetParentObjectTableIndex: PFN_WDFTIMERGETPARENTOBJECT = WdfTimerGetParentObject;
    WdfDpcCreateTableIndex: PFN_WDFDPCCREATE = WdfDpcCreate;
    WdfDpcEnqueueTableIndex: PFN_WDFDPCENQUEUE = WdfDpcEnqueue;
    WdfDpcCancelTableIndex: PFN_WDFDPCCANCEL = WdfDpcCancel;
    WdfDpcGetParentObjectTableIndex: PFN_WDFDPCGETPARENTOBJECT = WdfDpcGetParentObject;
    WdfWorkItemCreateTableIndex: PFN_WDFWORKITEMCREATE = WdfWorkItemCreate;
    WdfWorkItemEnqueueTableIndex: PFN_WDFWORKITEMENQUEUE = WdfWorkItemEnqueue;
    WdfWorkItemFlushTableIndex: PFN_WDFWORKITEMFLUSH = WdfWorkItemFlush;
    WdfWorkItemGetParentObjectTableIndex: PFN_WDFWORKITEMGETPARENTOBJECT = WdfWorkItemGetParentObject;
}
