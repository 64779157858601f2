//! What is sent: a file, standard input, or made-up bytes; read piece by piece, as often as asked
//! for.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::num::NonZeroU64;
use std::os::fd::AsFd;
use std::path::Path;

/// The bytes of a transfer, in their order.
pub struct Source {
    kind: Kind,
    passes_left: u64,
    in_this_pass: u64,
    total: Option<u64>,
}

enum Kind {
    Made { bytes: Made, length: u64 },
    Stored { reader: BufReader<File>, start: u64 },
}

/// Bytes that look random and are the same each time.
struct Made {
    state: u64,
    left: u64,
    /// The bytes of the current word that are still to come.
    word: Vec<u8>,
}

impl Made {
    fn new(length: u64) -> Self {
        Self {
            state: 0x2545_F491_4F6C_DD1D,
            left: length,
            word: Vec::new(),
        }
    }
}

impl Read for Made {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = usize::try_from(self.left)
            .unwrap_or(usize::MAX)
            .min(buffer.len());
        for byte in &mut buffer[..count] {
            if self.word.is_empty() {
                self.state ^= self.state << 13;
                self.state ^= self.state >> 7;
                self.state ^= self.state << 17;
                self.word.extend(self.state.to_le_bytes());
            }
            *byte = self.word.pop().unwrap_or_default();
        }
        self.left -= count as u64;
        Ok(count)
    }
}

/// Why there is nothing to send.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The system refuses to open or read it.
    #[error("cannot read {0}: {1}")]
    Read(String, io::Error),
    /// More bytes than can be counted.
    #[error(
        "--repeat {repeat} times the {length} bytes of {name} is more than 18,446,744,073,709,551,615 bytes, \
         which is the most that can be counted"
    )]
    TooLong {
        /// What is too long.
        name: String,
        /// How often it was to be sent.
        repeat: u64,
        /// How long it is, in bytes.
        length: u64,
    },
}

/// How people call an input.
pub fn name(path: Option<&Path>) -> String {
    match path {
        None => "made-up data".to_owned(),
        Some(path) if path == Path::new("-") => "standard input".to_owned(),
        Some(path) => path.display().to_string(),
    }
}

/// What a pipe gives, which it gives once: kept in a file that the system forgets with this
/// program.
fn kept(mut pipe: File) -> io::Result<File> {
    let mut file = tempfile::tempfile()?;
    io::copy(&mut pipe, &mut file)?;
    file.rewind()?;
    Ok(file)
}

impl Source {
    /// So many made-up bytes, so often.
    pub fn made(length: u64, repeat: NonZeroU64) -> Result<Self, SourceError> {
        let kind = Kind::Made {
            bytes: Made::new(length),
            length,
        };
        Self::new(kind, repeat, Some(length), &name(None))
    }

    /// A file, or standard input for `-`.
    pub fn open(path: &Path, repeat: NonZeroU64) -> Result<Self, SourceError> {
        let name = name(Some(path));
        let failed = |error| SourceError::Read(name.clone(), error);
        let mut file = if path == Path::new("-") {
            let standard = io::stdin().as_fd().try_clone_to_owned();
            File::from(standard.map_err(failed)?)
        } else {
            File::open(path).map_err(failed)?
        };
        let metadata = file.metadata().map_err(failed)?;
        if metadata.is_dir() {
            return Err(failed(io::ErrorKind::IsADirectory.into()));
        }
        let start = match file.stream_position() {
            Ok(start) => start,
            Err(_) if repeat.get() == 1 => 0,
            Err(_) => {
                file = kept(file).map_err(failed)?;
                0
            }
        };
        let metadata = file.metadata().map_err(failed)?;
        let length = metadata
            .is_file()
            .then(|| metadata.len().saturating_sub(start));
        let reader = BufReader::with_capacity(1 << 16, file);
        Self::new(Kind::Stored { reader, start }, repeat, length, &name)
    }

    fn new(
        kind: Kind,
        repeat: NonZeroU64,
        length: Option<u64>,
        name: &str,
    ) -> Result<Self, SourceError> {
        let repeat = repeat.get();
        let total = match length {
            None => None,
            Some(length) => {
                Some(
                    length
                        .checked_mul(repeat)
                        .ok_or_else(|| SourceError::TooLong {
                            name: name.to_owned(),
                            repeat,
                            length,
                        })?,
                )
            }
        };
        Ok(Self {
            kind,
            passes_left: repeat - 1,
            in_this_pass: 0,
            total,
        })
    }

    /// How many bytes there are in all, where that is known before they are read.
    pub fn total(&self) -> Option<u64> {
        self.total
    }

    /// Fills the buffer, as far as there is something left; how many bytes.
    ///
    /// # Errors
    ///
    /// If the input cannot be read.
    pub fn fill(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while filled < buffer.len() {
            let read = match &mut self.kind {
                Kind::Made { bytes, .. } => bytes.read(&mut buffer[filled..]),
                Kind::Stored { reader, .. } => reader.read(&mut buffer[filled..]),
            };
            match read {
                Ok(0) if self.passes_left == 0 || self.in_this_pass == 0 => break,
                Ok(0) => self.rewind()?,
                Ok(count) => {
                    filled += count;
                    self.in_this_pass += count as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }

    fn rewind(&mut self) -> io::Result<()> {
        self.passes_left -= 1;
        self.in_this_pass = 0;
        match &mut self.kind {
            Kind::Made { bytes, length } => *bytes = Made::new(*length),
            Kind::Stored { reader, start } => {
                reader.seek(SeekFrom::Start(*start))?;
            }
        }
        Ok(())
    }
}
