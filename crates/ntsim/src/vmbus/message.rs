//! The control messages between the guest's bus driver and the host, as they are on the wire.

use zerocopy::little_endian::{I32, U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// The longest message.
pub(crate) const MAXIMUM_BYTES: usize = 240;
/// Page frames and other 64-bit words that a GPADL header carries.
pub(crate) const HEADER_WORDS: usize = 27;
/// Page frames and other 64-bit words that a GPADL body carries.
pub(crate) const BODY_WORDS: usize = 28;
/// The protocol versions that the host knows, newest first: major in the upper half, minor in the
/// lower.
pub(crate) const VERSIONS: [u32; 5] = [0x5_0003, 0x5_0002, 0x5_0001, 0x5_0000, 0x4_0000];

/// From this version on the first contact names the guest's interrupt source and trust level, and
/// the answer a message connection.
pub(crate) const CONNECTION_VERSION: u32 = 0x5_0000;

/// The synthetic interrupt source of the bus's messages (byte 0 of the field that once held the
/// interrupt page); the virtual trust level (byte 1) is 0.
pub(crate) const SINT: u64 = 2;

/// The message connection to which the guest posts from [`CONNECTION_VERSION`] on.
pub(crate) const MESSAGE_CONNECTION: u32 = 4;

macro_rules! wire {
    ($($(#[$doc:meta])* struct $name:ident { $($field:ident: $type:ty,)* })*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
        #[repr(C)]
        pub(crate) struct $name {
            $(pub(crate) $field: $type,)*
        }
    )*};
}

wire! {
    /// What each message begins with.
    struct Header {
        kind: U32,
        reserved: U32,
    }

    /// The host offers a channel.
    struct OfferChannel {
        interface_type: [u8; 16],
        interface_instance: [u8; 16],
        reserved: [U64; 2],
        flags: U16,
        mmio_megabytes: U16,
        user_data: [u8; 120],
        subchannel_index: U16,
        mmio_megabytes_optional: U16,
        channel: U32,
        monitor: u8,
        monitor_allocated: u8,
        dedicated_interrupt: U16,
        connection: U32,
    }

    /// A message about a channel and nothing more: rescind, close, relid released.
    struct ChannelOnly {
        channel: U32,
    }

    /// The guest opens a channel.
    struct OpenChannel {
        channel: U32,
        open_id: U32,
        ring_gpadl: U32,
        target_processor: U32,
        downstream_page_offset: U32,
        user_data: [u8; 120],
    }

    /// The host's answer to it.
    struct OpenResult {
        channel: U32,
        open_id: U32,
        status: I32,
    }

    /// The guest describes memory; ranges follow.
    struct GpadlHeader {
        channel: U32,
        gpadl: U32,
        length: U16,
        count: U16,
    }

    /// More of a description; page frames follow.
    struct GpadlBody {
        reserved: U32,
        gpadl: U32,
    }

    /// The host's answer to a description.
    struct GpadlCreated {
        channel: U32,
        gpadl: U32,
        status: I32,
    }

    /// The guest takes a description back.
    struct GpadlTeardown {
        channel: U32,
        gpadl: U32,
    }

    /// The host has let go of it.
    struct GpadlTornDown {
        gpadl: U32,
    }

    /// The guest proposes a version.
    struct InitiateContact {
        version: U32,
        target_processor: U32,
        interrupt_page: U64,
        parent_to_child_monitor_page: U64,
        child_to_parent_monitor_page: U64,
    }

    /// The host knows it, or not.
    struct VersionResponse {
        supported: u8,
        connection_state: u8,
        reserved: U16,
        message_connection: U32,
    }

    /// What each range of a GPADL begins with, and each range of a GPA-direct packet.
    struct RangeHeader {
        length: U32,
        offset: U32,
    }
}

/// A message's type.
pub(crate) mod kind {
    pub(crate) const OFFER_CHANNEL: u32 = 1;
    pub(crate) const RESCIND_OFFER: u32 = 2;
    pub(crate) const REQUEST_OFFERS: u32 = 3;
    pub(crate) const ALL_OFFERS_DELIVERED: u32 = 4;
    pub(crate) const OPEN_CHANNEL: u32 = 5;
    pub(crate) const OPEN_RESULT: u32 = 6;
    pub(crate) const CLOSE_CHANNEL: u32 = 7;
    pub(crate) const GPADL_HEADER: u32 = 8;
    pub(crate) const GPADL_BODY: u32 = 9;
    pub(crate) const GPADL_CREATED: u32 = 10;
    pub(crate) const GPADL_TEARDOWN: u32 = 11;
    pub(crate) const GPADL_TORN_DOWN: u32 = 12;
    pub(crate) const RELID_RELEASED: u32 = 13;
    pub(crate) const INITIATE_CONTACT: u32 = 14;
    pub(crate) const VERSION_RESPONSE: u32 = 15;
}

/// A control message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Message {
    OfferChannel(Box<OfferChannel>),
    RescindOffer(ChannelOnly),
    RequestOffers,
    AllOffersDelivered,
    OpenChannel(Box<OpenChannel>),
    OpenResult(OpenResult),
    CloseChannel(ChannelOnly),
    /// With the bytes of the ranges that fit.
    GpadlHeader(GpadlHeader, Vec<u8>),
    /// With the bytes that follow.
    GpadlBody(GpadlBody, Vec<u8>),
    GpadlCreated(GpadlCreated),
    GpadlTeardown(GpadlTeardown),
    GpadlTornDown(GpadlTornDown),
    RelidReleased(ChannelOnly),
    InitiateContact(InitiateContact),
    VersionResponse(VersionResponse),
}

/// Why bytes are no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Malformed {
    #[error("{0} bytes are too short for the message, or too long for any")]
    Length(usize),
    #[error("no message has type {0}")]
    Kind(u32),
}

