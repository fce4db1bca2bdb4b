//! An internal service that calls us: a token, a channel, and the bytes of uploads.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jsonwebtoken::{EncodingKey, Header};
use media_devstack::{JWT_AUDIENCE, JWT_ISSUER, JWT_SECRET};
use media_domain::{OwnerId, TenantId};
use media_proto::v1::{
    Asset, AssetKind, AssetStatus, CompleteUploadRequest, CreateUploadRequest, CreateUploadResponse, GetAssetRequest, GetAssetResponse,
    Job, JobStatus, SignedPart, ai_artifact_service_client::AiArtifactServiceClient, asset_service_client::AssetServiceClient,
    caption_service_client::CaptionServiceClient, operations_service_client::OperationsServiceClient,
    playback_service_client::PlaybackServiceClient, quarantine_service_client::QuarantineServiceClient,
    retention_service_client::RetentionServiceClient, transcript_service_client::TranscriptServiceClient,
    upload_service_client::UploadServiceClient,
};
use tonic::{
    Request, Status,
    metadata::{Ascii, MetadataValue},
    service::{Interceptor, interceptor::InterceptedService},
    transport::Channel,
};

use super::{answers::Answers, eventually};

pub const ALL_SCOPES: &str = "media.read media.write media.delete media.review media.admin";

type Authorized = InterceptedService<Answers, Bearer>;

/// Puts token and tenant on each call.
#[derive(Clone)]
pub struct Bearer {
    token: MetadataValue<Ascii>,
    tenant: MetadataValue<Ascii>,
}

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        request.metadata_mut().insert("authorization", self.token.clone());
        request.metadata_mut().insert("x-tenant-id", self.tenant.clone());
        Ok(request)
    }
}

#[derive(Clone)]
pub struct Caller {
    pub tenant: TenantId,
    pub owner: OwnerId,
    pub token: String,
    pub uploads: UploadServiceClient<Authorized>,
    pub assets: AssetServiceClient<Authorized>,
    pub playback: PlaybackServiceClient<Authorized>,
    pub captions: CaptionServiceClient<Authorized>,
    pub transcripts: TranscriptServiceClient<Authorized>,
    pub operations: OperationsServiceClient<Authorized>,
    pub quarantine: QuarantineServiceClient<Authorized>,
    pub retention: RetentionServiceClient<Authorized>,
    pub ai_artifacts: AiArtifactServiceClient<Authorized>,
    http: reqwest::Client,
}

/// A token that ends `lifetime_seconds` from now, or has ended if that is negative.
pub fn token(tenant: TenantId, scope: &str, lifetime_seconds: i64) -> String {
    token_of("journey", tenant, scope, lifetime_seconds)
}

/// The same, of another service or person.
pub fn token_of(subject: &str, tenant: TenantId, scope: &str, lifetime_seconds: i64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs().cast_signed();
    let claims = serde_json::json!({
        "sub": subject, "tid": tenant.to_string(), "scope": scope, "iss": JWT_ISSUER, "aud": JWT_AUDIENCE,
        "iat": now, "exp": now + lifetime_seconds,
    });
    jsonwebtoken::encode(&Header::default(), &claims, &EncodingKey::from_secret(JWT_SECRET.as_bytes())).unwrap()
}

impl Caller {
    pub async fn connect(grpc_url: &str, tenant: TenantId) -> Self {
        Self::with_token(grpc_url, tenant, token(tenant, ALL_SCOPES, 3600)).await
    }

