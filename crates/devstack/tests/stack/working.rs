use std::fs;

use media_devstack::{DatabaseRole, DevstackError, Isolated, S3Identity, Server, Stack, StackInfo, StackOptions};
use sqlx::{Connection, PgConnection};

use crate::ending::until_nothing_is_left;
use crate::servers::{S3, consume, publish, scan, scan_of_eicar};

const MIGRATION: &str = "
CREATE ROLE media_api LOGIN;
CREATE TABLE words (word text PRIMARY KEY);
GRANT SELECT, INSERT ON words TO media_api;
";
const CLAMD_STREAM_BYTES_MAX: u64 = 1 << 20;

#[tokio::test]
async fn every_server_works_and_comes_back_after_a_kill() {
    let migrations = tempfile::tempdir().unwrap();
    fs::write(migrations.path().join("0001_words.sql"), MIGRATION).unwrap();
    let stack = Stack::start(StackOptions {
        migrations: migrations.path().to_owned(),
        clamd_stream_bytes_max: CLAMD_STREAM_BYTES_MAX,
        ..StackOptions::default()
    })
    .await
    .unwrap();
    let info = stack.describe().clone();
    assert_eq!(serde_json::from_str::<StackInfo>(&serde_json::to_string(&info).unwrap()).unwrap(), info);

    many_tests_at_once_get_databases_of_their_own(&info).await;
    let place = info.isolated("working").await.unwrap();
    clamd_finds_eicar_and_refuses_what_is_too_long(&place).await;
    a_binary_reaches_the_buckets_that_it_may(&place).await;
    vhosts_are_apart(&info, &place).await;

    what_was_committed_survives_postgres(&stack, &place).await;
    what_was_confirmed_survives_the_broker(&stack, &place).await;
    clamd_can_be_down(&stack, &place).await;
    a_server_of_another_stack_cannot_be_killed(&info).await;

    let folder = stack.folder().to_owned();
    stack.stop().await.unwrap();
    until_nothing_is_left(&folder).await;
}

async fn many_tests_at_once_get_databases_of_their_own(info: &StackInfo) {
    let places = futures::future::try_join_all((0..8).map(|_| info.isolated("many"))).await.unwrap();
    for place in &places {
        let mut api = connect(place, DatabaseRole::Api).await;
        sqlx::query("INSERT INTO words VALUES ('mine')").execute(&mut api).await.unwrap();
        sqlx::query("CREATE TABLE public.stolen ()").execute(&mut api).await.expect_err("a binary's role owns nothing");
        let mut owner = connect(place, DatabaseRole::Owner).await;
        sqlx::query("ALTER TABLE words ADD COLUMN meaning text").execute(&mut owner).await.unwrap();
    }
}

async fn clamd_finds_eicar_and_refuses_what_is_too_long(place: &Isolated) {
    assert_eq!(scan_of_eicar(place.clamd_address()).await, "stream: Eicar.Test.UNOFFICIAL FOUND\0");
    assert_eq!(scan(place.clamd_address(), b"a harmless text").await, "stream: OK\0");
    let long = vec![b'x'; usize::try_from(CLAMD_STREAM_BYTES_MAX).unwrap() + 1];
    assert_eq!(scan(place.clamd_address(), &long).await, "INSTREAM size limit exceeded. ERROR\0");
}

async fn a_binary_reaches_the_buckets_that_it_may(place: &Isolated) {
    for identity in S3Identity::ALL {
        let s3 = S3::of(place, identity, place.bucket());
        assert_eq!(s3.put("tenants/t/original", "bytes").await, 200, "{identity:?}");
        assert_eq!(s3.get("tenants/t/original").await, (200.try_into().unwrap(), "bytes".to_owned()), "{identity:?}");
        assert_eq!(s3.delete("tenants/t/original").await, 204, "{identity:?}");
    }
    let sees = [S3Identity::Admin, S3Identity::MediaScanner, S3Identity::MediaJanitor];
    for identity in sees {
        let s3 = S3::of(place, identity, place.quarantine_bucket());
        assert_eq!(s3.put("tenants/t/original", "evil").await, 200, "{identity:?}");
    }
    for identity in S3Identity::ALL.into_iter().filter(|identity| !sees.contains(identity)) {
        let s3 = S3::of(place, identity, place.quarantine_bucket());
        assert_eq!(s3.get("tenants/t/original").await.0, 403, "{identity:?}");
        assert_eq!(s3.put("tenants/t/original", "worse").await, 403, "{identity:?}");
        assert_eq!(s3.delete("tenants/t/original").await, 403, "{identity:?}");
    }
}

async fn vhosts_are_apart(info: &StackInfo, place: &Isolated) {
    let other = info.isolated("working").await.unwrap();
    publish(place, b"here").await;
    publish(&other, b"there").await;
    assert_eq!(consume(&other).await, b"there");
    assert_eq!(consume(place).await, b"here");
}

async fn what_was_committed_survives_postgres(stack: &Stack, place: &Isolated) {
    let mut api = connect(place, DatabaseRole::Api).await;
    sqlx::query("INSERT INTO words VALUES ('kept')").execute(&mut api).await.unwrap();
    stack.kill(Server::Postgres).await.unwrap();
    sqlx::query("SELECT 1").execute(&mut api).await.expect_err("the connection died with it");
    stack.restart(Server::Postgres).await.unwrap();
    let mut api = connect(place, DatabaseRole::Api).await;
    let word: String = sqlx::query_scalar("SELECT word FROM words").fetch_one(&mut api).await.unwrap();
    assert_eq!(word, "kept");
}

async fn what_was_confirmed_survives_the_broker(stack: &Stack, place: &Isolated) {
    publish(place, b"confirmed").await;
    stack.kill(Server::RabbitMq).await.unwrap();
    stack.restart(Server::RabbitMq).await.unwrap();
    assert_eq!(consume(place).await, b"confirmed");
}

async fn clamd_can_be_down(stack: &Stack, place: &Isolated) {
    stack.kill(Server::Clamd).await.unwrap();
    tokio::net::TcpStream::connect(place.clamd_address()).await.expect_err("nobody listens");
    stack.restart(Server::Clamd).await.unwrap();
    assert_eq!(scan_of_eicar(place.clamd_address()).await, "stream: Eicar.Test.UNOFFICIAL FOUND\0");
}

async fn a_server_of_another_stack_cannot_be_killed(info: &StackInfo) {
    let beside = Stack::start(StackOptions::beside(info, &[Server::Clamd])).await.unwrap();
    assert_ne!(beside.describe().clamd, info.clamd);
    assert_eq!(beside.describe().postgres, info.postgres);
    assert!(matches!(beside.kill(Server::Postgres).await, Err(DevstackError::NotOurs(Server::Postgres))));
    beside.stop().await.unwrap();
}

async fn connect(place: &Isolated, role: DatabaseRole) -> PgConnection {
    PgConnection::connect(place.database_url(role).as_str()).await.unwrap()
}
