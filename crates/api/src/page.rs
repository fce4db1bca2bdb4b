//! Where a list goes on: opaque to callers, bound to the tenant, to the list and to the filter that it was made under.

use media_domain::{AssetId, TenantId, ids::Id};
use media_proto::v1;
use prost::Message;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{
    error::{ApiError, Violations},
    keyring::{Keyring, Purpose},
};

const DEFAULT_SIZE: u32 = 50;
const MAX_SIZE: u32 = 200;

/// A request for a page of a list.
pub trait Paged: Message + Clone {
    /// Which list it is of: a place in one is none in another.
    const LIST: &'static str;

    /// How many rows the caller wants; 0 leaves it to us.
    fn page_size(&self) -> i32;

    fn page_token(&self) -> &str;

    /// What of the request narrows the list: all but the page's size and token.
    fn narrowing(&self) -> Self;
}

macro_rules! paged {
    ($($request:ident)+) => { $(
        impl Paged for v1::$request {
            const LIST: &'static str = stringify!($request);

            fn page_size(&self) -> i32 {
                self.page_size
            }

            fn page_token(&self) -> &str {
                &self.page_token
            }

            fn narrowing(&self) -> Self {
                let mut narrowing = self.clone();
                narrowing.page_size = 0;
                narrowing.page_token.clear();
                narrowing
            }
        }
    )+ };
}

paged!(GetErasureRequest ListAiArtifactsRequest ListAssetsRequest ListCaptionTracksRequest ListDeadLettersRequest ListJobsRequest ListQuarantinedRequest ListReferencesRequest
    ListTranscriptsRequest SearchTranscriptsRequest);

impl Paged for v1::ReplayEventsRequest {
    const LIST: &'static str = "ReplayEventsRequest";

    fn page_size(&self) -> i32 {
        0
    }

    fn page_token(&self) -> &str {
        &self.page_token
    }

    fn narrowing(&self) -> Self {
        Self { page_token: String::new(), ..self.clone() }
    }
}

/// What the last row of a page is known by, where the next one begins.
pub trait Place: Sized {
    fn to_bytes(&self) -> Vec<u8>;

    /// `None` for bytes that name no such place.
    fn of_bytes(bytes: &[u8]) -> Option<Self>;
}

impl<Of> Place for Id<Of> {
    fn to_bytes(&self) -> Vec<u8> {
        self.as_uuid().as_bytes().to_vec()
    }

    fn of_bytes(bytes: &[u8]) -> Option<Self> {
        Uuid::from_slice(bytes).ok().map(Self::from)
    }
}

impl Place for Uuid {
    fn to_bytes(&self) -> Vec<u8> {
        self.as_bytes().to_vec()
    }

    fn of_bytes(bytes: &[u8]) -> Option<Self> {
        Self::from_slice(bytes).ok()
    }
}

/// Lists of assets are cut by time of creation, in microseconds as Postgres keeps it, and id.
impl Place for (OffsetDateTime, AssetId) {
    fn to_bytes(&self) -> Vec<u8> {
        let micros = i64::try_from(self.0.unix_timestamp_nanos() / 1_000).unwrap_or(i64::MAX);
        [micros.to_be_bytes().as_slice(), self.1.as_uuid().as_bytes()].concat()
    }

    fn of_bytes(bytes: &[u8]) -> Option<Self> {
        let (micros, id) = bytes.split_first_chunk()?;
        let time = OffsetDateTime::from_unix_timestamp_nanos(i128::from(i64::from_be_bytes(*micros)) * 1_000).ok()?;
        Some((time, AssetId::of_bytes(id)?))
    }
}

impl Place for i64 {
    fn to_bytes(&self) -> Vec<u8> {
        self.to_be_bytes().to_vec()
    }

    fn of_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self::from_be_bytes)
    }
}

impl Place for String {
    fn to_bytes(&self) -> Vec<u8> {
        self.as_bytes().to_vec()
    }

    fn of_bytes(bytes: &[u8]) -> Option<Self> {
        Self::from_utf8(bytes.to_vec()).ok()
    }
}

/// A page of a list, as a caller asks for it.
pub struct Page<'a> {
    keys: &'a Keyring,
    /// The tenant, the list and all of the request that narrows it.
    bound: Vec<u8>,
    token: &'a str,
    /// How many rows it shows.
    pub size: u32,
}

impl<'a> Page<'a> {
    /// # Errors
    /// [`ApiError::Invalid`] if the page's size is negative. One that is too large is made smaller (AIP-158).
    pub fn of<R: Paged>(keys: &'a Keyring, tenant: TenantId, request: &'a R) -> Result<Self, ApiError> {
        let size = match u32::try_from(request.page_size()) {
            Ok(0) => DEFAULT_SIZE,
            Ok(size) => size.min(MAX_SIZE),
            Err(_) => return Err(Violations::of("page_size", "is negative")),
        };
        let mut bound = tenant.0.as_bytes().to_vec();
        bound.extend_from_slice(R::LIST.as_bytes());
        // No list's name holds it: where the name ends is plain.
        bound.push(0);
        bound.extend_from_slice(&request.narrowing().encode_to_vec());
        Ok(Self { keys, bound, token: request.page_token(), size })
    }

    /// Where the page before ended; `None` for the first one.
    ///
    /// # Errors
    /// [`ApiError::PageTokenInvalid`] if the token was not made by us for this tenant, list and filter.
    pub fn after<P: Place>(&self) -> Result<Option<P>, ApiError> {
        if self.token.is_empty() {
            return Ok(None);
        }
        let place = self.keys.open(Purpose::Page, self.token, &self.bound).and_then(|place| P::of_bytes(&place));
        place.map(Some).ok_or(ApiError::PageTokenInvalid)
    }

