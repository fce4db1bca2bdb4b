//! The database as a whole, for who loses it.

use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use url::Url;

/// Drops the database that a superuser's `url` names, in use or not, and makes it anew: empty, and the owner's.
pub async fn empty(url: &Url) {
    let name = url.path().trim_start_matches('/');
    let mut other = url.clone();
    other.set_path("/postgres");
    let mut superuser = PgConnection::connect(other.as_str()).await.unwrap();
    superuser.execute(AssertSqlSafe(format!("DROP DATABASE \"{name}\" WITH (FORCE)"))).await.unwrap();
    superuser.execute(AssertSqlSafe(format!("CREATE DATABASE \"{name}\" OWNER media_owner"))).await.unwrap();
}
