//! Jobs, dead letters, decisions and usage as a person reads them.

use media_proto::v1::{AssetJob, DeadLetter, GetUsageResponse, QuarantinedAsset, RedrivenDeadLetter};

use crate::{
    asset_text::{self, bytes, when},
    output::printable,
    words,
};

/// A job in one line, with the asset that it is of.
pub fn job(listed: &AssetJob) -> String {
    let job = listed.job.clone().unwrap_or_default();
    let queue = words::queue(listed.queue());
    format!("{}  {}  {queue:<9}  {}", job.id, listed.asset_id, asset_text::job(&job)).trim_end().to_owned()
}

/// A dead letter in one line.
pub fn letter(letter: &DeadLetter) -> String {
    let about = if letter.asset_id.is_empty() { printable(&letter.body) } else { letter.asset_id.clone() };
    let redriven = letter.redrive_time.map(|_| format!("  sent again {}", when(letter.redrive_time))).unwrap_or_default();
    let (queue, reason, detail) = (printable(&letter.queue), printable(&letter.reason), printable(&letter.detail));
    format!("{}  {}  {queue:<9}  {reason:<14}  {about}  {detail}{redriven}", letter.id, when(letter.create_time)).trim_end().to_owned()
}

/// What became of one that was sent again.
pub fn redriven(redriven: &RedrivenDeadLetter) -> String {
    let id = redriven.dead_letter.as_ref().map(|letter| letter.id.as_str()).unwrap_or_default();
    format!("{id}  {}", words::outcome(redriven.outcome()))
}

/// A quarantined asset, and below it what was decided.
pub fn quarantined(found: &QuarantinedAsset) -> String {
    let mut lines = Vec::with_capacity(1 + found.decisions.len());
    if let Some(asset) = &found.asset {
        lines.push(format!("{}  {}", asset_text::row(asset), printable(&found.signature)));
    }
    for decided in &found.decisions {
        let (kind, by, why) = (words::decision(decided.kind()), printable(&decided.decided_by), printable(&decided.why));
        lines.push(format!("  {kind} by {by}, {}: {why}", when(decided.decide_time)));
    }
    lines.join("\n")
}

/// All that is stored.
pub fn usage(usage: &GetUsageResponse) -> String {
    let mut lines =
        vec![format!("originals  {:>11}", bytes(usage.original_bytes)), format!("variants   {:>11}", bytes(usage.variant_bytes))];
    for count in &usage.asset_counts {
        lines.push(format!("{:<9}  {:<11}  {:>9}", words::kind(count.kind()), words::status(count.status()), count.count));
    }
    if usage.deleted_asset_count > 0 {
        lines.push(format!("deleted                 {:>9}", usage.deleted_asset_count));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use media_proto::v1::{AssetCount, AssetKind, AssetStatus, Job, JobStatus, RedriveOutcome, WorkQueue};

    use super::*;

    #[test]
    fn a_job_stands_with_its_id_and_its_asset() {
        let listed = AssetJob {
            job: Some(Job {
                id: "J".into(),
                profile: "poster".into(),
                status: JobStatus::Failed.into(),
                reason: "timed_out".into(),
                ..Job::default()
            }),
            asset_id: "A".into(),
            queue: WorkQueue::Transcode.into(),
            ..AssetJob::default()
        };
        assert_eq!(job(&listed), "J  A  transcode  poster        failed       0 %            timed_out");
    }

    #[test]
    fn what_strangers_wrote_holds_no_control_characters() {
        let strange = DeadLetter { id: "D".into(), queue: "a\u{1b}b".into(), body: "\u{7}".into(), ..DeadLetter::default() };
        assert!(!letter(&strange).contains(['\u{1b}', '\u{7}']), "{}", letter(&strange));
    }

    #[test]
    fn usage_counts_by_kind_and_status() {
        let stored = GetUsageResponse {
            original_bytes: 3 << 20,
            variant_bytes: 1 << 20,
            asset_counts: vec![AssetCount { kind: AssetKind::Video.into(), status: AssetStatus::Ready.into(), count: 2 }],
            deleted_asset_count: 1,
        };
        assert_eq!(
            usage(&stored),
            "originals     3.00 MiB\nvariants      1.00 MiB\nvideo      ready                2\ndeleted                         1"
        );
    }

    #[test]
    fn what_became_of_a_letter_is_one_word() {
        let done = RedrivenDeadLetter {
            dead_letter: Some(DeadLetter { id: "D".into(), ..DeadLetter::default() }),
            outcome: RedriveOutcome::Retried.into(),
        };
        assert_eq!(redriven(&done), "D  retried");
    }
}
