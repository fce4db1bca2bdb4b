//! Assets with the same bytes: who leads, who follows, and when an object has lost its last name.

use std::time::Duration;

use media_domain::{
    AssetId, BlobName, Kind, Profiles, Reason, Status, TenantId,
    reason::Verdict,
    work::{Group, Queue},
};
use media_storage::{StorageError, TenantTx, assets::Scanned, work::Lease};
use sqlx::AssertSqlSafe;

use super::place::{Place, blob, plan_group, profile, tenant, variant};

const SHA256: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

fn profiles() -> Profiles {
    Profiles::built_in().unwrap()
}

/// A film of these bytes that was scanned, as its scanner's transaction leaves it before it looks for a twin.
async fn scanned(tx: &mut TenantTx, asset: AssetId) {
    let found =
        Scanned { sha256: SHA256.to_owned(), mime: "video/mp4".to_owned(), size_bytes: 1000, verdict: Verdict::Clean, signature: None };
    tx.assets().lock(asset).await.unwrap();
    tx.assets().set_scanned(asset, &found).await.unwrap();
    tx.blobs().put(&original(asset), Some(SHA256), Some(1000)).await.unwrap();
    tx.assets().advance(asset, Status::Transcoding).await.unwrap();
}

fn original(asset: AssetId) -> BlobName {
    blob(&asset.to_string())
}

/// A film whose scan has just ended; it has followed another if there was one, and else leads.
async fn film(place: &Place, tenant: TenantId) -> AssetId {
    let asset = place.asset_in(tenant, Kind::Video, Status::Scanning).await;
    let mut tx = place.scanner.in_tenant(tenant, "scanner.commit").await.unwrap();
    scanned(&mut tx, asset).await;
    if !tx.join_twin(asset, Some(&profiles())).await.unwrap() {
        tx.work().plan(asset, Group::Probe, 1).await.unwrap();
    }
    tx.commit().await.unwrap();
    asset
}

/// After the leader's probe: its poster and one rung are needed, and another rung is not.
async fn planned(place: &Place, tenant: TenantId, leader: AssetId) -> [Lease; 2] {
    let probe = place.lease(Queue::Transcode).await;
    assert_eq!((probe.asset, probe.group), (leader, Group::Probe));
    let mut tx = place.transcoder.in_tenant(tenant, "transcoder.commit").await.unwrap();
    tx.assets().lock(leader).await.unwrap();
    tx.work().complete(&probe).await.unwrap();
    plan_group(&mut tx, leader, Group::Poster, &[("poster", true)]).await;
    plan_group(&mut tx, leader, Group::Ladder, &[("h264-720p", false)]).await;
    tx.share(leader, &profiles()).await.unwrap();
    tx.commit().await.unwrap();
    [place.lease(Queue::Transcode).await, place.lease(Queue::Transcode).await]
}

/// Commits a variant as the transcoder does.
async fn made(place: &Place, lease: &Lease, name: &str) {
    let mut tx = place.transcoder.in_tenant(lease.tenant, "transcoder.commit").await.unwrap();
    tx.assets().lock(lease.asset).await.unwrap();
    tx.work().complete(lease).await.unwrap();
    tx.variants().put(&variant(lease.asset, name, &format!("{}/{name}", lease.asset), 0)).await.unwrap();
    tx.transcode_jobs().succeed(lease.work, &profile(name)).await.unwrap();
    tx.ready_if_complete(lease.asset).await.unwrap();
    tx.share(lease.asset, &profiles()).await.unwrap();
    tx.commit().await.unwrap();
}

async fn variants(place: &Place, asset: AssetId) -> Vec<String> {
    let sql = "SELECT profile || ' ' || key FROM media.variants WHERE asset_id = $1 ORDER BY profile";
    sqlx::query_scalar(sql).bind(asset.as_uuid()).fetch_all(&place.superuser).await.unwrap()
}

async fn follows(place: &Place, asset: AssetId) -> Option<AssetId> {
    let sql = "SELECT follows FROM media.assets WHERE id = $1";
    let follows: Option<uuid::Uuid> = sqlx::query_scalar(sql).bind(asset.as_uuid()).fetch_one(&place.superuser).await.unwrap();
    follows.map(AssetId::from)
}

async fn change(place: &Place, sql: &str) {
    sqlx::query(AssertSqlSafe(sql.to_owned())).execute(&place.superuser).await.unwrap();
}

