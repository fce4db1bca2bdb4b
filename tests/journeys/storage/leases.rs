//! Leases: what a worker may do while it holds one, and that it may do nothing once it does not.

use std::time::Duration;

use media_domain::{
    Kind, Reason,
    command::Delay,
    work::{Group, Queue},
};
use media_storage::{
    StorageError,
    output_uploads::OutputUpload,
    work::{Heartbeat, Lease},
};

use super::place::{LEASE, Place, blob, plan_group, profile, tenant, variant};

/// The janitor finds a lease that is over and gives the work back.
async fn take_away(place: &Place, lease: &Lease) {
    place.end_lease(lease.work).await;
    let mut tx = place.janitor.in_tenant(lease.tenant, "test.sweep").await.unwrap();
    let expired = tx.work().lock_expired(lease.work, lease.attempt).await.unwrap().expect("it is over");
    tx.work().release(&expired, None, Some((Reason::WorkerLost, "lost"))).await.unwrap();
    tx.commit().await.unwrap();
}

#[tokio::test]
async fn a_worker_whose_lease_was_taken_cannot_commit() {
    let place = Place::new("leases-taken").await;
    let tenant = tenant();
    let asset = place.asset(tenant, Kind::Video).await;
    let mut tx = place.transcoder.in_tenant(tenant, "test.plan").await.unwrap();
    plan_group(&mut tx, asset, Group::Ladder, &[("h264-360p", true)]).await;
    tx.commit().await.unwrap();
    let old = place.lease(Queue::Transcode).await;
    take_away(&place, &old).await;
    // Between the two attempts, nobody holds it.
    everything_is_refused(&place, &old).await;
    let new = place.lease(Queue::Transcode).await;
    assert_eq!((new.work, new.attempt, new.failures), (old.work, old.attempt + 1, 1));
    everything_is_refused(&place, &old).await;

    // As a worker commits: the fence first, and what depends on it only after.
    let mut tx = place.transcoder.in_tenant(tenant, "transcoder.commit").await.unwrap();
    let committed = tx.work().complete(&old).await;
    assert!(matches!(committed, Err(StorageError::LeaseLost)), "{committed:?}");
    drop(tx);

    let mut tx = place.transcoder.in_tenant(tenant, "transcoder.commit").await.unwrap();
    tx.work().complete(&new).await.unwrap();
    tx.variants().put(&variant(asset, "h264-360p", "new", 0)).await.unwrap();
    tx.transcode_jobs().succeed(new.work, &profile("h264-360p")).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(place.of_work(new.work, "state").await, "succeeded");
    assert_eq!(place.count("media.variants").await, 1);
    everything_is_refused(&place, &old).await;
    everything_is_refused(&place, &new).await;
}

/// Every write that names an attempt, each in a transaction of its own.
async fn everything_is_refused(place: &Place, lease: &Lease) {
    let before = place.of_work(lease.work, "work").await;
    for what in 0..6 {
        let mut tx = place.transcoder.in_tenant(lease.tenant, "test.fenced").await.unwrap();
        let upload = OutputUpload { blob: blob("late"), s3_upload_id: "late".to_owned() };
        let refused = match what {
            0 => tx.work().complete(lease).await,
            1 => tx.work().heartbeat(lease, LEASE).await.map(drop),
            2 => tx.work().release(lease, None, None).await,
            3 => tx.work().cancelled(lease).await,
            4 => tx.give_up(lease, Reason::Internal, "late").await,
            _ => tx.output_uploads().insert(lease, &profile("h264-360p"), &upload).await,
        };
        assert!(matches!(refused, Err(StorageError::LeaseLost)), "{what}: {refused:?}");
    }
    let mut tx = place.transcoder.in_tenant(lease.tenant, "test.fenced").await.unwrap();
    assert!(tx.work().lookup_lease(lease.work, lease.attempt).await.unwrap().is_none());
    assert_eq!(place.of_work(lease.work, "work").await, before);
}

