//! The guest's end of a channel's two rings, as KMCL reads and writes them.
//!
//! ```text
//!   control page: in, out, interrupt mask, pending send size, …, feature bits
//!   data pages:   [descriptor | headers | payload, padded to 8 | footer] [descriptor …
//!                  ^ out: the reader's                                   ^ in: the writer's
//! ```
//!
//! The host can write everything at any time. So each end keeps the index that is its own to
//! itself, reads each word of the other's once, and checks it before use.

use std::cell::Cell;
use std::ptr::NonNull;
use std::rc::Rc;

use super::message::PageRange;
use super::shared::{PAGE, Shared};

const IN: usize = 0;
const OUT: usize = 4;
const INTERRUPT_MASK: usize = 8;
const PENDING_SEND_SIZE: usize = 12;
const FEATURE_BITS: usize = 64;
const FEATURE_PENDING_SEND_SIZE: u32 = 1;

const DESCRIPTOR: u32 = 16;
const FOOTER: u32 = 8;
const FLAG_COMPLETION_REQUESTED: u16 = 1;

/// A packet's type.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum PacketKind {
    /// Payload only.
    InBand,
    /// With external data, as page frames.
    GpaDirect,
    /// The answer to a packet.
    Completion,
}

impl PacketKind {
    fn on_wire(self) -> u16 {
        match self {
            Self::InBand => 6,
            Self::GpaDirect => 9,
            Self::Completion => 0xB,
        }
    }
}

/// How the host broke the ring protocol.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum Corruption {
    #[error("the host's index {0:#x} is not in the ring")]
    Index(u32),
    #[error("{0} bytes are no packet")]
    Short(u32),
    #[error("a packet of type {0:#x}")]
    Kind(u16),
    #[error("a packet with flags {0:#x}")]
    Flags(u16),
    #[error(
        "a packet whose data begin at {offset} and which is {length} bytes long, of {available}"
    )]
    Extent {
        offset: u32,
        length: u32,
        available: u32,
    },
    #[error("a packet whose ranges are not in its headers")]
    Ranges,
    #[error("a completion for a packet that is not out ({0})")]
    Transaction(u64),
}

/// A packet to be written.
pub(crate) struct Outgoing<'a> {
    pub(crate) kind: PacketKind,
    pub(crate) completion_requested: bool,
    pub(crate) transaction: u64,
    /// Headers after the descriptor; a multiple of 8 bytes.
    pub(crate) headers: &'a [u8],
    pub(crate) payload: &'a [u8],
    /// What fills the payload up to a multiple of 8.
    pub(crate) padding: u8,
}

impl Outgoing<'_> {
    /// How much of the ring it takes.
    fn bytes(&self) -> u64 {
        u64::from(DESCRIPTOR + FOOTER)
            + self.headers.len() as u64
            + (self.payload.len() as u64).next_multiple_of(8)
    }
}

/// Why a packet was not written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum WriteError {
    /// There is no room now; this many bytes are needed.
    Full(u32),
    /// It never fits.
    TooLarge,
    /// The ring is broken.
    Corrupt(Corruption),
}

/// One ring in a view of the channel's memory.
struct Ring {
    memory: Rc<Shared>,
    control: usize,
    size: u32,
}

impl Ring {
    fn new(memory: &Rc<Shared>, control: usize, pages: usize) -> Self {
        Self {
            memory: Rc::clone(memory),
            control,
            size: u32::try_from(pages * PAGE).expect("a GPADL describes at most 32 MiB"),
        }
    }

    fn load(&self, word: usize) -> u32 {
        self.memory.load(self.control + word)
    }

    fn store(&self, word: usize, value: u32) {
        self.memory.store(self.control + word, value);
    }

    fn index(&self, word: usize) -> Result<u32, Corruption> {
        let value = self.load(word);
        if value < self.size && value.is_multiple_of(8) {
            Ok(value)
        } else {
            Err(Corruption::Index(value))
        }
    }

    fn data(&self, position: u32) -> usize {
        self.control + PAGE + position as usize
    }

    /// `position` moved on, round the end. Both are below the size.
    fn after(&self, position: u32, bytes: u32) -> u32 {
        let sum = u64::from(position) + u64::from(bytes);
        u32::try_from(sum % u64::from(self.size)).unwrap_or(0)
    }

