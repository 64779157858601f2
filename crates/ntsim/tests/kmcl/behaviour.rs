//! What KMCL does for a driver that keeps its rules.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use kmcl_sys::VMBUS_CHANNEL_FORMAT_FLAG_WAIT_FOR_COMPLETION as WAIT;
use ntsim::Config;
use ntsim::export::{DISPATCH_LEVEL, PASSIVE_LEVEL};
use ntsim::vmbus::{
    HostChannel, HostError, HostPacketKind, KmclBehaviour, Offer, WhenOutgoingFail, backends,
};
use wdk_sys_lite::{
    LARGE_INTEGER, NTSTATUS, STATUS_BUFFER_OVERFLOW, STATUS_CANCELLED, STATUS_DEVICE_REMOVED,
    STATUS_INVALID_BUFFER_SIZE, STATUS_INVALID_PARAMETER, STATUS_INVALID_PARAMETER_2,
    STATUS_INVALID_PARAMETER_3, STATUS_NOT_SUPPORTED, STATUS_SUCCESS,
};

use crate::harness::{
    DRIVER, Fixture, INSTANCE, TYPE, driver, irql, log, machine, note, on_completion, pages, query,
    seeds, send, set_hooks, wait_for, wait_for_times,
};
use crate::kmcl;

fn any() -> KmclBehaviour {
    KmclBehaviour::default()
}

fn position(line: &str) -> usize {
    log()
        .iter()
        .position(|entry| entry == line)
        .unwrap_or_else(|| panic!("no {line:?} in {:?}", log()))
}

fn completions() -> Vec<String> {
    log()
        .into_iter()
        .filter(|line| line.starts_with("completed"))
        .collect()
}

#[test]
fn a_channel_opens_starts_and_closes_with_its_callbacks_in_order() {
    seeds(
        &any(),
        || backends::echo,
        |fixture| {
            fixture.open();
            fixture.finish();
            let states: Vec<_> = log()
                .into_iter()
                .filter(|line| !line.starts_with("batch"))
                .collect();
            assert_eq!(
                states,
                [
                    "opened",
                    "started",
                    "started done",
                    "post-started",
                    "post-started done",
                    "suspend",
                    "suspend done",
                    "closed",
                    "closed done"
                ]
            );
        },
    );
}

#[test]
fn state_callbacks_run_at_passive_level() {
    seeds(
        &any(),
        || backends::echo,
        |fixture| {
            set_hooks(|hooks| {
                hooks.opened = Some(Rc::new(|_| {
                    assert_eq!(irql(), PASSIVE_LEVEL);
                    STATUS_SUCCESS
                }));
                hooks.suspend = Some(Rc::new(|_| assert_eq!(irql(), PASSIVE_LEVEL)));
            });
            fixture.open();
            fixture.finish();
        },
    );
}

#[test]
fn messages_come_back_in_order_and_rounded_up_with_bytes_that_are_not_zero() {
    seeds(
        &any(),
        || backends::echo,
        |fixture| {
            let received = Rc::new(RefCell::new(Vec::new()));
            let sink = Rc::clone(&received);
            set_hooks(|hooks| {
                hooks.packet = Some(Rc::new(move |packet, payload, flags| {
                    assert_eq!(flags, 0);
                    sink.borrow_mut().push(payload.to_vec());
                    kmcl!(VmbChannelPacketComplete(packet, std::ptr::null_mut(), 0));
                    note("packet");
                }));
            });
            fixture.open();
            for number in 0..40_u8 {
                fixture.message(&vec![number; usize::from(number) * 37 + 1]);
            }
            wait_for_times(fixture.system, "packet", 40);
            for (number, payload) in received.take().into_iter().enumerate() {
                let sent = number * 37 + 1;
                assert_eq!(payload.len(), sent.next_multiple_of(8));
                assert!(
                    payload[..sent]
                        .iter()
                        .all(|byte| usize::from(*byte) == number)
                );
                assert!(payload[sent..].iter().all(|byte| *byte != 0), "padding");
            }
            fixture.finish();
        },
    );
}

#[test]
fn packets_arrive_at_dispatch_or_passive_level_and_at_passive_only_if_asked() {
    for (passive, expected) in [(false, [true, true]), (true, [true, false])] {
        let mut seen = [false, false];
        for seed in 1..=12 {
            let levels = machine(
                Config::with_seed(seed),
                Offer::new(TYPE, INSTANCE),
                backends::echo,
                move |fixture| {
                    let levels = Rc::new(RefCell::new(Vec::new()));
                    let sink = Rc::clone(&levels);
                    set_hooks(|hooks| {
                        hooks.packet = Some(Rc::new(move |packet, _, _| {
                            sink.borrow_mut().push(irql());
                            kmcl!(VmbChannelPacketComplete(packet, std::ptr::null_mut(), 0));
                            note("packet");
                        }));
                    });
                    driver(|| {
                        kmcl!(VmbChannelSetIncomingProcessingAtPassive(
                            fixture.channel,
                            u8::from(passive)
                        ));
                    });
                    fixture.open();
                    for _ in 0..4 {
                        fixture.message(b"level");
                    }
                    wait_for_times(fixture.system, "packet", 4);
                    fixture.finish();
                    levels.take()
                },
            )
            .expect_finished();
            for level in levels {
                assert!(level <= DISPATCH_LEVEL);
                seen[usize::from(level == DISPATCH_LEVEL)] = true;
            }
        }
        assert_eq!(seen, expected, "at PASSIVE_LEVEL, at DISPATCH_LEVEL");
    }
}

#[test]
fn a_transaction_completes_with_the_hosts_reply() {
    seeds(
        &any(),
        || backends::echo,
        |fixture| {
            set_hooks(|hooks| {
                hooks.completion = Some(Rc::new(|packet, _, reply| {
                    let reply = reply.expect("a reply");
                    assert_eq!(&reply[..5], b"hello");
                    assert_eq!(reply.len(), 8);
                    kmcl!(VmbPacketFree(packet));
                }));
            });
            fixture.open();
            let packet = fixture.packet();
            assert_eq!(fixture.send(packet, b"hello", WAIT), STATUS_SUCCESS);
            wait_for(fixture.system, "completed 0x0");
            fixture.finish();
        },
    );
}

