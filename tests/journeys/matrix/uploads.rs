//! UploadService.

use aws_sdk_s3::primitives::ByteStream;
use futures::{Stream, StreamExt as _, stream};
use media_proto::v1::{
    AbortUploadRequest, Asset, AssetKind, CompleteUploadRequest, CompletedPart, CreateUploadRequest, DeleteAssetRequest,
    ImportAssetRequest, SignUploadPartsRequest, UploadRequest, upload_request::Content,
};
use tokio_stream::wrappers::ReceiverStream;

use super::scene::{Scene, uuid};
use crate::{harness::Caller, refusals::leftovers};

const BYTES: &[u8] = b"WEBVTT\n\n\n\n";

pub async fn walk(scene: &Scene) {
    announcements(scene).await;
    parts(scene).await;
    Box::pin(streams(scene)).await;
    imports(scene).await;
}

fn announced(caller: &Caller, request_id: &str) -> CreateUploadRequest {
    CreateUploadRequest { request_id: request_id.to_owned(), ..caller.request(AssetKind::Subtitle, "a.vtt", BYTES.len()) }
}

fn too_large(request: CreateUploadRequest) -> CreateUploadRequest {
    CreateUploadRequest { size_bytes: 1 << 40, ..request }
}

fn of_another_type(request: CreateUploadRequest) -> CreateUploadRequest {
    CreateUploadRequest { mime: "video/mp4".to_owned(), ..request }
}

fn is_new(asset: Option<&Asset>, stranger: &Caller, theirs: &str) -> bool {
    asset.is_some_and(|asset| asset.id != theirs && asset.tenant_id == stranger.tenant.to_string())
}

async fn delete(caller: &mut Caller, asset_id: &str) {
    caller.assets.delete_asset(DeleteAssetRequest { asset_id: asset_id.to_owned(), ..Default::default() }).await.unwrap();
}

async fn announcements(scene: &Scene) {
    let cells = &scene.cells;
    let (mut owner, mut stranger, mut poor, mut hurried) =
        (scene.owner.clone(), scene.stranger.clone(), scene.poor.clone(), scene.hurried.clone());
    let once = announced(&owner, "announced");
    let id = cells.happy(owner.uploads.create_upload(once.clone()).await).asset.unwrap().id;
    cells.apart(stranger.uploads.create_upload(once.clone()).await, |answer| is_new(answer.asset.as_ref(), &scene.stranger, &id));
    cells.refused("REQUEST_ID_REUSED", owner.uploads.create_upload(CreateUploadRequest { size_bytes: 11, ..once.clone() }).await);
    delete(&mut owner, &id).await;
    cells.refused("ASSET_NOT_FOUND", owner.uploads.create_upload(once.clone()).await);
    cells.refused("SIZE_EXCEEDS_LIMIT", owner.uploads.create_upload(too_large(announced(&owner, ""))).await);
    cells.refused("MIME_UNSUPPORTED", owner.uploads.create_upload(of_another_type(announced(&owner, ""))).await);
    cells.refused("QUOTA_EXCEEDED", poor.uploads.create_upload(announced(&poor, "")).await);
    scene.soon_refused("RATE_LIMITED", async || hurried.uploads.create_upload(announced(&scene.hurried, "")).await).await;
}

async fn parts(scene: &Scene) {
    let cells = &scene.cells;
    let mut owner = scene.owner.clone();
    let created = owner.create(announced(&owner, "")).await;
    let id = created.asset.clone().unwrap().id;
    let sign = SignUploadPartsRequest { asset_id: id.clone(), part_numbers: vec![1] };
    let complete = CompleteUploadRequest { asset_id: id.clone(), parts: Vec::new() };
    let signed = cells.happy(owner.uploads.sign_upload_parts(sign.clone()).await);
    assert_eq!(signed.parts.len(), 1);
    cells.refused("UPLOAD_PART_MISSING", owner.uploads.complete_upload(complete.clone()).await);
    owner.put_all(&created, BYTES).await;
    let parts = vec![CompletedPart { number: 1, etag: "another".to_owned() }];
    cells.refused("UPLOAD_HASH_MISMATCH", owner.uploads.complete_upload(CompleteUploadRequest { parts, ..complete.clone() }).await);
    cells.happy(owner.uploads.complete_upload(complete).await);
    let abort = AbortUploadRequest { asset_id: id.clone() };
    cells.refused("ILLEGAL_TRANSITION", owner.uploads.abort_upload(abort).await);
    cells.refused("ILLEGAL_TRANSITION", owner.uploads.sign_upload_parts(sign).await);

    let other = owner.create(announced(&owner, "")).await.asset.unwrap().id;
    // Past the signature, as through a store that does not check lengths.
    let upload_id: String = sqlx::query_scalar("SELECT s3_upload_id FROM media.uploads WHERE asset_id = $1")
        .bind(uuid(&other))
        .fetch_one(&scene.sql)
        .await
        .unwrap();
    let (store, key) = (leftovers::store(&scene.world), format!("tenants/{}/media/{other}/original", owner.tenant));
    let part = store.upload_part().bucket(scene.world.isolated().bucket()).key(&key).upload_id(&upload_id).part_number(1);
    part.body(ByteStream::from_static(b"WEBVTT")).send().await.unwrap();
    let complete = CompleteUploadRequest { asset_id: other.clone(), parts: Vec::new() };
    cells.refused("UPLOAD_SIZE_MISMATCH", owner.uploads.complete_upload(complete.clone()).await);
    cells.happy(owner.uploads.abort_upload(AbortUploadRequest { asset_id: other.clone() }).await);
    cells.refused("ILLEGAL_TRANSITION", owner.uploads.complete_upload(complete).await);
}

