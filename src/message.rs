//! Messages on their way: buffers of one size, used again and again, and the order in which they
//! wait.
//!
//! The size is known only when the registry has been read, so these cannot be entries of a
//! lookaside list, whose size is a type's. A buffer is allocated when none is free, and then kept:
//! in the steady state nothing is allocated, and at most `limit` buffers ever exist.

use kmcl::incoming::PendingIncoming;
use kmcl::irql::Irql;
use kmcl::pool::{InPool, PoolBox, Tag};
use kmcl::sync::SpinLock;

use crate::channel::Port;
use crate::stats::Counter;
use crate::wdf::memory::Memory;

const LETTERS: [u8; 4] = *b"VcMs";
const TAG: Tag = Tag::new(LETTERS);

/// Whose messages a buffer is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Side {
    /// The host's, to readers.
    Host,
    /// Programs', to the host.
    Program,
}

/// A message and its buffer.
pub struct Message {
    side: Side,
    next: Option<PoolBox<Self>>,
    memory: Memory,
    length: usize,
    /// The session in which it was received.
    pub session: u32,
    /// What tells the host, once a reader has the message, that there is room for another.
    pub completion: Option<PendingIncoming<Port>>,
}

impl Message {
    /// The message.
    pub fn bytes(&self) -> &[u8] {
        self.memory.bytes().get(..self.length).unwrap_or_default()
    }

    /// Has the buffer filled: `fill` says how many bytes it has written.
    pub fn fill(&mut self, fill: impl FnOnce(&mut [u8]) -> usize) {
        let buffer = self.memory.bytes_mut();
        self.length = fill(buffer).min(buffer.len());
    }
}

/// Messages one behind the other; the last one put on comes off first.
#[derive(Default)]
struct Stack {
    top: Option<PoolBox<Message>>,
    count: u32,
}

impl Stack {
    fn push(&mut self, mut message: PoolBox<Message>) {
        message.next = self.top.take();
        self.top = Some(message);
        self.count = self.count.saturating_add(1);
    }

    fn pop(&mut self) -> Option<PoolBox<Message>> {
        let mut message = self.top.take()?;
        self.top = message.next.take();
        self.count = self.count.saturating_sub(1);
        Some(message)
    }

    /// The first completion that is still with its message.
    fn take_completion(&mut self) -> Option<PendingIncoming<Port>> {
        let mut next = self.top.as_mut();
        while let Some(message) = next {
            if let Some(completion) = message.completion.take() {
                return Some(completion);
            }
            next = message.next.as_mut();
        }
        None
    }
}

impl Drop for Stack {
    /// One after the other: dropping the top alone would go as deep into the kernel's small stack
    /// as there are messages.
    fn drop(&mut self) {
        while let Some(message) = self.pop() {
            drop(message);
        }
    }
}

/// Messages in their order: those at the `front` are next, those at the `back` came last, turned
/// over when the front is empty.
#[derive(Default)]
pub struct Fifo {
    front: Stack,
    back: Stack,
}

impl Fifo {
    /// An empty one.
    pub const fn new() -> Self {
        const EMPTY: Stack = Stack {
            top: None,
            count: 0,
        };
        Self {
            front: EMPTY,
            back: EMPTY,
        }
    }

    /// Puts a message behind all others.
    pub fn push(&mut self, message: PoolBox<Message>) {
        self.back.push(message);
    }

    /// Takes the oldest message.
    pub fn pop(&mut self) -> Option<PoolBox<Message>> {
        if self.front.top.is_none() {
            while let Some(message) = self.back.pop() {
                self.front.push(message);
            }
        }
        self.front.pop()
    }

    /// Puts a message back that was just taken.
    pub fn put_back(&mut self, message: PoolBox<Message>) {
        self.front.push(message);
    }

    /// How many wait.
    pub const fn count(&self) -> u32 {
        self.front.count.saturating_add(self.back.count)
    }

    /// Takes a completion, of whichever message; the message stays.
    pub fn take_completion(&mut self) -> Option<PendingIncoming<Port>> {
        self.front
            .take_completion()
            .or_else(|| self.back.take_completion())
    }
}

/// Why there is no buffer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Shortage {
    /// As many are in use as may be.
    Limit,
    /// No memory.
    Memory,
}

#[derive(Default)]
struct Free {
    stack: Stack,
    in_use: u32,
}

/// Buffers of one size.
pub struct Buffers {
    side: Side,
    free: SpinLock<Free>,
    size: usize,
    limit: u32,
    hits: Counter,
    misses: Counter,
}

impl Buffers {
    /// At most `limit` buffers of `size` bytes.
    pub fn new(owner: Side, size: usize, limit: u32) -> Self {
        Self {
            side: owner,
            free: SpinLock::new(Free::default()),
            size,
            limit,
            hits: Counter::default(),
            misses: Counter::default(),
        }
    }

    /// A buffer, with no message in it.
    ///
    /// # Errors
    ///
    /// [`Shortage`].
    pub fn take(&self, irql: &mut impl Irql) -> Result<PoolBox<Message>, Shortage> {
        let free = self.free.with(irql, |free, _| {
            if free.in_use >= self.limit {
                return Err(Shortage::Limit);
            }
            free.in_use = free.in_use.saturating_add(1);
            Ok(free.stack.pop())
        })?;
        if let Some(message) = free {
            self.hits.one();
            return Ok(message);
        }
        self.misses.one();
        self.allocate(irql).ok_or_else(|| {
            self.free
                .with(irql, |free, _| free.in_use = free.in_use.saturating_sub(1));
            Shortage::Memory
        })
    }

    fn allocate(&self, irql: &mut impl Irql) -> Option<PoolBox<Message>> {
        let message = Message {
            side: self.side,
            next: None,
            memory: Memory::try_new(self.size, LETTERS, irql).ok()?,
            length: 0,
            session: 0,
            completion: None,
        };
        PoolBox::try_new(message, TAG).ok()
    }

    /// Takes a buffer back; its message is forgotten, and the host told if it was not yet.
    pub fn put(&self, mut message: PoolBox<Message>, irql: &mut impl Irql) {
        debug_assert_eq!(
            message.side, self.side,
            "a buffer is given back to the other side"
        );
        message.length = 0;
        let completion = message.completion.take();
        self.free.with(irql, |free, _| {
            free.stack.push(message);
            free.in_use = free.in_use.saturating_sub(1);
        });
        // Only now, without the lock: the host's next message may come at once, and finds the
        // buffer free.
        drop(completion);
    }

    /// How many are in use.
    pub fn in_use(&self, irql: &mut impl Irql) -> u32 {
        self.free.with(irql, |free, _| free.in_use)
    }

    /// As [`Buffers::in_use`], where nobody else is there.
    pub fn in_use_now(&mut self) -> u32 {
        self.free.get_mut().in_use
    }

    /// How often a buffer was at hand.
    pub fn hits(&self) -> u64 {
        self.hits.get()
    }

    /// How often one had to be allocated.
    pub fn misses(&self) -> u64 {
        self.misses.get()
    }
}
