//! Driver images: loading, which devices they serve, unloading, and the checks that unloading
//! brings.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use wdk_sys_lite::{
    _DRIVER_OBJECT, NT_SUCCESS, NTSTATUS, PCUNICODE_STRING, PDRIVER_OBJECT, STATUS_DEVICE_BUSY,
    STATUS_OBJECT_NAME_NOT_FOUND, UNICODE_STRING, WDF_DRIVER_CONFIG,
};

use crate::bugcheck::{StopCode, bug_check};
use crate::call_driver;
use crate::kernel::{DriverId, Leak, kernel};
use crate::machine::System;
use crate::pnp::{self, Pdo};
use crate::wdf;
use crate::wdf::object::{self, Object};

/// `DriverEntry`.
pub type DriverEntry = unsafe extern "system" fn(PDRIVER_OBJECT, PCUNICODE_STRING) -> NTSTATUS;

/// A driver as its package describes it.
#[derive(Clone)]
pub struct DriverImage {
    /// The service's name.
    pub name: String,
    /// The image's entry point.
    pub entry: DriverEntry,
    /// The hardware ids of the devices that it serves, as its INF lists them.
    pub hardware_ids: Vec<String>,
    /// Values of type `REG_DWORD` under the service's `Parameters` key.
    pub parameters: Vec<(String, u32)>,
}

/// A string as the kernel counts it, in memory of its own.
pub(crate) struct CountedString {
    buffer: Box<[u16]>,
    header: UNICODE_STRING,
}

impl CountedString {
    /// With a terminating zero behind what is counted.
    pub(crate) fn new(text: &str) -> Self {
        let mut buffer: Vec<u16> = text.encode_utf16().collect();
        let bytes = u16::try_from(buffer.len() * 2).expect("a short string");
        buffer.push(0);
        let mut buffer = buffer.into_boxed_slice();
        let header = UNICODE_STRING {
            Length: bytes,
            MaximumLength: bytes + 2,
            Buffer: buffer.as_mut_ptr(),
        };
        Self { buffer, header }
    }

    pub(crate) fn header(&self) -> UNICODE_STRING {
        self.header
    }

    fn pointer(&self) -> PCUNICODE_STRING {
        &raw const self.header
    }

    pub(crate) fn characters(&self) -> *mut u16 {
        self.buffer.as_ptr().cast_mut()
    }
}

/// A loaded driver.
pub(crate) struct Driver {
    pub(crate) id: DriverId,
    pub(crate) image: DriverImage,
    wdm: RefCell<Box<_DRIVER_OBJECT>>,
    pub(crate) registry_path: CountedString,
    /// What it gave `WdfDriverCreate`.
    pub(crate) config: Cell<Option<WDF_DRIVER_CONFIG>>,
}

impl Driver {
    pub(crate) fn driver_object(&self) -> PDRIVER_OBJECT {
        &raw mut **self.wdm.borrow_mut()
    }
}

/// The drivers of a machine.
#[derive(Default)]
pub struct State {
    loaded: RefCell<BTreeMap<DriverId, Rc<Driver>>>,
    unloaded: RefCell<BTreeMap<DriverId, String>>,
    next: Cell<u32>,
}

pub(crate) fn by_id(id: DriverId) -> Option<Rc<Driver>> {
    kernel().drivers.loaded.borrow().get(&id).cloned()
}

/// The name of a driver, for people.
#[must_use]
pub fn name_of(id: DriverId) -> String {
    by_id(id).map_or_else(|| format!("{id:?}"), |driver| driver.image.name.clone())
}

/// Stops the machine if a driver that has been unloaded is about to be called: its image is gone.
pub(crate) fn check_loaded(id: DriverId, function: &str) {
    let name = kernel().drivers.unloaded.borrow().get(&id).cloned();
    if let Some(name) = name {
        bug_check(
            StopCode::DRIVER_UNLOADED_WITHOUT_CANCELLING_PENDING_OPERATIONS,
            [0, 0, 0, 0],
            format!("{function} of {name} was to be called after the driver was unloaded"),
        );
    }
}

/// The driver for a hardware id; ids do not distinguish case.
pub(crate) fn for_hardware(hardware_id: &str) -> Option<Rc<Driver>> {
    kernel()
        .drivers
        .loaded
        .borrow()
        .values()
        .find(|driver| {
            driver.config.get().is_some()
                && driver
                    .image
                    .hardware_ids
                    .iter()
                    .any(|id| id.eq_ignore_ascii_case(hardware_id))
        })
        .cloned()
}

/// Calls `EvtDriverDeviceAdd` for a device. If that succeeds the device is [`Pdo::device`], unless
/// the driver made none.
pub(crate) fn add_device(driver: &Rc<Driver>, pdo: &Rc<Pdo>) -> NTSTATUS {
    let callback = driver
        .config
        .get()
        .and_then(|config| config.EvtDriverDeviceAdd);
    let object = kernel().wdf.drivers.borrow().get(&driver.id).cloned();
    let (Some(callback), Some(object)) = (callback, object) else {
        return STATUS_OBJECT_NAME_NOT_FOUND;
    };
    let init = wdf::device_init::create(driver.id, pdo);
    // SAFETY: the driver registered the callback with `WdfDriverCreate`; handle and init live until
    // it returns.
    let status = unsafe {
        call_driver!(
            driver.id,
            "EvtDriverDeviceAdd",
            callback(object.handle(), init.pointer())
        )
    };
    drop(init);
    if !NT_SUCCESS(status)
        && let Some(device) = pdo.device()
    {
        pdo.set_device(None);
        wdf::power::removed(&device);
    }
    status
}

