//! Every fallible call of KMCL's fails once, and memory that a driver takes away too early.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use kmcl_sys::VMBUS_CHANNEL_FORMAT_FLAG_WAIT_FOR_COMPLETION as WAIT;
use ntsim::kernel::kernel;
use ntsim::mm::{Owner, pool};
use ntsim::vmbus::{KmclBehaviour, Offer, backends};
use ntsim::{Config, Machine, StopCode};
use wdk_sys_lite::STATUS_SUCCESS;

use crate::harness::{
    DRIVER, INSTANCE, TYPE, configure_with, driver, log, machine, note, on_completion,
    query_by_name, send, set_hooks, start, wait_for,
};
use crate::kmcl;

const TAG: u32 = u32::from_le_bytes(*b"Test");

/// The whole life of a channel with one transaction; each step may fail. Returns whether all went
/// well.
fn life(system: &ntsim::System) -> bool {
    let offer = system.offer(Offer::new(TYPE, INSTANCE), backends::echo);
    let pdo = offer.pdo().expect("a device");
    start(&query_by_name());
    let context = crate::harness::header(&crate::harness::table()).Context;
    let mut channel = std::ptr::null_mut();
    let mut well = driver(|| kmcl!(VmbChannelAllocate(pdo.device_object(), 0, &raw mut channel)))
        == STATUS_SUCCESS;
    if well {
        well = configure_with(channel)
            && driver(|| kmcl!(VmbChannelEnable(channel))) == STATUS_SUCCESS;
        if well {
            wait_for(system, "post-started done");
            // A routine that runs for a failed send must not free what the sender frees.
            let claimed = Rc::new(Cell::new(false));
            let claim = Rc::clone(&claimed);
            set_hooks(|hooks| {
                hooks.completion = Some(Rc::new(move |packet, _, _| {
                    if !claim.replace(true) {
                        kmcl!(VmbPacketFree(packet));
                    }
                }));
            });
            let packet = driver(|| kmcl!(VmbPacketAllocate(channel)));
            well = !packet.is_null();
            if well {
                let status = driver(|| {
                    kmcl!(VmbPacketSetCompletionRoutine(packet, Some(on_completion)));
                    send(packet, b"question", WAIT)
                });
                well = status == STATUS_SUCCESS;
                if well {
                    wait_for(system, "completed");
                } else if !claimed.replace(true) {
                    driver(|| kmcl!(VmbPacketFree(packet)));
                }
            }
        }
        driver(|| {
            kmcl!(VmbChannelDisable(channel));
            kmcl!(VmbChannelCleanup(channel));
        });
    }
    driver(|| {
        let dereference = crate::harness::header(&crate::harness::table())
            .InterfaceDereference
            .expect("a dereference routine");
        // SAFETY: the routine of the interface that was queried, with its own context.
        unsafe { dereference(context) };
    });
    assert_eq!(system.leaks(DRIVER), []);
    well
}

#[test]
fn every_fallible_call_can_fail_and_nothing_is_lost() {
    for runs in [false, true] {
        for number in 1.. {
            let config = Config {
                fail_call: Some(number.into()),
                kmcl: KmclBehaviour {
                    routine_on_failed_send: Some(runs),
                    ..KmclBehaviour::default()
                },
                ..Config::default()
            };
            let (well, calls) =
                Machine::run(config, |system| (life(system), kernel().fallible_calls()))
                    .expect_finished();
            if calls < number {
                assert!(well, "nothing failed");
                assert!(
                    number > 7,
                    "allocation, setters, enable, packet, send: {number}"
                );
                break;
            }
            assert!(!well, "call {number} of {calls} failed");
        }
    }
}

#[test]
fn memory_of_a_packet_outlives_its_completion() {
    let report = machine(
        Config::default(),
        Offer::new(TYPE, INSTANCE),
        backends::slow(Duration::from_millis(1)),
        |fixture| {
            fixture.open();
            set_hooks(|hooks| hooks.completion = Some(Rc::new(|_, _, _| {})));
            let size = driver(|| kmcl!(VmbChannelSizeofPacket(fixture.channel)));
            let memory =
                pool::allocate(size as usize, TAG, false, Owner::Driver(DRIVER)).expect("memory");
            let packet = memory.as_ptr().cast();
            driver(|| {
                assert_eq!(
                    kmcl!(VmbPacketInitialize(fixture.channel, packet, size)),
                    STATUS_SUCCESS
                );
                kmcl!(VmbPacketSetCompletionRoutine(packet, Some(on_completion)));
            });
            assert_eq!(fixture.send(packet, b"mine", WAIT), STATUS_SUCCESS);
            pool::free(memory, Owner::Driver(DRIVER));
            fixture.system.sleep(Duration::from_secs(1));
        },
    );
    let check = report.expect_bug_check();
    assert_eq!(
        check.code,
        StopCode::DRIVER_PAGE_FAULT_IN_FREED_SPECIAL_POOL,
        "{check}"
    );
}

#[test]
fn a_paged_buffer_is_sent_with_the_flag_that_says_so() {
    for (flags, fine) in [
        (kmcl_sys::VMBUS_CHANNEL_FORMAT_FLAG_PAGED_BUFFER, true),
        (0, false),
    ] {
        let report = machine(
            Config::default(),
            Offer::new(TYPE, INSTANCE),
            backends::echo,
            move |fixture| {
                fixture.open();
                let buffer = pool::allocate(100, TAG, true, Owner::Driver(DRIVER)).expect("memory");
                // SAFETY: the test's own block.
                let bytes = unsafe { std::slice::from_raw_parts(buffer.as_ptr(), 100) };
                let packet = fixture.packet();
                assert_eq!(fixture.send(packet, bytes, flags), STATUS_SUCCESS);
                wait_for(fixture.system, "completed 0x0");
                pool::free(buffer, Owner::Driver(DRIVER));
                fixture.finish();
            },
        );
        if fine {
            report.expect_finished();
        } else {
            assert_eq!(
                report.expect_bug_check().code,
                StopCode::DRIVER_IRQL_NOT_LESS_OR_EQUAL
            );
        }
    }
}

#[test]
fn nothing_is_allocated_from_pool_once_the_channel_is_warm() {
    let grown = machine(
        Config::default(),
        Offer::new(TYPE, INSTANCE),
        backends::echo,
        |fixture| {
            set_hooks(|hooks| {
                hooks.completion = Some(Rc::new(|packet, _, _| {
                    kmcl!(VmbPacketFree(packet));
                    note("freed");
                }));
            });
            fixture.open();
            let rounds = |from: usize, to: usize| {
                for round in from..to {
                    let packet = fixture.packet();
                    assert_eq!(fixture.send(packet, &[1; 500], WAIT), STATUS_SUCCESS);
                    crate::harness::wait_for_times(fixture.system, "freed", round + 1);
                }
            };
            rounds(0, 100);
            let before = pool::counters(Owner::Kmcl).allocations;
            rounds(100, 300);
            let after = pool::counters(Owner::Kmcl).allocations;
            fixture.finish();
            assert!(log().len() > 300);
            (before, after)
        },
    )
    .expect_finished();
    assert_eq!(grown.0, grown.1);
    assert_eq!(grown.0, 1, "one packet");
}
