//! How far jobs are, and how soon they stop.
//!
//! - a_watcher_sees_each_job_rise_to_its_end_and_the_stream_ends_after_the_last
//! - the_jobs_of_a_deleted_asset_stop_within_five_seconds

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use media_devstack::Binary;
use media_proto::v1::{AssetKind, AssetStatus, DeleteAssetRequest, JobStatus, WatchAssetRequest};

use crate::harness::{World, child_of, eventually, is_running, samples};

const LIMIT: Duration = Duration::from_secs(120);

#[tokio::test(flavor = "multi_thread")]
async fn a_watcher_sees_each_job_rise_to_its_end_and_the_stream_ends_after_the_last() {
    let world = World::with("progress", &Binary::ALL).await;
    let mut caller = world.caller().await;
    let asset_id = caller.upload(AssetKind::Video, "film.mp4", &samples::video(1280, 720, 40)).await;
    let mut stream = caller.assets.watch_asset(WatchAssetRequest { asset_id }).await.unwrap().into_inner();
    let (mut seen, mut last) = (BTreeMap::<String, BTreeSet<i32>>::new(), None);
    while let Some(now) = tokio::time::timeout(LIMIT, stream.message()).await.expect("the stream moves").unwrap() {
        for job in &now.jobs {
            let percents = seen.entry(job.profile.clone()).or_default();
            let highest = percents.last().copied().unwrap_or(0);
            assert!(job.progress_percent >= highest, "{} fell from {highest} to {}", job.profile, job.progress_percent);
            assert!(job.progress_percent < 100 || job.status() == JobStatus::Succeeded, "{job:?}");
            percents.insert(job.progress_percent);
        }
        last = Some(now);
    }
    let between = seen["h264-360p"].iter().filter(|percent| (1..=99).contains(*percent)).count();
    assert!(between >= 2, "a watcher sees a rung grow: {seen:?}");
    let last = last.unwrap();
    assert_eq!(last.asset.unwrap().status(), AssetStatus::Ready);
    for profile in ["h264-720p", "captions"] {
        let job = last.jobs.iter().find(|job| job.profile == profile).unwrap();
        assert_eq!((job.status(), job.progress_percent), (JobStatus::Succeeded, 100), "{profile}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_jobs_of_a_deleted_asset_stop_within_five_seconds() {
    let mut world = World::with("deleted-in-mid-job", &[Binary::Relay, Binary::Api, Binary::Scanner, Binary::Janitor]).await;
    // A heartbeat tells the job. That those of the default leave it time enough is a test of the transcoder's settings.
    let transcoder = world.start(Binary::Transcoder, &[]).await;
    let mut caller = world.caller().await;
    let asset_id = caller.upload(AssetKind::Video, "film.mp4", &samples::video(1280, 720, 90)).await;
    eventually("a rung is being made", LIMIT, async || {
        let jobs = caller.get(&asset_id).await.jobs;
        let is_made = jobs.iter().any(|job| job.profile == "h264-720p" && job.status() == JobStatus::Running);
        if is_made { Ok(()) } else { Err(jobs) }
    })
    .await;
    let child = child_of(transcoder.pid()).await;

    let deleted = Instant::now();
    caller.assets.delete_asset(DeleteAssetRequest { asset_id, ..Default::default() }).await.unwrap();
    eventually("the child is gone", LIMIT, async || if is_running(child) { Err("it runs") } else { Ok(()) }).await;
    assert!(deleted.elapsed() < Duration::from_secs(5), "it took {:?}", deleted.elapsed());

    let sql = world.sql().await;
    eventually("nothing is left of the attempt", LIMIT, async || {
        let (left, uploads): (Vec<String>, i64) = sqlx::query_as(
            "SELECT array(SELECT state FROM media.work WHERE state IN ('waiting', 'running')), (SELECT count(*) FROM media.output_uploads)",
        )
        .fetch_one(&sql)
        .await
        .unwrap();
        if left.is_empty() && uploads == 0 { Ok(()) } else { Err((left, uploads)) }
    })
    .await;
    transcoder.kill().unwrap();
}
