//! File objects: what a handle refers to, from create to cleanup and close.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use wdk_sys_lite::{_FILE_OBJECT, NT_SUCCESS, NTSTATUS, PFILE_OBJECT, STATUS_NO_SUCH_DEVICE};

use crate::kernel::kernel;
use crate::sched::{ContextKind, Key};
use crate::wdf;
use crate::wdf::device::Device;
use crate::wdf::object::Object;

use super::buffer::{Buffers, Method};
use super::irp::{Irp, Operation};

/// A file object on a device.
pub struct FileObject {
    /// Its number, unique in the machine.
    pub id: u64,
    /// The framework's device that it was opened on.
    pub device: Rc<Object>,
    /// The driver's WDFFILEOBJECT, if the device wants one.
    pub(crate) framework: RefCell<Option<Rc<Object>>>,
    /// Whether the create has succeeded, and the close is still due.
    open: Cell<bool>,
    cleaned_up: Cell<bool>,
    pending: Cell<u32>,
    packet: RefCell<Option<Box<_FILE_OBJECT>>>,
    key: Key,
}

impl FileObject {
    /// Opens a device: sends `IRP_MJ_CREATE` and waits for it.
    pub(super) fn open(device: &Rc<Object>) -> Result<Rc<Self>, NTSTATUS> {
        let body = device.body::<Device>();
        if !body.accepts_opens() {
            return Err(STATUS_NO_SUCH_DEVICE);
        }
        let file = Rc::new(Self {
            id: kernel().io.next_id(),
            device: Rc::clone(device),
            framework: RefCell::default(),
            open: Cell::new(false),
            cleaned_up: Cell::new(false),
            pending: Cell::new(0),
            packet: RefCell::default(),
            key: kernel()
                .sched
                .new_key_for("a file object to be closed, after its last request"),
        });
        body.file_opened();
        let irp = file.send(
            Operation::Create,
            Method::Buffered,
            Buffers::default(),
            Vec::new(),
        );
        irp.wait();
        let status = irp.status();
        if NT_SUCCESS(status) {
            file.open.set(true);
            Ok(file)
        } else {
            body.file_closed();
            Err(status)
        }
    }

    /// Sends a request to the device's driver, in the calling thread's context.
    pub(super) fn send(
        self: &Rc<Self>,
        operation: Operation,
        method: Method,
        buffers: Buffers,
        output: Vec<u8>,
    ) -> Rc<Irp> {
        let irp = Irp::new(self, operation, method, buffers, output);
        self.pending.set(self.pending.get() + 1);
        if operation == Operation::Create {
            wdf::file::create(&irp);
        } else {
            wdf::request::dispatch(&irp);
        }
        irp
    }

    /// The file object as drivers see it.
    pub(crate) fn packet(&self) -> PFILE_OBJECT {
        let mut packet = self.packet.borrow_mut();
        &raw mut **packet.get_or_insert_with(|| Box::new(zeroed_file_object()))
    }

    /// The last handle is closed: cleanup, cancellation of what is pending, and close when nothing
    /// is pending any more.
    ///
    /// In the closing thread, at `PASSIVE_LEVEL`. The framework flushes what waits in its queues; what
    /// the driver owns is the driver's to end when it hears of the cleanup (`fxpkggeneral.cpp` 1661,
    /// and the page of `IRP_MJ_CLEANUP`). No text says that nobody else cancels that, before the
    /// cleanup or after it.
    pub(super) fn last_handle_closed(self: &Rc<Self>) {
        let cancels = kernel().sched.random(3);
        if cancels == 0 {
            self.cancel_all();
        }
        wdf::file::cleanup(self);
        if cancels == 1 {
            self.cancel_all();
        }
        self.cleaned_up.set(true);
        if self.pending.get() == 0 {
            self.close();
        }
    }

    /// Cancels every request of this file (`CancelIoEx` without an OVERLAPPED); how many there
    /// were.
    pub(super) fn cancel_all(self: &Rc<Self>) -> usize {
        let irps = kernel().io.irps_where(|irp| Rc::ptr_eq(&irp.file, self));
        for irp in &irps {
            irp.cancel();
        }
        irps.len()
    }

    pub(super) fn request_completed(self: &Rc<Self>) {
        self.pending.set(self.pending.get().saturating_sub(1));
        kernel().sched.wake(self.key);
        if self.pending.get() == 0 && self.cleaned_up.get() && self.open.get() {
            // The last reference goes in the context of the completion, whatever that is; the close
            // needs a thread.
            let file = Rc::clone(self);
            kernel()
                .sched
                .spawn(ContextKind::SystemThread, "deferred close", move || {
                    file.close();
                });
        }
    }

    fn close(&self) {
        if self.open.replace(false) {
            wdf::file::close(self);
            self.device.body::<Device>().file_closed();
            kernel().sched.wake(self.key);
        }
    }

    /// If the last handle is closed: as [`FileObject::wait_closed`].
    pub(super) fn wait_if_closing(&self) {
        if self.cleaned_up.get() {
            self.wait_closed();
        }
    }

    /// Waits until the close has reached the driver.
    pub(super) fn wait_closed(&self) {
        kernel().sched.wait_until(self.key, || !self.open.get());
    }
}

fn zeroed_file_object() -> _FILE_OBJECT {
    // SAFETY: an opaque array of bytes, for which zero is a value.
    unsafe { std::mem::zeroed() }
}
