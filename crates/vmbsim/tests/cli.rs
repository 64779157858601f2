//! The program as a user runs it: files through the guest and back, bad usage, exit codes.

#![cfg(target_os = "linux")]

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

/// What a run printed, and its exit code.
struct Output {
    code: i32,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
}

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vmbsim"));
    command.args(arguments).stdin(Stdio::null());
    command
}

fn vmbsim_with(input: &[u8], arguments: &[&str]) -> Output {
    let mut child = command(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program");
    child
        .stdin
        .take()
        .expect("a pipe")
        .write_all(input)
        .expect("the program reads");
    let output = child.wait_with_output().expect("an end");
    Output {
        code: output.status.code().expect("no signal"),
        stdout: output.stdout,
        stderr: output.stderr,
    }
}

fn vmbsim(arguments: &[&str]) -> Output {
    vmbsim_with(&[], arguments)
}

/// A file in the folder that Cargo keeps for tests.
fn place(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(name)
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

/// A host that takes its device back ends the transfer in the middle, with requests under way, and what was counted is kept.
#[test]
fn a_host_that_takes_its_device_back_interrupts_the_transfer() {
    for seed in 1..=10 {
        let seed = seed.to_string();
        let result = vmbsim(&["--json", "--host", "rescind", "--seed", &seed]);
        assert_eq!(result.code, 3, "{}", String::from_utf8_lossy(&result.stderr));
        let report: Value = serde_json::from_slice(&result.stdout).unwrap();
        let number = |name: &str| {
            report[name]
                .as_u64()
                .unwrap_or_else(|| panic!("{name} in {report}"))
        };
        assert_eq!(report["interrupted"], true);
        assert!(number("requests_interrupted") > 0, "{report}");
        assert!(number("bytes_back") < number("bytes"), "{report}");
        assert!(number("messages") > 1000, "{report}");
        assert!(number("packets") > 2 * number("messages"), "{report}");
        assert!(number("lookaside_hits") > 0, "{report}");
        assert_eq!(number("leaks"), 0);
        assert_eq!(report["bug_check"], Value::Null);
    }
    let whole = send(10_000, &[]);
    assert_eq!(whole["interrupted"], false);
    assert_eq!(whole["requests_interrupted"], 0);
}

#[test]
fn an_interrupted_or_failed_run_leaves_the_output_as_it_was() {
    let file = place("precious");
    std::fs::write(&file, bytes(100_000)).unwrap();
    let both = ["--input", text(&file), "--output", text(&file)];
    let result = vmbsim(&[&both[..], &["--host", "rescind"]].concat());
    assert_eq!(result.code, 3);
    assert!(String::from_utf8_lossy(&result.stderr).contains("is left as it was"));
    assert_eq!(std::fs::read(&file).unwrap(), bytes(100_000));

    let result = vmbsim(&["--input", "/proc/self/mem", "--output", text(&file)]);
    assert_eq!(result.code, 2);
    assert!(String::from_utf8_lossy(&result.stderr).contains("cannot read /proc/self/mem"));
    assert_eq!(std::fs::read(&file).unwrap(), bytes(100_000));

    let result = vmbsim(&both);
    assert_eq!(result.code, 0);
    assert_eq!(std::fs::read(&file).unwrap(), bytes(100_000));

    let new = place("never-written");
    let result = vmbsim(&["--host", "rescind", "--output", text(&new)]);
    assert_eq!(result.code, 3);
    assert!(!new.exists());
    assert!(no_temporary_files(), "temporary files are left");
}

fn no_temporary_files() -> bool {
    std::fs::read_dir(env!("CARGO_TARGET_TMPDIR"))
        .unwrap()
        .all(|entry| {
            !entry
                .unwrap()
                .file_name()
                .to_string_lossy()
                .starts_with(".vmbsim-")
        })
}

#[test]
fn a_link_and_the_permissions_of_the_output_stay() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let (file, link) = (place("linked"), place("link"));
    std::fs::write(&file, b"before").unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o640)).unwrap();
    let _ = std::fs::remove_file(&link);
    symlink(&file, &link).unwrap();
    let result = vmbsim_with(b"after", &["--input", "-", "--output", text(&link)]);
    assert_eq!(result.code, 0);
    assert!(link.is_symlink());
    assert_eq!(std::fs::read(&file).unwrap(), b"after");
    assert_eq!(
        std::fs::metadata(&file).unwrap().permissions().mode() & 0o777,
        0o640
    );
}

