//! The playback door: what players reach by HTTP, with a token in the path and no other credential.

pub mod epochs;
pub mod links;
pub mod renditions;
pub mod routes;
pub mod token;
