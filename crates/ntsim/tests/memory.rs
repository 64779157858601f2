//! The memory manager's rules: pool, lookaside lists and SLISTs, MDLs. One rule, one test; each
//! driver here breaks one.

use std::num::NonZeroUsize;
use std::ptr::{NonNull, null_mut};

use ntsim::kernel::kernel;
use ntsim::mm::{Owner, lookaside, mdl, pages, phys, pool};
use ntsim::{BugCheck, Config, Machine, StopCode, System};
use wdk_sys_lite as wdk_sys;
use wdk_sys_lite::ntddk::{
    ExAllocatePool2, ExDeleteLookasideListEx, ExFlushLookasideListEx, ExFreePool,
    ExFreePoolWithTag, ExInitializeLookasideListEx, ExQueryDepthSList, ExpInterlockedFlushSList,
    ExpInterlockedPopEntrySList, ExpInterlockedPushEntrySList, InitializeSListHead, IoAllocateMdl,
    IoBuildPartialMdl, IoFreeMdl, KeLowerIrql, KfRaiseIrql, MmBuildMdlForNonPagedPool,
    MmMapLockedPagesSpecifyCache, MmProbeAndLockPages, MmSizeOfMdl, MmUnlockPages,
    MmUnmapLockedPages,
};
use wdk_sys_lite::{
    _LOCK_OPERATION, _MEMORY_CACHING_TYPE, _POOL_TYPE, LOOKASIDE_LIST_EX, MDL_MAPPED_TO_SYSTEM_VA,
    MDL_PAGES_LOCKED, NTSTATUS, PMDL, POOL_FLAG_CACHE_ALIGNED, POOL_FLAG_NON_PAGED,
    POOL_FLAG_NON_PAGED_EXECUTE, POOL_FLAG_PAGED, POOL_FLAG_RAISE_ON_FAILURE,
    POOL_FLAG_UNINITIALIZED, PVOID, SIZE_T, SLIST_ENTRY, SLIST_HEADER,
    STATUS_INSUFFICIENT_RESOURCES, STATUS_INVALID_PARAMETER_4, STATUS_INVALID_PARAMETER_5,
    STATUS_SUCCESS, ULONG,
};

const TAG: ULONG = u32::from_ne_bytes(*b"Test");
const PAGE: usize = 4096;
const APC_LEVEL: u8 = 1;
const DISPATCH_LEVEL: u8 = 2;
const CACHED: wdk_sys::MEMORY_CACHING_TYPE = _MEMORY_CACHING_TYPE::MmCached;

/// Runs a driver with the verifier.
fn run<R: Send + 'static>(driver: impl FnOnce() -> R + Send + 'static) -> R {
    Machine::run(Config::default(), |system: &System| {
        system.as_driver("driver", driver)
    })
    .expect_finished()
}

/// The bug check of a driver that breaks a rule, with the verifier.
fn broken(driver: impl FnOnce() + Send + 'static) -> BugCheck {
    Machine::run(Config::default(), |system: &System| {
        system.as_driver("driver", driver);
    })
    .expect_bug_check()
}

/// The bug check of a driver that breaks a rule, without the verifier.
fn broken_unverified(driver: impl FnOnce() + Send + 'static) -> BugCheck {
    let config = Config {
        verifier: false,
        ..Config::default()
    };
    Machine::run(config, |system: &System| system.as_driver("driver", driver)).expect_bug_check()
}

fn assert_verifier(check: &BugCheck, code: u64) {
    assert_eq!(
        (check.code, check.parameters[0]),
        (StopCode::DRIVER_VERIFIER_DETECTED_VIOLATION, code),
        "{check}"
    );
}

fn allocate(bytes: usize) -> *mut u8 {
    allocate_with(POOL_FLAG_NON_PAGED, bytes)
}

fn allocate_with(flags: u64, bytes: usize) -> *mut u8 {
    // SAFETY: no precondition; the tests run at an IRQL that the flags allow, unless they are about
    // just that.
    unsafe { ExAllocatePool2(flags, bytes as SIZE_T, TAG) }.cast()
}

fn free(block: *mut u8) {
    // SAFETY: a block of `allocate`'s, unless the test is about just that.
    unsafe { ExFreePoolWithTag(block.cast(), TAG) };
}

fn at_dispatch_level<R>(action: impl FnOnce() -> R) -> R {
    // SAFETY: raising is always allowed, and the old level is restored.
    let old = unsafe { KfRaiseIrql(DISPATCH_LEVEL) };
    let result = action();
    // SAFETY: as above.
    unsafe { KeLowerIrql(old) };
    result
}

fn write(address: *mut u8, value: u8) {
    // SAFETY: memory of the test's own, unless the test is about a fault, which the machine
    // catches.
    unsafe { address.write_volatile(value) };
}

fn read(address: *const u8) -> u8 {
    // SAFETY: as in `write`.
    unsafe { address.read_volatile() }
}

// ---- pool ----

#[test]
fn pool_is_zeroed_unless_the_flags_say_otherwise() {
    run(|| {
        // Use the frames first, so that they are not zero by themselves.
        let dirty = allocate(256);
        (0..256).for_each(|offset| write(dirty.wrapping_add(offset), 0x77));
        free(dirty);
        let zeroed = allocate(256);
        assert!((0..256).all(|offset| read(zeroed.wrapping_add(offset)) == 0));
        free(zeroed);
        let garbage = allocate_with(POOL_FLAG_NON_PAGED | POOL_FLAG_UNINITIALIZED, 256);
        assert!((0..256).all(|offset| read(garbage.wrapping_add(offset)) != 0));
        free(garbage);
    });
}

#[test]
fn pool_blocks_are_aligned_as_documented() {
    run(|| {
        for bytes in [1, 8, 15, 16, 17, 100, 4095] {
            let block = allocate(bytes);
            assert!(block.addr().is_multiple_of(16), "{bytes} bytes");
            assert_eq!(
                block.addr() / PAGE,
                (block.addr() + bytes - 1) / PAGE,
                "{bytes} bytes"
            );
            free(block);
            let block = allocate_with(POOL_FLAG_NON_PAGED | POOL_FLAG_CACHE_ALIGNED, bytes);
            assert!(block.addr().is_multiple_of(64), "{bytes} bytes");
            free(block);
        }
        for bytes in [4096, 4097, 10_000] {
            let block = allocate(bytes);
            assert!(block.addr().is_multiple_of(PAGE), "{bytes} bytes");
            free(block);
        }
    });
}

#[test]
fn pool_flags_that_do_not_fit_are_refused() {
    run(|| {
        assert!(allocate_with(0, 16).is_null());
        assert!(allocate_with(POOL_FLAG_NON_PAGED | POOL_FLAG_PAGED, 16).is_null());
        assert!(allocate_with(POOL_FLAG_NON_PAGED | 0x0800_0000, 16).is_null());
        let hinted = allocate_with(POOL_FLAG_NON_PAGED | 1 << 40, 16);
        assert!(!hinted.is_null(), "an unknown hint is ignored");
        free(hinted);
    });
}

