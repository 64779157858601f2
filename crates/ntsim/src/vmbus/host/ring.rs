//! The host's end of a channel's two rings.
//!
//! It shares no code with the guest's end, so that a mistake in one of them shows: whole packets
//! are copied out of the guest's ring and taken apart afterwards, and assembled before they are put
//! into the host's.

use std::cell::Cell;
use std::rc::Rc;

use super::super::message::PageRange;
use super::super::shared::Shared;

const CONTROL_PAGE: usize = 4096;
/// The control page's words, in bytes from its start.
mod word {
    pub(super) const INPUT: usize = 0;
    pub(super) const OUTPUT: usize = 4;
    pub(super) const MASK: usize = 8;
    pub(super) const PENDING: usize = 12;
    pub(super) const FEATURES: usize = 64;
}

/// The guest broke the ring protocol.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the guest broke the ring protocol: {0}")]
pub struct GuestFault(pub String);

fn fault<T>(what: impl Into<String>) -> Result<T, GuestFault> {
    Err(GuestFault(what.into()))
}

/// What a packet from the guest is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostPacketKind {
    /// A message.
    InBand,
    /// A message with external data.
    GpaDirect,
    /// The guest's answer to a message of the host's.
    Completion,
}

/// A packet from the guest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPacket {
    /// What it is.
    pub kind: HostPacketKind,
    /// The number that a completion repeats.
    pub transaction: u64,
    /// Whether the guest waits for a completion.
    pub completion_requested: bool,
    /// The payload, with what pads it to a multiple of 8 bytes.
    pub payload: Vec<u8>,
    /// The external data.
    pub external: Vec<PageRange>,
}

/// One ring of the two: where its control page begins in the view, and how long its data are.
#[derive(Clone)]
pub(super) struct Half {
    view: Rc<Shared>,
    control: usize,
    length: usize,
}

impl Half {
    pub(super) fn new(view: &Rc<Shared>, control: usize, end: usize) -> Self {
        Self {
            view: Rc::clone(view),
            control,
            length: end - control - CONTROL_PAGE,
        }
    }

    fn get(&self, word: usize) -> usize {
        self.view.load(self.control + word) as usize
    }

    fn set(&self, word: usize, value: usize) {
        self.view.store(
            self.control + word,
            u32::try_from(value).unwrap_or(u32::MAX),
        );
    }

    /// Publishes an index that no sound host publishes.
    pub(super) fn publish(&self, index: RingIndex, value: u32) {
        let word = match index {
            RingIndex::In => word::INPUT,
            RingIndex::Out => word::OUTPUT,
        };
        self.set(word, value as usize);
    }

    fn checked(&self, word: usize, name: &str) -> Result<usize, GuestFault> {
        match self.get(word) {
            value if value >= self.length || value & 7 != 0 => {
                fault(format!("its {name} index is {value:#x}"))
            }
            value => Ok(value),
        }
    }

    /// Bytes from `from` up to `to`, going up and round.
    fn distance(&self, from: usize, to: usize) -> usize {
        (to + self.length - from) % self.length
    }

    fn get_bytes(&self, mut at: usize, mut into: &mut [u8]) {
        while !into.is_empty() {
            at %= self.length;
            let (now, later) = into.split_at_mut(into.len().min(self.length - at));
            self.view.read(self.control + CONTROL_PAGE + at, now);
            at += now.len();
            into = later;
        }
    }

    pub(super) fn put_bytes(&self, mut at: usize, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            at %= self.length;
            let (now, later) = bytes.split_at(bytes.len().min(self.length - at));
            self.view.write(self.control + CONTROL_PAGE + at, now);
            at += now.len();
            bytes = later;
        }
    }
}

/// The ring that the guest writes.
pub(super) struct Inbound {
    half: Half,
    taken: Cell<usize>,
}

impl Inbound {
    pub(super) fn new(half: Half) -> Self {
        Self {
            half,
            taken: Cell::new(0),
        }
    }

    pub(super) fn half(&self) -> &Half {
        &self.half
    }

    /// Takes the next packet. With it: whether the guest waits for the room that is now free.
    pub(super) fn take(&self) -> Result<Option<(HostPacket, bool)>, GuestFault> {
        let half = &self.half;
        let at = self.taken.get();
        let filled = half.distance(at, half.checked(word::INPUT, "in")?);
        if filled == 0 {
            return Ok(None);
        }
        if filled < 24 {
            return fault(format!("{filled} bytes are no packet"));
        }
        let mut length = [0; 2];
        half.get_bytes(at + 4, &mut length);
        let length = usize::from(u16::from_le_bytes(length)) * 8;
        if length < 16 || length + 8 > filled {
            return fault(format!("a packet of {length} bytes where {filled} are"));
        }
        let mut bytes = vec![0; length];
        half.get_bytes(at, &mut bytes);
        let packet = parse(&bytes)?;
        let next = (at + length + 8) % half.length;
        self.taken.set(next);
        half.set(word::OUTPUT, next);
        let threshold = half.get(word::PENDING) & !7;
        let free = half.length - half.distance(next, half.checked(word::INPUT, "in")?) - 8;
        let awaited = threshold != 0 && free >= threshold && free < threshold + length + 8;
        Ok(Some((packet, awaited)))
    }

