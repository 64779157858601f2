//! Claims and counts: the library's own atomics.
//!
//! # Who owns a packet whose send has failed, and how long a node is there
//!
//! No public text says whether KMCL also runs the completion routine of a packet whose send failed.
//! So each send is *claimed* once: by the completion routine when it runs, or by the sender when
//! the send has failed. And since a completion that runs inside the send may free the packet or
//! send it again before the sender looks, the claim carries the number of the send, and the sender
//! has a reference to the node meanwhile. So has the completion routine, until the handler has
//! returned: no public text says that closing a channel waits for it.
//!
//! ```text
//!   claim = number << 1 | in flight
//!
//!   begin:     number + 1, in flight = 1; references + 2    (the owner, exclusively; its own reference goes with the packet)
//!   complete:  in flight 1 -> 0, whatever the number        (the completion routine; true: it owns the packet, and a reference)
//!   reclaim:   exactly (number, 1) -> (number, 0)           (the sender of that number after a failure; true: it owns the packet, and
//!                                                            gives the reference of the completion routine back)
//!   release:   references - 1                               (true: the last; the node is given back)
//! ```
//!
//! # Who is the last
//!
//! [`Uses`] counts what is out, lets nothing more out once it is closed, and tells exactly one of
//! those that come back that it was the last, if somebody waits. ([`Rundown`](crate::sync::Rundown)
//! is the kernel's; this is the same for the channel's own counts, inline, and with the wait in its
//! owner's hands.)

// Named by the crate, so that the model checker's test can put its own in their place.
use crate::atomic::{AtomicU64, Ordering};

const IN_FLIGHT: u64 = 1;

/// The claim of one node, with its references.
pub struct Claim {
    word: AtomicU64,
    references: References,
}

/// The number of a send.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Send(u64);

impl Claim {
    /// Nothing in flight, and one reference: the owner's.
    #[inline]
    pub fn new() -> Self {
        Self {
            word: AtomicU64::new(0),
            references: References::new(),
        }
    }

    /// The owner begins a send. Two references more: the caller's, until the send has returned, and
    /// one for whoever completes.
    #[inline]
    pub fn begin(&self) -> Send {
        self.references.acquire(2);
        let word = self.word.load(Ordering::Relaxed).wrapping_add(2) | IN_FLIGHT;
        self.word.store(word, Ordering::Release);
        Send(word)
    }

    /// The completion routine claims, and has a reference of its own then; false if the sender has
    /// the packet back already.
    #[inline]
    pub fn complete(&self) -> bool {
        self.word.fetch_and(!IN_FLIGHT, Ordering::AcqRel) & IN_FLIGHT != 0
    }

    /// The sender claims after a failure; false if the completion routine has, or had, the packet.
    pub fn reclaim(&self, send: Send) -> bool {
        let claimed = self
            .word
            .compare_exchange(
                send.0,
                send.0 & !IN_FLIGHT,
                Ordering::AcqRel,
                Ordering::Acquire,
            )
            .is_ok();
        if claimed {
            // Nobody completes. It is not the last: the owner's, and the caller's for the send, are
            // there.
            self.references.release();
        }
        claimed
    }

    /// One reference less; true if it was the last, and the caller gives the node back.
    #[inline]
    pub fn release(&self) -> bool {
        self.references.release()
    }
}

/// A count of references. Nobody can count it over, by forgetting one reference after another: 64
/// bits last for centuries.
pub struct References(AtomicU64);

impl References {
    /// The first owner's.
    #[inline]
    pub fn new() -> Self {
        Self(AtomicU64::new(1))
    }

    /// So many more.
    #[inline]
    pub fn acquire(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    /// One less; true if it was the last, and the caller frees what is referred to.
    #[inline]
    pub fn release(&self) -> bool {
        self.0.fetch_sub(1, Ordering::AcqRel) == 1
    }
}

const OPEN: u64 = 1;
const USE: u64 = 2;

/// A count of uses that can be closed: `uses << 1 | open`.
pub struct Uses(AtomicU64);

impl Uses {
    /// Nothing is out, and nothing is let out.
    pub fn closed() -> Self {
        Self(AtomicU64::new(0))
    }

    /// One more; false if it is closed.
    #[inline]
    pub fn acquire(&self) -> bool {
        let word = self.0.load(Ordering::Relaxed);
        word & OPEN != 0 && (self.acquire_from(word) || self.acquire_again())
    }

    // Not by an addition that is taken back: who fails must not be counted, or the last could be
    // told twice.
    #[inline]
    fn acquire_from(&self, word: u64) -> bool {
        let next = word.wrapping_add(USE);
        self.0
            .compare_exchange(word, next, Ordering::Acquire, Ordering::Relaxed)
            .is_ok()
    }

    #[cold]
    fn acquire_again(&self) -> bool {
        loop {
            let word = self.0.load(Ordering::Relaxed);
            if word & OPEN == 0 {
                return false;
            }
            if self.acquire_from(word) {
                return true;
            }
        }
    }

    /// One less; true if it was the last of what was closed, and the caller wakes whoever closed
    /// it.
    #[inline]
    pub fn release(&self) -> bool {
        self.0.fetch_sub(USE, Ordering::AcqRel) == USE
    }

    /// Lets nothing more out; true if something is out, whose last one will be told.
    pub fn close(&self) -> bool {
        self.0.fetch_and(!OPEN, Ordering::AcqRel) & !OPEN != 0
    }

    /// Lets uses out again. Nothing is out: the last has come back.
    pub fn open(&self) {
        self.0.store(OPEN, Ordering::Release);
    }

    /// Whether uses are let out.
    #[inline]
    pub fn is_open(&self) -> bool {
        self.0.load(Ordering::Acquire) & OPEN != 0
    }
}
