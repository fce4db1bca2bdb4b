//! An error says what the caller can do: come back soon, come back later, or mend the statement.

use std::time::Duration;

use media_devstack::DatabaseRole;
use media_domain::{AssetId, Kind, work::Group};
use media_storage::{Database, DatabaseConfig, StorageError};
use sqlx::{AssertSqlSafe, Connection};

use super::place::{Place, connect, new_asset, raw, tenant};

#[tokio::test]
async fn a_deadlock_is_contention() {
    let place = Place::new("errors-deadlock").await;
    let tenant = tenant();
    let (one, two) = (place.asset(tenant, Kind::Video).await, place.asset(tenant, Kind::Video).await);
    let mut first = place.api.in_tenant(tenant, "test.first").await.unwrap();
    let mut second = place.api.in_tenant(tenant, "test.second").await.unwrap();
    first.assets().lock(one).await.unwrap();
    second.assets().lock(two).await.unwrap();
    // Whichever the database chooses to end, the other goes on once it is gone.
    let crossed = async |tx: &mut media_storage::TenantTx, asset: AssetId| tx.assets().lock(asset).await.map(drop);
    let (a, b) = tokio::join!(
        async {
            let result = crossed(&mut first, two).await;
            drop(first);
            result
        },
        async {
            let result = crossed(&mut second, one).await;
            drop(second);
            result
        }
    );
    let failed: Vec<_> = [a, b].into_iter().filter_map(Result::err).collect();
    assert!(matches!(failed[..], [StorageError::Contention(_)]), "{failed:?}");
    assert!(failed[0].is_transient());
}

#[tokio::test]
async fn a_serialization_failure_is_contention() {
    let place = Place::new("errors-serialization").await;
    place.asset(tenant(), Kind::Video).await;
    let (mut one, mut two) = (raw(&place.isolated, DatabaseRole::Superuser).await, raw(&place.isolated, DatabaseRole::Superuser).await);
    let mut first = one.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ").await.unwrap();
    let mut second = two.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ").await.unwrap();
    for tx in [&mut first, &mut second] {
        sqlx::query("SELECT FROM media.assets").fetch_all(&mut **tx).await.unwrap();
    }
    sqlx::query("UPDATE media.assets SET etag = 2").execute(&mut *first).await.unwrap();
    first.commit().await.unwrap();
    let error = sqlx::query("UPDATE media.assets SET etag = 3").execute(&mut *second).await.unwrap_err();
    let error = StorageError::from(error);
    assert!(matches!(error, StorageError::Contention(_)), "{error:?}");
}

#[tokio::test]
async fn a_database_that_is_closed_or_gone_is_unavailable() {
    let place = Place::new("errors-unavailable").await;
    let tenant = tenant();
    // Its connection is cut in the middle of a transaction, as by a restart.
    let cut = connect(&place.isolated, DatabaseRole::Scanner, 1);
    let mut tx = cut.in_tenant(tenant, "test.cut").await.unwrap();
    tx.assets().lookup(AssetId::generate()).await.unwrap();
    sqlx::query(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = current_database() AND usename = 'media_scanner'",
    )
    .execute(&place.superuser)
    .await
    .unwrap();
    let error = tx.assets().lookup(AssetId::generate()).await.unwrap_err();
    assert!(matches!(error, StorageError::Unavailable(_)), "{error:?}");
    assert!(error.is_transient());
    drop(tx);
    // And the next transaction finds another.
    cut.in_tenant(tenant, "test.again").await.unwrap();

    let closed = connect(&place.isolated, DatabaseRole::Api, 1);
    closed.close().await;
    let error = closed.in_tenant(tenant, "test.closed").await.unwrap_err();
    assert!(matches!(error, StorageError::Unavailable(_)), "{error:?}");
    let error = closed.check().await.unwrap_err();
    assert!(matches!(error, StorageError::Unavailable(_)), "{error:?}");
}

