//! One MP4 file that plays from its start, though its index is known last and nothing here has a disk.
//!
//! The muxer reserves room for its index (`moov`) in front of the samples: enough for the file's extent ([`Extent`]).
//! It seeks back there at the end. So what is in front of the first sample stays here in memory, the samples leave as they
//! come, and the front leaves last.

use std::sync::{Arc, Mutex, PoisonError};

use gstreamer::{self as gst, prelude::*};
use gstreamer_app as gst_app;

use super::{context::Context, failed::Failed, fragments, outputs::Outputs, pipeline::element, priming, tracks};
use crate::protocol::{Extent, FailureCode, ROOM_BYTES_MAX};

/// Of each second and track, as the muxer counts its room; it takes up to 10,000.
const RESERVED_BYTES: u64 = 1000;

/// The end of a branch: the muxer, and its sink. What waits for its sound must not keep the others waiting.
pub fn tail(output: u8, extent: Extent) -> String {
    let tracks = if extent.has_sound() { 2 } else { 1 };
    let seconds = extent.index_bytes().div_ceil(tracks * RESERVED_BYTES);
    format!(
        "queue max-size-buffers=0 max-size-bytes=0 max-size-time=0 ! {}.video_0 \
         mp4mux name={} reserved-max-duration={} reserved-bytes-per-sec={} ! {}",
        muxer(output),
        muxer(output),
        seconds * gst::ClockTime::SECOND.nseconds(),
        RESERVED_BYTES,
        fragments::sink(output)
    )
}

/// Where the sound of the same file goes.
pub fn sound(output: u8) -> String {
    // It is there long before its pictures are, and must not keep other sound waiting.
    format!("queue max-size-buffers=0 max-size-bytes=0 max-size-time=0 ! {}.audio_0", muxer(output))
}

fn muxer(output: u8) -> String {
    format!("progressive{output}")
}

/// Sends what the muxer makes.
///
/// # Errors
/// [`Failed`] where the pipeline has no such output: our fault.
pub fn send(pipeline: &gst::Pipeline, output: u8, context: &Context, outputs: &Arc<Outputs>) -> Result<(), Failed> {
    let muxer = element(pipeline, &muxer(output))?;
    muxer.sink_pads().iter().for_each(tracks::drop_tags);
    let (name, over) = (muxer.name(), outputs.clone());
    outputs.ending().forgive(move |error| {
        // A muxer that cannot end has no room for its index; whatever else it says is our fault.
        let is_full = error.src().is_some_and(|source| source.name() == name) && over.all_has_passed(output);
        if is_full {
            over.ending().failed(Failed::new(FailureCode::LimitHit, format!("the index of a progressive file: {}", error.error())));
        }
        is_full
    });

    let sink = fragments::sink_of(pipeline, output)?;
    let pad = sink.static_pad("sink").ok_or_else(|| Failed::internal("a sink without a pad"))?;
    claim_to_be_seekable(&pad);
    let file = Arc::new(Mutex::new(Layout::default()));
    let on_seek = file.clone();
    tracks::on_event(&pad, move |_, event| {
        if let gst::EventView::Segment(segment) = event.view()
            && let Some(bytes) = segment.segment().downcast_ref::<gst::format::Bytes>()
        {
            on_seek.lock().unwrap_or_else(PoisonError::into_inner).at = bytes.start().map_or(0, u64::from);
        }
    });
    let (on_bytes, on_wrong, on_end, on_front) = (context.clone(), outputs.clone(), outputs.clone(), file.clone());
    let front = context.clone();
    sink.set_callbacks(
        gst_app::AppSinkCallbacks::builder()
            .new_sample(move |sink| {
                let sample = sink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
                let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
                let mut take = |buffer: &gst::BufferRef| {
                    let map = buffer.map_readable().map_err(|_| gst::FlowError::Error)?;
                    match file.write(&map) {
                        Ok(Written::Front) => {}
                        Ok(Written::FrontIsLaid { room, samples }) => {
                            on_bytes.sink.room(output, room);
                            on_bytes.sink.data(output, &samples);
                        }
                        Ok(Written::Samples) => on_bytes.sink.data(output, &map),
                        Err(failed) => {
                            on_wrong.ending().failed(failed);
                            return Err(gst::FlowError::Error);
                        }
                    }
                    Ok(())
                };
                fragments::buffers(&sample).into_iter().try_for_each(&mut take)?;
                Ok(gst::FlowSuccess::Ok)
            })
            .eos(move |_| {
                let file = &mut *on_front.lock().unwrap_or_else(PoisonError::into_inner);
                match file.finished() {
                    Ok(bytes) => front.sink.front(output, &bytes),
                    Err(failed) => on_end.ending().failed(failed),
                }
                on_end.ended(output);
            })
            .build(),
    );
    Ok(())
}