    /// Whether the host wants no signals.
    pub(super) fn mask(&self, masked: bool) {
        self.half.set(word::MASK, usize::from(masked));
    }
}

fn parse(bytes: &[u8]) -> Result<HostPacket, GuestFault> {
    let word = |at: usize| {
        let mut value = [0; 8];
        value.copy_from_slice(&bytes[at..at + 8]);
        u64::from_le_bytes(value)
    };
    let (first, transaction) = (word(0), word(8));
    let data = usize::from(u16::from_le_bytes([bytes[2], bytes[3]])) * 8;
    let flags = first >> 48;
    if flags > 1 {
        return fault(format!("a packet with flags {flags:#x}"));
    }
    if data < 16 || data > bytes.len() {
        return fault(format!(
            "a packet whose data begin at {data} of {}",
            bytes.len()
        ));
    }
    let mut external = Vec::new();
    let kind = match first & 0xFFFF {
        6 => HostPacketKind::InBand,
        0xB => HostPacketKind::Completion,
        9 => {
            if data < 24 {
                return fault("a GPA-direct packet without ranges");
            }
            let mut rest = &bytes[24..data];
            for _ in 0..word(16) >> 32 {
                let Some((range, tail)) = PageRange::parse(rest) else {
                    return fault("ranges that run past the headers");
                };
                external.push(range);
                rest = tail;
            }
            if external.is_empty() {
                return fault("a GPA-direct packet without ranges");
            }
            HostPacketKind::GpaDirect
        }
        other => return fault(format!("a packet of type {other:#x}")),
    };
    Ok(HostPacket {
        kind,
        transaction,
        completion_requested: flags == 1,
        payload: bytes[data..].to_vec(),
        external,
    })
}

/// The longest packet, from its descriptor to its padded payload: the length field counts units of
/// 8 bytes in 16 bits.
const LONGEST: usize = u16::MAX as usize * 8;

/// How putting a packet into the ring ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Put {
    /// It is in; whether the guest is to be signalled.
    Done { signal: bool },
    /// So many bytes must be free first.
    Full(usize),
    /// It is larger than the ring, or than its own length field can say.
    Never,
}

/// The ring that the host writes.
pub(super) struct Outbound {
    half: Half,
    put: Cell<usize>,
}

impl Outbound {
    pub(super) fn new(half: Half) -> Self {
        half.set(word::FEATURES, 1);
        Self {
            half,
            put: Cell::new(0),
        }
    }

    pub(super) fn half(&self) -> &Half {
        &self.half
    }

    /// Where the next packet goes.
    pub(super) fn position(&self) -> usize {
        self.put.get()
    }

    /// Puts a packet (descriptor to padded payload) into the ring.
    pub(super) fn put(&self, packet: &[u8]) -> Result<Put, GuestFault> {
        let half = &self.half;
        let needed = packet.len() + 8;
        if needed + 8 >= half.length || packet.len() > LONGEST {
            return Ok(Put::Never);
        }
        let at = self.put.get();
        let out = half.checked(word::OUTPUT, "out")?;
        if half.distance(at, out) != 0 && half.distance(at, out) <= needed {
            return Ok(Put::Full(needed));
        }
        half.put_bytes(at, packet);
        half.put_bytes(at + packet.len(), &((at as u64) << 32).to_le_bytes());
        let next = (at + needed) % half.length;
        self.put.set(next);
        half.set(word::INPUT, next);
        let signal = half.get(word::OUTPUT) == at && half.get(word::MASK) == 0;
        Ok(Put::Done { signal })
    }

    /// Asks the guest for a signal once so many bytes are free; 0 takes it back.
    pub(super) fn await_room(&self, bytes: usize) {
        self.half.set(word::PENDING, bytes);
    }

    /// A quarter of the ring, which some hosts ask for at the least.
    pub(super) fn quarter(&self) -> usize {
        self.half.length / 4
    }
}

/// An index of a ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RingIndex {
    /// Where the writer goes on.
    In,
    /// Where the reader goes on.
    Out,
}

