//! A fault proxy before the S3 server: it holds a request before it reaches the store, or an answer after the store has
//! done its work, until the test lets it go or cuts the connection; and it remembers what was asked and answered.
//!
//! The Host header is forwarded as it came, because it is signed. A held exchange goes on to its end also if the client has
//! died meanwhile: that is what makes a late request. Every hold ends after [`HELD_LIMIT`]; everything ends with the proxy.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use http_body_util::{BodyExt, Full, combinators::BoxBody};
use hyper::{Method, Request, Response, StatusCode, Uri, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioIo, TokioTimer},
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    task::{AbortHandle, JoinSet},
    time::timeout,
};
use url::Url;

use super::{Glacier, eventually};

/// The longest that anything is held.
const HELD_LIMIT: Duration = Duration::from_secs(120);
/// How long a test waits for the request that it wants to hold.
const CAUGHT_LIMIT: Duration = Duration::from_secs(90);
/// More exchanges than any test makes.
const EXCHANGES_MAX: usize = 20_000;

type Body = BoxBody<Bytes, hyper::Error>;
type Rule = Box<dyn Fn(&Asked) -> bool + Send + Sync>;

/// What a rule sees of a request.
#[derive(Clone, Debug)]
pub struct Asked {
    pub method: Method,
    /// With the bucket, as it stands in the request line.
    pub path: String,
    pub query: Vec<(String, String)>,
}

impl Asked {
    fn of<B>(request: &Request<B>) -> Self {
        let query = request.uri().query().unwrap_or_default();
        let query = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        Self { method: request.method().clone(), path: request.uri().path().to_owned(), query }
    }

    fn has(&self, name: &str) -> bool {
        self.query.iter().any(|(found, _)| found == name)
    }

    /// CreateMultipartUpload.
    pub fn creates_upload(&self) -> bool {
        self.method == Method::POST && self.has("uploads")
    }

    /// UploadPart.
    pub fn sends_part(&self) -> bool {
        self.method == Method::PUT && self.has("partNumber")
    }

    /// CompleteMultipartUpload.
    pub fn completes_upload(&self) -> bool {
        self.method == Method::POST && self.has("uploadId")
    }

    /// CopyObject onto itself, or into another class: a PUT of no part.
    pub fn copies_object(&self) -> bool {
        self.method == Method::PUT && !self.has("partNumber")
    }

    /// RestoreObject.
    pub fn restores(&self) -> bool {
        self.method == Method::POST && self.has("restore")
    }

    /// GetObject.
    pub fn reads_object(&self) -> bool {
        self.method == Method::GET && !self.has("uploads") && !self.has("uploadId") && !self.has("list-type")
    }
}

/// Which moment of an exchange is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// The store has not seen the request.
    BeforeTheStore,
    /// The store has done it, and the client does not know.
    BeforeTheAnswer,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Go {
    Wait,
    On,
    Cut,
}

/// One exchange that is or will be held: the first that the rule fits.
pub struct Hold {
    caught: watch::Receiver<Option<Asked>>,
    go: watch::Sender<Go>,
}

impl Hold {
    /// Waits until it is held.
    pub async fn caught(&mut self) -> Asked {
        let caught = timeout(CAUGHT_LIMIT, self.caught.wait_for(Option::is_some)).await;
        caught.unwrap_or_else(|_| panic!("no request came that is to be held, within {CAUGHT_LIMIT:?}")).unwrap().clone().unwrap()
    }

    /// Lets it go on.
    pub fn let_go(self) {
        self.go.send_replace(Go::On);
    }

    /// Closes the client's connection instead.
    pub fn cut(self) {
        self.go.send_replace(Go::Cut);
    }
}

/// The proxy's side of a hold.
struct Trap {
    moment: Moment,
    rule: Rule,
    caught: watch::Sender<Option<Asked>>,
    go: watch::Receiver<Go>,
}

