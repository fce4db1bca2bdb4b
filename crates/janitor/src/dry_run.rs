//! `media-janitor --dry-run`: what the sweeps would delete now, and why, a line each.
//!
//! Each line is the sweep's own transaction, made and not committed: what it says is what would happen.

use std::{collections::HashSet, io::Write as _};

use media_blobs::keys;
use media_domain::{TenantId, UploadId, erasure::Scope};
use media_storage::retention::Over;

use crate::sweeps::Janitor;

/// The most rows of one sweep that are listed.
const ROWS_MAX: i32 = 100_000;

pub async fn print(janitor: &Janitor) -> anyhow::Result<()> {
    let across = janitor.database.across_tenants();
    let (mut lines, mut told) = (0, HashSet::new());
    for (tenant, asset) in across.ended_references(ROWS_MAX).await? {
        let mut tx = janitor.database.in_tenant(tenant, "janitor.dry_run").await?;
        if let Some(late) = tx.sweep_references(asset).await? {
            let since = whole_seconds(late);
            lines += line("ended_references", tenant, &asset, "a reference ends", &format!("its time was over {since} ago"))?;
        }
    }
    for (tenant, asset) in across.ended_retention(ROWS_MAX).await? {
        let mut tx = janitor.database.in_tenant(tenant, "janitor.dry_run").await?;
        if let Some(over) = tx.delete_if_over(asset).await? {
            lines += line("ended_retention", tenant, &asset, "is deleted", &retention_why(&over))?;
        }
    }
    for (tenant, asset) in across.ended_grace(ROWS_MAX).await? {
        let mut tx = janitor.database.in_tenant(tenant, "janitor.dry_run").await?;
        if let Some(over) = tx.erase_if_over(asset).await? {
            lines += line("ended_grace", tenant, &asset, "is erased", &grace_why(&over))?;
            told.insert(asset);
        }
    }
    for (tenant, erasure) in across.running_erasures(ROWS_MAX).await? {
        let mut tx = janitor.database.in_tenant(tenant, "janitor.dry_run").await?;
        let scope = tx.erasures().lookup(erasure).await?.map(|erasure| erasure.scope);
        let left = tx.erasures().assets_left(erasure, None, ROWS_MAX).await?;
        drop(tx);
        let fate = if scope == Some(Scope::Owner) { "is erased, or loses its owner where a bundle needs it" } else { "is erased" };
        for asset in left {
            let mut tx = janitor.database.in_tenant(tenant, "janitor.dry_run").await?;
            if !told.contains(&asset) && tx.erase_for(erasure, asset, &keys::asset_prefix(tenant, asset)).await? {
                lines += line("running_erasures", tenant, &asset, fate, &format!("the erasure {erasure} was asked for"))?;
            }
        }
    }
    for (tenant, blob) in across.cold_originals(if janitor.archive_class.is_some() { ROWS_MAX } else { 0 }).await? {
        let mut tx = janitor.database.in_tenant(tenant, "janitor.dry_run").await?;
        let Some(class) = janitor.archive_class else { continue };
        if let Some(cold) = tx.begin_archiving(&blob, class).await? {
            let why = format!("not used since {}, due {} ago", cold.unused_since, whole_seconds(cold.late));
            for asset in cold.assets {
                lines += line("cold_originals", tenant, &asset, &format!("goes to {class}"), &why)?;
            }
        }
    }
    for unfinished in across.unfinished_uploads(janitor.config.abandoned_after, ROWS_MAX).await? {
        let (tenant, upload): (TenantId, UploadId) = (unfinished.tenant, unfinished.upload);
        let why = format!("the upload {upload} was given up, or not finished in {}", whole_seconds(janitor.config.abandoned_after));
        lines += line("abandoned_uploads", tenant, &unfinished.asset, "loses its parts", &why)?;
    }
    for (tenant, blob) in across.doomed_blobs(ROWS_MAX).await? {
        let name = format!("{}/{}", blob.bucket, blob.key);
        lines += line("doomed_blobs", tenant, &name, "leaves the store", "no row names it, and its time has come")?;
    }
    writeln!(std::io::stdout().lock(), "{lines} would be swept; nothing was changed")?;
    Ok(())
}

fn line(sweep: &str, tenant: TenantId, what: &impl std::fmt::Display, fate: &str, why: &str) -> std::io::Result<u64> {
    writeln!(std::io::stdout().lock(), "{sweep}  tenant {tenant}  {what} {fate}: {why}")?;
    Ok(1)
}

fn retention_why(over: &Over) -> String {
    let until = over.asset.retention_until.map(|until| until.to_string()).unwrap_or_default();
    format!("class {}, kept until {until}, which is {} ago", over.asset.retention_class, whole_seconds(over.late))
}

fn grace_why(over: &Over) -> String {
    let deleted = over.asset.deleted_at.map(|deleted| deleted.to_string()).unwrap_or_default();
    format!("deleted {deleted}, its grace was over {} ago", whole_seconds(over.late))
}

fn whole_seconds(duration: std::time::Duration) -> String {
    humantime_serde::re::humantime::format_duration(std::time::Duration::from_secs(duration.as_secs())).to_string()
}
