//! What alerts, dashboards and docs/operations.md name is what the binaries really tell, and each alert has its runbook.
//!
//! - alerts_and_dashboards_name_only_what_the_binaries_tell
//! - every_alert_has_its_runbook_and_every_runbook_its_alert
//! - what_a_runbook_asks_postgres_can_be_asked
//! - words::given_up_work_wakes_somebody_exactly_where_the_fault_is_ours
//! - words::exactly_the_methods_that_stream_are_no_slow_calls
//! - words::every_alert_says_how_long_it_waits_and_whom_it_wakes
//! - words::a_summary_names_only_labels_that_its_expression_keeps
//! - words::a_word_that_nobody_tells_is_missed

mod words;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    time::Duration,
};

use media_devstack::Binary;
use media_proto::v1::{AssetKind, AssetStatus};
use promql_parser::{
    label::{MatchOp, Matcher},
    parser::{self, Expr, LabelModifier, VectorSelector},
    util::{ExprVisitor, walk_expr},
};
use regex::Regex;
use serde::Deserialize;
use serde_json::Value;
use sqlx::AssertSqlSafe;
use tonic::Code;

use crate::harness::{World, checkout, eventually, samples};

const LIMIT: Duration = Duration::from_secs(90);
/// What Prometheus adds by itself.
const PROMETHEUS_OWN: [&str; 2] = ["job", "instance"];

#[derive(Deserialize)]
struct Rules {
    groups: Vec<Group>,
}

#[derive(Deserialize)]
struct Group {
    rules: Vec<Rule>,
}

#[derive(Deserialize)]
struct Rule {
    alert: String,
    expr: String,
    #[serde(rename = "for")]
    lasts: Option<String>,
    labels: BTreeMap<String, String>,
    annotations: BTreeMap<String, String>,
}

fn rules() -> Vec<Rule> {
    let text = fs::read_to_string(checkout().join("deploy/monitoring/rules.yaml")).unwrap();
    serde_saphyr::from_str::<Rules>(&text).unwrap().groups.into_iter().flat_map(|group| group.rules).collect()
}

/// Every expression of alerts and dashboards, with where it stands.
fn expressions() -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = rules().into_iter().map(|rule| (rule.alert, rule.expr)).collect();
    for entry in fs::read_dir(checkout().join("deploy/monitoring/dashboards")).unwrap() {
        let path = entry.unwrap().path();
        let dashboard: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        for panel in dashboard["panels"].as_array().unwrap() {
            let place = format!("{}: {}", path.file_name().unwrap().display(), panel["title"].as_str().unwrap());
            for target in panel["targets"].as_array().unwrap() {
                found.push((place.clone(), target["expr"].as_str().unwrap().to_owned()));
            }
        }
    }
    found
}

/// The labels of each series in the text of `/metrics`, with their values.
type Told = BTreeMap<String, BTreeMap<String, BTreeSet<String>>>;

fn read(text: &str, told: &mut Told) {
    let label = Regex::new(r#"([a-zA-Z_]+)="((?:[^"\\]|\\.)*)""#).unwrap();
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let end = line.find(['{', ' ']).unwrap();
        let labels = told.entry(line[..end].to_owned()).or_default();
        for found in label.captures_iter(&line[end..]) {
            labels.entry(found[1].to_owned()).or_default().insert(found[2].to_owned());
        }
    }
}

