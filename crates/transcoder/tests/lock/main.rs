//! What a locked process cannot do: every attempt in a process of its own, since most end it.
//!
//! Each attempt is made without the lock, where it must succeed (or this test could not fail), and under it, where it must
//! not; then under each layer alone, as far as that layer is meant to hold it. `cargo test --test lock -- WORD` makes those
//! attempts whose name holds the word.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod attempts;

use std::{
    fmt, io,
    os::unix::process::{CommandExt, ExitStatusExt},
    process::{Command, ExitCode},
};

use attempts::{ATTEMPTS, Attempt, Stage};
use media_domain::work::Group;
use media_transcoder::{
    child::lock::{Layers, LockError, Reach, lock},
    protocol::Limits,
};

/// The hidden word by which this test starts itself.
const ATTEMPT: &str = "--attempt";
/// Left with where the lock itself did not close.
const NOT_LOCKED: u8 = 255;
/// Left with where what the attempt needs could not be made.
const NOT_PREPARED: u8 = 254;

/// Under what an attempt is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Under {
    Nothing,
    Lock,
    LockWithFonts,
    LandlockAlone,
    SeccompAlone,
}

const ALL: [Under; 5] = [Under::Nothing, Under::Lock, Under::LockWithFonts, Under::LandlockAlone, Under::SeccompAlone];

impl Under {
    fn close(self) -> Result<(), LockError> {
        let (layers, reach) = match self {
            Under::Nothing => return Ok(()),
            Under::Lock => (Layers::ALL, Reach::Nothing),
            Under::LockWithFonts => (Layers::ALL, Reach::Fonts),
            Under::LandlockAlone => (Layers { seccomp: false, ..Layers::ALL }, Reach::Nothing),
            Under::SeccompAlone => (Layers { landlock: false, ..Layers::ALL }, Reach::Nothing),
        };
        lock(&Limits::of(Group::Ladder, 1, None, &[]), layers, reach)
    }

    /// Whether the attempt must fail under this.
    fn holds(self, attempt: &Attempt) -> Option<bool> {
        match self {
            Under::Nothing => Some(false),
            Under::Lock => Some(!attempt.allowed),
            // Of what fonts need, landlock alone cannot refuse a look at a file's name and size.
            Under::LockWithFonts => Some(!attempt.allowed && !attempt.with_fonts),
            Under::LandlockAlone if attempt.landlock => Some(true),
            Under::LandlockAlone => None,
            Under::SeccompAlone => Some(!attempt.allowed),
        }
    }
}

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Succeeded,
    Refused(i32),
    Killed(i32),
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            End::Succeeded => f.write_str("succeeded"),
            End::Refused(errno) => write!(f, "refused: {}", io::Error::from_raw_os_error(*errno)),
            End::Killed(libc::SIGSYS) => f.write_str("killed by SIGSYS"),
            End::Killed(signal) => write!(f, "killed by signal {signal}"),
        }
    }
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [first, name, under, stage] = arguments.as_slice()
        && first == ATTEMPT
    {
        return attempt(name, under, stage);
    }
    let wanted = arguments.iter().find(|argument| !argument.starts_with('-'));
    let stage = Stage::new();
    let (mut failures, mut skipped) = (0, Vec::new());
    for attempt in ATTEMPTS.iter().filter(|attempt| wanted.is_none_or(|word| attempt.name.contains(word.as_str()))) {
        let ends = ALL.map(|under| (under, make(attempt, under, &stage)));
        // Without a control its refusal proves nothing: it is not counted as one.
        if let (End::Refused(_) | End::Killed(_), Some(needs), false) = (ends[0].1, attempt.needs, all_must_succeed()) {
            println!("SKIP {:<44} {:<15} {}; it needs {needs}", attempt.name, "Nothing", ends[0].1);
            skipped.push(attempt.name);
            continue;
        }
        for (under, end) in ends {
            let right = under.holds(attempt).is_none_or(|holds| holds == (end != End::Succeeded));
            failures += usize::from(!right);
            println!("{:<4} {:<44} {:<15} {end}", if right { "ok" } else { "BAD" }, attempt.name, format!("{under:?}"));
        }
    }
    println!("\n{} were skipped: {skipped:?}\n{failures} of the attempts above did not end as they must", skipped.len());
    if failures == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Whether no attempt may be skipped: by root, outside of containers, each has succeeded without the lock. A container says so by
/// a file of its engine's, or by the filter that it puts around us.
fn all_must_succeed() -> bool {
    // SAFETY: it has no conditions.
    let is_root = unsafe { libc::geteuid() } == 0;
    let is_contained = ["/.dockerenv", "/run/.containerenv"].iter().any(|file| std::path::Path::new(file).exists());
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    is_root && !is_contained && status.lines().any(|line| line.split_whitespace().eq(["Seccomp:", "0"]))
}

/// In the process that is locked.
fn attempt(name: &str, under: &str, stage: &str) -> ExitCode {
    let attempt = ATTEMPTS.iter().find(|attempt| attempt.name == name).unwrap();
    let under = ALL.into_iter().find(|known| format!("{known:?}") == under).unwrap();
    let stage = Stage::read(stage);
    if let Err(error) = (attempt.prepare)(&stage) {
        eprintln!("{name}: {error}");
        return ExitCode::from(if attempt.needs.is_some() { errno(&error) } else { NOT_PREPARED });
    }
    if let Err(error) = under.close() {
        eprintln!("{error}: {:?}", std::error::Error::source(&error).map(ToString::to_string));
        return ExitCode::from(NOT_LOCKED);
    }
    match (attempt.act)(&stage) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => ExitCode::from(errno(&error)),
    }
}

fn errno(error: &io::Error) -> u8 {
    error.raw_os_error().and_then(|errno| u8::try_from(errno).ok()).unwrap_or(NOT_PREPARED)
}

/// In the process that watches.
fn make(attempt: &Attempt, under: Under, stage: &Stage) -> End {
    stage.set();
    let output = Command::new("/proc/self/exe")
        .arg0("attempt")
        .args([ATTEMPT, attempt.name, &format!("{under:?}"), &stage.written()])
        .env_clear()
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    match (output.status.signal(), output.status.code()) {
        (Some(signal), _) => End::Killed(signal),
        (_, Some(0)) => End::Succeeded,
        (_, Some(code)) => {
            assert!(code != i32::from(NOT_LOCKED) && code != i32::from(NOT_PREPARED), "{} under {under:?}: {said}", attempt.name);
            End::Refused(code)
        }
        _ => unreachable!("a process ends by a code or a signal"),
    }
}