    fn used(&self, input: u32, output: u32) -> u32 {
        if input >= output {
            input - output
        } else {
            self.size - (output - input)
        }
    }

    /// How much of a range lies before the ring's end.
    fn before_end(&self, position: u32, length: usize) -> usize {
        length.min((self.size - position) as usize)
    }

    fn write(&self, position: u32, bytes: &[u8]) -> u32 {
        let (first, second) = bytes.split_at(self.before_end(position, bytes.len()));
        self.memory.write(self.data(position), first);
        if !second.is_empty() {
            self.memory.write(self.data(0), second);
        }
        self.after(position, u32::try_from(bytes.len()).unwrap_or(u32::MAX))
    }

    fn read(&self, position: u32, into: &mut [u8]) {
        let middle = self.before_end(position, into.len());
        let (first, second) = into.split_at_mut(middle);
        self.memory.read(self.data(position), first);
        if !second.is_empty() {
            self.memory.read(self.data(0), second);
        }
    }
}

/// The ring that the guest writes.
pub(crate) struct OutgoingRing {
    ring: Ring,
    input: Cell<u32>,
}

impl OutgoingRing {
    /// The ring whose control page is at an offset of the view, over zeroed memory.
    pub(crate) fn new(memory: &Rc<Shared>, control: usize, data_pages: usize) -> Self {
        let ring = Ring::new(memory, control, data_pages);
        ring.store(FEATURE_BITS, FEATURE_PENDING_SEND_SIZE);
        Self {
            ring,
            input: Cell::new(0),
        }
    }

    /// Writes a packet whole, or nothing. True: the host is to be signalled.
    pub(crate) fn write(&self, packet: &Outgoing<'_>) -> Result<bool, WriteError> {
        debug_assert!(packet.headers.len().is_multiple_of(8));
        let ring = &self.ring;
        // The descriptor holds the length without the footer, in units of 8 bytes, in 16 bits.
        let units = u16::try_from((packet.bytes() - u64::from(FOOTER)) / 8)
            .map_err(|_| WriteError::TooLarge)?;
        let needed = u32::from(units) * 8 + FOOTER;
        if needed >= ring.size - 8 {
            return Err(WriteError::TooLarge);
        }
        let output = ring.index(OUT).map_err(WriteError::Corrupt)?;
        let start = self.input.get();
        let free = ring.size - ring.used(start, output);
        if needed + 8 > free {
            return Err(WriteError::Full(needed));
        }
        let flags = if packet.completion_requested {
            FLAG_COMPLETION_REQUESTED
        } else {
            0
        };
        let data_offset = u16::try_from((DESCRIPTOR as usize + packet.headers.len()) / 8)
            .map_err(|_| WriteError::TooLarge)?;
        let mut descriptor = [0; DESCRIPTOR as usize];
        descriptor[0..2].copy_from_slice(&packet.kind.on_wire().to_le_bytes());
        descriptor[2..4].copy_from_slice(&data_offset.to_le_bytes());
        descriptor[4..6].copy_from_slice(&units.to_le_bytes());
        descriptor[6..8].copy_from_slice(&flags.to_le_bytes());
        descriptor[8..16].copy_from_slice(&packet.transaction.to_le_bytes());
        let mut position = ring.write(start, &descriptor);
        position = ring.write(position, packet.headers);
        position = ring.write(position, packet.payload);
        let padding = [packet.padding; 8];
        let missing = packet.payload.len().next_multiple_of(8) - packet.payload.len();
        position = ring.write(position, &padding[..missing]);
        let mut footer = [0; FOOTER as usize];
        footer[4..8].copy_from_slice(&start.to_le_bytes());
        position = ring.write(position, &footer);
        self.input.set(position);
        ring.store(IN, position);
        let was_empty = ring.load(OUT) == start;
        Ok(was_empty && ring.load(INTERRUPT_MASK) == 0)
    }

    /// Asks the host for a signal once so many bytes are free; 0 takes that back.
    pub(crate) fn set_pending_send_size(&self, bytes: u32) {
        self.ring.store(PENDING_SEND_SIZE, bytes);
    }
}

