//! The guest's physical memory: page frames in one memfd.
//!
//! A page frame that somebody has pinned (the host's mappings, locked MDLs) is not handed out again
//! before the last pin is gone, even when its owner has freed it, as the kernel keeps a page alive
//! that is locked.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd};
use std::ptr::NonNull;
use std::rc::Rc;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::kernel::{kernel, try_kernel};

/// Bytes in a page.
pub const PAGE_SIZE: usize = 4096;

/// Page frames of a machine: 4 GiB. The memfd is sparse: only pages that were touched take real
/// memory.
const FRAMES: u64 = 1 << 20;

/// The host's mapping has at least so many of them: 64 MiB.
const HOST_FRAMES: usize = 1 << 14;

/// Mappings of at most this many pages get their pages at once.
const POPULATED: usize = 16;

/// Page frame numbers that follow one another.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Run {
    pub(crate) first: u64,
    pub(crate) count: usize,
}

/// The frame numbers of runs, in order.
pub(crate) fn numbers(runs: &[Run]) -> impl Iterator<Item = u64> + '_ {
    runs.iter()
        .flat_map(|run| run.first..run.first.saturating_add(run.count as u64))
}

/// The longest runs that cover the frames in order.
pub(crate) fn runs_of(frames: &[u64]) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for &frame in frames {
        match runs.last_mut() {
            Some(run) if run.first.wrapping_add(run.count as u64) == frame => run.count += 1,
            _ => runs.push(Run {
                first: frame,
                count: 1,
            }),
        }
    }
    runs
}

#[derive(Default)]
struct Frames {
    /// First frame and length of each free run.
    free: BTreeMap<u64, u64>,
    /// How often a frame is pinned.
    pins: BTreeMap<u64, u32>,
    /// Frames freed while pinned.
    orphans: BTreeSet<u64>,
}

impl Frames {
    /// Runs of `count` frames in all; none if there are not so many.
    fn take(&mut self, count: usize) -> Option<Vec<Run>> {
        let wanted = count as u64;
        let whole = self.free.iter().find(|(_, length)| **length >= wanted);
        if let Some((&first, &length)) = whole {
            self.free.remove(&first);
            if length > wanted {
                self.free.insert(first + wanted, length - wanted);
            }
            return Some(vec![Run { first, count }]);
        }
        if self.free.values().sum::<u64>() < wanted {
            return None;
        }
        let mut runs = Vec::new();
        let mut missing = wanted;
        while missing > 0 {
            let (first, length) = self.free.pop_first()?;
            let taken = length.min(missing);
            if length > taken {
                self.free.insert(first + taken, length - taken);
            }
            runs.push(Run {
                first,
                count: usize::try_from(taken).ok()?,
            });
            missing -= taken;
        }
        Some(runs)
    }

    fn give_back(&mut self, mut first: u64, mut length: u64) {
        if let Some((&before, &before_length)) = self.free.range(..first).next_back()
            && before + before_length == first
        {
            self.free.remove(&before);
            first = before;
            length += before_length;
        }
        if let Some(after_length) = self.free.remove(&(first + length)) {
            length += after_length;
        }
        self.free.insert(first, length);
    }

    fn is_free(&self, frame: u64) -> bool {
        self.free
            .range(..=frame)
            .next_back()
            .is_some_and(|(first, length)| frame - first < *length)
    }
}

/// The physical memory of one machine.
pub(crate) struct Physical {
    file: File,
    frames: RefCell<Frames>,
    /// The host's mapping of everything, from its first use on.
    host: RefCell<Option<Rc<Addresses>>>,
}

/// Addresses of the host's, given back when the last user is gone.
struct Addresses {
    base: NonNull<u8>,
    length: usize,
}

impl Addresses {
    fn reserve(length: usize) -> Option<Self> {
        let base = reserve(length)?;
        Some(Self { base, length })
    }
}

impl Drop for Addresses {
    fn drop(&mut self) {
        // SAFETY: the addresses are this value's own, reserved with this length.
        unsafe { libc::munmap(self.base.as_ptr().cast(), self.length) };
    }
}

