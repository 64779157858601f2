//! What a process's requests meet: buffers, queues, cancellation, power, files. Each rule with a
//! driver that keeps or breaks it.

mod cancellation;
mod files;
mod harness;
mod power;
mod queues;
mod requests;
mod storm;
mod transfers;
