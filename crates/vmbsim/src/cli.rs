//! The command line: what can be asked for, and what is refused.

use std::fmt::Write;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};

use crate::input::{self, Input};
use crate::output::{self, Output, OutputError, complain, print};
use crate::report::{Asked, Summary, Verdict};
use crate::transfer::{self, MAXIMUM_MESSAGE_SIZE, SystemError};
use crate::{exit, explore, protocol};

/// The smallest message: the header and one byte.
const MINIMUM_MESSAGE_SIZE: usize = protocol::HEADER_BYTES + 1;
/// The most processors of a guest.
const MAXIMUM_PROCESSORS: u64 = 64;
/// The most rounds and seeds.
const MAXIMUM_COUNT: u64 = 1_000_000_000;

/// Boots a simulated Hyper-V guest, loads the driver vmbchan, and sends messages through it to the host and back.
///
/// Without --input it sends 16,000 messages of mixed sizes, a quarter of them transactions. The report says what was
/// booted, what the driver did, what was checked and what it cost.
///
/// Exit codes: 0 everything went well; 1 a finding (bug check, leak, hang, changed bytes); 2 what was asked for cannot
/// be done, read or written; 3 the host took its device back before everything had come back (--host rescind). An
/// output file is replaced only by a run that ends with 0.
#[derive(Parser)]
#[command(
    name = "cargo sim",
    bin_name = "cargo sim",
    version,
    args_conflicts_with_subcommands = true,
    max_term_width = 100
)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    transfer: TransferArguments,
}

#[derive(Subcommand)]
enum Command {
    /// Runs many lives of the driver, each with one random event.
    ///
    /// A life is load, transfer, an event (remove, surprise removal, rescind, cancel, power down and up, close) and
    /// unload; its seed decides all of it. The lowest seed with a finding is printed with the command that repeats it.
    Explore(ExploreArguments),
}

/// What the host does with the channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Host {
    /// Sends every message back.
    Echo,
    /// Sends every message back after a while.
    Slow,
    /// Lets the guest's ring run full before it takes anything.
    Full,
    /// Takes the device back in the middle of the transfer.
    Rescind,
}

impl Host {
    fn describe(self) -> &'static str {
        match self {
            Self::Echo => "sends every message back, and completes every transaction",
            Self::Slow => "sends every message back after a while",
            Self::Full => "lets the guest's ring run full before it takes anything",
            Self::Rescind => "takes the device back in the middle of the transfer",
        }
    }
}

/// `on` or `off`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Switch {
    /// On.
    On,
    /// Off.
    Off,
}

