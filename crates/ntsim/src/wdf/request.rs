//! Requests as a driver sees them: parameters, buffers, cancellation, completion.
//!
//! The rules that KMDF's verifier checks are checked here on each call: the driver must own the
//! request, it must not be cancelable where that would be a race, it is completed once, and with no
//! more information than its buffer holds.

use std::cell::{Cell, RefCell};
use std::ptr::NonNull;
use std::rc::Rc;

use wdk_sys_lite::{
    BOOLEAN, CCHAR, KPROCESSOR_MODE, NT_ERROR, NT_SUCCESS, NTSTATUS, PFN_WDF_REQUEST_CANCEL, PIRP,
    PMDL, PVOID, PWDF_DRIVER_GLOBALS, PWDF_REQUEST_PARAMETERS, STATUS_ACCESS_VIOLATION,
    STATUS_BUFFER_TOO_SMALL, STATUS_DEVICE_BUSY, STATUS_INSUFFICIENT_RESOURCES,
    STATUS_INVALID_DEVICE_REQUEST, STATUS_SUCCESS, ULONG_PTR, WDF_REQUEST_PARAMETERS, WDFDEVICE,
    WDFFILEOBJECT, WDFMEMORY, WDFQUEUE, WDFREQUEST,
};

use crate::bugcheck::{StopCode, bug_check, bug_check_with_history};
use crate::call_driver;
use crate::export::PASSIVE_LEVEL;
use crate::io::buffer::{Buffers, Method, UserMemory};
use crate::io::irp::{Irp, Operation};
use crate::kernel::kernel;
use crate::nt_export;
use crate::trace::Trace;

use super::device::Device;
use super::object::{self, Attributes, Body, Kind, Object};
use super::queue::{self, Queue};
use super::table::wdf_functions;
use super::{file, memory, require, status, verifier_break, violation};

/// Who hears of a request's completion.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum CompletionState {
    /// Nobody: the framework has it.
    None,
    /// The queue that it was presented from.
    Queue,
    /// The dispatcher, while `EvtIoInCallerContext` has it.
    CallerContext,
}

/// What a driver has answered to `EvtIoStop`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum StopState {
    None,
    Acknowledged,
    AcknowledgedWithRequeue,
}

/// A request object's body.
pub struct Request {
    irp: RefCell<Option<Rc<Irp>>>,
    device: Rc<Object>,
    queue: RefCell<Option<Rc<Object>>>,
    pub(super) completion_state: Cell<CompletionState>,
    /// The driver owns it.
    pub(super) owned: Cell<bool>,
    /// The driver has seen it.
    pub(super) presented: Cell<bool>,
    /// Its cancellation has reached the framework.
    pub(super) cancelled: Cell<bool>,
    /// Marked, and not unmarked with success.
    pub(super) cancelable: Cell<bool>,
    /// Marked, and its sender can still cancel it.
    pub(super) in_cancelable_list: Cell<bool>,
    /// The callback for its cancellation has been called.
    pub(super) cancel_called: Cell<bool>,
    pub(super) cancel_callback: Cell<PFN_WDF_REQUEST_CANCEL>,
    /// `EvtIoStop` has been called, and the answer has not been processed.
    pub(super) in_stop: Cell<bool>,
    pub(super) stop_state: Cell<StopState>,
    in_caller_context: Cell<bool>,
    input_memory: RefCell<Option<Rc<Object>>>,
    output_memory: RefCell<Option<Rc<Object>>>,
    /// Where it was completed, with the verifier.
    completed_at: RefCell<Option<Trace>>,
}

impl Body for Request {}

/// What `CreateFile` with `OPEN_EXISTING` and `FILE_FLAG_OVERLAPPED` makes of its arguments: the
/// disposition in the upper byte, and that it is no directory.
const OPEN_EXISTING_FOR_OVERLAPPED: u32 = 1 << 24 | 0x40;
const FILE_ATTRIBUTE_NORMAL: u16 = 0x80;
const SHARE_READ_AND_WRITE: u16 = 3;

/// A buffer and its length.
type Found = Result<(NonNull<u8>, usize), NTSTATUS>;

/// Makes the framework's object for a request packet.
pub(super) fn create(irp: &Rc<Irp>) -> Result<Rc<Object>, NTSTATUS> {
    let device_object = &irp.file.device;
    let attributes = device_object
        .body::<Device>()
        .settings
        .request_attributes
        .clone();
    let request = Request {
        irp: RefCell::new(Some(Rc::clone(irp))),
        device: Rc::clone(device_object),
        queue: RefCell::default(),
        completion_state: Cell::new(CompletionState::None),
        owned: Cell::new(false),
        presented: Cell::new(false),
        cancelled: Cell::new(false),
        cancelable: Cell::new(false),
        in_cancelable_list: Cell::new(false),
        cancel_called: Cell::new(false),
        cancel_callback: Cell::new(None),
        in_stop: Cell::new(false),
        stop_state: Cell::new(StopState::None),
        in_caller_context: Cell::new(false),
        input_memory: RefCell::default(),
        output_memory: RefCell::default(),
        completed_at: RefCell::default(),
    };
    object::create(
        Kind::Request,
        device_object.driver,
        &attributes,
        None,
        Rc::new(request),
    )
}

/// A request other than a create has come down to the device: to `EvtIoInCallerContext`, or to its
/// queue.
pub(crate) fn dispatch(irp: &Rc<Irp>) {
    let device_object = &irp.file.device;
    let device = device_object.body::<Device>();
    let queue = device.queue_for(irp.operation.request_type());
    let callback = device.settings.in_caller_context;
    if queue.is_none() && callback.is_none() {
        irp.complete(STATUS_INVALID_DEVICE_REQUEST, 0);
        return;
    }
    let object = match create(irp) {
        Ok(object) => object,
        Err(status) => {
            irp.complete(status, 0);
            return;
        }
    };
    let request = object.body::<Request>();
    if let Some(callback) = callback {
        request.completion_state.set(CompletionState::CallerContext);
        request.owned.set(true);
        request.in_caller_context.set(true);
        request.place("with the driver since EvtIoInCallerContext");
        // SAFETY: the driver set the callback for this; both handles are its device's and its
        // request's.
        unsafe {
            call_driver!(
                object.driver,
                "EvtIoInCallerContext",
                callback(device_object.handle(), object.handle())
            );
        };
    } else if let Some(queue) = queue {
        queue::arrive(&queue, &object);
    }
}

