//! What four sizes of a picture cost: our child, which decodes once, against `vipsthumbnail`, which decodes for each.
//!
//! ```text
//! cargo build --locked --release --workspace --bins --example bench_stills
//! target/release/examples/bench_stills [FILE.jpg] [ROUNDS]
//! ```
//!
//! Runs alternate, and the medians are compared. CPU is user and system time of all processes, ours with the parent's. Without a
//! file, a test card of 12 megapixels with noise on it is made by ffmpeg. Exit code 1 if ours costs more than [`GOAL`].

use std::{
    error::Error,
    fs::File,
    io::Write,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
    time::{Duration, Instant},
};

use bytes::Bytes;
use media_domain::{Kind, Profiles, work::Group};
use media_transcoder::{
    child::lock::Layers,
    parent::{BoxError, OutputWriter, RangeReader, run_child},
    protocol::{ChildJob, Limits, Output},
};
use tokio_util::sync::CancellationToken;

const WIDTHS: [u32; 4] = [320, 640, 1280, 2048];
/// The most that ours may cost of theirs.
const GOAL: f64 = 0.8;

type Failure = Box<dyn Error + Send + Sync>;

fn main() -> ExitCode {
    match run() {
        Ok(ratio) if ratio <= GOAL => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<f64, Failure> {
    let mut arguments = std::env::args().skip(1);
    let folder = tempfile::tempdir()?;
    let file = match arguments.next() {
        Some(file) => PathBuf::from(file),
        None => made(folder.path())?,
    };
    let rounds: usize = arguments.next().map_or(Ok(5), |rounds| rounds.parse())?;
    let program = std::env::current_exe()?.ancestors().nth(2).ok_or("no folder of programs")?.join("media-transcoder");
    println!("machine   {}, {} processors", processor()?, std::thread::available_parallelism()?);
    println!("source    {} bytes: {}", file.metadata()?.len(), said(Command::new("vipsheader").arg(&file))?);
    println!(
        "ours      {} (decode once, four WebP), {} build",
        program.display(),
        if cfg!(debug_assertions) { "debug" } else { "release" }
    );
    println!("theirs    VIPS_CONCURRENCY=1 vipsthumbnail FILE -s WIDTHx -o WIDTH.webp[Q=80,strip], for each of {WIDTHS:?}");
    println!("versions  {}, media-transcoder {}", said(Command::new("vips").arg("--version"))?, env!("CARGO_PKG_VERSION"));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for round in 1..=rounds {
        let our = measured(|| runtime.block_on(our_sizes(&program, &file, folder.path())))?;
        let their = measured(|| their_sizes(&file, folder.path()))?;
        println!("round {round}   ours {:.3} s CPU, {:.3} s;   theirs {:.3} s CPU, {:.3} s", our.0, our.1, their.0, their.1);
        ours.push(our);
        theirs.push(their);
    }
    let ratio = median(&ours, |run| run.0) / median(&theirs, |run| run.0);
    let wall = median(&ours, |run| run.1) / median(&theirs, |run| run.1);
    println!(
        "median    ours {:.3} s CPU, theirs {:.3} s: {ratio:.2} of theirs (goal {GOAL}); wall {wall:.2}",
        median(&ours, |run| run.0),
        median(&theirs, |run| run.0)
    );
    Ok(ratio)
}

fn made(folder: &Path) -> Result<PathBuf, Failure> {
    let path = folder.join("source.jpg");
    let source = "testsrc2=size=4000x3000,noise=alls=12:allf=t";
    said(Command::new("ffmpeg").args(["-nostdin", "-v", "error", "-f", "lavfi", "-i", source, "-frames:v", "1", "-q:v", "2"]).arg(&path))?;
    Ok(path)
}

fn their_sizes(file: &Path, folder: &Path) -> Result<(), Failure> {
    for width in WIDTHS {
        let to = format!("{}[Q=80,strip]", folder.join(format!("theirs-{width}.webp")).display());
        said(Command::new("vipsthumbnail").env("VIPS_CONCURRENCY", "1").arg(file).args(["-s", &format!("{width}x"), "-o", &to]))?;
    }
    Ok(())
}

async fn our_sizes(program: &Path, file: &Path, folder: &Path) -> Result<(), Failure> {
    let profiles = Profiles::built_in()?;
    let source = LocalFile(File::open(file)?);
    let size = file.metadata()?.len();
    let (mut outputs, mut writers) = (Vec::new(), Vec::new());
    for width in WIDTHS {
        let profile = profiles.find(Kind::Image, &format!("webp-{width}")).ok_or("no such profile")?;
        outputs.push(Output { profile: profile.name.clone(), make: profile.make.clone(), track: 0, damaged: profile.damaged });
        writers.push(LocalWriter(File::create(folder.join(format!("ours-{width}.webp")))?));
    }
    let info = Some(media_domain::MediaInfo::default());
    let limits = Limits::of(Group::Stills, size, info.as_ref(), &outputs);
    let job =
        ChildJob { size, mime: "image/jpeg".into(), kind: Kind::Image, group: Group::Stills, outputs, info, limits, layers: Layers::ALL };
    run_child(program, &job, &source, &mut writers, |_| (), &CancellationToken::new()).await?;
    Ok(())
}

struct LocalFile(File);

impl RangeReader for LocalFile {
    async fn read(&self, offset: u64, length: u64) -> Result<Bytes, BoxError> {
        let mut bytes = vec![0; usize::try_from(length)?];
        self.0.read_exact_at(&mut bytes, offset)?;
        Ok(bytes.into())
    }
}

struct LocalWriter(File);

impl OutputWriter for LocalWriter {
    async fn write(&mut self, bytes: Bytes) -> Result<(), BoxError> {
        Ok(self.0.write_all(&bytes)?)
    }
}

/// Seconds of CPU and of the clock.
fn measured(work: impl FnOnce() -> Result<(), Failure>) -> Result<(f64, f64), Failure> {
    let (before, started) = (cpu(), Instant::now());
    work()?;
    Ok(((cpu() - before).as_secs_f64(), started.elapsed().as_secs_f64()))
}

/// Of this process and of all that it has waited for.
fn cpu() -> Duration {
    [libc::RUSAGE_SELF, libc::RUSAGE_CHILDREN].into_iter().map(used).sum()
}

fn used(whose: libc::c_int) -> Duration {
    // SAFETY: all bytes zero are a value of this type, and the call fills it.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(whose, &mut usage);
        usage
    };
    let time = |time: libc::timeval| Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_usec).unwrap_or(0) * 1000);
    time(usage.ru_utime) + time(usage.ru_stime)
}

fn median(runs: &[(f64, f64)], of: impl Fn(&(f64, f64)) -> f64) -> f64 {
    let mut values: Vec<f64> = runs.iter().map(of).collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

fn processor() -> Result<String, Failure> {
    let text = std::fs::read_to_string("/proc/cpuinfo")?;
    let line = text.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or(": unknown");
    Ok(line.trim_start_matches([':', ' ', '\t']).to_owned())
}

/// Runs a program; answers the first line of what it said.
fn said(command: &mut Command) -> Result<String, Failure> {
    let output = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    if !output.status.success() {
        return Err(format!("{command:?}: {}", String::from_utf8_lossy(&output.stderr)).into());
    }
    Ok(String::from_utf8_lossy(&output.stdout).lines().next().unwrap_or_default().to_owned())
}
