//! UploadService: a file is announced, its parts go straight to the store, and its end is told here.
//!
//! The store is never awaited inside a transaction. What that leaves open is closed by order: the multipart upload is opened before its
//! row, so that no row names an upload that is not there; and the row moves on only after the store has said what it holds.

use std::{sync::Arc, time::Duration};

use media_blobs::{BlobError, SignedUrl, UploadHandle};
use media_domain::{AssetId, Reason, Source};
use media_proto::v1::{self, upload_service_server::UploadService};
use media_runtime::trace_context;
use media_storage::{
    StorageError, TenantTx,
    assets::Asset,
    uploads::{Upload, UploadState},
};
use time::OffsetDateTime;
use tonic::{Request, Response, Streaming};
use tracing::{Instrument as _, Span, info_span};

use super::{
    Api, asset_id, there,
    upload_parts::{parts_are_as_claimed, parts_fit, plan_of},
    upload_stream,
};
use crate::{
    auth::Caller,
    convert,
    error::{ApiError, Violations, chain},
};

/// How many parts one SignUploadParts may ask for.
const MAX_PARTS_SIGNED: usize = 500;

#[derive(Clone)]
pub struct Uploads(pub Arc<Api>);

#[tonic::async_trait]
impl UploadService for Uploads {
    async fn create_upload(&self, request: Request<v1::CreateUploadRequest>) -> Result<Response<v1::CreateUploadResponse>, tonic::Status> {
        let (caller, request) = Caller::of(request)?;
        self.0.rate_limit.take(caller.tenant())?;
        let opened = self.open(&caller, request).await?;
        Ok(Response::new(self.show(opened).await?))
    }

    async fn sign_upload_parts(
        &self,
        request: Request<v1::SignUploadPartsRequest>,
    ) -> Result<Response<v1::SignUploadPartsResponse>, tonic::Status> {
        let (caller, request) = Caller::of(request)?;
        Ok(Response::new(self.sign(&caller, request).await?))
    }

    async fn complete_upload(
        &self,
        request: Request<v1::CompleteUploadRequest>,
    ) -> Result<Response<v1::CompleteUploadResponse>, tonic::Status> {
        let (caller, request) = Caller::of(request)?;
        let asset = self.complete(&caller, request).await?;
        Ok(Response::new(v1::CompleteUploadResponse { asset: Some(convert::asset(&asset)) }))
    }

    async fn abort_upload(&self, request: Request<v1::AbortUploadRequest>) -> Result<Response<v1::AbortUploadResponse>, tonic::Status> {
        let (caller, request) = Caller::of(request)?;
        let asset = self.abort(&caller, asset_id(&request.asset_id)?).await?;
        Ok(Response::new(v1::AbortUploadResponse { asset: Some(convert::asset(&asset)) }))
    }

    async fn upload(&self, request: Request<Streaming<v1::UploadRequest>>) -> Result<Response<v1::UploadResponse>, tonic::Status> {
        let (caller, stream) = Caller::of(request)?;
        self.0.rate_limit.take(caller.tenant())?;
        let asset = upload_stream::take(self.clone(), caller, stream).await?;
        Ok(Response::new(v1::UploadResponse { asset: Some(convert::asset(&asset)) }))
    }

    async fn import_asset(&self, request: Request<v1::ImportAssetRequest>) -> Result<Response<v1::ImportAssetResponse>, tonic::Status> {
        let (caller, request) = Caller::of(request)?;
        self.0.rate_limit.take(caller.tenant())?;
        let asset = self.import(&caller, request).await?;
        Ok(Response::new(v1::ImportAssetResponse { asset: Some(convert::asset(&asset)) }))
    }
}

