//! A driver whose every callback is noted and can be told to fail or to do something, on a bus with
//! one kind of device.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use ntsim::pnp::{Bus, Pdo};
use ntsim::{BugCheck, Config, DriverImage, Machine, Report, System};
use wdk_sys::{
    _WDF_EXECUTION_LEVEL, _WDF_SYNCHRONIZATION_SCOPE, GUID, NT_SUCCESS, NTSTATUS, PCUNICODE_STRING,
    PCWDF_OBJECT_CONTEXT_TYPE_INFO, PDRIVER_OBJECT, PINTERFACE, PVOID, PWDFDEVICE_INIT,
    STATUS_NOT_SUPPORTED, STATUS_SUCCESS, WDF_DRIVER_CONFIG, WDF_OBJECT_ATTRIBUTES,
    WDF_OBJECT_CONTEXT_TYPE_INFO, WDF_PNPPOWER_EVENT_CALLBACKS, WDF_POWER_DEVICE_STATE,
    WDFCMRESLIST, WDFDEVICE, WDFDRIVER, WDFOBJECT, call_unsafe_wdf_function_binding,
};
use wdk_sys_lite as wdk_sys;

pub type Hook = Rc<dyn Fn(&str, WDFOBJECT)>;

thread_local! {
    static LOG: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
    static STATUSES: RefCell<BTreeMap<&'static str, NTSTATUS>> = const { RefCell::new(BTreeMap::new()) };
    static HOOK: RefCell<Option<Hook>> = const { RefCell::new(None) };
    static REMOVED: Cell<u32> = const { Cell::new(0) };
    static LEVEL_AND_SCOPE: Cell<Option<(i32, i32)>> = const { Cell::new(None) };
}

pub static INTERFACE: GUID = GUID {
    Data1: 0x1234_5678,
    Data2: 1,
    Data3: 2,
    Data4: [1, 2, 3, 4, 5, 6, 7, 8],
};

/// A structure's size, for its `Size` member.
#[allow(
    clippy::cast_possible_truncation,
    reason = "the framework's structures are small"
)]
pub const fn size_in_u32<T>() -> u32 {
    size_of::<T>() as u32
}

pub const HARDWARE_ID: &str = r"TEST\{one}";

/// Notes an event of the driver's, lets the test act in it, and says what the callback returns.
pub fn event(name: &str, handle: WDFOBJECT) -> NTSTATUS {
    LOG.with_borrow_mut(|log| log.push(name.to_owned()));
    let hook = HOOK.with_borrow(Clone::clone);
    if let Some(hook) = hook {
        hook(name, handle);
    }
    STATUSES.with_borrow(|statuses| statuses.get(name).copied().unwrap_or(STATUS_SUCCESS))
}

/// From now on a callback returns this.
pub fn returns(name: &'static str, status: NTSTATUS) {
    STATUSES.with_borrow_mut(|statuses| statuses.insert(name, status));
}

/// From now on devices are made with this execution level and synchronization scope.
pub fn synchronise(level: i32, scope: i32) {
    LEVEL_AND_SCOPE.set(Some((level, scope)));
}

/// Does something in each callback.
pub fn hook(hook: impl Fn(&str, WDFOBJECT) + 'static) {
    HOOK.set(Some(Rc::new(hook)));
}

/// Does something in one callback.
pub fn in_callback(wanted: &'static str, act: impl Fn(WDFOBJECT) + 'static) {
    hook(move |name, handle| {
        if name == wanted {
            act(handle);
        }
    });
}

/// What was noted since the last call.
pub fn take_log() -> Vec<String> {
    LOG.take()
}

/// How often the bus was told that a stack is gone.
pub fn stacks_removed() -> u32 {
    REMOVED.get()
}

macro_rules! callbacks {
    ($($name:ident($($argument:ident: $type:ty),*);)*) => {$(
        #[allow(non_snake_case, reason = "the framework's own name")]
        unsafe extern "C" fn $name(device: WDFDEVICE $(, $argument: $type)*) -> NTSTATUS {
            $(let _ = $argument;)*
            event(stringify!($name), device)
        }
    )*};
    (void $($name:ident;)*) => {$(
        #[allow(non_snake_case, reason = "the framework's own name")]
        unsafe extern "C" fn $name(device: WDFDEVICE) {
            event(stringify!($name), device);
        }
    )*};
}

callbacks! {
    PrepareHardware(raw: WDFCMRESLIST, translated: WDFCMRESLIST);
    ReleaseHardware(translated: WDFCMRESLIST);
    D0Entry(previous: WDF_POWER_DEVICE_STATE);
    D0EntryPostInterruptsEnabled(previous: WDF_POWER_DEVICE_STATE);
    D0Exit(target: WDF_POWER_DEVICE_STATE);
    D0ExitPreInterruptsDisabled(target: WDF_POWER_DEVICE_STATE);
    SelfManagedIoInit();
    SelfManagedIoSuspend();
    SelfManagedIoRestart();
    QueryRemove();
    QueryStop();
}

