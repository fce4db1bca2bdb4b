//! What the autoscaler is told: a number, to a role that may do nothing else.

use media_devstack::DatabaseRole;
use media_domain::AssetId;
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row};

use super::{
    catalogue::{NOT_ITS_OWN, connect, place, run, superuser, tables, texts},
    seed::seed,
};

const ROLE: &str = "media_scaler";

#[tokio::test]
async fn live_leases_are_counted_over_all_tenants_by_queue_and_only_while_they_last() {
    let place = place("schema-live-leases").await;
    let mut superuser = superuser(&place).await;
    for marker in ["a's", "b's"] {
        seed(&mut superuser, AssetId::generate().as_uuid(), marker).await;
    }
    let mut scaler = connect(&place, DatabaseRole::Scaler).await;
    let running = "UPDATE media.work SET queue = 'transcode', state = 'running', lease_owner = 'x'";
    for (world, expected) in [
        ("UPDATE media.work SET queue = 'transcode', state = 'waiting', lease_owner = NULL, lease_until = NULL".to_owned(), [0, 0]),
        (format!("{running}, lease_until = now() + '1 hour'"), [2, 0]),
        (format!("{running}, lease_until = now() - '1 second'::interval"), [0, 0]),
        ("UPDATE media.work SET lease_until = now() + '1 hour', queue = 'caption' WHERE id = (SELECT min(id::text)::uuid FROM media.work)".to_owned(), [0, 1]),
    ] {
        run(&mut superuser, &world).await;
        assert_eq!([leases(&mut scaler, "transcode").await, leases(&mut scaler, "caption").await], expected, "{world}");
    }
}

async fn leases(scaler: &mut PgConnection, queue: &str) -> i64 {
    // As the manifests ask.
    let asked = format!("SELECT media.live_leases('{queue}')");
    sqlx::query(AssertSqlSafe(asked)).fetch_one(scaler).await.unwrap().get(0)
}

#[tokio::test]
async fn the_autoscalers_role_may_call_that_function_and_nothing_else() {
    let place = place("schema-scaler").await;
    let mut superuser = superuser(&place).await;
    // What everybody may call besides sees one tenant, or is a trigger's.
    let callable = texts(
        &mut superuser,
        &format!(
            "SELECT p.oid::regprocedure::text FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
             WHERE {NOT_ITS_OWN} AND has_function_privilege('{ROLE}', p.oid, 'EXECUTE') AND NOT has_function_privilege('public', p.oid, 'EXECUTE')"
        ),
    )
    .await;
    assert_eq!(callable, ["media.live_leases(text)"]);
    for table in tables(&mut superuser).await {
        for privilege in ["SELECT", "INSERT", "UPDATE", "REFERENCES"] {
            let asked = format!("SELECT '' WHERE has_any_column_privilege('{ROLE}', '{}', '{privilege}')", table.name);
            assert!(texts(&mut superuser, &asked).await.is_empty(), "{privilege} on {}", table.name);
        }
        let asked = format!("SELECT '' WHERE has_table_privilege('{ROLE}', '{}', 'DELETE')", table.name);
        assert!(texts(&mut superuser, &asked).await.is_empty(), "DELETE on {}", table.name);
    }
    let mut scaler = connect(&place, DatabaseRole::Scaler).await;
    for refused in ["SELECT count(*) FROM media.work", "SELECT * FROM media.claim_scan('x', 1, NULL)"] {
        let mut tx = scaler.begin().await.unwrap();
        let error = sqlx::query(AssertSqlSafe(refused)).fetch_all(&mut *tx).await.unwrap_err();
        assert_eq!(error.as_database_error().and_then(|error| error.code()).as_deref(), Some("42501"), "{refused}: {error}");
    }
}
