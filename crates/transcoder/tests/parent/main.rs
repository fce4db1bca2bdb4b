//! The parent over time: its memory does not grow with the jobs, and no kill leaves a file behind.
//!
//! A process of its own, because it measures itself; with empty file systems of its own over every place where files are left, so
//! that no neighbour's file is taken for ours. That takes root, or a system that gives user namespaces.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

#[path = "../it/bench.rs"]
#[expect(dead_code, reason = "the other tests use the rest")]
mod bench;
#[path = "../it/papers.rs"]
mod papers;

use std::{
    fs::{self, File},
    io::{self, BufRead, BufReader, Read},
    os::fd::AsRawFd,
    path::{Path, PathBuf},
    process::{Command, ExitCode, Stdio},
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use bench::{Bench, LocalFile, PROGRAM, job, moving, runtime};
use bytes::Bytes;
use media_domain::{Kind, work::Group};
use media_transcoder::{
    parent::{BoxError, FailureKind, OutputWriter, RangeReader, prepare_cgroups, run_child},
    protocol::ChildJob,
};
use tokio_util::sync::CancellationToken;

const MIB: u64 = 1 << 20;
/// How many jobs the memory is watched over, and after how many it should have settled.
const JOBS: usize = 200;
const WARM: usize = 20;
/// Two for each output: one fills, one is on its way (`blobs`, part size of a short output).
const PART_BYTES: usize = 5 << 20;
/// How the test starts itself as the parent that will be killed.
const PARENT: &str = "--parent";
/// Where files are left: by libraries in the first three, by us anywhere.
const PLACES: &[&str] = &["/tmp", "/var/tmp", "/dev/shm", "/run"];
/// Where else libraries keep things, below a home: a child has none, and its parent's is empty here too.
const IN_HOME: &[&str] = &[".cache", ".config", ".local/share"];

type Test = (&'static str, fn(&Stage));

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [first, program, written] = arguments.as_slice()
        && first == PARENT
    {
        be_the_parent(Path::new(program), &serde_json::from_str(written).unwrap());
        return ExitCode::SUCCESS;
    }
    let tests: [Test; 5] = [
        ("memory_does_not_grow_with_the_jobs", Stage::memory_does_not_grow_with_the_jobs),
        ("a_killed_child_leaves_no_file", Stage::a_killed_child_leaves_no_file),
        ("a_child_killed_over_a_picture_or_a_paper_leaves_no_file", Stage::a_child_killed_over_a_picture_or_a_paper_leaves_no_file),
        ("a_killed_parent_leaves_no_file_and_no_child", Stage::a_killed_parent_leaves_no_file_and_no_child),
        ("a_child_over_its_memory_is_killed_and_nobody_else", Stage::a_child_over_its_memory_is_killed_and_nobody_else),
    ];
    let wanted = arguments.iter().find(|argument| !argument.starts_with('-'));
    let tests: Vec<_> = tests.into_iter().filter(|(name, _)| wanted.is_none_or(|word| name.contains(word.as_str()))).collect();
    if tests.is_empty() {
        return ExitCode::SUCCESS;
    }
    // Before there is another thread: a namespace is a thread's, and of those that it starts, and one of ours starts the children.
    own_file_systems();
    let stage = Stage::new();
    for (name, test) in tests {
        test(&stage);
        println!("test {name} ... ok");
    }
    ExitCode::SUCCESS
}

/// Takes an output as S3 does: a part that fills, and one on its way.
#[derive(Default)]
struct Parts(Vec<u8>, Vec<u8>);

impl OutputWriter for Parts {
    async fn write(&mut self, bytes: Bytes) -> Result<(), BoxError> {
        self.0.extend_from_slice(&bytes);
        if self.0.len() >= PART_BYTES {
            self.1 = std::mem::take(&mut self.0);
        }
        Ok(())
    }
}

/// What lies where files are left, and what runs: made before the places are emptied.
struct Stage {
    _bench: Bench,
    /// By descriptor: its path is perhaps in a place that was emptied.
    program: PathBuf,
    _program: File,
    still: (LocalFile, ChildJob),
    film: (PathBuf, ChildJob),
    /// Other work of a few milliseconds, and what becomes of it.
    others: Vec<(LocalFile, ChildJob, Option<FailureKind>)>,
    /// Pictures and papers that take long enough to be interrupted.
    long: Vec<(PathBuf, ChildJob)>,
}

impl Stage {
    fn new() -> Self {
        let bench = Bench::new();
        let program = File::open(PROGRAM).unwrap();
        let picture = bench.make("still.png", "-f lavfi -i testsrc2=size=640x480 -frames:v 1");
        let info = bench.probe(&picture, "image/png", Kind::Image).unwrap();
        let still = job(&picture, "image/png", Kind::Image, Group::Stills, &["webp-320"], Some(info));
        let video = bench.make("film.mp4", &format!("{} -c:v libx264 -preset ultrafast -b:v 8M -c:a aac", moving("640x360", 10)));
        let info = bench.probe(&video, "video/mp4", Kind::Video).unwrap();
        let film = job(&video, "video/mp4", Kind::Video, Group::Ladder, &["h264-360p", "aac-128k"], Some(info));
        let others = others(&bench);
        let long = long(&bench);
        let (picture, video) = (LocalFile::open(&picture), File::open(&video).unwrap());
        empty_places();
        let by_descriptor = |file: &File| PathBuf::from(format!("/proc/{}/fd/{}", std::process::id(), file.as_raw_fd()));
        let stage = Self {
            program: by_descriptor(&program),
            _program: program,
            still: (picture, still),
            film: (by_descriptor(&video), film),
            others,
            long: long.iter().map(|(file, job)| (by_descriptor(file), job.clone())).collect(),
            _bench: bench,
        };
        // Open to the end: they are named by their descriptors.
        std::mem::forget((video, long));
        stage
    }

    fn memory_does_not_grow_with_the_jobs(&self) {
        let runtime = runtime();
        let never = CancellationToken::new();
        // Of ten, four make pictures, five something else or nothing, and one is stopped when it has begun to read.
        let run = |number: usize| {
            let (file, job) = &self.still;
            let stop = CancellationToken::new();
            let (file, job, ends) = match number % 10 {
                9 => {
                    let stopping = Stopping { file, stop: &stop };
                    let ended = runtime.block_on(run_child(&self.program, job, &stopping, &mut [Parts::default()], |_| {}, &stop));
                    return assert_eq!(ended.unwrap_err().kind, FailureKind::Cancelled);
                }
                number if number < 4 => (file, job, None),
                number => self.others.get(number - 4).map(|(file, job, ends)| (file, job, *ends)).unwrap(),
            };
            let mut outputs: Vec<Parts> = job.outputs.iter().map(|_| Parts::default()).collect();
            let ended = runtime.block_on(run_child(&self.program, job, file, &mut outputs, |_| {}, &never));
            assert_eq!(ended.as_ref().err().map(|failure| failure.kind), ends, "{} of {:?}: {ended:?}", job.mime, job.group);
        };
        // A ladder first: what its buffers took is part of what the parent may have.
        let (film, job) = &self.film;
        let mut outputs: Vec<Parts> = job.outputs.iter().map(|_| Parts::default()).collect();
        runtime.block_on(run_child(&self.program, job, &LocalFile::open(film), &mut outputs, |_| {}, &never)).unwrap();
        drop(outputs);
        (0..WARM).for_each(run);
        let warm = held();
        (WARM..JOBS).for_each(run);
        let (end, peak) = (held(), status("VmHWM"));
        println!("memory of the parent: {} kB after {WARM} jobs, {} kB after {JOBS}, at most {} kB", warm / 1024, end / 1024, peak / 1024);
        assert!(end < warm + MIB, "it grew from {warm} to {end} bytes over {} jobs", JOBS - WARM);
        let most = 64 * MIB + 2 * (PART_BYTES * job.outputs.len()) as u64;
        assert!(peak < most, "{peak} bytes, and {most} are allowed");
        println!("descriptors: {}", fs::read_dir("/proc/self/fd").unwrap().count());
    }

    fn a_child_killed_over_a_picture_or_a_paper_leaves_no_file(&self) {
        for (path, job) in &self.long {
            let source = Killing { file: LocalFile::open(path), killed: AtomicU64::new(0) };
            let mut outputs: Vec<Parts> = job.outputs.iter().map(|_| Parts::default()).collect();
            let never = CancellationToken::new();
            let result = runtime().block_on(run_child(&self.program, job, &source, &mut outputs, |_| {}, &never));
            assert_eq!(result.unwrap_err().kind, FailureKind::Killed, "{}", job.mime);
            assert!(source.killed.into_inner() > 0);
            assert_nothing_left();
        }
    }

    fn a_killed_child_leaves_no_file(&self) {
        let killed = AtomicU64::new(0);
        let kill = |_: Duration| {
            for child in children(std::process::id()) {
                assert_holds_no_file(child);
                signal(child);
                killed.fetch_add(1, Ordering::Relaxed);
            }
        };
        let (film, job) = &self.film;
        let mut outputs: Vec<Parts> = job.outputs.iter().map(|_| Parts::default()).collect();
        let source = LocalFile::open(film);
        let result = runtime().block_on(run_child(&self.program, job, &source, &mut outputs, kill, &CancellationToken::new()));
        assert_eq!(result.unwrap_err().kind, FailureKind::Killed);
        assert!(killed.into_inner() > 0);
        assert_nothing_left();
    }

    fn a_child_over_its_memory_is_killed_and_nobody_else(&self) {
        let Some(own) = own_cgroup() else { return };
        let (file, job) = &self.still;
        // The libraries alone take more than the first.
        for (memory_bytes, ends) in [(8 * MIB, Some(FailureKind::LimitHit)), (job.limits.memory_bytes, None)] {
            let mut job = job.clone();
            job.limits.memory_bytes = memory_bytes;
            let never = CancellationToken::new();
            let result = runtime().block_on(run_child(&self.program, &job, file, &mut [Parts::default()], |_| {}, &never));
            println!("with {} MiB: {:?}", memory_bytes / MIB, result.as_ref().map(|done| done.usage));
            assert_eq!(result.err().map(|failure| failure.kind), ends);
        }
        let left = fs::read_dir(own).unwrap().filter(|entry| entry.as_ref().unwrap().file_name().as_encoded_bytes().starts_with(b"child"));
        assert_eq!(left.count(), 0);
    }

    fn a_killed_parent_leaves_no_file_and_no_child(&self) {
        let (film, job) = &self.film;
        let mut parent = Command::new("/proc/self/exe")
            .args([PARENT, self.program.to_str().unwrap(), &serde_json::to_string(job).unwrap()])
            .stdin(File::open(film).unwrap())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(parent.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let child: u32 = line.trim().parse().unwrap();
        parent.kill().unwrap();
        parent.wait().unwrap();
        let begun = Instant::now();
        // It is reaped by somebody else: a zombie is gone, too.
        while fs::read_to_string(format!("/proc/{child}/stat")).is_ok_and(|stat| !stat.contains(") Z")) {
            assert!(begun.elapsed() < Duration::from_secs(5), "the child outlives its parent");
            std::thread::yield_now();
        }
        assert_nothing_left();
    }
}

/// Each profile that a kind of file has, of a short file; one that is no picture at all.
fn others(bench: &Bench) -> Vec<(LocalFile, ChildJob, Option<FailureKind>)> {
    let webp = bench.make("still.webp", "-f lavfi -i testsrc2=size=320x240 -frames:v 1");
    let drawing = bench.path("drawing.svg");
    fs::write(&drawing, "<svg xmlns='http://www.w3.org/2000/svg' width='90' height='90'><text y='50'>Words</text></svg>").unwrap();
    let paper = bench.path("paper.pdf");
    fs::write(&paper, papers::document(1, 600, 800)).unwrap();
    let sound = bench.make("sound.wav", "-f lavfi -i sine=duration=1");
    let broken = bench.path("broken.png");
    fs::write(&broken, &fs::read(bench.make("whole.png", "-f lavfi -i testsrc2=size=320x240 -frames:v 1")).unwrap()[..2000]).unwrap();
    [
        (webp, "image/webp", Kind::Image, Group::Stills, "webp-320", None),
        (drawing, "image/svg+xml", Kind::Image, Group::Stills, "webp-320", None),
        (paper, "application/pdf", Kind::Document, Group::Pages, "webp-640", None),
        (sound, "audio/x-wav", Kind::Audio, Group::Audio, "aac-64k", None),
        (broken, "image/png", Kind::Image, Group::Stills, "webp-320", Some(FailureKind::Corrupt)),
    ]
    .into_iter()
    .map(|(path, mime, kind, group, profile, ends)| {
        let info = bench.probe(&path, mime, kind).unwrap();
        (LocalFile::open(&path), job(&path, mime, kind, group, &[profile], Some(info)), ends)
    })
    .collect()
}

/// Something of each library that has a cache, a lock or a temporary file where it is used by others.
fn long(bench: &Bench) -> Vec<(File, ChildJob)> {
    let photo = bench.make("photo.jpg", "-f lavfi -i testsrc2=size=6000x4000 -frames:v 1");
    let drawing = bench.path("large.svg");
    let words: String = (0..20_000).map(|place| format!("<text x='{}' y='{}'>Words</text>", place % 997, place % 991)).collect();
    fs::write(&drawing, format!("<svg xmlns='http://www.w3.org/2000/svg' width='1000' height='1000'>{words}</svg>")).unwrap();
    let paper = bench.path("large.pdf");
    fs::write(&paper, papers::document(1, 14_400, 14_400)).unwrap();
    [
        (photo, "image/jpeg", Kind::Image, Group::Stills, "avif-2048"),
        (drawing, "image/svg+xml", Kind::Image, Group::Stills, "avif-2048"),
        (paper, "application/pdf", Kind::Document, Group::Pages, "webp-1280"),
    ]
    .into_iter()
    .map(|(path, mime, kind, group, profile)| {
        let info = bench.probe(&path, mime, kind).unwrap();
        (File::open(&path).unwrap(), job(&path, mime, kind, group, &[profile], Some(info)))
    })
    .collect()
}

/// Stops its job when it is read from.
struct Stopping<'a> {
    file: &'a LocalFile,
    stop: &'a CancellationToken,
}

impl RangeReader for Stopping<'_> {
    async fn read(&self, offset: u64, length: u64) -> Result<Bytes, BoxError> {
        self.stop.cancel();
        // Answered, the job might be done before anybody has looked at the stop.
        std::future::pending::<()>().await;
        self.file.read(offset, length).await
    }
}

