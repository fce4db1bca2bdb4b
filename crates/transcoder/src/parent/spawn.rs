//! Starts a child.

use std::{
    io,
    os::{fd::OwnedFd, unix::net::UnixStream as StdUnixStream, unix::process::CommandExt},
    path::{Path, PathBuf},
    process::Stdio,
    sync::OnceLock,
    sync::mpsc,
};

use rustix::process::Signal;
use tokio::{
    net::UnixStream,
    process::{Child, ChildStderr, Command},
    sync::oneshot,
};

use super::{cgroup::Cgroup, process::Process};
use crate::{child::SUBCOMMAND, protocol::Limits};

/// A running child: its sockets, what it complains about, and its end when this is dropped.
#[derive(Debug)]
pub struct Spawned {
    pub source: UnixStream,
    pub sink: UnixStream,
    pub stderr: Option<ChildStderr>,
    pub process: Process,
}

/// Starts `program` as a child.
///
/// # Errors
/// Those of the system.
pub async fn spawn(program: &Path, limits: &Limits) -> io::Result<Spawned> {
    let (source, child_source) = StdUnixStream::pair()?;
    let (sink, child_sink) = StdUnixStream::pair()?;
    let cgroup = Cgroup::for_child(limits)?;
    let (answer, started) = oneshot::channel();
    let request = Request {
        program: program.to_owned(),
        source: child_source.into(),
        sink: child_sink.into(),
        cgroup: cgroup.as_ref().map(Cgroup::door).transpose()?,
        runtime: tokio::runtime::Handle::current(),
        answer,
    };
    spawner()?.send(request).map_err(|_| io::Error::other("the spawning thread is gone"))?;
    let mut child = started.await.map_err(|_| io::Error::other("the spawning thread is gone"))??;
    let stderr = child.stderr.take();
    let process = Process::new(child, cgroup)?;
    source.set_nonblocking(true)?;
    sink.set_nonblocking(true)?;
    Ok(Spawned { source: UnixStream::from_std(source)?, sink: UnixStream::from_std(sink)?, stderr, process })
}

struct Request {
    program: PathBuf,
    source: OwnedFd,
    sink: OwnedFd,
    /// Where the child moves in before it is our program.
    cgroup: Option<OwnedFd>,
    runtime: tokio::runtime::Handle,
    answer: oneshot::Sender<io::Result<Child>>,
}

/// A thread that lives as long as this process: the kernel kills a child when the *thread* that forked it ends.
fn spawner() -> io::Result<mpsc::SyncSender<Request>> {
    static SPAWNER: OnceLock<mpsc::SyncSender<Request>> = OnceLock::new();
    if let Some(spawner) = SPAWNER.get() {
        return Ok(spawner.clone());
    }
    let (sender, requests) = mpsc::sync_channel::<Request>(16);
    // Of two that race here, one loses: its thread ends with its channel, before it has forked anything.
    std::thread::Builder::new().name("child-spawner".into()).spawn(move || {
        for request in requests {
            let _runtime = request.runtime.enter();
            let child = start(&request.program, request.source, request.sink, request.cgroup);
            if request.answer.send(child).is_err() {
                tracing::debug!("nobody waited for a child any more");
            }
        }
    })?;
    Ok(SPAWNER.get_or_init(|| sender).clone())
}

/// The sockets become the child's standard input and output, which the standard library hands over without our touching
/// a descriptor; the child moves them away at once.
fn start(program: &Path, source: OwnedFd, sink: OwnedFd, cgroup: Option<OwnedFd>) -> io::Result<Child> {
    let mut command = std::process::Command::new(program);
    command
        .arg(SUBCOMMAND)
        .arg(std::process::id().to_string())
        .env_clear()
        .envs([("GST_REGISTRY_DISABLE", "yes"), ("LC_ALL", "C.UTF-8"), ("MALLOC_ARENA_MAX", "2")])
        .current_dir("/")
        .process_group(0)
        .stdin(Stdio::from(source))
        .stdout(Stdio::from(sink))
        .stderr(Stdio::piped());
    // SAFETY: between fork and exec only system calls are made, and no memory is taken.
    unsafe {
        command.pre_exec(move || {
            if let Some(cgroup) = &cgroup {
                rustix::io::write(cgroup, b"0")?;
            }
            rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
            // Whatever descriptor this process holds without close-on-exec ends here.
            if libc::close_range(3, libc::c_uint::MAX, libc::CLOSE_RANGE_CLOEXEC as libc::c_int) != 0 {
                return Err(io::Error::last_os_error());
            }
            Ok(())
        });
    }
    Command::from(command).kill_on_drop(true).spawn()
}
