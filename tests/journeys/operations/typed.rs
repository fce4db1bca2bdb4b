//! `media`, as an operator types it, and whoever looks after assets.

use media_devstack::Binary;
use media_domain::AssetId;
use media_proto::v1::{AssetKind, AssetStatus};
use reqwest::StatusCode;
use serde_json::Value;

use super::LIMIT;
use crate::harness::{Caller, World, command_line, eventually, samples};

/// Runs `media` with arguments; answers its exit code and output.
async fn media(world: &World, caller: &Caller, arguments: &[&str]) -> (i32, String) {
    let output = command_line::run(command_line::media(world, caller, arguments)).await;
    let said = String::from_utf8_lossy(&output.stderr);
    let code = output.status.code().unwrap();
    assert!(code == 0 || !said.is_empty(), "{arguments:?} failed without a word");
    (code, String::from_utf8(output.stdout).unwrap())
}

async fn json(world: &World, caller: &Caller, arguments: &[&str]) -> Vec<Value> {
    let (code, text) = media(world, caller, &[&["--json"], arguments].concat()).await;
    assert_eq!(code, 0, "{arguments:?}");
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{arguments:?}: {error}: {line}"))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_types_each_verb() {
    let world = World::with("typed", &[Binary::Relay, Binary::Api, Binary::Scanner, Binary::Transcoder, Binary::Janitor]).await;
    let mut caller = world.caller().await;
    let picture = caller.upload(AssetKind::Image, "card.png", &samples::picture(400, 200)).await;
    let infected = caller.upload(AssetKind::Document, "letter.rtf", &super::quarantine::infected_document()).await;
    caller.until(&picture, AssetStatus::Ready, LIMIT).await;
    caller.until(&infected, AssetStatus::Quarantined, LIMIT).await;
    let typed = async |arguments: &[&str]| json(&world, &caller, arguments).await;

    let jobs = typed(&["jobs", "--asset", &picture, "--status", "succeeded", "--queue", "transcode"]).await;
    assert!(jobs.iter().any(|listed| listed["job"]["profile"] == "webp-320"), "{jobs:?}");
    assert_eq!(typed(&["jobs", "-n", "1"]).await.len(), 1);
    assert_eq!(media(&world, &caller, &["jobs", "--queue", "scan"]).await.0, 2, "a scan is no job");
    assert_eq!(media(&world, &caller, &["retry", jobs[0]["job"]["id"].as_str().unwrap()]).await.0, 4, "it did not fail");
    assert!(typed(&["dead-letters", "list"]).await.is_empty());
    assert!(typed(&["dead-letters", "redrive", "--all"]).await.is_empty());
    assert_eq!(media(&world, &caller, &["dead-letters", "redrive"]).await.0, 2, "of which?");
    assert_eq!(media(&world, &caller, &["dead-letters", "redrive", &picture]).await.0, 3, "there is none of this id");
    assert!(typed(&["replay", "--asset", &picture]).await[0]["eventCount"].as_i64().unwrap() >= 4);
    assert!(typed(&["replay", "--since", "1h"]).await[0]["eventCount"].as_i64().is_some());
    assert!(typed(&["usage"]).await[0]["variantBytes"].as_str().unwrap().parse::<i64>().unwrap() > 0);

    let listed = typed(&["quarantine", "list"]).await;
    assert_eq!((listed.len(), listed[0]["asset"]["id"].as_str()), (1, Some(infected.as_str())));
    assert!(listed[0]["signature"].as_str().unwrap().contains("Eicar"), "{listed:?}");
    let (code, text) = media(&world, &caller, &["quarantine", "list"]).await;
    assert!(code == 0 && text.contains(&infected) && text.contains("Eicar"), "{text}");
    let decide =
        async |verb: &str, id: &str| typed(&["quarantine", verb, id, "--why", "a test"]).await[0]["status"].as_str().unwrap().to_owned();
    assert_eq!(decide("release", &infected).await, "ASSET_STATUS_SCANNING");
    caller.clone().until(&infected, AssetStatus::Ready, LIMIT).await;
    assert_eq!(decide("rescan", &infected).await, "ASSET_STATUS_SCANNING");
    caller.clone().until(&infected, AssetStatus::Ready, LIMIT).await;
    assert_eq!(media(&world, &caller, &["quarantine", "purge", &infected, "--why", "a test"]).await.0, 4, "it is not quarantined");

    assert_eq!(typed(&["request-variant", &picture, "webp-640"]).await[0]["profile"], "webp-640");
    assert_eq!(typed(&["reprocess", &picture]).await[0]["status"], "ASSET_STATUS_SCANNING");
    caller.clone().until(&picture, AssetStatus::Ready, LIMIT).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_renames_keeps_and_finds_an_asset_and_ends_its_urls() {
    let world = World::with("typed-edits", &[Binary::Relay, Binary::Api, Binary::Scanner, Binary::Transcoder]).await;
    let mut caller = world.caller().await;
    let picture = caller.upload(AssetKind::Image, "old.png", &samples::picture(400, 200)).await;
    let later = caller.create(caller.request(AssetKind::Subtitle, "later.vtt", 10)).await.asset.unwrap().id;
    caller.until(&picture, AssetStatus::Ready, LIMIT).await;
    let typed = async |arguments: &[&str]| json(&world, &caller, arguments).await;
    let code = async |arguments: &[&str]| media(&world, &caller, arguments).await.0;

    let shown = typed(&["show", &picture]).await;
    let etag = shown[0]["asset"]["etag"].as_str().unwrap();
    let renamed = typed(&["set", &picture, "--filename", "new.png", "--etag", etag]).await;
    let said = (renamed[0]["filename"].as_str(), renamed[0]["retentionClass"].as_str());
    assert_eq!(said, (Some("new.png"), Some("RETENTION_CLASS_OPERATIONAL")));
    assert_eq!(code(&["set", &picture, "--class", "authored", "--etag", etag]).await, 6, "it has another etag by now");
    let (done, text) = media(&world, &caller, &["set", &picture, "--class", "authored"]).await;
    assert!(done == 0 && text.contains("new.png") && text.contains("kept authored"), "{text}");
    let both = typed(&["set", &picture, "--class", "bundle", "--filename", "both.png"]).await;
    assert_eq!((both[0]["filename"].as_str(), both[0]["retentionClass"].as_str()), (Some("both.png"), Some("RETENTION_CLASS_BUNDLE")));
    assert_eq!(code(&["set", &picture]).await, 2, "what?");
    assert_eq!(code(&["set", &picture, "--class", "precious"]).await, 2, "there is no such class");
    assert_eq!(code(&["set", &picture, "--filename", "a/b.png"]).await, 4, "a name has no folders");

    let listed = async |filter: &[&str]| -> Vec<String> {
        let assets = typed(&[&["ls"], filter].concat()).await;
        assets.iter().map(|asset| asset["id"].as_str().unwrap().to_owned()).collect()
    };
    let shown = typed(&["show", &later]).await;
    let time = shown[0]["asset"]["createTime"].as_str().unwrap();
    assert_eq!(listed(&["--since", time]).await, [later.as_str()], "from its own time on");
    assert_eq!(listed(&["--until", time]).await, [picture.as_str()], "before its own time");
    assert_eq!(listed(&["--since", "2000-01-01"]).await, [later.as_str(), picture.as_str()]);
    assert!(listed(&["--until", "2000-01-01"]).await.is_empty());
    assert_eq!(listed(&["--since", "1h", "--until", time, "--kind", "image"]).await, [picture.as_str()]);
    assert_eq!(code(&["ls", "--since", "yesterday"]).await, 2);

    let url = async || -> String {
        let played = typed(&["play", &picture]).await;
        played[0]["playback"]["images"][0]["url"].as_str().unwrap().to_owned()
    };
    let before = url().await;
    assert_eq!(reqwest::get(&before).await.unwrap().status(), StatusCode::OK);
    assert_eq!(typed(&["revoke", &picture]).await[0]["assetId"], picture.as_str());
    eventually("the URL ends", LIMIT, async || match reqwest::get(&before).await.unwrap().status() {
        StatusCode::FORBIDDEN => Ok(()),
        other => Err(other),
    })
    .await;
    assert_eq!(reqwest::get(url().await).await.unwrap().status(), StatusCode::OK, "a new one opens");
    let (done, text) = media(&world, &caller, &["revoke", &picture]).await;
    assert!(done == 0 && text.contains(&picture), "{text}");
    assert_eq!(code(&["revoke", &AssetId::generate().to_string()]).await, 3);
}
