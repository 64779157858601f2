//! What is printed at the end of a transfer: for people, in groups that fit the terminal, or as one
//! JSON object.

use std::fmt::Write;
use std::path::Path;
use std::time::Duration;

use ntsim::tally::Tally;
use serde::Serialize;
use textwrap::Options;

use crate::cli::Host;
use crate::guest::{SMALLEST_MIXED, Stage, WARM_UP};
use crate::transfer::{DEFAULT_MAXIMUM_MESSAGE_SIZE, End, Plan, Transfer, lock};

/// Whether a run found something wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finding {
    /// Nothing.
    None,
    /// Something; it has been printed.
    Some,
    /// The transfer was interrupted before it was complete, and nothing was wrong.
    Interrupted,
}

/// A number with a comma before every three digits.
pub fn grouped(number: impl Into<u64>) -> String {
    let digits = number.into().to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A count with its noun.
pub fn counted(count: u64, one: &str, many: &str) -> String {
    format!("{} {}", grouped(count), if count == 1 { one } else { many })
}

/// A step of the driver's life.
#[derive(Serialize)]
struct Step {
    #[serde(rename = "step")]
    stage: Stage,
    kernel_calls: u64,
    callbacks: Vec<Callback>,
}

#[derive(Serialize)]
struct Callback {
    name: &'static str,
    calls: u64,
}

/// The figures of one transfer. What was not measured is none.
#[derive(Serialize)]
pub struct Summary {
    sha256_in: String,
    sha256_out: String,
    bytes: u64,
    bytes_back: u64,
    messages: u64,
    messages_back: u64,
    transactions: u64,
    interrupted: bool,
    requests_under_way: Option<u64>,
    packets: Option<u64>,
    packets_per_message: Option<f64>,
    kernel_calls_per_message: Option<f64>,
    copies_per_message: Option<f64>,
    bytes_copied_per_byte: Option<f64>,
    lookaside_hits: Option<u64>,
    lookaside_misses: Option<u64>,
    steady_state_messages: Option<u64>,
    steady_state_pool_allocations: Option<u64>,
    bug_check: Option<String>,
    leaks: Option<u64>,
    problem: Option<String>,
    steps: Vec<Step>,
    seed: u64,
    processors: usize,
    verifier: bool,
    message_size: Option<usize>,
    maximum_message_size: usize,
    schedule_hash: String,
    virtual_ms: f64,
    elapsed_s: f64,
    output: Option<String>,
    repeat_with: Option<String>,
    trace: Option<String>,
    #[serde(skip)]
    host: Host,
    #[serde(skip)]
    leak_texts: Vec<String>,
    #[serde(skip)]
    interruption: Option<&'static str>,
}

#[allow(clippy::cast_precision_loss, reason = "a figure for people")]
fn ratio(amount: u64, of: u64) -> Option<f64> {
    (of > 0).then(|| amount as f64 / of as f64)
}

impl Summary {
    /// Gathers the figures. `output` is what has become of the output, where that needs to be said.
    #[must_use]
    #[allow(clippy::cast_precision_loss, reason = "a figure for people")]
    pub fn new(plan: &Plan, transfer: &Transfer, elapsed: Duration) -> Self {
        let flow = lock(&transfer.flow);
        let session = transfer.session.as_ref();
        let figures = session.map(|session| &session.figures);
        let (sha256_in, sha256_out) = (flow.sha256_in(), flow.sha256_out());
        let (problem, interruption) = match &transfer.end {
            End::Complete if sha256_in == sha256_out => (None, None),
            End::Complete => (Some("what came back is not what was sent".to_owned()), None),
            End::ByHost => (
                None,
                Some("the host took its device back, as --host rescind asks"),
            ),
            End::BySignal => (None, Some("a signal asked for its end")),
            End::Input(_) => (None, Some("the input could not be read")),
            End::Output(_) => (None, Some("the output could not be written")),
            End::Failed(_) if transfer.bug_check.is_some() => (None, None),
            End::Failed(why) => (Some(why.clone()), None),
        };
        let ends_early = interruption.is_some();
        Self {
            sha256_in,
            sha256_out,
            bytes: flow.bytes,
            bytes_back: flow.bytes_back,
            messages: flow.messages,
            messages_back: flow.messages_back,
            transactions: flow.transactions,
            interrupted: ends_early,
            requests_under_way: session
                .filter(|_| matches!(transfer.end, End::ByHost))
                .map(|session| session.cut_off),
            packets: figures.map(|figures| figures.packets),
            packets_per_message: figures
                .and_then(|figures| ratio(figures.transfer_packets, flow.messages_back)),
            kernel_calls_per_message: figures
                .and_then(|figures| ratio(figures.transfer.kernel_calls, flow.messages_back)),
            copies_per_message: figures
                .and_then(|figures| ratio(figures.transfer.copies, flow.messages_back)),
            bytes_copied_per_byte: figures.and_then(|figures| {
                ratio(figures.transfer.bytes_copied, flow.bytes + flow.bytes_back)
            }),
            lookaside_hits: figures.map(|figures| figures.lookaside_hits),
            lookaside_misses: figures.map(|figures| figures.lookaside_misses),
            steady_state_messages: figures
                .and_then(|figures| figures.steady_state)
                .map(|steady| steady.messages),
            steady_state_pool_allocations: figures
                .and_then(|figures| figures.steady_state)
                .map(|steady| steady.allocations),
            bug_check: transfer.bug_check.clone(),
            leaks: session.map(|session| session.leaks.len() as u64),
            problem,
            steps: session.map_or_else(Vec::new, |session| {
                session
                    .steps
                    .iter()
                    .map(|step| Step::new(step.stage, &step.tally))
                    .collect()
            }),
            seed: plan.seed,
            processors: plan.processors.get(),
            verifier: plan.verifier,
            message_size: plan.message_size,
            maximum_message_size: plan
                .raised_maximum()
                .unwrap_or(DEFAULT_MAXIMUM_MESSAGE_SIZE),
            schedule_hash: format!("{:016x}", transfer.schedule_hash),
            virtual_ms: transfer.virtual_time as f64 / 1e6,
            elapsed_s: elapsed.as_secs_f64(),
            output: None,
            repeat_with: None,
            trace: None,
            host: plan.host,
            leak_texts: session.map_or_else(Vec::new, |session| {
                session
                    .leaks
                    .iter()
                    .map(|leak| format!("{}: {}", leak.kind, leak.what))
                    .collect()
            }),
            interruption,
        }
    }

    /// Whether everything came back as it was sent, and the driver left nothing.
    #[must_use]
    pub fn complete(&self) -> bool {
        self.finding() == Finding::None
    }

    /// A finding is a bug check, a leak, a transfer that failed, or bytes that came back changed.
    #[must_use]
    pub fn finding(&self) -> Finding {
        if self.bug_check.is_some()
            || self.leaks.is_some_and(|leaks| leaks > 0)
            || self.problem.is_some()
        {
            Finding::Some
        } else if self.interrupted {
            Finding::Interrupted
        } else {
            Finding::None
        }
    }

    /// What has become of the output, where that needs to be said.
    pub fn set_output(&mut self, fate: Option<String>) {
        self.output = fate;
    }

    /// Where the run was written down as trace events.
    pub fn set_trace(&mut self, path: Option<&Path>) {
        self.trace = path.map(|path| path.display().to_string());
    }

    /// The command that repeats a finding.
    pub fn set_repeat(&mut self, command: String) {
        if self.finding() == Finding::Some {
            self.repeat_with = Some(command);
        }
    }

    /// One JSON object.
    ///
    /// # Panics
    ///
    /// Never: the figures are plain numbers and strings.
    #[must_use]
    pub fn json(&self) -> String {
        serde_json::to_string(self).expect("figures can be written as JSON")
    }

    /// The report for people, in lines of at most `width` columns.
    #[must_use]
    pub fn text(&self, width: usize) -> String {
        let mut page = Page::new(width);
        page.paragraph(&self.verdict());
        self.booted(&mut page);
        self.life(&mut page);
        self.result(&mut page);
        self.checked(&mut page);
        self.cost(&mut page);
        if let Some(trace) = &self.trace {
            page.row(
                "trace",
                &format!("{trace}; https://ui.perfetto.dev opens it"),
            );
        }
        if let Some(command) = &self.repeat_with {
            page.paragraph("");
            page.command("repeat with:", command);
        }
        page.text
    }

    fn verdict(&self) -> String {
        let sent = format!(
            "{} with {}",
            counted(self.messages, "message", "messages"),
            counted(self.bytes, "byte", "bytes")
        );
        match (self.finding(), self.interruption) {
            (Finding::Some, _) => {
                format!("Something is wrong, after {sent} were sent. See \"What came of it\".")
            }
            (_, Some(why)) => {
                format!("The transfer was interrupted: {why}. Until then {sent} were sent.")
            }
            (_, None) => {
                format!(
                    "{sent} went through the driver to the host and back, and came back unchanged."
                )
            }
        }
    }

    fn booted(&self, page: &mut Page) {
        page.group("What was booted");
        page.row(
            "guest",
            &format!(
                "a simulated NT kernel with KMDF and KMCL, {}, Driver Verifier {}",
                counted(self.processors as u64, "processor", "processors"),
                if self.verifier { "on" } else { "off" }
            ),
        );
        page.row(
            "driver",
            "vmbchan, built from this repository's source and not changed for the simulator",
        );
        page.row(
            "host",
            match self.host {
                Host::Echo => "offers one VMBus channel, and sends every message back",
                Host::Slow => "offers one VMBus channel, and sends every message back after a while",
                Host::Full => {
                    "offers one VMBus channel, and lets the guest's ring fill up before it sends back"
                }
                Host::Rescind => "offers one VMBus channel, sends back, and takes the device back halfway",
            },
        );
        page.row("program", &self.program());
        if self.maximum_message_size > DEFAULT_MAXIMUM_MESSAGE_SIZE {
            page.row(
                "parameter",
                &format!(
                    "MaximumMessageSize was raised from the driver's default of {} to {} bytes, for --message-size",
                    grouped(DEFAULT_MAXIMUM_MESSAGE_SIZE as u64),
                    grouped(self.maximum_message_size as u64)
                ),
            );
        }
    }

    fn program(&self) -> String {
        let sizes = match self.message_size {
            Some(size) => format!("messages of {} bytes", grouped(size as u64)),
            None => format!(
                "messages of {SMALLEST_MIXED} to {} bytes",
                grouped(DEFAULT_MAXIMUM_MESSAGE_SIZE as u64)
            ),
        };
        format!(
            "opens the device as a file; writes and reads {sizes}, each fourth as a transaction"
        )
    }

    fn life(&self, page: &mut Page) {
        if self.steps.is_empty() {
            return;
        }
        page.group("What the driver did, step by step");
        for step in &self.steps {
            let callbacks: Vec<String> = step
                .callbacks
                .iter()
                .map(|callback| match callback.calls {
                    1 => callback.name.to_owned(),
                    calls => format!("{} {} times", callback.name, grouped(calls)),
                })
                .collect();
            let called = if callbacks.is_empty() {
                "no callback".to_owned()
            } else {
                callbacks.join(", ")
            };
            page.row(
                step.stage.name(),
                &format!(
                    "{} ({called}; {})",
                    step.stage.meaning(),
                    counted(step.kernel_calls, "kernel call", "kernel calls")
                ),
            );
        }
    }

    fn result(&self, page: &mut Page) {
        page.group("What came of it");
        page.row(
            "sent",
            &format!(
                "{}, {}",
                counted(self.messages, "message", "messages"),
                counted(self.bytes, "byte", "bytes")
            ),
        );
        page.row(
            "came back",
            &format!(
                "{} ({} of them), {}",
                counted(self.messages_back, "message", "messages"),
                counted(self.transactions, "transaction", "transactions"),
                counted(self.bytes_back, "byte", "bytes")
            ),
        );
        page.row("SHA-256 in", &self.sha256_in);
        page.row("SHA-256 out", &self.sha256_out);
        if let Some(why) = self.interruption {
            page.row("interrupted", why);
        }
        if let Some(requests) = self.requests_under_way {
            page.row(
                "under way",
                &format!(
                    "{}, which failed for it",
                    counted(requests, "request", "requests")
                ),
            );
        }
        page.row("bug check", self.bug_check.as_deref().unwrap_or("none"));
        match self.leaks {
            None => {}
            Some(0) => page.row("leaks", "none"),
            Some(_) => page.row("leaks", &self.leak_texts.join("; ")),
        }
        if let Some(problem) = &self.problem {
            page.row("problem", problem);
        }
        if let Some(output) = &self.output {
            page.row("output", output);
        }
    }

    fn checked(&self, page: &mut Page) {
        page.group("What was checked");
        page.row(
            "each message",
            "its number, its place and its length; SHA-256 over all of them, there and back",
        );
        let calls: u64 = self.steps.iter().map(|step| step.kernel_calls).sum();
        let callbacks: u64 = self
            .steps
            .iter()
            .flat_map(|step| &step.callbacks)
            .map(|callback| callback.calls)
            .sum();
        if self.steps.is_empty() {
            return;
        }
        page.row(
            "each callback",
            &format!(
                "that it returns at the IRQL and with the locks of its call: {}",
                counted(callbacks, "callback", "callbacks")
            ),
        );
        if self.verifier {
            page.row(
                "each call",
                &format!(
                    "that the IRQL is one at which the function may be called: {}",
                    counted(calls, "call", "calls")
                ),
            );
        }
        page.row(
            "memory",
            "an access beyond the end of a pool block, or to a freed one, would have stopped the machine",
        );
        page.row(
            "at the end",
            "that the driver has given back all that it took",
        );
    }

    fn cost(&self, page: &mut Page) {
        page.group("What it cost");
        if let Some(packets) = self.packets {
            let each = self.packets_per_message.map_or_else(String::new, |each| {
                format!("; {each:.2} for each message there and back")
            });
            page.row("packets", &format!("{} in all{each}", grouped(packets)));
        }
        if let Some(calls) = self.kernel_calls_per_message {
            page.row(
                "kernel calls",
                &format!("{calls:.1} of the driver's for each message there and back"),
            );
        }
        if let (Some(copies), Some(bytes)) = (self.copies_per_message, self.bytes_copied_per_byte) {
            page.row(
                "copies",
                &format!(
                    "{copies:.1} by the I/O manager and KMCL for each message there and back, {bytes:.2} bytes \
                     copied for each byte sent or received; what the driver copies is not measured"
                ),
            );
        }
        match (
            self.steady_state_messages,
            self.steady_state_pool_allocations,
        ) {
            (Some(messages), Some(allocations)) => page.row(
                "pool, once warm",
                &format!(
                    "{} by the driver and KMCL, in the {} after the first {WARM_UP}",
                    counted(allocations, "allocation", "allocations"),
                    counted(messages, "message", "messages")
                ),
            ),
            _ => page.row(
                "pool, once warm",
                &format!("not measured: no more than {WARM_UP} messages came back"),
            ),
        }
        if let (Some(hits), Some(misses)) = (self.lookaside_hits, self.lookaside_misses) {
            page.row(
                "lookaside lists",
                &format!(
                    "{}, {}",
                    counted(hits, "hit", "hits"),
                    counted(misses, "miss", "misses")
                ),
            );
        }
        page.row(
            "time",
            &format!(
                "{:.2} s; {:.3} ms in the simulated machine",
                self.elapsed_s, self.virtual_ms
            ),
        );
        page.row(
            "schedule",
            &format!(
                "{} from seed {}; the same seed repeats it",
                self.schedule_hash, self.seed
            ),
        );
    }
}

impl Step {
    fn new(stage: Stage, tally: &Tally) -> Self {
        Self {
            stage,
            kernel_calls: tally.kernel_calls,
            callbacks: tally
                .callbacks
                .iter()
                .map(|(name, calls)| Callback {
                    name,
                    calls: *calls,
                })
                .collect(),
        }
    }
}

/// Columns of a row's name, with the gap behind it and the indentation before it.
const NAME_COLUMNS: usize = 19;

/// Text in lines of a certain width.
struct Page {
    text: String,
    width: usize,
}

impl Page {
    fn new(width: usize) -> Self {
        Self {
            text: String::new(),
            width,
        }
    }

    fn paragraph(&mut self, text: &str) {
        for line in textwrap::wrap(text, Options::new(self.width).break_words(true)) {
            self.line(&line);
        }
    }

    fn line(&mut self, line: &str) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.text, "{}", line.trim_end());
    }

    /// A heading, with an empty line before it.
    fn group(&mut self, title: &str) {
        self.line("");
        self.line(title);
    }

    /// A name and its value, wrapped behind the name. A value that is one word and too long for
    /// that has a line of its own.
    fn row(&mut self, name: &str, value: &str) {
        let one_word = !value.contains(char::is_whitespace);
        if one_word && value.len() + NAME_COLUMNS > self.width {
            self.line(&format!("  {name}"));
            let indent = "    ";
            let options = Options::new(self.width)
                .initial_indent(indent)
                .subsequent_indent(indent)
                .break_words(true);
            for line in textwrap::wrap(value, options) {
                self.line(&line);
            }
            return;
        }
        let first = format!("  {name:<width$}", width = NAME_COLUMNS - 2);
        let others = " ".repeat(NAME_COLUMNS);
        let options = Options::new(self.width)
            .initial_indent(&first)
            .subsequent_indent(&others)
            .break_words(true);
        for line in textwrap::wrap(value, options) {
            self.line(&line);
        }
    }

    /// A command that can be copied as a whole: it is not broken.
    fn command(&mut self, title: &str, command: &str) {
        self.line(title);
        self.line(&format!("  {command}"));
    }
}
