//! What the door knows of an asset, and for how long it may believe it.
//!
//! The promise: a token of an older epoch, and any token of an asset that was deleted or quarantined, is refused by every pod within
//! five seconds. Nothing that was read longer than [`BELIEVED_FOR`] ago is used; without a database, nothing plays.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use media_domain::{AssetId, Status, TenantId, policy::CaptionVisibility};
use media_storage::{Database, StorageError, assets::Asset, caption_tracks::CaptionTrack, variants::Variant};

use super::token::PlaybackToken;
use crate::error::chain;

/// Less than the five seconds that are promised: an answer takes its time, too.
const BELIEVED_FOR: Duration = Duration::from_secs(4);
/// The most assets that are kept in memory: each holds the indexes of its variants, some 100 KB for a film.
const MAX_KEPT: usize = 500;

/// Why the door stays shut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The token was not made by us, has ended, or was revoked; or the asset can no longer be played.
    #[error("this link has ended")]
    Ended,
    #[error("there is no such thing")]
    NotFound,
    /// The database or the store is away, or all hands are busy.
    #[error("come back later")]
    Away,
    /// Our fault.
    #[error("internal error")]
    Defect,
}

/// An asset that plays, as its rows were a moment ago.
#[derive(Debug)]
pub struct Shown {
    pub asset: Asset,
    pub variants: Vec<Variant>,
    pub tracks: Vec<CaptionTrack>,
    /// Which of the tracks the tenant lets players see.
    pub visibility: CaptionVisibility,
}

/// When its reading began, and what it gave.
type Kept = (Instant, Arc<Shown>);

#[derive(Debug)]
pub struct Epochs {
    database: Database,
    kept: Mutex<HashMap<(TenantId, AssetId), Kept>>,
}

impl Epochs {
    pub fn new(database: Database) -> Self {
        Self { database, kept: Mutex::default() }
    }

    /// The asset that a token opens.
    ///
    /// # Errors
    /// [`Refusal::Ended`], or [`Refusal::Away`] if the database has no answer.
    pub async fn shown(&self, token: &PlaybackToken) -> Result<Arc<Shown>, Refusal> {
        let key = (token.tenant, token.asset);
        let shown = match self.kept(key) {
            Some(shown) => shown,
            None => {
                let asked_at = Instant::now();
                let shown = self.read(token).await.map_err(|error| {
                    tracing::warn!(error = chain(&error), asset.id = %token.asset, "the door cannot read an asset");
                    if error.is_transient() { Refusal::Away } else { Refusal::Defect }
                })?;
                let shown = Arc::new(shown.ok_or(Refusal::Ended)?);
                self.keep(key, asked_at, Arc::clone(&shown));
                shown
            }
        };
        if is_open(&shown.asset, token) { Ok(shown) } else { Err(Refusal::Ended) }
    }

    /// Takes an asset for as it is given, as if it had been read now.
    #[cfg(test)]
    pub fn believe(&self, shown: Arc<Shown>) {
        self.keep((shown.asset.tenant, shown.asset.id), Instant::now(), shown);
    }

    async fn read(&self, token: &PlaybackToken) -> Result<Option<Shown>, StorageError> {
        let mut tx = self.database.in_tenant(token.tenant, "api.door").await?;
        let Some(asset) = tx.assets().lookup(token.asset).await? else { return Ok(None) };
        let variants = tx.variants().list(token.asset).await?;
        let tracks = tx.caption_tracks().list(token.asset).await?;
        let visibility = tx.tenant_policies().current().await?.policy.caption_visibility;
        if is_open(&asset, token) {
            tx.note_use(&[token.asset]).await?;
            tx.commit().await?;
        }
        Ok(Some(Shown { asset, variants, tracks, visibility }))
    }

    fn kept(&self, key: (TenantId, AssetId)) -> Option<Arc<Shown>> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.get(&key).filter(|(read_at, _)| is_believed(*read_at)).map(|(_, shown)| Arc::clone(shown))
    }

    fn keep(&self, key: (TenantId, AssetId), asked_at: Instant, shown: Arc<Shown>) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= MAX_KEPT {
            kept.retain(|_, (read_at, _)| is_believed(*read_at));
        }
        if kept.len() < MAX_KEPT {
            kept.insert(key, (asked_at, shown));
        }
    }
}

fn is_believed(read_at: Instant) -> bool {
    read_at.elapsed() < BELIEVED_FOR
}

fn is_open(asset: &Asset, token: &PlaybackToken) -> bool {
    asset.deleted_at.is_none() && asset.status == Status::Ready && asset.playback_epoch == token.epoch
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;
    use crate::door::renditions::tests::asset;

    #[test]
    fn an_asset_that_was_revoked_deleted_or_quarantined_is_shut() {
        let asset = asset();
        let token = PlaybackToken { tenant: asset.tenant, asset: asset.id, epoch: 3, expires_at: datetime!(2026-11-24 12:00 UTC) };
        let with = |playback_epoch, status, deleted_at| Asset { playback_epoch, status, deleted_at, ..asset.clone() };
        assert!(is_open(&with(3, Status::Ready, None), &token));
        assert!(!is_open(&with(4, Status::Ready, None), &token));
        assert!(!is_open(&with(3, Status::Quarantined, None), &token));
        assert!(!is_open(&with(3, Status::Ready, Some(datetime!(2026-11-24 12:00 UTC))), &token));
    }

    #[test]
    fn what_was_read_is_believed_for_less_than_five_seconds() {
        let now = Instant::now();
        assert!(is_believed(now));
        assert!(!is_believed(now.checked_sub(Duration::from_millis(4_001)).unwrap()));
        assert!(BELIEVED_FOR < Duration::from_secs(5));
    }
}