/// Kills whoever has read from it, a moment later: no library of stills says how far it is.
struct Killing {
    file: LocalFile,
    killed: AtomicU64,
}

impl RangeReader for Killing {
    async fn read(&self, offset: u64, length: u64) -> Result<Bytes, BoxError> {
        let child = children(std::process::id())[0];
        assert_holds_no_file(child);
        self.killed.fetch_add(1, Ordering::Relaxed);
        // Once it has been handed the file, all of it is in its libraries' hands.
        std::thread::spawn(move || {
            let begun = Instant::now();
            let spent = || fs::read_to_string(format!("/proc/{child}/schedstat")).map_or(0, |text| nanoseconds(&text));
            let before = spent();
            while spent() < before + WORK_NS && begun.elapsed() < Duration::from_secs(2) {
                std::thread::yield_now();
            }
            signal(child);
        });
        self.file.read(offset, length).await
    }
}

/// Of the processor, in the child's first thread, after it has the file.
const WORK_NS: u64 = 3_000_000;

fn nanoseconds(schedstat: &str) -> u64 {
    schedstat.split_whitespace().next().and_then(|word| word.parse().ok()).unwrap_or(0)
}

/// Where a memory cgroup can be made; elsewhere it says why not.
fn own_cgroup() -> Option<PathBuf> {
    match prepare_cgroups() {
        Ok(()) => {
            let listed = fs::read_to_string("/proc/self/cgroup").unwrap();
            let own = listed.lines().find_map(|line| line.strip_prefix("0::/")).unwrap();
            Path::new("/sys/fs/cgroup").join(own).parent().map(Path::to_owned)
        }
        Err(error) => {
            println!("no memory cgroup can be made here, so nothing is shown about it: {error}");
            None
        }
    }
}

