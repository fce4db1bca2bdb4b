//! One piece of work by one child, from start to an answer that is always typed and never late.

use std::{
    os::unix::process::ExitStatusExt,
    path::Path,
    time::{Duration, Instant},
};

use media_domain::{
    MediaInfo, VariantDetails,
    profile::{Form, ProfileName, Recipe},
    variant::Tiles,
    work::Group,
};
use tokio::io::AsyncReadExt;
use tokio_util::sync::CancellationToken;

use super::{
    collect::{CollectError, Collected, Collection, Fragment, OutputWriter, collect},
    failure::{ChildFailure, FailureKind},
    process::{Ended, Usage},
    serve::{RangeReader, ServeError, serve},
    spawn::{Spawned, spawn},
    waited::Waited,
};
use crate::{
    child, promise,
    protocol::{ChildJob, ChildResult, FailureCode, Output, OutputCounts, ProtocolError},
};

/// How much of a child's complaints is kept.
const STDERR_BYTES_MAX: u64 = 16 << 10;
/// How long a child that has said its result, or hung up, may take to leave: the kernel takes gigabytes back, perhaps on a machine
/// that is full.
const LEAVE: Duration = Duration::from_secs(60);
/// How long the original's failure may still take to be told by the other socket.
const SETTLE: Duration = Duration::from_secs(2);

/// What a child made, counted and held against the promises of the file.
#[derive(Clone, Debug)]
pub struct ChildDone {
    /// What the probe found; for other groups, what the job said.
    pub info: MediaInfo,
    /// One for each output of the job, in its order.
    pub outputs: Vec<Made>,
    pub usage: Usage,
}

/// One variant, as its row describes it.
#[derive(Clone, Debug)]
pub struct Made {
    pub profile: ProfileName,
    pub mime: &'static str,
    pub bytes: u64,
    /// In pixels.
    pub width: Option<u32>,
    /// In pixels.
    pub height: Option<u32>,
    /// Mean bits a second, where it has a duration.
    pub bitrate: Option<u64>,
    pub duration_ms: Option<u64>,
    /// By RFC 6381, such as `avc1.64001f`.
    pub codec: Option<String>,
    /// Of the `ftyp` and `moov` boxes; 0 for what has no fragments.
    pub init_bytes: u32,
    pub fragments: Vec<Fragment>,
    /// Encoded frames.
    pub frames: u64,
    /// Of the sound.
    pub channels: Option<u32>,
    /// It is made of a further track that could not be decoded: what was written of it, if anything, is nothing.
    pub is_lost: bool,
    pub details: VariantDetails,
}

/// Runs one job in a child of `program` (in production `/proc/self/exe`). The writers get each output's bytes as they
/// come and are finished by the caller, and only if this succeeds.
///
/// Returns within the job's wall limit and what a child may take to leave, whatever child or storage do; the child is dead by then.
///
/// # Errors
/// [`ChildFailure`], whose kind says what the caller can do.
pub async fn run_child<W: OutputWriter>(
    program: &Path,
    job: &ChildJob,
    source: &impl RangeReader,
    outputs: &mut [W],
    progress: impl Fn(Duration) + Sync,
    stop: &CancellationToken,
) -> Result<ChildDone, ChildFailure> {
    if outputs.len() != job.outputs.len() || outputs.len() > usize::from(u8::MAX) {
        return Err(ChildFailure::internal(format!("{} writers for {} outputs", outputs.len(), job.outputs.len())));
    }
    let begun = Instant::now();
    let mut child = spawn(program, &job.limits)
        .await
        .map_err(|error| ChildFailure::because(FailureKind::Internal, "no child can be started", error))?;
    let deadline = tokio::time::sleep(Duration::from_millis(job.limits.wall_ms));
    let waited = Waited::default();
    let (source, mut outputs) = (waited.source(source), waited.outputs(outputs));
    let talked = tokio::select! {
        talked = Box::pin(talk(&mut child, job, &source, &mut outputs, &progress, &waited)) => talked,
        () = deadline => Err(ChildFailure::new(FailureKind::TimedOut, format!("no result after {} ms", job.limits.wall_ms))),
        () = stop.cancelled() => Err(ChildFailure::new(FailureKind::Cancelled, "stopped")),
    };
    waited.end();
    let ended = match &talked {
        Ok(_) => match tokio::time::timeout(LEAVE, child.process.wait()).await {
            Ok(ended) => ended,
            Err(_) => child.process.end().await,
        },
        Err(_) => child.process.end().await,
    };
    let ended = ended.map_err(no_wait)?;
    measure(job, ended.usage);
    let done = talked.and_then(|collection| judge(job, collection, ended));
    if done.is_ok() {
        measure_outputs(job, begun.elapsed());
    }
    // Of all the time that there was, or that a child is patient for, whichever is less.
    let half = Duration::from_millis(job.limits.wall_ms.min(job.limits.patience_ms) / 2);
    done.map_err(|failure| ChildFailure { usage: Some(ended.usage), ..waited.blame(failure, half) })
}

