//! What is done again: an asset as a whole, its scan, one of its profiles.

use media_domain::{
    Reason, Status,
    asset::IllegalTransition,
    profile::ProfileName,
    work::{Group, WorkState},
};

use crate::{StorageError, TenantTx, assets::Asset, job_list::ListedJob};

/// Whether one profile could be planned by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlannedOne {
    Planned,
    /// Other profiles of its group are being made just now: come back.
    GroupRuns,
}

impl TenantTx {
    /// Begins an asset anew, from its scan on; it must be locked. What is made again lies beside the old, which goes an hour later.
    ///
    /// # Errors
    /// [`StorageError::IllegalTransition`] unless it is ready, or failed with its bytes still there; [`StorageError::Archived`].
    pub async fn reprocess(&mut self, asset: &Asset) -> Result<(), StorageError> {
        let was_uploaded = !matches!(asset.failure_reason, Some(Reason::UploadAborted | Reason::UploadAbandoned));
        let is_at_rest = matches!(asset.status, Status::Ready | Status::Failed);
        if !is_at_rest || !was_uploaded || !self.blobs().is_live(&asset.blob).await? {
            return Err(IllegalTransition { from: asset.status, to: Status::Scanning }.into());
        }
        self.refuse_if_archived(asset)?;
        self.work().revoke_of_asset(asset.id).await?;
        self.leave_followers(asset.id).await?;
        self.end_following(asset.id).await?;
        self.note_use(&[asset.id]).await?;
        self.assets().advance(asset.id, Status::Scanning).await?;
        self.work().plan(asset.id, Group::Scan, asset.priority).await.map(|_planned| ())
    }

    /// Scans an asset again; it must be locked. Where everything that it needs was made before, nothing is made again.
    ///
    /// # Errors
    /// [`StorageError::IllegalTransition`] unless it is ready or quarantined; [`StorageError::Archived`].
    pub async fn rescan(&mut self, asset: &Asset) -> Result<(), StorageError> {
        let group = match asset.status {
            Status::Ready => Group::Rescan,
            Status::Quarantined if self.transcode_jobs().are_complete(asset.id).await? => Group::Rescan,
            Status::Quarantined => Group::Scan,
            from => return Err(IllegalTransition { from, to: Status::Scanning }.into()),
        };
        self.refuse_if_archived(asset)?;
        self.scan_again(asset, group).await
    }

    /// The same where it has to be, for what was found in the same bytes: it is not played meanwhile. Of an original in the cold tier
    /// the scan waits until somebody brings it back.
    pub(crate) async fn scan_again(&mut self, asset: &Asset, group: Group) -> Result<(), StorageError> {
        self.assets().advance(asset.id, Status::Scanning).await?;
        self.work().plan(asset.id, group, asset.priority).await.map(|_planned| ())
    }

    /// Plans one profile of an asset by itself, or with others of its group that wait; what is heard, in this language.
    ///
    /// # Errors
    /// [`StorageError::Refused`] if the asset is not there; [`StorageError::Archived`].
    pub async fn plan_one(
        &mut self,
        asset: &Asset,
        group: Group,
        profile: &ProfileName,
        required: bool,
        language: Option<&str>,
    ) -> Result<PlannedOne, StorageError> {
        self.refuse_if_archived(asset)?;
        let work = match self.work().plan_in(asset.id, group, asset.priority, language).await? {
            Some(work) => work,
            None => match self.work().lock_waiting(asset.id, group).await? {
                Some(work) => work,
                None => return Ok(PlannedOne::GroupRuns),
            },
        };
        self.transcode_jobs().plan(asset.id, work, profile, required).await?;
        self.note_use(&[asset.id]).await?;
        Ok(PlannedOne::Planned)
    }

    /// Tries a job again that failed or was cancelled, alone. Its asset must be locked. `known` is its group where no work was
    /// planned for it: it failed at the asset that this one follows.
    ///
    /// # Errors
    /// [`StorageError::Missing`] if its group is not known.
    pub async fn retry(&mut self, asset: &Asset, listed: &ListedJob, known: Option<Group>) -> Result<PlannedOne, StorageError> {
        debug_assert!(matches!(listed.job.state, WorkState::Failed | WorkState::Cancelled), "others are not to be tried again");
        let group = listed.group.or(known).ok_or(StorageError::Missing { what: "work of the job" })?;
        self.plan_one(asset, group, &listed.job.profile, listed.job.required, listed.language.as_deref()).await
    }
}
