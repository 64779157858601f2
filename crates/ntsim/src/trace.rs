//! Stacks for people: taken as plain addresses, named only when somebody reads them.
//!
//! A driver's author looks for the driver's own frames. They come first, with file and line; the
//! frames of the simulator and of Rust's runtime are counted in one line. `RUST_BACKTRACE=full`
//! shows them all.

use std::ffi::c_void;
use std::fmt;

/// The most frames that are kept, innermost first.
const MOST: usize = 96;

/// The most frames of a stack that is taken often.
const NEAR: usize = 24;

/// The addresses of a stack's frames.
#[derive(Clone)]
pub struct Trace {
    /// Return addresses, innermost first.
    frames: Vec<usize>,
}

/// A frame as the debug information has it.
struct Named {
    name: String,
    place: Option<String>,
    /// Of the simulator or of the language's runtime.
    folded: bool,
}

/// What the paths of the simulator's and the runtime's own source contain.
const FOLDED: [&str; 9] = [
    "ntsim/src/",
    "/ntsim-",
    "/rustc/",
    "/library/std/",
    "/library/core/",
    "nptl/",
    "sysdeps/",
    "/corosensei-",
    "/backtrace-",
];

/// The crates of the simulator and the runtime.
const FOLDED_CRATES: [&str; 7] = [
    "core",
    "std",
    "alloc",
    "test",
    "ntsim",
    "corosensei",
    "backtrace",
];

/// Whether a frame is of the simulator or the runtime: by the function's crate if its name has one,
/// or else by its file.
fn is_folded(name: &str, place: Option<&str>) -> bool {
    let plain = name.trim_start_matches(['<', '&', '*', '(', '[']);
    let plain = ["mut ", "const ", "dyn "]
        .iter()
        .fold(plain, |plain, word| {
            plain.strip_prefix(word).unwrap_or(plain)
        });
    match plain.split_once("::") {
        Some((of, _))
            if of
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') =>
        {
            FOLDED_CRATES.contains(&of)
        }
        _ => place.is_none_or(|place| FOLDED.iter().any(|part| place.contains(part))),
    }
}

impl Trace {
    /// The stack of the caller.
    #[must_use]
    pub fn capture() -> Self {
        Self::capture_frames(MOST)
    }

    /// The innermost frames of the caller's stack: cheap enough to be taken often.
    #[must_use]
    pub fn capture_near() -> Self {
        Self::capture_frames(NEAR)
    }

    fn capture_frames(most: usize) -> Self {
        let mut frames = Vec::with_capacity(most);
        // SAFETY: only symbols need the lock that this variant goes without; the unwinder itself
        // can run on several threads.
        unsafe {
            backtrace::trace_unsynchronized(|frame| {
                frames.push(frame.ip().addr());
                frames.len() < most
            });
        }
        Self { frames }
    }

    /// Frames that were collected elsewhere: the instruction that runs, and return addresses,
    /// innermost first.
    pub(crate) fn from_addresses(instruction: usize, callers: &[usize]) -> Self {
        // What follows looks for the call before a return address: this is no return address.
        let mut frames = vec![instruction.wrapping_add(1)];
        frames.extend(callers);
        Self { frames }
    }

    /// Tells stacks apart.
    pub(crate) fn key(&self) -> u64 {
        let mut hasher = std::hash::DefaultHasher::new();
        std::hash::Hash::hash(&self.frames, &mut hasher);
        std::hash::Hasher::finish(&hasher)
    }

    fn named(&self) -> Vec<Named> {
        let mut named = Vec::new();
        for address in &self.frames {
            let mut known = false;
            backtrace::resolve(
                std::ptr::without_provenance_mut::<c_void>(*address),
                |symbol| {
                    known = true;
                    let place = symbol.filename().map(|file| {
                        let file = file.display().to_string();
                        let file = file.strip_prefix("./").unwrap_or(&file).to_owned();
                        match symbol.lineno() {
                            Some(line) => format!("{file}:{line}"),
                            None => file,
                        }
                    });
                    let name = symbol
                        .name()
                        .map_or_else(|| "?".to_owned(), |name| format!("{name:#}"));
                    let folded = is_folded(&name, place.as_deref());
                    named.push(Named {
                        name,
                        place,
                        folded,
                    });
                },
            );
            if !known {
                named.push(Named {
                    name: format!("{address:#x}"),
                    place: None,
                    folded: true,
                });
            }
        }
        named
    }

    /// The innermost frame of the driver's own, as `function (file:line)`.
    #[must_use]
    pub fn origin(&self) -> Option<String> {
        let frame = self.named().into_iter().find(|frame| !frame.folded)?;
        Some(match frame.place {
            Some(place) => format!("{} ({place})", frame.name),
            None => frame.name,
        })
    }
}

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = std::env::var_os("RUST_BACKTRACE").is_some_and(|value| value == "full");
        let named = self.named();
        let mut shown = 0;
        for frame in named.iter().filter(|frame| all || !frame.folded) {
            shown += 1;
            write!(f, "    at {}", frame.name)?;
            match &frame.place {
                Some(place) => writeln!(f, "\n        {place}")?,
                None => writeln!(f)?,
            }
        }
        let folded = named.len() - shown;
        if folded != 0 {
            writeln!(
                f,
                "    ({folded} frames of the simulator and of Rust's runtime; RUST_BACKTRACE=full shows them)"
            )?;
        }
        Ok(())
    }
}

impl fmt::Debug for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\n{self}")
    }
}

#[cfg(test)]
mod tests {
    use super::is_folded;

    #[test]
    fn frames_are_told_apart_by_crate_or_file() {
        for (name, place) in [
            (
                "core::ops::function::FnOnce::call_once",
                Some("/a/driver.rs:1"),
            ),
            (
                "<core::panic::AssertUnwindSafe<F> as core::ops::FnOnce<()>>::call_once",
                None,
            ),
            (
                "<F as core::ops::FnOnce>::call_once",
                Some("/rustc/1/library/core/src/ops.rs:1"),
            ),
            ("ExAllocatePool2", Some("crates/ntsim/src/export.rs:1")),
            ("__rust_try", None),
        ] {
            assert!(is_folded(name, place), "{name}");
        }
        for (name, place) in [
            ("vmbchan::link::Link::write", None),
            (
                "<vmbchan::link::Link as core::ops::drop::Drop>::drop",
                Some("/rustc/1/library/core/src/ptr.rs"),
            ),
            ("on_callback", Some("driver/main.c:12")),
        ] {
            assert!(!is_folded(name, place), "{name}");
        }
    }
}