#[test]
fn a_packet_may_be_sent_again_from_its_completion_routine() {
    seeds(
        &any(),
        || backends::echo,
        |fixture| {
            let left = Rc::new(Cell::new(5));
            set_hooks(|hooks| {
                hooks.completion = Some(Rc::new(move |packet, _, _| {
                    left.set(left.get() - 1);
                    if left.get() == 0 {
                        kmcl!(VmbPacketFree(packet));
                    } else {
                        assert_eq!(send(packet, b"again", WAIT), STATUS_SUCCESS);
                    }
                }));
            });
            fixture.open();
            let packet = fixture.packet();
            assert_eq!(fixture.send(packet, b"first", WAIT), STATUS_SUCCESS);
            wait_for_times(fixture.system, "completed 0x0", 5);
            fixture.finish();
            assert_eq!(completions().len(), 5);
        },
    );
}

#[test]
fn packets_come_from_the_channels_lookaside_list_once_it_is_warm() {
    seeds(
        &any(),
        || backends::echo,
        |fixture| {
            set_hooks(|hooks| {
                hooks.completion = Some(Rc::new(|packet, _, _| {
                    kmcl!(VmbPacketFree(packet));
                    note("freed");
                }));
            });
            fixture.open();
            for round in 1..=20 {
                let packet = fixture.packet();
                assert_eq!(fixture.send(packet, b"warm", WAIT), STATUS_SUCCESS);
                wait_for_times(fixture.system, "freed", round);
            }
            let counters = fixture.system.kmcl_counters();
            assert_eq!(counters.lookaside_misses, 1);
            assert_eq!(counters.lookaside_hits, 19);
            fixture.finish();
        },
    );
}

#[test]
fn a_full_ring_queues_packets_and_sends_them_in_order_when_there_is_room() {
    let host = || {
        |channel: HostChannel| {
            assert!(channel.wait_open());
            channel.sleep(Duration::from_millis(5));
            for number in 0..100_u8 {
                let packet = channel.recv().expect("a packet");
                assert_eq!(packet.payload[0], number);
                assert_eq!(packet.payload.len(), 1000);
            }
            channel.send(b"all there", false).expect("room");
        }
    };
    seeds(&any(), host, |fixture| {
        set_hooks(|hooks| {
            hooks.packet = Some(Rc::new(|packet, _, _| {
                note("answer");
                kmcl!(VmbChannelPacketComplete(packet, std::ptr::null_mut(), 0));
            }));
        });
        fixture.open();
        // The buffers stay until the completions: KMCL may read them late.
        let buffers: Vec<_> = (0..100_u8).map(|number| vec![number; 1000]).collect();
        for buffer in &buffers {
            let packet = fixture.packet();
            assert_eq!(fixture.send(packet, buffer, 0), STATUS_SUCCESS);
        }
        assert!(fixture.system.kmcl_counters().queued > 50);
        wait_for(fixture.system, "answer");
        wait_for_times(fixture.system, "completed 0x0", 100);
        fixture.finish();
    });
}

#[test]
fn a_buffer_may_be_read_after_a_send_that_found_the_ring_full_has_returned() {
    for late in [false, true] {
        let config = Config {
            kmcl: KmclBehaviour {
                reads_buffer_late: Some(late),
                ..any()
            },
            ..Config::default()
        };
        let changed = machine(
            config,
            Offer::new(TYPE, INSTANCE),
            |channel: HostChannel| {
                assert!(channel.wait_open());
                channel.sleep(Duration::from_millis(1));
                let mut last = 0;
                for _ in 0..20 {
                    last = channel.recv().expect("a packet").payload[0];
                }
                channel.send(&[last], false).expect("room");
            },
            |fixture| {
                let last = Rc::new(Cell::new(0));
                let sink = Rc::clone(&last);
                set_hooks(|hooks| {
                    hooks.packet = Some(Rc::new(move |packet, payload, _| {
                        sink.set(payload[0]);
                        kmcl!(VmbChannelPacketComplete(packet, std::ptr::null_mut(), 0));
                        note("answer");
                    }));
                });
                fixture.open();
                let mut buffer = vec![1; 1000];
                for _ in 0..20 {
                    let packet = fixture.packet();
                    assert_eq!(fixture.send(packet, &buffer, 0), STATUS_SUCCESS);
                }
                buffer.fill(2);
                wait_for(fixture.system, "answer");
                std::hint::black_box(&buffer);
                fixture.finish();
                last.get()
            },
        )
        .expect_finished();
        assert_eq!(changed, if late { 2 } else { 1 });
    }
}

#[test]
fn packets_sent_before_the_channel_opens_are_queued() {
    seeds(
        &any(),
        || backends::echo,
        |fixture| {
            let packet = fixture.packet();
            assert_eq!(fixture.send(packet, b"early", WAIT), STATUS_SUCCESS);
            fixture.system.sleep(Duration::from_millis(1));
            assert_eq!(completions(), [] as [&str; 0]);
            fixture.open();
            wait_for(fixture.system, "completed 0x0");
            assert!(position("completed 0x0") > position("started done"));
            fixture.finish();
        },
    );
}

#[test]
fn packets_that_are_out_when_the_channel_closes_come_back_exactly_once_with_a_failure() {
    for when in [
        WhenOutgoingFail::BeforeSuspend,
        WhenOutgoingFail::BeforeClosed,
        WhenOutgoingFail::AfterClosed,
    ] {
        let behaviour = KmclBehaviour {
            outgoing_fail: Some(when),
            ..any()
        };
        seeds(
            &behaviour,
            || backends::silent,
            |fixture| {
                fixture.open();
                for _ in 0..30 {
                    let packet = fixture.packet();
                    assert_eq!(fixture.send(packet, &[7; 1000], WAIT), STATUS_SUCCESS);
                }
                fixture.finish();
                let completions = completions();
                assert_eq!(completions.len(), 30);
                assert!(
                    completions
                        .iter()
                        .all(|line| line.starts_with("completed 0xc")),
                    "{completions:?}"
                );
            },
        );
    }
}

