//! What a file promised, held against what came out of it.
//!
//! The end of a stream, exit 0 and a full last timestamp prove nothing: a film that was cut off ends in peace, and damage
//! in its middle only leaves frames out (DESIGN, traps). So each output must be there, of the right size and as long as
//! its track; the tracks must reach the end that the container names; and frames are counted twice.

use media_domain::{
    info::CutOff,
    profile::{Damaged, Form, Recipe},
    variant::Loss,
};

use crate::{
    child::codecs,
    parent::FailureKind,
    protocol::{ChildJob, Counts, OutputCounts, TrackCounts},
};

/// A picture track may end this much before the container does: the last frame's length is often not known.
const END_SLACK_MS: u64 = 500;
/// Encoders pad, and a decoder's delay is cut.
const OUTPUT_SLACK_MS: u64 = 250;
/// Frames that a good file may lose at its seams: an open group of pictures at the start, a last field.
const FRAMES_SLACK: u64 = 4;

/// A decoder's first frames are shorter, and an encoder's delay is cut.
const SEAMS_MS: u64 = 150;
/// The clock of a recording's samples and that of its times may differ by a thousandth.
const CLOCKS_APART: u64 = 1000;

/// Times are rounded to each rung's own units.
const CUT_SLACK_US: u64 = 2_000;

const WAV_HEADER_BYTES: u64 = 44;

/// A promise that was not kept, and by how much.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    #[error("output {output} is empty")]
    Empty { output: usize },
    #[error("output {output} is {got:?} and was to be at most {max:?}")]
    WrongSize { output: usize, got: (Option<u32>, Option<u32>), max: u32 },
    #[error("output {output} lasts {got_ms} ms of {track_ms}")]
    OutputTooShort { output: usize, got_ms: u64, track_ms: u64 },
    #[error("output {output} has no index in front")]
    IndexBehind { output: usize },
    #[error("output {output} is cut elsewhere than the first rung")]
    NotAligned { output: usize },
    #[error("the file ends at {got_ms} ms of {promised_ms}")]
    EndsEarly { got_ms: u64, promised_ms: u64 },
    #[error("the file holds {got} frames of {promised}")]
    FramesMissing { got: u64, promised: u64 },
    #[error("{decoded} frames could be decoded of {given}")]
    FramesLost { decoded: u64, given: u64 },
    #[error("{patched} of {decoded} frames came with holes that the decoder filled")]
    FramesPatched { patched: u64, decoded: u64 },
    #[error("the file says that it is longer")]
    CutOff,
    #[error("{silent_ms} ms of the sound are missing")]
    SoundMissing { silent_ms: u64 },
}

impl Broken {
    /// Whose fault it is: the file's, or ours.
    pub fn kind(&self) -> FailureKind {
        match self {
            Broken::Empty { .. }
            | Broken::WrongSize { .. }
            | Broken::OutputTooShort { .. }
            | Broken::IndexBehind { .. }
            | Broken::NotAligned { .. } => FailureKind::Internal,
            Broken::EndsEarly { .. }
            | Broken::FramesMissing { .. }
            | Broken::FramesLost { .. }
            | Broken::FramesPatched { .. }
            | Broken::CutOff
            | Broken::SoundMissing { .. } => FailureKind::Corrupt,
        }
    }
}

/// What the parent counted of one output.
pub trait Counted {
    fn bytes(&self) -> u64;
    /// Of all fragments together; 0 where it has none.
    fn fragments_us(&self) -> u64;
    /// When its fragments end, in their order, in microseconds.
    fn fragment_ends_us(&self) -> Vec<u64>;
    /// Bytes at its begin that were known last.
    fn room_bytes(&self) -> u64;
}

impl Counted for crate::parent::Collected {
    fn bytes(&self) -> u64 {
        self.bytes
    }

    fn fragments_us(&self) -> u64 {
        self.duration_us()
    }

