//! Assets of one tenant with the same bytes share what is stored of them: one original, one set of variants.
//!
//! A twin is of the same kind and scanned with the same verdict. Who looks for one holds the lock on (tenant, SHA-256), so that of two
//! scans of the same bytes the second finds the first, and then locks the twin. Nobody waits for the first lock whose own asset
//! could be the twin of another: it is still scanned, or deleted. What follows a twin at work is in [`crate::followers`].

use std::time::Duration;

use media_domain::{
    AssetId, BlobName, Kind, Profiles, Status,
    event::{AssetReady, AssetScanned, AssetUploaded, Event, VariantCreated},
    plan,
    reason::Verdict,
    work::{Group, WorkState},
};

use crate::{
    StorageError, TenantTx,
    assets::{Asset, NewAsset, Scanned},
    error::exactly_one,
};

/// What two assets have in common that share what is stored of them.
#[derive(Clone, Copy, Debug)]
pub struct Content<'a> {
    pub kind: Kind,
    pub sha256: &'a str,
    pub size_bytes: u64,
    pub verdict: Verdict,
}

impl TenantTx {
    /// Keeps everybody else who has found the same bytes waiting until the transaction ends.
    pub(crate) async fn lock_content(&mut self, sha256: &str) -> Result<(), StorageError> {
        let content = format!("{}/{sha256}", self.tenant());
        sqlx::query!("-- twins.lock_content\nSELECT pg_advisory_xact_lock(hashtextextended($1, 0))", content)
            .execute(self.connection())
            .await?;
        Ok(())
    }

    /// A twin that is ready, locked; none where something was found in the same bytes meanwhile.
    ///
    /// # Errors
    /// [`StorageError::BadRow`] if the row cannot be read.
    pub async fn ready_twin(&mut self, content: &Content<'_>) -> Result<Option<Asset>, StorageError> {
        self.lock_content(content.sha256).await?;
        if self.is_suspect(content.sha256).await? {
            return Ok(None);
        }
        self.lock_twin(content, None, false).await
    }

    /// Writes a new asset that shares what its twin has: `ready` at once, by the moves and with the events of any other. The twin is
    /// locked.
    ///
    /// # Errors
    /// [`StorageError::Refused`] if the id is taken; [`StorageError::Missing`] if the twin was never scanned.
    pub async fn insert_shared(&mut self, new: &NewAsset, created: &Event, twin: &Asset, profiles: &Profiles) -> Result<(), StorageError> {
        let (Some(sha256), Some(mime), Some(size_bytes), Some(verdict)) = (&twin.sha256, &twin.mime, twin.size_bytes, twin.verdict) else {
            return Err(StorageError::Missing { what: "scan of the twin" });
        };
        let asset_id = new.id;
        let scanned = Scanned { sha256: sha256.clone(), mime: mime.clone(), size_bytes, verdict, signature: None };
        self.assets().insert(new).await?;
        self.outbox().event(created).await?;
        self.assets().advance(asset_id, Status::Scanning).await?;
        self.outbox().event(&Event::AssetUploaded(AssetUploaded { asset_id, size_bytes })).await?;
        self.assets().set_scanned(asset_id, &scanned).await?;
        let Scanned { sha256, mime, verdict, .. } = scanned;
        self.outbox().event(&Event::AssetScanned(AssetScanned { asset_id, verdict, sha256, mime, size_bytes })).await?;
        self.assets().advance(asset_id, Status::Transcoding).await?;
        self.take_over(twin, asset_id).await.map(|_nothing_left| ())?;
        self.plan_lacking(asset_id, profiles).await?;
        self.settle_retention(&[asset_id]).await
    }

    /// Lets an asset that is in `transcoding` or `ready` share what a twin has, or has once it is ready. False: it has no twin, and
    /// needs work of its own. The asset must be locked.
    ///
    /// # Errors
    /// [`StorageError::BadRow`] if a row cannot be read.
    pub async fn join_twin(&mut self, id: AssetId, profiles: Option<&Profiles>) -> Result<bool, StorageError> {
        let asset = self.assets().lookup(id).await?.ok_or(StorageError::Missing { what: "asset" })?;
        let (Some(sha256), Some(size_bytes), Some(verdict)) = (&asset.sha256, asset.size_bytes, asset.verdict) else { return Ok(false) };
        self.lock_content(sha256).await?;
        let content = Content { kind: asset.kind, sha256, size_bytes, verdict };
        let Some(twin) = self.lock_twin(&content, Some(id), asset.status == Status::Transcoding).await? else { return Ok(false) };
        if twin.status == Status::Ready {
            let left = self.take_over(&twin, id).await?;
            if let Some(profiles) = profiles {
                self.plan_lacking(id, profiles).await?;
            }
            self.blobs().doom_left(left.as_slice(), Duration::ZERO).await?;
        } else {
            self.follow(&[id], Some(twin.id)).await?;
        }
        Ok(true)
    }