#[tokio::test]
async fn a_server_that_nobody_answers_for_is_unavailable() {
    // A port that was free a moment ago, and on which nobody listens.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("postgres://nobody:nothing@{}/none", listener.local_addr().unwrap()).into();
    drop(listener);
    let database = Database::connect(&DatabaseConfig { url, max_connections: 1 }, "test").unwrap();
    let asked = tokio::time::timeout(Duration::from_secs(20), database.in_tenant(tenant(), "test.nobody"));
    let error = asked.await.expect("a caller is not kept waiting").unwrap_err();
    assert!(matches!(error, StorageError::Unavailable(_)), "{error:?}");
}

#[tokio::test]
async fn a_pool_that_is_used_up_is_unavailable() {
    let place = Place::new("errors-used-up").await;
    let one = connect(&place.isolated, DatabaseRole::Api, 1);
    let held = one.in_tenant(tenant(), "test.held").await.unwrap();
    let error = one.in_tenant(tenant(), "test.second").await.unwrap_err();
    assert!(matches!(error, StorageError::Unavailable(_)), "{error:?}");
    drop(held);
    one.in_tenant(tenant(), "test.third").await.unwrap();
}

/// A lock that is never given up and a transaction that stood still too long are the server's limits, not wrong statements.
#[tokio::test]
async fn what_took_too_long_is_unavailable() {
    let place = Place::new("errors-too-long").await;
    let mut connection = raw(&place.isolated, DatabaseRole::Superuser).await;
    for (setting, code) in [("statement_timeout", "57014"), ("idle_in_transaction_session_timeout", "25P03"), ("lock_timeout", "55P03")] {
        let sql = format!("DO $$ BEGIN RAISE EXCEPTION '{setting}' USING ERRCODE = '{code}'; END $$");
        let error = StorageError::from(sqlx::query(AssertSqlSafe(sql)).execute(&mut connection).await.unwrap_err());
        assert!(error.is_transient(), "{setting}: {error:?}");
    }
    sqlx::query("SET statement_timeout = '20ms'").execute(&mut connection).await.unwrap();
    let error = StorageError::from(sqlx::query("SELECT pg_sleep(60)").execute(&mut connection).await.unwrap_err());
    assert!(matches!(error, StorageError::Unavailable(_)), "{error:?}");
}

#[tokio::test]
async fn a_wrong_statement_is_refused_and_not_tried_again() {
    let place = Place::new("errors-refused").await;
    let new = new_asset(Kind::Video);
    let mut tx = place.api.in_tenant(tenant(), "test.twice").await.unwrap();
    tx.assets().insert(&new).await.unwrap();
    let error = tx.assets().insert(&new).await.unwrap_err();
    assert!(matches!(error, StorageError::Refused(_)) && !error.is_transient(), "{error:?}");
    drop(tx);
    let mut tx = place.api.in_tenant(tenant(), "test.no-asset").await.unwrap();
    let error = tx.work().plan(AssetId::generate(), Group::Scan, 1).await.unwrap_err();
    assert!(matches!(error, StorageError::Refused(_)), "{error:?}");
}

#[tokio::test]
async fn a_row_that_cannot_be_read_names_itself() {
    let place = Place::new("errors-bad-row").await;
    let tenant = tenant();
    let asset = place.asset(tenant, Kind::Video).await;
    sqlx::query("UPDATE media.assets SET retention_class = 'for ever'").execute(&place.superuser).await.unwrap();
    let mut tx = place.api.in_tenant(tenant, "test.bad-row").await.unwrap();
    let error = tx.assets().lookup(asset).await.unwrap_err();
    assert_eq!(error.to_string(), format!("assets.retention_class of {asset} cannot be read"));
}

#[tokio::test]
async fn a_schema_that_is_not_there_is_missed() {
    let place = Place::new("errors-no-schema").await;
    place.api.check().await.unwrap();
    sqlx::raw_sql("DROP FUNCTION media.schema_version()").execute(&place.superuser).await.unwrap();
    let error = place.api.check().await.unwrap_err();
    assert!(matches!(error, StorageError::Missing { .. }), "{error:?}");
}
