//! From the original to its tracks: the demuxer by the sniffed type, then only the tracks that somebody wants.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
};

use gstreamer::{self as gst, glib, prelude::*};

use media_domain::work::Group;

use super::{
    boxes,
    codecs::{self, Codec, Track},
    complaints,
    context::{Context, Ending},
    failed::Failed,
    orientation,
    pipeline::make,
    source_element::SourceElement,
    tally::{self, Tally},
    transport, upright,
};

/// Compressed bytes that a track may be ahead of its decoder. The branches of a graph wait for each other nowhere but in a muxer
/// of pictures and sound, before which there is room without a limit: so this one cannot lock them up.
const QUEUE_BYTES: u32 = 16 << 20;

/// Whom the demuxer's tracks are told to, from its own thread.
pub trait TrackListener: Send + Sync + 'static {
    /// A track was found. Its data waits until this returns.
    fn track(&self, pad: &gst::Pad, caps: &gst::Caps) -> Result<(), Failed>;
    /// There are no further tracks, or a track has ended.
    fn complete(&self) -> Result<(), Failed>;
}

/// Puts the original and its demuxer into the pipeline.
///
/// # Errors
/// [`Failed`] where no demuxer reads the type.
pub fn demux(pipeline: &gst::Pipeline, context: &Context, ending: &Ending, listener: impl TrackListener) -> Result<gst::Element, Failed> {
    let mime = &context.job.mime;
    let factory = codecs::demuxer(mime).ok_or_else(|| Failed::unsupported(format!("no demuxer for {mime}")))?;
    // A probe wants the duration as it is.
    let other = if factory == "qtdemux" && context.job.group != Group::Probe { boxes::longer_duration(&*context.source)? } else { None };
    let opening = if factory == "tsdemux" { transport::opening(&*context.source)? } else { Vec::new() };
    let (source, demuxer) = (SourceElement::new(context.source.clone(), opening, other), make(factory)?);
    let internal = |error: glib::BoolError| Failed::internal(error.to_string());
    pipeline.add_many([source.upcast_ref(), &demuxer]).map_err(internal)?;
    gst::Element::link(source.upcast_ref(), &demuxer).map_err(internal)?;

    let told = Arc::new(Told { listener, ending: ending.clone() });
    match demuxer.static_pad("src") {
        Some(pad) => Told::watch(&told, &pad),
        None => {
            let on_pad = told.clone();
            demuxer.connect_pad_added(move |_, pad| Told::added(&on_pad, pad));
            demuxer.connect_no_more_pads(move |_| told.complete());
        }
    }
    Ok(demuxer)
}

struct Told<L> {
    listener: L,
    ending: Ending,
}

impl<L: TrackListener> Told<L> {
    fn added(told: &Arc<Self>, pad: &gst::Pad) {
        if pad.direction() != gst::PadDirection::Src {
            return;
        }
        match pad.current_caps() {
            Some(caps) => {
                told.track(pad, &caps);
                let complete = told.clone();
                on_end(pad, move || complete.complete());
            }
            None => Self::watch(told, pad),
        }
    }

    /// A pad that is there before its caps are.
    fn watch(told: &Arc<Self>, pad: &gst::Pad) {
        let (told, known) = (told.clone(), AtomicBool::new(false));
        on_event(pad, move |pad, event| match event.view() {
            gst::EventView::Caps(caps) if !known.swap(true, Ordering::Relaxed) => told.track(pad, &caps.caps_owned()),
            gst::EventView::Eos(_) => told.complete(),
            _ => {}
        });
    }

    fn track(&self, pad: &gst::Pad, caps: &gst::Caps) {
        self.listener.track(pad, caps).unwrap_or_else(|failed| self.ending.failed(failed));
    }

    fn complete(&self) {
        self.listener.complete().unwrap_or_else(|failed| self.ending.failed(failed));
    }
}

