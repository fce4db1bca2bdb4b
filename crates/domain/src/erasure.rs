//! The erasure of a person's assets, or of a tenant: what becomes of each, as the receipt has it.

use uuid::Uuid;

use crate::{OwnerId, asset::words};

words! {
    /// Whose assets go.
    Scope { Owner = "owner", Tenant = "tenant" }
}

words! {
    /// What became of an asset, or of one of its objects.
    Outcome {
        /// It goes; something is still to be cleared away.
        Pending = "pending",
        Erased = "erased",
        /// A bundle needs it: it stays, and names nobody.
        Anonymised = "anonymised",
        /// An object that an asset of somebody else names too.
        Shared = "shared",
        /// It goes when the last hold on it is released.
        Held = "held",
    }
}

/// Who is named where an erased person was.
pub fn nobody() -> OwnerId {
    Uuid::nil().into()
}

/// What is named where an erased person was named by a word.
pub const NOBODY: &str = "erased";
