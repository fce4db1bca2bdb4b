//! The assets: what was handed over, and where it is on its way.

use media_domain::{
    AssetId, BlobName, Kind, MediaInfo, OwnerId, Reason, Source, Status, TenantId,
    archive::Archive,
    asset::{IllegalTransition, RetentionClass},
    event::{AssetFailed, Event},
    info::Look,
    profile::ProfileName,
    provenance::Provenance,
    reason::Verdict,
};
use sqlx::types::Json;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{
    StorageError, TenantTx,
    error::{exactly_one, word},
    give_up::profile_name,
};

const TABLE: &str = "assets";

/// The assets of the transaction's tenant.
pub struct Assets<'t>(pub(crate) &'t mut TenantTx);

/// One asset as its row has it.
#[derive(Clone, Debug)]
pub struct Asset {
    pub id: AssetId,
    pub tenant: TenantId,
    pub owner: OwnerId,
    pub kind: Kind,
    pub source: Source,
    pub status: Status,
    /// What the scanner saw; what the uploader said is `declared_mime`.
    pub mime: Option<String>,
    pub blob: BlobName,
    pub size_bytes: Option<u64>,
    pub sha256: Option<String>,
    pub filename: Option<String>,
    pub width: Option<u32>,
    pub height: Option<u32>,
    pub duration_seconds: Option<u32>,
    pub retention_class: RetentionClass,
    pub retention_until: Option<OffsetDateTime>,
    pub created_at: OffsetDateTime,
    pub deleted_at: Option<OffsetDateTime>,
    pub etag: i64,
    pub priority: i16,
    /// The profiles that the uploader asked for; `None`: all that apply.
    pub asked_profiles: Option<Vec<ProfileName>>,
    pub declared_mime: Option<String>,
    pub declared_sha256: Option<String>,
    pub failure_reason: Option<Reason>,
    pub failure_detail: Option<String>,
    pub verdict: Option<Verdict>,
    pub info: Option<MediaInfo>,
    pub playback_epoch: i32,
    pub traceparent: Option<String>,
    /// It shares the stored bytes of an asset that came before it.
    pub deduplicated: bool,
    /// Of an original that is not where it was uploaded to.
    pub archive: Option<Archive>,
}

/// What is known of an asset when its upload begins.
#[derive(Clone, Debug)]
pub struct NewAsset {
    pub id: AssetId,
    pub owner: OwnerId,
    pub kind: Kind,
    pub source: Source,
    pub blob: BlobName,
    /// `None`: nobody knows yet.
    pub size_bytes: Option<u64>,
    pub filename: Option<String>,
    pub declared_mime: Option<String>,
    pub declared_sha256: Option<String>,
    pub priority: i16,
    /// `None`: all that apply.
    pub asked_profiles: Option<Vec<ProfileName>>,
    pub retention_class: RetentionClass,
    pub provenance: Option<Provenance>,
    pub traceparent: Option<String>,
}

/// What the one pass over an original found.
#[derive(Clone, Debug)]
pub struct Scanned {
    pub sha256: String,
    pub mime: String,
    pub size_bytes: u64,
    pub verdict: Verdict,
    pub signature: Option<String>,
}

/// Which assets a caller wants to see; `None` is any.
#[derive(Clone, Debug, Default)]
pub struct AssetFilter {
    pub kind: Option<Kind>,
    pub status: Option<Status>,
    pub source: Option<Source>,
    pub owner: Option<OwnerId>,
    pub sha256: Option<String>,
    pub created_from: Option<OffsetDateTime>,
    pub created_before: Option<OffsetDateTime>,
}