impl Physical {
    /// # Errors
    ///
    /// If the real system has no such file.
    pub(crate) fn new() -> io::Result<Self> {
        // SAFETY: the name is a constant string that ends in a zero byte.
        let descriptor =
            unsafe { libc::memfd_create(c"ntsim-guest-memory".as_ptr(), libc::MFD_CLOEXEC) };
        if descriptor < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the descriptor has just been opened, and nobody else has it.
        let file = unsafe { File::from_raw_fd(descriptor) };
        file.set_len(FRAMES * PAGE_SIZE as u64)?;
        let mut frames = Frames::default();
        // Frame 0 is never handed out: a frame number of 0 in an MDL is a mistake.
        frames.free.insert(1, FRAMES - 1);
        Ok(Self {
            file,
            frames: RefCell::new(frames),
            host: RefCell::new(None),
        })
    }

    /// The host's mapping of all frames below `end`, frame n at byte n * 4096; none if the real
    /// system refuses.
    ///
    /// It grows by a new mapping; the old one stays for those who use it.
    fn whole(&self, end: usize) -> Option<Rc<Addresses>> {
        let mut host = self.host.borrow_mut();
        if let Some(whole) = &*host
            && whole.length >= end * PAGE_SIZE
        {
            return Some(Rc::clone(whole));
        }
        let count = end
            .next_power_of_two()
            .max(HOST_FRAMES)
            .min(usize::try_from(FRAMES).ok()?);
        let whole = Rc::new(Addresses::reserve(count * PAGE_SIZE)?);
        let all = Run { first: 0, count };
        // SAFETY: the addresses were reserved just now, for as many pages.
        if !unsafe { self.map(whole.base.expose_provenance().get(), &[all], true) } {
            return None;
        }
        *host = Some(Rc::clone(&whole));
        Some(whole)
    }

    /// Frames for so many pages, their contents as the last owner left them.
    pub(crate) fn allocate(&self, pages: usize) -> Option<Vec<Run>> {
        self.frames.borrow_mut().take(pages)
    }

    pub(crate) fn free(&self, runs: &[Run]) {
        let mut frames = self.frames.borrow_mut();
        for run in runs {
            let pinned: Vec<u64> = frames
                .pins
                .range(run.first..run.first + run.count as u64)
                .map(|(frame, _)| *frame)
                .collect();
            if pinned.is_empty() {
                frames.give_back(run.first, run.count as u64);
                continue;
            }
            for frame in run.first..run.first + run.count as u64 {
                if pinned.binary_search(&frame).is_ok() {
                    frames.orphans.insert(frame);
                } else {
                    frames.give_back(frame, 1);
                }
            }
        }
    }

    pub(crate) fn pin(&self, numbers: impl Iterator<Item = u64>) {
        let mut frames = self.frames.borrow_mut();
        for frame in numbers {
            *frames.pins.entry(frame).or_default() += 1;
        }
    }

    pub(crate) fn unpin(&self, numbers: impl Iterator<Item = u64>) {
        let mut frames = self.frames.borrow_mut();
        for frame in numbers {
            let Some(count) = frames.pins.get_mut(&frame) else {
                continue;
            };
            *count -= 1;
            if *count == 0 {
                frames.pins.remove(&frame);
                if frames.orphans.remove(&frame) {
                    frames.give_back(frame, 1);
                }
            }
        }
    }

    /// Whether all of them are page frames that somebody owns.
    pub(crate) fn in_use(&self, numbers: &[u64]) -> bool {
        let frames = self.frames.borrow();
        numbers
            .iter()
            .all(|frame| (1..FRAMES).contains(frame) && !frames.is_free(*frame))
    }

