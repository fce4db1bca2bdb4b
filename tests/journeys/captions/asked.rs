//! Captions for those who ask, in the language that was asked for, and in those of the policy.

use media_devstack::Binary;
use media_domain::{AssetId, DeadLetterId, TenantId};
use media_proto::{
    FieldMask,
    v1::{
        AssetKind, AssetStatus, CaptionMode, DeleteAssetRequest, GenerateCaptionsRequest, Job, JobStatus, RedriveDeadLettersRequest,
        RedriveOutcome, RequestVariantRequest, RetryJobRequest, TenantPolicy, UndeleteAssetRequest, UpdateTenantPolicyRequest,
    },
};
use sqlx::PgPool;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use super::{LIMIT, generated::voice, reason, refusal};
use crate::harness::{Caller, World, eventually};

async fn decide(caller: &mut Caller, captions: CaptionMode, languages: &[&str]) {
    let caption_languages = languages.iter().map(ToString::to_string).collect();
    let policy = Some(TenantPolicy { captions: captions.into(), caption_languages, ..Default::default() });
    let update_mask = Some(FieldMask { paths: vec!["captions".to_owned(), "caption_languages".to_owned()] });
    caller.retention.update_tenant_policy(UpdateTenantPolicyRequest { policy, update_mask }).await.unwrap();
}

async fn generate(caller: &mut Caller, id: &str, language: &str) -> Result<Job, Status> {
    let request = GenerateCaptionsRequest { asset_id: id.to_owned(), language: language.to_owned(), ..Default::default() };
    Ok(caller.captions.generate_captions(request).await?.into_inner().job.unwrap())
}

async fn job_until(caller: &Caller, id: &str, profile: &str, wanted: impl Fn(&Job) -> bool) -> Job {
    let mut caller = caller.clone();
    eventually(&format!("the job {profile} of {id}"), LIMIT, async move || {
        let job = caller.get(id).await.jobs.into_iter().find(|job| job.profile == profile);
        job.clone().filter(|job| wanted(job)).ok_or(job)
    })
    .await
}

/// The languages in which captions were planned, in order.
async fn languages(sql: &PgPool, tenant: TenantId, id: &str) -> Vec<Option<String>> {
    sqlx::query_scalar(
        "SELECT language FROM media.work WHERE tenant_id = $1 AND asset_id = $2 AND group_name = 'captions' ORDER BY created_at, id",
    )
    .bind(tenant.0)
    .bind(id.parse::<AssetId>().unwrap().as_uuid())
    .fetch_all(sql)
    .await
    .unwrap()
}