#[derive(Args)]
struct TransferArguments {
    /// The file to send; `-` is standard input [default: drawn messages of mixed sizes].
    #[arg(long, value_name = "FILE")]
    input: Option<PathBuf>,
    /// Where to write what came back; `-` is standard output.
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// The largest message in bytes, with the demonstration protocol's header of 24 bytes: 25 to 65536. Above 16384
    /// the driver's parameter `MaximumMessageSize` is raised from its default 16384 to 65536.
    #[arg(long, value_name = "BYTES", default_value = "4000", value_parser = message_size, allow_negative_numbers = true)]
    message_size: usize,
    /// How many times to send it all: 1 to 1000000000.
    #[arg(long, value_name = "N", default_value = "1", value_parser = count, allow_negative_numbers = true)]
    repeat: u64,
    /// Draws every choice of the run: 0 to 18446744073709551615.
    #[arg(long, value_name = "N", default_value = "1", value_parser = seed, allow_negative_numbers = true)]
    seed: u64,
    /// The guest's processors: 1 to 64.
    #[arg(long, value_name = "N", default_value = "2", value_parser = processors, allow_negative_numbers = true)]
    processors: NonZeroUsize,
    /// What the host does with the channel.
    #[arg(long, value_enum, default_value_t = Host::Echo)]
    host: Host,
    /// Driver Verifier's checks.
    #[arg(long, value_enum, default_value_t = Switch::On)]
    verifier: Switch,
    /// Prints one JSON object instead of the report.
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
struct ExploreArguments {
    /// How many seeds: 1 to 1000000000.
    #[arg(long, value_name = "N", default_value = "100", value_parser = count, allow_negative_numbers = true)]
    seeds: u64,
    /// The first seed: 0 to 18446744073709551615.
    #[arg(long, value_name = "N", default_value = "1", value_parser = seed, allow_negative_numbers = true)]
    seed: u64,
    /// The guest's processors: 1 to 64.
    #[arg(long, value_name = "N", default_value = "2", value_parser = processors, allow_negative_numbers = true)]
    processors: NonZeroUsize,
    /// How many seeds run at a time: 1 to 1000000000, at most one for each processor of this machine [default: one for
    /// each].
    #[arg(long, value_name = "N", value_parser = count, allow_negative_numbers = true)]
    jobs: Option<u64>,
}

/// A whole number within limits. The error names them; clap adds the option and the value given.
fn number(text: &str, least: u64, most: u64, unit: &str) -> Result<u64, String> {
    match text.parse::<u64>() {
        Ok(number) if (least..=most).contains(&number) => Ok(number),
        _ => Err(format!("a whole number from {least} to {most}{unit} is needed")),
    }
}

fn message_size(text: &str) -> Result<usize, String> {
    let size = number(
        text,
        MINIMUM_MESSAGE_SIZE as u64,
        MAXIMUM_MESSAGE_SIZE as u64,
        " (bytes)",
    )?;
    usize::try_from(size).map_err(|error| error.to_string())
}

fn count(text: &str) -> Result<u64, String> {
    number(text, 1, MAXIMUM_COUNT, "")
}

fn seed(text: &str) -> Result<u64, String> {
    number(text, 0, u64::MAX, "")
}

fn processors(text: &str) -> Result<NonZeroUsize, String> {
    let count = number(text, 1, MAXIMUM_PROCESSORS, "")?;
    usize::try_from(count)
        .ok()
        .and_then(NonZeroUsize::new)
        .ok_or_else(|| "no processor".to_owned())
}

/// What the command line asked for cannot be done.
#[derive(Debug, thiserror::Error)]
enum UsageError {
    /// A file cannot be read or written, or the machine not be started.
    #[error(transparent)]
    System(#[from] SystemError),
    /// There are no seeds above the largest.
    #[error(
        "--seed {seed} and --seeds {seeds}: the last seed would be above {}",
        u64::MAX
    )]
    Seeds { seed: u64, seeds: u64 },
}

impl From<OutputError> for UsageError {
    fn from(error: OutputError) -> Self {
        Self::System(error.into())
    }
}

/// Does what the process's command line asks for.
pub fn main() -> ExitCode {
    output::clean_up_on_signals();
    let result = match Cli::try_parse() {
        Ok(cli) => match cli.command {
            Some(Command::Explore(arguments)) => run_explore(&arguments),
            None => run_transfer(&cli.transfer),
        },
        Err(error) if error.use_stderr() => {
            complain(&error.render().to_string());
            return ExitCode::from(exit::USAGE);
        }
        Err(help) => print(&help.render().to_string())
            .map(|()| Verdict::Fine)
            .map_err(UsageError::from),
    };
    ExitCode::from(match result {
        Ok(Verdict::Fine) => exit::FINE,
        Ok(Verdict::Finding) => exit::FINDING,
        Ok(Verdict::Interrupted) => exit::INTERRUPTED,
        // Who closed the pipe has read what was wanted.
        Err(UsageError::System(SystemError::Output(error))) if error.is_closed_pipe() => exit::FINE,
        Err(error) => {
            complain(&format!("error: {error}\n"));
            exit::USAGE
        }
    })
}

