//! What follows when a piece of work is given up: its jobs fail, and its asset where it cannot be ready without them.

use media_domain::{
    AssetId, Kind, Reason, Status,
    event::{AssetQuarantined, Event, VariantFailed},
    profile::ProfileName,
    reason::Verdict,
    work::Group,
};

use crate::{StorageError, TenantTx, assets::Asset, error::word, transcode_jobs::Job, work::Lease};

impl TenantTx {
    /// Gives a piece of work up for good: work, jobs, asset, events and a dead letter, all in this transaction. `detail` is
    /// shown to the owner; it holds nothing that came out of the file.
    ///
    /// Work that was to make optional profiles beside required ones is not given up yet: one of the optional ones may be
    /// what fails. They fail, and the required ones are tried again by themselves.
    ///
    /// # Errors
    /// [`StorageError::LeaseLost`] if another attempt has it.
    pub async fn give_up(&mut self, lease: &Lease, reason: Reason, detail: &str) -> Result<(), StorageError> {
        let asset = self.assets().lock(lease.asset).await?.ok_or(StorageError::Missing { what: "asset" })?;
        if asset.deleted_at.is_some() {
            // Its owner has let it go: there is nobody to tell of a failure.
            return self.work().cancelled(lease).await;
        }
        if reason.may_be_one_output() {
            let shed = self.transcode_jobs().fail_optional(lease.work, reason, detail).await?;
            if !shed.is_empty() {
                self.say_failed(lease, shed, reason).await?;
                return self.work().start_over(lease).await;
            }
        }
        self.work().end_failed(lease, reason, detail).await?;
        let mut needed = matches!(lease.group, Group::Import | Group::Scan | Group::Rescan | Group::Probe);
        let failed = self.transcode_jobs().fail(lease.work, reason, detail).await?;
        needed |= failed.iter().any(|job| job.required);
        self.say_failed(lease, failed, reason).await?;
        if needed && matches!(asset.status, Status::Uploading | Status::Scanning | Status::Transcoding) {
            self.give_up_asset(lease, &asset, reason, detail).await?;
        } else {
            self.share_ends(lease.asset).await?;
        }
        self.dead_letters().insert(lease, reason, detail).await?;
        self.next_language(lease).await
    }

    /// What an asset was before a scan that cannot be done, it is again: quarantined for what was found, or ready where the fault is
    /// ours and nothing is known against its bytes. Else it fails.
    async fn give_up_asset(&mut self, lease: &Lease, asset: &Asset, reason: Reason, detail: &str) -> Result<(), StorageError> {
        let sha256 = asset.sha256.clone().unwrap_or_default();
        if asset.status == Status::Scanning && asset.verdict == Some(Verdict::Infected) {
            let signature = self.quarantine().signatures(&[asset.id]).await?.pop().map(|(_, signature)| signature).unwrap_or_default();
            self.work().cancel_of_asset(asset.id).await?;
            self.assets().advance(asset.id, Status::Quarantined).await?;
            return self.outbox().event(&Event::AssetQuarantined(AssetQuarantined { asset_id: asset.id, signature, sha256 })).await;
        }
        if lease.group == Group::Rescan && reason.is_ours() && !self.is_suspect(&sha256).await? {
            self.assets().advance(asset.id, Status::Transcoding).await?;
            self.ready_again(asset.id).await?;
            return self.leave_followers(asset.id).await;
        }
        self.work().cancel_of_asset(asset.id).await?;
        self.assets().fail(asset.id, reason, detail).await
    }

    async fn say_failed(&mut self, lease: &Lease, jobs: Vec<Job>, reason: Reason) -> Result<(), StorageError> {
        for job in jobs {
            let failed = VariantFailed { asset_id: lease.asset, job_id: job.id, profile: job.profile, reason };
            self.outbox().event(&Event::VariantFailed(failed)).await?;
        }
        Ok(())
    }

    /// Fails one job of a piece of work that goes on without it. `detail` is shown to the owner; it holds nothing that came
    /// out of the file.
    ///
    /// # Errors
    /// [`StorageError::LeaseLost`] if the job was cancelled meanwhile.
    pub async fn lose(&mut self, lease: &Lease, profile: &ProfileName, reason: Reason, detail: &str) -> Result<(), StorageError> {
        let job_id = self.transcode_jobs().fail_one(lease.work, profile, reason, detail).await?;
        let failed = VariantFailed { asset_id: lease.asset, job_id, profile: profile.clone(), reason };
        self.outbox().event(&Event::VariantFailed(failed)).await
    }

    /// Makes the asset ready if every required profile exists.
    ///
    /// # Errors
    /// [`StorageError::Missing`] if the asset is not there.
    pub async fn ready_if_complete(&mut self, asset: AssetId) -> Result<bool, StorageError> {
        let is_ready = self.ready_again(asset).await?;
        if is_ready {
            self.rescan_if_suspect(asset).await?;
        }
        Ok(is_ready)
    }

    /// The same after a scan of what had been ready before.
    ///
    /// # Errors
    /// [`StorageError::Missing`] if the asset is not there.
    pub async fn ready_again(&mut self, asset: AssetId) -> Result<bool, StorageError> {
        let locked = self.assets().lock(asset).await?.ok_or(StorageError::Missing { what: "asset" })?;
        if locked.status != Status::Transcoding || self.transcode_jobs().required_missing(asset).await? > 0 {
            return Ok(false);
        }
        self.assets().advance(asset, Status::Ready).await?;
        let kind: Kind = locked.kind;
        self.outbox().event(&Event::AssetReady(media_domain::event::AssetReady { asset_id: asset, kind })).await?;
        Ok(true)
    }
}

/// Reads a stored profile name.
pub(crate) fn profile_name(table: &'static str, id: uuid::Uuid, name: String) -> Result<ProfileName, StorageError> {
    ProfileName::try_from(name).map_err(|error| StorageError::bad_row(table, "profile", ulid::Ulid::from(id))(error.into()))
}

/// Reads a stored reason.
pub(crate) fn reason(table: &'static str, id: uuid::Uuid, text: Option<String>) -> Result<Option<Reason>, StorageError> {
    text.map(|text| word(table, "reason", id, &text)).transpose()
}
