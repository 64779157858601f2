//! The driver's parameters, from its `Parameters` key. The INF sets defaults; they are read when a
//! device is added.
//!
//! A value that is missing or of another type counts as its default, one out of range as the
//! nearest that is not: a typing error in the registry should not take the device away.
//! [`Info`](crate::ioctl::Info) shows what is in effect.

use core::num::NonZeroU32;

use kmcl::irql::Passive;

use crate::wdf::driver::Driver;
use crate::wdf::registry::Parameters;

/// Bytes in a page of a ring.
const PAGE: u32 = 4096;
/// What a message needs in the ring beside its own bytes, rounded up: descriptor 16, padding 7,
/// footer 8, and the 8 bytes that are always left free.
const OVERHEAD: u32 = 64;

/// A `REG_DWORD` with its range.
struct Value {
    name: &'static [u16],
    least: u32,
    default: u32,
    most: u32,
}

/// A name in UTF-16.
const fn utf16<const N: usize>(name: &[u8; N]) -> [u16; N] {
    let mut wide = [0; N];
    let mut left: &[u8] = name;
    let mut rest: &mut [u16] = &mut wide;
    while let ([first, others @ ..], [place, places @ ..]) = (left, rest) {
        *place = *first as u16;
        left = others;
        rest = places;
    }
    wide
}

const MAXIMUM_MESSAGE_SIZE: Value = Value {
    name: &utf16(b"MaximumMessageSize"),
    least: 1,
    default: 16 * 1024,
    most: 256 * 1024,
};
const RECEIVE_QUOTA: Value = Value {
    name: &utf16(b"ReceiveQuota"),
    least: 1,
    default: 64,
    most: 1024,
};
const SEND_QUOTA: Value = Value {
    name: &utf16(b"SendQuota"),
    least: 1,
    default: 64,
    most: 1024,
};
const RING_PAGES: Value = Value {
    name: &utf16(b"RingPages"),
    least: 2,
    default: 64,
    most: 1024,
};
const OPEN_TIMEOUT: Value = Value {
    name: &utf16(b"OpenTimeout"),
    least: 1,
    default: 10_000,
    most: 3_600_000,
};

/// What is in effect.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Config {
    /// The longest message, in bytes: 1 to 262,144, 16,384 by default, and never more than fits in
    /// a ring.
    pub maximum_message_size: NonZeroU32,
    /// How many messages of the host's may wait for a reader: 1 to 1,024, 64 by default.
    pub receive_quota: NonZeroU32,
    /// How many messages may be on their way to the host: 1 to 1,024, 64 by default.
    pub send_quota: NonZeroU32,
    /// The size of each of the two rings, in pages: 2 to 1,024, 64 by default.
    pub ring_pages: NonZeroU32,
    /// How long requests wait for the host to open the channel, in milliseconds: 1 to 3,600,000,
    /// 10,000 by default.
    pub open_timeout: NonZeroU32,
}

impl Config {
    /// Reads the parameters.
    pub fn read(driver: Driver<'_>, irql: &mut Passive<'_>) -> Self {
        let key = Parameters::open(driver, irql).ok();
        Self::from_values(|name| key.as_ref().and_then(|key| key.dword(name, irql).ok()))
    }

    fn from_values(mut read: impl FnMut(&[u16]) -> Option<u32>) -> Self {
        let mut value = |value: &Value| {
            let number = read(value.name).map_or(value.default, |number| {
                number.clamp(value.least, value.most)
            });
            NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN)
        };
        let ring_pages = value(&RING_PAGES);
        // Whether the ring's control page is one of the pages is documented nowhere: take it off.
        let room = ring_pages
            .get()
            .saturating_sub(1)
            .saturating_mul(PAGE)
            .saturating_sub(OVERHEAD);
        let maximum_message_size = value(&MAXIMUM_MESSAGE_SIZE);
        Self {
            maximum_message_size: NonZeroU32::new(room)
                .map_or(maximum_message_size, |room| maximum_message_size.min(room)),
            receive_quota: value(&RECEIVE_QUOTA),
            send_quota: value(&SEND_QUOTA),
            ring_pages,
            open_timeout: value(&OPEN_TIMEOUT),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Config, NonZeroU32};

    fn config(values: &[(&str, u32)]) -> [u32; 5] {
        let config = Config::from_values(|name| {
            let name = String::from_utf16_lossy(name);
            values
                .iter()
                .find(|(known, _)| *known == name)
                .map(|(_, value)| *value)
        });
        [
            config.maximum_message_size,
            config.receive_quota,
            config.send_quota,
            config.ring_pages,
            config.open_timeout,
        ]
        .map(NonZeroU32::get)
    }

    #[test]
    fn missing_values_are_the_infs_defaults() {
        assert_eq!(config(&[]), [16384, 64, 64, 64, 10_000]);
        let inf = include_str!("../inf/vmbchan.inx");
        for (name, default) in [
            ("MaximumMessageSize", 16384),
            ("ReceiveQuota", 64),
            ("SendQuota", 64),
            ("RingPages", 64),
            ("OpenTimeout", 10_000),
        ] {
            assert!(
                inf.contains(&format!(
                    "HKR, Parameters, {name}, %FLG_ADDREG_DWORD_NOCLOBBER%, {default}\n"
                )),
                "{name}"
            );
        }
    }

    #[test]
    fn values_are_read_by_their_names() {
        let values = [
            ("MaximumMessageSize", 100),
            ("ReceiveQuota", 2),
            ("SendQuota", 3),
            ("RingPages", 4),
            ("OpenTimeout", 5),
        ];
        assert_eq!(config(&values), [100, 2, 3, 4, 5]);
    }

    #[test]
    fn values_out_of_range_count_as_the_nearest() {
        let all = |value| {
            config(&[
                ("MaximumMessageSize", value),
                ("ReceiveQuota", value),
                ("SendQuota", value),
                ("RingPages", value),
                ("OpenTimeout", value),
            ])
        };
        assert_eq!(all(0), [1, 1, 1, 2, 1]);
        assert_eq!(all(u32::MAX), [256 * 1024, 1024, 1024, 1024, 3_600_000]);
    }

    #[test]
    fn a_message_always_fits_in_a_ring() {
        let [message, _, _, pages, _] = config(&[("MaximumMessageSize", 65536), ("RingPages", 2)]);
        assert_eq!((message, pages), (4096 - 64, 2));
        assert!(message.next_multiple_of(8) + 16 + 8 < 4096 - 8);
    }
}
