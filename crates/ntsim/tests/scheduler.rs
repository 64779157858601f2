//! The scheduler: contexts, processors, IRQL, virtual time, and bug checks as values.

use std::cell::{Cell, RefCell};
use std::num::NonZeroUsize;
use std::rc::Rc;
use std::time::Duration;

use ntsim::kernel::kernel;
use ntsim::{Config, Machine, Outcome, StopCode, System};
use wdk_sys_lite::atomic::{AtomicU32, Ordering};

fn order_of_two_threads(seed: u64) -> (Vec<u32>, u64) {
    let report = Machine::run(Config::with_seed(seed), |system| {
        let order = Rc::new(RefCell::new(Vec::new()));
        let threads: Vec<_> = (0..2)
            .map(|number| {
                let order = Rc::clone(&order);
                system.spawn("thread", move |_| {
                    for _ in 0..20 {
                        order.borrow_mut().push(number);
                        kernel().sched.point();
                    }
                })
            })
            .collect();
        for thread in threads {
            thread.join();
        }
        order.take()
    });
    let hash = report.schedule_hash;
    (report.expect_finished(), hash)
}

#[test]
fn the_same_seed_gives_the_same_schedule() {
    assert_eq!(order_of_two_threads(7), order_of_two_threads(7));
}

#[test]
fn different_seeds_give_different_schedules() {
    let (orders, hashes): (Vec<_>, Vec<_>) = (1..9).map(order_of_two_threads).unzip();
    assert!(
        orders.iter().any(|order| *order != orders[0]),
        "eight seeds, one order"
    );
    let distinct: std::collections::BTreeSet<_> = hashes.iter().collect();
    assert_eq!(
        distinct.len(),
        hashes.len(),
        "two of eight seeds have one schedule hash"
    );
}

#[test]
fn virtual_time_passes_without_real_time() {
    let report = Machine::run(Config::default(), |system| {
        system.sleep(Duration::from_hours(1));
    });
    assert!(report.time >= 3_600_000_000_000);
    report.expect_finished();
}

#[test]
fn a_wait_that_nobody_ends_is_reported_as_a_hang() {
    let report = Machine::run(Config::default(), |_| {
        let key = kernel().sched.new_key();
        kernel().sched.wait_until(key, || false);
    });
    let Outcome::Hung(waiting) = report.outcome else {
        panic!("{:?}", report.outcome)
    };
    assert!(
        waiting.iter().any(|line| line.contains("operator")),
        "{waiting:?}"
    );
}

#[test]
fn a_dpc_runs_at_dispatch_level_before_a_thread_below_it_goes_on_for_long() {
    let report = Machine::run(Config::default(), |system| {
        let seen = Rc::new(RefCell::new(None));
        let slot = Rc::clone(&seen);
        kernel().sched.queue_dpc(Some(0), "dpc", move || {
            *slot.borrow_mut() = Some(kernel().sched.current().irql());
        });
        system.sleep(Duration::from_micros(50));
        seen.take()
    });
    assert_eq!(report.expect_finished(), Some(2));
}

#[test]
fn waiting_in_a_dpc_is_a_bug_check() {
    let report = Machine::run(Config::default(), |system| {
        kernel().sched.queue_dpc(None, "dpc", || {
            kernel().sched.sleep(10);
        });
        system.sleep(Duration::from_micros(50));
    });
    assert_eq!(
        report.expect_bug_check().code,
        StopCode::ATTEMPTED_SWITCH_FROM_DPC
    );
}

#[test]
fn a_thread_at_dispatch_level_keeps_its_processor() {
    let config = Config {
        processors: NonZeroUsize::MIN,
        ..Config::default()
    };
    let report = Machine::run(config, |system| {
        let ran = Rc::new(RefCell::new(false));
        let slot = Rc::clone(&ran);
        let old = kernel().sched.set_irql(2);
        let thread = system.spawn("other", move |_| *slot.borrow_mut() = true);
        for _ in 0..200 {
            kernel().sched.point();
        }
        let early = *ran.borrow();
        kernel().sched.set_irql(old);
        thread.join();
        (early, ran.take())
    });
    assert_eq!(report.expect_finished(), (false, true));
}

#[test]
fn touching_memory_that_does_not_exist_is_a_bug_check_that_names_the_address() {
    let report = Machine::run(Config::default(), |_| {
        let address = std::hint::black_box(0x10_usize as *const u64);
        // SAFETY: deliberately not safe; the machine's fault handler ends this context before the
        // read has a value.
        unsafe { address.read_volatile() }
    });
    let check = report.expect_bug_check();
    assert_eq!(check.parameters[0], 0x10);
    assert!(check.message.contains("0x10"), "{}", check.message);
}

#[test]
fn machines_run_side_by_side() {
    let threads: Vec<_> = (0..4)
        .map(|seed| std::thread::spawn(move || order_of_two_threads(seed)))
        .collect();
    for (seed, thread) in (0..4).zip(threads) {
        assert_eq!(thread.join().unwrap(), order_of_two_threads(seed));
    }
}

#[test]
fn a_panic_of_the_operators_program_reaches_the_caller() {
    let result =
        std::panic::catch_unwind(|| Machine::run(Config::default(), |_| panic!("on purpose")));
    let payload = result.expect_err("the panic passes through");
    assert_eq!(payload.downcast_ref::<&str>(), Some(&"on purpose"));
}