fn run_explore(arguments: &ExploreArguments) -> Result<Verdict, UsageError> {
    let ExploreArguments {
        seeds,
        seed,
        processors,
        jobs,
    } = *arguments;
    if seed.checked_add(seeds - 1).is_none() {
        return Err(UsageError::Seeds { seed, seeds });
    }
    Ok(explore::explore(seed, seeds, processors, jobs)?)
}

/// The width for people: the terminal's, or 80 columns where there is none.
fn width() -> usize {
    terminal_size::terminal_size().map_or(80, |(width, _)| usize::from(width.0))
}

fn run_transfer(arguments: &TransferArguments) -> Result<Verdict, UsageError> {
    let input = match &arguments.input {
        None => Input::mixed(arguments.seed, arguments.message_size, arguments.repeat),
        Some(path) => {
            Input::file(path, arguments.message_size, arguments.repeat).map_err(SystemError::from)?
        }
    };
    let output = Output::new(arguments.output.as_deref())?;
    let to_stdout = output.is_stdout();
    let progress = progress(input.messages);
    let started = std::time::Instant::now();
    let plan = transfer::Plan {
        input,
        message_size: arguments.message_size,
        seed: arguments.seed,
        processors: arguments.processors,
        host: arguments.host,
        verifier: arguments.verifier == Switch::On,
    };
    let mut result = transfer::run(plan, output, progress.clone());
    progress.finish_and_clear();
    let output = match &mut result {
        Ok(result) => std::mem::replace(&mut result.output, Output::nowhere()),
        Err(_) => Output::nowhere(),
    };
    let result = result?;
    let summary = Summary::new(&result, arguments.asked(), started.elapsed());
    let verdict = summary.verdict();
    if verdict == Verdict::Fine {
        output.finish()?;
    } else if let Some(what) = output.abandon() {
        complain(&format!("{what}\n"));
    }
    if let Some(stack) = &result.bug_check_details {
        complain(&format!("{stack}\n"));
    }
    let text = if arguments.json {
        summary.json()
    } else {
        summary.text(width())
    };
    if to_stdout {
        complain(&text);
    } else {
        print(&text)?;
    }
    Ok(verdict)
}

/// Shows a user at a terminal how far a long transfer is.
fn progress(messages: Option<u64>) -> ProgressBar {
    let (bar, template) = match messages {
        Some(messages) => (
            ProgressBar::new(messages),
            "{bar:40} {pos}/{len} messages, {eta} left",
        ),
        None => (ProgressBar::new_spinner(), "{spinner} {pos} messages, {per_sec}"),
    };
    bar.with_style(ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()))
}

impl TransferArguments {
    fn asked(&self) -> Asked {
        let plural = if self.processors.get() == 1 { "" } else { "s" };
        let verifier = if self.verifier == Switch::On { "on" } else { "off" };
        let mut input = input::describe(self.input.as_ref());
        if self.repeat > 1 {
            let _ = write!(input, ", {} times", self.repeat);
        }
        let mut repeat = format!("cargo sim --seed {}", self.seed);
        // Writing to a string cannot fail.
        if let Some(path) = &self.input {
            let _ = write!(repeat, " --input {}", path.display());
        }
        if let Some(path) = &self.output {
            let _ = write!(repeat, " --output {}", path.display());
        }
        let _ = write!(
            repeat,
            " --message-size {} --repeat {} --processors {}",
            self.message_size, self.repeat, self.processors
        );
        if let Some(host) = self.host.to_possible_value() {
            let _ = write!(repeat, " --host {}", host.get_name());
        }
        let _ = write!(repeat, " --verifier {verifier}");
        Asked {
            guest: format!(
                "{} processor{plural}, Driver Verifier {verifier}, seed {}",
                self.processors, self.seed
            ),
            host: self.host.describe().to_owned(),
            input,
            message_size: self.message_size,
            seed: self.seed,
            repeat,
        }
    }
}
