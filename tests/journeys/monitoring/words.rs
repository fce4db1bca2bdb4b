//! What alerts and dashboards spell out, held against the code that has these words; and what an alert says of itself.

use std::{collections::BTreeSet, time::Duration};

use media_domain::Reason;
use media_proto::DOCUMENTED_DESCRIPTOR_SET;
use promql_parser::{
    label::{MatchOp, Matcher},
    parser::{self, Expr, LabelModifier, VectorSelector, value::ValueType},
    util::{parse_duration, walk_expr},
};
use prost::Message as _;
use prost_types::FileDescriptorSet;
use regex::Regex;

use super::{Named, PROMETHEUS_OWN, expressions, missing, rules};

/// What the broker may say of a message that it gave up, and what is said of a word that is none: no fault of a file.
const BROKERS: [&str; 3] = ["delivery_limit", "rejected", "other"];
/// The longest that an alert may wait, and still be in time.
const WAIT_MAX: Duration = Duration::from_secs(24 * 3600);

/// Every condition on a label of a metric, with where it stands.
fn matchers(metric: &str, label: &str) -> Vec<(String, Matcher)> {
    let mut found = Vec::new();
    for (place, expr) in expressions() {
        let mut named = Named::default();
        walk_expr(&mut named, &parser::parse(&expr).unwrap()).unwrap();
        let of_metric =
            named.selectors.into_iter().filter(|selector| selector.name.as_deref().is_some_and(|name| name.starts_with(metric)));
        let matchers = of_metric.flat_map(|selector| selector.matchers.matchers).filter(|matcher| matcher.name == label);
        found.extend(matchers.map(|matcher| (place.clone(), matcher)));
    }
    assert!(!found.is_empty(), "nobody looks at {label} of {metric}");
    found
}

#[test]
fn given_up_work_wakes_somebody_exactly_where_the_fault_is_ours() {
    let mut left_out = matchers("media_dead_letters_open", "reason");
    left_out.retain(|(_, matcher)| matches!(matcher.op, MatchOp::NotRe(_)));
    assert!(!left_out.is_empty(), "no alert leaves anything out");
    for (place, matcher) in left_out {
        for reason in Reason::ALL {
            assert_eq!(matcher.is_match(reason.as_str()), reason.is_ours(), "{place}: {reason}");
        }
        for word in BROKERS {
            assert!(matcher.is_match(word), "{place}: {word}");
        }
        // Each alternative is a reason that there is.
        for alternative in matcher.value.split('|') {
            let fits = Regex::new(&format!("^(?:{alternative})$")).unwrap();
            assert!(Reason::ALL.iter().any(|reason| fits.is_match(reason.as_str())), "{place}: no reason is {alternative}");
        }
    }
}

/// Each method as metrics name it, with whether it streams.
fn methods() -> Vec<(String, bool)> {
    let files = FileDescriptorSet::decode(DOCUMENTED_DESCRIPTOR_SET).unwrap().file;
    let mut all = Vec::new();
    for file in &files {
        for service in &file.service {
            for method in &service.method {
                let path = format!("/{}.{}/{}", file.package(), service.name(), method.name());
                all.push((path, method.client_streaming() || method.server_streaming()));
            }
        }
    }
    assert!(all.len() > 40 && all.iter().any(|(_, streams)| *streams), "they were found: {}", all.len());
    all
}

/// A stream takes as long as its caller likes.
#[test]
fn exactly_the_methods_that_stream_are_no_slow_calls() {
    let words = Regex::new("[A-Za-z]+").unwrap();
    for (place, matcher) in matchers("media_rpc_seconds", "method") {
        for (method, streams) in methods() {
            assert_eq!(matcher.is_match(&method), !streams, "{place}: {method}");
        }
        for word in words.find_iter(&matcher.value) {
            let ending = format!("/{}", word.as_str());
            assert!(methods().iter().any(|(method, _)| method.ends_with(&ending)), "{place}: no method is {}", word.as_str());
        }
    }
}

