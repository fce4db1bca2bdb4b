//! AssetService's part that brings originals back from the cold tier. The store is told by media-janitor, which also sees when it is done.

use media_domain::archive::{MAX_RESTORE_DAYS, RESTORE_DAYS};
use media_proto::v1;

use super::{Api, asset_id, there};
use crate::{
    auth::Caller,
    convert,
    error::{ApiError, Violations},
};

pub async fn restore(api: &Api, caller: &Caller, request: &v1::RestoreAssetRequest) -> Result<v1::RestoreAssetResponse, ApiError> {
    let (id, days) = (asset_id(&request.asset_id)?, days(request.days)?);
    let mut tx = api.begin(caller, "api.restore_asset").await?;
    let asset = there(tx.assets().lock(id).await?)?;
    tx.ask_back(&asset, days).await?;
    let asset = there(tx.assets().lookup(id).await?)?;
    tx.commit().await?;
    Ok(v1::RestoreAssetResponse { asset: Some(convert::asset(&asset)) })
}

fn days(given: i32) -> Result<u32, ApiError> {
    match u32::try_from(given) {
        Ok(0) => Ok(RESTORE_DAYS),
        Ok(days) if days <= MAX_RESTORE_DAYS => Ok(days),
        _ => Err(Violations::of("days", format!("is {given}, and must be 1 to {MAX_RESTORE_DAYS}, or 0 for {RESTORE_DAYS}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_have_a_default_and_a_limit() {
        assert_eq!([0, 1, 90].map(|given| days(given).unwrap()), [7, 1, 90]);
        assert!(days(-1).is_err() && days(91).is_err());
    }
}
