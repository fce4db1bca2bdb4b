//! One row of one tenant in every table that has tenants, made from the catalogue alone.

use std::collections::BTreeMap;

use media_domain::AssetId;
use serde_json::{Map, Value, json};
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row};
use uuid::Uuid;

use super::catalogue::{Column, columns, rows, tables};

/// What was written for a tenant: by table, the row.
pub struct Seeded {
    pub tenant: Uuid,
    pub rows: BTreeMap<String, Value>,
}

impl Seeded {
    /// Every id that a row of the tenant has, its own and those that it names.
    pub fn ids(&self) -> Vec<Uuid> {
        let values = self.rows.values().flat_map(|row| row.as_object().unwrap().values());
        values.filter_map(Value::as_str).filter_map(|text| Uuid::try_parse(text).ok()).collect()
    }
}

/// Seeds every table with a tenant, parents first. Text columns hold `marker`, so that content can be known again.
pub async fn seed(superuser: &mut PgConnection, tenant: Uuid, marker: &str) -> Seeded {
    let mut seeded = Seeded { tenant, rows: BTreeMap::new() };
    let mut left: Vec<_> = tables(superuser).await.into_iter().filter(|table| table.has_tenant).map(|table| table.name).collect();
    while !left.is_empty() {
        let mut later = Vec::new();
        let before = left.len();
        for table in left {
            let references = references(superuser, &table).await;
            if references.iter().all(|(_, parent, _)| *parent == table || seeded.rows.contains_key(parent)) {
                let row = seed_table(superuser, &table, &seeded, &references, marker).await;
                seeded.rows.insert(table, row);
            } else {
                later.push(table);
            }
        }
        assert!(later.len() < before, "tables that refer to each other in a circle: {later:?}");
        left = later;
    }
    seeded
}

async fn seed_table(
    superuser: &mut PgConnection,
    table: &str,
    seeded: &Seeded,
    references: &[(String, String, String)],
    marker: &str,
) -> Value {
    let columns: Vec<Column> = columns(superuser, table).await.into_iter().filter(|column| !column.generated).collect();
    let words = words(superuser, table).await;
    let mut full = Map::new();
    for column in &columns {
        let parent = references.iter().find(|(own, parent, _)| *own == column.name && parent != table);
        let value = match (column.name.as_str(), parent, words.get(&column.name)) {
            ("tenant_id", ..) => json!(seeded.tenant),
            (_, Some((_, parent, key)), _) => seeded.rows[parent][key].clone(),
            // A row that may name another of its table names itself.
            (name, None, _) if references.iter().any(|(own, parent, _)| own == name && parent == table) => full["id"].clone(),
            (_, None, Some(word)) => json!(word),
            (_, None, None) => value_of(table, &column.name, &column.base_type, marker),
        };
        full.insert(column.name.clone(), value);
    }
    let mut needed = full.clone();
    needed.retain(|name, _| columns.iter().any(|column| column.name == *name && column.not_null && !column.has_default));
    // A table's checks may want a column filled, or left out: one of the two passes, or the table needs a word here.
    let mut row = insert(superuser, table, &needed).await;
    if row.is_err() {
        row = insert(superuser, table, &full).await;
    }
    row.unwrap_or_else(|error| panic!("no row for {table} can be made from its catalogue: {error}"));
    for column in columns.iter().filter(|column| !column.not_null) {
        fill(superuser, table, seeded.tenant, &column.name, &full[&column.name]).await;
    }
    let sql = format!("SELECT to_jsonb(t) FROM {table} t WHERE tenant_id = '{}'", seeded.tenant);
    rows(superuser, &sql).await[0].get(0)
}

