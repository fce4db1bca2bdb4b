//! How much of its quota a tenant takes: originals that are stored, uploads that are open, and imports that are under way.
//!
//! Triggers on uploads, imports and blobs count (migrations 0012 and 0016), so that every way in which one can end releases its bytes. The
//! tenant's row is the last that a transaction locks, but for the policy: after it, nothing that another may hold.

use media_domain::{
    AssetId,
    event::{Event, QuotaWarned},
    policy::{WARNING_PERCENTS, reached_percent},
};

use crate::{StorageError, TenantTx, error::exactly_one};

/// The quota of the transaction's tenant.
pub struct Quota<'t>(pub(crate) &'t mut TenantTx);

/// What counts against the quota.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taken {
    /// Of originals that are stored, each object once.
    pub used_bytes: u64,
    /// Of uploads that are open and imports that are under way.
    pub reserved_bytes: u64,
    /// The step of the quota that was told of last.
    warned_percent: u8,
}

impl Taken {
    /// Both together.
    pub fn bytes(&self) -> u64 {
        self.used_bytes.saturating_add(self.reserved_bytes)
    }
}

impl Quota<'_> {
    /// What is taken, locked until the transaction ends: what is decided on it holds.
    ///
    /// # Errors
    /// [`StorageError::Unavailable`] and the like.
    pub async fn lock(&mut self) -> Result<Taken, StorageError> {
        let tenant = self.0.tenant().0;
        let row = sqlx::query!(
            "-- quota.lock
            INSERT INTO media.tenant_usage (tenant_id) VALUES ($1) ON CONFLICT (tenant_id) DO UPDATE SET tenant_id = excluded.tenant_id
            RETURNING used_bytes, reserved_bytes, warned_percent",
            tenant,
        )
        .fetch_one(self.0.connection())
        .await?;
        Ok(Taken {
            used_bytes: row.used_bytes.unsigned_abs(),
            reserved_bytes: row.reserved_bytes.unsigned_abs(),
            warned_percent: u8::try_from(row.warned_percent).unwrap_or_default(),
        })
    }

    /// Tells of each step of the quota that was reached since it was last told of. A step is told of again once the sum has
    /// been below it.
    ///
    /// # Errors
    /// [`StorageError::Unavailable`] and the like.
    pub async fn warn(&mut self, quota_bytes: Option<u64>) -> Result<(), StorageError> {
        let taken = self.lock().await?;
        let reached = quota_bytes.map_or(0, |quota| reached_percent(taken.bytes(), quota));
        if reached == taken.warned_percent {
            return Ok(());
        }
        let tenant = self.0.tenant();
        let done = sqlx::query!(
            "-- quota.warn\nUPDATE media.tenant_usage SET warned_percent = $2 WHERE tenant_id = $1",
            tenant.0,
            i16::from(reached)
        )
        .execute(self.0.connection())
        .await?;
        exactly_one(done.rows_affected(), StorageError::Missing { what: "tenant" })?;
        for percent in WARNING_PERCENTS.into_iter().filter(|percent| (taken.warned_percent + 1..=reached).contains(percent)) {
            let warned = QuotaWarned {
                tenant_id: tenant,
                percent,
                used_bytes: taken.used_bytes,
                reserved_bytes: taken.reserved_bytes,
                quota_bytes: quota_bytes.unwrap_or_default(),
            };
            self.0.outbox().event(&Event::QuotaWarned(warned)).await?;
        }
        Ok(())
    }
}

impl TenantTx {
    /// Lets a new asset in, whose upload this transaction has just opened, or does not: exactly, also where many ask at once.
    /// Says until when it is kept. The last act of its transaction.
    ///
    /// # Errors
    /// [`StorageError::QuotaExceeded`]: then the transaction must not be committed.
    pub async fn admit(&mut self, asset: AssetId, asked_bytes: u64) -> Result<(), StorageError> {
        self.fit_quota(asked_bytes).await?;
        self.settle_retention(&[asset]).await
    }

    /// Refuses what this transaction has reserved if that is more than there is room for, and warns of what is reached. `asked_bytes`
    /// of it are what is asked for.
    pub(crate) async fn fit_quota(&mut self, asked_bytes: u64) -> Result<(), StorageError> {
        let taken = self.quota().lock().await?;
        let policy = self.tenant_policies().current().await?.policy;
        if let Some(quota_bytes) = policy.quota_bytes.filter(|quota| taken.bytes() > *quota) {
            let reserved_bytes = taken.reserved_bytes.saturating_sub(asked_bytes);
            return Err(StorageError::QuotaExceeded { used_bytes: taken.used_bytes, reserved_bytes, asked_bytes, quota_bytes });
        }
        self.quota().warn(policy.quota_bytes).await
    }
}
