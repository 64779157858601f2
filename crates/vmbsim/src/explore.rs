//! Many seeds, each a life of the driver with one event at a random moment.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use indicatif::{ProgressBar, ProgressStyle};
use ntsim::{Machine, Outcome, StartError};

use crate::guest;

/// Scheduling steps after which a life counts as endless; a usual one takes some ten thousand.
const MAXIMUM_STEPS: u64 = 5_000_000;

/// Runs seeds on several threads. The lowest one that fails, and its problem.
///
/// # Errors
///
/// If the real system lacks what a machine needs.
///
/// # Panics
///
/// If a machine's program panics: a bug of the simulator.
pub fn explore(
    first: u64,
    seeds: u64,
    processors: NonZeroUsize,
    jobs: NonZeroUsize,
) -> Result<Option<(u64, String)>, StartError> {
    let bar = ProgressBar::new(seeds).with_style(
        ProgressStyle::with_template("{bar:40} {pos}/{len} seeds, {per_sec}, {eta} left")
            .unwrap_or_else(|_| ProgressStyle::default_bar()),
    );
    let failure = lowest(seeds, jobs, |index| {
        let problem = life(first + index, processors).transpose();
        bar.inc(1);
        problem
    });
    bar.finish_and_clear();
    failure
        .map(|(index, problem)| Ok((first + index, problem?)))
        .transpose()
}

/// The lowest of the numbers below `count` that has a problem.
///
/// Numbers are handed out in their order. Whoever has got one below the lowest known problem looks
/// at it, so what comes out does not depend on how fast anybody is.
fn lowest<P: Send>(
    count: u64,
    jobs: NonZeroUsize,
    problem: impl Fn(u64) -> Option<P> + Sync,
) -> Option<(u64, P)> {
    let next = AtomicU64::new(0);
    let lowest = AtomicU64::new(count);
    let problems = Mutex::new(BTreeMap::new());
    std::thread::scope(|scope| {
        for _ in 0..jobs.get() {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= lowest.load(Ordering::Relaxed) {
                        break;
                    }
                    if let Some(text) = problem(number) {
                        lowest.fetch_min(number, Ordering::Relaxed);
                        if let Ok(mut problems) = problems.lock() {
                            problems.insert(number, text);
                        }
                    }
                }
            });
        }
    });
    problems.into_inner().unwrap_or_default().pop_first()
}

/// One life; what was wrong, if anything.
fn life(seed: u64, processors: NonZeroUsize) -> Result<Option<String>, StartError> {
    let config = guest::eventful_config(seed, processors, MAXIMUM_STEPS);
    Ok(
        match Machine::try_run(config, guest::eventful_life)?.outcome {
            Outcome::Finished(Ok(())) => None,
            Outcome::Finished(Err(problem)) => Some(problem),
            Outcome::BugCheck(check) => Some(format!("{check:?}")),
            Outcome::Hung(waiting) => Some(format!("the machine hangs: {}", waiting.join("; "))),
            Outcome::TooLong(waiting) => {
                Some(format!("the machine does not end: {}", waiting.join("; ")))
            }
        },
    )
}

#[cfg(test)]
mod tests {
    use super::lowest;
    use std::num::NonZeroUsize;
    use std::time::Duration;

    const JOBS: NonZeroUsize = NonZeroUsize::new(16).unwrap();

    #[test]
    fn the_lowest_problem_is_found_however_many_look_and_however_long_each_takes() {
        for round in 0..200 {
            let found = lowest(1000, JOBS, |number| {
                // The lower of the failing ones take longer than those behind them.
                if (10..20).contains(&number) {
                    std::thread::sleep(Duration::from_micros((20 - number) * 20));
                }
                (number >= 10).then(|| format!("problem of {number}"))
            });
            assert_eq!(
                found,
                Some((10, "problem of 10".to_owned())),
                "round {round}"
            );
        }
    }

    #[test]
    fn nothing_is_found_where_nothing_is() {
        assert_eq!(lowest(100, JOBS, |_| None::<()>), None);
    }

    #[test]
    fn every_number_is_looked_at() {
        let seen = std::sync::Mutex::new(std::collections::BTreeSet::new());
        let found = lowest(500, JOBS, |number| {
            seen.lock().unwrap().insert(number);
            None::<()>
        });
        assert_eq!((found, seen.into_inner().unwrap().len()), (None, 500));
    }
}
