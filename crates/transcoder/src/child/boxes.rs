//! What an MP4 says that GStreamer tells nobody: how many frames it promises, without which a file that was cut off looks
//! whole, and how its pictures are turned, mirrored ones included. The few boxes that hold it are read here (ISO/IEC 14496-12).

use super::{failed::Failed, source::Source};

/// More boxes than this beside each other are no file that a camera made.
const BOXES_MAX: usize = 4096;
/// Longest header of a box whose fields are read here.
const FIELDS_BYTES: u64 = 64;
/// A track's header is longer: its matrix stands behind everything else.
const TRACK_HEADER_BYTES: u64 = 104;
/// An edit list that is longer shows parts anyway.
const EDITS_BYTES: u64 = 1024;

/// Reads a file at any place.
pub trait ReadAt {
    fn size(&self) -> u64;
    fn read_at(&self, offset: u64, length: u64) -> Result<Vec<u8>, Failed>;
}

impl ReadAt for Source {
    fn size(&self) -> u64 {
        Source::size(self)
    }

    fn read_at(&self, offset: u64, length: u64) -> Result<Vec<u8>, Failed> {
        self.bytes(offset, length)
    }
}

/// How many frames of a track will be read, where the file says so: not where it is fragmented, and not where an edit list
/// shows parts of it.
///
/// # Errors
/// [`Failed`] where the file cannot be read; what is no MP4 is just no promise.
pub fn frames_promised(file: &impl ReadAt, track: u32) -> Result<Option<u64>, Failed> {
    let Some(moov) = child(file, Span { start: 0, end: file.size() }, b"moov")? else { return Ok(None) };
    if child(file, moov, b"mvex")?.is_some() {
        return Ok(None);
    }
    let Some(trak) = trak(file, moov, track)? else { return Ok(None) };
    let Some(stbl) = path(file, trak, &[b"mdia", b"minf", b"stbl"])? else { return Ok(None) };
    let Some(sizes) = child(file, stbl, b"stsz")? else { return Ok(None) };
    let count = u32_at(&file.read_at(sizes.start, 12)?, 8).map(u64::from).filter(|count| *count > 0);
    match (count, child(file, trak, b"edts")?) {
        (Some(count), Some(edts)) => frames_shown(file, moov, trak, edts, stbl, count),
        (count, _) => Ok(count),
    }
}

/// Of a track with an edit list: all but those before and after the one piece that is shown, if frames are equally long.
fn frames_shown(file: &impl ReadAt, moov: Span, trak: Span, edts: Span, stbl: Span, count: u64) -> Result<Option<u64>, Failed> {
    let (Some(mvhd), Some(mdhd)) = (child(file, moov, b"mvhd")?, path(file, trak, &[b"mdia", b"mdhd"])?) else { return Ok(None) };
    let (Some(movie), Some(media)) = (Times::read(file, mvhd)?, Times::read(file, mdhd)?) else { return Ok(None) };
    let Some((start, shown)) = only_edit(file, edts)? else { return Ok(None) };
    // Pictures are shown later than they are decoded, by what the first of them says.
    let delay = first_number(file, stbl, b"ctts", 12)?.unwrap_or(0);
    let shown = u128::from(shown) * u128::from(media.scale) / u128::from(movie.scale.max(1));
    let end = u128::from(start) + shown;
    let before = u128::from(start).saturating_sub(u128::from(delay));
    let after = if shown == 0 { 0 } else { u128::from(media.duration).saturating_sub(end) };
    if before == 0 && after == 0 {
        return Ok(Some(count));
    }
    let is_constant = first_number(file, stbl, b"stts", 4)?.is_some_and(|entries| entries <= 2);
    let frames_of = |time: u128| (time * u128::from(count)).div_ceil(u128::from(media.duration.max(1)));
    let left_out = u64::try_from(frames_of(before) + frames_of(after)).unwrap_or(u64::MAX);
    Ok(Some(count.saturating_sub(left_out)).filter(|_| is_constant))
}

