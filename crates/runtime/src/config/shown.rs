//! Settings as a person may see them: TOML, with `***` for every secret that is given.
//!
//! A secret is a type that only serializes where its struct says how, so that a forgotten one does not compile.

use serde::Serializer;
use toml::{Table, Value};

use super::given::{Given, Refusal};
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

/// Whether what is given at `path` is a secret: a text, or each of a list, or one in each table of a list.
pub(super) fn hides<T: Settings>(known: &Table, path: &[&str]) -> bool {
    let given = || Value::String("given".to_owned());
    [given(), Value::Array(vec![given()]), Value::Array(vec![Value::Table(needed::<T>(known, path))])]
        .into_iter()
        .filter_map(|probe| read_back::<T>(known, path, probe).ok().flatten())
        .any(|shown| is_hidden(&shown))
}

fn is_hidden(shown: &Value) -> bool {
    match shown {
        Value::Array(list) => list.iter().any(is_hidden),
        Value::Table(table) => table.values().any(is_hidden),
        shown => shown.as_str() == Some(HIDDEN),
    }
}

/// What is shown at `path` where `probe` is given there.
fn read_back<T: Settings>(known: &Table, path: &[&str], probe: Value) -> Result<Option<Value>, Refusal> {
    let mut table = known.clone();
    layers::put(&mut table, path, probe);
    let read = Table::try_from(T::deserialize(Given(Value::Table(table)))?).ok();
    let [tables @ .., key] = path else { return Ok(None) };
    let table = tables.iter().try_fold(read.as_ref(), |table, key| Some(table?.get(*key)?.as_table()));
    Ok(table.flatten().and_then(|table| table.get(*key)).cloned())
}

/// A table for a list at `path`, of all that such a one needs to have. The struct says what that is: it refuses one that has less.
fn needed<T: Settings>(known: &Table, path: &[&str]) -> Table {
    let mut table = Table::new();
    while let Err(refusal) = read_back::<T>(known, path, Value::Array(vec![Value::Table(table.clone())])) {
        let Some(field) = refusal.missing().filter(|field| !table.contains_key(*field)) else { break };
        table.insert(field.to_owned(), Value::String("given".to_owned()));
    }
    table
}
