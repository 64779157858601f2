// The driver of the guide's chapter about I/O requests, and guests for it.

use core::mem::MaybeUninit;
use kmcl::atomic::{AtomicBool, AtomicU32, Ordering};

use kmcl::channel::{ChannelSlot, Context, Handler, Running};
use kmcl::incoming::{Disposition, Incoming};
use kmcl::interface::Interface;
use kmcl::irql::{Dispatch, Irql, Passive};
use kmcl::packet::{Completed, Mode, Sender, Transaction};
use kmcl::pool::{InPool, PoolArc, Tag};
use kmcl::status::{Error, Status};
use kmcl::sync::{PassiveCell, SpinLock};

use wdk_sys::{
    _WDF_EXECUTION_LEVEL, _WDF_IO_QUEUE_DISPATCH_TYPE, _WDF_SYNCHRONIZATION_SCOPE, _WDF_TRI_STATE,
    DRIVER_OBJECT, GUID, NTSTATUS, PCUNICODE_STRING, PVOID, PWDFDEVICE_INIT, STATUS_BUFFER_TOO_SMALL,
    STATUS_CANCELLED, STATUS_DEVICE_NOT_CONNECTED, STATUS_DEVICE_REMOVED, STATUS_INVALID_BUFFER_SIZE,
    STATUS_INVALID_DEVICE_REQUEST, STATUS_IO_TIMEOUT, STATUS_NOT_FOUND, STATUS_SUCCESS, ULONG,
    WDF_DRIVER_CONFIG, WDF_IO_QUEUE_CONFIG, WDF_NO_HANDLE, WDF_NO_OBJECT_ATTRIBUTES, WDF_OBJECT_ATTRIBUTES,
    WDF_OBJECT_CONTEXT_TYPE_INFO, WDF_PNPPOWER_EVENT_CALLBACKS, WDF_POWER_DEVICE_STATE, WDF_TIMER_CONFIG,
    WDFCMRESLIST, WDFDEVICE, WDFDRIVER, WDFOBJECT, WDFQUEUE, WDFREQUEST, WDFTIMER,
    call_unsafe_wdf_function_binding,
};
#[cfg(not(windows))]
use wdk_sys_lite as wdk_sys;

const TAG: Tag = Tag::new(*b"Rqst");
/// The longest message, in bytes.
const LONGEST: usize = 64;
/// How many packets may be with the host at a time.
const PACKETS: u32 = 4;
/// How often the timer ticks, in milliseconds, and after how many ticks a request has waited too
/// long.
const TICK: u32 = 100;
const PATIENCE: u32 = 20;
/// Sends the input to the host; the output is the host's answer (`METHOD_BUFFERED`, device type
/// 0x8000).
const IOCTL_ASK: u32 = 0x8000_2000;
static INTERFACE: GUID = GUID {
    Data1: 0x5271_7374,
    Data2: 1,
    Data3: 2,
    Data4: *b"rqstrqst",
};

// ---- One request of a program's. ----

/// A request that the driver owns: it completes it or puts it in a queue, and cannot do both.
struct Request(WDFREQUEST);

impl Request {
    /// Completes it; `information` is how many bytes were moved.
    fn complete(self, status: NTSTATUS, information: usize) {
        // SAFETY: the driver owns the request, and gives it up here.
        unsafe {
            call_unsafe_wdf_function_binding!(
                WdfRequestCompleteWithInformation,
                self.0,
                status,
                information as u64
            );
        }
    }

    fn is_question(&self) -> bool {
        // SAFETY: the driver owns the request.
        unsafe { waiting(self.0) }.is_question
    }

    /// Puts it back at the head of the queue that it was taken from.
    fn give_back(self) {
        // SAFETY: the driver owns the request, which it has taken from a manual queue.
        let status = unsafe { call_unsafe_wdf_function_binding!(WdfRequestRequeue, self.0) };
        if status < 0 {
            self.complete(status, 0); // the device is being removed
        }
    }

    /// The bytes of a write, or the input of a control request.
    fn input(&self) -> Result<&[u8], NTSTATUS> {
        let (mut buffer, mut length): (PVOID, usize) = (core::ptr::null_mut(), 0);
        // SAFETY: the driver owns the request. The device does buffered I/O, so this is a buffer of
        // the system's with `length` bytes that stays until the request is completed.
        unsafe {
            let status = call_unsafe_wdf_function_binding!(
                WdfRequestRetrieveInputBuffer,
                self.0,
                1,
                &raw mut buffer,
                &raw mut length
            );
            if status < 0 {
                return Err(status);
            }
            Ok(core::slice::from_raw_parts(buffer.cast_const().cast(), length))
        }
    }

