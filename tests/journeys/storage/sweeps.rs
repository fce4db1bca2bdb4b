//! What the janitor finds: what is over, and nothing that is not.

use std::time::Duration;

use media_domain::{
    EventId, Kind, TenantId, UploadId,
    work::{Group, Queue},
};
use media_storage::{
    output_uploads::OutputUpload,
    uploads::{Upload, UploadState},
};
use sqlx::AssertSqlSafe;

use super::{
    outbox::tell,
    place::{LEASE, Place, blob, profile, tenant},
};

const HOUR: Duration = Duration::from_secs(3600);

async fn change(place: &Place, sql: &str) {
    sqlx::query(AssertSqlSafe(sql.to_owned())).execute(&place.superuser).await.unwrap();
}

#[tokio::test]
async fn only_a_lease_that_is_over_is_found() {
    let place = Place::new("sweeps-leases").await;
    let (over, held) = (place.work(tenant(), Group::Scan).await, place.work(tenant(), Group::Scan).await);
    let lease = place.lease(Queue::Scan).await;
    assert_eq!(lease.work, over);
    assert_eq!(place.lease(Queue::Scan).await.work, held);
    place.work(tenant(), Group::Scan).await;
    place.end_lease(over).await;
    let found = place.janitor.across_tenants().expired_leases(10).await.unwrap();
    assert_eq!(found.iter().map(|found| (found.work, found.tenant, found.attempt)).collect::<Vec<_>>(), [(over, lease.tenant, 1)]);
}

#[tokio::test]
async fn a_queue_is_idle_when_work_waits_and_none_was_claimed_nor_asked_for_in_a_while() {
    let place = Place::new("sweeps-idle").await;
    let idle = async || place.janitor.across_tenants().idle_queues(Duration::from_secs(60)).await.unwrap();
    let age_commands = async || change(&place, "UPDATE media.outbox SET created_at = created_at - interval '2 minutes'").await;
    let owner = tenant();
    let scan = place.work(owner, Group::Scan).await;
    age_commands().await;
    assert_eq!(idle().await, [], "it has just come");
    place.set_work(scan, "not_before = clock_timestamp() - interval '2 minutes'").await;
    assert_eq!(idle().await, [(Queue::Scan, scan, owner)]);

    let mut tx = place.janitor.in_tenant(owner, "janitor.wake").await.unwrap();
    tx.work().wake(scan, Queue::Scan).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(idle().await, [], "its workers have just been asked");
    age_commands().await;
    assert_eq!(idle().await, [(Queue::Scan, scan, owner)]);

    // Another queue's claim changes nothing; this queue's does.
    place.work(tenant(), Group::Captions).await;
    place.claim(Queue::Caption).await.unwrap();
    assert_eq!(idle().await, [(Queue::Scan, scan, owner)]);
    let other = place.work(tenant(), Group::Scan).await;
    age_commands().await;
    place.claim(Queue::Scan).await.unwrap();
    place.set_work(other, "not_before = clock_timestamp() - interval '2 minutes'").await;
    assert_eq!(idle().await, []);

    let mut tx = place.janitor.in_tenant(owner, "janitor.wake").await.unwrap();
    tx.work().wake(scan, Queue::Scan).await.expect_err("it no longer waits");
}

#[tokio::test]
async fn idle_queues_are_found_without_reading_what_waits_and_what_was_done() {
    let place = Place::new("sweeps-idle-many").await;
    let work = "INSERT INTO media.work (id, tenant_id, asset_id, queue, group_name, state, created_at, not_before, claimed_at)
        SELECT gen_random_uuid(), uuid_in(md5('tenant' || n % 20)::cstring), gen_random_uuid(), 'scan', 'scan',
          CASE n % 2 WHEN 0 THEN 'waiting' ELSE 'succeeded' END, moment, moment, CASE n % 2 WHEN 1 THEN moment END
        FROM generate_series(1, 20000) n, LATERAL (SELECT now() - (120 + n) * interval '1 second') m (moment)";
    let commands = "INSERT INTO media.outbox (id, tenant_id, aggregate_id, kind, type, routing_key, data, created_at, published_at)
        SELECT gen_random_uuid(), w.tenant_id, w.asset_id, 'command', 'scan', 'media.scan', '{}', w.created_at, w.created_at FROM media.work w";
    place.fill(&[work, commands]).await;
    let (found, read) = place.found_and_read("SELECT queue FROM media.idle_queues(60)", ["work", "outbox"]).await;
    assert_eq!(found, ["scan"]);
    assert!(read.iter().all(|rows| *rows < 100), "of 20,000 rows of work, and as many of the outbox, {read:?} were read");
}

