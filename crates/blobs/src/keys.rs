//! Keys: the only place that builds and reads them. A key is made of typed ids and never of a client's text, so it
//! cannot leave its tenant's folder; each key reads back into what it was made of, and no two are written alike.
//!
//! ```text
//! tenants/{tenant}/media/{asset}/original
//! tenants/{tenant}/media/{asset}/original.{work}                            moved there by a scan, out of quarantine
//! tenants/{tenant}/media/{asset}/variants/{profile}/{asset}                 the first that was made
//! tenants/{tenant}/media/{asset}/variants/{profile}/{asset}.{generation}    made again: 1, 2, 3 …
//! tenants/{tenant}/media/{asset}/captions/{lang}/{track}.vtt                one version of a track, never overwritten
//! tenants/{tenant}/media/{asset}/captions/{lang}.vtt                        the approved captions
//! tenants/{tenant}/media/{asset}/captions/{lang}.{kind}.vtt                 the approved subtitles, descriptions
//! ```

use std::{fmt, str::FromStr};

use media_domain::{AssetId, CaptionKind, CaptionTrackId, TenantId, WorkId, profile::ProfileName};

/// Where one object lies in a bucket.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    pub tenant: TenantId,
    pub asset: AssetId,
    pub object: Object,
}

/// Which of an asset's objects.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Object {
    Original,
    /// The original after a scan moved it: what was doomed before under another name may not be gone yet.
    MovedOriginal {
        work: WorkId,
    },
    Variant {
        profile: ProfileName,
        generation: u32,
    },
    Caption {
        language: LanguageTag,
        track: CaptionTrackId,
    },
    CaptionCurrent {
        language: LanguageTag,
        kind: CaptionKind,
    },
}

/// The bytes that were uploaded.
pub fn original(tenant: TenantId, asset: AssetId) -> Key {
    Key { tenant, asset, object: Object::Original }
}

/// Where a scan moves an original to; each piece of work has a name of its own.
pub fn moved_original(tenant: TenantId, asset: AssetId, work: WorkId) -> Key {
    Key { tenant, asset, object: Object::MovedOriginal { work } }
}

/// What was made by a profile. Generation 0 is the first; one that is made again lies beside it.
pub fn variant(tenant: TenantId, asset: AssetId, profile: &ProfileName, generation: u32) -> Key {
    Key { tenant, asset, object: Object::Variant { profile: profile.clone(), generation } }
}

/// One version of a caption track.
pub fn caption(tenant: TenantId, asset: AssetId, language: &LanguageTag, track: CaptionTrackId) -> Key {
    Key { tenant, asset, object: Object::Caption { language: language.clone(), track } }
}

/// The copy of the approved track of a language and kind.
pub fn caption_current(tenant: TenantId, asset: AssetId, language: &LanguageTag, kind: CaptionKind) -> Key {
    Key { tenant, asset, object: Object::CaptionCurrent { language: language.clone(), kind } }
}

/// The start of every key of an asset.
pub fn asset_prefix(tenant: TenantId, asset: AssetId) -> String {
    format!("tenants/{tenant}/media/{asset}/")
}

/// The start of every key of a tenant, for listings.
pub fn tenant_prefix(tenant: TenantId) -> String {
    format!("tenants/{tenant}/")
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Key { tenant, asset, object } = self;
        write!(f, "tenants/{tenant}/media/{asset}/")?;
        match object {
            Object::Original => f.write_str("original"),
            Object::MovedOriginal { work } => write!(f, "original.{work}"),
            Object::Variant { profile, generation: 0 } => write!(f, "variants/{profile}/{asset}"),
            Object::Variant { profile, generation } => write!(f, "variants/{profile}/{asset}.{generation}"),
            Object::Caption { language, track } => write!(f, "captions/{language}/{track}.vtt"),
            Object::CaptionCurrent { language, kind: CaptionKind::Captions } => write!(f, "captions/{language}.vtt"),
            Object::CaptionCurrent { language, kind } => write!(f, "captions/{language}.{}.vtt", kind.as_str()),
        }
    }
}

impl From<Key> for String {
    fn from(key: Key) -> String {
        key.to_string()
    }
}

/// The text is no key that this service writes.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a key of this service")]
pub struct NotAKey;

impl FromStr for Key {
    type Err = NotAKey;