/// A packet in the incoming ring, whose descriptor was read and checked.
#[derive(Clone, Debug)]
pub(crate) struct Incoming {
    pub(crate) kind: PacketKind,
    pub(crate) completion_requested: bool,
    pub(crate) transaction: u64,
    payload: u32,
    /// The payload with its padding, in bytes: a multiple of 8.
    pub(crate) length: u32,
    total: u32,
    /// The external data of a GPA-direct packet.
    pub(crate) ranges: Vec<PageRange>,
}

/// The ring that the guest reads.
pub(crate) struct IncomingRing {
    ring: Ring,
    output: Cell<u32>,
}

impl IncomingRing {
    /// The ring whose control page is at an offset of the view, over zeroed memory.
    pub(crate) fn new(memory: &Rc<Shared>, control: usize, data_pages: usize) -> Self {
        Self {
            ring: Ring::new(memory, control, data_pages),
            output: Cell::new(0),
        }
    }

    /// The next packet, which stays in the ring.
    pub(crate) fn peek(&self) -> Result<Option<Incoming>, Corruption> {
        let ring = &self.ring;
        let start = self.output.get();
        let available = ring.used(ring.index(IN)?, start);
        if available == 0 {
            return Ok(None);
        }
        if available < DESCRIPTOR + FOOTER {
            return Err(Corruption::Short(available));
        }
        let mut bytes = [0; DESCRIPTOR as usize];
        ring.read(start, &mut bytes);
        let half = |at: usize| u16::from_le_bytes([bytes[at], bytes[at + 1]]);
        let (kind, offset, length, flags) = (
            half(0),
            u32::from(half(2)) * 8,
            u32::from(half(4)) * 8,
            half(6),
        );
        let mut transaction = [0; 8];
        transaction.copy_from_slice(&bytes[8..16]);
        let kind = match kind {
            6 => PacketKind::InBand,
            9 => PacketKind::GpaDirect,
            0xB => PacketKind::Completion,
            other => return Err(Corruption::Kind(other)),
        };
        if flags & !FLAG_COMPLETION_REQUESTED != 0 {
            return Err(Corruption::Flags(flags));
        }
        if offset < DESCRIPTOR || length < offset || length > available - FOOTER {
            return Err(Corruption::Extent {
                offset,
                length,
                available,
            });
        }
        let ranges = if kind == PacketKind::GpaDirect {
            self.ranges(start, offset)?
        } else {
            Vec::new()
        };
        Ok(Some(Incoming {
            kind,
            completion_requested: flags & FLAG_COMPLETION_REQUESTED != 0,
            transaction: u64::from_le_bytes(transaction),
            payload: ring.after(start, offset),
            length: length - offset,
            total: length + FOOTER,
            ranges,
        }))
    }

    fn ranges(&self, start: u32, offset: u32) -> Result<Vec<PageRange>, Corruption> {
        let mut headers = vec![0; (offset - DESCRIPTOR) as usize];
        self.ring
            .read(self.ring.after(start, DESCRIPTOR), &mut headers);
        let (count, mut rest) = match headers.get(4..8) {
            Some(&[a, b, c, d]) => (
                u32::from_le_bytes([a, b, c, d]),
                headers.get(8..).unwrap_or(&[]),
            ),
            _ => return Err(Corruption::Ranges),
        };
        if count == 0 {
            return Err(Corruption::Ranges);
        }
        let mut ranges = Vec::new();
        for _ in 0..count {
            let (range, tail) = PageRange::parse(rest).ok_or(Corruption::Ranges)?;
            ranges.push(range);
            rest = tail;
        }
        Ok(ranges)
    }

    /// Copies the payload out; `into` is as long as the payload.
    pub(crate) fn copy(&self, packet: &Incoming, into: &mut [u8]) {
        self.ring.read(packet.payload, into);
    }

    /// Where the payload lies, if it does not run round the ring's end.
    pub(crate) fn in_place(&self, packet: &Incoming) -> Option<NonNull<u8>> {
        let length = packet.length as usize;
        (self.ring.before_end(packet.payload, length) == length).then(|| {
            self.ring
                .memory
                .pointer(self.ring.data(packet.payload), length)
        })
    }