/// Which request, for people.
pub(super) fn describe(object: &Object) -> String {
    let irp = object.body::<Request>().irp();
    let what = irp.map_or_else(|| "completed already".to_owned(), |irp| irp.describe());
    format!("WDFREQUEST {:p} ({what})", object.handle())
}

impl Request {
    /// The packet, until the request is completed.
    pub(super) fn irp(&self) -> Option<Rc<Irp>> {
        self.irp.borrow().clone()
    }

    /// The queue that it waits in or was presented from.
    pub(super) fn queue(&self) -> Option<Rc<Object>> {
        self.queue.borrow().clone()
    }

    pub(super) fn set_queue(&self, queue: Option<&Rc<Object>>) {
        *self.queue.borrow_mut() = queue.cloned();
    }

    /// Notes where the request is, for reports.
    pub(super) fn place(&self, place: &'static str) {
        if let Some(irp) = self.irp() {
            irp.set_place(place);
        }
    }

    /// Whether the driver owns it; the verifier stops if not.
    pub(super) fn verify_owned(&self, object: &Object) -> bool {
        if !self.owned.get() {
            verifier_break(format!("{} is not owned by the driver", describe(object)));
        }
        self.owned.get()
    }

    /// Whether it is not cancelable; the verifier stops if it is.
    pub(super) fn verify_not_cancelable(&self, object: &Object) -> bool {
        if self.cancelable.get() {
            verifier_break(format!("{} is cancelable", describe(object)));
        }
        !self.cancelable.get()
    }

    /// `WDF_REQUEST_PARAMETERS`; zero after the completion.
    pub(super) fn parameters(&self) -> WDF_REQUEST_PARAMETERS {
        // SAFETY: the structure consists of integers and pointers, for which zero is a value.
        let mut parameters: WDF_REQUEST_PARAMETERS = unsafe { std::mem::zeroed() };
        parameters.Size = u16::try_from(size_of::<WDF_REQUEST_PARAMETERS>()).unwrap_or(u16::MAX);
        let Some(irp) = self.irp() else {
            return parameters;
        };
        parameters.Type = irp.operation.request_type();
        match irp.operation {
            Operation::Create => {
                let create = wdk_sys_lite::_WDF_REQUEST_PARAMETERS__bindgen_ty_1__bindgen_ty_1 {
                    // The simulated processes have no security context.
                    SecurityContext: std::ptr::null_mut(),
                    Options: OPEN_EXISTING_FOR_OVERLAPPED,
                    __bindgen_padding_0: [0; 4],
                    FileAttributes: FILE_ATTRIBUTE_NORMAL,
                    ShareAccess: SHARE_READ_AND_WRITE,
                    __bindgen_padding_1: [0; 4],
                    EaLength: 0,
                };
                parameters.Parameters.Create = create;
            }
            Operation::Read { length, offset } => {
                let read = wdk_sys_lite::_WDF_REQUEST_PARAMETERS__bindgen_ty_1__bindgen_ty_2 {
                    Length: length,
                    Key: 0,
                    DeviceOffset: offset.cast_signed(),
                };
                parameters.Parameters.Read = read;
            }
            Operation::Write { length, offset } => {
                let write = wdk_sys_lite::_WDF_REQUEST_PARAMETERS__bindgen_ty_1__bindgen_ty_3 {
                    Length: length,
                    Key: 0,
                    DeviceOffset: offset.cast_signed(),
                };
                parameters.Parameters.Write = write;
            }
            Operation::DeviceControl {
                code,
                input,
                output,
            } => {
                // What the third input pointer of a METHOD_NEITHER request holds is kept from
                // drivers by KMDF's verifier.
                let verifier = kernel().config.verifier;
                let buffers = irp.buffers.borrow();
                let control = wdk_sys_lite::_WDF_REQUEST_PARAMETERS__bindgen_ty_1__bindgen_ty_4 {
                    OutputBufferLength: output,
                    InputBufferLength: input,
                    IoControlCode: code,
                    Type3InputBuffer: match &buffers.user_input {
                        Some(memory) if !verifier => memory.address().cast(),
                        _ => std::ptr::null_mut(),
                    },
                };
                parameters.Parameters.DeviceIoControl = control;
            }
        }
        parameters
    }

    /// The buffer that the driver reads from: a write's data, or a device control's input.
    fn input(&self) -> Found {
        let irp = self.irp().ok_or(STATUS_INVALID_DEVICE_REQUEST)?;
        match irp.operation {
            Operation::Write { length, .. } => transfer_buffer(&irp, length),
            Operation::DeviceControl { input: 0, .. } => Err(STATUS_BUFFER_TOO_SMALL),
            Operation::DeviceControl { input, .. } if irp.method != Method::Neither => {
                let address = irp.buffers.borrow().system_address();
                Ok((NonNull::new(address).ok_or(STATUS_BUFFER_TOO_SMALL)?, input))
            }
            Operation::DeviceControl { .. } | Operation::Read { .. } => {
                Err(STATUS_INVALID_DEVICE_REQUEST)
            }
            Operation::Create => {
                verifier_break("the input buffer of a create was asked for");
                Err(STATUS_INVALID_DEVICE_REQUEST)
            }
        }
    }

