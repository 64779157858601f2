//! A driver made of closures, on a bus with one device, and a process that uses it.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use ntsim::io::Process;
use ntsim::pnp::{Bus, Pdo};
use ntsim::{BugCheck, Config, DriverImage, Machine, Report, System};
use wdk_sys::{
    _WDF_EXECUTION_LEVEL, _WDF_IO_QUEUE_DISPATCH_TYPE as Dispatch, _WDF_SYNCHRONIZATION_SCOPE,
    _WDF_TRI_STATE, GUID, NT_SUCCESS, NTSTATUS, PCUNICODE_STRING, PDRIVER_OBJECT, PINTERFACE,
    PVOID, PWDFDEVICE_INIT, STATUS_NOT_SUPPORTED, STATUS_SUCCESS, ULONG, WDF_DRIVER_CONFIG,
    WDF_IO_QUEUE_CONFIG, WDF_OBJECT_ATTRIBUTES, WDFCONTEXT, WDFDEVICE, WDFDRIVER, WDFFILEOBJECT,
    WDFQUEUE, WDFREQUEST, call_unsafe_wdf_function_binding,
};
use wdk_sys_lite as wdk_sys;

/// Calls a function of the framework's.
macro_rules! wdf {
    ($name:ident $(, $argument:expr)* $(,)?) => {{
        #[allow(unused_unsafe, reason = "a call may be an argument of another one")]
        // SAFETY: the handles are the framework's own, or wrong on purpose; pointers lead to locals
        // of the right type.
        unsafe { wdk_sys_lite::call_unsafe_wdf_function_binding!($name $(, $argument)*) }
    }};
}
pub(crate) use wdf;

pub static INTERFACE: GUID = GUID {
    Data1: 0x8765_4321,
    Data2: 1,
    Data3: 2,
    Data4: [8, 7, 6, 5, 4, 3, 2, 1],
};

const HARDWARE_ID: &str = r"TEST\{io}";

/// A callback of the driver's: the object, the request or the second handle, and up to three
/// numbers.
type Handler = Rc<dyn Fn(PVOID, PVOID, [usize; 3])>;

thread_local! {
    static HANDLERS: RefCell<BTreeMap<&'static str, Handler>> = const { RefCell::new(BTreeMap::new()) };
    static LOG: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
    static DEVICE: Cell<WDFDEVICE> = const { Cell::new(std::ptr::null_mut()) };
}

/// From now on the driver does this in a callback.
pub fn on(name: &'static str, handler: impl Fn(PVOID, PVOID, [usize; 3]) + 'static) {
    HANDLERS.with_borrow_mut(|handlers| handlers.insert(name, Rc::new(handler)));
}

/// What was noted since the last call.
pub fn take_log() -> Vec<String> {
    LOG.take()
}

/// Notes something.
pub fn note(what: impl Into<String>) {
    LOG.with_borrow_mut(|log| log.push(what.into()));
}

/// The device, once it is made.
pub fn device() -> WDFDEVICE {
    DEVICE.get()
}

fn handle(name: &'static str, first: PVOID, second: PVOID, numbers: [usize; 3]) {
    note(name);
    let handler = HANDLERS.with_borrow(|handlers| handlers.get(name).cloned());
    if let Some(handler) = handler {
        handler(first, second, numbers);
    }
}

pub unsafe extern "C" fn io_read(queue: WDFQUEUE, request: WDFREQUEST, length: usize) {
    handle("read", queue, request, [length, 0, 0]);
}

pub unsafe extern "C" fn io_write(queue: WDFQUEUE, request: WDFREQUEST, length: usize) {
    handle("write", queue, request, [length, 0, 0]);
}

pub unsafe extern "C" fn io_control(
    queue: WDFQUEUE,
    request: WDFREQUEST,
    output: usize,
    input: usize,
    code: ULONG,
) {
    handle("control", queue, request, [output, input, code as usize]);
}

