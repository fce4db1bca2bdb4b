#![doc = include_str!("../README.md")]

pub mod config;
mod health;
mod profiles;
mod service;
mod shutdown;
mod tasks;
mod telemetry;
pub mod trace_context;

pub use config::{Problem, Problems, Settings, check_defaults};
pub use health::{Component, Health};
pub use profiles::ProfilesConfig;
pub use secrecy::{ExposeSecret, SecretString};
pub use service::{Context, Once, main, main_or_once};
pub use shutdown::{LAST_WORD, Shutdown};
pub use tasks::Tasks;
pub use telemetry::FLUSH;
