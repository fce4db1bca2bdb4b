//! A deletion taken back.

use std::time::Duration;

use media_devstack::Binary;
use media_proto::v1::{Asset, AssetStatus, TenantPolicy, UndeleteAssetRequest};
use tonic::{Code, Status};

use super::{DAY, announce, change, count, delete, is_about, letter, now, set_asset};
use crate::{
    harness::{Caller, World, eventually},
    refusals::{reason, refused},
};

const LIMIT: Duration = Duration::from_secs(60);

async fn undelete(caller: &mut Caller, asset_id: &str, etag: &str) -> Result<Asset, Status> {
    let request = UndeleteAssetRequest { asset_id: asset_id.to_owned(), etag: etag.to_owned() };
    Ok(caller.assets.undelete_asset(request).await?.into_inner().asset.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_back_goes_on_where_the_deletion_cut_it_off() {
    let mut world = World::with("undelete", &[Binary::Relay, Binary::Api]).await;
    let consumer = world.consumer().await;
    let (mut owner, sql) = (world.caller().await, world.sql().await);
    let id = letter(&mut owner, 1000).await;
    // Twice, so that what the first deletion cancelled is not planned a second time.
    for _ in 0..2 {
        delete(&mut owner, &id).await.unwrap();
        assert_eq!(count(&sql, "media.work WHERE state = 'waiting'").await, 0);
        let back = undelete(&mut owner, &id, "").await.unwrap();
        assert_eq!((back.status(), back.delete_time), (AssetStatus::Scanning, None));
        assert_eq!(count(&sql, "media.work WHERE state = 'waiting'").await, 1);
    }
    world.start_all(&[Binary::Scanner]).await;
    owner.until(&id, AssetStatus::Ready, LIMIT).await;
    consumer.until(&id, "media.asset.ready.v1", LIMIT).await;
    let types: Vec<String> = consumer.of(&id).into_iter().map(|event| event.event_type).collect();
    let expected = ["created", "uploaded", "deleted", "undeleted", "deleted", "undeleted", "scanned", "ready"];
    assert_eq!(types, expected.map(|name| format!("media.asset.{name}.v1")));
    consumer.assert_in_order(&id);

    // Ready before and after; and its days count from now on.
    set_asset(&sql, &id, "created_at = created_at - interval '200 days', deleted_at = now() - interval '1 day'").await;
    let back = undelete(&mut owner, &id, "").await.unwrap();
    assert_eq!(back.status(), AssetStatus::Ready);
    assert!(is_about(back.retention_until, now() + 90 * DAY), "{back:?}");
    assert_eq!(undelete(&mut owner, &id, "").await.unwrap().etag, back.etag, "what is not deleted is left as it is");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_deleted_while_it_was_uploaded_comes_back_as_failed() {
    let world = World::with("undelete-uploading", &[Binary::Relay, Binary::Api, Binary::Janitor]).await;
    let consumer = world.consumer().await;
    let (mut owner, sql) = (world.caller().await, world.sql().await);
    let id = announce(&mut owner, 1000).await.unwrap();
    delete(&mut owner, &id).await.unwrap();
    let back = undelete(&mut owner, &id, "").await.unwrap();
    assert_eq!((back.status(), back.failure_reason.as_str()), (AssetStatus::Failed, "upload_aborted"));
    consumer.until(&id, "media.asset.failed.v1", LIMIT).await;
    let types: Vec<String> = consumer.of(&id).into_iter().map(|event| event.event_type).collect();
    assert_eq!(types, ["created", "deleted", "undeleted", "failed"].map(|name| format!("media.asset.{name}.v1")));
    assert_eq!(refused(owner.complete(&id).await), reason(Code::FailedPrecondition, "ILLEGAL_TRANSITION"));
    eventually("the parts are gone", LIMIT, async || {
        let left = count(&sql, "media.uploads WHERE state <> 'aborted'").await;
        if left == 0 { Ok(()) } else { Err(left) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_within_the_grace_and_by_the_right_etag() {
    let world = World::with("undelete-refused", &[Binary::Api]).await;
    let (mut owner, sql) = (world.caller().await, world.sql().await);
    let id = announce(&mut owner, 1000).await.unwrap();
    let deleted = delete(&mut owner, &id).await.unwrap();
    assert_eq!(refused(undelete(&mut owner, &id, "1").await), reason(Code::Aborted, "ETAG_MISMATCH"));
    assert_eq!(refused(undelete(&mut owner, &id, "none of ours").await), reason(Code::Aborted, "ETAG_MISMATCH"));
    let gone = reason(Code::NotFound, "ASSET_NOT_FOUND");
    change(&mut owner, TenantPolicy { grace_days: Some(3), ..Default::default() }, &["grace_days"]).await.unwrap();
    set_asset(&sql, &id, "deleted_at = now() - interval '73 hours'").await;
    assert_eq!(refused(undelete(&mut owner, &id, "").await), gone, "the grace is over, though nobody erased it yet");
    set_asset(&sql, &id, "deleted_at = now() - interval '71 hours'").await;
    undelete(&mut owner, &id, &deleted.etag).await.unwrap();
    assert_eq!(refused(undelete(&mut owner, "me", "").await), reason(Code::InvalidArgument, "FIELD_INVALID"));
}
