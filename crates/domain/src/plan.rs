//! What is made of a file: which profiles apply to what the probe found, grouped into pieces of work.

mod lacking;

use std::time::Duration;

use crate::{
    Kind, MediaInfo, Profile, Profiles, Reason,
    limits::MAX_DURATION,
    policy::CaptionMode,
    profile::{ProfileName, Recipe, Required},
    work::Group,
};

pub use lacking::lacking;

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

impl Plan {
    /// Leaves a group out, and says of each of its jobs why.
    pub fn leave_out(&mut self, group: Group, why: &'static str) {
        let (left_out, kept) = std::mem::take(&mut self.groups).into_iter().partition(|planned| planned.group == group);
        self.groups = kept;
        let left_out: Vec<PlannedGroup> = left_out;
        self.skipped.extend(left_out.into_iter().flat_map(|planned| planned.jobs).map(|job| (job.profile, why)));
    }

    /// Follows what a tenant says of captions: speech is made for them alone.
    pub fn follow_captions(&mut self, mode: CaptionMode, asked: Option<&[ProfileName]>) {
        let is_asked_for = asked.is_some_and(|asked| {
            self.groups
                .iter()
                .filter(|planned| planned.group == Group::Speech)
                .any(|planned| planned.jobs.iter().any(|job| asked.contains(&job.profile)))
        });
        match mode {
            CaptionMode::Off => self.leave_out(Group::Speech, "the tenant's policy has no captions"),
            CaptionMode::OnRequest if !is_asked_for => {
                self.leave_out(Group::Speech, "by the tenant's policy captions are made on request");
            }
            CaptionMode::Automatic | CaptionMode::OnRequest => {}
        }
    }
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
        let is_asked_for = asked.map_or(!profile.on_request, |asked| asked.contains(&profile.name));
        if profile.on_request && !is_asked_for {
            continue;
        }
        if let Some(why) = does_not_apply(profile, &of_kind, info) {
            plan.skipped.push((profile.name.clone(), why));
            continue;
        }
        let required = is_required(profile, &of_kind);
        if !required && !is_asked_for {
            plan.skipped.push((profile.name.clone(), "it was not asked for"));
            continue;
        }
        let mut jobs = Vec::new();
        for track in tracks_of(profile, info) {
            let Ok(name) = profile.name.of_track(track) else { continue };
            match track_does_not_apply(profile, info, track) {
                Some(why) => plan.skipped.push((name, why)),
                None => jobs.push(PlannedJob { profile: name, required: required && track == 0 }),
            }
        }
        match plan.groups.iter_mut().find(|planned| planned.group == profile.group) {
            Some(planned) => planned.jobs.extend(jobs),
            None if jobs.is_empty() => {}
            None => plan.groups.push(PlannedGroup { group: profile.group, jobs }),
        }
    }
    Ok(plan)
}

/// What follows a scan without a look into the file, or `None` where the file is looked into: a subtitle is nothing but its
/// text, and of an office file nothing can be drawn.
pub fn after_scan(kind: Kind, mime: &str, profiles: &Profiles) -> Option<Plan> {
    let names = || profiles.of_kind(kind).into_iter().filter(|profile| !profile.on_request).map(|profile| profile.name.clone());
    match kind.pipeline() {
        Kind::Subtitle => {
            let jobs = names().map(|profile| PlannedJob { profile, required: false }).collect();
            Some(Plan { groups: vec![PlannedGroup { group: Group::Subtitles, jobs }], skipped: Vec::new() })
        }
        Kind::Document if mime != "application/pdf" => {
            let skipped = names().map(|name| (name, "files of this type have no preview")).collect();
            Some(Plan { groups: Vec::new(), skipped })
        }
        _ => None,
    }
}

/// What comes of one profile that is asked for after its asset was planned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum One {
    /// It is made, as a part of this group.
    Make(Group),
    /// The file gives no ground for it, and why.
    Skip(&'static str),
    /// No profile of the kind has the name.
    Unknown,
}