    /// Completes a read or a control request with bytes.
    fn answer(self, bytes: &[u8]) {
        let (mut buffer, mut length): (PVOID, usize) = (core::ptr::null_mut(), 0);
        // SAFETY: as in `input`.
        let status = unsafe {
            call_unsafe_wdf_function_binding!(
                WdfRequestRetrieveOutputBuffer,
                self.0,
                1,
                &raw mut buffer,
                &raw mut length
            )
        };
        if status < 0 {
            self.complete(status, 0);
        } else if length < bytes.len() {
            self.complete(STATUS_BUFFER_TOO_SMALL, 0);
        } else {
            // SAFETY: the buffer has room for the bytes, which are not in it.
            unsafe { core::ptr::copy_nonoverlapping(bytes.as_ptr(), buffer.cast(), bytes.len()) };
            self.complete(STATUS_SUCCESS, bytes.len());
        }
    }
}

/// By a ticket the driver knows a request again that it has put in a queue.
struct Ticket(WDFREQUEST);

// SAFETY: it is a reference to an object of the framework's, which any thread may have.
unsafe impl Send for Ticket {}

impl Ticket {
    fn of(request: &Request) -> Self {
        // SAFETY: the request is valid. With the reference no other request can have this handle.
        unsafe {
            call_unsafe_wdf_function_binding!(
                WdfObjectReferenceActual,
                request.0.cast(),
                core::ptr::null_mut(),
                0,
                core::ptr::null()
            );
        }
        Self(request.0)
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        // SAFETY: the reference is this ticket's.
        unsafe {
            call_unsafe_wdf_function_binding!(
                WdfObjectDereferenceActual,
                self.0.cast(),
                core::ptr::null_mut(),
                0,
                core::ptr::null()
            );
        }
    }
}

/// A manual queue: what is in it waits, and the framework cancels it when the program wants that.
struct Queue(WDFQUEUE);

// SAFETY: queues of the framework's may be used from any thread.
unsafe impl Send for Queue {}
// SAFETY: as above.
unsafe impl Sync for Queue {}

impl Queue {
    fn push(&self, request: Request) {
        // SAFETY: the driver owns the request, and both belong to one device.
        let status =
            unsafe { call_unsafe_wdf_function_binding!(WdfRequestForwardToIoQueue, request.0, self.0) };
        if status < 0 {
            request.complete(status, 0); // the device is being removed
        }
    }

    fn pop(&self) -> Option<Request> {
        let mut request: WDFREQUEST = core::ptr::null_mut();
        // SAFETY: the queue is a manual one.
        let status = unsafe {
            call_unsafe_wdf_function_binding!(WdfIoQueueRetrieveNextRequest, self.0, &raw mut request)
        };
        (status == STATUS_SUCCESS).then_some(Request(request))
    }

    /// Takes the first request out that is wanted. There is none if it was cancelled, or if others
    /// took it.
    fn take(&self, wanted: impl Fn(WDFREQUEST) -> bool) -> Option<Request> {
        let mut after: Option<Ticket> = None;
        loop {
            let mut found: WDFREQUEST = core::ptr::null_mut();
            let previous = after.as_ref().map_or(core::ptr::null_mut(), |ticket| ticket.0);
            // SAFETY: the queue is a manual one; `previous` is none, or a request that is
            // referenced.
            let status = unsafe {
                call_unsafe_wdf_function_binding!(
                    WdfIoQueueFindRequest,
                    self.0,
                    previous,
                    core::ptr::null_mut(),
                    core::ptr::null_mut(),
                    &raw mut found
                )
            };
            match status {
                STATUS_SUCCESS => {}
                // The request to go on from has left the queue meanwhile: begin again.
                STATUS_NOT_FOUND if after.is_some() => {
                    after = None;
                    continue;
                }
                _ => return None,
            }
            let candidate = Ticket(found); // the framework has added a reference
            if wanted(found) {
                let mut request: WDFREQUEST = core::ptr::null_mut();
                // SAFETY: the request was found in this queue, and is referenced.
                let status = unsafe {
                    call_unsafe_wdf_function_binding!(
                        WdfIoQueueRetrieveFoundRequest,
                        self.0,
                        found,
                        &raw mut request
                    )
                };
                match status {
                    STATUS_SUCCESS => return Some(Request(request)),
                    // It was cancelled just now: begin again, for there may be another one.
                    STATUS_NOT_FOUND => {
                        after = None;
                        continue;
                    }
                    _ => return None,
                }
            }
            after = Some(candidate);
        }
    }

    fn is_empty(&self) -> bool {
        let mut queued: ULONG = 0;
        // SAFETY: the queue is valid; the count is a local, and the other one is not asked for.
        unsafe {
            let _ = call_unsafe_wdf_function_binding!(
                WdfIoQueueGetState,
                self.0,
                &raw mut queued,
                core::ptr::null_mut()
            );
        }
        queued == 0
    }

    /// Completes all that waits.
    fn end(&self, status: NTSTATUS) {
        while let Some(request) = self.pop() {
            request.complete(status, 0);
        }
    }
}

// ---- The link between the programs and the host. ----

/// What is sent: a copy of the message, and the ticket of the request that waits for the answer.
struct Sent {
    message: [u8; LONGEST],
    length: usize,
    ticket: Ticket,
    _place: Place,
}

