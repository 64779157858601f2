//! What is printed at the end of a transfer.

use std::fmt::Write;
use std::time::Duration;

use comfy_table::Table;
use comfy_table::presets;
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::transfer::Transfer;

/// Whether a run found something wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finding {
    /// Nothing.
    None,
    /// Something; it has been printed.
    Some,
}

/// The figures of one transfer.
#[derive(Serialize)]
pub struct Summary {
    sha256_in: String,
    sha256_out: String,
    bytes: u64,
    bytes_back: u64,
    packets: u64,
    lookaside_hits: u64,
    lookaside_misses: u64,
    steady_state_pool_allocations: u64,
    bug_check: Option<String>,
    leaks: u64,
    problem: Option<String>,
    seed: u64,
    schedule_hash: String,
    virtual_ms: f64,
    elapsed_s: f64,
    #[serde(skip)]
    interrupted: bool,
}

fn sha256<'a>(parts: impl Iterator<Item = &'a [u8]>) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part);
    }
    hash.finalize().iter().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

impl Summary {
    /// Gathers the figures.
    #[must_use]
    #[allow(clippy::cast_precision_loss, reason = "a figure for people")]
    pub fn new(transfer: &Transfer, elapsed: Duration) -> Self {
        let repeat = usize::try_from(transfer.repeat.get()).unwrap_or(usize::MAX);
        Self {
            sha256_in: sha256(std::iter::repeat_n(transfer.input.as_slice(), repeat)),
            sha256_out: sha256(std::iter::once(transfer.output.as_slice())),
            bytes: transfer.input.len() as u64 * transfer.repeat.get(),
            bytes_back: transfer.output.len() as u64,
            packets: transfer.figures.packets,
            lookaside_hits: transfer.figures.lookaside_hits,
            lookaside_misses: transfer.figures.lookaside_misses,
            steady_state_pool_allocations: transfer.figures.steady_state_pool_allocations,
            bug_check: transfer.bug_check.clone(),
            leaks: transfer.leaks,
            problem: transfer.problem.clone(),
            seed: transfer.seed,
            schedule_hash: format!("{:016x}", transfer.schedule_hash),
            virtual_ms: transfer.virtual_time as f64 / 1e6,
            elapsed_s: elapsed.as_secs_f64(),
            interrupted: transfer.interrupted,
        }
    }

    /// A finding is a bug check, a leak, a transfer that failed, or bytes that came back changed.
    #[must_use]
    pub fn finding(&self) -> Finding {
        let changed = !self.interrupted && self.sha256_in != self.sha256_out;
        if self.bug_check.is_some() || self.leaks != 0 || self.problem.is_some() || changed {
            Finding::Some
        } else {
            Finding::None
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

    /// A table for people.
    #[must_use]
    pub fn table(&self) -> String {
        let mut table = Table::new();
        table.load_style(presets::UTF8_FULL_CONDENSED);
        let mut row = |name: &str, value: String| {
            table.add_row([name.to_owned(), value]);
        };
        row("bytes in", self.bytes.to_string());
        row("bytes out", self.bytes_back.to_string());
        row("SHA-256 in", self.sha256_in.clone());
        row("SHA-256 out", self.sha256_out.clone());
        row("packets", self.packets.to_string());
        row("lookaside hits", self.lookaside_hits.to_string());
        row("lookaside misses", self.lookaside_misses.to_string());
        row(
            "pool allocations after the first 100 messages",
            self.steady_state_pool_allocations.to_string(),
        );
        row(
            "bug check",
            self.bug_check.clone().unwrap_or_else(|| "none".to_owned()),
        );
        row("leaks", self.leaks.to_string());
        if let Some(problem) = &self.problem {
            row("problem", problem.clone());
        }
        if self.interrupted {
            row(
                "transfer",
                "ended by the host, which took the device back".to_owned(),
            );
        }
        row("seed", self.seed.to_string());
        row("schedule", self.schedule_hash.clone());
        row("virtual time", format!("{:.3} ms", self.virtual_ms));
        row("elapsed", format!("{:.2} s", self.elapsed_s));
        table.to_string()
    }
}
