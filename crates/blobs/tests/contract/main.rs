//! What we ask of a store, tried on a real one: `media-devstack run -- cargo test -p media-blobs --test contract`.
//! Any server will do that `MEDIA_DEVSTACK_S3_ENDPOINT` and its keys name. Without a server every test fails and says so.

#![expect(clippy::unwrap_used, reason = "what helps a test may end it")]

mod cold;
mod faults;
mod faulty_proxy;
mod multipart;
mod objects;
mod other_servers;
mod part_writer;
mod ranges;
mod signing;
mod store;
