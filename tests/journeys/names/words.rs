use std::{collections::BTreeSet, fs};

use regex::Regex;

use super::documents::{documents, files};
use crate::harness::checkout;

/// Names that others gave, which our code has no reason to say.
const OTHERS: [&str; 11] = [
    "NOTIFY",
    "BYPASSRLS",
    "NaN",
    "OOMKilled",
    "cloudEvents_*",
    "00000000-0000-0000-0000-000000000000",
    // Where the model of the captioner's voice activity comes from, and what made it.
    "silero-vad",
    "silero_vad.jit",
    "silero-LICENSE.txt",
    "models/for-tests-silero-v6.2.0-ggml.bin",
    "whisper_vad_init_with_params",
];

/// Everything that is no document.
struct Code {
    text: String,
    paths: Vec<String>,
    settings: BTreeSet<String>,
}

impl Code {
    fn read() -> Self {
        let (mut text, mut paths) = (String::new(), Vec::new());
        for path in files() {
            let is_document = path.extension().is_some_and(|end| end == "md" || end == "lock");
            if !is_document && let Ok(bytes) = fs::read_to_string(checkout().join(&path)) {
                text += &bytes;
            }
            paths.push(path.to_str().unwrap().to_owned());
        }
        // Generated of the code's own types (`make lint`).
        let settings = fs::read_to_string(checkout().join("docs/settings.md")).unwrap();
        let row = Regex::new(r"(?m)^\| `([a-z0-9_.]+)`").unwrap();
        let settings: BTreeSet<String> = row.captures_iter(&settings).map(|found| found[1].to_owned()).collect();
        assert!(settings.len() > 50 && paths.len() > 500, "they were read: {}, {}", settings.len(), paths.len());
        Self { text, paths, settings }
    }

    fn has(&self, word: &str) -> bool {
        OTHERS.contains(&word)
            || self.says(word)
            || self.has_setting(word)
            || self.has_path(word)
            || self.has_column(word)
            || self.has_function(word)
    }

    /// As a whole word, or as the beginning of one (`webp-`).
    fn says(&self, word: &str) -> bool {
        let is_letter = |letter: Option<char>| letter.is_some_and(|letter| letter.is_ascii_alphanumeric() || letter == '_');
        self.text.match_indices(word).any(|(at, _)| {
            !is_letter(self.text[..at].chars().next_back())
                && (word.ends_with('-') || !is_letter(self.text[at + word.len()..].chars().next()))
        })
    }

    /// `sweeps.lost_after`, or as a variable: `MEDIA__SWEEPS__LOST_AFTER`.
    fn has_setting(&self, word: &str) -> bool {
        let dotted = word.strip_prefix("MEDIA__").map(|name| name.replace("__", ".").to_lowercase());
        let dotted = dotted.as_deref().unwrap_or(word);
        dotted.contains('.') && self.settings.iter().any(|setting| setting == dotted || setting.starts_with(&format!("{dotted}.")))
    }

    /// The end of a path, or its beginning: with or without `crates`, `src` and what the file's name ends with. `NAME` and `*` are any.
    fn has_path(&self, word: &str) -> bool {
        let short = |path: &str| format!("/{}", path.replace("crates/", "").replace("/src/", "/"));
        let named = regex::escape(&short(word.trim_end_matches('/'))).replace("NAME", "[^/]+").replace(r"\*", "[^/]+");
        let named = Regex::new(&format!(r"{named}(/|\.[a-z]+$|$)")).unwrap();
        word.contains(['/', '.']) && self.paths.iter().any(|path| named.is_match(&short(path)))
    }

    /// `table.column`
    fn has_column(&self, word: &str) -> bool {
        word.split_once('.').is_some_and(|(table, column)| self.text.contains(&format!("CREATE TABLE media.{table} ")) && self.says(column))
    }

    /// `module::function`, and a filter of tests by the module alone, `module::`.
    fn has_function(&self, word: &str) -> bool {
        let Some((modules, function)) = word.rsplit_once("::") else { return false };
        let is_module =
            |name: &str| self.paths.iter().any(|path| path.contains(&format!("/{name}.rs")) || path.contains(&format!("/{name}/")));
        let defined = ["fn", "struct", "enum", "mod"].iter().any(|kind| self.says(&format!("{kind} {function}")));
        modules.split("::").all(is_module) && (function.is_empty() || defined)
    }
}

#[test]
fn every_word_in_backticks_stands_in_the_code() {
    let (code, word) = (Code::read(), Regex::new(r"^[A-Za-z0-9_.:/*-]+$").unwrap());
    let (mut faults, mut seen) = (BTreeSet::new(), 0);
    for document in documents() {
        for span in document.spans().into_iter().filter(|span| word.is_match(span)) {
            seen += 1;
            if !code.has(&span) {
                faults.insert(format!("{}: {span}", document.path.display()));
            }
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
    assert!(seen > 500, "they were found: {seen}");
}

#[test]
fn what_is_nowhere_is_missed() {
    let code = Code::read();
    for there in [
        "sweeps.lost_after",
        "MEDIA__SWEEPS__LOST_AFTER",
        "storage/assets",
        "deploy/images/NAME.packages",
        "work.group_name",
        "drill::",
        "media_api",
    ] {
        assert!(code.has(there), "{there}");
    }
    // Put together here, so that this file does not say them.
    for parts in [
        ["sweeps.lost", "_before"],
        ["MEDIA__SWEEPS", "__LOST"],
        ["storage/ass", "essments"],
        ["work.gr", "oop"],
        ["dri", "lls::"],
        ["media_", "nobody"],
    ] {
        assert!(!code.has(&parts.concat()), "{parts:?}");
    }
}
