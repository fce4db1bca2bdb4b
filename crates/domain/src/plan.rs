//! What is made of a file: which profiles apply to what the probe found, grouped into pieces of work.

use std::time::Duration;

use crate::{
    Kind, MediaInfo, Profile, Profiles, Reason,
    limits::{MAX_ANIMATION_PIXELS, MAX_DURATION, MAX_PIXELS},
    profile::{ProfileName, Recipe, Required},
    work::Group,
};

/// The pieces of work that follow a probe, first in line first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    pub groups: Vec<PlannedGroup>,
    /// Profiles of the kind that this file gives no ground for, each with why.
    pub skipped: Vec<(ProfileName, &'static str)>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct PlannedGroup {
    pub group: Group,
    pub jobs: Vec<PlannedJob>,
}

/// One profile that will be made.
#[derive(Clone, Debug, PartialEq)]
pub struct PlannedJob {
    pub profile: ProfileName,
    /// Whether the asset can be ready without it.
    pub required: bool,
}

/// Why a file cannot become an asset of its kind. `detail` names what was found and the limit.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{reason}: {detail}")]
pub struct Refused {
    pub reason: Reason,
    pub detail: String,
}

impl Refused {
    fn new(reason: Reason, detail: String) -> Self {
        Self { reason, detail }
    }
}

/// Decides what is made of a file: what applies, and of that what is required or was `asked` for; `None` asks for all.
///
/// # Errors
/// [`Refused`] where the file is not what its kind needs (a video without a picture), or is over a limit.
pub fn plan(kind: Kind, info: &MediaInfo, profiles: &Profiles, asked: Option<&[ProfileName]>) -> Result<Plan, Refused> {
    check(kind, info)?;
    let of_kind = profiles.of_kind(kind);
    let mut plan = Plan::default();
    for profile in &of_kind {
        if let Some(why) = does_not_apply(profile, &of_kind, info) {
            plan.skipped.push((profile.name.clone(), why));
            continue;
        }
        let required = is_required(profile, &of_kind);
        let is_asked_for = asked.map_or(!profile.on_request, |asked| asked.contains(&profile.name));
        if !required && !is_asked_for {
            plan.skipped.push((profile.name.clone(), "it was not asked for"));
            continue;
        }
        let jobs = tracks_of(profile, info).into_iter().filter_map(|track| {
            let name = profile.name.of_track(track).ok()?;
            Some(PlannedJob { profile: name, required: required && track == 0 })
        });
        match plan.groups.iter_mut().find(|planned| planned.group == profile.group) {
            Some(planned) => planned.jobs.extend(jobs),
            None => plan.groups.push(PlannedGroup { group: profile.group, jobs: jobs.collect() }),
        }
    }
    Ok(plan)
}

fn check(kind: Kind, info: &MediaInfo) -> Result<(), Refused> {
    let missing = |what: &str| Refused::new(Reason::Unsupported, format!("the file has no {what}"));
    match kind.pipeline() {
        Kind::Video => {
            info.video.as_ref().ok_or_else(|| missing("video track"))?;
        }
        Kind::Audio => {
            info.audio.as_ref().ok_or_else(|| missing("audio track"))?;
        }
        Kind::Image => {
            let picture = info.picture.as_ref().ok_or_else(|| missing("picture"))?;
            let pixels = u64::from(picture.width) * u64::from(picture.height);
            let frames = u64::from(picture.frames.max(1));
            if pixels > MAX_PIXELS {
                return Err(Refused::new(Reason::PixelsExceedLimit, format!("{pixels} pixels, and the limit is {MAX_PIXELS}")));
            }
            if frames > 1 && pixels.saturating_mul(frames) > MAX_ANIMATION_PIXELS {
                return Err(Refused::new(
                    Reason::PixelsExceedLimit,
                    format!("{} pixels over {frames} frames, and the limit is {MAX_ANIMATION_PIXELS}", pixels.saturating_mul(frames)),
                ));
            }
        }
        _ => {}
    }
    if let Some(duration) = info.duration_ms.map(Duration::from_millis).filter(|duration| *duration > MAX_DURATION) {
        let (seconds, limit) = (duration.as_secs(), MAX_DURATION.as_secs());
        return Err(Refused::new(Reason::DurationExceedsLimit, format!("{seconds} s, and the limit is {limit} s")));
    }
    Ok(())
}

