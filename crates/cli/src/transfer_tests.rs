use std::{io::Write as _, sync::Mutex as StdMutex};

use axum::{Router, body::Bytes, extract, http::HeaderMap, response::IntoResponse, routing::put};
use media_proto::{
    Timestamp,
    v1::{upload_service_server::*, *},
};
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status, Streaming};

use super::*;
use crate::{args::Caller, progress::Progress};

const PART_BYTES: usize = 1_000;

/// A store that keeps what it was sent, and refuses the first try of some parts.
#[derive(Default)]
struct Store {
    refusing: BTreeMap<i32, StatusCode>,
    tries: StdMutex<BTreeMap<i32, Vec<String>>>,
    kept: StdMutex<BTreeMap<i32, Bytes>>,
}

async fn take(
    extract::State(store): extract::State<Arc<Store>>,
    extract::Path(number): extract::Path<i32>,
    extract::RawQuery(signature): extract::RawQuery,
    headers: HeaderMap,
    body: Bytes,
) -> axum::response::Response {
    assert_eq!(headers["content-length"].to_str().unwrap(), body.len().to_string(), "a signed length has to be sent");
    let mut tries = store.tries.lock().unwrap();
    let tries = tries.entry(number).or_default();
    tries.push(signature.unwrap());
    if let Some(status) = store.refusing.get(&number).filter(|status| tries.len() == 1 || !may_pass(**status)) {
        return (*status, "<Error><Code>AccessDenied</Code></Error>").into_response();
    }
    store.kept.lock().unwrap().insert(number, body);
    ([("etag", format!("\"{number}\""))], "").into_response()
}

/// A service that signs whatever it is asked to, each time anew.
struct Signer {
    store_url: String,
    asked: Arc<StdMutex<Vec<Vec<i32>>>>,
}

#[tonic::async_trait]
impl UploadService for Signer {
    async fn sign_upload_parts(&self, request: Request<SignUploadPartsRequest>) -> Result<Response<SignUploadPartsResponse>, Status> {
        let numbers = request.into_inner().part_numbers;
        let mut asked = self.asked.lock().unwrap();
        asked.push(numbers.clone());
        let round = asked.len();
        let sign = |number| SignedPart { number, url: format!("{}/{number}?round={round}", self.store_url), ..SignedPart::default() };
        Ok(Response::new(SignUploadPartsResponse { parts: numbers.into_iter().map(sign).collect(), uploaded_parts: vec![] }))
    }

    async fn upload(&self, _: Request<Streaming<UploadRequest>>) -> Result<Response<UploadResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn import_asset(&self, _: Request<ImportAssetRequest>) -> Result<Response<ImportAssetResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn create_upload(&self, _: Request<CreateUploadRequest>) -> Result<Response<CreateUploadResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn complete_upload(&self, _: Request<CompleteUploadRequest>) -> Result<Response<CompleteUploadResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn abort_upload(&self, _: Request<AbortUploadRequest>) -> Result<Response<AbortUploadResponse>, Status> {
        Err(Status::unimplemented(""))
    }
}

struct Sent {
    result: Result<Vec<CompletedPart>, Failure>,
    store: Arc<Store>,
    signed_in_calls: Vec<Vec<i32>>,
    file: Vec<u8>,
}

/// Sends a file of `parts` parts, of which the plan has signed `signed_before`, to a store that refuses some once.
async fn send(parts: i32, signed_before: impl Fn(&str) -> Vec<SignedPart>, refusing: &[(i32, StatusCode)]) -> Sent {
    let store = Arc::new(Store { refusing: refusing.iter().copied().collect(), ..Store::default() });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let store_url = format!("http://{}", listener.local_addr().unwrap());
    let router = Router::new().route("/{number}", put(take)).with_state(Arc::clone(&store));
    let _store = tokio::spawn(async move { axum::serve(listener, router).await });

    let asked = Arc::new(StdMutex::new(Vec::new()));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let api_url = format!("http://{}", listener.local_addr().unwrap());
    let signer = UploadServiceServer::new(Signer { store_url: store_url.clone(), asked: Arc::clone(&asked) });
    let _api = tokio::spawn(tonic::transport::Server::builder().add_service(signer).serve_with_incoming(TcpListenerStream::new(listener)));

    let size = PART_BYTES * usize::try_from(parts).unwrap() - 300;
    let file: Vec<u8> = (0..size).map(|at| u8::try_from(at / 7 % 251).unwrap()).collect();
    let mut on_disk = tempfile::NamedTempFile::new().unwrap();
    on_disk.write_all(&file).unwrap();

    let plan = UploadPlan { part_size_bytes: i64::try_from(PART_BYTES).unwrap(), part_count: parts, ..UploadPlan::default() };
    let transfer = Transfer {
        api: &Api::connect(&Caller { api: Some(api_url), token: None, tenant: None, tls: Default::default() }).await.unwrap(),
        http: &http_client().unwrap(),
        asset_id: "A",
        path: on_disk.path(),
        parts: PartPlan::of(&plan, u64::try_from(size).unwrap()).unwrap(),
        bar: Progress::Silent.bytes("", u64::try_from(size).unwrap()),
        signed: Mutex::new(signed_before(&store_url).into_iter().map(|part| (part.number, part)).collect()),
    };
    let result = transfer.send(Vec::new()).await;
    let signed_in_calls = asked.lock().unwrap().clone();
    Sent { result, store, signed_in_calls, file }
}

