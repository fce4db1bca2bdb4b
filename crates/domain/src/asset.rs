//! What an asset is, where it came from, and the moves that its status may make.

use serde::{Deserialize, Serialize};

/// A closed set of words that is stored as text. One macro gives each its three views.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        pub enum $name { $($(#[$vdoc])* #[serde(rename = $word)] $variant),+ }

        impl $name {
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::asset::UnknownWord;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                match text {
                    $($word => Ok(Self::$variant),)+
                    _ => Err($crate::asset::UnknownWord { known: concat!($($word, ", "),+), word: text.to_owned() }),
                }
            }
        }
    };
}
pub(crate) use words;

/// A word that the set does not have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{word:?} is none of {}", known.trim_end_matches(", "))]
pub struct UnknownWord {
    /// The words of the set, each with a comma behind it.
    pub known: &'static str,
    pub word: String,
}

words! {
    /// What an asset is to those who show it.
    Kind {
        Image = "image",
        Audio = "audio",
        Video = "video",
        Document = "document",
        Subtitle = "subtitle",
        AiImage = "ai_image",
        AiAudio = "ai_audio",
    }
}

words! {
    /// How an asset came to us.
    Source { Upload = "upload", AiGenerated = "ai_generated", Imported = "imported" }
}

words! {
    /// Where an asset is on its way. The legal moves are [`Status::may_become`].
    Status {
        Uploading = "uploading",
        Scanning = "scanning",
        Transcoding = "transcoding",
        Ready = "ready",
        Failed = "failed",
        Quarantined = "quarantined",
    }
}

words! {
    /// Whose turn comes first among the work of one tenant.
    Priority { Interactive = "interactive", Normal = "normal", Backfill = "backfill" }
}

words! {
    /// How long an asset is kept, and by which rule.
    RetentionClass { Operational = "operational", Bundle = "bundle", AiGenerated = "ai_generated", Authored = "authored" }
}

impl Kind {
    /// The kind whose pipeline this one goes through: an AI image is an image.
    pub fn pipeline(self) -> Kind {
        match self {
            Kind::AiImage => Kind::Image,
            Kind::AiAudio => Kind::Audio,
            other => other,
        }
    }
}

impl Priority {
    /// Smaller comes first.
    pub fn rank(self) -> i16 {
        match self {
            Priority::Interactive => 0,
            Priority::Normal => 1,
            Priority::Backfill => 2,
        }
    }
}

impl Status {
    /// The state machine, whole. Storage refuses any other move with a typed error, and so does a trigger in the schema.
    pub fn may_become(self, next: Status) -> bool {
        use Status::*;
        matches!(
            (self, next),
            (Uploading, Scanning | Failed)
                | (Scanning, Transcoding | Quarantined | Failed)
                | (Transcoding, Ready | Failed)
                | (Failed, Scanning)
                | (Ready, Scanning | Quarantined)
                | (Quarantined, Scanning)
        )
    }

    /// Whether an asset in this state waits for nobody.
    pub fn is_final(self) -> bool {
        matches!(self, Status::Ready | Status::Failed | Status::Quarantined)
    }
}

/// What a caller may ask of an asset that is in some state, said where the answer is no.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("an asset that is {from} cannot become {to}")]
pub struct IllegalTransition {
    pub from: Status,
    pub to: Status,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_reads_back() {
        for status in Status::ALL {
            assert_eq!(status.as_str().parse::<Status>().unwrap(), *status);
        }
        for kind in Kind::ALL {
            assert_eq!(kind.as_str().parse::<Kind>().unwrap(), *kind);
        }
        assert!("Ready".parse::<Status>().is_err());
    }

    #[test]
    fn no_state_may_become_itself_and_uploading_is_never_entered_again() {
        for from in Status::ALL {
            assert!(!from.may_become(*from), "{from}");
            assert!(!from.may_become(Status::Uploading), "{from}");
        }
    }

    #[test]
    fn only_a_scan_leads_to_transcoding_and_only_transcoding_leads_to_ready() {
        for from in Status::ALL {
            assert_eq!(from.may_become(Status::Transcoding), *from == Status::Scanning);
            assert_eq!(from.may_become(Status::Ready), *from == Status::Transcoding);
        }
    }
}
