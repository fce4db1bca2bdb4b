//! `media doctor`: what is sound is called sound, and each thing that was broken is named with what to do.

use std::collections::BTreeMap;

use media_devstack::{Binary, DatabaseRole, S3Identity};
use serde_json::Value;

use super::LIMIT;
use crate::harness::{Bucket, Caller, World, command_line, eventually};

/// By the names of the janitor's settings, as where it runs.
async fn doctor(world: &World, caller: &Caller, other: &[(&str, &str)]) -> (i32, BTreeMap<String, Value>) {
    let isolated = world.isolated();
    let keys = isolated.s3_credentials(S3Identity::MediaJanitor);
    let mut command = command_line::media(world, caller, &["--json", "doctor"]);
    command
        .env("MEDIA__DATABASE__URL", isolated.database_url(DatabaseRole::Janitor).as_str())
        .env("MEDIA__AMQP__URL", isolated.amqp_url().as_str())
        .env("MEDIA__CLAMD__ADDRESS", isolated.clamd_address())
        .env("MEDIA__S3__ENDPOINT", isolated.s3_endpoint().as_str())
        .env("MEDIA__S3__REGION", isolated.s3_region())
        .env("MEDIA__S3__BUCKET", isolated.bucket())
        .env("MEDIA__S3__QUARANTINE_BUCKET", isolated.quarantine_bucket())
        .env("MEDIA__S3__ACCESS_KEY_ID", &keys.access_key)
        .env("MEDIA__S3__SECRET_ACCESS_KEY", &keys.secret_key)
        .envs(other.iter().copied());
    let output = command_line::run(command).await;
    let text = String::from_utf8(output.stdout).unwrap();
    let findings = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    // A thing may have several findings: the worst one counts.
    let mut worst: BTreeMap<String, Value> = BTreeMap::new();
    for finding in findings {
        let of = finding["of"].as_str().unwrap().to_owned();
        if worst.get(&of).is_none_or(|before| rank(&finding) > rank(before)) {
            worst.insert(of, finding);
        }
    }
    (output.status.code().unwrap(), worst)
}

fn rank(finding: &Value) -> usize {
    ["not_looked_at", "good", "odd", "broken"].iter().position(|verdict| finding["verdict"] == *verdict).unwrap()
}

