//! How work ends for its asset: given up, or ready, and either wholly.

use media_domain::{
    AssetId, Kind, Reason, Status, TenantId, TenantPolicy, WorkId,
    work::{Group, Queue},
};
use media_storage::{
    StorageError,
    work::{CaptionWork, Lease},
};

use super::place::{Place, plan_group, profile, tenant};

/// A video after its probe: an optional group, and two that are needed.
pub struct Video {
    pub tenant: TenantId,
    pub asset: AssetId,
    speech: WorkId,
    poster: WorkId,
    ladder: WorkId,
}

pub async fn video(place: &Place) -> Video {
    let tenant = tenant();
    let asset = place.asset_in(tenant, Kind::Video, Status::Transcoding).await;
    let mut tx = place.transcoder.in_tenant(tenant, "test.plan").await.unwrap();
    let speech = plan_group(&mut tx, asset, Group::Speech, &[("speech", false)]).await;
    let poster = plan_group(&mut tx, asset, Group::Poster, &[("poster", true)]).await;
    let ladder = plan_group(&mut tx, asset, Group::Ladder, &[("h264-720p", false), ("h264-360p", true), ("aac-128k", true)]).await;
    tx.transcode_jobs().skip(asset, &profile("h264-1080p"), "the source is smaller").await.unwrap();
    tx.commit().await.unwrap();
    Video { tenant, asset, speech, poster, ladder }
}

/// Leases the groups in their order: speech, poster, ladder.
pub async fn leases(place: &Place) -> [Lease; 3] {
    [place.lease(Queue::Transcode).await, place.lease(Queue::Transcode).await, place.lease(Queue::Transcode).await]
}

#[tokio::test]
async fn giving_up_what_is_required_fails_jobs_and_asset_and_tells_so() {
    let place = Place::new("giving-up-required").await;
    let video = video(&place).await;
    let [speech, poster, ladder] = leases(&place).await;
    assert_eq!((speech.work, poster.work, ladder.work), (video.speech, video.poster, video.ladder));
    let mut tx = place.transcoder.in_tenant(video.tenant, "test.release").await.unwrap();
    tx.work().release(&speech, None, None).await.unwrap();
    tx.transcode_jobs().start(ladder.work).await.unwrap();
    tx.commit().await.unwrap();
    let mut tx = place.transcoder.in_tenant(video.tenant, "worker.give_up").await.unwrap();
    tx.give_up(&ladder, Reason::Corrupt, "21 of 180 frames").await.unwrap();
    tx.commit().await.unwrap();

    assert_eq!(
        place.jobs(video.asset).await,
        ["aac-128k failed", "h264-1080p skipped", "h264-360p failed", "h264-720p failed", "poster cancelled", "speech cancelled"]
    );
    assert_eq!(place.of_work(video.ladder, "concat_ws(' ', state, reason, error_message)").await, "failed corrupt 21 of 180 frames");
    // What waited is cancelled at once; what runs is told with its next heartbeat.
    assert_eq!(place.of_work(video.speech, "state").await, "cancelled");
    assert_eq!(place.of_work(video.poster, "concat_ws(' ', state, cancel_requested)").await, "running t");
    let asset = place.lookup(video.tenant, video.asset).await;
    assert_eq!((asset.status, asset.failure_reason), (Status::Failed, Some(Reason::Corrupt)));
    assert_eq!(asset.failure_detail.as_deref(), Some("21 of 180 frames"));
    assert_eq!(
        place.events(video.asset).await,
        ["media.variant.failed.v1", "media.variant.failed.v1", "media.variant.failed.v1", "media.asset.failed.v1"]
    );
    let letter = place
        .text("SELECT concat_ws(' ', queue, reason, work_id, body->>'assetId', body->>'group', body->>'attempt') FROM media.dead_letters")
        .await;
    assert_eq!(letter, format!("(\"transcode corrupt {} {} ladder 1\")", video.ladder.as_uuid(), video.asset));
}