fn value_of(table: &str, column: &str, base_type: &str, marker: &str) -> Value {
    if let Some(of) = base_type.strip_suffix("[]") {
        return json!([value_of(table, column, of, marker)]);
    }
    if column == "segments" {
        return json!([{ "startMs": 0, "endMs": 1, "text": marker }]);
    }
    if column == "ai_provenance" {
        return json!({ "model": marker, "trace_id": marker, "generated_at": "2001-01-01T00:00:00Z" });
    }
    match base_type {
        "uuid" => json!(AssetId::generate().as_uuid()),
        "text" => json!(marker),
        "character(64)" => json!(format!("{marker:0<64}")),
        "smallint" | "integer" | "bigint" => json!(1),
        "boolean" => json!(false),
        // Long ago, so that whatever waits for a time has waited long enough.
        "timestamp with time zone" => json!("2001-01-01T00:00:00Z"),
        // A SHA-256, as Postgres reads it from text.
        "bytea" => json!(format!("\\x{}", "ab".repeat(32))),
        "jsonb" => json!({ "marker": marker }),
        other => panic!("{table}.{column} is of a type that seeds do not know yet: {other}"),
    }
}

/// The columns by which a table refers to another: own column, parent, parent's column.
async fn references(superuser: &mut PgConnection, table: &str) -> Vec<(String, String, String)> {
    let sql = format!(
        "SELECT a.attname::text, format('%I.%I', n.nspname, p.relname), f.attname::text
         FROM pg_constraint k JOIN pg_class p ON p.oid = k.confrelid JOIN pg_namespace n ON n.oid = p.relnamespace,
           unnest(k.conkey, k.confkey) AS pair (own, theirs)
         JOIN pg_attribute a ON a.attnum = pair.own JOIN pg_attribute f ON f.attnum = pair.theirs
         WHERE k.contype = 'f' AND k.conrelid = '{table}'::regclass AND a.attrelid = k.conrelid AND f.attrelid = k.confrelid"
    );
    rows(superuser, &sql).await.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect()
}

/// The first word that a column's CHECK allows, for columns that hold one of a set.
async fn words(superuser: &mut PgConnection, table: &str) -> BTreeMap<String, String> {
    let sql = format!(
        "SELECT a.attname::text, substring(pg_get_constraintdef(k.oid) FROM 'ANY \\(ARRAY\\[''([^'']*)''')
         FROM pg_constraint k JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = k.conkey[1]
         WHERE k.contype = 'c' AND k.conrelid = '{table}'::regclass AND cardinality(k.conkey) = 1"
    );
    rows(superuser, &sql).await.iter().filter_map(|row| Some((row.get(0), row.get::<Option<String>, _>(1)?))).collect()
}

async fn insert(superuser: &mut PgConnection, table: &str, row: &Map<String, Value>) -> Result<(), sqlx::Error> {
    sqlx::query(AssertSqlSafe(insert_sql(table, row.keys(), &Value::Object(row.clone())))).execute(superuser).await.map(drop)
}

/// An INSERT of the named columns of a row that is given as JSON.
pub fn insert_sql<'n>(table: &str, names: impl Iterator<Item = &'n String>, row: &Value) -> String {
    let names: Vec<_> = names.map(|name| format!("\"{name}\"")).collect();
    let names = names.join(", ");
    format!("INSERT INTO {table} ({names}) SELECT {names} FROM jsonb_populate_record(NULL::{table}, {})", literal(row))
}

fn literal(json: &Value) -> String {
    format!("'{}'", json.to_string().replace('\'', "''"))
}

/// Fills a column that may be empty, where the table's checks allow it.
async fn fill(superuser: &mut PgConnection, table: &str, tenant: Uuid, column: &str, value: &Value) {
    let row = json!({ column: value });
    let row = literal(&row);
    let sql = format!(
        "UPDATE {table} SET \"{column}\" = (jsonb_populate_record(NULL::{table}, {row})).\"{column}\" WHERE tenant_id = '{tenant}'"
    );
    let mut tx = superuser.begin().await.unwrap();
    match sqlx::query(AssertSqlSafe(sql)).execute(&mut *tx).await {
        Ok(_) => tx.commit().await.unwrap(),
        Err(sqlx::Error::Database(error)) if error.is_check_violation() => tx.rollback().await.unwrap(),
        Err(error) => panic!("{table}.{column}: {error}"),
    }
}
