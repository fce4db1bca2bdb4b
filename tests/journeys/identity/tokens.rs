use std::time::Duration;

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use media_devstack::{Binary, JWT_SECRET};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{
    called_with, is_refused,
    issuer::{SigningKey, claims, now},
};
use crate::harness::{Caller, World, eventually, samples};

/// An api that knows one public key, by file, and allows for clocks that are 20 s apart.
async fn world_of(name: &str, key: &SigningKey) -> (World, Caller, media_devstack::Service, TempDir) {
    let folder = TempDir::new().unwrap();
    let file = samples::on_disk(folder.path(), "keys.json", json!({ "keys": [key.jwk()] }).to_string().as_bytes());
    let mut world = World::new(name).await;
    let settings = [("MEDIA__AUTH__HS256_SECRET", ""), ("MEDIA__AUTH__JWKS_FILE", file.as_str()), ("MEDIA__AUTH__LEEWAY", "20s")];
    let api = world.start(Binary::Api, &settings).await;
    let caller = world.caller().await;
    (world, caller, api, folder)
}

/// What a claim says when it is asked for: some are good for seconds only.
type Claim = fn() -> Value;

#[tokio::test(flavor = "multi_thread")]
async fn a_token_counts_for_its_time_its_issuer_and_its_audience_give_or_take_the_clocks() {
    let key = SigningKey::new("known");
    let (world, caller, _api, _folder) = world_of("token-claims", &key).await;
    let with = |name: &str, value: Value| {
        let mut claims = claims(caller.tenant);
        claims[name] = value;
        key.sign(&claims)
    };
    let good: [(&str, &str, Claim); 4] = [
        ("one of several audiences", "aud", || json!(["another", "media"])),
        ("ended, by a clock that goes before", "exp", || json!(now() - 10)),
        ("not begun, by a clock that goes after", "nbf", || json!(now() + 15)),
        ("begun", "nbf", || json!(now() - 10)),
    ];
    for (what, name, value) in good {
        assert!(called_with(&world, &caller, with(name, value())).await.is_ok(), "{what}");
    }
    let bad = [
        ("ended", with("exp", json!(now() - 25))),
        ("without an end", with("exp", Value::Null)),
        ("not begun", with("nbf", json!(now() + 120))),
        ("another issuer", with("iss", json!("https://issuer.example.com"))),
        ("no issuer", with("iss", Value::Null)),
        ("another audience", with("aud", json!("media-of-others"))),
        ("no audience", with("aud", Value::Null)),
        ("several other audiences", with("aud", json!(["a", "b"]))),
        ("nobody's", with("sub", json!(""))),
    ];
    for (what, token) in bad {
        assert!(is_refused(called_with(&world, &caller, token).await), "{what}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_keys_that_cannot_be_used_takes_no_key_away_and_is_counted_again_and_again() {
    let key = SigningKey::new("known");
    let (world, caller, api, folder) = world_of("token-file", &key).await;
    samples::on_disk(folder.path(), "keys.json", b"{");
    eventually("two looks that failed", Duration::from_secs(60), async || {
        let metrics = api.metrics().await.unwrap();
        let failed = metrics.lines().find_map(|line| line.strip_prefix("media_key_set_fetches_total{outcome=\"failed\"} ")).unwrap();
        if failed.parse::<u32>().unwrap() >= 2 { Ok(()) } else { Err(failed.to_owned()) }
    })
    .await;
    called_with(&world, &caller, key.token(caller.tenant)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_public_key_is_no_secret_and_no_signature_is_none() {
    let (key, stranger) = (SigningKey::new("known"), SigningKey::new("known"));
    let (world, caller, _api, folder) = world_of("token-algorithms", &key).await;
    let claims = claims(caller.tenant);
    let header = |algorithm| Header { kid: Some("known".to_owned()), ..Header::new(algorithm) };
    let by_secret =
        |secret: &[u8], algorithm| jsonwebtoken::encode(&header(algorithm), &claims, &EncodingKey::from_secret(secret)).unwrap();
    let public = key.jwk();
    let file = std::fs::read(folder.path().join("keys.json")).unwrap();
    let good = key.sign(&claims);
    let [_, payload, signature] = good.split('.').collect::<Vec<_>>().try_into().unwrap();
    // {"alg":"none","typ":"JWT","kid":"known"} and the same in other letters: {"alg":"nOnE","kid":"known"}
    let (none, oddly) = ("eyJhbGciOiJub25lIiwidHlwIjoiSldUIiwia2lkIjoia25vd24ifQ", "eyJhbGciOiJuT25FIiwia2lkIjoia25vd24ifQ");
    let tokens = [
        ("the key set as a secret", by_secret(&file, Algorithm::HS256)),
        ("the key as a secret", by_secret(public.to_string().as_bytes(), Algorithm::HS256)),
        ("half of the key as a secret", by_secret(public["x"].as_str().unwrap().as_bytes(), Algorithm::HS512)),
        ("a secret of the development stack", by_secret(JWT_SECRET.as_bytes(), Algorithm::HS256)),
        ("an empty secret", by_secret(b"", Algorithm::HS256)),
        ("a key of a stranger under a known name", stranger.sign(&claims)),
        ("none", format!("{none}.{payload}.")),
        ("none, with a signature", format!("{none}.{payload}.{signature}")),
        ("none, oddly", format!("{oddly}.{payload}.")),
        ("no signature", format!("{}.", good.rsplit_once('.').unwrap().0)),
    ];
    for (what, token) in tokens {
        assert!(is_refused(called_with(&world, &caller, token).await), "{what}");
    }
    called_with(&world, &caller, good).await.unwrap();
}
