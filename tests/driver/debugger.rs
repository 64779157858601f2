//! What the driver writes to the debugger.

use ntsim::vmbus::backends;
use vmbchan::ioctl::IOCTL_VMBCHAN_TRANSACT;

use crate::guest::{config, message, run, seeds};

/// What stands behind the driver's name and the address of the link.
fn told(lines: &[String]) -> Vec<String> {
    lines
        .iter()
        .map(|line| {
            let (who, what) = line.split_once(": ").expect("who, and what");
            assert!(who.starts_with("vmbchan 0x"), "{line}");
            what.to_owned()
        })
        .collect()
}

#[test]
fn each_change_of_state_is_one_line() {
    for seed in 1..=3 {
        let report = run(config(seed), &[], backends::echo, |guest| {
            guest.program(|_, file| file.write(&message(1, 8)).map(drop))
        });
        let lines = told(&report.debug_output);
        assert_eq!(
            lines,
            ["Connecting, session 1", "Open, session 1", "Off, session 2"]
        );
        assert_eq!(report.expect_finished(), Ok(()));
    }
}

#[test]
fn each_refused_request_is_one_line() {
    let report = run(
        config(1),
        &[("MaximumMessageSize", 100)],
        backends::echo,
        |guest| {
            let before = guest.system.debug_output().len();
            guest.program(|_, file| {
                assert!(file.read(0).is_err());
                assert!(file.write(&[1; 101]).is_err());
            });
            guest.system.debug_output().split_off(before)
        },
    );
    assert_eq!(
        told(&report.expect_finished()),
        [
            "a read of 0 bytes was refused with STATUS_INVALID_PARAMETER (0xc000000d)",
            "a write of 101 bytes was refused with STATUS_INVALID_BUFFER_SIZE (0xc0000206)",
        ]
    );
}

#[test]
fn a_refused_message_of_the_hosts_is_one_line() {
    let host = |channel: ntsim::vmbus::HostChannel| {
        while channel.wait_open() {
            let _ = channel.send(&message(1, 200), false);
            let _ = channel.send(&message(2, 8), false);
            channel.wait_closed();
        }
    };
    let report = run(config(1), &[("MaximumMessageSize", 100)], host, |guest| {
        guest.program(|_, file| assert_eq!(file.read(8), Ok(message(2, 8))));
    });
    let lines = told(&report.debug_output);
    let refused = "a message of 200 bytes was refused, external data: false";
    assert_eq!(
        lines.iter().filter(|line| *line == refused).count(),
        1,
        "{lines:?}"
    );
}

#[test]
fn messages_write_nothing() {
    seeds(3, backends::echo, |guest| {
        guest.program(|_, file| file.write(&message(1, 8)).expect("written"));
        let before = guest.system.debug_output();
        guest.program(|_, file| {
            assert!(file.read(8).is_ok());
            for number in 0..1000 {
                file.write(&message(number, 100)).expect("written");
                file.read(104).expect("read");
                file.ioctl(IOCTL_VMBCHAN_TRANSACT, &message(number, 100), 104)
                    .expect("an answer");
            }
        });
        assert_eq!(guest.system.debug_output(), before);
    });
}
