//! The command line: what can be asked for, and what is refused.

use std::ffi::OsString;
use std::io::{Read, Write};
use std::num::{NonZeroU64, NonZeroUsize};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::report::{self, Finding};
use crate::{explore, protocol, transfer};

/// Boots a simulated Hyper-V guest, loads the driver vmbchan, and sends a file through it to the host and back.
#[derive(Parser)]
#[command(
    name = "cargo sim",
    bin_name = "cargo sim",
    version,
    args_conflicts_with_subcommands = true
)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    transfer: TransferArguments,
}

#[derive(Subcommand)]
enum Command {
    /// Runs many seeds of load, transfer, one random event (remove, surprise removal, rescind, cancel, power down and up) and unload.
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
    /// The file to send; `-` is standard input [default: the source of the driver's entry point, built in].
    #[arg(long, value_name = "FILE")]
    input: Option<PathBuf>,
    /// Where to write what came back; `-` is standard output.
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Bytes in a message, with the demonstration protocol's header of 24 bytes.
    #[arg(long, value_name = "BYTES", default_value_t = 4000, value_parser = message_size)]
    message_size: usize,
    /// How many times to send the file.
    #[arg(long, value_name = "N", default_value_t = NonZeroU64::MIN)]
    repeat: NonZeroU64,
    /// Draws every choice of the run.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// The guest's processors.
    #[arg(long, value_name = "N", default_value = "2", value_parser = processors)]
    processors: NonZeroUsize,
    /// What the host does with the channel.
    #[arg(long, value_enum, default_value_t = Host::Echo)]
    host: Host,
    /// Driver Verifier's checks.
    #[arg(long, value_enum, default_value_t = Switch::On)]
    verifier: Switch,
    /// Prints one JSON object instead of the table.
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
struct ExploreArguments {
    /// How many seeds.
    #[arg(long, value_name = "N", default_value_t = NonZeroU64::new(100).expect("100 is not 0"))]
    seeds: NonZeroU64,
    /// The first seed.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// The guest's processors.
    #[arg(long, value_name = "N", default_value = "2", value_parser = processors)]
    processors: NonZeroUsize,
    /// How many seeds run at a time [default: one for each processor of this machine].
    #[arg(long, value_name = "N")]
    jobs: Option<NonZeroUsize>,
}

fn message_size(text: &str) -> Result<usize, String> {
    let size: usize = text.parse().map_err(|error| format!("{error}"))?;
    if size <= protocol::HEADER_BYTES {
        return Err(format!(
            "a message needs more than the {} bytes of its header, so at least {}",
            protocol::HEADER_BYTES,
            protocol::HEADER_BYTES + 1
        ));
    }
    Ok(size)
}

fn processors(text: &str) -> Result<NonZeroUsize, String> {
    let count: usize = text.parse().map_err(|error| format!("{error}"))?;
    match NonZeroUsize::new(count) {
        Some(count) if count.get() <= 64 => Ok(count),
        _ => Err("a guest has 1 to 64 processors".to_owned()),
    }
}

/// Where the program reads and prints.
pub struct Streams<'a> {
    /// Standard input.
    pub input: &'a mut dyn Read,
    /// Standard output.
    pub output: &'a mut dyn Write,
    /// Standard error.
    pub error: &'a mut dyn Write,
}

/// Does what the process's command line asks for.
pub fn main() -> ExitCode {
    let code = run(
        std::env::args_os(),
        &mut Streams {
            input: &mut std::io::stdin(),
            output: &mut std::io::stdout(),
            error: &mut std::io::stderr(),
        },
    );
    ExitCode::from(code)
}

