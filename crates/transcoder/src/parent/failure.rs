//! How a child's work can fail, and what the worker can do about it.

use std::fmt;

use media_domain::Reason;

use super::process::Usage;
use crate::protocol::FailureCode;

pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// What the worker can do: give up with a reason, or come back later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureKind {
    /// The file is of a type, codec or shape that we do not process.
    Unsupported,
    /// The file holds less than it promises, or cannot be read.
    Corrupt,
    /// The file cannot be read without a password.
    Encrypted,
    /// The text cannot be read at this line, counted from 1.
    BadLine(u32),
    /// More pixels than the limit.
    TooLarge,
    /// A limit on memory, CPU, output or reading was hit, for certain.
    LimitHit,
    /// Killed by somebody who does not say why: most likely by the kernel, for want of memory on this machine.
    Killed,
    /// The deadline passed, or nothing moved.
    TimedOut,
    /// Our fault: a crash, a broken protocol, a wrong graph.
    Internal,
    /// A call that the lock forbids: an attack, or a hole in our list.
    PolicyViolation,
    /// The caller asked to stop.
    Cancelled,
    /// The original could not be read from storage: come back later.
    SourceFailed,
    /// An output could not be written to storage: come back later.
    OutputFailed,
}

/// A child's work failed.
#[derive(Debug, thiserror::Error)]
#[error("the child's work failed ({kind:?}): {text}")]
pub struct ChildFailure {
    pub kind: FailureKind,
    /// In our own words: for the log.
    pub text: String,
    /// In the child's, and its libraries': they may come out of the file, names and all. For who looks for a fault, in no error, and
    /// never for a tenant.
    pub said: String,
    #[source]
    pub source: Option<BoxError>,
    /// What the child had used; none where it did not start, or does not end.
    pub usage: Option<Usage>,
}

impl ChildFailure {
    pub(crate) fn new(kind: FailureKind, text: impl fmt::Display) -> Self {
        Self { kind, text: text.to_string(), said: String::new(), source: None, usage: None }
    }

    pub(crate) fn because(kind: FailureKind, text: impl fmt::Display, source: impl Into<BoxError>) -> Self {
        Self { source: Some(source.into()), ..Self::new(kind, text) }
    }

    pub(crate) fn internal(text: impl fmt::Display) -> Self {
        Self::new(FailureKind::Internal, text)
    }

    /// With what the child said of it.
    pub(crate) fn said(self, words: &str) -> Self {
        Self { said: words.trim().to_owned(), ..self }
    }

    /// What is stored with the failed job. None where the work should be given back and tried later, or was not wanted any more.
    pub fn reason(&self) -> Option<Reason> {
        match self.kind {
            FailureKind::Unsupported | FailureKind::Encrypted => Some(Reason::Unsupported),
            FailureKind::Corrupt | FailureKind::BadLine(_) => Some(Reason::Corrupt),
            FailureKind::TooLarge => Some(Reason::PixelsExceedLimit),
            FailureKind::LimitHit | FailureKind::Killed => Some(Reason::LimitHit),
            FailureKind::TimedOut => Some(Reason::TimedOut),
            FailureKind::Internal | FailureKind::PolicyViolation => Some(Reason::Internal),
            FailureKind::Cancelled | FailureKind::SourceFailed | FailureKind::OutputFailed => None,
        }
    }

    /// Whether another attempt may end better.
    pub fn is_worth_another_try(&self) -> bool {
        matches!(
            self.kind,
            FailureKind::TimedOut | FailureKind::Internal | FailureKind::Killed | FailureKind::SourceFailed | FailureKind::OutputFailed
        )
    }
}

impl From<FailureCode> for FailureKind {
    fn from(code: FailureCode) -> Self {
        match code {
            FailureCode::Unsupported => Self::Unsupported,
            FailureCode::Corrupt => Self::Corrupt,
            FailureCode::Encrypted => Self::Encrypted,
            FailureCode::BadLine(line) => Self::BadLine(line),
            FailureCode::TooLarge => Self::TooLarge,
            FailureCode::LimitHit => Self::LimitHit,
            FailureCode::TimedOut => Self::TimedOut,
            FailureCode::Internal => Self::Internal,
            FailureCode::SourceFailed => Self::SourceFailed,
        }
    }
}
