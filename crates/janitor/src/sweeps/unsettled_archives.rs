//! Originals in the cold tier that are not at rest: what a lost janitor had in hand, what was asked back, and what is back for a while.

use media_blobs::cold::{Asked, Place, Restore};
use media_domain::{
    BlobName, TenantId,
    archive::{ArchiveState, RESTORE_DAYS},
};
use media_storage::archive::Unsettled;
use time::OffsetDateTime;

use super::{BATCH, Janitor, Whose, cold_originals, swept};

const NAME: &str = "unsettled_archives";

pub async fn sweep(janitor: &Janitor) -> anyhow::Result<u64> {
    let mut count = 0;
    let across = janitor.database.across_tenants();
    for (tenant, blob) in across.unsettled_archives(cold_originals::LOST_AFTER, janitor.config.restores_every, BATCH).await? {
        count += swept(NAME, Whose::blob(tenant, &blob), &blob.key, settle(janitor, tenant, &blob).await);
    }
    Ok(count)
}

/// Whether it came a step further.
async fn settle(janitor: &Janitor, tenant: TenantId, blob: &BlobName) -> anyhow::Result<bool> {
    let mut tx = janitor.database.in_tenant(tenant, "janitor.unsettled_archives").await?;
    let Some(Unsettled { archive, restore_days }) = tx.unsettled(blob).await? else { return Ok(false) };
    match archive.state {
        ArchiveState::Archived => Ok(false),
        ArchiveState::Archiving => {
            tx.take_archiving_over(blob, cold_originals::LOST_AFTER).await?;
            tx.commit().await?;
            cold_originals::move_there(janitor, tenant, blob, archive.class).await?;
            Ok(true)
        }
        ArchiveState::Available if restore_days.is_none() && !archive.is_readable(OffsetDateTime::now_utc()) => {
            tx.archived(blob, ArchiveState::Available).await?;
            tx.commit().await?;
            Ok(true)
        }
        state @ (ArchiveState::Restoring | ArchiveState::Available) => {
            drop(tx);
            bring_back(janitor, tenant, blob, state, restore_days).await
        }
    }
}

/// Tells the store what is wanted, if it was not told yet, and asks it how far it is.
async fn bring_back(
    janitor: &Janitor,
    tenant: TenantId,
    blob: &BlobName,
    state: ArchiveState,
    wanted_days: Option<u32>,
) -> anyhow::Result<bool> {
    let asked = match wanted_days {
        Some(days) => janitor.blobs.restore(blob, days).await?,
        None => Asked::Taken,
    };
    let place = janitor.blobs.place(blob).await?;
    let mut tx = janitor.database.in_tenant(tenant, "janitor.unsettled_archives").await?;
    if asked == Asked::NotArchived || place == Place::Hot {
        tx.not_archived(blob).await?;
        tx.commit().await?;
        return Ok(true);
    }
    if let Some(days) = wanted_days {
        tx.told_store(blob, days).await?;
    }
    let is_back = match place {
        Place::Cold(_, Restore::Done(until)) => {
            tx.available(blob, until, state).await?;
            state == ArchiveState::Restoring
        }
        // The store does not know of the wish: it is told at the next turn.
        Place::Cold(_, Restore::None) => {
            tx.looked_at(blob, Some(wanted_days.unwrap_or(RESTORE_DAYS))).await?;
            false
        }
        Place::Cold(_, Restore::Ongoing) | Place::Hot => {
            tx.looked_at(blob, None).await?;
            false
        }
    };
    tx.commit().await?;
    Ok(is_back)
}
