//! Who gets in: tokens, tenants and scopes; and that no call goes uncounted. The keys in `test_keys` are for these tests alone.

use std::{
    future::{Future, pending},
    panic::AssertUnwindSafe,
    time::Duration,
};

use axum::{Router, body::Body, middleware, routing::post};
use futures::{FutureExt as _, poll};
use http::HeaderValue;
use jsonwebtoken::{
    Algorithm, EncodingKey, Header,
    jwk::{Jwk, JwkSet},
};
use media_runtime::SecretString;
use metrics_exporter_prometheus::PrometheusBuilder;
use serde_json::{Value, json};
use tempfile::NamedTempFile;
use tower::ServiceExt as _;

use super::*;
use crate::config::{AuthConfig, JwksConfig};

const SECRET: &str = "a secret that is shared and has 32 bytes";
const TENANT: &str = "6f1b6a3e-6c1f-4f5e-9d57-0a9d4c1b2e3f";
const OTHER: &str = "00000000-0000-4000-8000-000000000000";
const READ: Access = Access::Scope("media.read");

fn config(jwks_file: Option<&NamedTempFile>) -> AuthConfig {
    AuthConfig {
        issuer: "issuer".into(),
        audience: "media".into(),
        leeway: Duration::from_secs(5),
        hs256_secret: Some(SecretString::from(SECRET)),
        jwks_file: jwks_file.map(|file| file.path().to_owned()),
        jwks: JwksConfig { url: None, every: Duration::from_secs(300), plain_http: false },
    }
}

async fn load(jwks_file: Option<&NamedTempFile>) -> JwtKeys {
    JwtKeys::load(&config(jwks_file), || unreachable!("there is no URL")).await.unwrap()
}

fn now() -> u64 {
    jsonwebtoken::get_current_timestamp()
}

fn claims() -> Value {
    json!({ "iss": "issuer", "aud": "media", "sub": "bundles", "tid": TENANT, "scope": "media.read media.write", "exp": now() + 60 })
}

fn with(key: &str, value: Value) -> Value {
    let mut claims = claims();
    claims[key] = value;
    claims
}

fn shared(claims: &Value) -> String {
    jsonwebtoken::encode(&Header::new(Algorithm::HS256), claims, &EncodingKey::from_secret(SECRET.as_bytes())).unwrap()
}

fn headers(token: &str, tenant: Option<&str>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert("authorization", HeaderValue::from_str(&format!("Bearer {token}")).unwrap());
    if let Some(tenant) = tenant {
        headers.insert("x-tenant-id", HeaderValue::from_str(tenant).unwrap());
    }
    headers
}

async fn admitted(claims: &Value, tenant: Option<&str>, access: Access) -> Result<Caller, ApiError> {
    caller(&load(None).await, access, &headers(&shared(claims), tenant)).await
}

#[tokio::test]
async fn a_token_for_the_named_tenant_with_the_scope_is_let_in() {
    let caller = admitted(&claims(), Some(TENANT), READ).await.unwrap();
    assert_eq!((caller.tenant().to_string().as_str(), caller.subject.as_str()), (TENANT, "bundles"));
}

#[tokio::test]
async fn a_call_without_a_good_token_is_unauthenticated() {
    let keys = load(None).await;
    for header in [None, Some("Bearer"), Some("Basic abc"), Some("Bearer abc"), Some("Bearer a.b.c")] {
        let mut headers = HeaderMap::new();
        if let Some(value) = header {
            headers.insert("authorization", HeaderValue::from_static(value));
        }
        assert!(matches!(caller(&keys, READ, &headers).await, Err(ApiError::Unauthenticated(_))), "{header:?}");
    }
    for wrong in [
        with("exp", json!(now() - 60)),
        with("nbf", json!(now() + 60)),
        with("iss", json!("another")),
        with("aud", json!("another")),
        with("sub", json!("")),
        with("sub", Value::Null),
        with("exp", Value::Null),
        with("tid", json!("no uuid")),
    ] {
        assert!(matches!(admitted(&wrong, Some(TENANT), READ).await, Err(ApiError::Unauthenticated(_))), "{wrong}");
    }
}

