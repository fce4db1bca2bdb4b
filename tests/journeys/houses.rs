//! The house as it was drawn: who links what, who depends on whom, and how long a file may be.
//!
//! - the_relay_links_no_s3_and_no_gstreamer_and_the_api_no_gstreamer_and_no_whisper
//! - no_crate_depends_on_a_room_that_is_not_in_its_table
//! - the_table_has_no_circle
//! - each_server_and_codec_is_spoken_to_in_one_room
//! - no_file_is_over_500_lines

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

use crate::harness::checkout;

const LINES_MAX: usize = 500;

/// What each crate may link, of ours. Binaries link rooms, `worker` links the rooms that a loop needs, rooms link `domain`.
const MAY_DEPEND_ON: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("import-rules", &[]),
    ("clamd", &[]),
    ("runtime", &["domain"]),
    ("captions", &["domain"]),
    ("proto", &["domain"]),
    ("manifests", &["domain"]),
    ("storage", &["domain"]),
    ("blobs", &["domain"]),
    ("messaging", &["domain"]),
    ("worker", &["domain", "runtime", "storage", "messaging"]),
    ("api", &["domain", "runtime", "storage", "blobs", "manifests", "captions", "proto", "import-rules"]),
    ("scanner", &["domain", "runtime", "storage", "messaging", "worker", "blobs", "clamd", "import-rules"]),
    ("transcoder", &["domain", "runtime", "storage", "messaging", "worker", "blobs", "captions"]),
    ("captioner", &["domain", "runtime", "storage", "messaging", "worker", "blobs", "captions"]),
    // Of `worker` only its word on whether the servers are there.
    ("outbox-relay", &["domain", "runtime", "storage", "messaging", "worker"]),
    ("janitor", &["domain", "runtime", "storage", "blobs", "worker"]),
    ("cli", &["domain", "proto", "storage", "messaging", "blobs", "clamd"]),
    // Stands apart: a dev-dependency and the demo, never in a release binary.
    ("devstack", &["captions"]),
    ("tests", &[]),
];

/// Which crates may link a server's client or a codec. `devstack` sets servers up and plays an ordinary consumer.
const SPOKEN_IN: &[(&str, &[&str])] = &[
    ("sqlx", &["storage", "devstack"]),
    ("lapin", &["messaging", "devstack"]),
    ("aws-sdk-s3", &["blobs"]),
    ("gstreamer", &["transcoder"]),
    ("libvips", &["transcoder"]),
    ("whisper-rs", &["captioner"]),
    ("tonic", &["proto", "api", "cli"]),
];

#[test]
fn the_relay_links_no_s3_and_no_gstreamer_and_the_api_no_gstreamer_and_no_whisper() {
    let (relay, api) = (linked("media-outbox-relay"), linked("media-api"));
    assert!(relay.contains("lapin") && api.contains("aws-sdk-s3"), "the trees were read: {relay:?} {api:?}");
    let of = |tree: &BTreeSet<String>, unwanted: &[&str]| {
        tree.iter().filter(|name| unwanted.iter().any(|start| name.starts_with(start))).cloned().collect::<Vec<_>>()
    };
    assert_eq!(of(&relay, &["aws-", "rusty-s3", "gst", "libvips", "whisper"]), [""; 0]);
    assert_eq!(of(&api, &["gst", "libvips", "whisper"]), [""; 0]);
}

#[test]
fn no_crate_depends_on_a_room_that_is_not_in_its_table() {
    let allowed: BTreeMap<&str, &[&str]> = MAY_DEPEND_ON.iter().copied().collect();
    for (room, links) in rooms() {
        let may = allowed.get(room.as_str()).unwrap_or_else(|| panic!("{room} has no place in the house"));
        for ours in links.iter().filter_map(|name| name.strip_prefix("media-")) {
            assert!(may.contains(&ours), "{room} depends on {ours}");
        }
    }
}

#[test]
fn the_table_has_no_circle() {
    let mut floor: BTreeSet<&str> = BTreeSet::new();
    for (room, may) in MAY_DEPEND_ON {
        assert!(may.iter().all(|below| floor.contains(below)), "{room} depends on what is not below it");
        floor.insert(room);
    }
}

#[test]
fn each_server_and_codec_is_spoken_to_in_one_room() {
    for (room, links) in rooms() {
        for (client, may) in SPOKEN_IN {
            assert!(!links.contains(*client) || may.contains(&room.as_str()), "{room} links {client}");
        }
    }
}

#[test]
fn no_file_is_over_500_lines() {
    let listed = run(Command::new("git").args(["ls-files", "--cached", "--others", "--exclude-standard", "*.rs", "*.sql"]));
    let files: Vec<PathBuf> = listed.lines().map(|name| checkout().join(name)).filter(|path| path.is_file()).collect();
    assert!(files.len() > 100, "{} files were found", files.len());
    let long: Vec<_> = files
        .iter()
        .map(|path| (path, std::fs::read_to_string(path).unwrap().lines().count()))
        .filter(|(_, lines)| *lines > LINES_MAX)
        .collect();
    assert!(long.is_empty(), "{long:?}");
}

/// The names of all packages in a package's binary.
fn linked(package: &str) -> BTreeSet<String> {
    let tree =
        run(Command::new("cargo").args(["tree", "--offline", "--locked", "--edges", "normal", "--prefix", "none", "--package", package]));
    tree.lines().filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect()
}

/// Each crate by its folder, with what its manifest links: neither dev- nor build-dependencies.
fn rooms() -> BTreeMap<String, BTreeSet<String>> {
    let text = run(Command::new("cargo").args(["metadata", "--offline", "--no-deps", "--format-version", "1"]));
    let metadata: Value = serde_json::from_str(&text).unwrap();
    let room = |package: &Value| {
        let manifest = Path::new(package["manifest_path"].as_str().unwrap());
        let links = package["dependencies"].as_array().unwrap().iter().filter(|dependency| dependency["kind"].is_null());
        let folder = manifest.parent().unwrap().file_name().unwrap().to_str().unwrap();
        (folder.to_owned(), links.map(|dependency| dependency["name"].as_str().unwrap().to_owned()).collect())
    };
    let rooms: BTreeMap<_, _> = metadata["packages"].as_array().unwrap().iter().map(room).collect();
    assert!(rooms.len() >= 17, "{:?}", rooms.keys());
    rooms
}

fn run(command: &mut Command) -> String {
    let output = command.current_dir(checkout()).output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}