#[tokio::test]
async fn giving_up_what_is_optional_leaves_the_asset_on_its_way() {
    let place = Place::new("giving-up-optional").await;
    let video = video(&place).await;
    let [speech, poster, ladder] = leases(&place).await;
    let mut tx = place.transcoder.in_tenant(video.tenant, "worker.give_up").await.unwrap();
    tx.give_up(&speech, Reason::Internal, "no luck").await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(place.lookup(video.tenant, video.asset).await.status, Status::Transcoding);
    assert_eq!(place.events(video.asset).await, ["media.variant.failed.v1"]);
    assert_eq!(place.count("media.dead_letters").await, 1);
    assert_eq!(place.of_work(poster.work, "cancel_requested").await, "false");
    finish(&place, &poster, &["poster"]).await;
    finish(&place, &ladder, &["h264-720p", "h264-360p", "aac-128k"]).await;
    assert_eq!(place.lookup(video.tenant, video.asset).await.status, Status::Ready);
}

#[tokio::test]
async fn work_that_fails_sheds_its_optional_jobs_and_tries_the_required_ones_anew() {
    let place = Place::new("giving-up-shed").await;
    let video = video(&place).await;
    let [_, poster, ladder] = leases(&place).await;
    finish(&place, &poster, &["poster"]).await;
    place.set_work(video.ladder, "failures = 2").await;
    let mut tx = place.transcoder.in_tenant(video.tenant, "worker.give_up").await.unwrap();
    tx.give_up(&ladder, Reason::LimitHit, "too much memory").await.unwrap();
    tx.commit().await.unwrap();

    let of_ladder =
        async || place.jobs(video.asset).await.into_iter().filter(|job| job.contains('k') || job.contains("p ")).collect::<Vec<_>>();
    assert_eq!(of_ladder().await, ["aac-128k waiting", "h264-1080p skipped", "h264-360p waiting", "h264-720p failed"]);
    assert_eq!(place.of_work(video.ladder, "concat_ws(' ', state, failures)").await, "waiting 0");
    assert_eq!(place.lookup(video.tenant, video.asset).await.status, Status::Transcoding);
    assert_eq!(place.events(video.asset).await, ["media.variant.failed.v1"]);
    assert_eq!(place.count("media.dead_letters").await, 0, "it was not given up");

    let again = place.lease(Queue::Transcode).await;
    assert_eq!((again.work, again.failures), (video.ladder, 0));
    let mut tx = place.transcoder.in_tenant(video.tenant, "test.read").await.unwrap();
    let mut left = tx.transcode_jobs().of_work(video.ladder).await.unwrap();
    left.sort();
    assert_eq!(left, [profile("aac-128k"), profile("h264-360p")], "what failed is not made again");
    // There is nothing more to shed.
    tx.give_up(&again, Reason::LimitHit, "too much memory").await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(place.lookup(video.tenant, video.asset).await.failure_reason, Some(Reason::LimitHit));
}

#[tokio::test]
async fn giving_up_happens_wholly_or_not_at_all() {
    let place = Place::new("giving-up-atomic").await;
    let video = video(&place).await;
    let [_, _, ladder] = leases(&place).await;
    let before = whole(&place, &video).await;
    sqlx::raw_sql(
        "CREATE FUNCTION media.refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'not today'; END $$;
         CREATE TRIGGER refuse BEFORE INSERT ON media.dead_letters FOR EACH ROW EXECUTE FUNCTION media.refuse()",
    )
    .execute(&place.superuser)
    .await
    .unwrap();
    let mut tx = place.transcoder.in_tenant(video.tenant, "worker.give_up").await.unwrap();
    let refused = tx.give_up(&ladder, Reason::Corrupt, "late").await;
    assert!(matches!(refused, Err(StorageError::Refused(_))), "{refused:?}");
    let committed = tx.commit().await;
    assert_eq!(whole(&place, &video).await, before, "{committed:?}");

    sqlx::raw_sql("DROP TRIGGER refuse ON media.dead_letters").execute(&place.superuser).await.unwrap();
    let mut tx = place.transcoder.in_tenant(video.tenant, "worker.give_up").await.unwrap();
    tx.give_up(&ladder, Reason::Corrupt, "given up, and the process died before it committed").await.unwrap();
    drop(tx);
    assert_eq!(whole(&place, &video).await, before);
}

async fn whole(place: &Place, video: &Video) -> (Status, Vec<String>, Vec<String>, String, i64) {
    let status = place.lookup(video.tenant, video.asset).await.status;
    let work = place.of_work(video.ladder, "work").await;
    (status, place.jobs(video.asset).await, place.events(video.asset).await, work, place.count("media.dead_letters").await)
}

