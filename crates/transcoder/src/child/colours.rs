//! What colours a picture track is in: the bitstream's word, then the container's, then what players guess.
//!
//! GStreamer would take the container's word first, and its own guess calls 4K without a word BT.2020. What is told
//! downstream is normal: every transfer function of standard range is called BT.709's, because all are shown alike, so that
//! pictures which need no conversion are not copied.

use std::str::FromStr;

use gstreamer as gst;
use gstreamer_video::{
    VideoColorMatrix as Matrix, VideoColorPrimaries as Primaries, VideoColorRange as Range, VideoColorimetry,
    VideoTransferFunction as Transfer,
};
use media_domain::info::HighRange;

/// From this width on, or above this height, colours nobody speaks of are those of high definition.
const HD_WIDTH: i32 = 1280;
const SD_HEIGHT: i32 = 576;

/// What caps say of colours.
pub fn of(caps: &gst::CapsRef) -> Option<VideoColorimetry> {
    VideoColorimetry::from_str(caps.structure(0)?.get::<&str>("colorimetry").ok()?).ok()
}

/// A copy without any word on colours.
pub fn without(caps: &gst::CapsRef) -> gst::Caps {
    let mut silent = caps.to_owned();
    if let Some(structure) = silent.make_mut().structure_mut(0) {
        structure.remove_field("colorimetry");
    }
    silent
}

/// The caps of decoded pictures with colours that are whole. `container` is what stands around the bitstream.
pub fn completed(decoded: &gst::CapsRef, container: Option<VideoColorimetry>) -> gst::Caps {
    let mut caps = decoded.to_owned();
    if let Some(structure) = caps.make_mut().structure_mut(0) {
        let size = |field| structure.get::<i32>(field).unwrap_or(0);
        let whole = complete(of(decoded), container, size("width"), size("height"));
        let is_rgb = structure
            .get::<&str>("format")
            .is_ok_and(|format| gstreamer_video::VideoFormatInfo::from_format(gstreamer_video::VideoFormat::from_string(format)).is_rgb());
        if !is_rgb {
            structure.set("colorimetry", whole.to_string());
        }
    }
    caps
}

/// The range of light of a parsed track, where it is high. A bitstream that says nothing leaves it to its container.
pub fn range_of(parsed: &gst::CapsRef, container: Option<VideoColorimetry>) -> Option<HighRange> {
    match complete(of(parsed), container, 0, 0).transfer() {
        Transfer::Smpte2084 => Some(HighRange::Pq),
        Transfer::AribStdB67 => Some(HighRange::Hlg),
        _ => None,
    }
}

/// Whether a parsed track's colours are those of our rungs: BT.709, limited range.
pub fn are_of_rungs(parsed: &gst::CapsRef, container: Option<VideoColorimetry>) -> bool {
    let side = |field| parsed.structure(0).and_then(|structure| structure.get::<i32>(field).ok()).unwrap_or(0);
    let whole = complete(of(parsed), container, side("width"), side("height"));
    whole == VideoColorimetry::new(Range::Range16_235, Matrix::Bt709, Transfer::Bt709, Primaries::Bt709)
}

fn complete(bitstream: Option<VideoColorimetry>, container: Option<VideoColorimetry>, width: i32, height: i32) -> VideoColorimetry {
    let words = [bitstream, container];
    let known = |matrix: Matrix| !matches!(matrix, Matrix::Unknown | Matrix::Rgb);
    let matrix = words.iter().flatten().map(VideoColorimetry::matrix).find(|matrix| known(*matrix));
    let primaries = words.iter().flatten().map(VideoColorimetry::primaries).find(|primaries| *primaries != Primaries::Unknown);
    let transfer = words.iter().flatten().map(VideoColorimetry::transfer).find(|transfer| *transfer != Transfer::Unknown);
    let transfer = match transfer {
        Some(high @ (Transfer::Smpte2084 | Transfer::AribStdB67)) => high,
        _ => Transfer::Bt709,
    };
    let is_high = transfer != Transfer::Bt709;
    let matrix = matrix.unwrap_or(match primaries {
        Some(Primaries::Bt2020) => Matrix::Bt2020,
        None if is_high => Matrix::Bt2020,
        Some(Primaries::Bt470bg | Primaries::Smpte170m) => Matrix::Bt601,
        _ if width >= HD_WIDTH || height > SD_HEIGHT => Matrix::Bt709,
        _ => Matrix::Bt601,
    });
    let primaries = primaries.unwrap_or(if matrix == Matrix::Bt2020 { Primaries::Bt2020 } else { Primaries::Bt709 });
    // A decoder that was told nothing says "limited": its "full" is a word, its "limited" alone is none.
    let is_silent = |word: &&VideoColorimetry| word.matrix() == Matrix::Unknown && word.range() != Range::Range0_255;
    let range = words.iter().flatten().find(|word| !is_silent(word)).map(VideoColorimetry::range);
    let range = if range == Some(Range::Range0_255) { Range::Range0_255 } else { Range::Range16_235 };
    VideoColorimetry::new(range, matrix, transfer, primaries)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Option<VideoColorimetry> {
        gst::init().ok()?;
        VideoColorimetry::from_str(text).ok()
    }

    fn told(bitstream: Option<&str>, container: Option<&str>, width: i32, height: i32) -> String {
        complete(bitstream.and_then(words), container.and_then(words), width, height).to_string()
    }

    #[test]
    fn colours_nobody_speaks_of_are_guessed_by_the_size() {
        assert_eq!(told(None, None, 640, 480), "2:4:5:1");
        assert_eq!(told(Some("2:0:0:0"), None, 720, 576), "2:4:5:1");
        assert_eq!(told(Some("2:0:0:0"), None, 1280, 720), "bt709");
        assert_eq!(told(None, None, 3840, 2160), "bt709");
    }

    #[test]
    fn the_bitstream_is_believed_before_the_container_and_the_container_before_a_guess() {
        assert_eq!(told(Some("bt2100-pq"), Some("bt709"), 1920, 1080), "bt2100-pq");
        assert_eq!(told(Some("2:0:0:0"), Some("bt2100-hlg"), 1920, 1080), "bt2100-hlg");
        assert_eq!(told(None, Some("1:3:5:1"), 1920, 1080), "1:3:5:1");
        assert_eq!(told(Some("1:0:0:0"), None, 640, 480), "1:4:5:1");
    }

    #[test]
    fn what_is_shown_alike_is_called_alike() {
        assert_eq!(told(Some("2:3:16:1"), None, 1920, 1080), "bt709");
        assert_eq!(told(Some("2:3:7:1"), None, 1920, 1080), "bt709");
    }
}
