use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::rendered::{Rendered, SERVICES, list, name, pods};

type Arrow = (String, String, u64);

/// Who calls whom, and at which port. What is not here is cut off.
const ARROWS: &[(&[&str], &str, u64)] = &[
    (&["callers"], "media-api", 8080),
    (&["players"], "media-api", 8081),
    (
        &["media-migrate", "media-api", "media-outbox-relay", "media-scanner", "media-transcoder", "media-captioner", "media-janitor"],
        "postgres",
        5432,
    ),
    (&["media-outbox-relay", "media-scanner", "media-transcoder", "media-captioner"], "rabbitmq", 5672),
    // With TLS.
    (&["media-outbox-relay", "media-scanner", "media-transcoder", "media-captioner"], "rabbitmq", 5671),
    (&["media-scanner"], "clamd", 3310),
    // Who looks at everything, when asked to.
    (&["media-doctor"], "postgres", 5432),
    (&["media-doctor"], "rabbitmq", 5672),
    (&["media-doctor"], "rabbitmq", 5671),
    (&["media-doctor"], "clamd", 3310),
    // Imports: the one way out.
    (&["media-scanner"], "elsewhere", 80),
    (&["media-scanner"], "elsewhere", 443),
    (&SERVICES, "telemetry", 4317),
    (&["everyone"], "names", 53),
];
const USE_THE_STORE: [&str; 6] = ["media-api", "media-scanner", "media-transcoder", "media-captioner", "media-janitor", "media-doctor"];

fn expected(overlay: &str) -> BTreeSet<Arrow> {
    let arrow = |from: &str, to: &str, port| (from.to_owned(), to.to_owned(), port);
    let mut all: BTreeSet<Arrow> = ARROWS.iter().flat_map(|(from, to, port)| from.iter().map(move |from| arrow(from, to, *port))).collect();
    all.extend(SERVICES.map(|service| arrow("telemetry", service, 9090)));
    all.extend(USE_THE_STORE.map(|service| arrow(service, "store", if overlay == "dev" { 8333 } else { 443 })));
    if overlay != "dev" {
        all.insert(arrow("media-api", "issuer", 443));
    }
    all
}

/// Who reaches a server in both overlays, beside our own parts.
const OTHERS: &[(&str, &str, u64)] = &[
    ("keda", "postgres", 5432),
    ("keda", "rabbitmq", 5672),
    ("keda", "rabbitmq", 5671),
    ("consumers", "rabbitmq", 5672),
    ("consumers", "rabbitmq", 5671),
];
/// `weed shell` asks the master, and by it the filer: each at its port and at that of its gRPC.
const OTHERS_IN_DEV: &[(&str, &str, u64)] = &[
    ("players", "store", 8333),
    ("buckets", "store", 9333),
    ("buckets", "store", 19333),
    ("buckets", "store", 8888),
    ("buckets", "store", 18888),
];
const OTHERS_IN_PRODUCTION: &[(&str, &str, u64)] = &[
    ("operator", "postgres", 5432),
    ("operator", "postgres", 8000),
    (INSTANCES, "postgres", 5432),
    (INSTANCES, "postgres", 8000),
    ("operator", "rabbitmq", 15672),
    ("rabbitmq", "rabbitmq", 4369),
    ("rabbitmq", "rabbitmq", 25672),
    ("clamd", "clamav-mirror", 8080),
];
/// Pods of CloudNativePG's Cluster `postgres`, those of the Jobs that make a new instance among them: they have the operator's label and none
/// of the labels that instances inherit (its `pkg/specs/jobs.go`).
const INSTANCES: &str = "instances, and who becomes one";

fn others(overlay: &str) -> BTreeSet<Arrow> {
    let here = if overlay == "dev" { OTHERS_IN_DEV } else { OTHERS_IN_PRODUCTION };
    OTHERS.iter().chain(here).map(|(from, to, port)| ((*from).to_owned(), (*to).to_owned(), *port)).collect()
}

