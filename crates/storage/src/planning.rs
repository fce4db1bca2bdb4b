//! A plan becomes rows: work, jobs, and what is skipped.

use media_domain::{
    AssetId,
    plan::{Plan, PlannedJob},
    work::Group,
};

use crate::{StorageError, TenantTx};

impl TenantTx {
    /// Plans all work and jobs, notes what is skipped, and makes the asset ready where nothing is required of the rest.
    ///
    /// # Errors
    /// [`StorageError::Missing`] if the asset is not there.
    pub async fn carry_out(&mut self, asset: AssetId, plan: &Plan, priority: i16) -> Result<(), StorageError> {
        for (profile, why) in &plan.skipped {
            self.transcode_jobs().skip(asset, profile, why).await?;
        }
        for planned in &plan.groups {
            let mut jobs = planned.jobs.clone();
            if planned.group == Group::Subtitles {
                jobs = self.without_tracks(asset, jobs).await?;
                if jobs.is_empty() {
                    continue;
                }
            }
            let Some(work) = self.work().plan(asset, planned.group, priority).await? else { continue };
            for job in &jobs {
                self.transcode_jobs().plan(asset, work, &job.profile, job.required).await?;
            }
        }
        self.ready_if_complete(asset).await.map(|_ready| ())
    }

    /// Leaves out text that was made before and is no variant: it is a caption track, which a person may have edited since.
    async fn without_tracks(&mut self, asset: AssetId, jobs: Vec<PlannedJob>) -> Result<Vec<PlannedJob>, StorageError> {
        let mut left = Vec::with_capacity(jobs.len());
        for job in jobs {
            let is_track =
                self.transcode_jobs().is_made(asset, &job.profile).await? && self.variants().lookup(asset, &job.profile).await?.is_none();
            if !is_track {
                left.push(job);
            }
        }
        Ok(left)
    }
}