callbacks! { void
    SelfManagedIoFlush;
    SelfManagedIoCleanup;
    SurpriseRemoval;
}

pub unsafe extern "C" fn device_cleanup(device: WDFOBJECT) {
    event("DeviceCleanup", device);
}

pub unsafe extern "C" fn device_destroy(device: WDFOBJECT) {
    event("DeviceDestroy", device);
}

/// A context type of some size.
pub struct ContextType(WDF_OBJECT_CONTEXT_TYPE_INFO);

// SAFETY: its pointers lead to constants.
unsafe impl Sync for ContextType {}

impl ContextType {
    pub const fn new(bytes: usize) -> Self {
        Self(WDF_OBJECT_CONTEXT_TYPE_INFO {
            Size: size_in_u32::<WDF_OBJECT_CONTEXT_TYPE_INFO>(),
            ContextName: c"Context".as_ptr(),
            ContextSize: bytes,
            UniqueType: std::ptr::null(),
            EvtDriverGetUniqueContextType: None,
        })
    }

    pub fn info(&'static self) -> PCWDF_OBJECT_CONTEXT_TYPE_INFO {
        &raw const self.0
    }
}

pub static DEVICE_CONTEXT: ContextType = ContextType::new(24);

/// `WDF_OBJECT_ATTRIBUTES_INIT`.
pub fn attributes() -> WDF_OBJECT_ATTRIBUTES {
    WDF_OBJECT_ATTRIBUTES {
        Size: size_in_u32::<WDF_OBJECT_ATTRIBUTES>(),
        ExecutionLevel: _WDF_EXECUTION_LEVEL::WdfExecutionLevelInheritFromParent,
        SynchronizationScope: _WDF_SYNCHRONIZATION_SCOPE::WdfSynchronizationScopeInheritFromParent,
        ..WDF_OBJECT_ATTRIBUTES::default()
    }
}

pub fn driver_config() -> WDF_DRIVER_CONFIG {
    WDF_DRIVER_CONFIG {
        Size: size_in_u32::<WDF_DRIVER_CONFIG>(),
        EvtDriverDeviceAdd: Some(device_add),
        EvtDriverUnload: Some(driver_unload),
        ..WDF_DRIVER_CONFIG::default()
    }
}

