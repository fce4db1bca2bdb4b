//! How loud an audio file is, and what is done about it: measured by EBU R 128, then turned up or down, then held below a
//! true peak.

mod element;
mod limiter;
mod meter;

pub use element::{FACTORY, register};
pub use meter::{Measured, Meter};

/// What the sound of an audio file is brought to before it is encoded, in LUFS. The renditions are to be heard at −16 (that
/// of podcasts and mobile players, AES TD1008): encoders lose up to 0.3 LU of it.
pub const TARGET_LUFS: f64 = -15.8;
/// True peak before encoding, in dBTP. What is heard is to stay under −1: speech in 64 kbit/s of AAC
/// comes out with peaks 2.2 dB higher than it went in.
pub const CEILING_DBTP: f64 = -4.0;
/// The most that anything is turned up by, in dB: what was recorded at −46 LUFS still reaches the target.
pub const MAX_GAIN_DB: f64 = 30.0;
/// What is quieter than this is no programme but the noise of a room, and stays as it is. Silence has no loudness at all.
const QUIETEST_LUFS: f64 = -60.0;

/// How much sound has to be turned up, in dB; below 0, down.
pub fn gain_db(measured: Measured) -> f64 {
    if measured.integrated_lufs >= QUIETEST_LUFS { (TARGET_LUFS - measured.integrated_lufs).min(MAX_GAIN_DB) } else { 0.0 }
}

/// Whether sound that is turned up by so much would pass the ceiling.
pub fn needs_limiting(measured: Measured, gain_db: f64) -> bool {
    measured.true_peak_dbtp + gain_db > CEILING_DBTP
}

/// A ratio of amplitudes.
pub fn from_db(db: f64) -> f64 {
    10f64.powf(db / 20.0)
}

/// The samples of a buffer of 32-bit floats. What is no number is silence.
pub fn samples(bytes: &[u8]) -> Vec<f32> {
    let sample = |four: &[u8]| four.try_into().map(f32::from_le_bytes).ok().filter(|sample| sample.is_finite()).unwrap_or(0.0);
    bytes.chunks_exact(4).map(sample).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(integrated_lufs: f64) -> Measured {
        Measured { integrated_lufs, true_peak_dbtp: -1.0 }
    }

    #[test]
    fn what_is_loud_is_turned_down_and_what_is_quiet_is_turned_up_by_thirty_decibels_at_the_most() {
        assert_eq!([-5.8, TARGET_LUFS, -37.8, -45.8, -55.0].map(|lufs| gain_db(measured(lufs)).round()), [-10.0, 0.0, 22.0, 30.0, 30.0]);
    }

    #[test]
    fn silence_and_the_noise_of_a_room_stay_what_they_are() {
        assert_eq!([-60.1, -90.0, f64::NEG_INFINITY].map(|lufs| gain_db(measured(lufs))), [0.0; 3]);
    }
}
