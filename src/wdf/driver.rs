//! The driver object, and the devices that are added to it.

use core::marker::PhantomData;

use kmcl::irql::Passive;
use wdk_sys::{
    NTSTATUS, PCUNICODE_STRING, PDRIVER_OBJECT, PWDFDEVICE_INIT, WDF_DRIVER_CONFIG, WDF_NO_HANDLE,
    WDF_NO_OBJECT_ATTRIBUTES, WDFDRIVER, call_unsafe_wdf_function_binding,
};

use super::device::DeviceInit;
use super::{Result, check, size_of_config, status_of};

/// What the framework asks of a driver.
pub trait DriverEvents: 'static {
    /// Plug and play has found a device for the driver (`EvtDriverDeviceAdd`).
    ///
    /// # Errors
    ///
    /// Whatever keeps the driver from serving the device.
    fn device_add(driver: Driver<'_>, init: DeviceInit<'_>, irql: &mut Passive<'_>) -> Result<()>;
}

/// The driver object, inside a callback.
///
/// # Invariants
///
/// `handle` is valid for `'a`.
#[derive(Clone, Copy, Debug)]
pub struct Driver<'a> {
    handle: WDFDRIVER,
    lifetime: PhantomData<&'a ()>,
}

impl Driver<'_> {
    pub(super) const fn handle(self) -> WDFDRIVER {
        self.handle
    }
}

/// Makes the framework's driver object: all that `DriverEntry` has to do.
///
/// The pool tag of what the framework allocates for the driver is `tag`. There is no unload
/// callback: the driver keeps nothing outside of its devices.
///
/// # Errors
///
/// The framework's.
///
/// # Safety
///
/// The arguments are `DriverEntry`'s, and this is called from it, once.
pub unsafe fn create<E: DriverEvents>(
    driver: PDRIVER_OBJECT,
    registry_path: PCUNICODE_STRING,
    tag: [u8; 4],
) -> Result<()> {
    let mut config = WDF_DRIVER_CONFIG {
        Size: size_of_config::<WDF_DRIVER_CONFIG>(),
        EvtDriverDeviceAdd: Some(device_add::<E>),
        DriverPoolTag: u32::from_le_bytes(tag),
        ..WDF_DRIVER_CONFIG::default()
    };
    // SAFETY: the arguments are `DriverEntry`'s, where this is called at PASSIVE_LEVEL; the
    // configuration is valid for the call.
    check(unsafe {
        call_unsafe_wdf_function_binding!(
            WdfDriverCreate,
            driver,
            registry_path,
            WDF_NO_OBJECT_ATTRIBUTES,
            &raw mut config,
            WDF_NO_HANDLE.cast(),
        )
    })
}

unsafe extern "C" fn device_add<E: DriverEvents>(
    driver: WDFDRIVER,
    init: PWDFDEVICE_INIT,
) -> NTSTATUS {
    let driver = Driver {
        handle: driver,
        lifetime: PhantomData,
    };
    // SAFETY: the framework lends the structure to this callback, which makes one device of it.
    let init = unsafe { DeviceInit::new(init) };
    // SAFETY: the framework calls this at PASSIVE_LEVEL, outside of every channel's callbacks.
    let mut irql = unsafe { Passive::assume() };
    status_of(E::device_add(driver, init, &mut irql))
}
