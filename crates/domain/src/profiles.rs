//! Profiles are data: the built-in list, and an operator's file that extends or overrides it.
//!
//! A file is a list of `[[profile]]` tables in TOML. Whatever is wrong with one is said with its line: a misspelt field, a number
//! that no encoder takes, a recipe that the group's graph does not make.

use std::cmp::Reverse;

use serde::Deserialize;
use toml::Spanned;

use crate::{
    Kind, Profile,
    profile::{ProfileName, Recipe, split_track},
    work::Group,
};

/// The profiles that this build has.
const BUILT_IN: &str = include_str!("../profiles.toml");

/// All profiles that are known.
#[derive(Clone, Debug)]
pub struct Profiles(Vec<Profile>);

/// A file of profiles cannot be used. The text says line and field.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadProfiles {
    #[error("{0}")]
    Syntax(String),
    #[error("line {line}: the profile {name} {what}")]
    Wrong { line: usize, name: String, what: String },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    profile: Vec<Spanned<Profile>>,
}

impl Profiles {
    /// The profiles that this build has.
    ///
    /// # Errors
    /// If the built-in file is broken, which a test rules out.
    pub fn built_in() -> Result<Self, BadProfiles> {
        Self(Vec::new()).with(BUILT_IN)
    }

    /// These profiles, and those of an operator's file. Of two with one name and a kind in common the file's is taken, for
    /// the kinds that it names.
    ///
    /// # Errors
    /// [`BadProfiles`], with the line: where the text is no list of profiles, names one twice for a kind, or asks for what
    /// no graph makes.
    pub fn with(mut self, text: &str) -> Result<Self, BadProfiles> {
        let file: File = toml::from_str(text).map_err(|error| BadProfiles::Syntax(error.to_string()))?;
        let mut given: Vec<Profile> = Vec::with_capacity(file.profile.len());
        for spanned in file.profile {
            let line = text.get(..spanned.span().start).unwrap_or_default().matches('\n').count() + 1;
            let profile = spanned.into_inner();
            if let Some(what) = fault(&profile, &given) {
                return Err(BadProfiles::Wrong { line, name: profile.name.into(), what });
            }
            given.push(profile);
        }
        for profile in &given {
            for known in self.0.iter_mut().filter(|known| known.name == profile.name) {
                known.kinds.retain(|kind| !profile.kinds.contains(kind));
            }
        }
        self.0.retain(|known| !known.kinds.is_empty());
        self.0.extend(given);
        Ok(self)
    }

    /// The profiles of a kind's pipeline, the largest of each group first.
    pub fn of_kind(&self, kind: Kind) -> Vec<&Profile> {
        let mut profiles: Vec<&Profile> = self.0.iter().filter(|profile| profile.kinds.contains(&kind.pipeline())).collect();
        profiles.sort_by_key(|profile| (profile.group.rank(), Reverse(profile.make.size())));
        profiles
    }

    /// One profile of a kind's pipeline.
    pub fn find(&self, kind: Kind, name: &str) -> Option<&Profile> {
        self.0.iter().find(|profile| profile.name.as_str() == name && profile.kinds.contains(&kind.pipeline()))
    }

    /// The profile behind a job's name, and which track it is made of.
    pub fn find_with_track(&self, kind: Kind, name: &str) -> Option<(&Profile, u32)> {
        if let Some(profile) = self.find(kind, name) {
            return Some((profile, 0));
        }
        let (base, track) = split_track(name);
        self.find(kind, base).filter(|profile| profile.per_track).map(|profile| (profile, track))
    }
}

/// What is wrong with a profile, beside those before it in its file.
fn fault(profile: &Profile, before: &[Profile]) -> Option<String> {
    if profile.kinds.is_empty() {
        return Some("belongs to no kind".to_owned());
    }
    if let Some(kind) = profile.kinds.iter().find(|kind| **kind != kind.pipeline()) {
        return Some(format!("names the kind {kind}, which goes through {}", kind.pipeline()));
    }
    if profile.name == ProfileName::captions() {
        return Some("has the name of the captioner's job".to_owned());
    }
    let twice = before.iter().filter(|earlier| earlier.name == profile.name).find_map(|earlier| {
        let shared = profile.kinds.iter().find(|kind| earlier.kinds.contains(kind));
        shared.map(|kind| format!("stands twice for {kind}"))
    });
    let (base, track) = split_track(profile.name.as_str());
    let beside = before.iter().find(|earlier| track > 0 && base == earlier.name.as_str() && earlier.per_track);
    twice
        .or_else(|| beside.map(|base| format!("has a name that {} gives to its further tracks", base.name)))
        .or_else(|| profile.kinds.iter().find_map(|kind| wrong_group(profile, *kind)))
        .or_else(|| {
            profile.make.numbers().into_iter().find_map(|(field, number, least, most)| {
                (!(least..=most).contains(&number)).then(|| format!("has {field} = {number}, and {least} to {most} can be made"))
            })
        })
}

