//! The playback door: what players reach by HTTP, with a token in the path and no other credential.

pub mod cdn;
pub mod delivery;
pub mod epochs;
pub mod links;
mod proxy;
pub mod renditions;
pub mod routes;
pub mod token;