impl Transaction for Sent {
    fn payload(&self) -> &[u8] {
        self.message.get(..self.length).unwrap_or(&[])
    }
}

/// One of the [`PACKETS`] that may be with the host.
struct Place(PoolArc<Link>);

impl Place {
    fn take(link: &PoolArc<Link>) -> Option<Self> {
        let more = |count| (count < PACKETS).then_some(count + 1);
        link.packets
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, more)
            .ok()?;
        Some(Self(link.clone()))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.packets.fetch_sub(1, Ordering::Relaxed);
    }
}

struct Letter {
    bytes: [u8; LONGEST],
    length: usize,
}

struct Link {
    /// Reads that wait for a message of the host's.
    reads: Queue,
    /// Writes and questions that wait for the channel, or for a packet.
    waiting: Queue,
    /// Writes and questions whose packet is with the host.
    sent: Queue,
    /// A message that waits for a reader.
    letter: SpinLock<Option<Letter>>,
    /// There from `started` to `suspended`.
    sender: SpinLock<Option<Sender<Client>>>,
    packets: AtomicU32,
    ticks: AtomicU32,
    removed: AtomicBool,
}

impl Link {
    /// A read comes: it waits until there is a message.
    fn read(&self, request: Request, irql: &mut impl Irql) {
        if self.removed.load(Ordering::Relaxed) {
            return request.complete(STATUS_DEVICE_REMOVED, 0);
        }
        self.reads.push(request);
        self.deliver(irql);
    }

    fn deliver(&self, irql: &mut impl Irql) {
        let both = self.letter.with(irql, |letter, _| {
            letter.as_ref()?;
            Some((self.reads.pop()?, letter.take()?))
        });
        // No request is completed under a spin lock.
        if let Some((reader, Letter { bytes, length })) = both {
            reader.answer(bytes.get(..length).unwrap_or(&[]));
        }
    }

    /// With what a request ends that the host has not answered.
    fn refusal(&self) -> NTSTATUS {
        if self.removed.load(Ordering::Relaxed) {
            STATUS_DEVICE_REMOVED
        } else {
            STATUS_DEVICE_NOT_CONNECTED
        }
    }

    /// The hardware is given back: nothing waits any more.
    fn end(&self) {
        for queue in [&self.reads, &self.waiting, &self.sent] {
            queue.end(self.refusal());
        }
    }
}

/// A write or a question comes: it waits until it can be sent.
fn submit(link: &PoolArc<Link>, request: Request, is_question: bool, irql: &mut impl Irql) {
    if link.removed.load(Ordering::Relaxed) {
        return request.complete(STATUS_DEVICE_REMOVED, 0);
    }
    match request.input() {
        Err(status) => return request.complete(status, 0),
        Ok(message) if message.len() > LONGEST => {
            return request.complete(STATUS_INVALID_BUFFER_SIZE, 0);
        }
        Ok(_) => {}
    }
    let since = link.ticks.load(Ordering::Relaxed);
    // SAFETY: the driver owns the request.
    *unsafe { waiting(request.0) } = Waiting { since, is_question };
    link.waiting.push(request);
    send_waiting(link, irql);
}

/// Sends what waits, as long as there is a channel and a packet for it.
fn send_waiting(link: &PoolArc<Link>, irql: &mut impl Irql) {
    loop {
        let sender = link.sender.with(irql, |sender, _| sender.clone());
        let Some(sender) = sender else { return };
        let Some(place) = Place::take(link) else {
            return;
        };
        let Some(request) = link.waiting.pop() else {
            drop(place);
            // Who put a request there while the place was taken has left it to this caller.
            if link.waiting.is_empty() {
                return;
            }
            continue;
        };
        if !send(link, request, place, &sender) {
            return; // the next tick or the next `started` tries again
        }
    }
}

/// Sends one request's message. False if the channel is closing, or there is no memory.
fn send(link: &PoolArc<Link>, request: Request, place: Place, sender: &Sender<Client>) -> bool {
    let mut sent = Sent {
        message: [0; LONGEST],
        length: 0,
        ticket: Ticket::of(&request),
        _place: place,
    };
    if let Ok(message) = request.input()
        && let Some(copy) = sent.message.get_mut(..message.len())
    {
        copy.copy_from_slice(message);
        sent.length = message.len();
    }
    let Ok(packet) = sender.transaction(sent) else {
        request.give_back();
        return false;
    };
    // First the queue, then the packet: the answer may come before the send has returned.
    link.sent.push(request);
    let Err(failed) = packet.send(Mode::Transact) else {
        return true;
    };
    // What was not sent can wait on, unless its packet has gone to `completed`, and the request
    // with it.
    if let Some(back) = failed.into_context()
        && let Some(request) = link.sent.take(|request| request == back.ticket.0)
    {
        link.waiting.push(request);
    }
    false
}

