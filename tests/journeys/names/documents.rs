//! The checkout's files, and what its documents say.

use std::{
    fs,
    path::{Path, PathBuf},
};

use regex::Regex;

use crate::harness::checkout;

/// What is made elsewhere, and lies here or in the way of it.
const NOT_OURS: [&str; 3] = [".git", "target", "node_modules"];

pub struct Document {
    /// From the checkout's folder.
    pub path: PathBuf,
    pub text: String,
}

impl Document {
    /// What stands between backticks in running text.
    pub fn spans(&self) -> Vec<String> {
        let running = Regex::new("(?s)```.*?```").unwrap().replace_all(&self.text, "");
        Regex::new("`([^`\n]+)`").unwrap().captures_iter(&running).map(|found| found[1].to_owned()).collect()
    }

    /// The lines of its blocks of shell, each command whole, without what is said behind it.
    pub fn shell(&self) -> Vec<String> {
        let blocks = Regex::new("(?s)```sh\n(.*?)```").unwrap();
        let lines = |block: &str| -> Vec<String> {
            block.replace("\\\n", " ").lines().map(|line| line.split(" #").next().unwrap_or_default().trim().to_owned()).collect()
        };
        blocks.captures_iter(&self.text).flat_map(|found| lines(&found[1])).filter(|line| !line.is_empty()).collect()
    }
}

/// Every file of the checkout, from its folder.
pub fn files() -> Vec<PathBuf> {
    let (root, mut found, mut folders) = (checkout(), Vec::new(), vec![checkout()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                let is_ours = !NOT_OURS.iter().any(|name| path.ends_with(name));
                folders.extend(is_ours.then_some(path));
            } else {
                found.push(path.strip_prefix(&root).unwrap().to_owned());
            }
        }
    }
    found
}

/// All documents, but the beginnings of those that are generated: they are read where they come to lie.
pub fn documents() -> Vec<Document> {
    let all: Vec<Document> = files()
        .into_iter()
        .filter(|path| path.extension().is_some_and(|end| end == "md") && !path.file_stem().unwrap().to_string_lossy().ends_with("intro"))
        .map(|path| Document { text: fs::read_to_string(checkout().join(&path)).unwrap(), path })
        .collect();
    assert!(all.len() > 20 && all.iter().any(|document| document.path == Path::new("README.md")), "they were found: {}", all.len());
    all
}