#[tokio::test]
async fn cold_originals_are_found_without_reading_all_that_are_cold() {
    let place = Place::new("sweeps-cold-many").await;
    let cold = "INSERT INTO media.assets (id, tenant_id, owner_user_id, kind, source, status, bucket, key, created_at)
        SELECT gen_random_uuid(), uuid_in(md5('tenant' || n % 3)::cstring), gen_random_uuid(), 'image', 'upload', 'ready', 'media',
          'key ' || n, now() - interval '400 days' - n * interval '1 second' FROM generate_series(1, 20000) n";
    // Others name what one names that is cold; and what one names that is in use.
    let shared = "INSERT INTO media.assets (id, tenant_id, owner_user_id, kind, source, status, bucket, key, created_at, last_accessed_at)
        SELECT gen_random_uuid(), tenant_id, owner_user_id, kind, source, status, bucket, key, created_at + n * interval '1 millisecond',
          CASE WHEN key = 'key 19997' AND n = 500 THEN now() END
        FROM media.assets, generate_series(1, 500) n WHERE key IN ('key 20000', 'key 19997')";
    let blobs = "INSERT INTO media.blobs (tenant_id, bucket, key) SELECT DISTINCT tenant_id, bucket, key FROM media.assets";
    place.fill(&[cold, shared, blobs]).await;
    let (found, read) = place.found_and_read("SELECT key FROM media.cold_originals(365, 10)", ["assets", "blobs"]).await;
    assert_eq!(found.len(), 10);
    let expected = ["key 20000", "key 19999", "key 19998", "key 19996"].map(str::to_owned);
    assert_eq!(found[..4], expected, "the longest unused of each tenant, then the next of each; each once, and none that is in use");
    assert!(read.iter().all(|rows| *rows < 5000), "of 21,000 assets and 20,000 blobs {read:?} were read");
}

#[tokio::test]
async fn an_upload_is_unfinished_when_given_up_or_abandoned() {
    let place = Place::new("sweeps-uploads").await;
    let owner = tenant();
    let mut uploads = Vec::new();
    for (n, state) in
        [UploadState::Open, UploadState::Open, UploadState::Aborting, UploadState::Completed, UploadState::Aborted].into_iter().enumerate()
    {
        let upload = open_upload(&place, owner, n, state).await;
        if n != 0 {
            change(
                &place,
                &format!("UPDATE media.uploads SET created_at = now() - interval '{} hours' WHERE id = '{}'", 10 - n, upload.as_uuid()),
            )
            .await;
        }
        uploads.push(upload);
    }
    let found = place.janitor.across_tenants().unfinished_uploads(HOUR, 10).await.unwrap();
    assert_eq!(found.iter().map(|found| found.upload).collect::<Vec<_>>(), [uploads[1], uploads[2]]);
    assert!(found.iter().all(|found| found.tenant == owner));
}

pub async fn open_upload(place: &Place, tenant: TenantId, n: usize, state: UploadState) -> UploadId {
    let asset = place.asset(tenant, Kind::Video).await;
    let id = UploadId::generate();
    let s3_upload_id = format!("upload-{n}");
    let upload = Upload { id, asset, blob: blob(&s3_upload_id), s3_upload_id, size_bytes: 1, part_size_bytes: 1, part_count: 1, state };
    let mut tx = place.api.in_tenant(tenant, "test.upload").await.unwrap();
    tx.uploads().insert(&upload).await.unwrap();
    tx.commit().await.unwrap();
    id
}

