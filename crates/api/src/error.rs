//! What can go wrong with a call, named by what the caller can do about it. What callers see of it is in [`crate::status`].

use std::time::Duration;

use media_blobs::BlobError;
use media_domain::{Status, asset::IllegalTransition, work::WorkState};
use media_storage::StorageError;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Why a call has no answer.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// Get another token.
    #[error("the token is not accepted: {0}")]
    Unauthenticated(&'static str),
    /// Come back when the issuer's keys were read.
    #[error("the keys that tokens are checked with were not read yet")]
    NoKeysYet,
    /// Name the tenant that the token is for.
    #[error("x-tenant-id must be given and be the token's tenant")]
    TenantMismatch,
    /// Get a token with the scope.
    #[error("the token lacks the scope {0}")]
    ScopeMissing(&'static str),
    #[error("there is no such method")]
    NoSuchMethod,
    /// Fix the request.
    #[error("the request is not valid: {}", .0.summary())]
    Invalid(Violations),
    /// Send a message as the contract has it.
    #[error("the request cannot be read: {0}")]
    Unreadable(String),
    #[error("the page token is of another list")]
    PageTokenInvalid,
    /// Also for an asset of another tenant, and for a deleted one: the same words, whatever the reason.
    #[error("there is no such asset")]
    AssetNotFound,
    #[error("the asset has no such variant")]
    VariantNotFound,
    #[error("the asset has no such caption track")]
    CaptionTrackNotFound,
    #[error("the asset has no such transcript")]
    TranscriptNotFound,
    /// Mend the file. The line is counted from 1; what is said of it never repeats the file's text.
    #[error("{field}: {said}")]
    CaptionSyntax { field: &'static str, line: usize, said: String },
    /// Change the tenant's policy.
    #[error("the tenant's policy has no captions")]
    CaptionsOff,
    /// Come back later: an asset is heard for one language at a time.
    #[error("the asset is being heard for another language")]
    CaptionsBusy,
    /// Also for a job of another tenant, and for one of a deleted asset.
    #[error("there is no such job")]
    JobNotFound,
    /// Also for one of another tenant.
    #[error("there is no such AI artifact")]
    AiArtifactNotFound,
    #[error("there is no such dead letter")]
    DeadLetterNotFound,
    /// Only what failed or was cancelled can be tried again.
    #[error("the job is {0}")]
    JobIs(WorkState),
    /// Come back when the profiles that are made together with this one are done.
    #[error("other profiles of the same group are being made")]
    GroupRuns,
    #[error("the asset is {0}, and not quarantined")]
    NotQuarantined(Status),
    /// Come back when it is ready, if it will ever be.
    #[error("the asset is {0}")]
    NotReady(Status),
    #[error("the asset is quarantined")]
    Quarantined,
    #[error("the original was not scanned whole, so it is not given out")]
    ScanPartial,
    /// Send the parts.
    #[error("parts are missing: {}", .0.len())]
    PartsMissing(Vec<u32>),
    /// Begin again: the file is not the one that was announced.
    #[error("the stored parts are not those that were announced: {0}")]
    SizeMismatch(String),
    /// Send the part again, or look what was sent.
    #[error("part {0} is stored with another ETag than the one given")]
    PartChanged(u32),
    /// Begin again.
    #[error("the upload is {0}")]
    UploadEnded(&'static str),
    /// Read it again; also for a policy.
    #[error("it was changed since it was read")]
    EtagMismatch,
    /// Name a hold of the asset's.
    #[error("the asset has no such hold")]
    HoldNotFound,
    #[error("there is no such erasure")]
    ErasureNotFound,
    /// Take another id, or ask for the same as before.
    #[error("the request id was used for another request in the last 24 hours")]
    RequestIdReused,
    /// Come back after this time.
    #[error("the tenant creates faster than it may")]
    RateLimited(Duration),
    #[error("the stream broke off")]
    StreamBroken,
    /// Come back later.
    #[error("{0}")]
    Busy(&'static str),
    #[error("this instance is stopping")]
    Stopping,
    #[error("the database did not do what it was asked")]
    Storage(#[source] StorageError),
    #[error("the store did not do what it was asked")]
    Blobs(#[from] BlobError),
    /// Our fault.
    #[error("what is stored cannot be shown")]
    Defect(#[source] BoxError),
}

impl From<StorageError> for ApiError {
    fn from(error: StorageError) -> Self {
        match error {
            StorageError::Missing { what: "asset" } => ApiError::AssetNotFound,
            StorageError::Missing { what: "caption track" } => ApiError::CaptionTrackNotFound,
            StorageError::Missing { what: "hold" } => ApiError::HoldNotFound,
            other => ApiError::Storage(other),
        }
    }
}

impl From<IllegalTransition> for ApiError {
    fn from(error: IllegalTransition) -> Self {
        ApiError::Storage(error.into())
    }
}

/// An error with all its sources, for the log of whoever handles it.
pub fn chain(error: &dyn std::error::Error) -> String {
    let sources = std::iter::successors(error.source(), |error| error.source());
    sources.fold(error.to_string(), |chain, source| format!("{chain}: {source}"))
}

/// Which of the public reasons a bad field has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldReason {
    Invalid,
    SizeExceedsLimit,
    MimeUnsupported,
    UrlRefused,
}

/// One field that is not as it has to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    pub field: &'static str,
    pub reason: FieldReason,
    /// Names the limit, and never repeats a value that is long or private.
    pub description: String,
}

/// All that is wrong with a request, so that a caller mends it in one go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Violations(pub Vec<Violation>);

impl Violations {
    pub fn add(&mut self, field: &'static str, description: impl Into<String>) {
        self.add_as(FieldReason::Invalid, field, description);
    }

    pub fn add_as(&mut self, reason: FieldReason, field: &'static str, description: impl Into<String>) {
        self.0.push(Violation { field, reason, description: description.into() });
    }

    /// One violation, alone.
    pub fn of(field: &'static str, description: impl Into<String>) -> ApiError {
        let mut violations = Self::default();
        violations.add(field, description);
        ApiError::Invalid(violations)
    }

    /// # Errors
    /// [`ApiError::Invalid`] if there is one.
    pub fn into_result(self) -> Result<(), ApiError> {
        if self.0.is_empty() { Ok(()) } else { Err(ApiError::Invalid(self)) }
    }

    fn summary(&self) -> String {
        self.0.iter().map(|violation| format!("{} {}", violation.field, violation.description)).collect::<Vec<_>>().join("; ")
    }
}
