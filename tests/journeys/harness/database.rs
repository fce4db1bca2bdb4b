//! The database as a whole: for who loses it, and for who waits until nothing of it is left to do.

use std::time::Duration;

use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, PgPool};
use url::Url;

use super::eventually;

/// Drops the database that a superuser's `url` names, in use or not, and makes it anew: empty, and the owner's.
pub async fn empty(url: &Url) {
    let name = url.path().trim_start_matches('/');
    let mut other = url.clone();
    other.set_path("/postgres");
    let mut superuser = PgConnection::connect(other.as_str()).await.unwrap();
    superuser.execute(AssertSqlSafe(format!("DROP DATABASE \"{name}\" WITH (FORCE)"))).await.unwrap();
    superuser.execute(AssertSqlSafe(format!("CREATE DATABASE \"{name}\" OWNER media_owner"))).await.unwrap();
}

/// Waits until every asset is ready and every piece of work has succeeded, what is not required included: captions, rungs. Each worker must
/// have had some.
pub async fn all_at_their_end(sql: &PgPool, limit: Duration) {
    eventually("all work, and all assets, come to a good end", limit, async || {
        let unfinished = "SELECT group_name, state FROM media.work WHERE state <> 'succeeded'
                UNION ALL SELECT 'asset', status FROM media.assets WHERE status <> 'ready'";
        let left: Vec<(String, String)> = sqlx::query_as(unfinished).fetch_all(sql).await.unwrap();
        if left.is_empty() { Ok(()) } else { Err(left) }
    })
    .await;
    let queues: i64 = sqlx::query_scalar("SELECT count(DISTINCT queue) FROM media.work").fetch_one(sql).await.unwrap();
    assert_eq!(queues, 3, "every worker had work");
}
