//! Who may not call, and what a stranger learns of another tenant's assets: nothing.

use media_devstack::Binary;
use media_domain::{AiArtifactId, AssetId, CaptionTrackId, DeadLetterId, JobId, TenantId};
use media_proto::v1::{
    AssetKind, AssetStatus, CaptionKind, DeleteAssetRequest, EraseOwnerRequest, GetAssetRequest, GetUsageRequest, ListAiArtifactsRequest,
    ListAssetsRequest, ListDeadLettersRequest, ListJobsRequest, ListQuarantinedRequest, PurgeAssetRequest, ReplayEventsRequest,
    asset_service_client::AssetServiceClient,
};
use tonic::{Code, Request, metadata::MetadataValue, transport::Channel};
use uuid::Uuid;

use super::{reason, refused};
use crate::harness::{Caller, World, answers::Answers, asking::ask, caller, contract::CONTRACT, samples};

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

    let mut bare = AssetServiceClient::new(Answers(Channel::from_shared(url.clone()).unwrap().connect().await.unwrap()));
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
    for method in naming() {
        let theirs = match method {
            "OperationsService/RetryJob" => &job,
            "OperationsService/RedriveDeadLetters" => &letter,
            "AiArtifactService/GetAiArtifact" => &artifact,
            "RetentionService/GetErasure" => &erasure,
            _ => &id,
        };
        let foreign = ask(&mut stranger, method, theirs, &track).await.expect_err(method);
        let unknown = ask(&mut stranger, method, &never, &no_track).await.expect_err(method);
        let not_found = match method {
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
        let foreign = ask(&mut stranger, &method, &own, &track).await.expect_err(&method);
        let unknown = ask(&mut stranger, &method, &own, &no_track).await.expect_err(&method);
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

/// Every method of which a request names one thing that is there, and that another tenant may have.
pub fn naming() -> impl Iterator<Item = &'static str> {
    // What of these a stranger learns, the journeys `matrix` show: they make something, tell of all that a tenant has, or of several at once.
    let others = [
        "UploadService/CreateUpload",
        "UploadService/Upload",
        "UploadService/ImportAsset",
        "AssetService/BatchGetAssets",
        "AssetService/ListAssets",
        "PlaybackService/BatchGetPlayback",
        "RetentionService/GetTenantPolicy",
        "RetentionService/UpdateTenantPolicy",
        "RetentionService/EraseOwner",
        "RetentionService/EraseTenant",
        "OperationsService/ListJobs",
        "OperationsService/ListDeadLetters",
        "OperationsService/GetUsage",
        "OperationsService/ReplayEvents",
        "QuarantineService/ListQuarantined",
        "AiArtifactService/ListAiArtifacts",
    ];
    CONTRACT.methods.keys().map(String::as_str).filter(move |method| !others.contains(method))
}

/// The same token under another signature.
fn tampered(token: &str) -> String {
    let (head, signature) = token.rsplit_once('.').unwrap();
    let flipped = if signature.starts_with('A') { 'B' } else { 'A' };
    format!("{head}.{flipped}{}", &signature[1..])
}
