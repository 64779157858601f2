//! Each rule of KMCL's with a driver that breaks it.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use kmcl_sys::VMBUS_CHANNEL_FORMAT_FLAG_WAIT_FOR_COMPLETION as WAIT;
use kmcl_sys::{VMBPACKET, VMBUS_CHANNEL_FORMAT_FLAG_PAGED_BUFFER as PAGED};
use ntsim::export::DISPATCH_LEVEL;
use ntsim::kernel::kernel;
use ntsim::vmbus::{HostChannel, KmclBehaviour, Offer, backends};
use ntsim::{Config, Outcome, StopCode};
use wdk_sys_lite::ntddk::{KeAcquireSpinLockRaiseToDpc, KeReleaseSpinLock};
use wdk_sys_lite::{KSPIN_LOCK, STATUS_SUCCESS, STATUS_UNSUCCESSFUL};

use crate::harness::{
    Fixture, INSTANCE, TYPE, breaks, driver, header, machine, note, on_completion, query, send,
    set_hooks, table, wait_for,
};
use crate::kmcl;

const NULL: *mut core::ffi::c_void = std::ptr::null_mut();

/// A host that sends one message per open.
#[allow(clippy::needless_pass_by_value, reason = "a program owns its channel")]
fn talks(channel: HostChannel) {
    while channel.wait_open() {
        let _ = channel.send(b"a message", true);
        channel.wait_closed();
    }
}

fn number(handle: usize) -> VMBPACKET {
    std::ptr::without_provenance_mut(handle)
}

#[test]
fn a_channel_that_was_cleaned_up_is_no_channel() {
    breaks(
        "was cleaned up",
        || backends::echo,
        |fixture| {
            driver(|| {
                kmcl!(VmbChannelCleanup(fixture.channel));
                kmcl!(VmbChannelEnable(fixture.channel));
            });
        },
    );
}

#[test]
fn any_number_is_no_channel_and_no_packet() {
    breaks(
        "is no channel",
        || backends::echo,
        |_| {
            driver(|| kmcl!(VmbChannelEnable(number(0x1234))));
        },
    );
    breaks(
        "is no packet",
        || backends::echo,
        |fixture| {
            driver(|| kmcl!(VmbPacketFree(fixture.channel)));
        },
    );
    breaks(
        "is no incoming packet",
        || backends::echo,
        |_| {
            driver(|| kmcl!(VmbChannelPacketComplete(number(8), NULL, 0)));
        },
    );
}

#[test]
fn a_device_object_that_is_none_has_no_channels() {
    breaks(
        "is no device object",
        || backends::echo,
        |_| {
            let mut channel = NULL;
            driver(|| {
                kmcl!(VmbChannelAllocate(
                    std::ptr::without_provenance_mut(0x1230),
                    0,
                    &raw mut channel
                ))
            });
        },
    );
}

#[test]
fn an_enabled_channel_is_not_configured() {
    breaks(
        "the channel is enabled",
        || backends::echo,
        |fixture| {
            fixture.open();
            driver(|| kmcl!(VmbChannelInitSetMaximumPacketSize(fixture.channel, 100)));
        },
    );
}

#[test]
fn an_enabled_channel_is_not_cleaned_up() {
    breaks(
        "VmbChannelCleanup: the channel is enabled",
        || backends::echo,
        |fixture| {
            fixture.enable();
            driver(|| kmcl!(VmbChannelCleanup(fixture.channel)));
        },
    );
}

#[test]
fn a_channel_is_not_enabled_twice() {
    breaks(
        "is enabled already",
        || backends::echo,
        |fixture| {
            fixture.enable();
            driver(|| kmcl!(VmbChannelEnable(fixture.channel)));
        },
    );
}

#[test]
fn a_channel_without_a_process_packet_callback_is_not_enabled() {
    breaks(
        "has no EvtVmbChannelProcessPacket",
        || backends::echo,
        |fixture| {
            let mut channel = NULL;
            driver(|| {
                let status = kmcl!(VmbChannelAllocate(
                    fixture.pdo.device_object(),
                    0,
                    &raw mut channel
                ));
                assert_eq!(status, STATUS_SUCCESS);
                kmcl!(VmbChannelEnable(channel));
            });
        },
    );
}

