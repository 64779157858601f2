//! I/O queues: how requests wait, and how they reach a driver.
//!
//! ```text
//!   arrives --> waiting --(dispatch: sequential, parallel)--> owned by the driver --> completed
//!                  |  \--(retrieve: manual, sequential)-------^        |  |
//!                  |   ^----- requeued, forwarded, stop acknowledged --+  |
//!                  |                                                      +--cancelable--> cancelled: EvtRequestCancel
//!                  +--cancelled: completed, or EvtIoCanceledOnQueue if the driver has seen it
//! ```
//!
//! `dispatch_events` is the one place that decides what a queue does next, as KMDF's is: it runs in
//! the context of whoever has changed something, and keeps going until nothing is to be done. Its
//! conditions follow KMDF's published sources.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use wdk_sys_lite::{
    _WDF_EXECUTION_LEVEL, _WDF_IO_QUEUE_DISPATCH_TYPE, _WDF_IO_QUEUE_STATE,
    _WDF_REQUEST_STOP_ACTION_FLAGS, _WDF_REQUEST_TYPE, _WDF_SYNCHRONIZATION_SCOPE, _WDF_TRI_STATE,
    NTSTATUS, PFN_WDF_IO_QUEUE_STATE, PFN_WDF_REQUEST_CANCEL, PULONG, PWDF_DRIVER_GLOBALS,
    PWDF_IO_QUEUE_CONFIG, PWDF_OBJECT_ATTRIBUTES, PWDF_REQUEST_PARAMETERS, STATUS_CANCELLED,
    STATUS_INFO_LENGTH_MISMATCH, STATUS_INSUFFICIENT_RESOURCES, STATUS_INVALID_DEVICE_REQUEST,
    STATUS_INVALID_DEVICE_STATE, STATUS_INVALID_PARAMETER, STATUS_INVALID_PARAMETER_4,
    STATUS_NO_MORE_ENTRIES, STATUS_NOT_FOUND, STATUS_SUCCESS, STATUS_UNSUCCESSFUL,
    WDF_IO_QUEUE_CONFIG, WDF_IO_QUEUE_STATE, WDF_REQUEST_PARAMETERS, WDF_REQUEST_TYPE, WDFCONTEXT,
    WDFDEVICE, WDFFILEOBJECT, WDFQUEUE, WDFREQUEST,
};

use crate::bugcheck::{StopCode, bug_check};
use crate::call_driver;
use crate::export::{DISPATCH_LEVEL, PASSIVE_LEVEL};
use crate::io::file::FileObject;
use crate::io::irp::Operation;
use crate::kernel::kernel;
use crate::nt_export;
use crate::sched::{ContextKind, Key};

use super::device::{Device, PnpState};
use super::lock::{self, CallbackLock};
use super::object::{self, Attributes, Body, Kind, Object};
use super::request::{self, CompletionState, Request, StopState};
use super::table::wdf_functions;
use super::{require, status, verifier_break, violation};

/// Where a power-managed queue is between working and sleeping.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Power {
    On,
    Off,
    /// Waits until no thread dispatches.
    StartingTransition,
    Stopping,
    StoppingNotifying,
    StoppingNotified,
    Purge,
    PurgeNotifying,
    PurgeNotified,
    Restarting,
    RestartingNotifying,
    RestartingNotified,
}

/// Who hears that a queue is idle, purged or ready.
#[derive(Clone)]
enum Listener {
    Driver(unsafe extern "C" fn(WDFQUEUE, WDFCONTEXT), usize),
    /// A thread that waits in the synchronous form.
    Waiter(Rc<Cell<bool>>),
}

#[derive(Default)]
struct Lists {
    /// Not yet presented to the driver, or given back.
    waiting: VecDeque<Rc<Object>>,
    /// Owned by the driver.
    owned: Vec<Rc<Object>>,
    /// Owned by the driver, which is to be told of a power transition.
    notify: VecDeque<Rc<Object>>,
    /// Owned by the driver, which has been told and has not let go.
    notified: Vec<Rc<Object>>,
    /// Cancelled while owned and cancelable; `EvtRequestCancel` is due.
    cancelled: VecDeque<Rc<Object>>,
    /// Cancelled while waiting, after the driver had seen them; `EvtIoCanceledOnQueue` is due.
    cancelled_on_queue: VecDeque<Rc<Object>>,
}

/// A queue object's body.
pub struct Queue {
    device: Rc<Device>,
    config: WDF_IO_QUEUE_CONFIG,
    power_managed: bool,
    passive: bool,
    most_presented: u32,
    lock: RefCell<Option<Rc<CallbackLock>>>,
    lists: RefCell<Lists>,
    accepts: Cell<bool>,
    dispatches: Cell<bool>,
    power: Cell<Power>,
    /// How many contexts are in [`dispatch_events`].
    dispatching: Cell<u32>,
    /// How many requests the driver owns.
    owned_count: Cell<u32>,
    /// Purged and not started again: what its driver owns is not to come back or to become
    /// cancelable.
    cancel_dispatched: Cell<bool>,
    became_ready: Cell<bool>,
    force_ready: Cell<bool>,
    /// The device's removal has closed it: it accepts nothing again.
    shut_down: Cell<bool>,
    for_creates: bool,
    disposing: Cell<bool>,
    deleted: Cell<bool>,
    deferred: Cell<bool>,
    power_idle: Cell<bool>,
    idle_complete: RefCell<Option<Listener>>,
    purge_complete: RefCell<Option<Listener>>,
    ready_notify: RefCell<Option<Listener>>,
    key: Key,
}

/// The queues of a machine, by their device's handle.
#[derive(Default)]
pub struct Queues(RefCell<BTreeMap<usize, Vec<Rc<Object>>>>);

fn queues_of(device: &Object) -> Vec<Rc<Object>> {
    let queues = kernel().io.queues.0.borrow();
    queues
        .get(&device.handle().addr())
        .cloned()
        .unwrap_or_default()
}

/// Runs a driver's callback where its execution level and synchronization scope allow: under the
/// lock, or sometimes, as the seed says, at `DISPATCH_LEVEL`, where the driver may be called
/// whenever it has not asked for `PASSIVE_LEVEL`.
pub(super) fn in_callback_context<R>(
    lock: Option<&CallbackLock>,
    passive: bool,
    callback: impl FnOnce() -> R,
) -> R {
    if let Some(lock) = lock {
        return lock.with(callback);
    }
    let sched = &kernel().sched;
    if passive || sched.current().irql() >= DISPATCH_LEVEL || sched.random(4) != 0 {
        return callback();
    }
    let irql = sched.set_irql(DISPATCH_LEVEL);
    let result = callback();
    sched.set_irql(irql);
    result
}

impl Queue {
    fn is_manual(&self) -> bool {
        self.config.DispatchType == _WDF_IO_QUEUE_DISPATCH_TYPE::WdfIoQueueDispatchManual
    }

    fn is_sequential(&self) -> bool {
        self.config.DispatchType == _WDF_IO_QUEUE_DISPATCH_TYPE::WdfIoQueueDispatchSequential
    }

    /// Whether it is the framework's own, which drivers do not see.
    pub(super) fn is_for_creates(&self) -> bool {
        self.for_creates
    }

    fn waiting_count(&self) -> u32 {
        u32::try_from(self.lists.borrow().waiting.len()).unwrap_or(u32::MAX)
    }

    /// Whether a request of a type would find a callback or, in a manual queue, a place.
    fn has_handler(&self, request_type: WDF_REQUEST_TYPE) -> bool {
        if self.is_manual() || self.config.EvtIoDefault.is_some() {
            return true;
        }
        match request_type {
            _WDF_REQUEST_TYPE::WdfRequestTypeRead => self.config.EvtIoRead.is_some(),
            _WDF_REQUEST_TYPE::WdfRequestTypeWrite => self.config.EvtIoWrite.is_some(),
            _WDF_REQUEST_TYPE::WdfRequestTypeDeviceControl => {
                self.config.EvtIoDeviceControl.is_some()
            }
            _WDF_REQUEST_TYPE::WdfRequestTypeDeviceControlInternal => {
                self.config.EvtIoInternalDeviceControl.is_some()
            }
            _ => false,
        }
    }

    fn lock(&self) -> Option<Rc<CallbackLock>> {
        self.lock.borrow().clone()
    }

