//! What can go wrong, named by what the caller can do about it.

/// Reaching the broker, or setting it up.
#[derive(Debug, thiserror::Error)]
pub enum MessagingError {
    /// Correct the settings: no try will succeed.
    #[error("the broker's settings are not usable: {0}")]
    Settings(&'static str),
    /// An operator must act: the credentials or the virtual host are not accepted.
    #[error("the broker refuses us")]
    Refused(#[source] lapin::Error),
    /// An operator must act: the broker has an exchange or a queue of our name with other arguments.
    #[error("the broker's queues are not the ones that this version declares")]
    TopologyMismatch(#[source] lapin::Error),
    /// Come back later: the broker is away, or it did not answer in time (then there is no source).
    #[error("the broker is not reachable")]
    Unreachable(#[source] Option<lapin::Error>),
}

impl MessagingError {
    pub(crate) fn from_connecting(error: lapin::Error) -> Self {
        match reply_code(&error) {
            Some(ACCESS_REFUSED | NOT_ALLOWED) => Self::Refused(error),
            Some(PRECONDITION_FAILED) => Self::TopologyMismatch(error),
            _ => Self::Unreachable(Some(error)),
        }
    }

    /// Whether trying again can help without somebody's help.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unreachable(_))
    }
}

/// Why a message does not count as published. Except for [`Unroutable`](PublishError::Unroutable) and
/// [`Malformed`](PublishError::Malformed), publish it again, and all that must come after it: it may also have arrived.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// No queue is bound for this command. The topology was declared again before this was returned.
    #[error("no queue takes the command")]
    Unroutable,
    /// The broker said that it did not take the message: a queue is full, or it has trouble of its own.
    #[error("the broker did not take the message")]
    Nacked,
    /// The limit passed before the broker confirmed. It may have the message.
    #[error("the broker did not confirm in time")]
    TimedOut,
    /// The channel or connection broke before the broker confirmed. It may have the message.
    #[error("the connection broke before the broker confirmed")]
    Interrupted(#[source] lapin::Error),
    /// Nothing was sent: a message before it failed, or the broker is away.
    #[error("the message was not sent")]
    NotSent(#[source] Option<MessagingError>),
    /// The message cannot be put into AMQP; it never will be.
    #[error("the message cannot be written as a CloudEvent: {0}")]
    Malformed(&'static str),
}

impl PublishError {
    /// An exchange or queue that we declared is not there any more.
    pub(crate) fn misses_topology(&self) -> bool {
        match self {
            Self::Unroutable => true,
            Self::Interrupted(error) => reply_code(error) == Some(NOT_FOUND),
            _ => false,
        }
    }
}

/// The message could not be settled any more: its channel is gone, so the broker delivers it again, to us or to
/// another. Whoever handled it already needs an inbox to notice.
#[derive(Debug, thiserror::Error)]
#[error("the broker will deliver the message again")]
pub struct Redelivered(#[source] pub(crate) Option<MessagingError>);

/// Reply codes of AMQP 0-9-1, section 1.9 "constants" (<https://www.rabbitmq.com/amqp-0-9-1-reference#constants>).
const ACCESS_REFUSED: u16 = 403;
const NOT_FOUND: u16 = 404;
const PRECONDITION_FAILED: u16 = 406;
const NOT_ALLOWED: u16 = 530;

/// An exchange or queue that was asked for is not there.
pub(crate) fn is_missing(error: &lapin::Error) -> bool {
    reply_code(error) == Some(NOT_FOUND)
}

fn reply_code(error: &lapin::Error) -> Option<u16> {
    match error.kind() {
        lapin::ErrorKind::ProtocolError(error) => Some(error.get_id()),
        _ => None,
    }
}
