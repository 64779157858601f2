//! Framework devices: what a driver sets up in `EvtDriverDeviceAdd`, and what the rest of the
//! framework knows of one.
//!
//! The calls themselves are in `device_api` and `device_init`; what happens to a device over its
//! life is in `power`.

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::BTreeMap;
use std::rc::{Rc, Weak};

use wdk_sys_lite::{
    _WDF_DEVICE_IO_TYPE, _WDF_POWER_DEVICE_STATE, GUID, PDEVICE_OBJECT, PFN_WDF_DEVICE_FILE_CREATE,
    PFN_WDF_FILE_CLEANUP, PFN_WDF_FILE_CLOSE, PFN_WDF_IO_IN_CALLER_CONTEXT, WDF_DEVICE_IO_TYPE,
    WDF_FILEOBJECT_CLASS, WDF_PNPPOWER_EVENT_CALLBACKS, WDF_POWER_DEVICE_STATE,
    WDF_POWER_POLICY_EVENT_CALLBACKS, WDF_REQUEST_TYPE, WDF_TRI_STATE, WDFCMRESLIST,
};

use crate::kernel::{DriverId, kernel};
use crate::pnp::Pdo;
use crate::sched::Key;

use super::object::{Attributes, Body, Kind, Object};

/// `WDF_FILEOBJECT_CONFIG`, with the attributes of the file objects to come.
#[derive(Clone)]
pub struct FileConfig {
    /// `EvtDeviceFileCreate`.
    pub create: PFN_WDF_DEVICE_FILE_CREATE,
    /// `EvtFileClose`.
    pub close: PFN_WDF_FILE_CLOSE,
    /// `EvtFileCleanup`.
    pub cleanup: PFN_WDF_FILE_CLEANUP,
    /// `AutoForwardCleanupClose`.
    pub auto_forward_cleanup_close: WDF_TRI_STATE,
    /// `FileObjectClass`.
    pub class: WDF_FILEOBJECT_CLASS,
    /// What each file object is created with.
    pub attributes: Attributes,
}

/// What a driver has set in a `WDFDEVICE_INIT`.
#[derive(Clone)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "each is a function of the framework's that sets it"
)]
pub struct Settings {
    /// `WdfDeviceInitSetPnpPowerEventCallbacks`.
    pub pnp_power: WDF_PNPPOWER_EVENT_CALLBACKS,
    /// `WdfDeviceInitSetPowerPolicyEventCallbacks`.
    pub power_policy: WDF_POWER_POLICY_EVENT_CALLBACKS,
    /// `WdfDeviceInitSetFileObjectConfig`.
    pub file: Option<FileConfig>,
    /// `WdfDeviceInitSetRequestAttributes`.
    pub request_attributes: Attributes,
    /// How buffers of reads and writes reach the driver.
    pub read_write_io: WDF_DEVICE_IO_TYPE,
    /// How buffers of device controls that leave it open reach the driver.
    pub device_control_io: WDF_DEVICE_IO_TYPE,
    /// `WdfDeviceInitSetIoInCallerContextCallback`.
    pub in_caller_context: PFN_WDF_IO_IN_CALLER_CONTEXT,
    /// Only one handle at a time.
    pub exclusive: bool,
    /// `DEVICE_OBJECT.DeviceType`.
    pub device_type: u32,
    /// `DEVICE_OBJECT.Characteristics`.
    pub characteristics: u32,
    /// The device's name in the object manager.
    pub name: Option<String>,
    /// The security descriptor in SDDL.
    pub sddl: Option<String>,
    /// `WdfDeviceInitSetDeviceClass` was called.
    pub has_class: bool,
    /// Whether the power callbacks may touch pageable memory.
    pub power_pageable: bool,
    /// `WdfReleaseHardwareOrderOnFailureAfterDescendants` was chosen. A device without children
    /// sees no difference.
    pub release_after_descendants: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            pnp_power: WDF_PNPPOWER_EVENT_CALLBACKS::default(),
            power_policy: WDF_POWER_POLICY_EVENT_CALLBACKS::default(),
            file: None,
            request_attributes: Attributes::default(),
            read_write_io: _WDF_DEVICE_IO_TYPE::WdfDeviceIoBuffered,
            device_control_io: _WDF_DEVICE_IO_TYPE::WdfDeviceIoBuffered,
            in_caller_context: None,
            exclusive: false,
            device_type: wdk_sys_lite::FILE_DEVICE_UNKNOWN,
            characteristics: wdk_sys_lite::FILE_DEVICE_SECURE_OPEN,
            name: None,
            sddl: None,
            has_class: false,
            power_pageable: true,
            release_after_descendants: false,
        }
    }
}

