//! URLs that let somebody else do one thing for a few minutes, and the header that names a download.
//!
//! They are signed for the host that clients reach. Who holds one needs no other right, so they are never logged: `Debug`
//! leaves the signature out.

use std::{fmt, time::Duration};

use aws_sdk_s3::presigning::{PresignedRequest, PresigningConfig};
use media_domain::BlobName;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use time::OffsetDateTime;

use crate::{BlobError, Blobs, UploadHandle, error::Cause, part_plan::MAX_PART_BYTES, store::part_number};

/// How long a signature is valid (DATA_MODEL 6: signed URLs short-lived, 10 min).
pub const VALIDITY: Duration = Duration::from_secs(600);
/// How long the same URL is given for the same object, so that viewers share a cache entry.
pub const SHARED_FOR: Duration = Duration::from_secs(300);
/// The longest file name in a header, in bytes: what file systems take.
const MAX_NAME_BYTES: usize = 255;

/// `attr-char` of RFC 8187, 3.2.1.
const NAME_ESCAPES: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'!')
    .remove(b'#')
    .remove(b'$')
    .remove(b'&')
    .remove(b'+')
    .remove(b'-')
    .remove(b'.')
    .remove(b'^')
    .remove(b'_')
    .remove(b'`')
    .remove(b'|')
    .remove(b'~');

/// A request that whoever holds it may send until it expires.
#[derive(Clone, PartialEq, Eq)]
pub struct SignedUrl {
    pub url: String,
    /// Headers that the signature covers and the client must send as they are. `host` is not among them.
    pub headers: Vec<(String, String)>,
    pub expires_at: OffsetDateTime,
}

impl fmt::Debug for SignedUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unsigned = self.url.split('?').next().unwrap_or_default();
        f.debug_struct("SignedUrl").field("url", &unsigned).field("expires_at", &self.expires_at).finish_non_exhaustive()
    }
}

/// How a GET is signed.
#[derive(Clone, Debug)]
pub struct PresignGet {
    /// From the signing time to the end.
    pub validity: Duration,
    /// The signing time is rounded down to a multiple of this. A URL lives between `validity - shared_for` and `validity`.
    /// Zero: signed for this very second.
    pub shared_for: Duration,
    /// What the answer's `Content-Disposition` shall be: see [`content_disposition`].
    pub content_disposition: Option<String>,
    /// What the answer's `Content-Type` shall be, in place of the stored one.
    pub content_type: Option<String>,
}

impl Default for PresignGet {
    fn default() -> Self {
        Self { validity: VALIDITY, shared_for: SHARED_FOR, content_disposition: None, content_type: None }
    }
}

impl Blobs {
    /// Signs a GET of one object; the holder may ask for any range of it.
    ///
    /// # Errors
    /// [`BlobError::Invalid`] if `shared_for` leaves no validity, or validity is more than a week.
    pub async fn presign_get(&self, blob: &BlobName, how: &PresignGet, now: OffsetDateTime) -> Result<SignedUrl, BlobError> {
        if how.shared_for >= how.validity {
            return Err(Cause::Signature { shared_secs: how.shared_for.as_secs(), validity_secs: how.validity.as_secs() }.invalid());
        }
        let (window, expires_at) = window(now, how.shared_for, how.validity)?;
        let request = self.signer.get_object().bucket(&blob.bucket).key(&blob.key);
        let request =
            request.set_response_content_disposition(how.content_disposition.clone()).set_response_content_type(how.content_type.clone());
        Ok(signed(&request.presigned(window).await?, expires_at))
    }

    /// Signs the PUT of one part of exactly `size` bytes, valid for ten minutes from now.
    ///
    /// # Errors
    /// [`BlobError::Invalid`] or [`BlobError::Limit`] for a number or size that no part has.
    pub async fn presign_upload_part(
        &self,
        upload: &UploadHandle,
        number: u32,
        size: u64,
        now: OffsetDateTime,
    ) -> Result<SignedUrl, BlobError> {
        if size == 0 {
            return Err(Cause::Empty.invalid());
        }
        if size > MAX_PART_BYTES {
            return Err(Cause::TooManyBytes { bytes: size, limit: MAX_PART_BYTES }.limit());
        }
        let (window, expires_at) = window(now, Duration::ZERO, VALIDITY)?;
        let request = self.signer.upload_part().bucket(&upload.blob.bucket).key(&upload.blob.key).upload_id(&upload.upload_id);
        let length = i64::try_from(size).map_err(|error| BlobError::Invalid(error.into()))?;
        // Without a signed length the signature would let any length in.
        let request = request.part_number(part_number(number)?).content_length(length);
        Ok(signed(&request.presigned(window).await?, expires_at))
    }
}

fn window(now: OffsetDateTime, shared_for: Duration, validity: Duration) -> Result<(PresigningConfig, OffsetDateTime), BlobError> {
    let step = i64::try_from(shared_for.as_secs()).unwrap_or(i64::MAX).max(1);
    let now_secs = now.unix_timestamp();
    let start =
        OffsetDateTime::from_unix_timestamp(now_secs - now_secs.rem_euclid(step)).map_err(|error| BlobError::Invalid(error.into()))?;
    let window = PresigningConfig::builder()
        .start_time(start.into())
        .expires_in(validity)
        .build()
        .map_err(|error| BlobError::Invalid(error.into()))?;
    Ok((window, start + validity))
}

fn signed(request: &PresignedRequest, expires_at: OffsetDateTime) -> SignedUrl {
    let headers = request.headers().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    SignedUrl { url: request.uri().to_owned(), headers, expires_at }
}

