//! How far behind the service is by its rows: told so that it cannot look better than it is, nor worse.

use std::{collections::BTreeMap, time::Duration};

use media_devstack::DatabaseRole;
use media_domain::{
    Kind,
    command::Delay,
    work::{Group, Queue},
};
use media_storage::{
    outbox_replay::Replay,
    uploads::UploadState,
    vital_signs::{OpenErasures, QueueDepth},
};
use serde_json::Value;
use sqlx::{AssertSqlSafe, Executor, Row};

use super::{
    outbox::tell,
    place::{Place, raw, tenant},
    sweeps::open_upload,
};

const HOUR: Duration = Duration::from_secs(3600);

async fn change(place: &Place, sql: &str) {
    sqlx::query(AssertSqlSafe(sql.to_owned())).execute(&place.superuser).await.unwrap();
}

async fn scans(place: &Place) -> QueueDepth {
    let depths = place.janitor.across_tenants().queue_depths().await.unwrap();
    depths.into_iter().find(|depth| depth.queue == Queue::Scan).unwrap()
}

#[tokio::test]
async fn work_that_nobody_can_do_is_as_old_as_its_plan_however_often_it_is_given_back() {
    let place = Place::new("vital-signs-given-back").await;
    let work = place.work(tenant(), Group::Scan).await;
    place.set_work(work, "created_at = clock_timestamp() - interval '3 hours'").await;
    for delay in Delay::ALL {
        let lease = place.lease(Queue::Scan).await;
        assert_eq!((scans(&place).await.waiting, scans(&place).await.running), (0, 1));
        let mut tx = place.scanner.in_tenant(lease.tenant, "test.release").await.unwrap();
        tx.work().release(&lease, Some(delay), None).await.unwrap();
        tx.commit().await.unwrap();
        let seen = scans(&place).await;
        assert_eq!((seen.waiting, seen.running), (1, 0), "{delay:?}");
        assert!(seen.oldest >= 3 * HOUR, "{delay:?}: {seen:?}");
        place.set_work(work, "not_before = clock_timestamp()").await;
    }
    place.set_work(work, "not_before = clock_timestamp() + interval '1 hour'").await;
    let seen = scans(&place).await;
    assert_eq!((seen.waiting, seen.oldest), (0, Duration::ZERO), "somebody wanted it to wait");
}

#[tokio::test]
async fn an_event_that_is_told_again_waits_since_that_was_asked_for() {
    let place = Place::new("vital-signs-replay").await;
    let owner = tenant();
    let asset = place.asset(owner, Kind::Video).await;
    tell(&place.api, owner, asset, 1).await;
    change(&place, "UPDATE media.outbox SET created_at = clock_timestamp() - interval '5 days'").await;
    let depth = async || place.janitor.across_tenants().outbox_depth().await.unwrap();
    assert!(depth().await.oldest >= 5 * 24 * HOUR, "it was never published");
    change(&place, "UPDATE media.outbox SET published_at = clock_timestamp()").await;
    assert_eq!((depth().await.waiting, depth().await.oldest), (0, Duration::ZERO));

    let mut tx = place.api.in_tenant(owner, "test.replay").await.unwrap();
    let (count, _) = tx.outbox().replay(&Replay::default(), 100).await.unwrap();
    tx.commit().await.unwrap();
    let seen = depth().await;
    assert!(count > 0 && seen.waiting == count, "{count}: {seen:?}");
    assert!(seen.oldest < HOUR, "{seen:?}");
}

#[tokio::test]
async fn what_a_sweep_has_left_is_told_by_how_long_it_has_been_due() {
    let place = Place::new("vital-signs-sweeps").await;
    let hours = async || {
        let lags = place.janitor.across_tenants().sweep_lags().await.unwrap().into_iter();
        let lags: BTreeMap<String, u64> = lags.map(|(sweep, late)| (sweep, late.as_secs() / HOUR.as_secs())).collect();
        assert_eq!(lags.len(), 2, "{lags:?}");
        (lags["doomed_blobs"], lags["abandoned_uploads"])
    };
    let doom = async |key: &str, when: &str| {
        let sql = format!(
            "INSERT INTO media.blobs (tenant_id, bucket, key, doomed_at) VALUES (gen_random_uuid(), 'media', '{key}', now() {when})"
        );
        change(&place, &sql).await;
    };
    assert_eq!(hours().await, (0, 0));
    doom("later", "+ interval '2 hours'").await;
    assert_eq!(hours().await, (0, 0), "its time has not come");
    doom("late", "- interval '3 hours'").await;
    doom("very late", "- interval '5 hours'").await;
    assert_eq!(hours().await, (5, 0));

    let owner = tenant();
    let upload = open_upload(&place, owner, 0, UploadState::Open).await;
    change(&place, "UPDATE media.uploads SET created_at = now() - interval '30 hours'").await;
    assert_eq!(hours().await, (5, 0), "it is open");
    let mut tx = place.janitor.in_tenant(owner, "test.abandon").await.unwrap();
    tx.uploads().advance(upload, UploadState::Open, UploadState::Aborting).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(hours().await, (5, 0), "it was given up just now");
    change(&place, "UPDATE media.uploads SET finished_at = finished_at - interval '2 hours'").await;
    assert_eq!(hours().await, (5, 2));
    let mut tx = place.janitor.in_tenant(owner, "test.abort").await.unwrap();
    tx.uploads().advance(upload, UploadState::Aborting, UploadState::Aborted).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(hours().await, (5, 0));
}