/// Calls `see` when the stream through this pad has ended.
pub fn on_end(pad: &gst::Pad, see: impl Fn() + Send + Sync + 'static) {
    on_event(pad, move |_, event| {
        if matches!(event.view(), gst::EventView::Eos(_)) {
            see();
        }
    });
}

/// Calls `see` with every event that passes the pad downstream.
pub fn on_event(pad: &gst::Pad, see: impl Fn(&gst::Pad, &gst::Event) + Send + Sync + 'static) {
    let _probe = pad.add_probe(gst::PadProbeType::EVENT_DOWNSTREAM, move |pad, info| {
        if let Some(gst::PadProbeData::Event(event)) = &info.data {
            see(pad, event);
        }
        gst::PadProbeReturn::Ok
    });
}

/// Keeps tags from a muxer. It would write what it is told: a title, a place, and the turn of a picture that was turned here.
pub fn drop_tags(pad: &gst::Pad) {
    let _probe = pad.add_probe(gst::PadProbeType::EVENT_DOWNSTREAM, |_, info| match &info.data {
        Some(gst::PadProbeData::Event(event)) if event.type_() == gst::EventType::Tag => gst::PadProbeReturn::Handled,
        _ => gst::PadProbeReturn::Ok,
    });
}

/// Links a pad to new elements in a row, the last of which may already be in the pipeline.
///
/// # Errors
/// [`Failed`] where they do not link: our fault.
pub fn attach(pipeline: &gst::Pipeline, pad: &gst::Pad, elements: &[gst::Element]) -> Result<(), Failed> {
    let internal = |error: glib::BoolError| Failed::internal(error.to_string());
    let queue = make("queue")?;
    queue.set_property("max-size-bytes", QUEUE_BYTES);
    queue.set_property("max-size-buffers", 0u32);
    queue.set_property("max-size-time", 0u64);
    let row: Vec<gst::Element> = std::iter::once(queue.clone()).chain(elements.iter().cloned()).collect();
    for element in row.iter().filter(|element| element.parent().is_none()) {
        pipeline.add(element).map_err(internal)?;
    }
    gst::Element::link_many(&row).map_err(internal)?;
    for element in row.iter().rev() {
        element.sync_state_with_parent().map_err(internal)?;
    }
    let sink = queue.static_pad("sink").ok_or_else(|| Failed::internal("a queue without a sink"))?;
    pad.link(&sink).map(drop).map_err(|error| Failed::internal(format!("{}: {error:?}", pad.name())))
}

/// A tee in the pipeline, one of whose outputs goes to an element.
fn branch(pipeline: &gst::Pipeline, to: &gst::Element) -> Result<gst::Element, Failed> {
    let internal = |error: glib::BoolError| Failed::internal(error.to_string());
    let tee = make("tee")?;
    pipeline.add(&tee).map_err(internal)?;
    tee.link(to).map_err(internal)?;
    Ok(tee)
}

/// Where the decoded tracks go: elements that already are in the pipeline.
#[derive(Debug, Default)]
pub struct Heads {
    pub video: Option<gst::Element>,
    /// Takes the same track as its parser gives it.
    pub encoded: Option<gst::Element>,
    /// By the number of the sound track, counted from 0 among those that we can decode, in the file's order.
    pub audio: BTreeMap<u32, gst::Element>,
    /// Where not every picture is decoded.
    pub wanted: Option<Arc<dyn Wanted>>,
    /// Told of sound tracks after the first that cannot be decoded. They are no reason to end the graph.
    pub lost: Option<Arc<dyn Lost>>,
}

/// Chooses among pictures, by their time in the file.
pub trait Wanted: std::fmt::Debug + Send + Sync + 'static {
    /// Whether one is decoded.
    fn encoded(&self, time: Option<gst::ClockTime>, is_keyframe: bool) -> bool;
    /// Whether one goes on from the decoder.
    fn decoded(&self, time: Option<gst::ClockTime>) -> bool;
}

