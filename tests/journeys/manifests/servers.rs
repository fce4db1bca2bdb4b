//! The servers that the overlays bring, or ask operators for.

use std::{collections::BTreeSet, fs, process::Command};

use regex::Regex;
use serde_json::{Value, json};

use super::{
    rendered::{Rendered, SERVICES, list, name, pods},
    settings::{environment, printed, seconds, setting},
};
use crate::harness::checkout;

/// What reaches Postgres besides: the migration, the doctor, the autoscaler, the operator with its replicas, and three that are kept for
/// superusers.
const OTHER_CONNECTIONS: u64 = 20;

#[test]
fn postgres_has_room_for_all_that_may_be_there_at_once() {
    for rendered in Rendered::all() {
        let of = |service: &&str| -> u64 {
            let connections: u64 = setting(&printed(rendered, service), "max_connections").parse().unwrap();
            pods_at_most(rendered, service) * connections
        };
        let wanted: u64 = SERVICES.iter().map(of).sum::<u64>() + OTHER_CONNECTIONS;
        for cluster in rendered.kind("Cluster") {
            let room: u64 = cluster["spec"]["postgresql"]["parameters"]["max_connections"].as_str().unwrap().parse().unwrap();
            assert!(room >= wanted, "{}: {} has room for {room} of {wanted}", rendered.overlay, name(cluster));
        }
        assert!(wanted > OTHER_CONNECTIONS + 100, "{}: they were counted: {wanted}", rendered.overlay);
    }
}

/// As many as its scaler may ask for, and those that a roll-out has beside them.
fn pods_at_most(rendered: &Rendered, service: &str) -> u64 {
    let deployment = &rendered.named("Deployment", service).unwrap()["spec"];
    let by = |kind: &str, most: &str| rendered.named(kind, service).map(|scaler| scaler["spec"][most].as_u64().unwrap());
    let most = by("ScaledObject", "maxReplicaCount").or_else(|| by("HorizontalPodAutoscaler", "maxReplicas"));
    let most = most.unwrap_or_else(|| deployment["replicas"].as_u64().unwrap());
    // Kubernetes' own is a quarter, rounded up.
    most + deployment["strategy"]["rollingUpdate"]["maxSurge"].as_u64().unwrap_or(most.div_ceil(4))
}

/// Of a role that it manages, CloudNativePG takes back every membership that is not written in the Cluster.
#[test]
fn no_role_that_an_operator_manages_is_made_a_member_by_migrations() {
    let granted = Regex::new(r"GRANT media_[a-z]+ TO (%I', current_user|\w+)").unwrap();
    let mut members = BTreeSet::new();
    for file in fs::read_dir(checkout().join("migrations")).unwrap() {
        let migration = fs::read_to_string(file.unwrap().path()).unwrap();
        members.extend(granted.captures_iter(&migration).map(|found| found[1].replace("%I', current_user", "media_owner")));
    }
    assert_eq!(members, BTreeSet::from(["media_owner".to_owned()]), "whoever runs them is the owner");

    let made = fs::read_to_string(checkout().join("deploy/kubernetes/servers-for-development/roles.sql")).unwrap();
    let login = Regex::new("(?m)^CREATE ROLE (media_[a-z]+) LOGIN").unwrap();
    let all: BTreeSet<&str> = login.captures_iter(&made).map(|found| found.get(1).unwrap().as_str()).collect();
    assert!(all.len() > SERVICES.len() && made.contains("CREATE ROLE media_owner LOGIN CREATEROLE "), "{made}");
    for cluster in Rendered::all().iter().flat_map(|rendered| rendered.kind("Cluster")) {
        let (spec, initdb) = (&cluster["spec"], &cluster["spec"]["bootstrap"]["initdb"]);
        let managed: BTreeSet<&str> = list(&spec["managed"]["roles"]).map(|role| role["name"].as_str().unwrap()).collect();
        assert!(members.iter().all(|member| !managed.contains(member.as_str())), "{managed:?}");
        let owner = initdb["owner"].as_str().unwrap();
        assert_eq!(managed.iter().copied().chain([owner]).collect::<BTreeSet<_>>(), all, "the roles of development, and no others");
        assert_eq!(initdb["postInitApplicationSQL"], json!([format!("ALTER ROLE {owner} CREATEROLE")]));
    }
}

