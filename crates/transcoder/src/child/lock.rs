//! The lock: what takes every right from this process but its two sockets, its memory and its threads.
//!
//! Once, for good, and before a byte of the file was seen. All that is to be loaded must be loaded by then (`warm`). Each layer
//! holds by itself what the next holds too, so that one with a hole is not the end: landlock takes away files, seccomp
//! all system calls but a short list, limits what the rest can use up.

mod calls;
mod files;
mod layers;
mod limits;
mod rights;

use std::{fs, io};

pub use layers::{Layers, MissingLayer};

use crate::protocol::Limits;

/// Which files stay readable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// None at all: sound and video need no path.
    Nothing,
    /// The folders of fonts, read-only: without them text in SVG and PDF vanishes in silence.
    Fonts,
}

/// Why the lock does not close. The child then leaves: it must not meet the file.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    #[error("{0} threads run, and a lock binds only the one that sets it")]
    NotAlone(usize),
    #[error("a limit or a right cannot be given up")]
    System(#[from] io::Error),
    #[error("landlock is not enforced")]
    Files(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("seccomp is not enforced")]
    Calls(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Locks this process, by the layers that the parent found here.
///
/// # Errors
/// [`LockError`]; what was taken away by then stays so.
pub fn lock(limits: &Limits, layers: Layers, reach: Reach) -> Result<(), LockError> {
    be_alone()?;
    limits::set(limits)?;
    rights::give_up()?;
    if layers.landlock {
        files::close(reach)?;
    }
    if layers.seccomp {
        calls::forbid(reach)?;
    }
    Ok(())
}

/// A thread that is there already would keep its files.
fn be_alone() -> Result<(), LockError> {
    match fs::read_dir("/proc/self/task")?.count() {
        1 => Ok(()),
        threads => Err(LockError::NotAlone(threads)),
    }
}
