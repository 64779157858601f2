//! How far a channel has come, and the wait for it.
//!
//! A device often works only once the host has opened its channel and a protocol's handshake is
//! over. So `EvtDeviceD0Entry` enables the channel and waits here, with a time limit; the handler
//! says when the handshake is over.
//!
//! ```text
//!                     handler
//!   enable -> waiting -started-> started -set_ready--> ready
//!                |                  |                    |
//!                +- opened failed --+- set_failed ---> failed
//!                +------------------+--------------------+---> closed    suspended or closed, by whichever side
//! ```
//!
//! ```
//! # use kmcl::{channel::{ChannelSlot, Handler, Running}, incoming::{Disposition, Incoming}, irql::Passive, packet::*};
//! # use kmcl::{readiness::Readiness, status::{Error, Status}};
//! # struct Hello;
//! # impl Transaction for Hello { fn payload(&self) -> &[u8] { b"hello" } }
//! struct Client;
//!
//! impl Handler for Client {
//!     type Transaction = Hello;
//!
//!     fn completed(&self, cx: &mut Running<'_, Self>, done: Completed<'_, Self>) {
//!         match done.reply().read::<u32>(0) {
//!             Some(1) if done.status().is_success() => cx.set_ready(),
//!             // The host does not speak this version of the protocol, or has closed the channel.
//!             _ => cx.set_failed(done.status()),
//!         }
//!     }
//! #   fn process_packet<'c>(&self, _: &mut Running<'c, Self>, packet: Incoming<'c, Self>) -> Disposition<'c> {
//! #       packet.complete(&[])
//! #   }
//! }
//!
//! /// In units of 100 ns.
//! const TEN_SECONDS: u64 = 100_000_000;
//!
//! /// What `EvtDeviceD0Entry` does.
//! fn power_up(channel: &mut ChannelSlot<Client>, irql: &mut Passive<'_>) -> Result<(), Error> {
//!     channel.enable(irql)?;
//!     let readiness = channel.wait_ready(Some(TEN_SECONDS), irql);
//!     if readiness != Readiness::Ready {
//!         // The framework does not call `EvtDeviceD0Exit` for a device that has not come up.
//!         channel.disable(irql);
//!     }
//!     readiness.check()
//! }
//! ```
//!
//! Only the thread of a driver's own may wait, not a callback of the channel: nothing would go on
//! meanwhile.
//!
//! ```compile_fail
//! # use kmcl::{channel::{Channel, Handler}, irql::CallbackPassive};
//! fn in_a_callback<H: Handler>(channel: &Channel<H>, irql: &mut CallbackPassive<'_>) {
//!     let _ = channel.wait_ready(None, irql);
//! }
//! ```

use wdk_sys::{STATUS_IO_TIMEOUT, STATUS_UNSUCCESSFUL};

use crate::channel::{Channel, ChannelSlot, Context, Handler, PostStarted, Running};
use crate::irql::Passive;
use crate::packet::Sender;
use crate::stage::{At, Stage};
use crate::status::{Error, Status};
use crate::sync::PlacedEvent;

/// What a wait for a channel has come to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use = "a channel that is not ready sends nothing"]
pub enum Readiness {
    /// It is so far.
    Ready,
    /// It will not be: the handler's [`opened`](Handler::opened) has failed with this status, the
    /// handler has given the handshake up with it ([`Running::set_failed`]), or the connection has
    /// failed with it ([`Handler::pnp_failure`]).
    Failed(Status),
    /// The channel was suspended or closed, by the driver or by the host, or there is none.
    Closed,
    /// The time is over. The channel may still open, and the handshake may still end.
    TimedOut,
}

impl Readiness {
    /// # Errors
    ///
    /// The status of [`Readiness::Failed`]; [`Error::NotOpen`] for [`Readiness::Closed`];
    /// `STATUS_IO_TIMEOUT` for [`Readiness::TimedOut`] (`STATUS_TIMEOUT` counts as a success, with
    /// which a device would start).
    pub const fn check(self) -> Result<(), Error> {
        match self {
            Self::Ready => Ok(()),
            Self::Failed(status) => Err(Error::Status(status)),
            Self::Closed => Err(Error::NotOpen),
            Self::TimedOut => Err(Error::Status(Status(STATUS_IO_TIMEOUT))),
        }
    }
}

/// How far a channel has come.
///
/// Each event is signaled once what it stands for is decided, for better or worse, and stays so
/// until the next start: who finds it signaled and nothing decided has slept through an end and a
/// new start.
///
/// # Invariants
///
/// Once it is in its place, the events are initialised.
pub(crate) struct Progress {
    stage: Stage,
    started: PlacedEvent,
    decided: PlacedEvent,
}

impl Progress {
    /// To be placed where it stays, and then [initialised](Self::initialize).
    pub(crate) fn to_be_placed() -> Self {
        Self {
            stage: Stage::new(),
            started: PlacedEvent::to_be_placed(),
            decided: PlacedEvent::to_be_placed(),
        }
    }

