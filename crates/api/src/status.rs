//! The one function from error to `tonic::Status`, with google.rpc details: `ErrorInfo` always, `BadRequest` naming each field, and
//! `RetryInfo` where waiting helps. It is also the one place that logs: what is the caller's is not our log's concern.

use std::{collections::HashMap, time::Duration};

use axum::response::Response;
use media_blobs::BlobError;
use media_domain::{Status as AssetStatus, caption::NotReviewable};
use media_storage::StorageError;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, FieldViolation, StatusExt};

use crate::error::{ApiError, FieldReason, chain};

/// The domain of every `ErrorInfo`.
pub const DOMAIN: &str = "media.v1";
/// How many part numbers a message names.
const MAX_NUMBERS_NAMED: usize = 100;

const SOON: Duration = Duration::from_millis(200);
const LATER: Duration = Duration::from_secs(2);

/// What a caller sees of an error.
struct Shown {
    code: Code,
    reason: &'static str,
    /// How long to wait before the same call is worth another try.
    retry: Option<Duration>,
    metadata: Vec<(&'static str, String)>,
}

impl Shown {
    fn new(code: Code, reason: &'static str) -> Self {
        Self { code, reason, retry: None, metadata: Vec::new() }
    }

    fn retry(self, after: Duration) -> Self {
        Self { retry: Some(after), ..self }
    }

    fn with(mut self, key: &'static str, value: impl ToString) -> Self {
        self.metadata.push((key, value.to_string()));
        self
    }
}

impl From<ApiError> for Status {
    fn from(error: ApiError) -> Status {
        let shown = show(&error);
        log(&error, &shown);
        let mut details = ErrorDetails::new();
        details.set_error_info(
            shown.reason,
            DOMAIN,
            shown.metadata.into_iter().map(|(key, value)| (key.to_owned(), value)).collect::<HashMap<_, _>>(),
        );
        match &error {
            ApiError::Invalid(violations) => {
                let fields = violations.0.iter().map(|it| FieldViolation::new(it.field, it.description.clone()));
                details.set_bad_request(fields.collect::<Vec<_>>());
            }
            ApiError::CaptionSyntax { field, said, .. } => {
                details.set_bad_request(vec![FieldViolation::new(*field, said.clone())]);
            }
            _ => {}
        }
        if let Some(after) = shown.retry {
            details.set_retry_info(Some(after));
        }
        let message = match shown.code {
            Code::Internal => "internal error".to_owned(),
            _ => message(&error),
        };
        Status::with_error_details(shown.code, message, details)
    }
}

/// Says as our own errors do what tonic answers before a handler sees the request: that it is too long, or is none of our messages.
pub fn explained(response: Response) -> Response {
    let headers = response.headers();
    match Status::from_header_map(headers) {
        Some(status)
            if matches!(status.code(), Code::OutOfRange | Code::Internal) && !headers.contains_key(Status::GRPC_STATUS_DETAILS) =>
        {
            Status::from(ApiError::Unreadable(status.message().to_owned())).into_http()
        }
        _ => response,
    }
}

/// The reason that a caller sees of an error.
pub fn reason(error: &ApiError) -> &'static str {
    show(error).reason
}

