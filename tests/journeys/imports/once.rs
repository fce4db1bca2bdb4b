//! The same import asked for twice, and too many of them.

use media_devstack::Binary;
use media_proto::v1::{AssetKind, ImportAssetRequest};
use tonic::Code;

use super::{import, request};
use crate::{
    harness::World,
    refusals::{reason, refused},
    requests::fast::{MANY, all_at_once},
};

const URL: &str = "https://files.example.com/film.mp4";

#[tokio::test(flavor = "multi_thread")]
async fn an_import_that_is_sent_again_is_answered_with_the_asset_that_it_made() {
    let world = World::with("import-once", &[Binary::Api]).await;
    let mut caller = world.caller().await;
    let named = ImportAssetRequest { request_id: "one".to_owned(), ..request(&caller, AssetKind::Video, "film.mp4", URL) };
    let at_once = (0..8).map(|_| {
        let (mut caller, named) = (caller.clone(), named.clone());
        tokio::spawn(async move { import(&mut caller, named).await.unwrap().id })
    });
    let mut ids: Vec<String> = futures::future::join_all(at_once).await.into_iter().map(Result::unwrap).collect();
    ids.dedup();
    assert_eq!(ids.len(), 1, "{ids:?}");
    assert_eq!(import(&mut caller, named.clone()).await.unwrap().id, ids[0]);
    let other = ImportAssetRequest { url: format!("{URL}?other"), ..named.clone() };
    assert_eq!(refused(import(&mut caller, other).await), reason(Code::AlreadyExists, "REQUEST_ID_REUSED"));
    let mut stranger = world.caller().await;
    assert_ne!(import(&mut stranger, named.clone()).await.unwrap().id, ids[0], "another tenant's id is its own");
    let get = media_proto::v1::GetAssetRequest { asset_id: ids[0].clone() };
    assert_eq!(refused(stranger.assets.get_asset(get).await), reason(Code::NotFound, "ASSET_NOT_FOUND"));
    let long = ImportAssetRequest { request_id: "x".repeat(65), ..named };
    assert_eq!(refused(import(&mut caller, long).await), reason(Code::InvalidArgument, "FIELD_INVALID"));
    let waiting: i64 = sqlx::query_scalar("SELECT count(*) FROM media.work WHERE group_name = 'import' AND state = 'waiting'")
        .fetch_one(&world.sql().await)
        .await
        .unwrap();
    assert_eq!(waiting, 2, "one of each tenant");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_imports_too_fast_is_told_when_to_come_back() {
    let mut world = World::new("import-fast").await;
    world.fleet.set("MEDIA__RATE_LIMIT__CREATES_PER_SECOND", "1");
    world.fleet.set("MEDIA__RATE_LIMIT__CREATES_AT_ONCE", "2");
    world.start_all(&[Binary::Api]).await;
    let caller = world.caller().await;
    // Counted together: two of both, and not two of each.
    let calls = (0..MANY).map(|number| {
        let mut caller = caller.clone();
        let (good, upload) = (request(&caller, AssetKind::Video, "film.mp4", URL), caller.request(AssetKind::Subtitle, "a.vtt", 10));
        async move {
            match number % 2 {
                0 => import(&mut caller, good).await.map(drop),
                _ => caller.uploads.create_upload(upload).await.map(drop),
            }
        }
    });
    all_at_once(calls, 2).await;
}
