//! What the janitor finds of assets whose time is over, and work that a deletion cancelled.

use media_domain::{
    AssetId, HoldId, Kind, Profiles, Status, TenantId,
    work::{Group, Queue},
};
use media_storage::{StorageError, work::Heartbeat};
use sqlx::AssertSqlSafe;

use super::place::{LEASE, Place, blob, plan_group, tenant, variant};

async fn change(place: &Place, sql: &str) {
    sqlx::query(AssertSqlSafe(sql.to_owned())).execute(&place.superuser).await.unwrap();
}

/// An asset whose retention was over so many days ago.
async fn over(place: &Place, tenant: TenantId, days: i64) -> AssetId {
    let asset = place.asset(tenant, Kind::Document).await;
    let set = format!("retention_until = now() - interval '{days} days', created_at = now() - interval '{} days'", days + 90);
    change(place, &format!("UPDATE media.assets SET {set} WHERE id = '{}'", asset.as_uuid())).await;
    asset
}

#[tokio::test]
async fn tenants_are_swept_in_turn_the_longest_due_first_and_what_is_held_is_left_out() {
    let place = Place::new("retention-fair").await;
    let (many, few) = (tenant(), tenant());
    let mut of_many = Vec::new();
    for days in [9, 8, 7, 6] {
        of_many.push(over(&place, many, days).await);
    }
    let of_few = [over(&place, few, 2).await, over(&place, few, 1).await];
    let mut tx = place.api.in_tenant(many, "test.hold").await.unwrap();
    tx.holds().place(HoldId::generate(), of_many[1], "a case", "me").await.unwrap();
    tx.commit().await.unwrap();
    place.asset(few, Kind::Document).await;

    let janitor = place.janitor.across_tenants();
    let expected = [(many, of_many[0]), (few, of_few[0]), (many, of_many[2]), (few, of_few[1]), (many, of_many[3])];
    assert_eq!(janitor.ended_retention(10).await.unwrap(), expected);
    assert_eq!(janitor.ended_retention(3).await.unwrap(), expected[..3]);
    change(&place, "UPDATE media.assets SET deleted_at = retention_until - interval '30 days' WHERE retention_until IS NOT NULL").await;
    assert_eq!(janitor.ended_retention(10).await.unwrap(), []);
    assert_eq!(janitor.ended_grace(10).await.unwrap(), expected);
    change(&place, &format!("INSERT INTO media.tenant_policies (tenant_id, grace_days) VALUES ('{}', 40)", few.0)).await;
    assert_eq!(janitor.ended_grace(10).await.unwrap(), [expected[0], expected[2], expected[4]], "by the tenant's own grace");
    assert_eq!(janitor.changed_policies(10).await.unwrap(), [few]);
}

/// The sweep looks once more, under the lock.
#[tokio::test]
async fn what_is_no_longer_over_when_its_turn_comes_is_left_alone() {
    let place = Place::new("retention-again").await;
    let owner = tenant();
    let (needed, longer) = (over(&place, owner, 1).await, over(&place, owner, 1).await);
    let mut tx = place.api.in_tenant(owner, "test.refer").await.unwrap();
    tx.add_reference("b", needed, None).await.unwrap();
    tx.commit().await.unwrap();
    change(&place, &format!("INSERT INTO media.tenant_policies (tenant_id, operational_days) VALUES ('{}', 100)", owner.0)).await;
    for asset in [needed, longer] {
        let mut tx = place.janitor.in_tenant(owner, "test.sweep").await.unwrap();
        assert!(tx.delete_if_over(asset).await.unwrap().is_none());
        tx.commit().await.unwrap();
        assert!(place.lookup(owner, asset).await.deleted_at.is_none());
    }
    let mut tx = place.janitor.in_tenant(owner, "test.delete").await.unwrap();
    let refused = tx.assets().delete(needed, None).await;
    assert!(matches!(&refused, Err(StorageError::Referenced { bundles }) if bundles == &["b"]), "{refused:?}");
}

#[tokio::test]
async fn an_object_that_another_asset_names_outlives_the_first() {
    let place = Place::new("retention-shared").await;
    let owner = tenant();
    let (first, second) = (place.asset(owner, Kind::Video).await, place.asset(owner, Kind::Video).await);
    let mut tx = place.transcoder.in_tenant(owner, "test.variants").await.unwrap();
    for (asset, key) in [(first, "shared"), (second, "shared"), (first, "own")] {
        let name = if key == "own" { "poster" } else { "h264-360p" };
        tx.variants().put(&variant(asset, name, key, 0)).await.unwrap();
    }
    tx.commit().await.unwrap();
    change(&place, "UPDATE media.assets SET deleted_at = now() - interval '31 days'").await;
    for (asset, doomed) in [(first, "own"), (second, "own, shared")] {
        let mut tx = place.janitor.in_tenant(owner, "test.erase").await.unwrap();
        assert!(tx.erase_if_over(asset).await.unwrap().is_some());
        tx.commit().await.unwrap();
        let sql = "SELECT string_agg(key, ', ' ORDER BY key) FROM media.blobs WHERE doomed_at IS NOT NULL";
        assert_eq!(place.text(sql).await, if doomed.contains(',') { format!("(\"{doomed}\")") } else { format!("({doomed})") });
    }
    assert_eq!(blob("own").key, "own");
}

