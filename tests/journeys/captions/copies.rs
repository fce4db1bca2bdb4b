//! The copies at the asked-for keys, for readers of the bucket.

use media_devstack::Binary;
use media_domain::{AssetId, CaptionTrackId, work::Queue};
use media_proto::v1::{CaptionKind, CaptionTrack};
use sqlx::{AssertSqlSafe, PgPool};

use super::{LIMIT, OTHER_VTT, VTT, asset};
use crate::{
    harness::{Bucket, Caller, Moment, StoreProxy, World, eventually},
    kills::end_lease,
};

/// Where readers of the bucket look.
fn asked_for(caller: &Caller, id: &str, file: &str) -> String {
    format!("tenants/{}/media/{id}/captions/{file}", caller.tenant)
}

/// Waits until this text, or nothing, lies at a key, and no work of the asset's is left.
async fn until_there(world: &World, key: &str, text: Option<&str>) {
    let (bucket, sql) = (Bucket::of(world.isolated()), world.sql().await);
    eventually(&format!("{key} is {text:?}"), LIMIT, async || {
        let live: i64 =
            sqlx::query_scalar("SELECT count(*) FROM media.work WHERE state IN ('waiting', 'running')").fetch_one(&sql).await.unwrap();
        // While work goes on, what is listed may be gone before it is read.
        let is_there = live == 0 && bucket.objects().await.contains_key(key);
        let found = if is_there { Some(String::from_utf8(bucket.bytes(key).await).unwrap()) } else { None };
        if live == 0 && found.as_deref() == text { Ok(()) } else { Err((live, found)) }
    })
    .await;
}