/// Decides on code and reason.
fn show(error: &ApiError) -> Shown {
    match error {
        ApiError::Unauthenticated(_) => Shown::new(Code::Unauthenticated, "TOKEN_INVALID"),
        ApiError::NoKeysYet => Shown::new(Code::Unavailable, "UNAVAILABLE").retry(LATER),
        ApiError::TenantMismatch => Shown::new(Code::PermissionDenied, "TENANT_MISMATCH"),
        ApiError::ScopeMissing(scope) => Shown::new(Code::PermissionDenied, "SCOPE_MISSING").with("scope", scope),
        ApiError::NoSuchMethod => Shown::new(Code::Unimplemented, "METHOD_UNKNOWN"),
        ApiError::Invalid(violations) => {
            let is = |reason| violations.0.iter().any(|violation| violation.reason == reason);
            Shown::new(
                Code::InvalidArgument,
                if is(FieldReason::SizeExceedsLimit) {
                    "SIZE_EXCEEDS_LIMIT"
                } else if is(FieldReason::MimeUnsupported) {
                    "MIME_UNSUPPORTED"
                } else if is(FieldReason::UrlRefused) {
                    "URL_REFUSED"
                } else {
                    "FIELD_INVALID"
                },
            )
        }
        ApiError::Unreadable(_) => Shown::new(Code::InvalidArgument, "FIELD_INVALID"),
        ApiError::PageTokenInvalid => Shown::new(Code::InvalidArgument, "PAGE_TOKEN_INVALID"),
        ApiError::AssetNotFound => Shown::new(Code::NotFound, "ASSET_NOT_FOUND"),
        ApiError::VariantNotFound => Shown::new(Code::NotFound, "VARIANT_NOT_FOUND"),
        ApiError::CaptionTrackNotFound => Shown::new(Code::NotFound, "CAPTION_TRACK_NOT_FOUND"),
        ApiError::TranscriptNotFound => Shown::new(Code::NotFound, "TRANSCRIPT_NOT_FOUND"),
        ApiError::CaptionSyntax { field, line, .. } => {
            Shown::new(Code::InvalidArgument, "CAPTION_SYNTAX").with("line", line).with("field", field)
        }
        ApiError::CaptionsOff => Shown::new(Code::FailedPrecondition, "CAPTIONS_OFF"),
        ApiError::CaptionsBusy => Shown::new(Code::Aborted, "CONTENTION").retry(LATER),
        ApiError::JobNotFound => Shown::new(Code::NotFound, "JOB_NOT_FOUND"),
        ApiError::AiArtifactNotFound => Shown::new(Code::NotFound, "AI_ARTIFACT_NOT_FOUND"),
        ApiError::DeadLetterNotFound => Shown::new(Code::NotFound, "DEAD_LETTER_NOT_FOUND"),
        ApiError::JobIs(state) => Shown::new(Code::FailedPrecondition, "ILLEGAL_TRANSITION").with("from", state).with("to", "waiting"),
        ApiError::GroupRuns => Shown::new(Code::Aborted, "CONTENTION").retry(LATER),
        ApiError::NotQuarantined(status) => Shown::new(Code::FailedPrecondition, "ILLEGAL_TRANSITION").with("from", status),
        ApiError::NotReady(status) => {
            let shown = Shown::new(Code::FailedPrecondition, "ASSET_NOT_READY").with("status", status);
            if status.is_final() || *status == AssetStatus::Uploading { shown } else { shown.retry(LATER) }
        }
        ApiError::Quarantined => Shown::new(Code::FailedPrecondition, "ASSET_QUARANTINED"),
        ApiError::ScanPartial => Shown::new(Code::FailedPrecondition, "SCAN_PARTIAL"),
        ApiError::PartsMissing(numbers) => {
            Shown::new(Code::FailedPrecondition, "UPLOAD_PART_MISSING").with("parts", listed(numbers)).with("count", numbers.len())
        }
        ApiError::SizeMismatch(_) => Shown::new(Code::FailedPrecondition, "UPLOAD_SIZE_MISMATCH"),
        ApiError::PartChanged(number) => Shown::new(Code::FailedPrecondition, "UPLOAD_HASH_MISMATCH").with("part", number),
        ApiError::UploadEnded(state) => Shown::new(Code::FailedPrecondition, "ILLEGAL_TRANSITION").with("upload", state),
        ApiError::HoldNotFound => Shown::new(Code::NotFound, "HOLD_NOT_FOUND"),
        ApiError::ErasureNotFound => Shown::new(Code::NotFound, "ERASURE_NOT_FOUND"),
        ApiError::EtagMismatch => Shown::new(Code::Aborted, "ETAG_MISMATCH"),
        ApiError::RequestIdReused => Shown::new(Code::AlreadyExists, "REQUEST_ID_REUSED"),
        ApiError::RateLimited(wait) => Shown::new(Code::ResourceExhausted, "RATE_LIMITED").retry(*wait),
        ApiError::StreamBroken => Shown::new(Code::Cancelled, "STREAM_BROKEN"),
        ApiError::Busy(_) => Shown::new(Code::ResourceExhausted, "RATE_LIMITED").retry(LATER),
        ApiError::Stopping => Shown::new(Code::Unavailable, "UNAVAILABLE").retry(SOON),
        ApiError::Storage(error) => match error {
            StorageError::Unavailable(_) => Shown::new(Code::Unavailable, "UNAVAILABLE").retry(LATER),
            StorageError::Contention(_) | StorageError::Changed { .. } => Shown::new(Code::Aborted, "CONTENTION").retry(SOON),
            StorageError::IllegalTransition(moved) => {
                Shown::new(Code::FailedPrecondition, "ILLEGAL_TRANSITION").with("from", moved.from).with("to", moved.to)
            }
            StorageError::NotReviewable(why) => {
                let why = match why {
                    NotReviewable::Superseded => "superseded",
                    NotReviewable::HumanIsShown => "human_is_shown",
                };
                Shown::new(Code::FailedPrecondition, "ILLEGAL_TRANSITION").with("caption_track", why)
            }
            StorageError::QuotaExceeded { used_bytes, reserved_bytes, asked_bytes, quota_bytes } => {
                Shown::new(Code::ResourceExhausted, "QUOTA_EXCEEDED")
                    .with("used_bytes", used_bytes)
                    .with("reserved_bytes", reserved_bytes)
                    .with("asked_bytes", asked_bytes)
                    .with("quota_bytes", quota_bytes)
            }
            StorageError::Held { holds } => {
                let holds = holds.iter().take(MAX_NUMBERS_NAMED).map(ToString::to_string).collect::<Vec<_>>();
                Shown::new(Code::FailedPrecondition, "HELD").with("holds", holds.join(", "))
            }
            StorageError::Archived { state } => Shown::new(Code::FailedPrecondition, "ASSET_ARCHIVED").with("archive_state", state),
            StorageError::Referenced { bundles } => Shown::new(Code::FailedPrecondition, "REFERENCED").with("bundles", bundles.join(", ")),
            StorageError::LeaseLost | StorageError::Missing { .. } | StorageError::BadRow { .. } | StorageError::Refused(_) => {
                Shown::new(Code::Internal, "INTERNAL")
            }
        },
        ApiError::Blobs(error) => match error {
            BlobError::Transient(_) => Shown::new(Code::Unavailable, "UNAVAILABLE").retry(LATER),
            BlobError::Changed => Shown::new(Code::Aborted, "CONTENTION").retry(SOON),
            BlobError::NotFound
            | BlobError::UploadGone
            | BlobError::Archived
            | BlobError::Limit(_)
            | BlobError::Denied(_)
            | BlobError::Invalid(_) => Shown::new(Code::Internal, "INTERNAL"),
        },
        ApiError::Defect(_) => Shown::new(Code::Internal, "INTERNAL"),
    }
}