/// Decides on one profile, also one that was added after the asset. `info` is what the probe found, where the asset was probed.
pub fn one(kind: Kind, info: Option<&MediaInfo>, profiles: &Profiles, name: &ProfileName) -> One {
    let Some((profile, track)) = profiles.find_with_track(kind, name.as_str()) else { return One::Unknown };
    let Some(info) = info else {
        // What is not looked into: the text of a subtitle, and office files, of which nothing can be drawn.
        return if kind.pipeline() == Kind::Subtitle { One::Make(profile.group) } else { One::Skip("files of this type have no preview") };
    };
    if let Some(why) = does_not_apply(profile, &profiles.of_kind(kind), info) {
        return One::Skip(why);
    }
    if track > 0 && !tracks_of(profile, info).contains(&track) {
        return One::Skip("the file has no such track");
    }
    track_does_not_apply(profile, info, track).map_or(One::Make(profile.group), One::Skip)
}

fn check(kind: Kind, info: &MediaInfo) -> Result<(), Refused> {
    let missing = |what: &str| Refused::new(Reason::Unsupported, format!("the file has no {what}"));
    match kind.pipeline() {
        Kind::Video => {
            let video = info.video.as_ref().ok_or_else(|| missing("video track"))?;
            video.within_limits().map_err(|detail| Refused::new(Reason::PixelsExceedLimit, detail))?;
        }
        Kind::Audio => {
            info.audio.as_ref().ok_or_else(|| missing("audio track"))?;
        }
        Kind::Image => {
            let picture = info.picture.as_ref().ok_or_else(|| missing("picture"))?;
            picture.within_limits().map_err(|detail| Refused::new(Reason::PixelsExceedLimit, detail))?;
        }
        Kind::Document => {
            info.document.as_ref().filter(|document| document.pages > 0).ok_or_else(|| missing("page"))?;
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
        Recipe::H264 { .. } | Recipe::Vp9 { .. } | Recipe::Av1 { .. } => {
            let source = info.video.as_ref().map_or(0, |video| video.short_side());
            // The first that is as high as the source holds all of it; one that is hardly higher than the next is not worth its bits.
            let gains = next_smaller(profile, all).is_none_or(|smaller| source > smaller + smaller / 10);
            (!gains).then_some("the source is smaller")
        }
        Recipe::Webp { .. } | Recipe::Avif { .. } | Recipe::Jpeg { .. } => {
            let source = info.picture.as_ref().map_or(0, |picture| picture.width);
            // The first that is as wide as the source holds all of it.
            next_smaller(profile, all).is_some_and(|smaller| smaller >= source).then_some("the source is smaller")
        }
        Recipe::Loop { .. } if info.picture.as_ref().is_none_or(|picture| picture.frames < 2) => Some("the picture does not move"),
        Recipe::Vtt {} if info.texts.is_empty() => Some("the file has no text track"),
        _ => None,
    }
}

fn track_does_not_apply(profile: &Profile, info: &MediaInfo, track: u32) -> Option<&'static str> {
    let text = info.texts.get(track as usize).filter(|_| matches!(profile.make, Recipe::Vtt {}))?;
    if text.is_bitmap {
        Some("its subtitles are pictures, of which no text can be made")
    } else if text.codec.is_empty() {
        Some("its subtitles are of a kind that is not read")
    } else {
        None
    }
}

/// The size of the next smaller profile that makes the same: a picture in that format, a rung in that codec.
fn next_smaller(profile: &Profile, all: &[&Profile]) -> Option<u32> {
    let is_alike = |other: &&&Profile| {
        let is_same_form = other.make.mime() == profile.make.mime() && other.make.form() == profile.make.form();
        other.group == profile.group && is_same_form
    };
    all.iter().filter(is_alike).map(|other| other.make.size()).filter(|size| *size < profile.make.size()).max()
}

/// The most tracks of one sort that are made something of.
const TRACKS_MAX: usize = 16;