    fn call<R>(&self, callback: impl FnOnce() -> R) -> R {
        in_callback_context(self.lock().as_deref(), self.passive, callback)
    }

    fn zero_length(&self, operation: Operation) -> bool {
        self.config.AllowZeroLengthRequests == 0
            && matches!(
                operation,
                Operation::Read { length: 0, .. } | Operation::Write { length: 0, .. }
            )
    }

    fn is_notifying(&self) -> bool {
        matches!(
            self.power.get(),
            Power::StoppingNotifying | Power::PurgeNotifying | Power::RestartingNotifying
        )
    }

    fn note_arrival(&self) {
        if self.waiting_count() == 1 || self.force_ready.replace(false) {
            self.became_ready.set(true);
        }
    }

    fn forget_owned(&self, object: &Rc<Object>) {
        let mut lists = self.lists.borrow_mut();
        let lists = &mut *lists;
        lists.owned.retain(|other| !Rc::ptr_eq(other, object));
        lists.notify.retain(|other| !Rc::ptr_eq(other, object));
        lists.notified.retain(|other| !Rc::ptr_eq(other, object));
    }

    fn set_power_idle(&self) {
        self.power_idle.set(true);
        kernel().sched.wake(self.key);
    }

    fn tell(&self, this: &Rc<Object>, listener: &Listener) {
        match listener {
            Listener::Driver(callback, context) => {
                let context: WDFCONTEXT = std::ptr::with_exposed_provenance_mut(*context);
                self.call(|| {
                    // SAFETY: the driver gave callback and context for this event, and the queue is
                    // alive.
                    unsafe {
                        call_driver!(
                            this.driver,
                            "EvtIoQueueState",
                            callback(this.handle(), context)
                        );
                    }
                });
            }
            Listener::Waiter(flag) => {
                flag.set(true);
                kernel().sched.wake(self.key);
            }
        }
    }
}

// ---- what waits: insertion, removal, cancellation ----

/// Puts a request among those that wait, cancelable by its sender; false if it is cancelled
/// already.
fn insert(this: &Rc<Object>, object: &Rc<Object>, at_head: bool) -> bool {
    let queue = this.body::<Queue>();
    let request = object.body::<Request>();
    let Some(irp) = request.irp() else {
        return false;
    };
    let (for_queue, for_request) = (Rc::clone(this), Rc::clone(object));
    if !irp.set_cancel_routine(move || cancelled_while_waiting(&for_queue, &for_request)) {
        return false;
    }
    irp.set_place("waiting in a queue");
    object::reference(object);
    let mut lists = queue.lists.borrow_mut();
    if at_head {
        lists.waiting.push_front(Rc::clone(object));
    } else {
        lists.waiting.push_back(Rc::clone(object));
    }
    true
}

/// Takes the first fitting request out; those that are being cancelled are the cancel routine's.
fn take_first(queue: &Queue, fits: impl Fn(&Rc<Object>) -> bool) -> Option<Rc<Object>> {
    let object = {
        let mut lists = queue.lists.borrow_mut();
        let index = lists.waiting.iter().position(|object| {
            fits(object)
                && object
                    .body::<Request>()
                    .irp()
                    .is_some_and(|irp| irp.clear_cancel_routine())
        })?;
        lists.waiting.remove(index)?
    };
    object::dereference(&object);
    Some(object)
}

/// The cancel routine of a request that waits.
fn cancelled_while_waiting(this: &Rc<Object>, object: &Rc<Object>) {
    let queue = this.body::<Queue>();
    queue
        .lists
        .borrow_mut()
        .waiting
        .retain(|other| !Rc::ptr_eq(other, object));
    object::reference(this);
    cancel_for_queue(this, object);
    object::dereference(object);
    object::dereference(this);
}

/// A request that has left the waiting ones because it is cancelled.
fn cancel_for_queue(this: &Rc<Object>, object: &Rc<Object>) {
    let queue = this.body::<Queue>();
    let request = object.body::<Request>();
    request.cancelled.set(true);
    if queue.config.EvtIoCanceledOnQueue.is_some() && request.presented.get() {
        own(this, object);
        queue
            .lists
            .borrow_mut()
            .cancelled_on_queue
            .push_back(Rc::clone(object));
        dispatch_internal_events(this);
    } else {
        request::complete_for_framework(object, STATUS_CANCELLED, 0);
        dispatch_internal_events(this);
    }
}

/// The driver owns the request from here on.
fn own(this: &Rc<Object>, object: &Rc<Object>) {
    let queue = this.body::<Queue>();
    let request = object.body::<Request>();
    queue.lists.borrow_mut().owned.push(Rc::clone(object));
    queue.owned_count.set(queue.owned_count.get() + 1);
    request.completion_state.set(CompletionState::Queue);
    request.owned.set(true);
}

/// A request has arrived from its sender.
pub(super) fn arrive(this: &Rc<Object>, object: &Rc<Object>) {
    let queue = this.body::<Queue>();
    if !queue.accepts.get() {
        request::complete_for_framework(object, STATUS_INVALID_DEVICE_STATE, 0);
        return;
    }
    object.body::<Request>().set_queue(Some(this));
    if insert(this, object, false) {
        queue.note_arrival();
        dispatch_events(this);
    } else {
        request::complete_for_framework(object, STATUS_CANCELLED, 0);
        dispatch_events(this);
    }
}

/// A request arrives from another queue, or from `EvtIoInCallerContext`.
pub(super) fn arrive_forwarded(this: &Rc<Object>, object: &Rc<Object>) -> Result<(), NTSTATUS> {
    let queue = this.body::<Queue>();
    if !queue.accepts.get() {
        return Err(status::WDF_BUSY);
    }
    object.body::<Request>().set_queue(Some(this));
    if insert(this, object, false) {
        queue.note_arrival();
    } else {
        cancel_for_queue(this, object);
    }
    dispatch_events(this);
    Ok(())
}

/// A request that came from this queue to the driver is completed.
pub(super) fn completed(this: &Rc<Object>, object: &Rc<Object>) {
    let queue = this.body::<Queue>();
    queue.forget_owned(object);
    queue
        .owned_count
        .set(queue.owned_count.get().saturating_sub(1));
    kernel().sched.wake(queue.key);
    let still_listed = {
        let lists = queue.lists.borrow();
        lists
            .cancelled
            .iter()
            .chain(&lists.cancelled_on_queue)
            .any(|other| Rc::ptr_eq(other, object))
    };
    if still_listed {
        verifier_break(format!(
            "{} was completed before the callback that its cancellation is due",
            request::describe(object)
        ));
        let mut lists = queue.lists.borrow_mut();
        lists
            .cancelled_on_queue
            .retain(|other| !Rc::ptr_eq(other, object));
    }
    dispatch_internal_events(this);
}

/// Cancels what waits and belongs to a file: its last handle is closed.
pub(super) fn flush_by_file(device: &Object, file: &Rc<FileObject>) {
    for this in queues_of(device) {
        let queue = this.body::<Queue>();
        while let Some(object) = take_first(&queue, |object| belongs_to(object, file)) {
            cancel_for_queue(&this, &object);
        }
        dispatch_events(&this);
    }
}

fn belongs_to(object: &Rc<Object>, file: &Rc<FileObject>) -> bool {
    object
        .body::<Request>()
        .irp()
        .is_some_and(|irp| Rc::ptr_eq(&irp.file, file))
}

// ---- cancellation of what the driver owns ----

/// `WdfRequestMarkCancelable` (`fail_if_cancelled` false) and `WdfRequestMarkCancelableEx`.
pub(super) fn mark_cancelable(
    this: &Rc<Object>,
    object: &Rc<Object>,
    callback: PFN_WDF_REQUEST_CANCEL,
    fail_if_cancelled: bool,
) -> NTSTATUS {
    let queue = this.body::<Queue>();
    let request = object.body::<Request>();
    if !request.verify_owned(object) || !request.verify_not_cancelable(object) {
        return STATUS_INVALID_DEVICE_REQUEST;
    }
    request.cancelable.set(true);
    request.cancel_callback.set(callback);
    let marked = !queue.cancel_dispatched.get() && {
        let (for_queue, for_request) = (Rc::clone(this), Rc::clone(object));
        request.irp().is_some_and(|irp| {
            irp.set_cancel_routine(move || cancelled_while_owned(&for_queue, &for_request))
        })
    };
    if marked {
        object::reference(object);
        request.in_cancelable_list.set(true);
        STATUS_SUCCESS
    } else if fail_if_cancelled {
        request.cancel_callback.set(None);
        request.cancelable.set(false);
        STATUS_CANCELLED
    } else {
        request.cancelled.set(true);
        object::reference(object);
        cancel_for_driver(this, object);
        STATUS_SUCCESS
    }
}

