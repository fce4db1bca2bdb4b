use std::{fs, process::Command};

use serde_json::{Value, json};

use super::rendered::SERVICES;
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
    let codecs = ["gstreamer", "libvips"];
    for image in SERVICES.into_iter().chain(["media"]).filter(|image| *image != "media-transcoder") {
        let list = fs::read_to_string(deploy.join(format!("images/{image}.packages"))).unwrap();
        assert!(!codecs.iter().any(|codec| list.contains(codec)), "only the transcoder's image carries codecs: {image}");
    }
}

#[test]
fn with_compose_every_binary_is_locked_as_in_a_cluster_and_takes_its_settings() {
    let text = fs::read_to_string(checkout().join("deploy/compose.yaml")).unwrap();
    let compose: Value = serde_saphyr::from_str(&text).unwrap();
    for service in SERVICES {
        let spec = &compose["services"][service];
        assert_eq!(spec["build"]["target"], service);
        assert_eq!((&spec["read_only"], &spec["cap_drop"]), (&json!(true), &json!(["ALL"])), "{service}");
        assert_eq!(spec["security_opt"], json!(["no-new-privileges:true"]), "{service}");
        let environment = spec["environment"].as_object().unwrap().iter().map(|(name, value)| (name.as_str(), value.as_str().unwrap()));
        let output = Command::new(program(service)).arg("--check").env_clear().envs(environment).output().unwrap();
        assert!(output.status.success(), "{service}: {}", String::from_utf8_lossy(&output.stderr));
    }
    for (name, server) in compose["services"].as_object().unwrap() {
        let image = server["image"].as_str().unwrap();
        assert!(image.contains(':') && !image.ends_with(":latest"), "{name}: {image}");
    }
}
