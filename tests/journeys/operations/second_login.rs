//! A database password is changed by a second login, with nobody cut off (docs/operations.md): it has to do for every binary.

use media_devstack::{Binary, DatabaseRole, Server, Stack, StackInfo, StackOptions};
use media_proto::v1::{AssetKind, AssetStatus};
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use super::LIMIT;
use crate::{captions::voice, harness::World};

#[tokio::test(flavor = "multi_thread")]
async fn a_second_login_does_all_that_the_first_did() {
    // Roles are the cluster's, and other tests look at all of them.
    let cluster = Stack::start(StackOptions::beside(&StackInfo::from_env().unwrap(), &[Server::Postgres])).await.unwrap();
    let mut world = World::on(cluster.describe().isolated("second-login").await.unwrap());
    let mut owner = PgConnection::connect(world.isolated().database_url(DatabaseRole::Owner).as_str()).await.unwrap();
    let (mut services, mut firsts) = (Vec::new(), Vec::new());
    for binary in Binary::ALL {
        let first = binary.role().name().unwrap();
        let second = format!("{first}_2");
        let made = format!("CREATE ROLE {second} LOGIN PASSWORD '{second}' IN ROLE {first}");
        sqlx::query(AssertSqlSafe(made)).execute(&mut owner).await.unwrap();
        let mut url = world.isolated().database_url(binary.role());
        url.set_username(&second).unwrap();
        url.set_password(Some(&second)).unwrap();
        services.push(world.start(binary, &[("MEDIA__DATABASE__URL", url.as_str())]).await);
        firsts.push(first.to_owned());
    }
    let consumer = world.consumer().await;
    let mut caller = world.caller().await;
    let spoken = caller.upload(AssetKind::Audio, "voice.m4a", &voice()).await;
    caller.until(&spoken, AssetStatus::Ready, LIMIT).await;
    consumer.until(&spoken, "media.caption.created.v1", LIMIT).await;

    let janitor = services.last().unwrap().metrics().await.unwrap();
    let failed: Vec<&str> = janitor.lines().filter(|line| line.starts_with("media_sweep_failures_total")).collect();
    assert!(failed.len() > 10 && failed.iter().all(|line| line.ends_with(" 0")), "{failed:?}");
    let sql = world.sql().await;
    let logged_in = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND usename::text = ANY($1)";
    let by_the_first: i64 = sqlx::query_scalar(logged_in).bind(firsts).fetch_one(&sql).await.unwrap();
    assert_eq!(by_the_first, 0, "nobody is logged in as before");
    drop(services);
    drop(world);
    cluster.stop().await.unwrap();
}
