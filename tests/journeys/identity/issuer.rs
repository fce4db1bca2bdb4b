//! An issuer of tokens: it publishes the keys that it signs with, or fails to, as the test says.

use std::{
    convert::Infallible,
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use futures::{StreamExt as _, stream};
use http_body_util::{BodyExt, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::{Request, Response, StatusCode, body::Frame, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use jsonwebtoken::{Algorithm, EncodingKey, Header, jwk::Jwk};
use media_devstack::{JWT_AUDIENCE, JWT_ISSUER};
use media_domain::TenantId;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{net::TcpListener, task::AbortHandle};

use super::openssl;
use crate::harness::caller::ALL_SCOPES;

type Body = UnsyncBoxBody<Bytes, Infallible>;

/// A P-256 key pair with its id.
#[derive(Clone)]
pub struct SigningKey {
    pub id: String,
    key: EncodingKey,
}

impl SigningKey {
    pub fn new(id: &str) -> Self {
        let folder = TempDir::new().unwrap();
        let pem = openssl(folder.path(), &["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"]);
        Self { id: id.to_owned(), key: EncodingKey::from_ec_pem(&pem).unwrap() }
    }

    /// The same key under another id.
    pub fn named(&self, id: impl Into<String>) -> Self {
        Self { id: id.into(), key: self.key.clone() }
    }

    pub fn jwk(&self) -> Value {
        let mut jwk = Jwk::from_encoding_key(&self.key, Algorithm::ES256).unwrap();
        jwk.common.key_id = Some(self.id.clone());
        serde_json::to_value(jwk).unwrap()
    }

    pub fn sign(&self, claims: &Value) -> String {
        let header = Header { kid: Some(self.id.clone()), ..Header::new(Algorithm::ES256) };
        jsonwebtoken::encode(&header, claims, &self.key).unwrap()
    }

    /// A token that nothing is wrong with but, perhaps, its key.
    pub fn token(&self, tenant: TenantId) -> String {
        self.sign(&claims(tenant))
    }
}

pub fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs().cast_signed()
}

pub fn claims(tenant: TenantId) -> Value {
    json!({
        "sub": "journey", "tid": tenant.to_string(), "scope": ALL_SCOPES, "iss": JWT_ISSUER, "aud": JWT_AUDIENCE, "exp": now() + 600,
    })
}

/// What the issuer does when it is asked.
#[derive(Clone)]
pub enum Answer {
    Keys(Vec<Value>),
    Unavailable,
    /// To another place.
    Redirect(String),
    /// Bytes without an end.
    Endless,
    Text(&'static str),
}

pub struct Issuer {
    address: SocketAddr,
    answer: Arc<Mutex<Answer>>,
    asked: Arc<AtomicUsize>,
    serving: AbortHandle,
}

impl Issuer {
    pub async fn with(answer: Answer) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (answer, asked) = (Arc::new(Mutex::new(answer)), Arc::new(AtomicUsize::new(0)));
        let serving = tokio::spawn(serve(listener, Arc::clone(&answer), Arc::clone(&asked))).abort_handle();
        Self { address, answer, asked, serving }
    }

    pub fn url(&self) -> String {
        format!("http://{}/keys", self.address)
    }

    pub fn now_answers(&self, answer: Answer) {
        *self.answer.lock().unwrap() = answer;
    }

    pub fn publishes(&self, keys: &[&SigningKey]) {
        self.now_answers(Answer::Keys(keys.iter().map(|key| key.jwk()).collect()));
    }

    /// How often it was asked so far.
    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

impl Drop for Issuer {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn serve(listener: TcpListener, answer: Arc<Mutex<Answer>>, asked: Arc<AtomicUsize>) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let (answer, asked) = (Arc::clone(&answer), Arc::clone(&asked));
        tokio::spawn(async move {
            let service = service_fn(move |_: Request<Incoming>| {
                asked.fetch_add(1, Ordering::SeqCst);
                let answer = respond(answer.lock().unwrap().clone());
                async move { Ok::<_, Infallible>(answer) }
            });
            // A client that has read enough hangs up.
            http1::Builder::new().serve_connection(TokioIo::new(stream), service).await.ok();
        });
    }
}

fn respond(answer: Answer) -> Response<Body> {
    let text = |text: String| Full::new(Bytes::from(text)).boxed_unsync();
    match answer {
        Answer::Keys(keys) => Response::new(text(json!({ "keys": keys }).to_string())),
        Answer::Unavailable => Response::builder().status(StatusCode::SERVICE_UNAVAILABLE).body(text(String::new())).unwrap(),
        Answer::Redirect(place) => {
            Response::builder().status(StatusCode::FOUND).header("location", place).body(text(String::new())).unwrap()
        }
        Answer::Endless => {
            let spaces = stream::repeat(Bytes::from_static(&[b' '; 64 * 1024])).map(|bytes| Ok(Frame::data(bytes)));
            Response::new(StreamBody::new(spaces).boxed_unsync())
        }
        Answer::Text(said) => Response::new(text(said.to_owned())),
    }
}