pub unsafe extern "C" fn io_default(queue: WDFQUEUE, request: WDFREQUEST) {
    handle("default", queue, request, [0; 3]);
}

pub unsafe extern "C" fn io_stop(queue: WDFQUEUE, request: WDFREQUEST, flags: ULONG) {
    handle("stop", queue, request, [flags as usize, 0, 0]);
}

pub unsafe extern "C" fn io_resume(queue: WDFQUEUE, request: WDFREQUEST) {
    handle("resume", queue, request, [0; 3]);
}

pub unsafe extern "C" fn canceled_on_queue(queue: WDFQUEUE, request: WDFREQUEST) {
    handle("canceled on queue", queue, request, [0; 3]);
}

pub unsafe extern "C" fn request_cancel(request: WDFREQUEST) {
    handle("cancel", request, request, [0; 3]);
}

pub unsafe extern "C" fn queue_state(queue: WDFQUEUE, context: WDFCONTEXT) {
    handle("state", queue, context, [0; 3]);
}

pub unsafe extern "C" fn file_create(device: WDFDEVICE, request: WDFREQUEST, file: WDFFILEOBJECT) {
    handle("create", file, request, [device.addr(), 0, 0]);
}

pub unsafe extern "C" fn file_cleanup(file: WDFFILEOBJECT) {
    handle("cleanup", file, file, [0; 3]);
}

pub unsafe extern "C" fn file_close(file: WDFFILEOBJECT) {
    handle("close", file, file, [0; 3]);
}

pub unsafe extern "C" fn in_caller_context(device: WDFDEVICE, request: WDFREQUEST) {
    handle("caller context", device, request, [0; 3]);
}

#[allow(
    clippy::cast_possible_truncation,
    reason = "the framework's structures are small"
)]
pub const fn size_in_u32<T>() -> u32 {
    size_of::<T>() as u32
}

/// `WDF_OBJECT_ATTRIBUTES_INIT`.
pub fn attributes() -> WDF_OBJECT_ATTRIBUTES {
    WDF_OBJECT_ATTRIBUTES {
        Size: size_in_u32::<WDF_OBJECT_ATTRIBUTES>(),
        ExecutionLevel: _WDF_EXECUTION_LEVEL::WdfExecutionLevelInheritFromParent,
        SynchronizationScope: _WDF_SYNCHRONIZATION_SCOPE::WdfSynchronizationScopeInheritFromParent,
        ..WDF_OBJECT_ATTRIBUTES::default()
    }
}

/// `WDF_IO_QUEUE_CONFIG_INIT` without callbacks.
pub fn bare(dispatch: i32) -> WDF_IO_QUEUE_CONFIG {
    let mut config = WDF_IO_QUEUE_CONFIG {
        Size: size_in_u32::<WDF_IO_QUEUE_CONFIG>(),
        DispatchType: dispatch,
        PowerManaged: _WDF_TRI_STATE::WdfUseDefault,
        ..WDF_IO_QUEUE_CONFIG::default()
    };
    if dispatch == Dispatch::WdfIoQueueDispatchParallel {
        config.Settings.Parallel.NumberOfPresentedRequests = u32::MAX;
    }
    config
}

/// A default queue with every callback but `EvtIoDefault` and those for stop and resume.
pub fn queue_config(dispatch: i32) -> WDF_IO_QUEUE_CONFIG {
    let mut config = bare(dispatch);
    config.DefaultQueue = 1;
    if dispatch != Dispatch::WdfIoQueueDispatchManual {
        config.EvtIoRead = Some(io_read);
        config.EvtIoWrite = Some(io_write);
        config.EvtIoDeviceControl = Some(io_control);
    }
    config
}

