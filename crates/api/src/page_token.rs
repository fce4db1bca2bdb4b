//! Where a list goes on: opaque to callers, bound to the tenant, to the list and to the filter that it was made under.

use media_domain::{AssetId, TenantId};
use media_proto::v1;
use prost::Message;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::keyring::{Keyring, Purpose};

/// The last asset of the page before: pages are cut by (created_at, id).
pub type After = (OffsetDateTime, AssetId);

/// Microseconds, as Postgres keeps times, and the id.
const CONTENT_BYTES: usize = 8 + 16;

/// A request for a page of a list.
pub trait Paged: Message + Clone {
    /// Which list it is of: a place in one is none in another.
    const LIST: &'static str;

    fn page_token(&self) -> &str;

    /// What of the request narrows the list: all but the page's size and token.
    fn narrowing(&self) -> Self;
}

macro_rules! paged {
    ($request:ident of $list:literal { $($left_out:ident),+ }) => {
        impl Paged for v1::$request {
            const LIST: &'static str = $list;

            fn page_token(&self) -> &str {
                &self.page_token
            }

            fn narrowing(&self) -> Self {
                Self { $($left_out: Default::default()),+, ..self.clone() }
            }
        }
    };
}

paged!(ListAssetsRequest of "assets" { page_size, page_token });
paged!(ListJobsRequest of "jobs" { page_size, page_token });
paged!(ListAiArtifactsRequest of "ai artifacts" { page_size, page_token });
paged!(ListDeadLettersRequest of "dead letters" { page_size, page_token });
paged!(ReplayEventsRequest of "events" { page_token });

impl Paged for v1::ListQuarantinedRequest {
    const LIST: &'static str = "quarantined";

    fn page_token(&self) -> &str {
        &self.page_token
    }

    fn narrowing(&self) -> Self {
        Self::default()
    }
}

/// Names the place after `last` in the list that `request` asks for.
pub fn seal(keys: &Keyring, tenant: TenantId, request: &impl Paged, last: After) -> String {
    let micros = i64::try_from(last.0.unix_timestamp_nanos() / 1_000).unwrap_or(i64::MAX);
    let mut content = micros.to_be_bytes().to_vec();
    content.extend_from_slice(last.1.as_uuid().as_bytes());
    seal_place(keys, tenant, request, &content)
}

/// The place that the request's token names; `None` if the token was not made by us for this tenant, list and filter.
pub fn open(keys: &Keyring, tenant: TenantId, request: &impl Paged) -> Option<After> {
    let content: [u8; CONTENT_BYTES] = open_place(keys, tenant, request)?;
    let (micros, id) = content.split_at(8);
    let micros = i64::from_be_bytes(micros.try_into().ok()?);
    let time = OffsetDateTime::from_unix_timestamp_nanos(i128::from(micros) * 1_000).ok()?;
    Some((time, AssetId::from(Uuid::from_slice(id).ok()?)))
}

/// As [`seal`], for a list that is cut by an id or a number.
pub fn seal_place(keys: &Keyring, tenant: TenantId, request: &impl Paged, place: &[u8]) -> String {
    keys.seal(Purpose::Page, place, &bound(tenant, request))
}

/// As [`open`], for what [`seal_place`] made.
pub fn open_place<const BYTES: usize>(keys: &Keyring, tenant: TenantId, request: &impl Paged) -> Option<[u8; BYTES]> {
    keys.open(Purpose::Page, request.page_token(), &bound(tenant, request))?.try_into().ok()
}

/// The tenant, the list and all of the request that narrows it.
fn bound<R: Paged>(tenant: TenantId, request: &R) -> Vec<u8> {
    let mut bound = tenant.0.as_bytes().to_vec();
    bound.extend_from_slice(R::LIST.as_bytes());
    // No list's name holds it: where the name ends is plain.
    bound.push(0);
    bound.extend_from_slice(&request.narrowing().encode_to_vec());
    bound
}

#[cfg(test)]
mod tests {
    use media_proto::v1::{AssetKind, ListAssetsRequest, ListDeadLettersRequest, ListJobsRequest};
    use time::macros::datetime;

    use super::*;
    use crate::keyring::tests::keyring;

    fn request(kind: AssetKind, page_size: i32) -> ListAssetsRequest {
        ListAssetsRequest { kind: kind.into(), page_size, ..ListAssetsRequest::default() }
    }

    #[test]
    fn a_token_leads_back_to_its_place_and_the_size_of_the_page_may_change() {
        let (keys, tenant, last) =
            (keyring(&["a"]), TenantId(Uuid::from_u128(1)), (datetime!(2026-11-24 12:00:00.123456 UTC), AssetId::generate()));
        let page_token = seal(&keys, tenant, &request(AssetKind::Video, 10), last);
        let next = ListAssetsRequest { page_token, ..request(AssetKind::Video, 20) };
        assert_eq!(open(&keys, tenant, &next), Some(last));
    }

    #[test]
    fn a_token_of_another_tenant_or_filter_is_refused() {
        let (keys, tenant, last) = (keyring(&["a"]), TenantId(Uuid::from_u128(1)), (datetime!(2026-11-24 12:00 UTC), AssetId::generate()));
        let page_token = seal(&keys, tenant, &request(AssetKind::Video, 10), last);
        let same = ListAssetsRequest { page_token: page_token.clone(), ..request(AssetKind::Video, 10) };
        let other_filter = ListAssetsRequest { page_token: page_token.clone(), ..request(AssetKind::Image, 10) };
        assert_eq!(open(&keys, TenantId(Uuid::from_u128(2)), &same), None);
        assert_eq!(open(&keys, tenant, &other_filter), None);
        let mut forged = same.clone();
        forged.page_token.replace_range(4..5, if &page_token[4..5] == "A" { "B" } else { "A" });
        assert_eq!(open(&keys, tenant, &forged), None);
    }

    #[test]
    fn a_token_of_one_list_is_none_of_another_whose_filter_reads_alike() {
        let (keys, tenant, place) = (keyring(&["a"]), TenantId(Uuid::from_u128(1)), [7_u8; 16]);
        let page_token = seal_place(&keys, tenant, &ListJobsRequest::default(), &place);
        let jobs = ListJobsRequest { page_token: page_token.clone(), ..Default::default() };
        assert_eq!(open_place(&keys, tenant, &jobs), Some(place));
        assert_eq!(open_place::<16>(&keys, tenant, &ListDeadLettersRequest { page_token, ..Default::default() }), None);
        assert_eq!(open_place::<8>(&keys, tenant, &jobs), None, "a place of another size");
    }
}
