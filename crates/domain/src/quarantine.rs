//! What administrators decide about assets in which something was found, or may be.

use crate::asset::words;

words! {
    /// One decision; each leaves a row that says who and why.
    Decision {
        /// Let what was found pass, if a new scan finds nothing else.
        Release = "release",
        /// Throw the bytes away, for good.
        Purge = "purge",
        /// Scan again, by the signatures of today.
        Rescan = "rescan",
    }
}
