//! How large a rung and a poster become: never larger than the source, in square pixels, even where the codec needs it.

use media_domain::info::VideoInfo;

/// A rung's width and height for a source as it is shown: the short side at most `short_side`, both sides even (4:2:0 has
/// half as many chroma samples each way).
pub fn rung(source: &VideoInfo, short_side: u32) -> (u32, u32) {
    let short = source.short_side().max(1);
    let target = even(short.min(short_side));
    // The nearest even number, and never more than there is.
    let scaled = |side: u32| (2 * scale(side, target, short.saturating_mul(2))).clamp(2, even(side));
    (scaled(source.width), scaled(source.height))
}

/// The size of a picture no wider than `max_width`.
pub fn within(width: u32, height: u32, max_width: u32) -> (u32, u32) {
    let target = width.min(max_width).max(1);
    (target, scale(height, target, width.max(1)).max(1))
}

/// The size of a tile: as wide as asked for, and no more than twice as high.
pub fn tile(width: u32, height: u32, tile_width: u32) -> (u32, u32) {
    let (across, down) = within(width, height, tile_width);
    let most = tile_width.saturating_mul(2);
    if down <= most { (across, down) } else { (scale(width, most, height.max(1)).max(1), most) }
}

/// The size as shown: in square pixels, upright.
pub fn shown(width: u32, height: u32, pixel_aspect: (u32, u32), sideways: bool) -> (u32, u32) {
    let (numerator, denominator) = (pixel_aspect.0.max(1), pixel_aspect.1.max(1));
    let square = scale(width, numerator, denominator);
    if sideways { (height, square) } else { (square, height) }
}

/// `side × numerator ÷ denominator`, rounded.
fn scale(side: u32, numerator: u32, denominator: u32) -> u32 {
    let (n, d) = (u64::from(numerator), u64::from(denominator.max(1)));
    u32::try_from((u64::from(side) * n + d / 2) / d).unwrap_or(u32::MAX)
}

fn even(side: u32) -> u32 {
    (side & !1).max(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn video(width: u32, height: u32) -> VideoInfo {
        VideoInfo { codec: "h264".into(), width, height, frame_rate: (30, 1), ..VideoInfo::default() }
    }

    #[test]
    fn a_rung_keeps_the_shape_and_is_named_by_its_short_side() {
        assert_eq!(rung(&video(1920, 1080), 720), (1280, 720));
        assert_eq!(rung(&video(1080, 1920), 720), (720, 1280));
        assert_eq!(rung(&video(640, 480), 360), (480, 360));
    }

    #[test]
    fn a_rung_is_never_larger_than_its_source_and_always_even() {
        assert_eq!(rung(&video(320, 240), 360), (320, 240));
        assert_eq!(rung(&video(853, 481), 720), (852, 480));
        assert_eq!(rung(&video(427, 240), 360), (426, 240));
        assert_eq!(rung(&video(1920, 1080), 480), (854, 480));
        assert_eq!(rung(&video(1, 1), 360), (2, 2));
    }

    #[test]
    fn a_picture_is_never_wider_than_its_source() {
        assert_eq!(within(4000, 3000, 1280), (1280, 960));
        assert_eq!(within(100, 77, 1280), (100, 77));
        assert_eq!(within(3000, 1, 320), (320, 1));
    }

    #[test]
    fn anamorphic_and_sideways_pictures_are_measured_as_shown() {
        assert_eq!(shown(720, 576, (64, 45), false), (1024, 576));
        assert_eq!(shown(1280, 720, (1, 1), true), (720, 1280));
    }
}
