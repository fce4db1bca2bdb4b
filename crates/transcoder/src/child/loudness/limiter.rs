//! Turns sound up or down and holds its true peak under a ceiling, without a click: a look-ahead limiter.
//!
//! The gain that each moment needs is taken to its minimum over a window and then averaged over one of the same length, so
//! that it has fallen, slowly, when the peak arrives; from there it recovers. All channels share it: the picture in the
//! room does not move. The peak is that of ITU-R BS.1770, annex 2: between samples too, by four times their rate.

use std::collections::VecDeque;

/// How long before a peak the gain begins to fall.
const ATTACK_S: f64 = 0.005;
/// In which time the gain recovers by two thirds.
const RELEASE_S: f64 = 0.08;
/// Samples that a value between two samples is made of.
const TAPS: usize = 12;
/// How many frames the peak between two samples lags behind the newest.
const PEAK_LAG: usize = TAPS / 2;
/// Frames around a peak that share its gain: it may lie between two.
const AROUND_PEAK: usize = 2;
/// No value between samples is twice as high as all that are around it.
const OVERSHOOT: f32 = 2.0;

/// Works on interleaved frames. What comes out is late by [`Limiter::latency`], and cut by it: the first sample out belongs
/// to the first sample in.
#[derive(Debug)]
pub struct Limiter {
    channels: usize,
    gain: f32,
    ceiling: f32,
    attack: usize,
    release: f64,
    between: [[f32; TAPS]; 3],
    /// The newest frames, turned up, oldest first; as many as the latency and one.
    delayed: VecDeque<f32>,
    /// Minima of the gain wanted: when it was, and how much.
    wanted: VecDeque<(u64, f64)>,
    envelope: f64,
    averaged: VecDeque<f64>,
    sum: f64,
    /// Frames taken.
    taken: u64,
    /// How many further frames have a loud one among those that their peak is made of.
    loud: usize,
}

impl Limiter {
    /// `gain` and `ceiling` are ratios of amplitudes.
    pub fn new(channels: usize, sample_rate: u32, gain: f64, ceiling: f64) -> Self {
        let attack = ((ATTACK_S * f64::from(sample_rate)) as usize).max(1);
        Self {
            channels: channels.max(1),
            gain: gain as f32,
            ceiling: ceiling as f32,
            attack,
            release: 1.0 - (-1.0 / (RELEASE_S * f64::from(sample_rate.max(1)))).exp(),
            between: [0.25, 0.5, 0.75].map(between),
            delayed: VecDeque::new(),
            wanted: VecDeque::new(),
            envelope: 1.0,
            averaged: std::iter::repeat_n(1.0, attack).collect(),
            sum: attack as f64,
            taken: 0,
            loud: 0,
        }
    }

    /// In frames.
    pub fn latency(&self) -> usize {
        self.attack + PEAK_LAG
    }

    /// Takes whole frames, and appends those that are ready.
    pub fn process(&mut self, input: &[f32], output: &mut Vec<f32>) {
        for frame in input.chunks_exact(self.channels) {
            self.take(frame, output);
        }
    }

    /// Appends the frames that are still inside.
    pub fn finish(&mut self, output: &mut Vec<f32>) {
        let silence = vec![0.0; self.channels];
        let inside = (self.latency() as u64).min(self.taken);
        // What never was as long as the latency has put nothing out yet.
        for _ in 0..(self.latency() as u64 - inside) {
            self.take(&silence, &mut Vec::new());
        }
        for _ in 0..inside {
            self.take(&silence, output);
        }
    }

    fn take(&mut self, frame: &[f32], output: &mut Vec<f32>) {
        for sample in frame {
            let sample = if sample.is_finite() { sample * self.gain } else { 0.0 };
            if sample.abs() * OVERSHOOT > self.ceiling {
                self.loud = TAPS;
            }
            self.delayed.push_back(sample);
        }
        self.taken += 1;
        let gain = self.gain_now();
        if self.taken > self.latency() as u64 {
            output.extend(self.delayed.drain(..self.channels).map(|sample| sample * gain));
        }
    }

    /// The gain of the oldest frame that is held.
    fn gain_now(&mut self) -> f32 {
        let peak = if self.loud > 0 { self.peak() } else { 0.0 };
        self.loud = self.loud.saturating_sub(1);
        let wanted = f64::from((self.ceiling / peak.max(self.ceiling)).min(1.0));
        while self.wanted.back().is_some_and(|(_, later)| *later >= wanted) {
            self.wanted.pop_back();
        }
        self.wanted.push_back((self.taken, wanted));
        let window = (self.attack + AROUND_PEAK) as u64;
        while self.wanted.front().is_some_and(|(at, _)| at + window <= self.taken) {
            self.wanted.pop_front();
        }
        let held = self.wanted.front().map_or(1.0, |(_, gain)| *gain);
        self.envelope = if held < self.envelope { held } else { self.envelope + (held - self.envelope) * self.release };
        self.averaged.push_back(self.envelope);
        self.sum += self.envelope - self.averaged.pop_front().unwrap_or(1.0);
        (self.sum / self.attack as f64) as f32
    }