/// Reads the film from standard input, and says the child's number once it is in the middle of it.
fn be_the_parent(program: &Path, job: &ChildJob) {
    let mut outputs: Vec<Parts> = job.outputs.iter().map(|_| Parts::default()).collect();
    let say = |_: Duration| println!("{}", children(std::process::id())[0]);
    let source = LocalFile::open(Path::new("/proc/self/fd/0"));
    runtime().block_on(run_child(program, job, &source, &mut outputs, say, &CancellationToken::new())).unwrap();
}

/// From here on file systems are mounted for this process and its children only.
fn own_file_systems() {
    // SAFETY: this process has one thread yet, and `unshare` touches no memory.
    let mut own = unsafe { libc::unshare(libc::CLONE_NEWNS) };
    if own != 0 {
        own = unsafe { libc::unshare(libc::CLONE_NEWUSER | libc::CLONE_NEWNS) };
    }
    assert_eq!(own, 0, "root, or user namespaces, are needed for file systems of one's own: {}", io::Error::last_os_error());
    mount(None, "/", libc::MS_REC | libc::MS_PRIVATE);
}

/// An empty file system over each place.
fn empty_places() {
    for place in PLACES.iter().filter(|place| Path::new(place).is_dir()) {
        mount(Some(c"tmpfs"), place, 0);
    }
    for place in in_home() {
        mount(Some(c"tmpfs"), place.to_str().unwrap(), 0);
    }
}

