//! Files through the guest and back.

use std::os::unix::fs::PermissionsExt;

use serde_json::Value;

use crate::program::{Place, bytes, code, json, stderr, text, vmbsim, vmbsim_with};

/// Sends a file of `length` bytes, looks at what came back, and returns the report.
#[track_caller]
fn send(length: usize, more: &[&str]) -> Value {
    let place = Place::new();
    let input = place.file("in", &bytes(length));
    let output = text(&place.path("out"));
    let (code, report) = json(&[&["--input", &input, "--output", &output], more].concat());
    assert_eq!(code, 0, "{report}");
    assert_eq!(
        std::fs::read(&output).unwrap(),
        bytes(length),
        "what came back"
    );
    assert_eq!(
        place.names(),
        ["in", "out"],
        "nothing is left beside the output"
    );
    report
}

#[test]
fn files_of_every_kind_of_length_come_back_unchanged() {
    for length in [0, 1, 3975, 3976, 3977, 100_000] {
        let report = send(length, &["--message-size", "4000"]);
        assert_eq!(report["bytes"], length);
        assert_eq!(report["sha256_in"], report["sha256_out"]);
        assert_eq!(report["bug_check"], Value::Null);
        assert_eq!(report["leaks"], 0);
        assert_eq!(report["interrupted"], false);
    }
}

#[test]
fn every_message_size_up_to_the_limit_works() {
    for size in ["25", "31", "32"] {
        send(1_000, &["--message-size", size]);
    }
    for size in ["4096", "16384", "16385", "65536", "mixed"] {
        send(200_000, &["--message-size", size]);
    }
}

#[test]
fn every_host_and_both_settings_of_the_verifier_work() {
    for host in ["echo", "slow", "full"] {
        send(50_000, &["--host", host]);
    }
    send(50_000, &["--verifier", "off"]);
    for processors in ["1", "2", "8", "64"] {
        send(50_000, &["--processors", processors]);
    }
}

#[test]
fn nothing_is_allocated_in_the_steady_state() {
    for processors in ["1", "2", "4"] {
        for seed in ["1", "2", "3"] {
            for size in ["mixed", "4000"] {
                let report = send(
                    1_000_000,
                    &[
                        "--seed",
                        seed,
                        "--processors",
                        processors,
                        "--message-size",
                        size,
                    ],
                );
                let about = format!("seed {seed}, {processors} processors, size {size}");
                assert_eq!(report["steady_state_pool_allocations"], 0, "{about}");
                assert!(
                    report["steady_state_messages"].as_u64().unwrap() > 50,
                    "{about}"
                );
            }
        }
    }
}

#[test]
fn misses_of_the_lookaside_lists_do_not_grow_with_the_transfer() {
    let misses = |length| send(length, &["--message-size", "1000"])["lookaside_misses"].clone();
    assert_eq!(misses(500_000), misses(1_500_000));
}

#[test]
fn a_seed_repeats_a_run_and_another_seed_does_not() {
    let hash = |seed: &str| send(10_000, &["--seed", seed])["schedule_hash"].clone();
    assert_eq!(hash("7"), hash("7"));
    assert_ne!(hash("7"), hash("8"));
    assert_ne!(hash("0"), hash("18446744073709551615"));
}

#[test]
fn standard_input_and_output_stand_for_files() {
    let result = vmbsim_with(b"through the guest", &["--input", "-", "--output", "-"]);
    assert_eq!(code(&result), 0);
    assert_eq!(result.stdout, b"through the guest");
    assert!(
        stderr(&result).contains("SHA-256"),
        "the report goes to standard error"
    );
}

#[test]
fn an_input_is_sent_as_often_as_asked_for() {
    let place = Place::new();
    let input = place.file("in", &bytes(10_000));
    let output = text(&place.path("out"));
    let (code, report) = json(&["--input", &input, "--repeat", "3", "--output", &output]);
    assert_eq!((code, &report["bytes"]), (0, &Value::from(30_000)));
    assert_eq!(std::fs::read(&output).unwrap(), bytes(10_000).repeat(3));
    let piped = vmbsim_with(
        &bytes(10_000),
        &["--input", "-", "--output", "-", "--repeat", "3"],
    );
    assert_eq!(
        piped.stdout,
        bytes(10_000).repeat(3),
        "what came through a pipe"
    );
    let empty = place.file("empty", b"");
    let (code, report) = json(&["--input", &empty, "--repeat", "1000000000"]);
    assert_eq!((code, &report["bytes"]), (0, &Value::from(0)));
}

#[test]
fn a_file_can_be_its_own_output() {
    let place = Place::new();
    let file = place.file("f", &bytes(100_000));
    let (code, report) = json(&["--input", &file, "--output", &file]);
    assert_eq!(code, 0, "{report}");
    assert_eq!(std::fs::read(&file).unwrap(), bytes(100_000));
}

#[test]
fn the_output_keeps_the_permissions_and_the_link_of_what_it_replaces() {
    let place = Place::new();
    let file = place.file("f", b"before");
    let link = place.path("link");
    std::os::unix::fs::symlink(&file, &link).unwrap();
    std::fs::set_permissions(&file, PermissionsExt::from_mode(0o640)).unwrap();
    let input = place.file("in", b"after");
    let result = vmbsim(["--input", &input, "--output", &text(&link)]);
    assert_eq!(code(&result), 0);
    assert_eq!(std::fs::read(&file).unwrap(), b"after");
    assert!(link.is_symlink());
    let mode = std::fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o640);
}

#[test]
fn a_link_to_a_file_that_is_not_there_yet_stays_a_link() {
    let place = Place::new();
    let link = place.path("link");
    std::os::unix::fs::symlink("made", &link).unwrap();
    let output = vmbsim(["--input", "/dev/null", "--output", &text(&link)]);
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    assert!(link.is_symlink());
    assert_eq!(std::fs::read(place.path("made")).unwrap(), b"");
}
