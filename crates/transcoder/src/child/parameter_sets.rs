//! What H.264's parameter sets say and 1.22's parser does not tell.

use gstreamer as gst;
use h264_reader::{avcc::AvcDecoderConfigurationRecord, nal::sps::FrameMbsFlags};

/// Whether all pictures of a track are frames, and none is of two fields, by `frame_mbs_only_flag` (ITU-T H.264, 7.4.2.1.1).
pub fn are_of_frames(track: &gst::StructureRef) -> bool {
    let Ok(data) = track.get::<gst::Buffer>("codec_data") else { return false };
    let Ok(data) = data.map_readable() else { return false };
    let Ok(record) = AvcDecoderConfigurationRecord::try_from(data.as_slice()) else { return false };
    let Ok(context) = record.create_context() else { return false };
    let mut sets = context.sps().peekable();
    sets.peek().is_some() && sets.all(|set| matches!(set.frame_mbs_flags, FrameMbsFlags::Frames))
}
