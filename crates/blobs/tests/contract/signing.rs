//! What a signature opens, and what it does not.

use std::time::Duration;

use bytes::Bytes;
use media_blobs::{Blobs, PresignGet, SignedUrl, content_disposition, keys};
use media_devstack::S3Identity;
use media_domain::AssetId;
use reqwest::StatusCode;
use time::OffsetDateTime;

use crate::store::{blobs, config, new_blob, new_tenant, noise};

async fn get(url: &str) -> (StatusCode, Bytes) {
    let answer = reqwest::get(url).await.unwrap();
    (answer.status(), answer.bytes().await.unwrap())
}

async fn put(signed: &SignedUrl, body: Vec<u8>) -> StatusCode {
    let request = signed.headers.iter().filter(|(name, _)| name != "content-length");
    let request = request.fold(reqwest::Client::new().put(&signed.url), |request, (name, value)| request.header(name, value));
    // A server that refuses early may close before it has read the body.
    request.body(body).send().await.map_or(StatusCode::BAD_REQUEST, |answer| answer.status())
}

#[tokio::test]
async fn a_signed_url_gives_its_object_under_the_name_and_type_that_were_signed() {
    let blobs = blobs().await;
    let blob = new_blob(&blobs);
    blobs.put_small(&blob, "hello".into(), "text/plain").await.unwrap();
    let disposition = content_disposition("Größe \"x\".mp4");
    let how =
        PresignGet { content_disposition: Some(disposition.clone()), content_type: Some("video/mp4".into()), ..PresignGet::default() };
    let now = OffsetDateTime::now_utc();
    let signed = blobs.presign_get(&blob, &how, now).await.unwrap();
    assert!(signed.expires_at > now + Duration::from_secs(299) && signed.expires_at <= now + Duration::from_secs(600));
    assert_eq!(signed.headers, []);
    let answer = reqwest::get(&signed.url).await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.headers()["content-disposition"], disposition);
    assert_eq!(answer.headers()["content-type"], "video/mp4");
    assert_eq!(answer.bytes().await.unwrap(), "hello");
}

#[tokio::test]
async fn a_signed_url_gives_ranges() {
    let blobs = blobs().await;
    let blob = new_blob(&blobs);
    blobs.put_small(&blob, "hello".into(), "video/mp4").await.unwrap();
    let signed = blobs.presign_get(&blob, &PresignGet::default(), OffsetDateTime::now_utc()).await.unwrap();
    let answer = reqwest::Client::new().get(&signed.url).header("range", "bytes=1-3").send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::PARTIAL_CONTENT);
    assert_eq!(answer.headers()["content-range"], "bytes 1-3/5");
    assert_eq!(answer.bytes().await.unwrap(), "ell");
}

