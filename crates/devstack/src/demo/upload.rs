//! The way up: a file is handed over, and followed until nothing of it waits or runs.

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};

use super::answer::Shown;
use super::consumer::{Consumer, Seen};
use super::page::{Checks, bytes, heading, seconds};
use super::person::Person;

/// From the last job's end to the last event, and to the captions, which are made by a queue of their own.
const SETTLE_LIMIT: Duration = Duration::from_secs(120);
/// The last event of the captioner's commit.
const CAPTIONED: &str = "media.ai_artifact.recorded.v1";

/// Uploads a file before the reader's eyes, and gives its asset's id.
pub async fn hand_over(person: &Person, file: &Path, options: &[&str]) -> anyhow::Result<String> {
    let mut arguments: Vec<OsString> = vec!["upload".into(), file.into()];
    arguments.extend(options.iter().map(|option| OsStr::new(option).to_owned()));
    let (status, row) = person.watched(&arguments).await?;
    ensure!(status.success(), "media upload ended with {status}");
    Ok(row.split_whitespace().next().context("media upload answered nothing")?.to_owned())
}

/// Uploads, follows, and waits for the captions and the last event; gives all that there then is.
pub async fn all_the_way(person: &Person, consumer: &Consumer, file: &Path, checks: &mut Checks) -> anyhow::Result<(Shown, Seen)> {
    heading("Upload");
    let size = tokio::fs::metadata(file).await.with_context(|| format!("cannot open {}", file.display()))?.len();
    println!("  $ media upload {}   ({})", file.file_name().unwrap_or(file.as_os_str()).display(), bytes(size));
    let began = Instant::now();
    let asset = hand_over(person, file, &[]).await?;
    let uploaded = began.elapsed();
    println!("  $ media watch {asset}");
    let (status, _) = person.watched(&["watch", &asset]).await?;
    let watched = began.elapsed();
    let shown: Shown = serde_json::from_value(person.json(&["show", &asset]).await?)?;
    let why = [shown.asset.failure_reason.as_str(), &shown.asset.failure_detail].join(" ");
    checks.claim("it is ready", status.success() && shown.is_ready(), why.trim());
    let settled = consumer.until("the last event", SETTLE_LIMIT, |seen| is_settled(seen, &shown)).await;
    println!(
        "  uploaded after {}, every job done after {}, the last event here after {}",
        seconds(uploaded),
        seconds(watched),
        seconds(began.elapsed())
    );
    checks.done("every event arrived", settled);
    // Captions are there now that were not before.
    let shown = serde_json::from_value(person.json(&["show", &asset]).await?)?;
    Ok((shown, consumer.seen()))
}

fn is_settled(seen: &Seen, shown: &Shown) -> bool {
    let asset = &shown.asset.id;
    let variants = seen.of(asset).filter(|event| event.kind == "media.variant.created.v1").count();
    let is_final = ["media.asset.ready.v1", "media.asset.failed.v1", "media.asset.quarantined.v1"].iter().any(|kind| seen.has(asset, kind));
    is_final && variants >= shown.variants.len() && (!shown.made("speech") || seen.has(asset, CAPTIONED))
}

/// What was made of the file.
pub fn variants(shown: &Shown, checks: &mut Checks) {
    let asset = &shown.asset;
    let kind = asset.kind.trim_start_matches("ASSET_KIND_").to_lowercase();
    heading("Variants");
    println!("  {:<12} {:<11} {:>9} {:>11}", "original", asset.mime, "", bytes(asset.size_bytes));
    for variant in &shown.variants {
        let size = variant.width.zip(variant.height).map(|(width, height)| format!("{width}x{height}")).unwrap_or_default();
        let rate = variant.bitrate_bps.map(|rate| format!("{} kbit/s", rate / 1000)).unwrap_or_default();
        println!("  {:<12} {:<11} {size:>9} {:>11} {rate:>12}", variant.profile, variant.mime, bytes(variant.size_bytes));
    }
    for job in shown.jobs.iter().filter(|job| job.status != "JOB_STATUS_SUCCEEDED") {
        println!("  {:<12} {} {}", job.profile, job.status.trim_start_matches("JOB_STATUS_").to_lowercase(), job.reason);
    }
    let undone = shown.jobs.iter().filter(|job| !matches!(job.status.as_str(), "JOB_STATUS_SUCCEEDED" | "JOB_STATUS_SKIPPED")).count();
    let lacking: Vec<&str> = shown
        .jobs
        .iter()
        // Captions are rows, and no variant.
        .filter(|job| job.status == "JOB_STATUS_SUCCEEDED" && job.profile != "captions")
        .filter(|job| !shown.variants.iter().any(|variant| variant.profile == job.profile))
        .map(|job| job.profile.as_str())
        .collect();
    checks.claim(&format!("every profile of this {kind} that applies was made"), undone == 0 && lacking.is_empty(), lacking.join(", "));
}