/// Who has to know that a further track of sound is lost.
pub trait Lost: std::fmt::Debug + Send + Sync + 'static {
    fn lost(&self, track: u32);
}

/// Puts everything up to the decoders into the pipeline. Of pictures, the first track that we can decode is taken; of
/// sound, those that are wanted; nothing else is decoded.
///
/// # Errors
/// [`Failed`] where no demuxer reads the type. A first track that is wanted and missing ends the graph.
pub fn decode(pipeline: &gst::Pipeline, context: &Context, ending: &Ending, heads: Heads) -> Result<Arc<Tally>, Failed> {
    let tally = Tally::new(context.activity.clone());
    let decoding = Decoding {
        pipeline: pipeline.downgrade(),
        context: context.clone(),
        ending: ending.clone(),
        tally: tally.clone(),
        heads: Mutex::new(heads),
        sounds: AtomicU32::new(0),
        unknown: Mutex::default(),
    };
    demux(pipeline, context, ending, decoding)?;
    Ok(tally)
}

struct Decoding {
    pipeline: glib::WeakRef<gst::Pipeline>,
    context: Context,
    ending: Ending,
    tally: Arc<Tally>,
    /// Those that still have no track.
    heads: Mutex<Heads>,
    /// Sound tracks that were told of and that we can decode.
    sounds: AtomicU32,
    /// Types of tracks that we cannot decode.
    unknown: Mutex<Vec<String>>,
}

/// The element that takes a track, and the track's number among those of its sort.
struct Taken {
    head: gst::Element,
    number: u32,
}

impl Decoding {
    fn take_head(&self, track: Track) -> Option<Taken> {
        let mut heads = self.heads.lock().unwrap_or_else(PoisonError::into_inner);
        match track {
            Track::Video => heads.video.take().map(|head| Taken { head, number: 0 }),
            Track::Audio => {
                let number = self.sounds.fetch_add(1, Ordering::Relaxed);
                heads.audio.remove(&number).map(|head| Taken { head, number })
            }
        }
    }

    /// From here on, an error of this further track is told as its loss, and the demuxer is rid of it.
    fn forgive(&self, pad: &gst::Pad, decoders: &[gst::Element], track: u32) {
        let Some(lost) = self.heads.lock().unwrap_or_else(PoisonError::into_inner).lost.clone() else { return };
        let is_lost = Arc::new(AtomicBool::new(false));
        let drops = is_lost.clone();
        let _probe = pad.add_probe(gst::PadProbeType::BUFFER, move |_, _| {
            if drops.load(Ordering::Acquire) { gst::PadProbeReturn::Drop } else { gst::PadProbeReturn::Ok }
        });
        let names: Vec<glib::GString> = decoders.iter().map(|element| element.name()).collect();
        self.ending.forgive(move |error| {
            let is_ours = error.src().is_some_and(|source| names.contains(&source.name()));
            if is_ours && !is_lost.swap(true, Ordering::AcqRel) {
                lost.lost(track);
            }
            is_ours
        });
    }

    /// Leaves out what nobody wants, before and behind the decoder.
    fn choose(&self, encoded: &gst::Pad, decoded: &gst::Pad) {
        let Some(wanted) = self.heads.lock().unwrap_or_else(PoisonError::into_inner).wanted.clone() else { return };
        let of_encoded = wanted.clone();
        self.drop_unless(encoded, move |time, buffer| of_encoded.encoded(time, !buffer.flags().contains(gst::BufferFlags::DELTA_UNIT)));
        self.drop_unless(decoded, move |time, _| wanted.decoded(time));
    }

    fn drop_unless(&self, pad: &gst::Pad, is_wanted: impl Fn(Option<gst::ClockTime>, &gst::BufferRef) -> bool + Send + Sync + 'static) {
        let activity = self.context.activity.clone();
        let _probe = pad.add_probe(gst::PadProbeType::BUFFER, move |pad, info| match &info.data {
            Some(gst::PadProbeData::Buffer(buffer)) if !is_wanted(tally::span_of(pad, buffer).map(|(start, _)| start), buffer) => {
                activity.passed(pad, buffer);
                gst::PadProbeReturn::Drop
            }
            _ => gst::PadProbeReturn::Ok,
        });
    }

