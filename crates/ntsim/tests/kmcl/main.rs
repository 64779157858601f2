//! KMCL's documented behaviour, and its rules, each with a driver that breaks it.

mod behaviour;
mod external;
mod faults;
mod fetches;
mod harness;
mod hostile;
mod misuse;
mod stress;
