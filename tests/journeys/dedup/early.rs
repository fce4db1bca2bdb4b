//! Bytes that are declared by their hash.

use media_devstack::Binary;
use media_domain::OwnerId;
use media_proto::v1::{AssetKind, AssetStatus, CreateUploadRequest, JobStatus, UploadRequest, upload_request::Content};
use serde_json::Value;
use tonic::Code;

use super::{ALL, LIMIT, announce, download, encoded, named, picture, sha256};
use crate::{
    harness::{Bucket, World, command_line},
    refusals::{leftovers, reason, refused},
};

#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_are_there_are_shared_at_once_and_nothing_is_uploaded() {
    let world = World::with("dedup-early", &ALL).await;
    let (consumer, sql, bucket) = (world.consumer().await, world.sql().await, Bucket::of(world.isolated()));
    let mut owner = world.caller().await;
    let bytes = picture();
    let first = owner.upload(AssetKind::Image, "card.png", &bytes).await;
    let before = owner.until(&first, AssetStatus::Ready, LIMIT).await;
    leftovers::assert_nothing_is_left(&world, owner.tenant).await;
    let objects = bucket.objects().await;
    let used = async || -> i64 { sqlx::query_scalar("SELECT used_bytes FROM media.tenant_usage").fetch_one(&sql).await.unwrap() };
    let used_before = used().await;

    let mut other = owner.clone();
    other.owner = OwnerId::generate();
    let request = CreateUploadRequest {
        sha256: sha256(&bytes).to_ascii_uppercase(),
        request_id: "one".to_owned(),
        ..other.request(AssetKind::Image, "mine.png", bytes.len())
    };
    let created = other.create(request.clone()).await;
    assert_eq!(created.plan, None);
    let asset = created.asset.unwrap();
    assert_eq!((asset.status(), asset.deduplicated, asset.filename.as_str()), (AssetStatus::Ready, true, "mine.png"));
    assert_eq!((asset.owner_user_id.as_str(), asset.id != first), (other.owner.to_string().as_str(), true));
    assert_eq!(other.create(request.clone()).await.asset.unwrap().id, asset.id, "the same request under the same id");
    let reused = CreateUploadRequest { filename: "other.png".to_owned(), ..request };
    assert_eq!(refused(other.uploads.create_upload(reused).await), reason(Code::AlreadyExists, "REQUEST_ID_REUSED"));

    let got = other.get(&asset.id).await;
    let facts = |it: &media_proto::v1::GetAssetResponse| -> Vec<_> {
        it.variants.iter().map(|v| (v.profile.clone(), v.mime.clone(), v.size_bytes, v.width, v.height)).collect()
    };
    assert!(facts(&got) == facts(&before) && !got.variants.is_empty(), "{got:?}");
    assert!(got.variants.iter().all(|variant| before.variants.iter().all(|theirs| theirs.id != variant.id)), "rows of its own");
    let whole = before.asset.unwrap();
    assert_eq!((got.asset.as_ref().unwrap().width, &got.asset.as_ref().unwrap().blurhash), (whole.width, &whole.blurhash));
    assert_eq!(named(&sql, &asset.id).await, named(&sql, &first).await);
    assert_eq!((bucket.objects().await, encoded(&sql, &asset.id).await), (objects, 0));
    assert_eq!(used().await, used_before, "what is shared counts once");
    assert!(download(&mut other, &asset.id, "").await.unwrap() == bytes);
    assert_eq!(download(&mut other, &asset.id, "webp-320").await.unwrap(), download(&mut owner, &first, "webp-320").await.unwrap());

    consumer.until(&asset.id, "media.asset.ready.v1", LIMIT).await;
    consumer.assert_in_order(&asset.id);
    let types = |id: &str| consumer.of(id).into_iter().map(|event| event.event_type).collect::<Vec<_>>();
    let one_path = |mut types: Vec<String>| {
        types.dedup();
        types
    };
    let path = ["asset.created", "asset.uploaded", "asset.scanned", "variant.created", "asset.ready"].map(|it| format!("media.{it}.v1"));
    assert_eq!(one_path(types(&asset.id)), path);
    assert_eq!(types(&asset.id).len(), types(&first).len(), "as many as of the first");

    // A stream is answered before its bytes have come.
    let announcement = CreateUploadRequest { sha256: sha256(&bytes), ..other.request(AssetKind::Image, "streamed.png", bytes.len()) };
    let sent = futures::stream::iter([UploadRequest { content: Some(Content::Announcement(announcement)) }]);
    let streamed = other.uploads.upload(sent).await.unwrap().into_inner().asset.unwrap();
    assert_eq!((streamed.status(), streamed.deduplicated), (AssetStatus::Ready, true));

    let folder = tempfile::tempdir().unwrap();
    let path = crate::harness::samples::on_disk(folder.path(), "typed.png", &bytes);
    let typed = command_line::media(&world, &other, &["--json", "upload", "--owner", &other.owner.to_string(), &path]);
    let said = command_line::run(typed).await;
    let said: Value = serde_json::from_slice(&said.stdout).unwrap();
    assert_eq!((&said["status"], &said["deduplicated"]), (&Value::from("ASSET_STATUS_READY"), &Value::from(true)), "{said}");
    leftovers::assert_nothing_is_left(&world, owner.tenant).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_asked_for_here_and_not_there_is_made() {
    let world = World::with("dedup-lacking", &ALL).await;
    let sql = world.sql().await;
    let mut owner = world.caller().await;
    let bytes = picture();
    let asked = |profiles: &[&str]| profiles.iter().map(ToString::to_string).collect::<Vec<_>>();
    let request = CreateUploadRequest { profiles: asked(&["webp-320"]), ..owner.request(AssetKind::Image, "card.png", bytes.len()) };
    let created = owner.create(request).await;
    owner.put_all(&created, &bytes).await;
    let first = created.asset.unwrap().id;
    owner.complete(&first).await.unwrap();
    owner.until(&first, AssetStatus::Ready, LIMIT).await;

    let request = CreateUploadRequest {
        profiles: asked(&["webp-320", "avif-320", "webp-2048"]),
        sha256: sha256(&bytes),
        ..owner.request(AssetKind::Image, "card.png", bytes.len())
    };
    let second = owner.create(request).await.asset.unwrap();
    assert_eq!(second.status(), AssetStatus::Ready, "the rest comes later");
    let got = owner.until(&second.id, AssetStatus::Ready, LIMIT).await;
    let state = |profile: &str| got.jobs.iter().find(|job| job.profile == profile).map(media_proto::v1::Job::status);
    assert_eq!(state("avif-320"), Some(JobStatus::Succeeded), "{:?}", got.jobs);
    assert_eq!(state("webp-2048"), Some(JobStatus::Skipped), "it does not apply, whoever asks");
    let (ours, theirs) = (named(&sql, &second.id).await, named(&sql, &first).await);
    assert!(theirs.is_subset(&ours) && ours.difference(&theirs).all(|key| key.contains("avif-320")), "{ours:?}");
    assert!(owner.get(&first).await.variants.iter().all(|variant| variant.profile != "avif-320"), "the first is as it was");

    // All that apply.
    let third = announce(&mut owner, AssetKind::Image, &bytes).await.asset.unwrap().id;
    let got = owner.until(&third, AssetStatus::Ready, LIMIT).await;
    assert!(got.variants.iter().any(|variant| variant.profile == "jpeg-1280"), "{:?}", got.jobs);
    leftovers::assert_nothing_is_left(&world, owner.tenant).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_twin_is_uploaded() {
    let world = World::with("dedup-no-twin", &[Binary::Relay, Binary::Api, Binary::Scanner]).await;
    let (mut owner, sql) = (world.caller().await, world.sql().await);
    let bytes = crate::harness::samples::document(3000);
    let first = owner.upload(AssetKind::Document, "letter.rtf", &bytes).await;
    owner.until(&first, AssetStatus::Ready, LIMIT).await;
    let is_uploaded = async |owner: &mut crate::harness::Caller, request: CreateUploadRequest, why: &str| {
        let created = owner.create(request).await;
        let asset = created.asset.unwrap();
        assert!(created.plan.is_some() && asset.status() == AssetStatus::Uploading && !asset.deduplicated, "{why}: {asset:?}");
    };
    let right = CreateUploadRequest { sha256: sha256(&bytes), ..owner.request(AssetKind::Document, "letter.rtf", bytes.len()) };
    let request = CreateUploadRequest { size_bytes: right.size_bytes + 1, ..right.clone() };
    is_uploaded(&mut owner, request, "another size").await;
    is_uploaded(&mut owner, CreateUploadRequest { kind: AssetKind::Subtitle.into(), ..right.clone() }, "another kind").await;
    is_uploaded(&mut owner, CreateUploadRequest { sha256: sha256(b"other"), ..right.clone() }, "another hash").await;
    let mut stranger = world.caller().await;
    is_uploaded(&mut stranger, right.clone(), "another tenant").await;
    let set = async |set: &str| {
        let sql_text = format!("UPDATE media.assets SET {set} WHERE id = '{}'", super::uuid(&first));
        sqlx::query(sqlx::AssertSqlSafe(sql_text)).execute(&sql).await.unwrap();
    };
    for verdict in ["partial", "released", "infected"] {
        set(&format!("scan_verdict = '{verdict}'")).await;
        is_uploaded(&mut owner, right.clone(), verdict).await;
    }
    set("scan_verdict = 'clean', deleted_at = now()").await;
    is_uploaded(&mut owner, right.clone(), "a deleted one").await;
    set("deleted_at = NULL").await;
    sqlx::query("UPDATE media.blobs SET doomed_at = now() + interval '1 hour' WHERE key LIKE '%' || $1 || '%'")
        .bind(&first)
        .execute(&sql)
        .await
        .unwrap();
    is_uploaded(&mut owner, right.clone(), "one whose bytes are doomed").await;
    sqlx::query("UPDATE media.blobs SET doomed_at = NULL").execute(&sql).await.unwrap();
    assert!(owner.create(right).await.asset.unwrap().deduplicated, "and now it is a twin");
}
