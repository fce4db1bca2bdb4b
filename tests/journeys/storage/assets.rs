//! Assets: one tenant's are nobody else's, their moves are legal ones, and their pages stay right.

use std::time::Duration;

use media_devstack::DatabaseRole;
use media_domain::{AssetId, Kind, Reason, Status, asset::IllegalTransition, work::Group};
use media_storage::{StorageError, assets::AssetFilter};

use super::place::{Place, connect, new_asset, tenant};

#[tokio::test]
async fn a_tenant_sees_and_changes_its_own_and_no_other() {
    let place = Place::new("assets-tenants").await;
    let (ours, theirs) = (tenant(), tenant());
    let asset = place.asset(ours, Kind::Video).await;
    let before = place.text("SELECT * FROM media.assets").await;
    let mut tx = place.api.in_tenant(theirs, "test.foreign").await.unwrap();
    assert!(tx.assets().lookup(asset).await.unwrap().is_none());
    assert!(tx.assets().lock(asset).await.unwrap().is_none());
    assert!(tx.assets().list(&AssetFilter::default(), None, 10).await.unwrap().is_empty());
    for refused in [
        tx.assets().advance(asset, Status::Scanning).await,
        tx.assets().fail(asset, Reason::Internal, "not ours").await,
        tx.assets().delete(asset, None).await.map(drop),
        tx.ready_if_complete(asset).await.map(drop),
    ] {
        assert!(matches!(refused, Err(StorageError::Missing { what: "asset" })), "{refused:?}");
    }
    tx.work().cancel_of_asset(asset).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(place.text("SELECT * FROM media.assets").await, before);
    let mut tx = place.api.in_tenant(ours, "test.own").await.unwrap();
    assert_eq!(tx.assets().lookup(asset).await.unwrap().unwrap().tenant, ours);
}

/// Whether A's asset has work waiting must make no difference to B either.
#[tokio::test]
async fn work_on_another_tenants_asset_is_refused_whether_or_not_it_has_some() {
    let place = Place::new("assets-foreign-work").await;
    let ours = tenant();
    let asset = place.asset(ours, Kind::Video).await;
    for planned in [false, true] {
        if planned {
            place.plan(ours, asset, Group::Scan, 1).await;
        }
        let mut tx = place.api.in_tenant(tenant(), "test.foreign").await.unwrap();
        let refused = tx.work().plan(asset, Group::Scan, 1).await;
        assert!(matches!(refused, Err(StorageError::Refused(_))), "planned {planned}: {refused:?}");
    }
}

/// One connection serves one tenant after the other: nothing of the first may cling to it.
#[tokio::test]
async fn a_connection_forgets_its_tenant_with_the_transaction() {
    let place = Place::new("assets-one-connection").await;
    let one = connect(&place.isolated, DatabaseRole::Api, 1);
    let (first, second) = (tenant(), tenant());
    let asset = place.asset(first, Kind::Video).await;
    for how in ["committed", "dropped", "failed"] {
        let mut tx = one.in_tenant(first, "test.first").await.unwrap();
        assert!(tx.assets().lookup(asset).await.unwrap().is_some());
        match how {
            "committed" => tx.commit().await.unwrap(),
            "dropped" => drop(tx),
            _ => {
                tx.work().plan(AssetId::generate(), Group::Scan, 1).await.unwrap_err();
                drop(tx);
            }
        }
        let mut tx = one.in_tenant(second, "test.second").await.unwrap();
        assert!(tx.assets().lookup(asset).await.unwrap().is_none(), "{how}");
    }
}

#[tokio::test]
async fn what_is_not_committed_never_was() {
    let place = Place::new("assets-dropped").await;
    let tenant = tenant();
    let asset = place.asset(tenant, Kind::Video).await;
    let mut tx = place.api.in_tenant(tenant, "test.dropped").await.unwrap();
    tx.assets().advance(asset, Status::Scanning).await.unwrap();
    tx.assets().insert(&new_asset(Kind::Image)).await.unwrap();
    drop(tx);
    assert_eq!(place.lookup(tenant, asset).await.status, Status::Uploading);
    assert_eq!(place.count("media.assets").await, 1);
}

#[tokio::test]
async fn a_move_that_is_not_legal_is_refused_with_both_states_and_changes_nothing() {
    let place = Place::new("assets-moves").await;
    let tenant = tenant();
    for from in Status::ALL {
        let asset = place.asset_in(tenant, Kind::Video, *from).await;
        let etag = place.lookup(tenant, asset).await.etag;
        for to in Status::ALL {
            let mut tx = place.api.in_tenant(tenant, "test.advance").await.unwrap();
            match tx.assets().advance(asset, *to).await {
                Ok(()) => {
                    assert!(from.may_become(*to), "{from} to {to}");
                    let moved = tx.assets().lookup(asset).await.unwrap().unwrap();
                    assert_eq!((moved.status, moved.etag), (*to, etag + 1));
                }
                Err(StorageError::IllegalTransition(refused)) => {
                    assert!(!from.may_become(*to), "{from} to {to}");
                    assert_eq!(refused, IllegalTransition { from: *from, to: *to });
                }
                Err(error) => panic!("{from} to {to}: {error:?}"),
            }
        }
        let after = place.lookup(tenant, asset).await;
        assert_eq!((after.status, after.etag), (*from, etag));
    }
}