#[test]
fn an_allocation_too_large_fails() {
    run(|| {
        assert!(allocate(8 << 30).is_null());
        assert!(allocate(usize::MAX).is_null());
    });
}

#[test]
fn a_tag_of_0_is_refused() {
    let report = Machine::run(
        Config {
            verifier: false,
            ..Config::default()
        },
        |system: &System| {
            system.as_driver("driver", || {
                // SAFETY: no precondition.
                unsafe { ExAllocatePool2(POOL_FLAG_NON_PAGED, 16, 0) }.is_null()
            })
        },
    );
    assert!(report.expect_finished());
    let check = broken(|| {
        // SAFETY: no precondition.
        unsafe { ExAllocatePool2(POOL_FLAG_NON_PAGED, 16, 0) };
    });
    assert_eq!(
        (check.code, check.parameters[0]),
        (StopCode::BAD_POOL_CALLER, 0x9B)
    );
}

#[test]
fn a_tag_that_cannot_be_printed_is_a_finding() {
    let check = broken(|| {
        // SAFETY: no precondition.
        unsafe { ExAllocatePool2(POOL_FLAG_NON_PAGED, 16, 0x01) };
    });
    assert_eq!(
        (check.code, check.parameters[0]),
        (StopCode::BAD_POOL_CALLER, 0x9D)
    );
}

#[test]
fn allocating_nothing_is_a_finding() {
    assert_verifier(
        &broken(|| {
            allocate(0);
        }),
        0x00,
    );
}

#[test]
fn executable_pool_is_a_finding() {
    assert_verifier(
        &broken(|| {
            allocate_with(POOL_FLAG_NON_PAGED_EXECUTE, 16);
        }),
        0x2000,
    );
}

#[test]
fn allocating_paged_pool_at_dispatch_level_is_a_finding() {
    let check = broken(|| {
        at_dispatch_level(|| {
            allocate_with(POOL_FLAG_PAGED, 16);
        });
    });
    assert_verifier(&check, 0x01);
}

#[test]
fn allocating_above_dispatch_level_is_a_bug_check() {
    let check = broken(|| {
        // SAFETY: raising is always allowed.
        unsafe { KfRaiseIrql(5) };
        allocate(16);
    });
    assert_eq!(check.code, StopCode::IRQL_NOT_LESS_OR_EQUAL);
}

#[test]
fn freeing_paged_pool_at_dispatch_level_is_a_finding() {
    let check = broken(|| {
        let block = allocate_with(POOL_FLAG_PAGED, 100);
        at_dispatch_level(|| free(block));
    });
    assert_verifier(&check, 0x11);
}

#[test]
fn raising_on_failure_is_an_exception_that_nobody_handles() {
    let config = Config {
        fail_call: Some(1.into()),
        ..Config::default()
    };
    let report = Machine::run(config, |system: &System| {
        system.as_driver("driver", || {
            allocate_with(POOL_FLAG_NON_PAGED | POOL_FLAG_RAISE_ON_FAILURE, 16);
        });
    });
    assert_eq!(
        report.expect_bug_check().code,
        StopCode::KMODE_EXCEPTION_NOT_HANDLED
    );
}

#[test]
fn the_nth_allocation_can_be_made_to_fail() {
    for failing in 1..=3 {
        let config = Config {
            fail_call: Some(failing.into()),
            ..Config::default()
        };
        let report = Machine::run(config, |system: &System| {
            system.as_driver("driver", || {
                let blocks: Vec<_> = (0..3).map(|_| allocate(16)).collect();
                let failed: Vec<_> = blocks.iter().map(|block| block.is_null()).collect();
                blocks
                    .into_iter()
                    .filter(|block| !block.is_null())
                    .for_each(free);
                failed
            })
        });
        let failed = report.expect_finished();
        let expected: Vec<_> = (1..=3).map(|number| number == failing).collect();
        assert_eq!(failed, expected);
    }
}

#[test]
fn reading_a_freed_block_is_a_bug_check_with_both_stacks() {
    let check = broken(|| {
        let block = allocate(100);
        free(block);
        read(block.wrapping_add(10));
    });
    assert_eq!(
        check.code,
        StopCode::DRIVER_PAGE_FAULT_IN_FREED_SPECIAL_POOL,
        "{check}"
    );
    assert!(
        check.message.contains("offset 10 of a block of 100 bytes")
            && check.message.contains("'Test'"),
        "{check}"
    );
    let history: Vec<_> = check.history.iter().map(|(event, _)| *event).collect();
    assert_eq!(history, ["allocated", "freed"]);
    for (_, stack) in &check.history {
        assert!(stack.to_string().contains("tests/memory.rs:"), "{stack}");
    }
}

#[test]
fn writing_a_freed_block_is_a_bug_check() {
    let check = broken(|| {
        let block = allocate(100);
        free(block);
        allocate(100);
        write(block, 1);
    });
    assert_eq!(
        check.code,
        StopCode::DRIVER_PAGE_FAULT_IN_FREED_SPECIAL_POOL
    );
}

#[test]
fn a_freed_block_is_gone_without_the_verifier_too() {
    let check = broken_unverified(|| {
        let block = allocate(100);
        free(block);
        read(block);
    });
    assert_eq!(check.code, StopCode::PAGE_FAULT_IN_NONPAGED_AREA, "{check}");
}

#[test]
fn writing_beyond_the_end_of_a_block_is_a_bug_check_at_once() {
    let check = broken(|| {
        let block = allocate(64);
        write(block.wrapping_add(64), 1);
    });
    assert_eq!(
        check.code,
        StopCode::DRIVER_PAGE_FAULT_BEYOND_END_OF_ALLOCATION,
        "{check}"
    );
    assert_eq!(check.history.len(), 1);
}

#[test]
fn writing_in_the_alignment_behind_a_block_is_noticed_when_it_is_freed() {
    let check = broken(|| {
        let block = allocate(61);
        write(block.wrapping_add(62), 1);
        free(block);
    });
    assert_eq!(
        check.code,
        StopCode::SPECIAL_POOL_DETECTED_MEMORY_CORRUPTION
    );
    assert!(
        check.message.contains("behind a block of 61 bytes"),
        "{check}"
    );
}

#[test]
fn writing_before_a_block_is_noticed_when_it_is_freed() {
    let check = broken(|| {
        let block = allocate(64);
        write(block.wrapping_sub(1), 1);
        free(block);
    });
    assert_eq!(
        check.code,
        StopCode::SPECIAL_POOL_DETECTED_MEMORY_CORRUPTION
    );
    assert!(
        check.message.contains("before a block of 64 bytes"),
        "{check}"
    );
}

#[test]
fn touching_paged_pool_at_dispatch_level_is_a_bug_check() {
    let check = broken(|| {
        let block = allocate_with(POOL_FLAG_PAGED, 32);
        write(block, 1);
        at_dispatch_level(|| read(block));
    });
    assert_eq!(check.code, StopCode::DRIVER_IRQL_NOT_LESS_OR_EQUAL);
    assert!(check.message.contains("paged pool"), "{check}");
}