    /// How many rows to ask for: one more than the page shows says whether there is another page.
    pub fn fetch(&self) -> u32 {
        self.size + 1
    }

    /// Cuts what was fetched to what the page shows, and names the place after it; empty where the list ends.
    pub fn cut<T, P: Place>(&self, rows: &mut Vec<T>, place: impl FnOnce(&T) -> P) -> String {
        let more = rows.len() > self.size as usize;
        rows.truncate(self.size as usize);
        rows.last().filter(|_| more).map(|last| self.seal(&place(last))).unwrap_or_default()
    }

    /// Names a place, as [`after`](Self::after) reads it.
    pub fn seal(&self, place: &impl Place) -> String {
        self.keys.seal(Purpose::Page, &place.to_bytes(), &self.bound)
    }
}

#[cfg(test)]
mod tests {
    use media_proto::v1::{AssetKind, ListAssetsRequest, ListDeadLettersRequest, ListJobsRequest};
    use proptest::prelude::*;
    use time::macros::datetime;

    use super::*;
    use crate::keyring::tests::keyring;

    const MINE: TenantId = TenantId(Uuid::from_u128(1));

    fn request(kind: AssetKind, page_size: i32, page_token: &str) -> ListAssetsRequest {
        ListAssetsRequest { kind: kind.into(), page_size, page_token: page_token.into(), ..ListAssetsRequest::default() }
    }

    fn opened<P: Place>(keys: &Keyring, tenant: TenantId, request: &impl Paged) -> Result<Option<P>, ApiError> {
        Page::of(keys, tenant, request).unwrap().after()
    }

    #[test]
    fn a_page_has_50_rows_unless_said_and_never_more_than_200() {
        let keys = keyring(&["a"]);
        let size = |given| Page::of(&keys, MINE, &request(AssetKind::Video, given, "")).map(|page| page.size);
        assert_eq!([0, 1, 200, 1_000].map(|given| size(given).unwrap()), [50, 1, 200, 200]);
        assert!(size(-1).is_err());
    }

    #[test]
    fn a_page_is_cut_to_its_size_and_only_a_full_one_names_the_next() {
        let keys = keyring(&["a"]);
        let request = request(AssetKind::Video, 2, "");
        let page = Page::of(&keys, MINE, &request).unwrap();
        assert_eq!(page.fetch(), 3);
        let mut rows = vec![1_i64, 2, 3];
        assert!(!page.cut(&mut rows, |row| *row).is_empty());
        assert_eq!(rows, [1, 2]);
        assert!(page.cut(&mut rows, |row| *row).is_empty(), "the list ended with a full page");
    }

    #[test]
    fn a_token_leads_back_to_its_place_and_the_size_of_the_page_may_change() {
        let (keys, last) = (keyring(&["a"]), (datetime!(2026-11-24 12:00:00.123456 UTC), AssetId::generate()));
        let token = Page::of(&keys, MINE, &request(AssetKind::Video, 10, "")).unwrap().seal(&last);
        assert_eq!(opened(&keys, MINE, &request(AssetKind::Video, 20, &token)).unwrap(), Some(last));
        assert_eq!(opened::<AssetId>(&keys, MINE, &request(AssetKind::Video, 20, "")).unwrap(), None);
    }

    #[test]
    fn a_token_of_another_tenant_filter_or_list_is_refused() {
        let (keys, last) = (keyring(&["a"]), AssetId::generate());
        let token = Page::of(&keys, MINE, &request(AssetKind::Video, 10, "")).unwrap().seal(&last);
        let refused = |tenant, request| matches!(opened::<AssetId>(&keys, tenant, &request), Err(ApiError::PageTokenInvalid));
        assert!(!refused(MINE, request(AssetKind::Video, 10, &token)));
        assert!(refused(TenantId(Uuid::from_u128(2)), request(AssetKind::Video, 10, &token)));
        assert!(refused(MINE, request(AssetKind::Image, 10, &token)));
        let mut forged = token.clone();
        forged.replace_range(4..5, if &token[4..5] == "A" { "B" } else { "A" });
        assert!(refused(MINE, request(AssetKind::Video, 10, &forged)));

        let jobs = Page::of(&keys, MINE, &ListJobsRequest::default()).unwrap().seal(&last);
        let alike = ListDeadLettersRequest { page_token: jobs.clone(), ..Default::default() };
        assert!(matches!(opened::<AssetId>(&keys, MINE, &alike), Err(ApiError::PageTokenInvalid)));
        let other_size = ListJobsRequest { page_token: jobs, ..Default::default() };
        assert!(matches!(opened::<i64>(&keys, MINE, &other_size), Err(ApiError::PageTokenInvalid)));
    }

    proptest! {
        #[test]
        fn every_place_is_read_as_it_was_written(number: i64, text: String, id: u128, micros in -62_135_596_800_000_000_i64..253_402_300_799_999_999) {
            let time = OffsetDateTime::from_unix_timestamp_nanos(i128::from(micros) * 1_000).unwrap();
            let place = (time, AssetId::from(Uuid::from_u128(id)));
            prop_assert_eq!(<(OffsetDateTime, AssetId)>::of_bytes(&place.to_bytes()), Some(place));
            prop_assert_eq!(i64::of_bytes(&number.to_bytes()), Some(number));
            prop_assert_eq!(String::of_bytes(&text.to_bytes()), Some(text));
        }

        #[test]
        fn no_bytes_make_a_place_of_the_wrong_size(bytes: Vec<u8>) {
            prop_assert_eq!(AssetId::of_bytes(&bytes).is_some(), bytes.len() == 16);
            prop_assert_eq!(i64::of_bytes(&bytes).is_some(), bytes.len() == 8);
        }
    }
}
