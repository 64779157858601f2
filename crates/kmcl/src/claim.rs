//! Claims and counts: the library's own atomics.
//!
//! # Who owns a packet whose send has failed
//!
//! No public text says whether KMCL also runs the completion routine of a packet whose send failed. So each send is *claimed*
//! once: by the completion routine when it runs, or by the sender when the send has failed. And since a completion that runs inside the send may
//! free the packet's node or send it again before the sender looks, the sender holds a reference to the node meanwhile, and
//! the claim carries the number of the send.
//!
//! ```text
//!   word = number << 1 | in flight
//!
//!   begin:     number + 1, in flight = 1                 (the owner, exclusively)
//!   complete:  in flight 1 -> 0, whatever the number     (the completion routine; true: it owns the packet)
//!   reclaim:   exactly (number, 1) -> (number, 0)        (the sender of that number after a failure; true: it owns the packet)
//! ```

// Named by the crate, so that the model checker's test can put its own in their place.
use crate::atomics::{AtomicU32, AtomicU64, Ordering};

const IN_FLIGHT: u64 = 1;

/// The claim of one node.
pub struct Claim(AtomicU64);

/// The number of a send.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Send(u64);

impl Claim {
    /// Nothing in flight.
    #[inline]
    pub fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    /// The owner begins a send.
    #[inline]
    pub fn begin(&self) -> Send {
        let word = self.0.load(Ordering::Relaxed).wrapping_add(2) | IN_FLIGHT;
        self.0.store(word, Ordering::Release);
        Send(word)
    }

    /// The completion routine claims; false if the sender has the packet back already.
    #[inline]
    pub fn complete(&self) -> bool {
        self.0.fetch_and(!IN_FLIGHT, Ordering::AcqRel) & IN_FLIGHT != 0
    }

    /// The sender claims after a failure; false if the completion routine has, or had, the packet.
    #[inline]
    pub fn reclaim(&self, send: Send) -> bool {
        self.0
            .compare_exchange(send.0, send.0 & !IN_FLIGHT, Ordering::AcqRel, Ordering::Acquire)
            .is_ok()
    }
}

/// A count of references: to a node (the owner's, and one for each sender that is inside a send), or to a shared value.
pub struct References(AtomicU32);

impl References {
    /// The first owner's.
    #[inline]
    pub fn new() -> Self {
        Self(AtomicU32::new(1))
    }

    /// One more.
    #[inline]
    pub fn acquire(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// One less; true if it was the last, and the caller frees the node.
    #[inline]
    pub fn release(&self) -> bool {
        self.0.fetch_sub(1, Ordering::AcqRel) == 1
    }
}
