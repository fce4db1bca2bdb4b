//! The text tracks of a container: they become caption tracks of the asset, and not variants.
//!
//! Nobody has looked at them, so they wait for approval, as a machine's do.

use std::time::Duration;

use media_blobs::LanguageTag;
use media_domain::{
    BlobName, CaptionKind, CaptionTrackId, Kind,
    event::{CaptionCreated, Event},
    profile::{ProfileName, Recipe},
};
use media_storage::{
    StorageError, TenantTx,
    assets::Asset,
    caption_tracks::{CaptionOrigin, NewCaptionTrack},
    work::Lease,
};

use crate::protocol::Output;

/// BCP 47's word for a language that nobody has named (RFC 5646, 4.1).
const UNKNOWN: &str = "und";

/// The caption track that an output will be.
pub struct TrackToBe {
    pub id: CaptionTrackId,
    pub language: LanguageTag,
}

/// A caption track that was made, and how much is in it.
pub struct Imported {
    pub track: TrackToBe,
    pub profile: ProfileName,
    pub blob: BlobName,
    pub bytes: u64,
    pub cues: u64,
}

impl TrackToBe {
    /// `None` for what becomes a variant: all but the text in a film. A language that is no tag is none.
    pub fn of(asset: &Asset, output: &Output) -> Option<Self> {
        if !matches!(output.make, Recipe::Vtt {}) || asset.kind.pipeline() == Kind::Subtitle {
            return None;
        }
        let said = asset.info.as_ref().and_then(|info| info.texts.get(output.track as usize)).and_then(|text| text.language.as_deref());
        let language = said.and_then(|said| said.parse().ok()).or_else(|| UNKNOWN.parse().ok())?;
        Some(Self { id: CaptionTrackId::generate(), language })
    }
}

/// Writes the track's rows. One in which nothing stands is no track.
///
/// # Errors
/// [`StorageError::LeaseLost`] if the job was cancelled meanwhile.
pub async fn commit(tx: &mut TenantTx, lease: &Lease, made: &Imported) -> Result<(), StorageError> {
    if made.cues == 0 {
        tx.blobs().put(&made.blob, None, Some(made.bytes)).await?;
        tx.blobs().doom(&made.blob, Duration::ZERO).await?;
        return tx.transcode_jobs().skip(lease.asset, &made.profile, "the track holds no text").await;
    }
    let language = made.track.language.to_string();
    let track = NewCaptionTrack {
        id: made.track.id,
        asset: lease.asset,
        language: language.clone(),
        // A file's own text says what is said, not what is heard.
        kind: CaptionKind::Subtitles,
        blob: made.blob.clone(),
        size_bytes: made.bytes,
        origin: CaptionOrigin::Imported,
    };
    tx.caption_tracks().insert(&track).await?;
    tx.transcode_jobs().succeed(lease.work, &made.profile).await?;
    let told = CaptionCreated { asset_id: lease.asset, caption_track_id: track.id, language, source: "imported".to_owned() };
    tx.outbox().event(&Event::CaptionCreated(told)).await
}