/// Makes a queue.
pub fn try_create_queue(
    device: WDFDEVICE,
    mut config: WDF_IO_QUEUE_CONFIG,
) -> Result<WDFQUEUE, NTSTATUS> {
    let mut queue = std::ptr::null_mut();
    let status = wdf!(
        WdfIoQueueCreate,
        device,
        &raw mut config,
        std::ptr::null_mut(),
        &raw mut queue
    );
    if NT_SUCCESS(status) {
        Ok(queue)
    } else {
        Err(status)
    }
}

pub fn create_queue(device: WDFDEVICE, config: WDF_IO_QUEUE_CONFIG) -> WDFQUEUE {
    try_create_queue(device, config).expect("the queue can be made")
}

/// The driver makes one default queue when its device is added.
pub fn default_queue(config: WDF_IO_QUEUE_CONFIG) {
    on("add", move |device, _, _| {
        create_queue(device, config);
    });
}

pub fn complete(request: WDFREQUEST, status: NTSTATUS) {
    wdf!(WdfRequestComplete, request, status);
}

pub fn complete_with(request: WDFREQUEST, status: NTSTATUS, information: u64) {
    wdf!(
        WdfRequestCompleteWithInformation,
        request,
        status,
        information
    );
}

/// The output buffer of a request, if it has at least `minimum` bytes.
pub fn output(request: WDFREQUEST, minimum: usize) -> Result<&'static mut [u8], NTSTATUS> {
    let mut buffer = std::ptr::null_mut();
    let mut length = 0;
    let status = wdf!(
        WdfRequestRetrieveOutputBuffer,
        request,
        minimum,
        &raw mut buffer,
        &raw mut length
    );
    if !NT_SUCCESS(status) {
        return Err(status);
    }
    // SAFETY: the framework gave `length` bytes, which a test uses while the request is not
    // completed.
    Ok(unsafe { std::slice::from_raw_parts_mut(buffer.cast(), length) })
}

/// The input buffer of a request, if it has at least `minimum` bytes.
pub fn input(request: WDFREQUEST, minimum: usize) -> Result<&'static [u8], NTSTATUS> {
    let mut buffer = std::ptr::null_mut();
    let mut length = 0;
    let status = wdf!(
        WdfRequestRetrieveInputBuffer,
        request,
        minimum,
        &raw mut buffer,
        &raw mut length
    );
    if !NT_SUCCESS(status) {
        return Err(status);
    }
    // SAFETY: the framework gave `length` bytes, which a test uses while the request is not
    // completed.
    Ok(unsafe { std::slice::from_raw_parts(buffer.cast(), length) })
}

/// A place for requests that the driver keeps.
pub type Kept = Rc<RefCell<Vec<WDFREQUEST>>>;

pub fn kept() -> Kept {
    Kept::default()
}

/// The driver keeps what a callback gives it.
pub fn keep(name: &'static str, kept: &Kept) {
    let kept = Rc::clone(kept);
    on(name, move |_, request, _| kept.borrow_mut().push(request));
}

/// The oldest request that the driver keeps.
pub fn take(kept: &Kept) -> WDFREQUEST {
    kept.borrow_mut().remove(0)
}

/// Waits until the driver keeps a request.
pub fn wait_for(system: &System, kept: &Kept) -> WDFREQUEST {
    while kept.borrow().is_empty() {
        system.sleep(std::time::Duration::from_micros(1));
    }
    take(kept)
}

/// Does something as the driver would in a thread of its own: the framework wants to know who
/// calls.
pub fn as_driver<R>(act: impl FnOnce() -> R) -> R {
    let driver = ntsim::wdf::object::any(device()).driver;
    let call = ntsim::export::enter_driver(driver, "a thread of the driver's");
    let result = act();
    call.leave();
    result
}

unsafe extern "system" fn driver_entry(driver: PDRIVER_OBJECT, path: PCUNICODE_STRING) -> NTSTATUS {
    let mut config = WDF_DRIVER_CONFIG {
        Size: size_in_u32::<WDF_DRIVER_CONFIG>(),
        EvtDriverDeviceAdd: Some(device_add),
        ..WDF_DRIVER_CONFIG::default()
    };
    // SAFETY: the arguments are DriverEntry's own and a local configuration.
    unsafe {
        call_unsafe_wdf_function_binding!(
            WdfDriverCreate,
            driver,
            path,
            std::ptr::null_mut(),
            &raw mut config,
            std::ptr::null_mut()
        )
    }
}

