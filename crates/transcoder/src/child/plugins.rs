//! Loads what the graphs need, by path, before anything is locked: no registry, no scan, so nothing else can be plugged.

use std::path::PathBuf;

use gstreamer as gst;
use gstreamer_video as gst_video;

use super::{complaints, failed::Failed, loudness, tone_map};

/// Files of GStreamer's plugin folder. What is not named here does not exist for a file, whatever it asks for: no URI
/// source, no playlist demuxer.
const PLUGINS: &[&str] = &[
    "coreelements",
    "app",
    // containers
    "isomp4",
    "matroska",
    "mpegtsdemux",
    "mpegpsdemux",
    "avi",
    "flv",
    "ogg",
    "wavparse",
    "aiff",
    "id3demux",
    "typefindfunctions",
    // codecs
    "videoparsersbad",
    "jpegformat",
    "audioparsers",
    "libav",
    "aom",
    "vpx",
    "mpg123",
    "opus",
    "vorbis",
    "flac",
    "alaw",
    "mulaw",
    "x264",
    // pictures and sound
    "videoconvertscale",
    "videorate",
    "videofilter",
    "deinterlace",
    "audioconvert",
    "audioresample",
    "audiorate",
];

/// Starts GStreamer without any plugin.
///
/// # Errors
/// [`Failed`] where it does not start.
pub fn start() -> Result<(), Failed> {
    gst::init().map_err(|error| Failed::internal(error.to_string()))?;
    // A warning would look for the journal's socket; under a lock that is a forbidden call. The bus says what we need.
    gst::log::remove_default_log_function();
    Ok(())
}

/// Loads the plugins, our own filter, and the muxer that is linked in.
///
/// # Errors
/// [`Failed`] naming the plugin that is missing.
pub fn load() -> Result<(), Failed> {
    for name in PLUGINS {
        let path = folder().join(format!("libgst{name}.so"));
        gst::Plugin::load_file(&path).map_err(|error| Failed::internal(format!("{name}: {error}")))?;
    }
    complaints::listen()?;
    tone_map::register().map_err(|error| Failed::internal(format!("tonemap: {error}")))?;
    gstfmp4::plugin_register_static().map_err(|error| Failed::internal(format!("fmp4: {error}")))?;
    loudness::register()
}

/// Debian's place for plugins of this machine's architecture.
fn folder() -> PathBuf {
    PathBuf::from(format!("/usr/lib/{}-linux-gnu/gstreamer-1.0", std::env::consts::ARCH))
}

/// Makes ORC take its one region of executable memory now: later no file may grow (it maps one), and under a lock no
/// memory may become executable. One scaled frame is enough (notes/child.md).
///
/// # Errors
/// [`Failed`] where even that does not work.
pub fn warm_orc() -> Result<(), Failed> {
    let failed = |error: gst::glib::BoolError| Failed::internal(format!("warming: {error}"));
    let info = |side| gst_video::VideoInfo::builder(gst_video::VideoFormat::I420, side, side).build().map_err(failed);
    let (large, small) = (info(64)?, info(32)?);
    let mut config = gst_video::VideoConverterConfig::new();
    config.set_resampler_method(gst_video::VideoResamplerMethod::Lanczos);
    let converter = gst_video::VideoConverter::new(&large, &small, Some(config)).map_err(failed)?;
    let frame = |info: &gst_video::VideoInfo| {
        let buffer = gst::Buffer::with_size(info.size()).map_err(failed)?;
        gst_video::VideoFrame::from_buffer_writable(buffer, info).map_err(|_| Failed::internal("warming: no frame"))
    };
    let (from, mut to) = (frame(&large)?, frame(&small)?);
    converter.frame(&from, &mut to);
    Ok(())
}
