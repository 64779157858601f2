//! What compiled objects call: for tests that nothing in a release build can panic.

use std::path::Path;
use std::process::Command;

/// Runs a program to its end and gives what it printed.
pub fn run(command: &mut Command) -> String {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(
        output.status.success(),
        "{command:?}:\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Cargo, with what a kernel image is built with (it aborts), and settings that leave each crate's
/// code in an object of its own.
pub fn cargo_rustc(package: &str, target: &Path) -> Command {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let mut command = Command::new(cargo);
    command
        .args([
            "rustc",
            "--release",
            "--quiet",
            "--lib",
            "--package",
            package,
        ])
        .args(["--config", "profile.release.panic='abort'"])
        .args(["--config", "profile.release.lto=false"])
        .args(["--config", "profile.release.codegen-units=1"])
        .arg("--target-dir")
        .arg(target);
    command
}

/// The symbols that an object or an archive of objects takes from elsewhere.
pub fn undefined(file: &Path) -> Vec<String> {
    run(Command::new("nm")
        .args(["--demangle", "--undefined-only"])
        .arg(file))
    .lines()
    .filter_map(|line| Some(line.trim().split_once(' ')?.1.to_owned()))
    .collect()
}

/// What `Debug` and `Display` write with; they report failure, and do not panic.
const WRITE: [&str; 2] = ["core::fmt::write", "<core::fmt::Formatter>::write_str"];

/// Fails if an object or an archive of objects calls a function of the language's own libraries:
/// what of those cannot panic is inlined, but for [`WRITE`].
pub fn assert_no_panic(file: &Path) {
    let calls: Vec<String> = undefined(file)
        .into_iter()
        .filter(|name| !WRITE.contains(&name.as_str()))
        .filter(|name| {
            let path = name.trim_start_matches('<');
            ["core::", "std::", "alloc::"]
                .iter()
                .any(|library| path.starts_with(library))
                || name.contains("panic")
        })
        .collect();
    assert!(
        calls.is_empty(),
        "{} calls these in a release build; find the callers with `objdump -drC`: {calls:#?}",
        file.display()
    );
}
