//! Our six binaries as child processes on one isolated environment, for the demo and for journeys.

use std::collections::BTreeMap;
use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;

use crate::checkout;
use crate::given::cache_folder;
use crate::ports::Ports;
use crate::supervise::{Farewell, watched};
use crate::{Binary, DevstackError, Isolated, Service, launcher};

/// What tokens for a fleet are signed with.
pub const JWT_SECRET: &str = "a secret of the development stack, no other";
pub const JWT_ISSUER: &str = "media-devstack";
pub const JWT_AUDIENCE: &str = "media";

/// Of the model that `make setup` converts.
const SPEECH_MODEL_SHA256: &str = "27d9ffb32e5dde27363dc744a51ab6f86ee369288d0d65f101504c3e6ae291a1";
const SILERO: &str = "crates/captioner/models/silero-v6.2.0-ggml.bin";
const READY_LIMIT: Duration = Duration::from_secs(60);

/// The services of one environment, and where the api's ports are. Dropped, all are killed.
#[derive(Debug)]
pub struct Fleet {
    isolated: Isolated,
    folder: TempDir,
    grpc: SocketAddr,
    http: SocketAddr,
    /// Laid over the settings of every binary.
    settings: BTreeMap<String, String>,
    started: u32,
    ports: FleetPorts,
    /// Where its programs are, if not beside the one that runs.
    programs: Option<PathBuf>,
}

impl Fleet {
    /// # Errors
    /// `System` if there is no folder or no port to be had.
    pub fn new(isolated: Isolated) -> Result<Self, DevstackError> {
        let folder =
            tempfile::Builder::new().prefix("media-fleet-").tempdir().map_err(DevstackError::system("making a temporary folder"))?;
        let mut ports = FleetPorts::default();
        Ok(Self {
            isolated,
            folder,
            grpc: ports.next()?,
            http: ports.next()?,
            settings: BTreeMap::new(),
            started: 0,
            ports,
            programs: None,
        })
    }

    pub fn isolated(&self) -> &Isolated {
        &self.isolated
    }

    /// Takes the programs of the services that are started from now on out of a folder: those of another version.
    pub fn take_programs_from(&mut self, folder: &Path) {
        self.programs = Some(folder.to_owned());
    }

    /// Lays a setting over those of every binary that is started from now on and has it: `MEDIA__SWEEPS__WORK_EVERY`.
    pub fn set(&mut self, variable: &str, value: impl Into<String>) {
        self.settings.insert(variable.to_owned(), value.into());
    }

    /// `http://host:port` of the gRPC port.
    pub fn grpc_url(&self) -> String {
        format!("http://{}", self.grpc)
    }

    /// `http://host:port` of the playback door.
    pub fn http_url(&self) -> String {
        format!("http://{}", self.http)
    }

    /// Starts a service and waits until it is ready.
    ///
    /// # Errors
    /// `ServiceDidNotStart` with the end of its log.
    pub async fn start(&mut self, binary: Binary, settings: &[(&str, &str)]) -> Result<Service, DevstackError> {
        let mut service = self.launch(binary, settings)?;
        service.ready(READY_LIMIT).await?;
        Ok(service)
    }

    /// Starts a service.
    ///
    /// # Errors
    /// `NotInstalled` if it was not built.
    pub fn launch(&mut self, binary: Binary, settings: &[(&str, &str)]) -> Result<Service, DevstackError> {
        let (program, arguments) = match &self.programs {
            Some(folder) => (folder.join(binary.name()), Vec::new()),
            None => launcher::of(binary)?,
        };
        let admin = self.ports.next()?;
        self.started += 1;
        let log = self.folder.path().join(format!("{}-{}.log", binary.name(), self.started));
        let output = File::create(&log).map_err(DevstackError::system("making a log"))?;
        let errors = output.try_clone().map_err(DevstackError::system("making a log"))?;
        let child = watched(&program, Farewell::Kill)
            .args(arguments)
            .env_clear()
            .envs(self.environment(binary)?)
            .env("MEDIA__ADMIN__LISTEN", admin.to_string())
            .envs(self.settings.iter().filter(|(variable, _)| concerns(binary, variable)))
            .envs(settings.iter().copied())
            .current_dir(self.folder.path())
            .stdout(output)
            .stderr(errors)
            .spawn()
            .map_err(DevstackError::system(format!("starting {}", program.display())))?;
        Ok(Service::new(binary, child, admin, log))
    }

    /// Runs a binary once, with these arguments, to its end; answers what it wrote to stdout.
    ///
    /// # Errors
    /// `ServiceDidNotStart` with what it wrote to stderr, if it did not end well.
    pub async fn once(&self, binary: Binary, arguments: &[&str]) -> Result<String, DevstackError> {
        let (program, before) = launcher::of(binary)?;
        let output = tokio::process::Command::new(&program)
            .args(before)
            .args(arguments)
            .env_clear()
            .envs(self.environment(binary)?)
            .envs(self.settings.iter().filter(|(variable, _)| concerns(binary, variable)))
            .current_dir(self.folder.path())
            .kill_on_drop(true)
            .output()
            .await
            .map_err(DevstackError::system(format!("starting {}", program.display())))?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        let tail = String::from_utf8_lossy(&output.stderr).into_owned();
        Err(DevstackError::ServiceDidNotStart { name: binary.name(), reason: output.status.to_string(), log: program, tail })
    }