/// Reads what a message begins with, and says what follows.
fn of<T: FromBytes>(body: &[u8], error: Malformed) -> Result<(T, &[u8]), Malformed> {
    T::read_from_prefix(body).map_err(|_| error)
}

impl Message {
    fn kind(&self) -> u32 {
        match self {
            Self::OfferChannel(_) => kind::OFFER_CHANNEL,
            Self::RescindOffer(_) => kind::RESCIND_OFFER,
            Self::RequestOffers => kind::REQUEST_OFFERS,
            Self::AllOffersDelivered => kind::ALL_OFFERS_DELIVERED,
            Self::OpenChannel(_) => kind::OPEN_CHANNEL,
            Self::OpenResult(_) => kind::OPEN_RESULT,
            Self::CloseChannel(_) => kind::CLOSE_CHANNEL,
            Self::GpadlHeader(..) => kind::GPADL_HEADER,
            Self::GpadlBody(..) => kind::GPADL_BODY,
            Self::GpadlCreated(_) => kind::GPADL_CREATED,
            Self::GpadlTeardown(_) => kind::GPADL_TEARDOWN,
            Self::GpadlTornDown(_) => kind::GPADL_TORN_DOWN,
            Self::RelidReleased(_) => kind::RELID_RELEASED,
            Self::InitiateContact(_) => kind::INITIATE_CONTACT,
            Self::VersionResponse(_) => kind::VERSION_RESPONSE,
        }
    }

