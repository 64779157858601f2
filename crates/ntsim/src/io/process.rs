//! Simulated user-mode processes: threads, handles, and the I/O that a program does.
//!
//! A program is a closure; what it calls here are the system services, in the thread's own context.
//! Data is in ordinary vectors: the kernel's side copies it or puts it into pages that the driver
//! reaches through an MDL.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use wdk_sys_lite::{
    GUID, NT_SUCCESS, NTSTATUS, STATUS_INVALID_HANDLE, STATUS_OBJECT_NAME_NOT_FOUND,
};

use crate::bugcheck::{StopCode, bug_check};
use crate::export::PASSIVE_LEVEL;
use crate::kernel::kernel;
use crate::machine::{System, Thread};
use crate::sched::ContextKind;
use crate::wdf::device::{self, Device};

use super::buffer::{Buffers, Method};
use super::file::FileObject;
use super::irp::{Completion, Irp, Operation};

struct Inner {
    name: String,
    handles: RefCell<BTreeMap<u64, Rc<FileObject>>>,
    threads: Cell<u32>,
}

/// A simulated user-mode process, as its own threads see it.
#[derive(Clone)]
pub struct Process(Rc<Inner>);

/// A handle to a device, opened for overlapped I/O. Dropping it closes the handle.
pub struct File {
    process: Process,
    object: Rc<FileObject>,
}

/// A request that has been sent.
pub struct Pending(Rc<Irp>);

impl System {
    /// How many requests of programs (reads, writes and control requests) are not completed now.
    #[must_use]
    pub fn requests_in_flight(&self) -> usize {
        let _ = self;
        kernel().io.in_flight()
    }

    /// Starts a process with one thread. When its last thread ends, what it has open is cancelled,
    /// awaited and closed.
    pub fn spawn_process(&self, name: &str, program: impl FnOnce(&Process) + 'static) -> Thread {
        let _ = self;
        Process(Rc::new(Inner {
            name: name.to_owned(),
            handles: RefCell::default(),
            threads: Cell::new(0),
        }))
        .start(name.to_owned(), program)
    }
}

impl Process {
    fn start(&self, name: String, program: impl FnOnce(&Process) + 'static) -> Thread {
        let process = self.clone();
        process.0.threads.set(process.0.threads.get() + 1);
        Thread(
            kernel()
                .sched
                .spawn(ContextKind::UserThread, name, move || {
                    program(&process);
                    process.thread_ends();
                }),
        )
    }

    /// The machine that the process runs in.
    #[must_use]
    pub fn system(&self) -> System {
        let _ = self;
        System(())
    }

    /// Starts a further thread of this process.
    pub fn spawn(&self, name: &str, program: impl FnOnce(&Process) + 'static) -> Thread {
        self.start(format!("{}, {name}", self.0.name), program)
    }

    /// The process's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Opens the first device with an enabled interface of a class.
    ///
    /// # Errors
    ///
    /// `STATUS_OBJECT_NAME_NOT_FOUND` without such an interface; what the driver's create failed
    /// with.
    pub fn open(&self, class: &GUID) -> Result<File, NTSTATUS> {
        self.open_if(class, |_| true)
    }

    fn open_if(&self, class: &GUID, wanted: impl Fn(&Device) -> bool) -> Result<File, NTSTATUS> {
        service(|| {
            let device = device::by_interface(class)
                .into_iter()
                .find(|device| wanted(&device.body::<Device>()))
                .ok_or(STATUS_OBJECT_NAME_NOT_FOUND)?;
            let object = FileObject::open(&device)?;
            self.0
                .handles
                .borrow_mut()
                .insert(object.id, Rc::clone(&object));
            Ok(File {
                process: self.clone(),
                object,
            })
        })
    }

    /// Opens a certain device by its enabled interface of a class, where there are several.
    ///
    /// # Errors
    ///
    /// As [`Process::open`].
    pub fn open_on(&self, class: &GUID, pdo: u32) -> Result<File, NTSTATUS> {
        self.open_if(class, |device| device.pdo.id == pdo)
    }