#[test]
fn paged_pool_keeps_its_contents_over_a_raised_irql() {
    run(|| {
        let block = allocate_with(POOL_FLAG_PAGED, 32);
        write(block, 42);
        at_dispatch_level(|| ());
        assert_eq!(read(block), 42);
        // SAFETY: raising is always allowed, and the old level is restored.
        unsafe {
            let old = KfRaiseIrql(APC_LEVEL);
            assert_eq!(read(block), 42);
            KeLowerIrql(old);
        }
        free(block);
    });
}

#[test]
fn paged_pool_is_accessible_to_one_thread_while_another_is_at_dispatch_level() {
    for seed in 0..20 {
        let report = Machine::run(Config::with_seed(seed), |system: &System| {
            let driver = system.code_driver();
            let block = driver.call("allocate", || allocate_with(POOL_FLAG_PAGED, 32));
            let high = system.spawn("high", move |_| {
                driver.call("high", || {
                    for _ in 0..20 {
                        at_dispatch_level(|| kernel().sched.point());
                    }
                });
            });
            driver.call("low", || {
                for value in 0..20 {
                    write(block, value);
                    kernel().sched.point();
                    assert_eq!(read(block), value);
                }
            });
            high.join();
            driver.call("free", || free(block));
            driver.unload();
        });
        report.expect_finished();
    }
}

#[test]
fn touching_a_null_pointer_is_a_bug_check() {
    let check = broken(|| {
        read(null_mut::<u8>().wrapping_add(16));
    });
    assert!(check.message.contains("null pointer"), "{check}");
}

#[test]
fn freeing_twice_is_a_bug_check_with_both_stacks() {
    let check = broken(|| {
        let block = allocate(16);
        free(block);
        free(block);
    });
    assert_verifier(&check, 0x13);
    assert_eq!(check.history.len(), 2);
    let check = broken_unverified(|| {
        let block = allocate(16);
        free(block);
        free(block);
    });
    assert_eq!(
        (check.code, check.parameters[0]),
        (StopCode::BAD_POOL_CALLER, 0x07)
    );
}

#[test]
fn freeing_what_is_not_a_block_is_a_bug_check() {
    assert_verifier(
        &broken(|| {
            let block = allocate(64);
            free(block.wrapping_add(16));
        }),
        0x10,
    );
    let check = broken_unverified(|| free(null_mut()));
    assert_eq!(
        (check.code, check.parameters[0]),
        (StopCode::BAD_POOL_CALLER, 0x99)
    );
}

#[test]
fn freeing_with_the_wrong_tag_is_a_bug_check() {
    let check = broken_unverified(|| {
        let block = allocate(16);
        // SAFETY: the wrong tag is what the test is about.
        unsafe { ExFreePoolWithTag(block.cast(), TAG + 1) };
    });
    assert_eq!(
        (check.code, check.parameters[0]),
        (StopCode::BAD_POOL_CALLER, 0x0A)
    );
}

#[test]
fn freeing_without_a_tag_compares_none() {
    run(|| {
        // SAFETY: a block of its own.
        unsafe { ExFreePool(allocate(16).cast()) };
        // SAFETY: a block of its own.
        unsafe { ExFreePoolWithTag(allocate(16).cast(), 0) };
    });
}

#[test]
fn freeing_memory_of_the_kernels_is_a_finding() {
    let check = broken(|| {
        let block = pool::allocate(64, TAG, false, Owner::Kmcl).expect("memory");
        free(block.as_ptr());
    });
    assert_verifier(&check, 0x10);
}

#[test]
fn pool_left_at_unload_is_a_finding_that_names_the_allocation() {
    let check = broken(|| {
        allocate(123);
    });
    assert_verifier(&check, 0x62);
    assert!(
        check.message.contains("123 bytes, tag 'Test'")
            && check.message.contains("allocated by memory::"),
        "{check}"
    );
}

#[test]
fn pool_left_at_unload_is_listed_without_the_verifier() {
    let config = Config {
        verifier: false,
        ..Config::default()
    };
    let report = Machine::run(config, |system: &System| {
        let driver = system.code_driver();
        driver.call("leak", || {
            allocate_with(POOL_FLAG_PAGED, 5);
        });
        driver.unload()
    });
    let leaks = report.expect_finished();
    assert_eq!(leaks.len(), 1);
    assert_eq!(
        (leaks[0].kind, leaks[0].what.as_str()),
        ("pool", "5 bytes, tag 'Test', paged")
    );
}

#[test]
fn pool_is_counted_by_its_owner() {
    let report = Machine::run(Config::default(), |system: &System| {
        let driver = system.code_driver();
        let other = system.code_driver();
        let block = driver.call("allocate", || allocate(100));
        driver.call("allocate", || free(allocate(50)));
        let before = (
            pool::counters(Owner::Driver(driver.id())),
            pool::counters(Owner::Driver(other.id())),
        );
        driver.call("free", || free(block));
        (before, pool::counters(Owner::Driver(driver.id())))
    });
    let ((mine, others), after) = report.expect_finished();
    assert_eq!((mine.allocations, mine.frees, mine.bytes), (2, 1, 100));
    assert_eq!(others, pool::Counters::default());
    assert_eq!((after.allocations, after.frees, after.bytes), (2, 2, 0));
}

#[test]
fn many_blocks_come_and_go() {
    run(|| {
        let mut blocks = Vec::new();
        for round in 0..20_000_usize {
            blocks.push(allocate(round % 9000 + 1));
            if blocks.len() > 300 {
                free(blocks.swap_remove(round * 7 % 300));
            }
        }
        blocks.into_iter().for_each(free);
    });
}

// ---- what the host sees ----

#[test]
fn the_host_sees_the_guests_memory_through_a_mapping_of_its_own() {
    run(|| {
        let block = allocate(10_000);
        let frames = phys::frames_of(block.addr(), 10_000).expect("pool has frames");
        assert_eq!(frames.len(), 3);
        let host = phys::HostMapping::new(&frames).expect("the guest's frames");
        write(block.wrapping_add(5000), 7);
        let mut seen = [0];
        host.read(5000, &mut seen);
        assert_eq!(seen, [7]);
        host.write(9999, &[9]);
        assert_eq!(read(block.wrapping_add(9999)), 9);
        host.store(4, 0x0403_0201);
        assert_eq!(
            (read(block.wrapping_add(4)), host.load(4)),
            (1, 0x0403_0201)
        );
        free(block);
    });
}

#[test]
fn the_host_maps_frames_in_the_order_in_which_it_is_given_them() {
    run(|| {
        let block = allocate(3 * PAGE);
        (0..3).for_each(|page| write(block.wrapping_add(page * PAGE), b"abc"[page]));
        let mut frames = phys::frames_of(block.addr(), 3 * PAGE).expect("pool has frames");
        frames.reverse();
        let host = phys::HostMapping::new(&frames).expect("the guest's frames");
        let seen = [0, 1, 2].map(|page| {
            let mut byte = [0];
            host.read(page * PAGE, &mut byte);
            byte[0]
        });
        assert_eq!(&seen, b"cba");
        free(block);
    });
}

