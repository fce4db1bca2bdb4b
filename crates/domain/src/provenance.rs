//! Where something that a machine made came from. Stored as `ai_provenance`.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::asset::{Kind, words};

words! {
    /// What a machine made.
    ArtifactKind {
        /// Captions and a transcript, by our own captioner.
        Transcript = "transcript",
        AiImage = "ai_image",
        AiAudio = "ai_audio",
    }
}

impl ArtifactKind {
    /// What an asset of this kind is, where a machine made it.
    pub const fn of(kind: Kind) -> Option<Self> {
        match kind {
            Kind::AiImage => Some(ArtifactKind::AiImage),
            Kind::AiAudio => Some(ArtifactKind::AiAudio),
            Kind::Image | Kind::Audio | Kind::Video | Kind::Document | Kind::Subtitle => None,
        }
    }
}

/// What made an AI artifact, completely enough to make it again or to recall it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Provenance {
    /// The model's name, with its version where it has one.
    pub model: String,
    /// The trace in which it was made.
    pub trace_id: String,
    #[serde(with = "time::serde::rfc3339")]
    pub generated_at: OffsetDateTime,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt_version: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision_id: Option<String>,
    /// The engine that ran the model, with its version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub engine: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model_sha256: Option<String>,
}

impl Provenance {
    /// The first field, by its public name, in which two accounts of the same thing contradict each other: model and trace have to be the
    /// same, the others where both have them.
    pub fn contradicts(&self, other: &Self) -> Option<&'static str> {
        let differ = |one: &Option<String>, other: &Option<String>| matches!((one, other), (Some(one), Some(other)) if one != other);
        let fields = [
            ("model", self.model != other.model),
            ("trace_id", self.trace_id != other.trace_id),
            ("prompt_id", differ(&self.prompt_id, &other.prompt_id)),
            ("prompt_version", differ(&self.prompt_version, &other.prompt_version)),
            ("decision_id", differ(&self.decision_id, &other.decision_id)),
        ];
        fields.into_iter().find(|(_, differ)| *differ).map(|(field, _)| field)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_contradict_each_other_where_both_say_something_else() {
        let one = Provenance {
            model: "m".into(),
            trace_id: "t".into(),
            generated_at: OffsetDateTime::UNIX_EPOCH,
            prompt_id: Some("p".into()),
            prompt_version: None,
            decision_id: None,
            engine: None,
            model_sha256: None,
        };
        let more = Provenance { prompt_version: Some("2".into()), ..one.clone() };
        assert_eq!(one.contradicts(&more), None);
        assert_eq!(one.contradicts(&Provenance { prompt_id: None, ..one.clone() }), None);
        assert_eq!(one.contradicts(&Provenance { model: "n".into(), ..one.clone() }), Some("model"));
        assert_eq!(one.contradicts(&Provenance { trace_id: "u".into(), ..one.clone() }), Some("trace_id"));
        assert_eq!(one.contradicts(&Provenance { prompt_id: Some("q".into()), ..one.clone() }), Some("prompt_id"));
    }
}
