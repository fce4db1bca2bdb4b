//! The words of the media service and the rules that need no server: ids, states and their legal moves, profiles,
//! plans, events and commands.
//!
//! Nothing here reads a clock, a file or a socket, and nothing here depends on another crate of ours.

pub mod archive;
pub mod asset;
pub mod blob;
pub mod caption;
pub mod command;
pub mod erasure;
pub mod event;
pub mod ids;
pub mod info;
pub mod limits;
pub mod plan;
pub mod policy;
pub mod profile;
pub mod profiles;
pub mod provenance;
pub mod quarantine;
pub mod reason;
pub mod recipe;
pub mod retention;
pub mod variant;
pub mod work;

pub use asset::{Kind, Source, Status};
pub use blob::BlobName;
pub use caption::{CaptionKind, CaptionSource};
pub use ids::{
    AiArtifactId, AssetId, CaptionTrackId, DeadLetterId, ErasureId, EventId, HoldId, JobId, OwnerId, QuarantineDecisionId, TenantId,
    TranscriptId, UploadId, VariantId, WorkId,
};
pub use info::MediaInfo;
pub use policy::TenantPolicy;
pub use profile::Profile;
pub use profiles::Profiles;
pub use reason::Reason;
pub use variant::VariantDetails;
