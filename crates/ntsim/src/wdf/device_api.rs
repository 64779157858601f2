//! The functions that drivers call on their driver object and their devices.

use std::rc::Rc;

use wdk_sys_lite::{
    _WDF_DEVICE_FAILED_ACTION, _WDF_DEVICE_PNP_STATE, ACCESS_MASK, BOOLEAN,
    DEVICE_REGISTRY_PROPERTY, GUID, LPCGUID, NTSTATUS, PCUNICODE_STRING, PDEVICE_OBJECT,
    PDRIVER_OBJECT, PINTERFACE, POOL_TYPE, PULONG, PVOID, PWDF_DEVICE_PNP_CAPABILITIES,
    PWDF_DRIVER_CONFIG, PWDF_DRIVER_GLOBALS, PWDF_OBJECT_ATTRIBUTES, PWDFDEVICE_INIT, PWSTR,
    STATUS_BUFFER_TOO_SMALL, STATUS_DRIVER_INTERNAL_ERROR, STATUS_INFO_LENGTH_MISMATCH,
    STATUS_INSUFFICIENT_RESOURCES, STATUS_INVALID_DEVICE_REQUEST, STATUS_INVALID_PARAMETER,
    STATUS_OBJECT_NAME_COLLISION, STATUS_OBJECT_NAME_NOT_FOUND, STATUS_SUCCESS, ULONG, USHORT,
    WDF_DEVICE_FAILED_ACTION, WDF_DEVICE_PNP_CAPABILITIES, WDF_DEVICE_PNP_STATE, WDF_DRIVER_CONFIG,
    WDFCMRESLIST, WDFDEVICE, WDFDRIVER, WDFIOTARGET, WDFKEY, WDFMEMORY,
};

use crate::driver;
use crate::kernel::kernel;
use crate::nt_export;
use crate::pnp;

use super::device::{self, Device, Interface, PnpState, same_guid};
use super::device_init;
use super::object::{self, Attributes, Kind, Nothing, Object};
use super::table::wdf_functions;
use super::{caller, require, status, text_of, verifier_break};

/// `WdfDriverInitNonPnpDriver`.
const NON_PNP_DRIVER: ULONG = 1;
/// `WdfDriverInitNoDispatchOverride`.
const NO_DISPATCH_OVERRIDE: ULONG = 2;

/// What both functions for an interface's state do; one that is not there is nobody's concern.
///
/// # Safety
///
/// `class` is null or may be read; `reference` is null or a counted string.
unsafe fn set_interface_state(
    function: &str,
    device: WDFDEVICE,
    class: *const GUID,
    reference: PCUNICODE_STRING,
    enable: BOOLEAN,
    by_driver: bool,
) {
    let device = device::of(device);
    require(function, "InterfaceClassGUID", class.is_null());
    // SAFETY: says the caller.
    let Ok(reference) = (unsafe { text_of(reference) }) else {
        verifier_break(format!("{function}: the reference string is malformed"));
        return;
    };
    // SAFETY: not null, and says the caller.
    let class = unsafe { class.read() };
    let can_be_enabled = device.interfaces_can_be_enabled();
    let mut interfaces = device.interfaces.borrow_mut();
    let index = find(&interfaces, &class, reference.as_ref());
    if let Some(interface) = index.and_then(|index| interfaces.get_mut(index)) {
        interface.enabled = enable != 0 && can_be_enabled;
        interface.automatic &= !by_driver;
    }
}

