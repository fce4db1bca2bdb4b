//! The restore drill of docs/operations.md: Postgres is lost and comes back from a dump, the broker is empty, the buckets are newer.
//!
//! - all_that_a_dump_knew_reaches_its_end_after_database_and_broker_were_lost

use std::{process::Stdio, time::Duration};

use media_devstack::{Binary, DatabaseRole, StackInfo, postgres_programs};
use media_proto::v1::{AssetKind, AssetStatus, GetPlaybackRequest};
use tokio::{process::Command, time::Instant};

use crate::harness::{Caller, Consumer, World, database, samples};

const LIMIT: Duration = Duration::from_secs(120);
/// The relay first, so that the consumer finds the exchange before the others give it something to tell.
const SERVICES: [Binary; 5] = [Binary::Relay, Binary::Api, Binary::Scanner, Binary::Transcoder, Binary::Janitor];

async fn run(program: &str, arguments: &[&str]) {
    let output = Command::new(postgres_programs().join(program)).args(arguments).stdin(Stdio::null()).output().await.unwrap();
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
}

#[tokio::test(flavor = "multi_thread")]
async fn all_that_a_dump_knew_reaches_its_end_after_database_and_broker_were_lost() {
    let mut world = World::new("drill").await;
    let mut services = Vec::new();
    for binary in SERVICES {
        services.push(world.start(binary, &[]).await);
    }
    let mut caller = world.caller().await;
    let done = caller.upload(AssetKind::Image, "done.png", &samples::picture(431, 207)).await;
    caller.until(&done, AssetStatus::Ready, LIMIT).await;
    // In the middle of things: one whose parts are all there, one that is just being worked on.
    let letter = samples::document(2_017);
    let open = caller.create(caller.request(AssetKind::Document, "open.rtf", letter.len())).await;
    caller.put_all(&open, &letter).await;
    let working = caller.upload(AssetKind::Image, "working.png", &samples::picture(1_931, 1_207)).await;

    let database = world.isolated().database_url(DatabaseRole::Superuser);
    let folder = tempfile::tempdir().unwrap();
    let dump = folder.path().join("media.dump");
    run("pg_dump", &["--format=custom", "--file", dump.to_str().unwrap(), database.as_str()]).await;
    // What comes after the dump is known to the store alone.
    let open = open.asset.unwrap().id;
    caller.complete(&open).await.unwrap();
    let late = caller.upload(AssetKind::Image, "late.png", &samples::picture(433, 211)).await;
    caller.until(&late, AssetStatus::Ready, LIMIT).await;
    for service in services {
        service.kill().unwrap();
    }
    // As after a disk that is gone.
    database::empty(&database).await;

    let began = Instant::now();
    run("pg_restore", &["--dbname", database.as_str(), dump.to_str().unwrap()]).await;
    let empty = StackInfo::from_env().unwrap().isolated("drill-broker").await.unwrap();
    let broker = empty.amqp_url();
    let (mut services, mut consumer) = (Vec::new(), None);
    for binary in SERVICES {
        let settings: &[(&str, &str)] = match binary {
            Binary::Api => &[],
            Binary::Janitor => &[("MEDIA__SWEEPS__LOST_AFTER", "1s")],
            _ => &[("MEDIA__AMQP__URL", broker.as_str())],
        };
        services.push(world.start(binary, settings).await);
        if binary == Binary::Relay {
            consumer = Some(Consumer::follow(broker.as_str()).await);
        }
    }
    let mut caller = Caller::with_token(&world.fleet.grpc_url(), caller.tenant, caller.token.clone()).await;
    for asset in [&done, &open, &working] {
        caller.until(asset, AssetStatus::Ready, LIMIT).await;
    }
    println!("restored, and all assets of the dump at their end, after {:.1} s", began.elapsed().as_secs_f64());
    assert!(
        caller.assets.get_asset(media_proto::v1::GetAssetRequest { asset_id: late.clone() }).await.is_err(),
        "nobody knows of it any more"
    );
    let played =
        caller.playback.get_playback(GetPlaybackRequest { asset_id: working.clone() }).await.unwrap().into_inner().playback.unwrap();
    let image = &played.images.first().expect("a picture to show").url;
    assert!(reqwest::get(image).await.unwrap().status().is_success());
    // What followed is told to whoever listens at the new broker.
    consumer.unwrap().until(&working, "media.asset.ready.v1", LIMIT).await;
    drop(services);
}