impl Uploads {
    async fn sign(&self, caller: &Caller, request: v1::SignUploadPartsRequest) -> Result<v1::SignUploadPartsResponse, ApiError> {
        let (_, upload) = self.find(caller, asset_id(&request.asset_id)?, "api.sign_upload_parts").await?;
        if upload.state != UploadState::Open {
            return Err(ended(upload.state));
        }
        let plan = plan_of(&upload)?;
        if request.part_numbers.len() > MAX_PARTS_SIGNED {
            return Err(Violations::of(
                "part_numbers",
                format!("asks for {} parts, the limit is {MAX_PARTS_SIGNED}", request.part_numbers.len()),
            ));
        }
        let sizes =
            request.part_numbers.iter().map(|given| u32::try_from(*given).ok().and_then(|number| Some((number, plan.size_of(number)?))));
        let wanted = sizes.collect::<Option<Vec<(u32, u64)>>>();
        let wanted =
            wanted.ok_or_else(|| Violations::of("part_numbers", format!("names a part that is not one of 1 to {}", upload.part_count)))?;

        let handle = handle(&upload);
        let there = self.0.blobs.list_parts(&handle).await.map_err(gone_is_ended)?;
        let now = OffsetDateTime::now_utc();
        let mut parts = Vec::new();
        for (number, size) in wanted {
            parts.push(signed_part(number, size, self.0.blobs.presign_upload_part(&handle, number, size, now).await?));
        }
        let uploaded_parts = there.into_iter().map(|part| v1::UploadedPart {
            number: part.number.cast_signed(),
            size_bytes: part.size.cast_signed(),
            etag: part.etag,
        });
        Ok(v1::SignUploadPartsResponse { parts, uploaded_parts: uploaded_parts.collect() })
    }

    pub(super) async fn complete(&self, caller: &Caller, request: v1::CompleteUploadRequest) -> Result<Asset, ApiError> {
        let id = asset_id(&request.asset_id)?;
        let (asset, upload) = self.find(caller, id, "api.complete_upload").await?;
        match upload.state {
            UploadState::Completed => return Ok(asset),
            UploadState::Open => {}
            UploadState::Aborting | UploadState::Aborted => return Err(ended(upload.state)),
        }
        self.make_object(&upload, &request.parts).await?;
        self.end(caller, id, &upload).instrument(ending(&asset)).await
    }

    async fn end(&self, caller: &Caller, id: AssetId, upload: &Upload) -> Result<Asset, ApiError> {
        let mut tx = self.0.begin(caller, "api.complete_upload").await?;
        let asset = tx.assets().lock(id).await?.ok_or(ApiError::AssetNotFound)?;
        let state = tx.uploads().of_asset(id).await?.map(|upload| upload.state);
        if asset.deleted_at.is_some() || state != Some(UploadState::Open) {
            return self.too_late(tx, asset, upload, state).await;
        }
        tx.finish_upload(&asset, upload).await?;
        let asset = there(tx.assets().lookup(id).await?)?;
        tx.commit().await?;
        Ok(asset)
    }

    /// Makes the parts an object, if they are the parts that were announced and, where the caller says which it sent, those.
    async fn make_object(&self, upload: &Upload, claimed: &[v1::CompletedPart]) -> Result<(), ApiError> {
        let plan = plan_of(upload)?;
        let handle = handle(upload);
        let found = match self.0.blobs.list_parts(&handle).await {
            Ok(found) => found,
            // An earlier call completed it and did not come as far as its row: only this upload writes to this key.
            Err(BlobError::UploadGone | BlobError::NotFound) => return self.completed_before(upload).await,
            Err(error) => return Err(error.into()),
        };
        parts_fit(&plan, &found)?;
        parts_are_as_claimed(&plan, &found, claimed)?;
        match self.0.blobs.complete(&handle, &found).await {
            Ok(_) => Ok(()),
            Err(BlobError::UploadGone) => self.completed_before(upload).await,
            Err(error) => Err(error.into()),
        }
    }

    async fn completed_before(&self, upload: &Upload) -> Result<(), ApiError> {
        match self.0.blobs.head(&upload.blob).await? {
            Some(head) if head.size == upload.size_bytes => Ok(()),
            Some(head) => Err(ApiError::SizeMismatch(format!("the object has {} bytes, {} were announced", head.size, upload.size_bytes))),
            None => Err(ApiError::UploadEnded("gone")),
        }
    }

    /// The upload ended in another way while its object was made. An object that nobody will name is doomed here.
    async fn too_late(&self, mut tx: TenantTx, asset: Asset, upload: &Upload, state: Option<UploadState>) -> Result<Asset, ApiError> {
        if state == Some(UploadState::Completed) {
            return there(Some(asset));
        }
        tx.blobs().put(&upload.blob, None, Some(upload.size_bytes)).await?;
        tx.blobs().doom(&upload.blob, Duration::ZERO).await?;
        tx.commit().await?;
        there(Some(asset))?;
        Err(ended(state.unwrap_or(UploadState::Aborted)))
    }

