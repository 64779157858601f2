//! The command line: what can be asked for, and what is refused.

use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write};
use std::num::{NonZeroU64, NonZeroUsize};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use clap::builder::{StringValueParser, TypedValueParser};
use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};

use ntsim::StartError;
use ntsim::trace_events::TraceSink;

use crate::life::Lives;
use crate::report::{Finding, Summary, counted, grouped};
use crate::source::{Source, SourceError};
use crate::target::{Shared, Target};
use crate::transfer::{self, End, MAXIMUM_MESSAGE_SIZE, Plan};
use crate::{explore, protocol, stop};

/// Boots a simulated Hyper-V guest, loads the driver vmbchan, sends data through it to the host and
/// back, and reports.
#[derive(Parser)]
#[command(
    name = "cargo sim",
    bin_name = "cargo sim",
    version,
    args_conflicts_with_subcommands = true,
    after_help = EXIT_CODES
)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    transfer: TransferArguments,
}

const EXIT_CODES: &str = "\
Exit codes:
  0  everything came back, and nothing was found
  1  a finding: a bug check, a leak, a hang, or data that came back changed
  2  bad usage, input or output that fails, or too little address space
  3  the transfer was interrupted: by the host (--host rescind) or by Ctrl-C";

#[derive(Subcommand)]
enum Command {
    /// Runs many lives of the driver, each with events in the middle of its traffic: removals,
    /// rescind, sleep, rebalance, disable, cancel, closed handles, ended programs, failing calls.
    #[command(after_help = EXIT_CODES)]
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
    /// Takes the device back in the middle of the transfer, with requests under way.
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

/// The most processors that a guest has.
const MOST_PROCESSORS: u64 = 64;
/// The most times that an input is sent, and the most seeds of one command.
const MOST: u64 = 1_000_000_000;
/// The most jobs that can be asked for.
const MOST_JOBS: u64 = 1_000_000;
/// Made-up messages are no more than so many, and no more than [`MADE_BYTES`].
const MADE_MESSAGES: u64 = 10_000;
/// Bytes that are made up where no input is named.
const MADE_BYTES: u64 = 24 << 20;

#[derive(Args)]
struct TransferArguments {
    /// The file to send; `-` is standard input. It is read while it is sent [default: made-up
    /// data].
    #[arg(long, value_name = "FILE")]
    input: Option<PathBuf>,
    /// Where to write what came back; `-` is standard output. A file is replaced once all of it has
    /// come back.
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Bytes in a message with its header of 24 bytes: 25 to 65536, or `mixed`, which is 25 to
    /// 16384. Above 16384 it also raises a parameter of the driver's, the longest message that it
    /// takes.
    #[arg(
        long,
        value_name = "BYTES",
        default_value = "mixed",
        value_parser = message_size,
        allow_negative_numbers = true
    )]
    message_size: MessageSize,
    /// How many times to send the input: 1 to 1000000000.
    #[arg(long, value_name = "N", default_value = "1", value_parser = within(1, MOST), allow_negative_numbers = true)]
    repeat: u64,
    /// Draws every choice of the run: 0 to 18446744073709551615.
    #[arg(long, value_name = "N", default_value = "1", value_parser = within(0, u64::MAX), allow_negative_numbers = true)]
    seed: u64,
    /// The guest's processors: 1 to 64.
    #[arg(
        long,
        value_name = "N",
        default_value = "2",
        value_parser = within(1, MOST_PROCESSORS),
        allow_negative_numbers = true
    )]
    processors: u64,
    /// What the host does with the channel.
    #[arg(long, value_enum, default_value_t = Host::Echo)]
    host: Host,
    /// Driver Verifier's checks.
    #[arg(long, value_enum, default_value_t = Switch::On)]
    verifier: Switch,
    /// Prints one JSON object instead of the report.
    #[arg(long)]
    json: bool,
    /// Writes the run as Chrome trace events, which <https://ui.perfetto.dev> opens: about 80 bytes
    /// for each kernel call of the driver's.
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
}

