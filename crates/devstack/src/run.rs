//! One stack for one command, such as a whole test run.

use std::ffi::OsString;
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitCode, ExitStatus};

use anyhow::{Context, anyhow};
use media_devstack::{DatabaseRole, Stack, StackOptions};
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::Command;
use tokio::signal::unix::{SignalKind, signal};

pub async fn run(options: StackOptions, database: bool, command: &[OsString]) -> anyhow::Result<ExitCode> {
    let mut interrupted = signal(SignalKind::interrupt())?;
    let mut terminated = signal(SignalKind::terminate())?;
    let stack = tokio::select! {
        stack = Stack::start(options) => stack?,
        _ = interrupted.recv() => return Ok(ExitCode::from(130)),
        _ = terminated.recv() => return Ok(ExitCode::from(143)),
    };
    let (program, arguments) = command.split_first().ok_or_else(|| anyhow!("no command was given"))?;
    let database = if database { Some(stack.describe().isolated("run").await?.database_url(DatabaseRole::Superuser)) } else { None };
    let mut child = Command::new(program)
        .args(arguments)
        .envs(stack.describe().as_env()?)
        .envs(database.map(|url| ("DATABASE_URL", url.to_string())))
        .kill_on_drop(true)
        .spawn()
        .with_context(|| format!("cannot start {}", program.display()))?;
    let pid = child.id().and_then(|pid| Pid::from_raw(pid.cast_signed()));
    // A terminal's Ctrl-C reaches the command by itself; what is sent to us alone must be passed on.
    let status = loop {
        tokio::select! {
            status = child.wait() => break status?,
            _ = interrupted.recv() => {}
            _ = terminated.recv() => if let Some(pid) = pid { kill_process(pid, Signal::TERM)? },
        }
    };
    stack.stop().await?;
    Ok(exit_code(status))
}

/// As a shell would say it.
fn exit_code(status: ExitStatus) -> ExitCode {
    let number = status.code().or(status.signal().map(|signal| 128 + signal)).unwrap_or(1);
    ExitCode::from(u8::try_from(number).unwrap_or(1))
}
