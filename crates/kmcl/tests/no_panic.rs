//! A release build of the library contains no call of a panic function.
//!
//! A program that uses every generic path is compiled as a driver would be, and the symbols that
//! its object and those of the library need are read. What the driver of this project calls is
//! looked at in its own test, `tests/no_panic.rs` at the top. It needs `nm`, which comes with the
//! linker that every test needs.

#[path = "no_panic/symbols.rs"]
mod symbols;

use std::path::Path;
use std::process::Command;

use symbols::{assert_no_panic, cargo_rustc, run, undefined};

#[test]
fn a_release_build_calls_no_panic_function() {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("no-panic");
    run(cargo_rustc("kmcl", &target).current_dir(manifest));
    let release = target.join("release");
    let object = target.join("consumer.o");
    let library = release.join("libkmcl.rlib");
    let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    run(Command::new(rustc)
        .args([
            "--edition=2024",
            "--crate-type=lib",
            "--emit=obj",
            "-Copt-level=3",
            "-Cpanic=abort",
        ])
        .args(["-Ccodegen-units=1", "-o"])
        .arg(&object)
        .arg("-L")
        .arg(release.join("deps"))
        .arg(format!("--extern=kmcl={}", library.display()))
        .arg(manifest.join("tests/no_panic/consumer.rs")));
    assert_no_panic(&object);
    assert_no_panic(&library);
    assert!(
        undefined(&object)
            .iter()
            .any(|name| name == "ExpInterlockedPopEntrySList"),
        "the program does not reach the library"
    );
}