#[test]
fn an_incoming_request_is_answered_by_its_completion() {
    let host = || {
        |channel: HostChannel| {
            assert!(channel.wait_open());
            let id = channel.send(b"question", true).expect("room");
            let answer = channel.recv().expect("an answer");
            assert_eq!(answer.kind, HostPacketKind::Completion);
            assert_eq!(answer.transaction, id);
            assert_eq!(&answer.payload[..6], b"answer");
            channel.send(b"thanks", false).expect("room");
        }
    };
    seeds(&any(), host, |fixture| {
        set_hooks(|hooks| {
            hooks.packet = Some(Rc::new(|packet, payload, _| {
                note(String::from_utf8_lossy(payload));
                let answer = b"answer";
                kmcl!(VmbChannelPacketComplete(
                    packet,
                    answer.as_ptr().cast_mut().cast(),
                    6
                ));
            }));
        });
        fixture.open();
        wait_for(fixture.system, "thanks");
        fixture.finish();
    });
}

#[test]
fn disable_waits_for_outstanding_incoming_packets() {
    let host = || {
        |channel: HostChannel| {
            assert!(channel.wait_open());
            channel.send(b"keep me", true).expect("room");
        }
    };
    seeds(&any(), host, |fixture| {
        let kept = Rc::new(Cell::new(std::ptr::null_mut()));
        let sink = Rc::clone(&kept);
        set_hooks(|hooks| {
            hooks.packet = Some(Rc::new(move |packet, _, _| {
                sink.set(packet);
                note("packet");
            }));
        });
        fixture.open();
        wait_for(fixture.system, "packet");
        fixture.system.spawn("completes later", move |system| {
            system.sleep(Duration::from_millis(1));
            assert!(!log().iter().any(|line| line == "closed"), "{:?}", log());
            note("completing");
            driver(|| {
                kmcl!(VmbChannelPacketComplete(
                    kept.get(),
                    std::ptr::null_mut(),
                    0
                ));
            });
        });
        fixture.disable();
        assert!(position("completing") < position("closed"));
        fixture.finish();
    });
}

#[test]
fn a_paused_channel_delivers_nothing_until_it_is_started() {
    let host = || {
        |channel: HostChannel| {
            assert!(channel.wait_open());
            channel.sleep(Duration::from_millis(1));
            channel.send(b"waits", false).expect("room");
        }
    };
    seeds(&any(), host, |fixture| {
        set_hooks(|hooks| {
            hooks.packet = Some(Rc::new(|packet, _, _| {
                note("packet");
                kmcl!(VmbChannelPacketComplete(packet, std::ptr::null_mut(), 0));
            }));
        });
        fixture.open();
        driver(|| kmcl!(VmbChannelPause(fixture.channel)));
        assert!(position("suspend done") > 0);
        fixture.system.sleep(Duration::from_millis(3));
        assert!(!log().iter().any(|line| line == "packet"), "{:?}", log());
        driver(|| kmcl!(VmbChannelStart(fixture.channel)));
        wait_for(fixture.system, "packet");
        assert_eq!(log().iter().filter(|line| *line == "started").count(), 2);
        fixture.finish();
    });
}

#[test]
fn a_channel_paused_while_disabled_opens_paused_and_closes_without_suspend() {
    seeds(
        &any(),
        || backends::echo,
        |fixture| {
            driver(|| kmcl!(VmbChannelPause(fixture.channel)));
            fixture.enable();
            wait_for(fixture.system, "opened");
            fixture.system.sleep(Duration::from_millis(1));
            fixture.finish();
            assert_eq!(log(), ["opened", "closed", "closed done"]);
        },
    );
}

#[test]
fn a_channel_can_be_enabled_again_after_it_was_disabled() {
    seeds(
        &any(),
        || backends::echo,
        |fixture| {
            for _ in 0..3 {
                fixture.open();
                fixture.message(b"again");
                fixture.disable();
            }
            assert_eq!(log().iter().filter(|line| *line == "opened").count(), 3);
            fixture.finish();
        },
    );
}

#[test]
fn a_rescind_closes_the_channel_and_the_offers_number_goes_back_when_the_device_is_gone() {
    seeds(
        &any(),
        || backends::echo,
        |fixture| {
            fixture.open();
            assert!(!fixture.offer.is_released());
            fixture.offer.rescind();
            wait_for(fixture.system, "closed done");
            assert!(position("suspend done") < position("closed"));
            let offer = fixture.offer;
            // The driver gives the interface back before its device is gone for good.
            let system = fixture.system;
            fixture.finish();
            for _ in 0..1000 {
                if offer.is_released() {
                    return;
                }
                system.sleep(Duration::from_micros(10));
            }
            panic!("the number was not released");
        },
    );
}

#[test]
fn a_failed_opened_callback_rolls_the_channel_back() {
    seeds(
        &any(),
        || backends::echo,
        |fixture| {
            set_hooks(|hooks| hooks.opened = Some(Rc::new(|_| STATUS_CANCELLED)));
            fixture.enable();
            wait_for(fixture.system, "opened");
            fixture.system.sleep(Duration::from_millis(1));
            assert!(!log().iter().any(|line| line == "started"), "{:?}", log());
            fixture.disable();
            set_hooks(|hooks| hooks.opened = None);
            fixture.open();
            fixture.finish();
        },
    );
}

#[test]
fn a_host_that_refuses_leaves_the_channel_enabled_and_reports_to_the_pnp_failure_callback() {
    unsafe extern "C" fn failed(_channel: kmcl_sys::VMBCHANNEL, status: NTSTATUS) {
        assert!(status < 0);
        note("pnp failure");
    }
    for seed in 1..=6 {
        let offer = Offer {
            refuses_to_open: true,
            ..Offer::new(TYPE, INSTANCE)
        };
        machine(Config::with_seed(seed), offer, backends::echo, |fixture| {
            let status = driver(|| {
                kmcl!(VmbClientChannelInitSetTargetPnp(
                    fixture.channel,
                    &raw const TYPE,
                    std::ptr::null(),
                    Some(failed)
                ))
            });
            assert_eq!(status, STATUS_SUCCESS);
            fixture.enable();
            wait_for(fixture.system, "pnp failure");
            fixture.finish();
        })
        .expect_finished();
    }
}

