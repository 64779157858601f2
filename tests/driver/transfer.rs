//! Messages there and back.

use std::time::Duration;

use ntsim::io::File;
use ntsim::mm::Owner;
use ntsim::mm::pool;
use ntsim::vmbus::backends;
use vmbchan::ioctl::IOCTL_VMBCHAN_TRANSACT;
use wdk_sys::{STATUS_BUFFER_OVERFLOW, STATUS_SUCCESS};
use wdk_sys_lite as wdk_sys;

use crate::guest::{info, message, same, seeds};

const LONGEST: usize = 16384;

#[test]
fn a_message_of_any_length_comes_back_from_an_echo() {
    seeds(20, backends::echo, |guest| {
        guest.program(|_, file| {
            for (number, length) in [1, 2, 7, 8, 9, 4000, LONGEST - 1, LONGEST]
                .into_iter()
                .enumerate()
            {
                let sent = message(number, length);
                assert_eq!(file.write(&sent), Ok(length));
                let received = file.read(LONGEST).expect("the echo");
                assert!(same(&received, &sent), "{length} bytes");
            }
            let info = info(file);
            assert_eq!((info.messages_sent, info.messages_received), (8, 8));
            assert_eq!(
                (
                    info.messages_dropped,
                    info.messages_malformed,
                    info.messages_waiting
                ),
                (0, 0, 0)
            );
        });
    });
}

#[test]
fn many_at_a_time_keep_their_order() {
    const COUNT: usize = 200;
    seeds(20, backends::echo, |guest| {
        guest.program(|process, file| {
            let mut reads = std::collections::VecDeque::new();
            let mut writes = Vec::new();
            let mut next = 0;
            for number in 0..COUNT {
                writes.push(file.start_write(&message(number, 100)).expect("a request"));
                if process.random(2) == 0 {
                    reads.push_back(file.start_read(104).expect("a request"));
                }
                if process.random(8) == 0 {
                    while let Some(read) = reads.pop_front() {
                        assert!(
                            same(&read.wait().data, &message(next, 100)),
                            "message {next}"
                        );
                        next += 1;
                    }
                }
            }
            while let Some(read) = reads.pop_front() {
                assert!(
                    same(&read.wait().data, &message(next, 100)),
                    "message {next}"
                );
                next += 1;
            }
            while next < COUNT {
                assert!(same(
                    &file.read(104).expect("a message"),
                    &message(next, 100)
                ));
                next += 1;
            }
            for write in writes {
                assert_eq!(write.wait().information, 100);
            }
        });
    });
}

#[test]
fn writers_and_readers_on_several_processors_lose_nothing() {
    const EACH: usize = 60;
    seeds(20, backends::echo, |guest| {
        guest.process(|process| {
            let file = std::rc::Rc::new(crate::guest::open(process));
            let threads: Vec<_> = (0..3)
                .map(|writer| {
                    let file = std::rc::Rc::clone(&file);
                    process.spawn("writer", move |_| {
                        for number in 0..EACH {
                            let sent = [
                                writer,
                                u8::try_from(number).expect("a byte"),
                                0,
                                0,
                                0,
                                0,
                                0,
                                0,
                            ];
                            assert_eq!(file.write(&sent), Ok(8));
                        }
                    })
                })
                .collect();
            let mut last = [None; 3];
            for _ in 0..3 * EACH {
                let received = file.read(8).expect("a message");
                let (writer, number) = (usize::from(received[0]), received[1]);
                assert_eq!(
                    last[writer].map_or(0, |last: u8| last + 1),
                    number,
                    "in order"
                );
                last[writer] = Some(number);
            }
            for thread in threads {
                thread.join();
            }
        });
    });
}

#[test]
fn a_transaction_returns_the_hosts_answer() {
    seeds(20, backends::echo, |guest| {
        guest.program(|_, file| {
            for length in [1, 8, 100, LONGEST] {
                let sent = message(length, length);
                let answer = file
                    .ioctl(IOCTL_VMBCHAN_TRANSACT, &sent, LONGEST)
                    .expect("an answer");
                assert!(same(&answer, &sent), "{length} bytes");
            }
            assert_eq!(info(file).transactions, 4);
        });
    });
}

