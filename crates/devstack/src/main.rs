//! `media-devstack`: the stack of servers from a terminal, and the demo on it.

mod demo;
mod run;
mod up;

use std::ffi::OsString;
use std::io::{self, IsTerminal};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::builder::FalseyValueParser;
use clap::{ArgAction, Parser, Subcommand};
use media_devstack::{Given, StackOptions};
use tracing::Level;

/// Real servers for tests and development, which end with this program.
#[derive(Parser)]
#[command(name = "media-devstack", version)]
struct Arguments {
    /// The SQL files that a database starts with; by default those of this repository.
    #[arg(long, global = true)]
    migrations: Option<PathBuf>,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Start the servers with one database, vhost and pair of buckets, print where they are, and stay until Ctrl-C.
    Up {
        /// An empty folder for data and logs, which stays; by default a temporary one.
        #[arg(long)]
        dir: Option<PathBuf>,
        /// Write the `export` lines to this file, too.
        #[arg(long)]
        env_file: Option<PathBuf>,
    },
    /// Start the servers and all services, upload a file and show what becomes of it, and stay until Ctrl-C.
    Demo {
        /// Any file; by default a film with speech that is made for it.
        #[arg(long)]
        file: Option<PathBuf>,
        /// End when all was shown: with 0 only if all of it was true.
        #[arg(long, env = "CI", hide_env = true, action = ArgAction::SetTrue, value_parser = FalseyValueParser::new())]
        once: bool,
    },
    /// Start the servers, run COMMAND with their addresses in its environment, and end with its exit code.
    Run {
        /// Make a migrated database and give its superuser's URL to COMMAND as DATABASE_URL.
        #[arg(long)]
        database: bool,
        #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
        command: Vec<OsString>,
    },
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    // The demo says itself what it does.
    let level = if matches!(arguments.verb, Verb::Demo { .. }) { Level::ERROR } else { Level::INFO };
    tracing_subscriber::fmt().with_max_level(level).with_writer(io::stderr).with_ansi(io::stderr().is_terminal()).with_target(false).init();
    match open(arguments).await {
        Ok(code) => code,
        Err(error) => {
            eprintln!("media-devstack: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn open(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let mut options = StackOptions { given: Given::from_env()?, ..StackOptions::default() };
    if let Some(migrations) = arguments.migrations {
        options.migrations = migrations.canonicalize()?;
    }
    match arguments.verb {
        Verb::Up { dir, env_file } => up::up(StackOptions { folder: dir, ..options }, env_file).await,
        Verb::Demo { file, once } => Box::pin(demo::demo(options, file, once)).await,
        Verb::Run { database, command } => run::run(options, database, &command).await,
    }
}
