//! What is no caller's doing: a store that is away, a row that cannot be read, and, method by method, a database that is away. Another
//! call that is in the way is among the assets.

use media_devstack::{Binary, DatabaseRole};
use media_domain::{AssetId, JobId};
use media_proto::v1::{AssetKind, GetAssetRequest};
use tokio::task::JoinSet;

use super::{cells::Cells, scene::uuid};
use crate::harness::{StoreProxy, World, asking::ask, contract::CONTRACT, query_tap::QueryTap};

pub async fn walk(cells: &Cells) {
    broken(cells).await;
    without_database(cells).await;
}

async fn without_database(cells: &Cells) {
    let mut world = World::new("matrix-away").await;
    let (database, sql) = (world.isolated().database_url(DatabaseRole::Api), world.sql().await);
    let tap = QueryTap::before(&database).await;
    let _api = world.start(Binary::Api, &[("MEDIA__DATABASE__URL", &tap.url(&database))]).await;
    let caller = world.caller().await;
    drop(tap);
    let ended = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND usename = 'media_api'";
    sqlx::query(ended).execute(&sql).await.unwrap();
    // All at once: each waits for a connection for as long as anybody does.
    let mut asked = JoinSet::new();
    for method in CONTRACT.methods.keys() {
        let mut caller = caller.clone();
        let never = AssetId::generate().to_string();
        let id = if method == "RetentionService/EraseTenant" { caller.tenant.to_string() } else { never.clone() };
        asked.spawn(async move { ask(&mut caller, method, &id, &never).await });
    }
    for answer in asked.join_all().await {
        cells.refused("UNAVAILABLE", answer);
    }
}

async fn broken(cells: &Cells) {
    let mut world = World::new("matrix-broken").await;
    let proxy = StoreProxy::before(world.isolated().s3_endpoint()).await;
    let _api = world.start(Binary::Api, &[("MEDIA__S3__ENDPOINT", &proxy.endpoint())]).await;
    let mut caller = world.caller().await;
    let request = caller.request(AssetKind::Subtitle, "words.vtt", 10);
    let id = caller.create(request.clone()).await.asset.unwrap().id;
    drop(proxy);
    cells.refused("UNAVAILABLE", caller.uploads.create_upload(request).await);

    sqlx::query("INSERT INTO media.transcode_jobs (id, asset_id, tenant_id, profile, status) VALUES ($1, $2, $3, 'NO PROFILE', 'failed')")
        .bind(JobId::generate().as_uuid())
        .bind(uuid(&id))
        .bind(caller.tenant.0)
        .execute(&world.sql().await)
        .await
        .unwrap();
    cells.refused("INTERNAL", caller.assets.get_asset(GetAssetRequest { asset_id: id }).await);
}