#[tokio::test]
async fn a_lease_that_is_being_committed_is_not_taken() {
    let place = Place::new("leases-committing").await;
    place.work(tenant(), Group::Scan).await;
    let lease = place.lease(Queue::Scan).await;
    place.end_lease(lease.work).await;
    let mut committing = place.scanner.in_tenant(lease.tenant, "scanner.commit").await.unwrap();
    committing.work().complete(&lease).await.unwrap();
    let sweep = async {
        let mut tx = place.janitor.in_tenant(lease.tenant, "test.sweep").await.unwrap();
        tx.work().lock_expired(lease.work, lease.attempt).await.unwrap()
    };
    let commit = async {
        place.until_somebody_waits_for_a_lock().await;
        committing.commit().await.unwrap();
    };
    let (found, ()) = tokio::join!(sweep, commit);
    assert!(found.is_none(), "{found:?}");
    assert_eq!(place.of_work(lease.work, "state").await, "succeeded");
}

#[tokio::test]
async fn a_heartbeat_prolongs_the_lease_so_that_it_is_not_taken() {
    let place = Place::new("leases-heartbeat").await;
    place.work(tenant(), Group::Scan).await;
    let lease = place.lease(Queue::Scan).await;
    place.end_lease(lease.work).await;
    assert_eq!(place.janitor.across_tenants().expired_leases(10).await.unwrap().len(), 1);
    let mut tx = place.scanner.in_tenant(lease.tenant, "worker.heartbeat").await.unwrap();
    assert_eq!(tx.work().heartbeat(&lease, Duration::from_secs(600)).await.unwrap(), Heartbeat::Held);
    tx.commit().await.unwrap();
    assert_eq!(place.janitor.across_tenants().expired_leases(10).await.unwrap(), []);
    let seconds = place.of_work(lease.work, "extract(epoch FROM lease_until - clock_timestamp())::int BETWEEN 570 AND 600").await;
    assert_eq!(seconds, "true");
    let mut tx = place.janitor.in_tenant(lease.tenant, "test.sweep").await.unwrap();
    assert!(tx.work().lock_expired(lease.work, lease.attempt).await.unwrap().is_none());
}

#[tokio::test]
async fn a_heartbeat_brings_back_a_cancellation_after_which_nothing_can_be_committed() {
    let place = Place::new("leases-cancelled").await;
    let tenant = tenant();
    let asset = place.asset(tenant, Kind::Video).await;
    let running = place.plan(tenant, asset, Group::Poster, 0).await;
    let lease = place.lease(Queue::Transcode).await;
    let waiting = place.plan(tenant, asset, Group::Ladder, 1).await;
    let mut tx = place.api.in_tenant(tenant, "api.delete").await.unwrap();
    tx.assets().delete(asset, None).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(place.of_work(waiting, "state").await, "cancelled");
    assert_eq!(place.claim(Queue::Transcode).await, None);

    let mut tx = place.transcoder.in_tenant(tenant, "worker.heartbeat").await.unwrap();
    assert_eq!(tx.work().heartbeat(&lease, LEASE).await.unwrap(), Heartbeat::CancelRequested);
    let committed = tx.work().complete(&lease).await;
    assert!(matches!(committed, Err(StorageError::LeaseLost)), "{committed:?}");
    tx.work().cancelled(&lease).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(place.of_work(running, "state").await, "cancelled");
}

#[tokio::test]
async fn what_is_released_with_a_delay_is_not_claimed_before() {
    let place = Place::new("leases-delay").await;
    let work = place.work(tenant(), Group::Scan).await;
    let lease = place.lease(Queue::Scan).await;
    let mut tx = place.scanner.in_tenant(lease.tenant, "worker.release").await.unwrap();
    tx.work().release(&lease, Some(Delay::OneMinute), Some((Reason::Internal, "no luck"))).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(place.claim(Queue::Scan).await, None);
    assert_eq!(place.of_work(work, "not_before BETWEEN clock_timestamp() + '20 s' AND clock_timestamp() + '60 s'").await, "true");
    // Its command goes by way of the queue that waits as long.
    assert_eq!(place.count("media.outbox WHERE routing_key = 'media.scan.delay.1m'").await, 1);
    place.set_work(work, "not_before = clock_timestamp() - interval '1 ms'").await;
    let again = place.lease(Queue::Scan).await;
    assert_eq!((again.work, again.attempt, again.failures), (work, 2, 1));
}