/// `WdfRequestUnmarkCancelable`.
pub(super) fn unmark_cancelable(object: &Rc<Object>) -> NTSTATUS {
    let request = object.body::<Request>();
    if !request.verify_owned(object) {
        return STATUS_INVALID_DEVICE_REQUEST;
    }
    if !request.cancelable.get() {
        verifier_break(format!("{} is not cancelable", request::describe(object)));
        return STATUS_INVALID_DEVICE_REQUEST;
    }
    if !take_cancelable(object) {
        return STATUS_CANCELLED;
    }
    request.cancel_callback.set(None);
    request.cancelable.set(false);
    object::dereference(object);
    STATUS_SUCCESS
}

/// Takes a request off the cancelable ones; false if its cancellation is under way. The list's
/// reference passes on.
fn take_cancelable(object: &Rc<Object>) -> bool {
    let request = object.body::<Request>();
    if !request.in_cancelable_list.get() {
        return false;
    }
    let taken = request.irp().is_some_and(|irp| irp.clear_cancel_routine());
    if taken {
        request.in_cancelable_list.set(false);
    }
    taken
}

/// The cancel routine of a request that the driver owns and has marked cancelable.
fn cancelled_while_owned(this: &Rc<Object>, object: &Rc<Object>) {
    let request = object.body::<Request>();
    request.in_cancelable_list.set(false);
    request.cancelled.set(true);
    object::reference(this);
    cancel_for_driver(this, object);
    object::dereference(this);
}

/// `EvtRequestCancel` is due; the caller has referenced the request for it.
fn cancel_for_driver(this: &Rc<Object>, object: &Rc<Object>) {
    this.body::<Queue>()
        .lists
        .borrow_mut()
        .cancelled
        .push_back(Rc::clone(object));
    dispatch_internal_events(this);
}

fn cancel_waiting(this: &Rc<Object>) {
    let queue = this.body::<Queue>();
    while let Some(object) = take_first(&queue, |_| true) {
        cancel_for_queue(this, &object);
    }
}

fn cancel_owned(this: &Rc<Object>) {
    let queue = this.body::<Queue>();
    loop {
        let object = {
            let lists = queue.lists.borrow();
            lists
                .owned
                .iter()
                .chain(&lists.notify)
                .chain(&lists.notified)
                .find(|object| take_cancelable(object))
                .cloned()
        };
        let Some(object) = object else { break };
        object.body::<Request>().cancelled.set(true);
        cancel_for_driver(this, &object);
    }
}

// ---- the one place that decides ----

/// After a change by the driver or the framework itself: whoever dispatches already sees it.
fn dispatch_internal_events(this: &Rc<Object>) {
    if this.body::<Queue>().dispatching.get() == 0 {
        dispatch_events(this);
    }
}

/// Whether the running context may call the driver; otherwise a context that may is asked to.
fn may_dispatch_here(this: &Rc<Object>, queue: &Rc<Queue>) -> bool {
    let too_high = queue.passive && kernel().sched.current().irql() > PASSIVE_LEVEL;
    let in_callback = queue.lock().is_some_and(|lock| lock.held_by_current());
    if !too_high && !in_callback {
        return true;
    }
    if !queue.deferred.replace(true) {
        schedule_deferred(this, queue.passive);
    }
    false
}

fn schedule_deferred(this: &Rc<Object>, passive: bool) {
    let this = Rc::clone(this);
    let run = move || {
        let queue = this.body::<Queue>();
        dispatch_events(&this);
        // Nothing can have happened since: there is no scheduling point between the last decision
        // and this.
        queue.deferred.set(false);
        kernel().sched.wake(queue.key);
    };
    if passive {
        kernel()
            .sched
            .spawn(ContextKind::SystemThread, "queue's work item", run);
    } else {
        kernel().sched.queue_dpc(None, "queue's DPC", run);
    }
}

/// Does what is to be done on a queue, until nothing is; false if the queue is deleted.
pub(super) fn dispatch_events(this: &Rc<Object>) -> bool {
    let queue = this.body::<Queue>();
    if queue.deleted.get() {
        return false;
    }
    if !may_dispatch_here(this, &queue) {
        return true;
    }
    queue.dispatching.set(queue.dispatching.get() + 1);
    while step(this, &queue) {}
    if !queue.deleted.get() {
        queue.dispatching.set(queue.dispatching.get() - 1);
    }
    true
}

/// One decision; false when there is nothing to do for this context.
fn step(this: &Rc<Object>, queue: &Rc<Queue>) -> bool {
    if process_cancelled(this, queue) {
        return true;
    }
    let last = queue.dispatching.get() == 1;
    let nothing_left = queue.waiting_count() == 0 && queue.owned_count.get() == 0;
    if last && queue.owned_count.get() == 0 {
        let listener = queue.idle_complete.borrow_mut().take();
        if let Some(listener) = listener {
            queue.tell(this, &listener);
            return true;
        }
    }
    if last && nothing_left {
        let listener = queue.purge_complete.borrow_mut().take();
        if let Some(listener) = listener {
            queue.tell(this, &listener);
            return true;
        }
    }
    if !matches!(queue.power.get(), Power::On | Power::Off) {
        return process_power(this, queue);
    }
    if queue.disposing.get() && last && nothing_left {
        queue.deleted.set(true);
        kernel().sched.wake(queue.key);
        return false;
    }
    if queue.power.get() == Power::Off || !queue.dispatches.get() {
        return false;
    }
    if queue.is_manual() {
        let listener = queue.ready_notify.borrow().clone();
        if let Some(listener) = listener
            && queue.became_ready.replace(false)
        {
            queue.tell(this, &listener);
            return true;
        }
        return false;
    }
    let limit = if queue.is_sequential() {
        1
    } else {
        queue.most_presented
    };
    if queue.owned_count.get() >= limit {
        return false;
    }
    let Some(object) = take_first(queue, |_| true) else {
        return false;
    };
    own(this, &object);
    present(this, queue, &object);
    true
}

fn process_cancelled(this: &Rc<Object>, queue: &Queue) -> bool {
    if queue.is_notifying() {
        return false;
    }
    let object = queue.lists.borrow_mut().cancelled.pop_front();
    if let Some(object) = object {
        let request = object.body::<Request>();
        request.cancel_called.set(true);
        if let Some(callback) = request.cancel_callback.get() {
            queue.call(|| {
                // SAFETY: the driver gave the callback for this request, which the cancelable
                // list's reference keeps.
                unsafe {
                    call_driver!(object.driver, "EvtRequestCancel", callback(object.handle()));
                }
            });
        }
        object::dereference(&object);
        return true;
    }
    let object = queue.lists.borrow_mut().cancelled_on_queue.pop_front();
    if let Some(object) = object {
        object.body::<Request>().cancel_called.set(true);
        if let Some(callback) = queue.config.EvtIoCanceledOnQueue {
            object
                .body::<Request>()
                .place("with the driver since EvtIoCanceledOnQueue");
            queue.call(|| {
                // SAFETY: the driver's queue configuration gave the callback; the driver owns the
                // request from here on.
                unsafe {
                    call_driver!(
                        object.driver,
                        "EvtIoCanceledOnQueue",
                        callback(this.handle(), object.handle())
                    );
                };
            });
        }
        return true;
    }
    false
}

