//! Jobs of a tenant, and one that is tried again.

use media_devstack::Binary;
use media_domain::{AssetId, JobId};
use media_proto::v1::{AssetJob, AssetKind, AssetStatus, JobStatus, ListJobsRequest, RetryJobRequest, WorkQueue};
use tonic::Code;

use super::LIMIT;
use crate::{
    harness::{Caller, World, samples},
    refusals::{reason, refused},
};

const BINARIES: [Binary; 4] = [Binary::Relay, Binary::Api, Binary::Scanner, Binary::Transcoder];

async fn list(caller: &mut Caller, request: ListJobsRequest) -> Vec<AssetJob> {
    caller.operations.list_jobs(request).await.unwrap().into_inner().jobs
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_are_listed_by_each_filter_and_page_by_page() {
    let world = World::with("jobs-listed", &BINARIES).await;
    let mut caller = world.caller().await;
    let picture = caller.upload(AssetKind::Image, "card.png", &samples::picture(400, 200)).await;
    let text = caller.upload(AssetKind::Subtitle, "words.vtt", &samples::subtitle()).await;
    for id in [&picture, &text] {
        caller.until(id, AssetStatus::Ready, LIMIT).await;
    }
    let all = list(&mut caller, ListJobsRequest::default()).await;
    let ids: Vec<String> = all.iter().map(|listed| listed.job.as_ref().unwrap().id.clone()).collect();
    assert!(ids.len() >= 5 && ids.is_sorted_by(|a, b| a > b), "newest first: {ids:?}");
    let of_text = list(&mut caller, ListJobsRequest { asset_id: text.clone(), ..Default::default() }).await;
    let [only] = of_text.as_slice() else { panic!("{of_text:?}") };
    let job = only.job.as_ref().unwrap();
    assert_eq!(
        (only.asset_id.as_str(), job.profile.as_str(), job.status(), only.queue()),
        (text.as_str(), "vtt", JobStatus::Succeeded, WorkQueue::Transcode)
    );
    assert!(only.attempt_count == 1 && only.start_time.is_some() && only.complete_time.is_some(), "{only:?}");
    let skipped = list(&mut caller, ListJobsRequest { status: JobStatus::Skipped.into(), ..Default::default() }).await;
    assert!(!skipped.is_empty() && skipped.iter().all(|it| it.job.as_ref().unwrap().status() == JobStatus::Skipped));
    let named = list(&mut caller, ListJobsRequest { profile: "webp-320".to_owned(), ..Default::default() }).await;
    assert_eq!(named.iter().map(|it| it.asset_id.as_str()).collect::<Vec<_>>(), [picture.as_str()]);
    let queue = |queue: WorkQueue| ListJobsRequest { queue: queue.into(), ..Default::default() };
    assert!(list(&mut caller, queue(WorkQueue::Caption)).await.is_empty());
    assert_eq!(list(&mut caller, queue(WorkQueue::Transcode)).await.len(), all.len() - skipped.len());

    let mut request = ListJobsRequest { page_size: 2, ..Default::default() };
    let mut paged = Vec::new();
    loop {
        let page = caller.operations.list_jobs(request.clone()).await.unwrap().into_inner();
        assert!(page.jobs.len() <= 2);
        paged.extend(page.jobs.into_iter().map(|listed| listed.job.unwrap().id));
        if page.next_page_token.is_empty() {
            break;
        }
        request.page_token = page.next_page_token;
    }
    assert_eq!(paged, ids);
    let invalid = reason(Code::InvalidArgument, "PAGE_TOKEN_INVALID");
    let other_filter = ListJobsRequest { profile: "vtt".to_owned(), ..request.clone() };
    assert_eq!(refused(caller.operations.list_jobs(other_filter).await), invalid);
    assert_eq!(refused(world.caller().await.operations.list_jobs(request).await), invalid, "another tenant");
    let wrong = ListJobsRequest { asset_id: "me".to_owned(), ..Default::default() };
    assert_eq!(refused(caller.operations.list_jobs(wrong).await), reason(Code::InvalidArgument, "FIELD_INVALID"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_optional_job_is_tried_again_alone() {
    let world = World::with("job-retried", &BINARIES).await;
    let (mut caller, sql) = (world.caller().await, world.sql().await);
    let id = caller.upload(AssetKind::Image, "card.png", &samples::picture(400, 200)).await;
    caller.until(&id, AssetStatus::Ready, LIMIT).await;
    let asset = id.parse::<AssetId>().unwrap().as_uuid();
    let generations = async || -> Vec<(String, i32)> {
        sqlx::query_as("SELECT profile, generation FROM media.variants WHERE asset_id = $1 ORDER BY profile")
            .bind(asset)
            .fetch_all(&sql)
            .await
            .unwrap()
    };
    assert!(generations().await.iter().all(|(_, generation)| *generation == 0));
    let of = list(&mut caller, ListJobsRequest { asset_id: id.clone(), profile: "avif-320".to_owned(), ..Default::default() }).await;
    let job_id = of[0].job.as_ref().unwrap().id.clone();
    let retry = RetryJobRequest { job_id: job_id.clone() };
    let set = async |status: &str| {
        sqlx::query("UPDATE media.transcode_jobs SET status = $2, reason = 'timed_out' WHERE id = $1")
            .bind(job_id.parse::<JobId>().unwrap().as_uuid())
            .bind(status)
            .execute(&sql)
            .await
            .unwrap();
    };

    let illegal = reason(Code::FailedPrecondition, "ILLEGAL_TRANSITION");
    assert_eq!(refused(caller.operations.retry_job(retry.clone()).await), illegal, "it succeeded");
    for failed in ["failed", "cancelled"] {
        // As a worker leaves it that gave up, or that was told to stop.
        set(failed).await;
        let job = caller.operations.retry_job(retry.clone()).await.unwrap().into_inner().job.unwrap().job.unwrap();
        assert_eq!((job.status(), job.reason.as_str()), (JobStatus::Waiting, ""), "{failed}");
        let got = caller.until(&id, AssetStatus::Ready, LIMIT).await;
        assert!(got.jobs.iter().any(|job| job.id == job_id && job.status() == JobStatus::Succeeded), "{:?}", got.jobs);
    }
    let again: Vec<_> = generations().await.into_iter().filter(|(_, generation)| *generation > 0).collect();
    assert_eq!(again, [("avif-320".to_owned(), 2)], "nothing else was made again");

    set("failed").await;
    let runs = "UPDATE media.work SET state = 'running', lease_owner = 'somebody', lease_until = now() + interval '1 hour'
                WHERE id = (SELECT id FROM media.work WHERE asset_id = $1 AND group_name = 'stills' LIMIT 1)";
    sqlx::query(runs).bind(asset).execute(&sql).await.unwrap();
    assert_eq!(refused(caller.operations.retry_job(retry.clone()).await), reason(Code::Aborted, "CONTENTION"));
    sqlx::query("UPDATE media.assets SET status = 'scanning' WHERE id = $1").bind(asset).execute(&sql).await.unwrap();
    assert_eq!(refused(caller.operations.retry_job(retry).await), reason(Code::FailedPrecondition, "ASSET_NOT_READY"));
    let unknown = RetryJobRequest { job_id: JobId::generate().to_string() };
    assert_eq!(refused(caller.operations.retry_job(unknown).await), reason(Code::NotFound, "JOB_NOT_FOUND"));
    let wrong = RetryJobRequest { job_id: "x".to_owned() };
    assert_eq!(refused(caller.operations.retry_job(wrong).await), reason(Code::InvalidArgument, "FIELD_INVALID"));
}