/// The host did not answer: a question may be asked again, of a write nobody knows whether it has
/// arrived.
fn unanswered(link: &Link, request: Request) {
    if request.is_question() && !link.removed.load(Ordering::Relaxed) {
        link.waiting.push(request);
    } else {
        request.complete(link.refusal(), 0);
    }
}

// ---- The channel's callbacks. ----

struct Client(PoolArc<Link>);

impl Handler for Client {
    type Transaction = Sent;

    fn started(&self, cx: &mut Context<'_, Self>) {
        let sender = cx.sender();
        self.0.sender.with(cx.irql(), |kept, _| *kept = Some(sender));
        send_waiting(&self.0, cx.irql());
    }

    fn suspended(&self, cx: &mut Context<'_, Self>) {
        let sender = self.0.sender.with(cx.irql(), |sender, _| sender.take());
        drop(sender);
    }

    fn completed(&self, cx: &mut Running<'_, Self>, done: Completed<'_, Self>) {
        let link = &self.0;
        let answered = done.status().is_success();
        let request = link.sent.take(|request| request == done.context().ticket.0);
        let mut bytes = [0; LONGEST];
        let length = done.reply().copy_to(&mut bytes);
        let message = done.context().length;
        drop(done); // the packet is free for the next request
        match request {
            // Cancelled, or it has waited too long: the answer comes too late.
            None => {}
            Some(request) if !answered => unanswered(link, request),
            Some(request) if request.is_question() => {
                request.answer(bytes.get(..length).unwrap_or(&[]));
            }
            Some(request) => request.complete(STATUS_SUCCESS, message),
        }
        if answered {
            send_waiting(link, cx.irql());
        }
    }

    fn process_packet<'c>(&self, cx: &mut Running<'c, Self>, packet: Incoming<'c, Self>) -> Disposition<'c> {
        let mut letter = Letter {
            bytes: [0; LONGEST],
            length: 0,
        };
        letter.length = packet.payload().copy_to(&mut letter.bytes);
        let fits = letter.length == packet.payload().len();
        let taken = self.0.letter.with(cx.irql(), |place, _| {
            let free = place.is_none() && fits;
            if free {
                *place = Some(letter);
            }
            free
        });
        if !taken {
            return packet.complete(b"refused!"); // the host sends it again later, or not at all
        }
        self.0.deliver(cx.irql());
        packet.complete(b"received")
    }
}

// ---- The device. ----

struct Device {
    link: PoolArc<Link>,
    channel: PassiveCell<ChannelSlot<Client>>,
    timer: WDFTIMER,
}

impl Device {
    /// Looks for requests that have waited too long.
    fn tick(&self, irql: &mut Dispatch<'_>) {
        let link = &self.link;
        let now = link.ticks.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
        // SAFETY: the request is in a queue of the driver's, and referenced meanwhile.
        let late = |request| now.wrapping_sub(unsafe { waiting(request) }.since) > PATIENCE;
        for queue in [&link.waiting, &link.sent] {
            while let Some(request) = queue.take(late) {
                request.complete(STATUS_IO_TIMEOUT, 0);
            }
        }
        send_waiting(link, irql);
    }

    /// # Safety
    ///
    /// `device` is this device's framework object, started by the system.
    unsafe fn prepare(&self, device: WDFDEVICE, irql: &mut Passive<'_>) -> Result<(), Error> {
        // SAFETY: the device is valid by the caller's word, and its physical device object outlives
        // the channel.
        let mut channel = unsafe {
            let interface = Interface::query(device, irql)?;
            let parent = call_unsafe_wdf_function_binding!(WdfDeviceWdmGetPhysicalDevice, device);
            interface.channel(parent, Client(self.link.clone()), irql)
        }?;
        channel.maximum_packet_size(256, irql)?.ring_pages(4, 4, irql)?;
        self.channel
            .with(irql, |slot, _| *slot = ChannelSlot::Configured(channel))
    }
}

// ---- The framework's callbacks. ----

unsafe extern "C" fn io_read(queue: WDFQUEUE, request: WDFREQUEST, _length: usize) {
    // SAFETY: the framework hands the request to the driver, at DISPATCH_LEVEL or below.
    unsafe {
        of_queue(queue)
            .link
            .read(Request(request), &mut Dispatch::assume())
    };
}

unsafe extern "C" fn io_write(queue: WDFQUEUE, request: WDFREQUEST, _length: usize) {
    // SAFETY: as above.
    unsafe {
        submit(
            &of_queue(queue).link,
            Request(request),
            false,
            &mut Dispatch::assume(),
        )
    };
}

unsafe extern "C" fn io_control(
    queue: WDFQUEUE,
    request: WDFREQUEST,
    _output: usize,
    _input: usize,
    code: ULONG,
) {
    let request = Request(request);
    if code != IOCTL_ASK {
        return request.complete(STATUS_INVALID_DEVICE_REQUEST, 0);
    }
    // SAFETY: as above.
    unsafe { submit(&of_queue(queue).link, request, true, &mut Dispatch::assume()) };
}