#[derive(Args)]
struct ExploreArguments {
    /// How many seeds: 1 to 1000000000.
    #[arg(long, value_name = "N", default_value = "100", value_parser = within(1, MOST), allow_negative_numbers = true)]
    seeds: u64,
    /// The first seed: 0 to 18446744073709551615.
    #[arg(long, value_name = "N", default_value = "1", value_parser = within(0, u64::MAX), allow_negative_numbers = true)]
    seed: u64,
    /// The guest's processors: 1 to 64.
    #[arg(
        long,
        value_name = "N",
        default_value = "2",
        value_parser = within(1, MOST_PROCESSORS),
        allow_negative_numbers = true
    )]
    processors: u64,
    /// How many seeds run at a time: 1 to 1000000, and no more than there are seeds or processors
    /// of this machine [default: one for each processor].
    #[arg(long, value_name = "N", value_parser = within(1, MOST_JOBS), allow_negative_numbers = true)]
    jobs: Option<u64>,
    /// Looks for double fetches: bytes that the host or a program can change, and that one callback
    /// of the driver's reads twice. Takes several times as long.
    #[arg(long)]
    double_fetches: bool,
}

/// A whole number within limits. The error names them; the option and the value are in front of it.
fn within(least: u64, most: u64) -> impl TypedValueParser<Value = u64> {
    StringValueParser::new().try_map(move |text| {
        text.parse()
            .ok()
            .filter(|number| (least..=most).contains(number))
            .ok_or_else(|| format!("it takes a whole number from {least} to {most}"))
    })
}

/// How long the messages are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum MessageSize {
    Mixed,
    Bytes(usize),
}

fn message_size(text: &str) -> Result<MessageSize, String> {
    if text == "mixed" {
        return Ok(MessageSize::Mixed);
    }
    text.parse()
        .ok()
        .filter(|size| (protocol::HEADER_BYTES + 1..=MAXIMUM_MESSAGE_SIZE).contains(size))
        .map(MessageSize::Bytes)
        .ok_or_else(|| {
            format!(
                "it takes `mixed`, or a whole number from {} (a header of {} bytes and one byte of data) to {}",
                protocol::HEADER_BYTES + 1,
                protocol::HEADER_BYTES,
                MAXIMUM_MESSAGE_SIZE
            )
        })
}

/// The value was checked when it was read; it fits.
fn count(number: u64) -> NonZeroUsize {
    usize::try_from(number)
        .ok()
        .and_then(NonZeroUsize::new)
        .unwrap_or(NonZeroUsize::MIN)
}

