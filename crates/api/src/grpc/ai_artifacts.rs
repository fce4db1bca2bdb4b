//! AiArtifactService: what machines made, as their callers tell it. Its output passes the same scan as everything else.

use std::sync::Arc;

use media_domain::{
    AiArtifactId, AssetId, Status,
    event::{AiArtifactRecorded, Event},
    ids::NotAnId,
    provenance::{ArtifactKind, Provenance},
};
use media_proto::v1::{
    self, RecordAiArtifactRequest, RecordAiArtifactResponse, ai_artifact_service_server::AiArtifactService,
    record_ai_artifact_request::Output,
};
use media_storage::{
    TenantTx,
    ai_artifacts::{AiArtifact, AiArtifactFilter, NewAiArtifact},
};
use time::OffsetDateTime;
use tonic::{Request, Response};

use super::{Api, new_upload::NewUpload, there, uploads::Uploads};
use crate::{
    auth::Caller,
    convert::{self, provenance},
    error::{ApiError, Violations},
    once::{self, Once},
};

const MAX_PROMPT_REF_CHARS: usize = 200;

pub struct AiArtifacts(pub Arc<Api>);

#[tonic::async_trait]
impl AiArtifactService for AiArtifacts {
    async fn record_ai_artifact(
        &self,
        request: Request<RecordAiArtifactRequest>,
    ) -> Result<Response<RecordAiArtifactResponse>, tonic::Status> {
        let (caller, request) = Caller::of(request)?;
        self.0.rate_limit.take(caller.tenant())?;
        Ok(Response::new(self.record(&caller, request).await?))
    }

    async fn get_ai_artifact(
        &self,
        request: Request<v1::GetAiArtifactRequest>,
    ) -> Result<Response<v1::GetAiArtifactResponse>, tonic::Status> {
        let (caller, request) = Caller::of(request)?;
        let read = request.ai_artifact_id.parse();
        let id = read.map_err(|error: NotAnId| Violations::of("ai_artifact_id", format!("is {error}")))?;
        let artifact = self.lookup(&caller, id).await?;
        Ok(Response::new(v1::GetAiArtifactResponse { ai_artifact: Some(show(&artifact)) }))
    }

    async fn list_ai_artifacts(
        &self,
        request: Request<v1::ListAiArtifactsRequest>,
    ) -> Result<Response<v1::ListAiArtifactsResponse>, tonic::Status> {
        let (caller, request) = Caller::of(request)?;
        Ok(Response::new(self.list(&caller, request).await?))
    }
}

/// A request that was read, but for its output.
struct Record {
    id: AiArtifactId,
    prompt_ref: Option<String>,
    cost_micro_usd: i64,
    provenance: Provenance,
    /// Whether the caller said when it was made.
    says_when: bool,
    once: Option<Once>,
}

impl Record {
    fn artifact(self, kind: ArtifactKind, output: Option<AssetId>) -> NewAiArtifact {
        let Record { id, prompt_ref, cost_micro_usd, provenance, .. } = self;
        NewAiArtifact { id, kind, prompt_ref, output, source: None, cost_micro_usd, provenance }
    }
}

/// Writes an artifact whose output's row the transaction has locked or made, with its event.
///
/// # Errors
/// What the database says.
pub async fn write(tx: &mut TenantTx, output: AssetId, artifact: &NewAiArtifact) -> Result<(), ApiError> {
    tx.ai_artifacts().insert(artifact).await?;
    let told = AiArtifactRecorded { asset_id: output, ai_artifact_id: artifact.id, kind: artifact.kind };
    tx.outbox().event(&Event::AiArtifactRecorded(told)).await?;
    Ok(())
}

