//! What a tenant may decide for itself, and what is so where it decides nothing.

use std::collections::BTreeMap;

use crate::{Kind, Profiles, asset::words, limits, profile::ProfileName, work::Group};

/// How long an operational asset is kept after its last reference ended, or after it was made.
pub const OPERATIONAL_DAYS: u32 = 90;
/// The same of an asset that was made by AI.
pub const AI_GENERATED_DAYS: u32 = 90;
/// How long a deleted asset can be brought back.
pub const GRACE_DAYS: u32 = 30;
/// After how long without use an original goes to the cold tier.
pub const ARCHIVE_AFTER_DAYS: u32 = 365;

/// The most days that a policy may name: a hundred years.
pub const MAX_DAYS: u32 = 36_500;
/// The most days of grace.
pub const MAX_GRACE_DAYS: u32 = 3_650;
/// The most profiles that a policy may name.
pub const MAX_PROFILES: usize = 100;
/// The most languages that captions are made in.
pub const MAX_CAPTION_LANGUAGES: usize = 20;

words! {
    /// When speech is written down.
    CaptionMode {
        /// As soon as it is there.
        Automatic = "automatic",
        /// For those who ask for it.
        OnRequest = "on_request",
        /// Never.
        Off = "off",
    }
}

words! {
    /// Which caption tracks players are shown.
    CaptionVisibility { Approved = "approved", All = "all" }
}

/// The rules of one tenant, whole: where it said nothing, the defaults.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TenantPolicy {
    pub operational_days: u32,
    pub ai_generated_days: u32,
    pub grace_days: u32,
    pub archive_after_days: u32,
    /// Of originals and reservations; `None`: as much as there is room for.
    pub quota_bytes: Option<u64>,
    /// Below the service's own limits only: see [`TenantPolicy::max_bytes`].
    pub max_bytes: BTreeMap<Kind, u64>,
    pub captions: CaptionMode,
    pub caption_visibility: CaptionVisibility,
    /// BCP 47. Empty: whatever is spoken.
    pub caption_languages: Vec<String>,
    /// What is made beside the required profiles of files for which nobody asked for any, by kind: see [`TenantPolicy::profiles_of`].
    pub profiles: Vec<ProfileName>,
}

impl Default for TenantPolicy {
    fn default() -> Self {
        Self {
            operational_days: OPERATIONAL_DAYS,
            ai_generated_days: AI_GENERATED_DAYS,
            grace_days: GRACE_DAYS,
            archive_after_days: ARCHIVE_AFTER_DAYS,
            quota_bytes: None,
            max_bytes: BTreeMap::new(),
            captions: CaptionMode::Automatic,
            caption_visibility: CaptionVisibility::Approved,
            caption_languages: Vec::new(),
            profiles: Vec::new(),
        }
    }
}

impl TenantPolicy {
    /// The most bytes that an original of this kind may have: the tenant's limit or the service's, whichever is less.
    pub fn max_bytes(&self, kind: Kind) -> u64 {
        let own = limits::max_bytes(kind);
        self.max_bytes.get(&kind).map_or(own, |limit| own.min(*limit))
    }

    /// Those of the policy's profiles that a kind has; `None` where it has none of them: then all that apply are made. Speech is made for
    /// captions alone: whether it is, is what the policy says of those.
    pub fn profiles_of(&self, kind: Kind, known: &Profiles) -> Option<Vec<ProfileName>> {
        let (speech, others): (Vec<_>, Vec<_>) = known.of_kind(kind).into_iter().partition(|profile| profile.group == Group::Speech);
        let mut asked: Vec<ProfileName> =
            others.into_iter().map(|profile| &profile.name).filter(|name| self.profiles.contains(name)).cloned().collect();
        if asked.is_empty() {
            return None;
        }
        if self.captions == CaptionMode::Automatic {
            asked.extend(speech.into_iter().filter(|profile| !profile.on_request).map(|profile| profile.name.clone()));
        }
        Some(asked)
    }
}

/// The steps of a quota, in percent, at which its tenant is warned.
pub const WARNING_PERCENTS: [u8; 2] = [80, 95];

/// The highest step that `taken` of a quota has reached; 0: none.
pub fn reached_percent(taken_bytes: u64, quota_bytes: u64) -> u8 {
    let reached = |percent: &u8| u128::from(taken_bytes) * 100 >= u128::from(quota_bytes) * u128::from(*percent);
    WARNING_PERCENTS.into_iter().rfind(reached).unwrap_or(0)
}

/// Whether a text has the shape of a language tag (BCP 47): `en`, `de-CH`, `zh-Hant`.
pub fn is_language_tag(text: &str) -> bool {
    let mut parts = text.split('-');
    let is_language = parts.next().is_some_and(|part| (2..=3).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphabetic()));
    is_language && text.len() <= 35 && parts.all(|part| (1..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenant_can_lower_the_limit_of_a_kind_and_never_raise_it() {
        let own = limits::max_bytes(Kind::Image);
        let of = |limit| TenantPolicy { max_bytes: BTreeMap::from([(Kind::Image, limit)]), ..TenantPolicy::default() };
        assert_eq!(of(1000).max_bytes(Kind::Image), 1000);
        assert_eq!(of(own + 1).max_bytes(Kind::Image), own);
        assert_eq!(of(1000).max_bytes(Kind::Video), limits::max_bytes(Kind::Video));
    }

    #[test]
    fn a_policys_profiles_are_each_kinds_own_and_a_kind_without_any_has_all() {
        let known = Profiles::built_in().unwrap();
        let names = ["webp-640", "h264-360p", "gone-from-the-file"].map(|name| ProfileName::try_from(name.to_owned()).unwrap());
        let policy = TenantPolicy { profiles: names.to_vec(), ..TenantPolicy::default() };
        assert_eq!(policy.profiles_of(Kind::Image, &known), Some(vec![names[0].clone()]));
        let speech = ProfileName::try_from("speech".to_owned()).unwrap();
        assert_eq!(policy.profiles_of(Kind::Video, &known), Some(vec![names[1].clone(), speech.clone()]));
        let asked_for = TenantPolicy { captions: CaptionMode::OnRequest, profiles: vec![names[1].clone(), speech], ..policy.clone() };
        assert_eq!(asked_for.profiles_of(Kind::Video, &known), Some(vec![names[1].clone()]), "speech is what the policy says of captions");
        assert_eq!(policy.profiles_of(Kind::Audio, &known), None);
    }

    #[test]
    fn the_steps_are_reached_exactly_and_no_number_is_too_large() {
        assert_eq!([79, 80, 94, 95, 100, 300].map(|taken| reached_percent(taken, 100)), [0, 80, 80, 95, 95, 95]);
        assert_eq!(reached_percent(u64::MAX, u64::MAX), 95);
        assert_eq!(reached_percent(0, u64::MAX), 0);
        assert_eq!(reached_percent(2, 3), 0);
    }

    #[test]
    fn a_language_is_told_from_other_text() {
        for good in ["en", "de-CH", "zh-Hant", "gsw", "en-x-1"] {
            assert!(is_language_tag(good), "{good}");
        }
        for bad in ["", "e", "english", "en_US", "en-", "-en", "e1", "en-12345678901", &format!("en{}", "-abcdefgh".repeat(5))] {
            assert!(!is_language_tag(bad), "{bad}");
        }
    }
}
