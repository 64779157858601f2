//! Memory that nobody has written, and where it goes.
//!
//! Windows does not clear every block that it hands out: uninitialised pool, entries of lookaside
//! lists, buffers of memory objects, and what a request's system buffer has beyond its input hold
//! whatever was there before. What a driver gives of it to user mode or to the host is somebody
//! else's secret.
//!
//! Here each such block is filled with a word of its own, at aligned addresses. A byte that still
//! has its place's byte of that word *looks* unwritten. When bytes leave:
//!
//! - five or more in a row that look unwritten are reported at once: by chance they would be once in
//!   2^40 times;
//! - fewer are remembered by the place of the block's allocation and their offset, and reported when
//!   they have looked so in block after block, until chance is as small. So a structure's byte of
//!   padding is found in the fifth block;
//! - a whole word of some block anywhere in them was copied from that block.
//!
//! Blocks get another word each time they are handed out, so what was there before does not count
//! as written.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};

use crate::bugcheck::verifier_violation_with_history;
use crate::kernel::{kernel, try_kernel};
use crate::trace::Trace;

use super::finding;

type Word = [u8; WORD];

const WORD: usize = 8;

/// The first byte of each word: where bytes are searched for words, only this is looked at.
const MARK: u8 = 0xF5;

/// How many bytes that look unwritten are no chance.
const ENOUGH: usize = 5;

/// For how many places bytes that look unwritten are remembered.
const PLACES: usize = 512;

/// How many words of blocks that are gone are remembered.
const REMEMBERED: usize = 4096;

/// What a block is.
#[derive(Clone, Debug)]
pub(crate) struct Origin {
    /// For people.
    pub(crate) what: &'static str,
    /// Tells places of allocation apart.
    pub(crate) place: u64,
    /// Where it was allocated.
    pub(crate) stack: Option<Trace>,
}

impl Origin {
    /// A block that was allocated with this stack.
    pub(crate) fn at(what: &'static str, stack: Option<Trace>) -> Self {
        let place = stack.as_ref().map_or(0, Trace::key);
        Self { what, place, stack }
    }

    /// A block whose place is known by something else.
    pub(crate) fn of(what: &'static str, place: impl Hash) -> Self {
        let mut hasher = DefaultHasher::new();
        place.hash(&mut hasher);
        Self {
            what,
            place: hasher.finish(),
            stack: None,
        }
    }
}

/// A byte that looks unwritten.
#[derive(Default)]
struct Suspect {
    /// The words of the blocks, one after the other, in which it has looked so. The same block sent
    /// again proves nothing more.
    words: Vec<Word>,
}

struct Block {
    length: usize,
    word: Word,
    origin: Origin,
}

/// The blocks of one machine.
#[derive(Default)]
pub(crate) struct State {
    next: Cell<u64>,
    blocks: RefCell<BTreeMap<usize, Block>>,
    words: RefCell<HashMap<Word, Origin>>,
    /// The words, the oldest first.
    order: RefCell<VecDeque<Word>>,
    /// By place and offset.
    suspects: RefCell<HashMap<u64, BTreeMap<usize, Suspect>>>,
    /// The places, the oldest first.
    places: RefCell<VecDeque<u64>>,
}

