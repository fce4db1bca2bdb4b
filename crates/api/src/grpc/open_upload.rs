//! How an upload begins: once for each request id, with its parts planned and the first of them signed.

use media_blobs::{PartPlan, keys};
use media_domain::{
    AssetId, BlobName, Source, UploadId,
    asset::RetentionClass,
    event::{AssetCreated, Event},
};
use media_proto::v1;
use media_runtime::trace_context;
use media_storage::{
    ai_artifacts::NewAiArtifact,
    assets::{Asset, NewAsset},
    uploads::{Upload, UploadState},
};
use time::OffsetDateTime;
use uuid::Uuid;

use super::{
    ai_artifacts,
    new_upload::NewUpload,
    there,
    upload_parts::plan_of,
    uploads::{Uploads, handle, signed_part},
};
use crate::{
    auth::Caller,
    convert,
    error::{ApiError, FieldReason, Violations},
    once::Once,
};

/// How many parts are signed with the answer to CreateUpload.
const PARTS_SIGNED_AT_FIRST: usize = 50;
/// What the store calls an original until the scanner has looked at it: nothing that a browser would show.
const UNSEEN_TYPE: &str = "application/octet-stream";

/// An upload that this call opened, or an earlier one under the same request id. That one may have ended.
pub struct Opened {
    pub asset: Asset,
    /// `None`: the tenant had the bytes already.
    pub upload: Option<Upload>,
}

impl Uploads {
    /// Opens an upload as the request announces it.
    ///
    /// # Errors
    /// [`ApiError::Invalid`] with every field at fault; [`ApiError::RequestIdReused`]; and what database and store say.
    pub async fn open(&self, caller: &Caller, mut request: v1::CreateUploadRequest) -> Result<Opened, ApiError> {
        let request_id = std::mem::take(&mut request.request_id);
        let once = Once::of(caller, "CreateUpload", &request_id, &request);
        let new = NewUpload::read(v1::CreateUploadRequest { request_id, ..request }, &self.0.profiles)?;
        self.open_once(caller, once, &new, None).await
    }

