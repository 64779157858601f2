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

/// A header first, and then all of it: through one place of the driver's too.
#[test]
fn copies_of_two_lengths_are_a_double_fetch() {
    #[inline(never)]
    fn fetch(from: &[u8], to: &mut [u8]) {
        to.copy_from_slice(from);
        std::hint::black_box(to);
    }
    for (head, all) in [(4, 40), (8, 40), (20, 40), (1, 3), (16, 17)] {
        assert_found(
            reads(move |payload| {
                std::hint::black_box(payload[..head].to_vec());
                std::hint::black_box(payload[..all].to_vec());
            }),
            0..40,
        );
        assert_found(
            reads(move |payload| {
                let mut copy = [0; 40];
                fetch(&payload[..head], &mut copy[..head]);
                fetch(&payload[..all], &mut copy[..all]);
            }),
            0..40,
        );
    }
}

#[test]
#[cfg(target_arch = "x86_64")]
fn a_repeated_instruction_reads_each_byte_once() {
    let copies = |times: usize| {
        reads(move |payload| {
            for _ in 0..times {
                let mut copy = [0_u8; 40];
                // SAFETY: 40 bytes, from the payload to a local array.
                unsafe {
                    std::arch::asm!(
                        "rep movsb",
                        inout("rsi") payload.as_ptr() => _,
                        inout("rdi") copy.as_mut_ptr() => _,
                        inout("rcx") copy.len() => _,
                    );
                }
                std::hint::black_box(&copy);
            }
        })
    };
    copies(1).unwrap_or_else(|check| panic!("{check}"));
    assert_found(copies(2), 0..1);
}

/// What a compiler makes of a copy of 11, 19 or 21 bytes; and a branch between two such reads.
#[test]
#[cfg(target_arch = "x86_64")]
fn moves_of_two_sizes_that_overlap_are_one_copy_without_a_branch_between() {
    reads(|payload| {
        // SAFETY: reads 11 and 21 bytes of the payload's 40.
        unsafe {
            std::arch::asm!(
                "mov {all}, [{from}]", "mov {tail:e}, [{from} + 7]",
                "movups xmm0, [{from} + 15]", "mov {all}, [{from} + 28]",
                from = in(reg) payload.as_ptr(), all = out(reg) _, tail = out(reg) _,
                out("xmm0") _,
            );
        }
    })
    .unwrap_or_else(|check| panic!("{check}"));
    assert_found(
        reads(|payload| {
            // SAFETY: reads 6 bytes of the payload's 40.
            unsafe {
                std::arch::asm!(
                    "mov {one:e}, [{from}]", "test {one:e}, {one:e}", "jz 2f",
                    "mov {one:e}, [{from} + 2]", "2:",
                    from = in(reg) payload.as_ptr(), one = out(reg) _,
                );
            }
        }),
        2..4,
    );
}

/// The message of a panic may show the payload; it is the panic that is reported.
#[test]
fn a_panic_that_shows_the_payload_is_a_panic() {
    let check = reads(|payload| assert_eq!(payload[0], 21)).expect_err("a panic");
    assert_eq!(check.code, StopCode::RUST_PANIC, "{check}");
}

/// A fault in watched memory that the watch has nothing to do with.
#[test]
fn running_a_payload_is_a_bug_check() {
    let check = reads(|payload| {
        // SAFETY: none; it faults.
        unsafe { std::mem::transmute::<*const u8, extern "C" fn()>(payload.as_ptr())() };
    })
    .expect_err("a fault");
    assert_ne!(
        check.code,
        StopCode::DRIVER_VERIFIER_DETECTED_VIOLATION,
        "{check}"
    );
}