#[tokio::test]
async fn a_scan_that_is_given_up_fails_the_asset_by_every_role_that_may_give_it_up() {
    let place = Place::new("giving-up-scan").await;
    for database in [&place.scanner, &place.janitor] {
        let tenant = tenant();
        let asset = place.asset_in(tenant, Kind::Image, Status::Scanning).await;
        place.plan(tenant, asset, Group::Scan, 1).await;
        let lease = place.lease(Queue::Scan).await;
        let mut tx = database.in_tenant(tenant, "worker.give_up").await.unwrap();
        tx.give_up(&lease, Reason::WorkerLost, "lost").await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(place.lookup(tenant, asset).await.failure_reason, Some(Reason::WorkerLost));
    }
}

#[tokio::test]
async fn captions_that_are_given_up_leave_a_ready_asset_ready() {
    let place = Place::new("giving-up-captions").await;
    let tenant = tenant();
    let asset = place.asset_in(tenant, Kind::Video, Status::Ready).await;
    place.plan(tenant, asset, Group::Captions, 1).await;
    let lease = place.lease(Queue::Caption).await;
    let mut tx = place.captioner.in_tenant(tenant, "worker.give_up").await.unwrap();
    tx.give_up(&lease, Reason::Internal, "no luck").await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(place.lookup(tenant, asset).await.status, Status::Ready);
    assert_eq!(place.count("media.dead_letters").await, 1);
}

#[tokio::test]
async fn captions_that_are_given_up_are_followed_by_those_in_the_policys_next_language_whoever_gives_them_up() {
    let place = Place::new("giving-up-language").await;
    for database in [&place.captioner, &place.janitor] {
        let tenant = tenant();
        let asset = place.asset_in(tenant, Kind::Video, Status::Ready).await;
        let languages = ["fr", "de", "en"].map(str::to_owned).to_vec();
        let mut tx = place.api.in_tenant(tenant, "test.policy").await.unwrap();
        let before = TenantPolicy::default();
        tx.tenant_policies().put(&TenantPolicy { caption_languages: languages, ..before.clone() }, &before, "test").await.unwrap();
        let CaptionWork::Planned(work) = tx.work().plan_captions(asset, Some("fr"), 1).await.unwrap() else { panic!("it was planned") };
        tx.transcode_jobs().plan(asset, work, &profile("captions"), false).await.unwrap();
        tx.commit().await.unwrap();
        for (language, left) in [("fr", "captions waiting"), ("de", "captions waiting"), ("en", "captions failed")] {
            let lease = place.lease(Queue::Caption).await;
            assert_eq!((lease.asset, lease.language.as_deref()), (asset, Some(language)));
            let mut tx = database.in_tenant(tenant, "worker.give_up").await.unwrap();
            tx.give_up(&lease, Reason::WorkerLost, "lost").await.unwrap();
            tx.commit().await.unwrap();
            assert_eq!(place.jobs(asset).await, [left], "{language}");
        }
        assert!(place.claim(Queue::Caption).await.is_none());
    }
}

#[tokio::test]
async fn an_asset_is_ready_only_when_every_required_job_has_succeeded() {
    let place = Place::new("ready-complete").await;
    let video = video(&place).await;
    let [_, poster, ladder] = leases(&place).await;
    finish(&place, &poster, &["poster"]).await;
    assert_eq!(place.lookup(video.tenant, video.asset).await.status, Status::Transcoding);
    // The optional rung and speech are not waited for.
    finish(&place, &ladder, &["h264-360p", "aac-128k"]).await;
    assert_eq!(place.lookup(video.tenant, video.asset).await.status, Status::Ready);
    assert_eq!(place.events(video.asset).await, ["media.asset.ready.v1"]);
    // Asked again, it is told once.
    let mut tx = place.transcoder.in_tenant(video.tenant, "test.again").await.unwrap();
    assert!(!tx.ready_if_complete(video.asset).await.unwrap());
    tx.commit().await.unwrap();
    assert_eq!(place.events(video.asset).await.len(), 1);
}

