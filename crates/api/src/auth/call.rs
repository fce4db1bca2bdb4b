//! A call, from its beginning to the head of its answer: what its span, the log and `media_rpc_seconds` tell of it.
//!
//! The promise: each call is counted once, also one whose caller did not wait for the answer, and one whose handler panicked.

use std::time::Instant;

use tonic::Code;
use tracing::Span;

/// One call. Dropped without an answer, it is counted as what became of it.
pub struct Call {
    method: String,
    span: Span,
    began: Instant,
    is_counted: bool,
}

impl Call {
    /// `method` is a label of a metric: a stranger's path may not be one.
    pub fn begin(method: String, span: Span) -> Self {
        Self { method, span, began: Instant::now(), is_counted: false }
    }

    /// The head of the answer is there. A stream's later end is not seen here.
    pub fn answered(mut self, code: Code) {
        self.count(code);
        let duration_ms = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        tracing::info!(duration_ms, "answered");
    }

    fn count(&mut self, code: Code) {
        self.is_counted = true;
        self.span.record("rpc.code", tracing::field::debug(code));
        let method = self.method.clone();
        metrics::histogram!("media_rpc_seconds", "method" => method, "code" => format!("{code:?}")).record(self.began.elapsed());
    }
}

impl Drop for Call {
    /// A caller's deadline, or its going away, drops a call wherever it stands; a panic unwinds it.
    fn drop(&mut self) {
        if !self.is_counted {
            self.count(if std::thread::panicking() { Code::Internal } else { Code::Cancelled });
        }
    }
}