#[test]
fn what_cannot_be_written_is_an_error() {
    let full: [&[&str]; 6] = [
        &[],
        &["--json"],
        &["--help"],
        &["--output", "-"],
        &["explore", "--seeds", "2"],
        &["--version"],
    ];
    for arguments in full {
        let output = command(arguments)
            .stdout(File::options().write(true).open("/dev/full").unwrap())
            .output()
            .unwrap();
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {error}");
        assert!(
            error.contains("cannot write standard output"),
            "{arguments:?}: {error}"
        );
    }
    refused(&["--output", "/dev/full"], "cannot write /dev/full");
}

#[test]
fn a_closed_pipe_ends_the_program_quietly() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = command(&["--json"]).stdout(writer).output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}

/// The most memory that the program had, in KiB.
#[allow(
    clippy::zombie_processes,
    reason = "wait4 waits for it, and says what it used"
)]
fn peak_memory(arguments: &[&str]) -> i64 {
    let child = command(arguments).stdout(Stdio::null()).spawn().unwrap();
    let id = libc::pid_t::try_from(child.id()).unwrap();
    // SAFETY: an all-zero `rusage` is a valid one.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    let mut status = 0;
    // SAFETY: the child is this process's own and nobody else waits for it; both places may be written.
    let waited = unsafe { libc::wait4(id, &raw mut status, 0, &raw mut usage) };
    assert_eq!((waited, status), (id, 0));
    usage.ru_maxrss
}

#[test]
fn memory_does_not_grow_with_the_data() {
    let input = place("memory");
    std::fs::write(&input, bytes(100_000)).unwrap();
    let peak = |repeat| {
        let output = place(&format!("memory-out-{repeat}"));
        peak_memory(&[
            "--input",
            text(&input),
            "--output",
            text(&output),
            "--repeat",
            repeat,
        ])
    };
    let (short, long) = (peak("20"), peak("200"));
    assert!(
        10 * long <= 11 * short,
        "{short} KiB for 2 MB, {long} KiB for 20 MB"
    );
}

/// With too few addresses the program says how many it needs; with some gigabytes fewer than the machine has it runs.
#[test]
fn addresses_are_asked_for_as_they_are_needed() {
    let limited = |kib: u32, arguments: &str| {
        Command::new("sh")
            .args(["-c", &format!("ulimit -v {kib} && exec \"$0\" {arguments}")])
            .arg(env!("CARGO_BIN_EXE_vmbsim"))
            .stdin(Stdio::null())
            .output()
            .unwrap()
    };
    for arguments in ["--json", "explore --seeds 3"] {
        assert_eq!(limited(3_000_000, arguments).status.code(), Some(0));
        let output = limited(200_000, arguments);
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{error}");
        assert!(error.contains("needs 256 MiB of address space"), "{error}");
        assert!(error.contains("ulimit -v"), "{error}");
    }
}

