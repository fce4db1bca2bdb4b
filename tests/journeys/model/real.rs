//! The same on the real service: calls by gRPC, parts to the store, the real scanner when it is let, the janitor run once, and a clock
//! that moves because every time in the database is moved back.

use std::{sync::Arc, time::Duration};

use media_devstack::Binary;
use media_domain::{AssetId, HoldId, OwnerId};
use media_proto::{
    FieldMask, Timestamp,
    v1::{
        AbortUploadRequest, AddReferenceRequest, Asset, BundleAsset, DeleteAssetRequest, EraseOwnerRequest, EraseTenantRequest,
        PlaceHoldRequest, PurgeAssetRequest, ReleaseHoldRequest, RemoveReferenceRequest, ReprocessAssetRequest, SetReferencesRequest,
        SignedPart, TenantPolicy, UndeleteAssetRequest, UpdateAssetRequest, UpdateTenantPolicyRequest,
    },
};
use sha2::{Digest as _, Sha256};
use sqlx::{AssertSqlSafe, PgPool};
use tonic::Status;
use uuid::Uuid;

use super::{
    state::{Content, Declared, Hour, Policy},
    steps::{OWNERS, OnAsset, TENANTS},
};
use crate::{
    harness::{Bucket, Caller, World, eventually},
    refusals::refusal,
};

const LIMIT: Duration = Duration::from_secs(30);
/// A scan waits until it is let, so that what happens before it and what after is for the sequence to say; and what was told stays
/// readable when the outbox has been swept.
const STAGE: &str = "
    CREATE SCHEMA stage;
    CREATE TABLE stage.told (seq bigint, tenant_id uuid, aggregate_id uuid, event text, sequence bigint);
    CREATE FUNCTION stage.hear() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN
      INSERT INTO stage.told VALUES (NEW.seq, NEW.tenant_id, NEW.aggregate_id, NEW.type, NEW.sequence);
      RETURN NULL;
    END $$;
    CREATE TRIGGER hear AFTER INSERT ON media.outbox FOR EACH ROW WHEN (NEW.kind = 'event') EXECUTE FUNCTION stage.hear();
    CREATE FUNCTION stage.keep_waiting() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
      NEW.not_before := 'infinity';
      RETURN NEW;
    END $$;
    CREATE TRIGGER keep_waiting BEFORE INSERT ON media.work FOR EACH ROW EXECUTE FUNCTION stage.keep_waiting();";

/// Real servers, and a place for one sequence after another.
pub struct Stage {
    pub world: World,
    pub sql: PgPool,
    pub buckets: [Bucket; 2],
    pub contents: Arc<Vec<Content>>,
    /// Each table of the schema, with the columns that are times.
    tables: Vec<(String, Vec<String>)>,
}

/// What one sequence has made.
pub struct Real<'s> {
    pub stage: &'s Stage,
    pub tenants: Vec<RealTenant>,
}

pub struct RealTenant {
    pub caller: Caller,
    pub owners: Vec<OwnerId>,
    pub assets: Vec<RealAsset>,
    pub erasures: Vec<String>,
}

pub struct RealAsset {
    pub id: String,
    parts: Vec<SignedPart>,
    content: usize,
    /// Those that stand, oldest first.
    holds: Vec<String>,
}

impl Stage {
    pub async fn new(contents: &Arc<Vec<Content>>) -> Self {
        let mut world = World::new("model").await;
        world.fleet.set("MEDIA__WORKER__IDLE_POLL", "100ms");
        // One scan after the other: of two with the same bytes, the first to be asked for is the first to be scanned.
        world.fleet.set("MEDIA__WORKER__PERMITS", "1");
        world.start_all(&[Binary::Relay, Binary::Api, Binary::Scanner]).await;
        let sql = world.sql().await;
        sqlx::raw_sql(STAGE).execute(&sql).await.unwrap();
        let tables: Vec<(String, Vec<String>)> = sqlx::query_as(
            "SELECT t.table_name::text, coalesce(array_agg(c.column_name::text) FILTER (WHERE c.column_name IS NOT NULL), '{}')
             FROM information_schema.tables t LEFT JOIN information_schema.columns c ON c.table_schema = t.table_schema
               AND c.table_name = t.table_name AND c.data_type = 'timestamp with time zone' AND c.is_generated = 'NEVER'
             WHERE t.table_schema = 'media' AND t.table_type = 'BASE TABLE' AND t.table_name NOT LIKE '%migrations' GROUP BY 1",
        )
        .fetch_all(&sql)
        .await
        .unwrap();
        assert!(tables.len() > 20, "the catalogue was not read: {tables:?}");
        let buckets = [Bucket::of(world.isolated()), Bucket::quarantine_of(world.isolated())];
        Self { world, sql, buckets, contents: contents.clone(), tables }
    }

