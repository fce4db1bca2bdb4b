//! Reading one's assets among very many: each statement of ours, as it is sent, by an index.
//!
//! 20,000 assets in one tenant among 100 tenants; `MEDIA_ASSETS=1000000` and a thousand tenants for the figures of docs/performance.md,
//! which `make bench-rows` prints.

use std::{
    sync::LazyLock,
    time::{Duration, Instant},
};

use media_devstack::{DatabaseRole, Isolated, StackInfo};
use serde_json::Value;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, Postgres, Row, postgres::PgArguments, query::Query};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::harness::checkout;

const PAGE: i64 = 50;
const FAR_PAGE: i64 = 5_000;
const ROUNDS: usize = 300;
const OTHERS_EACH: i64 = 100;

/// A tenant with very many assets, among others.
struct Crowd {
    isolated: Isolated,
    tenant: Uuid,
    /// One of its assets, whose it is and its hash.
    asset: Uuid,
    owner: Uuid,
    sha256: String,
    assets: i64,
}

/// What a list is narrowed by, in the order of the statement's parameters; and where it goes on.
#[derive(Clone, Debug, Default)]
struct Asked {
    kind: Option<&'static str>,
    status: Option<&'static str>,
    source: Option<&'static str>,
    owner: Option<Uuid>,
    sha256: Option<String>,
    from: Option<OffsetDateTime>,
    before: Option<OffsetDateTime>,
    after: Option<(OffsetDateTime, Uuid)>,
}

impl Crowd {
    /// Rows as they are after a long time: of a kind in twenty, few of them not ready, each owner with some.
    async fn of(name: &str) -> Self {
        #[expect(clippy::disallowed_methods, reason = "a measure of the whole, for who asks for it")]
        let assets: i64 = std::env::var("MEDIA_ASSETS").map_or(20_000, |count| count.parse().unwrap());
        let tenants = if assets >= 1_000_000 { 1_000 } else { 100 };
        let isolated = StackInfo::from_env().unwrap().isolated(name).await.unwrap();
        let mut superuser = PgConnection::connect(isolated.database_url(DatabaseRole::Superuser).as_str()).await.unwrap();
        let tenant = Uuid::new_v4();
        // Triggers count and check what callers do; these rows are nobody's doing.
        superuser.execute("SET session_replication_role = replica").await.unwrap();
        let fill = format!(
            "INSERT INTO media.assets (id, tenant_id, owner_user_id, kind, source, status, bucket, key, size_bytes, sha256, original_filename, created_at)
             SELECT uuid_in(overlay(md5(of.tenant::text || n) placing lpad(to_hex(1700000000000 + n * 1000), 12, '0') from 1 for 12)::cstring), of.tenant,
               uuid_in(md5('owner' || n % (1 + of.count / 100))::cstring),
               (ARRAY['image','image','image','video','video','audio','document','subtitle','subtitle'])[1 + n % 9],
               CASE WHEN n % 50 = 0 THEN 'imported' ELSE 'upload' END,
               CASE WHEN n % 1000 = 7 THEN 'failed' WHEN n % 5000 = 11 THEN 'quarantined' WHEN n % 400 = 3 THEN 'transcoding' ELSE 'ready' END,
               'media', 'tenants/' || of.tenant || '/media/' || n || '/original', 1000 + n, md5(n::text) || md5(n::text), 'file ' || n,
               timestamptz '2024-01-01' + n * interval '40 seconds'
             FROM (SELECT '{tenant}'::uuid AS tenant, {assets}::bigint AS count
               UNION ALL SELECT uuid_in(md5('tenant' || t)::cstring), {OTHERS_EACH} FROM generate_series(1, {tenants} - 1) t) of,
               LATERAL generate_series(1, of.count) n"
        );
        superuser.execute(AssertSqlSafe(fill)).await.unwrap();
        superuser.execute("VACUUM ANALYZE media.assets").await.unwrap();
        // What GetAsset reads beside the asset.
        for (table, columns, values) in [
            ("variants", "profile, bucket, key", "'webp-320', bucket, key || '/variant'"),
            ("transcode_jobs", "profile, status", "'webp-320', 'succeeded'"),
            (
                "caption_tracks",
                "language, kind, format, bucket, key, source, approved",
                "'en', 'captions', 'vtt', bucket, key || '/vtt', 'human', true",
            ),
        ] {
            let fill = format!(
                "INSERT INTO media.{table} (id, asset_id, tenant_id, {columns})
                 SELECT gen_random_uuid(), id, tenant_id, {values} FROM media.assets WHERE tenant_id = '{tenant}'"
            );
            superuser.execute(AssertSqlSafe(fill)).await.unwrap();
            superuser.execute(AssertSqlSafe(format!("VACUUM ANALYZE media.{table}"))).await.unwrap();
        }
        let one = sqlx::query("SELECT id::uuid, owner_user_id::uuid, sha256::text FROM media.assets WHERE tenant_id = $1 ORDER BY created_at OFFSET $2 LIMIT 1")
            .bind(tenant)
            .bind(assets / 2)
            .fetch_one(&mut superuser)
            .await
            .unwrap();
        Self { isolated, tenant, asset: one.get(0), owner: one.get(1), sha256: one.get(2), assets }
    }

