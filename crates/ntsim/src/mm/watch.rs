//! Memory that the host or a program can write while a driver reads it, watched for double fetches.
//!
//! A driver that reads a length, checks it and reads it again may find another one. No scheduling
//! point lies between two plain reads, so the other side's write never comes there; but that a
//! callback reads a byte twice can be seen without a write.
//!
//! ```text
//!   a read of the driver's --> the page cannot be read: SIGSEGV --> note which bytes, by whom
//!                                                                    | open the page, trap flag on
//!   next instruction <-- close the page, trap flag off: SIGTRAP <----- the read itself
//! ```
//!
//! A copy may read a byte twice and no harm done: a copy of 7 bytes is two overlapping moves of 4.
//! All that one call of a library's function reads counts as one read: the trap flag stays on until
//! it returns. So do reads of the driver's own code that overlap in part, close to each other and
//! with no branch between.
//!
//! What the kernel reads for a driver (a reply that is still in the payload, say) is not looked at.
//!
//! [`Config::double_fetches`](crate::Config::double_fetches) turns it on.

use std::cell::RefCell;
use std::ptr::NonNull;

use iced_x86::{Decoder, DecoderOptions, FlowControl, InstructionInfoFactory, OpAccess};

use crate::bugcheck::{BugCheck, StopCode};
use crate::kernel::{Kernel, kernel, try_kernel};
use crate::sched::ContextId;
use crate::trace::Trace;

use super::phys::PAGE_SIZE;
use super::{arena, finding};

/// Instructions of one copy are not further apart than this, in bytes.
pub(crate) const ONE_COPY: usize = 64;

/// The longest instruction of the processor, in bytes.
pub(crate) const LONGEST_INSTRUCTION: usize = 15;

/// Watched memory of a machine.
#[derive(Default)]
pub(crate) struct State {
    regions: RefCell<Vec<Region>>,
    copying: RefCell<Copying>,
}

/// Calls of library functions that read.
#[derive(Default)]
struct Copying {
    number: u64,
    /// One reads, and has not returned.
    runs: bool,
}

struct Region {
    what: &'static str,
    start: usize,
    /// Who has read each byte last: one more than its place in `reads`, or 0.
    read: Vec<u32>,
    reads: Vec<Read>,
    /// What may be done with its pages when nobody watches.
    protection: libc::c_int,
    /// The instruction that runs may use its pages.
    open: bool,
}

/// The callback of a driver's that runs: its context, and which call it is.
pub(crate) type Callback = (ContextId, u64);

/// One read of a driver's.
#[derive(Clone, Copy)]
struct Read {
    callback: Callback,
    start: usize,
    length: usize,
    instruction: usize,
    /// The call of a library's function that reads; the driver's own code reads without one.
    copy: Option<u64>,
    /// The innermost instructions, to name the place.
    places: [usize; PLACES],
}

const PLACES: usize = 12;

/// What the processor was about to do.
pub(crate) struct Access<'a> {
    pub(crate) address: usize,
    pub(crate) instruction: usize,
    pub(crate) code: &'a [u8],
    pub(crate) writes: bool,
    /// Whether the instruction is of the program itself, and not of a library.
    pub(crate) own_code: bool,
    pub(crate) callers: &'a [usize],
}

impl Region {
    fn pages(&self) -> (usize, usize) {
        let first = self.start / PAGE_SIZE * PAGE_SIZE;
        let end = (self.start + self.read.len()).next_multiple_of(PAGE_SIZE);
        (first, (end - first) / PAGE_SIZE)
    }

    fn holds(&self, address: usize) -> bool {
        let (first, pages) = self.pages();
        (first..first + pages * PAGE_SIZE).contains(&address)
    }

    fn set_open(&mut self, open: bool) {
        let (first, pages) = self.pages();
        self.open = open;
        let protection = if open {
            self.protection
        } else {
            libc::PROT_NONE
        };
        // SAFETY: whoever watches the pages vouches that they are there until it stops, and for
        // what may be done with them.
        unsafe { arena::set_protection(first, pages, protection) };
    }

