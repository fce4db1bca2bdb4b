//! What a tenant decided for itself. A column without a value, and a tenant without a row, follow the defaults.

use std::collections::BTreeMap;

use media_domain::{Kind, TenantPolicy};
use sqlx::types::Json;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{StorageError, TenantTx, error::word, give_up::profile_name};

const TABLE: &str = "tenant_policies";

/// The policy of the transaction's tenant.
pub struct TenantPolicies<'t>(pub(crate) &'t mut TenantTx);

/// A policy, and which version of it.
#[derive(Clone, Debug)]
pub struct StoredPolicy {
    pub policy: TenantPolicy,
    /// 0: the tenant has decided nothing yet.
    pub etag: i64,
    pub updated_at: Option<OffsetDateTime>,
}

struct PolicyRow {
    tenant_id: Uuid,
    etag: i64,
    operational_days: Option<i32>,
    ai_generated_days: Option<i32>,
    grace_days: Option<i32>,
    archive_after_days: Option<i32>,
    quota_bytes: Option<i64>,
    max_bytes: Option<Json<BTreeMap<Kind, u64>>>,
    captions: Option<String>,
    caption_visibility: Option<String>,
    caption_languages: Option<Vec<String>>,
    profiles: Option<Vec<String>>,
    updated_at: OffsetDateTime,
}

impl TryFrom<PolicyRow> for StoredPolicy {
    type Error = StorageError;

    fn try_from(row: PolicyRow) -> Result<Self, StorageError> {
        let default = TenantPolicy::default();
        let days = |given: Option<i32>, default: u32| given.map_or(default, i32::unsigned_abs);
        let policy = TenantPolicy {
            operational_days: days(row.operational_days, default.operational_days),
            ai_generated_days: days(row.ai_generated_days, default.ai_generated_days),
            grace_days: days(row.grace_days, default.grace_days),
            archive_after_days: days(row.archive_after_days, default.archive_after_days),
            quota_bytes: row.quota_bytes.map(i64::unsigned_abs),
            max_bytes: row.max_bytes.map(|json| json.0).unwrap_or_default(),
            captions: match row.captions {
                Some(text) => word(TABLE, "captions", row.tenant_id, &text)?,
                None => default.captions,
            },
            caption_visibility: match row.caption_visibility {
                Some(text) => word(TABLE, "caption_visibility", row.tenant_id, &text)?,
                None => default.caption_visibility,
            },
            caption_languages: row.caption_languages.unwrap_or_default(),
            profiles: row
                .profiles
                .unwrap_or_default()
                .into_iter()
                .map(|name| profile_name(TABLE, row.tenant_id, name))
                .collect::<Result<_, _>>()?,
        };
        Ok(StoredPolicy { policy, etag: row.etag, updated_at: Some(row.updated_at) })
    }
}

impl TenantPolicies<'_> {
    /// The policy as it is now.
    ///
    /// # Errors
    /// [`StorageError::BadRow`] if the row cannot be read.
    pub async fn current(&mut self) -> Result<StoredPolicy, StorageError> {
        let tenant = self.0.tenant().0;
        let row = sqlx::query_as!(
            PolicyRow,
            r#"-- tenant_policies.current
            SELECT tenant_id, etag, operational_days, ai_generated_days, grace_days, archive_after_days, quota_bytes,
              max_bytes AS "max_bytes: Json<BTreeMap<Kind, u64>>", captions, caption_visibility, caption_languages, profiles, updated_at
            FROM media.tenant_policies WHERE tenant_id = $1"#,
            tenant,
        )
        .fetch_optional(self.0.connection())
        .await?;
        match row {
            Some(row) => row.try_into(),
            None => Ok(StoredPolicy { policy: TenantPolicy::default(), etag: 0, updated_at: None }),
        }
    }

    /// Writes a policy in place of the one before, which the caller has read in this transaction under the lock of the
    /// tenant's usage. Where the days of a class changed, the janitor reckons every asset's retention anew.
    ///
    /// # Errors
    /// [`StorageError::Refused`] if a value is not one that the schema takes.
    pub async fn put(&mut self, policy: &TenantPolicy, before: &TenantPolicy, by: &str) -> Result<StoredPolicy, StorageError> {
        let default = TenantPolicy::default();
        let days = |value: u32, default: u32| (value != default).then(|| value.cast_signed());
        let is_of_retention = (policy.operational_days, policy.ai_generated_days) != (before.operational_days, before.ai_generated_days);
        let tenant = self.0.tenant().0;
        sqlx::query!(
            "-- tenant_policies.put
            INSERT INTO media.tenant_policies AS p (tenant_id, operational_days, ai_generated_days, grace_days, archive_after_days,
              quota_bytes, max_bytes, captions, caption_visibility, caption_languages, updated_by, applied_etag, profiles)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, CASE WHEN $12 THEN 0 ELSE 1 END, $13)
            ON CONFLICT (tenant_id) DO UPDATE SET etag = p.etag + 1, operational_days = excluded.operational_days,
              ai_generated_days = excluded.ai_generated_days, grace_days = excluded.grace_days,
              archive_after_days = excluded.archive_after_days, quota_bytes = excluded.quota_bytes, max_bytes = excluded.max_bytes,
              captions = excluded.captions, caption_visibility = excluded.caption_visibility,
              caption_languages = excluded.caption_languages, profiles = excluded.profiles, updated_by = excluded.updated_by, updated_at = now(),
              applied_to_id = CASE WHEN $12 THEN NULL ELSE p.applied_to_id END,
              applied_etag = CASE WHEN $12 OR p.applied_etag <> p.etag THEN p.applied_etag ELSE p.etag + 1 END",
            tenant,
            days(policy.operational_days, default.operational_days),
            days(policy.ai_generated_days, default.ai_generated_days),
            days(policy.grace_days, default.grace_days),
            days(policy.archive_after_days, default.archive_after_days),
            policy.quota_bytes.map(u64::cast_signed),
            (!policy.max_bytes.is_empty()).then_some(Json(&policy.max_bytes)) as _,
            (policy.captions != default.captions).then(|| policy.captions.as_str()),
            (policy.caption_visibility != default.caption_visibility).then(|| policy.caption_visibility.as_str()),
            (!policy.caption_languages.is_empty()).then_some(policy.caption_languages.as_slice()) as _,
            by,
            is_of_retention,
            (!policy.profiles.is_empty()).then(|| policy.profiles.iter().map(ToString::to_string).collect::<Vec<_>>()) as _,
        )
        .execute(self.0.connection())
        .await?;
        self.current().await
    }
}