#[test]
fn every_alert_says_how_long_it_waits_and_whom_it_wakes() {
    for rule in rules() {
        let waits = rule.lasts.as_deref().map_or(Ok(Duration::ZERO), parse_duration);
        assert!(waits.as_ref().is_ok_and(|waits| *waits <= WAIT_MAX), "{}: {waits:?}", rule.alert);
        let severity = rule.labels.get("severity").map(String::as_str);
        assert!(matches!(severity, Some("page" | "ticket")), "{}: {severity:?}", rule.alert);
    }
}

/// The labels that are left of what an expression selects: of those that it does not aggregate away, the ones that every series has.
fn kept(expr: &Expr) -> BTreeSet<String> {
    let of = |selector: &VectorSelector| {
        let equal = selector.matchers.matchers.iter().filter(|matcher| matcher.op == MatchOp::Equal);
        equal.map(|matcher| matcher.name.clone()).collect::<BTreeSet<_>>()
    };
    let own = || PROMETHEUS_OWN.map(str::to_owned);
    match expr {
        Expr::Aggregate(aggregate) => match &aggregate.modifier {
            Some(LabelModifier::Include(labels)) => labels.labels.iter().cloned().collect(),
            _ => BTreeSet::new(),
        },
        Expr::Binary(binary) => match (binary.lhs.value_type(), binary.rhs.value_type()) {
            (ValueType::Scalar, _) => kept(&binary.rhs),
            (_, ValueType::Scalar) => kept(&binary.lhs),
            _ => kept(&binary.lhs).intersection(&kept(&binary.rhs)).cloned().collect(),
        },
        Expr::Paren(paren) => kept(&paren.expr),
        Expr::VectorSelector(selector) => of(selector).into_iter().chain(own()).collect(),
        Expr::MatrixSelector(matrix) => of(&matrix.vs).into_iter().chain(own()).collect(),
        // What is absent has the labels that it was asked for by.
        Expr::Call(call) if call.func.name == "absent" => match &*call.args.args[0] {
            Expr::VectorSelector(selector) => of(selector),
            _ => BTreeSet::new(),
        },
        Expr::Call(call) => {
            let series = call.args.args.iter().filter(|argument| argument.value_type() != ValueType::Scalar);
            series.flat_map(|argument| kept(argument)).filter(|label| label != "le").collect()
        }
        _ => BTreeSet::new(),
    }
}

#[test]
fn a_summary_names_only_labels_that_its_expression_keeps() {
    let label = Regex::new(r"\$labels\.([a-zA-Z_]+)").unwrap();
    let mut seen = 0;
    for rule in rules() {
        let kept = kept(&parser::parse(&rule.expr).unwrap());
        for found in label.captures_iter(&rule.annotations["summary"]) {
            seen += 1;
            assert!(kept.contains(&found[1]), "{}: {} is not among {kept:?}", rule.alert, &found[1]);
        }
    }
    assert!(seen > 10, "they were found: {seen}");
}

#[test]
fn a_word_that_nobody_tells_is_missed() {
    let told = BTreeSet::from(["done".to_owned(), "failed".to_owned(), "0.9".to_owned()]);
    let found = |condition: &str| -> Vec<String> {
        let Expr::VectorSelector(selector) = parser::parse(&format!("x{{label{condition}}}")).unwrap() else { panic!("{condition}") };
        missing(&selector.matchers.matchers[0], &told).into_iter().map(str::to_owned).collect()
    };
    for there in [r#"="done""#, r#"!="failed""#, r#"=~"done|failed""#, r#"!~"done""#, r#"=~"do.*""#, r#"="0.9""#, r#"!="Ok""#] {
        assert_eq!(found(there), [""; 0], "{there}");
    }
    for (condition, word) in [(r#"="dnoe""#, "dnoe"), (r#"!="faild""#, "faild"), (r#"=~"done|faild""#, "faild"), (r#"!~"faild""#, "faild")]
    {
        assert_eq!(found(condition), [word], "{condition}");
    }
    assert_eq!(found(r#"=~"un.*""#), ["un.*"]);
    assert_eq!(found(r#"="0.99""#), ["0.99"]);
}