    /// # Safety
    ///
    /// It has not been initialised before, nobody uses it, and from now on it does not move.
    pub(crate) unsafe fn initialize(&self) {
        // SAFETY: as the caller says.
        unsafe {
            self.started.initialize();
            self.decided.initialize();
        }
    }

    fn signal(&self) {
        self.started.set();
        self.decided.set();
    }

    fn reset_events(&self) {
        self.started.reset();
        self.decided.reset();
    }

    /// The channel is about to be enabled.
    pub(crate) fn enabling(&self) {
        self.reset_events();
        // No callback runs yet.
        self.stage.enabling();
    }

    /// The channel starts: the handler is about to be told.
    pub(crate) fn starting(&self) {
        let before = self.stage.now();
        // Before the stage: whoever decides something later signals later.
        self.reset_events();
        if !self.stage.starting(before) {
            // Something was decided meanwhile, and its signal perhaps reset.
            self.signal();
        }
    }

    /// The handler has been told.
    pub(crate) fn started(&self) {
        self.started.set();
    }

    /// The channel is suspended or closed. Why it has failed before is the better answer.
    pub(crate) fn ended(&self) {
        if self.stage.ended() {
            self.signal();
        }
    }

    fn ready(&self) {
        if self.stage.ready() {
            self.decided.set();
        }
    }

    /// The channel cannot be used.
    pub(crate) fn fail(&self, status: Status) {
        // A success or informational status would be taken for success.
        let status = if status.is_success() {
            STATUS_UNSUCCESSFUL
        } else {
            status.0
        };
        if self.stage.fail(status) {
            self.signal();
        }
    }

    fn wait(&self, started: bool, timeout: Option<u64>, irql: &mut Passive<'_>) -> Readiness {
        let event = if started {
            &self.started
        } else {
            &self.decided
        };
        let signaled = event.wait(timeout, irql);
        match self.stage.now() {
            At::Ready => Readiness::Ready,
            At::Started if signaled && started => Readiness::Ready,
            At::Closed => Readiness::Closed,
            At::Waiting | At::Started if signaled => Readiness::Closed,
            At::Waiting | At::Started => Readiness::TimedOut,
            At::Failed(status) => Readiness::Failed(Status(status)),
        }
    }
}

impl<H: Handler> Channel<H> {
    /// Waits until the host has opened the channel and [`Handler::started`] has returned, or until
    /// that is not to be expected any more. `timeout` is in units of 100 ns; with none the wait has
    /// no end while the host does nothing.
    pub fn wait_started(&self, timeout: Option<u64>, irql: &mut Passive<'_>) -> Readiness {
        self.shared().progress.wait(true, timeout, irql)
    }

    /// Waits until the handler has said that the protocol's handshake is over (see
    /// [`Running::set_ready`]), or until that is not to be expected any more. `timeout` is as for
    /// [`Channel::wait_started`].
    pub fn wait_ready(&self, timeout: Option<u64>, irql: &mut Passive<'_>) -> Readiness {
        self.shared().progress.wait(false, timeout, irql)
    }
}

impl<H: Handler> ChannelSlot<H> {
    /// As [`Channel::wait_started`]; [`Readiness::Closed`] if no channel is enabled. A
    /// [`PassiveCell`](crate::sync::PassiveCell) that the slot is in is held meanwhile.
    pub fn wait_started(&self, timeout: Option<u64>, irql: &mut Passive<'_>) -> Readiness {
        self.enabled().map_or(Readiness::Closed, |channel| {
            channel.wait_started(timeout, irql)
        })
    }

    /// As [`Channel::wait_ready`]; [`Readiness::Closed`] if no channel is enabled. A
    /// [`PassiveCell`](crate::sync::PassiveCell) that the slot is in is held meanwhile.
    pub fn wait_ready(&self, timeout: Option<u64>, irql: &mut Passive<'_>) -> Readiness {
        self.enabled().map_or(Readiness::Closed, |channel| {
            channel.wait_ready(timeout, irql)
        })
    }
}

macro_rules! handshake {
    ($($place:ty)*) => {$(
        impl<H: Handler> $place {
            /// The handshake is over: whoever waits with [`Channel::wait_ready`] goes on. It counts
            /// until the channel is suspended, and not before it has started. IRQL:
            /// `DISPATCH_LEVEL` or below.
            ///
            /// It is said of the channel as it is open now. An answer that comes only when the
            /// channel has been disabled and enabled again belongs to the handshake before, which
            /// the packet's context tells if the handler puts it there.
            pub fn set_ready(&self) {
                self.progress().ready();
            }

            /// The handshake has failed: whoever waits for the channel gets the status
            /// (`STATUS_UNSUCCESSFUL` for one that is no error). It changes nothing once the
            /// channel is ready or closed. IRQL: `DISPATCH_LEVEL` or below.
            pub fn set_failed(&self, status: Status) {
                self.progress().fail(status);
            }
        }
    )*};
}

handshake! { Context<'_, H> PostStarted<'_, H> Running<'_, H> Sender<H> }
