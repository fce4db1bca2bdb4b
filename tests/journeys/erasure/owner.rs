//! A person's assets.

use media_devstack::Binary;
use media_domain::{AssetId, OwnerId};
use media_proto::v1::{
    AddReferenceRequest, AssetKind, AssetStatus, CaptionKind, DeleteAssetRequest, EraseOwnerRequest, ErasureOutcome, ErasureState,
    GetAssetRequest, GetDownloadUrlRequest, GetErasureRequest, PlaceHoldRequest, ReleaseHoldRequest, RescanAssetRequest, TenantPolicy,
    UpdateTenantPolicyRequest,
};
use sha2::{Digest, Sha256};
use tonic::Code;

use super::{LIMIT, done, outcome, receipt, rows_with};
use crate::{
    dedup,
    harness::{Bucket, Caller, World, caller, command_line, eventually, samples},
    operations::infected_document,
    refusals::{leftovers, reason, refused},
};

const ALL: [Binary; 5] = [Binary::Relay, Binary::Api, Binary::Scanner, Binary::Transcoder, Binary::Janitor];
const FILENAME: &str = "Anna Person's letter.rtf";

fn erase(owner: OwnerId, request_id: &str) -> EraseOwnerRequest {
    EraseOwnerRequest { owner_user_id: owner.to_string(), request_id: request_id.to_owned() }
}

async fn letter(caller: &mut Caller, bytes: usize) -> String {
    let id = caller.upload(AssetKind::Document, FILENAME, &samples::document(bytes)).await;
    caller.until(&id, AssetStatus::Ready, LIMIT).await;
    id
}

async fn hold(caller: &mut Caller, asset_id: &str) -> String {
    let request = PlaceHoldRequest { asset_id: asset_id.to_owned(), reason: "a case".to_owned(), ..Default::default() };
    caller.retention.place_hold(request).await.unwrap().into_inner().hold.unwrap().id
}

async fn download(caller: &mut Caller, asset_id: &str) -> Vec<u8> {
    let request = GetDownloadUrlRequest { asset_id: asset_id.to_owned(), profile: String::new() };
    let url = caller.playback.get_download_url(request).await.unwrap().into_inner().url;
    reqwest::get(url).await.unwrap().error_for_status().unwrap().bytes().await.unwrap().to_vec()
}

fn buckets(world: &World) -> [Bucket; 2] {
    [Bucket::of(world.isolated()), Bucket::quarantine_of(world.isolated())]
}

