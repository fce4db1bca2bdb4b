use std::{collections::BTreeSet, fs};

use regex::Regex;

use super::documents::documents;
use crate::harness::checkout;

/// As forges make them: lower case, no punctuation, hyphens for spaces.
fn anchors(text: &str) -> BTreeSet<String> {
    let headings = text.lines().filter(|line| line.starts_with('#')).map(|line| line.trim_start_matches('#').trim());
    let kept = |heading: &str| -> String {
        let letters = heading.chars().filter(|letter| letter.is_alphanumeric() || " -_".contains(*letter));
        letters.map(|letter| if letter == ' ' { '-' } else { letter }).collect::<String>().to_lowercase()
    };
    headings.map(kept).collect()
}

#[test]
fn every_link_leads_to_a_file_and_to_a_heading_in_it() {
    let link = Regex::new(r"\]\(([^)\s]+)\)").unwrap();
    let (mut faults, mut seen) = (Vec::new(), 0);
    for document in documents() {
        for found in link.captures_iter(&document.text) {
            if found[1].contains("://") {
                continue;
            }
            seen += 1;
            let (path, anchor) = found[1].split_once('#').unwrap_or((&found[1], ""));
            let here = checkout().join(&document.path);
            let target = if path.is_empty() { here } else { here.parent().unwrap().join(path) };
            let leads = match (target.exists(), anchor) {
                (there, "") => there,
                (false, _) => false,
                (true, anchor) => anchors(&fs::read_to_string(&target).unwrap()).contains(anchor),
            };
            if !leads {
                faults.push(format!("{}: {}", document.path.display(), &found[1]));
            }
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
    assert!(seen > 50, "they were found: {seen}");
}

#[test]
fn an_anchor_is_made_as_forges_make_it() {
    assert_eq!(anchors("# What `it` tells\n## MediaSweepLate\n").into_iter().collect::<Vec<_>>(), ["mediasweeplate", "what-it-tells"]);
}
