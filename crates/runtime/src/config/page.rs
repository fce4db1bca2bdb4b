//! A page of all settings: keys, defaults and what they are for stand in the defaults, types and limits in the structs, which are
//! asked for them by a value that cannot be right.

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
    let known = layers::parse(defaults, "the defaults")?;
    let mut rows = String::new();
    for Entry { path, default, what } in entries(defaults)? {
        let setting = path.join(".");
        let Some(default) = default else {
            rows += &format!("| `{setting}` | | | | {what} |\n");
            continue;
        };
        let path = path.iter().map(String::as_str).collect::<Vec<_>>();
        let kind = kind::<T>(&known, &path).ok_or_else(|| Problem::new(&setting, "takes anything"))?;
        let secret = if shown::hides::<T>(&known, &path) { "secret: " } else { "" };
        let variable = path.join("__").to_uppercase();
        rows += &format!("| `{setting}` | `MEDIA__{variable}` | {secret}{kind} | `{default}` | {what} |\n");
    }
    Ok(rows)
}

/// The settings of which nothing says what they are for.
pub(super) fn without_comment(defaults: &str) -> Result<Vec<Problem>, Problem> {
    let silent = entries(defaults)?.into_iter().filter(|entry| entry.what.is_empty());
    Ok(silent.map(|entry| Problem::new(entry.path.join("."), "has no comment in the defaults")).collect())
}

/// A setting, or a table that has a comment of its own: then without a default.
struct Entry {
    path: Vec<String>,
    default: Option<String>,
    what: String,
}

fn entries(defaults: &str) -> Result<Vec<Entry>, Problem> {
    let document = defaults.parse::<DocumentMut>().map_err(|error| Problem::new("the defaults", error.message()))?;
    let mut entries = Vec::new();
    let mut open: Vec<(Vec<String>, &Section)> = vec![(Vec::new(), document.as_table())];
    while let Some((path, table)) = open.pop() {
        let mut below = Vec::new();
        let what = sentences(table.decor().prefix().and_then(|it| it.as_str()));
        if !what.is_empty() {
            entries.push(Entry { path: path.clone(), default: None, what });
        }
        for (key, item) in table.iter() {
            let path = [path.as_slice(), &[key.to_owned()]].concat();
            match item {
                Item::Value(value) => {
                    let what = sentences(table.key(key).and_then(|key| key.leaf_decor().prefix()).and_then(|it| it.as_str()));
                    entries.push(Entry { path, default: Some(value.to_string().trim().to_owned()), what });
                }
                item => below.extend(item.as_table().map(|table| (path, table))),
            }
        }
        open.extend(below.into_iter().rev());
    }
    Ok(entries)
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
fn sentences(comment: Option<&str>) -> String {
    let paragraph = comment.unwrap_or_default().rsplit("\n\n").next().unwrap_or_default();
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
