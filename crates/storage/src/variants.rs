//! What was made of an original, one row per profile.

use std::time::Duration;

use media_domain::{AssetId, BlobName, VariantDetails, VariantId, profile::ProfileName};
use serde::{Deserialize, Serialize};
use sqlx::types::Json;
use uuid::Uuid;

use crate::{StorageError, TenantTx, give_up::profile_name};

/// How long the object of a variant that was made again stays: players hold its signed URLs.
const REPLACED_KEPT: Duration = Duration::from_secs(3600);

/// The variants of the transaction's tenant.
pub struct Variants<'t>(pub(crate) &'t mut TenantTx);

/// One CMAF fragment inside the variant's object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fragment {
    /// Bytes from the object's start.
    pub offset: u64,
    pub size: u64,
    pub duration_us: u64,
    /// From the fragment's start to the end of its first sample, where that is a keyframe; else 0, and where nobody counted it.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub keyframe_bytes: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands out references")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// One variant as its row has it.
#[derive(Clone, Debug)]
pub struct Variant {
    pub id: VariantId,
    pub asset: AssetId,
    pub profile: ProfileName,
    pub blob: BlobName,
    pub size_bytes: u64,
    pub mime: String,
    pub width: Option<u32>,
    pub height: Option<u32>,
    /// Mean bits a second.
    pub bitrate: Option<u32>,
    /// Rises when the variant is made again.
    pub generation: u32,
    /// RFC 6381.
    pub codec: Option<String>,
    /// Frames a second, as `numerator/denominator`.
    pub frame_rate: Option<String>,
    pub duration_ms: Option<u64>,
    /// Bytes before the first fragment.
    pub init_bytes: Option<u32>,
    pub fragments: Vec<Fragment>,
    /// BCP 47: of the sound or text, where the file says one.
    pub language: Option<String>,
    /// Of the sound.
    pub channels: Option<u32>,
    pub details: VariantDetails,
}

struct VariantRow {
    id: Uuid,
    asset_id: Uuid,
    profile: String,
    bucket: String,
    key: String,
    size_bytes: Option<i64>,
    mime: Option<String>,
    width: Option<i32>,
    height: Option<i32>,
    bitrate: Option<i32>,
    generation: i32,
    codec: Option<String>,
    frame_rate: Option<String>,
    duration_ms: Option<i64>,
    init_bytes: Option<i32>,
    fragments: Option<Json<Vec<Fragment>>>,
    language: Option<String>,
    channels: Option<i16>,
    details: Option<Json<VariantDetails>>,
}

impl TryFrom<VariantRow> for Variant {
    type Error = StorageError;

    fn try_from(row: VariantRow) -> Result<Self, StorageError> {
        Ok(Variant {
            id: row.id.into(),
            asset: row.asset_id.into(),
            profile: profile_name("variants", row.id, row.profile)?,
            blob: BlobName { bucket: row.bucket, key: row.key },
            size_bytes: row.size_bytes.unwrap_or_default().unsigned_abs(),
            mime: row.mime.unwrap_or_default(),
            width: row.width.map(i32::unsigned_abs),
            height: row.height.map(i32::unsigned_abs),
            bitrate: row.bitrate.map(i32::unsigned_abs),
            generation: row.generation.unsigned_abs(),
            codec: row.codec,
            frame_rate: row.frame_rate,
            duration_ms: row.duration_ms.map(i64::unsigned_abs),
            init_bytes: row.init_bytes.map(i32::unsigned_abs),
            fragments: row.fragments.map(|json| json.0).unwrap_or_default(),
            language: row.language,
            channels: row.channels.map(|channels| u32::from(channels.unsigned_abs())),
            details: row.details.map(|json| json.0).unwrap_or_default(),
        })
    }
}

