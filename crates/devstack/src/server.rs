//! The four servers, seen as one kind of thing.

use std::fmt;
use std::time::Duration;

use crate::place::Place;
use crate::supervise::ServerProcess;
use crate::{DevstackError, clamd, postgres, rabbitmq, seaweedfs};

/// A server of the stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Server {
    Postgres,
    RabbitMq,
    Clamd,
    SeaweedFs,
}

impl Server {
    pub const ALL: [Self; 4] = [Self::Postgres, Self::RabbitMq, Self::Clamd, Self::SeaweedFs];

    pub(crate) fn folder_name(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::RabbitMq => "rabbitmq",
            Self::Clamd => "clamd",
            Self::SeaweedFs => "seaweedfs",
        }
    }

    /// Writes what the server needs before its first start.
    pub(crate) async fn prepare(self, place: &Place<'_>) -> Result<(), DevstackError> {
        match self {
            Self::Postgres => postgres::prepare(place).await,
            Self::RabbitMq => rabbitmq::prepare(place),
            Self::Clamd => clamd::prepare(place),
            Self::SeaweedFs => seaweedfs::prepare(place),
        }
    }

    pub(crate) fn launch(self, place: &Place<'_>) -> Result<Vec<ServerProcess>, DevstackError> {
        match self {
            Self::Postgres => postgres::launch(place),
            Self::RabbitMq => rabbitmq::launch(place),
            Self::Clamd => clamd::launch(place),
            Self::SeaweedFs => seaweedfs::launch(place),
        }
    }

    /// One look at whether it does its work, not only listens.
    pub(crate) async fn probe(self, place: &Place<'_>) -> Result<(), DevstackError> {
        let look = async {
            match self {
                Self::Postgres => postgres::probe(place).await,
                Self::RabbitMq => rabbitmq::probe(place).await,
                Self::Clamd => clamd::probe(place).await,
                Self::SeaweedFs => seaweedfs::probe(place).await,
            }
        };
        tokio::time::timeout(Duration::from_secs(5), look)
            .await
            .unwrap_or_else(|elapsed| Err(DevstackError::server(format!("asking {self}"), elapsed)))
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Postgres => "Postgres",
            Self::RabbitMq => "RabbitMQ",
            Self::Clamd => "clamd",
            Self::SeaweedFs => "SeaweedFS",
        })
    }
}
