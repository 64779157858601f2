//! Tests of the modules that the models in `tests/models.rs` compile a second time: those take the
//! modules as they are, and a test beside the code would be taken with it.

mod pump;
mod session;
