//! The device: how its channel comes and goes with its hardware and its power.
//!
//! | the framework's callback | the channel |
//! |---|---|
//! | `EvtDevicePrepareHardware` | KMCL's interface is asked for, the channel allocated and configured |
//! | `EvtDeviceD0Entry` | enabled: the host may open it at once, later or never; the timer is started |
//! | `EvtTimerFunc` | not opened in time: what waits is answered, and the channel stays enabled |
//! | `EvtDeviceD0Exit` | everything that waits is answered, then disabled |
//! | `EvtDeviceReleaseHardware` | cleaned up, and with it the last reference to the interface given back |

use kmcl::channel::{ChannelConfig, ChannelSlot};
use kmcl::irql::{Dispatch, Passive};
use kmcl::pool::{InPool, PoolArc, Tag};
use kmcl::status::{Error, Status};
use wdk_sys::{STATUS_DEVICE_CONFIGURATION_ERROR, STATUS_NOT_SUPPORTED};

use crate::channel::Port;
use crate::config::Config;
use crate::ioctl::GUID_DEVINTERFACE_VMBCHAN;
use crate::link::Link;
use crate::queues::{self, Handle};
use crate::session::Sessions;
use crate::wdf;
use crate::wdf::device::{Device, DeviceEvents, DeviceInit, Kept};
use crate::wdf::driver::Driver;
use crate::wdf::object::context;
use crate::wdf::request::Request;
use crate::wdf::timer::Timer;

const TAG: Tag = Tag::new(*b"VcDv");

/// The name of the channel in the debugger and in performance counters.
static FRIENDLY_NAME: [u16; 7] = [
    b'v' as u16,
    b'm' as u16,
    b'b' as u16,
    b'c' as u16,
    b'h' as u16,
    b'a' as u16,
    b'n' as u16,
];

/// What is kept with a device.
pub struct DeviceContext {
    link: PoolArc<Link>,
    /// Runs from each start of the channel's until the host must have opened it.
    opening: Timer,
}

context!(DeviceContext, Kept<DeviceContext>);

impl DeviceContext {
    /// Makes the framework's device, with its queues and its interface.
    ///
    /// # Errors
    ///
    /// The framework's, or `STATUS_INSUFFICIENT_RESOURCES`. The framework then deletes what was
    /// made.
    pub fn add(
        driver: Driver<'_>,
        init: DeviceInit<'_>,
        irql: &mut Passive<'_>,
    ) -> wdf::Result<()> {
        let config = Config::read(driver, irql);
        let device = init.create::<Self>(irql)?;
        device.create_front_queue::<Self>()?;
        let link = PoolArc::try_new(Link::new(device, config)?, TAG)?;
        let opening = device.create_timer::<Self>()?;
        device.create_interface(&GUID_DEVINTERFACE_VMBCHAN, irql)?;
        device.serve(Self { link, opening }, irql)
    }

    fn configure(
        &self,
        device: Device<'_>,
        irql: &mut Passive<'_>,
    ) -> Result<ChannelConfig<Port>, Error> {
        let interface = device.query_kmcl(irql)?;
        let mut channel = device.channel(&interface, Port::new(self.link.clone()), irql)?;
        let config = self.link.config();
        channel
            .maximum_packet_size(config.maximum_message_size.get(), irql)?
            .ring_pages(config.ring_pages.get(), config.ring_pages.get(), irql)?
            .friendly_name(&FRIENDLY_NAME, irql)?
            .transaction_quota(config.receive_quota.get())?;
        Ok(channel)
    }

    /// Answers everything that waits: from now on nothing does.
    fn shut(&self, irql: &mut Passive<'_>) {
        self.opening.stop(irql);
        self.link.change(Sessions::power_down);
        self.link.settle(irql);
    }
}

impl DeviceEvents for DeviceContext {
    type File = Handle;
    type Handler = Port;

    fn prepare_hardware(
        &self,
        channel: &mut ChannelSlot<Port>,
        device: Device<'_>,
        irql: &mut Passive<'_>,
    ) -> wdf::Result<()> {
        let config = self
            .configure(device, irql)
            .map_err(|error| match error.status() {
                // There is no VMBus below. The framework does not allow this callback to return
                // that status.
                Status(STATUS_NOT_SUPPORTED) => Status(STATUS_DEVICE_CONFIGURATION_ERROR),
                status => status,
            })?;
        *channel = ChannelSlot::Configured(config);
        Ok(())
    }

    fn release_hardware(&self, channel: &mut ChannelSlot<Port>, irql: &mut Passive<'_>) {
        self.shut(irql);
        *channel = ChannelSlot::Empty;
        self.link.set_sender(None, irql);
        self.link.forget_messages(irql);
    }

    fn d0_entry(&self, channel: &mut ChannelSlot<Port>, irql: &mut Passive<'_>) -> wdf::Result<()> {
        // Before enabling: the host may open the channel before that returns.
        self.link.change(Sessions::power_up);
        self.opening
            .start(self.link.config().open_timeout.get(), irql);
        let enabled = channel.enable(irql);
        if enabled.is_err() {
            self.shut(irql);
        }
        enabled.map_err(Error::status)
    }

    fn d0_exit(&self, channel: &mut ChannelSlot<Port>, irql: &mut Passive<'_>) {
        self.shut(irql);
        channel.disable(irql);
        // What came in while the channel closed.
        self.link.settle(irql);
    }

    fn surprise_removal(&self, irql: &mut Passive<'_>) {
        self.link.change(Sessions::removed);
        self.link.settle(irql);
    }

    fn timeout(&self, irql: &mut Dispatch<'_>) {
        self.link.change(Sessions::timed_out);
        self.link.settle(irql);
    }

    fn file_create(&self, _irql: &mut Passive<'_>) -> Handle {
        Handle::new(&self.link)
    }

    fn request(&self, request: Request, irql: &mut Dispatch<'_>) {
        queues::serve(&self.link, request, irql);
    }
}
