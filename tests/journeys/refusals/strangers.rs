//! Who may not call, and what a stranger learns of another tenant's assets: nothing.

use std::collections::BTreeSet;

use media_devstack::Binary;
use media_domain::{AiArtifactId, AssetId, CaptionTrackId, DeadLetterId, JobId, TenantId};
use media_proto::{
    FILE_DESCRIPTOR_SET,
    v1::{
        AbortUploadRequest, AddReferenceRequest, AiProvenance, Asset, AssetKind, AssetStatus, BundleAsset, CaptionDecision, CaptionKind,
        CaptionSource, CompleteUploadRequest, DeleteAssetRequest, DeleteCaptionTrackRequest, EraseOwnerRequest, GenerateCaptionsRequest,
        GetAiArtifactRequest, GetAssetRequest, GetCaptionTrackRequest, GetDownloadUrlRequest, GetErasureRequest, GetPlaybackRequest,
        GetTranscriptRequest, GetUsageRequest, ImportCaptionTrackRequest, ListAiArtifactsRequest, ListAssetsRequest,
        ListCaptionTracksRequest, ListDeadLettersRequest, ListJobsRequest, ListQuarantinedRequest, ListReferencesRequest,
        ListTranscriptsRequest, PlaceHoldRequest, PurgeAssetRequest, RecordAiArtifactRequest, RedriveDeadLettersRequest,
        ReleaseAssetRequest, ReleaseHoldRequest, RemoveReferenceRequest, ReplayEventsRequest, ReprocessAssetRequest, RequestVariantRequest,
        RescanAssetRequest, RestoreAssetRequest, RetryJobRequest, ReviewCaptionTrackRequest, RevokePlaybackRequest,
        SearchTranscriptsRequest, SetReferencesRequest, SignUploadPartsRequest, UndeleteAssetRequest, UpdateAssetRequest,
        UpdateCaptionTrackRequest, WatchAssetRequest, asset_service_client::AssetServiceClient, record_ai_artifact_request,
    },
};
use prost::Message;
use tonic::{Code, Request, Status, metadata::MetadataValue, transport::Channel};
use uuid::Uuid;

