//! The state of the link to the host, and the number of the session.
//!
//! ```text
//!                            Unanswered
//!                             ^      |
//!                   timed_out |      | started
//!            power_up         |      v      started
//!      Off ------------> Connecting ------------> Open <--------+
//!       ^                    |                      |           | started: a new session
//!       |                    |      suspended       v           |
//!       |                    +------------------> Closed -------+
//!       |  power_down: the next session             |
//!       +----- from each ---------------------------+              Removed: from each, for good
//! ```
//!
//! A session is a time in which the channel is open without a break. A handle belongs to the
//! session in which it was opened: what was under way when a session ended may be lost, and a
//! program that waits for its answer must learn of it.

use crate::atomic::{AtomicU64, Ordering};

use wdk_sys::{NTSTATUS, STATUS_DEVICE_NOT_CONNECTED, STATUS_DEVICE_REMOVED, STATUS_IO_TIMEOUT};

use crate::ioctl::State;

/// State and session at one moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Moment {
    /// The state.
    pub state: State,
    /// The number of the session that is on, or comes next.
    pub session: u32,
}

impl Moment {
    /// The status with which a request fails that cannot be served any more; none while it can, or
    /// may yet.
    pub const fn refusal(self) -> Option<NTSTATUS> {
        match self.state {
            State::Connecting | State::Open => None,
            State::Off | State::Closed => Some(STATUS_DEVICE_NOT_CONNECTED),
            State::Removed => Some(STATUS_DEVICE_REMOVED),
            State::Unanswered => Some(STATUS_IO_TIMEOUT),
        }
    }

    /// Both in one word.
    pub const fn pack(self) -> u64 {
        (self.session as u64) << 32 | self.state as u64
    }

    /// Both from one word.
    pub const fn unpack(word: u64) -> Self {
        let state = match word & 0xFF {
            1 => State::Connecting,
            2 => State::Open,
            3 => State::Closed,
            4 => State::Removed,
            5 => State::Unanswered,
            _ => State::Off,
        };
        #[allow(clippy::cast_possible_truncation, reason = "the upper half of a u64")]
        let session = (word >> 32) as u32;
        Self { state, session }
    }

    const fn next(self, state: State) -> Self {
        Self {
            state,
            session: self.session.wrapping_add(1),
        }
    }

    const fn to(self, state: State) -> Self {
        Self { state, ..self }
    }
}

/// The state and the session, changed together.
#[derive(Debug)]
pub struct Sessions(AtomicU64);

impl Sessions {
    /// Off, before the first session.
    pub fn new() -> Self {
        Self(AtomicU64::new(
            Moment {
                state: State::Off,
                session: 1,
            }
            .pack(),
        ))
    }

    /// What is on now.
    pub fn now(&self) -> Moment {
        Moment::unpack(self.0.load(Ordering::Acquire))
    }

    /// Changes the state, and says what it is afterwards; none if it has not changed.
    fn change(&self, next: impl Fn(Moment) -> Moment) -> Option<Moment> {
        self.0
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |word| {
                let after = next(Moment::unpack(word)).pack();
                (after != word).then_some(after)
            })
            .ok()
            .map(|before| next(Moment::unpack(before)))
    }

    /// The device is in its working state, and the channel is about to be enabled.
    pub fn power_up(&self) -> Option<Moment> {
        self.change(|now| match now.state {
            State::Off | State::Closed | State::Unanswered => now.to(State::Connecting),
            State::Connecting | State::Open | State::Removed => now,
        })
    }

    /// The host has had time enough to open the channel.
    pub fn timed_out(&self) -> Option<Moment> {
        self.change(|now| match now.state {
            State::Connecting => now.to(State::Unanswered),
            State::Off | State::Open | State::Closed | State::Removed | State::Unanswered => now,
        })
    }

    /// The channel has started.
    pub fn started(&self) -> Option<Moment> {
        self.change(|now| match now.state {
            // Nothing was under way, so nothing was lost: the session goes on.
            State::Connecting | State::Unanswered => now.to(State::Open),
            State::Closed => now.next(State::Open),
            // Off: the device is leaving its working state while the host opens; there is nobody to
            // serve.
            State::Off | State::Open | State::Removed => now,
        })
    }

    /// The channel has been suspended or closed, by whichever side.
    pub fn suspended(&self) -> Option<Moment> {
        self.change(|now| match now.state {
            State::Connecting | State::Open | State::Unanswered => now.to(State::Closed),
            State::Off | State::Closed | State::Removed => now,
        })
    }

    /// The device leaves its working state, and the channel is about to be disabled.
    pub fn power_down(&self) -> Option<Moment> {
        self.change(|now| match now.state {
            State::Connecting | State::Open | State::Closed | State::Unanswered => {
                now.next(State::Off)
            }
            State::Off | State::Removed => now,
        })
    }

    /// The device has gone.
    pub fn removed(&self) -> Option<Moment> {
        self.change(|now| now.to(State::Removed))
    }
}
