//! clamd with a database of one signature, written here: EICAR's, so that nothing is downloaded.

use std::path::Path;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::folder::{make_folder, write_file};
use crate::place::Place;
use crate::ports::Port;
use crate::supervise::{Farewell, Launch, ServerProcess};
use crate::{ClamdInfo, DevstackError, Server};

const PROGRAM: &str = "/usr/sbin/clamd";

/// The test file of EICAR (68 bytes of ASCII, in hex) at any offset of any kind of file.
const SIGNATURE: &str = "Eicar.Test:0:*:58354f2150254041505b345c505a58353428505e2937434329377d2445494341522d5354414e444152442d414e544956495255532d544553542d46494c452124482b482a\n";

pub(crate) fn prepare(place: &Place<'_>) -> Result<(), DevstackError> {
    let database = place.path("database");
    let temporary = place.path("temporary");
    make_folder(&database)?;
    make_folder(&temporary)?;
    write_file(&database.join("eicar.ndb"), SIGNATURE)?;
    // Over its limits clamd says OK, unless AlertExceedsMax. All three limits are one, so that none of them hides another; the time is that of
    // the manifests.
    let settings = format!(
        "Foreground yes\nTCPSocket {port}\nTCPAddr 127.0.0.1\nDatabaseDirectory {database}\nTemporaryDirectory {temporary}\n\
         MaxThreads 4\nStreamMaxLength {limit}\nMaxFileSize {limit}\nMaxScanSize {limit}\nMaxScanTime 290000\nAlertExceedsMax yes\n\
         SelfCheck 86400\nLogTime yes\n",
        port = place.port(Port::Clamd),
        database = database.display(),
        temporary = temporary.display(),
        limit = place.settings.clamd_stream_bytes_max,
    );
    write_file(&place.path("clamd.conf"), &settings)
}

pub(crate) fn launch(place: &Place<'_>) -> Result<Vec<ServerProcess>, DevstackError> {
    let clamd = Launch {
        server: Server::Clamd,
        program: Path::new(PROGRAM),
        args: vec!["--config-file".into(), place.path("clamd.conf").into()],
        env: vec![],
        folder: &place.folder,
        log: place.log(),
        farewell: Farewell::Kill,
    };
    Ok(vec![clamd.start()?])
}

pub(crate) async fn probe(place: &Place<'_>) -> Result<(), DevstackError> {
    let ask = async {
        let mut clamd = TcpStream::connect(("127.0.0.1", place.port(Port::Clamd))).await?;
        clamd.write_all(b"zPING\0").await?;
        let mut answer = [0; 5];
        clamd.read_exact(&mut answer).await?;
        if &answer == b"PONG\0" { Ok(()) } else { Err(std::io::Error::other("it does not say PONG")) }
    };
    ask.await.map_err(DevstackError::system("asking clamd"))
}

pub(crate) fn info(place: &Place<'_>) -> ClamdInfo {
    ClamdInfo { address: format!("127.0.0.1:{}", place.port(Port::Clamd)), stream_bytes_max: Some(place.settings.clamd_stream_bytes_max) }
}