    /// As if nothing had ever been here.
    pub async fn clear(&self) -> Real<'_> {
        let tables: Vec<String> = self.tables.iter().map(|(table, _)| format!("media.{table}")).collect();
        self.execute(format!("TRUNCATE stage.told, {}", tables.join(", "))).await;
        for bucket in &self.buckets {
            bucket.clear().await;
        }
        let mut tenants = Vec::new();
        for _ in 0..TENANTS {
            let owners = (0..OWNERS).map(|_| OwnerId::generate()).collect();
            tenants.push(RealTenant { caller: self.world.caller().await, owners, assets: Vec::new(), erasures: Vec::new() });
        }
        Real { stage: self, tenants }
    }

    async fn execute(&self, text: String) {
        sqlx::raw_sql(AssertSqlSafe(text)).execute(&self.sql).await.unwrap();
    }

    pub async fn wait(&self, hours: Hour) {
        let back = |column: &String| format!("{column} = {column} - interval '{hours} hours'");
        let updates: String = self
            .tables
            .iter()
            .filter(|(_, columns)| !columns.is_empty())
            .map(|(table, columns)| format!("UPDATE media.{table} SET {};", columns.iter().map(back).collect::<Vec<_>>().join(", ")))
            .collect();
        self.execute(format!("BEGIN; SET LOCAL session_replication_role = replica; {updates} COMMIT")).await;
    }

    pub async fn scan(&self) {
        self.execute("UPDATE media.work SET not_before = clock_timestamp() WHERE queue = 'scan' AND state = 'waiting'".to_owned()).await;
        self.until_none("media.work WHERE queue = 'scan' AND state IN ('waiting', 'running')").await;
    }

    async fn until_none(&self, rows: &str) {
        let count = format!("SELECT count(*) FROM {rows}");
        eventually(&format!("none of {rows}"), LIMIT, async || {
            let left: i64 = sqlx::query_scalar(AssertSqlSafe(count.clone())).fetch_one(&self.sql).await.unwrap();
            if left == 0 { Ok(()) } else { Err(left) }
        })
        .await;
    }

    pub async fn sweep(&self) {
        self.world.fleet.once(Binary::Janitor, &["--once"]).await.unwrap_or_else(|error| panic!("{error}"));
    }
}

