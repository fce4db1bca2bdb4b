//! The fragments of one CMAF object: where each lies, how long it plays, and the bit rates that follow.

use crate::ManifestError;

const MICROS_PER_SECOND: u64 = 1_000_000;

/// One fragment of an object: what is fetched at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fragment {
    /// From the start of the object, in bytes.
    pub offset: u64,
    /// In bytes.
    pub size: u64,
    pub duration_us: u64,
    /// From its start to the end of its first sample, in bytes, where that is a keyframe; 0 where it is none, and where it was never
    /// counted.
    pub keyframe_bytes: u64,
}

/// The index of one object. Its init section is at the start and its fragments follow without a gap to the end, so that
/// every byte belongs to exactly one range; each holds something and plays for some time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FragmentIndex {
    init_bytes: u64,
    fragments: Vec<Fragment>,
}

impl FragmentIndex {
    /// # Errors
    /// [`ManifestError::BrokenIndex`] where what is given cannot be the index of one whole object.
    pub fn new(init_bytes: u64, fragments: Vec<Fragment>) -> Result<Self, ManifestError> {
        let broken = |fragment, what| Err(ManifestError::BrokenIndex { fragment, what });
        if init_bytes == 0 {
            return broken(0, "there is no init section");
        }
        if fragments.is_empty() {
            return broken(0, "there is no fragment");
        }
        let (mut end, mut duration_us) = (init_bytes, 0_u64);
        for (number, fragment) in fragments.iter().enumerate() {
            if fragment.offset != end {
                return broken(number, "it does not begin where the one before ends");
            }
            if fragment.size == 0 || fragment.duration_us == 0 {
                return broken(number, "it is empty");
            }
            if fragment.keyframe_bytes > fragment.size {
                return broken(number, "its first sample ends behind it");
            }
            match (end.checked_add(fragment.size), duration_us.checked_add(fragment.duration_us)) {
                (Some(next_end), Some(sum)) => (end, duration_us) = (next_end, sum),
                _ => return broken(number, "its size or duration is beyond all measure"),
            }
        }
        Ok(Self { init_bytes, fragments })
    }

    /// The init section lies at the start of the object.
    pub fn init_bytes(&self) -> u64 {
        self.init_bytes
    }

    pub fn fragments(&self) -> &[Fragment] {
        &self.fragments
    }

    /// The size that the object has to have.
    pub fn object_bytes(&self) -> u64 {
        self.init_bytes + self.fragments.iter().map(|fragment| fragment.size).sum::<u64>()
    }

    pub fn duration_us(&self) -> u64 {
        self.fragments.iter().map(|fragment| fragment.duration_us).sum()
    }

    /// The longest fragment, rounded to whole seconds and at least 1: what RFC 8216 (4.3.3.1) calls the target duration.
    pub fn target_duration_seconds(&self) -> u64 {
        let longest = self.fragments.iter().map(|fragment| fragment.duration_us).max().unwrap_or(0);
        (longest.saturating_add(MICROS_PER_SECOND / 2) / MICROS_PER_SECOND).max(1)
    }

    /// The average segment bit rate of RFC 8216 (4.1), in bits per second, rounded up.
    pub fn average_bps(&self) -> u64 {
        self.mean(|fragment| fragment.size)
    }

    /// The peak segment bit rate of RFC 8216 (4.1), in bits per second, rounded up: the largest of any run of fragments
    /// that plays for 0.5 to 1.5 target durations, and never less than the average.
    pub fn peak_bps(&self) -> u64 {
        self.peak(|fragment| fragment.size)
    }

    /// Whether every fragment begins with a keyframe that can be fetched alone.
    pub fn has_keyframes(&self) -> bool {
        self.fragments.iter().all(|fragment| fragment.keyframe_bytes > 0)
    }

    /// As [`FragmentIndex::average_bps`], of the fragments' keyframes alone.
    pub fn keyframes_average_bps(&self) -> u64 {
        self.mean(|fragment| fragment.keyframe_bytes)
    }

    /// As [`FragmentIndex::peak_bps`], of the fragments' keyframes alone.
    pub fn keyframes_peak_bps(&self) -> u64 {
        self.peak(|fragment| fragment.keyframe_bytes)
    }

    fn mean(&self, bytes: fn(&Fragment) -> u64) -> u64 {
        bits_per_second(self.fragments.iter().map(bytes).sum(), self.duration_us())
    }

    fn peak(&self, bytes: fn(&Fragment) -> u64) -> u64 {
        let target_us = self.target_duration_seconds().saturating_mul(MICROS_PER_SECOND);
        let (shortest, longest) = (target_us / 2, target_us.saturating_add(target_us / 2));
        let mut peak = self.mean(bytes);
        for start in 0..self.fragments.len() {
            let (mut sum, mut duration_us) = (0, 0);
            for fragment in &self.fragments[start..] {
                sum += bytes(fragment);
                duration_us += fragment.duration_us;
                if duration_us > longest {
                    break;
                }
                if duration_us >= shortest {
                    peak = peak.max(bits_per_second(sum, duration_us));
                }
            }
        }
        peak
    }
}

