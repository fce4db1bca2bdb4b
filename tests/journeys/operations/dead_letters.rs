//! What was given up, by the broker or by a worker, and sending it again.

use lapin::{
    BasicProperties, Channel, Connection, ConnectionProperties,
    message::BasicGetMessage,
    options::{BasicAckOptions, BasicGetOptions, BasicPublishOptions, BasicRejectOptions},
};
use media_devstack::{Binary, JWT_AUDIENCE, JWT_ISSUER, JWT_SECRET};
use media_domain::{DeadLetterId, TenantId};
use media_proto::v1::{
    AssetKind, AssetStatus, CreateUploadRequest, DeadLetter, ListDeadLettersRequest, RedriveDeadLettersRequest, RedriveOutcome, WorkQueue,
};
use tonic::Code;

use super::LIMIT;
use crate::{
    harness::{Caller, World, eventually, samples},
    refusals::{reason, refused},
};

const SCAN: &str = "media.scan";

async fn channel(world: &World) -> (Connection, Channel) {
    let connection = Connection::connect(world.isolated().amqp_url().as_str(), ConnectionProperties::default()).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    (connection, channel)
}

/// Takes the next message of a queue, as a worker that is none of ours.
async fn next(channel: &Channel, queue: &str) -> BasicGetMessage {
    eventually(&format!("a message in {queue}"), LIMIT, async || {
        channel.basic_get(queue.into(), BasicGetOptions::default()).await.unwrap().ok_or(())
    })
    .await
}

async fn list(caller: &mut Caller, request: ListDeadLettersRequest) -> Vec<DeadLetter> {
    caller.operations.list_dead_letters(request).await.unwrap().into_inner().dead_letters
}

async fn until_one(caller: &mut Caller) -> DeadLetter {
    let caller = caller.clone();
    eventually("there is one dead letter", LIMIT, async || {
        let mut letters = list(&mut caller.clone(), ListDeadLettersRequest::default()).await;
        if letters.len() == 1 { Ok(letters.remove(0)) } else { Err(letters) }
    })
    .await
}

