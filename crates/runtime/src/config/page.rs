//! A page of all settings: keys, defaults and what they are for stand in the defaults, types and limits in the structs, which are
//! asked for them by a value that cannot be right.

use std::fmt::Write as _;

use toml::{Table, Value};
use toml_edit::{DocumentMut, Item, Table as Section};

use super::given::{Given, Refusal};
use super::{COMMON_DEFAULTS, CommonSettings, Problem, Problems, Settings, layers, shown};

/// The settings of a binary as Markdown. `defaults` is its `defaults.toml`.
pub(crate) fn page<C: Settings>(name: &str, defaults: &str) -> Result<String, Problems> {
    let rows = [rows::<C>(defaults), rows::<CommonSettings>(COMMON_DEFAULTS)];
    let mut text = format!("## {name}\n\n| setting | variable | type | default | what it is for |\n| --- | --- | --- | --- | --- |\n");
    for row in rows {
        text += &row.map_err(|problem| Problems(vec![problem]))?;
    }
    Ok(text)
}

fn rows<T: Settings>(defaults: &str) -> Result<String, Problem> {
    let wrong = |reason: String| Problem::new("the defaults", reason);
    let known = layers::parse(defaults, "the defaults")?;
    let document = defaults.parse::<DocumentMut>().map_err(|error| wrong(error.message().to_owned()))?;
    let mut rows = String::new();
    let mut open: Vec<(Vec<&str>, &Section)> = vec![(Vec::new(), document.as_table())];
    while let Some((path, table)) = open.pop() {
        let mut below = Vec::new();
        let about = sentences(table.decor().prefix().and_then(|it| it.as_str()).unwrap_or_default());
        if !about.is_empty() {
            writeln!(rows, "| `{}` | | | | {about} |", path.join(".")).map_err(|error| wrong(error.to_string()))?;
        }
        for (key, item) in table.iter() {
            let path = [path.clone(), vec![key]].concat();
            match item {
                Item::Value(value) => {
                    let comment = table.key(key).and_then(|key| key.leaf_decor().prefix()).and_then(|it| it.as_str());
                    let default = value.to_string();
                    let default = default.trim();
                    let secret = shown::hides::<T>(&known, &path);
                    let kind = kind::<T>(&known, &path).ok_or_else(|| wrong(format!("{} takes anything", path.join("."))))?;
                    let (setting, variable) = (path.join("."), path.join("__").to_uppercase());
                    let (secret, what) = (if secret { "secret: " } else { "" }, sentences(comment.unwrap_or_default()));
                    let row = format!("| `{setting}` | `MEDIA__{variable}` | {secret}{kind} | `{default}` | {what} |");
                    writeln!(rows, "{row}").map_err(|error| wrong(error.to_string()))?;
                }
                item => below.extend(item.as_table().map(|table| (path, table))),
            }
        }
        open.extend(below.into_iter().rev());
    }
    Ok(rows)
}

/// What the struct takes at `path`, in its own words.
fn kind<T: Settings>(known: &Table, path: &[&str]) -> Option<String> {
    let answer = |probe: Value| {
        let mut table = known.clone();
        layers::put(&mut table, path, probe);
        T::deserialize(Given(Value::Table(table))).err().map(|it: Refusal| it.expected().to_owned())
    };
    let nothing = || Value::Array(Vec::new());
    match answer(nothing()) {
        Some(kind) => Some(kind + unit(path)),
        // What takes an empty list is a list: what of?
        None => answer(Value::Array(vec![nothing()])).map(|kind| format!("a list, each {kind}")),
    }
}

/// Names carry their units.
fn unit(path: &[&str]) -> &'static str {
    let name = path.last().copied().unwrap_or_default();
    if name.ends_with("bytes_per_second") {
        ", bytes in a second"
    } else if name.ends_with("per_second") {
        ", in a second"
    } else if name.contains("bytes") {
        ", bytes"
    } else {
        ""
    }
}

/// The paragraph that stands right above, for a cell of a table. A line that is indented begins a line.
fn sentences(comment: &str) -> String {
    let paragraph = comment.rsplit("\n\n").next().unwrap_or_default();
    let mut text = String::new();
    for line in paragraph.lines().filter_map(|line| line.trim().strip_prefix('#')) {
        text += match line.strip_prefix("   ") {
            Some(_) => "<br>",
            None => " ",
        };
        text += line.trim();
    }
    text.trim().replace('|', "\\|")
}
