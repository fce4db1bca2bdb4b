//! What a variant is made by, and its name.

use std::{fmt, num::NonZeroU32};

use serde::{Deserialize, Serialize};

pub use crate::recipe::{Form, Recipe};
use crate::{Kind, work::Group};

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
    /// What becomes of a file that holds less than it promises.
    #[serde(default)]
    pub damaged: Damaged,
    #[serde(default)]
    pub limits: ProfileLimits,
    pub make: Recipe,
}

/// What making a variant may take, where that is not what its group usually may. Profiles of one group are made together: of time and
/// memory, the one that may take the most counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProfileLimits {
    /// From start to end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wall_seconds: Option<NonZeroU32>,
    /// Of all threads together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_seconds: Option<NonZeroU32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_mib: Option<NonZeroU32>,
    /// Of the variant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_mib: Option<NonZeroU32>,
}

/// What becomes of a file that holds less than it promises.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Damaged {
    /// Nothing is made of it.
    #[default]
    Refuse,
    /// What there is of it, and row and event say what is missing.
    Keep,
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

    /// Of the variant that the captioner hears.
    pub fn speech() -> Self {
        Self("speech".to_owned())
    }

    /// Under which the captioner's work stands among an asset's jobs. No recipe: its result is rows.
    pub fn captions() -> Self {
        Self("captions".to_owned())
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
pub(crate) fn split_track(name: &str) -> (&str, u32) {
    let number = |digits: &str| digits.parse::<u32>().ok().filter(|number| *number > 1 && !digits.starts_with(['0', '+']));
    name.rsplit_once("-t").and_then(|(base, digits)| Some((base, number(digits)? - 1))).unwrap_or((name, 0))
}

impl fmt::Display for ProfileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_could_leave_its_folder_is_refused() {
        for name in ["", "../x", "A", "a/b", "ä", &"x".repeat(41)] {
            assert!(ProfileName::try_from(name.to_owned()).is_err(), "{name}");
        }
    }
}