    /// The buffer that the driver writes to: a read's, or a device control's output.
    fn output(&self) -> Found {
        let irp = self.irp().ok_or(STATUS_INVALID_DEVICE_REQUEST)?;
        match irp.operation {
            Operation::Read { length, .. } => transfer_buffer(&irp, length),
            Operation::DeviceControl { output: 0, .. } => Err(STATUS_BUFFER_TOO_SMALL),
            Operation::DeviceControl { output, .. } if irp.method != Method::Neither => {
                let buffers = irp.buffers.borrow();
                Ok((address_of(&buffers)?, output))
            }
            Operation::DeviceControl { .. } | Operation::Write { .. } => {
                Err(STATUS_INVALID_DEVICE_REQUEST)
            }
            Operation::Create => {
                verifier_break("the output buffer of a create was asked for");
                Err(STATUS_INVALID_DEVICE_REQUEST)
            }
        }
    }

    /// The MDL of a buffer: the request's own for a direct transfer, else one over the system
    /// buffer.
    fn mdl(&self, length: usize, second_buffer: bool) -> Result<PMDL, NTSTATUS> {
        let irp = self.irp().ok_or(STATUS_INVALID_DEVICE_REQUEST)?;
        let mut buffers = irp.buffers.borrow_mut();
        match &buffers.direct {
            Some(direct) if second_buffer => Ok(direct.mdl()),
            _ => buffers.system_mdl(length),
        }
    }

    fn memory(
        &self,
        object: &Rc<Object>,
        slot: &RefCell<Option<Rc<Object>>>,
        buffer: Found,
    ) -> Result<WDFMEMORY, NTSTATUS> {
        let (pointer, length) = buffer?;
        if let Some(memory) = &*slot.borrow() {
            return Ok(memory.handle());
        }
        let memory = memory::preallocated(
            self.device.driver,
            &Attributes::default(),
            Some(object),
            pointer,
            length,
        )?;
        // It is a part of the request.
        memory.forbid_delete();
        let handle = memory.handle();
        *slot.borrow_mut() = Some(memory);
        Ok(handle)
    }

    /// A driver that still references the buffers' memory objects would use them after their end.
    fn check_memory_references(&self, object: &Object) {
        for slot in [&self.input_memory, &self.output_memory] {
            let memory = slot.borrow_mut().take();
            if let Some(memory) = memory
                && memory.driver_references() > 0
            {
                bug_check(
                    StopCode::WDF_VIOLATION,
                    [
                        violation::VERIFIER_FATAL_ERROR,
                        object.handle().addr() as u64,
                        u64::from(memory.driver_references()),
                        0,
                    ],
                    format!(
                        "{} was completed with its memory object referenced",
                        describe(object)
                    ),
                );
            }
        }
    }
}

/// The one buffer of a read or a write.
fn transfer_buffer(irp: &Irp, length: usize) -> Found {
    if irp.method == Method::Neither {
        verifier_break(
            "the buffer of a request was asked for on a device whose I/O type is WdfDeviceIoNeither",
        );
        return Err(STATUS_INVALID_DEVICE_REQUEST);
    }
    if length == 0 {
        return Err(STATUS_BUFFER_TOO_SMALL);
    }
    let buffers = irp.buffers.borrow();
    Ok((address_of(&buffers)?, length))
}

/// The one that the driver is to use: the locked pages, or the system buffer.
fn address_of(buffers: &Buffers) -> Result<NonNull<u8>, NTSTATUS> {
    match &buffers.direct {
        Some(direct) => direct.map().ok_or(STATUS_INSUFFICIENT_RESOURCES),
        None => NonNull::new(buffers.system_address()).ok_or(STATUS_BUFFER_TOO_SMALL),
    }
}

/// The framework's own statuses do not leave it.
fn outward(status: NTSTATUS) -> NTSTATUS {
    if status & 0x0FFF_0000 != 0x0020_0000 {
        return status;
    }
    match status {
        status::WDF_PAUSED | status::WDF_BUSY => STATUS_DEVICE_BUSY,
        _ => STATUS_INVALID_DEVICE_REQUEST,
    }
}

/// The framework completes a request that the driver does not own.
pub(super) fn complete_for_framework(object: &Rc<Object>, status: NTSTATUS, information: usize) {
    finish(object, status, Some(information));
}

/// `WdfRequestComplete` and its relatives.
fn complete_for_driver(object: &Rc<Object>, status: NTSTATUS, information: Option<usize>) {
    let request = object.body::<Request>();
    let Some(irp) = request.irp() else {
        bug_check_with_history(
            StopCode::WDF_VIOLATION,
            // WDF_REQUEST_FATAL_ERROR_NULL_IRP
            [
                violation::REQUEST_FATAL_ERROR,
                2,
                object.handle().addr() as u64,
                0,
            ],
            format!("{} was completed twice", describe(object)),
            request
                .completed_at
                .borrow()
                .iter()
                .map(|stack| ("completed first", stack.clone()))
                .collect(),
        );
    };
    request.verify_owned(object);
    if request.cancelable.get() && !request.cancel_called.get() {
        verifier_break(format!(
            "{} was completed while cancelable",
            describe(object)
        ));
    }
    check_information(
        object,
        &irp,
        status,
        information.unwrap_or(irp.information()),
    );
    finish(object, status, information);
}

fn check_information(object: &Object, irp: &Irp, status: NTSTATUS, information: usize) {
    let length = match irp.operation {
        Operation::Read { length, .. } | Operation::Write { length, .. } => length,
        Operation::DeviceControl { output, .. } if output > 0 => output,
        Operation::DeviceControl { .. } | Operation::Create => return,
    };
    // The I/O manager gives the user so many bytes with a warning as well.
    if kernel().config.verifier && !NT_ERROR(status) && information > length {
        bug_check(
            StopCode::WDF_VIOLATION,
            // WDF_REQUEST_FATAL_ERROR_INFORMATION_LENGTH_MISMATCH
            [
                violation::REQUEST_FATAL_ERROR,
                4,
                object.handle().addr() as u64,
                information as u64,
            ],
            format!(
                "{} was completed with information {information}; its buffer has {length} bytes",
                describe(object)
            ),
        );
    }
}

