//! The element `tonemap`: pictures of high dynamic range, of a wide gamut or of another television's primaries become BT.709
//! in 8 bit and 4:2:0, those of full range get limited; all others pass untouched and uncopied.
//!
//! GStreamer's own converter makes them grey or nearly black (notes/gstreamer.md, 3). The curve is Hable's, as ffmpeg's
//! `tonemap=hable:desat=0` applies it in linear light with 100 cd/m² as white. How that is done for every
//! pixel is the [`lattice`]'s matter.

mod lattice;
mod light;
mod planes;

use gstreamer::{self as gst, glib};

glib::wrapper! {
    /// See the module.
    pub struct ToneMap(ObjectSubclass<imp::ToneMap>)
        @extends gstreamer_video::VideoFilter, gstreamer_base::BaseTransform, gst::Element, gst::Object;
}

/// Makes `tonemap` known to descriptions of pipelines.
///
/// # Errors
/// Where GStreamer refuses it.
pub fn register() -> Result<(), glib::BoolError> {
    use glib::prelude::*;
    gst::Element::register(None, "tonemap", gst::Rank::NONE, ToneMap::static_type())
}

mod imp {
    use std::{
        str::FromStr,
        sync::{Mutex, OnceLock, PoisonError},
    };

    use gstreamer_base::subclass::{BaseTransformMode, prelude::*};
    use gstreamer_video::{
        VideoColorMatrix, VideoColorRange, VideoColorimetry, VideoContentLightLevel, VideoFormat, VideoFormatInfo, VideoFrameRef,
        VideoInfo, VideoMasteringDisplayInfo, subclass::prelude::*,
    };

    use super::{
        glib, gst,
        lattice::Lattice,
        light::{self, Light},
        planes,
    };

    /// Where the stream says nothing of its brightest pixel: what HLG is made for, and most PQ is mastered to.
    const PEAK_NITS: f32 = 1000.0;
    /// Mastering displays are described in ten thousandths of a cd/m² (SMPTE ST 2086).
    const MASTERING_UNIT_NITS: f32 = 1e-4;

    #[derive(Default)]
    pub struct ToneMap {
        /// None while pictures pass untouched.
        change: Mutex<Option<Change>>,
    }

    /// What is done to pictures.
    enum Change {
        Map(Lattice),
        /// From full range to limited, and nothing else: 1.22's converter takes two ranges of one matrix for the same.
        Narrow,
    }

    /// Which change pictures of some caps need.
    #[derive(Clone, Copy, PartialEq, Eq)]
    enum Need {
        Map,
        Narrow,
    }

    #[glib::object_subclass]
    impl ObjectSubclass for ToneMap {
        const NAME: &'static str = "MediaToneMap";
        type Type = super::ToneMap;
        type ParentType = gstreamer_video::VideoFilter;
    }

    impl ObjectImpl for ToneMap {}
    impl GstObjectImpl for ToneMap {}

    impl ElementImpl for ToneMap {
        fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
            static METADATA: OnceLock<gst::subclass::ElementMetadata> = OnceLock::new();
            Some(METADATA.get_or_init(|| {
                gst::subclass::ElementMetadata::new(
                    "Tone mapping",
                    "Filter/Converter/Video",
                    "Other light becomes BT.709 in 8 bit",
                    "media-transcoder",
                )
            }))
        }