#[tokio::test]
async fn clocks_may_differ_by_the_leeway() {
    assert!(admitted(&with("exp", json!(now() - 2)), Some(TENANT), READ).await.is_ok());
}

#[tokio::test]
async fn a_token_signed_by_a_stranger_or_by_nobody_is_refused() {
    let stranger = jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims(), &EncodingKey::from_secret(b"another secret")).unwrap();
    let longer = jsonwebtoken::encode(&Header::new(Algorithm::HS512), &claims(), &EncodingKey::from_secret(SECRET.as_bytes())).unwrap();
    // {"alg":"none","typ":"JWT"}
    let unsigned = format!("eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.{}.", shared(&claims()).split('.').nth(1).unwrap());
    let keys = load(None).await;
    for token in [stranger, longer, unsigned] {
        assert!(matches!(caller(&keys, READ, &headers(&token, Some(TENANT))).await, Err(ApiError::Unauthenticated(_))), "{token}");
    }
}

#[tokio::test]
async fn the_named_tenant_must_be_the_tokens() {
    for tenant in [None, Some(OTHER), Some("nonsense"), Some("")] {
        assert!(matches!(admitted(&claims(), tenant, READ).await, Err(ApiError::TenantMismatch)), "{tenant:?}");
    }
    let twice = {
        let mut headers = headers(&shared(&claims()), Some(TENANT));
        headers.append("x-tenant-id", HeaderValue::from_static(OTHER));
        headers
    };
    assert!(matches!(caller(&load(None).await, READ, &twice).await, Err(ApiError::TenantMismatch)));
}

#[tokio::test]
async fn a_token_without_a_tenant_needs_the_scope_for_all_and_one_with_a_tenant_gains_nothing_by_it() {
    let mut everywhere = with("scope", json!("media.read media.all_tenants"));
    assert!(matches!(admitted(&everywhere, Some(OTHER), READ).await, Err(ApiError::TenantMismatch)));
    everywhere["tid"] = Value::Null;
    assert_eq!(admitted(&everywhere, Some(OTHER), READ).await.unwrap().tenant().to_string(), OTHER);
    assert!(matches!(admitted(&everywhere, None, READ).await, Err(ApiError::TenantMismatch)));
    assert!(matches!(admitted(&with("tid", Value::Null), Some(TENANT), READ).await, Err(ApiError::ScopeMissing("media.all_tenants"))));
}

#[tokio::test]
async fn a_scope_is_a_whole_word() {
    for scope in ["", "media.readers", "xmedia.read", "media.write"] {
        let refused = admitted(&with("scope", json!(scope)), Some(TENANT), READ).await;
        assert!(matches!(refused, Err(ApiError::ScopeMissing("media.read"))), "{scope}");
    }
    assert!(matches!(admitted(&claims(), Some(TENANT), Access::Nobody).await, Err(ApiError::NoSuchMethod)));
}

/// A key pair of a test, by the name of its algorithm.
fn pair(algorithm: Algorithm) -> (EncodingKey, Jwk) {
    let key = match algorithm {
        Algorithm::RS256 => EncodingKey::from_rsa_pem(include_bytes!("test_keys/rs256.pem")),
        Algorithm::ES256 => EncodingKey::from_ec_pem(include_bytes!("test_keys/es256.pem")),
        _ => EncodingKey::from_ed_pem(include_bytes!("test_keys/eddsa.pem")),
    }
    .unwrap();
    let mut jwk = Jwk::from_encoding_key(&key, algorithm).unwrap();
    jwk.common.key_id = Some(format!("{algorithm:?}"));
    (key, jwk)
}

fn signed(algorithm: Algorithm, key_id: Option<&str>) -> String {
    let header = Header { kid: key_id.map(str::to_owned), ..Header::new(algorithm) };
    jsonwebtoken::encode(&header, &claims(), &pair(algorithm).0).unwrap()
}

fn key_set_file(algorithms: &[Algorithm]) -> NamedTempFile {
    let file = NamedTempFile::new().unwrap();
    write_key_set(&file, algorithms);
    file
}

