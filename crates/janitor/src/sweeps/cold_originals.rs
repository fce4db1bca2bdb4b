//! Originals that nobody has used for their tenant's days go to the cold tier. Variants stay where they are.
//!
//! First the row says so, under the locks of all assets that name the object: from then on nobody begins to read it. Then the store
//! moves it, and the row says that it is there. What a janitor leaves in between is taken over by `unsettled_archives`.

use std::time::Duration;

use anyhow::Context as _;
use backon::Retryable as _;
use media_blobs::{BlobError, patience};
use media_domain::{
    BlobName, TenantId,
    archive::{ArchiveClass, ArchiveState},
};
use tokio::time::timeout;

use super::{BATCH, Janitor, Whose, lag::Lag, swept};

const NAME: &str = "cold_originals";
/// How long the store may take for one object, of 64 GiB at the most.
const MOVE_LIMIT: Duration = Duration::from_secs(50 * 60);
/// After how long a janitor that has one in hand is taken for lost: longer than it may take.
pub(super) const LOST_AFTER: Duration = Duration::from_secs(60 * 60);

pub async fn sweep(janitor: &Janitor) -> anyhow::Result<u64> {
    let Some(class) = janitor.archive_class else { return Ok(0) };
    let (mut lag, mut count) = (Lag::of(NAME), 0);
    loop {
        let due = janitor.database.across_tenants().cold_originals(BATCH).await?;
        let is_full = i32::try_from(due.len()).is_ok_and(|due| due == BATCH);
        let mut done = 0;
        for (tenant, blob) in due {
            done += swept(NAME, Whose::blob(tenant, &blob), &blob.key, archive(janitor, tenant, &blob, class, &mut lag).await);
        }
        count += done;
        // What cannot be swept now is left for the next turn.
        if !is_full || done == 0 {
            return Ok(count);
        }
    }
}

async fn archive(janitor: &Janitor, tenant: TenantId, blob: &BlobName, class: ArchiveClass, lag: &mut Lag) -> anyhow::Result<bool> {
    let mut tx = janitor.database.in_tenant(tenant, "janitor.cold_originals").await?;
    let cold = tx.begin_archiving(blob, class).await?;
    if !lag.note(cold.map(|cold| cold.late)) {
        return Ok(false);
    }
    tx.commit().await?;
    move_there(janitor, tenant, blob, class).await?;
    Ok(true)
}

/// Moves an object that this janitor has in hand, and says so.
pub(super) async fn move_there(janitor: &Janitor, tenant: TenantId, blob: &BlobName, class: ArchiveClass) -> anyhow::Result<()> {
    let moving = async || janitor.blobs.move_to_class(blob, class).await;
    let moving = moving.retry(patience()).when(BlobError::is_transient);
    timeout(MOVE_LIMIT, moving).await.context("the store takes too long to move an object")??;
    let mut tx = janitor.database.in_tenant(tenant, "janitor.cold_originals").await?;
    tx.archived(blob, ArchiveState::Archiving).await?;
    tx.commit().await?;
    Ok(())
}
