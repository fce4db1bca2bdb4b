//! Erasures and their receipts. What is done for them is in [`crate::erasing`].

use media_domain::{
    AssetId, BlobName, ErasureId, OwnerId,
    erasure::{Outcome, Scope, nobody},
};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{
    StorageError, TenantTx,
    blobs::in_columns,
    error::{exactly_one, word},
};

const TABLE: &str = "erasures";

/// The erasures of the transaction's tenant.
pub struct Erasures<'t>(pub(crate) &'t mut TenantTx);

/// One erasure as its row has it.
#[derive(Clone, Debug)]
pub struct Erasure {
    pub id: ErasureId,
    pub scope: Scope,
    /// Whose assets go, while it runs: those that were there at `created_at`. A hold may keep it open for years, and what the person
    /// does meanwhile is not what was asked about.
    pub owner: Option<OwnerId>,
    /// Of an owner: SHA-256 of the text `{tenant}/{owner}`, in hexadecimal digits.
    pub owner_sha256: Option<String>,
    pub created_at: OffsetDateTime,
    /// Of a tenant: when its end was told.
    pub told_at: Option<OffsetDateTime>,
    pub finished_at: Option<OffsetDateTime>,
}

/// One line of a receipt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErasureItem {
    pub id: Uuid,
    pub asset: AssetId,
    /// `None`: the asset itself.
    pub object: Option<BlobName>,
    pub outcome: Outcome,
    pub changed_at: OffsetDateTime,
}

