//! Looks into a file: its tracks, as their parsers describe them, and its length. Nothing is decoded.

use std::sync::{Arc, Mutex, PoisonError};

use gstreamer::{self as gst, glib, prelude::*};
use gstreamer_video::{VideoColorimetry, VideoOrientationMethod};
use media_domain::{
    Kind, MediaInfo,
    info::{AudioInfo, TextInfo, VideoInfo},
};

use super::super::{
    boxes,
    codecs::{self, Codec, Track},
    colours,
    context::{Context, Ending},
    failed::Failed,
    orientation, picture_size,
    pipeline::{self, make},
    tally,
    texts::{self, TextForm},
    tracks::{self, TrackListener},
    upright,
};
use crate::protocol::Counts;

/// Sends what was found. There are no outputs.
///
/// # Errors
/// [`Failed`], typed.
pub fn run(context: &Context) -> Result<Counts, Failed> {
    let pipeline = pipeline::keep(gst::Pipeline::new());
    let (ending, over) = Ending::channel();
    let found = Arc::new(Mutex::new(Found::default()));
    let probing = Probing { pipeline: pipeline.downgrade(), context: context.clone(), ending: ending.clone(), found: found.clone() };
    let demuxer = tracks::demux(&pipeline, context, &ending, probing)?;
    pipeline::play(&pipeline, context, &ending, &over)?;
    let found = found.lock().unwrap_or_else(PoisonError::into_inner);
    let mut info = found.info(context.job.kind)?;
    info.duration_ms = duration(&pipeline, &demuxer).map(gst::ClockTime::mseconds);
    let track = found.video.as_ref().and_then(|seen| seen.number_in_mp4);
    if let (Some(video), Some(track)) = (info.video.as_mut(), track) {
        video.frames = boxes::frames_promised(&*context.source, track)?;
    }
    context.sink.hello(&info);
    Ok(Counts::default())
}

/// The demuxer's word; of a plain stream the parser behind it has to guess.
fn duration(pipeline: &gst::Pipeline, demuxer: &gst::Element) -> Option<gst::ClockTime> {
    demuxer
        .query_duration::<gst::ClockTime>()
        .or_else(|| pipeline.query_duration::<gst::ClockTime>())
        .filter(|duration| !duration.is_zero())
}

/// The tracks that we would decode: the first of each kind.
#[derive(Debug, Default)]
struct Found {
    video: Option<Seen>,
    audio: Option<Seen>,
    /// In the file's order. Their first words may come late: nobody waits for them.
    texts: Vec<(TextForm, gst::Pad)>,
    unknown: Vec<String>,
    is_complete: bool,
    samples: u64,
    /// How many must have passed before the length is asked for.
    samples_wanted: u64,
}

/// From so many frames of a plain stream its parser can tell about how long it is.
const PLAIN_SAMPLES: u64 = 200;

#[derive(Debug)]
struct Seen {
    codec: &'static Codec,
    /// From the parser, with the first sample.
    caps: Option<gst::Caps>,
    tags: Vec<gst::TagList>,
    /// What the container says of the colours.
    colours: Option<VideoColorimetry>,
    /// How the pictures are turned, where the container alone says it.
    turn: Option<VideoOrientationMethod>,
    number_in_mp4: Option<u32>,
}

impl Found {
    fn slot(&mut self, track: Track) -> &mut Option<Seen> {
        match track {
            Track::Video => &mut self.video,
            Track::Audio => &mut self.audio,
        }
    }

    fn is_over(&self) -> bool {
        let known = |seen: &Option<Seen>| seen.as_ref().is_none_or(|seen| seen.caps.is_some());
        self.is_complete && self.samples >= self.samples_wanted && known(&self.video) && known(&self.audio)
    }

    fn info(&self, kind: Kind) -> Result<MediaInfo, Failed> {
        let video = self.video.as_ref().map(Seen::video).transpose()?;
        let audio = self.audio.as_ref().map(Seen::audio).transpose()?;
        let unknown = |sort: &str| self.unknown.iter().find(|name| name.starts_with(sort));
        // A track that we cannot decode and that has no equal we can must not vanish in silence.
        if let Some(name) = unknown("video/").filter(|_| video.is_none() && kind.pipeline() == Kind::Video) {
            return Err(Failed::unsupported(format!("a picture track of type {name}")));
        }
        if let Some(name) = unknown("audio/").filter(|_| audio.is_none()) {
            return Err(Failed::unsupported(format!("a sound track of type {name}")));
        }
        if video.is_none() && audio.is_none() {
            return Err(Failed::unsupported(format!("no track that we can decode; not known: {:?}", self.unknown)));
        }
        let texts = self.texts.iter().map(|(form, pad)| text(*form, pad)).collect();
        Ok(MediaInfo { video, audio, texts, ..MediaInfo::default() })
    }
}

impl Seen {
    fn structure(&self) -> Option<&gst::StructureRef> {
        self.caps.as_ref()?.structure(0)
    }

    fn number(&self, field: &str) -> u32 {
        self.structure().and_then(|structure| structure.get::<i32>(field).ok()).and_then(|number| u32::try_from(number).ok()).unwrap_or(0)
    }

    fn fraction(&self, field: &str) -> Option<(u32, u32)> {
        let fraction = self.structure()?.get::<gst::Fraction>(field).ok()?;
        Some((u32::try_from(fraction.numer()).ok()?, u32::try_from(fraction.denom()).ok()?))
    }

