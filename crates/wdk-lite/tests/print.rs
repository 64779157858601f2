//! What reaches the kernel. This program is the kernel: it defines the symbol that the crate calls.
#![cfg(not(windows))]

use std::cell::RefCell;
use std::ffi::{CStr, c_char};

thread_local! {
    static PRINTED: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

// SAFETY: no other item of this program has this name.
#[unsafe(no_mangle)]
unsafe extern "C" fn DbgPrint(format: *const c_char, text: *const c_char) -> u32 {
    // SAFETY: the crate passes two strings that end in a zero.
    let (format, text) = unsafe { (CStr::from_ptr(format), CStr::from_ptr(text)) };
    assert_eq!(format, c"%s", "what a driver prints is never a format");
    PRINTED.with_borrow_mut(|printed| {
        printed.push(text.to_str().expect("whole characters").to_owned());
    });
    0
}

fn printed(print: impl FnOnce()) -> Vec<String> {
    print();
    PRINTED.take()
}

#[test]
fn a_line_is_formatted_and_ends_with_a_line_feed() {
    assert_eq!(
        printed(|| wdk_lite::println!("{} of {:#x}", 3, 16)),
        ["3 of 0x10\n"]
    );
    assert_eq!(printed(|| wdk_lite::println!()), ["\n"]);
    assert_eq!(printed(|| wdk_lite::print!("100 %s")), ["100 %s"]);
    assert_eq!(printed(|| wdk_lite::print!("")), [] as [&str; 0]);
}

#[test]
fn long_text_goes_in_pieces_of_whole_characters() {
    for length in [510, 511, 512, 1022, 1023, 3000] {
        let text = "a".repeat(length);
        let pieces = printed(|| wdk_lite::print!("{text}"));
        assert_eq!(pieces.concat(), text);
        assert_eq!(pieces.len(), length.div_ceil(511));
    }
    for before in 0..4 {
        let text = "x".repeat(before) + &"€".repeat(400);
        let pieces = printed(|| wdk_lite::print!("{text}"));
        assert_eq!(pieces.concat(), text);
        assert!(pieces.iter().all(|piece| piece.len() <= 511));
    }
}