#[tokio::test]
async fn what_comes_after_readiness_is_shared_too() {
    let place = Place::new("sharing-later").await;
    let owner = tenant();
    let (leader, follower) = (film(&place, owner).await, film(&place, owner).await);
    assert_eq!(follows(&place, follower).await, Some(leader));
    let [poster, ladder] = planned(&place, owner, leader).await;
    assert!(place.jobs(follower).await.is_empty());
    made(&place, &poster, "poster").await;
    // Both are ready with the poster, and so is one that comes now.
    let late = film(&place, owner).await;
    for id in [leader, follower, late] {
        assert_eq!(place.lookup(owner, id).await.status, Status::Ready);
    }
    for id in [follower, late] {
        assert_eq!(follows(&place, id).await, Some(leader), "a rung is to come");
        assert_eq!(place.jobs(id).await, ["h264-720p waiting", "poster succeeded"]);
        assert_eq!(variants(&place, id).await, [format!("poster {leader}/poster")]);
    }
    made(&place, &ladder, "h264-720p").await;
    for id in [follower, late] {
        assert_eq!((follows(&place, id).await, variants(&place, id).await), (None, variants(&place, leader).await));
        assert_eq!(place.jobs(id).await, ["h264-720p succeeded", "poster succeeded"]);
        let events = place.events(id).await;
        let told = ["media.variant.created.v1", "media.asset.ready.v1", "media.variant.created.v1"];
        assert_eq!(events, told, "the later one is told of too");
        let asset = place.lookup(owner, id).await;
        assert_eq!((asset.blob, asset.deduplicated), (original(leader), true));
        assert_eq!(place.count(&format!("media.blobs WHERE key = '{id}' AND doomed_at IS NOT NULL")).await, 1, "its own bytes go");
    }
    assert_eq!(place.count("media.work").await, 3, "nobody made anything twice");
}

#[tokio::test]
async fn followers_are_told_of_a_failed_rung_and_make_what_a_deleted_leader_leaves() {
    let place = Place::new("sharing-left").await;
    let owner = tenant();
    let (leader, follower) = (film(&place, owner).await, film(&place, owner).await);
    let [poster, ladder] = planned(&place, owner, leader).await;
    made(&place, &poster, "poster").await;
    let late = film(&place, owner).await;
    let mut tx = place.api.in_tenant(owner, "api.delete").await.unwrap();
    tx.assets().delete(leader, None).await.unwrap();
    tx.commit().await.unwrap();
    // The oldest makes the rung, and the other follows.
    assert_eq!((follows(&place, follower).await, follows(&place, late).await), (None, Some(follower)));
    let mut tx = place.transcoder.in_tenant(owner, "worker.settle").await.unwrap();
    tx.work().cancelled(&ladder).await.unwrap();
    tx.commit().await.unwrap();
    let again = place.lease(Queue::Transcode).await;
    assert_eq!((again.asset, again.group), (follower, Group::Ladder));
    let mut tx = place.transcoder.in_tenant(owner, "worker.settle").await.unwrap();
    tx.give_up(&again, Reason::Corrupt, "no rung").await.unwrap();
    tx.commit().await.unwrap();
    for id in [follower, late] {
        assert_eq!(place.jobs(id).await, ["h264-720p failed", "poster succeeded"]);
        assert_eq!((place.lookup(owner, id).await.status, follows(&place, id).await), (Status::Ready, None));
    }
    // It can be tried again for the one that had no work of its own.
    let mut tx = place.api.in_tenant(owner, "api.retry").await.unwrap();
    let asset = tx.assets().lock(late).await.unwrap().unwrap();
    let id: uuid::Uuid = sqlx::query_scalar("SELECT id FROM media.transcode_jobs WHERE asset_id = $1 AND status = 'failed'")
        .bind(late.as_uuid())
        .fetch_one(&place.superuser)
        .await
        .unwrap();
    let job = tx.transcode_jobs().lookup(id.into()).await.unwrap().unwrap();
    assert!(matches!(tx.retry(&asset, &job, None).await, Err(StorageError::Missing { .. })));
    tx.retry(&asset, &job, Some(Group::Ladder)).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(place.jobs(late).await, ["h264-720p waiting", "poster succeeded"]);
}