    pub async fn with_token(grpc_url: &str, tenant: TenantId, token: String) -> Self {
        let channel = Answers(Channel::from_shared(grpc_url.to_owned()).unwrap().connect().await.unwrap());
        let bearer = Bearer { token: format!("Bearer {token}").parse().unwrap(), tenant: tenant.to_string().parse().unwrap() };
        Self {
            tenant,
            owner: OwnerId::generate(),
            token,
            uploads: UploadServiceClient::with_interceptor(channel.clone(), bearer.clone()),
            assets: AssetServiceClient::with_interceptor(channel.clone(), bearer.clone()),
            playback: PlaybackServiceClient::with_interceptor(channel.clone(), bearer.clone()),
            retention: RetentionServiceClient::with_interceptor(channel.clone(), bearer.clone()),
            ai_artifacts: AiArtifactServiceClient::with_interceptor(channel.clone(), bearer.clone()),
            operations: OperationsServiceClient::with_interceptor(channel.clone(), bearer.clone()),
            quarantine: QuarantineServiceClient::with_interceptor(channel.clone(), bearer.clone()),
            captions: CaptionServiceClient::with_interceptor(channel.clone(), bearer.clone()),
            transcripts: TranscriptServiceClient::with_interceptor(channel, bearer),
            http: reqwest::Client::new(),
        }
    }

    /// A request for an upload that nothing is wrong with.
    pub fn request(&self, kind: AssetKind, filename: &str, size_bytes: usize) -> CreateUploadRequest {
        CreateUploadRequest {
            kind: kind.into(),
            filename: filename.to_owned(),
            size_bytes: i64::try_from(size_bytes).unwrap(),
            owner_user_id: self.owner.to_string(),
            ..Default::default()
        }
    }

    pub async fn create(&mut self, request: CreateUploadRequest) -> CreateUploadResponse {
        self.uploads.create_upload(request).await.unwrap().into_inner()
    }

    /// Sends one part to where it was signed for; answers the store's status.
    pub async fn put(&self, part: &SignedPart, bytes: Vec<u8>) -> reqwest::StatusCode {
        self.http.put(&part.url).body(bytes).send().await.unwrap().status()
    }

    /// Sends all parts of a small file.
    pub async fn put_all(&self, created: &CreateUploadResponse, bytes: &[u8]) {
        let plan = created.plan.as_ref().unwrap();
        for (part, chunk) in plan.parts.iter().zip(bytes.chunks(usize::try_from(plan.part_size_bytes).unwrap())) {
            let status = self.put(part, chunk.to_vec()).await;
            assert!(status.is_success(), "part {} was answered with {status}", part.number);
        }
    }

    pub async fn complete(&mut self, asset_id: &str) -> Result<Asset, Status> {
        let request = CompleteUploadRequest { asset_id: asset_id.to_owned(), parts: Vec::new() };
        Ok(self.uploads.complete_upload(request).await?.into_inner().asset.unwrap())
    }

    /// Uploads a file whole; answers its asset's id.
    pub async fn upload(&mut self, kind: AssetKind, filename: &str, bytes: &[u8]) -> String {
        let created = self.create(self.request(kind, filename, bytes.len())).await;
        self.put_all(&created, bytes).await;
        let id = created.asset.unwrap().id;
        self.complete(&id).await.unwrap();
        id
    }

    pub async fn get(&mut self, asset_id: &str) -> GetAssetResponse {
        self.assets.get_asset(GetAssetRequest { asset_id: asset_id.to_owned() }).await.unwrap().into_inner()
    }

    /// Waits until the asset is in this state and none of the transcoder's jobs waits or runs: not every world has a captioner.
    /// A state that leads nowhere else ends the wait.
    pub async fn until(&mut self, asset_id: &str, status: AssetStatus, limit: Duration) -> GetAssetResponse {
        let mut caller = self.clone();
        let id = asset_id.to_owned();
        eventually(&format!("{asset_id} is {}", status.as_str_name()), limit, async move || {
            let got = caller.get(&id).await;
            let asset = got.asset.clone().unwrap();
            let is_busy = |job: &Job| job.profile != "captions" && matches!(job.status(), JobStatus::Waiting | JobStatus::Running);
            let busy = got.jobs.iter().any(is_busy);
            if asset.status() != status && matches!(asset.status(), AssetStatus::Failed | AssetStatus::Quarantined) {
                panic!("{id} is {}: {} {}", asset.status().as_str_name(), asset.failure_reason, asset.failure_detail);
            }
            if asset.status() == status && !busy { Ok(got) } else { Err((asset.status(), got.jobs)) }
        })
        .await
    }
}
