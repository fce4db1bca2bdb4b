//! Why there is no file to be had. It is told to whoever asked for the import, so it names no address of ours, and nothing of the
//! URL; and for the same reason no foreign error stands behind it, which might.

use media_domain::Reason;
use media_import_rules::{AddressClass, Refusal};

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    #[error("the URL {0}")]
    Refused(Refusal),
    #[error("a redirect leads to a URL that is not fetched: it {0}")]
    RefusedRedirect(Refusal),
    #[error("a name of the URL, or of a redirect's, has an address that is not public: it is {0}")]
    RefusedAddress(AddressClass),
    #[error("the server sent us on more than {0} times")]
    TooManyRedirects(usize),
    #[error("the server sent us on without saying where to")]
    NoLocation,
    #[error("the server answered with the status {0}")]
    Status(u16),
    #[error("the server compressed the file, though it was asked not to")]
    Encoded,
    #[error("there is no server of this name")]
    NoSuchName,
    #[error("the server cannot be connected to")]
    Unreachable,
    #[error("TLS cannot be agreed on with the server, or its certificate is not valid")]
    Tls,
    #[error("the connection broke off, or what came over it is not HTTP")]
    Broken,
    #[error("nothing came from the server for too long")]
    Stalled,
    #[error("the server sent too slowly")]
    TooSlow,
    #[error("the file took too long to fetch")]
    TooLong,
    #[error("fewer bytes came than the {0} that the server announced")]
    LessThanAnnounced(u64),
    #[error("more bytes came than the {0} that the server announced")]
    MoreThanAnnounced(u64),
}

impl FetchError {
    /// What is stored with the asset.
    pub fn reason(&self) -> Reason {
        match self {
            FetchError::Refused(_) | FetchError::RefusedRedirect(_) | FetchError::RefusedAddress(_) => Reason::UrlRefused,
            FetchError::LessThanAnnounced(_) | FetchError::MoreThanAnnounced(_) => Reason::SizeMismatch,
            FetchError::Stalled | FetchError::TooSlow | FetchError::TooLong => Reason::TimedOut,
            _ => Reason::ImportFailed,
        }
    }

    /// Whether another try may go better.
    pub fn may_pass(&self) -> bool {
        match self {
            // Request Timeout, Too Early, Too Many Requests; and what is the server's own trouble.
            FetchError::Status(status) => matches!(status, 408 | 425 | 429 | 500..),
            FetchError::NoSuchName | FetchError::Unreachable | FetchError::Tls => true,
            FetchError::Broken | FetchError::Stalled | FetchError::LessThanAnnounced(_) => true,
            _ => false,
        }
    }
}
