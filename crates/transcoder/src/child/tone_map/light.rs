//! One colour, from a source's code to BT.709: transfer function, primaries, tone curve.

use gstreamer_video::{
    VideoColorMatrix as Matrix, VideoColorPrimaries as Primaries, VideoColorimetry, VideoTransferFunction as TransferFunction,
};

/// White of BT.709, in cd/m².
const WHITE_NITS: f32 = 100.0;
/// What BT.709 is shown with (ITU-R BT.1886).
const DISPLAY_GAMMA: f32 = 2.4;

/// The display that HLG is meant for, and its gamma there (ITU-R BT.2100, table 5).
const HLG_NITS: f32 = 1000.0;
const HLG_GAMMA: f32 = 1.2;
/// Steps of the tables of the transfer functions.
const STEPS: usize = 4096;

/// How the light of a stream becomes BT.709's.
#[derive(Clone)]
pub struct Light {
    transfer: Transfer,
    /// Shares of red and blue in the luma.
    kr_kb: (f32, f32),
    to_bt709: [[f32; 3]; 3],
    /// What the curve makes of the brightest pixel.
    top: f32,
    /// Of coded values from 0 to 1, in units of white.
    linear: Vec<f32>,
    /// Of square roots of light from 0 to [`ROOT_MAX`], coded for a display of BT.709.
    coded: Vec<f32>,
}

/// Super white has 1.09 times white's code.
const ROOT_MAX: f32 = 1.25;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Transfer {
    Standard,
    /// SMPTE ST 2084.
    Pq,
    /// ARIB STD-B67, and ITU-R BT.2100's step from a scene's light to a display's for each primary alone: as ffmpeg does it.
    Hlg,
}

impl Light {
    pub fn of(colorimetry: VideoColorimetry, peak_nits: f32) -> Self {
        let transfer = match colorimetry.transfer() {
            TransferFunction::Smpte2084 => Transfer::Pq,
            TransferFunction::AribStdB67 => Transfer::Hlg,
            _ => Transfer::Standard,
        };
        let kr_kb = match colorimetry.matrix() {
            Matrix::Bt2020 => (0.2627, 0.0593),
            Matrix::Bt601 => (0.299, 0.114),
            _ => BT709_KR_KB,
        };
        let step = |at: usize| at as f32 / (STEPS - 1) as f32;
        let linear = |value: f32| match transfer {
            Transfer::Standard => value.powf(DISPLAY_GAMMA),
            Transfer::Pq => pq_nits(value) / WHITE_NITS,
            Transfer::Hlg => HLG_NITS / WHITE_NITS * hlg_scene(value).powf(HLG_GAMMA),
        };
        Self {
            transfer,
            kr_kb,
            to_bt709: product(&inverse(&to_xyz(BT709)), &to_xyz(chromaticities(colorimetry.primaries()))),
            top: hable(peak_nits / WHITE_NITS),
            linear: (0..STEPS).map(|at| linear(step(at))).collect(),
            coded: (0..STEPS).map(|at| (step(at) * ROOT_MAX).powf(2.0 / DISPLAY_GAMMA)).collect(),
        }
    }

    /// From luma (0 to 1) and two chromas (−½ to ½) to those of BT.709.
    pub fn shown(&self, code: [f32; 3]) -> [f32; 3] {
        let rgb = to_rgb(code, self.kr_kb).map(|value| at(&self.linear, value));
        let light = apply(&self.to_bt709, rgb);
        let scale = match self.transfer {
            Transfer::Standard => 1.0,
            Transfer::Pq | Transfer::Hlg => {
                let brightest = light[0].max(light[1]).max(light[2]).max(1e-6);
                (hable(brightest) / self.top).min(1.0) / brightest
            }
        };
        to_code(light.map(|light| at(&self.coded, (light * scale).max(0.0).sqrt() / ROOT_MAX)), BT709_KR_KB)
    }
}

/// Whether light is not BT.709's.
pub fn is_other(colorimetry: VideoColorimetry) -> bool {
    let is_high = matches!(colorimetry.transfer(), TransferFunction::Smpte2084 | TransferFunction::AribStdB67);
    let is_known = matches!(colorimetry.matrix(), Matrix::Bt2020 | Matrix::Bt601 | Matrix::Bt709);
    is_known && (is_high || chromaticities(colorimetry.primaries()) != BT709)
}

