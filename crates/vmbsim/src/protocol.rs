//! The demonstration's protocol between the user process and the back end on the host.
//!
//! The driver is transparent, and a raw channel rounds a payload's length up to eight bytes; so
//! each message carries its own length. All fields little-endian:
//!
//! | offset | field | |
//! |---|---|---|
//! | 0 | u32 | `VMC1`, as the letters stand |
//! | 4 | u32 | bytes of data that follow the header |
//! | 8 | u64 | number of the message, from 0 |
//! | 16 | u64 | where the data belongs in the transfer, in bytes |

use zerocopy::byteorder::little_endian::{U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// Bytes of [`Header`].
pub const HEADER_BYTES: usize = size_of::<Header>();

const MAGIC: [u8; 4] = *b"VMC1";

/// What precedes the data of each message.
#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned, Clone, Copy, Debug)]
#[repr(C)]
pub struct Header {
    magic: [u8; 4],
    length: U32,
    number: U64,
    place: U64,
}

/// A message that does not follow the protocol.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Malformed {
    /// Shorter than the header.
    #[error("a message of {0} bytes is shorter than its header")]
    Short(usize),
    /// Not this protocol's.
    #[error("a message does not begin with the protocol's mark")]
    Magic,
    /// The length does not fit the message: padding is less than eight bytes.
    #[error("a message of {got} bytes claims {claimed} bytes of data")]
    Length {
        /// What the header claims.
        claimed: usize,
        /// What came.
        got: usize,
    },
    /// Not the number that is due.
    #[error("message {got} came where {due} was due")]
    Order {
        /// The number that was due.
        due: u64,
        /// The number that came.
        got: u64,
    },
    /// Not from the place that is due.
    #[error("data from byte {got} of the transfer came where {due} was due")]
    Place {
        /// The place that was due.
        due: u64,
        /// The place in the message.
        got: u64,
    },
}

/// Writes one message.
///
/// # Panics
///
/// If the data is 4 GiB or longer.
#[must_use]
pub fn encode(number: u64, place: u64, data: &[u8]) -> Vec<u8> {
    let length = u32::try_from(data.len()).expect("a message's data is shorter than 4 GiB");
    let header = Header {
        magic: MAGIC,
        length: length.into(),
        number: number.into(),
        place: place.into(),
    };
    let mut message = Vec::with_capacity(HEADER_BYTES + data.len());
    message.extend_from_slice(header.as_bytes());
    message.extend_from_slice(data);
    message
}

/// Reads the message that is due, with the data of the place that is due, and checks that nothing
/// but padding follows.
///
/// # Errors
///
/// If the bytes are not that message.
pub fn decode(due: u64, place: u64, message: &[u8]) -> Result<&[u8], Malformed> {
    let (header, rest) =
        Header::read_from_prefix(message).map_err(|_| Malformed::Short(message.len()))?;
    if header.magic != MAGIC {
        return Err(Malformed::Magic);
    }
    let length = header.length.get() as usize;
    let data = rest.get(..length).ok_or(Malformed::Length {
        claimed: length,
        got: message.len(),
    })?;
    if rest.len() - length >= 8 {
        return Err(Malformed::Length {
            claimed: length,
            got: message.len(),
        });
    }
    if header.number.get() != due {
        return Err(Malformed::Order {
            due,
            got: header.number.get(),
        });
    }
    if header.place.get() != place {
        return Err(Malformed::Place {
            due: place,
            got: header.place.get(),
        });
    }
    Ok(data)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_survives_padding_of_up_to_seven_bytes() {
        for padding in 0..8 {
            let mut message = encode(3, 9, b"data");
            message.extend(std::iter::repeat_n(0xA5, padding));
            assert_eq!(decode(3, 9, &message), Ok(&b"data"[..]));
        }
    }

    #[test]
    fn what_is_not_the_message_that_is_due_is_refused() {
        let message = encode(3, 9, b"data");
        assert_eq!(
            decode(4, 9, &message),
            Err(Malformed::Order { due: 4, got: 3 })
        );
        assert_eq!(
            decode(3, 8, &message),
            Err(Malformed::Place { due: 8, got: 9 })
        );
        assert_eq!(
            decode(3, 9, &message[..HEADER_BYTES - 1]),
            Err(Malformed::Short(HEADER_BYTES - 1))
        );
        assert_eq!(
            decode(3, 9, &message[..HEADER_BYTES + 3]),
            Err(Malformed::Length {
                claimed: 4,
                got: HEADER_BYTES + 3
            })
        );
        let mut other = message.clone();
        other[0] ^= 1;
        assert_eq!(decode(3, 9, &other), Err(Malformed::Magic));
        let mut padded = message;
        padded.extend([0; 8]);
        assert!(matches!(
            decode(3, 9, &padded),
            Err(Malformed::Length { .. })
        ));
    }
}