    /// Notes a read. Returns the earlier one by the same callback, and of which byte.
    fn note(&mut self, read: Read) -> Option<(Read, usize)> {
        let from = read.start.saturating_sub(self.start);
        let to = (read.start + read.length).saturating_sub(self.start);
        let Self {
            read: bytes, reads, ..
        } = self;
        reads.push(read);
        let number = u32::try_from(reads.len()).unwrap_or(0);
        let mut found = None;
        for (offset, byte) in bytes.iter_mut().enumerate().take(to).skip(from) {
            let before = std::mem::replace(byte, number);
            let earlier = before
                .checked_sub(1)
                .and_then(|place| reads.get(place as usize));
            if let Some(earlier) = earlier
                && earlier.callback == read.callback
                && !is_one_copy(earlier, &read)
            {
                found.get_or_insert((*earlier, offset));
            }
        }
        found
    }
}

fn is_one_copy(one: &Read, other: &Read) -> bool {
    let end = |read: &Read| read.start + read.length;
    match (one.copy, other.copy) {
        (None, None) => {
            let (first, last) = if one.start < other.start {
                (one, other)
            } else {
                (other, one)
            };
            first.start < last.start
                && last.start < end(first)
                && end(first) < end(last)
                && runs_straight(one.instruction, other.instruction)
        }
        (one, other) => one == other,
    }
}

/// Whether two instructions lie close to each other, and the processor goes from one to the other
/// without a branch.
fn runs_straight(one: usize, other: usize) -> bool {
    let (first, last) = (one.min(other), one.max(other));
    if last - first > ONE_COPY {
        return false;
    }
    let (code, known) = crate::trap::code_at::<{ ONE_COPY + LONGEST_INSTRUCTION }>(first);
    let mut decoder = Decoder::with_ip(64, &code[..known], first as u64, DecoderOptions::NONE);
    while decoder.can_decode() && decoder.ip() < last as u64 {
        if decoder.decode().flow_control() != FlowControl::Next {
            return false;
        }
    }
    decoder.ip() == last as u64
}

/// Keeps memory under watch.
pub(crate) struct Watched {
    start: usize,
}

impl Watched {
    /// Watches `length` bytes, if the configuration asks for it and there are any.
    ///
    /// # Safety
    ///
    /// The pages stay mapped, readable and if they are `writable` that too, until this is dropped,
    /// and nothing else that the real system's calls are given is in them.
    pub(crate) unsafe fn new(
        what: &'static str,
        start: NonNull<u8>,
        length: usize,
        writable: bool,
    ) -> Option<Self> {
        let kernel = kernel();
        if !kernel.config.double_fetches || length == 0 {
            return None;
        }
        let start = start.addr().get();
        let mut region = Region {
            what,
            start,
            read: vec![0; length],
            reads: Vec::new(),
            protection: if writable {
                libc::PROT_READ | libc::PROT_WRITE
            } else {
                libc::PROT_READ
            },
            open: true,
        };
        region.set_open(false);
        kernel.mm.watch.regions.borrow_mut().push(region);
        Some(Self { start })
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        // A machine that is thrown away takes its pages along.
        let Some(kernel) = try_kernel() else { return };
        let mut regions = kernel.mm.watch.regions.borrow_mut();
        if let Some(place) = regions.iter().position(|region| region.start == self.start) {
            regions.swap_remove(place).set_open(true);
        }
    }
}

impl State {
    /// Whether an access to this address is one that the watch keeps from happening. Answers in a
    /// signal handler. Pages that are open have faulted for a reason of their own.
    pub(crate) fn holds(&self, address: usize) -> bool {
        self.regions.try_borrow().is_ok_and(|regions| {
            regions
                .iter()
                .any(|region| region.holds(address) && !region.open)
        })
    }

