//! What went wrong, named by what the caller can do, and the one place that reads the store's refusals.

use std::error::Error;

use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use media_domain::archive::ArchiveClass;

type Source = Box<dyn Error + Send + Sync>;

/// Why the store did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum BlobError {
    /// Nothing is stored under that name.
    #[error("there is no such object")]
    NotFound,
    /// The multipart upload was completed or aborted by somebody else: a fence. Stop, and write nothing.
    #[error("the multipart upload is gone")]
    UploadGone,
    /// The object, or a part, is not the one that was seen before or that was sent. Look again before going on.
    #[error("what is stored is not what was expected")]
    Changed,
    /// The object lies in a class that it has to be restored from first.
    #[error("the object is in the cold tier")]
    Archived,
    /// More bytes or parts than can be stored or are held in memory. Give up.
    #[error("a limit on sizes is exceeded")]
    Limit(#[source] Source),
    /// Wrong credentials, rights or bucket. An operator must act.
    #[error("the store refuses access")]
    Denied(#[source] Source),
    /// Come back later.
    #[error("the store is unavailable")]
    Transient(#[source] Source),
    /// The request can never succeed as it is.
    #[error("the request cannot be served as it is")]
    Invalid(#[source] Source),
}

impl BlobError {
    /// Whether the same request may succeed later.
    pub fn is_transient(&self) -> bool {
        matches!(self, BlobError::Transient(_))
    }
}

/// What this crate itself found wrong; the source of a [`BlobError`].
#[derive(Debug, thiserror::Error)]
pub enum Cause {
    #[error("{setting} {problem}")]
    Setting { setting: &'static str, problem: &'static str },
    #[error("the body ended after {received} of {promised} bytes")]
    BodyCut { received: u64, promised: u64 },
    #[error("the body has more than the {promised} bytes that were promised")]
    BodyTooLong { promised: u64 },
    #[error("no byte came for {seconds} s")]
    BodyStalled { seconds: u64 },
    #[error("the answer carries no {0}")]
    Incomplete(&'static str),
    #[error("the range {start}..{end} is empty")]
    RangeEmpty { start: u64, end: u64 },
    #[error("the range {start}..{end} goes past the end of {size} bytes")]
    RangeOutside { start: u64, end: u64, size: u64 },
    #[error("the store sent the bytes {sent}, not {asked}")]
    OtherRange { sent: String, asked: String },
    #[error("{bytes} bytes are more than the {limit} allowed at once")]
    TooManyBytes { bytes: u64, limit: u64 },
    #[error("a multipart upload has at most {0} parts")]
    TooManyParts(u32),
    #[error("there are more than {0} pages")]
    TooManyPages(usize),
    #[error("the bucket does not exist")]
    NoBucket,
    #[error("an upload has at least one byte")]
    Empty,
    #[error("{0} is no part of the upload")]
    NoSuchPart(u32),
    #[error("{sent} of {written} bytes were sent: a part failed before")]
    Hole { sent: u64, written: u64 },
    #[error("room at the begin is left before anything is written, not behind {0} bytes")]
    RoomBehind(u64),
    #[error("more than the {room} bytes that there is room for")]
    NoRoom { room: usize },
    #[error("{filled} of {room} bytes of the begin were filled")]
    EmptyRoom { room: usize, filled: usize },
    #[error("part {0} is named twice")]
    PartTwice(u32),
    #[error("the store does not keep objects in the class {0}, or does not restore them from it")]
    NoClass(ArchiveClass),
    #[error("a signature shared for {shared_secs} s of its {validity_secs} s may be dead on arrival")]
    Signature { shared_secs: u64, validity_secs: u64 },
}

impl Cause {
    pub(crate) fn transient(self) -> BlobError {
        BlobError::Transient(self.into())
    }
    pub(crate) fn invalid(self) -> BlobError {
        BlobError::Invalid(self.into())
    }
    pub(crate) fn limit(self) -> BlobError {
        BlobError::Limit(self.into())
    }
}

impl<E> From<SdkError<E, HttpResponse>> for BlobError
where
    E: ProvideErrorMetadata + Error + Send + Sync + 'static,
{
    fn from(error: SdkError<E, HttpResponse>) -> Self {
        match &error {
            SdkError::ConstructionFailure(_) => BlobError::Invalid(error.into()),
            SdkError::ServiceError(answer) => match read_refusal(answer.err().code(), answer.raw().status().as_u16()) {
                Refusal::NotFound => BlobError::NotFound,
                Refusal::UploadGone => BlobError::UploadGone,
                Refusal::Changed => BlobError::Changed,
                Refusal::Archived => BlobError::Archived,
                Refusal::Limit => BlobError::Limit(error.into()),
                Refusal::Denied => BlobError::Denied(error.into()),
                Refusal::Transient => BlobError::Transient(error.into()),
                Refusal::Invalid => BlobError::Invalid(error.into()),
            },
            // Timeouts, broken connections, answers that could not be read: the request may or may not have been done.
            _ => BlobError::Transient(error.into()),
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Refusal {
    NotFound,
    UploadGone,
    Changed,
    Archived,
    Limit,
    Denied,
    Transient,
    Invalid,
}

/// Reads a refusal by its code (<https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html>), or by the HTTP
/// status where there is no code, as in the answer to a HEAD.
fn read_refusal(code: Option<&str>, status: u16) -> Refusal {
    match (code, status) {
        (Some("NoSuchUpload"), _) => Refusal::UploadGone,
        (Some("NoSuchBucket" | "AccountProblem" | "AllAccessDisabled" | "ExpiredToken" | "RequestTimeTooSkewed"), _) => Refusal::Denied,
        (Some("NoSuchKey" | "NotFound"), _) => Refusal::NotFound,
        (Some("InvalidObjectState"), _) => Refusal::Archived,
        // With the status 501, and it will be no other the next time.
        (Some("NotImplemented"), _) => Refusal::Invalid,
        (Some("PreconditionFailed" | "InvalidPart" | "InvalidPartOrder"), _) => Refusal::Changed,
        (Some("EntityTooLarge"), _) => Refusal::Limit,
        // Damaged or cut on the way: the same bytes may arrive whole the next time.
        (Some("BadDigest" | "InvalidDigest" | "XAmzContentSHA256Mismatch" | "XAmzContentChecksumMismatch" | "IncompleteBody"), _)
        | (Some("RequestTimeout" | "SlowDown" | "ServiceUnavailable" | "InternalError" | "Throttling" | "TooManyRequests"), _)
        | (Some("OperationAborted" | "ConditionalRequestConflict"), _) => Refusal::Transient,
        (_, 401 | 403) => Refusal::Denied,
        (_, 404) => Refusal::NotFound,
        (_, 412) => Refusal::Changed,
        (_, 413) => Refusal::Limit,
        (_, 408 | 429) => Refusal::Transient,
        (_, status) if status >= 500 => Refusal::Transient,
        _ => Refusal::Invalid,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_read_by_its_code_before_its_status() {
        assert_eq!(read_refusal(Some("NoSuchUpload"), 404), Refusal::UploadGone);
        assert_eq!(read_refusal(Some("NoSuchBucket"), 404), Refusal::Denied);
        assert_eq!(read_refusal(Some("InvalidObjectState"), 403), Refusal::Archived);
        assert_eq!(read_refusal(Some("NoSuchKey"), 404), Refusal::NotFound);
        assert_eq!(read_refusal(Some("BadDigest"), 400), Refusal::Transient);
        assert_eq!(read_refusal(Some("InvalidPart"), 400), Refusal::Changed);
        // Complete can answer 200 with an error inside.
        assert_eq!(read_refusal(Some("InternalError"), 200), Refusal::Transient);
    }

    #[test]
    fn a_head_has_no_code_and_is_read_by_its_status() {
        assert_eq!(read_refusal(None, 404), Refusal::NotFound);
        assert_eq!(read_refusal(None, 403), Refusal::Denied);
        assert_eq!(read_refusal(None, 412), Refusal::Changed);
    }

    #[test]
    fn an_overloaded_or_broken_store_is_worth_another_try_and_a_bad_request_is_not() {
        for status in [429, 500, 502, 503, 504] {
            assert_eq!(read_refusal(None, status), Refusal::Transient, "{status}");
        }
        assert_eq!(read_refusal(Some("SlowDown"), 503), Refusal::Transient);
        assert_eq!(read_refusal(Some("InvalidRange"), 416), Refusal::Invalid);
        assert_eq!(read_refusal(Some("MalformedXML"), 400), Refusal::Invalid);
        assert_eq!(read_refusal(Some("NotImplemented"), 501), Refusal::Invalid);
    }

    #[test]
    fn an_error_says_only_its_own_layer() {
        let error = Cause::BodyCut { received: 3, promised: 5 }.transient();
        assert_eq!(error.to_string(), "the store is unavailable");
        assert_eq!(error.source().unwrap().to_string(), "the body ended after 3 of 5 bytes");
    }
}
