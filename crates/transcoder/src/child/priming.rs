//! An encoder's delay, signalled: the samples that come before the sound begins are left out by an edit list.
//!
//! An AAC encoder needs 1,024 samples of run-up, an Opus encoder says its own number in `dOps`. In the file they stand
//! before the time that they belong to, and a player that does not know plays everything late: 21 ms of AAC at 48 kHz.
//! `edts/elst` with one entry (ISO/IEC 14496-12, 8.6.6; allowed in CMAF by ISO/IEC 23000-19, 7.5.13) is what Chromium's,
//! Firefox' and Apple's readers of fragmented files honour. The muxer writes an `elst` outside of any `edts`, which only
//! ffmpeg finds, so it is told not to.

use super::failed::Failed;

/// Of ffmpeg's AAC encoder: one frame (`initial_padding`).
const AAC_SAMPLES: u64 = 1024;
/// `pre_skip` counts samples of this rate, whatever the sound's (RFC 7845, 5.1).
const OPUS_RATE: u64 = 48_000;
const NANOSECONDS: u64 = 1_000_000_000;

/// An init section that says what is to be left out.
#[derive(Debug, PartialEq, Eq)]
pub struct Signalled {
    pub init: Vec<u8>,
    /// How much is left out at the begin, in nanoseconds.
    pub priming_ns: u64,
}

/// Adds the edit list to the init section of a track of sound; that of pictures stays as it is.
///
/// # Errors
/// [`Failed`] where the section is not what the muxer writes: our fault.
pub fn signal(init: Vec<u8>) -> Result<Signalled, Failed> {
    let broken = || Failed::internal("an init section that cannot be read");
    let whole = 0..init.len();
    let moov = find(&init, whole, b"moov").ok_or_else(broken)?;
    let trak = find(&init, moov.inside(), b"trak").ok_or_else(broken)?;
    let mdia = find(&init, trak.inside(), b"mdia").ok_or_else(broken)?;
    let timescale = timescale(&init, &mdia).ok_or_else(broken)?;
    let Some((samples, rate)) = delay(&init, &mdia) else { return Ok(Signalled { init, priming_ns: 0 }) };
    let rate = if rate == 0 { timescale } else { rate };
    let media_time = samples * timescale / rate;

    let list = edit_list(media_time);
    let mut with = Vec::with_capacity(init.len() + list.len());
    with.extend(&init[..mdia.start]);
    with.extend(&list);
    with.extend(&init[mdia.start..]);
    for outer in [&moov, &trak] {
        let size = u32::try_from(outer.end - outer.start + list.len()).map_err(|_| broken())?;
        with[outer.start..outer.start + 4].copy_from_slice(&size.to_be_bytes());
    }
    Ok(Signalled { init: with, priming_ns: samples * NANOSECONDS / rate })
}

/// Leaves the run-up out of a file that is not fragmented: its muxer wrote an edit list for each track, which begins with the
/// run-up. What is no sound stays as it is.
///
/// # Errors
/// [`Failed`] where the index is not what the muxer writes: our fault.
pub fn leave_out(front: &mut [u8]) -> Result<(), Failed> {
    let broken = || Failed::internal("an index that cannot be read");
    let moov = find(front, 0..front.len(), b"moov").ok_or_else(broken)?;
    let movie_scale = scale_of(front, moov.inside(), b"mvhd").ok_or_else(broken)?;
    let mut at = moov.inside();
    while let Some(trak) = find(front, at.clone(), b"trak") {
        at = trak.end..moov.end;
        let mdia = find(front, trak.inside(), b"mdia").ok_or_else(broken)?;
        let Some((samples, rate)) = delay(front, &mdia) else { continue };
        let scale = timescale(front, &mdia).ok_or_else(broken)?;
        let rate = if rate == 0 { scale } else { rate };
        let list = find(front, trak.inside(), b"edts").and_then(|edts| find(front, edts.inside(), b"elst")).ok_or_else(broken)?;
        // Version 0: length, begin and speed of four bytes each; the last entry is the one that shows something.
        let entry = list.end.checked_sub(12).filter(|entry| *entry >= list.start + 16 && front[list.start + 8] == 0).ok_or_else(broken)?;
        let (length, begin) = u32_at(front, entry).zip(u32_at(front, entry + 4)).ok_or_else(broken)?;
        let left_out = u32::try_from(samples * movie_scale / rate).map_err(|_| broken())?;
        let begin = begin.checked_add(u32::try_from(samples * scale / rate).map_err(|_| broken())?).ok_or_else(broken)?;
        front[entry..entry + 4].copy_from_slice(&length.saturating_sub(left_out).to_be_bytes());
        front[entry + 4..entry + 8].copy_from_slice(&begin.to_be_bytes());
    }
    Ok(())
}

