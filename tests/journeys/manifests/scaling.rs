use std::collections::BTreeSet;

use media_domain::work::Queue;
use media_messaging::topology::{Role, TOPOLOGY};
use serde_json::json;

use super::{
    rendered::{Rendered, list},
    settings::{printed, setting},
};

#[test]
fn workers_are_scaled_by_the_sum_of_their_queue_and_its_leases() {
    let declared: BTreeSet<(Queue, String)> = TOPOLOGY
        .queues
        .iter()
        .filter_map(|queue| match queue.role {
            Role::Work(work) => Some((work, queue.name.clone())),
            _ => None,
        })
        .collect();
    for rendered in Rendered::all() {
        let mut scaled = BTreeSet::new();
        for object in rendered.kind("ScaledObject") {
            let spec = &object["spec"];
            let worker = spec["scaleTargetRef"]["name"].as_str().unwrap();
            let queue = queue_of(worker);
            let place = format!("{}: {worker}", rendered.overlay);
            let modifiers = &spec["advanced"]["scalingModifiers"];
            assert_eq!(modifiers["formula"], "queue + leases", "{place}: side by side the larger of the two would count");
            assert_eq!(modifiers["metricType"], "AverageValue", "{place}");
            // As many as one pod does at once of whatever waits; of imports the scanner does one less than it may do of all (`desk`).
            let permits: u64 = setting(&printed(rendered, worker), "permits").parse().unwrap();
            let at_once = if queue == Queue::Scan { permits.saturating_sub(1).max(1) } else { permits };
            assert_eq!(modifiers["target"], at_once.to_string(), "{place}");
            assert_eq!(spec["minReplicaCount"], 0, "{place}");
            assert!(spec["cooldownPeriod"].as_u64() >= Some(60), "{place}");
            assert!(spec["fallback"]["replicas"].as_u64() > Some(0), "{place}: without a broker to ask, nobody would be there");

            let trigger = |name: &str| {
                list(&spec["triggers"]).find(|trigger| trigger["name"] == name).unwrap_or_else(|| panic!("{place}: no {name}"))
            };
            let (waiting, leases) = (trigger("queue"), trigger("leases"));
            assert_eq!((&waiting["type"], &leases["type"]), (&json!("rabbitmq"), &json!("postgresql")), "{place}");
            let name = waiting["metadata"]["queueName"].as_str().unwrap();
            assert!(declared.contains(&(queue, name.to_owned())), "{place}: {name} is not its queue among {declared:?}");
            // Which `schema::scaling` calls.
            assert_eq!(leases["metadata"]["query"], format!("SELECT media.live_leases('{queue}')"), "{place}");
            for trigger in list(&spec["triggers"]) {
                let named = trigger["authenticationRef"]["name"].as_str().unwrap();
                assert!(rendered.named("TriggerAuthentication", named).is_some(), "{place}: no {named}");
            }
            scaled.insert(queue);
        }
        assert_eq!(scaled, Queue::ALL.iter().copied().collect(), "{}: each queue has its worker", rendered.overlay);
    }
}

fn queue_of(worker: &str) -> Queue {
    match worker {
        "media-scanner" => Queue::Scan,
        "media-transcoder" => Queue::Transcode,
        "media-captioner" => Queue::Caption,
        other => panic!("{other} has no queue"),
    }
}
