//! What workers claim, hold and finish. Every write names the attempt: one whose lease was taken changes no row.

use std::time::Duration;

use media_domain::{
    AssetId, Reason, TenantId, WorkId,
    command::Delay,
    work::{Group, Queue, UNDETERMINED, WorkState},
};

use crate::{
    StorageError, TenantTx,
    error::{exactly_one, word},
};

/// How many errors and lost leases a piece of work may have before it is given up.
pub const MAX_FAILURES: u32 = 3;

/// The work of the transaction's tenant.
pub struct Work<'t>(pub(crate) &'t mut TenantTx);

/// The right to work on one row, for a while. `(work, attempt)` is the fence.
#[derive(Clone, Debug)]
pub struct Lease {
    pub work: WorkId,
    pub tenant: TenantId,
    pub asset: AssetId,
    pub group: Group,
    /// How often the row has been claimed, this time included.
    pub attempt: i32,
    /// Errors and lost leases before this attempt.
    pub failures: u32,
    /// Of captions: the language that was asked for; `None`: the model finds out.
    pub language: Option<String>,
    /// W3C trace context of what planned the work.
    pub traceparent: Option<String>,
    /// Which worker holds it, by the name of its process.
    pub owner: Option<String>,
}

/// What became of a wish for captions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CaptionWork {
    Planned(WorkId),
    /// The same already waits or runs.
    UnderWay(WorkId),
    /// The asset is being heard for another language: it takes one after the other.
    Busy,
}

/// What the database answers to a heartbeat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heartbeat {
    Held,
    /// The asset was deleted or the job cancelled: stop soon.
    CancelRequested,
}

