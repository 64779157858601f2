//! Where the messages come from: drawn ones of mixed sizes, or a file, read as it is sent.

use std::fs::File;
use std::io::{self, Read, Seek};
use std::path::{Path, PathBuf};

use crate::protocol;

/// Messages in one round of the drawn traffic.
const MIXED_MESSAGES: u64 = 16_000;
/// One in so many of them is a transaction.
const TRANSACTION_EVERY: u64 = 4;

/// How a message is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Written; the host sends a message of its own, which is read.
    Message,
    /// A transaction: the host's answer comes back with the request.
    Transaction,
}

/// What is sent.
#[derive(Debug)]
enum Source {
    /// Messages of drawn sizes and bytes, transactions among them.
    Mixed {
        seed: u64,
        random: fastrand::Rng,
        left: u64,
    },
    /// A file's bytes in messages of one size.
    File { name: String, file: File },
    /// Standard input, sent once.
    Stdin(io::Stdin),
}

/// Messages, one round after the other.
#[derive(Debug)]
pub struct Input {
    source: Source,
    data_size: usize,
    rounds_left: u64,
    /// How many messages there are in all, where that is known before.
    pub messages: Option<u64>,
}

/// The input cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read {name}: {error}")]
pub struct InputError {
    name: String,
    error: io::Error,
}

fn failed(name: impl Into<String>) -> impl FnOnce(io::Error) -> InputError {
    let name = name.into();
    move |error| InputError { name, error }
}

impl Input {
    /// Drawn messages of up to `message_size` bytes with their header.
    #[must_use]
    pub fn mixed(seed: u64, message_size: usize, rounds: u64) -> Self {
        Self {
            source: Source::Mixed {
                seed,
                random: fastrand::Rng::with_seed(seed),
                left: MIXED_MESSAGES,
            },
            data_size: message_size - protocol::HEADER_BYTES,
            rounds_left: rounds - 1,
            messages: MIXED_MESSAGES.checked_mul(rounds),
        }
    }

    /// A file; `-` is standard input, which is kept in a temporary file if it is sent more than once.
    ///
    /// # Errors
    ///
    /// If it cannot be opened, or standard input not be kept.
    pub fn file(path: &Path, message_size: usize, rounds: u64) -> Result<Self, InputError> {
        let data_size = message_size - protocol::HEADER_BYTES;
        let mut messages = None;
        let source = if path == Path::new("-") {
            if rounds == 1 {
                Source::Stdin(io::stdin())
            } else {
                let keep = || {
                    let mut file = tempfile::tempfile()?;
                    io::copy(&mut io::stdin(), &mut file)?;
                    file.rewind()?;
                    Ok(file)
                };
                let file = keep().map_err(failed("standard input"))?;
                Source::File {
                    name: "standard input".to_owned(),
                    file,
                }
            }
        } else {
            let name = path.display().to_string();
            let file = File::open(path).map_err(failed(&name))?;
            let data = file.metadata().map_err(failed(&name))?;
            if data.is_dir() {
                return Err(failed(&name)(io::ErrorKind::IsADirectory.into()));
            }
            if data.is_file() {
                messages = data.len().div_ceil(data_size as u64).checked_mul(rounds);
            } else if rounds > 1 {
                return Err(InputError {
                    name,
                    error: io::Error::new(
                        io::ErrorKind::Unsupported,
                        "it is not a regular file, so it cannot be sent more than once (--repeat)",
                    ),
                });
            }
            Source::File { name, file }
        };
        Ok(Self {
            source,
            data_size,
            rounds_left: rounds - 1,
            messages,
        })
    }

    /// The next message's data; none after the last.
    ///
    /// # Errors
    ///
    /// If it cannot be read.
    pub fn next(&mut self) -> Result<Option<(Kind, Vec<u8>)>, InputError> {
        loop {
            if let Some(message) = self.next_of_round()? {
                return Ok(Some(message));
            }
            if self.rounds_left == 0 || !self.again()? {
                return Ok(None);
            }
            self.rounds_left -= 1;
        }
    }

    fn next_of_round(&mut self) -> Result<Option<(Kind, Vec<u8>)>, InputError> {
        let (name, reader): (&str, &mut dyn Read) = match &mut self.source {
            Source::Mixed { random, left, .. } => {
                if *left == 0 {
                    return Ok(None);
                }
                let number = MIXED_MESSAGES - *left;
                *left -= 1;
                let kind = if number % TRANSACTION_EVERY == TRANSACTION_EVERY - 1 {
                    Kind::Transaction
                } else {
                    Kind::Message
                };
                // Small messages are more frequent than large ones, as they are in protocols.
                let most = random.usize(1..=self.data_size);
                let mut data = vec![0; random.usize(1..=most)];
                random.fill(&mut data);
                return Ok(Some((kind, data)));
            }
            Source::File { name, file } => (name, file),
            Source::Stdin(stdin) => ("standard input", stdin),
        };
        let mut data = Vec::with_capacity(self.data_size);
        reader
            .take(self.data_size as u64)
            .read_to_end(&mut data)
            .map_err(failed(name))?;
        Ok((!data.is_empty()).then_some((Kind::Message, data)))
    }

    /// Goes back to the beginning; false if there is nothing to send again.
    fn again(&mut self) -> Result<bool, InputError> {
        match &mut self.source {
            Source::Mixed { seed, random, left } => {
                *random = fastrand::Rng::with_seed(*seed);
                *left = MIXED_MESSAGES;
                Ok(true)
            }
            Source::File { name, file } => {
                let bytes = file.stream_position().map_err(failed(&*name))?;
                file.rewind().map_err(failed(&*name))?;
                Ok(bytes != 0)
            }
            Source::Stdin(_) => Ok(false),
        }
    }
}

/// What a user is told about the input.
#[must_use]
pub fn describe(path: Option<&PathBuf>) -> String {
    match path {
        None => "messages of mixed sizes".to_owned(),
        Some(path) if path == Path::new("-") => "standard input".to_owned(),
        Some(path) => path.display().to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::{Input, Kind, MIXED_MESSAGES};

    #[test]
    fn drawn_messages_repeat_with_the_seed_and_the_round() {
        let all = |seed, rounds| {
            let mut input = Input::mixed(seed, 4000, rounds);
            let mut messages = Vec::new();
            while let Some(message) = input.next().expect("nothing is read") {
                messages.push(message);
            }
            messages
        };
        let once = all(1, 1);
        assert_eq!(once.len() as u64, MIXED_MESSAGES);
        assert!(once.iter().any(|(kind, _)| *kind == Kind::Transaction));
        assert!(once.iter().all(|(_, data)| (1..=3976).contains(&data.len())));
        assert_eq!([once.clone(), once.clone()].concat(), all(1, 2));
        assert_ne!(once, all(2, 1));
    }

    #[test]
    fn the_smallest_message_has_one_byte() {
        let mut input = Input::mixed(1, 25, 1);
        while let Some((_, data)) = input.next().expect("nothing is read") {
            assert_eq!(data.len(), 1);
        }
    }
}
