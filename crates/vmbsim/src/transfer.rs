//! One transfer: load the driver, offer the device, send a file through it and back, unload.

use std::num::{NonZeroU64, NonZeroUsize};

use ntsim::sched::Nanoseconds;
use ntsim::{Config, Machine, Outcome};

use crate::cli::Host;
use crate::guest::{self, Figures, Sent};

/// The largest message the driver takes as this program configures it, in bytes.
pub const MAXIMUM_MESSAGE_SIZE: usize = 65_536;

/// What to run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What to send.
    pub input: Vec<u8>,
    /// Bytes in a message, with its header.
    pub message_size: usize,
    /// How many times to send it.
    pub repeat: NonZeroU64,
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
    /// What was sent, once.
    pub input: Vec<u8>,
    /// How many times.
    pub repeat: NonZeroU64,
    /// What came back.
    pub output: Vec<u8>,
    /// Counters.
    pub figures: Figures,
    /// The bug check that stopped the machine.
    pub bug_check: Option<String>,
    /// All that is known of it, with its stacks.
    pub bug_check_details: Option<String>,
    /// What the driver did not give back.
    pub leaks: u64,
    /// Why the transfer failed, if it did and should not have.
    pub problem: Option<String>,
    /// The host ended the transfer, as it was told to.
    pub interrupted: bool,
    /// The seed.
    pub seed: u64,
    /// The hash of every scheduling choice.
    pub schedule_hash: u64,
    /// Virtual time.
    pub virtual_time: Nanoseconds,
}

/// Runs a transfer in a machine of its own.
#[must_use]
pub fn run(plan: Plan) -> Transfer {
    let config = Config {
        seed: plan.seed,
        processors: plan.processors,
        verifier: plan.verifier,
        ..Config::default()
    };
    let (input, repeat, seed, host) = (plan.input.clone(), plan.repeat, plan.seed, plan.host);
    let report = Machine::run(config, move |system| guest::session(system, &plan));
    let mut transfer = Transfer {
        input,
        repeat,
        output: Vec::new(),
        figures: Figures::default(),
        bug_check: None,
        bug_check_details: None,
        leaks: 0,
        problem: None,
        interrupted: false,
        seed,
        schedule_hash: report.schedule_hash,
        virtual_time: report.time,
    };
    match report.outcome {
        Outcome::Finished(session) => {
            transfer.output = session.output;
            transfer.figures = session.figures;
            transfer.leaks = session.leaks;
            match session.sent {
                Sent::All => {}
                Sent::DeviceGone if host == Host::Rescind => transfer.interrupted = true,
                Sent::DeviceGone => transfer.problem = Some("the device went away".to_owned()),
                Sent::Failed(why) => transfer.problem = Some(why),
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
    transfer
}
