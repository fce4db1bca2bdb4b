//! What machines made: where it comes from is said at the door, it passes the scan of all files, and its record stays as it was written.
//!
//! - provenance::what_ai_made_says_where_it_comes_from_and_nothing_else_does
//! - provenance::what_ai_made_passes_the_scan_and_is_shown_like_its_kind
//! - recorded::an_asset_that_is_there_is_recorded_once_for_each_request_id
//! - recorded::an_output_that_does_not_fit_is_refused_by_its_fault_and_nothing_is_recorded
//! - recorded::an_output_is_announced_and_recorded_in_one_call
//! - recorded::what_has_no_room_or_is_at_fault_leaves_neither_record_nor_upload
//! - listed::records_come_newest_first_page_by_page_and_by_what_is_asked_for
//! - listed::a_person_records_shows_and_lists

mod listed;
mod provenance;
mod recorded;

use media_proto::v1::{
    AiProvenance, AssetKind, CreateUploadRequest, RecordAiArtifactRequest, RecordAiArtifactResponse, record_ai_artifact_request::Output,
};
use tonic::Status;
use tonic_types::StatusExt;

use crate::harness::Caller;

fn provenance() -> AiProvenance {
    AiProvenance {
        model: "painter-3".to_owned(),
        trace_id: "0af7651916cd43dd8448eb211c80319c".to_owned(),
        prompt_id: "covers".to_owned(),
        ..AiProvenance::default()
    }
}

/// A request for an upload of what AI made.
pub fn upload(caller: &Caller, bytes: usize) -> CreateUploadRequest {
    CreateUploadRequest { provenance: Some(provenance()), ..caller.request(AssetKind::AiImage, "cover.png", bytes) }
}

pub fn record_of(asset_id: &str) -> RecordAiArtifactRequest {
    RecordAiArtifactRequest {
        output: Some(Output::OutputAssetId(asset_id.to_owned())),
        prompt_ref: "prompts/covers#4".to_owned(),
        cost_micro_usd: 1200,
        provenance: Some(provenance()),
        request_id: String::new(),
    }
}

pub fn record_with(upload: CreateUploadRequest) -> RecordAiArtifactRequest {
    RecordAiArtifactRequest { output: Some(Output::Upload(CreateUploadRequest { provenance: None, ..upload })), ..record_of("") }
}

async fn record(caller: &Caller, request: RecordAiArtifactRequest) -> Result<RecordAiArtifactResponse, Status> {
    caller.ai_artifacts.clone().record_ai_artifact(request).await.map(tonic::Response::into_inner)
}

/// The fields that a refusal names.
fn fields(refused: &Status) -> Vec<String> {
    let details = refused.get_error_details();
    let violations = details.bad_request().map(|bad| bad.field_violations.clone()).unwrap_or_default();
    violations.into_iter().map(|violation| violation.field).collect()
}
