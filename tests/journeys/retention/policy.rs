//! What a tenant decides for itself.

use std::time::Duration;

use media_devstack::Binary;
use media_proto::v1::{
    AssetKind, AssetStatus, CaptionMode, CaptionVisibility, CreateUploadRequest, GetTenantPolicyRequest, JobStatus, KindLimit,
    TenantPolicy, UpdateTenantPolicyRequest,
};
use tonic::Code;
use tonic_types::StatusExt;

use super::{announce, change};
use crate::{
    harness::{Caller, World, caller, samples},
    refusals::{reason, refusal, refused},
};

async fn get(caller: &mut Caller) -> TenantPolicy {
    caller.retention.get_tenant_policy(GetTenantPolicyRequest {}).await.unwrap().into_inner().policy.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_reads_its_policy_and_changes_what_the_mask_names() {
    let world = World::with("policy", &[Binary::Api]).await;
    let (mut owner, mut other) = (world.caller().await, world.caller().await);
    let first = get(&mut owner).await;
    assert_eq!((first.operational_days, first.ai_generated_days), (Some(90), Some(90)));
    assert_eq!((first.grace_days, first.archive_after_days, first.quota_bytes), (Some(30), Some(365), None));
    assert_eq!((first.captions(), first.caption_visibility()), (CaptionMode::Automatic, CaptionVisibility::Approved));
    assert_eq!((first.etag.as_str(), first.update_time), ("0", None));

    let wanted = TenantPolicy {
        operational_days: Some(7),
        grace_days: Some(0),
        quota_bytes: Some(1 << 40),
        captions: CaptionMode::OnRequest.into(),
        caption_languages: vec!["de-CH".to_owned()],
        etag: first.etag.clone(),
        ..Default::default()
    };
    let second = change(&mut owner, wanted.clone(), &["grace_days", "captions", "caption_languages", "quota_bytes"]).await.unwrap();
    assert_eq!((second.operational_days, second.grace_days, second.quota_bytes), (Some(90), Some(0), Some(1 << 40)), "as the mask says");
    assert_eq!((second.captions(), second.caption_languages.as_slice()), (CaptionMode::OnRequest, &["de-CH".to_owned()][..]));
    assert!(second.etag != first.etag && second.update_time.is_some());
    assert_eq!(get(&mut owner).await, second);

    let stale = change(&mut owner, wanted, &["operational_days"]).await;
    assert_eq!(refused(stale), reason(Code::Aborted, "ETAG_MISMATCH"));
    assert_eq!(get(&mut owner).await, second);
    let reset = change(&mut owner, TenantPolicy { etag: second.etag, ..Default::default() }, &["*"]).await.unwrap();
    assert_eq!((reset.grace_days, reset.quota_bytes, reset.captions()), (Some(30), None, CaptionMode::Automatic));

    assert_eq!(get(&mut other).await, TenantPolicy { tenant_id: other.tenant.to_string(), ..first });
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_policy_is_refused_by_its_fields() {
    let world = World::with("policy-refused", &[Binary::Api]).await;
    let mut owner = world.caller().await;
    let bad = TenantPolicy {
        operational_days: Some(0),
        grace_days: Some(5_000),
        quota_bytes: Some(0),
        limits: vec![KindLimit { kind: AssetKind::Subtitle.into(), max_bytes: 1 << 30 }],
        caption_languages: vec!["Swiss German".to_owned()],
        profiles: vec!["webp-640".to_owned(), "the-best".to_owned()],
        ..Default::default()
    };
    let refused_fields = change(&mut owner, bad.clone(), &["*"]).await.unwrap_err();
    assert_eq!(refusal(&refused_fields), reason(Code::InvalidArgument, "FIELD_INVALID"));
    let details = refused_fields.get_error_details();
    let fields: Vec<&str> = details.bad_request().unwrap().field_violations.iter().map(|it| it.field.as_str()).collect();
    assert_eq!(fields, ["operational_days", "grace_days", "quota_bytes", "limits", "caption_languages", "profiles"]);
    for mask in [&[][..], &["etag"], &["nonsense"]] {
        assert_eq!(refused(change(&mut owner, bad.clone(), mask).await), reason(Code::InvalidArgument, "FIELD_INVALID"), "{mask:?}");
    }
    let none = owner.retention.update_tenant_policy(UpdateTenantPolicyRequest::default()).await;
    assert_eq!(refused(none), reason(Code::InvalidArgument, "FIELD_INVALID"));

    let (url, missing) = (world.fleet.grpc_url(), reason(Code::PermissionDenied, "SCOPE_MISSING"));
    let mut writer = Caller::with_token(&url, owner.tenant, caller::token(owner.tenant, "media.read media.write media.delete", 60)).await;
    assert_eq!(refused(change(&mut writer, TenantPolicy::default(), &["*"]).await), missing);
    assert_eq!(get(&mut writer).await.etag, "0");
    let mut blind = Caller::with_token(&url, owner.tenant, caller::token(owner.tenant, "media.admin", 60)).await;
    assert_eq!(refused(blind.retention.get_tenant_policy(GetTenantPolicyRequest {}).await), missing);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_lowers_the_services_limit_for_itself_alone() {
    let world = World::with("policy-limit", &[Binary::Api]).await;
    let (mut owner, mut other) = (world.caller().await, world.caller().await);
    let limits = vec![KindLimit { kind: AssetKind::Document.into(), max_bytes: 1000 }];
    change(&mut owner, TenantPolicy { limits, ..Default::default() }, &["limits"]).await.unwrap();
    let over = announce(&mut owner, 1001).await.unwrap_err();
    assert_eq!(refusal(&over), reason(Code::InvalidArgument, "SIZE_EXCEEDS_LIMIT"));
    let details = over.get_error_details();
    let violation = &details.bad_request().unwrap().field_violations[0];
    assert_eq!(violation.field, "size_bytes");
    assert!(violation.description.contains("the tenant's limit for document is 1000"), "{}", violation.description);
    announce(&mut owner, 1000).await.unwrap();
    owner.uploads.create_upload(owner.request(AssetKind::Image, "a.png", 1001)).await.unwrap();
    announce(&mut other, 1001).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn without_captions_no_speech_is_made_and_the_asset_is_ready() {
    let world = World::with("policy-captions", &[Binary::Relay, Binary::Api, Binary::Scanner, Binary::Transcoder]).await;
    let mut caller = world.caller().await;
    let film = samples::video(320, 240, 2);
    for (mode, asked, is_made) in [
        (CaptionMode::Off, &["speech"][..], false),
        (CaptionMode::OnRequest, &[], false),
        (CaptionMode::OnRequest, &["speech"], true),
        (CaptionMode::Automatic, &[], true),
    ] {
        change(&mut caller, TenantPolicy { captions: mode.into(), ..Default::default() }, &["captions"]).await.unwrap();
        let mut request = caller.request(AssetKind::Video, "film.mp4", film.len());
        request.profiles = asked.iter().map(ToString::to_string).collect();
        let created = caller.create(request).await;
        caller.put_all(&created, &film).await;
        let id = created.asset.unwrap().id;
        caller.complete(&id).await.unwrap();
        let got = caller.until(&id, AssetStatus::Ready, Duration::from_secs(120)).await;
        let speech = got.jobs.iter().find(|job| job.profile == "speech").unwrap();
        let expected = if is_made { JobStatus::Succeeded } else { JobStatus::Skipped };
        assert_eq!(speech.status(), expected, "{mode:?} {asked:?}: {speech:?}");
        assert_eq!(got.jobs.iter().any(|job| job.profile == "captions"), is_made, "{mode:?} {asked:?}");
        assert!(is_made || speech.reason.contains("policy"), "{}", speech.reason);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_made_where_nobody_asked_for_anything_is_the_policys() {
    let world = World::with("policy-profiles", &[Binary::Relay, Binary::Api, Binary::Scanner, Binary::Transcoder]).await;
    let mut owner = world.caller().await;
    let wanted = TenantPolicy { profiles: vec!["webp-640".to_owned(), "h264-360p".to_owned()], ..Default::default() };
    let policy = change(&mut owner, wanted.clone(), &["profiles"]).await.unwrap();
    assert_eq!(policy.profiles, wanted.profiles);
    // The smallest is required, whatever anybody says.
    for (width, asked, made) in [(1400, &[][..], &["webp-320", "webp-640"][..]), (1402, &["webp-1280"], &["webp-1280", "webp-320"])] {
        let bytes = samples::picture(width, 700);
        let profiles = asked.iter().map(ToString::to_string).collect();
        let created = owner.create(CreateUploadRequest { profiles, ..owner.request(AssetKind::Image, "card.png", bytes.len()) }).await;
        owner.put_all(&created, &bytes).await;
        let id = created.asset.unwrap().id;
        owner.complete(&id).await.unwrap();
        let got = owner.until(&id, AssetStatus::Ready, Duration::from_secs(60)).await;
        let mut names: Vec<&str> = got.variants.iter().map(|variant| variant.profile.as_str()).collect();
        names.sort_unstable();
        assert_eq!(names, made, "{asked:?}");
    }
}
