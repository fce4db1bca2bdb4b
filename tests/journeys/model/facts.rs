//! What is so, as lines: of the model by its rules, of the real world as tables and buckets have it. Both write the same words, so that
//! a difference reads as one.

use std::collections::BTreeSet;

use media_domain::{ErasureId, erasure::NOBODY};
use serde_json::Value;
use uuid::Uuid;

use super::{
    real::{Real, bundle_id},
    state::{Name, Tenant, Upload},
};

pub type Facts = BTreeSet<String>;

/// All that is compared, in one look. Hours are whole ones: what a sequence takes by itself is lost in them.
const LOOK: &str = "
    WITH told AS (DELETE FROM stage.told RETURNING *)
    SELECT jsonb_build_object(
      'asset', (SELECT jsonb_agg(to_jsonb(a) || jsonb_build_object(
          'kept', round(extract(epoch FROM a.retention_until - now()) / 3600), 'gone', round(extract(epoch FROM now() - a.deleted_at) / 3600),
          'upload', (SELECT u.state FROM media.uploads u WHERE u.asset_id = a.id),
          'work', (SELECT string_agg(w.queue, ' ') FROM media.work w WHERE w.asset_id = a.id AND w.state IN ('waiting', 'running')),
          'holds', (SELECT count(*) FROM media.asset_holds h WHERE h.asset_id = a.id AND h.released_at IS NULL))) FROM media.assets a),
      'reference', (SELECT jsonb_agg(to_jsonb(r) || jsonb_build_object('left', round(extract(epoch FROM r.expires_at - now()) / 3600)))
          FROM media.asset_references r WHERE r.expires_at IS NULL OR r.expires_at > now()),
      'usage', (SELECT jsonb_agg(u) FROM media.tenant_usage u),
      'blob', (SELECT jsonb_agg(b) FROM media.blobs b),
      'erasure', (SELECT jsonb_agg(e) FROM media.erasures e),
      'item', (SELECT jsonb_agg(i) FROM media.erasure_items i),
      'told', (SELECT jsonb_agg(t) FROM told t))";

/// What the model says of a tenant. What it told since the last look is forgotten with it.
pub fn expected(number: usize, tenant: &mut Tenant) -> Facts {
    let mut facts = Facts::new();
    for id in tenant.existing() {
        let (asset, it) = (&tenant.assets[id], format!("{number}/{id}"));
        let leader = asset.leader.map(|leader| format!("{number}/{leader}"));
        let upload = asset.upload.map(|upload| match upload {
            Upload::Open { .. } => "open",
            Upload::Completed => "completed",
            Upload::Aborting => "aborting",
            Upload::Aborted => "aborted",
        });
        facts.insert(line(&it, "is", Some(asset.status.as_str())));
        facts.insert(line(&it, "failed for", asset.reason));
        facts.insert(line(&it, "belongs to", Some(asset.owner.map_or(NOBODY.to_owned(), |owner| format!("owner {owner}")))));
        facts.insert(line(&it, "is of class", Some(asset.class.as_str())));
        facts.insert(line(&it, "is kept for hours", asset.kept_until.map(|until| until - tenant.now)));
        facts.insert(line(&it, "was deleted hours ago", asset.deleted_at.map(|deleted| tenant.now - deleted)));
        facts.insert(line(&it, "follows", leader));
        facts.insert(line(&it, "names", Some(object(number, asset.original))));
        facts.insert(line(&it, "is shared", Some(asset.original.home != id)));
        facts.insert(line(&it, "has an upload", upload));
        facts.insert(line(&it, "waits for", tenant.work(id)));
        facts.insert(line(&it, "is held by", Some(asset.holds.iter().filter(|stands| **stands).count())));
        let live = asset.references.iter().filter(|(_, end)| end.is_none_or(|end| end > tenant.now));
        facts.extend(live.map(|(bundle, end)| {
            line(
                &it,
                &format!("is needed by {}", bundle_id(*bundle)),
                Some(end.map_or("ever".to_owned(), |end| (end - tenant.now).to_string())),
            )
        }));
        if asset.has_parts() {
            facts.insert(format!("the store has parts of {}", object(number, Name { is_quarantined: false, home: id })));
        }
    }
    let usage = (tenant.used(), tenant.reserved(), tenant.warned_percent);
    facts.insert(format!("{number} uses {}, reserves {}, was warned at {}", usage.0, usage.1, usage.2));
    for (name, kept) in &tenant.objects {
        facts.insert(format!("the store has {}", object(number, *name)));
        facts.insert(format!("a row has {} of {} doomed {}", object(number, *name), kept.size, kept.is_doomed));
    }
    for (at, erasure) in tenant.erasures.iter().enumerate() {
        facts.insert(format!("{number} erasure {at} is {}", if erasure.is_done { "done" } else { "running" }));
        facts.extend(erasure.assets.iter().map(|(id, outcome)| format!("{number} erasure {at} of {number}/{id}: {outcome}")));
        let objects = erasure.objects.iter();
        facts.extend(
            objects.map(|((id, name), outcome)| format!("{number} erasure {at} of {number}/{id} {}: {outcome}", object(number, *name))),
        );
    }
    for told in tenant.told.drain(..) {
        let about = told.asset.map_or(number.to_string(), |id| format!("{number}/{id}"));
        facts.insert(format!("{about} was told of: {} {}", told.sequence, told.event));
    }
    facts
}