    pub(super) async fn abort(&self, caller: &Caller, id: AssetId) -> Result<Asset, ApiError> {
        let mut tx = self.0.begin(caller, "api.abort_upload").await?;
        let asset = there(tx.assets().lock(id).await?)?;
        if asset.source == Source::Imported {
            return super::import::abort(tx, asset).await;
        }
        let upload = tx.uploads().of_asset(id).await?.ok_or(ApiError::UploadEnded("gone"))?;
        match upload.state {
            UploadState::Completed => return Err(ended(upload.state)),
            UploadState::Open => {
                tx.assets().fail(id, Reason::UploadAborted, "the caller gave the upload up").await?;
                tx.uploads().advance(upload.id, UploadState::Open, UploadState::Aborting).await?;
            }
            UploadState::Aborting | UploadState::Aborted => {}
        }
        let asset = there(tx.assets().lookup(id).await?)?;
        tx.commit().await?;
        if upload.state != UploadState::Aborted {
            self.release(caller, &upload).await;
        }
        Ok(asset)
    }

    /// Throws the parts away, now if the store is there; else the janitor does it. An object that was made of them meanwhile is the
    /// janitor's, too: it removes every version.
    async fn release(&self, caller: &Caller, upload: &Upload) {
        if !self.abort_or_warn(&handle(upload)).await || !matches!(self.0.blobs.head(&upload.blob).await, Ok(None)) {
            return;
        }
        let noted = async {
            let mut tx = self.0.begin(caller, "api.abort_upload").await?;
            tx.uploads().advance(upload.id, UploadState::Aborting, UploadState::Aborted).await?;
            Ok(tx.commit().await?)
        };
        match noted.await {
            // The janitor was quicker.
            Ok(()) | Err(ApiError::Storage(StorageError::Changed { .. })) => {}
            Err(error) => {
                tracing::info!(error = chain(&error), upload.id = %upload.id, "the parts are gone; the janitor will note it")
            }
        }
    }

    pub(super) async fn abort_or_warn(&self, upload: &UploadHandle) -> bool {
        let outcome = self.0.blobs.abort(upload).await;
        if let Err(error) = &outcome {
            tracing::warn!(error = chain(error), blob.key = upload.blob.key, "the parts of an upload stay until it is swept");
        }
        outcome.is_ok()
    }

    pub(super) async fn find(&self, caller: &Caller, id: AssetId, name: &'static str) -> Result<(Asset, Upload), ApiError> {
        let mut tx = self.0.begin(caller, name).await?;
        // The upload first: the asset read after it is at least as new, so one that was completed is not shown as uploading.
        let upload = tx.uploads().of_asset(id).await?;
        let asset = there(tx.assets().lookup(id).await?)?;
        Ok((asset, upload.ok_or(ApiError::UploadEnded("gone"))?))
    }
}

/// The span in which an upload ends. What follows from an upload belongs to the trace that it began in, also where the call that ends
/// it belongs to another: then that call and this span link to each other.
fn ending(asset: &Asset) -> Span {
    let call = trace_context::current_traceparent();
    match (asset.traceparent.as_deref(), call.as_deref()) {
        (Some(begun), Some(call)) if trace_id(begun) != trace_id(call) => {
            let span = info_span!("end upload", asset.id = %asset.id);
            trace_context::set_parent(&span, begun);
            trace_context::add_link(&span, call);
            if let Some(own) = trace_context::traceparent_of(&span) {
                trace_context::add_link(&Span::current(), &own);
            }
            span
        }
        _ => Span::current(),
    }
}

fn trace_id(traceparent: &str) -> Option<&str> {
    traceparent.split('-').nth(1)
}

pub(super) fn handle(upload: &Upload) -> UploadHandle {
    UploadHandle { blob: upload.blob.clone(), upload_id: upload.s3_upload_id.clone() }
}

pub(super) fn ended(state: UploadState) -> ApiError {
    ApiError::UploadEnded(match state {
        UploadState::Open => "open",
        UploadState::Completed => "completed",
        UploadState::Aborting | UploadState::Aborted => "aborted",
    })
}

/// The upload was given up meanwhile, by another call or a sweep.
pub(super) fn gone_is_ended(error: BlobError) -> ApiError {
    match error {
        BlobError::UploadGone | BlobError::NotFound => ApiError::UploadEnded("gone"),
        other => other.into(),
    }
}

pub(super) fn signed_part(number: u32, size: u64, signed: SignedUrl) -> v1::SignedPart {
    v1::SignedPart {
        number: number.cast_signed(),
        size_bytes: size.cast_signed(),
        url: signed.url,
        expire_time: Some(convert::timestamp(signed.expires_at)),
    }
}