    fn tag<'a, T: gst::tags::Tag<'a, TagType = &'a str>>(&self) -> Option<String> {
        self.tags.iter().rev().find_map(|tags| tags.get::<T>().map(|value| value.get().to_owned()))
    }

    fn video(&self) -> Result<VideoInfo, Failed> {
        let by_tag = || {
            self.tag::<gst::tags::ImageOrientation>().is_some_and(|orientation| orientation.ends_with("90") || orientation.ends_with("270"))
        };
        let is_sideways = self.turn.map_or_else(by_tag, orientation::is_sideways);
        let aspect = self.fraction("pixel-aspect-ratio").unwrap_or((1, 1));
        let (width, height) = picture_size::shown(self.number("width"), self.number("height"), aspect, is_sideways);
        if width == 0 || height == 0 {
            return Err(Failed::corrupt("a picture track without a size"));
        }
        Ok(VideoInfo {
            codec: self.codec.name.into(),
            width,
            height,
            frame_rate: self.fraction("framerate").unwrap_or((0, 1)),
            hdr: self.caps.as_ref().and_then(|caps| colours::range_of(caps, self.colours)),
            interlaced: self
                .structure()
                .and_then(|structure| structure.get::<&str>("interlace-mode").ok())
                .is_some_and(|mode| mode != "progressive"),
            ..VideoInfo::default()
        })
    }

    fn audio(&self) -> Result<AudioInfo, Failed> {
        let (channels, sample_rate) = (self.number("channels"), self.number("rate"));
        Ok(AudioInfo {
            codec: self.codec.name.into(),
            channels,
            sample_rate,
            language: self.tag::<gst::tags::LanguageCode>().and_then(|code| language(&code)),
        })
    }
}

fn text(form: TextForm, pad: &gst::Pad) -> TextInfo {
    let mut said = None;
    pad.sticky_events_foreach(|event| {
        if let gst::EventView::Tag(tag) = event.view()
            && let Some(code) = tag.tag().get::<gst::tags::LanguageCode>()
        {
            said = language(code.get());
        }
        std::ops::ControlFlow::Continue(gst::EventForeachAction::Keep)
    });
    TextInfo { codec: form.codec().into(), language: said, is_bitmap: form == TextForm::Bitmap }
}

/// BCP 47 wants the short code of ISO 639 where there is one.
fn language(code: &str) -> Option<String> {
    match code {
        "und" | "" => None,
        code => {
            Some(gstreamer_tag::language_codes::language_code_iso_639_1(code).map_or_else(|| code.to_owned(), |short| short.to_string()))
        }
    }
}

struct Probing {
    pipeline: glib::WeakRef<gst::Pipeline>,
    context: Context,
    ending: Ending,
    found: Arc<Mutex<Found>>,
}

impl Probing {
    fn watch(&self, pad: &gst::Pad, track: Track) {
        let (found, ending, activity) = (self.found.clone(), self.ending.clone(), self.context.activity.clone());
        tally::each_buffer(pad, move |pad, buffer| {
            activity.passed(pad, buffer);
            let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
            found.samples += 1;
            if let Some(seen) = found.slot(track).as_mut().filter(|seen| seen.caps.is_none()) {
                seen.caps = pad.current_caps();
                pad.sticky_events_foreach(|event| {
                    if let gst::EventView::Tag(tag) = event.view() {
                        seen.tags.push(tag.tag_owned());
                    }
                    std::ops::ControlFlow::Continue(gst::EventForeachAction::Keep)
                });
            }
            if found.is_over() {
                ending.done();
            }
        });
    }

    /// A track that ends without a sample is none.
    fn forget_if_empty(&self, pad: &gst::Pad, track: Track) {
        let (found, ending) = (self.found.clone(), self.ending.clone());
        tracks::on_end(pad, move || {
            let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
            found.slot(track).take_if(|seen| seen.caps.is_none());
            found.samples_wanted = 0;
            if found.is_over() {
                ending.done();
            }
        });
    }
}

impl TrackListener for Probing {
    fn track(&self, pad: &gst::Pad, caps: &gst::Caps) -> Result<(), Failed> {
        let pipeline = self.pipeline.upgrade().ok_or_else(|| Failed::internal("a track after the end"))?;
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(form) = texts::form(caps) {
            found.texts.push((form, pad.clone()));
            return Ok(());
        }
        let Some(codec) = codecs::find(caps) else {
            found.unknown.push(caps.structure(0).map(|structure| structure.name().to_string()).unwrap_or_default());
            return Ok(());
        };
        if found.slot(codec.track).is_some() {
            return Ok(());
        }
        *found.slot(codec.track) = Some(Seen {
            codec,
            caps: None,
            tags: Vec::new(),
            colours: colours::of(caps),
            turn: orientation::of_track(&self.context, pad)?,
            number_in_mp4: orientation::track_number(pad).filter(|_| codecs::is_mp4(&self.context.job.mime)),
        });
        let has_one_track = pad.parent_element().is_some_and(|demuxer| demuxer.static_pad("src").is_some() || is_id3(&demuxer));
        if has_one_track {
            (found.is_complete, found.samples_wanted) = (true, PLAIN_SAMPLES);
        }
        drop(found);

        let last = make("fakesink")?;
        last.set_property("sync", false);
        last.set_property("async", false);
        let parser = codec.parser.map(make).transpose()?;
        let elements: Vec<gst::Element> = parser.into_iter().chain([last.clone()]).collect();
        if let Some(first) = elements.first().and_then(|first| first.static_pad("sink")) {
            upright::keep_colours_back(&first);
        }
        if let Some(sink) = last.static_pad("sink") {
            self.watch(&sink, codec.track);
            self.forget_if_empty(&sink, codec.track);
        }
        tracks::attach(&pipeline, pad, &elements)
    }

    fn complete(&self) -> Result<(), Failed> {
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        found.is_complete = true;
        if found.is_over() {
            self.ending.done();
        }
        Ok(())
    }
}

fn is_id3(demuxer: &gst::Element) -> bool {
    demuxer.factory().is_some_and(|factory| factory.name() == "id3demux")
}
