//! A request for every method of the contract, for tests that walk over all of them.

use media_domain::AssetId;
use media_proto::{
    FieldMask,
    v1::{
        AbortUploadRequest, AddReferenceRequest, AiProvenance, Asset, AssetKind, BatchGetAssetsRequest, BatchGetPlaybackRequest,
        BundleAsset, CaptionDecision, CaptionKind, CaptionSource, CompleteUploadRequest, CreateUploadRequest, DeleteAssetRequest,
        DeleteCaptionTrackRequest, EraseOwnerRequest, EraseTenantRequest, GenerateCaptionsRequest, GetAiArtifactRequest, GetAssetRequest,
        GetCaptionTrackRequest, GetDownloadUrlRequest, GetErasureRequest, GetPlaybackRequest, GetTenantPolicyRequest, GetTranscriptRequest,
        GetUsageRequest, ImportAssetRequest, ImportCaptionTrackRequest, ListAiArtifactsRequest, ListAssetsRequest,
        ListCaptionTracksRequest, ListDeadLettersRequest, ListJobsRequest, ListQuarantinedRequest, ListReferencesRequest,
        ListTranscriptsRequest, PlaceHoldRequest, PurgeAssetRequest, RecordAiArtifactRequest, RedriveDeadLettersRequest,
        ReleaseAssetRequest, ReleaseHoldRequest, RemoveReferenceRequest, ReplayEventsRequest, ReprocessAssetRequest, RequestVariantRequest,
        RescanAssetRequest, RestoreAssetRequest, RetryJobRequest, ReviewCaptionTrackRequest, RevokePlaybackRequest,
        SearchTranscriptsRequest, SetReferencesRequest, SignUploadPartsRequest, TenantPolicy, UndeleteAssetRequest, UpdateAssetRequest,
        UpdateCaptionTrackRequest, UpdateTenantPolicyRequest, UploadRequest, WatchAssetRequest, record_ai_artifact_request,
        upload_request::Content,
    },
};
use tonic::{Response, Status};

use super::{Caller, samples};

