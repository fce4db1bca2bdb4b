//! What was given up, for a person to look at.

use media_domain::Reason;
use serde_json::json;
use ulid::Ulid;

use crate::{StorageError, TenantTx, work::Lease};

/// The dead letters of the transaction's tenant.
pub struct DeadLetters<'t>(pub(crate) &'t mut TenantTx);

impl DeadLetters<'_> {
    /// Notes a piece of work that was given up.
    ///
    /// # Errors
    /// [`StorageError::Unavailable`] and the like.
    pub async fn insert(&mut self, lease: &Lease, reason: Reason, detail: &str) -> Result<(), StorageError> {
        #[expect(clippy::disallowed_methods, reason = "a dead letter's id identifies nothing that another row names")]
        let id = uuid::Uuid::from(Ulid::generate());
        sqlx::query!(
            "-- dead_letters.insert
            INSERT INTO media.dead_letters (id, tenant_id, queue, work_id, reason, traceparent, body) VALUES ($1, $2, $3, $4, $5, $6, $7)",
            id,
            self.0.tenant().0,
            lease.group.queue().as_str(),
            lease.work.as_uuid(),
            reason.as_str(),
            lease.traceparent,
            json!({ "assetId": lease.asset, "group": lease.group, "attempt": lease.attempt, "detail": detail }),
        )
        .execute(self.0.connection())
        .await?;
        Ok(())
    }
}
