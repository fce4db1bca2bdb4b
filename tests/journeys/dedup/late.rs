//! The same bytes, and nobody said so: the scan finds it.

use media_devstack::Binary;
use media_domain::OwnerId;
use media_proto::v1::{AssetKind, AssetStatus, GetTranscriptRequest, JobStatus};

use super::{ALL, LIMIT, WITHOUT_TRANSCODER, download, encoded, follows, is, leader_and_follower, named, picture};
use crate::{
    harness::{Bucket, World, eventually},
    refusals::leftovers,
};

const ROUNDS: usize = 20;

#[tokio::test(flavor = "multi_thread")]
async fn of_two_in_flight_at_once_one_is_encoded_and_both_are_ready() {
    let mut world = World::with("dedup-in-flight", &ALL).await;
    world.start_all(&[Binary::Scanner]).await;
    let (consumer, sql) = (world.consumer().await, world.sql().await);
    let owner = world.caller().await;
    let mut other = owner.clone();
    other.owner = OwnerId::generate();
    for round in 0..ROUNDS {
        let bytes = picture();
        let mut ids = Vec::new();
        for caller in [&owner, &other] {
            let mut caller = caller.clone();
            let created = caller.create(caller.request(AssetKind::Image, "card.png", bytes.len())).await;
            caller.put_all(&created, &bytes).await;
            ids.push((caller, created.asset.unwrap().id));
        }
        // Both are completed at the same moment.
        let completing = ids.iter().map(|(caller, id)| {
            let (mut caller, id) = (caller.clone(), id.clone());
            async move { caller.complete(&id).await.map(drop) }
        });
        for completed in futures::future::join_all(completing).await {
            completed.unwrap();
        }
        let [(mut one, first), (mut two, second)] = <[_; 2]>::try_from(ids).unwrap_or_else(|_| unreachable!());
        let (a, b) = tokio::join!(async { one.until(&first, AssetStatus::Ready, LIMIT).await }, async {
            two.until(&second, AssetStatus::Ready, LIMIT).await
        });
        let shares = [&a, &b].map(|got| got.asset.as_ref().unwrap().deduplicated);
        assert_eq!(shares.iter().filter(|shares| **shares).count(), 1, "round {round}: one has the bytes of the other");
        assert_eq!(named(&sql, &first).await, named(&sql, &second).await, "round {round}");
        let times = [encoded(&sql, &first).await, encoded(&sql, &second).await];
        assert!(times.contains(&0) && times.iter().sum::<i64>() > 0, "round {round}: {times:?}");
        for id in [&first, &second] {
            consumer.until(id, "media.asset.ready.v1", LIMIT).await;
            consumer.assert_in_order(id);
        }
        assert_eq!(consumer.of(&first).len(), consumer.of(&second).len(), "round {round}: consumers see one path");
    }
    leftovers::assert_nothing_is_left(&world, owner.tenant).await;
    let originals = Bucket::of(world.isolated()).objects().await.keys().filter(|key| key.ends_with("/original")).count();
    assert_eq!(originals, ROUNDS, "one original for each two");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_waits_for_its_leader_and_has_what_it_has() {
    let mut world = World::with("dedup-follower", &WITHOUT_TRANSCODER).await;
    let (consumer, sql) = (world.consumer().await, world.sql().await);
    let mut owner = world.caller().await;
    let bytes = picture();
    let (leader, follower) = leader_and_follower(&world, &mut owner, &bytes).await;
    let waiting: Vec<String> = sqlx::query_scalar("SELECT group_name FROM media.work WHERE asset_id = $1 AND state = 'waiting'")
        .bind(super::uuid(&follower))
        .fetch_all(&sql)
        .await
        .unwrap();
    assert!(waiting.is_empty(), "a follower has no work of its own: {waiting:?}");
    let own = named(&sql, &follower).await;
    assert!(own.iter().all(|key| key.contains(&follower)), "while it waits it keeps its own bytes: {own:?}");

    world.start_all(&[Binary::Transcoder]).await;
    owner.until(&leader, AssetStatus::Ready, LIMIT).await;
    let got = owner.until(&follower, AssetStatus::Ready, LIMIT).await;
    assert!(got.asset.unwrap().deduplicated && !got.variants.is_empty());
    assert_eq!((follows(&sql, &follower).await, encoded(&sql, &follower).await), (None, 0));
    assert_eq!(named(&sql, &follower).await, named(&sql, &leader).await);
    consumer.until(&follower, "media.asset.ready.v1", LIMIT).await;
    consumer.assert_in_order(&follower);
    leftovers::assert_nothing_is_left(&world, owner.tenant).await;
    assert!(download(&mut owner, &follower, "").await.unwrap() == bytes);

    // One that comes when all is done finds it done.
    let third = owner.upload(AssetKind::Image, "third.png", &bytes).await;
    let asset = is(&owner, &third, AssetStatus::Ready).await;
    assert!(asset.deduplicated);
    assert_eq!(named(&sql, &third).await, named(&sql, &leader).await);
    leftovers::assert_nothing_is_left(&world, owner.tenant).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_heard_of_one_is_written_down_for_both() {
    let mut world = World::with("dedup-captions", &WITHOUT_TRANSCODER).await;
    let (sql, mut owner) = (world.sql().await, world.caller().await);
    let bytes = crate::captions::voice();
    let leader = owner.upload(AssetKind::Audio, "voice.m4a", &bytes).await;
    is(&owner, &leader, AssetStatus::Transcoding).await;
    let follower = owner.upload(AssetKind::Audio, "again.m4a", &bytes).await;
    is(&owner, &follower, AssetStatus::Transcoding).await;
    assert_eq!(follows(&sql, &follower).await.as_ref(), Some(&leader));
    world.start_all(&[Binary::Transcoder]).await;
    is(&owner, &leader, AssetStatus::Ready).await;
    is(&owner, &follower, AssetStatus::Ready).await;
    eventually("all but the captions is made", LIMIT, async || {
        let jobs = owner.clone().get(&follower).await.jobs;
        let waiting: Vec<_> = jobs.into_iter().filter(|job| job.status() == JobStatus::Waiting).map(|job| job.profile).collect();
        if waiting == ["captions"] { Ok(()) } else { Err(waiting) }
    })
    .await;
    assert_eq!(follows(&sql, &follower).await.as_ref(), Some(&leader), "its leader is still to be heard");
    let _captioner = world.start(Binary::Captioner, &[]).await;
    for id in [&leader, &follower] {
        eventually("it is written down", LIMIT, async || {
            let request = GetTranscriptRequest { asset_id: id.to_string(), ..Default::default() };
            owner.clone().transcripts.get_transcript(request).await.map(drop).map_err(|status| status.code())
        })
        .await;
    }
    let heard: i64 = sqlx::query_scalar("SELECT count(*) FROM media.ai_media_artifacts").fetch_one(&sql).await.unwrap();
    assert_eq!((heard, follows(&sql, &follower).await), (1, None), "one was listened to");
    leftovers::assert_nothing_is_left(&world, owner.tenant).await;
}
