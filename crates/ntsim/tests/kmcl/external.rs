//! External data: MDLs and page frames that travel beside a message, and GPADLs over MDLs.

use std::cell::Cell;
use std::rc::Rc;

use kmcl_sys::VMBUS_CHANNEL_FORMAT_FLAG_FORCE_MDL_LENGTH as FORCE;
use kmcl_sys::VMBUS_CHANNEL_FORMAT_FLAG_WAIT_FOR_COMPLETION as WAIT;
use ntsim::mm::mdl;
use ntsim::vmbus::{HostChannel, HostError, HostPacketKind, KmclBehaviour, Offer, PageRange};
use ntsim::{Config, StopCode};
use wdk_sys_lite::{
    _MEMORY_CACHING_TYPE, _MODE, MDL, NTSTATUS, PMDL, STATUS_INVALID_PARAMETER, STATUS_PENDING,
    STATUS_SUCCESS,
};

use crate::harness::{
    Fixture, INSTANCE, TYPE, breaks, driver, log, machine, note, pages, seeds, set_hooks, wait_for,
};
use crate::kmcl;

fn any() -> KmclBehaviour {
    KmclBehaviour::default()
}

/// A host that answers one request with all of its external data, and puts `!` at its start.
#[allow(clippy::needless_pass_by_value, reason = "a program owns its channel")]
fn reads_external(channel: HostChannel) {
    while channel.wait_open() {
        while let Ok(packet) = channel.recv() {
            let reply = if packet.external.is_empty() {
                b"none".to_vec()
            } else {
                assert_eq!(packet.kind, HostPacketKind::GpaDirect);
                let data = channel.map_external(&packet).expect("memory");
                let bytes = data.read(0, data.len()).expect("in range");
                data.write(0, b"!").expect("in range");
                bytes
            };
            let _ = channel.complete(packet.transaction, &reply[..reply.len().min(1000)]);
        }
    }
}

fn completions() -> usize {
    log()
        .iter()
        .filter(|line| line.starts_with("completed"))
        .count()
}

fn send_mdl(fixture: &Fixture<'_>, mdl: PMDL, offset: u32, length: u32, flags: u32) -> NTSTATUS {
    let before = completions();
    let packet = fixture.packet();
    let status = driver(|| {
        kmcl!(VmbPacketSendWithExternalMdl(
            packet,
            b"command".as_ptr().cast_mut().cast(),
            7,
            mdl,
            offset,
            length,
            flags
        ))
    });
    // A routine that ran for the failed send has freed the packet.
    if status != STATUS_SUCCESS && completions() == before {
        driver(|| kmcl!(VmbPacketFree(packet)));
    }
    status
}

/// Notes each reply as text.
fn note_replies() {
    set_hooks(|hooks| {
        hooks.completion = Some(Rc::new(|packet, _, reply| {
            note(format!(
                "reply {}",
                String::from_utf8_lossy(reply.unwrap_or_default())
            ));
            kmcl!(VmbPacketFree(packet));
        }));
    });
}

/// Pages with text at an offset, and an MDL over the text.
fn text_mdl(offset: usize, text: &[u8]) -> (ntsim::mm::pages::KernelPages, std::ptr::NonNull<MDL>) {
    let pages = pages(3);
    // SAFETY: the offset is in the pages.
    let start = unsafe { pages.address().add(offset) };
    // SAFETY: the text fits behind it.
    unsafe { start.copy_from(std::ptr::NonNull::from(text).cast(), text.len()) };
    let mdl = mdl::new(start, text.len()).expect("memory");
    (pages, mdl)
}

#[test]
fn the_host_reads_and_writes_what_an_mdl_describes() {
    seeds(
        &any(),
        || reads_external,
        |fixture| {
            note_replies();
            let (memory, mdl) = text_mdl(4090, b"over two pages");
            fixture.open();
            let packet = fixture.packet();
            let status = driver(|| {
                kmcl!(VmbPacketSend(
                    packet,
                    b"command".as_ptr().cast_mut().cast(),
                    7,
                    mdl.as_ptr(),
                    WAIT
                ))
            });
            assert_eq!(status, STATUS_SUCCESS);
            wait_for(fixture.system, "reply over two pages");
            // SAFETY: the byte is in the pages.
            assert_eq!(unsafe { memory.address().add(4090).read_volatile() }, b'!');
            mdl::free(mdl);
            fixture.finish();
        },
    );
}

