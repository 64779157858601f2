//! What fails, and what it leaves.

use std::fs::File;
use std::io::Read;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::program::{Place, bytes, code, command, json, refused, stderr, stdout, text, vmbsim};

#[test]
fn a_host_that_takes_its_device_back_leaves_the_file_and_says_so() {
    let place = Place::new();
    let file = place.file("f", &bytes(100_000));
    for (more, fate) in [("f", "is as it was before"), ("new", "was not made")] {
        let output = text(&place.path(more));
        let arguments = ["--input", &file, "--output", &output, "--host", "rescind"];
        let result = vmbsim(arguments);
        assert_eq!(code(&result), 3, "{}", stderr(&result));
        let report = stdout(&result).replace('\n', " ");
        assert!(report.contains(fate), "{report}");
        assert!(report.contains("interrupted"), "{report}");
    }
    assert_eq!(std::fs::read(&file).unwrap(), bytes(100_000));
    assert_eq!(place.names(), ["f"]);
}

#[test]
fn the_device_is_taken_back_while_requests_are_under_way() {
    let place = Place::new();
    let file = place.file("f", &bytes(100_000));
    for seed in ["1", "2", "3", "4", "5"] {
        for processors in ["1", "2", "4"] {
            let (code, report) = json(&[
                "--input",
                &file,
                "--host",
                "rescind",
                "--seed",
                seed,
                "--processors",
                processors,
            ]);
            let about = format!("seed {seed}, {processors} processors: {report}");
            assert_eq!(code, 3, "{about}");
            assert_eq!(report["interrupted"], true, "{about}");
            assert!(
                report["requests_under_way"].as_u64().unwrap() >= 1,
                "{about}"
            );
            let back = report["bytes_back"].as_u64().unwrap();
            assert!((10_000..90_000).contains(&back), "{about}");
            assert!(
                report["packets"].as_u64().unwrap() >= report["messages_back"].as_u64().unwrap()
            );
            assert!(report["messages_back"].as_u64().unwrap() > 0, "{about}");
            assert!(
                report["kernel_calls_per_message"].as_f64().unwrap() > 1.0,
                "{about}"
            );
            assert_eq!(report["leaks"], 0, "{about}");
            assert_eq!(report["bug_check"], Value::Null, "{about}");
        }
    }
}

#[test]
fn an_error_of_standard_output_is_an_error_of_the_command() {
    for arguments in [
        &["--input", "/dev/null"][..],
        &["--input", "/dev/null", "--json"],
        &["explore", "--seeds", "1"],
        &["--help"],
        &["explore", "--help"],
        &["--version"],
    ] {
        let result = command(arguments)
            .stdout(File::options().write(true).open("/dev/full").unwrap())
            .output()
            .unwrap();
        assert_eq!(code(&result), 2, "{arguments:?}");
        let error = stderr(&result);
        assert!(error.contains("cannot write standard output"), "{error}");
        assert!(error.contains("No space left"), "{error}");
    }
}

#[test]
fn a_report_at_standard_error_that_cannot_be_written_is_an_error_too() {
    let result = command(["--input", "/dev/null", "--output", "-"])
        .stderr(File::options().write(true).open("/dev/full").unwrap())
        .output()
        .unwrap();
    assert_eq!(code(&result), 2);
}

#[test]
fn an_output_that_takes_nothing_is_an_error() {
    refused(
        &["--output", "/dev/full"],
        &["cannot write /dev/full", "only a part"],
    );
    let result = command(["--output", "-"])
        .stdout(File::options().write(true).open("/dev/full").unwrap())
        .output()
        .unwrap();
    assert_eq!(code(&result), 2);
    assert!(stderr(&result).contains("cannot write standard output"));
}

#[test]
fn a_closed_pipe_ends_the_command_quietly() {
    for arguments in [
        &["--input", "/dev/null"][..],
        &["--input", "/dev/null", "--json"],
        &["explore", "--seeds", "1"],
        &["--help"],
        &["--input", "/dev/zero", "--output", "-"],
    ] {
        let mut child = command(arguments).spawn().unwrap();
        drop(child.stdout.take());
        let result = child.wait_with_output().unwrap();
        assert_eq!(code(&result), 0, "{arguments:?}");
        let error = stderr(&result);
        assert!(!error.contains("error"), "{arguments:?}: {error}");
        assert!(error.lines().count() <= 1, "{arguments:?}: {error}");
    }
}

