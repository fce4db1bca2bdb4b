use std::{collections::BTreeMap, fs};

use regex::Regex;
use serde::Deserialize;
use serde_json::Value;

use super::rendered::{Rendered, SERVICES, list, name, pods};
use crate::harness::checkout;

#[derive(Deserialize)]
struct Scraping {
    scrape_configs: Vec<Job>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Job {
    job_name: String,
    kubernetes_sd_configs: Vec<Discovery>,
    relabel_configs: Vec<Relabel>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Discovery {
    role: String,
    namespaces: Namespaces,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Namespaces {
    names: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Relabel {
    action: String,
    source_labels: Vec<String>,
    target_label: Option<String>,
    regex: Option<String>,
}

type Labels = BTreeMap<String, String>;

impl Relabel {
    /// What becomes of a target, as Prometheus does it; `None`: it is not scraped.
    fn apply(&self, mut labels: Labels) -> Option<Labels> {
        let of = |name: &str| labels.get(name).cloned().unwrap_or_default();
        let source = self.source_labels.iter().map(|name| of(name)).collect::<Vec<_>>().join(";");
        let fits = Regex::new(&format!("^(?:{})$", self.regex.as_deref().unwrap_or(".*"))).unwrap().is_match(&source);
        let target = self.target_label.as_deref().unwrap_or_default();
        let is_kept = match self.action.as_str() {
            "keep" => fits,
            "drop" => !fits,
            "keepequal" => of(target) == source,
            "replace" => true,
            other => panic!("an action that this test does not know: {other}"),
        };
        if self.action == "replace" && fits {
            labels.insert(target.to_owned(), source);
        }
        is_kept.then_some(labels)
    }
}

fn job() -> Job {
    let text = fs::read_to_string(checkout().join("deploy/monitoring/scrape.yaml")).unwrap();
    let [job] = <[Job; 1]>::try_from(serde_saphyr::from_str::<Scraping>(&text).unwrap().scrape_configs).ok().unwrap();
    job
}

/// What is scraped of a pod of a workload: what Prometheus finds of it, a target for each port, after the rules.
fn scraped(job: &Job, workload: &Value, phase: &str) -> Vec<Labels> {
    let [Discovery { role, namespaces }] = job.kubernetes_sd_configs.as_slice() else { panic!("one way to find pods") };
    assert_eq!(role, "pod");
    if !namespaces.names.iter().any(|name| workload["metadata"]["namespace"] == *name) {
        return Vec::new();
    }
    let pod = pods(workload);
    let mut found = Labels::from([
        ("job".to_owned(), job.job_name.clone()),
        ("__meta_kubernetes_pod_name".to_owned(), format!("{}-7d4b9", name(workload))),
        ("__meta_kubernetes_pod_phase".to_owned(), phase.to_owned()),
    ]);
    for (kind, of) in [("annotation", "annotations"), ("label", "labels")] {
        for (name, value) in pod["metadata"][of].as_object().into_iter().flatten() {
            let name: String = name.chars().map(|letter| if letter.is_ascii_alphanumeric() { letter } else { '_' }).collect();
            found.insert(format!("__meta_kubernetes_pod_{kind}_{name}"), value.as_str().unwrap().to_owned());
        }
    }
    let mut targets = Vec::new();
    for port in list(&pod["spec"]["containers"]).flat_map(|container| list(&container["ports"])) {
        let mut target = found.clone();
        target.insert("__address__".to_owned(), format!("10.1.2.3:{}", port["containerPort"]));
        target.insert("__meta_kubernetes_pod_container_port_number".to_owned(), port["containerPort"].to_string());
        targets.extend(job.relabel_configs.iter().try_fold(target, |target, rule| rule.apply(target)));
    }
    targets
}

#[test]
fn prometheus_finds_each_service_under_its_name_at_its_admin_port_and_nothing_else() {
    let job = job();
    for rendered in Rendered::all() {
        for workload in rendered.workloads() {
            let (service, place) = (name(workload), format!("{}: {}", rendered.overlay, name(workload)));
            let targets = scraped(&job, workload, "Running");
            if !SERVICES.contains(&service) {
                assert!(targets.is_empty(), "{place}: {targets:?}");
                continue;
            }
            let [target] = targets.as_slice() else { panic!("{place}: {targets:?}") };
            assert_eq!(target["job"], service, "{place}: what alerts go by");
            assert!(target["instance"].starts_with(service), "{place}: {target:?}");
            assert_eq!(target["__address__"], "10.1.2.3:9090", "{place}");
            for ended in ["Succeeded", "Failed"] {
                assert!(scraped(&job, workload, ended).is_empty(), "{place}: a pod that has {ended}");
            }
        }
    }
}
