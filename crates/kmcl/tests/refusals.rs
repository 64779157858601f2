//! Programs that the types refuse, each with the compiler's message, beside one that they accept.
//!
//! Each is compiled by itself against the library that Cargo has built for the tests, and code is
//! generated for it: some refusals are found only then. The messages are beside the programs;
//! `BLESS=1 cargo test -p kmcl --test refusals` writes them anew, for review.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What compiles a program against the workspace's libraries.
struct Compiler {
    rustc: String,
    /// The libraries' folder.
    deps: PathBuf,
    /// `name=file` for each library that programs name.
    externs: Vec<String>,
    /// Where what is compiled goes.
    out: PathBuf,
}

impl Compiler {
    /// Asks Cargo which files the libraries are in. They are built already, or are now.
    fn new() -> Self {
        let program = std::env::current_exe().expect("this program has a path");
        let deps = program.parent().expect("it is in a folder").to_owned();
        let profile = deps.parent().expect("`deps` is in a profile's folder");
        let target = profile.parent().expect("that is in the target folder");
        let profile = match profile.file_name().and_then(|name| name.to_str()) {
            Some("debug") | None => "dev",
            Some(name) => name,
        };
        let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
        let output = Command::new(cargo)
            .args([
                "build",
                "--quiet",
                "--message-format=json",
                "--profile",
                profile,
            ])
            .args(["-p", "kmcl", "-p", "ntsim", "-p", "wdk-sys-lite", "--lib"])
            .arg("--target-dir")
            .arg(target)
            .output()
            .expect("Cargo runs");
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let messages = String::from_utf8(output.stdout).expect("Cargo's messages are text");
        let externs = ["kmcl", "ntsim", "wdk_sys_lite"]
            .iter()
            .map(|name| format!("{name}={}", library(&messages, name)))
            .collect();
        let out = Path::new(env!("CARGO_TARGET_TMPDIR")).join("refusals");
        std::fs::create_dir_all(&out).expect("a folder for what is compiled");
        Self {
            rustc: std::env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned()),
            deps,
            externs,
            out,
        }
    }

    fn compile(&self, program: &Path, emit: &str) -> Output {
        let mut command = Command::new(&self.rustc);
        command
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .args([
                "--edition=2024",
                "--crate-type=bin",
                "--error-format=human",
                "--diagnostic-width=300",
                "--color=never",
            ])
            .arg(format!("--emit={emit}"))
            .arg("--out-dir")
            .arg(&self.out)
            .arg("-L")
            .arg(format!("dependency={}", self.deps.display()));
        for library in &self.externs {
            command.args(["--extern", library]);
        }
        command.arg(program).output().expect("the compiler runs")
    }
}

/// The file of a library in Cargo's messages.
fn library(messages: &str, name: &str) -> String {
    let file = messages
        .lines()
        .filter(|line| {
            line.contains("\"compiler-artifact\"") && line.contains(&format!("\"name\":\"{name}\""))
        })
        .flat_map(|line| line.split('"'))
        .find(|text| {
            Path::new(text)
                .extension()
                .is_some_and(|extension| extension == "rlib")
        });
    file.unwrap_or_else(|| panic!("no library {name} in {messages}"))
        .to_owned()
}

/// Lines that say nothing about the program.
const OMITTED: [&str; 5] = [
    "error: aborting due to",
    "For more information about",
    "Some errors have detailed",
    "the full name for the type has been written",
    "consider using `--verbose`",
];

/// The compiler's message without what differs from machine to machine, and without the lines of
/// other files, which change with every edit there.
fn normal(message: &str, program: &Path) -> String {
    let program = program.display().to_string();
    let mut foreign = false;
    let mut text = String::new();
    for line in message.lines() {
        let place = line.trim_start();
        if let Some(file) = place
            .strip_prefix("--> ")
            .or_else(|| place.strip_prefix("::: "))
        {
            foreign = !file.starts_with(&program);
            if foreign {
                let arrow = &place[..4];
                let file = file.split_once(".rs:").map_or(file, |(file, _)| file);
                let file = file.split_once("/library/").map_or(file, |(_, file)| file);
                let file = file
                    .strip_prefix(env!("CARGO_MANIFEST_DIR"))
                    .unwrap_or(file);
                let file = file
                    .rsplit_once("crates/kmcl/")
                    .map_or(file, |(_, file)| file);
                let _ = writeln!(text, " {arrow}{file}.rs");
                continue;
            }
        }
        if foreign
            && let Some((number, rest)) = line.split_once('|')
            && number.trim().bytes().all(|byte| byte.is_ascii_digit())
        {
            let _ = writeln!(text, "  |{rest}");
            continue;
        }
        if line.is_empty() {
            foreign = false;
        }
        if !OMITTED.iter().any(|part| line.contains(part)) {
            let _ = writeln!(text, "{}", line.trim_end());
        }
    }
    text.trim_end().to_owned() + "\n"
}

/// The difference between what is expected of a program and what the compiler says.
fn check(compiler: &Compiler, program: &Path) -> Option<String> {
    let output = compiler.compile(program, "obj");
    if output.status.success() {
        return Some(format!("{} compiles", program.display()));
    }
    let message = normal(&String::from_utf8_lossy(&output.stderr), program);
    let file = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join(program)
        .with_extension("stderr");
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&file, &message).expect("the message is written");
    }
    let expected = std::fs::read_to_string(&file).unwrap_or_default();
    (message != expected).then(|| {
        format!(
            "{}: the compiler says\n{message}\nexpected is\n{expected}\n(BLESS=1 writes the new message)",
            program.display()
        )
    })
}

#[test]
fn mistakes_do_not_compile() {
    let compiler = Compiler::new();
    let mut programs: Vec<PathBuf> =
        std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/refused"))
            .expect("the programs")
            .map(|entry| Path::new("tests/refused").join(entry.expect("an entry").file_name()))
            .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
            .collect();
    programs.sort();
    assert!(!programs.is_empty());
    let (next, problems) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while let Some(program) = programs.get(next.fetch_add(1, Ordering::Relaxed)) {
                    problems
                        .lock()
                        .expect("no panic holds it")
                        .extend(check(&compiler, program));
                }
            });
        }
    });
    let problems = problems.into_inner().expect("no panic holds it");
    assert!(problems.is_empty(), "{}", problems.join("\n\n"));

    let accepted = Path::new("tests/accepted/handler.rs");
    let output = compiler.compile(accepted, "link");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let run = Command::new(compiler.out.join("handler"))
        .output()
        .expect("it runs");
    assert!(
        run.status.success(),
        "{}",
        String::from_utf8_lossy(&run.stderr)
    );
}