#[test]
fn a_packet_is_freed_before_its_channel_is_cleaned_up() {
    breaks(
        "was not freed",
        || backends::echo,
        |fixture| {
            fixture.open();
            let _leaked = fixture.packet();
            fixture.disable();
            driver(|| kmcl!(VmbChannelCleanup(fixture.channel)));
        },
    );
}

#[test]
fn a_packet_is_freed_once() {
    breaks(
        "was freed",
        || backends::echo,
        |fixture| {
            let packet = fixture.packet();
            driver(|| {
                kmcl!(VmbPacketFree(packet));
                kmcl!(VmbPacketFree(packet));
            });
        },
    );
}

#[test]
fn a_packet_with_the_default_routine_is_kmcls_after_the_send() {
    breaks(
        "packet",
        || backends::silent,
        |fixture| {
            fixture.open();
            let packet = driver(|| kmcl!(VmbPacketAllocate(fixture.channel)));
            fixture.send(packet, b"gone", 0);
            fixture.system.sleep(Duration::from_millis(1));
            driver(|| kmcl!(VmbPacketFree(packet)));
        },
    );
}

#[test]
fn a_packet_that_is_sent_is_not_freed() {
    breaks(
        "is still sent",
        || backends::silent,
        |fixture| {
            fixture.open();
            let packet = fixture.packet();
            fixture.send(packet, b"waits", WAIT);
            driver(|| kmcl!(VmbPacketFree(packet)));
        },
    );
}

#[test]
fn a_packet_that_is_sent_is_not_sent_again() {
    breaks(
        "is sent already",
        || backends::silent,
        |fixture| {
            fixture.open();
            let packet = fixture.packet();
            fixture.send(packet, b"once", WAIT);
            fixture.send(packet, b"twice", WAIT);
        },
    );
}

#[test]
fn a_packet_that_is_sent_keeps_its_completion_routine() {
    breaks(
        "the packet is sent",
        || backends::silent,
        |fixture| {
            fixture.open();
            let packet = fixture.packet();
            fixture.send(packet, b"waits", WAIT);
            driver(|| kmcl!(VmbPacketSetCompletionRoutine(packet, Some(on_completion))));
        },
    );
}

#[test]
fn a_completion_routine_is_not_null() {
    breaks(
        "null pointer",
        || backends::silent,
        |fixture| {
            let packet = fixture.packet();
            driver(|| kmcl!(VmbPacketSetCompletionRoutine(packet, None)));
        },
    );
}

fn own_packet(fixture: &Fixture<'_>) -> VMBPACKET {
    let size = driver(|| kmcl!(VmbChannelSizeofPacket(fixture.channel)));
    let memory: Box<[u64]> = vec![0; (size as usize).div_ceil(8)].into_boxed_slice();
    let packet = Box::leak(memory).as_mut_ptr().cast();
    let status = driver(|| kmcl!(VmbPacketInitialize(fixture.channel, packet, size)));
    assert_eq!(status, STATUS_SUCCESS);
    packet
}

#[test]
fn a_packet_in_the_drivers_memory_needs_a_completion_routine() {
    breaks(
        "was never set",
        || backends::echo,
        |fixture| {
            fixture.open();
            let packet = own_packet(&fixture);
            fixture.send(packet, b"garbage routine", 0);
        },
    );
}

#[test]
fn a_packet_in_the_drivers_memory_is_not_freed() {
    breaks(
        "memory of the driver's own",
        || backends::echo,
        |fixture| {
            let packet = own_packet(&fixture);
            driver(|| kmcl!(VmbPacketFree(packet)));
        },
    );
}