#[tokio::test]
async fn a_release_on_shutdown_is_no_failure_and_can_be_claimed_at_once() {
    let place = Place::new("leases-shutdown").await;
    let work = place.work(tenant(), Group::Scan).await;
    let lease = place.lease(Queue::Scan).await;
    let mut tx = place.scanner.in_tenant(lease.tenant, "worker.release").await.unwrap();
    tx.work().release(&lease, None, None).await.unwrap();
    tx.commit().await.unwrap();
    let again = place.lease(Queue::Scan).await;
    assert_eq!((again.work, again.attempt, again.failures), (work, 2, 0));
}

/// The loop is one for all workers: what it does with a lease, each worker's role must be allowed to do.
#[tokio::test]
async fn every_worker_may_do_what_the_loop_does_with_a_lease() {
    let place = Place::new("leases-privileges").await;
    for (queue, group) in [(Queue::Scan, Group::Scan), (Queue::Transcode, Group::Ladder), (Queue::Caption, Group::Captions)] {
        let work = place.work(tenant(), group).await;
        for attempt in 1..=4 {
            let lease = place.lease(queue).await;
            assert_eq!((lease.work, lease.attempt), (work, attempt), "{queue}");
            let mut tx = place.worker(queue).in_tenant(lease.tenant, "test.loop").await.unwrap();
            tx.transcode_jobs().start(work).await.unwrap();
            tx.work().heartbeat(&lease, LEASE).await.unwrap();
            tx.transcode_jobs().progress(work, 50).await.unwrap();
            match attempt {
                1 => tx.work().release(&lease, None, None).await.unwrap(),
                2 => tx.work().complete(&lease).await.unwrap(),
                3 => tx.work().cancelled(&lease).await.unwrap(),
                _ => tx.give_up(&lease, Reason::Internal, "enough").await.unwrap(),
            }
            // Only the release stays: the others are tried on the attempt that follows, and taken back.
            if attempt == 1 || attempt == 4 {
                tx.commit().await.unwrap();
            } else {
                drop(tx);
                take_away(&place, &lease).await;
            }
        }
        assert_eq!(place.of_work(work, "state").await, "failed", "{queue}");
    }
}

#[tokio::test]
async fn a_new_attempt_finds_the_uploads_that_earlier_ones_left() {
    let place = Place::new("leases-uploads").await;
    let work = place.work(tenant(), Group::Ladder).await;
    let first = place.lease(Queue::Transcode).await;
    let mut tx = place.transcoder.in_tenant(first.tenant, "test.upload").await.unwrap();
    let upload = |id: &str| OutputUpload { blob: blob(id), s3_upload_id: id.to_owned() };
    tx.output_uploads().insert(&first, &profile("h264-360p"), &upload("one")).await.unwrap();
    tx.output_uploads().insert(&first, &profile("aac-128k"), &upload("two")).await.unwrap();
    tx.commit().await.unwrap();
    take_away(&place, &first).await;

    let second = place.lease(Queue::Transcode).await;
    let mut tx = place.transcoder.in_tenant(first.tenant, "test.upload").await.unwrap();
    tx.output_uploads().insert(&second, &profile("h264-360p"), &upload("three")).await.unwrap();
    let mut left: Vec<_> =
        tx.output_uploads().of_earlier_attempts(&second).await.unwrap().into_iter().map(|upload| upload.s3_upload_id).collect();
    left.sort();
    assert_eq!(left, ["one", "two"]);
    tx.output_uploads().forget_earlier_attempts(work, second.attempt).await.unwrap();
    let left: Vec<_> = tx.output_uploads().of_work(work).await.unwrap().into_iter().map(|upload| upload.s3_upload_id).collect();
    assert_eq!(left, ["three"]);
}