/// Another duration of the movie, as bytes and their place, where an edit list shows what lies behind the real one in its
/// media: 1.22's demuxer takes both for the same time, and would stop too early.
///
/// # Errors
/// [`Failed`] where the file cannot be read.
pub fn longer_duration(file: &impl ReadAt) -> Result<Option<(u64, Vec<u8>)>, Failed> {
    let Some(moov) = child(file, Span { start: 0, end: file.size() }, b"moov")? else { return Ok(None) };
    let Some(mvhd) = child(file, moov, b"mvhd")? else { return Ok(None) };
    let Some(movie) = Times::read(file, mvhd)? else { return Ok(None) };
    let mut longest = movie.duration;
    for (name, trak) in children(file, moov)? {
        if &name == b"trak"
            && let Some(edts) = child(file, trak, b"edts")?
            && let Some(mdhd) = path(file, trak, &[b"mdia", b"mdhd"])?
            && let (Some(media), Some(_)) = (Times::read(file, mdhd)?, only_edit(file, edts)?)
        {
            let whole = u128::from(media.duration) * u128::from(movie.scale) / u128::from(media.scale.max(1));
            let whole = u64::try_from(whole).unwrap_or(0);
            // And what pictures are shown later than they are decoded; never so much that the demuxer takes a film of a few frames
            // for the prologue of a longer one, which it leaves out.
            longest = longest.max(whole.saturating_add(whole.min(u64::from(movie.scale))));
        }
    }
    let is_long = file.read_at(mvhd.start, 1)?.first() == Some(&1);
    let (at, bytes) = if is_long {
        (24, longest.to_be_bytes().to_vec())
    } else {
        (16, u32::try_from(longest).unwrap_or(u32::MAX).to_be_bytes().to_vec())
    };
    Ok((longest > movie.duration).then_some((mvhd.start + at, bytes)))
}

/// Start and length of the piece that is shown (ISO/IEC 14496-12, 8.6.6), in the media's and in the movie's units. None
/// where it is not one piece, or not at its own speed. An empty edit is a delay.
fn only_edit(file: &impl ReadAt, edts: Span) -> Result<Option<(u64, u64)>, Failed> {
    let Some(elst) = child(file, edts, b"elst")? else { return Ok(None) };
    let fields = file.read_at(elst.start, (elst.end - elst.start).min(EDITS_BYTES))?;
    let is_long = fields.first() == Some(&1);
    let bytes = if is_long { 20 } else { 12 };
    let count = u32_at(&fields, 4).map_or(0, |count| count as usize);
    let entries: Vec<&[u8]> = fields.get(8..).unwrap_or_default().chunks_exact(bytes).take(count).collect();
    let edit = |entry: &[u8]| {
        let (length, start) = if is_long {
            (u64_at(entry, 0)?, u64_at(entry, 8)?.cast_signed())
        } else {
            (u64::from(u32_at(entry, 0)?), i64::from(u32_at(entry, 4)?.cast_signed()))
        };
        let rate = u32_at(entry, bytes - 4)?;
        (start >= 0).then_some((start.cast_unsigned(), length, rate))
    };
    let shown: Vec<_> = entries.iter().filter_map(|entry| edit(entry)).collect();
    Ok(match shown.as_slice() {
        [(start, length, 0x0001_0000)] if entries.len() == count => Some((*start, *length)),
        _ => None,
    })
}

/// A number behind the version of a table.
fn first_number(file: &impl ReadAt, inside: Span, table: &[u8; 4], at: usize) -> Result<Option<u32>, Failed> {
    let Some(table) = child(file, inside, table)? else { return Ok(None) };
    Ok(u32_at(&file.read_at(table.start, FIELDS_BYTES.min(table.end - table.start))?, at))
}

/// The upper left of a track's matrix, `a b` and `c d` (ISO/IEC 14496-12, 8.3.2).
///
/// # Errors
/// [`Failed`] where the file cannot be read.
pub fn matrix(file: &impl ReadAt, track: u32) -> Result<Option<[i32; 4]>, Failed> {
    let Some(moov) = child(file, Span { start: 0, end: file.size() }, b"moov")? else { return Ok(None) };
    let Some(trak) = trak(file, moov, track)? else { return Ok(None) };
    let Some(tkhd) = child(file, trak, b"tkhd")? else { return Ok(None) };
    let fields = file.read_at(tkhd.start, TRACK_HEADER_BYTES.min(tkhd.end - tkhd.start))?;
    let first = if fields.first() == Some(&1) { 52 } else { 40 };
    let number = |at: usize| u32_at(&fields, first + at).map(u32::cast_signed);
    Ok(match [number(0), number(4), number(12), number(16)] {
        [Some(a), Some(b), Some(c), Some(d)] => Some([a, b, c, d]),
        _ => None,
    })
}

/// A track's tables of samples.
#[derive(Clone, Copy, Debug)]
pub struct Track {
    stbl: Span,
    /// Units a second of its times.
    pub scale: u32,
    /// What is shown first, in those units: 0 of the file's time.
    pub start: u64,
}

