//! The limiter as an element of a pipeline.

use std::sync::{Mutex, PoisonError};

use gstreamer::{self as gst, glib, prelude::*};

use super::{super::failed::Failed, from_db, limiter::Limiter};

/// What the element is called in a pipeline's description. Its properties `gain` and `ceiling` are in dB.
pub const FACTORY: &str = "medialevel";

glib::wrapper! {
    /// Turns sound up or down by `gain` and keeps its true peak under `ceiling`. Interleaved 32-bit floats without gaps.
    pub struct LevelElement(ObjectSubclass<imp::LevelElement>) @extends gstreamer_base::BaseTransform, gst::Element, gst::Object;
}

/// Makes the element known.
///
/// # Errors
/// [`Failed`] where GStreamer refuses: our fault.
pub fn register() -> Result<(), Failed> {
    gst::Element::register(None, FACTORY, gst::Rank::NONE, LevelElement::static_type()).map_err(|error| Failed::internal(error.to_string()))
}

mod imp {
    use std::sync::OnceLock;

    use gstreamer_base::{
        prelude::*,
        subclass::{BaseTransformMode, base_transform::GenerateOutputSuccess, prelude::*},
    };

    use super::*;

    const BYTES_PER_SAMPLE: usize = 4;

    #[derive(Default)]
    pub struct LevelElement {
        settings: Mutex<Settings>,
        stream: Mutex<Option<Stream>>,
    }

    #[derive(Clone, Copy, Default)]
    struct Settings {
        gain_db: f64,
        ceiling_db: f64,
    }

    struct Stream {
        limiter: Limiter,
        channels: usize,
        sample_rate: u64,
        start: Option<gst::ClockTime>,
        frames_out: u64,
    }

    impl Stream {
        /// The frames as a buffer with their times, if there are any.
        fn buffer(&mut self, samples: &[f32]) -> Result<Option<gst::Buffer>, gst::FlowError> {
            if samples.is_empty() {
                return Ok(None);
            }
            let frames = (samples.len() / self.channels) as u64;
            let time = |frames: u64| gst::ClockTime::from_nseconds(frames.saturating_mul(1_000_000_000) / self.sample_rate);
            let (from, to) = (time(self.frames_out), time(self.frames_out + frames));
            let bytes: Vec<u8> = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
            let mut buffer = gst::Buffer::from_mut_slice(bytes);
            let fields = buffer.get_mut().ok_or(gst::FlowError::Error)?;
            fields.set_pts(self.start.map(|start| start + from));
            fields.set_duration(to - from);
            self.frames_out += frames;
            Ok(Some(buffer))
        }
    }

    #[glib::object_subclass]
    impl ObjectSubclass for LevelElement {
        const NAME: &'static str = "MediaLevelElement";
        type Type = super::LevelElement;
        type ParentType = gstreamer_base::BaseTransform;
    }

    impl ObjectImpl for LevelElement {
        fn properties() -> &'static [glib::ParamSpec] {
            static PROPERTIES: OnceLock<Vec<glib::ParamSpec>> = OnceLock::new();
            PROPERTIES.get_or_init(|| {
                let decibels = |name| glib::ParamSpecDouble::builder(name).minimum(-100.0).maximum(100.0).build();
                vec![decibels("gain"), decibels("ceiling")]
            })
        }

        fn set_property(&self, _id: usize, value: &glib::Value, spec: &glib::ParamSpec) {
            let mut settings = self.settings.lock().unwrap_or_else(PoisonError::into_inner);
            let decibels = value.get().unwrap_or(0.0);
            if spec.name() == "gain" { settings.gain_db = decibels } else { settings.ceiling_db = decibels }
        }