fn finish(object: &Rc<Object>, status: NTSTATUS, information: Option<usize>) {
    let request = object.body::<Request>();
    let Some(irp) = request.irp.borrow_mut().take() else {
        return;
    };
    if kernel().config.verifier {
        *request.completed_at.borrow_mut() = Some(Trace::capture_near());
    }
    let status = outward(status);
    let state = request.completion_state.replace(CompletionState::None);
    let queue = request.queue.borrow_mut().take();
    request.owned.set(false);
    request.in_caller_context.set(false);
    let was_cancelable = request.in_cancelable_list.replace(false);
    if !request.presented.get() {
        // The driver has never seen it, and does not hear of its end.
        object.forget_callbacks();
    }
    // The driver's cleanup runs before the sender hears of the completion.
    if kernel().sched.current().irql() == PASSIVE_LEVEL || !object.needs_passive() {
        object::dispose(object);
        request.check_memory_references(object);
        object::delete_children(object);
    } else {
        request.check_memory_references(object);
    }
    if irp.operation == Operation::Create && !NT_SUCCESS(status) {
        file::create_failed(&irp.file);
    }
    irp.complete(status, information.unwrap_or(irp.information()));
    drop(irp);
    if state == CompletionState::Queue
        && let Some(queue) = queue
    {
        queue::completed(&queue, object);
    }
    if was_cancelable {
        // Only without the verifier: the driver has completed it while cancelable.
        object::dereference(object);
    }
    object::delete(object);
}

fn of(handle: WDFREQUEST) -> Rc<Object> {
    object::of(handle, Kind::Request)
}

/// Writes a buffer's address and length out; null and 0 after a failure.
///
/// # Safety
///
/// `buffer` may be written; `length` is null or may be written.
unsafe fn give(found: Found, required: usize, buffer: *mut PVOID, length: *mut usize) -> NTSTATUS {
    let found = found.and_then(|(pointer, length)| {
        if length < required {
            Err(STATUS_BUFFER_TOO_SMALL)
        } else {
            Ok((pointer.as_ptr(), length))
        }
    });
    let (pointer, count, status) = match found {
        Ok((pointer, count)) => (pointer, count, STATUS_SUCCESS),
        Err(status) => (std::ptr::null_mut(), 0, status),
    };
    // SAFETY: says the caller.
    unsafe {
        buffer.write(pointer.cast());
        if !length.is_null() {
            length.write(count);
        }
    }
    status
}

/// As [`give`], for handles and MDLs.
///
/// # Safety
///
/// `place` may be written.
unsafe fn give_pointer<T>(found: Result<*mut T, NTSTATUS>, place: *mut *mut T) -> NTSTATUS {
    match found {
        Ok(pointer) => {
            // SAFETY: says the caller.
            unsafe { place.write(pointer) };
            STATUS_SUCCESS
        }
        Err(status) => status,
    }
}

/// The user's address and length of a `Neither` transfer, as it may be used in the sender's context
/// only.
fn user_buffer(object: &Object, input: bool) -> Found {
    let request = object.body::<Request>();
    if !request.in_caller_context.get() {
        verifier_break(format!(
            "{}: the user's buffer was asked for outside EvtIoInCallerContext",
            describe(object)
        ));
        return Err(STATUS_INVALID_DEVICE_REQUEST);
    }
    let irp = request.irp().ok_or(STATUS_INVALID_DEVICE_REQUEST)?;
    let fits = match irp.operation {
        Operation::DeviceControl { .. } => true,
        Operation::Write { .. } => input,
        Operation::Read { .. } => !input,
        Operation::Create => false,
    };
    if !fits || irp.method != Method::Neither {
        verifier_break(format!(
            "{}: there is no user buffer to be had",
            describe(object)
        ));
        return Err(STATUS_INVALID_DEVICE_REQUEST);
    }
    let length = match irp.operation {
        Operation::DeviceControl { input: length, .. } if input => length,
        Operation::DeviceControl { output: length, .. }
        | Operation::Read { length, .. }
        | Operation::Write { length, .. } => length,
        Operation::Create => 0,
    };
    let buffers = irp.buffers.borrow();
    let memory = if input {
        &buffers.user_input
    } else {
        &buffers.user_output
    };
    let address = memory.as_ref().map_or(NonNull::dangling(), |memory| {
        NonNull::new(memory.address()).unwrap_or(NonNull::dangling())
    });
    Ok((address, length))
}

/// `WdfRequestProbeAndLockUserBufferFor…`: a memory object over user memory of this request.
fn probe_and_lock(
    object: &Rc<Object>,
    buffer: PVOID,
    length: usize,
) -> Result<WDFMEMORY, NTSTATUS> {
    let request = object.body::<Request>();
    if !request.verify_owned(object) {
        return Err(STATUS_INVALID_DEVICE_REQUEST);
    }
    let irp = request.irp().ok_or(STATUS_INVALID_DEVICE_REQUEST)?;
    if irp.thread != kernel().sched.current().id {
        return Err(STATUS_ACCESS_VIOLATION);
    }
    let pointer = NonNull::new(buffer.cast::<u8>()).ok_or(STATUS_ACCESS_VIOLATION)?;
    let inside = |memory: &Option<UserMemory>| {
        memory
            .as_ref()
            .is_some_and(|memory| memory.contains(buffer.addr(), length))
    };
    let buffers = irp.buffers.borrow();
    if length == 0 || !(inside(&buffers.user_input) || inside(&buffers.user_output)) {
        return Err(STATUS_ACCESS_VIOLATION);
    }
    if kernel().should_fail() {
        return Err(STATUS_INSUFFICIENT_RESOURCES);
    }
    let memory = memory::preallocated(
        object.driver,
        &Attributes::default(),
        Some(object),
        pointer,
        length,
    )?;
    Ok(memory.handle())
}

