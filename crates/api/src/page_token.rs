//! Where a list goes on: opaque to callers, bound to the tenant and to the filter that it was made under.

use media_domain::{AssetId, TenantId};
use media_proto::v1::ListAssetsRequest;
use prost::Message as _;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::keyring::{Keyring, Purpose};

/// The last asset of the page before: pages are cut by (created_at, id).
pub type After = (OffsetDateTime, AssetId);

/// Microseconds, as Postgres keeps times, and the id.
const CONTENT_BYTES: usize = 8 + 16;

/// Names the place after `last` in the list that `request` asks for.
pub fn seal(keys: &Keyring, tenant: TenantId, request: &ListAssetsRequest, last: After) -> String {
    let micros = i64::try_from(last.0.unix_timestamp_nanos() / 1_000).unwrap_or(i64::MAX);
    let mut content = micros.to_be_bytes().to_vec();
    content.extend_from_slice(last.1.as_uuid().as_bytes());
    keys.seal(Purpose::Page, &content, &bound(tenant, request))
}

/// The place that the request's token names; `None` if the token was not made by us for this tenant and filter.
pub fn open(keys: &Keyring, tenant: TenantId, request: &ListAssetsRequest) -> Option<After> {
    let content = keys.open(Purpose::Page, &request.page_token, &bound(tenant, request))?;
    let content: [u8; CONTENT_BYTES] = content.try_into().ok()?;
    let (micros, id) = content.split_at(8);
    let micros = i64::from_be_bytes(micros.try_into().ok()?);
    let time = OffsetDateTime::from_unix_timestamp_nanos(i128::from(micros) * 1_000).ok()?;
    Some((time, AssetId::from(Uuid::from_slice(id).ok()?)))
}

/// The tenant and all of the request that narrows the list.
fn bound(tenant: TenantId, request: &ListAssetsRequest) -> Vec<u8> {
    let filter = ListAssetsRequest { page_size: 0, page_token: String::new(), ..request.clone() };
    let mut bound = tenant.0.as_bytes().to_vec();
    bound.extend_from_slice(&filter.encode_to_vec());
    bound
}

#[cfg(test)]
mod tests {
    use media_proto::v1::AssetKind;
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
}