fn write_key_set(file: &NamedTempFile, algorithms: &[Algorithm]) {
    let set = JwkSet { keys: algorithms.iter().map(|algorithm| pair(*algorithm).1).collect() };
    let mut set = serde_json::to_value(set).unwrap();
    set["keys"].as_array_mut().unwrap().push(json!({ "kty": "a type of tomorrow", "kid": "RS256" }));
    std::fs::write(file.path(), set.to_string()).unwrap();
}

#[tokio::test]
async fn each_kind_of_key_in_the_set_is_accepted_with_its_own_algorithm_only() {
    let file = key_set_file(&[Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA]);
    let keys = load(Some(&file)).await;
    for algorithm in [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA] {
        let own = format!("{algorithm:?}");
        for key_id in [Some(own.as_str()), None] {
            assert!(keys.check(&signed(algorithm, key_id)).is_ok(), "{algorithm:?} {key_id:?}");
        }
        assert!(keys.check(&signed(algorithm, Some("another"))).is_err(), "{algorithm:?}");
    }
    let public_as_secret = serde_json::to_vec(&pair(Algorithm::RS256).1).unwrap();
    let confused = jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims(), &EncodingKey::from_secret(&public_as_secret)).unwrap();
    assert!(keys.check(&confused).is_err());
}

#[tokio::test]
async fn a_changed_key_set_is_read_again_and_a_broken_one_changes_nothing() {
    let file = key_set_file(&[Algorithm::ES256]);
    let keys = load(Some(&file)).await;
    let mut last_taken = Vec::new();
    assert!(keys.check(&signed(Algorithm::EdDSA, None)).is_err());

    write_key_set(&file, &[Algorithm::EdDSA]);
    keys.reread(file.path(), &mut last_taken).await.unwrap();
    assert!(keys.check(&signed(Algorithm::EdDSA, None)).is_ok());
    assert!(keys.check(&signed(Algorithm::ES256, None)).is_err(), "the key that is gone");

    for broken in ["{", "{\"keys\":[]}"] {
        std::fs::write(file.path(), broken).unwrap();
        for look in 1..=2 {
            assert!(
                keys.reread(file.path(), &mut last_taken).await.is_err(),
                "look {look} at {broken}: it stays broken until it is mended"
            );
        }
        assert!(keys.check(&signed(Algorithm::EdDSA, None)).is_ok());
    }
}

const GET_ASSET: &str = "/media.v1.AssetService/GetAsset";

/// A good call of a method that does this.
async fn called<F>(method: fn() -> F) -> impl Future<Output = Response>
where
    F: Future<Output = &'static str> + Send + 'static,
{
    let keys = Arc::new(load(None).await);
    let routes: Router = Router::new().route(GET_ASSET, post(method)).layer(middleware::from_fn_with_state(keys, admit));
    let mut request = http::Request::post(GET_ASSET).body(Body::empty()).unwrap();
    *request.headers_mut() = headers(&shared(&claims()), Some(TENANT));
    async move { routes.oneshot(request).await.unwrap() }
}

async fn answers() -> &'static str {
    "an answer"
}

async fn panics() -> &'static str {
    panic!("a method that is wrong")
}

#[tokio::test]
async fn a_call_is_counted_once_whether_it_is_answered_given_up_by_its_caller_or_panics() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let told = recorder.handle();
    let _on_this_thread = metrics::set_default_local_recorder(&recorder);

    called(answers).await.await;
    let mut waits = Box::pin(called(pending::<&'static str>).await);
    assert!(poll!(&mut waits).is_pending());
    drop(waits);
    assert!(AssertUnwindSafe(called(panics).await).catch_unwind().await.is_err());

    let text = told.render();
    let mut counted: Vec<&str> = text.lines().filter(|line| line.starts_with("media_rpc_seconds_count")).collect();
    counted.sort_unstable();
    let of = |code: &str| format!("media_rpc_seconds_count{{method=\"{GET_ASSET}\",code=\"{code}\"}} 1");
    assert_eq!(counted, [of("Cancelled"), of("Internal"), of("Ok")]);
}
