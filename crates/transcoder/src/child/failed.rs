//! Why the child could not do it.

use gstreamer::{self as gst, prelude::*};

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
    pub fn from_bus(error: &gst::message::Error) -> Self {
        let from = error.src().map(|source| source.name().to_string()).unwrap_or_default();
        let text = format!("{from}: {} ({})", error.error(), error.debug().unwrap_or_default());
        let code = match code(&error.error()) {
            // "Internal data stream error" of what reads the file, or of the queue between two that do: something was read that
            // cannot be gone on from.
            FailureCode::Internal if error.src().is_some_and(reads_the_file) => FailureCode::Corrupt,
            code => code,
        };
        Self::new(code, text)
    }
}

fn reads_the_file(element: &gst::Object) -> bool {
    let Some(element) = element.downcast_ref::<gst::Element>() else { return false };
    let before = || element.static_pad("sink")?.peer()?.parent_element();
    is_reader(element)
        || element.factory().is_some_and(|factory| factory.name() == "queue") && before().is_some_and(|element| is_reader(&element))
}

fn is_reader(element: &gst::Element) -> bool {
    let factory = element.factory();
    let class = factory.as_ref().and_then(|factory| factory.metadata("klass"));
    class.is_some_and(|class| ["Demux", "Parser", "Decoder"].iter().any(|part| class.contains(part)))
}

fn code(error: &gst::glib::Error) -> FailureCode {
    use gst::{CoreError, ResourceError, StreamError};
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
