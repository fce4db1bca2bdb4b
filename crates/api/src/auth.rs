//! Who is asking, and for which tenant. Every gRPC call passes [`admit`] before a handler sees it.
//!
//! The promise: a handler gets its tenant from a [`Caller`] and from nowhere else, and a `Caller` is only made here, of a token whose
//! signature, issuer, audience and time were checked, whose tenant is the one that the call names, and which has the method's scope.

mod call;
mod key_set;
mod key_set_file;
mod key_set_url;
mod keys;
mod scopes;

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::Response,
};
use http::HeaderMap;
use media_domain::TenantId;
use media_runtime::trace_context;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use tonic::{Code, Status};
use tracing::Instrument as _;

use call::Call;
pub use key_set_file::follow_jwks_file;
pub use keys::JwtKeys;
use scopes::Access;

use crate::{error::ApiError, status};

/// The scope of a service that acts for many tenants.
const ALL_TENANTS: &str = "media.all_tenants";

/// What a call may do: everything of its method, for one tenant.
#[derive(Clone, Debug)]
pub struct Caller {
    tenant: TenantId,
    subject: String,
}

impl Caller {
    pub fn tenant(&self) -> TenantId {
        self.tenant
    }

    /// The token's `sub`: who is on record for what the call does.
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// Takes a request apart into who asks, and what.
    ///
    /// # Errors
    /// If the request did not pass [`admit`], which the routes rule out.
    pub fn of<T>(request: tonic::Request<T>) -> Result<(Self, T), ApiError> {
        let caller = request.extensions().get::<Caller>().cloned();
        Ok((caller.ok_or_else(|| ApiError::Defect("a call reached its handler without a caller".into()))?, request.into_inner()))
    }
}

/// The claims that count.
#[derive(Debug, Deserialize)]
struct Claims {
    sub: String,
    #[serde(default)]
    tid: Option<TenantId>,
    #[serde(default)]
    scope: String,
}

impl Claims {
    fn has_scope(&self, scope: &str) -> bool {
        self.scope.split(' ').any(|given| given == scope)
    }
}

/// Lets a call through to its handler, inside the span of the call, or answers it.
pub async fn admit(State(keys): State<Arc<JwtKeys>>, mut request: Request, next: Next) -> Response {
    let path = request.uri().path();
    let access = scopes::of(path);
    if access == Access::Everybody {
        return next.run(request).await;
    }
    // A stranger's path names no series and stands in no log: there would be no end of them, and one that was meant for the door opens it.
    let method = if access == Access::Nobody { "unknown".to_owned() } else { path.to_owned() };
    let span = tracing::info_span!(
        "rpc",
        otel.name = method.trim_start_matches('/'),
        otel.kind = "server",
        rpc.system = "grpc",
        rpc.method = method,
        rpc.code = tracing::field::Empty,
        tenant.id = tracing::field::Empty,
        caller.sha256 = tracing::field::Empty,
    );
    if let Some(parent) = request.headers().get("traceparent").and_then(|value| value.to_str().ok()) {
        trace_context::set_parent(&span, parent);
    }
    let call = Call::begin(method, span.clone());
    async move {
        let response = match caller(&keys, access, request.headers()).await {
            Ok(caller) => {
                let span = tracing::Span::current();
                span.record("tenant.id", tracing::field::display(caller.tenant)).record("caller.sha256", fingerprint(&caller.subject));
                request.extensions_mut().insert(caller);
                status::explained(next.run(request).await)
            }
            Err(error) => Status::from(error).into_http(),
        };
        // Set on an answer that is an error from the start.
        let code = response.headers().get("grpc-status").map_or(Code::Ok, |code| Code::from_bytes(code.as_bytes()));
        call.answered(code);
        response
    }
    .instrument(span)
    .await
}

/// Who calls, as logs and traces tell it: the same caller has the same, and no name is read there. A subject that can be guessed can be
/// held against it; where subjects are persons' names, logs are to be kept no longer than an erasure may take.
fn fingerprint(subject: &str) -> String {
    let first = Sha256::digest(subject).iter().take(8).fold(0u64, |sum, byte| (sum << 8) | u64::from(*byte));
    format!("{first:016x}")
}

/// # Errors
/// Everything that keeps a call from its handler, the caller's identity first.
async fn caller(keys: &JwtKeys, access: Access, headers: &HeaderMap) -> Result<Caller, ApiError> {
    let claims = keys.authenticate(bearer(headers)?).await?;
    let tenant = tenant(&claims, headers)?;
    match access {
        Access::Scope(scope) if claims.has_scope(scope) => Ok(Caller { tenant, subject: claims.sub }),
        Access::Scope(scope) => Err(ApiError::ScopeMissing(scope)),
        Access::Everybody | Access::Nobody => Err(ApiError::NoSuchMethod),
    }
}

fn bearer(headers: &HeaderMap) -> Result<&str, ApiError> {
    let given = headers.get(http::header::AUTHORIZATION).ok_or(ApiError::Unauthenticated("there is none"))?;
    let (scheme, token) =
        given.to_str().ok().and_then(|text| text.split_once(' ')).ok_or(ApiError::Unauthenticated("it is no bearer token"))?;
    if scheme.eq_ignore_ascii_case("bearer") { Ok(token.trim()) } else { Err(ApiError::Unauthenticated("it is no bearer token")) }
}

/// The tenant of a call: the one that the header names, if the token is for it.
fn tenant(claims: &Claims, headers: &HeaderMap) -> Result<TenantId, ApiError> {
    let mut named = headers.get_all("x-tenant-id").iter();
    let (Some(only), None) = (named.next(), named.next()) else { return Err(ApiError::TenantMismatch) };
    let named: TenantId = only.to_str().ok().and_then(|text| text.parse().ok()).ok_or(ApiError::TenantMismatch)?;
    match claims.tid {
        Some(tid) if tid == named => Ok(named),
        Some(_) => Err(ApiError::TenantMismatch),
        None if claims.has_scope(ALL_TENANTS) => Ok(named),
        None => Err(ApiError::ScopeMissing(ALL_TENANTS)),
    }
}

#[cfg(test)]
mod tests;
