//! From the shared picture stream to encoded ones: one encoder for each size and codec, whatever is made of its stream. The
//! largest may be the film's own stream, as it is.

use gstreamer::{self as gst, prelude::*};
use media_domain::{
    info::VideoInfo,
    profile::{Damaged, Recipe},
};

use super::super::{bitrate, context::Context, failed::Failed, fragments, picture_size, pipeline, progressive};
use crate::protocol::Extent;

/// One encoder, and the outputs that hold its stream.
#[derive(Debug)]
pub struct Rung {
    codec: Codec,
    width: u32,
    height: u32,
    kbps: u32,
    /// As a fraction; `0/1` where it is not known.
    frame_rate: (u32, u32),
    /// A rung in fragments, and a file that plays from its start may be of one stream.
    outputs: Vec<(u8, Recipe)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Codec {
    /// As it is in the film.
    Own,
    H264,
    Vp9,
    Av1,
}

/// The encoders that a job needs, in the order of its outputs.
///
/// # Errors
/// [`Failed`] where the job does not say what the probe found.
pub fn of_video(context: &Context) -> Result<Vec<Rung>, Failed> {
    let mut rungs = Vec::<Rung>::new();
    for (index, output) in context.outputs() {
        let (codec, short_side, kbps) = match output.make {
            Recipe::H264 { height, bitrate_kbps } | Recipe::Mp4 { height, bitrate_kbps, .. } => (Codec::H264, height, bitrate_kbps),
            Recipe::Vp9 { height, bitrate_kbps } => (Codec::Vp9, height, bitrate_kbps),
            Recipe::Av1 { height, bitrate_kbps } => (Codec::Av1, height, bitrate_kbps),
            _ => continue,
        };
        let video = context.info()?.video.as_ref().ok_or_else(|| Failed::internal("rungs of a file without a picture track"))?;
        let (width, height) = picture_size::rung(video, short_side);
        let rung = Rung {
            codec,
            width,
            height,
            frame_rate: video.frame_rate,
            kbps: bitrate::follow(kbps, short_side, (width, height), video.frame_rate),
            outputs: vec![(index, output.make.clone())],
        };
        match rungs.iter_mut().find(|known| known.holds_what(&rung)) {
            Some(known) => known.outputs.extend(rung.outputs),
            None => rungs.push(rung),
        }
    }
    // A player has no decoder like ours, that mends what is damaged.
    let is_kept = context.job.outputs.iter().any(|output| output.damaged == Damaged::Keep);
    let own = context.info()?.video.as_ref().filter(|_| context.job.may_copy && !is_kept);
    // Where nothing else is made, nothing would be decoded, and nobody would see damage.
    if let (Some(video), 2..) = (own, rungs.len())
        && let Some(largest) = rungs.iter_mut().find(|rung| rung.is_what_the_film_has(video))
    {
        largest.codec = Codec::Own;
    }
    Ok(rungs)
}

/// Frames a second.
const RATE_MAX: u32 = 240;

/// Of the short side.
const TWO_THREADS_FROM: u32 = 1080;

/// The film's own stream may have a quarter more than the rung's bitrate, and in its busiest two seconds twice as much.
const MEAN_SHARE: (u64, u64) = (5, 4);
const PEAK_SHARE: u64 = 2;

/// The part of a pipeline's description behind the tee `rungs`.
pub fn describe(rungs: &[Rung], extent: Extent) -> String {
    rungs.iter().zip(0..).map(|(rung, number)| rung.describe(number, extent)).collect()
}

/// The name of a rung's encoder.
fn encoder(number: usize) -> String {
    format!("encoder{number}")
}

/// The encoders of a pipeline, which have to hear of keyframes.
///
/// # Errors
/// [`Failed`] where the pipeline is not what was described: our fault.
pub fn encoders(pipeline: &gst::Pipeline, rungs: &[Rung]) -> Result<Vec<gst::Element>, Failed> {
    let encoded = (0..).zip(rungs).filter(|(_, rung)| rung.codec != Codec::Own);
    encoded.map(|(number, _)| pipeline::element(pipeline, &encoder(number))).collect()
}

/// Takes the film's own stream, where a rung is made of it.
pub fn own(pipeline: &gst::Pipeline) -> Option<gst::Element> {
    pipeline.by_name("own")
}

impl Rung {
    /// Whether the other's outputs can be made of this stream: a progressive file takes any rung's of its size.
    fn holds_what(&self, other: &Self) -> bool {
        let is_progressive = |rung: &Self| rung.outputs.iter().all(|(_, make)| matches!(make, Recipe::Mp4 { .. }));
        let is_same = (self.codec, self.width, self.height) == (other.codec, other.width, other.height);
        is_same && (is_progressive(self) || is_progressive(other))
    }

