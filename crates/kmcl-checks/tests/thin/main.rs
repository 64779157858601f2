//! The life of a channel over a KMCL that does no more than it must: small enough for Miri.
//!
//! ```text
//! cargo +nightly miri test -p kmcl-checks
//! MIRIFLAGS=-Zmiri-tree-borrows cargo +nightly miri test -p kmcl-checks
//! ```
//!
//! What the simulated kernel cannot see, Miri does: a reference that outlives what it refers to, two
//! threads that race, a pointer without provenance. The mock's threads are the system's.
#![cfg(not(windows))]
#![allow(missing_docs, reason = "a test")]

mod channel;
mod kernel;
mod life;
