//! Pool, locks, events, rundown protection, lookaside lists and host memory, each by itself.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use kmcl::irql::{Passive, raise};
use kmcl::lookaside::LookasideList;
use kmcl::mdl::{External, HostBuffer, Mdl};
use kmcl::pool::{InPool, PoolArc, PoolBox, Tag};
use kmcl::status::{Error, Status};
use kmcl::sync::{Confined, Event, EventKind, PassiveCell, Rundown, SpinLock};
use ntsim::{Config, System};

use crate::guest::{NOBODY, as_driver, kernel_only};

const TAG: Tag = Tag::new(*b"KmTs");

/// Counts its drops.
struct Counted(Rc<Cell<u32>>);
impl Drop for Counted {
    fn drop(&mut self) {
        self.0.set(self.0.get() + 1);
    }
}

fn seeds(count: u64, test: impl FnOnce(&System, &mut Passive<'_>) + Send + Clone + 'static) {
    for seed in 1..=count {
        kernel_only(Config::with_seed(seed), test.clone()).expect_finished();
    }
}

/// With the first call that can fail failing.
fn out_of_memory(test: impl FnOnce(&System, &mut Passive<'_>) + Send + 'static) {
    let config = Config {
        fail_call: Some(1.into()),
        ..Config::default()
    };
    kernel_only(config, test).expect_finished();
}

#[test]
fn a_box_owns_its_value_and_drops_it_once() {
    seeds(1, |_, _| {
        let drops = Rc::new(Cell::new(0));
        let mut boxed = PoolBox::try_new((7_u64, Counted(Rc::clone(&drops))), TAG).expect("memory");
        boxed.0 += 1;
        assert_eq!((boxed.0, drops.get()), (8, 0));
        drop(boxed);
        assert_eq!(drops.get(), 1);
        let empty = PoolBox::try_new((), TAG).expect("memory");
        drop(empty);
    });
    out_of_memory(move |_, _| {
        let refused = PoolBox::try_new(5, TAG).err().expect("no memory");
        assert_eq!(refused.0, 5);
        assert_eq!(format!("{refused:?}"), "OutOfMemory");
    });
}

#[test]
fn a_shared_value_is_dropped_with_its_last_owner() {
    seeds(1, |_, _| {
        let drops = Rc::new(Cell::new(0));
        let first = PoolArc::try_new((7, Counted(Rc::clone(&drops))), TAG).expect("memory");
        let second = first.clone();
        assert_eq!((first.0, second.0), (7, 7));
        drop(first);
        assert_eq!((second.0, drops.get()), (7, 0));
        drop(second);
        assert_eq!(drops.get(), 1);
    });
    out_of_memory(|_, _| assert_eq!(PoolArc::try_new(5, TAG).err().expect("no memory").0, 5));
}

#[test]
fn a_value_is_made_where_it_stays_once_there_is_memory() {
    let large = || [7_u8; 4096];
    let made = || -> u32 { panic!("made without memory") };
    seeds(1, move |_, _| {
        let boxed = PoolBox::try_new_with(TAG, large).expect("memory");
        let shared = PoolArc::try_new_with(TAG, large).expect("memory");
        assert!(boxed.iter().chain(shared.iter()).all(|&byte| byte == 7));
        let boxed = PoolBox::try_new_from(3, TAG, |number| number + 1).expect("memory");
        assert_eq!(*boxed, 4);
    });
    out_of_memory(move |_, _| {
        assert_eq!(
            PoolBox::try_new_with(TAG, made).err(),
            Some(Error::NoMemory)
        );
    });
    out_of_memory(move |_, _| {
        assert_eq!(
            PoolArc::try_new_with(TAG, made).err(),
            Some(Error::NoMemory)
        );
    });
    out_of_memory(move |_, _| {
        let refused = PoolArc::try_new_from(5, TAG, |_| made()).err();
        assert_eq!(refused.expect("no memory").0, 5);
    });
}

fn irql() -> u8 {
    // SAFETY: reading the IRQL has no precondition.
    unsafe { wdk_sys_lite::ntddk::KeGetCurrentIrql() }
}

#[test]
fn what_runs_raised_is_at_dispatch_level_and_what_follows_is_not() {
    seeds(3, |_, irql_now| {
        assert_eq!(irql(), 0);
        let inside = raise(irql_now, |irql_now| (irql(), raise(irql_now, |_| irql())));
        assert_eq!((inside, irql()), ((2, 2), 0));
    });
}

#[test]
fn a_spin_lock_keeps_others_out_and_raises_the_irql() {
    seeds(20, |system, irql_now| {
        let lock = Rc::new(SpinLock::new(0_u64));
        let threads: Vec<_> = (0..3)
            .map(|_| {
                let lock = Rc::clone(&lock);
                system.spawn("adder", move |_| {
                    as_driver(NOBODY, |irql_now| {
                        for _ in 0..20 {
                            lock.with(irql_now, |value, _| {
                                assert_eq!(irql(), 2);
                                let before = *value;
                                drop(Event::try_new(EventKind::Notification, TAG));
                                *value = before + 1;
                            });
                            assert_eq!(irql(), 0);
                        }
                    });
                })
            })
            .collect();
        for thread in threads {
            thread.join();
        }
        assert_eq!(lock.with(irql_now, |value, _| *value), 60);
        let inner = SpinLock::new(5);
        // A lock lends a witness for the next.
        let both = lock.with(irql_now, |outer, irql_now| {
            let inner = inner.with(irql_now, |inner, _| *inner);
            assert_eq!(irql(), 2);
            *outer + inner
        });
        assert_eq!((both, irql()), (65, 0));
        let mut lock = Rc::into_inner(lock).expect("one owner");
        *lock.get_mut() += 1;
        assert_eq!(lock.into_inner(), 61);
    });
}

#[test]
fn a_notification_event_lets_all_go_until_it_is_reset_and_a_synchronization_event_one() {
    seeds(5, |system, irql| {
        let event = Event::try_new(EventKind::Notification, TAG).expect("memory");
        assert!(!event.wait(irql, Some(100)));
        event.set();
        assert!(event.wait(irql, None) && event.wait(irql, Some(0)));
        event.reset();
        assert!(!event.wait(irql, Some(0)));
        let one = Rc::new(Event::try_new(EventKind::Synchronization, TAG).expect("memory"));
        one.set();
        assert!(one.wait(irql, Some(0)));
        assert!(!one.wait(irql, Some(0)));
        let setter = Rc::clone(&one);
        let thread = system.spawn("setter", move |system| {
            system.sleep(Duration::from_micros(5));
            as_driver(NOBODY, |_| setter.set());
            drop(setter);
        });
        // A second is enough, and it is in units of 100 ns.
        assert!(one.wait(irql, Some(10_000_000)));
        thread.join();
    });
    out_of_memory(move |_, _| {
        assert_eq!(
            Event::try_new(EventKind::Notification, TAG).err(),
            Some(Error::NoMemory)
        );
    });
}

#[test]
fn rundown_waits_for_those_who_hold_it_and_refuses_the_rest() {
    seeds(20, |system, irql| {
        let mut rundown = Rundown::try_new(TAG).expect("memory");
        let released = Rc::new(Cell::new(false));
        let held = (rundown.protection(), Rc::clone(&released));
        let acquired = Rc::new(Cell::new(false));
        let note = Rc::clone(&acquired);
        let thread = system.spawn("holder", move |system| {
            as_driver(NOBODY, |_| {
                let guard = held.0.try_acquire().expect("it is open");
                note.set(true);
                system.sleep(Duration::from_micros(20));
                held.1.set(true);
                drop(guard);
            });
        });
        while !acquired.get() {
            system.sleep(Duration::from_nanos(100));
        }
        rundown.wait(irql);
        assert!(released.get());
        assert!(rundown.protection().try_acquire().is_none());
        // There is nothing to wait for any more, and the kernel is not asked.
        rundown.wait(irql);
        thread.join();
    });
    out_of_memory(|_, _| {
        assert!(Rundown::try_new(TAG).is_err_and(|error| error == Error::NoMemory));
    });
}

struct Number(u64);
// SAFETY: a number may be used anywhere.
unsafe impl Confined for Number {}

#[test]
fn a_passive_cell_lets_one_thread_in_at_a_time() {
    seeds(20, |system, irql| {
        let cell = Rc::new(PassiveCell::try_new(Number(0), TAG).expect("memory"));
        let threads: Vec<_> = (0..3)
            .map(|_| {
                let cell = Rc::clone(&cell);
                system.spawn("adder", move |system| {
                    as_driver(NOBODY, |irql| {
                        for _ in 0..10 {
                            cell.with(irql, |number, _| {
                                let value = number.0;
                                system.sleep(Duration::from_nanos(200));
                                number.0 = value + 1;
                            })
                            .expect("nothing is nested");
                        }
                        drop(cell);
                    });
                })
            })
            .collect();
        for thread in threads {
            thread.join();
        }
        assert_eq!(cell.with(irql, |number, _| number.0), Ok(30));
    });
}

#[test]
fn a_thread_that_is_in_a_passive_cell_does_not_get_in_again_and_cannot_be_suspended() {
    seeds(1, |_, irql| {
        let cell = PassiveCell::try_new(Number(1), TAG).expect("memory");
        // SAFETY: it has no precondition.
        let suspends_not = || unsafe { wdk_sys_lite::ntddk::KeAreApcsDisabled() } != 0;
        assert!(!suspends_not());
        let inner = cell.with(irql, |number, irql| {
            assert!(suspends_not());
            number.0 += 1;
            cell.with(irql, |number, _| number.0 += 1)
        });
        assert_eq!(inner, Ok(Err(Error::Nested)));
        assert!(!suspends_not());
        assert_eq!(cell.with(irql, |number, _| number.0), Ok(2));
    });
}

#[test]
fn a_lookaside_list_gives_an_entry_again_and_counts_hits_and_misses() {
    seeds(1, |_, irql| {
        let list = LookasideList::<[u64; 4]>::try_new(TAG, irql).expect("memory");
        let first = list.allocate([1; 4], irql).expect("memory");
        let second = list.allocate([2; 4], irql).expect("memory");
        let counters = list.counters();
        assert_eq!((counters.allocates, counters.allocate_misses), (2, 2));
        assert_eq!((*first, *second), ([1; 4], [2; 4]));
        drop(first);
        assert_eq!(second.into_inner(), [2; 4]);
        assert_eq!((list.counters().frees, list.counters().free_misses), (2, 0));
        let mut third = list.allocate([3; 4], irql).expect("memory");
        third[0] = 4;
        assert_eq!(*third, [4, 3, 3, 3]);
        let counters = list.counters();
        assert_eq!((counters.allocates, counters.allocate_misses), (3, 2));
        drop(third);
        // More than the list's depth go back to pool.
        let many: Vec<_> = (0..300)
            .map(|_| list.allocate([5; 4], irql).expect("memory"))
            .collect();
        drop(many);
        let counters = list.counters();
        assert_eq!(counters.allocates, 303);
        assert_eq!(counters.frees, 303);
        assert_eq!(counters.allocate_misses, 300);
        assert!(
            counters.free_misses > 0 && counters.free_misses < 300,
            "{counters:?}"
        );
    });
}

#[test]
fn an_entrys_value_is_dropped_once_and_small_entries_hold_the_link() {
    seeds(1, |_, irql| {
        let drops = Rc::new(Cell::new(0));
        let list = LookasideList::<Counted>::try_new(TAG, irql).expect("memory");
        let entry = list
            .allocate(Counted(Rc::clone(&drops)), irql)
            .unwrap_or_else(|_| panic!("no memory"));
        drop(entry);
        assert_eq!(drops.get(), 1);
        let entry = list
            .allocate(Counted(Rc::clone(&drops)), irql)
            .unwrap_or_else(|_| panic!("no memory"));
        drop(entry.into_inner());
        assert_eq!(drops.get(), 2);
        let bytes = LookasideList::<u8>::try_new(TAG, irql).expect("memory");
        for value in 0..4 {
            let entries = [bytes.allocate(value, irql), bytes.allocate(value, irql)];
            assert!(entries.iter().flatten().all(|entry| **entry == value));
        }
    });
    out_of_memory(|_, irql| {
        assert_eq!(
            LookasideList::<u64>::try_new(TAG, irql).err(),
            Some(Error::NoMemory)
        );
    });
}

#[test]
fn host_memory_is_whole_zeroed_pages_and_read_by_copying() {
    seeds(1, |_, _| {
        let mut buffer = HostBuffer::try_new(4097, TAG).expect("memory");
        assert_eq!(buffer.length(), 8192);
        let view = buffer.view();
        assert_eq!((view.len(), view.is_empty()), (8192, false));
        assert_eq!(view.read::<[u8; 32]>(4090), Some([0; 32]));
        let text: Vec<u8> = (0..=255).collect();
        for (offset, length) in [
            (0, 256),
            (1, 255),
            (3, 17),
            (4095, 2),
            (7, 8),
            (8, 7),
            (5, 0),
        ] {
            assert_eq!(buffer.write(offset, &text[..length]), length);
            let mut copy = vec![0xEE; length + 1];
            let part = buffer.view().part(offset, length).expect("within");
            assert_eq!((part.len(), part.is_empty()), (length, length == 0));
            assert_eq!(part.copy_to(&mut copy), length);
            assert_eq!(copy[..length], text[..length]);
            assert_eq!(copy[length], 0xEE);
        }
        // A shorter target takes what it can.
        let mut short = [0; 3];
        assert_eq!(buffer.view().copy_to(&mut short), 3);
        // At the end: what fits is written, what does not fit is not read.
        assert_eq!(buffer.write(8190, b"abc"), 2);
        assert_eq!(buffer.write(8192, b"abc"), 0);
        assert_eq!(buffer.write(9000, b"abc"), 0);
        let view = buffer.view();
        assert_eq!(view.read::<u16>(8190), Some(u16::from_le_bytes(*b"ab")));
        assert_eq!(view.read::<u32>(8190), None);
        assert_eq!(view.part(8190, 100).map(|part| part.len()), Some(2));
        assert_eq!(view.part(8192, 100).map(|part| part.len()), Some(0));
        assert!(view.part(8193, 0).is_none());
    });
    out_of_memory(move |_, _| {
        let refused = HostBuffer::try_new(1, TAG).err();
        assert_eq!(refused, Some(Error::NoMemory));
    });
    seeds(1, |_, _| {
        let refused = |bytes| HostBuffer::try_new(bytes, TAG).err();
        assert_eq!(refused(u32::MAX), Some(Error::TooLarge));
        assert_eq!(refused(0), Some(Error::InvalidLength));
    });
}

#[test]
fn a_reader_reads_one_value_after_the_other_and_stops_at_the_end() {
    seeds(1, |_, _| {
        let mut buffer = HostBuffer::try_new(1, TAG).expect("memory");
        buffer.write(0, &[1, 2, 0, 3, 0, 0, 0, 9, 9, 9]);
        let mut reader = buffer.view().part(0, 10).expect("within").reader();
        assert_eq!(reader.read::<u8>(), Some(1));
        assert_eq!(reader.read::<[u8; 2]>(), Some([2, 0]));
        assert_eq!(reader.read::<[u8; 4]>(), Some([3, 0, 0, 0]));
        assert_eq!(reader.rest().len(), 3);
        assert_eq!(reader.read::<u32>(), None);
        // What did not fit was not consumed.
        assert_eq!(reader.read::<[u8; 3]>(), Some([9; 3]));
        assert_eq!(reader.read::<u8>(), None);
        assert!(reader.rest().is_empty());
    });
}

#[test]
fn external_data_stays_within_its_mdl() {
    seeds(1, |_, _| {
        let mut buffer = HostBuffer::try_new(1, TAG).expect("memory");
        buffer.write(0, b"x");
        let mdl = Mdl::try_new(buffer).expect("memory");
        assert_eq!(mdl.as_ref().length(), 4096);
        assert_eq!(mdl.buffer().view().read::<u8>(0), Some(b'x'));
        let within = |offset, length| match External::new(mdl.as_ref(), offset, length) {
            Ok(_) => true,
            Err(error) => {
                assert_eq!(error, Error::InvalidLength);
                false
            }
        };
        assert!(within(0, 4096) && within(4095, 1));
        assert!(!within(4096, 1) && !within(0, 4097) && !within(1, 4096) && !within(u32::MAX, 1));
        assert!(!within(0, 0), "to KMCL that would be all of it");
    });
}

#[test]
fn a_status_prints_its_name_and_number_and_every_error_has_a_status() {
    assert_eq!(
        Status(wdk_sys_lite::STATUS_CANCELLED).to_string(),
        "STATUS_CANCELLED (0xc0000120)"
    );
    assert_eq!(format!("{:?}", Status(0x1234)), "0x00001234");
    assert_eq!(Status::SUCCESS.name(), Some("STATUS_SUCCESS"));
    assert!(Status::SUCCESS.is_success() && !Status(-1).is_success());
    let status = Status(wdk_sys_lite::STATUS_TIMEOUT);
    assert_eq!(Error::from(status), Error::Status(status));
    let errors = [
        Error::Status(status),
        Error::NoMemory,
        Error::NotOpen,
        Error::TooLarge,
        Error::InvalidLength,
        Error::InvalidInterface,
    ];
    let texts: std::collections::BTreeSet<_> = errors.iter().map(ToString::to_string).collect();
    assert_eq!(texts.len(), errors.len());
    let statuses: std::collections::BTreeSet<_> =
        errors.iter().map(|error| error.status().0).collect();
    assert_eq!(statuses.len(), errors.len());
    assert!(errors[1..].iter().all(|error| !error.status().is_success()));
}
