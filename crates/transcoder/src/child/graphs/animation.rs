//! An animation as a silent video: libvips decodes, each frame keeps its time, and H.264 is made of it.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicUsize, Ordering},
};

use gstreamer::{self as gst, prelude::*};
use gstreamer_app as gst_app;
use media_domain::profile::Recipe;

use super::{
    super::{
        context::{Context, Ending},
        failed::Failed,
        fragments,
        outputs::Outputs,
        pipeline::{self, element},
        vips::Picture,
    },
    stills,
};
use crate::protocol::Counts;

/// What browsers make of a delay that is this short or shorter.
const SHORTEST_MS: u32 = 10;
const INSTEAD_MS: u32 = 100;

/// Makes the one output.
///
/// # Errors
/// [`Failed`], typed.
pub fn run(context: &Context) -> Result<Counts, Failed> {
    let Recipe::Loop { width, bitrate_kbps } = context.only_output()?.make else { return Err(Failed::internal("a loop is a loop")) };
    let animation = stills::decode(context, width)?.on_white()?;
    let (width, height) = animation.size();
    let delays = Arc::new(delays(&animation));
    let frames = animation.frames();
    let (even_width, even_height) = (even(width), even(height));
    let pipeline = pipeline::build(&format!(
        "appsrc name=frames format=time caps=video/x-raw,format=RGB,width={width},height={height},framerate=0/1,pixel-aspect-ratio=1/1 \
         ! videoscale method=lanczos add-borders=false ! videoconvert \
         ! video/x-raw,format=I420,width={even_width},height={even_height},pixel-aspect-ratio=1/1,colorimetry=bt709 \
         ! x264enc speed-preset=veryfast pass=qual quantizer=22 bitrate={bitrate_kbps} key-int-max=250 bframes=0 threads=2 \
         ! video/x-h264,profile=high ! h264parse name=encoded ! video/x-h264,stream-format=avc,alignment=au ! {}",
        fragments::tail(0)
    ))?;
    let (ending, over) = Ending::channel();
    let outputs = Outputs::new(context, &ending);
    let encoded = element(&pipeline, "encoded")?.static_pad("src").ok_or_else(|| Failed::internal("a parser without a source"))?;
    keep_delays(&encoded, delays.clone());
    outputs.watch_encoded(&encoded, 0);

    let mut feed =
        Feed { rgb: animation.pixels()?, row: width as usize * 3, height: height as usize, delays, next: 0, time: gst::ClockTime::ZERO };
    drop(animation);
    let source: gst_app::AppSrc = element(&pipeline, "frames")?.downcast().map_err(|_| Failed::internal("a source that is no appsrc"))?;
    let on_wrong = ending.clone();
    source.set_callbacks(
        gst_app::AppSrcCallbacks::builder()
            .need_data(move |source, _| {
                let fed = match feed.frame() {
                    Some(buffer) => source.push_buffer(buffer),
                    None => source.end_of_stream(),
                };
                if let Err(error) = fed {
                    on_wrong.failed(Failed::internal(format!("a frame is refused: {error}")));
                }
            })
            .build(),
    );
    let file = Arc::new(Mutex::new(Vec::new()));
    let (on_bytes, on_end) = (file.clone(), outputs.clone());
    fragments::sink_of(&pipeline, 0)?.set_callbacks(
        gst_app::AppSinkCallbacks::builder()
            .new_sample(move |sink| {
                let sample = sink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
                let mut file = on_bytes.lock().unwrap_or_else(PoisonError::into_inner);
                let mut take = |buffer: &gst::BufferRef| {
                    let map = buffer.map_readable().map_err(|_| gst::FlowError::Error)?;
                    file.extend_from_slice(&map);
                    Ok(())
                };
                fragments::buffers(&sample).into_iter().try_for_each(&mut take)?;
                Ok(gst::FlowSuccess::Ok)
            })
            .eos(move |_| on_end.ended(0))
            .build(),
    );
    pipeline::play(&pipeline, context, &ending, &over)?;
    context.sink.data(0, &file.lock().unwrap_or_else(PoisonError::into_inner));
    let made = outputs.counts();
    if made.iter().any(|counts| counts.frames != u64::from(frames)) {
        return Err(Failed::internal(format!("{frames} frames became {made:?}")));
    }
    Ok(Counts { outputs: made, ..Counts::default() })
}

/// How long each frame is shown.
fn delays(animation: &Picture<'_>) -> Vec<gst::ClockTime> {
    let said = animation.delays_ms();
    let frame = |index: usize| said.get(index).copied().filter(|delay| *delay > SHORTEST_MS).unwrap_or(INSTEAD_MS);
    (0..animation.frames() as usize).map(|index| gst::ClockTime::from_mseconds(frame(index).into())).collect()
}

/// Gives the encoded frames their times again: encoder and parser know those of a rate, and there is none. No frame overtakes
/// another, so that they are counted.
fn keep_delays(pad: &gst::Pad, delays: Arc<Vec<gst::ClockTime>>) {
    let next = AtomicUsize::new(0);
    let _probe = pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
        if let Some(gst::PadProbeData::Buffer(buffer)) = &mut info.data {
            let delay = delays.get(next.fetch_add(1, Ordering::Relaxed)).copied();
            buffer.make_mut().set_duration(delay);
        }
        gst::PadProbeReturn::Ok
    });
}

/// 4:2:0 has half as many chroma samples each way.
fn even(side: u32) -> u32 {
    (side & !1).max(2)
}

/// The frames on their way into the graph, with their times.
struct Feed {
    /// Rows without gaps, all frames below each other.
    rgb: Vec<u8>,
    row: usize,
    height: usize,
    delays: Arc<Vec<gst::ClockTime>>,
    next: usize,
    time: gst::ClockTime,
}

impl Feed {
    fn frame(&mut self) -> Option<gst::Buffer> {
        let bytes = self.row * self.height;
        let frame = self.rgb.get(self.next * bytes..(self.next + 1) * bytes)?;
        // GStreamer's rows are filled up to four bytes.
        let gap = self.row.next_multiple_of(4) - self.row;
        let rows: Vec<u8> = frame.chunks(self.row).flat_map(|row| row.iter().copied().chain(std::iter::repeat_n(0, gap))).collect();
        let delay = *self.delays.get(self.next)?;
        let mut buffer = gst::Buffer::from_mut_slice(rows);
        if let Some(buffer) = buffer.get_mut() {
            buffer.set_pts(self.time);
            buffer.set_duration(delay);
        }
        self.next += 1;
        self.time += delay;
        Some(buffer)
    }
}
