//! Uploads whose object is whole in the store while their row is open: whoever completed them did not come as far as the row, and
//! nobody asked again. They go on as if he had.

use media_storage::{across::UnfinishedUpload, uploads::UploadState};

use super::{Janitor, Whose, swept};

const NAME: &str = "lost_completions";
/// The most that are asked for in one turn, the oldest first: each costs the store a question.
const AT_ONCE: i32 = 10_000;

pub async fn sweep(janitor: &Janitor) -> anyhow::Result<u64> {
    let mut count = 0;
    for unfinished in janitor.database.across_tenants().unfinished_uploads(janitor.config.lost_after, AT_ONCE).await? {
        count += swept(NAME, Whose::asset(unfinished.tenant, unfinished.asset), &unfinished.upload, find(janitor, unfinished).await);
    }
    Ok(count)
}

/// Completes one, if its object is there; says whether.
pub(super) async fn find(janitor: &Janitor, unfinished: UnfinishedUpload) -> anyhow::Result<bool> {
    let UnfinishedUpload { tenant, asset: id, .. } = unfinished;
    let mut tx = janitor.database.in_tenant(tenant, "janitor.lost_completions").await?;
    let upload = tx.uploads().of_asset(id).await?.filter(|upload| upload.state == UploadState::Open);
    drop(tx);
    let Some(upload) = upload else { return Ok(false) };
    // Only this upload writes to this key. What is there in another size is not what was announced, and is abandoned in its time.
    if janitor.blobs.head(&upload.blob).await?.is_none_or(|head| head.size != upload.size_bytes) {
        return Ok(false);
    }
    let mut tx = janitor.database.in_tenant(tenant, "janitor.lost_completions").await?;
    let Some(asset) = tx.assets().lock(id).await? else { return Ok(false) };
    let state = tx.uploads().of_asset(id).await?.map(|upload| upload.state);
    if asset.deleted_at.is_some() || state != Some(UploadState::Open) {
        return Ok(false);
    }
    tx.caused_by(asset.traceparent.clone(), Some(upload.id.to_string()));
    tx.finish_upload(&asset, &upload).await?;
    tx.commit().await?;
    Ok(true)
}