#[test]
fn a_packet_in_the_drivers_memory_is_not_initialised_while_it_is_sent() {
    breaks(
        "still sent",
        || backends::silent,
        |fixture| {
            fixture.open();
            let packet = own_packet(&fixture);
            driver(|| kmcl!(VmbPacketSetCompletionRoutine(packet, Some(on_completion))));
            fixture.send(packet, b"waits", WAIT);
            let size = driver(|| kmcl!(VmbChannelSizeofPacket(fixture.channel)));
            driver(|| kmcl!(VmbPacketInitialize(fixture.channel, packet, size)));
        },
    );
}

#[test]
fn nothing_is_sent_between_suspend_and_the_next_start() {
    breaks(
        "after EvtChannelSuspend",
        || backends::echo,
        |fixture| {
            fixture.open();
            let packet = fixture.packet();
            driver(|| kmcl!(VmbChannelPause(fixture.channel)));
            fixture.send(packet, b"too late", 0);
        },
    );
    breaks(
        "after EvtChannelSuspend",
        || backends::echo,
        |fixture| {
            fixture.open();
            let packet = fixture.packet();
            fixture.offer.rescind();
            wait_for(fixture.system, "closed done");
            fixture.send(packet, b"too late", 0);
        },
    );
}

#[test]
fn external_data_needs_wait_for_completion() {
    breaks(
        "without WAIT_FOR_COMPLETION",
        || backends::echo,
        |fixture| {
            fixture.open();
            let packet = fixture.packet();
            let mut frame = 1;
            driver(|| {
                kmcl!(VmbPacketSendWithExternalPfns(
                    packet,
                    b"data".as_ptr().cast_mut().cast(),
                    4,
                    &raw mut frame,
                    1,
                    0
                ))
            });
        },
    );
}

#[test]
fn an_mdl_whose_pages_are_not_locked_is_not_sent() {
    breaks(
        "not locked",
        || backends::echo,
        |fixture| {
            fixture.open();
            let packet = fixture.packet();
            // SAFETY: an MDL of zeros is one without pages.
            let mut mdl: wdk_sys_lite::MDL = unsafe { std::mem::zeroed() };
            mdl.ByteCount = 100;
            driver(|| {
                kmcl!(VmbPacketSend(
                    packet,
                    b"data".as_ptr().cast_mut().cast(),
                    4,
                    &raw mut mdl,
                    WAIT
                ))
            });
        },
    );
}

#[test]
fn unknown_flags_are_not_sent() {
    breaks(
        "unknown flags",
        || backends::echo,
        |fixture| {
            fixture.open();
            let packet = fixture.packet();
            fixture.send(packet, b"flags", 0x80);
        },
    );
}

#[test]
fn a_null_buffer_has_no_bytes() {
    breaks(
        "at a null pointer",
        || backends::echo,
        |fixture| {
            fixture.open();
            let packet = fixture.packet();
            driver(|| kmcl!(VmbPacketSend(packet, NULL, 10, std::ptr::null_mut(), 0)));
        },
    );
}

#[test]
fn a_paged_buffer_is_not_sent_at_dispatch_level() {
    breaks(
        "PAGED_BUFFER at DISPATCH_LEVEL",
        || backends::echo,
        |fixture| {
            fixture.open();
            let packet = fixture.packet();
            driver(|| {
                kernel().sched.set_irql(DISPATCH_LEVEL);
                send(packet, b"paged", PAGED);
            });
        },
    );
}

#[test]
fn an_incoming_packet_is_completed_once() {
    breaks(
        "was completed",
        || talks,
        |fixture| {
            set_hooks(|hooks| {
                hooks.packet = Some(Rc::new(|packet, _, _| {
                    kmcl!(VmbChannelPacketComplete(packet, NULL, 0));
                    kmcl!(VmbChannelPacketComplete(packet, NULL, 0));
                }));
            });
            fixture.open();
            fixture.system.sleep(Duration::from_secs(1));
        },
    );
}

#[test]
fn a_deferred_packet_is_not_completed_before_it_is_indicated_again() {
    breaks(
        "was deferred",
        || talks,
        |fixture| {
            set_hooks(|hooks| {
                hooks.packet = Some(Rc::new(|packet, _, _| {
                    kmcl!(VmbChannelPacketDeferToPassive(packet));
                    kmcl!(VmbChannelPacketComplete(packet, NULL, 0));
                }));
            });
            fixture.open();
            fixture.system.sleep(Duration::from_secs(1));
        },
    );
}