/// Gives a request to the driver's callback for it.
fn present(this: &Rc<Object>, queue: &Queue, object: &Rc<Object>) {
    let request = object.body::<Request>();
    let Some(irp) = request.irp() else { return };
    let operation = irp.operation;
    let config = &queue.config;
    let has_own = match operation {
        Operation::Read { .. } => config.EvtIoRead.is_some(),
        Operation::Write { .. } => config.EvtIoWrite.is_some(),
        Operation::DeviceControl { .. } => config.EvtIoDeviceControl.is_some(),
        Operation::Create => false,
    };
    if !has_own && config.EvtIoDefault.is_none() {
        request::complete_for_framework(object, STATUS_INVALID_DEVICE_REQUEST, 0);
        return;
    }
    if queue.zero_length(operation) {
        request::complete_for_framework(object, STATUS_SUCCESS, 0);
        return;
    }
    request.presented.set(true);
    let (handle, driver) = (object.handle(), object.driver);
    queue.call(|| {
        // SAFETY: the driver's queue configuration gave each callback for this kind of request.
        // Both handles are its queue's and its request's, and the lengths and the code are the
        // request's own.
        unsafe {
            match operation {
                Operation::Read { length, .. } if has_own => {
                    request.place("with the driver since EvtIoRead");
                    if let Some(callback) = config.EvtIoRead {
                        call_driver!(driver, "EvtIoRead", callback(this.handle(), handle, length));
                    }
                }
                Operation::Write { length, .. } if has_own => {
                    request.place("with the driver since EvtIoWrite");
                    if let Some(callback) = config.EvtIoWrite {
                        call_driver!(
                            driver,
                            "EvtIoWrite",
                            callback(this.handle(), handle, length)
                        );
                    }
                }
                Operation::DeviceControl {
                    code,
                    input,
                    output,
                } if has_own => {
                    request.place("with the driver since EvtIoDeviceControl");
                    if let Some(callback) = config.EvtIoDeviceControl {
                        call_driver!(
                            driver,
                            "EvtIoDeviceControl",
                            callback(this.handle(), handle, output, input, code)
                        );
                    }
                }
                _ => {
                    request.place("with the driver since EvtIoDefault");
                    if let Some(callback) = config.EvtIoDefault {
                        call_driver!(driver, "EvtIoDefault", callback(this.handle(), handle));
                    }
                }
            }
        }
    });
}

// ---- power ----

fn process_power(this: &Rc<Object>, queue: &Queue) -> bool {
    let last = queue.dispatching.get() == 1;
    match queue.power.get() {
        Power::On | Power::Off => false,
        Power::StartingTransition => {
            if last {
                queue.set_power_idle();
            }
            false
        }
        Power::Stopping => begin_notification(queue, Power::StoppingNotifying),
        Power::Purge => begin_notification(queue, Power::PurgeNotifying),
        Power::Restarting => begin_notification(queue, Power::RestartingNotifying),
        Power::StoppingNotifying => notify_stop(
            this,
            queue,
            _WDF_REQUEST_STOP_ACTION_FLAGS::WdfRequestStopActionSuspend,
            Power::StoppingNotified,
        ),
        Power::PurgeNotifying => notify_stop(
            this,
            queue,
            _WDF_REQUEST_STOP_ACTION_FLAGS::WdfRequestStopActionPurge,
            Power::PurgeNotified,
        ),
        Power::StoppingNotified | Power::PurgeNotified => {
            let acknowledged = {
                let mut lists = queue.lists.borrow_mut();
                let index = lists.notified.iter().position(|object| {
                    object.body::<Request>().stop_state.get() != StopState::None
                });
                index.map(|index| lists.notified.remove(index))
            };
            if let Some(object) = acknowledged {
                process_acknowledged(this, queue, &object);
                return true;
            }
            if last && queue.lists.borrow().notified.is_empty() {
                queue.power.set(Power::Off);
                queue.set_power_idle();
                return true;
            }
            false
        }
        Power::RestartingNotifying => notify_resume(this, queue),
        Power::RestartingNotified => {
            // What waits is dispatched after all queues of the device are here.
            queue.power.set(Power::On);
            false
        }
    }
}

fn begin_notification(queue: &Queue, next: Power) -> bool {
    queue.power.set(next);
    let mut lists = queue.lists.borrow_mut();
    let lists = &mut *lists;
    lists.notify.extend(lists.owned.drain(..));
    true
}

/// Calls `EvtIoStop` for the next request that the driver owns.
fn notify_stop(this: &Rc<Object>, queue: &Queue, action: i32, next: Power) -> bool {
    let object = {
        let mut lists = queue.lists.borrow_mut();
        let object = lists.notify.pop_front();
        lists.notified.extend(object.clone());
        object
    };
    let Some(object) = object else {
        queue.power.set(next);
        return true;
    };
    let request = object.body::<Request>();
    if let Some(callback) = queue.config.EvtIoStop
        && !request.cancelled.get()
    {
        let mut flags = action;
        if request.in_cancelable_list.get() {
            flags |= _WDF_REQUEST_STOP_ACTION_FLAGS::WdfRequestStopRequestCancelable;
        }
        object::reference(&object);
        request.in_stop.set(true);
        queue.call(|| {
            // SAFETY: the driver's queue configuration gave the callback; the reference keeps the
            // request for its length.
            unsafe {
                call_driver!(
                    object.driver,
                    "EvtIoStop",
                    callback(this.handle(), object.handle(), flags.cast_unsigned())
                );
            };
        });
        object::dereference(&object);
    }
    true
}

/// Calls `EvtIoResume` for the next request that the driver has kept.
fn notify_resume(this: &Rc<Object>, queue: &Queue) -> bool {
    let object = {
        let mut lists = queue.lists.borrow_mut();
        let object = lists.notify.pop_front();
        lists.owned.extend(object.clone());
        object
    };
    let Some(object) = object else {
        queue.power.set(Power::RestartingNotified);
        return true;
    };
    if let Some(callback) = queue.config.EvtIoResume
        && !object.body::<Request>().cancelled.get()
    {
        object::reference(&object);
        queue.call(|| {
            // SAFETY: the driver's queue configuration gave the callback; the reference keeps the
            // request for its length.
            unsafe {
                call_driver!(
                    object.driver,
                    "EvtIoResume",
                    callback(this.handle(), object.handle())
                );
            };
        });
        object::dereference(&object);
    }
    true
}

/// The driver has acknowledged a stop: it keeps the request, or gives it back to the queue's head.
fn process_acknowledged(this: &Rc<Object>, queue: &Queue, object: &Rc<Object>) {
    let request = object.body::<Request>();
    let requeue = request.stop_state.replace(StopState::None) == StopState::AcknowledgedWithRequeue;
    queue.lists.borrow_mut().owned.push(Rc::clone(object));
    request.in_stop.set(false);
    if requeue {
        give_back(this, queue, object);
    }
}

/// The driver does not own the request any more: it is the queue's first again.
fn give_back(this: &Rc<Object>, queue: &Queue, object: &Rc<Object>) {
    let request = object.body::<Request>();
    request.owned.set(false);
    request.completion_state.set(CompletionState::None);
    queue.forget_owned(object);
    queue
        .owned_count
        .set(queue.owned_count.get().saturating_sub(1));
    if !queue.cancel_dispatched.get() && insert(this, object, true) {
        queue.note_arrival();
    } else {
        cancel_for_queue(this, object);
    }
}

fn wait_for_power_idle(this: &Rc<Object>, queue: &Queue) {
    queue.power_idle.set(false);
    if dispatch_events(this) {
        kernel()
            .sched
            .wait_until(queue.key, || queue.power_idle.get() || queue.deleted.get());
    }
}

/// The device leaves D0: power-managed queues stop, and their driver lets go of what it owns. Waits
/// for that, at `PASSIVE_LEVEL`.
pub fn power_down(device: &Rc<Object>) {
    device.body::<Device>().queues_run.set(false);
    let queues = queues_of(device);
    for this in &queues {
        let queue = this.body::<Queue>();
        if queue.power_managed && !queue.deleted.get() {
            queue.power.set(Power::StartingTransition);
            wait_for_power_idle(this, &queue);
        }
    }
    for this in &queues {
        let queue = this.body::<Queue>();
        if queue.power_managed && !queue.deleted.get() {
            queue.power.set(Power::Stopping);
            wait_for_power_idle(this, &queue);
        }
    }
}

/// The device is in D0 again: power-managed queues go on. At `PASSIVE_LEVEL`.
pub fn power_up(device: &Rc<Object>) {
    let body = device.body::<Device>();
    body.queues_run.set(true);
    body.queues_shut_down.set(false);
    let queues = queues_of(device);
    for this in &queues {
        let queue = this.body::<Queue>();
        if queue.power_managed && queue.power.get() != Power::On {
            queue.power.set(Power::Restarting);
            dispatch_events(this);
        }
    }
    for this in &queues {
        let queue = this.body::<Queue>();
        if queue.power_managed {
            if queue.waiting_count() > 0 {
                queue.became_ready.set(true);
                queue.force_ready.set(false);
            }
            dispatch_events(this);
        }
    }
}

