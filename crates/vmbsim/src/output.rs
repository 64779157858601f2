//! Where what came back goes, and how text is printed: nothing that cannot be written is lost in silence.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use tempfile::NamedTempFile;

use crate::exit;

/// Something cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {name}: {error}")]
pub struct OutputError {
    name: String,
    error: io::Error,
}

impl OutputError {
    /// Whether nobody listens any more.
    #[must_use]
    pub fn is_closed_pipe(&self) -> bool {
        self.error.kind() == io::ErrorKind::BrokenPipe
    }
}

fn failed(name: impl Into<String>) -> impl FnOnce(io::Error) -> OutputError {
    let name = name.into();
    move |error| OutputError { name, error }
}

/// The temporary file that a signal must not leave behind, and the file that it would have become.
static UNFINISHED: Mutex<Option<(PathBuf, PathBuf)>> = Mutex::new(None);

/// Has signals that end the program take the unfinished output with them.
pub fn clean_up_on_signals() {
    // Without the handler a signal only leaves the temporary file behind.
    let _ = ctrlc::set_handler(|| {
        if let Ok(mut unfinished) = UNFINISHED.lock()
            && let Some((temporary, target)) = unfinished.take()
        {
            let _ = std::fs::remove_file(temporary);
            eprintln!("interrupted: {} is left as it was", target.display());
        }
        std::process::exit(i32::from(exit::SIGNAL));
    });
}

fn remember(paths: Option<(PathBuf, PathBuf)>) {
    if let Ok(mut unfinished) = UNFINISHED.lock() {
        *unfinished = paths;
    }
}

/// Where the bytes go.
#[derive(Debug)]
enum Target {
    Nowhere,
    Stdout(io::Stdout),
    /// A device or a pipe, which no other file can take the place of.
    Device(String, File),
    /// A file beside the target, renamed over it at the end.
    Beside {
        target: PathBuf,
        temporary: BufWriter<NamedTempFile>,
    },
}

/// What came back.
#[derive(Debug)]
pub struct Output(Target);

impl Output {
    /// What came back is not kept.
    #[must_use]
    pub fn nowhere() -> Self {
        Self(Target::Nowhere)
    }

    /// Prepares a file; `-` is standard output, none is nowhere.
    ///
    /// # Errors
    ///
    /// If there is no place for it.
    pub fn new(path: Option<&Path>) -> Result<Self, OutputError> {
        let Some(path) = path else {
            return Ok(Self(Target::Nowhere));
        };
        if path == Path::new("-") {
            return Ok(Self(Target::Stdout(io::stdout())));
        }
        let name = path.display().to_string();
        let existing = match std::fs::metadata(path) {
            Ok(data) => Some(data),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(failed(name)(error)),
        };
        if existing.as_ref().is_some_and(std::fs::Metadata::is_dir) {
            return Err(failed(name)(io::ErrorKind::IsADirectory.into()));
        }
        if existing.as_ref().is_some_and(|data| !data.is_file()) {
            let file = File::options().write(true).open(path).map_err(failed(&name))?;
            return Ok(Self(Target::Device(name, file)));
        }
        // A link stays one: what it points to is replaced.
        let target = match &existing {
            Some(_) => std::fs::canonicalize(path).map_err(failed(&name))?,
            None => path.to_owned(),
        };
        if existing.is_some() {
            // A file that may not be written is not replaced either.
            File::options()
                .append(true)
                .open(&target)
                .map_err(failed(&name))?;
        }
        let folder = match target.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
            _ => PathBuf::from("."),
        };
        let temporary = tempfile::Builder::new()
            .prefix(".vmbsim-")
            .permissions(existing.map_or_else(
                || std::fs::Permissions::from_mode(0o666),
                |data| data.permissions(),
            ))
            .tempfile_in(folder)
            .map_err(failed(&name))?;
        remember(Some((temporary.path().to_owned(), target.clone())));
        Ok(Self(Target::Beside {
            target,
            temporary: BufWriter::new(temporary),
        }))
    }

    /// Whether the report must go elsewhere, for standard output has what came back.
    #[must_use]
    pub fn is_stdout(&self) -> bool {
        matches!(self.0, Target::Stdout(_))
    }

    /// Writes some more.
    ///
    /// # Errors
    ///
    /// If that fails.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), OutputError> {
        match &mut self.0 {
            Target::Nowhere => Ok(()),
            Target::Stdout(stdout) => stdout.write_all(bytes).map_err(failed("standard output")),
            Target::Device(name, file) => file.write_all(bytes).map_err(failed(&*name)),
            Target::Beside { target, temporary } => temporary
                .write_all(bytes)
                .map_err(failed(target.display().to_string())),
        }
    }

    /// Everything has come back: the file takes the target's place.
    ///
    /// # Errors
    ///
    /// If something cannot be written; the target is as it was.
    pub fn finish(self) -> Result<(), OutputError> {
        let result = match self.0 {
            Target::Nowhere => Ok(()),
            Target::Stdout(mut stdout) => stdout.flush().map_err(failed("standard output")),
            Target::Device(name, mut file) => file.flush().map_err(failed(name)),
            Target::Beside { target, temporary } => {
                let persist = || {
                    let temporary = temporary.into_inner().map_err(io::IntoInnerError::into_error)?;
                    temporary.as_file().sync_all()?;
                    temporary.persist(&target).map_err(|error| error.error)?;
                    Ok(())
                };
                persist().map_err(failed(target.display().to_string()))
            }
        };
        remember(None);
        result
    }

    /// Not everything has come back: what was there stays. What to tell the user about it.
    #[must_use]
    pub fn abandon(self) -> Option<String> {
        let text = match self.0 {
            Target::Nowhere => None,
            Target::Stdout(mut stdout) => {
                // What cannot be flushed now has no reader that could be told.
                let _ = stdout.flush();
                Some("standard output has only a part of it".to_owned())
            }
            Target::Device(name, _) => Some(format!("{name} has only a part of it")),
            Target::Beside { target, temporary } => {
                drop(temporary);
                Some(if target.exists() {
                    format!("{} is left as it was", target.display())
                } else {
                    format!("{} was not written", target.display())
                })
            }
        };
        remember(None);
        text
    }
}

/// Prints a text to standard output, to the end.
///
/// # Errors
///
/// If that fails.
pub fn print(text: &str) -> Result<(), OutputError> {
    let mut stdout = io::stdout().lock();
    stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush())
        .map_err(failed("standard output"))
}

/// Prints a text to standard error; there is nowhere to say that this fails.
pub fn complain(text: &str) {
    let _ = io::stderr().lock().write_all(text.as_bytes());
}