#[test]
fn a_panic_in_driver_code_is_a_bug_check() {
    extern "C" fn callback() {
        panic!("a driver's bug");
    }
    let report = Machine::run(Config::default(), |_| {
        let function = callback;
        ntsim::call_driver!(ntsim::kernel::DriverId(1), "EvtTest", function());
    });
    let check = report.expect_bug_check();
    assert_eq!(check.code, StopCode::RUST_PANIC);
    assert!(
        check.message.contains("a driver's bug"),
        "{}",
        check.message
    );
}

#[test]
fn a_driver_that_returns_at_another_irql_is_a_bug_check() {
    extern "C" fn callback() {
        kernel().sched.set_irql(2);
    }
    let report = Machine::run(Config::default(), |_| {
        let function = callback;
        ntsim::call_driver!(ntsim::kernel::DriverId(1), "EvtTest", function());
    });
    assert_eq!(
        report.expect_bug_check().code,
        StopCode::IRQL_UNEXPECTED_VALUE
    );
}

#[test]
fn a_run_can_be_limited_in_steps() {
    let config = Config {
        max_steps: Some(1000),
        ..Config::default()
    };
    let report = Machine::run(config, |system| {
        loop {
            system.sleep(Duration::from_micros(1));
        }
    });
    let Outcome::TooLong(waiting) = report.outcome else {
        panic!("{:?}", report.outcome)
    };
    assert!(!waiting.is_empty());
}

// ---- livelocks ----

/// Who keeps the others busy for ever is reported within seconds, with what each was doing.
fn livelocks(name: &str, program: impl FnOnce(&System) + Send + 'static) {
    let report = Machine::run(Config::default(), program);
    let Outcome::TooLong(waiting) = report.outcome else {
        panic!("{name}: {:?}", report.outcome)
    };
    assert!(report.steps < 250_000, "{name}: {} steps", report.steps);
    assert!(
        waiting.iter().any(|line| line.contains(name)),
        "{name}: {waiting:?}"
    );
}

#[test]
fn threads_that_hand_a_turn_to_each_other_for_ever_are_reported() {
    livelocks("polite", |system| {
        let turn = Rc::new(Cell::new(0_u64));
        let threads: Vec<_> = (0..2)
            .map(|number| {
                let turn = Rc::clone(&turn);
                system.spawn("polite", move |_| {
                    loop {
                        kernel().sched.point();
                        if turn.get() % 2 == number {
                            turn.set(turn.get() + 1);
                        }
                    }
                })
            })
            .collect();
        for thread in threads {
            thread.join();
        }
    });
}

#[test]
fn a_thread_that_tries_again_and_again_with_a_pause_is_reported() {
    livelocks("trying", |system| {
        system
            .spawn("trying", |system| {
                loop {
                    system.sleep(Duration::from_micros(10));
                }
            })
            .join();
    });
}

#[test]
fn a_deferred_procedure_call_that_queues_itself_for_ever_is_reported() {
    fn again() {
        kernel().sched.queue_dpc(None, "again", again);
    }
    livelocks("operator", |system| {
        again();
        loop {
            system.sleep(Duration::from_millis(1));
        }
    });
}

/// Two processors of a driver's each do something twenty times, with no call into the kernel
/// between the driver's own atomic operations.
fn on_two_processors(seed: u64, work: fn(&AtomicU32), start: u32) -> u32 {
    thread_local! {
        static SHARED: AtomicU32 = const { AtomicU32::new(0) };
        static WORK: Cell<fn(&AtomicU32)> = const { Cell::new(|_| ()) };
    }
    extern "C" fn callback() {
        SHARED.with(|shared| {
            for _ in 0..20 {
                WORK.get()(shared);
            }
        });
    }
    Machine::run(Config::with_seed(seed), move |system| {
        WORK.set(work);
        SHARED.with(|shared| shared.store(start, Ordering::Relaxed));
        let threads = [(); 2].map(|()| {
            system.spawn("driver's thread", |_| {
                let function = callback;
                ntsim::call_driver!(ntsim::kernel::DriverId(1), "EvtTest", function());
            })
        });
        for thread in threads {
            thread.join();
        }
        SHARED.with(|shared| shared.load(Ordering::Relaxed))
    })
    .expect_finished()
}

#[test]
fn a_counter_that_is_loaded_and_stored_loses_counts() {
    let lossy = |counter: &AtomicU32| {
        counter.store(counter.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    };
    let whole = |counter: &AtomicU32| {
        counter.fetch_add(1, Ordering::Relaxed);
    };
    assert!((1..=20).any(|seed| on_two_processors(seed, lossy, 0) < 40));
    assert!((1..=50).all(|seed| on_two_processors(seed, whole, 0) == 40));
}

/// One bit of the word is a flag, the others a count.
#[test]
fn a_state_word_that_is_loaded_changed_and_stored_loses_a_change() {
    const STEP: u32 = 2;
    let lossy = |word: &AtomicU32| {
        let state = word.load(Ordering::Acquire);
        if state & 1 != 0 {
            word.store(state + STEP, Ordering::Release);
        }
    };
    let whole = |word: &AtomicU32| {
        let mut state = word.load(Ordering::Acquire);
        while state & 1 != 0
            && let Err(now) =
                word.compare_exchange(state, state + STEP, Ordering::AcqRel, Ordering::Acquire)
        {
            state = now;
        }
    };
    assert!((1..=20).any(|seed| on_two_processors(seed, lossy, 1) < 1 + 40 * STEP));
    assert!((1..=50).all(|seed| on_two_processors(seed, whole, 1) == 1 + 40 * STEP));
}
