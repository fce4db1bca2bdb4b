//! Where a server of this stack lives and what it was told.

use std::path::{Path, PathBuf};

use crate::ports::{Port, Ports};

/// One server's folder, the stack's ports, and the settings that a stack has a say in.
pub(crate) struct Place<'a> {
    pub folder: PathBuf,
    pub ports: &'a Ports,
    pub settings: &'a Settings,
}

#[derive(Clone)]
pub(crate) struct Settings {
    pub clamd_stream_bytes_max: u64,
    /// Where `make setup` put what no Debian package holds.
    pub cache: PathBuf,
}

impl Place<'_> {
    pub(crate) fn port(&self, port: Port) -> u16 {
        self.ports.of(port)
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.folder.join("log.txt")
    }

    pub(crate) fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.folder.join(name)
    }
}
