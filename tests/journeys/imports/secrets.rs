//! A URL may hold a signature. Who reads it, and where it is not.

use media_devstack::{Binary, DatabaseRole};
use media_proto::v1::{AssetStatus, ListDeadLettersRequest};
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row};

use super::{LIMIT, failed, letter, open_to, try_once, under_way};
use crate::harness::{Web, World, eventually, samples, web::Says};

/// Stands in host, path and query of nothing else.
const SECRET: &str = "s3cr3tsignature";

#[tokio::test(flavor = "multi_thread")]
async fn a_url_is_read_by_the_scanner_alone_and_forgotten_with_the_import() {
    let web = Web::start().await;
    let mut world = World::new("import-secrets").await;
    open_to(&mut world, &web);
    world.fleet.set("MEDIA__LOG", "debug");
    let mut services = Vec::new();
    for binary in [Binary::Relay, Binary::Api, Binary::Janitor] {
        services.push(world.start(binary, &[]).await);
    }
    let consumer = world.consumer().await;
    let (mut caller, sql) = (world.caller().await, world.sql().await);
    let secret = |path: &str, says: Vec<Says>| format!("{}?X-Amz-Signature={SECRET}", web.at(&format!("/{SECRET}/{path}"), says));
    let good = letter(&mut caller, &secret("good", vec![Says::File(samples::document(100))])).await;
    let moved = secret("moved", vec![Says::Moved(format!("/{SECRET}/good?{SECRET}"))]);
    let moved = letter(&mut caller, &moved).await;
    let gone = letter(&mut caller, &secret("gone", vec![Says::Status(404)])).await;
    let cut = letter(&mut caller, &secret("cut", vec![Says::Announced(1000, vec![0; 10])])).await;
    let away = letter(&mut caller, &secret("away", vec![Says::Moved(format!("http://127.0.0.2:{}/{SECRET}", web.port))])).await;
    let nowhere = letter(&mut caller, &format!("https://{SECRET}.invalid/{SECRET}")).await;

    // While it is under way, each role reads it or does not.
    assert_eq!(under_way(&sql).await, (6, 6));
    for role in DatabaseRole::MADE {
        let may = may_read(&mut PgConnection::connect(world.isolated().database_url(role).as_str()).await.unwrap(), &caller).await;
        assert_eq!(may, (role == DatabaseRole::Scanner).then_some(6), "{role:?}");
    }

    try_once(&sql).await;
    services.push(world.start(Binary::Scanner, &[]).await);
    for id in [&good, &moved] {
        caller.until(id, AssetStatus::Ready, LIMIT).await;
    }
    for id in [&gone, &cut, &away, &nowhere] {
        let (_, detail) = failed(&mut caller, id).await;
        assert!(!detail.contains(SECRET), "{detail}");
        let shown = format!("{:?}", caller.get(id).await);
        assert!(!shown.contains(SECRET), "{shown}");
        consumer.until(id, "media.asset.failed.v1", LIMIT).await;
    }
    assert_eq!(under_way(&sql).await, (0, 0));
    let letters = caller.operations.list_dead_letters(ListDeadLettersRequest::default()).await.unwrap();
    assert!(!format!("{letters:?}").contains(SECRET) && letters.into_inner().dead_letters.len() == 4);
    assert_eq!(rows_with_the_secret(&world).await, Vec::<String>::new());
    for service in &services {
        let log = service.log().unwrap();
        let line = log.lines().find(|line| line.contains(SECRET));
        assert_eq!(line, None, "{}", service.binary().name());
    }
    eventually("the journey looked at logs that tell something", LIMIT, async || {
        let told = services.last().unwrap().log().unwrap();
        if told.contains("the attempt failed") { Ok(()) } else { Err(told.len()) }
    })
    .await;
}

/// How many URLs a role reads; `None` where it may not ask.
async fn may_read(connection: &mut PgConnection, caller: &crate::harness::Caller) -> Option<i64> {
    let mut tx = connection.begin().await.unwrap();
    sqlx::query("SELECT set_config('app.tenant_id', $1, true)").bind(caller.tenant.to_string()).execute(&mut *tx).await.unwrap();
    match sqlx::query_scalar("SELECT count(url) FROM media.import_urls").fetch_one(&mut *tx).await {
        Ok(count) => Some(count),
        Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some("42501") => None,
        Err(error) => panic!("{error}"),
    }
}

/// The tables in which the secret is found anywhere.
async fn rows_with_the_secret(world: &World) -> Vec<String> {
    let sql = world.sql().await;
    let tables = sqlx::query("SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_tables WHERE schemaname = 'media'")
        .fetch_all(&sql)
        .await
        .unwrap();
    assert!(tables.len() > 15);
    let mut found = Vec::new();
    for table in tables {
        let name: String = table.get("name");
        let text = format!("SELECT count(*) FROM {name} t WHERE t::text LIKE '%{SECRET}%'");
        let count: i64 = sqlx::query_scalar(AssertSqlSafe(text)).fetch_one(&sql).await.unwrap();
        if count > 0 {
            found.push(name);
        }
    }
    found
}
