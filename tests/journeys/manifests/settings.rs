use std::{collections::BTreeMap, process::Command};

use serde_json::Value;

use super::rendered::{Rendered, SERVICES, list, pods};
use crate::harness::program;

/// Services refuse a setting that they do not know, and one that lacks what is required.
#[test]
fn every_binary_takes_the_settings_that_it_is_given() {
    for rendered in Rendered::all() {
        for service in SERVICES {
            let place = format!("{}: {service}", rendered.overlay);
            let (_, container) = rendered.service(service);
            let environment = environment(rendered, container);
            assert!(environment.len() >= 3, "{place}: {environment:?}");
            let output = Command::new(program(service)).arg("--check").env_clear().envs(&environment).output().unwrap();
            assert!(output.status.success(), "{place}: {}", String::from_utf8_lossy(&output.stderr));

            let told = printed(rendered, service);
            for port in list(&container["ports"]) {
                let listens = format!("listen = \"0.0.0.0:{}\"", port["containerPort"]);
                assert!(told.contains(&listens), "{place}: it does not listen at {}", port["containerPort"]);
            }
        }
        for (kind, named) in [("Job", "media-migrate"), ("CronJob", "media-doctor")] {
            let container = &pods(rendered.named(kind, named).unwrap())["spec"]["containers"][0];
            let words = list(&container["args"]).map(|word| word.as_str().unwrap());
            let output = Command::new(program("media")).args(words).arg("--help").output().unwrap();
            let help = String::from_utf8(output.stdout).unwrap();
            for variable in list(&container["env"]) {
                let read = variable["name"].as_str().unwrap();
                let is_read = ["]", "="].iter().any(|end| help.contains(&format!("[env: {read}{end}")));
                assert!(is_read, "{named}: nothing reads {read}\n{help}");
            }
        }
    }
}

/// All settings of one of [`SERVICES`] in the place where it is put.
pub fn printed(rendered: &Rendered, service: &str) -> String {
    let (_, container) = rendered.service(service);
    printed_with(service, &environment(rendered, container))
}

pub fn printed_with(service: &str, environment: &BTreeMap<String, String>) -> String {
    let output = Command::new(program(service)).arg("--print-settings").env_clear().envs(environment).output().unwrap();
    assert!(output.status.success(), "{service}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// One of them, by the last part of its name.
pub fn setting<'a>(printed: &'a str, name: &str) -> &'a str {
    let value = |line: &'a str| line.strip_prefix(name)?.strip_prefix(" = ");
    printed.lines().find_map(value).unwrap_or_else(|| panic!("no {name} in\n{printed}")).trim_matches('"')
}

/// `35s`, `10m`.
pub fn seconds(duration: &str) -> u64 {
    let (number, unit) = duration.split_at(duration.len() - 1);
    let unit_s = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        _ => panic!("a duration that this test does not know: {duration}"),
    };
    number.parse::<u64>().unwrap() * unit_s
}

/// As the container would find it: what all are told, then what this one is.
pub fn environment(rendered: &Rendered, container: &Value) -> BTreeMap<String, String> {
    let mut environment = BTreeMap::new();
    for source in list(&container["envFrom"]) {
        let map = rendered.named("ConfigMap", source["configMapRef"]["name"].as_str().unwrap()).unwrap();
        environment.extend(map["data"].as_object().unwrap().iter().map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned())));
    }
    for variable in list(&container["env"]) {
        let value = match variable["valueFrom"]["secretKeyRef"]["key"].as_str() {
            None => variable["value"].as_str().unwrap().to_owned(),
            Some(key) => secret(key).to_owned(),
        };
        environment.insert(variable["name"].as_str().unwrap().to_owned(), value);
    }
    environment
}

/// Something of the kind that the README says.
fn secret(key: &str) -> &'static str {
    match key {
        "database-url" => "postgres://role:password@host:5432/media?sslmode=require",
        "amqp-url" => "amqps://user:password@host:5671/%2f",
        "s3-access-key-id" | "s3-secret-access-key" => "key",
        "playback-keys" => "[{ id = \"a\", secret = \"thirty-two bytes or more of chance\" }]",
        "hs256-secret" => "thirty-two bytes or more of chance",
        other => panic!("a Secret's key that this test does not know: {other}"),
    }
}
