//! QuarantineService.

use media_proto::v1::{
    AddReferenceRequest, AssetKind, AssetStatus, ListQuarantinedRequest, PlaceHoldRequest, PurgeAssetRequest, ReleaseAssetRequest,
    RescanAssetRequest,
};

use super::{retention::let_go, scene::Scene};

const WHY: &str = "a reason";

pub async fn walk(scene: &Scene) {
    let cells = &scene.cells;
    let (mut owner, mut stranger) = (scene.owner.clone(), scene.stranger.clone());
    let listed = cells.happy(owner.quarantine.list_quarantined(ListQuarantinedRequest::default()).await).assets;
    assert!(listed.iter().any(|found| found.asset.as_ref().is_some_and(|asset| asset.id == scene.infected)));
    cells.apart(stranger.quarantine.list_quarantined(ListQuarantinedRequest::default()).await, |answer| answer.assets.is_empty());
    let forged = ListQuarantinedRequest { page_token: "forged".to_owned(), ..Default::default() };
    cells.refused("PAGE_TOKEN_INVALID", owner.quarantine.list_quarantined(forged).await);
    let negative = ListQuarantinedRequest { page_size: -1, ..Default::default() };
    cells.refused("FIELD_INVALID", owner.quarantine.list_quarantined(negative).await);

    let release = |asset_id: &str| ReleaseAssetRequest { asset_id: asset_id.to_owned(), why: WHY.to_owned() };
    let purge = |asset_id: &str| PurgeAssetRequest { asset_id: asset_id.to_owned(), why: WHY.to_owned() };
    let rescan = |asset_id: &str| RescanAssetRequest { asset_id: asset_id.to_owned(), why: WHY.to_owned() };
    let id = scene.another_letter().await;
    cells.refused("ILLEGAL_TRANSITION", owner.quarantine.release_asset(release(&id)).await);
    cells.refused("ILLEGAL_TRANSITION", owner.quarantine.purge_asset(purge(&id)).await);
    cells.refused("ILLEGAL_TRANSITION", owner.quarantine.rescan_asset(rescan(&scene.announced)).await);
    scene.archive(&id, Some("archived")).await;
    cells.refused("ASSET_ARCHIVED", owner.quarantine.rescan_asset(rescan(&id)).await);
    scene.archive(&id, None).await;
    assert_eq!(cells.happy(owner.quarantine.rescan_asset(rescan(&id)).await).asset.unwrap().status(), AssetStatus::Scanning);

    let mut hurried = scene.hurried.clone();
    scene.soon_refused("RATE_LIMITED", async || hurried.quarantine.rescan_asset(rescan(&id)).await).await;

    let (mut file, limit) = (crate::operations::infected_document(), std::time::Duration::from_secs(90));
    file.extend(b"another");
    let infected = owner.upload(AssetKind::Document, "letter.rtf", &file).await;
    owner.until(&infected, AssetStatus::Quarantined, limit).await;
    let refer = AddReferenceRequest { bundle_id: "b".to_owned(), asset_id: infected.clone(), expire_time: None };
    owner.retention.add_reference(refer).await.unwrap();
    cells.refused("REFERENCED", owner.quarantine.purge_asset(purge(&infected)).await);
    let hold = PlaceHoldRequest { asset_id: infected.clone(), reason: "a case".to_owned(), ..Default::default() };
    let hold = owner.retention.place_hold(hold).await.unwrap().into_inner().hold.unwrap();
    cells.refused("HELD", owner.quarantine.purge_asset(purge(&infected)).await);
    let_go(&mut owner, &hold, "b").await;
    assert!(cells.happy(owner.quarantine.purge_asset(purge(&infected)).await).asset.unwrap().delete_time.is_some());
    // The last that is done to it: nothing else asks for something in quarantine after this.
    assert_eq!(cells.happy(owner.quarantine.release_asset(release(&scene.infected)).await).asset.unwrap().status(), AssetStatus::Scanning);
}