#[test]
fn an_input_that_cannot_be_read_to_its_end_leaves_the_output() {
    let place = Place::new();
    let file = place.file("f", b"before");
    // The first page of a process's addresses cannot be read.
    let result = vmbsim(["--input", "/proc/self/mem", "--output", &file]);
    assert_eq!(code(&result), 2);
    let error = stderr(&result);
    assert!(error.contains("cannot read /proc/self/mem"), "{error}");
    assert!(error.contains("is as it was before"), "{error}");
    assert_eq!(std::fs::read(&file).unwrap(), b"before");
    assert_eq!(place.names(), ["f"]);
}

#[test]
fn bad_files_are_refused_before_anything_runs() {
    let place = Place::new();
    refused(
        &["--input", "/no/such/file"],
        &["cannot read /no/such/file"],
    );
    refused(&["--input", "/"], &["cannot read /", "is a directory"]);
    refused(
        &["--output", "/no/such/folder/file"],
        &["cannot write /no/such/folder/file"],
    );
    refused(&["--output", "/"], &["cannot write /", "is a directory"]);
    let file = place.file("f", b"before");
    refused(
        &["--input", "/no/such/file", "--output", &file],
        &["cannot read /no/such/file"],
    );
    assert_eq!(std::fs::read(&file).unwrap(), b"before");
}

#[test]
fn more_bytes_than_can_be_counted_are_refused() {
    let place = Place::new();
    let sparse = place.file("sparse", b"");
    let file = File::options().write(true).open(&sparse).unwrap();
    file.set_len(1 << 40).unwrap();
    refused(
        &["--input", &sparse, "--repeat", "1000000000"],
        &[
            "--repeat 1000000000",
            "1099511627776 bytes",
            "18,446,744,073,709,551,615",
        ],
    );
}

#[test]
fn a_signal_ends_the_transfer_in_an_orderly_way() {
    let place = Place::new();
    let file = place.file("f", b"before");
    let mut child = command(["--json", "--input", "/dev/zero", "--output", &file])
        .stdin(Stdio::null())
        .spawn()
        .unwrap();
    let pid = child.id().to_string();
    // The line that says what runs comes after the signal's handler has been set.
    let mut first = [0; 1];
    child
        .stderr
        .as_mut()
        .unwrap()
        .read_exact(&mut first)
        .unwrap();
    std::thread::sleep(Duration::from_millis(300));
    let killed = Command::new("kill").args(["-INT", &pid]).status().unwrap();
    assert!(killed.success());
    let result = child.wait_with_output().unwrap();
    assert_eq!(code(&result), 3, "{}", stderr(&result));
    let report: Value = serde_json::from_slice(&result.stdout).unwrap();
    assert_eq!(report["interrupted"], true);
    assert_eq!(
        report["bytes"], report["bytes_back"],
        "what was sent has come back"
    );
    assert_eq!(report["leaks"], 0);
    assert_eq!(std::fs::read(&file).unwrap(), b"before");
    assert_eq!(place.names(), ["f"]);
}

/// With too few addresses the program says how many it needs; with some gigabytes fewer than the
/// machine has it runs.
#[test]
fn too_little_address_space_is_an_error_that_leaves_the_output() {
    let place = Place::new();
    let file = place.file("f", b"before");
    let limited = |kib: u32, arguments: &str| {
        Command::new("sh")
            .args(["-c", &format!("ulimit -v {kib} && exec \"$0\" {arguments}")])
            .arg(env!("CARGO_BIN_EXE_vmbsim"))
            .stdin(Stdio::null())
            .output()
            .unwrap()
    };
    let output = format!("--input /dev/null --output {file}");
    for arguments in ["explore --seeds 3", &output] {
        let result = limited(200_000, arguments);
        assert_eq!(code(&result), 2, "{}", stderr(&result));
        assert!(
            stderr(&result).contains("MiB of address space"),
            "{}",
            stderr(&result)
        );
        assert!(stderr(&result).contains("ulimit -v"), "{}", stderr(&result));
        assert_eq!(std::fs::read(&file).unwrap(), b"before");
        assert_eq!(place.names(), ["f"]);
        assert_eq!(code(&limited(3_000_000, arguments)), 0);
        std::fs::write(&file, b"before").unwrap();
    }
}
