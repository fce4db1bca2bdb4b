//! OperationsService.

use media_proto::v1::{
    CaptionMode, GetUsageRequest, JobStatus, ListDeadLettersRequest, ListJobsRequest, RedriveDeadLettersRequest, ReplayEventsRequest,
    RetryJobRequest,
};

use super::scene::{Scene, captions, sound_of, uuid};
use crate::harness::Caller;

pub async fn walk(scene: &Scene) {
    let cells = &scene.cells;
    let (mut owner, mut stranger) = (scene.owner.clone(), scene.stranger.clone());
    let jobs = ListJobsRequest { asset_id: scene.announced.clone(), ..Default::default() };
    assert_eq!(cells.happy(owner.operations.list_jobs(jobs.clone()).await).jobs.len(), 1);
    cells.apart(stranger.operations.list_jobs(jobs.clone()).await, |answer| answer.jobs.is_empty());
    let forged = ListJobsRequest { page_token: "forged".to_owned(), ..jobs };
    cells.refused("PAGE_TOKEN_INVALID", owner.operations.list_jobs(forged).await);

    let letters = ListDeadLettersRequest::default();
    assert_eq!(cells.happy(owner.operations.list_dead_letters(letters.clone()).await).dead_letters.len(), 1);
    cells.apart(stranger.operations.list_dead_letters(letters.clone()).await, |answer| answer.dead_letters.is_empty());
    let forged = ListDeadLettersRequest { page_token: "forged".to_owned(), ..letters };
    cells.refused("PAGE_TOKEN_INVALID", owner.operations.list_dead_letters(forged).await);
    let redrive = RedriveDeadLettersRequest { dead_letter_ids: vec![scene.dead_letter.clone()] };
    assert_eq!(cells.happy(owner.operations.redrive_dead_letters(redrive).await).dead_letters.len(), 1);

    let replay = ReplayEventsRequest { asset_id: scene.announced.clone(), ..Default::default() };
    assert_eq!(cells.happy(owner.operations.replay_events(replay.clone()).await).event_count, 1);
    cells.apart(stranger.operations.replay_events(replay.clone()).await, |answer| answer.event_count == 0);
    let forged = ReplayEventsRequest { page_token: "forged".to_owned(), ..replay };
    cells.refused("PAGE_TOKEN_INVALID", owner.operations.replay_events(forged).await);

    assert!(cells.happy(owner.operations.get_usage(GetUsageRequest {}).await).original_bytes > 0);
    let mut newcomer = scene.world.caller().await;
    cells.apart(newcomer.operations.get_usage(GetUsageRequest {}).await, |answer| {
        answer.original_bytes == 0 && answer.asset_counts.is_empty()
    });
    retries(scene).await;
}

/// The job of a profile, which ended as a worker would have left it.
async fn ended(scene: &Scene, caller: &mut Caller, asset_id: &str, profile: &str) -> RetryJobRequest {
    let jobs = caller.get(asset_id).await.jobs;
    let job_id = jobs.into_iter().find(|job| job.profile == profile).unwrap().id;
    let failed = sqlx::query("UPDATE media.transcode_jobs SET status = 'failed', reason = 'timed_out' WHERE id = $1").bind(uuid(&job_id));
    assert_eq!(failed.execute(&scene.sql).await.unwrap().rows_affected(), 1);
    RetryJobRequest { job_id }
}

async fn retries(scene: &Scene) {
    let cells = &scene.cells;
    let mut owner = scene.owner.clone();
    let id = owner.upload(media_proto::v1::AssetKind::Audio, "tone.m4a", &sound_of(3)).await;
    let made = owner.until(&id, media_proto::v1::AssetStatus::Ready, std::time::Duration::from_secs(90)).await;
    let done = made.jobs.iter().find(|job| job.status() == JobStatus::Succeeded).unwrap().id.clone();
    cells.refused("ILLEGAL_TRANSITION", owner.operations.retry_job(RetryJobRequest { job_id: done }).await);
    cells.refused("ASSET_NOT_READY", owner.operations.retry_job(RetryJobRequest { job_id: scene.job.clone() }).await);
    let speech = ended(scene, &mut owner, &id, "speech").await;
    captions(&mut owner, CaptionMode::Off).await;
    cells.refused("CAPTIONS_OFF", owner.operations.retry_job(speech).await);
    captions(&mut owner, CaptionMode::OnRequest).await;
    let waveform = ended(scene, &mut owner, &id, "waveform").await;
    scene.archive(&id, Some("archived")).await;
    cells.refused("ASSET_ARCHIVED", owner.operations.retry_job(waveform.clone()).await);
    scene.archive(&id, None).await;
    assert_eq!(cells.happy(owner.operations.retry_job(waveform.clone()).await).job.unwrap().job.unwrap().profile, "waveform");
    let found = sqlx::query("UPDATE media.assets SET status = 'quarantined' WHERE id = $1").bind(uuid(&id));
    assert_eq!(found.execute(&scene.sql).await.unwrap().rows_affected(), 1);
    cells.refused("ASSET_QUARANTINED", owner.operations.retry_job(waveform).await);
}
