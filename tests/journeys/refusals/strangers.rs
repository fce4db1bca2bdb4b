//! Who may not call, and what a stranger learns of another tenant's assets: nothing.

use std::collections::BTreeSet;

use media_devstack::Binary;
use media_domain::{AssetId, TenantId};
use media_proto::{
    FILE_DESCRIPTOR_SET,
    v1::{
        AbortUploadRequest, Asset, AssetKind, AssetStatus, CompleteUploadRequest, DeleteAssetRequest, GetAssetRequest,
        GetDownloadUrlRequest, GetPlaybackRequest, ListAssetsRequest, RevokePlaybackRequest, SignUploadPartsRequest, UpdateAssetRequest,
        WatchAssetRequest, asset_service_client::AssetServiceClient,
    },
};
use prost::Message;
use tonic::{Code, Request, Status, metadata::MetadataValue, transport::Channel};
use uuid::Uuid;

use super::{reason, refused};
use crate::harness::{Caller, World, caller};

#[tokio::test(flavor = "multi_thread")]
async fn a_call_without_a_good_token_is_refused_by_its_fault() {
    let world = World::with("tokens", &[Binary::Api]).await;
    let url = world.fleet.grpc_url();
    let mut owner = world.caller().await;
    let id = owner.create(owner.request(AssetKind::Subtitle, "mine.vtt", 10)).await.asset.unwrap().id;
    let tenant = owner.tenant;
    let get = GetAssetRequest { asset_id: id.clone() };
    let invalid = reason(Code::Unauthenticated, "TOKEN_INVALID");

    let mut expired = Caller::with_token(&url, tenant, caller::token(tenant, caller::ALL_SCOPES, -120)).await;
    assert_eq!(refused(expired.assets.get_asset(get.clone()).await), invalid);
    let mut tampered = Caller::with_token(&url, tenant, tampered(&owner.token)).await;
    assert_eq!(refused(tampered.assets.get_asset(get.clone()).await), invalid);

    let mut bare = AssetServiceClient::new(Channel::from_shared(url.clone()).unwrap().connect().await.unwrap());
    let mut request = Request::new(get.clone());
    request.metadata_mut().insert("x-tenant-id", tenant.to_string().parse().unwrap());
    assert_eq!(refused(bare.get_asset(request).await), invalid, "no token");
    let mut request = Request::new(get.clone());
    let bearer: MetadataValue<_> = format!("Bearer {}", owner.token).parse().unwrap();
    request.metadata_mut().insert("authorization", bearer);
    assert_eq!(refused(bare.get_asset(request).await), reason(Code::PermissionDenied, "TENANT_MISMATCH"), "no tenant is named");

    let missing = reason(Code::PermissionDenied, "SCOPE_MISSING");
    let mut reader = Caller::with_token(&url, tenant, caller::token(tenant, "media.read", 60)).await;
    reader.assets.get_asset(get.clone()).await.unwrap();
    assert_eq!(refused(reader.uploads.create_upload(owner.request(AssetKind::Subtitle, "a.vtt", 10)).await), missing);
    assert_eq!(refused(reader.assets.delete_asset(DeleteAssetRequest { asset_id: id.clone(), ..Default::default() }).await), missing);
    let mut writer = Caller::with_token(&url, tenant, caller::token(tenant, "media.write", 60)).await;
    assert_eq!(refused(writer.assets.get_asset(get.clone()).await), missing);

    // A good token of one tenant, and a call that names another.
    let other = TenantId(Uuid::new_v4());
    let mut posing = Caller::with_token(&url, tenant, caller::token(other, caller::ALL_SCOPES, 60)).await;
    assert_eq!(refused(posing.assets.get_asset(get.clone()).await), reason(Code::PermissionDenied, "TENANT_MISMATCH"));

    let asset = owner.get(&id).await.asset.unwrap();
    assert_eq!((asset.status(), asset.etag.as_str()), (AssetStatus::Uploading, "1"), "nothing of it changed the asset");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_method_answers_another_tenants_asset_as_one_that_never_was() {
    let world = World::with("strangers", &[Binary::Api]).await;
    let mut owner = world.caller().await;
    let created = owner.create(owner.request(AssetKind::Subtitle, "mine.vtt", 10)).await;
    let id = created.asset.unwrap().id;
    let mut stranger = world.caller().await;
    let never = AssetId::generate().to_string();
    for method in methods() {
        let (Some(foreign), Some(unknown)) = (ask(&mut stranger, &method, &id).await, ask(&mut stranger, &method, &never).await) else {
            continue;
        };
        let (foreign, unknown) = (foreign.expect_err(&method), unknown.expect_err(&method));
        assert_eq!(super::refusal(&foreign), reason(Code::NotFound, "ASSET_NOT_FOUND"), "{method}");
        assert_eq!((foreign.message(), foreign.details()), (unknown.message(), unknown.details()), "{method}");
    }
    let listed = stranger.assets.list_assets(ListAssetsRequest::default()).await.unwrap().into_inner();
    assert!(listed.assets.is_empty() && listed.next_page_token.is_empty());
    let asset = owner.get(&id).await.asset.unwrap();
    assert_eq!((asset.status(), asset.etag.as_str()), (AssetStatus::Uploading, "1"), "nothing of it changed the asset");
}

/// Every method that the contract has, as `AssetService/GetAsset`.
fn methods() -> BTreeSet<String> {
    let files = prost_types::FileDescriptorSet::decode(FILE_DESCRIPTOR_SET).unwrap();
    let services = files.file.iter().flat_map(|file| &file.service);
    services.flat_map(|service| service.method.iter().map(|method| format!("{}/{}", service.name(), method.name()))).collect()
}

/// Calls a method with an asset's id; `None` for those that name no asset. A method that is not here has to be added.
async fn ask(caller: &mut Caller, method: &str, asset_id: &str) -> Option<Result<(), Status>> {
    let asset_id = asset_id.to_owned();
    let answered = match method {
        // Their answers to strangers have tests of their own: `requests::edits`.
        "UploadService/CreateUpload" | "UploadService/Upload" | "AssetService/ListAssets" | "AssetService/BatchGetAssets" => return None,
        "UploadService/SignUploadParts" => {
            caller.uploads.sign_upload_parts(SignUploadPartsRequest { asset_id, part_numbers: vec![1] }).await.map(drop)
        }
        "UploadService/CompleteUpload" => {
            caller.uploads.complete_upload(CompleteUploadRequest { asset_id, parts: Vec::new() }).await.map(drop)
        }
        "UploadService/AbortUpload" => caller.uploads.abort_upload(AbortUploadRequest { asset_id }).await.map(drop),
        "AssetService/GetAsset" => caller.assets.get_asset(GetAssetRequest { asset_id }).await.map(drop),
        "AssetService/WatchAsset" => match caller.assets.watch_asset(WatchAssetRequest { asset_id }).await {
            Ok(stream) => stream.into_inner().message().await.map(drop),
            Err(status) => Err(status),
        },
        "AssetService/UpdateAsset" => {
            let asset = Some(Asset { id: asset_id, filename: "theirs.vtt".into(), ..Asset::default() });
            caller.assets.update_asset(UpdateAssetRequest { asset, update_mask: None }).await.map(drop)
        }
        "AssetService/DeleteAsset" => caller.assets.delete_asset(DeleteAssetRequest { asset_id, ..Default::default() }).await.map(drop),
        "PlaybackService/GetPlayback" => caller.playback.get_playback(GetPlaybackRequest { asset_id }).await.map(drop),
        "PlaybackService/RevokePlayback" => caller.playback.revoke_playback(RevokePlaybackRequest { asset_id }).await.map(drop),
        "PlaybackService/GetDownloadUrl" => {
            caller.playback.get_download_url(GetDownloadUrlRequest { asset_id, profile: String::new() }).await.map(drop)
        }
        unknown => panic!("{unknown} has no test of what it tells a stranger"),
    };
    Some(answered)
}

/// The same token under another signature.
fn tampered(token: &str) -> String {
    let (head, signature) = token.rsplit_once('.').unwrap();
    let flipped = if signature.starts_with('A') { 'B' } else { 'A' };
    format!("{head}.{flipped}{}", &signature[1..])
}
