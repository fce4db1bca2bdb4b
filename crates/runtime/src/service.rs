//! The one `main` of all binaries: settings, telemetry, admin port, the service itself, and its end.
//!
//! The service runs on a thread and runtime of its own; this process's first thread only supervises. So a service
//! that blocks still leaves when it is told to.

use std::ffi::OsString;
use std::future::Future;
use std::io::{ErrorKind, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::pin::pin;
use std::process::{self, ExitCode};
use std::time::Duration;

use anyhow::Context as _;
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;
use tokio::time::{interval, sleep};

use crate::config::{self, Loaded, Problems, Settings};
use crate::health::{self, Health};
use crate::shutdown::{LAST_WORD, Shutdown};
use crate::tasks::Tasks;
use crate::telemetry::{REVISION, Telemetry, VERSION};

/// Stack of the service's thread: what a process's first thread has.
const STACK_BYTES: usize = 8 << 20;

/// Histograms keep every sample until they are folded.
const METRICS_FOLD_EVERY: Duration = Duration::from_secs(5);

/// The exit code where the settings are refused: clap's for a wrong flag.
const REFUSED: u8 = 2;

/// What a service is given.
#[derive(Debug, Clone)]
pub struct Context<C> {
    /// The binary's own settings, checked.
    pub config: C,
    /// When to stop.
    pub shutdown: Shutdown,
    /// What `/readyz` says.
    pub health: Health,
    /// The name of this process, unique for all time: the owner of leases.
    pub instance: String,
    /// Starts tasks on which the service stands.
    pub tasks: Tasks,
    flags: Vec<&'static str>,
}

/// A flag of one binary: with it, the process does one thing once, and leaves. It opens no port, so that it can run beside the
/// service.
#[derive(Debug, Clone, Copy)]
pub struct Once {
    /// Without its dashes.
    pub name: &'static str,
    pub help: &'static str,
}

impl<C> Context<C> {
    /// A context outside [`main`], on the runtime we are in: for tests, which play the signals themselves.
    pub fn detached(config: C) -> Self {
        Self::new(config, Handle::current(), unique_instance())
    }

    fn new(config: C, runtime: Handle, instance: String) -> Self {
        let shutdown = Shutdown::default();
        let tasks = Tasks::new(runtime, shutdown.soft.clone());
        Self { config, shutdown, health: Health::default(), instance, tasks, flags: Vec::new() }
    }

    /// Whether the process was started with this flag.
    pub fn is_once(&self, flag: Once) -> bool {
        self.flags.contains(&flag.name)
    }

    /// See [`Tasks::spawn_critical`].
    pub fn spawn_critical<F>(&self, name: &'static str, task: F)
    where
        F: Future<Output = anyhow::Result<()>> + Send + 'static,
    {
        self.tasks.spawn_critical(name, task);
    }
}

/// Runs a service as this process: `name` is the binary's, `defaults` its `defaults.toml`.
///
/// Success only if the service returned `Ok` and no critical task died. A service that returns without having been
/// asked to has done its work. The first SIGTERM or SIGINT cancels [`Shutdown::soft`]; a second one, or the end of the
/// grace, [`Shutdown::hard`]; then the process leaves, whatever still runs.
pub fn main<C, S>(name: &'static str, defaults: &'static str, service: S) -> ExitCode
where
    C: Settings,
    S: AsyncFnOnce(Context<C>) -> anyhow::Result<()> + Send + 'static,
{
    main_or_once(name, defaults, &[], service)
}

/// As [`main`], of a binary that has flags of its own.
pub fn main_or_once<C, S>(name: &'static str, defaults: &'static str, flags: &[Once], service: S) -> ExitCode
where
    C: Settings,
    S: AsyncFnOnce(Context<C>) -> anyhow::Result<()> + Send + 'static,
{
    let arguments = match command_line(name, flags).try_get_matches() {
        Ok(arguments) => arguments,
        Err(answer) => {
            // Help and version come this way too; a closed stdout is no reason for another code.
            answer.print().ok();
            return u8::try_from(answer.exit_code()).map_or(ExitCode::FAILURE, ExitCode::from);
        }
    };
    let flags = flags.iter().map(|flag| flag.name).filter(|name| arguments.get_flag(name)).collect();
    match start(name, defaults, &arguments, flags, std::env::vars_os(), service) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            // Before telemetry stands, and when it cannot: to a person's eyes.
            eprintln!("{name}: {error:#}");
            if error.is::<Problems>() { ExitCode::from(REFUSED) } else { ExitCode::FAILURE }
        }
    }
}