impl Work<'_> {
    /// Plans a piece of work and asks its worker to come. Nothing happens if the same is already waiting or running.
    ///
    /// # Errors
    /// [`StorageError::Refused`] if the asset is not there.
    pub async fn plan(&mut self, asset: AssetId, group: Group, priority: i16) -> Result<Option<WorkId>, StorageError> {
        self.plan_in(asset, group, priority, None).await
    }

    /// Plans that an asset's speech is written down in a language; `None`: the one that the model finds.
    ///
    /// # Errors
    /// [`StorageError::Refused`] if the asset is not there.
    pub async fn plan_captions(&mut self, asset: AssetId, language: Option<&str>, priority: i16) -> Result<CaptionWork, StorageError> {
        self.plan_heard(asset, Group::Captions, language, priority).await
    }

    /// Plans that an asset's speech is made, so that it is written down in a language; `None`: the one that the model finds.
    ///
    /// # Errors
    /// [`StorageError::Refused`] if the asset is not there.
    pub async fn plan_speech(&mut self, asset: AssetId, language: Option<&str>, priority: i16) -> Result<CaptionWork, StorageError> {
        self.plan_heard(asset, Group::Speech, Some(language.unwrap_or(UNDETERMINED)), priority).await
    }

    async fn plan_heard(
        &mut self,
        asset: AssetId,
        group: Group,
        language: Option<&str>,
        priority: i16,
    ) -> Result<CaptionWork, StorageError> {
        if let Some(id) = self.plan_in(asset, group, priority, language).await? {
            return Ok(CaptionWork::Planned(id));
        }
        let live = sqlx::query!(
            "-- work.plan_captions
            SELECT id, language FROM media.work WHERE asset_id = $1 AND group_name = $2 AND state IN ('waiting', 'running')",
            asset.as_uuid(),
            group.as_str(),
        )
        .fetch_optional(self.0.connection())
        .await?;
        let or_any = |language: Option<&str>| language.unwrap_or(UNDETERMINED).to_owned();
        Ok(match live {
            Some(live) if or_any(live.language.as_deref()) == or_any(language) => CaptionWork::UnderWay(live.id.into()),
            // Where it ended meanwhile, the caller's next try plans it.
            _ => CaptionWork::Busy,
        })
    }

    /// As [`plan`](Self::plan), in the language that an earlier piece of the same work had.
    pub(crate) async fn plan_in(
        &mut self,
        asset: AssetId,
        group: Group,
        priority: i16,
        language: Option<&str>,
    ) -> Result<Option<WorkId>, StorageError> {
        let id = WorkId::generate();
        let (traceparent, _, _) = self.0.cause();
        let done = sqlx::query!(
            "-- work.plan
            INSERT INTO media.work (id, tenant_id, asset_id, queue, group_name, priority, rank, traceparent, language)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
            ON CONFLICT (tenant_id, asset_id, group_name) WHERE state IN ('waiting', 'running') DO NOTHING",
            id.as_uuid(),
            self.0.tenant().0,
            asset.as_uuid(),
            group.queue().as_str(),
            group.as_str(),
            priority,
            group.rank(),
            traceparent,
            language,
        )
        .execute(self.0.connection())
        .await?;
        if done.rows_affected() == 0 {
            return Ok(None);
        }
        self.0.outbox().command(group.queue(), asset, id, None).await?;
        Ok(Some(id))
    }

    /// Reads what was claimed. `None` if the attempt no longer holds it.
    ///
    /// # Errors
    /// [`StorageError::BadRow`] if the row cannot be read.
    pub async fn lookup_lease(&mut self, work: WorkId, attempt: i32) -> Result<Option<Lease>, StorageError> {
        let tenant = self.0.tenant();
        let row = sqlx::query!(
            "-- work.lookup_lease
            SELECT asset_id, group_name, failures, language, traceparent, lease_owner FROM media.work
            WHERE id = $1 AND attempts = $2 AND state = 'running'",
            work.as_uuid(),
            attempt,
        )
        .fetch_optional(self.0.connection())
        .await?;
        row.map(|row| {
            Ok(Lease {
                work,
                tenant,
                asset: row.asset_id.into(),
                group: word("work", "group_name", work.as_uuid(), &row.group_name)?,
                attempt,
                failures: row.failures.unsigned_abs(),
                language: row.language,
                traceparent: row.traceparent,
                owner: row.lease_owner,
            })
        })
        .transpose()
    }

    /// Locks a lease that has ended, so that it can be given back or up. `None` if it was prolonged or taken meanwhile.
    ///
    /// # Errors
    /// [`StorageError::BadRow`] if the row cannot be read.
    pub async fn lock_expired(&mut self, work: WorkId, attempt: i32) -> Result<Option<Lease>, StorageError> {
        let expired = sqlx::query_scalar!(
            "-- work.lock_expired
            SELECT id FROM media.work WHERE id = $1 AND attempts = $2 AND state = 'running' AND lease_until < clock_timestamp() FOR UPDATE",
            work.as_uuid(),
            attempt,
        )
        .fetch_optional(self.0.connection())
        .await?;
        if expired.is_some() { self.lookup_lease(work, attempt).await } else { Ok(None) }
    }

    /// Holds a lease until the transaction ends, for what its attempt writes before the end of the work.
    ///
    /// # Errors
    /// [`StorageError::LeaseLost`] if another attempt has it, or it was cancelled.
    pub async fn hold(&mut self, lease: &Lease) -> Result<(), StorageError> {
        sqlx::query_scalar!(
            "-- work.hold
            SELECT id FROM media.work WHERE id = $1 AND attempts = $2 AND state = 'running' AND NOT cancel_requested FOR UPDATE",
            lease.work.as_uuid(),
            lease.attempt,
        )
        .fetch_optional(self.0.connection())
        .await?
        .map(drop)
        .ok_or(StorageError::LeaseLost)
    }

    /// Prolongs a lease.
    ///
    /// # Errors
    /// [`StorageError::LeaseLost`] if another attempt has it, or nobody.
    pub async fn heartbeat(&mut self, lease: &Lease, length: Duration) -> Result<Heartbeat, StorageError> {
        let cancel = sqlx::query_scalar!(
            "-- work.heartbeat
            UPDATE media.work SET lease_until = clock_timestamp() + make_interval(secs => $3)
            WHERE id = $1 AND attempts = $2 AND state = 'running' RETURNING cancel_requested",
            lease.work.as_uuid(),
            lease.attempt,
            length.as_secs_f64(),
        )
        .fetch_optional(self.0.connection())
        .await?;
        match cancel {
            Some(false) => Ok(Heartbeat::Held),
            Some(true) => Ok(Heartbeat::CancelRequested),
            None => Err(StorageError::LeaseLost),
        }
    }

    /// Takes the lease's row for the rest of the transaction and ends it well. What follows in the transaction commits
    /// with it or not at all.
    ///
    /// # Errors
    /// [`StorageError::LeaseLost`] if another attempt has it, or it was cancelled.
    pub async fn complete(&mut self, lease: &Lease) -> Result<(), StorageError> {
        let done = sqlx::query!(
            "-- work.complete
            UPDATE media.work SET state = 'succeeded', lease_owner = NULL, lease_until = NULL, finished_at = clock_timestamp(),
              reason = NULL, error_message = NULL
            WHERE id = $1 AND attempts = $2 AND state = 'running' AND NOT cancel_requested",
            lease.work.as_uuid(),
            lease.attempt,
        )
        .execute(self.0.connection())
        .await?;
        exactly_one(done.rows_affected(), StorageError::LeaseLost)
    }

    /// Ends a lease badly and for good. What follows from it for jobs and asset is `TenantTx::give_up`.
    pub(crate) async fn end_failed(&mut self, lease: &Lease, reason: Reason, message: &str) -> Result<(), StorageError> {
        let done = sqlx::query!(
            "-- work.fail
            UPDATE media.work SET state = 'failed', failures = failures + 1, lease_owner = NULL, lease_until = NULL,
              finished_at = clock_timestamp(), reason = $3, error_message = $4
            WHERE id = $1 AND attempts = $2 AND state = 'running'",
            lease.work.as_uuid(),
            lease.attempt,
            reason.as_str(),
            message,
        )
        .execute(self.0.connection())
        .await?;
        exactly_one(done.rows_affected(), StorageError::LeaseLost)
    }

    /// Gives a lease back; cancelled work ends with it. With `failed`, it counts as a failure and says why; on SIGTERM it does not.
    ///
    /// # Errors
    /// [`StorageError::LeaseLost`] if another attempt has it.
    pub async fn release(&mut self, lease: &Lease, delay: Option<Delay>, failed: Option<(Reason, &str)>) -> Result<(), StorageError> {
        let (reason, message) = failed.unzip();
        let done = sqlx::query!(
            "-- work.release
            UPDATE media.work SET state = CASE WHEN cancel_requested THEN 'cancelled' ELSE 'waiting' END, lease_owner = NULL, lease_until = NULL,
              not_before = clock_timestamp() + make_interval(secs => $3),
              failures = failures + CASE WHEN $4::text IS NULL THEN 0 ELSE 1 END,
              reason = coalesce($4, reason), error_message = coalesce($5, error_message)
            WHERE id = $1 AND attempts = $2 AND state = 'running'",
            lease.work.as_uuid(),
            lease.attempt,
            delay.map_or(0.0, |delay| f64::from(delay.millis()) / 1000.0),
            reason.map(Reason::as_str),
            message,
        )
        .execute(self.0.connection())
        .await?;
        exactly_one(done.rows_affected(), StorageError::LeaseLost)?;
        self.0.transcode_jobs().wait_again(lease.work).await?;
        self.0.outbox().command(lease.group.queue(), lease.asset, lease.work, delay).await
    }

    /// Gives a lease back to be tried anew, as if nothing had gone wrong yet: another part of its jobs is left.
    pub(crate) async fn start_over(&mut self, lease: &Lease) -> Result<(), StorageError> {
        let done = sqlx::query!(
            "-- work.start_over\nUPDATE media.work SET failures = 0 WHERE id = $1 AND attempts = $2 AND state = 'running'",
            lease.work.as_uuid(),
            lease.attempt,
        )
        .execute(self.0.connection())
        .await?;
        exactly_one(done.rows_affected(), StorageError::LeaseLost)?;
        self.release(lease, None, None).await
    }

    /// Ends a cancelled lease. Where the deletion that cancelled it was taken back meanwhile, the work waits again.
    ///
    /// # Errors
    /// [`StorageError::LeaseLost`] if another attempt has it.
    pub async fn cancelled(&mut self, lease: &Lease) -> Result<(), StorageError> {
        let done = sqlx::query!(
            "-- work.cancelled
            UPDATE media.work SET state = 'cancelled', lease_owner = NULL, lease_until = NULL, finished_at = clock_timestamp()
            WHERE id = $1 AND attempts = $2 AND state = 'running' AND cancel_requested",
            lease.work.as_uuid(),
            lease.attempt,
        )
        .execute(self.0.connection())
        .await?;
        if done.rows_affected() == 0 { self.release(lease, None, None).await } else { Ok(()) }
    }

    /// Cancels all work on an asset: what waits at once, what runs with its next heartbeat.
    ///
    /// # Errors
    /// [`StorageError::Unavailable`] and the like.
    pub async fn cancel_of_asset(&mut self, asset: AssetId) -> Result<(), StorageError> {
        sqlx::query!(
            "-- work.cancel_of_asset
            UPDATE media.work SET cancel_requested = true,
              state = CASE state WHEN 'waiting' THEN 'cancelled' ELSE state END,
              finished_at = CASE state WHEN 'waiting' THEN clock_timestamp() END
            WHERE asset_id = $1 AND state IN ('waiting', 'running')",
            asset.as_uuid(),
        )
        .execute(self.0.connection())
        .await?;
        sqlx::query!(
            "-- work.cancel_of_asset
            UPDATE media.transcode_jobs SET status = 'cancelled', completed_at = clock_timestamp()
            WHERE asset_id = $1 AND status IN ('waiting', 'running')",
            asset.as_uuid(),
        )
        .execute(self.0.connection())
        .await?;
        Ok(())
    }

    /// Takes all work on an asset away at once, also what runs: its worker finds the lease lost, and writes nothing. Unlike
    /// after [`cancel_of_asset`](Self::cancel_of_asset), the same can be planned anew in this transaction.
    ///
    /// # Errors
    /// [`StorageError::Unavailable`] and the like.
    pub async fn revoke_of_asset(&mut self, asset: AssetId) -> Result<(), StorageError> {
        sqlx::query!(
            "-- work.revoke_of_asset
            UPDATE media.work SET state = 'cancelled', cancel_requested = true, lease_owner = NULL, lease_until = NULL,
              finished_at = clock_timestamp()
            WHERE asset_id = $1 AND state IN ('waiting', 'running')",
            asset.as_uuid(),
        )
        .execute(self.0.connection())
        .await?;
        // Nothing waits or runs any more: of this, only the jobs are left.
        self.cancel_of_asset(asset).await
    }

    /// The work of a group that waits, locked so that nobody claims it before the transaction ends.
    pub(crate) async fn lock_waiting(&mut self, asset: AssetId, group: Group) -> Result<Option<WorkId>, StorageError> {
        let id = sqlx::query_scalar!(
            "-- work.lock_waiting
            SELECT id FROM media.work WHERE asset_id = $1 AND group_name = $2 AND state = 'waiting' FOR UPDATE",
            asset.as_uuid(),
            group.as_str(),
        )
        .fetch_optional(self.0.connection())
        .await?;
        Ok(id.map(WorkId::from))
    }

    /// Whose a piece of work is, what, and how far.
    ///
    /// # Errors
    /// [`StorageError::BadRow`] if the row cannot be read.
    pub async fn lookup(&mut self, work: WorkId) -> Result<Option<(AssetId, Group, WorkState)>, StorageError> {
        let row = sqlx::query!("-- work.lookup\nSELECT asset_id, group_name, state FROM media.work WHERE id = $1", work.as_uuid())
            .fetch_optional(self.0.connection())
            .await?;
        row.map(|row| {
            let group = word("work", "group_name", work.as_uuid(), &row.group_name)?;
            Ok((row.asset_id.into(), group, word("work", "state", work.as_uuid(), &row.state)?))
        })
        .transpose()
    }

    /// Asks a queue's worker to look for work, in the name of a row that waits.
    ///
    /// # Errors
    /// [`StorageError::Missing`] if the row no longer waits.
    pub async fn wake(&mut self, work: WorkId, queue: Queue) -> Result<(), StorageError> {
        let asset =
            sqlx::query_scalar!("-- work.wake\nSELECT asset_id FROM media.work WHERE id = $1 AND state = 'waiting'", work.as_uuid())
                .fetch_optional(self.0.connection())
                .await?
                .ok_or(StorageError::Missing { what: "waiting work" })?;
        self.0.outbox().command(queue, asset.into(), work, None).await
    }
}
