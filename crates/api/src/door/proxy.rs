//! Passing an object on: the ranges of a request, and a body that asks for as much as the player takes and ends with the right to it.
//!
//! Nothing is read ahead: a chunk of the store's body is handed over, and the next one is asked for when it has gone out. So a stream
//! costs one chunk and the buffers of two connections, whatever the object's size and however slow the player.

use std::{ops::Range, sync::Arc};

use axum::{body::Body, response::Response};
use futures::stream;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use media_blobs::ObjectStream;
use media_storage::variants::Variant;
use tokio::sync::OwnedSemaphorePermit;

use super::{epochs::Refusal, routes::Door, token::PlaybackToken};

/// What a request asks for of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Asked {
    Whole,
    Part(Range<u64>),
    /// A range that lies behind the end.
    Nothing,
}

/// Answers with the object, or that part of it which the request names.
///
/// # Errors
/// [`Refusal::Away`] where too many are on their way already, or the store is.
pub async fn pass_on(
    door: &Arc<Door>,
    token: PlaybackToken,
    variant: &Variant,
    method: &Method,
    headers: &HeaderMap,
) -> Result<Response, Refusal> {
    let size = variant.size_bytes;
    // What a committed row names is never overwritten: row and generation stand for the bytes.
    let etag = format!("\"{}.{}\"", variant.id, variant.generation);
    let (status, range) = match asked(headers, size, &etag) {
        Asked::Whole => (StatusCode::OK, 0..size),
        Asked::Part(range) => (StatusCode::PARTIAL_CONTENT, range),
        Asked::Nothing => (StatusCode::RANGE_NOT_SATISFIABLE, 0..0),
    };
    let mut answer = Response::builder()
        .status(status)
        .header(header::ACCEPT_RANGES, "bytes")
        .header(header::ETAG, etag)
        .header(header::CONTENT_TYPE, variant.mime.as_str())
        .header(header::CONTENT_LENGTH, range.end - range.start);
    if status == StatusCode::PARTIAL_CONTENT {
        answer = answer.header(header::CONTENT_RANGE, format!("bytes {}-{}/{size}", range.start, range.end - 1));
    } else if status == StatusCode::RANGE_NOT_SATISFIABLE {
        answer = answer.header(header::CONTENT_RANGE, format!("bytes */{size}"));
    }
    let body = if range.is_empty() || method == Method::HEAD {
        Body::empty()
    } else {
        let permit = Arc::clone(&door.proxy_streams).try_acquire_owned().map_err(|_| Refusal::Away)?;
        let object = door.blobs.open(&variant.blob, range, None).await?;
        Passing { door: Arc::clone(door), token, object, _permit: permit }.into_body()
    };
    answer.body(body).map_err(|_| Refusal::Defect)
}

/// Reads `Range` (RFC 9110, 14.2). One that is no range of bytes, or is several, is ignored, as a server may; so is one of another
/// object than the client has a part of (`If-Range`).
fn asked(headers: &HeaderMap, size: u64, etag: &str) -> Asked {
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    if text(header::IF_RANGE).is_some_and(|known| known != etag) {
        return Asked::Whole;
    }
    let Some((first, last)) = text(header::RANGE).and_then(|range| range.strip_prefix("bytes=")?.split_once('-')) else {
        return Asked::Whole;
    };
    let number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse::<u64>().unwrap_or(u64::MAX));
    match (first, number(first), last, number(last)) {
        // The last so many bytes.
        ("", _, _, Some(count)) if !last.is_empty() => part(size.saturating_sub(count)..size),
        (_, Some(start), "", _) if !first.is_empty() && start < size => part(start..size),
        (_, Some(start), _, Some(end)) if !first.is_empty() && !last.is_empty() && end < start => Asked::Whole,
        (_, Some(start), _, Some(end)) if !first.is_empty() && start < size => part(start..end.saturating_add(1).min(size)),
        (_, Some(_), _, Some(_)) if !first.is_empty() => Asked::Nothing,
        _ => Asked::Whole,
    }
}

fn part(range: Range<u64>) -> Asked {
    if range.is_empty() { Asked::Nothing } else { Asked::Part(range) }
}

/// An object on its way to a player.
struct Passing {
    door: Arc<Door>,
    token: PlaybackToken,
    object: ObjectStream,
    _permit: OwnedSemaphorePermit,
}

impl Passing {
    fn into_body(self) -> Body {
        Body::from_stream(stream::try_unfold(self, |mut passing| async move {
            let Some(bytes) = passing.object.next().await.map_err(Refusal::from)? else { return Ok::<_, Refusal>(None) };
            // After the wait for the bytes, so that none goes out on a right that ended meanwhile. The epochs are asked for once in
            // four seconds and remembered.
            passing.door.admit(&passing.token).await?;
            Ok(Some((bytes, passing)))
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_cut_to_the_object_and_what_is_no_range_is_ignored() {
        let asked = |range: &str| {
            let headers = HeaderMap::from_iter([(header::RANGE, range.parse().unwrap())]);
            asked(&headers, 100, "\"a\"")
        };
        assert_eq!(asked("bytes=0-9"), Asked::Part(0..10));
        assert_eq!(asked("bytes=90-"), Asked::Part(90..100));
        assert_eq!(asked("bytes=90-500"), Asked::Part(90..100));
        assert_eq!(asked("bytes=-10"), Asked::Part(90..100));
        assert_eq!(asked("bytes=-500"), Asked::Part(0..100));
        assert_eq!(asked("bytes=0-99999999999999999999"), Asked::Part(0..100));
        for behind in ["bytes=100-", "bytes=100-200", "bytes=-0", "bytes=99999999999999999999-"] {
            assert_eq!(asked(behind), Asked::Nothing, "{behind}");
        }
        for ignored in ["bytes=9-0", "bytes=0-1,5-6", "bytes=-", "bytes=a-b", "bytes=+1-2", "items=0-1", "bytes"] {
            assert_eq!(asked(ignored), Asked::Whole, "{ignored}");
        }
        assert_eq!(super::asked(&HeaderMap::new(), 100, "\"a\""), Asked::Whole);
    }

    #[test]
    fn a_part_of_another_object_is_not_continued() {
        let headers =
            |known: &str| HeaderMap::from_iter([(header::RANGE, "bytes=5-".parse().unwrap()), (header::IF_RANGE, known.parse().unwrap())]);
        assert_eq!(asked(&headers("\"a\""), 100, "\"a\""), Asked::Part(5..100));
        assert_eq!(asked(&headers("\"b\""), 100, "\"a\""), Asked::Whole);
    }
}