impl Real<'_> {
    /// The end of a tenant is told after all else, and before its last rows go: the relay has to come by between the runs of the janitor.
    pub async fn sweep_to_the_end_of(&self, tenant: usize) {
        let tenant = self.tenants[tenant].caller.tenant;
        for _ in 0..2 {
            self.stage.until_none(&format!("media.outbox WHERE tenant_id = '{tenant}' AND published_at IS NULL")).await;
            self.stage.sweep().await;
        }
    }

    pub async fn create(&mut self, tenant: usize, owner: usize, content: usize, declared: Declared) -> Result<(), Status> {
        let bytes = &self.stage.contents[content].bytes;
        let tenant = &mut self.tenants[tenant];
        let kind =
            media_proto::v1::AssetKind::from_str_name(&format!("ASSET_KIND_{}", self.stage.contents[content].kind.as_str().to_uppercase()));
        let mut request = tenant.caller.request(kind.unwrap(), "one.of.many", bytes.len());
        request.owner_user_id = tenant.owners[owner].to_string();
        request.sha256 = match declared {
            Declared::Nothing => String::new(),
            Declared::Truly => hex::encode(Sha256::digest(bytes)),
            Declared::Falsely => hex::encode(Sha256::digest(b"something else")),
        };
        let created = tenant.caller.uploads.create_upload(request).await?.into_inner();
        let parts = created.plan.map(|plan| plan.parts).unwrap_or_default();
        tenant.assets.push(RealAsset { id: created.asset.unwrap().id, parts, content, holds: Vec::new() });
        Ok(())
    }

    /// As a caller of `by`, which may be another tenant than the asset's.
    pub async fn act(&mut self, by: usize, tenant: usize, asset: usize, act: &OnAsset) -> Result<(), Status> {
        let mut caller = self.tenants[by].caller.clone();
        let asset = &mut self.tenants[tenant].assets[asset];
        let asset_id = asset.id.clone();
        match act {
            OnAsset::Send => {
                let bytes = self.stage.contents[asset.content].bytes.clone();
                let Some(part) = asset.parts.first() else { return Err(Status::unknown("nothing was signed")) };
                let answer = caller.put(part, bytes).await;
                if answer.is_success() { Ok(()) } else { Err(Status::unknown(answer.to_string())) }
            }
            OnAsset::Complete => caller.complete(&asset_id).await.map(drop),
            OnAsset::Abort => caller.uploads.abort_upload(AbortUploadRequest { asset_id }).await.map(drop),
            OnAsset::Delete => caller.assets.delete_asset(DeleteAssetRequest { asset_id, etag: String::new() }).await.map(drop),
            OnAsset::Undelete => caller.assets.undelete_asset(UndeleteAssetRequest { asset_id, etag: String::new() }).await.map(drop),
            OnAsset::Refer(bundle, hours) => {
                let request = AddReferenceRequest { bundle_id: bundle_id(*bundle), asset_id, expire_time: hours.map(from_now) };
                caller.retention.add_reference(request).await.map(drop)
            }
            OnAsset::Unrefer(bundle) => {
                let request = RemoveReferenceRequest { bundle_id: bundle_id(*bundle), asset_id };
                caller.retention.remove_reference(request).await.map(drop)
            }
            OnAsset::Hold => {
                let answer =
                    caller.retention.place_hold(PlaceHoldRequest { asset_id, reason: "a case".to_owned(), ..Default::default() }).await?;
                asset.holds.push(answer.into_inner().hold.unwrap().id);
                Ok(())
            }
            OnAsset::Release => {
                let hold_id = asset.holds.first().cloned().unwrap_or_else(|| HoldId::generate().to_string());
                caller.retention.release_hold(ReleaseHoldRequest { asset_id, hold_id }).await?;
                asset.holds.remove(0);
                Ok(())
            }
            OnAsset::Class(class) => {
                let name = format!("RETENTION_CLASS_{}", class.as_str().to_uppercase());
                let class = media_proto::v1::RetentionClass::from_str_name(&name).unwrap();
                let asset = Some(Asset { id: asset_id, retention_class: class.into(), ..Default::default() });
                caller.assets.update_asset(UpdateAssetRequest { asset, update_mask: None }).await.map(drop)
            }
            OnAsset::Reprocess => caller.assets.reprocess_asset(ReprocessAssetRequest { asset_id, etag: String::new() }).await.map(drop),
            OnAsset::Purge => caller.quarantine.purge_asset(PurgeAssetRequest { asset_id, why: "no good".to_owned() }).await.map(drop),
        }
    }

    pub async fn set_bundle(&mut self, tenant: usize, bundle: usize, wanted: &[(usize, Option<Hour>)]) -> Result<(), Status> {
        let tenant = &mut self.tenants[tenant];
        let asset = |(asset, hours): &(usize, Option<Hour>)| BundleAsset {
            asset_id: tenant.assets[*asset].id.clone(),
            expire_time: hours.map(from_now),
        };
        let request = SetReferencesRequest { bundle_id: bundle_id(bundle), assets: wanted.iter().map(asset).collect() };
        tenant.caller.retention.set_references(request).await.map(drop)
    }

    pub async fn change_policy(&mut self, tenant: usize, policy: &Policy) -> Result<(), Status> {
        let changed = TenantPolicy {
            operational_days: Some(i32::try_from(policy.operational_days).unwrap()),
            grace_days: Some(i32::try_from(policy.grace_days).unwrap()),
            quota_bytes: policy.quota.map(u64::cast_signed),
            ..Default::default()
        };
        let paths = ["operational_days", "grace_days", "quota_bytes"].map(str::to_owned).to_vec();
        let request = UpdateTenantPolicyRequest { policy: Some(changed), update_mask: Some(FieldMask { paths }) };
        self.tenants[tenant].caller.retention.update_tenant_policy(request).await.map(drop)
    }

    pub async fn begin_erasure(&mut self, tenant: usize, owner: Option<usize>) -> Result<(), Status> {
        let tenant = &mut self.tenants[tenant];
        let erasure = match owner {
            Some(owner) => {
                let request = EraseOwnerRequest { owner_user_id: tenant.owners[owner].to_string(), request_id: String::new() };
                tenant.caller.retention.erase_owner(request).await?.into_inner().erasure
            }
            None => {
                let request = EraseTenantRequest { tenant_id: tenant.caller.tenant.to_string(), request_id: String::new() };
                tenant.caller.retention.erase_tenant(request).await?.into_inner().erasure
            }
        };
        tenant.erasures.push(erasure.unwrap().id);
        Ok(())
    }

    pub fn asset_of(&self, id: Uuid) -> Option<(usize, usize)> {
        let text = AssetId::from(id).to_string();
        let of = |(number, tenant): (usize, &RealTenant)| Some((number, tenant.assets.iter().position(|asset| asset.id == text)?));
        self.tenants.iter().enumerate().find_map(of)
    }
}

/// The reason of a refusal, or what the store said.
pub fn reason(status: &Status) -> String {
    if status.code() == tonic::Code::Unknown { "STORE_REFUSED".to_owned() } else { refusal(status).1 }
}

pub fn bundle_id(bundle: usize) -> String {
    format!("bundle-{bundle}")
}

fn from_now(hours: Hour) -> Timestamp {
    Timestamp { seconds: time::OffsetDateTime::now_utc().unix_timestamp() + hours * 3600, nanos: 0 }
}