    fn fragment_ends_us(&self) -> Vec<u64> {
        let durations = self.fragments.iter().map(|fragment| fragment.duration_us);
        durations
            .scan(0u64, |end, duration| {
                Some({
                    *end = end.saturating_add(duration);
                    *end
                })
            })
            .collect()
    }

    fn room_bytes(&self) -> u64 {
        self.room_bytes
    }
}

/// Checks a result. The file is looked at first: an output that is short because the file is, is not our fault. Where all
/// profiles of the job keep what there is of a damaged file, the loss is the answer. So it is, whatever the profiles say, of a file that
/// only looks damaged: good files of its sort look like that, too.
///
/// # Errors
/// The first promise that is [`Broken`].
pub fn check(job: &ChildJob, counts: &Counts, collected: &[impl Counted]) -> Result<Option<Loss>, Broken> {
    let decodes_to_the_end = job.outputs.iter().any(|output| {
        matches!(output.make.form(), Form::Cmaf | Form::Mp4 | Form::Wav)
            && !matches!(output.make, Recipe::Preview { .. } | Recipe::Loop { .. })
    });
    let mut loss = None;
    if decodes_to_the_end && let Err(broken) = check_file(job, counts) {
        if job.outputs.iter().any(|output| output.damaged == Damaged::Refuse) {
            return Err(broken);
        }
        loss = Some(loss_of(job, counts));
    } else if decodes_to_the_end && looks_damaged(job, counts) {
        loss = Some(loss_of(job, counts));
    }
    for (output, ((wanted, made), collected)) in job.outputs.iter().zip(&counts.outputs).zip(collected).enumerate() {
        if made.is_lost && wanted.track > 0 {
            continue;
        }
        // A text may say nothing, and is then still a file.
        let says_nothing = made.frames == 0 && !matches!(wanted.make, Recipe::Vtt {});
        if collected.bytes() == 0 || says_nothing {
            return Err(Broken::Empty { output });
        }
        check_size(output, &wanted.make, made)?;
        if matches!(wanted.make, Recipe::Mp4 { .. } | Recipe::Preview { .. }) && collected.room_bytes() == 0 {
            return Err(Broken::IndexBehind { output });
        }
        let (got_us, track) = match wanted.make {
            Recipe::H264 { .. } | Recipe::Vp9 { .. } | Recipe::Av1 { .. } => (collected.fragments_us(), &counts.video),
            Recipe::Aac { .. } | Recipe::Opus { .. } => (collected.fragments_us(), &counts.audio),
            Recipe::Pcm { sample_rate } => (wav_duration_us(collected.bytes(), sample_rate), &counts.audio),
            Recipe::Mp4 { .. } => (made.lasts_ms.unwrap_or(0).saturating_mul(1000), &counts.video),
            _ => continue,
        };
        // Only of the first track was the length counted.
        let track_ms = track.as_ref().filter(|_| wanted.track == 0).map_or(0, length_ms);
        if (got_us / 1000).saturating_add(OUTPUT_SLACK_MS) < track_ms {
            return Err(Broken::OutputTooShort { output, got_ms: got_us / 1000, track_ms });
        }
    }
    if job.may_copy {
        check_alignment(job, collected)?;
    }
    Ok(loss)
}

/// Whether rungs are cut at the same moments. Those that we encode are by their making; a film's own may be told wrongly.
fn check_alignment(job: &ChildJob, collected: &[impl Counted]) -> Result<(), Broken> {
    let rungs = || job.outputs.iter().zip(collected).enumerate().filter(|(_, (wanted, _))| matches!(wanted.make, Recipe::H264 { .. }));
    let Some((_, (_, first))) = rungs().next() else { return Ok(()) };
    let first = first.fragment_ends_us();
    for (output, (_, rung)) in rungs() {
        let ends = rung.fragment_ends_us();
        // The last frames' lengths are told differently.
        let is_near = |(place, (one, other)): (usize, (&u64, &u64))| place + 1 == first.len() || one.abs_diff(*other) < CUT_SLACK_US;
        if ends.len() != first.len() || !first.iter().zip(&ends).enumerate().all(is_near) {
            return Err(Broken::NotAligned { output });
        }
    }
    Ok(())
}

