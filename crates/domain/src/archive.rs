//! The cold tier: where originals go that nobody uses, and how they come back.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::asset::words;

/// For how many days an original is brought back, where the caller does not say.
pub const RESTORE_DAYS: u32 = 7;
/// The most days that one may be asked for.
pub const MAX_RESTORE_DAYS: u32 = 90;

words! {
    /// A storage class of S3 that costs less to keep in and more to read from
    /// (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/storage-class-intro.html>).
    ArchiveClass {
        StandardIa = "STANDARD_IA",
        OnezoneIa = "ONEZONE_IA",
        GlacierIr = "GLACIER_IR",
        Glacier = "GLACIER",
        DeepArchive = "DEEP_ARCHIVE",
    }
}

impl ArchiveClass {
    /// Whether what lies in it can only be read after it was restored, which takes hours.
    pub const fn needs_restore(self) -> bool {
        matches!(self, ArchiveClass::Glacier | ArchiveClass::DeepArchive)
    }
}

words! {
    /// Where an original stands that is not where it was uploaded to.
    ArchiveState {
        /// On its way there. Nobody reads it before it has arrived.
        Archiving = "archiving",
        Archived = "archived",
        /// Asked back; the store takes hours.
        Restoring = "restoring",
        /// There to be read, for a while, beside the archived one.
        Available = "available",
    }
}

/// An original that is not where it was uploaded to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Archive {
    pub state: ArchiveState,
    pub class: ArchiveClass,
    /// Of one that is available: until when.
    #[serde(default, with = "time::serde::rfc3339::option")]
    pub available_until: Option<OffsetDateTime>,
}

impl Archive {
    /// Whether the bytes can be read now. An end that the store has named is the store's: what is over by it is not readable, also
    /// where nobody has noted it yet.
    pub fn is_readable(&self, now: OffsetDateTime) -> bool {
        match self.state {
            ArchiveState::Archiving | ArchiveState::Restoring => false,
            ArchiveState::Archived => !self.class.needs_restore(),
            ArchiveState::Available => self.available_until.is_none_or(|until| now < until),
        }
    }
}

#[cfg(test)]
mod tests {
    use time::{Duration, macros::datetime};

    use super::*;

    #[test]
    fn what_is_archived_is_read_at_once_or_after_a_restore_by_its_class() {
        let now = datetime!(2026-11-24 12:00 UTC);
        for class in ArchiveClass::ALL.iter().copied() {
            let of = |state, available_until| Archive { state, class, available_until }.is_readable(now);
            assert_eq!(of(ArchiveState::Archived, None), !class.needs_restore(), "{class}");
            assert!(!of(ArchiveState::Archiving, None) && !of(ArchiveState::Restoring, None), "{class}");
            assert!(of(ArchiveState::Available, Some(now + Duration::SECOND)) && !of(ArchiveState::Available, Some(now)), "{class}");
        }
        assert_eq!(ArchiveClass::ALL.iter().filter(|class| class.needs_restore()).count(), 2);
    }

    #[test]
    fn it_is_read_as_the_database_writes_it() {
        let text = r#"{"state": "available", "class": "GLACIER", "available_until": "2026-11-24T12:00:00Z"}"#;
        let read: Archive = serde_json::from_str(text).unwrap();
        assert_eq!(read.available_until, Some(datetime!(2026-11-24 12:00 UTC)));
        let archived: Archive = serde_json::from_str(r#"{"state": "archived", "class": "GLACIER_IR", "available_until": null}"#).unwrap();
        assert_eq!(archived.available_until, None);
    }
}