    /// Locks a twin, rather a ready one than one at work. One that follows another is passed over: it has not all yet.
    async fn lock_twin(&mut self, content: &Content<'_>, of: Option<AssetId>, or_at_work: bool) -> Result<Option<Asset>, StorageError> {
        loop {
            // A row that changed while it was waited for is passed over, and what it made of others is not seen yet: hence the loop.
            let locked = sqlx::query_scalar!(
                "-- twins.lock
                SELECT a.id FROM media.assets a
                WHERE a.sha256 = $1::text::bpchar AND a.kind = $2 AND a.scan_verdict = $3 AND a.size_bytes = $4 AND a.id IS DISTINCT FROM $5::uuid
                  AND a.deleted_at IS NULL AND a.follows IS NULL AND (a.status = 'ready' OR ($6 AND a.status = 'transcoding'))
                  AND EXISTS (SELECT FROM media.blobs b WHERE b.bucket = a.bucket AND b.key = a.key AND b.doomed_at IS NULL)
                ORDER BY a.status <> 'ready', a.created_at, a.id LIMIT 1 FOR UPDATE",
                content.sha256,
                content.kind.as_str(),
                content.verdict.as_str(),
                content.size_bytes.cast_signed(),
                of.map(|id| id.as_uuid()),
                or_at_work,
            )
            .fetch_optional(self.connection())
            .await?;
            if let Some(id) = locked {
                return self.assets().lookup(id.into()).await;
            }
            let is_there = sqlx::query_scalar!(
                r#"-- twins.is_there
                SELECT EXISTS (SELECT FROM media.assets a
                WHERE a.sha256 = $1::text::bpchar AND a.kind = $2 AND a.scan_verdict = $3 AND a.size_bytes = $4 AND a.id IS DISTINCT FROM $5::uuid
                  AND a.deleted_at IS NULL AND a.follows IS NULL AND (a.status = 'ready' OR ($6 AND a.status = 'transcoding'))
                  AND EXISTS (SELECT FROM media.blobs b WHERE b.bucket = a.bucket AND b.key = a.key AND b.doomed_at IS NULL)) AS "is_there!""#,
                content.sha256,
                content.kind.as_str(),
                content.verdict.as_str(),
                content.size_bytes.cast_signed(),
                of.map(|id| id.as_uuid()),
                or_at_work,
            )
            .fetch_one(self.connection())
            .await?;
            if !is_there {
                return Ok(None);
            }
        }
    }

    /// Gives an asset all that its twin has, and lets it follow while more is to come. One that was in `transcoding` is ready with it:
    /// then it names the twin's original, and what it named before is answered, to be doomed last. Both are locked.
    pub(crate) async fn take_over(&mut self, twin: &Asset, id: AssetId) -> Result<Option<BlobName>, StorageError> {
        let asset = self.assets().lookup(id).await?.ok_or(StorageError::Missing { what: "asset" })?;
        let is_new = asset.status == Status::Transcoding;
        for variant in self.variants().list(twin.id).await? {
            let Some(variant_id) = self.variants().share(&variant, id).await? else { continue };
            let created = VariantCreated {
                asset_id: id,
                variant_id,
                profile: variant.profile,
                mime: variant.mime,
                size_bytes: variant.size_bytes,
                width: variant.width,
                height: variant.height,
                missing_ms: variant.details.loss.map(|loss| loss.missing_ms),
                missing_frames: variant.details.loss.map(|loss| loss.missing_frames),
            };
            self.outbox().event(&Event::VariantCreated(created)).await?;
        }
        self.mirror_jobs(twin.id, id).await?;
        self.plan_texts(twin.id, id, asset.priority).await?;
        self.plan_captions_of_speech(id, asset.priority).await?;
        let more_to_come = self.is_at_work(twin.id).await?;
        if more_to_come {
            self.follow(&[id], Some(twin.id)).await?;
        } else {
            self.end_following(id).await?;
        }
        if !is_new {
            return Ok(None);
        }
        let done = sqlx::query!(
            "-- twins.take_over
            UPDATE media.assets a SET bucket = t.bucket, key = t.key, width = t.width, height = t.height, duration_seconds = t.duration_seconds,
              media_info = t.media_info, deduplicated = true
            FROM media.assets t WHERE t.id = $1 AND a.id = $2",
            twin.id.as_uuid(),
            id.as_uuid(),
        )
        .execute(self.connection())
        .await?;
        exactly_one(done.rows_affected(), StorageError::Missing { what: "asset" })?;
        self.assets().advance(id, Status::Ready).await?;
        self.outbox().event(&Event::AssetReady(AssetReady { asset_id: id, kind: asset.kind })).await?;
        self.rescan_if_suspect(id).await?;
        Ok(Some(asset.blob).filter(|blob| blob != &twin.blob))
    }