#[tokio::test]
async fn an_upload_moves_on_only_from_where_the_caller_thinks_it_is() {
    let place = Place::new("sweeps-upload-moves").await;
    let owner = tenant();
    let upload = open_upload(&place, owner, 0, UploadState::Open).await;
    let mut tx = place.api.in_tenant(owner, "test.complete").await.unwrap();
    tx.uploads().advance(upload, UploadState::Open, UploadState::Completed).await.unwrap();
    for to in [UploadState::Completed, UploadState::Aborting] {
        let refused = tx.uploads().advance(upload, UploadState::Open, to).await;
        assert!(matches!(refused, Err(media_storage::StorageError::Changed { what: "upload" })), "{refused:?}");
    }
}

#[tokio::test]
async fn output_uploads_are_stale_once_their_work_has_ended() {
    let place = Place::new("sweeps-output-uploads").await;
    let owner = tenant();
    let (running, ended) = (place.work(owner, Group::Ladder).await, place.work(owner, Group::Ladder).await);
    for _ in 0..2 {
        let lease = place.lease(Queue::Transcode).await;
        let mut tx = place.transcoder.in_tenant(owner, "test.upload").await.unwrap();
        let upload = OutputUpload { blob: blob("x"), s3_upload_id: "x".to_owned() };
        tx.output_uploads().insert(&lease, &profile("h264-360p"), &upload).await.unwrap();
        tx.output_uploads().insert(&lease, &profile("aac-128k"), &upload).await.unwrap();
        if lease.work == ended {
            tx.work().complete(&lease).await.unwrap();
        }
        tx.commit().await.unwrap();
    }
    assert_eq!(place.of_work(running, "state").await, "running");
    assert_eq!(place.janitor.across_tenants().stale_output_uploads(10).await.unwrap(), [(owner, ended)]);
    let mut tx = place.janitor.in_tenant(owner, "janitor.forget").await.unwrap();
    assert_eq!(tx.output_uploads().of_work(ended).await.unwrap().len(), 2);
    tx.output_uploads().forget(ended).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(place.janitor.across_tenants().stale_output_uploads(10).await.unwrap(), []);
    assert_eq!(place.count("media.output_uploads").await, 2);
}

#[tokio::test]
async fn the_outbox_loses_only_what_was_published_long_ago() {
    let place = Place::new("sweeps-outbox").await;
    let owner = tenant();
    let asset = place.asset(owner, Kind::Video).await;
    for n in 0..4 {
        tell(&place.api, owner, asset, n).await;
    }
    // Old and unpublished; published just now; two published long ago.
    change(&place, "UPDATE media.outbox SET created_at = '2001-01-01'").await;
    change(&place, "UPDATE media.outbox SET published_at = clock_timestamp() WHERE sequence = 2").await;
    change(&place, "UPDATE media.outbox SET published_at = clock_timestamp() - interval '2 hours' WHERE sequence > 2").await;
    let janitor = place.janitor.across_tenants();
    assert_eq!(janitor.prune_outbox(HOUR, 1).await.unwrap(), 1);
    assert_eq!(janitor.prune_outbox(HOUR, 10).await.unwrap(), 1);
    assert_eq!(janitor.prune_outbox(HOUR, 10).await.unwrap(), 0);
    assert_eq!(place.text("SELECT array_agg(sequence ORDER BY sequence) FROM media.outbox").await, "({1,2})".replace("{1,2}", "\"{1,2}\""));
}

#[tokio::test]
async fn the_inbox_loses_only_what_was_received_long_ago() {
    let place = Place::new("sweeps-inbox").await;
    let scanner = place.scanner.across_tenants();
    let (old, new) = (EventId::generate(), EventId::generate());
    scanner.claim(Queue::Scan, "one", LEASE, Some(old)).await.unwrap();
    change(&place, "UPDATE media.inbox SET received_at = now() - interval '2 hours'").await;
    scanner.claim(Queue::Scan, "one", LEASE, Some(new)).await.unwrap();
    assert_eq!(place.janitor.across_tenants().prune_inbox(HOUR, 10).await.unwrap(), 1);
    assert_eq!(place.text("SELECT message_id FROM media.inbox").await, format!("({})", new.as_uuid()));
}