fn verdicts(findings: &BTreeMap<String, Value>) -> BTreeMap<&str, &str> {
    findings.iter().map(|(of, finding)| (of.as_str(), finding["verdict"].as_str().unwrap())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sound_service_is_called_sound() {
    let world = World::with("doctor-sound", &[Binary::Api, Binary::Relay, Binary::Scanner, Binary::Janitor]).await;
    let caller = world.caller().await;
    let (code, findings) = doctor(&world, &caller, &[]).await;
    let seen = verdicts(&findings);
    assert_eq!(code, 0, "{findings:#?}");
    for of in ["api", "database", "schema", "row level security", "database clock", "outbox", "work: scan", "dead letters", "broker"] {
        assert_eq!(seen[of], "good", "{findings:#?}");
    }
    for of in ["media.scan", "media.dead-letters", "bucket", "quarantine bucket", "bucket's clock"] {
        assert_eq!(seen[of], "good", "{findings:#?}");
    }
    // The store of the tests has no such rule, and its clamd no signatures but its operator's: both are said.
    assert_eq!((seen["bucket's rules"], seen["clamd"]), ("odd", "odd"), "{findings:#?}");
    assert!(Bucket::of(world.isolated()).objects().await.is_empty(), "it leaves nothing behind");
    assert!(Bucket::of(world.isolated()).uploads().await.is_empty());
}

/// What is wrong, the settings that make it so, the finding that tells of it, and a word of what it says.
type Wrong<'a> = (&'a str, &'a [(&'a str, &'a str)], &'a str, &'a str);

#[tokio::test(flavor = "multi_thread")]
async fn what_is_broken_is_named_with_what_to_do() {
    let world = World::with("doctor-broken", &[Binary::Api, Binary::Relay]).await;
    let caller = world.caller().await;
    let isolated = world.isolated();
    let bucket = Bucket::of(isolated);
    bucket.let_expire("seven-days").await;
    let sql = world.sql().await;
    let older = "CREATE OR REPLACE FUNCTION media.schema_version() RETURNS bigint LANGUAGE sql IMMUTABLE AS 'SELECT 20::bigint'";
    sqlx::query(older).execute(&sql).await.unwrap();
    sqlx::query("ALTER TABLE media.asset_holds NO FORCE ROW LEVEL SECURITY").execute(&sql).await.unwrap();

    let stranger = isolated.database_url(DatabaseRole::Superuser);
    let api = isolated.s3_credentials(S3Identity::MediaApi);
    let wrong: [Wrong<'_>; 8] = [
        ("its schema is old", &[], "schema", "media migrate"),
        ("a table is open", &[], "row level security", "asset_holds"),
        ("its bucket expires", &[], "bucket's rules", "seven-days"),
        ("a superuser", &[("MEDIA__DATABASE__URL", stranger.as_str())], "row level security", "not bound"),
        ("no broker", &[("MEDIA__AMQP__URL", "amqp://media:media@127.0.0.1:9/x")], "broker", "RabbitMQ up"),
        ("no clamd", &[("MEDIA__CLAMD__ADDRESS", "127.0.0.1:9")], "clamd", "clamd up"),
        (
            "keys of the api",
            &[("MEDIA__S3__ACCESS_KEY_ID", &api.access_key), ("MEDIA__S3__SECRET_ACCESS_KEY", &api.secret_key)],
            "quarantine bucket",
            "these keys",
        ),
        ("no api", &[("MEDIA_API", "http://127.0.0.1:9")], "api", "/readyz"),
    ];
    for (what, settings, of, said) in wrong {
        let (code, findings) = doctor(&world, &caller, settings).await;
        let finding = &findings[of];
        assert_eq!((code, finding["verdict"].as_str().unwrap()), (4, "broken"), "{what}: {findings:#?}");
        let text = format!("{} {}", finding["seen"].as_str().unwrap(), finding["remedy"].as_str().unwrap());
        assert!(text.contains(said), "{what}: {text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_is_away_shows_in_the_outbox() {
    let world = World::with("doctor-outbox", &[Binary::Api]).await;
    let mut caller = world.caller().await;
    caller.create(caller.request(media_proto::v1::AssetKind::Subtitle, "a.vtt", 10)).await;
    let sql = world.sql().await;
    sqlx::query("UPDATE media.outbox SET created_at = created_at - interval '1 minute'").execute(&sql).await.unwrap();
    let (code, findings) = doctor(&world, &caller, &[]).await;
    assert_eq!(verdicts(&findings)["outbox"], "odd", "{findings:#?}");
    assert!(findings["outbox"]["remedy"].as_str().unwrap().contains("media-outbox-relay"));
    // Nobody has ever connected: the broker has nothing yet.
    assert_eq!((code, verdicts(&findings)["broker"]), (4, "broken"), "{findings:#?}");
}

/// What a janitor tells after all else.
const LAST_TOLD: &str = "media_erasure_oldest_seconds";

/// What dashboards and alerts read.
#[tokio::test(flavor = "multi_thread")]
async fn how_far_behind_the_service_is_can_be_read_as_metrics() {
    let mut world = World::with("vital-signs", &[Binary::Api]).await;
    let mut caller = world.caller().await;
    let asset = caller.create(caller.request(media_proto::v1::AssetKind::Subtitle, "a.vtt", 10)).await.asset.unwrap().id;
    let sql = world.sql().await;
    // As what was just given back: planned a while ago, and not to be tried at once.
    let waiting = "INSERT INTO media.work (id, tenant_id, asset_id, queue, group_name, created_at, not_before)
                   SELECT id, tenant_id, id, 'transcode', 'probe', clock_timestamp() - interval '90 seconds', clock_timestamp() + interval '9 minutes'
                   FROM media.assets WHERE id = $1::uuid";
    let id: uuid::Uuid = asset.parse::<media_domain::AssetId>().unwrap().as_uuid();
    sqlx::query(waiting).bind(id).execute(&sql).await.unwrap();
    let given_up = "INSERT INTO media.dead_letters (id, tenant_id, queue, reason, body) SELECT id, tenant_id, 'scan', 'worker_lost', '{}' FROM media.assets";
    sqlx::query(given_up).execute(&sql).await.unwrap();
    sqlx::query("UPDATE media.tenant_usage SET used_bytes = 4711").execute(&sql).await.unwrap();

    let janitor = world.start(Binary::Janitor, &[]).await;
    let metrics = eventually("the gauges are told", LIMIT, async || {
        let text = janitor.metrics().await.unwrap();
        if text.contains(LAST_TOLD) { Ok(text) } else { Err(text) }
    })
    .await;
    let value = |name: &str| -> f64 {
        let line = metrics.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{name} in {metrics}"));
        line.rsplit(' ').next().unwrap().parse().unwrap()
    };
    assert_eq!(value("media_queue_waiting{queue=\"transcode\"}"), 1.0);
    assert_eq!(value("media_queue_waiting{queue=\"scan\"}"), 0.0);
    assert!(value("media_queue_oldest_seconds{queue=\"transcode\"}") >= 90.0);
    assert!(value("media_outbox_waiting") >= 1.0 && value("media_dead_letters_open{reason=\"worker_lost\"}") == 1.0);
    assert_eq!(value(&format!("media_stored_bytes{{tenant=\"{}\"}}", caller.tenant)), 4711.0);
    for nothing in [
        "media_sweep_lag_seconds{sweep=\"doomed_blobs\"}",
        "media_sweep_lag_seconds{sweep=\"abandoned_uploads\"}",
        "media_erasures_open",
        "media_erasure_oldest_seconds",
    ] {
        assert_eq!(value(nothing), 0.0, "{nothing}");
    }
    assert_eq!(value("media_build_info{service=\"media-janitor\""), 1.0);
}

/// Alerts on what is not told are silent.
#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_keeps_nothing_else_from_being_told() {
    let mut world = World::new("vital-signs-apart").await;
    let sql = world.sql().await;
    sqlx::query("REVOKE EXECUTE ON FUNCTION media.queue_depths() FROM media_janitor").execute(&sql).await.unwrap();
    let janitor = world.start(Binary::Janitor, &[]).await;
    let metrics = eventually("the others are told", LIMIT, async || {
        let text = janitor.metrics().await.unwrap();
        if text.contains(LAST_TOLD) { Ok(text) } else { Err(text) }
    })
    .await;
    assert!(metrics.contains("media_outbox_oldest_seconds"), "{metrics}");
    assert!(!metrics.contains("media_queue_oldest_seconds"), "this one could not be read: {metrics}");
}