/// A table's value at a place from 0 to 1, that of its end where it lies outside. Between two steps it is on the line from one
/// to the other: dark light has few steps, and colour is a difference of it.
fn at(table: &[f32], place: f32) -> f32 {
    let step = (place * (STEPS - 1) as f32).clamp(0.0, (STEPS - 1) as f32);
    let index = (step as usize).min(STEPS - 2);
    table[index] + (table[index + 1] - table[index]) * (step - index as f32)
}

/// SMPTE ST 2084, equation 4.1.
fn pq_nits(value: f32) -> f32 {
    let (m1, m2, c1, c2, c3) = (0.159_301_76, 78.84375, 0.8359375, 18.851_563, 18.6875);
    let power = value.clamp(0.0, 1.0).powf(1.0 / m2);
    10_000.0 * ((power - c1).max(0.0) / (c2 - c3 * power)).powf(1.0 / m1)
}

/// The inverse OETF of ITU-R BT.2100, table 5.
fn hlg_scene(value: f32) -> f32 {
    let (a, b, c) = (0.178_832_77, 0.284_668_92, 0.559_910_7);
    let value = value.clamp(0.0, 1.1);
    if value <= 0.5 { value * value / 3.0 } else { (((value - c) / a).exp() + b) / 12.0 }
}

/// John Hable's curve ("Uncharted 2"), with the constants that ffmpeg has.
fn hable(light: f32) -> f32 {
    let (a, b, c, d, e, f) = (0.15, 0.50, 0.10, 0.20, 0.02, 0.30);
    // `(x(ax + bc) + de) / (x(ax + b) + df) − e/f` on one denominator: the difference of two nearly equal numbers would be
    // noise in the dark.
    light * (light * a * (f - e) + b * (c * f - e)) / (f * (light * (light * a + b) + d * f))
}

const BT709_KR_KB: (f32, f32) = (0.2126, 0.0722);

fn to_rgb([luma, cb, cr]: [f32; 3], (kr, kb): (f32, f32)) -> [f32; 3] {
    let (red, blue) = (luma + 2.0 * (1.0 - kr) * cr, luma + 2.0 * (1.0 - kb) * cb);
    [red, (luma - kr * red - kb * blue) / (1.0 - kr - kb), blue]
}

fn to_code([red, green, blue]: [f32; 3], (kr, kb): (f32, f32)) -> [f32; 3] {
    let luma = kr * red + (1.0 - kr - kb) * green + kb * blue;
    [luma, (blue - luma) / (2.0 * (1.0 - kb)), (red - luma) / (2.0 * (1.0 - kr))]
}

/// x and y of red, green and blue. White is D65 for all that are known here.
type Chromaticities = [(f32, f32); 3];

const BT709: Chromaticities = [(0.64, 0.33), (0.30, 0.60), (0.15, 0.06)];
const D65: (f32, f32) = (0.3127, 0.3290);

/// ITU-T H.273, table 2. What is not known there, or has another white, is taken for BT.709.
fn chromaticities(primaries: Primaries) -> Chromaticities {
    match primaries {
        Primaries::Bt470bg => [(0.64, 0.33), (0.29, 0.60), (0.15, 0.06)],
        Primaries::Smpte170m | Primaries::Smpte240m => [(0.630, 0.340), (0.310, 0.595), (0.155, 0.070)],
        Primaries::Bt2020 => [(0.708, 0.292), (0.170, 0.797), (0.131, 0.046)],
        // Display P3, which phones record in
        Primaries::Smpteeg432 => [(0.680, 0.320), (0.265, 0.690), (0.150, 0.060)],
        _ => BT709,
    }
}

fn to_xyz(primaries: Chromaticities) -> [[f32; 3]; 3] {
    let column = |(x, y): (f32, f32)| [x / y, 1.0, (1.0 - x - y) / y];
    let [red, green, blue] = primaries.map(column);
    let rows: [[f32; 3]; 3] = std::array::from_fn(|row| [red[row], green[row], blue[row]]);
    let gains = apply(&inverse(&rows), column(D65));
    rows.map(|row| std::array::from_fn(|at| row[at] * gains[at]))
}