fn in_home() -> Vec<PathBuf> {
    let home = PathBuf::from(std::env::var_os("HOME").unwrap_or_default());
    IN_HOME.iter().map(|place| home.join(place)).filter(|place| place.is_dir()).collect()
}

fn mount(kind: Option<&std::ffi::CStr>, place: &str, flags: libc::c_ulong) {
    let place = std::ffi::CString::new(place).unwrap();
    let kind = kind.map_or(std::ptr::null(), std::ffi::CStr::as_ptr);
    // SAFETY: all strings end in NUL and outlive the call.
    let answer = unsafe { libc::mount(kind, place.as_ptr(), kind, flags, std::ptr::null()) };
    assert_eq!(answer, 0, "{place:?}: {}", io::Error::last_os_error());
}

fn assert_nothing_left() {
    let places = PLACES.iter().map(PathBuf::from).filter(|place| place.is_dir());
    for place in places.chain(in_home()) {
        let left: Vec<PathBuf> = fs::read_dir(place).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert!(left.is_empty(), "left behind: {left:?}");
    }
}

/// Sockets, pipes, what the kernel makes up, and `/dev/null`: nothing that is written to a disk, named or not.
fn assert_holds_no_file(process: u32) {
    for entry in fs::read_dir(format!("/proc/{process}/fd")).unwrap() {
        let Ok(target) = fs::read_link(entry.unwrap().path()) else { continue };
        let target = target.to_str().unwrap().to_owned();
        let harmless = ["socket:", "pipe:", "anon_inode:", "/dev/null"].iter().any(|kind| target.starts_with(kind));
        assert!(harmless, "the child holds {target}");
    }
}

fn children(parent: u32) -> Vec<u32> {
    let of = |entry: io::Result<fs::DirEntry>| -> Option<u32> {
        let process = entry.ok()?.file_name().to_str()?.parse().ok()?;
        let mut stat = String::new();
        File::open(format!("/proc/{process}/stat")).ok()?.read_to_string(&mut stat).ok()?;
        let mut after_name = stat.rsplit(')').next()?.split_whitespace();
        (after_name.nth(1)? == parent.to_string()).then_some(process)
    };
    fs::read_dir("/proc").unwrap().filter_map(of).collect()
}

fn signal(process: u32) {
    // SAFETY: a signal to a child that was not waited for yet.
    assert_eq!(unsafe { libc::kill(process.try_into().unwrap(), libc::SIGKILL) }, 0);
}

/// Resident, in bytes, without what the allocator keeps for later: a leak could hide in that.
fn held() -> u64 {
    // SAFETY: it gives free pages back, and touches nothing that is in use.
    unsafe { libc::malloc_trim(0) };
    status("VmRSS")
}

/// In bytes.
fn status(key: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(key)).unwrap();
    line.split_whitespace().find_map(|word| word.parse::<u64>().ok()).unwrap() * 1024
}
