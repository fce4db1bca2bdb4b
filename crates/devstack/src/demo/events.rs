//! What the consumer saw: the states that the asset passed, and every event in its order.

use super::consumer::{Event, Seen};
use super::page::{Checks, bytes, heading};

/// Which state an asset has entered when an event tells of it.
fn state(event: &Event) -> Option<&'static str> {
    match event.kind.as_str() {
        "media.asset.created.v1" => Some("uploading"),
        "media.asset.uploaded.v1" => Some("scanning"),
        "media.asset.scanned.v1" => Some("transcoding"),
        "media.asset.ready.v1" => Some("ready"),
        "media.asset.quarantined.v1" => Some("quarantined"),
        "media.asset.failed.v1" => Some("failed"),
        _ => None,
    }
}

/// The states of an asset with the seconds since it was created.
pub fn states(seen: &Seen, asset: &str, checks: &mut Checks) {
    heading("States passed");
    let passed: Vec<(&str, f64)> = seen.of(asset).filter_map(|event| Some((state(event)?, since_creation(seen, event)))).collect();
    println!("  {}", passed.iter().map(|(state, seconds)| format!("{state} {seconds:.1} s")).collect::<Vec<_>>().join("  →  "));
    let names: Vec<&str> = passed.iter().map(|(state, _)| *state).collect();
    checks.claim("it passed each state once, and in this order", names == ["uploading", "scanning", "transcoding", "ready"], "");
}

/// Every event, by subject, and whether order was kept.
pub fn table(seen: &Seen, subjects: &[(&str, &str)], checks: &mut Checks) {
    heading("Events, as an ordinary RabbitMQ consumer saw them");
    for (subject, name) in subjects {
        println!("  {subject}  {name}");
        for event in seen.of(subject) {
            println!("    {:>3}  {:>6.1} s  {:<31} {}", event.sequence, since_creation(seen, event), event.kind, gist(event));
        }
    }
    let disorder = seen.disorder();
    let found =
        if disorder.is_empty() { format!("{} events, {} delivered twice", seen.events.len(), seen.repeats) } else { disorder.join("; ") };
    checks.claim("every subject's events are numbered 1, 2, 3 … and arrived in that order", disorder.is_empty(), found);
    let strangers = seen.events.iter().filter(|event| subjects.iter().all(|(subject, _)| *subject != event.subject)).count();
    let tenants = seen.events.iter().filter(|event| seen.events.first().is_some_and(|first| first.tenant != event.tenant)).count();
    checks.claim(
        "every message is a CloudEvent of this tenant and of an asset of ours",
        seen.unreadable.is_empty() && strangers == 0 && tenants == 0,
        seen.unreadable.join("; "),
    );
}

fn since_creation(seen: &Seen, event: &Event) -> f64 {
    let created = seen.of(&event.subject).next().map_or(event.time, |first| first.time);
    (event.time - created).as_seconds_f64()
}

/// What the data says beside ids.
fn gist(event: &Event) -> String {
    let words = ["kind", "verdict", "mime", "signature", "reason", "profile", "language"];
    let mut parts: Vec<String> = words.iter().filter_map(|word| event.data.get(word)?.as_str().map(str::to_owned)).collect();
    let size = event.data.get("sizeBytes").and_then(|size| size.as_str()?.parse().ok());
    parts.extend(size.map(bytes));
    parts.join(" · ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use time::OffsetDateTime;

    use super::*;

    #[test]
    fn a_gist_holds_words_and_a_size_and_no_ids() {
        let event = Event {
            id: "E".into(),
            kind: "media.variant.created.v1".into(),
            subject: "A".into(),
            tenant: "T".into(),
            time: OffsetDateTime::UNIX_EPOCH,
            sequence: 4,
            data: json!({"assetId": "A", "profile": "poster", "mime": "image/webp", "sizeBytes": "2048"}),
        };
        assert_eq!(gist(&event), "image/webp · poster · 2.0 KiB");
    }
}