    fn is_what_the_film_has(&self, video: &VideoInfo) -> bool {
        let Some(own) = video.own_stream.filter(|_| self.codec == Codec::H264) else { return false };
        let (mean, peak, kbps) = (u64::from(own.mean_kbps), u64::from(own.peak_kbps), u64::from(self.kbps));
        (self.width, self.height) == (video.width, video.height) && mean * MEAN_SHARE.1 <= kbps * MEAN_SHARE.0 && peak <= kbps * PEAK_SHARE
    }

    fn describe(&self, number: usize, extent: Extent) -> String {
        let mut description = self.stream(number);
        if let [(output, make)] = self.outputs.as_slice() {
            description += &format!(" name=encoded{output} ! {}", Self::tail(*output, make, extent));
            return description;
        }
        description += &format!(" ! tee name=stream{number}");
        for (output, make) in &self.outputs {
            description += &format!(" stream{number}. ! queue name=encoded{output} ! {}", Self::tail(*output, make, extent));
        }
        description
    }

    /// From the pictures, or from the film, to what goes into a file.
    ///
    /// Four frames in the queue keep an encoder busy; ten megabytes of 4K would be one.
    fn stream(&self, number: usize) -> String {
        let Self { width, height, .. } = self;
        if self.codec == Codec::Own {
            // A parser would call any picture of its own a keyframe that looks like one.
            return " queue name=own max-size-buffers=0 max-size-bytes=0 max-size-time=0 \
                     ! capsfilter caps=video/x-h264,stream-format=avc,alignment=au"
                .to_owned();
        }
        format!(
            " rungs. ! queue max-size-buffers=4 max-size-bytes=0 max-size-time=0 \
             ! videoscale method=lanczos add-borders=false ! video/x-raw,width={width},height={height},pixel-aspect-ratio=1/1 ! {}",
            self.encode(&encoder(number))
        )
    }

    fn tail(output: u8, make: &Recipe, extent: Extent) -> String {
        match make {
            Recipe::Mp4 { .. } => progressive::tail(output, extent),
            Recipe::Vp9 { .. } => fragments::tail_beside_cmaf(output),
            _ => fragments::tail(output),
        }
    }

    /// Keyframes stand where [`super::keyframes`] wants them, and nowhere else; only those of AV1 are counted in frames.
    fn encode(&self, name: &str) -> String {
        let (kbps, bits) = (self.kbps, u64::from(self.kbps) * 1000);
        // Rungs are encoded beside each other, and each thread holds frames: large rungs must not hold one for each core.
        let threads = if self.width.min(self.height) >= TWO_THREADS_FROM { 2 } else { 1 };
        let (frames, seconds) = known_rate(self.frame_rate);
        match self.codec {
            Codec::Own | Codec::H264 => format!(
                "x264enc name={name} speed-preset=veryfast bitrate={kbps} vbv-buf-capacity=2000 threads={threads} \
                 key-int-max=1073741824 option-string=scenecut=0:open-gop=0:keyint-min=1 \
                 ! video/x-h264,profile=high ! h264parse"
            ),
            // Without frames from the future and hidden ones: each sample is one picture.
            Codec::Vp9 => format!(
                "vp9enc name={name} target-bitrate={bits} end-usage=vbr deadline=1 cpu-used=6 threads=2 row-mt=true \
                 lag-in-frames=0 auto-alt-ref=false keyframe-mode=disabled keyframe-max-dist=99999 \
                 ! vp9parse"
            ),
            // 1.22's encoder hears no wish for a keyframe: they are counted in frames, which then have to be equally long. Without this
            // quantizer it knows no bitrate.
            Codec::Av1 => format!(
                "videorate ! video/x-raw,framerate={frames}/{seconds} ! av1enc name={name} target-bitrate={kbps} end-usage=vbr usage-profile=realtime cpu-used=8 max-quantizer=63 threads=2 row-mt=true \
                 lag-in-frames=0 keyframe-max-dist={} \
                 ! av1parse",
                keyframe_frames((frames, seconds))
            ),
        }
    }
}

/// Frames from one keyframe to the next where only frames can be counted: those of two seconds.
fn keyframe_frames((frames, seconds): (u32, u32)) -> u32 {
    frames.saturating_mul(2).div_ceil(seconds).max(1)
}

/// Frames in so many seconds; of a film that says none, or more than a screen shows, thirty in each.
fn known_rate((frames, seconds): (u32, u32)) -> (u32, u32) {
    if frames == 0 || seconds == 0 || frames / seconds > RATE_MAX { (30, 1) } else { (frames, seconds) }
}
