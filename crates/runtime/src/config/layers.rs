//! One layer of settings laid over another, with what does not belong refused.

use std::collections::BTreeMap;
use std::ffi::OsString;

use serde_path_to_error::{Path, Segment};
use toml::{Table, Value};

use super::Problem;

/// What the name of a variable begins with; `__` goes one table deeper.
const PREFIX: &str = "MEDIA__";

/// Parses TOML. The problem tells the line, and nothing of its text: it may hold a secret.
pub(super) fn parse(text: &str, name: &str) -> Result<Table, Problem> {
    text.parse::<Table>().map_err(|error| {
        let line = error.span().map_or(1, |span| 1 + text[..span.start.min(text.len())].matches('\n').count());
        Problem::new(format!("{name}, line {line}"), error.message())
    })
}

/// Lays `over` on `table`, without judging.
pub(super) fn merge(table: &mut Table, over: Table) {
    for (key, value) in over {
        match (table.get_mut(&key), value) {
            (Some(Value::Table(below)), Value::Table(value)) => merge(below, value),
            (_, value) => {
                table.insert(key, value);
            }
        }
    }
}

/// Lays the file called `file` on `settled`; `at` is the table we are in (`s3.`), or empty.
pub(super) fn lay_file(settled: &mut Table, known: &Table, given: Table, at: &str, file: &str, problems: &mut Vec<Problem>) {
    for (key, value) in given {
        let mut refuse = |reason: String| problems.push(Problem::new(format!("{at}{key} in {file}"), reason));
        match (known.get(&key), value) {
            (None, _) => refuse("there is no such setting".to_owned()),
            (Some(Value::Table(known)), Value::Table(given)) if !known.is_empty() => {
                if let Some(Value::Table(settled)) = settled.get_mut(&key) {
                    lay_file(settled, known, given, &format!("{at}{key}."), file, problems);
                }
            }
            (Some(Value::Float(_)), Value::Integer(whole)) => {
                settled.insert(key, Value::Float(whole as f64));
            }
            (Some(known), value) if known.same_type(&value) => {
                settled.insert(key, value);
            }
            (Some(known), value) => refuse(format!("expects {}, got {}", kind(known), kind(&value))),
        }
    }
}

/// Lays the variables that begin with [`PREFIX`] on `settled`.
pub(super) fn lay_environment(settled: &mut Table, known: &Table, environment: BTreeMap<OsString, OsString>, problems: &mut Vec<Problem>) {
    for (name, value) in environment {
        if !name.as_encoded_bytes().starts_with(PREFIX.as_bytes()) {
            continue;
        }
        let place = name.to_string_lossy().into_owned();
        let outcome = match (name.to_str(), value.to_str()) {
            (Some(name), Some(value)) => {
                let keys = name[PREFIX.len()..].to_lowercase();
                lay_variable(settled, known, &keys.split("__").collect::<Vec<_>>(), value)
            }
            _ => Err("is not UTF-8".to_owned()),
        };
        if let Err(reason) = outcome {
            problems.push(Problem::new(place, reason));
        }
    }
}

fn lay_variable(settled: &mut Table, known: &Table, keys: &[&str], text: &str) -> Result<(), String> {
    let no_such = || "there is no such setting".to_owned();
    let [key, deeper @ ..] = keys else { return Err(no_such()) };
    let below = known.get(*key).ok_or_else(no_such)?;
    match (below, deeper) {
        (Value::Table(open), [entry]) if open.is_empty() && !entry.is_empty() => {
            if let Some(Value::Table(settled)) = settled.get_mut(*key) {
                settled.insert((*entry).to_owned(), Value::String(text.to_owned()));
            }
            Ok(())
        }
        (Value::Table(_), []) => Err("is a table: set what is in it".to_owned()),
        (Value::Table(below), deeper) => match settled.get_mut(*key) {
            Some(Value::Table(settled)) => lay_variable(settled, below, deeper, text),
            _ => Err(no_such()),
        },
        (like, []) => {
            let value = value_like(like, text).ok_or_else(|| format!("expects {}", kind(like)))?;
            settled.insert((*key).to_owned(), value);
            Ok(())
        }
        (_, [_, ..]) => Err(no_such()),
    }
}

/// `text` as a value of the same type as `like`. A list is TOML (`["a", "b"]`) or separated by commas.
fn value_like(like: &Value, text: &str) -> Option<Value> {
    match like {
        Value::String(_) => Some(Value::String(text.to_owned())),
        Value::Integer(_) => text.trim().parse().ok().map(Value::Integer),
        Value::Float(_) => text.trim().parse().ok().map(Value::Float),
        Value::Boolean(_) => text.trim().parse().ok().map(Value::Boolean),
        Value::Datetime(_) => text.trim().parse().ok().map(Value::Datetime),
        Value::Array(_) if text.trim_start().starts_with('[') => {
            let table = format!("list = {text}").parse::<Table>().ok()?;
            // A value cannot smuggle in further settings: only the list is taken.
            table.get("list").filter(|_| table.len() == 1).cloned()
        }
        Value::Array(likes) => {
            let element_like = likes.first().cloned().unwrap_or(Value::String(String::new()));
            let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
            parts.map(|part| value_like(&element_like, part)).collect::<Option<Vec<_>>>().map(Value::Array)
        }
        Value::Table(_) => None,
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::String(_) => "a text",
        Value::Integer(_) => "a whole number",
        Value::Float(_) => "a number",
        Value::Boolean(_) => "true or false",
        Value::Datetime(_) => "a date or time",
        Value::Array(_) => "a list",
        Value::Table(_) => "a table",
    }
}

/// Puts `value` in the place of what lies at `path`.
pub(super) fn put(table: &mut Table, path: &[&str], value: Value) {
    let [key, deeper @ ..] = path else { return };
    match (table.get_mut(*key), deeper) {
        (Some(at), []) => *at = value,
        (Some(Value::Table(below)), deeper) => put(below, deeper, value),
        _ => {}
    }
}

/// Sets what lies at `path` back to its default. False if it already was the default, or has none.
pub(super) fn set_back(table: &mut Table, known: &Table, path: &Path) -> bool {
    let mut keys = Vec::new();
    for segment in path {
        match segment {
            Segment::Map { key } => keys.push(key.as_str()),
            _ => break,
        }
    }
    set_back_at(table, known, &keys)
}

fn set_back_at(table: &mut Table, known: &Table, keys: &[&str]) -> bool {
    let [key, deeper @ ..] = keys else {
        let changes = table != known;
        table.clone_from(known);
        return changes;
    };
    match (table.get_mut(*key), known.get(*key)) {
        (Some(Value::Table(table)), Some(Value::Table(known))) => set_back_at(table, known, deeper),
        (Some(value), Some(default)) => {
            let changes = value != default;
            value.clone_from(default);
            changes
        }
        (Some(_), None) => table.remove(*key).is_some(),
        (None, _) => false,
    }
}