#[test]
fn the_network_allows_the_arrows_of_the_table_and_no_others() {
    for rendered in Rendered::all() {
        let overlay = rendered.overlay;
        let (mut arrows, mut at_servers) = (BTreeSet::new(), BTreeSet::new());
        for policy in rendered.kind("NetworkPolicy") {
            let inside = policy["metadata"]["namespace"] == "media";
            let to = if inside { &mut arrows } else { &mut at_servers };
            to.extend(allowed(policy));
        }
        assert_eq!(arrows, expected(overlay), "{overlay}");
        assert_closed(rendered);

        let ours = |(from, _, _): &&Arrow| from.starts_with("media-");
        let at_their_end: BTreeSet<_> = at_servers.iter().filter(ours).cloned().collect();
        let in_the_cluster =
            |(_, to, _): &&Arrow| ["postgres", "rabbitmq", "clamd"].contains(&to.as_str()) || (overlay == "dev" && to == "store");
        let at_our_end: BTreeSet<_> = arrows.iter().filter(in_the_cluster).cloned().collect();
        assert_eq!(at_their_end, at_our_end, "{overlay}: both ends of an arrow are open");
        let strangers: BTreeSet<_> = at_servers.iter().filter(|arrow| !ours(arrow)).cloned().collect();
        assert_eq!(strangers, others(overlay), "{overlay}");
        if strangers.iter().any(|(from, _, _)| from == INSTANCES) {
            assert!(rendered.named("Cluster", "postgres").is_some(), "{overlay}: whose instances?");
        }
    }
}

/// A pod with the labels of a Service is one that callers are sent to.
#[test]
fn no_service_sends_its_callers_to_a_job() {
    for rendered in Rendered::all() {
        for service in rendered.kind("Service") {
            let wanted = service["spec"]["selector"].as_object().unwrap();
            for job in rendered.kind("Job").chain(rendered.kind("CronJob")) {
                let labels = &pods(job)["metadata"]["labels"];
                let is_chosen = wanted.iter().all(|(label, value)| labels[label] == *value);
                let beside = service["metadata"]["namespace"] == job["metadata"]["namespace"];
                assert!(!(is_chosen && beside), "{}: {} sends callers to {}", rendered.overlay, name(service), name(job));
            }
        }
    }
}

/// Nothing is allowed by itself, in either namespace; and no policy is about pods that are not there.
fn assert_closed(rendered: &Rendered) {
    for (namespace, types) in [("media", json!(["Ingress", "Egress"])), ("media-servers", json!(["Ingress"]))] {
        let closes = |policy: &&Value| {
            policy["metadata"]["namespace"] == namespace
                && policy["spec"]["podSelector"] == json!({})
                && policy["spec"]["policyTypes"] == types
                && policy["spec"].get("ingress").is_none()
                && policy["spec"].get("egress").is_none()
        };
        assert!(rendered.kind("NetworkPolicy").any(|policy| closes(&policy)), "{}: {namespace} is open", rendered.overlay);
    }
    let there: BTreeSet<&str> =
        rendered.workloads().into_iter().filter_map(|it| pods(it)["metadata"]["labels"]["app.kubernetes.io/name"].as_str()).collect();
    for policy in rendered.kind("NetworkPolicy").filter(|policy| policy["metadata"]["namespace"] == "media") {
        for selected in selected(&policy["spec"]["podSelector"]) {
            assert!(
                selected == "everyone" || there.contains(selected.as_str()),
                "{}: {} is about {selected}",
                rendered.overlay,
                name(policy)
            );
        }
    }
    // In production operators make the pods.
    if rendered.overlay == "dev" {
        let there: BTreeSet<&str> =
            rendered.workloads().into_iter().filter_map(|it| pods(it)["metadata"]["labels"]["media.internal/server"].as_str()).collect();
        for (from, to, _) in OTHERS_IN_DEV {
            assert!(there.contains(to) && (*from == "players" || there.contains(from)), "{from} or {to} is nobody's label");
        }
    }
}

