//! One I/O request, owned by the driver.

use core::fmt;

use kmcl::status::Status;
use wdk_sys::{
    _WDF_REQUEST_TYPE, PVOID, STATUS_UNSUCCESSFUL, ULONG, ULONG_PTR, USHORT,
    WDF_REQUEST_PARAMETERS, WDFREQUEST, call_unsafe_wdf_function_binding,
};

use super::object::{self, Context, Reference};
use super::{Result, check};

/// What a request asks for. Lengths in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// `ReadFile` with a buffer of this length.
    Read(usize),
    /// `WriteFile` with so many bytes.
    Write(usize),
    /// `DeviceIoControl`.
    Control {
        /// The control code.
        code: u32,
        /// The length of the input.
        input: usize,
        /// The length of the output buffer.
        output: usize,
    },
    /// Something that the driver does not serve.
    Other,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read(room) => write!(f, "a read of {room} bytes"),
            Self::Write(length) => write!(f, "a write of {length} bytes"),
            Self::Control {
                code,
                input,
                output,
            } => {
                write!(
                    f,
                    "control code {code:#x} with {input} bytes in and {output} out"
                )
            }
            Self::Other => f.write_str("another kind of request"),
        }
    }
}

/// A request that the driver must complete or forward; dropped, it is completed with
/// `STATUS_UNSUCCESSFUL`. Its methods may be called at `DISPATCH_LEVEL` or below.
///
/// # Invariants
///
/// `handle` is a request that the framework has handed to the driver and that is neither completed
/// nor forwarded; this is its only owner.
#[derive(Debug)]
pub struct Request {
    handle: WDFREQUEST,
}

// SAFETY: requests may be used from any thread.
unsafe impl Send for Request {}

impl Request {
    /// # Safety
    ///
    /// As the invariants say.
    pub(super) const unsafe fn new(handle: WDFREQUEST) -> Self {
        Self { handle }
    }

    pub(super) const fn handle(&self) -> WDFREQUEST {
        self.handle
    }

    /// The request has been forwarded: it is the framework's again.
    pub(super) const fn forget(self) {
        core::mem::forget(self);
    }

    /// A reference, by which the request is known again after it was put in a queue.
    pub fn reference(&self) -> Reference {
        // SAFETY: by the invariant the request is valid.
        unsafe { Reference::new(self.handle.cast()) }
    }

    /// What it asks for.
    pub fn kind(&self) -> Kind {
        let mut parameters = WDF_REQUEST_PARAMETERS {
            #[allow(
                clippy::cast_possible_truncation,
                reason = "the structure has 40 bytes; asserted"
            )]
            Size: {
                const { assert!(size_of::<WDF_REQUEST_PARAMETERS>() <= USHORT::MAX as usize) };
                size_of::<WDF_REQUEST_PARAMETERS>() as USHORT
            },
            ..WDF_REQUEST_PARAMETERS::default()
        };
        // SAFETY: by the invariant the request is valid; the structure says its size. Afterwards
        // the member that the type names is the one that was filled in.
        unsafe {
            call_unsafe_wdf_function_binding!(
                WdfRequestGetParameters,
                self.handle,
                &raw mut parameters
            );
            match parameters.Type {
                _WDF_REQUEST_TYPE::WdfRequestTypeRead => {
                    Kind::Read(parameters.Parameters.Read.Length)
                }
                _WDF_REQUEST_TYPE::WdfRequestTypeWrite => {
                    Kind::Write(parameters.Parameters.Write.Length)
                }
                _WDF_REQUEST_TYPE::WdfRequestTypeDeviceControl => {
                    let control = parameters.Parameters.DeviceIoControl;
                    let code: ULONG = control.IoControlCode;
                    Kind::Control {
                        code,
                        input: control.InputBufferLength,
                        output: control.OutputBufferLength,
                    }
                }
                _ => Kind::Other,
            }
        }
    }

    /// What is kept with the handle by which the request came; none for a request without one.
    pub fn file<F: Context<Value = F> + Copy>(&self) -> Option<F> {
        // SAFETY: by the invariant the request is valid, and so is its file object, whose context
        // is never taken.
        unsafe {
            let file = call_unsafe_wdf_function_binding!(WdfRequestGetFileObject, self.handle);
            if file.is_null() {
                return None;
            }
            object::get::<F>(file.cast()).copied()
        }
    }

    /// The bytes of a write, or the input of a control request, in the system's buffer: the program
    /// cannot change them any more.
    ///
    /// # Errors
    ///
    /// The framework's: `STATUS_BUFFER_TOO_SMALL` if there are none.
    pub fn input(&self) -> Result<&[u8]> {
        let mut buffer: PVOID = core::ptr::null_mut();
        let mut length = 0;
        // SAFETY: by the invariant the request is valid; both results are locals. All requests of
        // the device are buffered, so the buffer is a system buffer of `length` bytes, initialised
        // by the I/O manager, which stays until the request is completed; and nothing writes it
        // while this borrow of the request lasts.
        unsafe {
            check(call_unsafe_wdf_function_binding!(
                WdfRequestRetrieveInputBuffer,
                self.handle,
                1,
                &raw mut buffer,
                &raw mut length
            ))?;
            Ok(core::slice::from_raw_parts(
                buffer.cast_const().cast(),
                length,
            ))
        }
    }

    /// The buffer for what a read or control request brings. A control request's input is in the
    /// same place.
    ///
    /// # Errors
    ///
    /// The framework's: `STATUS_BUFFER_TOO_SMALL` if there is none.
    pub fn output(&mut self) -> Result<&mut [u8]> {
        let mut buffer: PVOID = core::ptr::null_mut();
        let mut length = 0;
        // SAFETY: as in `input`; the request is borrowed exclusively. Bytes that nobody wrote are
        // whatever the pool had: memory from outside of the program, which any value is valid for.
        unsafe {
            check(call_unsafe_wdf_function_binding!(
                WdfRequestRetrieveOutputBuffer,
                self.handle,
                1,
                &raw mut buffer,
                &raw mut length
            ))?;
            Ok(core::slice::from_raw_parts_mut(buffer.cast(), length))
        }
    }

    /// Completes the request; `information` is how many bytes were read or written.
    pub fn complete(self, status: Status, information: usize) {
        let this = core::mem::ManuallyDrop::new(self);
        // SAFETY: by the invariant the request is the driver's; it is consumed.
        unsafe { finish(this.handle, status, information) };
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        // SAFETY: by the invariant the request is the driver's; it ends here.
        unsafe { finish(self.handle, Status(STATUS_UNSUCCESSFUL), 0) };
    }
}

/// # Safety
///
/// The request is the caller's, who gives it up.
unsafe fn finish(request: WDFREQUEST, status: Status, information: usize) {
    // SAFETY: as the caller says; the framework completes requests at DISPATCH_LEVEL and below.
    unsafe {
        call_unsafe_wdf_function_binding!(
            WdfRequestCompleteWithInformation,
            request,
            status.0,
            information as ULONG_PTR,
        );
    }
}