    /// Overwrites the payload, while the packet is still in the ring.
    pub(crate) fn spoil(&self, packet: &Incoming, byte: u8) {
        let length = packet.length as usize;
        let first = self.ring.before_end(packet.payload, length);
        let ring = &self.ring;
        ring.memory.fill(ring.data(packet.payload), first, byte);
        ring.memory.fill(ring.data(0), length - first, byte);
    }

    /// Takes the packet out of the ring. True: the host waits for room and is to be signalled.
    pub(crate) fn advance(&self, packet: &Incoming) -> Result<bool, Corruption> {
        let ring = &self.ring;
        let start = self.output.get();
        let next = ring.after(start, packet.total);
        self.output.set(next);
        ring.store(OUT, next);
        let wanted = ring.load(PENDING_SEND_SIZE) & !7;
        if wanted == 0 {
            return Ok(false);
        }
        let input = ring.index(IN)?;
        let free_now = ring.size - ring.used(input, next) - 8;
        let free_before = free_now.saturating_sub(packet.total);
        Ok(free_before < wanted && free_now >= wanted)
    }

    /// Tells the host whether it may leave the signal out.
    pub(crate) fn mask(&self, masked: bool) {
        self.ring.store(INTERRUPT_MASK, u32::from(masked));
    }
}

#[cfg(test)]
mod tests {
    use super::super::shared::tests::two_views;
    use super::super::shared::{PAGE, Shared};
    use super::{Corruption, IncomingRing, Outgoing, OutgoingRing, PacketKind, WriteError};
    use std::rc::Rc;

    /// A ring whose far end the test is, by hand.
    fn ring(pages: usize) -> (OutgoingRing, IncomingRing, Rc<Shared>) {
        let (guest, host) = two_views(pages + 1);
        (
            OutgoingRing::new(&guest, 0, pages),
            IncomingRing::new(&guest, 0, pages),
            host,
        )
    }

