//! Who may still look, and where the bytes are to be had.
//!
//! - what_was_revoked_deleted_or_quarantined_is_refused_within_five_seconds_playlists_and_bytes
//! - a_cdn_that_checks_a_code_accepts_where_the_door_sends_players
//! - cloudfront_accepts_where_the_door_sends_players

use std::{
    path::Path,
    process::Command,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use media_devstack::{Binary, Service};
use media_domain::AssetId;
use media_proto::v1::{AssetKind, AssetStatus, DeleteAssetRequest, GetPlaybackRequest, RevokePlaybackRequest};
use reqwest::{Client, Response, StatusCode, redirect::Policy};
use tempfile::TempDir;
use url::Url;

use crate::harness::{Caller, World, samples};

const LIMIT: Duration = Duration::from_secs(120);
/// The promise, however recently the door had read the asset.
const SHUT_WITHIN: Duration = Duration::from_secs(5);
const MAKERS: [Binary; 3] = [Binary::Relay, Binary::Scanner, Binary::Transcoder];
const CDN: &str = "https://cdn.example.com/media";
const SECRET: &str = "the secret that the rule of the CDN has, too";
const KEY_PAIR: &str = "K2JCJMDEHXQW5F";

/// What a player asks for again and again: a playlist of a film, and a range of its bytes.
struct Watched {
    id: String,
    playlist: Url,
    bytes: Url,
}

impl Watched {
    /// Of a film that is ready.
    async fn film(caller: &mut Caller, id: String) -> Self {
        caller.until(&id, AssetStatus::Ready, LIMIT).await;
        let request = GetPlaybackRequest { asset_id: id.clone() };
        let master: Url = caller.playback.get_playback(request).await.unwrap().into_inner().playback.unwrap().hls_url.parse().unwrap();
        let named = async |playlist: &Url| {
            let text = reqwest::get(playlist.clone()).await.unwrap().error_for_status().unwrap().text().await.unwrap();
            playlist.join(text.lines().find(|line| !line.is_empty() && !line.starts_with('#')).unwrap()).unwrap()
        };
        let playlist = named(&master).await;
        let bytes = named(&playlist).await;
        Self { id, playlist, bytes }
    }

    async fn answers(&self, player: &Client) -> [StatusCode; 2] {
        let range = player.get(self.bytes.clone()).header("range", "bytes=0-99");
        let asked = [player.get(self.playlist.clone()), range].map(|request| async { request.send().await.unwrap().status() });
        let [playlist, bytes] = asked;
        [playlist.await, bytes.await]
    }

    /// Asks without a pause from the moment on in which it was shut, until all is refused, and stays so.
    async fn is_shut(&self, player: &Client, shut: Instant) {
        loop {
            // Of a look that takes its time, its beginning counts.
            let asked = shut.elapsed();
            let answers = self.answers(player).await;
            if answers == [StatusCode::FORBIDDEN; 2] {
                println!("{}: refused when asked {asked:?} later", self.id);
                break;
            }
            assert!(asked < SHUT_WITHIN, "asked {asked:?} later, the door still answers {answers:?}");
        }
        assert_eq!(self.answers(player).await, [StatusCode::FORBIDDEN; 2]);
    }
}

fn film() -> Vec<u8> {
    samples::video(320, 240, 2)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_revoked_deleted_or_quarantined_is_refused_within_five_seconds_playlists_and_bytes() {
    let mut world = World::with("shut", &MAKERS).await;
    let _api = world.start(Binary::Api, &[]).await;
    let mut caller = world.caller().await;
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(caller.upload(AssetKind::Video, "film.mp4", &film()).await);
    }
    let mut films = Vec::new();
    for id in ids {
        films.push(Watched::film(&mut caller, id).await);
    }
    let [revoked, deleted, quarantined] = films.try_into().unwrap_or_else(|_| unreachable!("three were sent"));
    let sql = world.sql().await;
    let player = Client::new();

    // Right before each, the door reads the asset anew or believes what it has read: both are asked for.
    assert_eq!(revoked.answers(&player).await, [StatusCode::OK, StatusCode::PARTIAL_CONTENT]);
    caller.playback.revoke_playback(RevokePlaybackRequest { asset_id: revoked.id.clone() }).await.unwrap();
    revoked.is_shut(&player, Instant::now()).await;
    let again = Watched::film(&mut caller, revoked.id.clone()).await;
    assert_eq!(again.answers(&player).await, [StatusCode::OK, StatusCode::PARTIAL_CONTENT], "a new link opens");

    assert_eq!(deleted.answers(&player).await, [StatusCode::OK, StatusCode::PARTIAL_CONTENT]);
    caller.assets.delete_asset(DeleteAssetRequest { asset_id: deleted.id.clone(), ..Default::default() }).await.unwrap();
    deleted.is_shut(&player, Instant::now()).await;

    assert_eq!(quarantined.answers(&player).await, [StatusCode::OK, StatusCode::PARTIAL_CONTENT]);
    // As a later scan of what is ready would leave it: the state alone, with the epoch that it has.
    let done = sqlx::query("UPDATE media.assets SET status = 'quarantined' WHERE id = $1")
        .bind(quarantined.id.parse::<AssetId>().unwrap().as_uuid())
        .execute(&sql)
        .await
        .unwrap();
    assert_eq!(done.rows_affected(), 1);
    quarantined.is_shut(&player, Instant::now()).await;
}

/// A film behind a door that sends to a CDN, and where it sends who asks for its bytes.
async fn sent_to_the_cdn(name: &str, settings: &[(&str, &str)]) -> (World, Service, Url) {
    let mut world = World::with(name, &MAKERS).await;
    let ways = [("MEDIA__PLAYBACK__DELIVERY", "cdn"), ("MEDIA__PLAYBACK__CDN__URL", CDN)];
    let api = world.start(Binary::Api, &[&ways, settings].concat()).await;
    let mut caller = world.caller().await;
    let id = caller.upload(AssetKind::Video, "film.mp4", &film()).await;
    let film = Watched::film(&mut caller, id.clone()).await;
    let answer: Response =
        Client::builder().redirect(Policy::none()).build().unwrap().get(film.bytes).header("range", "bytes=0-99").send().await.unwrap();
    assert_eq!((answer.status(), &answer.headers()["cache-control"]), (StatusCode::FOUND, &"no-store".parse().unwrap()));
    let place: Url = answer.headers()["location"].to_str().unwrap().parse().unwrap();
    let key: String = sqlx::query_scalar("SELECT key FROM media.variants WHERE asset_id = $1 AND profile = 'h264-360p'")
        .bind(id.parse::<AssetId>().unwrap().as_uuid())
        .fetch_one(&world.sql().await)
        .await
        .unwrap();
    assert_eq!(place.as_str().split_once('?').unwrap().0, format!("{CDN}/{key}"));
    (world, api, place)
}

fn value(url: &Url, name: &str) -> String {
    url.query_pairs().find(|(key, _)| key == name).unwrap_or_else(|| panic!("no {name} in {url}")).1.into_owned()
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

fn openssl(arguments: &[&str]) -> Vec<u8> {
    samples::run(Command::new("openssl").args(arguments))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cdn_that_checks_a_code_accepts_where_the_door_sends_players() {
    let settings = [("MEDIA__PLAYBACK__CDN__SIGNATURE", "hmac"), ("MEDIA__PLAYBACK__CDN__HMAC_SECRET", SECRET)];
    let (_world, _api, place) = sent_to_the_cdn("cdn-hmac", &settings).await;
    let word = value(&place, "verify");
    let (issued, code) = word.split_once('-').unwrap();
    let folder = TempDir::new().unwrap();
    let expected = |path: &str| {
        let signed = samples::on_disk(folder.path(), "signed", format!("{path}{issued}").as_bytes());
        let binary = openssl(&["dgst", "-sha256", "-hmac", SECRET, "-binary", &signed]);
        let binary = samples::on_disk(folder.path(), "code", &binary);
        String::from_utf8(openssl(&["base64", "-A", "-in", &binary])).unwrap()
    };
    assert_eq!(code, expected(place.path()));
    assert_ne!(code, expected(&place.path().replace("360p", "720p")), "it is of this object alone");
    let age = now() - issued.parse::<u64>().unwrap();
    assert!(age < 5 * 60 + 5, "issued {age} s ago, and the rule opens for 600");
}

#[tokio::test(flavor = "multi_thread")]
async fn cloudfront_accepts_where_the_door_sends_players() {
    let folder = TempDir::new().unwrap();
    let of = |name: &str| folder.path().join(name).display().to_string();
    openssl(&["genrsa", "-out", &of("private.pem"), "2048"]);
    openssl(&["rsa", "-in", &of("private.pem"), "-pubout", "-out", &of("public.pem")]);
    let settings = [
        ("MEDIA__PLAYBACK__CDN__SIGNATURE", "cloudfront"),
        ("MEDIA__PLAYBACK__CDN__KEY_PAIR_ID", KEY_PAIR),
        ("MEDIA__PLAYBACK__CDN__PRIVATE_KEY_FILE", &of("private.pem")),
    ];
    let (_world, _api, place) = sent_to_the_cdn("cdn-cloudfront", &settings).await;
    assert_eq!(value(&place, "Key-Pair-Id"), KEY_PAIR);
    let expires = value(&place, "Expires");
    let left = expires.parse::<u64>().unwrap() - now();
    assert!((5 * 60 - 5..=10 * 60).contains(&left), "it lives for another {left} s");

    // What CloudFront signs by itself of a request: the canned policy, letter by letter.
    let resource = place.as_str().split_once('?').unwrap().0;
    let policy = |resource: &str| {
        format!(r#"{{"Statement":[{{"Resource":"{resource}","Condition":{{"DateLessThan":{{"AWS:EpochTime":{expires}}}}}}}]}}"#)
    };
    let signature = value(&place, "Signature").replace('-', "+").replace('_', "=").replace('~', "/");
    let signature = samples::on_disk(folder.path(), "signature.base64", signature.as_bytes());
    openssl(&["base64", "-d", "-A", "-in", &signature, "-out", &of("signature")]);
    assert!(is_signed(folder.path(), &policy(resource)));
    assert!(!is_signed(folder.path(), &policy(&resource.replace("360p", "720p"))), "it is of this object alone");
}

fn is_signed(folder: &Path, policy: &str) -> bool {
    samples::on_disk(folder, "policy", policy.as_bytes());
    let arguments = ["dgst", "-sha1", "-verify", "public.pem", "-signature", "signature", "policy"];
    Command::new("openssl").args(arguments).current_dir(folder).output().unwrap().status.success()
}
