//! Profiles are data: what a variant is made by, read from `profiles.toml`.

use std::fmt;

use serde::{Deserialize, Serialize};

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

/// How a variant is made, with its numbers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum Recipe {
    /// A video rung: H.264 High, 4:2:0, 8 bit, in fragmented MP4 (CMAF).
    H264 {
        /// The short side in pixels.
        height: u32,
        bitrate_kbps: u32,
    },
    /// AAC-LC stereo in fragmented MP4.
    Aac { bitrate_kbps: u32 },
    /// A picture no wider than this, never upscaled.
    Webp { width: u32, quality: u32 },
    /// One frame of a video as WebP.
    Poster { max_width: u32, quality: u32 },
    /// Mono 16-bit PCM behind a WAV header of maximal sizes.
    Pcm { sample_rate: u32 },
}

impl Recipe {
    /// The media type of what is made.
    pub fn mime(&self) -> &'static str {
        match self {
            Recipe::H264 { .. } => "video/mp4",
            Recipe::Aac { .. } => "audio/mp4",
            Recipe::Webp { .. } | Recipe::Poster { .. } => "image/webp",
            Recipe::Pcm { .. } => "audio/wav",
        }
    }

    /// What orders the profiles of a group: the rung's height, the picture's width.
    fn size(&self) -> u32 {
        match self {
            Recipe::H264 { height, .. } => *height,
            Recipe::Webp { width, .. } => *width,
            Recipe::Poster { max_width, .. } => *max_width,
            Recipe::Aac { bitrate_kbps } => *bitrate_kbps,
            Recipe::Pcm { sample_rate } => *sample_rate,
        }
    }
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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_profiles_can_be_read() {
        let profiles = Profiles::built_in().unwrap();
        let names: Vec<_> = profiles.of_kind(Kind::Video).iter().map(|p| p.name.to_string()).collect();
        assert_eq!(names, ["speech", "poster", "h264-720p", "h264-360p", "aac-128k"]);
        assert_eq!(profiles.of_kind(Kind::AiImage).len(), 3);
        assert!(profiles.of_kind(Kind::Document).is_empty());
    }

    #[test]
    fn a_name_that_could_leave_its_folder_is_refused() {
        for name in ["", "../x", "A", "a/b", "ä", &"x".repeat(41)] {
            assert!(ProfileName::try_from(name.to_owned()).is_err(), "{name}");
        }
    }

    #[test]
    fn an_unknown_field_is_refused_with_its_line() {
        let text = "[[profile]]\nname = \"x\"\nkinds = [\"video\"]\ngroup = \"ladder\"\nrequired = \"never\"\ncolour = 1\nmake.aac = { bitrate_kbps = 1 }\n";
        let error = Profiles::parse(text).unwrap_err().to_string();
        assert!(error.contains("line 6") && error.contains("colour"), "{error}");
    }
}