        fn pad_templates() -> &'static [gst::PadTemplate] {
            static TEMPLATES: OnceLock<Vec<gst::PadTemplate>> = OnceLock::new();
            TEMPLATES.get_or_init(|| {
                let raw = gst::Caps::new_empty_simple("video/x-raw");
                let pad = |name, direction| gst::PadTemplate::new(name, direction, gst::PadPresence::Always, &raw);
                [pad("sink", gst::PadDirection::Sink), pad("src", gst::PadDirection::Src)].into_iter().flatten().collect()
            })
        }
    }

    impl BaseTransformImpl for ToneMap {
        const MODE: BaseTransformMode = BaseTransformMode::NeverInPlace;
        const PASSTHROUGH_ON_SAME_CAPS: bool = true;
        const TRANSFORM_IP_ON_PASSTHROUGH: bool = false;

        fn transform_caps(&self, direction: gst::PadDirection, caps: &gst::Caps, filter: Option<&gst::Caps>) -> Option<gst::Caps> {
            let mut other = gst::Caps::new_empty();
            if let Some(other) = other.get_mut() {
                for structure in caps.iter() {
                    let mut structure = structure.to_owned();
                    match direction {
                        gst::PadDirection::Sink => {
                            let need = need(&structure);
                            if need == Some(Need::Map) {
                                structure.set("format", VideoFormat::I420.to_str());
                                structure.remove_fields(["mastering-display-info", "content-light-level"]);
                            }
                            if need.is_some() {
                                structure.set("colorimetry", "bt709");
                            }
                        }
                        // Whatever downstream takes may have been mapped from any format and any light.
                        _ => structure.remove_fields(["format", "colorimetry", "chroma-site"]),
                    }
                    other.append_structure(structure);
                }
            }
            Some(filter.map_or_else(|| other.clone(), |filter| filter.intersect_with_mode(&other, gst::CapsIntersectMode::First)))
        }
    }

    impl VideoFilterImpl for ToneMap {
        fn set_info(&self, caps: &gst::Caps, info: &VideoInfo, _out: &gst::Caps, _out_info: &VideoInfo) -> Result<(), gst::LoggableError> {
            let change = match caps.structure(0).and_then(need) {
                Some(Need::Map) => {
                    Some(Change::Map(Lattice::new(Light::of(info.colorimetry(), peak_nits(caps)), info.colorimetry().range())))
                }
                Some(Need::Narrow) => Some(Change::Narrow),
                None => None,
            };
            *self.change.lock().unwrap_or_else(PoisonError::into_inner) = change;
            Ok(())
        }

        fn transform_frame(
            &self,
            from: &VideoFrameRef<&gst::BufferRef>,
            to: &mut VideoFrameRef<&mut gst::BufferRef>,
        ) -> Result<gst::FlowSuccess, gst::FlowError> {
            match self.change.lock().unwrap_or_else(PoisonError::into_inner).as_ref().ok_or(gst::FlowError::NotNegotiated)? {
                Change::Map(lattice) => planes::map(lattice, from, to),
                Change::Narrow => planes::narrow(from, to),
            }
            .ok_or(gst::FlowError::Error)?;
            Ok(gst::FlowSuccess::Ok)
        }
    }

    /// What pictures of these caps need before a converter is right about them: nothing, or else they can be read here.
    fn need(structure: &gst::StructureRef) -> Option<Need> {
        let format = VideoFormatInfo::from_format(known(VideoFormat::from_string(structure.get::<&str>("format").ok()?))?);
        let colorimetry = VideoColorimetry::from_str(structure.get::<&str>("colorimetry").ok()?).ok()?;
        let is_wide = colorimetry.matrix() == VideoColorMatrix::Bt709 && colorimetry.range() == VideoColorRange::Range0_255;
        let is_deep = format.depth().first().is_some_and(|depth| *depth > 8);
        let need = if light::is_other(colorimetry) || is_wide && is_deep {
            Need::Map
        } else if is_wide {
            Need::Narrow
        } else {
            return None;
        };
        planes::are_readable(&format).then_some(need)
    }

    fn known(format: VideoFormat) -> Option<VideoFormat> {
        (format != VideoFormat::Unknown).then_some(format)
    }

    /// The brightest pixel, as the stream tells it: of the film, or else of the display that it was made on.
    fn peak_nits(caps: &gst::CapsRef) -> f32 {
        let content = VideoContentLightLevel::from_caps(caps).map_or(0.0, |level| f32::from(level.max_content_light_level()));
        let mastering = VideoMasteringDisplayInfo::from_caps(caps)
            .map_or(0.0, |display| display.max_display_mastering_luminance() as f32 * MASTERING_UNIT_NITS);
        [content, mastering].into_iter().find(|nits| *nits > 0.0).unwrap_or(PEAK_NITS).clamp(100.0, 10_000.0)
    }
}
