//! What was made under a caller's request id: a create that is sent again makes nothing new.

use media_domain::limits::REQUEST_ID_KEPT;
use uuid::Uuid;

use crate::{StorageError, TenantTx};

/// The request ids of the transaction's tenant.
pub struct RequestIds<'t>(pub(crate) &'t mut TenantTx);

/// Under which name a create is remembered: request ids of different callers and methods have nothing to do with each other.
#[derive(Clone, Copy, Debug)]
pub struct RequestKey<'a> {
    /// Of the token's subject.
    pub caller_sha256: [u8; 32],
    pub method: &'a str,
    pub request_id: &'a str,
}

/// What an earlier call made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remembered {
    /// Of the earlier request, without its id.
    pub request_sha256: Vec<u8>,
    pub resource: Uuid,
}

impl RequestIds<'_> {
    /// What was made under this key in the last 24 hours.
    ///
    /// # Errors
    /// [`StorageError::Unavailable`] and the like.
    pub async fn lookup(&mut self, key: &RequestKey<'_>) -> Result<Option<Remembered>, StorageError> {
        Ok(sqlx::query_as!(
            Remembered,
            r#"-- request_ids.lookup
            SELECT request_sha256, resource_id AS "resource: Uuid" FROM media.request_ids
            WHERE caller_sha256 = $1 AND method = $2 AND request_id = $3 AND created_at > clock_timestamp() - make_interval(secs => $4)"#,
            key.caller_sha256.as_slice(),
            key.method,
            key.request_id,
            REQUEST_ID_KEPT.as_secs_f64(),
        )
        .fetch_optional(self.0.connection())
        .await?)
    }

    /// Remembers what this transaction makes. Answers what another one made under the same key, and then remembers nothing; while
    /// that other one is not over yet, it is waited for.
    ///
    /// # Errors
    /// [`StorageError::Changed`] if what was there a moment ago is gone: the same call again succeeds.
    pub async fn remember(
        &mut self,
        key: &RequestKey<'_>,
        request_sha256: [u8; 32],
        resource: Uuid,
    ) -> Result<Option<Remembered>, StorageError> {
        let done = sqlx::query!(
            "-- request_ids.remember
            INSERT INTO media.request_ids (tenant_id, caller_sha256, method, request_id, request_sha256, resource_id)
            VALUES ($1, $2, $3, $4, $5, $6)
            ON CONFLICT (tenant_id, caller_sha256, method, request_id) DO UPDATE
              SET request_sha256 = excluded.request_sha256, resource_id = excluded.resource_id, created_at = excluded.created_at
              WHERE request_ids.created_at <= clock_timestamp() - make_interval(secs => $7)",
            self.0.tenant().0,
            key.caller_sha256.as_slice(),
            key.method,
            key.request_id,
            request_sha256.as_slice(),
            resource,
            REQUEST_ID_KEPT.as_secs_f64(),
        )
        .execute(self.0.connection())
        .await?;
        if done.rows_affected() == 1 {
            return Ok(None);
        }
        self.lookup(key).await?.ok_or(StorageError::Changed { what: "request id" }).map(Some)
    }
}
