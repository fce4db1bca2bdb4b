//! A dead letter is sent again: what it was about is done again, where that is still wanted.

use media_domain::{
    DeadLetterId, Status,
    policy::CaptionMode,
    work::{Group, Queue, WorkState},
};

use crate::{StorageError, TenantTx, again::PlannedOne, assets::Asset, dead_letters::DeadLetter};

/// What became of a dead letter that was sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Redriven {
    /// The asset had failed with it, and begins anew.
    Reprocessed,
    /// Its jobs are tried again.
    Retried,
    /// The work still waited; its worker is asked once more.
    Woken,
    /// Nothing is left to do: it was done, or let go.
    Obsolete,
    /// The asset is being worked on, or its original is in the cold tier: it stays a dead letter, for another time.
    Busy,
}

impl TenantTx {
    /// Sends one dead letter again. `None` if there is none of this id.
    ///
    /// # Errors
    /// [`StorageError::BadRow`] if a row cannot be read.
    pub async fn redrive(&mut self, id: DeadLetterId) -> Result<Option<(DeadLetter, Redriven)>, StorageError> {
        let Some(letter) = self.dead_letters().lock(id).await? else { return Ok(None) };
        if letter.redriven_at.is_some() {
            return Ok(Some((letter, Redriven::Obsolete)));
        }
        let outcome = self.send_again(&letter).await?;
        if outcome != Redriven::Busy {
            self.dead_letters().mark_redriven(id).await?;
        }
        let letter = self.dead_letters().lock(id).await?.ok_or(StorageError::Missing { what: "dead letter" })?;
        Ok(Some((letter, outcome)))
    }

    async fn send_again(&mut self, letter: &DeadLetter) -> Result<Redriven, StorageError> {
        let Some(work) = letter.work else { return Ok(Redriven::Obsolete) };
        let Some((asset, ..)) = self.work().lookup(work).await? else { return Ok(Redriven::Obsolete) };
        // First the asset, then its work, as everybody does who locks both.
        let asset = self.assets().lock(asset).await?.filter(|asset| asset.deleted_at.is_none());
        let (Some(asset), Some((_, group, state))) = (asset, self.work().lookup(work).await?) else { return Ok(Redriven::Obsolete) };
        let queue: Queue = group.queue();
        match (state, asset.status) {
            (WorkState::Waiting, _) => match self.work().wake(work, queue).await {
                Ok(()) => Ok(Redriven::Woken),
                Err(StorageError::Missing { .. }) => Ok(Redriven::Obsolete),
                Err(error) => Err(error),
            },
            (WorkState::Running | WorkState::Succeeded | WorkState::Skipped, _) => Ok(Redriven::Obsolete),
            (WorkState::Failed | WorkState::Cancelled, Status::Failed) => match self.reprocess(&asset).await {
                Ok(()) => Ok(Redriven::Reprocessed),
                Err(StorageError::IllegalTransition(_)) => Ok(Redriven::Obsolete),
                Err(StorageError::Archived { .. }) => Ok(Redriven::Busy),
                Err(error) => Err(error),
            },
            (WorkState::Failed | WorkState::Cancelled, Status::Ready) => self.retry_jobs(&asset, letter).await,
            (WorkState::Failed | WorkState::Cancelled, Status::Scanning | Status::Transcoding) => Ok(Redriven::Busy),
            (WorkState::Failed | WorkState::Cancelled, Status::Uploading | Status::Quarantined) => Ok(Redriven::Obsolete),
        }
    }

    /// Tries the jobs of a piece of work again that failed and were not planned anew since.
    async fn retry_jobs(&mut self, asset: &Asset, letter: &DeadLetter) -> Result<Redriven, StorageError> {
        let Some(work) = letter.work else { return Ok(Redriven::Obsolete) };
        let captions_off = self.tenant_policies().current().await?.policy.captions == CaptionMode::Off;
        let mut outcome = Redriven::Obsolete;
        for listed in self.transcode_jobs().given_up(work).await? {
            // A tenant without captions gets none, whoever asks.
            if captions_off && matches!(listed.group, Some(Group::Speech | Group::Captions)) {
                continue;
            }
            match self.retry(asset, &listed, None).await {
                Ok(PlannedOne::Planned) => outcome = Redriven::Retried,
                // All of them are of one group and one original: the first is not planned, and none is.
                Ok(PlannedOne::GroupRuns) | Err(StorageError::Archived { .. }) => return Ok(Redriven::Busy),
                Err(error) => return Err(error),
            }
        }
        Ok(outcome)
    }
}
