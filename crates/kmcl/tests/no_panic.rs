//! A release build of the library contains no call of a panic function.
//!
//! A program that uses every generic path is built as a release's static library, and the symbols of every object in it that the library and that program
//! make are read. The standard library's own objects are not looked at: they do contain panics, and nothing here reaches them.
//! It needs `nm`, which comes with the linker that every test needs.

use std::path::Path;
use std::process::Command;

fn run(command: &mut Command) -> String {
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

#[test]
fn a_release_build_calls_no_panic_function() {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("no-panic");
    let source = manifest.join("tests/no_panic/consumer.rs");
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    run(Command::new(&cargo)
        .args(["rustc", "--release", "--quiet", "--package", "kmcl", "--lib"])
        .args([
            "--config",
            "profile.release.lto=false",
            "--config",
            "profile.release.codegen-units=1",
        ])
        .arg("--target-dir")
        .arg(&target)
        .current_dir(manifest));
    let release = target.join("release");
    let object = target.join("consumer.o");
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
        .arg(format!(
            "--extern=kmcl={}",
            release.join("libkmcl.rlib").display()
        ))
        .arg(&source));
    for file in [object, release.join("libkmcl.rlib")] {
        let symbols = run(Command::new("nm")
            .args(["--demangle", "--undefined-only"])
            .arg(&file));
        let panics: Vec<&str> = symbols
            .lines()
            .map(|line| line.trim().trim_start_matches("U "))
            .filter(|name| {
                name.contains("panic") || name.contains("unwrap_failed") || name.contains("slice_index")
            })
            .collect();
        assert!(
            panics.is_empty(),
            "{} calls panic functions in a release build; find the callers with `objdump -dr`: {panics:#?}",
            file.display()
        );
        assert!(
            symbols.contains("ExpInterlockedPopEntrySList") || file.extension().is_some_and(|extension| extension == "rlib"),
            "the program did not reach the library: {symbols}"
        );
    }
}
