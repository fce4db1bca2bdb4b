//! Whether a film's own stream can be a rung as it is: what an MP4's sample tables say of its keyframes and its bitrate
//! (ISO/IEC 14496-12, 8.6 and 8.7).
//!
//! Rungs are cut at the first frame of every two seconds, and players change from one to another there. So a stream is
//! taken only if it has keyframes at just those frames, and groups of pictures that need nothing before them.

use std::collections::BTreeMap;

use media_domain::info::OwnStream;

use super::{
    boxes::{self, ReadAt, Track},
    failed::Failed,
    graphs::keyframes,
};

/// Twelve hours of 60 frames a second, with some room. A longer film is encoded.
const FRAMES_MAX: u32 = 3_000_000;
const INTERVAL_MS: u64 = keyframes::INTERVAL.mseconds();
/// Of one table.
const TABLE_BYTES_MAX: u64 = 8 * FRAMES_MAX as u64 + 16;

/// What a track's tables say, where its stream could be a rung.
///
/// # Errors
/// [`Failed`] where the file cannot be read; tables that are missing or contradict each other are no stream of ours.
pub fn own_stream(file: &impl ReadAt, number: u32) -> Result<Option<OwnStream>, Failed> {
    let Some(track) = boxes::track(file, number)? else { return Ok(None) };
    Ok(Tables::read(file, &track)?.and_then(|tables| tables.judge()))
}

/// One track's samples, in the order that they are decoded in.
#[derive(Debug)]
struct Tables {
    samples: Vec<Sample>,
}

#[derive(Clone, Copy, Debug)]
struct Sample {
    /// When it is shown, in nanoseconds of the file's time, rounded as the demuxer does it.
    shown: u64,
    bytes: u32,
    is_keyframe: bool,
}

impl Tables {
    fn read(file: &impl ReadAt, track: &Track) -> Result<Option<Self>, Failed> {
        let table = |name: &[u8; 4]| track.table(file, name, TABLE_BYTES_MAX);
        let (Some(sizes), Some(times), Some(keyframes)) = (table(b"stsz")?, table(b"stts")?, table(b"stss")?) else { return Ok(None) };
        Ok(Self::of((track.scale, track.start), &sizes, &times, table(b"ctts")?.as_deref(), &keyframes))
    }

    /// From units a second, what is shown first, and the insides of `stsz`, `stts`, `ctts` and `stss`. None where the first
    /// picture is not what is shown first: the demuxer's clock would begin elsewhere.
    fn of((scale, start): (u32, u64), sizes: &[u8], times: &[u8], offsets: Option<&[u8]>, keyframes: &[u8]) -> Option<Self> {
        let count = number(sizes, 2).filter(|count| (1..=FRAMES_MAX).contains(count))? as usize;
        let alike = number(sizes, 1).filter(|bytes| *bytes > 0);
        let mut decoded = Runs::new(times);
        let mut offset = offsets.map(Runs::new);
        let mut samples = Vec::with_capacity(count);
        let nanoseconds = |ticks: u64| u64::try_from(u128::from(ticks) * 1_000_000_000 / u128::from(scale.max(1))).ok();
        let start = nanoseconds(start)?;
        let mut time = 0i64;
        for at in 0..count {
            let later = match &mut offset {
                // Signed where the version is 1; those of version 0 fit, too.
                Some(runs) => i64::from(runs.next()?.cast_signed()),
                None => 0,
            };
            let bytes = alike.or_else(|| number(sizes, 3 + at))?;
            let shown = nanoseconds(u64::try_from(time.checked_add(later)?).ok()?)?.checked_sub(start)?;
            samples.push(Sample { shown, bytes, is_keyframe: false });
            time = time.checked_add(i64::from(decoded.next()?))?;
        }
        for at in 0..number(keyframes, 1)? as usize {
            samples.get_mut(number(keyframes, 2 + at)?.checked_sub(1)? as usize)?.is_keyframe = true;
        }
        let begins_at_once = samples.iter().any(|sample| sample.shown == 0);
        begins_at_once.then_some(Self { samples })
    }

    fn judge(&self) -> Option<OwnStream> {
        (self.are_groups_closed() && self.are_keyframes_in_place()).then(|| self.bitrate())
    }

    /// Whether nothing behind a keyframe is shown before it.
    fn are_groups_closed(&self) -> bool {
        let mut from = 0;
        self.samples.iter().all(|sample| {
            if sample.is_keyframe {
                from = sample.shown;
            }
            sample.shown >= from
        })
    }