/// What is made together takes the same time: that of the whole run.
fn measure_outputs(job: &ChildJob, took: Duration) {
    let duration_ms = job.info.as_ref().and_then(|info| info.duration_ms);
    for output in &job.outputs {
        let (profile, source) = (output.profile.to_string(), source_length(duration_ms));
        metrics::histogram!("media_transcode_seconds", "profile" => profile, "source" => source).record(took);
    }
}

/// Few enough words for a label.
fn source_length(duration_ms: Option<u64>) -> &'static str {
    match duration_ms {
        None => "still",
        Some(0..60_000) => "under_1m",
        Some(60_000..600_000) => "under_10m",
        Some(600_000..3_600_000) => "under_1h",
        Some(_) => "longer",
    }
}

fn measure(job: &ChildJob, usage: Usage) {
    metrics::histogram!("media_child_cpu_seconds", "group" => job.group.as_str()).record(usage.cpu);
    // A number of bytes below 2^53 is a float without loss.
    metrics::histogram!("media_child_peak_memory_bytes", "group" => job.group.as_str()).record(usage.peak_memory_bytes as f64);
}

/// Serves and collects until the result, until something goes wrong on either socket, or until the child is gone.
async fn talk<W: OutputWriter>(
    child: &mut Spawned,
    job: &ChildJob,
    source: &impl RangeReader,
    outputs: &mut [W],
    progress: &(impl Fn(Duration) + Sync),
    waited: &Waited,
) -> Result<Collection, ChildFailure> {
    let Spawned { source: asks, sink: frames, stderr, process } = child;
    let stderr = stderr.take();
    let complaints = async {
        let mut text = Vec::new();
        if let Some(mut stderr) = stderr
            && let Err(error) = (&mut stderr).take(STDERR_BYTES_MAX).read_to_end(&mut text).await
        {
            tracing::debug!(%error, "a child's complaints cannot be read");
        }
        String::from_utf8_lossy(&text).into_owned()
    };
    let (mut serving, mut complaining) = (std::pin::pin!(serve(asks, job, source)), std::pin::pin!(complaints));
    let rooms = job.rooms();
    let mut collecting = std::pin::pin!(collect(frames, outputs, &rooms, job.limits.output_bytes, progress));
    let mut said = None;
    let mut served = None;
    let mut is_gone = false;
    let collected = loop {
        tokio::select! {
            collected = &mut collecting => break collected,
            result = &mut serving, if served.is_none() => {
                if let Err(error) = result {
                    return Err(serve_failure(error));
                }
                served = Some(());
            }
            text = &mut complaining, if said.is_none() => said = Some(text),
            // Who waits for storage sees no socket's end. After a result there is a rest to be taken.
            ended = process.wait(), if !is_gone => {
                is_gone = true;
                if !ended.map_err(no_wait)?.status.success() {
                    // What it said before is still there, unless storage stands in its way.
                    let rest = tokio::time::timeout(SETTLE, &mut collecting).await;
                    break rest.unwrap_or(Err(CollectError::Protocol(ProtocolError::Ended)));
                }
            }
        }
    };
    waited.end();
    match collected {
        // The child may have said that it cannot read before the socket that knows why was looked at. By its word alone it is our fault:
        // work that is given back is not counted, and a file that has taken the child over would have it done for ever.
        Ok(Collection { result: ChildResult::Failed { code: FailureCode::SourceFailed, text }, .. }) => {
            let served = if served.is_some() { Ok(Ok(())) } else { tokio::time::timeout(SETTLE, serving).await };
            match served {
                Ok(Err(error)) => Err(serve_failure(error)),
                _ => Err(ChildFailure::internal("the child says that the original cannot be read, and it was").said(&text)),
            }
        }
        Ok(collection) => Ok(collection),
        Err(CollectError::Protocol(ProtocolError::Ended)) => {
            let ended = tokio::time::timeout(LEAVE, process.wait()).await.ok().transpose().map_err(no_wait)?;
            let said = match said {
                Some(text) => text,
                None => tokio::time::timeout(SETTLE, complaining).await.unwrap_or_default(),
            };
            Err(vanished(ended, &said))
        }
        Err(error) => Err(collect_failure(error)),
    }
}