    /// Lets virtual time pass.
    pub fn sleep(&self, duration: Duration) {
        let _ = self;
        kernel()
            .sched
            .sleep(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX / 2));
    }

    /// A number below `bound` (at least 1), drawn from the seed.
    #[must_use]
    pub fn random(&self, bound: u64) -> u64 {
        let _ = self;
        kernel().sched.random(bound.max(1))
    }

    /// A thread's rundown: its requests are cancelled and awaited. The last thread takes the
    /// handles with it.
    fn thread_ends(&self) {
        let thread = kernel().sched.current().id;
        let irps = kernel().io.irps_where(|irp| irp.thread == thread);
        for irp in &irps {
            irp.cancel();
        }
        for irp in &irps {
            irp.wait();
            irp.file.wait_if_closing();
        }
        self.0.threads.set(self.0.threads.get().saturating_sub(1));
        if self.0.threads.get() > 0 {
            return;
        }
        loop {
            let handle = self.0.handles.borrow_mut().pop_first();
            let Some((_, object)) = handle else { break };
            service(|| {
                object.last_handle_closed();
                object.wait_closed();
            });
        }
    }
}

/// Runs a system service: it returns to user mode, which must be at `PASSIVE_LEVEL`.
fn service<R>(body: impl FnOnce() -> R) -> R {
    let result = body();
    let irql = kernel().sched.current().irql();
    if irql != PASSIVE_LEVEL {
        bug_check(
            StopCode::IRQL_GT_ZERO_AT_SYSTEM_SERVICE,
            [0, u64::from(irql), 0, 0],
            format!("a system service returns to user mode at IRQL {irql}"),
        );
    }
    result
}

fn succeeded(completion: Completion) -> Result<Completion, NTSTATUS> {
    if NT_SUCCESS(completion.status) {
        Ok(completion)
    } else {
        Err(completion.status)
    }
}

impl File {
    fn device(&self) -> Rc<Device> {
        self.object.device.body()
    }

    fn start(
        &self,
        operation: Operation,
        method: Method,
        buffers: impl FnOnce() -> Result<Buffers, NTSTATUS>,
        output: Vec<u8>,
    ) -> Result<Pending, NTSTATUS> {
        service(|| {
            if !self
                .process
                .0
                .handles
                .borrow()
                .contains_key(&self.object.id)
            {
                return Err(STATUS_INVALID_HANDLE);
            }
            Ok(Pending(self.object.send(
                operation,
                method,
                buffers()?,
                output,
            )))
        })
    }

    /// Starts to read at most `length` bytes.
    ///
    /// # Errors
    ///
    /// Only if the request could not be sent at all: no memory, or the process has closed the
    /// handle by ending.
    pub fn start_read(&self, length: usize) -> Result<Pending, NTSTATUS> {
        self.start_read_into(vec![0; length])
    }

    /// As [`File::start_read`], into a buffer that already holds something.
    ///
    /// # Errors
    ///
    /// As [`File::start_read`].
    pub fn start_read_into(&self, buffer: Vec<u8>) -> Result<Pending, NTSTATUS> {
        self.start_read_at(0, buffer)
    }

    /// As [`File::start_read_into`], from an offset in bytes: that of an `OVERLAPPED`, which the
    /// device's driver gets as it is.
    ///
    /// # Errors
    ///
    /// As [`File::start_read`].
    pub fn start_read_at(&self, offset: u64, buffer: Vec<u8>) -> Result<Pending, NTSTATUS> {
        let method = Method::of_io_type(self.device().settings.read_write_io, true);
        let operation = Operation::Read {
            length: buffer.len(),
            offset,
        };
        let buffers = Buffers::new(method, &[], &buffer);
        self.start(operation, method, || buffers, buffer)
    }

    /// Starts to write.
    ///
    /// # Errors
    ///
    /// As [`File::start_read`].
    pub fn start_write(&self, data: &[u8]) -> Result<Pending, NTSTATUS> {
        self.start_write_at(0, data)
    }

    /// As [`File::start_write`], to an offset in bytes, as with [`File::start_read_at`].
    ///
    /// # Errors
    ///
    /// As [`File::start_read`].
    pub fn start_write_at(&self, offset: u64, data: &[u8]) -> Result<Pending, NTSTATUS> {
        let method = Method::of_io_type(self.device().settings.read_write_io, false);
        let operation = Operation::Write {
            length: data.len(),
            offset,
        };
        self.start(
            operation,
            method,
            || Buffers::for_write(method, data),
            Vec::new(),
        )
    }

