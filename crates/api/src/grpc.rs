//! The gRPC services, a file per service. Handlers get a checked [`Caller`] and nothing else that names a tenant.

mod again;
mod ai_artifacts;
mod asset_update;
mod assets;
mod caption_text;
mod captions;
mod erasure;
mod generate_captions;
mod import;
mod known_bytes;
mod new_import;
mod new_upload;
mod open_upload;
mod operations;
mod playback;
mod quarantine;
mod restore;
mod retention;
mod shown;
mod tenant_policy;
mod transcripts;
mod upload_parts;
pub mod upload_places;
mod upload_stream;
mod uploads;
mod watch;
pub mod watchers;

use std::sync::Arc;

use media_blobs::Blobs;
use media_domain::AssetId;
use media_import_rules::ImportRules;
use media_proto::{FILE_DESCRIPTOR_SET, v1};
use media_runtime::trace_context;
use media_storage::{Database, TenantTx, assets::Asset};
use tonic::service::Routes;
use url::Url;
use v1::{
    ai_artifact_service_server::AiArtifactServiceServer, asset_service_server::AssetServiceServer,
    caption_service_server::CaptionServiceServer, operations_service_server::OperationsServiceServer,
    playback_service_server::PlaybackServiceServer, quarantine_service_server::QuarantineServiceServer,
    retention_service_server::RetentionServiceServer, transcript_service_server::TranscriptServiceServer,
    upload_service_server::UploadServiceServer,
};

use crate::{
    auth::{self, Caller, JwtKeys},
    error::{ApiError, Violations},
    keyring::Keyring,
    page::{Page, Paged},
    rate_limit::RateLimit,
};
use upload_places::UploadPlaces;
use watchers::Watchers;

/// The largest request: the 10,000 parts of a CompleteUpload, with room.
const MAX_REQUEST_BYTES: usize = 2 << 20;

/// What handlers work with.
#[derive(Debug)]
pub struct Api {
    pub database: Database,
    pub blobs: Blobs,
    pub keys: Keyring,
    /// Where players reach the door.
    pub public_url: Url,
    pub watchers: Arc<Watchers>,
    pub rate_limit: Arc<RateLimit>,
    pub uploads: Arc<UploadPlaces>,
    /// What is fetched from elsewhere, as far as a URL tells it.
    pub import_rules: ImportRules,
    /// What can be made of an original.
    pub profiles: media_domain::Profiles,
}

impl Api {
    /// Begins the transaction of a call: for its caller's tenant, and carrying its trace on.
    ///
    /// # Errors
    /// If no connection is to be had.
    async fn begin(&self, caller: &Caller, name: &'static str) -> Result<TenantTx, ApiError> {
        let mut tx = self.database.in_tenant(caller.tenant(), name).await?;
        tx.caused_by(trace_context::current_traceparent(), None);
        Ok(tx)
    }

    /// The page of a list that a call asks for.
    ///
    /// # Errors
    /// As [`Page::of`].
    fn page<'a>(&'a self, caller: &Caller, request: &'a impl Paged) -> Result<Page<'a>, ApiError> {
        Page::of(&self.keys, caller.tenant(), request)
    }
}

/// All services, with [`auth::admit`] before those that are ours.
///
/// # Errors
/// If the descriptors for reflection cannot be read.
pub fn routes(api: Arc<Api>, keys: Arc<JwtKeys>, health: Routes) -> Result<Routes, tonic_reflection::server::Error> {
    let reflection = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    let services = health
        .add_service(reflection().build_v1()?)
        .add_service(reflection().build_v1alpha()?)
        .add_service(AiArtifactServiceServer::new(ai_artifacts::AiArtifacts(Arc::clone(&api))).max_decoding_message_size(MAX_REQUEST_BYTES))
        .add_service(UploadServiceServer::new(uploads::Uploads(Arc::clone(&api))).max_decoding_message_size(MAX_REQUEST_BYTES))
        .add_service(AssetServiceServer::new(assets::Assets(Arc::clone(&api))).max_decoding_message_size(MAX_REQUEST_BYTES))
        .add_service(OperationsServiceServer::new(operations::Operations(Arc::clone(&api))).max_decoding_message_size(MAX_REQUEST_BYTES))
        .add_service(QuarantineServiceServer::new(quarantine::Quarantine(Arc::clone(&api))).max_decoding_message_size(MAX_REQUEST_BYTES))
        .add_service(PlaybackServiceServer::new(playback::Playback(Arc::clone(&api))).max_decoding_message_size(MAX_REQUEST_BYTES))
        .add_service(
            CaptionServiceServer::new(captions::Captions(Arc::clone(&api))).max_decoding_message_size(caption_text::MAX_REQUEST_BYTES),
        )
        .add_service(TranscriptServiceServer::new(transcripts::Transcripts(Arc::clone(&api))).max_decoding_message_size(MAX_REQUEST_BYTES))
        .add_service(RetentionServiceServer::new(retention::Retention(api)).max_decoding_message_size(MAX_REQUEST_BYTES));
    Ok(Routes::from(services.into_axum_router().layer(axum::middleware::from_fn_with_state(keys, auth::admit))))
}

/// The id that a request names.
fn asset_id(text: &str) -> Result<AssetId, ApiError> {
    text.parse().map_err(|error: media_domain::ids::NotAnId| Violations::of("asset_id", format!("is {error}")))
}

/// How many assets one call may ask for.
const MAX_BATCH: usize = 200;

/// The ids that a request for several assets names, each once.
///
/// # Errors
/// [`ApiError::Invalid`] if there are too many, or one is none.
fn asset_ids(given: &[String]) -> Result<Vec<AssetId>, ApiError> {
    if given.len() > MAX_BATCH {
        return Err(Violations::of("asset_ids", format!("names {} assets, the limit is {MAX_BATCH}", given.len())));
    }
    let mut ids: Vec<AssetId> = Vec::with_capacity(given.len());
    for text in given {
        let id =
            text.parse().map_err(|error: media_domain::ids::NotAnId| Violations::of("asset_ids", format!("holds one that is {error}")))?;
        if !ids.contains(&id) {
            ids.push(id);
        }
    }
    Ok(ids)
}

/// The etag that a request gives, where it gives one.
///
/// # Errors
/// [`ApiError::EtagMismatch`] for one that is none of ours: it matches nothing.
fn etag(text: &str) -> Result<Option<i64>, ApiError> {
    if text.is_empty() { Ok(None) } else { text.parse().map(Some).map_err(|_| ApiError::EtagMismatch) }
}

/// An asset that is there for callers: not deleted, and of the transaction's tenant. All else never was.
fn there(asset: Option<Asset>) -> Result<Asset, ApiError> {
    asset.filter(|asset| asset.deleted_at.is_none()).ok_or(ApiError::AssetNotFound)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_etag_that_is_none_of_ours_matches_nothing() {
        assert_eq!(etag("").unwrap(), None);
        assert_eq!(etag("7").unwrap(), Some(7));
        assert!(matches!(etag("\"7\""), Err(ApiError::EtagMismatch)));
    }
}