#[tokio::test]
async fn nothing_is_erased_while_an_upload_or_a_worker_has_something_to_clear_away() {
    let place = Place::new("retention-in-use").await;
    let owner = tenant();
    let work = place.work(owner, Group::Ladder).await;
    let lease = place.lease(Queue::Transcode).await;
    change(&place, "UPDATE media.assets SET deleted_at = now() - interval '31 days'").await;
    let erase = async || {
        let mut tx = place.janitor.in_tenant(owner, "test.erase").await.unwrap();
        let erased = tx.erase_if_over(lease.asset).await.unwrap().is_some();
        tx.commit().await.unwrap();
        erased
    };
    assert!(!erase().await, "a worker has it");
    place.set_work(work, "state = 'cancelled', lease_owner = NULL, lease_until = NULL").await;
    change(
        &place,
        &format!(
            "INSERT INTO media.output_uploads (tenant_id, work_id, attempt, profile, bucket, key, s3_upload_id)
             VALUES ('{}', '{}', 1, 'p', 'b', 'k', 'u')",
            owner.0,
            work.as_uuid()
        ),
    )
    .await;
    assert!(!erase().await, "parts may be in the bucket");
    change(&place, "DELETE FROM media.output_uploads").await;
    assert!(erase().await);
    assert_eq!(place.count("media.work").await, 0);
}

/// What runs is told to stop with its next heartbeat: until then it may go on, and after that it waits again.
#[tokio::test]
async fn work_that_runs_while_a_deletion_comes_and_goes_is_done() {
    let place = Place::new("retention-undelete").await;
    let owner = tenant();
    let asset = place.asset_in(owner, Kind::Video, Status::Transcoding).await;
    let mut tx = place.transcoder.in_tenant(owner, "test.plan").await.unwrap();
    let poster = plan_group(&mut tx, asset, Group::Poster, &[("poster", true)]).await;
    let ladder = plan_group(&mut tx, asset, Group::Ladder, &[("h264-360p", true), ("aac-128k", true)]).await;
    let preview = plan_group(&mut tx, asset, Group::Preview, &[("preview", false)]).await;
    tx.commit().await.unwrap();
    let (of_poster, of_ladder) = (place.lease(Queue::Transcode).await, place.lease(Queue::Transcode).await);
    assert_eq!((of_poster.work, of_ladder.work), (poster, ladder));

    let mut tx = place.api.in_tenant(owner, "test.delete").await.unwrap();
    tx.assets().delete(asset, None).await.unwrap();
    tx.commit().await.unwrap();
    let mut tx = place.transcoder.in_tenant(owner, "test.heartbeat").await.unwrap();
    assert_eq!(tx.work().heartbeat(&of_ladder, LEASE).await.unwrap(), Heartbeat::CancelRequested);
    tx.commit().await.unwrap();
    let mut tx = place.api.in_tenant(owner, "test.undelete").await.unwrap();
    tx.undelete(asset, None, &Profiles::built_in().unwrap()).await.unwrap();
    tx.commit().await.unwrap();
    let jobs = "SELECT string_agg(profile || ' ' || status, ', ' ORDER BY profile) FROM media.transcode_jobs";
    assert_eq!(place.text(jobs).await, "(\"aac-128k running, h264-360p running, poster running, preview waiting\")");

    // The poster's worker knew nothing of it; the ladder's was told, and lets go.
    let mut tx = place.transcoder.in_tenant(owner, "test.commit").await.unwrap();
    tx.assets().lock(asset).await.unwrap();
    tx.work().complete(&of_poster).await.unwrap();
    tx.transcode_jobs().succeed(poster, &super::place::profile("poster")).await.unwrap();
    tx.commit().await.unwrap();
    let mut tx = place.transcoder.in_tenant(owner, "test.cancelled").await.unwrap();
    tx.work().cancelled(&of_ladder).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!((place.of_work(poster, "state").await, place.of_work(ladder, "state").await), ("succeeded".into(), "waiting".into()));
    assert_eq!(place.of_work(preview, "state").await, "cancelled");
    assert_eq!(place.text("SELECT group_name FROM media.work WHERE state = 'waiting' AND rank = 5").await, "(preview)");
    let again = place.lease(Queue::Transcode).await;
    assert_eq!((again.work, again.attempt, again.failures), (ladder, 2, 0));
}