    /// Whether the first frame of every two seconds is a keyframe.
    fn are_keyframes_in_place(&self) -> bool {
        let mut firsts = BTreeMap::<u64, Sample>::new();
        for sample in &self.samples {
            firsts.entry(interval(sample.shown)).and_modify(|first| *first = earlier(*first, *sample)).or_insert(*sample);
        }
        firsts.values().all(|first| first.is_keyframe)
    }

    fn bitrate(&self) -> OwnStream {
        let mut intervals = BTreeMap::<u64, u64>::new();
        for sample in &self.samples {
            *intervals.entry(interval(sample.shown)).or_default() += u64::from(sample.bytes);
        }
        let lasts_ms = self.samples.iter().map(|sample| sample.shown / 1_000_000).max().unwrap_or(0).max(INTERVAL_MS);
        let all: u64 = intervals.values().sum();
        let peak = intervals.values().copied().max().unwrap_or(0);
        let kbps = |bytes: u64, ms: u64| u32::try_from(bytes.saturating_mul(8) / ms).unwrap_or(u32::MAX);
        OwnStream { mean_kbps: kbps(all, lasts_ms), peak_kbps: kbps(peak, INTERVAL_MS) }
    }
}

fn interval(shown: u64) -> u64 {
    shown / keyframes::INTERVAL.nseconds()
}

fn earlier(one: Sample, other: Sample) -> Sample {
    if other.shown < one.shown { other } else { one }
}

/// Numbers that are written as a count and a value each, behind version and number of entries.
struct Runs<'a> {
    entries: std::slice::ChunksExact<'a, u8>,
    left: u32,
    value: u32,
}

impl<'a> Runs<'a> {
    fn new(table: &'a [u8]) -> Self {
        Self { entries: table.get(8..).unwrap_or_default().chunks_exact(8), left: 0, value: 0 }
    }

    fn next(&mut self) -> Option<u32> {
        while self.left == 0 {
            let entry = self.entries.next()?;
            (self.left, self.value) = (number(entry, 0)?, number(entry, 1)?);
        }
        self.left -= 1;
        Some(self.value)
    }
}

/// The number at a place of a table of 32-bit numbers; the first is version and flags.
fn number(table: &[u8], place: usize) -> Option<u32> {
    table.get(4 * place..4 * place + 4)?.try_into().ok().map(u32::from_be_bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn numbers(numbers: &[u32]) -> Vec<u8> {
        numbers.iter().flat_map(|number| number.to_be_bytes()).collect()
    }

    /// Frames of 1/30 s and 1000 bytes, with keyframes at these places, counted from 1.
    fn film(frames: u32, keyframes: &[u32], offsets: Option<&[u32]>) -> Option<OwnStream> {
        let stsz = numbers(&[0, 1000, frames]);
        let stts = numbers(&[0, 1, frames, 1000]);
        let stss = numbers(&[&[0, keyframes.len() as u32], keyframes].concat());
        let ctts = offsets.map(|offsets| numbers(&[&[0, offsets.len() as u32 / 2], offsets].concat()));
        Tables::of((30_000, 0), &stsz, &stts, ctts.as_deref(), &stss)?.judge()
    }

    #[test]
    fn a_keyframe_every_two_seconds_makes_a_rung_and_more_of_them_too() {
        let own = OwnStream { mean_kbps: 241, peak_kbps: 240 };
        assert_eq!(film(180, &[1, 61, 121], None), Some(own));
        assert_eq!(film(180, &[1, 31, 61, 91, 121, 151], None), Some(own));
    }

    #[test]
    fn a_keyframe_that_is_missing_or_late_makes_none() {
        assert_eq!(film(180, &[1, 61], None), None);
        assert_eq!(film(180, &[1, 62, 121], None), None);
        assert_eq!(film(180, &[1, 60, 119], None), None);
    }

    #[test]
    fn an_open_group_of_pictures_makes_none() {
        // The picture behind the second keyframe is shown before it.
        let reordered = [60, 2000, 1, 3000, 1, 1000, 118, 2000];
        assert_eq!(film(180, &[1, 61, 121], Some(&reordered)), None);
        assert_eq!(film(180, &[1, 61, 121], Some(&[180, 2000])), None, "pictures that begin later than the file");
    }

    proptest! {
        #[test]
        fn arbitrary_tables_are_no_panic(sizes: Vec<u8>, times: Vec<u8>, offsets: Option<Vec<u8>>, keyframes: Vec<u8>, scale: u32, start: u64) {
            let count = numbers(&[0, 7, 20]);
            for sizes in [sizes, count] {
                if let Some(tables) = Tables::of((scale, start), &sizes, &times, offsets.as_deref(), &keyframes) {
                    let _judged: Option<OwnStream> = tables.judge();
                }
            }
        }
    }
}
