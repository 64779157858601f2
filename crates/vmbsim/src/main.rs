//! Boots a simulated Hyper-V guest with the `vmbchan` driver, drives it, reports and measures.
//!
//! `cargo sim` sends messages through the driver to a back end on the host and back; `cargo sim explore`
//! runs many seeds, each with an event at a random moment. [`exit`] lists the exit codes.

#[cfg(target_os = "linux")]
mod cli;
#[cfg(target_os = "linux")]
mod explore;
#[cfg(target_os = "linux")]
mod guest;
#[cfg(target_os = "linux")]
mod input;
#[cfg(target_os = "linux")]
mod output;
#[cfg(target_os = "linux")]
mod protocol;
#[cfg(target_os = "linux")]
mod report;
#[cfg(target_os = "linux")]
mod transfer;

/// The exit codes.
mod exit {
    /// Everything went well.
    #[cfg(target_os = "linux")]
    pub const FINE: u8 = 0;
    /// A finding: a bug check, a leak, a hang, a transfer that failed, or bytes that came back changed.
    #[cfg(target_os = "linux")]
    pub const FINDING: u8 = 1;
    /// What was asked for cannot be done, or something could not be read or written.
    pub const USAGE: u8 = 2;
    /// The host took its device back before everything had come back, as it was told to.
    #[cfg(target_os = "linux")]
    pub const INTERRUPTED: u8 = 3;
    /// A signal ended the program (as shells say it for `SIGINT`).
    #[cfg(target_os = "linux")]
    pub const SIGNAL: u8 = 130;
}

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    cli::main()
}

/// Elsewhere the workspace still builds: on Windows it is the driver that counts.
#[cfg(not(target_os = "linux"))]
fn main() -> std::process::ExitCode {
    eprintln!("error: the simulated guest runs on Linux only");
    std::process::ExitCode::from(exit::USAGE)
}
