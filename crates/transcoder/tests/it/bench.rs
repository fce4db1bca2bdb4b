//! What every test stands on: files made by ffmpeg, a child that reads them from disk, outputs that land on disk.

use std::{
    fs::File,
    io::Write,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use bytes::Bytes;
use media_domain::{Kind, MediaInfo, Profiles, work::Group};
use media_transcoder::{
    child::lock::Layers,
    parent::{BoxError, ChildDone, ChildFailure, OutputWriter, RangeReader, run_child},
    protocol::{ChildJob, Limits, Output},
};
use tokio_util::sync::CancellationToken;

pub const PROGRAM: &str = env!("CARGO_BIN_EXE_media-transcoder");

/// A moving picture and a tone: 30 frames a second.
pub fn moving(size: &str, seconds: u32) -> String {
    format!(
        "-f lavfi -i testsrc2=size={size}:rate=30:duration={seconds} -f lavfi -i sine=frequency=440:sample_rate=48000:duration={seconds}"
    )
}

/// A folder of files that is gone with the test.
pub struct Bench {
    dir: tempfile::TempDir,
}

/// What one job made, and where it lies.
pub struct Ran {
    pub done: ChildDone,
    pub files: Vec<PathBuf>,
    /// What was read of the file from "storage".
    pub bytes_read: u64,
    /// Output times told, in their order.
    pub progress: Vec<Duration>,
}

impl Bench {
    pub fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Makes a file with ffmpeg.
    pub fn make(&self, name: &str, args: &str) -> PathBuf {
        let path = self.path(name);
        let output =
            Command::new("ffmpeg").args(["-nostdin", "-v", "error", "-y"]).args(args.split_whitespace()).arg(&path).output().unwrap();
        assert!(output.status.success(), "ffmpeg {args}: {}", String::from_utf8_lossy(&output.stderr));
        path
    }

    /// Looks into a file.
    pub fn probe(&self, path: &Path, mime: &str, kind: Kind) -> Result<MediaInfo, ChildFailure> {
        self.run_job(path, job(path, mime, kind, Group::Probe, &[], None)).map(|ran| ran.done.info)
    }

    /// Looks into a file, then makes profiles of it.
    pub fn run(&self, path: &Path, mime: &str, kind: Kind, group: Group, profiles: &[&str]) -> Result<Ran, ChildFailure> {
        let info = self.probe(path, mime, kind)?;
        self.run_job(path, job(path, mime, kind, group, profiles, Some(info)))
    }

    pub fn run_job(&self, path: &Path, job: ChildJob) -> Result<Ran, ChildFailure> {
        self.run_until(path, &job, &CancellationToken::new())
    }

    /// Where what a profile makes of a file lands.
    pub fn output(&self, path: &Path, profile: &str) -> PathBuf {
        self.path(&format!("{}-{profile}", path.file_name().unwrap().to_str().unwrap()))
    }

    pub fn run_until(&self, path: &Path, job: &ChildJob, stop: &CancellationToken) -> Result<Ran, ChildFailure> {
        let reader = LocalFile::open(path);
        let mut files = Vec::new();
        let mut writers = Vec::new();
        for output in &job.outputs {
            let file = self.output(path, output.profile.as_str());
            writers.push(LocalWriter::new(&file));
            files.push(file);
        }
        let told = std::sync::Mutex::new(Vec::new());
        let progress = |time| told.lock().unwrap().push(time);
        let done = runtime().block_on(run_child(Path::new(PROGRAM), job, &reader, &mut writers, progress, stop))?;
        Ok(Ran { done, files, bytes_read: reader.read.load(Ordering::Relaxed), progress: told.into_inner().unwrap() })
    }
}

pub fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

pub fn job(path: &Path, mime: &str, kind: Kind, group: Group, profiles: &[&str], info: Option<MediaInfo>) -> ChildJob {
    let known = Profiles::built_in().unwrap();
    let output = |name: &&str| {
        let (profile, track) = known.find_with_track(kind, name).unwrap();
        Output {
            profile: (*name).to_owned().try_into().unwrap(),
            make: profile.make.clone(),
            track,
            damaged: profile.damaged,
            limits: profile.limits,
        }
    };
    let outputs: Vec<Output> = profiles.iter().map(output).collect();
    let size = std::fs::metadata(path).unwrap().len();
    let limits = Limits::of(group, size, info.as_ref(), &outputs);
    ChildJob { size, mime: mime.into(), kind, group, outputs, info, limits, may_copy: false, layers: Layers::ALL }
}

/// "Storage": a file on disk.
pub struct LocalFile {
    file: File,
    pub read: AtomicU64,
}

impl LocalFile {
    pub fn open(path: &Path) -> Self {
        Self { file: File::open(path).unwrap(), read: AtomicU64::new(0) }
    }
}

impl RangeReader for LocalFile {
    async fn read(&self, offset: u64, length: u64) -> Result<Bytes, BoxError> {
        let mut bytes = vec![0; length as usize];
        self.file.read_exact_at(&mut bytes, offset)?;
        self.read.fetch_add(length, Ordering::Relaxed);
        Ok(bytes.into())
    }
}

pub struct LocalWriter {
    file: File,
    front: u64,
}

impl LocalWriter {
    pub fn new(path: &Path) -> Self {
        Self { file: File::create(path).unwrap(), front: 0 }
    }
}

impl OutputWriter for LocalWriter {
    async fn write(&mut self, bytes: Bytes) -> Result<(), BoxError> {
        Ok(self.file.write_all(&bytes)?)
    }

    fn reserve(&mut self, bytes: usize) -> Result<(), BoxError> {
        Ok(self.file.write_all(&vec![0; bytes])?)
    }

    fn write_front(&mut self, bytes: Bytes) -> Result<(), BoxError> {
        self.file.write_all_at(&bytes, self.front)?;
        self.front += bytes.len() as u64;
        Ok(())
    }
}

/// What ffprobe says of the first stream: `entries` in ffprobe's own words, `key=value` lines.
pub fn ffprobe(path: &Path, entries: &str) -> Vec<(String, String)> {
    let text = judge("ffprobe", path, &["-show_entries", entries, "-of", "default=noprint_wrappers=1"]);
    text.lines().filter_map(|line| line.split_once('=')).map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

pub fn value(found: &[(String, String)], key: &str) -> String {
    found.iter().find(|(name, _)| name == key).map(|(_, value)| value.clone()).unwrap_or_else(|| panic!("no {key} in {found:?}"))
}

/// When keyframes are shown, in milliseconds after the first. (ffprobe moves all times of a file by its largest composition offset.)
pub fn keyframes_ms(path: &Path) -> Vec<i64> {
    let text = judge("ffprobe", path, &["-select_streams", "v", "-show_entries", "packet=pts_time,flags", "-of", "csv=p=0"]);
    let packets = text.lines().filter_map(|line| line.split_once(','));
    let times: Vec<i64> =
        packets.filter(|(_, flags)| flags.starts_with('K')).map(|(pts, _)| (pts.parse::<f64>().unwrap() * 1000.0).round() as i64).collect();
    times.iter().map(|time| time - times[0]).collect()
}

/// Where each sample lies in the file and how long it is, in bytes.
pub fn samples(path: &Path) -> Vec<(u64, u64)> {
    let text = judge("ffprobe", path, &["-show_entries", "packet=size,pos", "-of", "csv=p=0"]);
    let packets = text.lines().filter_map(|line| line.trim_end_matches(',').split_once(','));
    packets.map(|(size, at)| (at.parse().unwrap(), size.parse().unwrap())).collect()
}

/// How many frames can be decoded, and how long they last by their timestamps, in milliseconds.
pub fn decoded(path: &Path) -> (usize, i64) {
    let text = judge("ffprobe", path, &["-select_streams", "v", "-show_entries", "frame=pts_time,pkt_duration_time", "-of", "csv=p=0"]);
    let frames: Vec<(f64, f64)> = text
        .lines()
        .filter_map(|line| line.split_once(','))
        .filter_map(|(pts, duration)| Some((pts.parse().ok()?, duration.trim_end_matches(',').parse().ok()?)))
        .collect();
    let first = frames.first().map_or(0.0, |frame| frame.0);
    let end = frames.iter().map(|(pts, duration)| pts + duration).fold(0.0, f64::max);
    (frames.len(), ((end - first) * 1000.0).round() as i64)
}

fn judge(program: &str, path: &Path, args: &[&str]) -> String {
    let output = Command::new(program).args(["-v", "error"]).args(args).arg(path).output().unwrap();
    assert!(output.status.success(), "{program} {}: {}", path.display(), String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The colour of one point of the first picture of a file, and its width and height.
pub fn pixels(path: &Path) -> (u32, u32, Vec<u8>) {
    let found = ffprobe(path, "stream=width,height");
    let (width, height) = (value(&found, "width").parse().unwrap(), value(&found, "height").parse().unwrap());
    let output = Command::new("ffmpeg")
        .args(["-nostdin", "-v", "error", "-i"])
        .arg(path)
        .args(["-frames:v", "1", "-f", "rawvideo", "-pix_fmt", "rgb24", "-"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    (width, height, output.stdout)
}

/// The mean colour of a corner, a tenth of each side.
pub fn corner(path: &Path, right: bool, bottom: bool) -> [u8; 3] {
    let (width, height, rgb) = pixels(path);
    let (across, down) = ((width / 10).max(1), (height / 10).max(1));
    let (left, top) = (if right { width - across } else { 0 }, if bottom { height - down } else { 0 });
    let mut sum = [0u64; 3];
    for y in top..top + down {
        for x in left..left + across {
            let at = ((y * width + x) * 3) as usize;
            (0..3).for_each(|channel| sum[channel] += u64::from(rgb[at + channel]));
        }
    }
    sum.map(|total| (total / u64::from(across * down)) as u8)
}

/// Whether two colours are the same but for a lossy codec.
pub fn is_near(one: [u8; 3], other: [u8; 3]) -> bool {
    one.iter().zip(other).all(|(a, b)| a.abs_diff(b) < 40)
}