    fn from_str(text: &str) -> Result<Self, NotAKey> {
        let parts: Vec<&str> = text.split('/').collect();
        let ["tenants", tenant, "media", asset, rest @ ..] = parts.as_slice() else { return Err(NotAKey) };
        let object = match rest {
            ["original"] => Object::Original,
            [file] => Object::MovedOriginal { work: file.strip_prefix("original.").and_then(|work| work.parse().ok()).ok_or(NotAKey)? },
            ["variants", profile, name] => Object::Variant {
                profile: ProfileName::try_from((*profile).to_owned()).map_err(|_| NotAKey)?,
                generation: match name.strip_prefix(asset).ok_or(NotAKey)? {
                    "" => 0,
                    suffix => suffix.strip_prefix('.').and_then(|digits| digits.parse().ok()).ok_or(NotAKey)?,
                },
            },
            ["captions", language, file] => Object::Caption {
                language: language.parse().map_err(|_| NotAKey)?,
                track: file.strip_suffix(".vtt").and_then(|track| track.parse().ok()).ok_or(NotAKey)?,
            },
            ["captions", file] => {
                let name = file.strip_suffix(".vtt").ok_or(NotAKey)?;
                let (language, kind) = match name.split_once('.') {
                    None => (name, CaptionKind::Captions),
                    Some((language, kind)) => (language, kind.parse().map_err(|_| NotAKey)?),
                };
                Object::CaptionCurrent { language: language.parse().map_err(|_| NotAKey)?, kind }
            }
            _ => return Err(NotAKey),
        };
        let key = Key { tenant: tenant.parse().map_err(|_| NotAKey)?, asset: asset.parse().map_err(|_| NotAKey)?, object };
        // Ids have more than one spelling (lower case, braces) and numbers have leading zeros; keys have one spelling.
        if key.to_string() == text { Ok(key) } else { Err(NotAKey) }
    }
}

/// A language as BCP 47 writes it: subtags of 1 to 8 ASCII letters or digits between hyphens, the first of letters only,
/// at most 35 characters (RFC 5646, 4.4.1). However it was written, it is kept in one spelling (2.1.1: `zh-Hant-TW`), so that
/// equal languages have equal keys.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LanguageTag(String);

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a language tag: letters and digits in groups of 1 to 8 with hyphens between, at most 35 characters")]
pub struct NotALanguageTag;

impl LanguageTag {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for LanguageTag {
    type Err = NotALanguageTag;

    fn from_str(text: &str) -> Result<Self, NotALanguageTag> {
        let subtags_fit = text.split('-').all(|tag| (1..=8).contains(&tag.len()) && tag.bytes().all(|b| b.is_ascii_alphanumeric()));
        let starts_with_letters = text.split('-').next().is_some_and(|tag| tag.bytes().all(|b| b.is_ascii_alphabetic()));
        if text.len() <= 35 && subtags_fit && starts_with_letters { Ok(Self(one_spelling(text))) } else { Err(NotALanguageTag) }
    }
}

/// Lower case, but for regions and scripts: two letters in upper case and four in title case, where they neither begin the tag nor
/// follow a single letter or digit (RFC 5646, 2.1.1).
fn one_spelling(tag: &str) -> String {
    let mut after_singleton = false;
    let mut spelled = Vec::new();
    for (place, subtag) in tag.split('-').enumerate() {
        let mut subtag = subtag.to_ascii_lowercase();
        if place > 0 && !after_singleton {
            match subtag.len() {
                2 => subtag.make_ascii_uppercase(),
                4 => subtag[..1].make_ascii_uppercase(),
                _ => {}
            }
        }
        after_singleton |= subtag.len() == 1;
        spelled.push(subtag);
    }
    spelled.join("-")
}

impl fmt::Display for LanguageTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use media_domain::ids::Id;
    use proptest::prelude::*;
    use ulid::Ulid;
    use uuid::Uuid;

    use super::*;

    fn id<Of>() -> impl Strategy<Value = Id<Of>> {
        any::<u128>().prop_map(|bits| Id::from(Ulid::from(bits)))
    }

    fn language() -> impl Strategy<Value = LanguageTag> {
        "[A-Za-z]{1,8}(-[A-Za-z0-9]{1,8}){0,2}".prop_map(|text| text.parse().unwrap())
    }

    fn object() -> impl Strategy<Value = Object> {
        let profile = "[a-z0-9-]{1,40}".prop_map(|name| ProfileName::try_from(name).unwrap());
        prop_oneof![
            Just(Object::Original),
            id().prop_map(|work| Object::MovedOriginal { work }),
            (profile, prop_oneof![Just(0), any::<u32>()]).prop_map(|(profile, generation)| Object::Variant { profile, generation }),
            (language(), id()).prop_map(|(language, track)| Object::Caption { language, track }),
            (language(), prop::sample::select(CaptionKind::ALL)).prop_map(|(language, kind)| Object::CaptionCurrent { language, kind }),
        ]
    }

    fn key() -> impl Strategy<Value = Key> {
        (any::<u128>(), id(), object()).prop_map(|(tenant, asset, object)| Key { tenant: TenantId(Uuid::from_u128(tenant)), asset, object })
    }

