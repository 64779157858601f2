//! Instructions of the safe path against the raw calls, counted by valgrind: `cargo bench -p
//! kmcl-checks --bench instructions`.
//!
//! The program runs itself under `valgrind --tool=callgrind`, twice for each side of a pair with
//! different numbers of rounds; the difference over the difference of rounds is the cost of one
//! round, without start and end of the program. The counts do not depend on the machine's load, and
//! repeat exactly. A pair whose safe side takes more than [`GOAL`] times the raw side's
//! instructions fails the run, as does pool that is allocated in the steady state.
#![allow(missing_docs, reason = "a program")]
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_ptr_alignment,
    reason = "small numbers, and blocks that are aligned to 16 bytes"
)]
#![allow(clippy::unused_self, reason = "both sides of a pair have one form")]

mod pairs;

use std::process::{Command, ExitCode};

use pairs::{PAIRS, Pair, mock, raw::Raw, safe::Safe};

/// The most that the safe side should take, as a multiple of the raw side.
const GOAL: f64 = 1.00;

/// Rounds of the two runs.
const ROUNDS: [u64; 2] = [1_000, 3_000];

/// Rounds after which nothing is allocated from pool any more.
const WARM_UP: u64 = 16;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [command, side, pair, rounds] = arguments.as_slice()
        && command == "--run"
    {
        run(side, pair, rounds.parse().expect("a number of rounds"));
        return ExitCode::SUCCESS;
    }
    let filter = arguments.iter().find(|argument| !argument.starts_with('-'));
    match report(filter.map(String::as_str)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::FAILURE
        }
    }
}

/// One side of one pair, for so many rounds.
fn run(side: &str, name: &str, rounds: u64) {
    let pair = PAIRS.iter().find(|pair| pair.name == name).expect("a pair");
    mock::set_list_depth(pair.depth);
    let allocations = if side == "safe" {
        let safe = Safe::new();
        let allocations = repeat(rounds, || (pair.safe)(&safe));
        safe.end();
        allocations
    } else {
        let raw = Raw::new();
        let round = if side == "bare" {
            pair.bare.expect("a bare side")
        } else {
            pair.raw
        };
        let allocations = repeat(rounds, || round(&raw));
        raw.end();
        allocations
    };
    println!("{allocations}");
}

/// Runs the rounds and gives the number of pool allocations after the warm-up.
fn repeat(rounds: u64, round: impl Fn()) -> u64 {
    (0..WARM_UP).for_each(|_| round());
    let before = mock::pool_allocations();
    (0..rounds).for_each(|_| round());
    mock::pool_allocations() - before
}

/// Instructions and pool allocations of one run.
fn count(side: &str, pair: &Pair, rounds: u64) -> Result<(u64, u64), String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(program)
        .args(["--run", side, pair.name, &rounds.to_string()])
        .output()
        .map_err(|error| {
            format!("valgrind cannot be run ({error}); install it, for example: apt-get install valgrind")
        })?;
    let log = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        return Err(format!("the run of {side} {} failed:\n{log}", pair.name));
    }
    let instructions = log
        .lines()
        .find_map(|line| line.split("Collected :").nth(1)?.trim().parse().ok());
    let allocations = String::from_utf8_lossy(&output.stdout).trim().parse().ok();
    instructions
        .zip(allocations)
        .ok_or_else(|| format!("valgrind's report is not understood:\n{log}"))
}

/// Instructions of one round, and pool allocations of one.
fn cost(side: &str, pair: &Pair) -> Result<(f64, f64), String> {
    let [few, many] = ROUNDS;
    let (first, first_allocations) = count(side, pair, few)?;
    let (second, second_allocations) = count(side, pair, many)?;
    let each = |few_cost: u64, many_cost: u64| {
        many_cost.saturating_sub(few_cost) as f64 / (many - few) as f64
    };
    Ok((
        each(first, second),
        each(first_allocations, second_allocations),
    ))
}

fn report(filter: Option<&str>) -> Result<bool, String> {
    println!(
        "{:<22} {:>9} {:>9} {:>9} {:>9}  pool/round",
        "pair", "bare", "raw", "safe", "safe/raw"
    );
    let mut fine = true;
    for pair in PAIRS
        .iter()
        .filter(|pair| filter.is_none_or(|filter| pair.name.contains(filter)))
    {
        let (raw, raw_pool) = cost("raw", pair)?;
        let (safe, safe_pool) = cost("safe", pair)?;
        let ratio = safe / raw;
        let mark = if ratio > GOAL { "  above the goal" } else { "" };
        let bare = match pair.bare {
            Some(_) => format!("{:.1}", cost("bare", pair)?.0),
            None => "-".to_owned(),
        };
        println!(
            "{:<22} {bare:>9} {raw:>9.1} {safe:>9.1} {ratio:>9.3}  {safe_pool}{}",
            pair.name, mark
        );
        // Only where the list is too shallow to keep anything may a round reach pool.
        fine &= ratio <= GOAL && (safe_pool == 0.0 || (pair.depth == 0 && safe_pool <= raw_pool));
    }
    Ok(fine)
}
