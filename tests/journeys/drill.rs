//! The restore drill, by the very commands of docs/operations.md: Postgres is lost with its roles and comes back from a dump in another
//! cluster, the broker is empty, the buckets are newer.
//!
//! - all_that_a_dump_knew_reaches_its_end_after_database_roles_and_broker_were_lost

use std::{fs, path::Path, process::Stdio, time::Duration};

use media_devstack::{Binary, DatabaseRole, Server, Service, Stack, StackInfo, StackOptions, postgres_programs};
use media_proto::v1::{AssetKind, AssetStatus, GetAssetRequest, GetPlaybackRequest};
use rustix::process::Signal;
use sqlx::PgPool;
use tokio::{process::Command, time::Instant};
use url::Url;

use crate::{
    harness::{Caller, Consumer, World, checkout, command_line, database, eventually, program, samples},
    kills::put_to_sleep,
};

const LIMIT: Duration = Duration::from_secs(120);
const SAID: &str = "Good morning and welcome to this short film.";

/// The blocks of shell in what the docs say of backups: to make one, to restore it, to tell events again.
fn told() -> Vec<String> {
    let text = fs::read_to_string(checkout().join("docs/operations.md")).unwrap();
    let section = text.split("\n## ").find(|section| section.starts_with("Back up and restore\n")).unwrap();
    section.split("```sh\n").skip(1).map(|block| block.split("```").next().unwrap().to_owned()).collect()
}

/// Runs a block as a superuser of this database and as this caller; answers what it complained of.
async fn run(block: &str, folder: &Path, database: &Url, world: &World, caller: &Caller) -> String {
    let (media, postgres) = (program("media"), postgres_programs());
    let mut command = Command::new("sh");
    command
        .args(["-e", "-c", block])
        .env("PATH", format!("{}:{}:/usr/bin:/bin", media.parent().unwrap().display(), postgres.display()))
        .env("PGHOST", database.host_str().unwrap())
        .env("PGPORT", database.port().unwrap_or(5432).to_string())
        .env("PGUSER", database.username())
        .env("PGPASSWORD", database.password().unwrap_or_default())
        .env("PGDATABASE", database.path().trim_start_matches('/'))
        .env("MEDIA_API", world.fleet.grpc_url())
        .env("MEDIA_TOKEN", &caller.token)
        .current_dir(folder)
        .stdin(Stdio::null());
    let output = command_line::run(command).await;
    let complaints = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{block}{complaints}");
    complaints
}

/// The transcoder's work that waits or runs, but for what a transaction has in hand: it may commit yet, though who asked for it sleeps.
async fn transcoding(sql: &PgPool) -> Vec<(String, String)> {
    let busy = "SELECT group_name, state FROM media.work WHERE queue = 'transcode' AND state IN ('waiting', 'running')
                ORDER BY 1 FOR UPDATE SKIP LOCKED";
    sqlx::query_as(busy).fetch_all(sql).await.unwrap()
}

fn is_in_the_middle(busy: &[(String, String)]) -> bool {
    ["waiting", "running"].iter().all(|wanted| busy.iter().any(|(_, state)| state == wanted))
}

/// Stops the transcoder where it is once it works on something, and something else waits for it.
async fn stop_in_the_middle(transcoder: &Service, sql: &PgPool) {
    eventually("the film is in the middle of being made", LIMIT, async || {
        put_to_sleep(transcoder).await;
        let busy = transcoding(sql).await;
        if is_in_the_middle(&busy) {
            return Ok(());
        }
        transcoder.signal(Signal::CONT).unwrap();
        Err(busy)
    })
    .await;
}

