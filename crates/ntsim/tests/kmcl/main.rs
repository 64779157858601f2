//! KMCL's documented behaviour, and its rules, each with a driver that breaks it.

mod behaviour;
mod harness;
mod hostile;
mod misuse;