    fn environment(&self, binary: Binary) -> Result<Vec<(&'static str, String)>, DevstackError> {
        let isolated = &self.isolated;
        let mut environment = vec![("MEDIA__DATABASE__URL", isolated.database_url(binary.role()).to_string())];
        if binary.speaks_amqp() {
            environment.push(("MEDIA__AMQP__URL", isolated.amqp_url().to_string()));
        }
        if let Some(identity) = binary.identity() {
            let keys = isolated.s3_credentials(identity);
            environment.extend([
                ("MEDIA__S3__ENDPOINT", isolated.s3_endpoint().to_string()),
                ("MEDIA__S3__REGION", isolated.s3_region().to_owned()),
                ("MEDIA__S3__PATH_STYLE", isolated.stack().s3.path_style.to_string()),
                ("MEDIA__S3__BUCKET", isolated.bucket().to_owned()),
                ("MEDIA__S3__QUARANTINE_BUCKET", isolated.quarantine_bucket().to_owned()),
                ("MEDIA__S3__ACCESS_KEY_ID", keys.access_key.clone()),
                ("MEDIA__S3__SECRET_ACCESS_KEY", keys.secret_key.clone()),
            ]);
        }
        match binary {
            Binary::Api => environment.extend([
                ("MEDIA__GRPC__LISTEN", self.grpc.to_string()),
                ("MEDIA__HTTP__LISTEN", self.http.to_string()),
                ("MEDIA__AUTH__ISSUER", JWT_ISSUER.to_owned()),
                ("MEDIA__AUTH__AUDIENCE", JWT_AUDIENCE.to_owned()),
                ("MEDIA__AUTH__HS256_SECRET", JWT_SECRET.to_owned()),
                ("MEDIA__PLAYBACK__PUBLIC_URL", self.http_url()),
                ("MEDIA__PLAYBACK__CORS_ORIGINS", "*".to_owned()),
                ("MEDIA__PLAYBACK__KEYS", format!("[{{ id = \"dev\", secret = \"{JWT_SECRET}\" }}]")),
            ]),
            Binary::Scanner => {
                environment.push(("MEDIA__CLAMD__ADDRESS", isolated.clamd_address().to_owned()));
                if let Some(bytes) = isolated.stack().clamd.stream_bytes_max {
                    environment.push(("MEDIA__CLAMD__MAX_STREAM_BYTES", bytes.to_string()));
                }
            }
            Binary::Captioner => environment.extend([
                ("MEDIA__WHISPER__MODEL_PATH", speech_model()?.display().to_string()),
                ("MEDIA__WHISPER__MODEL_SHA256", SPEECH_MODEL_SHA256.to_owned()),
                ("MEDIA__VOICE__MODEL_PATH", checkout::file(SILERO).display().to_string()),
            ]),
            Binary::Relay | Binary::Transcoder | Binary::Janitor => {}
        }
        Ok(environment)
    }
}

/// A setting that a binary does not have would be refused by it.
fn concerns(binary: Binary, variable: &str) -> bool {
    let Some(section) = variable.strip_prefix("MEDIA__").and_then(|rest| rest.split("__").next()) else { return true };
    match section {
        "S3" => binary.identity().is_some(),
        "AMQP" => binary.speaks_amqp(),
        "WORKER" => matches!(binary, Binary::Scanner | Binary::Transcoder | Binary::Captioner),
        "SWEEPS" => binary == Binary::Janitor,
        "IMPORT" => matches!(binary, Binary::Api | Binary::Scanner),
        "CLAMD" | "FETCH" => binary == Binary::Scanner,
        "DRAIN" => binary == Binary::Relay,
        "GRPC" | "HTTP" | "AUTH" | "PLAYBACK" => binary == Binary::Api,
        "WHISPER" | "VOICE" => binary == Binary::Captioner,
        _ => true,
    }
}

/// A program beside the one that runs: tests lie one folder deeper.
pub(crate) fn program(name: &str) -> Result<PathBuf, DevstackError> {
    let ours = std::env::current_exe().map_err(DevstackError::system("asking for our own path"))?;
    let found = ours.ancestors().skip(1).take(2).map(|folder| folder.join(name)).find(|path| path.is_file());
    found.ok_or_else(|| DevstackError::NotInstalled { program: name.into() })
}

fn speech_model() -> Result<PathBuf, DevstackError> {
    Ok(cache_folder()?.join("models/ggml-tiny.en.bin"))
}

/// Ports that nobody else takes between our choice and the service's start: the kernel gives none of them to an outgoing connection.
#[derive(Default, Debug)]
struct FleetPorts {
    blocks: Vec<Ports>,
    used: u16,
}

impl FleetPorts {
    fn next(&mut self) -> Result<SocketAddr, DevstackError> {
        if self.blocks.last().and_then(|block| block.nth(self.used)).is_none() {
            self.blocks.push(Ports::claim().map_err(DevstackError::system("choosing ports"))?);
            self.used = 0;
        }
        let port = self.blocks.last().and_then(|block| block.nth(self.used));
        self.used += 1;
        let none = || DevstackError::system("choosing ports")(std::io::ErrorKind::AddrInUse.into());
        Ok((Ipv4Addr::LOCALHOST, port.ok_or_else(none)?).into())
    }
}
