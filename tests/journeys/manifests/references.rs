use std::collections::BTreeSet;

use serde_json::Value;

use super::rendered::{Rendered, list, name};
use crate::harness::checkout;

/// What the README's table of Secrets says of production: name and key.
fn documented() -> BTreeSet<(String, String)> {
    let text = std::fs::read_to_string(checkout().join("deploy/kubernetes/README.md")).unwrap();
    let rows = text.lines().filter_map(|line| line.strip_prefix("| `")).filter_map(|line| line.split_once("` |"));
    rows.flat_map(|(secret, rest)| {
        let keys = rest.split('|').next().unwrap().split('`').skip(1).step_by(2);
        keys.map(|key| (secret.to_owned(), key.to_owned())).collect::<Vec<_>>()
    })
    .collect()
}

#[test]
fn whatever_is_referred_to_is_there_or_is_documented() {
    for rendered in Rendered::all() {
        let mut secrets = BTreeSet::new();
        for container in rendered.containers() {
            for variable in list(&container.spec["env"]) {
                if let Some(reference) = variable["valueFrom"].get("secretKeyRef") {
                    secrets.insert(pair(&reference["name"], &reference["key"]));
                }
            }
            for source in list(&container.spec["envFrom"]) {
                let named = source["configMapRef"]["name"].as_str().unwrap();
                assert!(rendered.named("ConfigMap", named).is_some(), "{}: no ConfigMap {named}", container.place);
            }
            for volume in list(&container.pod["volumes"]) {
                if let Some(named) = volume["configMap"]["name"].as_str() {
                    assert!(rendered.named("ConfigMap", named).is_some(), "{}: no ConfigMap {named}", container.place);
                }
                if let Some(named) = volume["persistentVolumeClaim"]["claimName"].as_str() {
                    assert!(rendered.named("PersistentVolumeClaim", named).is_some(), "{}: no volume {named}", container.place);
                }
                if let Some(named) = volume["secret"]["secretName"].as_str() {
                    secrets.extend(["tls.crt", "tls.key", "ca.crt"].map(|key| (named.to_owned(), key.to_owned())));
                }
            }
            if let Some(account) = container.pod["serviceAccountName"].as_str() {
                assert!(rendered.named("ServiceAccount", account).is_some(), "{}: no account {account}", container.place);
            }
        }
        for trigger in rendered.kind("TriggerAuthentication") {
            secrets.extend(list(&trigger["spec"]["secretTargetRef"]).map(|reference| pair(&reference["name"], &reference["key"])));
        }
        for cluster in rendered.kind("Cluster") {
            let passwords = list(&cluster["spec"]["managed"]["roles"]).map(|role| &role["passwordSecret"]["name"]);
            let all: Vec<_> = passwords.chain([&cluster["spec"]["bootstrap"]["initdb"]["secret"]["name"]]).collect();
            secrets.extend(
                all.into_iter().flat_map(|named| ["username", "password"].map(|key| (named.as_str().unwrap().to_owned(), key.to_owned()))),
            );
        }
        assert!(secrets.len() >= 18, "{}: {secrets:?}", rendered.overlay);
        let known: BTreeSet<_> = if rendered.overlay == "dev" { made(rendered) } else { documented() };
        let unknown: Vec<_> = secrets.difference(&known).collect();
        assert!(unknown.is_empty(), "{}: {unknown:?}", rendered.overlay);
        if rendered.overlay == "production" {
            let idle: Vec<_> = known.difference(&secrets).collect();
            assert!(idle.is_empty(), "documented, and nothing asks for it: {idle:?}");
        }
    }
}

fn pair(name: &Value, key: &Value) -> (String, String) {
    (name.as_str().unwrap().to_owned(), key.as_str().unwrap().to_owned())
}

fn made(rendered: &Rendered) -> BTreeSet<(String, String)> {
    let keys = |secret: &Value| -> Vec<_> {
        secret["data"].as_object().unwrap().keys().map(|key| (name(secret).to_owned(), key.clone())).collect()
    };
    rendered.kind("Secret").flat_map(keys).collect()
}
