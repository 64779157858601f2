//! Where what came back is written: beside the file that was named, which it replaces once it is
//! complete.

use std::fs::{File, Permissions};
use std::io::{self, BufWriter, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use tempfile::NamedTempFile;

use crate::stop;

const BUFFER_BYTES: usize = 1 << 16;

/// A place for the output.
pub struct Target {
    name: String,
    kind: Kind,
}

enum Kind {
    Nowhere,
    /// A device, a pipe, or standard output: what is written cannot be taken back.
    Direct(BufWriter<File>),
    /// A new file in the same folder, which takes the other's place in the end.
    Beside {
        writer: BufWriter<NamedTempFile>,
        path: PathBuf,
    },
}

impl Target {
    /// Forgets everything.
    pub fn nowhere() -> Self {
        Self {
            name: String::new(),
            kind: Kind::Nowhere,
        }
    }

    /// Finds the place, and makes sure that it can be written, before anything is sent.
    ///
    /// # Errors
    ///
    /// If it cannot be written.
    pub fn open(path: Option<&Path>) -> io::Result<Self> {
        let Some(path) = path else {
            return Ok(Self::nowhere());
        };
        if path == Path::new("-") {
            let standard = File::from(io::stdout().as_fd().try_clone_to_owned()?);
            return Ok(Self {
                name: "standard output".to_owned(),
                kind: Kind::Direct(BufWriter::with_capacity(BUFFER_BYTES, standard)),
            });
        }
        let name = path.display().to_string();
        // The file behind a symbolic link is replaced, and the link stays.
        let known = match path.metadata() {
            Ok(metadata) => Some(metadata),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        let kind = match known {
            Some(metadata) if metadata.is_dir() => return Err(io::ErrorKind::IsADirectory.into()),
            Some(metadata) if metadata.is_file() => {
                // Refused as an ordinary write would be.
                File::options().append(true).open(path)?;
                Self::beside(&path.canonicalize()?, metadata.permissions())?
            }
            Some(_) => {
                let file = File::options().write(true).open(path)?;
                Kind::Direct(BufWriter::with_capacity(BUFFER_BYTES, file))
            }
            // A link to a file that does not exist is one to the file that is to be made.
            None => match path.read_link() {
                Ok(linked) => {
                    let folder = path.parent().unwrap_or(Path::new(""));
                    Self::beside(&folder.join(linked), Permissions::from_mode(0o666))?
                }
                Err(_) => Self::beside(path, Permissions::from_mode(0o666))?,
            },
        };
        Ok(Self { name, kind })
    }

    fn beside(path: &Path, permissions: Permissions) -> io::Result<Kind> {
        let folder = match path.parent() {
            Some(folder) if folder != Path::new("") => folder,
            _ => Path::new("."),
        };
        folder.metadata()?;
        let file = tempfile::Builder::new()
            .prefix(".vmbsim-")
            .permissions(Permissions::from_mode(0o666))
            .tempfile_in(folder)?;
        stop::remember(file.path().to_owned());
        if path.exists() {
            file.as_file().set_permissions(permissions)?;
        }
        Ok(Kind::Beside {
            writer: BufWriter::with_capacity(BUFFER_BYTES, file),
            path: path.to_owned(),
        })
    }

    /// Writes the next bytes.
    ///
    /// # Errors
    ///
    /// If the system does not take them.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.kind {
            Kind::Nowhere => Ok(()),
            Kind::Direct(writer) => writer.write_all(bytes),
            Kind::Beside { writer, .. } => writer.write_all(bytes),
        }
    }

    /// Everything has been written: flushes it, and puts it in its place.
    ///
    /// # Errors
    ///
    /// If that fails: why, and what has become of the output.
    pub fn finish(self) -> Result<(), (io::Error, String)> {
        match self.kind {
            Kind::Nowhere => Ok(()),
            Kind::Direct(mut writer) => writer
                .flush()
                .map_err(|error| (error, incomplete(&self.name))),
            Kind::Beside { writer, path } => {
                let left = writer.get_ref().path().to_owned();
                let result = replace(writer, &path);
                stop::forget(&left);
                result.map_err(|error| (error, untouched(&self.name, &path)))
            }
        }
    }

    /// The transfer did not end as it should. What has become of the output, for people; none if
    /// there was to be none.
    pub fn give_up(self) -> Option<String> {
        match self.kind {
            Kind::Nowhere => None,
            Kind::Direct(mut writer) => {
                // It is incomplete in any case, and that is what is said.
                let _ = writer.flush();
                Some(incomplete(&self.name))
            }
            Kind::Beside { writer, path } => {
                let (file, _) = writer.into_parts();
                let left = file.path().to_owned();
                let removed = file.close();
                stop::forget(&left);
                let fate = untouched(&self.name, &path);
                Some(match removed {
                    Ok(()) => fate,
                    Err(error) => {
                        format!("{fate}; {} could not be removed: {error}", left.display())
                    }
                })
            }
        }
    }
}

/// A target that the machine's thread writes to, for as long as it runs.
#[derive(Clone)]
pub struct Shared(Arc<Mutex<Target>>);

impl Shared {
    /// To be written by several.
    pub fn new(target: Target) -> Self {
        Self(Arc::new(Mutex::new(target)))
    }

    /// The target again; whoever writes afterwards writes nowhere.
    pub fn take(&self) -> Target {
        let mut target = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *target, Target::nowhere())
    }
}

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .write(bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Puts what was written in the place of a file. What was written is gone if that fails.
fn replace(writer: BufWriter<NamedTempFile>, path: &Path) -> io::Result<()> {
    let file = writer
        .into_inner()
        .map_err(io::IntoInnerError::into_error)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

fn incomplete(name: &str) -> String {
    format!("{name} has only a part of the output")
}

fn untouched(name: &str, path: &Path) -> String {
    let fate = if path.exists() {
        "is as it was before"
    } else {
        "was not made"
    };
    format!("{name} {fate}")
}