unsafe extern "C" fn timer_ticks(timer: WDFTIMER) {
    // SAFETY: the timer's parent is a device of this driver's; timer callbacks run at
    // DISPATCH_LEVEL.
    unsafe {
        let device = call_unsafe_wdf_function_binding!(WdfTimerGetParentObject, timer);
        context(device).tick(&mut Dispatch::assume());
    }
}

unsafe extern "C" fn d0_entry(device: WDFDEVICE, _from: WDF_POWER_DEVICE_STATE) -> NTSTATUS {
    // SAFETY: the framework calls this for a device of this driver's, at PASSIVE_LEVEL.
    unsafe {
        let device = context(device.cast());
        let _ = call_unsafe_wdf_function_binding!(WdfTimerStart, device.timer, -10_000 * i64::from(TICK));
        status_of(device.channel.with(&mut Passive::assume(), ChannelSlot::enable).flatten())
    }
}

unsafe extern "C" fn d0_exit(device: WDFDEVICE, _to: WDF_POWER_DEVICE_STATE) -> NTSTATUS {
    // SAFETY: as above.
    unsafe {
        let device = context(device.cast());
        let _ = call_unsafe_wdf_function_binding!(WdfTimerStop, device.timer, 1);
        // It does not wait for the host's answers: packets that the host has come back unanswered.
        status_of(device.channel.with(&mut Passive::assume(), ChannelSlot::disable))
    }
}

unsafe extern "C" fn surprise_removal(device: WDFDEVICE) {
    // Only noted here: this callback is not synchronized with the power-down path, which follows.
    // SAFETY: as above.
    let link = unsafe { &context(device.cast()).link };
    link.removed.store(true, Ordering::Relaxed);
}

unsafe extern "C" fn release_hardware(device: WDFDEVICE, _translated: WDFCMRESLIST) -> NTSTATUS {
    // SAFETY: as above.
    let (device, mut irql) = unsafe { (context(device.cast()), Passive::assume()) };
    let done = device
        .channel
        .with(&mut irql, |slot, _| *slot = ChannelSlot::Empty);
    device.link.end();
    status_of(done)
}

unsafe extern "C" fn prepare_hardware(
    device: WDFDEVICE,
    _raw: WDFCMRESLIST,
    _translated: WDFCMRESLIST,
) -> NTSTATUS {
    // SAFETY: as above.
    status_of(unsafe { context(device.cast()).prepare(device, &mut Passive::assume()) })
}

unsafe extern "C" fn device_add(_driver: WDFDRIVER, init: PWDFDEVICE_INIT) -> NTSTATUS {
    // SAFETY: the framework calls this at PASSIVE_LEVEL, with the `init` of a new device.
    status_of(unsafe { add(init) }.map_err(Error::from))
}

/// Makes the device, its queues, its timer and its interface.
///
/// # Safety
///
/// As `device_add` is called.
unsafe fn add(mut init: PWDFDEVICE_INIT) -> Result<(), Status> {
    let mut callbacks = WDF_PNPPOWER_EVENT_CALLBACKS {
        Size: size::<WDF_PNPPOWER_EVENT_CALLBACKS>(),
        EvtDevicePrepareHardware: Some(prepare_hardware),
        EvtDeviceReleaseHardware: Some(release_hardware),
        EvtDeviceD0Entry: Some(d0_entry),
        EvtDeviceD0Exit: Some(d0_exit),
        EvtDeviceSurpriseRemoval: Some(surprise_removal),
        ..WDF_PNPPOWER_EVENT_CALLBACKS::default()
    };
    let mut of_request = attributes(&WAITING);
    let mut of_device = attributes(&KEPT);
    of_device.EvtCleanupCallback = Some(cleanup);
    let mut device: WDFDEVICE = core::ptr::null_mut();
    // SAFETY: PASSIVE_LEVEL, with the `init` of this call. What was made before an error is deleted
    // with the device.
    unsafe {
        call_unsafe_wdf_function_binding!(WdfDeviceInitSetPnpPowerEventCallbacks, init, &raw mut callbacks);
        call_unsafe_wdf_function_binding!(WdfDeviceInitSetRequestAttributes, init, &raw mut of_request);
        checked(call_unsafe_wdf_function_binding!(
            WdfDeviceCreate,
            &raw mut init,
            &raw mut of_device,
            &raw mut device
        ))?;
        let link = Link {
            reads: manual_queue(device)?,
            waiting: manual_queue(device)?,
            sent: manual_queue(device)?,
            letter: SpinLock::new(None),
            sender: SpinLock::new(None),
            packets: AtomicU32::new(0),
            ticks: AtomicU32::new(0),
            removed: AtomicBool::new(false),
        };
        let value = Device {
            link: PoolArc::try_new(link, TAG).map_err(Error::from)?,
            channel: PassiveCell::try_new(ChannelSlot::Empty, TAG)?,
            timer: new_timer(device)?,
        };
        let kept = typed_context::<Kept>(device.cast(), &KEPT);
        (*kept).value.write(value);
        (*kept).there = true;
        front_queue(device)?;
        checked(call_unsafe_wdf_function_binding!(
            WdfDeviceCreateDeviceInterface,
            device,
            &raw const INTERFACE,
            core::ptr::null()
        ))
    }
}

