//! What people do to caption tracks: edit, approve, reject, delete. Each act is decided and told under the lock of the asset's row, and
//! where it changes what is shown, it plans the copies that readers of the bucket find.

use std::time::Duration;

use media_domain::{
    AssetId, CaptionTrackId, OwnerId,
    caption::{Decision, NotReviewable, TrackState},
    event::{CaptionCreated, CaptionDeleted, CaptionReviewed, Event},
    work::Group,
};

use crate::{
    StorageError, TenantTx,
    caption_tracks::{CaptionOrigin, CaptionTrack, NewCaptionTrack},
    error::exactly_one,
};

const NO_TRACK: StorageError = StorageError::Missing { what: "caption track" };

impl TenantTx {
    /// Writes a person's track, and tells so. An edit takes the place of the version that it was made from.
    ///
    /// # Errors
    /// [`StorageError::Missing`] if the asset is not there; [`StorageError::NotReviewable`] if the version that was edited has been
    /// superseded or deleted meanwhile.
    pub async fn add_caption(&mut self, new: &NewCaptionTrack) -> Result<CaptionTrack, StorageError> {
        self.lock_for_captions(new.asset).await?;
        self.caption_tracks().insert(new).await?;
        if let CaptionOrigin::Edit { of, .. } = new.origin {
            self.caption_tracks().supersede(of, new.id).await.map_err(|error| match error {
                StorageError::Changed { .. } => NotReviewable::Superseded.into(),
                other => other,
            })?;
        }
        let source = new.origin.source().to_string();
        let told = CaptionCreated { asset_id: new.asset, caption_track_id: new.id, language: new.language.clone(), source };
        self.outbox().event(&Event::CaptionCreated(told)).await?;
        self.caption_tracks().lookup(new.asset, new.id).await?.ok_or(NO_TRACK)
    }

    /// Takes a reviewer's word. An approved version takes the place of the one that was shown. Said again, it changes nothing.
    ///
    /// # Errors
    /// [`StorageError::Missing`] if asset or track are not there; [`StorageError::NotReviewable`].
    pub async fn review_caption(
        &mut self,
        asset: AssetId,
        id: CaptionTrackId,
        decision: Decision,
        reviewer: OwnerId,
    ) -> Result<CaptionTrack, StorageError> {
        self.lock_for_captions(asset).await?;
        let track = self.caption_tracks().lookup(asset, id).await?.ok_or(NO_TRACK)?;
        let shown = self.caption_tracks().shown(asset, &track.language, track.kind).await?.filter(|shown| shown.id != id);
        if !track.state().review(track.source, decision, shown.as_ref().map(|shown| shown.source))? {
            return Ok(track);
        }
        let told = CaptionReviewed {
            asset_id: asset,
            caption_track_id: id,
            language: track.language.clone(),
            kind: track.kind,
            reviewed_by: reviewer,
        };
        let event = match decision {
            Decision::Approve => {
                if let Some(shown) = &shown {
                    self.hide_caption(shown.id, id).await?;
                }
                Event::CaptionApproved(told)
            }
            Decision::Reject => Event::CaptionRejected(told),
        };
        let done = sqlx::query!(
            "-- caption_review.review
            UPDATE media.caption_tracks SET approved = $2, rejected = NOT $2, reviewed_by = $3, reviewed_at = clock_timestamp() WHERE id = $1",
            id.as_uuid(),
            decision == Decision::Approve,
            reviewer.as_uuid(),
        )
        .execute(self.connection())
        .await?;
        exactly_one(done.rows_affected(), NO_TRACK)?;
        self.outbox().event(&event).await?;
        if decision == Decision::Approve || track.approved {
            self.plan_caption_copies(asset).await?;
        }
        self.caption_tracks().lookup(asset, id).await?.ok_or(NO_TRACK)
    }

    /// Deletes a version with its text. Those whose place it had taken have it again, without their approval.
    ///
    /// # Errors
    /// [`StorageError::Missing`] if asset or track are not there; [`StorageError::Held`].
    pub async fn delete_caption(&mut self, asset: AssetId, id: CaptionTrackId) -> Result<(), StorageError> {
        self.lock_for_captions(asset).await?;
        self.refuse_if_held(asset).await?;
        let track = self.caption_tracks().lookup(asset, id).await?.ok_or(NO_TRACK)?;
        sqlx::query!(
            "-- caption_review.delete\nUPDATE media.caption_tracks SET superseded_by = NULL WHERE asset_id = $1 AND superseded_by = $2",
            asset.as_uuid(),
            id.as_uuid(),
        )
        .execute(self.connection())
        .await?;
        let done = sqlx::query!("-- caption_review.delete\nDELETE FROM media.caption_tracks WHERE id = $1", id.as_uuid())
            .execute(self.connection())
            .await?;
        exactly_one(done.rows_affected(), NO_TRACK)?;
        self.blobs().doom(&track.blob, Duration::ZERO).await?;
        let told = CaptionDeleted { asset_id: asset, caption_track_id: id, language: track.language, kind: track.kind };
        self.outbox().event(&Event::CaptionDeleted(told)).await?;
        if track.approved { self.plan_caption_copies(asset).await } else { Ok(()) }
    }

    /// Asks for the copies at the asked-for keys to be made anew. Where that is already under way, whoever does it looks again before
    /// the end.
    ///
    /// # Errors
    /// [`StorageError::Refused`] if the asset is not there.
    pub async fn plan_caption_copies(&mut self, asset: AssetId) -> Result<(), StorageError> {
        let priority = media_domain::asset::Priority::Interactive.rank();
        self.work().plan(asset, Group::CaptionCopies, priority).await.map(drop)
    }

    async fn lock_for_captions(&mut self, asset: AssetId) -> Result<(), StorageError> {
        let locked = self.assets().lock(asset).await?.filter(|asset| asset.deleted_at.is_none());
        locked.map(drop).ok_or(StorageError::Missing { what: "asset" })
    }

    /// Ends the showing of a version, in favour of another.
    async fn hide_caption(&mut self, id: CaptionTrackId, by: CaptionTrackId) -> Result<(), StorageError> {
        let done = sqlx::query!(
            "-- caption_review.hide\nUPDATE media.caption_tracks SET approved = false, superseded_by = $2 WHERE id = $1 AND approved",
            id.as_uuid(),
            by.as_uuid(),
        )
        .execute(self.connection())
        .await?;
        exactly_one(done.rows_affected(), StorageError::Changed { what: "caption track" })
    }
}

impl CaptionTrack {
    /// Whether a person may edit this version.
    ///
    /// # Errors
    /// [`StorageError::NotReviewable`] if another version has taken its place, also where it is still shown.
    pub fn check_editable(&self) -> Result<(), StorageError> {
        if self.superseded_by.is_some() || self.state() == TrackState::Superseded {
            return Err(NotReviewable::Superseded.into());
        }
        Ok(())
    }
}