fn command_line(name: &'static str, flags: &[Once]) -> Command {
    let flag = |name: &'static str, help: &'static str| Arg::new(name).long(name).action(ArgAction::SetTrue).help(help);
    Command::new(name)
        .version(version())
        .after_help("Settings come from the built-in defaults, then the file, then the environment: MEDIA__SHUTDOWN__GRACE=40s.")
        .arg(
            Arg::new("config")
                .long("config")
                .value_name("PATH")
                .env("MEDIA_CONFIG")
                .value_parser(value_parser!(PathBuf))
                .help("A TOML file laid over the defaults"),
        )
        .arg(flag("check", "Check the settings and leave: 0 if they are good, 2 if not. No server is asked"))
        .arg(flag("print-settings", "Print the settings as TOML, secrets hidden, and leave"))
        .arg(flag("describe-settings", "Print every setting's type, default and use as Markdown, and leave"))
        .args(flags.iter().map(|once| flag(once.name, once.help)))
}

/// What `--version` says behind the name. The command line is read once in a process, and keeps texts that live as long.
fn version() -> &'static str {
    format!("{VERSION} ({REVISION})").leak()
}

/// Everything up to the supervised end. True: all went well.
fn start<C, S>(
    name: &'static str,
    defaults: &'static str,
    arguments: &ArgMatches,
    flags: Vec<&'static str>,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
    service: S,
) -> anyhow::Result<bool>
where
    C: Settings,
    S: AsyncFnOnce(Context<C>) -> anyhow::Result<()> + Send + 'static,
{
    if arguments.get_flag("describe-settings") {
        return print(&config::page::<C>(name, defaults)?);
    }
    let file = arguments.get_one::<PathBuf>("config").map(PathBuf::as_path);
    let Loaded { common, config, shown } = config::load::<C>(defaults, file, environment)?;
    if arguments.get_flag("print-settings") {
        return print(&toml::to_string(&shown).context("the settings cannot be shown")?);
    }
    if arguments.get_flag("check") {
        return print(&format!("{name}: the settings are good\n"));
    }

    let supervisor = Builder::new_current_thread().enable_all().build().context("no runtime to supervise in")?;
    let signals = supervisor.block_on(async { Signals::listen() }).context("signals cannot be listened to")?;
    let runtime = Builder::new_multi_thread().enable_all().thread_name(name).build().context("no runtime to serve in")?;
    let instance = unique_instance();
    let telemetry = {
        let _inside = runtime.enter();
        Telemetry::start(name, &instance, &common)?
    };
    let is_once = !flags.is_empty();
    let context = Context { flags, ..Context::new(config, runtime.handle().clone(), instance) };
    let (tasks, shutdown) = (context.tasks.clone(), context.shutdown.clone());
    tracing::info!(instance = context.instance, version = VERSION, revision = REVISION, "{name} starts");

    let opened = if is_once { Ok(()) } else { open_admin_port(&runtime, common.admin.listen, &context, &telemetry) };
    let went_well = match opened.and_then(|()| run_on_own_thread(&runtime, context, service)) {
        Ok(outcome) => supervisor.block_on(supervise(outcome, signals, &tasks, &shutdown, common.shutdown.grace)),
        Err(error) => {
            tracing::error!("{name} cannot start: {error:#}");
            false
        }
    };
    tracing::info!("{name} {}", if went_well { "stopped" } else { "failed" });
    telemetry.flush();
    runtime.shutdown_background();
    Ok(went_well)
}

