//! AssetService.

use media_proto::v1::{
    AddReferenceRequest, Asset, BatchGetAssetsRequest, CaptionMode, DeleteAssetRequest, GetAssetRequest, ListAssetsRequest,
    PlaceHoldRequest, ReprocessAssetRequest, RequestVariantRequest, RestoreAssetRequest, UndeleteAssetRequest, UpdateAssetRequest,
    WatchAssetRequest,
};

use super::scene::{Scene, captions};

/// An etag that no asset has.
const OTHER: &str = "999";

pub async fn walk(scene: &Scene) {
    shown(scene).await;
    edited_and_deleted(scene).await;
    made_again(scene).await;
    made_again_too_fast(scene).await;
}

async fn shown(scene: &Scene) {
    let cells = &scene.cells;
    let (mut owner, mut stranger, mut hurried) = (scene.owner.clone(), scene.stranger.clone(), scene.hurried.clone());
    let asset_id = scene.letter.clone();
    let got = cells.happy(owner.assets.get_asset(GetAssetRequest { asset_id: asset_id.clone() }).await);
    assert_eq!(got.asset.unwrap().id, asset_id);
    let batch = BatchGetAssetsRequest { asset_ids: vec![asset_id.clone()] };
    assert_eq!(cells.happy(owner.assets.batch_get_assets(batch.clone()).await).assets.len(), 1);
    cells.apart(stranger.assets.batch_get_assets(batch).await, |answer| {
        answer.assets.is_empty() && answer.missing_asset_ids == [asset_id.clone()]
    });
    let list = ListAssetsRequest { owner_user_id: owner.owner.to_string(), ..Default::default() };
    assert!(cells.happy(owner.assets.list_assets(list.clone()).await).assets.iter().any(|asset| asset.id == asset_id));
    let theirs = scene.stranger.tenant.to_string();
    cells.apart(stranger.assets.list_assets(list.clone()).await, |answer| answer.assets.iter().all(|asset| asset.tenant_id == theirs));
    let forged = ListAssetsRequest { page_token: "forged".to_owned(), ..list };
    cells.refused("PAGE_TOKEN_INVALID", owner.assets.list_assets(forged).await);

    let watch = WatchAssetRequest { asset_id: asset_id.clone() };
    let seen = cells.happy(owner.assets.watch_asset(watch).await).message().await.unwrap().unwrap();
    assert_eq!(seen.asset.unwrap().id, asset_id);
    let watched = WatchAssetRequest { asset_id: hurried_asset(scene).await };
    let _open = hurried.assets.watch_asset(watched.clone()).await.unwrap();
    cells.refused("RATE_LIMITED", hurried.assets.watch_asset(watched).await);
}

/// Something to watch where not much may be watched.
async fn hurried_asset(scene: &Scene) -> String {
    let mut hurried = scene.hurried.clone();
    crate::harness::eventually("a create is granted", std::time::Duration::from_secs(20), async || {
        let request = scene.hurried.request(media_proto::v1::AssetKind::Subtitle, "a.vtt", 10);
        hurried.uploads.create_upload(request).await.map(|answer| answer.into_inner().asset.unwrap().id)
    })
    .await
}