    async fn connect(&self, role: DatabaseRole) -> PgConnection {
        PgConnection::connect(self.isolated.database_url(role).as_str()).await.unwrap()
    }

    /// The last row of the page before `page`, under a filter that is no filter.
    async fn place(&self, page: i64) -> (OffsetDateTime, Uuid) {
        let mut superuser = self.connect(DatabaseRole::Superuser).await;
        let offset = ((page - 1) * PAGE).min(self.assets - 2 * PAGE) - 1;
        let sql = "SELECT created_at, id::uuid FROM media.assets WHERE tenant_id = $1 AND deleted_at IS NULL ORDER BY created_at DESC, id DESC OFFSET $2 LIMIT 1";
        let row = sqlx::query(sql).bind(self.tenant).bind(offset).fetch_one(&mut superuser).await.unwrap();
        (row.get(0), row.get(1))
    }

    /// Every filter alone, and some together, each at its first page and far behind it.
    async fn lists(&self) -> Vec<(String, Asked)> {
        let middle = OffsetDateTime::from_unix_timestamp(1_704_067_200 + self.assets * 20).unwrap();
        let filters = [
            ("no filter", Asked::default()),
            ("kind", Asked { kind: Some("video"), ..Asked::default() }),
            ("status, of one in a thousand", Asked { status: Some("failed"), ..Asked::default() }),
            ("status, of nearly all", Asked { status: Some("ready"), ..Asked::default() }),
            ("source", Asked { source: Some("imported"), ..Asked::default() }),
            ("owner", Asked { owner: Some(self.owner), ..Asked::default() }),
            ("sha256", Asked { sha256: Some(self.sha256.clone()), ..Asked::default() }),
            ("created in a range", Asked { from: Some(middle), before: Some(middle + time::Duration::days(30)), ..Asked::default() }),
            ("kind and status", Asked { kind: Some("video"), status: Some("failed"), ..Asked::default() }),
            ("owner and kind", Asked { owner: Some(self.owner), kind: Some("image"), ..Asked::default() }),
        ];
        let far = self.place(FAR_PAGE).await;
        let mut lists = Vec::new();
        for (name, asked) in filters {
            lists.push((format!("{name}, page 1"), asked.clone()));
            // A place is always one in its own list.
            let far = asked.before.map_or(far, |before| (before - time::Duration::days(15), Uuid::nil()));
            lists.push((format!("{name}, page {FAR_PAGE}"), Asked { after: Some(far), ..asked }));
        }
        lists
    }
}

/// The statement of that name, as the service sends it.
fn statement(name: &str) -> String {
    let cached = std::fs::read_dir(checkout().join(".sqlx")).unwrap().map(|entry| std::fs::read(entry.unwrap().path()).unwrap());
    let queries = cached.map(|bytes| serde_json::from_slice::<Value>(&bytes).unwrap()["query"].as_str().unwrap().to_owned());
    let found: Vec<String> = queries.filter(|query| query.starts_with(&format!("-- {name}\n")) && query.contains("SELECT")).collect();
    let [statement] = found.try_into().unwrap_or_else(|found| panic!("{name}: {found:#?}"));
    statement
}

/// The same for who is not kept to one tenant.
fn by_hand(statement: &str, tenant: Uuid) -> String {
    let tables = statement.matches("FROM media.").count();
    assert_eq!(statement.matches("WHERE ").count(), tables, "a condition for each table");
    statement.replace("WHERE ", &format!("WHERE tenant_id = '{tenant}' AND "))
}

fn list<'q>(sql: &str, asked: &Asked) -> Query<'q, Postgres, PgArguments> {
    sqlx::query(AssertSqlSafe(sql.to_owned()))
        .bind(asked.kind)
        .bind(asked.status)
        .bind(asked.source)
        .bind(asked.owner)
        .bind(asked.sha256.clone())
        .bind(asked.from)
        .bind(asked.before)
        .bind(asked.after.map(|after| after.0))
        .bind(asked.after.map(|after| after.1))
        .bind(PAGE + 1)
}

/// Every scan in a plan: what it is, and the index that it goes by.
fn scans(plan: &Value, found: &mut Vec<(String, Option<String>)>) {
    let kind = plan["Node Type"].as_str().unwrap();
    if kind.contains("Scan") {
        found.push((kind.to_owned(), plan["Index Name"].as_str().map(str::to_owned)));
    }
    plan["Plans"].as_array().into_iter().flatten().for_each(|below| scans(below, found));
}

static PLANNED_SO: LazyLock<String> = LazyLock::new(|| statement("assets.plan_of_list"));