/// A queue in which requests wait while the device sleeps, too.
///
/// # Safety
///
/// `device` is the device that is being made. `PASSIVE_LEVEL`.
unsafe fn manual_queue(device: WDFDEVICE) -> Result<Queue, Status> {
    // SAFETY: as the caller says.
    unsafe {
        new_queue(
            device,
            WDF_IO_QUEUE_CONFIG {
                DispatchType: _WDF_IO_QUEUE_DISPATCH_TYPE::WdfIoQueueDispatchManual,
                PowerManaged: _WDF_TRI_STATE::WdfFalse,
                ..WDF_IO_QUEUE_CONFIG::default()
            },
        )
    }
}

/// The queue by which requests come, while the device is in its working state. It has no
/// `EvtIoStop`: each callback completes its request or forwards it to a manual queue, so that the
/// driver owns none when the device leaves that state.
///
/// # Safety
///
/// As for `manual_queue`; the device's value is in its context.
unsafe fn front_queue(device: WDFDEVICE) -> Result<(), Status> {
    let mut config = WDF_IO_QUEUE_CONFIG {
        DispatchType: _WDF_IO_QUEUE_DISPATCH_TYPE::WdfIoQueueDispatchParallel,
        PowerManaged: _WDF_TRI_STATE::WdfTrue,
        DefaultQueue: 1,
        EvtIoRead: Some(io_read),
        EvtIoWrite: Some(io_write),
        EvtIoDeviceControl: Some(io_control),
        ..WDF_IO_QUEUE_CONFIG::default()
    };
    config.Settings.Parallel.NumberOfPresentedRequests = ULONG::MAX;
    // SAFETY: as the caller says.
    unsafe { new_queue(device, config) }.map(drop)
}

/// # Safety
///
/// As for `manual_queue`.
unsafe fn new_queue(device: WDFDEVICE, mut config: WDF_IO_QUEUE_CONFIG) -> Result<Queue, Status> {
    config.Size = size::<WDF_IO_QUEUE_CONFIG>();
    let mut queue: WDFQUEUE = core::ptr::null_mut();
    // SAFETY: as the caller says.
    checked(unsafe {
        call_unsafe_wdf_function_binding!(
            WdfIoQueueCreate,
            device,
            &raw mut config,
            WDF_NO_OBJECT_ATTRIBUTES,
            &raw mut queue
        )
    })?;
    Ok(Queue(queue))
}

/// # Safety
///
/// As for `manual_queue`.
unsafe fn new_timer(device: WDFDEVICE) -> Result<WDFTIMER, Status> {
    let mut config = WDF_TIMER_CONFIG {
        Size: size::<WDF_TIMER_CONFIG>(),
        EvtTimerFunc: Some(timer_ticks),
        Period: TICK,
        ..WDF_TIMER_CONFIG::default()
    };
    let mut attributes = WDF_OBJECT_ATTRIBUTES {
        ContextTypeInfo: core::ptr::null(),
        ParentObject: device.cast(),
        ..attributes(&KEPT)
    };
    let mut timer: WDFTIMER = core::ptr::null_mut();
    // SAFETY: as the caller says.
    checked(unsafe {
        call_unsafe_wdf_function_binding!(
            WdfTimerCreate,
            &raw mut config,
            &raw mut attributes,
            &raw mut timer
        )
    })?;
    Ok(timer)
}

// ---- Contexts, and where the driver begins: as in the guide's first driver. ----

/// What is kept with a device. The framework fills a context with zeros: nothing is there.
#[repr(C)]
struct Kept {
    there: bool,
    value: MaybeUninit<Device>,
}

/// What is kept with a request.
#[repr(C)]
struct Waiting {
    /// The tick at which it came.
    since: u32,
    is_question: bool,
}

struct ContextType(WDF_OBJECT_CONTEXT_TYPE_INFO);
// SAFETY: it is never written, and its pointers lead to constants.
unsafe impl Sync for ContextType {}

static KEPT: ContextType = ContextType(WDF_OBJECT_CONTEXT_TYPE_INFO {
    Size: size::<WDF_OBJECT_CONTEXT_TYPE_INFO>(),
    ContextName: c"Device".as_ptr(),
    ContextSize: size_of::<Kept>(),
    UniqueType: (&raw const KEPT).cast(),
    EvtDriverGetUniqueContextType: None,
});

static WAITING: ContextType = ContextType(WDF_OBJECT_CONTEXT_TYPE_INFO {
    Size: size::<WDF_OBJECT_CONTEXT_TYPE_INFO>(),
    ContextName: c"Waiting".as_ptr(),
    ContextSize: size_of::<Waiting>(),
    UniqueType: (&raw const WAITING).cast(),
    EvtDriverGetUniqueContextType: None,
});

