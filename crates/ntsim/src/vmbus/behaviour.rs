//! What KMCL does where its documentation says nothing.
//!
//! A driver has to be right under each reading, so by default every occasion draws one from the
//! seed. A test that is about one reading fixes it.

use crate::kernel::kernel;

/// Which reading of the documentation's silences holds. `None`: each occasion draws one.
#[derive(Clone, Debug, Default)]
pub struct KmclBehaviour {
    /// Whether `VmbChannelPacketComplete` delivers the packets that have come, before it returns:
    /// the process-packet callback then runs inside it, with whatever locks its caller holds.
    pub delivers_inside_completion: Option<bool>,
    /// A send that fails runs the driver's completion routine too, before it returns.
    pub routine_on_failed_send: Option<bool>,
    /// A packet that needs no answer is completed before its send returns, if the ring had room.
    pub completes_inside_send: Option<bool>,
    /// A packet that the ring has no room for keeps a pointer to its buffer, which is read later.
    pub reads_buffer_late: Option<bool>,
    /// State callbacks get a chance to run before `VmbChannelEnable` returns.
    pub callbacks_before_enable_returns: Option<bool>,
    /// Incoming packets come at `PASSIVE_LEVEL` although the driver has not asked for it.
    pub processes_at_passive: Option<bool>,
    /// A payload is delivered where it lies in the ring, which the host can write, rather than
    /// copied.
    pub payload_in_ring: Option<bool>,
    /// A payload is gone, though its callback goes on, once its packet is completed; and a reply
    /// once its packet is freed or sent again.
    pub payload_ends_with_packet: Option<bool>,
    /// `EvtChannelClosed` follows when `EvtChannelOpened` fails.
    pub closed_after_failed_open: Option<bool>,
    /// A channel whose `EvtChannelOpened` failed is disabled, rather than enabled without traffic.
    pub disabled_after_failed_open: Option<bool>,
    /// When the packets that are out when a channel closes come back.
    pub outgoing_fail: Option<WhenOutgoingFail>,
    /// `VmbChannelDisable` returns only when every completion routine has; else some may still run,
    /// or be about to.
    pub disable_waits_for_completions: Option<bool>,
    /// An empty reply is a null pointer.
    pub null_for_empty_reply: Option<bool>,
    /// A setter succeeds on a channel that was enabled once and is disabled again (else
    /// `STATUS_INVALID_PARAMETER_1`).
    pub setters_after_disable: Option<bool>,
    /// A synchronous request whose reply does not fit succeeds with what fits (else
    /// `STATUS_BUFFER_OVERFLOW`).
    pub truncated_reply_succeeds: Option<bool>,
    /// `VmbChannelPacketGetExternalData` answers `STATUS_PENDING` first.
    pub external_data_pends: Option<bool>,
    /// `VmbChannelPacketGetExternalData` gives the same MDL when it is asked again for one packet (else
    /// `STATUS_INVALID_PARAMETER`).
    pub external_data_again: Option<bool>,
}

/// When KMCL completes the packets that are out when a channel closes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum WhenOutgoingFail {
    /// Before `EvtChannelSuspend`.
    BeforeSuspend,
    /// After `EvtChannelSuspend` and before `EvtChannelClosed`.
    BeforeClosed,
    /// After `EvtChannelClosed`.
    AfterClosed,
}

/// The fixed reading, or one drawn from the seed.
pub(crate) fn choose(fixed: Option<bool>) -> bool {
    fixed.unwrap_or_else(|| kernel().sched.random(2) == 1)
}

impl KmclBehaviour {
    pub(crate) fn when_outgoing_fail(&self) -> WhenOutgoingFail {
        self.outgoing_fail
            .unwrap_or_else(|| match kernel().sched.random(3) {
                0 => WhenOutgoingFail::BeforeSuspend,
                1 => WhenOutgoingFail::BeforeClosed,
                _ => WhenOutgoingFail::AfterClosed,
            })
    }
}