/// As the service begins a transaction, and plans its lists.
async fn begin(connection: &mut PgConnection, tenant: Uuid) {
    let begin = format!("BEGIN; SELECT set_config('app.tenant_id', '{tenant}', true)");
    connection.execute(AssertSqlSafe(begin)).await.unwrap();
    connection.execute(AssertSqlSafe(PLANNED_SO.clone())).await.unwrap();
}

/// Plan, and how many rows of the index or table were read to give a page.
async fn explained(connection: &mut PgConnection, tenant: Uuid, query: Query<'_, Postgres, PgArguments>) -> Value {
    begin(connection, tenant).await;
    let row = query.fetch_one(&mut *connection).await.unwrap();
    connection.execute("ROLLBACK").await.unwrap();
    row.get::<Value, _>(0)[0]["Plan"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_asset_and_every_page_of_a_list_are_read_by_an_index() {
    let crowd = Crowd::of("scale").await;
    let mut api = crowd.connect(DatabaseRole::Api).await;
    let explain = |sql: &str| format!("EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {sql}");
    let one = explain(&statement("assets.lookup"));
    let plan = explained(&mut api, crowd.tenant, sqlx::query(AssertSqlSafe(one)).bind(vec![crowd.asset])).await;
    assert_indexed("one asset", &plan);
    for beside in ["variants.list", "transcode_jobs.list", "caption_tracks.list"] {
        let plan = explained(&mut api, crowd.tenant, sqlx::query(AssertSqlSafe(explain(&statement(beside)))).bind(crowd.asset)).await;
        assert_eq!(plan["Actual Rows"].as_f64(), Some(1.0), "{beside}: {plan:#}");
        assert_indexed(beside, &plan);
    }
    let page = explain(&statement("assets.list"));
    for (name, asked) in crowd.lists().await {
        let plan = explained(&mut api, crowd.tenant, list(&page, &asked)).await;
        assert_indexed(&name, &plan);
        // 51 rows are in some 60 blocks, if each is in one of its own, and what stands where they are archived is in some 100; two filters
        // at once pass over some rows. The whole table has a block for each 20 assets.
        let blocks = plan["Shared Hit Blocks"].as_i64().unwrap() + plan["Shared Read Blocks"].as_i64().unwrap();
        assert!(blocks < 300.max(crowd.assets / 1000), "{name}: {blocks} blocks were read\n{plan:#}");
    }
}

fn assert_indexed(name: &str, plan: &Value) {
    let mut found = Vec::new();
    scans(plan, &mut found);
    assert!(!found.is_empty() && found.iter().all(|(kind, _)| kind != "Seq Scan"), "{name}: {found:?}\n{plan:#}");
}

/// No test of time: it prints what docs/performance.md says.
#[tokio::test(flavor = "multi_thread")]
async fn row_level_security_and_the_same_by_hand_answer_the_same() {
    let crowd = Crowd::of("scale-compared").await;
    let (mut api, mut superuser) = (crowd.connect(DatabaseRole::Api).await, crowd.connect(DatabaseRole::Superuser).await);
    let (one, page) = (statement("assets.lookup"), statement("assets.list"));
    println!("{} assets; the median of {ROUNDS} transactions, in µs: under row level security, by hand, ratio", crowd.assets);
    let compared =
        compare(&mut api, &mut superuser, crowd.tenant, &one, |sql| sqlx::query(AssertSqlSafe(sql.to_owned())).bind(vec![crowd.asset]))
            .await;
    println!("one asset: {compared}");
    for (name, asked) in crowd.lists().await {
        let compared = compare(&mut api, &mut superuser, crowd.tenant, &page, |sql| list(sql, &asked)).await;
        println!("{name}: {compared}");
    }
}

async fn compare(
    api: &mut PgConnection,
    superuser: &mut PgConnection,
    tenant: Uuid,
    statement: &str,
    query: impl Fn(&str) -> Query<'static, Postgres, PgArguments>,
) -> String {
    let by_hand = by_hand(statement, tenant);
    let (mut with, mut without) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let (time, rows) = timed(api, tenant, query(statement)).await;
        with.push(time);
        let (time, the_same) = timed(superuser, tenant, query(&by_hand)).await;
        without.push(time);
        assert_eq!(rows, the_same);
    }
    let median = |mut times: Vec<Duration>| {
        times.sort();
        times[times.len() / 2].as_secs_f64() * 1e6
    };
    let (with, without) = (median(with), median(without));
    format!("{with:.0}, {without:.0}, {:.2}", with / without)
}

/// One transaction as the service makes it: how long it took, and the ids that it read.
async fn timed(connection: &mut PgConnection, tenant: Uuid, query: Query<'_, Postgres, PgArguments>) -> (Duration, Vec<Uuid>) {
    let began = Instant::now();
    begin(connection, tenant).await;
    let rows = query.fetch_all(&mut *connection).await.unwrap();
    connection.execute("COMMIT").await.unwrap();
    (began.elapsed(), rows.iter().map(|row| row.get_unchecked(0)).collect())
}
