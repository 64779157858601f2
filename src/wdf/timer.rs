//! A timer of a device's.

use kmcl::irql::{Dispatch, Passive};
use wdk_sys::{
    BOOLEAN, LONGLONG, WDF_TIMER_CONFIG, WDFDEVICE, WDFTIMER, call_unsafe_wdf_function_binding,
};

use super::device::{Device, DeviceEvents};
use super::object::{self, Reference};
use super::{Result, check, size_of_config};

/// The framework counts due times in units of 100 nanoseconds.
const UNITS_IN_A_MILLISECOND: LONGLONG = 10_000;

impl Device<'_> {
    /// Makes a timer that calls [`DeviceEvents::timeout`] once each time that it was started and
    /// has run down.
    ///
    /// # Errors
    ///
    /// The framework's.
    pub fn create_timer<D: DeviceEvents>(self) -> Result<Timer> {
        let mut config = WDF_TIMER_CONFIG {
            Size: size_of_config::<WDF_TIMER_CONFIG>(),
            EvtTimerFunc: Some(timeout::<D>),
            ..WDF_TIMER_CONFIG::default()
        };
        let mut attributes = object::attributes_without_context();
        attributes.ParentObject = self.handle().cast();
        let mut timer: WDFTIMER = core::ptr::null_mut();
        // SAFETY: the device is valid and is the timer's parent; configuration and attributes are
        // initialised and valid for the call, which copies them; the result is a local.
        check(unsafe {
            call_unsafe_wdf_function_binding!(
                WdfTimerCreate,
                &raw mut config,
                &raw mut attributes,
                &raw mut timer
            )
        })?;
        // SAFETY: the timer was just made.
        Ok(Timer(unsafe { Reference::new(timer.cast()) }))
    }
}

/// A timer that fires once.
#[derive(Debug)]
pub struct Timer(Reference);

impl Timer {
    fn handle(&self) -> WDFTIMER {
        self.0.handle().cast()
    }

    /// Has the timer fire after so many milliseconds, and not before.
    pub fn start(&self, milliseconds: u32, _irql: &mut Passive<'_>) {
        // Negative: from now on.
        let due = LONGLONG::from(milliseconds).saturating_mul(-UNITS_IN_A_MILLISECOND);
        // SAFETY: the reference keeps the timer, and its device, whose child it is, has not been
        // deleted: this is a callback of it. Whether it was running before makes no difference.
        let _: BOOLEAN =
            unsafe { call_unsafe_wdf_function_binding!(WdfTimerStart, self.handle(), due) };
    }

    /// Stops the timer. If it is firing, waits until its callback has returned.
    pub fn stop(&self, _irql: &mut Passive<'_>) {
        // SAFETY: PASSIVE_LEVEL by the witness, and not in the timer's callback, which runs at
        // DISPATCH_LEVEL; the reference keeps the timer.
        // Nor does it here.
        let _: BOOLEAN =
            unsafe { call_unsafe_wdf_function_binding!(WdfTimerStop, self.handle(), 1) };
    }
}

unsafe extern "C" fn timeout<D: DeviceEvents>(timer: WDFTIMER) {
    // SAFETY: the timer is valid in its callback; its parent is the device that made it, whose
    // value is taken only after its timers have ended.
    let kept = unsafe {
        let device: WDFDEVICE =
            call_unsafe_wdf_function_binding!(WdfTimerGetParentObject, timer).cast();
        object::get::<D>(device.cast())
    };
    // SAFETY: the framework calls timers at DISPATCH_LEVEL.
    let mut irql = unsafe { Dispatch::assume() };
    if let Some(kept) = kept {
        kept.events().timeout(&mut irql);
    }
}
