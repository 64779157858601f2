//! The program as a user runs it: files through the guest and back, what fails, what is printed,
//! exit codes.
#![cfg(target_os = "linux")]

mod explore;
mod failures;
mod files;
mod memory;
mod program;
mod report;
mod trace;
mod usage;
