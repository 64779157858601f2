//! The library's own atomics under every interleaving (model checking with loom).
//!
//! `src/claim.rs` is compiled here a second time, with loom's atomics in the place of the processor's.

use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::thread;

/// What `claim.rs` gets instead of `core`'s atomics.
mod atomics {
    pub use loom::sync::atomic::{AtomicU32, AtomicU64, Ordering};
}

#[path = "../src/claim.rs"]
mod claim;

use atomics::{AtomicU32, Ordering};
use claim::{Claim, References};

/// A node, its owner's data, and how often each end of it came.
struct Node {
    claim: Claim,
    references: References,
    owned: UnsafeCell<u32>,
    owners: AtomicU32,
    freed: AtomicU32,
}

impl Node {
    fn new() -> Self {
        Self {
            claim: Claim::new(),
            references: References::new(),
            owned: UnsafeCell::new(0),
            owners: AtomicU32::new(0),
            freed: AtomicU32::new(0),
        }
    }

    /// Whoever owns the packet touches its context; loom reports two at a time.
    fn own(&self) {
        self.owners.fetch_add(1, Ordering::Relaxed);
        // SAFETY: loom checks that nobody else touches it meanwhile: that is what this test is for.
        self.owned.with_mut(|owned| unsafe { *owned += 1 });
    }

    fn release(&self) {
        assert_eq!(
            self.freed.load(Ordering::Relaxed),
            0,
            "a node is used after it was freed"
        );
        if self.references.release() {
            self.freed.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// The send fails, and KMCL runs the completion routine as well, on another processor and at any moment.
#[test]
fn a_failed_send_that_completes_all_the_same_has_one_owner() {
    loom::model(|| {
        let node = Arc::new(Node::new());
        node.references.acquire();
        let send = node.claim.begin();
        let other = Arc::clone(&node);
        let completion = thread::spawn(move || {
            if other.claim.complete() {
                other.own();
                other.release();
            }
        });
        if node.claim.reclaim(send) {
            node.own();
            node.release();
        }
        node.release();
        completion.join().unwrap();
        assert_eq!(node.owners.load(Ordering::Relaxed), 1);
        assert_eq!(node.freed.load(Ordering::Relaxed), 1);
    });
}

/// The completion of a failing send sends the packet again before the first sender looks: the first sender must not take it.
#[test]
fn a_sender_does_not_take_a_packet_that_its_completion_has_sent_again() {
    loom::model(|| {
        let node = Arc::new(Node::new());
        node.references.acquire();
        let first = node.claim.begin();
        let other = Arc::clone(&node);
        let completion = thread::spawn(move || {
            if !other.claim.complete() {
                return false;
            }
            other.own();
            other.references.acquire();
            let _second = other.claim.begin();
            // The second send succeeds and is in flight when this one ends.
            other.release();
            true
        });
        let reclaimed = node.claim.reclaim(first);
        if reclaimed {
            node.own();
            node.release();
        }
        node.release();
        let resent = completion.join().unwrap();
        assert_ne!(reclaimed, resent);
        assert_eq!(node.freed.load(Ordering::Relaxed), u32::from(reclaimed));
        if resent {
            assert!(node.claim.complete(), "the second send is in flight");
            node.own();
            node.release();
            assert_eq!(node.freed.load(Ordering::Relaxed), 1);
        }
    });
}

/// A send succeeds, its completion frees the packet on another processor while the sender is still inside the call.
#[test]
fn the_last_of_sender_and_owner_frees_the_node() {
    loom::model(|| {
        let node = Arc::new(Node::new());
        node.references.acquire();
        let _ = node.claim.begin();
        let other = Arc::clone(&node);
        let completion = thread::spawn(move || {
            assert!(other.claim.complete());
            other.own();
            other.release();
        });
        node.release();
        completion.join().unwrap();
        assert_eq!(node.freed.load(Ordering::Relaxed), 1);
    });
}

/// A second completion of the same send finds nothing to own.
#[test]
fn two_completions_have_one_owner() {
    loom::model(|| {
        let node = Arc::new(Node::new());
        let _ = node.claim.begin();
        let threads: Vec<_> = (0..2)
            .map(|_| {
                let node = Arc::clone(&node);
                thread::spawn(move || node.claim.complete())
            })
            .collect();
        let claimed: Vec<bool> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
        assert_eq!(claimed.iter().filter(|claimed| **claimed).count(), 1);
    });
}

/// Three owners of a shared value give it up at once: one of them, after all others are done, drops it.
#[test]
fn the_last_owner_of_a_shared_value_sees_what_the_others_did() {
    loom::model(|| {
        let references = Arc::new((References::new(), UnsafeCell::new(0_u32)));
        references.0.acquire();
        let other = Arc::clone(&references);
        let thread = thread::spawn(move || {
            if other.0.release() {
                // SAFETY: the last owner is alone; loom checks it.
                other.1.with_mut(|value| unsafe { *value += 1 });
            }
        });
        if references.0.release() {
            // SAFETY: as above.
            references.1.with_mut(|value| unsafe { *value += 1 });
        }
        thread.join().unwrap();
        // SAFETY: every other owner has ended.
        references.1.with(|value| assert_eq!(unsafe { *value }, 1));
    });
}