#[tokio::test]
async fn a_signature_for_one_key_or_method_opens_no_other() {
    let blobs = blobs().await;
    let (mine, theirs) = (new_blob(&blobs), new_blob(&blobs));
    for blob in [&mine, &theirs] {
        blobs.put_small(blob, "secret".into(), "text/plain").await.unwrap();
    }
    let signed = blobs.presign_get(&mine, &PresignGet::default(), OffsetDateTime::now_utc()).await.unwrap();
    assert_eq!(get(&signed.url).await.0, StatusCode::OK);
    let other = signed.url.replace(&mine.key, &theirs.key);
    assert_ne!(other, signed.url);
    assert_eq!(get(&other).await.0, StatusCode::FORBIDDEN);
    let written = reqwest::Client::new().put(&signed.url).body("mine now").send().await.unwrap().status();
    assert_eq!(written, StatusCode::FORBIDDEN);
    assert_eq!(get(&signed.url.replace("X-Amz-Expires=600", "X-Amz-Expires=6000")).await.0, StatusCode::FORBIDDEN);
    assert_eq!(get(signed.url.split('?').next().unwrap()).await.0, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn an_expired_signature_is_refused() {
    let blobs = blobs().await;
    let blob = new_blob(&blobs);
    blobs.put_small(&blob, "hello".into(), "text/plain").await.unwrap();
    let eleven_minutes_ago = OffsetDateTime::now_utc() - Duration::from_secs(660);
    let signed = blobs.presign_get(&blob, &PresignGet::default(), eleven_minutes_ago).await.unwrap();
    assert!(signed.expires_at < OffsetDateTime::now_utc());
    assert_eq!(get(&signed.url).await.0, StatusCode::FORBIDDEN);

    let upload = blobs.create(&new_blob(&blobs), "video/mp4").await.unwrap();
    let part = blobs.presign_upload_part(&upload, 1, 5, eleven_minutes_ago).await.unwrap();
    assert_eq!(put(&part, b"hello".to_vec()).await, StatusCode::FORBIDDEN);
    assert_eq!(blobs.list_parts(&upload).await.unwrap(), []);
}

#[tokio::test]
async fn viewers_of_the_same_five_minutes_share_one_url() {
    let blobs = blobs().await;
    let blob = new_blob(&blobs);
    let at = OffsetDateTime::from_unix_timestamp(1_800_000_000).unwrap();
    let url = async |later| blobs.presign_get(&blob, &PresignGet::default(), at + Duration::from_secs(later)).await.unwrap().url;
    assert_eq!(url(0).await, url(299).await);
    assert_ne!(url(0).await, url(300).await);
}

#[tokio::test]
async fn signed_parts_become_the_object() {
    let blobs = blobs().await;
    let blob = new_blob(&blobs);
    let upload = blobs.create(&blob, "video/mp4").await.unwrap();
    let body = noise(50, (5 << 20) + 10);
    for (number, bytes) in [(1, &body[..5 << 20]), (2, &body[5 << 20..])] {
        let signed = blobs.presign_upload_part(&upload, number, bytes.len() as u64, OffsetDateTime::now_utc()).await.unwrap();
        assert_eq!(put(&signed, bytes.to_vec()).await, StatusCode::OK);
    }
    let parts = blobs.list_parts(&upload).await.unwrap();
    let completed = blobs.complete(&upload, &parts).await.unwrap();
    assert_eq!(completed.size, body.len() as u64);
    assert!(blobs.read(&blob, 0, completed.size, None).await.unwrap() == body);
}

#[tokio::test]
async fn a_signed_part_of_another_size_or_number_is_refused() {
    let blobs = blobs().await;
    let upload = blobs.create(&new_blob(&blobs), "video/mp4").await.unwrap();
    let signed = blobs.presign_upload_part(&upload, 1, 1000, OffsetDateTime::now_utc()).await.unwrap();
    for size in [0, 999, 1001] {
        assert_eq!(put(&signed, noise(51, size)).await, StatusCode::FORBIDDEN, "{size}");
    }
    let other = SignedUrl { url: signed.url.replace("partNumber=1", "partNumber=2"), ..signed.clone() };
    assert_ne!(other.url, signed.url);
    assert_eq!(put(&other, noise(51, 1000)).await, StatusCode::FORBIDDEN);
    assert_eq!(blobs.list_parts(&upload).await.unwrap(), []);
    assert_eq!(put(&signed, noise(51, 1000)).await, StatusCode::OK);
}

#[tokio::test]
async fn a_signed_part_is_dead_once_the_upload_is_complete() {
    let blobs = blobs().await;
    let blob = new_blob(&blobs);
    let upload = blobs.create(&blob, "video/mp4").await.unwrap();
    let signed = blobs.presign_upload_part(&upload, 1, 1000, OffsetDateTime::now_utc()).await.unwrap();
    assert_eq!(put(&signed, noise(52, 1000)).await, StatusCode::OK);
    let parts = blobs.list_parts(&upload).await.unwrap();
    let completed = blobs.complete(&upload, &parts).await.unwrap();
    let late = put(&signed, noise(53, 1000)).await;
    assert!(late.is_client_error(), "{late}");
    assert!(blobs.read(&blob, 0, 1000, Some(&completed.etag)).await.unwrap() == noise(52, 1000));
}

#[tokio::test]
async fn nothing_that_the_api_signs_opens_in_quarantine() {
    let (scanner, api) = (config(S3Identity::MediaScanner).await, config(S3Identity::MediaApi).await);
    assert_ne!(scanner.access_key_id, api.access_key_id, "this server was given with one identity for all: quarantine cannot be judged");
    let (scanner, api) = (Blobs::connect(&scanner).unwrap(), Blobs::connect(&api).unwrap());
    let key = keys::original(new_tenant(), AssetId::generate());
    for blob in [scanner.in_quarantine(&key), scanner.in_bucket(&key)] {
        scanner.put_small(&blob, "infected".into(), "text/plain").await.unwrap();
    }
    let now = OffsetDateTime::now_utc();
    let signed = async |blob| get(&api.presign_get(&blob, &PresignGet::default(), now).await.unwrap().url).await.0;
    assert_eq!(signed(api.in_quarantine(&key)).await, StatusCode::FORBIDDEN);
    assert_eq!(signed(api.in_bucket(&key)).await, StatusCode::OK);
}