#[test]
fn frames_that_the_host_maps_are_not_reused_before_it_is_done() {
    run(|| {
        let block = allocate(4096);
        let frames = phys::frames_of(block.addr(), 4096).expect("pool has frames");
        let host = phys::HostMapping::new(&frames).expect("the guest's frames");
        free(block);
        let others: Vec<_> = (0..50).map(|_| allocate(4096)).collect();
        host.write(0, &[0xEE; 64]);
        assert!(
            others.iter().all(|other| read(*other) == 0),
            "the host wrote into somebody's block"
        );
        others.into_iter().for_each(free);
        drop(host);
        let again = allocate(4096);
        assert_eq!(phys::frames_of(again.addr(), 4096), Some(frames));
        free(again);
    });
}

#[test]
fn frames_that_are_not_the_guests_cannot_be_mapped() {
    run(|| {
        assert!(phys::HostMapping::new(&[0]).is_none());
        assert!(phys::HostMapping::new(&[1 << 40]).is_none());
        assert!(phys::HostMapping::new(&[]).is_none());
        let local = 0_u8;
        assert_eq!(phys::frames_of((&raw const local).addr(), 1), None);
    });
}

#[test]
fn page_runs_are_zeroed_and_guarded() {
    let check = broken(|| {
        let pages = pages::allocate(2, Owner::Kernel).expect("memory");
        assert_eq!((pages.len(), pages.frames().len()), (8192, 2));
        let start = pages.address().as_ptr();
        assert_eq!(read(start.wrapping_add(8191)), 0);
        write(start.wrapping_add(8192), 1);
    });
    assert_eq!(
        check.code,
        StopCode::DRIVER_PAGE_FAULT_BEYOND_END_OF_ALLOCATION
    );
}

// ---- SLISTs ----

/// A list head in pool, with two entries that are pool blocks.
struct List {
    head: *mut SLIST_HEADER,
    entries: [*mut SLIST_ENTRY; 2],
}

impl List {
    fn new() -> Self {
        let head = allocate(size_of::<SLIST_HEADER>()).cast();
        // SAFETY: pool of the structure's size.
        unsafe { InitializeSListHead(head) };
        Self {
            head,
            entries: [allocate(32).cast(), allocate(32).cast()],
        }
    }

    fn push(&self, entry: usize) -> *mut SLIST_ENTRY {
        // SAFETY: an initialised list, and an entry of the test's own.
        unsafe { ExpInterlockedPushEntrySList(self.head, self.entries[entry]) }
    }

    fn pop(&self) -> *mut SLIST_ENTRY {
        // SAFETY: an initialised list.
        unsafe { ExpInterlockedPopEntrySList(self.head) }
    }

    fn depth(&self) -> u16 {
        // SAFETY: an initialised list.
        unsafe { ExQueryDepthSList(self.head) }
    }

    fn free(self) {
        free(self.head.cast());
        self.entries
            .into_iter()
            .for_each(|entry| free(entry.cast()));
    }
}

#[test]
fn an_slist_is_last_in_first_out() {
    run(|| {
        let list = List::new();
        assert!(list.pop().is_null());
        assert!(list.push(0).is_null());
        assert_eq!(list.push(1), list.entries[0]);
        assert_eq!(list.depth(), 2);
        assert_eq!(list.pop(), list.entries[1]);
        assert_eq!(list.pop(), list.entries[0]);
        assert!(list.pop().is_null());
        list.free();
    });
}

#[test]
fn an_slist_is_flushed_as_a_chain() {
    run(|| {
        let list = List::new();
        list.push(0);
        list.push(1);
        // SAFETY: an initialised list; its entries are the test's own blocks.
        unsafe {
            let first = ExpInterlockedFlushSList(list.head);
            assert_eq!(first, list.entries[1]);
            assert_eq!((*first).Next, list.entries[0]);
            assert!((*list.entries[0]).Next.is_null());
        }
        assert_eq!(list.depth(), 0);
        list.free();
    });
}

#[test]
fn the_slist_head_is_the_real_structure() {
    run(|| {
        let list = List::new();
        list.push(0);
        // SAFETY: the head's two words, as the 64-bit format has them.
        let (first, second) = unsafe {
            (
                (*list.head).__bindgen_anon_1.Alignment,
                (*list.head).__bindgen_anon_1.Region,
            )
        };
        assert_eq!(first & 0xFFFF, 1, "depth");
        assert_eq!(first >> 16, 1, "sequence");
        assert_eq!(second & !0xF, list.entries[0].addr() as u64);
        list.pop();
        list.free();
    });
}

#[test]
fn using_an_slist_that_was_never_initialised_is_a_bug_check() {
    let check = broken_unverified(|| {
        let head: *mut SLIST_HEADER = allocate(16).cast();
        // SAFETY: what the test is about.
        unsafe { ExpInterlockedPopEntrySList(head) };
    });
    assert_eq!(check.code, StopCode::NTSIM_INVALID_OBJECT);
}

#[test]
fn pushing_an_entry_twice_is_a_bug_check() {
    let double = || {
        let list = List::new();
        list.push(0);
        list.push(0);
    };
    assert_verifier(&broken(double), 0x13);
    assert_eq!(
        broken_unverified(double).code,
        StopCode::NTSIM_INVALID_OBJECT
    );
}

#[test]
fn an_overwritten_slist_head_is_a_bug_check() {
    let check = broken_unverified(|| {
        let list = List::new();
        list.push(0);
        // SAFETY: pool of the test's own.
        unsafe { list.head.write_bytes(0, 1) };
        list.push(1);
    });
    assert_eq!(check.code, StopCode::NTSIM_INVALID_OBJECT);
    assert!(check.message.contains("head was overwritten"), "{check}");
}

#[test]
fn writing_an_entry_on_an_slist_is_noticed_when_it_is_popped() {
    let check = broken_unverified(|| {
        let list = List::new();
        list.push(0);
        write(list.entries[0].cast(), 0x11);
        list.pop();
    });
    assert!(
        check.message.contains("an entry on it was overwritten"),
        "{check}"
    );
}

#[test]
fn freeing_an_entry_on_an_slist_is_a_finding() {
    let check = broken(|| {
        let list = List::new();
        list.push(0);
        free(list.entries[0].cast());
    });
    assert_verifier(&check, ntsim::mm::finding::FREED_ON_LIST);
}

// ---- lookaside lists ----

/// A lookaside list in pool, with the documented inline functions.
#[derive(Clone, Copy)]
struct Lookaside(*mut LOOKASIDE_LIST_EX);

impl Lookaside {
    fn memory() -> *mut LOOKASIDE_LIST_EX {
        allocate(size_of::<LOOKASIDE_LIST_EX>()).cast()
    }

    fn initialize(list: *mut LOOKASIDE_LIST_EX, pool_type: i32, flags: u32, size: u64) -> NTSTATUS {
        // SAFETY: memory of the structure's size.
        unsafe { ExInitializeLookasideListEx(list, None, None, pool_type, flags, size, TAG, 0) }
    }

