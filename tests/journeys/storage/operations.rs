//! What operators' calls rely on: dead letters sent again, work taken away, replays beside a relay, and what a purge spares.

use std::sync::Arc;

use media_domain::{
    DeadLetterId, Kind, Reason, Status,
    work::{Group, Queue},
};
use media_storage::{
    StorageError, dead_letters::DeadLetterFilter, outbox_replay::Replay, output_uploads::OutputUpload, quarantine::Decider,
    redrive::Redriven,
};

use super::{
    giving_up::{finish, leases, video},
    outbox::{part_of, tell},
    place::{Place, blob, plan_group, profile, tenant, variant},
};

async fn redrive(place: &Place, tenant: media_domain::TenantId) -> (DeadLetterId, Redriven) {
    let mut tx = place.api.in_tenant(tenant, "test.redrive").await.unwrap();
    let all = DeadLetterFilter { with_redriven: true, ..DeadLetterFilter::default() };
    let id = tx.dead_letters().list(&all, None, 10).await.unwrap()[0].id;
    let (_, outcome) = tx.redrive(id).await.unwrap().unwrap();
    tx.commit().await.unwrap();
    (id, outcome)
}

#[tokio::test]
async fn an_optional_job_that_was_given_up_is_tried_again_from_its_letter_once_its_asset_is_ready() {
    let place = Place::new("redrive-optional").await;
    let video = video(&place).await;
    let [speech, poster, ladder] = leases(&place).await;
    let mut tx = place.transcoder.in_tenant(video.tenant, "worker.give_up").await.unwrap();
    tx.give_up(&speech, Reason::Internal, "no luck").await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(redrive(&place, video.tenant).await.1, Redriven::Busy);
    assert_eq!(place.text("SELECT redriven_at FROM media.dead_letters").await, "()", "it stays a dead letter");
    finish(&place, &poster, &["poster"]).await;
    finish(&place, &ladder, &["h264-720p", "h264-360p", "aac-128k"]).await;

    assert_eq!(redrive(&place, video.tenant).await.1, Redriven::Retried);
    assert!(place.jobs(video.asset).await.contains(&"speech waiting".to_owned()));
    assert_eq!(redrive(&place, video.tenant).await.1, Redriven::Obsolete, "it was sent again before");
    let again = place.lease(Queue::Transcode).await;
    assert_ne!(again.work, speech.work);
    finish(&place, &again, &["speech"]).await;
    assert_eq!(place.lookup(video.tenant, video.asset).await.status, Status::Ready);
}

#[tokio::test]
async fn work_that_is_taken_away_writes_nothing_and_its_uploads_are_aborted_by_what_comes_after() {
    let place = Place::new("revoked").await;
    let tenant = tenant();
    let asset = place.asset_in(tenant, Kind::Video, Status::Ready).await;
    let mut tx = place.transcoder.in_tenant(tenant, "test.plan").await.unwrap();
    let original = tx.assets().lookup(asset).await.unwrap().unwrap().blob;
    tx.blobs().put(&original, None, Some(1000)).await.unwrap();
    plan_group(&mut tx, asset, Group::Ladder, &[("h264-720p", false)]).await;
    tx.commit().await.unwrap();
    let old = place.lease(Queue::Transcode).await;
    let mut tx = place.transcoder.in_tenant(tenant, "test.upload").await.unwrap();
    let upload = OutputUpload { blob: blob("rung"), s3_upload_id: "an upload".to_owned() };
    tx.output_uploads().insert(&old, &profile("h264-720p"), &upload).await.unwrap();
    tx.commit().await.unwrap();

    let mut tx = place.api.in_tenant(tenant, "api.reprocess").await.unwrap();
    let locked = tx.assets().lock(asset).await.unwrap().unwrap();
    tx.reprocess(&locked).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(place.jobs(asset).await, ["h264-720p cancelled"]);
    let mut tx = place.transcoder.in_tenant(tenant, "test.commit").await.unwrap();
    let late = tx.work().complete(&old).await;
    assert!(matches!(late, Err(StorageError::LeaseLost)), "{late:?}");
    drop(tx);

    // What comes after is planned at once, though the old worker has not heard of it yet.
    let mut tx = place.transcoder.in_tenant(tenant, "test.plan").await.unwrap();
    plan_group(&mut tx, asset, Group::Ladder, &[("h264-720p", false)]).await;
    tx.commit().await.unwrap();
    let new = place.lease(Queue::Transcode).await;
    let mut tx = place.transcoder.in_tenant(tenant, "test.earlier").await.unwrap();
    let earlier = tx.output_uploads().of_earlier_attempts(&new).await.unwrap();
    assert_eq!(earlier.iter().map(|it| it.s3_upload_id.as_str()).collect::<Vec<_>>(), ["an upload"]);
}