/// The `Content-Disposition` of a download under a user's file name (RFC 6266): the name in ASCII for old clients, and
/// whole in UTF-8 (RFC 8187). Whatever the name holds, the answer is one header of printable ASCII, without a path and
/// without marks that turn text around to disguise an ending.
pub fn content_disposition(filename: &str) -> String {
    let mut name: String =
        filename.chars().filter(|c| !c.is_control() && !turns_text(*c)).map(|c| if matches!(c, '/' | '\\') { '_' } else { c }).collect();
    name.truncate(name.floor_char_boundary(MAX_NAME_BYTES));
    let name = match name.trim_matches(|c: char| c == '.' || c.is_whitespace()) {
        "" => "download",
        name => name,
    };
    // Some clients decode `%` and `\` inside the quotes.
    let ascii: String = name.chars().map(|c| if c.is_ascii() && !matches!(c, '"' | '%') { c } else { '_' }).collect();
    format!("attachment; filename=\"{ascii}\"; filename*=UTF-8''{}", utf8_percent_encode(name, NAME_ESCAPES))
}

/// Unicode's bidirectional controls (UAX #9, 2).
fn turns_text(c: char) -> bool {
    matches!(c, '\u{061C}' | '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use time::macros::datetime;

    use super::*;

    proptest! {
        #[test]
        fn no_file_name_breaks_out_of_its_header(name in any::<String>()) {
            let header = content_disposition(&name);
            prop_assert!(header.bytes().all(|b| (0x20..0x7f).contains(&b)), "{}", header);
            prop_assert_eq!(header.matches('"').count(), 2, "{}", header);
            let (ascii, rest) = header.strip_prefix("attachment; filename=\"").unwrap().split_once("\"; filename*=UTF-8''").unwrap();
            prop_assert!(!ascii.is_empty() && !ascii.contains(['/', '\\', '%']));
            prop_assert!(!rest.is_empty() && rest.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$&+-.^_`|~%".contains(&b)), "{}", rest);
        }

        #[test]
        fn any_url_of_ten_minutes_lives_for_five_to_ten(at in 0_i64..4_000_000_000) {
            let now = OffsetDateTime::from_unix_timestamp(at).unwrap();
            let left = window(now, SHARED_FOR, VALIDITY).unwrap().1 - now;
            prop_assert!(left > SHARED_FOR && left <= VALIDITY, "{}", left);
        }
    }

    #[test]
    fn a_name_is_kept_in_utf8_and_readable_in_ascii() {
        assert_eq!(
            content_disposition("Café \"1\".mp4"),
            "attachment; filename=\"Caf_ _1_.mp4\"; filename*=UTF-8''Caf%C3%A9%20%221%22.mp4"
        );
        assert_eq!(
            content_disposition("a.mp4\r\nSet-Cookie: x=1"),
            "attachment; filename=\"a.mp4Set-Cookie: x=1\"; filename*=UTF-8''a.mp4Set-Cookie%3A%20x%3D1"
        );
    }

    #[test]
    fn a_name_is_no_path_and_never_empty() {
        assert!(content_disposition("../../etc/passwd").starts_with("attachment; filename=\"_.._etc_passwd\";"));
        assert!(content_disposition("..").starts_with("attachment; filename=\"download\";"));
        assert!(content_disposition("x\u{202E}4pm.exe").ends_with("''x4pm.exe"));
    }

    #[test]
    fn the_signing_time_is_rounded_down_so_that_viewers_share_a_url() {
        let (window_1, end_1) = window(datetime!(2026-11-24 12:05:01 UTC), SHARED_FOR, VALIDITY).unwrap();
        let (window_2, end_2) = window(datetime!(2026-11-24 12:09:59.9 UTC), SHARED_FOR, VALIDITY).unwrap();
        assert_eq!(window_1.start_time(), window_2.start_time());
        assert_eq!((end_1, end_2), (datetime!(2026-11-24 12:15 UTC), datetime!(2026-11-24 12:15 UTC)));
    }

    #[test]
    fn a_signed_url_is_shown_without_its_signature() {
        let url = SignedUrl {
            url: "http://store/media/key?X-Amz-Signature=abc".into(),
            headers: vec![],
            expires_at: datetime!(2026-11-24 12:15 UTC),
        };
        let shown = format!("{url:?}");
        assert!(shown.contains("media/key") && !shown.contains("abc"), "{shown}");
    }

    #[tokio::test]
    async fn urls_are_signed_for_the_host_that_clients_reach() {
        let settings = serde_json::json!({ "endpoint": "http://10.0.0.1:8333", "public_endpoint": "https://media.example", "region": "auto",
            "bucket": "media", "quarantine_bucket": "quarantine", "access_key_id": "key", "secret_access_key": "secret" });
        let now = datetime!(2026-11-24 12:15 UTC);
        for (path_style, start) in [(true, "https://media.example/media/a/b?"), (false, "https://media.media.example/a/b?")] {
            let config = crate::S3Config { path_style, ..serde_json::from_value(settings.clone()).unwrap() };
            let blobs = Blobs::connect(&config).unwrap();
            let blob = BlobName { bucket: "media".into(), key: "a/b".into() };
            let signed = blobs.presign_get(&blob, &PresignGet::default(), now).await.unwrap();
            assert!(signed.url.starts_with(start), "{}", signed.url);
            let upload = UploadHandle { blob, upload_id: "id".into() };
            let part = blobs.presign_upload_part(&upload, 1, 5, now).await.unwrap();
            assert!(part.url.starts_with(start) && part.url.contains("X-Amz-SignedHeaders=content-length%3Bhost"), "{}", part.url);
        }
    }
}