#[tokio::test]
async fn a_leader_that_fails_leaves_its_place_to_the_oldest_by_every_role_that_may_give_it_up() {
    for by in ["transcoder", "janitor"] {
        let place = Place::new(&format!("sharing-fails-{by}")).await;
        let owner = tenant();
        let leader = film(&place, owner).await;
        let (oldest, other) = (film(&place, owner).await, film(&place, owner).await);
        let probe = place.lease(Queue::Transcode).await;
        assert_eq!(probe.asset, leader);
        let database = if by == "janitor" { &place.janitor } else { &place.transcoder };
        let mut tx = database.in_tenant(owner, "worker.settle").await.unwrap();
        tx.give_up(&probe, Reason::WorkerLost, "lost").await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(place.lookup(owner, leader).await.status, Status::Failed);
        assert_eq!((follows(&place, oldest).await, follows(&place, other).await), (None, Some(oldest)));
        let next = place.lease(Queue::Transcode).await;
        assert_eq!((next.asset, next.group), (oldest, Group::Probe));
        assert!(place.claim(Queue::Transcode).await.is_none(), "one at a time");
        // A newcomer follows who leads now.
        assert_eq!(follows(&place, film(&place, owner).await).await, Some(oldest));
    }
}

/// A scan that ends while its leader's fate is being written waits for it, and goes by what it has become.
#[tokio::test]
async fn who_comes_while_a_leader_fails_follows_its_heir() {
    let place = Place::new("sharing-race").await;
    let owner = tenant();
    let (leader, oldest) = (film(&place, owner).await, film(&place, owner).await);
    let probe = place.lease(Queue::Transcode).await;
    let mut failing = place.transcoder.in_tenant(owner, "worker.settle").await.unwrap();
    failing.give_up(&probe, Reason::WorkerLost, "lost").await.unwrap();
    let coming = film(&place, owner);
    let commit = async {
        place.until_somebody_waits_for_a_lock().await;
        failing.commit().await.unwrap();
    };
    let (newcomer, ()) = tokio::join!(coming, commit);
    assert_eq!((follows(&place, newcomer).await, follows(&place, leader).await), (Some(oldest), None));
}

#[tokio::test]
async fn of_two_erasures_at_once_the_second_sees_that_nobody_is_left() {
    let place = Place::new("sharing-erased").await;
    let owner = tenant();
    let (leader, follower) = (film(&place, owner).await, film(&place, owner).await);
    let [poster, ladder] = planned(&place, owner, leader).await;
    made(&place, &poster, "poster").await;
    made(&place, &ladder, "h264-720p").await;
    change(&place, "UPDATE media.assets SET deleted_at = now() - interval '31 days'").await;
    let mut first = place.janitor.in_tenant(owner, "test.erase").await.unwrap();
    assert!(first.erase_if_over(leader).await.unwrap().is_some());
    let second = async {
        let mut tx = place.janitor.in_tenant(owner, "test.erase").await.unwrap();
        assert!(tx.erase_if_over(follower).await.unwrap().is_some());
        tx.commit().await.unwrap();
    };
    let commit = async {
        place.until_somebody_waits_for_a_lock().await;
        first.commit().await.unwrap();
    };
    tokio::join!(second, commit);
    assert_eq!((place.count("media.assets").await, place.count("media.blobs WHERE doomed_at IS NULL").await), (0, 0));
}

#[tokio::test]
async fn what_is_doomed_is_not_shared_and_an_asset_without_its_bytes_has_no_twins() {
    let place = Place::new("sharing-doomed").await;
    let owner = tenant();
    let leader = film(&place, owner).await;
    let [poster, ladder] = planned(&place, owner, leader).await;
    made(&place, &poster, "poster").await;
    made(&place, &ladder, "h264-720p").await;
    change(&place, "UPDATE media.blobs SET doomed_at = now() + interval '1 hour' WHERE key LIKE '%/h264-720p'").await;
    let follower = film(&place, owner).await;
    assert_eq!(variants(&place, follower).await, [format!("poster {leader}/poster")]);
    change(&place, "UPDATE media.blobs SET doomed_at = now() + interval '1 hour' WHERE key NOT LIKE '%/%'").await;
    let alone = film(&place, owner).await;
    assert_eq!((follows(&place, alone).await, place.lookup(owner, alone).await.status), (None, Status::Transcoding));
    let stranger = tenant();
    assert_eq!(follows(&place, film(&place, stranger).await).await, None, "another tenant's are not seen");
}