fn bits_per_second(bytes: u64, duration_us: u64) -> u64 {
    let bits_by_micros = u128::from(bytes) * 8 * u128::from(MICROS_PER_SECOND);
    u64::try_from(bits_by_micros.div_ceil(u128::from(duration_us.max(1)))).unwrap_or(u64::MAX)
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// An index from sizes and durations, laid out without a gap.
    pub(crate) fn laid_out(init_bytes: u64, fragments: &[(u64, u64)]) -> FragmentIndex {
        let mut offset = init_bytes;
        let fragments = fragments
            .iter()
            .map(|&(size, duration_us)| {
                let fragment = Fragment { offset, size, duration_us, keyframe_bytes: size.div_ceil(10) };
                offset += size;
                fragment
            })
            .collect();
        FragmentIndex::new(init_bytes, fragments).unwrap()
    }

    prop_compose! {
        pub(crate) fn any_index()(
            init_bytes in 1_u64..2_000,
            fragments in prop::collection::vec((1_u64..50_000_000, 1_u64..12_000_000), 1..60),
        ) -> FragmentIndex {
            laid_out(init_bytes, &fragments)
        }
    }

    /// Peak and average of RFC 8216, 4.1, as they are read there.
    pub(crate) fn recomputed(index: &FragmentIndex, bytes: fn(&Fragment) -> u64) -> (f64, f64) {
        let rate = |run: &[Fragment]| {
            let seconds = run.iter().map(|fragment| fragment.duration_us).sum::<u64>() as f64 / 1e6;
            (seconds, run.iter().map(bytes).sum::<u64>() as f64 * 8.0 / seconds)
        };
        let target = index.target_duration_seconds() as f64;
        let average = rate(index.fragments()).1;
        let mut peak = average;
        for start in 0..index.fragments().len() {
            for end in start + 1..=index.fragments().len() {
                let (seconds, rate) = rate(&index.fragments()[start..end]);
                if (0.5 * target..=1.5 * target).contains(&seconds) {
                    peak = peak.max(rate);
                }
            }
        }
        (peak, average)
    }

    #[test]
    fn the_peak_is_of_the_heaviest_run_and_the_average_of_all() {
        let index = laid_out(700, &[(750_000, 6_000_000), (1_500_000, 6_000_000), (750_000, 6_000_000)]);
        assert_eq!(index.target_duration_seconds(), 6);
        assert_eq!(index.average_bps(), 1_333_334);
        assert_eq!(index.peak_bps(), 2_000_000);
    }

    #[test]
    fn a_last_fragment_that_is_too_short_to_count_alone_counts_with_its_neighbour() {
        let index = laid_out(700, &[(600_000, 6_000_000), (600_000, 1_000_000)]);
        assert_eq!(index.peak_bps(), (1_200_000_u64 * 8).div_ceil(7));
    }

    #[test]
    fn one_fragment_of_a_tenth_of_a_second_has_its_own_rate() {
        let index = laid_out(700, &[(1_000, 100_000)]);
        assert_eq!((index.target_duration_seconds(), index.peak_bps(), index.average_bps()), (1, 80_000, 80_000));
    }

    #[test]
    fn a_gap_an_overlap_and_emptiness_are_refused() {
        let fragment = |offset, size, duration_us| Fragment { offset, size, duration_us, keyframe_bytes: 0 };
        for (init_bytes, fragments, at) in [
            (0, vec![fragment(0, 1, 1)], 0),
            (10, vec![], 0),
            (10, vec![fragment(11, 1, 1)], 0),
            (10, vec![fragment(10, 5, 1), fragment(14, 5, 1)], 1),
            (10, vec![fragment(10, 0, 1)], 0),
            (10, vec![fragment(10, 1, 0)], 0),
            (10, vec![fragment(10, u64::MAX, 1)], 0),
            (10, vec![Fragment { keyframe_bytes: 6, ..fragment(10, 5, 1) }], 0),
        ] {
            let error = FragmentIndex::new(init_bytes, fragments).unwrap_err();
            assert!(matches!(error, ManifestError::BrokenIndex { fragment, .. } if fragment == at), "{error}");
        }
    }

    proptest! {
        #[test]
        fn the_peak_is_the_largest_rate_of_any_run_of_the_length_that_counts_and_the_average_that_of_all(index in any_index()) {
            let near = |found: u64, expected: f64| (found as f64 - expected).abs() <= 1.0 + expected * 1e-9;
            let (peak, average) = recomputed(&index, |fragment| fragment.size);
            prop_assert!(near(index.peak_bps(), peak) && near(index.average_bps(), average), "{:?} {} {}", index, peak, average);
            let (peak, average) = recomputed(&index, |fragment| fragment.keyframe_bytes);
            prop_assert!(near(index.keyframes_peak_bps(), peak) && near(index.keyframes_average_bps(), average));
        }
    }
}
