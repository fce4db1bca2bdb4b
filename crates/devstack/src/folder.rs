//! The one folder of a stack.

use std::fs::{self, Permissions};
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Child;

use crate::DevstackError;
use crate::supervise::{afterwards, hand_over};

/// Servers that are being killed may still write for a moment, so it looks again, for up to 10 s.
const REMOVE: &str = r#"
tries=20
while [ $tries -gt 0 ]; do
  rm -rf -- "$@"; sleep 0.5; left=
  for path; do [ ! -e "$path" ] || left=yes; done
  [ -n "$left" ] || exit 0
  tries=$((tries - 1))
done
"#;

/// A temporary one disappears with us, also when we are killed; one that a person named stays, with logs and data.
pub(crate) struct Folder {
    path: PathBuf,
    /// What goes when the stack ends.
    passing: Vec<PathBuf>,
    sweeper: Child,
}

impl Folder {
    /// `litter`: files that servers leave elsewhere.
    pub(crate) fn temporary(litter: Vec<PathBuf>) -> Result<Self, DevstackError> {
        let path = tempfile::Builder::new()
            .prefix("media-devstack-")
            .permissions(Permissions::from_mode(0o755))
            .tempdir()
            .map_err(DevstackError::system("making a temporary folder"))?
            .keep();
        let mut passing = litter;
        passing.push(path.clone());
        Self::swept(path, passing)
    }

    pub(crate) fn named(path: &Path, litter: Vec<PathBuf>) -> Result<Self, DevstackError> {
        fs::create_dir_all(path).map_err(DevstackError::system(format!("making {}", path.display())))?;
        let path = path.canonicalize().map_err(DevstackError::system(format!("opening {}", path.display())))?;
        let mut entries = fs::read_dir(&path).map_err(DevstackError::system(format!("reading {}", path.display())))?;
        if entries.next().is_some() {
            return Err(DevstackError::FolderNotEmpty(path));
        }
        Self::swept(path, litter)
    }

    fn swept(path: PathBuf, passing: Vec<PathBuf>) -> Result<Self, DevstackError> {
        let sweeper = afterwards(REMOVE, &passing).map_err(DevstackError::system("starting a sweeper"))?;
        Ok(Self { path, passing, sweeper })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// A server's own folder within it, which belongs to the user that servers run as.
    pub(crate) fn room(&self, name: &str) -> Result<PathBuf, DevstackError> {
        let room = self.path.join(name);
        make_folder(&room)?;
        Ok(room)
    }

    /// Removes what is to be removed, now that no server runs any more.
    pub(crate) fn close(mut self) -> Result<(), DevstackError> {
        for path in &self.passing {
            let removed = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
            match removed {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    return Err(DevstackError::System { doing: format!("removing {}", path.display()), source: error });
                }
                _ => {}
            }
        }
        self.sweeper.kill().and_then(|()| self.sweeper.wait()).map(drop).map_err(DevstackError::system("ending the sweeper"))
    }
}

pub(crate) fn make_folder(path: &Path) -> Result<(), DevstackError> {
    fs::create_dir(path).map_err(DevstackError::system(format!("making {}", path.display())))?;
    hand_over(path)
}

/// Writes a file that servers can read.
pub(crate) fn write_file(path: &Path, content: &str) -> Result<(), DevstackError> {
    fs::write(path, content).map_err(DevstackError::system(format!("writing {}", path.display())))?;
    hand_over(path)
}
