//! The functions that see across tenants: narrow, and never content.

use std::collections::{BTreeMap, BTreeSet};

use media_devstack::DatabaseRole;
use media_domain::{AssetId, work::Queue};
use serde_json::Value;
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row};
use uuid::Uuid;

use super::{
    catalogue::{NOT_ITS_OWN, connect, login_roles, place, rows, run, set_tenant, superuser, texts},
    seed::seed,
};

const MARKER: &str = "content of a's";

/// What a function that sees across tenants may tell: whose row, which, and where it stands. A blob's name is made of ids.
const TOLD: [&str; 15] = [
    "attempt",
    "seq",
    "part",
    "queue",
    "bucket",
    "key",
    "count",
    "tenant_id",
    "waiting",
    "running",
    "lapsed",
    "oldest_seconds",
    "bytes",
    "reason",
    "sweep",
];

/// States of A's rows in which, between them, every function has something to tell.
const WORLDS: [&str; 8] = [
    "UPDATE media.work SET state = 'waiting', not_before = '2001-01-01', lease_owner = NULL, lease_until = NULL, claimed_at = NULL;
     UPDATE media.outbox SET published_at = NULL; UPDATE media.assets SET deleted_at = NULL;
     UPDATE media.dead_letters SET redriven_at = NULL",
    "UPDATE media.work SET queue = 'transcode'; UPDATE media.assets SET deleted_at = '2001-01-01'",
    "UPDATE media.work SET queue = 'caption'",
    "UPDATE media.work SET state = 'running', lease_owner = 'x', lease_until = '2001-01-01'; UPDATE media.outbox SET published_at = '2001-01-01'",
    "UPDATE media.work SET lease_until = now() + '1 hour'",
    "UPDATE media.work SET state = 'failed', lease_owner = NULL, lease_until = NULL",
    "UPDATE media.assets SET status = 'scanning'; UPDATE media.assets SET status = 'transcoding';
     UPDATE media.assets SET status = 'ready', deleted_at = NULL, archived_at = NULL, follows = id;
     UPDATE media.blobs SET doomed_at = NULL, archive_state = NULL",
    "UPDATE media.blobs SET archive_state = 'restoring', archive_looked_at = NULL",
];

/// One function that a login role may call.
struct Function {
    name: String,
    definer: bool,
    /// Name and type.
    arguments: Vec<(String, String)>,
    results: Vec<String>,
    returns: String,
}

impl Function {
    /// Whether it is asked for something by its id. A message's id is the broker's and names nothing of a tenant's.
    fn asks_by_id(&self) -> bool {
        self.arguments.iter().any(|(name, of)| of == "uuid" && name != "p_message")
    }

    /// Calls with every id of the tenant's wherever an id is asked for, and with numbers that leave nothing out.
    fn calls(&self, ids: &[Uuid]) -> Vec<String> {
        let mut calls = vec![String::new()];
        for (name, of) in &self.arguments {
            let values: Vec<String> = match of.as_str() {
                "uuid" => ids.iter().map(|id| format!("'{id}'::uuid")).collect(),
                // What is looked for is there: it is what A's rows hold.
                "text" if name == "p_query" => vec![format!("'{}'::text", MARKER.replace('\'', "''"))],
                "text" if name == "p_queue" => Queue::ALL.iter().map(|queue| format!("'{queue}'::text")).collect(),
                "text" => vec!["'tester'::text".to_owned()],
                "double precision" => vec!["0::double precision".to_owned()],
                "integer" => vec!["1000".to_owned()],
                "smallint" => (0..16).map(|part| format!("{part}::smallint")).collect(),
                other => panic!("{}: {name} is of a type that this test does not know yet: {other}", self.name),
            };
            calls = calls
                .iter()
                .flat_map(|call| values.iter().map(move |value| format!("{call}{}{value}", if call.is_empty() { "" } else { ", " })))
                .collect();
        }
        calls.into_iter().map(|arguments| format!("SELECT to_jsonb(f) FROM {}({arguments}) f", self.name)).collect()
    }
}

