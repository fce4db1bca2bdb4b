//! The description, and the list of events in the code.

use std::{collections::BTreeSet, fs, path::Path};

use serde_json::Value;

use crate::harness::schemas;

/// Where the code says what each event is called.
const CODE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../crates/domain/src/event.rs");

#[test]
fn every_event_of_the_code_is_described_and_nothing_else() {
    let code = fs::read_to_string(CODE).unwrap();
    let arms = code.lines().filter_map(|line| line.trim().split_once(" => \"media.")?.1.strip_suffix("\","));
    let types: BTreeSet<String> = arms.map(|rest| format!("media.{rest}")).collect();
    assert!(types.len() >= 22 && types.contains("media.asset.ready.v1"), "the code was read: {types:?}");

    let folder = Path::new(schemas::FOLDER);
    let asyncapi: Value = serde_json::from_slice(&fs::read(folder.join("asyncapi.json")).unwrap()).unwrap();
    let channels = asyncapi["channels"].as_object().unwrap();
    let addresses: BTreeSet<String> = channels.values().map(|channel| channel["address"].as_str().unwrap().to_owned()).collect();
    assert_eq!(addresses, types, "the channels");
    let files = fs::read_dir(folder.join("schemas")).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap());
    assert_eq!(files.collect::<BTreeSet<_>>(), types.iter().map(|kind| format!("{kind}.json")).collect(), "the schemas");
    for (key, channel) in channels {
        let (address, message) = (channel["address"].as_str().unwrap(), &asyncapi["components"]["messages"][key]);
        assert_eq!(message["name"], address);
        assert_eq!(message["payload"]["$ref"], format!("./schemas/{address}.json"));
        assert_eq!(channel["messages"][key]["$ref"], format!("#/components/messages/{key}"));
        assert_eq!(asyncapi["operations"][format!("send-{key}")]["channel"]["$ref"], format!("#/channels/{key}"));
    }
}
