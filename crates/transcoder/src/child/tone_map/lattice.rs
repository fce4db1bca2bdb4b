//! What [`Light`] computes, fast enough for every pixel.
//!
//! Of four pixels that share their chroma, the mean is computed with tables for the transfer functions alone; how far each
//! pixel's luma is from the mean's is looked up in a grid of colours. The grid alone would not do: where a colour leaves
//! BT.709, its curve breaks off between two nodes. Pixels on both sides of such an edge are computed one by one.

use gstreamer_video::VideoColorRange;

use super::light::Light;

/// Codes are brought to this many bits.
pub const CODE_BITS: u32 = 10;

const LUMA_STEP_BITS: u32 = 4;
const CHROMA_STEP_BITS: u32 = 5;
const LUMA_STEPS: usize = (1 << (CODE_BITS - LUMA_STEP_BITS)) + 1;
const CHROMA_STEPS: usize = (1 << (CODE_BITS - CHROMA_STEP_BITS)) + 1;
/// Levels in the grid are kept with so many bits behind the point.
const LEVEL_BITS: u32 = 7;
/// Black of limited range.
const BLACK: f32 = 16.0;
/// Pixels that differ by less are of one surface.
const ALIKE_CODES: u16 = 8;
/// What the grid may be off by, in levels, beside what it is off by in the middle.
const SMOOTH_LEVELS: f32 = 1.0;
/// Of the weights of two chromas and a luma together.
const WEIGHT_BITS: u32 = 2 * CHROMA_STEP_BITS + LUMA_STEP_BITS;

/// From 10-bit codes of a source to 8-bit BT.709 of limited range.
pub struct Lattice {
    /// By blue, red, luma.
    luma: Vec<u16>,
    light: Light,
    range: VideoColorRange,
}

/// Four pixels that share their chroma, as they are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    pub luma: [u8; 4],
    pub cb: u8,
    pub cr: u8,
}

impl Lattice {
    pub fn new(light: Light, range: VideoColorRange) -> Self {
        let mut luma = Vec::with_capacity(LUMA_STEPS * CHROMA_STEPS * CHROMA_STEPS);
        for blue in 0..CHROMA_STEPS {
            for red in 0..CHROMA_STEPS {
                for step in 0..LUMA_STEPS {
                    let code = [step << LUMA_STEP_BITS, blue << CHROMA_STEP_BITS, red << CHROMA_STEP_BITS];
                    let shown = light.shown(normal(code.map(|code| code as f32), range));
                    luma.push((luma_level(shown[0]) * (1u32 << LEVEL_BITS) as f32).round() as u16);
                }
            }
        }
        Self { luma, light, range }
    }

    /// Of four pixels with a luma and two chromas each, and the chromas that the four are to have in common.
    pub fn block(&self, pixels: [[u16; 3]; 4], cb: u16, cr: u16) -> Block {
        let mean = pixels.iter().map(|pixel| pixel[0]).sum::<u16>().div_ceil(4);
        let shown = self.light.shown(normal([mean, cb, cr].map(f32::from), self.range));
        let off = luma_level(shown[0]) - self.look_up([mean, cb, cr]);
        let is_smooth = self.is_smooth(&pixels, off);
        let level = |pixel| if is_smooth { self.look_up(pixel) + off } else { self.computed(pixel) };
        Block {
            luma: pixels.map(|pixel| to_byte(level(pixel).max(BLACK))),
            cb: to_byte(128.0 + 224.0 * shown[1]),
            cr: to_byte(128.0 + 224.0 * shown[2]),
        }
    }

    /// Whether the grid is as far off at the darkest and the brightest of four pixels as at their mean. Where they hardly differ,
    /// nobody looks.
    fn is_smooth(&self, pixels: &[[u16; 3]; 4], off: f32) -> bool {
        let darkest = pixels.iter().min_by_key(|pixel| pixel[0]).unwrap_or(&pixels[0]);
        let brightest = pixels.iter().max_by_key(|pixel| pixel[0]).unwrap_or(&pixels[0]);
        let is_near = |pixel: &[u16; 3]| (self.computed(*pixel) - self.look_up(*pixel) - off).abs() < SMOOTH_LEVELS;
        brightest[0] - darkest[0] < ALIKE_CODES || is_near(darkest) && is_near(brightest)
    }

    fn computed(&self, pixel: [u16; 3]) -> f32 {
        luma_level(self.light.shown(normal(pixel.map(f32::from), self.range))[0])
    }