impl Trap {
    async fn spring(mut self, asked: Asked) -> Result<(), io::Error> {
        self.caught.send_replace(Some(asked));
        // A hold that was dropped is let go.
        match timeout(HELD_LIMIT, self.go.wait_for(|go| *go != Go::Wait)).await {
            Ok(Ok(go)) if *go == Go::Cut => Err(io::Error::other("cut by the test")),
            Ok(_) => Ok(()),
            Err(_) => Err(io::Error::other("held for longer than any test needs")),
        }
    }
}

/// What went through, and how it was answered; `None` while it was not.
#[derive(Clone, Debug)]
pub struct Exchange {
    pub asked: Asked,
    pub status: Option<StatusCode>,
    /// Whether it is over, with an answer or without.
    ended: bool,
}

struct Shared {
    store: Url,
    client: Client<HttpConnector, Incoming>,
    traps: Mutex<Vec<Trap>>,
    exchanges: Mutex<Vec<Exchange>>,
    glacier: Option<Arc<Glacier>>,
}

pub struct StoreProxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: AbortHandle,
    generation: watch::Sender<u32>,
}

impl StoreProxy {
    /// Listens on a port of its own and passes everything on to the store.
    pub async fn before(store: &Url) -> Self {
        Self::with(store, None).await
    }

    /// The same, and plays what S3 does with what lies in its archives: the store behind it keeps their names, and nothing more.
    pub async fn glacier(store: &Url) -> (Self, Arc<Glacier>) {
        let glacier = Arc::new(Glacier::default());
        (Self::with(store, Some(glacier.clone())).await, glacier)
    }

    async fn with(store: &Url, glacier: Option<Arc<Glacier>>) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            store: store.clone(),
            client: Client::builder(TokioExecutor::new()).pool_timer(TokioTimer::new()).build_http(),
            traps: Mutex::default(),
            exchanges: Mutex::default(),
            glacier,
        });
        let (generation, connected) = watch::channel(0);
        let accepting = tokio::spawn(accept(listener, shared.clone(), connected)).abort_handle();
        Self { address, shared, accepting, generation }
    }

    /// What a binary is given as `MEDIA__S3__ENDPOINT`.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Holds the first exchange from now on that the rule fits, and no other.
    pub fn hold(&self, moment: Moment, rule: impl Fn(&Asked) -> bool + Send + Sync + 'static) -> Hold {
        let (caught_in, caught) = watch::channel(None);
        let (go, gone) = watch::channel(Go::Wait);
        self.shared.traps.lock().unwrap().push(Trap { moment, rule: Box::new(rule), caught: caught_in, go: gone });
        Hold { caught, go }
    }

    /// All exchanges that the rule fits, in the order in which they were asked.
    pub fn exchanges(&self, rule: impl Fn(&Asked) -> bool) -> Vec<Exchange> {
        self.shared.exchanges.lock().unwrap().iter().filter(|exchange| rule(&exchange.asked)).cloned().collect()
    }

    /// Waits until the store has answered `count` requests that the rule fits; says how.
    pub async fn answers(&self, count: usize, rule: impl Fn(&Asked) -> bool) -> Vec<StatusCode> {
        eventually("the store's answers", CAUGHT_LIMIT, async || {
            let exchanges = self.exchanges(&rule);
            let statuses: Vec<StatusCode> = exchanges.iter().filter_map(|exchange| exchange.status).collect();
            if statuses.len() >= count { Ok(statuses) } else { Err(exchanges) }
        })
        .await
    }

    /// Waits until no client is connected and nothing is under way any more: what a client had sent whole arrives also when it is gone.
    pub async fn quiet(&self) {
        eventually("the proxy has nothing under way", CAUGHT_LIMIT, async || {
            // The first is of the task that accepts them.
            let connections = self.generation.receiver_count() - 1;
            let exchanges = self.shared.exchanges.lock().unwrap();
            let open: Vec<Exchange> = exchanges.iter().filter(|exchange| !exchange.ended).cloned().collect();
            if connections == 0 && open.is_empty() { Ok(()) } else { Err((connections, open)) }
        })
        .await;
    }

    /// Cuts every connection that is open now.
    pub fn cut_connections(&self) {
        self.generation.send_modify(|generation| *generation += 1);
    }
}

