//! A TCP proxy in front of the store that breaks one thing.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
};

use media_devstack::S3Identity;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use url::Url;

use crate::store::config;

#[derive(Clone, Copy)]
pub enum Fault {
    /// Closes the connection after so many bytes of an answer.
    CutAnswers { after: usize, times: usize },
    /// Passes so many bytes of an answer on, and then none, on every connection.
    StallAnswers { after: usize },
    /// Passes the request that begins so on, and closes the connection when its answer comes.
    LoseAnswers { to: &'static str, times: usize },
    /// Changes bytes of a request. Both have one length.
    Damage { from: &'static [u8], to: &'static [u8] },
    /// Gives these answers itself to requests that begin so, one after the other, the last one again and again.
    AnswerTo { to: &'static str, with: &'static [&'static str] },
    /// Reads and says nothing.
    Mute,
}

/// Ends with its connections when dropped.
pub struct FaultyProxy {
    address: SocketAddr,
    state: Arc<State>,
    _accepting: JoinSet<()>,
}

struct State {
    fault: Fault,
    store: String,
    faults_left: AtomicUsize,
    answers: AtomicUsize,
}

impl FaultyProxy {
    pub async fn start(fault: Fault) -> Self {
        let store = config(S3Identity::Admin).await.endpoint;
        let store = format!("{}:{}", store.host_str().unwrap(), store.port_or_known_default().unwrap());
        let faults_left = match fault {
            Fault::CutAnswers { times, .. } | Fault::LoseAnswers { times, .. } => times,
            _ => usize::MAX,
        };
        let state = Arc::new(State { fault, store, faults_left: AtomicUsize::new(faults_left), answers: AtomicUsize::new(0) });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut accepting = JoinSet::new();
        let shared = state.clone();
        accepting.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let shared = shared.clone();
                // A connection that breaks is what this is for.
                connections.spawn(async move { shared.serve(client).await.ok() });
            }
        });
        Self { address, state, _accepting: accepting }
    }

    pub fn endpoint(&self) -> Url {
        format!("http://{}", self.address).parse().unwrap()
    }

    /// How often it answered itself.
    pub fn answers(&self) -> usize {
        self.state.answers.load(SeqCst)
    }

    pub fn faults_left(&self) -> usize {
        self.state.faults_left.load(SeqCst)
    }
}

impl State {
    fn take_fault(&self) -> bool {
        self.faults_left.fetch_update(SeqCst, SeqCst, |left| left.checked_sub(1)).is_ok()
    }

    async fn serve(&self, mut client: TcpStream) -> io::Result<()> {
        let mut store = TcpStream::connect(&self.store).await?;
        let (mut request, mut answer) = (vec![0; 16_384], vec![0; 16_384]);
        let (mut answered, mut lose) = (0, false);
        loop {
            tokio::select! {
                read = client.read(&mut request) => {
                    let bytes = &mut request[..read?];
                    if bytes.is_empty() {
                        return Ok(());
                    }
                    match self.fault {
                        Fault::Mute => continue,
                        Fault::AnswerTo { to, with } if bytes.starts_with(to.as_bytes()) => {
                            let answer = with[self.answers.fetch_add(1, SeqCst).min(with.len() - 1)];
                            client.write_all(answer.as_bytes()).await?;
                            client.shutdown().await?;
                            // Closing on bytes that were not read would take the answer back.
                            return tokio::io::copy(&mut client, &mut tokio::io::sink()).await.map(drop);
                        }
                        Fault::LoseAnswers { to, .. } if bytes.starts_with(to.as_bytes()) && self.take_fault() => lose = true,
                        Fault::Damage { from, to } => {
                            if let Some(at) = bytes.windows(from.len()).position(|window| window == from) {
                                bytes[at..at + from.len()].copy_from_slice(to);
                            }
                        }
                        _ => {}
                    }
                    store.write_all(bytes).await?;
                }
                read = store.read(&mut answer) => {
                    let bytes = &answer[..read?];
                    if bytes.is_empty() || lose {
                        return Ok(());
                    }
                    let room = match self.fault {
                        Fault::CutAnswers { after, .. } | Fault::StallAnswers { after } => after.saturating_sub(answered),
                        _ => usize::MAX,
                    };
                    answered += bytes.len();
                    match self.fault {
                        Fault::CutAnswers { .. } if bytes.len() > room && self.take_fault() => {
                            client.write_all(&bytes[..room]).await?;
                            return client.shutdown().await;
                        }
                        Fault::StallAnswers { .. } => client.write_all(&bytes[..room.min(bytes.len())]).await?,
                        _ => client.write_all(bytes).await?,
                    }
                }
            }
        }
    }
}
