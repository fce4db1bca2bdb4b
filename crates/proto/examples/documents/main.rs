//! Writes what is told of the contract into a folder: `api.md` of the services, and of the events their AsyncAPI document with a
//! JSON Schema each. All of it stands in the protos; `deploy/documents` calls this.

mod api_page;
mod contract;
mod events;
#[path = "../../../api/src/auth/scopes.rs"]
mod scopes;

use std::{error::Error, fs, path::PathBuf};

use contract::Contract;

fn main() -> Result<(), Box<dyn Error>> {
    let folder = PathBuf::from(std::env::args_os().nth(1).ok_or("names no folder to write to")?);
    let contract = Contract::read()?;
    let schemas = folder.join("events/schemas");
    fs::create_dir_all(&schemas)?;
    fs::write(folder.join("api.md"), api_page::page(&contract)?)?;
    let described = events::described(&contract)?;
    fs::write(folder.join("events/asyncapi.json"), events::asyncapi(&described)? + "\n")?;
    for event in described {
        fs::write(schemas.join(format!("{}.json", event.kind)), serde_json::to_string_pretty(&event.schema)? + "\n")?;
    }
    Ok(())
}
