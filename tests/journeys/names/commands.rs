use std::{collections::BTreeMap, fs, process::Command};

use regex::Regex;

use super::documents::documents;
use crate::harness::{checkout, program};

/// What a document asks somebody to type, with where it stands.
fn commands() -> Vec<(String, String)> {
    let mut all = Vec::new();
    for document in documents() {
        let place = document.path.display().to_string();
        all.extend(document.spans().into_iter().chain(document.shell()).map(|line| (place.clone(), line)));
    }
    all
}

/// The targets of the Makefile.
fn targets() -> Vec<String> {
    let makefile = fs::read_to_string(checkout().join("Makefile")).unwrap();
    Regex::new("(?m)^([a-z-]+):").unwrap().captures_iter(&makefile).map(|found| found[1].to_owned()).collect()
}

/// What `--help` says behind these words, asked once.
#[derive(Default)]
struct Help(BTreeMap<Vec<String>, Option<String>>);

impl Help {
    fn of(&mut self, words: &[String]) -> Option<&str> {
        let asked = self.0.entry(words.to_vec()).or_insert_with(|| {
            let output = Command::new(program(&words[0])).args(&words[1..]).arg("--help").output().unwrap();
            output.status.success().then(|| String::from_utf8(output.stdout).unwrap())
        });
        asked.as_deref()
    }

    /// What is wrong with a command: a verb that is none, a flag that the verb has not.
    fn fault(&mut self, line: &str) -> Option<String> {
        let mut words = line.split_whitespace().map(|word| word.trim_matches(['[', ']', '"', '\'']));
        let (mut verbs, mut flags) = (vec![words.next()?.to_owned()], Vec::new());
        let mut at_verbs = true;
        for word in words.take_while(|word| !["|", "&&", ";", "||", ">", "<", "--", "…"].contains(word)) {
            if let Some(flag) = word.strip_prefix("--") {
                flags.push(format!("--{}", flag.split('=').next().unwrap_or_default()));
                continue;
            }
            // A verb is a verb for as long as the one before it has more.
            let more = at_verbs && self.of(&verbs)?.contains("\nCommands:\n");
            at_verbs = more;
            if more && word.chars().all(|letter| letter.is_ascii_lowercase() || letter == '-') {
                verbs.push(word.to_owned());
                if self.of(&verbs).is_none() {
                    return Some(format!("`{}` is no command", verbs.join(" ")));
                }
            }
        }
        let help = self.of(&verbs)?;
        let has = |flag: &String| help.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '-').any(|word| word == flag);
        flags.into_iter().find(|flag| !has(flag)).map(|flag| format!("`{}` has no {flag}", verbs.join(" ")))
    }
}

/// Whether a word of a command is a path of this checkout, written out.
fn is_ours(word: &str) -> bool {
    let is_inside = ["deploy/", "docs/", "crates/", "migrations/", "proto/"].iter().any(|folder| word.starts_with(folder));
    is_inside && !word.contains(|letter: char| letter.is_uppercase() || letter == '*')
}

#[test]
fn every_command_can_be_given() {
    let (targets, mut help, mut faults, mut seen) = (targets(), Help::default(), Vec::new(), 0);
    let assigned = Regex::new(r"^([A-Z_]+=\S* )+").unwrap();
    for (place, line) in commands() {
        let command = assigned.replace(&line, "");
        let program = command.split_whitespace().next().unwrap_or_default();
        let fault = match program {
            "make" => command
                .split_whitespace()
                .skip(1)
                .find(|word| !word.contains('=') && !targets.iter().any(|known| known == word))
                .map(|word| format!("`make {word}` is no target")),
            "media" | "media-api" | "media-scanner" | "media-transcoder" | "media-captioner" | "media-outbox-relay" | "media-janitor"
            | "media-devstack" => help.fault(&command),
            _ => {
                let nowhere = command.split_whitespace().filter(|word| is_ours(word) && !checkout().join(word).exists());
                faults.extend(nowhere.map(|word| format!("{place}: {word} is nowhere: {line}")));
                continue;
            }
        };
        seen += 1;
        faults.extend(fault.map(|fault| format!("{place}: {fault}: {line}")));
    }
    assert!(faults.is_empty(), "{faults:#?}");
    assert!(seen > 60, "they were found: {seen}");
}

#[test]
fn what_docker_is_told_the_bake_file_knows() {
    let bake = fs::read_to_string(checkout().join("deploy/docker-bake.hcl")).unwrap();
    let knows = |name: &str| bake.contains(&format!("variable \"{name}\""));
    let told = Regex::new(r"([A-Z_0-9]+)=").unwrap();
    let lines = commands().into_iter().filter(|(_, line)| line.contains("docker buildx bake"));
    let told: Vec<String> =
        lines.flat_map(|(_, line)| told.captures_iter(&line).map(|found| found[1].to_owned()).collect::<Vec<_>>()).collect();
    let unknown: Vec<&String> = told.iter().filter(|name| !knows(name)).collect();
    assert!(unknown.is_empty() && told.len() > 2, "of {told:?} it has no {unknown:?}");
}

#[test]
fn a_verb_or_a_flag_that_is_none_is_missed() {
    let mut help = Help::default();
    for good in [
        "media",
        "media upload film.mp4 --watch --json",
        "media erase owner 01H --wait",
        "media dead-letters redrive ID",
        "media-janitor --once",
    ] {
        assert_eq!(help.fault(good), None, "{good}");
    }
    for bad in ["media uplaod film.mp4", "media erase person", "media upload --quickly f", "media-janitor --twice"] {
        assert!(help.fault(bad).is_some(), "{bad}");
    }
}
