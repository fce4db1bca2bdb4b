//! A look at a broker that changes nothing there, for `media doctor`.

use lapin::{
    Connection, ConnectionProperties,
    options::{ExchangeDeclareOptions, QueueDeclareOptions},
    types::FieldTable,
};
use tokio::time::timeout;

use crate::{
    AmqpConfig, MessagingError,
    connection::{DIAL_LIMIT, address, answered},
    topology::{Role, TOPOLOGY},
};

/// What a broker has of the topology.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inspection {
    /// Exchanges and queues that it has not.
    pub missing: Vec<String>,
    pub queues: Vec<QueueState>,
}

/// A queue that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueState {
    pub name: String,
    pub role: Role,
    /// Ready to be delivered.
    pub messages: u32,
    pub consumers: u32,
}

/// Looks at every exchange and queue that this version declares.
///
/// # Errors
/// See [`MessagingError`]; one try.
pub async fn inspect(config: &AmqpConfig, name: &str) -> Result<Inspection, MessagingError> {
    let properties = ConnectionProperties::default().with_connection_name(name.into());
    let connecting = Connection::connect_uri(address(config)?, properties);
    let connection = match timeout(DIAL_LIMIT, Box::pin(connecting)).await {
        Ok(connected) => connected.map_err(MessagingError::from_connecting)?,
        Err(_) => return Err(MessagingError::Unreachable(None)),
    };
    let mut found = Inspection { missing: Vec::new(), queues: Vec::new() };
    for exchange in &TOPOLOGY.exchanges {
        let options = ExchangeDeclareOptions { passive: true, durable: true, ..Default::default() };
        // What is not there closes the channel.
        let channel = answered(connection.create_channel()).await?;
        let looked = channel.exchange_declare(exchange.name.into(), exchange.kind.clone(), options, FieldTable::default());
        if there(looked).await?.is_none() {
            found.missing.push(exchange.name.to_owned());
        }
    }
    for queue in &TOPOLOGY.queues {
        let options = QueueDeclareOptions { passive: true, durable: true, ..Default::default() };
        let channel = answered(connection.create_channel()).await?;
        match there(channel.queue_declare(queue.name.as_str().into(), options, FieldTable::default())).await? {
            Some(looked) => found.queues.push(QueueState {
                name: queue.name.clone(),
                role: queue.role,
                messages: looked.message_count(),
                consumers: looked.consumer_count(),
            }),
            None => found.missing.push(queue.name.clone()),
        }
    }
    // Dropped, the connection closes by itself: asked to, it may meet a channel that is just closing, and complain.
    Ok(found)
}

async fn there<T>(look: impl Future<Output = Result<T, lapin::Error>>) -> Result<Option<T>, MessagingError> {
    match timeout(DIAL_LIMIT, look).await {
        Ok(Ok(there)) => Ok(Some(there)),
        Ok(Err(error)) if crate::error::is_missing(&error) => Ok(None),
        Ok(Err(error)) => Err(MessagingError::from_connecting(error)),
        // A queue whose leader is away does not answer.
        Err(_) => Err(MessagingError::Unreachable(None)),
    }
}
