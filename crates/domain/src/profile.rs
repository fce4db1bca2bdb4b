//! Profiles are data: what a variant is made by, read from `profiles.toml`.

use std::fmt;

use serde::{Deserialize, Serialize};

pub use crate::recipe::{Form, Recipe};
use crate::{Kind, work::Group};

/// The profiles that this build has.
const BUILT_IN: &str = include_str!("../profiles.toml");

/// What a variant is made by.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    pub name: ProfileName,
    /// The pipelines it belongs to: `ai_image` goes through `image`.
    pub kinds: Vec<Kind>,
    pub group: Group,
    pub required: Required,
    /// Made only for those who ask for it by name.
    #[serde(default)]
    pub on_request: bool,
    /// Made of each track of its sort, and not only of the first: see [`ProfileName::of_track`].
    #[serde(default)]
    pub per_track: bool,
    pub make: Recipe,
}

/// Whether an asset can be ready without this profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Required {
    Always,
    /// Required where it is the lowest of its group that applies.
    Lowest,
    Never,
}

/// A profile's name: lower case letters, digits and `-`, at most 40. It is a part of the object's key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ProfileName(String);

#[derive(Debug, thiserror::Error)]
#[error("a profile's name has 1 to 40 characters of a-z, 0-9 and -")]
pub struct NotAProfileName;

impl TryFrom<String> for ProfileName {
    type Error = NotAProfileName;

    fn try_from(name: String) -> Result<Self, NotAProfileName> {
        let fits = (1..=40).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if fits { Ok(Self(name)) } else { Err(NotAProfileName) }
    }
}

impl From<ProfileName> for String {
    fn from(name: ProfileName) -> String {
        name.0
    }
}

impl ProfileName {
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name of what a profile makes of a further track: `aac-128k` of the first, `aac-128k-t2` of the second. Tracks
    /// are counted from 0 among those of their sort.
    ///
    /// # Errors
    /// Where the name becomes too long.
    pub fn of_track(&self, track: u32) -> Result<Self, NotAProfileName> {
        if track == 0 { Ok(self.clone()) } else { Self::try_from(format!("{}-t{}", self.0, track.saturating_add(1))) }
    }
}

/// The profile and the track that a name of [`ProfileName::of_track`] was made of.
fn split_track(name: &str) -> (&str, u32) {
    let number = |digits: &str| digits.parse::<u32>().ok().filter(|number| *number > 1 && !digits.starts_with(['0', '+']));
    name.rsplit_once("-t").and_then(|(base, digits)| Some((base, number(digits)? - 1))).unwrap_or((name, 0))
}

impl fmt::Display for ProfileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// All profiles that are known.
#[derive(Clone, Debug)]
pub struct Profiles(Vec<Profile>);

/// `profiles.toml` cannot be used. The text says line and field.
#[derive(Debug, thiserror::Error)]
pub enum BadProfiles {
    #[error("profiles: {0}")]
    Syntax(String),
    #[error("profile {name} stands twice for {kind}")]
    Twice { name: ProfileName, kind: Kind },
}

impl Profiles {
    /// The profiles that this build has.
    ///
    /// # Errors
    /// If the built-in file is broken, which a test rules out.
    pub fn built_in() -> Result<Self, BadProfiles> {
        Self::parse(BUILT_IN)
    }

    /// Reads a file of profiles.
    ///
    /// # Errors
    /// With line and field where the text is no list of profiles, and where a name stands twice for one kind.
    pub fn parse(text: &str) -> Result<Self, BadProfiles> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct File {
            profile: Vec<Profile>,
        }
        let file: File = toml::from_str(text).map_err(|error| BadProfiles::Syntax(error.to_string()))?;
        for (index, profile) in file.profile.iter().enumerate() {
            for earlier in &file.profile[..index] {
                if let Some(kind) = profile.kinds.iter().find(|kind| earlier.kinds.contains(kind)).filter(|_| earlier.name == profile.name)
                {
                    return Err(BadProfiles::Twice { name: profile.name.clone(), kind: *kind });
                }
            }
        }
        Ok(Self(file.profile))
    }

    /// The profiles of a kind's pipeline, the largest of each group first.
    pub fn of_kind(&self, kind: Kind) -> Vec<&Profile> {
        let mut profiles: Vec<&Profile> = self.0.iter().filter(|profile| profile.kinds.contains(&kind.pipeline())).collect();
        profiles.sort_by_key(|profile| (profile.group.rank(), std::cmp::Reverse(profile.make.size())));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_profiles_can_be_read() {
        let profiles = Profiles::built_in().unwrap();
        let names: Vec<_> = profiles.of_kind(Kind::Video).iter().map(|p| p.name.to_string()).collect();
        assert_eq!(names, ["speech", "poster", "vtt", "h264-720p", "h264-360p", "aac-128k"]);
        assert_eq!(profiles.of_kind(Kind::AiImage).len(), 10);
        assert_eq!(profiles.of_kind(Kind::Document).len(), 2);
    }

    #[test]
    fn a_name_that_could_leave_its_folder_is_refused() {
        for name in ["", "../x", "A", "a/b", "ä", &"x".repeat(41)] {
            assert!(ProfileName::try_from(name.to_owned()).is_err(), "{name}");
        }
    }

    #[test]
    fn the_name_of_a_further_track_leads_back_to_its_profile_and_track() {
        let text = "[[profile]]\nname = \"aac-128k\"\nkinds = [\"video\"]\ngroup = \"ladder\"\nrequired = \"never\"\nper_track = true\nmake.aac = { bitrate_kbps = 1 }\n";
        let profiles = Profiles::parse(text).unwrap();
        let base = ProfileName::try_from("aac-128k".to_owned()).unwrap();
        for track in [0, 1, 9, 98] {
            let name = base.of_track(track).unwrap();
            assert_eq!(
                profiles.find_with_track(Kind::Video, name.as_str()).map(|(profile, track)| (&profile.name, track)),
                Some((&base, track))
            );
        }
        for name in ["aac-128k-t1", "aac-128k-t0", "aac-128k-t02", "aac-128k-t", "aac-128k-t+2", "opus-96k-t2"] {
            assert!(profiles.find_with_track(Kind::Video, name).is_none(), "{name}");
        }
    }

    #[test]
    fn an_unknown_field_is_refused_with_its_line() {
        let text = "[[profile]]\nname = \"x\"\nkinds = [\"video\"]\ngroup = \"ladder\"\nrequired = \"never\"\ncolour = 1\nmake.aac = { bitrate_kbps = 1 }\n";
        let error = Profiles::parse(text).unwrap_err().to_string();
        assert!(error.contains("line 6") && error.contains("colour"), "{error}");
    }
}
