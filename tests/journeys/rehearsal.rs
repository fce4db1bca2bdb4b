//! A roll-out from the version that is out to this one, under load: no call fails, no work is lost. `make rehearse-upgrade` builds the
//! other version and runs it; without that version there is nothing to rehearse.
//!
//! - a_roll_out_under_load_fails_no_call_and_loses_no_work

use std::{
    path::PathBuf,
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures::{StreamExt as _, stream};
use media_devstack::{Binary, DatabaseRole, Fleet, Service, StackInfo};
use media_domain::TenantId;
use media_proto::v1::{AssetKind, AssetStatus, ListAssetsRequest, UploadRequest, upload_request::Content};
use sqlx::PgPool;
use tokio::{
    process::Command,
    sync::RwLock,
    time::{Instant, sleep},
};
use url::Url;
use uuid::Uuid;

use crate::harness::{Caller, database, eventually, samples};

const LIMIT: Duration = Duration::from_secs(120);
/// How long both versions of a binary run side by side before the old one is told to stop.
const SIDE_BY_SIDE: Duration = Duration::from_secs(3);
/// Who calls at the same time.
const CALLERS: usize = 3;

fn released() -> PathBuf {
    std::env::var_os("MEDIA_RELEASED_PROGRAMS").expect("`make rehearse-upgrade` names the programs of the version that is out").into()
}

async fn migrate(programs: &std::path::Path, database: &Url) {
    let mut command = Command::new(programs.join("media"));
    let output = command.args(["migrate", "--database-url", database.as_str()]).stdin(Stdio::null()).output().await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// What calls go to: the apis that are in rotation, as a load balancer knows them.
struct Rotation {
    apis: RwLock<Vec<String>>,
    calls: AtomicUsize,
    assets: AtomicUsize,
    over: AtomicBool,
}

/// Films with sound by the first caller, so that every binary has work; pictures by the others. No two are the same.
fn something(number: usize, round: usize) -> (AssetKind, &'static str, Vec<u8>) {
    let (number, round) = (u32::try_from(number).unwrap(), u32::try_from(round).unwrap());
    if number == 0 {
        return (AssetKind::Video, "film.mp4", samples::video(320 + 2 * round, 180, 2));
    }
    (AssetKind::Image, "card.png", samples::picture(64 + round, 60 + number))
}

/// Hands over a file and asks after it, again and again. No call of it may fail, and no asset may stay behind.
async fn call(rotation: Arc<Rotation>, number: usize) {
    let tenant = TenantId(Uuid::new_v4());
    for round in 0.. {
        if rotation.over.load(Ordering::Relaxed) {
            return;
        }
        // A new connection each time, as after a balancer's choice; held, so that it is not taken out of rotation meanwhile.
        let apis = rotation.apis.read().await;
        let mut caller = Caller::connect(&apis[round % apis.len()], tenant).await;
        let (kind, name, file) = something(number, round);
        let created = caller.create(caller.request(kind, name, file.len())).await;
        caller.put_all(&created, &file).await;
        let id = created.asset.unwrap().id;
        caller.complete(&id).await.unwrap();
        caller.assets.list_assets(ListAssetsRequest::default()).await.unwrap();
        drop(apis);
        // Whoever polls goes to another api when his is leaving.
        let mut at = String::new();
        let until = Instant::now() + LIMIT;
        loop {
            let apis = rotation.apis.read().await;
            if !apis.contains(&at) {
                at.clone_from(apis.last().unwrap());
                caller = Caller::connect(&at, tenant).await;
            }
            let status = caller.get(&id).await.asset.unwrap().status();
            drop(apis);
            rotation.calls.fetch_add(1, Ordering::Relaxed);
            if status == AssetStatus::Ready {
                break;
            }
            assert!(status != AssetStatus::Failed && Instant::now() < until, "{id} is {status:?}");
            sleep(Duration::from_millis(200)).await;
        }
        rotation.calls.fetch_add(4, Ordering::Relaxed);
        rotation.assets.fetch_add(1, Ordering::Relaxed);
    }
}

/// An upload that comes through an api, and goes on for longer than that api is in rotation. It must not be cut off.
async fn upload_slowly(api: String) {
    const PIECES: usize = 30;
    let mut caller = Caller::connect(&api, TenantId(Uuid::new_v4())).await;
    let file = samples::picture(640, 480);
    let announcement = Content::Announcement(caller.request(AssetKind::Image, "slow.png", file.len()));
    let chunks: Vec<Content> = file.chunks(file.len().div_ceil(PIECES)).map(|chunk| Content::Chunk(chunk.to_vec())).collect();
    let messages = stream::iter(std::iter::once(announcement).chain(chunks)).then(|content| async move {
        sleep(3 * SIDE_BY_SIDE / u32::try_from(PIECES).unwrap()).await;
        UploadRequest { content: Some(content) }
    });
    caller.uploads.upload(messages).await.unwrap();
}

async fn started(fleet: &mut Fleet, binary: Binary) -> Service {
    fleet.start(binary, &[]).await.unwrap_or_else(|error| panic!("{error}"))
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the version that is out: `make rehearse-upgrade`"]
async fn a_roll_out_under_load_fails_no_call_and_loses_no_work() {
    let isolated = StackInfo::from_env().unwrap().isolated("rehearsal").await.unwrap();
    let database = isolated.database_url(DatabaseRole::Superuser);
    let (released, ours) = (released(), std::env::current_exe().unwrap().ancestors().nth(2).unwrap().to_owned());
    database::empty(&database).await;
    // As an operator does, not as the superuser.
    let owner = isolated.database_url(DatabaseRole::Owner);
    migrate(&released, &owner).await;
    let (mut old, mut new) = (Fleet::new(isolated.clone()).unwrap(), Fleet::new(isolated).unwrap());
    old.take_programs_from(&released);

    let mut before = Vec::new();
    for binary in Binary::ALL {
        before.push(started(&mut old, binary).await);
    }
    let rotation = Arc::new(Rotation {
        apis: RwLock::new(vec![old.grpc_url()]),
        calls: AtomicUsize::new(0),
        assets: AtomicUsize::new(0),
        over: AtomicBool::new(false),
    });
    let load: Vec<_> = (0..CALLERS).map(|number| tokio::spawn(call(rotation.clone(), number))).collect();
    let by_the_old = eventually("the version that is out has finished something", LIMIT, async || {
        let finished = rotation.assets.load(Ordering::Relaxed);
        if finished >= CALLERS { Ok(finished) } else { Err(finished) }
    })
    .await;

    let began = Instant::now();
    migrate(&ours, &owner).await;
    println!("the migrations took {:.1} s, under load", began.elapsed().as_secs_f64());
    sleep(SIDE_BY_SIDE).await;
    let mut after = Vec::new();
    for (binary, mut leaving) in Binary::ALL.into_iter().zip(before) {
        after.push(started(&mut new, binary).await);
        let mut slow = None;
        if binary == Binary::Api {
            rotation.apis.write().await.push(new.grpc_url());
            slow = Some(tokio::spawn(upload_slowly(old.grpc_url())));
        }
        sleep(SIDE_BY_SIDE).await;
        if binary == Binary::Api {
            rotation.apis.write().await.remove(0);
        }
        assert!(leaving.stop(LIMIT).await.unwrap(), "{} did not end well", binary.name());
        if let Some(slow) = slow {
            slow.await.unwrap();
        }
    }
    sleep(SIDE_BY_SIDE).await;
    rotation.over.store(true, Ordering::Relaxed);
    for caller in load {
        caller.await.unwrap();
    }
    let (calls, assets) = (rotation.calls.load(Ordering::Relaxed), rotation.assets.load(Ordering::Relaxed));
    println!(
        "{calls} calls and {assets} assets, {by_the_old} of them before the migrations; none failed, {:.0} s",
        began.elapsed().as_secs_f64()
    );
    assert!(assets > by_the_old);

    let sql = PgPool::connect(database.as_str()).await.unwrap();
    // What is not required follows after an asset is ready: captions, rungs.
    eventually("all work, and all assets, come to a good end", LIMIT, async || {
        let unfinished = "SELECT group_name, state FROM media.work WHERE state <> 'succeeded'
                UNION ALL SELECT 'asset', status FROM media.assets WHERE status <> 'ready'";
        let left: Vec<(String, String)> = sqlx::query_as(unfinished).fetch_all(&sql).await.unwrap();
        if left.is_empty() { Ok(()) } else { Err(left) }
    })
    .await;
    let queues: i64 = sqlx::query_scalar("SELECT count(DISTINCT queue) FROM media.work").fetch_one(&sql).await.unwrap();
    assert_eq!(queues, 3, "every worker had work");
    drop(after);
}
