//! How many frames an MP4 promises. GStreamer reads that number and tells nobody, and without it a file that was cut off
//! looks whole: so the few boxes that hold it are read here (ISO/IEC 14496-12: `moov/trak/mdia/minf/stbl/stsz`).

use super::{failed::Failed, source::Source};

/// More boxes than this beside each other are no file that a camera made.
const BOXES_MAX: usize = 4096;
/// Longest header of a box whose fields are read here.
const FIELDS_BYTES: u64 = 64;

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

/// How many frames the first picture track has, where the file says so and shows them all: not where it is fragmented, and
/// not where an edit list leaves some out.
///
/// # Errors
/// [`Failed`] where the file cannot be read; what is no MP4 is just no promise.
pub fn frames_promised(file: &impl ReadAt) -> Result<Option<u64>, Failed> {
    let Some(moov) = child(file, Span { start: 0, end: file.size() }, b"moov")? else { return Ok(None) };
    if child(file, moov, b"mvex")?.is_some() {
        return Ok(None);
    }
    let movie_scale = match child(file, moov, b"mvhd")? {
        Some(mvhd) => Times::read(file, mvhd, Header::Movie)?,
        None => None,
    };
    for (name, trak) in children(file, moov)? {
        if &name == b"trak" && is_picture(file, trak)? {
            return frames_of(file, trak, movie_scale);
        }
    }
    Ok(None)
}

fn frames_of(file: &impl ReadAt, trak: Span, movie: Option<Times>) -> Result<Option<u64>, Failed> {
    let (Some(mdhd), Some(tkhd)) = (path(file, trak, &[b"mdia", b"mdhd"])?, child(file, trak, b"tkhd")?) else { return Ok(None) };
    let (Some(media), Some(shown), Some(movie)) = (Times::read(file, mdhd, Header::Movie)?, Times::read(file, tkhd, Header::Track)?, movie)
    else {
        return Ok(None);
    };
    let shown_s = shown.duration as f64 / f64::from(movie.scale.max(1));
    let media_s = media.duration as f64 / f64::from(media.scale.max(1));
    if (shown_s - media_s).abs() > 0.1 {
        return Ok(None);
    }
    let Some(sizes) = path(file, trak, &[b"mdia", b"minf", b"stbl", b"stsz"])? else { return Ok(None) };
    let fields = file.read_at(sizes.start, 12)?;
    Ok(u32_at(&fields, 8).map(u64::from).filter(|count| *count > 0))
}

fn is_picture(file: &impl ReadAt, trak: Span) -> Result<bool, Failed> {
    let Some(handler) = path(file, trak, &[b"mdia", b"hdlr"])? else { return Ok(false) };
    Ok(file.read_at(handler.start, 12)?.get(8..12) == Some(b"vide"))
}

/// The inside of a box.
#[derive(Clone, Copy, Debug)]
struct Span {
    start: u64,
    end: u64,
}

#[derive(Clone, Copy, Debug)]
struct Times {
    /// Units a second; 0 in a header that has none.
    scale: u32,
    duration: u64,
}

#[derive(Clone, Copy, Debug)]
enum Header {
    /// `mvhd` and `mdhd`: times, scale, duration.
    Movie,
    /// `tkhd`: times, id, reserved, duration.
    Track,
}

impl Times {
    fn read(file: &impl ReadAt, span: Span, header: Header) -> Result<Option<Self>, Failed> {
        let fields = file.read_at(span.start, FIELDS_BYTES.min(span.end - span.start))?;
        let long = fields.first() == Some(&1);
        let scale_at = if long { 20 } else { 12 };
        let (scale, duration_at) = match header {
            Header::Movie => (u32_at(&fields, scale_at), scale_at + 4),
            Header::Track => (Some(0), scale_at + 8),
        };
        let duration = if long { u64_at(&fields, duration_at) } else { u32_at(&fields, duration_at).map(u64::from) };
        Ok(scale.zip(duration).map(|(scale, duration)| Self { scale, duration }))
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

    /// A track of 180 frames in 6 s, of which the edit list shows `shown_ms`.
    fn movie(shown_ms: u32, more: &[u8]) -> Vec<u8> {
        let stbl = boxed(b"stbl", &boxed(b"stsz", &[[0, 0, 0, 0], [0, 0, 0, 0], 180u32.to_be_bytes()].concat()));
        let hdlr = boxed(b"hdlr", b"\0\0\0\0\0\0\0\0vide\0\0\0\0");
        let mdia = boxed(b"mdia", &[boxed(b"mdhd", &times(12, &[90_000, 540_000])), hdlr, boxed(b"minf", &stbl)].concat());
        let trak = boxed(b"trak", &[boxed(b"tkhd", &times(12, &[1, 0, shown_ms])), mdia].concat());
        let moov = boxed(b"moov", &[boxed(b"mvhd", &times(12, &[1000, 6000])), trak, more.to_vec()].concat());
        [boxed(b"ftyp", b"isom"), boxed(b"mdat", &[0; 100]), moov].concat()
    }

    #[test]
    fn the_frames_of_the_first_picture_track_are_promised() {
        assert_eq!(frames_promised(&movie(6000, &[])), Ok(Some(180)));
    }

    #[test]
    fn a_fragmented_file_and_an_edit_list_that_cuts_promise_nothing() {
        assert_eq!(frames_promised(&movie(6000, &boxed(b"mvex", &[]))), Ok(None));
        assert_eq!(frames_promised(&movie(4000, &[])), Ok(None));
    }

    proptest! {
        #[test]
        fn a_damaged_file_is_no_promise_and_never_a_panic(at in 0usize..500, byte: u8, cut in 0usize..500) {
            let mut file = movie(6000, &[]);
            let length = file.len();
            file[at % length] = byte;
            file.truncate(length - cut % length);
            prop_assert!(frames_promised(&file).is_ok());
        }
    }
}