async fn redrive(caller: &mut Caller, id: &str) -> RedriveOutcome {
    let request = RedriveDeadLettersRequest { dead_letter_ids: vec![id.to_owned()] };
    caller.operations.redrive_dead_letters(request).await.unwrap().into_inner().dead_letters[0].outcome()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_broker_gives_up_becomes_a_row_of_its_tenant_and_is_sent_again() {
    let mut world = World::with("letter-of-broker", &[Binary::Relay, Binary::Api]).await;
    let (mut caller, mut stranger) = (world.caller().await, world.caller().await);
    let id = caller.upload(AssetKind::Document, "letter.rtf", &samples::document(2000)).await;
    let (_connection, channel) = channel(&world).await;
    next(&channel, SCAN).await.reject(BasicRejectOptions { requeue: false }).await.unwrap();

    let letter = until_one(&mut caller).await;
    assert_eq!((letter.queue.as_str(), letter.reason.as_str()), ("scan", "rejected"));
    assert!(letter.body.contains("workId") && !letter.message_id.is_empty() && letter.redrive_time.is_none(), "{letter:?}");
    assert!(list(&mut stranger, ListDeadLettersRequest::default()).await.is_empty());
    let of =
        |queue: WorkQueue, reason: &str| ListDeadLettersRequest { queue: queue.into(), reason: reason.to_owned(), ..Default::default() };
    assert_eq!(list(&mut caller, of(WorkQueue::Scan, "rejected")).await.len(), 1);
    assert!(
        list(&mut caller, of(WorkQueue::Caption, "")).await.is_empty()
            && list(&mut caller, of(WorkQueue::Scan, "expired")).await.is_empty()
    );

    assert_eq!(redrive(&mut caller, &letter.id).await, RedriveOutcome::Woken);
    let asked = next(&channel, SCAN).await;
    assert_eq!(String::from_utf8_lossy(&asked.data), letter.body, "the same work");
    asked.ack(BasicAckOptions::default()).await.unwrap();
    assert_eq!(redrive(&mut caller, &letter.id).await, RedriveOutcome::Obsolete, "it was sent again before");
    assert!(list(&mut caller, ListDeadLettersRequest::default()).await.is_empty());
    let all = list(&mut caller, ListDeadLettersRequest { include_redriven: true, ..Default::default() }).await;
    assert!(all.len() == 1 && all[0].redrive_time.is_some(), "{all:?}");

    world.start_all(&[Binary::Scanner]).await;
    caller.until(&id, AssetStatus::Ready, LIMIT).await;

    let with = |ids: &[&str]| RedriveDeadLettersRequest { dead_letter_ids: ids.iter().map(ToString::to_string).collect() };
    let never = DeadLetterId::generate().to_string();
    let unknown = caller.operations.redrive_dead_letters(with(&[&letter.id, &never])).await;
    assert_eq!(refused(unknown), reason(Code::NotFound, "DEAD_LETTER_NOT_FOUND"));
    for wrong in [with(&[]), with(&["x"])] {
        assert_eq!(refused(caller.operations.redrive_dead_letters(wrong).await), reason(Code::InvalidArgument, "FIELD_INVALID"));
    }
    let token = ListDeadLettersRequest { page_token: "forged".to_owned(), ..Default::default() };
    assert_eq!(refused(caller.operations.list_dead_letters(token).await), reason(Code::InvalidArgument, "PAGE_TOKEN_INVALID"));
}

/// A token of a service that may act for all tenants, used for nobody's.
async fn for_nobody(world: &World) -> Caller {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let claims = serde_json::json!({
        "sub": "operator", "scope": "media.admin media.read media.all_tenants", "iss": JWT_ISSUER, "aud": JWT_AUDIENCE, "iat": now, "exp": now + 3600,
    });
    let key = jsonwebtoken::EncodingKey::from_secret(JWT_SECRET.as_bytes());
    let token = jsonwebtoken::encode(&jsonwebtoken::Header::default(), &claims, &key).unwrap();
    Caller::with_token(&world.fleet.grpc_url(), TenantId::NOBODY, token).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_without_a_tenant_is_kept_for_nobody() {
    let world = World::with("letter-of-nobody", &[Binary::Relay, Binary::Api]).await;
    let (_connection, channel) = channel(&world).await;
    let bodies: [&[u8]; 2] = [b"\xff\x00 no JSON", br#"{"a":"\u0000"}"#];
    for body in bodies {
        let (options, properties) = (BasicPublishOptions::default(), BasicProperties::default());
        channel.basic_publish("".into(), SCAN.into(), options, body, properties).await.unwrap().await.unwrap();
        next(&channel, SCAN).await.reject(BasicRejectOptions { requeue: false }).await.unwrap();
    }
    let nobody = for_nobody(&world).await;
    let letters = eventually("both are kept", LIMIT, async || {
        let letters = list(&mut nobody.clone(), ListDeadLettersRequest::default()).await;
        if letters.len() == 2 { Ok(letters) } else { Err(letters) }
    })
    .await;
    for letter in &letters {
        assert!(letter.body.starts_with(r#"{"bytes":""#) && letter.queue == "scan" && letter.reason == "rejected", "{letter:?}");
        assert_eq!(redrive(&mut nobody.clone(), &letter.id).await, RedriveOutcome::Obsolete, "nothing is known that could be done");
    }
    assert!(list(&mut world.caller().await, ListDeadLettersRequest { include_redriven: true, ..Default::default() }).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_waits_for_a_database_that_is_away_and_becomes_one_row() {
    let mut world = World::with("letter-waits", &[Binary::Api]).await;
    let relay = world.start(Binary::Relay, &[]).await;
    let (mut caller, sql) = (world.caller().await, world.sql().await);
    caller.upload(AssetKind::Document, "letter.rtf", &samples::document(2000)).await;
    let (_connection, channel) = channel(&world).await;
    let command = next(&channel, SCAN).await;
    // As a database that does not take it.
    sqlx::query("REVOKE INSERT ON media.dead_letters FROM media_relay").execute(&sql).await.unwrap();
    let (properties, body) = (command.properties.clone(), command.data.clone());
    command.reject(BasicRejectOptions { requeue: false }).await.unwrap();
    eventually("the relay has tried, and holds it", LIMIT, async || {
        let log = relay.log().unwrap();
        if log.contains("a dead letter could not be written") { Ok(()) } else { Err(log.lines().count()) }
    })
    .await;
    sqlx::query("GRANT INSERT ON media.dead_letters TO media_relay").execute(&sql).await.unwrap();
    let letter = until_one(&mut caller).await;
    // The broker delivers at least once.
    let again = channel.basic_publish("media.dead-letters".into(), "".into(), BasicPublishOptions::default(), &body, properties);
    again.await.unwrap().await.unwrap();
    let more = BasicProperties::default().with_headers(lapin::types::FieldTable::default());
    channel
        .basic_publish("media.dead-letters".into(), "".into(), BasicPublishOptions::default(), b"last", more)
        .await
        .unwrap()
        .await
        .unwrap();
    let nobody = for_nobody(&world).await;
    eventually("what came after it is a row", LIMIT, async || {
        let letters = list(&mut nobody.clone(), ListDeadLettersRequest::default()).await;
        if letters.len() == 1 { Ok(()) } else { Err(letters) }
    })
    .await;
    assert_eq!(until_one(&mut caller).await.id, letter.id);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_asset_that_failed_is_made_again_from_its_dead_letter() {
    let world = World::with("letter-of-worker", &[Binary::Relay, Binary::Api, Binary::Scanner]).await;
    let (consumer, sql) = (world.consumer().await, world.sql().await);
    let mut caller = world.caller().await;
    let file = samples::document(2000);
    let request = CreateUploadRequest { sha256: "0".repeat(64), ..caller.request(AssetKind::Document, "letter.rtf", file.len()) };
    let created = caller.create(request).await;
    caller.put_all(&created, &file).await;
    let id = created.asset.unwrap().id;
    caller.complete(&id).await.unwrap();
    consumer.until(&id, "media.asset.failed.v1", LIMIT).await;

    let letter = until_one(&mut caller).await;
    assert_eq!((letter.queue.as_str(), letter.reason.as_str(), letter.asset_id.as_str()), ("scan", "hash_mismatch", id.as_str()));
    assert!(letter.detail.contains("was declared") && letter.body.is_empty() && letter.message_id.is_empty(), "{letter:?}");
    sqlx::query("UPDATE media.assets SET declared_sha256 = NULL").execute(&sql).await.unwrap();
    assert_eq!(redrive(&mut caller, &letter.id).await, RedriveOutcome::Reprocessed);
    let asset = caller.clone();
    eventually("the asset is ready", LIMIT, async || {
        let asset = asset.clone().get(&id).await.asset.unwrap();
        if asset.status() == AssetStatus::Ready { Ok(()) } else { Err(asset.status()) }
    })
    .await;
    consumer.assert_in_order(&id);
}
