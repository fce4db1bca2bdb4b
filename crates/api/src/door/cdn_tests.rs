use media_runtime::SecretString;
use rsa::{
    pkcs1v15::{Signature, VerifyingKey},
    signature::{Keypair, Verifier},
};
use time::macros::datetime;

use super::*;

pub(crate) const SECRET: &str = "the secret that the rule has, too";

fn blob() -> BlobName {
    BlobName { bucket: "media".into(), key: "tenants/1/media/2/variants/h264-360p/2".into() }
}

pub(crate) fn config(signature: CdnSignature) -> CdnConfig {
    let key = concat!(env!("CARGO_MANIFEST_DIR"), "/src/auth/test_keys/rs256.pem");
    CdnConfig {
        url: Some("https://cdn.example.com/media/".parse().unwrap()),
        signature,
        key_pair_id: "K2JCJMDEHXQW5F".into(),
        private_key_file: Some(key.into()),
        hmac_secret: Some(SecretString::from(SECRET)),
    }
}

/// What Cloudflare's `is_timed_hmac_valid_v0(secret, uri, lifetime, now, 8)` says.
pub(crate) fn cloudflare_accepts(url: &str, lifetime: i64, now: i64) -> bool {
    let uri = url.strip_prefix("https://cdn.example.com").unwrap();
    let at = uri.find("?verify=").unwrap();
    let (path, token) = (&uri[..at], &uri[at + 8..]);
    let (issued, code) = token.split_once('-').unwrap();
    let code = percent_encoding::percent_decode_str(code).collect::<Vec<u8>>();
    let mut expected = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    expected.update(path.as_bytes());
    expected.update(issued.as_bytes());
    let issued: i64 = issued.parse().unwrap();
    expected.verify_slice(&BASE64_STANDARD.decode(code).unwrap()).is_ok() && issued + lifetime > now
}

/// What CloudFront does with a signed URL: it builds the canned policy from what was asked and holds the signature against it.
pub(crate) fn cloudfront_accepts(cdn: &Cdn, url: &str, now: i64) -> bool {
    let (resource, query) = url.split_once('?').unwrap();
    let value = |name: &str| query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('=')).unwrap();
    let expires: i64 = value("Expires").parse().unwrap();
    let policy = format!(r#"{{"Statement":[{{"Resource":"{resource}","Condition":{{"DateLessThan":{{"AWS:EpochTime":{expires}}}}}}}]}}"#);
    let signature = value("Signature").replace('-', "+").replace('_', "=").replace('~', "/");
    let Signer::CloudFront { key, .. } = &cdn.signer else { panic!("signed otherwise") };
    let verifying: VerifyingKey<Sha1> = key.verifying_key();
    let signature = Signature::try_from(BASE64_STANDARD.decode(signature).unwrap().as_slice()).unwrap();
    assert_eq!(value("Key-Pair-Id"), "K2JCJMDEHXQW5F");
    verifying.verify(policy.as_bytes(), &signature).is_ok() && now < expires
}

#[test]
fn cloudfront_opens_a_url_for_its_object_until_it_ends() {
    let cdn = Cdn::new(&config(CdnSignature::CloudFront)).unwrap();
    let now = datetime!(2026-11-24 12:07:31 UTC);
    let url = cdn.sign(&blob(), now).unwrap();
    assert!(url.starts_with("https://cdn.example.com/media/tenants/1/media/2/variants/h264-360p/2?Expires="), "{url}");
    assert!(url.contains(&format!("Expires={}&", datetime!(2026-11-24 12:15 UTC).unix_timestamp())), "{url}");
    assert!(cloudfront_accepts(&cdn, &url, now.unix_timestamp()));
    assert!(!cloudfront_accepts(&cdn, &url, datetime!(2026-11-24 12:15 UTC).unix_timestamp()));
    assert!(!cloudfront_accepts(&cdn, &url.replace("h264-360p", "h264-720p"), now.unix_timestamp()));
    assert!(!url.split_once('?').unwrap().1.contains(['+', '/']), "{url}");
}

/// The signature of the policy by another's hand: `openssl dgst -sha1 -sign rs256.pem`.
#[test]
fn cloudfronts_signature_is_the_one_that_openssl_makes() {
    let Ok(mut openssl) = std::process::Command::new("openssl")
        .args(["dgst", "-sha1", "-sign", concat!(env!("CARGO_MANIFEST_DIR"), "/src/auth/test_keys/rs256.pem")])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
    else {
        panic!("there is no openssl; Debian installs it with ca-certificates")
    };
    let cdn = Cdn::new(&config(CdnSignature::CloudFront)).unwrap();
    let url = cdn.sign(&blob(), datetime!(2026-11-24 12:07:31 UTC)).unwrap();
    let resource = url.split_once('?').unwrap().0;
    let policy = format!(r#"{{"Statement":[{{"Resource":"{resource}","Condition":{{"DateLessThan":{{"AWS:EpochTime":1795522500}}}}}}]}}"#);
    std::io::Write::write_all(&mut openssl.stdin.take().unwrap(), policy.as_bytes()).unwrap();
    let signature = BASE64_STANDARD.encode(openssl.wait_with_output().unwrap().stdout);
    let signature = signature.replace('+', "-").replace('=', "_").replace('/', "~");
    assert!(url.contains(&format!("Signature={signature}&")), "{url}\n{signature}");
}

#[test]
fn cloudflare_opens_a_url_for_its_object_until_it_ends() {
    let cdn = Cdn::new(&config(CdnSignature::Hmac)).unwrap();
    let now = datetime!(2026-11-24 12:07:31 UTC);
    let url = cdn.sign(&blob(), now).unwrap();
    let issued = datetime!(2026-11-24 12:05 UTC).unix_timestamp();
    assert!(url.contains(&format!("/2?verify={issued}-")), "{url}");
    assert!(cloudflare_accepts(&url, 600, now.unix_timestamp()));
    assert!(!cloudflare_accepts(&url, 600, issued + 600));
    assert!(!cloudflare_accepts(&url.replace("h264-360p", "h264-720p"), 600, now.unix_timestamp()));
    assert!(!cloudflare_accepts(&url.replace(&issued.to_string(), &(issued + 300).to_string()), 600, now.unix_timestamp()));
}

#[test]
fn viewers_of_the_same_five_minutes_share_a_url_and_the_next_five_have_another() {
    for signature in [CdnSignature::CloudFront, CdnSignature::Hmac] {
        let cdn = Cdn::new(&config(signature)).unwrap();
        let url = |now| cdn.sign(&blob(), now).unwrap();
        assert_eq!(url(datetime!(2026-11-24 12:05:01 UTC)), url(datetime!(2026-11-24 12:09:59.9 UTC)));
        assert_ne!(url(datetime!(2026-11-24 12:05:01 UTC)), url(datetime!(2026-11-24 12:10 UTC)));
    }
}

#[test]
fn a_file_that_is_no_key_is_named_before_anything_is_signed() {
    let with = |path: &str| Cdn::new(&CdnConfig { private_key_file: Some(path.into()), ..config(CdnSignature::CloudFront) });
    let es256 = concat!(env!("CARGO_MANIFEST_DIR"), "/src/auth/test_keys/es256.pem");
    assert!(matches!(with(es256), Err(CdnError::NoKey { .. })));
    assert!(matches!(with("/no/such/file"), Err(CdnError::Unreadable { .. })));
}