#[test]
fn a_part_of_an_mdl_is_sent_and_a_length_of_0_means_all() {
    seeds(
        &any(),
        || reads_external,
        |fixture| {
            note_replies();
            let (_memory, mdl) = text_mdl(100, b"0123456789");
            fixture.open();
            assert_eq!(send_mdl(&fixture, mdl.as_ptr(), 2, 3, WAIT), STATUS_SUCCESS);
            wait_for(fixture.system, "reply 234");
            assert_eq!(send_mdl(&fixture, mdl.as_ptr(), 5, 0, WAIT), STATUS_SUCCESS);
            wait_for(fixture.system, "reply 56789");
            assert_eq!(
                send_mdl(&fixture, mdl.as_ptr(), 5, 6, WAIT),
                STATUS_INVALID_PARAMETER
            );
            assert_eq!(
                send_mdl(&fixture, mdl.as_ptr(), 10, 0, WAIT),
                STATUS_INVALID_PARAMETER
            );
            mdl::free(mdl);
            fixture.finish();
        },
    );
}

#[test]
fn a_forced_length_goes_up_to_the_end_of_the_page() {
    seeds(
        &any(),
        || reads_external,
        |fixture| {
            note_replies();
            let (_memory, mdl) = text_mdl(4080, b"0123456789");
            fixture.open();
            assert_eq!(
                send_mdl(&fixture, mdl.as_ptr(), 0, 16, WAIT | FORCE),
                STATUS_SUCCESS
            );
            wait_for(fixture.system, "reply 0123456789\0\0\0\0\0\0");
            assert_eq!(
                send_mdl(&fixture, mdl.as_ptr(), 0, 17, WAIT | FORCE),
                STATUS_INVALID_PARAMETER
            );
            mdl::free(mdl);
            fixture.finish();
        },
    );
}

#[test]
fn a_chain_of_mdls_is_one_buffer_within_the_limits_that_were_set() {
    seeds(
        &any(),
        || reads_external,
        |fixture| {
            note_replies();
            let parts: Vec<_> = (0..5_u8)
                .map(|number| text_mdl(usize::from(number) * 100, &[b'a' + number; 3]))
                .collect();
            for pair in parts.windows(2) {
                // SAFETY: both are MDLs of this test.
                unsafe { (*pair[0].1.as_ptr()).Next = pair[1].1.as_ptr() };
            }
            fixture.open();
            let second = parts[1].1.as_ptr();
            assert_eq!(send_mdl(&fixture, second, 1, 0, WAIT), STATUS_SUCCESS);
            wait_for(fixture.system, "reply bbcccdddeee");
            let first = parts[0].1.as_ptr();
            assert_eq!(
                send_mdl(&fixture, first, 0, 0, WAIT),
                STATUS_INVALID_PARAMETER,
                "five of four"
            );
            for (_, mdl) in &parts {
                mdl::free(*mdl);
            }
            fixture.finish();
        },
    );
}

#[test]
fn a_gpadl_over_an_mdl_is_the_part_that_was_named() {
    let host = || {
        |channel: HostChannel| {
            assert!(channel.wait_open());
            let packet = channel.recv().expect("the handle");
            let handle = u32::from_le_bytes(packet.payload[..4].try_into().expect("four bytes"));
            let buffer = channel.map_gpadl(handle).expect("a GPADL");
            let bytes = buffer.read(0, buffer.len()).expect("in range");
            drop(buffer);
            channel.complete(packet.transaction, &bytes).expect("room");
        }
    };
    seeds(&any(), host, |fixture| {
        note_replies();
        let (_memory, mdl) = text_mdl(4094, b"0123456789");
        fixture.open();
        let mut handle = 0;
        let status = driver(|| {
            kmcl!(VmbChannelCreateGpadlFromMdl(
                fixture.channel,
                0,
                mdl.as_ptr(),
                1,
                8,
                &raw mut handle
            ))
        });
        assert_eq!(status, STATUS_SUCCESS);
        let packet = fixture.packet();
        assert_eq!(
            fixture.send(packet, &handle.to_le_bytes(), WAIT),
            STATUS_SUCCESS
        );
        wait_for(fixture.system, "reply 12345678");
        driver(|| kmcl!(VmbChannelDeleteGpadl(fixture.channel, handle)));
        mdl::free(mdl);
        fixture.finish();
    });
}