/// The device goes: its power-managed queues accept nothing more, and everything in them is
/// cancelled. Waits until the driver has let go of what it owns, at `PASSIVE_LEVEL`.
pub fn purge_power_managed(device: &Rc<Object>) {
    shut_down(device, true);
}

/// As [`purge_power_managed`], for the queues that are not power-managed; the very last step of a
/// device's removal.
pub fn purge_not_power_managed(device: &Rc<Object>) {
    shut_down(device, false);
}

fn shut_down(device: &Rc<Object>, power_managed: bool) {
    let body = device.body::<Device>();
    body.queues_run.set(false);
    body.queues_shut_down.set(true);
    for this in queues_of(device) {
        let queue = this.body::<Queue>();
        if queue.power_managed != power_managed || queue.deleted.get() {
            continue;
        }
        queue.shut_down.set(true);
        // Purging a queue without a listener cannot fail: it is not deleted.
        let _ = purge(&this, true, None);
        queue.power.set(Power::Purge);
        wait_for_power_idle(&this, &queue);
    }
}

// ---- start, stop, drain, purge ----

fn start(this: &Rc<Object>) {
    let queue = this.body::<Queue>();
    queue.accepts.set(!queue.shut_down.get());
    queue.dispatches.set(true);
    queue.cancel_dispatched.set(false);
    if queue.waiting_count() > 0 {
        queue.became_ready.set(true);
        queue.force_ready.set(false);
    }
    dispatch_events(this);
}

impl Queue {
    fn wait_for(&self, flag: &Cell<bool>) {
        kernel().sched.wait_until(self.key, || flag.get());
    }
}

/// `FxIoQueue::QueueIdle`: accepts, but does not dispatch; the listener hears when the driver owns
/// nothing.
fn stop(this: &Rc<Object>, listener: Option<Listener>) -> Result<(), NTSTATUS> {
    let queue = this.body::<Queue>();
    if queue.deleted.get() {
        return Err(wdk_sys_lite::STATUS_DELETE_PENDING);
    }
    if listener.is_some() {
        let mut slot = queue.idle_complete.borrow_mut();
        if slot.is_some() {
            return Err(STATUS_INVALID_DEVICE_REQUEST);
        }
        *slot = listener;
    }
    queue.accepts.set(!queue.shut_down.get());
    queue.dispatches.set(false);
    dispatch_events(this);
    Ok(())
}

/// Accepts nothing more; with `cancel`, everything that can be is cancelled. The listener hears
/// when nothing is left.
fn purge(this: &Rc<Object>, cancel: bool, listener: Option<Listener>) -> Result<(), NTSTATUS> {
    let queue = this.body::<Queue>();
    if queue.deleted.get() {
        return Err(wdk_sys_lite::STATUS_DELETE_PENDING);
    }
    if listener.is_some() {
        let mut slot = queue.purge_complete.borrow_mut();
        if slot.is_some() {
            return Err(STATUS_INVALID_DEVICE_REQUEST);
        }
        *slot = listener;
    }
    queue.accepts.set(false);
    if cancel {
        queue.cancel_dispatched.set(true);
        cancel_waiting(this);
        cancel_owned(this);
    }
    dispatch_events(this);
    Ok(())
}

fn fatal(this: &Rc<Object>, function: &str, status: NTSTATUS) -> ! {
    bug_check(
        StopCode::WDF_VIOLATION,
        [
            violation::QUEUE_FATAL_ERROR,
            this.handle().addr() as u64,
            u64::from(status.cast_unsigned()),
            0,
        ],
        format!(
            "{function} on WDFQUEUE {:p} failed with {status:#x}",
            this.handle()
        ),
    )
}

impl Body for Queue {
    /// Everything is cancelled, and the queue goes when the driver owns nothing any more.
    fn dispose(&self, object: &Rc<Object>) {
        let _ = purge(object, true, None);
        self.disposing.set(true);
        dispatch_events(object);
        kernel()
            .sched
            .wait_until(self.key, || self.deleted.get() && !self.deferred.get());
        kernel()
            .io
            .queues
            .0
            .borrow_mut()
            .values_mut()
            .for_each(|queues| queues.retain(|queue| !Rc::ptr_eq(queue, object)));
        self.lock.borrow_mut().take();
    }
}

// ---- creation ----

/// The rules that KMDF has for a queue's configuration.
fn check_config(config: &WDF_IO_QUEUE_CONFIG) -> Result<(), NTSTATUS> {
    let dispatch_type = config.DispatchType;
    let valid = _WDF_IO_QUEUE_DISPATCH_TYPE::WdfIoQueueDispatchSequential
        ..=_WDF_IO_QUEUE_DISPATCH_TYPE::WdfIoQueueDispatchManual;
    if !valid.contains(&dispatch_type) {
        return Err(STATUS_INVALID_PARAMETER);
    }
    let has_callback = config.EvtIoDefault.is_some()
        || config.EvtIoRead.is_some()
        || config.EvtIoWrite.is_some()
        || config.EvtIoDeviceControl.is_some()
        || config.EvtIoInternalDeviceControl.is_some();
    let manual = dispatch_type == _WDF_IO_QUEUE_DISPATCH_TYPE::WdfIoQueueDispatchManual;
    if manual && has_callback {
        return Err(STATUS_INVALID_PARAMETER);
    }
    if !manual && !has_callback {
        return Err(status::WDF_NO_CALLBACK);
    }
    // SAFETY: every member of the union is a plain number, so any value is valid.
    let presented = unsafe { config.Settings.Parallel.NumberOfPresentedRequests };
    let parallel = dispatch_type == _WDF_IO_QUEUE_DISPATCH_TYPE::WdfIoQueueDispatchParallel;
    if presented != 0 && !parallel {
        return Err(STATUS_INVALID_PARAMETER);
    }
    Ok(())
}

/// Makes a queue of a device's.
fn create(
    device_object: &Rc<Object>,
    config: WDF_IO_QUEUE_CONFIG,
    attributes: &Attributes,
    for_creates: bool,
) -> Result<Rc<Object>, NTSTATUS> {
    check_config(&config)?;
    if let Some(parent) = attributes.parent() {
        let owner = parent.ancestor(Kind::Device);
        if !owner.is_some_and(|owner| Rc::ptr_eq(&owner, device_object)) {
            return Err(STATUS_INVALID_DEVICE_REQUEST);
        }
    }
    let device = device_object.body::<Device>();
    let power_managed = config.PowerManaged != _WDF_TRI_STATE::WdfFalse;
    // SAFETY: every member of the union is a plain number, so any value is valid.
    let most_presented = unsafe { config.Settings.Parallel.NumberOfPresentedRequests };
    // From the moment that the device's queues are told to stop, a new one is held.
    let on = !power_managed || device.queues_run.get();
    let accepts = !device.queues_shut_down.get();
    let level = attributes.execution_level_or(device_object.execution_level());
    let queue = Rc::new(Queue {
        device,
        config,
        power_managed,
        passive: level == _WDF_EXECUTION_LEVEL::WdfExecutionLevelPassive,
        most_presented,
        lock: RefCell::default(),
        lists: RefCell::default(),
        accepts: Cell::new(accepts),
        dispatches: Cell::new(true),
        power: Cell::new(if on { Power::On } else { Power::Off }),
        dispatching: Cell::new(0),
        owned_count: Cell::new(0),
        cancel_dispatched: Cell::new(false),
        became_ready: Cell::new(false),
        force_ready: Cell::new(false),
        shut_down: Cell::new(false),
        for_creates,
        disposing: Cell::new(false),
        deleted: Cell::new(false),
        deferred: Cell::new(false),
        power_idle: Cell::new(false),
        idle_complete: RefCell::default(),
        purge_complete: RefCell::default(),
        ready_notify: RefCell::default(),
        key: kernel().sched.new_key_for(
            "the driver to complete, requeue or acknowledge the requests of an I/O queue",
        ),
    });
    let body: Rc<dyn Body> = Rc::<Queue>::clone(&queue);
    let this = object::create(
        Kind::Queue,
        device_object.driver,
        attributes,
        Some(device_object),
        body,
    )?;
    let device_scope =
        this.synchronization_scope() == _WDF_SYNCHRONIZATION_SCOPE::WdfSynchronizationScopeDevice;
    if device_scope && device_object.execution_level() != level {
        object::delete(&this);
        return Err(STATUS_INVALID_PARAMETER);
    }
    *queue.lock.borrow_mut() = lock::callback_lock(&this);
    kernel()
        .io
        .queues
        .0
        .borrow_mut()
        .entry(device_object.handle().addr())
        .or_default()
        .push(Rc::clone(&this));
    Ok(this)
}