#[test]
fn a_packet_is_deferred_or_failed_only_in_its_callback() {
    for fails in [false, true] {
        breaks(
            "outside the packet's process-packet callback",
            || talks,
            move |fixture| {
                let kept = Rc::new(Cell::new(NULL));
                let sink = Rc::clone(&kept);
                set_hooks(|hooks| {
                    hooks.packet = Some(Rc::new(move |packet, _, _| {
                        sink.set(packet);
                        note("packet");
                    }));
                });
                fixture.open();
                wait_for(fixture.system, "packet");
                driver(|| {
                    if fails {
                        kmcl!(VmbChannelPacketFail(kept.get()));
                    } else {
                        kmcl!(VmbChannelPacketDeferToPassive(kept.get()));
                    }
                });
            },
        );
    }
}

#[test]
fn a_packet_of_a_closed_channel_is_no_packet() {
    breaks(
        "was completed",
        || talks,
        |fixture| {
            let kept = Rc::new(Cell::new(NULL));
            let sink = Rc::clone(&kept);
            set_hooks(|hooks| {
                hooks.packet = Some(Rc::new(move |packet, _, _| {
                    sink.set(packet);
                    kmcl!(VmbChannelPacketComplete(packet, NULL, 0));
                    note("packet");
                }));
            });
            fixture.open();
            wait_for(fixture.system, "packet");
            driver(|| kmcl!(VmbChannelPacketComplete(kept.get(), NULL, 0)));
        },
    );
}

#[test]
fn nothing_that_waits_for_callbacks_is_called_from_one() {
    breaks(
        "a deadlock",
        || backends::echo,
        |fixture| {
            set_hooks(|hooks| {
                hooks.post_started = Some(Rc::new(|channel| kmcl!(VmbChannelDisable(channel))));
            });
            fixture.open();
        },
    );
    breaks(
        "a deadlock",
        || backends::echo,
        |fixture| {
            set_hooks(|hooks| {
                hooks.started = Some(Rc::new(|channel| kmcl!(VmbChannelPause(channel))));
            });
            fixture.open();
        },
    );
    breaks(
        "a deadlock",
        || backends::echo,
        |fixture| {
            set_hooks(|hooks| {
                hooks.closed = Some(Rc::new(|channel| {
                    kmcl!(VmbChannelEnable(channel));
                }));
            });
            fixture.open();
            fixture.disable();
        },
    );
    breaks(
        "a deadlock",
        || talks,
        |fixture| {
            driver(|| kmcl!(VmbChannelSetIncomingProcessingAtPassive(fixture.channel, 1)));
            let channel = fixture.channel;
            set_hooks(|hooks| {
                hooks.packet = Some(Rc::new(move |_, _, _| kmcl!(VmbChannelDisable(channel))));
            });
            fixture.open();
            fixture.system.sleep(Duration::from_secs(1));
        },
    );
    breaks(
        "VmbChannelStart was called from",
        || backends::echo,
        |fixture| {
            set_hooks(|hooks| {
                hooks.suspend = Some(Rc::new(|channel| kmcl!(VmbChannelStart(channel))));
            });
            fixture.open();
            fixture.disable();
        },
    );
}

#[test]
fn disable_while_a_packet_is_never_completed_hangs() {
    let report = machine(
        Config::default(),
        Offer::new(TYPE, INSTANCE),
        talks,
        |fixture| {
            set_hooks(|hooks| hooks.packet = Some(Rc::new(|_, _, _| note("packet"))));
            fixture.open();
            wait_for(fixture.system, "packet");
            fixture.disable();
        },
    );
    let Outcome::Hung(waiting) = report.outcome else {
        panic!("{:?}", report.outcome)
    };
    assert!(
        waiting
            .iter()
            .any(|line| line.contains("VmbChannelDisable")),
        "{waiting:?}"
    );
}