nt_export! { table
    /// Makes the framework's driver object; `DriverEntry` calls it once.
    irql(== PASSIVE_LEVEL) fn WdfDriverCreate(
        _globals: PWDF_DRIVER_GLOBALS,
        driver_object: PDRIVER_OBJECT,
        registry_path: PCUNICODE_STRING,
        attributes: PWDF_OBJECT_ATTRIBUTES,
        config: PWDF_DRIVER_CONFIG,
        handle: *mut WDFDRIVER,
    ) -> NTSTATUS {
        require("WdfDriverCreate", "DriverObject", driver_object.is_null());
        require("WdfDriverCreate", "RegistryPath", registry_path.is_null());
        require("WdfDriverCreate", "DriverConfig", config.is_null());
        // SAFETY: not null, and the driver vouches for it by calling.
        let config = unsafe { config.read() };
        // SAFETY: null or attributes that the driver vouches for by calling.
        match create_driver(&config, || unsafe { Attributes::read(Kind::Driver, attributes) }) {
            Ok(object) => {
                if !handle.is_null() {
                    // SAFETY: not null, and the driver vouches that it may be written.
                    unsafe { handle.write(object.handle()) };
                }
                STATUS_SUCCESS
            }
            Err(status) => status,
        }
    }

    /// The path of the driver's service key.
    irql(== PASSIVE_LEVEL) fn WdfDriverGetRegistryPath(_globals: PWDF_DRIVER_GLOBALS, driver: WDFDRIVER) -> PWSTR {
        let object = object::of(driver, Kind::Driver);
        driver::by_id(object.driver).map_or(std::ptr::null_mut(), |driver| driver.registry_path.characters())
    }

    /// The `DRIVER_OBJECT`.
    irql(<= DISPATCH_LEVEL) fn WdfDriverWdmGetDriverObject(
        _globals: PWDF_DRIVER_GLOBALS,
        driver: WDFDRIVER,
    ) -> PDRIVER_OBJECT {
        let object = object::of(driver, Kind::Driver);
        driver::by_id(object.driver).map_or(std::ptr::null_mut(), |driver| driver.driver_object())
    }

    /// Makes the device that `EvtDriverDeviceAdd` was called for, and takes the init over.
    irql(== PASSIVE_LEVEL) fn WdfDeviceCreate(
        _globals: PWDF_DRIVER_GLOBALS,
        init: *mut PWDFDEVICE_INIT,
        attributes: PWDF_OBJECT_ATTRIBUTES,
        handle: *mut WDFDEVICE,
    ) -> NTSTATUS {
        require("WdfDeviceCreate", "DeviceInit", init.is_null());
        require("WdfDeviceCreate", "Device", handle.is_null());
        // SAFETY: not null, and the driver vouches for it by calling.
        let live = device_init::of("WdfDeviceCreate", unsafe { init.read() });
        // SAFETY: as above; the caller gets null unless the device is made.
        unsafe { handle.write(std::ptr::null_mut()) };
        // SAFETY: null or attributes that the driver vouches for by calling.
        let created = unsafe { Attributes::read(Kind::Device, attributes) }
            .and_then(|attributes| create_device(&live, &attributes));
        match created {
            Ok(object) => {
                device_init::close(&live);
                // SAFETY: not null, and the driver vouches that both may be written.
                unsafe {
                    init.write(std::ptr::null_mut());
                    handle.write(object.handle());
                }
                STATUS_SUCCESS
            }
            Err(status) => status,
        }
    }

    /// The driver of a device.
    irql(<= DISPATCH_LEVEL) fn WdfDeviceGetDriver(_globals: PWDF_DRIVER_GLOBALS, device: WDFDEVICE) -> WDFDRIVER {
        let object = object::of(device, Kind::Device);
        kernel()
            .wdf
            .drivers
            .borrow()
            .get(&object.driver)
            .map_or(std::ptr::null_mut(), |driver| driver.handle())
    }

    /// The device's own `DEVICE_OBJECT`.
    irql(<= DISPATCH_LEVEL) fn WdfDeviceWdmGetDeviceObject(
        _globals: PWDF_DRIVER_GLOBALS,
        device: WDFDEVICE,
    ) -> PDEVICE_OBJECT {
        device::of(device).device_object()
    }

    /// The next lower device object: with no filter in between, the bus's.
    irql(<= DISPATCH_LEVEL) fn WdfDeviceWdmGetAttachedDevice(
        _globals: PWDF_DRIVER_GLOBALS,
        device: WDFDEVICE,
    ) -> PDEVICE_OBJECT {
        device::of(device).pdo.device_object()
    }

    /// The bus's device object.
    irql(<= DISPATCH_LEVEL) fn WdfDeviceWdmGetPhysicalDevice(
        _globals: PWDF_DRIVER_GLOBALS,
        device: WDFDEVICE,
    ) -> PDEVICE_OBJECT {
        device::of(device).pdo.device_object()
    }

    /// The device's default I/O target: the next lower driver.
    irql(<= DISPATCH_LEVEL) fn WdfDeviceGetIoTarget(_globals: PWDF_DRIVER_GLOBALS, device: WDFDEVICE) -> WDFIOTARGET {
        let target = device::of(device).io_target.borrow().clone();
        target.map_or(std::ptr::null_mut(), |target| target.handle())
    }

    /// Where the device is in plug and play.
    irql(<= DISPATCH_LEVEL) fn WdfDeviceGetDevicePnpState(
        _globals: PWDF_DRIVER_GLOBALS,
        device: WDFDEVICE,
    ) -> WDF_DEVICE_PNP_STATE {
        match device::of(device).pnp_state() {
            PnpState::Added => _WDF_DEVICE_PNP_STATE::WdfDevStatePnpInit,
            PnpState::Starting => _WDF_DEVICE_PNP_STATE::WdfDevStatePnpHardwareAvailable,
            PnpState::Started => _WDF_DEVICE_PNP_STATE::WdfDevStatePnpStarted,
            PnpState::QueryStopPending => _WDF_DEVICE_PNP_STATE::WdfDevStatePnpQueryStopPending,
            PnpState::Stopped => _WDF_DEVICE_PNP_STATE::WdfDevStatePnpStopped,
            PnpState::QueryRemovePending => _WDF_DEVICE_PNP_STATE::WdfDevStatePnpQueryRemovePending,
            PnpState::Removing => _WDF_DEVICE_PNP_STATE::WdfDevStatePnpRemovingDisableInterfaces,
            PnpState::Failed => _WDF_DEVICE_PNP_STATE::WdfDevStatePnpFailedWaitForRemove,
            PnpState::Removed => _WDF_DEVICE_PNP_STATE::WdfDevStatePnpRemoved,
        }
    }

    /// Registers a device interface. The framework enables it when the device starts; if it has, the
    /// driver does.
    irql(== PASSIVE_LEVEL) fn WdfDeviceCreateDeviceInterface(
        _globals: PWDF_DRIVER_GLOBALS,
        device: WDFDEVICE,
        class: *const GUID,
        reference: PCUNICODE_STRING,
    ) -> NTSTATUS {
        let device = device::of(device);
        require("WdfDeviceCreateDeviceInterface", "InterfaceClassGUID", class.is_null());
        if kernel().should_fail() {
            return STATUS_INSUFFICIENT_RESOURCES;
        }
        // SAFETY: null or a counted string that the driver vouches for by calling.
        let reference = match unsafe { text_of(reference) } {
            Ok(reference) => reference,
            Err(status) => return status,
        };
        if reference.as_ref().is_some_and(|text| text.contains(['/', '\\'])) {
            return STATUS_INVALID_DEVICE_REQUEST;
        }
        // SAFETY: not null, and the driver vouches for it by calling.
        let class = unsafe { class.read() };
        let mut interfaces = device.interfaces.borrow_mut();
        if find(&interfaces, &class, reference.as_ref()).is_none() {
            interfaces.push(Interface {
                class,
                reference,
                automatic: true,
                enabled: false,
            });
        }
        STATUS_SUCCESS
    }

    /// Enables or disables a device interface, for a device that has started: before that, the
    /// framework enables it at the start all the same.
    irql(== PASSIVE_LEVEL) fn WdfDeviceSetDeviceInterfaceState(
        _globals: PWDF_DRIVER_GLOBALS,
        device: WDFDEVICE,
        class: *const GUID,
        reference: PCUNICODE_STRING,
        enable: BOOLEAN,
    ) {
        // SAFETY: as of this function.
        unsafe {
            set_interface_state("WdfDeviceSetDeviceInterfaceState", device, class, reference, enable, false);
        }
    }

    /// Enables or disables a device interface, and keeps the framework from enabling it when the
    /// device starts.
    irql(== PASSIVE_LEVEL) fn WdfDeviceSetDeviceInterfaceStateEx(
        _globals: PWDF_DRIVER_GLOBALS,
        device: WDFDEVICE,
        class: *const GUID,
        reference: PCUNICODE_STRING,
        enable: BOOLEAN,
    ) {
        // SAFETY: as of this function.
        unsafe {
            set_interface_state("WdfDeviceSetDeviceInterfaceStateEx", device, class, reference, enable, true);
        }
    }

    /// Gives the device a name that user mode sees.
    irql(== PASSIVE_LEVEL) fn WdfDeviceCreateSymbolicLink(
        _globals: PWDF_DRIVER_GLOBALS,
        device: WDFDEVICE,
        name: PCUNICODE_STRING,
    ) -> NTSTATUS {
        let device = device::of(device);
        require("WdfDeviceCreateSymbolicLink", "SymbolicLinkName", name.is_null());
        if kernel().should_fail() {
            return STATUS_INSUFFICIENT_RESOURCES;
        }
        // SAFETY: not null, and the driver vouches for it by calling.
        let name = match unsafe { text_of(name) } {
            Ok(name) => name.unwrap_or_default().to_lowercase(),
            Err(status) => return status,
        };
        let taken = kernel().pnp.pdos().iter().filter_map(|pdo| pdo.device()).any(|object| {
            object.body::<Device>().symbolic_links.borrow().contains(&name)
        });
        if taken {
            return STATUS_OBJECT_NAME_COLLISION;
        }
        device.symbolic_links.borrow_mut().push(name);
        STATUS_SUCCESS
    }

    /// Tells what plug and play may do with the device. Nothing here depends on it.
    irql(<= DISPATCH_LEVEL) fn WdfDeviceSetPnpCapabilities(
        _globals: PWDF_DRIVER_GLOBALS,
        device: WDFDEVICE,
        capabilities: PWDF_DEVICE_PNP_CAPABILITIES,
    ) {
        let _ = device::of(device);
        require("WdfDeviceSetPnpCapabilities", "PnpCapabilities", capabilities.is_null());
        // SAFETY: not null, and the driver vouches for it by calling.
        let size = unsafe { (*capabilities).Size };
        if size as usize != size_of::<WDF_DEVICE_PNP_CAPABILITIES>() {
            verifier_break(format!("WdfDeviceSetPnpCapabilities: the structure's Size is {size}"));
        }
    }

    /// Declares the device failed. It is surprise-removed, and started again if the driver asks for
    /// it.
    irql(<= DISPATCH_LEVEL) fn WdfDeviceSetFailed(
        _globals: PWDF_DRIVER_GLOBALS,
        device: WDFDEVICE,
        action: WDF_DEVICE_FAILED_ACTION,
    ) {
        let device = device::of(device);
        let restart = match action {
            _WDF_DEVICE_FAILED_ACTION::WdfDeviceFailedAttemptRestart => true,
            _WDF_DEVICE_FAILED_ACTION::WdfDeviceFailedNoRestart => false,
            _ => {
                verifier_break(format!("WdfDeviceSetFailed: the action {action} does not exist"));
                return;
            }
        };
        device.failed_action.set(Some(restart));
        pnp::device_failed(&device.pdo);
    }

    /// Asks the drivers below for an interface of theirs.
    irql(== PASSIVE_LEVEL) fn WdfFdoQueryForInterface(
        _globals: PWDF_DRIVER_GLOBALS,
        device: WDFDEVICE,
        interface_type: LPCGUID,
        interface: PINTERFACE,
        size: USHORT,
        version: USHORT,
        data: PVOID,
    ) -> NTSTATUS {
        let device = device::of(device);
        require("WdfFdoQueryForInterface", "InterfaceType", interface_type.is_null());
        require("WdfFdoQueryForInterface", "Interface", interface.is_null());
        if kernel().should_fail() {
            return STATUS_INSUFFICIENT_RESOURCES;
        }
        // SAFETY: not null, and the driver vouches for it by calling.
        let interface_type = unsafe { interface_type.read() };
        device.pdo.bus.query_interface(&device.pdo, &interface_type, size, version, interface, data)
    }

    /// A property of the device. Devices here have a hardware id and a name of their device object.
    irql(== PASSIVE_LEVEL) fn WdfDeviceQueryProperty(
        _globals: PWDF_DRIVER_GLOBALS,
        device: WDFDEVICE,
        property: DEVICE_REGISTRY_PROPERTY::Type,
        length: ULONG,
        buffer: PVOID,
        result_length: PULONG,
    ) -> NTSTATUS {
        let device = device::of(device);
        require("WdfDeviceQueryProperty", "ResultLength", result_length.is_null());
        let Some(value) = property_of(&device, property) else {
            return STATUS_OBJECT_NAME_NOT_FOUND;
        };
        // SAFETY: not null, and the driver vouches that it may be written.
        unsafe { result_length.write(ULONG::try_from(value.len()).unwrap_or(ULONG::MAX)) };
        if (length as usize) < value.len() || buffer.is_null() {
            return STATUS_BUFFER_TOO_SMALL;
        }
        // SAFETY: the driver vouches for `length` writable bytes, which are enough.
        unsafe { buffer.cast::<u8>().copy_from_nonoverlapping(value.as_ptr(), value.len()) };
        STATUS_SUCCESS
    }

    /// A property of the device in a memory object.
    irql(== PASSIVE_LEVEL) fn WdfDeviceAllocAndQueryProperty(
        _globals: PWDF_DRIVER_GLOBALS,
        device: WDFDEVICE,
        property: DEVICE_REGISTRY_PROPERTY::Type,
        _pool_type: POOL_TYPE,
        attributes: PWDF_OBJECT_ATTRIBUTES,
        memory: *mut WDFMEMORY,
    ) -> NTSTATUS {
        let object = object::of(device, Kind::Device);
        require("WdfDeviceAllocAndQueryProperty", "PropertyMemory", memory.is_null());
        let Some(value) = property_of(&object.body::<Device>(), property) else {
            return STATUS_OBJECT_NAME_NOT_FOUND;
        };
        // SAFETY: null or attributes that the driver vouches for by calling.
        let created = unsafe { Attributes::read(Kind::Memory, attributes) }
            .and_then(|attributes| super::memory::create_with(&object, &attributes, &value));
        match created {
            Ok(created) => {
                // SAFETY: not null, and the driver vouches that it may be written.
                unsafe { memory.write(created.handle()) };
                STATUS_SUCCESS
            }
            Err(status) => status,
        }
    }

    /// Opens the device's key, or its driver's.
    irql(== PASSIVE_LEVEL) fn WdfDeviceOpenRegistryKey(
        _globals: PWDF_DRIVER_GLOBALS,
        device: WDFDEVICE,
        kind: ULONG,
        access: ACCESS_MASK,
        attributes: PWDF_OBJECT_ATTRIBUTES,
        key: *mut WDFKEY,
    ) -> NTSTATUS {
        let object = object::of(device, Kind::Device);
        require("WdfDeviceOpenRegistryKey", "Key", key.is_null());
        let device = object.body::<Device>();
        let path = match kind & (wdk_sys_lite::PLUGPLAY_REGKEY_DEVICE | wdk_sys_lite::PLUGPLAY_REGKEY_DRIVER) {
            wdk_sys_lite::PLUGPLAY_REGKEY_DEVICE => format!(
                r"\Registry\Machine\System\CurrentControlSet\Enum\{}\{}\Device Parameters",
                device.pdo.hardware_id, device.pdo.instance
            ),
            wdk_sys_lite::PLUGPLAY_REGKEY_DRIVER => format!(
                r"\Registry\Machine\System\CurrentControlSet\Control\Class\{}",
                device.pdo.instance
            ),
            _ => return STATUS_INVALID_PARAMETER,
        };
        // SAFETY: null or attributes that the driver vouches for by calling.
        let opened = unsafe { Attributes::read(Kind::Key, attributes) }
            .and_then(|attributes| super::registry::open(&object, &attributes, &path, access, true));
        match opened {
            Ok(opened) => {
                // SAFETY: not null, and the driver vouches that it may be written.
                unsafe { key.write(opened.handle()) };
                STATUS_SUCCESS
            }
            Err(status) => status,
        }
    }

    /// How many resources a list has; devices on VMBus have none.
    irql(<= DISPATCH_LEVEL) fn WdfCmResourceListGetCount(_globals: PWDF_DRIVER_GLOBALS, list: WDFCMRESLIST) -> ULONG {
        let _ = object::of(list, Kind::ResourceList);
        0
    }

    /// A resource of a list; devices on VMBus have none.
    irql(<= DISPATCH_LEVEL) fn WdfCmResourceListGetDescriptor(
        _globals: PWDF_DRIVER_GLOBALS,
        list: WDFCMRESLIST,
        _index: ULONG,
    ) -> wdk_sys_lite::PCM_PARTIAL_RESOURCE_DESCRIPTOR {
        let _ = object::of(list, Kind::ResourceList);
        std::ptr::null_mut()
    }
}