    fn new(size: u64) -> Self {
        let list = Self::memory();
        assert_eq!(
            Self::initialize(list, _POOL_TYPE::NonPagedPoolNx, 0, size),
            STATUS_SUCCESS
        );
        Self(list)
    }

    fn allocate(self) -> *mut u8 {
        // SAFETY: an initialised list; the documented inline function.
        unsafe {
            let list = &mut (*self.0).L;
            list.TotalAllocates += 1;
            let entry: PVOID = ExpInterlockedPopEntrySList(self.0.cast()).cast();
            if !entry.is_null() {
                return entry.cast();
            }
            list.__bindgen_anon_2.AllocateMisses += 1;
            let routine = list
                .__bindgen_anon_4
                .AllocateEx
                .expect("a list has a routine");
            routine(list.Type, u64::from(list.Size), list.Tag, self.0).cast()
        }
    }

    fn free(self, entry: *mut u8) {
        // SAFETY: an initialised list; the documented inline function.
        unsafe {
            let list = &mut (*self.0).L;
            list.TotalFrees += 1;
            if ExQueryDepthSList(self.0.cast()) >= list.Depth {
                list.__bindgen_anon_3.FreeMisses += 1;
                let routine = list.__bindgen_anon_5.FreeEx.expect("a list has a routine");
                routine(entry.cast(), self.0);
            } else {
                ExpInterlockedPushEntrySList(self.0.cast(), entry.cast());
            }
        }
    }

    fn free_all(self, entries: impl IntoIterator<Item = *mut u8>) {
        for entry in entries {
            self.free(entry);
        }
    }

    fn delete(self) {
        // SAFETY: an initialised list that nobody uses.
        unsafe { ExDeleteLookasideListEx(self.0) };
        free(self.0.cast());
    }
}

#[test]
fn a_lookaside_list_is_initialised_as_documented() {
    run(|| {
        let list = Lookaside::new(100);
        // SAFETY: an initialised list.
        let fields = unsafe { (*list.0).L };
        assert_eq!(
            (fields.Size, fields.Tag, fields.Type),
            (100, TAG, _POOL_TYPE::NonPagedPoolNx)
        );
        assert_eq!((fields.Depth, fields.MaximumDepth), (4, 256));
        // SAFETY: either name of each union is the same pointer or number.
        unsafe {
            assert!(
                fields.__bindgen_anon_4.AllocateEx.is_some()
                    && fields.__bindgen_anon_5.FreeEx.is_some()
            );
        }
        list.delete();
    });
}

#[test]
fn a_lookaside_list_gives_its_entries_out_again() {
    let report = Machine::run(Config::default(), |system: &System| {
        let driver = system.code_driver();
        let owner = Owner::Driver(driver.id());
        driver.call("driver", || {
            let list = Lookaside::new(100);
            let first = list.allocate();
            list.free(first);
            let before = pool::counters(owner);
            for _ in 0..1000 {
                let entry = list.allocate();
                assert_eq!(entry, first);
                list.free(entry);
            }
            assert_eq!(
                pool::counters(owner),
                before,
                "the steady state allocates nothing"
            );
            list.delete();
        });
        driver.unload();
        lookaside::counters(owner)
    });
    let counters = report.expect_finished();
    assert_eq!(
        counters,
        lookaside::Counters {
            lists: 0,
            allocations: 1001,
            allocation_misses: 1,
            frees: 1001,
            free_misses: 0,
        }
    );
}

#[test]
fn a_lookaside_list_that_misses_gets_deeper() {
    run(|| {
        let list = Lookaside::new(64);
        let mut misses = Vec::new();
        for _ in 0..400 {
            let entries: Vec<_> = (0..40).map(|_| list.allocate()).collect();
            list.free_all(entries);
            // SAFETY: an initialised list.
            misses.push(unsafe { (*list.0).L.__bindgen_anon_2.AllocateMisses });
        }
        // SAFETY: an initialised list.
        let depth = unsafe { (*list.0).L.Depth };
        assert!((30..=256).contains(&depth), "depth {depth}");
        assert!(misses[399] - misses[398] < 10, "still misses: {misses:?}");
        list.delete();
    });
}

#[test]
fn a_lookaside_list_can_be_flushed() {
    let report = Machine::run(Config::default(), |system: &System| {
        let driver = system.code_driver();
        driver.call("driver", || {
            let list = Lookaside::new(64);
            let before = pool::counters(Owner::Driver(driver.id())).bytes;
            let entries = [list.allocate(), list.allocate()];
            list.free_all(entries);
            // SAFETY: an initialised list.
            unsafe { ExFlushLookasideListEx(list.0) };
            assert_eq!(pool::counters(Owner::Driver(driver.id())).bytes, before);
            list.delete();
        });
        driver.unload();
    });
    report.expect_finished();
}

#[test]
fn lookaside_parameters_that_do_not_fit_are_refused() {
    run(|| {
        let list = Lookaside::memory();
        assert_eq!(
            Lookaside::initialize(list, 3, 0, 64),
            STATUS_INVALID_PARAMETER_4
        );
        assert_eq!(
            Lookaside::initialize(list, 9999, 0, 64),
            STATUS_INVALID_PARAMETER_4
        );
        assert_eq!(
            Lookaside::initialize(list, _POOL_TYPE::NonPagedPoolNx, 3, 64),
            STATUS_INVALID_PARAMETER_5
        );
        free(list.cast());
    });
}

#[test]
fn making_a_lookaside_list_can_fail() {
    let config = Config {
        fail_call: Some(2.into()),
        ..Config::default()
    };
    let report = Machine::run(config, |system: &System| {
        system.as_driver("driver", || {
            let list = Lookaside::memory();
            let status = Lookaside::initialize(list, _POOL_TYPE::NonPagedPoolNx, 0, 64);
            free(list.cast());
            status
        })
    });
    assert_eq!(report.expect_finished(), STATUS_INSUFFICIENT_RESOURCES);
}

#[test]
fn a_depth_for_a_lookaside_list_is_a_finding() {
    let check = broken(|| {
        // SAFETY: memory of the structure's size.
        unsafe {
            let list = Lookaside::memory();
            let _ = ExInitializeLookasideListEx(
                list,
                None,
                None,
                _POOL_TYPE::NonPagedPoolNx,
                0,
                64,
                TAG,
                8,
            );
        }
    });
    assert_verifier(&check, ntsim::mm::finding::RESERVED_PARAMETER);
}

#[test]
fn too_small_an_entry_of_a_lookaside_list_is_a_finding() {
    assert_verifier(
        &broken(|| {
            Lookaside::new(4);
        }),
        0xCD,
    );
}

#[test]
fn initialising_a_lookaside_list_twice_is_a_finding() {
    let check = broken(|| {
        let list = Lookaside::new(64);
        let _ = Lookaside::initialize(list.0, _POOL_TYPE::NonPagedPoolNx, 0, 64);
    });
    assert_verifier(&check, 0xCA);
}

