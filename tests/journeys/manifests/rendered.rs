//! An overlay as a cluster would get it.

use std::{process::Command, sync::LazyLock};

use serde_json::Value;

use crate::harness::checkout;

const OVERLAYS: [&str; 3] = ["dev", "production", "production-gvisor"];

/// The six, by the name of binary, image, Deployment and Secret.
pub const SERVICES: [&str; 6] =
    ["media-api", "media-outbox-relay", "media-scanner", "media-transcoder", "media-captioner", "media-janitor"];

pub struct Rendered {
    pub overlay: &'static str,
    documents: Vec<Value>,
}

/// One container of one pod, with what it is part of.
pub struct Container<'a> {
    pub place: String,
    pub pod: &'a Value,
    pub spec: &'a Value,
}

impl Rendered {
    pub fn all() -> &'static [Self] {
        static ALL: LazyLock<[Rendered; 3]> = LazyLock::new(|| OVERLAYS.map(Rendered::of));
        &*ALL
    }

    fn of(overlay: &'static str) -> Self {
        let kubectl = media_devstack::cache_folder().unwrap().join("bin/kubectl");
        let folder = checkout().join("deploy/kubernetes/overlays").join(overlay);
        let output =
            Command::new(&kubectl).arg("kustomize").arg(&folder).output().unwrap_or_else(|error| panic!("{}: {error}", kubectl.display()));
        assert!(output.status.success(), "{overlay}: {}", String::from_utf8_lossy(&output.stderr));
        let documents = serde_saphyr::from_multiple(&String::from_utf8(output.stdout).unwrap()).unwrap();
        Self { overlay, documents }
    }

    pub fn kind<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Value> {
        self.documents.iter().filter(move |document| document["kind"] == kind)
    }

    pub fn named(&self, kind: &str, name: &str) -> Option<&Value> {
        self.documents.iter().find(|document| document["kind"] == kind && document["metadata"]["name"] == name)
    }

    /// Deployments, Jobs and CronJobs.
    pub fn workloads(&self) -> Vec<&Value> {
        let all: Vec<&Value> = self.kind("Deployment").chain(self.kind("Job")).chain(self.kind("CronJob")).collect();
        assert!(all.len() > SERVICES.len(), "{}: {}", self.overlay, all.len());
        all
    }

    pub fn containers(&self) -> Vec<Container<'_>> {
        self.workloads().into_iter().flat_map(|workload| self.containers_of(workload)).collect()
    }

    fn containers_of<'a>(&self, workload: &'a Value) -> Vec<Container<'a>> {
        let pod = &pods(workload)["spec"];
        let all = ["initContainers", "containers"].into_iter().flat_map(|kind| list(&pod[kind]));
        all.map(|spec| Container { place: format!("{}: {} {}", self.overlay, name(workload), spec["name"]), pod, spec }).collect()
    }

    /// The pod and the container of one of [`SERVICES`].
    pub fn service(&self, service: &str) -> (&Value, &Value) {
        let pod =
            &self.named("Deployment", service).unwrap_or_else(|| panic!("{}: no {service}", self.overlay))["spec"]["template"]["spec"];
        (pod, &pod["containers"][0])
    }
}

/// What the pods of a workload are made from.
pub fn pods(workload: &Value) -> &Value {
    let spec = &workload["spec"];
    spec.get("jobTemplate").map_or(&spec["template"], |job| &job["spec"]["template"])
}

pub fn name(document: &Value) -> &str {
    document["metadata"]["name"].as_str().unwrap()
}

pub fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}