    /// Notes an access, and has the instruction that runs do it. Returns what is wrong with it.
    /// Runs in the handler of the signal that the access itself has raised: nothing but a read or a
    /// write of watched memory was interrupted.
    pub(crate) fn access(&self, kernel: &Kernel, access: &Access<'_>) -> Option<Finding> {
        let mut regions = self.regions.try_borrow_mut().ok()?;
        let region = regions
            .iter_mut()
            .find(|region| region.holds(access.address))?;
        // The hook of a panic holds locks: what formats its message is not stopped.
        let callback = kernel
            .sched
            .current_callback()
            .filter(|_| !std::thread::panicking());
        let length = read_length(access);
        let mut found = None;
        if let Some(callback) = callback
            && length > 0
        {
            let mut places = [0; PLACES];
            for (place, at) in places.iter_mut().zip(access.callers) {
                *place = *at;
            }
            let read = Read {
                callback,
                start: access.address,
                length,
                instruction: access.instruction,
                copy: self.copy(access),
                places,
            };
            found = region.note(read).map(|(earlier, offset)| Finding {
                what: region.what,
                offset,
                earlier,
                later: read,
            });
        }
        region.set_open(true);
        found
    }

    /// The call of a library's function that an access is of.
    fn copy(&self, access: &Access<'_>) -> Option<u64> {
        let mut copying = self.copying.try_borrow_mut().ok()?;
        if access.own_code {
            return None;
        }
        if !copying.runs {
            copying.runs = true;
            copying.number += 1;
        }
        Some(copying.number)
    }

    /// An instruction has run. Whether the next one is to be stepped too: a library's function that
    /// reads has not returned to the program's `own_code`.
    pub(crate) fn stepped(&self, own_code: impl FnOnce() -> bool) -> bool {
        if let Ok(mut regions) = self.regions.try_borrow_mut() {
            for region in regions.iter_mut().filter(|region| region.open) {
                region.set_open(false);
            }
        }
        let Ok(mut copying) = self.copying.try_borrow_mut() else {
            return false;
        };
        copying.runs = copying.runs && !own_code();
        copying.runs
    }
}

/// How many bytes the instruction reads where it faults; 0 if it only writes there.
fn read_length(access: &Access<'_>) -> usize {
    let instruction = Decoder::with_ip(
        64,
        access.code,
        access.instruction as u64,
        DecoderOptions::NONE,
    )
    .decode();
    InstructionInfoFactory::new()
        .info(&instruction)
        .used_memory()
        .iter()
        .filter(|memory| match memory.access() {
            OpAccess::Read | OpAccess::CondRead => !access.writes,
            // The processor faults for the write.
            OpAccess::ReadWrite | OpAccess::ReadCondWrite => true,
            _ => false,
        })
        // A repeated instruction has no size: each step of it is one element.
        .map(|memory| match memory.memory_size().size() {
            0 => instruction.memory_size().size(),
            size => size,
        })
        .max()
        .unwrap_or(0)
}

/// A byte that one callback has read twice.
#[derive(Clone, Copy)]
pub(crate) struct Finding {
    what: &'static str,
    offset: usize,
    earlier: Read,
    later: Read,
}

impl Finding {
    /// As a bug check.
    pub(crate) fn describe(&self) -> BugCheck {
        let kernel = kernel();
        let trace = |read: &Read| {
            let known = read.places.iter().take_while(|place| **place != 0).count();
            Trace::from_addresses(read.instruction, &read.places[..known])
        };
        let place = |read: &Read| {
            trace(read)
                .origin()
                .unwrap_or_else(|| format!("{:#x}", read.instruction))
        };
        BugCheck {
            code: StopCode::DRIVER_VERIFIER_DETECTED_VIOLATION,
            parameters: [
                finding::READ_TWICE,
                self.offset as u64,
                self.earlier.instruction as u64,
                self.later.instruction as u64,
            ],
            message: format!(
                "a double fetch: byte {} of {} was read twice by one callback, first by {}, then by {}; \
                 it may have changed in between",
                self.offset,
                self.what,
                place(&self.earlier),
                place(&self.later)
            ),
            context: kernel.sched.current_name(),
            calls: kernel.sched.current_calls(),
            stack: Some(trace(&self.later)),
            history: Vec::new(),
        }
    }
}