nt_export! { table
    /// Completes a request.
    irql(<= DISPATCH_LEVEL) fn WdfRequestComplete(_globals: PWDF_DRIVER_GLOBALS, request: WDFREQUEST, status: NTSTATUS) {
        complete_for_driver(&of(request), status, None);
    }

    /// Completes a request with `IoStatus.Information`.
    irql(<= DISPATCH_LEVEL) fn WdfRequestCompleteWithInformation(
        _globals: PWDF_DRIVER_GLOBALS,
        request: WDFREQUEST,
        status: NTSTATUS,
        information: ULONG_PTR,
    ) {
        complete_for_driver(&of(request), status, usize::try_from(information).ok());
    }

    /// Completes a request; the boost of the waiting thread's priority has no effect here.
    irql(<= DISPATCH_LEVEL) fn WdfRequestCompleteWithPriorityBoost(
        _globals: PWDF_DRIVER_GLOBALS,
        request: WDFREQUEST,
        status: NTSTATUS,
        _boost: CCHAR,
    ) {
        complete_for_driver(&of(request), status, None);
    }

    /// Sets `IoStatus.Information` for the completion to come.
    irql(<= DISPATCH_LEVEL) fn WdfRequestSetInformation(
        _globals: PWDF_DRIVER_GLOBALS,
        request: WDFREQUEST,
        information: ULONG_PTR,
    ) {
        let object = of(request);
        match object.body::<Request>().irp() {
            Some(irp) => irp.set_information(usize::try_from(information).unwrap_or(usize::MAX)),
            None => verifier_break(format!("{}: its information was set", describe(&object))),
        }
    }

    /// `IoStatus.Information` as set so far.
    irql(<= DISPATCH_LEVEL) fn WdfRequestGetInformation(_globals: PWDF_DRIVER_GLOBALS, request: WDFREQUEST) -> ULONG_PTR {
        let object = of(request);
        if let Some(irp) = object.body::<Request>().irp() {
            irp.information() as ULONG_PTR
        } else {
            verifier_break(format!("{}: its information was asked for", describe(&object)));
            0
        }
    }

    /// `IoStatus.Status` as set so far.
    irql(<= DISPATCH_LEVEL) fn WdfRequestGetStatus(_globals: PWDF_DRIVER_GLOBALS, request: WDFREQUEST) -> NTSTATUS {
        let irp = of(request).body::<Request>().irp();
        irp.map_or(STATUS_SUCCESS, |irp| irp.status())
    }

    /// What the request asks for.
    irql(<= DISPATCH_LEVEL) fn WdfRequestGetParameters(
        _globals: PWDF_DRIVER_GLOBALS,
        request: WDFREQUEST,
        parameters: PWDF_REQUEST_PARAMETERS,
    ) {
        let object = of(request);
        require("WdfRequestGetParameters", "Parameters", parameters.is_null());
        // SAFETY: not null, and the driver vouches for it by calling.
        if usize::from(unsafe { (*parameters).Size }) != size_of::<WDF_REQUEST_PARAMETERS>() {
            verifier_break("WdfRequestGetParameters: the structure's Size is wrong");
            return;
        }
        let request = object.body::<Request>();
        if request.irp().is_none() {
            verifier_break(format!("{}: its parameters were asked for", describe(&object)));
            return;
        }
        // SAFETY: as above, and the driver says that all of it is there.
        unsafe { parameters.write(request.parameters()) };
    }

    /// Always `UserMode`: nothing in the kernel sends requests to a device.
    irql(<= DISPATCH_LEVEL) fn WdfRequestGetRequestorMode(
        _globals: PWDF_DRIVER_GLOBALS,
        request: WDFREQUEST,
    ) -> KPROCESSOR_MODE {
        let object = of(request);
        if object.body::<Request>().irp().is_none() {
            verifier_break(format!("{}: its requestor mode was asked for", describe(&object)));
        }
        1
    }

    /// Never: simulated processes are 64-bit.
    irql(<= DISPATCH_LEVEL) fn WdfRequestIsFrom32BitProcess(_globals: PWDF_DRIVER_GLOBALS, request: WDFREQUEST) -> BOOLEAN {
        let _ = of(request);
        0
    }

    /// The packet below the request.
    irql(<= DISPATCH_LEVEL) fn WdfRequestWdmGetIrp(_globals: PWDF_DRIVER_GLOBALS, request: WDFREQUEST) -> PIRP {
        let object = of(request);
        if let Some(irp) = object.body::<Request>().irp() {
            irp.packet()
        } else {
            verifier_break(format!("{}: its IRP was asked for", describe(&object)));
            std::ptr::null_mut()
        }
    }

    /// The file object of a request; null if the device has none.
    irql(<= DISPATCH_LEVEL) fn WdfRequestGetFileObject(_globals: PWDF_DRIVER_GLOBALS, request: WDFREQUEST) -> WDFFILEOBJECT {
        let object = of(request);
        let request = object.body::<Request>();
        if !request.verify_owned(&object) {
            return std::ptr::null_mut();
        }
        let file = request.irp().and_then(|irp| irp.file.framework.borrow().clone());
        file.map_or(std::ptr::null_mut(), |file| file.handle())
    }

    /// The queue of a request; null for a request in `EvtIoInCallerContext` or
    /// `EvtDeviceFileCreate`.
    irql(<= DISPATCH_LEVEL) fn WdfRequestGetIoQueue(_globals: PWDF_DRIVER_GLOBALS, request: WDFREQUEST) -> WDFQUEUE {
        match of(request).body::<Request>().queue() {
            Some(queue) if !queue.body::<Queue>().is_for_creates() => queue.handle(),
            _ => std::ptr::null_mut(),
        }
    }

    /// The buffer that the driver reads from.
    irql(<= DISPATCH_LEVEL) fn WdfRequestRetrieveInputBuffer(
        _globals: PWDF_DRIVER_GLOBALS,
        request: WDFREQUEST,
        minimum: usize,
        buffer: *mut PVOID,
        length: *mut usize,
    ) -> NTSTATUS {
        let object = of(request);
        require("WdfRequestRetrieveInputBuffer", "Buffer", buffer.is_null());
        let found = retrieve(&object, Request::input);
        // SAFETY: not null; the driver vouches that both may be written.
        unsafe { give(found, minimum, buffer, length) }
    }

    /// The buffer that the driver writes to.
    irql(<= DISPATCH_LEVEL) fn WdfRequestRetrieveOutputBuffer(
        _globals: PWDF_DRIVER_GLOBALS,
        request: WDFREQUEST,
        minimum: usize,
        buffer: *mut PVOID,
        length: *mut usize,
    ) -> NTSTATUS {
        let object = of(request);
        require("WdfRequestRetrieveOutputBuffer", "Buffer", buffer.is_null());
        let found = retrieve(&object, Request::output);
        // SAFETY: not null; the driver vouches that both may be written.
        unsafe { give(found, minimum, buffer, length) }
    }

    /// The input buffer as a memory object.
    irql(<= DISPATCH_LEVEL) fn WdfRequestRetrieveInputMemory(
        _globals: PWDF_DRIVER_GLOBALS,
        request: WDFREQUEST,
        memory: *mut WDFMEMORY,
    ) -> NTSTATUS {
        let object = of(request);
        require("WdfRequestRetrieveInputMemory", "Memory", memory.is_null());
        let body = object.body::<Request>();
        let found = body.memory(&object, &body.input_memory, retrieve(&object, Request::input));
        // SAFETY: not null, and the driver vouches that it may be written.
        unsafe { give_pointer(found, memory) }
    }

    /// The output buffer as a memory object.
    irql(<= DISPATCH_LEVEL) fn WdfRequestRetrieveOutputMemory(
        _globals: PWDF_DRIVER_GLOBALS,
        request: WDFREQUEST,
        memory: *mut WDFMEMORY,
    ) -> NTSTATUS {
        let object = of(request);
        require("WdfRequestRetrieveOutputMemory", "Memory", memory.is_null());
        let body = object.body::<Request>();
        let found = body.memory(&object, &body.output_memory, retrieve(&object, Request::output));
        // SAFETY: not null, and the driver vouches that it may be written.
        unsafe { give_pointer(found, memory) }
    }

    /// The input buffer's MDL.
    irql(<= DISPATCH_LEVEL) fn WdfRequestRetrieveInputWdmMdl(
        _globals: PWDF_DRIVER_GLOBALS,
        request: WDFREQUEST,
        mdl: *mut PMDL,
    ) -> NTSTATUS {
        let object = of(request);
        require("WdfRequestRetrieveInputWdmMdl", "Mdl", mdl.is_null());
        let body = object.body::<Request>();
        let is_write = body.irp().is_some_and(|irp| matches!(irp.operation, Operation::Write { .. }));
        let found = retrieve(&object, Request::input).and_then(|(_, length)| body.mdl(length, is_write));
        // SAFETY: not null, and the driver vouches that it may be written.
        unsafe { give_pointer(found, mdl) }
    }

    /// The output buffer's MDL.
    irql(<= DISPATCH_LEVEL) fn WdfRequestRetrieveOutputWdmMdl(
        _globals: PWDF_DRIVER_GLOBALS,
        request: WDFREQUEST,
        mdl: *mut PMDL,
    ) -> NTSTATUS {
        let object = of(request);
        require("WdfRequestRetrieveOutputWdmMdl", "Mdl", mdl.is_null());
        let body = object.body::<Request>();
        let found = retrieve(&object, Request::output).and_then(|(_, length)| body.mdl(length, true));
        // SAFETY: not null, and the driver vouches that it may be written.
        unsafe { give_pointer(found, mdl) }
    }

    /// The user's own input buffer, in `EvtIoInCallerContext` of a `Neither` transfer.
    irql(== PASSIVE_LEVEL) fn WdfRequestRetrieveUnsafeUserInputBuffer(
        _globals: PWDF_DRIVER_GLOBALS,
        request: WDFREQUEST,
        minimum: usize,
        buffer: *mut PVOID,
        length: *mut usize,
    ) -> NTSTATUS {
        let object = of(request);
        require("WdfRequestRetrieveUnsafeUserInputBuffer", "InputBuffer", buffer.is_null());
        // SAFETY: not null; the driver vouches that both may be written.
        unsafe { give(user_buffer(&object, true), minimum, buffer, length) }
    }

    /// The user's own output buffer, in `EvtIoInCallerContext` of a `Neither` transfer.
    irql(== PASSIVE_LEVEL) fn WdfRequestRetrieveUnsafeUserOutputBuffer(
        _globals: PWDF_DRIVER_GLOBALS,
        request: WDFREQUEST,
        minimum: usize,
        buffer: *mut PVOID,
        length: *mut usize,
    ) -> NTSTATUS {
        let object = of(request);
        require("WdfRequestRetrieveUnsafeUserOutputBuffer", "OutputBuffer", buffer.is_null());
        // SAFETY: not null; the driver vouches that both may be written.
        unsafe { give(user_buffer(&object, false), minimum, buffer, length) }
    }

    /// Locks a user buffer that the driver reads.
    irql(== PASSIVE_LEVEL) fn WdfRequestProbeAndLockUserBufferForRead(
        _globals: PWDF_DRIVER_GLOBALS,
        request: WDFREQUEST,
        buffer: PVOID,
        length: usize,
        memory: *mut WDFMEMORY,
    ) -> NTSTATUS {
        let object = of(request);
        require("WdfRequestProbeAndLockUserBufferForRead", "Buffer", buffer.is_null());
        require("WdfRequestProbeAndLockUserBufferForRead", "MemoryObject", memory.is_null());
        // SAFETY: not null, and the driver vouches that it may be written.
        unsafe { give_pointer(probe_and_lock(&object, buffer, length), memory) }
    }

    /// Locks a user buffer that the driver writes.
    irql(== PASSIVE_LEVEL) fn WdfRequestProbeAndLockUserBufferForWrite(
        _globals: PWDF_DRIVER_GLOBALS,
        request: WDFREQUEST,
        buffer: PVOID,
        length: usize,
        memory: *mut WDFMEMORY,
    ) -> NTSTATUS {
        let object = of(request);
        require("WdfRequestProbeAndLockUserBufferForWrite", "Buffer", buffer.is_null());
        require("WdfRequestProbeAndLockUserBufferForWrite", "MemoryObject", memory.is_null());
        // SAFETY: not null, and the driver vouches that it may be written.
        unsafe { give_pointer(probe_and_lock(&object, buffer, length), memory) }
    }

    /// Lets the sender cancel the request; if it has done so already, `EvtRequestCancel` is called,
    /// perhaps before this returns.
    irql(<= DISPATCH_LEVEL) fn WdfRequestMarkCancelable(
        _globals: PWDF_DRIVER_GLOBALS,
        request: WDFREQUEST,
        callback: PFN_WDF_REQUEST_CANCEL,
    ) {
        let object = of(request);
        require("WdfRequestMarkCancelable", "EvtRequestCancel", callback.is_none());
        match object.body::<Request>().queue() {
            Some(queue) => {
                queue::mark_cancelable(&queue, &object, callback, false);
            }
            None => verifier_break(format!("{} is in no queue", describe(&object))),
        }
    }

    /// Lets the sender cancel the request; `STATUS_CANCELLED`, and no callback, if it has done so
    /// already.
    irql(<= DISPATCH_LEVEL) fn WdfRequestMarkCancelableEx(
        _globals: PWDF_DRIVER_GLOBALS,
        request: WDFREQUEST,
        callback: PFN_WDF_REQUEST_CANCEL,
    ) -> NTSTATUS {
        let object = of(request);
        require("WdfRequestMarkCancelableEx", "EvtRequestCancel", callback.is_none());
        if let Some(queue) = object.body::<Request>().queue() {
            queue::mark_cancelable(&queue, &object, callback, true)
        } else {
            verifier_break(format!("{} is in no queue", describe(&object)));
            STATUS_INVALID_DEVICE_REQUEST
        }
    }

    /// Takes that back; `STATUS_CANCELLED` if `EvtRequestCancel` has been called or will be.
    irql(<= DISPATCH_LEVEL) fn WdfRequestUnmarkCancelable(_globals: PWDF_DRIVER_GLOBALS, request: WDFREQUEST) -> NTSTATUS {
        let object = of(request);
        if object.body::<Request>().queue().is_none() {
            verifier_break(format!("{} is in no queue", describe(&object)));
            return STATUS_INVALID_DEVICE_REQUEST;
        }
        queue::unmark_cancelable(&object)
    }

    /// Whether the sender has cancelled a request that is not cancelable.
    irql(<= DISPATCH_LEVEL) fn WdfRequestIsCanceled(_globals: PWDF_DRIVER_GLOBALS, request: WDFREQUEST) -> BOOLEAN {
        let object = of(request);
        let request = object.body::<Request>();
        if !request.verify_owned(&object) || !request.verify_not_cancelable(&object) {
            return 0;
        }
        let by_sender = request.irp().is_some_and(|irp| irp.is_cancelled());
        BOOLEAN::from(by_sender || request.cancelled.get())
    }

    /// Answers `EvtIoStop`: the driver has stopped work on the request, and keeps it or gives it
    /// back.
    irql(<= DISPATCH_LEVEL) fn WdfRequestStopAcknowledge(
        _globals: PWDF_DRIVER_GLOBALS,
        request: WDFREQUEST,
        requeue: BOOLEAN,
    ) {
        let object = of(request);
        let request = object.body::<Request>();
        if !request.in_stop.get() {
            verifier_break(format!("{} was acknowledged outside EvtIoStop", describe(&object)));
            return;
        }
        if requeue != 0
            && request.irp().is_some()
            && !(request.verify_owned(&object) && request.verify_not_cancelable(&object))
        {
            return;
        }
        request.stop_state.set(if requeue == 0 {
            StopState::Acknowledged
        } else {
            StopState::AcknowledgedWithRequeue
        });
    }

    /// Moves a request to another queue of the device.
    irql(<= DISPATCH_LEVEL) fn WdfRequestForwardToIoQueue(
        _globals: PWDF_DRIVER_GLOBALS,
        request: WDFREQUEST,
        destination: WDFQUEUE,
    ) -> NTSTATUS {
        let destination = object::of(destination, Kind::Queue);
        queue::forward(&of(request), &destination)
    }

    /// Gives a request back to the head of its manual queue.
    irql(<= DISPATCH_LEVEL) fn WdfRequestRequeue(_globals: PWDF_DRIVER_GLOBALS, request: WDFREQUEST) -> NTSTATUS {
        queue::requeue(&of(request))
    }

    /// From `EvtIoInCallerContext`: gives the request to its queue.
    irql(<= DISPATCH_LEVEL) fn WdfDeviceEnqueueRequest(
        _globals: PWDF_DRIVER_GLOBALS,
        device: WDFDEVICE,
        request: WDFREQUEST,
    ) -> NTSTATUS {
        let device = object::of(device, Kind::Device).body::<Device>();
        let object = of(request);
        let request = object.body::<Request>();
        if !request.in_caller_context.get() {
            verifier_break(format!("{} was enqueued outside EvtIoInCallerContext", describe(&object)));
            return STATUS_INVALID_DEVICE_REQUEST;
        }
        if !request.verify_owned(&object) {
            return STATUS_INVALID_DEVICE_REQUEST;
        }
        let queue = request.irp().and_then(|irp| device.queue_for(irp.operation.request_type()));
        let Some(queue) = queue else {
            verifier_break(format!("there is no queue for {}", describe(&object)));
            return STATUS_INVALID_DEVICE_REQUEST;
        };
        request.in_caller_context.set(false);
        request.owned.set(false);
        request.completion_state.set(CompletionState::None);
        match queue::arrive_forwarded(&queue, &object) {
            Ok(()) => STATUS_SUCCESS,
            Err(status) => {
                request.in_caller_context.set(true);
                request.owned.set(true);
                request.completion_state.set(CompletionState::CallerContext);
                status
            }
        }
    }
}

