//! Migrations are additive: they run while binaries of the version that is out still serve. `deploy/released` names that version.
//!
//! - no_migration_takes_away_what_the_released_version_uses
//! - no_migration_demands_more_than_the_released_version_writes
//! - every_query_of_the_released_version_is_understood_by_the_new_schema

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    process::{Command, Stdio},
};

use media_devstack::Isolated;
use media_storage::migrate;
use serde_json::Value;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, Row, SqlSafeStr, Statement, migrate::Migrator};
use tempfile::TempDir;
use url::Url;

use super::{
    catalogue::{place, rows, texts},
    migrations::empty_database,
};

/// What a binary may rely on, a line each. Of a check only its name: it may be made wider.
const RELIED_ON: &str = "
    SELECT format('column %s.%s %s', a.attrelid::regclass, a.attname, format_type(a.atttypid, a.atttypmod)) FROM pg_attribute a
      JOIN pg_class c ON c.oid = a.attrelid
      WHERE c.relnamespace = 'media'::regnamespace AND c.relkind IN ('r', 'p', 'v') AND a.attnum > 0 AND NOT a.attisdropped
    UNION SELECT format('never null %s.%s', a.attrelid::regclass, a.attname) FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
      WHERE c.relnamespace = 'media'::regnamespace AND c.relkind IN ('r', 'p') AND a.attnum > 0 AND NOT a.attisdropped AND a.attnotnull
    UNION SELECT format('constraint %s %s %s', conrelid::regclass, conname, CASE contype WHEN 'c' THEN '' ELSE pg_get_constraintdef(oid) END)
      FROM pg_constraint WHERE connamespace = 'media'::regnamespace AND conrelid <> 0
    UNION SELECT format('unique %s', indexdef) FROM pg_indexes WHERE schemaname = 'media' AND indexdef LIKE 'CREATE UNIQUE%'
    UNION SELECT format('function %s returns %s', oid::regprocedure, pg_get_function_result(oid)) FROM pg_proc
      WHERE pronamespace = 'media'::regnamespace
    UNION SELECT format('right of %s to %s %s', pg_get_userbyid(g.grantee), g.privilege_type, c.oid::regclass)
      FROM pg_class c, aclexplode(c.relacl) g WHERE c.relnamespace = 'media'::regnamespace
    UNION SELECT format('right of %s to %s %s.%s', pg_get_userbyid(g.grantee), g.privilege_type, a.attrelid::regclass, a.attname)
      FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid, aclexplode(a.attacl) g WHERE c.relnamespace = 'media'::regnamespace
    UNION SELECT format('right of %s to call %s', CASE g.grantee WHEN 0 THEN 'all' ELSE pg_get_userbyid(g.grantee) END, p.oid::regprocedure)
      FROM pg_proc p, aclexplode(p.proacl) g WHERE p.pronamespace = 'media'::regnamespace";

/// What a table demands of who writes to it: columns that must be given, and constraints, each with its columns.
const DEMANDED: &str = "
    SELECT a.attrelid::regclass::text AS of, format('%s must be given', a.attname) AS demand, ARRAY[a.attname::text] AS columns
      FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
      WHERE c.relnamespace = 'media'::regnamespace AND c.relkind IN ('r', 'p') AND a.attnum > 0 AND NOT a.attisdropped
        AND a.attnotnull AND NOT a.atthasdef AND a.attidentity = ''
    UNION ALL SELECT conrelid::regclass::text, format('constraint %s', conname),
        ARRAY(SELECT attname::text FROM pg_attribute WHERE attrelid = conrelid AND attnum = ANY (conkey))
      FROM pg_constraint WHERE connamespace = 'media'::regnamespace AND conrelid <> 0 AND contype IN ('c', 'u', 'x', 'f')
    UNION ALL SELECT i.indrelid::regclass::text, format('unique index %s', i.indexrelid::regclass),
        ARRAY(SELECT attname::text FROM pg_attribute WHERE attrelid = i.indrelid AND attnum = ANY (i.indkey))
      FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid WHERE c.relnamespace = 'media'::regnamespace AND i.indisunique";

#[tokio::test]
async fn no_migration_takes_away_what_the_released_version_uses() {
    let mut upgrade = Upgrade::of("schema-additive-kept").await;
    let before = upgrade.facts().await;
    assert!(before.len() > 300, "the catalogue was not read: {before:?}");
    upgrade.migrate().await;
    let after = upgrade.facts().await;
    let gone: Vec<_> = before.difference(&after).collect();
    assert!(gone.is_empty(), "what is out still uses it: {gone:#?}");
}