fn create_driver(
    config: &WDF_DRIVER_CONFIG,
    attributes: impl FnOnce() -> Result<Attributes, NTSTATUS>,
) -> Result<Rc<Object>, NTSTATUS> {
    if config.Size as usize != size_of::<WDF_DRIVER_CONFIG>() {
        return Err(STATUS_INFO_LENGTH_MISMATCH);
    }
    if config.DriverInitFlags & !(NON_PNP_DRIVER | NO_DISPATCH_OVERRIDE) != 0 {
        return Err(STATUS_INVALID_PARAMETER);
    }
    let (id, existing) = caller();
    if existing.is_some() {
        return Err(STATUS_DRIVER_INTERNAL_ERROR);
    }
    if config.DriverInitFlags & NON_PNP_DRIVER != 0 && config.EvtDriverDeviceAdd.is_some() {
        return Err(STATUS_INVALID_PARAMETER);
    }
    let attributes = attributes()?;
    if kernel().should_fail() {
        return Err(STATUS_INSUFFICIENT_RESOURCES);
    }
    let object = object::create(Kind::Driver, id, &attributes, None, Rc::new(Nothing))?;
    driver::set_object(id, Rc::clone(&object));
    if let Some(driver) = driver::by_id(id) {
        driver.config.set(Some(*config));
    }
    Ok(object)
}