/// One entry, of a length that is not known yet (0 in a fragmented file), at normal speed.
fn edit_list(media_time: u64) -> Vec<u8> {
    let mut list = Vec::with_capacity(44);
    list.extend(44u32.to_be_bytes());
    list.extend(b"edts");
    list.extend(36u32.to_be_bytes());
    list.extend(b"elst");
    // version 1, no flags, one entry
    list.extend(0x0100_0000u32.to_be_bytes());
    list.extend(1u32.to_be_bytes());
    list.extend(0u64.to_be_bytes());
    list.extend(media_time.to_be_bytes());
    list.extend(0x0001_0000u32.to_be_bytes());
    list
}

/// How many samples of which rate are run-up; of the track's own rate where that is 0. None for pictures.
fn delay(init: &[u8], mdia: &Place) -> Option<(u64, u64)> {
    let stbl = find(init, find(init, mdia.inside(), b"minf")?.inside(), b"stbl")?;
    let stsd = find(init, stbl.inside(), b"stsd")?;
    // A full box, and the number of entries.
    let entries = stsd.start + 16..stsd.end;
    if find(init, entries.clone(), b"mp4a").is_some() {
        return Some((AAC_SAMPLES, 0));
    }
    let opus = find(init, entries, b"Opus")?;
    // The fields of an AudioSampleEntry come before the boxes in it.
    let specific = find(init, opus.start + 36..opus.end, b"dOps")?;
    let pre_skip = init.get(specific.start + 10..specific.start + 12)?;
    Some((u64::from(u16::from_be_bytes(pre_skip.try_into().ok()?)), OPUS_RATE))
}

fn timescale(init: &[u8], mdia: &Place) -> Option<u64> {
    scale_of(init, mdia.inside(), b"mdhd")
}

/// Units a second, by `mdhd` of a track or `mvhd` of the whole.
fn scale_of(init: &[u8], within: std::ops::Range<usize>, header: &[u8; 4]) -> Option<u64> {
    let header = find(init, within, header)?;
    let at = header.start + if init.get(header.start + 8) == Some(&1) { 28 } else { 20 };
    u32_at(init, at).map(u64::from).filter(|scale| *scale > 0)
}

/// Where a box with its header lies.
#[derive(Clone, Debug)]
struct Place {
    start: usize,
    end: usize,
}

impl Place {
    fn inside(&self) -> std::ops::Range<usize> {
        self.start + 8..self.end
    }
}

fn find(bytes: &[u8], within: std::ops::Range<usize>, name: &[u8; 4]) -> Option<Place> {
    let mut at = within.start;
    while at + 8 <= within.end {
        let size = u32_at(bytes, at)? as usize;
        let end = at.checked_add(size).filter(|end| size >= 8 && *end <= within.end)?;
        if bytes.get(at + 4..at + 8)? == name {
            return Some(Place { start: at, end });
        }
        at = end;
    }
    None
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at + 4)?.try_into().ok().map(u32::from_be_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn boxed(name: &[u8; 4], inside: &[u8]) -> Vec<u8> {
        [&(inside.len() as u32 + 8).to_be_bytes(), name.as_slice(), inside].concat()
    }

    fn init(entry: &[u8]) -> Vec<u8> {
        let mdhd = boxed(b"mdhd", &[[0; 12].as_slice(), &48_000u32.to_be_bytes(), &[0; 8]].concat());
        let stsd = boxed(b"stsd", &[[0; 8].as_slice(), entry].concat());
        let mdia = boxed(b"mdia", &[mdhd, boxed(b"minf", &boxed(b"stbl", &stsd))].concat());
        let moov = boxed(b"moov", &[boxed(b"mvhd", &[0; 20]), boxed(b"trak", &[boxed(b"tkhd", &[0; 20]), mdia].concat())].concat());
        [boxed(b"ftyp", b"cmf2"), moov].concat()
    }

    fn media_time(init: &[u8]) -> u64 {
        let moov = find(init, 0..init.len(), b"moov").unwrap();
        let trak = find(init, moov.inside(), b"trak").unwrap();
        let list = find(init, find(init, trak.inside(), b"edts").unwrap().inside(), b"elst").unwrap();
        u64::from_be_bytes(init[list.start + 24..list.start + 32].try_into().unwrap())
    }

    #[test]
    fn aac_leaves_out_one_frame_and_opus_what_it_says_itself() {
        let aac = signal(init(&boxed(b"mp4a", &[0; 28]))).unwrap();
        assert_eq!((media_time(&aac.init), aac.priming_ns), (1024, 21_333_333));
        let dops = boxed(b"dOps", &[0, 2, 1, 56, 0, 0, 0, 0, 0, 0, 0]);
        let opus = signal(init(&boxed(b"Opus", &[[0; 28].as_slice(), &dops].concat()))).unwrap();
        assert_eq!((media_time(&opus.init), opus.priming_ns), (312, 6_500_000));
    }

    #[test]
    fn pictures_are_left_alone_and_what_is_no_init_section_is_refused() {
        let pictures = init(&boxed(b"avc1", &[0; 78]));
        assert_eq!(signal(pictures.clone()), Ok(Signalled { init: pictures.clone(), priming_ns: 0 }));
        for cut in 0..pictures.len() {
            assert!(signal(pictures[..cut].to_vec()).is_err(), "{cut}");
        }
    }
}
