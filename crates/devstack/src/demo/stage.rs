//! Where the demo plays: the servers, one environment on them, and all six services.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context;
use futures::future::try_join_all;
use media_devstack::{Binary, Fleet, Isolated, Service, Stack, StackOptions, cache_folder};
use serde_json::Value;

use super::page::{heading, seconds};

const READY_LIMIT: Duration = Duration::from_secs(60);
/// Of each log, where something went wrong.
const LOG_LINES: usize = 4;
const LOG_LINE_CHARS: usize = 300;

/// Dropped, all of it ends.
pub struct Stage {
    services: Vec<Service>,
    fleet: Fleet,
    stack: Stack,
    /// For what stays when all has ended: pictures, captions, logs of what failed.
    keepsakes: PathBuf,
}

impl Stage {
    /// Starts everything; the services at once, and waits until each is ready.
    pub async fn set(options: StackOptions) -> anyhow::Result<Self> {
        let keepsakes = cache_folder()?.join("demo");
        fs::create_dir_all(&keepsakes).with_context(|| format!("cannot make {}", keepsakes.display()))?;
        let began = Instant::now();
        let stack = Stack::start(options).await?;
        println!("  Postgres, RabbitMQ, clamd and SeaweedFS run             {:>7}", seconds(began.elapsed()));
        let began = Instant::now();
        let mut fleet = Fleet::new(stack.describe().isolated("demo").await?)?;
        let mut services = Binary::ALL.into_iter().map(|binary| fleet.launch(binary, &[])).collect::<Result<Vec<_>, _>>()?;
        try_join_all(services.iter_mut().map(|service| service.ready(READY_LIMIT))).await?;
        println!("  a migrated database, a vhost, two buckets, six services {:>7}", seconds(began.elapsed()));
        Ok(Self { services, fleet, stack, keepsakes })
    }

    pub fn isolated(&self) -> &Isolated {
        self.fleet.isolated()
    }

    pub fn grpc_url(&self) -> String {
        self.fleet.grpc_url()
    }

    /// A file that stays when the demo has ended; one of an earlier demo is overwritten.
    pub fn keepsake(&self, name: &str) -> PathBuf {
        self.keepsakes.join(name)
    }

    /// Where something went wrong: the warnings and errors that came last, and where each whole log stays.
    pub fn tell_logs(&self) {
        heading("What the services logged");
        for service in &self.services {
            let kept = self.keepsakes.join(format!("{}.log", service.binary().name()));
            println!("  {}", kept.display());
            match keep_log(service.log_path(), &kept) {
                Ok(log) => worst(&log).iter().for_each(|line| println!("    {line}")),
                Err(error) => println!("    {error:#}"),
            }
        }
    }

    /// Ends everything and waits for it.
    pub async fn end(self) -> anyhow::Result<()> {
        drop(self.services);
        self.stack.stop().await?;
        Ok(())
    }
}

fn keep_log(log: &Path, kept: &Path) -> anyhow::Result<String> {
    fs::copy(log, kept).context("the log cannot be kept")?;
    let bytes = fs::read(kept).context("the log cannot be read")?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The last warnings and errors of a log, short; without any, its last line.
fn worst(log: &str) -> Vec<String> {
    let is_grave = |line: &&str| line.contains("\"level\":\"WARN\"") || line.contains("\"level\":\"ERROR\"");
    let mut lines: Vec<&str> = log.lines().rev().filter(is_grave).take(LOG_LINES).collect();
    if lines.is_empty() {
        lines.extend(log.lines().next_back());
    }
    lines.into_iter().rev().map(brief).collect()
}

/// A line of JSON as level, message and what says why; any other line as it is.
fn brief(line: &str) -> String {
    let told = match serde_json::from_str::<Value>(line) {
        Err(_) => line.to_owned(),
        Ok(entry) => {
            let fields = ["level", "message", "error", "cause", "failure.kind"];
            let said = |field: &&str| entry.get(*field)?.as_str().map(str::to_owned);
            fields.iter().filter_map(said).collect::<Vec<_>>().join("  ")
        }
    };
    told.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).take(LOG_LINE_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_warnings_are_told_in_short_and_the_rest_is_left_out() {
        let log = "{\"level\":\"INFO\",\"message\":\"starts\"}\n{\"level\":\"WARN\",\"message\":\"the attempt failed\",\"error\":\"internal\\nagain\",\"x\":1}\n{\"level\":\"INFO\",\"message\":\"ends\"}";
        assert_eq!(worst(log), ["WARN  the attempt failed  internal again"]);
        assert_eq!(worst("{\"level\":\"INFO\",\"message\":\"ends\"}"), ["INFO  ends"]);
        assert_eq!(worst("a panic"), ["a panic"]);
    }
}
