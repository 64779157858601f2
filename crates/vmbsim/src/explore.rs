//! Many seeds, each a life of the driver with one event at a random moment.

use std::io::Write;
use std::num::{NonZeroU64, NonZeroUsize};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use indicatif::{ProgressBar, ProgressStyle};
use ntsim::{Machine, Outcome};

use crate::guest;
use crate::report::Finding;

/// Scheduling steps after which a life counts as endless; a usual one takes some ten thousand.
const MAXIMUM_STEPS: u64 = 5_000_000;

/// Runs the seeds on several threads and prints how to repeat the first failure.
///
/// # Panics
///
/// If a machine's program panics: a bug of the simulator.
pub fn explore(
    first: u64,
    seeds: NonZeroU64,
    processors: NonZeroUsize,
    jobs: Option<NonZeroUsize>,
    output: &mut dyn Write,
) -> Finding {
    let jobs = jobs
        .or_else(|| std::thread::available_parallelism().ok())
        .unwrap_or(NonZeroUsize::MIN);
    let bar = ProgressBar::new(seeds.get()).with_style(
        ProgressStyle::with_template("{bar:40} {pos}/{len} seeds, {per_sec}, {eta} left")
            .unwrap_or_else(|_| ProgressStyle::default_bar()),
    );
    let next = AtomicU64::new(0);
    let failures = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..jobs.get() {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let found = failures.lock().map_or(true, |failures| !failures.is_empty());
                    if index >= seeds.get() || found {
                        break;
                    }
                    let seed = first.wrapping_add(index);
                    if let Some(problem) = life(seed, processors)
                        && let Ok(mut failures) = failures.lock()
                    {
                        failures.push((seed, problem));
                    }
                    bar.inc(1);
                }
            });
        }
    });
    let mut failures = failures.into_inner().unwrap_or_default();
    failures.sort();
    if let Some((seed, problem)) = failures.first() {
        bar.abandon();
        let _ = writeln!(output, "seed {seed}: {problem}");
        let _ = writeln!(
            output,
            "repeat it with: cargo sim explore --seed {seed} --seeds 1 --processors {processors}"
        );
        return Finding::Some;
    }
    bar.finish_and_clear();
    let _ = writeln!(
        output,
        "{seeds} seeds from {first}: no bug check, no leak, no hang"
    );
    Finding::None
}

/// One life; what was wrong, if anything.
fn life(seed: u64, processors: NonZeroUsize) -> Option<String> {
    let config = guest::eventful_config(seed, processors, MAXIMUM_STEPS);
    match Machine::run(config, guest::eventful_life).outcome {
        Outcome::Finished(Ok(())) => None,
        Outcome::Finished(Err(problem)) => Some(problem),
        Outcome::BugCheck(check) => Some(check.to_string()),
        Outcome::Hung(waiting) => Some(format!("the machine hangs: {}", waiting.join("; "))),
        Outcome::TooLong(waiting) => Some(format!("the machine does not end: {}", waiting.join("; "))),
    }
}