/// The track of a number, where a file tells everything of its samples, shows them all from its begin on, and all are of one
/// description.
///
/// # Errors
/// [`Failed`] where the file cannot be read.
pub fn track(file: &impl ReadAt, number: u32) -> Result<Option<Track>, Failed> {
    let Some(promised) = frames_promised(file, number)? else { return Ok(None) };
    let Some(moov) = child(file, Span { start: 0, end: file.size() }, b"moov")? else { return Ok(None) };
    let Some(trak) = trak(file, moov, number)? else { return Ok(None) };
    let (Some(mdhd), Some(stbl)) = (path(file, trak, &[b"mdia", b"mdhd"])?, path(file, trak, &[b"mdia", b"minf", b"stbl"])?) else {
        return Ok(None);
    };
    let Some(times) = Times::read(file, mdhd)? else { return Ok(None) };
    let shows_all = first_number(file, stbl, b"stsz", 8)?.map(u64::from) == Some(promised);
    let start = match child(file, trak, b"edts")? {
        Some(edts) if first_number(file, edts, b"elst", 4)? == Some(1) => only_edit(file, edts)?.map(|(start, _)| start),
        Some(_) => None,
        None => Some(0),
    };
    let Some(start) = start else { return Ok(None) };
    let is_of_one_sort = first_number(file, stbl, b"stsd", 4)? == Some(1);
    Ok((shows_all && is_of_one_sort).then_some(Track { stbl, scale: times.scale, start }))
}

impl Track {
    /// The inside of one table; none where there is no such table, or a longer one.
    ///
    /// # Errors
    /// [`Failed`] where the file cannot be read.
    pub fn table(&self, file: &impl ReadAt, name: &[u8; 4], bytes_max: u64) -> Result<Option<Vec<u8>>, Failed> {
        match child(file, self.stbl, name)? {
            Some(table) if table.end - table.start <= bytes_max => file.read_at(table.start, table.end - table.start).map(Some),
            _ => Ok(None),
        }
    }
}

/// The track of a number.
fn trak(file: &impl ReadAt, moov: Span, track: u32) -> Result<Option<Span>, Failed> {
    for (name, trak) in children(file, moov)? {
        if &name == b"trak"
            && let Some(tkhd) = child(file, trak, b"tkhd")?
        {
            let fields = file.read_at(tkhd.start, FIELDS_BYTES.min(tkhd.end - tkhd.start))?;
            if u32_at(&fields, if fields.first() == Some(&1) { 20 } else { 12 }) == Some(track) {
                return Ok(Some(trak));
            }
        }
    }
    Ok(None)
}

/// The inside of a box.
#[derive(Clone, Copy, Debug)]
struct Span {
    start: u64,
    end: u64,
}

#[derive(Clone, Copy, Debug)]
struct Times {
    /// Units a second.
    scale: u32,
    duration: u64,
}

impl Times {
    /// Of `mvhd` and `mdhd`: when made, when changed, scale, duration.
    fn read(file: &impl ReadAt, span: Span) -> Result<Option<Self>, Failed> {
        let fields = file.read_at(span.start, FIELDS_BYTES.min(span.end - span.start))?;
        let is_long = fields.first() == Some(&1);
        let scale_at = if is_long { 20 } else { 12 };
        let duration = if is_long { u64_at(&fields, scale_at + 4) } else { u32_at(&fields, scale_at + 4).map(u64::from) };
        Ok(u32_at(&fields, scale_at).zip(duration).map(|(scale, duration)| Self { scale, duration }))
    }
}

fn path(file: &impl ReadAt, mut span: Span, names: &[&[u8; 4]]) -> Result<Option<Span>, Failed> {
    for name in names {
        match child(file, span, name)? {
            Some(inner) => span = inner,
            None => return Ok(None),
        }
    }
    Ok(Some(span))
}

fn child(file: &impl ReadAt, span: Span, name: &[u8; 4]) -> Result<Option<Span>, Failed> {
    Ok(children(file, span)?.into_iter().find(|(found, _)| found == name).map(|(_, inner)| inner))
}