/// To stdout. A reader that has read enough (`| head`) is no failure.
fn print(text: &str) -> anyhow::Result<bool> {
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error).context("stdout cannot be written to"),
        _ => Ok(true),
    }
}

fn open_admin_port<C>(runtime: &Runtime, listen: SocketAddr, context: &Context<C>, telemetry: &Telemetry) -> anyhow::Result<()> {
    let bound = TcpListener::bind(listen).and_then(|it| it.set_nonblocking(true).map(|()| it));
    let bound = bound.with_context(|| format!("the admin port {listen} cannot be opened"))?;
    let _inside = runtime.enter();
    let listener = tokio::net::TcpListener::from_std(bound).context("the admin port cannot be served")?;
    tracing::info!(admin.listen = %listener.local_addr().context("the admin port has no address")?, "the admin port is open");

    let pages = health::admin_routes(context.health.clone(), context.shutdown.soft.clone(), telemetry.metrics.clone());
    let tasks = context.tasks.clone();
    runtime.spawn(async move {
        if let Err(error) = axum::serve(listener, pages).await {
            tasks.fail(&anyhow::Error::new(error).context("the admin port died"));
        }
    });
    let upkeep = telemetry.upkeep(context.health.clone(), context.shutdown.soft.clone());
    runtime.spawn(async move {
        let mut fold = interval(METRICS_FOLD_EVERY);
        loop {
            fold.tick().await;
            upkeep();
        }
    });
    Ok(())
}

type Outcome = oneshot::Receiver<anyhow::Result<()>>;

fn run_on_own_thread<C, S>(runtime: &Runtime, context: Context<C>, service: S) -> anyhow::Result<Outcome>
where
    C: Settings,
    S: AsyncFnOnce(Context<C>) -> anyhow::Result<()> + Send + 'static,
{
    let (told, outcome) = oneshot::channel();
    let handle = runtime.handle().clone();
    std::thread::Builder::new()
        .name("service".to_owned())
        .stack_size(STACK_BYTES)
        .spawn(move || {
            // Nobody is left to tell once the supervisor has cut us off.
            told.send(handle.block_on(service(context))).ok();
        })
        .context("no thread to serve in")?;
    Ok(outcome)
}

/// From the start of the service to the moment at which the process may leave. True: all went well.
async fn supervise(outcome: Outcome, mut signals: Signals, tasks: &Tasks, shutdown: &Shutdown, grace: Duration) -> bool {
    let mut service = pin!(async {
        match outcome.await {
            Ok(Ok(())) => true,
            Ok(Err(error)) => {
                tracing::error!("the service failed: {error:#}");
                false
            }
            // The panic itself is logged by the hook.
            Err(_) => false,
        }
    });
    let ended = tokio::select! {
        went_well = &mut service => Some(went_well),
        signal = signals.next() => {
            tracing::info!(?grace, "{signal}: takes nothing new, finishes what it has");
            None
        }
        () = shutdown.soft.cancelled() => None,
    };
    shutdown.soft.cancel();

    let mut finishing = pin!(async {
        let went_well = match ended {
            Some(went_well) => went_well,
            None => service.await,
        };
        tasks.all_ended().await;
        went_well && !tasks.any_failed()
    });
    tokio::select! {
        went_well = &mut finishing => return went_well,
        () = sleep(grace) => tracing::warn!(?grace, "the grace is over: what still runs is cut off"),
        signal = signals.next() => tracing::warn!("{signal} again: what still runs is cut off"),
    }
    shutdown.cut();
    tokio::select! {
        went_well = &mut finishing => went_well,
        () = sleep(LAST_WORD) => {
            tracing::warn!("left although something did not end when it was cut off");
            false
        }
    }
}

/// The signals that ask us to stop. Listening to them is also what makes them count as process 1.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn listen() -> std::io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

fn unique_instance() -> String {
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    format!("{host}-{}-{:08x}", process::id(), rand::random::<u32>())
}