/// A host that sends one message with external data, taken from a GPADL that the guest names first.
#[allow(clippy::needless_pass_by_value, reason = "a program owns its channel")]
fn sends_external(channel: HostChannel) {
    while channel.wait_open() {
        let Ok(packet) = channel.recv() else { continue };
        let frame = u64::from_le_bytes(packet.payload[..8].try_into().expect("eight bytes"));
        let range = PageRange {
            length: 5,
            offset: 10,
            frames: vec![frame],
        };
        assert!(matches!(
            channel.send_external(b"look", &[]),
            Err(HostError::NoExternalData)
        ));
        let id = channel.send_external(b"look", &[range]).expect("room");
        while let Ok(packet) = channel.recv() {
            assert_eq!(packet.transaction, id);
            let _ = channel.send(b"done", false);
        }
    }
}

fn map(mdl: PMDL) -> *mut u8 {
    // SAFETY: the MDL is KMCL's, of locked pages without an address. NormalPagePriority,
    // MdlMappingNoWrite and MdlMappingNoExecute.
    let address = unsafe {
        ntsim::mm::mdl::MmMapLockedPagesSpecifyCache(
            mdl,
            i8::try_from(_MODE::KernelMode).expect("small"),
            _MEMORY_CACHING_TYPE::MmCached,
            std::ptr::null_mut(),
            0,
            0xC000_0010,
        )
    };
    assert!(!address.is_null());
    address.cast()
}

fn external_test(fixture: &Fixture<'_>, unmaps: bool) {
    external_test_of(fixture, unmaps, 1);
}

/// The driver maps a packet's external data, and reads it so many times.
fn external_test_of(fixture: &Fixture<'_>, unmaps: bool, times: usize) {
    let memory = pages(1);
    // SAFETY: the range is in the page.
    unsafe {
        memory
            .address()
            .add(10)
            .copy_from(std::ptr::NonNull::from(b"bytes").cast(), 5);
    };
    set_hooks(|hooks| {
        hooks.packet = Some(Rc::new(move |packet, payload, flags| {
            let payload = payload.to_vec();
            if payload.starts_with(b"done") {
                assert_eq!(flags, 0);
                kmcl!(VmbChannelPacketComplete(packet, std::ptr::null_mut(), 0));
                note("done");
                return;
            }
            assert_eq!((flags, &payload[..4]), (1, b"look".as_slice()));
            let mut mdl = std::ptr::null_mut();
            let status = kmcl!(VmbChannelPacketGetExternalData(packet, 0, &raw mut mdl));
            if status == STATUS_PENDING {
                note("pending");
                return;
            }
            assert_eq!(status, STATUS_SUCCESS);
            let address = map(mdl);
            for _ in 0..times {
                // SAFETY: mapped just now, five bytes long.
                assert_eq!(unsafe { std::slice::from_raw_parts(address, 5) }, b"bytes");
            }
            if unmaps {
                // SAFETY: mapped above.
                unsafe { ntsim::mm::mdl::MmUnmapLockedPages(address.cast(), mdl) };
            }
            kmcl!(VmbChannelPacketComplete(packet, std::ptr::null_mut(), 0));
        }));
    });
    fixture.open();
    fixture.message(&memory.frames()[0].to_le_bytes());
    wait_for(fixture.system, "done");
}

#[test]
fn external_data_of_an_incoming_packet_is_an_mdl_perhaps_after_status_pending() {
    for pends in [false, true] {
        let behaviour = KmclBehaviour {
            external_data_pends: Some(pends),
            ..any()
        };
        seeds(
            &behaviour,
            || sends_external,
            |fixture| {
                external_test(&fixture, true);
                fixture.finish();
            },
        );
    }
}

/// The host can write its external data while the guest reads it.
#[test]
fn external_data_that_is_read_twice_is_a_double_fetch() {
    for (times, found) in [(1, false), (2, true)] {
        let config = Config {
            double_fetches: true,
            ..Config::default()
        };
        let report = machine(
            config,
            Offer::new(TYPE, INSTANCE),
            sends_external,
            move |fixture| {
                external_test_of(&fixture, true, times);
                fixture.finish();
            },
        );
        if found {
            let check = report.expect_bug_check();
            assert_eq!(
                check.parameters[0],
                ntsim::mm::finding::READ_TWICE,
                "{check}"
            );
            assert!(check.message.contains("an MDL maps"), "{check}");
        } else {
            report.expect_finished();
        }
    }
}