unsafe extern "C" fn device_add(_driver: WDFDRIVER, mut init: PWDFDEVICE_INIT) -> NTSTATUS {
    handle("init", init.cast(), std::ptr::null_mut(), [0; 3]);
    let mut device = std::ptr::null_mut();
    let mut own = attributes();
    let status = wdf!(
        WdfDeviceCreate,
        &raw mut init,
        &raw mut own,
        &raw mut device
    );
    if !NT_SUCCESS(status) {
        return status;
    }
    DEVICE.set(device);
    let status = wdf!(
        WdfDeviceCreateDeviceInterface,
        device,
        &raw const INTERFACE,
        std::ptr::null()
    );
    if NT_SUCCESS(status) {
        handle("add", device, std::ptr::null_mut(), [0; 3]);
    }
    status
}

struct TestBus;

impl Bus for TestBus {
    fn query_interface(
        &self,
        _pdo: &Rc<Pdo>,
        _interface_type: &GUID,
        _size: u16,
        _version: u16,
        _interface: PINTERFACE,
        _data: PVOID,
    ) -> NTSTATUS {
        STATUS_NOT_SUPPORTED
    }

    fn removed(&self, _pdo: &Rc<Pdo>) {}
}

/// A machine with the driver loaded and its device started.
pub struct Bench<'a> {
    pub system: &'a System,
    pub pdo: u32,
}

impl Bench<'_> {
    /// Runs a process to its end.
    pub fn process(&self, program: impl FnOnce(&Process) + 'static) {
        self.system.spawn_process("process", program).join();
    }
}

/// Runs a machine: `set_up` says what the driver does, `act` what happens then; after it the driver
/// is unloaded.
pub fn run_with<R: Send + 'static>(
    config: Config,
    set_up: impl FnOnce() + Send + 'static,
    act: impl FnOnce(&Bench) -> R + Send + 'static,
) -> Report<R> {
    Machine::run(config, move |system| {
        set_up();
        let image = DriverImage {
            name: "tester".to_owned(),
            entry: driver_entry,
            hardware_ids: vec![HARDWARE_ID.to_owned()],
            parameters: Vec::new(),
        };
        let driver = system.load_driver(image).expect("the driver loads");
        let pdo = ntsim::kernel::kernel().pnp.report(
            HARDWARE_ID.to_owned(),
            "0".to_owned(),
            Rc::new(TestBus),
        );
        system.wait_started(pdo.id).expect("the device starts");
        take_log();
        let result = act(&Bench {
            system,
            pdo: pdo.id,
        });
        system.settle_devices();
        system
            .unload_driver(driver)
            .expect("the driver can be unloaded");
        result
    })
}

/// Runs a machine on twenty seeds; it must end well on each.
pub fn works<R: Any + Send>(
    set_up: impl FnOnce() + Clone + Send + 'static,
    act: impl FnOnce(&Bench) -> R + Clone + Send + 'static,
) {
    for seed in 1..=20 {
        run_with(Config::with_seed(seed), set_up.clone(), act.clone()).expect_finished();
    }
}

/// Runs a machine whose driver breaks a rule; the bug check.
pub fn breaks(
    set_up: impl FnOnce() + Send + 'static,
    program: impl FnOnce(&Process) + Send + 'static,
) -> BugCheck {
    run_with(Config::default(), set_up, |bench| bench.process(program)).expect_bug_check()
}

/// What a write's driver does by default: takes everything.
pub fn take_writes() {
    on("write", |_, request, numbers| {
        complete_with(request, STATUS_SUCCESS, numbers[0] as u64);
    });
}