/// What the six tell once a picture has gone through them. The counters that alerts look at are there from the start: a rate of what is
/// not there is no rate.
async fn told() -> Told {
    let mut world = World::new("monitoring").await;
    let mut services = Vec::new();
    for binary in Binary::ALL {
        services.push(world.start(binary, &[]).await);
    }
    // One more, that tells of its certificate.
    let folder = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let certificate = samples::on_disk(folder.path(), "server.pem", made.cert.pem().as_bytes());
    let key = samples::on_disk(folder.path(), "server.key", made.signing_key.serialize_pem().as_bytes());
    let secure = [
        ("MEDIA__GRPC__TLS__CERT_FILE", certificate.as_str()),
        ("MEDIA__GRPC__TLS__KEY_FILE", key.as_str()),
        ("MEDIA__GRPC__LISTEN", "127.0.0.1:0"),
        ("MEDIA__HTTP__LISTEN", "127.0.0.1:0"),
    ];
    services.push(world.start(Binary::Api, &secure).await);
    let mut caller = world.caller().await;
    let picture = caller.upload(AssetKind::Image, "card.png", &samples::picture(417, 203)).await;
    caller.until(&picture, AssetStatus::Ready, LIMIT).await;
    let given_up = "INSERT INTO media.dead_letters (id, tenant_id, queue, reason, body) SELECT id, tenant_id, 'scan', 'worker_lost', '{}' FROM media.assets";
    sqlx::query(given_up).execute(&world.sql().await).await.unwrap();
    reqwest::get(format!("{}/playback/nothing/hls.m3u8", world.fleet.http_url())).await.unwrap();
    eventually("the janitor has looked", LIMIT, async || {
        let mut told = Told::new();
        for service in &services {
            read(&service.metrics().await.unwrap(), &mut told);
        }
        // What a janitor tells only once there is something, the last of what it tells, and what a scanner does.
        let has_all = ["media_stored_bytes", "media_erasure_oldest_seconds", "media_clamd_up"].iter().all(|name| told.contains_key(*name));
        if has_all { Ok(told) } else { Err(told.len()) }
    })
    .await
}

/// What an expression selects, and what it groups by.
#[derive(Default)]
struct Named {
    selectors: Vec<VectorSelector>,
    grouped_by: BTreeSet<String>,
}

impl ExprVisitor for Named {
    type Error = ();

    fn pre_visit(&mut self, expr: &Expr) -> Result<bool, ()> {
        match expr {
            Expr::VectorSelector(selector) => self.selectors.push(selector.clone()),
            Expr::MatrixSelector(matrix) => self.selectors.push(matrix.vs.clone()),
            Expr::Aggregate(aggregate) => {
                if let Some(LabelModifier::Include(labels)) = &aggregate.modifier {
                    self.grouped_by.extend(labels.labels.iter().cloned());
                }
            }
            _ => {}
        }
        Ok(true)
    }
}

/// The values that an expression asks for, or leaves out, and that nobody tells; of a pattern that spells none out, the pattern, if it fits
/// nothing that is told. What a pattern leaves out that is told only on occasion is held by `words`.
fn missing<'a>(matcher: &'a Matcher, told: &BTreeSet<String>) -> Vec<&'a str> {
    let value = matcher.value.as_str();
    // How calls end that fail is not to be seen where none does.
    let is_code = |value: &str| (0..=16).any(|number| format!("{:?}", Code::from_i32(number)) == value);
    let is_missing = |value: &&str| !told.contains(*value) && !is_code(value);
    let is_spelt = value.chars().all(|letter| letter.is_alphanumeric() || "_-|".contains(letter));
    match &matcher.op {
        MatchOp::Equal | MatchOp::NotEqual => [value].into_iter().filter(is_missing).collect(),
        MatchOp::Re(_) | MatchOp::NotRe(_) if is_spelt => value.split('|').filter(is_missing).collect(),
        MatchOp::Re(pattern) if !told.iter().any(|value| pattern.is_match(value)) => vec![value],
        MatchOp::Re(_) | MatchOp::NotRe(_) => Vec::new(),
    }
}

/// What is wrong with an expression.
fn faults(expr: &str, told: &Told) -> Vec<String> {
    let parsed = match parser::parse(expr) {
        Ok(parsed) => parsed,
        Err(error) => return vec![error],
    };
    let mut named = Named::default();
    walk_expr(&mut named, &parsed).unwrap();
    let mut faults = Vec::new();
    let mut labels: BTreeSet<&str> = BTreeSet::from(PROMETHEUS_OWN);
    for selector in &named.selectors {
        let name = selector.name.as_deref().unwrap();
        if name == "up" {
            continue;
        }
        let Some(has) = told.get(name) else {
            faults.push(format!("nobody tells {name}"));
            continue;
        };
        labels.extend(has.keys().map(String::as_str));
        faults.extend(selector.matchers.matchers.iter().flat_map(|matcher| match has.get(&matcher.name) {
            None => vec![format!("{name} has no {}", matcher.name)],
            Some(values) => missing(matcher, values).into_iter().map(|value| format!("{name} has no {value}")).collect(),
        }));
    }
    faults.extend(
        named.grouped_by.iter().filter(|label| !labels.contains(label.as_str())).map(|label| format!("nothing has the label {label}")),
    );
    faults
}

