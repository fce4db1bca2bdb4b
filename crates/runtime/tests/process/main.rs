//! A really started process: its settings, its admin port, its traces, its ends.

use std::time::Duration;

mod admin_port;
mod ends;
mod settings;
#[cfg(test)]
mod small_service;
#[cfg(test)]
mod traces;

/// Far less than the grace, far more than a busy machine needs.
const AT_ONCE: Duration = Duration::from_secs(12);