fn loss_of(job: &ChildJob, counts: &Counts) -> Loss {
    let info = job.info.as_ref();
    let promised_ms = info.and_then(|info| info.duration_ms).filter(|_| says_its_length(&job.mime)).unwrap_or(0);
    let missing_ms = promised_ms.saturating_sub(counts.end_ms.unwrap_or(promised_ms));
    let missing_frames = match (&counts.video, &counts.audio) {
        (Some(track), _) => {
            let promised = info.and_then(|info| info.video.as_ref()?.frames).unwrap_or(0);
            let lost = given(track).saturating_sub(track.from_decoder).saturating_add(track.dropped).saturating_add(track.patched);
            promised.saturating_sub(track.demuxed).saturating_add(lost)
        }
        (None, Some(track)) => {
            let promised = info.and_then(|info| info.audio.as_ref()?.frames).unwrap_or(0);
            promised.max(track.to_decoder).saturating_sub(track.from_decoder)
        }
        (None, None) => 0,
    };
    Loss { missing_ms: missing_ms.max(silent_ms(&job.mime, counts)), missing_frames }
}

/// From its first sample to its last.
fn length_ms(track: &TrackCounts) -> u64 {
    track.end_ms.unwrap_or(0).saturating_sub(track.start_ms.unwrap_or(0))
}

/// Samples of a track, where each should give a frame. Of an interlaced track each field may be a sample of its own.
fn given(track: &TrackCounts) -> u64 {
    if track.interlaced { track.to_decoder / 2 } else { track.to_decoder }
}

fn check_file(job: &ChildJob, counts: &Counts) -> Result<(), Broken> {
    let info = job.info.as_ref();
    if info.and_then(|info| info.cut_off) == Some(CutOff::Certain) {
        return Err(Broken::CutOff);
    }
    let promised_ms = info.and_then(|info| info.duration_ms).filter(|_| says_its_length(&job.mime));
    if let (Some(promised_ms), Some(got_ms)) = (promised_ms, counts.end_ms)
        && got_ms.saturating_add(END_SLACK_MS.max(promised_ms / 200)) < promised_ms
    {
        return Err(Broken::EndsEarly { got_ms, promised_ms });
    }
    if let Some(track) = &counts.audio {
        check_sound(track, info.and_then(|info| info.audio.as_ref()).map_or("", |audio| &audio.codec))?;
    }
    // Each frame of FLAC has its number and a checksum: what is missing was there.
    let silent_ms = silent_ms(&job.mime, counts);
    if silent_ms > 0 && matches!(job.mime.as_str(), "audio/flac" | "audio/x-flac") {
        return Err(Broken::SoundMissing { silent_ms });
    }
    let Some(track) = &counts.video else { return Ok(()) };
    let promised = info.and_then(|info| info.video.as_ref()?.frames).unwrap_or(0);
    if track.demuxed.saturating_add(1) < promised {
        return Err(Broken::FramesMissing { got: track.demuxed, promised });
    }
    check_decoder(track)?;
    // A plain stream may begin and end anywhere in a frame.
    if track.patched > 0 && says_its_length(&job.mime) {
        return Err(Broken::FramesPatched { patched: track.patched, decoded: track.from_decoder });
    }
    Ok(())
}

fn check_sound(track: &TrackCounts, codec: &str) -> Result<(), Broken> {
    // A pause of a call is a frame that need not give any sound.
    if codec != "amr" && track.from_decoder.saturating_add(sound_slack(track)) < track.to_decoder {
        return Err(Broken::FramesLost { decoded: track.from_decoder, given: track.to_decoder });
    }
    Ok(())
}

fn sound_slack(track: &TrackCounts) -> u64 {
    FRAMES_SLACK.max(track.to_decoder / 200)
}