/// Calls `WdfDriverCreate` with a configuration.
pub unsafe fn create_driver(
    driver: PDRIVER_OBJECT,
    path: PCUNICODE_STRING,
    mut config: WDF_DRIVER_CONFIG,
) -> NTSTATUS {
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

pub unsafe extern "system" fn driver_entry(
    driver: PDRIVER_OBJECT,
    path: PCUNICODE_STRING,
) -> NTSTATUS {
    // SAFETY: the arguments are DriverEntry's own.
    let status = unsafe { create_driver(driver, path, driver_config()) };
    if NT_SUCCESS(status) {
        return event("DriverEntry", std::ptr::null_mut());
    }
    status
}

unsafe extern "C" fn driver_unload(driver: WDFDRIVER) {
    event("DriverUnload", driver);
}

/// The callbacks that the test driver sets.
pub fn pnp_power() -> WDF_PNPPOWER_EVENT_CALLBACKS {
    WDF_PNPPOWER_EVENT_CALLBACKS {
        Size: size_in_u32::<WDF_PNPPOWER_EVENT_CALLBACKS>(),
        EvtDeviceD0Entry: Some(D0Entry),
        EvtDeviceD0EntryPostInterruptsEnabled: Some(D0EntryPostInterruptsEnabled),
        EvtDeviceD0Exit: Some(D0Exit),
        EvtDeviceD0ExitPreInterruptsDisabled: Some(D0ExitPreInterruptsDisabled),
        EvtDevicePrepareHardware: Some(PrepareHardware),
        EvtDeviceReleaseHardware: Some(ReleaseHardware),
        EvtDeviceSelfManagedIoCleanup: Some(SelfManagedIoCleanup),
        EvtDeviceSelfManagedIoFlush: Some(SelfManagedIoFlush),
        EvtDeviceSelfManagedIoInit: Some(SelfManagedIoInit),
        EvtDeviceSelfManagedIoSuspend: Some(SelfManagedIoSuspend),
        EvtDeviceSelfManagedIoRestart: Some(SelfManagedIoRestart),
        EvtDeviceSurpriseRemoval: Some(SurpriseRemoval),
        EvtDeviceQueryRemove: Some(QueryRemove),
        EvtDeviceQueryStop: Some(QueryStop),
        ..WDF_PNPPOWER_EVENT_CALLBACKS::default()
    }
}

unsafe extern "C" fn device_add(_driver: WDFDRIVER, mut init: PWDFDEVICE_INIT) -> NTSTATUS {
    let before = event("DeviceInit", init.cast());
    if !NT_SUCCESS(before) {
        return before;
    }
    let mut callbacks = pnp_power();
    let mut own = attributes();
    own.EvtCleanupCallback = Some(device_cleanup);
    own.EvtDestroyCallback = Some(device_destroy);
    own.ContextTypeInfo = DEVICE_CONTEXT.info();
    if let Some((level, scope)) = LEVEL_AND_SCOPE.get() {
        own.ExecutionLevel = level;
        own.SynchronizationScope = scope;
    }
    let mut device = std::ptr::null_mut();
    // SAFETY: the init is the framework's, the structures are local.
    let status = unsafe {
        call_unsafe_wdf_function_binding!(
            WdfDeviceInitSetPnpPowerEventCallbacks,
            init,
            &raw mut callbacks
        );
        call_unsafe_wdf_function_binding!(
            WdfDeviceCreate,
            &raw mut init,
            &raw mut own,
            &raw mut device
        )
    };
    if !NT_SUCCESS(status) {
        return status;
    }
    // SAFETY: the device was just made; the GUID is a constant.
    let status = unsafe {
        call_unsafe_wdf_function_binding!(
            WdfDeviceCreateDeviceInterface,
            device,
            &raw const INTERFACE,
            std::ptr::null()
        )
    };
    if !NT_SUCCESS(status) {
        return status;
    }
    event("DeviceAdd", device)
}

pub struct TestBus;

impl Bus for TestBus {
    fn query_interface(
        &self,
        _pdo: &Rc<Pdo>,
        interface_type: &GUID,
        size: u16,
        _version: u16,
        interface: PINTERFACE,
        _data: PVOID,
    ) -> NTSTATUS {
        if interface_type.Data1 != INTERFACE.Data1 {
            return STATUS_NOT_SUPPORTED;
        }
        // SAFETY: the framework vouches for `size` writable bytes, which are an INTERFACE at least.
        unsafe {
            (*interface).Size = size;
            (*interface).Version = 7;
        }
        STATUS_SUCCESS
    }

    fn removed(&self, _pdo: &Rc<Pdo>) {
        REMOVED.set(REMOVED.get() + 1);
    }
}

pub fn image() -> DriverImage {
    DriverImage {
        name: "tester".to_owned(),
        entry: driver_entry,
        hardware_ids: vec![HARDWARE_ID.to_owned()],
        parameters: vec![("Answer".to_owned(), 42)],
    }
}

pub fn plug_in() -> Rc<Pdo> {
    ntsim::kernel::kernel()
        .pnp
        .report(HARDWARE_ID.to_owned(), "0".to_owned(), Rc::new(TestBus))
}

/// Loads the driver, starts one device, removes it, unloads: the life that `prepare` has set traps
/// in.
pub fn life(system: &System) {
    let driver = system.load_driver(image()).expect("the driver loads");
    let pdo = plug_in();
    let started = system.wait_started(pdo.id);
    if started.is_ok() {
        system
            .remove_device(pdo.id)
            .expect("the device can be removed");
    }
    system
        .unload_driver(driver)
        .expect("the driver can be unloaded");
}

/// Runs [`life`] on several seeds; it must end well on each.
pub fn lives(prepare: impl Fn() + Send + Sync + Clone + 'static) {
    for seed in 1..=20 {
        let prepare = prepare.clone();
        Machine::run(Config::with_seed(seed), move |system| {
            prepare();
            life(system);
        })
        .expect_finished();
    }
}

/// Runs [`life`] with a driver that does something wrong; returns the bug check.
pub fn breaks(prepare: impl FnOnce() + Send + 'static) -> BugCheck {
    run(prepare).expect_bug_check()
}

pub fn run(prepare: impl FnOnce() + Send + 'static) -> Report<()> {
    Machine::run(Config::default(), move |system| {
        prepare();
        life(system);
    })
}

/// Runs something inside `EvtDeviceAdd`, as a driver with a device would; the machine ends well.
pub fn in_driver(act: impl Fn(WDFDEVICE) + Send + Sync + Clone + 'static) {
    lives(move || in_callback("DeviceAdd", act.clone()));
}

/// The same for a driver that breaks a rule there.
pub fn driver_breaks(act: impl Fn(WDFDEVICE) + Send + 'static) -> BugCheck {
    breaks(move || in_callback("DeviceAdd", act))
}

pub fn create_object(attributes: &mut WDF_OBJECT_ATTRIBUTES) -> Result<WDFOBJECT, NTSTATUS> {
    let mut object = std::ptr::null_mut();
    // SAFETY: both are local, and the attributes' callbacks and types are constants.
    let status = unsafe {
        call_unsafe_wdf_function_binding!(
            WdfObjectCreate,
            std::ptr::from_mut(attributes),
            &raw mut object
        )
    };
    if NT_SUCCESS(status) {
        Ok(object)
    } else {
        Err(status)
    }
}
