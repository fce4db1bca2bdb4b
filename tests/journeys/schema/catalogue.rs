//! What a database says of itself.

use media_devstack::{DatabaseRole, Isolated, StackInfo};
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row};
use uuid::Uuid;

/// Schemas of Postgres itself.
pub const NOT_ITS_OWN: &str = "n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_(toast|temp)'";

pub async fn place(name: &str) -> Isolated {
    StackInfo::from_env().unwrap().isolated(name).await.unwrap()
}

pub async fn connect(place: &Isolated, role: DatabaseRole) -> PgConnection {
    PgConnection::connect(place.database_url(role).as_str()).await.unwrap()
}

pub async fn superuser(place: &Isolated) -> PgConnection {
    connect(place, DatabaseRole::Superuser).await
}

/// The roles that binaries and the autoscaler log in as, with the names that Postgres knows.
pub fn login_roles() -> impl Iterator<Item = (DatabaseRole, &'static str)> {
    DatabaseRole::MADE.into_iter().map(|role| (role, role.name().unwrap()))
}

/// One table, wherever it is.
#[derive(Clone, Debug)]
pub struct Table {
    /// With its schema, quoted as SQL wants it.
    pub name: String,
    pub has_tenant: bool,
}

pub async fn tables(connection: &mut PgConnection) -> Vec<Table> {
    let rows = rows(
        connection,
        &format!(
            "SELECT format('%I.%I', n.nspname, c.relname) AS name,
               EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'tenant_id' AND NOT a.attisdropped) AS has_tenant
             FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
             WHERE c.relkind IN ('r', 'p', 'f', 'm') AND {NOT_ITS_OWN} ORDER BY 1"
        ),
    )
    .await;
    let tables: Vec<Table> = rows.iter().map(|row| Table { name: row.get("name"), has_tenant: row.get("has_tenant") }).collect();
    assert!(tables.iter().filter(|table| table.has_tenant).count() >= 12, "the catalogue was not read: {tables:?}");
    tables
}

/// One column of a table.
#[derive(Clone, Debug)]
pub struct Column {
    pub name: String,
    /// The base type, where the column's is a domain.
    pub base_type: String,
    pub not_null: bool,
    pub has_default: bool,
    /// Made by the database; nobody can write it.
    pub generated: bool,
}

pub async fn columns(connection: &mut PgConnection, table: &str) -> Vec<Column> {
    let rows = sqlx::query(
        "SELECT a.attname::text AS name, a.attnotnull AS not_null, a.atthasdef AS has_default,
           a.attidentity <> '' OR a.attgenerated <> '' AS generated,
           CASE t.typtype WHEN 'd' THEN format_type(t.typbasetype, t.typtypmod) ELSE format_type(a.atttypid, a.atttypmod) END AS base_type
         FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
         WHERE a.attrelid = $1::regclass AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum",
    )
    .bind(table)
    .fetch_all(connection)
    .await
    .unwrap();
    rows.iter()
        .map(|row| Column {
            name: row.get("name"),
            base_type: row.get("base_type"),
            not_null: row.get("not_null"),
            has_default: row.get("has_default"),
            generated: row.get("generated"),
        })
        .collect()
}

/// Runs a query whose text is made of catalogue names and literals of these tests.
pub async fn rows(connection: &mut PgConnection, sql: &str) -> Vec<sqlx::postgres::PgRow> {
    sqlx::query(AssertSqlSafe(sql.to_owned())).fetch_all(connection).await.unwrap_or_else(|error| panic!("{error}\n{sql}"))
}

/// The first column of every row, as text.
pub async fn texts(connection: &mut PgConnection, sql: &str) -> Vec<String> {
    rows(connection, sql).await.iter().map(|row| row.get::<String, _>(0)).collect()
}

pub async fn run(connection: &mut PgConnection, sql: &str) {
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(connection).await.unwrap_or_else(|error| panic!("{error}\n{sql}"));
}

/// What became of a statement.
#[derive(Debug, PartialEq, Eq)]
pub enum Attempt {
    /// Refused by a privilege or a policy: both are SQLSTATE 42501.
    Denied,
    /// How many rows it read or wrote.
    Rows(u64),
    Failed(String),
}

/// Tries a statement in a transaction for `tenant`, or for none, and takes it back.
pub async fn attempt(connection: &mut PgConnection, tenant: Option<Uuid>, sql: &str) -> Attempt {
    let mut tx = connection.begin().await.unwrap();
    if let Some(tenant) = tenant {
        set_tenant(&mut tx, tenant).await;
    }
    let attempt = match sqlx::query(AssertSqlSafe(sql.to_owned())).execute(&mut *tx).await {
        Ok(done) => Attempt::Rows(done.rows_affected()),
        Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some("42501") => Attempt::Denied,
        Err(error) => Attempt::Failed(error.to_string()),
    };
    tx.rollback().await.unwrap();
    attempt
}

pub async fn set_tenant(connection: &mut PgConnection, tenant: Uuid) {
    sqlx::query("SELECT set_config('app.tenant_id', $1, true)").bind(tenant.to_string()).execute(connection).await.unwrap();
}
