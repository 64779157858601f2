//! Host programs to put behind an offer: sound ones, and ones that misbehave.
//!
//! Each is for [`System::offer`](crate::System::offer) and serves the channel as often as the guest
//! opens it.

use std::time::Duration;

use super::host::{HostChannel, HostError, HostPacket, HostPacketKind, RingIndex};

/// Serves a channel each time it is open, packet by packet, until the offer is taken back.
fn serve(
    channel: &HostChannel,
    mut packet: impl FnMut(&HostChannel, &HostPacket) -> Result<(), HostError>,
) {
    while channel.wait_open() {
        let ended = loop {
            match channel
                .recv()
                .and_then(|received| packet(channel, &received))
            {
                Ok(()) => {}
                Err(error) => break error,
            }
        };
        if ended != HostError::Closed {
            // A host does not go on with a guest that broke the protocol.
            channel.rescind();
            channel.wait_closed();
        }
    }
}

/// Answers one packet as an echo does: a message comes back as a message, a request's completion
/// repeats its bytes.
///
/// # Errors
///
/// [`HostError`].
pub fn answer(channel: &HostChannel, packet: &HostPacket) -> Result<(), HostError> {
    match packet.kind {
        HostPacketKind::Completion => Ok(()),
        HostPacketKind::InBand | HostPacketKind::GpaDirect if packet.completion_requested => {
            channel.complete(packet.transaction, &packet.payload)
        }
        HostPacketKind::InBand | HostPacketKind::GpaDirect => {
            channel.send(&packet.payload, false).map(|_| ())
        }
    }
}

/// Sends everything back at once.
#[allow(clippy::needless_pass_by_value, reason = "a program owns its channel")]
pub fn echo(channel: HostChannel) {
    serve(&channel, answer);
}

/// Sends everything back, each packet after up to `delay` of virtual time.
pub fn slow(delay: Duration) -> impl FnOnce(HostChannel) {
    move |channel| {
        let most = u64::try_from(delay.as_nanos()).unwrap_or(u64::MAX / 4);
        serve(&channel, |channel, packet| {
            channel.sleep(Duration::from_nanos(channel.random(most + 1)));
            answer(channel, packet)
        });
    }
}

/// Looks into its ring rarely, so that the guest's ring fills up; then sends everything back.
pub fn full(pause: Duration) -> impl FnOnce(HostChannel) {
    move |channel| {
        serve(&channel, |channel, packet| {
            let mut packets = vec![packet.clone()];
            channel.sleep(pause);
            while let Some(more) = channel.try_recv()? {
                packets.push(more);
            }
            packets
                .iter()
                .try_for_each(|packet| answer(channel, packet))
        });
    }
}

/// Sends everything back, and takes the offer back after so many packets: the next one is never
/// answered, so whoever waits for its answer waits when the offer goes.
pub fn rescind(packets: u64) -> impl FnOnce(HostChannel) {
    move |channel| {
        let mut left = packets;
        serve(&channel, |channel, packet| {
            if left == 0 {
                channel.rescind();
                channel.wait_closed();
                return Err(HostError::Closed);
            }
            left -= 1;
            answer(channel, packet)
        });
    }
}

/// Takes packets and never answers.
#[allow(clippy::needless_pass_by_value, reason = "a program owns its channel")]
pub fn silent(channel: HostChannel) {
    serve(&channel, |_, _| Ok(()));
}

/// How a misbehaving host breaks the protocol.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Misbehaviour {
    /// An index that is not in the ring: the `in` of the ring that the host writes.
    BadIn(u32),
    /// The `out` of the ring that the guest writes.
    BadOut(u32),
    /// A packet whose descriptor has this type, data offset / 8, length / 8 and flags.
    BadDescriptor([u16; 4]),
    /// A message of so many bytes, more than the guest's driver expects.
    Oversized(usize),
    /// A completion for a packet that the guest has not sent.
    UnknownCompletion,
    /// Each completion twice.
    DuplicateCompletion,
    /// The completion comes when the guest has closed the channel already.
    LateCompletion,
    /// A message's bytes change while the guest may be reading them.
    ChangesWhileRead,
}

/// Every misbehaviour, with typical values.
pub const MISBEHAVIOURS: &[Misbehaviour] = &[
    Misbehaviour::BadIn(0xFFFF_FFF8),
    Misbehaviour::BadIn(12),
    Misbehaviour::BadOut(0x8000_0000),
    Misbehaviour::BadOut(3),
    Misbehaviour::BadDescriptor([6, 1, 2, 0]),
    Misbehaviour::BadDescriptor([6, 2, 0xFFFF, 0]),
    Misbehaviour::BadDescriptor([0, 2, 2, 0]),
    Misbehaviour::BadDescriptor([6, 2, 2, 0x8000]),
    Misbehaviour::Oversized(20_000),
    Misbehaviour::UnknownCompletion,
    Misbehaviour::DuplicateCompletion,
    Misbehaviour::LateCompletion,
    Misbehaviour::ChangesWhileRead,
];

/// Behaves as [`echo`] for so many packets and then breaks the protocol.
pub fn misbehaving(how: Misbehaviour, sound_packets: u64) -> impl FnOnce(HostChannel) {
    move |channel| {
        let mut left = sound_packets;
        serve(&channel, |channel, packet| {
            if left > 0 {
                left -= 1;
                return answer(channel, packet);
            }
            misbehave(channel, packet, how)
        });
    }
}

fn misbehave(
    channel: &HostChannel,
    packet: &HostPacket,
    how: Misbehaviour,
) -> Result<(), HostError> {
    match how {
        Misbehaviour::BadIn(value) => {
            let raw = channel.raw()?;
            raw.publish(RingIndex::In, value);
            raw.signal();
        }
        Misbehaviour::BadOut(value) => {
            let raw = channel.raw()?;
            raw.publish(RingIndex::Out, value);
            raw.signal();
        }
        Misbehaviour::BadDescriptor(words) => {
            let raw = channel.raw()?;
            let mut bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
            bytes.extend([0x5A; 8]);
            raw.put(&bytes)?;
            raw.signal();
        }
        Misbehaviour::Oversized(length) => {
            channel.send(&vec![0x5A; length], false)?;
        }
        Misbehaviour::UnknownCompletion => {
            let raw = channel.raw()?;
            raw.complete(packet.transaction.wrapping_add(1 << 40), &packet.payload)?;
            raw.signal();
        }
        Misbehaviour::DuplicateCompletion => {
            if packet.completion_requested {
                channel.complete(packet.transaction, &packet.payload)?;
                channel.complete(packet.transaction, &packet.payload)?;
            } else {
                answer(channel, packet)?;
            }
        }
        Misbehaviour::LateCompletion => {
            let raw = channel.raw()?;
            channel.wait_closed();
            // The ring stays mapped while `raw` lives; the guest must not look into it any more.
            let _ = raw.complete(packet.transaction, &packet.payload);
            raw.signal();
            return Err(HostError::Closed);
        }
        Misbehaviour::ChangesWhileRead => {
            let raw = channel.raw()?;
            let position = raw.position();
            answer(channel, packet)?;
            for _ in 0..8 {
                if raw.is_closed() {
                    break;
                }
                let noise = channel.random(u64::MAX).to_le_bytes();
                raw.overwrite(
                    position
                        + 16
                        + usize::try_from(channel.random(packet.payload.len().max(8) as u64))
                            .unwrap_or(0),
                    &noise[..1],
                );
                channel.sleep(Duration::from_nanos(100));
            }
        }
    }
    Ok(())
}