impl State {
    fn new_word(&self) -> Word {
        let number = self.next.get();
        self.next.set(number + 1);
        // SplitMix64, so that words have nothing in common but the mark.
        let mut bits = (kernel().config.seed ^ number << 32 ^ number)
            .wrapping_mul(0x9E37_79B9_7F4A_7C15)
            .wrapping_add(0x9E37_79B9_7F4A_7C15);
        bits = (bits ^ bits >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ bits >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        let mut word = (bits ^ bits >> 31).to_ne_bytes();
        word[0] = MARK;
        word
    }

    fn remember(&self, word: Word, origin: &Origin) {
        self.words.borrow_mut().insert(word, origin.clone());
        let mut order = self.order.borrow_mut();
        order.push_back(word);
        if order.len() > REMEMBERED
            && let Some(oldest) = order.pop_front()
        {
            self.words.borrow_mut().remove(&oldest);
        }
    }
}

fn byte_of(word: Word, address: usize) -> u8 {
    word[address % WORD]
}

/// Fills a block with what was there before, as far as anybody is concerned.
///
/// # Safety
///
/// The block may be written, and nobody uses it yet.
pub(crate) unsafe fn mark(start: *mut u8, length: usize, origin: Origin) {
    let state = &kernel().mm.unwritten;
    let word = state.new_word();
    let address = start.addr();
    // SAFETY: as the caller says.
    let bytes = unsafe { std::slice::from_raw_parts_mut(start, length) };
    let mut rotated = word;
    rotated.rotate_left(address % WORD);
    for chunk in bytes.chunks_mut(WORD) {
        chunk.copy_from_slice(&rotated[..chunk.len()]);
    }
    if kernel().config.verifier {
        state.remember(word, &origin);
        state.blocks.borrow_mut().insert(
            address,
            Block {
                length,
                word,
                origin,
            },
        );
    }
}

/// A block that was marked is handed out again: what its last user has left is not this one's.
///
/// # Safety
///
/// As [`mark`].
pub(crate) unsafe fn mark_again(start: *mut u8, length: usize, otherwise: Origin) {
    let known = kernel()
        .mm
        .unwritten
        .blocks
        .borrow()
        .get(&start.addr())
        .map(|block| block.origin.clone());
    // SAFETY: as the caller says.
    unsafe { mark(start, length, known.unwrap_or(otherwise)) };
}

/// A block is gone.
pub(crate) fn forget(start: usize) {
    if let Some(kernel) = try_kernel() {
        kernel.mm.unwritten.blocks.borrow_mut().remove(&start);
    }
}

/// Bytes leave the driver, `to` the host or user mode.
///
/// # Safety
///
/// They may be read.
pub(crate) unsafe fn leaves(start: *const u8, length: usize, to: &str) {
    if !kernel().config.verifier || length == 0 {
        return;
    }
    // SAFETY: as the caller says.
    let bytes = unsafe { std::slice::from_raw_parts(start, length) };
    let found = by_place(start.addr(), bytes).or_else(|| copied(bytes));
    if let Some((offset, origin)) = found {
        let Origin { what, stack, .. } = origin;
        verifier_violation_with_history(
            [
                finding::UNWRITTEN_LEAVES,
                start.addr() as u64,
                offset as u64,
                length as u64,
            ],
            format!(
                "byte {offset} of {length} that go to {to} was never written: it is what {what} held \
                 before the driver got it"
            ),
            stack
                .map(|stack| ("allocated", stack))
                .into_iter()
                .collect(),
        );
    }
}

/// The first byte that is where it was marked.
fn by_place(address: usize, bytes: &[u8]) -> Option<(usize, Origin)> {
    let state = &kernel().mm.unwritten;
    let blocks = state.blocks.borrow();
    let (start, block) = blocks.range(..=address).next_back()?;
    if address >= start + block.length {
        return None;
    }
    let base = address - start;
    let bytes = &bytes[..bytes.len().min(block.length - base)];
    let mut all = state.suspects.borrow_mut();
    let place = block.origin.place;
    if !all.contains_key(&place) {
        let mut places = state.places.borrow_mut();
        places.push_back(place);
        if places.len() > PLACES
            && let Some(oldest) = places.pop_front()
        {
            all.remove(&oldest);
        }
    }
    let suspects = all.entry(place).or_default();
    suspects.retain(|offset, _| {
        let at = offset.checked_sub(base).and_then(|at| bytes.get(at));
        at.is_none_or(|byte| *byte == byte_of(block.word, start + offset))
    });
    let mut rotated = block.word;
    rotated.rotate_left(address % WORD);
    let (mut first, mut score) = (0, 0);
    let likely = bytes.chunks(WORD).enumerate().flat_map(|(chunk, part)| {
        let shares = share_a_byte(part, rotated);
        let places = if shares { 0..part.len() } else { 0..0 };
        places.map(move |place| chunk * WORD + place)
    });
    let mut before = None;
    for index in likely {
        let looks_so = bytes[index] == byte_of(block.word, address + index);
        if !looks_so || before.replace(index) != index.checked_sub(1) {
            score = 0;
        }
        if !looks_so {
            continue;
        }
        if score == 0 {
            first = index;
        }
        let suspect = suspects.entry(base + index).or_default();
        if !suspect.words.contains(&block.word) {
            suspect.words.push(block.word);
        }
        score += suspect.words.len();
        if score >= ENOUGH {
            return Some((first, block.origin.clone()));
        }
    }
    None
}

/// Whether any byte of both is the same.
fn share_a_byte(one: &[u8], other: Word) -> bool {
    const LOW: u64 = 0x0101_0101_0101_0101;
    let Ok(one) = Word::try_from(one) else {
        return true;
    };
    let differs = u64::from_ne_bytes(one) ^ u64::from_ne_bytes(other);
    // Some byte is zero: taking one from it borrows from above.
    differs.wrapping_sub(LOW) & !differs & LOW << 7 != 0
}

/// The first word of any block.
fn copied(bytes: &[u8]) -> Option<(usize, Origin)> {
    let words = kernel().mm.unwritten.words.borrow();
    if words.is_empty() {
        return None;
    }
    memchr::memchr_iter(MARK, bytes).find_map(|index| {
        let word: Word = bytes.get(index..index + WORD)?.try_into().ok()?;
        Some((index, words.get(&word)?.clone()))
    })
}
