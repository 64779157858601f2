//! The kernel's addresses: a range, reserved as it is needed, in which each block of memory has
//! pages of its own.
//!
//! Where the range begins does not depend on the process: a machine that runs alone has the same
//! addresses for the same seed each time. Machines that run at the same time have ranges a multiple
//! of 64 GiB apart.
//!
//! Addresses are handed out upwards and not again before the end is reached, so that a dangling
//! pointer goes on pointing at nothing. Behind each block lies a page that is never accessible.
//! Freed ranges become inaccessible in a way that merges them with their neighbours, for the real
//! system limits how many ranges a process has.

use std::cell::Cell;
use std::collections::{BTreeMap, VecDeque};
use std::ptr::NonNull;
use std::sync::{Mutex, PoisonError};

use crate::kernel::kernel;
use crate::trace::Trace;

use super::Owner;
use super::phys::{self, PAGE_SIZE, Run};

/// The most addresses of one machine: 64 GiB.
const SIZE: usize = 64 << 30;

/// How many addresses are reserved at a time: 64 MiB.
const STEP: usize = 64 << 20;

/// Where the addresses of the first machine of a process begin; those of the machines that run at
/// the same time follow, [`SIZE`] apart. Linux gives no program addresses there of its own accord.
const FIRST: usize = 0x1000_0000_0000;

/// How many machines of a process have their place.
const PLACES: usize = 1024;

/// The places that machines have now.
static TAKEN: Mutex<[bool; PLACES]> = Mutex::new([false; PLACES]);

/// How many freed blocks are remembered for the report of a use after free: of drivers, and of the
/// rest of the system.
const REMEMBERED: [usize; 2] = [1 << 16, 1 << 12];

/// A pool block's particulars.
pub(crate) struct Block {
    pub(crate) address: usize,
    pub(crate) bytes: usize,
    pub(crate) tag: u32,
    pub(crate) paged: bool,
    pub(crate) owner: Owner,
    /// Where it was allocated, with the verifier and for drivers only.
    pub(crate) stack: Option<Trace>,
    /// On a lookaside list: out of bounds for everybody.
    pub(crate) hidden: Cell<bool>,
}

pub(crate) enum Use {
    Pool(Block),
    Pages(Owner),
    /// A second mapping of page frames that belong to another region.
    Mapping,
}

/// Pages in use.
pub(crate) struct Region {
    pub(crate) start: usize,
    pub(crate) pages: usize,
    pub(crate) runs: Vec<Run>,
    pub(crate) what: Use,
}

impl Region {
    pub(crate) fn end(&self) -> usize {
        self.start + self.pages * PAGE_SIZE
    }
}

/// What was at an address once.
pub(crate) struct Freed {
    pub(crate) pages: usize,
    pub(crate) block: Option<Block>,
    pub(crate) stack: Option<Trace>,
}

pub(crate) struct Arena {
    place: usize,
    base: NonNull<u8>,
    /// How many bytes from `base` are reserved.
    reserved: usize,
    next: usize,
    pub(crate) live: BTreeMap<usize, Region>,
    pub(crate) freed: BTreeMap<usize, Freed>,
    /// Drivers' blocks and others, each with the oldest first.
    freed_order: [VecDeque<usize>; 2],
}

impl Arena {
    /// None if the real system has no addresses.
    pub(crate) fn new() -> Option<Self> {
        let mut taken = TAKEN.lock().unwrap_or_else(PoisonError::into_inner);
        let free = (0..PLACES).filter(|place| !taken[*place]);
        let (place, base) = free
            .into_iter()
            .find_map(|place| Some((place, phys::reserve_at(FIRST + place * SIZE, STEP)?)))?;
        taken[place] = true;
        Some(Self {
            place,
            base,
            reserved: STEP,
            next: base.expose_provenance().get() + PAGE_SIZE,
            live: BTreeMap::new(),
            freed: BTreeMap::new(),
            freed_order: [VecDeque::new(), VecDeque::new()],
        })
    }

    pub(crate) fn start(&self) -> usize {
        self.base.addr().get()
    }

    pub(crate) fn contains(&self, address: usize) -> bool {
        address.wrapping_sub(self.start()) < self.reserved
    }

    /// Reserves more addresses behind those that there are. False at the end, or if the real system
    /// has no more.
    fn grow(&mut self, bytes: usize) -> bool {
        let more = bytes.next_multiple_of(STEP);
        if self.reserved + more > SIZE {
            return false;
        }
        let grown = phys::reserve_at(self.start() + self.reserved, more).is_some();
        if grown {
            self.reserved += more;
        }
        grown
    }

    /// Addresses for so many pages with an unused page behind them.
    fn find(&mut self, pages: usize) -> Option<usize> {
        let length = pages.checked_add(1)?.checked_mul(PAGE_SIZE)?;
        let mut wrapped = false;
        let mut candidate = self.next;
        loop {
            let end = self.start() + self.reserved;
            if candidate.checked_add(length)? > end {
                if self.grow(candidate + length - end) {
                    continue;
                }
                if wrapped {
                    return None;
                }
                wrapped = true;
                candidate = self.start() + PAGE_SIZE;
                continue;
            }
            let in_the_way = self
                .live
                .range(..candidate + length)
                .next_back()
                .filter(|(_, region)| region.end() + PAGE_SIZE > candidate);
            match in_the_way {
                None => break,
                Some((_, region)) => candidate = region.end() + PAGE_SIZE,
            }
        }
        self.next = candidate + length;
        // Where addresses come round again, what was there is forgotten.
        let stale: Vec<usize> = self
            .freed
            .range(..candidate + length)
            .rev()
            .take_while(|(start, freed)| **start + (freed.pages + 1) * PAGE_SIZE > candidate)
            .map(|(start, _)| *start)
            .collect();
        for start in stale {
            self.freed.remove(&start);
        }
        Some(candidate)
    }