/// A buffer of a request that is not completed.
fn retrieve(object: &Object, which: fn(&Request) -> Found) -> Found {
    let request = object.body::<Request>();
    if request.irp().is_none() {
        verifier_break(format!("{}: a buffer was asked for", describe(object)));
    }
    which(&request)
}

wdf_functions! {
    WdfRequestCompleteTableIndex: PFN_WDFREQUESTCOMPLETE = WdfRequestComplete;
    WdfRequestCompleteWithInformationTableIndex: PFN_WDFREQUESTCOMPLETEWITHINFORMATION =
        WdfRequestCompleteWithInformation;
    WdfRequestCompleteWithPriorityBoostTableIndex: PFN_WDFREQUESTCOMPLETEWITHPRIORITYBOOST =
        WdfRequestCompleteWithPriorityBoost;
    WdfRequestSetInformationTableIndex: PFN_WDFREQUESTSETINFORMATION = WdfRequestSetInformation;
    WdfRequestGetInformationTableIndex: PFN_WDFREQUESTGETINFORMATION = WdfRequestGetInformation;
    WdfRequestGetStatusTableIndex: PFN_WDFREQUESTGETSTATUS = WdfRequestGetStatus;
    WdfRequestGetParametersTableIndex: PFN_WDFREQUESTGETPARAMETERS = WdfRequestGetParameters;
    WdfRequestGetRequestorModeTableIndex: PFN_WDFREQUESTGETREQUESTORMODE = WdfRequestGetRequestorMode;
    WdfRequestIsFrom32BitProcessTableIndex: PFN_WDFREQUESTISFROM32BITPROCESS = WdfRequestIsFrom32BitProcess;
    WdfRequestWdmGetIrpTableIndex: PFN_WDFREQUESTWDMGETIRP = WdfRequestWdmGetIrp;
    WdfRequestGetFileObjectTableIndex: PFN_WDFREQUESTGETFILEOBJECT = WdfRequestGetFileObject;
    WdfRequestGetIoQueueTableIndex: PFN_WDFREQUESTGETIOQUEUE = WdfRequestGetIoQueue;
    WdfRequestRetrieveInputBufferTableIndex: PFN_WDFREQUESTRETRIEVEINPUTBUFFER = WdfRequestRetrieveInputBuffer;
    WdfRequestRetrieveOutputBufferTableIndex: PFN_WDFREQUESTRETRIEVEOUTPUTBUFFER = WdfRequestRetrieveOutputBuffer;
    WdfRequestRetrieveInputMemoryTableIndex: PFN_WDFREQUESTRETRIEVEINPUTMEMORY = WdfRequestRetrieveInputMemory;
    WdfRequestRetrieveOutputMemoryTableIndex: PFN_WDFREQUESTRETRIEVEOUTPUTMEMORY = WdfRequestRetrieveOutputMemory;
    WdfRequestRetrieveInputWdmMdlTableIndex: PFN_WDFREQUESTRETRIEVEINPUTWDMMDL = WdfRequestRetrieveInputWdmMdl;
    WdfRequestRetrieveOutputWdmMdlTableIndex: PFN_WDFREQUESTRETRIEVEOUTPUTWDMMDL = WdfRequestRetrieveOutputWdmMdl;
    WdfRequestRetrieveUnsafeUserInputBufferTableIndex: PFN_WDFREQUESTRETRIEVEUNSAFEUSERINPUTBUFFER =
        WdfRequestRetrieveUnsafeUserInputBuffer;
    WdfRequestRetrieveUnsafeUserOutputBufferTableIndex: PFN_WDFREQUESTRETRIEVEUNSAFEUSEROUTPUTBUFFER =
        WdfRequestRetrieveUnsafeUserOutputBuffer;
    WdfRequestProbeAndLockUserBufferForReadTableIndex: PFN_WDFREQUESTPROBEANDLOCKUSERBUFFERFORREAD =
        WdfRequestProbeAndLockUserBufferForRead;
    WdfRequestProbeAndLockUserBufferForWriteTableIndex: PFN_WDFREQUESTPROBEANDLOCKUSERBUFFERFORWRITE =
        WdfRequestProbeAndLockUserBufferForWrite;
    WdfRequestMarkCancelableTableIndex: PFN_WDFREQUESTMARKCANCELABLE = WdfRequestMarkCancelable;
    WdfRequestMarkCancelableExTableIndex: PFN_WDFREQUESTMARKCANCELABLEEX = WdfRequestMarkCancelableEx;
    WdfRequestUnmarkCancelableTableIndex: PFN_WDFREQUESTUNMARKCANCELABLE = WdfRequestUnmarkCancelable;
    WdfRequestIsCanceledTableIndex: PFN_WDFREQUESTISCANCELED = WdfRequestIsCanceled;
    WdfRequestStopAcknowledgeTableIndex: PFN_WDFREQUESTSTOPACKNOWLEDGE = WdfRequestStopAcknowledge;
    WdfRequestForwardToIoQueueTableIndex: PFN_WDFREQUESTFORWARDTOIOQUEUE = WdfRequestForwardToIoQueue;
    WdfRequestRequeueTableIndex: PFN_WDFREQUESTREQUEUE = WdfRequestRequeue;
    WdfDeviceEnqueueRequestTableIndex: PFN_WDFDEVICEENQUEUEREQUEST = WdfDeviceEnqueueRequest;
}
