//! Migrations are applied once, by whoever comes first.

use media_devstack::{DatabaseRole, Isolated};
use media_storage::migrate;
use sqlx::{Connection, PgConnection};
use url::Url;

use super::catalogue::{place, run, superuser, texts};

#[tokio::test]
async fn migrating_again_changes_nothing() {
    let place = place("schema-migrated-twice").await;
    let url = empty_database(&place).await;
    let applied = migrate(url.as_str()).await.unwrap();
    let before = state(&url).await;
    assert_eq!(migrate(url.as_str()).await.unwrap(), applied);
    assert_eq!(state(&url).await, before);
    assert_eq!(before.iter().filter(|line| line.starts_with("migration")).count(), applied);
}

#[tokio::test]
async fn two_who_migrate_at_once_wait_for_each_other() {
    let place = place("schema-migrated-at-once").await;
    let url = empty_database(&place).await;
    let counts = futures::future::try_join_all((0..4).map(|_| migrate(url.as_str()))).await.unwrap();
    let applied = state(&url).await.iter().filter(|line| line.starts_with("migration")).count();
    assert_eq!(counts, [applied; 4]);
}

#[tokio::test]
async fn the_template_of_tests_is_what_migrating_makes() {
    let place = place("schema-template").await;
    let url = empty_database(&place).await;
    migrate(url.as_str()).await.unwrap();
    assert_eq!(state(&url).await, state(&place.database_url(DatabaseRole::Owner)).await);
}

/// By it a service knows whether the schema is as new as it is.
#[tokio::test]
async fn the_schema_says_which_migration_was_its_last() {
    let place = place("schema-version").await;
    let says = "SELECT format('%s', media.schema_version() = (SELECT max(version) FROM _sqlx_migrations))";
    assert_eq!(texts(&mut superuser(&place).await, says).await, ["t"], "the newest migration replaces media.schema_version()");
}

/// Every relation and function of the schema with its object id left out, and every migration that was applied.
async fn state(url: &Url) -> Vec<String> {
    let mut connection = PgConnection::connect(url.as_str()).await.unwrap();
    let mut state =
        texts(&mut connection, "SELECT format('migration %s %s', version, encode(checksum, 'hex')) FROM _sqlx_migrations ORDER BY 1").await;
    state.extend(
        texts(
            &mut connection,
            "SELECT format('%s %s %s', oid::regclass, relkind, relacl) FROM pg_class WHERE relnamespace = 'media'::regnamespace
             UNION ALL SELECT format('%s %s', oid::regprocedure, proacl) FROM pg_proc WHERE pronamespace = 'media'::regnamespace ORDER BY 1",
        )
        .await,
    );
    state
}

pub async fn empty_database(place: &Isolated) -> Url {
    let mut url = place.database_url(DatabaseRole::Owner);
    let name = format!("{}_empty", url.path().trim_start_matches('/'));
    run(&mut superuser(place).await, &format!("CREATE DATABASE {name} OWNER media_owner")).await;
    url.set_path(&name);
    url
}