#[test]
fn deleting_what_is_no_lookaside_list_is_a_finding() {
    assert_verifier(&broken(|| Lookaside(Lookaside::memory()).delete()), 0xCB);
    let check = broken(|| {
        let list = Lookaside::new(64);
        // SAFETY: the second deletion is what the test is about.
        unsafe {
            ExDeleteLookasideListEx(list.0);
            ExDeleteLookasideListEx(list.0);
        }
    });
    assert_verifier(&check, 0xCB);
}

#[test]
fn freeing_an_active_lookaside_list_is_a_finding() {
    assert_verifier(&broken(|| free(Lookaside::new(64).0.cast())), 0xCC);
}

#[test]
fn a_lookaside_list_in_paged_pool_is_a_finding() {
    let check = broken(|| {
        let list = allocate_with(POOL_FLAG_PAGED, size_of::<LOOKASIDE_LIST_EX>());
        let _ = Lookaside::initialize(list.cast(), _POOL_TYPE::NonPagedPoolNx, 0, 64);
    });
    assert_verifier(&check, 0xE1);
}

#[test]
fn a_lookaside_list_left_at_unload_is_a_finding() {
    // The list outlives its driver in memory that does not count as the driver's.
    let check = broken(|| {
        let memory = pool::allocate(size_of::<LOOKASIDE_LIST_EX>(), TAG, false, Owner::Kernel)
            .expect("memory");
        let _ = Lookaside::initialize(memory.as_ptr().cast(), _POOL_TYPE::NonPagedPoolNx, 0, 64);
    });
    assert_verifier(&check, 0x62);
    assert!(
        check
            .message
            .contains("lookaside list (of 64 bytes, tag 'Test')"),
        "{check}"
    );
}

#[test]
fn moving_a_lookaside_list_is_a_bug_check() {
    let check = broken_unverified(|| {
        let list = Lookaside::new(64);
        let other = Lookaside(Lookaside::memory());
        // SAFETY: two blocks of the structure's size.
        unsafe { other.0.copy_from_nonoverlapping(list.0, 1) };
        other.allocate();
    });
    assert_eq!(check.code, StopCode::NTSIM_INVALID_OBJECT);
    assert!(check.message.contains("moved"), "{check}");
}

#[test]
fn a_lookaside_list_that_is_not_aligned_is_a_bug_check() {
    let check = broken_unverified(|| {
        let memory = allocate(size_of::<LOOKASIDE_LIST_EX>() + 16).wrapping_add(8);
        let _ = Lookaside::initialize(memory.cast(), _POOL_TYPE::NonPagedPoolNx, 0, 64);
    });
    assert_eq!(check.code, StopCode::NTSIM_INVALID_OBJECT);
}

#[test]
fn touching_an_entry_that_is_back_on_its_lookaside_list_is_a_bug_check() {
    for touch in [
        |entry: *mut u8| write(entry.wrapping_add(20), 1),
        |entry: *mut u8| {
            read(entry);
        },
    ] {
        let check = broken(move || {
            let list = Lookaside::new(64);
            let entry = list.allocate();
            list.free(entry);
            touch(entry);
        });
        assert_eq!(
            check.code,
            StopCode::DRIVER_PAGE_FAULT_IN_FREED_SPECIAL_POOL,
            "{check}"
        );
        assert!(
            check.message.contains("freed to a lookaside list"),
            "{check}"
        );
    }
}

#[test]
fn freeing_an_entry_twice_to_a_lookaside_list_is_a_finding() {
    let check = broken(|| {
        let list = Lookaside::new(64);
        let entry = list.allocate();
        list.free(entry);
        list.free(entry);
    });
    assert_verifier(&check, 0x13);
}

#[test]
fn freeing_an_entry_to_pool_that_is_back_on_its_lookaside_list_is_a_finding() {
    let check = broken(|| {
        let list = Lookaside::new(64);
        let entry = list.allocate();
        list.free(entry);
        free(entry);
    });
    assert_verifier(&check, 0x13);
    assert!(
        check.message.contains("while it is on a lookaside list"),
        "{check}"
    );
}

#[test]
fn freeing_to_a_deleted_lookaside_list_is_a_bug_check() {
    let check = broken(|| {
        let list = Lookaside::new(64);
        let entry = list.allocate();
        // SAFETY: an initialised list, whose memory stays.
        unsafe { ExDeleteLookasideListEx(list.0) };
        list.free(entry);
    });
    assert_eq!(check.code, StopCode::NTSIM_INVALID_OBJECT);
}

#[test]
fn an_entry_that_is_out_when_its_list_is_deleted_is_a_leak() {
    let check = broken(|| {
        let list = Lookaside::new(64);
        list.allocate();
        list.delete();
    });
    assert_verifier(&check, 0x62);
    assert!(check.message.contains("pool (64 bytes"), "{check}");
}

unsafe extern "C" fn own_allocate(
    _: i32,
    bytes: SIZE_T,
    _: ULONG,
    _: wdk_sys::PLOOKASIDE_LIST_EX,
) -> PVOID {
    allocate(usize::try_from(bytes).unwrap_or_default()).cast()
}

unsafe extern "C" fn own_free(entry: PVOID, _: wdk_sys::PLOOKASIDE_LIST_EX) {
    free(entry.cast());
}

#[test]
fn a_lookaside_lists_own_routines_are_called() {
    run(|| {
        let list = Lookaside::memory();
        let (allocate, free): (wdk_sys::PALLOCATE_FUNCTION_EX, wdk_sys::PFREE_FUNCTION_EX) =
            (Some(own_allocate), Some(own_free));
        // SAFETY: memory of the structure's size.
        let status = unsafe {
            ExInitializeLookasideListEx(
                list,
                allocate,
                free,
                _POOL_TYPE::NonPagedPoolNx,
                0,
                64,
                TAG,
                0,
            )
        };
        assert_eq!(status, STATUS_SUCCESS);
        let list = Lookaside(list);
        let entry = list.allocate();
        list.free(entry);
        list.delete();
    });
}

#[test]
fn the_kernels_own_lookaside_lists_are_counted_for_their_owner() {
    let report = Machine::run(Config::default(), |system: &System| {
        system.as_driver("driver", || {
            let list = lookaside::KernelLookaside::new(200, TAG, Owner::Kmcl).expect("memory");
            for _ in 0..100 {
                let entry: NonNull<u8> = list.allocate().expect("memory");
                list.free(entry);
            }
        });
        (
            lookaside::counters(Owner::Kmcl),
            pool::counters(Owner::Kmcl),
        )
    });
    let (lists, pool) = report.expect_finished();
    assert_eq!(
        (lists.allocations, lists.allocation_misses, lists.lists),
        (100, 1, 0)
    );
    assert_eq!((pool.allocations, pool.frees, pool.bytes), (2, 2, 0));
}

// ---- MDLs ----

fn mdl_for(address: *mut u8, length: usize) -> PMDL {
    // SAFETY: no precondition.
    unsafe {
        IoAllocateMdl(
            address.cast(),
            u32::try_from(length).expect("short"),
            0,
            0,
            null_mut(),
        )
    }
}