    fn message(payload: &[u8]) -> Outgoing<'_> {
        Outgoing {
            kind: PacketKind::InBand,
            completion_requested: false,
            transaction: 5,
            headers: &[],
            payload,
            padding: 0xAA,
        }
    }

    #[test]
    fn a_packet_is_laid_out_as_the_protocol_says() {
        let (out, _, host) = ring(1);
        assert_eq!(out.write(&message(b"hello")), Ok(true));
        let mut bytes = [0; 32];
        host.read(PAGE, &mut bytes);
        assert_eq!(
            bytes,
            [
                6, 0, 2, 0, 3, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, b'h', b'e', b'l', b'l', b'o', 0xAA,
                0xAA, 0xAA, 0, 0, 0, 0, 0, 0, 0, 0
            ]
        );
        assert_eq!(host.load(0), 32, "the in index");
        assert_eq!(host.load(64), 1, "pending send size is honoured");
    }

    #[test]
    fn packets_come_back_in_order_round_the_end_of_the_ring() {
        let (out, input, _) = ring(1);
        for turn in 0..100_u8 {
            let payload = vec![turn; (usize::from(turn) * 37) % 900 + 1];
            out.write(&message(&payload)).expect("the ring is empty");
            let packet = input.peek().expect("a sound ring").expect("a packet");
            assert_eq!(packet.length as usize, payload.len().next_multiple_of(8));
            let mut copy = vec![0; packet.length as usize];
            input.copy(&packet, &mut copy);
            assert_eq!(&copy[..payload.len()], payload);
            assert!(copy[payload.len()..].iter().all(|byte| *byte == 0xAA));
            assert_eq!(input.advance(&packet), Ok(false));
        }
        assert!(input.peek().expect("a sound ring").is_none());
    }

    #[test]
    fn the_signal_is_for_the_first_packet_in_an_empty_unmasked_ring() {
        let (out, input, _) = ring(1);
        assert_eq!(out.write(&message(b"one")), Ok(true));
        assert_eq!(out.write(&message(b"two")), Ok(false));
        while let Some(packet) = input.peek().expect("a sound ring") {
            input.advance(&packet).expect("a sound ring");
        }
        input.mask(true);
        assert_eq!(out.write(&message(b"three")), Ok(false));
    }

    #[test]
    fn a_ring_is_never_filled_whole() {
        let (out, input, _) = ring(1);
        assert_eq!(
            out.write(&message(&[0; 4096 - 40])),
            Ok(true),
            "4,080 bytes"
        );
        assert_eq!(out.write(&message(&[])), Err(WriteError::Full(24)));
        let packet = input.peek().expect("a sound ring").expect("a packet");
        input.advance(&packet).expect("a sound ring");
        assert_eq!(
            out.write(&message(&[0; 4096 - 32])),
            Err(WriteError::TooLarge)
        );
        assert_eq!(
            out.write(&message(&vec![0; 1 << 20])),
            Err(WriteError::TooLarge)
        );
    }

    #[test]
    fn the_reader_signals_when_the_awaited_room_is_there() {
        let (out, input, _) = ring(1);
        for _ in 0..4 {
            out.write(&message(&[0; 1000 - 24])).expect("room");
        }
        assert_eq!(out.write(&message(&[0; 1976])), Err(WriteError::Full(2000)));
        // Some peers leave the low three bits set.
        out.set_pending_send_size(0x7D7);
        let mut signals = Vec::new();
        while let Some(packet) = input.peek().expect("a sound ring") {
            signals.push(input.advance(&packet).expect("a sound ring"));
        }
        assert_eq!(signals, [false, true, false, false]);
    }

    #[test]
    fn indices_of_the_host_are_checked() {
        for (bad, pages) in [(4096, 1), (4, 1), (u32::MAX, 1), (8192, 2)] {
            let (out, input, host) = ring(pages);
            host.store(0, bad);
            assert_eq!(input.peek().unwrap_err(), Corruption::Index(bad));
            host.store(4, bad);
            assert_eq!(
                out.write(&message(b"x")),
                Err(WriteError::Corrupt(Corruption::Index(bad)))
            );
        }
    }

    fn corrupted(descriptor: [u16; 4], in_index: u32) -> Corruption {
        let (_, input, host) = ring(1);
        for (slot, word) in descriptor.iter().enumerate() {
            host.write(PAGE + slot * 2, &word.to_le_bytes());
        }
        host.store(0, in_index);
        input.peek().unwrap_err()
    }

    #[test]
    fn descriptors_of_the_host_are_checked() {
        assert_eq!(corrupted([6, 2, 2, 0], 16), Corruption::Short(16));
        assert_eq!(corrupted([1, 2, 2, 0], 24), Corruption::Kind(1));
        assert_eq!(corrupted([7, 2, 2, 0], 24), Corruption::Kind(7));
        assert_eq!(corrupted([6, 2, 2, 2], 24), Corruption::Flags(2));
        let extent = |offset, length| Corruption::Extent {
            offset,
            length,
            available: 24,
        };
        assert_eq!(corrupted([6, 1, 2, 0], 24), extent(8, 16));
        assert_eq!(corrupted([6, 3, 2, 0], 24), extent(24, 16));
        assert_eq!(corrupted([6, 2, 3, 0], 24), extent(16, 24));
        assert_eq!(corrupted([6, 2, 0xFFFF, 0], 24), extent(16, 0xFFFF * 8));
        assert_eq!(corrupted([9, 2, 2, 0], 24), Corruption::Ranges);
        assert_eq!(
            corrupted([9, 3, 3, 0], 32),
            Corruption::Ranges,
            "a range count of 0"
        );
    }

    #[test]
    fn ranges_beyond_the_headers_are_corruption() {
        let (out, input, host) = ring(1);
        let headers = [
            0, 0, 0, 0, 1, 0, 0, 0, 0, 16, 0, 0, 0, 0, 0, 0, 77, 0, 0, 0, 0, 0, 0, 0,
        ];
        let packet = Outgoing {
            kind: PacketKind::GpaDirect,
            headers: &headers,
            ..message(b"external")
        };
        out.write(&packet).expect("room");
        let read = input.peek().expect("a sound ring").expect("a packet");
        assert_eq!(read.ranges.len(), 1);
        assert_eq!(read.ranges[0].frames, [77]);
        host.write(PAGE + 20, &2_u32.to_le_bytes());
        assert_eq!(input.peek().unwrap_err(), Corruption::Ranges, "two ranges");
        host.write(PAGE + 20, &1_u32.to_le_bytes());
        host.write(PAGE + 24, &8192_u32.to_le_bytes());
        assert_eq!(input.peek().unwrap_err(), Corruption::Ranges, "two pages");
    }
}