/// The tracks of its sort that a profile is made of, counted from 0. More than two channels are only kept, never invented.
fn tracks_of(profile: &Profile, info: &MediaInfo) -> Vec<u32> {
    let most = if profile.per_track { TRACKS_MAX } else { 1 };
    let wanted = match profile.make {
        Recipe::Aac { channels, .. } => channels,
        Recipe::Opus { .. } => STEREO,
        Recipe::Vtt {} if profile.per_track => return (0u32..).zip(&info.texts).take(most).map(|(number, _)| number).collect(),
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
    use crate::info::{AudioInfo, DocumentInfo, PictureInfo, TextInfo, VideoInfo};

    fn video(width: u32, height: u32, audio: bool) -> MediaInfo {
        MediaInfo {
            duration_ms: Some(10_000),
            video: Some(VideoInfo { codec: "h264".into(), width, height, frame_rate: (30, 1), frames: Some(300), ..VideoInfo::default() }),
            audio: audio.then(|| AudioInfo { codec: "aac".into(), channels: 2, sample_rate: 48_000, ..AudioInfo::default() }),
            ..MediaInfo::default()
        }
    }

    fn made(kind: Kind, info: &MediaInfo) -> Vec<String> {
        let plan = plan(kind, info, &Profiles::built_in().unwrap(), None).unwrap();
        plan.groups.iter().flat_map(|g| &g.jobs).map(|j| format!("{}{}", j.profile, if j.required { "!" } else { "" })).collect()
    }

    #[test]
    fn a_video_with_sound_gets_speech_first_then_its_poster_then_its_rungs_and_a_preview_last() {
        let made = made(Kind::Video, &video(1280, 720, true));
        let ladder = ["h264-720p", "mp4-720p", "h264-480p", "h264-360p!", "aac-128k!"];
        assert_eq!(made, [["speech", "poster!", "storyboard"].as_slice(), &ladder, &["preview"]].concat());
    }

    #[test]
    fn each_further_language_gets_a_rendition_and_six_channels_are_kept_where_a_track_has_them() {
        let track = |channels| AudioInfo { codec: "ac3".into(), channels, sample_rate: 48_000, ..AudioInfo::default() };
        let mut info = video(640, 360, true);
        info.further_audio = vec![track(6), track(1)];
        let sound = |info| made(Kind::Video, info).into_iter().filter(|name| name.starts_with("aac")).collect::<Vec<_>>();
        assert_eq!(sound(&info), ["aac-384k-t2", "aac-128k!", "aac-128k-t2", "aac-128k-t3"]);
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
    fn rungs_reach_up_to_the_first_that_holds_the_source_and_the_lowest_is_always_made() {
        let rungs = |width, height| {
            let made = made(Kind::Video, &video(width, height, false));
            made.into_iter().filter_map(|name| Some(name.strip_prefix("h264-")?.to_owned())).collect::<Vec<_>>()
        };
        assert_eq!(rungs(3840, 2160), ["2160p", "1440p", "1080p", "720p", "480p", "360p!"]);
        assert_eq!(rungs(1920, 1080), ["1080p", "720p", "480p", "360p!"]);
        assert_eq!(rungs(1920, 800), ["1080p", "720p", "480p", "360p!"], "a wide film keeps its lines");
        assert_eq!(rungs(1300, 728), ["720p", "480p", "360p!"], "eight lines are not worth a rung");
        assert_eq!(rungs(640, 480), ["480p", "360p!"]);
        assert_eq!(rungs(160, 120), ["360p!"]);
    }

    #[test]
    fn other_codecs_are_made_only_for_those_who_ask() {
        let asked = ["vp9-360p".to_owned().try_into().unwrap(), "av1-1080p".to_owned().try_into().unwrap()];
        let plan = plan(Kind::Video, &video(640, 360, false), &Profiles::built_in().unwrap(), Some(&asked)).unwrap();
        let made: Vec<_> = plan.groups.iter().map(|planned| (planned.group, planned.jobs[0].profile.as_str())).collect();
        assert_eq!(made, [(Group::Poster, "poster"), (Group::Ladder, "h264-360p"), (Group::Vp9, "vp9-360p")]);
        assert!(plan.skipped.iter().any(|(name, why)| name.as_str() == "av1-1080p" && why.contains("smaller")), "{:?}", plan.skipped);
        assert!(!plan.skipped.iter().any(|(name, _)| name.as_str() == "av1-720p"), "nobody spoke of it");
    }

    #[test]
    fn one_profile_is_made_skipped_or_unknown_by_what_the_file_is() {
        let profiles = Profiles::built_in().unwrap();
        let of = |kind, info: Option<&MediaInfo>, name: &str| one(kind, info, &profiles, &name.to_owned().try_into().unwrap());
        let film = video(1280, 720, true);
        assert_eq!(of(Kind::Video, Some(&film), "av1-720p"), One::Make(Group::Av1), "what is made only for those who ask");
        assert_eq!(of(Kind::Video, Some(&film), "h264-2160p"), One::Skip("the source is smaller"));
        assert_eq!(of(Kind::Video, Some(&film), "aac-128k-t2"), One::Skip("the file has no such track"));
        assert_eq!(of(Kind::Video, Some(&film), "webp-320"), One::Unknown, "a profile of another kind");
        assert_eq!(of(Kind::Subtitle, None, "vtt"), One::Make(Group::Subtitles));
        assert_eq!(of(Kind::Document, None, "webp-640"), One::Skip("files of this type have no preview"));
        assert_eq!(of(Kind::AiAudio, Some(&film), "opus-96k"), One::Make(Group::Audio));
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
                "vtt: the file has no text track",
                "h264-2160p: the source is smaller",
                "h264-1440p: the source is smaller",
                "h264-1080p: the source is smaller",
                "h264-720p: the source is smaller",
                "h264-480p: the source is smaller",
                "aac-384k: the file has no audio track",
                "aac-128k: the file has no audio track"
            ]
        );
    }

    #[test]
    fn a_picture_gets_the_widths_below_its_own_and_one_that_holds_all_of_it() {
        let still = |width| MediaInfo { picture: Some(PictureInfo { width, height: 80, frames: 1 }), ..MediaInfo::default() };
        assert_eq!(made(Kind::Image, &still(100)), ["jpeg-1280", "webp-320!", "avif-320"]);
        assert_eq!(made(Kind::Image, &still(640)), ["jpeg-1280", "webp-640", "avif-640", "webp-320!", "avif-320"]);
        assert_eq!(
            made(Kind::Image, &still(641)),
            ["webp-1280", "avif-1280", "jpeg-1280", "webp-640", "avif-640", "webp-320!", "avif-320"]
        );
    }

    #[test]
    fn only_what_moves_becomes_a_video() {
        let animation = |frames| MediaInfo { picture: Some(PictureInfo { width: 100, height: 80, frames }), ..MediaInfo::default() };
        assert!(made(Kind::Image, &animation(2)).contains(&"mp4-640".to_owned()));
        assert!(!made(Kind::Image, &animation(1)).contains(&"mp4-640".to_owned()));
    }

    #[test]
    fn each_text_track_is_a_job_and_one_of_pictures_is_skipped() {
        let text = |codec: &str, is_bitmap| TextInfo { codec: codec.into(), is_bitmap, ..TextInfo::default() };
        let info = MediaInfo { texts: vec![text("subrip", false), text("pgs", true), text("webvtt", false)], ..video(640, 360, false) };
        let plan = plan(Kind::Video, &info, &Profiles::built_in().unwrap(), None).unwrap();
        let jobs: Vec<_> =
            plan.groups.iter().flat_map(|g| &g.jobs).map(|job| job.profile.as_str()).filter(|name| name.starts_with("vtt")).collect();
        assert_eq!(jobs, ["vtt", "vtt-t3"]);
        assert!(plan.skipped.iter().any(|(name, why)| name.as_str() == "vtt-t2" && why.contains("pictures")), "{:?}", plan.skipped);
    }

    #[test]
    fn an_animation_of_too_many_frames_or_pixels_is_refused() {
        let animation = |width, frames| MediaInfo { picture: Some(PictureInfo { width, height: 1000, frames }), ..MediaInfo::default() };
        let refused = |info: MediaInfo| plan(Kind::Image, &info, &Profiles::built_in().unwrap(), None).unwrap_err();
        assert!(refused(animation(1000, 51)).detail.contains("51 frames"));
        assert!(refused(animation(1, 4001)).detail.contains("4001 frames"));
        assert!(!made(Kind::Image, &animation(1000, 50)).is_empty());
    }

    #[test]
    fn after_a_scan_a_subtitle_is_planned_an_office_file_skipped_and_all_else_looked_into() {
        let profiles = Profiles::built_in().unwrap();
        let subtitle = after_scan(Kind::Subtitle, "text/vtt", &profiles).unwrap();
        assert_eq!(subtitle.groups.iter().map(|planned| (planned.group, planned.jobs.len())).collect::<Vec<_>>(), [(Group::Subtitles, 1)]);
        let office = after_scan(Kind::Document, "application/msword", &profiles).unwrap();
        assert!(office.groups.is_empty());
        assert_eq!(office.skipped.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["webp-1280", "webp-640"]);
        assert_eq!(after_scan(Kind::Document, "application/pdf", &profiles), None);
        assert_eq!(after_scan(Kind::Image, "image/png", &profiles), None);
    }

    #[test]
    fn a_document_is_known_by_its_pages() {
        let pages = |pages| MediaInfo { document: Some(DocumentInfo { pages }), ..MediaInfo::default() };
        assert_eq!(made(Kind::Document, &pages(3)), ["webp-1280", "webp-640"]);
        assert_eq!(plan(Kind::Document, &pages(0), &Profiles::built_in().unwrap(), None).unwrap_err().reason, Reason::Unsupported);
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
    fn a_film_of_more_pixels_than_8k_has_is_refused_with_both_numbers() {
        assert!(!made(Kind::Video, &video(8192, 4320, true)).is_empty() && !made(Kind::Video, &video(4320, 8192, true)).is_empty());
        let refused = plan(Kind::Video, &video(16_000, 8000, true), &Profiles::built_in().unwrap(), None).unwrap_err();
        assert_eq!((refused.reason, refused.detail.as_str()), (Reason::PixelsExceedLimit, "128000000 pixels, and the limit is 36000000"));
        assert!(plan(Kind::Video, &video(u32::MAX, u32::MAX, false), &Profiles::built_in().unwrap(), None).is_err());
    }

    #[test]
    fn what_was_not_asked_for_is_skipped_unless_it_is_required() {
        let asked = ["h264-720p".to_owned().try_into().unwrap()];
        let plan = plan(Kind::Video, &video(1280, 720, true), &Profiles::built_in().unwrap(), Some(&asked)).unwrap();
        let made: Vec<_> = plan.groups.iter().flat_map(|group| &group.jobs).map(|job| job.profile.as_str()).collect();
        assert_eq!(made, ["poster", "h264-720p", "h264-360p", "aac-128k"]);
        let not_asked: Vec<_> = plan.skipped.iter().filter(|(_, why)| why.contains("asked")).map(|(name, _)| name.as_str()).collect();
        assert_eq!(not_asked, ["speech", "storyboard", "mp4-720p", "h264-480p", "preview"]);
    }

    #[test]
    fn speech_is_left_out_where_the_tenant_wants_no_captions_or_nobody_asked() {
        let asked = ["speech".to_owned().try_into().unwrap()];
        for (mode, asked, is_made) in [
            (CaptionMode::Automatic, None, true),
            (CaptionMode::OnRequest, None, false),
            (CaptionMode::OnRequest, Some(&asked[..]), true),
            (CaptionMode::Off, Some(&asked[..]), false),
        ] {
            let mut plan = plan(Kind::Video, &video(640, 360, true), &Profiles::built_in().unwrap(), asked).unwrap();
            plan.follow_captions(mode, asked);
            assert_eq!(plan.groups.iter().any(|planned| planned.group == Group::Speech), is_made, "{mode}");
            assert_eq!(plan.skipped.iter().any(|(name, why)| name.as_str() == "speech" && why.contains("captions")), !is_made, "{mode}");
            assert!(plan.groups.iter().any(|planned| planned.group == Group::Ladder));
        }
    }

    #[test]
    fn thirteen_hours_are_too_long() {
        let long = MediaInfo { duration_ms: Some(13 * 3_600_000), ..video(1280, 720, true) };
        assert_eq!(plan(Kind::Video, &long, &Profiles::built_in().unwrap(), None).unwrap_err().reason, Reason::DurationExceedsLimit);
    }
}
