//! What is no caller's doing: a store that is away, and a row that cannot be read. Another call that is in the way is among the assets.

use media_devstack::Binary;
use media_domain::JobId;
use media_proto::v1::{AssetKind, GetAssetRequest};

use super::{cells::Cells, scene::uuid};
use crate::harness::{StoreProxy, World};

pub async fn walk(cells: &Cells) {
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
