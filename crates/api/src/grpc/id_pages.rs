//! Where a list that is cut by ids goes on: opaque to callers, bound to the tenant, the method and all that narrows the list.

use media_domain::{TenantId, ids::Id};
use prost::Message;
use uuid::Uuid;

use crate::{
    error::ApiError,
    keyring::{Keyring, Purpose},
};

/// A list as a caller asks for it: `method` names the list, `filter` is the request without its page.
pub struct List<'a, M> {
    pub keys: &'a Keyring,
    pub tenant: TenantId,
    pub method: &'static str,
    pub filter: M,
}

impl<M: Message> List<'_, M> {
    /// Names the place after `last`.
    pub fn seal<Of>(&self, last: Id<Of>) -> String {
        self.keys.seal(Purpose::Page, last.as_uuid().as_bytes(), &self.bound())
    }

    /// The place that a token names; none for the first page.
    ///
    /// # Errors
    /// [`ApiError::PageTokenInvalid`] if the token was not made by us for this list.
    pub fn open<Of>(&self, token: &str) -> Result<Option<Id<Of>>, ApiError> {
        if token.is_empty() {
            return Ok(None);
        }
        let content = self.keys.open(Purpose::Page, token, &self.bound()).ok_or(ApiError::PageTokenInvalid)?;
        Uuid::from_slice(&content).map(|id| Some(id.into())).map_err(|_| ApiError::PageTokenInvalid)
    }

    fn bound(&self) -> Vec<u8> {
        let mut bound = self.tenant.0.as_bytes().to_vec();
        bound.extend_from_slice(self.method.as_bytes());
        bound.push(0);
        bound.extend_from_slice(&self.filter.encode_to_vec());
        bound
    }
}

#[cfg(test)]
mod tests {
    use media_domain::{CaptionTrackId, TranscriptId};
    use media_proto::v1::ListTranscriptsRequest;

    use super::*;
    use crate::keyring::tests::keyring;

    #[test]
    fn a_token_leads_back_to_its_place_in_its_own_list_and_in_no_other() {
        let keys = keyring(&["a"]);
        let list = |tenant, method, asset_id: &str| List {
            keys: &keys,
            tenant: TenantId(Uuid::from_u128(tenant)),
            method,
            filter: ListTranscriptsRequest { asset_id: asset_id.into(), ..ListTranscriptsRequest::default() },
        };
        let last = TranscriptId::generate();
        let token = list(1, "ListTranscripts", "a").seal(last);
        assert_eq!(list(1, "ListTranscripts", "a").open(&token).unwrap(), Some(last));
        assert_eq!(list(1, "ListTranscripts", "a").open::<media_domain::ids::of::Transcript>("").unwrap(), None);
        for other in [list(2, "ListTranscripts", "a"), list(1, "ListCaptionTracks", "a"), list(1, "ListTranscripts", "b")] {
            let opened: Result<Option<CaptionTrackId>, _> = other.open(&token);
            assert!(matches!(opened, Err(ApiError::PageTokenInvalid)));
        }
    }
}
