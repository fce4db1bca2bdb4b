//! What playlists say of a codec (RFC 6381), from what its parser says.

use gstreamer as gst;

/// Luma samples of a picture, and of a second, that a level takes at the most, and its number in a file.
type Level = (u64, u64, u32);

/// VP9 levels, version 0.6; the numbers are those of the VP codec ISO media binding.
const VP9_LEVELS: &[Level] = &[
    (36_864, 829_440, 10),
    (73_728, 2_764_800, 11),
    (122_880, 4_608_000, 20),
    (245_760, 9_216_000, 21),
    (552_960, 20_736_000, 30),
    (983_040, 36_864_000, 31),
    (2_228_224, 83_558_400, 40),
    (2_228_224, 160_432_128, 41),
    (8_912_896, 311_951_360, 50),
    (8_912_896, 588_251_136, 51),
    (8_912_896, 1_176_502_272, 52),
    (35_651_584, 1_176_502_272, 60),
    (35_651_584, 2_353_004_544, 61),
    (35_651_584, 4_706_009_088, 62),
];

/// AV1 Bitstream & Decoding Process Specification, annex A.3; the numbers are `seq_level_idx`.
const AV1_LEVELS: &[Level] = &[
    (147_456, 4_423_680, 0),
    (278_784, 8_363_520, 1),
    (665_856, 19_975_680, 4),
    (1_065_024, 31_950_720, 5),
    (2_359_296, 70_778_880, 8),
    (2_359_296, 141_557_760, 9),
    (8_912_896, 267_386_880, 12),
    (8_912_896, 534_773_760, 13),
    (8_912_896, 1_069_547_520, 14),
    (35_651_584, 1_069_547_520, 16),
    (35_651_584, 2_139_095_040, 17),
    (35_651_584, 4_278_190_080, 18),
];

/// Such as `avc1.64001f`: for H.264 the three bytes after the version in `avcC`, for AAC the object type in the first five bits of
/// its configuration; Opus has no parameters; VP9 and AV1 name profile, level and depth.
pub fn of(structure: &gst::StructureRef) -> Option<String> {
    match structure.name().as_str() {
        "audio/x-opus" => return Some("opus".to_owned()),
        // Our encoders make 4:2:0 of 8 bit, which is the first profile of either.
        "video/x-vp9" => return Some(format!("vp09.00.{}.08", level(structure, VP9_LEVELS)?)),
        "video/x-av1" => return Some(format!("av01.0.{:02}M.08", level(structure, AV1_LEVELS)?)),
        _ => {}
    }
    let data = structure.get::<gst::Buffer>("codec_data").ok()?;
    let data = data.map_readable().ok()?;
    match (structure.name().as_str(), data.as_slice()) {
        ("video/x-h264", [_, profile, compatible, level, ..]) => Some(format!("avc1.{profile:02x}{compatible:02x}{level:02x}")),
        ("audio/mpeg", [first, ..]) => Some(format!("mp4a.40.{}", first >> 3)),
        _ => None,
    }
}

/// The lowest level that takes size and rate.
fn level(structure: &gst::StructureRef, levels: &[Level]) -> Option<u32> {
    let side = |name: &str| structure.get::<i32>(name).ok().and_then(|side| u64::try_from(side).ok());
    let pixels = side("width")? * side("height")?;
    let rate = structure.get::<gst::Fraction>("framerate").ok().filter(|rate| rate.numer() > 0);
    let rate = rate.map_or(30, |rate| u64::from(rate.numer().unsigned_abs()).div_ceil(u64::from(rate.denom().unsigned_abs().max(1))));
    levels.iter().find(|(picture, second, _)| pixels <= *picture && pixels * rate <= *second).map(|(.., number)| *number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vp9_and_av1_name_the_lowest_level_that_takes_size_and_rate() {
        gst::init().unwrap();
        let of = |codec: &str, width: i32, height: i32, rate: i32| {
            let caps = gst::Structure::builder(codec).field("width", width).field("height", height);
            of(&caps.field("framerate", gst::Fraction::new(rate, 1)).build()).unwrap()
        };
        assert_eq!(of("video/x-vp9", 1280, 720, 30), "vp09.00.31.08");
        assert_eq!(of("video/x-vp9", 1280, 720, 60), "vp09.00.40.08");
        assert_eq!(of("video/x-vp9", 640, 360, 0), "vp09.00.21.08");
        assert_eq!(of("video/x-av1", 640, 360, 30), "av01.0.01M.08");
        assert_eq!(of("video/x-av1", 1920, 1080, 60), "av01.0.09M.08");
    }
}
