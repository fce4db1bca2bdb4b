//! The shape of the sound for a player to draw: a fixed number of peaks, whatever the length.
//!
//! The object is JSON: `{"version":1,"channels":1,"duration_ms":…,"peaks":[…]}`. A peak is the highest absolute sample of all
//! channels in its share of the time, from 0 to 255 of full scale, as the renditions play it: after the gain. `channels` says
//! how many lists of peaks follow each other in `peaks`, and is 1. Of a file with fewer samples than points, several points
//! repeat one sample.

use serde::Serialize;

use super::failed::Failed;

/// Once there are so many, two and two become one: a point is then never off by more than a fraction of itself.
const BINS_MAX: usize = 1 << 17;

/// Collects peaks while the length is not known.
#[derive(Debug)]
pub struct Peaks {
    channels: usize,
    /// The highest of each so many frames; the last may not be full.
    bins: Vec<f32>,
    frames_per_bin: u64,
    frames: u64,
}

#[derive(Serialize)]
struct Waveform {
    version: u32,
    channels: u32,
    duration_ms: u64,
    peaks: Vec<u8>,
}

impl Peaks {
    pub fn new(channels: usize) -> Self {
        Self { channels: channels.max(1), bins: Vec::new(), frames_per_bin: 1, frames: 0 }
    }

    /// Takes interleaved samples, whole frames.
    pub fn add(&mut self, samples: &[f32]) {
        for frame in samples.chunks_exact(self.channels) {
            let peak = frame.iter().fold(0.0f32, |peak, sample| peak.max(sample.abs()));
            if self.frames.is_multiple_of(self.frames_per_bin) {
                if self.bins.len() == BINS_MAX {
                    self.bins = self.bins.chunks(2).map(|pair| pair.iter().copied().fold(0.0, f32::max)).collect();
                    self.frames_per_bin *= 2;
                }
                self.bins.push(0.0);
            }
            if let Some(bin) = self.bins.last_mut() {
                *bin = bin.max(peak);
            }
            self.frames += 1;
        }
    }

    /// The object's bytes. `gain` is a ratio of amplitudes.
    ///
    /// # Errors
    /// [`Failed`] where JSON cannot be written, which no number of ours does.
    pub fn json(&self, points: u32, sample_rate: u32, gain: f64) -> Result<Vec<u8>, Failed> {
        let rate = u64::from(sample_rate.max(1));
        let duration_ms = (self.frames * 1000 + rate / 2) / rate;
        let peaks = (0..u64::from(points)).map(|point| (f64::from(self.point(point, u64::from(points))) * gain * 255.0).round() as u8);
        let waveform = Waveform { version: 1, channels: 1, duration_ms, peaks: peaks.collect() };
        serde_json::to_vec(&waveform).map_err(|error| Failed::internal(error.to_string()))
    }

    /// The highest of the bins that a point covers, at least one.
    fn point(&self, point: u64, points: u64) -> f32 {
        let bin_at = |point: u64| (u128::from(point) * u128::from(self.frames) / u128::from(points.max(1))) as u64 / self.frames_per_bin;
        let (from, to) = (bin_at(point), bin_at(point + 1));
        let range = from as usize..to.max(from + 1) as usize;
        self.bins.get(range.start..range.end.min(self.bins.len())).unwrap_or_default().iter().copied().fold(0.0, f32::max)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn peaks_of(samples: &[f32], channels: usize, points: u32) -> Vec<u64> {
        let mut peaks = Peaks::new(channels);
        for part in samples.chunks(1000 * channels) {
            peaks.add(part);
        }
        let json: serde_json::Value = serde_json::from_slice(&peaks.json(points, 48_000, 1.0).unwrap()).unwrap();
        json["peaks"].as_array().unwrap().iter().map(|peak| peak.as_u64().unwrap()).collect()
    }

    #[test]
    fn a_point_is_the_loudest_of_all_channels_in_its_share_of_the_time() {
        let mut samples = vec![0.0; 2 * 1000];
        samples[2 * 250 + 1] = -0.5;
        samples[2 * 999] = 1.0;
        assert_eq!(peaks_of(&samples, 2, 10), [0, 0, 128, 0, 0, 0, 0, 0, 0, 255]);
    }

    #[test]
    fn fewer_samples_than_points_are_repeated_and_none_at_all_are_silence() {
        assert_eq!(peaks_of(&[0.0, 1.0], 1, 5), [0, 0, 0, 255, 255]);
        assert_eq!(peaks_of(&[], 1, 3), [0, 0, 0]);
    }

    #[test]
    fn a_long_file_keeps_its_shape_when_bins_are_joined() {
        // silence, then a loud quarter, then silence
        let samples: Vec<f32> =
            (0..BINS_MAX as u32 * 5).map(|n| if (BINS_MAX as u32 * 2..BINS_MAX as u32 * 3).contains(&n) { 0.4 } else { 0.0 }).collect();
        let peaks = peaks_of(&samples, 1, 1800);
        assert_eq!((peaks[718], peaks[722], peaks[1078], peaks[1082]), (0, 102, 102, 0));
    }

    #[test]
    fn what_is_turned_up_beyond_full_scale_is_drawn_at_full_scale() {
        let mut peaks = Peaks::new(1);
        peaks.add(&[0.5]);
        assert!(String::from_utf8(peaks.json(1, 48_000, 4.0).unwrap()).unwrap().ends_with("\"peaks\":[255]}"));
    }

    proptest! {
        #[test]
        fn there_are_always_as_many_points_as_asked_for_and_no_peak_is_lost(samples in proptest::collection::vec(-1.0f32..1.0, 1..5000), points in 1u32..2000) {
            let peaks = peaks_of(&samples, 1, points);
            prop_assert_eq!(peaks.len(), points as usize);
            let loudest = samples.iter().fold(0.0f32, |peak, sample| peak.max(sample.abs()));
            prop_assert_eq!(peaks.iter().max().copied(), Some((f64::from(loudest) * 255.0).round() as u64));
        }
    }
}
