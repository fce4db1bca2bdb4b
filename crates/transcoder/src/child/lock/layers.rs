//! Which layers this kernel has.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The layers of the lock that close here. The others are missing from this kernel, or a container's own rules hide them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layers {
    /// No files (Linux 5.13).
    pub landlock: bool,
    /// No system calls but those listed.
    pub seccomp: bool,
}

/// A layer that is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MissingLayer {
    Landlock,
    Seccomp,
}

impl Layers {
    /// As it should be.
    pub const ALL: Self = Self { landlock: true, seccomp: true };

    /// Asks the kernel, and changes nothing.
    pub fn of_this_kernel() -> Self {
        Self { landlock: super::files::is_there(), seccomp: super::calls::is_there() }
    }

    /// The first that is missing.
    pub fn missing(self) -> Option<MissingLayer> {
        match self {
            Self { landlock: false, .. } => Some(MissingLayer::Landlock),
            Self { seccomp: false, .. } => Some(MissingLayer::Seccomp),
            Self { landlock: true, seccomp: true } => None,
        }
    }
}

impl fmt::Display for MissingLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Landlock => "landlock (Linux 5.13 or later, named in the kernel's `lsm` list)",
            Self::Seccomp => "seccomp (filters that kill, on x86_64 or aarch64)",
        })
    }
}
