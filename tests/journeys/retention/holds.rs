//! Holds beat every deletion.

use std::time::Duration;

use media_devstack::Binary;
use media_domain::{AssetId, HoldId};
use media_proto::v1::{GetAssetRequest, Hold, PlaceHoldRequest, ReleaseHoldRequest};
use tonic::{Code, Status};
use tonic_types::StatusExt;

use super::{age, announce, count, delete, is_about, letter, now, set_asset};
use crate::{
    harness::{Caller, World, caller, eventually},
    refusals::{reason, refusal, refused},
};

const LIMIT: Duration = Duration::from_secs(30);

async fn place(caller: &mut Caller, asset_id: &str, why: &str) -> Result<Hold, Status> {
    let request = PlaceHoldRequest { asset_id: asset_id.to_owned(), reason: why.to_owned(), ..Default::default() };
    Ok(caller.retention.place_hold(request).await?.into_inner().hold.unwrap())
}

async fn release(caller: &mut Caller, asset_id: &str, hold_id: &str) -> Result<Hold, Status> {
    let request = ReleaseHoldRequest { asset_id: asset_id.to_owned(), hold_id: hold_id.to_owned() };
    Ok(caller.retention.release_hold(request).await?.into_inner().hold.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_held_is_not_deleted_before_the_last_hold_is_released() {
    let mut world = World::with("holds", &[Binary::Api]).await;
    let (mut owner, sql) = (world.caller().await, world.sql().await);
    let id = letter(&mut owner, 1000).await;
    let (first, second) = (place(&mut owner, &id, "case 1").await.unwrap(), place(&mut owner, &id, "case 2").await.unwrap());
    assert_eq!((first.reason.as_str(), first.placed_by.as_str()), ("case 1", "journey"));
    assert!(is_about(first.place_time, now()) && first.release_time.is_none() && first.released_by.is_empty());

    let held = delete(&mut owner, &id).await.unwrap_err();
    assert_eq!(refusal(&held), reason(Code::FailedPrecondition, "HELD"));
    assert_eq!(held.get_error_details().error_info().unwrap().metadata["holds"], format!("{}, {}", first.id, second.id));

    let released = release(&mut owner, &id, &first.id).await.unwrap();
    assert_eq!(released.released_by, "journey");
    assert_eq!(release(&mut owner, &id, &first.id).await.unwrap(), released, "a second time changes nothing");
    assert_eq!(refused(delete(&mut owner, &id).await), reason(Code::FailedPrecondition, "HELD"), "the other one stands");

    // Nor does time delete it, or erase one that was deleted before it was held.
    age(&sql, &id, 92).await;
    let deleted = letter(&mut owner, 1000).await;
    delete(&mut owner, &deleted).await.unwrap();
    let late = place(&mut owner, &deleted, "case 3").await.unwrap();
    set_asset(&sql, &deleted, "deleted_at = deleted_at - interval '32 days'").await;
    // What is due for longest goes first: when these two have gone, those that are held have had their turn.
    let (free, forgotten) = (letter(&mut owner, 1000).await, letter(&mut owner, 1000).await);
    age(&sql, &free, 91).await;
    delete(&mut owner, &forgotten).await.unwrap();
    set_asset(&sql, &forgotten, "deleted_at = deleted_at - interval '31 days'").await;
    world.start_all(&[Binary::Janitor]).await;
    let asking = owner.clone();
    let is_gone = async |what: &str, gone: &str| {
        eventually(what, LIMIT, async || match asking.clone().assets.get_asset(GetAssetRequest { asset_id: gone.to_owned() }).await {
            Err(status) if status.code() == Code::NotFound => Ok(()),
            other => Err(format!("{other:?}")),
        })
        .await;
    };
    is_gone("what nobody holds is deleted", &free).await;
    let forgotten = format!("media.assets WHERE id = '{}'", forgotten.parse::<AssetId>().unwrap().as_uuid());
    eventually("what nobody holds is erased", LIMIT, async || {
        let left = count(&sql, &forgotten).await;
        if left == 0 { Ok(()) } else { Err(left) }
    })
    .await;
    assert!(owner.get(&id).await.asset.unwrap().delete_time.is_none());
    assert_eq!(count(&sql, "media.assets WHERE deleted_at < now() - interval '1 day'").await, 1, "what is held is not erased");

    release(&mut owner, &id, &second.id).await.unwrap();
    is_gone("nobody holds it any more", &id).await;
    assert_eq!(count(&sql, "media.asset_holds WHERE released_at IS NOT NULL AND reason IN ('case 1', 'case 2')").await, 2, "on record");
    release(&mut owner, &deleted, &late.id).await.unwrap();
    eventually("what was deleted long ago is erased", LIMIT, async || {
        let left = count(&sql, "media.assets WHERE deleted_at < now() - interval '1 day'").await;
        if left == 0 { Ok(()) } else { Err(left) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_hold_is_refused() {
    let world = World::with("holds-refused", &[Binary::Api]).await;
    let mut owner = world.caller().await;
    let (id, other) = (announce(&mut owner, 1000).await.unwrap(), announce(&mut owner, 1000).await.unwrap());
    let invalid = reason(Code::InvalidArgument, "FIELD_INVALID");
    for why in ["", "a\0b", &"x".repeat(501)] {
        assert_eq!(refused(place(&mut owner, &id, why).await), invalid, "{why:?}");
    }
    assert_eq!(refused(release(&mut owner, &id, "me").await), invalid);
    let hold = place(&mut owner, &id, "a case").await.unwrap();
    let none = reason(Code::NotFound, "HOLD_NOT_FOUND");
    assert_eq!(refused(release(&mut owner, &id, &HoldId::generate().to_string()).await), none);
    assert_eq!(refused(release(&mut owner, &other, &hold.id).await), none, "of another asset");

    let scopes = "media.read media.write media.delete";
    let mut writer = Caller::with_token(&world.fleet.grpc_url(), owner.tenant, caller::token(owner.tenant, scopes, 60)).await;
    let missing = reason(Code::PermissionDenied, "SCOPE_MISSING");
    assert_eq!(refused(place(&mut writer, &id, "a case").await), missing);
    assert_eq!(refused(release(&mut writer, &id, &hold.id).await), missing);
}