#[tokio::test]
async fn one_required_job_that_has_not_succeeded_keeps_the_asset_from_ready_whatever_its_state() {
    let place = Place::new("ready-incomplete").await;
    let tenant = tenant();
    let asset = place.asset_in(tenant, Kind::Audio, Status::Transcoding).await;
    let mut tx = place.transcoder.in_tenant(tenant, "test.plan").await.unwrap();
    plan_group(&mut tx, asset, Group::Audio, &[("aac-128k", true)]).await;
    tx.commit().await.unwrap();
    for status in ["waiting", "running", "failed", "cancelled", "skipped", "succeeded"] {
        sqlx::query("UPDATE media.transcode_jobs SET status = $1").bind(status).execute(&place.superuser).await.unwrap();
        let mut tx = place.transcoder.in_tenant(tenant, "test.ready").await.unwrap();
        assert_eq!(tx.ready_if_complete(asset).await.unwrap(), status == "succeeded", "{status}");
    }
}

#[tokio::test]
async fn two_groups_that_finish_at_once_make_the_asset_ready_once() {
    let place = Place::new("ready-at-once").await;
    let video = video(&place).await;
    let [_, poster, ladder] = leases(&place).await;
    let mut first = place.transcoder.in_tenant(video.tenant, "transcoder.commit").await.unwrap();
    let mut second = place.transcoder.in_tenant(video.tenant, "transcoder.commit").await.unwrap();
    first.work().complete(&poster).await.unwrap();
    first.transcode_jobs().succeed(poster.work, &profile("poster")).await.unwrap();
    second.work().complete(&ladder).await.unwrap();
    for name in ["h264-360p", "aac-128k"] {
        second.transcode_jobs().succeed(ladder.work, &profile(name)).await.unwrap();
    }
    // Neither sees what the other has done; whoever comes last must.
    assert!(!first.ready_if_complete(video.asset).await.unwrap());
    let last = async {
        let ready = second.ready_if_complete(video.asset).await.unwrap();
        second.commit().await.unwrap();
        ready
    };
    let commit = async {
        place.until_somebody_waits_for_a_lock().await;
        first.commit().await.unwrap();
    };
    let (ready, ()) = tokio::join!(last, commit);
    assert!(ready);
    assert_eq!(place.lookup(video.tenant, video.asset).await.status, Status::Ready);
    assert_eq!(place.events(video.asset).await, ["media.asset.ready.v1"]);
}

#[tokio::test]
async fn work_on_a_deleted_asset_ends_without_a_failure() {
    let place = Place::new("giving-up-deleted").await;
    let video = video(&place).await;
    let [_, _, ladder] = leases(&place).await;
    let mut tx = place.api.in_tenant(video.tenant, "api.delete").await.unwrap();
    tx.assets().delete(video.asset, None).await.unwrap();
    tx.commit().await.unwrap();
    let before = place.events(video.asset).await;
    let mut tx = place.transcoder.in_tenant(video.tenant, "worker.give_up").await.unwrap();
    tx.give_up(&ladder, Reason::Corrupt, "cut off").await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(place.of_work(video.ladder, "state").await, "cancelled");
    assert_eq!(place.events(video.asset).await, before, "its owner has let it go: nobody is told of a failure");
    assert_eq!(place.count("media.dead_letters").await, 0);
}

/// A job that was cancelled between the work and its commit: nothing of the commit may stand.
#[tokio::test]
async fn a_cancelled_job_cannot_succeed() {
    let place = Place::new("giving-up-cancelled").await;
    let video = video(&place).await;
    let [_, poster, _] = leases(&place).await;
    let mut tx = place.api.in_tenant(video.tenant, "api.delete").await.unwrap();
    tx.assets().delete(video.asset, None).await.unwrap();
    tx.commit().await.unwrap();
    let mut tx = place.transcoder.in_tenant(video.tenant, "transcoder.commit").await.unwrap();
    let refused = tx.transcode_jobs().succeed(poster.work, &profile("poster")).await;
    assert!(matches!(refused, Err(StorageError::LeaseLost)), "{refused:?}");
}

/// Commits a piece of work as the transcoder does.
pub async fn finish(place: &Place, lease: &Lease, profiles: &[&str]) {
    let mut tx = place.transcoder.in_tenant(lease.tenant, "transcoder.commit").await.unwrap();
    tx.work().complete(lease).await.unwrap();
    for name in profiles {
        tx.transcode_jobs().succeed(lease.work, &profile(name)).await.unwrap();
    }
    tx.ready_if_complete(lease.asset).await.unwrap();
    tx.commit().await.unwrap();
}