fn load(image: DriverImage) -> Result<DriverId, NTSTATUS> {
    let state = &kernel().drivers;
    let id = DriverId(state.next.get() + 1);
    state.next.set(id.0);
    let registry_path = CountedString::new(&format!(
        r"\Registry\Machine\System\CurrentControlSet\Services\{}",
        image.name
    ));
    let driver = Rc::new(Driver {
        id,
        image,
        wdm: RefCell::default(),
        registry_path,
        config: Cell::new(None),
    });
    let parameters = wdf::registry::parameters_path(&driver.image.name);
    let registry = &kernel().wdf.registry;
    registry.create_key(&parameters);
    for (name, value) in &driver.image.parameters {
        registry.set(&parameters, name, wdf::registry::Value::dword(*value));
    }
    state.loaded.borrow_mut().insert(id, Rc::clone(&driver));
    let entry = driver.image.entry;
    // SAFETY: the image's entry point, called as the I/O manager calls it; both arguments live
    // while the driver is loaded.
    let status = unsafe {
        call_driver!(
            id,
            "DriverEntry",
            entry(driver.driver_object(), driver.registry_path.pointer())
        )
    };
    if NT_SUCCESS(status) {
        for pdo in kernel().pnp.pdos() {
            pnp::arrive(&pdo);
        }
        return Ok(id);
    }
    dismantle(id);
    Err(status)
}

fn unload(id: DriverId) -> Result<Vec<Leak>, NTSTATUS> {
    let driver = by_id(id).ok_or(STATUS_OBJECT_NAME_NOT_FOUND)?;
    pnp::remove_all_of(id)?;
    if kernel()
        .pnp
        .pdos()
        .iter()
        .any(|pdo| pdo.device().is_some_and(|object| object.driver == id))
    {
        return Err(STATUS_DEVICE_BUSY);
    }
    let unload = driver
        .config
        .get()
        .and_then(|config| config.EvtDriverUnload);
    let object = kernel().wdf.drivers.borrow().get(&id).cloned();
    if let (Some(unload), Some(object)) = (unload, object) {
        // SAFETY: the driver registered the callback with `WdfDriverCreate`; no device of its own
        // is left.
        unsafe { call_driver!(id, "EvtDriverUnload", unload(object.handle())) };
    }
    Ok(dismantle(id))
}

/// Deletes the framework's driver object and looks for what the driver has left behind.
fn dismantle(id: DriverId) -> Vec<Leak> {
    let object = kernel().wdf.drivers.borrow().get(&id).cloned();
    if let Some(object) = object {
        object::delete(&object);
    }
    object::wait_for_disposals(id);
    kernel().wdf.drivers.borrow_mut().remove(&id);
    let leaks = kernel().leaks(id);
    let name = name_of(id);
    if kernel().config.verifier
        && let Some(first) = leaks.first()
    {
        report(&name, first, &leaks);
    }
    kernel().drivers.loaded.borrow_mut().remove(&id);
    kernel().drivers.unloaded.borrow_mut().insert(id, name);
    leaks
}

/// Driver Verifier's stop code for a leak: pool has its own; what could still call into the
/// unloaded image is another.
pub(crate) fn report(name: &str, first: &Leak, leaks: &[Leak]) {
    let list: Vec<String> = leaks
        .iter()
        .map(|leak| format!("{} ({})", leak.kind, leak.what))
        .collect();
    let message = format!("{name} was unloaded and left: {}", list.join("; "));
    let count = leaks.len() as u64;
    match first.kind {
        "timer" | "DPC" | "work item" | "thread" => bug_check(
            StopCode::DRIVER_UNLOADED_WITHOUT_CANCELLING_PENDING_OPERATIONS,
            [0, 0, 0, 0],
            message,
        ),
        "object reference" | "object" => bug_check(
            StopCode::WDF_VIOLATION,
            [wdf::violation::OBJECT_ERROR, 0, 0, count],
            message,
        ),
        // 0x62: the driver has forgotten to free what it allocated before its unload.
        _ => bug_check(
            StopCode::DRIVER_VERIFIER_DETECTED_VIOLATION,
            [0x62, 0, 0, count],
            message,
        ),
    }
}

/// The framework object of a loaded driver.
pub(crate) fn set_object(id: DriverId, object: Rc<Object>) {
    kernel().wdf.drivers.borrow_mut().insert(id, object);
}

impl System {
    /// Loads a driver and gives it the devices that it serves.
    ///
    /// # Errors
    ///
    /// What `DriverEntry` failed with.
    pub fn load_driver(&self, image: DriverImage) -> Result<DriverId, NTSTATUS> {
        kernel().pnp.perform(move || load(image))
    }

    /// Removes a driver's devices and unloads it. Returns what it has left behind; with the
    /// verifier any of it is a bug check.
    ///
    /// # Errors
    ///
    /// `STATUS_DEVICE_BUSY` while a device of its is open, what `EvtDeviceQueryRemove` failed with,
    /// and `STATUS_OBJECT_NAME_NOT_FOUND` if it is not loaded.
    pub fn unload_driver(&self, driver: DriverId) -> Result<Vec<Leak>, NTSTATUS> {
        kernel().pnp.perform(move || unload(driver))
    }
}