/// # Safety
///
/// `object` is valid and has a context of this type, which is a `T`.
unsafe fn typed_context<T>(object: WDFOBJECT, kind: &'static ContextType) -> *mut T {
    // SAFETY: as the caller says.
    unsafe { call_unsafe_wdf_function_binding!(WdfObjectGetTypedContextWorker, object, &raw const kind.0) }
        .cast()
}

/// # Safety
///
/// `request` is a request of the device's, valid for as long as the result is used.
unsafe fn waiting<'a>(request: WDFREQUEST) -> &'a mut Waiting {
    // SAFETY: each request has such a context, of zeros at first. It is written once, by the owner,
    // before anybody else looks.
    unsafe { &mut *typed_context(request.cast(), &WAITING) }
}

/// # Safety
///
/// `object` is a device of this driver's that `device_add` has made.
unsafe fn context<'a>(object: WDFOBJECT) -> &'a Device {
    // SAFETY: as the caller says; the value is there until the device's cleanup.
    unsafe { (*typed_context::<Kept>(object, &KEPT)).value.assume_init_ref() }
}

/// # Safety
///
/// `queue` is a queue of a device of this driver's, in its callback.
unsafe fn of_queue<'a>(queue: WDFQUEUE) -> &'a Device {
    // SAFETY: as the caller says.
    unsafe { context(call_unsafe_wdf_function_binding!(WdfIoQueueGetDevice, queue).cast()) }
}

unsafe extern "C" fn cleanup(device: WDFOBJECT) {
    // SAFETY: the framework calls this once, last, and nobody uses the value any more.
    unsafe {
        let kept = &mut *typed_context::<Kept>(device, &KEPT);
        if kept.there {
            kept.value.assume_init_drop();
        }
    }
}

fn attributes(kind: &'static ContextType) -> WDF_OBJECT_ATTRIBUTES {
    WDF_OBJECT_ATTRIBUTES {
        Size: size::<WDF_OBJECT_ATTRIBUTES>(),
        ExecutionLevel: _WDF_EXECUTION_LEVEL::WdfExecutionLevelInheritFromParent,
        SynchronizationScope: _WDF_SYNCHRONIZATION_SCOPE::WdfSynchronizationScopeInheritFromParent,
        ContextTypeInfo: &raw const kind.0,
        ..WDF_OBJECT_ATTRIBUTES::default()
    }
}

const fn checked(status: NTSTATUS) -> Result<(), Status> {
    if status < 0 { Err(Status(status)) } else { Ok(()) }
}

const fn status_of(result: Result<(), Error>) -> NTSTATUS {
    match result {
        Ok(()) => STATUS_SUCCESS,
        Err(error) => error.status().0,
    }
}

const fn size<T>() -> u32 {
    size_of::<T>() as u32
}

// SAFETY: the framework's own entry calls what has this name, with these arguments.
#[unsafe(export_name = "DriverEntry")]
unsafe extern "system" fn driver_entry(
    driver: *mut DRIVER_OBJECT,
    registry_path: PCUNICODE_STRING,
) -> NTSTATUS {
    let mut config = WDF_DRIVER_CONFIG {
        Size: size::<WDF_DRIVER_CONFIG>(),
        EvtDriverDeviceAdd: Some(device_add),
        DriverPoolTag: u32::from_le_bytes(*b"Rqst"),
        ..WDF_DRIVER_CONFIG::default()
    };
    // SAFETY: the arguments are DriverEntry's, at PASSIVE_LEVEL.
    unsafe {
        call_unsafe_wdf_function_binding!(
            WdfDriverCreate,
            driver,
            registry_path,
            WDF_NO_OBJECT_ATTRIBUTES,
            &raw mut config,
            WDF_NO_HANDLE.cast()
        )
    }
}

// ---- Guests for it, on any machine. ----

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use ntsim::io::{File, Pending, Process};
use ntsim::vmbus::{HostChannel, HostError, HostPacketKind, Offer};
use ntsim::{Config, DriverImage, Machine, System};

/// Answers everything; of a message it makes a letter to the guest.
fn serve(channel: &HostChannel) -> Result<(), HostError> {
    loop {
        let packet = channel.recv()?;
        if packet.kind != HostPacketKind::Completion {
            channel.complete(packet.transaction, &packet.payload)?;
            if packet.payload.first() != Some(&b'?') {
                channel.send(&packet.payload, true)?;
            }
        }
    }
}

