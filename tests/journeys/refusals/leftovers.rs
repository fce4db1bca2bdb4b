//! What a refused file may leave behind: objects that a row names, and nothing else.

use std::{collections::BTreeSet, time::Duration};

use aws_credential_types::Credentials;
use aws_sdk_s3::{
    Client,
    config::{BehaviorVersion, Region},
};
use media_devstack::S3Identity;
use media_domain::TenantId;
use sqlx::PgPool;

use crate::harness::{World, eventually};

/// Janitor's sweeps, and a cancelled job's last heartbeat.
const SWEPT_WITHIN: Duration = Duration::from_secs(30);

/// Everything of one tenant that must not be there after a refusal.
#[derive(Debug, PartialEq, Eq)]
pub struct Leftovers {
    /// Multipart uploads that are neither completed nor aborted.
    open_uploads: BTreeSet<String>,
    /// Objects in either bucket that no row names.
    unnamed: BTreeSet<String>,
    /// Work and jobs that wait or run.
    unfinished: i64,
}

const NOTHING: Leftovers = Leftovers { open_uploads: BTreeSet::new(), unnamed: BTreeSet::new(), unfinished: 0 };

/// The world's buckets, as one who may see all of them.
pub fn store(world: &World) -> Client {
    let isolated = world.isolated();
    let keys = isolated.s3_credentials(S3Identity::Admin);
    let config = aws_sdk_s3::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(isolated.s3_region().to_owned()))
        .endpoint_url(isolated.s3_endpoint().as_str())
        .force_path_style(isolated.stack().s3.path_style)
        .credentials_provider(Credentials::new(&keys.access_key, &keys.secret_key, None, None, "journey"));
    Client::from_conf(config.build())
}

/// The keys of a tenant's open uploads.
pub async fn open_uploads(store: &Client, world: &World, tenant: TenantId) -> BTreeSet<String> {
    let mut open = BTreeSet::new();
    for bucket in [world.isolated().bucket(), world.isolated().quarantine_bucket()] {
        let page = store.list_multipart_uploads().bucket(bucket).prefix(prefix(tenant)).send().await.unwrap();
        open.extend(page.uploads().iter().map(|upload| format!("{bucket}/{}", upload.key().unwrap())));
    }
    open
}

/// The names, `bucket/key`, of a tenant's objects.
pub async fn objects(store: &Client, world: &World, tenant: TenantId) -> BTreeSet<String> {
    let mut there = BTreeSet::new();
    for bucket in [world.isolated().bucket(), world.isolated().quarantine_bucket()] {
        let page = store.list_objects_v2().bucket(bucket).prefix(prefix(tenant)).send().await.unwrap();
        there.extend(page.contents().iter().map(|object| format!("{bucket}/{}", object.key().unwrap())));
    }
    there
}

/// Waits until nothing is left of a tenant but what its rows name.
pub async fn assert_nothing_is_left(world: &World, tenant: TenantId) {
    let (store, sql) = (store(world), world.sql().await);
    eventually("nothing is left behind", SWEPT_WITHIN, async || {
        let found = Leftovers {
            open_uploads: open_uploads(&store, world, tenant).await,
            unnamed: objects(&store, world, tenant).await.difference(&named(&sql, tenant).await).cloned().collect(),
            unfinished: unfinished(&sql, tenant).await,
        };
        if found == NOTHING { Ok(()) } else { Err(found) }
    })
    .await;
}

async fn named(sql: &PgPool, tenant: TenantId) -> BTreeSet<String> {
    let names: Vec<String> = sqlx::query_scalar(
        "SELECT bucket || '/' || key FROM media.assets WHERE tenant_id = $1
         UNION SELECT bucket || '/' || key FROM media.variants WHERE tenant_id = $1
         UNION SELECT bucket || '/' || version_key FROM media.caption_tracks WHERE tenant_id = $1",
    )
    .bind(tenant.0)
    .fetch_all(sql)
    .await
    .unwrap();
    names.into_iter().collect()
}

async fn unfinished(sql: &PgPool, tenant: TenantId) -> i64 {
    sqlx::query_scalar(
        "SELECT (SELECT count(*) FROM media.work WHERE tenant_id = $1 AND state IN ('waiting', 'running'))
              + (SELECT count(*) FROM media.transcode_jobs WHERE tenant_id = $1 AND status IN ('waiting', 'running'))
              + (SELECT count(*) FROM media.uploads WHERE tenant_id = $1 AND state IN ('open', 'aborting'))
              + (SELECT count(*) FROM media.output_uploads WHERE tenant_id = $1)",
    )
    .bind(tenant.0)
    .fetch_one(sql)
    .await
    .unwrap()
}

fn prefix(tenant: TenantId) -> String {
    format!("tenants/{tenant}/")
}