impl Erasures<'_> {
    /// Begins an erasure: of this owner's assets, or of all of the tenant.
    ///
    /// # Errors
    /// [`StorageError::Unavailable`] and the like.
    pub async fn insert(&mut self, id: ErasureId, owner: Option<OwnerId>) -> Result<(), StorageError> {
        let tenant = self.0.tenant();
        let scope = if owner.is_some() { Scope::Owner } else { Scope::Tenant };
        sqlx::query!(
            "-- erasures.insert
            INSERT INTO media.erasures (id, tenant_id, scope, owner_user_id, owner_sha256)
            VALUES ($1, $2, $3, $4, sha256(convert_to($5, 'UTF8')))",
            id.as_uuid(),
            tenant.0,
            scope.as_str(),
            owner.map(|owner| owner.as_uuid()) as _,
            owner.map(|owner| format!("{tenant}/{owner}")),
        )
        .execute(self.0.connection())
        .await?;
        Ok(())
    }

    /// One erasure.
    ///
    /// # Errors
    /// [`StorageError::BadRow`] if the row cannot be read.
    pub async fn lookup(&mut self, id: ErasureId) -> Result<Option<Erasure>, StorageError> {
        let row = sqlx::query!(
            r#"-- erasures.lookup
            SELECT scope, owner_user_id AS "owner_user_id: Uuid", encode(owner_sha256, 'hex') AS owner_sha256, created_at, told_at, finished_at FROM media.erasures WHERE id = $1"#,
            id.as_uuid(),
        )
        .fetch_optional(self.0.connection())
        .await?;
        row.map(|row| {
            Ok(Erasure {
                id,
                scope: word(TABLE, "scope", id.as_uuid(), &row.scope)?,
                owner: row.owner_user_id.map(OwnerId::from),
                owner_sha256: row.owner_sha256,
                created_at: row.created_at,
                told_at: row.told_at,
                finished_at: row.finished_at,
            })
        })
        .transpose()
    }

    /// How many lines a receipt has, by outcome, of assets and of objects.
    ///
    /// # Errors
    /// [`StorageError::BadRow`] if a row cannot be read.
    pub async fn counts(&mut self, id: ErasureId) -> Result<Vec<(Outcome, u64, u64)>, StorageError> {
        let rows = sqlx::query!(
            r#"-- erasures.counts
            SELECT outcome, count(*) FILTER (WHERE key = '') AS "assets!", count(*) FILTER (WHERE key <> '') AS "objects!"
            FROM media.erasure_items WHERE erasure_id = $1 GROUP BY outcome ORDER BY outcome"#,
            id.as_uuid(),
        )
        .fetch_all(self.0.connection())
        .await?;
        rows.into_iter()
            .map(|row| {
                let outcome = word("erasure_items", "outcome", id.as_uuid(), &row.outcome)?;
                Ok((outcome, row.assets.unsigned_abs(), row.objects.unsigned_abs()))
            })
            .collect()
    }

    /// A page of a receipt, after the line that `after` names.
    ///
    /// # Errors
    /// [`StorageError::BadRow`] if a row cannot be read.
    pub async fn page(&mut self, id: ErasureId, after: Option<Uuid>, limit: u32) -> Result<Vec<ErasureItem>, StorageError> {
        let rows = sqlx::query!(
            r#"-- erasures.page
            SELECT id AS "id: Uuid", about AS "about: Uuid", bucket, key, outcome, changed_at FROM media.erasure_items
            WHERE erasure_id = $1 AND ($2::uuid IS NULL OR id > $2) ORDER BY id LIMIT $3"#,
            id.as_uuid(),
            after,
            i64::from(limit),
        )
        .fetch_all(self.0.connection())
        .await?;
        rows.into_iter()
            .map(|row| {
                Ok(ErasureItem {
                    id: row.id,
                    asset: row.about.into(),
                    object: (!row.key.is_empty()).then_some(BlobName { bucket: row.bucket, key: row.key }),
                    outcome: word("erasure_items", "outcome", row.id, &row.outcome)?,
                    changed_at: row.changed_at,
                })
            })
            .collect()
    }

    /// Notes what becomes of an asset.
    pub(crate) async fn note(&mut self, id: ErasureId, asset: AssetId, outcome: Outcome) -> Result<(), StorageError> {
        self.note_all(id, asset, &[BlobName { bucket: String::new(), key: String::new() }], outcome).await
    }

    /// Notes what becomes of objects of an asset.
    pub(crate) async fn note_all(
        &mut self,
        id: ErasureId,
        asset: AssetId,
        objects: &[BlobName],
        outcome: Outcome,
    ) -> Result<(), StorageError> {
        let (tenant, (buckets, keys)) = (self.0.tenant().0, in_columns(objects));
        let ids: Vec<Uuid> = objects.iter().map(|_| ErasureId::generate().as_uuid()).collect();
        sqlx::query!(
            "-- erasures.note
            INSERT INTO media.erasure_items AS i (id, tenant_id, erasure_id, about, bucket, key, outcome)
            SELECT n.id, $2, $1, $3, n.bucket, n.key, $7 FROM unnest($4::uuid[], $5::text[], $6::text[]) AS n (id, bucket, key)
            ON CONFLICT (tenant_id, erasure_id, about, bucket, key) DO UPDATE SET outcome = excluded.outcome, changed_at = excluded.changed_at
            WHERE i.outcome <> excluded.outcome",
            id.as_uuid(),
            tenant,
            asset.as_uuid(),
            &ids,
            &buckets,
            &keys,
            outcome.as_str(),
        )
        .execute(self.0.connection())
        .await?;
        Ok(())
    }

    /// The assets that an erasure still has to do with, by id.
    ///
    /// # Errors
    /// [`StorageError::Missing`] if there is no such erasure.
    pub async fn assets_left(&mut self, id: ErasureId, after: Option<AssetId>, limit: i32) -> Result<Vec<AssetId>, StorageError> {
        let erasure = self.lookup(id).await?.ok_or(StorageError::Missing { what: "erasure" })?;
        if erasure.finished_at.is_some() {
            return Ok(Vec::new());
        }
        let tenant = self.0.tenant().0;
        let ids = sqlx::query_scalar!(
            "-- erasures.assets_left
            SELECT id FROM media.assets
            WHERE tenant_id = $1 AND ($2::uuid IS NULL OR owner_user_id = $2 AND created_at <= $5) AND ($3::uuid IS NULL OR id > $3)
            ORDER BY id LIMIT $4",
            tenant,
            erasure.owner.map(|owner| owner.as_uuid()),
            after.map(|after| after.as_uuid()),
            i64::from(limit),
            erasure.created_at,
        )
        .fetch_all(self.0.connection())
        .await?;
        Ok(ids.into_iter().map(AssetId::from).collect())
    }

    /// Whether the receipt says of an asset, and so of what it had then, that a hold keeps it.
    ///
    /// # Errors
    /// [`StorageError::Unavailable`] and the like.
    pub(crate) async fn is_noted_as_held(&mut self, id: ErasureId, asset: AssetId) -> Result<bool, StorageError> {
        Ok(sqlx::query_scalar!(
            r#"-- erasures.is_noted_as_held
            SELECT EXISTS (SELECT FROM media.erasure_items WHERE erasure_id = $1 AND about = $2 AND key = '' AND outcome = 'held') AS "held!""#,
            id.as_uuid(),
            asset.as_uuid(),
        )
        .fetch_one(self.0.connection())
        .await?)
    }

    /// Notes of each asset that somebody else has erased or anonymised meanwhile, that it is, and of each object what has become of it: one
    /// of an asset that stays follows that.
    pub(crate) async fn look_again(&mut self, id: ErasureId) -> Result<(), StorageError> {
        sqlx::query!(
            "-- erasures.look_again
            UPDATE media.erasure_items i SET changed_at = clock_timestamp(),
              outcome = CASE WHEN EXISTS (SELECT FROM media.assets a WHERE a.id = i.about) THEN 'anonymised' ELSE 'erased' END
            WHERE i.erasure_id = $1 AND i.key = '' AND i.outcome IN ('pending', 'held') AND NOT EXISTS (
              SELECT FROM media.assets a JOIN media.erasures e ON e.id = i.erasure_id
              WHERE a.id = i.about AND (e.scope = 'tenant' OR a.owner_user_id <> $2))",
            id.as_uuid(),
            nobody().as_uuid(),
        )
        .execute(self.0.connection())
        .await?;
        sqlx::query!(
            "-- erasures.look_again
            UPDATE media.erasure_items i SET outcome = n.outcome, changed_at = clock_timestamp()
            FROM (
              SELECT j.id, CASE
                WHEN s.outcome = 'held' THEN 'held'
                WHEN b.key IS NULL THEN 'erased'
                WHEN s.outcome = 'anonymised' THEN 'anonymised'
                WHEN b.doomed_at IS NULL THEN 'shared' ELSE 'pending' END AS outcome
              FROM media.erasure_items j
                LEFT JOIN media.blobs b ON b.bucket = j.bucket AND b.key = j.key
                LEFT JOIN media.erasure_items s ON s.erasure_id = j.erasure_id AND s.about = j.about AND s.key = ''
                  AND j.outcome IN ('held', 'anonymised') AND EXISTS (SELECT FROM media.assets a WHERE a.id = j.about)
              WHERE j.erasure_id = $1 AND j.key <> '' AND j.outcome <> 'erased') n
            WHERE i.id = n.id AND i.outcome <> n.outcome",
            id.as_uuid(),
        )
        .execute(self.0.connection())
        .await?;
        Ok(())
    }

    /// Whether objects are still to go.
    pub(crate) async fn is_pending(&mut self, id: ErasureId) -> Result<bool, StorageError> {
        Ok(sqlx::query_scalar!(
            r#"-- erasures.is_pending
            SELECT EXISTS (SELECT FROM media.erasure_items WHERE erasure_id = $1 AND outcome IN ('pending', 'held')) AS "pending!""#,
            id.as_uuid(),
        )
        .fetch_one(self.0.connection())
        .await?)
    }

    /// Notes that a tenant's end was told.
    pub(crate) async fn told(&mut self, id: ErasureId) -> Result<(), StorageError> {
        let done = sqlx::query!(
            "-- erasures.told\nUPDATE media.erasures SET told_at = clock_timestamp() WHERE id = $1 AND told_at IS NULL",
            id.as_uuid()
        )
        .execute(self.0.connection())
        .await?;
        exactly_one(done.rows_affected(), StorageError::Changed { what: "erasure" })
    }

    /// Ends an erasure, and forgets whose it was.
    pub(crate) async fn finish(&mut self, id: ErasureId) -> Result<(), StorageError> {
        let done = sqlx::query!(
            "-- erasures.finish
            UPDATE media.erasures SET state = 'done', finished_at = clock_timestamp(), owner_user_id = NULL WHERE id = $1 AND state = 'running'",
            id.as_uuid()
        )
        .execute(self.0.connection())
        .await?;
        exactly_one(done.rows_affected(), StorageError::Changed { what: "erasure" })
    }
}
