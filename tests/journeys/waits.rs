//! What waits, what counts as a failure, and what is in nobody's way.
//!
//! - work_for_a_profile_that_its_worker_does_not_know_waits_for_one_that_does
//! - a_store_that_refuses_a_worker_makes_work_wait_and_costs_no_failure
//! - an_outcome_that_the_database_refuses_is_a_failure_of_the_attempt_and_not_a_lost_worker
//! - an_upload_that_cannot_be_cleared_away_leaves_the_others_their_turn

use std::time::Duration;

use media_devstack::Binary;
use media_proto::v1::{AssetKind, AssetStatus};
use sqlx::PgPool;

use crate::harness::{Moment, StoreProxy, World, eventually, samples};

const LIMIT: Duration = Duration::from_secs(120);
const AROUND: [Binary; 4] = [Binary::Relay, Binary::Api, Binary::Scanner, Binary::Janitor];

/// Waits until the one piece of work of a group waits after at least so many attempts; says how many failures it counts, and why.
async fn waiting_again(sql: &PgPool, group: &str, attempts: i32) -> (i32, Option<String>) {
    eventually(&format!("{group} waits again"), LIMIT, async || {
        let row: Option<(String, i32, i32, Option<String>)> =
            sqlx::query_as("SELECT state, attempts, failures, reason FROM media.work WHERE group_name = $1")
                .bind(group)
                .fetch_optional(sql)
                .await
                .unwrap();
        match row {
            Some((state, tried, failures, reason)) if state == "waiting" && tried >= attempts => Ok((failures, reason)),
            row => Err(row),
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn work_for_a_profile_that_its_worker_does_not_know_waits_for_one_that_does() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let tiny = "[[profile]]\nname = \"webp-100\"\nkinds = [\"image\"]\ngroup = \"stills\"\nrequired = \"never\"\nmake.webp = { width = 100, quality = 80 }\n";
    std::fs::write(&file, tiny).unwrap();
    let knows = ("MEDIA__PROFILES__FILE", file.path().to_str().unwrap());
    let mut world = World::with("roll-out", &AROUND).await;
    let proxy = StoreProxy::before(world.isolated().s3_endpoint()).await;
    let sql = world.sql().await;
    let mut caller = world.caller().await;

    let new = world.start(Binary::Transcoder, &[knows, ("MEDIA__S3__ENDPOINT", &proxy.endpoint())]).await;
    let mut opens = proxy.hold(Moment::BeforeTheStore, |asked| asked.creates_upload());
    let id = caller.upload(AssetKind::Image, "card.png", &samples::picture(800, 400)).await;
    opens.caught().await;
    new.kill().unwrap();
    opens.cut();

    let old = world.start(Binary::Transcoder, &[]).await;
    let (failures, reason) = waiting_again(&sql, "stills", 2).await;
    assert_eq!((failures, reason.as_deref()), (1, Some("worker_lost")), "the killed worker counts, the one that knows less does not");
    old.kill().unwrap();

    let new = world.start(Binary::Transcoder, &[knows]).await;
    let got = caller.until(&id, AssetStatus::Ready, LIMIT).await;
    assert!(got.variants.iter().any(|variant| variant.profile == "webp-100" && variant.width == Some(100)), "{:?}", got.variants);
    new.kill().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_refuses_a_worker_makes_work_wait_and_costs_no_failure() {
    let mut world = World::with("refusing-store", &AROUND).await;
    let sql = world.sql().await;
    let mut caller = world.caller().await;
    let refused = world.start(Binary::Transcoder, &[("MEDIA__S3__SECRET_ACCESS_KEY", "rotated")]).await;
    let id = caller.upload(AssetKind::Image, "card.png", &samples::picture(400, 200)).await;
    assert_eq!(waiting_again(&sql, "probe", 2).await, (0, None));
    refused.kill().unwrap();

    let welcome = world.start(Binary::Transcoder, &[]).await;
    caller.until(&id, AssetStatus::Ready, LIMIT).await;
    welcome.kill().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outcome_that_the_database_refuses_is_a_failure_of_the_attempt_and_not_a_lost_worker() {
    let mut world = World::with("refused-commit", &AROUND).await;
    let sql = world.sql().await;
    sqlx::raw_sql(
        "CREATE FUNCTION media.refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'not today'; END $$;
         CREATE TRIGGER refuse BEFORE INSERT ON media.variants FOR EACH ROW EXECUTE FUNCTION media.refuse()",
    )
    .execute(&sql)
    .await
    .unwrap();
    let mut caller = world.caller().await;
    let transcoder = world.start(Binary::Transcoder, &[]).await;
    let id = caller.upload(AssetKind::Image, "card.png", &samples::picture(400, 200)).await;
    assert_eq!(waiting_again(&sql, "stills", 1).await, (1, Some("internal".to_owned())));

    sqlx::raw_sql("DROP TRIGGER refuse ON media.variants").execute(&sql).await.unwrap();
    caller.until(&id, AssetStatus::Ready, LIMIT).await;
    transcoder.kill().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_cannot_be_cleared_away_leaves_the_others_their_turn() {
    let mut world = World::with("stuck-upload", &[Binary::Relay, Binary::Api]).await;
    let sql = world.sql().await;
    let mut caller = world.caller().await;
    let mut ids = Vec::new();
    for name in ["stuck.png", "other.png"] {
        let created = caller.create(caller.request(AssetKind::Image, name, 1000)).await;
        ids.push(created.asset.unwrap().id);
    }
    // As if its bucket had been taken away.
    sqlx::query("UPDATE media.uploads SET bucket = 'nowhere' WHERE id = (SELECT min(id::text)::uuid FROM media.uploads)")
        .execute(&sql)
        .await
        .unwrap();
    let janitor = world.start(Binary::Janitor, &[("MEDIA__SWEEPS__ABANDONED_AFTER", "1s")]).await;
    eventually("the other upload is cleared away", LIMIT, async || {
        let states: Vec<String> = sqlx::query_scalar("SELECT state FROM media.uploads ORDER BY id").fetch_all(&sql).await.unwrap();
        if states == ["aborting", "aborted"] { Ok(()) } else { Err(states) }
    })
    .await;
    let logs = janitor.log().unwrap();
    let told = logs.lines().find(|line| line.contains("a row cannot be swept")).expect("it says which");
    assert!(told.contains(&ids[0]) && told.contains(&caller.tenant.to_string()), "{told}");
    for id in ids {
        assert_eq!(caller.get(&id).await.asset.unwrap().failure_reason, "upload_abandoned");
    }
    janitor.kill().unwrap();
}