fn some(languages: &[&str]) -> Vec<Option<String>> {
    languages.iter().map(|language| Some((*language).to_owned())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn on_request_speech_is_made_first_and_captions_follow_in_the_language_that_was_asked_for() {
    let world = World::with("captions-asked", &Binary::ALL).await;
    let sql = world.sql().await;
    let mut caller = world.caller().await;
    decide(&mut caller, CaptionMode::OnRequest, &["fr"]).await;
    let id = caller.upload(AssetKind::Audio, "voice.m4a", &voice()).await;
    let got = caller.until(&id, AssetStatus::Ready, LIMIT).await;
    assert!(!got.variants.iter().any(|variant| variant.profile == "speech") && got.caption_tracks.is_empty());

    let job = generate(&mut caller, &id, "en").await.unwrap();
    assert_eq!(job.profile, "speech", "what is done first: {job:?}");
    assert_eq!(refusal(generate(&mut caller, &id, "de").await).0, Code::Aborted, "one language at a time");
    job_until(&caller, &id, "captions", |job| job.status() == JobStatus::Succeeded).await;
    assert_eq!(languages(&sql, caller.tenant, &id).await, some(&["en"]), "not in those of the policy: somebody asked");
    assert_eq!(caller.get(&id).await.caption_tracks[0].language, "en");

    // Without a language the model finds it out.
    // Other bytes, or it would share the speech that is there.
    let other = [voice(), b"\0\0\0\x08free".to_vec()].concat();
    let auto = caller.upload(AssetKind::Audio, "again.m4a", &other).await;
    caller.until(&auto, AssetStatus::Ready, LIMIT).await;
    assert_eq!(generate(&mut caller, &auto, "").await.unwrap().profile, "speech");
    job_until(&caller, &auto, "captions", |job| job.status() == JobStatus::Succeeded).await;
    assert_eq!(languages(&sql, caller.tenant, &auto).await, [None]);
}

/// Captions of an asset that a captioner has given up; answers the dead letter.
async fn given_up(sql: &PgPool, caller: &Caller, asset_id: &str) -> String {
    let (asset, letter) = (asset_id.parse::<AssetId>().unwrap().as_uuid(), DeadLetterId::generate());
    for statement in [
        "INSERT INTO media.work (id, tenant_id, asset_id, queue, group_name, state) VALUES ($1, $2, $3, 'caption', 'captions', 'failed')",
        "INSERT INTO media.transcode_jobs (id, tenant_id, asset_id, work_id, profile, status, reason)
         VALUES (gen_random_uuid(), $2, $3, $1, 'captions', 'failed', 'timed_out')",
        "INSERT INTO media.dead_letters (id, tenant_id, queue, work_id, reason, body) VALUES ($1, $2, 'caption', $1, 'timed_out', jsonb_build_object('assetId', $3::text))",
    ] {
        // One id for the work and for its letter.
        let insert = sqlx::query(statement).bind(letter.as_uuid()).bind(caller.tenant.0).bind(asset);
        insert.execute(sql).await.unwrap();
    }
    letter.to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn without_captions_nobody_gets_any_by_whatever_way_they_ask() {
    let world = World::with("captions-off", &[Binary::Api, Binary::Relay, Binary::Scanner, Binary::Transcoder]).await;
    let mut caller = world.caller().await;
    decide(&mut caller, CaptionMode::Off, &[]).await;
    let id = caller.upload(AssetKind::Audio, "voice.m4a", &voice()).await;
    caller.until(&id, AssetStatus::Ready, LIMIT).await;
    let off = reason(Code::FailedPrecondition, "CAPTIONS_OFF");
    let speech = RequestVariantRequest { asset_id: id.clone(), profile: "speech".to_owned() };
    assert_eq!(refusal(generate(&mut caller, &id, "en").await), off);
    assert_eq!(refusal(caller.assets.request_variant(speech.clone()).await), off);
    let unknown = RequestVariantRequest { asset_id: id.clone(), profile: "av1-9000p".to_owned() };
    let refused = caller.assets.request_variant(unknown).await.unwrap_err();
    let details = refused.get_error_details();
    let [violation] = &details.bad_request().unwrap().field_violations[..] else { panic!("{refused:?}") };
    assert!(violation.field == "profile" && violation.description.contains("waveform"), "it names those that there are: {violation:?}");
    let waveform = RequestVariantRequest { asset_id: id.clone(), profile: "waveform".to_owned() };
    caller.assets.request_variant(waveform).await.unwrap();
    let jobs = caller.get(&id).await.jobs;
    assert!(
        jobs.iter().all(|job| job.profile != "captions" && (job.profile != "speech" || job.status() == JobStatus::Skipped)),
        "{jobs:?}"
    );

    // What was given up before is not heard again either.
    let sql = world.sql().await;
    let letter = given_up(&sql, &caller, &id).await;
    let redrive = RedriveDeadLettersRequest { dead_letter_ids: vec![letter] };
    let [redriven] = &caller.operations.redrive_dead_letters(redrive).await.unwrap().into_inner().dead_letters[..] else { panic!("one") };
    assert_eq!(redriven.outcome(), RedriveOutcome::Obsolete);
    job_until(&caller, &id, "captions", |job| job.status() == JobStatus::Failed).await;
    sqlx::query("DELETE FROM media.transcode_jobs WHERE profile = 'captions'").execute(&sql).await.unwrap();

    decide(&mut caller, CaptionMode::OnRequest, &[]).await;
    assert_eq!(caller.assets.request_variant(speech).await.unwrap().into_inner().job.unwrap().status(), JobStatus::Waiting);
    job_until(&caller, &id, "captions", |job| job.status() == JobStatus::Waiting).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn captions_are_made_in_each_language_of_the_policy_also_after_one_that_fails() {
    let world = World::with("captions-languages", &Binary::ALL).await;
    let sql = world.sql().await;
    let mut caller = world.caller().await;
    // The model of the tests knows English alone, and its regions by no other name.
    decide(&mut caller, CaptionMode::Automatic, &["fr", "en"]).await;
    let id = caller.upload(AssetKind::Audio, "voice.m4a", &voice()).await;
    job_until(&caller, &id, "captions", |job| job.status() == JobStatus::Succeeded).await;
    assert_eq!(languages(&sql, caller.tenant, &id).await, some(&["fr", "en"]));
    assert_eq!(caller.get(&id).await.caption_tracks.iter().map(|track| track.language.as_str()).collect::<Vec<_>>(), ["en"]);

    // One that was asked for beside them makes none of them again.
    generate(&mut caller, &id, "en").await.unwrap();
    job_until(&caller, &id, "captions", |job| job.status() == JobStatus::Succeeded).await;
    assert_eq!(languages(&sql, caller.tenant, &id).await, some(&["fr", "en", "en"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_language_is_kept_when_captions_are_planned_again() {
    let mut world = World::with("captions-kept", &[Binary::Api, Binary::Relay, Binary::Scanner, Binary::Transcoder]).await;
    let sql = world.sql().await;
    let mut caller = world.caller().await;
    let id = caller.upload(AssetKind::Audio, "voice.m4a", &voice()).await;
    caller.until(&id, AssetStatus::Ready, LIMIT).await;
    job_until(&caller, &id, "captions", |job| job.status() == JobStatus::Waiting).await;
    let captioner = world.start(Binary::Captioner, &[]).await;
    job_until(&caller, &id, "captions", |job| job.status() == JobStatus::Succeeded).await;
    generate(&mut caller, &id, "fr").await.unwrap();
    let failed = job_until(&caller, &id, "captions", |job| job.status() == JobStatus::Failed).await;
    caller.operations.retry_job(RetryJobRequest { job_id: failed.id }).await.unwrap();
    // Without its language it would be heard, and succeed.
    let again = job_until(&caller, &id, "captions", |job| !matches!(job.status(), JobStatus::Waiting | JobStatus::Running)).await;
    assert_eq!((again.status(), again.reason.as_str()), (JobStatus::Failed, "language_unsupported"));
    assert_eq!(languages(&sql, caller.tenant, &id).await[1..], some(&["fr", "fr"]));
    drop(captioner);

    // Deleted while it waited, and brought back.
    generate(&mut caller, &id, "en").await.unwrap();
    caller.assets.delete_asset(DeleteAssetRequest { asset_id: id.clone(), ..Default::default() }).await.unwrap();
    caller.assets.undelete_asset(UndeleteAssetRequest { asset_id: id.clone(), ..Default::default() }).await.unwrap();
    job_until(&caller, &id, "captions", |job| job.status() == JobStatus::Waiting).await;
    assert_eq!(languages(&sql, caller.tenant, &id).await[3..], some(&["en", "en"]));
    let _captioner = world.start(Binary::Captioner, &[]).await;
    job_until(&caller, &id, "captions", |job| job.status() == JobStatus::Succeeded).await;
}
