//! Files that were made to hurt. Each must end typed, within its limits, and leave the parent as it was.

mod bombs;
mod fuzz;
mod references;

use std::{path::Path, time::Duration};

use media_domain::{Kind, MediaInfo, work::Group};
use media_transcoder::{
    parent::{ChildFailure, FailureKind},
    protocol::ChildJob,
};

use crate::bench::{Bench, Ran, job};

/// What a file itself can be blamed for. All else is our fault, or a child that did what it must not.
const BLAMED: [FailureKind; 5] =
    [FailureKind::Unsupported, FailureKind::Corrupt, FailureKind::TooLarge, FailureKind::LimitHit, FailureKind::TimedOut];

/// Between the moment in which a limit is hit and the end.
const CPU_GRACE: Duration = Duration::from_secs(6);

/// Runs a job and asserts that it kept to its limits, by the kernel's count.
fn attack(bench: &Bench, path: &Path, job: ChildJob) -> Result<Ran, ChildFailure> {
    let limits = job.limits;
    let result = bench.run_job(path, job);
    let usage = match &result {
        Ok(ran) => ran.done.usage,
        Err(failure) => failure.usage.unwrap_or_else(|| panic!("no child was started: {failure}")),
    };
    println!("{}: {} MB, {:?} of CPU: {:?}", path.display(), usage.peak_memory_bytes >> 20, usage.cpu, result.as_ref().err());
    assert!(usage.peak_memory_bytes <= limits.memory_bytes, "{}: {usage:?}", path.display());
    assert!(usage.cpu <= Duration::from_millis(limits.cpu_ms) + CPU_GRACE, "{}: {usage:?}", path.display());
    result
}

/// Looks into a file.
fn attack_probe(bench: &Bench, path: &Path, mime: &str, kind: Kind) -> Result<MediaInfo, ChildFailure> {
    attack(bench, path, job(path, mime, kind, Group::Probe, &[], None)).map(|ran| ran.done.info)
}
