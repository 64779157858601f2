//! The driver's parameters: `HKLM\System\CurrentControlSet\Services\<driver>\Parameters`.

use kmcl::irql::Passive;
use kmcl::status::Status;
use wdk_sys::{
    KEY_QUERY_VALUE, STATUS_INVALID_PARAMETER, UNICODE_STRING, WDF_NO_OBJECT_ATTRIBUTES, WDFDRIVER,
    WDFKEY, call_unsafe_wdf_function_binding,
};

use super::driver::Driver;
use super::{Result, check};

/// The driver's `Parameters` key, open.
///
/// # Invariants
///
/// `key` is an open registry key object of this value's own.
#[derive(Debug)]
pub struct Parameters {
    key: WDFKEY,
}

impl Parameters {
    /// Opens the key for reading.
    ///
    /// # Errors
    ///
    /// The registry's, `STATUS_OBJECT_NAME_NOT_FOUND` if there is none.
    pub fn open(driver: Driver<'_>, _irql: &mut Passive<'_>) -> Result<Self> {
        let driver: WDFDRIVER = driver.handle();
        let mut key: WDFKEY = core::ptr::null_mut();
        // SAFETY: PASSIVE_LEVEL by the witness; the driver object is valid; the result is a local.
        check(unsafe {
            call_unsafe_wdf_function_binding!(
                WdfDriverOpenParametersRegistryKey,
                driver,
                KEY_QUERY_VALUE,
                WDF_NO_OBJECT_ATTRIBUTES,
                &raw mut key,
            )
        })?;
        Ok(Self { key })
    }

    /// The value of a `REG_DWORD`. `name` is in UTF-16 without a terminator.
    ///
    /// # Errors
    ///
    /// The registry's: `STATUS_OBJECT_NAME_NOT_FOUND` if there is no such value,
    /// `STATUS_OBJECT_TYPE_MISMATCH` for one of another type; `STATUS_INVALID_PARAMETER` for a name
    /// of more than 32,767 units.
    pub fn dword(&self, name: &[u16], _irql: &mut Passive<'_>) -> Result<u32> {
        let bytes =
            u16::try_from(size_of_val(name)).map_err(|_| Status(STATUS_INVALID_PARAMETER))?;
        let name = UNICODE_STRING {
            Length: bytes,
            MaximumLength: bytes,
            Buffer: name.as_ptr().cast_mut(),
        };
        let mut value = 0;
        // SAFETY: PASSIVE_LEVEL by the witness; the key is open by the invariant; the name, which
        // is only read, and the result are valid for the call.
        check(unsafe {
            call_unsafe_wdf_function_binding!(
                WdfRegistryQueryULong,
                self.key,
                &raw const name,
                &raw mut value
            )
        })?;
        Ok(value)
    }
}

impl Drop for Parameters {
    fn drop(&mut self) {
        // SAFETY: by the invariant the key is open and ours; it was opened at PASSIVE_LEVEL by a
        // callback, in which it stays.
        unsafe { call_unsafe_wdf_function_binding!(WdfRegistryClose, self.key) };
    }
}
