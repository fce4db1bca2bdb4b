//! A web server that hands files out as it is told to, which is not always as it should.

use std::{
    collections::{HashMap, VecDeque},
    io,
    net::Ipv4Addr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpListener,
    task::AbortHandle,
    time::timeout,
};
use tokio_rustls::TlsAcceptor;

/// More than any request has.
const HEAD_BYTES_MAX: usize = 64 << 10;
const ENDLESS_CHUNK: usize = 64 << 10;
/// How long a server that says nothing more keeps its connection.
const SILENCE: Duration = Duration::from_secs(600);

/// What the server says when a path is asked for.
#[derive(Clone)]
pub enum Says {
    /// A file with its length.
    File(Vec<u8>),
    /// In chunks, whole, and of no length that is known before.
    Chunks(Vec<u8>),
    /// A length, and then these bytes; then the connection ends.
    Announced(usize, Vec<u8>),
    /// The length of all, the first so many bytes, and then nothing more.
    Held(Vec<u8>, usize),
    /// Bytes for as long as somebody takes them.
    Endless,
    Moved(String),
    Status(u16),
    /// With a coding that nobody asked for.
    Gzip(Vec<u8>),
}

#[derive(Default)]
struct Shared {
    /// What is left to say at each path; the last is said for ever.
    says: Mutex<HashMap<String, VecDeque<Says>>>,
    heads: Mutex<Vec<String>>,
    sent: AtomicU64,
}

/// Dropped, it takes no more connections.
pub struct Web {
    pub port: u16,
    shared: Arc<Shared>,
    accepting: AbortHandle,
}

impl Web {
    pub async fn start() -> Self {
        Self::listening((Ipv4Addr::LOCALHOST, 0), None).await
    }

    /// Behind TLS.
    pub async fn secure(tls: TlsAcceptor) -> Self {
        Self::listening((Ipv4Addr::LOCALHOST, 0), Some(tls)).await
    }

    /// Where nobody should come: another address of this machine, with the same port.
    pub async fn trap(&self, address: Ipv4Addr) -> Self {
        Self::listening((address, self.port), None).await
    }

    async fn listening(at: (Ipv4Addr, u16), tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind(at).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared::default());
        let accepting = tokio::spawn(accept(listener, shared.clone(), tls)).abort_handle();
        Self { port, shared, accepting }
    }

    /// Says these at a path, one request after the other; answers its URL.
    pub fn at(&self, path: &str, says: impl IntoIterator<Item = Says>) -> String {
        self.shared.says.lock().unwrap().insert(path.to_owned(), says.into_iter().collect());
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// The heads of all requests, in the order in which they came.
    pub fn heads(&self) -> Vec<String> {
        self.shared.heads.lock().unwrap().clone()
    }

    /// The bytes of all bodies so far.
    pub fn sent(&self) -> u64 {
        self.shared.sent.load(Ordering::SeqCst)
    }
}

impl Drop for Web {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>, tls: Option<TlsAcceptor>) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let (shared, tls) = (shared.clone(), tls.clone());
        tokio::spawn(async move {
            // Whoever does not like what it is told closes the connection: that is what is tested.
            match tls {
                Some(tls) => match tls.accept(stream).await {
                    Ok(stream) => serve(stream, shared).await,
                    Err(error) => Err(error),
                },
                None => serve(stream, shared).await,
            }
        });
    }
}

async fn serve(mut stream: impl AsyncRead + AsyncWrite + Unpin, shared: Arc<Shared>) -> io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") && head.len() < HEAD_BYTES_MAX {
        head.push(stream.read_u8().await?);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let target = head.split(' ').nth(1).unwrap_or_default().to_owned();
    shared.heads.lock().unwrap().push(head);
    let path = target.split('?').next().unwrap_or_default();
    let says = shared.next(path).unwrap_or(Says::Status(404));
    let ok = |more: &str| format!("HTTP/1.1 200 OK\r\nset-cookie: id=1\r\n{more}\r\n");
    let sized = |bytes: usize| ok(&format!("content-length: {bytes}\r\n"));
    let (head, body) = match says {
        Says::File(bytes) => (sized(bytes.len()), bytes),
        Says::Announced(length, bytes) => (sized(length), bytes),
        Says::Gzip(bytes) => (ok(&format!("content-length: {}\r\ncontent-encoding: gzip\r\n", bytes.len())), bytes),
        Says::Status(status) => (format!("HTTP/1.1 {status} X\r\ncontent-length: 0\r\n\r\n"), Vec::new()),
        Says::Moved(location) => (format!("HTTP/1.1 302 Found\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n"), Vec::new()),
        Says::Chunks(bytes) => {
            let mut body = Vec::new();
            for chunk in bytes.chunks(10_000) {
                body.extend(format!("{:x}\r\n", chunk.len()).bytes());
                body.extend_from_slice(chunk);
                body.extend_from_slice(b"\r\n");
            }
            body.extend_from_slice(b"0\r\n\r\n");
            (ok("transfer-encoding: chunked\r\n"), body)
        }
        Says::Held(bytes, first) => {
            stream.write_all(sized(bytes.len()).as_bytes()).await?;
            stream.write_all(&bytes[..first]).await?;
            shared.sent.fetch_add(first as u64, Ordering::SeqCst);
            // Until whoever asked goes away.
            return timeout(SILENCE, stream.read_u8()).await.map(drop).map_err(io::Error::other);
        }
        Says::Endless => {
            stream.write_all(ok("transfer-encoding: chunked\r\n").as_bytes()).await?;
            let mut chunk = format!("{ENDLESS_CHUNK:x}\r\n").into_bytes();
            chunk.resize(chunk.len() + ENDLESS_CHUNK, b'x');
            chunk.extend_from_slice(b"\r\n");
            loop {
                stream.write_all(&chunk).await?;
                shared.sent.fetch_add(ENDLESS_CHUNK as u64, Ordering::SeqCst);
            }
        }
    };
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(&body).await?;
    shared.sent.fetch_add(body.len() as u64, Ordering::SeqCst);
    stream.shutdown().await
}

impl Shared {
    fn next(&self, path: &str) -> Option<Says> {
        let mut all = self.says.lock().unwrap();
        let says = all.get_mut(path)?;
        if says.len() > 1 { says.pop_front() } else { says.front().cloned() }
    }
}
