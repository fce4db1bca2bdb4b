//! The connection to the service: address, token and tenant, and a client for each of its services.

use std::{error::Error as _, time::Duration};

use backon::{ExponentialBuilder, Retryable as _};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use media_domain::{OwnerId, TenantId};
use media_proto::v1::{
    ai_artifact_service_client::AiArtifactServiceClient, asset_service_client::AssetServiceClient,
    caption_service_client::CaptionServiceClient, operations_service_client::OperationsServiceClient,
    playback_service_client::PlaybackServiceClient, quarantine_service_client::QuarantineServiceClient,
    retention_service_client::RetentionServiceClient, transcript_service_client::TranscriptServiceClient,
    upload_service_client::UploadServiceClient,
};
use tonic::{
    Code, Request, Response, Status,
    metadata::{Ascii, MetadataValue},
    service::{Interceptor, interceptor::InterceptedService},
    transport::{Channel, Endpoint},
};

use crate::{
    args::Caller,
    failure::{Failure, chain},
};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Until the answer begins: a stream may last longer.
const CALL_TIMEOUT: Duration = Duration::from_secs(60);
const KEEP_ALIVE: Duration = Duration::from_secs(20);
const CALL_RETRIES: usize = 4;
/// The largest answer with a text in it: a caption track has at most 16 MiB, and grows where it becomes another format.
const TEXT_BYTES_MAX: usize = 64 << 20;

type Service = InterceptedService<Channel, Credentials>;

/// Clones share one connection.
#[derive(Clone, Debug)]
pub struct Api {
    pub uploads: UploadServiceClient<Service>,
    pub assets: AssetServiceClient<Service>,
    pub playback: PlaybackServiceClient<Service>,
    pub captions: CaptionServiceClient<Service>,
    pub transcripts: TranscriptServiceClient<Service>,
    pub operations: OperationsServiceClient<Service>,
    pub quarantine: QuarantineServiceClient<Service>,
    pub retention: RetentionServiceClient<Service>,
    pub ai_artifacts: AiArtifactServiceClient<Service>,
}

impl Api {
    /// # Errors
    /// [`Failure::Usage`] without an address or with one that cannot be used; [`Failure::TryAgain`] where nobody answers there.
    pub async fn connect(caller: &Caller) -> Result<Self, Failure> {
        let url = caller.api.as_deref().ok_or_else(|| Failure::Usage("which service? Say --api URL or set MEDIA_API".into()))?;
        let credentials = Credentials::of(caller)?;
        let bad = |error: tonic::transport::Error| Failure::Usage(format!("{url} is no address of a service: {}", chain(&error)));
        let mut endpoint = Endpoint::from_shared(url.to_owned())
            .map_err(bad)?
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(CALL_TIMEOUT)
            .http2_keep_alive_interval(KEEP_ALIVE)
            .keep_alive_while_idle(true);
        if endpoint.uri().scheme().is_none() {
            return Err(Failure::Usage(format!("{url} is no address of a service: --api (MEDIA_API) begins with http:// or https://")));
        }
        if let Some(tls) = caller.tls.of(url)? {
            endpoint = endpoint.tls_config(tls).map_err(bad)?;
        }
        let channel = endpoint
            .connect()
            .await
            .map_err(|error| Failure::TryAgain(format!("{url} cannot be reached: {}", chain(error.source().unwrap_or(&error)))))?;
        Ok(Self {
            uploads: UploadServiceClient::with_interceptor(channel.clone(), credentials.clone()),
            assets: AssetServiceClient::with_interceptor(channel.clone(), credentials.clone()),
            playback: PlaybackServiceClient::with_interceptor(channel.clone(), credentials.clone()),
            retention: RetentionServiceClient::with_interceptor(channel.clone(), credentials.clone()),
            ai_artifacts: AiArtifactServiceClient::with_interceptor(channel.clone(), credentials.clone()),
            operations: OperationsServiceClient::with_interceptor(channel.clone(), credentials.clone()),
            quarantine: QuarantineServiceClient::with_interceptor(channel.clone(), credentials.clone()),
            captions: CaptionServiceClient::with_interceptor(channel.clone(), credentials.clone())
                .max_decoding_message_size(TEXT_BYTES_MAX),
            transcripts: TranscriptServiceClient::with_interceptor(channel, credentials).max_decoding_message_size(TEXT_BYTES_MAX),
        })
    }
}

/// Makes a call that may be made again, and makes it again while the service is not available.
///
/// # Errors
/// As [`Failure::from`] a status has it.
pub async fn call<T, F>(mut make: impl FnMut() -> F) -> Result<T, Failure>
where
    F: Future<Output = Result<Response<T>, Status>>,
{
    let waits = ExponentialBuilder::default().with_jitter().with_min_delay(Duration::from_millis(200)).with_max_times(CALL_RETRIES);
    let answer = (|| make()).retry(waits).sleep(tokio::time::sleep).when(|status| status.code() == Code::Unavailable).await?;
    Ok(answer.into_inner())
}

/// What goes with every call.
#[derive(Clone, Debug)]
pub struct Credentials {
    authorization: Option<MetadataValue<Ascii>>,
    tenant: Option<MetadataValue<Ascii>>,
}