/// An MDL's flags.
fn flags(mdl: PMDL) -> u32 {
    // SAFETY: an MDL of the test's own.
    u32::from(unsafe { (*mdl).MdlFlags }.cast_unsigned())
}

fn lock(mdl: PMDL) {
    // SAFETY: an MDL of the test's own.
    unsafe { MmProbeAndLockPages(mdl, 0, _LOCK_OPERATION::IoWriteAccess) };
}

/// `MdlMappingNoExecute`.
const NO_EXECUTE: u32 = 0x4000_0000;

fn map(mdl: PMDL) -> *mut u8 {
    // SAFETY: an MDL of the test's own.
    unsafe { MmMapLockedPagesSpecifyCache(mdl, 0, CACHED, null_mut(), 0, NO_EXECUTE) }.cast()
}

#[test]
fn the_size_of_an_mdl_counts_the_pages_that_its_range_touches() {
    run(|| {
        let at = |offset: usize| null_mut::<u8>().wrapping_add(0x10_0000 + offset).cast();
        // SAFETY: no precondition.
        unsafe {
            assert_eq!(MmSizeOfMdl(at(0), 1), 48 + 8);
            assert_eq!(MmSizeOfMdl(at(0), 4096), 48 + 8);
            assert_eq!(MmSizeOfMdl(at(4095), 2), 48 + 16);
            assert_eq!(MmSizeOfMdl(at(1), 4096), 48 + 16);
        }
    });
}

#[test]
fn locked_pages_can_be_mapped_a_second_time() {
    run(|| {
        let block = allocate(6000);
        let range = block.wrapping_add(100);
        let mdl = mdl_for(range, 5000);
        lock(mdl);
        let mapped = map(mdl);
        assert_ne!(mapped, range);
        assert_eq!(mapped.addr() % PAGE, range.addr() % PAGE);
        write(mapped.wrapping_add(4999), 5);
        assert_eq!(read(range.wrapping_add(4999)), 5);
        // SAFETY: a locked MDL of the test's own.
        unsafe {
            assert_eq!(mdl::frames(mdl), phys::frames_of(range.addr(), 5000));
            assert_eq!(mdl::byte_range(mdl), (range.addr() % PAGE, 5000));
            MmUnmapLockedPages(mapped.cast(), mdl);
            MmUnlockPages(mdl);
            assert_eq!(mdl::frames(mdl), None);
            IoFreeMdl(mdl);
        }
        free(block);
    });
}

#[test]
fn unlocking_takes_a_mapping_away() {
    let check = broken(|| {
        let mdl = mdl_for(allocate(64), 64);
        lock(mdl);
        let mapped = map(mdl);
        // SAFETY: a locked MDL of the test's own.
        unsafe { MmUnlockPages(mdl) };
        write(mapped, 1);
    });
    assert_eq!(
        check.code,
        StopCode::DRIVER_PAGE_FAULT_IN_FREED_SPECIAL_POOL,
        "{check}"
    );
}

#[test]
fn an_mdl_over_nonpaged_pool_is_mapped_already() {
    run(|| {
        let block = allocate(64);
        let mdl = mdl_for(block, 64);
        // SAFETY: an MDL of the test's own.
        unsafe {
            MmBuildMdlForNonPagedPool(mdl);
            assert_eq!((*mdl).MappedSystemVa.cast(), block);
            assert_eq!(mdl::frames(mdl), phys::frames_of(block.addr(), 64));
            IoFreeMdl(mdl);
        }
        free(block);
    });
}

#[test]
fn a_partial_mdl_shares_frames_and_mapping() {
    run(|| {
        let block = allocate(3 * PAGE);
        let source = mdl_for(block, 3 * PAGE);
        let part = mdl_for(block, 3 * PAGE);
        lock(source);
        let inner = block.wrapping_add(PAGE + 10);
        // SAFETY: MDLs of the test's own.
        unsafe {
            IoBuildPartialMdl(source, part, inner.cast(), 100);
            assert_eq!(mdl::frames(part), phys::frames_of(inner.addr(), 100));
            assert_eq!(mdl::byte_range(part), (10, 100));
        }
        let mapped = map(part);
        write(mapped, 3);
        assert_eq!(read(inner), 3);
        // SAFETY: MDLs of the test's own. The partial one's mapping goes with it.
        unsafe {
            IoFreeMdl(part);
            let whole = map(source);
            let part = mdl_for(block, 3 * PAGE);
            IoBuildPartialMdl(source, part, inner.cast(), 0);
            assert_eq!((*part).MappedSystemVa.cast(), whole.wrapping_add(PAGE + 10));
            assert_eq!((*part).ByteCount as usize, 2 * PAGE - 10);
            IoFreeMdl(part);
            MmUnlockPages(source);
            IoFreeMdl(source);
        }
        free(block);
    });
}

#[test]
fn the_kernels_mdls_describe_the_guests_memory_only() {
    run(|| {
        let block = allocate(64);
        let mdl = mdl::new(NonNull::new(block).expect("memory"), 64).expect("memory");
        // SAFETY: a built MDL.
        let frames = unsafe { mdl::frames(mdl.as_ptr()) };
        assert_eq!(frames, phys::frames_of(block.addr(), 64));
        mdl::free(mdl);
        free(block);
        let mut local = 0_u8;
        assert!(mdl::new(NonNull::from(&mut local), 1).is_none());
    });
}

#[test]
fn a_read_only_mapping_cannot_be_written() {
    let check = broken(|| {
        let mdl = mdl_for(allocate(64), 64);
        lock(mdl);
        // SAFETY: an MDL of the test's own; the added bit is MdlMappingNoWrite.
        let mapped = unsafe {
            MmMapLockedPagesSpecifyCache(mdl, 0, CACHED, null_mut(), 0, NO_EXECUTE | 0x8000_0000)
        };
        assert_eq!(read(mapped.cast()), 0);
        write(mapped.cast(), 1);
    });
    assert_eq!(check.code, StopCode::PAGE_FAULT_IN_NONPAGED_AREA, "{check}");
}

#[test]
fn allocating_and_mapping_an_mdl_can_fail() {
    for failing in [2, 3] {
        let config = Config {
            fail_call: Some(failing.into()),
            ..Config::default()
        };
        let report = Machine::run(config, move |system: &System| {
            system.as_driver("driver", || {
                let block = allocate(64);
                let mdl = mdl_for(block, 64);
                assert_eq!(mdl.is_null(), failing == 2);
                if !mdl.is_null() {
                    lock(mdl);
                    assert!(map(mdl).is_null());
                    // SAFETY: an MDL of the test's own.
                    unsafe {
                        assert_eq!(flags(mdl) & MDL_MAPPED_TO_SYSTEM_VA, 0);
                        assert_ne!(flags(mdl) & MDL_PAGES_LOCKED, 0);
                        MmUnlockPages(mdl);
                        IoFreeMdl(mdl);
                    }
                }
                free(block);
            });
        });
        report.expect_finished();
    }
}