/// A packet as the host writes it, padded with bytes that are not zero.
pub(super) fn assemble(
    kind: HostPacketKind,
    transaction: u64,
    completion: bool,
    external: &[PageRange],
    payload: &[u8],
) -> Vec<u8> {
    let type_number: u16 = match kind {
        HostPacketKind::InBand => 6,
        HostPacketKind::GpaDirect => 9,
        HostPacketKind::Completion => 0xB,
    };
    let mut bytes = vec![0; 16];
    if !external.is_empty() {
        bytes.extend([0; 4]);
        bytes.extend(
            u32::try_from(external.len())
                .unwrap_or(u32::MAX)
                .to_le_bytes(),
        );
        for range in external {
            range.append_to(&mut bytes);
        }
    }
    let data = u16::try_from(bytes.len() / 8).unwrap_or(u16::MAX);
    bytes.extend(payload);
    bytes.resize(bytes.len().next_multiple_of(8), 0xEE);
    // Whoever puts a packet into the ring refuses one that is too long for its own length field.
    let length = u16::try_from(bytes.len() / 8).unwrap_or(u16::MAX);
    bytes[0..2].copy_from_slice(&type_number.to_le_bytes());
    bytes[2..4].copy_from_slice(&data.to_le_bytes());
    bytes[4..6].copy_from_slice(&length.to_le_bytes());
    bytes[6..8].copy_from_slice(&u16::from(completion).to_le_bytes());
    bytes[8..16].copy_from_slice(&transaction.to_le_bytes());
    bytes
}

#[cfg(test)]
mod tests {
    use super::super::super::ring::{IncomingRing, Outgoing, OutgoingRing, PacketKind};
    use super::super::super::shared::tests::two_views;
    use super::{Half, HostPacketKind, Inbound, Outbound, Put, assemble};

    #[test]
    fn the_host_reads_what_the_guest_writes() {
        let (guest, host) = two_views(2);
        let out = OutgoingRing::new(&guest, 0, 1);
        let inbound = Inbound::new(Half::new(&host, 0, 8192));
        for turn in 0..200_u8 {
            let payload = vec![turn | 1; usize::from(turn) * 11 % 1500];
            let packet = Outgoing {
                kind: PacketKind::InBand,
                completion_requested: turn % 2 == 0,
                transaction: u64::from(turn),
                headers: &[],
                payload: &payload,
                padding: 3,
            };
            assert_eq!(out.write(&packet), Ok(true));
            let (read, awaited) = inbound.take().expect("a sound ring").expect("a packet");
            assert_eq!(read.kind, HostPacketKind::InBand);
            assert_eq!(read.transaction, u64::from(turn));
            assert_eq!(read.completion_requested, turn % 2 == 0);
            assert_eq!(&read.payload[..payload.len()], payload);
            assert_eq!(read.payload.len(), payload.len().next_multiple_of(8));
            assert!(!awaited);
        }
    }

    #[test]
    fn the_guest_reads_what_the_host_writes() {
        let (guest, host) = two_views(2);
        let input = IncomingRing::new(&guest, 0, 1);
        let outbound = Outbound::new(Half::new(&host, 0, 8192));
        for turn in 0..200_u8 {
            let payload = vec![turn; usize::from(turn) * 13 % 1500];
            let bytes = assemble(
                HostPacketKind::Completion,
                u64::from(turn),
                false,
                &[],
                &payload,
            );
            assert_eq!(outbound.put(&bytes), Ok(Put::Done { signal: true }));
            let packet = input.peek().expect("a sound ring").expect("a packet");
            assert_eq!(packet.kind, PacketKind::Completion);
            assert_eq!(packet.transaction, u64::from(turn));
            let mut copy = vec![0; packet.length as usize];
            input.copy(&packet, &mut copy);
            assert_eq!(&copy[..payload.len()], payload);
            assert!(
                copy[payload.len()..].iter().all(|byte| *byte != 0),
                "padding is not zero"
            );
            input.advance(&packet).expect("a sound ring");
        }
    }

    #[test]
    fn a_full_ring_takes_no_more_and_is_not_overrun() {
        let (guest, host) = two_views(2);
        let input = IncomingRing::new(&guest, 0, 1);
        let outbound = Outbound::new(Half::new(&host, 0, 8192));
        let bytes = assemble(HostPacketKind::InBand, 1, false, &[], &[7; 1000]);
        let mut count = 0;
        while let Put::Done { .. } = outbound.put(&bytes).expect("a sound ring") {
            count += 1;
        }
        assert_eq!(count, 3);
        outbound.await_room(1024);
        for number in 0..count {
            let packet = input.peek().expect("a sound ring").expect("a packet");
            assert_eq!(
                input.advance(&packet),
                Ok(number == 0),
                "the first one makes room"
            );
        }
        assert_eq!(outbound.put(&[0; 5000]), Ok(Put::Never));
    }

    /// OpenVMM's `vmbus_ring` refuses what the length field (16 bits, units of 8 bytes) cannot say.
    #[test]
    fn a_packet_that_its_length_field_cannot_describe_is_never_put() {
        let (_guest, host) = two_views(258);
        let outbound = Outbound::new(Half::new(&host, 0, 258 * 4096));
        let bytes = assemble(HostPacketKind::InBand, 1, false, &[], &vec![7; 524_265]);
        assert_eq!(outbound.put(&bytes), Ok(Put::Never));
        let bytes = assemble(HostPacketKind::InBand, 1, false, &[], &vec![7; 524_264]);
        assert_eq!(outbound.put(&bytes), Ok(Put::Done { signal: true }));
    }
}
