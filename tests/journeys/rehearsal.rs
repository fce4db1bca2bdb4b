//! A roll-out from the version that is out to this one, under load: no call fails, no work and no event is lost. `make rehearse-upgrade`
//! builds the other version and runs it; without that version there is nothing to rehearse.
//!
//! - a_roll_out_under_load_fails_no_call_and_loses_no_work

mod leaving;
mod load;
mod told;

use std::{path::PathBuf, process::Stdio, sync::atomic::Ordering, time::Duration};

use media_devstack::{Binary, DatabaseRole, Fleet, Service, StackInfo};
use sqlx::PgPool;
use tokio::{
    process::Command,
    time::{Instant, sleep},
};
use url::Url;

use self::load::Rotation;
use crate::harness::{Consumer, command_line, database, eventually};

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
    command.args(["migrate", "--database-url", database.as_str()]).stdin(Stdio::null());
    let output = command_line::run(command).await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
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
    let sql = PgPool::connect(database.as_str()).await.unwrap();
    let (mut old, mut new) = (Fleet::new(isolated.clone()).unwrap(), Fleet::new(isolated).unwrap());
    old.take_programs_from(&released);

    let mut before = Vec::new();
    for binary in Binary::ALL {
        before.push(started(&mut old, binary).await);
    }
    let consumer = Consumer::follow(old.isolated().amqp_url().as_str()).await;
    let rotation = Rotation::of(old.grpc_url());
    let load: Vec<_> = (0..CALLERS).map(|number| tokio::spawn(load::call(rotation.clone(), number))).collect();
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
        if binary == Binary::Api {
            rotation.add(new.grpc_url());
            Box::pin(leaving::leave(&rotation, &sql, &old.grpc_url(), &mut leaving)).await;
        } else {
            sleep(SIDE_BY_SIDE).await;
            assert!(leaving.stop(LIMIT).await.unwrap(), "{} did not end well", binary.name());
        }
    }
    sleep(SIDE_BY_SIDE).await;
    rotation.end();
    for caller in load {
        caller.await.unwrap();
    }
    let [calls, assets, resumed] = [&rotation.calls, &rotation.assets, &rotation.resumed].map(|count| count.load(Ordering::Relaxed));
    println!(
        "{calls} calls and {assets} assets, {by_the_old} of them before the migrations, and {resumed} watches that went on elsewhere; \
         none failed, {:.0} s",
        began.elapsed().as_secs_f64()
    );
    assert!(assets > by_the_old);

    // What is not required follows after an asset is ready: captions, rungs.
    database::all_at_their_end(&sql, LIMIT).await;
    told::assert_whole(&consumer, &sql).await;
    drop(after);
}