/// The framework's own queue of a device, in which creates are while `EvtDeviceFileCreate` has
/// them: manual, not power-managed.
pub(super) fn for_creates(device: &Rc<Object>) -> Result<Rc<Object>, NTSTATUS> {
    let existing = queues_of(device)
        .into_iter()
        .find(|this| this.body::<Queue>().for_creates);
    if let Some(existing) = existing {
        return Ok(existing);
    }
    let config = WDF_IO_QUEUE_CONFIG {
        Size: u32::try_from(size_of::<WDF_IO_QUEUE_CONFIG>()).unwrap_or(u32::MAX),
        DispatchType: _WDF_IO_QUEUE_DISPATCH_TYPE::WdfIoQueueDispatchManual,
        PowerManaged: _WDF_TRI_STATE::WdfFalse,
        ..WDF_IO_QUEUE_CONFIG::default()
    };
    create(device, config, &Attributes::default(), true)
}

// ---- retrieval ----

/// `FxIoQueue::GetRequest`: takes a request that waits, and gives it to the driver.
pub(super) fn retrieve(
    this: &Rc<Object>,
    file: Option<&Rc<FileObject>>,
    tag: Option<&Rc<Object>>,
) -> Result<Rc<Object>, NTSTATUS> {
    let queue = this.body::<Queue>();
    if tag.is_some() && !queue.is_manual() {
        verifier_break("WdfIoQueueRetrieveFoundRequest: the queue is not manual");
        return Err(STATUS_INVALID_DEVICE_REQUEST);
    }
    if queue.is_sequential() && queue.owned_count.get() == 0 {
        verifier_break(
            "a request was retrieved from a sequential queue while the driver owned none of it",
        );
    }
    if !queue.is_manual() && !queue.is_sequential() {
        return Err(STATUS_INVALID_DEVICE_STATE);
    }
    if queue.power.get() == Power::Off || !queue.dispatches.get() {
        return Err(status::WDF_PAUSED);
    }
    loop {
        let fits = |object: &Rc<Object>| {
            file.is_none_or(|file| belongs_to(object, file))
                && tag.is_none_or(|tag| Rc::ptr_eq(object, tag))
        };
        let Some(object) = take_first(&queue, fits) else {
            if tag.is_some() {
                return Err(STATUS_NOT_FOUND);
            }
            if file.is_none() && queue.waiting_count() > 0 {
                queue.force_ready.set(true);
            }
            return Err(STATUS_NO_MORE_ENTRIES);
        };
        let request = object.body::<Request>();
        if request
            .irp()
            .is_some_and(|irp| queue.zero_length(irp.operation))
        {
            request::complete_for_framework(&object, STATUS_SUCCESS, 0);
            continue;
        }
        own(this, &object);
        request.presented.set(true);
        request.place("with the driver, which has retrieved it");
        return Ok(object);
    }
}

/// `FxIoQueue::PeekRequest`: the first request behind `tag` of a file; it stays where it is.
fn find(
    queue: &Queue,
    tag: Option<&Rc<Object>>,
    file: Option<&Rc<FileObject>>,
) -> Result<Rc<Object>, NTSTATUS> {
    let found = {
        let lists = queue.lists.borrow();
        let mut rest = lists.waiting.iter();
        if let Some(tag) = tag
            && !rest.any(|object| Rc::ptr_eq(object, tag))
        {
            return Err(STATUS_NOT_FOUND);
        }
        rest.find(|object| file.is_none_or(|file| belongs_to(object, file)))
            .cloned()
    };
    if found.is_none() && tag.is_none() && file.is_none() && queue.waiting_count() > 0 {
        queue.force_ready.set(true);
    }
    found.ok_or(STATUS_NO_MORE_ENTRIES)
}

/// Gives a request's handle to the driver, or null.
///
/// # Safety
///
/// `out` may be written.
unsafe fn give(result: Result<Rc<Object>, NTSTATUS>, out: *mut WDFREQUEST) -> NTSTATUS {
    let (handle, status) = match result {
        Ok(object) => (object.handle(), STATUS_SUCCESS),
        Err(status) => (std::ptr::null_mut(), status),
    };
    // SAFETY: says the caller.
    unsafe { out.write(handle) };
    status
}

fn listener(callback: PFN_WDF_IO_QUEUE_STATE, context: WDFCONTEXT) -> Option<Listener> {
    callback.map(|callback| Listener::Driver(callback, context.expose_provenance()))
}

/// `WdfRequestForwardToIoQueue`.
pub(super) fn forward(object: &Rc<Object>, destination: &Rc<Object>) -> NTSTATUS {
    let request = object.body::<Request>();
    let Some(source) = request.queue() else {
        verifier_break(format!("{} is in no queue", request::describe(object)));
        return STATUS_INVALID_DEVICE_REQUEST;
    };
    if !request.verify_owned(object) || !request.verify_not_cancelable(object) {
        return STATUS_INVALID_DEVICE_REQUEST;
    }
    if Rc::ptr_eq(&source, destination) {
        verifier_break(format!(
            "{} was forwarded to the queue that it came from",
            request::describe(object)
        ));
        return STATUS_INVALID_DEVICE_REQUEST;
    }
    let queue = source.body::<Queue>();
    if !Rc::ptr_eq(&queue.device, &destination.body::<Queue>().device) {
        verifier_break(format!(
            "{} was forwarded to another device's queue",
            request::describe(object)
        ));
        return STATUS_INVALID_DEVICE_REQUEST;
    }
    let old_state = request.completion_state.replace(CompletionState::None);
    request.owned.set(false);
    queue.forget_owned(object);
    match arrive_forwarded(destination, object) {
        Ok(()) => {
            queue
                .owned_count
                .set(queue.owned_count.get().saturating_sub(1));
            dispatch_internal_events(&source);
            STATUS_SUCCESS
        }
        Err(status) => {
            request.completion_state.set(old_state);
            request.owned.set(true);
            queue.lists.borrow_mut().owned.push(Rc::clone(object));
            status
        }
    }
}

/// `WdfRequestRequeue`.
pub(super) fn requeue(object: &Rc<Object>) -> NTSTATUS {
    let request = object.body::<Request>();
    let Some(this) = request.queue() else {
        verifier_break(format!("{} is in no queue", request::describe(object)));
        return STATUS_INVALID_DEVICE_REQUEST;
    };
    if !request.verify_owned(object) || !request.verify_not_cancelable(object) {
        return STATUS_INVALID_DEVICE_REQUEST;
    }
    let queue = this.body::<Queue>();
    if !queue.is_manual() {
        verifier_break(format!(
            "{} cannot be requeued: its queue is not manual",
            request::describe(object)
        ));
        return STATUS_INVALID_DEVICE_REQUEST;
    }
    give_back(&this, &queue, object);
    dispatch_events(&this);
    STATUS_SUCCESS
}

fn of(handle: WDFQUEUE) -> Rc<Object> {
    object::of(handle, Kind::Queue)
}

fn check(this: &Rc<Object>, function: &str, result: Result<(), NTSTATUS>) {
    if let Err(status) = result {
        fatal(this, function, status);
    }
}

