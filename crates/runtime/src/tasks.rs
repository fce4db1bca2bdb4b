//! Tasks on which a service stands: one that dies takes the service down with it, loudly.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::anyhow;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument as _;

/// Starts and watches critical tasks. Clones share one set.
#[derive(Debug, Clone)]
pub struct Tasks {
    runtime: Handle,
    soft: CancellationToken,
    running: TaskTracker,
    failed: Arc<AtomicBool>,
}

impl Tasks {
    pub(crate) fn new(runtime: Handle, soft: CancellationToken) -> Self {
        Self { runtime, soft, running: TaskTracker::new(), failed: Arc::default() }
    }

    /// Runs `task` beside the service, for as long as the service lives.
    ///
    /// If it returns an error, panics, or ends before a stop was asked for, that is logged at ERROR, the service
    /// is asked to stop (`soft`) and the process leaves with a failing exit code. The task itself watches the
    /// shutdown's tokens; the process waits for it within the grace.
    pub fn spawn_critical<F>(&self, name: &'static str, task: F)
    where
        F: Future<Output = anyhow::Result<()>> + Send + 'static,
    {
        let watched = self.runtime.spawn(task.in_current_span());
        let tasks = self.clone();
        self.running.spawn_on(
            async move {
                let why = match watched.await {
                    Ok(Ok(())) if tasks.soft.is_cancelled() => return,
                    Ok(Ok(())) => anyhow!("it ended, and nobody had asked it to stop"),
                    Ok(Err(error)) => error,
                    Err(panicked) => panicked.into(),
                };
                tasks.fail(&why.context(format!("the task `{name}` died")));
            },
            &self.runtime,
        );
    }

    /// Logs why the service cannot go on, and asks it to stop.
    pub(crate) fn fail(&self, error: &anyhow::Error) {
        tracing::error!("the service stops: {error:#}");
        self.failed.store(true, Ordering::Release);
        self.soft.cancel();
    }

    pub(crate) fn any_failed(&self) -> bool {
        self.failed.load(Ordering::Acquire)
    }

    /// Until every critical task has ended.
    pub(crate) async fn all_ended(&self) {
        self.running.close();
        self.running.wait().await;
    }
}
