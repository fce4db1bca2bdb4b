//! What storage promises, against a real database: claims, fences, order, and what happens all or nothing.
//!
//! Every call here is made as the login role of the binary that makes it, so that a missing privilege shows.

mod abandoned_calls;
mod assets;
mod blobs;
mod captions;
mod claims;
mod errors;
mod giving_up;
mod leases;
mod operations;
mod outbox;
mod place;
mod relays;
mod retention;
mod scale;
mod sharing;
mod sweeps;
mod vital_signs;
