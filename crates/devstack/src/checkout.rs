//! Where this repository's files are.
//!
//! Checkouts share a target directory, and cargo takes what another one has built for its own: a path that was compiled in may
//! be the other's. So the checkout is the one that we are run in; only from elsewhere does the compiled-in path count.

use std::path::PathBuf;

/// A file or folder of the repository, by its path from the root.
pub(crate) fn file(path: &str) -> PathBuf {
    let here = std::env::current_dir().unwrap_or_default();
    let root = here.ancestors().find(|folder| folder.join("crates/devstack").is_dir() && folder.join(path).exists());
    root.map_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../..")), PathBuf::from).join(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_migrations_are_found_from_a_folder_inside_the_repository() {
        assert!(file("migrations/0001_roles_and_schema.sql").is_file());
    }
}
