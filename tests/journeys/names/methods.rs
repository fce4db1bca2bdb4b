use std::fs;

use super::documents::files;
use crate::harness::{checkout, contract::CONTRACT};

/// Methods that no verb calls, each with why no person misses it.
const FOR_PROGRAMS: [(&str, &str); 4] = [
    ("AssetService/BatchGetAssets", "for a page that has ids already: `media show` has more of each"),
    ("PlaybackService/BatchGetPlayback", "for a page of many: a person plays one at a time"),
    ("TranscriptService/ListTranscripts", "`media transcripts show` has the newest, and a search with --json the id of each"),
    ("UploadService/Upload", "for services that cannot reach the store: a person's file goes there in parts, and goes on where it was"),
];

/// What the command line is made of, without its tests.
fn command_line() -> String {
    let sources: Vec<String> = files()
        .into_iter()
        .filter(|path| path.starts_with("crates/cli/src") && path.extension().is_some_and(|end| end == "rs"))
        .filter(|path| !path.file_stem().unwrap().to_string_lossy().ends_with("_tests"))
        .map(|path| fs::read_to_string(checkout().join(path)).unwrap())
        .collect();
    assert!(sources.len() > 30, "they were found: {}", sources.len());
    sources.concat()
}

/// `AssetService/GetAsset` as a client calls it: `.get_asset(`.
fn call_of(method: &str) -> String {
    let mut call = String::from(".");
    for letter in method.split('/').next_back().unwrap().chars() {
        if letter.is_ascii_uppercase() && call.len() > 1 {
            call.push('_');
        }
        call.push(letter.to_ascii_lowercase());
    }
    call + "("
}

#[test]
fn every_method_has_a_verb_or_a_reason_why_no_person_needs_one() {
    let sources = command_line();
    let is_called = |method: &str| sources.contains(&call_of(method));
    let is_for_programs = |method: &str| FOR_PROGRAMS.iter().any(|(name, _)| *name == method);
    let lacking: Vec<&String> = CONTRACT.methods.keys().filter(|method| !is_called(method) && !is_for_programs(method)).collect();
    assert!(lacking.is_empty(), "no verb calls {lacking:?}");
    for (method, why) in FOR_PROGRAMS {
        assert!(CONTRACT.methods.contains_key(method), "{method} is no method");
        assert!(!is_called(method), "a verb calls {method}, of which is said: {why}");
    }
    assert!(CONTRACT.methods.len() > 40, "they were found: {}", CONTRACT.methods.len());
}

#[test]
fn a_method_without_a_verb_is_missed() {
    assert_eq!(call_of("PlaybackService/GetDownloadUrl"), ".get_download_url(");
    assert!(!command_line().contains(&call_of("AssetService/PolishAsset")));
}
