use crate::pump::Pump;
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
