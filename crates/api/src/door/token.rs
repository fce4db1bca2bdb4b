//! Playback tokens: the right to play one asset for some hours. Tenant, asset and end are signed; so is the asset's playback epoch,
//! which revocation, deletion and quarantine raise.

use std::time::Duration;

use media_domain::{AssetId, TenantId};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::keyring::{Keyring, Purpose};

/// The shortest life of a token: a film with pauses (DESIGN: ten minutes against a two-hour film).
const MIN_LIFETIME: Duration = Duration::from_secs(4 * 3600);

/// Tenant, asset, epoch, end in Unix seconds.
const CONTENT_BYTES: usize = 16 + 16 + 4 + 8;

/// What a playback token says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlaybackToken {
    pub tenant: TenantId,
    pub asset: AssetId,
    pub epoch: i32,
    pub expires_at: OffsetDateTime,
}

/// How long a token for an asset lives: four hours, or twice its playing time.
pub fn lifetime(duration_seconds: Option<u32>) -> Duration {
    MIN_LIFETIME.max(Duration::from_secs(u64::from(duration_seconds.unwrap_or_default()) * 2))
}

impl PlaybackToken {
    pub fn seal(&self, keys: &Keyring) -> String {
        let mut content = Vec::with_capacity(CONTENT_BYTES);
        content.extend_from_slice(self.tenant.0.as_bytes());
        content.extend_from_slice(self.asset.as_uuid().as_bytes());
        content.extend_from_slice(&self.epoch.to_be_bytes());
        content.extend_from_slice(&self.expires_at.unix_timestamp().to_be_bytes());
        keys.seal(Purpose::Playback, &content, &[])
    }

    /// The token that a path holds; `None` if it was not made by us, or has ended. Its epoch is still to be held against the asset's.
    pub fn open(keys: &Keyring, text: &str, now: OffsetDateTime) -> Option<Self> {
        let content: [u8; CONTENT_BYTES] = keys.open(Purpose::Playback, text, &[])?.try_into().ok()?;
        let (tenant, rest) = content.split_at(16);
        let (asset, rest) = rest.split_at(16);
        let (epoch, end) = rest.split_at(4);
        let token = Self {
            tenant: TenantId(Uuid::from_slice(tenant).ok()?),
            asset: AssetId::from(Uuid::from_slice(asset).ok()?),
            epoch: i32::from_be_bytes(epoch.try_into().ok()?),
            expires_at: OffsetDateTime::from_unix_timestamp(i64::from_be_bytes(end.try_into().ok()?)).ok()?,
        };
        (now < token.expires_at).then_some(token)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::keyring::tests::keyring;

    prop_compose! {
        fn any_token()(tenant: u128, asset: u128, epoch: i32, end in 1_i64..253_402_300_799) -> PlaybackToken {
            PlaybackToken {
                tenant: TenantId(Uuid::from_u128(tenant)),
                asset: AssetId::from(Uuid::from_u128(asset)),
                epoch,
                expires_at: OffsetDateTime::from_unix_timestamp(end).unwrap(),
            }
        }
    }

    proptest! {
        #[test]
        fn a_token_opens_until_it_ends_and_not_from_then_on(token in any_token()) {
            let keys = keyring(&["a"]);
            let text = token.seal(&keys);
            prop_assert!(text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b)), "{}", text);
            prop_assert_eq!(PlaybackToken::open(&keys, &text, token.expires_at - time::Duration::SECOND), Some(token));
            prop_assert_eq!(PlaybackToken::open(&keys, &text, token.expires_at), None);
        }

        #[test]
        fn a_token_with_any_character_changed_is_none(token in any_token(), at: prop::sample::Index, to in "[A-Za-z0-9_-]") {
            let keys = keyring(&["a"]);
            let mut text = token.seal(&keys);
            let at = at.index(text.len());
            prop_assume!(text[at..=at] != to);
            text.replace_range(at..=at, &to);
            prop_assert_eq!(PlaybackToken::open(&keys, &text, OffsetDateTime::UNIX_EPOCH), None);
        }

        #[test]
        fn no_text_of_a_stranger_opens(text in ".{0,200}") {
            prop_assert_eq!(PlaybackToken::open(&keyring(&["a"]), &text, OffsetDateTime::UNIX_EPOCH), None);
        }
    }

    #[test]
    fn a_token_outlives_a_film_watched_with_pauses() {
        assert_eq!(lifetime(None), Duration::from_secs(4 * 3600));
        assert_eq!(lifetime(Some(2 * 3600)), Duration::from_secs(4 * 3600));
        assert_eq!(lifetime(Some(3 * 3600)), Duration::from_secs(6 * 3600));
    }
}
