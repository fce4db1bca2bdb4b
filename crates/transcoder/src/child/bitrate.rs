//! What a rung is encoded with: its profile's bitrate, which is that of 16:9 at 30 frames a second, for its own size and rate.

/// More pixels a second need more bits, but not in proportion: neighbours in space and time are alike. (A power of ¾ is what
/// the customary ladders of 16:9 have between their own rungs, from 800 kbit/s of 360p to 14 Mbit/s of 2160p.)
const POWER: f64 = 0.75;
const NOMINAL_FRAMES: f64 = 30.0;
/// A hundred frames a second and a panorama are no reason for more than this.
pub const MOST: f64 = 2.0;
/// Below this x264 leaves out what it must not.
const LEAST_KBPS: f64 = 64.0;

/// The bitrate in kbit/s of a rung of `short_side` that came out as `size`, at so many frames a second; 30 where that is 0.
pub fn follow(kbps: u32, short_side: u32, size: (u32, u32), frame_rate: (u32, u32)) -> u32 {
    let frames = match frame_rate {
        (0, _) | (_, 0) => NOMINAL_FRAMES,
        (numerator, denominator) => f64::from(numerator) / f64::from(denominator),
    };
    let nominal = f64::from(short_side).powi(2) * 16.0 / 9.0 * NOMINAL_FRAMES;
    let share = f64::from(size.0) * f64::from(size.1) * frames / nominal;
    let kbps = (f64::from(kbps) * share.powf(POWER).min(MOST)).max(LEAST_KBPS.min(f64::from(kbps)));
    // From 0 to twice a u32's half, and whole: what profiles allow is far below.
    kbps.round() as u32
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_rung_of_the_nominal_size_and_rate_gets_its_profiles_bitrate() {
        assert_eq!(follow(2800, 720, (1280, 720), (30, 1)), 2800);
        assert_eq!(follow(2800, 720, (720, 1280), (0, 1)), 2800);
    }

    #[test]
    fn slow_and_small_rungs_get_less_and_fast_ones_more() {
        assert!((2300..2400).contains(&follow(2800, 720, (1280, 720), (24, 1))));
        assert!((4600..4800).contains(&follow(2800, 720, (1280, 720), (60, 1))));
        assert!((1200..1260).contains(&follow(2800, 720, (640, 480), (30, 1))));
        assert_eq!(follow(2800, 720, (1280, 720), (1000, 1)), 5600);
        assert_eq!(follow(800, 360, (160, 120), (1, 1)), 64);
    }

    proptest! {
        #[test]
        fn any_size_and_rate_stay_between_the_least_and_twice_the_profiles(kbps in 16u32..240_000, side in 64u32..4320, width: u16, height: u16, rate: (u32, u32)) {
            let got = follow(kbps, side, (width.into(), height.into()), rate);
            prop_assert!((64.min(kbps)..=2 * kbps).contains(&got), "{got}");
        }
    }
}
