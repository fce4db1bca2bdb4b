//! How a verb fails: one sentence for a person, and an exit code for a script.

use std::{error::Error, process::ExitCode};

use tonic::{Code, Status};
use tonic_types::StatusExt as _;

/// Printed under `--help`. Tests hold it against [`Failure::exit_code`].
pub const EXIT_CODES: &str = "Exit codes:
  0  done
  1  something unexpected
  2  the command line is wrong
  3  not found
  4  refused: the input or the asset's state does not allow it, or the asset failed
  5  not authenticated, or not permitted
  6  not available now: try again";

/// What the person at the keyboard can do is the variant; the text says all there is to say.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// Correct the command line or the environment.
    #[error("{0}")]
    Usage(String),
    /// Look for another id.
    #[error("{0}")]
    NotFound(String),
    /// Bring another file, or wait for another state.
    #[error("{0}")]
    Refused(String),
    /// Get another token.
    #[error("{0}")]
    NotPermitted(String),
    /// Come back later.
    #[error("{0}")]
    TryAgain(String),
    /// Tell those who run the service, or who wrote this.
    #[error("{0}")]
    Unexpected(String),
    /// Nothing: whoever read our output has read enough.
    #[error("nobody reads the output any more")]
    ReaderGone,
}

impl Failure {
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.code())
    }

    fn code(&self) -> u8 {
        match self {
            Failure::ReaderGone => 0,
            Failure::Unexpected(_) => 1,
            Failure::Usage(_) => 2,
            Failure::NotFound(_) => 3,
            Failure::Refused(_) => 4,
            Failure::NotPermitted(_) => 5,
            Failure::TryAgain(_) => 6,
        }
    }

    /// The same kind of failure in other words, where its own were said before.
    pub fn in_short(self, sentence: &str) -> Self {
        let sentence = sentence.to_owned();
        match self {
            Failure::Usage(_) => Failure::Usage(sentence),
            Failure::NotFound(_) => Failure::NotFound(sentence),
            Failure::Refused(_) => Failure::Refused(sentence),
            Failure::NotPermitted(_) => Failure::NotPermitted(sentence),
            Failure::TryAgain(_) => Failure::TryAgain(sentence),
            Failure::Unexpected(_) => Failure::Unexpected(sentence),
            Failure::ReaderGone => Failure::ReaderGone,
        }
    }

    /// Says it on stderr.
    pub fn report(&self) {
        if !matches!(self, Failure::ReaderGone) {
            eprintln!("media: {self}");
        }
    }
}

/// A caller's name for what it read or wrote, before the sentence of the operating system.
pub fn of_file(path: &std::path::Path, error: &std::io::Error) -> Failure {
    Failure::Refused(format!("{}: {error}", path.display()))
}

/// An error with all its sources, each said once.
pub fn chain(error: &(dyn Error + 'static)) -> String {
    let mut sentence = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        let said = source.to_string();
        if !sentence.contains(&said) {
            sentence = format!("{sentence}: {said}");
        }
        next = source.source();
    }
    sentence
}

impl From<Status> for Failure {
    /// The service's own sentence, each field at fault, and when to try again, from the `google.rpc` details.
    fn from(status: Status) -> Self {
        let details = status.get_error_details();
        let reason = details.error_info().map(|info| info.reason.as_str()).unwrap_or_default();

        let mut sentence = if status.message().is_empty() { status.code().description().to_owned() } else { status.message().to_owned() };
        if let Some(source) = status.source() {
            let said = chain(source);
            if !sentence.contains(&said) {
                sentence = format!("{sentence}: {said}");
            }
        }
        for violation in details.bad_request().map(|request| request.field_violations.as_slice()).unwrap_or_default() {
            if !sentence.contains(&violation.description) || !sentence.contains(&violation.field) {
                sentence = format!("{sentence}; {}: {}", violation.field, violation.description);
            }
        }
        if let Some(delay) = details.retry_info().and_then(|info| info.retry_delay) {
            sentence = format!("{sentence}; try again in {} s", delay.as_secs().max(1));
        }
        if !reason.is_empty() {
            sentence = format!("{sentence} ({reason})");
        }

        match status.code() {
            Code::NotFound => Failure::NotFound(sentence),
            // A quota is not freed by waiting.
            Code::ResourceExhausted if reason == "QUOTA_EXCEEDED" => Failure::Refused(sentence),
            Code::InvalidArgument | Code::FailedPrecondition | Code::AlreadyExists | Code::OutOfRange => Failure::Refused(sentence),
            Code::Unauthenticated | Code::PermissionDenied => Failure::NotPermitted(sentence),
            Code::Unavailable | Code::ResourceExhausted | Code::Aborted | Code::DeadlineExceeded => Failure::TryAgain(sentence),
            // A source is never sent: the connection broke on our side of it.
            Code::Unknown | Code::Internal if status.source().is_some() => Failure::TryAgain(sentence),
            _ => Failure::Unexpected(sentence),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::HashMap, time::Duration};

    use tonic_types::ErrorDetails;

    use super::*;

    fn of(code: Code, message: &str, details: ErrorDetails) -> Failure {
        Failure::from(Status::with_error_details(code, message, details))
    }

    #[test]
    fn each_field_at_fault_is_named_with_its_limit() {
        let mut details = ErrorDetails::with_error_info("SIZE_EXCEEDS_LIMIT", "media.v1", HashMap::new());
        details.add_bad_request_violation("size_bytes", "at most 16777216 for a subtitle");
        details.add_bad_request_violation("filename", "at most 255 bytes");
        let failure = of(Code::InvalidArgument, "the request cannot be accepted", details);
        assert_eq!(
            failure,
            Failure::Refused(
                "the request cannot be accepted; size_bytes: at most 16777216 for a subtitle; filename: at most 255 bytes (SIZE_EXCEEDS_LIMIT)".into()
            )
        );
    }

    #[test]
    fn a_delay_is_said_and_the_exit_code_asks_to_try_again() {
        let failure = of(Code::Unavailable, "the database is away", ErrorDetails::with_retry_info(Some(Duration::from_secs(5))));
        assert_eq!(failure, Failure::TryAgain("the database is away; try again in 5 s".into()));
    }

    #[test]
    fn every_code_has_the_exit_code_of_the_table() {
        for (code, exit) in [
            (Code::NotFound, 3),
            (Code::InvalidArgument, 4),
            (Code::FailedPrecondition, 4),
            (Code::AlreadyExists, 4),
            (Code::Unauthenticated, 5),
            (Code::PermissionDenied, 5),
            (Code::Unavailable, 6),
            (Code::ResourceExhausted, 6),
            (Code::Aborted, 6),
            (Code::DeadlineExceeded, 6),
            (Code::Internal, 1),
            (Code::Unimplemented, 1),
        ] {
            assert_eq!(of(code, "no", ErrorDetails::new()).code(), exit, "{code:?}");
            assert!(EXIT_CODES.lines().any(|line| line.trim_start().starts_with(&exit.to_string())));
        }
    }

    #[test]
    fn a_full_quota_is_no_matter_of_waiting() {
        let details = ErrorDetails::with_error_info("QUOTA_EXCEEDED", "media.v1", HashMap::new());
        assert_eq!(of(Code::ResourceExhausted, "full", details).code(), 4);
    }

    #[test]
    fn a_status_without_a_word_still_makes_a_sentence() {
        assert_eq!(Failure::from(Status::new(Code::NotFound, "")).to_string(), Code::NotFound.description());
    }
}
