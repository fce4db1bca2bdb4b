//! Child processes that cannot outlive us.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::{DevstackError, Server};

/// `nobody` and `nogroup` on Debian: `initdb` refuses root, and no server needs it.
const NOBODY: u32 = 65_534;
const POLL: Duration = Duration::from_millis(25);
const END_LIMIT: Duration = Duration::from_secs(15);
const LOG_TAIL_BYTES: usize = 4_000;
const SEARCH_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Runs the server in place of the shell, beside a watcher in the same process group that reads a pipe until its end,
/// which comes when we close it or die, and then kills the group. A first word of QUIT asks the server itself first, for up
/// to 5 s: Postgres's processes each have a session of their own, and only their parent can end them all.
const WITH_WATCHER: &str = r#"
farewell=$1; shift
exec 3<&0 </dev/null
(
  trap '' HUP INT QUIT TERM
  while read -r _ <&3; do :; done
  if [ "$farewell" = QUIT ]; then
    kill -QUIT $$
    tries=50
    while [ $tries -gt 0 ] && kill -0 $$; do tries=$((tries - 1)); sleep 0.1; done
  fi
  kill -KILL 0
) >/dev/null 2>&1 &
exec "$@" 3<&-
"#;

/// How a server that has children in other process groups is ended.
#[derive(Clone, Copy)]
pub(crate) enum Farewell {
    Kill,
    /// SIGQUIT, which Postgres calls an immediate shutdown: to the data it is a crash.
    Quit,
}

pub(crate) struct Launch<'a> {
    pub server: Server,
    pub program: &'a Path,
    pub args: Vec<OsString>,
    pub env: Vec<(&'static str, OsString)>,
    /// The working directory and `HOME`.
    pub folder: &'a Path,
    pub log: PathBuf,
    pub farewell: Farewell,
}

pub(crate) struct ServerProcess {
    server: Server,
    child: Child,
    log: PathBuf,
}

/// A command for `program` whose process, which has the program's own id, and everything in its group end when we close the
/// pipe to its standard input or die.
pub(crate) fn watched(program: &Path, farewell: Farewell) -> Command {
    let farewell = match farewell {
        Farewell::Kill => "KILL",
        Farewell::Quit => "QUIT",
    };
    let mut command = Command::new("/bin/sh");
    command.args(["-c", WITH_WATCHER, "watched", farewell]).arg(program).stdin(Stdio::piped()).process_group(0);
    command
}

impl Launch<'_> {
    pub(crate) fn start(self) -> Result<ServerProcess, DevstackError> {
        if !self.program.exists() {
            return Err(DevstackError::NotInstalled { program: self.program.to_owned() });
        }
        let output = open_log(&self.log)?;
        let errors = output.try_clone().map_err(DevstackError::system("opening a log"))?;
        let mut command = watched(self.program, self.farewell);
        command
            .args(&self.args)
            .env_clear()
            .env("PATH", SEARCH_PATH)
            .env("LANG", "C.UTF-8")
            .env("HOME", self.folder)
            .envs(self.env)
            .current_dir(self.folder)
            .stdout(output)
            .stderr(errors);
        if privileged() {
            command.uid(NOBODY).gid(NOBODY);
        }
        let child = command.spawn().map_err(DevstackError::system(format!("starting {}", self.program.display())))?;
        Ok(ServerProcess { server: self.server, child, log: self.log })
    }
}

impl ServerProcess {
    fn exited(&mut self) -> Result<Option<ExitStatus>, DevstackError> {
        self.child.try_wait().map_err(DevstackError::system("looking after a child process"))
    }

    /// Waits for a program that ends by itself.
    pub(crate) async fn finished(mut self, limit: Duration) -> Result<(), DevstackError> {
        let deadline = Instant::now() + limit;
        loop {
            match self.exited()? {
                Some(status) if status.success() => return Ok(()),
                Some(status) => return Err(self.did_not_start(format!("it ended with {status}"))),
                None if Instant::now() > deadline => return Err(self.did_not_start(format!("it takes longer than {limit:?}"))),
                None => sleep(POLL).await,
            }
        }
    }

    pub(crate) async fn end(mut self) -> Result<(), DevstackError> {
        drop(self.child.stdin.take());
        let deadline = Instant::now() + END_LIMIT;
        while self.exited()?.is_none() {
            if Instant::now() > deadline {
                return Err(DevstackError::DidNotEnd(self.server));
            }
            sleep(POLL).await;
        }
        Ok(())
    }

    fn did_not_start(&self, reason: String) -> DevstackError {
        let tail = fs::read(&self.log).map_or_else(
            |error| format!("(cannot be read: {error})"),
            |log| String::from_utf8_lossy(&log[log.len().saturating_sub(LOG_TAIL_BYTES)..]).into_owned(),
        );
        DevstackError::DidNotStart { server: self.server, reason, log: self.log.clone(), tail }
    }
}

/// Polls `probe` until it succeeds, one of the processes ends, or `limit` has passed.
pub(crate) async fn until_ready(
    processes: &mut [ServerProcess],
    limit: Duration,
    mut probe: impl AsyncFnMut() -> Result<(), DevstackError>,
) -> Result<(), DevstackError> {
    let deadline = Instant::now() + limit;
    loop {
        let last_seen = match probe().await {
            Ok(()) => return Ok(()),
            Err(error) => error,
        };
        for process in processes.iter_mut() {
            if let Some(status) = process.exited()? {
                return Err(process.did_not_start(format!("it ended with {status}")));
            }
        }
        if Instant::now() > deadline {
            let why = std::error::Error::source(&last_seen).map(ToString::to_string).unwrap_or_default();
            let reason = format!("not ready after {limit:?}; last seen: {last_seen}: {why}");
            return Err(processes.last().map_or(last_seen, |process| process.did_not_start(reason)));
        }
        sleep(POLL * 4).await;
    }
}

/// Gives a folder or file to the user that servers run as.
pub(crate) fn hand_over(path: &Path) -> Result<(), DevstackError> {
    if privileged() {
        chown(path, Some(NOBODY), Some(NOBODY)).map_err(DevstackError::system(format!("chown {}", path.display())))?;
    }
    Ok(())
}

pub(crate) fn privileged() -> bool {
    rustix::process::geteuid().is_root()
}

/// Runs `sweep` with `args` in a process of its own once the returned handle is dropped or we have died.
pub(crate) fn afterwards(sweep: &str, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> io::Result<Child> {
    Command::new("/bin/sh")
        .args(["-c", &format!("trap '' HUP INT QUIT TERM; while read -r _; do :; done; {sweep}"), "sweeper"])
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .current_dir("/")
        .process_group(0)
        .spawn()
}

fn open_log(path: &Path) -> Result<File, DevstackError> {
    OpenOptions::new().create(true).append(true).open(path).map_err(DevstackError::system(format!("opening {}", path.display())))
}
