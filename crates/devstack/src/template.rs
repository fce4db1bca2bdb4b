//! The database that others are cloned from: migrated once, however many processes ask for it.

use std::fs;
use std::path::Path;

use sha2::{Digest, Sha256};
use sqlx::migrate::Migrator;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

use crate::{DatabaseRole, DevstackError, PostgresInfo};

/// Any number that nobody else locks in the database of the stack's URL.
const LOCK: i64 = 0x6d65_6469_615f_7470;

/// `object_in_use`: somebody, such as autovacuum, is connected to the template.
const IN_USE: &str = "55006";
const CLONE_TRIES: u32 = 10;

/// Makes sure that the template of these migrations exists and answers its name, which holds a digest of them: a stack that
/// outlives an edit of a migration gets another template.
pub(crate) async fn prepare(postgres: &PostgresInfo, migrations: &Path) -> Result<String, DevstackError> {
    let name = format!("media_template_{}", digest(migrations)?);
    let mut admin = connect(postgres).await?;
    if exists(&mut admin, &name).await? {
        return Ok(name);
    }
    // Held until this connection ends, also if we die.
    sqlx::query("SELECT pg_advisory_lock($1)").bind(LOCK).execute(&mut admin).await.map_err(failed)?;
    if !exists(&mut admin, &name).await? {
        build(&mut admin, postgres, migrations, &name).await?;
        tracing::info!(database = %name, "template database migrated");
    }
    admin.close().await.map_err(failed)?;
    Ok(name)
}

/// Makes the database `name` as the migrations left the template.
pub(crate) async fn clone(postgres: &PostgresInfo, migrations: &Path, name: &str) -> Result<(), DevstackError> {
    let template = prepare(postgres, migrations).await?;
    let mut admin = connect(postgres).await?;
    let owner = owner_name();
    let mut tries = 0;
    loop {
        tries += 1;
        match run(&mut admin, format!("CREATE DATABASE {name} TEMPLATE {template} OWNER {owner}")).await {
            Ok(()) => return admin.close().await.map_err(failed),
            Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some(IN_USE) && tries < CLONE_TRIES => {}
            Err(error) => return Err(failed(error)),
        }
    }
}

/// A half-built one has another name, so what exists is whole. Nobody may connect to the finished one: that is what lets
/// many clone it at once.
async fn build(admin: &mut PgConnection, postgres: &PostgresInfo, migrations: &Path, name: &str) -> Result<(), DevstackError> {
    let owner = owner_name();
    let building = format!("{name}_building");
    let migrator = Migrator::new(migrations).await.map_err(|source| DevstackError::Migration { folder: migrations.to_owned(), source })?;
    ensure_owner(admin).await.map_err(failed)?;
    if exists(admin, &building).await? {
        run(admin, format!("DROP DATABASE {building} WITH (FORCE)")).await.map_err(failed)?;
    }
    run(admin, format!("CREATE DATABASE {building} OWNER {owner}")).await.map_err(failed)?;
    let url = postgres.url_of(DatabaseRole::Owner, &building);
    let mut database = PgConnection::connect(url.as_str()).await.map_err(failed)?;
    migrator.run(&mut database).await.map_err(|source| DevstackError::Migration { folder: migrations.to_owned(), source })?;
    database.close().await.map_err(failed)?;
    for role in DatabaseRole::MADE.into_iter().filter_map(DatabaseRole::name) {
        set_password(admin, role).await.map_err(failed)?;
    }
    run(admin, format!("ALTER DATABASE {building} RENAME TO {name}")).await.map_err(failed)?;
    run(admin, format!("ALTER DATABASE {name} WITH ALLOW_CONNECTIONS false")).await.map_err(failed)
}

/// The migrations make the binaries' roles, so their owner must be able to.
async fn ensure_owner(admin: &mut PgConnection) -> Result<(), sqlx::Error> {
    let owner = owner_name();
    let known: Option<i32> =
        sqlx::query_scalar("SELECT 1 FROM pg_roles WHERE rolname = $1").bind(owner).fetch_optional(&mut *admin).await?;
    if known.is_none() {
        run(admin, format!("CREATE ROLE {owner} LOGIN CREATEROLE PASSWORD '{owner}'")).await?;
        // As `media migrate` does for itself.
        if admin.server_version_num() >= Some(16_00_00) {
            run(admin, format!("ALTER ROLE {owner} SET createrole_self_grant = 'set, inherit'")).await?;
        }
    }
    Ok(())
}

/// A role that these migrations do not make has none.
async fn set_password(admin: &mut PgConnection, role: &'static str) -> Result<(), sqlx::Error> {
    let known: Option<i32> = sqlx::query_scalar("SELECT 1 FROM pg_roles WHERE rolname = $1").bind(role).fetch_optional(&mut *admin).await?;
    if known.is_some() {
        run(admin, format!("ALTER ROLE {role} PASSWORD '{role}'")).await?;
    }
    Ok(())
}

async fn exists(admin: &mut PgConnection, database: &str) -> Result<bool, DevstackError> {
    let found: Option<i32> =
        sqlx::query_scalar("SELECT 1 FROM pg_database WHERE datname = $1").bind(database).fetch_optional(admin).await.map_err(failed)?;
    Ok(found.is_some())
}

async fn connect(postgres: &PostgresInfo) -> Result<PgConnection, DevstackError> {
    PgConnection::connect(postgres.url.as_str()).await.map_err(failed)
}

/// Names cannot be bound in DDL; all that are formatted into it are made here, of letters, digits and `_`.
async fn run(admin: &mut PgConnection, sql: String) -> Result<(), sqlx::Error> {
    admin.execute(AssertSqlSafe(sql)).await.map(drop)
}

fn owner_name() -> &'static str {
    DatabaseRole::Owner.name().unwrap_or_default()
}

fn digest(migrations: &Path) -> Result<String, DevstackError> {
    let reading = || DevstackError::system(format!("reading {}", migrations.display()));
    let mut files = fs::read_dir(migrations)
        .and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>, _>>())
        .map_err(reading())?;
    files.sort();
    let mut digest = Sha256::new();
    for file in files.iter().filter(|file| file.extension().is_some_and(|extension| extension == "sql")) {
        digest.update(file.as_os_str().as_encoded_bytes());
        digest.update(fs::read(file).map_err(reading())?);
    }
    Ok(hex::encode(&digest.finalize()[..6]))
}

fn failed(error: sqlx::Error) -> DevstackError {
    DevstackError::server("preparing a database", error)
}
