//! What operators are shown.

use media_domain::{
    quarantine::Decision,
    work::{Queue, WorkState},
};
use media_proto::v1;
use media_storage::{dead_letters::DeadLetter, job_list::ListedJob, quarantine::Decided, redrive::Redriven, usage::Usage};

use super::{job, kind, status, timestamp};

pub fn queue(queue: Queue) -> v1::WorkQueue {
    match queue {
        Queue::Scan => v1::WorkQueue::Scan,
        Queue::Transcode => v1::WorkQueue::Transcode,
        Queue::Caption => v1::WorkQueue::Caption,
    }
}

/// `None` for unspecified.
pub fn read_queue(queue: v1::WorkQueue) -> Option<Queue> {
    match queue {
        v1::WorkQueue::Unspecified => None,
        v1::WorkQueue::Scan => Some(Queue::Scan),
        v1::WorkQueue::Transcode => Some(Queue::Transcode),
        v1::WorkQueue::Caption => Some(Queue::Caption),
    }
}

/// `None` for unspecified.
pub fn read_job_status(status: v1::JobStatus) -> Option<WorkState> {
    match status {
        v1::JobStatus::Unspecified => None,
        v1::JobStatus::Waiting => Some(WorkState::Waiting),
        v1::JobStatus::Running => Some(WorkState::Running),
        v1::JobStatus::Succeeded => Some(WorkState::Succeeded),
        v1::JobStatus::Failed => Some(WorkState::Failed),
        v1::JobStatus::Skipped => Some(WorkState::Skipped),
        v1::JobStatus::Cancelled => Some(WorkState::Cancelled),
    }
}

pub fn asset_job(listed: &ListedJob) -> v1::AssetJob {
    v1::AssetJob {
        job: Some(job(&listed.job)),
        asset_id: listed.asset.to_string(),
        queue: listed.group.map(|group| queue(group.queue())).unwrap_or_default().into(),
        attempt_count: listed.job.attempts.cast_signed(),
        start_time: listed.started_at.map(timestamp),
        complete_time: listed.completed_at.map(timestamp),
    }
}

pub fn dead_letter(letter: &DeadLetter) -> v1::DeadLetter {
    v1::DeadLetter {
        id: letter.id.to_string(),
        queue: letter.queue.clone(),
        reason: letter.reason.clone(),
        detail: letter.detail().unwrap_or_default().to_owned(),
        asset_id: letter.asset().map(|asset| asset.to_string()).unwrap_or_default(),
        message_id: letter.message.map(|message| message.to_string()).unwrap_or_default(),
        traceparent: letter.traceparent.clone().unwrap_or_default(),
        create_time: Some(timestamp(letter.created_at)),
        redrive_time: letter.redriven_at.map(timestamp),
        // A worker's own is told by the fields above.
        body: if letter.asset().is_none() { letter.body.to_string() } else { String::new() },
    }
}

pub fn redriven(letter: &DeadLetter, outcome: Redriven) -> v1::RedrivenDeadLetter {
    let outcome = match outcome {
        Redriven::Reprocessed => v1::RedriveOutcome::Reprocessed,
        Redriven::Retried => v1::RedriveOutcome::Retried,
        Redriven::Woken => v1::RedriveOutcome::Woken,
        Redriven::Obsolete => v1::RedriveOutcome::Obsolete,
        Redriven::Busy => v1::RedriveOutcome::Busy,
    };
    v1::RedrivenDeadLetter { dead_letter: Some(dead_letter(letter)), outcome: outcome.into() }
}

pub fn usage(usage: &Usage) -> v1::GetUsageResponse {
    let counts = usage.counts.iter().map(|count| v1::AssetCount {
        kind: kind(count.kind).into(),
        status: status(count.status).into(),
        count: count.assets.cast_signed(),
    });
    v1::GetUsageResponse {
        original_bytes: usage.original_bytes.cast_signed(),
        variant_bytes: usage.variant_bytes.cast_signed(),
        asset_counts: counts.collect(),
        deleted_asset_count: usage.deleted_assets.cast_signed(),
    }
}

pub fn decision(decided: &Decided) -> v1::QuarantineDecision {
    let kind = match decided.decision {
        Decision::Release => v1::QuarantineDecisionKind::Release,
        Decision::Purge => v1::QuarantineDecisionKind::Purge,
        Decision::Rescan => v1::QuarantineDecisionKind::Rescan,
    };
    v1::QuarantineDecision {
        id: decided.id.to_string(),
        kind: kind.into(),
        decided_by: decided.by.who.clone(),
        why: decided.by.why.clone(),
        sha256: decided.sha256.clone().unwrap_or_default(),
        signature: decided.signature.clone().unwrap_or_default(),
        decide_time: Some(timestamp(decided.at)),
    }
}

#[cfg(test)]
mod tests {
    use media_domain::DeadLetterId;
    use serde_json::json;
    use time::macros::datetime;

    use super::*;

    fn letter(body: serde_json::Value) -> DeadLetter {
        DeadLetter {
            id: DeadLetterId::generate(),
            queue: "scan".to_owned(),
            reason: "rejected".to_owned(),
            work: None,
            message: None,
            traceparent: None,
            body,
            created_at: datetime!(2026-11-24 12:00 UTC),
            redriven_at: None,
        }
    }

    #[test]
    fn a_workers_letter_is_told_by_fields_and_a_brokers_by_its_body() {
        let asset = media_domain::AssetId::generate();
        let workers = dead_letter(&letter(json!({ "assetId": asset, "detail": "too long", "group": "ladder", "attempt": 3 })));
        assert_eq!((workers.asset_id, workers.detail.as_str(), workers.body.as_str()), (asset.to_string(), "too long", ""));
        let brokers = dead_letter(&letter(json!({ "bytes": "AAE=" })));
        assert_eq!((brokers.asset_id.as_str(), brokers.body.as_str()), ("", r#"{"bytes":"AAE="}"#));
    }

    #[test]
    fn every_queue_reads_back() {
        assert!(Queue::ALL.iter().all(|word| read_queue(queue(*word)) == Some(*word)));
    }
}
