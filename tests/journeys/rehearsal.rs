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

use media_devstack::{Binary, DatabaseRole, Fleet, Service, StackInfo};
use media_domain::TenantId;
use media_proto::v1::{AssetKind, AssetStatus, ListAssetsRequest};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use tokio::{
    process::Command,
    sync::RwLock,
    time::{Instant, sleep},
};
use url::Url;
use uuid::Uuid;

use crate::harness::{Caller, samples};

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

async fn emptied(database: &Url) {
    let name = database.path().trim_start_matches('/').to_owned();
    let mut other = database.clone();
    other.set_path("/postgres");
    let mut superuser = PgConnection::connect(other.as_str()).await.unwrap();
    superuser.execute(AssertSqlSafe(format!("DROP DATABASE \"{name}\" WITH (FORCE)"))).await.unwrap();
    superuser.execute(AssertSqlSafe(format!("CREATE DATABASE \"{name}\" OWNER media_owner"))).await.unwrap();
}

/// What calls go to: the apis that are in rotation, as a load balancer knows them.
struct Rotation {
    apis: RwLock<Vec<String>>,
    calls: AtomicUsize,
    assets: AtomicUsize,
    over: AtomicBool,
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
        let width = u32::try_from(64 + (number * 10_000 + round) % 2_000).unwrap();
        let picture = samples::picture(width, 61 + u32::try_from(number).unwrap());
        let created = caller.create(caller.request(AssetKind::Image, "card.png", picture.len())).await;
        caller.put_all(&created, &picture).await;
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

async fn started(fleet: &mut Fleet, binary: Binary) -> Service {
    fleet.start(binary, &[]).await.unwrap_or_else(|error| panic!("{error}"))
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the version that is out: `make rehearse-upgrade`"]
async fn a_roll_out_under_load_fails_no_call_and_loses_no_work() {
    let isolated = StackInfo::from_env().unwrap().isolated("rehearsal").await.unwrap();
    let database = isolated.database_url(DatabaseRole::Superuser);
    let (released, ours) = (released(), std::env::current_exe().unwrap().ancestors().nth(2).unwrap().to_owned());
    emptied(&database).await;
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
    sleep(SIDE_BY_SIDE).await;
    let by_the_old = rotation.assets.load(Ordering::Relaxed);

    let began = Instant::now();
    migrate(&ours, &owner).await;
    println!("the migrations took {:.1} s, under load", began.elapsed().as_secs_f64());
    sleep(SIDE_BY_SIDE).await;
    let mut after = Vec::new();
    for (binary, mut leaving) in Binary::ALL.into_iter().zip(before) {
        after.push(started(&mut new, binary).await);
        if binary == Binary::Api {
            rotation.apis.write().await.push(new.grpc_url());
        }
        sleep(SIDE_BY_SIDE).await;
        if binary == Binary::Api {
            rotation.apis.write().await.remove(0);
        }
        assert!(leaving.stop(LIMIT).await.unwrap(), "{} did not end well", binary.name());
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
    assert!(by_the_old > 0 && assets > by_the_old);

    let mut superuser = PgConnection::connect(database.as_str()).await.unwrap();
    let left: i64 =
        sqlx::query_scalar("SELECT count(*) FROM media.work WHERE state <> 'succeeded'").fetch_one(&mut superuser).await.unwrap();
    let lost: i64 =
        sqlx::query_scalar("SELECT count(*) FROM media.assets WHERE status <> 'ready'").fetch_one(&mut superuser).await.unwrap();
    assert_eq!((left, lost), (0, 0), "work and assets that did not come to a good end");
    drop(after);
}
