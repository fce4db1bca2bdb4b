//! A plan becomes rows: work, jobs, and what is skipped.

use media_domain::{AssetId, plan::Plan};

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
            let Some(work) = self.work().plan(asset, planned.group, priority).await? else { continue };
            for job in &planned.jobs {
                self.transcode_jobs().plan(asset, work, &job.profile, job.required).await?;
            }
        }
        self.ready_if_complete(asset).await.map(|_ready| ())
    }
}
