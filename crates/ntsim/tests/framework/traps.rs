//! What the processor refuses, in the callbacks of a driver that the framework serves: the same bug
//! checks as elsewhere.

use std::arch::asm;
use std::hint::black_box;

use ntsim::StopCode;

use crate::harness::{breaks, in_callback};

#[test]
fn traps_in_callbacks_are_bug_checks_with_the_callbacks_place() {
    for (callback, code) in [
        ("DeviceAdd", StopCode::KMODE_EXCEPTION_NOT_HANDLED),
        ("D0Entry", StopCode::KMODE_EXCEPTION_NOT_HANDLED),
        ("D0Exit", StopCode::KMODE_EXCEPTION_NOT_HANDLED),
    ] {
        // SAFETY: the instruction traps, and the machine discards the context.
        let check = breaks(move || in_callback(callback, |_| unsafe { asm!("ud2") }));
        assert_eq!(
            (check.code, check.parameters[0]),
            (code, 0xC000_001D),
            "{check}"
        );
        assert!(check.message.contains("framework/traps.rs:"), "{check}");
        // SAFETY: as above.
        let check =
            breaks(move || in_callback(callback, |_| unsafe { asm!("int 0x29", in("ecx") 3) }));
        assert_eq!(
            (check.code, check.parameters[0]),
            (StopCode::KERNEL_SECURITY_CHECK_FAILURE, 3),
            "{check}"
        );
    }
}

#[inline(never)]
fn uses_stack<const BYTES: usize>() {
    let mut bytes = [0_u8; BYTES];
    black_box(&mut bytes);
}

#[test]
fn a_callback_that_uses_too_much_stack_overflows_it() {
    for callback in ["DeviceAdd", "PrepareHardware", "D0Entry"] {
        let check = breaks(move || in_callback(callback, |_| uses_stack::<{ 64 << 10 }>()));
        assert_eq!(
            (check.code, check.parameters[0]),
            (StopCode::UNEXPECTED_KERNEL_MODE_TRAP, 8),
            "{check}"
        );
        let stack = check.stack.expect("a stack").to_string();
        assert!(stack.contains("uses_stack"), "{stack}");
    }
}