    /// The message as it is sent.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let header = Header {
            kind: self.kind().into(),
            reserved: 0.into(),
        };
        let mut bytes = header.as_bytes().to_vec();
        match self {
            Self::OfferChannel(body) => bytes.extend(body.as_bytes()),
            Self::RescindOffer(body) | Self::CloseChannel(body) | Self::RelidReleased(body) => {
                bytes.extend(body.as_bytes());
            }
            Self::RequestOffers | Self::AllOffersDelivered => {}
            Self::OpenChannel(body) => bytes.extend(body.as_bytes()),
            Self::OpenResult(body) => bytes.extend(body.as_bytes()),
            Self::GpadlHeader(body, ranges) => {
                bytes.extend(body.as_bytes());
                bytes.extend(ranges);
            }
            Self::GpadlBody(body, words) => {
                bytes.extend(body.as_bytes());
                bytes.extend(words);
            }
            Self::GpadlCreated(body) => bytes.extend(body.as_bytes()),
            Self::GpadlTeardown(body) => bytes.extend(body.as_bytes()),
            Self::GpadlTornDown(body) => bytes.extend(body.as_bytes()),
            Self::InitiateContact(body) => bytes.extend(body.as_bytes()),
            Self::VersionResponse(body) => bytes.extend(body.as_bytes()),
        }
        debug_assert!(bytes.len() <= MAXIMUM_BYTES);
        bytes
    }

    /// Reads a message; bytes beyond what it needs are ignored, as newer versions append members.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        let length = Malformed::Length(bytes.len());
        if bytes.len() > MAXIMUM_BYTES {
            return Err(length);
        }
        let (header, body) = Header::read_from_prefix(bytes).map_err(|_| length)?;
        Ok(match header.kind.get() {
            kind::OFFER_CHANNEL => Self::OfferChannel(Box::new(of(body, length)?.0)),
            kind::RESCIND_OFFER => Self::RescindOffer(of(body, length)?.0),
            kind::REQUEST_OFFERS => Self::RequestOffers,
            kind::ALL_OFFERS_DELIVERED => Self::AllOffersDelivered,
            kind::OPEN_CHANNEL => Self::OpenChannel(Box::new(of(body, length)?.0)),
            kind::OPEN_RESULT => Self::OpenResult(of(body, length)?.0),
            kind::CLOSE_CHANNEL => Self::CloseChannel(of(body, length)?.0),
            kind::GPADL_HEADER => {
                let (header, rest) = of(body, length)?;
                Self::GpadlHeader(header, rest.to_vec())
            }
            kind::GPADL_BODY => {
                let (header, rest) = of(body, length)?;
                Self::GpadlBody(header, rest.to_vec())
            }
            kind::GPADL_CREATED => Self::GpadlCreated(of(body, length)?.0),
            kind::GPADL_TEARDOWN => Self::GpadlTeardown(of(body, length)?.0),
            kind::GPADL_TORN_DOWN => Self::GpadlTornDown(of(body, length)?.0),
            kind::RELID_RELEASED => Self::RelidReleased(of(body, length)?.0),
            kind::INITIATE_CONTACT => Self::InitiateContact(of(body, length)?.0),
            kind::VERSION_RESPONSE => Self::VersionResponse(of(body, length)?.0),
            other => return Err(Malformed::Kind(other)),
        })
    }
}

/// Guest memory as a list of page frames: `length` bytes from `offset` into the first.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct PageRange {
    /// Bytes.
    pub length: u32,
    /// Where it begins in the first page, in bytes.
    pub offset: u32,
    /// The page frame numbers.
    pub frames: Vec<u64>,
}

impl PageRange {
    /// How many frames a range of this length at this offset touches.
    pub(crate) fn frame_count(length: u32, offset: u32) -> usize {
        (offset as usize + length as usize).div_ceil(4096)
    }

    /// On the wire: length, offset, the frames.
    pub(crate) fn append_to(&self, bytes: &mut Vec<u8>) {
        let header = RangeHeader {
            length: self.length.into(),
            offset: self.offset.into(),
        };
        bytes.extend(header.as_bytes());
        for frame in &self.frames {
            bytes.extend(frame.to_le_bytes());
        }
    }