nt_export! { table
    /// Makes a queue.
    irql(<= DISPATCH_LEVEL) fn WdfIoQueueCreate(
        _globals: PWDF_DRIVER_GLOBALS,
        device: WDFDEVICE,
        config: PWDF_IO_QUEUE_CONFIG,
        attributes: PWDF_OBJECT_ATTRIBUTES,
        handle: *mut WDFQUEUE,
    ) -> NTSTATUS {
        let device_object = object::of(device, Kind::Device);
        require("WdfIoQueueCreate", "Config", config.is_null());
        // SAFETY: null or attributes that the driver vouches for by calling.
        let attributes = match unsafe { Attributes::read(Kind::Queue, attributes) } {
            Ok(attributes) => attributes,
            Err(status) => return status,
        };
        // SAFETY: not null, and the driver vouches for it by calling. The size comes first.
        if unsafe { (*config).Size } as usize != size_of::<WDF_IO_QUEUE_CONFIG>() {
            return STATUS_INFO_LENGTH_MISMATCH;
        }
        // SAFETY: as above, and the driver says that all of it is there.
        let config = unsafe { config.read() };
        let is_default = config.DefaultQueue != 0;
        if !is_default && handle.is_null() {
            return STATUS_INVALID_PARAMETER_4;
        }
        let body = device_object.body::<Device>();
        if is_default && body.pnp_state() != PnpState::Added {
            return STATUS_INVALID_DEVICE_STATE;
        }
        if kernel().should_fail() {
            return STATUS_INSUFFICIENT_RESOURCES;
        }
        let created = match create(&device_object, config, &attributes, false) {
            Ok(created) => created,
            Err(status) => return status,
        };
        if is_default {
            if body.default_queue.borrow().is_some() {
                object::delete(&created);
                return STATUS_UNSUCCESSFUL;
            }
            created.forbid_delete();
            *body.default_queue.borrow_mut() = Some(Rc::clone(&created));
        }
        if !handle.is_null() {
            // SAFETY: not null, and the driver vouches that it may be written.
            unsafe { handle.write(created.handle()) };
        }
        STATUS_SUCCESS
    }

    /// Sends requests of a type to a queue.
    irql(<= DISPATCH_LEVEL) fn WdfDeviceConfigureRequestDispatching(
        _globals: PWDF_DRIVER_GLOBALS,
        device: WDFDEVICE,
        queue: WDFQUEUE,
        request_type: WDF_REQUEST_TYPE,
    ) -> NTSTATUS {
        let device = object::of(device, Kind::Device).body::<Device>();
        let this = of(queue);
        let is_create = request_type == _WDF_REQUEST_TYPE::WdfRequestTypeCreate;
        if !matches!(
            request_type,
            _WDF_REQUEST_TYPE::WdfRequestTypeCreate
                | _WDF_REQUEST_TYPE::WdfRequestTypeRead
                | _WDF_REQUEST_TYPE::WdfRequestTypeWrite
                | _WDF_REQUEST_TYPE::WdfRequestTypeDeviceControl
                | _WDF_REQUEST_TYPE::WdfRequestTypeDeviceControlInternal
        ) {
            verifier_break(format!("WdfDeviceConfigureRequestDispatching: request type {request_type}"));
            return STATUS_INVALID_PARAMETER;
        }
        if !Rc::ptr_eq(&this.body::<Queue>().device, &device) {
            verifier_break("WdfDeviceConfigureRequestDispatching: the queue is another device's");
            return STATUS_INVALID_DEVICE_REQUEST;
        }
        if !this.body::<Queue>().has_handler(request_type) {
            verifier_break("WdfDeviceConfigureRequestDispatching: the queue has no callback for such requests");
            return STATUS_INVALID_DEVICE_REQUEST;
        }
        let is_default = device.default_queue.borrow().as_ref().is_some_and(|queue| Rc::ptr_eq(queue, &this));
        if is_default && !is_create {
            verifier_break("WdfDeviceConfigureRequestDispatching: the default queue has these requests already");
            return STATUS_INVALID_DEVICE_REQUEST;
        }
        if device.routing.borrow().contains_key(&request_type) {
            verifier_break("WdfDeviceConfigureRequestDispatching: such requests have a queue already");
            return if is_create { STATUS_INVALID_PARAMETER } else { status::WDF_BUSY };
        }
        this.forbid_delete();
        device.routing.borrow_mut().insert(request_type, this);
        STATUS_SUCCESS
    }

    /// The default queue; null if there is none.
    irql(<= DISPATCH_LEVEL) fn WdfDeviceGetDefaultQueue(_globals: PWDF_DRIVER_GLOBALS, device: WDFDEVICE) -> WDFQUEUE {
        let device = object::of(device, Kind::Device).body::<Device>();
        let queue = device.default_queue.borrow();
        queue.as_ref().map_or(std::ptr::null_mut(), |queue| queue.handle())
    }

    /// What a queue does, and how many requests it and the driver have.
    irql(<= DISPATCH_LEVEL) fn WdfIoQueueGetState(
        _globals: PWDF_DRIVER_GLOBALS,
        queue: WDFQUEUE,
        queue_requests: PULONG,
        driver_requests: PULONG,
    ) -> WDF_IO_QUEUE_STATE {
        let queue = of(queue).body::<Queue>();
        let (waiting, owned) = (queue.waiting_count(), queue.owned_count.get());
        for (place, count) in [(queue_requests, waiting), (driver_requests, owned)] {
            if !place.is_null() {
                // SAFETY: not null, and the driver vouches that it may be written.
                unsafe { place.write(count) };
            }
        }
        let flag = |set: bool, flag: WDF_IO_QUEUE_STATE| if set { flag } else { 0 };
        flag(queue.accepts.get(), _WDF_IO_QUEUE_STATE::WdfIoQueueAcceptRequests)
            | flag(queue.dispatches.get(), _WDF_IO_QUEUE_STATE::WdfIoQueueDispatchRequests)
            | flag(waiting == 0, _WDF_IO_QUEUE_STATE::WdfIoQueueNoRequests)
            | flag(owned == 0, _WDF_IO_QUEUE_STATE::WdfIoQueueDriverNoRequests)
            | flag(
                queue.power_managed && queue.power.get() != Power::On,
                _WDF_IO_QUEUE_STATE::WdfIoQueuePnpHeld,
            )
    }

    /// The device of a queue.
    irql(<= DISPATCH_LEVEL) fn WdfIoQueueGetDevice(_globals: PWDF_DRIVER_GLOBALS, queue: WDFQUEUE) -> WDFDEVICE {
        let device = of(queue).body::<Queue>().device.object();
        device.map_or(std::ptr::null_mut(), |device| device.handle())
    }

    /// Lets a queue accept and dispatch.
    irql(<= DISPATCH_LEVEL) fn WdfIoQueueStart(_globals: PWDF_DRIVER_GLOBALS, queue: WDFQUEUE) {
        start(&of(queue));
    }

    /// Accepts, but does not dispatch.
    irql(<= DISPATCH_LEVEL) fn WdfIoQueueStop(
        _globals: PWDF_DRIVER_GLOBALS,
        queue: WDFQUEUE,
        stop_complete: PFN_WDF_IO_QUEUE_STATE,
        context: WDFCONTEXT,
    ) {
        let this = of(queue);
        check(&this, "WdfIoQueueStop", stop(&this, listener(stop_complete, context)));
    }

    /// As `WdfIoQueueStop`; returns when the driver owns nothing of the queue's.
    irql(== PASSIVE_LEVEL) fn WdfIoQueueStopSynchronously(_globals: PWDF_DRIVER_GLOBALS, queue: WDFQUEUE) {
        let this = of(queue);
        let flag = Rc::new(Cell::new(false));
        check(&this, "WdfIoQueueStopSynchronously", stop(&this, Some(Listener::Waiter(Rc::clone(&flag)))));
        this.body::<Queue>().wait_for(&flag);
    }

    /// Dispatches, but accepts nothing more.
    irql(<= DISPATCH_LEVEL) fn WdfIoQueueDrain(
        _globals: PWDF_DRIVER_GLOBALS,
        queue: WDFQUEUE,
        drain_complete: PFN_WDF_IO_QUEUE_STATE,
        context: WDFCONTEXT,
    ) {
        let this = of(queue);
        check(&this, "WdfIoQueueDrain", purge(&this, false, listener(drain_complete, context)));
    }

    /// As `WdfIoQueueDrain`; returns when nothing is left.
    irql(== PASSIVE_LEVEL) fn WdfIoQueueDrainSynchronously(_globals: PWDF_DRIVER_GLOBALS, queue: WDFQUEUE) {
        let this = of(queue);
        let flag = Rc::new(Cell::new(false));
        check(
            &this,
            "WdfIoQueueDrainSynchronously",
            purge(&this, false, Some(Listener::Waiter(Rc::clone(&flag)))),
        );
        this.body::<Queue>().wait_for(&flag);
    }

    /// Cancels everything, and accepts nothing more.
    irql(<= DISPATCH_LEVEL) fn WdfIoQueuePurge(
        _globals: PWDF_DRIVER_GLOBALS,
        queue: WDFQUEUE,
        purge_complete: PFN_WDF_IO_QUEUE_STATE,
        context: WDFCONTEXT,
    ) {
        let this = of(queue);
        check(&this, "WdfIoQueuePurge", purge(&this, true, listener(purge_complete, context)));
    }

    /// As `WdfIoQueuePurge`; returns when nothing is left.
    irql(== PASSIVE_LEVEL) fn WdfIoQueuePurgeSynchronously(_globals: PWDF_DRIVER_GLOBALS, queue: WDFQUEUE) {
        let this = of(queue);
        let flag = Rc::new(Cell::new(false));
        check(
            &this,
            "WdfIoQueuePurgeSynchronously",
            purge(&this, true, Some(Listener::Waiter(Rc::clone(&flag)))),
        );
        this.body::<Queue>().wait_for(&flag);
    }

    /// Asks to hear when a manual queue is not empty any more; a null callback takes that back,
    /// while the queue is stopped.
    irql(<= DISPATCH_LEVEL) fn WdfIoQueueReadyNotify(
        _globals: PWDF_DRIVER_GLOBALS,
        queue: WDFQUEUE,
        queue_ready: PFN_WDF_IO_QUEUE_STATE,
        context: WDFCONTEXT,
    ) -> NTSTATUS {
        let this = of(queue);
        let queue = this.body::<Queue>();
        if !queue.is_manual() {
            verifier_break("WdfIoQueueReadyNotify: the queue is not manual");
            return STATUS_INVALID_DEVICE_REQUEST;
        }
        if queue.deleted.get() {
            return wdk_sys_lite::STATUS_DELETE_PENDING;
        }
        let new = listener(queue_ready, context);
        let has_one = queue.ready_notify.borrow().is_some();
        if new.is_some() == has_one || (new.is_none() && queue.dispatches.get()) {
            verifier_break(
                "WdfIoQueueReadyNotify: a second callback, none to take back, or one taken back while the queue runs",
            );
            return STATUS_INVALID_DEVICE_REQUEST;
        }
        *queue.ready_notify.borrow_mut() = new;
        dispatch_events(&this);
        STATUS_SUCCESS
    }

    /// Takes the first request that waits.
    irql(<= DISPATCH_LEVEL) fn WdfIoQueueRetrieveNextRequest(
        _globals: PWDF_DRIVER_GLOBALS,
        queue: WDFQUEUE,
        out: *mut WDFREQUEST,
    ) -> NTSTATUS {
        let this = of(queue);
        require("WdfIoQueueRetrieveNextRequest", "OutRequest", out.is_null());
        // SAFETY: not null, and the driver vouches that it may be written.
        unsafe { give(retrieve(&this, None, None), out) }
    }

    /// Takes the first request of a file that waits.
    irql(<= DISPATCH_LEVEL) fn WdfIoQueueRetrieveRequestByFileObject(
        _globals: PWDF_DRIVER_GLOBALS,
        queue: WDFQUEUE,
        file: WDFFILEOBJECT,
        out: *mut WDFREQUEST,
    ) -> NTSTATUS {
        let this = of(queue);
        require("WdfIoQueueRetrieveRequestByFileObject", "OutRequest", out.is_null());
        let file = super::file::of(file);
        // SAFETY: not null, and the driver vouches that it may be written.
        unsafe { give(retrieve(&this, Some(&file), None), out) }
    }

    /// Takes a request that `WdfIoQueueFindRequest` has found.
    irql(<= DISPATCH_LEVEL) fn WdfIoQueueRetrieveFoundRequest(
        _globals: PWDF_DRIVER_GLOBALS,
        queue: WDFQUEUE,
        found: WDFREQUEST,
        out: *mut WDFREQUEST,
    ) -> NTSTATUS {
        let this = of(queue);
        require("WdfIoQueueRetrieveFoundRequest", "OutRequest", out.is_null());
        let found = object::of(found, Kind::Request);
        // SAFETY: not null, and the driver vouches that it may be written.
        unsafe { give(retrieve(&this, None, Some(&found)), out) }
    }

    /// Finds a request that waits and leaves it there; the driver gets a reference.
    irql(<= DISPATCH_LEVEL) fn WdfIoQueueFindRequest(
        _globals: PWDF_DRIVER_GLOBALS,
        queue: WDFQUEUE,
        found: WDFREQUEST,
        file: WDFFILEOBJECT,
        parameters: PWDF_REQUEST_PARAMETERS,
        out: *mut WDFREQUEST,
    ) -> NTSTATUS {
        let this = of(queue);
        require("WdfIoQueueFindRequest", "OutRequest", out.is_null());
        let queue = this.body::<Queue>();
        let tag = (!found.is_null()).then(|| object::of(found, Kind::Request));
        let file = (!file.is_null()).then(|| super::file::of(file));
        // SAFETY: null, or the driver vouches for it by calling.
        if let Some(parameters) = unsafe { parameters.as_ref() }
            && usize::from(parameters.Size) < size_of::<WDF_REQUEST_PARAMETERS>()
        {
            return STATUS_INVALID_PARAMETER_4;
        }
        if !queue.is_manual() {
            verifier_break("WdfIoQueueFindRequest: the queue is not manual");
            return STATUS_INVALID_DEVICE_REQUEST;
        }
        let result = find(&queue, tag.as_ref(), file.as_ref());
        if let Ok(object) = &result {
            object::reference_for_driver(object, 0);
            let request = object.body::<Request>();
            if !parameters.is_null() {
                // SAFETY: not null and large enough, and the driver vouches that it may be written.
                unsafe { parameters.write(request.parameters()) };
            }
        }
        // SAFETY: not null, and the driver vouches that it may be written.
        unsafe { give(result, out) }
    }
}

