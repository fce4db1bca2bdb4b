//! However it goes, it ends: soon, typed, and with nothing left running.

use std::{
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use bytes::Bytes;
use media_domain::{Kind, work::Group};
use media_transcoder::{
    parent::{BoxError, FailureKind, OutputWriter, RangeReader, run_child},
    protocol::{ChildJob, ChildResult, FailureCode, FrameHeader, FrameKind},
};
use tokio_util::sync::CancellationToken;

use crate::bench::{Bench, LocalFile, LocalWriter, PROGRAM, job, moving, runtime};

/// Reads from a file, until it is told to fail or to hang.
struct Moody {
    file: LocalFile,
    hang: bool,
}

impl RangeReader for Moody {
    async fn read(&self, offset: u64, length: u64) -> Result<Bytes, BoxError> {
        if offset == 0 {
            return self.file.read(offset, length).await;
        }
        if self.hang {
            std::future::pending::<()>().await;
        }
        Err("storage is away".into())
    }
}

/// Takes no bytes, and says nothing of it.
struct Mute;

impl OutputWriter for Mute {
    async fn write(&mut self, _bytes: Bytes) -> Result<(), BoxError> {
        std::future::pending().await
    }
}

/// Takes bytes until it fails.
struct Broken;

impl OutputWriter for Broken {
    async fn write(&mut self, _bytes: Bytes) -> Result<(), BoxError> {
        Err("storage is full".into())
    }
}

pub fn film(bench: &Bench, seconds: u32) -> (std::path::PathBuf, ChildJob) {
    let file = bench.make(
        "film.mp4",
        &format!("{} -c:v libx264 -preset ultrafast -b:v 20M -c:a aac -movflags +faststart", moving("1280x720", seconds)),
    );
    let info = bench.probe(&file, "video/mp4", Kind::Video).unwrap();
    let job = job(&file, "video/mp4", Kind::Video, Group::Ladder, &["h264-720p"], Some(info));
    (file, job)
}

pub fn writers(bench: &Bench) -> Vec<LocalWriter> {
    vec![LocalWriter::new(&bench.path("out"))]
}

/// Our program under a name that only this test has, so that its child can be told from those of other tests.
pub fn own_program(bench: &Bench) -> std::path::PathBuf {
    let program = bench.path("own-program");
    std::os::unix::fs::symlink(PROGRAM, &program).unwrap();
    program
}

/// The processes that run under that name.
pub fn running(program: &Path) -> Vec<i32> {
    let name = program.as_os_str().as_encoded_bytes();
    let processes = std::fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    processes
        .filter(|entry| std::fs::read(entry.path().join("cmdline")).is_ok_and(|line| line.starts_with(name)))
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect()
}

#[test]
fn a_stop_ends_the_child_at_once() {
    let bench = Bench::new();
    let (file, job) = film(&bench, 30);
    let stop = CancellationToken::new();
    let (program, started, stopped) = (own_program(&bench), AtomicBool::new(false), std::sync::OnceLock::new());
    let progress = |_| {
        started.store(running(&program).len() == 1, Ordering::Relaxed);
        stopped.get_or_init(Instant::now);
        stop.cancel();
    };
    let result = runtime().block_on(run_child(&program, &job, &LocalFile::open(&file), &mut writers(&bench), progress, &stop));
    assert_eq!(result.err().unwrap().kind, FailureKind::Cancelled);
    assert!(started.load(Ordering::Relaxed), "it was stopped in the middle");
    assert!(stopped.get().unwrap().elapsed() < Duration::from_secs(10));
    assert_eq!(running(&program), [0; 0]);
}

#[test]
fn the_deadline_ends_a_job_whose_storage_hangs() {
    let bench = Bench::new();
    let (file, mut job) = film(&bench, 10);
    assert!(job.size > 9 << 20, "{}", job.size);
    job.limits.wall_ms = 3000;
    let source = Moody { file: LocalFile::open(&file), hang: true };
    let result = runtime().block_on(run_child(Path::new(PROGRAM), &job, &source, &mut writers(&bench), |_| {}, &CancellationToken::new()));
    let failure = result.err().unwrap();
    assert!(failure.text.ends_with("no result after 3000 ms"), "{failure:?}");
    assert!(
        [FailureKind::TimedOut, FailureKind::SourceFailed].contains(&failure.kind),
        "by when it began to wait for storage: {failure:?}"
    );
}

#[test]
fn storage_that_cannot_be_read_is_no_fault_of_the_file() {
    let bench = Bench::new();
    let (file, job) = film(&bench, 10);
    let source = Moody { file: LocalFile::open(&file), hang: false };
    let result = runtime().block_on(run_child(Path::new(PROGRAM), &job, &source, &mut writers(&bench), |_| {}, &CancellationToken::new()));
    let failure = result.err().unwrap();
    assert_eq!(failure.kind, FailureKind::SourceFailed, "{failure}");
    assert_eq!(failure.reason(), None);
}

#[test]
fn storage_that_cannot_be_written_is_no_fault_of_the_file() {
    let bench = Bench::new();
    let (file, job) = film(&bench, 7);
    let result =
        runtime().block_on(run_child(Path::new(PROGRAM), &job, &LocalFile::open(&file), &mut [Broken], |_| {}, &CancellationToken::new()));
    assert_eq!(result.err().unwrap().kind, FailureKind::OutputFailed);
}

#[test]
fn storage_that_never_takes_what_was_made_is_no_fault_of_the_file() {
    let bench = Bench::new();
    let (file, mut job) = film(&bench, 10);
    (job.limits.stall_ms, job.limits.patience_ms) = (5000, 10_000);
    let result =
        runtime().block_on(run_child(Path::new(PROGRAM), &job, &LocalFile::open(&file), &mut [Mute], |_| {}, &CancellationToken::new()));
    let failure = result.err().unwrap();
    assert_eq!((failure.kind, failure.reason()), (FailureKind::OutputFailed, None), "{failure:?}");
    assert!(failure.text.contains("storage has not answered") && failure.said.contains("the last to pass was"), "{failure:?}");
}

#[test]
fn a_child_that_is_answered_round_and_round_hits_its_limit() {
    let bench = Bench::new();
    let (file, mut job) = film(&bench, 10);
    job.limits.answered_bytes = 4 << 20;
    let failure = bench.run_job(&file, job).err().unwrap();
    assert_eq!(failure.kind, FailureKind::LimitHit, "{failure:?}");
}

#[test]
fn a_child_that_reads_too_much_hits_its_limit() {
    let bench = Bench::new();
    let (file, mut job) = film(&bench, 10);
    job.limits.source_bytes = 8 << 20;
    assert_eq!(bench.run_job(&file, job).err().unwrap().kind, FailureKind::LimitHit);
}

#[test]
fn outputs_that_outgrow_their_limit_are_stopped() {
    let bench = Bench::new();
    let (file, mut job) = film(&bench, 7);
    job.limits.output_bytes = 10_000;
    assert_eq!(bench.run_job(&file, job).err().unwrap().kind, FailureKind::LimitHit);
}

#[test]
fn too_little_address_space_is_a_typed_failure() {
    let bench = Bench::new();
    let (file, mut job) = film(&bench, 3);
    job.limits.address_space_bytes = 400 << 20;
    let failure = bench.run_job(&file, job).err().unwrap();
    assert!([FailureKind::LimitHit, FailureKind::Internal].contains(&failure.kind), "{failure}");
}

#[test]
fn a_program_that_is_no_child_is_an_internal_failure() {
    let bench = Bench::new();
    let (file, job) = film(&bench, 1);
    for program in ["/bin/true", "/bin/false", "/nonexistent"] {
        let result = runtime().block_on(run_child(
            Path::new(program),
            &job,
            &LocalFile::open(&file),
            &mut writers(&bench),
            |_| {},
            &CancellationToken::new(),
        ));
        assert_eq!(result.err().unwrap().kind, FailureKind::Internal, "{program}");
    }
}

#[test]
fn a_kill_that_nobody_explains_is_tried_again() {
    let bench = Bench::new();
    let (file, job) = film(&bench, 30);
    let program = own_program(&bench);
    let kill = |_| {
        for child in running(&program) {
            std::process::Command::new("kill").args(["-9", &child.to_string()]).status().unwrap();
        }
    };
    let never = CancellationToken::new();
    let result = runtime().block_on(run_child(&program, &job, &LocalFile::open(&file), &mut writers(&bench), kill, &never));
    let failure = result.err().unwrap();
    assert_eq!(failure.kind, FailureKind::Killed, "{failure}");
    assert!(failure.is_worth_another_try());
}

/// How far the watchdog says that an element came, in seconds.
pub fn stands_at(said: &str, element: &str) -> f64 {
    let place =
        said.split(['[', ',', ']']).find(|place| place.trim().starts_with(element)).unwrap_or_else(|| panic!("no {element}: {said}"));
    place.rsplit(':').next().unwrap().parse().unwrap()
}

#[test]
fn a_film_whose_storage_never_answers_in_its_middle_ends_and_says_where_it_stood() {
    let bench = Bench::new();
    let (file, mut job) = film(&bench, 10);
    assert!(job.size > 9 << 20, "{}", job.size);
    (job.limits.stall_ms, job.limits.patience_ms) = (5000, 10_000);
    let source = Moody { file: LocalFile::open(&file), hang: true };
    let result = runtime().block_on(run_child(Path::new(PROGRAM), &job, &source, &mut writers(&bench), |_| {}, &CancellationToken::new()));
    let failure = result.err().unwrap();
    // Not the file's: it is given back, and not counted against it.
    assert_eq!((failure.kind, failure.reason()), (FailureKind::SourceFailed, None), "{failure:?}");
    assert!(failure.text.contains("storage has not answered"), "{failure:?}");
    assert!(failure.said.contains("the parent did not answer") && failure.said.contains("the last to pass was"), "{failure:?}");
    // The first 8 MiB came, of some 2.5 MB a second.
    assert!((2.0..6.0).contains(&stands_at(&failure.said, "qtdemux")), "{failure:?}");
}

#[test]
fn a_child_that_computes_for_too_long_hits_its_limit() {
    let bench = Bench::new();
    let (file, mut job) = film(&bench, 20);
    job.limits.cpu_ms = 1000;
    let failure = bench.run_job(&file, job).err().unwrap();
    assert_eq!(failure.kind, FailureKind::LimitHit, "{failure}");
    assert!(!failure.is_worth_another_try());
    let used = failure.usage.unwrap();
    assert!((Duration::from_millis(900)..Duration::from_millis(2500)).contains(&used.cpu), "{used:?}");
}

#[test]
fn a_child_has_no_environment_but_three_words_of_ours() {
    let bench = Bench::new();
    let (file, job) = film(&bench, 10);
    let program = own_program(&bench);
    let seen = std::sync::Mutex::new(None);
    // In the middle of its work: it is locked, and what it holds now it holds to its end.
    let look = |_| {
        let child = running(&program)[0];
        let words = std::fs::read_to_string(format!("/proc/{child}/environ")).unwrap();
        let here = std::fs::read_link(format!("/proc/{child}/cwd")).unwrap();
        let arguments = std::fs::read_to_string(format!("/proc/{child}/cmdline")).unwrap();
        seen.lock().unwrap().get_or_insert((words, here, arguments));
    };
    let never = CancellationToken::new();
    runtime().block_on(run_child(&program, &job, &LocalFile::open(&file), &mut writers(&bench), look, &never)).unwrap();
    let (words, here, arguments) = seen.into_inner().unwrap().unwrap();
    let mut words: Vec<&str> = words.split_terminator('\0').collect();
    words.sort_unstable();
    assert_eq!(words, ["GST_REGISTRY_DISABLE=yes", "LC_ALL=C.UTF-8", "MALLOC_ARENA_MAX=2"]);
    assert_eq!(here, Path::new("/"));
    let (own, parent) = (program.display(), std::process::id());
    assert_eq!(arguments, format!("{own}\0transcoder-child\0{parent}\0"), "a command line can be read by everybody");
}

/// A program that ends as a script says.
fn script(bench: &Bench, text: &str) -> std::path::PathBuf {
    let program = bench.path("script");
    // By another process: a neighbour that forks while we write it would have it open, and such a file cannot be started.
    let write = "printf '#!/bin/sh\\n%s\\n' \"$1\" > \"$2\"";
    let written = std::process::Command::new("sh").args(["-c", write, "sh", text]).arg(&program).status().unwrap();
    assert!(written.success());
    std::fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    program
}

#[test]
fn each_way_to_end_without_a_result_has_its_name() {
    let bench = Bench::new();
    let (file, job) = film(&bench, 1);
    for (text, kind, is_tried_again) in [
        ("kill -SYS $$", FailureKind::PolicyViolation, false),
        ("kill -XCPU $$", FailureKind::LimitHit, false),
        ("exit 4", FailureKind::LimitHit, false),
        ("exit 5", FailureKind::TimedOut, true),
        ("kill -ALRM $$", FailureKind::TimedOut, true),
        ("kill -KILL $$", FailureKind::Killed, true),
        ("kill -SEGV $$", FailureKind::Internal, true),
        ("exit 0", FailureKind::Internal, true),
    ] {
        let (program, never) = (script(&bench, text), CancellationToken::new());
        let result = runtime().block_on(run_child(&program, &job, &LocalFile::open(&file), &mut writers(&bench), |_| {}, &never));
        let failure = result.err().unwrap();
        assert_eq!((failure.kind, failure.is_worth_another_try()), (kind, is_tried_again), "{text}: {failure}");
    }
}

#[test]
fn a_child_that_only_says_that_storage_failed_is_not_believed() {
    let bench = Bench::new();
    let (file, job) = film(&bench, 1);
    let word = ChildResult::Failed { code: FailureCode::SourceFailed, text: "storage is away".to_owned() }.encode().unwrap();
    let header = FrameHeader::new(FrameKind::Result, 0, word.len().try_into().unwrap()).encode();
    let said = bench.path("said");
    std::fs::write(&said, [header.as_slice(), &word].concat()).unwrap();
    let (program, never) = (script(&bench, &format!("cat {}", said.display())), CancellationToken::new());
    let result = runtime().block_on(run_child(&program, &job, &LocalFile::open(&file), &mut writers(&bench), |_| {}, &never));
    let failure = result.err().unwrap();
    assert_eq!(
        (failure.kind, failure.said.as_str()),
        (FailureKind::Internal, "storage is away"),
        "else it were tried for ever: {failure:?}"
    );
}