async fn edited_and_deleted(scene: &Scene) {
    let cells = &scene.cells;
    let mut owner = scene.owner.clone();
    let id = scene.another_letter().await;
    let update = |etag: &str| UpdateAssetRequest {
        asset: Some(Asset { id: id.clone(), filename: "other.rtf".to_owned(), etag: etag.to_owned(), ..Default::default() }),
        update_mask: None,
    };
    cells.refused("ETAG_MISMATCH", owner.assets.update_asset(update(OTHER)).await);
    assert_eq!(cells.happy(owner.assets.update_asset(update("")).await).asset.unwrap().filename, "other.rtf");

    let delete = |etag: &str| DeleteAssetRequest { asset_id: id.clone(), etag: etag.to_owned() };
    cells.refused("ETAG_MISMATCH", owner.assets.delete_asset(delete(OTHER)).await);
    let refer = AddReferenceRequest { bundle_id: "b".to_owned(), asset_id: id.clone(), expire_time: None };
    owner.retention.add_reference(refer).await.unwrap();
    cells.refused("REFERENCED", owner.assets.delete_asset(delete("")).await);
    let hold = PlaceHoldRequest { asset_id: id.clone(), reason: "a case".to_owned(), ..Default::default() };
    let hold = owner.retention.place_hold(hold).await.unwrap().into_inner().hold.unwrap();
    cells.refused("HELD", owner.assets.delete_asset(delete("")).await);
    super::retention::let_go(&mut owner, &hold, "b").await;
    assert!(cells.happy(owner.assets.delete_asset(delete("")).await).asset.unwrap().delete_time.is_some());
    let undelete = |etag: &str| UndeleteAssetRequest { asset_id: id.clone(), etag: etag.to_owned() };
    cells.refused("ETAG_MISMATCH", owner.assets.undelete_asset(undelete(OTHER)).await);
    assert!(cells.happy(owner.assets.undelete_asset(undelete("")).await).asset.unwrap().delete_time.is_none());
}

async fn made_again(scene: &Scene) {
    let cells = &scene.cells;
    let mut owner = scene.owner.clone();
    let id = scene.another_letter().await;
    let reprocess = |asset_id: &str, etag: &str| ReprocessAssetRequest { asset_id: asset_id.to_owned(), etag: etag.to_owned() };
    let variant = |asset_id: &str| RequestVariantRequest { asset_id: asset_id.to_owned(), profile: "speech".to_owned() };
    let restore = RestoreAssetRequest { asset_id: id.clone(), days: 1 };
    scene.archive(&id, Some("archiving")).await;
    cells.refused("CONTENTION", owner.assets.restore_asset(restore.clone()).await);
    scene.archive(&id, Some("archived")).await;
    cells.refused("ASSET_ARCHIVED", owner.assets.reprocess_asset(reprocess(&id, "")).await);
    cells.happy(owner.assets.restore_asset(restore).await);
    scene.archive(&id, None).await;
    cells.refused("ETAG_MISMATCH", owner.assets.reprocess_asset(reprocess(&id, OTHER)).await);
    cells.refused("ASSET_QUARANTINED", owner.assets.reprocess_asset(reprocess(&scene.infected, "")).await);
    cells.refused("ILLEGAL_TRANSITION", owner.assets.reprocess_asset(reprocess(&scene.announced, "")).await);
    cells.happy(owner.assets.reprocess_asset(reprocess(&id, "")).await);

    cells.refused("ASSET_QUARANTINED", owner.assets.request_variant(variant(&scene.infected)).await);
    cells.refused("ASSET_NOT_READY", owner.assets.request_variant(variant(&scene.announced)).await);
    captions(&mut owner, CaptionMode::Off).await;
    cells.refused("CAPTIONS_OFF", owner.assets.request_variant(variant(&scene.sound)).await);
    captions(&mut owner, CaptionMode::OnRequest).await;
    scene.archive(&scene.sound, Some("archived")).await;
    cells.refused("ASSET_ARCHIVED", owner.assets.request_variant(variant(&scene.sound)).await);
    scene.archive(&scene.sound, None).await;
    let waveform = RequestVariantRequest { asset_id: scene.sound.clone(), profile: "waveform".to_owned() };
    assert_eq!(cells.happy(owner.assets.request_variant(waveform).await).job.unwrap().profile, "waveform");
}

async fn made_again_too_fast(scene: &Scene) {
    let mut hurried = scene.hurried.clone();
    let asset_id = scene.letter.clone();
    let again = ReprocessAssetRequest { asset_id: asset_id.clone(), ..Default::default() };
    scene.soon_refused("RATE_LIMITED", async || hurried.assets.reprocess_asset(again.clone()).await).await;
    let undelete = UndeleteAssetRequest { asset_id: asset_id.clone(), ..Default::default() };
    scene.soon_refused("RATE_LIMITED", async || hurried.assets.undelete_asset(undelete.clone()).await).await;
    let variant = RequestVariantRequest { asset_id, profile: "speech".to_owned() };
    scene.soon_refused("RATE_LIMITED", async || hurried.assets.request_variant(variant.clone()).await).await;
}
