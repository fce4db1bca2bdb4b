//! Why something failed, in words that a caller's program can act on.

use crate::asset::words;

words! {
    /// Why an asset, a job or a piece of work failed: stored with the row and carried by the event.
    Reason {
        /// The caller gave the upload up.
        UploadAborted = "upload_aborted",
        /// Nothing came for 24 hours.
        UploadAbandoned = "upload_abandoned",
        /// The bytes are not those whose SHA-256 was declared.
        HashMismatch = "hash_mismatch",
        /// The stored object has another size than the one declared.
        SizeMismatch = "size_mismatch",
        /// The bytes are of no type that this kind accepts.
        MimeUnsupported = "mime_unsupported",
        /// The file could not be scanned whole, and the policy for its kind refuses what was not.
        ScanPartial = "scan_partial",
        /// The file is of a type, codec or shape that we do not process.
        Unsupported = "unsupported",
        /// The file is damaged: it holds less than it promises, or cannot be read.
        Corrupt = "corrupt",
        /// Longer than the limit for its kind.
        DurationExceedsLimit = "duration_exceeds_limit",
        /// More pixels than the limit for its kind.
        PixelsExceedLimit = "pixels_exceed_limit",
        /// A limit on memory, CPU or output was hit while processing.
        LimitHit = "limit_hit",
        /// Processing took longer than its deadline, or stood still.
        TimedOut = "timed_out",
        /// Our fault. Tried again before it is said.
        Internal = "internal",
        /// The worker died or lost its lease, again and again.
        WorkerLost = "worker_lost",
        /// The URL leads to where nothing is fetched from: by its scheme, its port, or an address that is not public.
        UrlRefused = "url_refused",
        /// The server that the URL names did not give the file.
        ImportFailed = "import_failed",
        /// More bytes than the limit for its kind, the service's or the tenant's.
        SizeExceedsLimit = "size_exceeds_limit",
        /// The tenant's quota has no room for it.
        QuotaExceeded = "quota_exceeded",
        /// The spoken language is one that the model does not know.
        LanguageUnsupported = "language_unsupported",
    }
}

impl Reason {
    /// Whether the fault is ours, and nothing is wrong with the file.
    pub const fn is_ours(self) -> bool {
        matches!(self, Reason::Internal | Reason::WorkerLost)
    }

    /// Whether one output of several may be why: another was perhaps not touched by it. What is wrong with the file itself
    /// is wrong for all.
    pub const fn may_be_one_output(self) -> bool {
        matches!(self, Reason::Unsupported | Reason::LimitHit | Reason::TimedOut | Reason::Internal | Reason::WorkerLost)
    }
}

words! {
    /// What the scan of an original found.
    Verdict {
        /// Scanned whole, and nothing found.
        Clean = "clean",
        /// Nothing found, but not all bytes were looked at.
        Partial = "partial",
        /// Something was found.
        Infected = "infected",
        /// Something was found that an administrator let pass, and nothing else.
        Released = "released",
    }
}
