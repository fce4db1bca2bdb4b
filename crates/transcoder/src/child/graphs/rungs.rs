//! From the shared picture stream to encoded ones: one encoder for each size and codec, whatever is made of its stream.

use media_domain::{MediaInfo, profile::Recipe};

use super::super::{bitrate, context::Context, failed::Failed, fragments, picture_size, progressive};

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
    Ok(rungs)
}

/// The part of a pipeline's description behind the tee `rungs`.
pub fn describe(rungs: &[Rung], info: &MediaInfo) -> String {
    rungs.iter().zip(0..).map(|(rung, number)| rung.describe(number, info)).collect()
}

/// The name of a rung's encoder.
pub fn encoder(number: usize) -> String {
    format!("encoder{number}")
}

impl Rung {
    /// Whether the other's outputs can be made of this stream: a progressive file takes any rung's of its size.
    fn holds_what(&self, other: &Self) -> bool {
        let is_progressive = |rung: &Self| rung.outputs.iter().all(|(_, make)| matches!(make, Recipe::Mp4 { .. }));
        let is_same = (self.codec, self.width, self.height) == (other.codec, other.width, other.height);
        is_same && (is_progressive(self) || is_progressive(other))
    }

    /// Four frames in the queue keep an encoder busy; ten megabytes of 4K would be one.
    fn describe(&self, number: usize, info: &MediaInfo) -> String {
        let Self { width, height, .. } = self;
        let mut description = format!(
            " rungs. ! queue max-size-buffers=4 max-size-bytes=0 max-size-time=0 \
             ! videoscale method=lanczos add-borders=false ! video/x-raw,width={width},height={height},pixel-aspect-ratio=1/1 ! {}",
            self.encode(&encoder(number))
        );
        if let [(output, make)] = self.outputs.as_slice() {
            description += &format!(" name=encoded{output} ! {}", Self::tail(*output, make, info));
            return description;
        }
        description += &format!(" ! tee name=stream{number}");
        for (output, make) in &self.outputs {
            // What waits for its sound must not keep the others waiting.
            let queue = "queue max-size-buffers=0 max-size-bytes=0 max-size-time=0";
            description += &format!(" stream{number}. ! {queue} name=encoded{output} ! {}", Self::tail(*output, make, info));
        }
        description
    }

    fn tail(output: u8, make: &Recipe, info: &MediaInfo) -> String {
        match make {
            Recipe::Mp4 { .. } => progressive::tail(output, info),
            Recipe::Vp9 { .. } => fragments::tail_beside_cmaf(output),
            _ => fragments::tail(output),
        }
    }

    /// Keyframes stand where [`super::keyframes`] wants them, and nowhere else. The last element is a parser.
    fn encode(&self, name: &str) -> String {
        let (kbps, bits) = (self.kbps, u64::from(self.kbps) * 1000);
        match self.codec {
            Codec::H264 => format!(
                "x264enc name={name} speed-preset=veryfast bitrate={kbps} vbv-buf-capacity=2000 \
                 key-int-max=1073741824 option-string=scenecut=0:open-gop=0:keyint-min=1 \
                 ! video/x-h264,profile=high ! h264parse"
            ),
            // Without frames from the future and hidden ones: each sample is one picture.
            Codec::Vp9 => format!(
                "vp9enc name={name} target-bitrate={bits} end-usage=vbr deadline=1 cpu-used=6 threads=2 row-mt=true \
                 lag-in-frames=0 auto-alt-ref=false keyframe-mode=disabled keyframe-max-dist=99999 \
                 ! vp9parse"
            ),
            // 1.22's encoder hears no wish for a keyframe, and without this quantizer it knows no bitrate.
            Codec::Av1 => format!(
                "av1enc name={name} target-bitrate={kbps} end-usage=vbr usage-profile=realtime cpu-used=8 max-quantizer=63 threads=2 row-mt=true \
                 lag-in-frames=0 keyframe-max-dist={} \
                 ! av1parse",
                keyframe_frames(self.frame_rate)
            ),
        }
    }
}

/// Frames from one keyframe to the next where only frames can be counted: those of two seconds.
fn keyframe_frames((numerator, denominator): (u32, u32)) -> u32 {
    let (numerator, denominator) = if numerator == 0 { (30, 1) } else { (numerator, denominator.max(1)) };
    numerator.saturating_mul(2).div_ceil(denominator).max(1)
}