    proptest! {
        #[test]
        fn no_key_leaves_the_folder_of_its_tenant(key in key()) {
            let text = key.to_string();
            prop_assert!(text.starts_with(&tenant_prefix(key.tenant)), "{}", text);
            prop_assert!(text.starts_with(&asset_prefix(key.tenant, key.asset)), "{}", text);
            prop_assert!(text.split('/').all(|part| !part.is_empty() && part != "." && part != ".."), "{}", text);
            prop_assert!(text.bytes().all(|b| b.is_ascii_alphanumeric() || b"/.-".contains(&b)), "{}", text);
            prop_assert!(text.len() < 1024);
        }

        #[test]
        fn every_key_reads_back(key in key()) {
            prop_assert_eq!(key.to_string().parse::<Key>(), Ok(key));
        }

        #[test]
        fn text_that_reads_as_a_key_is_spelled_as_we_spell_it(text in "tenants/[0-9a-fA-F-]{30,40}/media/[0-9a-zA-Z]{26}/(original|variants/[a-z./]{1,6}|captions/[a-z./]{1,9})") {
            if let Ok(key) = text.parse::<Key>() {
                prop_assert_eq!(key.to_string(), text);
            }
        }
    }

    const TENANT: &str = "0b3c2a1d-0000-4000-8000-000000000001";
    const ASSET: &str = "01ARZ3NDEKTSV4RRFFQ69G5FAV";

    #[test]
    fn keys_are_those_of_the_data_model() {
        let (tenant, asset): (TenantId, AssetId) = (TENANT.parse().unwrap(), ASSET.parse().unwrap());
        let track = "01BX5ZZKBKACTAV9WEVGEMMVRZ".parse().unwrap();
        let profile = ProfileName::try_from("h264-720p".to_owned()).unwrap();
        let language = "de-CH".parse().unwrap();
        let folder = format!("tenants/{TENANT}/media/{ASSET}");
        assert_eq!(original(tenant, asset).to_string(), format!("{folder}/original"));
        assert_eq!(variant(tenant, asset, &profile, 0).to_string(), format!("{folder}/variants/h264-720p/{ASSET}"));
        assert_eq!(variant(tenant, asset, &profile, 2).to_string(), format!("{folder}/variants/h264-720p/{ASSET}.2"));
        assert_eq!(caption(tenant, asset, &language, track).to_string(), format!("{folder}/captions/de-CH/{track}.vtt"));
        let current = |kind| caption_current(tenant, asset, &language, kind).to_string();
        assert_eq!(current(CaptionKind::Captions), format!("{folder}/captions/de-CH.vtt"));
        assert_eq!(current(CaptionKind::Subtitles), format!("{folder}/captions/de-CH.subtitles.vtt"));
    }

    #[test]
    fn a_second_spelling_of_a_key_is_no_key() {
        let folder = format!("tenants/{TENANT}/media/{ASSET}");
        for text in [
            format!("/{folder}/original"),
            format!("{folder}/original/"),
            format!("{folder}/../{ASSET}/original"),
            format!("{}/original", folder.to_lowercase()),
            format!("{folder}/variants/h264-720p/{ASSET}.0"),
            format!("{folder}/variants/h264-720p/{ASSET}.01"),
            format!("{folder}/variants/h264-720p/{ASSET}.+1"),
            format!("{folder}/captions/de.captions.vtt"),
            format!("tenants/{{{TENANT}}}/media/{ASSET}/original"),
        ] {
            assert_eq!(text.parse::<Key>(), Err(NotAKey), "{text}");
        }
    }

    #[test]
    fn a_language_that_is_no_tag_is_refused() {
        for text in [
            "",
            "-",
            "de-",
            "-de",
            "de--CH",
            "de_CH",
            "../x",
            "d/e",
            "de.vtt",
            "1a",
            "abcdefghi",
            "ä",
            "en-aaaaaaaa-aaaaaaaa-aaaaaaaa-aaaaaaaa",
        ] {
            assert_eq!(text.parse::<LanguageTag>(), Err(NotALanguageTag), "{text}");
        }
        for text in ["de", "en-US", "zh-Hant-TW", "es-419", "x-a"] {
            assert_eq!(text.parse::<LanguageTag>().unwrap().as_str(), text);
        }
    }

    #[test]
    fn a_language_is_the_same_however_its_letters_are_written() {
        for (text, spelled) in
            [("EN-us", "en-US"), ("ZH-hANT-tw", "zh-Hant-TW"), ("DE", "de"), ("de-1996-CH-X-ABCD-EF", "de-1996-CH-x-abcd-ef")]
        {
            assert_eq!(text.parse::<LanguageTag>().unwrap().as_str(), spelled);
        }
        let folder = format!("tenants/{TENANT}/media/{ASSET}");
        assert_eq!(format!("{folder}/captions/en-us.vtt").parse::<Key>(), Err(NotAKey), "a second spelling is no key");
    }

    proptest! {
        #[test]
        fn the_spelling_of_a_language_is_spelled_as_itself(tag in language()) {
            prop_assert_eq!(tag.as_str().parse::<LanguageTag>(), Ok(tag.clone()));
            prop_assert_eq!(tag.as_str().to_ascii_uppercase().parse::<LanguageTag>(), Ok(tag));
        }
    }
}
