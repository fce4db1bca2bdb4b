//! A world whose workers reach the store through a proxy, and what must be true of an asset when all is over.

use std::{collections::BTreeMap, time::Duration};

use media_devstack::{Binary, Service};
use media_domain::{AssetId, work::Queue};
use media_proto::v1::{AssetKind, AssetStatus, Job, JobStatus};
use sqlx::PgPool;

use crate::harness::Bucket;
use crate::harness::{Caller, Consumer, StoreProxy, World, eventually, samples};

pub const LIMIT: Duration = Duration::from_secs(120);
/// How long what was killed may leave traces in the bucket after its asset is ready.
const CLEAN_LIMIT: Duration = Duration::from_secs(15);

pub struct Scene {
    pub world: World,
    pub proxy: StoreProxy,
    pub bucket: Bucket,
    pub sql: PgPool,
    pub consumer: Consumer,
    pub caller: Caller,
}

impl Scene {
    /// These run until the scene ends; what is to be killed is started by [`worker`](Self::worker).
    pub async fn with(name: &str, binaries: &[Binary]) -> Self {
        Self::prepared(name, |_| (), binaries).await
    }

    /// The same in a world that something is set in before.
    pub async fn prepared(name: &str, prepare: impl FnOnce(&mut World), binaries: &[Binary]) -> Self {
        let mut world = World::new(name).await;
        prepare(&mut world);
        // So long that none is lost to a machine that stands still for a while; who kills a worker ends its lease.
        world.fleet.set("MEDIA__WORKER__LEASE", "60s");
        world.fleet.set("MEDIA__WORKER__HEARTBEAT", "500ms");
        world.fleet.set("MEDIA__WORKER__IDLE_POLL", "1s");
        let proxy = StoreProxy::before(world.isolated().s3_endpoint()).await;
        world.start_all(binaries).await;
        let consumer = world.consumer().await;
        let caller = world.caller().await;
        Self { bucket: Bucket::of(world.isolated()), sql: world.sql().await, world, proxy, consumer, caller }
    }

    /// Starts a worker behind the proxy.
    pub async fn worker(&mut self, binary: Binary) -> Service {
        let endpoint = self.proxy.endpoint();
        self.world.start(binary, &[("MEDIA__S3__ENDPOINT", &endpoint)]).await
    }

    /// `kill -9` of a worker, and the end of the lease that it leaves.
    pub async fn kill(&self, worker: Service, queue: Queue) {
        worker.kill().unwrap();
        end_lease(&self.sql, queue).await;
    }

    /// Waits until the asset is ready and told of, and says that each thing of it is there exactly once: its rows, their
    /// events, and their objects.
    pub async fn assert_ready_once(&mut self, id: &str) {
        let got = self.caller.until(id, AssetStatus::Ready, LIMIT).await;
        let ended = |status| matches!(status, JobStatus::Succeeded | JobStatus::Skipped);
        assert!(got.jobs.iter().all(|job| ended(job.status())), "{:?}", got.jobs);
        let unfinished: Vec<(String, String)> =
            sqlx::query_as("SELECT group_name, state FROM media.work WHERE asset_id = $1 AND state <> 'succeeded'")
                .bind(asset(id).as_uuid())
                .fetch_all(&self.sql)
                .await
                .unwrap();
        assert_eq!(unfinished, [], "no work is left that somebody would do again");
        self.until_all_is_told(id).await;
        self.consumer.assert_in_order(id);

        let events = self.consumer.of(id);
        let ready = events.iter().filter(|event| event.event_type == "media.asset.ready.v1").count();
        assert_eq!(ready, 1, "it became ready once");
        let mut told: Vec<(String, String)> = events
            .iter()
            .filter(|event| event.event_type == "media.variant.created.v1")
            .map(|event| (event.data["profile"].as_str().unwrap().to_owned(), event.data["variantId"].as_str().unwrap().to_owned()))
            .collect();
        told.sort();
        let mut made = self.variants(id).await;
        made.sort();
        assert_eq!(told, made, "profile and id of each variant: as told, and as its row has them");
        let has_variant = |job: &&Job| job.status() == JobStatus::Succeeded && job.profile != "captions";
        let mut succeeded: Vec<&str> = got.jobs.iter().filter(has_variant).map(|job| job.profile.as_str()).collect();
        succeeded.sort_unstable();
        assert_eq!(made.iter().map(|(profile, _)| profile.as_str()).collect::<Vec<_>>(), succeeded, "one row for each job");
        self.assert_bucket_is_what_rows_name().await;
    }

