//! Settings: a binary's embedded `defaults.toml`, then a file, then the environment.
//!
//! Promises: the defaults name every setting there is, so a key that they lack is refused wherever it comes from,
//! and a value has the type of its default: `MEDIA__S3__PASSWORD=12345` stays text, `MEDIA__POOL__SIZE=x` is
//! refused. A table that is empty in the defaults takes any keys. An optional setting that is not given is an empty text. All
//! problems are reported together; none repeats a value of the wrong type or a line that is no TOML, which may hold a secret.

mod given;
mod layers;
mod page;
mod shown;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use axum::http::Uri;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use toml::{Table, Value};
use tracing_subscriber::EnvFilter;

use given::Given;
pub(crate) use page::page;
pub use shown::hidden;

/// The settings of one binary.
///
/// A secret is a [`secrecy::SecretString`] and serialized by [`hidden`]: what is serialized is what `--print-settings` shows.
pub trait Settings: DeserializeOwned + Serialize + fmt::Debug + Send + 'static {
    /// What types cannot say: limits, and rules between settings. Checked before a port opens.
    fn problems(&self) -> Vec<Problem> {
        Vec::new()
    }
}

/// One thing that is wrong with the settings.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {reason}")]
pub struct Problem {
    place: String,
    reason: String,
}

impl Problem {
    /// `place` is the setting's key (`s3.endpoint`) or the variable that gave it.
    pub fn new(place: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { place: place.into(), reason: reason.into() }
    }

    /// Where it is: the setting's key, or the variable.
    pub fn place(&self) -> &str {
        &self.place
    }
}

impl From<(&'static str, &'static str)> for Problem {
    fn from((place, reason): (&'static str, &'static str)) -> Self {
        Self::new(place, reason)
    }
}

/// Everything that is wrong with the settings, for a person to mend in one go.
#[derive(Debug, thiserror::Error)]
#[error("the settings are refused{}", .0.iter().map(|it| format!("\n  {}: {}", it.place, it.reason)).collect::<String>())]
pub struct Problems(pub Vec<Problem>);

/// What every binary understands: see this crate's `defaults.toml`.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct CommonSettings {
    pub log: String,
    pub log_format: LogFormat,
    pub admin: AdminSettings,
    pub telemetry: TelemetrySettings,
    pub shutdown: ShutdownSettings,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    Json,
    Text,
}

#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct AdminSettings {
    pub listen: SocketAddr,
}

#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct TelemetrySettings {
    pub otlp_endpoint: Option<String>,
}

#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct ShutdownSettings {
    #[serde(with = "humantime_serde")]
    pub grace: Duration,
}

impl Settings for CommonSettings {
    fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        if let Err(error) = EnvFilter::try_new(&self.log) {
            problems.push(Problem::new("log", error.to_string()));
        }
        if let Some(endpoint) = &self.telemetry.otlp_endpoint
            && endpoint.parse::<Uri>().ok().is_none_or(|uri| uri.scheme_str() != Some("http") || uri.host().is_none())
        {
            problems.push(Problem::new("telemetry.otlp_endpoint", "expects http://HOST:PORT; TLS is the collector's beside us"));
        }
        problems
    }
}

/// The settings of a process, whole and checked.
#[derive(Debug)]
pub(crate) struct Loaded<C> {
    pub common: CommonSettings,
    pub config: C,
    /// All of them as a person may see them.
    pub shown: Table,
}

const COMMON_DEFAULTS: &str = include_str!("../defaults.toml");

/// Checks that a binary's defaults can be read, name exactly the settings that it knows and say what each is for: for a binary's tests.
///
/// # Errors
/// What is wrong with them, including rules that hold only once an operator has given what is required.
pub fn check_defaults<C: Settings>(defaults: &str) -> Result<(), Problems> {
    let silent = page::without_comment(defaults).map_err(|it| Problems(vec![it]))?;
    match load::<C>(defaults, None, []) {
        Err(Problems(problems)) => Err(Problems([problems, silent].concat())),
        Ok(_) if silent.is_empty() => Ok(()),
        Ok(_) => Err(Problems(silent)),
    }
}

pub(crate) fn load<C: Settings>(
    defaults: &str,
    file: Option<&Path>,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<Loaded<C>, Problems> {
    let common_defaults = layers::parse(COMMON_DEFAULTS, "the common defaults").map_err(|it| Problems(vec![it]))?;
    let own_defaults = layers::parse(defaults, "the binary's defaults").map_err(|it| Problems(vec![it]))?;
    let mut known = common_defaults.clone();
    layers::merge(&mut known, own_defaults);

    let mut problems = Vec::new();
    let mut settled = known.clone();
    if let Some(path) = file {
        match read_file(path) {
            Ok(given) => layers::lay_file(&mut settled, &known, given, "", &path.display().to_string(), &mut problems),
            Err(problem) => problems.push(problem),
        }
    }
    let environment = environment.into_iter().collect::<BTreeMap<_, _>>();
    layers::lay_environment(&mut settled, &known, environment, &mut problems);

    let is_common = |key: &String| common_defaults.contains_key(key);
    let (common_known, own_known) = known.into_iter().partition::<Table, _>(|(key, _)| is_common(key));
    let (common_settled, own_settled) = settled.into_iter().partition::<Table, _>(|(key, _)| is_common(key));
    let common = typed::<CommonSettings>(common_settled.clone(), &common_known, &mut problems);
    let config = typed::<C>(own_settled.clone(), &own_known, &mut problems);
    match (common, config) {
        (Some(common), Some(config)) if problems.is_empty() => {
            let show = || Ok(shown::shown(common_settled, &common)?.into_iter().chain(shown::shown(own_settled, &config)?).collect());
            let shown = show().map_err(|error: toml::ser::Error| Problems(vec![Problem::new("settings", error.to_string())]))?;
            Ok(Loaded { common, config, shown })
        }
        _ => Err(Problems(problems)),
    }
}

fn read_file(path: &Path) -> Result<Table, Problem> {
    let name = path.display().to_string();
    let text = std::fs::read_to_string(path).map_err(|error| Problem::new(&name, error.to_string()))?;
    layers::parse(&text, &name)
}

/// Deserializes and checks. A value that does not fit is reported and set back to its default, so that the next
/// one is found too: each round brings one more value back, which bounds the rounds.
fn typed<T: Settings>(mut table: Table, known: &Table, problems: &mut Vec<Problem>) -> Option<T> {
    loop {
        let mut unread = Vec::new();
        let mut note = |path: serde_ignored::Path<'_>| unread.push(path.to_string());
        let source = serde_ignored::Deserializer::new(Given(Value::Table(table.clone())), &mut note);
        match serde_path_to_error::deserialize::<_, T>(source) {
            Ok(settings) => {
                problems.extend(unread.into_iter().map(|key| Problem::new(key, "nothing reads this setting")));
                problems.extend(settings.problems());
                return Some(settings);
            }
            Err(error) => {
                problems.push(Problem::new(error.path().to_string(), error.inner().to_string()));
                if !layers::set_back(&mut table, known, error.path()) {
                    return None;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