#[test]
fn freed_pages_stay_while_they_are_locked() {
    run(|| {
        let block = allocate(64);
        let mdl = mdl_for(block, 64);
        lock(mdl);
        let mapped = map(mdl);
        free(block);
        let others: Vec<_> = (0..20).map(|_| allocate(64)).collect();
        write(mapped, 0xEE);
        assert!(others.iter().all(|other| read(*other) == 0));
        // SAFETY: an MDL of the test's own.
        unsafe {
            MmUnlockPages(mdl);
            IoFreeMdl(mdl);
        }
        others.into_iter().for_each(free);
    });
}

/// An MDL in each state, for the misuse of it.
fn locked_mdl() -> PMDL {
    let mdl = mdl_for(allocate(64), 64);
    lock(mdl);
    mdl
}

fn nonpaged_mdl() -> PMDL {
    let mdl = mdl_for(allocate(64), 64);
    // SAFETY: an MDL of the test's own.
    unsafe { MmBuildMdlForNonPagedPool(mdl) };
    mdl
}

#[test]
fn misusing_an_mdl_is_a_finding() {
    // SAFETY of all: the misuse of an MDL of the test's own is what the test is about.
    let cases: [(u64, fn()); 12] = [
        (0x7F, || {
            let mdl = mdl_for(allocate_with(POOL_FLAG_PAGED, 64), 64);
            // SAFETY: as above.
            unsafe { MmBuildMdlForNonPagedPool(mdl) };
        }),
        (0xB0, || lock(nonpaged_mdl())),
        (0xB0, || lock(locked_mdl())),
        // SAFETY: as above.
        (0x7C, || unsafe { MmUnlockPages(mdl_for(allocate(64), 64)) }),
        // SAFETY: as above.
        (0x7D, || unsafe { MmUnlockPages(nonpaged_mdl()) }),
        (0xB4, || {
            let source = locked_mdl();
            let part = mdl_for(allocate(64), 64);
            // SAFETY: as above.
            unsafe {
                IoBuildPartialMdl(
                    source,
                    part,
                    (*source)
                        .StartVa
                        .wrapping_byte_add((*source).ByteOffset as usize),
                    0,
                );
                MmUnlockPages(part);
            }
        }),
        (0xB2, || {
            map(nonpaged_mdl());
        }),
        (0xB2, || {
            let mdl = locked_mdl();
            map(mdl);
            map(mdl);
        }),
        (0xB3, || {
            map(mdl_for(allocate(64), 64));
        }),
        // SAFETY: as above.
        (0x82, || unsafe {
            MmMapLockedPagesSpecifyCache(locked_mdl(), 0, CACHED, null_mut(), 1, NO_EXECUTE);
        }),
        // SAFETY: as above.
        (0x2002, || unsafe {
            MmMapLockedPagesSpecifyCache(locked_mdl(), 0, CACHED, null_mut(), 0, 16);
        }),
        (ntsim::mm::finding::FREED_LOCKED_MDL, || {
            // SAFETY: as above.
            unsafe { IoFreeMdl(locked_mdl()) };
        }),
    ];
    for (code, misuse) in cases {
        assert_verifier(&broken(misuse), code);
    }
}

#[test]
fn locking_paged_pool_at_dispatch_level_is_a_finding() {
    let check = broken(|| {
        let mdl = mdl_for(allocate_with(POOL_FLAG_PAGED, 64), 64);
        at_dispatch_level(|| lock(mdl));
    });
    assert_verifier(&check, 0x70);
}

#[test]
fn freeing_an_mdl_that_is_mapped_is_a_finding() {
    let check = broken(|| {
        let mdl = locked_mdl();
        map(mdl);
        // Only the mapping is to be found.
        // SAFETY: an MDL of the test's own.
        unsafe {
            (*mdl).MdlFlags &= !i16::try_from(MDL_PAGES_LOCKED).expect("a flag");
            IoFreeMdl(mdl);
        }
    });
    assert_verifier(&check, 0xB8);
}

#[test]
fn freeing_an_mdl_twice_is_a_bug_check() {
    let check = broken_unverified(|| {
        let mdl = mdl_for(allocate(64), 64);
        // SAFETY: what the test is about.
        unsafe {
            IoFreeMdl(mdl);
            IoFreeMdl(mdl);
        }
    });
    assert_eq!(check.code, StopCode::NTSIM_INVALID_OBJECT);
}

#[test]
fn unmapping_twice_is_a_bug_check() {
    let check = broken_unverified(|| {
        let mdl = locked_mdl();
        let mapped = map(mdl);
        // SAFETY: what the test is about.
        unsafe {
            MmUnmapLockedPages(mapped.cast(), mdl);
            MmUnmapLockedPages(mapped.cast(), mdl);
        }
    });
    assert_eq!(check.code, StopCode::SYSTEM_PTE_MISUSE);
}

#[test]
fn locking_memory_that_does_not_exist_is_an_exception_that_nobody_handles() {
    let check = broken(|| {
        let block = allocate(64);
        let mdl = mdl_for(block, 64);
        free(block);
        lock(mdl);
    });
    assert_eq!(check.code, StopCode::KMODE_EXCEPTION_NOT_HANDLED);
}

#[test]
fn a_partial_mdl_beyond_its_source_is_a_bug_check() {
    let check = broken_unverified(|| {
        let source = locked_mdl();
        let part = mdl_for(allocate(64), 64);
        // SAFETY: what the test is about.
        unsafe {
            let start = (*source)
                .StartVa
                .wrapping_byte_add((*source).ByteOffset as usize);
            IoBuildPartialMdl(source, part, start, 65);
        }
    });
    assert_eq!(check.code, StopCode::NTSIM_INVALID_OBJECT);
}

/// What is left, and how.
type Left = (&'static str, fn(PMDL));

#[test]
fn what_is_left_of_an_mdl_at_unload_is_a_finding() {
    let cases: [Left; 3] = [
        ("MDL (of 64 bytes)", |_| ()),
        ("locked pages (of 64 bytes)", lock),
        ("mapped MDL (of 64 bytes)", |mdl| {
            lock(mdl);
            map(mdl);
        }),
    ];
    for (expected, leave) in cases {
        let check = broken(move || {
            let block = allocate(64);
            leave(mdl_for(block, 64));
            free(block);
        });
        assert_verifier(&check, 0x62);
        assert!(check.message.contains(expected), "{check}");
    }
}

#[test]
fn the_same_seed_gives_the_same_run_whatever_the_addresses() {
    let hash = || {
        let config = Config {
            processors: NonZeroUsize::new(2).expect("two"),
            ..Config::with_seed(9)
        };
        let report = Machine::run(config, |system: &System| {
            system.as_driver("driver", || {
                let list = Lookaside::new(64);
                for _ in 0..50 {
                    let entries = [list.allocate(), list.allocate()];
                    list.free_all(entries);
                }
                list.delete();
            });
        });
        (report.schedule_hash, report.steps, report.time)
    };
    assert_eq!(hash(), hash());
}
