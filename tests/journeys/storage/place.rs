//! A database with tenants, assets and work in it.

use std::time::Duration;

use media_devstack::{DatabaseRole, Isolated, StackInfo};
use media_domain::{
    AssetId, BlobName, Kind, OwnerId, Source, Status, TenantId, VariantDetails, VariantId, WorkId,
    asset::RetentionClass,
    profile::ProfileName,
    work::{Group, Queue},
};
use media_storage::{
    Database, DatabaseConfig, TenantTx,
    across::Claimed,
    assets::{Asset, NewAsset},
    variants::Variant,
    work::Lease,
};
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row, postgres::PgPool};

pub const LEASE: Duration = Duration::from_secs(60);
/// What the tests that race use at once, in each pool.
const CONNECTIONS_MAX: u32 = 24;

pub struct Place {
    pub isolated: Isolated,
    /// Sees all, and is used to look and to turn clocks back; never for what is tested.
    pub superuser: PgPool,
    pub api: Database,
    pub scanner: Database,
    pub transcoder: Database,
    pub captioner: Database,
    pub janitor: Database,
    pub relay: Database,
}

impl Place {
    pub async fn new(name: &str) -> Self {
        let isolated = StackInfo::from_env().unwrap().isolated(name).await.unwrap();
        let superuser = PgPool::connect_lazy(isolated.database_url(DatabaseRole::Superuser).as_str()).unwrap();
        let of = |role| connect(&isolated, role, CONNECTIONS_MAX);
        Place {
            superuser,
            api: of(DatabaseRole::Api),
            scanner: of(DatabaseRole::Scanner),
            transcoder: of(DatabaseRole::Transcoder),
            captioner: of(DatabaseRole::Captioner),
            janitor: of(DatabaseRole::Janitor),
            relay: of(DatabaseRole::Relay),
            isolated,
        }
    }

    /// The database of the worker behind a queue.
    pub fn worker(&self, queue: Queue) -> &Database {
        match queue {
            Queue::Scan => &self.scanner,
            Queue::Transcode => &self.transcoder,
            Queue::Caption => &self.captioner,
        }
    }

    pub async fn asset(&self, tenant: TenantId, kind: Kind) -> AssetId {
        let new = new_asset(kind);
        let mut tx = self.api.in_tenant(tenant, "test.asset").await.unwrap();
        tx.assets().insert(&new).await.unwrap();
        tx.commit().await.unwrap();
        new.id
    }

    /// An asset that has come, by legal moves, to `status`.
    pub async fn asset_in(&self, tenant: TenantId, kind: Kind, status: Status) -> AssetId {
        let asset = self.asset(tenant, kind).await;
        let path: &[Status] = match status {
            Status::Uploading => &[],
            Status::Scanning => &[Status::Scanning],
            Status::Transcoding => &[Status::Scanning, Status::Transcoding],
            Status::Ready => &[Status::Scanning, Status::Transcoding, Status::Ready],
            Status::Failed => &[Status::Failed],
            Status::Quarantined => &[Status::Scanning, Status::Quarantined],
        };
        let mut tx = self.api.in_tenant(tenant, "test.advance").await.unwrap();
        for next in path {
            tx.assets().advance(asset, *next).await.unwrap();
        }
        tx.commit().await.unwrap();
        asset
    }

    pub async fn plan(&self, tenant: TenantId, asset: AssetId, group: Group, priority: i16) -> WorkId {
        let mut tx = self.api.in_tenant(tenant, "test.plan").await.unwrap();
        let work = tx.work().plan(asset, group, priority).await.unwrap().unwrap();
        tx.commit().await.unwrap();
        work
    }

    /// An asset of its own with one piece of work.
    pub async fn work(&self, tenant: TenantId, group: Group) -> WorkId {
        let asset = self.asset(tenant, Kind::Video).await;
        self.plan(tenant, asset, group, 1).await
    }

    pub async fn claim(&self, queue: Queue) -> Option<Claimed> {
        self.worker(queue).across_tenants().claim(queue, "a worker", LEASE, None).await.unwrap()
    }

    /// Claims the next piece of work of a queue and reads it.
    pub async fn lease(&self, queue: Queue) -> Lease {
        let claimed = self.claim(queue).await.expect("something waits");
        let mut tx = self.worker(queue).in_tenant(claimed.tenant, "test.lease").await.unwrap();
        let lease = tx.work().lookup_lease(claimed.work, claimed.attempt).await.unwrap().unwrap();
        tx.commit().await.unwrap();
        lease
    }

    /// Lets a lease be over.
    pub async fn end_lease(&self, work: WorkId) {
        self.set_work(work, "lease_until = clock_timestamp() - interval '1 second'").await;
    }

    /// Changes a row of `work` behind everybody's back.
    pub async fn set_work(&self, work: WorkId, set: &str) {
        let sql = format!("UPDATE media.work SET {set} WHERE id = '{}'", work.as_uuid());
        assert_eq!(sqlx::query(AssertSqlSafe(sql)).execute(&self.superuser).await.unwrap().rows_affected(), 1);
    }

    /// One value of any tenant's, as text; `-` where it is NULL.
    pub async fn text(&self, sql: &str) -> String {
        let sql = format!("SELECT coalesce(x.*::text, '-') FROM ({sql}) x");
        sqlx::query(AssertSqlSafe(sql)).fetch_one(&self.superuser).await.unwrap().get(0)
    }

    /// A column of a row of `work`.
    pub async fn of_work(&self, work: WorkId, column: &str) -> String {
        let sql = format!("SELECT coalesce(({column})::text, '-') FROM media.work WHERE id = '{}'", work.as_uuid());
        sqlx::query(AssertSqlSafe(sql)).fetch_one(&self.superuser).await.unwrap().get(0)
    }

