//! What the processor does not let a driver do, and what it would do for ever: each is the bug
//! check that Windows raises, or a hang report, with the driver's own stack.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

use std::arch::asm;
use std::hint::black_box;
use std::num::NonZeroUsize;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ntsim::mm::{Owner, pool};
use ntsim::{BugCheck, Config, Machine, Outcome, StopCode, System};
use wdk_sys_lite::POOL_FLAG_NON_PAGED;
use wdk_sys_lite::ntddk::{ExAllocatePool2, ExFreePoolWithTag, KeLowerIrql, KfRaiseIrql};

fn config() -> Config {
    Config {
        spin_limit: Duration::from_millis(200),
        ..Config::default()
    }
}

/// The bug check of a driver, in a system thread.
fn broken(driver: impl FnOnce() + Send + 'static) -> BugCheck {
    Machine::run(config(), |system: &System| {
        system.as_driver("driver", driver);
    })
    .expect_bug_check()
}

/// The driver's place comes first in the report.
fn assert_place(check: &BugCheck) {
    let stack = check.stack.as_ref().expect("a stack").to_string();
    let first: Vec<&str> = stack.lines().take(2).collect();
    assert!(first.concat().contains("tests/traps.rs:"), "{stack}");
    assert!(stack.contains("frames of the simulator"), "{stack}");
    assert!(check.message.contains("tests/traps.rs:"), "{check}");
}

fn assert_exception(check: &BugCheck, code: u64) {
    assert_eq!(
        (check.code, check.parameters[0]),
        (StopCode::KMODE_EXCEPTION_NOT_HANDLED, code),
        "{check}"
    );
    assert_place(check);
}

#[test]
fn an_instruction_that_does_not_exist_is_an_exception() {
    // SAFETY: the instruction traps, and the machine discards the context.
    assert_exception(&broken(|| unsafe { asm!("ud2") }), 0xC000_001D);
}

#[test]
fn a_breakpoint_is_an_exception() {
    // SAFETY: the instruction traps, and the machine discards the context.
    assert_exception(&broken(|| unsafe { asm!("int3") }), 0x8000_0003);
}

#[test]
fn a_division_by_zero_is_an_exception() {
    // SAFETY: the instruction traps, and the machine discards the context.
    let check = broken(|| unsafe {
        asm!("div {0:e}", in(reg) 0, inout("eax") 1 => _, inout("edx") 0 => _);
    });
    assert_exception(&check, 0xC000_0094);
}

#[test]
fn a_fast_fail_is_a_security_check_failure_with_its_code() {
    // SAFETY: the instruction traps, and the machine discards the context.
    let check = broken(|| unsafe { asm!("int 0x29", in("ecx") 7) });
    assert_eq!(
        (check.code, check.parameters[0]),
        (StopCode::KERNEL_SECURITY_CHECK_FAILURE, 7),
        "{check}"
    );
    assert_place(&check);
}

#[test]
fn a_privileged_instruction_is_an_exception() {
    // SAFETY: the instruction traps, and the machine discards the context.
    assert_exception(&broken(|| unsafe { asm!("hlt") }), 0xC000_0096);
}

#[test]
fn a_misaligned_vector_move_is_an_access_violation_without_an_address() {
    let check = broken(|| {
        let bytes = [0_u8; 64];
        let odd = (bytes.as_ptr().addr() | 15) as u64;
        // SAFETY: the instruction traps, and the machine discards the context.
        unsafe { asm!("movaps xmm0, [{0}]", in(reg) odd, out("xmm0") _) };
    });
    assert_exception(&check, 0xC000_0005);
    assert_eq!(check.parameters[3], u64::MAX, "{check}");
}

#[test]
fn an_address_that_cannot_be_is_an_access_violation_without_an_address() {
    // SAFETY: the access traps, and the machine discards the context.
    let check = broken(|| unsafe {
        std::ptr::with_exposed_provenance::<u8>(0x1234_5678_9ABC_DEF0).read_volatile();
    });
    assert_exception(&check, 0xC000_0005);
}

#[test]
fn an_abort_is_an_exception() {
    assert_eq!(
        broken(|| std::process::abort()).code,
        StopCode::KMODE_EXCEPTION_NOT_HANDLED
    );
}

/// In a thread that serves a program's system call the code is another.
#[test]
fn an_exception_in_a_system_call_is_a_system_service_exception() {
    let check = Machine::run(config(), |system: &System| {
        system
            .spawn_process("program", |process| {
                // SAFETY: the instruction traps, and the machine discards the context.
                process
                    .system()
                    .as_driver("driver", || unsafe { asm!("ud2") });
            })
            .join();
    })
    .expect_bug_check();
    assert_eq!(
        (check.code, check.parameters[0]),
        (StopCode::SYSTEM_SERVICE_EXCEPTION, 0xC000_001D),
        "{check}"
    );
    assert_place(&check);
}

#[inline(never)]
fn uses_stack<const BYTES: usize>() {
    let mut bytes = [0_u8; BYTES];
    black_box(&mut bytes);
}

fn recurses(depth: u64) -> u64 {
    if black_box(depth) == u64::MAX {
        return 0;
    }
    recurses(depth + 1) + black_box(1)
}

fn assert_overflow(check: &BugCheck) {
    assert_eq!(
        (check.code, check.parameters[0]),
        (StopCode::UNEXPECTED_KERNEL_MODE_TRAP, 8),
        "{check}"
    );
    assert!(check.message.contains("stack overflowed"), "{check}");
    assert!(check.message.contains("24 KiB"), "{check}");
    assert!(check.stack.is_some());
}