use super::{reason, refused};
use crate::harness::{Caller, World, caller, samples};

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
    // Everything that an ordinary service may do is not enough for what administrators do.
    let mut service = Caller::with_token(&url, tenant, caller::token(tenant, "media.read media.write media.delete media.review", 60)).await;
    service.operations.get_usage(GetUsageRequest {}).await.unwrap();
    assert_eq!(refused(service.operations.list_dead_letters(ListDeadLettersRequest::default()).await), missing);
    assert_eq!(refused(service.quarantine.list_quarantined(ListQuarantinedRequest::default()).await), missing);
    let purge = PurgeAssetRequest { asset_id: id.clone(), why: "why not".to_owned() };
    assert_eq!(refused(service.quarantine.purge_asset(purge).await), missing);

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
    let track = owner.import(&id, "en", CaptionKind::Captions, &samples::subtitle()).await.unwrap().id;
    let mut stranger = world.caller().await;
    let (never, no_track) = (AssetId::generate().to_string(), CaptionTrackId::generate().to_string());
    let (job, letter) = job_and_letter(&world, owner.tenant, &id).await;
    let artifact = artifact(&world, owner.tenant, &id).await;
    let nobody = EraseOwnerRequest { owner_user_id: AssetId::generate().to_string(), ..Default::default() };
    let erasure = owner.retention.erase_owner(nobody).await.unwrap().into_inner().erasure.unwrap().id;
    for method in methods() {
        let theirs = match method.as_str() {
            "OperationsService/RetryJob" => &job,
            "OperationsService/RedriveDeadLetters" => &letter,
            "AiArtifactService/GetAiArtifact" => &artifact,
            "RetentionService/GetErasure" => &erasure,
            _ => &id,
        };
        let foreign = ask(&mut stranger, &method, theirs, &track).await;
        let (Some(foreign), Some(unknown)) = (foreign, ask(&mut stranger, &method, &never, &no_track).await) else {
            continue;
        };
        let (foreign, unknown) = (foreign.expect_err(&method), unknown.expect_err(&method));
        let not_found = match method.as_str() {
            "OperationsService/RetryJob" => "JOB_NOT_FOUND",
            "OperationsService/RedriveDeadLetters" => "DEAD_LETTER_NOT_FOUND",
            "AiArtifactService/GetAiArtifact" => "AI_ARTIFACT_NOT_FOUND",
            "RetentionService/GetErasure" => "ERASURE_NOT_FOUND",
            _ => "ASSET_NOT_FOUND",
        };
        assert_eq!(super::refusal(&foreign), reason(Code::NotFound, not_found), "{method}");
        assert_eq!((foreign.message(), foreign.details()), (unknown.message(), unknown.details()), "{method}");
    }
    let listed = stranger.assets.list_assets(ListAssetsRequest::default()).await.unwrap().into_inner();
    assert!(listed.assets.is_empty() && listed.next_page_token.is_empty());
    // What tells of no asset by its id tells of none of theirs either; the owner is told, of the track's event too.
    for (caller, there) in [(&mut stranger, 0), (&mut owner, 1)] {
        let jobs = caller.operations.list_jobs(ListJobsRequest { asset_id: id.clone(), ..Default::default() }).await.unwrap().into_inner();
        let letters = caller.operations.list_dead_letters(ListDeadLettersRequest::default()).await.unwrap().into_inner().dead_letters;
        let usage = caller.operations.get_usage(GetUsageRequest {}).await.unwrap().into_inner();
        let quarantined = caller.quarantine.list_quarantined(ListQuarantinedRequest::default()).await.unwrap().into_inner();
        let replay = ReplayEventsRequest { asset_id: id.clone(), ..Default::default() };
        let replayed = caller.operations.replay_events(replay).await.unwrap().into_inner().event_count;
        assert_eq!((jobs.jobs.len(), letters.len(), usage.asset_counts.len(), replayed), (there, there, there, 2 * there as i64));
        assert!(quarantined.assets.is_empty());
        let made = caller.ai_artifacts.list_ai_artifacts(ListAiArtifactsRequest::default()).await.unwrap().into_inner();
        assert_eq!(made.ai_artifacts.len(), there);
    }
    // A track that is another tenant's is none of one's own asset's either.
    let own = stranger.create(stranger.request(AssetKind::Subtitle, "own.vtt", 10)).await.asset.unwrap().id;
    for method in ["GetCaptionTrack", "UpdateCaptionTrack", "ReviewCaptionTrack", "DeleteCaptionTrack"] {
        let method = format!("CaptionService/{method}");
        let foreign = ask(&mut stranger, &method, &own, &track).await.unwrap().expect_err(&method);
        let unknown = ask(&mut stranger, &method, &own, &no_track).await.unwrap().expect_err(&method);
        assert_eq!(super::refusal(&foreign), reason(Code::NotFound, "CAPTION_TRACK_NOT_FOUND"), "{method}");
        assert_eq!((foreign.message(), foreign.details()), (unknown.message(), unknown.details()), "{method}");
    }
    let got = owner.get(&id).await;
    let asset = got.asset.unwrap();
    assert_eq!((asset.status(), asset.etag.as_str()), (AssetStatus::Uploading, "1"), "nothing of it changed the asset");
    assert_eq!(got.caption_tracks.iter().map(|it| (it.id.as_str(), it.approved)).collect::<Vec<_>>(), [(track.as_str(), false)]);
}

/// A failed job and a dead letter of an asset, and its event published, as workers and relay leave them.
pub async fn job_and_letter(world: &World, tenant: TenantId, asset_id: &str) -> (String, String) {
    let (job, letter, asset) = (JobId::generate(), DeadLetterId::generate(), asset_id.parse::<AssetId>().unwrap());
    let sql = world.sql().await;
    sqlx::query("INSERT INTO media.transcode_jobs (id, asset_id, tenant_id, profile, status) VALUES ($1, $2, $3, 'vtt', 'failed')")
        .bind(job.as_uuid())
        .bind(asset.as_uuid())
        .bind(tenant.0)
        .execute(&sql)
        .await
        .unwrap();
    sqlx::query("INSERT INTO media.dead_letters (id, tenant_id, queue, reason, body) VALUES ($1, $2, 'scan', 'rejected', '{}')")
        .bind(letter.as_uuid())
        .bind(tenant.0)
        .execute(&sql)
        .await
        .unwrap();
    sqlx::query("UPDATE media.outbox SET published_at = now() WHERE tenant_id = $1").bind(tenant.0).execute(&sql).await.unwrap();
    (job.to_string(), letter.to_string())
}

