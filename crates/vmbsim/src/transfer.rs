//! One transfer: load the driver, offer the device, send the input through it and back, unload.

use std::fmt::Write;
use std::io;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ntsim::sched::Nanoseconds;
use ntsim::trace_events::TraceSink;
use ntsim::{Config, Machine, Outcome, StartError};
use sha2::{Digest, Sha256};

use crate::cli::Host;
use crate::guest::{self, Sent, Session};
use crate::source::Source;
use crate::target::Target;

/// The largest message that can be asked for, in bytes: the driver takes up to 262,144, and the
/// rings have as many.
pub const MAXIMUM_MESSAGE_SIZE: usize = 65_536;

/// The largest message that the driver takes unless its parameter says otherwise, in bytes.
pub const DEFAULT_MAXIMUM_MESSAGE_SIZE: usize = 16_384;

/// What to run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Bytes in a message, with its header; none: mixed.
    pub message_size: Option<usize>,
    /// Bytes to send, where that is known.
    pub total: Option<u64>,
    /// Draws every choice.
    pub seed: u64,
    /// The guest's processors.
    pub processors: NonZeroUsize,
    /// What the host does.
    pub host: Host,
    /// Driver Verifier.
    pub verifier: bool,
}

impl Plan {
    /// What the driver's parameter `MaximumMessageSize` must be set to; none if its default will
    /// do.
    pub fn raised_maximum(&self) -> Option<usize> {
        self.message_size
            .filter(|size| *size > DEFAULT_MAXIMUM_MESSAGE_SIZE)
    }
}

/// What has gone in and come back, kept where it survives the machine.
pub struct Flow {
    source: Source,
    target: Target,
    hash_in: Sha256,
    hash_out: Sha256,
    /// Bytes sent.
    pub bytes: u64,
    /// Bytes that came back.
    pub bytes_back: u64,
    /// Messages sent, transactions among them.
    pub messages: u64,
    /// Messages that came back.
    pub messages_back: u64,
    /// Transactions that came back.
    pub transactions: u64,
}

impl Flow {
    /// Nothing has gone in yet.
    pub fn new(source: Source, target: Target) -> Self {
        Self {
            source,
            target,
            hash_in: Sha256::new(),
            hash_out: Sha256::new(),
            bytes: 0,
            bytes_back: 0,
            messages: 0,
            messages_back: 0,
            transactions: 0,
        }
    }

    /// The next bytes to send.
    ///
    /// # Errors
    ///
    /// If the input cannot be read.
    pub fn next(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.source.fill(buffer)?;
        if count > 0 {
            self.hash_in.update(&buffer[..count]);
            self.bytes += count as u64;
            self.messages += 1;
        }
        Ok(count)
    }

    /// The next bytes have come back.
    ///
    /// # Errors
    ///
    /// If they cannot be written.
    pub fn came_back(&mut self, bytes: &[u8], transaction: bool) -> io::Result<()> {
        self.hash_out.update(bytes);
        self.bytes_back += bytes.len() as u64;
        self.messages_back += 1;
        self.transactions += u64::from(transaction);
        self.target.write(bytes)
    }

    /// SHA-256 of what was sent.
    pub fn sha256_in(&self) -> String {
        hex(&self.hash_in)
    }

    /// SHA-256 of what came back.
    pub fn sha256_out(&self) -> String {
        hex(&self.hash_out)
    }
}

fn hex(hash: &Sha256) -> String {
    hash.clone()
        .finalize()
        .iter()
        .fold(String::new(), |mut text, byte| {
            // Writing to a string cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
}

/// Looks at the flow; nothing that holds it can panic halfway through a change.
pub fn lock(flow: &Mutex<Flow>) -> MutexGuard<'_, Flow> {
    flow.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How a transfer ended.
#[derive(Debug)]
pub enum End {
    /// Everything came back.
    Complete,
    /// The host took the device back, as it was told to.
    ByHost,
    /// By Ctrl-C or its like.
    BySignal,
    /// The input cannot be read any further.
    Input(io::Error),
    /// The output cannot be written any further.
    Output(io::Error),
    /// It failed, and should not have.
    Failed(String),
}

/// What came of it.
pub struct Transfer {
    /// What has gone in and come back.
    pub flow: Arc<Mutex<Flow>>,
    /// What the machine's program saw; none if the machine stopped before the program's end.
    pub session: Option<Session>,
    /// How it ended.
    pub end: End,
    /// The bug check that stopped the machine.
    pub bug_check: Option<String>,
    /// All that is known of it, with its stacks.
    pub bug_check_details: Option<String>,
    /// The hash of every scheduling choice.
    pub schedule_hash: u64,
    /// Virtual time.
    pub virtual_time: Nanoseconds,
}

impl Transfer {
    /// Puts the output in its place, or leaves what was there and says so.
    ///
    /// # Errors
    ///
    /// If a complete output cannot be put in its place: why, and what has become of it.
    pub fn settle(&self, complete: bool) -> Result<Option<String>, (io::Error, String)> {
        let target = std::mem::replace(&mut lock(&self.flow).target, Target::nowhere());
        if complete {
            target.finish().map(|()| None)
        } else {
            Ok(target.give_up())
        }
    }
}

/// Runs a transfer in a machine of its own.
///
/// # Errors
///
/// If the real system lacks what a machine needs. The target is then as it was.
pub fn run(
    plan: &Plan,
    source: Source,
    target: Target,
    trace: Option<TraceSink>,
) -> Result<Transfer, StartError> {
    let config = Config {
        seed: plan.seed,
        processors: plan.processors,
        verifier: plan.verifier,
        trace,
        ..Config::default()
    };
    let flow = Arc::new(Mutex::new(Flow::new(source, target)));
    let (inside, ordered) = (Arc::clone(&flow), plan.clone());
    let report = Machine::try_run(config, move |system| {
        guest::session(system, &ordered, &inside)
    })?;
    let mut transfer = Transfer {
        flow,
        session: None,
        end: End::Complete,
        bug_check: None,
        bug_check_details: None,
        schedule_hash: report.schedule_hash,
        virtual_time: report.time,
    };
    match report.outcome {
        Outcome::Finished(mut session) => {
            transfer.end = match std::mem::take(&mut session.sent) {
                Sent::All => End::Complete,
                Sent::Stopped => End::BySignal,
                Sent::DeviceGone if plan.host == Host::Rescind => End::ByHost,
                Sent::DeviceGone => End::Failed("the device went away".to_owned()),
                Sent::Input(error) => End::Input(error),
                Sent::Output(error) => End::Output(error),
                Sent::Failed(why) => End::Failed(why),
            };
            transfer.session = Some(session);
        }
        Outcome::BugCheck(check) => {
            transfer.bug_check_details = Some(format!("{check:#?}"));
            transfer.bug_check = Some(check.to_string());
            transfer.end = End::Failed("a bug check stopped the machine".to_owned());
        }
        Outcome::Hung(waiting) => {
            transfer.end = End::Failed(format!("the machine hangs: {}", waiting.join("; ")));
        }
        Outcome::TooLong(waiting) => {
            transfer.end = End::Failed(format!("the machine does not end: {}", waiting.join("; ")));
        }
    }
    Ok(transfer)
}