    fn attach(&self, pad: &gst::Pad, codec: &'static Codec, taken: Taken) -> Result<(), Failed> {
        let pipeline = self.pipeline.upgrade().ok_or_else(|| Failed::internal("a track after the end"))?;
        let mut elements = Vec::new();
        if let Some(parser) = codec.parser {
            elements.push(make(parser)?);
        }
        if codec.track == Track::Video
            && let Some(encoded) = self.heads.lock().unwrap_or_else(PoisonError::into_inner).encoded.take()
        {
            elements.push(branch(&pipeline, &encoded)?);
        }
        if let Some(decoder) = codec.decoder {
            let decoder = make(decoder)?;
            if let (Track::Audio, Some(sink)) = (codec.track, decoder.static_pad("sink")) {
                complaints::are_of_sound(&sink);
            }
            if let (Some(sink), Some(src), 0) = (decoder.static_pad("sink"), decoder.static_pad("src"), taken.number) {
                if codec.track == Track::Video {
                    self.choose(&sink, &src);
                }
                self.tally.watch_decoder_input(&sink, codec);
                self.tally.watch_decoded(&src, codec.track);
            }
            elements.push(decoder);
        }
        if codec.track == Track::Video {
            self.make_upright(&pipeline, pad, elements.first(), &taken.head)?;
        }
        if taken.number > 0 {
            self.forgive(pad, &elements, taken.number);
        }
        elements.push(taken.head);
        attach(&pipeline, pad, &elements)
    }
}

impl Decoding {
    fn make_upright(
        &self,
        pipeline: &gst::Pipeline,
        pad: &gst::Pad,
        first: Option<&gst::Element>,
        head: &gst::Element,
    ) -> Result<(), Failed> {
        let sink = |element: &gst::Element| element.static_pad("sink");
        if let (Some(caps), Some(first), Some(head)) = (pad.current_caps(), first.and_then(sink), sink(head)) {
            upright::watch(pipeline, &caps, &first, &head);
        }
        if let Some(method) = orientation::of_track(&self.context, pad)? {
            upright::turn(pipeline, method);
        }
        Ok(())
    }
}

impl TrackListener for Decoding {
    fn track(&self, pad: &gst::Pad, caps: &gst::Caps) -> Result<(), Failed> {
        let codec = codecs::find(caps);
        let taken = codec.and_then(|codec| self.take_head(codec.track));
        let is_first = taken.as_ref().is_some_and(|taken| taken.number == 0);
        self.tally.watch_demuxed(pad, codec.filter(|_| is_first).map(|codec| codec.track));
        match (codec, taken) {
            (Some(codec), Some(taken)) => self.attach(pad, codec, taken),
            (None, _) => {
                let name = caps.structure(0).map(|structure| structure.name().to_string()).unwrap_or_default();
                self.unknown.lock().unwrap_or_else(PoisonError::into_inner).push(name);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn complete(&self) -> Result<(), Failed> {
        let mut heads = self.heads.lock().unwrap_or_else(PoisonError::into_inner);
        let missing = match (&heads.video, heads.audio.contains_key(&0)) {
            (None, false) => {
                let lost = heads.lost.clone();
                let tracks = std::mem::take(&mut heads.audio);
                drop(heads);
                lost.iter().for_each(|lost| tracks.keys().for_each(|track| lost.lost(*track)));
                return Ok(());
            }
            (Some(_), _) => "video",
            (None, true) => "audio",
        };
        let unknown = self.unknown.lock().unwrap_or_else(PoisonError::into_inner);
        Err(Failed::unsupported(format!("no {missing} track that we can decode; not known: {unknown:?}")))
    }
}