    /// Says that no upload is open and that the objects are those, and of those sizes, that rows name.
    pub async fn assert_bucket_is_what_rows_name(&self) {
        let named: BTreeMap<String, Option<i64>> = sqlx::query_as::<_, (String, Option<i64>)>(
            "SELECT key, size_bytes FROM media.assets UNION ALL SELECT key, size_bytes FROM media.variants
             UNION ALL SELECT c.version_key, b.size_bytes FROM media.caption_tracks c JOIN media.blobs b ON b.key = c.version_key",
        )
        .fetch_all(&self.sql)
        .await
        .unwrap()
        .into_iter()
        .collect();
        eventually("the bucket holds what rows name, and nothing else", CLEAN_LIMIT, async || {
            let uploads = self.bucket.uploads().await;
            let objects = self.bucket.objects().await.into_iter().map(|(key, stored)| (key, Some(stored.size))).collect();
            if uploads.is_empty() && named == objects { Ok(()) } else { Err((uploads, objects, &named)) }
        })
        .await;
    }

    /// Profile and id of each row.
    async fn variants(&self, id: &str) -> Vec<(String, String)> {
        let rows: Vec<(String, uuid::Uuid)> = sqlx::query_as("SELECT profile, id::uuid FROM media.variants WHERE asset_id = $1")
            .bind(asset(id).as_uuid())
            .fetch_all(&self.sql)
            .await
            .unwrap();
        rows.into_iter().map(|(profile, id)| (profile, media_domain::VariantId::from(id).to_string())).collect()
    }

    /// The one row of a profile: its key and size.
    pub async fn variant(&self, id: &str, profile: &str) -> (String, i64) {
        sqlx::query_as("SELECT key, size_bytes FROM media.variants WHERE asset_id = $1 AND profile = $2")
            .bind(asset(id).as_uuid())
            .bind(profile)
            .fetch_one(&self.sql)
            .await
            .unwrap()
    }

    /// How often the work of a group was claimed.
    pub async fn attempts(&self, id: &str, group: &str) -> i32 {
        sqlx::query_scalar("SELECT attempts FROM media.work WHERE asset_id = $1 AND group_name = $2")
            .bind(asset(id).as_uuid())
            .bind(group)
            .fetch_one(&self.sql)
            .await
            .unwrap()
    }

    /// Waits until the consumer has seen every event in the outbox of an asset that became ready.
    pub async fn until_all_is_told(&self, id: &str) {
        self.consumer.until(id, "media.asset.ready.v1", LIMIT).await;
        eventually("every event of the outbox arrived", LIMIT, async || {
            let written: Vec<uuid::Uuid> =
                sqlx::query_scalar("SELECT id::uuid FROM media.outbox WHERE aggregate_id = $1 AND kind = 'event' ORDER BY sequence")
                    .bind(asset(id).as_uuid())
                    .fetch_all(&self.sql)
                    .await
                    .unwrap();
            let written: Vec<String> = written.into_iter().map(|id| media_domain::EventId::from(id).to_string()).collect();
            let seen: Vec<String> = self.consumer.of(id).into_iter().map(|event| event.id).collect();
            if written == seen { Ok(()) } else { Err((written, seen)) }
        })
        .await;
    }

    /// Uploads a film without sound that has one rung, made in a moment.
    pub async fn upload_small_film(&mut self) -> String {
        self.caller.upload(AssetKind::Video, "film.mp4", &small_film()).await
    }
}

/// Lets the lease be over of what a queue's worker has in hand, as if the time of it had passed.
pub async fn end_lease(sql: &PgPool, queue: Queue) {
    let end = "UPDATE media.work SET lease_until = clock_timestamp() - interval '1 second' WHERE queue = $1 AND state = 'running'";
    let ended = sqlx::query(end).bind(queue.as_str()).execute(sql).await.unwrap().rows_affected();
    assert_eq!(ended, 1, "the worker had one piece of work in hand");
}

pub fn asset(id: &str) -> AssetId {
    id.parse().unwrap()
}

/// Four seconds at the size of the lowest rung.
fn small_film() -> Vec<u8> {
    let picture = "testsrc2=size=640x360:rate=25:duration=4";
    samples::ffmpeg(
        "film.mp4",
        &["-f", "lavfi", "-i", picture, "-pix_fmt", "yuv420p", "-c:v", "libx264", "-preset", "ultrafast", "-movflags", "+faststart"],
    )
}

/// So full of noise that its highest rung, at 2.8 Mbit/s, has a whole part of 5 MiB long before its end; at few frames a
/// second, so that it is soon made.
pub fn noisy_film() -> Vec<u8> {
    let picture = "testsrc2=size=1280x720:rate=5:duration=26,noise=alls=80:allf=t";
    let options = ["-pix_fmt", "yuv420p", "-c:v", "libx264", "-preset", "ultrafast", "-b:v", "6M", "-movflags", "+faststart"];
    samples::ffmpeg("noise.mp4", &[&["-f", "lavfi", "-i", picture], &options[..]].concat())
}
