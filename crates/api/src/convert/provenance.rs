//! Where something that a machine made comes from, read from callers and shown to them.

use media_domain::provenance::Provenance;
use media_proto::v1;
use time::{Duration, OffsetDateTime};

use super::{read_timestamp, timestamp};
use crate::error::Violations;

/// Of each field.
const MAX_CHARS: usize = 200;
/// How far a caller's clock may go before ours.
const MAX_AHEAD: Duration = Duration::minutes(5);

/// Reads what has to be given. `None` where something is at fault, which is then among the violations.
pub fn read(given: Option<&v1::AiProvenance>, now: OffsetDateTime, violations: &mut Violations) -> Option<Provenance> {
    let before = violations.0.len();
    let Some(given) = given else {
        violations.add("provenance", "must be given for what AI made: at least model and trace_id");
        return None;
    };
    let mut text = |field, text: &str, required| {
        if text.is_empty() && required {
            violations.add(field, "must be given");
        } else if text.chars().count() > MAX_CHARS {
            violations.add(field, format!("has more than {MAX_CHARS} characters"));
        } else if text.chars().any(char::is_control) {
            violations.add(field, "holds a control character");
        }
        text.to_owned()
    };
    let model = text("provenance.model", &given.model, true);
    let trace_id = text("provenance.trace_id", &given.trace_id, true);
    let mut optional = |field, value: &str| Some(text(field, value, false)).filter(|value| !value.is_empty());
    let prompt_id = optional("provenance.prompt_id", &given.prompt_id);
    let prompt_version = optional("provenance.prompt_version", &given.prompt_version);
    let decision_id = optional("provenance.decision_id", &given.decision_id);
    let generated_at = match given.generate_time.as_ref().map(read_timestamp) {
        None => now,
        Some(Some(time)) if time <= now + MAX_AHEAD => time,
        Some(Some(_)) => {
            violations.add("provenance.generate_time", "lies in the future");
            now
        }
        Some(None) => {
            violations.add("provenance.generate_time", "is no time");
            now
        }
    };
    for (field, value) in [("provenance.engine", &given.engine), ("provenance.model_sha256", &given.model_sha256)] {
        if !value.is_empty() {
            violations.add(field, "is of what this service made itself, and cannot be given");
        }
    }
    (violations.0.len() == before).then_some(Provenance {
        model,
        trace_id,
        generated_at,
        prompt_id,
        prompt_version,
        decision_id,
        engine: None,
        model_sha256: None,
    })
}

pub fn show(provenance: &Provenance) -> v1::AiProvenance {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    v1::AiProvenance {
        model: provenance.model.clone(),
        trace_id: provenance.trace_id.clone(),
        prompt_id: text(&provenance.prompt_id),
        prompt_version: text(&provenance.prompt_version),
        decision_id: text(&provenance.decision_id),
        generate_time: Some(timestamp(provenance.generated_at)),
        engine: text(&provenance.engine),
        model_sha256: text(&provenance.model_sha256),
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    const NOW: OffsetDateTime = datetime!(2026-11-24 12:00 UTC);

    fn whole() -> v1::AiProvenance {
        v1::AiProvenance {
            model: "painter-3".into(),
            trace_id: "0af7651916cd43dd8448eb211c80319c".into(),
            prompt_id: "covers".into(),
            prompt_version: "4".into(),
            decision_id: "d-7".into(),
            generate_time: Some(timestamp(NOW - Duration::HOUR)),
            ..v1::AiProvenance::default()
        }
    }

    fn faults(given: &v1::AiProvenance) -> Vec<&'static str> {
        let mut violations = Violations::default();
        let read = read(Some(given), NOW, &mut violations);
        assert_eq!(read.is_none(), !violations.0.is_empty());
        violations.0.iter().map(|violation| violation.field).collect()
    }

    #[test]
    fn what_was_read_is_shown_as_it_was_given_and_its_time_is_now_unless_it_is_said() {
        let read_of = |given: &v1::AiProvenance| read(Some(given), NOW, &mut Violations::default()).unwrap();
        assert_eq!(show(&read_of(&whole())), whole());
        assert_eq!(read_of(&v1::AiProvenance { generate_time: None, ..whole() }).generated_at, NOW);
    }

    #[test]
    fn every_field_at_fault_is_named() {
        assert_eq!(faults(&v1::AiProvenance::default()), ["provenance.model", "provenance.trace_id"]);
        let long = v1::AiProvenance { model: "ü".repeat(201), prompt_id: "a\nb".into(), decision_id: "\0".into(), ..whole() };
        assert_eq!(faults(&long), ["provenance.model", "provenance.prompt_id", "provenance.decision_id"]);
        let ahead = v1::AiProvenance { generate_time: Some(timestamp(NOW + Duration::HOUR)), engine: "e".into(), ..whole() };
        assert_eq!(faults(&ahead), ["provenance.generate_time", "provenance.engine"]);
        assert_eq!(faults(&whole()), [""; 0]);
        let mut violations = Violations::default();
        assert!(read(None, NOW, &mut violations).is_none() && violations.0[0].field == "provenance");
    }
}
