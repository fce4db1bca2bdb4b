//! A connection that comes back: one task dials, watches, and dials again.
//!
//! lapin can recover a connection by itself, but then every call hangs while the broker is away, nothing tells when it went, and a channel that
//! the broker closed stays closed. Here a lost connection fails all that rides on it at once, and its users open a
//! new channel on the next one.

use std::{sync::Arc, time::Duration};

use backon::{BackoffBuilder, ExponentialBuilder};
use futures::StreamExt;
use lapin::{Channel, Connection, ConnectionProperties, Event, uri::AMQPUri};
use tokio::{sync::watch, time::timeout};
use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::{error, info, warn};

use crate::{
    AmqpConfig, MessagingError,
    topology::{TOPOLOGY, Topology},
};

/// How long [`Broker::connect`] tries before it gives up. RabbitMQ 3.10 boots in about 10 s.
const FIRST_CONNECTION_LIMIT: Duration = Duration::from_secs(15);
/// How long one try may take, the declarations included.
const DIAL_LIMIT: Duration = Duration::from_secs(10);
/// How long the broker may take to answer one request.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);
/// How often a connection is looked at that has reported nothing: a close by the broker is no event in lapin.
const LOOK_INTERVAL: Duration = Duration::from_millis(250);

/// A broker, for as long as it lives: clones share one connection, and the last one that is dropped ends it.
#[derive(Clone)]
pub struct Broker {
    shared: Arc<Shared>,
}

struct Shared {
    config: AmqpConfig,
    topology: Topology,
    connection: watch::Receiver<Option<Arc<Connection>>>,
    up: watch::Receiver<bool>,
    _end: DropGuard,
}

impl Broker {
    /// Connects, declares the topology, and from then on reconnects whenever the connection is lost. `name` is what operators see in
    /// the broker's list of connections.
    ///
    /// # Errors
    /// [`Unreachable`](MessagingError::Unreachable) after 15 s without a broker, the others at once.
    pub async fn connect(config: &AmqpConfig, name: &str) -> Result<Self, MessagingError> {
        Self::connect_with(config, name, TOPOLOGY.clone()).await
    }

    /// [`connect`](Self::connect) with another topology: for tests, which have no time for the real delays.
    ///
    /// # Errors
    /// As `connect`.
    pub async fn connect_with(config: &AmqpConfig, name: &str, topology: Topology) -> Result<Self, MessagingError> {
        let dialer = Dialer::new(config, name, topology.clone())?;
        let first = Arc::new(dialer.dial_within(FIRST_CONNECTION_LIMIT).await?);
        let (connection_sender, connection) = watch::channel(Some(first.clone()));
        let (up_sender, up) = watch::channel(true);
        let end = CancellationToken::new();
        let keeper = Keeper { dialer, connection: connection_sender, up: up_sender };
        tokio::spawn(end.clone().run_until_cancelled_owned(keeper.keep(first)));
        Ok(Self { shared: Arc::new(Shared { config: config.clone(), topology, connection, up, _end: end.drop_guard() }) })
    }

    /// Whether the broker is there, now and from now on; for readiness.
    pub fn watch(&self) -> watch::Receiver<bool> {
        self.shared.up.clone()
    }

    pub(crate) fn config(&self) -> &AmqpConfig {
        &self.shared.config
    }

    /// A new channel on the present connection.
    pub(crate) async fn channel(&self) -> Result<Channel, MessagingError> {
        let connection = self.shared.connection.borrow().clone();
        let connection = connection.ok_or(MessagingError::Unreachable(None))?;
        answered(connection.create_channel()).await
    }

    /// Declares what has gone missing while the connection stood.
    pub(crate) async fn declare(&self) -> Result<(), MessagingError> {
        let channel = self.channel().await?;
        timeout(ANSWER_LIMIT, Box::pin(self.shared.topology.declare(&channel)))
            .await
            .map_err(|_| MessagingError::Unreachable(None))?
            .map_err(MessagingError::from_connecting)
    }
}

/// What the broker says to one request, within a limit.
pub(crate) async fn answered<T>(request: impl Future<Output = Result<T, lapin::Error>>) -> Result<T, MessagingError> {
    match timeout(ANSWER_LIMIT, request).await {
        Ok(answer) => answer.map_err(|error| MessagingError::Unreachable(Some(error))),
        Err(_) => Err(MessagingError::Unreachable(None)),
    }
}

