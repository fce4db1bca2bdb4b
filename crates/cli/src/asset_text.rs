//! Assets as a person reads them.

use indicatif::HumanBytes;
use media_proto::{
    Timestamp,
    v1::{ArchiveState, Asset, AssetStatus, CaptionTrack, GetAssetResponse, Job, ScanVerdict, Variant},
};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::{output::printable, words};

/// An asset in one line.
pub fn row(asset: &Asset) -> String {
    let (kind, status) = (words::kind(asset.kind()), words::status(asset.status()));
    format!(
        "{}  {status:<11}  {kind:<8}  {:>11}  {}  {}",
        asset.id,
        bytes(asset.size_bytes),
        when(asset.create_time),
        printable(&asset.filename)
    )
}

/// An asset with all that belongs to it.
pub fn page(answer: &GetAssetResponse) -> String {
    let mut lines = answer.asset.as_ref().map(head).unwrap_or_default();
    section(&mut lines, "variants", answer.variants.iter().map(variant));
    section(&mut lines, "jobs", answer.jobs.iter().map(job));
    section(&mut lines, "captions", answer.caption_tracks.iter().map(caption));
    lines.join("\n")
}

fn section(lines: &mut Vec<String>, title: &str, rows: impl ExactSizeIterator<Item = String>) {
    if rows.len() > 0 {
        lines.push(title.to_owned());
        lines.extend(rows.map(|row| format!("  {}", row.trim_end())));
    }
}

/// An asset without what belongs to it.
pub fn head(asset: &Asset) -> Vec<String> {
    let mut lines =
        vec![format!("{}  {}  {}  {}", asset.id, words::status(asset.status()), words::kind(asset.kind()), printable(&asset.filename))];
    let mut facts = vec![bytes(asset.size_bytes)];
    facts.extend((!asset.mime.is_empty()).then(|| printable(&asset.mime)));
    facts.extend(size(asset.width, asset.height));
    facts.extend(asset.duration_seconds.map(|seconds| format!("{seconds} s")));
    facts.extend((asset.scan_verdict() != ScanVerdict::Unspecified).then(|| format!("scan {}", words::verdict(asset.scan_verdict()))));
    facts.extend(asset.deduplicated.then(|| "shares its bytes".to_owned()));
    lines.push(format!("  {}", facts.join(" · ")));
    if asset.status() == AssetStatus::Failed {
        lines.push(format!("  failed: {} {}", printable(&asset.failure_reason), printable(&asset.failure_detail)).trim_end().to_owned());
    }
    if asset.archive_state() != ArchiveState::Unspecified {
        let until = asset.archive_available_until.map(|_| format!(" until {}", when(asset.archive_available_until))).unwrap_or_default();
        lines.push(format!("  cold tier: {}{until}", words::archive(asset.archive_state())));
    }
    if !asset.sha256.is_empty() {
        lines.push(format!("  sha256 {}", asset.sha256));
    }
    let deleted = asset.delete_time.map(|_| format!(" · deleted {}", when(asset.delete_time))).unwrap_or_default();
    lines.push(format!(
        "  created {} · {} · owner {} · kept {}{deleted}",
        when(asset.create_time),
        words::source(asset.source()),
        asset.owner_user_id,
        words::retention(asset.retention_class())
    ));
    lines
}

fn variant(variant: &Variant) -> String {
    let rate = variant.bitrate_bps.map(|rate| format!("{} kbit/s", rate / 1000)).unwrap_or_default();
    let (profile, mime) = (printable(&variant.profile), printable(&variant.mime));
    format!(
        "{profile:<12}  {mime:<10}  {:>9}  {:>11}  {rate}",
        size(variant.width, variant.height).unwrap_or_default(),
        bytes(variant.size_bytes)
    )
}

pub fn job(job: &Job) -> String {
    let required = if job.required { "required" } else { "" };
    format!(
        "{:<12}  {:<9}  {:>3} %  {required:<8}  {}",
        printable(&job.profile),
        words::job(job.status()),
        job.progress_percent,
        printable(&job.reason)
    )
}

/// A version of a caption track in one line.
pub fn caption(track: &CaptionTrack) -> String {
    let by = if track.reviewed_by.is_empty() { String::new() } else { format!("  by {} {}", track.reviewed_by, when(track.review_time)) };
    let next = if track.superseded_by.is_empty() { String::new() } else { format!("  → {}", track.superseded_by) };
    format!(
        "{}  v{}  {}  {}  {}  {}{by}{next}",
        track.id,
        track.version,
        printable(&track.language),
        words::caption_kind(track.kind()),
        words::caption_source(track.source()),
        words::caption_status(track.status()),
    )
}

pub fn bytes(size_bytes: i64) -> String {
    HumanBytes(u64::try_from(size_bytes).unwrap_or(0)).to_string()
}

fn size(width: Option<i32>, height: Option<i32>) -> Option<String> {
    Some(format!("{}x{}", width?, height?))
}

/// To the second, in UTC.
pub fn when(time: Option<Timestamp>) -> String {
    time.and_then(|time| OffsetDateTime::from_unix_timestamp(time.seconds).ok())
        .and_then(|time| time.format(&Rfc3339).ok())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use media_proto::v1::{AssetKind, JobStatus, RetentionClass};

    use super::*;

    #[test]
    fn a_page_holds_the_asset_its_variants_and_its_jobs_and_no_control_characters() {
        let answer = GetAssetResponse {
            provenance: None,
            asset: Some(Asset {
                id: "01ARZ3NDEKTSV4RRFFQ69G5FAV".into(),
                owner_user_id: "01ARZ3NDEKTSV4RRFFQ69G5FAW".into(),
                kind: AssetKind::Video.into(),
                status: AssetStatus::Ready.into(),
                filename: "\u{1b}[31mclip.mp4".into(),
                mime: "video/mp4".into(),
                size_bytes: 3 << 20,
                width: Some(1280),
                height: Some(720),
                duration_seconds: Some(10),
                create_time: Some(Timestamp { seconds: 1_700_000_000, nanos: 5 }),
                retention_class: RetentionClass::Operational.into(),
                ..Asset::default()
            }),
            variants: vec![Variant {
                profile: "h264-360p".into(),
                mime: "video/mp4".into(),
                size_bytes: 1 << 20,
                width: Some(640),
                height: Some(360),
                bitrate_bps: Some(812_345),
                ..Variant::default()
            }],
            jobs: vec![Job {
                profile: "h264-360p".into(),
                status: JobStatus::Succeeded.into(),
                progress_percent: 100,
                required: true,
                ..Job::default()
            }],
            caption_tracks: vec![],
        };
        assert_eq!(
            page(&answer),
            "01ARZ3NDEKTSV4RRFFQ69G5FAV  ready  video  \u{fffd}[31mclip.mp4\n\
             \u{20} 3.00 MiB · video/mp4 · 1280x720 · 10 s\n\
             \u{20} created 2023-11-14T22:13:20Z · unspecified · owner 01ARZ3NDEKTSV4RRFFQ69G5FAW · kept operational\n\
             variants\n\
             \u{20} h264-360p     video/mp4     640x360     1.00 MiB  812 kbit/s\n\
             jobs\n\
             \u{20} h264-360p     succeeded  100 %  required"
        );
    }
}
