//! ImportAsset: the rows of an asset that the scanner fetches. Nothing is connected to here.

use media_blobs::keys;
use media_domain::{
    AssetId, Reason, Source, Status,
    asset::RetentionClass,
    event::{AssetCreated, Event},
    work::Group,
};
use media_proto::v1;
use media_runtime::trace_context;
use media_storage::{
    TenantTx,
    assets::{Asset, NewAsset},
};
use uuid::Uuid;

use super::{new_import::NewImport, there, uploads::Uploads};
use crate::{auth::Caller, error::ApiError, once::Once};

impl Uploads {
    /// Plans that a file is fetched; answers its asset, or the one that an earlier call made under the same request id.
    ///
    /// # Errors
    /// [`ApiError::Invalid`] with every field at fault; [`ApiError::RequestIdReused`]; and what the database says.
    pub async fn import(&self, caller: &Caller, mut request: v1::ImportAssetRequest) -> Result<Asset, ApiError> {
        let request_id = std::mem::take(&mut request.request_id);
        let once = Once::of(caller, "ImportAsset", &request_id, &request);
        let new = NewImport::read(v1::ImportAssetRequest { request_id, ..request }, &self.0.profiles, &self.0.import_rules)?;
        if let Some(once) = &once {
            let mut tx = self.0.begin(caller, "api.import_asset").await?;
            if let Some(made) = once.made(&mut tx).await? {
                return there(tx.assets().lookup(made.into()).await?);
            }
        }
        let new = NewImport { file: self.by_policy(caller, &new.file).await?, ..new };
        match self.write_import(caller, &new, once.as_ref()).await? {
            Ok(asset) => Ok(asset),
            Err(made) => there(self.0.begin(caller, "api.import_asset").await?.assets().lookup(made.into()).await?),
        }
    }

    /// Writes the rows of a new import; `Err` within is the asset that another call made under the same request id.
    async fn write_import(&self, caller: &Caller, new: &NewImport, once: Option<&Once>) -> Result<Result<Asset, Uuid>, ApiError> {
        let (id, file) = (AssetId::generate(), &new.file);
        let asset = NewAsset {
            id,
            owner: file.owner,
            kind: file.kind,
            source: Source::Imported,
            blob: self.0.blobs.in_bucket(&keys::original(caller.tenant(), id)),
            size_bytes: new.size_bytes,
            filename: Some(file.filename.clone()),
            declared_mime: file.mime.clone(),
            declared_sha256: file.sha256.clone(),
            priority: file.priority.rank(),
            asked_profiles: file.profiles.clone(),
            retention_class: RetentionClass::Operational,
            provenance: None,
            traceparent: trace_context::current_traceparent(),
        };
        let created = AssetCreated { asset_id: id, owner_user_id: asset.owner, kind: asset.kind, source: asset.source };
        let reserved_bytes = new.size_bytes.unwrap_or(0);
        let mut tx = self.0.begin(caller, "api.import_asset").await?;
        if let Some(once) = once
            && let Some(made) = once.note(&mut tx, id.as_uuid()).await?
        {
            return Ok(Err(made));
        }
        tx.assets().insert(&asset).await?;
        tx.outbox().event(&Event::AssetCreated(created)).await?;
        tx.work().plan(id, Group::Import, asset.priority).await?;
        tx.imports().insert(id, new.url.expose(), reserved_bytes).await?;
        tx.admit(id, reserved_bytes).await?;
        let row = there(tx.assets().lookup(id).await?)?;
        tx.commit().await?;
        Ok(Ok(row))
    }
}

/// Gives an import up. Its asset must be locked. A second time changes nothing.
pub(super) async fn abort(mut tx: TenantTx, asset: Asset) -> Result<Asset, ApiError> {
    match (asset.status, asset.failure_reason) {
        (Status::Uploading, _) => {}
        (Status::Failed, Some(Reason::UploadAborted)) => return Ok(asset),
        (Status::Failed, _) => return Err(ApiError::UploadEnded("aborted")),
        _ => return Err(ApiError::UploadEnded("completed")),
    }
    tx.abort_import(asset.id).await?;
    let asset = there(tx.assets().lookup(asset.id).await?)?;
    tx.commit().await?;
    Ok(asset)
}