    /// Maps frames, readable and writable, over reserved addresses. False if the real system
    /// refuses.
    ///
    /// # Safety
    ///
    /// `address` starts a range of reserved addresses, aligned to a page and as long as the runs,
    /// that nobody uses.
    pub(crate) unsafe fn map(&self, address: usize, runs: &[Run], writable: bool) -> bool {
        let mut at = address;
        let protection = if writable {
            libc::PROT_READ | libc::PROT_WRITE
        } else {
            libc::PROT_READ
        };
        for run in runs {
            // A block is touched as soon as it is mapped: to map its pages at once is cheaper than
            // a fault for each.
            let populate = if run.count <= POPULATED {
                libc::MAP_POPULATE
            } else {
                0
            };
            let Ok(offset) = libc::off_t::try_from(run.first * PAGE_SIZE as u64) else {
                return false;
            };
            // SAFETY: the caller vouches for the addresses, which `MAP_FIXED` replaces; the offset
            // is in the file.
            let result = unsafe {
                libc::mmap(
                    std::ptr::with_exposed_provenance_mut(at),
                    run.count * PAGE_SIZE,
                    protection,
                    libc::MAP_SHARED | libc::MAP_FIXED | populate,
                    self.file.as_raw_fd(),
                    offset,
                )
            };
            if result == libc::MAP_FAILED {
                return false;
            }
            at += run.count * PAGE_SIZE;
        }
        true
    }
}

/// Reserves addresses that nothing is mapped at.
pub(crate) fn reserve(bytes: usize) -> Option<NonNull<u8>> {
    reserve_with(0, bytes, 0)
}

/// Reserves addresses at a place, if nothing is mapped there.
pub(crate) fn reserve_at(address: usize, bytes: usize) -> Option<NonNull<u8>> {
    let base = reserve_with(address, bytes, libc::MAP_FIXED_NOREPLACE)?;
    if base.addr().get() != address {
        // A kernel older than 4.17 takes the address as a hint.
        // SAFETY: the mapping was made just now, and nobody knows it.
        unsafe { libc::munmap(base.as_ptr().cast(), bytes) };
        return None;
    }
    Some(base)
}

/// `flags` must not let the mapping replace another: none, or `MAP_FIXED_NOREPLACE`.
fn reserve_with(address: usize, bytes: usize, flags: libc::c_int) -> Option<NonNull<u8>> {
    // SAFETY: a new private mapping that replaces none touches no existing memory.
    let result = unsafe {
        libc::mmap(
            std::ptr::with_exposed_provenance_mut(address),
            bytes,
            libc::PROT_NONE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE | flags,
            -1,
            0,
        )
    };
    if result == libc::MAP_FAILED {
        return None;
    }
    NonNull::new(result.cast())
}

/// The page frames behind a range of the guest's addresses; none if part of the range is not the
/// guest's memory.
#[must_use]
pub fn frames_of(address: usize, length: usize) -> Option<Vec<u64>> {
    kernel().mm.arena.borrow().frames_of(address, length)
}

/// The host's own mapping of page frames, in one run of addresses.
///
/// The frames stay allocated while it lives. Guest and host both change this memory: it is accessed
/// through pointers and atomics, never through a reference to bytes.
pub struct HostMapping {
    base: NonNull<u8>,
    frames: Vec<u64>,
    /// Keeps the addresses.
    _addresses: Rc<Addresses>,
}

impl HostMapping {
    /// Maps the frames in order. None if one is not the guest's memory, there are none, or the real
    /// system refuses.
    #[must_use]
    pub fn new(frames: &[u64]) -> Option<Self> {
        let physical = &kernel().mm.phys;
        let &first = frames.first()?;
        if !physical.in_use(frames) {
            return None;
        }
        let runs = runs_of(frames);
        let (base, addresses) = if runs.len() == 1 {
            // Frames that follow one another lie so in the mapping of everything.
            let first = usize::try_from(first).ok()?;
            let whole = physical.whole(first + frames.len())?;
            let offset = first * PAGE_SIZE;
            // SAFETY: the mapping has all frames up to the last of these.
            (unsafe { whole.base.add(offset) }, whole)
        } else {
            let own = Rc::new(Addresses::reserve(frames.len() * PAGE_SIZE)?);
            // SAFETY: the addresses were reserved just now, for as many pages.
            if !unsafe { physical.map(own.base.expose_provenance().get(), &runs, true) } {
                return None;
            }
            (own.base, own)
        };
        physical.pin(frames.iter().copied());
        Some(Self {
            base,
            frames: frames.to_vec(),
            _addresses: addresses,
        })
    }

    /// Where it starts.
    #[must_use]
    pub fn address(&self) -> NonNull<u8> {
        self.base
    }

