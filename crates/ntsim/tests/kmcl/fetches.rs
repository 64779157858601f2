//! Double fetches: a byte that the host can write is read once by each callback.

use std::rc::Rc;

use ntsim::mm::finding;
use ntsim::vmbus::{HostChannel, Offer};
use ntsim::{BugCheck, Config, Outcome, StopCode};

use crate::harness::{INSTANCE, TYPE, machine, note, set_hooks, wait_for};
use crate::kmcl;

/// What a driver does with the payload of one message of 40 bytes, whose first four are a length.
fn reads(look: impl Fn(&[u8]) + Clone + Send + 'static) -> Result<(), Box<BugCheck>> {
    for seed in 1..=10 {
        let config = Config {
            double_fetches: true,
            ..Config::with_seed(seed)
        };
        let look = look.clone();
        let host = |channel: HostChannel| {
            assert!(channel.wait_open());
            let mut message = [0x5A; 40];
            message[..4].copy_from_slice(&20_u32.to_le_bytes());
            channel.send(&message, false).expect("room");
        };
        let report = machine(config, Offer::new(TYPE, INSTANCE), host, move |fixture| {
            set_hooks(|hooks| {
                hooks.packet = Some(Rc::new(move |packet, payload, _| {
                    look(payload);
                    kmcl!(VmbChannelPacketComplete(packet, std::ptr::null_mut(), 0));
                    note("looked");
                }));
            });
            fixture.open();
            wait_for(fixture.system, "looked");
            fixture.finish();
        });
        match report.outcome {
            Outcome::Finished(()) => {}
            Outcome::BugCheck(check) => return Err(check),
            other => panic!("{other:?}"),
        }
    }
    Ok(())
}

#[track_caller]
fn assert_found(result: Result<(), Box<BugCheck>>, bytes: std::ops::Range<u64>) {
    let check = result.expect_err("a finding");
    assert_eq!(check.code, StopCode::DRIVER_VERIFIER_DETECTED_VIOLATION);
    assert_eq!(check.parameters[0], finding::READ_TWICE, "{check}");
    assert!(bytes.contains(&check.parameters[1]), "{check}");
    // Both places are the driver's.
    let (first, then) = check.message.split_once(", then by ").expect("two places");
    assert!(
        first.contains("fetches") && then.contains("fetches"),
        "{check}"
    );
}

fn length(payload: &[u8]) -> usize {
    // SAFETY: in the payload; an array of bytes has no alignment.
    let length = unsafe { payload.as_ptr().cast::<[u8; 4]>().read_volatile() };
    u32::from_le_bytes(length) as usize
}

#[test]
fn a_length_that_is_read_again_is_a_double_fetch() {
    assert_found(
        reads(|payload| {
            if length(payload) <= 36 {
                std::hint::black_box(length(payload));
            }
        }),
        0..4,
    );
}

#[test]
fn a_length_that_is_checked_before_all_is_copied_is_a_double_fetch() {
    assert_found(
        reads(|payload| {
            let mut copy = [0; 40];
            if length(payload) <= 36 {
                copy.copy_from_slice(payload);
                std::hint::black_box(&copy);
            }
        }),
        0..40,
    );
}

/// The low byte of a word that was read as a whole.
#[test]
fn a_part_that_is_read_again_is_a_double_fetch() {
    assert_found(
        reads(|payload| {
            std::hint::black_box(length(payload));
            // SAFETY: in the payload.
            std::hint::black_box(unsafe { payload.as_ptr().add(2).read_volatile() });
        }),
        2..3,
    );
}

/// However long the copy is, and however its ends overlap.
#[test]
fn a_copy_that_is_made_once_is_none() {
    for count in 0..=40 {
        reads(move |payload| {
            let mut copy = [0; 40];
            copy[..count].copy_from_slice(&payload[..count]);
            std::hint::black_box(&copy);
        })
        .unwrap_or_else(|check| panic!("{count} bytes: {check}"));
    }
    reads(|payload| {
        let length = length(payload).min(36);
        let rest: Vec<u8> = payload[4..4 + length].to_vec();
        std::hint::black_box(&rest);
    })
    .unwrap_or_else(|check| panic!("{check}"));
}

/// Two copies are two fetches.
#[test]
fn a_copy_that_is_made_twice_is_a_double_fetch() {
    assert_found(
        reads(|payload| {
            for _ in 0..2 {
                let mut copy = [0; 40];
                copy.copy_from_slice(std::hint::black_box(payload));
                std::hint::black_box(&copy);
            }
        }),
        0..40,
    );
}