#[test]
fn an_answer_longer_than_the_output_buffer_is_cut_off() {
    seeds(5, backends::echo, |guest| {
        guest.program(|_, file| {
            let sent = message(1, 64);
            for room in 0..64 {
                let done = file
                    .start_ioctl(IOCTL_VMBCHAN_TRANSACT, &sent, room)
                    .expect("a request")
                    .wait();
                assert_eq!(
                    (done.status, done.information),
                    (STATUS_BUFFER_OVERFLOW, room)
                );
                assert_eq!(done.data, sent[..room]);
            }
            let done = file
                .start_ioctl(IOCTL_VMBCHAN_TRANSACT, &sent, 64)
                .expect("a request")
                .wait();
            assert_eq!((done.status, done.information), (STATUS_SUCCESS, 64));
        });
    });
}

#[test]
fn answers_find_their_transactions_whatever_their_order() {
    let host = |channel: ntsim::vmbus::HostChannel| {
        while channel.wait_open() {
            let mut packets = Vec::new();
            while let Ok(packet) = channel.recv() {
                packets.push(packet);
                if packets.len() == 20 {
                    while !packets.is_empty() {
                        let which = usize::try_from(channel.random(packets.len() as u64))
                            .expect("an index");
                        let packet = packets.swap_remove(which);
                        if channel
                            .complete(packet.transaction, &packet.payload)
                            .is_err()
                        {
                            break;
                        }
                    }
                }
            }
        }
    };
    seeds(20, host, |guest| {
        guest.program(|_, file| {
            let pending: Vec<_> = (0..20)
                .map(|number| {
                    file.start_ioctl(IOCTL_VMBCHAN_TRANSACT, &message(number, 40), 40)
                        .expect("a request")
                })
                .collect();
            for (number, pending) in pending.into_iter().enumerate() {
                assert_eq!(pending.wait().data, message(number, 40));
            }
        });
    });
}

/// A message there and back, and a transaction.
fn round(file: &File, number: usize) {
    file.write(&message(number, 4000)).expect("written");
    file.read(4000).expect("read");
    file.ioctl(IOCTL_VMBCHAN_TRANSACT, &message(number, 400), 400)
        .expect("an answer");
}

/// How many packets one program that waits for each of its messages has in use at most: the one on
/// its way, and those whose completion has not returned yet, for a completion wakes the program
/// before its own end. KMCL takes answers from the ring one after the other, and a completion may
/// send, which may complete in turn: so there are two of these.
const IN_USE: u64 = 3;

#[test]
fn a_program_that_sends_one_message_after_another_needs_few_packets() {
    seeds(12, backends::echo, |guest| {
        guest.program(|_, file| {
            (0..300).for_each(|number| round(file, number));
            let info = info(file);
            assert!(info.lookaside_misses <= IN_USE, "{}", info.lookaside_misses);
            assert!(info.lookaside_hits + info.lookaside_misses >= 600);
        });
    });
}

#[test]
fn in_the_steady_state_nothing_is_allocated() {
    seeds(12, backends::echo, |guest| {
        let driver = guest.driver;
        guest.program(move |_, file| {
            // More at a time than ever afterwards: a list keeps at least four packets.
            let burst: Vec<_> = (0..8)
                .map(|number| file.start_ioctl(IOCTL_VMBCHAN_TRANSACT, &message(number, 400), 400))
                .collect();
            for request in burst {
                assert_eq!(request.expect("a request").wait().status, STATUS_SUCCESS);
            }
            (0..100).for_each(|number| round(file, number));
            let allocations = || {
                (
                    pool::counters(Owner::Driver(driver)).allocations,
                    pool::counters(Owner::Kmcl).allocations,
                )
            };
            let (before, known) = (allocations(), info(file));
            (0..200).for_each(|number| round(file, number));
            assert_eq!(allocations(), before);
            let now = info(file);
            assert_eq!(now.buffer_misses, known.buffer_misses);
            assert_eq!(now.lookaside_misses, known.lookaside_misses);
            assert!(now.lookaside_hits >= known.lookaside_hits + 400);
        });
    });
}

#[test]
fn a_slow_host_and_one_that_lets_the_ring_fill_lose_nothing() {
    let transfer = |guest: &crate::guest::Guest<'_>| {
        guest.program(|_, file| {
            let writes: Vec<_> = (0..100)
                .map(|number| {
                    file.start_write(&message(number, LONGEST))
                        .expect("a request")
                })
                .collect();
            for number in 0..100 {
                let received = file.read(LONGEST).expect("a message");
                assert!(
                    same(&received, &message(number, LONGEST)),
                    "message {number}"
                );
            }
            for write in writes {
                assert_eq!(write.wait().status, STATUS_SUCCESS);
            }
        });
    };
    seeds(
        4,
        |channel| backends::slow(Duration::from_micros(100))(channel),
        transfer,
    );
    seeds(
        4,
        |channel| backends::full(Duration::from_millis(5))(channel),
        transfer,
    );
}