/// The pauses between tries, without end: whoever tries has its own reason to stop.
pub(crate) fn pauses() -> impl Iterator<Item = Duration> + Send {
    ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(100))
        .with_max_delay(Duration::from_secs(3))
        .with_jitter()
        .without_max_times()
        .build()
}

struct Dialer {
    uri: AMQPUri,
    name: String,
    topology: Topology,
}

impl Dialer {
    fn new(config: &AmqpConfig, name: &str, topology: Topology) -> Result<Self, MessagingError> {
        let mut uri = config.uri().ok_or(MessagingError::Settings("`url` is not amqp://user:password@host:port/vhost"))?;
        let seconds = config.heartbeat_seconds().ok_or(MessagingError::Settings("`heartbeat` is not between 1 s and 600 s"))?;
        uri.query.heartbeat = Some(seconds);
        uri.query.connection_timeout = Some(DIAL_LIMIT.as_millis() as u64);
        Ok(Self { uri, name: name.to_owned(), topology })
    }

    async fn dial(&self) -> Result<Connection, MessagingError> {
        let try_once = async {
            let properties = ConnectionProperties::default().with_connection_name(self.name.as_str().into());
            let connection = Connection::connect_uri(self.uri.clone(), properties).await?;
            let channel = connection.create_channel().await?;
            self.topology.declare(&channel).await?;
            Ok(connection)
        };
        match timeout(DIAL_LIMIT, Box::pin(try_once)).await {
            Ok(outcome) => outcome.map_err(MessagingError::from_connecting),
            Err(_) => Err(MessagingError::Unreachable(None)),
        }
    }

    async fn dial_within(&self, limit: Duration) -> Result<Connection, MessagingError> {
        let mut last = None;
        let tries = async {
            for pause in pauses() {
                match self.dial().await {
                    Err(error) if error.is_transient() => last = Some(error),
                    outcome => return outcome,
                }
                tokio::time::sleep(pause).await;
            }
            Err(MessagingError::Unreachable(None))
        };
        match timeout(limit, tries).await {
            Ok(outcome) => outcome,
            Err(_) => Err(last.unwrap_or(MessagingError::Unreachable(None))),
        }
    }
}

/// The task behind a [`Broker`].
struct Keeper {
    dialer: Dialer,
    connection: watch::Sender<Option<Arc<Connection>>>,
    up: watch::Sender<bool>,
}

impl Keeper {
    async fn keep(self, first: Arc<Connection>) {
        let mut connection = first;
        loop {
            let cause = lost(&connection).await;
            self.connection.send_replace(None);
            self.up.send_replace(false);
            warn!(cause = cause.map(tracing::field::display), "the broker is gone; dialling until it is back");
            connection = self.redial().await;
            self.connection.send_replace(Some(connection.clone()));
            self.up.send_replace(true);
            info!("the broker is back");
        }
    }

    async fn redial(&self) -> Arc<Connection> {
        let mut pauses = pauses();
        loop {
            match self.dialer.dial().await {
                Ok(connection) => return Arc::new(connection),
                Err(error) if error.is_transient() => {}
                Err(error) => error!(error = chain(&error), "the broker is back but not usable; an operator must act"),
            }
            tokio::time::sleep(pauses.next().unwrap_or(DIAL_LIMIT)).await;
        }
    }
}

/// Returns when the connection does not work any more, with what was heard about it.
async fn lost(connection: &Connection) -> Option<lapin::Error> {
    let mut events = std::pin::pin!(connection.events_listener());
    let mut looks = tokio::time::interval(LOOK_INTERVAL);
    loop {
        tokio::select! {
            event = events.next() => match event {
                Some(Event::Error(error)) => return Some(error),
                Some(Event::ConnectionBlocked(reason)) => warn!(reason, "the broker takes no messages: it is short of memory or disk"),
                Some(Event::ConnectionUnblocked) => info!("the broker takes messages again"),
                Some(_) => {}
                None => return None,
            },
            _ = looks.tick() => if !connection.status().connected() {
                return None;
            },
        }
    }
}

/// An error and what caused it, in one line.
pub(crate) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