    /// Reads a range; what follows it comes back too. None if the bytes are not a whole range.
    pub(crate) fn parse(bytes: &[u8]) -> Option<(Self, &[u8])> {
        let (header, mut rest) = RangeHeader::read_from_prefix(bytes).ok()?;
        let (length, offset) = (header.length.get(), header.offset.get());
        if offset >= 4096 || length == 0 {
            return None;
        }
        let count = Self::frame_count(length, offset);
        if rest.len() / 8 < count {
            return None;
        }
        let mut frames = Vec::with_capacity(count);
        for _ in 0..count {
            let (frame, tail) = U64::read_from_prefix(rest).ok()?;
            frames.push(frame.get());
            rest = tail;
        }
        Some((
            Self {
                length,
                offset,
                frames,
            },
            rest,
        ))
    }
}

/// Cuts the description of a GPADL into the messages that carry it. None if it is too long for the
/// protocol.
pub(crate) fn gpadl_messages(
    channel: u32,
    gpadl: u32,
    ranges: &[PageRange],
) -> Option<Vec<Message>> {
    let mut bytes = Vec::new();
    for range in ranges {
        range.append_to(&mut bytes);
    }
    let header = GpadlHeader {
        channel: channel.into(),
        gpadl: gpadl.into(),
        length: u16::try_from(bytes.len()).ok()?.into(),
        count: u16::try_from(ranges.len()).ok()?.into(),
    };
    let split = bytes.len().min(HEADER_WORDS * 8);
    let rest = bytes.split_off(split);
    let mut messages = vec![Message::GpadlHeader(header, bytes)];
    for words in rest.chunks(BODY_WORDS * 8) {
        let body = GpadlBody {
            reserved: 0.into(),
            gpadl: gpadl.into(),
        };
        messages.push(Message::GpadlBody(body, words.to_vec()));
    }
    Some(messages)
}

#[cfg(test)]
mod tests {
    use super::{
        ChannelOnly, GpadlHeader, MAXIMUM_BYTES, Malformed, Message, OfferChannel, OpenChannel,
        PageRange, gpadl_messages,
    };

    #[test]
    fn messages_have_the_sizes_of_the_protocol() {
        assert_eq!(size_of::<OfferChannel>() + 8, 196);
        assert_eq!(size_of::<OpenChannel>() + 8, 148);
        assert_eq!(size_of::<GpadlHeader>() + 8, 20);
    }

    #[test]
    fn a_message_survives_the_wire() {
        let message = Message::RescindOffer(ChannelOnly { channel: 7.into() });
        assert_eq!(message.to_bytes(), [2, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0]);
        assert_eq!(Message::parse(&message.to_bytes()), Ok(message));
    }

    #[test]
    fn short_long_and_unknown_messages_are_refused() {
        assert_eq!(Message::parse(&[1, 0, 0]), Err(Malformed::Length(3)));
        assert_eq!(
            Message::parse(&[5; 8]).unwrap_err(),
            Malformed::Kind(0x0505_0505)
        );
        assert_eq!(
            Message::parse(&[5, 0, 0, 0, 0, 0, 0, 0]),
            Err(Malformed::Length(8))
        );
        assert_eq!(Message::parse(&[0; 241]), Err(Malformed::Length(241)));
    }

    #[test]
    fn a_long_gpadl_is_cut_into_header_and_bodies() {
        let range = PageRange {
            length: 100 * 4096,
            offset: 0,
            frames: (1000..1100).collect(),
        };
        let messages =
            gpadl_messages(1, 2, std::slice::from_ref(&range)).expect("it fits the protocol");
        assert_eq!(messages.len(), 4);
        let mut bytes = Vec::new();
        for message in &messages {
            assert!(message.to_bytes().len() <= MAXIMUM_BYTES);
            match message {
                Message::GpadlHeader(_, part) | Message::GpadlBody(_, part) => bytes.extend(part),
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(PageRange::parse(&bytes), Some((range, [].as_slice())));
    }

    #[test]
    fn a_gpadl_beyond_the_protocol_is_refused() {
        let frames = vec![1; 8191];
        let range = PageRange {
            length: 8191 * 4096,
            offset: 0,
            frames,
        };
        assert_eq!(gpadl_messages(1, 2, &[range]), None);
    }
}
