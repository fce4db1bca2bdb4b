//! Where something that AI made comes from, as a person types it.

use media_proto::{Timestamp, v1::AiProvenance};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

/// Of what AI made.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Of what AI made")]
pub struct Provenance {
    /// The model that made it, with its version
    #[arg(long, value_name = "NAME")]
    model: Option<String>,
    /// The trace in which it was made
    #[arg(long, value_name = "ID")]
    trace_id: Option<String>,
    /// The prompt
    #[arg(long, value_name = "ID")]
    prompt_id: Option<String>,
    #[arg(long, value_name = "VERSION", help = "Which version of the prompt")]
    prompt_version: Option<String>,
    /// The decision for which it was made
    #[arg(long, value_name = "ID")]
    decision_id: Option<String>,
    /// When it was made, as in RFC 3339, such as 2026-11-24T12:00:00Z; without it, now
    #[arg(long, value_name = "TIME", value_parser = moment)]
    generated_at: Option<OffsetDateTime>,
}

impl Provenance {
    /// `None` where nothing was typed. What has to be said, the service says.
    pub fn message(&self) -> Option<AiProvenance> {
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        let message = AiProvenance {
            model: text(&self.model),
            trace_id: text(&self.trace_id),
            prompt_id: text(&self.prompt_id),
            prompt_version: text(&self.prompt_version),
            decision_id: text(&self.decision_id),
            generate_time: self
                .generated_at
                .map(|time| Timestamp { seconds: time.unix_timestamp(), nanos: time.nanosecond().cast_signed() }),
            ..AiProvenance::default()
        };
        (message != AiProvenance::default()).then_some(message)
    }
}

fn moment(text: &str) -> Result<OffsetDateTime, String> {
    OffsetDateTime::parse(text, &Rfc3339).map_err(|_| "is no time as in RFC 3339, such as 2026-11-24T12:00:00Z".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_typed_is_not_sent() {
        assert_eq!(Provenance::default().message(), None);
        let typed =
            Provenance { model: Some("m".into()), generated_at: Some(moment("1970-01-01T00:01:00Z").unwrap()), ..Provenance::default() };
        let message = typed.message().unwrap();
        assert_eq!((message.model.as_str(), message.generate_time.unwrap().seconds), ("m", 60));
        assert!(moment("yesterday").is_err());
    }
}