/// What an asset was before a scan that cannot be done, it is again.
#[tokio::test]
async fn a_rescan_that_cannot_be_done_leaves_a_good_asset_good_and_a_quarantined_one_in_reach() {
    let place = Place::new("sharing-rescans").await;
    let owner = tenant();
    for (verdict, suspect, reason, becomes) in [
        ("clean", false, Reason::WorkerLost, Status::Ready),
        ("clean", false, Reason::HashMismatch, Status::Failed),
        ("clean", true, Reason::WorkerLost, Status::Failed),
        ("infected", false, Reason::WorkerLost, Status::Quarantined),
        ("infected", false, Reason::ScanPartial, Status::Quarantined),
    ] {
        let from = if verdict == "clean" { Status::Ready } else { Status::Quarantined };
        let asset = place.asset_in(owner, Kind::Document, from).await;
        let sha256 = format!("{:0<64}", asset.to_string().to_lowercase());
        change(
            &place,
            &format!(
                "UPDATE media.assets SET scan_verdict = '{verdict}', scan_signature = 'A.Virus', sha256 = '{sha256}' WHERE id = '{}'",
                asset.as_uuid()
            ),
        )
        .await;
        if suspect {
            let other = place.asset_in(owner, Kind::Document, Status::Quarantined).await;
            change(&place, &format!("UPDATE media.assets SET sha256 = '{sha256}' WHERE id = '{}'", other.as_uuid())).await;
        }
        let mut tx = place.api.in_tenant(owner, "api.rescan").await.unwrap();
        let locked = tx.assets().lock(asset).await.unwrap().unwrap();
        tx.rescan(&locked).await.unwrap();
        tx.commit().await.unwrap();
        let lease = place.lease(Queue::Scan).await;
        let mut tx = place.scanner.in_tenant(owner, "worker.settle").await.unwrap();
        tx.give_up(&lease, reason, "no scan").await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(place.lookup(owner, asset).await.status, becomes, "{verdict}, {reason}");
    }
    assert_eq!(place.count("media.dead_letters").await, 5, "a person is told");
}

#[tokio::test]
async fn what_is_expected_again_is_kept_longer_unless_its_time_was_over() {
    let place = Place::new("sharing-expected").await;
    let owner = tenant();
    let copy = blob("copy");
    let expect = async |within: u64| {
        let mut tx = place.scanner.in_tenant(owner, "scanner.expect").await.unwrap();
        tx.blobs().expect(&copy, Duration::from_secs(within)).await?;
        tx.commit().await
    };
    expect(60).await.unwrap();
    expect(3600).await.unwrap();
    assert_eq!(place.count("media.blobs WHERE doomed_at > now() + interval '50 minutes'").await, 1);
    change(&place, "UPDATE media.blobs SET doomed_at = now() - interval '1 second'").await;
    let refused = expect(3600).await;
    assert!(matches!(refused, Err(StorageError::Changed { what: "blob" })), "{refused:?}");
}

#[tokio::test]
async fn a_leader_is_ended_though_its_heir_is_at_work_in_the_same_group() {
    let place = Place::new("sharing-busy-heir").await;
    let owner = tenant();
    let (leader, heir) = (film(&place, owner).await, film(&place, owner).await);
    let [poster, ladder] = planned(&place, owner, leader).await;
    made(&place, &poster, "poster").await;
    // A rung of its own, which is being made while the leader's is, too.
    let mut tx = place.api.in_tenant(owner, "api.request_variant").await.unwrap();
    let asset = tx.assets().lock(heir).await.unwrap().unwrap();
    tx.plan_one(&asset, Group::Ladder, &profile("h264-1080p"), false, None).await.unwrap();
    tx.commit().await.unwrap();
    let own = place.lease(Queue::Transcode).await;
    assert_eq!((own.asset, own.group), (heir, Group::Ladder));

    let mut tx = place.api.in_tenant(owner, "api.delete").await.unwrap();
    tx.assets().delete(leader, None).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(follows(&place, heir).await, None);
    assert_eq!(place.jobs(heir).await, ["h264-1080p waiting", "h264-720p cancelled", "poster succeeded"], "it can be tried again");
    drop(ladder);
}