wdf_functions! {
    WdfIoQueueCreateTableIndex: PFN_WDFIOQUEUECREATE = WdfIoQueueCreate;
    WdfDeviceConfigureRequestDispatchingTableIndex: PFN_WDFDEVICECONFIGUREREQUESTDISPATCHING =
        WdfDeviceConfigureRequestDispatching;
    WdfDeviceGetDefaultQueueTableIndex: PFN_WDFDEVICEGETDEFAULTQUEUE = WdfDeviceGetDefaultQueue;
    WdfIoQueueGetStateTableIndex: PFN_WDFIOQUEUEGETSTATE = WdfIoQueueGetState;
    WdfIoQueueGetDeviceTableIndex: PFN_WDFIOQUEUEGETDEVICE = WdfIoQueueGetDevice;
    WdfIoQueueStartTableIndex: PFN_WDFIOQUEUESTART = WdfIoQueueStart;
    WdfIoQueueStopTableIndex: PFN_WDFIOQUEUESTOP = WdfIoQueueStop;
    WdfIoQueueStopSynchronouslyTableIndex: PFN_WDFIOQUEUESTOPSYNCHRONOUSLY = WdfIoQueueStopSynchronously;
    WdfIoQueueDrainTableIndex: PFN_WDFIOQUEUEDRAIN = WdfIoQueueDrain;
    WdfIoQueueDrainSynchronouslyTableIndex: PFN_WDFIOQUEUEDRAINSYNCHRONOUSLY = WdfIoQueueDrainSynchronously;
    WdfIoQueuePurgeTableIndex: PFN_WDFIOQUEUEPURGE = WdfIoQueuePurge;
    WdfIoQueuePurgeSynchronouslyTableIndex: PFN_WDFIOQUEUEPURGESYNCHRONOUSLY = WdfIoQueuePurgeSynchronously;
    WdfIoQueueReadyNotifyTableIndex: PFN_WDFIOQUEUEREADYNOTIFY = WdfIoQueueReadyNotify;
    WdfIoQueueRetrieveNextRequestTableIndex: PFN_WDFIOQUEUERETRIEVENEXTREQUEST = WdfIoQueueRetrieveNextRequest;
    WdfIoQueueRetrieveRequestByFileObjectTableIndex: PFN_WDFIOQUEUERETRIEVEREQUESTBYFILEOBJECT =
        WdfIoQueueRetrieveRequestByFileObject;
    WdfIoQueueRetrieveFoundRequestTableIndex: PFN_WDFIOQUEUERETRIEVEFOUNDREQUEST = WdfIoQueueRetrieveFoundRequest;
    WdfIoQueueFindRequestTableIndex: PFN_WDFIOQUEUEFINDREQUEST = WdfIoQueueFindRequest;
}