#[tokio::test]
async fn two_who_move_an_asset_at_once_are_one_after_the_other() {
    let place = Place::new("assets-moved-at-once").await;
    let tenant = tenant();
    let asset = place.asset_in(tenant, Kind::Video, Status::Scanning).await;
    let mut first = place.scanner.in_tenant(tenant, "test.first").await.unwrap();
    first.assets().advance(asset, Status::Quarantined).await.unwrap();
    let second = async {
        let mut tx = place.scanner.in_tenant(tenant, "test.second").await.unwrap();
        tx.assets().advance(asset, Status::Transcoding).await
    };
    let commit = async {
        place.until_somebody_waits_for_a_lock().await;
        first.commit().await.unwrap();
    };
    let (refused, ()) = tokio::join!(second, commit);
    let expected = IllegalTransition { from: Status::Quarantined, to: Status::Transcoding };
    assert!(matches!(&refused, Err(StorageError::IllegalTransition(refused)) if *refused == expected), "{refused:?}");
}

#[tokio::test]
async fn pages_hold_every_asset_once_newest_first_while_others_come_and_go() {
    const PAGE: u32 = 3;
    let place = Place::new("assets-pages").await;
    let tenant = tenant();
    let mut expected = Vec::new();
    // Of one transaction, and so of one moment: only the id tells them apart.
    for _ in 0..3 {
        let mut tx = place.api.in_tenant(tenant, "test.assets").await.unwrap();
        for _ in 0..4 {
            let new = new_asset(Kind::Image);
            tx.assets().insert(&new).await.unwrap();
            expected.push(new.id);
        }
        tx.commit().await.unwrap();
    }
    place.asset(super::place::tenant(), Kind::Image).await;
    let order = "SELECT id FROM media.assets WHERE tenant_id = $1 ORDER BY created_at DESC, id DESC";
    let ordered: Vec<uuid::Uuid> = sqlx::query_scalar(order).bind(tenant.0).fetch_all(&place.superuser).await.unwrap();
    let mut seen = Vec::new();
    let mut after = None;
    for page in 0.. {
        let mut tx = place.api.in_tenant(tenant, "test.page").await.unwrap();
        let assets = tx.assets().list(&AssetFilter::default(), after, PAGE).await.unwrap();
        tx.commit().await.unwrap();
        let Some(last) = assets.last() else { break };
        assert!(assets.len() <= PAGE as usize);
        after = Some((last.created_at, last.id));
        seen.extend(assets.iter().map(|asset| asset.id));
        // A newer one comes, and one that was seen goes: no page that follows may shift.
        place.asset(tenant, Kind::Image).await;
        let mut tx = place.api.in_tenant(tenant, "test.delete").await.unwrap();
        tx.assets().delete(seen[page], None).await.unwrap();
        tx.commit().await.unwrap();
    }
    assert_eq!(seen.iter().map(AssetId::as_uuid).collect::<Vec<_>>(), ordered);
}

#[tokio::test]
async fn a_list_holds_what_its_filter_names() {
    let place = Place::new("assets-filter").await;
    let tenant = tenant();
    let image = place.asset(tenant, Kind::Image).await;
    let video = place.asset_in(tenant, Kind::Video, Status::Scanning).await;
    let owner = place.lookup(tenant, image).await.owner;
    let created = place.lookup(tenant, video).await.created_at;
    let just_after = created + Duration::from_micros(1);
    let all = AssetFilter::default;
    for (filter, expected) in [
        (AssetFilter { kind: Some(Kind::Image), ..all() }, vec![image]),
        (AssetFilter { status: Some(Status::Scanning), ..all() }, vec![video]),
        (AssetFilter { owner: Some(owner), ..all() }, vec![image]),
        (AssetFilter { created_from: Some(created), ..all() }, vec![video]),
        (AssetFilter { created_before: Some(created), ..all() }, vec![image]),
        (AssetFilter { created_from: Some(just_after), ..all() }, vec![]),
        (AssetFilter { sha256: Some("0".repeat(64)), ..all() }, vec![]),
        (all(), vec![video, image]),
    ] {
        let mut tx = place.api.in_tenant(tenant, "test.filter").await.unwrap();
        let found: Vec<_> = tx.assets().list(&filter, None, 10).await.unwrap().into_iter().map(|asset| asset.id).collect();
        assert_eq!(found, expected, "{filter:?}");
    }
}

#[tokio::test]
async fn deleting_needs_the_version_that_was_read_and_happens_once() {
    let place = Place::new("assets-delete").await;
    let tenant = tenant();
    let asset = place.asset_in(tenant, Kind::Video, Status::Ready).await;
    let before = place.lookup(tenant, asset).await;
    let mut tx = place.api.in_tenant(tenant, "api.delete").await.unwrap();
    let stale = tx.assets().delete(asset, Some(before.etag - 1)).await;
    assert!(matches!(stale, Err(StorageError::Changed { what: "asset" })), "{stale:?}");
    let deleted = tx.assets().delete(asset, Some(before.etag)).await.unwrap();
    assert!(deleted.deleted_at.is_some());
    // Tokens that were given before no longer open anything.
    assert_eq!((deleted.playback_epoch, deleted.etag), (before.playback_epoch + 1, before.etag + 1));
    let again = tx.assets().delete(asset, None).await.unwrap();
    assert_eq!((again.deleted_at, again.etag), (deleted.deleted_at, deleted.etag));
    tx.commit().await.unwrap();
    assert_eq!(place.events(asset).await, ["media.asset.deleted.v1"]);
}

#[tokio::test]
async fn a_change_wakes_those_who_watch_the_asset() {
    let place = Place::new("assets-watch").await;
    let tenant = tenant();
    let asset = place.asset(tenant, Kind::Video).await;
    let mut listener = place.api.listen_assets().await.unwrap();
    let mut tx = place.scanner.in_tenant(tenant, "test.advance").await.unwrap();
    tx.assets().advance(asset, Status::Scanning).await.unwrap();
    tx.commit().await.unwrap();
    let changed = tokio::time::timeout(Duration::from_secs(10), listener.changed()).await.unwrap().unwrap();
    assert_eq!(changed, Some(asset));
}
