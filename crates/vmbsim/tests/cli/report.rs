//! The report for people.

use crate::program::{Place, bytes, code, command, json, stderr, stdout, vmbsim};

#[test]
fn the_report_fits_eighty_columns_or_those_that_there_are() {
    let place = Place::new();
    let input = place.file("in", &bytes(500_000));
    for more in [
        &[][..],
        &["--host", "rescind"],
        &["--message-size", "65536"],
    ] {
        let arguments = [&["--input", input.as_str()], more].concat();
        let widest = |columns: Option<&str>| {
            let mut command = command(&arguments);
            if let Some(columns) = columns {
                command.env("COLUMNS", columns);
            }
            let text = stdout(&command.output().unwrap());
            let digits: Vec<String> = text
                .lines()
                .map(|line| line.trim().to_owned())
                .filter(|line| line.len() > 20 && line.bytes().all(|byte| byte.is_ascii_hexdigit()))
                .collect();
            assert!(digits.len() >= 2, "both SHA-256 are there: {text}");
            text.lines().map(|line| line.chars().count()).max().unwrap()
        };
        assert!((61..=80).contains(&widest(None)), "{more:?}");
        assert!((61..=80).contains(&widest(Some("80"))), "{more:?}");
        assert!((41..=60).contains(&widest(Some("60"))), "{more:?}");
        assert!((61..=80).contains(&widest(Some("nonsense"))), "{more:?}");
    }
}

#[test]
fn the_report_says_what_happened_in_groups() {
    let place = Place::new();
    let input = place.file("in", &bytes(500_000));
    let result = vmbsim(["--input", &input]);
    assert_eq!(code(&result), 0);
    assert_eq!(
        stderr(&result).lines().count(),
        1,
        "one line says what runs"
    );
    let text = stdout(&result);
    let groups = [
        "What was booted",
        "What the driver did, step by step",
        "What came of it",
        "What was checked",
        "What it cost",
    ];
    let mut from = 0;
    for group in groups {
        let heading = format!("\n\n{group}\n");
        let place = text[from..].find(&heading);
        from += place.unwrap_or_else(|| panic!("{group} in {text}"));
    }
    for word in [
        "DriverEntry",
        "EvtDeviceD0Entry",
        "EvtVmbChannelProcessPacket",
        "EvtDeviceD0Exit",
        "transactions",
        "SHA-256 out",
        "bug check",
        "leaks",
        "lookaside lists",
        "once warm",
        "copied",
        "kernel calls",
    ] {
        assert!(text.contains(word), "{word} in {text}");
    }
}

/// The first run of somebody who has never seen the project.
#[test]
fn the_run_without_options_sends_thousands_of_messages_and_measures_them() {
    let (code, report) = json(&[]);
    assert_eq!(code, 0);
    let number = |name: &str| {
        report[name]
            .as_u64()
            .unwrap_or_else(|| panic!("{name} in {report}"))
    };
    assert!(number("messages") > 5_000, "{report}");
    assert!(number("transactions") > 1_000, "{report}");
    assert!(number("transactions") < number("messages") / 2, "{report}");
    assert_eq!(number("messages"), number("messages_back"));
    assert_eq!(number("steady_state_pool_allocations"), 0);
    assert_eq!(number("steady_state_messages"), number("messages") - 100);
    // A packet there and a packet back for each message, and those of the warm-up.
    assert!(number("packets") >= 2 * number("messages"));
    let packets = report["packets_per_message"].as_f64().unwrap();
    assert!((2.0..2.1).contains(&packets), "{report}");
    assert!(
        report["kernel_calls_per_message"].as_f64().unwrap() > 10.0,
        "{report}"
    );
    // Into the ring on one way, out of the ring or into a system buffer on the other.
    assert!(
        report["bytes_copied_per_byte"].as_f64().unwrap() > 1.0,
        "{report}"
    );
}

#[test]
fn what_was_not_measured_is_not_given_as_a_number() {
    let (code, report) = json(&["--input", "/dev/null"]);
    assert_eq!(code, 0);
    assert!(
        report["steady_state_pool_allocations"].is_null(),
        "{report}"
    );
    assert!(report["packets_per_message"].is_null(), "{report}");
    let text = stdout(&vmbsim(["--input", "/dev/null"]));
    assert!(text.contains("not measured"), "{text}");
}

#[test]
fn help_fits_as_the_report_does() {
    for arguments in [&["--help"][..], &["explore", "--help"]] {
        for (columns, most) in [("80", 80), ("60", 60)] {
            let help = command(arguments).env("COLUMNS", columns).output().unwrap();
            let help = stdout(&help);
            let widest = help.lines().map(|line| line.chars().count()).max().unwrap();
            // The list of exit codes is a table, which is not wrapped.
            assert!(
                (most - 20..=most.max(76)).contains(&widest),
                "{widest}: {help}"
            );
        }
    }
}
