//! Why the child could not do it.

use crate::protocol::FailureCode;

/// Goes to the parent as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failed {
    pub code: FailureCode,
    pub text: String,
}

impl Failed {
    pub fn new(code: FailureCode, text: impl Into<String>) -> Self {
        Self { code, text: text.into() }
    }

    pub fn unsupported(text: impl Into<String>) -> Self {
        Self::new(FailureCode::Unsupported, text)
    }

    pub fn corrupt(text: impl Into<String>) -> Self {
        Self::new(FailureCode::Corrupt, text)
    }

    pub fn internal(text: impl Into<String>) -> Self {
        Self::new(FailureCode::Internal, text)
    }

    /// What an error on the bus means: decided by its domain and code, never by its text.
    pub fn from_bus(error: &gstreamer::message::Error) -> Self {
        let from = error.src().map(|source| gstreamer::prelude::GstObjectExt::name(source).to_string()).unwrap_or_default();
        let text = format!("{from}: {} ({})", error.error(), error.debug().unwrap_or_default());
        Self::new(code(&error.error()), text)
    }
}

fn code(error: &gstreamer::glib::Error) -> FailureCode {
    use gstreamer::{CoreError, ResourceError, StreamError};
    if let Some(kind) = error.kind::<StreamError>() {
        return match kind {
            StreamError::TypeNotFound
            | StreamError::WrongType
            | StreamError::CodecNotFound
            | StreamError::Decrypt
            | StreamError::DecryptNokey => FailureCode::Unsupported,
            StreamError::Demux | StreamError::Decode | StreamError::Format => FailureCode::Corrupt,
            _ => FailureCode::Internal,
        };
    }
    if let Some(kind) = error.kind::<ResourceError>() {
        return match kind {
            ResourceError::Read | ResourceError::OpenRead | ResourceError::Seek => FailureCode::SourceFailed,
            ResourceError::NoSpaceLeft => FailureCode::LimitHit,
            _ => FailureCode::Internal,
        };
    }
    match error.kind::<CoreError>() {
        Some(CoreError::MissingPlugin) => FailureCode::Unsupported,
        _ => FailureCode::Internal,
    }
}