/// Calls a method with a request that nothing is wrong with but the ids in it, which are these: of an asset, or of whatever else the method
/// is about, and of a caption track. A method that is not here has to be added.
pub async fn ask(caller: &mut Caller, method: &str, asset_id: &str, track_id: &str) -> Result<Response<()>, Status> {
    let (asset_id, caption_track_id) = (asset_id.to_owned(), track_id.to_owned());
    match method {
        "UploadService/CreateUpload" => caller.uploads.create_upload(announced(asset_id)).await.map(bare),
        "UploadService/Upload" => {
            let contents = [Content::Announcement(announced(asset_id)), Content::Chunk(b"WEBVTT\n\n\n\n".to_vec())];
            let messages = contents.map(|content| UploadRequest { content: Some(content) });
            caller.uploads.upload(futures::stream::iter(messages)).await.map(bare)
        }
        "UploadService/ImportAsset" => {
            let CreateUploadRequest { kind, filename, owner_user_id, .. } = announced(asset_id);
            let url = "https://files.example.com/a.vtt".to_owned();
            let request = ImportAssetRequest { url, kind, filename, owner_user_id, ..Default::default() };
            caller.uploads.import_asset(request).await.map(bare)
        }
        "AssetService/BatchGetAssets" => {
            caller.assets.batch_get_assets(BatchGetAssetsRequest { asset_ids: vec![asset_id] }).await.map(bare)
        }
        "PlaybackService/BatchGetPlayback" => {
            caller.playback.batch_get_playback(BatchGetPlaybackRequest { asset_ids: vec![asset_id] }).await.map(bare)
        }
        "AssetService/ListAssets" => {
            caller.assets.list_assets(ListAssetsRequest { owner_user_id: asset_id, ..Default::default() }).await.map(bare)
        }
        "RetentionService/GetTenantPolicy" => caller.retention.get_tenant_policy(GetTenantPolicyRequest {}).await.map(bare),
        "RetentionService/UpdateTenantPolicy" => {
            let policy = TenantPolicy { caption_languages: vec![asset_id], ..Default::default() };
            let update_mask = Some(FieldMask { paths: vec!["caption_languages".to_owned()] });
            caller.retention.update_tenant_policy(UpdateTenantPolicyRequest { policy: Some(policy), update_mask }).await.map(bare)
        }
        "RetentionService/EraseOwner" => {
            caller.retention.erase_owner(EraseOwnerRequest { owner_user_id: asset_id, ..Default::default() }).await.map(bare)
        }
        "RetentionService/EraseTenant" => {
            caller.retention.erase_tenant(EraseTenantRequest { tenant_id: asset_id, ..Default::default() }).await.map(bare)
        }
        "OperationsService/ListJobs" => caller.operations.list_jobs(ListJobsRequest { asset_id, ..Default::default() }).await.map(bare),
        "OperationsService/ListDeadLetters" => {
            caller.operations.list_dead_letters(ListDeadLettersRequest { reason: asset_id, ..Default::default() }).await.map(bare)
        }
        "OperationsService/GetUsage" => caller.operations.get_usage(GetUsageRequest {}).await.map(bare),
        "OperationsService/ReplayEvents" => {
            caller.operations.replay_events(ReplayEventsRequest { asset_id, ..Default::default() }).await.map(bare)
        }
        "QuarantineService/ListQuarantined" => caller.quarantine.list_quarantined(ListQuarantinedRequest::default()).await.map(bare),
        "AiArtifactService/ListAiArtifacts" => {
            let request = ListAiArtifactsRequest { output_asset_id: asset_id, ..Default::default() };
            caller.ai_artifacts.list_ai_artifacts(request).await.map(bare)
        }
        "AiArtifactService/RecordAiArtifact" => {
            let provenance = Some(AiProvenance { model: "m".to_owned(), trace_id: "t".to_owned(), ..Default::default() });
            let output = Some(record_ai_artifact_request::Output::OutputAssetId(asset_id));
            caller.ai_artifacts.record_ai_artifact(RecordAiArtifactRequest { output, provenance, ..Default::default() }).await.map(bare)
        }
        "AiArtifactService/GetAiArtifact" => {
            caller.ai_artifacts.get_ai_artifact(GetAiArtifactRequest { ai_artifact_id: asset_id }).await.map(bare)
        }
        "OperationsService/RetryJob" => caller.operations.retry_job(RetryJobRequest { job_id: asset_id }).await.map(bare),
        "OperationsService/RedriveDeadLetters" => {
            caller.operations.redrive_dead_letters(RedriveDeadLettersRequest { dead_letter_ids: vec![asset_id] }).await.map(bare)
        }
        "QuarantineService/ReleaseAsset" => {
            caller.quarantine.release_asset(ReleaseAssetRequest { asset_id, why: "why not".to_owned() }).await.map(bare)
        }
        "QuarantineService/PurgeAsset" => {
            caller.quarantine.purge_asset(PurgeAssetRequest { asset_id, why: "why not".to_owned() }).await.map(bare)
        }
        "QuarantineService/RescanAsset" => {
            caller.quarantine.rescan_asset(RescanAssetRequest { asset_id, why: "why not".to_owned() }).await.map(bare)
        }
        "AssetService/ReprocessAsset" => {
            caller.assets.reprocess_asset(ReprocessAssetRequest { asset_id, etag: String::new() }).await.map(bare)
        }
        "AssetService/RequestVariant" => {
            caller.assets.request_variant(RequestVariantRequest { asset_id, profile: "vtt".to_owned() }).await.map(bare)
        }
        "UploadService/SignUploadParts" => {
            caller.uploads.sign_upload_parts(SignUploadPartsRequest { asset_id, part_numbers: vec![1] }).await.map(bare)
        }
        "UploadService/CompleteUpload" => {
            caller.uploads.complete_upload(CompleteUploadRequest { asset_id, parts: Vec::new() }).await.map(bare)
        }
        "UploadService/AbortUpload" => caller.uploads.abort_upload(AbortUploadRequest { asset_id }).await.map(bare),
        "AssetService/GetAsset" => caller.assets.get_asset(GetAssetRequest { asset_id }).await.map(bare),
        "AssetService/WatchAsset" => caller.assets.watch_asset(WatchAssetRequest { asset_id }).await.map(bare),
        "AssetService/UpdateAsset" => {
            let asset = Some(Asset { id: asset_id, filename: "theirs.vtt".into(), ..Asset::default() });
            caller.assets.update_asset(UpdateAssetRequest { asset, update_mask: None }).await.map(bare)
        }
        "AssetService/DeleteAsset" => caller.assets.delete_asset(DeleteAssetRequest { asset_id, ..Default::default() }).await.map(bare),
        "AssetService/RestoreAsset" => caller.assets.restore_asset(RestoreAssetRequest { asset_id, days: 0 }).await.map(bare),
        "AssetService/UndeleteAsset" => {
            caller.assets.undelete_asset(UndeleteAssetRequest { asset_id, ..Default::default() }).await.map(bare)
        }
        "RetentionService/AddReference" => {
            let request = AddReferenceRequest { asset_id, bundle_id: "b".to_owned(), expire_time: None };
            caller.retention.add_reference(request).await.map(bare)
        }
        "RetentionService/RemoveReference" => {
            caller.retention.remove_reference(RemoveReferenceRequest { asset_id, bundle_id: "b".to_owned() }).await.map(bare)
        }
        "RetentionService/SetReferences" => {
            let assets = vec![BundleAsset { asset_id, expire_time: None }];
            caller.retention.set_references(SetReferencesRequest { bundle_id: "b".to_owned(), assets }).await.map(bare)
        }
        "RetentionService/ListReferences" => {
            caller.retention.list_references(ListReferencesRequest { asset_id, ..Default::default() }).await.map(bare)
        }
        "RetentionService/PlaceHold" => {
            caller.retention.place_hold(PlaceHoldRequest { asset_id, reason: "a case".to_owned(), ..Default::default() }).await.map(bare)
        }
        "RetentionService/ReleaseHold" => {
            let hold_id = AssetId::generate().to_string();
            caller.retention.release_hold(ReleaseHoldRequest { asset_id, hold_id }).await.map(bare)
        }
        "RetentionService/GetErasure" => {
            caller.retention.get_erasure(GetErasureRequest { erasure_id: asset_id, ..Default::default() }).await.map(bare)
        }
        "PlaybackService/GetPlayback" => caller.playback.get_playback(GetPlaybackRequest { asset_id }).await.map(bare),
        "PlaybackService/RevokePlayback" => caller.playback.revoke_playback(RevokePlaybackRequest { asset_id }).await.map(bare),
        "PlaybackService/GetDownloadUrl" => {
            caller.playback.get_download_url(GetDownloadUrlRequest { asset_id, profile: String::new() }).await.map(bare)
        }
        "CaptionService/GenerateCaptions" => {
            caller.captions.generate_captions(GenerateCaptionsRequest { asset_id, ..Default::default() }).await.map(bare)
        }
        "CaptionService/ImportCaptionTrack" => {
            let request = ImportCaptionTrackRequest {
                asset_id,
                language: "en".to_owned(),
                kind: CaptionKind::Captions.into(),
                source: CaptionSource::Human.into(),
                content: samples::subtitle(),
                ..Default::default()
            };
            caller.captions.import_caption_track(request).await.map(bare)
        }
        "CaptionService/ListCaptionTracks" => {
            caller.captions.list_caption_tracks(ListCaptionTracksRequest { asset_id, ..Default::default() }).await.map(bare)
        }
        "CaptionService/GetCaptionTrack" => {
            caller.captions.get_caption_track(GetCaptionTrackRequest { asset_id, caption_track_id, format: 0 }).await.map(bare)
        }
        "CaptionService/UpdateCaptionTrack" => {
            let request = UpdateCaptionTrackRequest { asset_id, caption_track_id, content: samples::subtitle(), ..Default::default() };
            caller.captions.update_caption_track(request).await.map(bare)
        }
        "CaptionService/ReviewCaptionTrack" => {
            let (decision, reviewer_user_id) = (CaptionDecision::Approve.into(), caller.owner.to_string());
            let request = ReviewCaptionTrackRequest { asset_id, caption_track_id, decision, reviewer_user_id };
            caller.captions.review_caption_track(request).await.map(bare)
        }
        "CaptionService/DeleteCaptionTrack" => {
            caller.captions.delete_caption_track(DeleteCaptionTrackRequest { asset_id, caption_track_id }).await.map(bare)
        }
        "TranscriptService/GetTranscript" => {
            caller.transcripts.get_transcript(GetTranscriptRequest { asset_id, ..Default::default() }).await.map(bare)
        }
        "TranscriptService/ListTranscripts" => {
            caller.transcripts.list_transcripts(ListTranscriptsRequest { asset_id, ..Default::default() }).await.map(bare)
        }
        "TranscriptService/SearchTranscripts" => {
            let request = SearchTranscriptsRequest { query: "hello".to_owned(), asset_id, ..Default::default() };
            caller.transcripts.search_transcripts(request).await.map(bare)
        }
        unknown => panic!("{unknown} is not asked yet: write a request for it"),
    }
}

/// A file announced for an owner of this id.
fn announced(owner_user_id: String) -> CreateUploadRequest {
    CreateUploadRequest {
        kind: AssetKind::Subtitle.into(),
        filename: "a.vtt".to_owned(),
        size_bytes: 10,
        owner_user_id,
        ..Default::default()
    }
}

fn bare<T>(answer: Response<T>) -> Response<()> {
    answer.map(drop)
}
