//! A service as small as it can be, with every way to end: what `tests/process.rs` starts.

use std::process::ExitCode;

use media_runtime::{Context, Problem, SecretString, Settings, config::hidden, trace_context};
use serde::{Deserialize, Serialize};
use tracing::Instrument as _;

#[derive(Debug, Deserialize, Serialize)]
struct SmallConfig {
    behaviour: Behaviour,
    store: Store,
    trace: Trace,
}

#[derive(Debug, Clone, Copy, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
enum Behaviour {
    Obey,
    Resist,
    Block,
    Return,
    Fail,
    Panic,
    TaskFails,
    TaskPanics,
    TaskEnds,
}

#[derive(Debug, Deserialize, Serialize)]
struct Store {
    endpoint: String,
    #[serde(serialize_with = "hidden")]
    password: SecretString,
}

#[derive(Debug, Deserialize, Serialize)]
struct Trace {
    parent: String,
    link: String,
}

impl Settings for SmallConfig {
    fn problems(&self) -> Vec<Problem> {
        if self.store.endpoint.is_empty() { vec![Problem::new("store.endpoint", "must be given")] } else { Vec::new() }
    }
}

fn main() -> ExitCode {
    media_runtime::main("small-service", include_str!("small_service.toml"), async |cx: Context<SmallConfig>| -> anyhow::Result<()> {
        let store = cx.health.component("store");
        // A line on stdin stands for a store that has come up.
        cx.spawn_critical("store", {
            let soft = cx.shutdown.soft.clone();
            async move {
                let came_up = tokio::task::spawn_blocking(|| std::io::stdin().lines().next().is_some());
                tokio::select! {
                    came_up = came_up => if came_up? { store.ready() },
                    () = soft.cancelled() => {}
                }
                soft.cancelled().await;
                Ok(())
            }
        });
        let span = tracing::info_span!("work", asset.id = "01ARZ3NDEKTSV4RRFFQ69G5FAV");
        trace_context::set_parent(&span, &cx.config.trace.parent);
        trace_context::add_link(&span, &cx.config.trace.link);
        async { tracing::info!(traceparent = trace_context::current_traceparent(), "works") }.instrument(span).await;

        match cx.config.behaviour {
            Behaviour::Obey => {}
            Behaviour::Resist => std::future::pending().await,
            Behaviour::Block => loop {
                std::thread::park();
            },
            Behaviour::Return => return Ok(()),
            Behaviour::Fail => return Err(anyhow::anyhow!("connection refused").context("the store cannot be reached")),
            Behaviour::Panic => panic!("the service's own"),
            Behaviour::TaskFails => cx.spawn_critical("pump", async { Err(anyhow::anyhow!("the pump is dry")) }),
            Behaviour::TaskPanics => cx.spawn_critical("pump", async { panic!("the pump burst") }),
            Behaviour::TaskEnds => cx.spawn_critical("pump", async { Ok(()) }),
        }
        cx.shutdown.soft.cancelled().await;
        Ok(())
    })
}
