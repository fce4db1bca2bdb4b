//! What ffmpeg's decoders say in their log, and nowhere else: that a frame came out patched up.
//!
//! A decoder that lost a part of a frame fills it with what was there before, and hands it out like any other: counting frames
//! shows nothing. Of H.264, MPEG-4 and their kin the log says so for each such frame ("concealing …", `error_resilience.c`), of
//! ProRes for each slice. Other errors are no proof: good files have them, too. Beside a frame that is missing they are one.

use std::{
    cell::Cell,
    sync::atomic::{AtomicU64, Ordering},
};

use gstreamer as gst;

use super::{failed::Failed, tally};

/// What a message begins with that tells of a frame with a hole in it.
const PATCHED: [&str; 2] = ["concealing ", "invalid plane data size"];

static PATCHED_FRAMES: AtomicU64 = AtomicU64::new(0);
static ERRORS: AtomicU64 = AtomicU64::new(0);

thread_local! {
    /// Whether sound is decoded in this thread: its decoders have the same log.
    static IS_OF_SOUND: Cell<bool> = const { Cell::new(false) };
}

/// Says of the thread behind a pad that it decodes sound.
pub fn are_of_sound(pad: &gst::Pad) {
    tally::each_buffer(pad, |_, _| IS_OF_SOUND.set(true));
}

/// Listens from now on. There is one decoder of pictures in a process.
///
/// # Errors
/// [`Failed`] where the decoders have no log.
pub fn listen() -> Result<(), Failed> {
    let libav = gst::DebugCategory::get("libav").ok_or_else(|| Failed::internal("ffmpeg's decoders have no log"))?;
    libav.set_threshold(gst::DebugLevel::Info);
    gst::log::set_active(true);
    let _function = gst::log::add_log_function(|category, level, _, _, _, _, message| {
        if category.name() != "libav" || IS_OF_SOUND.get() {
            return;
        }
        let text = message.get().map(|text| text.to_string()).unwrap_or_default();
        if PATCHED.iter().any(|begin| text.starts_with(begin)) {
            PATCHED_FRAMES.fetch_add(1, Ordering::Relaxed);
        } else if level == gst::DebugLevel::Error {
            ERRORS.fetch_add(1, Ordering::Relaxed);
        }
    });
    Ok(())
}

/// Frames that came out with a hole that was filled.
pub fn patched_frames() -> u64 {
    PATCHED_FRAMES.load(Ordering::Relaxed)
}

/// Other errors.
pub fn errors() -> u64 {
    ERRORS.load(Ordering::Relaxed)
}
