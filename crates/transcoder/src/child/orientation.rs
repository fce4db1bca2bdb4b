//! How pictures are turned to be upright.

use gstreamer::{self as gst, prelude::*};
use gstreamer_video::VideoOrientationMethod as Method;

use super::{boxes, codecs, context::Context, failed::Failed};

/// The turn that a track's matrix asks for (ISO/IEC 14496-12, 8.3.2): `a b`, `c d` of its upper left, of which only the signs
/// matter. None where it is no turn by quarters.
pub fn of_matrix([a, b, c, d]: [i32; 4]) -> Option<Method> {
    Some(match [a.signum(), b.signum(), c.signum(), d.signum()] {
        [1, 0, 0, 1] => Method::Identity,
        [0, 1, -1, 0] => Method::_90r,
        [-1, 0, 0, -1] => Method::_180,
        [0, -1, 1, 0] => Method::_90l,
        [-1, 0, 0, 1] => Method::Horiz,
        [1, 0, 0, -1] => Method::Vert,
        [0, 1, 1, 0] => Method::UlLr,
        [0, -1, -1, 0] => Method::UrLl,
        _ => return None,
    })
}

/// Whether width and height change places.
pub fn is_sideways(method: Method) -> bool {
    matches!(method, Method::_90r | Method::_90l | Method::UlLr | Method::UrLl)
}

/// How the pictures behind a demuxer's pad are turned, where the container alone says it.
///
/// # Errors
/// [`Failed`] where the file cannot be read.
pub fn of_track(context: &Context, pad: &gst::Pad) -> Result<Option<Method>, Failed> {
    match track_number(pad).filter(|_| codecs::is_mp4(&context.job.mime)) {
        Some(track) => Ok(boxes::matrix(&*context.source, track)?.and_then(of_matrix)),
        None => Ok(None),
    }
}

/// The number of an MP4's track, by the end of its stream's name.
pub fn track_number(pad: &gst::Pad) -> Option<u32> {
    pad.stream_id()?.rsplit('/').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_matrix_is_a_turn_by_quarters_or_a_mirror_or_nothing() {
        let one = 0x0001_0000;
        assert_eq!(of_matrix([one, 0, 0, one]), Some(Method::Identity));
        assert_eq!(of_matrix([0, one, -one, 0]), Some(Method::_90r));
        assert_eq!(of_matrix([-one, 0, 0, one]), Some(Method::Horiz));
        assert_eq!(of_matrix([one, one, -one, one]), None);
        assert!(is_sideways(Method::_90l) && !is_sideways(Method::_180));
    }
}
