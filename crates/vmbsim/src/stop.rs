//! Ctrl-C and its like: the first ends the transfer in an orderly way, the second ends the program.

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

static ASKED: AtomicBool = AtomicBool::new(false);

/// Unfinished files, which must not stay.
static LEFTOVERS: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

/// What a shell reports for a program that Ctrl-C has ended.
const EXIT_CODE: i32 = 130;

/// Listens for SIGINT, SIGTERM and SIGHUP.
///
/// # Errors
///
/// If the system refuses it.
pub fn listen() -> Result<(), ctrlc::Error> {
    ctrlc::set_handler(|| {
        if ASKED.swap(true, Ordering::Relaxed) {
            let leftovers = LEFTOVERS
                .lock()
                .map(|mut paths| std::mem::take(&mut *paths));
            for path in leftovers.unwrap_or_default() {
                // Nobody is left to hear of a failure.
                let _ = std::fs::remove_file(path);
            }
            std::process::exit(EXIT_CODE);
        }
    })
}

/// Whether the transfer is to end.
pub fn asked() -> bool {
    ASKED.load(Ordering::Relaxed)
}

/// Remembers a file to remove if the program ends at once.
pub fn remember(path: PathBuf) {
    if let Ok(mut paths) = LEFTOVERS.lock() {
        paths.push(path);
    }
}

/// Forgets it: it is in its place, or gone.
pub fn forget(path: &Path) {
    if let Ok(mut paths) = LEFTOVERS.lock() {
        paths.retain(|known| known != path);
    }
}
