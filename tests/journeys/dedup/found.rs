//! What is found in bytes is found for all who have them.

use media_devstack::{Server, Stack, StackInfo, StackOptions};
use media_proto::v1::{AbortUploadRequest, AssetKind, AssetStatus, GetPlaybackRequest, RescanAssetRequest};
use tonic::Code;

use super::{ALL, LIMIT, announce, download, is};
use crate::{
    harness::{World, samples},
    refusals::{leftovers, reason, refused},
};

#[tokio::test(flavor = "multi_thread")]
async fn what_is_found_in_shared_bytes_is_found_for_all_who_have_them() {
    let stack = StackInfo::from_env().unwrap();
    let clamd = Stack::start(StackOptions::beside(&stack, &[Server::Clamd])).await.unwrap();
    let mut world = World::on(clamd.describe().isolated("dedup-found").await.unwrap());
    world.start_all(&ALL).await;
    let (mut owner, mut stranger) = (world.caller().await, world.caller().await);
    let mut bytes = samples::picture(400, 200);
    bytes.extend(b"what next week's signature finds");
    let first = owner.upload(AssetKind::Image, "card.png", &bytes).await;
    let theirs = stranger.upload(AssetKind::Image, "card.png", &bytes).await;
    owner.until(&first, AssetStatus::Ready, LIMIT).await;
    stranger.until(&theirs, AssetStatus::Ready, LIMIT).await;
    let shared = announce(&mut owner, AssetKind::Image, &bytes).await.asset.unwrap().id;
    is(&owner, &shared, AssetStatus::Ready).await;

    let signatures = clamd.folder().join("clamd/database/nextweek.ndb");
    let hex: String = b"what next week's signature finds".iter().map(|byte| format!("{byte:02x}")).collect();
    std::fs::write(&signatures, format!("NextWeek:0:*:{hex}\n")).unwrap();
    clamd.restart(Server::Clamd).await.unwrap();
    // By one more upload, or by a scan of one that is there: here by an upload, which nobody announced.
    let third = owner.upload(AssetKind::Image, "third.png", &bytes).await;
    for id in [&third, &first, &shared] {
        is(&owner, id, AssetStatus::Quarantined).await;
        let quarantined = reason(Code::FailedPrecondition, "ASSET_QUARANTINED");
        assert_eq!(refused(download(&mut owner, id, "").await), quarantined);
        assert_eq!(refused(owner.playback.get_playback(GetPlaybackRequest { asset_id: id.clone() }).await), quarantined);
    }
    leftovers::assert_nothing_is_left(&world, owner.tenant).await;
    let objects = leftovers::objects(&leftovers::store(&world), &world, owner.tenant).await;
    let originals = objects.iter().filter(|name| name.contains("/original")).collect::<Vec<_>>();
    assert!(originals.iter().all(|name| name.starts_with(world.isolated().quarantine_bucket())), "{originals:?}");
    assert!(download(&mut stranger, &theirs, "").await.is_ok(), "another tenant's are found by its own scans");
    let announced = announce(&mut owner, AssetKind::Image, &bytes).await;
    assert!(announced.plan.is_some(), "nobody shares what something was found in");
    let given_up = AbortUploadRequest { asset_id: announced.asset.unwrap().id };
    owner.uploads.abort_upload(given_up).await.unwrap();

    // It was a mistake: each comes back by its own scan, and what is shared is shared.
    std::fs::remove_file(&signatures).unwrap();
    clamd.restart(Server::Clamd).await.unwrap();
    for id in [&first, &shared] {
        let request = RescanAssetRequest { asset_id: id.clone(), why: "new signatures".to_owned() };
        owner.quarantine.rescan_asset(request).await.unwrap();
        is(&owner, id, AssetStatus::Ready).await;
        assert!(download(&mut owner, id, "").await.unwrap() == bytes);
        assert!(download(&mut owner, id, "webp-320").await.is_ok());
    }
    leftovers::assert_nothing_is_left(&world, owner.tenant).await;
    drop(world);
    clamd.stop().await.unwrap();
}
