//! I/O request packets: from a thread that asks, through a driver, to completion.
//!
//! ```text
//!   pending --complete--> completed: output copied, buffers gone, the waiting thread goes on
//!      |
//!      +--cancel--> the cancel routine is taken and called once; whoever takes the routine owns the decision
//! ```

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use wdk_sys_lite::{
    _IRP, _WDF_REQUEST_TYPE, NT_ERROR, NTSTATUS, PIRP, STATUS_PENDING, STATUS_SUCCESS,
    WDF_REQUEST_TYPE,
};

use crate::bugcheck::{StopCode, bug_check};
use crate::kernel::kernel;
use crate::sched::{ContextId, Key};

use super::buffer::{Buffers, Method};
use super::file::FileObject;

/// What a request asks for; lengths in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Operation {
    /// `IRP_MJ_CREATE`.
    Create,
    /// `IRP_MJ_READ`.
    Read {
        /// Of the user's buffer.
        length: usize,
        /// Where the user reads, in bytes.
        offset: u64,
    },
    /// `IRP_MJ_WRITE`.
    Write {
        /// Of the user's data.
        length: usize,
        /// Where the user writes, in bytes.
        offset: u64,
    },
    /// `IRP_MJ_DEVICE_CONTROL`.
    DeviceControl {
        /// The control code.
        code: u32,
        /// Length of the input.
        input: usize,
        /// Length of the output buffer.
        output: usize,
    },
}

impl Operation {
    /// The framework's request type; its number is that of the major function.
    #[must_use]
    pub fn request_type(self) -> WDF_REQUEST_TYPE {
        match self {
            Self::Create => _WDF_REQUEST_TYPE::WdfRequestTypeCreate,
            Self::Read { .. } => _WDF_REQUEST_TYPE::WdfRequestTypeRead,
            Self::Write { .. } => _WDF_REQUEST_TYPE::WdfRequestTypeWrite,
            Self::DeviceControl { .. } => _WDF_REQUEST_TYPE::WdfRequestTypeDeviceControl,
        }
    }

    fn describe(self) -> String {
        match self {
            Self::Create => "IRP_MJ_CREATE".to_owned(),
            Self::Read { length, .. } => format!("IRP_MJ_READ of {length} bytes"),
            Self::Write { length, .. } => format!("IRP_MJ_WRITE of {length} bytes"),
            Self::DeviceControl { code, .. } => {
                format!("IRP_MJ_DEVICE_CONTROL with code {code:#x}")
            }
        }
    }
}

type CancelRoutine = Box<dyn FnOnce()>;

/// A request packet.
pub struct Irp {
    /// Its number, unique in the machine.
    pub id: u64,
    /// What it asks for.
    pub operation: Operation,
    /// How its data reaches the driver.
    pub method: Method,
    /// The file that it was sent to.
    pub file: Rc<FileObject>,
    /// The thread that sent it.
    pub thread: ContextId,
    requestor: String,
    pub(crate) buffers: RefCell<Buffers>,
    output: RefCell<Vec<u8>>,
    status: Cell<NTSTATUS>,
    information: Cell<usize>,
    cancelled: Cell<bool>,
    cancel_routine: RefCell<Option<CancelRoutine>>,
    completed: Cell<bool>,
    place: Cell<&'static str>,
    packet: RefCell<Option<Box<_IRP>>>,
    key: Key,
}

/// How a request ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Completion {
    /// `IoStatus.Status`.
    pub status: NTSTATUS,
    /// `IoStatus.Information`.
    pub information: usize,
    /// The user's output buffer up to `information`; empty after an error.
    pub data: Vec<u8>,
}

impl Irp {
    pub(super) fn new(
        file: &Rc<FileObject>,
        operation: Operation,
        method: Method,
        buffers: Buffers,
        output: Vec<u8>,
    ) -> Rc<Self> {
        let kernel = kernel();
        let context = kernel.sched.current();
        let id = kernel.io.next_id();
        let irp = Rc::new(Self {
            id,
            operation,
            method,
            file: Rc::clone(file),
            thread: context.id,
            requestor: context.name.clone(),
            buffers: RefCell::new(buffers),
            output: RefCell::new(output),
            status: Cell::new(STATUS_SUCCESS),
            information: Cell::new(0),
            cancelled: Cell::new(false),
            cancel_routine: RefCell::default(),
            completed: Cell::new(false),
            place: Cell::new("on its way to the driver"),
            packet: RefCell::default(),
            key: kernel.sched.new_key(),
        });
        kernel.io.irps.borrow_mut().insert(id, Rc::clone(&irp));
        irp
    }

    /// `IoStatus.Status` so far.
    #[must_use]
    pub fn status(&self) -> NTSTATUS {
        self.status.get()
    }

