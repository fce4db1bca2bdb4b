//! The trigger's table of moves is the domain's.

use media_domain::{AssetId, Status};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use uuid::Uuid;

use super::{
    catalogue::{place, superuser},
    seed::seed,
};

#[tokio::test]
async fn the_trigger_allows_what_the_domain_allows_and_nothing_else() {
    let place = place("schema-status-moves").await;
    let mut superuser = superuser(&place).await;
    let a = seed(&mut superuser, AssetId::generate().as_uuid(), "a's").await;
    for from in Status::ALL {
        for to in Status::ALL {
            let moved = move_status(&mut superuser, a.tenant, *from, *to).await;
            // To say the same again is no move.
            let legal = from == to || from.may_become(*to);
            assert_eq!(moved.is_ok(), legal, "{from} to {to}: {moved:?}");
            if let Err(error) = moved {
                assert!(error.as_database_error().unwrap().is_check_violation(), "{error}");
            }
        }
    }
}

#[tokio::test]
async fn an_asset_begins_as_uploading() {
    let place = place("schema-status-begins").await;
    let mut superuser = superuser(&place).await;
    for status in Status::ALL {
        let id = AssetId::generate().as_uuid();
        let inserted = sqlx::query(
            "INSERT INTO media.assets (id, tenant_id, owner_user_id, kind, source, status, bucket, key) VALUES ($1, $1, $1, 'image', 'upload', $2, 'b', 'k')",
        )
        .bind(id)
        .bind(status.as_str())
        .execute(&mut superuser)
        .await;
        assert_eq!(inserted.is_ok(), *status == Status::Uploading, "{status}: {inserted:?}");
    }
}

/// Puts the tenant's asset into `from` behind the trigger's back, tries the move as anybody would, and takes all back.
async fn move_status(superuser: &mut PgConnection, tenant: Uuid, from: Status, to: Status) -> Result<(), sqlx::Error> {
    let set = |status: Status| AssertSqlSafe(format!("UPDATE media.assets SET status = '{status}' WHERE tenant_id = '{tenant}'"));
    let mut tx = superuser.begin().await?;
    sqlx::query("SET LOCAL session_replication_role = replica").execute(&mut *tx).await?;
    assert_eq!(sqlx::query(set(from)).execute(&mut *tx).await?.rows_affected(), 1);
    sqlx::query("SET LOCAL session_replication_role = origin").execute(&mut *tx).await?;
    let moved = sqlx::query(set(to)).execute(&mut *tx).await.map(|done| assert_eq!(done.rows_affected(), 1));
    tx.rollback().await?;
    moved
}