fn allowed(policy: &Value) -> BTreeSet<Arrow> {
    let spec = &policy["spec"];
    let mut arrows = BTreeSet::new();
    for (rules, peers, outwards) in [("egress", "to", true), ("ingress", "from", false)] {
        assert!(
            spec.get(rules).is_none() || list(&spec["policyTypes"]).any(|of| of.as_str().unwrap().eq_ignore_ascii_case(rules)),
            "{}",
            name(policy)
        );
        for rule in list(&spec[rules]) {
            let ports: Vec<u64> = list(&rule["ports"]).map(|port| port["port"].as_u64().unwrap()).collect();
            assert!(!ports.is_empty() && rule[peers].as_array().is_some_and(|peers| !peers.is_empty()), "{}: open to all", name(policy));
            for pod in selected(&spec["podSelector"]) {
                for peer in list(&rule[peers]).flat_map(|peer| described(peer, outwards)) {
                    for port in &ports {
                        arrows.insert(if outwards { (pod.clone(), peer.clone(), *port) } else { (peer.clone(), pod.clone(), *port) });
                    }
                }
            }
        }
    }
    arrows
}

fn selected(selector: &Value) -> Vec<String> {
    if *selector == json!({}) {
        return vec!["everyone".to_owned()];
    }
    let mut all: Vec<String> = Vec::new();
    for label in ["app.kubernetes.io/name", "media.internal/server"] {
        all.extend(selector["matchLabels"][label].as_str().map(str::to_owned));
    }
    for expression in list(&selector["matchExpressions"]) {
        assert_eq!((&expression["key"], &expression["operator"]), (&json!("app.kubernetes.io/name"), &json!("In")));
        all.extend(list(&expression["values"]).map(|value| value.as_str().unwrap().to_owned()));
    }
    assert!(!all.is_empty(), "a selector that this test does not know: {selector}");
    all
}

fn described(peer: &Value, outwards: bool) -> Vec<String> {
    if let Some(block) = peer.get("ipBlock") {
        let place = match block["cidr"].as_str().unwrap() {
            "0.0.0.0/0" => {
                let inner: BTreeSet<&str> = list(&block["except"]).map(|cidr| cidr.as_str().unwrap()).collect();
                assert!(
                    ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "127.0.0.0/8"]
                        .iter()
                        .all(|cidr| inner.contains(cidr)),
                    "{block}"
                );
                "elsewhere"
            }
            // All of IPv6 that is public.
            "2000::/3" => "elsewhere",
            // The example's addresses.
            "10.20.30.0/24" => "store",
            "192.0.2.1/32" => "issuer",
            other => panic!("addresses that this test does not know: {other}"),
        };
        return vec![place.to_owned()];
    }
    let Some(namespace) = peer.get("namespaceSelector") else {
        let beside = &peer["podSelector"];
        return if beside["matchLabels"]["cnpg.io/cluster"] == "postgres" { vec![INSTANCES.to_owned()] } else { selected(beside) };
    };
    let labels = &namespace["matchLabels"];
    let known = match (
        labels["kubernetes.io/metadata.name"].as_str(),
        labels["media.internal/calls"].as_str(),
        labels["media.internal/consumes"].as_str(),
    ) {
        (Some("kube-system"), None, None) if peer["podSelector"]["matchLabels"]["k8s-app"] == "kube-dns" => "names",
        (Some("observability"), None, None) => "telemetry",
        (Some("keda"), None, None) => "keda",
        (Some("cnpg-system" | "rabbitmq-system"), None, None) => "operator",
        (None, Some("grpc"), None) => "callers",
        (None, Some("playback"), None) => "players",
        (None, None, Some("events")) => "consumers",
        (Some("media-servers"), None, None) if outwards => return selected(&peer["podSelector"]),
        (Some("media"), None, None) if !outwards => return selected(&peer["podSelector"]),
        _ => panic!("a peer that this test does not know: {peer}"),
    };
    vec![known.to_owned()]
}