    /// Plans what an asset was asked for and its twin was not.
    pub(crate) async fn plan_lacking(&mut self, id: AssetId, profiles: &Profiles) -> Result<(), StorageError> {
        let asset = self.assets().lookup(id).await?.ok_or(StorageError::Missing { what: "asset" })?;
        let jobs = self.transcode_jobs().list(id).await?;
        let has: Vec<_> =
            jobs.into_iter().filter(|job| !matches!(job.state, WorkState::Skipped | WorkState::Cancelled)).map(|job| job.profile).collect();
        let mut lacking = plan::lacking(asset.kind, asset.info.as_ref(), profiles, asset.asked_profiles.as_deref(), &has);
        lacking.follow_captions(self.tenant_policies().current().await?.policy.captions, asset.asked_profiles.as_deref());
        self.carry_out(id, &lacking, asset.priority).await
    }

    /// Whether something was found in the same bytes that nobody let pass.
    pub(crate) async fn is_suspect(&mut self, sha256: &str) -> Result<bool, StorageError> {
        Ok(sqlx::query_scalar!(
            r#"-- twins.is_suspect
            SELECT EXISTS (SELECT FROM media.assets WHERE sha256 = $1::text::bpchar AND status = 'quarantined') AS "suspect!""#,
            sha256,
        )
        .fetch_one(self.connection())
        .await?)
    }

    /// Scans an asset again that has just become ready, where something was found in the same bytes since its own scan: until then
    /// it is not played.
    pub(crate) async fn rescan_if_suspect(&mut self, id: AssetId) -> Result<(), StorageError> {
        let asset = self.assets().lookup(id).await?.ok_or(StorageError::Missing { what: "asset" })?;
        let Some(sha256) = asset.sha256.as_deref().filter(|_| asset.verdict != Some(Verdict::Released)) else { return Ok(()) };
        if self.is_suspect(sha256).await? { self.scan_again(&asset, Group::Rescan).await } else { Ok(()) }
    }

    /// Scans all others again that are ready and have the bytes in which something was found: the finding is about bytes, not about
    /// who uploaded them. From now on none of them is played unless its own scan lets it pass.
    ///
    /// # Errors
    /// [`StorageError::BadRow`] if a row cannot be read.
    pub async fn rescan_twins(&mut self, of: AssetId, sha256: &str) -> Result<(), StorageError> {
        self.lock_content(sha256).await?;
        let twins = sqlx::query_scalar!(
            "-- twins.rescan
            SELECT id FROM media.assets
            WHERE sha256 = $1::text::bpchar AND id <> $2 AND status IN ('transcoding', 'ready') AND deleted_at IS NULL ORDER BY id FOR UPDATE",
            sha256,
            of.as_uuid(),
        )
        .fetch_all(self.connection())
        .await?;
        for id in twins {
            let twin = self.assets().lookup(id.into()).await?.ok_or(StorageError::Missing { what: "asset" })?;
            // One that is at work is waited for: it may just have become ready. If not, it looks for itself when it does.
            if twin.status == Status::Ready {
                let before = self.go_over_to(&twin);
                self.scan_again(&twin, Group::Rescan).await?;
                self.go_back_to(before);
            }
        }
        Ok(())
    }
}