impl Drop for StoreProxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>, generation: watch::Receiver<u32>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let (stream, _) = accepted.unwrap();
                let mut generation = generation.clone();
                generation.mark_unchanged();
                connections.spawn(serve(stream, shared.clone(), generation));
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn serve(stream: TcpStream, shared: Arc<Shared>, mut generation: watch::Receiver<u32>) {
    let service = service_fn(|request: Request<Incoming>| {
        let asked = Asked::of(&request);
        // Here, so that all is noted that came on a connection that has ended.
        let number = shared.note(&asked);
        let shared = shared.clone();
        // On a task of its own: it goes on if the client dies.
        let passing = tokio::spawn(async move {
            let passed = pass(&shared, number, asked, request).await;
            shared.ended(number);
            passed
        });
        async move { passing.await.map_err(io::Error::other)? }
    });
    let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    tokio::select! {
        // A client that was killed, or a hold that was cut, ends its connection with an error.
        _ended = connection => {}
        _cut = generation.changed() => {}
    }
}

async fn pass(shared: &Shared, number: usize, asked: Asked, request: Request<Incoming>) -> Result<Response<Body>, io::Error> {
    if let Some(trap) = shared.trap(Moment::BeforeTheStore, &asked) {
        trap.spring(asked.clone()).await?;
    }
    let (mut parts, body) = request.into_parts();
    if let Some((status, text)) = shared.glacier.as_ref().and_then(|glacier| glacier.answer(&asked, &parts.headers)) {
        shared.answered(number, status);
        return Ok(Response::builder().status(status).body(Full::from(text).map_err(|never| match never {}).boxed()).unwrap());
    }
    let sent = parts.headers.clone();
    let target = parts.uri.path_and_query().map_or("/", |target| target.as_str());
    parts.uri = format!("{}{target}", shared.store.as_str().trim_end_matches('/')).parse::<Uri>().map_err(io::Error::other)?;
    let mut answer = shared.client.request(Request::from_parts(parts, body)).await.map_err(io::Error::other)?;
    if let Some(glacier) = &shared.glacier {
        let status = answer.status();
        glacier.amend(&asked, &sent, status, answer.headers_mut());
    }
    let Some(trap) = shared.trap(Moment::BeforeTheAnswer, &asked) else {
        shared.answered(number, answer.status());
        return Ok(answer.map(BodyExt::boxed));
    };
    // A store may begin to answer before it is done: only the body's end says that it is.
    let (parts, body) = answer.into_parts();
    let bytes = body.collect().await.map_err(io::Error::other)?.to_bytes();
    shared.answered(number, parts.status);
    trap.spring(asked).await?;
    Ok(Response::from_parts(parts, Full::new(bytes).map_err(|never| match never {}).boxed()))
}

impl Shared {
    fn note(&self, asked: &Asked) -> usize {
        let mut exchanges = self.exchanges.lock().unwrap();
        assert!(exchanges.len() < EXCHANGES_MAX, "a test with more requests than any needs");
        exchanges.push(Exchange { asked: asked.clone(), status: None, ended: false });
        exchanges.len() - 1
    }

    fn answered(&self, number: usize, status: StatusCode) {
        self.exchanges.lock().unwrap()[number].status = Some(status);
    }

    fn ended(&self, number: usize) {
        self.exchanges.lock().unwrap()[number].ended = true;
    }

    /// Takes the trap that fits, so that it holds no second exchange.
    fn trap(&self, moment: Moment, asked: &Asked) -> Option<Trap> {
        let mut traps = self.traps.lock().unwrap();
        let at = traps.iter().position(|trap| trap.moment == moment && (trap.rule)(asked))?;
        Some(traps.remove(at))
    }
}
