//! The driver's own atomics under every interleaving and every order that the memory model allows
//! (model checking with loom).
//!
//! The modules are compiled here a second time, with loom's atomics in the place of the
//! processor's. Each model fails if an ordering in them is weakened that it relies on.
//!
//! The thread that finds something is the spawned one. loom tries another order where two accesses
//! depend on each other, and remembers the last of each kind alone: a load by the thread that then
//! stores would hide the load of the other.
#![cfg(not(windows))]
#![allow(missing_docs, reason = "a test")]

extern crate wdk_sys_lite as wdk_sys;

use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::thread;

use atomic::{AtomicBool, Ordering};
use ioctl::State;
use pump::Pump;
use session::Sessions;
use slot::Slot;
use stats::Counter;

/// What the modules get instead of `kmcl`'s atomics.
mod atomic {
    pub use loom::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
}

/// The state that they name.
mod ioctl {
    pub use vmbchan::ioctl::State;
}

#[path = "../src/pump.rs"]
mod pump;
#[allow(dead_code, reason = "the models need a part of it")]
#[path = "../src/session.rs"]
mod session;
#[allow(dead_code, reason = "the models need a part of it")]
#[path = "../src/wdf/slot.rs"]
mod slot;
#[allow(dead_code, reason = "the models need a part of it")]
#[path = "../src/stats.rs"]
mod stats;

/// Whoever asks for a run finds its work done by the end, by itself or by another, and no two work
/// at a time.
#[test]
fn the_work_is_done_by_one_at_a_time_and_none_is_left_behind() {
    const ASKERS: usize = 2;
    struct Shared {
        pump: Pump,
        posted: [AtomicBool; ASKERS],
        /// What the one who works has found.
        seen: UnsafeCell<[bool; ASKERS]>,
    }
    fn ask(shared: &Shared, number: usize) {
        // The pump alone orders this before the work that follows.
        shared.posted[number].store(true, Ordering::Relaxed);
        shared.pump.run(|| {
            shared.seen.with_mut(|seen| {
                for (posted, index) in shared.posted.iter().zip(0..) {
                    if posted.load(Ordering::Relaxed) {
                        // SAFETY: loom checks that nobody else works at the same time.
                        unsafe { (*seen)[index] = true };
                    }
                }
            });
        });
    }
    loom::model(|| {
        let shared = Arc::new(Shared {
            pump: Pump::new(),
            posted: Default::default(),
            seen: UnsafeCell::new([false; ASKERS]),
        });
        let other = Arc::clone(&shared);
        let asker = thread::spawn(move || ask(&other, 1));
        ask(&shared, 0);
        asker.join().unwrap();
        // SAFETY: everybody else has ended.
        shared
            .seen
            .with(|seen| assert_eq!(unsafe { *seen }, [true; ASKERS]));
    });
}

/// What was made ready before the link opened is seen by whoever finds it open.
#[test]
fn who_finds_the_link_open_sees_what_was_done_before() {
    loom::model(|| {
        let shared = Arc::new((Sessions::new(), UnsafeCell::new(0_u32)));
        assert!(shared.0.power_up().is_some());
        let other = Arc::clone(&shared);
        let finder = thread::spawn(move || {
            if other.0.now().state == State::Open {
                // SAFETY: loom checks that it is not written any more.
                other.1.with(|ready| assert_eq!(unsafe { *ready }, 7));
            }
        });
        // SAFETY: loom checks that nobody reads it at the same time.
        shared.1.with_mut(|ready| unsafe { *ready = 7 });
        assert!(shared.0.started().is_some());
        finder.join().unwrap();
    });
}

/// Transitions that race each happen once or not at all, and none undoes another.
#[test]
fn transitions_that_race_lose_none() {
    loom::model(|| {
        let sessions = Arc::new(Sessions::new());
        assert!(sessions.power_up().is_some());
        let other = Arc::clone(&sessions);
        let host = thread::spawn(move || (other.started().is_some(), other.suspended().is_some()));
        let other = Arc::clone(&sessions);
        let timer = thread::spawn(move || other.timed_out().is_some());
        let down = sessions.power_down();
        let (started, suspended) = host.join().unwrap();
        timer.join().unwrap();
        let down = down.expect("the device was up");
        assert_eq!((down.state, down.session), (State::Off, 2));
        assert_eq!(sessions.now(), down, "a device that is off stays so");
        // What was suspended had started, unless the device was down before either.
        assert!(started || !suspended || sessions.now().state == State::Off);
    });
}

/// Two that count at a time count both.
#[test]
fn a_counter_loses_no_count() {
    loom::model(|| {
        let counter = Arc::new(Counter::default());
        let other = Arc::clone(&counter);
        let adder = thread::spawn(move || {
            other.one();
            other.add(2);
        });
        counter.one();
        adder.join().unwrap();
        assert_eq!(counter.get(), 4);
    });
}

/// A value that is put in a context while another processor looks is seen whole or not at all.
#[test]
fn a_value_in_a_context_is_seen_whole_or_not_at_all() {
    loom::model(|| {
        let slot = Arc::new((Slot::new(), UnsafeCell::new(0_u32)));
        let other = Arc::clone(&slot);
        let reader = thread::spawn(move || {
            // SAFETY: nobody takes the value while this thread reads it.
            if let Some(value) = unsafe { other.0.get() } {
                assert_eq!(*value, 5);
                // What the value leads to.
                // SAFETY: loom checks that it is not written any more.
                other.1.with(|made| assert_eq!(unsafe { *made }, 7));
            }
        });
        // SAFETY: loom checks that nobody reads it at the same time.
        slot.1.with_mut(|made| unsafe { *made = 7 });
        // SAFETY: only this thread puts, and nobody takes yet.
        assert!(unsafe { slot.0.put(5_u32) });
        reader.join().unwrap();
        // SAFETY: nobody else is there.
        assert_eq!(unsafe { slot.0.take() }, Some(5));
        // SAFETY: as above.
        assert_eq!(unsafe { slot.0.get() }, None);
    });
}

/// What the one who put a value did to it is seen by the one who takes it out.
#[test]
fn who_takes_a_value_out_sees_what_was_done_to_it() {
    loom::model(|| {
        let slot = Arc::new((Slot::new(), UnsafeCell::new(0_u32)));
        let other = Arc::clone(&slot);
        let taker = thread::spawn(move || {
            // SAFETY: only this thread takes, and only the other puts.
            if unsafe { other.0.take() }.is_some() {
                // SAFETY: loom checks that it is not written any more.
                other.1.with_mut(|made| unsafe { *made += 1 });
            }
        });
        // SAFETY: loom checks that nobody has it at the same time.
        slot.1.with_mut(|made| unsafe { *made = 7 });
        // SAFETY: only this thread puts, and only the other takes.
        assert!(unsafe { slot.0.put(5_u32) });
        taker.join().unwrap();
    });
}
