//! A database password is changed by a second login, with nobody cut off: the very statements of docs/operations.md have to do for
//! every binary.

use std::fs;

use media_devstack::{Binary, DatabaseRole, Server, Stack, StackInfo, StackOptions};
use media_proto::v1::{AssetKind, AssetStatus};
use regex::Regex;
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use super::LIMIT;
use crate::{
    captions::voice,
    harness::{World, checkout},
};

/// What the document has somebody type, of the role that it takes for its example.
fn statements() -> [String; 3] {
    let text = fs::read_to_string(checkout().join("docs/operations.md")).unwrap();
    let block = Regex::new("(?s)```sql\n(.*?)```").unwrap().captures(&text).unwrap()[1].to_owned();
    let lines: Vec<String> = block.lines().filter(|line| !line.starts_with("--")).map(str::to_owned).collect();
    lines.try_into().unwrap()
}

/// One of them, of another role.
fn of_role(statement: &str, role: &str) -> AssertSqlSafe<String> {
    AssertSqlSafe(statement.replace("media_api", role).replace('…', &format!("{role}_2")))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_login_does_all_that_the_first_did() {
    // Roles are the cluster's, and other tests look at all of them.
    let cluster = Stack::start(StackOptions::beside(&StackInfo::from_env().unwrap(), &[Server::Postgres])).await.unwrap();
    let mut world = World::on(cluster.describe().isolated("second-login").await.unwrap());
    let mut owner = PgConnection::connect(world.isolated().database_url(DatabaseRole::Owner).as_str()).await.unwrap();
    let (mut services, mut firsts) = (Vec::new(), Vec::new());
    let [second_login, who_is_left, no_password] = statements();
    for binary in Binary::ALL {
        let first = binary.role().name().unwrap();
        let second = format!("{first}_2");
        sqlx::query(of_role(&second_login, first)).execute(&mut owner).await.unwrap();
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
    for first in firsts {
        let left: i64 = sqlx::query_scalar(of_role(&who_is_left, &first)).fetch_one(&mut owner).await.unwrap();
        assert_eq!(left, 0, "nobody is logged in as {first}");
        sqlx::query(of_role(&no_password, &first)).execute(&mut owner).await.unwrap();
    }
    let after = caller.upload(AssetKind::Audio, "again.m4a", &voice()).await;
    caller.until(&after, AssetStatus::Ready, LIMIT).await;
    drop(services);
    drop(world);
    cluster.stop().await.unwrap();
}
