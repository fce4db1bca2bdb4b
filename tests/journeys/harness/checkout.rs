//! The checkout, and what was built of it.

use std::path::PathBuf;

/// The checkout's folder.
pub fn checkout() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// A program, as it was built with these tests.
pub fn program(name: &str) -> PathBuf {
    let ours = std::env::current_exe().unwrap();
    let folders = ours.ancestors().skip(1).take(2);
    folders.map(|folder| folder.join(name)).find(|path| path.is_file()).unwrap_or_else(|| panic!("{name} was not built"))
}