/// A guest with the device started. The host holds whatever comes, and answers nothing, the first
/// `silent` times that the channel is open.
fn guest(seed: u64, silent: u32, life: impl FnOnce(&System, u32) + Send + 'static) {
    Machine::run(Config::with_seed(seed), move |system| {
        let image = DriverImage {
            name: "requests".to_owned(),
            entry: driver_entry,
            hardware_ids: vec![r"VMBUS\{52717374-0001-0002-7271-737472717374}".to_owned()],
            parameters: Vec::new(),
        };
        let driver = system.load_driver(image).expect("the driver loads");
        let offer = system.offer(Offer::new(INTERFACE, INTERFACE), move |channel| {
            let mut opened = 0;
            while channel.wait_open() {
                opened += 1;
                if opened > silent {
                    let _closed = serve(&channel);
                }
                channel.wait_closed();
            }
        });
        let device = offer.pdo().expect("the bus driver has made a device").id;
        system.wait_started(device).expect("the device starts");
        life(system, device);
        let leaks = system.unload_driver(driver).expect("the driver unloads");
        assert!(leaks.is_empty(), "{leaks:?}");
    })
    // A machine that waits for ever ends the test, as a bug check does.
    .expect_finished();
}

/// Runs a program with the device open, and `meanwhile`.
fn program(system: &System, program: impl FnOnce(&Process, File) + 'static, meanwhile: impl FnOnce(&System)) {
    let ended = Rc::new(Cell::new(false));
    let end = ended.clone();
    let process = system.spawn_process("program", move |process| {
        let file = process.open(&INTERFACE).expect("the device can be opened");
        program(process, file);
        end.set(true);
    });
    system.sleep(Duration::from_millis(10));
    meanwhile(system);
    process.join();
    assert!(ended.get(), "the program has come to its end");
}

fn everything_is_answered(_: &Process, file: File) {
    assert_eq!(file.write(b"a letter"), Ok(8));
    assert_eq!(file.read(LONGEST).as_deref(), Ok(&b"a letter"[..]));
    assert_eq!(
        file.ioctl(IOCTL_ASK, b"?, host!", 8).as_deref(),
        Ok(&b"?, host!"[..])
    );
}

fn a_silent_host_is_given_up(process: &Process, file: File) {
    // Cancelled by the program, while the host has the packet.
    let question = file.start_ioctl(IOCTL_ASK, b"?1......", 8).expect("a request");
    process.sleep(Duration::from_millis(1));
    assert!(question.cancel());
    assert_eq!(question.wait().status, STATUS_CANCELLED);
    // Given up by the driver: more questions than it has packets for.
    let questions: Vec<_> = (0..2 * PACKETS)
        .map(|_| file.start_ioctl(IOCTL_ASK, b"?2......", 8).expect("a request"))
        .collect();
    for question in questions {
        assert_eq!(question.wait().status, STATUS_IO_TIMEOUT);
    }
}

fn a_question_outlives_a_power_cycle(_: &Process, file: File) {
    let question = file.start_ioctl(IOCTL_ASK, b"?3......", 8).expect("a request");
    let message = file.start_write(b"a letter").expect("a request");
    let read = file.start_read(LONGEST).expect("a request");
    // The host that wakes up with the guest answers. Of the write it is not known whether it has
    // arrived.
    assert_eq!(question.wait().data, b"?3......");
    assert_eq!(message.wait().status, STATUS_DEVICE_NOT_CONNECTED);
    assert_eq!(file.write(b"a letter"), Ok(8));
    assert_eq!(read.wait().data, b"a letter");
}

/// One request of each kind; the host answers none of them.
fn one_of_each(file: &File) -> [Pending; 3] {
    [
        file.start_ioctl(IOCTL_ASK, b"?4......", 8),
        file.start_write(b"a letter"),
        file.start_read(LONGEST),
    ]
    .map(|request| request.expect("a request"))
}

fn all_end_when_the_handle_is_closed(process: &Process, file: File) {
    let requests = one_of_each(&file);
    process.sleep(Duration::from_millis(1));
    drop(file);
    for request in requests {
        assert_eq!(request.wait().status, STATUS_CANCELLED);
    }
}

fn all_end_when_the_device_is_stopped(_: &Process, file: File) {
    for request in one_of_each(&file) {
        assert_eq!(request.wait().status, STATUS_DEVICE_NOT_CONNECTED);
    }
}

fn all_end_when_the_device_is_pulled_out(_: &Process, file: File) {
    for request in one_of_each(&file) {
        assert_eq!(request.wait().status, STATUS_DEVICE_REMOVED);
    }
}

fn main() {
    for seed in 1..=20 {
        guest(seed, 0, |system, _| {
            program(system, everything_is_answered, |_| {})
        });
        guest(seed, 1, |system, _| {
            program(system, a_silent_host_is_given_up, |_| {})
        });
        guest(seed, 1, |system, device| {
            program(system, a_question_outlives_a_power_cycle, |system| {
                system.power_down(device).expect("the device sleeps");
                system.power_up(device).expect("the device wakes up");
            });
        });
        guest(seed, 1, |system, _| {
            program(system, all_end_when_the_handle_is_closed, |_| {})
        });
        guest(seed, 1, |system, device| {
            program(system, all_end_when_the_device_is_stopped, |system| {
                system.rebalance(device).expect("the device has other resources");
            });
        });
        guest(seed, 1, |system, device| {
            program(system, all_end_when_the_device_is_pulled_out, |system| {
                system.surprise_remove(device).expect("the device is pulled out");
            });
        });
    }
}