    pub async fn lookup(&self, tenant: TenantId, asset: AssetId) -> Asset {
        let mut tx = self.api.in_tenant(tenant, "test.lookup").await.unwrap();
        tx.assets().lookup(asset).await.unwrap().unwrap()
    }

    /// Types of the events of an asset, in their order.
    pub async fn events(&self, asset: AssetId) -> Vec<String> {
        let sql = "SELECT type FROM media.outbox WHERE aggregate_id = $1 AND kind = 'event' ORDER BY sequence";
        sqlx::query_scalar(sql).bind(asset.as_uuid()).fetch_all(&self.superuser).await.unwrap()
    }

    /// `profile status` of each job of an asset, by profile.
    pub async fn jobs(&self, asset: AssetId) -> Vec<String> {
        let sql = "SELECT profile || ' ' || status FROM media.transcode_jobs WHERE asset_id = $1 ORDER BY profile";
        sqlx::query_scalar(sql).bind(asset.as_uuid()).fetch_all(&self.superuser).await.unwrap()
    }

    pub async fn count(&self, table: &str) -> i64 {
        sqlx::query_scalar(AssertSqlSafe(format!("SELECT count(*) FROM {table}"))).fetch_one(&self.superuser).await.unwrap()
    }

    /// Makes rows that are nobody's doing: no trigger counts them, and what they name need not be there.
    pub async fn fill(&self, statements: &[&str]) {
        let mut tx = self.superuser.begin().await.unwrap();
        sqlx::query("SET LOCAL session_replication_role = replica").execute(&mut *tx).await.unwrap();
        for statement in statements {
            sqlx::query(AssertSqlSafe(*statement)).execute(&mut *tx).await.unwrap();
        }
        sqlx::query("ANALYZE").execute(&mut *tx).await.unwrap();
        tx.commit().await.unwrap();
    }

    /// What a question finds, and how many rows of each table it read for that, by the database's own count: seconds would be the
    /// machine's. What it changes does not stay.
    pub async fn found_and_read<const N: usize>(&self, question: &str, tables: [&str; N]) -> (Vec<String>, [i64; N]) {
        // On a connection of its own: for a while, what another question on it has read counts as well.
        let mut asking = PgConnection::connect(self.isolated.database_url(DatabaseRole::Superuser).as_str()).await.unwrap();
        let mut tx = asking.begin().await.unwrap();
        let found = sqlx::query_scalar(AssertSqlSafe(question)).fetch_all(&mut *tx).await.unwrap();
        let mut read = [0; N];
        for (table, read) in tables.into_iter().zip(&mut read) {
            let counted = "SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_xact_all_tables WHERE schemaname = 'media' AND relname = $1";
            *read = sqlx::query_scalar(counted).bind(table).fetch_one(&mut *tx).await.unwrap();
        }
        (found, read)
    }

    /// Waits until a session of this database waits for a lock, so that a test knows that another one is in its way.
    pub async fn until_somebody_waits_for_a_lock(&self) {
        let limit = tokio::time::Instant::now() + Duration::from_secs(10);
        loop {
            let waiting: i64 =
                sqlx::query_scalar("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'")
                    .fetch_one(&self.superuser)
                    .await
                    .unwrap();
            if waiting > 0 {
                return;
            }
            assert!(tokio::time::Instant::now() < limit, "nobody came to wait for a lock");
            tokio::task::yield_now().await;
        }
    }
}

pub fn connect(isolated: &Isolated, role: DatabaseRole, max_connections: u32) -> Database {
    let url = isolated.database_url(role).to_string().into();
    Database::connect(&DatabaseConfig { url, max_connections }, "test").unwrap()
}

pub async fn raw(isolated: &Isolated, role: DatabaseRole) -> PgConnection {
    PgConnection::connect(isolated.database_url(role).as_str()).await.unwrap()
}

pub fn tenant() -> TenantId {
    TenantId(AssetId::generate().as_uuid())
}

pub fn profile(name: &str) -> ProfileName {
    name.to_owned().try_into().unwrap()
}

pub fn blob(key: &str) -> BlobName {
    BlobName { bucket: "media".to_owned(), key: key.to_owned() }
}

pub fn new_asset(kind: Kind) -> NewAsset {
    let id = AssetId::generate();
    NewAsset {
        id,
        owner: OwnerId::generate(),
        kind,
        source: Source::Upload,
        blob: blob(&id.to_string()),
        size_bytes: Some(1000),
        filename: Some("a film.mp4".to_owned()),
        declared_mime: None,
        declared_sha256: None,
        priority: 1,
        asked_profiles: None,
        retention_class: RetentionClass::Operational,
        provenance: None,
        traceparent: None,
    }
}

pub fn variant(asset: AssetId, name: &str, key: &str, generation: u32) -> Variant {
    Variant {
        id: VariantId::generate(),
        asset,
        profile: profile(name),
        blob: blob(key),
        size_bytes: 10,
        mime: "video/mp4".to_owned(),
        width: Some(640),
        height: Some(360),
        bitrate: Some(800_000),
        generation,
        codec: None,
        frame_rate: None,
        duration_ms: None,
        init_bytes: None,
        fragments: vec![],
        language: None,
        channels: None,
        details: VariantDetails::default(),
    }
}

/// Plans a piece of work with its jobs, each with whether it is required, as the transcoder does after its probe.
pub async fn plan_group(tx: &mut TenantTx, asset: AssetId, group: Group, jobs: &[(&str, bool)]) -> WorkId {
    let work = tx.work().plan(asset, group, 1).await.unwrap().unwrap();
    for (name, required) in jobs {
        tx.transcode_jobs().plan(asset, work, &profile(name), *required).await.unwrap();
    }
    work
}
