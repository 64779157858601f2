//! What is printed at the end of a transfer.

use std::time::Duration;

use serde::Serialize;

use crate::guest::{Step, WARM_UP};
use crate::transfer::{DEFAULT_MESSAGE_SIZE, MAXIMUM_MESSAGE_SIZE, Transfer};

/// How a run ended, for the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Well.
    Fine,
    /// Something is wrong; it has been printed.
    Finding,
    /// The host ended it, as it was told to.
    Interrupted,
}

/// What the user asked for, in words.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The guest and its settings.
    pub guest: String,
    /// What the host does.
    pub host: String,
    /// What is sent.
    pub input: String,
    /// The largest message, in bytes.
    pub message_size: usize,
    /// The seed.
    pub seed: u64,
    /// The command that repeats the run.
    pub repeat: String,
}

/// The figures of one transfer.
#[derive(Serialize)]
pub struct Summary {
    sha256_in: String,
    sha256_out: String,
    /// Bytes of data sent.
    bytes: u64,
    /// Bytes of data that came back.
    bytes_back: u64,
    messages: u64,
    transactions: u64,
    /// The host took the device back before everything had come back.
    interrupted: bool,
    /// Requests that were under way then.
    requests_interrupted: u64,
    packets: u64,
    lookaside_hits: Option<u64>,
    lookaside_misses: Option<u64>,
    /// None: there were too few messages to measure it.
    steady_state_pool_allocations: Option<u64>,
    kernel_calls: u64,
    copies: u64,
    bytes_copied: u64,
    bug_check: Option<String>,
    leaks: usize,
    problem: Option<String>,
    seed: u64,
    schedule_hash: String,
    virtual_ms: f64,
    elapsed_s: f64,
    #[serde(skip)]
    leaked: Vec<String>,
    #[serde(skip)]
    steps: Vec<Step>,
    #[serde(skip)]
    asked: Asked,
}

/// A number with its thousands apart.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place != 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// So many of a thing.
fn counted(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", grouped(number), if number == 1 { one } else { many })
}

impl Summary {
    /// Gathers the figures.
    #[must_use]
    #[allow(clippy::cast_precision_loss, reason = "a figure for people")]
    pub fn new(transfer: &Transfer, asked: Asked, elapsed: Duration) -> Self {
        let figures = &transfer.figures;
        Self {
            sha256_in: transfer.sha256_in.clone(),
            sha256_out: transfer.sha256_out.clone(),
            bytes: figures.bytes,
            bytes_back: figures.bytes_back,
            messages: figures.messages,
            transactions: figures.transactions,
            interrupted: transfer.interrupted,
            requests_interrupted: figures.requests_interrupted,
            packets: figures.packets,
            lookaside_hits: figures.lookaside_hits,
            lookaside_misses: figures.lookaside_misses,
            steady_state_pool_allocations: figures.steady_state_pool_allocations,
            kernel_calls: figures.traffic.kernel_calls,
            copies: figures.traffic.copies,
            bytes_copied: figures.traffic.bytes_copied,
            bug_check: transfer.bug_check.clone(),
            leaks: transfer.leaks.len(),
            problem: transfer.problem.clone(),
            seed: asked.seed,
            schedule_hash: format!("{:016x}", transfer.schedule_hash),
            virtual_ms: transfer.virtual_time as f64 / 1e6,
            elapsed_s: elapsed.as_secs_f64(),
            leaked: transfer.leaks.clone(),
            steps: transfer.steps.clone(),
            asked,
        }
    }

