//! What the child does to its own process: takes its sockets, dies with its parent, leaves.

use std::{
    fs::File,
    io,
    os::{
        fd::{AsFd, OwnedFd},
        unix::net::UnixStream,
    },
    time::Duration,
};

use rustix::process::{Pid, Signal};

/// Left with a result.
pub const DONE: i32 = 0;
/// The parent is gone, or closed a socket: nobody to tell.
pub const ALONE: i32 = 3;
/// A library found no memory, and cannot go on without.
pub const NO_MEMORY: i32 = 4;
/// Its result could not be sent: a thread that hangs holds the way out. What it would have said stands in its complaints.
pub const STUCK: i32 = 5;

/// The source and the sink socket, which the parent handed over as standard input and output. Both are moved away from
/// there, so that a library that prints cannot write into a socket.
///
/// # Errors
/// Where they are no file descriptors.
pub fn take_sockets() -> io::Result<(UnixStream, UnixStream)> {
    let source: OwnedFd = io::stdin().as_fd().try_clone_to_owned()?;
    let sink: OwnedFd = io::stdout().as_fd().try_clone_to_owned()?;
    let null = File::options().read(true).write(true).open("/dev/null")?;
    rustix::stdio::dup2_stdin(&null)?;
    rustix::stdio::dup2_stdout(&null)?;
    Ok((UnixStream::from(source), UnixStream::from(sink)))
}

/// From here on the kernel kills this process when the thread that started it ends. A parent that died before this call
/// is seen by its id, given on the command line.
///
/// # Errors
/// Where the parent is already another one.
pub fn die_with(parent: Option<&str>) -> io::Result<()> {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    let expected = parent.and_then(|pid| pid.parse().ok()).and_then(Pid::from_raw);
    if expected.is_none() || rustix::process::getppid() != expected {
        return Err(io::Error::other("the parent is gone"));
    }
    Ok(())
}

/// The last resort against what hangs: the kernel ends this process by `SIGALRM` where this was not renewed in time. A thread that
/// hangs may hold any lock, that of the memory too, and whoever would tell of it may wait for that lock. Nobody handles the signal, so
/// it needs none. Dropped, it is called off.
#[derive(Debug)]
pub struct Backstop(Duration);

impl Backstop {
    /// From now on it has to be renewed within each `time`.
    pub fn within(time: Duration) -> Self {
        ring_after(time);
        Self(time)
    }

    pub fn renew(&self) {
        ring_after(self.0);
    }

    /// It is not called off any more, until another takes its place.
    pub fn keep(self) {
        std::mem::forget(self);
    }
}

impl Drop for Backstop {
    fn drop(&mut self) {
        ring_after(Duration::ZERO);
    }
}

/// Zero is never (`setitimer(2)`).
fn ring_after(time: Duration) {
    let value = libc::timeval { tv_sec: time.as_secs().try_into().unwrap_or(libc::time_t::MAX), tv_usec: time.subsec_micros().into() };
    let timer = libc::itimerval { it_interval: libc::timeval { tv_sec: 0, tv_usec: 0 }, it_value: value };
    // SAFETY: the kernel reads one timer, and is given no place for the one before.
    let set = unsafe { libc::setitimer(libc::ITIMER_REAL, &raw const timer, std::ptr::null_mut()) };
    assert_eq!(set, 0, "a timer of milliseconds to days is no error");
}

/// Ends the process at once. Never through destructors: a pipeline that panicked hangs in its change of state.
pub fn leave(code: i32) -> ! {
    // SAFETY: `_exit` takes any number, touches no memory of ours and does not return.
    unsafe { libc::_exit(code) }
}
