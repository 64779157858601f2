//! One transfer: load the driver, offer the device, send messages through it and back, unload.

use std::num::NonZeroUsize;
use std::sync::Arc;

use indicatif::ProgressBar;
use ntsim::sched::Nanoseconds;
use ntsim::{Config, Machine, Outcome, StartError};
use sha2::{Digest, Sha256};

use crate::cli::Host;
use crate::guest::{self, Figures, Live, Sent, Step};
use crate::input::{Input, InputError};
use crate::output::{Output, OutputError};

/// The largest message that the driver takes by default, in bytes: the default of its parameter `MaximumMessageSize`.
pub const DEFAULT_MESSAGE_SIZE: usize = 16_384;
/// The largest message that it takes in this program, which raises that parameter for larger ones than the default.
pub const MAXIMUM_MESSAGE_SIZE: usize = 65_536;

/// What to run.
#[derive(Debug)]
pub struct Plan {
    /// What to send.
    pub input: Input,
    /// The largest message, with its header, in bytes.
    pub message_size: usize,
    /// Draws every choice.
    pub seed: u64,
    /// The guest's processors.
    pub processors: NonZeroUsize,
    /// What the host does.
    pub host: Host,
    /// Driver Verifier.
    pub verifier: bool,
}

/// What came of it.
#[derive(Debug)]
pub struct Transfer {
    /// Counters.
    pub figures: Figures,
    /// SHA-256 of the data sent.
    pub sha256_in: String,
    /// SHA-256 of the data that came back.
    pub sha256_out: String,
    /// The driver's life, step by step.
    pub steps: Vec<Step>,
    /// The bug check that stopped the machine.
    pub bug_check: Option<String>,
    /// All that is known of it, with its stacks.
    pub bug_check_details: Option<String>,
    /// What the driver did not give back.
    pub leaks: Vec<String>,
    /// Why the transfer failed, if it did and should not have.
    pub problem: Option<String>,
    /// The host ended the transfer, as it was told to.
    pub interrupted: bool,
    /// The hash of every scheduling choice.
    pub schedule_hash: u64,
    /// Virtual time.
    pub virtual_time: Nanoseconds,
    /// Where what came back went.
    pub output: Output,
}

/// The system that the program runs on stopped the transfer.
#[derive(Debug, thiserror::Error)]
pub enum SystemError {
    /// It lacks what a machine needs.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The input.
    #[error(transparent)]
    Input(#[from] InputError),
    /// The output.
    #[error(transparent)]
    Output(#[from] OutputError),
}

fn hexadecimal(hash: Sha256) -> String {
    use std::fmt::Write;
    hash.finalize().iter().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Runs a transfer in a machine of its own.
///
/// # Errors
///
/// If the machine cannot be started, the input not be read or what came back not be written.
pub fn run(plan: Plan, output: Output, progress: ProgressBar) -> Result<Transfer, SystemError> {
    let config = Config {
        seed: plan.seed,
        processors: plan.processors,
        verifier: plan.verifier,
        ..Config::default()
    };
    let host = plan.host;
    let live = Arc::new(Live::new(output, progress));
    let shared = Arc::clone(&live);
    let report = Machine::try_run(config, move |system| guest::session(system, plan, &shared))?;
    let mut state = live.state();
    let mut transfer = Transfer {
        figures: state.figures.clone(),
        sha256_in: hexadecimal(state.sha256_in.clone()),
        sha256_out: hexadecimal(state.sha256_out.clone()),
        steps: Vec::new(),
        bug_check: None,
        bug_check_details: None,
        leaks: Vec::new(),
        problem: None,
        interrupted: false,
        schedule_hash: report.schedule_hash,
        virtual_time: report.time,
        output: std::mem::replace(&mut state.output, Output::nowhere()),
    };
    match report.outcome {
        Outcome::Finished(session) => {
            transfer.steps = session.steps;
            transfer.leaks = session
                .leaks
                .iter()
                .map(|leak| format!("{}: {}", leak.kind, leak.what))
                .collect();
            match session.sent {
                Sent::All => {}
                Sent::DeviceGone if host == Host::Rescind => transfer.interrupted = true,
                Sent::DeviceGone => transfer.problem = Some("the device went away".to_owned()),
                Sent::Failed(why) => transfer.problem = Some(why),
                Sent::Input(error) => return Err(error.into()),
                Sent::Output(error) => return Err(error.into()),
            }
        }
        Outcome::BugCheck(check) => {
            transfer.bug_check_details = Some(format!("{check:#?}"));
            transfer.bug_check = Some(check.to_string());
        }
        Outcome::Hung(waiting) => {
            transfer.problem = Some(format!("the machine hangs: {}", waiting.join("; ")));
        }
        Outcome::TooLong(waiting) => {
            transfer.problem = Some(format!("the machine does not end: {}", waiting.join("; ")));
        }
    }
    Ok(transfer)
}