/// The keys that an asset's rows have, by the rows' ids, and the copies that are written down.
async fn keys(sql: &PgPool, id: &str) -> (Vec<(String, bool)>, i64) {
    let asset = id.parse::<AssetId>().unwrap().as_uuid();
    let rows = sqlx::query_as("SELECT key, key = version_key FROM media.caption_tracks WHERE asset_id = $1 ORDER BY id").bind(asset);
    let copies =
        sqlx::query_scalar("SELECT count(*) FROM media.blobs b JOIN media.caption_copies c USING (bucket, key) WHERE c.asset_id = $1");
    (rows.fetch_all(sql).await.unwrap(), copies.bind(asset).fetch_one(sql).await.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_approved_lies_at_the_asked_for_key_and_goes_when_it_is_not() {
    let world = World::with("captions-copies", &[Binary::Api, Binary::Relay, Binary::Captioner]).await;
    let sql = world.sql().await;
    Bucket::of(world.isolated()).keep_versions().await;
    let mut caller = world.caller().await;
    let id = asset(&mut caller).await;
    let first = caller.import(&id, "en", CaptionKind::Captions, VTT.as_bytes()).await.unwrap();
    let second = caller.import(&id, "en", CaptionKind::Captions, OTHER_VTT.as_bytes()).await.unwrap();
    let subtitles = caller.import(&id, "pt-BR", CaptionKind::Subtitles, VTT.as_bytes()).await.unwrap();
    let (en, pt) = (asked_for(&caller, &id, "en.vtt"), asked_for(&caller, &id, "pt-BR.subtitles.vtt"));

    caller.approve(&first).await.unwrap();
    until_there(&world, &en, Some(VTT)).await;
    assert_eq!(keys(&sql, &id).await.0[0], (en.clone(), false), "the approved row names the asked-for key");
    caller.approve(&second).await.unwrap();
    caller.approve(&subtitles).await.unwrap();
    until_there(&world, &en, Some(OTHER_VTT)).await;
    until_there(&world, &pt, Some(VTT)).await;
    let (rows, copies) = keys(&sql, &id).await;
    assert_eq!((rows[0].1, rows[1].0.as_str(), rows[2].0.as_str(), copies), (true, en.as_str(), pt.as_str(), 2));
    // A version's own object is what it was.
    let bucket = Bucket::of(world.isolated());
    assert_eq!(bucket.bytes(&asked_for(&caller, &id, &format!("en/{}.vtt", first.id))).await, VTT.as_bytes());

    caller.reject(&second).await.unwrap();
    until_there(&world, &en, None).await;
    caller.delete_track(&subtitles).await.unwrap();
    until_there(&world, &pt, None).await;
    let (rows, copies) = keys(&sql, &id).await;
    assert!(rows.iter().all(|(_, is_own)| *is_own) && copies == 0, "{rows:?} {copies}");
    // Nobody knows of a copy any more that was withdrawn: an erasure would not find its versions.
    assert!(!bucket.versions().await.iter().any(|key| *key == en || *key == pt), "{:?}", bucket.versions().await);
    caller.approve(&second).await.unwrap();
    until_there(&world, &en, Some(OTHER_VTT)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_approved_while_a_copy_is_made_is_what_lies_there_in_the_end() {
    let mut scene = Scene::new("captions-race").await;
    let captioner = scene.captioner().await;
    let mut made = scene.proxy.hold(Moment::BeforeTheAnswer, copies);
    scene.caller.approve(&scene.first.clone()).await.unwrap();
    made.caught().await;
    scene.caller.approve(&scene.second.clone()).await.unwrap();
    made.let_go();
    until_there(&scene.world, &scene.key, Some(OTHER_VTT)).await;

    // Many at once, at whatever moment of the work they fall: the last word is what lies there.
    let (mut shown, mut text) = (scene.second.clone(), OTHER_VTT);
    for _ in 0..12 {
        text = if text == VTT { OTHER_VTT } else { VTT };
        shown = scene.caller.edit(&shown, text.as_bytes()).await.unwrap();
        scene.caller.approve(&shown).await.unwrap();
    }
    until_there(&scene.world, &scene.key, Some(OTHER_VTT)).await;
    drop(captioner);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_approved_in_the_last_moment_of_the_work_is_copied_by_another() {
    let mut scene = Scene::new("captions-last-moment").await;
    let sql = scene.world.sql().await;
    let [first, second] = [&scene.first, &scene.second].map(|track| track.id.parse::<CaptionTrackId>().unwrap().as_uuid());
    // After the last look of the work, and before its end: an approval that was there first.
    sqlx::raw_sql(AssertSqlSafe(format!(
        "CREATE FUNCTION public.approve_meanwhile() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
         BEGIN
           UPDATE media.caption_tracks SET approved = false WHERE id = '{first}' AND approved;
           UPDATE media.caption_tracks SET approved = true WHERE id = '{second}' AND NOT approved;
           RETURN NEW;
         END $$;
         CREATE TRIGGER approve_meanwhile BEFORE UPDATE ON media.work FOR EACH ROW
           WHEN (NEW.state = 'succeeded' AND NEW.group_name = 'caption_copies') EXECUTE FUNCTION public.approve_meanwhile()"
    )))
    .execute(&sql)
    .await
    .unwrap();
    let _captioner = scene.captioner().await;
    scene.caller.approve(&scene.first.clone()).await.unwrap();
    until_there(&scene.world, &scene.key, Some(OTHER_VTT)).await;
    let works: i64 = sqlx::query_scalar("SELECT count(*) FROM media.work WHERE state = 'succeeded'").fetch_one(&sql).await.unwrap();
    assert_eq!(works, 2, "the one that came too early to see it, and the one that made it");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_captioner_killed_between_a_copy_and_its_row_is_followed_by_one_that_does_it_again() {
    let mut scene = Scene::new("captions-killed").await;
    let first = scene.captioner().await;
    let mut made = scene.proxy.hold(Moment::BeforeTheAnswer, copies);
    scene.caller.approve(&scene.first.clone()).await.unwrap();
    made.caught().await;
    first.kill().unwrap();
    made.let_go();
    assert_eq!(Bucket::of(scene.world.isolated()).bytes(&scene.key).await, VTT.as_bytes(), "the dead one's copy is there");
    // Nobody wrote down of what: it is taken away again all the same.
    scene.caller.reject(&scene.first.clone()).await.unwrap();
    end_lease(&scene.world.sql().await, Queue::Caption).await;
    let _second = scene.captioner().await;
    until_there(&scene.world, &scene.key, None).await;
    let (rows, copies) = keys(&scene.world.sql().await, &scene.first.asset_id).await;
    assert!(rows.iter().all(|(_, is_own)| *is_own) && copies == 0, "{rows:?} {copies}");
}

/// Whether a request copies a version to an asked-for key.
fn copies(asked: &crate::harness::store_proxy::Asked) -> bool {
    asked.method == "PUT" && asked.path.ends_with("/captions/en.vtt")
}

/// Two tracks of a language that wait, and a captioner that reaches the store through a proxy.
struct Scene {
    world: World,
    proxy: StoreProxy,
    caller: Caller,
    first: CaptionTrack,
    second: CaptionTrack,
    key: String,
}

impl Scene {
    async fn new(name: &str) -> Self {
        let mut world = World::new(name).await;
        // So long that none is lost to a machine that stands still for a while.
        world.fleet.set("MEDIA__WORKER__LEASE", "60s");
        world.fleet.set("MEDIA__WORKER__HEARTBEAT", "500ms");
        world.fleet.set("MEDIA__WORKER__IDLE_POLL", "1s");
        let proxy = StoreProxy::before(world.isolated().s3_endpoint()).await;
        world.start_all(&[Binary::Api, Binary::Relay, Binary::Janitor]).await;
        let mut caller = world.caller().await;
        let id = asset(&mut caller).await;
        let first = caller.import(&id, "en", CaptionKind::Captions, VTT.as_bytes()).await.unwrap();
        let second = caller.import(&id, "en", CaptionKind::Captions, OTHER_VTT.as_bytes()).await.unwrap();
        let key = asked_for(&caller, &id, "en.vtt");
        Self { world, proxy, caller, first, second, key }
    }

    async fn captioner(&mut self) -> media_devstack::Service {
        let endpoint = self.proxy.endpoint();
        self.world.start(Binary::Captioner, &[("MEDIA__S3__ENDPOINT", &endpoint)]).await
    }
}