/// Where a device is in plug and play.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PnpState {
    /// Created in `EvtDriverDeviceAdd`.
    Added,
    /// `EvtDevicePrepareHardware` or the first power up is under way.
    Starting,
    /// In use.
    Started,
    /// The driver has agreed to stop.
    QueryStopPending,
    /// Stopped for a rebalance.
    Stopped,
    /// The driver has agreed to removal.
    QueryRemovePending,
    /// Being removed in an orderly way.
    Removing,
    /// Failed or surprise-removed; waits for the removal.
    Failed,
    /// Removed.
    Removed,
}

/// A device interface that the driver has registered.
#[derive(Clone)]
pub struct Interface {
    /// The interface class.
    pub class: GUID,
    /// The reference string.
    pub reference: Option<String>,
    /// Whether the framework enables it when the device starts.
    pub automatic: bool,
    /// Whether it can be opened.
    pub enabled: bool,
}

/// A framework device object's body: a functional device object (FDO) on top of a bus's device.
pub struct Device {
    /// Whose it is.
    pub driver: DriverId,
    /// The bus's device below.
    pub pdo: Rc<Pdo>,
    /// What the driver has set up.
    pub settings: Settings,
    /// Power-managed queues that are made now run at once.
    pub(crate) queues_run: Cell<bool>,
    /// Queues that are made now accept nothing: the device is going.
    pub(crate) queues_shut_down: Cell<bool>,
    /// The interfaces, in the order of their creation.
    pub interfaces: RefCell<Vec<Interface>>,
    /// Symbolic links that lead to the device.
    pub symbolic_links: RefCell<Vec<String>>,
    /// The default queue, once there is one.
    pub default_queue: RefCell<Option<Rc<Object>>>,
    /// Which queue gets which type of request (`WdfDeviceConfigureRequestDispatching`); the default
    /// queue gets the others.
    pub routing: RefCell<BTreeMap<WDF_REQUEST_TYPE, Rc<Object>>>,
    pub(crate) pnp_state: Cell<PnpState>,
    pub(crate) power_state: Cell<WDF_POWER_DEVICE_STATE>,
    pub(crate) self_managed_io: Cell<super::power::SelfManagedIo>,
    pub(crate) failed_action: Cell<Option<bool>>,
    pub(crate) resource_lists: RefCell<Vec<Rc<Object>>>,
    pub(crate) io_target: RefCell<Option<Rc<Object>>>,
    object: OnceCell<Weak<Object>>,
    address: usize,
    files: Cell<u32>,
    key: Key,
}

impl Device {
    pub(crate) fn new(
        driver: DriverId,
        pdo: Rc<Pdo>,
        settings: Settings,
        device_object: PDEVICE_OBJECT,
    ) -> Self {
        Self {
            driver,
            pdo,
            settings,
            queues_run: Cell::new(false),
            queues_shut_down: Cell::new(false),
            interfaces: RefCell::default(),
            symbolic_links: RefCell::default(),
            default_queue: RefCell::default(),
            routing: RefCell::default(),
            pnp_state: Cell::new(PnpState::Added),
            power_state: Cell::new(_WDF_POWER_DEVICE_STATE::WdfPowerDeviceD3Final),
            self_managed_io: Cell::default(),
            failed_action: Cell::new(None),
            resource_lists: RefCell::default(),
            io_target: RefCell::default(),
            object: OnceCell::new(),
            address: device_object.expose_provenance(),
            files: Cell::new(0),
            key: kernel()
                .sched
                .new_key_for("a change of the device's power state"),
        }
    }

    pub(crate) fn set_object(&self, object: &Rc<Object>) {
        // A device gets its object once, right after both are made.
        let _ = self.object.set(Rc::downgrade(object));
    }

    /// The framework object; none once it is destroyed.
    #[must_use]
    pub fn object(&self) -> Option<Rc<Object>> {
        self.object.get().and_then(Weak::upgrade)
    }

    /// The `DEVICE_OBJECT` of this device.
    #[must_use]
    pub fn device_object(&self) -> PDEVICE_OBJECT {
        std::ptr::with_exposed_provenance_mut(self.address)
    }