    /// The same of a request that was read, also as the output of an artifact that is recorded with it.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub async fn open_once(
        &self,
        caller: &Caller,
        once: Option<Once>,
        new: &NewUpload,
        artifact: Option<&NewAiArtifact>,
    ) -> Result<Opened, ApiError> {
        if let Some(once) = &once {
            let mut tx = self.0.begin(caller, "api.create_upload").await?;
            let made = once.made(&mut tx).await?;
            drop(tx);
            if let Some(made) = made {
                return self.opened_before(caller, made).await;
            }
        }
        let new = &self.by_policy(caller, new).await?;
        match self.share(caller, new, once.as_ref(), artifact).await? {
            Some(Ok(asset)) => return Ok(Opened { asset, upload: None }),
            Some(Err(made)) => return self.opened_before(caller, made).await,
            None => {}
        }
        let id = AssetId::generate();
        let blob = self.0.blobs.in_bucket(&keys::original(caller.tenant(), id));
        let plan = PartPlan::for_size(new.size_bytes)?;
        let multipart = self.0.blobs.create(&blob, UNSEEN_TYPE).await?;
        let upload = Upload {
            id: UploadId::generate(),
            asset: id,
            blob,
            s3_upload_id: multipart.upload_id.clone(),
            size_bytes: plan.size(),
            part_size_bytes: plan.part_size().bytes(),
            part_count: plan.count(),
            state: UploadState::Open,
        };
        match self.write_new(caller, new, &upload, once.as_ref(), artifact).await {
            Ok(Ok(asset)) => Ok(Opened { asset, upload: Some(upload) }),
            Ok(Err(made)) => {
                self.abort_or_warn(&multipart).await;
                self.opened_before(caller, made).await
            }
            Err(error) => {
                self.abort_or_warn(&multipart).await;
                Err(error)
            }
        }
    }

    /// A new file as the tenant's policy wants it, before anything is opened: below its limit, where the service's was looked at with the
    /// request; and with its profiles, where the caller named none.
    pub(super) async fn by_policy(&self, caller: &Caller, new: &NewUpload) -> Result<NewUpload, ApiError> {
        let mut tx = self.0.begin(caller, "api.create_upload").await?;
        let policy = tx.tenant_policies().current().await?.policy;
        let limit = policy.max_bytes(new.kind);
        let mut violations = Violations::default();
        if new.size_bytes > limit {
            let description = format!("is {}, the tenant's limit for {} is {limit}", new.size_bytes, new.kind);
            violations.add_as(FieldReason::SizeExceedsLimit, "size_bytes", description);
        }
        violations.into_result()?;
        let profiles = new.profiles.clone().or_else(|| policy.profiles_of(new.kind, &self.0.profiles));
        Ok(NewUpload { profiles, ..new.clone() })
    }

    /// Writes the rows of a new upload; `Err` within is the asset that another call made under the same request id.
    async fn write_new(
        &self,
        caller: &Caller,
        new: &NewUpload,
        upload: &Upload,
        once: Option<&Once>,
        artifact: Option<&NewAiArtifact>,
    ) -> Result<Result<Asset, Uuid>, ApiError> {
        let asset = new_asset(new, upload.asset, upload.blob.clone());
        let mut tx = self.0.begin(caller, "api.create_upload").await?;
        if let Some(once) = once
            && let Some(made) = once.note(&mut tx, asset.id.as_uuid()).await?
        {
            return Ok(Err(made));
        }
        tx.assets().insert(&asset).await?;
        tx.uploads().insert(upload).await?;
        tx.outbox().event(&created(&asset)).await?;
        if let Some(artifact) = artifact {
            let artifact = NewAiArtifact { output: Some(asset.id), ..artifact.clone() };
            ai_artifacts::write(&mut tx, asset.id, &artifact).await?;
        }
        tx.admit(asset.id, upload.size_bytes).await?;
        let row = there(tx.assets().lookup(asset.id).await?)?;
        tx.commit().await?;
        Ok(Ok(row))
    }

    async fn opened_before(&self, caller: &Caller, asset: Uuid) -> Result<Opened, ApiError> {
        let mut tx = self.0.begin(caller, "api.create_upload").await?;
        // The upload first, as in `find`.
        let upload = tx.uploads().of_asset(asset.into()).await?;
        let asset = there(tx.assets().lookup(asset.into()).await?)?;
        Ok(Opened { asset, upload })
    }

    /// What the caller of CreateUpload gets: signatures are fresh, also where the upload was opened before.
    ///
    /// # Errors
    /// What the store says.
    pub async fn show(&self, Opened { asset, upload }: Opened) -> Result<v1::CreateUploadResponse, ApiError> {
        let asset = Some(convert::asset(&asset));
        let Some(upload) = upload.filter(|upload| upload.state == UploadState::Open) else {
            return Ok(v1::CreateUploadResponse { asset, plan: None });
        };
        let (now, handle) = (OffsetDateTime::now_utc(), handle(&upload));
        let mut parts = Vec::new();
        for (number, size) in plan_of(&upload)?.parts().take(PARTS_SIGNED_AT_FIRST) {
            parts.push(signed_part(number, size, self.0.blobs.presign_upload_part(&handle, number, size, now).await?));
        }
        let plan = v1::UploadPlan {
            upload_id: upload.id.to_string(),
            part_size_bytes: upload.part_size_bytes.cast_signed(),
            part_count: upload.part_count.cast_signed(),
            parts,
        };
        Ok(v1::CreateUploadResponse { asset, plan: Some(plan) })
    }
}

/// What is written of a file when it is announced.
pub(super) fn new_asset(new: &NewUpload, id: AssetId, blob: BlobName) -> NewAsset {
    NewAsset {
        id,
        owner: new.owner,
        kind: new.kind,
        source: if new.provenance.is_some() { Source::AiGenerated } else { Source::Upload },
        blob,
        size_bytes: Some(new.size_bytes),
        filename: Some(new.filename.clone()),
        declared_mime: new.mime.clone(),
        declared_sha256: new.sha256.clone(),
        priority: new.priority.rank(),
        asked_profiles: new.profiles.clone(),
        retention_class: if new.provenance.is_some() { RetentionClass::AiGenerated } else { RetentionClass::Operational },
        provenance: new.provenance.clone(),
        traceparent: trace_context::current_traceparent(),
    }
}

pub(super) fn created(asset: &NewAsset) -> Event {
    Event::AssetCreated(AssetCreated { asset_id: asset.id, owner_user_id: asset.owner, kind: asset.kind, source: asset.source })
}
