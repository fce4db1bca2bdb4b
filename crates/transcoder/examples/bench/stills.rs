//! Four sizes of a picture: our child, which decodes once, against `vipsthumbnail`, which decodes for each.

use std::{
    fs::File,
    io::Write,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    process::Command,
};

use bytes::Bytes;
use media_domain::{Kind, MediaInfo, Profiles, work::Group};
use media_transcoder::{
    child::lock::Layers,
    parent::{BoxError, OutputWriter, RangeReader, run_child},
    protocol::{ChildJob, Limits, Output},
};
use tokio_util::sync::CancellationToken;

use super::{
    Failure,
    comparison::{alternate, first_line, introduce, program, said},
};

const WIDTHS: [u32; 4] = [320, 640, 1280, 2048];
/// The most that ours may cost of their CPU.
const GOAL: f64 = 0.8;

/// Whether ours costs no more than it may.
///
/// # Errors
/// Whatever goes wrong on either side.
pub fn compare(file: Option<PathBuf>, rounds: usize) -> Result<bool, Failure> {
    let folder = tempfile::tempdir()?;
    let file = file.map_or_else(|| made(folder.path()), Ok)?;
    introduce(&[first_line(Command::new("vips").arg("--version"))?])?;
    println!("source    {} bytes: {}", file.metadata()?.len(), first_line(Command::new("vipsheader").arg(&file))?);
    println!("ours      {} (decode once, four WebP)", program()?.display());
    println!("theirs    VIPS_CONCURRENCY=1 vipsthumbnail FILE -s WIDTHx -o WIDTH.webp[Q=80,strip], for each of {WIDTHS:?}");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let ratio = alternate(rounds, || runtime.block_on(our_sizes(&file, folder.path())), || their_sizes(&file, folder.path()))?;
    println!("goal      {GOAL} of their CPU");
    Ok(ratio.cpu <= GOAL)
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

async fn our_sizes(file: &Path, folder: &Path) -> Result<(), Failure> {
    let profiles = Profiles::built_in()?;
    let source = LocalFile::open(file)?;
    let size = file.metadata()?.len();
    let (mut outputs, mut writers) = (Vec::new(), Vec::new());
    for width in WIDTHS {
        let profile = profiles.find(Kind::Image, &format!("webp-{width}")).ok_or("no such profile")?;
        outputs.push(Output {
            profile: profile.name.clone(),
            make: profile.make.clone(),
            track: 0,
            damaged: profile.damaged,
            limits: profile.limits,
        });
        writers.push(LocalWriter(File::create(folder.join(format!("ours-{width}.webp")))?));
    }
    let info = Some(MediaInfo::default());
    let limits = Limits::of(Group::Stills, size, info.as_ref(), &outputs);
    let (mime, kind, group) = ("image/jpeg".to_owned(), Kind::Image, Group::Stills);
    let job = ChildJob { size, mime, kind, group, outputs, info, limits, may_copy: false, layers: Layers::ALL };
    run_child(&program()?, &job, &source, &mut writers, |_| (), &CancellationToken::new()).await?;
    Ok(())
}

/// The original, from disk.
pub struct LocalFile(File);

impl LocalFile {
    pub fn open(path: &Path) -> Result<Self, Failure> {
        Ok(Self(File::open(path)?))
    }
}

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