#[tokio::test(flavor = "multi_thread")]
async fn alerts_and_dashboards_name_only_what_the_binaries_tell() {
    let told = told().await;
    let expressions = expressions();
    assert!(expressions.len() > 30, "they were read: {}", expressions.len());
    let faults: Vec<String> = expressions
        .iter()
        .flat_map(|(place, expr)| faults(expr, &told).into_iter().map(move |fault| format!("{place}: {fault}: {expr}")))
        .collect();
    assert!(faults.is_empty(), "{faults:#?}");

    // What somebody looks at first is on a dashboard.
    let shown: Vec<&str> = expressions.iter().filter(|(place, _)| place.contains(".json")).map(|(_, expr)| expr.as_str()).collect();
    let hidden: Vec<_> = LOOKED_AT_FIRST.iter().filter(|metric| !shown.iter().any(|expr| expr.contains(**metric))).collect();
    assert!(hidden.is_empty(), "on no dashboard: {hidden:?}");

    // What is told and described nowhere is found by nobody.
    let described = described();
    let families: BTreeSet<&str> = told.keys().map(|name| family(name)).filter(|name| name.starts_with("media_")).collect();
    let silent: Vec<_> = families.iter().filter(|name| !described.contains(**name)).collect();
    assert!(silent.is_empty(), "not in docs/operations.md: {silent:?}");
    let invented: Vec<_> =
        described.iter().filter(|name| !families.contains(name.as_str())).filter(|name| !ON_OCCASION.contains(&name.as_str())).collect();
    assert!(invented.is_empty(), "in docs/operations.md, and nobody tells it: {invented:?}");
}

/// Rate, errors and duration of calls, then how work, storage and what scans find are.
const LOOKED_AT_FIRST: [&str; 12] = [
    "media_rpc_seconds_count",
    "media_rpc_seconds_bucket",
    "media_queue_waiting",
    "media_queue_oldest_seconds",
    "media_leases_lost_total",
    "media_scan_seconds_bucket",
    "media_transcode_seconds_bucket",
    "media_outbox_oldest_seconds",
    "media_sweep_lag_seconds",
    "media_scans_total",
    "media_clamd_signature_age_seconds",
    "media_stored_bytes",
];

/// Told only once something has happened that does not happen here; no alert looks at it.
const ON_OCCASION: [&str; 1] = ["media_dead_letters_total"];

/// The metric that a series belongs to.
fn family(series: &str) -> &str {
    ["_bucket", "_sum", "_count"].iter().find_map(|end| series.strip_suffix(end)).unwrap_or(series)
}

fn operations() -> String {
    fs::read_to_string(checkout().join("docs/operations.md")).unwrap()
}

fn described() -> BTreeSet<String> {
    let text = operations();
    let table = text.lines().filter(|line| line.starts_with("| `media_"));
    let name = Regex::new("`(media_[a-z_]+)`").unwrap();
    table.flat_map(|line| name.captures_iter(line).map(|found| found[1].to_owned()).collect::<Vec<_>>()).collect()
}

#[test]
fn every_alert_has_its_runbook_and_every_runbook_its_alert() {
    let text = operations();
    let runbooks: BTreeSet<&str> =
        text.lines().filter_map(|line| line.strip_prefix("### ")).filter(|title| title.starts_with("Media")).collect();
    let rules = rules();
    let alerts: BTreeSet<&str> = rules.iter().map(|rule| rule.alert.as_str()).collect();
    assert_eq!(alerts, runbooks);
    for rule in &rules {
        assert_eq!(rule.annotations["runbook_url"], format!("docs/operations.md#{}", rule.alert.to_lowercase()), "{}", rule.alert);
        assert!(!rule.annotations["summary"].is_empty());
    }
}

#[tokio::test]
async fn what_a_runbook_asks_postgres_can_be_asked() {
    let world = World::new("runbooks").await;
    let sql = world.sql().await;
    let question = Regex::new(r#"psql -\w*c "([^"]+)""#).unwrap();
    let text = operations();
    let questions: Vec<&str> = question.captures_iter(&text).map(|found| found.get(1).unwrap().as_str()).collect();
    assert!(questions.len() > 3, "they were read: {questions:?}");
    for asked in questions {
        sqlx::query(AssertSqlSafe(asked)).fetch_all(&sql).await.unwrap_or_else(|error| panic!("{asked}: {error}"));
    }
}
