//! Measures loudness and true peak by ITU-R BS.1770 and EBU R 128.

use ebur128::{EbuR128, Mode};

use super::super::failed::Failed;

/// What a whole file comes to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measured {
    /// Integrated and gated; minus infinity for silence, and for less than 400 ms.
    pub integrated_lufs: f64,
    pub true_peak_dbtp: f64,
}

/// Listens to interleaved sound.
#[derive(Debug)]
pub struct Meter {
    meter: EbuR128,
    channels: u32,
}

impl Meter {
    /// # Errors
    /// [`Failed`] for a number of channels or a rate that is no sound's: our fault.
    pub fn new(channels: u32, sample_rate: u32) -> Result<Self, Failed> {
        let meter = EbuR128::new(channels, sample_rate, Mode::I | Mode::TRUE_PEAK).map_err(|error| Failed::internal(error.to_string()))?;
        Ok(Self { meter, channels })
    }

    /// # Errors
    /// [`Failed`] for a part of a frame: our fault.
    pub fn add(&mut self, samples: &[f32]) -> Result<(), Failed> {
        self.meter.add_frames_f32(samples).map_err(|error| Failed::internal(error.to_string()))
    }

    /// # Errors
    /// [`Failed`] where nothing can be measured: our fault.
    pub fn measured(&self) -> Result<Measured, Failed> {
        let failed = |error: ebur128::Error| Failed::internal(error.to_string());
        let mut peak = 0.0;
        for channel in 0..self.channels {
            peak = f64::max(peak, self.meter.true_peak(channel).map_err(failed)?);
        }
        Ok(Measured { integrated_lufs: self.meter.loudness_global().map_err(failed)?, true_peak_dbtp: 20.0 * peak.log10() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(seconds: u32, amplitude: f32) -> Vec<f32> {
        (0..48_000 * seconds).flat_map(|n| [amplitude * (std::f32::consts::TAU * 997.0 * n as f32 / 48_000.0).sin(); 2]).collect()
    }

    #[test]
    fn a_tone_at_minus_twenty_decibels_in_both_ears_is_minus_twenty_lufs() {
        // EBU Tech 3341, of a 1000 Hz sine in two channels: as many LUFS as dBFS of its peak
        let mut meter = Meter::new(2, 48_000).unwrap();
        meter.add(&tone(5, 0.1)).unwrap();
        let measured = meter.measured().unwrap();
        assert!((measured.integrated_lufs + 20.0).abs() < 0.1 && (measured.true_peak_dbtp + 20.0).abs() < 0.1, "{measured:?}");
    }

    #[test]
    fn silence_has_no_loudness() {
        let mut meter = Meter::new(2, 48_000).unwrap();
        meter.add(&tone(5, 0.0)).unwrap();
        assert_eq!(meter.measured().unwrap().integrated_lufs, f64::NEG_INFINITY);
    }
}