impl AiArtifacts {
    async fn record(&self, caller: &Caller, mut request: RecordAiArtifactRequest) -> Result<RecordAiArtifactResponse, ApiError> {
        let request_id = std::mem::take(&mut request.request_id);
        let once = Once::of(caller, "RecordAiArtifact", &request_id, &request);
        let mut violations = Violations::default();
        once::check(&request_id, &mut violations);
        if request.prompt_ref.chars().count() > MAX_PROMPT_REF_CHARS {
            violations.add("prompt_ref", format!("has more than {MAX_PROMPT_REF_CHARS} characters"));
        } else if request.prompt_ref.chars().any(char::is_control) {
            violations.add("prompt_ref", "holds a control character");
        }
        if request.cost_micro_usd < 0 {
            violations.add("cost_micro_usd", "is negative");
        }
        let read = provenance::read(request.provenance.as_ref(), OffsetDateTime::now_utc(), &mut violations);
        let says_when = request.provenance.as_ref().is_some_and(|given| given.generate_time.is_some());
        let prompt_ref = Some(request.prompt_ref).filter(|text| !text.is_empty());
        let record = |provenance| Record {
            id: AiArtifactId::generate(),
            prompt_ref,
            cost_micro_usd: request.cost_micro_usd,
            provenance,
            says_when,
            once,
        };
        match request.output {
            Some(Output::OutputAssetId(text)) => {
                let id = text.parse().map_err(|error: NotAnId| violations.add("output_asset_id", format!("is {error}")));
                match (read, id) {
                    (Some(provenance), Ok(id)) if violations.0.is_empty() => self.of_asset(caller, id, record(provenance)).await,
                    _ => Err(ApiError::Invalid(violations)),
                }
            }
            Some(Output::Upload(upload)) => {
                let new = self.read_upload(upload, read.as_ref(), &mut violations);
                match (read, new) {
                    (Some(provenance), Some((kind, new))) if violations.0.is_empty() => {
                        self.with_upload(caller, kind, &new, record(provenance)).await
                    }
                    _ => Err(ApiError::Invalid(violations)),
                }
            }
            None => {
                violations.add("output", "must be given: output_asset_id or upload");
                Err(ApiError::Invalid(violations))
            }
        }
    }

    /// The upload that the call announces. Its provenance is the call's, which was read before: it is named once where it is at fault.
    fn read_upload(
        &self,
        mut upload: v1::CreateUploadRequest,
        made: Option<&Provenance>,
        violations: &mut Violations,
    ) -> Option<(ArtifactKind, NewUpload)> {
        if upload.provenance.is_some() {
            violations.add("upload.provenance", "stays empty: it is the call's own");
        }
        if !upload.request_id.is_empty() {
            violations.add("upload.request_id", "stays empty: it is the call's own");
        }
        let kind = convert::read_kind(upload.kind()).and_then(ArtifactKind::of);
        if kind.is_none() {
            violations.add("upload.kind", "must be ai_image or ai_audio");
        }
        upload.provenance = made.map(provenance::show);
        upload.request_id.clear();
        match NewUpload::read(upload, &self.0.profiles) {
            Ok(new) => Some((kind?, new)),
            Err(ApiError::Invalid(more)) => {
                let is_said = |field: &str| field == "kind" || field.starts_with("provenance");
                violations.0.extend(more.0.into_iter().filter(|violation| !is_said(violation.field)));
                None
            }
            Err(_) => None,
        }
    }

    /// Records an output that is there.
    async fn of_asset(&self, caller: &Caller, output: AssetId, mut record: Record) -> Result<RecordAiArtifactResponse, ApiError> {
        let mut tx = self.0.begin(caller, "api.record_ai_artifact").await?;
        if let Some(once) = &record.once
            && let Some(made) = once.note(&mut tx, record.id.as_uuid()).await?
        {
            drop(tx);
            let artifact = self.lookup(caller, made.into()).await?;
            let mut tx = self.0.begin(caller, "api.record_ai_artifact").await?;
            let asset = there(tx.assets().lookup(output).await?)?;
            return Ok(answer(&artifact, convert::asset(&asset), None));
        }
        let asset = there(tx.assets().lock(output).await?)?;
        match asset.status {
            Status::Quarantined => return Err(ApiError::Quarantined),
            Status::Failed => return Err(ApiError::NotReady(asset.status)),
            _ => {}
        }
        let own = tx.ai_artifacts().provenance_of(output).await?;
        let (Some(kind), Some(own)) = (ArtifactKind::of(asset.kind), own) else {
            return Err(Violations::of("output_asset_id", format!("is of kind {}, and not ai_image or ai_audio", asset.kind)));
        };
        if let Some(field) = record.provenance.contradicts(&own) {
            return Err(Violations::of("provenance", format!("contradicts that of the asset in {field}")));
        }
        if !record.says_when {
            record.provenance.generated_at = own.generated_at;
        }
        let artifact = record.artifact(kind, Some(output));
        write(&mut tx, output, &artifact).await?;
        let artifact = tx.ai_artifacts().lookup(artifact.id).await?.ok_or(ApiError::AiArtifactNotFound)?;
        tx.commit().await?;
        Ok(answer(&artifact, convert::asset(&asset), None))
    }