fn announcing(announcement: CreateUploadRequest) -> UploadRequest {
    UploadRequest { content: Some(Content::Announcement(announcement)) }
}

fn chunk(bytes: &[u8]) -> UploadRequest {
    UploadRequest { content: Some(Content::Chunk(bytes.to_vec())) }
}

fn whole(announcement: CreateUploadRequest) -> impl Stream<Item = UploadRequest> + Send + 'static {
    stream::iter([announcing(announcement), chunk(BYTES)])
}

async fn streams(scene: &Scene) {
    let cells = &scene.cells;
    let (mut owner, mut stranger, mut poor, mut hurried) =
        (scene.owner.clone(), scene.stranger.clone(), scene.poor.clone(), scene.hurried.clone());
    let once = announced(&owner, "streamed");
    let id = cells.happy(owner.uploads.upload(whole(once.clone())).await).asset.unwrap().id;
    cells.apart(stranger.uploads.upload(whole(once.clone())).await, |answer| is_new(answer.asset.as_ref(), &scene.stranger, &id));
    let other = CreateUploadRequest { size_bytes: 11, ..once.clone() };
    cells.refused("REQUEST_ID_REUSED", owner.uploads.upload(whole(other)).await);
    delete(&mut owner, &id).await;
    cells.refused("ASSET_NOT_FOUND", owner.uploads.upload(whole(once)).await);
    cells.refused("SIZE_EXCEEDS_LIMIT", owner.uploads.upload(whole(too_large(announced(&owner, "")))).await);
    cells.refused("MIME_UNSUPPORTED", owner.uploads.upload(whole(of_another_type(announced(&owner, "")))).await);
    cells.refused("QUOTA_EXCEEDED", poor.uploads.upload(whole(announced(&poor, ""))).await);
    let short = stream::iter([announcing(announced(&owner, "")), chunk(b"WEBVTT")]);
    cells.refused("UPLOAD_SIZE_MISMATCH", owner.uploads.upload(short).await);
    let long = stream::iter([announcing(announced(&owner, "")), chunk(&[0; 3 << 20])]);
    cells.refused("FIELD_INVALID", owner.uploads.upload(long).await);
    given_up_meanwhile(scene).await;

    scene.soon_refused("RATE_LIMITED", async || hurried.uploads.upload(whole(announced(&scene.hurried, ""))).await).await;
    let silence = || stream::iter([announcing(announced(&scene.hurried, ""))]).chain(stream::pending());
    scene.soon_refused("STREAM_BROKEN", async || hurried.uploads.upload(silence()).await).await;
}

/// An upload that is given up while its bytes still come.
async fn given_up_meanwhile(scene: &Scene) {
    let mut owner = scene.owner.clone();
    let once = announced(&owner, "given up");
    let (messages, receiver) = tokio::sync::mpsc::channel(4);
    let mut sender = owner.clone();
    let call = tokio::spawn(async move { sender.uploads.upload(ReceiverStream::new(receiver)).await });
    messages.send(announcing(once.clone())).await.unwrap();
    // Under the same request id it is the same upload.
    let id = owner.create(once).await.asset.unwrap().id;
    messages.send(chunk(&BYTES[..5])).await.unwrap();
    owner.uploads.abort_upload(AbortUploadRequest { asset_id: id }).await.unwrap();
    // It may have been told by now, and listen no more.
    messages.send(chunk(&BYTES[5..])).await.ok();
    drop(messages);
    scene.cells.refused("ILLEGAL_TRANSITION", call.await.unwrap());
}

async fn imports(scene: &Scene) {
    let cells = &scene.cells;
    let (mut owner, mut stranger, mut poor, mut hurried) =
        (scene.owner.clone(), scene.stranger.clone(), scene.poor.clone(), scene.hurried.clone());
    let once = ImportAssetRequest {
        url: "https://files.example.com/a.vtt".to_owned(),
        kind: AssetKind::Subtitle.into(),
        filename: "a.vtt".to_owned(),
        size_bytes: 10,
        owner_user_id: owner.owner.to_string(),
        request_id: "imported".to_owned(),
        ..Default::default()
    };
    let anew = || ImportAssetRequest { request_id: String::new(), ..once.clone() };
    let id = cells.happy(owner.uploads.import_asset(once.clone()).await).asset.unwrap().id;
    cells.apart(stranger.uploads.import_asset(once.clone()).await, |answer| is_new(answer.asset.as_ref(), &scene.stranger, &id));
    cells.refused("REQUEST_ID_REUSED", owner.uploads.import_asset(ImportAssetRequest { size_bytes: 11, ..once.clone() }).await);
    delete(&mut owner, &id).await;
    cells.refused("ASSET_NOT_FOUND", owner.uploads.import_asset(once.clone()).await);
    cells.refused("SIZE_EXCEEDS_LIMIT", owner.uploads.import_asset(ImportAssetRequest { size_bytes: 1 << 40, ..anew() }).await);
    cells.refused("MIME_UNSUPPORTED", owner.uploads.import_asset(ImportAssetRequest { mime: "video/mp4".to_owned(), ..anew() }).await);
    let elsewhere = ImportAssetRequest { url: "ftp://files.example.com/a.vtt".to_owned(), ..anew() };
    cells.refused("URL_REFUSED", owner.uploads.import_asset(elsewhere).await);
    cells.refused("QUOTA_EXCEEDED", poor.uploads.import_asset(anew()).await);
    scene.soon_refused("RATE_LIMITED", async || hurried.uploads.import_asset(anew()).await).await;
}