fn does_not_apply(profile: &Profile, all: &[&Profile], info: &MediaInfo) -> Option<&'static str> {
    match profile.make {
        Recipe::Aac { .. } | Recipe::Opus { .. } | Recipe::Waveform { .. } | Recipe::Pcm { .. } if info.audio.is_none() => {
            Some("the file has no audio track")
        }
        Recipe::Aac { .. } if tracks_of(profile, info).is_empty() => Some("the source has fewer channels"),
        Recipe::Cover { .. } if !info.has_cover => Some("the file carries no picture"),
        Recipe::H264 { height, .. } | Recipe::Vp9 { height, .. } | Recipe::Av1 { height, .. } => {
            let source = info.video.as_ref().map_or(0, |video| video.short_side());
            (height > source && !is_lowest(profile, all)).then_some("the source is smaller")
        }
        Recipe::Webp { width, .. } | Recipe::Avif { width, .. } | Recipe::Jpeg { width, .. } => {
            let source = info.picture.as_ref().map_or(0, |picture| picture.width);
            (width > source && !is_lowest(profile, all)).then_some("the source is smaller")
        }
        _ => None,
    }
}

/// The most tracks of one sort that are made something of.
const TRACKS_MAX: usize = 16;

/// The tracks of its sort that a profile is made of, counted from 0. More than two channels are only kept, never invented.
fn tracks_of(profile: &Profile, info: &MediaInfo) -> Vec<u32> {
    let most = if profile.per_track { TRACKS_MAX } else { 1 };
    let wanted = match profile.make {
        Recipe::Aac { channels, .. } => channels,
        Recipe::Opus { .. } => STEREO,
        _ => return vec![0],
    };
    let tracks = (0u32..).zip(info.audio.iter().chain(&info.further_audio)).take(most);
    tracks.filter(|(_, track)| wanted <= STEREO || track.channels >= wanted).map(|(number, _)| number).collect()
}

const STEREO: u32 = 2;

fn is_required(profile: &Profile, all: &[&Profile]) -> bool {
    match profile.required {
        Required::Always => true,
        Required::Lowest => is_lowest(profile, all),
        Required::Never => false,
    }
}