    /// Records an output with its upload, in one transaction.
    async fn with_upload(
        &self,
        caller: &Caller,
        kind: ArtifactKind,
        new: &NewUpload,
        mut record: Record,
    ) -> Result<RecordAiArtifactResponse, ApiError> {
        let uploads = Uploads(Arc::clone(&self.0));
        let once = record.once.take();
        let opened = uploads.open_once(caller, once, new, Some(&record.artifact(kind, None))).await?;
        let mut tx = self.0.begin(caller, "api.record_ai_artifact").await?;
        let artifact = tx.ai_artifacts().first_of(opened.asset.id).await?.ok_or(ApiError::AiArtifactNotFound)?;
        drop(tx);
        let v1::CreateUploadResponse { asset, plan } = uploads.show(opened).await?;
        Ok(answer(&artifact, asset.unwrap_or_default(), plan))
    }

    async fn lookup(&self, caller: &Caller, id: AiArtifactId) -> Result<AiArtifact, ApiError> {
        let mut tx = self.0.begin(caller, "api.get_ai_artifact").await?;
        tx.ai_artifacts().lookup(id).await?.ok_or(ApiError::AiArtifactNotFound)
    }

    async fn list(&self, caller: &Caller, request: v1::ListAiArtifactsRequest) -> Result<v1::ListAiArtifactsResponse, ApiError> {
        let filter = filter(&request)?;
        let page = self.0.page(caller, &request)?;
        let after = page.after()?;
        let mut tx = self.0.begin(caller, "api.list_ai_artifacts").await?;
        let mut artifacts = tx.ai_artifacts().page(&filter, after, page.fetch()).await?;
        let next_page_token = page.cut(&mut artifacts, |last| last.id);
        Ok(v1::ListAiArtifactsResponse { ai_artifacts: artifacts.iter().map(show).collect(), next_page_token })
    }
}

fn filter(request: &v1::ListAiArtifactsRequest) -> Result<AiArtifactFilter, ApiError> {
    let mut violations = Violations::default();
    let kind = v1::AiArtifactKind::try_from(request.kind).map_err(|_| violations.add("kind", "is none that this version knows"));
    let output = match request.output_asset_id.as_str() {
        "" => None,
        text => text.parse().map_err(|error: NotAnId| violations.add("output_asset_id", format!("is {error}"))).ok(),
    };
    if request.model.contains('\0') {
        violations.add("model", "holds a NUL character");
    }
    let mut time = |field, given: &Option<media_proto::Timestamp>| {
        let read = given.as_ref().map(convert::read_timestamp);
        if read == Some(None) {
            violations.add(field, "is no time");
        }
        read.flatten()
    };
    let created_from = time("min_create_time", &request.min_create_time);
    let created_before = time("max_create_time", &request.max_create_time);
    violations.into_result()?;
    let model = Some(request.model.clone()).filter(|model| !model.is_empty());
    Ok(AiArtifactFilter { kind: kind.ok().and_then(convert::read_artifact_kind), output, model, created_from, created_before })
}

fn answer(artifact: &AiArtifact, asset: v1::Asset, plan: Option<v1::UploadPlan>) -> RecordAiArtifactResponse {
    RecordAiArtifactResponse { ai_artifact: Some(show(artifact)), asset: Some(asset), plan }
}

fn show(artifact: &AiArtifact) -> v1::AiArtifact {
    let id = |asset: Option<AssetId>| asset.map(|asset| asset.to_string()).unwrap_or_default();
    v1::AiArtifact {
        id: artifact.id.to_string(),
        kind: convert::artifact_kind(artifact.kind).into(),
        prompt_ref: artifact.prompt_ref.clone().unwrap_or_default(),
        output_asset_id: id(artifact.output),
        source_asset_id: id(artifact.source),
        cost_micro_usd: artifact.cost_micro_usd,
        provenance: Some(provenance::show(&artifact.provenance)),
        create_time: Some(convert::timestamp(artifact.created_at)),
    }
}
