//! The library's own atomics under every interleaving (model checking with loom).
//!
//! `src/claim.rs` is compiled here a second time, with loom's atomics in the place of the
//! processor's.

use loom::cell::UnsafeCell;
use loom::sync::{Arc, Notify};
use loom::thread;

/// What `claim.rs` gets instead of `core`'s atomics.
mod atomic {
    pub use loom::sync::atomic::{AtomicU32, AtomicU64, Ordering};
}

#[path = "../src/claim.rs"]
mod claim;

use atomic::{AtomicU32, Ordering};
use claim::{Claim, References, Uses};

/// A node, its owner's data, and how often each end of it came.
struct Node {
    claim: Claim,
    owned: UnsafeCell<u32>,
    owners: AtomicU32,
    freed: AtomicU32,
}

impl Node {
    fn new() -> Self {
        Self {
            claim: Claim::new(),
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
        if self.claim.release() {
            self.freed.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The completion routine of a handler that drops the packet. Whether the claim was its own.
    fn complete(&self) -> bool {
        let claimed = self.claim.complete();
        if claimed {
            self.own();
            // The packet's; the handler goes on, and the node is still there.
            self.release();
            // The routine's own.
            self.release();
        }
        claimed
    }
}

/// The send fails, and KMCL runs the completion routine as well, on another processor and at any
/// moment.
#[test]
fn a_failed_send_that_completes_all_the_same_has_one_owner() {
    loom::model(|| {
        let node = Arc::new(Node::new());
        let send = node.claim.begin();
        let other = Arc::clone(&node);
        let completion = thread::spawn(move || other.complete());
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

/// The completion of a failing send sends the packet again before the first sender looks: the first
/// sender must not take it.
#[test]
fn a_sender_does_not_take_a_packet_that_its_completion_has_sent_again() {
    loom::model(|| {
        let node = Arc::new(Node::new());
        let first = node.claim.begin();
        let other = Arc::clone(&node);
        let completion = thread::spawn(move || {
            if !other.claim.complete() {
                return false;
            }
            other.own();
            let _second = other.claim.begin();
            // The second send succeeds and is in flight when this one ends, and with it the
            // routine.
            other.release();
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
            assert!(node.complete(), "the second send is in flight");
            assert_eq!(node.freed.load(Ordering::Relaxed), 1);
        }
    });
}

/// A send succeeds, its completion frees the packet on another processor while the sender is still
/// inside the call.
#[test]
fn the_last_of_sender_owner_and_routine_frees_the_node() {
    loom::model(|| {
        let node = Arc::new(Node::new());
        let _ = node.claim.begin();
        let other = Arc::clone(&node);
        let completion = thread::spawn(move || assert!(other.complete()));
        node.release();
        completion.join().unwrap();
        assert_eq!(node.freed.load(Ordering::Relaxed), 1);
    });
}

/// The handler keeps the packet; another thread frees it while the completion routine is still
/// there.
#[test]
fn a_packet_kept_by_the_handler_may_end_before_its_completion_routine() {
    loom::model(|| {
        let node = Arc::new(Node::new());
        let _ = node.claim.begin();
        node.release();
        assert!(node.claim.complete());
        let other = Arc::clone(&node);
        let keeper = thread::spawn(move || {
            other.own();
            other.release();
        });
        node.release();
        keeper.join().unwrap();
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
        let claimed: Vec<bool> = threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect();
        assert_eq!(claimed.iter().filter(|claimed| **claimed).count(), 1);
    });
}

/// Two owners of a shared value give it up at once: one of them, after the other is done, drops it.
#[test]
fn the_last_owner_of_a_shared_value_sees_what_the_others_did() {
    loom::model(|| {
        let references = Arc::new((References::new(), UnsafeCell::new(0_u32)));
        references.0.acquire(1);
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

/// What a channel's owner gives up once nothing is out, with the count and the event that it waits
/// on.
struct Channel {
    packets: Uses,
    /// The kernel's event.
    last: Notify,
    /// How often it was signaled.
    signals: AtomicU32,
    there: UnsafeCell<bool>,
}

impl Channel {
    fn new() -> Self {
        let packets = Uses::closed();
        packets.open();
        Self {
            packets,
            last: Notify::new(),
            signals: AtomicU32::new(0),
            there: UnsafeCell::new(true),
        }
    }

    /// What is out uses the channel; loom reports it if the owner has it at the same time.
    fn touch(&self) {
        // SAFETY: loom checks that the owner does not write meanwhile.
        let there = self.there.with(|there| unsafe { *there });
        assert!(there, "the channel is gone");
    }

    fn release(&self) {
        if self.packets.release() {
            let earlier = self.signals.fetch_add(1, Ordering::Release);
            assert_eq!(earlier, 0, "two were told that they are the last");
            self.last.notify();
        }
    }

    /// The owner closes, waits, and takes the channel away.
    fn delete(&self) {
        if self.packets.close() {
            // The model's event may wake without a cause; the kernel's does not.
            while self.signals.load(Ordering::Acquire) == 0 {
                self.last.wait();
            }
        }
        // SAFETY: loom checks that nobody else is there.
        self.there.with_mut(|there| unsafe { *there = false });
        assert!(!self.packets.is_open());
        assert!(
            !self.packets.acquire(),
            "nothing is let out of what is closed"
        );
    }
}

/// Completions race with the close of their channel: it goes when the last of them is done, and not
/// before.
#[test]
fn a_channel_goes_after_the_last_of_its_completions() {
    loom::model(|| {
        let channel = Arc::new(Channel::new());
        let completions: Vec<_> = (0..2)
            .map(|_| {
                assert!(channel.packets.acquire());
                let channel = Arc::clone(&channel);
                thread::spawn(move || {
                    channel.touch();
                    channel.release();
                })
            })
            .collect();
        channel.delete();
        for completion in completions {
            completion.join().unwrap();
        }
    });
}

/// A new use races with the close, and with the end of another: it is refused, or the owner waits
/// for it.
#[test]
fn a_use_is_refused_or_waited_for() {
    loom::model(|| {
        let channel = Arc::new(Channel::new());
        assert!(channel.packets.acquire());
        let other = Arc::clone(&channel);
        let completion = thread::spawn(move || other.release());
        let other = Arc::clone(&channel);
        let sender = thread::spawn(move || {
            if other.packets.acquire() {
                other.touch();
                other.release();
            }
        });
        channel.delete();
        completion.join().unwrap();
        sender.join().unwrap();
    });
}

/// The last entry goes back to its list, by the completion routine or by the sender that is still
/// inside the send, while the channel's owner waits to delete the list.
#[test]
fn a_list_is_deleted_after_its_last_entry_is_back() {
    loom::model(|| {
        let channel = Arc::new(Channel::new());
        let node = Arc::new(Node::new());
        assert!(channel.packets.acquire());
        let _ = node.claim.begin();
        let give_back = |node: &Node, channel: &Channel| {
            if node.claim.release() {
                // The entry goes into the list, and then the use ends.
                channel.touch();
                channel.release();
            }
        };
        let other = (Arc::clone(&channel), Arc::clone(&node));
        let completion = thread::spawn(move || {
            let (channel, node) = other;
            assert!(node.claim.complete());
            give_back(&node, &channel);
            // The handler goes on.
            channel.touch();
            give_back(&node, &channel);
        });
        let other = (Arc::clone(&channel), Arc::clone(&node));
        let sender = thread::spawn(move || {
            let (channel, node) = other;
            give_back(&node, &channel);
        });
        channel.delete();
        completion.join().unwrap();
        sender.join().unwrap();
    });
}

/// What was closed can be opened again, and closed again.
#[test]
fn a_gate_opens_again() {
    loom::model(|| {
        let gate = Arc::new(Uses::closed());
        assert!(!gate.acquire() && !gate.is_open());
        assert!(!gate.close(), "nothing is out");
        gate.open();
        assert!(gate.acquire() && gate.is_open());
        assert!(gate.close());
        assert!(gate.release(), "the last of what was closed");
        gate.open();
        assert!(gate.acquire());
        assert!(!gate.release(), "it is open");
        let other = Arc::clone(&gate);
        let user = thread::spawn(move || other.acquire() && other.release());
        let somebody = gate.close();
        // Whoever is told is told by exactly one side.
        assert_eq!(user.join().unwrap(), somebody);
    });
}
