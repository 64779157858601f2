//! The program as a user runs it: files through the guest and back, bad usage, exit codes.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::{Streams, run};

/// What a run printed, and its exit code.
struct Output {
    code: u8,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
}

fn vmbsim_with(input: &[u8], arguments: &[&str]) -> Output {
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    let arguments = std::iter::once("vmbsim")
        .chain(arguments.iter().copied())
        .map(OsString::from);
    let mut streams = Streams {
        input: &mut &*input,
        output: &mut stdout,
        error: &mut stderr,
    };
    let code = run(arguments, &mut streams);
    Output { code, stdout, stderr }
}

fn vmbsim(arguments: &[&str]) -> Output {
    vmbsim_with(&[], arguments)
}

/// A file in a folder of this test run's own.
fn place(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("vmbsim-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder for the test's files");
    folder.join(name)
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path of plain letters")
}

fn bytes(length: usize) -> Vec<u8> {
    let mut state = 0x2545_F491_4F6C_DD1D_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    std::iter::repeat_with(&mut next).flatten().take(length).collect()
}

/// Sends a file of `length` bytes and returns the report.
fn send(length: usize, more: &[&str]) -> Value {
    let name = format!("{length}{}", more.concat().replace('-', "_"));
    let (input, output) = (place(&format!("in_{name}")), place(&format!("out_{name}")));
    std::fs::write(&input, bytes(length)).unwrap();
    let mut arguments = vec!["--json", "--input", text(&input), "--output", text(&output)];
    arguments.extend(more);
    let result = vmbsim(&arguments);
    let report = String::from_utf8(result.stdout).unwrap();
    assert_eq!(
        result.code,
        0,
        "{report}{}",
        String::from_utf8_lossy(&result.stderr)
    );
    assert_eq!(std::fs::read(&output).unwrap(), bytes(length), "what came back");
    serde_json::from_str(&report).expect("one JSON object")
}

fn refused(arguments: &[&str], why: &str) {
    let result = vmbsim(arguments);
    let error = String::from_utf8_lossy(&result.stderr).into_owned();
    assert_eq!(result.code, 2, "{error}");
    assert!(error.contains(why), "{error}");
    assert!(result.stdout.is_empty());
}

#[test]
fn files_of_every_kind_of_length_come_back_unchanged() {
    for length in [0, 1, 3975, 3976, 3977, 100_000] {
        let report = send(length, &["--message-size", "4000"]);
        assert_eq!(report["bytes"], length);
        assert_eq!(report["sha256_in"], report["sha256_out"]);
        assert_eq!(report["bug_check"], Value::Null);
        assert_eq!(report["leaks"], 0);
    }
}

#[test]
fn every_message_size_up_to_the_limit_works() {
    for size in ["25", "31", "32", "4096", "16384", "65536"] {
        send(20_000, &["--message-size", size]);
    }
}

#[test]
fn nothing_is_allocated_in_the_steady_state() {
    for seed in 1..6 {
        let report = send(2_000_000, &["--seed", &seed.to_string()]);
        assert_eq!(report["steady_state_pool_allocations"], 0, "seed {seed}");
    }
}

#[test]
fn misses_of_the_lookaside_lists_do_not_grow_with_the_transfer() {
    let input = place("repeated");
    std::fs::write(&input, bytes(1_000_000)).unwrap();
    let misses = |repeat: &str| {
        let result = vmbsim(&["--json", "--input", text(&input), "--repeat", repeat]);
        let report: Value = serde_json::from_slice(&result.stdout).unwrap();
        report["lookaside_misses"].clone()
    };
    assert_eq!(misses("1"), misses("3"));
}

#[test]
fn a_seed_repeats_a_run_and_another_seed_does_not() {
    let hash = |seed: &str| send(10_000, &["--seed", seed])["schedule_hash"].clone();
    assert_eq!(hash("7"), hash("7"));
    assert_ne!(hash("7"), hash("8"));
}

#[test]
fn every_host_and_both_settings_of_the_verifier_work() {
    for host in ["echo", "slow", "full"] {
        send(50_000, &["--host", host]);
    }
    send(50_000, &["--verifier", "off"]);
    for processors in ["1", "2", "8"] {
        send(50_000, &["--processors", processors]);
    }
}

#[test]
fn a_host_that_takes_its_device_back_ends_the_transfer_and_is_no_finding() {
    let input = place("rescinded");
    std::fs::write(&input, bytes(100_000)).unwrap();
    let result = vmbsim(&["--json", "--input", text(&input), "--host", "rescind"]);
    assert_eq!(result.code, 0, "{}", String::from_utf8_lossy(&result.stderr));
    let report: Value = serde_json::from_slice(&result.stdout).unwrap();
    assert!(report["bytes_back"].as_u64().unwrap() < 100_000, "{report}");
    assert_eq!(report["leaks"], 0);
    assert_eq!(report["bug_check"], Value::Null);
}

#[test]
fn standard_input_and_output_stand_for_files() {
    let result = vmbsim_with(b"through the guest", &["--input", "-", "--output", "-"]);
    assert_eq!(result.stdout, b"through the guest");
    assert!(
        String::from_utf8_lossy(&result.stderr).contains("SHA-256"),
        "the table goes to standard error"
    );
}

#[test]
fn the_table_says_what_happened() {
    let result = vmbsim(&[]);
    assert_eq!(result.code, 0);
    let table = String::from_utf8_lossy(&result.stdout).into_owned();
    for word in [
        "bytes in",
        "SHA-256 out",
        "lookaside hits",
        "bug check",
        "leaks",
        "seed",
        "schedule",
    ] {
        assert!(table.contains(word), "{word} in {table}");
    }
}

#[test]
fn bad_usage_is_refused_with_its_reason() {
    refused(&["--input", "/no/such/file"], "cannot read /no/such/file");
    refused(&["--output", "/no/such/folder/file"], "cannot write");
    refused(&["--message-size", "0"], "at least 25");
    refused(&["--message-size", "24"], "at least 25");
    refused(&["--message-size", "65537"], "above the driver's limit of 65536");
    refused(&["--message-size", "many"], "invalid digit");
    refused(&["--processors", "0"], "1 to 64");
    refused(&["--repeat", "0"], "0");
    refused(&["--host", "nobody"], "echo");
    refused(&["explore", "--seeds", "0"], "0");
    refused(&["--no-such-option"], "unexpected argument");
}

#[test]
fn help_names_every_option() {
    let result = vmbsim(&["--help"]);
    assert_eq!(result.code, 0);
    let help = String::from_utf8_lossy(&result.stdout).into_owned();
    for option in [
        "--input",
        "--output",
        "--message-size",
        "--repeat",
        "--seed",
        "--processors",
        "--host",
        "--verifier",
        "--json",
        "explore",
    ] {
        assert!(help.contains(option), "{option} in {help}");
    }
}

#[test]
fn exploring_finds_nothing_in_the_driver() {
    let result = vmbsim(&["explore", "--seeds", "100", "--seed", "1000"]);
    let text = String::from_utf8_lossy(&result.stdout).into_owned();
    assert_eq!(result.code, 0, "{text}");
    assert!(text.contains("100 seeds from 1000"), "{text}");
}
