//! CreateUpload of bytes that the tenant already has: the new asset shares what is stored of them, and nothing is uploaded.
//!
//! Another tenant's bytes are never looked for: row level security hides them, and the call goes on as for any bytes that are new.

use media_domain::{AssetId, reason::Verdict};
use media_storage::{ai_artifacts::NewAiArtifact, assets::Asset, twins::Content};
use uuid::Uuid;

use super::{
    ai_artifacts,
    new_upload::NewUpload,
    open_upload::{created, new_asset},
    there,
    uploads::Uploads,
};
use crate::{auth::Caller, error::ApiError, once::Once};

impl Uploads {
    /// Makes an asset of a file whose hash was declared, if a ready one of the tenant has these bytes, this size and this kind; else
    /// `None`. `Err` within is the asset that another call made under the same request id.
    pub(super) async fn share(
        &self,
        caller: &Caller,
        new: &NewUpload,
        once: Option<&Once>,
        artifact: Option<&NewAiArtifact>,
    ) -> Result<Option<Result<Asset, Uuid>>, ApiError> {
        let Some(sha256) = &new.sha256 else { return Ok(None) };
        let mut tx = self.0.begin(caller, "api.share_bytes").await?;
        // Only what was scanned whole is taken for clean without a scan.
        let content = Content { kind: new.kind, sha256, size_bytes: new.size_bytes, verdict: Verdict::Clean };
        let Some(twin) = tx.ready_twin(&content).await? else { return Ok(None) };
        let asset = new_asset(new, AssetId::generate(), twin.blob.clone());
        if let Some(once) = once
            && let Some(made) = once.note(&mut tx, asset.id.as_uuid()).await?
        {
            return Ok(Some(Err(made)));
        }
        tx.insert_shared(&asset, &created(&asset), &twin, &self.0.profiles).await?;
        if let Some(artifact) = artifact {
            let artifact = NewAiArtifact { output: Some(asset.id), ..artifact.clone() };
            ai_artifacts::write(&mut tx, asset.id, &artifact).await?;
        }
        let row = there(tx.assets().lookup(asset.id).await?)?;
        tx.commit().await?;
        Ok(Some(Ok(row)))
    }
}
