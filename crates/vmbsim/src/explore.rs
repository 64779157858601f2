//! Many seeds, each a life of the driver with one event at a random moment.

use std::num::NonZeroUsize;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use indicatif::{ProgressBar, ProgressStyle};
use ntsim::{Machine, Outcome, StartError};

use crate::guest;
use crate::output::print;
use crate::report::Verdict;
use crate::transfer::SystemError;

/// Scheduling steps after which a life counts as endless; a usual one takes some ten thousand.
const MAXIMUM_STEPS: u64 = 5_000_000;

/// How many threads run: as many as asked for, or one for each processor here, and never more than there are processors or seeds.
fn threads(jobs: Option<u64>, seeds: u64, processors: usize) -> u64 {
    let processors = processors.max(1) as u64;
    jobs.unwrap_or(processors).min(processors).min(seeds).max(1)
}

/// Runs `life` for the numbers below `count` on several threads and gives the lowest for which it found something.
///
/// Which one that is does not depend on the threads: all below a number that failed are run to their end.
fn lowest_failure<F: Send>(
    count: u64,
    threads: u64,
    life: impl Fn(u64) -> Option<F> + Sync,
) -> Option<(u64, F)> {
    let next = AtomicU64::new(0);
    let end = AtomicU64::new(count);
    let failures = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= end.load(Ordering::Relaxed) {
                        break;
                    }
                    if let Some(problem) = life(number) {
                        end.fetch_min(number, Ordering::Relaxed);
                        if let Ok(mut failures) = failures.lock() {
                            failures.push((number, problem));
                        }
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().unwrap_or_default();
    failures.into_iter().min_by_key(|(number, _)| *number)
}

/// Runs the seeds on several threads and prints how to repeat the first failure.
///
/// # Errors
///
/// If nothing can be printed, or a machine cannot be started.
///
/// # Panics
///
/// If a machine's program panics: a bug of the simulator.
pub fn explore(
    first: u64,
    seeds: u64,
    processors: NonZeroUsize,
    jobs: Option<u64>,
) -> Result<Verdict, SystemError> {
    let here = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let bar = ProgressBar::new(seeds).with_style(
        ProgressStyle::with_template("{bar:40} {pos}/{len} seeds, {per_sec}, {eta} left")
            .unwrap_or_else(|_| ProgressStyle::default_bar()),
    );
    let failure = lowest_failure(seeds, threads(jobs, seeds, here), |number| {
        let problem = life(first + number, processors).transpose();
        bar.inc(1);
        problem
    });
    if let Some((number, problem)) = failure {
        bar.abandon();
        let seed = first + number;
        let problem = problem?;
        print(&format!(
            "seed {seed}: {problem}\n\
             repeat with: cargo sim explore --seed {seed} --seeds 1 --processors {processors}\n"
        ))?;
        return Ok(Verdict::Finding);
    }
    bar.finish_and_clear();
    print(&format!(
        "{seeds} seeds from {first}: no bug check, no leak, no hang\n"
    ))?;
    Ok(Verdict::Fine)
}

/// One life; what was wrong, if anything.
fn life(seed: u64, processors: NonZeroUsize) -> Result<Option<String>, StartError> {
    let config = guest::eventful_config(seed, processors, MAXIMUM_STEPS);
    Ok(match Machine::try_run(config, guest::eventful_life)?.outcome {
        Outcome::Finished(Ok(())) => None,
        Outcome::Finished(Err(problem)) => Some(problem),
        Outcome::BugCheck(check) => Some(format!("{check:#?}")),
        Outcome::Hung(waiting) => Some(format!("the machine hangs: {}", waiting.join("; "))),
        Outcome::TooLong(waiting) => Some(format!("the machine does not end: {}", waiting.join("; "))),
    })
}

#[cfg(test)]
mod tests {
    use super::{lowest_failure, threads};
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::Duration;

    #[test]
    fn the_lowest_failure_is_found_though_a_higher_one_comes_first() {
        for _ in 0..20 {
            let failure = lowest_failure(100, 8, |number| match number {
                3 => {
                    std::thread::sleep(Duration::from_millis(5));
                    Some("slow".to_owned())
                }
                4..8 => Some("fast".to_owned()),
                _ => None,
            });
            assert_eq!(failure, Some((3, "slow".to_owned())));
        }
    }

    #[test]
    fn what_lies_behind_a_failure_is_not_run() {
        let run = AtomicU64::new(0);
        let failure = lowest_failure(1_000_000, 1, |number| {
            run.fetch_add(1, Ordering::Relaxed);
            (number == 10).then(String::new)
        });
        assert_eq!(failure, Some((10, String::new())));
        assert_eq!(run.into_inner(), 11);
    }

    #[test]
    fn no_more_threads_run_than_seeds_or_processors() {
        assert_eq!(threads(Some(100_000), 100, 4), 4);
        assert_eq!(threads(Some(100_000), 3, 4), 3);
        assert_eq!(threads(Some(2), 100, 4), 2);
        assert_eq!(threads(None, 100, 4), 4);
    }
}
