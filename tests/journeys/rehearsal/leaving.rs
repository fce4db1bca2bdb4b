//! How an api leaves: whoever learns of it late is served, and what is under way when it is told to stop comes to its end.

use std::{sync::Arc, time::Duration};

use futures::{StreamExt as _, stream};
use media_devstack::Service;
use media_domain::{AssetId, TenantId};
use media_proto::v1::{AssetKind, AssetStatus, UploadRequest, WatchAssetRequest, upload_request::Content};
use rustix::process::Signal;
use sqlx::PgPool;
use tokio::time::{Instant, sleep, timeout};
use uuid::Uuid;

use super::{
    LIMIT, SIDE_BY_SIDE,
    load::{Client, Rotation},
};
use crate::harness::{Caller, eventually, samples};

/// From the leave to the order to stop, as `preStop` in deploy/kubernetes/base/api.yaml has it: balancers do not learn of it at once.
const TOLD_LATE: Duration = Duration::from_secs(5);
/// How long a call goes on after its api was told to stop.
const LINGERS: Duration = Duration::from_secs(1);

/// An upload that comes through an api, and goes on for longer than that api is in rotation. It must not be cut off.
async fn upload_slowly(api: String) {
    const PIECES: usize = 30;
    let mut caller = Caller::connect(&api, TenantId(Uuid::new_v4())).await;
    let file = samples::picture(640, 480);
    let announcement = Content::Announcement(caller.request(AssetKind::Image, "slow.png", file.len()));
    let chunks: Vec<Content> = file.chunks(file.len().div_ceil(PIECES)).map(|chunk| Content::Chunk(chunk.to_vec())).collect();
    let messages = stream::iter(std::iter::once(announcement).chain(chunks)).then(|content| async move {
        sleep(2 * (SIDE_BY_SIDE + TOLD_LATE) / u32::try_from(PIECES).unwrap()).await;
        UploadRequest { content: Some(content) }
    });
    caller.uploads.upload(messages).await.unwrap();
}

/// Lets an api serve beside the others for a while, then takes it out of rotation and ends it.
pub async fn leave(rotation: &Arc<Rotation>, sql: &PgPool, api: &str, service: &mut Service) {
    let slow = tokio::spawn(upload_slowly(api.to_owned()));
    let mut caller = Caller::connect(api, TenantId(Uuid::new_v4())).await;
    let file = samples::picture(320, 240);
    let created = caller.create(caller.request(AssetKind::Image, "last.png", file.len())).await;
    caller.put_all(&created, &file).await;
    let id = created.asset.unwrap().id;
    let mut watched = caller.assets.watch_asset(WatchAssetRequest { asset_id: id.clone() }).await.unwrap().into_inner();
    let first = watched.message().await.unwrap().unwrap();
    assert_eq!(first.asset.unwrap().status(), AssetStatus::Uploading);
    sleep(SIDE_BY_SIDE).await;

    rotation.remove(api);
    let left = Instant::now();
    while left.elapsed() < TOLD_LATE {
        caller.get(&id).await;
        sleep(Duration::from_millis(100)).await;
    }

    // A call takes as long as we want it to while its row is ours.
    let mut holding = sql.begin().await.unwrap();
    let ours: i32 = sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(&mut *holding).await.unwrap();
    sqlx::query("SELECT id FROM media.assets WHERE id = $1 FOR UPDATE")
        .bind(id.parse::<AssetId>().unwrap().as_uuid())
        .execute(&mut *holding)
        .await
        .unwrap();
    let (mut completing, completed) = (caller.clone(), id.clone());
    let completing = tokio::spawn(async move { completing.complete(&completed).await });
    eventually("the call waits for the row", LIMIT, async || {
        let waits: bool = sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_stat_activity WHERE $1 = ANY (pg_blocking_pids(pid)))")
            .bind(ours)
            .fetch_one(sql)
            .await
            .unwrap();
        if waits { Ok(()) } else { Err("nobody waits") }
    })
    .await;
    service.signal(Signal::TERM).unwrap();
    let ended = loop {
        match timeout(LIMIT, watched.message()).await.expect("an api that stops ends its streams") {
            Ok(Some(_)) => {}
            Ok(None) => panic!("the stream ended as if nothing more could happen"),
            Err(ended) => break ended,
        }
    };
    rotation.count_resumed(&ended);
    sleep(LINGERS).await;
    assert!(!completing.is_finished(), "it was cut off");
    holding.rollback().await.unwrap();
    assert_eq!(completing.await.unwrap().unwrap().status(), AssetStatus::Scanning);
    slow.await.unwrap();
    assert!(service.ended(LIMIT).await.unwrap(), "{} did not end well", service.binary().name());

    // The watch goes on at another.
    Client::new(rotation.clone(), caller.tenant).watch(&id).await;
}
