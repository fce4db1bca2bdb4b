//! Every table, column, type, default, check, key and index that `docs/DATA_MODEL.md` asks for is in the live schema.
//!
//! Postgres itself is the reader of that text: its statements run, as they stand, in an empty database, and the two
//! catalogues are compared. What the live schema has beyond it is allowed: "additive only".

use std::collections::BTreeSet;

use media_devstack::{DatabaseRole, Isolated};
use sqlx::{Connection, PgConnection};

use super::catalogue::{place, run, superuser, texts};

const ASKED: &str = include_str!("../../../docs/DATA_MODEL.md");

/// One line per fact. Everything is qualified, so that two databases say the same thing with the same words.
const COLUMNS: &str = "
  SELECT format('column %s.%s %s%s%s%s', c.relname, a.attname, format_type(a.atttypid, a.atttypmod),
    CASE WHEN a.attnotnull THEN ' NOT NULL' END, ' DEFAULT ' || pg_get_expr(d.adbin, d.adrelid),
    CASE WHEN a.attidentity <> '' OR a.attgenerated <> '' THEN ' GENERATED' END)
  FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
  WHERE c.relnamespace = 'media'::regnamespace AND c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped";
const CONSTRAINTS: &str = "
  SELECT format('constraint on %s %s', conrelid::regclass, pg_get_constraintdef(oid))
  FROM pg_constraint WHERE connamespace = 'media'::regnamespace AND conrelid <> 0 AND convalidated";
const INDEXES: &str = "
  SELECT 'index ' || pg_get_indexdef(i.indexrelid)
  FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid
  WHERE c.relnamespace = 'media'::regnamespace AND i.indisvalid";

#[tokio::test]
async fn the_live_schema_has_all_that_was_asked_for_column_by_column() {
    let place = place("schema-asked-for").await;
    let asked = facts(&mut asked_database(&place).await).await;
    let live = facts(&mut superuser(&place).await).await;
    let missing: Vec<_> = asked.difference(&live).collect();
    assert!(missing.is_empty(), "asked for and not there:\n{missing:#?}");
}

#[tokio::test]
async fn the_text_is_read_whole() {
    let place = place("schema-asked-for-text").await;
    let asked = facts(&mut asked_database(&place).await).await;
    let count = |what: &str| asked.iter().filter(|fact| fact.starts_with(what)).count();
    let columns =
        [("assets", 20), ("variants", 12), ("caption_tracks", 14), ("transcripts", 8), ("transcode_jobs", 9), ("ai_media_artifacts", 8)];
    for (table, expected) in columns {
        assert_eq!(count(&format!("column {table}.")), expected, "{table}");
    }
    assert_eq!(count("column"), columns.iter().map(|(_, columns)| columns).sum::<usize>());
    for fact in [
        "column assets.id media.ulid NOT NULL",
        "column assets.sha256 character(64)",
        "column assets.duration_seconds integer",
        "column assets.retention_class text NOT NULL DEFAULT 'operational'::text",
        "column caption_tracks.approved boolean DEFAULT false",
        "constraint on media.variants FOREIGN KEY (asset_id) REFERENCES media.assets(id) ON DELETE CASCADE",
        "index CREATE INDEX assets_by_tenant ON media.assets USING btree (tenant_id, created_at DESC)",
    ] {
        assert!(asked.contains(fact), "{fact} is not among {asked:#?}");
    }
    // Six primary keys, six checks, one foreign key; as many indexes of primary keys, and the five that are named.
    assert_eq!((count("constraint"), count("index")), (13, 11));
}

#[tokio::test]
async fn outbox_and_inbox_are_there() {
    let place = place("schema-outbox-inbox").await;
    let facts = facts(&mut superuser(&place).await).await;
    for table in ["outbox", "inbox"] {
        assert!(facts.iter().any(|fact| fact.starts_with(&format!("column {table}."))), "{table}");
    }
}

async fn facts(connection: &mut PgConnection) -> BTreeSet<String> {
    run(connection, "SET search_path = pg_catalog").await;
    let mut facts = BTreeSet::new();
    for sql in [COLUMNS, CONSTRAINTS, INDEXES] {
        facts.extend(texts(connection, sql).await);
    }
    facts
}

/// A database that has what the text says and nothing else. `ULID` is the domain that DESIGN chose for it.
async fn asked_database(place: &Isolated) -> PgConnection {
    let mut url = place.database_url(DatabaseRole::Superuser);
    let name = format!("{}_asked", url.path().trim_start_matches('/'));
    run(&mut superuser(place).await, &format!("CREATE DATABASE {name}")).await;
    url.set_path(&name);
    let mut connection = PgConnection::connect(url.as_str()).await.unwrap();
    run(&mut connection, "CREATE SCHEMA media; CREATE DOMAIN media.ulid AS uuid; SET search_path = media, pg_catalog").await;
    for statement in statements(ASKED) {
        run(&mut connection, &statement).await;
    }
    connection
}

/// The SQL of the text: from a line that begins with CREATE to the first that ends with a semicolon.
fn statements(text: &str) -> Vec<String> {
    let mut statements: Vec<String> = Vec::new();
    let mut open = false;
    for line in text.lines() {
        if line.starts_with("CREATE ") {
            statements.push(String::new());
            open = true;
        }
        if let Some(statement) = statements.last_mut().filter(|_| open) {
            statement.push_str(line);
            statement.push('\n');
            open = !line.ends_with(';');
        }
    }
    statements
}
