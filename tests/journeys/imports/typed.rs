//! `media import`, as a person types it.

use std::{
    io::{Seek as _, Write as _},
    process::Output,
};

use media_devstack::Binary;
use serde_json::Value;

use super::world;
use crate::harness::{Caller, Web, World, command_line, samples, web::Says};

async fn media(world: &World, caller: &Caller, arguments: &[&str], stdin: &str) -> Output {
    let mut typed = tempfile::tempfile().unwrap();
    typed.write_all(stdin.as_bytes()).unwrap();
    typed.rewind().unwrap();
    let mut command = command_line::media(world, caller, arguments);
    command.stdin(typed);
    command_line::run(command).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_imports_from_a_shell() {
    let web = Web::start().await;
    let world = world("import-typed", &web, &[Binary::Relay, Binary::Api, Binary::Scanner]).await;
    let caller = world.caller().await;
    let url = web.at("/a%20letter.rtf", [Says::File(samples::document(100))]);
    let waited = media(&world, &caller, &["--json", "import", &url, "--kind", "document", "--wait"], "").await;
    assert!(waited.status.success(), "{}", String::from_utf8_lossy(&waited.stderr));
    let updates: Vec<Value> = String::from_utf8(waited.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let last = &updates.last().unwrap()["asset"];
    let said = (last["status"].as_str(), last["filename"].as_str(), last["source"].as_str());
    assert_eq!(said, (Some("ASSET_STATUS_READY"), Some("a letter.rtf"), Some("ASSET_SOURCE_IMPORTED")));

    let read = media(&world, &caller, &["--json", "import", "-", "--kind", "document", "--name", "b.rtf"], &format!("{url}\n")).await;
    let asset: Value = serde_json::from_slice(&read.stdout).unwrap();
    assert_eq!((asset["filename"].as_str(), asset["status"].as_str()), (Some("b.rtf"), Some("ASSET_STATUS_UPLOADING")));

    let refused = media(&world, &caller, &["import", "https://10.0.0.1/a.rtf", "--kind", "document"], "").await;
    let sentence = String::from_utf8(refused.stderr).unwrap();
    assert!(refused.status.code() == Some(4) && sentence.contains("private") && sentence.contains("URL_REFUSED"), "{sentence}");
    let gone = web.at("/gone", [Says::Status(404)]);
    let failed = media(&world, &caller, &["import", &gone, "--kind", "document", "--wait"], "").await;
    let sentence = String::from_utf8(failed.stderr).unwrap();
    assert!(failed.status.code() == Some(4) && sentence.contains("import_failed") && sentence.contains("404"), "{sentence}");
    assert_eq!(
        media(&world, &caller, &["import", "https://example.com/", "--kind", "document"], "").await.status.code(),
        Some(2),
        "of what name?"
    );
}