/// Without the wait a consumer could see what was in flight, and then what came before it.
#[tokio::test(flavor = "multi_thread")]
async fn a_replay_waits_for_the_relay_that_holds_the_partition_and_tells_again_what_it_settles() {
    let place = Arc::new(Place::new("replay-waits").await);
    let tenant = tenant();
    let asset = place.asset(tenant, Kind::Video).await;
    tell(&place.api, tenant, asset, 1).await;
    tell(&place.api, tenant, asset, 2).await;
    let held = place.relay.outbox_batch(part_of(asset), 100).await.unwrap().unwrap();
    let seqs: Vec<i64> = held.rows.iter().map(|row| row.seq).collect();
    let replaying = tokio::spawn({
        let place = place.clone();
        async move {
            let mut tx = place.api.in_tenant(tenant, "test.replay").await.unwrap();
            let what = Replay { asset: Some(asset), ..Replay::default() };
            let replayed = tx.outbox().replay(&what, 100).await.unwrap();
            tx.commit().await.unwrap();
            replayed
        }
    });
    place.until_somebody_waits_for_a_lock().await;
    held.settle(&seqs).await.unwrap();
    assert_eq!(replaying.await.unwrap(), (2, seqs.last().copied()));
    let again = place.relay.outbox_batch(part_of(asset), 100).await.unwrap().unwrap();
    assert_eq!(again.rows.iter().map(|row| row.seq).collect::<Vec<_>>(), seqs);
}

#[tokio::test]
async fn a_replay_goes_on_where_the_batch_before_it_ended() {
    let place = Place::new("replay-batches").await;
    let tenant = tenant();
    let asset = place.asset(tenant, Kind::Video).await;
    for number in 0..5 {
        tell(&place.api, tenant, asset, number).await;
    }
    sqlx::query("UPDATE media.outbox SET published_at = now()").execute(&place.superuser).await.unwrap();
    let (mut counts, mut after_seq) = (Vec::new(), None);
    for _ in 0..3 {
        let mut tx = place.api.in_tenant(tenant, "test.replay").await.unwrap();
        let (count, last) = tx.outbox().replay(&Replay { after_seq, ..Replay::default() }, 2).await.unwrap();
        tx.commit().await.unwrap();
        // The relay is quick.
        sqlx::query("UPDATE media.outbox SET published_at = now()").execute(&place.superuser).await.unwrap();
        counts.push(count);
        after_seq = last;
    }
    assert_eq!(counts, [2, 2, 1]);
}

#[tokio::test]
async fn a_purge_dooms_all_of_an_asset_and_spares_what_another_names() {
    let place = Place::new("purge-spares").await;
    let tenant = tenant();
    let (asset, twin) =
        (place.asset_in(tenant, Kind::Image, Status::Quarantined).await, place.asset_in(tenant, Kind::Image, Status::Ready).await);
    let mut tx = place.transcoder.in_tenant(tenant, "test.blobs").await.unwrap();
    for key in ["folder/original", "folder/variants/webp-320", "folder/variants/webp-320.old", "folder/shared", "folder-of-another"] {
        tx.blobs().put(&blob(key), None, Some(1)).await.unwrap();
    }
    tx.variants().put(&variant(asset, "webp-320", "folder/variants/webp-320", 1)).await.unwrap();
    tx.assets().set_blob(asset, &blob("folder/original")).await.unwrap();
    tx.assets().set_blob(twin, &blob("folder/shared")).await.unwrap();
    tx.commit().await.unwrap();

    let mut tx = place.api.in_tenant(tenant, "api.purge").await.unwrap();
    let locked = tx.assets().lock(asset).await.unwrap().unwrap();
    let by = Decider { who: "an administrator".to_owned(), why: "it is one".to_owned() };
    tx.quarantine().purge(&locked, &by, "folder/").await.unwrap();
    tx.commit().await.unwrap();
    let kept: Vec<String> =
        sqlx::query_scalar("SELECT key FROM media.blobs WHERE doomed_at IS NULL ORDER BY key").fetch_all(&place.superuser).await.unwrap();
    assert_eq!(kept, ["folder-of-another", "folder/shared"]);
}
