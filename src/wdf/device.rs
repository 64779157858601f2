//! A device: what it is made of, and its callbacks as a trait.

use core::marker::PhantomData;

use kmcl::channel::{ChannelConfig, ChannelSlot, Handler};
use kmcl::interface::Interface;
use kmcl::irql::{Dispatch, Passive};
use kmcl::pool::Tag;
use kmcl::status::Status;
use kmcl::sync::PassiveCell;
use wdk_sys::{
    _WDF_DEVICE_IO_TYPE, _WDF_FILEOBJECT_CLASS, _WDF_TRI_STATE, GUID, NTSTATUS, PWDFDEVICE_INIT,
    STATUS_INVALID_DEVICE_STATE, WDF_FILEOBJECT_CONFIG, WDF_PNPPOWER_EVENT_CALLBACKS,
    WDF_POWER_DEVICE_STATE, WDFCMRESLIST, WDFDEVICE, WDFFILEOBJECT, WDFOBJECT, WDFREQUEST,
    call_unsafe_wdf_function_binding,
};

use super::object::{self, Context};
use super::request::Request;
use super::{Result, check, size_of_config, status_of};

const TAG: Tag = Tag::new(*b"VcCh");

/// What the framework asks of a device. The value is kept in the device's context, beside the
/// device's channel.
///
/// The framework calls the callbacks of plug and play and power one after the other; requests come
/// at any time between `d0_entry` and `d0_exit`, on several processors.
pub trait DeviceEvents: Context<Value = Kept<Self>> {
    /// The handler of the device's channel.
    type Handler: Handler;
    /// What is kept with each handle that a program opens.
    type File: Context<Value = Self::File> + Copy;

    /// The device's resources are there (`EvtDevicePrepareHardware`).
    ///
    /// # Errors
    ///
    /// Whatever keeps the device from starting. `release_hardware` is called all the same.
    fn prepare_hardware(
        &self,
        channel: &mut ChannelSlot<Self::Handler>,
        device: Device<'_>,
        irql: &mut Passive<'_>,
    ) -> Result<()>;