/// What our own machine made of an asset, as the captioner records it.
pub async fn artifact(world: &World, tenant: TenantId, asset_id: &str) -> String {
    let artifact = AiArtifactId::generate();
    sqlx::query(
        r#"INSERT INTO media.ai_media_artifacts (id, tenant_id, kind, source_asset_id, ai_provenance)
           VALUES ($1, $2, 'transcript', $3, '{"model": "m", "trace_id": "t", "generated_at": "2026-01-01T00:00:00Z"}')"#,
    )
    .bind(artifact.as_uuid())
    .bind(tenant.0)
    .bind(asset_id.parse::<AssetId>().unwrap().as_uuid())
    .execute(&world.sql().await)
    .await
    .unwrap();
    artifact.to_string()
}

/// Every method that the contract has, as `AssetService/GetAsset`.
pub fn methods() -> BTreeSet<String> {
    let files = prost_types::FileDescriptorSet::decode(FILE_DESCRIPTOR_SET).unwrap();
    let services = files.file.iter().flat_map(|file| &file.service);
    services.flat_map(|service| service.method.iter().map(|method| format!("{}/{}", service.name(), method.name()))).collect()
}

/// Calls a method with the ids of an asset and of a caption track; `None` for those that name no asset. A method that is not here has to
/// be added.
pub async fn ask(caller: &mut Caller, method: &str, asset_id: &str, track_id: &str) -> Option<Result<(), Status>> {
    let (asset_id, caption_track_id) = (asset_id.to_owned(), track_id.to_owned());
    let answered = match method {
        // Their answers to strangers have tests of their own, such as `requests::edits`, `imports::once` and `playback::batch`.
        "UploadService/CreateUpload"
        | "UploadService/Upload"
        | "UploadService/ImportAsset"
        | "AssetService/BatchGetAssets"
        | "PlaybackService/BatchGetPlayback"
        | "AssetService/ListAssets"
        | "RetentionService/GetTenantPolicy"
        | "RetentionService/UpdateTenantPolicy" => return None,
        // They name no asset: `erasure` shows that they take no other tenant's.
        "RetentionService/EraseOwner" | "RetentionService/EraseTenant" => return None,
        // Asked for below, with what is there and what is not.
        "OperationsService/ListJobs" | "OperationsService/ListDeadLetters" | "OperationsService/GetUsage" => return None,
        "OperationsService/ReplayEvents" | "QuarantineService/ListQuarantined" | "AiArtifactService/ListAiArtifacts" => return None,
        "AiArtifactService/RecordAiArtifact" => {
            let provenance = Some(AiProvenance { model: "m".to_owned(), trace_id: "t".to_owned(), ..Default::default() });
            let output = Some(record_ai_artifact_request::Output::OutputAssetId(asset_id));
            caller.ai_artifacts.record_ai_artifact(RecordAiArtifactRequest { output, provenance, ..Default::default() }).await.map(drop)
        }
        "AiArtifactService/GetAiArtifact" => {
            caller.ai_artifacts.get_ai_artifact(GetAiArtifactRequest { ai_artifact_id: asset_id }).await.map(drop)
        }
        "OperationsService/RetryJob" => caller.operations.retry_job(RetryJobRequest { job_id: asset_id }).await.map(drop),
        "OperationsService/RedriveDeadLetters" => {
            caller.operations.redrive_dead_letters(RedriveDeadLettersRequest { dead_letter_ids: vec![asset_id] }).await.map(drop)
        }
        "QuarantineService/ReleaseAsset" => {
            caller.quarantine.release_asset(ReleaseAssetRequest { asset_id, why: "why not".to_owned() }).await.map(drop)
        }
        "QuarantineService/PurgeAsset" => {
            caller.quarantine.purge_asset(PurgeAssetRequest { asset_id, why: "why not".to_owned() }).await.map(drop)
        }
        "QuarantineService/RescanAsset" => {
            caller.quarantine.rescan_asset(RescanAssetRequest { asset_id, why: "why not".to_owned() }).await.map(drop)
        }
        "AssetService/ReprocessAsset" => {
            caller.assets.reprocess_asset(ReprocessAssetRequest { asset_id, etag: String::new() }).await.map(drop)
        }
        "AssetService/RequestVariant" => {
            caller.assets.request_variant(RequestVariantRequest { asset_id, profile: "vtt".to_owned() }).await.map(drop)
        }
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
        "AssetService/RestoreAsset" => caller.assets.restore_asset(RestoreAssetRequest { asset_id, days: 0 }).await.map(drop),
        "AssetService/UndeleteAsset" => {
            caller.assets.undelete_asset(UndeleteAssetRequest { asset_id, ..Default::default() }).await.map(drop)
        }
        "RetentionService/AddReference" => {
            let request = AddReferenceRequest { asset_id, bundle_id: "b".to_owned(), expire_time: None };
            caller.retention.add_reference(request).await.map(drop)
        }
        "RetentionService/RemoveReference" => {
            caller.retention.remove_reference(RemoveReferenceRequest { asset_id, bundle_id: "b".to_owned() }).await.map(drop)
        }
        "RetentionService/SetReferences" => {
            let assets = vec![BundleAsset { asset_id, expire_time: None }];
            caller.retention.set_references(SetReferencesRequest { bundle_id: "b".to_owned(), assets }).await.map(drop)
        }
        "RetentionService/ListReferences" => {
            caller.retention.list_references(ListReferencesRequest { asset_id, ..Default::default() }).await.map(drop)
        }
        "RetentionService/PlaceHold" => {
            caller.retention.place_hold(PlaceHoldRequest { asset_id, reason: "a case".to_owned() }).await.map(drop)
        }
        "RetentionService/ReleaseHold" => {
            let hold_id = AssetId::generate().to_string();
            caller.retention.release_hold(ReleaseHoldRequest { asset_id, hold_id }).await.map(drop)
        }
        "RetentionService/GetErasure" => {
            caller.retention.get_erasure(GetErasureRequest { erasure_id: asset_id, ..Default::default() }).await.map(drop)
        }
        "PlaybackService/GetPlayback" => caller.playback.get_playback(GetPlaybackRequest { asset_id }).await.map(drop),
        "PlaybackService/RevokePlayback" => caller.playback.revoke_playback(RevokePlaybackRequest { asset_id }).await.map(drop),
        "PlaybackService/GetDownloadUrl" => {
            caller.playback.get_download_url(GetDownloadUrlRequest { asset_id, profile: String::new() }).await.map(drop)
        }
        "CaptionService/GenerateCaptions" => {
            caller.captions.generate_captions(GenerateCaptionsRequest { asset_id, ..Default::default() }).await.map(drop)
        }
        "CaptionService/ImportCaptionTrack" => {
            let request = ImportCaptionTrackRequest {
                asset_id,
                language: "en".to_owned(),
                kind: CaptionKind::Captions.into(),
                source: CaptionSource::Human.into(),
                content: samples::subtitle(),
                format: 0,
            };
            caller.captions.import_caption_track(request).await.map(drop)
        }
        "CaptionService/ListCaptionTracks" => {
            caller.captions.list_caption_tracks(ListCaptionTracksRequest { asset_id, ..Default::default() }).await.map(drop)
        }
        "CaptionService/GetCaptionTrack" => {
            caller.captions.get_caption_track(GetCaptionTrackRequest { asset_id, caption_track_id, format: 0 }).await.map(drop)
        }
        "CaptionService/UpdateCaptionTrack" => {
            let request = UpdateCaptionTrackRequest { asset_id, caption_track_id, content: samples::subtitle(), format: 0 };
            caller.captions.update_caption_track(request).await.map(drop)
        }
        "CaptionService/ReviewCaptionTrack" => {
            let (decision, reviewer_user_id) = (CaptionDecision::Approve.into(), caller.owner.to_string());
            let request = ReviewCaptionTrackRequest { asset_id, caption_track_id, decision, reviewer_user_id };
            caller.captions.review_caption_track(request).await.map(drop)
        }
        "CaptionService/DeleteCaptionTrack" => {
            caller.captions.delete_caption_track(DeleteCaptionTrackRequest { asset_id, caption_track_id }).await.map(drop)
        }
        "TranscriptService/GetTranscript" => {
            caller.transcripts.get_transcript(GetTranscriptRequest { asset_id, ..Default::default() }).await.map(drop)
        }
        "TranscriptService/ListTranscripts" => {
            caller.transcripts.list_transcripts(ListTranscriptsRequest { asset_id, ..Default::default() }).await.map(drop)
        }
        "TranscriptService/SearchTranscripts" => {
            let request = SearchTranscriptsRequest { query: "hello".to_owned(), asset_id, ..Default::default() };
            caller.transcripts.search_transcripts(request).await.map(drop)
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