    /// Takes addresses and maps the frames there.
    pub(crate) fn map(
        &mut self,
        runs: Vec<Run>,
        writable: bool,
        what: impl FnOnce(usize) -> Use,
    ) -> Option<usize> {
        let pages = runs.iter().map(|run| run.count).sum();
        let start = self.find(pages)?;
        // SAFETY: `find` gives reserved addresses that no region uses.
        if !unsafe { kernel().mm.phys.map(start, &runs, writable) } {
            self.clear(start, pages);
            return None;
        }
        let region = Region {
            start,
            pages,
            runs,
            what: what(start),
        };
        self.live.insert(start, region);
        Some(start)
    }

    /// Takes a region out of use and its addresses away; the caller frees the frames and remembers
    /// the region if it likes.
    pub(crate) fn unmap(&mut self, start: usize) -> Option<Region> {
        let region = self.live.remove(&start)?;
        self.clear(start, region.pages);
        Some(region)
    }

    pub(crate) fn remember(&mut self, start: usize, freed: Freed) {
        let of_driver = freed
            .block
            .as_ref()
            .is_some_and(|block| matches!(block.owner, Owner::Driver(_)));
        let kind = usize::from(!of_driver);
        self.freed.insert(start, freed);
        let order = &mut self.freed_order[kind];
        order.push_back(start);
        if order.len() > REMEMBERED[kind]
            && let Some(oldest) = order.pop_front()
        {
            self.freed.remove(&oldest);
        }
    }

    /// Makes addresses inaccessible again.
    fn clear(&self, start: usize, pages: usize) {
        debug_assert!(self.contains(start));
        // SAFETY: the range is a part of the reservation that no live region covers any more;
        // whoever still points there is a driver with a dangling pointer, whose fault is caught.
        let result = unsafe {
            libc::mmap(
                std::ptr::with_exposed_provenance_mut(start),
                pages * PAGE_SIZE,
                libc::PROT_NONE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE | libc::MAP_FIXED,
                -1,
                0,
            )
        };
        assert_ne!(
            result,
            libc::MAP_FAILED,
            "freed addresses could not be taken away"
        );
    }

    /// The region in use that an address is in.
    pub(crate) fn region_at(&self, address: usize) -> Option<&Region> {
        let (_, region) = self.live.range(..=address).next_back()?;
        (address < region.end()).then_some(region)
    }

    /// The freed block that an address was in, or the page behind it.
    pub(crate) fn freed_at(&self, address: usize) -> Option<usize> {
        let (&start, freed) = self.freed.range(..=address).next_back()?;
        (address < start + (freed.pages + 1) * PAGE_SIZE).then_some(start)
    }

    pub(crate) fn frames_of(&self, address: usize, length: usize) -> Option<Vec<u64>> {
        let end = address.checked_add(length)?;
        let mut page = address / PAGE_SIZE * PAGE_SIZE;
        let mut frames = Vec::with_capacity(end.div_ceil(PAGE_SIZE) - page / PAGE_SIZE);
        while page < end {
            let region = self.region_at(page)?;
            let first = (page - region.start) / PAGE_SIZE;
            let wanted = (end.min(region.end()) - page).div_ceil(PAGE_SIZE);
            frames.extend(phys::numbers(&region.runs).skip(first).take(wanted));
            page = region.end();
        }
        Some(frames)
    }
}

impl Drop for Arena {
    fn drop(&mut self) {
        // SAFETY: the reservations are the arena's own and lie one behind the other; the machine
        // that used them is gone.
        unsafe { libc::munmap(self.base.as_ptr().cast(), self.reserved) };
        TAKEN.lock().unwrap_or_else(PoisonError::into_inner)[self.place] = false;
    }
}

/// Changes what may be done with pages of a region.
///
/// # Safety
///
/// The range is one live region's, and nobody relies on an access that is taken away, other than to
/// be told of it.
pub(crate) unsafe fn protect(start: usize, pages: usize, accessible: bool) {
    let protection = if accessible {
        libc::PROT_READ | libc::PROT_WRITE
    } else {
        libc::PROT_NONE
    };
    // SAFETY: says the caller.
    unsafe { set_protection(start, pages, protection) };
}

/// As [`protect`], with the real system's own bits.
///
/// # Safety
///
/// As [`protect`].
pub(crate) unsafe fn set_protection(start: usize, pages: usize, protection: libc::c_int) {
    // SAFETY: says the caller.
    let result = unsafe {
        libc::mprotect(
            std::ptr::with_exposed_provenance_mut(start),
            pages * PAGE_SIZE,
            protection,
        )
    };
    assert_eq!(result, 0, "the protection of pages could not be changed");
}
