//! Pairs of the same work: through `kmcl`, and by hand over the raw table.

pub mod mock;
pub mod raw;
pub mod safe;

use zerocopy::{FromBytes, Immutable, IntoBytes};

/// Bytes of a message to the host.
pub const MESSAGE_BYTES: usize = 64;

/// Bytes of external data that go with a message.
pub const EXTERNAL_BYTES: u32 = 4096;

/// What the host's messages and replies begin with.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
pub struct Reply(pub [u64; 2]);

/// One piece of work on both sides.
pub struct Pair {
    /// As the command line and the reports name it.
    pub name: &'static str,
    /// How deep lookaside lists are: 0 makes every allocation and every release a miss.
    pub depth: u16,
    /// Through `kmcl`.
    pub safe: fn(&safe::Safe),
    /// By hand.
    pub raw: fn(&raw::Raw),
    /// By hand without the claim, where there is one.
    pub bare: Option<fn(&raw::Raw)>,
}

/// The pairs.
pub const PAIRS: [Pair; 6] = [
    Pair {
        name: "packet-allocate-free",
        depth: 4,
        safe: safe::Safe::packet,
        raw: raw::Raw::packet,
        bare: None,
    },
    Pair {
        name: "send-complete-resend",
        depth: 4,
        safe: safe::Safe::send_and_resend,
        raw: raw::Raw::send_and_resend,
        bare: Some(raw::Raw::bare_send_and_resend),
    },
    Pair {
        name: "receive-complete",
        depth: 4,
        safe: safe::Safe::receive,
        raw: raw::Raw::receive,
        bare: None,
    },
    Pair {
        name: "lookaside-hit",
        depth: 4,
        safe: safe::Safe::lookaside,
        raw: raw::Raw::lookaside,
        bare: None,
    },
    Pair {
        name: "lookaside-miss",
        depth: 0,
        safe: safe::Safe::lookaside,
        raw: raw::Raw::lookaside,
        bare: None,
    },
    Pair {
        name: "external-data-send",
        depth: 4,
        safe: safe::Safe::external,
        raw: raw::Raw::external,
        bare: Some(raw::Raw::bare_external),
    },
];