fn synchronous(channel: kmcl_sys::VMBCHANNEL) {
    kmcl!(VmbChannelSendSynchronousRequest(
        channel,
        b"question".as_ptr().cast_mut().cast(),
        8,
        std::ptr::null_mut(),
        WAIT,
        NULL,
        std::ptr::null_mut(),
        std::ptr::null_mut(),
    ));
}

#[test]
fn a_synchronous_request_is_not_made_where_it_never_returns() {
    breaks(
        "from EvtChannelStarted",
        || backends::echo,
        |fixture| {
            set_hooks(|hooks| hooks.started = Some(Rc::new(synchronous)));
            fixture.open();
        },
    );
    breaks(
        "from EvtChannelOpened",
        || backends::echo,
        |fixture| {
            set_hooks(|hooks| {
                hooks.opened = Some(Rc::new(|channel| {
                    synchronous(channel);
                    STATUS_SUCCESS
                }));
            });
            fixture.open();
        },
    );
    breaks(
        "from EvtVmbChannelProcessPacket",
        || talks,
        |fixture| {
            driver(|| kmcl!(VmbChannelSetIncomingProcessingAtPassive(fixture.channel, 1)));
            let channel = fixture.channel;
            set_hooks(|hooks| hooks.packet = Some(Rc::new(move |_, _, _| synchronous(channel))));
            fixture.open();
            fixture.system.sleep(Duration::from_secs(1));
        },
    );
}

#[test]
fn a_synchronous_request_that_waits_needs_passive_level() {
    let report = machine(
        Config::default(),
        Offer::new(TYPE, INSTANCE),
        backends::echo,
        |fixture| {
            fixture.open();
            driver(|| {
                kernel().sched.set_irql(DISPATCH_LEVEL);
                synchronous(fixture.channel);
            });
        },
    );
    assert_eq!(
        report.expect_bug_check().code,
        StopCode::IRQL_NOT_LESS_OR_EQUAL
    );
}

#[test]
fn a_quota_is_not_zero() {
    breaks(
        "quota of 0",
        || backends::echo,
        |fixture| {
            driver(|| kmcl!(VmbChannelSetTransactionQuota(fixture.channel, 0)));
        },
    );
}

#[test]
fn gpadls_are_deleted_in_closed() {
    breaks(
        "was not deleted when EvtChannelClosed returned",
        || backends::echo,
        |fixture| {
            set_hooks(|hooks| {
                hooks.opened = Some(Rc::new(|channel| {
                    let buffer = crate::harness::pages(1);
                    let mut gpadl = 0;
                    let status = kmcl!(VmbChannelCreateGpadlFromBuffer(
                        channel,
                        0,
                        buffer.address().as_ptr().cast(),
                        100,
                        &raw mut gpadl
                    ));
                    std::mem::forget(buffer);
                    status
                }));
            });
            fixture.open();
            fixture.disable();
        },
    );
}

#[test]
fn gpadls_are_deleted_by_an_opened_callback_that_fails() {
    breaks(
        "was not deleted when EvtChannel",
        || backends::echo,
        |fixture| {
            set_hooks(|hooks| {
                hooks.opened = Some(Rc::new(|channel| {
                    let buffer = crate::harness::pages(1);
                    let mut gpadl = 0;
                    kmcl!(VmbChannelCreateGpadlFromBuffer(
                        channel,
                        0,
                        buffer.address().as_ptr().cast(),
                        100,
                        &raw mut gpadl
                    ));
                    std::mem::forget(buffer);
                    STATUS_UNSUCCESSFUL
                }));
            });
            fixture.enable();
            fixture.system.sleep(Duration::from_secs(1));
        },
    );
}

#[test]
fn a_gpadl_that_is_none_is_not_deleted() {
    breaks(
        "has no GPADL",
        || backends::echo,
        |fixture| {
            fixture.open();
            driver(|| kmcl!(VmbChannelDeleteGpadl(fixture.channel, 77)));
        },
    );
}

