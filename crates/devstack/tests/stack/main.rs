//! The stack, really started: once by the library and once by the binary, at the same time.
//!
//! - `every_server_works_and_comes_back_after_a_kill`
//! - `nothing_outlives_a_stack_that_was_killed`

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod ending;
mod servers;
mod working;
