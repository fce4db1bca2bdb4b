//! Settings as a person may see them: TOML, with `***` for every secret that is given.
//!
//! A secret is a type that only serializes where its struct says how, so that a forgotten one does not compile.

use serde::Serializer;
use toml::{Table, Value};

use super::given::Given;
use super::{Settings, layers};

const HIDDEN: &str = "***";

/// For `#[serde(serialize_with)]` of a secret.
pub fn hidden<T, S: Serializer>(_: &T, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(HIDDEN)
}

/// `settled` as `read` says it. An optional setting that is not given, and a secret that is empty, stay the empty text.
pub(super) fn shown(settled: Table, read: &impl serde::Serialize) -> Result<Table, toml::ser::Error> {
    let mut table = settled;
    lay_given(&mut table, Table::try_from(read)?);
    Ok(table)
}

fn lay_given(table: &mut Table, read: Table) {
    for (key, value) in read {
        match (table.get_mut(&key), value) {
            (Some(Value::Table(below)), Value::Table(value)) => lay_given(below, value),
            (Some(Value::String(text)), _) if text.is_empty() => {}
            (_, value) => {
                table.insert(key, value);
            }
        }
    }
}

/// Whether what is given at `path` is a secret.
pub(super) fn hides<T: Settings>(known: &Table, path: &[&str]) -> bool {
    let mut table = known.clone();
    layers::put(&mut table, path, Value::String("given".to_owned()));
    let read = T::deserialize(Given(Value::Table(table))).ok().and_then(|read: T| Table::try_from(read).ok());
    let [tables @ .., key] = path else { return false };
    let table = tables.iter().try_fold(read.as_ref(), |table, key| Some(table?.get(*key)?.as_table()));
    table.flatten().and_then(|table| table.get(*key)).and_then(Value::as_str) == Some(HIDDEN)
}
