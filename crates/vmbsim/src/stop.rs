//! Ctrl-C and its like: the first ends the transfer in an orderly way, the second ends the program.

use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

static ASKED: AtomicBool = AtomicBool::new(false);

/// The unfinished output, which must not stay.
static LEFTOVER: Mutex<Option<PathBuf>> = Mutex::new(None);

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
            let leftover = LEFTOVER.lock().ok().and_then(|mut place| place.take());
            if let Some(path) = leftover {
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

/// Remembers, or forgets, the file to remove if the program ends at once.
pub fn leftover(path: Option<PathBuf>) {
    if let Ok(mut place) = LEFTOVER.lock() {
        *place = path;
    }
}
