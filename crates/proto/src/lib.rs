//! The public contract in Rust, generated from `/proto/media/v1`: messages with protobuf JSON by serde, clients and servers.

/// Package `media.v1`.
#[expect(clippy::allow_attributes, clippy::allow_attributes_without_reason, clippy::large_enum_variant, reason = "generated")]
pub mod v1 {
    tonic::include_proto!("media.v1");
    include!(concat!(env!("OUT_DIR"), "/media.v1.serde.rs"));
}

/// The types of every time, and of every mask of fields, in [`v1`].
pub use pbjson_types::{FieldMask, Timestamp};

/// The encoded `FileDescriptorSet` of the package and what it imports: for reflection, and for tests that go through every RPC.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/media.v1.binpb"));

/// The same of the package's own files, with their comments: for tests that read what is promised of each RPC.
pub const DOCUMENTED_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/media.v1.documented.binpb"));

#[cfg(test)]
mod event_json;