/// What the command line asked for cannot be done.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error(transparent)]
    Source(#[from] SourceError),
    #[error("cannot read {0}: {1}")]
    Input(String, io::Error),
    #[error("cannot write {0}: {1}")]
    Output(String, io::Error),
    #[error(transparent)]
    Start(#[from] StartError),
    #[error("--trace needs a file of its own: {0}")]
    Trace(&'static str),
    #[error("cannot listen for Ctrl-C: {0}")]
    Signals(#[from] ctrlc::Error),
    #[error(
        "--seed {first} and --seeds {seeds} go beyond the last seed, which is 18446744073709551615"
    )]
    Seeds { first: u64, seeds: u64 },
}

/// Does what the process's command line asks for.
pub fn main() -> ExitCode {
    match run() {
        Ok(code) => ExitCode::from(code),
        // Nobody reads any more.
        Err(Error::Output(_, error)) if error.kind() == io::ErrorKind::BrokenPipe => {
            ExitCode::SUCCESS
        }
        Err(error) => {
            // The exit code says it too, if standard error takes nothing.
            let _ = writeln!(io::stderr(), "error: {error}");
            ExitCode::from(2)
        }
    }
}

/// Standard output or standard error, as a place for what people read.
#[derive(Clone, Copy)]
enum Place {
    Output,
    Error,
}

impl Place {
    /// Prints, and makes sure that it has arrived.
    fn print(self, text: &str) -> Result<(), Error> {
        fn all(mut to: impl Write, text: &str) -> io::Result<()> {
            to.write_all(text.as_bytes())?;
            to.flush()
        }
        let (name, result) = match self {
            Self::Output => ("standard output", all(io::stdout(), text)),
            Self::Error => ("standard error", all(io::stderr(), text)),
        };
        result.map_err(|error| Error::Output(name.to_owned(), error))
    }

    /// As [`Place::print`]. A reader who has gone away does not change how the run has ended.
    fn print_report(self, text: &str) -> Result<(), Error> {
        match self.print(text) {
            Err(Error::Output(_, error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            result => result,
        }
    }

    /// Columns of the terminal; where there is none, what `COLUMNS` says, or 80.
    fn width(self) -> usize {
        let terminal = match self {
            Self::Output => io::stdout()
                .is_terminal()
                .then(|| terminal_size::terminal_size_of(io::stdout())),
            Self::Error => io::stderr()
                .is_terminal()
                .then(|| terminal_size::terminal_size_of(io::stderr())),
        };
        let columns = match terminal.flatten() {
            Some((terminal_size::Width(columns), _)) => Some(usize::from(columns)),
            None => std::env::var("COLUMNS")
                .ok()
                .and_then(|text| text.parse().ok()),
        };
        columns.unwrap_or(80).clamp(NARROWEST, WIDEST)
    }
}

/// Below this many columns names and values have no place beside one another.
const NARROWEST: usize = 40;
/// Lines longer than this are hard to read.
const WIDEST: usize = 100;

fn run() -> Result<u8, Error> {
    let parsed = Cli::command()
        .term_width(Place::Output.width())
        .try_get_matches()
        .and_then(|matches| Cli::from_arg_matches(&matches));
    let cli = match parsed {
        Ok(cli) => cli,
        Err(error) if error.use_stderr() => {
            Place::Error.print_report(&error.render().to_string())?;
            return Ok(2);
        }
        Err(help) => {
            Place::Output.print_report(&help.render().to_string())?;
            return Ok(0);
        }
    };
    let finding = match cli.command {
        Some(Command::Explore(arguments)) => run_explore(&arguments)?,
        None => run_transfer(&cli.transfer)?,
    };
    Ok(match finding {
        Finding::None => 0,
        Finding::Some => 1,
        Finding::Interrupted => 3,
    })
}

fn run_explore(arguments: &ExploreArguments) -> Result<Finding, Error> {
    let ExploreArguments {
        seeds,
        seed: first,
        processors,
        jobs,
        double_fetches,
    } = *arguments;
    if first.checked_add(seeds - 1).is_none() {
        return Err(Error::Seeds { first, seeds });
    }
    let here = std::thread::available_parallelism().map_or(1, |count| count.get() as u64);
    let jobs = jobs.unwrap_or(here).min(here).min(seeds);
    Place::Error.print_report(&format!(
        "cargo sim explore: {} from {first} on, {} in the guest, {} at a time\n",
        counted(seeds, "seed", "seeds"),
        counted(processors, "processor", "processors"),
        grouped(jobs)
    ))?;
    let lives = Lives {
        processors: count(processors),
        double_fetches,
    };
    let explored = explore::explore(first, seeds, lives, count(jobs))?;
    let Some((seed, problem)) = explored.failure else {
        Place::Output.print_report(&format!(
            "{} from {first}: no bug check, no leak, no hang\n\n{}",
            counted(seeds, "seed", "seeds"),
            meetings(&explored.meetings)
        ))?;
        return Ok(Finding::None);
    };
    let command = explore_command(seed, processors, double_fetches);
    Place::Output.print_report(&format!("seed {seed}: {problem}\nrepeat with: {command}\n"))?;
    Ok(Finding::Some)
}

/// What the events of all lives met, as a table.
fn meetings(meetings: &explore::Meetings) -> String {
    let mut table = String::from(
        "event               times   requests on their way   least   median    most\n",
    );
    for explore::Meeting {
        event,
        times,
        met,
        least,
        median,
        most,
    } in meetings.each()
    {
        let share = 100 * met / times.max(1);
        let met = format!("{met} ({share} %)");
        let _ = writeln!(
            table,
            "{:<16} {times:>8}   {met:>21}   {least:>5}   {median:>6}  {most:>6}",
            event.name(),
        );
    }
    table
}

/// The command that repeats one seed.
fn explore_command(seed: u64, processors: u64, double_fetches: bool) -> String {
    let switch = if double_fetches {
        " --double-fetches"
    } else {
        ""
    };
    format!("cargo sim explore --seed {seed} --seeds 1 --processors {processors}{switch}")
}

impl TransferArguments {
    fn plan(&self, source: &Source) -> Plan {
        Plan {
            message_size: match self.message_size {
                MessageSize::Mixed => None,
                MessageSize::Bytes(size) => Some(size),
            },
            total: source.total(),
            seed: self.seed,
            processors: count(self.processors),
            host: self.host,
            verifier: self.verifier == Switch::On,
        }
    }

    fn source(&self) -> Result<Source, SourceError> {
        let repeat = NonZeroU64::new(self.repeat).unwrap_or(NonZeroU64::MIN);
        match (&self.input, self.message_size) {
            (Some(path), _) => Source::open(path, repeat),
            (None, MessageSize::Mixed) => Source::made(MADE_BYTES, repeat),
            (None, MessageSize::Bytes(size)) => {
                let length = MADE_MESSAGES * (size - protocol::HEADER_BYTES) as u64;
                Source::made(length.min(MADE_BYTES), repeat)
            }
        }
    }

    fn input_name(&self) -> String {
        crate::source::name(self.input.as_deref())
    }

    fn output_name(&self) -> String {
        match self.output.as_deref() {
            None => String::new(),
            Some(path) if path == Path::new("-") => "standard output".to_owned(),
            Some(path) => path.display().to_string(),
        }
    }

    /// The command that repeats this run.
    fn command(&self) -> String {
        let mut command = "cargo sim".to_owned();
        if let Some(path) = &self.input {
            let _ = write!(command, " --input {}", quoted(path));
        }
        let size = match self.message_size {
            MessageSize::Mixed => "mixed".to_owned(),
            MessageSize::Bytes(size) => size.to_string(),
        };
        let host = self.host.to_possible_value();
        let verifier = self.verifier.to_possible_value();
        let _ = write!(
            command,
            " --message-size {size} --repeat {} --seed {} --processors {} --host {} --verifier {}",
            self.repeat,
            self.seed,
            self.processors,
            host.as_ref().map_or("", |value| value.get_name()),
            verifier.as_ref().map_or("", |value| value.get_name())
        );
        command
    }

    /// One line that says what is about to run.
    fn announcement(&self, plan: &Plan) -> String {
        let what = self.input_name();
        let length = plan.total.map_or_else(String::new, |total| {
            format!(" ({})", counted(total, "byte", "bytes"))
        });
        format!(
            "cargo sim: sends {what}{length} through vmbchan, seed {}\n",
            self.seed
        )
    }
}

/// A path as a shell takes it.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "/._-+,:@%".contains(letter);
    if !text.is_empty() && text.chars().all(plain) {
        return text;
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

fn run_transfer(arguments: &TransferArguments) -> Result<Finding, Error> {
    let source = arguments.source()?;
    let target = Target::open(arguments.output.as_deref())
        .map_err(|error| Error::Output(arguments.output_name(), error))?;
    stop::listen()?;
    let plan = arguments.plan(&source);
    Place::Error.print_report(&arguments.announcement(&plan))?;
    let started = Instant::now();
    let trace = match &arguments.trace {
        None => None,
        Some(path) if path == Path::new("-") => {
            return Err(Error::Trace("standard output has the report"));
        }
        Some(path) if Some(path) == arguments.output.as_ref() => {
            return Err(Error::Trace("the same file is the output"));
        }
        Some(path) => {
            let target = Target::open(Some(path))
                .map_err(|error| Error::Output(path.display().to_string(), error))?;
            let file = Shared::new(target);
            Some((path, TraceSink::new(file.clone()), file))
        }
    };
    let sink = trace.as_ref().map(|(_, sink, _)| sink.clone());
    let result = transfer::run(&plan, source, target, sink);
    if let Some((path, sink, file)) = trace {
        // Whatever came of the run: a trace of a failure is wanted most.
        let written = sink.finish();
        let target = file.take();
        let name = path.display();
        match written {
            Ok(()) => target
                .finish()
                .map_err(|(error, fate)| Error::Output(format!("{name} ({fate})"), error))?,
            Err(error) => {
                let fate = target.give_up().unwrap_or_default();
                return Err(Error::Output(format!("{name} ({fate})"), error));
            }
        }
    }
    let mut result = result?;
    let mut summary = Summary::new(&plan, &result, started.elapsed());
    let fate = result.settle(summary.complete()).map_err(|(error, fate)| {
        Error::Output(format!("{} ({fate})", arguments.output_name()), error)
    })?;
    let noted = |name: String| match &fate {
        Some(fate) => format!("{name} ({fate})"),
        None => name,
    };
    match result.end {
        End::Input(error) => return Err(Error::Input(noted(arguments.input_name()), error)),
        End::Output(error) => return Err(Error::Output(noted(arguments.output_name()), error)),
        _ => {}
    }
    summary.set_output(fate);
    summary.set_repeat(arguments.command());
    summary.set_trace(arguments.trace.as_deref());
    let place = if arguments.output.as_deref() == Some(Path::new("-")) {
        Place::Error
    } else {
        Place::Output
    };
    if let Some(stack) = result.bug_check_details.take() {
        Place::Error.print_report(&format!("{stack}\n"))?;
    }
    let text = if arguments.json {
        format!("{}\n", summary.json())
    } else {
        summary.text(place.width())
    };
    place.print_report(&text)?;
    Ok(summary.finding())
}

#[cfg(test)]
mod tests {
    use super::{Cli, Command, TransferArguments, explore_command};
    use crate::report::{Finding, Summary};
    use crate::source::Source;
    use crate::target::Target;
    use crate::transfer::{End, Flow, Plan, Transfer};
    use clap::Parser;
    use std::num::NonZeroU64;
    use std::path::Path;
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    fn source() -> Source {
        Source::made(1000, NonZeroU64::MIN).unwrap()
    }

    fn parse(words: &[&str]) -> Cli {
        Cli::try_parse_from(words).unwrap()
    }

    fn plan(arguments: &TransferArguments) -> Plan {
        arguments.plan(&source())
    }

    /// Takes `cargo` off, and the quotes that these tests' paths need.
    fn words(command: &str) -> Vec<String> {
        let (before, quoted) = command.split_once(" '").unwrap_or((command, ""));
        let (path, after) = quoted.split_once('\'').unwrap_or_default();
        before
            .split_whitespace()
            .skip(1)
            .chain(Some(path).filter(|path| !path.is_empty()))
            .chain(after.split_whitespace())
            .map(str::to_owned)
            .collect()
    }

    #[test]
    fn the_command_that_repeats_a_transfer_has_all_that_matters() {
        for line in [
            &["sim"][..],
            &[
                "sim",
                "--seed",
                "7",
                "--processors",
                "3",
                "--verifier",
                "off",
            ],
            &[
                "sim",
                "--message-size",
                "65536",
                "--host",
                "full",
                "--repeat",
                "5",
            ],
            &["sim", "--input", "/tmp/a file", "--host", "rescind"],
            &["sim", "--input", "-"],
        ] {
            let first = parse(line).transfer;
            let command = first.command();
            let words = words(&command);
            let second = parse(&words.iter().map(String::as_str).collect::<Vec<_>>()).transfer;
            assert_eq!(
                format!("{:?}", plan(&first)),
                format!("{:?}", plan(&second)),
                "{command}"
            );
            assert_eq!(
                (first.input, first.repeat),
                (second.input, second.repeat),
                "{command}"
            );
        }
    }

    #[test]
    fn the_command_that_repeats_a_seed_has_all_that_matters() {
        let words = words(&explore_command(77, 4, true));
        let cli = parse(&words.iter().map(String::as_str).collect::<Vec<_>>());
        let Some(Command::Explore(arguments)) = cli.command else {
            panic!("{words:?}");
        };
        assert_eq!(
            (arguments.seed, arguments.seeds, arguments.processors),
            (77, 1, 4)
        );
        assert!(arguments.double_fetches);
    }

    fn summary(end: End, bug_check: Option<&str>) -> Summary {
        let arguments = parse(&["sim", "--seed", "9"]).transfer;
        let transfer = Transfer {
            flow: Arc::new(Mutex::new(Flow::new(source(), Target::nowhere()))),
            session: None,
            end,
            bug_check: bug_check.map(str::to_owned),
            bug_check_details: None,
            schedule_hash: 0,
            virtual_time: 0,
        };
        let mut summary = Summary::new(&plan(&arguments), &transfer, Duration::ZERO);
        summary.set_repeat(arguments.command());
        summary
    }

    #[test]
    fn each_finding_ends_with_the_command_that_repeats_it() {
        for summary in [
            summary(End::Failed("the machine hangs".to_owned()), None),
            summary(
                End::Failed(String::new()),
                Some("IRQL_NOT_LESS_OR_EQUAL (0xA)"),
            ),
        ] {
            assert_eq!(summary.finding(), Finding::Some);
            let text = summary.text(80);
            let end = "repeat with:\n  cargo sim --message-size mixed --repeat 1 --seed 9 --processors 2 \
                       --host echo --verifier on\n";
            assert!(text.ends_with(end), "{text}");
            assert!(text.starts_with("Something is wrong"), "{text}");
            assert!(summary.json().contains("--seed 9"));
        }
    }

    #[test]
    fn a_machine_that_stopped_gives_no_figures_that_were_not_measured() {
        let summary = summary(End::Failed(String::new()), Some("a bug check"));
        let json: serde_json::Value = serde_json::from_str(&summary.json()).unwrap();
        for name in [
            "packets",
            "leaks",
            "lookaside_hits",
            "kernel_calls_per_message",
        ] {
            assert!(json[name].is_null(), "{name} in {json}");
        }
        assert!(!summary.text(80).contains("packets"));
    }

    #[test]
    fn nothing_is_to_be_repeated_where_nothing_was_found() {
        for (end, finding) in [
            (End::Complete, Finding::None),
            (End::ByHost, Finding::Interrupted),
            (End::BySignal, Finding::Interrupted),
        ] {
            let summary = summary(end, None);
            assert_eq!(summary.finding(), finding);
            assert!(!summary.text(80).contains("repeat with"));
        }
    }

    #[test]
    fn a_path_is_quoted_where_a_shell_would_take_it_apart() {
        assert_eq!(super::quoted(Path::new("/tmp/a-b_c.d")), "/tmp/a-b_c.d");
        assert_eq!(super::quoted(Path::new("a b")), "'a b'");
        assert_eq!(super::quoted(Path::new("it's")), r"'it'\''s'");
    }
}
