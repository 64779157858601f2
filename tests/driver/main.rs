//! The driver in the simulated kernel. Each test is a sentence of what the driver promises, run
//! with several seeds: each seed is another order in which processors, the host and programs get
//! their turn, and another reading of what KMCL's documentation leaves open.
#![cfg(not(windows))]

mod debugger;
mod faults;
mod guest;
mod host;
mod life;
mod open;
mod requests;
mod transfer;
