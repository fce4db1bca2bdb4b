//! The example consumers, in Rust and in Python, as processes on a real broker.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command},
};

use lapin::{
    Connection, ConnectionProperties,
    options::{BasicAckOptions, BasicGetOptions},
};
use media_devstack::Binary;
use media_proto::v1::{AssetKind, DeleteAssetRequest, ReplayEventsRequest, UndeleteAssetRequest};
use serde_json::Value;

use super::LIMIT;
use crate::harness::{Caller, World, eventually, program, samples, schemas};

/// A consumer, which may be killed and started again.
struct Example {
    command: fn() -> Command,
    arguments: [String; 3],
    running: Child,
}

impl Example {
    fn start(command: fn() -> Command, world: &World, folder: &Path) -> Self {
        let journal = folder.join("journal").display().to_string();
        let arguments = [world.isolated().amqp_url().to_string(), "example".to_owned(), journal];
        let running = Self::launch(command, &arguments);
        Self { command, arguments, running }
    }

    fn launch(command: fn() -> Command, arguments: &[String]) -> Child {
        let log = File::options().create(true).append(true).open(format!("{}.log", arguments[2])).unwrap();
        command().args(arguments).stderr(log).spawn().unwrap()
    }

    fn kill(&mut self) {
        self.running.kill().unwrap();
        self.running.wait().unwrap();
    }

    fn start_again(&mut self) {
        self.running = Self::launch(self.command, &self.arguments);
    }

    /// What it says it could not do, or misses.
    fn log(&self) -> String {
        fs::read_to_string(format!("{}.log", self.arguments[2])).unwrap()
    }

    /// The lines of its journal, once there are so many.
    async fn until_longer(&self, count: usize) -> Vec<Value> {
        eventually(&format!("the journal has {count} lines"), LIMIT, async || {
            let text = fs::read_to_string(&self.arguments[2]).unwrap_or_default();
            let whole = text.rfind('\n').map_or("", |end| &text[..end]);
            let lines: Vec<Value> = whole.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
            if lines.len() >= count { Ok(lines) } else { Err((text, self.log())) }
        })
        .await
    }
}

impl Drop for Example {
    fn drop(&mut self) {
        // One that a test killed is gone.
        self.running.kill().ok();
        self.running.wait().ok();
    }
}

fn rust() -> Command {
    Command::new(program("examples/event_consumer"))
}

fn python() -> Command {
    // Debian's, which has Debian's pika.
    let mut command = Command::new("/usr/bin/python3");
    command.arg("-B").arg(PathBuf::from(schemas::FOLDER).join("consumer.py"));
    command
}

fn numbers(lines: &[Value]) -> Vec<u64> {
    lines.iter().map(|line| line["sequence"].as_u64().unwrap()).collect()
}

async fn replay(caller: &mut Caller, asset_id: &str, expected: i64) {
    let request = ReplayEventsRequest { asset_id: asset_id.to_owned(), ..Default::default() };
    eventually("all was published and is replayed", LIMIT, async || {
        let count = caller.clone().operations.replay_events(request.clone()).await.unwrap().into_inner().event_count;
        if count == expected { Ok(()) } else { Err(count) }
    })
    .await;
}

async fn an_example_takes_each_event_once_and_notices_what_has_not_come(name: &str, command: fn() -> Command) {
    let world = World::with(name, &[Binary::Relay, Binary::Api]).await;
    let (mut caller, folder) = (world.caller().await, tempfile::tempdir().unwrap());
    let mut example = Example::start(command, &world, folder.path());
    let connection = Connection::connect(world.isolated().amqp_url().as_str(), ConnectionProperties::default()).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    // What is published before a queue is bound is for nobody: the second line of its first asset shows that it is.
    eventually("the consumer's queue is there", LIMIT, async || {
        let probe = connection.create_channel().await.unwrap();
        let passive = lapin::options::QueueDeclareOptions { passive: true, ..Default::default() };
        let queue = probe.queue_declare("example".into(), passive, Default::default()).await.map_err(|error| error.to_string())?;
        if queue.consumer_count() == 1 { Ok(()) } else { Err(example.log()) }
    })
    .await;

    let asset = caller.upload(AssetKind::Document, "letter.rtf", &samples::document(4000)).await;
    let lines = example.until_longer(2).await;
    assert_eq!(numbers(&lines), [1, 2]);
    assert!(lines.iter().all(|line| line["subject"] == asset.as_str() && line["missing"] == serde_json::json!([])), "{lines:?}");

    // Killed, it is sent again what it had and one that is new.
    example.kill();
    replay(&mut caller, &asset, 2).await;
    caller.assets.delete_asset(DeleteAssetRequest { asset_id: asset.clone(), ..Default::default() }).await.unwrap();
    example.start_again();
    let lines = example.until_longer(3).await;
    assert_eq!(numbers(&lines), [1, 2, 3], "each once");

    // One is lost on its way.
    example.kill();
    caller.assets.undelete_asset(UndeleteAssetRequest { asset_id: asset.clone(), ..Default::default() }).await.unwrap();
    eventually("an event waits for the consumer", LIMIT, async || {
        let waits = channel.basic_get("example".into(), BasicGetOptions::default()).await.unwrap().ok_or(None)?;
        waits.ack(BasicAckOptions::default()).await.unwrap();
        let kind = waits.delivery.routing_key.to_string();
        // One that it had written down when it was killed, and not acknowledged, comes again.
        if kind == "media.asset.undeleted.v1" { Ok(()) } else { Err(Some(kind)) }
    })
    .await;
    caller.assets.delete_asset(DeleteAssetRequest { asset_id: asset.clone(), ..Default::default() }).await.unwrap();
    example.start_again();
    let lines = example.until_longer(4).await;
    assert_eq!(numbers(&lines), [1, 2, 3, 5]);
    assert_eq!(lines[3]["missing"], serde_json::json!([4]), "{lines:?}");
    assert!(example.log().contains("have not come"), "{}", example.log());

    // Asked for again, it comes, and nothing comes twice.
    replay(&mut caller, &asset, 5).await;
    let lines = example.until_longer(5).await;
    assert_eq!(numbers(&lines), [1, 2, 3, 5, 4]);
    assert_eq!(lines[4]["missing"], serde_json::json!([]), "{lines:?}");
    // What comes last shows that the fifth, which was replayed too, was not taken again.
    caller.assets.undelete_asset(UndeleteAssetRequest { asset_id: asset.clone(), ..Default::default() }).await.unwrap();
    assert_eq!(numbers(&example.until_longer(6).await), [1, 2, 3, 5, 4, 6]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_example_consumer_takes_each_event_once_and_notices_what_has_not_come() {
    an_example_takes_each_event_once_and_notices_what_has_not_come("consumer-rust", rust).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_example_in_python_takes_each_event_once_and_notices_what_has_not_come() {
    an_example_takes_each_event_once_and_notices_what_has_not_come("consumer-python", python).await;
}