impl Credentials {
    fn of(caller: &Caller) -> Result<Self, Failure> {
        let value =
            |text: String| MetadataValue::try_from(text).map_err(|_| Failure::Usage("the token holds characters that no token has".into()));
        if caller.token.as_deref().is_some_and(|token| token.trim().is_empty()) {
            return Err(Failure::Usage(
                "the token is empty: what should have put it into MEDIA_TOKEN, or behind --token, gave none".into(),
            ));
        }
        let authorization = caller.token.as_deref().map(|token| value(format!("Bearer {}", token.trim()))).transpose()?;
        let tenant =
            caller.tenant.or_else(|| caller.token.as_deref().and_then(tenant)).map(|tenant| value(tenant.to_string())).transpose()?;
        Ok(Self { authorization, tenant })
    }
}

impl Interceptor for Credentials {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        let metadata = request.metadata_mut();
        if let Some(authorization) = &self.authorization {
            metadata.insert("authorization", authorization.clone());
        }
        if let Some(tenant) = &self.tenant {
            metadata.insert("x-tenant-id", tenant.clone());
        }
        Ok(request)
    }
}

/// The subject of a token, where it is a user of ours. Not verified: the service does that.
pub fn subject(token: &str) -> Option<OwnerId> {
    claim(token, "sub")?.parse().ok()
}

/// Whom the service takes a caller for: its own address, the token's subject, and the tenant. Two tokens of one caller are one.
pub fn identity(caller: &Caller) -> [String; 3] {
    let token = caller.token.as_deref();
    let tenant = caller.tenant.or_else(|| tenant(token?)).map(|tenant| tenant.to_string());
    [caller.api.clone(), token.and_then(|token| claim(token, "sub")), tenant].map(Option::unwrap_or_default)
}

/// The tenant that a token is for, where it is for one: each call has to name it.
fn tenant(token: &str) -> Option<TenantId> {
    claim(token, "tid")?.parse().ok()
}

fn claim(token: &str, name: &str) -> Option<String> {
    let payload = token.split('.').nth(1)?;
    let claims: serde_json::Value = serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(payload).ok()?).ok()?;
    Some(claims.get(name)?.as_str()?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls::Tls;

    fn caller(api: Option<&str>, token: Option<&str>) -> Caller {
        Caller { api: api.map(str::to_owned), token: token.map(str::to_owned), tenant: None, tls: Tls::default() }
    }

    #[tokio::test]
    async fn without_an_address_the_sentence_says_how_to_give_one() {
        let failure = Api::connect(&caller(None, None)).await.unwrap_err();
        assert!(matches!(&failure, Failure::Usage(sentence) if sentence.contains("MEDIA_API")), "{failure}");
    }

    #[tokio::test]
    async fn an_address_without_its_scheme_is_not_tried_again() {
        let failure = Api::connect(&caller(Some("127.0.0.1:8080"), None)).await.unwrap_err();
        assert!(
            matches!(&failure, Failure::Usage(sentence) if sentence.contains("MEDIA_API") && sentence.contains("http://")),
            "{failure}"
        );
    }

    #[tokio::test]
    async fn where_nobody_listens_the_sentence_names_the_address_and_asks_to_try_again() {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let url = format!("http://127.0.0.1:{port}");
        let failure = Api::connect(&caller(Some(&url), None)).await.unwrap_err();
        assert!(matches!(&failure, Failure::TryAgain(sentence) if sentence.contains(&url) && sentence.contains("refused")), "{failure}");
    }

    #[test]
    fn a_token_with_a_line_break_is_refused_before_it_is_sent() {
        assert!(matches!(Credentials::of(&caller(None, Some("a\nb"))), Err(Failure::Usage(_))));
    }

    #[test]
    fn an_empty_token_is_called_so_before_it_is_sent() {
        for nothing in ["", " \n"] {
            let Err(Failure::Usage(sentence)) = Credentials::of(&caller(None, Some(nothing))) else { panic!("{nothing:?} is taken") };
            assert!(sentence.contains("empty") && sentence.contains("MEDIA_TOKEN"), "{sentence}");
        }
    }

    #[test]
    fn the_subject_is_an_owner_only_where_it_is_a_ulid() {
        let token = |sub: &str| format!("e30.{}.x", BASE64_URL_SAFE_NO_PAD.encode(format!("{{\"sub\":\"{sub}\"}}")));
        assert!(subject(&token("01ARZ3NDEKTSV4RRFFQ69G5FAV")).is_some());
        assert!(subject(&token("course-service")).is_none());
        assert!(subject("nonsense").is_none());
    }

    #[test]
    fn the_tenant_is_the_tokens_unless_another_is_named() {
        const TENANT: &str = "6f1b0a52-6b1e-4f0b-9d3b-2f5f3b0c9a11";
        let token = format!("e30.{}.x", BASE64_URL_SAFE_NO_PAD.encode(format!("{{\"tid\":\"{TENANT}\"}}")));
        let named = |tenant| {
            Credentials::of(&Caller { tenant, ..caller(None, Some(&token)) }).unwrap().tenant.unwrap().to_str().unwrap().to_owned()
        };
        assert_eq!(named(None), TENANT);
        let other: TenantId = "6f1b0a52-6b1e-4f0b-9d3b-2f5f3b0c9a12".parse().unwrap();
        assert_eq!(named(Some(other)), other.to_string());
    }
}
