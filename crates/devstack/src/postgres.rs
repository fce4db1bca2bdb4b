//! Postgres in a cluster of its own.

use std::path::PathBuf;
use std::time::Duration;

use sqlx::{Connection, PgConnection};
use url::Url;

use crate::place::Place;
use crate::ports::Port;
use crate::supervise::{Farewell, Launch, ServerProcess};
use crate::{DevstackError, PostgresInfo, Server};

/// Debian's folder.
const PROGRAMS: &str = "/usr/lib/postgresql/15/bin";
/// Names the folder of another version's programs.
const ANOTHER: &str = "MEDIA_POSTGRES";
const INITDB_LIMIT: Duration = Duration::from_secs(60);

/// Nothing here must survive a power cut, but all that was committed survives a kill: `fsync` is off, `synchronous_commit`
/// is not. Every test has its pools, so there are many connections, and many databases, which are not to be looked
/// through for what to vacuum every minute.
const SETTINGS: &str = "
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
max_connections = 400
shared_buffers = 128MB
fsync = off
full_page_writes = off
autovacuum_naptime = 10min
max_wal_size = 4GB
log_min_duration_statement = 1s
log_line_prefix = '%m %u@%d '
";

/// Where the programs of the cluster's own version lie: beside the server also `pg_dump` and its like, which refuse a newer server.
pub fn postgres_programs() -> PathBuf {
    std::env::var_os(ANOTHER).map_or_else(|| PROGRAMS.into(), PathBuf::from)
}

fn program(name: &str) -> PathBuf {
    postgres_programs().join(name)
}

pub(crate) async fn prepare(place: &Place<'_>) -> Result<(), DevstackError> {
    let data = place.path("data");
    Launch {
        server: Server::Postgres,
        program: &program("initdb"),
        args: vec![
            "--username=postgres".into(),
            "--auth=trust".into(),
            "--encoding=UTF8".into(),
            "--locale=C.UTF-8".into(),
            "--no-sync".into(),
            "-D".into(),
            data.clone().into(),
        ],
        env: vec![],
        folder: &place.folder,
        log: place.log(),
        farewell: Farewell::Kill,
    }
    .start()?
    .finished(INITDB_LIMIT)
    .await?;
    let file = data.join("postgresql.auto.conf");
    std::fs::write(&file, format!("{SETTINGS}port = {}\n", place.port(Port::Postgres)))
        .map_err(DevstackError::system(format!("writing {}", file.display())))
}

pub(crate) fn launch(place: &Place<'_>) -> Result<Vec<ServerProcess>, DevstackError> {
    let postgres = Launch {
        server: Server::Postgres,
        program: &program("postgres"),
        args: vec!["-D".into(), place.path("data").into()],
        env: vec![],
        folder: &place.folder,
        log: place.log(),
        farewell: Farewell::Quit,
    };
    Ok(vec![postgres.start()?])
}

pub(crate) async fn probe(place: &Place<'_>) -> Result<(), DevstackError> {
    let url = info(place)?.url;
    let ask = async {
        let mut connection = PgConnection::connect(url.as_str()).await?;
        sqlx::query("SELECT 1").execute(&mut connection).await?;
        connection.close().await
    };
    ask.await.map_err(|error| DevstackError::server("asking Postgres", error))
}

pub(crate) fn info(place: &Place<'_>) -> Result<PostgresInfo, DevstackError> {
    Ok(PostgresInfo { url: local_url("postgres://postgres:postgres@127.0.0.1", place.port(Port::Postgres), "/postgres")? })
}

/// A URL with a port that is known only at run time.
pub(crate) fn local_url(host: &str, port: u16, path: &str) -> Result<Url, DevstackError> {
    Url::parse(&format!("{host}:{port}{path}")).map_err(|error| DevstackError::server("naming a server's address", error))
}
