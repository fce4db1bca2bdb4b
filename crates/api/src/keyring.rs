//! The secrets that sign what the api gives out and takes back: playback tokens and page tokens.
//!
//! A sealed text is `{key id}.{base64url(content, HMAC-SHA256)}`. The code covers the purpose, so that a token of one sort is none of
//! another; the key's id; and what the text is bound to without carrying it. The first key signs, all are accepted.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use media_runtime::ExposeSecret;
use sha2::Sha256;

use crate::config::KeyConfig;

const CODE_BYTES: usize = 32;
/// More than any text of ours has: what is longer is not looked at.
const MAX_SEALED_CHARS: usize = 512;

/// What a sealed text is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    Playback,
    Page,
}

impl Purpose {
    const fn label(self) -> &'static [u8] {
        match self {
            Purpose::Playback => b"media.playback.v1",
            Purpose::Page => b"media.page.v1",
        }
    }
}

/// The name of a key: 1 to 16 characters of a-z and 0-9.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyId(String);

impl KeyId {
    pub fn new(text: &str) -> Option<Self> {
        let fits = (1..=16).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        fits.then(|| Self(text.to_owned()))
    }
}

/// At least one key.
#[derive(Clone, Debug)]
pub struct Keyring {
    signing: Key,
    accepted: Vec<Key>,
}

#[derive(Clone)]
struct Key {
    id: KeyId,
    /// Keyed, and nothing written yet.
    code: Hmac<Sha256>,
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Key({})", self.id.0)
    }
}

impl Keyring {
    /// `None` where there is no key, or one with an id that cannot be; the settings' check rules that out.
    pub fn new(keys: &[KeyConfig]) -> Option<Self> {
        let key = |key: &KeyConfig| {
            Some(Key { id: KeyId::new(&key.id)?, code: Hmac::new_from_slice(key.secret.expose_secret().as_bytes()).ok()? })
        };
        let keys: Vec<Key> = keys.iter().map(key).collect::<Option<_>>()?;
        Some(Self { signing: keys.first()?.clone(), accepted: keys })
    }

    /// Signs `content`, which stays readable, together with what it is `bound` to.
    pub fn seal(&self, purpose: Purpose, content: &[u8], bound: &[u8]) -> String {
        let code = self.signing.code(purpose, content, bound).finalize().into_bytes();
        let mut sealed = content.to_vec();
        sealed.extend_from_slice(&code);
        format!("{}.{}", self.signing.id.0, BASE64_URL_SAFE_NO_PAD.encode(sealed))
    }

    /// The content of a text that one of our keys sealed for this purpose and this binding; else `None`.
    pub fn open(&self, purpose: Purpose, text: &str, bound: &[u8]) -> Option<Vec<u8>> {
        let (id, sealed) = text.split_once('.').filter(|_| text.len() <= MAX_SEALED_CHARS)?;
        let key = self.accepted.iter().find(|key| key.id.0 == id)?;
        let mut content = BASE64_URL_SAFE_NO_PAD.decode(sealed).ok()?;
        let code = content.split_off(content.len().checked_sub(CODE_BYTES)?);
        key.code(purpose, &content, bound).verify_slice(&code).ok()?;
        Some(content)
    }
}

impl Key {
    fn code(&self, purpose: Purpose, content: &[u8], bound: &[u8]) -> Hmac<Sha256> {
        let mut code = self.code.clone();
        // Each part behind its length: no two lists of parts give the same bytes.
        for part in [purpose.label(), self.id.0.as_bytes(), bound, content] {
            code.update(&(part.len() as u64).to_be_bytes());
            code.update(part);
        }
        code
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use media_runtime::SecretString;

    use super::*;

    pub(crate) fn keyring(ids: &[&str]) -> Keyring {
        let key = |id: &&str| KeyConfig {
            id: (*id).to_owned(),
            secret: SecretString::from(format!("the secret of {id}, as long as it has to be")),
        };
        Keyring::new(&ids.iter().map(key).collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn what_was_sealed_opens_for_its_purpose_and_binding_only() {
        let keys = keyring(&["a"]);
        let text = keys.seal(Purpose::Page, b"content", b"tenant");
        assert_eq!(keys.open(Purpose::Page, &text, b"tenant").unwrap(), b"content");
        assert_eq!(keys.open(Purpose::Playback, &text, b"tenant"), None);
        assert_eq!(keys.open(Purpose::Page, &text, b"another"), None);
        assert_eq!(keys.open(Purpose::Page, &text.replacen('a', "b", 1), b"tenant"), None);
    }

    #[test]
    fn while_keys_are_changed_the_old_one_is_accepted_and_afterwards_it_is_not() {
        let text = keyring(&["old"]).seal(Purpose::Playback, b"content", b"");
        assert!(keyring(&["new", "old"]).open(Purpose::Playback, &text, b"").is_some());
        assert!(keyring(&["new", "old"]).seal(Purpose::Playback, b"content", b"").starts_with("new."));
        assert!(keyring(&["new"]).open(Purpose::Playback, &text, b"").is_none());
    }

    #[test]
    fn bytes_cannot_move_from_the_binding_into_the_content() {
        let keys = keyring(&["a"]);
        let text = keys.seal(Purpose::Page, b"bc", b"a");
        let sealed = BASE64_URL_SAFE_NO_PAD.decode(&text[2..]).unwrap();
        let moved = format!("a.{}", BASE64_URL_SAFE_NO_PAD.encode([b"c", &sealed[2..]].concat()));
        assert_eq!(keys.open(Purpose::Page, &moved, b"ab"), None);
    }

    #[test]
    fn what_is_no_sealed_text_is_not_opened() {
        let keys = keyring(&["a"]);
        for text in ["", ".", "a.", "a.AAAA", "a", "a.!", &format!("a.{}", "A".repeat(600))] {
            assert_eq!(keys.open(Purpose::Page, text, b""), None, "{text}");
        }
    }
}
