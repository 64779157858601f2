//! I/O queues.
//!
//! Requests come in by one parallel queue, which holds them back while the device is not in its
//! working state. Those that wait for something wait in a *manual* queue: there the framework
//! itself completes one that is cancelled, or whose handle is closed, so the driver needs no cancel
//! routine and holds no request while it waits.

use kmcl::irql::{Dispatch, Irql};
use kmcl::status::Status;
use wdk_sys::{
    _WDF_IO_QUEUE_DISPATCH_TYPE, _WDF_TRI_STATE, STATUS_NOT_FOUND, STATUS_SUCCESS, ULONG,
    WDF_IO_QUEUE_CONFIG, WDF_NO_OBJECT_ATTRIBUTES, WDFDEVICE, WDFQUEUE, WDFREQUEST,
    call_unsafe_wdf_function_binding,
};

use super::device::{Device, DeviceEvents};
use super::object::{self, Reference};
use super::request::Request;
use super::{Result, check, size_of_config};

impl Device<'_> {
    /// Makes the queue by which all requests come in, at once and on any processor, while the
    /// device is in its working state.
    ///
    /// It has no `EvtIoStop`: the driver forwards or completes a request before its callback
    /// returns, so when the device leaves its working state there is nothing to stop, and the
    /// framework waits for callbacks that are running.
    ///
    /// # Errors
    ///
    /// The framework's.
    pub fn create_front_queue<D: DeviceEvents>(self) -> Result<()> {
        let mut config = config(_WDF_IO_QUEUE_DISPATCH_TYPE::WdfIoQueueDispatchParallel);
        config.Settings.Parallel.NumberOfPresentedRequests = ULONG::MAX;
        config.PowerManaged = _WDF_TRI_STATE::WdfTrue;
        config.DefaultQueue = 1;
        config.EvtIoRead = Some(io_read::<D>);
        config.EvtIoWrite = Some(io_read::<D>);
        config.EvtIoDeviceControl = Some(io_device_control::<D>);
        self.create_queue(config).map(drop)
    }

    /// Makes a queue in which requests wait until they are taken out, in every power state.
    ///
    /// # Errors
    ///
    /// The framework's.
    pub fn create_manual_queue(self) -> Result<Queue> {
        let mut config = config(_WDF_IO_QUEUE_DISPATCH_TYPE::WdfIoQueueDispatchManual);
        config.PowerManaged = _WDF_TRI_STATE::WdfFalse;
        let queue = self.create_queue(config)?;
        // SAFETY: the queue was just made.
        Ok(Queue(unsafe { Reference::new(queue.cast()) }))
    }

    fn create_queue(self, mut config: WDF_IO_QUEUE_CONFIG) -> Result<WDFQUEUE> {
        let mut queue: WDFQUEUE = core::ptr::null_mut();
        // SAFETY: the device is valid, and is its queues' parent; the configuration is initialised
        // and valid for the call.
        check(unsafe {
            call_unsafe_wdf_function_binding!(
                WdfIoQueueCreate,
                self.handle(),
                &raw mut config,
                WDF_NO_OBJECT_ATTRIBUTES,
                &raw mut queue,
            )
        })?;
        Ok(queue)
    }
}

/// A queue that also gives out requests of length zero: the driver answers them.
fn config(dispatch: wdk_sys::WDF_IO_QUEUE_DISPATCH_TYPE) -> WDF_IO_QUEUE_CONFIG {
    WDF_IO_QUEUE_CONFIG {
        Size: size_of_config::<WDF_IO_QUEUE_CONFIG>(),
        DispatchType: dispatch,
        AllowZeroLengthRequests: 1,
        ..WDF_IO_QUEUE_CONFIG::default()
    }
}

/// A manual queue. Each of its methods may be called at `DISPATCH_LEVEL` or below.
#[derive(Debug)]
pub struct Queue(Reference);

impl Queue {
    fn handle(&self) -> WDFQUEUE {
        self.0.handle().cast()
    }

    /// Puts a request at the end.
    ///
    /// # Errors
    ///
    /// The request with the framework's status: the device is being removed.
    pub fn push(
        &self,
        request: Request,
        _irql: &mut impl Irql,
    ) -> core::result::Result<(), (Request, Status)> {
        // SAFETY: the request is the driver's, not cancelable and in no queue, and both are the
        // same device's.
        let status = unsafe {
            call_unsafe_wdf_function_binding!(
                WdfRequestForwardToIoQueue,
                request.handle(),
                self.handle()
            )
        };
        if status < 0 {
            Err((request, Status(status)))
        } else {
            request.forget();
            Ok(())
        }
    }

