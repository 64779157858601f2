//! Resident memory does not grow with the data, nor threads with the jobs.

use std::process::Stdio;
use std::time::Duration;

use crate::program::{Place, bytes, command};

/// A number in a process's status; none once the process has ended.
fn status(pid: u32, name: &str) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

/// Sends so much that the program is at work for a while, reads the peak of its resident memory
/// each time so many bytes have come back, and ends it.
fn peaks(arguments: &[&str], at: &[u64]) -> Vec<u64> {
    let place = Place::new();
    let output = place.path("out");
    let mut all = vec!["--output", "-"];
    all.extend(arguments);
    let mut child = command(all)
        .stdout(Stdio::from(std::fs::File::create(&output).unwrap()))
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut peaks = Vec::new();
    for length in at {
        while output.metadata().unwrap().len() < *length {
            assert!(child.try_wait().unwrap().is_none(), "the program has ended");
            std::thread::sleep(Duration::from_millis(5));
        }
        peaks.push(status(child.id(), "VmHWM:").expect("the program runs"));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    peaks
}

/// Within ten percent, or the pages of a few allocations.
#[track_caller]
fn assert_flat(peaks: &[u64]) {
    let (least, most) = (peaks.iter().min().unwrap(), peaks.iter().max().unwrap());
    assert!(most * 10 <= least * 11, "peaks in KiB: {peaks:?}");
}

#[test]
fn a_file_sent_more_often_needs_no_more_memory() {
    let place = Place::new();
    let input = place.file("in", &bytes(100_000));
    let arguments = ["--input", &input, "--repeat", "1000000"];
    assert_flat(&peaks(&arguments, &[5_000_000, 10_000_000, 20_000_000]));
}

#[test]
fn an_endless_input_needs_no_more_memory_as_time_goes_on() {
    let arguments = ["--input", "/dev/zero", "--message-size", "4000"];
    assert_flat(&peaks(&arguments, &[4_000_000, 16_000_000]));
}

#[test]
fn there_are_no_more_threads_than_processors() {
    let mut child = command(["explore", "--seeds", "40", "--jobs", "100000"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut most = 0;
    while child.try_wait().unwrap().is_none() {
        most = most.max(status(child.id(), "Threads:").unwrap_or(0));
        std::thread::sleep(Duration::from_millis(1));
    }
    let processors = std::thread::available_parallelism().unwrap().get() as u64;
    // The first thread, and for each job one that hands out, one for its machine, and perhaps the
    // last machine's, which the system has not taken away yet.
    assert!((2..=1 + 3 * processors).contains(&most), "{most} threads");
}
