//! Boots a simulated Hyper-V guest with the `vmbchan` driver, drives it, reports and measures.
//!
//! `cargo sim` sends data through the driver to a back end on the host and back; `cargo sim
//! explore` runs many seeds, each a life with events in its traffic. Exit codes: 0 fine, 1 a
//! finding, 2 bad usage or an input or output that fails, 3 a transfer that was interrupted.

#[cfg(target_os = "linux")]
mod cli;
#[cfg(target_os = "linux")]
mod explore;
#[cfg(target_os = "linux")]
mod guest;
mod life;
#[cfg(target_os = "linux")]
mod protocol;
#[cfg(target_os = "linux")]
mod report;
#[cfg(target_os = "linux")]
mod source;
#[cfg(target_os = "linux")]
mod stop;
#[cfg(target_os = "linux")]
mod target;
#[cfg(target_os = "linux")]
mod transfer;

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    cli::main()
}

/// Elsewhere the workspace still builds: on Windows it is the driver that counts.
#[cfg(not(target_os = "linux"))]
fn main() -> std::process::ExitCode {
    eprintln!("error: the simulated guest runs on Linux only");
    std::process::ExitCode::from(2)
}
