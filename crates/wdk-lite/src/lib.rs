//! The part of `wdk` that this workspace uses, for machines without a Windows Driver Kit.
//!
//! [`print!`] and [`println!`] have the names and the effect that `wdk` 0.5.0 gives them in a
//! kernel driver, so code that is written as `wdk::println!(…)` compiles against either. The text
//! goes to the kernel's `DbgPrint`, which whoever links the program defines: the simulated kernel,
//! for one. Nothing is allocated, nothing panics, and nothing is waited for.
#![no_std]

use core::fmt::{self, Write};

use wdk_sys_lite::ntddk::DbgPrint;

/// Bytes of a buffer, the terminator included: the most that one call of `DbgPrint` takes.
const BUFFER: usize = 512;

/// Prints to the debugger. IRQL: any at or below that of devices.
///
/// The syntax is that of `core::format_args!`. Text of more than 511 bytes is passed on in pieces.
#[macro_export]
macro_rules! print {
    ($($arg:tt)*) => {
        $crate::_print(::core::format_args!($($arg)*))
    };
}

/// As [`print!`], with a line feed at the end.
#[macro_export]
macro_rules! println {
    () => {
        $crate::print!("\n")
    };
    ($($arg:tt)*) => {
        $crate::print!("{}\n", ::core::format_args!($($arg)*))
    };
}

/// What the macros call.
#[doc(hidden)]
pub fn _print(arguments: fmt::Arguments<'_>) {
    let mut pieces = Pieces {
        bytes: [0; BUFFER],
        length: 0,
    };
    // A type that fails to format itself leaves its text cut off, which is better than none.
    let _ = pieces.write_fmt(arguments);
    pieces.flush();
}

/// Text on its way to the debugger, in pieces.
///
/// # Invariants
///
/// `length` is below [`BUFFER`], and the bytes from there on are zero.
struct Pieces {
    bytes: [u8; BUFFER],
    length: usize,
}

impl Pieces {
    /// Passes on what there is.
    fn flush(&mut self) {
        if self.length == 0 {
            return;
        }
        // SAFETY: both strings end in a zero: the buffer's last byte is one by the invariant. The
        // format takes one string. DbgPrint keeps neither.
        let _ = unsafe { DbgPrint(c"%s".as_ptr().cast(), self.bytes.as_ptr()) };
        self.bytes = [0; BUFFER];
        self.length = 0;
    }

    /// Adds text for which there is room.
    fn add(&mut self, text: &str) {
        let free = self.bytes.iter_mut().take(BUFFER - 1).skip(self.length);
        for (to, from) in free.zip(text.bytes()) {
            *to = from;
        }
        self.length = self.length.saturating_add(text.len()).min(BUFFER - 1);
    }
}

impl Write for Pieces {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text;
        loop {
            let room = (BUFFER - 1).saturating_sub(self.length);
            let fits = rest.floor_char_boundary(room);
            let Some((piece, more)) = rest.split_at_checked(fits) else {
                return Err(fmt::Error);
            };
            self.add(piece);
            if more.is_empty() {
                return Ok(());
            }
            self.flush();
            rest = more;
        }
    }
}