/// What the caller reads. Of a dependency only that it is away, or in the way.
fn message(error: &ApiError) -> String {
    match error {
        ApiError::Storage(error) => error.to_string(),
        ApiError::Blobs(error) => error.to_string(),
        ApiError::PartsMissing(numbers) => format!("parts are missing: {}", listed(numbers)),
        other => other.to_string(),
    }
}

fn listed(numbers: &[u32]) -> String {
    let mut text = numbers.iter().take(MAX_NUMBERS_NAMED).map(u32::to_string).collect::<Vec<_>>().join(", ");
    if numbers.len() > MAX_NUMBERS_NAMED {
        text.push_str(", …");
    }
    text
}

fn log(error: &ApiError, shown: &Shown) {
    match shown.code {
        Code::Internal => tracing::error!(error = chain(error), reason = shown.reason, "a call failed by our fault"),
        Code::Unavailable if !matches!(error, ApiError::Stopping) => {
            tracing::warn!(error = chain(error), reason = shown.reason, "a call failed for want of a dependency")
        }
        code => tracing::debug!(error = chain(error), reason = shown.reason, ?code, "a call was refused"),
    }
}

#[cfg(test)]
mod tests {
    use media_domain::{archive::ArchiveState, work::WorkState};

    use super::*;
    use crate::error::Violations;

    fn details(error: ApiError) -> (Code, ErrorDetails) {
        let status = Status::from(error);
        (status.code(), status.check_error_details().unwrap())
    }