fn apply(matrix: &[[f32; 3]; 3], vector: [f32; 3]) -> [f32; 3] {
    matrix.map(|row| row.iter().zip(vector).map(|(a, b)| a * b).sum())
}

fn product(left: &[[f32; 3]; 3], right: &[[f32; 3]; 3]) -> [[f32; 3]; 3] {
    left.map(|row| std::array::from_fn(|column| (0..3).map(|at| row[at] * right[at][column]).sum()))
}

fn inverse(m: &[[f32; 3]; 3]) -> [[f32; 3]; 3] {
    let cofactor = |row: usize, column: usize| {
        let (r1, r2, c1, c2) = ((row + 1) % 3, (row + 2) % 3, (column + 1) % 3, (column + 2) % 3);
        m[r1][c1] * m[r2][c2] - m[r1][c2] * m[r2][c1]
    };
    let determinant: f32 = (0..3).map(|column| m[0][column] * cofactor(0, column)).sum();
    std::array::from_fn(|row| std::array::from_fn(|column| cofactor(column, row) / determinant))
}

#[cfg(test)]
mod tests {
    use gstreamer_video::VideoColorRange as Range;

    use super::*;

    fn colorimetry(matrix: Matrix, transfer: TransferFunction, primaries: Primaries) -> VideoColorimetry {
        VideoColorimetry::new(Range::Range16_235, matrix, transfer, primaries)
    }

    fn wide(transfer: TransferFunction) -> Light {
        Light::of(colorimetry(Matrix::Bt2020, transfer, Primaries::Bt2020), 1000.0)
    }

    fn is_near(one: [f32; 3], other: [f32; 3], within: f32) -> bool {
        one.iter().zip(other).all(|(a, b)| (a - b).abs() < within)
    }

    #[test]
    fn light_that_is_bt709_already_needs_no_map() {
        assert!(!is_other(colorimetry(Matrix::Bt601, TransferFunction::Bt709, Primaries::Bt709)));
        assert!(!is_other(colorimetry(Matrix::Bt709, TransferFunction::Srgb, Primaries::Unknown)));
        assert!(is_other(colorimetry(Matrix::Bt601, TransferFunction::Bt709, Primaries::Smpte170m)));
    }

    #[test]
    fn the_transfer_functions_meet_their_published_values() {
        assert!((pq_nits(1.0) - 10_000.0).abs() < 1e-6 && pq_nits(0.0) < 1e-6);
        assert!((pq_nits(0.508_078) - 100.0).abs() < 0.1, "{}", pq_nits(0.508_078));
        assert!((hlg_scene(0.5) - 1.0 / 12.0).abs() < 1e-6 && (hlg_scene(1.0) - 1.0).abs() < 1e-6);
    }

    #[test]
    fn grey_stays_grey_and_brighter_light_stays_brighter() {
        for transfer in [TransferFunction::Smpte2084, TransferFunction::AribStdB67, TransferFunction::Bt709] {
            let light = wide(transfer);
            let greys: Vec<[f32; 3]> = (0..=100u8).map(|level| light.shown([f32::from(level) / 100.0, 0.0, 0.0])).collect();
            assert!(greys.iter().all(|grey| grey[1].abs() < 1e-3 && grey[2].abs() < 1e-3), "{transfer:?}");
            assert!(greys.is_sorted_by(|a, b| a[0] <= b[0] + 1e-6), "{transfer:?} {greys:?}");
            assert!(greys[0][0] < 0.01 && (0.99..1.1).contains(&greys[100][0]), "{transfer:?} {greys:?}");
        }
    }

    #[test]
    fn the_red_of_bt709_inside_bt2020_comes_out_as_it_was() {
        let light = wide(TransferFunction::Bt709);
        let wide = apply(&product(&inverse(&to_xyz(chromaticities(Primaries::Bt2020))), &to_xyz(BT709)), [1.0, 0.0, 0.0]);
        let code = to_code(wide.map(|light| light.max(0.0).powf(1.0 / DISPLAY_GAMMA)), (0.2627, 0.0593));
        assert!(is_near(light.shown(code), to_code([1.0, 0.0, 0.0], BT709_KR_KB), 0.002));
    }
}