/// What is really so, of all tenants.
pub async fn found(real: &Real<'_>) -> Facts {
    let look = sqlx::query_scalar::<_, Value>(LOOK).fetch_one(&real.stage.sql);
    let [ours, quarantine] = &real.stage.buckets;
    let (seen, objects, quarantined, parts) = tokio::join!(look, ours.objects(), quarantine.objects(), ours.uploads());
    let seen = seen.unwrap();
    let rows = |of: &str| seen[of].as_array().cloned().unwrap_or_default();
    let mut facts = Facts::new();
    for row in rows("asset") {
        let it = real.asset(&row["id"]);
        facts.insert(line(&it, "is", text(&row["status"])));
        facts.insert(line(&it, "failed for", text(&row["failure_reason"])));
        facts.insert(line(&it, "belongs to", Some(real.owner(&row["owner_user_id"]))));
        facts.insert(line(&it, "is of class", text(&row["retention_class"])));
        facts.insert(line(&it, "is kept for hours", row["kept"].as_f64()));
        facts.insert(line(&it, "was deleted hours ago", row["gone"].as_f64()));
        facts.insert(line(&it, "follows", text(&row["follows"]).map(|_| real.asset(&row["follows"]))));
        facts.insert(line(&it, "names", Some(real.object(&row["bucket"], &row["key"]))));
        facts.insert(line(&it, "is shared", row["deduplicated"].as_bool()));
        facts.insert(line(&it, "has an upload", text(&row["upload"])));
        facts.insert(line(&it, "waits for", text(&row["work"])));
        facts.insert(line(&it, "is held by", row["holds"].as_i64()));
    }
    for row in rows("reference") {
        let left = row["left"].as_f64().map_or("ever".to_owned(), |left| left.to_string());
        let bundle = text(&row["bundle_id"]).unwrap_or_default();
        facts.insert(line(&real.asset(&row["asset_id"]), &format!("is needed by {bundle}"), Some(left)));
    }
    let usage = rows("usage");
    for (number, tenant) in real.tenants.iter().enumerate() {
        let own = usage.iter().find(|row| text(&row["tenant_id"]) == Some(tenant.caller.tenant.to_string()));
        let of = |column: &str| own.and_then(|row| row[column].as_i64()).unwrap_or(0);
        let (used, reserved, warned) = (of("used_bytes"), of("reserved_bytes"), of("warned_percent"));
        facts.insert(format!("{number} uses {used}, reserves {reserved}, was warned at {warned}"));
    }
    for row in rows("blob") {
        let is_doomed = !row["doomed_at"].is_null();
        facts.insert(format!("a row has {} of {} doomed {is_doomed}", real.object(&row["bucket"], &row["key"]), row["size_bytes"]));
    }
    facts.extend(objects.keys().map(|key| format!("the store has {}", real.named(key))));
    facts.extend(quarantined.keys().map(|key| format!("the store has quarantine/{}", real.named(key))));
    facts.extend(parts.iter().map(|key| format!("the store has parts of {}", real.named(key))));
    for row in rows("erasure") {
        facts.insert(format!("{} is {}", real.erasure(&row["id"]), text(&row["state"]).unwrap_or_default()));
    }
    for row in rows("item") {
        let (erasure, it) = (real.erasure(&row["erasure_id"]), real.asset(&row["about"]));
        let object = text(&row["key"]).filter(|key| !key.is_empty()).map(|_| format!(" {}", real.object(&row["bucket"], &row["key"])));
        let outcome = text(&row["outcome"]).unwrap_or_default();
        facts.insert(format!("{erasure} of {it}{}: {outcome}", object.unwrap_or_default()));
    }
    for row in rows("told") {
        let event = text(&row["event"]).unwrap_or_default();
        facts.insert(format!("{} was told of: {} {event}", real.asset(&row["aggregate_id"]), row["sequence"]));
    }
    facts
}

