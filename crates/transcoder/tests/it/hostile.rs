//! Files that were made to hurt. Each must end typed, within its limits, and leave the parent as it was.

mod bombs;
mod claims;
mod drawings;
mod fuzz;
mod papers;
mod references;

use std::path::Path;

use media_domain::{Kind, MediaInfo, work::Group};
use media_transcoder::{
    parent::{ChildFailure, FailureKind},
    protocol::ChildJob,
};

use crate::bench::{Bench, Ran, job, moving};

/// What a file itself can be blamed for. All else is our fault, or a child that did what it must not.
const BLAMED: [FailureKind; 5] =
    [FailureKind::Unsupported, FailureKind::Corrupt, FailureKind::TooLarge, FailureKind::LimitHit, FailureKind::TimedOut];

/// What one attack may cost, by the kernel's count: some three times what it took when it was written, on a machine as fast as the one
/// of that day (`slowness`). A job's own limits are far above that, and would not see a bomb that goes off.
#[derive(Clone, Copy)]
pub struct Cost {
    pub cpu_s: f64,
    pub memory_mib: u64,
    /// Of all outputs together.
    pub output_kb: u64,
}

impl Cost {
    /// A look at a file, or one that is refused at its header: what the libraries take, 0.14 s and 83 MiB.
    const LOOK: Self = Self { cpu_s: 0.5, memory_mib: 250, output_kb: 0 };
    /// A poster, or a second of a small film: 0.19 s and 98 MiB.
    const SMALL: Self = Self { cpu_s: 0.6, memory_mib: 300, output_kb: 60 };
    /// Of a header that was changed at random a small picture can become a large one, which is no attack.
    const CHANCE: Self = Self { cpu_s: 10.0, memory_mib: 700, output_kb: 5000 };
}

/// Runs a job and asserts what it cost, and that it kept to its limits.
fn attack(bench: &Bench, path: &Path, job: ChildJob, most: Cost) -> Result<Ran, ChildFailure> {
    let limits = job.limits;
    let profiles: Vec<String> = job.outputs.iter().map(|output| output.profile.to_string()).collect();
    let what = format!("{} {} {profiles:?}", path.file_name().unwrap().display(), job.group.as_str());
    let result = bench.run_job(path, job);
    let usage = match &result {
        Ok(ran) => ran.done.usage,
        Err(failure) => failure.usage.unwrap_or_else(|| panic!("no child was started: {failure}")),
    };
    let output: u64 = profiles.iter().map(|profile| std::fs::metadata(bench.output(path, profile)).unwrap().len()).sum();
    let (memory, cpu) = (usage.peak_memory_bytes >> 20, usage.cpu.as_secs_f64());
    println!("{what}: {memory} MiB, {cpu:.2} s of CPU, {output} bytes: {:?}", result.as_ref().err());
    assert!(usage.peak_memory_bytes <= limits.memory_bytes && output <= limits.output_bytes, "{what}: {usage:?}");
    assert!(memory <= most.memory_mib, "{what}: {memory} MiB, and {} are allowed", most.memory_mib);
    let allowed = if cpu <= most.cpu_s { most.cpu_s } else { most.cpu_s * slowness() };
    assert!(cpu <= allowed, "{what}: {cpu:.2} s of CPU, and {allowed:.2} are allowed");
    assert!(output <= most.output_kb * 1000, "{what}: {output} bytes, and {} kB are allowed", most.output_kb);
    result
}

/// How many times the CPU this machine takes now for what took 0.14 s when the bounds were written: a look at a harmless film.
fn slowness() -> f64 {
    let bench = Bench::new();
    let film = bench.make("harmless.mp4", &format!("{} -c:v libx264 -c:a aac", moving("320x180", 1)));
    let look = || bench.run_job(&film, job(&film, "video/mp4", Kind::Video, Group::Probe, &[], None)).unwrap().done.usage.cpu;
    let mut looks = [look(), look(), look()];
    looks.sort();
    (looks[1].as_secs_f64() / 0.14).max(1.0)
}

/// Looks into a file.
fn attack_probe(bench: &Bench, path: &Path, mime: &str, kind: Kind) -> Result<MediaInfo, ChildFailure> {
    attack(bench, path, job(path, mime, kind, Group::Probe, &[], None), Cost::LOOK).map(|ran| ran.done.info)
}

/// As `attack`, for what a file may be blamed for or not: it ends typed either way.
fn ends_typed(result: Result<Ran, ChildFailure>) -> Option<Ran> {
    match result {
        Ok(ran) => Some(ran),
        Err(failure) => {
            assert!(BLAMED.contains(&failure.kind), "{failure:?}");
            None
        }
    }
}
