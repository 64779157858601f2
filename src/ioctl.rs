//! What programs and the driver agree on: the device interface, control codes, structures and
//! statuses.
//!
//! # Handles and sessions
//!
//! A program finds the device by its interface class ([`GUID_DEVINTERFACE_VMBCHAN`]) and opens it.
//! A handle belongs to the *session* of the channel in which it was opened; when that ends (the
//! host closes the channel, or the device leaves its working state), what was under way may be
//! lost, and every later request on the handle fails with `STATUS_DEVICE_NOT_CONNECTED`: open the
//! device again.
//!
//! Until the host has opened the channel for the first time, requests wait, but no longer than
//! [`Info::open_timeout`]. A host that refuses the channel cannot be told from one that does not
//! answer. After that time the state is [`State::Unanswered`], and requests fail with
//! `STATUS_IO_TIMEOUT`. If the host opens the channel later, the same handles work.
//!
//! # Messages
//!
//! `WriteFile` sends one message and is done when the message is in the ring or KMCL has taken it
//! back; `ReadFile` receives one. Both keep the order. KMCL knows a message's length on a raw
//! channel only rounded up to a multiple of 8: what is received may end with up to 7 bytes of
//! padding of any content, so protocols carry their own length.
//!
//! Several handles may read and write: each message goes to one reader. Everything that waits can
//! be cancelled.
//!
//! | status | when |
//! |---|---|
//! | `STATUS_INVALID_PARAMETER` | a read, write or transaction of length zero; input to [`IOCTL_VMBCHAN_QUERY_INFO`] |
//! | `STATUS_INVALID_BUFFER_SIZE` | a message longer than [`Info::maximum_message_size`] |
//! | `STATUS_BUFFER_TOO_SMALL` | a read whose buffer is too short for the next message, which stays; an output buffer too short for [`Info`] |
//! | `STATUS_BUFFER_OVERFLOW` | a transaction whose reply is longer than the output buffer, which has the first part of it |
//! | `STATUS_DEVICE_NOT_CONNECTED` | the channel is not open, or the handle is of an earlier session |
//! | `STATUS_IO_TIMEOUT` | the host has not opened the channel in time |
//! | `STATUS_DEVICE_REMOVED` | the device has gone |
//! | `STATUS_INSUFFICIENT_RESOURCES` | no memory |
//! | `STATUS_CANCELLED` | cancelled; a message that was already handed to KMCL is sent all the same |
//! | `STATUS_INVALID_DEVICE_REQUEST` | any other control code |

use wdk_sys::{
    FILE_ANY_ACCESS, FILE_DEVICE_UNKNOWN, FILE_READ_DATA, FILE_WRITE_DATA, GUID, METHOD_BUFFERED,
};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// The device interface class of the driver's devices: `{5d3a9c5e-1f0b-4f6e-8e27-3b9a61d47c02}`.
pub static GUID_DEVINTERFACE_VMBCHAN: GUID = GUID {
    Data1: 0x5d3a_9c5e,
    Data2: 0x1f0b,
    Data3: 0x4f6e,
    Data4: [0x8e, 0x27, 0x3b, 0x9a, 0x61, 0xd4, 0x7c, 0x02],
};

const fn control_code(function: u32, access: u32) -> u32 {
    FILE_DEVICE_UNKNOWN << 16 | access << 14 | function << 2 | METHOD_BUFFERED
}

/// Sends the input as one message and waits for the host's completion, whose bytes are the output:
/// rounded up to a multiple of 8 as messages are. The handle must be open for reading and writing.
pub const IOCTL_VMBCHAN_TRANSACT: u32 = control_code(0x800, FILE_READ_DATA | FILE_WRITE_DATA);

/// Returns an [`Info`]. No input; any handle.
pub const IOCTL_VMBCHAN_QUERY_INFO: u32 = control_code(0x801, FILE_ANY_ACCESS);