fn create_device(
    init: &device_init::DeviceInit,
    attributes: &Attributes,
) -> Result<Rc<Object>, NTSTATUS> {
    let settings = init.settings.borrow().clone();
    if (settings.sddl.is_some() || settings.has_class) && settings.name.is_none() {
        return Err(status::INVALID_SECURITY_DESCR);
    }
    if kernel().should_fail() {
        return Err(STATUS_INSUFFICIENT_RESOURCES);
    }
    let device_object = kernel()
        .pnp
        .create_device_object(init.pdo.id)
        .ok_or(STATUS_INSUFFICIENT_RESOURCES)?;
    let device = Rc::new(Device::new(
        init.driver,
        Rc::clone(&init.pdo),
        settings,
        device_object,
    ));
    let parent = kernel().wdf.drivers.borrow().get(&init.driver).cloned();
    let body: Rc<dyn object::Body> = Rc::<Device>::clone(&device);
    let object = object::create(Kind::Device, init.driver, attributes, parent.as_ref(), body)
        .inspect_err(|_| kernel().pnp.delete_device_object(device_object))?;
    device.set_object(&object);
    let defaults = Attributes::default();
    for _ in 0..2 {
        let list = object::create(
            Kind::ResourceList,
            init.driver,
            &defaults,
            Some(&object),
            Rc::new(Nothing),
        )?;
        device.resource_lists.borrow_mut().push(list);
    }
    *device.io_target.borrow_mut() = Some(super::target::create_default(&object)?);
    init.pdo.set_device(Some(Rc::clone(&object)));
    Ok(object)
}