fn first_signed(count: i32, ends_in_seconds: i64) -> impl Fn(&str) -> Vec<SignedPart> {
    let end = now() + ends_in_seconds;
    move |store_url| {
        (1..=count)
            .map(|number| SignedPart {
                number,
                url: format!("{store_url}/{number}?plan"),
                expire_time: Some(Timestamp { seconds: end, nanos: 0 }),
                ..SignedPart::default()
            })
            .collect()
    }
}

fn now() -> i64 {
    i64::try_from(SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs()).unwrap()
}

#[tokio::test]
async fn a_file_arrives_whole_and_each_part_with_its_etag() {
    let sent = send(7, first_signed(7, 600), &[]).await;
    let parts = sent.result.unwrap();
    assert_eq!(parts.iter().map(|part| (part.number, part.etag.as_str())).collect::<Vec<_>>()[..2], [(1, "\"1\""), (2, "\"2\"")]);
    assert_eq!(sent.store.kept.lock().unwrap().values().flatten().copied().collect::<Vec<u8>>(), sent.file);
    assert!(sent.signed_in_calls.is_empty(), "the plan's signatures were enough");
}

#[tokio::test]
async fn a_part_that_is_refused_once_goes_again_with_a_fresh_signature() {
    let sent = send(3, first_signed(3, 600), &[(2, StatusCode::FORBIDDEN), (3, StatusCode::SERVICE_UNAVAILABLE)]).await;
    assert_eq!(sent.result.unwrap().len(), 3);
    assert_eq!(sent.store.kept.lock().unwrap().values().flatten().copied().collect::<Vec<u8>>(), sent.file);
    let tries = sent.store.tries.lock().unwrap();
    assert_eq!(tries[&1], ["plan"]);
    assert!(tries[&2].len() == 2 && tries[&2][1].starts_with("round="), "{tries:?}");
    let mut signed_again = sent.signed_in_calls.concat();
    signed_again.sort_unstable();
    assert_eq!(signed_again, [2, 3]);
}

#[tokio::test]
async fn parts_beyond_the_plan_are_signed_in_batches_and_once() {
    let sent = send(130, first_signed(50, 600), &[]).await;
    assert_eq!(sent.result.unwrap().len(), 130);
    assert_eq!(sent.signed_in_calls, [(51..=100).collect::<Vec<_>>(), (101..=130).collect()]);
}

#[tokio::test]
async fn signatures_that_are_about_to_end_are_not_tried() {
    let sent = send(3, first_signed(3, 5), &[]).await;
    assert_eq!(sent.result.unwrap().len(), 3);
    assert!(sent.store.tries.lock().unwrap().values().flatten().all(|signature| signature != "plan"));
}

#[tokio::test]
async fn a_refusal_that_will_not_pass_is_said_with_the_stores_code_and_not_tried_again() {
    let sent = send(1, first_signed(1, 600), &[(1, StatusCode::NOT_FOUND)]).await;
    assert_eq!(sent.result, Err(Failure::Refused("the store answered 404 Not Found (AccessDenied)".into())));
    assert_eq!(sent.store.tries.lock().unwrap()[&1].len(), 1);
}

#[test]
fn a_signature_without_an_end_is_left_to_the_store() {
    assert!(lives(&SignedPart::default()));
}

#[test]
fn the_code_of_the_store_is_found_and_markup_in_it_is_not_repeated() {
    assert_eq!(store_code("<?xml?><Error><Code>NoSuchUpload</Code><Message>x</Message></Error>"), Some("NoSuchUpload"));
    assert_eq!(store_code("<Error><Code>\u{1b}[31m</Code></Error>"), None);
    assert_eq!(store_code("plain"), None);
}
