//! What the walks ask about: tenants, their assets in every state, and an instance of the service that soon has enough.

use std::{fmt::Debug, time::Duration};

use media_devstack::Binary;
use media_domain::AssetId;
use media_proto::v1::{AssetKind, AssetStatus, CaptionMode, TenantPolicy};
use sqlx::PgPool;
use tonic::{Response, Status};

use super::cells::Cells;
use crate::{
    harness::{Caller, World, eventually, samples},
    operations::infected_document,
    refusals::{refusal, strangers},
    retention::{change, letter, quota},
};

const LIMIT: Duration = Duration::from_secs(90);
const BINARIES: [Binary; 5] = [Binary::Relay, Binary::Api, Binary::Scanner, Binary::Transcoder, Binary::Janitor];

pub struct Scene {
    pub cells: Cells,
    pub world: World,
    pub sql: PgPool,
    /// Captions are made on request.
    pub owner: Caller,
    pub stranger: Caller,
    /// Has a quota of one byte.
    pub poor: Caller,
    /// Of an instance that takes one create at once, one stream, and waits one second for the next message.
    pub hurried: Caller,
    _hurried: World,
    /// A document that is ready.
    pub letter: String,
    /// Music that is ready, without speech or captions.
    pub sound: String,
    /// A document in quarantine.
    pub infected: String,
    /// Announced, and not uploaded.
    pub announced: String,
    /// A failed job and a dead letter of `announced`.
    pub job: String,
    pub dead_letter: String,
    /// What our own machine made of `announced`.
    pub artifact: String,
}

impl Scene {
    pub async fn new() -> Self {
        let world = World::with("matrix", &BINARIES).await;
        let mut limits = World::new("matrix-hurried").await;
        for (setting, value) in [
            ("MEDIA__RATE_LIMIT__CREATES_PER_SECOND", "1"),
            ("MEDIA__RATE_LIMIT__CREATES_AT_ONCE", "1"),
            ("MEDIA__UPLOADS__IDLE_MAX", "1s"),
            ("MEDIA__WATCH__STREAMS_MAX", "1"),
        ] {
            limits.fleet.set(setting, value);
        }
        limits.start_all(&[Binary::Api]).await;
        let (sql, mut owner, mut poor) = (world.sql().await, world.caller().await, world.caller().await);
        let (stranger, hurried) = (world.caller().await, limits.caller().await);
        captions(&mut owner, CaptionMode::OnRequest).await;
        quota(&mut poor, 1).await;
        let sound = owner.upload(AssetKind::Audio, "tone.m4a", &sound_of(2)).await;
        let infected = owner.upload(AssetKind::Document, "letter.rtf", &infected_document()).await;
        let letter = letter(&mut owner, 500).await;
        let announced = owner.create(owner.request(AssetKind::Subtitle, "words.vtt", 10)).await.asset.unwrap().id;
        let (job, dead_letter) = strangers::job_and_letter(&world, owner.tenant, &announced).await;
        let artifact = strangers::artifact(&world, owner.tenant, &announced).await;
        owner.until(&infected, AssetStatus::Quarantined, LIMIT).await;
        for id in [&letter, &sound] {
            owner.until(id, AssetStatus::Ready, LIMIT).await;
        }
        Self {
            cells: Cells::default(),
            world,
            sql,
            owner,
            stranger,
            poor,
            hurried,
            _hurried: limits,
            letter,
            sound,
            infected,
            announced,
            job,
            dead_letter,
            artifact,
        }
    }

    /// One more letter that is ready, and like no other.
    pub async fn another_letter(&self) -> String {
        let mut owner = self.owner.clone();
        let id = letter(&mut owner, 500).await;
        owner.until(&id, AssetStatus::Ready, LIMIT).await;
        id
    }

    /// Asks `hurried` until it is refused for this reason: how fast it may be asked is its clock's to say.
    pub async fn soon_refused<T: Debug>(&self, reason: &str, mut ask: impl AsyncFnMut() -> Result<Response<T>, Status>) {
        let refused = eventually(reason, LIMIT, async || match ask().await {
            Err(status) if refusal(&status).1 == reason => Ok(status),
            other => Err(other),
        });
        self.cells.refused::<T>(reason, Err(refused.await));
    }

    /// Puts an original into the cold tier, as the janitor does over a year; `None` takes it back.
    pub async fn archive(&self, asset_id: &str, state: Option<&str>) {
        let done = sqlx::query(
            "UPDATE media.blobs b SET archive_state = $2, archive_class = CASE WHEN $2 IS NOT NULL THEN 'GLACIER' END,
               archive_changed_at = CASE WHEN $2 IS NOT NULL THEN now() END, restore_days = NULL
             FROM media.assets a WHERE a.id = $1 AND b.bucket = a.bucket AND b.key = a.key",
        )
        .bind(uuid(asset_id))
        .bind(state)
        .execute(&self.sql)
        .await
        .unwrap();
        assert_eq!(done.rows_affected(), 1);
    }
}

/// Decides when a tenant's speech is written down.
pub async fn captions(caller: &mut Caller, mode: CaptionMode) {
    change(caller, TenantPolicy { captions: mode.into(), ..Default::default() }, &["captions"]).await.unwrap();
}

/// A tone of so many seconds.
pub fn sound_of(seconds: u32) -> Vec<u8> {
    let tone = format!("sine=frequency=440:duration={seconds}");
    samples::ffmpeg("tone.m4a", &["-f", "lavfi", "-i", &tone, "-c:a", "aac"])
}

pub fn uuid(id: &str) -> uuid::Uuid {
    id.parse::<AssetId>().unwrap().as_uuid()
}