fn find(interfaces: &[Interface], class: &GUID, reference: Option<&String>) -> Option<usize> {
    interfaces.iter().position(|interface| {
        same_guid(&interface.class, class) && interface.reference.as_ref() == reference
    })
}

fn property_of(device: &Device, property: DEVICE_REGISTRY_PROPERTY::Type) -> Option<Vec<u8>> {
    let mut text = match property {
        // A list of strings ends with an empty one.
        DEVICE_REGISTRY_PROPERTY::DevicePropertyHardwareID => {
            format!("{}\0", device.pdo.hardware_id)
        }
        DEVICE_REGISTRY_PROPERTY::DevicePropertyEnumeratorName => "VMBUS".to_owned(),
        DEVICE_REGISTRY_PROPERTY::DevicePropertyPhysicalDeviceObjectName => {
            format!(r"\Device\{:08x}", device.pdo.id)
        }
        _ => return None,
    };
    text.push('\0');
    Some(text.encode_utf16().flat_map(u16::to_le_bytes).collect())
}

wdf_functions! {
    WdfDriverCreateTableIndex: PFN_WDFDRIVERCREATE = WdfDriverCreate;
    WdfDriverGetRegistryPathTableIndex: PFN_WDFDRIVERGETREGISTRYPATH = WdfDriverGetRegistryPath;
    WdfDriverWdmGetDriverObjectTableIndex: PFN_WDFDRIVERWDMGETDRIVEROBJECT = WdfDriverWdmGetDriverObject;
    WdfDeviceCreateTableIndex: PFN_WDFDEVICECREATE = WdfDeviceCreate;
    WdfDeviceGetDriverTableIndex: PFN_WDFDEVICEGETDRIVER = WdfDeviceGetDriver;
    WdfDeviceWdmGetDeviceObjectTableIndex: PFN_WDFDEVICEWDMGETDEVICEOBJECT = WdfDeviceWdmGetDeviceObject;
    WdfDeviceWdmGetAttachedDeviceTableIndex: PFN_WDFDEVICEWDMGETATTACHEDDEVICE = WdfDeviceWdmGetAttachedDevice;
    WdfDeviceWdmGetPhysicalDeviceTableIndex: PFN_WDFDEVICEWDMGETPHYSICALDEVICE = WdfDeviceWdmGetPhysicalDevice;
    WdfDeviceGetIoTargetTableIndex: PFN_WDFDEVICEGETIOTARGET = WdfDeviceGetIoTarget;
    WdfDeviceGetDevicePnpStateTableIndex: PFN_WDFDEVICEGETDEVICEPNPSTATE = WdfDeviceGetDevicePnpState;
    WdfDeviceCreateDeviceInterfaceTableIndex: PFN_WDFDEVICECREATEDEVICEINTERFACE = WdfDeviceCreateDeviceInterface;
    WdfDeviceSetDeviceInterfaceStateExTableIndex: PFN_WDFDEVICESETDEVICEINTERFACESTATEEX =
        WdfDeviceSetDeviceInterfaceStateEx;
    WdfDeviceSetDeviceInterfaceStateTableIndex: PFN_WDFDEVICESETDEVICEINTERFACESTATE = WdfDeviceSetDeviceInterfaceState;
    WdfDeviceCreateSymbolicLinkTableIndex: PFN_WDFDEVICECREATESYMBOLICLINK = WdfDeviceCreateSymbolicLink;
    WdfDeviceSetPnpCapabilitiesTableIndex: PFN_WDFDEVICESETPNPCAPABILITIES = WdfDeviceSetPnpCapabilities;
    WdfDeviceSetFailedTableIndex: PFN_WDFDEVICESETFAILED = WdfDeviceSetFailed;
    WdfFdoQueryForInterfaceTableIndex: PFN_WDFFDOQUERYFORINTERFACE = WdfFdoQueryForInterface;
    WdfDeviceQueryPropertyTableIndex: PFN_WDFDEVICEQUERYPROPERTY = WdfDeviceQueryProperty;
    WdfDeviceAllocAndQueryPropertyTableIndex: PFN_WDFDEVICEALLOCANDQUERYPROPERTY = WdfDeviceAllocAndQueryProperty;
    WdfDeviceOpenRegistryKeyTableIndex: PFN_WDFDEVICEOPENREGISTRYKEY = WdfDeviceOpenRegistryKey;
    WdfCmResourceListGetCountTableIndex: PFN_WDFCMRESOURCELISTGETCOUNT = WdfCmResourceListGetCount;
    WdfCmResourceListGetDescriptorTableIndex: PFN_WDFCMRESOURCELISTGETDESCRIPTOR = WdfCmResourceListGetDescriptor;
}
