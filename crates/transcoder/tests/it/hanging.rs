//! Threads of a child that hang, and one that would tell of it: it ends all the same.

use std::{path::Path, time::Duration};

use bytes::Bytes;
use media_transcoder::parent::{BoxError, ChildFailure, FailureKind, RangeReader, run_child};
use tokio_util::sync::CancellationToken;

use crate::{
    bench::{Bench, LocalFile, runtime},
    endings::{film, own_program, running, stands_at, writers},
};

/// Reads from a file; before the first answer from beyond its beginning, some of the child's threads are held.
struct Holding<'a> {
    file: LocalFile,
    program: &'a Path,
    /// By process, thread, and the thread's name.
    which: fn(i32, i32, &str) -> bool,
    held: tokio::sync::Mutex<Option<Held>>,
}

impl RangeReader for Holding<'_> {
    async fn read(&self, offset: u64, length: u64) -> Result<Bytes, BoxError> {
        let mut held = self.held.lock().await;
        if offset > 0 && held.is_none() {
            *held = Some(Held::threads_of(running(self.program)[0], self.which).await);
        }
        self.file.read(offset, length).await
    }
}

/// How a film ends some of whose threads hang; none where this system lets nobody hold them.
fn end_of_a_film_that_hangs(patience_ms: u64, which: fn(i32, i32, &str) -> bool) -> Option<ChildFailure> {
    let bench = Bench::new();
    let (file, mut job) = film(&bench, 10);
    (job.limits.stall_ms, job.limits.patience_ms) = (5000, patience_ms);
    let program = own_program(&bench);
    let source = Holding { file: LocalFile::open(&file), program: &program, which, held: tokio::sync::Mutex::default() };
    let never = CancellationToken::new();
    let result = runtime().block_on(run_child(&program, &job, &source, &mut writers(&bench), |_| {}, &never));
    let held = source.held.into_inner().unwrap_or_else(|| panic!("it ended before anybody was held: {result:?}"));
    if !held.have_held() {
        println!("threads cannot be held on this system, so nothing is shown about those that hang");
        return None;
    }
    let failure = result.err().unwrap();
    assert_eq!(failure.kind, FailureKind::TimedOut, "{failure:?}");
    assert!(failure.is_worth_another_try());
    Some(failure)
}

#[test]
fn a_pipeline_whose_threads_hang_ends_and_says_where_it_stood() {
    // The child waits for us while its threads come to wait.
    let Some(failure) = end_of_a_film_that_hangs(600_000, |_, _, name| name.starts_with("queue")) else { return };
    assert!(failure.said.contains("nothing moved") && failure.said.contains("the last to pass was"), "{failure:?}");
    // Where the demuxer was stopped by the queue behind it.
    assert!((2.0..10.0).contains(&stands_at(&failure.said, "qtdemux0:video")), "{failure:?}");
}

#[test]
fn a_child_whose_watchdog_hangs_ends_all_the_same() {
    let Some(failure) = end_of_a_film_that_hangs(20_000, |process, thread, _| thread == process) else { return };
    assert!(failure.text.contains("and its watchdog with it"), "{failure:?}");
}

/// Threads of a child, held as a debugger holds them: to the others they hang.
struct Held {
    holder: std::thread::JoinHandle<bool>,
    /// What it waits for: who holds them goes on only with its own end.
    until: std::sync::mpsc::Sender<()>,
}

impl Held {
    /// Comes back when they are held, or cannot be.
    async fn threads_of(process: i32, which: fn(i32, i32, &str) -> bool) -> Self {
        let threads = std::fs::read_dir(format!("/proc/{process}/task")).unwrap().map(|thread| thread.unwrap().path());
        let numbered = threads.map(|path| (path.file_name().unwrap().to_str().unwrap().parse().unwrap(), path));
        // One that ends meanwhile has no name, and is not meant.
        let name = |path: &Path| std::fs::read_to_string(path.join("comm")).unwrap_or_default();
        let chosen = numbered.filter(|(thread, path)| which(process, *thread, &name(path)));
        let mut numbers: Vec<i32> = chosen.map(|(thread, _)| thread).collect();
        assert!(!numbers.is_empty(), "no such thread");
        // The latest first: they feed the others, which come to wait for them.
        numbers.sort_unstable_by(|one, other| other.cmp(one));
        let (tell, told) = tokio::sync::oneshot::channel();
        let (until, ended) = std::sync::mpsc::channel::<()>();
        let holder = std::thread::spawn(move || {
            let are_held = numbers.iter().all(|thread| hold(process, *thread));
            tell.send(()).unwrap();
            if are_held {
                // Who holds a thread must wait for it, too: the process is not gone before. For the first one, its parent waits.
                let others = numbers.into_iter().filter(|thread| *thread != process);
                others.for_each(|thread| while wait_for(thread).is_some() {});
                ended.recv().unwrap_err();
            }
            are_held
        });
        // Where it panicked, whoever joins it is told.
        told.await.unwrap_or_default();
        Self { holder, until }
    }

    fn have_held(self) -> bool {
        let Self { holder, until } = self;
        drop(until);
        holder.join().unwrap()
    }
}

/// Holds a thread where it has come to wait. Anywhere else it may have a lock without which nobody goes on: there are two for the
/// memory of all threads.
fn hold(process: i32, thread: i32) -> bool {
    if !trace(libc::PTRACE_SEIZE, thread) {
        let error = std::io::Error::last_os_error();
        assert_eq!(error.kind(), std::io::ErrorKind::PermissionDenied, "{thread} is not to be held: {error}");
        return false;
    }
    let waits = [libc::SYS_futex, libc::SYS_restart_syscall].map(|call| format!("{call} "));
    let mut before = None;
    for _ in 0..2400 {
        assert!(trace(libc::PTRACE_INTERRUPT, thread) && wait_for(thread).is_some(), "{thread} is gone");
        let place = std::fs::read_to_string(format!("/proc/{process}/task/{thread}/syscall")).unwrap();
        let is_waiting = waits.iter().any(|call| place.starts_with(call));
        if is_waiting && before.as_ref() == Some(&place) {
            return true;
        }
        before = Some(place);
        assert!(trace(libc::PTRACE_CONT, thread), "{thread} does not go on");
        std::thread::park_timeout(Duration::from_millis(50));
    }
    panic!("{thread} never waits: {before:?}");
}

fn trace(request: libc::c_uint, thread: i32) -> bool {
    // SAFETY: these requests read and write no memory of ours.
    unsafe { libc::ptrace(request, thread, 0, 0) == 0 }
}

/// How a thread that is held stopped; none at its end.
fn wait_for(thread: i32) -> Option<i32> {
    let mut status = 0;
    // SAFETY: the kernel writes one number.
    let waited = unsafe { libc::waitpid(thread, &raw mut status, libc::__WALL) };
    assert_eq!(waited, thread, "{}", std::io::Error::last_os_error());
    libc::WIFSTOPPED(status).then_some(status)
}