#[test]
fn a_drivers_stack_is_as_small_as_the_kernels() {
    run(Config::default(), uses_stack::<{ 16 << 10 }>);
    let check = broken(uses_stack::<{ 64 << 10 }>);
    assert_overflow(&check);
    let stack = check.stack.expect("a stack").to_string();
    assert!(stack.contains("uses_stack"), "{stack}");
    assert_overflow(&broken(uses_stack::<{ 4 << 20 }>));
    let check = broken(|| {
        recurses(0);
    });
    assert_overflow(&check);
    let stack = check.stack.expect("a stack").to_string();
    assert!(stack.contains("recurses"), "{stack}");
}

#[test]
fn the_bound_can_be_configured() {
    let config = Config {
        kernel_stack: 128 << 10,
        ..config()
    };
    run(config, uses_stack::<{ 64 << 10 }>);
}

fn run(config: Config, driver: impl FnOnce() + Send + 'static) {
    Machine::run(config, |system: &System| system.as_driver("driver", driver)).expect_finished();
}

/// What the simulator does in a driver's call is not on the driver's stack.
#[test]
fn calls_into_the_kernel_cost_a_driver_no_stack() {
    run(Config::default(), || {
        let mut bytes = [0_u8; 16 << 10];
        black_box(&mut bytes);
        // SAFETY: the block is freed once; the level is raised and put back.
        unsafe {
            let tag = u32::from_ne_bytes(*b"Test");
            ExFreePoolWithTag(ExAllocatePool2(POOL_FLAG_NON_PAGED, 10, tag), tag);
            KeLowerIrql(KfRaiseIrql(2));
        }
    });
}

static NEVER: AtomicBool = AtomicBool::new(false);

fn spins() {
    while !NEVER.load(Ordering::Relaxed) {
        std::hint::spin_loop();
    }
}

#[test]
fn a_loop_without_calls_at_dispatch_level_is_a_watchdog_violation() {
    let check = broken(|| {
        // SAFETY: the level is one that can be raised to.
        unsafe { KfRaiseIrql(2) };
        spins();
    });
    assert_eq!(check.code, StopCode::DPC_WATCHDOG_VIOLATION, "{check}");
    let stack = check.stack.expect("a stack").to_string();
    assert!(
        stack.contains("spins") && stack.contains("tests/traps.rs:"),
        "{stack}"
    );
}

#[test]
fn a_loop_without_calls_below_dispatch_level_is_a_hang() {
    let outcome = Machine::run(config(), |system: &System| {
        system.as_driver("driver", spins);
    })
    .outcome;
    let Outcome::Hung(waiting) = outcome else {
        panic!("{outcome:?}")
    };
    assert!(
        waiting[0].contains("without a call into the kernel")
            && waiting[0].contains("tests/traps.rs:"),
        "{waiting:#?}"
    );
}

/// Several machines at once: only the one that loops is stopped.
#[test]
fn a_loop_stops_its_own_machine_only() {
    let others: Vec<_> = (0..3)
        .map(|seed| {
            std::thread::spawn(move || {
                let config = Config {
                    seed,
                    processors: NonZeroUsize::MIN,
                    ..config()
                };
                Machine::run(config, |system: &System| {
                    system.sleep(Duration::from_secs(1));
                })
                .expect_finished();
            })
        })
        .collect();
    let check = broken(|| {
        // SAFETY: the level is one that can be raised to.
        unsafe { KfRaiseIrql(2) };
        spins();
    });
    assert_eq!(check.code, StopCode::DPC_WATCHDOG_VIOLATION);
    for other in others {
        other.join().expect("a machine that does not loop finishes");
    }
}

/// One seed, one set of addresses, in every process: drivers that order by address do the same
/// again.
#[test]
fn a_seed_has_the_same_pool_addresses_in_every_process() {
    const CHILD: &str = "NTSIM_TEST_PRINTS_ADDRESSES";
    if std::env::var_os(CHILD).is_some() {
        run(Config::default(), || {
            for bytes in [1, 100, 5000, 16] {
                let block =
                    pool::allocate(bytes, u32::from_ne_bytes(*b"Test"), false, Owner::Kernel);
                println!("address {:p}", block.expect("memory"));
            }
        });
        return;
    }
    let addresses = || {
        let output = Command::new(std::env::current_exe().expect("this program"))
            .args([
                "--exact",
                "a_seed_has_the_same_pool_addresses_in_every_process",
                "--nocapture",
            ])
            .env(CHILD, "1")
            .output()
            .expect("this program runs");
        let text = String::from_utf8(output.stdout).expect("text");
        let lines: Vec<String> = text
            .lines()
            .filter(|line| line.contains("address 0x"))
            .map(str::to_owned)
            .collect();
        lines
    };
    let first = addresses();
    assert_eq!(first.len(), 4);
    assert_eq!(first, addresses());
}

/// Flags that a driver leaves set do not reach the simulator's code.
#[test]
fn flags_that_a_driver_has_set_are_gone_after_its_trap() {
    // SAFETY: the instructions set the direction flag and trap; the machine discards the context.
    assert_exception(&broken(|| unsafe { asm!("std", "ud2") }), 0xC000_001D);
    // SAFETY: the trap flag raises the exception after the next instruction.
    let check = broken(|| unsafe {
        asm!("pushfq", "or qword ptr [rsp], 0x100", "popfq", "nop", "nop");
    });
    assert_exception(&check, 0x8000_0004);
}

#[test]
fn a_call_to_where_no_code_is_is_a_fault() {
    for address in [usize::MAX, 8, 0x5000_0000_0000] {
        let check = broken(move || {
            // SAFETY: a function pointer is as large as an address; the call faults.
            unsafe { std::mem::transmute::<usize, extern "C" fn()>(black_box(address))() };
        });
        assert_ne!(check.code, StopCode::RUST_PANIC, "{address:#x}: {check}");
    }
}