    /// The highest of all channels at and after the frame in the middle of the newest. Before the first there was silence.
    fn peak(&self) -> f32 {
        let frames = self.delayed.len() / self.channels;
        let mut peak = 0.0f32;
        for channel in 0..self.channels {
            let sample = |frame: usize| self.delayed.get(frame * self.channels + channel).copied().unwrap_or(0.0);
            let window: [f32; TAPS] = std::array::from_fn(|tap| (frames + tap).checked_sub(TAPS).map_or(0.0, sample));
            peak = peak.max(window[PEAK_LAG - 1].abs());
            for phase in &self.between {
                peak = peak.max(phase.iter().zip(window).map(|(weight, sample)| weight * sample).sum::<f32>().abs());
            }
        }
        peak
    }
}

/// The weights of the samples around a value that lies `at` of the way from the one in the middle to the next: a sinc
/// under a Hann window.
fn between(at: f64) -> [f32; TAPS] {
    use std::f64::consts::PI;
    let weight = |tap: usize| {
        let distance = tap as f64 - (PEAK_LAG - 1) as f64 - at;
        let sinc = (PI * distance).sin() / (PI * distance);
        sinc * (0.5 + 0.5 * (PI * distance / (PEAK_LAG as f64 + 0.5)).cos())
    };
    let sum: f64 = (0..TAPS).map(weight).sum();
    std::array::from_fn(|tap| (weight(tap) / sum) as f32)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{
        super::{Meter, from_db},
        *,
    };

    const RATE: u32 = 48_000;

    fn limited(input: &[f32], gain_db: f64, ceiling_db: f64) -> Vec<f32> {
        let mut limiter = Limiter::new(2, RATE, from_db(gain_db), from_db(ceiling_db));
        let mut output = Vec::new();
        for part in input.chunks(2 * 997) {
            limiter.process(part, &mut output);
        }
        limiter.finish(&mut output);
        output
    }

    fn true_peak_dbtp(samples: &[f32]) -> f64 {
        let mut meter = Meter::new(2, RATE).unwrap();
        meter.add(samples).unwrap();
        meter.measured().unwrap().true_peak_dbtp
    }

    fn tone(frames: u32, hertz: f64, amplitude: f64) -> Vec<f32> {
        let sample = |n: u32| (amplitude * (std::f64::consts::TAU * hertz * f64::from(n) / f64::from(RATE) + 0.7).sin()) as f32;
        (0..frames).flat_map(|n| [sample(n), 0.5 * sample(n)]).collect()
    }

    #[test]
    fn what_stays_under_the_ceiling_is_only_turned_up() {
        let input = tone(9_000, 440.0, 0.05);
        let output = limited(&input, 12.0, -2.0);
        assert_eq!(output.len(), input.len());
        let gain = from_db(12.0) as f32;
        assert!(input.iter().zip(&output).all(|(before, after)| (before * gain - after).abs() < 1e-5));
    }

    #[test]
    fn a_quarter_of_the_sample_rate_hides_its_peak_between_samples_and_is_held_all_the_same() {
        // 12 kHz sampled at 45 degrees: its samples are 3 dB under its peak
        let input: Vec<f32> = (0..9_000u32).flat_map(|n| [if n % 4 < 2 { 0.7 } else { -0.7 }; 2]).collect();
        assert!(true_peak_dbtp(&input) > -0.5);
        let peak = true_peak_dbtp(&limited(&input, 0.0, -2.0));
        assert!(peak < -1.9, "{peak}");
    }

    #[test]
    fn a_peak_out_of_nothing_is_met_by_a_gain_that_has_already_fallen() {
        let mut input = vec![0.2; 2 * 20_000];
        input[2 * 10_000] = 4.0;
        let output = limited(&input, 0.0, -2.0);
        assert!(true_peak_dbtp(&output) < -1.9);
        let gains: Vec<f32> = input.iter().zip(&output).step_by(2).map(|(before, after)| after / before).collect();
        assert!(gains.windows(2).all(|pair| (pair[0] - pair[1]).abs() < 0.005), "a click");
        assert!(gains[9_999] < 0.25, "it has fallen before: {}", gains[9_999]);
        assert!((gains[9_700] - 1.0).abs() < 1e-4 && (gains[19_999] - 1.0).abs() < 0.15, "and recovers after");
    }

    #[test]
    fn what_is_no_number_becomes_silence() {
        let output = limited(&[f32::NAN, f32::INFINITY, 0.5, f32::NEG_INFINITY], 0.0, -2.0);
        assert_eq!(output, [0.0, 0.0, 0.5, 0.0]);
    }

    proptest! {
        #[test]
        fn nothing_passes_the_ceiling_and_nothing_is_lost(
            input in proptest::collection::vec(-3.0f32..3.0, 0..6000).prop_map(|mut samples| { samples.truncate(samples.len() / 2 * 2); samples }),
            gain_db in -12.0f64..30.0,
        ) {
            let output = limited(&input, gain_db, -2.0);
            prop_assert_eq!(output.len(), input.len());
            prop_assert!(output.iter().all(|sample| sample.abs() <= from_db(-1.99) as f32));
        }
    }
}
