//! KMDF's rules for objects, devices, plug and play and power, each with a driver that keeps or
//! breaks it.

mod device;
mod harness;
mod locks;
mod objects;
mod pnp;
mod small;
#[cfg(target_arch = "x86_64")]
mod traps;