async fn callable_by(superuser: &mut PgConnection, role: &str) -> Vec<Function> {
    let sql = format!(
        "SELECT format('%I.%I', n.nspname, p.proname) AS name, p.prosecdef AS definer, format_type(p.prorettype, NULL) AS returns,
           coalesce((SELECT array_agg(coalesce(p.proargnames[i], '?') ORDER BY i) FROM generate_series(1, p.pronargs) i), '{{}}') AS names,
           coalesce((SELECT array_agg(format_type(t, NULL) ORDER BY i) FROM unnest(p.proargtypes) WITH ORDINALITY AS a (t, i)), '{{}}') AS types,
           coalesce((SELECT array_agg(p.proargnames[i] ORDER BY i) FROM generate_subscripts(p.proargmodes, 1) i WHERE p.proargmodes[i] IN ('t', 'o', 'b')), '{{}}') AS results
         FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
         WHERE {NOT_ITS_OWN} AND p.prorettype <> 'trigger'::regtype AND has_function_privilege('{role}', p.oid, 'EXECUTE')"
    );
    rows(superuser, &sql)
        .await
        .iter()
        .map(|row| Function {
            name: row.get("name"),
            definer: row.get("definer"),
            arguments: row.get::<Vec<String>, _>("names").into_iter().zip(row.get::<Vec<String>, _>("types")).collect(),
            results: row.get("results"),
            returns: row.get("returns"),
        })
        .collect()
}

#[tokio::test]
async fn what_sees_across_tenants_tells_ids_and_never_content() {
    let place = place("schema-functions-tell").await;
    let mut superuser = superuser(&place).await;
    let mut seen = 0;
    for (_, role) in login_roles() {
        for function in callable_by(&mut superuser, role).await.into_iter().filter(|function| function.definer) {
            seen += 1;
            if function.results.is_empty() {
                assert!(
                    ["bigint", "integer", "boolean"].contains(&function.returns.as_str()),
                    "{} returns {}",
                    function.name,
                    function.returns
                );
            }
            for result in &function.results {
                assert!(TOLD.contains(&result.as_str()) || result.ends_with("_id"), "{} tells {result}", function.name);
            }
        }
    }
    assert!(seen >= 12, "{seen}");
}

#[tokio::test]
async fn no_function_gives_another_tenant_what_is_not_its_own() {
    let place = place("schema-functions-called").await;
    let mut superuser = superuser(&place).await;
    let a = seed(&mut superuser, AssetId::generate().as_uuid(), MARKER).await;
    let ids = a.ids();
    let b = AssetId::generate().as_uuid();
    let (mut all, mut told) = (BTreeSet::new(), BTreeSet::new());
    for world in WORLDS {
        run(&mut superuser, world).await;
        for (role, name) in login_roles() {
            let mut connection = connect(&place, role).await;
            for function in callable_by(&mut superuser, name).await {
                let rows = call(&mut connection, b, &function, &ids).await;
                let text = Value::from(rows.iter().map(without_blob_names).collect::<Vec<_>>()).to_string();
                assert!(!text.contains(MARKER), "{name}: {} gave content: {text}", function.name);
                if !function.definer || function.asks_by_id() {
                    let of_a = ids.iter().find(|id| text.contains(&id.to_string()));
                    assert_eq!(of_a, None, "{name}: {} gave what is A's: {text}", function.name);
                } else {
                    all.insert(function.name.clone());
                    // What returns rows has told something by one; what counts, by a count.
                    if rows.iter().any(|row| !function.results.is_empty() || row.as_i64() > Some(0)) {
                        told.insert(function.name);
                    }
                }
            }
        }
    }
    let silent: Vec<_> = all.difference(&told).filter(|name| *name != "media.prune_inbox").collect();
    assert!(silent.is_empty(), "never had anything to tell, so nothing was tried: {silent:?}");
}

async fn call(connection: &mut PgConnection, tenant: Uuid, function: &Function, ids: &[Uuid]) -> Vec<Value> {
    let mut all = Vec::new();
    for sql in function.calls(ids) {
        let mut tx = connection.begin().await.unwrap();
        set_tenant(&mut tx, tenant).await;
        let rows = sqlx::query(AssertSqlSafe(sql.clone())).fetch_all(&mut *tx).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
        all.extend(rows.iter().map(|row| row.get::<Option<Value>, _>(0).unwrap_or_default()));
        tx.rollback().await.unwrap();
    }
    all
}

