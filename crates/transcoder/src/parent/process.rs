//! A child's process: its end, and what it has used by then.

use std::{
    io,
    mem::MaybeUninit,
    os::fd::{AsRawFd, OwnedFd},
    process::ExitStatus,
    time::Duration,
};

use rustix::process::{Pid, PidfdFlags, Signal};
use tokio::{io::unix::AsyncFd, process::Child};

use super::cgroup::Cgroup;

/// What a process has used, by the kernel's count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Of all threads together, in user and kernel mode.
    pub cpu: Duration,
    /// The most that was resident at once, in bytes.
    pub peak_memory_bytes: u64,
}

/// How a process ended.
#[derive(Clone, Copy, Debug)]
pub struct Ended {
    pub status: ExitStatus,
    pub usage: Usage,
    /// Killed by the kernel because its own cgroup was full.
    pub out_of_memory: bool,
}

/// The process. Dropped, it is killed with all that it started.
#[derive(Debug)]
pub struct Process {
    child: Child,
    /// None once it was waited for: its number may then be somebody else's.
    group: Option<Pid>,
    end: AsyncFd<OwnedFd>,
    ended: Option<Ended>,
    cgroup: Option<Cgroup>,
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Process {
    /// Takes over a child that leads a process group of its own.
    ///
    /// # Errors
    /// Those of the system. The child is then killed.
    pub fn new(child: Child, cgroup: Option<Cgroup>) -> io::Result<Self> {
        let group = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        let group = group.ok_or_else(|| io::Error::other("a child without a number"))?;
        let pidfd = rustix::process::pidfd_open(group, PidfdFlags::empty())?;
        // SAFETY: an `OwnedFd` is one and the same open descriptor for as long as it lives.
        let end = unsafe { AsyncFd::register(pidfd) }?;
        Ok(Self { child, group: Some(group), end, ended: None, cgroup })
    }

    /// Waits for the child to leave by itself.
    ///
    /// # Errors
    /// Those of the system.
    pub async fn wait(&mut self) -> io::Result<Ended> {
        if let Some(ended) = self.ended {
            return Ok(ended);
        }
        // Readable when the last thread has ended. Only then is it asked what it has used, and only then reaped.
        let _ready = self.end.readable().await?;
        let usage = usage(&self.end)?;
        let status = self.child.wait().await?;
        self.group = None;
        let out_of_memory = self.cgroup.take().is_some_and(|cgroup| cgroup.was_out_of_memory());
        Ok(*self.ended.insert(Ended { status, usage, out_of_memory }))
    }

    /// Kills it and whatever it may have started, and waits for its end.
    ///
    /// # Errors
    /// Those of the system.
    pub async fn end(&mut self) -> io::Result<Ended> {
        self.kill();
        self.wait().await
    }

    fn kill(&mut self) {
        if let Some(group) = self.group
            && let Err(error) = rustix::process::kill_process_group(group, Signal::KILL)
        {
            tracing::debug!(%error, "a child was gone before it was killed");
        }
    }
}

/// Asks for a process that has ended and was not waited for. The C library's `waitid` hides the kernel's fifth argument.
fn usage(process: &AsyncFd<OwnedFd>) -> io::Result<Usage> {
    let mut info = MaybeUninit::<libc::siginfo_t>::zeroed();
    let mut used = MaybeUninit::<libc::rusage>::zeroed();
    let what = libc::WEXITED | libc::WNOWAIT | libc::WNOHANG;
    // SAFETY: both pointers are to memory of the right size that lives longer than the call.
    let used = unsafe {
        if libc::syscall(libc::SYS_waitid, libc::P_PIDFD, process.as_raw_fd(), info.as_mut_ptr(), what, used.as_mut_ptr()) != 0 {
            return Err(io::Error::last_os_error());
        }
        used.assume_init()
    };
    let time = |time: libc::timeval| {
        Duration::from_secs(u64::try_from(time.tv_sec).unwrap_or(0)) + Duration::from_micros(u64::try_from(time.tv_usec).unwrap_or(0))
    };
    let kilobytes = u64::try_from(used.ru_maxrss).unwrap_or(0);
    Ok(Usage { cpu: time(used.ru_utime) + time(used.ru_stime), peak_memory_bytes: kilobytes * 1024 })
}
