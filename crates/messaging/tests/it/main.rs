//! The room against a real broker: each test has a virtual host of its own.

#![expect(clippy::unwrap_used, reason = "in a test, and in what its helpers do, a panic is the failure")]

mod commands;
mod connecting;
mod dead_letters;
mod events;
mod outage;
mod place;
mod publishing;