#[test]
fn the_interface_is_not_used_after_it_was_dereferenced() {
    breaks(
        "holds no reference",
        || backends::echo,
        |fixture| {
            driver(|| {
                kmcl!(VmbChannelCleanup(fixture.channel));
                fixture.dereference();
                kmcl!(VmbPacketAllocate(fixture.channel));
            });
        },
    );
}

#[test]
fn the_interface_is_not_dereferenced_while_there_is_a_channel() {
    breaks(
        "the last reference went while channel",
        || backends::echo,
        |fixture| {
            driver(|| fixture.dereference());
        },
    );
}

#[test]
fn the_interface_is_dereferenced_as_often_as_referenced() {
    breaks(
        "as often as it was referenced",
        || backends::echo,
        |fixture| {
            driver(|| {
                kmcl!(VmbChannelCleanup(fixture.channel));
                let reference = header(&table())
                    .InterfaceReference
                    .expect("a reference routine");
                // SAFETY: the routine of the interface that was queried, with its own context.
                unsafe { reference(fixture.context) };
                fixture.dereference();
                fixture.dereference();
                fixture.dereference();
            });
        },
    );
}

#[test]
fn the_interface_is_dereferenced_before_the_device_is_gone() {
    breaks(
        "was not dereferenced before the removal",
        || backends::echo,
        |fixture| {
            assert_eq!(query(&fixture.pdo, 360, 1).0, STATUS_SUCCESS);
            driver(|| kmcl!(VmbChannelCleanup(fixture.channel)));
            fixture.offer.rescind();
            fixture.system.sleep(Duration::from_secs(1));
        },
    );
}

#[test]
fn functions_that_wait_need_passive_level() {
    for wrong in 0..3 {
        let report = machine(
            Config::default(),
            Offer::new(TYPE, INSTANCE),
            backends::echo,
            move |fixture| {
                driver(|| {
                    kernel().sched.set_irql(DISPATCH_LEVEL);
                    match wrong {
                        0 => kmcl!(VmbChannelDisable(fixture.channel)),
                        1 => kmcl!(VmbChannelCleanup(fixture.channel)),
                        _ => kmcl!(VmbChannelDeleteGpadl(fixture.channel, 1)),
                    }
                });
            },
        );
        assert_eq!(
            report.expect_bug_check().code,
            StopCode::IRQL_NOT_LESS_OR_EQUAL
        );
    }
}

/// A message whose end was never written would give the host what pool held before.
#[test]
fn a_message_that_was_never_written_does_not_go_to_the_host() {
    use wdk_sys_lite::ntddk::{ExAllocatePool2, ExFreePool};
    use wdk_sys_lite::{POOL_FLAG_NON_PAGED, POOL_FLAG_UNINITIALIZED};

    for written in [20, 64] {
        let report = machine(
            Config::default(),
            Offer::new(TYPE, INSTANCE),
            backends::echo,
            move |fixture| {
                fixture.open();
                let packet = fixture.packet();
                // SAFETY: a pool block of the test's, of which a part is written, and which stays
                // until the packet is back.
                let block = driver(|| unsafe {
                    let block = ExAllocatePool2(
                        POOL_FLAG_NON_PAGED | POOL_FLAG_UNINITIALIZED,
                        64,
                        u32::from_le_bytes(*b"Mess"),
                    );
                    block.cast::<u8>().write_bytes(7, written);
                    block
                });
                // SAFETY: as above.
                let payload = unsafe { std::slice::from_raw_parts(block.cast::<u8>(), 64) };
                assert_eq!(fixture.send(packet, payload, WAIT), STATUS_SUCCESS);
                wait_for(fixture.system, "completed");
                // SAFETY: the packet is back, and freed by its completion.
                driver(|| unsafe { ExFreePool(block) });
                fixture.finish();
            },
        );
        if written == 64 {
            report.expect_finished();
        } else {
            let check = report.expect_bug_check();
            assert_eq!(
                (check.parameters[0], check.parameters[2]),
                (ntsim::mm::finding::UNWRITTEN_LEAVES, 20),
                "{check}"
            );
        }
    }
}

