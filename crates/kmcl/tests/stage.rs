//! How far a channel has come, under every interleaving (model checking with loom).
//!
//! `src/stage.rs` is compiled here a second time, with loom's atomics in the place of the
//! processor's.

use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::thread;

/// What `stage.rs` gets instead of the library's atomics.
mod atomic {
    pub use loom::sync::atomic::{AtomicU64, Ordering};
}

#[path = "../src/stage.rs"]
mod stage;

use stage::{At, Stage};

/// A failure that comes while the channel starts is not lost.
#[test]
fn a_failure_that_comes_while_the_channel_starts_stays() {
    loom::model(|| {
        let stage = Arc::new(Stage::new());
        stage.enabling();
        let other = Arc::clone(&stage);
        let starter = thread::spawn(move || {
            let before = other.now();
            (before, other.starting(before))
        });
        let failed = stage.fail(-5);
        let (before, starting) = starter.join().unwrap();
        if before == At::Waiting && !starting {
            assert_eq!((failed, stage.now()), (true, At::Failed(-5)));
        }
        if stage.now() == At::Started {
            // It failed before the start, or not at all.
            assert!(starting && (before == At::Failed(-5) || !failed));
        }
    });
}

/// The handshake ends, fails and is cut off at once: one of them decides, and an end is never
/// undone.
#[test]
fn what_is_decided_is_decided_once() {
    loom::model(|| {
        let stage = Arc::new(Stage::new());
        assert!(stage.starting(At::Waiting));
        let other = Arc::clone(&stage);
        let ready = thread::spawn(move || other.ready());
        let other = Arc::clone(&stage);
        let ended = thread::spawn(move || other.ended());
        let failed = stage.fail(-1);
        let (ready, ended) = (ready.join().unwrap(), ended.join().unwrap());
        let now = stage.now();
        match (failed, ready, ended) {
            (true, false, false) => assert_eq!(now, At::Failed(-1)),
            (false, _, true) => assert_eq!(now, At::Closed),
            other => panic!("{other:?} and {now:?}"),
        }
    });
}

/// Who finds the channel ready sees what the handler did before it said so.
#[test]
fn who_finds_the_channel_ready_sees_what_the_handler_did() {
    loom::model(|| {
        let shared = Arc::new((Stage::new(), UnsafeCell::new(0_u32)));
        assert!(shared.0.starting(At::Waiting));
        let other = Arc::clone(&shared);
        let finder = thread::spawn(move || {
            if other.0.now() == At::Ready {
                // SAFETY: loom checks that it is not written any more.
                other.1.with(|answer| assert_eq!(unsafe { *answer }, 7));
            }
        });
        // SAFETY: loom checks that nobody reads it at the same time.
        shared.1.with_mut(|answer| unsafe { *answer = 7 });
        assert!(shared.0.ready());
        finder.join().unwrap();
    });
}