/// Who can log in to a cluster, each with what its password is checked by.
async fn logins(cluster: &Url) -> Vec<(String, Option<String>)> {
    let roles = DatabaseRole::MADE.into_iter().chain([DatabaseRole::Owner]).filter_map(DatabaseRole::name);
    let names: Vec<String> = roles.map(str::to_owned).collect();
    let sql = PgPool::connect(cluster.as_str()).await.unwrap();
    let found = sqlx::query_as("SELECT rolname::text, rolpassword FROM pg_authid WHERE rolcanlogin AND rolname = ANY($1) ORDER BY 1")
        .bind(names)
        .fetch_all(&sql)
        .await
        .unwrap();
    sql.close().await;
    found
}

/// The database as a binary logs in to it, in the cluster that it was restored to.
fn restored_for(binary: Binary, world: &World, restored: &Url) -> String {
    let mut url = world.isolated().database_url(binary.role());
    url.set_host(restored.host_str()).unwrap();
    url.set_port(restored.port()).unwrap();
    url.to_string()
}

async fn start(binary: Binary, world: &mut World, restored: &Url) -> Service {
    let url = restored_for(binary, world, restored);
    world.start(binary, &[("MEDIA__DATABASE__URL", url.as_str())]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn all_that_a_dump_knew_reaches_its_end_after_database_roles_and_broker_were_lost() {
    let (told, folder) = (told(), tempfile::tempdir().unwrap());
    let stack = StackInfo::from_env().unwrap();
    let cluster = Stack::start(StackOptions { migrated: false, ..StackOptions::beside(&stack, &[Server::Postgres]) }).await.unwrap();
    let mut world = World::on(stack.isolated("drill").await.unwrap());
    let sql = world.sql().await;
    let relay = world.start(Binary::Relay, &[]).await;
    let transcoder = world.start(Binary::Transcoder, &[]).await;
    let mut services = Vec::new();
    // No janitor: it would give back what a stopped worker holds.
    for binary in [Binary::Api, Binary::Scanner, Binary::Captioner] {
        services.push(world.start(binary, &[]).await);
    }
    let before = world.consumer().await;
    let mut caller = world.caller().await;
    let done = caller.upload(AssetKind::Image, "done.png", &samples::picture(431, 207)).await;
    caller.until(&done, AssetStatus::Ready, LIMIT).await;
    let told_before = before.until(&done, "media.asset.ready.v1", LIMIT).await;

    // In the middle of things: an upload whose parts are all there and whose event nobody has published, and a film that is just made.
    relay.kill().unwrap();
    let letter = samples::document(2_017);
    let open = caller.create(caller.request(AssetKind::Document, "open.rtf", letter.len())).await;
    caller.put_all(&open, &letter).await;
    let open = open.asset.unwrap().id;
    let film = caller.upload(AssetKind::Video, "film.mp4", &samples::talk(SAID)).await;
    stop_in_the_middle(&transcoder, &sql).await;
    let database = world.isolated().database_url(DatabaseRole::Superuser);
    run(&told[0], folder.path(), &database, &world, &caller).await;
    transcoder.signal(Signal::CONT).unwrap();

    // What comes after the dump is known to the store and to consumers alone.
    services.extend([transcoder, world.start(Binary::Relay, &[]).await]);
    caller.complete(&open).await.unwrap();
    let late = caller.upload(AssetKind::Document, "late.rtf", &samples::document(2_019)).await;
    caller.until(&late, AssetStatus::Ready, LIMIT).await;
    let created_before = before.until(&open, "media.asset.created.v1", LIMIT).await;
    let uploaded_before = before.until(&open, "media.asset.uploaded.v1", LIMIT).await;
    for service in services {
        service.kill().unwrap();
    }
    // As after a disk that is gone.
    sql.close().await;
    database::empty(&database).await;

    let mut restored = cluster.describe().postgres.url.clone();
    assert!(logins(&restored).await.is_empty(), "the other cluster knows nobody");
    restored.set_path(database.path());
    let began = Instant::now();
    let complaints = run(&told[1], folder.path(), &restored, &world, &caller).await;
    assert!(complaints.lines().all(|line| line.ends_with("already exists")), "{complaints}");
    let kept = logins(&stack.postgres.url).await;
    assert!(kept.len() > 7 && kept.iter().all(|(_, password)| password.is_some()), "they were there: {}", kept.len());
    assert_eq!(logins(&restored).await, kept, "every role came back with its password");
    let sql = PgPool::connect(restored.as_str()).await.unwrap();
    let busy = transcoding(&sql).await;
    assert!(is_in_the_middle(&busy), "the dump was made in the middle of things: {busy:?}");
    assert_sound(&restored_for(Binary::Janitor, &world, &restored)).await;

    let broker = stack.isolated("drill-broker").await.unwrap().amqp_url();
    world.fleet.set("MEDIA__AMQP__URL", broker.as_str());
    world.fleet.set("MEDIA__SWEEPS__LOST_AFTER", "1s");
    // It declares what consumers bind to, and publishes nothing.
    let mut services = vec![start(Binary::Scanner, &mut world, &restored).await];
    let after = Consumer::follow(broker.as_str()).await;
    for binary in [Binary::Relay, Binary::Api, Binary::Transcoder, Binary::Captioner, Binary::Janitor] {
        services.push(start(binary, &mut world, &restored).await);
    }
    let mut caller = Caller::with_token(&world.fleet.grpc_url(), caller.tenant, caller.token.clone()).await;
    database::all_at_their_end(&sql, LIMIT).await;
    println!("restored, and all assets of the dump at their end, after {:.1} s", began.elapsed().as_secs_f64());
    assert_all_is_there(&mut caller, &done, &film).await;
    for id in [&open, &done, &film] {
        assert_eq!(caller.get(id).await.asset.unwrap().status(), AssetStatus::Ready);
    }
    assert!(caller.assets.get_asset(GetAssetRequest { asset_id: late }).await.is_err(), "nobody knows of it any more");

    // What the dump had yet to tell is told with its id; what happened after it happens again, by the same number and another id.
    let created = after.until(&open, "media.asset.created.v1", LIMIT).await;
    assert_eq!((created.id, created.sequence), (created_before.id, created_before.sequence));
    let uploaded = after.until(&open, "media.asset.uploaded.v1", LIMIT).await;
    assert_eq!(uploaded.sequence, uploaded_before.sequence);
    assert_ne!(uploaded.id, uploaded_before.id);
    after.until(&film, "media.asset.ready.v1", LIMIT).await;
    let complaints = run(&told[2], folder.path(), &restored, &world, &caller).await;
    assert_eq!(complaints, "");
    assert_eq!(after.until(&done, "media.asset.ready.v1", LIMIT).await.id, told_before.id, "told again, and the same");
    drop(services);
    sql.close().await;
    cluster.stop().await.unwrap();
}

/// `media doctor` finds nothing broken in a database that nobody uses yet.
async fn assert_sound(database: &str) {
    let mut command = Command::new(program("media"));
    command.arg("doctor").env_clear().env("MEDIA__DATABASE__URL", database).stdin(Stdio::null());
    let output = command_line::run(command).await;
    assert!(output.status.success(), "{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
}

/// The picture from before the dump and the film from both sides of it can be shown, and what is said was written down once.
async fn assert_all_is_there(caller: &mut Caller, picture: &str, film: &str) {
    let mut urls = Vec::new();
    for id in [picture, film] {
        let request = GetPlaybackRequest { asset_id: id.to_owned() };
        let playback = caller.playback.get_playback(request).await.unwrap().into_inner().playback.unwrap();
        urls.extend(playback.images.into_iter().map(|image| image.url));
        urls.extend((id == film).then_some(playback.hls_url));
    }
    assert!(urls.len() > 1, "{urls:?}");
    for url in urls {
        let answer = reqwest::get(&url).await.unwrap();
        assert!(answer.status().is_success(), "{url} is answered with {}", answer.status());
    }
    assert_eq!(caller.get(film).await.caption_tracks.len(), 1);
}
