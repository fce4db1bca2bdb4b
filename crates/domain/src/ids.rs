//! Ids as types: an [`AssetId`] cannot be passed where a [`VariantId`] is wanted, and a bare ULID stops at the edge.

use std::{fmt, marker::PhantomData, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use ulid::Ulid;
use uuid::Uuid;

/// A ULID (<https://github.com/ulid/spec>) that says in its type what it identifies. It is shown as 26 characters of
/// Crockford's base 32 and stored as a `uuid`, which sorts the same.
pub struct Id<Of>(Ulid, PhantomData<fn() -> Of>);

/// What an [`Id`] can identify. These types have no values.
pub mod of {
    pub enum Asset {}
    pub enum Variant {}
    pub enum Job {}
    pub enum Work {}
    pub enum Upload {}
    pub enum CaptionTrack {}
    pub enum Transcript {}
    pub enum AiArtifact {}
    pub enum Event {}
    pub enum DeadLetter {}
    pub enum QuarantineDecision {}
    pub enum Hold {}
    pub enum Erasure {}
    pub enum User {}
}

pub type AssetId = Id<of::Asset>;
pub type VariantId = Id<of::Variant>;
/// A row of `transcode_jobs`: the result of one profile.
pub type JobId = Id<of::Job>;
/// A row of `work`: what a worker claims.
pub type WorkId = Id<of::Work>;
pub type UploadId = Id<of::Upload>;
pub type CaptionTrackId = Id<of::CaptionTrack>;
pub type TranscriptId = Id<of::Transcript>;
pub type AiArtifactId = Id<of::AiArtifact>;
/// A row of the outbox; the CloudEvent's `id`.
pub type EventId = Id<of::Event>;
pub type DeadLetterId = Id<of::DeadLetter>;
pub type QuarantineDecisionId = Id<of::QuarantineDecision>;
/// What keeps an asset from every deletion.
pub type HoldId = Id<of::Hold>;
pub type ErasureId = Id<of::Erasure>;
/// A person or service of a tenant, known to us by id only.
pub type OwnerId = Id<of::User>;

impl<Of> Id<Of> {
    /// A new id: 48 bits of the process's clock, 80 random bits.
    #[expect(clippy::disallowed_methods, reason = "the one place where ids are made")]
    pub fn generate() -> Self {
        Self::from(Ulid::generate())
    }

    pub fn as_uuid(&self) -> Uuid {
        Uuid::from(self.0)
    }
}

impl<Of> From<Ulid> for Id<Of> {
    fn from(ulid: Ulid) -> Self {
        Self(ulid, PhantomData)
    }
}

impl<Of> From<Uuid> for Id<Of> {
    fn from(uuid: Uuid) -> Self {
        Self::from(Ulid::from(uuid))
    }
}

/// The text is not a ULID of 26 characters.
#[derive(Debug, thiserror::Error)]
#[error("not a ULID: 26 characters of 0-9 and A-Z without I, L, O, U")]
pub struct NotAnId;

impl<Of> FromStr for Id<Of> {
    type Err = NotAnId;

    fn from_str(text: &str) -> Result<Self, NotAnId> {
        Ulid::from_string(text).map(Self::from).map_err(|_| NotAnId)
    }
}

impl<Of> fmt::Display for Id<Of> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl<Of> fmt::Debug for Id<Of> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl<Of> Clone for Id<Of> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<Of> Copy for Id<Of> {}
impl<Of> PartialEq for Id<Of> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}
impl<Of> Eq for Id<Of> {}
impl<Of> PartialOrd for Id<Of> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl<Of> Ord for Id<Of> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.cmp(&other.0)
    }
}
impl<Of> std::hash::Hash for Id<Of> {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl<Of> Serialize for Id<Of> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de, Of> Deserialize<'de> for Id<Of> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// A tenant. Every row with one is visible to it alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TenantId(pub Uuid);

impl TenantId {
    /// The tenant of what no tenant can be read of: the UUID of zeros, which no tenant has.
    pub const NOBODY: Self = Self(Uuid::nil());
}

impl fmt::Display for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

impl FromStr for TenantId {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, uuid::Error> {
        Uuid::try_parse(text).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_back_from_its_text_and_from_its_uuid() {
        let id = AssetId::generate();
        assert_eq!(id, id.to_string().parse().unwrap());
        assert_eq!(id, AssetId::from(id.as_uuid()));
    }

    #[test]
    fn text_that_is_no_ulid_is_refused() {
        for text in ["", "01ARZ3NDEKTSV4RRFFQ69G5FA", "../../etc/passwd", "01ARZ3NDEKTSV4RRFFQ69G5FAVX"] {
            assert!(text.parse::<AssetId>().is_err(), "{text}");
        }
    }
}
