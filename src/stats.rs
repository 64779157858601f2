//! What the driver counts.

use crate::atomic::{AtomicU64, Ordering};

/// A number that only grows, counted on any processor.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Counts one.
    pub fn one(&self) {
        self.add(1);
    }

    /// Counts so many.
    pub fn add(&self, count: usize) {
        self.0.fetch_add(count as u64, Ordering::Relaxed);
    }

    /// The number.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The counters of a device, as [`Info`](crate::ioctl::Info) documents them.
#[derive(Debug, Default)]
pub struct Counters {
    /// Messages that went into the ring.
    pub messages_sent: Counter,
    /// Their bytes.
    pub bytes_sent: Counter,
    /// Messages that readers have got.
    pub messages_received: Counter,
    /// Their bytes.
    pub bytes_received: Counter,
    /// Transactions that the host has completed.
    pub transactions: Counter,
    /// Messages of the host's that were not kept.
    pub messages_dropped: Counter,
    /// Messages of the host's that were refused.
    pub messages_malformed: Counter,
}
