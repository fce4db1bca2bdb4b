//! What `kubectl` is told of stands in the manifests. What operators and other projects make of them is not looked at.

use std::{collections::BTreeSet, fs};

use regex::Regex;
use serde_json::Value;

use super::documents::{Document, documents, files};
use crate::harness::checkout;

/// Kind, in small letters, and name.
type Made = BTreeSet<(String, String)>;

/// What the manifests make, and what a document has somebody make of that.
fn made(documents: &[Document]) -> Made {
    let manifests =
        files().into_iter().filter(|path| path.starts_with("deploy/kubernetes") && path.extension().is_some_and(|end| end == "yaml"));
    let mut made = Made::new();
    for path in manifests {
        let objects: Vec<Value> = serde_saphyr::from_multiple(&fs::read_to_string(checkout().join(path)).unwrap()).unwrap();
        let named = objects.iter().filter_map(|object| Some((object["kind"].as_str()?, object["metadata"]["name"].as_str()?)));
        made.extend(named.map(|(kind, name)| (kind.to_lowercase(), name.to_owned())));
    }
    let by_hand = Regex::new(r"kubectl .*create ([a-z]+) .* ([a-z0-9-]+)$").unwrap();
    let lines = documents.iter().flat_map(Document::shell);
    made.extend(lines.filter_map(|line| by_hand.captures(&line).map(|found| (found[1].to_owned(), found[2].to_owned()))));
    made
}

/// What a command names that is nowhere: a file or a folder, a namespace, an object.
fn faults(command: &str, made: &Made) -> Vec<String> {
    let words: Vec<&str> = command.split_whitespace().collect();
    if command.contains("--namespace kube-system") {
        return Vec::new();
    }
    let mut faults = Vec::new();
    let mut look = |kind: &str, name: &str| {
        let kind = kind.split('.').next().unwrap_or_default().to_owned();
        if !made.contains(&(kind.clone(), name.to_owned())) {
            faults.push(format!("no {kind} is called {name}"));
        }
    };
    let object = Regex::new(r"^(?:--from=)?([a-z.]+)/([a-z0-9-]+)$").unwrap();
    for pair in words.windows(2) {
        match pair {
            ["-k" | "-f" | "--type", _] => {}
            ["--namespace", name] => look("namespace", name),
            [_, word] => object.captures(word).into_iter().for_each(|found| look(&found[1], &found[2])),
            _ => {}
        }
    }
    if let Some(at) = words.iter().position(|word| *word == "delete")
        && let [kind, name, ..] = words[at + 1..]
        && kind != "-f"
    {
        look(kind, name);
    }
    let paths = words.windows(2).filter(|pair| matches!(pair[0], "-k" | "-f") && !pair[1].contains("://")).map(|pair| pair[1]);
    faults.extend(paths.filter(|path| !checkout().join(path).exists()).map(|path| format!("{path} is nowhere")));
    faults
}

#[test]
fn what_kubectl_is_told_of_stands_in_the_manifests() {
    let documents = documents();
    let (made, overlay) = (made(&documents), Regex::new(r"^overlay=(\S+)$").unwrap());
    let (mut missing, mut seen) = (Vec::new(), 0);
    for document in &documents {
        let mut folder = String::new();
        for line in document.shell() {
            if let Some(found) = overlay.captures(&line) {
                folder = found[1].to_owned();
            }
            for command in line.split("&&").map(|command| command.trim().replace("$overlay", &folder)) {
                if command.starts_with("kubectl ") {
                    seen += 1;
                    let place = document.path.display();
                    missing.extend(faults(&command, &made).into_iter().map(|fault| format!("{place}: {fault}: {command}")));
                }
            }
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
    assert!(seen > 20, "they were found: {seen}");
}

#[test]
fn an_object_that_is_nowhere_is_missed() {
    let made = made(&documents());
    for good in ["kubectl apply -k deploy/kubernetes/base", "kubectl --namespace media logs job/media-migrate"] {
        assert_eq!(faults(good, &made), Vec::<String>::new(), "{good}");
    }
    for bad in [
        "kubectl apply -k deploy/kubernetes/overlays/staging",
        "kubectl --namespace medea get pods",
        "kubectl --namespace media logs job/media-migration",
        "kubectl --namespace media delete job media-migration",
    ] {
        assert_eq!(faults(bad, &made).len(), 1, "{bad}");
    }
}
