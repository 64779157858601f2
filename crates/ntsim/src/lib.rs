//! A simulated Windows kernel.
