//! A film's own stream on its way to be a rung: what its camera wrote between the pictures is left out.
//!
//! Supplemental enhancement information carries a place, a serial number, an encoder's settings. None of it is needed to show a
//! stream whose keyframes are all IDR pictures, which the probe has seen to.

use std::sync::OnceLock;

use gstreamer::{self as gst, prelude::*};

use super::{context::Ending, failed::Failed};

/// `nal_unit_type` of supplemental enhancement information, and of filler data (ITU-T H.264, table 7-1).
const LEFT_OUT: [u8; 2] = [6, 12];

/// Leaves out, from what passes the pad, everything that is neither a picture nor needed to decode one.
pub fn strip(pad: &gst::Pad, ending: &Ending) {
    let (ending, length_bytes) = (ending.clone(), OnceLock::new());
    let _probe = pad.add_probe(gst::PadProbeType::BUFFER, move |pad, info| {
        let Some(gst::PadProbeData::Buffer(buffer)) = &mut info.data else { return gst::PadProbeReturn::Ok };
        match length_bytes.get_or_init(|| length_bytes_of(pad)).and_then(|length_bytes| stripped(buffer, length_bytes)) {
            Some(None) => {}
            Some(Some(rest)) => *buffer = rest,
            None => ending.failed(Failed::internal("a stream of its own that is not cut into units")),
        }
        gst::PadProbeReturn::Ok
    });
}

/// Of the length before each unit, by `avcC` (ISO/IEC 14496-15, 5.3.3.1).
fn length_bytes_of(pad: &gst::Pad) -> Option<usize> {
    let caps = pad.current_caps()?;
    let data = caps.structure(0)?.get::<gst::Buffer>("codec_data").ok()?;
    let map = data.map_readable().ok()?;
    map.get(4).map(|flags| usize::from(flags & 3) + 1)
}

/// The buffer without what is left out; inside `None` where that is nothing, and none where it cannot be read.
fn stripped(buffer: &gst::BufferRef, length_bytes: usize) -> Option<Option<gst::Buffer>> {
    let map = buffer.map_readable().ok()?;
    let units = units(&map, length_bytes)?;
    if units.iter().all(|unit| is_kept(unit, length_bytes)) {
        return Some(None);
    }
    let rest: Vec<u8> = units.into_iter().filter(|unit| is_kept(unit, length_bytes)).flatten().copied().collect();
    let mut rest = gst::Buffer::from_mut_slice(rest);
    buffer.copy_into(rest.get_mut()?, gst::BUFFER_COPY_METADATA, ..).ok()?;
    Some(Some(rest))
}

fn is_kept(unit: &[u8], length_bytes: usize) -> bool {
    unit.get(length_bytes).is_none_or(|header| !LEFT_OUT.contains(&(header & 0x1f)))
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

    #[test]
    fn only_pictures_and_their_parameters_are_left() {
        gst::init().unwrap();
        let (picture, words, parameters) = (unit(0x65, b"picture"), unit(0x06, b"52.5 N 13.4 E"), unit(0x67, b"set"));
        let mut whole = gst::Buffer::from_slice([words.clone(), parameters.clone(), picture.clone(), words].concat());
        whole.get_mut().unwrap().set_pts(gst::ClockTime::SECOND);
        let rest = stripped(&whole, 4).unwrap().unwrap();
        assert_eq!(rest.map_readable().unwrap().as_slice(), [parameters, picture.clone()].concat());
        assert_eq!(rest.pts(), Some(gst::ClockTime::SECOND));
        assert_eq!(stripped(&gst::Buffer::from_slice(picture), 4), Some(None));
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