    #[test]
    fn every_error_says_its_domain_and_reason() {
        for (error, code, reason) in [
            (ApiError::Unauthenticated("expired"), Code::Unauthenticated, "TOKEN_INVALID"),
            (ApiError::TenantMismatch, Code::PermissionDenied, "TENANT_MISMATCH"),
            (ApiError::ScopeMissing("media.read"), Code::PermissionDenied, "SCOPE_MISSING"),
            (ApiError::AssetNotFound, Code::NotFound, "ASSET_NOT_FOUND"),
            (StorageError::Missing { what: "asset" }.into(), Code::NotFound, "ASSET_NOT_FOUND"),
            (ApiError::JobNotFound, Code::NotFound, "JOB_NOT_FOUND"),
            (ApiError::DeadLetterNotFound, Code::NotFound, "DEAD_LETTER_NOT_FOUND"),
            (ApiError::JobIs(WorkState::Running), Code::FailedPrecondition, "ILLEGAL_TRANSITION"),
            (ApiError::GroupRuns, Code::Aborted, "CONTENTION"),
            (ApiError::NotQuarantined(AssetStatus::Ready), Code::FailedPrecondition, "ILLEGAL_TRANSITION"),
            (ApiError::Quarantined, Code::FailedPrecondition, "ASSET_QUARANTINED"),
            (ApiError::ScanPartial, Code::FailedPrecondition, "SCAN_PARTIAL"),
            (ApiError::SizeMismatch("part 1 has 2 of 3 bytes".into()), Code::FailedPrecondition, "UPLOAD_SIZE_MISMATCH"),
            (ApiError::EtagMismatch, Code::Aborted, "ETAG_MISMATCH"),
            (StorageError::Missing { what: "caption track" }.into(), Code::NotFound, "CAPTION_TRACK_NOT_FOUND"),
            (ApiError::TranscriptNotFound, Code::NotFound, "TRANSCRIPT_NOT_FOUND"),
            (ApiError::CaptionsBusy, Code::Aborted, "CONTENTION"),
            (StorageError::from(NotReviewable::HumanIsShown).into(), Code::FailedPrecondition, "ILLEGAL_TRANSITION"),
            (ApiError::HoldNotFound, Code::NotFound, "HOLD_NOT_FOUND"),
            (StorageError::Held { holds: Vec::new() }.into(), Code::FailedPrecondition, "HELD"),
            (StorageError::Referenced { bundles: Vec::new() }.into(), Code::FailedPrecondition, "REFERENCED"),
            (StorageError::Archived { state: ArchiveState::Restoring }.into(), Code::FailedPrecondition, "ASSET_ARCHIVED"),
            (ApiError::PageTokenInvalid, Code::InvalidArgument, "PAGE_TOKEN_INVALID"),
            (ApiError::Blobs(BlobError::Transient("away".into())), Code::Unavailable, "UNAVAILABLE"),
            (ApiError::Blobs(BlobError::Denied("no".into())), Code::Internal, "INTERNAL"),
        ] {
            let (got, details) = details(error);
            let info = details.error_info().unwrap();
            assert_eq!((got, info.reason.as_str(), info.domain.as_str()), (code, reason, "media.v1"));
        }
    }

    #[test]
    fn every_field_at_fault_is_named_and_the_limit_gives_the_reason() {
        let mut violations = Violations::default();
        violations.add("filename", "is empty");
        violations.add_as(FieldReason::SizeExceedsLimit, "size_bytes", "is more than 10 bytes");
        let (code, details) = details(ApiError::Invalid(violations));
        let fields: Vec<_> = details.bad_request().unwrap().field_violations.iter().map(|it| it.field.as_str()).collect();
        assert_eq!((code, details.error_info().unwrap().reason.as_str()), (Code::InvalidArgument, "SIZE_EXCEEDS_LIMIT"));
        assert_eq!(fields, ["filename", "size_bytes"]);
    }

    #[test]
    fn a_file_that_cannot_be_read_is_told_by_its_line_and_field() {
        let (code, details) = details(ApiError::CaptionSyntax { field: "content", line: 7, said: "line 7: a cue must end".into() });
        let info = details.error_info().unwrap();
        assert_eq!((code, info.reason.as_str(), info.metadata["line"].as_str()), (Code::InvalidArgument, "CAPTION_SYNTAX", "7"));
        assert_eq!(details.bad_request().unwrap().field_violations[0].field, "content");
    }

    #[test]
    fn waiting_is_advised_only_where_it_helps() {
        assert!(details(ApiError::NotReady(AssetStatus::Transcoding)).1.retry_info().is_some());
        assert!(details(ApiError::NotReady(AssetStatus::Failed)).1.retry_info().is_none());
        assert!(details(ApiError::Blobs(BlobError::Transient("away".into()))).1.retry_info().is_some());
    }

    #[test]
    fn a_full_quota_says_what_takes_it_and_waiting_does_not_help() {
        let full = StorageError::QuotaExceeded { used_bytes: 1, reserved_bytes: 2, asked_bytes: 8, quota_bytes: 10 };
        let (code, details) = details(full.into());
        let info = details.error_info().unwrap();
        assert_eq!((code, info.reason.as_str()), (Code::ResourceExhausted, "QUOTA_EXCEEDED"));
        let of = |key: &str| info.metadata[key].as_str();
        assert_eq!([of("used_bytes"), of("reserved_bytes"), of("asked_bytes"), of("quota_bytes")], ["1", "2", "8", "10"]);
        assert!(details.retry_info().is_none());
    }

    #[test]
    fn a_defect_of_ours_is_not_told_to_strangers() {
        let status = Status::from(ApiError::Defect("the row of 10.0.0.1 is broken".into()));
        assert_eq!(status.message(), "internal error");
    }

    #[test]
    fn a_long_list_of_missing_parts_is_cut() {
        let status = Status::from(ApiError::PartsMissing((1..=9_000).collect()));
        assert!(status.message().starts_with("parts are missing: 1, 2, 3") && status.message().ends_with('…'), "{}", status.message());
        assert!(status.message().len() < 600);
    }
}
