//! Looks into a file: its tracks, as their parsers describe them, and its length. Nothing is decoded.

use std::sync::{Arc, Mutex, PoisonError};

use gstreamer::{self as gst, glib, prelude::*};
use gstreamer_video::{VideoColorimetry, VideoOrientationMethod};
use media_domain::{
    Kind, MediaInfo,
    info::{AudioInfo, TextInfo, VideoInfo},
};

use super::{
    super::{
        boxes,
        codecs::{self, Codec, Track},
        colours,
        context::{Context, Ending},
        cut_off,
        failed::Failed,
        orientation, parameter_sets, picture_size,
        pipeline::{self, make},
        sample_tables, tally,
        texts::{self, TextForm},
        tracks::{self, TrackListener},
        upright, xing,
    },
    cover,
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
    let track = found.of(Track::Video).next().and_then(|seen| seen.number_in_mp4);
    if let (Some(video), Some(track)) = (info.video.as_mut(), track) {
        video.frames = boxes::frames_promised(&*context.source, track)?;
        if found.of(Track::Video).next().is_some_and(Seen::is_what_browsers_play) {
            video.own_stream = sample_tables::own_stream(&*context.source, track)?;
        }
    }
    if let Some(audio) = info.audio.as_mut().filter(|_| context.job.mime == "audio/mpeg") {
        audio.frames = xing::frames_promised(&*context.source)?;
    }
    info.cut_off = cut_off::cut_off(&*context.source, &context.job.mime)?;
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

/// The tracks that we would decode: the first of pictures, and all of sound.
#[derive(Debug, Default)]
struct Found {
    tracks: Vec<Seen>,
    /// In the file's order. Their first words may come late: nobody waits for them.
    texts: Vec<(TextForm, gst::Pad)>,
    unknown: Vec<String>,
    has_cover: bool,
    is_complete: bool,
    samples: u64,
    /// How many must have passed before the length is asked for.
    samples_wanted: u64,
}

/// Sound tracks that are looked at. A film has a dozen.
const SOUNDS_MAX: usize = 32;
/// After so many samples of other tracks, a further track of sound is described as the container describes it.
const PATIENCE_SAMPLES: u64 = 3000;

/// From so many frames of a plain stream its parser can tell about how long it is.
const PLAIN_SAMPLES: u64 = 200;

#[derive(Debug)]
struct Seen {
    codec: &'static Codec,
    /// From the demuxer.
    announced: gst::Caps,
    /// From the parser, with the first sample.
    caps: Option<gst::Caps>,
    tags: Vec<gst::TagList>,
    /// What the container says of the colours.
    colours: Option<VideoColorimetry>,
    /// How the pictures are turned, where the container alone says it.
    turn: Option<VideoOrientationMethod>,
    number_in_mp4: Option<u32>,
    /// It has ended without a sample.
    is_empty: bool,
}

impl Found {
    fn of(&self, track: Track) -> impl Iterator<Item = &Seen> {
        self.tracks.iter().filter(move |seen| seen.codec.track == track)
    }

    fn is_over(&self) -> bool {
        let is_known = |seen: &Seen| seen.caps.is_some() || seen.is_empty;
        let are_first_known = [Track::Video, Track::Audio].into_iter().all(|track| self.of(track).next().is_none_or(is_known));
        let are_known = are_first_known && (self.samples >= PATIENCE_SAMPLES || self.tracks.iter().all(is_known));
        self.is_complete && self.samples >= self.samples_wanted && are_known
    }

    fn info(&self, kind: Kind) -> Result<MediaInfo, Failed> {
        let video = self.of(Track::Video).next().filter(|seen| !seen.is_empty).map(Seen::video).transpose()?;
        // Tracks are told apart by their number: one without a sample keeps its place, unless it is the last.
        let mut sounds: Vec<&Seen> = self.of(Track::Audio).collect();
        while sounds.last().is_some_and(|seen| seen.is_empty) {
            sounds.pop();
        }
        let mut further_audio = sounds.into_iter().map(Seen::audio).collect::<Result<Vec<_>, _>>()?;
        let audio = (!further_audio.is_empty()).then(|| further_audio.remove(0));
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
        let has_cover = self.has_cover && kind.pipeline() == Kind::Audio;
        Ok(MediaInfo { video, audio, further_audio, has_cover, texts, ..MediaInfo::default() })
    }
}

impl Seen {
    fn structure(&self) -> Option<&gst::StructureRef> {
        self.caps.as_ref().unwrap_or(&self.announced).structure(0)
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

    /// H.264 as our rungs have it: upright, in square pixels, progressive, BT.709, up to level 5.2.
    fn is_what_browsers_play(&self) -> bool {
        const PROFILES: [&str; 4] = ["constrained-baseline", "baseline", "main", "high"];
        const LEVELS: [&str; 17] =
            ["1", "1b", "1.1", "1.2", "1.3", "2", "2.1", "2.2", "3", "3.1", "3.2", "4", "4.1", "4.2", "5", "5.1", "5.2"];
        let (Some(caps), Some(structure)) = (self.caps.as_ref(), self.structure()) else { return false };
        let is = |field: &str, of: &[&str]| structure.get::<&str>(field).is_ok_and(|value| of.contains(&value));
        self.codec.name == "h264"
            && is("profile", &PROFILES)
            && is("level", &LEVELS)
            && parameter_sets::are_of_frames(structure)
            && self.fraction("pixel-aspect-ratio").is_none_or(|(width, height)| width == height)
            && self.turn == Some(VideoOrientationMethod::Identity)
            && colours::are_of_rungs(caps, self.colours)
            // What the container alone says is not in the stream.
            && colours::are_of_rungs(caps, None)
    }

    fn audio(&self) -> Result<AudioInfo, Failed> {
        let (channels, sample_rate) = (self.number("channels"), self.number("rate"));
        Ok(AudioInfo {
            codec: self.codec.name.into(),
            channels,
            sample_rate,
            language: self.tag::<gst::tags::LanguageCode>().and_then(|code| language(&code)),
            frames: None,
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
    /// `place` is that of the track among all that were found.
    fn watch(&self, pad: &gst::Pad, place: usize) {
        let (found, ending, activity) = (self.found.clone(), self.ending.clone(), self.context.activity.clone());
        tally::each_buffer(pad, move |pad, buffer| {
            activity.passed(pad, buffer);
            let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
            found.samples += 1;
            if let Some(seen) = found.tracks.get_mut(place).filter(|seen| seen.caps.is_none()) {
                seen.caps = pad.current_caps();
                pad.sticky_events_foreach(|event| {
                    if let gst::EventView::Tag(tag) = event.view() {
                        seen.tags.push(tag.tag_owned());
                    }
                    std::ops::ControlFlow::Continue(gst::EventForeachAction::Keep)
                });
                found.has_cover |= found.tracks.get(place).is_some_and(|seen| seen.tags.iter().any(|tags| cover::image_of(tags).is_some()));
            }
            if found.is_over() {
                ending.done();
            }
        });
    }

    /// A track that ends without a sample is none.
    fn forget_if_empty(&self, pad: &gst::Pad, place: usize) {
        let (found, ending) = (self.found.clone(), self.ending.clone());
        tracks::on_end(pad, move || {
            let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(seen) = found.tracks.get_mut(place) {
                seen.is_empty = seen.caps.is_none();
            }
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
        let most = if codec.track == Track::Video { 1 } else { SOUNDS_MAX };
        if found.of(codec.track).count() >= most {
            return Ok(());
        }
        let place = found.tracks.len();
        found.tracks.push(Seen {
            codec,
            announced: caps.clone(),
            caps: None,
            tags: Vec::new(),
            colours: colours::of(caps),
            turn: orientation::of_track(&self.context, pad)?,
            number_in_mp4: orientation::track_number(pad).filter(|_| codecs::is_mp4(&self.context.job.mime)),
            is_empty: false,
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
            self.watch(&sink, place);
            self.forget_if_empty(&sink, place);
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
