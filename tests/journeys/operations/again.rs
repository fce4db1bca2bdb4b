//! An asset as a whole, or one more variant of it, is made.

use media_devstack::Binary;
use media_domain::AssetId;
use media_proto::v1::{
    AbortUploadRequest, AssetKind, AssetStatus, CreateUploadRequest, Job, JobStatus, ReprocessAssetRequest, RequestVariantRequest,
};
use sqlx::PgPool;
use tonic::Code;

use super::LIMIT;
use crate::{
    harness::{Caller, World, eventually, samples},
    refusals::{leftovers, reason, refused},
};

const BINARIES: [Binary; 4] = [Binary::Relay, Binary::Api, Binary::Scanner, Binary::Transcoder];

fn reprocess(asset_id: &str) -> ReprocessAssetRequest {
    ReprocessAssetRequest { asset_id: asset_id.to_owned(), etag: String::new() }
}

async fn request(caller: &mut Caller, asset_id: &str, profile: &str) -> Result<Job, tonic::Status> {
    let request = RequestVariantRequest { asset_id: asset_id.to_owned(), profile: profile.to_owned() };
    Ok(caller.assets.request_variant(request).await?.into_inner().job.unwrap())
}

async fn keys(sql: &PgPool, asset_id: &str) -> Vec<(String, String)> {
    sqlx::query_as("SELECT profile, key FROM media.variants WHERE asset_id = $1 ORDER BY profile")
        .bind(asset_id.parse::<AssetId>().unwrap().as_uuid())
        .fetch_all(sql)
        .await
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_made_again_lies_beside_the_old_until_the_row_has_switched() {
    let world = World::with("reprocessed", &BINARIES).await;
    let (consumer, store) = (world.consumer().await, leftovers::store(&world));
    let (mut caller, sql) = (world.caller().await, world.sql().await);
    let id = caller.upload(AssetKind::Image, "card.png", &samples::picture(400, 200)).await;
    let before = caller.until(&id, AssetStatus::Ready, LIMIT).await;
    let first = keys(&sql, &id).await;

    let stale = ReprocessAssetRequest { etag: "0".to_owned(), ..reprocess(&id) };
    assert_eq!(refused(caller.assets.reprocess_asset(stale).await), reason(Code::Aborted, "ETAG_MISMATCH"));
    let current = ReprocessAssetRequest { etag: before.asset.unwrap().etag, ..reprocess(&id) };
    let asset = caller.assets.reprocess_asset(current).await.unwrap().into_inner().asset.unwrap();
    assert_eq!(asset.status(), AssetStatus::Scanning);
    let after = caller.until(&id, AssetStatus::Ready, LIMIT).await;
    let ids = |variants: &[media_proto::v1::Variant]| variants.iter().map(|it| (it.profile.clone(), it.id.clone())).collect::<Vec<_>>();
    assert_eq!(ids(&after.variants), ids(&before.variants), "a variant keeps its id");
    let second = keys(&sql, &id).await;
    assert_eq!(second, first.iter().map(|(profile, key)| (profile.clone(), format!("{key}.1"))).collect::<Vec<_>>());
    let objects = leftovers::objects(&store, &world, caller.tenant).await;
    assert!(first.iter().all(|(_, key)| objects.iter().any(|name| name.ends_with(key))), "players may hold their URLs: {objects:?}");
    let doomed: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM media.blobs WHERE doomed_at BETWEEN now() + interval '50 minutes' AND now() + interval '1 hour'",
    )
    .fetch_one(&sql)
    .await
    .unwrap();
    assert_eq!(usize::try_from(doomed).unwrap(), first.len());
    let ready = || consumer.of(&id).iter().filter(|event| event.event_type == "media.asset.ready.v1").count();
    eventually("both are told", LIMIT, async || if ready() == 2 { Ok(()) } else { Err(ready()) }).await;
    consumer.assert_in_order(&id);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_is_at_rest_and_has_its_bytes_is_made_again() {
    let world = World::with("not-reprocessed", &[Binary::Relay, Binary::Api, Binary::Scanner]).await;
    let (mut caller, sql) = (world.caller().await, world.sql().await);
    let illegal = reason(Code::FailedPrecondition, "ILLEGAL_TRANSITION");
    let open = caller.create(caller.request(AssetKind::Document, "never.rtf", 1000)).await.asset.unwrap().id;
    assert_eq!(refused(caller.assets.reprocess_asset(reprocess(&open)).await), illegal, "uploading");
    assert_eq!(refused(request(&mut caller, &open, "webp-640").await), reason(Code::FailedPrecondition, "ASSET_NOT_READY"));
    caller.uploads.abort_upload(AbortUploadRequest { asset_id: open.clone() }).await.unwrap();
    assert_eq!(refused(caller.assets.reprocess_asset(reprocess(&open)).await), illegal, "upload_aborted");
    sqlx::query("UPDATE media.assets SET failure_reason = 'upload_abandoned'").execute(&sql).await.unwrap();
    assert_eq!(refused(caller.assets.reprocess_asset(reprocess(&open)).await), illegal, "upload_abandoned");
    let infected = caller.upload(AssetKind::Document, "letter.rtf", &super::quarantine::infected_document()).await;
    caller.until(&infected, AssetStatus::Quarantined, LIMIT).await;
    let quarantined = reason(Code::FailedPrecondition, "ASSET_QUARANTINED");
    assert_eq!(refused(caller.assets.reprocess_asset(reprocess(&infected)).await), quarantined);
    assert_eq!(refused(request(&mut caller, &infected, "webp-640").await), quarantined);

    // One that failed is made again, once what was wrong is mended.
    let file = samples::document(2000);
    let declared = CreateUploadRequest { sha256: "0".repeat(64), ..caller.request(AssetKind::Document, "letter.rtf", file.len()) };
    let created = caller.create(declared).await;
    caller.put_all(&created, &file).await;
    let id = created.asset.unwrap().id;
    caller.complete(&id).await.unwrap();
    let status = async || caller.clone().get(&id).await.asset.unwrap().status();
    let until = async |wanted: AssetStatus| {
        eventually(wanted.as_str_name(), LIMIT, async || {
            let seen = status().await;
            if seen == wanted { Ok(()) } else { Err(seen) }
        })
        .await
    };
    until(AssetStatus::Failed).await;
    sqlx::query("UPDATE media.assets SET declared_sha256 = NULL").execute(&sql).await.unwrap();
    let asset = caller.clone().assets.reprocess_asset(reprocess(&id)).await.unwrap().into_inner().asset.unwrap();
    assert_eq!((asset.status(), asset.failure_reason.as_str()), (AssetStatus::Scanning, ""));
    until(AssetStatus::Ready).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_more_variant_is_made_also_by_a_profile_that_is_newer_than_its_asset() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let tiny = "[[profile]]\nname = \"webp-100\"\nkinds = [\"image\"]\ngroup = \"stills\"\nrequired = \"never\"\nmake.webp = { width = 100, quality = 80 }\n";
    std::fs::write(&file, tiny).unwrap();
    let mut world = World::with("requested", &[Binary::Relay, Binary::Scanner]).await;
    let (api, transcoder) = (world.start(Binary::Api, &[]).await, world.start(Binary::Transcoder, &[]).await);
    let mut caller = world.caller().await;
    let bytes = samples::picture(400, 200);
    let asked = CreateUploadRequest { profiles: vec!["webp-320".to_owned()], ..caller.request(AssetKind::Image, "card.png", bytes.len()) };
    let created = caller.create(asked).await;
    caller.put_all(&created, &bytes).await;
    let id = created.asset.unwrap().id;
    caller.complete(&id).await.unwrap();
    let before = caller.until(&id, AssetStatus::Ready, LIMIT).await;
    assert_eq!(before.variants.len(), 1, "{:?}", before.variants);

    let there = request(&mut caller, &id, "webp-320").await.unwrap();
    assert_eq!((there.status(), &there), (JobStatus::Succeeded, before.jobs.iter().find(|job| job.profile == "webp-320").unwrap()));
    let larger = request(&mut caller, &id, "webp-2048").await.unwrap();
    assert_eq!((larger.status(), larger.reason.as_str()), (JobStatus::Skipped, "the source is smaller"));
    let invalid = reason(Code::InvalidArgument, "FIELD_INVALID");
    for unknown in ["webp-100", "h264-360p", "../x", ""] {
        assert_eq!(refused(request(&mut caller, &id, unknown).await), invalid, "{unknown}");
    }
    let job = request(&mut caller, &id, "avif-320").await.unwrap();
    assert_eq!((job.status(), job.required), (JobStatus::Waiting, false), "it was skipped because nobody had asked");
    let got = caller.until(&id, AssetStatus::Ready, LIMIT).await;
    assert_eq!(got.variants.iter().map(|it| it.profile.as_str()).collect::<Vec<_>>(), ["avif-320", "webp-320"]);

    api.kill().unwrap();
    transcoder.kill().unwrap();
    let knows = ("MEDIA__PROFILES__FILE", file.path().to_str().unwrap());
    let (_api, _transcoder) = (world.start(Binary::Api, &[knows]).await, world.start(Binary::Transcoder, &[knows]).await);
    let mut caller = Caller::connect(&world.fleet.grpc_url(), caller.tenant).await;
    let new = request(&mut caller, &id, "webp-100").await.unwrap();
    let twice = request(&mut caller, &id, "webp-100").await.unwrap();
    assert_eq!(twice.id, new.id);
    let got = caller.until(&id, AssetStatus::Ready, LIMIT).await;
    assert!(got.variants.iter().any(|it| it.profile == "webp-100" && it.width == Some(100)), "{:?}", got.variants);
}