struct AssetRow {
    id: Uuid,
    tenant_id: Uuid,
    owner_user_id: Uuid,
    kind: String,
    source: String,
    status: String,
    mime: Option<String>,
    bucket: String,
    key: String,
    size_bytes: Option<i64>,
    sha256: Option<String>,
    original_filename: Option<String>,
    width: Option<i32>,
    height: Option<i32>,
    duration_seconds: Option<i32>,
    retention_class: String,
    retention_until: Option<OffsetDateTime>,
    created_at: OffsetDateTime,
    deleted_at: Option<OffsetDateTime>,
    etag: i64,
    priority: i16,
    asked_profiles: Option<Vec<String>>,
    declared_mime: Option<String>,
    declared_sha256: Option<String>,
    failure_reason: Option<String>,
    failure_detail: Option<String>,
    scan_verdict: Option<String>,
    media_info: Option<Json<MediaInfo>>,
    playback_epoch: i32,
    traceparent: Option<String>,
    deduplicated: bool,
    archive: Option<Json<Archive>>,
}

impl TryFrom<AssetRow> for Asset {
    type Error = StorageError;

    fn try_from(row: AssetRow) -> Result<Self, StorageError> {
        let id = row.id;
        Ok(Asset {
            id: id.into(),
            tenant: TenantId(row.tenant_id),
            owner: row.owner_user_id.into(),
            kind: word(TABLE, "kind", id, &row.kind)?,
            source: word(TABLE, "source", id, &row.source)?,
            status: word(TABLE, "status", id, &row.status)?,
            mime: row.mime,
            blob: BlobName { bucket: row.bucket, key: row.key },
            size_bytes: row.size_bytes.map(i64::unsigned_abs),
            sha256: row.sha256,
            filename: row.original_filename,
            width: row.width.map(i32::unsigned_abs),
            height: row.height.map(i32::unsigned_abs),
            duration_seconds: row.duration_seconds.map(i32::unsigned_abs),
            retention_class: word(TABLE, "retention_class", id, &row.retention_class)?,
            retention_until: row.retention_until,
            created_at: row.created_at,
            deleted_at: row.deleted_at,
            etag: row.etag,
            priority: row.priority,
            asked_profiles: row
                .asked_profiles
                .map(|names| names.into_iter().map(|name| profile_name(TABLE, id, name)).collect())
                .transpose()?,
            declared_mime: row.declared_mime,
            declared_sha256: row.declared_sha256,
            failure_reason: row.failure_reason.map(|text| word(TABLE, "failure_reason", id, &text)).transpose()?,
            failure_detail: row.failure_detail,
            verdict: row.scan_verdict.map(|text| word(TABLE, "scan_verdict", id, &text)).transpose()?,
            info: row.media_info.map(|json| json.0),
            playback_epoch: row.playback_epoch,
            traceparent: row.traceparent,
            deduplicated: row.deduplicated,
            archive: row.archive.map(|json| json.0),
        })
    }
}

