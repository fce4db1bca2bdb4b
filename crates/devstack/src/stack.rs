//! Starting and ending the servers together.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use futures::future::try_join_all;
use tokio::net::TcpStream;
use tokio::sync::Mutex;

use crate::checkout;
use crate::folder::Folder;
use crate::given::cache_folder;
use crate::place::{Place, Settings};
use crate::ports::{Port, Ports};
use crate::supervise::{ServerProcess, until_ready};
use crate::template;
use crate::{DevstackError, Given, Server, StackInfo, clamd, postgres, rabbitmq, seaweedfs};

const SILENCE_LIMIT: Duration = Duration::from_secs(5);

/// What a stack shall be like.
#[derive(Debug, Clone)]
pub struct StackOptions {
    /// Servers that are not started.
    pub given: Given,
    /// Where logs and data go and stay; it must be empty. `None`: a temporary folder.
    pub folder: Option<PathBuf>,
    /// The SQL files that a database starts with.
    pub migrations: PathBuf,
    /// Whether they are run at the start. Without, a Postgres of its own knows no role of ours until an isolated database is asked for:
    /// a cluster to restore a backup into.
    pub migrated: bool,
    /// The largest stream that clamd takes; what is longer is refused. Below 2 GiB.
    pub clamd_stream_bytes_max: u64,
    /// How long a server may take to come up.
    pub start_limit: Duration,
}

impl Default for StackOptions {
    /// All four are started, with this repository's migrations.
    fn default() -> Self {
        Self {
            given: Given::default(),
            folder: None,
            migrations: checkout::file("migrations"),
            migrated: true,
            clamd_stream_bytes_max: 512 << 20,
            start_limit: Duration::from_secs(90),
        }
    }
}

impl StackOptions {
    /// For a test that must kill a server: only `own` are started, the rest is `stack`'s.
    pub fn beside(stack: &StackInfo, own: &[Server]) -> Self {
        Self { given: Given::beside(stack, own), migrations: stack.migrations.clone(), ..Self::default() }
    }
}

/// Servers that run as long as this lives.
pub struct Stack {
    info: StackInfo,
    ports: Ports,
    settings: Settings,
    start_limit: Duration,
    /// Held over a kill or restart, so that a server is never started twice. A server that was killed has no entry.
    running: Mutex<BTreeMap<Server, Vec<ServerProcess>>>,
    given: Given,
    folder: Folder,
}

impl Stack {
    /// Starts all that is not given, at the same time, and waits until each does its work; then migrates the template that
    /// isolated databases are cloned from, unless the options say otherwise.
    ///
    /// # Errors
    /// `NotInstalled`, `DidNotStart` with the end of the log, `Migration`.
    pub async fn start(options: StackOptions) -> Result<Self, DevstackError> {
        let ports = Ports::claim().map_err(DevstackError::system("choosing ports"))?;
        let settings = Settings { clamd_stream_bytes_max: options.clamd_stream_bytes_max, cache: cache_folder()? };
        let litter = if options.given.holds(Server::SeaweedFs) { vec![] } else { seaweedfs::litter(&ports) };
        let folder = match &options.folder {
            Some(path) => Folder::named(path, litter)?,
            None => Folder::temporary(litter)?,
        };
        tracing::info!(folder = %folder.path().display(), "starting servers");
        let own: Vec<Server> = Server::ALL.into_iter().filter(|server| !options.given.holds(*server)).collect();
        let running = try_join_all(own.into_iter().map(async |server| {
            let place = Place { folder: folder.room(server.folder_name())?, ports: &ports, settings: &settings };
            server.prepare(&place).await?;
            Ok::<_, DevstackError>((server, bring_up(server, &place, options.start_limit).await?))
        }))
        .await?;
        let place = |server: Server| Place { folder: folder.path().join(server.folder_name()), ports: &ports, settings: &settings };
        let info = StackInfo {
            postgres: options.given.postgres.clone().map_or_else(|| postgres::info(&place(Server::Postgres)), Ok)?,
            rabbitmq: options.given.rabbitmq.clone().map_or_else(|| rabbitmq::info(&place(Server::RabbitMq)), Ok)?,
            clamd: options.given.clamd.clone().unwrap_or_else(|| clamd::info(&place(Server::Clamd))),
            s3: options.given.s3.clone().map_or_else(|| seaweedfs::info(&place(Server::SeaweedFs)), Ok)?,
            migrations: options.migrations,
        };
        if options.migrated {
            template::prepare(&info.postgres, &info.migrations).await?;
        }
        Ok(Self {
            info,
            ports,
            settings,
            start_limit: options.start_limit,
            running: Mutex::new(running.into_iter().collect()),
            given: options.given,
            folder,
        })
    }

