//! A film's own stream on its way to be a rung: only pictures pass, and what a picture is called is looked at.
//!
//! Between the pictures a camera writes a place, a serial number, an encoder's settings; a stranger may write anything. Neither is
//! needed to show a stream whose parameters stand in its container. What the container calls a keyframe may be one that needs
//! earlier pictures: only an IDR picture is one here.

use std::sync::OnceLock;

use gstreamer::{self as gst, prelude::*};
use h264_reader::avcc::AvcDecoderConfigurationRecord;

use super::{context::Ending, failed::Failed};

/// `nal_unit_type` of slices, of an IDR picture's slices, and of parameter sets (ITU-T H.264, table 7-1).
const SLICE: u8 = 1;
const IDR_SLICE: u8 = 5;
const PARAMETER_SETS: [u8; 2] = [7, 8];

/// Lets pictures pass. A stream that changes its parameters, or is not cut into units, ends the graph as our fault: the next
/// attempt encodes it.
pub fn purify(pad: &gst::Pad, ending: &Ending) {
    let (ending, head) = (ending.clone(), OnceLock::new());
    let _probe = pad.add_probe(gst::PadProbeType::BUFFER, move |pad, info| {
        let Some(gst::PadProbeData::Buffer(buffer)) = &mut info.data else { return gst::PadProbeReturn::Ok };
        match head.get_or_init(|| Head::of(pad)).as_ref().and_then(|head| pure(buffer, head)) {
            Some(pure) => *buffer = pure,
            None => ending.failed(Failed::internal("a film's own stream is not what its head says")),
        }
        gst::PadProbeReturn::Ok
    });
}

/// What `avcC` says (ISO/IEC 14496-15, 5.3.3.1).
#[derive(Debug)]
struct Head {
    /// Of the length before each unit.
    length_bytes: usize,
    parameter_sets: Vec<Vec<u8>>,
}

impl Head {
    fn of(pad: &gst::Pad) -> Option<Self> {
        let caps = pad.current_caps()?;
        let data = caps.structure(0)?.get::<gst::Buffer>("codec_data").ok()?;
        let data = data.map_readable().ok()?;
        let record = AvcDecoderConfigurationRecord::try_from(data.as_slice()).ok()?;
        let sets = record.sequence_parameter_sets().chain(record.picture_parameter_sets());
        let parameter_sets = sets.map(|set| set.ok().map(<[u8]>::to_vec)).collect::<Option<_>>()?;
        Some(Self { length_bytes: usize::from(record.length_size_minus_one()) + 1, parameter_sets })
    }
}

/// The pictures of a buffer, under its times. None where it cannot be read, or brings parameters of its own.
fn pure(buffer: &gst::BufferRef, head: &Head) -> Option<gst::Buffer> {
    let map = buffer.map_readable().ok()?;
    let (mut pictures, mut is_keyframe) = (Vec::with_capacity(map.len()), false);
    for unit in units(&map, head.length_bytes)? {
        let inside = unit.get(head.length_bytes..)?;
        match inside.first()? & 0x1f {
            sort @ (SLICE | IDR_SLICE) => {
                is_keyframe |= sort == IDR_SLICE;
                pictures.extend_from_slice(unit);
            }
            sort if PARAMETER_SETS.contains(&sort) && !head.parameter_sets.iter().any(|known| known == inside) => return None,
            _ => {}
        }
    }
    let mut pure = gst::Buffer::from_mut_slice(pictures);
    let writable = pure.get_mut()?;
    buffer.copy_into(writable, gst::BUFFER_COPY_METADATA, ..).ok()?;
    if is_keyframe {
        writable.unset_flags(gst::BufferFlags::DELTA_UNIT);
    } else {
        writable.set_flags(gst::BufferFlags::DELTA_UNIT);
    }
    Some(pure)
}

/// The units of an access unit, each with its length in front.
fn units(mut bytes: &[u8], length_bytes: usize) -> Option<Vec<&[u8]>> {
    let mut units = Vec::new();
    while !bytes.is_empty() {
        let length = bytes.get(..length_bytes)?.iter().fold(0usize, |length, byte| length << 8 | usize::from(*byte));
        let (unit, rest) = bytes.split_at_checked(length_bytes.checked_add(length)?)?;
        units.push(unit);
        bytes = rest;
    }
    Some(units)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn unit(header: u8, inside: &[u8]) -> Vec<u8> {
        [&(inside.len() as u32 + 1).to_be_bytes(), [header].as_slice(), inside].concat()
    }

    fn head() -> Head {
        Head { length_bytes: 4, parameter_sets: vec![b"\x67set".to_vec()] }
    }

    fn pure_of(units: &[Vec<u8>]) -> Option<gst::Buffer> {
        gst::init().unwrap();
        let mut whole = gst::Buffer::from_slice(units.concat());
        whole.get_mut().unwrap().set_pts(gst::ClockTime::SECOND);
        pure(&whole, &head())
    }

    #[test]
    fn only_pictures_are_left_with_their_times() {
        let (picture, words, odd) = (unit(0x65, b"picture"), unit(0x06, b"52.5 N 13.4 E"), unit(0x1e, b"anything"));
        let pure = pure_of(&[words.clone(), unit(0x67, b"set"), picture.clone(), odd, words]).unwrap();
        assert_eq!(pure.map_readable().unwrap().as_slice(), picture);
        assert_eq!(pure.pts(), Some(gst::ClockTime::SECOND));
    }

    #[test]
    fn only_an_idr_picture_is_a_keyframe_whatever_it_was_called() {
        let is_keyframe = |header| !pure_of(&[unit(header, b"picture")]).unwrap().flags().contains(gst::BufferFlags::DELTA_UNIT);
        assert!(is_keyframe(0x65) && !is_keyframe(0x41));
    }

    #[test]
    fn parameters_that_the_head_does_not_have_end_it() {
        assert!(pure_of(&[unit(0x67, b"another"), unit(0x65, b"picture")]).is_none());
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_are_cut_without_loss_or_not_at_all(bytes: Vec<u8>, length_bytes in 1usize..=4) {
            if let Some(units) = units(&bytes, length_bytes) {
                prop_assert_eq!(units.concat(), bytes);
            }
        }
    }
}