/// The keys of all versions and delete markers in both buckets.
async fn versions(world: &World) -> Vec<String> {
    let mut keys = Vec::new();
    for bucket in buckets(world) {
        keys.extend(bucket.versions().await);
    }
    assert!(!keys.is_empty(), "versions are listed");
    keys
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_person_left_goes_and_what_stays_names_nobody() {
    let world = World::with("erased-owner", &ALL).await;
    let (consumer, sql, store) = (world.consumer().await, world.sql().await, leftovers::store(&world));
    for bucket in buckets(&world) {
        bucket.keep_versions().await;
    }
    let mut person = world.caller().await;
    // Who does something with a token of their own is named by it.
    let own_token = caller::token_of(&person.owner.to_string(), person.tenant, caller::ALL_SCOPES, 600);
    let mut acting = Caller::with_token(&world.fleet.grpc_url(), person.tenant, own_token).await;
    acting.owner = person.owner;
    let mut other = person.clone();
    other.owner = OwnerId::generate();

    let bytes = dedup::picture();
    let shared = person.upload(AssetKind::Image, "card.png", &bytes).await;
    person.until(&shared, AssetStatus::Ready, LIMIT).await;
    let theirs = dedup::announce(&mut other, AssetKind::Image, &bytes).await.asset.unwrap().id;
    let alone = person.upload(AssetKind::Image, "card.png", &dedup::picture()).await;
    person.until(&alone, AssetStatus::Ready, LIMIT).await;
    person.import(&alone, "en", CaptionKind::Captions, &samples::subtitle()).await.unwrap();
    let (needed, held, deleted) = (letter(&mut person, 1001).await, letter(&mut person, 1002).await, letter(&mut person, 1003).await);
    let reference = AddReferenceRequest { bundle_id: "b".to_owned(), asset_id: needed.clone(), expire_time: None };
    person.retention.add_reference(reference).await.unwrap();
    let hold_id = hold(&mut person, &held).await;
    person.assets.delete_asset(DeleteAssetRequest { asset_id: deleted.clone(), ..Default::default() }).await.unwrap();
    let open = person.create(person.request(AssetKind::Document, FILENAME, 1004)).await.asset.unwrap().id;
    let infected = person.upload(AssetKind::Document, FILENAME, &infected_document()).await;
    person.until(&infected, AssetStatus::Quarantined, LIMIT).await;
    // What the person did with somebody else's asset.
    let track = other.import(&theirs, "en", CaptionKind::Captions, &samples::subtitle()).await.unwrap();
    person.reject(&track).await.unwrap();
    hold(&mut acting, &theirs).await;
    let rescan = RescanAssetRequest { asset_id: infected.clone(), why: "again".to_owned() };
    acting.quarantine.rescan_asset(rescan).await.unwrap();
    person.until(&infected, AssetStatus::Quarantined, LIMIT).await;
    let policy = UpdateTenantPolicyRequest {
        policy: Some(TenantPolicy { grace_days: Some(20), ..Default::default() }),
        update_mask: Some(media_proto::FieldMask { paths: vec!["grace_days".to_owned()] }),
    };
    acting.retention.update_tenant_policy(policy).await.unwrap();
    let named_request =
        media_proto::v1::CreateUploadRequest { request_id: "one".to_owned(), ..acting.request(AssetKind::Document, FILENAME, 1005) };
    acting.create(named_request).await;
    let traces = [person.owner.to_string(), person.owner.as_uuid().to_string(), hex::encode(Sha256::digest(person.owner.to_string()))];
    assert!(rows_with(&sql, &traces).await.len() > 10, "there is much to forget");

    let begun = other.retention.erase_owner(erase(person.owner, "once")).await.unwrap().into_inner().erasure.unwrap();
    let again = other.retention.erase_owner(erase(person.owner, "once")).await.unwrap().into_inner().erasure.unwrap();
    assert_eq!((begun.state(), &begun.id), (ErasureState::Running, &again.id));
    let gone = [&shared, &alone, &deleted, &open, &infected];
    eventually("all but what is held is erased", LIMIT, async || {
        let (_, items) = receipt(&mut other.clone(), &begun.id).await;
        let pending: Vec<_> = items.iter().filter(|item| item.outcome() == ErasureOutcome::Pending).cloned().collect();
        let is_erased = gone.iter().all(|id| outcome(&items, id) == Some(ErasureOutcome::Erased));
        if is_erased && pending.is_empty() { Ok(()) } else { Err(items) }
    })
    .await;
    let (running, items) = receipt(&mut other, &begun.id).await;
    assert_eq!(running.state(), ErasureState::Running, "a hold beats it");
    assert_eq!(outcome(&items, &held), Some(ErasureOutcome::Held));
    assert_eq!(outcome(&items, &needed), Some(ErasureOutcome::Anonymised));
    for id in gone {
        let missing = refused(other.assets.get_asset(GetAssetRequest { asset_id: id.clone() }).await);
        assert_eq!(missing, reason(Code::NotFound, "ASSET_NOT_FOUND"));
        consumer.until(id, "media.asset.erased.v1", LIMIT).await;
        consumer.assert_in_order(id);
    }
    let of_shared: Vec<_> = items.iter().filter(|item| item.asset_id == shared && !item.key.is_empty()).collect();
    assert!(of_shared.len() > 2 && of_shared.iter().all(|item| item.outcome() == ErasureOutcome::Shared), "{of_shared:?}");
    let of_alone: Vec<_> = items.iter().filter(|item| item.asset_id == alone && !item.key.is_empty()).collect();
    assert!(of_alone.iter().any(|item| item.key.ends_with(".vtt")), "captions too: {of_alone:?}");
    assert!(of_alone.iter().all(|item| item.outcome() == ErasureOutcome::Erased));
    let objects = leftovers::objects(&store, &world, person.tenant).await;
    for id in [&alone, &deleted, &open, &infected] {
        assert!(!objects.iter().any(|name| name.contains(id.as_str())), "{id}: {objects:?}");
    }
    let versions = versions(&world).await;
    for id in [&alone, &deleted, &open, &infected] {
        assert!(!versions.iter().any(|key| key.contains(id.as_str())), "{id}: {versions:?}");
    }
    assert!(!leftovers::open_uploads(&store, &world, person.tenant).await.iter().any(|name| name.contains(&open)));
    assert!(download(&mut other, &theirs).await == bytes, "what somebody else has stays");

    // What a bundle needs is there, and names nobody.
    let asset = other.get(&needed).await.asset.unwrap();
    assert_eq!((asset.filename.as_str(), asset.owner_user_id.as_str()), ("", "00000000000000000000000000"));
    assert!(!download(&mut other, &needed).await.is_empty());
    let uuid_of_held = held.parse::<AssetId>().unwrap().as_uuid().to_string();
    let left = rows_with(&sql, &traces).await;
    assert!(left.iter().all(|row| row.contains(&uuid_of_held) || row.starts_with("media.erasures: ")), "{left:#?}");

    let release = ReleaseHoldRequest { asset_id: held.clone(), hold_id };
    other.retention.release_hold(release).await.unwrap();
    let (erasure, items) = done(&other, &begun.id).await;
    assert_eq!(outcome(&items, &held), Some(ErasureOutcome::Erased), "it goes on when the hold ends");
    assert_eq!(rows_with(&sql, &traces).await, Vec::<String>::new(), "in no column of any table");
    assert_eq!(rows_with(&sql, &["Anna Person".to_owned()]).await, Vec::<String>::new());
    let said = format!("{erasure:?} {items:?}");
    assert!(!said.contains(&person.owner.to_string()) && !said.contains("letter"), "{said}");
    let whose = format!("{}/{}", person.tenant, person.owner);
    assert_eq!(erasure.owner_sha256, hex::encode(Sha256::digest(whose)));
    leftovers::assert_nothing_is_left(&world, person.tenant).await;

    // Asked once more, it is another erasure, of nothing.
    let second = other.retention.erase_owner(erase(person.owner, "")).await.unwrap().into_inner().erasure.unwrap();
    assert_ne!(second.id, begun.id);
    assert!(done(&other, &second.id).await.1.is_empty());
    let mut stranger = world.caller().await;
    let of_theirs = GetErasureRequest { erasure_id: begun.id.clone(), ..Default::default() };
    let never = GetErasureRequest { erasure_id: AssetId::generate().to_string(), ..Default::default() };
    let refusals = [stranger.retention.get_erasure(of_theirs).await, stranger.retention.get_erasure(never).await];
    for refusal in refusals {
        assert_eq!(refused(refusal), reason(Code::NotFound, "ERASURE_NOT_FOUND"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_person_does_while_a_hold_keeps_the_erasure_open_stays() {
    let world = World::with("erased-later", &[Binary::Relay, Binary::Api, Binary::Janitor]).await;
    let (mut operator, sql) = (world.caller().await, world.sql().await);
    let own_token = caller::token_of(&operator.owner.to_string(), operator.tenant, caller::ALL_SCOPES, 600);
    let mut person = Caller::with_token(&world.fleet.grpc_url(), operator.tenant, own_token).await;
    person.owner = operator.owner;
    let held = person.create(person.request(AssetKind::Document, FILENAME, 1001)).await.asset.unwrap().id;
    let hold_id = hold(&mut operator, &held).await;
    let begun = operator.retention.erase_owner(erase(person.owner, "")).await.unwrap().into_inner().erasure.unwrap();

    let later =
        media_proto::v1::CreateUploadRequest { request_id: "later".to_owned(), ..person.request(AssetKind::Document, FILENAME, 1002) };
    let stays = person.create(later.clone()).await.asset.unwrap().id;
    let hold_of_stays = hold(&mut person, &stays).await;
    // Each of them was found by a turn of the janitor that began after the one before had ended.
    for _ in 0..3 {
        let nobody = operator.retention.erase_owner(erase(OwnerId::generate(), "")).await.unwrap().into_inner().erasure.unwrap();
        done(&operator, &nobody.id).await;
    }
    let (running, items) = receipt(&mut operator, &begun.id).await;
    assert_eq!((running.state(), outcome(&items, &held)), (ErasureState::Running, Some(ErasureOutcome::Held)));
    assert_eq!(outcome(&items, &stays), None);
    let asset = person.create(later).await.asset.unwrap();
    assert_eq!((asset.id, asset.owner_user_id), (stays.clone(), person.owner.to_string()), "the request id is known yet");
    let told: i64 = sqlx::query_scalar("SELECT count(*) FROM media.outbox WHERE aggregate_id = $1 AND data ->> 'ownerUserId' = $2")
        .bind(stays.parse::<AssetId>().unwrap().as_uuid())
        .bind(person.owner.to_string())
        .fetch_one(&sql)
        .await
        .unwrap();
    assert!(told > 0, "its events say whose it is");
    let placed_by: String = sqlx::query_scalar("SELECT placed_by FROM media.asset_holds WHERE id = $1")
        .bind(hold_of_stays.parse::<AssetId>().unwrap().as_uuid())
        .fetch_one(&sql)
        .await
        .unwrap();
    assert_eq!(placed_by, person.owner.to_string());

    operator.retention.release_hold(ReleaseHoldRequest { asset_id: held.clone(), hold_id }).await.unwrap();
    assert_eq!(outcome(&done(&operator, &begun.id).await.1, &held), Some(ErasureOutcome::Erased));
    assert_eq!(operator.get(&stays).await.asset.unwrap().owner_user_id, person.owner.to_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erasure_has_its_turn_however_many_wait_for_holds() {
    let mut world = World::with("erased-turns", &[Binary::Relay, Binary::Api]).await;
    let (mut person, sql) = (world.caller().await, world.sql().await);
    let id = person.create(person.request(AssetKind::Document, FILENAME, 1000)).await.asset.unwrap().id;
    hold(&mut person, &id).await;
    let many = "INSERT INTO media.erasures (id, tenant_id, scope, owner_user_id, owner_sha256)
         SELECT gen_random_uuid(), $1, 'owner', $2, sha256('whose') FROM generate_series(1, 250)";
    sqlx::query(many).bind(person.tenant.0).bind(person.owner.as_uuid()).execute(&sql).await.unwrap();
    let mut other = world.caller().await;
    let begun = other.retention.erase_owner(erase(other.owner, "")).await.unwrap().into_inner().erasure.unwrap();
    world.start_all(&[Binary::Janitor]).await;
    done(&other, &begun.id).await;
    let waiting: i64 = sqlx::query_scalar("SELECT count(*) FROM media.erasures WHERE state = 'running'").fetch_one(&sql).await.unwrap();
    assert_eq!(waiting, 250);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_erasures_of_what_a_hold_kept_and_a_bundle_needs_both_come_to_their_end() {
    let world = World::with("erased-twice", &[Binary::Relay, Binary::Api, Binary::Janitor]).await;
    let mut person = world.caller().await;
    let id = person.create(person.request(AssetKind::Document, FILENAME, 1000)).await.asset.unwrap().id;
    let track = person.import(&id, "en", CaptionKind::Captions, &samples::subtitle()).await.unwrap();
    let hold_id = hold(&mut person, &id).await;
    let reference = AddReferenceRequest { bundle_id: "b".to_owned(), asset_id: id.clone(), expire_time: None };
    person.retention.add_reference(reference).await.unwrap();
    let mut begun = Vec::new();
    for _ in 0..2 {
        begun.push(person.retention.erase_owner(erase(person.owner, "")).await.unwrap().into_inner().erasure.unwrap().id);
    }
    for erasure in &begun {
        eventually("what is held is noted, with its objects", LIMIT, async || {
            let (_, items) = receipt(&mut person.clone(), erasure).await;
            let held = items.iter().filter(|item| item.asset_id == id && item.outcome() == ErasureOutcome::Held).count();
            if held == 3 { Ok(()) } else { Err(items) }
        })
        .await;
    }
    assert_eq!(refused(person.delete_track(&track).await.map(tonic::Response::new)), reason(Code::FailedPrecondition, "HELD"));
    person.retention.release_hold(ReleaseHoldRequest { asset_id: id.clone(), hold_id }).await.unwrap();
    for erasure in &begun {
        let (_, items) = done(&person, erasure).await;
        assert_eq!(outcome(&items, &id), Some(ErasureOutcome::Anonymised), "{items:?}");
        let text = items.iter().find(|item| item.key.ends_with(".vtt")).unwrap();
        assert_eq!(text.outcome(), ErasureOutcome::Anonymised, "{items:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_janitor_that_is_killed_in_the_middle_is_followed_by_one_that_goes_on() {
    const ASSETS: i64 = 800;
    let mut world = World::with("erased-killed", &[Binary::Relay, Binary::Api]).await;
    let (mut person, sql) = (world.caller().await, world.sql().await);
    let one = person.create(person.request(AssetKind::Document, FILENAME, 1000)).await.asset.unwrap().id;
    sqlx::query(
        "INSERT INTO media.assets (id, tenant_id, owner_user_id, kind, source, status, bucket, key)
         SELECT gen_random_uuid(), tenant_id, owner_user_id, kind, source, status, bucket, key || n FROM media.assets, generate_series(2, $1) n",
    )
    .bind(ASSETS)
    .execute(&sql)
    .await
    .unwrap();
    let begun = person.retention.erase_owner(erase(person.owner, "")).await.unwrap().into_inner().erasure.unwrap();
    let janitor = world.start(Binary::Janitor, &[]).await;
    let left = async || -> i64 { sqlx::query_scalar("SELECT count(*) FROM media.assets").fetch_one(&sql).await.unwrap() };
    eventually("some are erased", LIMIT, async || {
        let left = left().await;
        if left < ASSETS { Ok(()) } else { Err(left) }
    })
    .await;
    janitor.kill().unwrap();
    let left_then = left().await;
    assert!(left_then > 0, "it was killed in the middle");
    world.start_all(&[Binary::Janitor, Binary::Janitor]).await;
    let mut operator = person.clone();
    let erasure = eventually("the rest is erased", LIMIT, async || {
        let request = GetErasureRequest { erasure_id: begun.id.clone(), page_size: 1, ..Default::default() };
        let erasure = operator.retention.get_erasure(request).await.unwrap().into_inner().erasure.unwrap();
        if erasure.state() == ErasureState::Done { Ok(erasure) } else { Err((left().await, erasure.counts)) }
    })
    .await;
    let [count] = erasure.counts.as_slice() else { panic!("{erasure:?}") };
    assert_eq!((count.outcome(), count.asset_count, left().await), (ErasureOutcome::Erased, ASSETS, 0));
    let erased: i64 =
        sqlx::query_scalar("SELECT count(*) FROM media.outbox WHERE type = 'media.asset.erased.v1'").fetch_one(&sql).await.unwrap();
    assert_eq!(erased, ASSETS, "each once");
    assert!(one.parse::<AssetId>().is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_erases_from_a_shell() {
    let world = World::with("erased-typed", &[Binary::Relay, Binary::Api, Binary::Scanner, Binary::Janitor]).await;
    let mut person = world.caller().await;
    let id = letter(&mut person, 1000).await;
    let typed = async |arguments: &[&str]| {
        let output = command_line::run(command_line::media(&world, &person, arguments)).await;
        (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
    };
    let (code, said) = typed(&["erase", "owner", &person.owner.to_string(), "--wait"]).await;
    assert!(code == 0 && said.contains("done") && said.contains(&format!("erased      {id}")), "{said}");
    let erasure = said.split(' ').next().unwrap().to_owned();
    let (code, said) = typed(&["--json", "erase", "show", &erasure]).await;
    assert!(code == 0 && said.lines().count() == 3, "the erasure, the asset, its object: {said}");
    let other = person.tenant.to_string().replace(|digit: char| digit.is_ascii_digit(), "0");
    assert_ne!(typed(&["erase", "tenant", &other]).await.0, 0, "another tenant by mistake");
    let (code, said) = typed(&["erase", "tenant", &person.tenant.to_string(), "--wait"]).await;
    assert!(code == 0 && said.contains("done"), "{said}");
}