    /// How the run ended.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        let changed = !self.interrupted && self.sha256_in != self.sha256_out;
        if self.bug_check.is_some() || self.leaks != 0 || self.problem.is_some() || changed {
            Verdict::Finding
        } else if self.interrupted {
            Verdict::Interrupted
        } else {
            Verdict::Fine
        }
    }

    /// One JSON object.
    ///
    /// # Panics
    ///
    /// Never: the figures are plain numbers and strings.
    #[must_use]
    pub fn json(&self) -> String {
        serde_json::to_string(self).expect("figures can be written as JSON") + "\n"
    }

    /// A report for people, in lines of at most `width` columns.
    #[must_use]
    pub fn text(&self, width: usize) -> String {
        let mut text = Text {
            width,
            lines: String::new(),
        };
        text.paragraph(&self.headline());
        text.group("What ran");
        text.entry("guest", &self.asked.guest);
        text.entry("host", &self.asked.host);
        text.entry("driver", &self.driver());
        if !self.steps.is_empty() {
            text.group("What the driver did, by the callbacks that the system made");
            for step in &self.steps {
                text.entry(step.what, &callbacks(step));
            }
        }
        text.group("What was sent");
        text.entry("input", &self.asked.input);
        text.entry("there", &counted(self.bytes, "byte", "bytes"));
        text.entry("and back", &self.back());
        text.entry("SHA-256 in", &self.sha256_in);
        text.entry("SHA-256 out", &self.sha256_out);
        text.group("What was checked");
        text.entry(
            "kernel calls",
            &format!(
                "{}, each at its IRQL and by the rules of the simulated kernel",
                grouped(self.kernel_calls)
            ),
        );
        text.entry("bug check", self.bug_check.as_deref().unwrap_or("none"));
        text.entry("leaks", &self.leaks_found());
        if let Some(problem) = &self.problem {
            text.entry("problem", problem);
        }
        text.group("What it cost");
        self.costs(&mut text);
        text.group("The run");
        text.entry(
            "time",
            &format!(
                "{:.3} ms in the guest, {:.2} s here",
                self.virtual_ms, self.elapsed_s
            ),
        );
        text.entry("schedule", &self.schedule_hash);
        text.entry("repeat with", &self.asked.repeat);
        text.lines
    }

    fn headline(&self) -> String {
        match self.verdict() {
            Verdict::Fine => {
                "Fine: every byte came back as it was sent, and the driver left nothing behind.".to_owned()
            }
            Verdict::Interrupted => format!(
                "Interrupted: the host took its device back while {} under way; the driver left nothing behind.",
                match self.requests_interrupted {
                    1 => "1 request was".to_owned(),
                    count => format!("{} requests were", grouped(count)),
                }
            ),
            Verdict::Finding if self.bug_check.is_some() => {
                "Finding: a bug check stopped the guest.".to_owned()
            }
            Verdict::Finding if self.problem.is_some() => "Finding: the transfer failed.".to_owned(),
            Verdict::Finding if self.leaks != 0 => "Finding: the driver left something behind.".to_owned(),
            Verdict::Finding => "Finding: what came back is not what was sent.".to_owned(),
        }
    }

    fn driver(&self) -> String {
        if self.asked.message_size > DEFAULT_MESSAGE_SIZE {
            format!(
                "vmbchan, with its parameter MaximumMessageSize set to {} bytes (by default {})",
                grouped(MAXIMUM_MESSAGE_SIZE as u64),
                grouped(DEFAULT_MESSAGE_SIZE as u64)
            )
        } else {
            "vmbchan, with its parameters at their defaults".to_owned()
        }
    }

    fn back(&self) -> String {
        let transactions = match self.transactions {
            0 => String::new(),
            count => format!(" and {}", counted(count, "transaction", "transactions")),
        };
        format!(
            "{} in {}{transactions}",
            counted(self.bytes_back, "byte", "bytes"),
            counted(self.messages, "message", "messages")
        )
    }

    fn leaks_found(&self) -> String {
        if self.bug_check.is_some() {
            return "not looked for: the driver was not unloaded".to_owned();
        }
        if self.leaked.is_empty() {
            return "none".to_owned();
        }
        self.leaked.join("; ")
    }

    #[allow(clippy::cast_precision_loss, reason = "a figure for people")]
    fn costs(&self, text: &mut Text) {
        let all = self.messages + self.transactions;
        let each = |count: u64| {
            if all == 0 {
                String::new()
            } else {
                format!(", {:.1} a message", count as f64 / all as f64)
            }
        };
        text.entry(
            "packets",
            &format!(
                "{} over the channel, a warm-up's among them",
                grouped(self.packets)
            ),
        );
        text.entry(
            "kernel calls",
            &format!("{}{}", grouped(self.kernel_calls), each(self.kernel_calls)),
        );
        text.entry(
            "copies",
            &format!(
                "{}{}, of {} in all, by the I/O manager and KMCL",
                grouped(self.copies),
                each(self.copies),
                counted(self.bytes_copied, "byte", "bytes")
            ),
        );
        text.entry(
            "pool",
            &match self.steady_state_pool_allocations {
                Some(count) => format!(
                    "{} once warm, after {WARM_UP} messages",
                    counted(count, "allocation", "allocations")
                ),
                None => format!("not measured: it takes more than {WARM_UP} messages to be warm"),
            },
        );
        text.entry(
            "lookaside",
            &match (self.lookaside_hits, self.lookaside_misses) {
                (Some(hits), Some(misses)) => format!(
                    "{}, {}",
                    counted(hits, "hit", "hits"),
                    counted(misses, "miss", "misses")
                ),
                _ => "not known: the driver could not be asked".to_owned(),
            },
        );
    }
}