#[tokio::test]
async fn no_migration_demands_more_than_the_released_version_writes() {
    let mut upgrade = Upgrade::of("schema-additive-demanded").await;
    let (tables, before) = (upgrade.columns().await, upgrade.demands().await);
    upgrade.migrate().await;
    let more: Vec<_> = upgrade
        .demands()
        .await
        .into_iter()
        .filter(|(demand, _)| !before.contains_key(demand))
        // A new table is written by nobody yet. A new column has its default, of which the constraint must be glad.
        .filter(|((table, demand), columns)| {
            let Some(known) = tables.get(table) else { return false };
            demand.ends_with("must be given") || columns.iter().all(|column| known.contains(column))
        })
        .collect();
    assert!(more.is_empty(), "what is out does not know of it: {more:#?}");
}

#[tokio::test]
async fn every_query_of_the_released_version_is_understood_by_the_new_schema() {
    let mut upgrade = Upgrade::of("schema-additive-queries").await;
    upgrade.migrate().await;
    let (mut understood, mut refused) = (0, Vec::new());
    for entry in std::fs::read_dir(upgrade.released.path().join(".sqlx")).unwrap() {
        let cached: Value = serde_json::from_slice(&std::fs::read(entry.unwrap().path()).unwrap()).unwrap();
        let query = cached["query"].as_str().unwrap();
        let promised: Vec<&str> =
            cached["describe"]["columns"].as_array().unwrap().iter().map(|column| column["name"].as_str().unwrap()).collect();
        match (&mut upgrade.connection).prepare(AssertSqlSafe(query).into_sql_str()).await {
            Ok(prepared) if prepared.columns().iter().map(sqlx::Column::name).eq(promised.iter().copied()) => understood += 1,
            Ok(prepared) => refused.push(format!("answers {:?} and not {promised:?}: {query}", prepared.columns())),
            Err(error) => refused.push(format!("{error}: {query}")),
        }
    }
    assert!(refused.is_empty(), "{refused:#?}");
    assert!(understood > 100, "the cache was not read: {understood}");
}

/// A database with the schema of the released version.
struct Upgrade {
    released: TempDir,
    url: Url,
    connection: PgConnection,
    // Dropped last: it removes the databases.
    _place: Isolated,
}

impl Upgrade {
    async fn of(name: &str) -> Self {
        let place = place(name).await;
        let url = empty_database(&place).await;
        let released = released();
        let migrator = Migrator::new(released.path().join("migrations")).await.unwrap();
        let mut connection = PgConnection::connect(url.as_str()).await.unwrap();
        migrator.run(&mut connection).await.unwrap();
        Self { released, url, connection, _place: place }
    }

    async fn migrate(&mut self) {
        migrate(self.url.as_str()).await.unwrap();
    }

    async fn facts(&mut self) -> BTreeSet<String> {
        texts(&mut self.connection, RELIED_ON).await.into_iter().collect()
    }

    /// By table and demand: the columns that it concerns.
    async fn demands(&mut self) -> BTreeMap<(String, String), Vec<String>> {
        let rows = rows(&mut self.connection, DEMANDED).await;
        rows.iter().map(|row| ((row.get("of"), row.get("demand")), row.get("columns"))).collect()
    }

    /// Of each table its columns.
    async fn columns(&mut self) -> BTreeMap<String, BTreeSet<String>> {
        let rows = rows(
            &mut self.connection,
            "SELECT attrelid::regclass::text AS of, array_agg(attname::text) AS columns FROM pg_attribute a JOIN pg_class c ON c.oid = attrelid
             WHERE c.relnamespace = 'media'::regnamespace AND c.relkind IN ('r', 'p') AND attnum > 0 AND NOT attisdropped GROUP BY 1",
        )
        .await;
        rows.iter().map(|row| (row.get("of"), row.get::<Vec<String>, _>("columns").into_iter().collect())).collect()
    }
}

/// Migrations and cached queries of the released version, out of the history of this checkout.
fn released() -> TempDir {
    let root = Command::new("git").args(["rev-parse", "--show-toplevel"]).output().unwrap();
    let root = PathBuf::from(String::from_utf8(root.stdout).unwrap().trim());
    let commit = std::fs::read_to_string(root.join("deploy/released")).unwrap();
    let folder = TempDir::new().unwrap();
    let mut archive = Command::new("git")
        .current_dir(&root)
        .args(["archive", commit.trim(), "migrations", ".sqlx"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let unpacked = Command::new("tar").arg("-xC").arg(folder.path()).stdin(archive.stdout.take().unwrap()).status().unwrap();
    assert!(archive.wait().unwrap().success() && unpacked.success(), "the released commit is not in this checkout's history");
    folder
}
