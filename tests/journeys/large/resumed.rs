use std::{
    collections::BTreeSet,
    io::Write as _,
    path::Path,
    process::{Child, Command, Stdio},
};

use media_devstack::Binary;
use media_proto::v1::{AbortUploadRequest, Asset, AssetStatus, ListAssetsRequest};
use serde_json::Value;
use tempfile::TempDir;

use crate::harness::{
    Bucket, Caller, Moment, StoreProxy, World,
    command_line::{self, media},
    samples,
    store_proxy::{Asked, Exchange, Hold},
};

const MIB: usize = 1 << 20;
const PARTS: usize = 13;
const HELD_PART: usize = 7;

/// An api whose clients reach the store through a proxy, and the home of a person with a large file.
struct Desk {
    world: World,
    proxy: StoreProxy,
    caller: Caller,
    home: TempDir,
    file: String,
    bytes: Vec<u8>,
}

impl Desk {
    async fn new(name: &str) -> Self {
        let mut world = World::new(name).await;
        let proxy = StoreProxy::before(world.isolated().s3_endpoint()).await;
        world.fleet.set("MEDIA__S3__PUBLIC_ENDPOINT", proxy.endpoint());
        world.start_all(&[Binary::Api]).await;
        let caller = world.caller().await;
        let home = tempfile::tempdir().unwrap();
        let bytes = samples::document(PARTS * 5 * MIB - 1000);
        let file = samples::on_disk(home.path(), "paper.pdf", &bytes);
        Self { world, proxy, caller, home, file, bytes }
    }

    fn upload(&self) -> Command {
        let mut command = media(&self.world, &self.caller, &["--json", "upload", &self.file, "--kind", "document"]);
        command.env("XDG_STATE_HOME", self.home.path().join("state")).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Begins an upload and waits until one part stands still and all those before it are stored.
    async fn begun(&self) -> (Child, Hold) {
        let mut hold = self.proxy.hold(Moment::BeforeTheStore, |asked| part_of(asked) == Some(HELD_PART));
        let child = self.upload().spawn().unwrap();
        hold.caught().await;
        let before = |asked: &Asked| part_of(asked).is_some_and(|part| part < HELD_PART);
        self.proxy.answers(HELD_PART - 1, before).await;
        (child, hold)
    }

    /// Newest first.
    async fn assets(&self) -> Vec<Asset> {
        self.caller.clone().assets.list_assets(ListAssetsRequest::default()).await.unwrap().into_inner().assets
    }

    /// Numbers of the parts that the store has taken.
    fn stored(&self) -> BTreeSet<usize> {
        let taken = |exchange: &Exchange| exchange.status.is_some_and(|status| status.is_success());
        self.proxy.exchanges(Asked::sends_part).iter().filter(|exchange| taken(exchange)).filter_map(|one| part_of(&one.asked)).collect()
    }

    /// As [`stored`](Self::stored), when nothing is under way any more of a client that is gone.
    async fn settled(&self) -> BTreeSet<usize> {
        self.proxy.quiet().await;
        self.stored()
    }
}

fn part_of(asked: &Asked) -> Option<usize> {
    let number = asked.query.iter().find(|(name, _)| name == "partNumber");
    asked.sends_part().then(|| number.unwrap().1.parse().unwrap())
}

fn notes(home: &Path) -> usize {
    std::fs::read_dir(home.join("state/media/uploads")).map_or(0, Iterator::count)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_command_line_goes_on_without_sending_a_finished_part_again() {
    let desk = Desk::new("resumed").await;
    let (mut killed, hold) = desk.begun().await;
    killed.kill().unwrap();
    killed.wait().unwrap();
    hold.cut();
    desk.proxy.cut_connections();
    let before = desk.settled().await;
    let asked_before = desk.proxy.exchanges(Asked::sends_part).len();
    assert!(before.len() >= HELD_PART - 1 && before.len() < PARTS, "{before:?}");

    let run = command_line::run(desk.upload()).await;
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    let asset: Value = serde_json::from_slice(&run.stdout).unwrap();
    assert_eq!(asset["status"], "ASSET_STATUS_SCANNING");
    let sent_again: Vec<usize> =
        desk.proxy.exchanges(Asked::sends_part)[asked_before..].iter().filter_map(|one| part_of(&one.asked)).collect();
    let missing: Vec<usize> = (1..=PARTS).filter(|part| !before.contains(part)).collect();
    assert_eq!(BTreeSet::from_iter(sent_again.clone()), BTreeSet::from_iter(missing.clone()), "what was missing");
    assert_eq!(sent_again.len(), missing.len(), "each once: {sent_again:?}");

    let uploads = desk.proxy.exchanges(Asked::creates_upload);
    assert!(uploads.is_empty(), "only the api begins one");
    let sql = desk.world.sql().await;
    let count: i64 = sqlx::query_scalar("SELECT count(*) FROM media.assets").fetch_one(&sql).await.unwrap();
    assert_eq!(count, 1, "one upload, and not two");
    let stored = Bucket::of(desk.world.isolated()).objects().await;
    assert_eq!(stored.values().map(|object| object.size).collect::<Vec<_>>(), [i64::try_from(desk.bytes.len()).unwrap()]);
    assert_eq!(notes(desk.home.path()), 0, "nothing is kept of an upload that has ended");

    // The same command now is another upload.
    let run = command_line::run(desk.upload()).await;
    let another: Value = serde_json::from_slice(&run.stdout).unwrap();
    assert_ne!(another["id"], asset["id"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_upload_is_kept_and_one_that_was_given_up_begins_anew() {
    let desk = Desk::new("interrupted").await;
    let (interrupted, hold) = desk.begun().await;
    let pid = rustix::process::Pid::from_child(&interrupted);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    let said = interrupted.wait_with_output().unwrap();
    assert_eq!(said.status.code(), Some(6), "come again");
    assert!(String::from_utf8_lossy(&said.stderr).contains("goes on where it was"), "{said:?}");
    hold.cut();
    let mut caller = desk.caller.clone();
    let [asset] = desk.assets().await.try_into().unwrap();
    assert_eq!(asset.status(), AssetStatus::Uploading);

    caller.uploads.abort_upload(AbortUploadRequest { asset_id: asset.id.clone() }).await.unwrap();
    let run = command_line::run(desk.upload()).await;
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    let another: Value = serde_json::from_slice(&run.stdout).unwrap();
    assert_ne!(another["id"], asset.id, "what was given up is not gone on with");

    // Another content under the same name is another upload, though one is begun.
    let (mut killed, hold) = desk.begun().await;
    killed.kill().unwrap();
    killed.wait().unwrap();
    hold.cut();
    std::fs::OpenOptions::new().append(true).open(&desk.file).unwrap().write_all(b"more").unwrap();
    let run = command_line::run(desk.upload()).await;
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    let statuses: Vec<AssetStatus> = desk.assets().await.iter().map(Asset::status).collect();
    assert_eq!(statuses, [AssetStatus::Scanning, AssetStatus::Uploading, AssetStatus::Scanning, AssetStatus::Failed], "newest first");
}