/// Bound to the transaction's tenant, it sees that tenant's and nothing else: without one, nothing at all.
#[tokio::test]
async fn a_search_finds_what_is_its_tenants_and_what_it_finds_is_no_others() {
    let place = place("schema-search").await;
    let mut superuser = superuser(&place).await;
    let a = seed(&mut superuser, AssetId::generate().as_uuid(), MARKER).await;
    let b = seed(&mut superuser, AssetId::generate().as_uuid(), "b's").await;
    let mut api = connect(&place, DatabaseRole::Api).await;
    let search = "SELECT asset_id FROM media.search_transcripts('content', NULL, 1000)";
    for (tenant, expected) in [(Some(a.tenant), 1), (Some(b.tenant), 0), (None, 0)] {
        let mut tx = api.begin().await.unwrap();
        if let Some(tenant) = tenant {
            set_tenant(&mut tx, tenant).await;
        }
        let found = sqlx::query(search).fetch_all(&mut *tx).await.unwrap();
        assert_eq!(found.len(), expected, "{tenant:?}");
        tx.rollback().await.unwrap();
    }
}

/// A blob's name is told to the janitor, who removes it.
fn without_blob_names(row: &Value) -> Value {
    let mut row = row.clone();
    if let Some(row) = row.as_object_mut() {
        row.retain(|name, _| name != "bucket" && name != "key");
    }
    row
}

#[tokio::test]
async fn every_definer_function_is_fixed_owned_by_media_across_and_granted_to_at_most_one() {
    let place = place("schema-definers").await;
    let mut superuser = superuser(&place).await;
    let sql = format!(
        "SELECT p.oid::regprocedure::text AS name, pg_get_userbyid(p.proowner)::text AS owner, coalesce(array_to_string(p.proconfig, ';'), '') AS settings,
           EXISTS (SELECT FROM aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) acl WHERE acl.grantee = 0) AS public
         FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE p.prosecdef AND {NOT_ITS_OWN}"
    );
    let definers = rows(&mut superuser, &sql).await;
    assert!(definers.len() >= 13, "{}", definers.len());
    let mut granted: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for (_, role) in login_roles() {
        for name in texts(
            &mut superuser,
            &format!(
                "SELECT p.oid::regprocedure::text FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
                 WHERE p.prosecdef AND {NOT_ITS_OWN} AND has_function_privilege('{role}', p.oid, 'EXECUTE')"
            ),
        )
        .await
        {
            granted.entry(name).or_default().push(role);
        }
    }
    for row in definers {
        let name: String = row.get("name");
        assert_eq!(row.get::<String, _>("owner"), "media_across", "{name}");
        // Left out, pg_temp would be searched first.
        assert_eq!(row.get::<String, _>("settings"), "search_path=pg_catalog, media, pg_temp", "{name}");
        assert!(!row.get::<bool, _>("public"), "{name} is everybody's");
        assert!(granted.get(&name).is_none_or(|roles| roles.len() == 1), "{name}: {granted:?}");
    }
}

#[tokio::test]
async fn a_callers_temporary_type_is_not_read_with_the_rights_of_media_across() {
    let place = place("schema-temporary-type").await;
    let mut superuser = superuser(&place).await;
    let a = seed(&mut superuser, AssetId::generate().as_uuid(), MARKER).await;
    run(&mut superuser, WORLDS[3]).await;
    let mut janitor = connect(&place, DatabaseRole::Janitor).await;
    run(
        &mut janitor,
        "CREATE FUNCTION pg_temp.spring(pg_catalog.uuid) RETURNS boolean LANGUAGE plpgsql
           AS $$ BEGIN RAISE EXCEPTION 'ran as %', current_user; END $$;
         CREATE DOMAIN pg_temp.uuid AS pg_catalog.uuid CHECK (pg_temp.spring(VALUE))",
    )
    .await;
    let found = sqlx::query("SELECT tenant_id FROM media.expired_leases(10)").fetch_all(&mut janitor).await.unwrap();
    assert_eq!(found.iter().map(|row| row.get::<Uuid, _>(0)).collect::<Vec<_>>(), [a.tenant]);
}
