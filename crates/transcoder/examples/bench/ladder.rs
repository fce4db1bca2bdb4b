//! Four rungs of a 1080p film and its sound: ours uploads them to a real S3 server, ffmpeg writes them to the local disk.

use std::{
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use media_blobs::{Blobs, PartSize, PartWriter, S3Config, UploadHandle, keys};
use media_devstack::{S3Identity, StackInfo};
use media_domain::{AssetId, Kind, Profiles, TenantId, work::Group};
use media_transcoder::{
    child::lock::Layers,
    parent::{BoxError, OutputWriter, run_child},
    protocol::{ChildJob, Limits, Output},
};
use tokio_util::sync::CancellationToken;

use super::{
    Failure,
    comparison::{alternate, first_line, introduce, program, said},
    stills::LocalFile,
};

/// The most that ours may cost of theirs.
const CPU_GOAL: f64 = 1.05;
const WALL_GOAL: f64 = 1.0;
/// How much worse a rung of ours may be, in SSIM's luma.
const SSIM_SLACK: f64 = 0.003;

/// Height, width and bitrate in kbit/s of what both make.
const RUNGS: [(u32, u32, u32); 4] = [(1080, 1920, 5000), (720, 1280, 2800), (480, 854, 1400), (360, 640, 800)];
const SOUND: &str = "aac-128k";

/// Whether ours costs no more than it may, at the same quality.
///
/// # Errors
/// Whatever goes wrong on either side.
pub fn compare(file: Option<PathBuf>, rounds: usize) -> Result<bool, Failure> {
    let folder = tempfile::tempdir()?;
    let file = file.map_or_else(|| made(folder.path()), Ok)?;
    let stack = StackInfo::from_env().map_err(|error| format!("run it under `media-devstack run --`: {error}"))?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let isolated = runtime.block_on(stack.isolated("bench"))?;
    let credentials = isolated.s3_credentials(S3Identity::MediaTranscoder);
    let blobs = Blobs::connect(&S3Config {
        endpoint: isolated.s3_endpoint().clone(),
        region: isolated.s3_region().to_owned(),
        bucket: isolated.bucket().to_owned(),
        quarantine_bucket: isolated.quarantine_bucket().to_owned(),
        path_style: isolated.stack().s3.path_style,
        access_key_id: credentials.access_key.clone(),
        secret_access_key: credentials.secret_key.clone().into(),
        session_token: None,
        archive_class: None,
        public_endpoint: None,
        connect_timeout: Duration::from_secs(3),
        attempt_timeout: Duration::from_secs(30),
        stall_timeout: Duration::from_secs(20),
    })?;

    introduce(&[first_line(Command::new("ffmpeg").arg("-version"))?, "GStreamer 1.22, the same libx264".to_owned()])?;
    println!("source    {}", first_line(ffprobe().args(["-show_entries", "format=duration,bit_rate,size", "-of", "csv=p=0"]).arg(&file))?);
    println!("ours      {} with {RUNGS:?} and {SOUND}, to S3 by parts", program()?.display());
    println!("theirs    ffmpeg {}", ffmpeg_arguments(&file, folder.path()).join(" "));
    let mut made_by_us = Vec::new();
    let ratio = alternate(
        rounds,
        || {
            made_by_us = runtime.block_on(our_rungs(&blobs, &file))?;
            Ok(())
        },
        || said(Command::new("ffmpeg").args(ffmpeg_arguments(&file, folder.path()))).map(drop),
    )?;
    let mut is_equal = true;
    for (index, (height, width, _)) in RUNGS.into_iter().enumerate() {
        let path = folder.path().join(format!("ours-{height}.mp4"));
        let blob = &made_by_us.get(index).ok_or("a rung is missing")?.blob;
        let size = runtime.block_on(blobs.head(blob))?.ok_or("a rung is not stored")?.size;
        std::fs::write(&path, runtime.block_on(blobs.read(blob, 0, size, None))?)?;
        let (our, their) = (ssim(&path, &file, width, height)?, ssim(&folder.path().join(format!("{index}.m3u8")), &file, width, height)?);
        println!("SSIM      {height}p ours {our:.4}, theirs {their:.4}");
        is_equal &= our + SSIM_SLACK >= their;
    }
    println!("goals     {CPU_GOAL} of their CPU, {WALL_GOAL} of their time, {SSIM_SLACK} of SSIM");
    Ok(is_equal && ratio.cpu <= CPU_GOAL && ratio.wall <= WALL_GOAL)
}

/// Twenty seconds that are neither a still nor noise alone.
fn made(folder: &Path) -> Result<PathBuf, Failure> {
    let path = folder.join("source.mp4");
    let pictures = "testsrc2=size=1920x1080:rate=30:duration=20[card];\
                    mandelbrot=size=1920x1080:rate=30:end_scale=0.02,trim=duration=20[fractal];\
                    [card][fractal]blend=all_mode=average,noise=alls=8:allf=t,format=yuv420p[v]";
    said(
        Command::new("ffmpeg")
            .args(["-nostdin", "-v", "error", "-filter_complex", pictures, "-f", "lavfi", "-i", "sine=frequency=440:duration=20"])
            .args([
                "-map",
                "[v]",
                "-map",
                "0:a",
                "-c:v",
                "libx264",
                "-preset",
                "veryfast",
                "-b:v",
                "12M",
                "-c:a",
                "aac",
                "-movflags",
                "+faststart",
            ])
            .arg(&path),
    )?;
    Ok(path)
}

fn ffprobe() -> Command {
    let mut command = Command::new("ffprobe");
    command.args(["-v", "error"]);
    command
}

fn ffmpeg_arguments(file: &Path, folder: &Path) -> Vec<String> {
    let text = |words: &str| words.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let mut arguments = [text("-nostdin -v error -y -i"), vec![file.display().to_string()]].concat();
    let scales =
        RUNGS.iter().enumerate().map(|(index, (height, width, _))| format!("[s{index}]scale={width}:{height}:flags=bicubic[v{index}]"));
    let splits: String = (0..RUNGS.len()).map(|index| format!("[s{index}]")).collect();
    arguments
        .extend(["-filter_complex".to_owned(), format!("[0:v]split={}{splits};{}", RUNGS.len(), scales.collect::<Vec<_>>().join(";"))]);
    for (index, (_, _, kbps)) in RUNGS.iter().enumerate() {
        arguments
            .extend(text(&format!("-map [v{index}] -b:v:{index} {kbps}k -maxrate:v:{index} {kbps}k -bufsize:v:{index} {}k", 2 * kbps)));
    }
    arguments.extend(text("-c:v libx264 -preset veryfast -profile:v high -g 60 -keyint_min 60 -sc_threshold 0 -flags +cgop"));
    arguments.extend(text("-map 0:a -c:a aac -b:a 128k -f hls -hls_time 6 -hls_playlist_type vod -hls_segment_type fmp4 -var_stream_map"));
    arguments.push((0..RUNGS.len()).map(|index| format!("v:{index},agroup:a ")).collect::<String>() + "a:0,agroup:a");
    arguments.push(folder.join("%v.m3u8").display().to_string());
    arguments
}

async fn our_rungs(blobs: &Blobs, file: &Path) -> Result<Vec<UploadHandle>, Failure> {
    let profiles = Profiles::built_in()?;
    let (tenant, asset) = (TenantId(AssetId::generate().as_uuid()), AssetId::generate());
    let size = file.metadata()?.len();
    let source = LocalFile::open(file)?;
    let none: &mut [Upload] = &mut [];
    let probe = job(size, Group::Probe, Vec::new(), None);
    let info = run_child(&program()?, &probe, &source, none, |_| (), &CancellationToken::new()).await?.info;
    let (mut outputs, mut uploads) = (Vec::new(), Vec::new());
    for name in RUNGS.iter().map(|(height, ..)| format!("h264-{height}p")).chain([SOUND.to_owned()]) {
        let profile = profiles.find(Kind::Video, &name).ok_or("no such profile")?;
        let blob = blobs.in_bucket(&keys::variant(tenant, asset, &profile.name, 0));
        let handle = blobs.create(&blob, profile.make.mime()).await?;
        let part = PartSize::expecting(profile.make.bits_per_second() / 8 * 60);
        uploads.push(Upload { handle: handle.clone(), writer: PartWriter::new(blobs.clone(), handle, part) });
        outputs.push(Output {
            profile: profile.name.clone(),
            make: profile.make.clone(),
            track: 0,
            damaged: profile.damaged,
            limits: profile.limits,
        });
    }
    let job = job(size, Group::Ladder, outputs, Some(info));
    run_child(&program()?, &job, &source, &mut uploads, |_| (), &CancellationToken::new()).await?;
    let mut handles = Vec::new();
    for upload in uploads {
        upload.writer.flush_last().await?.complete().await?;
        handles.push(upload.handle);
    }
    Ok(handles)
}

fn job(size: u64, group: Group, outputs: Vec<Output>, info: Option<media_domain::MediaInfo>) -> ChildJob {
    let limits = Limits::of(group, size, info.as_ref(), &outputs);
    let (mime, kind) = ("video/mp4".to_owned(), Kind::Video);
    ChildJob { size, mime, kind, group, outputs, info, limits, may_copy: false, layers: Layers::ALL }
}

struct Upload {
    handle: UploadHandle,
    writer: PartWriter,
}

impl OutputWriter for Upload {
    async fn write(&mut self, bytes: bytes::Bytes) -> Result<(), BoxError> {
        Ok(self.writer.write(bytes).await?)
    }
}

/// Against the source as lanczos scales it, over all frames.
fn ssim(rung: &Path, source: &Path, width: u32, height: u32) -> Result<f64, Failure> {
    let graph = format!("[1:v]scale={width}:{height}:flags=lanczos[wanted];[0:v][wanted]ssim");
    let mut command = Command::new("ffmpeg");
    command.args(["-nostdin", "-hide_banner", "-i"]).arg(rung).arg("-i").arg(source).args(["-filter_complex", &graph, "-f", "null", "-"]);
    let text = String::from_utf8_lossy(&command.output()?.stderr).into_owned();
    let number = text.rsplit_once("SSIM Y:").and_then(|(_, rest)| rest.split_whitespace().next());
    Ok(number.ok_or_else(|| format!("no SSIM in {text}"))?.parse()?)
}