/// Which recipes the graphs of a group make.
fn wrong_group(profile: &Profile, kind: Kind) -> Option<String> {
    let group = match (kind, &profile.make) {
        (Kind::Video | Kind::Audio, Recipe::Pcm { .. }) => Group::Speech,
        (Kind::Video, Recipe::Poster { .. }) | (Kind::Audio, Recipe::Cover { .. }) => Group::Poster,
        (Kind::Video, Recipe::Storyboard { .. }) => Group::Storyboard,
        (Kind::Video, Recipe::Preview { .. }) => Group::Preview,
        (Kind::Video, Recipe::H264 { .. } | Recipe::Mp4 { .. } | Recipe::Aac { .. }) => Group::Ladder,
        (Kind::Video, Recipe::Vp9 { .. }) => Group::Vp9,
        (Kind::Video, Recipe::Av1 { .. }) => Group::Av1,
        (Kind::Audio, Recipe::Aac { .. } | Recipe::Opus { .. } | Recipe::Waveform { .. }) => Group::Audio,
        (Kind::Image, Recipe::Webp { .. } | Recipe::Avif { .. } | Recipe::Jpeg { .. }) => Group::Stills,
        (Kind::Image, Recipe::Loop { .. }) => Group::Animation,
        (Kind::Document, Recipe::Page { .. }) => Group::Pages,
        (Kind::Video | Kind::Subtitle, Recipe::Vtt {}) => Group::Subtitles,
        _ => return Some(format!("has a recipe that nothing makes of {kind}")),
    };
    (group != profile.group).then(|| format!("has the group {}, and its recipe is made by {group}", profile.group))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn profile(name: &str, more: &str) -> String {
        format!("[[profile]]\nname = \"{name}\"\nkinds = [\"video\"]\nrequired = \"never\"\n{more}\n")
    }

    fn aac(name: &str) -> String {
        profile(name, "group = \"ladder\"\nmake.aac = { bitrate_kbps = 96 }")
    }

    fn wrong(text: &str) -> String {
        Profiles::built_in().unwrap().with(text).unwrap_err().to_string()
    }

    #[test]
    fn the_built_in_profiles_can_be_read_and_each_pipeline_has_its_own() {
        let profiles = Profiles::built_in().unwrap();
        let has = |kind, name: &str| profiles.find(kind, name).is_some();
        assert!(has(Kind::Video, "h264-720p") && has(Kind::Audio, "aac-128k") && has(Kind::AiImage, "webp-320"));
        assert!(!has(Kind::Image, "h264-720p"));
    }

    #[test]
    fn an_operators_file_adds_profiles_and_overrides_those_of_the_same_name() {
        let text = format!("{}{}", aac("aac-96k"), profile("aac-128k", "group = \"ladder\"\nmake.aac = { bitrate_kbps = 160 }"));
        let profiles = Profiles::built_in().unwrap().with(&text).unwrap();
        let bitrate = |kind, name| profiles.find(kind, name).map(|profile| profile.make.size());
        assert_eq!(bitrate(Kind::Video, "aac-96k"), Some(96));
        assert_eq!(bitrate(Kind::Video, "aac-128k"), Some(160));
        assert_eq!(bitrate(Kind::Audio, "aac-128k"), Some(128), "the file spoke of videos only");
        assert_eq!(profiles.of_kind(Kind::Video).iter().filter(|profile| profile.name.as_str() == "aac-128k").count(), 1);
    }

    #[test]
    fn the_name_of_a_further_track_leads_back_to_its_profile_and_track() {
        let text = aac("aac-96k").replace("required", "per_track = true\nrequired");
        let profiles = Profiles::built_in().unwrap().with(&text).unwrap();
        let base = ProfileName::try_from("aac-96k".to_owned()).unwrap();
        for track in [0, 1, 9, 98] {
            let name = base.of_track(track).unwrap();
            let found = profiles.find_with_track(Kind::Video, name.as_str()).map(|(profile, track)| (&profile.name, track));
            assert_eq!(found, Some((&base, track)));
        }
        for name in ["aac-96k-t1", "aac-96k-t0", "aac-96k-t02", "aac-96k-t", "aac-96k-t+2", "h264-720p-t2"] {
            assert!(profiles.find_with_track(Kind::Video, name).is_none(), "{name}");
        }
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line_and_field() {
        let unknown = wrong(&aac("x").replace("required", "colour = 1\nrequired"));
        assert!(unknown.contains("line 4") && unknown.contains("colour"), "{unknown}");
        let cases = [
            (aac("x") + &aac("x"), "line 7: the profile x stands twice for video"),
            (
                aac("y") + &profile("x", "group = \"audio\"\nmake.aac = { bitrate_kbps = 96 }"),
                "line 7: the profile x has the group audio, and its recipe is made by ladder",
            ),
            (
                profile("x", "group = \"stills\"\nmake.webp = { width = 1, quality = 80 }"),
                "line 1: the profile x has a recipe that nothing makes of video",
            ),
            (aac("x").replace("96", "0"), "line 1: the profile x has bitrate_kbps = 0, and 8 to 512 can be made"),
            (aac("x").replace("\"video\"", ""), "line 1: the profile x belongs to no kind"),
            (aac("x").replace("video", "ai_audio"), "line 1: the profile x names the kind ai_audio, which goes through audio"),
        ];
        for (text, said) in cases {
            assert_eq!(wrong(&text), said);
        }
    }
}