        fn property(&self, _id: usize, spec: &glib::ParamSpec) -> glib::Value {
            let settings = self.settings.lock().unwrap_or_else(PoisonError::into_inner);
            if spec.name() == "gain" { settings.gain_db.to_value() } else { settings.ceiling_db.to_value() }
        }
    }

    impl GstObjectImpl for LevelElement {}

    impl ElementImpl for LevelElement {
        fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
            static METADATA: OnceLock<gst::subclass::ElementMetadata> = OnceLock::new();
            Some(METADATA.get_or_init(|| {
                gst::subclass::ElementMetadata::new("Level", "Filter/Effect/Audio", "Gain and a true-peak limiter", "media-transcoder")
            }))
        }

        fn pad_templates() -> &'static [gst::PadTemplate] {
            static TEMPLATES: OnceLock<Vec<gst::PadTemplate>> = OnceLock::new();
            TEMPLATES.get_or_init(|| {
                let caps = gst::Caps::builder("audio/x-raw").field("format", "F32LE").field("layout", "interleaved").build();
                let template = |name, direction| gst::PadTemplate::new(name, direction, gst::PadPresence::Always, &caps);
                [template("sink", gst::PadDirection::Sink), template("src", gst::PadDirection::Src)].into_iter().flatten().collect()
            })
        }
    }

    impl BaseTransformImpl for LevelElement {
        const MODE: BaseTransformMode = BaseTransformMode::NeverInPlace;
        const PASSTHROUGH_ON_SAME_CAPS: bool = false;
        const TRANSFORM_IP_ON_PASSTHROUGH: bool = false;

        fn set_caps(&self, caps: &gst::Caps, _out: &gst::Caps) -> Result<(), gst::LoggableError> {
            let number = |field: &str| caps.structure(0).and_then(|structure| structure.get::<i32>(field).ok());
            let (channels, rate) = (number("channels").unwrap_or(1).max(1), number("rate").unwrap_or(1).max(1));
            let settings = *self.settings.lock().unwrap_or_else(PoisonError::into_inner);
            let (channels, rate) = (channels.unsigned_abs() as usize, rate.unsigned_abs());
            let limiter = Limiter::new(channels, rate, from_db(settings.gain_db), from_db(settings.ceiling_db));
            *self.stream.lock().unwrap_or_else(PoisonError::into_inner) =
                Some(Stream { limiter, channels, sample_rate: u64::from(rate), start: None, frames_out: 0 });
            Ok(())
        }

        fn unit_size(&self, caps: &gst::Caps) -> Option<usize> {
            let channels = caps.structure(0)?.get::<i32>("channels").ok()?;
            Some(usize::try_from(channels).ok()? * BYTES_PER_SAMPLE)
        }

        fn generate_output(&self) -> Result<GenerateOutputSuccess, gst::FlowError> {
            let Some(input) = self.take_queued_buffer() else { return Ok(GenerateOutputSuccess::NoOutput) };
            let mut stream = self.stream.lock().unwrap_or_else(PoisonError::into_inner);
            let stream = stream.as_mut().ok_or(gst::FlowError::NotNegotiated)?;
            stream.start = stream.start.or(input.pts());
            let bytes = input.map_readable().map_err(|_| gst::FlowError::Error)?;
            let samples = super::super::samples(&bytes);
            let mut ready = Vec::with_capacity(samples.len());
            stream.limiter.process(&samples, &mut ready);
            Ok(stream.buffer(&ready)?.map_or(GenerateOutputSuccess::NoOutput, GenerateOutputSuccess::Buffer))
        }

        fn sink_event(&self, event: gst::Event) -> bool {
            if event.type_() == gst::EventType::Eos {
                let last = {
                    let mut stream = self.stream.lock().unwrap_or_else(PoisonError::into_inner);
                    stream.take().map(|mut stream| {
                        let mut rest = Vec::new();
                        stream.limiter.finish(&mut rest);
                        stream.buffer(&rest)
                    })
                };
                if let Some(Ok(Some(buffer))) = last
                    && let Err(error) = self.obj().src_pad().push(buffer)
                {
                    gst::element_imp_error!(self, gst::StreamError::Failed, ["the last frames were refused: {error}"]);
                    return false;
                }
            }
            self.parent_sink_event(event)
        }
    }
}