    /// Takes the oldest request out.
    pub fn pop(&self, _irql: &mut impl Irql) -> Option<Request> {
        let mut request: WDFREQUEST = core::ptr::null_mut();
        // SAFETY: the queue is a manual one, and the result is a local.
        let status = unsafe {
            call_unsafe_wdf_function_binding!(
                WdfIoQueueRetrieveNextRequest,
                self.handle(),
                &raw mut request
            )
        };
        // STATUS_NO_MORE_ENTRIES, the answer of an empty queue, is a warning: only success brings a
        // request. SAFETY: the framework has handed the request to the driver.
        (status == STATUS_SUCCESS).then(|| unsafe { Request::new(request) })
    }

    /// Takes one request out, if it is still there: not if it was cancelled, or somebody else has
    /// taken it.
    pub fn take(&self, wanted: &Reference, _irql: &mut impl Irql) -> Option<Request> {
        let mut previous: Option<Reference> = None;
        loop {
            let mut found: WDFREQUEST = core::ptr::null_mut();
            let after = previous
                .as_ref()
                .map_or(core::ptr::null_mut(), |previous| previous.handle().cast());
            // SAFETY: the queue is a manual one; the request to go on from is none, or one that
            // this function found and has a reference on; any file and any parameters; the result
            // is a local.
            let status = unsafe {
                call_unsafe_wdf_function_binding!(
                    WdfIoQueueFindRequest,
                    self.handle(),
                    after,
                    core::ptr::null_mut(),
                    core::ptr::null_mut(),
                    &raw mut found,
                )
            };
            match status {
                STATUS_SUCCESS => {}
                // The request to go on from has left the queue: begin again. Somebody else took it,
                // so this comes to an end.
                STATUS_NOT_FOUND if previous.is_some() => {
                    previous = None;
                    continue;
                }
                _ => return None,
            }
            // SAFETY: the framework has added a reference to the request that it found.
            let candidate = unsafe { Reference::adopt(found.cast()) };
            if candidate.is(wanted) {
                let mut request: WDFREQUEST = core::ptr::null_mut();
                // SAFETY: the request was found in this queue, and a reference is held on it; the
                // result is a local.
                let status = unsafe {
                    call_unsafe_wdf_function_binding!(
                        WdfIoQueueRetrieveFoundRequest,
                        self.handle(),
                        found,
                        &raw mut request,
                    )
                };
                // SAFETY: on success the framework has handed the request to the driver.
                return (status == STATUS_SUCCESS).then(|| unsafe { Request::new(request) });
            }
            previous = Some(candidate);
        }
    }
}

/// # Safety
///
/// Called from a request callback of a queue of the device's, with the request that it was given.
unsafe fn serve<D: DeviceEvents>(queue: WDFQUEUE, request: WDFREQUEST) {
    // SAFETY: the framework has handed the request to the driver.
    let request = unsafe { Request::new(request) };
    // SAFETY: the queue is valid in its callback, and so is its device, whose value is taken only
    // when all requests are completed.
    let kept = unsafe {
        let device: WDFDEVICE = call_unsafe_wdf_function_binding!(WdfIoQueueGetDevice, queue);
        object::get::<D>(device.cast())
    };
    // SAFETY: the framework calls request callbacks at DISPATCH_LEVEL or below.
    let mut irql = unsafe { Dispatch::assume() };
    match kept {
        Some(kept) => kept.events().request(request, &mut irql),
        None => request.complete(Status(wdk_sys::STATUS_INVALID_DEVICE_STATE), 0),
    }
}

/// `EvtIoRead` and `EvtIoWrite`.
unsafe extern "C" fn io_read<D: DeviceEvents>(
    queue: WDFQUEUE,
    request: WDFREQUEST,
    _length: usize,
) {
    // SAFETY: this is such a callback.
    unsafe { serve::<D>(queue, request) };
}

unsafe extern "C" fn io_device_control<D: DeviceEvents>(
    queue: WDFQUEUE,
    request: WDFREQUEST,
    _output_length: usize,
    _input_length: usize,
    _code: ULONG,
) {
    // SAFETY: this is such a callback.
    unsafe { serve::<D>(queue, request) };
}
