//! Where the system enters the driver.

use kmcl::irql::Passive;
use wdk_sys::{DRIVER_OBJECT, NTSTATUS, PCUNICODE_STRING, STATUS_SUCCESS};

use crate::device::DeviceContext;
use crate::wdf;
use crate::wdf::device::DeviceInit;
use crate::wdf::driver::{Driver, DriverEvents};

/// The driver. It keeps nothing outside of its devices, so there is nothing to do when it is
/// unloaded.
struct Vmbchan;

impl DriverEvents for Vmbchan {
    fn device_add(
        driver: Driver<'_>,
        init: DeviceInit<'_>,
        irql: &mut Passive<'_>,
    ) -> wdf::Result<()> {
        DeviceContext::add(driver, init, irql)
    }
}

/// `DriverEntry`: makes the framework's driver object.
///
/// IRQL: `PASSIVE_LEVEL`.
///
/// # Safety
///
/// Called once for a loaded driver, by the system (through the framework's own entry), with the
/// driver's object and the path of its key in the registry.
// SAFETY: the framework's entry calls what has this name, with these arguments; nothing else in the
// image has it.
#[unsafe(export_name = "DriverEntry")]
pub unsafe extern "system" fn driver_entry(
    driver: *mut DRIVER_OBJECT,
    registry_path: PCUNICODE_STRING,
) -> NTSTATUS {
    // SAFETY: the arguments are those of this call, and this is `DriverEntry`.
    match unsafe { wdf::driver::create::<Vmbchan>(driver, registry_path, *b"VcWd") } {
        Ok(()) => STATUS_SUCCESS,
        Err(status) => status.0,
    }
}