/// Whether a file of sound promises more frames than came. They are counted as its decoder gets them: a plain stream has no others.
/// What cuts songs may leave the promise as it was.
fn are_frames_missing(job: &ChildJob, track: &TrackCounts) -> bool {
    let promised = job.info.as_ref().and_then(|info| info.audio.as_ref()?.frames).unwrap_or(0);
    track.to_decoder.saturating_add(sound_slack(track)) < promised
}

/// Whether something may be missing, where it cannot be proved.
fn looks_damaged(job: &ChildJob, counts: &Counts) -> bool {
    let is_patched = counts.video.as_ref().is_some_and(|track| track.patched > 0);
    let is_cut_off = job.info.as_ref().is_some_and(|info| info.cut_off.is_some());
    let lacks_frames = counts.audio.as_ref().is_some_and(|track| are_frames_missing(job, track));
    is_patched || is_cut_off || lacks_frames || silent_ms(&job.mime, counts) > 0
}

/// How much of the sound did not come between its begin and its end. Of an MP4 each sample is promised, and its gaps are meant.
fn silent_ms(mime: &str, counts: &Counts) -> u64 {
    let track = counts.audio.as_ref().filter(|track| track.from_decoder > 0 && !codecs::is_mp4(mime));
    let (length_ms, decoded_ms) = track.map_or((0, 0), |track| (length_ms(track), track.decoded_ms));
    let silent = length_ms.saturating_sub(decoded_ms);
    if silent > SEAMS_MS + length_ms / CLOCKS_APART { silent } else { 0 }
}

fn check_decoder(track: &TrackCounts) -> Result<(), Broken> {
    let given = given(track);
    // Where the decoder complained, what is missing is not a matter of seams.
    let slack = if track.errors > 0 && !track.interlaced { 0 } else { FRAMES_SLACK.max(given / 200) };
    let given = given.saturating_add(track.dropped);
    if track.from_decoder.saturating_add(slack) < given || track.dropped > 0 {
        return Err(Broken::FramesLost { decoded: track.from_decoder, given });
    }
    Ok(())
}

fn check_size(output: usize, make: &Recipe, made: &OutputCounts) -> Result<(), Broken> {
    let max = make.size();
    let (width, height) = (made.width.unwrap_or(0), made.height.unwrap_or(0));
    let is_kept = match (make, make.form()) {
        // A sheet of tiles has the size that its tiles give it.
        (Recipe::Storyboard { .. }, _) => width > 0 && height > 0,
        (Recipe::Loop { .. }, _) | (_, Form::Picture) => (1..=max).contains(&width) && height > 0,
        _ if make.mime().starts_with("video/") => (2..=max).contains(&width.min(height)),
        _ => true,
    };
    if is_kept { Ok(()) } else { Err(Broken::WrongSize { output, got: (made.width, made.height), max }) }
}

/// Whether a file of this type says how long it is. Of a plain stream that is a guess from its first frames.
fn says_its_length(mime: &str) -> bool {
    !matches!(mime, "audio/mpeg" | "audio/aac" | "audio/amr" | "video/mp2t" | "video/mpeg")
}

/// How long mono 16-bit sound behind a WAV header lasts.
pub fn wav_duration_us(bytes: u64, sample_rate: u32) -> u64 {
    bytes.saturating_sub(WAV_HEADER_BYTES) / 2 * 1_000_000 / u64::from(sample_rate.max(1))
}

#[cfg(test)]
mod tests {
    use media_domain::{Kind, MediaInfo, info::VideoInfo, profile::ProfileLimits, work::Group};

    use super::*;
    use crate::child::lock::Layers;
    use crate::protocol::{Limits, Output};

    #[derive(Clone)]
    struct Made {
        bytes: u64,
        us: u64,
    }

    impl Counted for Made {
        fn bytes(&self) -> u64 {
            self.bytes
        }

        fn fragments_us(&self) -> u64 {
            self.us
        }

