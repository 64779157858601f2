//! How far a channel has come, in one word.
//!
//! ```text
//!   enabling -> waiting -starting-> started -ready--> ready
//!                  |                   |                |
//!                  +------- fail ------+                |
//!                  +------- ended -----+----------------+
//! ```

use crate::atomic::{AtomicU64, Ordering};

/// How far.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum At {
    /// It has not started.
    Waiting,
    /// The handler has been, or is about to be, told that it has started.
    Started,
    /// The handler has said that the handshake is over.
    Ready,
    /// It was suspended or closed.
    Closed,
    /// It cannot be used, and this status says why.
    Failed(i32),
}

impl At {
    const fn pack(self) -> u64 {
        match self {
            Self::Waiting => 0,
            Self::Started => 1,
            Self::Ready => 2,
            Self::Closed => 3,
            Self::Failed(status) => (status.cast_unsigned() as u64) << 32 | 4,
        }
    }

    #[allow(clippy::cast_possible_truncation, reason = "the upper half of a u64")]
    const fn unpack(word: u64) -> Self {
        match word {
            0 => Self::Waiting,
            1 => Self::Started,
            2 => Self::Ready,
            3 => Self::Closed,
            _ => Self::Failed(((word >> 32) as u32).cast_signed()),
        }
    }
}

/// See the module. Each change says whether it was one, for whoever signals it.
pub struct Stage(AtomicU64);

impl Stage {
    /// Of a channel that has not been enabled.
    pub fn new() -> Self {
        Self(AtomicU64::new(At::Waiting.pack()))
    }

    /// What is so now.
    pub fn now(&self) -> At {
        At::unpack(self.0.load(Ordering::Acquire))
    }

    /// The channel is about to be enabled; nobody else changes anything.
    pub fn enabling(&self) {
        self.0.store(At::Waiting.pack(), Ordering::Release);
    }

    /// The channel starts, and nothing has been decided since it was `before`.
    pub fn starting(&self, before: At) -> bool {
        self.0
            .compare_exchange(
                before.pack(),
                At::Started.pack(),
                Ordering::AcqRel,
                Ordering::Acquire,
            )
            .is_ok()
    }

    /// The handshake is over.
    pub fn ready(&self) -> bool {
        self.change(At::Ready, |now| now == At::Started)
    }

    /// It cannot be used.
    pub fn fail(&self, status: i32) -> bool {
        self.change(At::Failed(status), |now| {
            matches!(now, At::Waiting | At::Started)
        })
    }

    /// It was suspended or closed. Why it has failed before is the better answer.
    pub fn ended(&self) -> bool {
        self.change(At::Closed, |now| {
            matches!(now, At::Waiting | At::Started | At::Ready)
        })
    }

    fn change(&self, next: At, from: impl Fn(At) -> bool) -> bool {
        self.0
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |word| {
                from(At::unpack(word)).then(|| next.pack())
            })
            .is_ok()
    }
}
