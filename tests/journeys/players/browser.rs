//! A browser without a screen, and the one page that it opens: it fetches what to play, plays it, and posts what it saw.
//!
//! The page is served from a port of its own, so that for it door and store are other origins, as they are for a page of anybody.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    process::Stdio,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::{Method, Request, Response, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use media_devstack::cache_folder;
use serde_json::Value;
use tokio::{
    net::TcpListener,
    process::{Child, Command},
    sync::oneshot,
    task::{AbortHandle, JoinSet},
    time::timeout,
};

const PAGE: &str = include_str!("page.html");
const SCRIPT: &str = include_str!("page.js");
/// More than a report of ours has.
const REPORT_BYTES_MAX: usize = 1 << 20;

/// Lets a browser play these items; answers the reports, one for each.
pub async fn play(plan: &Value, limit: Duration) -> Vec<Value> {
    let (server, report) = Server::open(plan).await;
    let profile = tempfile::tempdir().unwrap();
    let mut browser = chromium(server.address, profile.path());
    let report = timeout(limit, report).await;
    browser.kill().await.unwrap();
    let mut report = report.unwrap_or_else(|_| panic!("the browser has posted nothing within {limit:?}")).unwrap();
    assert_eq!(report["error"], Value::Null, "the page failed");
    match report["reports"].take() {
        Value::Array(reports) => reports,
        other => panic!("no list of reports: {other}"),
    }
}

/// Chromium refuses its sandbox to root, and a container's shared memory is too small for it; it plays our own files only.
fn chromium(page: SocketAddr, profile: &std::path::Path) -> Child {
    Command::new("chromium")
        .args(["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--mute-audio", "--no-first-run"])
        .args(["--autoplay-policy=no-user-gesture-required", "--disable-background-networking", "--disable-component-update"])
        .arg(format!("--user-data-dir={}", profile.display()))
        .arg(format!("http://{page}/"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap_or_else(|error| panic!("chromium: {error}; `make setup` installs it"))
}

struct Server {
    address: SocketAddr,
    accepting: AbortHandle,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

struct Shared {
    plan: String,
    report: Mutex<Option<oneshot::Sender<Value>>>,
}

impl Server {
    async fn open(plan: &Value) -> (Self, oneshot::Receiver<Value>) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, report) = oneshot::channel();
        let shared = Arc::new(Shared { plan: plan.to_string(), report: Mutex::new(Some(sender)) });
        let accepting = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let shared = Arc::clone(&shared);
                connections.spawn(async move {
                    let service = service_fn(move |request| answer(Arc::clone(&shared), request));
                    // A browser that is killed leaves its connections open.
                    http1::Builder::new().serve_connection(TokioIo::new(stream), service).await.unwrap_or_default();
                });
            }
        });
        (Self { address, accepting: accepting.abort_handle() }, report)
    }
}

async fn answer(shared: Arc<Shared>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, io::Error> {
    let (mime, body) = match (request.method(), request.uri().path()) {
        (&Method::GET, "/") => ("text/html", PAGE.as_bytes().to_vec()),
        (&Method::GET, "/page.js") => ("text/javascript", SCRIPT.as_bytes().to_vec()),
        (&Method::GET, "/plan.json") => ("application/json", shared.plan.clone().into_bytes()),
        (&Method::GET, script @ ("/hls.js" | "/shaka.js" | "/dash.js")) => {
            let path = cache_folder().map_err(io::Error::other)?.join("players").join(script.trim_start_matches('/'));
            ("text/javascript", std::fs::read(path)?)
        }
        (&Method::POST, "/report") => {
            let report = Limited::new(request.into_body(), REPORT_BYTES_MAX).collect().await.map_err(io::Error::other)?.to_bytes();
            if let Some(sender) = shared.report.lock().unwrap().take() {
                // The test has given up waiting where nobody receives it.
                sender.send(serde_json::from_slice(&report)?).unwrap_or_default();
            }
            ("text/plain", Vec::new())
        }
        _ => ("text/plain", Vec::new()),
    };
    Response::builder().header("content-type", mime).body(Full::from(body)).map_err(io::Error::other)
}