impl Variants<'_> {
    /// Writes a variant. One made again takes the row over under its old id; the object that the row named before
    /// is doomed, unless another asset shares it.
    ///
    /// # Errors
    /// [`StorageError::Changed`] if the object is doomed.
    pub async fn put(&mut self, variant: &Variant) -> Result<VariantId, StorageError> {
        let before = self.lookup(variant.asset, &variant.profile).await?.map(|before| before.blob).filter(|before| before != &variant.blob);
        self.0.blobs().put(&variant.blob, None, Some(variant.size_bytes)).await?;
        let id = sqlx::query_scalar!(
            "-- variants.put
            INSERT INTO media.variants (id, tenant_id, asset_id, profile, bucket, key, size_bytes, mime, width, height, bitrate,
              generation, codec, frame_rate, duration_ms, init_bytes, fragments, language, channels, details)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20)
            ON CONFLICT (tenant_id, asset_id, profile) DO UPDATE SET bucket = excluded.bucket, key = excluded.key,
              size_bytes = excluded.size_bytes, mime = excluded.mime, width = excluded.width, height = excluded.height,
              bitrate = excluded.bitrate, generation = excluded.generation, codec = excluded.codec, frame_rate = excluded.frame_rate,
              duration_ms = excluded.duration_ms, init_bytes = excluded.init_bytes, fragments = excluded.fragments,
              language = excluded.language, channels = excluded.channels, details = excluded.details
            RETURNING id",
            variant.id.as_uuid(),
            self.0.tenant().0,
            variant.asset.as_uuid(),
            variant.profile.as_str(),
            variant.blob.bucket,
            variant.blob.key,
            variant.size_bytes.cast_signed(),
            variant.mime,
            variant.width.map(u32::cast_signed),
            variant.height.map(u32::cast_signed),
            variant.bitrate.map(u32::cast_signed),
            variant.generation.cast_signed(),
            variant.codec,
            variant.frame_rate,
            variant.duration_ms.map(u64::cast_signed),
            variant.init_bytes.map(u32::cast_signed),
            Json(&variant.fragments) as _,
            variant.language,
            variant.channels.map(|channels| i16::try_from(channels).unwrap_or(i16::MAX)),
            Json(&variant.details) as _,
        )
        .fetch_one(self.0.connection())
        .await?;
        if let Some(before) = before {
            self.0.blobs().doom_left(&[before], REPLACED_KEPT).await?;
        }
        Ok(id.into())
    }

    /// Gives an asset a variant that another one with the same bytes has: a row of its own that names the same object. `None` if
    /// the asset has one by this profile, or the object is doomed.
    ///
    /// # Errors
    /// [`StorageError::Refused`] if the asset is not there.
    pub(crate) async fn share(&mut self, from: &Variant, with: AssetId) -> Result<Option<VariantId>, StorageError> {
        let id = sqlx::query_scalar!(
            "-- variants.share
            INSERT INTO media.variants (id, tenant_id, asset_id, profile, bucket, key, size_bytes, mime, width, height, bitrate,
              generation, codec, frame_rate, duration_ms, init_bytes, fragments, language, channels, details)
            SELECT $1, v.tenant_id, $3, v.profile, v.bucket, v.key, v.size_bytes, v.mime, v.width, v.height, v.bitrate,
              v.generation, v.codec, v.frame_rate, v.duration_ms, v.init_bytes, v.fragments, v.language, v.channels, v.details
            FROM media.variants v JOIN media.blobs b ON b.bucket = v.bucket AND b.key = v.key AND b.doomed_at IS NULL
            WHERE v.id = $2
            ON CONFLICT (tenant_id, asset_id, profile) DO NOTHING RETURNING id",
            VariantId::generate().as_uuid(),
            from.id.as_uuid(),
            with.as_uuid(),
        )
        .fetch_optional(self.0.connection())
        .await?;
        Ok(id.map(VariantId::from))
    }

    /// One variant.
    ///
    /// # Errors
    /// [`StorageError::BadRow`] if the row cannot be read.
    pub async fn lookup(&mut self, asset: AssetId, profile: &ProfileName) -> Result<Option<Variant>, StorageError> {
        Ok(self.list(asset).await?.into_iter().find(|variant| &variant.profile == profile))
    }

    /// The variants of several assets, by profile; of each index of fragments only the first, which says that there is one.
    ///
    /// # Errors
    /// [`StorageError::BadRow`] if a row cannot be read.
    pub async fn list_many(&mut self, assets: &[AssetId]) -> Result<Vec<Variant>, StorageError> {
        let assets: Vec<Uuid> = assets.iter().map(AssetId::as_uuid).collect();
        let rows = sqlx::query_as!(
            VariantRow,
            r#"-- variants.list_many
            SELECT id, asset_id, profile, bucket, key, size_bytes, mime, width, height, bitrate, generation, codec, frame_rate,
              duration_ms, init_bytes, jsonb_path_query_array(fragments, '$[0]') AS "fragments: Json<Vec<Fragment>>", language, channels,
              details AS "details: Json<VariantDetails>"
            FROM media.variants WHERE asset_id = ANY ($1::uuid[]) ORDER BY profile"#,
            &assets,
        )
        .fetch_all(self.0.connection())
        .await?;
        rows.into_iter().map(Variant::try_from).collect()
    }

    /// The variants of an asset, by profile.
    ///
    /// # Errors
    /// [`StorageError::BadRow`] if a row cannot be read.
    pub async fn list(&mut self, asset: AssetId) -> Result<Vec<Variant>, StorageError> {
        let rows = sqlx::query_as!(
            VariantRow,
            r#"-- variants.list
            SELECT id, asset_id, profile, bucket, key, size_bytes, mime, width, height, bitrate, generation, codec, frame_rate,
              duration_ms, init_bytes, fragments AS "fragments: Json<Vec<Fragment>>", language, channels,
              details AS "details: Json<VariantDetails>"
            FROM media.variants WHERE asset_id = $1 ORDER BY profile"#,
            asset.as_uuid(),
        )
        .fetch_all(self.0.connection())
        .await?;
        rows.into_iter().map(Variant::try_from).collect()
    }
}