/// Does what a command line asks for; the exit code. What cannot be printed, because nobody listens any more, is dropped.
fn run(arguments: impl Iterator<Item = OsString>, streams: &mut Streams<'_>) -> u8 {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) if error.use_stderr() => {
            let _ = write!(streams.error, "{}", error.render());
            return 2;
        }
        Err(help) => {
            let _ = write!(streams.output, "{}", help.render());
            return 0;
        }
    };
    let result = match cli.command {
        Some(Command::Explore(arguments)) => {
            let ExploreArguments {
                seeds,
                seed,
                processors,
                jobs,
            } = arguments;
            Ok(explore::explore(seed, seeds, processors, jobs, streams.output))
        }
        None => run_transfer(&cli.transfer, streams),
    };
    match result {
        Ok(Finding::None) => 0,
        Ok(Finding::Some) => 1,
        Err(error) => {
            let _ = writeln!(streams.error, "error: {error}");
            2
        }
    }
}

/// What the command line asked for cannot be done.
#[derive(Debug, thiserror::Error)]
pub enum UsageError {
    /// The input cannot be read.
    #[error("cannot read {0}: {1}")]
    Input(String, std::io::Error),
    /// The output cannot be written.
    #[error("cannot write {0}: {1}")]
    Output(String, std::io::Error),
    /// A message would be larger than the driver takes.
    #[error(
        "a message of {asked} bytes is above the driver's limit of {limit} bytes (its parameter MaximumMessageSize)"
    )]
    MessageSize {
        /// What was asked for, in bytes.
        asked: usize,
        /// The driver's limit, in bytes.
        limit: usize,
    },
}

/// The file that is sent when none is named: it comes with the program.
const DEFAULT_INPUT: &[u8] = include_bytes!("../../../src/entry.rs");

fn read_input(path: Option<&Path>, standard: &mut dyn Read) -> Result<Vec<u8>, UsageError> {
    match path {
        None => Ok(DEFAULT_INPUT.to_vec()),
        Some(path) if path == Path::new("-") => {
            let mut bytes = Vec::new();
            standard
                .read_to_end(&mut bytes)
                .map_err(|error| UsageError::Input("standard input".to_owned(), error))?;
            Ok(bytes)
        }
        Some(path) => {
            std::fs::read(path).map_err(|error| UsageError::Input(path.display().to_string(), error))
        }
    }
}

fn write_output(path: &Path, bytes: &[u8], standard: &mut dyn Write) -> Result<(), UsageError> {
    if path == Path::new("-") {
        return standard
            .write_all(bytes)
            .map_err(|error| UsageError::Output("standard output".to_owned(), error));
    }
    std::fs::write(path, bytes).map_err(|error| UsageError::Output(path.display().to_string(), error))
}

fn run_transfer(arguments: &TransferArguments, streams: &mut Streams<'_>) -> Result<Finding, UsageError> {
    let limit = transfer::MAXIMUM_MESSAGE_SIZE;
    if arguments.message_size > limit {
        return Err(UsageError::MessageSize {
            asked: arguments.message_size,
            limit,
        });
    }
    let input = read_input(arguments.input.as_deref(), streams.input)?;
    let to_standard_output = arguments.output.as_deref() == Some(Path::new("-"));
    let started = std::time::Instant::now();
    let result = transfer::run(transfer::Plan {
        input,
        message_size: arguments.message_size,
        repeat: arguments.repeat,
        seed: arguments.seed,
        processors: arguments.processors,
        host: arguments.host,
        verifier: arguments.verifier == Switch::On,
    });
    if let Some(path) = &arguments.output {
        write_output(path, &result.output, streams.output)?;
    }
    let summary = report::Summary::new(&result, started.elapsed());
    let text = if arguments.json {
        summary.json()
    } else {
        summary.table()
    };
    if let Some(stack) = &result.bug_check_details {
        let _ = writeln!(streams.error, "{stack}");
    }
    let place = if to_standard_output {
        &mut *streams.error
    } else {
        &mut *streams.output
    };
    let _ = writeln!(place, "{text}");
    Ok(summary.finding())
}

#[cfg(test)]
mod tests;