    fn look_up(&self, [code, cb, cr]: [u16; 3]) -> f32 {
        let column = Column::around(cb, cr);
        let mask = (1 << LUMA_STEP_BITS) - 1;
        let (step, past) = (usize::from(code) >> LUMA_STEP_BITS, u32::from(code) & mask);
        let mut sum = 0;
        for (at, weight) in column.at.into_iter().zip(column.weight) {
            let two = &self.luma[at + step..at + step + 2];
            sum += weight * (u32::from(two[0]) * (mask + 1 - past) + u32::from(two[1]) * past);
        }
        sum as f32 * (1.0 / (1u64 << (WEIGHT_BITS + LEVEL_BITS)) as f32)
    }
}

/// Where two chromas lie: the four columns of the grid around them, and how near each is.
struct Column {
    at: [usize; 4],
    weight: [u32; 4],
}

impl Column {
    fn around(cb: u16, cr: u16) -> Self {
        let mask = (1 << CHROMA_STEP_BITS) - 1;
        let split = |code: u16| (usize::from(code) >> CHROMA_STEP_BITS, u32::from(code) & mask);
        let ((blue, past_blue), (red, past_red)) = (split(cb), split(cr));
        let (before_blue, before_red) = (mask + 1 - past_blue, mask + 1 - past_red);
        let first = (blue * CHROMA_STEPS + red) * LUMA_STEPS;
        let next_blue = first + CHROMA_STEPS * LUMA_STEPS;
        Self {
            at: [first, first + LUMA_STEPS, next_blue, next_blue + LUMA_STEPS],
            weight: [before_blue * before_red, before_blue * past_red, past_blue * before_red, past_blue * past_red],
        }
    }
}

fn luma_level(luma: f32) -> f32 {
    BLACK + 219.0 * luma.clamp(0.0, 1.09)
}

/// Rounded; `as` keeps what is too large or too small at its end.
fn to_byte(level: f32) -> u8 {
    (level + 0.5) as u8
}

/// From a 10-bit code to luma from 0 to 1 and chroma from −½ to ½ (ITU-R BT.2100, table 9).
fn normal([luma, cb, cr]: [f32; 3], range: VideoColorRange) -> [f32; 3] {
    let (black, luma_span, chroma_span) = match range {
        VideoColorRange::Range0_255 => (0.0, 1023.0, 1023.0),
        _ => (64.0, 876.0, 896.0),
    };
    [(luma - black) / luma_span, (cb - 512.0) / chroma_span, (cr - 512.0) / chroma_span]
}

#[cfg(test)]
mod tests {
    use gstreamer_video::{
        VideoColorMatrix as Matrix, VideoColorPrimaries as Primaries, VideoColorimetry, VideoTransferFunction as TransferFunction,
    };
    use proptest::prelude::*;

    use super::*;

    const LIMITED: VideoColorRange = VideoColorRange::Range16_235;

    fn pq() -> Light {
        let colorimetry = VideoColorimetry::new(LIMITED, Matrix::Bt2020, TransferFunction::Smpte2084, Primaries::Bt2020);
        Light::of(colorimetry, 1000.0)
    }

    #[test]
    fn each_pixel_of_a_block_is_near_what_is_computed_for_it_alone() {
        let lattice = Lattice::new(pq(), LIMITED);
        for (code, cb, cr) in (64..900).step_by(9).flat_map(|code| [(code, 512, 512), (code, 480, 530), (code, 400, 600)]) {
            let four = [code, code + 8, code + 16, code + 30];
            let block = lattice.block(four.map(|code| [code, cb, cr]), cb, cr);
            for (got, code) in block.luma.into_iter().zip(four) {
                let computed = luma_level(pq().shown(normal([code, cb, cr].map(f32::from), LIMITED))[0]);
                assert!((f32::from(got) - computed).abs() < 2.5, "{code} {cb} {cr}: {got} for {computed}");
            }
            if (cb, cr) == (512, 512) {
                assert!(block.cb.abs_diff(128) <= 1 && block.cr.abs_diff(128) <= 1, "{block:?}");
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(8))]
        #[test]
        fn no_code_leaves_the_tables(codes in proptest::collection::vec((0u16..1024, 0u16..1024, 0u16..1024), 500)) {
            let lattice = Lattice::new(pq(), VideoColorRange::Range0_255);
            for (luma, cb, cr) in codes {
                let block = lattice.block([[luma, cb, cr], [1023 - luma, cr, cb], [0, 1023, 0], [1023, 0, 1023]], cb, cr);
                prop_assert!(block.luma.iter().all(|level| *level >= 15));
            }
        }
    }
}