#[test]
fn clamd_reads_all_that_it_is_sent_for_as_long_as_the_scanner_waits() {
    for rendered in Rendered::all() {
        let told = printed(rendered, "media-scanner");
        let sent: u64 = setting(&told, "max_stream_bytes").parse().unwrap();
        let waits_ms = seconds(setting(&told, "verdict_timeout")) * 1000;
        let settings: Vec<&str> = rendered.kind("ConfigMap").filter_map(|map| map["data"]["clamd.conf"].as_str()).collect();
        let [settings] = settings[..] else { panic!("{}: {settings:?}", rendered.overlay) };
        let said = |name: &str| settings.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        let number =
            |name: &str| said(name).and_then(|value| value.parse::<u64>().ok()).unwrap_or_else(|| panic!("no {name}:\n{settings}"));
        let limits = ["StreamMaxLength", "MaxFileSize", "MaxScanSize"].map(number);
        assert!(limits.iter().all(|limit| *limit == limits[0] && *limit >= sent), "{}: {limits:?} for {sent}", rendered.overlay);
        assert_eq!(said("AlertExceedsMax"), Some("yes"), "{}: it would call clean what it did not read", rendered.overlay);
        // Its own is two minutes, which a large archive takes.
        let takes_ms = number("MaxScanTime");
        assert!(takes_ms < waits_ms && takes_ms > waits_ms - 30_000, "{}: {takes_ms} ms of {waits_ms}", rendered.overlay);
        // What the image's own start waits for, with compose.
        assert!(rendered.overlay != "dev" || said("LocalSocket") == Some("/tmp/clamd.sock"), "{settings}");
    }
}

/// `weed shell` ends well whatever became of what it was told to do.
#[test]
fn the_buckets_are_there_or_their_command_fails() {
    let script = checkout().join("deploy/kubernetes/servers-for-development/buckets.sh");
    let both = r"  media\tsize:0\tchunk:0\n  media-quarantine\tsize:0\tchunk:0\n";
    for (listed, is_well) in [
        (both.to_owned(), true),
        // Where no terminal is, it asks for each of the three all the same.
        (format!("> > > {both}> "), true),
        (r"  media-quarantine\tsize:0\tchunk:0\n".to_owned(), false),
        (r"  media\tsize:0\tchunk:0\n".to_owned(), false),
        (String::new(), false),
    ] {
        let stands_in = format!(r#"weed() {{ cat >/dev/null; printf '{listed}'; }}; sleep() {{ :; }}; . "$0""#);
        let output = Command::new("sh").arg("-c").arg(stands_in).arg(&script).output().unwrap();
        assert_eq!(output.status.success(), is_well, "{listed}: {}", String::from_utf8_lossy(&output.stderr));
    }
    let dev = Rendered::all().iter().find(|rendered| rendered.overlay == "dev").unwrap();
    let job = dev.named("Job", "buckets").unwrap();
    assert_eq!(pods(job)["spec"]["containers"][0]["command"], json!(["sh", "/etc/buckets.sh"]));
    assert!(job["spec"]["activeDeadlineSeconds"].is_u64(), "without a master it waits for ever");
    let text = fs::read_to_string(checkout().join("deploy/compose.yaml")).unwrap();
    let compose: Value = serde_saphyr::from_str(&text).unwrap();
    assert_eq!(compose["services"]["buckets"]["entrypoint"], json!(["sh", "/etc/buckets.sh"]));
}

/// It goes by the addresses that it is told, and from inside a pod nobody else is at `localhost`.
#[test]
fn the_doctor_is_told_of_no_address_that_is_its_own() {
    for rendered in Rendered::all() {
        let container = &pods(rendered.named("CronJob", "media-doctor").unwrap())["spec"]["containers"][0];
        let environment = environment(rendered, container);
        assert!(environment.contains_key("MEDIA__S3__ENDPOINT"), "{}: {environment:?}", rendered.overlay);
        for (variable, value) in environment {
            assert!(!value.contains("//localhost") && !value.starts_with("localhost"), "{}: {variable} is {value}", rendered.overlay);
        }
    }
}