impl Real<'_> {
    /// How a sequence calls an asset, or a tenant; an id that it does not know stays as it is.
    fn asset(&self, id: &Value) -> String {
        let id = uuid(id);
        let tenant = self.tenants.iter().position(|tenant| tenant.caller.tenant.0 == id);
        match (self.asset_of(id), tenant) {
            (Some((tenant, asset)), _) => format!("{tenant}/{asset}"),
            (None, Some(tenant)) => tenant.to_string(),
            (None, None) => id.to_string(),
        }
    }

    fn owner(&self, id: &Value) -> String {
        let owner = media_domain::OwnerId::from(uuid(id));
        let known = self.tenants.iter().find_map(|tenant| tenant.owners.iter().position(|known| *known == owner));
        match known {
            Some(owner) => format!("owner {owner}"),
            None if owner == media_domain::erasure::nobody() => NOBODY.to_owned(),
            None => owner.to_string(),
        }
    }

    fn erasure(&self, id: &Value) -> String {
        let id = ErasureId::from(uuid(id)).to_string();
        let of =
            |(number, tenant): (usize, &super::real::RealTenant)| Some((number, tenant.erasures.iter().position(|known| *known == id)?));
        let found = self.tenants.iter().enumerate().find_map(of);
        found.map_or(id, |(tenant, at)| format!("{tenant} erasure {at}"))
    }

    fn object(&self, bucket: &Value, key: &Value) -> String {
        let is_quarantined = text(bucket).as_deref() == Some(self.stage.world.isolated().quarantine_bucket());
        format!("{}{}", if is_quarantined { "quarantine/" } else { "" }, self.named(&text(key).unwrap_or_default()))
    }

    /// A key by the asset in whose folder it lies.
    fn named(&self, key: &str) -> String {
        for (number, tenant) in self.tenants.iter().enumerate() {
            let folder = format!("tenants/{}/media/", tenant.caller.tenant);
            let Some((id, "original")) = key.strip_prefix(&folder).and_then(|rest| rest.split_once('/')) else { continue };
            if let Some(asset) = tenant.assets.iter().position(|asset| asset.id == id) {
                return format!("{number}/{asset}");
            }
        }
        key.to_owned()
    }
}

fn object(tenant: usize, name: Name) -> String {
    format!("{}{tenant}/{}", if name.is_quarantined { "quarantine/" } else { "" }, name.home)
}

fn line(it: &str, says: &str, what: Option<impl std::fmt::Display>) -> String {
    what.map_or_else(|| format!("{it} {says} -"), |what| format!("{it} {says} {what}"))
}

fn text(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

fn uuid(value: &Value) -> Uuid {
    value.as_str().unwrap().parse().unwrap()
}