fn callbacks(step: &Step) -> String {
    if step.callbacks.is_empty() {
        return "none".to_owned();
    }
    let names: Vec<String> = step
        .callbacks
        .iter()
        .map(|(name, count)| match count {
            1 => (*name).to_owned(),
            _ => format!("{name} {}x", grouped(*count)),
        })
        .collect();
    names.join(", ")
}

/// Columns of an entry's name.
const NAME: usize = 14;

struct Text {
    width: usize,
    lines: String,
}

impl Text {
    fn paragraph(&mut self, text: &str) {
        self.lines += &textwrap::fill(text, self.width);
        self.lines.push('\n');
    }

    fn group(&mut self, title: &str) {
        self.lines.push('\n');
        self.paragraph(title);
    }

    fn entry(&mut self, name: &str, value: &str) {
        let first = format!("  {name:NAME$}");
        let next = " ".repeat(NAME + 2);
        let options = textwrap::Options::new(self.width.max(NAME + 12))
            .initial_indent(&first)
            .subsequent_indent(&next);
        self.lines += &textwrap::fill(value, options);
        self.lines.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::{Asked, Summary, grouped};
    use crate::guest::{Figures, Step};
    use crate::output::Output;
    use crate::transfer::Transfer;
    use std::time::Duration;

    fn summary() -> Summary {
        let transfer = Transfer {
            figures: Figures::default(),
            sha256_in: "0123456789abcdef".repeat(4),
            sha256_out: "0123456789abcdef".repeat(4),
            steps: vec![Step {
                what: "started",
                callbacks: vec![("EvtDeviceAdd", 1); 20],
            }],
            bug_check: None,
            bug_check_details: None,
            leaks: Vec::new(),
            problem: Some("a reason that is long enough for three lines or four ".repeat(4)),
            interrupted: false,
            schedule_hash: 1,
            virtual_time: 1,
            output: Output::nowhere(),
        };
        let asked = Asked {
            guest: "a guest with many processors ".repeat(4),
            host: "a host".to_owned(),
            input: "/a/path/without/blanks".repeat(10),
            message_size: 4000,
            seed: 1,
            repeat: "cargo sim --seed 1".to_owned(),
        };
        Summary::new(&transfer, asked, Duration::ZERO)
    }

    #[test]
    fn the_report_fits_every_width() {
        for width in [60, 80, 120] {
            let text = summary().text(width);
            for line in text.lines() {
                assert!(line.chars().count() <= width, "{width}: {line}");
            }
        }
    }

    #[test]
    fn a_hash_stays_in_one_line_of_eighty_columns() {
        assert!(summary().text(80).contains(&"0123456789abcdef".repeat(4)));
    }

    #[test]
    fn thousands_are_apart() {
        assert_eq!(
            [0, 999, 1000, 1_234_567].map(grouped),
            ["0", "999", "1,000", "1,234,567"]
        );
    }
}