fn no_wait(error: std::io::Error) -> ChildFailure {
    ChildFailure::because(FailureKind::Internal, "a child that cannot be waited for", error)
}

fn serve_failure(error: ServeError) -> ChildFailure {
    let kind = match error {
        ServeError::Source(_) => FailureKind::SourceFailed,
        ServeError::BudgetSpent { .. } | ServeError::RoundAndRound { .. } => FailureKind::LimitHit,
        ServeError::Protocol(_) => FailureKind::Internal,
    };
    ChildFailure::because(kind, "the original", error)
}

fn collect_failure(error: CollectError) -> ChildFailure {
    let kind = match error {
        CollectError::Protocol(_) => FailureKind::Internal,
        CollectError::Output { .. } => FailureKind::OutputFailed,
        CollectError::TooMuchOutput { .. } => FailureKind::LimitHit,
    };
    ChildFailure::because(kind, "the outputs", error)
}

/// A child that ended without a result: by whose hand says its status.
fn vanished(ended: Option<Ended>, said: &str) -> ChildFailure {
    let Some(Ended { status, out_of_memory, .. }) = ended else {
        return ChildFailure::internal("the child said no more, and does not end").said(said);
    };
    let (kind, what) = match (status.signal(), status.code()) {
        _ if out_of_memory => (FailureKind::LimitHit, "its memory cgroup was full"),
        (_, Some(child::process::NO_MEMORY)) => (FailureKind::LimitHit, "its address space was full"),
        (_, Some(child::process::STUCK)) => (FailureKind::TimedOut, "it stood still with its outputs in hand"),
        (Some(libc::SIGALRM), _) => (FailureKind::TimedOut, "it stood still, and its watchdog with it"),
        (Some(libc::SIGXCPU), _) => (FailureKind::LimitHit, "its CPU time was spent"),
        (Some(libc::SIGXFSZ), _) => (FailureKind::LimitHit, "it wrote a file"),
        (Some(libc::SIGSYS), _) => (FailureKind::PolicyViolation, "policy violation: a system call that the lock forbids"),
        (Some(libc::SIGKILL), _) => (FailureKind::Killed, "killed by somebody else"),
        (Some(_), _) => (FailureKind::Internal, "crashed"),
        _ => (FailureKind::Internal, "left without a result"),
    };
    ChildFailure::new(kind, format!("{what} ({status})")).said(said)
}

/// A child that ended with a word of its own on why.
fn gave_up(code: FailureCode, said: &str) -> ChildFailure {
    ChildFailure::new(code.into(), "the child gave up").said(said)
}

/// Done needs a result, an exit that fits it, and our own checks.
fn judge(job: &ChildJob, collection: Collection, ended: Ended) -> Result<ChildDone, ChildFailure> {
    let counts = match collection.result {
        ChildResult::Done(counts) => counts,
        ChildResult::Failed { code, text } => return Err(gave_up(code, &text)),
    };
    if !ended.status.success() {
        let failure = vanished(Some(ended), "");
        return Err(ChildFailure { text: format!("after its result {}", failure.text), ..failure });
    }
    if counts.outputs.len() != job.outputs.len() {
        return Err(ChildFailure::internal("a result with another number of outputs"));
    }
    let info = match collection.info.or_else(|| job.info.clone()) {
        None if job.group == Group::Probe => return Err(ChildFailure::internal("a probe that found nothing, and did not say so")),
        info => info.unwrap_or_default(),
    };
    let loss = promise::check(job, &counts, &collection.outputs)
        .map_err(|broken| ChildFailure::because(broken.kind(), "a promise is not kept", broken))?;
    let made = job.outputs.iter().zip(counts.outputs).zip(collection.outputs);
    let describe = |((output, mut counts), collected): ((&Output, OutputCounts), Collected)| {
        counts.details.loss = loss;
        describe(output.profile.clone(), &output.make, counts, collected)
    };
    let outputs = made.map(describe).collect();
    Ok(ChildDone { info, outputs, usage: ended.usage })
}