        fn fragment_ends_us(&self) -> Vec<u64> {
            vec![self.us / 2, self.us]
        }

        fn room_bytes(&self) -> u64 {
            0
        }
    }

    fn job() -> ChildJob {
        let outputs = vec![Output {
            profile: "h264-360p".to_owned().try_into().unwrap(),
            make: Recipe::H264 { height: 360, bitrate_kbps: 800 },
            track: 0,
            damaged: Damaged::Refuse,
            limits: ProfileLimits::default(),
        }];
        let video =
            VideoInfo { codec: "h264".into(), width: 640, height: 360, frame_rate: (30, 1), frames: Some(180), ..VideoInfo::default() };
        let info = MediaInfo { duration_ms: Some(6000), video: Some(video), ..MediaInfo::default() };
        let limits = Limits::of(Group::Ladder, 1, Some(&info), &outputs);
        ChildJob {
            size: 1,
            mime: "video/mp4".into(),
            kind: Kind::Video,
            group: Group::Ladder,
            outputs,
            info: Some(info),
            limits,
            may_copy: false,
            layers: Layers::ALL,
        }
    }

    fn counts(frames: u64, end_ms: u64) -> Counts {
        let track = TrackCounts {
            demuxed: frames,
            to_decoder: frames,
            from_decoder: frames,
            start_ms: Some(0),
            end_ms: Some(end_ms),
            decoded_ms: 0,
            interlaced: false,
            dropped: 0,
            patched: 0,
            errors: 0,
        };
        let output = OutputCounts { width: Some(640), height: Some(360), frames, ..OutputCounts::default() };
        Counts { video: Some(track), audio: None, end_ms: Some(end_ms), outputs: vec![output] }
    }

    fn made(us: u64) -> [Made; 1] {
        [Made { bytes: 1000, us }]
    }

    #[test]
    fn a_whole_file_keeps_its_promises() {
        assert_eq!(check(&job(), &counts(180, 6000), &made(6_000_000)), Ok(None));
    }

    #[test]
    fn a_file_that_was_cut_off_is_corrupt_by_its_end_and_by_its_frames() {
        let cut = check(&job(), &counts(90, 3000), &made(3_000_000)).unwrap_err();
        assert_eq!((cut.kind(), &cut), (FailureKind::Corrupt, &Broken::EndsEarly { got_ms: 3000, promised_ms: 6000 }));
        // sound that goes on to the end hides the missing pictures from the clock
        let hidden = check(&job(), &counts(90, 6000), &made(6_000_000)).unwrap_err();
        assert_eq!((hidden.kind(), &hidden), (FailureKind::Corrupt, &Broken::FramesMissing { got: 90, promised: 180 }));
    }

    #[test]
    fn a_damaged_file_is_kept_with_its_loss_only_where_every_profile_keeps_it() {
        let mut job = job();
        job.outputs[0].damaged = Damaged::Keep;
        let loss = Loss { missing_ms: 3000, missing_frames: 92 };
        let mut cut = counts(90, 3000);
        cut.video.as_mut().unwrap().from_decoder = 88;
        assert_eq!(check(&job, &cut, &made(3_000_000)), Ok(Some(loss)));
        assert_eq!(check(&job, &counts(180, 6000), &made(6_000_000)), Ok(None));
        // What is our fault stays it.
        assert!(check(&job, &cut, &made(1_000_000)).is_err());
        job.outputs.push(Output { damaged: Damaged::Refuse, ..job.outputs[0].clone() });
        assert!(matches!(check(&job, &cut, &[made(3_000_000), made(3_000_000)].concat()), Err(Broken::EndsEarly { .. })));
    }

    #[test]
    fn frames_that_the_decoder_lost_are_counted() {
        let mut lossy = counts(180, 6000);
        lossy.video.as_mut().unwrap().from_decoder = 170;
        assert_eq!(check(&job(), &lossy, &made(6_000_000)), Err(Broken::FramesLost { decoded: 170, given: 180 }));
        lossy.video.as_mut().unwrap().interlaced = true;
        assert_eq!(check(&job(), &lossy, &made(6_000_000)), Ok(None), "two fields may make one frame");
    }

