//! The picture that an audio file carries: what its tags hold goes through libvips like any other stranger's picture.

use std::sync::{Arc, Mutex, PoisonError};

use gstreamer::{self as gst, glib, prelude::*};
use media_domain::profile::Recipe;

use super::{
    super::{
        codecs,
        context::{Context, Ending},
        failed::Failed,
        pipeline::{self, make},
        tally,
        tracks::{self, TrackListener},
        vips::Picture,
    },
    stills,
};
use crate::protocol::{Counts, OutputCounts};

/// A picture is told of before the sound, or with its first samples.
const SAMPLES_MAX: u64 = 500;
/// `GST_TAG_IMAGE_TYPE_FRONT_COVER`, which is the 3 of ID3's APIC and of FLAC's picture.
const FRONT_COVER: i32 = 1;

/// Makes the one output.
///
/// # Errors
/// [`Failed`], typed; corrupt where the probe saw a picture and there is none.
pub fn run(context: &Context) -> Result<Counts, Failed> {
    let Recipe::Cover { max_width, quality } = context.only_output()?.make else { return Err(Failed::internal("a cover is a cover")) };
    let bytes = find(context)?.ok_or_else(|| Failed::corrupt("no picture in the file's tags"))?;
    let header = Picture::open(&bytes)?;
    stills::within_limit(&header, context)?;
    let picture = header.thumbnail(&bytes, max_width)?;
    context.sink.data(0, &picture.webp(quality)?);
    let (width, height) = picture.size();
    let counts = OutputCounts { width: Some(width), height: Some(height), frames: 1, ..OutputCounts::default() };
    Ok(Counts { outputs: vec![counts], ..Counts::default() })
}

/// The encoded picture of a list of tags: the front cover, or else the first.
pub fn image_of(tags: &gst::TagListRef) -> Option<Vec<u8>> {
    let images: Vec<gst::Sample> = tags.iter_tag::<gst::tags::Image>().map(|image| image.get()).collect();
    let image = images.iter().find(|image| is_front(image)).or_else(|| images.first())?;
    let bytes = image.buffer()?.map_readable().ok()?;
    (!bytes.is_empty()).then(|| bytes.to_vec())
}

fn is_front(image: &gst::Sample) -> bool {
    let kind = image.info().and_then(|info| info.value("image-type").ok());
    kind.and_then(|kind| glib::EnumValue::from_value(kind)).is_some_and(|(_, kind)| kind.value() == FRONT_COVER)
}

fn find(context: &Context) -> Result<Option<Vec<u8>>, Failed> {
    let pipeline = pipeline::keep(gst::Pipeline::new());
    let (ending, over) = Ending::channel();
    let found = Arc::new(Mutex::new(None));
    let looking = Looking { pipeline: pipeline.downgrade(), context: context.clone(), ending: ending.clone(), found: found.clone() };
    tracks::demux(&pipeline, context, &ending, looking)?;
    pipeline::play(&pipeline, context, &ending, &over)?;
    Ok(found.lock().unwrap_or_else(PoisonError::into_inner).take())
}

/// Lets all tracks of sound run through their parsers, and waits for a picture.
struct Looking {
    pipeline: glib::WeakRef<gst::Pipeline>,
    context: Context,
    ending: Ending,
    found: Arc<Mutex<Option<Vec<u8>>>>,
}

impl TrackListener for Looking {
    fn track(&self, pad: &gst::Pad, caps: &gst::Caps) -> Result<(), Failed> {
        let Some(codec) = codecs::find(caps).filter(|codec| codec.track == codecs::Track::Audio) else { return Ok(()) };
        let pipeline = self.pipeline.upgrade().ok_or_else(|| Failed::internal("a track after the end"))?;
        let last = make("fakesink")?;
        last.set_property("sync", false);
        last.set_property("async", false);
        let parser = codec.parser.map(make).transpose()?;
        let sink = last.static_pad("sink").ok_or_else(|| Failed::internal("a sink without a pad"))?;
        let (found, ending) = (self.found.clone(), self.ending.clone());
        tracks::on_event(&sink, move |_, event| match event.view() {
            gst::EventView::Tag(tag) => {
                if let Some(image) = image_of(tag.tag()) {
                    found.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(image);
                    ending.done();
                }
            }
            gst::EventView::Eos(_) => ending.done(),
            _ => {}
        });
        let (ending, activity, seen) = (self.ending.clone(), self.context.activity.clone(), std::sync::atomic::AtomicU64::new(0));
        tally::each_buffer(&sink, move |pad, buffer| {
            activity.passed(pad, buffer);
            if seen.fetch_add(1, std::sync::atomic::Ordering::Relaxed) >= SAMPLES_MAX {
                ending.done();
            }
        });
        tracks::attach(&pipeline, pad, &parser.into_iter().chain([last]).collect::<Vec<_>>())
    }

    fn complete(&self) -> Result<(), Failed> {
        Ok(())
    }
}
