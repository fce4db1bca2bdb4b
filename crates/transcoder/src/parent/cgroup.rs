//! A memory cgroup for each child, where the system lets us make one.
//!
//! Version 2, delegated to this process: a systemd service with `Delegate=memory pids`, or a container that may write its own
//! cgroup. Elsewhere the limit on address space is the only one, and a child that needs too much is killed with whomever the
//! kernel picks. Rules of the file system: Documentation/admin-guide/cgroup-v2.rst.

use std::{
    fs, io,
    os::fd::OwnedFd,
    path::{Path, PathBuf},
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
    },
};

use crate::protocol::Limits;

const MOUNTED: &str = "/sys/fs/cgroup";
/// Where this process moves to: a cgroup that hands on controllers may hold no process itself.
const OURSELVES: &str = "worker";
/// A ladder has some 16 threads for each core.
const THREADS_MAX: &str = "1024";

/// Ours, once it was prepared.
static PREPARED: OnceLock<PathBuf> = OnceLock::new();

/// Takes what was delegated to this process, so that every later child gets a cgroup of its own. Once, at the start of the service.
///
/// # Errors
/// Why none can be made here. Nothing is changed then.
pub fn prepare() -> io::Result<()> {
    let listed = fs::read_to_string("/proc/self/cgroup")?;
    let own = listed.lines().find_map(|line| line.strip_prefix("0::/")).ok_or_else(|| io::Error::other("no cgroup of version 2"))?;
    let own = Path::new(MOUNTED).join(own);
    take(&own)?;
    PREPARED.set(own).map_err(|_| io::Error::other("prepared twice"))
}

fn take(own: &Path) -> io::Result<()> {
    let controllers = fs::read_to_string(own.join("cgroup.controllers"))?;
    if !["memory", "pids"].iter().all(|wanted| controllers.split_whitespace().any(|there| there == *wanted)) {
        return Err(io::Error::other(format!("memory and pids are not among the controllers here: {}", controllers.trim())));
    }
    let ourselves = own.join(OURSELVES);
    make(&ourselves)?;
    let handed_on =
        fs::write(ourselves.join("cgroup.procs"), "0").and_then(|()| fs::write(own.join("cgroup.subtree_control"), "+memory +pids"));
    if handed_on.is_err() {
        fs::write(own.join("cgroup.procs"), "0")?;
        fs::remove_dir(&ourselves)?;
    }
    handed_on
}

fn make(folder: &Path) -> io::Result<()> {
    match fs::create_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        made => made,
    }
}

/// One child's cgroup; gone with this.
#[derive(Debug)]
pub struct Cgroup {
    folder: PathBuf,
}

impl Cgroup {
    /// Makes one, with the limits set. None where none can be made on this system.
    ///
    /// # Errors
    /// Those of the system.
    pub fn for_child(limits: &Limits) -> io::Result<Option<Self>> {
        PREPARED.get().map(|own| Self::make(own, limits)).transpose()
    }

    fn make(own: &Path, limits: &Limits) -> io::Result<Self> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let folder = own.join(format!("child-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed)));
        fs::create_dir(&folder)?;
        let cgroup = Self { folder };
        cgroup.set("memory.max", &limits.memory_bytes.to_string())?;
        cgroup.set("memory.oom.group", "1")?;
        cgroup.set("pids.max", THREADS_MAX)?;
        // A kernel without swap accounting has no such file.
        if cgroup.folder.join("memory.swap.max").exists() {
            cgroup.set("memory.swap.max", "0")?;
        }
        Ok(cgroup)
    }

    fn set(&self, file: &str, value: &str) -> io::Result<()> {
        fs::write(self.folder.join(file), value)
    }

    /// Whoever writes `0` to this moves in.
    ///
    /// # Errors
    /// Those of the system.
    pub fn door(&self) -> io::Result<OwnedFd> {
        fs::File::options().write(true).open(self.folder.join("cgroup.procs")).map(OwnedFd::from)
    }

    /// Whether the kernel killed somebody here for want of memory.
    pub fn was_out_of_memory(&self) -> bool {
        fs::read_to_string(self.folder.join("memory.events")).is_ok_and(|events| kills(&events) > 0)
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir(&self.folder) {
            tracing::warn!(%error, "a child's cgroup stays behind");
        }
    }
}

/// The count behind `oom_kill` in `memory.events`.
fn kills(events: &str) -> u64 {
    events.lines().find_map(|line| line.strip_prefix("oom_kill ")).and_then(|count| count.trim().parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kill_for_want_of_memory_is_told_from_a_narrow_escape() {
        assert_eq!(kills("low 0\nhigh 0\nmax 41\noom 1\noom_kill 1\noom_group_kill 1\n"), 1);
        assert_eq!(kills("low 0\nhigh 0\nmax 41\noom 0\noom_kill 0\n"), 0);
        assert_eq!(kills(""), 0);
    }

    #[test]
    fn a_cgroup_without_the_memory_controller_is_left_as_it_is() {
        let own = tempfile::tempdir().unwrap();
        fs::write(own.path().join("cgroup.controllers"), "cpu hugetlb pids\n").unwrap();
        assert!(take(own.path()).unwrap_err().to_string().contains("memory"));
        assert_eq!(fs::read_dir(own.path()).unwrap().count(), 1);
    }
}