/// A spin lock for tests that hold it over a call.
#[derive(Clone, Copy)]
struct Lock(*mut KSPIN_LOCK);

// SAFETY: a spin lock is for any thread and processor.
unsafe impl Send for Lock {}

impl Lock {
    fn new() -> Self {
        Self(Box::into_raw(Box::new(0)))
    }

    fn held<R>(self, call: impl FnOnce() -> R) -> R {
        // SAFETY: the lock is initialised (zero), and is never freed; what is wrong with its use
        // is what the test is about.
        let irql = unsafe { KeAcquireSpinLockRaiseToDpc(self.0) };
        let result = call();
        // SAFETY: acquired above, at the level that is given back.
        unsafe { KeReleaseSpinLock(self.0, irql) };
        result
    }
}

/// A lock was taken twice if KMCL called `inside` the driver's call, and nothing was wrong else.
#[track_caller]
fn assert_deadlock(report: ntsim::Report<()>, inside: bool) {
    if inside {
        let check = report.expect_bug_check();
        assert_eq!(check.code, StopCode::SPIN_LOCK_ALREADY_OWNED, "{check}");
    } else {
        report.expect_finished();
    }
}

/// A packet may be completed before its send returns: a lock that the completion routine takes is
/// not held over a send.
#[test]
fn a_send_under_a_lock_of_the_completion_routine_is_found() {
    for inside in [true, false] {
        let config = Config {
            kmcl: KmclBehaviour {
                completes_inside_send: Some(inside),
                ..KmclBehaviour::default()
            },
            ..Config::default()
        };
        let offer = Offer::new(TYPE, INSTANCE);
        let report = machine(config, offer, backends::echo, |fixture| {
            let lock = Lock::new();
            set_hooks(|hooks| {
                hooks.completion = Some(Rc::new(move |packet, _, _| {
                    lock.held(|| ());
                    kmcl!(VmbPacketFree(packet));
                }));
            });
            fixture.open();
            driver(|| {
                let packet = kmcl!(VmbPacketAllocate(fixture.channel));
                kmcl!(VmbPacketSetCompletionRoutine(packet, Some(on_completion)));
                let status = lock.held(|| send(packet, b"a message", 0));
                assert_eq!(status, STATUS_SUCCESS);
            });
            fixture.system.sleep(Duration::from_millis(1));
            fixture.finish();
        });
        assert_deadlock(report, inside);
    }
}

/// No text says that the next packet is not delivered inside `VmbChannelPacketComplete`: a driver
/// that completes under a lock that its process-packet callback takes can deadlock.
#[test]
fn a_completion_under_a_lock_of_the_process_packet_callback_is_found() {
    for inside in [true, false] {
        let config = Config {
            kmcl: KmclBehaviour {
                delivers_inside_completion: Some(inside),
                ..KmclBehaviour::default()
            },
            ..Config::default()
        };
        let talkative = |channel: HostChannel| {
            while channel.wait_open() {
                for _ in 0..4 {
                    let _ = channel.send(b"a message", true);
                }
                channel.wait_closed();
            }
        };
        let report = machine(config, Offer::new(TYPE, INSTANCE), talkative, |fixture| {
            let lock = Lock::new();
            let kept = Rc::new(std::cell::RefCell::new(Vec::new()));
            let packets = Rc::clone(&kept);
            set_hooks(|hooks| {
                hooks.packet = Some(Rc::new(move |packet, _, _| {
                    lock.held(|| packets.borrow_mut().push(packet));
                    note("kept");
                }));
            });
            driver(|| kmcl!(VmbChannelSetTransactionQuota(fixture.channel, 1)));
            fixture.open();
            for number in 1..=4 {
                crate::harness::wait_for_times(fixture.system, "kept", number);
                let packet = kept.borrow_mut().pop().expect("a packet");
                driver(|| lock.held(|| kmcl!(VmbChannelPacketComplete(packet, NULL, 0))));
            }
            fixture.finish();
        });
        assert_deadlock(report, inside);
    }
}
