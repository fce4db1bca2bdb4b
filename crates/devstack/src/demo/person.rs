//! A person at the keyboard: `media` as a child process, with a tenant's token.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Output, Stdio};

use anyhow::{Context, bail};
use media_devstack::{JWT_AUDIENCE, JWT_ISSUER, JWT_SECRET};
use serde_json::Value;
use tokio::process::Command;

/// A user of two tenants.
const USER: &str = "01KAVQ3Z8S5M1N2P4R6T7V9WXY";
const TENANT: &str = "6f1b0a52-6b1e-4f0b-9d3b-2f5f3b0c9a11";
const OTHER_TENANT: &str = "c2d4e6f8-0a1b-4c3d-8e5f-708192a3b4c5";
/// What would lead `media` elsewhere.
const OF_OTHERS: [&str; 5] = ["MEDIA_TENANT", "MEDIA_OWNER", "MEDIA_PLAYER", "MEDIA_API", "MEDIA_TOKEN"];

/// All that a call of one tenant may need: whoever takes the demo's token for a tour reviews, holds and erases, too.
const SCOPES: &str = "media.read media.write media.delete media.review media.admin";

/// The exit code of `media` for what is not there.
pub const NOT_FOUND: i32 = 3;
/// The exit code of `media` for what the asset's state does not allow.
pub const REFUSED: i32 = 4;

#[derive(Debug, Clone)]
pub struct Person {
    program: PathBuf,
    api: String,
    token: String,
}

impl Person {
    /// Someone who may do everything in the demo's tenant.
    pub async fn of_the_tenant(api: String) -> anyhow::Result<Self> {
        Self::of(TENANT, api).await
    }

    /// Someone who may do the same in another one.
    pub async fn of_another_tenant(api: String) -> anyhow::Result<Self> {
        Self::of(OTHER_TENANT, api).await
    }

    async fn of(tenant: &str, api: String) -> anyhow::Result<Self> {
        let program = std::env::current_exe().context("cannot tell where this program lies")?.with_file_name("media");
        let mut person = Self { program, api, token: String::new() };
        let signed = ["--scope", SCOPES, "--secret", JWT_SECRET, "--iss", JWT_ISSUER, "--aud", JWT_AUDIENCE, "--ttl", "12h"];
        let arguments = [&["token", "--tenant", tenant, "--sub", USER][..], &signed].concat();
        person.token = person.answer(&arguments).await?.trim().to_owned();
        Ok(person)
    }

    /// Where the programs lie.
    pub fn programs(&self) -> &Path {
        self.program.parent().unwrap_or(&self.program)
    }

    /// What `media` answers.
    pub async fn answer<S: AsRef<OsStr>>(&self, arguments: &[S]) -> anyhow::Result<String> {
        let output = self.try_to(arguments).await?;
        if !output.status.success() {
            bail!("{} ended with {}: {}", self.told(arguments), output.status, String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// What `media --json` answers.
    pub async fn json<S: AsRef<OsStr>>(&self, arguments: &[S]) -> anyhow::Result<Value> {
        let mut all: Vec<OsString> = vec!["--json".into()];
        all.extend(arguments.iter().map(|argument| argument.as_ref().to_owned()));
        let text = self.answer(&all).await?;
        serde_json::from_str(&text).with_context(|| format!("{} answered no JSON", self.told(arguments)))
    }

    /// Tries something that may be refused.
    pub async fn try_to<S: AsRef<OsStr>>(&self, arguments: &[S]) -> anyhow::Result<Output> {
        let mut command = self.command(arguments);
        command.output().await.with_context(|| format!("cannot start {}", self.program.display()))
    }

    /// Does something whose progress is shown, and gives what it answered beside.
    pub async fn watched<S: AsRef<OsStr>>(&self, arguments: &[S]) -> anyhow::Result<(ExitStatus, String)> {
        let mut command = self.command(arguments);
        let child = command.stdout(Stdio::piped()).spawn().with_context(|| format!("cannot start {}", self.program.display()))?;
        let output = child.wait_with_output().await.context("cannot wait for media")?;
        Ok((output.status, String::from_utf8_lossy(&output.stdout).into_owned()))
    }

    /// For a shell, so that whoever reads may go on.
    pub fn exports(&self) -> [String; 3] {
        [
            format!("export PATH='{}':$PATH", self.programs().display()),
            format!("export MEDIA_API='{}'", self.api),
            format!("export MEDIA_TOKEN='{}'", self.token),
        ]
    }

    fn command<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Command {
        let mut command = Command::new(&self.program);
        for variable in OF_OTHERS {
            command.env_remove(variable);
        }
        command.args(arguments).env("MEDIA_API", &self.api).stdin(Stdio::null()).kill_on_drop(true);
        if !self.token.is_empty() {
            command.env("MEDIA_TOKEN", &self.token);
        }
        command
    }

    fn told<S: AsRef<OsStr>>(&self, arguments: &[S]) -> String {
        let verb = arguments.iter().map(|argument| argument.as_ref().to_string_lossy()).find(|word| !word.starts_with('-'));
        format!("media {}", verb.unwrap_or_default())
    }
}
