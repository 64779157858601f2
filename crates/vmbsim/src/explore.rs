//! Many seeds, each a life of the driver with events in the middle of its traffic.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use indicatif::{ProgressBar, ProgressStyle};
use ntsim::{Machine, Outcome, StartError};

use crate::life::{self, Event, Lives, Met};

/// Scheduling steps after which a life counts as endless; a usual one takes some ten thousand.
const MAXIMUM_STEPS: u64 = 5_000_000;

/// What exploring found.
pub struct Explored {
    /// The lowest seed that fails, and its problem.
    pub failure: Option<(u64, String)>,
    /// What the events met.
    pub meetings: Meetings,
}

/// For each event, how many requests were on their way in each life that had it.
#[derive(Default)]
pub struct Meetings(BTreeMap<Event, Vec<usize>>);

/// The meetings of one event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Meeting {
    /// The event.
    pub event: Event,
    /// How often it came.
    pub times: usize,
    /// How often requests were on their way.
    pub met: usize,
    /// The least, of those times.
    pub least: usize,
    /// The median of how many, of those times.
    pub median: usize,
    /// The most.
    pub most: usize,
}

impl Meetings {
    fn add(&mut self, met: &[Met]) {
        for (event, requests) in met {
            self.0.entry(*event).or_default().push(*requests);
        }
    }

    /// Each event that came, in the order of [`Event::ALL`].
    pub fn each(&self) -> impl Iterator<Item = Meeting> {
        self.0.iter().map(|(event, requests)| {
            let mut met: Vec<usize> = requests.iter().copied().filter(|met| *met > 0).collect();
            met.sort_unstable();
            Meeting {
                event: *event,
                times: requests.len(),
                met: met.len(),
                least: met.first().copied().unwrap_or(0),
                median: met.get(met.len() / 2).copied().unwrap_or(0),
                most: met.last().copied().unwrap_or(0),
            }
        })
    }
}

/// Runs seeds on several threads.
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
    lives: Lives,
    jobs: NonZeroUsize,
) -> Result<Explored, StartError> {
    let bar = ProgressBar::new(seeds).with_style(
        ProgressStyle::with_template("{bar:40} {pos}/{len} seeds, {per_sec}, {eta} left")
            .unwrap_or_else(|_| ProgressStyle::default_bar()),
    );
    let meetings = Mutex::new(Meetings::default());
    let failure = lowest(seeds, jobs, |index| {
        let problem = match life(first + index, lives) {
            Ok(Ok(met)) => {
                if let Ok(mut meetings) = meetings.lock() {
                    meetings.add(&met);
                }
                None
            }
            Ok(Err(problem)) => Some(Ok(problem)),
            Err(error) => Some(Err(error)),
        };
        bar.inc(1);
        problem
    });
    bar.finish_and_clear();
    let failure = failure
        .map(|(index, problem)| Ok((first + index, problem?)))
        .transpose()?;
    Ok(Explored {
        failure,
        meetings: meetings.into_inner().unwrap_or_default(),
    })
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

/// One life: what its events met, or what was wrong.
fn life(seed: u64, lives: Lives) -> Result<Result<Vec<Met>, String>, StartError> {
    let config = life::config(seed, lives, MAXIMUM_STEPS);
    Ok(match Machine::try_run(config, life::live)?.outcome {
        Outcome::Finished(result) => result,
        Outcome::BugCheck(check) => Err(format!("{check:?}")),
        Outcome::Hung(waiting) => Err(format!("the machine hangs: {}", waiting.join("; "))),
        Outcome::TooLong(waiting) => {
            Err(format!("the machine does not end: {}", waiting.join("; ")))
        }
    })
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