/// The state of the link to the host, as [`Info::state`] gives it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum State {
    /// The device is not in its working state.
    Off = 0,
    /// The host has not opened the channel yet. Requests wait.
    Connecting = 1,
    /// Messages flow.
    Open = 2,
    /// The channel was closed. What was received before can still be read.
    Closed = 3,
    /// The device has gone.
    Removed = 4,
    /// The host has not opened the channel in [`Info::open_timeout`]: it refuses, or does not
    /// answer.
    Unanswered = 5,
}

/// What [`IOCTL_VMBCHAN_QUERY_INFO`] returns. All numbers are little-endian, at the byte offsets
/// given; counters run from when the device was added, each is read for itself.
#[derive(
    Clone, Copy, PartialEq, Eq, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct Info {
    /// 0: [`Info::VERSION`]. A later version only adds members at the end.
    pub version: u32,
    /// 4: the structure's length in bytes.
    pub size: u32,
    /// 8: a [`State`].
    pub state: u32,
    /// 12: the number of the channel's session.
    pub session: u32,
    /// 16: the longest message that may be sent, in bytes.
    pub maximum_message_size: u32,
    /// 20: how many messages of the host's may wait for a reader; beyond it the host waits.
    pub receive_quota: u32,
    /// 24: how many messages may be on their way to the host; beyond it writers wait.
    pub send_quota: u32,
    /// 28: the size of each ring in pages of 4096 bytes.
    pub ring_pages: u32,
    /// 32: messages that wait for a reader now.
    pub messages_waiting: u32,
    /// 36: messages on their way to the host now.
    pub messages_in_flight: u32,
    /// 40: messages that went into the ring.
    pub messages_sent: u64,
    /// 48: their bytes.
    pub bytes_sent: u64,
    /// 56: messages that readers have got.
    pub messages_received: u64,
    /// 64: their bytes.
    pub bytes_received: u64,
    /// 72: transactions that the host has completed.
    pub transactions: u64,
    /// 80: messages of the host's that were not kept: no memory, or their session had ended.
    pub messages_dropped: u64,
    /// 88: messages of the host's that were refused: too long, or with external data.
    pub messages_malformed: u64,
    /// 96: entries that the channel's lookaside list of packets had at hand; 0 while there is no
    /// channel.
    pub lookaside_hits: u64,
    /// 104: entries that it had to allocate: as many as were in use at a time, more only where the
    /// system has trimmed the list.
    pub lookaside_misses: u64,
    /// 112: message buffers that were at hand.
    pub buffer_hits: u64,
    /// 120: message buffers that had to be allocated.
    pub buffer_misses: u64,
    /// 128: how long requests wait for the host to open the channel, in milliseconds.
    pub open_timeout: u32,
    /// 132: buffers in use for messages of the host's now: one for each message that waits, and a
    /// few more while some are on their way to a reader. Zero in version 2.
    pub receive_buffers: u32,
}

impl Info {
    /// The version described here.
    pub const VERSION: u32 = 3;
}

#[cfg(test)]
mod tests {
    use super::{IOCTL_VMBCHAN_QUERY_INFO, IOCTL_VMBCHAN_TRANSACT, Info};
    use core::mem::offset_of;

    #[test]
    fn the_control_codes_are_those_that_programs_have() {
        assert_eq!(IOCTL_VMBCHAN_TRANSACT, 0x0022_E000);
        assert_eq!(IOCTL_VMBCHAN_QUERY_INFO, 0x0022_2004);
    }

    #[test]
    fn the_information_is_laid_out_as_documented() {
        assert_eq!(offset_of!(Info, state), 8);
        assert_eq!(offset_of!(Info, messages_waiting), 32);
        assert_eq!(offset_of!(Info, messages_sent), 40);
        assert_eq!(offset_of!(Info, transactions), 72);
        assert_eq!(offset_of!(Info, buffer_misses), 120);
        assert_eq!(offset_of!(Info, open_timeout), 128);
        assert_eq!(size_of::<Info>(), 136);
    }
}
