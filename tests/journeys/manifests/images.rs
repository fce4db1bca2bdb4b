use std::{collections::BTreeMap, fs, process::Command};

use serde_json::{Value, json};

use super::{
    rendered::{Rendered, SERVICES},
    settings::{printed_with, seconds, setting},
};
use crate::harness::{checkout, program};

#[test]
fn every_image_has_a_list_of_packages_a_target_and_a_place_in_the_bake_file() {
    let deploy = checkout().join("deploy");
    let dockerfile = fs::read_to_string(deploy.join("Dockerfile")).unwrap();
    let bake = fs::read_to_string(deploy.join("docker-bake.hcl")).unwrap();
    let proof = fs::read_to_string(deploy.join("prove-images")).unwrap();
    for image in SERVICES.into_iter().chain(["media"]) {
        let (_, stage) = dockerfile.split_once(&format!("FROM smallest AS {image}\n")).unwrap_or_else(|| panic!("no target {image}"));
        let stage = stage.split("\nFROM ").next().unwrap();
        let list = format!("images/{image}.packages");
        assert!(deploy.join(&list).is_file() && stage.contains(&list), "{image}: its list, and no other's");
        assert!(stage.contains(&format!("COPY --from=build /media/target/release/{image} /usr/local/bin/\n")), "{image}");
        assert!(stage.contains("\nUSER 65532:65532\n"), "{image} is root");
        assert!(stage.contains(&format!("ENTRYPOINT [\"/usr/local/bin/{image}\"]")), "{image}");
        for label in ["title", "description", "version", "revision"] {
            assert!(stage.contains(&format!("org.opencontainers.image.{label}=")), "{image}: no {label}");
        }
        assert!(bake.contains(&format!("\"{image}\"")), "{image} is not baked");
        assert!(proof.lines().any(|line| line.starts_with("names=(") && line.contains(image)), "{image} is not proved");
    }
    // Docker's own builder makes none: where nothing is pushed, none is asked for.
    assert!(bake.contains("type=sbom") && bake.contains("if REPOSITORY != \"\"]"), "{bake}");
    let codecs = ["gstreamer", "libvips"];
    for image in SERVICES.into_iter().chain(["media"]).filter(|image| *image != "media-transcoder") {
        let list = fs::read_to_string(deploy.join(format!("images/{image}.packages"))).unwrap();
        assert!(!codecs.iter().any(|codec| list.contains(codec)), "only the transcoder's image carries codecs: {image}");
    }
}

fn compose() -> Value {
    serde_saphyr::from_str(&fs::read_to_string(checkout().join("deploy/compose.yaml")).unwrap()).unwrap()
}

#[test]
fn with_compose_every_binary_is_locked_as_in_a_cluster_and_takes_its_settings() {
    let compose = compose();
    for service in SERVICES {
        let spec = &compose["services"][service];
        assert_eq!(spec["build"]["target"], service);
        assert_eq!((&spec["read_only"], &spec["cap_drop"]), (&json!(true), &json!(["ALL"])), "{service}");
        assert_eq!(spec["security_opt"], json!(["no-new-privileges:true"]), "{service}");
        let given = spec["environment"].as_object().unwrap().iter();
        let environment: BTreeMap<String, String> = given.map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned())).collect();
        let output = Command::new(program(service)).arg("--check").env_clear().envs(&environment).output().unwrap();
        assert!(output.status.success(), "{service}: {}", String::from_utf8_lossy(&output.stderr));
        let grace_s = seconds(setting(&printed_with(service, &environment), "grace"));
        let given_s = seconds(spec["stop_grace_period"].as_str().unwrap_or("10s"));
        assert!(given_s >= grace_s + 5, "{service}: {given_s} s for {grace_s}");
    }
    for (name, server) in compose["services"].as_object().unwrap() {
        let image = server["image"].as_str().unwrap();
        assert!(image.contains(':') && !image.ends_with(":latest"), "{name}: {image}");
    }
}

#[test]
fn with_compose_who_needs_something_waits_until_it_is_there() {
    let compose = compose();
    let services = compose["services"].as_object().unwrap();
    for (service, spec) in services {
        for (needed, how) in spec["depends_on"].as_object().into_iter().flatten() {
            // They make something and end; servers stay, and say when they are there.
            let ends = ["migrate", "buckets"].contains(&needed.as_str());
            let condition = if ends { "service_completed_successfully" } else { "service_healthy" };
            assert_eq!(how["condition"], condition, "{service}: {needed}");
            assert!(ends || services[needed]["healthcheck"]["test"].is_array(), "{needed} never says that it is there");
        }
    }
    for service in SERVICES {
        let needed: Vec<&str> = services[service]["depends_on"].as_object().unwrap().keys().map(String::as_str).collect();
        assert!(["migrate", "buckets", "rabbitmq", "clamd"].iter().all(|name| needed.contains(name)), "{service}: {needed:?}");
    }
    // Its master answers before its filer and S3 do.
    assert!(services["store"]["healthcheck"]["test"].to_string().contains(":8333/"), "{}", services["store"]["healthcheck"]);
    // Its volume holds the files of a node by that name.
    assert_eq!(services["rabbitmq"]["hostname"], "rabbitmq");
}

#[test]
fn compose_has_the_servers_and_the_memory_that_a_cluster_has() {
    let compose = compose();
    let by_overlay = |overlay: &str| Rendered::all().iter().find(|rendered| rendered.overlay == overlay).unwrap();
    let (dev, production) = (by_overlay("dev"), by_overlay("production"));
    for server in ["postgres", "rabbitmq", "clamd", "store"] {
        let (_, container) = dev.service(server);
        assert_eq!(compose["services"][server]["image"], container["image"], "{server}");
    }
    let broker = &production.named("RabbitmqCluster", "rabbitmq").unwrap()["spec"]["image"];
    let tried = compose["services"]["rabbitmq"]["image"].as_str().unwrap();
    assert_eq!(*broker, format!("{tried}-management"), "as the operator wants it, of the version that is tried");
    let catalogue = &production.named("Cluster", "postgres").unwrap()["spec"]["imageCatalogRef"];
    let tried = compose["services"]["postgres"]["image"].as_str().unwrap();
    assert!(tried.starts_with(&format!("postgres:{}.", catalogue["major"])), "{tried}: {catalogue}");

    let (_, transcoder) = production.service("media-transcoder");
    let limit = transcoder["resources"]["limits"]["memory"].as_str().unwrap();
    let given = compose["services"]["media-transcoder"]["mem_limit"].as_str().unwrap();
    assert_eq!(format!("{given}i"), limit.to_lowercase(), "of the same child");
}