#[test]
fn an_endless_input_is_sent_as_it_comes() {
    let mut child = command(&["--input", "/dev/zero", "--output", "-"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut some = vec![1; 1 << 20];
    std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut some).unwrap();
    assert!(some.iter().all(|byte| *byte == 0));
    drop(child.stdout.take());
    assert_eq!(child.wait().unwrap().code(), Some(0), "a closed pipe ends it");
}

#[test]
fn a_signal_takes_the_unfinished_output_with_it() {
    let output = place("interrupted-by-a-signal");
    let mut child = command(&["--input", "/dev/zero", "--output", text(&output)])
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    // By then it has begun to write; if not, there is nothing to clean up either.
    std::thread::sleep(std::time::Duration::from_millis(500));
    let id = libc::pid_t::try_from(child.id()).unwrap();
    // SAFETY: the child has not been waited for, so the number is its own.
    let sent = unsafe { libc::kill(id, libc::SIGTERM) };
    assert_eq!(sent, 0);
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(!output.exists());
}

#[test]
fn standard_input_and_output_stand_for_files() {
    let result = vmbsim_with(b"through the guest", &["--input", "-", "--output", "-"]);
    assert_eq!(result.stdout, b"through the guest");
    assert!(
        String::from_utf8_lossy(&result.stderr).contains("SHA-256"),
        "the report goes to standard error"
    );
}

/// The first run: thousands of messages in both directions, transactions among them, and a report in plain words.
#[test]
fn the_report_of_the_first_run_says_what_happened() {
    let result = vmbsim(&[]);
    assert_eq!(result.code, 0);
    let report = String::from_utf8_lossy(&result.stdout).into_owned();
    for words in [
        "Fine: every byte came back as it was sent",
        "2 processors, Driver Verifier on, seed 1",
        "EvtDriverDeviceAdd, EvtDevicePrepareHardware, EvtDeviceD0Entry",
        "EvtChannelClosed",
        "12,000 messages and 4,000 transactions",
        "SHA-256 out",
        "bug check     none",
        "leaks         none",
        "0 allocations once warm, after 100 messages",
        "a message",
        "repeat with   cargo sim --seed 1",
    ] {
        assert!(report.contains(words), "{words} in {report}");
    }
    assert!(report.lines().all(|line| line.chars().count() <= 80), "{report}");
    assert_eq!(String::from_utf8_lossy(&result.stderr), "");
}

#[test]
fn what_was_not_measured_is_not_claimed() {
    let result = vmbsim_with(b"a few bytes", &["--input", "-"]);
    assert!(String::from_utf8_lossy(&result.stdout).contains("not measured"));
    let report = send(10, &[]);
    assert_eq!(report["steady_state_pool_allocations"], Value::Null);
}

/// A larger message than the driver takes by default needs another parameter, and the report says so.
#[test]
fn a_parameter_of_the_drivers_that_is_not_the_default_is_named() {
    let report = |size| {
        let result = vmbsim_with(b"little", &["--input", "-", "--message-size", size]);
        let text = String::from_utf8(result.stdout).unwrap();
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    assert!(report("16385").contains("MaximumMessageSize set to 65,536 bytes"));
    assert!(report("16384").contains("parameters at their defaults"));
}

#[test]
fn bad_usage_is_refused_with_its_reason() {
    refused(&["--input", "/no/such/file"], "cannot read /no/such/file");
    refused(&["--input", "/"], "cannot read /");
    refused(&["--output", "/no/such/folder/file"], "cannot write");
    refused(&["--output", "/"], "cannot write /");
    refused(&["--input", "/dev/zero", "--repeat", "2"], "not a regular file");
    refused(&["--host", "nobody"], "echo");
    refused(&["--no-such-option"], "unexpected argument");
    refused(
        &["explore", "--seed", "18446744073709551615", "--seeds", "2"],
        "above 18446744073709551615",
    );
}

/// Every number out of range gets an error with the option, the limits and what was given, and the help has the limits.
#[test]
fn numbers_out_of_range_are_refused_with_their_limits() {
    let numbers: [(&[&str], &str, &str, &[&str]); 8] = [
        (&[], "--message-size", "25 to 65536", &["24", "65537"]),
        (
            &[],
            "--repeat",
            "1 to 1000000000",
            &["0", "1000000001", "9223372036854775808"],
        ),
        (&[], "--processors", "1 to 64", &["0", "65"]),
        (&[], "--seed", "0 to 18446744073709551615", &[]),
        (&["explore"], "--seeds", "1 to 1000000000", &["0"]),
        (&["explore"], "--seed", "0 to 18446744073709551615", &[]),
        (&["explore"], "--processors", "1 to 64", &["0"]),
        (&["explore"], "--jobs", "1 to 1000000000", &["0"]),
    ];
    for (command, option, limits, values) in numbers {
        for value in values
            .iter()
            .chain(&["-5", "many", "1.5", "99999999999999999999999"])
        {
            let arguments = [command, &[option, value]].concat();
            let result = vmbsim(&arguments);
            let error = String::from_utf8_lossy(&result.stderr).into_owned();
            assert_eq!(result.code, 2, "{error}");
            for part in [option, limits, value] {
                assert!(error.contains(part), "{part} in {error}");
            }
        }
        let help = vmbsim(&[command, &["--help"]].concat());
        let help = String::from_utf8_lossy(&help.stdout)
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ");
        assert!(help.contains(limits), "{limits} in {help}");
    }
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
