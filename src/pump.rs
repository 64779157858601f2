//! Work that many may ask for and one at a time does.
//!
//! Matching messages with readers, and sending what waits, must keep an order, yet must not hold a
//! lock: both call out to the framework and to KMCL, which may call back. So whoever has changed
//! something asks for a *run*. If nobody runs, it does the work itself; otherwise whoever runs goes
//! round once more. Nobody waits, so it works at `DISPATCH_LEVEL`, and when a callback asks in the
//! middle of the work of its own processor.

use core::sync::atomic::{AtomicU8, Ordering};

const IDLE: u8 = 0;
const RUNNING: u8 = 1;
/// Somebody runs, and has been asked again since it last looked.
const ASKED: u8 = 2;

/// See the module.
#[derive(Debug, Default)]
pub struct Pump(AtomicU8);

impl Pump {
    /// A pump at rest.
    pub const fn new() -> Self {
        Self(AtomicU8::new(IDLE))
    }

    /// Sees to it that the work is done, by this caller or another, from its beginning at least
    /// once after this call began.
    ///
    /// All callers must bring the same work.
    pub fn run(&self, mut work: impl FnMut()) {
        if self.0.swap(ASKED, Ordering::AcqRel) != IDLE {
            return;
        }
        loop {
            // Taking the request before the work begins: one that comes during it asks for another
            // round. Acquire, so that the work sees what was changed before the asking.
            self.0.swap(RUNNING, Ordering::AcqRel);
            work();
            if self
                .0
                .compare_exchange(RUNNING, IDLE, Ordering::AcqRel, Ordering::Acquire)
                .is_ok()
            {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Pump;
    use core::cell::Cell;
    use core::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn a_run_asked_for_during_the_work_is_done_by_the_one_who_works() {
        let pump = Pump::new();
        let (rounds, nested) = (Cell::new(0), Cell::new(false));
        pump.run(|| {
            rounds.set(rounds.get() + 1);
            if rounds.get() < 3 {
                pump.run(|| nested.set(true));
            }
        });
        assert_eq!(
            (rounds.get(), nested.get()),
            (3, false),
            "somebody works already"
        );
        pump.run(|| rounds.set(rounds.get() + 1));
        assert_eq!(rounds.get(), 4, "the pump came to rest");
    }

    #[test]
    fn nothing_put_in_before_a_run_is_left_behind() {
        const THREADS: usize = 4;
        const EACH: usize = 20_000;
        let (pump, waiting, done) = (Pump::new(), AtomicUsize::new(0), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for _ in 0..THREADS {
                scope.spawn(|| {
                    for _ in 0..EACH {
                        waiting.fetch_add(1, Ordering::Relaxed);
                        pump.run(|| {
                            done.fetch_add(waiting.swap(0, Ordering::Relaxed), Ordering::Relaxed);
                        });
                    }
                });
            }
        });
        assert_eq!(waiting.load(Ordering::Relaxed), 0);
        assert_eq!(done.load(Ordering::Relaxed), THREADS * EACH);
    }
}