    /// `IoStatus.Information` so far.
    #[must_use]
    pub fn information(&self) -> usize {
        self.information.get()
    }

    pub(crate) fn set_information(&self, information: usize) {
        self.information.set(information);
    }

    /// Whether it was cancelled; a cancelled request can still succeed.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.cancelled.get()
    }

    /// Whether it is completed.
    #[must_use]
    pub fn is_completed(&self) -> bool {
        self.completed.get()
    }

    /// Notes where the request is, for the report of a machine that hangs.
    pub(crate) fn set_place(&self, place: &'static str) {
        self.place.set(place);
    }

    /// Which request this is and where, in a sentence.
    #[must_use]
    pub fn describe(&self) -> String {
        let cancelled = if self.cancelled.get() {
            ", cancelled"
        } else {
            ""
        };
        format!(
            "request {}: {} from {}{cancelled}, {}",
            self.id,
            self.operation.describe(),
            self.requestor,
            self.place.get()
        )
    }

    /// The packet as drivers see it: memory of the right size whose layout is not theirs to know.
    pub(crate) fn packet(&self) -> PIRP {
        let mut packet = self.packet.borrow_mut();
        &raw mut **packet.get_or_insert_with(Box::default)
    }

    /// `IoSetCancelRoutine` with a routine: false, and nothing set, if the request is cancelled
    /// already.
    pub(crate) fn set_cancel_routine(&self, routine: impl FnOnce() + 'static) -> bool {
        if self.cancelled.get() {
            return false;
        }
        *self.cancel_routine.borrow_mut() = Some(Box::new(routine));
        true
    }

    /// `IoSetCancelRoutine` with null: false if the routine is gone, because it runs or is about
    /// to.
    pub(crate) fn clear_cancel_routine(&self) -> bool {
        self.cancel_routine.borrow_mut().take().is_some()
    }

    /// `IoCancelIrp`: true if there was a cancel routine, which has been called.
    pub(crate) fn cancel(&self) -> bool {
        if self.completed.get() {
            return false;
        }
        self.cancelled.set(true);
        let routine = self.cancel_routine.borrow_mut().take();
        let Some(routine) = routine else { return false };
        // The routine is taken; until it gets its own lock, others find it gone.
        kernel().sched.point();
        routine();
        true
    }

    /// `IoCompleteRequest`. At any IRQL up to `DISPATCH_LEVEL`.
    pub(crate) fn complete(&self, status: NTSTATUS, information: usize) {
        // A driver cannot get here twice: the framework's request gives its packet up at the first
        // completion.
        debug_assert!(
            !self.completed.get(),
            "{} was completed twice",
            self.describe()
        );
        let kernel = kernel();
        kernel.sched.comes_forward();
        if status == STATUS_PENDING && kernel.config.verifier {
            bug_check(
                StopCode::DRIVER_VERIFIER_IOMANAGER_VIOLATION,
                [0x6, u64::from(status.cast_unsigned()), self.id, 0],
                format!("{} was completed with STATUS_PENDING", self.describe()),
            );
        }
        // Set only if the driver has completed it while cancelable, which the framework's verifier
        // finds.
        self.clear_cancel_routine();
        self.completed.set(true);
        self.place.set("completed");
        self.status.set(status);
        self.information.set(information);
        let buffers = std::mem::take(&mut *self.buffers.borrow_mut());
        buffers.copy_out(
            &mut self.output.borrow_mut(),
            information,
            !NT_ERROR(status),
        );
        drop(buffers);
        self.packet.borrow_mut().take();
        kernel.io.irps.borrow_mut().remove(&self.id);
        self.file.request_completed();
        kernel.sched.wake(self.key);
    }

    /// Whether who waits by this key waits for its completion.
    pub(super) fn is_waited_for_by(&self, key: Key) -> bool {
        self.key == key
    }

    /// Waits for the completion. At `PASSIVE_LEVEL`.
    pub(super) fn wait(&self) {
        kernel().sched.wait_until(self.key, || self.completed.get());
    }

    /// As [`Irp::wait`], until a point in virtual time at most; whether it is completed.
    pub(super) fn wait_until(&self, deadline: u64) -> bool {
        while !self.completed.get() && kernel().sched.now() < deadline {
            kernel().sched.wait(self.key, Some(deadline));
        }
        self.completed.get()
    }

    /// How it ended; call it once, after completion.
    pub(super) fn result(&self) -> Completion {
        let status = self.status.get();
        let information = self.information.get();
        let mut data = std::mem::take(&mut *self.output.borrow_mut());
        data.truncate(if NT_ERROR(status) { 0 } else { information });
        Completion {
            status,
            information,
            data,
        }
    }
}
