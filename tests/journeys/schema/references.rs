//! Foreign keys and unique constraints see across tenants: both must carry the tenant.

use media_domain::AssetId;
use serde_json::json;
use sqlx::{AssertSqlSafe, Row};

use super::{
    catalogue::{NOT_ITS_OWN, columns, place, rows, run, superuser, texts},
    seed::{insert_sql, seed},
};

/// Every column that names another table's row, once: table, column, and the parents it is held to. Columns of foreign
/// keys, and those whose name says that they hold an asset's id.
const NAMING: &str = "
  SELECT c.oid::regclass::text AS child, a.attname::text AS column,
    EXISTS (
      SELECT FROM pg_constraint k JOIN pg_attribute t ON t.attrelid = k.conrelid AND t.attname = 'tenant_id'
        JOIN pg_attribute pt ON pt.attrelid = k.confrelid AND pt.attname = 'tenant_id'
        JOIN pg_attribute pi ON pi.attrelid = k.confrelid AND pi.attname = 'id'
      WHERE k.contype = 'f' AND k.convalidated AND k.conrelid = c.oid
        AND k.conkey = ARRAY[t.attnum, a.attnum] AND k.confkey = ARRAY[pt.attnum, pi.attnum]
        AND (a.attname !~ 'asset_id$' OR k.confrelid = 'media.assets'::regclass)) AS carries_tenant
  FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
  WHERE c.relnamespace = 'media'::regnamespace AND c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped AND a.attname <> 'tenant_id'
    AND (a.attname ~ 'asset_id$' OR EXISTS (SELECT FROM pg_constraint k WHERE k.contype = 'f' AND k.conrelid = c.oid AND a.attnum = ANY (k.conkey)))
  ORDER BY 1, 2";

#[tokio::test]
async fn every_reference_has_a_foreign_key_that_carries_the_tenant() {
    let place = place("schema-references").await;
    let mut superuser = superuser(&place).await;
    run(&mut superuser, "SET search_path = pg_catalog").await;
    let naming = rows(&mut superuser, NAMING).await;
    assert!(naming.len() >= 10, "{}", naming.len());
    for row in &naming {
        let (child, column): (String, String) = (row.get("child"), row.get("column"));
        assert!(row.get::<bool, _>("carries_tenant"), "{child}.{column}: no foreign key on (tenant_id, {column})");
    }
    for child in ["variants", "caption_tracks", "transcripts", "transcode_jobs", "ai_media_artifacts", "uploads", "work"] {
        assert!(naming.iter().any(|row| row.get::<String, _>("child") == format!("media.{child}")), "{child}");
    }
}

#[tokio::test]
async fn a_row_cannot_name_another_tenants_asset_even_by_the_superusers_hand() {
    let place = place("schema-foreign-asset").await;
    let mut superuser = superuser(&place).await;
    let a = seed(&mut superuser, AssetId::generate().as_uuid(), "a's").await;
    let b = seed(&mut superuser, AssetId::generate().as_uuid(), "b's").await;
    for row in rows(&mut superuser, NAMING).await {
        let (child, column): (String, String) = (row.get("child"), row.get("column"));
        let mut theirs = b.rows[&child].clone();
        theirs[&column] = a.rows[&child][&column].clone();
        for key in ["id", "seq"] {
            if theirs.get(key).is_some_and(|id| id.is_string()) {
                theirs[key] = json!(AssetId::generate().as_uuid());
            }
        }
        let names: Vec<String> = columns(&mut superuser, &child).await.into_iter().filter(|c| !c.generated).map(|c| c.name).collect();
        let sql = insert_sql(&child, names.iter(), &theirs);
        // By UPDATE too: the row is there already, and only its reference changes.
        let moved = format!("UPDATE {child} SET \"{column}\" = {} WHERE tenant_id = '{}'", quoted(&theirs[&column]), b.tenant);
        for sql in [sql, moved] {
            let error = sqlx::query(AssertSqlSafe(sql.clone())).execute(&mut superuser).await.unwrap_err();
            let error = error.into_database_error().unwrap();
            assert!(error.is_foreign_key_violation() || error.is_unique_violation(), "{sql}: {error}");
            if sql.starts_with("UPDATE") {
                assert!(error.is_foreign_key_violation(), "{sql}: {error}");
            }
        }
    }
}

fn quoted(value: &serde_json::Value) -> String {
    format!("'{}'", value.as_str().unwrap())
}

/// Otherwise one tenant's row could keep another's from being written, and tell that it exists.
#[tokio::test]
async fn every_unique_constraint_carries_the_tenant() {
    // Primary keys are asked for by id alone; an event's id is the consumers' key, whichever the tenant.
    const WITHOUT: [&str; 1] = ["outbox_id_key"];
    let place = place("schema-unique").await;
    let without = texts(
        &mut superuser(&place).await,
        &format!(
            "SELECT i.indexrelid::regclass::text FROM pg_index i
             JOIN pg_class c ON c.oid = i.indrelid JOIN pg_namespace n ON n.oid = c.relnamespace
             JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id'
             WHERE i.indisunique AND NOT i.indisprimary AND a.attnum <> ALL (i.indkey::int2[]) AND {NOT_ITS_OWN}"
        ),
    )
    .await;
    let without: Vec<_> = without.iter().map(|name| name.trim_start_matches("media.")).filter(|name| !WITHOUT.contains(name)).collect();
    assert!(without.is_empty(), "{without:?}");
}