    /// Where the device is in plug and play.
    #[must_use]
    pub fn pnp_state(&self) -> PnpState {
        self.pnp_state.get()
    }

    /// The device power state.
    #[must_use]
    pub fn power_state(&self) -> WDF_POWER_DEVICE_STATE {
        self.power_state.get()
    }

    /// Whether the device is in its working state.
    #[must_use]
    pub fn in_d0(&self) -> bool {
        self.power_state.get() == _WDF_POWER_DEVICE_STATE::WdfPowerDeviceD0
    }

    /// Whether the I/O manager may open a handle to it: started, and its removal not yet begun.
    #[must_use]
    pub fn accepts_opens(&self) -> bool {
        matches!(
            self.pnp_state.get(),
            PnpState::Started | PnpState::QueryStopPending | PnpState::Stopped
        )
    }

    /// The queue for requests of a type: the configured one, else the default queue.
    #[must_use]
    pub fn queue_for(&self, request_type: WDF_REQUEST_TYPE) -> Option<Rc<Object>> {
        let routed = self.routing.borrow().get(&request_type).cloned();
        routed.or_else(|| self.default_queue.borrow().clone())
    }

    /// A file object was opened on the device. Its removal waits for [`Device::file_closed`].
    pub fn file_opened(&self) {
        self.files.set(self.files.get() + 1);
    }

    /// A file object of the device was closed: its close callback has run.
    pub fn file_closed(&self) {
        self.files.set(self.files.get().saturating_sub(1));
        kernel().sched.wake(self.key);
        if self.files.get() == 0 {
            crate::pnp::last_file_closed(&self.pdo);
        }
    }

    /// How many file objects are open.
    #[must_use]
    pub fn open_files(&self) -> u32 {
        self.files.get()
    }

    /// A key that is woken whenever the device's state changes.
    #[must_use]
    pub fn key(&self) -> Key {
        self.key
    }

    /// The raw and the translated resource list. Devices on VMBus have no resources, so both are
    /// empty.
    pub(crate) fn resources(&self) -> (WDFCMRESLIST, WDFCMRESLIST) {
        let lists = self.resource_lists.borrow();
        let handle = |index: usize| {
            lists
                .get(index)
                .map_or(std::ptr::null_mut(), |list| list.handle())
        };
        (handle(0), handle(1))
    }

    pub(crate) fn set_pnp_state(&self, state: PnpState) {
        self.pnp_state.set(state);
        kernel().sched.wake(self.key);
    }

    /// Enables the interfaces that the framework enables by itself.
    pub(crate) fn enable_interfaces(&self) {
        for interface in &mut *self.interfaces.borrow_mut() {
            interface.enabled |= interface.automatic;
        }
    }

    /// Disables all.
    pub(crate) fn disable_interfaces(&self) {
        for interface in &mut *self.interfaces.borrow_mut() {
            interface.enabled = false;
        }
    }

    /// Whether interfaces can be enabled now: from the device's start to its removal.
    pub(crate) fn interfaces_can_be_enabled(&self) -> bool {
        !matches!(
            self.pnp_state.get(),
            PnpState::Added
                | PnpState::Starting
                | PnpState::Failed
                | PnpState::Removed
                | PnpState::Removing
        )
    }
}

impl Body for Device {
    fn destroyed(&self, _object: &Object) {
        kernel().pnp.delete_device_object(self.device_object());
    }
}

/// The device behind a WDFDEVICE handle.
#[must_use]
pub fn of(handle: wdk_sys_lite::WDFDEVICE) -> Rc<Device> {
    super::object::of(handle, Kind::Device).body()
}

/// Whether two GUIDs are the same.
#[must_use]
pub fn same_guid(one: &GUID, other: &GUID) -> bool {
    (one.Data1, one.Data2, one.Data3, one.Data4)
        == (other.Data1, other.Data2, other.Data3, other.Data4)
}

/// The devices with an enabled interface of a class, in the order of their arrival.
#[must_use]
pub fn by_interface(class: &GUID) -> Vec<Rc<Object>> {
    kernel()
        .pnp
        .pdos()
        .iter()
        .filter_map(|pdo| pdo.device())
        .filter(|object| {
            let device = object.body::<Device>();
            device
                .interfaces
                .borrow()
                .iter()
                .any(|interface| interface.enabled && same_guid(&interface.class, class))
        })
        .collect()
}