    /// Where everything is, for other processes.
    pub fn describe(&self) -> &StackInfo {
        &self.info
    }

    /// Holds a folder per server with its data and its log, `log.txt`.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Ends a server as a crash would: at once and without a farewell to its clients. Ports and data stay for
    /// [`restart`](Self::restart). Nothing happens if it does not run.
    ///
    /// # Errors
    /// `NotOurs` if it was given; `DidNotEnd`.
    pub async fn kill(&self, server: Server) -> Result<(), DevstackError> {
        let mut running = self.running.lock().await;
        self.end(server, &mut running).await
    }

    /// Starts a server again with its ports and data and waits until it works; one that still runs is killed first.
    ///
    /// # Errors
    /// `NotOurs` if it was given; `DidNotStart`.
    pub async fn restart(&self, server: Server) -> Result<(), DevstackError> {
        let mut running = self.running.lock().await;
        self.end(server, &mut running).await?;
        let processes = bring_up(server, &self.place(server), self.start_limit).await?;
        running.insert(server, processes);
        Ok(())
    }

    /// Ends all servers and removes the temporary folder. Dropping the stack does the same, but does not wait for it.
    ///
    /// # Errors
    /// `DidNotEnd` if one outlives the limit.
    pub async fn stop(self) -> Result<(), DevstackError> {
        let running = self.running.into_inner();
        try_join_all(running.into_values().flatten().map(ServerProcess::end)).await?;
        self.folder.close()
    }

    async fn end(&self, server: Server, running: &mut BTreeMap<Server, Vec<ServerProcess>>) -> Result<(), DevstackError> {
        if self.given.holds(server) {
            return Err(DevstackError::NotOurs(server));
        }
        try_join_all(running.remove(&server).into_iter().flatten().map(ServerProcess::end)).await?;
        self.until_silent(server).await
    }

    /// The process that we can wait for may be gone a moment before its children.
    async fn until_silent(&self, server: Server) -> Result<(), DevstackError> {
        let port = self.ports.of(match server {
            Server::Postgres => Port::Postgres,
            Server::RabbitMq => Port::Amqp,
            Server::Clamd => Port::Clamd,
            Server::SeaweedFs => Port::S3,
        });
        let deadline = Instant::now() + SILENCE_LIMIT;
        while TcpStream::connect(("127.0.0.1", port)).await.is_ok() {
            if Instant::now() > deadline {
                return Err(DevstackError::DidNotEnd(server));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    fn place(&self, server: Server) -> Place<'_> {
        Place { folder: self.folder.path().join(server.folder_name()), ports: &self.ports, settings: &self.settings }
    }
}

async fn bring_up(server: Server, place: &Place<'_>, limit: Duration) -> Result<Vec<ServerProcess>, DevstackError> {
    let started = Instant::now();
    let mut processes = server.launch(place)?;
    until_ready(&mut processes, limit, async || server.probe(place).await).await?;
    tracing::info!(duration_ms = started.elapsed().as_millis(), "{server} is ready");
    Ok(processes)
}