/// The muxer asks before it starts.
fn claim_to_be_seekable(pad: &gst::Pad) {
    let _probe = pad.add_probe(gst::PadProbeType::QUERY_DOWNSTREAM, |_, info| {
        if let Some(gst::PadProbeData::Query(query)) = &mut info.data
            && let gst::QueryViewMut::Seeking(seeking) = query.view_mut()
            && seeking.format() == gst::Format::Bytes
        {
            seeking.set(true, gst::format::Bytes::ZERO, gst::format::Bytes::NONE);
            return gst::PadProbeReturn::Handled;
        }
        gst::PadProbeReturn::Ok
    });
}

/// Where the bytes of a file go whose muxer seeks.
#[derive(Debug, Default)]
struct Layout {
    /// Everything up to the first sample.
    front: Vec<u8>,
    /// Whether the front has its size.
    is_laid: bool,
    /// Where the next bytes belong.
    at: u64,
    /// Where the file ends so far.
    end: u64,
}

#[derive(Debug, PartialEq, Eq)]
enum Written {
    /// They stay here.
    Front,
    /// They completed the front; what is behind it are samples.
    FrontIsLaid { room: u64, samples: Vec<u8> },
    /// They belong behind everything else.
    Samples,
}

impl Layout {
    fn write(&mut self, bytes: &[u8]) -> Result<Written, Failed> {
        let (start, end) = (self.at, self.at + bytes.len() as u64);
        let front_bytes = self.front.len() as u64;
        let written = if !self.is_laid && end <= ROOM_BYTES_MAX {
            let at = usize::try_from(start).unwrap_or(usize::MAX);
            // Of what it reserves the muxer writes the header only.
            self.front.resize(self.front.len().max(at + bytes.len()), 0);
            self.front[at..at + bytes.len()].copy_from_slice(bytes);
            match samples_begin(&self.front) {
                Some(room) => {
                    self.is_laid = true;
                    Written::FrontIsLaid { room: room as u64, samples: self.front.split_off(room) }
                }
                None => Written::Front,
            }
        } else if end <= front_bytes {
            let at = usize::try_from(start).unwrap_or(usize::MAX);
            self.front[at..at + bytes.len()].copy_from_slice(bytes);
            Written::Front
        } else if start == self.end {
            Written::Samples
        } else {
            return Err(Failed::internal(format!("a muxer that writes {start} to {end} of {} bytes", self.end)));
        };
        self.at = end;
        self.end = self.end.max(end);
        Ok(written)
    }
}

impl Layout {
    /// The front with its index at once behind its brand, and what is left of the room behind that: the muxer keeps two halves, and
    /// writes into the second. No sample moves.
    fn finished(&mut self) -> Result<Vec<u8>, Failed> {
        priming::leave_out(&mut self.front)?;
        let wrong = || Failed::internal("a front that is not what the muxer writes");
        let boxes = boxes(&self.front).ok_or_else(wrong)?;
        let of = |name: &[u8; 4]| boxes.iter().find(|(found, _)| *found == name).map(|(_, bytes)| *bytes).ok_or_else(wrong);
        let (brand, index, samples) = (of(b"ftyp")?, of(b"moov")?, of(b"mdat")?);
        let free = self.front.len().checked_sub(brand.len() + index.len() + samples.len()).filter(|free| *free >= 8).ok_or_else(wrong)?;
        let header = [&u32::try_from(free).map_err(|_| wrong())?.to_be_bytes(), b"free".as_slice()].concat();
        Ok([brand, index, &header, &vec![0; free - header.len()], samples].concat())
    }
}