impl Assets<'_> {
    /// Writes a new asset in `uploading`.
    ///
    /// # Errors
    /// [`StorageError::Refused`] if the id is taken.
    pub async fn insert(&mut self, new: &NewAsset) -> Result<(), StorageError> {
        sqlx::query!(
            "-- assets.insert
            INSERT INTO media.assets (id, tenant_id, owner_user_id, kind, source, status, bucket, key, size_bytes,
              original_filename, declared_mime, declared_sha256, priority, retention_class, ai_provenance, traceparent, asked_profiles)
            VALUES ($1, $2, $3, $4, $5, 'uploading', $6, $7, $8, $9, $10, $11::text::bpchar, $12, $13, $14, $15, $16)",
            new.id.as_uuid(),
            self.0.tenant().0,
            new.owner.as_uuid(),
            new.kind.as_str(),
            new.source.as_str(),
            new.blob.bucket,
            new.blob.key,
            new.size_bytes.map(u64::cast_signed),
            new.filename,
            new.declared_mime,
            new.declared_sha256,
            new.priority,
            new.retention_class.as_str(),
            new.provenance.as_ref().map(Json) as _,
            new.traceparent,
            new.asked_profiles.as_ref().map(|names| names.iter().map(ToString::to_string).collect::<Vec<_>>()) as _,
        )
        .execute(self.0.connection())
        .await?;
        Ok(())
    }

    /// One asset, also a deleted one.
    ///
    /// # Errors
    /// [`StorageError::BadRow`] if the row cannot be read.
    pub async fn lookup(&mut self, id: AssetId) -> Result<Option<Asset>, StorageError> {
        Ok(self.lookup_many(&[id]).await?.pop())
    }

    /// Those of the assets that are there, also deleted ones, in no order.
    ///
    /// # Errors
    /// As [`lookup`](Self::lookup).
    pub async fn lookup_many(&mut self, ids: &[AssetId]) -> Result<Vec<Asset>, StorageError> {
        let ids: Vec<Uuid> = ids.iter().map(AssetId::as_uuid).collect();
        let rows = sqlx::query_as!(
            AssetRow,
            r#"-- assets.lookup
            SELECT id, tenant_id, owner_user_id, kind, source, status, mime, bucket, key, size_bytes, sha256, original_filename,
              width, height, duration_seconds, retention_class, retention_until, created_at AS "created_at!", deleted_at, etag,
              priority, asked_profiles, declared_mime, declared_sha256, failure_reason, failure_detail, scan_verdict,
              media_info AS "media_info: Json<MediaInfo>", playback_epoch, traceparent, deduplicated,
              (SELECT jsonb_build_object('state', b.archive_state, 'class', b.archive_class,
                 'available_until', to_char(b.available_until AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'))
               FROM media.blobs b WHERE b.bucket = a.bucket AND b.key = a.key AND b.archive_state IS NOT NULL) AS "archive: Json<Archive>"
            FROM media.assets a WHERE id = ANY ($1::uuid[])"#,
            &ids,
        )
        .fetch_all(self.0.connection())
        .await?;
        rows.into_iter().map(Asset::try_from).collect()
    }

    /// Changes what a caller may edit; `None` stays as it is.
    ///
    /// # Errors
    /// [`StorageError::Missing`].
    pub async fn edit(&mut self, id: AssetId, filename: Option<&str>, class: Option<RetentionClass>) -> Result<(), StorageError> {
        let done = sqlx::query!(
            "-- assets.edit
            UPDATE media.assets SET original_filename = coalesce($2, original_filename),
              retention_class = coalesce($3, retention_class), etag = etag + 1 WHERE id = $1",
            id.as_uuid(),
            filename,
            class.map(RetentionClass::as_str),
        )
        .execute(self.0.connection())
        .await?;
        exactly_one(done.rows_affected(), StorageError::Missing { what: "asset" })
    }

    /// One asset, locked until the transaction ends: what is decided on it holds.
    ///
    /// # Errors
    /// As [`lookup`](Self::lookup).
    pub async fn lock(&mut self, id: AssetId) -> Result<Option<Asset>, StorageError> {
        sqlx::query!("-- assets.lock\nSELECT id FROM media.assets WHERE id = $1 FOR UPDATE", id.as_uuid())
            .fetch_optional(self.0.connection())
            .await?;
        self.lookup(id).await
    }

    /// A page of assets that are not deleted, newest first, after the one that `after` names.
    ///
    /// # Errors
    /// [`StorageError::BadRow`] if a row cannot be read.
    pub async fn list(
        &mut self,
        filter: &AssetFilter,
        after: Option<(OffsetDateTime, AssetId)>,
        limit: u32,
    ) -> Result<Vec<Asset>, StorageError> {
        let (after_time, after_id) = after.map_or((None, None), |(time, id)| (Some(time), Some(id.as_uuid())));
        // Each filter has an index of its own, in the order of the list. Only a plan for this call's filter can choose it; and as row
        // level security hides from the planner how large the tenant is, it would rather sort what it takes for a few rows.
        sqlx::query!(
            "-- assets.plan_of_list\nSELECT set_config('plan_cache_mode', 'force_custom_plan', true) AS plan, set_config('enable_sort', 'off', true) AS sort"
        )
        .fetch_one(self.0.connection())
        .await?;
        let rows = sqlx::query_as!(
            AssetRow,
            r#"-- assets.list
            SELECT id, tenant_id, owner_user_id, kind, source, status, mime, bucket, key, size_bytes, sha256, original_filename,
              width, height, duration_seconds, retention_class, retention_until, created_at AS "created_at!", deleted_at, etag,
              priority, asked_profiles, declared_mime, declared_sha256, failure_reason, failure_detail, scan_verdict,
              media_info AS "media_info: Json<MediaInfo>", playback_epoch, traceparent, deduplicated,
              (SELECT jsonb_build_object('state', b.archive_state, 'class', b.archive_class,
                 'available_until', to_char(b.available_until AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'))
               FROM media.blobs b WHERE b.bucket = a.bucket AND b.key = a.key AND b.archive_state IS NOT NULL) AS "archive: Json<Archive>"
            FROM media.assets a
            WHERE deleted_at IS NULL
              AND ($1::text IS NULL OR kind = $1) AND ($2::text IS NULL OR status = $2) AND ($3::text IS NULL OR source = $3)
              AND ($4::uuid IS NULL OR owner_user_id = $4) AND ($5::text IS NULL OR sha256 = $5::text::bpchar)
              AND ($6::timestamptz IS NULL OR created_at >= $6) AND ($7::timestamptz IS NULL OR created_at < $7)
              AND ($8::timestamptz IS NULL OR (created_at, id) < ($8, $9::uuid))
            ORDER BY created_at DESC, id DESC LIMIT $10"#,
            filter.kind.map(Kind::as_str),
            filter.status.map(Status::as_str),
            filter.source.map(Source::as_str),
            filter.owner.map(|owner| owner.as_uuid()),
            filter.sha256,
            filter.created_from,
            filter.created_before,
            after_time,
            after_id,
            i64::from(limit),
        )
        .fetch_all(self.0.connection())
        .await?;
        rows.into_iter().map(Asset::try_from).collect()
    }

    /// Moves an asset to its next state by the domain's table of moves.
    ///
    /// # Errors
    /// [`StorageError::IllegalTransition`] if the state that it is in does not lead there; [`StorageError::Missing`].
    pub async fn advance(&mut self, id: AssetId, next: Status) -> Result<(), StorageError> {
        let current = sqlx::query_scalar!("-- assets.advance\nSELECT status FROM media.assets WHERE id = $1 FOR UPDATE", id.as_uuid())
            .fetch_optional(self.0.connection())
            .await?
            .ok_or(StorageError::Missing { what: "asset" })?;
        let from: Status = word(TABLE, "status", id.as_uuid(), &current)?;
        if !from.may_become(next) {
            return Err(IllegalTransition { from, to: next }.into());
        }
        let done = sqlx::query!(
            "-- assets.advance
            UPDATE media.assets SET status = $2, etag = etag + 1,
              failure_reason = CASE WHEN $2 = 'failed' THEN failure_reason END,
              failure_detail = CASE WHEN $2 = 'failed' THEN failure_detail END
            WHERE id = $1 AND status = $3",
            id.as_uuid(),
            next.as_str(),
            from.as_str(),
        )
        .execute(self.0.connection())
        .await?;
        exactly_one(done.rows_affected(), StorageError::Changed { what: "asset" })?;
        if matches!(next, Status::Failed | Status::Quarantined) {
            // Nothing more is made here, nor taken from elsewhere.
            self.0.leave_followers(id).await?;
            self.0.end_following(id).await?;
        }
        Ok(())
    }

    /// Fails an asset with its reason, and tells so.
    ///
    /// # Errors
    /// As [`advance`](Self::advance).
    pub async fn fail(&mut self, id: AssetId, reason: Reason, detail: &str) -> Result<(), StorageError> {
        self.advance(id, Status::Failed).await?;
        let done = sqlx::query!(
            "-- assets.fail\nUPDATE media.assets SET failure_reason = $2, failure_detail = $3 WHERE id = $1",
            id.as_uuid(),
            reason.as_str(),
            detail,
        )
        .execute(self.0.connection())
        .await?;
        exactly_one(done.rows_affected(), StorageError::Missing { what: "asset" })?;
        self.0.outbox().event(&Event::AssetFailed(AssetFailed { asset_id: id, reason })).await
    }

    /// Writes what the scan found.
    ///
    /// # Errors
    /// [`StorageError::Missing`].
    pub async fn set_scanned(&mut self, id: AssetId, scanned: &Scanned) -> Result<(), StorageError> {
        let done = sqlx::query!(
            "-- assets.set_scanned
            UPDATE media.assets SET sha256 = $2::text::bpchar, mime = $3, size_bytes = $4, scan_verdict = $5, scan_signature = $6 WHERE id = $1",
            id.as_uuid(),
            scanned.sha256,
            scanned.mime,
            scanned.size_bytes.cast_signed(),
            scanned.verdict.as_str(),
            scanned.signature,
        )
        .execute(self.0.connection())
        .await?;
        exactly_one(done.rows_affected(), StorageError::Missing { what: "asset" })
    }

    /// Names another object as the original: the one in quarantine.
    ///
    /// # Errors
    /// [`StorageError::Missing`].
    pub async fn set_blob(&mut self, id: AssetId, blob: &BlobName) -> Result<(), StorageError> {
        let done = sqlx::query!(
            "-- assets.set_blob\nUPDATE media.assets SET bucket = $2, key = $3, playback_epoch = playback_epoch + 1 WHERE id = $1",
            id.as_uuid(),
            blob.bucket,
            blob.key,
        )
        .execute(self.0.connection())
        .await?;
        exactly_one(done.rows_affected(), StorageError::Missing { what: "asset" })
    }

    /// Writes what the probe found.
    ///
    /// # Errors
    /// [`StorageError::Missing`].
    pub async fn set_probed(&mut self, id: AssetId, info: &MediaInfo) -> Result<(), StorageError> {
        let shown = info.video.as_ref().map(|v| (v.width, v.height)).or(info.picture.as_ref().map(|p| (p.width, p.height)));
        let seconds = info.duration_ms.map(|ms| i32::try_from(ms.div_ceil(1000)).unwrap_or(i32::MAX));
        let done = sqlx::query!(
            "-- assets.set_probed
            UPDATE media.assets SET width = $2, height = $3, duration_seconds = $4, media_info = $5 WHERE id = $1",
            id.as_uuid(),
            shown.map(|(width, _)| width.cast_signed()),
            shown.map(|(_, height)| height.cast_signed()),
            seconds,
            Json(info) as _,
        )
        .execute(self.0.connection())
        .await?;
        exactly_one(done.rows_affected(), StorageError::Missing { what: "asset" })
    }

    /// Ends every playback token that was given out so far.
    ///
    /// # Errors
    /// [`StorageError::Missing`], also if the asset is deleted.
    pub async fn revoke_playback(&mut self, id: AssetId) -> Result<(), StorageError> {
        let done = sqlx::query!(
            "-- assets.revoke_playback
            UPDATE media.assets SET playback_epoch = playback_epoch + 1 WHERE id = $1 AND deleted_at IS NULL",
            id.as_uuid(),
        )
        .execute(self.0.connection())
        .await?;
        exactly_one(done.rows_affected(), StorageError::Missing { what: "asset" })
    }

    /// Stores what a page can draw before the picture has come.
    ///
    /// # Errors
    /// [`StorageError::Missing`].
    pub async fn set_look(&mut self, id: AssetId, look: &Look) -> Result<(), StorageError> {
        let done = sqlx::query!(
            "-- assets.set_look
            UPDATE media.assets SET media_info = jsonb_set(coalesce(media_info, '{}'), '{look}', $2) WHERE id = $1",
            id.as_uuid(),
            Json(look) as _,
        )
        .execute(self.0.connection())
        .await?;
        exactly_one(done.rows_affected(), StorageError::Missing { what: "asset" })
    }
}
