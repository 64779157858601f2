//! The command line: limits, help, and what is refused.

use crate::program::{code, json, refused, stdout, vmbsim};

#[test]
fn each_number_out_of_its_limits_is_refused_with_option_limits_and_value() {
    const HUGE: &str = "99999999999999999999999999";
    let numbers = [
        (
            &["--message-size"][..],
            "25",
            "65536",
            &["-5", "0", "24", "65537", HUGE, "many"][..],
        ),
        (
            &["--repeat"],
            "1",
            "1000000000",
            &["-1", "0", "1000000001", "9223372036854775808", HUGE],
        ),
        (&["--processors"], "1", "64", &["-2", "0", "65", HUGE]),
        (
            &["--seed"],
            "0",
            "18446744073709551615",
            &["-1", "18446744073709551616", "1.5"],
        ),
        (
            &["explore", "--seeds"],
            "1",
            "1000000000",
            &["-7", "0", HUGE],
        ),
        (&["explore", "--jobs"], "1", "1000000", &["-1", "0", HUGE]),
        (&["explore", "--processors"], "1", "64", &["-1", "0", "65"]),
        (
            &["explore", "--seed"],
            "0",
            "18446744073709551615",
            &["-1", HUGE],
        ),
    ];
    for (option, least, most, values) in numbers {
        let name = option.last().unwrap();
        for value in values {
            let arguments = [option, &[*value]].concat();
            refused(
                &arguments,
                &[
                    name,
                    &format!("'{value}'"),
                    &format!("from {least} "),
                    &format!("to {most}"),
                ],
            );
        }
        let mut help: Vec<&str> = option.to_vec();
        help.pop();
        help.push("--help");
        let text = stdout(&vmbsim(help)).replace('\n', " ");
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(
            text.contains(&format!("{least} to {most}")),
            "{name}: {text}"
        );
    }
}

#[test]
fn what_wraps_is_refused_as_it_is() {
    refused(
        &["--repeat", "9223372036854775808", "--message-size", "1000"],
        &["--repeat", "9223372036854775808", "1000000000"],
    );
    refused(
        &["explore", "--seed", "18446744073709551615", "--seeds", "2"],
        &["--seed 18446744073709551615", "--seeds 2", "last seed"],
    );
}

#[test]
fn a_raised_parameter_of_the_driver_is_named() {
    let raised = ["--input", "/dev/null", "--message-size", "65536"];
    let text = stdout(&vmbsim(raised));
    assert!(text.contains("MaximumMessageSize"), "{text}");
    assert!(text.contains("65,536") && text.contains("16,384"), "{text}");
    assert_eq!(json(&raised).1["maximum_message_size"], 65536);
    let usual = ["--input", "/dev/null", "--message-size", "16384"];
    let result = vmbsim(usual);
    assert!(!stdout(&result).contains("MaximumMessageSize"));
    assert_eq!(json(&usual).1["maximum_message_size"], 16384);
}

#[test]
fn what_is_not_known_is_refused() {
    refused(&["--host", "nobody"], &["echo", "rescind"]);
    refused(&["--no-such-option"], &["unexpected argument"]);
}

#[test]
fn help_names_every_option_and_exit_code() {
    let result = vmbsim(["--help"]);
    assert_eq!(code(&result), 0);
    let help = stdout(&result);
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
        "Exit codes",
        "3  the transfer was interrupted",
    ] {
        assert!(help.contains(option), "{option} in {help}");
    }
}

/// The first build takes a while, and Cargo's progress shows that something happens.
#[test]
fn the_alias_lets_cargo_show_its_progress() {
    let config = concat!(env!("CARGO_MANIFEST_DIR"), "/../../.cargo/config.toml");
    let config = std::fs::read_to_string(config).expect("the workspace's configuration");
    let alias = config
        .lines()
        .find(|line| line.starts_with("sim = "))
        .expect("the alias");
    assert!(
        alias.contains("run") && alias.contains("--package vmbsim"),
        "{alias}"
    );
    assert!(!alias.contains("-q"), "{alias}");
}