    /// The device's resources are going (`EvtDeviceReleaseHardware`).
    fn release_hardware(&self, channel: &mut ChannelSlot<Self::Handler>, irql: &mut Passive<'_>);

    /// The device comes to its working state (`EvtDeviceD0Entry`).
    ///
    /// # Errors
    ///
    /// Whatever keeps it from working.
    fn d0_entry(
        &self,
        channel: &mut ChannelSlot<Self::Handler>,
        irql: &mut Passive<'_>,
    ) -> Result<()>;

    /// The device leaves its working state (`EvtDeviceD0Exit`).
    fn d0_exit(&self, channel: &mut ChannelSlot<Self::Handler>, irql: &mut Passive<'_>);

    /// The device has gone unannounced (`EvtDeviceSurpriseRemoval`).
    fn surprise_removal(&self, irql: &mut Passive<'_>);

    /// A program opens the device (`EvtDeviceFileCreate`). May come in every power state.
    fn file_create(&self, irql: &mut Passive<'_>) -> Self::File;

    /// The device's timer has run down (`EvtTimerFunc`).
    fn timeout(&self, irql: &mut Dispatch<'_>);

    /// A program reads, writes or controls (`EvtIoRead`, `EvtIoWrite`, `EvtIoDeviceControl`).
    fn request(&self, request: Request, irql: &mut Dispatch<'_>);
}

/// What is kept in a device's context.
pub struct Kept<D: DeviceEvents> {
    events: D,
    /// Reached by the callbacks of plug and play and power alone.
    channel: PassiveCell<ChannelSlot<D::Handler>>,
}

impl<D: DeviceEvents> Kept<D> {
    pub(super) const fn events(&self) -> &D {
        &self.events
    }
}

/// A device to be made.
///
/// # Invariants
///
/// `init` is the framework's, lent for `'a`, and no device has been made of it.
pub struct DeviceInit<'a> {
    init: PWDFDEVICE_INIT,
    lifetime: PhantomData<&'a ()>,
}

impl<'a> DeviceInit<'a> {
    /// # Safety
    ///
    /// As the invariants say.
    pub(super) const unsafe fn new(init: PWDFDEVICE_INIT) -> Self {
        Self {
            init,
            lifetime: PhantomData,
        }
    }

    /// Makes a device with buffered I/O whose callbacks are `D`'s. It has no `D` in its context
    /// until [`Device::serve`].
    ///
    /// # Errors
    ///
    /// The framework's.
    pub fn create<D: DeviceEvents>(self, _irql: &mut Passive<'_>) -> Result<Device<'a>> {
        let mut pnp_power = WDF_PNPPOWER_EVENT_CALLBACKS {
            Size: size_of_config::<WDF_PNPPOWER_EVENT_CALLBACKS>(),
            EvtDevicePrepareHardware: Some(prepare_hardware::<D>),
            EvtDeviceReleaseHardware: Some(release_hardware::<D>),
            EvtDeviceD0Entry: Some(d0_entry::<D>),
            EvtDeviceD0Exit: Some(d0_exit::<D>),
            EvtDeviceSurpriseRemoval: Some(surprise_removal::<D>),
            ..WDF_PNPPOWER_EVENT_CALLBACKS::default()
        };
        let mut files = WDF_FILEOBJECT_CONFIG {
            Size: size_of_config::<WDF_FILEOBJECT_CONFIG>(),
            EvtDeviceFileCreate: Some(file_create::<D>),
            AutoForwardCleanupClose: _WDF_TRI_STATE::WdfUseDefault,
            FileObjectClass: _WDF_FILEOBJECT_CLASS::WdfFileObjectWdfCannotUseFsContexts,
            ..WDF_FILEOBJECT_CONFIG::default()
        };
        let mut file_attributes = object::attributes::<D::File>();
        let mut attributes = object::attributes::<D>();
        attributes.EvtCleanupCallback = Some(cleanup::<D>);
        let mut init = self.init;
        let mut handle: WDFDEVICE = core::ptr::null_mut();
        // SAFETY: PASSIVE_LEVEL by the witness; the structure is the framework's and no device has
        // been made of it; the configurations are initialised and valid for the calls, which copy
        // them.
        check(unsafe {
            call_unsafe_wdf_function_binding!(
                WdfDeviceInitSetPnpPowerEventCallbacks,
                init,
                &raw mut pnp_power
            );
            call_unsafe_wdf_function_binding!(
                WdfDeviceInitSetFileObjectConfig,
                init,
                &raw mut files,
                &raw mut file_attributes
            );
            call_unsafe_wdf_function_binding!(
                WdfDeviceInitSetIoType,
                init,
                _WDF_DEVICE_IO_TYPE::WdfDeviceIoBuffered
            );
            call_unsafe_wdf_function_binding!(
                WdfDeviceCreate,
                &raw mut init,
                &raw mut attributes,
                &raw mut handle
            )
        })?;
        Ok(Device {
            handle,
            lifetime: PhantomData,
        })
    }
}

/// A device, inside a callback.
///
/// # Invariants
///
/// `handle` is valid for `'a`.
#[derive(Clone, Copy, Debug)]
pub struct Device<'a> {
    handle: WDFDEVICE,
    lifetime: PhantomData<&'a ()>,
}

impl Device<'_> {
    pub(super) const fn handle(self) -> WDFDEVICE {
        self.handle
    }

    /// Gives the device its value: from now on its callbacks have an effect. To be called once,
    /// before `EvtDriverDeviceAdd` returns; a second value is dropped.
    ///
    /// # Errors
    ///
    /// `STATUS_INSUFFICIENT_RESOURCES`, or `STATUS_INVALID_DEVICE_STATE` for a second value.
    pub fn serve<D: DeviceEvents>(self, events: D, _irql: &mut Passive<'_>) -> Result<()> {
        let channel = PassiveCell::try_new(ChannelSlot::Empty, TAG)?;
        // SAFETY: the device is valid. A device has no callbacks before EvtDriverDeviceAdd has
        // returned; devices are added one at a time, and this one's thread runs here: nobody else
        // puts or takes.
        if unsafe { object::put::<D>(self.handle.cast(), Kept { events, channel }) } {
            Ok(())
        } else {
            Err(Status(STATUS_INVALID_DEVICE_STATE))
        }
    }

    /// Lets programs find the device by the interface's class.
    ///
    /// # Errors
    ///
    /// The framework's.
    pub fn create_interface(self, class: &'static GUID, _irql: &mut Passive<'_>) -> Result<()> {
        // SAFETY: PASSIVE_LEVEL by the witness; the device is valid; the class is a static; there
        // is no reference string.
        check(unsafe {
            call_unsafe_wdf_function_binding!(
                WdfDeviceCreateDeviceInterface,
                self.handle,
                core::ptr::from_ref(class),
                core::ptr::null(),
            )
        })
    }

    /// Asks the bus driver for KMCL's interface.
    ///
    /// # Errors
    ///
    /// As [`Interface::query`].
    pub fn query_kmcl(
        self,
        irql: &mut Passive<'_>,
    ) -> core::result::Result<Interface, kmcl::status::Error> {
        // SAFETY: the device is valid, and a function device: nothing made it a filter.
        unsafe { Interface::query(self.handle, irql) }
    }

    /// Allocates a channel for the bus's device below this one. The channel must be dropped before
    /// this device is: in [`DeviceEvents::release_hardware`].
    ///
    /// # Errors
    ///
    /// As [`Interface::channel`].
    pub fn channel<H: Handler>(
        self,
        interface: &Interface,
        handler: H,
        irql: &mut Passive<'_>,
    ) -> core::result::Result<ChannelConfig<H>, kmcl::status::Error> {
        // SAFETY: the device is valid, so it has a physical device object below, which the bus
        // driver made and which stays at least until this device's stack is gone. The channel is
        // gone before: the only place that keeps one is the device's own context, whose value is
        // dropped with the device.
        unsafe {
            let parent =
                call_unsafe_wdf_function_binding!(WdfDeviceWdmGetPhysicalDevice, self.handle);
            interface.channel(parent, handler, irql)
        }
    }
}

/// Runs a callback with what is kept in the device's context and a witness.
///
/// # Safety
///
/// Called from a framework callback of `device` that runs at `PASSIVE_LEVEL`.
unsafe fn at_passive<D: DeviceEvents>(
    device: WDFDEVICE,
    run: impl FnOnce(&Kept<D>, &mut Passive<'_>) -> Result<()>,
) -> NTSTATUS {
    // SAFETY: the device is valid in its callback, and its value is taken only in the cleanup
    // callback, after all others.
    let Some(kept) = (unsafe { object::get::<D>(device.cast()) }) else {
        return STATUS_INVALID_DEVICE_STATE;
    };
    // SAFETY: the caller says that this is PASSIVE_LEVEL; the framework's callbacks are not a
    // channel's.
    let mut irql = unsafe { Passive::assume() };
    status_of(run(kept, &mut irql))
}

/// Runs a callback of plug and play or power with the device's value, its channel and a witness.
///
/// # Safety
///
/// As [`at_passive`].
unsafe fn with_channel<D: DeviceEvents>(
    device: WDFDEVICE,
    run: impl FnOnce(&D, &mut ChannelSlot<D::Handler>, &mut Passive<'_>) -> Result<()>,
) -> NTSTATUS {
    // SAFETY: as the caller says.
    unsafe {
        at_passive(device, |kept: &Kept<D>, irql| {
            kept.channel
                .with(irql, |channel, irql| run(&kept.events, channel, irql))?
        })
    }
}

unsafe extern "C" fn prepare_hardware<D: DeviceEvents>(
    device: WDFDEVICE,
    _raw: WDFCMRESLIST,
    _translated: WDFCMRESLIST,
) -> NTSTATUS {
    let this = Device {
        handle: device,
        lifetime: PhantomData,
    };
    // SAFETY: the framework calls this at PASSIVE_LEVEL.
    unsafe {
        with_channel(device, |events: &D, channel, irql| {
            events.prepare_hardware(channel, this, irql)
        })
    }
}

unsafe extern "C" fn release_hardware<D: DeviceEvents>(
    device: WDFDEVICE,
    _translated: WDFCMRESLIST,
) -> NTSTATUS {
    // SAFETY: the framework calls this at PASSIVE_LEVEL.
    unsafe {
        with_channel(device, |events: &D, channel, irql| {
            events.release_hardware(channel, irql);
            Ok(())
        })
    }
}

unsafe extern "C" fn d0_entry<D: DeviceEvents>(
    device: WDFDEVICE,
    _previous: WDF_POWER_DEVICE_STATE,
) -> NTSTATUS {
    // SAFETY: the framework calls this at PASSIVE_LEVEL.
    unsafe {
        with_channel(device, |events: &D, channel, irql| {
            events.d0_entry(channel, irql)
        })
    }
}

unsafe extern "C" fn d0_exit<D: DeviceEvents>(
    device: WDFDEVICE,
    _target: WDF_POWER_DEVICE_STATE,
) -> NTSTATUS {
    // SAFETY: the framework calls this at PASSIVE_LEVEL.
    unsafe {
        with_channel(device, |events: &D, channel, irql| {
            events.d0_exit(channel, irql);
            Ok(())
        })
    }
}

unsafe extern "C" fn surprise_removal<D: DeviceEvents>(device: WDFDEVICE) {
    // SAFETY: the framework calls this at PASSIVE_LEVEL. There is no status to return.
    let _: NTSTATUS = unsafe {
        at_passive(device, |kept: &Kept<D>, irql| {
            kept.events.surprise_removal(irql);
            Ok(())
        })
    };
}

unsafe extern "C" fn file_create<D: DeviceEvents>(
    device: WDFDEVICE,
    request: WDFREQUEST,
    file: WDFFILEOBJECT,
) {
    // SAFETY: the framework hands the request to this callback, which completes it.
    let request = unsafe { Request::new(request) };
    // SAFETY: the framework calls this at PASSIVE_LEVEL. The file is valid, and nobody has seen it
    // before.
    let status = unsafe {
        at_passive(device, |kept: &Kept<D>, irql| {
            object::put::<D::File>(file.cast(), kept.events.file_create(irql));
            Ok(())
        })
    };
    request.complete(kmcl::status::Status(status), 0);
}

unsafe extern "C" fn cleanup<D: DeviceEvents>(object: WDFOBJECT) {
    // SAFETY: the framework cleans a device up once, at PASSIVE_LEVEL, after all its other
    // callbacks, and not in one of a channel's: there the cell may be dropped, and the rest is
    // `Send`.
    drop(unsafe { object::take::<D>(object) });
}
