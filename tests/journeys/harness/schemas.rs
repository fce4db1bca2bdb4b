//! The JSON Schemas of `docs/events`: what every event that any journey sees is held against.

use std::{collections::BTreeMap, fs, path::Path, sync::LazyLock};

use jsonschema::Validator;
use serde_json::{Value, json};

use super::consumer::Event;

/// Of the repository.
pub const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/events");

static SCHEMAS: LazyLock<Schemas> = LazyLock::new(Schemas::read);

struct Schemas {
    headers: Validator,
    data: BTreeMap<String, Validator>,
}

impl Schemas {
    fn read() -> Self {
        let json = |path: &Path| serde_json::from_slice::<Value>(&fs::read(path).unwrap()).unwrap();
        let of = |schema: &Value| jsonschema::options().should_validate_formats(true).build(schema).unwrap();
        let asyncapi = json(&Path::new(FOLDER).join("asyncapi.json"));
        let files = fs::read_dir(Path::new(FOLDER).join("schemas")).unwrap().map(|file| file.unwrap().path());
        let data = files.map(|path| (path.file_stem().unwrap().to_str().unwrap().to_owned(), of(&json(&path)))).collect();
        Self { headers: of(&asyncapi["components"]["schemas"]["headers"]), data }
    }
}

/// What of an event is not as it is described.
pub fn misfits(event: &Event) -> Vec<String> {
    let Some(schema) = SCHEMAS.data.get(&event.event_type) else { return vec![format!("{} has no schema", event.event_type)] };
    let headers = json!(event.attributes.iter().map(|(name, value)| (format!("cloudEvents_{name}"), value)).collect::<BTreeMap<_, _>>());
    let wrong = schema.iter_errors(&event.data).map(|error| (error.to_string(), error.instance_path().to_string()));
    let wrong = wrong.chain(SCHEMAS.headers.iter_errors(&headers).map(|error| (error.to_string(), error.instance_path().to_string())));
    wrong.map(|(error, place)| format!("{}{place}: {error}", event.event_type)).collect()
}