#[tokio::test]
async fn who_is_made_again_or_fails_follows_nobody() {
    let place = Place::new("sharing-left").await;
    let owner = tenant();
    let (leader, again, failed) = (film(&place, owner).await, film(&place, owner).await, film(&place, owner).await);
    let [poster, ladder] = planned(&place, owner, leader).await;
    made(&place, &poster, "poster").await;
    let mut tx = place.api.in_tenant(owner, "api.reprocess").await.unwrap();
    let asset = tx.assets().lock(again).await.unwrap().unwrap();
    tx.reprocess(&asset).await.unwrap();
    tx.commit().await.unwrap();
    let mut tx = place.scanner.in_tenant(owner, "scanner.commit").await.unwrap();
    tx.assets().lock(failed).await.unwrap();
    tx.assets().advance(failed, Status::Scanning).await.unwrap();
    tx.assets().fail(failed, Reason::Internal, "a test").await.unwrap();
    tx.commit().await.unwrap();

    made(&place, &ladder, "h264-720p").await;
    for (id, status) in [(again, Status::Scanning), (failed, Status::Failed)] {
        assert_eq!((follows(&place, id).await, place.lookup(owner, id).await.status), (None, status));
        assert_eq!(variants(&place, id).await, [format!("poster {leader}/poster")], "nothing is added to what is not shown");
    }
}

/// The trace context that an upload call of an asset would have left: a trace of its own.
fn own_trace(asset: AssetId) -> String {
    format!("00-{}-00f067aa0ba902b7-01", asset.as_uuid().simple())
}

/// The trace contexts of all messages and work of an asset, each once; `-` for none.
async fn traces(place: &Place, asset: AssetId) -> Vec<String> {
    let sql = "SELECT DISTINCT coalesce(traceparent, '-') FROM (SELECT traceparent FROM media.outbox WHERE aggregate_id = $1
        UNION ALL SELECT traceparent FROM media.work WHERE asset_id = $1) of_asset ORDER BY 1";
    sqlx::query_scalar(sql).bind(asset.as_uuid()).fetch_all(&place.superuser).await.unwrap()
}

async fn begin_traces(place: &Place, assets: &[AssetId]) {
    for asset in assets {
        change(place, &format!("UPDATE media.assets SET traceparent = '{}' WHERE id = '{}'", own_trace(*asset), asset.as_uuid())).await;
    }
}

#[tokio::test]
async fn what_a_follower_is_given_is_told_in_its_own_trace() {
    let place = Place::new("sharing-trace").await;
    let owner = tenant();
    let (leader, follower) = (film(&place, owner).await, film(&place, owner).await);
    begin_traces(&place, &[leader, follower]).await;
    let [poster, ladder] = planned(&place, owner, leader).await;
    made(&place, &poster, "poster").await;
    made(&place, &ladder, "h264-720p").await;
    assert_eq!(place.events(follower).await.len(), 3);
    assert_eq!(traces(&place, follower).await, [own_trace(follower)]);
}

#[tokio::test]
async fn who_takes_a_leaders_place_goes_on_in_its_own_trace() {
    let place = Place::new("sharing-heirs-trace").await;
    let owner = tenant();
    let leader = film(&place, owner).await;
    let (oldest, other) = (film(&place, owner).await, film(&place, owner).await);
    begin_traces(&place, &[leader, oldest, other]).await;
    let probe = place.lease(Queue::Transcode).await;
    let mut tx = place.transcoder.in_tenant(owner, "worker.settle").await.unwrap();
    let attempt = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    tx.caused_by(Some(attempt.to_owned()), None);
    tx.give_up(&probe, Reason::WorkerLost, "lost").await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(traces(&place, oldest).await, [own_trace(oldest)]);
    let told: String = sqlx::query_scalar("SELECT traceparent FROM media.outbox WHERE aggregate_id = $1 AND kind = 'event'")
        .bind(leader.as_uuid())
        .fetch_one(&place.superuser)
        .await
        .unwrap();
    assert_eq!(told, attempt, "what comes after is the leader's again");

    // As an older worker ends it; the sweep follows from nothing.
    change(&place, &format!("UPDATE media.assets SET deleted_at = now() WHERE id = '{}'", oldest.as_uuid())).await;
    let mut tx = place.janitor.in_tenant(owner, "janitor.left_followers").await.unwrap();
    assert!(tx.release_followers(oldest).await.unwrap());
    tx.commit().await.unwrap();
    assert_eq!(traces(&place, other).await, [own_trace(other)]);
}