/// The boxes of a front with their headers, in order; the last is the header of its samples.
fn boxes(front: &[u8]) -> Option<Vec<(&[u8], &[u8])>> {
    let (mut found, mut at) = (Vec::new(), 0);
    while at < front.len() {
        let name = front.get(at + 4..at + 8)?;
        let size = usize::try_from(u32::from_be_bytes(front.get(at..at + 4)?.try_into().ok()?)).ok()?;
        let end = if name == b"mdat" { front.len() } else { at.checked_add(size).filter(|_| size >= 8)? };
        found.push((name, front.get(at..end)?));
        at = end;
    }
    Some(found)
}

/// Where the inside of the first `mdat` begins, once its header is whole (ISO/IEC 14496-12, 4.2).
fn samples_begin(front: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        let header = front.get(at..at + 8)?;
        let short = u32::from_be_bytes(header[..4].try_into().ok()?);
        let head = if short == 1 { 16 } else { 8 };
        if &header[4..] == b"mdat" {
            return (front.len() >= at + head).then_some(at + head);
        }
        let size = match short {
            1 => usize::try_from(u64::from_be_bytes(front.get(at + 8..at + 16)?.try_into().ok()?)).ok()?,
            size => usize::try_from(size).ok()?,
        };
        at = at.checked_add(size.max(8))?;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn boxed(name: &[u8; 4], inside: &[u8]) -> Vec<u8> {
        [&(inside.len() as u32 + 8).to_be_bytes(), name.as_slice(), inside].concat()
    }

    #[test]
    fn the_front_is_kept_and_may_be_written_again_while_samples_pass() {
        let mut file = Layout::default();
        assert_eq!(file.write(&boxed(b"ftyp", b"isom")).unwrap(), Written::Front);
        assert_eq!(file.write(&boxed(b"free", &[0; 92])[..8]).unwrap(), Written::Front);
        file.at = 112;
        let opened = [boxed(b"mdat", b""), b"first".to_vec()].concat();
        assert_eq!(file.write(&opened).unwrap(), Written::FrontIsLaid { room: 120, samples: b"first".to_vec() });
        assert_eq!(file.write(b"second").unwrap(), Written::Samples);
        file.at = 12;
        assert_eq!(file.write(&boxed(b"moov", b"index")).unwrap(), Written::Front);
        assert_eq!(&file.front[16..25], b"moovindex");
        assert_eq!(file.front.len(), 120);
        file.at = 131;
        assert_eq!(file.write(b"third").unwrap(), Written::Samples);
    }

    #[test]
    fn a_muxer_that_goes_back_among_the_samples_is_wrong() {
        let mut file = Layout::default();
        file.write(&boxed(b"mdat", b"0123456789")).unwrap();
        for (at, bytes) in [(9, b"x".as_slice()), (7, b"xy"), (19, b"x")] {
            file.at = at;
            assert!(file.write(bytes).is_err(), "{at}");
        }
    }

    #[test]
    fn a_header_with_a_long_size_is_whole_only_with_it() {
        let long = [1u32.to_be_bytes().as_slice(), b"mdat", &[0; 8]].concat();
        assert_eq!(samples_begin(&long[..12]), None);
        assert_eq!(samples_begin(&long), Some(16));
    }

    proptest! {
        #[test]
        fn however_a_file_is_cut_into_writes_its_samples_leave_in_order(inside in proptest::collection::vec(any::<u8>(), 0..200), cut in 1usize..50) {
            let whole = [boxed(b"ftyp", b"isom"), boxed(b"mdat", &inside)].concat();
            let (mut file, mut samples) = (Layout::default(), Vec::new());
            for piece in whole.chunks(cut) {
                match file.write(piece).unwrap() {
                    Written::Front => {}
                    Written::FrontIsLaid { samples: first, .. } => samples.extend(first),
                    Written::Samples => samples.extend_from_slice(piece),
                }
            }
            prop_assert_eq!(samples, inside);
            prop_assert_eq!(file.front, &whole[..20]);
        }
    }
}