/// Whether this is the last, that is the smallest, of those in its group that are required by being lowest.
fn is_lowest(profile: &Profile, all: &[&Profile]) -> bool {
    all.iter()
        .rfind(|other| other.group == profile.group && other.required == Required::Lowest)
        .is_some_and(|last| last.name == profile.name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::info::{AudioInfo, PictureInfo, VideoInfo};

    fn video(width: u32, height: u32, audio: bool) -> MediaInfo {
        MediaInfo {
            duration_ms: Some(10_000),
            video: Some(VideoInfo { codec: "h264".into(), width, height, frame_rate: (30, 1), frames: Some(300) }),
            audio: audio.then(|| AudioInfo { codec: "aac".into(), channels: 2, sample_rate: 48_000, ..AudioInfo::default() }),
            ..MediaInfo::default()
        }
    }

    fn made(kind: Kind, info: &MediaInfo) -> Vec<String> {
        let plan = plan(kind, info, &Profiles::built_in().unwrap(), None).unwrap();
        plan.groups.iter().flat_map(|g| &g.jobs).map(|j| format!("{}{}", j.profile, if j.required { "!" } else { "" })).collect()
    }

    #[test]
    fn a_video_with_sound_gets_speech_first_then_its_poster_then_both_rungs() {
        assert_eq!(made(Kind::Video, &video(1280, 720, true)), ["speech", "poster!", "h264-720p", "h264-360p!", "aac-128k!"]);
    }

    #[test]
    fn each_further_language_gets_a_rendition_and_six_channels_are_kept_where_a_track_has_them() {
        let track = |channels| AudioInfo { codec: "ac3".into(), channels, sample_rate: 48_000, ..AudioInfo::default() };
        let mut info = video(640, 360, true);
        info.further_audio = vec![track(6), track(1)];
        assert_eq!(made(Kind::Video, &info), ["speech", "poster!", "aac-384k-t2", "h264-360p!", "aac-128k!", "aac-128k-t2", "aac-128k-t3"]);
        info.further_audio = vec![track(6); 40];
        let renditions = made(Kind::Video, &info).iter().filter(|name| name.starts_with("aac-128k")).count();
        assert_eq!(renditions, 16);
    }

    #[test]
    fn an_audio_file_gets_a_poster_where_it_carries_a_picture() {
        let mut info = MediaInfo { video: None, ..video(1, 1, true) };
        assert_eq!(made(Kind::Audio, &info), ["speech", "waveform", "aac-128k!", "opus-96k", "aac-64k"]);
        info.has_cover = true;
        assert_eq!(made(Kind::Audio, &info), ["speech", "poster", "waveform", "aac-128k!", "opus-96k", "aac-64k"]);
    }

    #[test]
    fn a_rung_larger_than_the_source_is_skipped_but_the_lowest_is_always_made() {
        assert_eq!(made(Kind::Video, &video(640, 480, false)), ["poster!", "h264-360p!"]);
        assert_eq!(made(Kind::Video, &video(160, 120, false)), ["poster!", "h264-360p!"]);
    }

    #[test]
    fn an_upright_video_is_judged_by_its_short_side() {
        assert!(made(Kind::Video, &video(720, 1280, false)).contains(&"h264-720p".to_owned()));
    }

    #[test]
    fn what_is_skipped_is_said_with_its_reason() {
        let plan = plan(Kind::Video, &video(640, 360, false), &Profiles::built_in().unwrap(), None).unwrap();
        let skipped: Vec<_> = plan.skipped.iter().map(|(name, why)| format!("{name}: {why}")).collect();
        assert_eq!(
            skipped,
            [
                "speech: the file has no audio track",
                "h264-720p: the source is smaller",
                "aac-384k: the file has no audio track",
                "aac-128k: the file has no audio track"
            ]
        );
    }

    #[test]
    fn a_small_picture_gets_its_smallest_width_only() {
        let info = MediaInfo { picture: Some(PictureInfo { width: 100, height: 80, frames: 1 }), ..MediaInfo::default() };
        assert_eq!(made(Kind::Image, &info), ["webp-320!"]);
    }

    #[test]
    fn a_video_without_a_picture_track_and_a_huge_picture_are_refused_with_the_limit() {
        let profiles = Profiles::built_in().unwrap();
        assert_eq!(plan(Kind::Video, &MediaInfo::default(), &profiles, None).unwrap_err().reason, Reason::Unsupported);
        let huge = MediaInfo { picture: Some(PictureInfo { width: 100_000, height: 100_000, frames: 1 }), ..MediaInfo::default() };
        let refused = plan(Kind::Image, &huge, &profiles, None).unwrap_err();
        assert_eq!(refused.reason, Reason::PixelsExceedLimit);
        assert!(refused.detail.contains("100000000"), "{}", refused.detail);
    }

    #[test]
    fn what_was_not_asked_for_is_skipped_unless_it_is_required() {
        let asked = ["h264-720p".to_owned().try_into().unwrap()];
        let plan = plan(Kind::Video, &video(1280, 720, true), &Profiles::built_in().unwrap(), Some(&asked)).unwrap();
        let made: Vec<_> = plan.groups.iter().flat_map(|group| &group.jobs).map(|job| job.profile.as_str()).collect();
        assert_eq!(made, ["poster", "h264-720p", "h264-360p", "aac-128k"]);
        let skipped: Vec<_> = plan.skipped.iter().map(|(name, why)| format!("{name}: {why}")).collect();
        assert_eq!(skipped, ["speech: it was not asked for", "aac-384k: the source has fewer channels"]);
    }

    #[test]
    fn thirteen_hours_are_too_long() {
        let long = MediaInfo { duration_ms: Some(13 * 3_600_000), ..video(1280, 720, true) };
        assert_eq!(plan(Kind::Video, &long, &Profiles::built_in().unwrap(), None).unwrap_err().reason, Reason::DurationExceedsLimit);
    }
}
