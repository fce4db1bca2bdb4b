//! A decoded frame as rows of RGB, and what it looks like.

use gstreamer as gst;
use gstreamer_video::{self as gst_video, prelude::*};

use super::upright;

/// The part of a pipeline's description that makes frames of this size in RGB of decoded pictures, as they are shown.
pub fn shown_as_rgb(width: u32, height: u32) -> String {
    format!(
        "{} ! videoscale method=lanczos add-borders=false ! video/x-raw,width={width},height={height},pixel-aspect-ratio=1/1 \
         ! videoconvert ! video/x-raw,format=RGB",
        upright::CHAIN
    )
}

/// A frame in memory of our own.
#[derive(Debug)]
pub struct Frame {
    /// Rows without gaps.
    pub rgb: Vec<u8>,
    pub width: u32,
    pub height: u32,
}

impl Frame {
    /// Of a sample in RGB; none where it is something else.
    pub fn of(sample: &gst::Sample) -> Option<Self> {
        let info = gst_video::VideoInfo::from_caps(sample.caps()?).ok()?;
        let frame = gst_video::VideoFrameRef::from_buffer_ref_readable(sample.buffer()?, &info).ok()?;
        let rgb = rows(&frame, usize::try_from(info.width()).ok()? * 3)?.collect::<Vec<_>>().concat();
        Some(Self { rgb, width: info.width(), height: info.height() })
    }

    pub fn look(&self) -> Look {
        let luma = |pixel: &[u8]| 0.2126 * f64::from(pixel[0]) + 0.7152 * f64::from(pixel[1]) + 0.0722 * f64::from(pixel[2]);
        Look::of(self.rgb.chunks_exact(3).step_by(STEP).map(luma))
    }
}

/// The first plane's rows, up to so many bytes of each.
fn rows<'a>(frame: &'a gst_video::VideoFrameRef<&gst::BufferRef>, row_bytes: usize) -> Option<impl Iterator<Item = &'a [u8]>> {
    let stride = usize::try_from(*frame.plane_stride().first()?).ok()?;
    let rows = frame.plane_data(0).ok()?.chunks(stride).take(usize::try_from(frame.info().height()).ok()?);
    Some(rows.filter_map(move |row| row.get(..row_bytes)))
}

/// Every seventh pixel is enough to tell a picture from a wall.
const STEP: usize = 7;

/// What a frame looks like, from 0 to 255.
#[derive(Clone, Copy, Debug, Default)]
pub struct Look {
    /// Mean of the luma.
    pub brightness: f64,
    /// Standard deviation of the luma.
    pub contrast: f64,
}

impl Look {
    /// Of a frame whose first plane is 8-bit luma of limited range.
    pub fn of_luma(buffer: &gst::BufferRef, info: &gst_video::VideoInfo) -> Option<Self> {
        let frame = gst_video::VideoFrameRef::from_buffer_ref_readable(buffer, info).ok()?;
        let rows = rows(&frame, usize::try_from(info.width()).ok()?)?;
        let full = |level: &u8| f64::from(level.saturating_sub(16)) * 255.0 / 219.0;
        Some(Self::of(rows.flat_map(|row| row.iter().step_by(STEP).map(full))))
    }

    fn of(luma: impl Iterator<Item = f64>) -> Self {
        let (mut count, mut sum, mut squares) = (0.0, 0.0, 0.0);
        for luma in luma {
            (count, sum, squares) = (count + 1.0, sum + luma, squares + luma * luma);
        }
        let brightness = sum / f64::max(count, 1.0);
        Self { brightness, contrast: f64::max(squares / f64::max(count, 1.0) - brightness * brightness, 0.0).sqrt() }
    }

    /// Neither black nor flat, and past the first third of a fade from black.
    pub fn is_good(self) -> bool {
        self.brightness >= 40.0 && self.contrast >= 20.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn black_and_flat_frames_are_passed_over_and_a_picture_is_not() {
        let look = |rgb: Vec<u8>| Frame { width: 70, height: 1, rgb }.look();
        let flat = |level: u8| vec![level; 3 * 70];
        let stripes: Vec<u8> = (0..210u32).flat_map(|pixel| [if pixel % 14 < 7 { 200 } else { 40 }; 3]).collect();
        assert!(!look(flat(0)).is_good());
        assert!(!look(flat(255)).is_good());
        assert!(!look(Vec::new()).is_good());
        assert!(look(stripes).is_good());
    }
}