/// Metrics need a bound.
#[tokio::test]
async fn the_tenants_that_store_most_are_named_and_all_others_are_one() {
    let place = Place::new("vital-signs-bytes").await;
    let stored = async |most| place.janitor.across_tenants().stored_bytes(most).await.unwrap();
    change(&place, "INSERT INTO media.tenant_usage (tenant_id, used_bytes) SELECT gen_random_uuid(), n FROM unnest(ARRAY[5, 30, 7]) n")
        .await;
    let seen = stored(1).await;
    assert!(matches!(seen.as_slice(), [(Some(_), 30), (None, 12)]), "{seen:?}");
    assert_eq!(stored(3).await.len(), 3, "there are no others");
}

#[tokio::test]
async fn erasures_are_counted_until_they_are_done() {
    let place = Place::new("vital-signs-erasures").await;
    let open = async || place.janitor.across_tenants().open_erasures().await.unwrap();
    assert_eq!(open().await, OpenErasures { open: 0, oldest: Duration::ZERO });
    for days in [1, 400] {
        let sql = format!(
            "INSERT INTO media.erasures (id, tenant_id, scope, created_at)
             VALUES (gen_random_uuid(), gen_random_uuid(), 'tenant', now() - interval '{days} days')"
        );
        change(&place, &sql).await;
    }
    let seen = open().await;
    assert!(seen.open == 2 && seen.oldest >= 400 * 24 * HOUR, "{seen:?}");
    change(&place, "UPDATE media.erasures SET state = 'done', finished_at = now()").await;
    assert_eq!(open().await, OpenErasures { open: 0, oldest: Duration::ZERO });
}

/// Every janitor asks every 15 s, also where the store has been away for a week.
#[tokio::test]
async fn however_much_a_sweep_has_left_the_oldest_is_found_at_once() {
    let place = Place::new("vital-signs-many").await;
    let mut superuser = raw(&place.isolated, DatabaseRole::Superuser).await;
    // These rows are nobody's doing.
    superuser.execute("SET session_replication_role = replica").await.unwrap();
    for fill in [
        "INSERT INTO media.blobs (tenant_id, bucket, key, doomed_at)
         SELECT gen_random_uuid(), 'media', 'object ' || n, now() - n * interval '1 second' FROM generate_series(1, 50000) n",
        "INSERT INTO media.uploads (id, tenant_id, asset_id, bucket, key, s3_upload_id, size_bytes, part_size_bytes, part_count, state, finished_at)
         SELECT gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), 'media', 'object ' || n, 'upload', 1, 1, 1, 'aborting', now() - n * interval '1 second'
         FROM generate_series(1, 50000) n",
        "VACUUM ANALYZE media.blobs",
        "VACUUM ANALYZE media.uploads",
    ] {
        superuser.execute(fill).await.unwrap();
    }
    let mut janitor = raw(&place.isolated, DatabaseRole::Janitor).await;
    let mut blocks = Vec::new();
    for _ in 0..2 {
        let explain = "EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) SELECT * FROM media.sweep_lags()";
        let explained: Value = sqlx::query(explain).fetch_one(&mut janitor).await.unwrap().get(0);
        let plan = &explained[0]["Plan"];
        blocks.push(plan["Shared Hit Blocks"].as_i64().unwrap() + plan["Shared Read Blocks"].as_i64().unwrap());
    }
    // The first time the catalogue is read, too. Each table has well over 500.
    assert!(blocks[1] < 100, "blocks that were read: {blocks:?}");
}