    #[test]
    fn a_frame_that_was_patched_up_is_no_whole_one_and_a_few_missing_ones_are_damage_where_the_decoder_complained() {
        let with = |change: fn(&mut TrackCounts)| {
            let mut counts = counts(180, 6000);
            change(counts.video.as_mut().unwrap());
            counts
        };
        let patched = with(|track| track.patched = 1);
        assert_eq!(check(&job(), &patched, &made(6_000_000)), Err(Broken::FramesPatched { patched: 1, decoded: 180 }));
        let plain = ChildJob { mime: "video/mp2t".into(), ..job() };
        let kept = Some(Loss { missing_ms: 0, missing_frames: 1 });
        assert_eq!(check(&plain, &patched, &made(6_000_000)), Ok(kept), "its last frame may be cut: told, and no reason to refuse");
        let missing = with(|track| track.from_decoder = 178);
        assert_eq!(check(&job(), &missing, &made(6_000_000)), Ok(None));
        let complained = with(|track| (track.from_decoder, track.errors) = (178, 1));
        assert_eq!(check(&job(), &complained, &made(6_000_000)), Err(Broken::FramesLost { decoded: 178, given: 180 }));
        let dropped = with(|track| (track.to_decoder, track.from_decoder, track.dropped) = (178, 178, 2));
        assert_eq!(check(&job(), &dropped, &made(6_000_000)), Err(Broken::FramesLost { decoded: 178, given: 180 }));
        let noisy = with(|track| track.errors = 9);
        assert_eq!(check(&job(), &noisy, &made(6_000_000)), Ok(None), "good files have errors, too");
    }

    #[test]
    fn rungs_that_are_cut_at_other_moments_are_our_fault_where_one_may_be_the_films_own() {
        let mut job = job();
        job.outputs.push(job.outputs[0].clone());
        let mut counts = counts(180, 6000);
        counts.outputs.push(counts.outputs[0].clone());
        let elsewhere = [made(6_000_000), made(5_990_000)].concat();
        assert_eq!(check(&job, &counts, &elsewhere), Ok(None));
        job.may_copy = true;
        assert_eq!(check(&job, &counts, &elsewhere), Err(Broken::NotAligned { output: 1 }));
        assert_eq!(check(&job, &counts, &[made(6_000_000), made(6_001_000)].concat()), Ok(None));
    }

    #[test]
    fn a_progressive_file_without_room_for_its_index_is_our_fault() {
        let mut job = job();
        job.outputs[0].make = Recipe::Mp4 { height: 360, bitrate_kbps: 800, audio_kbps: 128 };
        assert_eq!(check(&job, &counts(180, 6000), &made(6_000_000)), Err(Broken::IndexBehind { output: 0 }));
    }

    #[test]
    fn an_output_that_is_empty_short_or_too_large_is_our_fault() {
        let empty = check(&job(), &counts(180, 6000), &[Made { bytes: 0, us: 0 }]).unwrap_err();
        let short = check(&job(), &counts(180, 6000), &made(5_000_000)).unwrap_err();
        let mut large = counts(180, 6000);
        large.outputs[0].height = Some(720);
        large.outputs[0].width = Some(1280);
        let large = check(&job(), &large, &made(6_000_000)).unwrap_err();
        assert_eq!([empty.kind(), short.kind(), large.kind()], [FailureKind::Internal; 3]);
    }

    #[test]
    fn a_plain_stream_promises_no_length() {
        let job =
            ChildJob { mime: "audio/mpeg".into(), info: Some(MediaInfo { duration_ms: Some(9000), ..MediaInfo::default() }), ..job() };
        assert_eq!(check(&job, &counts(180, 6000), &made(6_000_000)), Ok(None));
    }
}
