//! Is this process worth sending work to, and does it still turn?
//!
//! Promise: `/readyz` answers 200 only while everything that was registered is ready, and otherwise names what is
//! missing. Nothing registered yet means that the service is still starting, so register every component before
//! connecting the first.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use metrics_exporter_prometheus::PrometheusHandle;
use serde::Serialize;
use tokio_util::sync::CancellationToken;

type Check = Arc<dyn Fn() -> Result<(), String> + Send + Sync>;

/// What the service needs, by name. Clones share one list.
#[derive(Clone, Default)]
pub struct Health {
    checks: Arc<Mutex<BTreeMap<&'static str, Check>>>,
}

impl Health {
    /// Registers something that the service tells us about itself: not ready (`starting`) until it says so.
    /// A name that is already there is replaced.
    pub fn component(&self, name: &'static str) -> Component {
        let component = Component { missing: Arc::new(Mutex::new(Some("starting".to_owned()))) };
        let watched = component.clone();
        self.check(name, move || match &*lock(&watched.missing) {
            None => Ok(()),
            Some(why) => Err(why.clone()),
        });
        component
    }

    /// Registers a question that is asked at every `/readyz`. It must answer at once: no I/O.
    /// The error says why this is not ready, in words for an operator.
    pub fn check(&self, name: &'static str, ask: impl Fn() -> Result<(), String> + Send + Sync + 'static) {
        lock(&self.checks).insert(name, Arc::new(ask));
    }

    /// What is missing, by name, with the reason. Empty: ready.
    pub fn missing(&self) -> BTreeMap<&'static str, String> {
        let checks = lock(&self.checks).clone();
        if checks.is_empty() {
            return BTreeMap::from([("service", "starting".to_owned())]);
        }
        checks.into_iter().filter_map(|(name, ask)| ask().err().map(|why| (name, why))).collect()
    }

    /// As [`missing`](Self::missing), of a service that may be told to stop: then it is not ready, whatever its components say.
    pub(crate) fn missing_unless(&self, stopping: &CancellationToken) -> BTreeMap<&'static str, String> {
        let mut missing = self.missing();
        if stopping.is_cancelled() {
            missing.insert("service", "stopping".to_owned());
        }
        missing
    }
}

impl fmt::Debug for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Health").field("missing", &self.missing()).finish()
    }
}

/// One thing that the service needs, such as its database. Clones speak for the same thing.
#[derive(Debug, Clone)]
pub struct Component {
    missing: Arc<Mutex<Option<String>>>,
}

impl Component {
    /// It is there.
    pub fn ready(&self) {
        *lock(&self.missing) = None;
    }

    /// It is not, and why: shown to operators, so never a credential.
    pub fn not_ready(&self, why: impl Into<String>) {
        *lock(&self.missing) = Some(why.into());
    }
}

/// A lock whose holder panicked still guards a whole value: every write here is one assignment.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[derive(Serialize)]
struct Readiness {
    ready: bool,
    missing: BTreeMap<&'static str, String>,
}

/// The admin port's pages.
pub(crate) fn admin_routes(health: Health, stopping: CancellationToken, metrics: PrometheusHandle) -> Router {
    let readyz = move || async move {
        let missing = health.missing_unless(&stopping);
        let readiness = Readiness { ready: missing.is_empty(), missing };
        let status = if readiness.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
        match serde_json::to_string(&readiness) {
            Ok(body) => (status, [(header::CONTENT_TYPE, "application/json")], body).into_response(),
            Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
        }
    };
    let metrics = move || async move { ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], metrics.render()) };
    Router::new().route("/livez", get(|| async { "alive\n" })).route("/readyz", get(readyz)).route("/metrics", get(metrics))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_registered_is_not_ready() {
        assert_eq!(Health::default().missing()["service"], "starting");
    }

    #[test]
    fn each_missing_component_is_named_with_its_reason() {
        let health = Health::default();
        let postgres = health.component("postgres");
        let broker = health.component("broker");
        health.check("schema", || Err("version 3, the code needs 4".to_owned()));
        postgres.ready();
        broker.not_ready("connection refused");
        let missing = health.missing();
        assert_eq!(missing.keys().copied().collect::<Vec<_>>(), ["broker", "schema"]);
        assert_eq!(missing["broker"], "connection refused");
        assert_eq!(missing["schema"], "version 3, the code needs 4");
    }

    #[test]
    fn a_service_that_stops_is_not_ready_though_nothing_is_missing() {
        let (health, stopping) = (Health::default(), CancellationToken::new());
        health.component("broker").ready();
        assert!(health.missing_unless(&stopping).is_empty());
        stopping.cancel();
        assert_eq!(health.missing_unless(&stopping)["service"], "stopping");
    }

    #[test]
    fn a_component_that_was_ready_can_be_lost_and_come_back() {
        let health = Health::default();
        let broker = health.component("broker");
        broker.ready();
        assert!(health.missing().is_empty());
        broker.not_ready("gone");
        assert_eq!(health.missing().len(), 1);
        broker.ready();
        assert!(health.missing().is_empty());
    }
}
