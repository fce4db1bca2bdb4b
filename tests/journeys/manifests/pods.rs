use serde_json::{Value, json};

use super::rendered::{Rendered, SERVICES, list, name, pods};

#[test]
fn every_container_is_locked_and_limited_and_of_a_named_version() {
    for rendered in Rendered::all() {
        for container in rendered.containers() {
            let (place, pod, spec) = (&container.place, container.pod, container.spec);
            let locked = &spec["securityContext"];
            assert_eq!(pod["securityContext"]["runAsNonRoot"], true, "{place}");
            assert!(pod["securityContext"]["runAsUser"].as_u64() > Some(0), "{place}");
            assert_eq!(pod["securityContext"]["seccompProfile"]["type"], "RuntimeDefault", "{place}");
            assert_eq!(locked["readOnlyRootFilesystem"], true, "{place}");
            assert_eq!(locked["allowPrivilegeEscalation"], false, "{place}");
            assert_eq!(locked["capabilities"], json!({ "drop": ["ALL"] }), "{place}");
            for weaker in ["privileged", "runAsUser", "runAsNonRoot", "seccompProfile", "procMount"] {
                assert!(locked.get(weaker).is_none(), "{place}: its own {weaker}");
            }
            for shared in ["hostNetwork", "hostPID", "hostIPC", "shareProcessNamespace"] {
                assert!(pod.get(shared).is_none(), "{place}: {shared}");
            }
            assert_eq!(pod["automountServiceAccountToken"], false, "{place}");
            for of in ["requests", "limits"] {
                for what in ["cpu", "memory"] {
                    assert!(spec["resources"][of][what].is_string(), "{place}: no {what} among its {of}");
                }
            }
            assert!(has_version(&spec["image"]), "{place}: {}", spec["image"]);
        }
        // Of these an operator makes the pods.
        for broker in rendered.kind("RabbitmqCluster") {
            assert!(has_version(&broker["spec"]["image"]), "{}: {}", rendered.overlay, broker["spec"]["image"]);
        }
        for cluster in rendered.kind("Cluster") {
            let (image, catalogue) = (&cluster["spec"]["imageName"], &cluster["spec"]["imageCatalogRef"]);
            assert!(has_version(image) || catalogue["major"].is_u64(), "{}: {image}, {catalogue}", rendered.overlay);
        }
        for volume in rendered.workloads().iter().flat_map(|workload| list(&pods(workload)["spec"]["volumes"])) {
            assert!(volume.get("hostPath").is_none(), "{}: {volume}", rendered.overlay);
        }
        for account in rendered.kind("ServiceAccount") {
            assert_eq!(account["automountServiceAccountToken"], false, "{}: {}", rendered.overlay, name(account));
        }
        for namespace in rendered.kind("Namespace") {
            assert_eq!(namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"], "restricted", "{}", name(namespace));
        }
    }
}

fn has_version(image: &Value) -> bool {
    let name = image.as_str().and_then(|image| image.rsplit('/').next());
    name.and_then(|name| name.split_once(':')).is_some_and(|(_, tag)| !tag.is_empty() && tag != "latest")
}

#[test]
fn every_service_is_probed_at_its_own_admin_port_and_spread() {
    for rendered in Rendered::all() {
        for service in SERVICES {
            let place = format!("{}: {service}", rendered.overlay);
            let (pod, container) = rendered.service(service);
            let admin = list(&container["ports"]).find(|port| port["name"] == "admin").unwrap_or_else(|| panic!("{place}: no admin port"));
            assert_eq!(admin["containerPort"], 9090, "{place}");
            for (probe, path) in [("livenessProbe", "/livez"), ("readinessProbe", "/readyz")] {
                let asked = &container[probe]["httpGet"];
                assert_eq!((&asked["path"], &asked["port"]), (&json!(path), &json!("admin")), "{place}: {probe}");
            }
            let over: Vec<&str> = list(&pod["topologySpreadConstraints"]).map(|spread| spread["topologyKey"].as_str().unwrap()).collect();
            assert_eq!(over, ["topology.kubernetes.io/zone", "kubernetes.io/hostname"], "{place}");
            let budget = rendered.named("PodDisruptionBudget", service).unwrap_or_else(|| panic!("{place}: no budget"));
            assert_eq!(budget["spec"]["maxUnavailable"], 1, "{place}: with minAvailable a worker of one pod could never be moved");
            assert_eq!(budget["spec"]["selector"]["matchLabels"]["app.kubernetes.io/name"], service, "{place}");
            assert_eq!(pod["serviceAccountName"], service, "{place}");
        }
    }
}

#[test]
fn no_budget_holds_a_pod_that_is_not_ready_and_whoever_is_twice_has_one() {
    for rendered in Rendered::all() {
        for budget in rendered.kind("PodDisruptionBudget") {
            let (place, spec) = (format!("{}: {}", rendered.overlay, name(budget)), &budget["spec"]);
            assert_eq!((&spec["maxUnavailable"], &spec["unhealthyPodEvictionPolicy"]), (&json!(1), &json!("AlwaysAllow")), "{place}");
            let deployment = rendered.named("Deployment", name(budget)).unwrap_or_else(|| panic!("{place}: of nobody"));
            assert_eq!(spec["selector"], deployment["spec"]["selector"], "{place}");
        }
        for deployment in rendered.kind("Deployment").filter(|it| it["spec"]["replicas"].as_u64() > Some(1)) {
            let place = format!("{}: {}", rendered.overlay, name(deployment));
            assert!(rendered.named("PodDisruptionBudget", name(deployment)).is_some(), "{place}: no budget");
            let spread = &pods(deployment)["spec"]["topologySpreadConstraints"];
            assert!(list(spread).any(|over| over["topologyKey"] == "kubernetes.io/hostname"), "{place}: all on one node");
        }
    }
}

/// The binary first, by itself; only then the kubelet.
#[test]
fn a_pod_is_given_longer_to_stop_than_its_binary_takes() {
    for rendered in Rendered::all() {
        for service in SERVICES {
            let place = format!("{}: {service}", rendered.overlay);
            let (pod, container) = rendered.service(service);
            let grace = list(&container["env"]).find(|variable| variable["name"] == "MEDIA__SHUTDOWN__GRACE").unwrap();
            let grace_s: u64 = grace["value"].as_str().unwrap().strip_suffix('s').unwrap().parse().unwrap();
            let before_s = container["lifecycle"]["preStop"]["sleep"]["seconds"].as_u64().unwrap_or_default();
            let given_s = pod["terminationGracePeriodSeconds"].as_u64().unwrap();
            assert!(given_s >= before_s + grace_s + 5, "{place}: {given_s} s for {before_s} + {grace_s}");
            // The cluster's autoscaler waits ten minutes at most for the pods of a node that it takes away.
            let annotations = &pods(rendered.named("Deployment", service).unwrap())["metadata"]["annotations"];
            let stays = annotations["cluster-autoscaler.kubernetes.io/safe-to-evict"] == "false";
            assert_eq!(stays, grace_s > 600, "{place}: may it be moved, with {grace_s} s of grace?");
            // An import may take six hours (fetch.whole_timeout); the transcoder's number is held against its code by its own test.
            let holds_s = match service {
                "media-scanner" | "media-transcoder" | "media-captioner" => 6 * 3600,
                // Two GiB at 4 MB/s.
                "media-api" => 540,
                _ => 0,
            };
            assert!(grace_s >= holds_s, "{place}: what it holds may take {holds_s} s");
        }
    }
}

#[test]
fn what_is_scaled_by_others_has_no_number_of_its_own() {
    for rendered in Rendered::all() {
        let mut scaled: Vec<&str> = rendered.kind("ScaledObject").chain(rendered.kind("HorizontalPodAutoscaler")).map(target).collect();
        scaled.sort_unstable();
        assert_eq!(scaled, ["media-api", "media-captioner", "media-scanner", "media-transcoder"], "{}", rendered.overlay);
        for service in SERVICES {
            let deployment = rendered.named("Deployment", service).unwrap();
            let fixed = deployment["spec"].get("replicas").is_some();
            assert_ne!(fixed, scaled.contains(&service), "{}: {service}: each roll-out would set it back", rendered.overlay);
        }
    }
}

fn target(scaler: &Value) -> &str {
    scaler["spec"]["scaleTargetRef"]["name"].as_str().unwrap()
}

#[test]
fn in_gvisor_the_transcoder_is_told_what_stands_in_for_landlock() {
    for rendered in Rendered::all() {
        for service in SERVICES {
            let (pod, container) = rendered.service(service);
            let inside = service == "media-transcoder" && rendered.overlay.ends_with("gvisor");
            let told = list(&container["env"])
                .find(|variable| variable["name"] == "MEDIA__SANDBOX__STAND_IN")
                .map(|it| it["value"].as_str().unwrap());
            assert_eq!((pod["runtimeClassName"].as_str(), told), (inside.then_some("gvisor"), inside.then_some("gvisor")), "{service}");
            assert!(!inside || rendered.named("RuntimeClass", "gvisor").is_some());
        }
    }
}