    /// Its length in bytes, a multiple of the page size.
    #[must_use]
    #[allow(clippy::len_without_is_empty, reason = "a mapping is never empty")]
    pub fn len(&self) -> usize {
        self.frames.len() * PAGE_SIZE
    }

    /// The page frames.
    #[must_use]
    pub fn frames(&self) -> &[u64] {
        &self.frames
    }

    fn at(&self, offset: usize, length: usize) -> NonNull<u8> {
        assert!(
            offset
                .checked_add(length)
                .is_some_and(|end| end <= self.len()),
            "{length} bytes at {offset} are not in a mapping of {} bytes",
            self.len()
        );
        // SAFETY: the offset is in the mapping, or one past its end.
        unsafe { self.base.add(offset) }
    }

    /// Copies out.
    ///
    /// # Panics
    ///
    /// If the range is not in the mapping.
    pub fn read(&self, offset: usize, into: &mut [u8]) {
        let from = self.at(offset, into.len());
        // SAFETY: the range is mapped; `into` is memory of the caller's own.
        unsafe { from.copy_to_nonoverlapping(NonNull::from(&mut *into).cast(), into.len()) };
    }

    /// Copies in.
    ///
    /// # Panics
    ///
    /// If the range is not in the mapping.
    pub fn write(&self, offset: usize, bytes: &[u8]) {
        let to = self.at(offset, bytes.len());
        // SAFETY: the range is mapped, and references to bytes in it are never made.
        unsafe { to.copy_from_nonoverlapping(NonNull::from(bytes).cast(), bytes.len()) };
    }

    /// A 32-bit word that both sides access atomically.
    ///
    /// # Panics
    ///
    /// If the word is not in the mapping, or not aligned.
    #[must_use]
    pub fn load(&self, offset: usize) -> u32 {
        self.word(offset).load(Ordering::SeqCst)
    }

    /// Stores to a 32-bit word that both sides access atomically.
    ///
    /// # Panics
    ///
    /// If the word is not in the mapping, or not aligned.
    pub fn store(&self, offset: usize, value: u32) {
        self.word(offset).store(value, Ordering::SeqCst);
    }

    fn word(&self, offset: usize) -> &AtomicU32 {
        assert!(offset.is_multiple_of(4), "a 32-bit word at {offset}");
        // SAFETY: four mapped bytes, aligned, for as long as `self` lives; the guest runs on this
        // same thread.
        unsafe { self.at(offset, 4).cast::<AtomicU32>().as_ref() }
    }
}

impl Drop for HostMapping {
    fn drop(&mut self) {
        if let Some(kernel) = try_kernel() {
            kernel.mm.phys.unpin(self.frames.iter().copied());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Frames, Run, runs_of};

    fn ten_frames() -> Frames {
        let mut frames = Frames::default();
        frames.free.insert(1, 10);
        frames
    }

    #[test]
    fn freed_runs_merge_with_their_neighbours() {
        let mut frames = ten_frames();
        for run in frames.take(10).expect("ten frames") {
            for frame in (run.first..run.first + 10).rev().step_by(2) {
                frames.give_back(frame, 1);
            }
            for frame in (run.first..run.first + 10).step_by(2) {
                frames.give_back(frame, 1);
            }
        }
        assert_eq!(frames.free.iter().collect::<Vec<_>>(), [(&1, &10)]);
    }

    #[test]
    fn frames_that_do_not_follow_one_another_are_gathered() {
        let mut frames = ten_frames();
        frames.take(10).expect("ten frames");
        frames.give_back(2, 2);
        frames.give_back(7, 3);
        let runs = frames.take(4).expect("four of five");
        assert_eq!(
            runs,
            [Run { first: 2, count: 2 }, Run { first: 7, count: 2 }]
        );
        assert!(frames.take(2).is_none());
        assert!(frames.is_free(9) && !frames.is_free(8));
    }

    #[test]
    fn runs_cover_their_frames_in_order() {
        let runs = runs_of(&[4, 5, 9, 8]);
        assert_eq!(
            runs,
            [
                Run { first: 4, count: 2 },
                Run { first: 9, count: 1 },
                Run { first: 8, count: 1 }
            ]
        );
    }
}