/// The boxes inside a box, up to the first that does not fit into it.
fn children(file: &impl ReadAt, span: Span) -> Result<Vec<([u8; 4], Span)>, Failed> {
    let mut found = Vec::new();
    let mut at = span.start;
    while found.len() < BOXES_MAX && at.saturating_add(8) <= span.end {
        let header = file.read_at(at, 16.min(span.end - at))?;
        let (Some(short), Some(name)) = (u32_at(&header, 0), header.get(4..8).and_then(|name| name.try_into().ok())) else { break };
        let (head, size) = match short {
            0 => (8, span.end - at),
            1 => (16, u64_at(&header, 8).unwrap_or(0)),
            size => (8, u64::from(size)),
        };
        let Some(end) = at.checked_add(size).filter(|end| size >= head && *end <= span.end) else { break };
        found.push((name, Span { start: at + head, end }));
        at = end;
    }
    Ok(found)
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at + 4)?.try_into().ok().map(u32::from_be_bytes)
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..at + 8)?.try_into().ok().map(u64::from_be_bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    impl ReadAt for Vec<u8> {
        fn size(&self) -> u64 {
            self.len() as u64
        }

        fn read_at(&self, offset: u64, length: u64) -> Result<Vec<u8>, Failed> {
            let (from, to) = (offset.min(self.size()) as usize, offset.saturating_add(length).min(self.size()) as usize);
            Ok(self[from..to].to_vec())
        }
    }

    fn boxed(name: &[u8; 4], inside: &[u8]) -> Vec<u8> {
        [&(inside.len() as u32 + 8).to_be_bytes(), name.as_slice(), inside].concat()
    }

    fn times(before: usize, fields: &[u32]) -> Vec<u8> {
        let numbers: Vec<u8> = fields.iter().flat_map(|number| number.to_be_bytes()).collect();
        [vec![0; before], numbers, vec![0; 40]].concat()
    }

    /// A track of 180 frames in 6 s, with edits of so many milliseconds from so many of 90,000 parts of a second.
    fn movie(edits: &[(u32, i32)], more: &[u8]) -> Vec<u8> {
        let numbers = |numbers: &[u32]| numbers.iter().flat_map(|number| number.to_be_bytes()).collect::<Vec<u8>>();
        let stsz = boxed(b"stsz", &numbers(&[0, 0, 180]));
        let stts = boxed(b"stts", &numbers(&[0, 1, 180, 3000]));
        let ctts = boxed(b"ctts", &numbers(&[0, 1, 180, 6000]));
        let mdia = boxed(
            b"mdia",
            &[boxed(b"mdhd", &times(12, &[90_000, 540_000])), boxed(b"minf", &boxed(b"stbl", &[stsz, stts, ctts].concat()))].concat(),
        );
        let list = edits.iter().flat_map(|(length, start)| numbers(&[*length, start.cast_unsigned(), 0x0001_0000])).collect::<Vec<u8>>();
        let elst = boxed(b"elst", &[numbers(&[0, edits.len() as u32]), list].concat());
        let tkhd = boxed(b"tkhd", &[times(12, &[7, 0, 6000]), vec![0; 40]].concat());
        let trak = boxed(b"trak", &[tkhd, if edits.is_empty() { Vec::new() } else { boxed(b"edts", &elst) }, mdia].concat());
        let moov = boxed(b"moov", &[boxed(b"mvhd", &times(12, &[1000, 6000])), trak, more.to_vec()].concat());
        [boxed(b"ftyp", b"isom"), boxed(b"mdat", &[0; 100]), moov].concat()
    }

    #[test]
    fn the_frames_of_a_track_are_promised() {
        assert_eq!(frames_promised(&movie(&[], &[]), 7), Ok(Some(180)));
        assert_eq!(frames_promised(&movie(&[], &[]), 8), Ok(None));
    }

    #[test]
    fn an_edit_list_that_delays_or_only_hides_the_reordering_promises_all_frames() {
        assert_eq!(frames_promised(&movie(&[(6000, 6000)], &[]), 7), Ok(Some(180)));
        assert_eq!(frames_promised(&movie(&[(1000, -1), (6000, 6000)], &[]), 7), Ok(Some(180)));
        assert_eq!(frames_promised(&movie(&[(0, 6000)], &[]), 7), Ok(Some(180)));
    }

    #[test]
    fn an_edit_list_that_trims_promises_what_it_shows() {
        // three frames less at the end: the first flaw of a bound in time
        assert_eq!(frames_promised(&movie(&[(5830, 6000)], &[]), 7), Ok(Some(176)));
        assert_eq!(frames_promised(&movie(&[(3000, 276_000)], &[]), 7), Ok(Some(90)));
    }

    #[test]
    fn a_fragmented_file_and_one_shown_in_pieces_promise_nothing() {
        assert_eq!(frames_promised(&movie(&[], &boxed(b"mvex", &[])), 7), Ok(None));
        assert_eq!(frames_promised(&movie(&[(1000, 6000), (1000, 270_000)], &[]), 7), Ok(None));
    }

    proptest! {
        #[test]
        fn a_damaged_file_is_no_promise_and_never_a_panic(at in 0usize..500, byte: u8, cut in 0usize..500) {
            let mut file = movie(&[(5900, 6000)], &[]);
            let length = file.len();
            file[at % length] = byte;
            file.truncate(length - cut % length);
            prop_assert!(frames_promised(&file, 7).is_ok());
            prop_assert!(matrix(&file, 7).is_ok());
        }
    }
}
