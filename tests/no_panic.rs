//! A release build of the driver contains no call of a panic function.
//!
//! The driver and the library below it are built as they are for a release, but with an object for
//! each crate, and the symbols that those need are read: the kernel's functions and each other's,
//! and none that panics. It needs `nm`, which comes with the linker that every test needs.
#![cfg(not(windows))]

#[path = "../crates/kmcl/tests/no_panic/symbols.rs"]
mod symbols;

use std::path::{Path, PathBuf};

use symbols::{assert_no_panic, cargo_rustc, run, undefined};

/// The one file in a folder that begins and ends so.
fn find(folder: &Path, begin: &str, end: &str) -> PathBuf {
    let mut found: Vec<PathBuf> = std::fs::read_dir(folder)
        .expect("a folder")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| {
            path.file_name()
                .and_then(|name| name.to_str())
                .is_some_and(|name| name.starts_with(begin) && name.ends_with(end))
        })
        .collect();
    // A folder that is used again holds older builds too.
    found.sort_by_key(|path| path.metadata().and_then(|data| data.modified()).ok());
    found.pop().unwrap_or_else(|| panic!("no {begin}*{end}"))
}

#[test]
fn the_drivers_release_build_calls_no_panic_function() {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("no-panic");
    run(cargo_rustc("vmbchan", &target)
        .args(["--crate-type=lib", "--", "--emit=obj,link"])
        .current_dir(manifest));
    let deps = target.join("release/deps");
    let driver = find(&deps, "vmbchan", ".o");
    assert_no_panic(&driver);
    for library in ["libkmcl-", "libkmcl_sys-", "libwdk_lite-"] {
        assert_no_panic(&find(&deps, library, ".rlib"));
    }
    let calls = undefined(&driver);
    for reached in ["WdfFunctions_01033", "ExpInterlockedPopEntrySList"] {
        assert!(
            calls.iter().any(|name| name == reached),
            "the driver does not reach {reached}: {calls:?}"
        );
    }
}