    /// Starts a device control with an output buffer of `output_length` bytes, which are zero
    /// before.
    ///
    /// # Errors
    ///
    /// As [`File::start_read`].
    pub fn start_ioctl(
        &self,
        code: u32,
        input: &[u8],
        output_length: usize,
    ) -> Result<Pending, NTSTATUS> {
        self.start_ioctl_with(code, input, vec![0; output_length])
    }

    /// Starts a device control with a second buffer that already holds something: what a
    /// `METHOD_IN_DIRECT` driver reads.
    ///
    /// # Errors
    ///
    /// As [`File::start_read`].
    pub fn start_ioctl_with(
        &self,
        code: u32,
        input: &[u8],
        buffer: Vec<u8>,
    ) -> Result<Pending, NTSTATUS> {
        let method = Method::of_control_code(code);
        let operation = Operation::DeviceControl {
            code,
            input: input.len(),
            output: buffer.len(),
        };
        let buffers = Buffers::new(method, input, &buffer);
        self.start(operation, method, || buffers, buffer)
    }

    /// Reads at most `length` bytes.
    ///
    /// # Errors
    ///
    /// The request's status, if it is not a success.
    pub fn read(&self, length: usize) -> Result<Vec<u8>, NTSTATUS> {
        succeeded(self.start_read(length)?.wait()).map(|completion| completion.data)
    }

    /// Reads into a buffer; how many bytes.
    ///
    /// # Errors
    ///
    /// As [`File::read`]; the buffer is then untouched.
    pub fn read_into(&self, buffer: &mut [u8]) -> Result<usize, NTSTATUS> {
        let data = self.read(buffer.len())?;
        let count = data.len().min(buffer.len());
        buffer[..count].copy_from_slice(&data[..count]);
        Ok(count)
    }

    /// Writes; how many bytes the driver says that it took.
    ///
    /// # Errors
    ///
    /// As [`File::read`].
    pub fn write(&self, data: &[u8]) -> Result<usize, NTSTATUS> {
        succeeded(self.start_write(data)?.wait()).map(|completion| completion.information)
    }

    /// Does a device control and returns its output.
    ///
    /// # Errors
    ///
    /// As [`File::read`].
    pub fn ioctl(
        &self,
        code: u32,
        input: &[u8],
        output_length: usize,
    ) -> Result<Vec<u8>, NTSTATUS> {
        succeeded(self.start_ioctl(code, input, output_length)?.wait())
            .map(|completion| completion.data)
    }

    /// Cancels every request on this handle (`CancelIoEx`), and says how many there were. It does
    /// not wait for them.
    #[must_use = "how many requests there were to cancel"]
    pub fn cancel_all(&self) -> usize {
        service(|| self.object.cancel_all())
    }

    /// Closes the handle, and waits until the driver's close callback has run.
    pub fn close(self) {
        let object = Rc::clone(&self.object);
        drop(self);
        object.wait_closed();
    }
}

impl Drop for File {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        let handle = self.process.0.handles.borrow_mut().remove(&self.object.id);
        if let Some(object) = handle {
            service(|| object.last_handle_closed());
        }
    }
}

impl Pending {
    /// Waits for the completion.
    #[must_use = "how the request ended"]
    pub fn wait(self) -> Completion {
        service(|| self.0.wait());
        self.0.result()
    }

    /// Waits for the completion, but not for longer than `timeout` of virtual time; the request
    /// itself if that was not enough.
    ///
    /// # Errors
    ///
    /// The request, which is still pending.
    pub fn wait_for(self, timeout: Duration) -> Result<Completion, Self> {
        let timeout = u64::try_from(timeout.as_nanos()).unwrap_or(u64::MAX / 2);
        if service(|| {
            self.0
                .wait_until(kernel().sched.now().saturating_add(timeout))
        }) {
            Ok(self.0.result())
        } else {
            Err(self)
        }
    }

    /// Whether it is completed.
    #[must_use]
    pub fn done(&self) -> bool {
        self.0.is_completed()
    }

    /// Cancels it (`CancelIoEx`), without waiting; false if it was completed already. Its status
    /// says what became of it.
    #[must_use = "whether there was something to cancel"]
    pub fn cancel(&self) -> bool {
        service(|| {
            let pending = !self.0.is_completed();
            self.0.cancel();
            pending
        })
    }
}