/// Offers channels that the host never opens, and ends the attempt to open one.
fn never_opened(end: impl Fn(&Fixture<'_>) + Send + Copy + 'static) {
    for seed in 1..=20 {
        let offer = Offer {
            leaves_open_unanswered: true,
            ..Offer::new(TYPE, INSTANCE)
        };
        machine(
            Config::with_seed(seed),
            offer,
            backends::echo,
            move |fixture| {
                fixture.enable();
                let pause = fixture.system.random(100_000);
                fixture.system.sleep(Duration::from_nanos(pause));
                end(&fixture);
                assert_eq!(log(), [] as [&str; 0], "no callback runs");
                fixture.finish();
            },
        )
        .expect_finished();
    }
}

#[test]
fn a_channel_that_the_host_never_opens_can_be_paused_and_disabled() {
    never_opened(|fixture| driver(|| kmcl!(VmbChannelPause(fixture.channel))));
    never_opened(|fixture| {
        fixture.disable();
        fixture.enable();
    });
}

#[test]
fn a_host_that_never_opens_a_channel_can_take_it_back() {
    never_opened(|fixture| {
        fixture.offer.rescind();
        fixture.system.sleep(Duration::from_micros(100));
    });
}

#[test]
fn a_channel_with_a_pnp_target_waits_for_the_offer() {
    static OTHER: wdk_sys_lite::GUID = wdk_sys_lite::GUID {
        Data1: 77,
        Data2: 1,
        Data3: 2,
        Data4: *b"another!",
    };
    seeds(
        &any(),
        || backends::echo,
        |fixture| {
            driver(|| {
                kmcl!(VmbClientChannelInitSetTargetPnp(
                    fixture.channel,
                    &raw const OTHER,
                    &raw const INSTANCE,
                    None
                ))
            });
            fixture.enable();
            fixture.system.sleep(Duration::from_millis(1));
            assert_eq!(log(), [] as [&str; 0]);
            let _ = fixture
                .system
                .offer(Offer::new(OTHER, INSTANCE), backends::echo);
            wait_for(fixture.system, "post-started done");
            let mut instance = TYPE;
            driver(|| {
                kmcl!(VmbChannelGetInterfaceInstance(
                    fixture.channel,
                    &raw mut instance
                ));
            });
            assert_eq!(instance.Data1, INSTANCE.Data1);
            fixture.finish();
        },
    );
}

#[test]
fn offers_that_come_and_go_do_not_keep_a_disabled_channel_from_being_cleaned_up() {
    for seed in 1..=300 {
        let offer = Offer::new(TYPE, INSTANCE);
        machine(Config::with_seed(seed), offer, backends::echo, |fixture| {
            fixture.open();
            fixture.disable();
            // The host's messages arrive around the cleanup.
            for number in 0..4 {
                let instance = wdk_sys_lite::GUID {
                    Data1: 100 + number,
                    ..INSTANCE
                };
                let _ = fixture
                    .system
                    .offer(Offer::new(TYPE, instance), backends::echo);
            }
            let pause = fixture.system.random(20_000);
            fixture.system.sleep(Duration::from_nanos(pause));
            driver(|| {
                kmcl!(VmbChannelCleanup(fixture.channel));
                fixture.dereference();
            });
            assert_eq!(fixture.system.leaks(DRIVER), []);
        })
        .expect_finished();
    }
}

#[test]
fn the_quota_caps_outstanding_packets_and_raising_it_restarts_nothing() {
    let host = || {
        |channel: HostChannel| {
            assert!(channel.wait_open());
            for _ in 0..5 {
                channel.send(b"one of five", false).expect("room");
            }
        }
    };
    seeds(&any(), host, |fixture| {
        let kept = Rc::new(RefCell::new(Vec::new()));
        let sink = Rc::clone(&kept);
        set_hooks(|hooks| {
            hooks.packet = Some(Rc::new(move |packet, _, _| {
                sink.borrow_mut().push(packet);
                note("packet");
            }));
        });
        driver(|| kmcl!(VmbChannelSetTransactionQuota(fixture.channel, 2)));
        fixture.open();
        wait_for_times(fixture.system, "packet", 2);
        fixture.system.sleep(Duration::from_millis(1));
        assert_eq!(kept.borrow().len(), 2);
        driver(|| kmcl!(VmbChannelSetTransactionQuota(fixture.channel, 10)));
        fixture.system.sleep(Duration::from_millis(1));
        assert_eq!(kept.borrow().len(), 2, "raising the quota delivers nothing");
        let first = kept.borrow_mut().remove(0);
        driver(|| kmcl!(VmbChannelPacketComplete(first, std::ptr::null_mut(), 0)));
        wait_for_times(fixture.system, "packet", 5);
        for packet in kept.take() {
            driver(|| kmcl!(VmbChannelPacketComplete(packet, std::ptr::null_mut(), 0)));
        }
        fixture.finish();
    });
}

/// OpenVMM's `vmbus_server` answers nothing to an open of an offer that it has taken back: the
/// rescind alone ends the guest's wait.
#[test]
fn a_rescind_ends_an_open_that_the_host_never_answers() {
    for seed in 1..=200 {
        let offer = Offer {
            answers_open_after: Duration::from_micros(seed % 5 * 10),
            answers_open_when_rescinded: Some(false),
            ..Offer::new(TYPE, INSTANCE)
        };
        machine(
            Config::with_seed(seed),
            offer,
            |channel: HostChannel| while channel.wait_open() && channel.recv().is_ok() {},
            move |fixture| {
                fixture.enable();
                fixture.system.sleep(Duration::from_micros(seed % 13 * 3));
                fixture.offer.rescind();
                fixture.finish();
            },
        )
        .expect_finished();
    }
}

#[test]
fn a_deferred_packet_is_indicated_again_at_passive_level() {
    let host = || {
        |channel: HostChannel| {
            assert!(channel.wait_open());
            channel.send(b"first", false).expect("room");
            channel.send(b"second", false).expect("room");
        }
    };
    seeds(&any(), host, |fixture| {
        let deferred = Rc::new(Cell::new(false));
        set_hooks(|hooks| {
            hooks.packet = Some(Rc::new(move |packet, payload, _| {
                if !deferred.replace(true) {
                    kmcl!(VmbChannelPacketDeferToPassive(packet));
                    note("deferred");
                    return;
                }
                if payload.starts_with(b"first") {
                    assert_eq!(irql(), PASSIVE_LEVEL);
                }
                note(String::from_utf8_lossy(&payload[..5]));
                kmcl!(VmbChannelPacketComplete(packet, std::ptr::null_mut(), 0));
            }));
        });
        fixture.open();
        wait_for(fixture.system, "secon");
        assert!(position("deferred") < position("first"));
        assert!(position("first") < position("secon"));
        fixture.finish();
    });
}

#[test]
fn a_failed_packet_halts_the_queue_until_the_next_open() {
    let host = || {
        |channel: HostChannel| {
            while channel.wait_open() {
                let _ = channel.send(b"bad", false);
                let _ = channel.send(b"never", false);
                channel.wait_closed();
            }
        }
    };
    seeds(&any(), host, |fixture| {
        set_hooks(|hooks| {
            hooks.packet = Some(Rc::new(|packet, _, _| {
                note("packet");
                kmcl!(VmbChannelPacketFail(packet));
            }));
        });
        fixture.open();
        wait_for(fixture.system, "packet");
        fixture.system.sleep(Duration::from_millis(1));
        assert_eq!(log().iter().filter(|line| *line == "packet").count(), 1);
        fixture.disable();
        fixture.open();
        wait_for_times(fixture.system, "packet", 2);
        fixture.finish();
    });
}

#[test]
fn a_payload_is_gone_after_the_callback() {
    let host = || {
        |channel: HostChannel| {
            assert!(channel.wait_open());
            channel.send(b"for the call only", false).expect("room");
        }
    };
    for in_ring in [false, true] {
        let config = Config {
            kmcl: KmclBehaviour {
                payload_in_ring: Some(in_ring),
                ..any()
            },
            ..Config::default()
        };
        let report = machine(config, Offer::new(TYPE, INSTANCE), host(), |fixture| {
            let kept = Rc::new(Cell::new((std::ptr::null(), 0)));
            let sink = Rc::clone(&kept);
            set_hooks(|hooks| {
                hooks.packet = Some(Rc::new(move |packet, payload, _| {
                    sink.set((payload.as_ptr(), payload.len()));
                    kmcl!(VmbChannelPacketComplete(packet, std::ptr::null_mut(), 0));
                    note("packet");
                }));
            });
            fixture.open();
            wait_for(fixture.system, "packet");
            fixture.system.sleep(Duration::from_millis(1));
            let (start, _) = kept.get();
            // SAFETY: none: this is the mistake that the simulator has to notice.
            driver(|| unsafe { start.read_volatile() })
        });
        if in_ring {
            assert_eq!(report.expect_finished(), 0xDD);
        } else {
            let check = report.expect_bug_check();
            assert_eq!(
                check.code,
                ntsim::StopCode::PAGE_FAULT_IN_NONPAGED_AREA,
                "{check}"
            );
        }
    }
}

#[test]
fn a_payload_and_a_reply_may_be_gone_with_their_packet() {
    let host = || {
        |channel: HostChannel| {
            assert!(channel.wait_open());
            channel.send(b"a payload", false).expect("room");
            let packet = channel.recv().expect("the driver's");
            channel
                .complete(packet.transaction, b"a reply!")
                .expect("room");
            let _ = channel.recv();
        }
    };
    for ends in [false, true] {
        let behaviour = KmclBehaviour {
            payload_ends_with_packet: Some(ends),
            ..any()
        };
        let what = move |byte: u8| if ends { 0xDD } else { byte };
        for resends in [false, true] {
            seeds(&behaviour, host, move |fixture| {
                set_hooks(|hooks| {
                    hooks.packet = Some(Rc::new(move |packet, payload, _| {
                        assert_eq!(payload[0], b'a');
                        kmcl!(VmbChannelPacketComplete(packet, std::ptr::null_mut(), 0));
                        // SAFETY: none: the packet has ended, which the simulator has to let the
                        // driver notice.
                        assert_eq!(unsafe { payload.as_ptr().read_volatile() }, what(b'a'));
                        note("packet");
                    }));
                    hooks.completion = Some(Rc::new(move |packet, _, reply| {
                        static AGAIN: [u8; 8] = [7; 8];
                        let Some(reply) = reply else {
                            kmcl!(VmbPacketFree(packet));
                            return;
                        };
                        assert_eq!(reply[2], b'r');
                        if resends {
                            let bytes = AGAIN.as_ptr().cast_mut().cast();
                            kmcl!(VmbPacketSend(packet, bytes, 8, std::ptr::null_mut(), 0));
                        } else {
                            kmcl!(VmbPacketFree(packet));
                        }
                        // SAFETY: none, as above.
                        assert_eq!(unsafe { reply.as_ptr().add(2).read_volatile() }, what(b'r'));
                        note("reply");
                    }));
                });
                fixture.open();
                let packet = fixture.packet();
                assert_eq!(fixture.send(packet, b"question", WAIT), STATUS_SUCCESS);
                wait_for(fixture.system, "packet");
                wait_for(fixture.system, "reply");
                fixture.finish();
            });
        }
    }
}

#[test]
fn a_failing_send_leaves_the_packet_to_the_driver_and_may_run_its_routine() {
    for runs in [false, true] {
        let behaviour = KmclBehaviour {
            routine_on_failed_send: Some(runs),
            ..any()
        };
        seeds(
            &behaviour,
            || backends::echo,
            |fixture| {
                set_hooks(|hooks| {
                    hooks.completion = Some(Rc::new(|_, _, _| {}));
                });
                fixture.open();
                let packet = fixture.packet();
                let status = fixture.send(packet, &[0; 4096], 0);
                assert_eq!(status, STATUS_INVALID_BUFFER_SIZE);
                let ran = completions();
                driver(|| kmcl!(VmbPacketFree(packet)));
                fixture.finish();
                assert!(ran.len() <= 1);
                note(format!("ran {}", ran.len()));
            },
        );
        let config = Config {
            kmcl: behaviour,
            ..Config::default()
        };
        let ran = machine(
            config,
            Offer::new(TYPE, INSTANCE),
            backends::echo,
            |fixture| {
                set_hooks(|hooks| hooks.completion = Some(Rc::new(|_, _, _| {})));
                let packet = fixture.packet();
                assert_ne!(fixture.send(packet, &[0; 4096], 0), STATUS_SUCCESS);
                driver(|| kmcl!(VmbPacketFree(packet)));
                completions().len()
            },
        )
        .expect_finished();
        assert_eq!(ran, usize::from(runs));
    }
}

#[test]
fn a_packet_in_the_drivers_memory_is_sent_and_stays_the_drivers() {
    seeds(
        &any(),
        || backends::echo,
        |fixture| {
            fixture.open();
            set_hooks(|hooks| hooks.completion = Some(Rc::new(|_, _, _| {})));
            let size = driver(|| kmcl!(VmbChannelSizeofPacket(fixture.channel)));
            assert!(size > 2048 + 8);
            let mut memory = vec![0_u64; (size as usize).div_ceil(8)];
            let packet = memory.as_mut_ptr().cast();
            driver(|| {
                assert_eq!(
                    kmcl!(VmbPacketInitialize(fixture.channel, packet, size - 1)),
                    STATUS_INVALID_PARAMETER_3
                );
                assert_eq!(
                    kmcl!(VmbPacketInitialize(fixture.channel, packet, size)),
                    STATUS_SUCCESS
                );
                kmcl!(VmbPacketSetCompletionRoutine(packet, Some(on_completion)));
                assert_eq!(kmcl!(VmbPacketGetChannel(packet)), fixture.channel);
            });
            for round in 1..=3 {
                assert_eq!(fixture.send(packet, b"mine", WAIT), STATUS_SUCCESS);
                wait_for_times(fixture.system, "completed 0x0", round);
            }
            fixture.finish();
            drop(memory);
        },
    );
}

#[test]
fn pointers_are_garbage_until_they_are_set() {
    seeds(
        &any(),
        || backends::echo,
        |fixture| {
            let packet = fixture.packet();
            driver(|| {
                assert!(!kmcl!(VmbChannelGetPointer(fixture.channel)).is_null());
                assert!(!kmcl!(VmbPacketGetPointer(packet)).is_null());
                let mark = std::ptr::without_provenance_mut(0x1230);
                kmcl!(VmbChannelSetPointer(fixture.channel, mark));
                kmcl!(VmbPacketSetPointer(packet, mark));
                assert_eq!(kmcl!(VmbChannelGetPointer(fixture.channel)), mark);
                assert_eq!(kmcl!(VmbPacketGetPointer(packet)), mark);
                kmcl!(VmbPacketFree(packet));
            });
            fixture.finish();
        },
    );
}

fn request(
    fixture: &Fixture<'_>,
    capacity: u32,
    timeout: Option<i64>,
    flags: u32,
) -> (NTSTATUS, Vec<u8>) {
    let mut reply = vec![0; 64];
    let mut length = capacity;
    let mut time = LARGE_INTEGER {
        QuadPart: timeout.unwrap_or(0),
    };
    let status = driver(|| {
        kmcl!(VmbChannelSendSynchronousRequest(
            fixture.channel,
            b"question".as_ptr().cast_mut().cast(),
            8,
            std::ptr::null_mut(),
            flags,
            reply.as_mut_ptr().cast(),
            &raw mut length,
            if timeout.is_some() {
                &raw mut time
            } else {
                std::ptr::null_mut()
            },
        ))
    });
    reply.truncate(length as usize);
    (status, reply)
}

#[test]
fn a_synchronous_request_returns_the_reply() {
    seeds(
        &any(),
        || backends::echo,
        |fixture| {
            fixture.open();
            assert_eq!(
                request(&fixture, 64, None, WAIT),
                (STATUS_SUCCESS, b"question".to_vec())
            );
            assert_eq!(
                request(&fixture, 63, None, WAIT).0,
                STATUS_INVALID_PARAMETER
            );
            assert_eq!(request(&fixture, 64, Some(0), 0).0, STATUS_SUCCESS);
            fixture.finish();
        },
    );
}

#[test]
fn a_synchronous_request_may_be_made_in_post_started() {
    seeds(
        &any(),
        || backends::echo,
        |fixture| {
            set_hooks(|hooks| {
                hooks.post_started = Some(Rc::new(|channel| {
                    let status = kmcl!(VmbChannelSendSynchronousRequest(
                        channel,
                        b"negotiate".as_ptr().cast_mut().cast(),
                        9,
                        std::ptr::null_mut(),
                        WAIT,
                        std::ptr::null_mut(),
                        std::ptr::null_mut(),
                        std::ptr::null_mut(),
                    ));
                    note(format!("negotiated {status:#x}"));
                }));
            });
            fixture.open();
            wait_for(fixture.system, "negotiated 0x0");
            fixture.finish();
        },
    );
}

#[test]
fn a_synchronous_request_that_times_out_is_cancelled_and_its_late_reply_is_no_breach() {
    seeds(
        &any(),
        || backends::slow(Duration::from_millis(1)),
        |fixture| {
            fixture.open();
            let (status, _) = request(&fixture, 64, Some(-10), WAIT);
            assert_eq!(status, STATUS_CANCELLED);
            fixture.system.sleep(Duration::from_millis(2));
            assert_eq!(request(&fixture, 64, None, WAIT).0, STATUS_SUCCESS);
            assert_eq!(fixture.system.kmcl_counters().corruptions, 0);
            fixture.finish();
        },
    );
}

#[test]
fn a_synchronous_request_that_finds_the_ring_full_and_may_not_wait_overflows() {
    let host = || {
        |channel: HostChannel| {
            assert!(channel.wait_open());
            channel.wait_closed();
        }
    };
    seeds(&any(), host, |fixture| {
        fixture.open();
        for _ in 0..12 {
            fixture.message(&[1; 1000]);
        }
        let (status, _) = request(&fixture, 64, Some(0), 0);
        assert_eq!(status, STATUS_BUFFER_OVERFLOW);
        fixture.finish();
    });
}

#[test]
fn a_synchronous_request_ends_when_the_channel_closes() {
    seeds(
        &any(),
        || backends::silent,
        |fixture| {
            fixture.open();
            let channel = fixture.offer;
            fixture.system.spawn("host goes away", move |system| {
                system.sleep(Duration::from_millis(1));
                channel.rescind();
            });
            let (status, _) = request(&fixture, 64, None, WAIT);
            assert_eq!(status, STATUS_DEVICE_REMOVED);
            fixture.finish();
        },
    );
}

/// Has `EvtChannelOpened` make a GPADL of a buffer; where its handle will be.
fn gpadl_in_opened(start: *mut u8, bytes: u32) -> Rc<Cell<u32>> {
    let handle = Rc::new(Cell::new(0));
    let created = Rc::clone(&handle);
    set_hooks(|hooks| {
        hooks.opened = Some(Rc::new(move |channel| {
            let mut gpadl = 0;
            let status = kmcl!(VmbChannelCreateGpadlFromBuffer(
                channel,
                0,
                start.cast(),
                bytes,
                &raw mut gpadl
            ));
            created.set(gpadl);
            status
        }));
    });
    handle
}

#[test]
fn a_gpadl_is_memory_that_both_sides_use_and_its_deletion_waits_for_the_host() {
    let host = || {
        |channel: HostChannel| {
            assert!(channel.wait_open());
            let packet = channel.recv().expect("the handle");
            let handle = u32::from_le_bytes(packet.payload[..4].try_into().expect("four bytes"));
            let buffer = channel.map_gpadl(handle).expect("a GPADL");
            assert_eq!(buffer.len(), 5000);
            assert_eq!(buffer.read(0, 5).expect("in range"), b"guest");
            buffer.write(4990, b"host").expect("in range");
            assert!(buffer.write(4999, b"xx").is_err());
            channel
                .complete(packet.transaction, b"written")
                .expect("room");
            channel.sleep(Duration::from_millis(1));
            buffer.write(0, b"still").expect("in range");
        }
    };
    seeds(&any(), host, |fixture| {
        let memory = pages(3);
        let start = memory.address().as_ptr().wrapping_add(100);
        let handle = gpadl_in_opened(start, 5000);
        let deleted = Rc::clone(&handle);
        set_hooks(|hooks| {
            hooks.closed = Some(Rc::new(move |channel| {
                kmcl!(VmbChannelDeleteGpadl(channel, deleted.get()));
                // SAFETY: the buffer is the test's and longer than five bytes.
                let head = unsafe { std::slice::from_raw_parts(start, 5) };
                assert_eq!(
                    head, b"still",
                    "the deletion returned while the host used the memory"
                );
            }));
        });
        // SAFETY: the buffer is the test's own and long enough.
        unsafe { start.copy_from(b"guest".as_ptr(), 5) };
        fixture.open();
        let packet = fixture.packet();
        assert_eq!(
            fixture.send(packet, &handle.get().to_le_bytes(), WAIT),
            STATUS_SUCCESS
        );
        wait_for(fixture.system, "completed 0x0");
        // SAFETY: as above.
        let found = unsafe { std::slice::from_raw_parts(start.add(4990), 4) };
        assert_eq!(found, b"host");
        fixture.finish();
    });
}

#[test]
fn a_host_that_keeps_a_gpadl_mapped_is_told_of_the_close_before_the_guest_waits_for_it() {
    let host = || {
        |channel: HostChannel| {
            while channel.wait_open() {
                let packet = channel.recv().expect("the handle");
                let handle =
                    u32::from_le_bytes(packet.payload[..4].try_into().expect("four bytes"));
                let buffer = channel.map_gpadl(handle).expect("a GPADL");
                channel.complete(packet.transaction, &[]).expect("room");
                assert_eq!(channel.recv().err(), Some(HostError::Closed));
                drop(buffer);
            }
        }
    };
    seeds(&any(), host, |fixture| {
        let memory = pages(1);
        let start = memory.address().as_ptr();
        let handle = gpadl_in_opened(start, 4096);
        let deleted = Rc::clone(&handle);
        set_hooks(|hooks| {
            hooks.closed = Some(Rc::new(move |channel| {
                kmcl!(VmbChannelDeleteGpadl(channel, deleted.get()));
            }));
        });
        fixture.open();
        let packet = fixture.packet();
        assert_eq!(
            fixture.send(packet, &handle.get().to_le_bytes(), WAIT),
            STATUS_SUCCESS
        );
        wait_for(fixture.system, "completed 0x0");
        fixture.finish();
    });
}

#[test]
fn external_data_by_page_frames_reaches_the_host() {
    let host = || {
        |channel: HostChannel| {
            assert!(channel.wait_open());
            let packet = channel.recv().expect("a packet");
            assert_eq!(packet.kind, HostPacketKind::GpaDirect);
            assert!(packet.completion_requested);
            assert_eq!(&packet.payload[..4], b"read");
            let data = channel.map_external(&packet).expect("memory");
            assert_eq!(data.len(), 8192);
            assert_eq!(data.read(4096, 3).expect("in range"), [9, 9, 9]);
            data.write(0, b"from the host").expect("in range");
            drop(data);
            channel.complete(packet.transaction, &[]).expect("room");
        }
    };
    seeds(&any(), host, |fixture| {
        let memory = pages(2);
        let start = memory.address().as_ptr();
        // SAFETY: the test's own two pages.
        unsafe { start.add(4096).write_bytes(9, 4096) };
        let mut frames = memory.frames();
        fixture.open();
        let packet = fixture.packet();
        let status = driver(|| {
            kmcl!(VmbPacketSendWithExternalPfns(
                packet,
                b"read".as_ptr().cast_mut().cast(),
                4,
                frames.as_mut_ptr(),
                2,
                WAIT
            ))
        });
        assert_eq!(status, STATUS_SUCCESS);
        wait_for(fixture.system, "completed 0x0");
        // SAFETY: as above.
        let found = unsafe { std::slice::from_raw_parts(start, 13) };
        assert_eq!(found, b"from the host");
        fixture.finish();
    });
}

#[test]
fn a_pipe_keeps_the_exact_length_of_each_message() {
    let host = || {
        |channel: HostChannel| {
            assert!(channel.wait_open());
            let packet = channel.recv().expect("a packet");
            assert_eq!(packet.payload[..8], [1, 0, 0, 0, 5, 0, 0, 0]);
            assert_eq!(&packet.payload[8..13], b"exact");
            channel.send(&packet.payload, false).expect("room");
        }
    };
    seeds(&any(), host, |fixture| {
        assert_eq!(
            driver(|| kmcl!(VmbChannelInitSetFlags(fixture.channel, 2))),
            STATUS_INVALID_PARAMETER_2
        );
        assert_eq!(
            driver(|| kmcl!(VmbChannelInitSetFlags(fixture.channel, 1))),
            STATUS_SUCCESS
        );
        set_hooks(|hooks| {
            hooks.packet = Some(Rc::new(|packet, payload, _| {
                assert_eq!(payload, b"exact");
                note("packet");
                kmcl!(VmbChannelPacketComplete(packet, std::ptr::null_mut(), 0));
            }));
        });
        fixture.open();
        fixture.message(b"exact");
        wait_for(fixture.system, "packet");
        fixture.finish();
    });
}

#[test]
fn mmio_space_and_latency_are_those_of_the_open_channel() {
    let offer = Offer {
        mmio_megabytes: 3,
        ..Offer::new(TYPE, INSTANCE)
    };
    machine(Config::default(), offer, backends::echo, |fixture| {
        fixture.open();
        let (mut address, mut size, mut latency) = (0, 0, 0);
        driver(|| {
            kmcl!(VmbChannelGetMmioSpace(
                fixture.channel,
                &raw mut address,
                &raw mut size
            ));
            let status = kmcl!(VmbChannelSetInterruptLatency(
                fixture.channel,
                250,
                &raw mut latency
            ));
            assert_eq!(status, STATUS_SUCCESS);
            let status = kmcl!(VmbChannelSetInterruptLatency(
                fixture.channel,
                500,
                &raw mut latency
            ));
            assert_eq!((status, latency), (STATUS_SUCCESS, 250));
        });
        assert_eq!(size, 3 << 20);
        assert_ne!(address, 0);
        fixture.finish();
    })
    .expect_finished();
}

#[test]
fn the_interface_is_version_1_and_360_bytes() {
    machine(
        Config::default(),
        Offer::new(TYPE, INSTANCE),
        backends::echo,
        |fixture| {
            assert_eq!(query(&fixture.pdo, 368, 2).0, STATUS_NOT_SUPPORTED);
            assert_eq!(query(&fixture.pdo, 360, 2).0, STATUS_NOT_SUPPORTED);
            assert_eq!(query(&fixture.pdo, 368, 1).0, STATUS_NOT_SUPPORTED);
            assert_eq!(query(&fixture.pdo, 352, 1).0, STATUS_INVALID_BUFFER_SIZE);
            assert_eq!(
                fixture.system.leaks(DRIVER).len(),
                2,
                "a channel and a reference"
            );
            fixture.finish();
        },
    )
    .expect_finished();
}

#[test]
fn setters_refuse_what_is_never_valid() {
    machine(
        Config::default(),
        Offer::new(TYPE, INSTANCE),
        backends::echo,
        |fixture| {
            let channel = fixture.channel;
            driver(|| {
                assert_eq!(
                    kmcl!(VmbChannelInitSetMaximumPacketSize(channel, 0)),
                    STATUS_INVALID_PARAMETER_2
                );
                assert_eq!(
                    kmcl!(VmbChannelInitSetMaximumExternalData(channel, 0, 1)),
                    STATUS_INVALID_PARAMETER_2
                );
                assert_eq!(
                    kmcl!(VmbChannelInitSetMaximumExternalData(channel, 1, 0)),
                    STATUS_INVALID_PARAMETER_3
                );
                let mut callbacks = crate::harness::callbacks();
                callbacks.Size = 40;
                assert_eq!(
                    kmcl!(VmbChannelInitSetStateChangeCallbacks(
                        channel,
                        &raw mut callbacks
                    )),
                    STATUS_INVALID_PARAMETER_2
                );
                callbacks.Size = 48;
                callbacks.Version = 2;
                assert_eq!(
                    kmcl!(VmbChannelInitSetStateChangeCallbacks(
                        channel,
                        &raw mut callbacks
                    )),
                    STATUS_INVALID_PARAMETER_2
                );
                let mut server = std::ptr::null_mut();
                assert_eq!(
                    kmcl!(VmbChannelAllocate(
                        fixture.pdo.device_object(),
                        1,
                        &raw mut server
                    )),
                    STATUS_NOT_SUPPORTED
                );
            });
            fixture.finish();
        },
    )
    .expect_finished();
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let run = |seed| {
        let report = machine(
            Config::with_seed(seed),
            Offer::new(TYPE, INSTANCE),
            backends::echo,
            |fixture| {
                fixture.open();
                for number in 0..50 {
                    fixture.message(&[number; 300]);
                }
                fixture.finish();
            },
        );
        (report.schedule_hash, report.steps, report.time)
    };
    assert_eq!(run(5), run(5));
    assert_ne!(run(5), run(6));
}
