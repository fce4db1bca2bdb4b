use std::io;
use std::path::PathBuf;

use crate::Server;

type Source = Box<dyn std::error::Error + Send + Sync>;

/// What went wrong with the stack of servers, by what the caller can do about it.
#[derive(Debug, thiserror::Error)]
pub enum DevstackError {
    /// Install it: `make setup`.
    #[error("{program} is missing; `make setup` installs it")]
    NotInstalled { program: PathBuf },
    /// Read the end of the server's log, which is part of the message.
    #[error("{server} did not come up: {reason}\n--- the end of {log}\n{tail}", log = log.display())]
    DidNotStart { server: Server, reason: String, log: PathBuf, tail: String },
    /// Read the end of the service's log, which is part of the message.
    #[error("{name}: {reason}\n--- the end of {log}\n{tail}", log = log.display())]
    ServiceDidNotStart { name: &'static str, reason: String, log: PathBuf, tail: String },
    /// It could not be ended within the limit; its watcher still tries.
    #[error("{0} did not end")]
    DidNotEnd(Server),
    /// Run the command under `media-devstack run -- …`.
    #[error("there is no stack of servers: run this under `media-devstack run -- COMMAND`")]
    NoStack,
    /// Correct the environment variable.
    #[error("the environment variable {variable} cannot be used")]
    BadVariable {
        variable: &'static str,
        #[source]
        source: Source,
    },
    /// Only a server that this stack started can be killed and restarted.
    #[error("{0} was given by URL and is not this stack's to end")]
    NotOurs(Server),
    /// Choose another folder.
    #[error("the folder {0} is not empty")]
    FolderNotEmpty(PathBuf),
    /// Correct the migration.
    #[error("the migrations in {folder} cannot be applied", folder = folder.display())]
    Migration {
        folder: PathBuf,
        #[source]
        source: sqlx::migrate::MigrateError,
    },
    /// A server of the stack answered with an error, or not at all.
    #[error("{doing} failed")]
    Server {
        doing: String,
        #[source]
        source: Source,
    },
    /// The operating system refused.
    #[error("{doing} failed")]
    System {
        doing: String,
        #[source]
        source: io::Error,
    },
}

impl DevstackError {
    pub(crate) fn server(doing: impl Into<String>, source: impl Into<Source>) -> Self {
        Self::Server { doing: doing.into(), source: source.into() }
    }

    pub(crate) fn system(doing: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let doing = doing.into();
        move |source| Self::System { doing, source }
    }
}