/// No text says what a second call for one packet gives.
#[test]
fn external_data_that_is_asked_for_again_is_the_same_or_an_error() {
    for again in [false, true] {
        let config = Config {
            kmcl: KmclBehaviour {
                external_data_pends: Some(false),
                external_data_again: Some(again),
                ..any()
            },
            ..Config::default()
        };
        let report = machine(
            config,
            Offer::new(TYPE, INSTANCE),
            sends_external,
            move |fixture| {
                let memory = pages(1);
                set_hooks(|hooks| {
                    hooks.packet = Some(Rc::new(move |packet, payload, _| {
                        if payload.starts_with(b"look") {
                            let fetch = || {
                                let mut mdl = std::ptr::null_mut();
                                let status =
                                    kmcl!(VmbChannelPacketGetExternalData(packet, 0, &raw mut mdl));
                                (status, mdl)
                            };
                            let first = fetch();
                            assert_eq!(first.0, STATUS_SUCCESS);
                            let expected = if again {
                                first
                            } else {
                                (STATUS_INVALID_PARAMETER, std::ptr::null_mut())
                            };
                            assert_eq!(fetch(), expected);
                        } else {
                            note("done");
                        }
                        kmcl!(VmbChannelPacketComplete(packet, std::ptr::null_mut(), 0));
                    }));
                });
                fixture.open();
                fixture.message(&memory.frames()[0].to_le_bytes());
                wait_for(fixture.system, "done");
                fixture.finish();
            },
        );
        report.expect_finished();
    }
}

#[test]
fn external_data_is_unmapped_before_the_packet_is_completed() {
    breaks(
        "still mapped by the driver",
        || sends_external,
        |fixture| external_test(&fixture, false),
    );
}

#[test]
fn a_packet_that_waits_for_its_external_data_is_not_completed() {
    let config = Config {
        kmcl: KmclBehaviour {
            external_data_pends: Some(true),
            ..any()
        },
        ..Config::default()
    };
    let report = machine(
        config,
        Offer::new(TYPE, INSTANCE),
        sends_external,
        |fixture| {
            let memory = pages(1);
            set_hooks(|hooks| {
                hooks.packet = Some(Rc::new(|packet, _, _| {
                    let mut mdl = std::ptr::null_mut();
                    let status = kmcl!(VmbChannelPacketGetExternalData(packet, 0, &raw mut mdl));
                    // STATUS_PENDING passes NT_SUCCESS.
                    assert!(status >= 0);
                    kmcl!(VmbChannelPacketComplete(packet, std::ptr::null_mut(), 0));
                }));
            });
            fixture.open();
            fixture.message(&memory.frames()[0].to_le_bytes());
            fixture.system.sleep(std::time::Duration::from_secs(1));
        },
    );
    let check = report.expect_bug_check();
    assert_eq!(check.code, StopCode::NTSIM_KMCL_VIOLATION, "{check}");
    assert!(
        check.message.contains("waits for its external data"),
        "{check}"
    );
}

#[test]
fn a_packet_without_external_data_has_none() {
    let host = || {
        |channel: HostChannel| {
            assert!(channel.wait_open());
            channel.send(b"plain", false).expect("room");
        }
    };
    seeds(&any(), host, |fixture| {
        let status = Rc::new(Cell::new(STATUS_SUCCESS));
        let sink = Rc::clone(&status);
        set_hooks(|hooks| {
            hooks.packet = Some(Rc::new(move |packet, _, _| {
                let mut mdl = std::ptr::null_mut();
                sink.set(kmcl!(VmbChannelPacketGetExternalData(
                    packet,
                    0,
                    &raw mut mdl
                )));
                kmcl!(VmbChannelPacketComplete(packet, std::ptr::null_mut(), 0));
                note("packet");
            }));
        });
        fixture.open();
        wait_for(fixture.system, "packet");
        assert_eq!(status.get(), STATUS_INVALID_PARAMETER);
        fixture.finish();
    });
}

#[test]
fn a_buffer_outlives_its_gpadl() {
    breaks(
        "was freed while GPADL",
        || reads_external,
        |fixture| {
            fixture.open();
            let memory = pages(1);
            let mut handle = 0;
            driver(|| {
                let status = kmcl!(VmbChannelCreateGpadlFromBuffer(
                    fixture.channel,
                    0,
                    memory.address().as_ptr().cast(),
                    100,
                    &raw mut handle
                ));
                assert_eq!(status, STATUS_SUCCESS);
            });
            drop(memory);
            driver(|| kmcl!(VmbChannelDeleteGpadl(fixture.channel, handle)));
        },
    );
}

#[test]
fn a_gpadl_describes_memory() {
    breaks(
        "are not the driver's memory",
        || reads_external,
        |fixture| {
            fixture.open();
            let mut handle = 0;
            driver(|| {
                kmcl!(VmbChannelCreateGpadlFromBuffer(
                    fixture.channel,
                    0,
                    std::ptr::without_provenance_mut(0x1000),
                    100,
                    &raw mut handle
                ))
            });
        },
    );
}