fn describe(profile: ProfileName, make: &Recipe, counts: OutputCounts, collected: Collected) -> Made {
    let duration_us = match make {
        Recipe::Pcm { sample_rate } => Some(promise::wav_duration_us(collected.bytes, *sample_rate)),
        make if make.form() == Form::Cmaf => Some(collected.duration_us()),
        make if make.form() == Form::Mp4 => counts.lasts_ms.map(|ms| ms.saturating_mul(1000)),
        _ => None,
    };
    let bitrate =
        duration_us.filter(|us| *us > 0).and_then(|us| u64::try_from(u128::from(collected.bytes) * 8_000_000 / u128::from(us)).ok());
    Made {
        profile,
        mime: make.mime(),
        bytes: collected.bytes,
        width: counts.width,
        height: counts.height,
        bitrate,
        duration_ms: duration_us.map(|us| us.saturating_add(500) / 1000),
        codec: counts.codec.filter(|codec| is_codec(codec)),
        init_bytes: collected.init_bytes,
        fragments: collected.fragments,
        frames: counts.frames,
        channels: counts.channels,
        is_lost: counts.is_lost,
        details: VariantDetails { tiles: tiles(make, counts.details.tiles), ..counts.details },
    }
}

/// Only of a storyboard, and only what can be: the door writes a line for each tile.
fn tiles(make: &Recipe, said: Option<Tiles>) -> Option<Tiles> {
    let Recipe::Storyboard { tiles, .. } = make else { return None };
    said.filter(|said| said.are_of_a_sheet() && said.count <= *tiles)
}

/// What may stand in a playlist.
fn is_codec(text: &str) -> bool {
    (1..=32).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'.')
}

#[cfg(test)]
mod tests {
    use std::process::ExitStatus;

    use super::*;

    #[test]
    fn what_a_child_says_of_a_file_stands_in_no_error() {
        let of_the_file = "title: Anna at the beach\n";
        let ended = Ended { status: ExitStatus::from_raw(libc::SIGSEGV), usage: Usage::default(), out_of_memory: false };
        for failure in [vanished(Some(ended), of_the_file), vanished(None, of_the_file), gave_up(FailureCode::Corrupt, of_the_file)] {
            assert!(!failure.to_string().contains("Anna") && failure.said == of_the_file.trim(), "{failure:?}");
        }
        assert!(vanished(Some(ended), of_the_file).to_string().contains("crashed (signal: 11"));
    }

    #[test]
    fn a_source_is_told_by_the_first_length_that_it_is_shorter_than() {
        let told =
            [None, Some(0), Some(59_999), Some(60_000), Some(599_999), Some(600_000), Some(3_599_999), Some(3_600_000)].map(source_length);
        assert_eq!(told, ["still", "under_1m", "under_1m", "under_10m", "under_10m", "under_1h", "under_1h", "longer"]);
    }

    #[test]
    fn tiles_are_believed_of_a_storyboard_only_and_only_as_many_as_were_asked_for() {
        let said = Tiles { columns: 10, count: 100, width: 160, height: 90, interval_ms: 1000 };
        let storyboard = Recipe::Storyboard { tiles: 100, tile_width: 160, quality: 75 };
        assert_eq!(tiles(&storyboard, Some(said)), Some(said));
        assert_eq!(tiles(&storyboard, Some(Tiles { count: 101, ..said })), None);
        assert_eq!(tiles(&storyboard, Some(Tiles { columns: 0, ..said })), None);
        assert_eq!(tiles(&Recipe::Webp { width: 1, quality: 1 }, Some(said)), None);
    }
}
